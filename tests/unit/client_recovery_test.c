/* SPDX-License-Identifier: MIT
 *
 * Connection state recovery, against a server that does what the test says: which mark is kept,
 * what is asked, what counts as recovered, and when `gap` is told.
 */
#include "sio_peer.h"

static const char *const session = "40{\"sid\":\"s1\",\"pid\":\"p\\\"1\"}";

/* Connected to a server that names sessions; nobody is joined by itself. */
static struct conn *in_session_with(struct conn_opts o, const char *reply) {
    begin();
    w.joins = false;
    w.has_gaps = true;
    struct conn *c = open_with("chat", o);
    turn();
    ln_buf_clear(&last()->got);
    say(last(), reply);
    turn();
    TRAIL("connect(true) ");
    CHECK(!conn_recovered(c));
    return c;
}
static struct conn *in_session(void) {
    return in_session_with(options("ws://chat.example"), session);
}
static void lose(void) {
    advance(10000); /* it was stable: back after a second */
    hang_up(last());
    advance(1000);
    ln_buf_clear(&w.trail);
    ln_buf_clear(&w.logs);
}
static void event(const char *frame) {
    say(last(), frame);
    turn();
}
static void answer(const char *frame) {
    event(frame);
}

TEST(what_was_missed_comes_before_connect) {
    struct conn *c = in_session();
    event("42[\"m\",1,\"Q7\"]");
    event("42[\"m\",2,{\"a\":1},\"Q7.0\"]");
    event("420[\"withack\",3]");
    lose();
    GOT(last(), "40{\"pid\":\"p\\\"1\",\"offset\":\"Q7.0\"}|");
    say(last(), "42[\"m\",5,\"Q8\"]");
    say(last(), "451-[\"bin\",{\"_placeholder\":true,\"num\":0},\"Q8.1\"]");
    say_binary(last(), "\7", 1);
    turn();
    TRAIL("");
    CHECK(!conn_recovered(c));
    answer(session);
    TRAIL("m(5,\"Q8\") bin({\"_placeholder\":true,\"num\":0},\"Q8.1\" <07>) connect(false) ");
    CHECK(conn_recovered(c));
    CHECK_STR(ln_str(conn_id(c)), "s1");
    LOG_HAS("info [conn:chat] the session was recovered");
    lose();
    CHECK(!conn_recovered(c));
    GOT(last(), "40{\"pid\":\"p\\\"1\",\"offset\":\"Q8.1\"}|"); /* of what came late as well */
    end();
}

TEST(which_mark_is_kept) {
    static const struct {
        const char *frame, *offset; /* NULL: the one before stays */
    } table[] = {
        {"42[\"m\",\"x\"]", "\"x\""},
        {"42[\"m\",\"x\",1]", NULL},
        {"42[\"m\"]", NULL},
        {"42[\"m\",[\"x\"]]", NULL},
        {"42[\"m\",{\"a\":\"x\"}]", NULL},
        {"42[\"m\",null,\"a\\\"b\"]", "\"a\\\"b\""},
        {"42[\"m\",\"a\\\\\"]", "\"a\\\\\""},
        {"42[\"m\",\"\\\"\\\\\\\"\"]", "\"\\\"\\\\\\\"\""},
        {"42[\"m\",\"\"]", "\"\""},
        {"42[\"m\", \"sp\" ]", "\"sp\""},
        {"427[\"m\",\"x\"]", NULL}, /* it asks for an answer */
        {"43[\"x\"]", NULL},
        {"42/other,[\"m\",\"x\"]", NULL},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        char want[128];
        in_session();
        w.deaf = true; /* also of events that nobody listens to */
        event("42[\"m\",\"before\"]");
        event(table[i].frame);
        lose();
        snprintf(want, sizeof want, "40{\"pid\":\"p\\\"1\",\"offset\":%s}|",
                 table[i].offset ? table[i].offset : "\"before\"");
        GOT(last(), want);
        end();
    }
}

TEST(auth_comes_behind_and_may_override) {
    struct conn_opts o = options("ws://chat.example/admin");
    o.auth = ln_strdup(" {\"token\":\"t\"} ");
    in_session_with(o, "40/admin,{\"sid\":\"s1\",\"pid\":\"p1\"}");
    event("42/admin,[\"m\",\"x\"]");
    lose();
    GOT(last(), "40/admin,{\"pid\":\"p1\",\"offset\":\"x\",\"token\":\"t\"}|");
    end();
    o = options("ws://chat.example");
    o.auth = ln_strdup("{ }");
    in_session_with(o, session);
    lose();
    GOT(last(), "40{\"pid\":\"p\\\"1\"}|"); /* no mark has come */
    end();
}

/* --- gap --- */

static void check_gap(struct conn *c, const char *reason, const char *level) {
    char want[200];
    snprintf(want, sizeof want, "gap({\"reason\":\"%s\"}) connect(false) ", reason);
    TRAIL(want);
    CHECK(!conn_recovered(c));
    snprintf(want, sizeof want, "warn [conn:chat] events may have been missed: %s\n", reason);
    if (level) LOG_HAS(want);
    if (!level) CHECK(!strstr(ln_buf_cstr(&w.logs), "missed"));
}

TEST(a_server_that_forgot) {
    struct conn *c = in_session();
    event("42[\"m\",\"x\"]");
    lose();
    answer("40{\"sid\":\"s2\",\"pid\":\"p2\"}");
    check_gap(c, "the server did not know the session any more", "warn");
    lose(); /* the mark was of the other session */
    GOT(last(), "40{\"pid\":\"p2\"}|");
    answer("40{\"sid\":\"s3\",\"pid\":\"p2\"}"); /* whatever it means by that */
    check_gap(c, "no event that marks the place had come before", "warn");
    lose();
    answer("40{\"sid\":\"s4\"}");
    check_gap(c, "the server does not offer recovery any more", "warn");
    lose();
    GOT(last(), "40|");
    answer("40{\"sid\":\"s4\",\"pid\":17}");
    CHECK_HAS(ln_buf_cstr(&w.trail), "the server does not offer recovery");
    end();
}

TEST(a_server_without_recovery) {
    struct conn *c = in_session_with(options("ws://chat.example"), "40{\"sid\":\"s1\"}");
    event("42[\"m\",\"x\"]");
    lose();
    GOT(last(), "40|");
    answer("40{\"sid\":\"s2\"}");
    check_gap(c, "the server does not offer recovery", NULL); /* told, not complained of */
    end();
}

TEST(ended_on_purpose) {
    struct conn *c = in_session();
    event("42[\"m\",\"x\"]");
    conn_reconnect(c);
    turn();
    GOT(last(), "40|"); /* the server has forgotten at 41 */
    ln_buf_clear(&w.trail);
    answer("40{\"sid\":\"s2\",\"pid\":\"p2\"}");
    check_gap(c, "it had been disconnected on purpose", NULL);
    event("42[\"m\",\"y\"]");
    event("41");
    conn_connect(c);
    turn();
    GOT(last(), "40|");
    ln_buf_clear(&w.trail);
    answer("40{\"sid\":\"s3\",\"pid\":\"p3\"}");
    check_gap(c, "the server had ended the connection", NULL);
    end();
}

TEST(a_session_is_not_shown_to_another_server) {
    struct conn *c = in_session();
    struct conn_opts o = options("ws://other.example");
    event("42[\"m\",1,\"Q7\"]");
    hang_up(last());
    turn();
    CHECK_INT(conn_state(c), CONN_WAITING);
    CHECK(conn_reconfigure(c, &o, NULL));
    turn();
    GOT(last(), "40|");
    say(last(), "40{\"sid\":\"s2\"}");
    turn();
    CHECK(!conn_recovered(c));
    conn_opts_free(&o);
    end();
}

TEST(missed_events_of_an_attempt_that_failed_are_asked_for_again) {
    struct conn *c = in_session();
    event("42[\"m\",\"x\"]");
    lose();
    ln_buf_clear(&last()->got);
    event("42[\"m\",\"y\"]"); /* before the answer, which never comes */
    hang_up(last());
    advance(2000);
    GOT(last(), "40{\"pid\":\"p\\\"1\",\"offset\":\"x\"}|");
    ln_buf_clear(&w.trail);
    event("42[\"m\",\"y\"]");
    answer(session);
    TRAIL("m(\"y\") connect(false) ");
    CHECK(conn_recovered(c));
    end();
}

static void close_in_gap(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "gap")) conn_close(c);
}

TEST(closing_inside_gap) {
    in_session();
    lose();
    w.act = close_in_gap;
    answer("40{\"sid\":\"s2\"}");
    CHECK_HAS(ln_buf_cstr(&w.trail), "gap(");
    CHECK(!strstr(ln_buf_cstr(&w.trail), "connect("));
    end();
}

TEST_MAIN(T(what_was_missed_comes_before_connect), T(which_mark_is_kept),
          T(auth_comes_behind_and_may_override), T(a_server_that_forgot),
          T(a_server_without_recovery), T(ended_on_purpose),
          T(a_session_is_not_shown_to_another_server),
          T(missed_events_of_an_attempt_that_failed_are_asked_for_again), T(closing_inside_gap))
