/* SPDX-License-Identifier: MIT
 *
 * The hub's Socket.IO side, frame by frame: handshake, namespaces, acknowledgements and binary data
 * both ways, heartbeat, and what closes the line.
 */
#include "hubclient.h"

static const char *const two_namespaces[] = {"/chat", "/custom", NULL};

static void start(const struct hub_hooks *hooks) {
    struct hub_opts o = test_opts();
    o.dialect = false;
    o.namespaces = two_namespaces;
    hub_start(&o, hooks);
}

static void closes(const char *packet) {
    struct web w;
    hub_line(&w, SIO);
    say(&w, "40");
    say(&w, packet);
    CHECK(w.is_eof);
    CHECK_INT(w.code, 1005);
    if (!w.is_eof) printf("  packet: %s\n", packet);
    web_free(&w);
}

TEST(handshake_tells_the_limits) {
    struct web w;
    struct ln_buf want = {0};
    start(&no_admit);
    hub_line(&w, SIO);
    struct ln_str open = web_next(&w);
    CHECK_INT(open.n,
              strlen("0{\"sid\":\"12345678901234567890\",\"upgrades\":[],\"pingInterval\":25000,"
                     "\"pingTimeout\":20000,\"maxPayload\":1000000}"));
    CHECK(memmem(open.p, open.n,
                 "\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,"
                 "\"maxPayload\":1000000}",
                 75));
    CHECK_NONE(&w);
    say(&w, "40{\"token\":\"x\"}");
    CHECK_FRAME(&w, "40{\"sid\":\"");
    CHECK_SEEN("connect /\n");
    CHECK_INT(hub_client_count(hub), 1);
    struct hub_client_info info;
    CHECK(hub_client(hub, seen.client, &info));
    ln_buf_fmt(&want, "40{\"sid\":\"%.*s\"}", LN_FMT(info.sid));
    CHECK(ln_str_eq(ln_buf_get(&w.frames[1].data), ln_buf_get(&want)));
    CHECK_STR(info.protocol, "socketio");
    CHECK_STR(info.ip, "127.0.0.1");
    ln_buf_free(&want);
    web_free(&w);
    loop_settle(loop, 0);
    CHECK_SEEN("disconnect / closed\n");
    CHECK_INT(hub_client_count(hub), 0);
    hub_stop();
}

TEST(namespaces_live_side_by_side) {
    struct web w;
    start(&no_admit);
    hub_line(&w, SIO);
    web_next(&w);
    web_text(&w, "40/chat,{\"a\":1}");
    web_text(&w, "40");
    say(&w, "40/random");
    CHECK_FRAME(&w, "40/chat,{\"sid\":\"");
    CHECK_FRAME(&w, "40{\"sid\":\"");
    CHECK_NEXT(&w, "44/random,{\"message\":\"Invalid namespace\"}");
    say(&w, "42/chat,[\"hi\",1,{\"a\":[]}]");
    say(&w, "41/chat");
    say(&w, "42[\"still\"]");
    CHECK_SEEN("connect /chat\nconnect /\nevent /chat hi(1,{\"a\":[]}) bin 0 ack -1\n"
               "disconnect /chat left\nevent / still() bin 0 ack -1\n");
    say(&w, "40/chat"); /* again, on the same line */
    CHECK_FRAME(&w, "40/chat,{\"sid\":\"");
    say(&w, "41");
    say(&w, "41/chat,");
    CHECK(!w.is_eof); /* a line without namespaces stays */
    web_free(&w);
    hub_stop();
}

TEST(what_breaks_the_protocol_closes_the_line) {
    static const char *const packets[] = {"40",
                                          "42/chat,[\"x\"]",
                                          "41/chat,",
                                          "43/chat,1[]",
                                          "44{\"message\":\"x\"}",
                                          "4",
                                          "47",
                                          "4abc",
                                          "42{}",
                                          "42abc[\"x\"]",
                                          "42[]",
                                          "42[\"connect\"]",
                                          "42[\"a\"",
                                          "45[\"a\"]",
                                          "451-[\"a\"]x",
                                          "4511-[\"a\"]",
                                          "450-[\"a\"]",
                                          "2",
                                          "2probe",
                                          "",
                                          "9",
                                          "x",
                                          "b!!!",
                                          "bAQI=",
                                          "43[]",
                                          "1",
                                          "42[{}]",
                                          "42[\"a\\ud800\"]"};
    start(&no_admit);
    for (size_t i = 0; i < LN_COUNT(packets); i++)
        closes(packets[i]);
    CHECK_INT(hub_client_count(hub), 0);
    hub_stop();
}

TEST(an_event_before_its_connect_closes) {
    struct web w;
    start(&no_admit);
    hub_line(&w, SIO);
    say(&w, "42[\"early\"]");
    CHECK(w.is_eof);
    CHECK_SEEN("");
    web_free(&w);
    hub_stop();
}

TEST(engine_packets_that_mean_nothing_are_ignored) {
    struct web w;
    start(&no_admit);
    sio_client(&w, "");
    say(&w, "3");
    say(&w, "6");
    say(&w, "5");
    say(&w, "0");
    say(&w, "42[\"x\"]");
    CHECK_SEEN("connect /\nevent / x() bin 0 ack -1\n");
    CHECK(!w.is_eof);
    web_free(&w);
    hub_stop();
}

TEST(acks_and_names) {
    struct web w;
    start(&no_admit);
    sio_client(&w, "");
    say(&w, "420[\"echo\",\"a\",{\"b\":1.50}]");
    CHECK_NEXT(&w, "430[\"a\",{\"b\":1.50}]");
    say(&w, "4212[\"gr\\u00fcn\"]");
    CHECK_NEXT(&w, "4312[]");
    say(&w, "42[\"unwanted\",1]");
    say(&w, "42[7,1]");
    CHECK_SEEN("connect /\nevent / echo(\"a\",{\"b\":1.50}) bin 0 ack 0\n"
               "event / gr\xc3\xbcn() bin 0 ack 12\nevent / 7(1) bin 0 ack -1\n");
    web_free(&w);
    hub_stop();
}

static struct ln_buf answers;

static void on_answer(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                      const struct ln_err *err) {
    for (size_t i = 0; i < bin_count; i++)
        ln_buf_str(&answers, bin[i]);
    ln_buf_fmt(&answers, "%s:%.*s:%s\n", (const char *)ud, LN_FMT(args),
               err ? ln_status_name(err->code) : "ok");
}

TEST(asking_a_client) {
    struct web w;
    start(&no_admit);
    sio_client(&w, "");
    ln_id id = seen.client;
    CHECK_INT(
        hub_emit_ack(hub, id, LN_STR("q"), LN_STR("1"), NULL, 0, 1000, on_answer, (void *)"a"),
        LN_OK);
    CHECK_INT(hub_emit_ack(hub, id, LN_STR("q"), NOTHING, NULL, 0, 1000, on_answer, (void *)"b"),
              LN_OK);
    CHECK_INT(hub_emit_ack(hub, id, LN_STR("q"), NOTHING, NULL, 0, 60000, on_answer, (void *)"c"),
              LN_OK);
    web_turn(&w);
    CHECK_NEXT(&w, "420[\"q\",1]");
    CHECK_NEXT(&w, "421[\"q\"]");
    say(&w, "430 [ \"yes\", 2 ]");
    say(&w, "430[\"again\"]");  /* only the first counts */
    say(&w, "4399[\"never\"]"); /* never asked */
    loop_advance(loop, 1000);
    web_free(&w);
    loop_settle(loop, 0);
    CHECK_STR(ln_buf_get(&answers), "a: \"yes\", 2 :ok\nb::timeout\nc::disconnected\n");
    CHECK_INT(hub_emit_ack(hub, id, LN_STR("q"), NOTHING, NULL, 0, 10, on_answer, NULL),
              LN_DISCONNECTED);
    ln_buf_free(&answers);
    hub_stop();
}

TEST(asking_with_binary_values) {
    struct web w;
    struct ln_str bin = LN_STR("\x05\x06"), many[11] = {{NULL, 0}};
    start(&no_admit);
    sio_client(&w, "");
    ln_id id = seen.client;
    CHECK_INT(hub_emit_ack(hub, id, LN_STR("q"), LN_STR("{\"_placeholder\":true,\"num\":0}"), &bin,
                           1, 1000, on_answer, (void *)"a"),
              LN_OK);
    web_turn(&w);
    CHECK_NEXT(&w, "451-0[\"q\",{\"_placeholder\":true,\"num\":0}]");
    CHECK_NEXT(&w, "\x05\x06");
    web_text(&w, "461-0[{\"_placeholder\":true,\"num\":0}]");
    web_send(&w, WS_BINARY, LN_STR("\x07"));
    web_turn(&w);
    CHECK_STR(ln_buf_get(&answers), "\x07"
                                    "a:{\"_placeholder\":true,\"num\":0}:ok\n");
    CHECK_INT(hub_emit_ack(hub, id, LN_STR("q"), NOTHING, many, 11, 1, on_answer, NULL),
              LN_INVALID);
    web_free(&w);
    ln_buf_free(&answers);
    hub_stop();
}

static bool has_namespace(void *ud, struct ln_str nsp) {
    (void)ud;
    return ln_str_is(nsp, "/asked");
}

TEST(namespaces_by_pattern_and_by_a_hook) {
    static const char *const patterns[] = {"/school-*", "/x", NULL}, *const any[] = {"*", NULL};
    struct hub_hooks hooks = no_admit;
    struct hub_opts o = test_opts();
    struct web w;
    char text[300];
    hooks.has_namespace = has_namespace;
    o.dialect = false;
    o.namespaces = patterns;
    hub_start(&o, &hooks);
    hub_line(&w, SIO);
    web_next(&w);
    say(&w, "40/school-7,");
    CHECK_FRAME(&w, "40/school-7,{\"sid\":");
    say(&w, "40/school-");
    CHECK_FRAME(&w, "40/school-,{\"sid\":");
    say(&w, "40/asked,");
    CHECK_FRAME(&w, "40/asked,{\"sid\":");
    say(&w, "40/school,");
    CHECK_NEXT(&w, "44/school,{\"message\":\"Invalid namespace\"}");
    say(&w, "40/x*,");
    CHECK_NEXT(&w, "44/x*,{\"message\":\"Invalid namespace\"}");
    /* A name that would be cut, and be somebody else's. */
    web_send(&w, WS_TEXT, LN_STR("40/school-7\0b,"));
    web_turn(&w);
    CHECK_FRAME(&w, "Invalid namespace");
    struct hub_target t = {.nsp = LN_STR("/school-7")};
    CHECK_INT(hub_emit(hub, &t, LN_STR("bell"), NOTHING, NULL, 0), 1);
    web_turn(&w);
    CHECK_NEXT(&w, "42/school-7,[\"bell\"]");
    web_free(&w);
    hub_stop();
    o.namespaces = any;
    hub_start(&o, &no_admit);
    hub_line(&w, SIO);
    web_next(&w);
    memset(text, 'n', sizeof text);
    memcpy(text, "40/", 3);
    text[202] = 0;
    say(&w, text);
    CHECK_FRAME(&w, "40/nnn");
    memcpy(text + 200, "nnn", 4); /* a byte too long */
    say(&w, text);
    CHECK_FRAME(&w, "Invalid namespace");
    for (int i = 1; i <= 100; i++) {
        snprintf(text, sizeof text, "40/%d,", i);
        say(&w, text);
        CHECK_FRAME(&w, i < 100 ? "{\"sid\":" : "44/100,{\"message\":\"too many namespaces\"}");
    }
    web_free(&w);
    hub_stop();
}

TEST(binary_both_ways) {
    struct web w;
    start(&no_admit);
    sio_client(&w, "");
    web_text(&w,
             "452-7[\"bin\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    web_send(&w, WS_BINARY, LN_STR("\x01\x02"));
    web_text(&w, "3"); /* a pong in between is fine */
    say(&w, "bAwQ=");  /* the text form of the second */
    CHECK_STR(ln_buf_get(&seen.bin), "\x01\x02\x03\x04");
    CHECK_NEXT(&w, "462-7[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    CHECK_NEXT(&w, "\x01\x02");
    CHECK_NEXT(&w, "\x03\x04");
    struct hub_target t = {.client = seen.client};
    struct ln_str bin = LN_STR("\x05");
    CHECK_INT(
        hub_emit(hub, &t, LN_STR("out"), LN_STR("{\"_placeholder\":true,\"num\":0}"), &bin, 1), 1);
    web_turn(&w);
    CHECK_NEXT(&w, "451-[\"out\",{\"_placeholder\":true,\"num\":0}]");
    CHECK_NEXT(&w, "\x05");
    web_text(&w, "451-[\"bin\",{\"_placeholder\":true,\"num\":0}]");
    say(&w, "42[\"text instead\"]");
    CHECK(w.is_eof);
    web_free(&w);
    sio_client(&w, "");
    web_send(&w, WS_BINARY, LN_STR("out of the blue"));
    web_turn(&w);
    CHECK(w.is_eof);
    web_free(&w);
    hub_stop();
}

TEST(emit_goes_where_it_should) {
    struct web w[4];
    ln_id id[4];
    struct hub_client_info info;
    start(&no_admit);
    for (int i = 0; i < 3; i++) {
        sio_client(&w[i], "");
        id[i] = seen.client;
    }
    hub_line(&w[3], SIO);
    say(&w[3], "40/chat");
    web_skip(&w[3]);
    CHECK(hub_join(hub, id[0], LN_STR("den")));
    CHECK(hub_join(hub, id[1], LN_STR("den")));
    CHECK(hub_join(hub, id[1], LN_STR("den"))); /* twice is once */
    CHECK(!hub_join(hub, id[1], LN_STR("")));
    CHECK(!hub_join(hub, 12345, LN_STR("den")));
    struct hub_target t = {.room = LN_STR("den"), .except = id[0]};
    CHECK_INT(hub_emit(hub, &t, LN_STR("room"), LN_STR("1"), NULL, 0), 1);
    t = (struct hub_target){0};
    CHECK_INT(hub_emit(hub, &t, LN_STR("all"), LN_STR("2"), NULL, 0), 3);
    t.nsp = LN_STR("/chat");
    CHECK_INT(hub_emit(hub, &t, LN_STR("chat"), LN_STR("3"), NULL, 0), 1);
    hub_client(hub, id[2], &info);
    t = (struct hub_target){.room = info.sid};
    CHECK_INT(hub_emit(hub, &t, LN_STR("you"), LN_STR("4"), NULL, 0), 1);
    t.room = LN_STR("nowhere");
    CHECK_INT(hub_emit(hub, &t, LN_STR("lost"), NOTHING, NULL, 0), 0);
    t = (struct hub_target){.client = 77};
    CHECK_INT(hub_emit(hub, &t, LN_STR("lost"), NOTHING, NULL, 0), 0);
    for (int i = 0; i < 4; i++)
        web_turn(&w[i]);
    CHECK_NEXT(&w[0], "42[\"all\",2]");
    CHECK_NONE(&w[0]);
    CHECK_NEXT(&w[1], "42[\"room\",1]");
    CHECK_NEXT(&w[1], "42[\"all\",2]");
    CHECK_NEXT(&w[2], "42[\"all\",2]");
    CHECK_NEXT(&w[2], "42[\"you\",4]");
    CHECK_NEXT(&w[3], "42/chat,[\"chat\",3]");
    size_t i = 0, members = 0;
    struct ln_str room;
    ln_id member;
    CHECK(hub_each_room(hub, &i, &room, &members));
    CHECK_STR(room, "den");
    CHECK_INT(members, 2);
    i = 0;
    CHECK(hub_each_member(hub, LN_STR("den"), &i, &member) && member == id[0]);
    CHECK(hub_each_member(hub, LN_STR("den"), &i, &member) && member == id[1]);
    CHECK(!hub_each_member(hub, LN_STR("den"), &i, &member));
    CHECK(hub_part(hub, id[0], LN_STR("den")) && !hub_part(hub, id[0], LN_STR("den")));
    CHECK(hub_part(hub, id[1], LN_STR("den")));
    i = 0;
    CHECK(!hub_each_room(hub, &i, &room, &members)); /* nobody is in it: it is gone */
    int count = 0;
    for (i = 0; hub_each_client(hub, &i, &info);)
        count++;
    CHECK_INT(count, 4);
    for (int k = 0; k < 4; k++)
        web_free(&w[k]);
    hub_stop();
}

TEST(disconnecting_clients) {
    struct web w;
    start(&no_admit);
    sio_client(&w, "");
    ln_id main_id = seen.client;
    say(&w, "40/chat");
    web_skip(&w);
    hub_disconnect(hub, seen.client, false);
    web_turn(&w);
    CHECK_NEXT(&w, "41/chat,");
    CHECK(!w.is_eof);
    say(&w, "40/chat");
    web_skip(&w);
    hub_disconnect(hub, main_id, true);
    hub_disconnect(hub, main_id, true);
    web_turn(&w);
    CHECK_NEXT(&w, "41");
    CHECK_NEXT(&w, "41/chat,");
    CHECK_INT(w.code, 1005);
    CHECK_SEEN("connect /\nconnect /chat\ndisconnect /chat removed\nconnect /chat\n"
               "disconnect / removed\ndisconnect /chat removed\n");
    web_free(&w);
    hub_stop();
}

TEST(admission_is_asked_and_may_wait) {
    struct web w;
    start(&all_hooks);
    seen.ask = true;
    hub_line(&w, SIO);
    web_next(&w);
    web_text(&w, "40{\"token\":\"bad\"}");
    say(&w, "40{\"token\":\"bad\"}"); /* asked twice, answered once */
    CHECK_SEEN("admit / {\"token\":\"bad\"} host\n");
    CHECK_NONE(&w);
    hub_admit(hub, seen.ticket, false, "not authorized", LN_STR("{\"code\":\"E\"}"));
    hub_admit(hub, seen.ticket, true, NULL, NOTHING); /* too late */
    web_turn(&w);
    CHECK_NEXT(&w, "44{\"message\":\"not authorized\",\"data\":{\"code\":\"E\"}}");
    CHECK_NONE(&w);
    say(&w, "40/chat,{\"token\":\"good\"}");
    hub_admit(hub, seen.ticket, true, NULL, NOTHING);
    web_turn(&w);
    CHECK_FRAME(&w, "40/chat,{\"sid\":");
    CHECK_SEEN("admit /chat {\"token\":\"good\"} host\nconnect /chat\n");
    say(&w, "40");
    ln_id ticket = seen.ticket;
    web_free(&w); /* gone while somebody thinks */
    loop_settle(loop, 0);
    hub_admit(hub, ticket, true, NULL, NOTHING);
    CHECK_SEEN("admit / {} host\ndisconnect /chat closed\n");
    seen.ask = false;
    sio_client(&w, "");
    seen.ask = true;
    say(&w, "40/chat"); /* never answered */
    loop_advance(loop, 25000);
    web_turn(&w);
    say(&w, "3");
    loop_advance(loop, 20000);
    web_turn(&w);
    CHECK_NEXT(&w, "2");
    CHECK_NEXT(&w, "44/chat,{\"message\":\"timeout\"}");
    web_free(&w);
    hub_stop();
}

TEST(heartbeat_and_half_open_lines) {
    struct web w, dead;
    start(&no_admit);
    sio_client(&w, "");
    sio_client(&dead, "");
    for (int i = 0; i < 3; i++) {
        loop_advance(loop, 25000);
        web_turn(&w);
        CHECK_NEXT(&w, "2");
        say(&w, "3");
    }
    web_turn(&dead);
    CHECK(dead.is_eof);
    CHECK(!w.is_eof);
    CHECK_SEEN("connect /\nconnect /\ndisconnect / lost\n");
    loop_advance(loop, 25000); /* any packet gives a line that owes a pong more time, but once */
    web_turn(&w);
    CHECK_NEXT(&w, "2");
    loop_advance(loop, 19000);
    say(&w, "42[\"busy\"]");
    loop_advance(loop, 19000);
    say(&w, "42[\"busy\"]");
    CHECK(!w.is_eof);
    loop_advance(loop, 1001);
    web_turn(&w);
    CHECK(w.is_eof);
    web_free(&w);
    web_free(&dead);
    hub_stop();
}

TEST(a_line_that_joins_nothing_is_closed) {
    struct web w, left;
    start(&no_admit);
    sio_client(&left, "");
    say(&left, "41");
    hub_line(&w, SIO);
    loop_advance(loop, 44000);
    web_turn(&w);
    CHECK(!w.is_eof);
    say(&w, "3");
    say(&left, "3");
    loop_advance(loop, 1000);
    web_turn(&w);
    web_turn(&left);
    CHECK(w.is_eof);
    CHECK(!left.is_eof);
    web_free(&w);
    web_free(&left);
    hub_stop();
}

TEST(closing_the_hub_ends_its_clients) {
    struct web w;
    start(&no_admit);
    sio_client(&w, "");
    hub_emit_ack(hub, seen.client, LN_STR("q"), NOTHING, NULL, 0, 60000, on_answer, (void *)"x");
    hub_close(hub, on_hub_done, NULL);
    web_turn(&w);
    CHECK_INT(w.code, 1001);
    CHECK_STR(ln_buf_get(&answers), "x::disconnected\n");
    CHECK_SEEN("connect /\ndisconnect / closed\n");
    loop_advance(loop, 200);
    web_free(&w);
    ln_buf_free(&answers);
    hub_gone();
}

TEST_MAIN(T(handshake_tells_the_limits), T(namespaces_live_side_by_side),
          T(what_breaks_the_protocol_closes_the_line), T(an_event_before_its_connect_closes),
          T(engine_packets_that_mean_nothing_are_ignored), T(acks_and_names), T(asking_a_client),
          T(asking_with_binary_values), T(namespaces_by_pattern_and_by_a_hook), T(binary_both_ways),
          T(emit_goes_where_it_should), T(disconnecting_clients),
          T(admission_is_asked_and_may_wait), T(heartbeat_and_half_open_lines),
          T(a_line_that_joins_nothing_is_closed), T(closing_the_hub_ends_its_clients))
