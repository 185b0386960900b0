/* SPDX-License-Identifier: MIT
 *
 * From polling to WebSocket, and from one transport to the other when the first one cannot be
 * opened: the good way, each way to fail, and closing in the middle of it.
 */
#include "poll_peer.h"

static int ws; /* the connection of the WebSocket */

/* The request of the probe, not answered yet. */
static void take_probe(void) {
    take("GET");
    CHECK_HAS(req.target, "transport=websocket&sid=engine");
    CHECK(!strstr(req.target, "&t="));
    ws = req.conn;
}
/* Joined by polling, and the probe's request is here. */
static struct conn *probing(void) {
    struct conn *c = open_with("chat", both_options());
    take_get();
    answer_get(POLL_OPEN_WS);
    HEAR("40");
    take_get();
    take_probe();
    answer_get("40{\"sid\":\"s1\"}");
    take_get();
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    ln_buf_clear(&w.trail);
    ln_buf_clear(&w.logs);
    return c;
}
static void accept_probe(void) {
    req.conn = ws;
    web_upgrade();
    FRAMES(ws, "2probe|");
}
/* Polling goes on: nothing of a WebSocket is left. */
static void check_polls(struct conn *c) {
    web_turn(w.loop);
    CHECK(web.conn[ws].p.fd < 0 || web.conn[ws].p.eof || web.conn[ws].is_ws);
    CHECK_INT(conn_transport(c), TRANSPORT_POLLING);
    TRAIL("");
    LOGS("");
    emit(c, "still", "");
    HEAR("42[\"still\"]");
    answer_get("42[\"here\"]");
    TRAIL(">still() here() ");
    take_get();
    CHECK(is_silent());
    loop_advance(w.loop, 20000);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
}
static void upgraded(struct conn *c) {
    accept_probe();
    web_frame(ws, "3probe");
    FRAMES(ws, "");
    answer_get("6");
    FRAMES(ws, "5|");
    CHECK_INT(conn_transport(c), TRANSPORT_WEBSOCKET);
    CHECK(is_silent());
}

TEST(the_good_way) {
    begin_web();
    struct conn *c = probing();
    accept_probe();
    CHECK_INT(conn_transport(c), TRANSPORT_POLLING); /* which goes on meanwhile */
    emit(c, "a", "");
    HEAR("42[\"a\"]");
    web_frame(ws, "3probe");
    FRAMES(ws, "");
    CHECK(is_silent());
    answer_get("42[\"late\"]" SEP "2"); /* the last poll may still bring something */
    FRAMES(ws, "5|3|");
    TRAIL(">a() late() ");
    CHECK_INT(conn_transport(c), TRANSPORT_WEBSOCKET);
    CHECK_STR(ln_str(conn_id(c)), "s1");
    CHECK(web.conn[poll].p.eof);
    emit(c, "b", "");
    web_frame(ws, "42[\"c\"]");
    FRAMES(ws, "42[\"b\"]|");
    TRAIL(">b() c() ");
    loop_advance(w.loop, 44000);
    web_frame(ws, "2");
    FRAMES(ws, "3|");
    loop_advance(w.loop, 44999);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    loop_advance(w.loop, 1);
    TRAIL("disconnect(\"ping timeout\") ");
    loop_advance(w.loop, 1000);
    take_get(); /* by polling first, as the options say */
    CHECK(!strstr(req.target, "sid="));
    end_web();
}

TEST(the_upgraded_line_is_lost_and_left_as_any) {
    begin_web();
    struct conn *c = probing();
    upgraded(c);
    web_hang_up(ws);
    web_turn(w.loop);
    TRAIL("disconnect(\"transport close\") ");
    CHECK_INT(conn_transport(c), TRANSPORT_NONE);
    end_web();
    begin_web();
    c = probing();
    upgraded(c);
    conn_disconnect(c, NULL);
    FRAMES(ws, "41|close(1005)|");
    end_web();
}

TEST(what_is_sent_meanwhile_waits) {
    struct ln_str bin[] = {{"\1\2\3", 3}};
    begin_web();
    struct conn *c = probing();
    accept_probe();
    emit(c, "a", "");
    take("POST");
    int post = req.conn;
    web_frame(ws, "3probe");
    answer_get("6");
    FRAMES(ws, ""); /* the POST is still out */
    struct conn_emit e = {.name = LN_STR("bin"),
                          .args = LN_STR("{\"_placeholder\":true,\"num\":0}"),
                          .bin = bin,
                          .bin_count = 1,
                          .retries = -1};
    conn_emit(c, &e, NULL, NULL);
    emit(c, "b", "");
    CHECK(is_silent());
    req.conn = post;
    web_answer(200, "ok");
    FRAMES(ws, "5|451-[\"bin\",{\"_placeholder\":true,\"num\":0}]|<3 bytes>|42[\"b\"]|");
    CHECK_INT(conn_transport(c), TRANSPORT_WEBSOCKET);
    end_web();
}

TEST(nobody_asked_for_it) {
    for (int i = 0; i < 3; i++) {
        begin_web();
        struct conn_opts o = both_options();
        if (i == 0) o.upgrade = false;
        if (i == 1) o.transports[1] = TRANSPORT_NONE;
        struct conn *c = joined_with(o, i == 2 ? POLL_OPEN : POLL_OPEN_WS);
        CHECK(is_silent());
        CHECK_INT(conn_transport(c), TRANSPORT_POLLING);
        CHECK_INT(web.n, 2);
        end_web();
    }
}

/* --- ways to fail: the line stays on polling, and nobody hears of it --- */

TEST(refused) {
    begin_web();
    struct conn *c = probing();
    req.conn = ws;
    web_answer(403, "no");
    check_polls(c);
    end_web();
}

TEST(dropped) {
    begin_web();
    struct conn *c = probing();
    web_hang_up(ws);
    check_polls(c);
    end_web();
    begin_web();
    c = probing();
    accept_probe();
    web_hang_up(ws);
    check_polls(c);
    end_web();
}

TEST(no_answer_to_the_probe) {
    begin_web();
    struct conn *c = probing();
    accept_probe();
    loop_advance(w.loop, 9999);
    web_turn(w.loop);
    CHECK(!web.conn[ws].p.eof);
    loop_advance(w.loop, 1);
    web_turn(w.loop);
    CHECK(web.conn[ws].p.eof);
    check_polls(c);
    end_web();
}

TEST(a_wrong_answer) {
    static const char *const answers[] = {"3", "3Probe", "0{\"sid\":\"x\"}", "42[\"a\"]", ""};
    for (size_t i = 0; i < LN_COUNT(answers); i++) {
        begin_web();
        struct conn *c = probing();
        accept_probe();
        web_frame(ws, answers[i]);
        FRAMES(ws, "close(1005)|"); /* the reference leaves it open */
        check_polls(c);
        end_web();
    }
}

TEST(lost_when_everything_waits_for_it) {
    begin_web();
    struct conn *c = probing();
    accept_probe();
    web_frame(ws, "3probe");
    FRAMES(ws, "");
    answer_get("42[\"x\"]"); /* in the same turn the WebSocket goes */
    TRAIL("x() ");
    end_web();
    begin_web();
    c = probing();
    accept_probe();
    web_frame(ws, "3probe");
    FRAMES(ws, "");
    emit(c, "waits", "");
    web_hang_up(ws);
    HEAR("42[\"waits\"]");
    TRAIL(">waits() ");
    check_polls(c);
    end_web();
    begin_web();
    c = probing();
    accept_probe();
    emit(c, "a", "");
    take("POST");
    int post = req.conn;
    web_frame(ws, "3probe");
    FRAMES(ws, "");
    answer_get("6"); /* no GET is out any more … */
    web_hang_up(ws);
    take_get(); /* … and now there is */
    req.conn = post;
    web_answer(200, "ok");
    web_turn(w.loop);
    TRAIL(">a() ");
    check_polls(c);
    end_web();
}

TEST(polling_fails_first) {
    begin_web();
    struct conn *c = probing();
    accept_probe();
    req.conn = poll;
    web_answer(400, "no");
    web_turn(w.loop);
    TRAIL("disconnect(\"transport error\") ");
    CHECK(web.conn[ws].p.eof);
    CHECK_INT(conn_state(c), CONN_WAITING);
    end_web();
}

/* --- leaving in the middle --- */

TEST(leaving_waits_for_the_upgrade) {
    begin_web();
    struct conn *c = probing();
    accept_probe();
    emit(c, "a", "");
    conn_disconnect(c, NULL);
    take("POST"); /* what waits goes by polling until it is decided */
    CHECK_STR(ln_buf_get(&req.body), "42[\"a\"]" SEP "41");
    web_answer(200, "ok");
    CHECK(is_silent());
    web_frame(ws, "3probe");
    answer_get("6");
    FRAMES(ws, "5|close(1005)|");
    CHECK(web.conn[poll].p.eof);
    end_web();
}

TEST(leaving_when_everything_is_paused) {
    begin_web();
    struct conn *c = probing();
    accept_probe();
    web_frame(ws, "3probe");
    FRAMES(ws, "");
    emit(c, "a", "");
    conn_disconnect(c, NULL);
    CHECK(is_silent());
    answer_get("42[\"not told any more\"]");
    FRAMES(ws, "5|42[\"a\"]|41|close(1005)|");
    TRAIL(">a() disconnect(\"io client disconnect\") ");
    end_web();
}

TEST(leaving_waits_for_its_failure) {
    begin_web();
    struct conn *c = probing();
    conn_disconnect(c, NULL);
    HEAR("41");
    CHECK(is_silent());
    req.conn = ws;
    web_answer(503, "");
    HEAR("1");
    web_turn(w.loop);
    CHECK(web.conn[poll].p.eof);
    end_web();
    begin_web();
    c = probing();
    accept_probe();
    conn_disconnect(c, NULL);
    HEAR("41");
    loop_advance(w.loop, 1999);
    CHECK(is_silent());
    loop_advance(w.loop, 1); /* not for long */
    HEAR("1");
    web_turn(w.loop);
    CHECK(web.conn[poll].p.eof && web.conn[ws].p.eof);
    end_web();
}

TEST(the_end_of_all_during_the_upgrade) {
    begin_web();
    probing();
    end_web();
    begin_web();
    probing();
    accept_probe();
    web_frame(ws, "3probe");
    FRAMES(ws, "");
    end_web();
}

/* --- the other transport within an attempt --- */

static struct conn_opts default_options(void) {
    struct conn_opts o = poll_options();
    o.transports[0] = TRANSPORT_WEBSOCKET;
    o.transports[1] = TRANSPORT_POLLING;
    return o;
}
static void take_upgrade(void) {
    take("GET");
    CHECK_HAS(req.target, "transport=websocket");
    ws = req.conn;
}
/* After a first refusal: in by polling. */
static void join_by_polling(const char *open_packet) {
    take_get();
    CHECK_HAS(req.target, "transport=polling");
    answer_get(open_packet);
    HEAR("40");
    take_get();
    answer_get("40{\"sid\":\"s1\"}");
    take_get();
}

TEST(polling_when_the_upgrade_is_refused) {
    begin_web();
    struct conn *c = open_with("chat", default_options());
    take_upgrade();
    web_answer(404, "");
    join_by_polling(POLL_OPEN_WS);
    CHECK(is_silent()); /* and no probe: it has just been refused */
    TRAIL("connect(true) ");
    LOGS("warn [conn:chat] connected by polling, because upgrade: HTTP 404 Words\n"
         "info [conn:chat] connected in 0 ms\n");
    CHECK_INT(conn_transport(c), TRANSPORT_POLLING);
    CHECK_INT(conn_stats(c)->errors, 0);
    req.conn = poll;
    web_answer(500, "");
    web_turn(w.loop);
    loop_advance(w.loop, 1000);
    take_get(); /* remembered … */
    CHECK_HAS(req.target, "transport=polling");
    ln_buf_clear(&w.logs);
    answer_get(POLL_OPEN_WS);
    HEAR("40");
    take_get();
    take_probe(); /* … but the upgrade is tried, and works by now */
    answer_get("40{\"sid\":\"s2\"}");
    take_get();
    LOGS("info [conn:chat] connected in 0 ms\n");
    upgraded(c);
    web_hang_up(ws);
    web_turn(w.loop);
    loop_advance(w.loop, 2000);
    take_upgrade(); /* so the next attempt begins with it again */
    end_web();
}

TEST(polling_when_the_upgrade_is_dropped) {
    begin_web();
    struct conn *c = open_with("chat", default_options());
    take_upgrade();
    web_hang_up(ws);
    join_by_polling(POLL_OPEN);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end_web();
}

TEST(websocket_when_polling_is_refused) {
    begin_web();
    struct conn *c = open_with("chat", both_options());
    take_get();
    web_answer(400, "{\"code\":0,\"message\":\"Transport unknown\"}");
    take_upgrade();
    web_upgrade();
    web_frame(ws, POLL_OPEN);
    FRAMES(ws, "40|");
    web_frame(ws, "40{\"sid\":\"s1\"}");
    web_turn(w.loop);
    CHECK_INT(conn_transport(c), TRANSPORT_WEBSOCKET);
    LOG_HAS("connected by websocket, because xhr poll error: HTTP 400 Words: {\"code\":0");
    end_web();
}

TEST(both_are_refused) {
    begin_web();
    struct conn *c = open_with("chat", default_options());
    take_upgrade();
    web_answer(502, "");
    take_get();
    web_answer(503, "soon");
    web_turn(w.loop);
    TRAIL("connect_error({\"code\":\"refused\",\"message\":\"upgrade: HTTP 502 Words (a proxy in "
          "front says that the server behind it does not answer); by polling: xhr poll error: HTTP "
          "503 Words: soon\",\"detail\":\"upgrade\"}) ");
    CHECK_INT(conn_stats(c)->errors, 1);
    loop_advance(w.loop, 1000);
    take_upgrade(); /* nothing is remembered */
    web_answer(404, "");
    take_get();
    web_answer(401, "");
    web_turn(w.loop);
    CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":\"unauthorized\"");
    loop_advance(w.loop, 2000);
    take_upgrade();
    web_answer(404, "");
    take_get();
    answer_get("<html>welcome to our wifi</html>");
    CHECK_HAS(ln_buf_cstr(&w.trail), "upgrade: HTTP 404 Words; by polling: xhr poll error: the "
                                     "server answered with a page");
    end_web();
}

TEST(what_polling_would_not_survive) {
    static const char *const answers[] = {"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
                                          "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
                                          "SSH-2.0\r\n"};
    for (size_t i = 0; i < LN_COUNT(answers); i++) {
        begin_web();
        struct conn *c = open_with("chat", default_options());
        take_upgrade();
        web_say(answers[i]);
        CHECK(is_silent());
        CHECK_INT(conn_state(c), CONN_WAITING);
        end_web();
    }
    begin_web();
    ln_fault_set("stream.dns:1");
    clients_dialler(w.cs, NULL, NULL);
    struct conn *c = open_with("chat", default_options());
    web_turn(w.loop);
    CHECK_INT(conn_state(c), CONN_WAITING);
    CHECK_INT(conn_stats(c)->errors, 1);
    end_web();
}

TEST(an_upgrade_that_hangs_uses_the_attempt_up) {
    begin_web();
    open_with("chat", default_options());
    take_upgrade();
    loop_advance(w.loop, 20000);
    CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":\"timeout\"");
    loop_advance(w.loop, 1000);
    take_get(); /* the next attempt is made the other way … */
    CHECK_HAS(req.target, "transport=polling");
    loop_advance(w.loop, 20000);
    web_turn(w.loop);
    loop_advance(w.loop, 2000);
    take_upgrade(); /* … and the one after it as before */
    end_web();
}

/* --- cookies --- */

TEST(cookies_go_with_every_request) {
    begin_web();
    struct conn_opts o = both_options();
    o.headers = ln_strdup("{\"Cookie\":\"mine=1\",\"X-A\":\"b\"}");
    struct conn *c = open_with("chat", o);
    take_get();
    CHECK_HAS(req.head, "Cookie: mine=1\r\n");
    web_answer_n(200, "Set-Cookie: route=a7; Path=/; HttpOnly\r\nSet-Cookie: x=y; Path=/no\r\n",
                 POLL_OPEN_WS, strlen(POLL_OPEN_WS));
    take("POST");
    CHECK_HAS(req.head, "Cookie: mine=1; route=a7\r\n");
    web_answer_n(200, "Set-Cookie: post=2\r\n", "ok", 2);
    take_get();
    CHECK_HAS(req.head, "Cookie: mine=1; route=a7\r\n");
    take_probe();
    CHECK_HAS(req.head, "Cookie: mine=1; route=a7\r\n");
    CHECK_HAS(req.head, "X-A: b\r\n");
    web_turn(w.loop);
    answer_get("40{\"sid\":\"s1\"}");
    take_get();
    CHECK_HAS(req.head, "Cookie: mine=1; route=a7; post=2\r\n");
    req.conn = poll;
    web_answer(500, "");
    web_turn(w.loop);
    CHECK_INT(conn_state(c), CONN_WAITING);
    loop_advance(w.loop, 1000);
    take_get(); /* the line keeps them: back to the same server */
    CHECK_HAS(req.head, "Cookie: mine=1; route=a7; post=2\r\n");
    end_web();
}

TEST_MAIN(T(the_good_way), T(the_upgraded_line_is_lost_and_left_as_any),
          T(what_is_sent_meanwhile_waits), T(nobody_asked_for_it), T(refused), T(dropped),
          T(no_answer_to_the_probe), T(a_wrong_answer), T(lost_when_everything_waits_for_it),
          T(polling_fails_first), T(leaving_waits_for_the_upgrade),
          T(leaving_when_everything_is_paused), T(leaving_waits_for_its_failure),
          T(the_end_of_all_during_the_upgrade), T(polling_when_the_upgrade_is_refused),
          T(polling_when_the_upgrade_is_dropped), T(websocket_when_polling_is_refused),
          T(both_are_refused), T(what_polling_would_not_survive),
          T(an_upgrade_that_hangs_uses_the_attempt_up), T(cookies_go_with_every_request))
