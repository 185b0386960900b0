/* SPDX-License-Identifier: MIT
 *
 * What server.c (sockets, by libwebsockets) and server_http.c (requests and the upgrade) share.
 * A peer is one TCP connection: first HTTP, then WebSocket when it asks for it.
 */
#ifndef LN_SERVER_PEER_H
#define LN_SERVER_PEER_H

#include "base/list.h"
#include "io/server.h"
#include "wire/websocket.h"

struct lws;

enum peer_state {
    PEER_HEAD,    /* a request's head is coming in */
    PEER_BODY,    /* … and its body */
    PEER_OPEN,    /* WebSocket */
    PEER_CLOSING, /* what is queued goes out, what comes in is dropped */
};

struct server_peer {
    struct ln_list node, dirty; /* of all; of those that server_flush has to look at */
    struct server *s;
    struct lws *wsi; /* NULL: the socket is gone */
    enum peer_state state;
    bool is_ws, told_closed; /* closed() is owed to an is_ws peer once */
    bool is_shut, is_choked; /* write side shut down; libwebsockets holds bytes of ours */
    struct ln_buf in, out;
    struct ws_parser ws;
    void *ud;
    ln_id timer; /* request, then linger */
    int code;    /* how it ended */
    char reason[126];
    char ip[64];
};

struct server {
    struct loop *loop;
    struct server_opts opts;
    const struct server_cbs *cbs;
    void *ud;
    struct ln_list peers, dirty;
    int conns, open; /* TCP connections; those of them that speak WebSocket */
    bool flush_due, is_closing;
    int port;
    struct lws_context *ctx;
    struct lws_vhost *vhost;
    void *closer; /* server.c: waits for libwebsockets' handles */
    loop_fn done;
    void *done_ud;
};

/* Bytes of a peer that is not open yet; at the upgrade the rest goes to server_frames. */
void server_http_feed(struct server_peer *p, const char *bytes, size_t n);
/* An error or a refusal as plain text; the connection ends after it. */
void server_http_refuse(struct server_peer *p, int status, const char *text);
void server_frames(struct server_peer *p, char *bytes, size_t n);
/* To be looked at when the turn ends: send, report, close. */
void server_touch(struct server_peer *p);
/* No more input; what is queued goes out, then the connection ends. */
void server_finish(struct server_peer *p);

#endif
