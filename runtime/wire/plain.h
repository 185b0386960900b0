/* SPDX-License-Identifier: MIT
 *
 * Plain JSON over WebSocket, one value a message, both roles (docs/hub.md). An event is an object
 * with its name in a field; its arguments are `args` (a list), else `data` (one), else the whole
 * object when it has other fields, else none. {"ack":N,…} without a name answers the event that
 * had this number. What is none of these is a value.
 *
 * An event costs a look at its members: their values are only passed over, not validated. That is
 * done by the decoder of the listener that wants them.
 */
#ifndef LN_PLAIN_H
#define LN_PLAIN_H

#include "base/buf.h"

#define PLAIN_NO_ACK (-1)

enum plain_kind {
    PLAIN_BROKEN, /* no JSON */
    PLAIN_VALUE,  /* args is all of it */
    PLAIN_EVENT,
    PLAIN_ANSWER /* args are those of the acknowledgement, validated */
};

struct plain {          /* slices of the text */
    struct ln_str name; /* what stands between the quotes; escaped: use ln_json_unescape */
    bool name_escaped;
    struct ln_str args; /* raw values with commas between; may be empty */
    int64_t ack;        /* PLAIN_NO_ACK, or the number to answer with; of an answer: its own */
};

/* field: the one that holds the name; NULL: "event", or where it is missing "type". */
enum plain_kind plain_parse(struct ln_str text, const char *field, struct plain *out);

/* One event or answer, added to out; args are valid. field NULL: "event". */
void plain_write_event(struct ln_buf *out, const char *field, struct ln_str name,
                       struct ln_str args, int64_t ack);
void plain_write_answer(struct ln_buf *out, int64_t ack, struct ln_str args);
/* Arguments with their binary values in place: {"_placeholder":true,"num":k} becomes
 * {"_binary":"BASE64"}, which is how bytes travel where frames are text. */
void plain_write_binary(struct ln_buf *out, struct ln_str args, const struct ln_str *bin,
                        size_t bin_count);

#endif
