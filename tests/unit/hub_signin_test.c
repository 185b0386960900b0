/* SPDX-License-Identifier: MIT
 *
 * Users of Pusher's protocol: signing in, the channel of a user, watchlists.
 */
#include "pusherclient.h"

static void start(void) {
    struct hub_opts o = pusher_opts();
    pusher_start(&o, &no_admit);
}

static void signin_by(struct pusher *p, const char *secret, const char *data) {
    struct ln_str parts[] = {ln_str(p->sid), LN_STR(""), LN_STR("user"), LN_STR(""), ln_str(data)};
    struct ln_buf text = {0};
    ln_buf_puts(&text, "{\"event\":\"pusher:signin\",\"data\":{\"auth\":\"");
    pusher_sign(&text, LN_STR("key"), ln_str(secret), parts, LN_COUNT(parts));
    ln_buf_puts(&text, "\",\"user_data\":");
    ln_json_quote(&text, ln_str(data));
    ln_buf_puts(&text, "}}");
    say(&p->w, ln_buf_cstr(&text));
    ln_buf_free(&text);
}

static void signin(struct pusher *p, const char *data) {
    signin_by(p, "secret", data);
}

#define U1 "{\"id\":\"u1\",\"user_info\":{\"name\":\"Al\"}}"
#define SUCCESS                                                                                    \
    "{\"event\":\"pusher:signin_success\",\"data\":{\"user_data\":\"{\\\"id\\\":\\\"u1\\\","       \
    "\\\"user_info\\\":{\\\"name\\\":\\\"Al\\\"}}\"}}"

TEST(a_user_signs_in_and_is_reached) {
    struct pusher p;
    struct hub_client_info info;
    start();
    pusher_open(&p);
    pusher_join(&p, "#server-to-user-u1", NULL);
    CHECK_FRAME(&p.w, "\"type\":\"AuthError\"");
    signin(&p, U1);
    CHECK_NEXT(&p.w, SUCCESS);
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(info.user_id, "u1");
    CHECK_STR(info.user_name, "Al");
    pusher_joined(&p, "#server-to-user-u1", NULL);
    pusher_join(&p, "#server-to-user-u2", NULL);
    CHECK_FRAME(&p.w, "\"type\":\"AuthError\"");
    struct hub_target t = {.room = LN_STR("#server-to-user-u1")};
    CHECK_INT(hub_emit(hub, &t, LN_STR("ding"), LN_STR("{\"x\":1}"), NULL, 0), 1);
    web_turn(&p.w);
    CHECK_NEXT(
        &p.w, "{\"event\":\"ding\",\"channel\":\"#server-to-user-u1\",\"data\":\"{\\\"x\\\":1}\"}");
    signin(&p, U1);
    CHECK_FRAME(&p.w, "\"code\":4009,\"message\":\"this connection has signed in already\"");
    CHECK(!p.w.is_eof);
    pusher_end(&p);
    hub_stop();
}

TEST(present_as_the_one_who_signed_in) {
    struct pusher p;
    start();
    pusher_open(&p);
    pusher_join(&p, "presence-r", NULL);
    CHECK_FRAME(&p.w, "needs \\\"channel_data\\\"");
    signin(&p, U1);
    web_skip(&p.w);
    pusher_join(&p, "presence-r", NULL);
    CHECK_FRAME(&p.w, "\\\"hash\\\":{\\\"u1\\\":{\\\"name\\\":\\\"Al\\\"}},\\\"count\\\":1}}");
    pusher_end(&p);
    hub_stop();
}

TEST(signins_that_are_not_right) {
    static const char *const bad[] = {"no json",
                                      "[]",
                                      "{}",
                                      "{\"id\":7}",
                                      "{\"id\":\"\"}",
                                      "{\"id\":\"a\\u0000b\"}",
                                      "{\"id\":\"u1\"} "
                                      "x"};
    struct pusher p;
    start();
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        pusher_open(&p);
        signin(&p, bad[i]);
        CHECK_FRAME(&p.w, "{\"event\":\"pusher:error\",\"data\":{\"code\":4009,\"message\":\"");
        CHECK_INT(p.w.code, 4009);
        pusher_end(&p);
    }
    pusher_open(&p);
    signin_by(&p, "guessed", U1);
    CHECK_FRAME(&p.w, "the signature is not right for this sign-in");
    CHECK_INT(p.w.code, 4009);
    pusher_end(&p);
    hub_stop();
}

TEST(a_signature_is_for_one_connection) {
    struct pusher a, b;
    start();
    pusher_open(&a);
    pusher_open(&b);
    memcpy(a.sid, b.sid, sizeof a.sid); /* what b may say, a says */
    signin(&a, U1);
    CHECK_INT(a.w.code, 4009);
    pusher_end(&a);
    pusher_end(&b);
    hub_stop();
}

TEST(a_script_decides_about_signins) {
    struct pusher p;
    struct hub_opts o = pusher_opts();
    pusher_start(&o, &all_hooks);
    pusher_open(&p);
    ln_buf_clear(&seen.log);
    seen.ask = true;
    signin(&p, U1);
    CHECK_SEEN("admit / " U1 " host\n");
    CHECK_NONE(&p.w);
    signin(&p, U1); /* it is being decided */
    CHECK_FRAME(&p.w, "signed in already");
    hub_admit(hub, seen.ticket, true, NULL, NOTHING);
    web_turn(&p.w);
    CHECK_NEXT(&p.w, SUCCESS);
    pusher_end(&p);
    seen.ask = false;
    pusher_open(&p);
    seen.ask = true;
    signin(&p, U1);
    hub_admit(hub, seen.ticket, false, "banned", NOTHING);
    web_turn(&p.w);
    CHECK_FRAME(&p.w, "\"code\":4009,\"message\":\"banned\"");
    CHECK_INT(p.w.code, 4009);
    pusher_end(&p);
    seen.ask = false;
    pusher_open(&p);
    seen.ask = true;
    signin(&p, U1);
    pusher_end(&p); /* gone before it is decided */
    hub_admit(hub, seen.ticket, true, NULL, NOTHING);
    hub_stop();
}

/* --- watchlists --- */

#define WATCH "{\"id\":\"w\",\"watchlist\":[\"u1\",\"u2\"]}"
#define HEARD(name, ids)                                                                           \
    "{\"event\":\"pusher_internal:watchlist_events\",\"data\":\"{\\\"events\\\":[{\\\"name\\\":"   \
    "\\\"" name "\\\",\\\"user_ids\\\":[" ids "]}]}\"}"

TEST(who_is_watched) {
    struct pusher w, a, b;
    start();
    pusher_open(&w);
    pusher_open(&a);
    pusher_open(&b);
    signin(&a, U1);
    signin(&w, WATCH);
    CHECK_FRAME(&w.w, "signin_success");
    CHECK_NEXT(&w.w, HEARD("online", "\\\"u1\\\"")); /* is here already */
    signin(&b, "{\"id\":\"u2\"}");
    web_turn(&w.w);
    CHECK_NEXT(&w.w, HEARD("online", "\\\"u2\\\""));
    pusher_end(&b);
    web_turn(&w.w);
    CHECK_NEXT(&w.w, HEARD("offline", "\\\"u2\\\""));
    pusher_open(&b);
    signin(&b, U1); /* a second connection */
    pusher_end(&a);
    web_turn(&w.w);
    CHECK_NONE(&w.w);
    pusher_end(&b);
    web_turn(&w.w);
    CHECK_NEXT(&w.w, HEARD("offline", "\\\"u1\\\""));
    pusher_end(&w);
    hub_stop();
}

TEST(a_watchlist_has_its_limit) {
    struct pusher p;
    struct ln_buf data = {0};
    start();
    pusher_open(&p);
    ln_buf_puts(&data, "{\"id\":\"w\",\"watchlist\":[7,\"\",null");
    for (int i = 0; i < 101; i++)
        ln_buf_fmt(&data, ",\"u%d\"", i);
    ln_buf_puts(&data, "]}");
    signin(&p, ln_buf_cstr(&data));
    CHECK_FRAME(&p.w, "signin_success");
    CHECK_FRAME(&p.w, "\"code\":4302");
    CHECK(!p.w.is_eof);
    ln_buf_free(&data);
    pusher_end(&p);
    pusher_open(&p);
    signin(&p, "{\"id\":\"w\",\"watchlist\":\"u1\"}"); /* no list: nobody is watched */
    CHECK_FRAME(&p.w, "signin_success");
    CHECK_NONE(&p.w);
    pusher_end(&p);
    hub_stop();
}

/* Names that are none: watched by nobody, and nobody else is meant by what is left of them. */
TEST(a_watchlist_of_names_that_are_none) {
#define ODD "\"u1\\u0000x\",\"\",7,null,\"a\\nb\""
    struct pusher a, b;
    start();
    for (int i = 0; i < 2; i++) {
        pusher_open(&a);
        signin(&a, "{\"id\":\"w\",\"watchlist\":[" ODD ",\"u1\"]}");
        CHECK_FRAME(&a.w, "pusher:signin_success");
        CHECK_NONE(&a.w);
        pusher_open(&b);
        signin(&b, "{\"id\":\"v\",\"watchlist\":[" ODD "]}");
        pusher_end(&b); /* with all that it watched */
        pusher_open(&b);
        signin(&b, "{\"id\":\"u1\",\"watchlist\":[" ODD "]}");
        web_turn(&a.w);
        CHECK_FRAME(&a.w, "{\\\"name\\\":\\\"online\\\",\\\"user_ids\\\":[\\\"u1\\\"]}");
        pusher_end(&a);
        pusher_end(&b);
    }
    hub_stop();
}

TEST_MAIN(T(a_user_signs_in_and_is_reached), T(present_as_the_one_who_signed_in),
          T(signins_that_are_not_right), T(a_signature_is_for_one_connection),
          T(a_script_decides_about_signins), T(who_is_watched), T(a_watchlist_has_its_limit),
          T(a_watchlist_of_names_that_are_none))
