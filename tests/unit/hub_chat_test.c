/* SPDX-License-Identifier: MIT
 *
 * The `linnet` dialect, exactly as docs/hub.md has it: every request with its answer and with what
 * the others get, over both protocols, and every refusal.
 */
#include "hubclient.h"

#include "base/json.h"
#include "base/log.h"

static void start(void) {
    struct hub_opts o = test_opts();
    o.trace = true;
    o.history = 3;
    hub_start(&o, &no_admit);
}

/* Asks over Socket.IO with ack 1; the answer is the next frame. */
static void ask(struct web *w, const char *name, const char *arg) {
    struct ln_buf b = {0};
    ln_buf_fmt(&b, "421[\"%s\"%s%s]", name, *arg ? "," : "", arg);
    say(w, ln_buf_cstr(&b));
    ln_buf_free(&b);
}

#define OK(w) CHECK_FRAME(w, "431[{\"ok\":true")
#define REFUSED(w, code) CHECK_FRAME(w, "431[{\"ok\":false,\"error\":{\"code\":\"" code "\",")

static void pair_in_lobby(struct web *a, struct web *b) {
    start();
    sio_client(a, "{\"name\":\"ada\",\"id\":\"u1\"}");
    sio_client(b, "{\"name\":\"bo\",\"id\":\"u2\"}");
    ask(a, "join", "{\"room\":\"lobby\"}");
    ask(b, "join", "{\"room\":\"lobby\"}");
    web_turn(a);
    web_skip(a);
    web_skip(b);
}

static void end(struct web *a, struct web *b) {
    web_free(a);
    web_free(b);
    hub_stop();
}

#define ADA "{\"id\":\"u1\",\"name\":\"ada\"}"
#define MEMBER(id, name, status, text, connections)                                                \
    "{\"id\":\"" id "\",\"name\":\"" name "\",\"status\":\"" status "\",\"text\":\"" text          \
    "\",\"last_seen\":1700000000.000,\"connections\":" connections "}"

TEST(session_says_who_one_is) {
    struct web w;
    struct hub_client_info info;
    start();
    hub_line(&w, SIO);
    say(&w, "40{\"name\":\"kari\",\"id\":\"u7\"}");
    CHECK_FRAME(&w, "0{");
    CHECK_FRAME(&w, "40{\"sid\":");
    CHECK_FRAME(&w, "\",\"user\":{\"id\":\"u7\",\"name\":\"kari\"},\"server\":{\"name\":\"linnet\","
                    "\"version\":\"" LN_VERSION "\"}}]");
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(info.user_id, "u7");
    CHECK_STR(info.user_name, "kari");
    web_free(&w);
    static const char *const nameless[] = {"",
                                           "{\"name\":\"\"}",
                                           "{\"name\":\"a\\u0007b\"}",
                                           "{\"name\":\"   \"}",
                                           "{\"name\":[]}",
                                           "{\"id\":{}}"};
    for (size_t i = 0; i < LN_COUNT(nameless); i++) {
        char want[20];
        sio_client(&w, nameless[i]);
        CHECK(hub_client(hub, seen.client, &info));
        snprintf(want, sizeof want, "guest-%d", (int)i + 1);
        CHECK_STR(info.user_name, want);
        CHECK(ln_str_starts(info.user_id, "g-"));
        web_free(&w);
    }
    sio_client(&w, "{\"id\":42,\"name\":\"n\"}");
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(info.user_id, "42");
    web_free(&w);
    hub_stop();
}

TEST(join_and_leave) {
    struct web a, b;
    start();
    sio_client(&a, "{\"name\":\"ada\",\"id\":\"u1\"}");
    sio_client(&b, "{\"name\":\"bo\",\"id\":\"u2\"}");
    ask(&a, "join", "{\"room\":\"lobby\"}");
    CHECK_NEXT(&a, "431[{\"ok\":true,\"room\":\"lobby\",\"members\":[" MEMBER(
                       "u1", "ada", "online", "", "1") "],\"history\":[],\"created\":true}]");
    ask(&b, "join", "{\"room\":\"lobby\"}");
    CHECK_NEXT(&b, "431[{\"ok\":true,\"room\":\"lobby\",\"members\":[" MEMBER(
                       "u1", "ada", "online", "",
                       "1") "," MEMBER("u2", "bo", "online", "",
                                       "1") "],\"history\":[],\"created\":false}]");
    web_turn(&a);
    CHECK_NEXT(&a, "42[\"presence\",{\"kind\":\"join\",\"room\":\"lobby\",\"member\":" MEMBER(
                       "u2", "bo", "online", "", "1") "}]");
    ask(&b, "join", "{\"room\":\"lobby\"}"); /* again: the same answer, no news */
    OK(&b);
    web_turn(&a);
    CHECK_NONE(&a);
    ask(&b, "rooms", "");
    CHECK_NEXT(&b, "431[{\"ok\":true,\"rooms\":[{\"name\":\"lobby\",\"members\":2}]}]");
    ask(&b, "leave", "{\"room\":\"lobby\"}");
    CHECK_NEXT(&b, "431[{\"ok\":true}]");
    web_turn(&a);
    CHECK_NEXT(&a, "42[\"presence\",{\"kind\":\"leave\",\"room\":\"lobby\",\"member\":" MEMBER(
                       "u2", "bo", "online", "", "1") ",\"reason\":\"left\"}]");
    ask(&b, "leave", "{\"room\":\"lobby\"}");
    REFUSED(&b, "forbidden");
    ask(&a, "leave", "{\"room\":\"lobby\"}");
    OK(&a);
    ask(&a, "rooms", "{}");
    CHECK_NEXT(&a, "431[{\"ok\":true,\"rooms\":[]}]");
    end(&a, &b);
}

TEST(messages_pass_on_what_they_carry) {
    struct web a, b;
    pair_in_lobby(&a, &b);
    ask(&a, "message",
        "{\"temp_id\":7,\"text\":\"hi \\u00e9\",\"room\":\"lobby\",\"x\":{\"deep\":[1.50,1e3]},"
        "\"id\":\"forged\",\"s\\u0065nder\":{\"id\":\"boss\"},\"time\":1,\"type\":\"note\"}");
    CHECK_NEXT(&a, "431[{\"ok\":true,\"id\":\"18bcfe56800-1\",\"time\":1700000000.000}]");
    web_turn(&b);
    CHECK_NEXT(&b, "42[\"message\",{\"id\":\"18bcfe56800-1\",\"room\":\"lobby\","
                   "\"text\":\"hi \\u00e9\",\"type\":\"note\",\"time\":1700000000.000,"
                   "\"sender\":" ADA ",\"temp_id\":7,\"x\":{\"deep\":[1.50,1e3]}}]");
    CHECK_NONE(&a); /* not its own */
    say(&a, "42[\"message\",{\"room\":\"lobby\",\"text\":\"no answer wanted\"}]");
    CHECK_NONE(&a);
    web_turn(&b);
    CHECK_FRAME(&b, "\"text\":\"no answer wanted\",\"type\":\"text\"");
    ask(&a, "message", "{\"room\":\"lobby\",\"type\":\"image\",\"url\":\"u\"}");
    OK(&a);
    web_turn(&b);
    CHECK_FRAME(&b, "\"text\":\"\",\"type\":\"image\",\"time\":1700000000.000,\"sender\":" ADA
                    ",\"url\":\"u\"}]");
    end(&a, &b);
}

TEST(refusals_have_codes_and_words) {
    static const struct {
        const char *name, *arg, *code;
    } cases[] = {
        {"join", "", "invalid"},
        {"join", "\"lobby\"", "invalid"},
        {"join", "{}", "invalid"},
        {"join", "{\"room\":7}", "invalid"},
        {"join", "{\"room\":\"\"}", "invalid"},
        {"join", "{\"room\":\"  \"}", "invalid"},
        {"join", "{\"room\":\"a\\nb\"}", "invalid"},
        {"join", "{\"room\":\"a\\u202eb\"}", "invalid"},
        {"join", "{\"room\":\"a\\u0085b\"}", "invalid"},
        {"join", "{\"room\":\"\\ud800\"}", "invalid"},
        {"join",
         "{\"room\":\"0123456789012345678901234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890\"}",
         "invalid"},
        {"join", "{\"room\":\"x\"", "invalid"},
        {"join", "{\"room\":\"x\"}}", "invalid"},
        {"message", "{\"room\":\"lobby\"}", "invalid"},
        {"message", "{\"room\":\"lobby\",\"text\":\"\"}", "invalid"},
        {"message", "{\"room\":\"lobby\",\"text\":7}", "invalid"},
        {"message", "{\"room\":\"lobby\",\"text\":\"x\",\"type\":7}", "invalid"},
        {"message", "{\"room\":\"lobby\",\"text\":\"x\",\"type\":\"\"}", "invalid"},
        {"message", "{\"room\":\"elsewhere\",\"text\":\"x\"}", "forbidden"},
        {"typing", "{\"room\":\"lobby\",\"on\":1}", "invalid"},
        {"typing", "{\"room\":\"elsewhere\"}", "forbidden"},
        {"read", "{\"room\":\"lobby\"}", "invalid"},
        {"read", "{\"room\":\"lobby\",\"ids\":\"a\"}", "invalid"},
        {"read", "{\"room\":\"lobby\",\"ids\":[[]]}", "invalid"},
        {"presence", "{\"status\":\"dancing\"}", "invalid"},
        {"presence", "{\"text\":\"a\\u0000\"}", "invalid"},
        {"history", "{\"room\":\"lobby\",\"n\":-1}", "invalid"},
        {"history", "{\"room\":\"elsewhere\"}", "forbidden"},
        {"name", "{\"name\":\"\"}", "invalid"},
        {"name", "{}", "invalid"},
        {"name", "{\"name\":\"01234567890123456789012345678901234567890123456789x\"}", "invalid"},
    };
    struct web a, b;
    pair_in_lobby(&a, &b);
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        char want[100];
        ask(&a, cases[i].name, cases[i].arg);
        snprintf(want, sizeof want, "431[{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"",
                 cases[i].code);
        CHECK_FRAME(&a, want);
    }
    web_text(&a, "451-1[\"message\",{\"room\":\"lobby\",\"text\":\"x\","
                 "\"f\":{\"_placeholder\":true,\"num\":0}}]");
    web_send(&a, WS_BINARY, LN_STR("file"));
    web_turn(&a);
    REFUSED(&a, "invalid");
    say(&a, "42[\"join\",{}]"); /* nobody waits for the answer: an event says it */
    CHECK_NEXT(&a, "42[\"error\",{\"code\":\"invalid\",\"message\":\"\\\"room\\\" must be a room's "
                   "name\"}]");
    web_turn(&b);
    CHECK_NONE(&b);
    CHECK_SEEN("connect /\nconnect /\nevent / join({\"room\":\"lobby\"}) bin 0 ack -1\n"
               "event / join({\"room\":\"lobby\"}) bin 0 ack -1\n"); /* none of the refused ones */
    end(&a, &b);
}

TEST(typing_read_and_presence) {
    struct web a, b;
    pair_in_lobby(&a, &b);
    say(&a, "42[\"typing\",{\"room\":\"lobby\",\"on\":true}]");
    say(&a, "42[\"typing\",{\"room\":\"lobby\",\"on\":false}]");
    ask(&a, "read", "{\"room\":\"lobby\",\"ids\":[\"m1\",2]}");
    OK(&a);
    web_turn(&b);
    CHECK_NEXT(&b, "42[\"typing\",{\"room\":\"lobby\",\"user\":" ADA ",\"on\":true}]");
    CHECK_NEXT(&b, "42[\"typing\",{\"room\":\"lobby\",\"user\":" ADA ",\"on\":false}]");
    CHECK_NEXT(&b, "42[\"read\",{\"room\":\"lobby\",\"user\":" ADA ",\"ids\":[\"m1\",2]}]");
    ask(&a, "join", "{\"room\":\"two\"}");
    OK(&a);
    ask(&b, "join", "{\"room\":\"two\"}");
    OK(&b);
    web_turn(&a);
    web_skip(&a);
    ask(&a, "presence", "{\"status\":\"busy\",\"text\":\"lunch\"}");
    CHECK_NEXT(&a, "431[{\"ok\":true,\"member\":" MEMBER("u1", "ada", "busy", "lunch", "1") "}]");
    web_turn(&b);
    CHECK_NEXT(&b, "42[\"presence\",{\"kind\":\"update\",\"member\":" MEMBER("u1", "ada", "busy",
                                                                             "lunch", "1") "}]");
    CHECK_NONE(&b); /* once, though two rooms are shared */
    ask(&a, "presence", "{\"text\":null}");
    CHECK_FRAME(&a, MEMBER("u1", "ada", "busy", "", "1"));
    ask(&a, "name", "{\"name\":\"Ada L.\"}");
    CHECK_NEXT(&a, "431[{\"ok\":true,\"user\":{\"id\":\"u1\",\"name\":\"Ada L.\"}}]");
    web_turn(&b);
    CHECK_FRAME(&b, "\"kind\":\"update\"");
    CHECK_FRAME(&b, MEMBER("u1", "Ada L.", "busy", "", "1"));
    end(&a, &b);
}

TEST(history_is_kept_and_ends) {
    struct web a, b;
    pair_in_lobby(&a, &b);
    ask(&a, "join", "{\"room\":\"quiet\"}"); /* without a message: gone with its last member */
    ask(&a, "leave", "{\"room\":\"quiet\"}");
    for (int i = 1; i <= 5; i++) {
        char m[80];
        snprintf(m, sizeof m, "{\"room\":\"lobby\",\"text\":\"m%d\"}", i);
        ask(&a, "message", m);
    }
    web_skip(&a);
    ask(&a, "history", "{\"room\":\"lobby\",\"n\":2}");
    struct ln_str got = web_next(&a);
    CHECK(!memmem(got.p, got.n, "m3", 2));
    CHECK(memmem(got.p, got.n, "m4", 2) && memmem(got.p, got.n, "m5", 2));
    ask(&a, "history", "{\"room\":\"lobby\"}");
    got = web_next(&a); /* the ring holds three */
    CHECK(memmem(got.p, got.n, "m3", 2) && !memmem(got.p, got.n, "m2", 2));
    ask(&a, "leave", "{\"room\":\"lobby\"}");
    ask(&b, "leave", "{\"room\":\"lobby\"}");
    size_t i = 0, members;
    struct ln_str room;
    CHECK(hub_each_room(hub, &i, &room, &members)); /* empty, with its history */
    CHECK_STR(room, "lobby");
    for (int k = 0; k < 20; k++) {
        loop_advance(loop, 25000);
        web_turn(&a);
        say(&a, "3");
    }
    web_skip(&a);
    ask(&a, "join", "{\"room\":\"lobby\"}");
    got = web_next(&a);
    CHECK(memmem(got.p, got.n, "m5", 2) && memmem(got.p, got.n, "\"created\":false", 15));
    ask(&a, "leave", "{\"room\":\"lobby\"}");
    loop_advance(loop, 10 * 60 * 1000);
    i = 0;
    CHECK(!hub_each_room(hub, &i, &room, &members));
    end(&a, &b);
}

TEST(leaving_by_every_way_has_its_reason) {
    struct web a, b, c;
    pair_in_lobby(&a, &b);
    web_free(&b); /* the socket goes */
    loop_advance(loop, 1999);
    web_turn(&a);
    CHECK_NONE(&a);
    loop_advance(loop, 1);
    web_turn(&a);
    CHECK_NEXT(&a, "42[\"presence\",{\"kind\":\"leave\",\"room\":\"lobby\",\"member\":{\"id\":"
                   "\"u2\",\"name\":\"bo\",\"status\":\"online\",\"text\":\"\",\"last_seen\":"
                   "1700000000.000,\"connections\":0},\"reason\":\"closed\"}]");
    sio_client(&b, "{\"name\":\"bo\",\"id\":\"u2\"}");
    ask(&b, "join", "{\"room\":\"lobby\"}");
    web_skip(&b);
    say(&b, "41"); /* a client's disconnect() */
    loop_advance(loop, 2000);
    web_turn(&a);
    CHECK_FRAME(&a, "\"kind\":\"join\"");
    CHECK_FRAME(&a, "\"reason\":\"left\"");
    say(&b, "40{\"name\":\"bo\",\"id\":\"u2\"}");
    ask(&b, "join", "{\"room\":\"lobby\"}");
    hub_part(hub, seen.client, LN_STR("lobby"));
    web_turn(&b);
    CHECK(web_has(&b, "\"kind\":\"leave\",\"room\":\"lobby\",\"member\":{\"id\":\"u2\""));
    web_turn(&a);
    CHECK_FRAME(&a, "\"kind\":\"join\"");
    CHECK_FRAME(&a, "\"reason\":\"removed\"");
    ask(&b, "join", "{\"room\":\"lobby\"}");
    web_text(&b, "4garbage");
    loop_advance(loop, 2000);
    web_turn(&a);
    CHECK_FRAME(&a, "\"kind\":\"join\"");
    CHECK_FRAME(&a, "\"reason\":\"error\"");
    sio_client(&c, ""); /* a guest cannot come back: no grace */
    ask(&c, "join", "{\"room\":\"lobby\"}");
    web_free(&c);
    loop_settle(loop, 0);
    web_turn(&a);
    CHECK_FRAME(&a, "\"kind\":\"join\"");
    CHECK_FRAME(&a, "\"reason\":\"closed\"");
    web_free(&b);
    sio_client(&b, "{\"name\":\"bo\",\"id\":\"u2\"}");
    ask(&b, "join", "{\"room\":\"lobby\"}");
    loop_advance(loop, 20000);
    for (int i = 0; i < 2; i++) { /* only ada answers */
        loop_advance(loop, 12000);
        web_turn(&a);
        say(&a, "3");
    }
    loop_advance(loop, 12000);
    web_turn(&a);
    CHECK(web_has(&a, "\"reason\":\"lost\""));
    end(&a, &b);
}

TEST(who_comes_back_in_time_neither_left_nor_joined) {
    struct web a, b;
    pair_in_lobby(&a, &b);
    web_free(&b);
    loop_advance(loop, 1500);
    sio_client(&b, "{\"name\":\"bo\",\"id\":\"u2\"}");
    ask(&b, "join", "{\"room\":\"lobby\"}");
    OK(&b);
    loop_advance(loop, 5000);
    web_turn(&a);
    CHECK_NONE(&a);
    web_free(&b);
    loop_advance(loop, 1000);
    sio_client(&b, "{\"name\":\"Bob\",\"id\":\"u2\"}"); /* back under an other name */
    web_turn(&a);
    CHECK_FRAME(&a, "{\"kind\":\"update\",\"member\":{\"id\":\"u2\",\"name\":\"Bob\"");
    end(&a, &b);
}

static int warnings;

static void count_warning(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                          const struct ln_log_field *fields, size_t n) {
    (void)ud;
    (void)tag;
    (void)fields;
    (void)n;
    if (level == LN_WARN && memmem(msg.p, msg.n, "claim one id", 12)) warnings++;
}

TEST(one_id_on_two_lines_is_one_member) {
    struct web a, b, b2, b3;
    pair_in_lobby(&a, &b);
    warnings = 0;
    ln_log_to(count_warning, NULL);
    sio_client(&b2, "{\"name\":\"mallory\",\"id\":\"u2\"}");
    sio_client(&b3, "{\"name\":\"mallory\",\"id\":\"u2\"}");
    ln_log_to(NULL, NULL);
    CHECK_INT(warnings, 1);
    web_free(&b3);
    loop_settle(loop, 0);
    ask(&b2, "join", "{\"room\":\"lobby\"}");
    CHECK_FRAME(&b2, MEMBER("u2", "bo", "online", "", "2"));
    web_turn(&a);
    CHECK_FRAME(&a, "\"kind\":\"update\"");
    CHECK(!web_has(&a, "\"kind\":\"join\""));
    web_skip(&a);
    ask(&b2, "message", "{\"room\":\"lobby\",\"text\":\"from the other window\"}");
    web_turn(&b);
    CHECK(web_has(&b, "from the other window"));
    web_free(&b);
    loop_advance(loop, 5000);
    web_turn(&a);
    CHECK_FRAME(&a, "from the other window");
    CHECK_FRAME(&a, "{\"kind\":\"update\",\"member\":{\"id\":\"u2\"");
    CHECK_NONE(&a); /* the other line is still there */
    web_free(&b2);
    loop_advance(loop, 5000);
    web_turn(&a);
    CHECK_FRAME(&a, "\"kind\":\"leave\"");
    web_free(&a);
    hub_stop();
}

TEST(scripts_hear_of_what_the_dialect_took) {
    struct web a, b;
    pair_in_lobby(&a, &b);
    CHECK_SEEN("connect /\nconnect /\nevent / join({\"room\":\"lobby\"}) bin 0 ack -1\n"
               "event / join({\"room\":\"lobby\"}) bin 0 ack -1\n");
    ask(&a, "own", "[1]"); /* nothing of the dialect's: the script answers */
    CHECK_NEXT(&a, "431[[1]]");
    CHECK_SEEN("event / own([1]) bin 0 ack 1\n");
    end(&a, &b);
}

TEST(joining_has_limits) {
    struct web a;
    struct hub_opts o = test_opts();
    o.max_rooms = 102;
    o.rate_burst = 1000;
    hub_start(&o, &no_admit);
    sio_client(&a, "");
    for (int i = 0; i < 100; i++) {
        char room[30];
        snprintf(room, sizeof room, "{\"room\":\"r%d\"}", i);
        ask(&a, "join", room);
        OK(&a);
    }
    ask(&a, "join", "{\"room\":\"one more\"}");
    REFUSED(&a, "full");
    ask(&a, "message", "{\"room\":\"r0\",\"text\":\"x\"}");
    ask(&a, "leave", "{\"room\":\"r0\"}"); /* stays as an empty one, with history */
    web_free(&a);
    sio_client(&a, "");
    for (int i = 0; i < 3; i++) {
        char room[30];
        snprintf(room, sizeof room, "{\"room\":\"s%d\"}", i);
        ask(&a, "join", room);
        OK(&a);
    }
    hub_stop();
    web_free(&a);
    o.max_rooms = 2;
    hub_start(&o, &no_admit);
    sio_client(&a, "");
    ask(&a, "join", "{\"room\":\"1\"}");
    ask(&a, "message", "{\"room\":\"1\",\"text\":\"x\"}");
    ask(&a, "leave", "{\"room\":\"1\"}");
    ask(&a, "join", "{\"room\":\"2\"}");
    web_skip(&a);
    ask(&a, "join", "{\"room\":\"3\"}"); /* in the place of the empty one */
    OK(&a);
    ask(&a, "join", "{\"room\":\"4\"}");
    REFUSED(&a, "full");
    web_free(&a);
    hub_stop();
}

TEST(events_tab) {
    struct web a, b, page;
    pair_in_lobby(&a, &b);
    raw_client(&page, "?name=page");
    CHECK(!hub_traced(hub));
    say(&page, "{\"event\":\"trace\",\"data\":{\"on\":true},\"ack\":3}");
    CHECK_NEXT(&page, "{\"ack\":3,\"data\":{\"ok\":true}}");
    CHECK(hub_traced(hub));
    ask(&a, "message", "{\"room\":\"lobby\",\"text\":\"seen\"}");
    say(&a, "3"); /* heartbeats are not shown */
    web_turn(&page);
    CHECK_NEXT(&page,
               "{\"event\":\"trace\",\"data\":{\"t\":1700000000000,\"dir\":\"in\",\"conn\":"
               "\"hub\",\"size\":30,\"name\":\"message\",\"room\":\"lobby\",\"user\":\"ada\","
               "\"text\":\"{\\\"room\\\":\\\"lobby\\\",\\\"text\\\":\\\"seen\\\"}\"}}");
    CHECK_FRAME(&page, "\"dir\":\"out\",\"conn\":\"hub\"");
    CHECK_NONE(&page);
    hub_trace(hub, LN_STR("{\"own\":1}"));
    web_turn(&page);
    CHECK_NEXT(&page, "{\"event\":\"trace\",\"data\":{\"own\":1}}");
    say(&page, "{\"event\":\"trace\",\"data\":{\"on\":false}}");
    CHECK(!hub_traced(hub));
    say(&page, "{\"event\":\"trace\",\"data\":{\"on\":true}}");
    web_free(&page);
    loop_settle(loop, 0);
    CHECK(!hub_traced(hub));
    end(&a, &b);
    struct hub_opts o = test_opts();
    hub_start(&o, &no_admit);
    sio_client(&a, "");
    ask(&a, "trace", "{\"on\":true}");
    REFUSED(&a, "denied");
    web_free(&a);
    hub_stop();
}

TEST(a_trace_shows_no_secrets) {
    struct web page;
    char said[700], token[301];
    start();
    raw_client(&page, "?name=page");
    memset(token, 'S', 300); /* longer than what a record shows */
    token[300] = 0;
    ln_log_hide(ln_str(token));
    say(&page, "{\"event\":\"trace\",\"data\":{\"on\":true}}");
    snprintf(said, sizeof said, "{\"event\":\"login\",\"data\":{\"token\":\"%s\"}}", token);
    say(&page, said);
    CHECK_FRAME(&page,
                "\"name\":\"login\",\"user\":\"page\",\"text\":\"{\\\"token\\\":\\\"***\\\"}\"}");
    hub_emit(hub, &(struct hub_target){0}, ln_str(token), LN_STR("\"x\""), NULL, 0);
    web_turn(&page);
    web_next(&page); /* the event itself */
    CHECK_FRAME(&page, "\"name\":\"***\"");
    ln_log_close();
    web_free(&page);
    hub_stop();
}

TEST_MAIN(T(session_says_who_one_is), T(join_and_leave), T(messages_pass_on_what_they_carry),
          T(refusals_have_codes_and_words), T(typing_read_and_presence),
          T(history_is_kept_and_ends), T(leaving_by_every_way_has_its_reason),
          T(who_comes_back_in_time_neither_left_nor_joined), T(one_id_on_two_lines_is_one_member),
          T(scripts_hear_of_what_the_dialect_took), T(joining_has_limits), T(events_tab),
          T(a_trace_shows_no_secrets))
