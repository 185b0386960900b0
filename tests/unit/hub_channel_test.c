/* SPDX-License-Identifier: MIT
 *
 * Channels of Pusher's protocol on the hub: subscriptions of each kind with their signatures,
 * presence, cache channels, and what scripts send.
 */
#include "pusherclient.h"

#define SUCCEEDED(channel)                                                                         \
    "{\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":\"" channel                 \
    "\",\"data\":\"{}\"}"
#define AL "{\"user_id\":\"u1\",\"user_info\":{\"name\":\"Al\"}}"
#define BO "{\"user_id\":2,\"user_info\":{\"name\":\"Bo\",\"age\":7}}"

static void start(bool dialect) {
    struct hub_opts o = pusher_opts();
    o.dialect = dialect;
    pusher_start(&o, &no_admit);
}

static void error_is(int line, struct pusher *p, const char *channel, const char *type,
                     int status) {
    char want[400];
    struct ln_str f = web_next(&p->w);
    snprintf(
        want, sizeof want,
        "{\"event\":\"pusher:subscription_error\",\"channel\":\"%s\",\"data\":{\"type\":\"%s\","
        "\"error\":\"",
        channel, type);
    char end[20];
    snprintf(end, sizeof end, "\"status\":%d}}", status);
    if (ln_str_starts(f, want) && memmem(f.p, f.n, end, strlen(end))) return;
    printf("line %d: \"%.*s\", wanted %s %d\n", line, LN_FMT(f), want, status);
    test_failures++;
}
#define CHECK_REFUSED(p, channel, type, status) error_is(__LINE__, p, channel, type, status)

TEST(each_kind_of_channel) {
    struct pusher p;
    start(true);
    pusher_open(&p);
    pusher_join(&p, "pub", NULL);
    CHECK_NEXT(&p.w, SUCCEEDED("pub"));
    pusher_join(&p, "private-a", NULL);
    CHECK_NEXT(&p.w, SUCCEEDED("private-a"));
    pusher_join(&p, "private-encrypted-a", NULL);
    CHECK_NEXT(&p.w, SUCCEEDED("private-encrypted-a"));
    pusher_join(&p, "private-a.b,c;d=e@f_g-h", NULL);
    CHECK_FRAME(&p.w, "subscription_succeeded");
    pusher_join(&p, "presence-r", AL);
    CHECK_NEXT(&p.w, "{\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":\"presence-"
                     "r\",\"data\":\"{\\\"presence\\\":{\\\"ids\\\":[\\\"u1\\\"],\\\"hash\\\":"
                     "{\\\"u1\\\":{\\\"name\\\":\\\"Al\\\"}},\\\"count\\\":1}}\"}");
    pusher_join(&p, "cache-a", NULL);
    CHECK_NEXT(&p.w, SUCCEEDED("cache-a"));
    CHECK_NEXT(&p.w, "{\"event\":\"pusher:cache_miss\",\"channel\":\"cache-a\"}");
    pusher_join(&p, "pub", NULL); /* again */
    CHECK_NEXT(&p.w, SUCCEEDED("pub"));
    CHECK_NONE(&p.w);
    pusher_end(&p);
    hub_stop();
}

TEST(a_channel_with_channel_data_is_signed_with_it) {
    struct pusher p;
    start(true);
    pusher_open(&p);
    pusher_join(&p, "private-a", "{\"x\":1}");
    CHECK_NEXT(&p.w, SUCCEEDED("private-a"));
    pusher_end(&p);
    hub_stop();
}

static void subscribe_by(struct pusher *p, const char *channel, const char *key, const char *secret,
                         const char *signed_channel, const char *data) {
    struct ln_str parts[] = {ln_str(p->sid), ln_str(signed_channel), ln_str(data)};
    struct ln_buf auth = {0}, text = {0};
    pusher_sign(&auth, ln_str(key), ln_str(secret), parts, data ? 3 : 2);
    ln_buf_fmt(&text,
               "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"%s\",\"auth\":\"%s\"",
               channel, ln_buf_cstr(&auth));
    if (data) {
        ln_buf_puts(&text, ",\"channel_data\":");
        ln_json_quote(&text, ln_str(data));
    }
    ln_buf_puts(&text, "}}");
    say(&p->w, ln_buf_cstr(&text));
    ln_buf_free(&auth);
    ln_buf_free(&text);
}

TEST(signatures_that_are_not_right) {
    static const char *const channels[] = {"private-a", "private-encrypted-a", "presence-a",
                                           "private-cache-a"};
    struct pusher p;
    start(true);
    pusher_open(&p);
    for (size_t i = 0; i < LN_COUNT(channels); i++) {
        char text[200];
        subscribe_by(&p, channels[i], "key", "wrong", channels[i], AL);
        CHECK_REFUSED(&p, channels[i], "AuthError", 401);
        subscribe_by(&p, channels[i], "yek", "secret", channels[i], AL);
        CHECK_REFUSED(&p, channels[i], "AuthError", 401);
        subscribe_by(&p, channels[i], "key", "secret", "private-b", AL);
        CHECK_REFUSED(&p, channels[i], "AuthError", 401);
        snprintf(text, sizeof text,
                 "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"%s\"}}", channels[i]);
        say(&p.w, text);
        CHECK_REFUSED(&p, channels[i], "AuthError", 401);
    }
    CHECK(!p.w.is_eof);
    struct ln_str room;
    size_t i = 0, members;
    CHECK(!hub_each_room(hub, &i, &room, &members));
    pusher_end(&p);
    hub_stop();
}

TEST(names_that_are_none) {
    static const char *const names[] = {
        "a b", "a/b", "private-a!", "#a", "#server-to-user-u1", "presence-", "presence-private-a"};
    static const char *const types[] = {"InvalidChannel", "InvalidChannel", "InvalidChannel",
                                        "AuthError",      "AuthError",      "InvalidChannel",
                                        "InvalidChannel"};
    struct pusher p, q;
    char longer[220];
    start(true);
    pusher_open(&p);
    pusher_open(&q);
    for (size_t i = 0; i < LN_COUNT(names); i++) {
        pusher_join(&p, names[i], strncmp(names[i], "presence", 8) ? NULL : AL);
        CHECK_REFUSED(&p, names[i], types[i], types[i][0] == 'A' ? 401 : 400);
    }
    memset(longer, 'a', sizeof longer);
    longer[201] = 0;
    pusher_join(&p, longer, NULL);
    CHECK_REFUSED(&p, longer, "InvalidChannel", 400);
    longer[200] = 0;
    pusher_join(&p, longer, NULL);
    CHECK_FRAME(&p.w, "subscription_succeeded");
    memcpy(longer, "presence-", 9); /* a room of 101 bytes */
    longer[110] = 0;
    pusher_join(&p, longer, AL);
    CHECK_REFUSED(&p, longer, "InvalidChannel", 400);
    pusher_join(&p, q.sid, NULL); /* what is sent to q alone */
    CHECK_REFUSED(&p, q.sid, "InvalidChannel", 400);
    pusher_end(&p);
    pusher_end(&q);
    hub_stop();
}

TEST(members_come_and_go) {
    struct pusher a, b, c;
    for (int dialect = 0; dialect < 2; dialect++) { /* a room of the dialect, or a plain one */
        start(dialect);
        pusher_open(&a);
        pusher_open(&b);
        pusher_open(&c);
        pusher_joined(&a, "presence-r", AL);
        pusher_join(&b, "presence-r", BO);
        CHECK_FRAME(&b.w, "\\\"ids\\\":[\\\"u1\\\",2],\\\"hash\\\":{\\\"u1\\\":{\\\"name\\\":"
                          "\\\"Al\\\"},\\\"2\\\":{\\\"name\\\":\\\"Bo\\\",\\\"age\\\":7}},"
                          "\\\"count\\\":2}}\"}");
        web_turn(&a.w);
        CHECK_NEXT(&a.w, "{\"event\":\"pusher_internal:member_added\",\"channel\":\"presence-r\","
                         "\"data\":\"{\\\"user_id\\\":2,\\\"user_info\\\":{\\\"name\\\":\\\"Bo\\\","
                         "\\\"age\\\":7}}\"}");
        CHECK_NONE(&b.w);
        pusher_join(&c, "presence-r", BO); /* a second connection of the same user */
        CHECK_FRAME(&c.w, "\\\"count\\\":2}}");
        web_turn(&a.w);
        CHECK(!web_has(&a.w, "member_added"));
        web_skip(&a.w);
        pusher_leave(&b, "presence-r");
        web_turn(&a.w);
        CHECK(!web_has(&a.w, "member_removed"));
        web_skip(&a.w);
        pusher_leave(&c, "presence-r");
        web_turn(&a.w);
        CHECK_NEXT(&a.w, "{\"event\":\"pusher_internal:member_removed\",\"channel\":\"presence-r\","
                         "\"data\":\"{\\\"user_id\\\":2}\"}");
        web_skip(&c.w);
        pusher_leave(&c, "presence-r"); /* twice is fine */
        CHECK_NONE(&c.w);
        pusher_end(&a);
        pusher_end(&b);
        pusher_end(&c);
        hub_stop();
    }
}

TEST(a_page_that_reloads_neither_left_nor_joined) {
    struct pusher a, b;
    start(true);
    pusher_open(&a);
    pusher_open(&b);
    pusher_joined(&a, "presence-r", AL);
    pusher_joined(&b, "presence-r", BO);
    web_turn(&a.w);
    web_skip(&a.w);
    pusher_end(&b);
    loop_advance(loop, 1999);
    pusher_open(&b);
    pusher_join(&b, "presence-r", BO);
    CHECK_FRAME(&b.w, "\\\"count\\\":2}}");
    loop_advance(loop, 5000);
    web_turn(&a.w);
    CHECK_NONE(&a.w);
    pusher_end(&b);
    loop_advance(loop, 2000);
    web_turn(&a.w);
    CHECK_FRAME(&a.w, "member_removed");
    pusher_end(&a);
    hub_stop();
}

TEST(who_cannot_be_present) {
    char longer[1200];
    struct pusher p;
    start(true);
    pusher_open(&p);
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "no json",
                                      "{\"user_id\":\"u1\"",
                                      "{\"user_id\":null}",
                                      "{\"user_id\":{}}",
                                      "{\"user_id\":true}",
                                      "{\"user_id\":\"\"}",
                                      "{\"user_id\":\"a\\nb\"}"};
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        pusher_join(&p, "presence-r", *bad[i] ? bad[i] : NULL);
        CHECK_REFUSED(&p, "presence-r", "AuthError", 401);
    }
    memset(longer, 'a', sizeof longer);
    memcpy(longer, "{\"user_id\":\"", 12);
    strcpy(longer + 12 + 129, "\"}");
    pusher_join(&p, "presence-r", longer);
    CHECK_REFUSED(&p, "presence-r", "AuthError", 401);
    memset(longer, 'a', sizeof longer);
    memcpy(longer, "{\"user_id\":1,\"user_info\":\"", 26);
    strcpy(longer + 26 + 1023, "\"}");
    pusher_join(&p, "presence-r", longer);
    CHECK_REFUSED(&p, "presence-r", "AuthError", 401);
    strcpy(longer + 26 + 1022, "\"}");
    pusher_join(&p, "presence-r", longer);
    CHECK_FRAME(&p.w, "subscription_succeeded");
    pusher_end(&p);
    hub_stop();
}

TEST(a_connection_is_one_user) {
    struct pusher p;
    start(true);
    pusher_open(&p);
    pusher_joined(&p, "presence-r", AL);
    pusher_join(&p, "presence-s", BO);
    CHECK_REFUSED(&p, "presence-s", "AuthError", 401);
    pusher_leave(&p, "presence-r");
    pusher_joined(&p, "presence-s", BO); /* nobody sees it any more */
    struct hub_client_info info;
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(info.user_id, "2");
    CHECK_STR(info.user_name, "Bo");
    pusher_end(&p);
    hub_stop();
}

TEST(a_hundred_members) {
    static struct pusher p[101];
    char data[60];
    start(true);
    for (int i = 0; i < 101; i++) {
        pusher_open(&p[i]);
        snprintf(data, sizeof data, "{\"user_id\":%d}", i);
        if (i < 100) {
            pusher_join(&p[i], "presence-r", data);
            web_skip(&p[i].w);
        }
    }
    pusher_join(&p[100], "presence-r", data);
    CHECK_REFUSED(&p[100], "presence-r", "LimitReached", 4100);
    pusher_join(&p[100], "presence-r", "{\"user_id\":7}"); /* one who is there */
    CHECK_FRAME(&p[100].w, "\\\"count\\\":100}}");
    for (int i = 0; i < 101; i++)
        pusher_end(&p[i]);
    hub_stop();
}

TEST(limits_of_rooms) {
    struct pusher p;
    struct hub_opts o = pusher_opts();
    o.max_rooms = 1;
    pusher_start(&o, &no_admit);
    pusher_open(&p);
    pusher_joined(&p, "a", NULL);
    pusher_join(&p, "b", NULL);
    CHECK_REFUSED(&p, "b", "LimitReached", 4100);
    pusher_leave(&p, "a");
    pusher_joined(&p, "b", NULL);
    pusher_end(&p);
    hub_stop();
}

/* --- what scripts send --- */

static size_t emit(const char *room, const char *args) {
    struct hub_target t = {.room = ln_str(room)};
    return hub_emit(hub, &t, LN_STR("shipped"), ln_str(args), NULL, 0);
}

TEST(an_event_to_a_room_reaches_the_channel) {
    struct pusher p, other;
    struct web sio;
    start(true);
    pusher_open(&p);
    pusher_open(&other);
    sio_client(&sio, "");
    say(&sio, "42[\"join\",{\"room\":\"orders\"}]");
    web_skip(&sio);
    pusher_joined(&p, "orders", NULL);
    pusher_joined(&other, "private-x", NULL);
    CHECK_INT(emit("orders", "{\"id\":1},2"), 2);
    web_turn(&p.w);
    web_turn(&sio);
    CHECK_NEXT(&p.w, "{\"event\":\"shipped\",\"channel\":\"orders\",\"data\":\"{\\\"id\\\":1}\"}");
    CHECK_NEXT(&sio, "42[\"shipped\",{\"id\":1},2]");
    emit("orders", "");
    emit("orders", "\"text\"");
    web_turn(&p.w);
    CHECK_NEXT(&p.w, "{\"event\":\"shipped\",\"channel\":\"orders\"}");
    CHECK_NEXT(&p.w, "{\"event\":\"shipped\",\"channel\":\"orders\",\"data\":\"\\\"text\\\"\"}");
    pusher_leave(&p, "orders");
    CHECK_INT(emit("orders", "1"), 1);
    web_turn(&p.w);
    CHECK_NONE(&p.w);
    CHECK_NONE(&other.w);
    web_free(&sio);
    pusher_end(&p);
    pusher_end(&other);
    hub_stop();
}

TEST(an_event_to_one_or_to_all_has_no_channel) {
    struct pusher p;
    start(true);
    pusher_open(&p);
    struct hub_target t = {.client = seen.client};
    struct ln_str bin = LN_STR("x");
    CHECK_INT(hub_emit(hub, &t, LN_STR("a"), LN_STR("1"), NULL, 0), 1);
    t = (struct hub_target){0};
    CHECK_INT(hub_emit(hub, &t, LN_STR("b"), LN_STR("[]"), NULL, 0), 1);
    const char *args = "[{\"_placeholder\":true,\"num\":0}]";
    CHECK_INT(hub_emit(hub, &t, LN_STR("c"), ln_str(args), &bin, 1), 1);
    t.room = ln_str(p.sid);
    CHECK_INT(hub_emit(hub, &t, LN_STR("d"), LN_STR("2"), NULL, 0), 1);
    web_turn(&p.w);
    CHECK_NEXT(&p.w, "{\"event\":\"a\",\"data\":\"1\"}");
    CHECK_NEXT(&p.w, "{\"event\":\"b\",\"data\":\"[]\"}");
    CHECK_NEXT(&p.w, "{\"event\":\"c\",\"data\":\"[{\\\"_binary\\\":\\\"eA==\\\"}]\"}");
    CHECK_NEXT(&p.w, "{\"event\":\"d\",\"data\":\"2\"}");
    pusher_end(&p);
    hub_stop();
}

TEST(a_script_puts_a_client_into_a_channel) {
    struct pusher p;
    start(true);
    pusher_open(&p);
    CHECK(hub_join(hub, seen.client, LN_STR("vip")));
    CHECK(!hub_join(hub, seen.client, LN_STR("presence-vip"))); /* as whom? */
    CHECK_INT(emit("vip", "1"), 1);
    web_turn(&p.w);
    CHECK_NEXT(&p.w, "{\"event\":\"shipped\",\"channel\":\"vip\",\"data\":\"1\"}");
    CHECK(hub_part(hub, seen.client, LN_STR("vip")));
    CHECK_INT(emit("vip", "1"), 0);
    pusher_end(&p);
    hub_stop();
}

TEST(a_cache_channel_keeps_its_last_event) {
    struct pusher p;
    start(true);
    pusher_open(&p);
    CHECK_INT(emit("cache-a", "1"), 0); /* nobody is there */
    emit("cache-a", "2");
    pusher_joined(&p, "cache-a", NULL);
    CHECK_NEXT(&p.w, "{\"event\":\"shipped\",\"channel\":\"cache-a\",\"data\":\"2\"}");
    struct ln_str bin = LN_STR("x");
    struct hub_target t = {.room = LN_STR("cache-b")};
    hub_emit(hub, &t, LN_STR("file"), LN_STR("{\"_placeholder\":true,\"num\":0}"), &bin, 1);
    pusher_joined(&p, "cache-b", NULL);
    CHECK_FRAME(&p.w, "\"data\":\"{\\\"_binary\\\":\\\"eA==\\\"}\"}");
    emit("presence-cache-a", "3"); /* another channel */
    pusher_joined(&p, "cache-a", NULL);
    CHECK_FRAME(&p.w, "\"data\":\"2\"}");
    pusher_joined(&p, "presence-cache-a", AL);
    CHECK_NEXT(&p.w, "{\"event\":\"shipped\",\"channel\":\"presence-cache-a\",\"data\":\"3\"}");
    pusher_joined(&p, "private-cache-a", NULL);
    CHECK_NEXT(&p.w, "{\"event\":\"pusher:cache_miss\",\"channel\":\"private-cache-a\"}");
    loop_advance(loop, 31 * 60000);
    pusher_end(&p);
    pusher_open(&p);
    pusher_joined(&p, "cache-a", NULL);
    CHECK_NEXT(&p.w, "{\"event\":\"pusher:cache_miss\",\"channel\":\"cache-a\"}");
    pusher_end(&p);
    hub_stop();
}

TEST(the_cache_is_bounded) {
    struct pusher p;
    char name[30];
    start(true);
    for (int i = 0; i < 1200; i++) {
        snprintf(name, sizeof name, "private-cache-%d", i);
        emit(name, "1");
    }
    pusher_open(&p);
    pusher_joined(&p, "private-cache-1199", NULL);
    CHECK_FRAME(&p.w, "\"event\":\"shipped\"");
    pusher_joined(&p, "private-cache-0", NULL);
    CHECK_FRAME(&p.w, "pusher:cache_miss");
    pusher_end(&p);
    hub_stop();
}

TEST(further_apps_live_apart) {
    static const struct hub_app apps[] = {{.key = "one", .secret = "1", .id = "1"},
                                          {.key = "two", .secret = "2", .id = "2"}};
    struct hub_opts o = test_opts();
    struct web a, b;
    o.apps = apps;
    o.app_count = 2;
    hub_start(&o, &no_admit);
    hub_line(&a, "/app/one?protocol=7");
    hub_line(&b, "/app/two?protocol=7");
    CHECK_SEEN("connect /\nconnect /2\n");
    say(&a, "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"orders\"}}");
    say(&b, "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"orders\"}}");
    web_skip(&a);
    web_skip(&b);
    CHECK_INT(emit("orders", "1"), 1);
    struct hub_target t = {.nsp = LN_STR("/2"), .room = LN_STR("orders")};
    CHECK_INT(hub_emit(hub, &t, LN_STR("own"), LN_STR("2"), NULL, 0), 1);
    web_turn(&a);
    web_turn(&b);
    CHECK_NEXT(&a, "{\"event\":\"shipped\",\"channel\":\"orders\",\"data\":\"1\"}");
    CHECK_NEXT(&b, "{\"event\":\"own\",\"channel\":\"orders\",\"data\":\"2\"}");
    CHECK_NONE(&a);
    CHECK_NONE(&b);
    web_free(&a);
    web_free(&b);
    hub_stop();
}

TEST_MAIN(T(each_kind_of_channel), T(a_channel_with_channel_data_is_signed_with_it),
          T(signatures_that_are_not_right), T(names_that_are_none), T(members_come_and_go),
          T(a_page_that_reloads_neither_left_nor_joined), T(who_cannot_be_present),
          T(a_connection_is_one_user), T(a_hundred_members), T(limits_of_rooms),
          T(an_event_to_a_room_reaches_the_channel), T(an_event_to_one_or_to_all_has_no_channel),
          T(a_script_puts_a_client_into_a_channel), T(a_cache_channel_keeps_its_last_event),
          T(the_cache_is_bounded), T(further_apps_live_apart))
