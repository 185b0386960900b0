/* SPDX-License-Identifier: MIT
 *
 * Pusher's line: the address, the handshake in every shape, what each close code leads to, and
 * messages that nobody can read.
 */
#include "pusher_peer.h"

/* --- the address --- */

static void check_target(const char *url, const char *key, const char *path, const char *want) {
    begin_pusher();
    struct conn_opts o = options(url);
    o.protocol = ln_strdup("pusher");
    if (key) o.key = ln_strdup(key);
    if (path) o.path = ln_strdup(path);
    open_with("chat", o);
    turn();
    char line[300];
    snprintf(line, sizeof line, "GET %s?protocol=7&client=linnet&version=" LN_VERSION " HTTP/1.1",
             want);
    CHECK_HAS(last()->request, line);
    CHECK(!strstr(last()->request, "Authorization"));
    end_pusher();
}

TEST(addresses) {
    check_target("pusher://k1@ws.example", NULL, NULL, "/app/k1");
    check_target("pusher://k1:secret@ws.example:6001/", NULL, NULL, "/app/k1");
    check_target("pusher://a%2Fb@ws.example", NULL, NULL, "/app/a%2Fb");
    check_target("ws://ws.example/chat/", "k2", NULL, "/chat/app/k2");
    check_target("ws://ws.example", "k2", "/reverb/", "/reverb/app/k2");
    check_target("ws://ws.example/app/k3?protocol=7&client=js", NULL, NULL, "/app/k3");
    check_target("ws://ws.example/x/app/k3", NULL, NULL, "/x/app/k3");
    check_target("pusher://k1@ws.example/?prefix=presence-", NULL, NULL, "/app/k1");
    check_target("pusher://k1@ws.example?&prefix=presence-&", NULL, NULL, "/app/k1");
}

/* As the network tab of a browser shows it: nobody has to say what it is. */
TEST(a_browsers_address_is_known_as_pushers) {
    static const struct {
        const char *url, *proto;
    } cases[] = {
        {"ws://ws.example/app/k3?protocol=7&client=js&version=8.4.0&flash=false", "pusher"},
        {"wss://ws.example/app/k3?client=js&protocol=7", "pusher"},
        {"ws://ws.example/app/k3", "socketio"},
        {"ws://ws.example/chat?protocol=7", "socketio"},
        {"ws://ws.example/app/k3?subprotocol=7", "socketio"},
    };
    begin_pusher();
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct conn_opts o = options(cases[i].url);
        struct ln_err err = {0};
        o.autoconnect = false;
        struct conn *c = conn_open(w.cs, "x", &o, &err);
        CHECK(c != NULL);
        if (c) CHECK_STR(ln_str(conn_protocol(c)), cases[i].proto);
        if (c) conn_close(c);
        conn_opts_free(&o);
    }
    end_pusher();
}

TEST(options_that_lack_something) {
    static const struct {
        const char *url, *endpoint;
        bool signin;
        const char *says;
        int retries;
    } cases[] = {
        {"pusher://k@ws.example", NULL, false, "Pusher has no acknowledgements", 1},
        {"pusher://ws.example", NULL, false, "Pusher needs the app's key: pusher://KEY@host", 0},
        {"pusher://ws.example/app/", NULL, false, "Pusher needs the app's key", 0},
        {"pusher://k@ws.example?pefix=a-", NULL, false,
         "a Pusher URL has no parameter 'pefix' (did you mean 'prefix'?): only 'prefix'", 0},
        {"pusher://k@ws.example?prefix=a-&token=t", NULL, false,
         "no parameter 'token': only 'prefix'; what the server itself shall get goes into the "
         "option 'query'",
         0},
        {"pusher://k@ws.example", NULL, true, "signin needs user_auth_endpoint or secret", 0},
        {"pusher://k@ws.example", "ws://x", false, "auth_endpoint must begin with http://", 0},
        {"pusher://k@ws.example", "nonsense", false, "auth_endpoint: a URL needs a scheme", 0},
    };
    begin_pusher();
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct conn_opts o = options(cases[i].url);
        struct ln_err err = {0};
        o.signin = cases[i].signin;
        o.retries = cases[i].retries;
        if (cases[i].endpoint) o.auth_endpoint = ln_strdup(cases[i].endpoint);
        CHECK(conn_open(w.cs, "x", &o, &err) == NULL);
        CHECK_HAS(err.text, cases[i].says);
        conn_opts_free(&o);
    }
    end_pusher();
}

TEST(headers_of_the_endpoint_stay_out_of_the_upgrade) {
    begin_pusher();
    struct conn_opts o = options("pusher://k@ws.example");
    o.headers = ln_strdup("{\"Authorization\":\"Bearer t\",\"Origin\":\"https://app.example\","
                          "\"X-CSRF-TOKEN\":\"c\",\"User-Agent\":\"bot\"}");
    open_with("chat", o);
    turn();
    CHECK_HAS(last()->request, "Origin: https://app.example\r\n");
    CHECK_HAS(last()->request, "User-Agent: bot\r\n");
    CHECK(!strstr(last()->request, "Bearer"));
    CHECK(!strstr(last()->request, "CSRF"));
    end_pusher();
}

/* --- handshake --- */

TEST(connects) {
    begin_pusher();
    w.has_states = true;
    struct conn *c = open_with("chat", options("pusher://k@ws.example"));
    turn();
    TRAIL("state(\"connecting\",\"idle\") state(\"connected\",\"connecting\") connect(true) ");
    CHECK_STR(ln_str(conn_id(c)), "1.1");
    CHECK_STR(ln_str(conn_protocol(c)), "pusher");
    GOT(last(), "");
    conn_disconnect(c, NULL);
    turn();
    TRAIL("state(\"idle\",\"connected\") disconnect(\"io client disconnect\") ");
    end_pusher();
}

TEST(handshake_data_may_be_an_object) {
    begin_pusher();
    s.first = "{\"data\":{\"activity_timeout\":30,\"socket_id\":\"7148468526.1195130155\"},"
              "\"event\":\"pusher:connection_established\"}";
    struct conn *c = pusher_connected();
    CHECK_STR(ln_str(conn_id(c)), "7148468526.1195130155");
    end_pusher();
}

/* Where pusher-js hangs for ever: words, and the next attempt. */
TEST(handshakes_that_are_wrong) {
    static const struct {
        const char *first, *says;
    } cases[] = {
        {"garbage", "handshake: the message is no JSON"},
        {"[]", "handshake: the message is no JSON object"},
        {"{}", "handshake: the message names no event"},
        {"null", "handshake: the message is no JSON object"},
        {"{\"event\":\"pusher:ping\"}",
         "handshake: the server began with 'pusher:ping' instead of pusher:connection_established"},
        {"{\"event\":\"a\\u001b[2Jb\"}", "handshake: the server began with 'a\\x1b[2Jb'"},
        {"{\"event\":\"pusher:connection_established\"}", "the server gave no socket_id"},
        {"{\"event\":\"pusher:connection_established\",\"data\":\"x\"}", "gave no socket_id"},
        {"{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\"1.1\"}}",
         "handshake: the server gave no activity_timeout"},
        {"{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\"1.1\","
         "\"activity_timeout\":0}}",
         "the server gave no activity_timeout"},
        {"{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\"1.1\","
         "\"activity_timeout\":\"30\"}}",
         "the server gave no activity_timeout"},
        {"{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":11,"
         "\"activity_timeout\":30}}",
         "gave no socket_id"},
        {"{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\"1\","
         "\"activity_timeout\":30}}",
         "gave no socket_id"},
        {"{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\"1.2.3\","
         "\"activity_timeout\":30}}",
         "gave no socket_id"},
        {"{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\"1.\","
         "\"activity_timeout\":30}}",
         "gave no socket_id"},
        {"{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\".1\","
         "\"activity_timeout\":30}}",
         "gave no socket_id"},
        {"{\"event\":\"pusher:error\",\"data\":{\"code\":null,\"message\":null}}",
         "handshake: refused by the server: no reason given (0)"},
        {"{\"event\":\"pusher:error\"}", "refused by the server: no reason given (0)"},
        {"{\"event\":\"pusher:error\",\"data\":{\"code\":4100,\"message\":\"Full.\"}}",
         "refused by the server: Full. (4100: the server is over its capacity)"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        begin_pusher();
        s.first = cases[i].first;
        struct conn *c = open_with("chat", options("pusher://k@ws.example"));
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":");
        LOG_HAS(cases[i].says);
        CHECK_INT(conn_state(c), CONN_WAITING);
        CHECK_INT(w.lines, 1);
        s.first = NULL;
        advance(999);
        CHECK_INT(w.lines, 1);
        advance(1);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end_pusher();
    }
}

TEST(a_server_that_says_nothing) {
    begin_pusher();
    s.first = "";
    struct conn *c = open_with("chat", options("pusher://k@ws.example"));
    advance(19999);
    TRAIL("");
    advance(1);
    TRAIL("connect_error({\"code\":\"timeout\",\"message\":\"handshake: the server sent none "
          "within 20 s\",\"detail\":\"handshake\"}) ");
    s.first = NULL;
    advance(1000);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end_pusher();
}

/* --- what codes lead to --- */

enum then { COMES_BACK, AT_ONCE, NEVER };
static const struct {
    int code;
    enum then then;
    const char *status;
} codes[] = {
    {1000, COMES_BACK, ""},     {1001, COMES_BACK, ""},        {1002, COMES_BACK, ""},
    {1003, COMES_BACK, ""},     {1011, COMES_BACK, ""},        {3999, COMES_BACK, ""},
    {4001, NEVER, "not_found"}, {4003, NEVER, "forbidden"},    {4004, NEVER, "refused"},
    {4005, NEVER, "not_found"}, {4006, NEVER, "refused"},      {4007, NEVER, "refused"},
    {4008, NEVER, "refused"},   {4009, NEVER, "unauthorized"}, {4099, NEVER, "refused"},
    {4100, COMES_BACK, ""},     {4199, COMES_BACK, ""},        {4200, AT_ONCE, ""},
    {4201, AT_ONCE, ""},        {4299, AT_ONCE, ""},           {4300, NEVER, "refused"},
    {4399, NEVER, "refused"},   {4400, NEVER, "refused"},      {4999, NEVER, "refused"},
};

/* `before`: how many lines there were when the code came. */
static void check_then(struct conn *c, enum then then, int before) {
    turn();
    if (then == NEVER) {
        CHECK_INT(conn_state(c), CONN_FAILED);
        advance(600000);
        CHECK_INT(w.lines, before);
        conn_connect(c); /* a person may try again */
        turn();
        CHECK_INT(w.lines, before + 1);
        return;
    }
    if (then == COMES_BACK) {
        CHECK_INT(conn_state(c), CONN_WAITING);
        advance(1000);
    }
    CHECK_INT(w.lines, before + 1);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
}

TEST(close_codes_of_a_line_that_was_up) {
    for (size_t i = 0; i < LN_COUNT(codes); i++) {
        begin_pusher();
        struct conn *c = pusher_connected();
        advance(10000); /* it was stable */
        say_close(last(), codes[i].code, "bye");
        check_then(c, codes[i].then, 1);
        CHECK_HAS(ln_buf_cstr(&w.trail), "disconnect(\"");
        if (codes[i].code >= 4000) LOG_HAS("closed by the server: ");
        end_pusher();
    }
}

TEST(errors_instead_of_a_handshake) {
    for (size_t i = 0; i < LN_COUNT(codes); i++) {
        char first[200], want[80];
        if (codes[i].code < 4000) continue;
        begin_pusher();
        snprintf(first, sizeof first,
                 "{\"event\":\"pusher:error\",\"data\":{\"code\":%d,\"message\":\"No.\"}}",
                 codes[i].code);
        s.first = first;
        struct conn *c = open_with("chat", options("pusher://k@ws.example"));
        CHECK(loop_settle(w.loop, 0));
        server_serve(last()); /* one round only: the next attempt may come at once */
        CHECK(loop_settle(w.loop, 0));
        if (codes[i].then == NEVER) {
            snprintf(want, sizeof want, "connect_error({\"code\":\"%s\"", codes[i].status);
            CHECK_HAS(ln_buf_cstr(&w.trail), want);
            LOG_HAS("giving up");
        }
        s.first = NULL;
        check_then(c, codes[i].then, 1);
        end_pusher();
    }
}

/* The tight loop of pusher-js: only the first time is at once. */
TEST(reconnect_at_once_has_a_floor) {
    begin_pusher();
    struct conn *c = pusher_connected();
    for (int i = 0; i < 8; i++) {
        say_close(last(), 4200, "");
        turn();
    }
    CHECK_INT(w.lines, 2); /* the first again, at once */
    CHECK_INT(conn_state(c), CONN_WAITING);
    advance(1999);
    CHECK_INT(w.lines, 2);
    advance(1);
    CHECK_INT(w.lines, 3);
    end_pusher();
}

TEST(tls_is_used_when_the_server_wants_it) {
    begin_pusher();
    s.first = "{\"event\":\"pusher:error\",\"data\":{\"code\":4000,\"message\":\"SSL only\"}}";
    struct conn *c = open_with("chat", options("pusher://k@ws.example"));
    turn();
    CHECK_INT(w.lines, 2); /* at once */
    CHECK(ln_str_starts((struct ln_str){last()->p.in.p, last()->p.in.n}, "\x16\x03"));
    hang_up(last());
    turn();
    CHECK_INT(conn_state(c), CONN_WAITING);
    end_pusher();
    begin_pusher();
    struct conn_opts o = options("pusher://k@ws.example");
    o.reconnection_attempts = 5;
    c = pusher_with(o);
    say_close(last(), 4000, "");
    turn();
    CHECK_INT(w.lines, 2);
    CHECK(last()->p.in.n > 0 && last()->p.in.p[0] == 0x16);
    end_pusher();
}

static void gives_token(struct conn *c, ln_id ticket) {
    conn_auth_answer(c, ticket, LN_STR("{\"token\":\"t\"}"), NULL);
}

/* With a function there is hope: at once, then slowly, for ever. */
TEST(an_auth_function_is_asked_again_after_4009) {
    begin_pusher();
    struct conn_opts o = options("pusher://k@ws.example");
    o.auth_asked = true;
    w.on_auth = gives_token;
    struct conn *c = open_with("chat", o);
    turn();
    TRAIL("auth?(first,1) connect(true) ");
    say_close(last(), 4009, "Connection not authorized within timeout.");
    turn();
    CHECK_INT(w.lines, 2);
    CHECK_HAS(ln_buf_cstr(&w.trail), "auth?(unauthorized,");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    say_close(last(), 4009, "");
    advance(29999);
    CHECK_INT(w.lines, 2);
    advance(1);
    CHECK_INT(w.lines, 3);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    CHECK_INT(w.asked, 3);
    end_pusher();
}

/* --- messages --- */

TEST(events_carry_data_and_meta) {
    begin_pusher();
    struct conn *c = pusher_connected();
    joined(c, "pub");
    static const char *const frames[] = {
        "{\"event\":\"e1\",\"channel\":\"pub\",\"data\":\"{\\\"a\\\":\\\"b\\\\n\\\"}\"}",
        "{\"event\":\"e2\",\"channel\":\"pub\",\"data\":{\"a\":1}}",
        "{\"event\":\"e3\",\"channel\":\"pub\",\"data\":\"42\"}",
        "{\"event\":\"e4\",\"channel\":\"pub\",\"data\":\"plain text\"}",
        "{\"event\":\"e5\",\"channel\":\"pub\",\"data\":null}",
        "{\"event\":\"e6\",\"channel\":\"pub\"}",
        "{\"event\":\"e7\",\"data\":\"[1]\"}",
        "{\"user_id\":7,\"channel\":\"pub\",\"event\":\"e8\",\"data\":\"\"}",
        "{\"user_id\":\"u\\\"1\",\"event\":\"App\\\\Events\\\\E9\",\"channel\":\"p\\u0075b\"}",
    };
    for (size_t i = 0; i < LN_COUNT(frames); i++)
        say(last(), frames[i]);
    turn();
    TRAIL("e1({\"a\":\"b\\n\"},{\"channel\":\"pub\"}) e2({\"a\":1},{\"channel\":\"pub\"}) "
          "e3(42,{\"channel\":\"pub\"}) e4(\"plain text\",{\"channel\":\"pub\"}) "
          "e5(null,{\"channel\":\"pub\"}) e6(null,{\"channel\":\"pub\"}) e7([1],{}) "
          "e8(\"\",{\"channel\":\"pub\",\"user_id\":\"7\"}) "
          "App\\Events\\E9(null,{\"channel\":\"pub\",\"user_id\":\"u\\\"1\"}) ");
    CHECK_INT(conn_stats(c)->received, 10); /* one came with the join */
    CHECK(conn_stats(c)->bytes_in > 300);
    end_pusher();
}

TEST(what_nobody_wants_is_counted_only) {
    begin_pusher();
    struct conn *c = pusher_connected();
    w.deaf = true;
    say(last(), "{\"event\":\"e\",\"data\":\"{}\"}");
    turn();
    TRAIL("");
    CHECK_INT(conn_stats(c)->received, 1);
    end_pusher();
}

TEST(binary_frames_are_read_as_text) {
    begin_pusher();
    pusher_connected();
    say_binary(last(), "{\"event\":\"e\"}", 13);
    say_binary(last(), "\xff\x00", 2);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "e(null,{}) error({\"code\":\"protocol\"");
    end_pusher();
}

TEST(malformed_messages_are_errors_and_the_line_stays) {
    static const char *const frames[] = {
        "",
        "garbage",
        "{",
        "[]",
        "{}",
        "null",
        "5",
        "\"x\"",
        "{\"event\":5}",
        "{\"event\":{}}",
        "{\"event\":\"a\",}",
        "{\"event\":\"\\ud800\"}",
    };
    begin_pusher();
    struct conn *c = pusher_connected();
    for (size_t i = 0; i < LN_COUNT(frames); i++) {
        say(last(), frames[i]);
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), "error({\"code\":\"protocol\",\"message\":\"the message ");
        ln_buf_clear(&w.trail);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        CHECK_INT(conn_stats(c)->errors, (int)i + 1);
    }
    /* One line in the log, not one for each. */
    LOGS("warn [conn:chat] ignored: the message is no JSON: line 1, column 1: expected a value\n");
    say(last(), "{\"event\":\"e\"}");
    turn();
    TRAIL("e(null,{}) ");
    end_pusher();
}

/* The decoder of a listener has the last word: what only looked like JSON is a text; what cannot
 * even be that is an error. */
TEST(data_that_only_looks_like_json) {
    begin_pusher();
    struct conn *c = pusher_connected();
    static const char *const broken[] = {"\\x", "\\ud800", "a\nb"};
    for (size_t i = 0; i < LN_COUNT(broken); i++) {
        char text[80];
        snprintf(text, sizeof text, "{\"event\":\"e\",\"data\":\"%s\"}", broken[i]);
        say(last(), text);
        turn();
        TRAIL("error({\"code\":\"protocol\",\"message\":\"the data of event 'e' is malformed\"}) ");
    }
    w.answer = LN_PROTOCOL; /* what a decoder says, here always */
    say(last(), "{\"event\":\"e\",\"data\":\"{oops}\"}");
    turn();
    TRAIL("e({oops},{}) e(\"{oops}\",{}) error({\"code\":\"protocol\",\"message\":"
          "\"the data of event 'e' is malformed\"}) ");
    say(last(), "{\"event\":\"e\",\"data\":{}}");
    turn();
    TRAIL("e({},{}) error({\"code\":\"protocol\",\"message\":\"the data of event 'e' is "
          "malformed\"}) ");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    w.answer = LN_OK;
    conn_history_on(c); /* what is kept must be JSON */
    say(last(), "{\"event\":\"e\",\"data\":\"{},{\\\"user_id\\\":\\\"liar\\\"}\"}");
    turn();
    TRAIL("e(\"{},{\\\"user_id\\\":\\\"liar\\\"}\",{}) ");
    end_pusher();
}

TEST(errors_of_the_server_are_told) {
    begin_pusher();
    pusher_connected();
    say(last(), "{\"event\":\"pusher:error\",\"data\":{\"code\":4301,\"message\":\"Rate limit\"}}");
    say(last(), "{\"event\":\"pusher:error\",\"data\":\"{\\\"code\\\":4200,\\\"message\\\":"
                "\\\"Invalid message format\\\"}\"}");
    say(last(), "{\"event\":\"pusher:error\",\"data\":{\"code\":null,\"message\":null}}");
    say(last(), "{\"event\":\"pusher:error\",\"data\":\"text\"}");
    say(last(), "{\"event\":\"pusher:error\"}");
    turn();
    TRAIL("error({\"code\":\"refused\",\"message\":\"Rate limit\",\"data\":{\"code\":4301,"
          "\"message\":\"Rate limit\"}}) "
          "error({\"code\":\"refused\",\"message\":\"Invalid message format\",\"data\":"
          "{\"code\":4200,\"message\":\"Invalid message format\"}}) "
          "error({\"code\":\"refused\",\"message\":\"no reason given\",\"data\":"
          "{\"code\":null,\"message\":null}}) "
          "error({\"code\":\"refused\",\"message\":\"no reason given\",\"data\":\"text\"}) "
          "error({\"code\":\"refused\",\"message\":\"no reason given\",\"data\":null}) ");
    end_pusher();
}

TEST(what_is_not_known_is_ignored) {
    begin_pusher();
    struct conn *c = pusher_connected();
    say(last(), "{\"event\":\"pusher:new_thing\",\"data\":{}}");
    say(last(), "{\"event\":\"pusher_internal:new_thing\",\"channel\":\"x\"}");
    say(last(), "{\"event\":\"pusher_internal:member_added\",\"channel\":\"x\",\"data\":\"{}\"}");
    say(last(), "{\"event\":\"pusher_internal:subscription_count\"}");
    say(last(), "{\"event\":\"pusher:connection_established\",\"data\":\"{}\"}");
    say(last(), "{\"event\":\"pusher:signin_success\",\"data\":{\"user_data\":\"{}\"}}");
    say(last(), "{\"event\":\"pusher:pong\",\"data\":{}}");
    turn();
    TRAIL("");
    GOT(last(), "");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end_pusher();
}

TEST_MAIN(T(addresses), T(a_browsers_address_is_known_as_pushers), T(options_that_lack_something),
          T(headers_of_the_endpoint_stay_out_of_the_upgrade), T(connects),
          T(handshake_data_may_be_an_object), T(handshakes_that_are_wrong),
          T(a_server_that_says_nothing), T(close_codes_of_a_line_that_was_up),
          T(errors_instead_of_a_handshake), T(reconnect_at_once_has_a_floor),
          T(tls_is_used_when_the_server_wants_it), T(an_auth_function_is_asked_again_after_4009),
          T(events_carry_data_and_meta), T(what_nobody_wants_is_counted_only),
          T(binary_frames_are_read_as_text), T(malformed_messages_are_errors_and_the_line_stays),
          T(data_that_only_looks_like_json), T(errors_of_the_server_are_told),
          T(what_is_not_known_is_ignored))
