/* SPDX-License-Identifier: MIT
 *
 * Plain JSON over WebSocket: requests and answers, what comes to a client of either protocol, what
 * is no such frame, and the heartbeat.
 */
#include "hubclient.h"

static void start(void) {
    struct hub_opts o = test_opts();
    hub_start(&o, &no_admit);
}

TEST(who_one_is_comes_from_the_query) {
    struct web w;
    start();
    hub_line(&w, "/ws?name=K%C3%A5re+%26%20co&id=u%2B7");
    CHECK_FRAME(&w, "\"user\":{\"id\":\"u+7\",\"name\":\"K\xc3\xa5re & co\"},\"server\":{\"name\":"
                    "\"linnet\",\"version\":\"" LN_VERSION "\"}}}");
    web_free(&w);
    loop_settle(loop, 0);
    raw_client(&w, "");
    struct hub_client_info info = {0};
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(info.user_name, "guest-1");
    CHECK_STR(info.protocol, "ws");
    web_free(&w);
    hub_line(&w, "/ws?name=%zz&id=%ff"); /* what is no text counts as none */
    CHECK_FRAME(&w, "\"name\":\"%zz\"");
    web_free(&w);
    hub_stop();
}

TEST(both_protocols_meet_in_a_room) {
    struct web raw, sio;
    start();
    raw_client(&raw, "?name=ada&id=u1");
    sio_client(&sio, "{\"name\":\"bo\",\"id\":\"u2\"}");
    say(&raw, "{\"event\":\"join\",\"data\":{\"room\":\"lobby\"},\"ack\":1}");
    CHECK_FRAME(&raw,
                "{\"ack\":1,\"data\":{\"ok\":true,\"room\":\"lobby\",\"members\":[{\"id\":\"u1\"");
    say(&sio, "421[\"join\",{\"room\":\"lobby\"}]");
    CHECK_FRAME(&sio, "431[{\"ok\":true");
    web_turn(&raw);
    CHECK_FRAME(&raw, "{\"event\":\"presence\",\"data\":{\"kind\":\"join\"");
    say(&raw, "{\"data\":{\"room\":\"lobby\",\"text\":\"hi\"},\"event\":\"message\"}");
    CHECK_NONE(&raw);
    web_turn(&sio);
    CHECK_FRAME(&sio, "42[\"message\",{\"id\":\"");
    say(&sio, "42[\"message\",{\"room\":\"lobby\",\"text\":\"ho\"}]");
    web_turn(&raw);
    CHECK_FRAME(&raw, "{\"event\":\"message\",\"data\":{\"id\":\"");
    web_free(&raw);
    web_free(&sio);
    hub_stop();
}

TEST(own_events_answers_and_arguments) {
    struct web w;
    start();
    raw_client(&w, "");
    say(&w, "{\"event\":\"own\",\"data\":[1,2],\"ack\":0}");
    CHECK_NEXT(&w, "{\"ack\":0,\"data\":[1,2]}");
    say(&w, "{\"event\":\"own\",\"ack\":9}");
    CHECK_NEXT(&w, "{\"ack\":9}");
    say(&w, "{\"event\":\"own\",\"args\":[1, [2] ],\"data\":3,\"ack\":10}");
    CHECK_NEXT(&w, "{\"ack\":10,\"args\":[1, [2] ]}");
    say(&w, "{\"event\":\"own\",\"args\":[ ],\"ack\":11}");
    CHECK_NEXT(&w, "{\"ack\":11}");
    say(&w, "{\"event\":\"\\u0061b\",\"data\":null,\"ack\":null}");
    CHECK_SEEN("connect /\nevent / own([1,2]) bin 0 ack 0\nevent / own() bin 0 ack 9\n"
               "event / own(1, [2] ) bin 0 ack 10\nevent / own() bin 0 ack 11\n"
               "event / ab(null) bin 0 ack -1\n");
    struct hub_target t = {.client = seen.client};
    CHECK_INT(hub_emit(hub, &t, LN_STR("a"), NOTHING, NULL, 0), 1);
    CHECK_INT(hub_emit(hub, &t, LN_STR("b"), LN_STR("{\"c\":1}"), NULL, 0), 1);
    CHECK_INT(hub_emit(hub, &t, LN_STR("c"), LN_STR("1,[2]"), NULL, 0), 1);
    web_turn(&w);
    CHECK_NEXT(&w, "{\"event\":\"a\"}");
    CHECK_NEXT(&w, "{\"event\":\"b\",\"data\":{\"c\":1}}");
    CHECK_NEXT(&w, "{\"event\":\"c\",\"args\":[1,[2]]}");
    CHECK_NONE(&w);
    web_free(&w);
    hub_stop();
}

/* Frames are text: bytes stand in the arguments. */
TEST(bytes_come_as_base64) {
    struct web raw, sio;
    struct ln_str bin = LN_STR("\x01\x02");
    struct hub_target t = {0};
    start();
    sio_client(&sio, "");
    raw_client(&raw, "");
    const char *args = "\"a\",{\"file\":{\"_placeholder\":true,\"num\":0}}";
    CHECK_INT(hub_emit(hub, &t, LN_STR("up"), ln_str(args), &bin, 1), 2);
    web_turn(&sio);
    web_turn(&raw);
    CHECK_NEXT(&raw, "{\"event\":\"up\",\"args\":[\"a\",{\"file\":{\"_binary\":\"AQI=\"}}]}");
    CHECK_FRAME(&sio, "451-[\"up\",\"a\",{\"file\":{\"_placeholder\":true,\"num\":0}}]");
    CHECK_NEXT(&sio, "\x01\x02");
    say(&raw, "{\"event\":\"own\",\"data\":{\"_binary\":\"AQI=\"},\"ack\":1}");
    CHECK_NEXT(&raw, "{\"ack\":1,\"data\":{\"_binary\":\"AQI=\"}}"); /* coming in it is data */
    hub_ack(hub, seen.client, 2, LN_STR("{\"_placeholder\":true,\"num\":0}"), &bin, 1);
    web_turn(&raw);
    CHECK_NEXT(&raw, "{\"ack\":2,\"data\":{\"_binary\":\"AQI=\"}}");
    web_free(&raw);
    web_free(&sio);
    hub_stop();
}

static struct ln_buf answers;

static void on_answer(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                      const struct ln_err *err) {
    for (size_t i = 0; i < bin_count; i++)
        ln_buf_str(&answers, bin[i]);
    (void)ud;
    ln_buf_fmt(&answers, "%.*s:%s\n", LN_FMT(args), err ? ln_status_name(err->code) : "ok");
}

TEST(asking_a_client) {
    struct web w;
    start();
    raw_client(&w, "");
    hub_emit_ack(hub, seen.client, LN_STR("q"), LN_STR("5"), NULL, 0, 1000, on_answer, NULL);
    web_turn(&w);
    CHECK_NEXT(&w, "{\"event\":\"q\",\"data\":5,\"ack\":0}");
    say(&w, "{\"ack\":0,\"data\":{\"yes\":true}}");
    say(&w, "{\"ack\":0,\"data\":1}");
    CHECK_STR(ln_buf_get(&answers), "{\"yes\":true}:ok\n");
    struct ln_str bin = LN_STR("x");
    hub_emit_ack(hub, seen.client, LN_STR("q"), LN_STR("{\"_placeholder\":true,\"num\":0}"), &bin,
                 1, 1000, on_answer, NULL);
    web_turn(&w);
    CHECK_NEXT(&w, "{\"event\":\"q\",\"data\":{\"_binary\":\"eA==\"},\"ack\":1}");
    CHECK_NONE(&w);
    ln_buf_free(&answers);
    web_free(&w);
    hub_stop();
}

TEST(what_is_no_frame_of_ours_is_told_so) {
    static const char *const bad[] = {"hello",
                                      "",
                                      "[]",
                                      "42",
                                      "{",
                                      "{\"event\":\"x\"",
                                      "{}",
                                      "{\"event\":7}",
                                      "{\"event\":\"\"}",
                                      "{\"event\":\"x\",\"ack\":-1}",
                                      "{\"event\":\"x\",\"ack\":1.5}",
                                      "{\"event\":\"x\",\"ack\":\"1\"}",
                                      "{\"event\":\"x\",\"ack\":99999999999999999999}",
                                      "{\"event\":\"\\ud800\"}",
                                      "{\"event\":\"x\"} trailing",
                                      "{\"data\":1}"};
    struct web w;
    start();
    raw_client(&w, "");
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        say(&w, bad[i]);
        CHECK_FRAME(&w, "{\"event\":\"error\",\"data\":{\"code\":\"invalid\",\"message\":\"");
    }
    CHECK(!w.is_eof);
    CHECK_SEEN("connect /\n");
    web_send(&w, WS_BINARY, LN_STR("{}"));
    web_turn(&w);
    CHECK_INT(w.code, 1003);
    web_free(&w);
    hub_stop();
}

TEST(heartbeat_by_pings) {
    struct web w, dead;
    start();
    raw_client(&w, "");
    raw_client(&dead, "");
    loop_advance(loop, 25000);
    web_turn(&w);
    CHECK_INT(w.pings, 1);
    web_send(&w, WS_PONG, LN_STR(""));
    web_turn(&w);
    loop_advance(loop, 20000);
    web_turn(&dead);
    web_turn(&w);
    CHECK(dead.is_eof);
    CHECK(!w.is_eof);
    CHECK_SEEN("connect /\nconnect /\ndisconnect / lost\n");
    loop_advance(loop, 5000);
    say(&w, "{\"event\":\"alive\"}"); /* any frame proves it */
    loop_advance(loop, 24999);
    web_turn(&w);
    CHECK(!w.is_eof);
    web_free(&w);
    web_free(&dead);
    hub_stop();
}

TEST(what_comes_before_the_session_is_kept) {
    struct web w;
    char *big = ln_alloc(70000);
    struct hub_opts o = test_opts();
    hub_start(&o, &all_hooks);
    seen.ask = true;
    hub_line(&w, "/ws");
    say(&w, "{\"event\":\"join\",\"data\":{\"room\":\"lobby\"},\"ack\":1}");
    say(&w, "{\"event\":\"own\",\"args\":[1,2]}");
    snprintf(big, 70000, "{\"event\":\"%066000d\"}", 0);
    say(&w, big); /* one too many */
    CHECK_FRAME(&w, "\"message\":\"wait for the session first\"");
    hub_admit(hub, seen.ticket, true, NULL, NOTHING);
    web_turn(&w);
    CHECK_FRAME(&w, "{\"event\":\"session\"");
    CHECK_FRAME(&w, "{\"ack\":1,\"data\":{\"ok\":true,\"room\":\"lobby\"");
    CHECK_SEEN("admit / {} host\nconnect /\nevent / join({\"room\":\"lobby\"}) bin 0 ack -1\n"
               "event / own(1,2) bin 0 ack -1\n");
    ln_free(big);
    web_free(&w);
    hub_stop();
}

TEST(refused_lines_hear_why) {
    struct web w;
    struct hub_opts o = test_opts();
    hub_start(&o, &all_hooks);
    seen.ask = true;
    hub_line(&w, "/ws?token=secret");
    CHECK_SEEN("admit / {\"token\":\"secret\"} host\n");
    say(&w, "{\"event\":\"early\"}"); /* kept, and of no use */
    CHECK_NONE(&w);
    hub_admit(hub, seen.ticket, false, "who are you?", NOTHING);
    web_turn(&w);
    CHECK_NEXT(&w, "{\"event\":\"error\",\"data\":{\"code\":\"unauthorized\",\"message\":\"who are "
                   "you?\"}}");
    CHECK_INT(w.code, 1008);
    web_free(&w);
    hub_stop();
}

TEST_MAIN(T(who_one_is_comes_from_the_query), T(both_protocols_meet_in_a_room),
          T(own_events_answers_and_arguments), T(bytes_come_as_base64), T(asking_a_client),
          T(what_is_no_frame_of_ours_is_told_so), T(heartbeat_by_pings),
          T(what_comes_before_the_session_is_kept), T(refused_lines_hear_why))
