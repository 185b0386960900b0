/* SPDX-License-Identifier: MIT
 *
 * From polling to WebSocket on the hub: the probe, what is answered meanwhile, that nothing is lost
 * or changes its order on the way, and every way in which it does not come to be.
 */
#include "pollclient.h"

static void start(void) {
    struct hub_opts o = test_opts();
    o.dialect = false;
    hub_start(&o, &no_admit);
}

static void emit_number(const char *name, int n) {
    struct hub_target t = {0};
    char args[12];
    snprintf(args, sizeof args, "%d", n);
    hub_emit(hub, &t, ln_str(name), ln_str(args), NULL, 0);
}

static void ws_target(const struct poller *p, char target[200]) {
    snprintf(target, 200, SIO "&sid=%s", p->sid);
}

static void open_ws(const struct poller *p, struct web *w) {
    char target[200];
    ws_target(p, target);
    hub_line(w, target);
}

static void probe(const struct poller *p, struct web *w) {
    open_ws(p, w);
    say(w, "2probe");
    CHECK_NEXT(w, "3probe");
}

static void upgrade(struct poller *p, struct web *w) {
    probe(p, w);
    say(w, "5");
}

TEST(the_whole_way) {
    struct poller p;
    struct web w;
    start();
    poll_client(&p);
    poll_ask(&p);
    open_ws(&p, &w);
    CHECK_NONE(&w); /* the session is open already */
    CHECK_HELD(&p);
    say(&w, "2probe");
    CHECK_NEXT(&w, "3probe");
    CHECK_POLL(&p, 200, "6");
    say(&w, "5");
    say(&w, "420[\"over\",1]");
    CHECK_NEXT(&w, "430[1]");
    poll_ask(&p);
    CHECK_POLL(&p, 400, "{\"code\":3,\"message\":\"Bad request\"}");
    CHECK_INT(poll_post(&p, "42[\"x\"]"), 400);
    emit_number("n", 1);
    web_turn(&w);
    CHECK_NEXT(&w, "42[\"n\",1]");
    loop_advance(loop, 25000);
    web_turn(&w);
    CHECK_NEXT(&w, "2");
    say(&w, "3");
    loop_advance(loop, 20000);
    web_turn(&w);
    CHECK(!w.is_eof);
    CHECK_INT(hub_client_count(hub), 1);
    web_free(&w);
    loop_settle(loop, 0);
    CHECK_SEEN("connect /\nevent / over(1) bin 0 ack 0\ndisconnect / closed\n");
    poll_ask(&p);
    CHECK_POLL(&p, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    poll_free(&p);
    hub_stop();
}

TEST(packets_before_the_connect_and_after_the_upgrade) {
    struct poller p;
    struct web w;
    start();
    poll_open(&p); /* as python does: it upgrades first */
    upgrade(&p, &w);
    say(&w, "40{}");
    CHECK_FRAME(&w, "40{\"sid\":\"");
    say(&w, "41");
    say(&w, "1");
    CHECK(w.is_eof);
    CHECK_SEEN("connect /\ndisconnect / left\n");
    web_free(&w);
    poll_free(&p);
    hub_stop();
}

/* --- nothing is lost --- */

struct stream { /* what one side got so far: numbers from 0, each once, in order */
    int next, wrong;
};

static void take_numbers(struct stream *s, struct ln_str packets) {
    char want[32];
    while (packets.n > 0) {
        const char *mark = memchr(packets.p, '\x1e', packets.n);
        size_t n = mark ? (size_t)(mark - packets.p) : packets.n;
        struct ln_str one = {packets.p, n};
        snprintf(want, sizeof want, "42[\"n\",%d]", s->next);
        if (ln_str_is(one, want))
            s->next++;
        else if (!ln_str_is(one, "6") && !ln_str_is(one, "2"))
            s->wrong++;
        packets = (struct ln_str){packets.p + n + (mark != NULL), packets.n - n - (mark != NULL)};
    }
}

static void take_poll(struct poller *p, struct stream *s) {
    if (poll_take(p) == 200) take_numbers(s, ln_buf_get(&p->body));
}

static void take_ws(struct web *w, struct stream *s) {
    web_turn(w);
    while (w->taken < w->count)
        take_numbers(s, web_next(w));
}

/* One message each way every 2 ms; `probe_at` and `switch_at`: at which of them the client does
 * what. Between them it polls on, as long as a GET is out. */
static void play(int probe_at, int switch_at, bool polls_on) {
    struct poller p;
    struct web w;
    struct stream down = {0};
    struct ln_buf want = {0};
    bool is_over = false, is_asking = false;
    poll_client(&p);
    CHECK_SEEN("connect /\n");
    for (int i = 0; i < 50; i++) {
        char text[40];
        if (i == probe_at) open_ws(&p, &w);
        if (i == probe_at) say(&w, "2probe");
        if (i == probe_at) CHECK_NEXT(&w, "3probe");
        if (!is_over && (i < probe_at || polls_on) && !is_asking) poll_ask(&p);
        if (!is_over) is_asking = true;
        emit_number("n", i);
        snprintf(text, sizeof text, "42[\"up\",%d]", i);
        ln_buf_fmt(&want, "event / up(%d) bin 0 ack -1\n", i);
        if (is_over) {
            say(&w, text);
        } else {
            CHECK_INT(poll_post(&p, text), 200);
            int before = down.next;
            take_poll(&p, &down);
            if (down.next > before) is_asking = false;
        }
        if (i == switch_at) { /* the GET that is out comes to its end before */
            take_poll(&p, &down);
            say(&w, "5");
            is_over = true;
        }
        loop_advance(loop, 2);
        if (is_over) take_ws(&w, &down);
    }
    take_ws(&w, &down);
    CHECK_INT(down.next, 50);
    CHECK_INT(down.wrong, 0);
    CHECK_SEEN(ln_buf_cstr(&want));
    web_free(&w);
    poll_free(&p);
    loop_settle(loop, 0);
    ln_buf_clear(&seen.log);
    ln_buf_free(&want);
}

TEST(fifty_messages_each_way_across_the_upgrade) {
    start();
    play(10, 30, true);
    play(10, 30, false); /* what comes meanwhile waits for the WebSocket */
    play(0, 0, true);
    play(0, 49, true);
    play(25, 25, false);
    hub_stop();
}

TEST(binary_in_the_queue_becomes_frames) {
    struct poller p;
    struct web w;
    struct ln_str bin = LN_STR("\x00\x01\x1e");
    struct hub_target t = {0};
    start();
    poll_client(&p);
    probe(&p, &w);
    hub_emit(hub, &t, LN_STR("x"), LN_STR("{\"_placeholder\":true,\"num\":0}"), &bin, 1);
    say(&w, "5");
    CHECK_NEXT(&w, "451-[\"x\",{\"_placeholder\":true,\"num\":0}]");
    CHECK_INT(w.frames[w.taken].op, WS_BINARY);
    CHECK(ln_str_eq(web_next(&w), bin));
    web_free(&w);
    poll_free(&p);
    hub_stop();
}

TEST(a_get_during_the_upgrade_waits_a_moment) {
    struct poller p;
    struct web w;
    start();
    poll_client(&p);
    probe(&p, &w);
    for (int i = 0; i < 3; i++) { /* a client that polls on gets no tight loop */
        poll_ask(&p);
        CHECK_HELD(&p);
        loop_advance(loop, 99);
        CHECK_HELD(&p);
        loop_advance(loop, 1);
        CHECK_POLL(&p, 200, "6");
    }
    poll_ask(&p);
    emit_number("n", 1); /* and its messages at once */
    CHECK_POLL(&p, 200, "42[\"n\",1]");
    poll_ask(&p);
    say(&w, "5"); /* the switch answers what is held */
    CHECK_POLL(&p, 200, "6");
    loop_advance(loop, 200);
    web_free(&w);
    poll_free(&p);
    hub_stop();
}

/* --- when it fails --- */

static void still_polls(struct poller *p) {
    poll_ask(p);
    CHECK_HELD(p);
    CHECK_INT(poll_post(p, "420[\"x\"]"), 200);
    CHECK_POLL(p, 200, "430[]");
}

TEST(probes_that_say_something_else) {
    static const char *const wrong[] = {"5", "2", "3probe", "40", "42[\"x\"]", "", "2probe2"};
    struct poller p;
    struct web w;
    start();
    poll_client(&p);
    for (size_t i = 0; i < LN_COUNT(wrong); i++) {
        open_ws(&p, &w);
        say(&w, wrong[i]);
        CHECK(w.is_eof);
        CHECK_INT(w.code, 1005);
        web_free(&w);
        still_polls(&p);
    }
    open_ws(&p, &w);
    web_send(&w, WS_BINARY, LN_STR("2probe"));
    web_turn(&w);
    CHECK(w.is_eof);
    web_free(&w);
    probe(&p, &w);
    say(&w, "2probe"); /* twice */
    CHECK(w.is_eof);
    web_free(&w);
    probe(&p, &w);
    web_free(&w); /* it goes away after the probe */
    loop_settle(loop, 0);
    still_polls(&p);
    upgrade(&p, &w); /* and a later one may succeed */
    say(&w, "420[\"x\"]");
    CHECK_NEXT(&w, "430[]");
    web_free(&w);
    poll_free(&p);
    hub_stop();
}

TEST(an_upgrade_has_ten_seconds) {
    struct poller p;
    struct web silent, half;
    start();
    poll_client(&p);
    poll_ask(&p);
    open_ws(&p, &silent);
    loop_advance(loop, 9999);
    web_turn(&silent);
    CHECK(!silent.is_eof);
    loop_advance(loop, 1);
    web_turn(&silent);
    CHECK(silent.is_eof);
    CHECK_HELD(&p);
    probe(&p, &half);
    CHECK_POLL(&p, 200, "6");
    loop_advance(loop, 10000);
    web_turn(&half);
    CHECK(half.is_eof);
    still_polls(&p);
    web_free(&silent);
    web_free(&half);
    poll_free(&p);
    hub_stop();
}

TEST(a_second_websocket_is_closed) {
    struct poller p;
    struct web w, second;
    start();
    poll_client(&p);
    open_ws(&p, &w);
    open_ws(&p, &second); /* while the first is at it */
    web_turn(&second);
    CHECK(second.is_eof);
    web_free(&second);
    say(&w, "2probe");
    CHECK_NEXT(&w, "3probe");
    say(&w, "5");
    open_ws(&p, &second); /* and when it is done */
    web_turn(&second);
    CHECK(second.is_eof);
    web_free(&second);
    say(&w, "420[\"x\"]");
    CHECK_NEXT(&w, "430[]");
    web_free(&w);
    poll_free(&p);
    hub_stop();
}

TEST(the_session_ends_while_it_upgrades) {
    struct poller p;
    struct web w;
    char target[200];
    start();
    poll_client(&p);
    probe(&p, &w);
    CHECK_INT(poll_post(&p, "1"), 200);
    web_turn(&w);
    CHECK(w.is_eof);
    web_free(&w);
    ws_target(&p, target);
    web_init(&w, loop, hub_pair(hub));
    web_upgrade(&w, target, "");
    CHECK_INT(web_status(&w), 400);
    CHECK_HAS(web_answer(&w), "\r\n\r\nSession ID unknown");
    web_free(&w);
    poll_free(&p);
    poll_client(&p);
    probe(&p, &w);
    hub_disconnect(hub, seen.client, true);
    web_text(&w, "5"); /* too late */
    web_turn(&w);
    CHECK(w.is_eof);
    poll_ask(&p);
    CHECK_POLL(&p, 200,
               "41\x1e"
               "1");
    web_free(&w);
    poll_free(&p);
    poll_client(&p);
    probe(&p, &w);
    hub_close(hub, on_hub_done, NULL); /* or the whole hub */
    web_turn(&w);
    CHECK(w.is_eof);
    loop_advance(loop, 3000);
    web_free(&w);
    poll_free(&p);
    hub_gone();
}

TEST(the_session_is_disconnected_after_the_upgrade) {
    struct poller p;
    struct web w;
    start();
    poll_client(&p);
    upgrade(&p, &w);
    hub_disconnect(hub, seen.client, true);
    web_turn(&w);
    CHECK_NEXT(&w, "41");
    CHECK_INT(w.code, 1005);
    CHECK_SEEN("connect /\ndisconnect / removed\n");
    web_free(&w);
    poll_free(&p);
    hub_stop();
}

TEST_MAIN(T(the_whole_way), T(packets_before_the_connect_and_after_the_upgrade),
          T(fifty_messages_each_way_across_the_upgrade), T(binary_in_the_queue_becomes_frames),
          T(a_get_during_the_upgrade_waits_a_moment), T(probes_that_say_something_else),
          T(an_upgrade_has_ten_seconds), T(a_second_websocket_is_closed),
          T(the_session_ends_while_it_upgrades), T(the_session_is_disconnected_after_the_upgrade))
