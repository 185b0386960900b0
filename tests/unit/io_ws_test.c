/* SPDX-License-Identifier: MIT
 *
 * Open WebSocket lines: messages whole and in pieces, pings, both ways to close, every limit.
 */
#include "ws_line.h"

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

/* Before its end, 4 MB that a slow peer takes bit by bit. */
static void close_behind_a_backlog(struct line *l) {
    static char bytes[4000000];
    struct ln_str s = {bytes, sizeof bytes};
    accept_line(l, options());
    ws_send(l->w, WS_BINARY, &s, 1);
    loop_settle(loop, 0);
    ws_close(l->w, 1000, none);
    loop_settle(loop, 0);
    CHECK(ws_queued(l->w) > sizeof bytes / 2);
}
static size_t take(size_t bytes) {
    size_t got = 0, before;
    do {
        before = peer.in.n;
        peer_read(&peer, bytes - got);
        got += peer.in.n - before;
        loop_settle(loop, 0);
    } while (got < bytes && peer.in.n > before);
    return got;
}

TEST(a_backlog_leaves_before_the_close_is_waited_for) {
    struct line l;
    begin();
    close_behind_a_backlog(&l);
    for (int i = 0; i < 3; i++) {
        loop_advance(loop, 2500);
        CHECK_INT(take(500000), 500000);
        CHECK_INT(l.closed, 0);
    }
    while (take(65536) > 0 && ws_queued(l.w) > 0)
        continue;
    loop_advance(loop, 1999); /* from when all has gone */
    CHECK_INT(l.closed, 0);
    loop_advance(loop, 1);
    CHECK(l.closed == 1 && !l.has_err);
    reset(&l);
    close_behind_a_backlog(&l);
    CHECK_INT(take(1000), 1000);
    loop_advance(loop, 29999);
    CHECK_INT(l.closed, 0);
    loop_advance(loop, 1); /* a peer that does not take it is not waited for for ever */
    CHECK(l.closed == 1 && !l.has_err);
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

TEST_MAIN(T(messages_are_masked_and_leave_together), T(big_messages_go_both_ways),
          T(pings_are_answered_and_pongs_are_handed_over),
          T(a_peer_that_pings_but_never_reads_gets_no_endless_queue),
          T(our_close_waits_for_the_peers), T(our_close_does_not_wait_for_ever),
          T(a_backlog_leaves_before_the_close_is_waited_for),
          T(the_peers_close_is_answered_and_told), T(an_end_without_a_close_frame_is_1006),
          T(a_broken_protocol_is_answered_with_its_code), T(a_message_over_the_limit_is_1009),
          T(a_peer_that_breaks_the_protocol_while_we_close_ends_at_once),
          T(closing_inside_each_callback), T(closing_before_it_is_open_says_nothing_on_the_wire),
          T(a_refusal_can_be_closed_while_its_body_is_awaited))
