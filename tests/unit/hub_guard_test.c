/* SPDX-License-Identifier: MIT
 *
 * Who may what, where two protocols, two apps or two places of the hub meet: clients that want to
 * hear what is for others, be somebody else, stay longer than they may, or make others stumble.
 */
#include "jwt_make.h"
#include "pusherclient.h"

#define SECRET "a secret of at least thirty-two bytes"

/* The sid of a Socket.IO client: the next frame but one, or "". */
static void sio_open(struct web *w, char sid[24]) {
    hub_line(w, SIO);
    CHECK_FRAME(w, "0{\"sid\":");
    say(w, "40{\"id\":\"victim\"}");
    struct ln_str f = web_next(w);
    const char *at = memmem(f.p, f.n, "\"sid\":\"", 7);
    CHECK(at != NULL);
    if (at) snprintf(sid, 24, "%.20s", at + 7);
    web_skip(w);
}

static void ask_join(struct web *w, const char *room) {
    char text[200];
    snprintf(text, sizeof text, "421[\"join\",{\"room\":\"%s\"}]", room);
    say(w, text);
}

static void emit_to(const char *room) {
    const struct hub_target t = {.room = ln_str(room)};
    hub_emit(hub, &t, LN_STR("secret"), LN_STR("1"), NULL, 0);
}

/* --- what is for one client --- */

TEST(nobody_joins_the_room_that_another_one_is) {
    struct web victim, mallory, raw;
    struct pusher p;
    char sid[24] = "";
    struct hub_opts o = pusher_opts();
    o.recovery_ms = 60000;
    pusher_start(&o, &no_admit);
    sio_open(&victim, sid);
    sio_client(&mallory, "{\"id\":\"mallory\"}");
    raw_client(&raw, "?id=mallory");
    pusher_open(&p);
    ask_join(&mallory, sid);
    CHECK_FRAME(&mallory, "\"code\":\"forbidden\"");
    ask_join(&mallory, p.sid);
    CHECK_FRAME(&mallory, "\"code\":\"forbidden\"");
    char text[100];
    snprintf(text, sizeof text, "{\"event\":\"join\",\"data\":{\"room\":\"%s\"},\"ack\":1}", sid);
    say(&raw, text);
    CHECK_FRAME(&raw, "\"code\":\"forbidden\"");
    emit_to(sid);
    web_turn(&victim);
    web_turn(&mallory);
    CHECK_FRAME(&victim, "42[\"secret\",1");
    CHECK_NONE(&mallory);
    web_free(&victim); /* it may come back, as who it was */
    loop_settle(loop, 0);
    ask_join(&mallory, sid);
    CHECK_FRAME(&mallory, "\"code\":\"forbidden\"");
    pusher_join(&p, sid, NULL);
    CHECK_FRAME(&p.w, "that name is taken");
    web_free(&mallory);
    web_free(&raw);
    pusher_end(&p);
    hub_stop();
}

TEST(who_is_put_there_by_a_script_hears_too_but_not_instead) {
    struct web one, other;
    char sid[24] = "";
    struct hub_opts o = test_opts();
    hub_start(&o, &no_admit);
    sio_open(&one, sid);
    sio_client(&other, "");
    CHECK(hub_join(hub, seen.client, ln_str(sid)));
    emit_to(sid);
    web_turn(&one);
    web_turn(&other);
    CHECK_NEXT(&one, "42[\"secret\",1]");
    CHECK_NEXT(&other, "42[\"secret\",1]");
    CHECK_NONE(&one);
    web_free(&one);
    web_free(&other);
    hub_stop();
}

/* --- apps --- */

TEST(rooms_of_other_apps_are_not_told) {
    struct hub_app apps[2] = {{.key = "key", .secret = "secret", .id = "1"},
                              {.key = "two", .secret = "secret", .id = "2"}};
    struct web w;
    struct pusher p;
    struct hub_opts o = test_opts();
    o.apps = apps;
    o.app_count = 2;
    hub_start(&o, &no_admit);
    hub_line(&p.w, "/app/two?protocol=7");
    struct ln_str f = web_next(&p.w);
    const char *at = memmem(f.p, f.n, "socket_id\\\":\\\"", 14);
    CHECK(at != NULL);
    if (at) snprintf(p.sid, sizeof p.sid, "%.*s", (int)strcspn(at + 14, "\\"), at + 14);
    const char *data = "{\"user_id\":\"u1\"}";
    struct ln_str parts[] = {ln_str(p.sid), LN_STR("presence-deal"), ln_str(data)};
    struct ln_buf text = {0};
    ln_buf_puts(&text, "{\"event\":\"pusher:subscribe\",\"data\":{\"auth\":\"");
    pusher_sign(&text, LN_STR("two"), LN_STR("secret"), parts, 3);
    ln_buf_puts(&text, "\",\"channel\":\"presence-deal\",\"channel_data\":");
    ln_json_quote(&text, ln_str(data));
    ln_buf_puts(&text, "}}");
    say(&p.w, ln_buf_cstr(&text));
    CHECK_FRAME(&p.w, "subscription_succeeded");
    ln_buf_free(&text);
    sio_client(&w, "");
    say(&w, "421[\"rooms\"]");
    CHECK_NEXT(&w, "431[{\"ok\":true,\"rooms\":[]}]");
    web_free(&w);
    pusher_end(&p);
    hub_stop();
}

/* 200 or 403: is that signed for who has a token, when no script decides? */
static int signs(const char *path, const char *channel, bool dialect) {
    struct hub_jwt_opts jwt = {.alg = "HS256", .key = LN_STR(SECRET), .leeway_ms = -1};
    struct web w;
    struct ln_buf text = {0}, token = {0};
    char body[100];
    struct hub_opts o = pusher_opts();
    test_app.master_key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    o.dialect = dialect;
    o.jwt = &jwt;
    pusher_start(&o, &no_admit);
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
    jwt_hs256(&token, "{\"sub\":\"u7\"}", SECRET);
    snprintf(body, sizeof body, "socket_id=1.2&channel_name=%s", channel);
    ln_buf_fmt(&text,
               "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
               "Content-Length: %zu\r\n\r\n%s",
               path, ln_buf_cstr(&token), strlen(body), body);
    web_init(&w, loop, hub_pair(hub));
    web_write(&w, text.p, text.n);
    web_turn(&w);
    int status = web_status(&w);
    CHECK(strstr(web_answer(&w),
                 status == 200 ? "{\"auth\":\"key:" : "this hub has no hub:on_auth that decides") !=
          NULL);
    ln_buf_free(&text);
    ln_buf_free(&token);
    web_free(&w);
    loop_settle(loop, 0);
    hub_stop();
    return status;
}

/* Who has a token is somebody, and may not have everything for that: what the dialect's rooms are
 * to him they are over Pusher, too. */
TEST(a_token_alone_opens_no_private_channel) {
    CHECK_INT(signs("/pusher/auth", "private-user.8", true), 403);
    CHECK_INT(signs("/pusher/auth", "private-encrypted-x", true), 403);
    CHECK_INT(signs("/pusher/auth", "presence-room", true), 200);
    CHECK_INT(signs("/pusher/auth", "presence-room", false), 403);
    CHECK_INT(signs("/pusher/user-auth", "", true), 200);
}

/* --- what others cannot read --- */

/* The frame's JSON from `from` on is such that every reader of ours takes it. */
static void readable(int line, struct web *w, const char *from) {
    struct ln_str f = web_next(w);
    const char *at = memmem(f.p, f.n, from, strlen(from));
    if (at && ln_json_valid((struct ln_str){at, f.n - (size_t)(at - f.p)}, NULL)) return;
    printf("line %d: not readable from %s on: %.*s\n", line, from, LN_FMT(f));
    test_failures++;
}

/* {"a":{"a":…1…}} */
static void add_deep(struct ln_buf *out, int depth) {
    for (int i = 0; i < depth; i++)
        ln_buf_puts(out, "{\"a\":");
    ln_buf_putc(out, '1');
    for (int i = 0; i < depth; i++)
        ln_buf_putc(out, '}');
}

TEST(a_deep_message_stops_nobody_from_joining) {
    for (int depth = 80; depth < LN_JSON_DEPTH; depth++) {
        struct web mallory, w;
        struct ln_buf text = {0};
        struct hub_opts o = test_opts();
        hub_start(&o, &no_admit);
        sio_client(&mallory, "");
        say(&mallory, "42[\"join\",{\"room\":\"r\"}]");
        web_skip(&mallory);
        ln_buf_puts(&text, "42[\"message\",{\"room\":\"r\",\"text\":\"x\",\"more\":");
        add_deep(&text, depth);
        ln_buf_puts(&text, "}]");
        say(&mallory, ln_buf_cstr(&text));
        ln_buf_free(&text);
        sio_client(&w, "");
        say(&w, "42[\"x\"]");
        ask_join(&w, "r");
        readable(__LINE__, &w, "[{\"ok\":true");
        web_free(&w);
        raw_client(&w, "");
        say(&w, "{\"event\":\"join\",\"data\":{\"room\":\"r\"},\"ack\":1}");
        readable(__LINE__, &w, "{\"ack\":1");
        web_free(&w);
        web_free(&mallory);
        loop_settle(loop, 0);
        hub_stop();
    }
}

TEST(a_deep_user_info_stops_nobody_from_subscribing) {
    for (int depth = 80; depth < LN_JSON_DEPTH; depth++) {
        struct pusher mallory, p;
        struct ln_buf info = {0}, inner = {0};
        struct hub_opts o = pusher_opts();
        pusher_start(&o, &no_admit);
        pusher_open(&mallory);
        ln_buf_puts(&info, "{\"user_id\":\"m\",\"user_info\":");
        add_deep(&info, depth);
        ln_buf_puts(&info, "}");
        pusher_join(&mallory, "presence-r", ln_buf_cstr(&info));
        pusher_open(&p);
        pusher_join(&p, "presence-r", "{\"user_id\":\"p\"}");
        struct ln_str f = web_next(&p.w);
        struct pusher_msg m;
        struct ln_buf scratch = {0};
        CHECK(pusher_parse(f, &m, &scratch, NULL));
        CHECK_INT(ln_json_peek(pusher_data(m.data, &inner)), LN_JSON_OBJECT);
        ln_buf_free(&info);
        ln_buf_free(&inner);
        ln_buf_free(&scratch);
        pusher_end(&mallory);
        pusher_end(&p);
        hub_stop();
    }
}

/* --- longer than it may --- */

TEST(an_expired_token_says_nothing_more_over_pusher) {
    struct hub_jwt_opts jwt = {.alg = "HS256", .key = LN_STR(SECRET), .leeway_ms = 0};
    struct web w;
    struct ln_buf token = {0};
    char target[600];
    struct hub_opts o = test_opts();
    o.jwt = &jwt;
    hub_start(&o, &no_admit);
    jwt_hs256(&token, "{\"sub\":\"u7\",\"exp\":1700003600}", SECRET);
    snprintf(target, sizeof target, "/app/linnet?protocol=7&token=%s", ln_buf_cstr(&token));
    ln_buf_free(&token);
    hub_line(&w, target);
    CHECK_FRAME(&w, "connection_established");
    ln_clock_set_wall(1700007200000); /* the machine slept */
    say(&w, "{\"event\":\"pusher:subscribe\",\"data\":{\"channel\":\"news\"}}");
    CHECK_FRAME(&w, "{\"event\":\"pusher:error\",\"data\":{\"code\":4009,\"message\":\"token "
                    "expired\"}}");
    CHECK_INT(w.code, 4009);
    web_free(&w);
    loop_settle(loop, 0);
    hub_stop();
}

/* --- without end --- */

static ln_id first_ticket;
static int asked;

static void on_authorize(void *ud, ln_id ticket, struct ln_str request) {
    (void)ud;
    (void)request;
    if (asked++ == 0) first_ticket = ticket;
}

/* headers: with their line ends, or "". */
static void post_auth(struct web *w, const char *headers) {
    static const char body[] = "socket_id=1.2&channel_name=private-a";
    char text[300];
    web_init(w, loop, hub_pair(hub));
    snprintf(text, sizeof text,
             "POST /pusher/auth HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s",
             headers, strlen(body), body);
    web_write(w, text, strlen(text));
    web_turn(w);
}

TEST(requests_that_are_left_do_not_pile_up) {
    static const struct hub_hooks hooks = {.authorize = on_authorize};
    struct web w;
    struct hub_opts o = pusher_opts();
    o.max_clients = 20;
    pusher_start(&o, &hooks);
    asked = 0;
    for (int i = 0; i < 20; i++) {
        post_auth(&w, "");
        CHECK_STR(ln_str(web_answer(&w)), "");
        web_free(&w); /* it does not wait for the answer, which is long in coming */
        loop_settle(loop, 0);
    }
    post_auth(&w, "");
    CHECK_INT(web_status(&w), 503);
    web_free(&w);
    CHECK_INT(asked, 20);
    hub_authorize(hub, first_ticket, HUB_YES, NULL, NOTHING);
    post_auth(&w, "");
    CHECK_STR(ln_str(web_answer(&w)), "");
    CHECK_INT(asked, 21);
    web_free(&w);
    loop_settle(loop, 0);
    hub_stop();
}

/* The second one's decision sets the first one free, too. */
static void on_authorize_both(void *ud, ln_id ticket, struct ln_str request) {
    on_authorize(ud, ticket, request);
    if (asked < 2) return;
    hub_authorize(hub, first_ticket, HUB_YES, NULL, NOTHING);
    hub_authorize(hub, ticket, HUB_YES, NULL, NOTHING);
}

TEST(an_answer_has_the_headers_of_its_own_request) {
    static const struct hub_hooks hooks = {.authorize = on_authorize_both};
    static const char *const origins[] = {"http://a.example", "http://b.example", NULL};
    struct web a, b;
    struct hub_opts o = pusher_opts();
    o.origins = origins;
    pusher_start(&o, &hooks);
    asked = 0;
    post_auth(&a, "Origin: http://a.example\r\n");
    post_auth(&b, "Origin: http://b.example\r\n");
    web_turn(&a);
    CHECK_INT(web_status(&a), 200);
    CHECK_INT(web_status(&b), 200);
    CHECK(strstr(web_answer(&a), "Access-Control-Allow-Origin: http://a.example\r\n") != NULL);
    CHECK(strstr(web_answer(&b), "Access-Control-Allow-Origin: http://b.example\r\n") != NULL);
    CHECK(strstr(web_answer(&b), "a.example") == NULL);
    web_free(&a);
    web_free(&b);
    loop_settle(loop, 0);
    hub_stop();
}

TEST_MAIN(T(nobody_joins_the_room_that_another_one_is),
          T(who_is_put_there_by_a_script_hears_too_but_not_instead),
          T(rooms_of_other_apps_are_not_told), T(a_token_alone_opens_no_private_channel),
          T(a_deep_message_stops_nobody_from_joining),
          T(a_deep_user_info_stops_nobody_from_subscribing),
          T(an_expired_token_says_nothing_more_over_pusher),
          T(requests_that_are_left_do_not_pile_up), T(an_answer_has_the_headers_of_its_own_request))
