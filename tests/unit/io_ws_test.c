/* SPDX-License-Identifier: MIT
 *
 * WebSocket lines against a server made of a socket and the wire layer's server role: the upgrade
 * and its refusals, messages whole and in pieces, pings, both ways to close, every limit.
 */
#include "base/clock.h"
#include "io/ws.h"
#include "peer.h"
#include "test.h"

enum act { NOTHING, CLOSE_1000, ABORT, SEND };

struct line {
    struct ws *w;
    int opened, closed, messages, binaries, pongs, drained;
    enum stream_phase phase;
    int status, code;
    bool has_err;
    struct ln_err err;
    char reason[128], protocol[64];
    struct ln_buf got, pong; /* the messages, each followed by | */
    enum act in_open, in_message, in_pong;
};

static struct loop *loop;
static struct peer peer;
static struct ws_parser frames; /* of what the client sends */
static size_t frames_at;
static const struct ln_str none;

static void act(struct line *l, enum act a) {
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
static const struct ws_cbs cbs = {on_open, on_message, on_pong, on_closed, on_drained};

static struct ws_opts options(void) {
    return (struct ws_opts){.host_header = "chat.example:8080", .target = "/chat?v=1"};
}
static void begin(void) {
    ln_clock_fake(1700000000000);
    loop = loop_new();
}
static void open_with(struct line *l, struct ws_opts o) {
    *l = (struct line){0};
    ws_parser_init(&frames, true, 64 << 20);
    frames_at = 0;
    if (!o.stream.host) o.stream.fd = peer_pair(&peer);
    l->w = ws_open(loop, &o, &cbs, l);
    CHECK_INT(l->closed + l->opened, 0); /* never from inside */
    loop_settle(loop, 0);
}
static void reset(struct line *l) { /* for the next line on the same loop */
    if (l->w) ws_abort(l->w);
    loop_settle(loop, 0);
    CHECK_INT(l->closed, 1);
    CHECK_INT(loop_timer_count(loop), 0);
    ln_buf_free(&l->got);
    ln_buf_free(&l->pong);
    ws_parser_free(&frames);
    peer_close(&peer);
}
static void end(struct line *l) {
    reset(l);
    loop_free(loop);
    ln_fault_set(NULL);
    ln_clock_real();
}
static void check_error(struct line *l, enum stream_phase phase, ln_status code, const char *text) {
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
static struct ln_buf answer_101(const char *extra) {
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
static void accept_line(struct line *l, struct ws_opts o) {
    open_with(l, o);
    struct ln_buf answer = answer_101("");
    peer_send(&peer, answer.p, answer.n);
    ln_buf_free(&answer);
    loop_settle(loop, 0);
    CHECK_INT(l->opened, 1);
}
static void frame(struct ln_buf *out, bool fin, enum ws_op op, const char *text) {
    struct ln_str s = ln_str(text);
    ws_write(out, false, fin, op, &s, 1);
}
static void serve(struct ln_buf *bytes) {
    peer_send(&peer, bytes->p, bytes->n);
    ln_buf_free(bytes);
    loop_settle(loop, 0);
}
static void serve_frame(bool fin, enum ws_op op, const char *text) {
    struct ln_buf out = {0};
    frame(&out, fin, op, text);
    serve(&out);
}
static void serve_close(int code, const char *reason) {
    struct ln_buf out = {0};
    ws_write_close(&out, false, code, ln_str(reason));
    serve(&out);
}
/* The next frame that the client sent; WS_MORE when there is none. */
static enum ws_result next_frame(struct ws_event *ev) {
    size_t used;
    peer_pump(loop, &peer);
    enum ws_result r = ws_parse(&frames, peer.in.p + frames_at, peer.in.n - frames_at, &used, ev);
    frames_at += used;
    return r;
}
static void check_sent(enum ws_result result, enum ws_op op, int code, const char *data) {
    struct ws_event ev = {0};
    CHECK_INT(next_frame(&ev), result);
    CHECK_INT(ev.op, op);
    CHECK_INT(ev.code, code);
    CHECK_STR(ev.data, data);
}
static void check_silent(void) {
    struct ws_event ev;
    CHECK_INT(next_frame(&ev), WS_MORE);
}

/* --- upgrade --- */

TEST(the_upgrade_sends_what_was_asked_for) {
    struct line l;
    struct http_header headers[] = {{"Authorization", "Bearer x"}, {"Origin", "http://a.example"}};
    struct ws_opts o = options();
    o.protocols = "chat.v2, chat.v1";
    o.headers = headers;
    o.header_count = 2;
    begin();
    open_with(&l, o);
    struct ln_buf answer = answer_101("Sec-WebSocket-Protocol: chat.v1\r\n");
    CHECK_HAS(request, "GET /chat?v=1 HTTP/1.1\r\nHost: chat.example:8080\r\n");
    CHECK_HAS(request + 1, "Authorization: Bearer x\r\nOrigin: http://a.example\r\n");
    serve(&answer);
    CHECK_INT(l.opened, 1);
    CHECK_STR(ln_str(l.protocol), "chat.v1");
    CHECK_STR(ws_peer(l.w), "a socket pair");
    end(&l);
}

TEST(what_comes_with_the_answer_is_not_lost) {
    struct line l;
    begin();
    open_with(&l, options());
    struct ln_buf answer = answer_101("");
    frame(&answer, true, WS_TEXT, "first");
    frame(&answer, true, WS_BINARY, "second");
    frame(&answer, false, WS_TEXT, "thi"); /* and a half one */
    serve(&answer);
    CHECK_INT(l.opened, 1);
    CHECK_STR(ln_buf_get(&l.got), "first|second|");
    CHECK_INT(l.binaries, 1);
    serve_frame(true, WS_CONT, "rd");
    CHECK_STR(ln_buf_get(&l.got), "first|second|third|");
    end(&l);
}

TEST(one_byte_at_a_time_is_the_same_line) {
    struct line l;
    begin();
    open_with(&l, options());
    struct ln_buf bytes =
        answer_101("X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    frame(&bytes, true, WS_TEXT, "gr\xc3\xbc\xc3\x9f");
    frame(&bytes, false, WS_TEXT, "fra");
    frame(&bytes, true, WS_PING, "p");
    frame(&bytes, true, WS_CONT, "gment");
    ws_write_close(&bytes, false, 1000, LN_STR("bye"));
    for (size_t i = 0; i < bytes.n; i++) {
        peer_send(&peer, bytes.p + i, 1);
        loop_settle(loop, 0);
    }
    ln_buf_free(&bytes);
    CHECK_STR(ln_buf_get(&l.got), "gr\xc3\xbc\xc3\x9f|fragment|");
    check_sent(WS_CONTROL, WS_PONG, 0, "p");
    check_sent(WS_CONTROL, WS_CLOSE, 1000, "");
    CHECK_INT(l.closed, 1);
    CHECK_INT(l.code, 1000);
    CHECK_STR(ln_str(l.reason), "bye");
    CHECK(!l.has_err);
    end(&l);
}

TEST(every_split_of_a_stream_of_frames_gives_the_same) {
    struct line l;
    struct ln_buf bytes = {0};
    begin();
    accept_line(&l, options());
    frame(&bytes, true, WS_TEXT, "one");
    frame(&bytes, true, WS_TEXT, "");
    frame(&bytes, false, WS_BINARY, "tw");
    frame(&bytes, true, WS_CONT, "o");
    char long_text[301];
    memset(long_text, 'x', 300);
    long_text[300] = 0;
    frame(&bytes, true, WS_TEXT, long_text); /* a length of two bytes */
    for (size_t cut = 0; cut <= bytes.n; cut++) {
        ln_buf_clear(&l.got);
        peer_send(&peer, bytes.p, cut);
        loop_settle(loop, 0);
        peer_send(&peer, bytes.p + cut, bytes.n - cut);
        loop_settle(loop, 0);
        CHECK_INT(l.got.n, 3 + 1 + 0 + 1 + 3 + 1 + 300 + 1);
        if (l.got.n > 9) CHECK(memcmp(l.got.p, "one||two|xxx", 12) == 0);
    }
    ln_buf_free(&bytes);
    end(&l);
}

/* Answers with the text given, then perhaps ends. */
static void refuse(struct line *l, const char *text, bool hang_up) {
    open_with(l, options());
    peer_pump(loop, &peer);
    peer_say(&peer, text);
    if (hang_up) peer_close(&peer);
    loop_settle(loop, 0);
    CHECK_INT(l->opened, 0);
}

TEST(a_refusal_tells_status_and_body) {
    struct line l;
    begin();
    refuse(
        &l,
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 25\r\n\r\n{\"error\":\"invalid token\"}and "
        "more",
        false);
    check_error(&l, PHASE_HTTP, LN_UNAUTHORIZED,
                "upgrade: HTTP 401 Unauthorized: {\"error\":\"invalid token\"}");
    CHECK_INT(l.status, 401);
    CHECK_INT(l.code, 0);
    reset(&l);
    refuse(&l, "HTTP/1.1 403 Forbidden\r\n\r\nto the end\x1b[2J", true);
    check_error(&l, PHASE_HTTP, LN_FORBIDDEN, "upgrade: HTTP 403 Forbidden: to the end\\x1b[2J");
    reset(&l);
    refuse(&l, "HTTP/1.1 404 Not Found\r\nContent-Length: 14\r\n\r\n<html>no</html", false);
    check_error(&l, PHASE_HTTP, LN_REFUSED, "upgrade: HTTP 404 Not Found");
    reset(&l);
    refuse(&l, "HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n", false);
    check_error(&l, PHASE_HTTP, LN_REFUSED, "upgrade: HTTP 503 Service Unavailable");
    CHECK_INT(l.status, 503);
    end(&l);
}

TEST(a_refusal_in_chunks_is_put_together) {
    struct line l;
    begin();
    refuse(&l, "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nunkn\r\n",
           false);
    CHECK_INT(l.closed, 0);
    peer_say(&peer, "3;x=y\r\nown\r\n");
    loop_settle(loop, 0);
    CHECK_INT(l.closed, 0);
    peer_say(&peer, "0\r\n\r\n");
    check_error(&l, PHASE_HTTP, LN_REFUSED, "upgrade: HTTP 400 Bad Request: unknown");
    reset(&l);
    refuse(&l,
           "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n"
           "ffffffffffffffffffffffff\r\nhostile size\r\n",
           false);
    loop_advance(loop, 1000);
    CHECK_INT(l.closed, 1);
    CHECK_HAS(l.err.text, "upgrade: HTTP 400 Bad Request: hostile size");
    reset(&l);
    refuse(&l, "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n\n\n\n\n", false);
    check_error(&l, PHASE_HTTP, LN_REFUSED, "upgrade: HTTP 400 Bad Request");
    end(&l);
}

TEST(a_body_that_does_not_come_is_not_waited_for_long) {
    struct line l;
    begin();
    refuse(&l, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 1000\r\n\r\nupstream", false);
    loop_advance(loop, 999);
    CHECK_INT(l.closed, 0);
    loop_advance(loop, 1);
    check_error(&l, PHASE_HTTP, LN_REFUSED, "upgrade: HTTP 502 Bad Gateway: upstream");
    reset(&l);
    struct ln_buf text = {0};
    ln_buf_puts(&text, "HTTP/1.1 500 Internal Server Error\r\n\r\n");
    memset(ln_buf_room(&text, 5000), 'e', 5000);
    text.n += 5000;
    refuse(&l, ln_buf_cstr(&text), false);
    ln_buf_free(&text);
    loop_settle(loop, 0);
    CHECK_INT(l.closed, 1); /* enough is enough */
    CHECK(strlen(l.err.text) < 300);
    CHECK_HAS(l.err.text, "Internal Server Error: eeeeeeeeeeee");
    end(&l);
}

TEST(what_is_no_upgrade_is_told_apart) {
    struct line l;
    begin();
    refuse(&l, "SSH-2.0-OpenSSH_9.2\r\n", false);
    check_error(&l, PHASE_HTTP, LN_PROTOCOL, "upgrade: the server's answer is not HTTP");
    reset(&l);
    refuse(&l, "\x15\x03\x03", false);
    check_error(&l, PHASE_HTTP, LN_REFUSED,
                "upgrade: the server speaks TLS on this port: use wss:// or https://");
    reset(&l);
    refuse(&l, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", false);
    CHECK_INT(l.status, 200);
    CHECK_HAS(l.err.text, "upgrade: the server answered 200 instead of 101");
    CHECK(strstr(l.err.text, "<html>") == NULL);
    reset(&l);
    refuse(&l,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
           false);
    CHECK_INT(l.err.code, LN_PROTOCOL);
    CHECK_HAS(l.err.text, "upgrade: the server's Sec-WebSocket-Accept is wrong");
    end(&l);
}

TEST(a_head_without_end_is_refused_at_16_kib) {
    struct line l;
    struct ln_buf text = {0};
    begin();
    ln_buf_puts(&text, "HTTP/1.1 101 Switching Protocols\r\nX: ");
    memset(ln_buf_room(&text, 20000), 'x', 20000);
    text.n += 20000;
    refuse(&l, ln_buf_cstr(&text), false);
    ln_buf_free(&text);
    check_error(&l, PHASE_HTTP, LN_PROTOCOL,
                "upgrade: the head of the server's answer is over 16 KiB or 64 lines");
    end(&l);
}

TEST(the_peer_may_go_or_be_silent_before_it_answers) {
    struct line l;
    begin();
    refuse(&l, "HTTP/1.1 101 Swi", true);
    check_error(&l, PHASE_HTTP, LN_DISCONNECTED,
                "upgrade: closed by the peer before it answered (if it speaks TLS on this port: "
                "wss:// or https://)");
    reset(&l);
    struct ws_opts o = options();
    o.stream.timeout_ms = 5000;
    open_with(&l, o);
    peer_say(&peer, "HTTP/1.1 101");
    loop_advance(loop, 4999);
    CHECK_INT(l.closed, 0);
    loop_advance(loop, 1);
    check_error(&l, PHASE_HTTP, LN_TIMEOUT,
                "upgrade: timed out after 5 s without an answer (a socket pair)");
    end(&l);
}

TEST(failures_below_keep_their_phase_and_words) {
    struct line l;
    uint16_t port;
    begin();
    int dead = peer_dead_port(&port);
    struct ws_opts o = options();
    o.stream.host = "127.0.0.1";
    o.stream.port = port;
    peer = (struct peer){.fd = -1};
    open_with(&l, o);
    char want[100];
    snprintf(want, sizeof want, "TCP: connection refused (127.0.0.1:%u)", port);
    check_error(&l, PHASE_TCP, LN_REFUSED, want);
    CHECK_INT(l.code, 0);
    reset(&l);
    close(dead);
    ln_fault_set("ws.upgrade");
    open_with(&l, options());
    struct ln_buf answer = answer_101("");
    serve(&answer);
    check_error(&l, PHASE_HTTP, LN_PROTOCOL, "upgrade: injected fault");
    end(&l);
}

TEST(a_request_that_cannot_be_sent_is_an_error_not_an_injection) {
    struct line l;
    struct http_header bad = {"X-Token", "a\r\nEvil: yes"};
    struct ws_opts o = options();
    o.headers = &bad;
    o.header_count = 1;
    begin();
    o.stream.host = "127.0.0.1";
    peer = (struct peer){.fd = -1};
    open_with(&l, o);
    CHECK_INT(l.closed, 1);
    CHECK_INT(l.err.code, LN_INVALID);
    CHECK_HAS(l.err.text, "X-Token");
    reset(&l);
    o = options(); /* closed before it could even tell */
    o.stream.host = "127.0.0.1";
    o.target = "no slash";
    l = (struct line){0};
    l.w = ws_open(loop, &o, &cbs, &l);
    CHECK_INT(ws_queued(l.w), 0);
    CHECK_STR(ws_peer(l.w), "");
    ws_close(l.w, 1000, none);
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    end(&l);
}

/* --- messages --- */

TEST(messages_are_masked_and_leave_together) {
    struct line l;
    struct ln_str pieces[] = {LN_STR("42"), LN_STR(""), LN_STR("[\"a\"]")};
    begin();
    accept_line(&l, options());
    l.drained = 0;
    ws_send(l.w, WS_TEXT, pieces, 3);
    ws_send(l.w, WS_BINARY, pieces, 1);
    CHECK(ws_queued(l.w) > 0);
    check_sent(WS_MESSAGE, WS_TEXT, 0, "42[\"a\"]"); /* a server's parser insists on masks */
    check_sent(WS_MESSAGE, WS_BINARY, 0, "42");
    CHECK_INT(l.drained, 1);
    CHECK_INT(ws_queued(l.w), 0);
    end(&l);
}

TEST(big_messages_go_both_ways) {
    enum { SIZE = 3 * 1024 * 1024 + 5 };
    struct line l;
    struct ln_buf big = {0}, out = {0};
    begin();
    accept_line(&l, options());
    char *p = ln_buf_room(&big, SIZE);
    for (int i = 0; i < SIZE; i++)
        p[i] = (char)('a' + (i * 7 + i / 1000) % 26);
    big.n = SIZE;
    struct ln_str s = ln_buf_get(&big);
    ws_write(&out, false, true, WS_TEXT, &s, 1);
    for (size_t at = 0; at < out.n;) { /* as much as the socket takes at a time */
        ssize_t n = send(peer.fd, out.p + at, out.n - at, MSG_NOSIGNAL);
        if (n > 0) at += (size_t)n;
        loop_settle(loop, 0);
    }
    CHECK_INT(l.messages, 1);
    CHECK_INT(l.got.n, SIZE + 1);
    CHECK(l.got.n == SIZE + 1 && memcmp(l.got.p, big.p, SIZE) == 0);
    ws_send(l.w, WS_BINARY, &s, 1);
    struct ws_event ev = {0};
    CHECK_INT(next_frame(&ev), WS_MESSAGE);
    CHECK(ln_str_eq(ev.data, s));
    ln_buf_free(&big);
    ln_buf_free(&out);
    end(&l);
}

TEST(pings_are_answered_and_pongs_are_handed_over) {
    struct line l;
    struct ln_str hello = LN_STR("hello");
    begin();
    accept_line(&l, options());
    serve_frame(true, WS_PING, "are you there");
    check_sent(WS_CONTROL, WS_PONG, 0, "are you there");
    serve_frame(false, WS_TEXT, "a"); /* between the parts of a message as well */
    serve_frame(true, WS_PING, "");
    serve_frame(true, WS_CONT, "b");
    check_sent(WS_CONTROL, WS_PONG, 0, "");
    CHECK_STR(ln_buf_get(&l.got), "ab|");
    ws_send(l.w, WS_PING, &hello, 1);
    check_sent(WS_CONTROL, WS_PING, 0, "hello");
    serve_frame(true, WS_PONG, "hello");
    CHECK_STR(ln_buf_get(&l.pong), "hello");
    end(&l);
}

TEST(a_peer_that_pings_but_never_reads_gets_no_endless_queue) {
    struct line l;
    struct ln_buf pings = {0};
    struct ln_str data;
    char text[125];
    begin();
    accept_line(&l, options());
    memset(text, 'p', sizeof text);
    data = (struct ln_str){text, sizeof text};
    for (int i = 0; i < 500; i++)
        ws_write(&pings, false, true, WS_PING, &data, 1);
    for (int i = 0; i < 40; i++) {
        if (send(peer.fd, pings.p, pings.n, MSG_NOSIGNAL) != (ssize_t)pings.n) abort();
        loop_settle(loop, 0);
    }
    CHECK(ws_queued(l.w) > 0);
    CHECK(ws_queued(l.w) < 64 * 1024 + 200);
    ln_buf_free(&pings);
    end(&l);
}

/* --- closing --- */

TEST(our_close_waits_for_the_peers) {
    struct line l;
    begin();
    accept_line(&l, options());
    ws_close(l.w, 1001, LN_STR("leaving"));
    ws_close(l.w, 1000, none); /* once is enough */
    check_sent(WS_CONTROL, WS_CLOSE, 1001, "leaving");
    check_silent();
    struct ln_str s = LN_STR("late");
    ws_send(l.w, WS_TEXT, &s, 1);
    check_silent();
    serve_frame(true, WS_TEXT, "crossing");
    CHECK_INT(l.messages, 0); /* no message after ws_close */
    CHECK_INT(l.closed, 0);
    serve_close(1001, "");
    CHECK(l.closed == 1 && !l.has_err);
    CHECK_INT(l.code, 1001);
    CHECK_INT(l.phase, PHASE_OPEN);
    peer_pump(loop, &peer);
    CHECK(peer.eof);
    end(&l);
}

TEST(our_close_does_not_wait_for_ever) {
    struct line l;
    begin();
    accept_line(&l, options());
    ws_close(l.w, 1005, none);
    check_sent(WS_CONTROL, WS_CLOSE, 1005, "");
    loop_advance(loop, 1999);
    CHECK_INT(l.closed, 0);
    loop_advance(loop, 1);
    CHECK(l.closed == 1 && !l.has_err);
    CHECK_INT(l.code, 1006);
    reset(&l);
    struct ws_opts o = options();
    o.close_timeout_ms = 50;
    accept_line(&l, o);
    ws_close(l.w, 1000, none);
    loop_advance(loop, 50);
    CHECK_INT(l.closed, 1);
    reset(&l);
    accept_line(&l, options()); /* an end without a close frame is an answer too */
    ws_close(l.w, 1000, none);
    loop_settle(loop, 0);
    peer_close(&peer);
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    CHECK_INT(l.code, 1006);
    end(&l);
}

TEST(the_peers_close_is_answered_and_told) {
    static const struct {
        int code;
        const char *reason, *error;
    } cases[] = {{1000, "bye", NULL},
                 {1005, "", NULL},
                 {1001, "", "closed by the server: 1001 going away"},
                 {1012, "", "closed by the server: 1012 service restart"},
                 {1008, "no \x7f", "closed by the server: 1008 policy violation: no \\x7f"},
                 {4321, "own", "closed by the server: 4321: own"}};
    struct line l;
    begin();
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        accept_line(&l, options());
        serve_close(cases[i].code, cases[i].reason);
        check_sent(WS_CONTROL, WS_CLOSE, cases[i].code, "");
        CHECK(peer.eof);
        CHECK_INT(l.closed, 1);
        CHECK_INT(l.code, cases[i].code);
        CHECK_STR(ln_str(l.reason), cases[i].reason);
        CHECK(l.has_err == (cases[i].error != NULL));
        if (cases[i].error) check_error(&l, PHASE_OPEN, LN_DISCONNECTED, cases[i].error);
        reset(&l);
    }
    end(&l);
}

TEST(an_end_without_a_close_frame_is_1006) {
    struct line l;
    begin();
    accept_line(&l, options());
    serve_frame(true, WS_TEXT, "last");
    peer_close(&peer);
    check_error(&l, PHASE_OPEN, LN_DISCONNECTED, "closed by the peer without a close frame");
    CHECK_INT(l.code, 1006);
    CHECK_STR(ln_buf_get(&l.got), "last|");
    end(&l);
}

TEST(a_broken_protocol_is_answered_with_its_code) {
    static const struct {
        const char *bytes;
        size_t n;
        int code;
        const char *error;
    } cases[] = {{"\x81\x82masksed", 8, 1002, "a server must not mask its frames (RFC 6455 5.1)"},
                 {"\xc1\x01x", 3, 1002, "(RFC 6455 5.2)"},
                 {"\x83\x00", 2, 1002, "(RFC 6455 5.2)"},
                 {"\x80\x01x", 3, 1002, "a continuation of no message (RFC 6455 5.4)"},
                 {"\x09\x00", 2, 1002, "a control frame in fragments (RFC 6455 5.5)"},
                 {"\x81\x01\xff", 3, 1007, "text that is not UTF-8 (RFC 6455 8.1)"},
                 {"\x88\x02\x03\xed", 4, 1002, "a close code that must not be sent (RFC 6455 7.4)"},
                 {"\x88\x01\x03", 3, 1002, "a close frame with half a code (RFC 6455 5.5.1)"}};
    struct line l;
    begin();
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ws_event ev = {0};
        accept_line(&l, options());
        peer_send(&peer, cases[i].bytes, cases[i].n);
        peer_say(&peer, "and any amount of what nobody reads");
        loop_settle(loop, 0);
        CHECK_INT(next_frame(&ev), WS_CONTROL);
        CHECK_INT(ev.op, WS_CLOSE);
        CHECK_INT(ev.code, cases[i].code);
        CHECK_INT(l.closed, 0); /* the peer has time to read it */
        peer_close(&peer);
        loop_settle(loop, 0);
        CHECK_INT(l.closed, 1);
        CHECK(l.has_err);
        CHECK_INT(l.err.code, LN_PROTOCOL);
        CHECK_HAS(l.err.text, "the server broke the protocol: ");
        CHECK_HAS(l.err.text, cases[i].error);
        reset(&l);
    }
    end(&l);
}

TEST(a_message_over_the_limit_is_1009) {
    struct line l;
    struct ws_opts o = options();
    o.max_message = 10;
    begin();
    accept_line(&l, o);
    serve_frame(true, WS_TEXT, "ten bytes.");
    serve_frame(false, WS_TEXT, "123456");
    CHECK_INT(l.messages, 1);
    serve_frame(true, WS_CONT, "78901");
    CHECK_INT(l.messages, 1);
    struct ws_event ev = {0};
    CHECK_INT(next_frame(&ev), WS_CONTROL);
    CHECK_INT(ev.code, 1009);
    loop_advance(loop, 2000);
    check_error(&l, PHASE_OPEN, LN_FULL,
                "the server sent a message over the size limit (RFC 6455 7.4.1): 10 bytes "
                "(max_message)");
    CHECK_INT(l.code, 1006);
    end(&l);
}

TEST(a_peer_that_breaks_the_protocol_while_we_close_ends_at_once) {
    struct line l;
    begin();
    accept_line(&l, options());
    ws_close(l.w, 1000, none);
    loop_settle(loop, 0);
    peer_say(&peer, "\xff\xff\xff");
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    end(&l);
}

TEST(closing_inside_each_callback) {
    static const struct {
        enum act in_open, in_message, in_pong;
        int messages;
    } cases[] = {{CLOSE_1000, NOTHING, NOTHING, 0},
                 {ABORT, NOTHING, NOTHING, 0},
                 {NOTHING, CLOSE_1000, NOTHING, 1},
                 {NOTHING, ABORT, NOTHING, 1},
                 {NOTHING, NOTHING, CLOSE_1000, 2},
                 {NOTHING, NOTHING, ABORT, 2},
                 {SEND, SEND, SEND, 2}};
    struct line l;
    begin();
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        open_with(&l, options());
        l.in_open = cases[i].in_open;
        l.in_message = cases[i].in_message;
        l.in_pong = cases[i].in_pong;
        struct ln_buf bytes = answer_101("");
        frame(&bytes, true, WS_TEXT, "one");
        frame(&bytes, true, WS_TEXT, "two");
        frame(&bytes, true, WS_PONG, "");
        ws_write_close(&bytes, false, 1000, none);
        serve(&bytes);
        CHECK_INT(l.opened, 1);
        CHECK_INT(l.messages, cases[i].messages);
        CHECK(l.closed == 1 && !l.has_err);
        reset(&l);
    }
    end(&l);
}

TEST(closing_before_it_is_open_says_nothing_on_the_wire) {
    struct line l;
    begin();
    open_with(&l, options());
    peer_pump(loop, &peer);
    ln_buf_clear(&peer.in);
    ws_close(l.w, 1000, LN_STR("never mind"));
    CHECK_INT(l.closed, 0);
    peer_pump(loop, &peer);
    CHECK(l.closed == 1 && !l.has_err);
    CHECK_INT(l.code, 0);
    CHECK_INT(l.phase, PHASE_HTTP);
    CHECK(peer.eof);
    CHECK_INT(peer.in.n, 0);
    end(&l);
}

TEST(a_refusal_can_be_closed_while_its_body_is_awaited) {
    struct line l;
    begin();
    refuse(&l, "HTTP/1.1 500 X\r\nContent-Length: 10\r\n\r\n", false);
    ws_close(l.w, 1000, none);
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    end(&l);
}

TEST_MAIN(T(the_upgrade_sends_what_was_asked_for), T(what_comes_with_the_answer_is_not_lost),
          T(one_byte_at_a_time_is_the_same_line),
          T(every_split_of_a_stream_of_frames_gives_the_same), T(a_refusal_tells_status_and_body),
          T(a_refusal_in_chunks_is_put_together),
          T(a_body_that_does_not_come_is_not_waited_for_long), T(what_is_no_upgrade_is_told_apart),
          T(a_head_without_end_is_refused_at_16_kib),
          T(the_peer_may_go_or_be_silent_before_it_answers),
          T(failures_below_keep_their_phase_and_words),
          T(a_request_that_cannot_be_sent_is_an_error_not_an_injection),
          T(messages_are_masked_and_leave_together), T(big_messages_go_both_ways),
          T(pings_are_answered_and_pongs_are_handed_over),
          T(a_peer_that_pings_but_never_reads_gets_no_endless_queue),
          T(our_close_waits_for_the_peers), T(our_close_does_not_wait_for_ever),
          T(the_peers_close_is_answered_and_told), T(an_end_without_a_close_frame_is_1006),
          T(a_broken_protocol_is_answered_with_its_code), T(a_message_over_the_limit_is_1009),
          T(a_peer_that_breaks_the_protocol_while_we_close_ends_at_once),
          T(closing_inside_each_callback), T(closing_before_it_is_open_says_nothing_on_the_wire),
          T(a_refusal_can_be_closed_while_its_body_is_awaited))
