/* SPDX-License-Identifier: MIT
 *
 * What a protocol is to a connection and its line: a table of functions. There are three:
 * conn_sio.c, conn_pusher.c and conn_raw.c. Included by client/ only.
 */
#ifndef LN_PROTO_H
#define LN_PROTO_H

#include "client/conn.h"
#include "io/ws.h"
#include "wire/url.h"

struct line_loss;
struct line; /* client/line.h: one transport, its handshake and reconnection, one or more conns */
struct conn_in; /* client/inside.h: an event that came in */

struct proto {
    const char *name;
    size_t line_size; /* bytes of the protocol's own state in a line */
    /* Path and query of the upgrade request for this line, added to out. */
    void (*target)(struct line *ln, const struct url *u, struct ln_buf *out);
    void (*line_open)(struct line *ln); /* the WebSocket is open */
    /* A whole message, lent, changeable. */
    void (*line_message)(struct line *ln, bool binary, char *p, size_t n);
    void (*line_closed)(struct line *ln); /* forget per-transport state; the line is down */
    /* The line's handshake is done and this conn wants in: ask with its auth payload (raw JSON or
     * empty). The answer ends in conn_up() or conn_refused(). */
    void (*conn_join)(struct conn *c, struct ln_str auth);
    void (*conn_part)(struct conn *c); /* leave politely (DISCONNECT) */
    /* Encodes and sends one event (ack < 0: none) or answer now; the line is up. Returns the bytes
     * that went out. */
    size_t (*send_event)(struct conn *c, const struct conn_emit *e, int64_t ack);
    size_t (*send_ack)(struct conn *c, int64_t ack, struct ln_str args, const struct ln_str *bin,
                       size_t bin_count);
    /* The rest may be NULL. */
    /* Words when this connection cannot carry such an event (name, acks, binary): the emit is
     * refused with them. */
    const char *(*refuses)(const struct conn *c, const struct conn_emit *e);
    /* Protocols with rooms of their own (channels): asks for the room, and out of it. NULL: rooms
     * are a dialect's events. Only while the connection is up; the answer ends in
     * conn_room_answer(), now or later. What was joined is forgotten with the line. */
    void (*room_join)(struct conn *c, struct ln_str room);
    void (*room_leave)(struct conn *c, struct ln_str room);
    /* The name of a room on the wire, as events carry it; added to out. */
    void (*room_wire)(const struct conn *c, struct ln_str room, struct ln_buf *out);
    /* Of a room that is joined: what its join would be answered now (raw JSON, added to out). */
    void (*room_state)(struct conn *c, struct ln_str room, struct ln_buf *out);
    /* Of a room that is joined: what is known of somebody in it (raw JSON, lent). False: nobody. */
    bool (*room_member)(struct conn *c, struct ln_str room, struct ln_str id, struct ln_str *info);
    /* The answer to an auth question that the protocol itself put to the sink; as
     * conn_auth_answer. */
    void (*auth_answer)(struct conn *c, ln_id ticket, struct ln_str json, const struct ln_err *err);
    /* Up, and the functions were asked anew: token_auth() and token_headers() are fresh, or as
     * before when they failed. */
    void (*auth_renewed)(struct conn *c);
    /* What the end of the transport means: code is the peer's close code (1006: none). why is
     * filled; next and err may be changed. */
    void (*line_ended)(struct line *ln, int code, struct line_loss *why);
    void (*line_pong)(struct line *ln);
    /* Before an event is kept or sent: may make a frame of it, in *frame, and set CONN_EMIT_RAW. */
    ln_status (*encode)(struct conn *c, struct conn_emit *e, struct ln_buf *frame,
                        struct ln_err *err);
    /* A listener found the arguments to be no JSON. NULL: the line fails with "parse error". */
    void (*bad_args)(struct conn *c, const struct conn_in *in);
    /* False with words when the options lack something. */
    bool (*check)(const struct conn_opts *o, const struct url *u, struct ln_err *err);
    /* NULL-ended: those of the option `headers` that go with the upgrade. NULL: all. */
    const char *const *upgrade_headers;
    /* May go over HTTP long-polling (Engine.IO): target ends with "transport=websocket". */
    bool has_polling;
    bool follows;      /* redirects of the upgrade */
    bool user_is_key;  /* the URL's user and password are no login */
    bool carries_many; /* several connections (namespaces) on one line */
};
extern const struct proto proto_sio, proto_pusher, proto_raw;

#endif
