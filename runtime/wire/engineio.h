/* SPDX-License-Identifier: MIT
 *
 * Engine.IO protocol 4: packets (over WebSocket one a frame, in polling many a body), and the open
 * packet.
 */
#ifndef LN_ENGINEIO_H
#define LN_ENGINEIO_H

#include "base/buf.h"

enum eio_type {
    EIO_OPEN = '0',
    EIO_CLOSE = '1',
    EIO_PING = '2',
    EIO_PONG = '3',
    EIO_MESSAGE = '4',
    EIO_UPGRADE = '5',
    EIO_NOOP = '6',
    EIO_BINARY = 'b', /* base64 text form of a binary message */
    EIO_BAD = 0
};

/* Type of a text frame; *data is what follows. EIO_BAD for an empty frame or unknown type. */
enum eio_type eio_parse(struct ln_str frame, struct ln_str *data);

#define EIO_SEPARATOR '\x1e' /* between the packets of a polling body */
/* The packets of a polling body, one by one, each as it would stand in a text frame (a binary
 * message in its base64 form); *pos begins at 0. False at the end. An empty body is one empty
 * packet, and a separator too many makes one, which eio_parse finds bad. */
bool eio_payload_each(struct ln_str body, size_t *pos, struct ln_str *packet);
/* Adds a packet to a body. Pieces of text begin with the type's digit; binary ones become 'b' and
 * base64. */
void eio_payload_add(struct ln_buf *body, bool binary, const struct ln_str *pieces, size_t count);

struct eio_open {
    struct ln_str sid; /* as it stands between the quotes */
    bool upgrade_websocket;
    int64_t ping_interval_ms, ping_timeout_ms; /* 25000 and 20000 when missing */
    int64_t max_payload;                       /* bytes; 0 = not told */
};
/* data: what follows '0'. False with err ("the handshake has no sid"). Values out of range (zero,
 * negative, over a day) are refused. */
bool eio_open_parse(struct ln_str data, struct eio_open *o, struct ln_err *err);
void eio_open_write(struct ln_buf *out, const char *sid, bool upgrade, int64_t ping_interval_ms,
                    int64_t ping_timeout_ms, int64_t max_payload); /* with the leading '0' */

#endif
