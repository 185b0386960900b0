/* SPDX-License-Identifier: MIT
 *
 * Auth payloads, given or asked for, and refusals: who is asked when, which answers still count,
 * and how long a refused connection waits.
 */
#include "sio_peer.h"

static struct conn_opts asked(void) {
    struct conn_opts o = options("ws://chat.example");
    o.auth_asked = true;
    return o;
}

static void answer_at_once(struct conn *c, ln_id ticket) {
    conn_auth_answer(c, ticket, LN_STR("{\"now\":1}"), NULL);
}

TEST(a_given_payload_goes_with_connect) {
    begin();
    struct conn_opts o = options("ws://chat.example/admin");
    o.auth = ln_strdup("{\"token\":\"t\"}");
    open_with("chat", o);
    turn();
    GOT(last(), "40/admin,{\"token\":\"t\"}|");
    hang_up(last());
    advance(1000);
    GOT(last(), "40/admin,{\"token\":\"t\"}|");
    end();
}

TEST(the_function_is_asked_before_every_attempt) {
    begin();
    struct conn *c = open_with("chat", asked());
    turn();
    TRAIL("auth?(first,1) ");
    CHECK_INT(w.lines, 0); /* nothing is dialled without an answer */
    CHECK_INT(conn_state(c), CONN_CONNECTING);
    conn_auth_answer(c, w.ticket, LN_STR("{\"token\":1}"), NULL);
    turn();
    CHECK_INT(w.lines, 1);
    GOT(last(), "40{\"token\":1}|");
    TRAIL("connect(true) ");
    hang_up(last());
    advance(1000);
    TRAIL("disconnect(\"transport close\") reconnect_attempt(1,1.0) auth?(reconnect,2) ");
    CHECK_INT(w.lines, 1);
    conn_auth_answer(c, w.ticket, LN_STR("{}"), NULL);
    turn();
    CHECK_INT(w.lines, 2);
    GOT(last(), "40{}|");
    TRAIL("connect(false) ");
    conn_reconnect(c);
    turn();
    TRAIL("disconnect(\"io client disconnect\") auth?(reconnect,1) ");
    conn_auth_answer(c, w.ticket, LN_STR("{\"token\":3}"), NULL);
    turn();
    GOT(last(), "40{\"token\":3}|");
    CHECK_INT(w.asked, 3);
    end();
}

/* asks.md 25: a token of 30 seconds is dead by reconnect; each attempt has its own. */
TEST(a_failed_attempt_is_asked_for_as_well) {
    begin();
    w.hangs_up = true;
    w.on_auth = answer_at_once;
    open_with("chat", asked());
    for (int i = 0; i < 60; i++)
        advance(1000);
    CHECK(w.lines > 10);
    CHECK_INT(w.asked, w.lines);
    end();
}

TEST(no_token_no_attempt) {
    begin();
    struct conn *c = open_with("chat", asked());
    turn();
    conn_auth_answer(c, w.ticket, (struct ln_str){0}, NULL);
    turn();
    TRAIL(
        "auth?(first,1) connect_error({\"code\":\"unauthorized\",\"message\":\"no valid token: the "
        "auth function returned nothing\",\"detail\":\"auth\"}) ");
    LOG_HAS("warn [conn:chat] no valid token: the auth function returned nothing; next attempt in "
            "30 s");
    CHECK_INT(conn_state(c), CONN_WAITING);
    advance(29999);
    TRAIL("");
    advance(1);
    TRAIL("reconnect_attempt(1,30.0) auth?(first,2) ");
    conn_auth_answer(c, w.ticket, LN_STR("null"), NULL); /* the same */
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "no valid token: the auth function returned nothing");
    CHECK_INT(w.lines, 0);
    advance(30000);
    conn_auth_answer(c, w.ticket, LN_STR("{\"token\":1}"), NULL);
    turn();
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

TEST(stale_tickets_are_ignored) {
    begin();
    struct conn *c = open_with("chat", asked());
    turn();
    ln_id old = w.ticket;
    conn_disconnect(c, NULL); /* the attempt is over before the answer */
    conn_connect(c);
    turn();
    CHECK(w.ticket != old);
    conn_auth_answer(c, old, LN_STR("{\"token\":\"old\"}"), NULL);
    turn();
    CHECK_INT(w.lines, 0);
    ln_id ticket = w.ticket;
    conn_auth_answer(c, ticket, LN_STR("{\"token\":\"new\"}"), NULL);
    conn_auth_answer(c, ticket, LN_STR("{\"token\":\"twice\"}"), NULL);
    turn();
    GOT(last(), "40{\"token\":\"new\"}|");
    conn_disconnect(c, NULL);
    conn_auth_answer(c, ticket, LN_STR("{}"), NULL);
    conn_auth_answer(c, 0, LN_STR("{}"), NULL);
    CHECK_INT(conn_state(c), CONN_IDLE);
    end();
}

TEST(a_failing_function_is_an_error_and_tried_again) {
    begin();
    struct conn *c = open_with("chat", asked());
    turn();
    struct ln_err err;
    ln_fail(&err, LN_TIMEOUT, "the token service is down");
    conn_auth_answer(c, w.ticket, (struct ln_str){0}, &err);
    turn();
    TRAIL("auth?(first,1) connect_error({\"code\":\"timeout\",\"message\":\"no valid token: the "
          "token service is down\",\"detail\":\"auth\"}) ");
    CHECK_INT(conn_state(c), CONN_WAITING);
    advance(1000);
    TRAIL("reconnect_attempt(1,1.0) auth?(first,2) ");
    conn_auth_answer(c, w.ticket, LN_STR("[1]"), NULL);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "the auth function must return a table");
    ln_buf_clear(&w.trail);
    advance(2000); /* the usual back-off */
    TRAIL("reconnect_attempt(2,2.0) auth?(first,3) ");
    CHECK_INT(w.lines, 0);
    end();
}

TEST(a_function_that_never_answers) {
    begin();
    struct conn *c = open_with("chat", asked());
    advance(20000);
    TRAIL(
        "auth?(first,1) connect_error({\"code\":\"timeout\",\"message\":\"no valid token: the auth "
        "function gave no answer within 20 s\",\"detail\":\"auth\"}) ");
    ln_id old = w.ticket;
    advance(1000);
    conn_auth_answer(c, old, LN_STR("{\"late\":1}"), NULL);
    turn();
    CHECK_INT(w.lines, 0);
    CHECK_INT(conn_state(c), CONN_CONNECTING);
    end();
}

/* The function has the option's time, and then the attempt has it. */
TEST(a_slow_function_takes_nothing_from_the_attempt) {
    begin();
    w.open = NULL;
    struct conn *c = open_with("chat", asked());
    advance(19000);
    conn_auth_answer(c, w.ticket, LN_STR("{}"), NULL);
    advance(19999);
    CHECK_INT(w.lines, 1);
    CHECK_INT(conn_state(c), CONN_CONNECTING);
    advance(1);
    CHECK_HAS(ln_buf_cstr(&w.trail), "handshake: the server sent none within 20 s");
    CHECK_INT(conn_state(c), CONN_WAITING);
    end();
}

/* --- several on one line --- */

TEST(a_line_waits_for_all_that_ride_on_it) {
    begin();
    struct conn_opts o = options("ws://chat.example/a"), p = options("ws://chat.example/b");
    o.auth_asked = p.auth_asked = true;
    struct conn *a = open_with("a", o), *b = open_with("b", p);
    turn();
    ln_id of_b = w.ticket;
    TRAIL("auth?(first,1) auth?(first,1) ");
    conn_auth_answer(b, of_b, LN_STR("{\"b\":1}"), NULL);
    turn();
    CHECK_INT(w.lines, 0);
    conn_auth_answer(a, of_b - 1, LN_STR("{\"a\":1}"), NULL);
    turn();
    CHECK_INT(w.lines, 1);
    GOT(last(), "40/a,{\"a\":1}|40/b,{\"b\":1}|");
    end();
}

TEST(who_gives_no_answer_leaves_the_line_to_the_others) {
    begin();
    struct conn_opts o = options("ws://chat.example/a");
    o.auth_asked = true;
    struct conn *a = open_with("a", o), *b = open_url("b", "ws://chat.example/b");
    turn();
    CHECK_INT(w.lines, 0);
    advance(20000);
    CHECK_INT(conn_state(a), CONN_WAITING);
    CHECK_INT(conn_state(b), CONN_CONNECTED);
    ln_buf_clear(&w.trail);
    advance(1000); /* it comes onto the line that is up: asks, then joins */
    TRAIL("reconnect_attempt(1,1.0) auth?(first,2) ");
    conn_auth_answer(a, w.ticket, LN_STR("{\"a\":1}"), NULL);
    turn();
    CHECK_INT(w.lines, 1);
    GOT(last(), "40/b,|40/a,{\"a\":1}|");
    CHECK_INT(conn_state(a), CONN_CONNECTED);
    end();
}

TEST(who_leaves_while_it_is_asked_holds_nobody_up) {
    begin();
    struct conn_opts o = options("ws://chat.example/a");
    o.auth_asked = true;
    struct conn *a = open_with("a", o);
    open_url("b", "ws://chat.example/b");
    turn();
    CHECK_INT(w.lines, 0);
    conn_close(a);
    turn();
    CHECK_INT(w.lines, 1);
    GOT(last(), "40/b,|");
    end();
}

static void act_go_when_tried(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "reconnect_attempt")) conn_disconnect(c, NULL);
}

TEST(leaving_when_an_attempt_is_announced_spares_it) {
    begin();
    struct conn *c = connected();
    w.act = act_go_when_tried;
    hang_up(last());
    advance(60000);
    CHECK_INT(w.lines, 1);
    CHECK_INT(conn_state(c), CONN_IDLE);
    end();
}

/* --- headers and query --- */

static void answer_all(struct conn *c, ln_id ticket) {
    char text[64];
    snprintf(text, sizeof text, "{\"t\":\"v%d\"}", w.asked);
    conn_answer(c, ticket, ASK_AUTH, ln_str(text), NULL);
    snprintf(text, sizeof text, "{\"X-Token\":\"h%d\"}", w.asked);
    conn_answer(c, ticket, ASK_HEADERS, ln_str(text), NULL);
    snprintf(text, sizeof text, "{\"q\":\"%d &\"}", w.asked);
    conn_answer(c, ticket, ASK_QUERY, ln_str(text), NULL);
}

TEST(headers_and_query_are_asked_too) {
    begin();
    struct conn_opts o = asked();
    o.headers_asked = o.query_asked = true;
    w.on_auth = answer_all;
    open_with("chat", o);
    turn();
    TRAIL("auth?(first,1) headers?(first,1) query?(first,1) connect(true) ");
    CHECK_HAS(last()->request, "GET /socket.io/?q=1%20%26&EIO=4");
    CHECK_HAS(last()->request, "X-Token: h1\r\n");
    GOT(last(), "40{\"t\":\"v1\"}|");
    hang_up(last());
    advance(1000);
    CHECK_HAS(last()->request, "?q=2%20%26&");
    CHECK_HAS(last()->request, "X-Token: h2\r\n");
    GOT(last(), "40{\"t\":\"v2\"}|");
    CHECK_INT(w.asked, 2);
    end();
}

TEST(what_functions_give_for_requests_is_nobody_elses) {
    begin();
    struct conn_opts o = options("ws://chat.example/a"), p = options("ws://chat.example/b");
    o.headers_asked = p.headers_asked = true;
    w.on_auth = answer_all;
    open_with("a", o);
    open_with("b", p);
    open_url("c", "ws://chat.example/c");
    turn();
    CHECK_INT(w.lines, 3);
    end();
}

TEST(answers_that_cannot_go_into_a_request) {
    static const struct {
        unsigned what;
        const char *json, *words;
    } table[] = {
        {ASK_HEADERS, "{\"X\":[1]}", "headers.X must be a text"},
        {ASK_HEADERS, "{\"X\":\"a\\r\\nEvil: 1\"}", "headers: the value of X holds a control"},
        {ASK_HEADERS, "{\"Host\":\"x\"}",
         "headers: Host is written by linnet itself and cannot be set"},
        {ASK_HEADERS, "7", "the headers function must return a table"},
        {ASK_HEADERS, "", "no valid token: the headers function returned nothing"},
        {ASK_QUERY, "{\"a\":{}}", "query.a must be a text"},
        {ASK_QUERY, "null", "no valid token: the query function returned nothing"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        struct conn_opts o = options("ws://chat.example");
        o.headers_asked = o.query_asked = true;
        struct conn *c = open_with("chat", o);
        turn();
        conn_answer(c, w.ticket, table[i].what, ln_str(table[i].json), NULL);
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), table[i].words);
        CHECK_INT(conn_state(c), CONN_WAITING);
        CHECK_INT(w.lines, 0);
        end();
    }
}

static void close_when_asked(struct conn *c, ln_id ticket) {
    conn_close(c);
    conn_auth_answer(c, ticket, LN_STR("{}"), NULL);
}

TEST(answers_from_inside_the_question) {
    begin();
    w.on_auth = answer_at_once;
    open_with("chat", asked());
    turn();
    GOT(last(), "40{\"now\":1}|");
    w.on_auth = close_when_asked;
    open_with("other", asked());
    turn();
    CHECK(conn_find(w.cs, LN_STR("other")) == NULL);
    end();
}

/* --- refusals --- */

TEST(refusals_and_their_codes) {
    static const struct {
        const char *frame, *error;
    } table[] = {
        {"44{\"message\":\"Not authorized\"}",
         "{\"code\":\"unauthorized\",\"message\":\"Not authorized\",\"detail\":\"namespace\"}"},
        {"44{\"message\":\"x\",\"data\":{\"code\":\"E_AUTH\",\"retry\":false}}",
         "{\"code\":\"unauthorized\",\"message\":\"x\",\"detail\":\"namespace\",\"data\":"
         "{\"code\":\"E_AUTH\",\"retry\":false}}"},
        {"44{\"message\":\"x\",\"data\":{\"status\":401}}",
         "{\"code\":\"unauthorized\",\"message\":\"x\",\"detail\":\"namespace\",\"data\":"
         "{\"status\":401}}"},
        {"44{\"message\":\"x\",\"data\":{\"status\":403}}",
         "{\"code\":\"forbidden\",\"message\":\"x\",\"detail\":\"namespace\",\"data\":"
         "{\"status\":403}}"},
        {"44{\"message\":\"jwt expired\"}",
         "{\"code\":\"unauthorized\",\"message\":\"jwt expired\",\"detail\":\"namespace\"}"},
        {"44{\"message\":\"Invalid namespace\"}",
         "{\"code\":\"not_found\",\"message\":\"Invalid namespace\",\"detail\":\"namespace\"}"},
        {"44{\"message\":\"full house\"}",
         "{\"code\":\"refused\",\"message\":\"full house\",\"detail\":\"namespace\"}"},
        {"44", "{\"code\":\"refused\",\"message\":\"no reason given\",\"detail\":\"namespace\"}"},
        {"44{}", "{\"code\":\"refused\",\"message\":\"no reason given\",\"detail\":\"namespace\"}"},
        {"44\"of v2\"", "{\"code\":\"refused\",\"message\":\"of v2\",\"detail\":\"namespace\"}"},
        {"44{\"message\":7}", "{\"code\":\"refused\",\"message\":\"7\",\"detail\":\"namespace\"}"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        char want[300];
        begin();
        w.joins = false;
        struct conn *c = open_url("chat", "ws://chat.example");
        turn();
        say(last(), table[i].frame);
        turn();
        snprintf(want, sizeof want, "connect_error(%s) ", table[i].error);
        TRAIL(want);
        LOG_HAS("not tried again by itself");
        CHECK_INT(conn_state(c), CONN_FAILED);
        GOT(last(), "40|close(1005)|");
        advance(600000);
        CHECK_INT(w.lines, 1); /* the same payload would be refused again */
        w.joins = true;
        conn_connect(c);
        turn();
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end();
    }
}

TEST(a_refused_namespace_leaves_the_others_alone) {
    begin();
    w.joins = false;
    struct conn *a = open_url("a", "ws://chat.example/a");
    struct conn *b = open_url("b", "ws://chat.example/b");
    turn();
    say(last(), "40/b,{\"sid\":\"1\"}");
    say(last(), "44/a,{\"message\":\"no\"}");
    turn();
    CHECK_INT(conn_state(a), CONN_FAILED);
    CHECK_INT(conn_state(b), CONN_CONNECTED);
    end();
}

/* asks.md 27 and 31: the function is asked once more at once, then slowly, never not at all. */
TEST(a_refused_token_is_renewed_then_tried_slowly) {
    begin();
    w.joins = false;
    w.on_auth = answer_at_once;
    struct conn *c = open_with("chat", asked());
    turn();
    TRAIL("auth?(first,1) ");
    say(last(), "44{\"message\":\"jwt expired\"}");
    turn();
    TRAIL("connect_error({\"code\":\"unauthorized\",\"message\":\"jwt expired\","
          "\"detail\":\"namespace\"}) auth?(unauthorized,1) ");
    CHECK_INT(conn_state(c), CONN_CONNECTING);
    CHECK_INT(w.lines, 1); /* on the same line */
    GOT(last(), "40{\"now\":1}|40{\"now\":1}|");
    static const int64_t waits[] = {30000, 60000, 120000, 240000, 300000, 300000};
    for (size_t i = 0; i < LN_COUNT(waits); i++) {
        say(last(), "44{\"message\":\"jwt expired\"}");
        turn();
        CHECK_INT(conn_state(c), CONN_WAITING);
        GOT(last(), i ? "40{\"now\":1}|close(1005)|" : "close(1005)|");
        int asks = w.asked;
        advance(waits[i] - 1);
        CHECK_INT(w.asked, asks);
        advance(1);
        CHECK_INT(w.asked, asks + 1);
        CHECK_INT(conn_state(c), CONN_CONNECTING);
    }
    say(last(), "40{\"sid\":\"in\"}");
    turn();
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    ln_buf_clear(&w.trail);
    hang_up(last()); /* a new life: once at once again */
    advance(1000);
    say(last(), "44{\"message\":\"jwt expired\"}");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "auth?(unauthorized,");
    CHECK_INT(conn_state(c), CONN_CONNECTING);
    end();
}

static void act_leave_on_error(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "connect_error")) conn_disconnect(c, NULL);
}

TEST(leaving_inside_connect_error_wins) {
    begin();
    w.joins = false;
    w.on_auth = answer_at_once;
    w.act = act_leave_on_error;
    struct conn *c = open_with("chat", asked());
    turn();
    say(last(), "44{\"message\":\"no\"}");
    advance(600000);
    CHECK_INT(w.asked, 1);
    CHECK_INT(conn_state(c), CONN_IDLE);
    w.hangs_up = true;
    conn_connect(c);
    advance(600000);
    CHECK_INT(conn_state(c), CONN_IDLE);
    CHECK_INT(w.lines, 2);
    end();
}

static void act_come_back(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "connect_error")) conn_reconnect(c);
}

TEST(coming_back_inside_connect_error_works) {
    begin();
    w.joins = false;
    w.act = act_come_back;
    struct conn *c = open_url("chat", "ws://chat.example");
    turn();
    say(last(), "44{\"message\":\"no\"}");
    w.joins = true;
    turn();
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    CHECK_INT(w.lines, 2);
    end();
}

TEST_MAIN(T(a_given_payload_goes_with_connect), T(the_function_is_asked_before_every_attempt),
          T(a_failed_attempt_is_asked_for_as_well), T(no_token_no_attempt),
          T(stale_tickets_are_ignored), T(a_failing_function_is_an_error_and_tried_again),
          T(a_function_that_never_answers), T(a_slow_function_takes_nothing_from_the_attempt),
          T(a_line_waits_for_all_that_ride_on_it),
          T(who_gives_no_answer_leaves_the_line_to_the_others),
          T(who_leaves_while_it_is_asked_holds_nobody_up),
          T(leaving_when_an_attempt_is_announced_spares_it), T(headers_and_query_are_asked_too),
          T(what_functions_give_for_requests_is_nobody_elses),
          T(answers_that_cannot_go_into_a_request), T(answers_from_inside_the_question),
          T(refusals_and_their_codes), T(a_refused_namespace_leaves_the_others_alone),
          T(a_refused_token_is_renewed_then_tried_slowly), T(leaving_inside_connect_error_wins),
          T(coming_back_inside_connect_error_works))
