/* SPDX-License-Identifier: MIT
 *
 * Signatures for Pusher's channels and users: made here, asked of an endpoint by form and JSON;
 * every wrong answer; tokens that ended. (By functions: client_pusher_authorizer_test.c.)
 */
#include "pusher_peer.h"

#define SUB(auth, channel)                                                                         \
    "{\"event\":\"pusher:subscribe\",\"data\":{\"auth\":\"" auth "\",\"channel\":\"" channel "\"}" \
    "}|"

/* --- signed here --- */

TEST(signs_as_the_reference) {
    begin_pusher();
    s.first = "{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\"1234.1234\","
              "\"activity_timeout\":120}}";
    struct conn_opts o = with_secret();
    o.auth = ln_strdup("{\"id\":10,\"user_info\":{\"name\":\"Mr. Channels\"}}");
    struct conn *c = pusher_with(o);
    join(c, "private-foobar");
    turn();
    GOT(last(), SUB(KEY ":58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
                    "private-foobar"));
    CHECK_INT(w.lines, 1); /* nobody was asked */
    end_pusher();
}

/* What a presence channel is told of us. */
TEST(identities) {
    static const struct {
        const char *auth, *data;
    } cases[] = {
        {"{\"id\":\"u1\",\"name\":\"Al\",\"token\":\"t\"}",
         "{\"user_id\":\"u1\",\"user_info\":{\"name\":\"Al\"}}"},
        {"{\"user_id\":7,\"id\":\"x\"}", "{\"user_id\":\"7\",\"user_info\":{}}"},
        {"{\"name\":\"wren\"}", "{\"user_id\":\"wren\",\"user_info\":{\"name\":\"wren\"}}"},
        {"{\"id\":\"u1\",\"name\":\"Al\",\"user_info\":{\"a\":1}}",
         "{\"user_id\":\"u1\",\"user_info\":{\"a\":1}}"},
        {"{\"id\":\"\",\"name\":5}", "{\"user_id\":\"5\",\"user_info\":{}}"},
        {NULL, "{\"user_id\":\"1.1\",\"user_info\":{}}"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        begin_pusher();
        struct ln_buf want = {0}, quoted = {0}, auth = {0};
        struct conn_opts o = with_secret();
        if (cases[i].auth) o.auth = ln_strdup(cases[i].auth);
        struct conn *c = pusher_with(o);
        join(c, "presence-x");
        turn();
        struct ln_str parts[] = {LN_STR("1.1"), LN_STR("presence-x"), ln_str(cases[i].data)};
        pusher_sign(&auth, LN_STR(KEY), LN_STR(SECRET), parts, 3);
        ln_json_quote(&quoted, ln_str(cases[i].data));
        ln_buf_fmt(&want,
                   "{\"event\":\"pusher:subscribe\",\"data\":{\"auth\":\"%.*s\","
                   "\"channel_data\":%.*s,\"channel\":\"presence-x\"}}|",
                   LN_FMT(ln_buf_get(&auth)), LN_FMT(ln_buf_get(&quoted)));
        GOT(last(), ln_buf_cstr(&want));
        ln_buf_free(&want);
        ln_buf_free(&quoted);
        ln_buf_free(&auth);
        end_pusher();
    }
}

TEST(the_url_may_hold_the_secret) {
    begin_pusher();
    struct conn *c = pusher_with(options("pusher://" KEY ":" SECRET "@ws.example"));
    joined(c, "private-a");
    CHECK_INT(w.lines, 1);
    CHECK(!strstr(conn_url(c), SECRET) && !strstr(conn_url(c), KEY));
    end_pusher();
}

/* --- an endpoint --- */

TEST(the_endpoint_is_asked_by_form) {
    begin_pusher();
    struct conn_opts o = with_endpoint();
    o.auth = ln_strdup("{\"extra\":\"a b&c\",\"n\":5,\"yes\":true,\"socket_id\":\"no\"}");
    o.headers = ln_strdup("{\"Authorization\":\"Bearer T\",\"X-CSRF-TOKEN\":\"c\"}");
    struct conn *c = pusher_with(o);
    join(c, "private-room");
    turn();
    TRAIL("pusher:subscription_succeeded({},{\"channel\":\"private-room\"}) "
          "private-room={\"channel\":\"private-room\"} ");
    GOT(line_now(), SUB("key:signature", "private-room"));
    CHECK_STR(ln_buf_get(&s.posts), "/broadcasting/auth socket_id=1.1&channel_name=private-room&"
                                    "extra=a%20b%26c&n=5&yes=true|");
    const char *head = ln_buf_cstr(&s.heads);
    CHECK_HAS(head, "Host: ws.example:6001\r\n");
    CHECK_HAS(head, "Content-Type: application/x-www-form-urlencoded\r\n");
    CHECK_HAS(head, "Accept: application/json\r\n");
    CHECK_HAS(head, "Authorization: Bearer T\r\n");
    CHECK_HAS(head, "X-CSRF-TOKEN: c\r\n");
    end_pusher();
}

TEST(the_endpoint_is_asked_by_json) {
    begin_pusher();
    struct conn_opts o = with_endpoint();
    o.auth_json = true;
    o.auth_endpoint = ln_strdup("https://app.example/api/auth?x=1");
    o.auth_endpoint[4] = ':'; /* http: the test's endpoint has no TLS */
    memmove(o.auth_endpoint + 5, o.auth_endpoint + 6, strlen(o.auth_endpoint + 6) + 1);
    o.auth = ln_strdup("{\"a\\\"b\":{\"c\":[1]}}");
    struct conn *c = pusher_with(o);
    join(c, "private-user.7");
    turn();
    CHECK_STR(ln_buf_get(&s.posts), "/api/auth?x=1 {\"socket_id\":\"1.1\",\"channel_name\":"
                                    "\"private-user.7\",\"a\\\"b\":{\"c\":[1]}}|");
    CHECK_HAS(ln_buf_cstr(&s.heads), "Host: app.example\r\n");
    CHECK_HAS(ln_buf_cstr(&s.heads), "Content-Type: application/json\r\n");
    CHECK(conn_room_joined(c, LN_STR("private-user.7")));
    end_pusher();
}

TEST(channel_data_goes_on_byte_for_byte) {
    begin_pusher();
    s.reply = "{\"channel_data\":\"{ \\\"user_id\\\" : 7,\\\"user_info\\\":\\u007b\\u007d}\","
              "\"auth\":\"k:s\"}";
    struct conn *c = pusher_with(with_endpoint());
    join(c, "presence-a");
    turn();
    GOT(line_now(), "{\"event\":\"pusher:subscribe\",\"data\":{\"auth\":\"k:s\",\"channel_data\":"
                    "\"{ \\\"user_id\\\" : 7,\\\"user_info\\\":\\u007b\\u007d}\","
                    "\"channel\":\"presence-a\"}}|");
    end_pusher();
}

TEST(public_channels_need_no_endpoint) {
    begin_pusher();
    struct conn *c = pusher_with(with_endpoint());
    joined(c, "pub");
    joined(c, "cache-pub");
    CHECK_INT(w.lines, 1);
    end_pusher();
}

TEST(requests_go_one_after_the_other_over_one_connection) {
    begin_pusher();
    struct conn *c = pusher_with(with_endpoint());
    join(c, "private-a");
    join(c, "private-b");
    join(c, "private-c");
    turn();
    CHECK_INT(w.lines, 2);
    CHECK_STR(ln_buf_get(&s.posts), "/broadcasting/auth socket_id=1.1&channel_name=private-a|"
                                    "/broadcasting/auth socket_id=1.1&channel_name=private-b|"
                                    "/broadcasting/auth socket_id=1.1&channel_name=private-c|");
    CHECK(conn_room_joined(c, LN_STR("private-c")));
    end_pusher();
}

TEST(answers_that_are_wrong) {
    static const struct {
        const char *room, *status, *reply, *says;
    } cases[] = {
        {"private-a", "200 OK", "{}", "protocol:'private-a' cannot be signed: the answer has no"},
        {"private-a", "200 OK", "{\"auth\":5}", "the answer has no 'auth'"},
        {"private-a", "200 OK", "{\"auth\":\"\"}", "the answer has no 'auth'"},
        {"presence-a", "200 OK", "{\"auth\":\"k:s\"}",
         "the answer has no channel_data, and nobody is signed in"},
        {"presence-a", "200 OK", "{\"auth\":\"k:s\",\"channel_data\":{\"user_id\":1}}",
         "the answer's channel_data is no string"},
        {"presence-a", "200 OK", "{\"auth\":\"k:s\",\"channel_data\":\"{}\"}",
         "the answer's channel_data names no user_id"},
        {"presence-a", "200 OK", "{\"auth\":\"k:s\",\"channel_data\":\"garbage\"}",
         "the answer's channel_data names no user_id"},
        {"private-encrypted-a", "200 OK", "{\"auth\":\"k:s\"}", "the answer has no shared_secret"},
        {"private-encrypted-a", "200 OK", "{\"auth\":\"k:s\",\"shared_secret\":\"AAAA\"}",
         "shared_secret is not base64 of 32 bytes"},
        {"private-encrypted-a", "200 OK", "{\"auth\":\"k:s\",\"shared_secret\":\"!\"}",
         "shared_secret is not base64 of 32 bytes"},
        {"private-a", "401 Unauthorized", "{\"message\":\"Unauthenticated.\"}",
         "unauthorized:auth endpoint: HTTP 401: Unauthenticated."},
        {"private-a", "419 Page Expired", "{}", "unauthorized:auth endpoint: HTTP 419"},
        {"private-a", "403 Forbidden", "{\"error\":\"a\\u001bb\"}",
         "forbidden:auth endpoint: HTTP 403: a\\x1bb"},
        {"private-a", "404 Not Found", "<html>",
         "not_found:auth endpoint: HTTP 404 (POST http://ws.example:6001/broadcasting/auth; "
         "auth_endpoint or secret is not given)"},
        {"private-a", "422 Unprocessable", "{\"message\":5}", "refused:auth endpoint: HTTP 422"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        begin_pusher();
        s.status = cases[i].status;
        s.reply = cases[i].reply;
        struct conn *c = pusher_with(with_endpoint());
        join(c, cases[i].room);
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), cases[i].says);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        GOT(line_now(), "");
        ln_buf_clear(&s.posts);
        advance(120000); /* nothing is tried again that time cannot mend */
        CHECK_STR(ln_buf_get(&s.posts), "");
        CHECK(!strstr(ln_buf_cstr(&line_now()->got), "subscribe"));
        end_pusher();
    }
}

TEST(a_201_with_json_is_good) {
    begin_pusher();
    s.status = "201 Created";
    struct conn *c = pusher_with(with_endpoint());
    joined(c, "private-a");
    end_pusher();
}

/* Down, or not reached at all: what answers is a proxy, or the page of a captive portal. */
TEST(an_endpoint_that_is_down_is_asked_again) {
#define THERE "(POST http://ws.example:6001/broadcasting/auth) "
    static const struct {
        const char *status, *reply, *says;
    } cases[] = {
        {"503 Service Unavailable", "", "refused:auth endpoint: HTTP 503 " THERE},
        {"429 Too Many Requests", "{\"message\":\"slowly\"}",
         "refused:auth endpoint: HTTP 429: slowly "},
        {"408 Request Timeout", "", "refused:auth endpoint: HTTP 408 " THERE},
        {"200 OK", "<html>Welcome to our hotel",
         "protocol:auth endpoint: HTTP 200, but the answer is no JSON object " THERE},
        {"200 OK", "", "protocol:auth endpoint: HTTP 200, but the answer is no JSON object " THERE},
        {"200 OK", "[1]",
         "protocol:auth endpoint: HTTP 200, but the answer is no JSON object " THERE},
        {"200 OK",
         "{\"auth\":", "protocol:auth endpoint: HTTP 200, but the answer is no JSON object " THERE},
        {"302 Found", "",
         "refused:auth endpoint: HTTP 302, a redirect (to a login page?): redirects are not "
         "followed " THERE},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_buf says = {0};
        begin_pusher();
        s.status = cases[i].status;
        s.reply = cases[i].reply;
        struct conn *c = pusher_with(with_endpoint());
        join(c, "private-a");
        turn();
        ln_buf_fmt(&says, "private-a=%s", cases[i].says);
        TRAIL(ln_buf_cstr(&says));
        s.status = NULL;
        s.reply = NULL;
        advance(4999);
        CHECK(!conn_room_joined(c, LN_STR("private-a")));
        advance(1);
        CHECK(conn_room_joined(c, LN_STR("private-a")));
        end_pusher();
        ln_buf_free(&says);
    }
#undef THERE
}

/* A thousand programs that saw the same outage do not come back in step. */
TEST(who_asks_again_does_so_at_a_time_of_his_own) {
    int64_t first = 0;
    bool is_spread = false;
    for (int i = 0; i < 30; i++) {
        begin_pusher();
        ln_random_fake((uint64_t)i + 1);
        s.status = "503 Service Unavailable";
        struct conn_opts o = with_endpoint();
        o.backoff.factor = 0.5;
        struct conn *c = pusher_with(o);
        join(c, "private-a");
        turn();
        s.status = NULL;
        advance(2499);
        CHECK(!conn_room_joined(c, LN_STR("private-a")));
        int64_t ms = 2499;
        for (; ms < 7500 && !conn_room_joined(c, LN_STR("private-a")); ms++)
            advance(1);
        CHECK(conn_room_joined(c, LN_STR("private-a")));
        if (i == 0) first = ms;
        is_spread = is_spread || ms != first;
        end_pusher();
    }
    CHECK(is_spread);
}

/* Left, disconnected, closed: no timer lives on. */
TEST(what_was_left_is_not_asked_for_again) {
    for (int how = 0; how < 3; how++) {
        begin_pusher();
        s.reply = "<html>";
        struct conn *c = pusher_with(with_endpoint());
        join(c, "private-a");
        join(c, "private-b");
        turn();
        CHECK(s.posts.n > 0);
        ln_buf_clear(&s.posts);
        if (how == 0) leave(c, "private-a"), leave(c, "private-b");
        if (how == 1) conn_disconnect(c, NULL);
        if (how == 2) conn_close(c);
        advance(120000);
        CHECK_STR(ln_buf_get(&s.posts), "");
        CHECK_INT(w.lines, 2); /* the line, and that of the questions */
        end_pusher();
    }
}

TEST(an_endpoint_that_hangs_up_or_says_nothing) {
    begin_pusher();
    struct conn *c = pusher_with(with_endpoint());
    s.no_reply = true;
    join(c, "private-a");
    advance(20000);
    CHECK_HAS(ln_buf_cstr(&w.trail), "private-a=timeout:");
    ln_buf_clear(&w.trail);
    end_pusher();
    begin_pusher();
    c = pusher_with(with_endpoint());
    w.hangs_up = true;
    join(c, "private-a");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "private-a=disconnected:auth endpoint: HTTP: ");
    CHECK_INT(w.lines, 3); /* a kept connection may have ended: once more */
    end_pusher();
}

/* --- races --- */

TEST(answers_to_an_old_socket_are_forgotten) {
    begin_pusher();
    struct conn *c = pusher_with(with_endpoint());
    s.no_reply = true;
    join(c, "private-a");
    turn();
    struct server_line *endpoint_line = last();
    hang_up(w.line[0]);
    turn();
    s.no_reply = false;
    advance(1000);
    CHECK(endpoint_line->p.fd < 0); /* the request went with its line */
    CHECK_STR(ln_buf_get(&s.posts), "/broadcasting/auth socket_id=1.1&channel_name=private-a|"
                                    "/broadcasting/auth socket_id=2.2&channel_name=private-a|");
    CHECK(conn_room_joined(c, LN_STR("private-a")));
    end_pusher();
}

TEST(leaving_while_the_endpoint_is_asked) {
    begin_pusher();
    struct conn *c = pusher_with(with_endpoint());
    s.no_reply = true;
    join(c, "private-a");
    join(c, "private-b");
    turn();
    leave(c, "private-a"); /* its request is out */
    leave(c, "private-b"); /* and this one is not */
    turn();
    join(c, "private-a");
    s.no_reply = false;
    struct ln_buf out = {0};
    ln_buf_puts(&out, "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"auth\":\"k:old\"}");
    server_bytes(last(), &out);
    turn();
    GOT(line_now(), SUB("key:signature", "private-a"));
    CHECK_STR(ln_buf_get(&s.posts), "/broadcasting/auth socket_id=1.1&channel_name=private-a|"
                                    "/broadcasting/auth socket_id=1.1&channel_name=private-a|");
    end_pusher();
}

TEST(going_while_the_endpoint_is_asked) {
    for (int how = 0; how < 3; how++) {
        begin_pusher();
        struct conn *c = pusher_with(with_endpoint());
        s.no_reply = true;
        join(c, "private-a");
        turn();
        if (how == 0) conn_disconnect(c, NULL);
        if (how == 1) conn_close(c);
        if (how == 2) conn_reconnect(c);
        struct ln_buf out = {0};
        ln_buf_puts(&out, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"auth\":\"k:s\"}");
        server_bytes(w.line[1], &out);
        s.no_reply = false;
        turn();
        CHECK(how != 2 || conn_room_joined(c, LN_STR("private-a")));
        end_pusher();
    }
}

/* --- tokens --- */

static int given;

static void gives_tokens(struct conn *c, ln_id ticket) {
    char json[40];
    snprintf(json, sizeof json, "{\"token\":\"t%d\"}", ++given);
    conn_auth_answer(c, ticket, ln_str(json), NULL);
}

TEST(a_401_asks_the_function_and_tries_once_more) {
    begin_pusher();
    given = 0;
    struct conn_opts o = with_endpoint();
    o.auth_asked = true;
    w.on_auth = gives_tokens;
    struct conn *c = pusher_with(o);
    s.unauthorized = 1;
    join(c, "private-a");
    turn();
    CHECK(conn_room_joined(c, LN_STR("private-a")));
    CHECK_STR(ln_buf_get(&s.posts),
              "/broadcasting/auth socket_id=1.1&channel_name=private-a&token=t1|"
              "/broadcasting/auth socket_id=1.1&channel_name=private-a&token=t2|");
    CHECK_HAS(ln_buf_cstr(&w.trail), "auth?(unauthorized,0) ");
    ln_buf_clear(&s.posts);
    ln_buf_clear(&w.trail);
    s.unauthorized = 2;
    join(c, "private-b");
    join(c, "private-c"); /* waits for the token, too */
    turn();
    CHECK_STR(ln_buf_get(&s.posts),
              "/broadcasting/auth socket_id=1.1&channel_name=private-b&token=t2|"
              "/broadcasting/auth socket_id=1.1&channel_name=private-b&token=t3|"
              "/broadcasting/auth socket_id=1.1&channel_name=private-c&token=t3|");
    CHECK_HAS(ln_buf_cstr(&w.trail), "private-b=unauthorized:auth endpoint: HTTP 401");
    CHECK(conn_room_joined(c, LN_STR("private-c")));
    CHECK_INT(w.asked, 3);
    end_pusher();
}

static ln_id kept_ticket;
static void keeps_ticket(struct conn *c, ln_id ticket) {
    (void)c;
    kept_ticket = ticket;
}

TEST(a_function_that_fails_lets_the_refusal_count) {
    begin_pusher();
    given = 0;
    struct conn_opts o = with_endpoint();
    o.auth_asked = true;
    w.on_auth = gives_tokens;
    struct conn *c = pusher_with(o);
    w.on_auth = keeps_ticket;
    s.unauthorized = 9;
    join(c, "private-a");
    turn();
    struct ln_err err;
    ln_fail(&err, LN_UNAUTHORIZED, "no more tokens");
    conn_auth_answer(c, kept_ticket, (struct ln_str){0}, &err);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "private-a=unauthorized:auth endpoint: HTTP 401");
    LOG_HAS("no more tokens");
    end_pusher();
    begin_pusher(); /* … and one that never answers */
    o = with_endpoint();
    o.auth_asked = true;
    w.on_auth = gives_tokens;
    c = pusher_with(o);
    w.on_auth = keeps_ticket;
    s.unauthorized = 9;
    join(c, "private-a");
    advance(20000);
    CHECK_HAS(ln_buf_cstr(&w.trail), "private-a=");
    hang_up(w.line[0]);
    turn();
    conn_auth_answer(c, kept_ticket, LN_STR("{}"), NULL);
    turn();
    end_pusher();
}

TEST_MAIN(T(signs_as_the_reference), T(identities), T(the_url_may_hold_the_secret),
          T(the_endpoint_is_asked_by_form), T(the_endpoint_is_asked_by_json),
          T(channel_data_goes_on_byte_for_byte), T(public_channels_need_no_endpoint),
          T(requests_go_one_after_the_other_over_one_connection), T(answers_that_are_wrong),
          T(a_201_with_json_is_good), T(an_endpoint_that_is_down_is_asked_again),
          T(who_asks_again_does_so_at_a_time_of_his_own), T(what_was_left_is_not_asked_for_again),
          T(an_endpoint_that_hangs_up_or_says_nothing), T(answers_to_an_old_socket_are_forgotten),
          T(leaving_while_the_endpoint_is_asked), T(going_while_the_endpoint_is_asked),
          T(a_401_asks_the_function_and_tries_once_more),
          T(a_function_that_fails_lets_the_refusal_count))
