/* SPDX-License-Identifier: MIT
 *
 * New tokens in time: handed over or kept, refused, or not to be had; what becomes of a connection
 * whose token is refused for a whole day; and that no log shows a token.
 */
#include "token_peer.h"

#define UNAUTHORIZED "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"

/* --- renewing --- */

TEST(a_new_token_is_handed_over_in_time) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"token\":\"one\",\"expires_in\":600}");
    struct conn *c = connected_with("chat", refreshed(0, 30 * SECOND, "authenticate"));
    pass_quietly(570 * SECOND - 1);
    TRAIL("");
    snprintf(given, sizeof given, "{\"token\":\"two\",\"expires_in\":600}");
    advance(1);
    TRAIL("auth?(expiring,0) >authenticate({\"token\":\"two\"}) ");
    GOT(last(), "420[\"authenticate\",{\"token\":\"two\"}]|");
    say(last(), "430[{\"ok\":true}]");
    turn();
    TRAIL("");
    pass_quietly(569 * SECOND);
    TRAIL("");
    pass_quietly(SECOND);
    TRAIL("auth?(expiring,0) >authenticate({\"token\":\"two\"}) ");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    CHECK_INT(conn_stats(c)->connects, 1);
    end();
}

TEST(a_new_token_now_and_then) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"token\":\"one\"}");
    connected_with("chat", refreshed(4 * MINUTE, 0, "login"));
    pass_quietly(4 * MINUTE - 1);
    TRAIL("");
    advance(1);
    TRAIL("auth?(expiring,0) >login({\"token\":\"one\"}) ");
    say(last(), "430[]");
    pass_quietly(4 * MINUTE);
    TRAIL("auth?(expiring,0) >login({\"token\":\"one\"}) ");
    end();
}

static void leaves_at_the_new_token(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "authenticate")) conn_disconnect(c, NULL);
}

TEST(who_hears_of_the_new_token_may_leave) {
    begin();
    w.on_auth = give;
    w.act = leaves_at_the_new_token;
    snprintf(given, sizeof given, "{\"token\":\"one\"}");
    struct conn *c = connected_with("chat", refreshed(MINUTE, 0, "authenticate"));
    pass_quietly(MINUTE);
    CHECK_INT(conn_state(c), CONN_IDLE);
    CHECK_HAS(ln_buf_cstr(&w.trail), ">authenticate({\"token\":\"one\"}) ");
    CHECK_STR(ln_buf_get(&w.second), "{\"token\":\"one\"}"); /* told, though it is wiped */
    end();
}

static const char *const refusals[] = {"false", "{\"ok\":false,\"message\":\"too old\"}",
                                       "{\"success\":false,\"error\":null,\"message\":\"too old\"}",
                                       "{\"error\":\"too old\"}",
                                       "{\"error\":{\"message\":\"too old\"}}"};

TEST(a_new_token_that_is_refused) {
    for (size_t i = 0; i < LN_COUNT(refusals); i++) {
        char ack[100];
        begin();
        w.on_auth = give;
        snprintf(given, sizeof given, "{\"n\":1}");
        struct conn *c = connected_with("chat", refreshed(MINUTE, 0, "authenticate"));
        pass_quietly(MINUTE);
        ln_buf_clear(&w.trail);
        snprintf(ack, sizeof ack, "430[%s]", refusals[i]);
        say(last(), ack);
        turn();
        TRAIL("disconnect(\"auth refused\") ");
        CHECK_INT(conn_state(c), CONN_WAITING);
        LOG_HAS("the server refused the new token");
        if (i > 0)
            LOG_HAS("the server refused the new token: too old; back with another token in 1 s");
        advance(SECOND);
        TRAIL("reconnect_attempt(1,1.0) auth?(unauthorized,2) connect(false) ");
        end();
    }
}

TEST(answers_that_are_no_refusal) {
    static const char *const fine[] = {
        "", "null", "true", "{\"error\":false}", "\"\"", "{\"ok\":1}", "{\"error\":null}"};
    for (size_t i = 0; i < LN_COUNT(fine); i++) {
        char ack[100];
        begin();
        w.on_auth = give;
        snprintf(given, sizeof given, "{\"n\":1}");
        struct conn *c = connected_with("chat", refreshed(MINUTE, 0, "authenticate"));
        pass_quietly(MINUTE);
        snprintf(ack, sizeof ack, "430[%s]", fine[i]);
        say(last(), ack);
        pass_quietly(30 * SECOND);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        CHECK_INT(conn_stats(c)->connects, 1);
        end();
    }
}

TEST(a_refusal_without_reconnection_is_the_end) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"n\":1}");
    struct conn_opts o = refreshed(MINUTE, 0, "authenticate");
    o.reconnection = false;
    struct conn *c = connected_with("chat", o);
    pass_quietly(MINUTE);
    say(last(), "430[false]");
    turn();
    CHECK_INT(conn_state(c), CONN_FAILED);
    end();
}

TEST(a_server_that_says_nothing_to_a_new_token) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"n\":1}");
    struct conn *c = connected_with("chat", refreshed(MINUTE, 0, "authenticate"));
    pass_quietly(MINUTE + 10 * SECOND);
    LOG_HAS("the server did not acknowledge 'authenticate'");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    ln_buf_clear(&w.logs);
    pass_quietly(10 * MINUTE);
    LOGS(""); /* said once */
    CHECK(w.asked > 5);
    end();
}

/* Without an event the new token waits for the next attempt; that one does not ask. */
TEST(a_new_token_is_kept_for_the_next_attempt) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"token\":\"one\"}");
    struct conn *c = connected_with("chat", refreshed(4 * MINUTE, 0, NULL));
    snprintf(given, sizeof given, "{\"token\":\"two\"}");
    pass_quietly(4 * MINUTE);
    TRAIL("auth?(expiring,0) ");
    GOT(last(), "");
    snprintf(given, sizeof given, "{\"token\":\"three\"}");
    hang_up(last());
    advance(SECOND);
    TRAIL("disconnect(\"transport close\") reconnect_attempt(1,1.0) connect(false) ");
    GOT(last(), "40{\"token\":\"two\"}|");
    hang_up(last());
    advance(2 * SECOND);
    GOT(last(), "40{\"token\":\"three\"}|"); /* it serves once */
    ln_buf_clear(&w.trail);
    conn_reconnect(c); /* which promises to ask */
    turn();
    TRAIL("disconnect(\"io client disconnect\") auth?(reconnect,1) connect(false) ");
    end();
}

TEST(what_is_kept_too_long_is_not_used) {
    static const char *const table[] = {"{\"token\":\"one\",\"expires_in\":120}",
                                        "{\"token\":\"opaque\"}"}; /* good for `every` */
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        w.on_auth = give;
        snprintf(given, sizeof given, "%s", table[i]);
        struct conn *c = connected_with("chat", refreshed(MINUTE, 0, NULL));
        pass_quietly(MINUTE);
        TRAIL("auth?(expiring,0) ");
        hang_up(last());
        w.hangs_up = true;
        ln_clock_set_wall(ln_wall_ms() + 3 * MINUTE); /* an attempt follows after that long */
        advance(SECOND);
        CHECK_HAS(ln_buf_cstr(&w.trail), "auth?(reconnect,");
        w.hangs_up = false;
        pass(MINUTE, SECOND);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end();
    }
}

/* --- renewing that fails --- */

TEST(a_renewal_that_fails_is_tried_again_and_the_end_is_told) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"token\":\"one\",\"expires_in\":120}");
    struct conn *c = connected_with("chat", refreshed(0, MINUTE, "authenticate"));
    snprintf(given, sizeof given, "null");
    pass_quietly(MINUTE);
    TRAIL("auth?(expiring,0) ");
    LOG_HAS("the token was not renewed: no valid token: the auth function returned nothing; asked "
            "again in 30 s");
    pass_quietly(30 * SECOND);
    CHECK_HAS(ln_buf_cstr(&w.trail), "auth?(expiring,0)");
    CHECK_HAS(ln_buf_cstr(&w.trail), "auth_expiring({\"expires_at\":1700000120.0,");
    snprintf(given, sizeof given, "{\"token\":\"two\",\"expires_in\":120}");
    ln_buf_clear(&w.trail);
    pass(MINUTE, 20 * SECOND);
    TRAIL("auth?(expiring,0) >authenticate({\"token\":\"two\"}) ");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

/* A cache that gives the same again, say: it ends, and that must not pass in silence. */
TEST(a_renewal_that_gives_the_old_token) {
    begin();
    w.on_auth = give;
    give_jwt("{\"token\":\"@\"}", 120);
    struct conn *c = connected_with("chat", refreshed(0, 40 * SECOND, NULL));
    pass_quietly(80 * SECOND);
    TRAIL("auth?(expiring,0) ");
    LOG_HAS("the auth function gave no newer token: this one ends in 40 s");
    pass_quietly(20 * SECOND);
    CHECK_HAS(ln_buf_cstr(&w.trail), "auth_expiring({\"expires_at\":1700000120.0,");
    CHECK_HAS(ln_buf_cstr(&w.trail), "auth?(expiring,0)");
    pass_quietly(40 * SECOND);
    LOG_HAS("the auth function gave no newer token: this one has ended");
    ln_buf_clear(&w.trail);
    ln_buf_clear(&w.logs);
    give_jwt("{\"token\":\"@\"}", 120);
    pass_quietly(MINUTE);
    TRAIL("auth?(expiring,0) ");
    LOGS("");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

TEST(a_renewal_that_is_never_answered) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"n\":1}");
    struct conn *c = connected_with("chat", refreshed(MINUTE, 0, "authenticate"));
    w.on_auth = NULL;
    pass_quietly(MINUTE);
    ln_id old = w.ticket;
    pass_quietly(20 * SECOND);
    LOG_HAS("the token was not renewed: no valid token: the auth function gave no answer within 20 "
            "s; asked again in 30 s");
    conn_auth_answer(c, old, LN_STR("{\"late\":1}"), NULL);
    GOT(last(), "");
    pass_quietly(24LL * HOUR);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    CHECK(w.asked > 200 && w.asked < 400);
    end();
}

TEST(a_line_that_is_lost_while_a_token_is_renewed) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"n\":1}");
    struct conn *c = connected_with("chat", refreshed(MINUTE, 0, "authenticate"));
    w.on_auth = NULL;
    pass_quietly(MINUTE);
    ln_id old = w.ticket;
    hang_up(last());
    turn();
    conn_auth_answer(c, old, LN_STR("{\"late\":1}"), NULL);
    ln_buf_clear(&w.trail);
    advance(SECOND);
    TRAIL("reconnect_attempt(1,1.0) auth?(reconnect,2) ");
    CHECK(w.ticket != old);
    conn_auth_answer(c, w.ticket, LN_STR("{\"n\":2}"), NULL);
    turn();
    GOT(last(), "40{\"n\":2}|");
    end();
}

/* Tokens of a few seconds, renewed a minute before: half of their life, never a tight loop. */
TEST(tokens_that_live_shorter_than_the_margin) {
    static const struct {
        const char *json;
        int least, most; /* questions in an hour */
    } table[] = {{"{\"expires_in\":40}", 150, 190},
                 {"{\"expires_in\":4}", 600, 730},
                 {"{\"expires_in\":0.001}", 600, 730}};
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        w.on_auth = give;
        snprintf(given, sizeof given, "%s", table[i].json);
        struct conn *c = connected_with("chat", refreshed(0, MINUTE, NULL));
        for (int k = 0; k < 720; k++) {
            say(last(), "2");
            advance(5 * SECOND);
        }
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        if (w.asked < table[i].least || w.asked > table[i].most)
            printf("%s: asked %d times\n", table[i].json, w.asked);
        CHECK(w.asked >= table[i].least && w.asked <= table[i].most);
        end();
    }
}

TEST(a_margin_without_an_end_does_nothing_and_says_so) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"token\":\"opaque\"}");
    open_with("chat", refreshed(0, MINUTE, "authenticate"));
    turn();
    LOG_HAS("refresh.before does nothing: when the token ends is not known");
    pass_quietly(HOUR);
    CHECK_INT(w.asked, 1);
    end();
}

TEST(renewing_needs_a_function) {
    begin();
    struct ln_err err = {0};
    struct conn_opts o = refreshed(MINUTE, 0, NULL);
    o.auth_asked = false;
    CHECK(conn_open(w.cs, "chat", &o, &err) == NULL);
    CHECK_HAS(err.text, "refresh asks auth again: auth must be a function");
    conn_opts_free(&o);
    end();
}

/* --- refused for a day --- */

static void check_day(struct conn *c, int least, int most) {
    int before = w.asked;
    pass(24LL * HOUR, 5 * SECOND);
    int asks = w.asked - before;
    if (asks < least || asks > most) printf("asked %d times in a day\n", asks);
    CHECK(asks >= least && asks <= most);
    CHECK_INT(conn_state(c), CONN_WAITING);
}

/* asks.md 27: no tight loop, no silent death. */
TEST(http_401_for_a_day) {
    begin();
    w.on_auth = give;
    w.http = UNAUTHORIZED;
    snprintf(given, sizeof given, "{\"token\":\"bad\"}");
    struct conn *c = open_with("chat", asked());
    turn();
    /* Once more at once, with the reason; then 30 s. */
    CHECK_INT(w.lines, 2);
    CHECK_HAS(ln_buf_cstr(&w.trail), "auth?(unauthorized,2)");
    LOG_HAS("; asking for another token");
    LOG_HAS("; next attempt in 30 s");
    ln_buf_clear(&w.trail);
    advance(30 * SECOND - 1);
    TRAIL("");
    advance(1);
    CHECK_HAS(ln_buf_cstr(&w.trail), "auth?(unauthorized,3)");
    check_day(c, 280, 300);
    CHECK_INT(w.asked, w.lines); /* never without asking */
    w.http = NULL;
    pass(5 * MINUTE, 5 * SECOND);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

TEST(http_403_asks_for_headers_anew) {
    begin();
    w.on_auth = give_headers;
    w.http = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    snprintf(given, sizeof given, "{\"Authorization\":\"old\"}");
    struct conn_opts o = options("ws://chat.example");
    o.headers_asked = true;
    struct conn *c = open_with("chat", o);
    turn();
    CHECK_INT(w.asked, 2);
    w.http = NULL;
    snprintf(given, sizeof given, "{\"Authorization\":\"new\"}");
    advance(30 * SECOND);
    CHECK_HAS(last()->request, "Authorization: new\r\n");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

/* Polling is refused by the same words, and neither transport is tried after the other. */
TEST(http_401_on_either_transport) {
    static const enum conn_transport table[][2] = {{TRANSPORT_POLLING, TRANSPORT_NONE},
                                                   {TRANSPORT_POLLING, TRANSPORT_WEBSOCKET},
                                                   {TRANSPORT_WEBSOCKET, TRANSPORT_POLLING}};
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        w.on_auth = give;
        w.http = UNAUTHORIZED;
        snprintf(given, sizeof given, "{\"token\":\"bad\"}");
        struct conn_opts o = asked();
        memcpy(o.transports, table[i], sizeof o.transports);
        struct conn *c = open_with("chat", o);
        turn();
        CHECK_INT(w.lines, 2);
        CHECK_INT(w.asked, 2);
        CHECK_HAS(ln_buf_cstr(&w.trail), "\"code\":\"unauthorized\"");
        CHECK_HAS(ln_buf_cstr(&w.trail), "auth?(unauthorized,2)");
        LOG_HAS("; next attempt in 30 s");
        pass(HOUR, 5 * SECOND);
        CHECK(w.asked >= 12 && w.asked <= 20);
        CHECK_INT(conn_state(c), CONN_WAITING);
        end();
    }
}

TEST(http_401_without_functions_waits_as_usual) {
    begin();
    w.http = UNAUTHORIZED;
    open_url("chat", "ws://chat.example");
    turn();
    CHECK_INT(w.lines, 1);
    advance(SECOND);
    CHECK_INT(w.lines, 2);
    CHECK_HAS(ln_buf_cstr(&w.trail), "\"code\":\"unauthorized\"");
    end();
}

TEST(a_namespace_that_refuses_for_a_day) {
    begin();
    w.on_auth = give;
    w.refuses = "{\"message\":\"jwt expired\"}";
    snprintf(given, sizeof given, "{\"token\":\"bad\"}");
    struct conn *c = open_with("chat", asked());
    turn();
    CHECK_INT(w.asked, 2);
    check_day(c, 280, 300);
    w.refuses = NULL;
    pass(5 * MINUTE, 5 * SECOND);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

/* The token may be in the headers: they go with a new request only. */
TEST(a_namespace_that_refuses_gets_new_headers) {
    begin();
    w.on_auth = give_headers;
    w.refuses = "{\"message\":\"jwt expired\"}";
    snprintf(given, sizeof given, "{\"Authorization\":\"old\"}");
    struct conn_opts o = options("ws://chat.example");
    o.headers_asked = true;
    struct conn *c = open_with("chat", o);
    turn();
    CHECK_INT(w.lines, 2);
    CHECK_HAS(ln_buf_cstr(&w.trail), "headers?(unauthorized,2)");
    w.refuses = NULL;
    advance(30 * SECOND);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    CHECK_INT(w.lines, 3);
    end();
}

TEST(no_token_for_a_day) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "null");
    struct conn *c = open_with("chat", asked());
    check_day(c, 280, 300);
    CHECK_INT(w.lines, 0);
    snprintf(given, sizeof given, "{\"token\":\"at last\"}");
    pass(5 * MINUTE, 5 * SECOND);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

/* --- nothing leaks --- */

TEST(no_log_shows_a_token) {
    begin();
    w.on_auth = give;
    w.refuses = "{\"message\":\"bad token opaque-secret-1\"}";
    snprintf(given, sizeof given, "{\"token\":\"opaque-secret-1\"}");
    open_with("chat", asked());
    turn();
    LOG_HAS("refused: bad token ***");
    CHECK(!strstr(ln_buf_cstr(&w.logs), "opaque-secret-1"));
    end();
    begin();
    w.on_auth = give_headers;
    w.http = "HTTP/1.1 401 opaque-secret-2\r\nContent-Length: 0\r\n\r\n";
    snprintf(given, sizeof given, "{\"Authorization\":\"Bearer opaque-secret-2\"}");
    struct conn_opts o = options("ws://chat.example");
    o.headers_asked = true;
    open_with("chat", o);
    turn();
    CHECK_INT(w.lines, 2);
    CHECK(!strstr(ln_buf_cstr(&w.logs), "opaque-secret-2"));
    end();
}

TEST_MAIN(T(a_new_token_is_handed_over_in_time), T(a_new_token_now_and_then),
          T(who_hears_of_the_new_token_may_leave), T(a_new_token_that_is_refused),
          T(answers_that_are_no_refusal), T(a_refusal_without_reconnection_is_the_end),
          T(a_server_that_says_nothing_to_a_new_token), T(a_new_token_is_kept_for_the_next_attempt),
          T(what_is_kept_too_long_is_not_used),
          T(a_renewal_that_fails_is_tried_again_and_the_end_is_told),
          T(a_renewal_that_gives_the_old_token), T(a_renewal_that_is_never_answered),
          T(a_line_that_is_lost_while_a_token_is_renewed),
          T(tokens_that_live_shorter_than_the_margin),
          T(a_margin_without_an_end_does_nothing_and_says_so), T(renewing_needs_a_function),
          T(http_401_for_a_day), T(http_403_asks_for_headers_anew), T(http_401_on_either_transport),
          T(http_401_without_functions_waits_as_usual), T(a_namespace_that_refuses_for_a_day),
          T(a_namespace_that_refuses_gets_new_headers), T(no_token_for_a_day),
          T(no_log_shows_a_token))
