/* SPDX-License-Identifier: MIT
 *
 * Lines of raw WebSocket: heartbeats, and what a close code means for coming back.
 */
#include "raw_peer.h"

static void text_field(char **to, const char *text) {
    ln_free(*to);
    *to = ln_strdup(text);
}

/* --- heartbeat --- */

TEST(pings_keep_the_line) {
    begin_raw();
    struct conn *c = connected_raw();
    for (int i = 0; i < 3; i++) {
        advance(29999);
        GOT(last(), "");
        advance(1);
        GOT(last(), "ping|");
    }
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    w.pongs = false;
    advance(30000);
    GOT(last(), "ping|");
    advance(29999);
    TRAIL("");
    advance(1);
    TRAIL("disconnect(\"ping timeout\") ");
    LOG_HAS("ping timeout: no answer to our ping within 30 s");
    advance(1000);
    TRAIL("reconnect_attempt(1,1.0) connect(false) ");
    end();
}

TEST(data_answers_a_ping) {
    begin_raw();
    struct conn *c = connected_raw();
    w.pongs = false;
    advance(30000);
    advance(29999);
    say(last(), "{\"event\":\"x\"}");
    turn();
    advance(30000); /* a second ping, at 60 s */
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    advance(1);
    CHECK_INT(conn_state(c), CONN_WAITING);
    end();
}

TEST(a_heartbeat_of_the_servers_kind) {
    begin_raw();
    struct conn_opts o = raw("ws://feed.example/");
    o.heartbeat_ms = 10000;
    text_field(&o.heartbeat_text, "{\"op\":\"ping\"}");
    struct conn *c = connected_with("feed", o);
    advance(10000);
    GOT(last(), "{\"op\":\"ping\"}|");
    say(last(), "{\"op\":\"pong\"}");
    turn();
    TRAIL("message({\"op\":\"pong\"}) ");
    advance(10000);
    GOT(last(), "{\"op\":\"ping\"}|");
    advance(10000);
    TRAIL("disconnect(\"ping timeout\") ");
    LOG_HAS("no answer to our heartbeat within 10 s");
    CHECK_INT(conn_state(c), CONN_WAITING);
    end();
}

TEST(no_heartbeat) {
    begin_raw();
    struct conn_opts o = raw("ws://feed.example/");
    o.heartbeat_ms = -1;
    struct conn *c = connected_with("feed", o);
    w.pongs = false;
    advance(24 * 3600 * 1000);
    GOT(last(), "");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    CHECK_INT(emit(c, "x", ""), LN_OK);
    end();
}

/* The loop's clock stands still while a laptop sleeps, the wall clock does not. */
TEST(after_a_sleep_the_line_counts_as_lost) {
    begin_raw();
    struct conn *c = connected_raw();
    ln_clock_fake(1700000000000 + 89000);
    emit(c, "x", "");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    advance(1);
    ln_clock_fake(1700000000000 + 100000);
    emit(c, "y", "");
    turn();
    CHECK_INT(conn_state(c), CONN_WAITING);
    LOG_HAS("ping timeout: the clock went on without us");
    end();
}

/* --- ends --- */

TEST(close_codes_and_reasons_are_told) {
    static const struct {
        int code;
        const char *reason, *trail;
    } table[] = {
        {1000, "", "disconnect(\"transport close\",{\"code\":1000,\"reason\":\"\"}) "},
        {1001, "bye \"now\"",
         "disconnect(\"transport close\",{\"code\":1001,\"reason\":\"bye \\\"now\\\"\"}) "},
        {1002, "", "disconnect(\"transport close\",{\"code\":1002,\"reason\":\"\"}) "},
        {1003, "", "disconnect(\"transport close\",{\"code\":1003,\"reason\":\"\"}) "},
        {1007, "", "disconnect(\"transport close\",{\"code\":1007,\"reason\":\"\"}) "},
        {1009, "", "disconnect(\"transport close\",{\"code\":1009,\"reason\":\"\"}) "},
        {1010, "", "disconnect(\"transport close\",{\"code\":1010,\"reason\":\"\"}) "},
        {1012, "", "disconnect(\"transport close\",{\"code\":1012,\"reason\":\"\"}) "},
        {4000, "x", "disconnect(\"transport close\",{\"code\":4000,\"reason\":\"x\"}) "},
        {1005, "", "disconnect(\"transport close\") "},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin_raw();
        connected_raw();
        say_close(last(), table[i].code, table[i].reason);
        hang_up(last());
        turn();
        TRAIL(table[i].trail);
        advance(1000); /* as after any loss */
        TRAIL("reconnect_attempt(1,1.0) connect(false) ");
        end();
    }
}

TEST(a_refusal_by_close_code_comes_back_slowly) {
    static const int codes[] = {1008, 4401, 4403};
    for (size_t i = 0; i < LN_COUNT(codes); i++) {
        begin_raw();
        struct conn *c = connected_raw();
        static const int64_t waits[] = {30000, 30000, 60000, 120000, 240000, 300000, 300000};
        for (size_t k = 0; k < LN_COUNT(waits); k++) {
            say_close(last(), codes[i], "go away");
            hang_up(last());
            turn();
            ln_buf_clear(&w.trail);
            int lines = w.lines;
            advance(waits[k] - 1);
            CHECK_INT(w.lines, lines);
            advance(1);
            CHECK_INT(w.lines, lines + 1);
        }
        CHECK_HAS(conn_stats(c)->last_error, "go away");
        advance(10000); /* it lasted: the count begins anew */
        say_close(last(), codes[i], "");
        hang_up(last());
        advance(30000);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end();
    }
}

TEST(a_refused_token_is_asked_anew) {
    begin_raw();
    struct conn_opts o = raw("ws://feed.example/");
    o.auth_asked = true;
    struct conn *c = open_with("feed", o);
    turn();
    TRAIL("auth?(first,1) ");
    conn_auth_answer(c, w.ticket, LN_STR("{\"token\":\"old\"}"), NULL);
    turn();
    CHECK_HAS(last()->request, "GET /?token=old HTTP/1.1\r\n");
    TRAIL("connect(true) ");
    say_close(last(), 4401, "token expired");
    hang_up(last());
    turn();
    TRAIL("disconnect(\"transport close\",{\"code\":4401,\"reason\":\"token expired\"}) "
          "reconnect_attempt(1,0.0) auth?(unauthorized,2) ");
    conn_auth_answer(c, w.ticket, LN_STR("{\"token\":\"new\"}"), NULL);
    turn();
    CHECK_HAS(last()->request, "GET /?token=new HTTP/1.1\r\n");
    say_close(last(), 4401, "token expired");
    hang_up(last());
    turn();
    ln_buf_clear(&w.trail);
    advance(29999);
    TRAIL("");
    advance(1);
    TRAIL("reconnect_attempt(2,30.0) auth?(unauthorized,3) ");
    end();
}

TEST(we_say_goodbye) {
    begin_raw();
    struct conn *c = connected_raw();
    conn_disconnect(c, NULL);
    turn();
    GOT(last(), "close(1000)|");
    TRAIL("disconnect(\"io client disconnect\") ");
    end();
}

TEST(a_server_that_accepts_and_hangs_up_is_not_hammered) {
    begin_raw();
    struct conn *c = connected_raw();
    static const int64_t waits[] = {1000, 2000, 4000, 5000, 5000};
    for (size_t i = 0; i < LN_COUNT(waits); i++) {
        int lines = w.lines;
        hang_up(last());
        advance(waits[i] - 1);
        CHECK_INT(w.lines, lines);
        advance(1);
        CHECK_INT(w.lines, lines + 1);
    }
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

TEST(too_big_a_message_ends_the_line) {
    begin_raw();
    struct conn_opts o = raw("ws://feed.example/");
    o.max_message = 10;
    connected_with("feed", o);
    say(last(), "{\"event\":\"too big\"}");
    turn();
    TRAIL("disconnect(\"transport error\") ");
    LOG_HAS("max_message");
    end();
}

TEST_MAIN(T(pings_keep_the_line), T(data_answers_a_ping), T(a_heartbeat_of_the_servers_kind),
          T(no_heartbeat), T(after_a_sleep_the_line_counts_as_lost),
          T(close_codes_and_reasons_are_told), T(a_refusal_by_close_code_comes_back_slowly),
          T(a_refused_token_is_asked_anew), T(we_say_goodbye),
          T(a_server_that_accepts_and_hangs_up_is_not_hammered), T(too_big_a_message_ends_the_line))
