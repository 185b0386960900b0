/* SPDX-License-Identifier: MIT
 *
 * permessage-deflate (RFC 7692) for wire/websocket, on zlib: what is offered and agreed, writing,
 * and what the parser needs. Nothing here is touched by a line that did not agree on it.
 */
#ifndef LN_DEFLATE_H
#define LN_DEFLATE_H

#include "wire/websocket.h"

/* zlib's states and buffers, shared by the lines of one loop: a deflater takes 262 kB, an inflater
 * 42 kB. Ours never refer to earlier messages, so one deflater does for all lines. */
struct ws_zip;
struct ws_zip *ws_zip_new(void);
void ws_zip_free(struct ws_zip *z); /* after the parsers that use it */

struct ws_deflate { /* what was agreed for one line */
    bool on;
    bool keeps;   /* the peer's messages may refer to earlier ones: the line keeps an inflater */
    uint8_t bits; /* the window that our messages may use: 9 to 15 */
};
#define WS_DEFLATE_OFFER "permessage-deflate; client_no_context_takeover"
#define WS_DEFLATE_MIN 1024 /* bytes; shorter messages go as they are */

/* The server's choice out of a client's Sec-WebSocket-Extensions; what to answer with is added to
 * answer. False when none of the offers can be taken: then there is no compression, and no answer
 * either. Neither side will refer to earlier messages. */
bool ws_deflate_choose(struct ln_str offers, struct ws_deflate *d, struct ln_buf *answer);
/* The client's: what the server answered to WS_DEFLATE_OFFER. False with err when that was not
 * offered, or is malformed. */
bool ws_deflate_agreed(struct ln_str answer, struct ws_deflate *d, struct ln_err *err);
/* From now on the parser takes compressed messages; they count by their length when inflated.
 * Before the first ws_parse; nothing happens when d is off. */
void ws_parser_deflate(struct ws_parser *w, struct ws_zip *z, const struct ws_deflate *d);
/* As ws_write of a whole message, compressed when it is long enough and becomes shorter. */
void ws_write_deflated(struct ln_buf *out, bool mask, enum ws_op op, const struct ln_str *pieces,
                       size_t count, struct ws_zip *z, const struct ws_deflate *d);

/* For the parser only. Inflates a piece of a message to the end of out, at most max bytes in all;
 * last: the message ends with it. 0, or the code to close with and *error. */
int ws_inflate(struct ws_inflate *i, struct ln_str in, bool last, struct ln_buf *out, size_t max,
               const char **error);
void ws_inflate_begin(struct ws_inflate *i, struct ln_buf *out); /* of a message */
void ws_inflate_free(struct ws_inflate *i);                      /* NULL is fine */
/* out gets back to where ws_inflate_begin took it from. i NULL: freed. */
void ws_inflate_give_back(struct ws_inflate *i, struct ln_buf *out);

#endif
