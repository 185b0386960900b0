/* SPDX-License-Identifier: MIT
 *
 * HTTP for io/server: one request a connection, its answer, or the upgrade to WebSocket. Each
 * answer says `Connection: close` and the connection ends, so a second request is never parsed. The
 * head is read by wire/http_head: libwebsockets' own HTTP/1 reader cannot be trusted with hostile
 * input (docs/decisions.md).
 */
#include "io/server_peer.h"

#include "base/mem.h"
#include "base/text.h"

#define MAX_TARGET_BYTES 4096
#define MAX_BODY_BYTES ((size_t)64 * 1024)

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

static const char *status_words(int status) {
    static const struct {
        int status;
        const char *words;
    } known[] = {{200, "OK"},
                 {204, "No Content"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {408, "Request Timeout"},
                 {411, "Length Required"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {426, "Upgrade Required"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {503, "Service Unavailable"}};
    for (size_t i = 0; i < LN_COUNT(known); i++)
        if (known[i].status == status) return known[i].words;
    return "Status";
}

static void write_reply(struct server_peer *p, const struct server_reply *r, bool without_body) {
    struct ln_buf *out = &p->out;
    ln_buf_fmt(out, "HTTP/1.1 %d %s\r\n", r->status, status_words(r->status));
    if (r->body.n > 0)
        ln_buf_fmt(out, "Content-Type: %s\r\n", r->type ? r->type : "text/plain; charset=utf-8");
    ln_buf_fmt(out, "Content-Length: %zu\r\nConnection: close\r\n", r->body.n);
    for (const char *const *h = r->headers; h && h[0]; h += 2)
        ln_buf_fmt(out, "%s: %s\r\n", h[0], h[1]);
    ln_buf_puts(out, "\r\n");
    if (!without_body) ln_buf_str(out, r->body);
    server_finish(p);
}

void server_http_refuse(struct server_peer *p, int status, const char *text) {
    static const char *const version[] = {"Sec-WebSocket-Version", "13", NULL};
    struct ln_buf body = {0};
    ln_buf_fmt(&body, "%s\n", text);
    struct server_reply r = {.status = status, .body = ln_buf_get(&body)};
    if (status == 426) r.headers = version; /* RFC 6455 4.4 */
    write_reply(p, &r, false);
    ln_buf_free(&body);
}

/* The reply's own words, or the status' when it has none. */
static void write_answer(struct server_peer *p, struct server_reply *r, bool without_body) {
    if (r->body.n == 0 && r->status >= 400) {
        server_http_refuse(p, r->status, status_words(r->status));
    } else {
        write_reply(p, r, without_body);
    }
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

static void upgrade(struct server_peer *p, const struct request *r) {
    struct server *s = p->s;
    char key[WS_KEY_LEN + 1] = {0}, accept_key[29];
    int status;
    const char *error = check_upgrade(r->head, &status);
    if (error) {
        server_http_refuse(p, status, error);
        return;
    }
    struct server_reply reply = {.status = 403};
    if (s->cbs->accept && !s->cbs->accept(s->ud, &r->pub, &reply)) {
        write_answer(p, &reply, false);
        return;
    }
    if (s->open >= s->opts.max_peers) {
        server_http_refuse(p, 503, "too many clients");
        return;
    }
    memcpy(key, http_header_get(r->head, "sec-websocket-key").p, WS_KEY_LEN);
    ws_accept_key(key, accept_key);
    ln_buf_fmt(&p->out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
               accept_key);
    loop_timer_cancel(s->loop, p->timer);
    p->state = PEER_OPEN;
    p->is_ws = true;
    s->open++;
    ws_parser_init(&p->ws, true, s->opts.max_message);
    p->ud = s->cbs->open(s->ud, p, &r->pub);
    server_touch(p);
}

/* --- requests --- */

static void answer(struct server_peer *p, const struct request *r) {
    struct server_reply reply = {.status = 404};
    if (p->s->cbs->request) p->s->cbs->request(p->s->ud, &r->pub, &reply);
    write_answer(p, &reply, ln_str_is(r->pub.method, "HEAD"));
}

/* False when it is not a number, or too much of one. */
static bool body_length(const struct http_head *h, size_t *n) {
    struct ln_str text = http_header_get(h, "content-length");
    *n = 0;
    if (text.p && (text.n == 0 || text.n > 15)) return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') return false;
        *n = *n * 10 + (size_t)(text.p[i] - '0');
    }
    return true;
}

static void fill(struct request *r, const struct server_peer *p, const struct http_head *h) {
    const char *mark = memchr(h->target.p, '?', h->target.n);
    size_t path = mark ? (size_t)(mark - h->target.p) : h->target.n;
    r->head = h;
    r->pub = (struct server_request){
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

static const char *check_head(const struct http_head *h, size_t *body, int *status) {
    *status = 414;
    if (h->target.n > MAX_TARGET_BYTES) return "the address is too long";
    *status = 400;
    if (h->target.n == 0 || h->target.p[0] != '/') return "the address must begin with /";
    if (!body_length(h, body)) return "Content-Length is not a number";
    *status = 411;
    if (http_header_get(h, "transfer-encoding").p) return "send the body with a Content-Length";
    *status = 413;
    if (*body > MAX_BODY_BYTES) return "the body is too large";
    return NULL;
}

/* The head is whole and takes `used` bytes of p->in. */
static void handle(struct server_peer *p, const struct http_head *h, size_t used) {
    struct request r;
    size_t body;
    int status;
    const char *error = check_head(h, &body, &status);
    if (error) {
        server_http_refuse(p, status, error);
        return;
    }
    if (p->in.n - used < body) {
        p->state = PEER_BODY;
        return;
    }
    fill(&r, p, h);
    r.pub.body = (struct ln_str){p->in.p + used, body};
    if (!is_upgrade(h)) {
        answer(p, &r);
        return;
    }
    upgrade(p, &r);
    if (p->state != PEER_OPEN) return;
    size_t taken = used + body;
    server_frames(p, p->in.p + taken, p->in.n - taken);
}

void server_http_feed(struct server_peer *p, const char *bytes, size_t n) {
    struct http_head h;
    size_t used = 0;
    ln_buf_add(&p->in, bytes, n);
    switch (http_parse_head(&h, false, ln_buf_get(&p->in), &used)) {
    case HTTP_MORE:
        return;
    case HTTP_OK:
        handle(p, &h, used);
        break;
    case HTTP_TOO_BIG:
        server_http_refuse(p, 431, "the head of the request is too large");
        break;
    case HTTP_BAD:
        server_http_refuse(p, 400, "this is not an HTTP request");
        break;
    }
    if (p->state != PEER_BODY) ln_buf_free(&p->in);
}
