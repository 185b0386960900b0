/* SPDX-License-Identifier: MIT
 *
 * A WebSocket line that records what happens to it, and its server: a socket and the wire layer's
 * server role.
 */
#ifndef LN_WS_LINE_H
#define LN_WS_LINE_H

#include "base/clock.h"
#include "io/ws.h"
#include "peer.h"
#include "test.h"

enum act { NOTHING, CLOSE_1000, ABORT, SEND };

struct line {
    struct ws *w;
    int opened, closed, messages, binaries, pongs, drained, answers, answer_status;
    enum stream_phase phase;
    int status, code;
    bool has_err;
    struct ln_err err;
    char reason[128], protocol[64];
    struct ln_buf got, pong; /* the messages, each followed by | */
    enum act in_open, in_message, in_pong;
};

static struct loop *loop;
static int fds_before;
static struct peer peer;
static struct ws_parser frames; /* of what the client sends */
static size_t frames_at;
static const struct ln_str none;

static inline void act(struct line *l, enum act a) {
    struct ln_str hi = LN_STR("hi");
    if (a == CLOSE_1000) ws_close(l->w, 1000, LN_STR("done"));
    if (a == ABORT) ws_abort(l->w);
    if (a == SEND) ws_send(l->w, WS_TEXT, &hi, 1);
}
static void on_open(void *ud, struct ln_str protocol) {
    struct line *l = ud;
    l->opened++;
    snprintf(l->protocol, sizeof l->protocol, "%.*s", LN_FMT(protocol));
    act(l, l->in_open);
}
static void on_message(void *ud, bool binary, char *p, size_t n) {
    struct line *l = ud;
    CHECK_INT(l->closed, 0);
    l->messages++;
    l->binaries += binary;
    ln_buf_add(&l->got, p, n);
    ln_buf_putc(&l->got, '|');
    memset(p, '!', n); /* may be changed in place */
    act(l, l->in_message);
}
static void on_pong(void *ud, struct ln_str data) {
    struct line *l = ud;
    l->pongs++;
    ln_buf_str(&l->pong, data);
    act(l, l->in_pong);
}
static void on_closed(void *ud, enum stream_phase phase, int status, int code, struct ln_str reason,
                      const struct ln_err *err) {
    struct line *l = ud;
    l->closed++;
    l->phase = phase;
    l->status = status;
    l->code = code;
    snprintf(l->reason, sizeof l->reason, "%.*s", LN_FMT(reason));
    l->has_err = err != NULL;
    if (err) l->err = *err;
    act(l, CLOSE_1000); /* all of it does nothing by now, and does no harm */
    act(l, ABORT);
    act(l, SEND);
    l->w = NULL;
}
static void on_drained(void *ud) {
    struct line *l = ud;
    l->drained++;
}
static void on_answer(void *ud, const struct http_head *head) {
    struct line *l = ud;
    CHECK_INT(l->opened + l->closed, 0);
    l->answers++;
    l->answer_status = head->status;
}
static const struct ws_cbs cbs = {on_open, on_message, on_pong, on_closed, on_drained, on_answer};

static struct ws_opts options(void) {
    return (struct ws_opts){.host_header = "chat.example:8080", .target = "/chat?v=1"};
}
static inline void begin(void) {
    ln_clock_fake(1700000000000);
    loop_free(loop_new()); /* what libuv opens once for the process */
    fds_before = peer_open_fds();
    loop = loop_new();
}
static inline void open_with(struct line *l, struct ws_opts o) {
    *l = (struct line){0};
    ws_parser_init(&frames, true, 64 << 20);
    frames_at = 0;
    if (!o.stream.host) o.stream.fd = peer_pair(&peer);
    l->w = ws_open(loop, &o, &cbs, l);
    CHECK_INT(l->closed + l->opened, 0); /* never from inside */
    loop_settle(loop, 0);
}
static inline void reset(struct line *l) { /* for the next line on the same loop */
    if (l->w) ws_abort(l->w);
    loop_settle(loop, 0);
    CHECK_INT(l->closed, 1);
    CHECK_INT(loop_timer_count(loop), 0);
    ln_buf_free(&l->got);
    ln_buf_free(&l->pong);
    ws_parser_free(&frames);
    peer_close(&peer);
}
static inline void end(struct line *l) {
    reset(l);
    loop_free(loop);
    CHECK_INT(peer_open_fds(), fds_before);
    ln_fault_set(NULL);
    ln_clock_real();
}
static inline void check_error(struct line *l, enum stream_phase phase, ln_status code,
                               const char *text) {
    loop_settle(loop, 0);
    CHECK_INT(l->closed, 1);
    CHECK_INT(l->phase, phase);
    CHECK(l->has_err);
    CHECK_INT(l->err.code, code);
    CHECK_STR(ln_str(l->err.text), text);
}

/* --- the server's side --- */

static char request[1024]; /* the last one */
/* Reads the request, and makes the answer for its key; extra: more lines, each with CR LF. */
static inline struct ln_buf answer_101(const char *extra) {
    struct ln_buf out = {0};
    char accept[29], key[WS_KEY_LEN + 1];
    peer_pump(loop, &peer);
    const char *at = strstr(ln_buf_cstr(&peer.in), "Sec-WebSocket-Key: ");
    if (!at) abort();
    snprintf(request, sizeof request, "%s", peer.in.p);
    snprintf(key, sizeof key, "%s", at + 19);
    ws_accept_key(key, accept);
    ln_buf_fmt(&out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n%s\r\n",
               accept, extra);
    ln_buf_clear(&peer.in);
    return out;
}
static inline void accept_line(struct line *l, struct ws_opts o) {
    open_with(l, o);
    struct ln_buf answer = answer_101("");
    peer_send(&peer, answer.p, answer.n);
    ln_buf_free(&answer);
    loop_settle(loop, 0);
    CHECK_INT(l->opened, 1);
}
static inline void frame(struct ln_buf *out, bool fin, enum ws_op op, const char *text) {
    struct ln_str s = ln_str(text);
    ws_write(out, false, fin, op, &s, 1);
}
static inline void serve(struct ln_buf *bytes) {
    peer_send(&peer, bytes->p, bytes->n);
    ln_buf_free(bytes);
    loop_settle(loop, 0);
}
static inline void serve_frame(bool fin, enum ws_op op, const char *text) {
    struct ln_buf out = {0};
    frame(&out, fin, op, text);
    serve(&out);
}
static inline void serve_close(int code, const char *reason) {
    struct ln_buf out = {0};
    ws_write_close(&out, false, code, ln_str(reason));
    serve(&out);
}
/* The next frame that the client sent; WS_MORE when there is none. */
static inline enum ws_result next_frame(struct ws_event *ev) {
    size_t used;
    peer_pump(loop, &peer);
    enum ws_result r = ws_parse(&frames, peer.in.p + frames_at, peer.in.n - frames_at, &used, ev);
    frames_at += used;
    return r;
}
static inline void check_sent(enum ws_result result, enum ws_op op, int code, const char *data) {
    struct ws_event ev = {0};
    CHECK_INT(next_frame(&ev), result);
    CHECK_INT(ev.op, op);
    CHECK_INT(ev.code, code);
    CHECK_STR(ev.data, data);
}
static inline void check_silent(void) {
    struct ws_event ev;
    CHECK_INT(next_frame(&ev), WS_MORE);
}

/* Answers with the text given, then perhaps ends. */
static inline void refuse(struct line *l, const char *text, bool hang_up) {
    open_with(l, options());
    peer_pump(loop, &peer);
    peer_say(&peer, text);
    if (hang_up) peer_close(&peer);
    loop_settle(loop, 0);
    CHECK_INT(l->opened, 0);
}

#endif
