/* SPDX-License-Identifier: MIT
 *
 * Listening: HTTP/1.1 and WebSocket on one port (on libwebsockets; docs/decisions.md tells with
 * which precautions). Connections are kept, requests that were pipelined are answered in order, and
 * an answer may come later. The hub is built on this.
 */
#ifndef LN_SERVER_H
#define LN_SERVER_H

#include "base/buf.h"
#include "io/loop.h"

struct server;
struct server_peer; /* one WebSocket client */

struct server_request { /* an HTTP request or a WebSocket upgrade; slices are lent */
    ln_id id; /* of an HTTP request, until it is answered or its client goes; see server_answer */
    struct ln_str method, path, query, origin, host, user_agent, ip;
    struct ln_str (*header)(const struct server_request *r, const char *name); /* {NULL,0} */
    struct ln_str body;
};
/* Walks the request's headers; *i begins at 0. */
bool server_each_header(const struct server_request *r, size_t *i, struct ln_str *name,
                        struct ln_str *value);

struct server_reply {
    int status;
    const char *type;           /* content type */
    struct ln_str body;         /* copied by the server */
    const char *const *headers; /* "name", "value", …, NULL; or NULL */
    /* Set by `request`, and nothing else: server_answer answers later. Is what `aborted` gets. */
    void *later;
};

struct server_cbs {
    /* An HTTP request that is no upgrade; fills reply (default: 404). */
    void (*request)(void *ud, const struct server_request *r, struct server_reply *reply);
    /* May this upgrade pass? False: reply.status and body tell why (default 403). The headers are
     * sent in both cases. */
    bool (*accept)(void *ud, const struct server_request *r, struct server_reply *reply);
    /* Open; return what is passed as `peer_ud` below. The request is still readable. */
    void *(*open)(void *ud, struct server_peer *p, const struct server_request *r);
    void (*message)(void *peer_ud, bool binary, char *p, size_t n); /* whole messages, lent */
    void (*drained)(void *peer_ud); /* the queue went to the kernel; may be NULL */
    void (*pong)(void *peer_ud);    /* the answer to server_ping; may be NULL */
    void (*pinged)(void *peer_ud);  /* a ping came and is answered; may be NULL */
    /* The certain end, once for each open. code 1006 when there was no close frame. */
    void (*closed)(void *peer_ud, int code, struct ln_str reason);
    /* The head of a request with a body, which is still to come. False: it is answered by reply
     * now. The headers are also sent when the server refuses a body as too large. May be NULL. */
    bool (*begin)(void *ud, const struct server_request *r, struct server_reply *reply);
    /* A request that was to be answered later will not be: its client went away, hold_ms are over,
     * or the server closes. Its id is dead. May be NULL when `later` is never set. */
    void (*aborted)(void *later);
};

struct server_opts {
    /* "127.0.0.1", or a Unix socket: "unix:/run/x.sock" (mode 0600; a dead one that is in the way
     * is removed; port is not looked at then, but for -1). */
    const char *host;
    int port;                      /* 0 = any free one; -1 = none: only server_pair */
    size_t max_message, max_queue; /* bytes a message or a body; bytes queued for one slow peer */
    bool deflate;                  /* permessage-deflate, for clients that offer it */
    int max_peers;                 /* WebSockets; HTTP may have as many connections again */
    int64_t idle_ms; /* HTTP: how long a request may take (each 64 KiB of body anew); 0: 10000 */
    int64_t keep_ms; /* HTTP: how long a connection may wait for the next request; 0: 15000 */
    int64_t hold_ms; /* HTTP: how long an answer may take that comes later; 0: 120000 */
};

/* NULL with err ("port 4321 is taken by another program; …"). */
struct server *server_open(struct loop *l, const struct server_opts *o,
                           const struct server_cbs *cbs, void *ud, struct ln_err *err);
int server_port(const struct server *s);  /* -1: none */
int server_peers(const struct server *s); /* open WebSockets */
/* Closes the port, then every peer with 1001; done(ud) once nothing is left. */
void server_close(struct server *s, loop_fn done, void *ud);

/* Answers a request that was to be answered later; `aborted` is not called for it after this.
 * False: it is dead, its client does not get the answer. */
bool server_answer(struct server *s, ln_id request, const struct server_reply *reply);
bool server_waits(const struct server *s, ln_id request); /* it is neither answered nor dead */

/* Queues one message; false when the peer's queue is over its limit (the peer is closed with 1008
 * "too slow" at the end of the turn). */
bool server_send(struct server_peer *p, bool binary, const struct ln_str *pieces, size_t count);
size_t server_queued(const struct server_peer *p);
void server_ping(struct server_peer *p); /* a WebSocket ping (RFC 6455 5.5.2); see pong */
/* code 1005: a close frame without a code. closed() follows, never from here. */
void server_drop(struct server_peer *p, int code, struct ln_str reason);
/* From now on that is its peer_ud. */
void server_pass(struct server_peer *p, void *peer_ud);
/* Tests: a client's end of a socket pair that this server serves; -1 when it cannot. */
int server_pair(struct server *s);

#endif
