/* SPDX-License-Identifier: MIT
 *
 * A WebSocket client line: stream, upgrade, frames. Pings are answered here; messages are whole
 * when they arrive. Everything sent in one turn leaves in one write.
 */
#ifndef LN_WS_H
#define LN_WS_H

#include "io/stream.h"
#include "wire/websocket.h"

struct url;
struct ws_opts {
    struct stream_opts stream;
    const char *host_header; /* "chat.example:8080" */
    const char *target;      /* path and query */
    const char *protocols;   /* "a, b" or NULL */
    const struct http_header *headers;
    size_t header_count;
    size_t max_message; /* bytes; 0 = 16 MiB */
    /* How long the peer's answer to our close frame is waited for; 0 = 2 s. From when all has gone,
     * for which the peer has 30 s. */
    uint32_t close_timeout_ms;
    bool deflate; /* permessage-deflate is offered: messages may be compressed, both ways */
    /* NULL: a redirect is an error, which says where to. Else it is followed (at most 5 times, and
     * never from TLS to a line without it): fills o, which is zeroed, with the way to `to`; false:
     * no further. The line may not be closed from inside; o's strings are lent until the end of the
     * turn. Of the headers only User-Agent, Accept-Language and Origin go to another origin. ud is
     * that of the callbacks. */
    bool (*follow)(void *ud, const struct url *to, struct stream_opts *o);
};

struct ws;
struct ws_cbs { /* lent for the life of the line */
    void (*open)(void *ud, struct ln_str protocol);
    void (*message)(void *ud, bool binary, char *p, size_t n); /* lent; may be changed in place */
    void (*pong)(void *ud, struct ln_str data);                /* may be NULL */
    /* The certain end, exactly once, never from inside ws_open. code: the peer's close code, or
     * 1006 when there was none, 0 when never open. err: NULL after ws_close, ws_abort or a normal
     * close (1000, or no code) by the peer; text names the phase. For HTTP refusals text holds the
     * status and the beginning of the body, and `status` is the HTTP status, else 0. */
    void (*closed)(void *ud, enum stream_phase phase, int status, int code, struct ln_str reason,
                   const struct ln_err *err);
    void (*drained)(void *ud); /* may be NULL: what was sent has gone to the kernel */
    /* May be NULL. The head of the final answer to the upgrade, lent, whatever its status: before
     * open() or closed(). Closing from inside is not. */
    void (*answer)(void *ud, const struct http_head *head);
};

/* Copies what it needs. Never fails at once: errors come by closed(). */
struct ws *ws_open(struct loop *l, const struct ws_opts *o, const struct ws_cbs *cbs, void *ud);
/* Where a frame's payload is sent: the pieces are copied (masked) into the outgoing buffer. Nothing
 * happens when the line is not open (yet, or any more). No message comes after ws_close. */
void ws_send(struct ws *w, enum ws_op op, const struct ln_str *pieces, size_t count);
size_t ws_queued(const struct ws *w); /* bytes not yet taken by the kernel */
/* Sends a close frame (code 1005: without a code) and ends; closed() comes later, never from here.
 */
void ws_close(struct ws *w, int code, struct ln_str reason);
struct ln_str ws_peer(const struct ws *w); /* as stream_peer */
bool ws_is_deflated(const struct ws *w);   /* compression was agreed */
void ws_abort(struct ws *w); /* no close frame; closed() with err NULL at the end of the turn */

#endif
