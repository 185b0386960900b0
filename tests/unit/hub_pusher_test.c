/* SPDX-License-Identifier: MIT
 *
 * Lines of Pusher's protocol on the hub: the handshake and its refusals, the heartbeat, and what is
 * no message.
 */
#include "pusherclient.h"

static void start(void) {
    struct hub_opts o = pusher_opts();
    pusher_start(&o, &no_admit);
}

TEST(the_handshake) {
    struct pusher p;
    start();
    hub_line(&p.w, APP);
    char text[200], sid[40];
    unsigned a = 0, b = 0;
    int end = 0;
    struct ln_str f = web_next(&p.w);
    snprintf(text, sizeof text, "%.*s", LN_FMT(f));
    sscanf(text, ESTABLISHED "%u.%u\\\",\\\"activity_timeout\\\":30}\"}%n", &a, &b, &end);
    CHECK(end > 0 && text[end] == 0);
    snprintf(sid, sizeof sid, "%u.%u", a, b);
    CHECK_SEEN("connect /\n");
    struct hub_client_info info;
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(info.protocol, "pusher");
    CHECK_STR(info.nsp, "/");
    CHECK_STR(info.sid, sid);
    CHECK_STR(info.user_id, "");
    pusher_end(&p);
    CHECK_SEEN("disconnect / closed\n");
    hub_stop();
}

/* Opened with 101, told by a message and by the close code. */
static void refused(int line, const char *target, const char *headers, int code) {
    struct web w;
    char want[100];
    web_init(&w, loop, hub_pair(hub));
    web_upgrade(&w, target, headers);
    web_turn(&w);
    snprintf(want, sizeof want, "{\"event\":\"pusher:error\",\"data\":{\"code\":%d,\"message\":\"",
             code);
    check_frame(line, &w, want);
    CHECK_INT(w.code, code);
    CHECK(w.reason[0] != 0);
    web_free(&w);
    loop_settle(loop, 0);
}

TEST(who_is_refused) {
    start();
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
    refused(__LINE__, "/app/other?protocol=7", "", 4001);
    refused(__LINE__, "/app/?protocol=7", "", 4001);
    refused(__LINE__, "/app/key/x?protocol=7", "", 4001);
    refused(__LINE__, "/app/key", "", 4008);
    refused(__LINE__, "/app/key?protocol=", "", 4008);
    refused(__LINE__, "/app/key?protocol=4", "", 4007);
    refused(__LINE__, "/app/key?protocol=8", "", 4007);
    refused(__LINE__, "/app/key?protocol=seven", "", 4007);
    refused(__LINE__, APP, "Origin: http://elsewhere.example\r\n", 4009);
    CHECK_SEEN(""); /* none of them was ever a client */
    CHECK_INT(hub_client_count(hub), 0);
    hub_stop();
}

TEST(keys_and_versions_that_fit) {
    static const char *const targets[] = {"/app/key?protocol=5", "/app/key/?protocol=6",
                                          "/app/%6bey?protocol=7"};
    start();
    for (size_t i = 0; i < LN_COUNT(targets); i++) {
        struct web w;
        hub_line(&w, targets[i]);
        CHECK_FRAME(&w, "pusher:connection_established");
        web_free(&w);
    }
    hub_stop();
}

TEST(the_host_is_guarded_as_everywhere) {
    struct web w;
    start();
    web_init(&w, loop, hub_pair(hub));
    web_say(&w, "GET " APP " HTTP/1.1\r\nHost: rebound.example\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    web_turn(&w);
    CHECK_INT(web_status(&w), 403);
    web_free(&w);
    web_init(&w, loop, hub_pair(hub));
    web_say(&w, "GET " APP " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    web_turn(&w);
    CHECK_INT(web_status(&w), 426);
    web_free(&w);
    hub_stop();
}

TEST(over_capacity) {
    struct pusher a, b;
    struct hub_opts o = pusher_opts();
    test_app.max_connections = 1;
    pusher_start(&o, &no_admit);
    pusher_open(&a);
    refused(__LINE__, APP, "", 4100);
    pusher_end(&a);
    pusher_open(&b); /* a place is free again */
    CHECK(b.sid[0] != 0);
    pusher_end(&b);
    hub_stop();
}

TEST(the_app_that_a_hub_has_of_its_own) {
    struct hub_opts o = test_opts();
    struct web w;
    hub_start(&o, &no_admit);
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
    hub_line(&w, "/app/linnet?protocol=7");
    CHECK_FRAME(&w, "pusher:connection_established");
    web_free(&w);
    refused(__LINE__, "/app/key?protocol=7", "", 4001);
    hub_stop();
    o.host = "0.0.0.0"; /* open to others: no app that nobody made */
    hub_start(&o, &no_admit);
    refused(__LINE__, "/app/linnet?protocol=7", "", 4001);
    hub_stop();
}

TEST(apps_that_are_not_right) {
    static const struct {
        struct hub_app app[2];
        const char *words;
    } cases[] = {
        {{{.key = "a:b", .secret = "s", .id = "1"}, {0}}, "'key'"},
        {{{.key = "", .secret = "s", .id = "1"}, {0}}, "'key'"},
        {{{.key = "k", .secret = "s", .id = "1/2"}, {0}}, "'id'"},
        {{{.key = "k", .secret = "", .id = "1"}, {0}}, "'secret'"},
        {{{.key = "k", .secret = "s", .id = "1", .master_key = "c2hvcnQ="}, {0}}, "32 bytes"},
        {{{.key = "k", .secret = "s", .id = "1"}, {.key = "k", .secret = "s", .id = "2"}},
         "hub.apps[2]: an app has that key or id already"},
        {{{.key = "k", .secret = "s", .id = "1"}, {.key = "l", .secret = "s", .id = "1"}},
         "hub.apps[2]: an app has that key or id already"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_err err = {0};
        struct hub_opts o = test_opts();
        o.apps = cases[i].app;
        o.app_count = cases[i].app[1].key ? 2 : 1;
        loop = loop_new();
        CHECK(!hub_open(loop, &o, NULL, NULL, &err));
        CHECK_HAS(err.text, cases[i].words);
        loop_free(loop);
    }
}

TEST(ping_and_pong) {
    struct pusher p;
    start();
    pusher_open(&p);
    say(&p.w, "{\"event\":\"pusher:ping\",\"data\":{}}");
    CHECK_NEXT(&p.w, "{\"event\":\"pusher:pong\",\"data\":\"{}\"}");
    say(&p.w, "{\"event\":\"pusher:ping\"}");
    CHECK_NEXT(&p.w, "{\"event\":\"pusher:pong\",\"data\":\"{}\"}");
    say(&p.w, "{\"event\":\"pusher:pong\",\"data\":{}}");
    CHECK_NONE(&p.w);
    pusher_end(&p);
    hub_stop();
}

TEST(silence_is_asked_about_and_then_ends) {
    struct pusher quiet, lively;
    start();
    pusher_open(&quiet);
    pusher_open(&lively);
    loop_advance(loop, 50000);
    say(&lively.w, "{\"event\":\"pusher:pong\"}");
    loop_advance(loop, 10000); /* twice the activity timeout */
    web_turn(&quiet.w);
    web_turn(&lively.w);
    CHECK_NEXT(&quiet.w, "{\"event\":\"pusher:ping\",\"data\":\"{}\"}");
    CHECK_NONE(&lively.w); /* heard of 10 s ago */
    loop_advance(loop, 29999);
    web_turn(&quiet.w);
    CHECK_NONE(&quiet.w);
    loop_advance(loop, 1);
    web_turn(&quiet.w);
    CHECK_FRAME(&quiet.w, "{\"event\":\"pusher:error\",\"data\":{\"code\":4201,\"message\":\"");
    CHECK_INT(quiet.w.code, 4201);
    loop_advance(loop, 20000);
    web_turn(&lively.w);
    CHECK_NEXT(&lively.w, "{\"event\":\"pusher:ping\",\"data\":\"{}\"}");
    say(&lively.w, "{\"event\":\"pusher:pong\"}");
    loop_advance(loop, 59999);
    web_turn(&lively.w);
    CHECK_NONE(&lively.w);
    CHECK(!lively.w.is_eof);
    pusher_end(&quiet);
    CHECK_SEEN("connect /\nconnect /\ndisconnect / lost\n");
    pusher_end(&lively);
    hub_stop();
}

TEST(control_frames_are_signs_of_life) {
    struct pusher a, b;
    start();
    pusher_open(&a);
    pusher_open(&b);
    loop_advance(loop, 50000);
    web_send(&a.w, WS_PING, LN_STR("x"));
    web_send(&b.w, WS_PONG, LN_STR(""));
    web_turn(&a.w);
    CHECK_NEXT(&a.w, "x"); /* its pong */
    loop_advance(loop, 59999);
    web_turn(&a.w);
    web_turn(&b.w);
    CHECK_NONE(&a.w);
    CHECK_NONE(&b.w);
    loop_advance(loop, 1);
    web_turn(&a.w);
    web_turn(&b.w);
    CHECK_FRAME(&a.w, "pusher:ping");
    CHECK_FRAME(&b.w, "pusher:ping");
    pusher_end(&a);
    pusher_end(&b);
    hub_stop();
}

TEST(what_is_no_message_is_told_so) {
    static const char *const bad[] = {
        "",
        "hello",
        "[]",
        "{}",
        "null",
        "{\"event\":7}",
        "{\"event\":\"x\"",
        "{\"event\":\"message\"}",
        "{\"event\":\"pusher:unknown\"}",
        "{\"event\":\"xclient-y\",\"channel\":\"private-a\"}",
        "{\"event\":\"pusher_internal:member_added\"}",
        "{\"event\":\"pusher:subscribe\"}",
        "{\"event\":\"pusher:subscribe\",\"data\":[]}",
        "{\"event\":\"pusher:subscribe\",\"data\":{}}",
        "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":1}}",
        "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"\"}}",
        "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"a\","
        "\"auth\":{}}}",
        "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"a\","
        "\"channel_data\":{}}}",
        "{\"event\":\"pusher:unsubscribe\",\"data\":\"a\"}",
        "{\"event\":\"pusher:signin\",\"data\":{\"auth\":\"a\"}}",
        "{\"event\":\"pusher:signin\"}"};
    struct pusher p;
    start();
    pusher_open(&p);
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        say(&p.w, bad[i]);
        CHECK_NEXT(&p.w,
                   "{\"event\":\"pusher:error\",\"data\":{\"code\":4200,\"message\":\"Invalid "
                   "message format\"}}");
    }
    CHECK(!p.w.is_eof);
    web_send(&p.w, WS_BINARY, LN_STR("{}"));
    web_turn(&p.w);
    CHECK_INT(p.w.code, 1003);
    pusher_end(&p);
    hub_stop();
}

TEST(who_may_come_is_asked) {
    struct pusher p;
    struct hub_opts o = pusher_opts();
    pusher_start(&o, &all_hooks);
    seen.ask = true;
    hub_line(&p.w, APP);
    CHECK_SEEN("admit / {\"protocol\":\"7\",\"client\":\"js\",\"version\":\"8.6.0\",\"flash\":"
               "\"false\"} host\n");
    say(&p.w, "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"a\"}}");
    CHECK_FRAME(&p.w, "wait for pusher:connection_established");
    hub_admit(hub, seen.ticket, true, NULL, NOTHING);
    web_turn(&p.w);
    CHECK_FRAME(&p.w, "pusher:connection_established");
    pusher_end(&p);
    hub_line(&p.w, APP);
    hub_admit(hub, seen.ticket, false, "not you", NOTHING);
    web_turn(&p.w);
    CHECK_NEXT(&p.w,
               "{\"event\":\"pusher:error\",\"data\":{\"code\":4009,\"message\":\"not you\"}}");
    CHECK_INT(p.w.code, 4009);
    pusher_end(&p);
    hub_stop();
}

TEST(a_script_ends_a_line) {
    struct pusher p;
    start();
    pusher_open(&p);
    CHECK_INT(hub_emit_ack(hub, seen.client, LN_STR("q"), NOTHING, NULL, 0, 10, NULL, NULL),
              LN_REFUSED);
    hub_disconnect(hub, seen.client, false);
    web_turn(&p.w);
    CHECK_FRAME(&p.w, "\"code\":4009,\"message\":\"You got disconnected by the app.\"");
    CHECK_INT(p.w.code, 4009); /* 1000 would bring it back in a second */
    CHECK_SEEN("connect /\ndisconnect / removed\n");
    pusher_end(&p);
    hub_stop();
}

TEST(too_many_messages) {
    struct pusher p;
    struct hub_opts o = pusher_opts();
    o.rate = 1;
    o.rate_burst = 2;
    pusher_start(&o, &no_admit);
    pusher_open(&p);
    for (int i = 0; i < 3; i++)
        say(&p.w, "{\"event\":\"pusher:ping\"}");
    CHECK_FRAME(&p.w, "pusher:pong");
    CHECK_FRAME(&p.w, "pusher:pong");
    CHECK_NEXT(&p.w, "{\"event\":\"pusher:error\",\"data\":{\"code\":4301,\"message\":\"too many "
                     "messages\"}}");
    for (int i = 0; i < 10; i++)
        say(&p.w, "{\"event\":\"pusher:ping\"}");
    CHECK_INT(p.w.code, 1008);
    pusher_end(&p);
    hub_stop();
}

TEST_MAIN(T(the_handshake), T(who_is_refused), T(keys_and_versions_that_fit),
          T(the_host_is_guarded_as_everywhere), T(over_capacity),
          T(the_app_that_a_hub_has_of_its_own), T(apps_that_are_not_right), T(ping_and_pong),
          T(silence_is_asked_about_and_then_ends), T(control_frames_are_signs_of_life),
          T(what_is_no_message_is_told_so), T(who_may_come_is_asked), T(a_script_ends_a_line),
          T(too_many_messages))
