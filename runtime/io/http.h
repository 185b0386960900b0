/* SPDX-License-Identifier: MIT
 *
 * A small HTTP/1.1 client on a stream, for what a line asks beside its WebSocket: polling, and the
 * answers of an auth endpoint. It shares the line's TLS, proxy, phases and clock, which a library
 * with its own sockets could not. One request at a time; the connection is kept for the next one
 * for some seconds. Redirects are not followed, nothing is decompressed, every status is an answer.
 */
#ifndef LN_HTTP_H
#define LN_HTTP_H

#include "io/stream.h"
#include "wire/websocket.h"

struct http_opts {
    /* Says where to connect, before each connection (the first, and after the kept one ended): o is
     * zeroed; its strings are lent until this call's caller returns. `fd` gives the connection to
     * be used, in tests. */
    void (*where)(void *ud, struct stream_opts *o);
    void *ud;
    size_t max_bytes; /* of an answer's body; 0 = 1 MiB */
};

struct http_request { /* all lent for the time of http_send */
    const char *method;
    const char *host_header; /* "chat.example:8080" */
    const char *target;      /* path and query */
    const struct http_header *headers;
    size_t header_count;
    struct ln_str body; /* p NULL: none; the Content-Type is the caller's header */
    int64_t timeout_ms; /* from the call to the whole answer; 0 = 20 s */
    bool once;          /* never repeated, whatever its method: the answer takes something away */
};

struct http_answer { /* all lent for the time of the call */
    int status;
    const struct http_head *head;
    char *body; /* may be changed in place; never NULL */
    size_t n;
};

/* Exactly once for each http_send that was not aborted, never from inside it. a NULL: err says what
 * failed, beginning with the phase ("TCP: connection refused (…)", "HTTP: timed out …"), and phase
 * is where (PHASE_HTTP: connected, but no whole answer came). May send the next request, abort and
 * free. */
typedef void (*http_fn)(void *ud, const struct http_answer *a, enum stream_phase phase,
                        const struct ln_err *err);

struct http;
struct http *http_new(struct loop *l, const struct http_opts *o);
/* Aborts, closes the connection, frees; fine inside an http_fn. NULL is fine. */
void http_free(struct http *h);
/* Only when no other request is out. A kept connection that turns out to be closed is replaced
 * once, when the method is one that may be repeated (RFC 9110 9.2.2: not POST or PATCH). */
void http_send(struct http *h, const struct http_request *r, http_fn fn, void *ud);
bool http_busy(const struct http *h); /* a request is out */
/* The request that is out, if any, is forgotten with its connection; its fn is not called. */
void http_abort(struct http *h);
struct ln_str http_peer(const struct http *h); /* as stream_peer; empty when not connected */

#endif
