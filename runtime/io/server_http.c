/* SPDX-License-Identifier: MIT
 *
 * HTTP for io/server: requests one after the other on a connection, their bodies, and the upgrade
 * to WebSocket. A request is read only when the answer before it has gone to the kernel: so
 * pipelined ones are answered in order and a peer that does not read cannot pile up answers. Heads
 * are read by wire/http_head: libwebsockets' own HTTP/1 reader cannot be trusted with hostile input
 * (docs/decisions.md).
 */
#include "io/server_peer.h"

#include "base/mem.h"
#include "base/text.h"

#define MAX_TARGET_BYTES 4096
#define AHEAD_BYTES ((size_t)64 * 1024) /* of requests that came before the answer to an other */
#define SLICE_BYTES ((size_t)64 * 1024) /* of a body, for which its time begins anew */

struct request { /* what a server_request really is */
    struct server_request pub;
    const struct http_head *head;
};

static struct ln_str request_header(const struct server_request *r, const char *name) {
    return http_header_get(LN_CONTAINER(r, struct request, pub)->head, name);
}

bool server_each_header(const struct server_request *r, size_t *i, struct ln_str *name,
                        struct ln_str *value) {
    const struct http_head *h = LN_CONTAINER(r, struct request, pub)->head;
    if (*i >= h->count) return false;
    *name = h->headers[*i].name;
    *value = h->headers[*i].value;
    ++*i;
    return true;
}

static void fill(struct request *r, const struct server_peer *p, const struct http_head *h) {
    const char *mark = memchr(h->target.p, '?', h->target.n);
    size_t path = mark ? (size_t)(mark - h->target.p) : h->target.n;
    r->head = h;
    r->pub = (struct server_request){
        .id = p->http->id,
        .method = h->method,
        .path = {h->target.p, path},
        .origin = http_header_get(h, "origin"),
        .host = http_header_get(h, "host"),
        .user_agent = http_header_get(h, "user-agent"),
        .ip = ln_str(p->ip),
        .header = request_header,
    };
    if (mark) r->pub.query = (struct ln_str){mark + 1, h->target.n - path - 1};
}

/* --- time --- */

bool server_http_goes_on(struct server_peer *p) {
    struct server_http *x = p->http;
    if (!x || p->out.n >= x->unsent) return false;
    x->unsent = p->out.n;
    return true;
}

void server_http_on_rest(void *ud) {
    struct server_peer *p = ud;
    p->timer = 0;
    if (server_http_goes_on(p))
        server_set_timer(p, p->s->opts.keep_ms, server_http_on_rest);
    else
        server_finish(p);
}

static void on_request_timeout(void *ud) {
    struct server_peer *p = ud;
    p->timer = 0;
    if (p->http->served == 0 && p->http->in.n == 0 && p->state == PEER_HEAD) {
        server_finish(p); /* it never said a word */
    } else {
        server_refuse(p, 408, "the request took too long", NULL);
    }
}

static void on_hold_timeout(void *ud) {
    struct server_peer *p = ud;
    p->timer = 0;
    server_refuse(p, 503, "the answer took too long", NULL);
}

/* --- the upgrade --- */

static bool key_is_good(struct ln_str key) { /* 16 bytes in base64: RFC 6455 4.2.1 */
    struct ln_buf raw = {0};
    bool good = key.n == WS_KEY_LEN && ln_base64_decode(&raw, key) && raw.n == 16;
    ln_buf_free(&raw);
    return good;
}

static bool is_upgrade(const struct http_head *h) {
    return http_header_has_token(http_header_get(h, "upgrade"), "websocket");
}

/* NULL when the handshake is one; else words, with *status. */
static const char *check_upgrade(const struct http_head *h, int *status) {
    *status = 400;
    if (!ln_str_is(h->method, "GET")) return "an upgrade to WebSocket must be a GET";
    if (!http_header_has_token(http_header_get(h, "connection"), "upgrade"))
        return "the Connection header does not say upgrade";
    if (!key_is_good(http_header_get(h, "sec-websocket-key")))
        return "Sec-WebSocket-Key must be 16 bytes in base64";
    if (ln_str_is(http_header_get(h, "sec-websocket-version"), "13")) return NULL;
    *status = 426;
    return "only WebSocket version 13 is spoken here";
}

/* The answer of an upgrade that passes, and what it agrees on. */
static void accept_upgrade(struct server_peer *p, const struct http_head *h,
                           const char *const *headers) {
    struct server *s = p->s;
    struct ln_buf chosen = {0};
    struct ln_str offers = http_header_get(h, "sec-websocket-extensions");
    ws_parser_init(&p->ws, true, s->opts.max_message);
    if (s->opts.deflate && ws_deflate_choose(offers, &p->deflate, &chosen)) {
        if (!s->zip) s->zip = ws_zip_new();
        ws_parser_deflate(&p->ws, s->zip, &p->deflate);
    }
    server_reply_upgrade(p, http_header_get(h, "sec-websocket-key"), ln_buf_get(&chosen), headers);
    ln_buf_free(&chosen);
}

/* True: it is a WebSocket now. */
static bool upgrade(struct server_peer *p, const struct request *r) {
    static const char *const version[] = {"Sec-WebSocket-Version", "13", NULL};
    struct server *s = p->s;
    int status;
    const char *error = check_upgrade(r->head, &status);
    if (error) { /* RFC 6455 4.4 */
        server_refuse(p, status, error, status == 426 ? version : NULL);
        return false;
    }
    struct server_reply reply = {.status = 403};
    if (s->cbs->accept && !s->cbs->accept(s->ud, &r->pub, &reply)) {
        p->http->keeps = false;
        server_reply_write(p, &reply);
        return false;
    }
    if (s->open >= s->opts.max_peers) {
        server_refuse(p, 503, "too many clients", reply.headers);
        return false;
    }
    accept_upgrade(p, r->head, reply.headers);
    loop_timer_cancel(s->loop, p->timer);
    p->timer = 0;
    p->state = PEER_OPEN;
    p->is_ws = true;
    s->open++;
    p->ud = s->cbs->open(s->ud, p, &r->pub);
    server_touch(p);
    return true;
}

/* --- requests --- */

/* A request that is whole. */
static void answer(struct server_peer *p, const struct request *r) {
    struct server *s = p->s;
    struct server_reply reply = {.status = 404};
    if (s->cbs->request) s->cbs->request(s->ud, &r->pub, &reply);
    p->http->later = reply.later;
    if (p->state == PEER_CLOSING) return; /* the server was closed meanwhile */
    if (!reply.later) {
        server_reply_write(p, &reply);
        return;
    }
    p->state = PEER_HELD;
    server_set_timer(p, s->opts.hold_ms, on_hold_timeout);
}

bool server_waits(const struct server *s, ln_id request) {
    return ln_slot_get(&s->requests, request, 1) != NULL;
}

bool server_answer(struct server *s, ln_id request, const struct server_reply *reply) {
    struct server_peer *p = ln_slot_get(&s->requests, request, 1);
    if (!p) return false;
    p->http->later = NULL;
    if (p->state != PEER_HELD || !p->wsi) return false;
    server_reply_write(p, reply);
    return true;
}

/* Two readers might take different ones of them, and so see different requests (RFC 9112 11.2). */
static bool contradicts_itself(const struct http_head *h) {
    return http_header_twice(h, "host") || http_header_twice(h, "content-length") ||
           http_header_twice(h, "transfer-encoding");
}

/* NULL when the head is fine; else words, with *status. *has_body: one is on its way. */
static const char *check_head(const struct http_head *h, bool *has_body, int *status) {
    struct ln_str coding = http_header_get(h, "transfer-encoding");
    struct ln_str length = http_header_get(h, "content-length");
    *has_body = coding.p || (length.p && !ln_str_is(length, "0"));
    *status = 414;
    if (h->target.n > MAX_TARGET_BYTES) return "the address is too long";
    *status = 400;
    if (contradicts_itself(h))
        return "Host, Content-Length and Transfer-Encoding may stand there once";
    *status = 501;
    if (coding.p && !(coding.n == 7 && strncasecmp(coding.p, "chunked", 7) == 0))
        return "only the Transfer-Encoding chunked is understood";
    *status = 400;
    if (h->target.n == 0 || h->target.p[0] != '/') return "the address must begin with /";
    if (coding.p && (length.p || h->minor == 0))
        return "a chunked body has no Content-Length and needs HTTP/1.1"; /* RFC 9112 6.1 */
    if (*has_body && is_upgrade(h)) return "an upgrade to WebSocket has no body";
    return NULL;
}

/* The head is whole, it is at the beginning of x->in, and a body follows. */
static void start_body(struct server_peer *p, struct request *r, struct http_head *h, size_t used) {
    const struct server *s = p->s;
    struct server_http *x = p->http;
    struct server_reply reply = {.status = 403};
    h->status = 200; /* http_body_begin judges answers; what is other in requests was checked */
    if (!http_body_begin(&x->framing, h, false, NULL)) {
        server_refuse(p, 400, "Content-Length is not a number", NULL);
    } else if (s->cbs->begin && !s->cbs->begin(s->ud, &r->pub, &reply)) {
        x->keeps = false; /* the body is not read */
        server_reply_write(p, &reply);
    } else if (x->framing.left > s->opts.max_message) {
        server_refuse(p, 413, "the body is too large", reply.headers);
    } else {
        struct ln_str expect = http_header_get(h, "expect");
        bool waits = x->in.n == used && expect.n == 12 &&
                     strncasecmp(expect.p, "100-continue", 12) == 0; /* RFC 9110 10.1.1 */
        ln_buf_clear(&x->head);
        ln_buf_add(&x->head, x->in.p, used);
        ln_buf_consume(&x->in, used);
        x->slice = 0;
        p->state = PEER_BODY;
        if (!waits) return;
        ln_buf_puts(&p->out, "HTTP/1.1 100 Continue\r\n\r\n");
        server_touch(p);
    }
}

static void on_head(struct server_peer *p, struct http_head *h, size_t used) {
    struct server_http *x = p->http;
    struct request r;
    bool has_body;
    int status;
    x->is_head = ln_str_is(h->method, "HEAD");
    x->keeps = h->minor == 1 && !http_header_has_token(http_header_get(h, "connection"), "close");
    const char *error = check_head(h, &has_body, &status);
    if (error) {
        server_refuse(p, status, error, NULL);
        return;
    }
    x->id = ln_slot_put(&p->s->requests, p, 1);
    fill(&r, p, h);
    if (has_body) {
        start_body(p, &r, h, used);
    } else if (!is_upgrade(h)) {
        answer(p, &r);
        ln_buf_consume(&x->in, used);
    } else if (upgrade(p, &r)) {
        server_frames(p, x->in.p + used, x->in.n - used);
        server_http_free(p);
    }
}

/* Both return true when something was read, and there may be more. */
static bool read_head(struct server_peer *p) {
    struct server_http *x = p->http;
    struct http_head h;
    size_t used = 0;
    while (x->in.n >= 2 && memcmp(x->in.p, "\r\n", 2) == 0) /* RFC 9112 2.2 */
        ln_buf_consume(&x->in, 2);
    if (x->in.n == 0) return false;
    switch (http_parse_head(&h, false, ln_buf_get(&x->in), &used)) {
    case HTTP_MORE:
        return false;
    case HTTP_OK:
        on_head(p, &h, used);
        return true;
    case HTTP_TOO_BIG:
        server_refuse(p, 431, "the head of the request is too large", NULL);
        return false;
    default:
        server_refuse(p, 400, "this is not an HTTP request", NULL);
        return false;
    }
}

static void on_body(struct server_peer *p) {
    struct server_http *x = p->http;
    struct http_head h;
    struct request r;
    size_t used;
    http_parse_head(&h, false, ln_buf_get(&x->head), &used); /* it was good before */
    fill(&r, p, &h);
    r.pub.body = ln_buf_get(&x->body);
    answer(p, &r);
    ln_buf_free(&x->body);
    ln_buf_free(&x->head);
}

static bool read_body(struct server_peer *p) {
    struct server_http *x = p->http;
    size_t used = 0, max = p->s->opts.max_message;
    enum http_body_result r = http_body_feed(&x->framing, ln_buf_get(&x->in), &used, &x->body, max);
    ln_buf_consume(&x->in, used);
    x->slice += used;
    if (r == BODY_DONE) {
        on_body(p);
        return true;
    }
    if (r == BODY_BAD) {
        server_refuse(p, 400, "the chunks of the body are malformed", NULL);
    } else if (r == BODY_TOO_BIG) {
        server_refuse(p, 413, "the body is too large", NULL);
    } else if (x->slice >= SLICE_BYTES) {
        x->slice = 0;
        server_set_timer(p, p->s->opts.idle_ms, on_request_timeout);
    }
    return false;
}

void server_http_next(struct server_peer *p) {
    bool more = true;
    /* With an answer on its way the next request waits; see flush_peer. */
    while (more && p->out.n == 0 && !p->is_choked && p->http) {
        if (p->state != PEER_HEAD && p->state != PEER_BODY) return;
        more = p->state == PEER_HEAD ? read_head(p) : read_body(p);
    }
}

void server_http_feed(struct server_peer *p, const char *bytes, size_t n) {
    struct server_http *x = p->http;
    bool was_idle = server_http_is_idle(p);
    ln_buf_add(&x->in, bytes, n);
    if (p->state == PEER_HELD && x->in.n > AHEAD_BYTES)
        server_refuse(p, 400, "too much was sent ahead of the answer", NULL);
    if (was_idle) server_set_timer(p, p->s->opts.idle_ms, on_request_timeout);
    server_http_next(p);
    if (p->http && x->in.n == 0 && x->in.cap > AHEAD_BYTES) ln_buf_free(&x->in);
}

/* --- life --- */

bool server_http_is_idle(const struct server_peer *p) {
    return p->state == PEER_HEAD && p->http->served > 0 && p->http->in.n == 0;
}

void server_http_new(struct server_peer *p) {
    p->http = ln_new(struct server_http);
    server_set_timer(p, p->s->opts.idle_ms, on_request_timeout);
}

void server_http_free(struct server_peer *p) {
    struct server_http *x = p->http;
    if (!x) return;
    p->http = NULL;
    ln_slot_drop(&p->s->requests, x->id);
    ln_buf_free(&x->in);
    ln_buf_free(&x->head);
    ln_buf_free(&x->body);
    ln_free(x);
}

void server_http_report(struct server_peer *p) {
    struct server_http *x = p->http;
    if (!x || (p->wsi && p->state != PEER_CLOSING)) return;
    void *later = x->later;
    x->later = NULL;
    ln_slot_drop(&p->s->requests, x->id);
    if (later) p->s->cbs->aborted(later);
}

void server_http_close(struct server_peer *p) {
    if (p->state == PEER_CLOSING) return;
    if (p->state == PEER_HELD) {
        server_refuse(p, 503, "the server closes", NULL);
    } else {
        server_finish(p);
    }
}
