/* SPDX-License-Identifier: MIT
 *
 * When tokens end: where that is read, who is told and when, by which clock, and what is done with
 * one that has ended already.
 */
#include "token_peer.h"

/* --- where the end is read --- */

TEST(times_are_not_sent) {
    static const char *const given_as[][2] = {
        {"{\"expires_in\":60,\"token\":\"t\"}", "40{\"token\":\"t\"}|"},
        {"{\"token\":\"t\",\"expires_at\":1}", "40{\"token\":\"t\"}|"},
        {"{\"a\":1,\"expires_at\":9999999999,\"b\":{\"expires_in\":1},\"expires_in\":\"1m\"}",
         "40{\"a\":1,\"b\":{\"expires_in\":1}}|"},
        {"{\"expires_in\":60}", "40{}|"},
    };
    for (size_t i = 0; i < LN_COUNT(given_as); i++) {
        begin();
        w.on_auth = give;
        snprintf(given, sizeof given, "%s", given_as[i][0]);
        struct conn_opts o = options("ws://chat.example/fixed");
        o.auth = ln_strdup(given);
        open_with("fixed", o);
        turn();
        CHECK_HAS(ln_buf_cstr(&last()->got), given_as[i][1] + 2);
        open_with("asked", asked());
        turn();
        CHECK_HAS(ln_buf_cstr(&last()->got), given_as[i][1]);
        end();
    }
}

static void (*const givers[])(struct conn *c, ln_id ticket) = {give, give_headers, give_query};

/* The token lives for two minutes: told after one and a half. */
static void check_told(const char *what) {
    pass(90 * SECOND - 1, 10 * SECOND);
    if (w.trail.n) printf("%s: too early\n", what);
    TRAIL("");
    advance(1);
    if (!w.trail.n) printf("%s: not told\n", what);
    TRAIL("auth_expiring({\"expires_at\":1700000120.0,\"in_seconds\":30.0}) ");
    pass(2 * MINUTE, 10 * SECOND);
    TRAIL("");
}

TEST(the_end_is_read_from_many_places) {
    static const struct {
        int giver;
        const char *json; /* with @: a JWT */
    } table[] = {
        {0, "{\"expires_in\":120}"},
        {0, "{\"expires_in\":\"120\"}"},
        {0, "{\"expires_in\":\"2m\"}"},
        {0, "{\"expires_at\":1700000120}"},
        {0, "{\"expires_at\":1700000120000}"},
        {0, "{\"expires_at\":\"2023-11-14T22:15:20Z\"}"},
        {0, "{\"expires_at\":\"2023-11-15T00:15:20.000+02:00\"}"},
        {0, "{\"token\":\"@\"}"},
        {0, "{\"access_token\":\"@\"}"},
        {0, "{\"jwt\":\"@\"}"},
        {0, "{\"auth\":\"Bearer @\"}"},
        {0, "{\"Authorization\":\"bearer @\"}"},
        {0, "{\"headers\":{\"Authorization\":\"Bearer @\"}}"},
        {1, "{\"Authorization\":\"Bearer @\"}"},
        {1, "{\"X-Access-Token\":\"@\"}"},
        {2, "{\"token\":\"@\"}"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        give_jwt(table[i].json, 120);
        struct conn_opts o = options("ws://chat.example");
        o.auth_asked = table[i].giver == 0;
        o.headers_asked = table[i].giver == 1;
        o.query_asked = table[i].giver == 2;
        w.on_auth = givers[table[i].giver];
        connected_with("chat", o);
        check_told(table[i].json);
        end();
    }
}

TEST(the_end_of_a_fixed_token_is_told_too) {
    begin();
    give_jwt("{\"token\":\"@\"}", 120);
    struct conn_opts o = options("ws://chat.example");
    o.auth = ln_strdup(given);
    connected_with("chat", o);
    check_told("auth");
    end();
    begin();
    give_jwt("{\"Authorization\":\"Bearer @\"}", 120);
    o = options("ws://chat.example");
    o.headers = ln_strdup(given);
    connected_with("chat", o);
    check_told("headers");
    end();
}

TEST(what_says_nothing_of_an_end) {
    static const char *const table[] = {
        "{}",
        "{\"token\":\"opaque\"}",
        "{\"token\":7}",
        "{\"token\":\"a.b.c\"}",
        "{\"expires_in\":null,\"expires_at\":false}",
        "{\"expires_in\":\"soon\",\"expires_at\":\"tomorrow\"}",
        "{\"expires_in\":[60],\"expires_at\":{}}",
        "{\"expires_at\":0}",
        "{\"expires_at\":-5}",
        "{\"token\":\"eyJhbGciOiJub25lIn0.eyJleHAiOiJub3cifQ.\"}", /* {"exp":"now"} */
        "{\"other\":\"eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwNjB9.\"}",
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        w.on_auth = give;
        snprintf(given, sizeof given, "%s", table[i]);
        connected_with("chat", asked());
        pass(10 * MINUTE, 20 * SECOND);
        TRAIL("");
        CHECK_INT(w.asked, 1);
        end();
    }
}

/* A typo in a time is no silence: the end that it was to tell would come unannounced. */
TEST(times_that_cannot_be_read_are_told_of) {
    static const char *const table[][2] = {
        {"{\"expires_at\":\"tomorrow\"}", "auth: expires_at must be seconds since 1970, or "},
        {"{\"expires_at\":0}", "auth: expires_at must be seconds since 1970"},
        {"{\"expires_in\":\"soon\"}", "auth: expires_in must be seconds, or a duration"},
        {"{\"expires_in\":[60]}", "auth: expires_in must be seconds"},
        {"{\"expires_in\":null,\"expires_at\":false}", NULL},
        {"{\"expires_in\":60}", NULL},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++)
        for (int is_asked = 0; is_asked < 2; is_asked++) {
            begin();
            w.on_auth = give;
            snprintf(given, sizeof given, "%s", table[i][0]);
            struct conn_opts o = is_asked ? asked() : options("ws://chat.example");
            if (!is_asked) o.auth = ln_strdup(given);
            open_with("chat", o);
            turn();
            const char *told = strstr(ln_buf_cstr(&w.logs), "it is passed over");
            CHECK_INT(told != NULL, table[i][1] != NULL);
            CHECK(!told || !strstr(told + 1, "it is passed over")); /* once */
            if (table[i][1]) LOG_HAS(table[i][1]);
            end();
        }
}

/* What the table says itself counts, and of several tokens the one that ends first. */
TEST(which_end_counts) {
    begin();
    w.on_auth = give;
    give_jwt("{\"token\":\"@\",\"expires_in\":120}", 3600);
    connected_with("chat", asked());
    check_told("expires_in");
    end();
    begin();
    struct ln_buf other = {0};
    give_jwt("{\"jwt\":\"@\"}", 3600);
    ln_buf_puts(&other, given);
    give_jwt("{\"token\":\"@\",", 120);
    snprintf(given + strlen(given), sizeof given - strlen(given), "%s", ln_buf_cstr(&other) + 1);
    w.on_auth = give;
    connected_with("chat", asked());
    check_told("the first to end");
    ln_buf_free(&other);
    end();
}

/* --- telling --- */

TEST(each_token_is_told_of_once) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"token\":1,\"expires_in\":60}");
    connected_with("chat", asked());
    pass_quietly(30 * SECOND);
    TRAIL("auth_expiring({\"expires_at\":1700000060.0,\"in_seconds\":30.0}) ");
    hang_up(last());
    advance(SECOND);
    TRAIL("disconnect(\"transport close\") reconnect_attempt(1,1.0) auth?(reconnect,2) "
          "connect(false) ");
    pass_quietly(30 * SECOND);
    TRAIL("auth_expiring({\"expires_at\":1700000091.0,\"in_seconds\":30.0}) ");
    end();
}

TEST(a_short_life_is_told_of_at_once) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"expires_in\":10}");
    open_with("chat", asked());
    turn();
    TRAIL("auth?(first,1) connect(true) "
          "auth_expiring({\"expires_at\":1700000010.0,\"in_seconds\":10.0}) ");
    end();
}

static void act_leave(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "auth_expiring")) conn_close(c);
}

TEST(leaving_when_told_of_the_end) {
    begin();
    w.on_auth = give;
    w.act = act_leave;
    snprintf(given, sizeof given, "{\"expires_in\":60}");
    connected_with("chat", refreshed(30 * SECOND, 0, NULL));
    pass_quietly(5 * MINUTE);
    CHECK(conn_find(w.cs, LN_STR("chat")) != NULL); /* it is renewed: nothing is told */
    w.on_auth = NULL;                               /* … until that fails */
    for (int i = 0; i < 10 && conn_find(w.cs, LN_STR("chat")); i++)
        pass_quietly(20 * SECOND);
    CHECK(conn_find(w.cs, LN_STR("chat")) == NULL);
    end();
}

/* The end is a time of day: a sleep, or a clock that is set, brings it nearer or puts it off. */
TEST(the_wall_clock_counts) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"expires_at\":%lld}", 1700000000LL + 3600);
    connected_with("chat", asked());
    pass_quietly(MINUTE);
    TRAIL("");
    ln_clock_set_wall(1700000000000 + HOUR - 20 * SECOND);
    for (int i = 0; i < 4; i++) { /* the line itself was heard of a moment ago */
        say(last(), "2");
        turn();
        advance(15 * SECOND);
    }
    CHECK_HAS(ln_buf_cstr(&w.trail), "auth_expiring({\"expires_at\":1700003600.0,");
    CHECK_INT(conn_state(conn_find(w.cs, LN_STR("chat"))), CONN_CONNECTED);
    end();
    begin();
    w.on_auth = give;
    connected_with("chat", asked());
    ln_clock_set_wall(1700000000000 - 2 * HOUR);
    pass_quietly(2 * HOUR);
    TRAIL(""); /* by the clock there is an hour left */
    pass_quietly(HOUR);
    TRAIL("auth_expiring({\"expires_at\":1700003600.0,\"in_seconds\":30.0}) ");
    end();
}

/* A machine that slept past the end: the line is dead, and the next attempt asks. */
TEST(a_sleep_past_the_end) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"token\":\"night\",\"expires_in\":3600}");
    struct conn *c = connected_with("chat", refreshed(0, 30 * SECOND, "authenticate"));
    ln_clock_set_wall(1700000000000 + 8 * HOUR);
    snprintf(given, sizeof given, "{\"token\":\"day\",\"expires_in\":3600}");
    advance(45 * SECOND);
    advance(SECOND);
    TRAIL("disconnect(\"ping timeout\") reconnect_attempt(1,1.0) auth?(reconnect,2) "
          "connect(false) ");
    GOT(last(), "40{\"token\":\"day\"}|");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

/* --- expired already --- */

TEST(an_expired_token_is_asked_for_once_more) {
    begin();
    struct conn *c = open_with("chat", asked());
    turn();
    TRAIL("auth?(first,1) ");
    conn_auth_answer(c, w.ticket, LN_STR("{\"expires_at\":1699990000,\"n\":1}"), NULL);
    turn();
    TRAIL("auth?(unauthorized,1) ");
    CHECK_INT(w.lines, 0);
    conn_auth_answer(c, w.ticket, LN_STR("{\"expires_at\":1700001000,\"n\":2}"), NULL);
    turn();
    GOT(last(), "40{\"n\":2}|");
    end();
}

/* If our clock is wrong, every token looks expired: the server decides. */
TEST(a_token_that_looks_expired_is_tried) {
    begin();
    w.on_auth = give;
    snprintf(given, sizeof given, "{\"expires_at\":1699996400}");
    struct conn *c = open_with("chat", refreshed(0, MINUTE, "authenticate"));
    turn();
    TRAIL("auth?(first,1) auth?(unauthorized,1) connect(true) ");
    LOG_HAS("by this machine's clock the token expired 1 h ago; tried anyhow");
    pass_quietly(24LL * HOUR);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    CHECK(w.asked > 100 && w.asked < 3000); /* renewed, at leisure */
    end();
}

TEST(a_fixed_token_that_looks_expired_is_told_of) {
    begin();
    struct conn_opts o = options("ws://chat.example");
    o.auth = ln_strdup("{\"expires_at\":1699996400}");
    struct conn *c = open_with("chat", o);
    turn();
    const char *told = strstr(ln_buf_cstr(&w.logs), "the token expired 1 h ago; tried anyhow");
    CHECK(told != NULL);
    CHECK(told && !strstr(told + 1, "the token expired")); /* once for each attempt */
    ln_buf_clear(&w.logs);
    conn_reconnect(c);
    turn();
    LOG_HAS("the token expired 1 h ago; tried anyhow");
    end();
}

TEST_MAIN(T(times_are_not_sent), T(the_end_is_read_from_many_places),
          T(the_end_of_a_fixed_token_is_told_too), T(what_says_nothing_of_an_end),
          T(times_that_cannot_be_read_are_told_of), T(a_fixed_token_that_looks_expired_is_told_of),
          T(which_end_counts), T(each_token_is_told_of_once), T(a_short_life_is_told_of_at_once),
          T(leaving_when_told_of_the_end), T(the_wall_clock_counts), T(a_sleep_past_the_end),
          T(an_expired_token_is_asked_for_once_more), T(a_token_that_looks_expired_is_tried))
