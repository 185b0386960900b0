/* SPDX-License-Identifier: MIT
 *
 * A scripted HTTP server in the test's own process: every connection that the client opens is a
 * socket pair from web_fd(), requests are taken one by one, and each gets the bytes that the test
 * says. One of them may become a WebSocket. Nothing waits.
 */
#ifndef LN_HTTP_PEER_H
#define LN_HTTP_PEER_H

#include "io/loop.h"
#include "peer.h"
#include "test.h"
#include "wire/http.h"

enum { WEB_MAX = 128 };

struct web_conn {
    struct peer p;
    struct ws_parser frames;
    bool is_ws;
    char key[WS_KEY_LEN + 1]; /* of the upgrade that was asked for */
};
static struct {
    struct web_conn conn[WEB_MAX];
    int n; /* how many were opened so far */
} web;

/* The request taken last. */
static struct {
    int conn;
    char method[16], target[1024], head[4096];
    struct ln_buf body;
} req;

/* A new connection's end for the client. */
static inline int web_fd(void) {
    if (web.n == WEB_MAX) abort();
    return peer_pair(&web.conn[web.n++].p);
}
static inline void web_hang_up(int conn) {
    peer_close(&web.conn[conn].p);
}
static inline void web_free(void) {
    for (int i = 0; i < web.n; i++) {
        peer_close(&web.conn[i].p);
        ws_parser_free(&web.conn[i].frames);
    }
    ln_buf_free(&req.body);
    memset(&web, 0, sizeof web);
    memset(&req, 0, sizeof req);
}

/* Turns the loop and reads until nothing comes any more. */
static inline void web_turn(struct loop *l) {
    bool more;
    do {
        CHECK(loop_settle(l, 0));
        more = false;
        for (int i = 0; i < web.n; i++)
            while (web.conn[i].p.fd >= 0 && peer_read(&web.conn[i].p, SIZE_MAX))
                more = true;
    } while (more);
}

static inline size_t web_length(const struct http_head *h) {
    struct ln_str length = http_header_get(h, "Content-Length");
    char digits[32];
    snprintf(digits, sizeof digits, "%.*s", LN_FMT(length));
    return (size_t)atol(digits);
}

/* Takes a whole request with this method (NULL: any) into req; false when none is there. */
static inline bool web_take(struct loop *l, const char *method) {
    static struct http_head h;
    size_t used;
    web_turn(l);
    for (int i = 0; i < web.n; i++) {
        struct ln_buf *in = &web.conn[i].p.in;
        if (web.conn[i].is_ws || web.conn[i].p.fd < 0) continue;
        if (http_parse_head(&h, false, ln_buf_get(in), &used) != HTTP_OK) continue;
        size_t length = web_length(&h);
        if (in->n < used + length || (method && !ln_str_is(h.method, method))) continue;
        req.conn = i;
        snprintf(req.method, sizeof req.method, "%.*s", LN_FMT(h.method));
        snprintf(req.target, sizeof req.target, "%.*s", LN_FMT(h.target));
        snprintf(req.head, sizeof req.head, "%.*s", (int)used, in->p);
        snprintf(web.conn[i].key, sizeof web.conn[i].key, "%.*s",
                 LN_FMT(http_header_get(&h, "Sec-WebSocket-Key")));
        ln_buf_clear(&req.body);
        ln_buf_add(&req.body, in->p + used, length);
        ln_buf_consume(in, used + length);
        return true;
    }
    return false;
}

/* Bytes to the one who asked last. */
static inline void web_send(const char *bytes, size_t n) {
    peer_send(&web.conn[req.conn].p, bytes, n);
}
static inline void web_say(const char *text) {
    web_send(text, strlen(text));
}
/* extra: more lines of the head, each with CR LF. */
static inline void web_answer_n(int status, const char *extra, const char *body, size_t n) {
    struct ln_buf out = {0};
    ln_buf_fmt(&out, "HTTP/1.1 %d Words\r\nContent-Length: %zu\r\n%s\r\n", status, n, extra);
    ln_buf_add(&out, body, n);
    web_send(out.p, out.n);
    ln_buf_free(&out);
}
static inline void web_answer(int status, const char *body) {
    web_answer_n(status, "", body, strlen(body));
}

/* --- WebSocket --- */

/* Answers the request taken from req.conn with 101; its connection speaks frames from now on. */
static inline void web_upgrade(void) {
    struct web_conn *c = &web.conn[req.conn];
    struct ln_buf out = {0};
    char accept[29];
    ws_accept_key(c->key, accept);
    ln_buf_fmt(&out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n\r\n",
               accept);
    peer_send(&c->p, out.p, out.n);
    ln_buf_free(&out);
    c->is_ws = true;
    ws_parser_init(&c->frames, true, 64 << 20);
}
static inline void web_frame(int conn, const char *text) {
    struct ln_buf out = {0};
    struct ln_str s = ln_str(text);
    ws_write(&out, false, true, WS_TEXT, &s, 1);
    peer_send(&web.conn[conn].p, out.p, out.n);
    ln_buf_free(&out);
}
/* The frames that came on this connection since the last look, each with | behind: text as it
 * stands, binary as <hex>, a close frame as close(code). */
static inline void web_frames(struct loop *l, int conn, struct ln_buf *out) {
    struct web_conn *c = &web.conn[conn];
    size_t at = 0, used;
    web_turn(l);
    ln_buf_clear(out);
    while (at < c->p.in.n) {
        struct ws_event ev;
        enum ws_result r = ws_parse(&c->frames, c->p.in.p + at, c->p.in.n - at, &used, &ev);
        at += used;
        if (r == WS_MORE) break;
        if (r == WS_BROKEN) abort();
        if (ev.op == WS_CLOSE)
            ln_buf_fmt(out, "close(%d)", ev.code);
        else if (ev.op == WS_TEXT)
            ln_buf_str(out, ev.data);
        else
            ln_buf_fmt(out, "<%d bytes>", (int)ev.data.n);
        ln_buf_putc(out, '|');
    }
    ln_buf_clear(&c->p.in);
}

#endif
