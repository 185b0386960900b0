/* SPDX-License-Identifier: MIT
 *
 * What io/server answers over HTTP: replies of its user, its own refusals, and the 101.
 */
#include "io/server_peer.h"

static const char *status_words(int status) {
    static const struct {
        int status;
        const char *words;
    } known[] = {{200, "OK"},
                 {202, "Accepted"},
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

static void write_headers(struct ln_buf *out, const char *const *headers) {
    for (const char *const *h = headers; h && h[0]; h += 2)
        ln_buf_fmt(out, "%s: %s\r\n", h[0], h[1]);
    ln_buf_puts(out, "\r\n");
}

/* The request is answered: what is known of it goes. One that was held, and is refused, is only
 * dead when its user has heard of it (server_http_report): who asked in between would be told that
 * nobody waits any more, and then be told of the end of the wrong one. */
static void settle(struct server_peer *p) {
    struct server_http *x = p->http;
    if (!x->later) {
        ln_slot_drop(&p->s->requests, x->id);
        x->id = 0;
    }
    x->served++;
    x->unsent = SIZE_MAX;
    if (!x->keeps || p->s->is_closing) {
        server_finish(p);
        return;
    }
    p->state = PEER_HEAD;
    server_set_timer(p, p->s->opts.keep_ms, server_http_on_rest);
    server_touch(p);
}

static void write_reply(struct server_peer *p, const struct server_reply *r, struct ln_str body) {
    struct ln_buf *out = &p->out;
    ln_buf_fmt(out, "HTTP/1.1 %d %s\r\n", r->status, status_words(r->status));
    if (body.n > 0)
        ln_buf_fmt(out, "Content-Type: %s\r\n", r->type ? r->type : "text/plain; charset=utf-8");
    if (r->status != 204 && r->status != 304) ln_buf_fmt(out, "Content-Length: %zu\r\n", body.n);
    if (!p->http->keeps) ln_buf_puts(out, "Connection: close\r\n");
    write_headers(out, r->headers);
    if (!p->http->is_head) ln_buf_str(out, body);
    settle(p);
}

void server_reply_write(struct server_peer *p, const struct server_reply *r) {
    struct ln_buf words = {0};
    struct ln_str body = r->body;
    if (!body.p && r->status >= 400) {
        ln_buf_fmt(&words, "%s\n", status_words(r->status));
        body = ln_buf_get(&words);
    }
    write_reply(p, r, body);
    ln_buf_free(&words);
}

void server_refuse(struct server_peer *p, int status, const char *text,
                   const char *const *headers) {
    struct ln_buf body = {0};
    struct server_reply r = {.status = status, .headers = headers};
    ln_buf_fmt(&body, "%s\n", text);
    p->http->keeps = false;
    write_reply(p, &r, ln_buf_get(&body));
    ln_buf_free(&body);
}

void server_reply_upgrade(struct server_peer *p, struct ln_str key, struct ln_str extensions,
                          const char *const *headers) {
    char text[WS_KEY_LEN + 1] = {0}, accept[29];
    memcpy(text, key.p, WS_KEY_LEN);
    ws_accept_key(text, accept);
    ln_buf_fmt(&p->out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
               accept);
    if (extensions.n > 0)
        ln_buf_fmt(&p->out, "Sec-WebSocket-Extensions: %.*s\r\n", LN_FMT(extensions));
    write_headers(&p->out, headers);
}
