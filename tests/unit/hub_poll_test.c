/* SPDX-License-Identifier: MIT
 *
 * The hub over HTTP long-polling: handshake, GETs that are held, POSTs, replies of at most 16
 * packets, heartbeat, and every way in which a session ends. The upgrade is in hub_upgrade_test.c.
 */
#include "pollclient.h"

static void emit(const char *name, const char *args) {
    struct hub_target t = {0};
    hub_emit(hub, &t, ln_str(name), ln_str(args), NULL, 0);
}

TEST(handshake_and_events_both_ways) {
    struct poller p;
    hub_of_two();
    poll_open(&p);
    CHECK_STR(ln_str(strchr(ln_buf_cstr(&p.body), ',')),
              ",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,"
              "\"maxPayload\":1000000}");
    CHECK_HAS(ln_buf_cstr(&p.head), "\r\nContent-Type: text/plain; charset=UTF-8\r\n");
    CHECK_HAS(ln_buf_cstr(&p.head), "\r\nCache-Control: no-store");
    CHECK(!strstr(ln_buf_cstr(&p.head), "Connection: close"));
    CHECK_INT(poll_post(&p, "40{\"token\":1}\x1e"
                            "40/chat,"),
              200);
    CHECK_STR(ln_buf_get(&p.body), "ok");
    CHECK_HAS(ln_buf_cstr(&p.head), "\r\nContent-Type: text/html\r\n");
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 200);
    CHECK_HAS(ln_buf_cstr(&p.body), "40{\"sid\":\"");
    CHECK_HAS(ln_buf_cstr(&p.body), "\"}\x1e"
                                    "40/chat,{\"sid\":\"");
    poll_ask(&p);
    CHECK_HELD(&p);
    CHECK_INT(poll_post(&p, "420[\"echo\",\"gr\xc3\xbcn\"]\x1e"
                            "42[\"plain\"]"),
              200);
    CHECK_POLL(&p, 200, "430[\"gr\xc3\xbcn\"]");
    CHECK_SEEN("connect /\nconnect /chat\nevent / echo(\"gr\xc3\xbcn\") bin 0 ack 0\n"
               "event / plain() bin 0 ack -1\n");
    poll_ask(&p);
    emit("a", "1");
    emit("b", "2");
    CHECK_POLL(&p, 200,
               "42[\"a\",1]\x1e"
               "42[\"b\",2]"); /* what a turn brings goes together */
    emit("c", "3");
    loop_settle(loop, 0);
    poll_ask(&p);
    CHECK_POLL(&p, 200, "42[\"c\",3]");
    struct hub_client_info info;
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(info.protocol, "socketio");
    CHECK_STR(info.ip, "127.0.0.1");
    poll_free(&p);
    hub_stop();
}

TEST(binary_travels_as_base64_in_order) {
    struct poller p;
    struct ln_str bin[] = {LN_STR("\x01\x02\x03\x04"), LN_STR("")};
    hub_of_two();
    poll_client(&p);
    poll_ask(&p);
    CHECK_INT(poll_post(&p, "452-7[\"bin\",{\"_placeholder\":true,\"num\":0},"
                            "{\"_placeholder\":true,\"num\":1}]"),
              200);
    CHECK_INT(poll_post(&p, "bAQIDBA==\x1e"
                            "b"),
              200); /* attachments in a later body */
    CHECK_STR(ln_buf_get(&seen.bin), "\x01\x02\x03\x04");
    CHECK_POLL(&p, 200,
               "462-7[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]\x1e"
               "bAQIDBA==\x1e"
               "b");
    struct hub_target t = {.client = seen.client};
    for (int i = 0; i < 6; i++) /* 18 packets: the reply ends inside of an event */
        hub_emit(hub, &t, LN_STR("x"),
                 LN_STR("{\"_placeholder\":true,\"num\":0},"
                        "{\"_placeholder\":true,\"num\":1}"),
                 bin, 2);
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 200);
    int packets = 1;
    for (size_t i = 0; i < p.body.n; i++)
        packets += p.body.p[i] == '\x1e';
    CHECK_INT(packets, 16);
    CHECK_STR(((struct ln_str){p.body.p + p.body.n - 7, 7}), ",\"num\":1}]" + 3);
    poll_ask(&p);
    CHECK_POLL(&p, 200,
               "bAQIDBA==\x1e"
               "b");
    poll_free(&p);
    hub_stop();
}

TEST(a_flood_comes_in_replies_of_sixteen) {
    struct poller p;
    struct ln_buf want = {0};
    hub_of_two();
    poll_client(&p);
    for (int i = 0; i < 100; i++) {
        char n[12];
        snprintf(n, sizeof n, "%d", i);
        emit("n", n);
    }
    for (int i = 0; i < 100;) {
        ln_buf_clear(&want);
        for (int k = 0; k < 16 && i < 100; k++, i++)
            ln_buf_fmt(&want, "%s42[\"n\",%d]", k ? "\x1e" : "", i);
        poll_ask(&p);
        CHECK_POLL(&p, 200, ln_buf_cstr(&want));
    }
    ln_buf_free(&want);
    poll_free(&p);
    hub_stop();
}

TEST(a_text_cannot_smuggle_packets) {
    struct poller p;
    struct web w;
    hub_of_two();
    poll_client(&p);
    sio_client(&w, "");
    emit("x", "\"a\x1e"
              "41\x1e"
              "b\""); /* as a client sent it, unread */
    poll_ask(&p);
    CHECK_POLL(&p, 200, "42[\"x\",\"a\\u001e41\\u001eb\"]");
    web_free(&w);
    poll_free(&p);
    hub_stop();
}

TEST(heartbeat_over_polling) {
    struct poller p, dead;
    hub_of_two();
    poll_client(&p);
    poll_client(&dead);
    for (int i = 0; i < 3; i++) {
        poll_ask(&p);
        loop_advance(loop, 25000);
        CHECK_POLL(&p, 200, "2");
        CHECK_INT(poll_post(&p, "3"), 200);
    }
    CHECK_SEEN("connect /\nconnect /\ndisconnect / lost\n");
    poll_ask(&dead);
    CHECK_POLL(&dead, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    poll_ask(&p); /* holds a GET, but owes a pong */
    loop_advance(loop, 25000);
    CHECK_POLL(&p, 200, "2");
    poll_ask(&p);
    loop_advance(loop, 20000);
    CHECK_POLL(&p, 200, "1");
    CHECK_SEEN("disconnect / lost\n");
    poll_free(&p);
    poll_free(&dead);
    hub_stop();
}

TEST(a_session_that_joins_nothing_is_closed) {
    struct poller p;
    hub_of_two();
    poll_open(&p);
    loop_advance(loop, 25000);
    CHECK_INT(poll_post(&p, "3"), 200);
    poll_ask(&p);
    CHECK_POLL(&p, 200, "2");
    loop_advance(loop, 20000);
    poll_ask(&p);
    CHECK_POLL(&p, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    poll_free(&p);
    hub_stop();
}

/* --- how sessions end --- */

static void unknown(struct poller *p) {
    poll_ask(p);
    CHECK_POLL(p, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

TEST(the_client_closes) {
    struct poller p;
    hub_of_two();
    poll_client(&p);
    poll_ask(&p);
    CHECK_INT(poll_post(&p, "42[\"last\"]\x1e"
                            "1"),
              200); /* in front of the 1 it counts */
    CHECK_STR(ln_buf_get(&p.body), "ok");
    CHECK_POLL(&p, 200, "6");
    unknown(&p);
    CHECK_INT(poll_post(&p, "42[\"x\"]"), 400);
    CHECK_SEEN("connect /\nevent / last() bin 0 ack -1\ndisconnect / left\n");
    poll_free(&p);
    poll_client(&p);
    CHECK_INT(poll_post(&p, "41"), 200);
    CHECK_INT(poll_post(&p, "1"), 200); /* no GET is held: it crossed on the way */
    poll_ask(&p);
    CHECK_POLL(&p, 200, "6");
    unknown(&p);
    poll_free(&p);
    poll_client(&p);
    CHECK_INT(poll_post(&p, "41"), 200);
    CHECK_INT(poll_post(&p, "1"), 200); /* or there was none */
    loop_advance(loop, 500);
    unknown(&p);
    CHECK_SEEN("connect /\ndisconnect / left\nconnect /\ndisconnect / left\n");
    poll_free(&p);
    hub_stop();
}

TEST(the_hub_disconnects_and_the_client_learns_why) {
    struct poller p;
    hub_of_two();
    poll_client(&p);
    poll_ask(&p);
    hub_disconnect(hub, seen.client, true);
    CHECK_POLL(&p, 200,
               "41\x1e"
               "1");
    unknown(&p);
    poll_free(&p);
    poll_client(&p); /* between two GETs: it is told with the next */
    for (int i = 0; i < 31; i++)
        emit("n", "1");
    hub_disconnect(hub, seen.client, true);
    loop_advance(loop, 29000);
    CHECK_SEEN("connect /\ndisconnect / removed\nconnect /\ndisconnect / removed\n");
    CHECK_INT(poll_post(&p, "42[\"x\"]"), 400); /* nobody takes this any more */
    for (int i = 0; i < 2; i++) {
        poll_ask(&p);
        CHECK_INT(poll_take(&p), 200);
        CHECK(p.body.n > 16 * 9);
    }
    poll_ask(&p);
    CHECK_POLL(&p, 200, "1");
    unknown(&p);
    poll_free(&p);
    poll_client(&p); /* or never: it is forgotten */
    hub_disconnect(hub, seen.client, true);
    loop_advance(loop, 30000);
    unknown(&p);
    poll_free(&p);
    hub_stop();
}

TEST(closing_the_hub_answers_what_is_held) {
    struct poller p, idle;
    hub_of_two();
    poll_client(&p);
    poll_client(&idle);
    poll_ask(&p);
    emit("last", "1");
    hub_close(hub, on_hub_done, NULL);
    CHECK_POLL(&p, 200,
               "42[\"last\",1]\x1e"
               "1");
    CHECK(p.get.is_eof);
    CHECK_SEEN("connect /\nconnect /\ndisconnect / closed\ndisconnect / closed\n");
    loop_advance(loop, 3000);
    poll_free(&p);
    poll_free(&idle);
    hub_gone();
}

TEST(a_client_that_hangs_up_is_gone) {
    struct poller p;
    hub_of_two();
    poll_client(&p);
    poll_ask(&p);
    web_free(&p.get);
    loop_settle(loop, 0);
    CHECK_SEEN("connect /\ndisconnect / closed\n");
    CHECK_INT(poll_post(&p, "42[\"x\"]"), 400);
    poll_free(&p);
    hub_stop();
}

TEST(what_breaks_the_protocol_ends_the_session) {
    static const char *const bodies[] = {"",
                                         "4abc",
                                         "abc",
                                         "42[\"a\"]\x1e",
                                         "\x1e"
                                         "42[\"a\"]",
                                         "2",
                                         "2probe",
                                         "42{}",
                                         "40",
                                         "b!!!",
                                         "bAQI=",
                                         "7",
                                         "42/chat,[\"x\"]"};
    struct poller p;
    hub_of_two();
    for (size_t i = 0; i < LN_COUNT(bodies); i++) {
        poll_client(&p);
        poll_ask(&p);
        if (poll_post(&p, bodies[i]) != 400) {
            test_failures++;
            printf("not refused: %s\n", bodies[i]);
        }
        CHECK_POLL(&p, 200, "1");
        unknown(&p);
        poll_free(&p);
    }
    CHECK_INT(hub_client_count(hub), 0);
    hub_stop();
}

TEST(a_second_get_ends_the_session) {
    struct poller p;
    struct web second;
    char target[200];
    hub_of_two();
    poll_client(&p);
    poll_target(&p, target);
    poll_ask(&p);
    web_init(&second, loop, hub_pair(hub));
    http_write(&second, "GET", target, "", NOTHING);
    CHECK_INT(http_take(&second, &p.head, &p.body), 400);
    CHECK_INT(p.body.n, 0);
    CHECK_POLL(&p, 200, "1");
    unknown(&p);
    web_free(&second);
    poll_free(&p);
    hub_stop();
}

TEST(a_second_post_ends_the_session) {
    struct poller p;
    struct web second;
    char target[200], half[400];
    hub_of_two();
    poll_client(&p);
    poll_target(&p, target);
    snprintf(half, sizeof half,
             "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n42[\"", target);
    web_say(&p.post, half);
    web_turn(&p.post);
    web_init(&second, loop, hub_pair(hub));
    http_write(&second, "POST", target, "", LN_STR("42[\"b\"]"));
    CHECK_INT(http_take(&second, &p.head, &p.body), 400);
    CHECK_INT(p.body.n, 0);
    web_say(&p.post, "aaa\"]");
    web_turn(&p.post);
    CHECK_INT(http_take(&p.post, &p.head, &p.body), 400);
    unknown(&p);
    CHECK_SEEN("connect /\ndisconnect / error\n");
    web_free(&second);
    poll_free(&p);
    poll_client(&p); /* one whose client went away in the middle counts no more */
    poll_target(&p, target);
    snprintf(half, sizeof half,
             "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n42[\"", target);
    web_say(&p.post, half);
    web_turn(&p.post);
    web_free(&p.post);
    loop_settle(loop, 0);
    web_init(&p.post, loop, hub_pair(hub));
    CHECK_INT(poll_post(&p, "42[\"x\"]"), 200);
    poll_free(&p);
    hub_stop();
}

TEST(bodies_that_are_refused) {
    struct poller p;
    struct hub_opts o = test_opts();
    char target[200], *big = ln_alloc(2001);
    o.max_message = 2000;
    o.dialect = false;
    hub_start(&o, &no_admit);
    memset(big, 'x', 2000);
    big[2000] = 0;
    memcpy(big, "42[\"x\",\"", 8);
    memcpy(big + 1998, "\"]", 2);
    poll_client(&p);
    CHECK_INT(poll_post(&p, big), 200); /* just as much as may be */
    poll_target(&p, target);
    http_write(&p.post, "POST", target, "Content-Length: 2001\r\n", NOTHING);
    CHECK_INT(http_take(&p.post, &p.head, &p.body), 413);
    web_free(&p.post);
    web_init(&p.post, loop, hub_pair(hub));
    CHECK_INT(poll_post(&p, "420[\"still\"]"), 200); /* the session lives */
    poll_ask(&p);
    CHECK_POLL(&p, 200, "430[]");
    poll_ask(&p);
    http_write(&p.post, "POST", target, "Content-Type: application/octet-stream\r\n", LN_STR("4x"));
    CHECK_INT(http_take(&p.post, &p.head, &p.body), 400);
    CHECK_INT(p.body.n, 0);
    CHECK_POLL(&p, 200, "1");
    unknown(&p);
    ln_free(big);
    poll_free(&p);
    hub_stop();
}

TEST(who_fetches_nothing_is_dropped) {
    struct poller p;
    struct hub_opts o = test_opts();
    char *big = ln_alloc(5001);
    o.max_queue = 20000;
    o.dialect = false;
    memset(big, '1', 5000);
    big[5000] = 0;
    hub_start(&o, &no_admit);
    poll_client(&p);
    for (int i = 0; i < 5; i++)
        emit("x", big);
    loop_settle(loop, 0);
    CHECK_SEEN("connect /\ndisconnect / error\n");
    unknown(&p);
    ln_free(big);
    poll_free(&p);
    hub_stop();
}

TEST(the_dialect_over_polling) {
    struct hub_opts o = test_opts();
    struct poller p;
    hub_start(&o, &all_hooks);
    poll_open(&p);
    CHECK_INT(poll_post(&p, "40{\"name\":\"kari\",\"id\":\"u1\"}"), 200);
    CHECK_SEEN("admit / {\"name\":\"kari\",\"id\":\"u1\"} no host\nconnect /\n");
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 200);
    CHECK_HAS(ln_buf_cstr(&p.body), "\x1e"
                                    "42[\"session\",{\"id\":\"");
    CHECK_INT(poll_post(&p, "421[\"join\",{\"room\":\"lobby\"}]"), 200);
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 200);
    CHECK_HAS(ln_buf_cstr(&p.body), "431[{\"ok\":true,\"room\":\"lobby\"");
    poll_free(&p);
    hub_stop();
}

TEST_MAIN(T(handshake_and_events_both_ways), T(binary_travels_as_base64_in_order),
          T(a_flood_comes_in_replies_of_sixteen), T(a_text_cannot_smuggle_packets),
          T(heartbeat_over_polling), T(a_session_that_joins_nothing_is_closed),
          T(the_client_closes), T(the_hub_disconnects_and_the_client_learns_why),
          T(closing_the_hub_answers_what_is_held), T(a_client_that_hangs_up_is_gone),
          T(what_breaks_the_protocol_ends_the_session), T(a_second_get_ends_the_session),
          T(a_second_post_ends_the_session), T(bodies_that_are_refused),
          T(who_fetches_nothing_is_dropped), T(the_dialect_over_polling))
