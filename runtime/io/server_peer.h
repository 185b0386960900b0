/* SPDX-License-Identifier: MIT
 *
 * What the files of io/server share: server (sockets, by libwebsockets), server_http (requests
 * and the upgrade), server_reply (what is answered), server_listen (ports and Unix sockets). A peer
 * is one connection: first HTTP, then WebSocket when it asks for it.
 */
#ifndef LN_SERVER_PEER_H
#define LN_SERVER_PEER_H

#include "base/list.h"
#include "io/server.h"
#include "wire/deflate.h"
#include "wire/http.h"

struct lws;

enum peer_state {
    PEER_HEAD,    /* a request's head is coming in, or none is on its way */
    PEER_BODY,    /* … and its body */
    PEER_HELD,    /* the answer comes later; what comes in waits */
    PEER_OPEN,    /* WebSocket */
    PEER_CLOSING, /* what is queued goes out, what comes in is dropped */
};

struct server_http {          /* a connection while it speaks HTTP; gone with the upgrade */
    struct ln_buf in;         /* what was not read yet */
    struct ln_buf head, body; /* of the request whose body is coming in */
    struct http_body framing;
    size_t slice;        /* bytes of the body since the timer was set */
    size_t unsent;       /* of the answer, when that was looked at last; SIZE_MAX: not yet */
    unsigned served;     /* requests that were answered */
    ln_id id;            /* of the request: server.requests */
    void *later;         /* its answer comes later; `aborted` is owed */
    bool is_head, keeps; /* HEAD: no body goes out; the connection lives on after the answer */
};

struct server_peer {
    struct ln_list node, dirty; /* of all; of those that server_flush has to look at */
    struct server *s;
    struct lws *wsi; /* NULL: the socket is gone */
    enum peer_state state;
    bool is_ws : 1, told_closed : 1; /* closed() is owed to an is_ws peer once */
    bool is_shut : 1, is_choked : 1; /* write side shut down; libwebsockets holds bytes of ours */
    bool is_tcp : 1;
    struct server_http *http;
    struct ln_buf out;
    struct ws_parser ws;
    struct ws_deflate deflate;
    void *ud;
    ln_id timer;  /* request, then linger */
    int code;     /* how it ended */
    char *reason; /* … or NULL */
    char ip[64];
};

struct server {
    struct loop *loop;
    struct server_opts opts;
    const struct server_cbs *cbs;
    void *ud;
    struct ln_list peers, dirty;
    struct ws_zip *zip;         /* NULL: nobody compresses yet */
    struct ln_slots requests;   /* those that are not answered yet */
    int conns, open, max_conns; /* connections; those of them that speak WebSocket */
    bool flush_due, is_closing;
    int port;
    struct lws_context *ctx;
    struct lws_vhost *vhost;
    struct server_unix *local; /* server_listen.c, or NULL */
    void *closer;              /* server.c: waits for libwebsockets' handles */
    loop_fn done;
    void *done_ud;
};

/* --- server.c --- */
void server_frames(struct server_peer *p, char *bytes, size_t n);
/* To be looked at when the turn ends: send, report, close. */
void server_touch(struct server_peer *p);
/* No more input; what is queued goes out, then the connection ends. */
void server_finish(struct server_peer *p);
void server_set_timer(struct server_peer *p, int64_t ms, loop_fn fn);
bool server_is_full(const struct server *s); /* takes no connection more */
/* Serves that connected socket; false: it was closed. */
bool server_adopt(struct server *s, int fd);

/* --- server_http.c --- */
void server_http_new(struct server_peer *p);
void server_http_free(struct server_peer *p);
/* Bytes of a peer that is not open yet; at the upgrade the rest goes to server_frames. */
void server_http_feed(struct server_peer *p, const char *bytes, size_t n);
/* Reads on in what came before: everything that was queued has gone out. */
void server_http_next(struct server_peer *p);
/* From the flush: tells that the answer to a request is not wanted any more. */
void server_http_report(struct server_peer *p);
/* The whole server closes. */
void server_http_close(struct server_peer *p);
/* Was answered, and waits for a next request of which nothing came. */
bool server_http_is_idle(const struct server_peer *p);
void server_http_on_rest(void *peer); /* … for too long */
/* Some of the answer has gone since this was asked last, and there is more: a slow reader. */
bool server_http_goes_on(struct server_peer *p);

/* --- server_reply.c --- */
/* Writes it; then the connection waits for the next request, or ends. */
void server_reply_write(struct server_peer *p, const struct server_reply *r);
/* An error or a refusal as plain text; the connection ends after it. headers: NULL, or as in a
 * reply. */
void server_refuse(struct server_peer *p, int status, const char *text, const char *const *headers);
/* extensions: what was agreed on; n 0: none. */
void server_reply_upgrade(struct server_peer *p, struct ln_str key, struct ln_str extensions,
                          const char *const *headers);

/* --- server_listen.c --- */
/* Could it be had? False with err; libwebsockets does not say why not. */
bool server_try_port(const struct server_opts *o, struct ln_err *err);
/* NULL with err. */
struct server_unix *server_unix_open(struct server *s, const char *path, struct ln_err *err);
void server_unix_close(struct server_unix *u); /* removes the socket's file; NULL is fine */

#endif
