/* SPDX-License-Identifier: MIT
 *
 * Pusher: what ends a line before it has begun, everything but an answer that may stand at the auth
 * endpoint's address, and answers to subscriptions that make no sense. Each has words; the line
 * stays or comes back.
 */
#include "pusher_peer.h"

/* --- before the first message --- */

TEST(closed_instead_of_a_handshake) {
    enum then { COMES_BACK, AT_ONCE, NEVER };
    static const struct {
        int code;
        enum then then;
        const char *status;
    } table[] = {
        {1000, COMES_BACK, "disconnected"},
        {1001, COMES_BACK, "disconnected"},
        {1002, COMES_BACK, "disconnected"},
        {1003, COMES_BACK, "disconnected"},
        {1011, COMES_BACK, "disconnected"},
        {3999, COMES_BACK, "disconnected"},
        {4001, NEVER, "not_found"},
        {4003, NEVER, "forbidden"},
        {4004, NEVER, "refused"},
        {4009, NEVER, "unauthorized"},
        {4099, NEVER, "refused"},
        {4100, COMES_BACK, ""},
        {4199, COMES_BACK, ""},
        {4200, AT_ONCE, ""},
        {4299, AT_ONCE, ""},
        {4300, NEVER, "refused"},
        {4400, NEVER, "refused"},
        {4999, NEVER, "refused"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        char want[80];
        begin_pusher();
        s.first = "";
        struct conn *c = open_with("chat", options("pusher://k@ws.example"));
        turn();
        s.first = NULL;
        say_close(last(), table[i].code, "because");
        loop_settle(w.loop, 0);
        snprintf(want, sizeof want, "connect_error({\"code\":\"%s", table[i].status);
        CHECK_HAS(ln_buf_cstr(&w.trail), want);
        CHECK_HAS(ln_buf_cstr(&w.trail), "because");
        turn();
        if (table[i].then == NEVER) {
            CHECK_INT(conn_state(c), CONN_FAILED);
            LOG_HAS("giving up");
            advance(600000);
            CHECK_INT(w.lines, 1);
            conn_connect(c);
            turn();
        } else if (table[i].then == COMES_BACK) {
            CHECK_INT(conn_state(c), CONN_WAITING);
            advance(1000);
        }
        CHECK_INT(w.lines, 2);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end_pusher();
    }
}

TEST(first_messages_that_are_no_text) {
    static const struct {
        const char *bytes;
        size_t n;
        const char *words;
    } table[] = {
        {"\x82\x02\xff\x01", 4, "handshake: the message is no JSON"},
        {"\x81\x02\xc3\x28", 4, "handshake: "},
        {"\xf1\x01x", 3, "handshake: "},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin_pusher();
        s.first = "";
        struct conn *c = open_with("chat", options("pusher://k@ws.example"));
        turn();
        peer_send(&last()->p, table[i].bytes, table[i].n);
        s.first = NULL;
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":\"protocol\"");
        LOG_HAS(table[i].words);
        CHECK_INT(conn_state(c), CONN_WAITING);
        advance(1000);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end_pusher();
    }
}

/* --- at the endpoint's address --- */

static const char *said; /* "": nothing; NULL: hangs up */

static bool says(struct server_line *l) {
    if (!strstr(ln_buf_cstr(&l->p.in), "\r\n\r\n")) return false;
    ln_buf_clear(&l->p.in);
    ln_buf_fmt(&s.posts, "POST|");
    if (!said)
        hang_up(l);
    else if (*said)
        peer_send(&l->p, said, strlen(said));
    return true;
}

#define OK(length) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n"

static const struct {
    const char *said, *code, *words;
    int64_t after_ms;
} endpoints[] = {
    {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 12\r\n\r\n<html>502<p>", "refused", "HTTP 502",
     0},
    {"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "refused", "HTTP 500", 0},
    {"HTTP/1.1 429 Slowly\r\nContent-Length: 0\r\n\r\n", "refused", "HTTP 429", 0},
    {OK("25") "\r\n\r\n<html>sign in here</html>", "protocol",
     "HTTP 200, but the answer is no JSON", 0},
    {"HTTP/1.1 204 No Content\r\n\r\n", "protocol", "HTTP 204, but the answer is no JSON", 0},
    {"SSH-2.0-OpenSSH\r\n", "protocol", "the server's answer is not HTTP", 0},
    {"\x15\x03\x03\x02\x02\x28", "refused", "the server speaks TLS on this port", 0},
    {"HTTP/1.1 101 Sure\r\n\r\n", "protocol", "changed the protocol (101)", 0},
    {OK("1") "Content-Encoding: gzip\r\n\r\nx", "protocol", "compressed its answer", 0},
    {OK("99999999") "\r\n", "full", "the answer has more than", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx", "protocol", "chunks are malformed",
     0},
    {NULL, "disconnected", "closed by the peer before it answered", 0},
    {"", "timeout", "no signature came for 'private-a' within 20 s", 20000},
    {OK("50") "\r\n{\"auth\":", "timeout", "no signature came for 'private-a' within 20 s", 20000},
};

TEST(what_is_no_answer_of_an_endpoint) {
    for (size_t i = 0; i < LN_COUNT(endpoints); i++) {
        char want[60];
        begin_pusher();
        struct conn *c = pusher_connected();
        w.on_post = says;
        said = endpoints[i].said;
        join(c, "private-a");
        advance(endpoints[i].after_ms);
        snprintf(want, sizeof want, "private-a=%s:", endpoints[i].code);
        CHECK_HAS(ln_buf_cstr(&w.trail), want);
        CHECK_HAS(ln_buf_cstr(&w.trail), endpoints[i].words);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        CHECK(!strstr(ln_buf_cstr(&line_now()->got), "subscribe"));
        w.on_post = endpoint;
        advance(4999); /* nothing in between */
        CHECK(!conn_room_joined(c, LN_STR("private-a")));
        advance(1);
        CHECK(conn_room_joined(c, LN_STR("private-a")));
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end_pusher();
    }
}

/* The same where a user signs in: an error, and the connection is up without a user. */
TEST(what_is_no_answer_to_a_sign_in) {
    for (size_t i = 0; i < LN_COUNT(endpoints); i++) {
        begin_pusher();
        w.on_post = says;
        said = endpoints[i].said;
        struct conn_opts o = options("pusher://k@ws.example");
        o.user_auth_endpoint = ln_strdup("/pusher/user-auth");
        struct conn *c = open_with("chat", o);
        advance(endpoints[i].after_ms);
        CHECK_HAS(ln_buf_cstr(&w.trail), "connect(true) error({\"code\":\"");
        CHECK_HAS(ln_buf_cstr(&w.trail), "\"message\":\"sign-in: ");
        if (!endpoints[i].after_ms) CHECK_HAS(ln_buf_cstr(&w.trail), endpoints[i].words);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end_pusher();
    }
}

/* What is wanted is asked for again, and ever more slowly. */
TEST(an_endpoint_that_is_down_for_hours) {
    begin_pusher();
    struct conn *c = pusher_connected();
    w.on_post = says;
    said = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n";
    join(c, "private-a");
    int posts = 0;
    for (int step = 0; step < 6 * 60 * 30; step++) { /* of two seconds: each is answered in time */
        if (step % 30 == 0) say(line_now(), "{\"event\":\"pusher:ping\"}");
        advance(2000);
        posts += s.posts.n > 0;
        ln_buf_clear(&s.posts);
        ln_buf_clear(&w.trail);
    }
    CHECK(posts > 340 && w.lines < 370);
    w.on_post = endpoint;
    for (int step = 0; step < 30; step++)
        advance(2000);
    CHECK(conn_room_joined(c, LN_STR("private-a")));
    end_pusher();
}

/* --- answers to subscriptions --- */

TEST(answers_that_are_for_nobody) {
    static const char *const frames[] = {
        "{\"event\":\"pusher_internal:subscription_succeeded\"}",
        "{\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":\"other\"}",
        "{\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":5,\"data\":\"{}\"}",
        "{\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":\"\",\"data\":\"{}\"}",
        "{\"event\":\"pusher:subscription_error\",\"data\":{\"type\":\"AuthError\"}}",
        "{\"event\":\"pusher:subscription_error\",\"channel\":\"other\",\"data\":{}}",
        "{\"event\":\"pusher:error\",\"data\":{\"code\":\"4009\"}}", /* a text is no code */
    };
    begin_pusher();
    struct conn *c = pusher_with(options("pusher://k:s@ws.example"));
    s.silent = true;
    join(c, "private-a");
    turn();
    for (size_t i = 0; i < LN_COUNT(frames); i++)
        say(last(), frames[i]);
    turn();
    CHECK(!conn_room_joined(c, LN_STR("private-a")));
    CHECK(!strstr(ln_buf_cstr(&w.trail), "private-a="));
    say_event(last(), "pusher_internal:subscription_succeeded", "private-a", "\"garbage");
    say_event(last(), "pusher_internal:subscription_succeeded", "private-a", "\"garbage\"");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "private-a={\"channel\":\"private-a\"} ");
    CHECK(conn_room_joined(c, LN_STR("private-a")));
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end_pusher();
}

/* Before anything was subscribed to: no key, and nobody knows who we are there. */
TEST(successes_that_nobody_asked_for) {
    static const char *const rooms[] = {"private-encrypted-x", "presence-x", "private-x"};
    for (size_t i = 0; i < LN_COUNT(rooms); i++) {
        begin_pusher();
        struct conn *c = pusher_with(with_endpoint());
        s.no_reply = true; /* the signature does not come */
        join(c, rooms[i]);
        turn();
        say_event(line_now(), "pusher_internal:subscription_succeeded", rooms[i],
                  "\"{\\\"presence\\\":{\\\"hash\\\":{}}}\"");
        say_event(line_now(), "secret", rooms[i],
                  "\"{\\\"nonce\\\":\\\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYX\\\",\\\"ciphertext\\\":"
                  "\\\"6xmd9woDBsZSTxx6zV58mC6G5SJpdLYWp/XYxsD41Cc=\\\"}\"");
        turn();
        TRAIL("");
        CHECK(!conn_room_joined(c, ln_str(rooms[i])));
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end_pusher();
    }
}

TEST_MAIN(T(closed_instead_of_a_handshake), T(first_messages_that_are_no_text),
          T(what_is_no_answer_of_an_endpoint), T(what_is_no_answer_to_a_sign_in),
          T(an_endpoint_that_is_down_for_hours), T(answers_that_are_for_nobody),
          T(successes_that_nobody_asked_for))
