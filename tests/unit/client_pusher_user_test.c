/* SPDX-License-Identifier: MIT
 *
 * Signing in to Pusher: what an endpoint or the server may answer, and what follows from it.
 */
#include "pusher_peer.h"

static int given;

static void gives_tokens(struct conn *c, ln_id ticket) {
    char json[40];
    snprintf(json, sizeof json, "{\"token\":\"t%d\"}", ++given);
    conn_auth_answer(c, ticket, ln_str(json), NULL);
}

static const char signed_in[] =
    "{\"event\":\"pusher:signin_success\",\"data\":{\"user_data\":\"{\\\"id\\\":\\\"u9\\\","
    "\\\"user_info\\\":{\\\"name\\\":\\\"Zoe\\\"},\\\"watchlist\\\":[\\\"u1\\\"]}\"}}";

static struct conn_opts signs_in(void) {
    struct conn_opts o = with_endpoint();
    o.user_auth_endpoint = ln_strdup("/pusher/user-auth");
    s.reply = "{\"auth\":\"k:u\",\"user_data\":\"{\\\"id\\\":\\\"u9\\\"}\"}";
    return o;
}

TEST(signs_in_before_it_is_connected) {
    begin_pusher();
    struct conn *c = open_with("chat", signs_in());
    turn();
    CHECK_STR(ln_buf_get(&s.posts), "/pusher/user-auth socket_id=1.1|");
    GOT(line_now(), "{\"event\":\"pusher:signin\",\"data\":{\"auth\":\"k:u\",\"user_data\":"
                    "\"{\\\"id\\\":\\\"u9\\\"}\"}}|");
    CHECK_INT(conn_state(c), CONN_CONNECTING);
    say(line_now(), signed_in);
    turn();
    TRAIL("session({\"user\":{\"id\":\"u9\",\"name\":\"Zoe\",\"info\":{\"name\":\"Zoe\"}}}) "
          "connect(true) ");
    GOT(line_now(), "{\"event\":\"pusher:subscribe\",\"data\":{\"auth\":\"\",\"channel\":"
                    "\"#server-to-user-u9\"}}|");
    say_event(line_now(), "ding", "#server-to-user-u9", "\"{\\\"x\\\":1}\"");
    turn();
    TRAIL("ding({\"x\":1},{\"channel\":\"#server-to-user-u9\"}) ");
    ln_buf_clear(&s.posts);
    hang_up(line_now()); /* and after each reconnect */
    advance(1000);
    CHECK_STR(ln_buf_get(&s.posts), "/pusher/user-auth socket_id=2.2|");
    end_pusher();
}

TEST(signs_in_with_the_secret) {
    begin_pusher();
    s.first = "{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\"1234.1234\","
              "\"activity_timeout\":120}}";
    struct conn_opts o = with_secret();
    o.signin = true;
    o.auth = ln_strdup("{\"id\":\"12345\"}");
    open_with("chat", o);
    turn();
    struct ln_str data = LN_STR("{\"id\":\"12345\",\"user_info\":{}}");
    struct ln_str parts[] = {LN_STR("1234.1234"), LN_STR(""), LN_STR("user"), LN_STR(""), data};
    struct ln_buf auth = {0};
    pusher_sign(&auth, LN_STR(KEY), LN_STR(SECRET), parts, 5);
    CHECK_HAS(ln_buf_cstr(&last()->got), ln_buf_cstr(&auth));
    ln_buf_free(&auth);
    end_pusher();
}

/* Presence channels need no channel_data then. */
TEST(who_is_signed_in_joins_presence_channels) {
    begin_pusher();
    open_with("chat", signs_in());
    turn();
    say(line_now(), signed_in);
    turn();
    struct conn *c = conn_find(w.cs, LN_STR("chat"));
    s.reply = NULL;
    join(c, "presence-a");
    turn();
    CHECK(conn_room_joined(c, LN_STR("presence-a")));
    end_pusher();
}

TEST(a_refused_sign_in_is_a_refused_connection) {
    static const char *const statuses[] = {"401 Unauthorized", "403 Forbidden"};
    for (size_t i = 0; i < LN_COUNT(statuses); i++) {
        begin_pusher();
        struct conn_opts o = signs_in();
        s.status = statuses[i];
        s.reply = "{\"message\":\"who?\"}";
        struct conn *c = open_with("chat", o);
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":\"unauthorized\",\"message\":"
                                         "\"auth endpoint: HTTP 40");
        CHECK_INT(conn_state(c), CONN_FAILED);
        end_pusher();
    }
    begin_pusher(); /* who has a function is asked once more */
    given = 0;
    struct conn_opts o = signs_in();
    o.auth_asked = true;
    w.on_auth = gives_tokens;
    s.unauthorized = 1;
    struct conn *c = open_with("chat", o);
    turn();
    CHECK_STR(ln_buf_get(&s.posts), "/pusher/user-auth socket_id=1.1&token=t1|"
                                    "/pusher/user-auth socket_id=1.1&token=t2|");
    say(line_now(), signed_in);
    turn();
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end_pusher();
}

TEST(a_sign_in_that_comes_to_nothing_is_an_error) {
    static const struct {
        const char *status, *reply, *server, *says;
        int64_t after_ms;
    } cases[] = {
        {"500 Oops", "", NULL, "sign-in: auth endpoint: HTTP 500", 0},
        {"200 OK", "{}", NULL, "sign-in: the answer needs 'auth' and 'user_data', both strings", 0},
        {"200 OK", "{\"auth\":\"a\",\"user_data\":{}}", NULL, "both strings", 0},
        {"200 OK", "x", NULL, "the answer is no JSON object", 0},
        {"200 OK", NULL, NULL, "sign-in: no answer within 10 s (is it enabled on the server?)",
         10000},
        {"200 OK", NULL,
         "{\"event\":\"pusher:error\",\"data\":\"{\\\"code\\\":4200,\\\"message\\\":\\\"Invalid "
         "message format\\\"}\"}",
         "sign-in: Invalid message format", 0},
        {"200 OK", NULL, "{\"event\":\"pusher:signin_success\",\"data\":{\"user_data\":\"{}\"}}",
         "sign-in: the server's user_data has no id that is a string", 0},
        {"200 OK", NULL,
         "{\"event\":\"pusher:signin_success\",\"data\":{\"user_data\":\"{\\\"id\\\":5}\"}}",
         "sign-in: the server's user_data has no id that is a string", 0},
        {"200 OK", NULL, "{\"event\":\"pusher:signin_success\"}",
         "sign-in: the server's user_data has no id that is a string", 0},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        begin_pusher();
        struct conn_opts o = signs_in();
        s.status = cases[i].status;
        if (cases[i].reply) s.reply = cases[i].reply;
        struct conn *c = open_with("chat", o);
        turn();
        if (cases[i].server) say(line_now(), cases[i].server);
        advance(cases[i].after_ms);
        CHECK_HAS(ln_buf_cstr(&w.trail), "connect(true) error({\"code\":\"");
        CHECK_HAS(ln_buf_cstr(&w.trail), cases[i].says);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        say(line_now(), signed_in); /* too late: nobody is signed in by surprise */
        turn();
        CHECK(!strstr(ln_buf_cstr(&w.trail), "session("));
        end_pusher();
    }
}

/* soketi says 4009 twice: with an error and as it closes. */
TEST(a_server_that_refuses_the_user) {
    begin_pusher();
    struct conn *c = open_with("chat", signs_in());
    turn();
    say(line_now(), "{\"event\":\"pusher:error\",\"data\":{\"code\":4009,\"message\":\"Not "
                    "authorized.\"}}");
    say_close(line_now(), 4009, "");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":\"unauthorized\"");
    CHECK_INT(conn_state(c), CONN_FAILED);
    end_pusher();
}

TEST(going_while_signing_in) {
    for (int how = 0; how < 4; how++) {
        begin_pusher();
        struct conn_opts o = signs_in();
        s.no_reply = how < 2;
        struct conn *c = open_with("chat", o);
        turn();
        if (how % 2)
            conn_close(c);
        else
            conn_disconnect(c, NULL);
        say(w.line[0], signed_in);
        s.no_reply = false;
        advance(30000);
        TRAIL("");
        end_pusher();
    }
}

TEST(the_watchlist_is_events) {
    begin_pusher();
    open_with("chat", signs_in());
    turn();
    say(line_now(), signed_in);
    turn();
    ln_buf_clear(&w.trail);
    say(line_now(), "{\"event\":\"pusher_internal:watchlist_events\",\"data\":\"{\\\"events\\\":["
                    "{\\\"name\\\":\\\"online\\\",\\\"user_ids\\\":[\\\"u1\\\"]},"
                    "{\\\"name\\\":\\\"offline\\\",\\\"user_ids\\\":[\\\"u2\\\"]},{\\\"a\\\":1}]}"
                    "\"}");
    say(line_now(), "{\"event\":\"pusher_internal:watchlist_events\",\"data\":5}");
    turn();
    TRAIL("online({\"name\":\"online\",\"user_ids\":[\"u1\"]},{}) "
          "offline({\"name\":\"offline\",\"user_ids\":[\"u2\"]},{}) ");
    end_pusher();
}

TEST_MAIN(T(signs_in_before_it_is_connected), T(signs_in_with_the_secret),
          T(who_is_signed_in_joins_presence_channels), T(a_refused_sign_in_is_a_refused_connection),
          T(a_sign_in_that_comes_to_nothing_is_an_error), T(a_server_that_refuses_the_user),
          T(going_while_signing_in), T(the_watchlist_is_events))
