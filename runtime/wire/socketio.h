/* SPDX-License-Identifier: MIT
 *
 * Socket.IO protocol 5 packets: header, event name and arguments as slices (nothing is decoded),
 * attachments counted; and the writer. Strict where the reference is lax by accident: no number
 * coercion, attachments 1 to a limit (default 10).
 */
#ifndef LN_SOCKETIO_H
#define LN_SOCKETIO_H

#include "base/buf.h"

enum sio_type {
    SIO_CONNECT,
    SIO_DISCONNECT,
    SIO_EVENT,
    SIO_ACK,
    SIO_CONNECT_ERROR,
    SIO_BINARY_EVENT,
    SIO_BINARY_ACK
};
#define SIO_MAX_ATTACHMENTS 10
#define SIO_NO_ACK (-1)

struct sio_packet {
    enum sio_type type;
    struct ln_str nsp;  /* "/" when absent */
    int64_t ack;        /* SIO_NO_ACK when absent */
    int attachments;    /* > 0: that many binary frames follow */
    struct ln_str data; /* raw JSON behind the header, or {NULL,0} */
    /* events only, found without decoding the rest: */
    struct ln_str name; /* inside of the string (may hold escapes: see name_escaped) or a number */
    bool name_escaped, name_is_number;
    struct ln_str args; /* raw JSON of the arguments without brackets: `1,{"a":2}`; may be empty */
};

/* text: what follows the engine's '4'. False with err.text in the reference's words ("invalid
 * payload", "unknown packet type 7", "Illegal attachments", "too many attachments"). Of an event's
 * arguments only the frame ([, name, last ]) is checked; the decoder that a listener pays for
 * checks the rest. CONNECT, CONNECT_ERROR and ACK data are validated whole; an ACK has an id and an
 * array always. */
bool sio_parse(struct ln_str text, int max_attachments, struct sio_packet *out, struct ln_err *err);

/* connect, connect_error, disconnect, disconnecting, newListener, removeListener */
bool sio_name_reserved(struct ln_str name);

/* Writes '4' + header; the caller adds the JSON. attachments 0 for plain packets: type EVENT or ACK
 * becomes its BINARY form when attachments > 0. nsp "/" is left out. */
void sio_write_head(struct ln_buf *out, enum sio_type type, struct ln_str nsp, int64_t ack,
                    int attachments);
/* '4' + EVENT with a name and raw arguments (`1,{"a":2}` or empty). */
void sio_write_event(struct ln_buf *out, struct ln_str nsp, int64_t ack, int attachments,
                     struct ln_str name, struct ln_str args);

/* Walks the raw arguments ("1,[2],{}") one by one; *pos begins at 0. False at the end (*pos is
 * args.n then) or on an error (*pos is greater). */
bool sio_args_each(struct ln_str args, size_t *pos, struct ln_str *value);

#endif
