/* SPDX-License-Identifier: MIT
 *
 * Pusher's channels as rooms: every sequence of joining and leaving, with the server's answers in
 * between and without; losses of the line in every state; refusals.
 */
#include "pusher_peer.h"

#define SUB(channel)                                                                               \
    "{\"event\":\"pusher:subscribe\",\"data\":{\"auth\":\"\",\"channel\":\"" channel "\"}}|"
#define UNSUB(channel) "{\"event\":\"pusher:unsubscribe\",\"data\":{\"channel\":\"" channel "\"}}|"
#define SUCCEEDED(channel) "pusher:subscription_succeeded({},{\"channel\":\"" channel "\"}) "

static void let_in(const char *channel) {
    say_event(line_now(), "pusher_internal:subscription_succeeded", channel, "\"{}\"");
    turn();
}

/* --- joining and leaving --- */

TEST(a_join_is_answered) {
    begin_pusher();
    struct conn *c = pusher_connected();
    join(c, "pub");
    turn();
    GOT(last(), SUB("pub"));
    TRAIL(SUCCEEDED("pub") "pub={\"channel\":\"pub\"} ");
    CHECK(conn_room_joined(c, LN_STR("pub")));
    CHECK(leave(c, "pub"));
    turn();
    GOT(last(), UNSUB("pub"));
    CHECK(!conn_room_joined(c, LN_STR("pub")));
    CHECK(!leave(c, "pub"));
    turn();
    GOT(last(), "");
    end_pusher();
}

TEST(soketi_answers_without_data) {
    begin_pusher();
    struct conn *c = pusher_connected();
    s.silent = true;
    join(c, "pub");
    turn();
    say(last(), "{\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":\"pub\"}");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "pub={\"channel\":\"pub\"} ");
    end_pusher();
}

TEST(joining_twice_asks_once) {
    begin_pusher();
    struct conn *c = pusher_connected();
    s.silent = true;
    join(c, "pub");
    join(c, "pub");
    turn();
    GOT(last(), SUB("pub"));
    let_in("pub");
    TRAIL(SUCCEEDED("pub") "pub={\"channel\":\"pub\"} pub={\"channel\":\"pub\"} ");
    join(c, "pub"); /* and when it is joined */
    turn();
    GOT(last(), "");
    TRAIL("pub={\"channel\":\"pub\"} ");
    CHECK(!leave(c, "pub") && !leave(c, "pub"));
    turn();
    GOT(last(), "");
    CHECK(leave(c, "pub")); /* the last one who wanted it */
    turn();
    GOT(last(), UNSUB("pub"));
    end_pusher();
}

TEST(leaving_while_pending) {
    begin_pusher();
    struct conn *c = pusher_connected();
    s.silent = true;
    join(c, "pub");
    turn();
    leave(c, "pub");
    turn();
    GOT(last(), SUB("pub"));
    TRAIL("pub=cancelled:the room was left before it was joined ");
    let_in("pub");
    GOT(last(), UNSUB("pub"));
    TRAIL("");
    end_pusher();
}

/* sub-unsub-sub and its like, each step at once, or after the server's answer. */
TEST(sequences) {
    static const struct {
        const char *steps; /* j join, l leave, w wait for what comes */
        const char *frames;
        bool is_in;
    } cases[] = {
        {"jw", SUB("a"), true},
        {"jjw", SUB("a"), true},
        {"jlw", SUB("a") UNSUB("a"), false},
        {"jwlw", SUB("a") UNSUB("a"), false},
        {"jljw", SUB("a"), true},
        {"jwlwjw", SUB("a") UNSUB("a") SUB("a"), true},
        {"jwljw", SUB("a") UNSUB("a") SUB("a"), true},
        {"jlwjw", SUB("a") UNSUB("a") SUB("a"), true},
        {"jllw", SUB("a") UNSUB("a"), false},
        {"jwllw", SUB("a") UNSUB("a"), false},
        {"jljlw", SUB("a") UNSUB("a"), false},
        {"jljljw", SUB("a"), true},
        {"jwljlw", SUB("a") UNSUB("a") SUB("a") UNSUB("a"), false},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        begin_pusher();
        struct conn *c = pusher_connected();
        bool wants = false;
        for (const char *p = cases[i].steps; *p; p++) {
            if (*p == 'j' && !wants) wants = join(c, "a") != 0;
            if (*p == 'l' && wants) wants = !leave(c, "a");
            if (*p == 'w') turn();
        }
        GOT(last(), cases[i].frames);
        CHECK_INT(conn_room_joined(c, LN_STR("a")), cases[i].is_in);
        ln_buf_clear(&w.trail);
        say_event(last(), "e", "a", "1");
        turn();
        TRAIL(cases[i].is_in ? "e(1,{\"channel\":\"a\"}) " : "");
        end_pusher();
    }
}

TEST(events_of_a_channel_that_was_left_are_not_told) {
    begin_pusher();
    struct conn *c = pusher_connected();
    joined(c, "pub");
    say_event(last(), "before", "pub", NULL);
    turn();
    leave(c, "pub");
    say_event(last(), "after", "pub", NULL); /* on its way already */
    say_event(last(), "stranger", "other", NULL);
    turn();
    TRAIL("before(null,{\"channel\":\"pub\"}) ");
    s.silent = true;
    join(c, "pub");
    turn();
    say_event(last(), "too early", "pub", NULL);
    turn();
    TRAIL("");
    end_pusher();
}

static void leaves_itself(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "e")) leave(c, "pub");
}

TEST(leaving_inside_of_an_event) {
    begin_pusher();
    struct conn *c = pusher_connected();
    joined(c, "pub");
    w.act = leaves_itself;
    say_event(last(), "e", "pub", "\"{\\\"a\\\":1}\"");
    say_event(last(), "e", "pub", NULL);
    turn();
    TRAIL("e({\"a\":1},{\"channel\":\"pub\"}) ");
    GOT(last(), UNSUB("pub"));
    end_pusher();
}

static void disconnects(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "e")) conn_disconnect(c, NULL);
    if (ln_str_is(name, "f")) conn_close(c);
}

TEST(going_inside_of_an_event) {
    static const char *const events[] = {"e", "f"};
    for (size_t i = 0; i < LN_COUNT(events); i++) {
        begin_pusher();
        struct conn *c = pusher_connected();
        joined(c, "pub");
        w.act = disconnects;
        say_event(last(), events[i], "pub", NULL);
        say_event(last(), "after", "pub", NULL);
        say(last(), "garbage");
        turn();
        CHECK(!strstr(ln_buf_cstr(&w.trail), "after"));
        CHECK(!strstr(ln_buf_cstr(&w.trail), "error"));
        end_pusher();
    }
}

/* --- names --- */

TEST(names_that_are_none) {
    static const struct {
        const char *room, *says;
    } cases[] = {
        {"a b", "a channel's name has at most 200 letters"},
        {"sch\xc3\xb6n", "a channel's name has at most 200 letters"},
        {"", "a channel's name has at most 200 letters"},
        {"#server-to-user-1", "channels that begin with # cannot be joined"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        begin_pusher();
        struct conn *c = pusher_connected();
        CHECK(join(c, cases[i].room) != 0);
        TRAIL(""); /* never from inside */
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), "=invalid:'");
        CHECK_HAS(ln_buf_cstr(&w.trail), cases[i].says);
        GOT(last(), "");
        end_pusher();
    }
}

/* It is refused, and its beginning is another room. */
TEST(a_name_with_a_zero_byte) {
    const struct ln_str odd = LN_STR("pub\0lic");
    begin_pusher();
    struct conn *c = pusher_with(options("pusher://" KEY "@ws.example"));
    joined(c, "pub");
    conn_room_want(c, odd, (struct ln_str){0}, (struct ln_str){0});
    CHECK(conn_room_wait(c, odd, 0, on_joined, (void *)(uintptr_t) "odd") != 0);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "odd=invalid:");
    CHECK(conn_room_joined(c, LN_STR("pub")));
    end_pusher();
}

TEST(rooms_get_a_prefix) {
    begin_pusher();
    struct conn_opts o = options("pusher://k:s@ws.example");
    o.channel_prefix = ln_strdup("presence-");
    struct conn *c = pusher_with(o);
    static const char *const rooms[] = {"lobby",   "presence-lobby", "private-x",
                                        "cache-y", "private",        "#z"};
    static const char *const wire[] = {"presence-lobby", "presence-lobby",   "private-x",
                                       "cache-y",        "presence-private", "#z"};
    for (size_t i = 0; i < LN_COUNT(rooms); i++) {
        struct ln_buf out = {0};
        conn_room_wire(c, ln_str(rooms[i]), &out);
        CHECK_STR(ln_buf_get(&out), wire[i]);
        ln_buf_free(&out);
    }
    joined(c, "lobby");
    say_event(last(), "e", "presence-lobby", NULL);
    turn();
    TRAIL("e(null,{\"channel\":\"presence-lobby\"}) ");
    end_pusher();
}

/* --- losses --- */

TEST(rooms_are_joined_again_in_the_promised_order) {
    begin_pusher();
    struct conn *c = pusher_with(options("pusher://k:s@ws.example"));
    joined(c, "pub");
    joined(c, "private-x");
    hang_up(last());
    turn();
    CHECK_INT(emit_in(c, "private-x", "client-late", "{\"n\":1}", NULL), LN_OK);
    ln_buf_clear(&w.trail);
    s.silent = true;
    advance(1000);
    TRAIL("reconnect_attempt(1,1.0) connect(false) ");
    GOT(last(), SUB("pub") "{\"event\":\"pusher:subscribe\",\"data\":{\"auth\":\"k:"
                           "ffdd0dc52b563e2338e94538d138711fc6e7455e9c59deff776589eb2eb0350a\","
                           "\"channel\":\"private-x\"}}|");
    end_pusher();
}

TEST(a_loss_while_subscribing_asks_again) {
    begin_pusher();
    struct conn *c = pusher_connected();
    s.silent = true;
    join(c, "pub");
    turn();
    hang_up(last());
    turn();
    TRAIL("disconnect(\"transport close\") ");
    s.silent = false;
    advance(1000);
    TRAIL("reconnect_attempt(1,1.0) connect(false) " SUCCEEDED(
        "pub") "rejoined(pub,{\"channel\":\"pub\"}) "
               "pub={\"channel\":\"pub\"} ");
    GOT(last(), SUB("pub"));
    end_pusher();
}

TEST(what_was_left_while_down_is_not_asked_for) {
    begin_pusher();
    struct conn *c = pusher_connected();
    joined(c, "a");
    joined(c, "b");
    hang_up(last());
    turn();
    leave(c, "a");
    join(c, "c");
    ln_buf_clear(&w.trail);
    advance(1000);
    GOT(last(), SUB("b") SUB("c"));
    CHECK_HAS(ln_buf_cstr(&w.trail), "c={\"channel\":\"c\"} ");
    CHECK(!strstr(ln_buf_cstr(&w.trail), "rejoined(a"));
    end_pusher();
}

TEST(joins_before_the_first_connect) {
    begin_pusher();
    struct conn_opts o = options("pusher://k@ws.example");
    o.autoconnect = false;
    struct conn *c = open_with("chat", o);
    join(c, "pub");
    advance(60000);
    TRAIL("");
    conn_connect(c);
    turn();
    TRAIL("connect(true) " SUCCEEDED("pub") "rejoined(pub,{\"channel\":\"pub\"}) "
                                            "pub={\"channel\":\"pub\"} ");
    end_pusher();
}

static void joins_in_connect(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "connect") && !conn_room_wanted(c, LN_STR("pub"))) join(c, "pub");
}

TEST(joins_inside_of_connect) {
    begin_pusher();
    w.act = joins_in_connect;
    struct conn *c = open_with("chat", options("pusher://k@ws.example"));
    turn();
    GOT(last(), SUB("pub"));
    CHECK(conn_room_joined(c, LN_STR("pub")));
    end_pusher();
}

/* --- waits --- */

TEST(a_wait_may_have_a_time) {
    begin_pusher();
    struct conn *c = pusher_connected();
    s.silent = true;
    join_ms(c, "pub", 5000);
    advance(4999);
    TRAIL("");
    advance(1);
    TRAIL("pub=timeout:joining 'pub' took longer than 5 s ");
    let_in("pub"); /* it is still wanted */
    CHECK(conn_room_joined(c, LN_STR("pub")));
    end_pusher();
}

TEST(a_wait_may_be_cancelled) {
    begin_pusher();
    struct conn *c = pusher_connected();
    ln_id wait = join(c, "pub");
    conn_room_wait_cancel(c, wait);
    conn_room_wait_cancel(c, wait);
    turn();
    TRAIL(SUCCEEDED("pub") "rejoined(pub,{\"channel\":\"pub\"}) ");
    CHECK_INT(conn_room_wait(c, LN_STR("other"), 0, on_joined, NULL), 0);
    end_pusher();
}

TEST(waits_end_with_the_connection) {
    begin_pusher();
    struct conn *c = pusher_connected();
    s.silent = true;
    join(c, "pub");
    turn();
    conn_close(c);
    TRAIL("");
    turn();
    TRAIL("pub=disconnected:the connection is closed ");
    end_pusher();
    begin_pusher();
    c = pusher_connected();
    s.silent = true;
    join(c, "a");
    turn();
    leave(c, "a");
    join(c, "a");
    conn_close(c);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "a=disconnected:the connection is closed ");
    end_pusher();
    begin_pusher();
    c = pusher_connected();
    s.silent = true;
    join(c, "pub");
    turn();
    say_close(last(), 4001, "");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "pub=disconnected:closed by the server: 4001");
    join(c, "late");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "late=disconnected:closed by the server: 4001");
    end_pusher();
}

/* --- refusals --- */

TEST(soketi_refuses_with_the_channel_s_name) {
    begin_pusher();
    struct conn *c = pusher_connected();
    s.refuses = true;
    join(c, "pub");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "pub=unauthorized:The connection is unauthorized. ");
    CHECK_HAS(ln_buf_cstr(&w.trail), "pusher:subscription_error({\"type\":\"AuthError\",");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    s.refuses = false;
    leave(c, "pub");
    ln_buf_clear(&w.trail);
    join(c, "pub"); /* not pending for ever */
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "pub={\"channel\":\"pub\"} ");
    end_pusher();
}

TEST(a_second_join_after_a_refusal_asks_again) {
    begin_pusher();
    struct conn *c = pusher_connected();
    s.refuses = true;
    join(c, "pub");
    turn();
    s.refuses = false;
    join(c, "pub"); /* still wanted by the first */
    turn();
    GOT(last(), SUB("pub") SUB("pub"));
    CHECK(conn_room_joined(c, LN_STR("pub")));
    end_pusher();
}

TEST(other_kinds_of_refusal) {
    static const struct {
        const char *data, *says;
    } cases[] = {
        {"{\"type\":\"LimitReached\",\"error\":\"too many\",\"code\":4100}", "refused:too many"},
        {"{\"type\":\"AuthError\",\"error\":\"no\",\"status\":403}", "forbidden:no"},
        {"\"{\\\"error\\\":\\\"double\\\",\\\"status\\\":404}\"", "not_found:double"},
        {"{\"error\":{\"a\":1}}", "refused:no reason given"},
        {"null", "refused:no reason given"},
        {"\"text\"", "refused:no reason given"},
        {"{\"error\":\"a\\u001b[2Jb\"}", "refused:a\\x1b[2Jb"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        begin_pusher();
        struct conn *c = pusher_connected();
        s.silent = true;
        join(c, "pub");
        turn();
        say_event(last(), "pusher:subscription_error", "pub", cases[i].data);
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), cases[i].says);
        end_pusher();
    }
}

/* Reverb names no channel and keeps the line. */
TEST(an_error_without_a_channel_is_of_the_oldest_subscription) {
    begin_pusher();
    struct conn *c = pusher_with(options("pusher://k:s@ws.example"));
    s.silent = true;
    join(c, "pub");
    join(c, "private-a");
    turn();
    join(c, "presence-b");
    turn();
    static const char error[] = "{\"event\":\"pusher:error\",\"data\":\"{\\\"code\\\":4009,"
                                "\\\"message\\\":\\\"Connection is unauthorized\\\"}\"}";
    say(last(), error);
    turn();
    TRAIL("private-a=unauthorized:Connection is unauthorized ");
    say(last(), "{\"event\":\"pusher:error\",\"data\":{\"code\":4009,\"message\":"
                "\"The client is not a member of the specified channel.\"}}");
    say(last(), "{\"event\":\"pusher:error\",\"data\":{\"code\":4200,\"message\":\"Bad.\"}}");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "error({\"code\":\"unauthorized\",\"message\":\"The client");
    CHECK_HAS(ln_buf_cstr(&w.trail), "error({\"code\":\"refused\",\"message\":\"Bad.\"");
    ln_buf_clear(&w.trail);
    say(last(), error);
    turn();
    TRAIL("presence-b=unauthorized:Connection is unauthorized ");
    say(last(), error); /* nobody is left that it could be meant for */
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "error({\"code\":\"unauthorized\"");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end_pusher();
}

TEST(a_server_that_does_not_answer) {
    begin_pusher();
    struct conn_opts o = options("pusher://k@ws.example");
    o.timeout_ms = 3000;
    struct conn *c = pusher_with(o);
    s.silent = true;
    join(c, "pub");
    advance(2999);
    TRAIL("");
    advance(1);
    TRAIL("pub=timeout:the server did not answer the subscription of 'pub' within 3 s ");
    GOT(last(), SUB("pub"));
    /* As long as it is wanted it is tried again: after 5 s, 10 s, … */
    advance(4999);
    GOT(last(), "");
    advance(1);
    GOT(last(), SUB("pub"));
    advance(3000);
    TRAIL("rejoined(pub,the server did not answer the subscription of 'pub' within 3 s) ");
    advance(10000);
    GOT(last(), SUB("pub"));
    let_in("pub");
    TRAIL(SUCCEEDED("pub") "rejoined(pub,{\"channel\":\"pub\"}) ");
    end_pusher();
}

/* The peer takes its time with the close: what was asked before still has its timers. */
TEST(a_line_that_is_being_closed) {
    begin_pusher();
    struct conn *c = pusher_connected();
    s.silent = true;
    join(c, "pub");
    join(c, "a b");
    advance(19000);
    ln_buf_clear(&w.trail);
    conn_disconnect(c, NULL);
    loop_advance(w.loop, 1500);
    TRAIL("disconnect(\"io client disconnect\") ");
    leave(c, "pub");
    turn();
    TRAIL("pub=cancelled:the room was left before it was joined ");
    end_pusher();
}

TEST(nobody_tries_again_what_nobody_wants) {
    begin_pusher();
    struct conn *c = pusher_connected();
    s.silent = true;
    join(c, "pub");
    advance(20000);
    leave(c, "pub");
    ln_buf_clear(&w.trail);
    ln_buf_clear(&last()->got);
    advance(60000);
    GOT(last(), "");
    let_in("pub"); /* very late */
    GOT(last(), UNSUB("pub"));
    TRAIL("");
    end_pusher();
}

TEST(an_answer_that_comes_late_counts) {
    begin_pusher();
    struct conn *c = pusher_connected();
    s.silent = true;
    join(c, "pub");
    advance(20000);
    ln_buf_clear(&w.trail);
    let_in("pub");
    TRAIL(SUCCEEDED("pub") "rejoined(pub,{\"channel\":\"pub\"}) ");
    CHECK(conn_room_joined(c, LN_STR("pub")));
    ln_buf_clear(&last()->got);
    advance(60000);
    GOT(last(), "");
    end_pusher();
}

TEST(a_refused_rejoin_lets_the_outbox_go) {
    begin_pusher();
    struct conn *c = pusher_with(options("pusher://k:s@ws.example"));
    joined(c, "private-a");
    joined(c, "private-b");
    hang_up(last());
    turn();
    CHECK_INT(emit_in(c, "private-a", "client-x", "{\"n\":1}", NULL), LN_OK);
    ln_buf_clear(&w.trail);
    s.silent = true;
    advance(1000);
    ln_buf_clear(&last()->got);
    ln_buf_clear(&w.trail);
    say_event(last(), "pusher:subscription_error", "private-b", "{\"error\":\"gone\"}");
    turn();
    GOT(last(), "");
    let_in("private-a");
    GOT(last(), "{\"event\":\"client-x\",\"channel\":\"private-a\",\"data\":{\"n\":1}}|");
    LOG_HAS("room 'private-b' is not joined: gone");
    end_pusher();
}

TEST_MAIN(T(a_join_is_answered), T(soketi_answers_without_data), T(joining_twice_asks_once),
          T(leaving_while_pending), T(sequences), T(events_of_a_channel_that_was_left_are_not_told),
          T(leaving_inside_of_an_event), T(going_inside_of_an_event), T(names_that_are_none),
          T(a_name_with_a_zero_byte), T(rooms_get_a_prefix),
          T(rooms_are_joined_again_in_the_promised_order), T(a_loss_while_subscribing_asks_again),
          T(what_was_left_while_down_is_not_asked_for), T(joins_before_the_first_connect),
          T(joins_inside_of_connect), T(a_wait_may_have_a_time), T(a_wait_may_be_cancelled),
          T(waits_end_with_the_connection), T(soketi_refuses_with_the_channel_s_name),
          T(a_second_join_after_a_refusal_asks_again), T(other_kinds_of_refusal),
          T(an_error_without_a_channel_is_of_the_oldest_subscription),
          T(a_server_that_does_not_answer), T(a_line_that_is_being_closed),
          T(nobody_tries_again_what_nobody_wants), T(an_answer_that_comes_late_counts),
          T(a_refused_rejoin_lets_the_outbox_go))
