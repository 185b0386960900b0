/* SPDX-License-Identifier: MIT
 *
 * Client events of Pusher's protocol, and one room over three protocols: who is seen, and what is
 * heard.
 */
#include "pusherclient.h"

#define AL "{\"user_id\":\"u1\",\"user_info\":{\"name\":\"Al\"}}"
#define BO "{\"user_id\":2,\"user_info\":{\"name\":\"Bo\"}}"

static void start_as(enum hub_whispers whispers) {
    struct hub_opts o = pusher_opts();
    test_app.whispers = whispers;
    pusher_start(&o, &no_admit);
}

static void start(void) {
    start_as(HUB_WHISPERS_MEMBERS);
}

static void whisper(struct pusher *p, const char *event, const char *channel, const char *data) {
    struct ln_buf text = {0};
    ln_buf_fmt(&text, "{\"event\":\"%s\",\"channel\":\"%s\"%s%s}", event, channel,
               *data ? ",\"data\":" : "", data);
    say(&p->w, ln_buf_cstr(&text));
    ln_buf_free(&text);
}

static void take_all(struct web *w) {
    web_turn(w);
    web_skip(w);
}

#define CHECK_ERROR(p, code)                                                                       \
    CHECK_FRAME(&(p).w, "{\"event\":\"pusher:error\",\"data\":{\"code\":" code ",\"message\":\"")

TEST(to_the_others_and_as_it_came) {
    struct pusher a, b, c;
    start();
    pusher_open(&a);
    pusher_open(&b);
    pusher_open(&c);
    pusher_joined(&a, "private-x", NULL);
    pusher_joined(&b, "private-x", NULL);
    pusher_joined(&c, "private-y", NULL);
    CHECK_SEEN("connect /\nconnect /\nconnect /\n");
    whisper(&a, "client-e", "private-x", "{\"b\" : 1.0}");
    CHECK_SEEN("event / client-e({\"b\" : 1.0},{\"channel\":\"private-x\"}) bin 0 ack -1\n");
    whisper(&a, "client-f", "private-x", "\"{\\\"x\\\":1}\"");
    CHECK_SEEN("event / client-f({\"x\":1},{\"channel\":\"private-x\"}) bin 0 ack -1\n");
    whisper(&a, "client-g", "private-x", "");
    CHECK_SEEN("event / client-g(null,{\"channel\":\"private-x\"}) bin 0 ack -1\n");
    web_turn(&b.w);
    CHECK_NEXT(&b.w, "{\"event\":\"client-e\",\"channel\":\"private-x\",\"data\":{\"b\" : 1.0}}");
    CHECK_NEXT(&b.w,
               "{\"event\":\"client-f\",\"channel\":\"private-x\",\"data\":\"{\\\"x\\\":1}\"}");
    CHECK_NEXT(&b.w, "{\"event\":\"client-g\",\"channel\":\"private-x\"}");
    web_turn(&c.w);
    CHECK_NONE(&c.w);
    CHECK_NONE(&a.w); /* never to oneself */
    pusher_end(&a);
    pusher_end(&b);
    pusher_end(&c);
    hub_stop();
}

TEST(a_presence_channel_says_who_it_was) {
    struct pusher a, b;
    start();
    pusher_open(&a);
    pusher_open(&b);
    pusher_joined(&a, "presence-r", AL);
    pusher_joined(&b, "presence-r", BO);
    take_all(&a.w);
    whisper(&a, "client-e", "presence-r", "1");
    web_turn(&b.w);
    CHECK_NEXT(&b.w, "{\"event\":\"client-e\",\"channel\":\"presence-r\",\"data\":1,\"user_id\":"
                     "\"u1\"}");
    say(&b.w, "{\"event\":\"client-e\",\"channel\":\"presence-r\",\"data\":1,\"user_id\":\"u1\"}");
    web_turn(&a.w);
    CHECK_NEXT(&a.w,
               "{\"event\":\"client-e\",\"channel\":\"presence-r\",\"data\":1,\"user_id\":2}");
    pusher_end(&a);
    pusher_end(&b);
    hub_stop();
}

TEST(what_is_refused) {
    struct pusher p, other;
    char name[300], *data = malloc(10300);
    start();
    pusher_open(&p);
    pusher_open(&other);
    pusher_joined(&p, "private-x", NULL);
    pusher_joined(&other, "private-x", NULL);
    pusher_joined(&p, "pub", NULL);
    pusher_joined(&p, "private-encrypted-x", NULL);
    whisper(&p, "client-e", "private-other", "1");
    CHECK_ERROR(p, "4009");
    whisper(&p, "client-e", "presence-private-x", "1");
    CHECK_ERROR(p, "4009");
    say(&p.w, "{\"event\":\"client-e\",\"data\":1}"); /* no channel */
    CHECK_ERROR(p, "4009");
    whisper(&p, "client-e", "pub", "1");
    CHECK_ERROR(p, "4301");
    whisper(&p, "client-e", "private-encrypted-x", "1");
    CHECK_ERROR(p, "4301");
    snprintf(name, sizeof name, "client-%0194d", 1); /* 201 bytes */
    whisper(&p, name, "private-x", "1");
    CHECK_ERROR(p, "4301");
    snprintf(data, 10300, "\"%010239d\"", 1); /* 10241 bytes */
    whisper(&p, "client-e", "private-x", data);
    CHECK_ERROR(p, "4301");
    take_all(&other.w);
    snprintf(data, 10300, "\"%010238d\"", 1);
    whisper(&p, "client-e", "private-x", data);
    CHECK_NONE(&p.w);
    web_turn(&other.w);
    CHECK_FRAME(&other.w, "client-e");
    pusher_leave(&p, "private-x");
    whisper(&p, "client-e", "private-x", "1");
    CHECK_ERROR(p, "4009");
    web_turn(&other.w);
    CHECK_NONE(&other.w);
    free(data);
    pusher_end(&p);
    pusher_end(&other);
    hub_stop();
}

TEST(members_all_or_none) {
    struct pusher a, b;
    start_as(HUB_WHISPERS_NONE);
    pusher_open(&a);
    pusher_joined(&a, "private-x", NULL);
    whisper(&a, "client-e", "private-x", "1");
    CHECK_ERROR(a, "4301");
    CHECK_SEEN("connect /\n");
    pusher_end(&a);
    hub_stop();
    start_as(HUB_WHISPERS_ALL);
    pusher_open(&a);
    pusher_open(&b);
    pusher_joined(&a, "pub", NULL);
    pusher_joined(&b, "pub", NULL);
    whisper(&a, "client-e", "pub", "1");
    CHECK_NONE(&a.w);
    web_turn(&b.w);
    CHECK_NEXT(&b.w, "{\"event\":\"client-e\",\"channel\":\"pub\",\"data\":1}");
    whisper(&a, "client-e", "elsewhere", "1"); /* subscribed one must be */
    CHECK_ERROR(a, "4009");
    pusher_end(&a);
    pusher_end(&b);
    hub_stop();
}

TEST(ten_a_second) {
    struct pusher a, b;
    start();
    pusher_open(&a);
    pusher_open(&b);
    pusher_joined(&a, "private-x", NULL);
    pusher_joined(&b, "private-x", NULL);
    for (int i = 0; i < 11; i++)
        whisper(&a, "client-e", "private-x", "1");
    CHECK_ERROR(a, "4301");
    CHECK_NONE(&a.w);
    web_turn(&b.w);
    for (int i = 0; i < 10; i++)
        CHECK_FRAME(&b.w, "client-e");
    CHECK_NONE(&b.w);
    loop_advance(loop, 100); /* time for one more */
    whisper(&a, "client-e", "private-x", "1");
    CHECK_NONE(&a.w);
    whisper(&a, "client-e", "private-x", "1");
    CHECK_ERROR(a, "4301");
    pusher_end(&a);
    pusher_end(&b);
    hub_stop();
}

/* --- one room, three protocols --- */

struct room {
    struct pusher pusher, other;
    struct web sio, raw;
};

/* Everybody is in `lobby`: u1 and 2 over Pusher, u3 over Socket.IO, u4 over plain JSON. */
static void meet(struct room *m) {
    start();
    pusher_open(&m->pusher);
    pusher_open(&m->other);
    pusher_joined(&m->pusher, "presence-lobby", AL);
    pusher_joined(&m->other, "presence-lobby", BO);
    sio_client(&m->sio, "{\"id\":\"u3\",\"name\":\"Cy\"}");
    say(&m->sio, "421[\"join\",{\"room\":\"lobby\"}]");
    raw_client(&m->raw, "?id=u4&name=Di");
    say(&m->raw, "{\"event\":\"join\",\"data\":{\"room\":\"lobby\"}}");
}

static void part(struct room *m) {
    pusher_end(&m->pusher);
    pusher_end(&m->other);
    web_free(&m->sio);
    web_free(&m->raw);
    hub_stop();
}

static void hush(struct room *m) {
    take_all(&m->pusher.w);
    take_all(&m->other.w);
    take_all(&m->sio);
    take_all(&m->raw);
    ln_buf_clear(&seen.log);
}

TEST(all_see_all) {
    struct room m;
    meet(&m);
    CHECK_FRAME(&m.sio, "\"members\":[{\"id\":\"u1\",\"name\":\"Al\",");
    web_turn(&m.pusher.w);
    CHECK_FRAME(&m.pusher.w, "member_added\",\"channel\":\"presence-lobby\",\"data\":\"{\\\"user_id"
                             "\\\":2,");
    CHECK_NEXT(&m.pusher.w,
               "{\"event\":\"pusher_internal:member_added\",\"channel\":\"presence-lobby\",\"data\""
               ":\"{\\\"user_id\\\":\\\"u3\\\",\\\"user_info\\\":{\\\"name\\\":\\\"Cy\\\"}}\"}");
    CHECK_FRAME(&m.pusher.w, "\\\"u4\\\"");
    pusher_join(&m.pusher, "presence-lobby", AL);
    CHECK_FRAME(&m.pusher.w, "\\\"u4\\\":{\\\"name\\\":\\\"Di\\\"}},\\\"count\\\":4}}");
    hush(&m);
    pusher_leave(&m.other, "presence-lobby");
    web_turn(&m.sio);
    web_turn(&m.raw);
    CHECK_FRAME(&m.sio, "42[\"presence\",{\"kind\":\"leave\",\"room\":\"lobby\",\"member\":{\"id\":"
                        "\"2\",\"name\":\"Bo\"");
    CHECK_FRAME(&m.raw, "\"reason\":\"left\"");
    say(&m.sio, "42[\"leave\",{\"room\":\"lobby\"}]");
    take_all(&m.raw);
    web_turn(&m.pusher.w);
    CHECK_FRAME(&m.pusher.w, "member_removed");
    CHECK_NEXT(&m.pusher.w, "{\"event\":\"pusher_internal:member_removed\",\"channel\":\"presence-"
                            "lobby\",\"data\":\"{\\\"user_id\\\":\\\"u3\\\"}\"}");
    part(&m);
}

TEST(a_message_reaches_all) {
    struct room m;
    meet(&m);
    hush(&m);
    whisper(&m.pusher, "client-message", "presence-lobby",
            "{\"text\":\"hi\",\"temp_id\":7,\"sender\":\"me\",\"room\":\"else\"}");
    CHECK_NONE(&m.pusher.w);
    CHECK_SEEN("event / message({\"text\":\"hi\",\"temp_id\":7,\"sender\":\"me\",\"room\":\"else\","
               "\"room\":\"lobby\"}) bin 0 ack -1\n");
    web_turn(&m.sio);
    web_turn(&m.raw);
    web_turn(&m.other.w);
    CHECK_FRAME(&m.sio,
                "\"room\":\"lobby\",\"text\":\"hi\",\"type\":\"text\",\"time\":1700000000.000"
                ",\"sender\":{\"id\":\"u1\",\"name\":\"Al\"},\"temp_id\":7}]");
    CHECK_FRAME(&m.raw, "{\"event\":\"message\",\"data\":{\"id\":\"");
    CHECK_FRAME(&m.other.w, "\"sender\":{\"id\":\"u1\",\"name\":\"Al\"},\"temp_id\":7},\"user_id\":"
                            "\"u1\"}");
    whisper(&m.other, "client-message", "presence-lobby", "\"pl\\u00e6in\"");
    web_turn(&m.pusher.w);
    CHECK_FRAME(&m.pusher.w,
                "{\"event\":\"client-message\",\"channel\":\"presence-lobby\",\"data\":"
                "{\"id\":\"");
    take_all(&m.sio);
    say(&m.sio, "422[\"message\",{\"room\":\"lobby\",\"text\":\"ho\"}]");
    CHECK_FRAME(&m.sio, "432[{\"ok\":true");
    web_turn(&m.pusher.w);
    CHECK_FRAME(&m.pusher.w, "\"text\":\"ho\",\"type\":\"text\",\"time\":1700000000.000,\"sender\":"
                             "{\"id\":\"u3\",\"name\":\"Cy\"}},\"user_id\":\"u3\"}");
    say(&m.sio, "423[\"history\",{\"room\":\"lobby\"}]"); /* all three are kept */
    CHECK_FRAME(&m.sio, "\"text\":\"pl\\u00e6in\"");
    part(&m);
}

TEST(typing_read_marks_and_status) {
    struct room m;
    meet(&m);
    hush(&m);
    whisper(&m.pusher, "client-typing", "presence-lobby", "{\"name\":\"Al!\",\"user\":1}");
    web_turn(&m.sio);
    web_turn(&m.other.w);
    CHECK_NEXT(&m.sio, "42[\"typing\",{\"room\":\"lobby\",\"user\":{\"id\":\"u1\",\"name\":\"Al\"},"
                       "\"on\":true,\"name\":\"Al!\"}]");
    CHECK_NEXT(&m.other.w,
               "{\"event\":\"client-typing\",\"channel\":\"presence-lobby\",\"data\":{"
               "\"room\":\"lobby\",\"user\":{\"id\":\"u1\",\"name\":\"Al\"},\"on\":true,"
               "\"name\":\"Al!\"},\"user_id\":\"u1\"}");
    whisper(&m.other, "client-typing", "presence-lobby", "{\"on\":false}");
    whisper(&m.other, "client-typing", "presence-lobby", "");
    whisper(&m.other, "client-read", "presence-lobby", "{\"ids\":[1]}");
    whisper(&m.other, "client-presence", "presence-lobby", "{\"status\":\"busy\"}");
    web_turn(&m.sio);
    CHECK_FRAME(&m.sio, "\"on\":false}]");
    CHECK_FRAME(&m.sio, "\"on\":true}]");
    CHECK_FRAME(&m.sio, "42[\"read\",{\"room\":\"lobby\",\"user\":{\"id\":\"2\",\"name\":\"Bo\"},"
                        "\"ids\":[1]}]");
    CHECK_FRAME(&m.sio, "\"status\":\"busy\"");
    hush(&m);
    say(&m.sio, "42[\"typing\",{\"room\":\"lobby\"}]");
    say(&m.sio, "42[\"read\",{\"room\":\"lobby\",\"ids\":[\"a\"]}]");
    say(&m.sio, "42[\"presence\",{\"status\":\"away\"}]");
    web_turn(&m.pusher.w);
    CHECK_FRAME(&m.pusher.w, "{\"event\":\"client-typing\"");
    CHECK_FRAME(&m.pusher.w, "{\"event\":\"client-read\"");
    CHECK_FRAME(&m.pusher.w,
                "{\"event\":\"client-presence\",\"channel\":\"presence-lobby\",\"data\""
                ":{\"kind\":\"update\",\"member\":{\"id\":\"u3\"");
    part(&m);
}

TEST(what_reads_otherwise_is_a_client_event) {
    static const char *const events[][2] = {{"client-message", "{\"body\":1}"},
                                            {"client-message", "[\"hi\"]"},
                                            {"client-message", "7"},
                                            {"client-typing", "{\"on\":\"yes\"}"},
                                            {"client-typing", "\"x\""},
                                            {"client-read", "{\"id\":1}"},
                                            {"client-presence", "{\"at\":\"x\"}"},
                                            {"client-messages", "{\"text\":\"x\"}"}};
    struct room m;
    meet(&m);
    hush(&m);
    for (size_t i = 0; i < LN_COUNT(events); i++) {
        char want[200];
        snprintf(want, sizeof want,
                 "{\"event\":\"%s\",\"channel\":\"presence-lobby\",\"data\":%s,\"user_id\":\"u1\"}",
                 events[i][0], events[i][1]);
        whisper(&m.pusher, events[i][0], "presence-lobby", events[i][1]);
        web_turn(&m.other.w);
        CHECK_NEXT(&m.other.w, want);
    }
    web_turn(&m.sio);
    CHECK_NONE(&m.sio);
    whisper(&m.pusher, "client-message", "presence-lobby", "{\"text\":\"\"}"); /* is one, and bad */
    CHECK_FRAME(&m.pusher.w, "{\"event\":\"pusher:error\",\"data\":{\"code\":4200,\"message\":");
    part(&m);
}

TEST(a_public_channel_of_that_name_hears_nothing_of_the_room) {
    struct room m;
    struct pusher spy;
    meet(&m);
    hush(&m);
    pusher_open(&spy);
    pusher_joined(&spy, "lobby", NULL);
    say(&m.sio, "42[\"message\",{\"room\":\"lobby\",\"text\":\"secret\"}]");
    whisper(&m.pusher, "client-own", "presence-lobby", "1");
    struct hub_target t = {.room = LN_STR("presence-lobby")};
    CHECK_INT(hub_emit(hub, &t, LN_STR("e"), LN_STR("1"), NULL, 0), 4);
    web_turn(&spy.w);
    CHECK_NONE(&spy.w);
    whisper(&spy, "client-own", "presence-lobby", "1");
    CHECK_ERROR(spy, "4009");
    say(&m.sio, "427[\"join\",{\"room\":\"lobby\"}]");
    CHECK(!web_has(&m.sio, spy.sid));
    t.room = LN_STR("lobby"); /* the room is both */
    hush(&m);
    CHECK_INT(hub_emit(hub, &t, LN_STR("f"), LN_STR("1"), NULL, 0), 5);
    web_turn(&spy.w);
    web_turn(&m.pusher.w);
    CHECK_NEXT(&spy.w, "{\"event\":\"f\",\"channel\":\"lobby\",\"data\":\"1\"}");
    CHECK_NEXT(&m.pusher.w, "{\"event\":\"f\",\"channel\":\"presence-lobby\",\"data\":\"1\"}");
    pusher_end(&spy);
    part(&m);
}

TEST(guarded_channels_are_no_rooms_of_the_dialect) {
    static const char *const names[] = {"private-x", "presence-x", "#server-to-user-u1"};
    struct web w;
    start();
    sio_client(&w, "");
    for (size_t i = 0; i < LN_COUNT(names); i++) {
        char text[100];
        snprintf(text, sizeof text, "421[\"join\",{\"room\":\"%s\"}]", names[i]);
        say(&w, text);
        CHECK_FRAME(&w, "431[{\"ok\":false,\"error\":{\"code\":\"forbidden\"");
    }
    say(&w, "421[\"join\",{\"room\":\"#general\"}]");
    CHECK_FRAME(&w, "431[{\"ok\":true");
    web_free(&w);
    hub_stop();
}

TEST(names_follow_who_is_seen) {
    struct room m;
    meet(&m);
    hush(&m);
    say(&m.sio, "42[\"name\",{\"name\":\"Cyd\"}]");
    web_turn(&m.pusher.w);
    CHECK_FRAME(&m.pusher.w, "\"member\":{\"id\":\"u3\",\"name\":\"Cyd\"");
    pusher_join(&m.other, "presence-lobby", BO);
    CHECK_FRAME(&m.other.w, "client-presence");
    CHECK_FRAME(&m.other.w, "\\\"u3\\\":{\\\"name\\\":\\\"Cyd\\\"}");
    part(&m);
}

TEST(a_name_changes_and_the_rest_of_user_info_stays) {
    struct pusher p;
    struct web sio;
    start();
    pusher_open(&p);
    pusher_joined(&p, "presence-r",
                  "{\"user_id\":\"u1\",\"user_info\":{\"age\":7,\"name\":\"Al\",\"x\":[]}}");
    sio_client(&sio, "{\"id\":\"u1\"}"); /* the same user, by another way */
    say(&sio, "42[\"name\",{\"name\":\"Alf\"}]");
    take_all(&p.w);
    pusher_join(&p, "presence-r", NULL);
    CHECK_FRAME(&p.w, "\\\"u1\\\":{\\\"name\\\":\\\"Alf\\\",\\\"age\\\":7,\\\"x\\\":[]}}");
    web_free(&sio);
    pusher_end(&p);
    hub_stop();
}

TEST_MAIN(T(to_the_others_and_as_it_came), T(a_presence_channel_says_who_it_was),
          T(what_is_refused), T(members_all_or_none), T(ten_a_second), T(all_see_all),
          T(a_message_reaches_all), T(typing_read_marks_and_status),
          T(what_reads_otherwise_is_a_client_event),
          T(a_public_channel_of_that_name_hears_nothing_of_the_room),
          T(guarded_channels_are_no_rooms_of_the_dialect), T(names_follow_who_is_seen),
          T(a_name_changes_and_the_rest_of_user_info_stays))
