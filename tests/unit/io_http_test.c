/* SPDX-License-Identifier: MIT
 *
 * The small HTTP client: what it asks, every framing of an answer, kept connections, stale ones,
 * and each way in which no answer comes.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "http_peer.h"
#include "io/http.h"

static struct loop *loop;
static struct http *http;
static int fds_before, dials;

static struct {
    int answers, errors, status;
    char body[256], type[64];
    enum stream_phase phase;
    struct ln_err err;
    bool frees, asks_again;
} got;

static void where(void *ud, struct stream_opts *o) {
    (void)ud;
    dials++;
    *o = (struct stream_opts){.host = "chat.example", .port = 80, .fd = web_fd()};
}
static void where_tls(void *ud, struct stream_opts *o) {
    where(ud, o);
    o->tls = true;
}

static void ask(const char *method, const char *body);

static void on_answer(void *ud, const struct http_answer *a, enum stream_phase phase,
                      const struct ln_err *err) {
    CHECK(ud == &got);
    CHECK((a == NULL) != (err == NULL));
    CHECK(!http_busy(http));
    got.phase = phase;
    if (err) {
        got.errors++;
        got.err = *err;
    } else {
        got.answers++;
        got.status = a->status;
        CHECK(a->body != NULL);
        snprintf(got.body, sizeof got.body, "%.*s", (int)a->n, a->body);
        snprintf(got.type, sizeof got.type, "%.*s",
                 LN_FMT(http_header_get(a->head, "Content-Type")));
        memset(a->body, '!', a->n);
    }
    if (got.asks_again) {
        got.asks_again = false;
        ask("GET", NULL);
    }
    if (!got.frees) return;
    http_free(http);
    http = NULL;
}

static void begin_with(struct http_opts o) {
    ln_clock_fake(1700000000000);
    loop_free(loop_new());
    memset(&got, 0, sizeof got);
    dials = 0;
    fds_before = peer_open_fds();
    loop = loop_new();
    if (!o.where) o.where = where;
    http = http_new(loop, &o);
}
static void begin(void) {
    begin_with((struct http_opts){0});
}
static void end(void) {
    http_free(http);
    web_turn(loop);
    CHECK_INT(loop_timer_count(loop), 0);
    web_free();
    loop_free(loop);
    CHECK_INT(peer_open_fds(), fds_before);
    ln_fault_set(NULL);
    ln_clock_real();
}
static void ask_with(struct http_request r) {
    if (!r.method) r.method = "GET";
    if (!r.host_header) r.host_header = "chat.example";
    if (!r.target) r.target = "/auth?x=1";
    http_send(http, &r, on_answer, &got);
    CHECK(http_busy(http));
}
static void ask(const char *method, const char *body) {
    ask_with((struct http_request){.method = method, .body = ln_str(body)});
}
static void take(void) {
    if (!web_take(loop, NULL)) abort();
}
/* The whole way: a request, these bytes, perhaps an end. */
static void answered(const char *bytes, bool hang_up) {
    ask("GET", NULL);
    take();
    web_say(bytes);
    if (hang_up) web_hang_up(req.conn);
    web_turn(loop);
}
static void check_answer(int status, const char *body) {
    web_turn(loop);
    CHECK_INT(got.answers, 1);
    CHECK_INT(got.errors, 0);
    CHECK_INT(got.status, status);
    CHECK_STR(ln_str(got.body), body);
    got.answers = 0;
}
static void check_error(enum stream_phase phase, ln_status code, const char *words) {
    web_turn(loop);
    CHECK_INT(got.answers, 0);
    CHECK_INT(got.errors, 1);
    CHECK_INT(got.phase, phase);
    CHECK_INT(got.err.code, code);
    CHECK_STR(ln_str(got.err.text), words);
    got.errors = 0;
}

TEST(what_is_asked) {
    struct http_header headers[] = {{"Authorization", "Bearer x"}, {"Accept", "text/plain"}};
    begin();
    ask("GET", NULL);
    take();
    CHECK_STR(ln_str(req.head), "GET /auth?x=1 HTTP/1.1\r\nHost: chat.example\r\nAccept: */*\r\n"
                                "Accept-Encoding: identity\r\n\r\n");
    web_answer_n(200, "Content-Type: text/plain\r\n", "yes", 3);
    check_answer(200, "yes");
    CHECK_STR(ln_str(got.type), "text/plain");
    ask_with((struct http_request){.method = "POST",
                                   .target = "/\xc3\xa9",
                                   .headers = headers,
                                   .header_count = 2,
                                   .body = LN_STR("a=1\n")});
    take();
    CHECK_STR(ln_str(req.head),
              "POST /%C3%A9 HTTP/1.1\r\nHost: chat.example\r\nAccept-Encoding: identity\r\n"
              "Authorization: Bearer x\r\nAccept: text/plain\r\nContent-Length: 4\r\n\r\n");
    CHECK_STR(ln_buf_get(&req.body), "a=1\n");
    web_answer(500, "");
    check_answer(500, ""); /* a status is an answer */
    ask("POST", NULL);
    take();
    CHECK_HAS(req.head, "Content-Length: 0\r\n");
    CHECK_INT(dials, 1); /* all of it on one connection */
    end();
}

TEST(all_framings) {
    begin();
    answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n"
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
             false);
    check_answer(200, "abc");
    answered("HTTP/1.1 204 No Content\r\n\r\n", false);
    check_answer(204, "");
    CHECK_INT(dials, 1);
    answered("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\nuntil the end", true);
    check_answer(302, "until the end");
    ask("HEAD", NULL);
    take();
    web_say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    check_answer(200, "");
    CHECK_INT(dials, 2);
    answered("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false);
    check_answer(200, "x");
    CHECK_INT(dials, 2);
    answered("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny and more", false);
    check_answer(200, "y"); /* what follows belongs to nobody: not kept */
    CHECK_INT(dials, 3);
    ask("GET", NULL);
    take();
    CHECK_INT(dials, 4);
    end();
}

TEST(byte_by_byte) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                                 "Connection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    begin();
    ask("GET", NULL);
    take();
    for (size_t i = 0; i < sizeof answer - 1; i++) {
        CHECK_INT(got.answers, 0);
        web_send(answer + i, 1);
        web_turn(loop);
    }
    check_answer(200, "hello");
    CHECK(web.conn[0].p.eof); /* as it was asked to */
    end();
}

TEST(kept_for_some_seconds) {
    begin();
    answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false);
    check_answer(200, "");
    CHECK_STR(http_peer(http), "a socket pair");
    loop_advance(loop, 3999);
    web_turn(loop);
    CHECK(!web.conn[0].p.eof);
    loop_advance(loop, 1);
    web_turn(loop);
    CHECK(web.conn[0].p.eof);
    CHECK_STR(http_peer(http), "");
    ask("GET", NULL);
    take();
    CHECK_INT(dials, 2);
    end();
}

TEST(a_kept_connection_that_ends_or_talks_is_dropped) {
    begin();
    answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false);
    check_answer(200, "");
    web_hang_up(0);
    web_turn(loop);
    answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false);
    check_answer(200, "");
    CHECK_INT(dials, 2);
    web_say("HTTP/1.1 408 Too slow\r\n\r\n");
    web_turn(loop);
    CHECK(web.conn[1].p.eof);
    CHECK_INT(got.answers + got.errors, 0);
    ask("GET", NULL);
    take();
    CHECK_INT(dials, 3);
    end();
}

/* The end of a kept connection crosses the next request. */
static void cross(const char *method) {
    begin();
    answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false);
    check_answer(200, "");
    ask(method, "body");
    web_hang_up(0);
    web_turn(loop);
}

TEST(a_stale_connection_is_replaced_once) {
    cross("GET");
    CHECK_INT(dials, 2);
    take();
    CHECK_STR(ln_str(req.method), "GET");
    CHECK_STR(ln_buf_get(&req.body), "body");
    web_answer(200, "yes");
    check_answer(200, "yes");
    ask("GET", NULL);
    web_hang_up(1);
    web_turn(loop);
    take();
    web_hang_up(req.conn); /* the fresh one, too */
    check_error(PHASE_HTTP, LN_DISCONNECTED,
                "HTTP: closed by the peer before it answered (if it speaks TLS on this port: "
                "wss:// or https://)");
    end();
    cross("POST"); /* it may have been heard */
    CHECK_INT(dials, 1);
    CHECK_INT(got.errors, 1);
    CHECK_HAS(got.err.text, "before it answered");
    end();
}

TEST(no_whole_answer) {
    static const struct {
        const char *bytes;
        bool hangs_up;
        ln_status code;
        const char *words;
    } table[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", true, LN_DISCONNECTED,
         "HTTP: closed by the peer in the middle of the answer"},
        {"HTTP/1.1 200", true, LN_DISCONNECTED,
         "HTTP: closed by the peer in the middle of the answer"},
        {"SSH-2.0-OpenSSH\r\n", false, LN_PROTOCOL, "HTTP: the server's answer is not HTTP"},
        {"\x15\x03\x01\x02\x02", false, LN_REFUSED,
         "HTTP: the server speaks TLS on this port: use wss:// or https://"},
        {"HTTP/1.1 101 Switching\r\n\r\n", false, LN_PROTOCOL,
         "HTTP: the server changed the protocol (101) without being asked"},
        {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", false,
         LN_PROTOCOL, "HTTP: the server compressed its answer without being asked"},
        {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", false, LN_PROTOCOL,
         "HTTP: the answer's Content-Length is no number, or there are several"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false, LN_PROTOCOL,
         "HTTP: the answer has a Transfer-Encoding that was not asked for"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx", false, LN_PROTOCOL,
         "HTTP: the answer's chunks are malformed (RFC 9112 7.1)"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n", false, LN_FULL,
         "HTTP: the answer has more than 50 bytes"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin_with((struct http_opts){.max_bytes = 50});
        answered(table[i].bytes, table[i].hangs_up);
        check_error(PHASE_HTTP, table[i].code, table[i].words);
        web_turn(loop);
        CHECK(table[i].hangs_up || web.conn[0].p.eof); /* and worth nothing any more */
        end();
    }
}

TEST(endless_heads) {
    begin();
    ask("GET", NULL);
    take();
    web_say("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 65; i++)
        web_say("A: b\r\n");
    check_error(PHASE_HTTP, LN_PROTOCOL,
                "HTTP: the head of the server's answer is over 16 KiB or 64 lines");
    ask("GET", NULL);
    take();
    for (int i = 0; i < 17; i++)
        web_say("HTTP/1.1 103 Hints\r\n\r\n");
    check_error(PHASE_HTTP, LN_PROTOCOL,
                "HTTP: the server sent more than 16 interim answers (HTTP 1xx)");
    end();
}

TEST(silence) {
    begin();
    ask_with((struct http_request){.timeout_ms = 3000});
    take();
    loop_advance(loop, 2999);
    CHECK(http_busy(http));
    loop_advance(loop, 1);
    check_error(PHASE_HTTP, LN_TIMEOUT,
                "HTTP: timed out after 3 s without an answer (a socket pair)");
    ask("GET", NULL);
    take();
    web_say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal");
    loop_advance(loop, 20000);
    check_error(PHASE_HTTP, LN_TIMEOUT,
                "HTTP: timed out after 20 s in the middle of the answer (a socket pair)");
    end();
}

TEST(the_phases_before) {
    begin_with((struct http_opts){.where = where_tls});
    ask("GET", NULL);
    web_turn(loop);
    peer_say(&web.conn[0].p, "HTTP/1.1 400 Bad Request\r\n\r\n"); /* no TLS over there */
    web_turn(loop);
    CHECK_INT(got.errors, 1);
    CHECK_INT(got.phase, PHASE_TLS);
    CHECK_INT(memcmp(got.err.text, "TLS: ", 5), 0);
    end();
    begin();
    ln_fault_set("stream.write:1");
    ask("GET", NULL);
    check_error(PHASE_HTTP, LN_DISCONNECTED,
                "HTTP: broken pipe before it answered (if it speaks TLS on this port: wss:// or "
                "https://)");
    ln_fault_set("http.answer:1");
    answered("HTTP/1.1 200 OK\r\n\r\n", false);
    check_error(PHASE_HTTP, LN_PROTOCOL, "HTTP: injected fault");
    end();
}

TEST(a_request_that_is_no_request) {
    struct http_header bad = {"X\r\n", "y"};
    begin();
    ask_with((struct http_request){.target = "no slash"});
    CHECK_INT(got.errors, 0); /* never from inside */
    loop_advance(loop, 0);
    check_error(PHASE_HTTP, LN_INVALID,
                "the path holds a blank or control character, or does not begin with /");
    ask_with((struct http_request){.headers = &bad, .header_count = 1});
    http_abort(http);
    loop_advance(loop, 0);
    CHECK_INT(got.errors + got.answers + dials, 0);
    end();
}

TEST(abort_and_free) {
    begin();
    ask("GET", NULL);
    http_abort(http); /* before it has begun */
    http_abort(http);
    ask("GET", NULL);
    take();
    http_abort(http);
    web_turn(loop);
    CHECK(web.conn[req.conn].p.eof);
    got.asks_again = true; /* from inside the answer */
    answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false);
    take();
    got.frees = true;
    web_answer(200, "last");
    web_turn(loop);
    CHECK(http == NULL);
    CHECK_INT(got.answers, 2);
    CHECK_INT(got.errors, 0);
    end();
    begin();
    got.frees = true;
    ask("GET", NULL);
    take();
    web_hang_up(req.conn);
    web_turn(loop);
    CHECK(http == NULL);
    CHECK_INT(got.errors, 1);
    end();
    begin();
    ask("GET", NULL);
    end(); /* under way */
}

TEST_MAIN(T(what_is_asked), T(all_framings), T(byte_by_byte), T(kept_for_some_seconds),
          T(a_kept_connection_that_ends_or_talks_is_dropped),
          T(a_stale_connection_is_replaced_once), T(no_whole_answer), T(endless_heads), T(silence),
          T(the_phases_before), T(a_request_that_is_no_request), T(abort_and_free))
