/* SPDX-License-Identifier: MIT
 *
 * A WebSocket line's way to open: the request, what comes with the answer, every kind of refusal.
 */
#include "base/log.h"
#include "ws_line.h"

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
    CHECK_INT(l.answers, 1);
    CHECK_INT(l.answer_status, 101);
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

/* RFC 9110 15.2: a client must take any number of 1xx answers before the final one. */
TEST(interim_answers_are_passed_over) {
    struct line l;
    begin();
    open_with(&l, options());
    struct ln_buf bytes = {0}, answer = answer_101("");
    ln_buf_puts(&bytes, "HTTP/1.1 100 Continue\r\n\r\n"
                        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    ln_buf_str(&bytes, ln_buf_get(&answer));
    frame(&bytes, true, WS_TEXT, "first");
    ln_buf_free(&answer);
    serve(&bytes);
    CHECK_INT(l.opened, 1);
    CHECK_STR(ln_buf_get(&l.got), "first|");
    reset(&l);
    refuse(&l, "HTTP/1.1 103 Early Hints\r\n\r\n", false);
    CHECK_INT(l.closed + l.answers, 0);
    peer_say(&peer, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
    check_error(&l, PHASE_HTTP, LN_UNAUTHORIZED, "upgrade: HTTP 401 Unauthorized: no");
    CHECK_INT(l.answers, 1);
    CHECK_INT(l.answer_status, 401);
    reset(&l);
    ln_buf_clear(&bytes);
    for (int i = 0; i < 1000; i++) /* without end */
        ln_buf_puts(&bytes, "HTTP/1.1 100 Continue\r\n\r\n");
    refuse(&l, ln_buf_cstr(&bytes), false);
    check_error(&l, PHASE_HTTP, LN_PROTOCOL,
                "upgrade: the server sent more than 16 interim answers (HTTP 1xx)");
    ln_buf_free(&bytes);
    end(&l);
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

/* Some servers repeat what they were sent. */
TEST(a_refusal_shows_no_secret) {
    struct line l;
    struct ln_buf text = {0};
    begin();
    ln_log_hide(LN_STR("s3cr3t-token"));
    refuse(&l, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 25\r\n\r\nbad token 's3cr3t-token' .",
           false);
    check_error(&l, PHASE_HTTP, LN_UNAUTHORIZED,
                "upgrade: HTTP 401 Unauthorized: bad token '***' ");
    reset(&l);
    ln_buf_puts(&text, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 205\r\n\r\n");
    for (int i = 0; i < 193; i++)
        ln_buf_putc(&text, '.');
    ln_buf_puts(&text, "s3cr3t-token"); /* across the end of what is shown */
    refuse(&l, ln_buf_cstr(&text), false);
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && l.has_err);
    CHECK_HAS(l.err.text, "..***");
    reset(&l);
    accept_line(&l, options());
    serve_close(1008, "not s3cr3t-token");
    check_error(&l, PHASE_OPEN, LN_DISCONNECTED,
                "closed by the server: 1008 policy violation: not ***");
    ln_buf_free(&text);
    end(&l);
    ln_log_close();
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
    check_error(&l, PHASE_HTTP, LN_REFUSED, "upgrade: HTTP 400 Bad Request");
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
    check_error(&l, PHASE_HTTP, LN_REFUSED,
                "upgrade: HTTP 502 Bad Gateway (a proxy in front says that the server behind it "
                "does not answer): upstream");
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

/* What a status alone would leave a person guessing about. */
TEST(misleading_refusals_are_explained) {
    static const struct {
        const char *head, *body;
        ln_status code;
        const char *text;
    } cases[] = {
        {"400 Bad Request",
         "<html>\n<h1>400</h1>The plain HTTP request was sent to HTTPS port</html>", LN_REFUSED,
         "upgrade: HTTP 400 Bad Request (the server speaks TLS on this port; use wss:// or "
         "https://)"},
        {"400 Bad Request", "Client sent an HTTP request to an HTTPS server.\n", LN_REFUSED,
         "upgrade: HTTP 400 Bad Request (the server speaks TLS on this port; use wss:// or "
         "https://): Client sent an HTTP request to an HTTPS server.\\x0a"},
        {"400 Bad Request", "<p>You're speaking plain HTTP to an SSL-enabled server port.</p>",
         LN_REFUSED,
         "upgrade: HTTP 400 Bad Request (the server speaks TLS on this port; use wss:// or "
         "https://)"},
        {"200 OK", "<!DOCTYPE html><title>Welcome to our guests</title>", LN_PROTOCOL,
         "upgrade: the server answered 200 instead of 101: not a WebSocket address, or a proxy in "
         "front drops the upgrade (it sent a web page, as a captive portal does, or another path "
         "of "
         "the server)"},
        {"200 OK", "\xef\xbb\xbf\r\n <html>sign in</html>", LN_PROTOCOL,
         "upgrade: the server answered 200 instead of 101: not a WebSocket address, or a proxy in "
         "front drops the upgrade (it sent a web page, as a captive portal does, or another path "
         "of the server)"},
        {"200 OK", "okay", LN_PROTOCOL,
         "upgrade: the server answered 200 instead of 101: not a WebSocket address, or a proxy in "
         "front drops the upgrade: okay"},
        {"302 Found\r\nLocation: http://login.example/?next=secret", "", LN_REFUSED,
         "upgrade: HTTP 302 redirected to http://login.example/ (redirects are not followed; use "
         "that address)"},
        {"511 Network Authentication Required", "<html>", LN_REFUSED,
         "upgrade: HTTP 511 Network Authentication Required (a captive portal; open a browser and "
         "sign in to this network)"},
        {"502 Bad Gateway", "<html>nginx</html>", LN_REFUSED,
         "upgrade: HTTP 502 Bad Gateway (a proxy in front says that the server behind it does not "
         "answer)"},
        {"504 Gateway Time-out", "", LN_REFUSED,
         "upgrade: HTTP 504 Gateway Time-out (a proxy in front says that the server behind it does "
         "not answer)"},
        {"503 Service Unavailable", "full", LN_REFUSED,
         "upgrade: HTTP 503 Service Unavailable: full"},
    };
    struct line l;
    begin();
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_buf text = {0};
        if (i > 0) reset(&l);
        ln_buf_fmt(&text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", cases[i].head,
                   strlen(cases[i].body), cases[i].body);
        refuse(&l, ln_buf_cstr(&text), false);
        check_error(&l, PHASE_HTTP, cases[i].code, cases[i].text);
        ln_buf_free(&text);
    }
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
    refuse(&l, "", true);
    check_error(&l, PHASE_HTTP, LN_DISCONNECTED,
                "upgrade: closed by the peer before it answered (if it speaks TLS on this port: "
                "wss:// or https://)");
    reset(&l);
    refuse(&l, "HTTP/1.1 101 Swi", true);
    check_error(&l, PHASE_HTTP, LN_DISCONNECTED,
                "upgrade: closed by the peer in the middle of the answer");
    static const char *const said[][2] = {{"", "without an answer"},
                                          {"HTTP/1.1 101", "in the middle of the answer"}};
    for (size_t i = 0; i < LN_COUNT(said); i++) {
        char want[100];
        reset(&l);
        struct ws_opts o = options();
        o.stream.timeout_ms = 5000;
        open_with(&l, o);
        peer_say(&peer, said[i][0]);
        loop_advance(loop, 4999);
        CHECK_INT(l.closed, 0);
        loop_advance(loop, 1);
        snprintf(want, sizeof want, "upgrade: timed out after 5 s %s (a socket pair)", said[i][1]);
        check_error(&l, PHASE_HTTP, LN_TIMEOUT, want);
    }
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

TEST_MAIN(T(the_upgrade_sends_what_was_asked_for), T(what_comes_with_the_answer_is_not_lost),
          T(one_byte_at_a_time_is_the_same_line),
          T(every_split_of_a_stream_of_frames_gives_the_same), T(interim_answers_are_passed_over),
          T(a_refusal_tells_status_and_body), T(a_refusal_shows_no_secret),
          T(a_refusal_in_chunks_is_put_together),
          T(a_body_that_does_not_come_is_not_waited_for_long), T(what_is_no_upgrade_is_told_apart),
          T(misleading_refusals_are_explained), T(a_head_without_end_is_refused_at_16_kib),
          T(the_peer_may_go_or_be_silent_before_it_answers),
          T(failures_below_keep_their_phase_and_words),
          T(a_request_that_cannot_be_sent_is_an_error_not_an_injection))
