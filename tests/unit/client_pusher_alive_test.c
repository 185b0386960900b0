/* SPDX-License-Identifier: MIT
 *
 * Whether Pusher's line is alive: pings and pongs on the fake clock.
 */
#include "pusher_peer.h"

TEST(a_quiet_line_is_pinged) {
    begin_pusher();
    s.activity = 30;
    struct conn *c = pusher_connected();
    advance(29999);
    GOT(last(), "");
    advance(1);
    GOT(last(), "{\"event\":\"pusher:ping\",\"data\":{}}|");
    CHECK(conn_stats(c)->rtt_ms < 0);
    ln_clock_advance(40);
    say(last(), "{\"event\":\"pusher:pong\"}");
    turn();
    CHECK_INT(conn_stats(c)->rtt_ms, 40);
    advance(29999);
    GOT(last(), "");
    advance(1);
    GOT(last(), "{\"event\":\"pusher:ping\",\"data\":{}}|");
    say(last(), "{\"event\":\"anything\",\"data\":1}"); /* counts as the pong */
    advance(29999);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    GOT(last(), "");
    end_pusher();
}

TEST(sending_is_no_sign_of_life) {
    begin_pusher();
    s.activity = 30;
    struct conn *c = pusher_connected();
    s.silent = true;
    advance(20000);
    join(c, "a");
    advance(10000);
    GOT(last(), "{\"event\":\"pusher:subscribe\",\"data\":{\"auth\":\"\",\"channel\":\"a\"}}|"
                "{\"event\":\"pusher:ping\",\"data\":{}}|");
    end_pusher();
}

TEST(no_pong_ends_the_line) {
    begin_pusher();
    s.activity = 30;
    struct conn *c = pusher_connected();
    advance(30000);
    advance(29999);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    advance(1);
    TRAIL("disconnect(\"ping timeout\") reconnect_attempt(1,0.0) connect(false) ");
    LOG_HAS("no answer to a ping within 30 s");
    end_pusher();
}

TEST(the_shortest_of_the_times_counts) {
    static const struct {
        int server;
        int64_t ours, pings_at;
    } cases[] = {{120, 120000, 120000}, {30, 120000, 30000}, {120, 7000, 7000}, {86401, 0, 120000}};
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        begin_pusher();
        s.activity = cases[i].server;
        struct conn_opts o = options("pusher://k@ws.example");
        o.activity_timeout_ms = cases[i].ours;
        pusher_with(o);
        advance(cases[i].pings_at - 1);
        GOT(last(), "");
        advance(1);
        GOT(last(), "{\"event\":\"pusher:ping\",\"data\":{}}|");
        end_pusher();
    }
}

TEST(pong_timeout_is_an_option) {
    begin_pusher();
    struct conn_opts o = options("pusher://k@ws.example");
    o.activity_timeout_ms = 1000;
    o.pong_timeout_ms = 300;
    pusher_with(o);
    advance(1000);
    advance(299);
    TRAIL("");
    advance(1);
    TRAIL("disconnect(\"ping timeout\") reconnect_attempt(1,0.0) connect(false) ");
    end_pusher();
}

TEST(lines_that_die_young_are_pinged_earlier) {
    begin_pusher();
    pusher_connected();
    advance(40000);
    hang_up(last());
    advance(1000);
    ln_buf_clear(&last()->got);
    advance(19999);
    GOT(last(), "");
    advance(1); /* half of the life before */
    GOT(last(), "{\"event\":\"pusher:ping\",\"data\":{}}|");
    hang_up(last());
    advance(1000);
    ln_buf_clear(&last()->got);
    advance(10000); /* not below ten seconds */
    GOT(last(), "{\"event\":\"pusher:ping\",\"data\":{}}|");
    say(last(), "{\"event\":\"pusher:pong\"}");
    say_close(last(), 1001, ""); /* in order: nothing on the way did it */
    advance(2000);
    advance(119999);
    GOT(last(), "");
    advance(1);
    GOT(last(), "{\"event\":\"pusher:ping\",\"data\":{}}|");
    end_pusher();
}

TEST(pings_of_the_server_are_answered) {
    begin_pusher();
    pusher_connected();
    say(last(), "{\"event\":\"pusher:ping\"}");
    say(last(), "{\"event\":\"pusher:ping\",\"data\":\"{}\"}");
    turn();
    GOT(last(), "{\"event\":\"pusher:pong\",\"data\":{}}|{\"event\":\"pusher:pong\",\"data\":{}}|");
    TRAIL("");
    end_pusher();
}

TEST(a_machine_that_slept_notices_when_it_sends) {
    begin_pusher();
    struct conn *c = pusher_connected();
    joined(c, "private-a");
    advance(120000);
    say(line_now(), "{\"event\":\"pusher:pong\"}");
    turn();
    ln_clock_set_wall(ln_wall_ms() + 3600000);
    advance(1000);
    CHECK_INT(emit_in(c, "private-a", "client-x", "{}", NULL), LN_OK); /* waits in the outbox */
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "disconnect(\"ping timeout\")");
    end_pusher();
}

TEST_MAIN(T(a_quiet_line_is_pinged), T(sending_is_no_sign_of_life), T(no_pong_ends_the_line),
          T(the_shortest_of_the_times_counts), T(pong_timeout_is_an_option),
          T(lines_that_die_young_are_pinged_earlier), T(pings_of_the_server_are_answered),
          T(a_machine_that_slept_notices_when_it_sends))
