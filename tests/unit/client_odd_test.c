/* SPDX-License-Identifier: MIT
 *
 * Input that is odd but no reason to end a line, and malformed input at times when it means
 * something else: before the answer to CONNECT, on the WebSocket of a probe, for a namespace that
 * nobody is in, for several namespaces at once.
 */
#include "poll_peer.h"

/* --- passed over --- */

TEST(packets_that_mean_nothing_to_a_client) {
    static const char *const odd[] = {"3", "3probe", "5", "6", "6x", "0{\"sid\":\"other\"}", "0"};
    begin();
    struct conn *c = connected();
    for (size_t i = 0; i < LN_COUNT(odd); i++)
        say(last(), odd[i]);
    say(last(), "42[\"after\"]");
    turn();
    TRAIL("after() ");
    GOT(last(), "");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

TEST(the_same_over_polling) {
    begin_web();
    struct conn *c = joined();
    answer_get("3" SEP "5" SEP "6" SEP "0{\"sid\":\"other\"}" SEP "0" SEP "42[\"after\"]");
    TRAIL("after() ");
    take_get();
    CHECK_HAS(req.target, "&sid=engine"); /* of the first handshake, still */
    emit(c, "x", "");
    HEAR("42[\"x\"]");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end_web();
}

/* Only the status of a POST's answer counts. */
TEST(what_a_post_is_answered) {
    static const char *const bodies[] = {"ok", "", "no", "<html>fine</html>", "42[\"event\"]"};
    begin_web();
    struct conn *c = joined();
    for (size_t i = 0; i < LN_COUNT(bodies); i++) {
        emit(c, "x", "");
        take("POST");
        web_answer(200, bodies[i]);
        web_turn(w.loop);
        TRAIL(">x() ");
        CHECK_INT(conn_state(c), CONN_CONNECTED);
    }
    end_web();
}

/* Bytes count as the base64 that they travel as. */
TEST(bodies_with_bytes_keep_to_max_payload) {
    char bytes[30] = {0};
    struct ln_str bin = {bytes, sizeof bytes}; /* 41 in a body */
    begin_web();
    struct conn *c = joined_with(poll_options(), "0{\"sid\":\"engine\",\"maxPayload\":100}");
    struct conn_emit e = {.name = LN_STR("b"),
                          .args = LN_STR("{\"_placeholder\":true,\"num\":0}"),
                          .bin = &bin,
                          .bin_count = 1,
                          .retries = -1};
    for (int i = 0; i < 3; i++)
        CHECK_INT(conn_emit(c, &e, NULL, NULL), LN_OK);
    int packets = 0;
    for (int posts = 0; packets < 6 && posts < 6; posts++) {
        take("POST");
        CHECK(req.body.n <= 100);
        packets++;
        for (size_t i = 0; i < req.body.n; i++)
            packets += req.body.p[i] == SEP[0];
        web_answer(200, "ok");
        web_turn(w.loop);
    }
    CHECK_INT(packets, 6);
    CHECK(is_silent());
    end_web();
}

TEST(binary_events_for_others) {
    begin();
    struct conn *c = connected();
    say(last(), "451-/other,[\"x\",{\"_placeholder\":true,\"num\":0}]");
    say_binary(last(), "\1", 1);
    say(last(), "461-/other,7[{\"_placeholder\":true,\"num\":0}]");
    say_binary(last(), "\1", 1);
    say(last(), "461-99[{\"_placeholder\":true,\"num\":0}]"); /* an answer to nothing */
    say_binary(last(), "\1", 1);
    say(last(), "42/other,[\"x\"]");
    say(last(), "42[\"mine\"]");
    turn();
    TRAIL("mine() ");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

/* --- before the answer to CONNECT --- */

TEST(malformed_while_connect_is_answered) {
    static const struct {
        const char *frame, *words;
    } table[] = {{"42{}", "invalid payload"},      {"47", "unknown packet type 7"},
                 {"4511-[\"a\"]", "too many"},     {"4", "empty packet"},
                 {"40[]", "invalid payload"},      {"40null", "invalid payload"},
                 {"40{\"sid\":", "invalid"},       {"44[]", "invalid payload"},
                 {"9", "unknown engine packet"},   {"b!!!", "no base64"},
                 {"bAQI=", "got binary data when"}};
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        w.joins = false;
        struct conn *c = open_url("chat", "ws://chat.example");
        turn();
        say(last(), table[i].frame);
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":\"protocol\"");
        CHECK_HAS(ln_buf_cstr(&w.trail), table[i].words);
        CHECK_INT(conn_state(c), CONN_WAITING);
        w.joins = true;
        advance(1000);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end();
    }
}

/* Without a sid it is a server of another age; whatever stands in its place. */
TEST(answers_to_connect_without_a_sid) {
    static const char *const odd[] = {
        "40", "40{}", "40{\"sid\":\"\"}", "40{\"sid\":5}", "40{\"sid\":null}", "40{\"pid\":\"x\"}"};
    for (size_t i = 0; i < LN_COUNT(odd); i++) {
        begin();
        w.joins = false;
        struct conn *c = open_url("chat", "ws://chat.example");
        turn();
        say(last(), odd[i]);
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":\"protocol\",\"message\":\"It "
                                         "seems you are trying to reach a Socket.IO server in v2");
        CHECK_INT(conn_state(c), CONN_FAILED);
        w.joins = true;
        conn_connect(c);
        turn();
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end();
    }
}

/* --- several namespaces --- */

TEST(one_malformed_packet_takes_all_namespaces_along) {
    begin();
    struct conn *a = connected();
    struct conn *b = connected_with("admin", options("ws://chat.example/admin"));
    CHECK_INT(w.lines, 1);
    say(last(), "42/admin,{}");
    turn();
    TRAIL("disconnect(\"parse error\") disconnect(\"parse error\") ");
    advance(1000);
    CHECK_INT(w.lines, 2);
    CHECK_INT(conn_state(a), CONN_CONNECTED);
    CHECK_INT(conn_state(b), CONN_CONNECTED);
    end();
}

/* --- close codes --- */

TEST(close_codes_have_words) {
    static const struct {
        int code;
        const char *words;
    } table[] = {
        {1002, "1002 protocol error"},  {1003, "1003 unsupported data"},
        {1007, "1007 bad data"},        {1008, "1008 policy violation"},
        {1009, "1009 message too big"}, {1011, "1011 internal error"},
        {1012, "1012 service restart"}, {1013, "1013 try again later"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        struct conn *c = connected();
        say_close(last(), table[i].code, "because");
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), "disconnect(\"transport close\",{\"code\":1");
        LOG_HAS(table[i].words);
        LOG_HAS("because");
        CHECK_INT(conn_state(c), CONN_WAITING);
        advance(1000);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end();
    }
}

TEST(frames_of_every_wrong_kind) {
    static const struct {
        const char *bytes;
        size_t n;
        const char *closes;
    } table[] = {
        {"\xf1\x01x", 3, "close(1002)|"},         /* reserved bits */
        {"\x83\x00", 2, "close(1002)|"},          /* a reserved opcode */
        {"\x81\x81\1\2\3\4x", 7, "close(1002)|"}, /* masked by a server */
        {"\x80\x01x", 3, "close(1002)|"},         /* goes on with nothing */
        {"\x89\x7e\x00\x7e", 4, "close(1002)|"},  /* a ping of 126 bytes */
        {"\x09\x00", 2, "close(1002)|"},          /* a ping in fragments */
        {"\x88\x01x", 3, "close(1002)|"},         /* half a close code */
        {"\x88\x02\x03\xed", 4, "close(1002)|"},  /* 1005 may not be sent */
        {"\x81\x02\xc3\x28", 4, "close(1007)|"},  /* no UTF-8 */
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        struct conn *c = connected();
        peer_send(&last()->p, table[i].bytes, table[i].n);
        turn();
        GOT(last(), table[i].closes);
        TRAIL("disconnect(\"transport error\") ");
        CHECK_INT(conn_state(c), CONN_WAITING);
        advance(1000);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end();
    }
}

TEST(a_message_that_is_too_big) {
    begin();
    struct conn_opts o = options("ws://chat.example");
    o.max_message = 200;
    struct conn *c = connected_with("chat", o);
    char text[300];
    memset(text, 'x', sizeof text);
    memcpy(text, "42[\"", 4);
    memcpy(text + 296, "\"]", 3);
    say(last(), text);
    turn();
    TRAIL("disconnect(\"transport error\") ");
    LOG_HAS("max_message");
    GOT(last(), "close(1009)|");
    advance(1000);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

/* --- the probe of an upgrade: whatever comes, the line stays on polling --- */

static int probe;

static struct conn *probing(void) {
    struct conn *c = open_with("chat", both_options());
    take_get();
    answer_get(POLL_OPEN_WS);
    HEAR("40");
    for (int gets = 0; gets < 2; gets++) {
        take("GET");
        if (strstr(req.target, "transport=websocket"))
            probe = req.conn;
        else
            poll = req.conn;
    }
    answer_get("40{\"sid\":\"s1\"}");
    take_get();
    TRAIL("connect(true) ");
    return c;
}

static void still_polls(struct conn *c) {
    web_turn(w.loop);
    TRAIL("");
    CHECK_INT(conn_transport(c), TRANSPORT_POLLING);
    CHECK_INT(conn_stats(c)->errors, 0);
    CHECK(!strstr(ln_buf_cstr(&w.logs), "warn"));
    emit(c, "up", "");
    HEAR("42[\"up\"]");
    answer_get("42[\"down\"]");
    take_get();
    TRAIL(">up() down() ");
}

TEST(probes_that_are_refused) {
    static const char *const answers[] = {
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        "SSH-2.0\r\n"};
    for (size_t i = 0; i < LN_COUNT(answers); i++) {
        begin_web();
        struct conn *c = probing();
        req.conn = probe;
        web_say(answers[i]);
        still_polls(c);
        end_web();
    }
}

TEST(a_probe_whose_request_is_not_answered) {
    begin_web();
    struct conn *c = probing();
    loop_advance(w.loop, 9999);
    web_turn(w.loop);
    CHECK(!web.conn[probe].p.eof);
    loop_advance(w.loop, 1);
    web_turn(w.loop);
    CHECK(web.conn[probe].p.eof);
    still_polls(c);
    end_web();
}

TEST(frames_that_are_no_answer_to_a_probe) {
    static const struct {
        const char *bytes;
        size_t n;
    } table[] = {
        {"\x82\x06"
         "3probe",
         8}, /* binary */
        {"\x81\x01"
         "1",
         3},                     /* the engine's close */
        {"\x88\x02\x03\xf3", 4}, /* 1011 */
        {"\xf1\x01x", 3},        /* reserved bits */
        {"\x81\x02\xc3\x28", 4}, /* no UTF-8 */
        {"\x81\x07"
         "3probe ",
         9},
        {"\x81\x06"
         "2probe",
         8},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin_web();
        struct conn *c = probing();
        req.conn = probe;
        web_upgrade();
        web_turn(w.loop);
        req.conn = probe;
        web_send(table[i].bytes, table[i].n);
        still_polls(c);
        end_web();
    }
}

TEST_MAIN(T(packets_that_mean_nothing_to_a_client), T(the_same_over_polling),
          T(what_a_post_is_answered), T(bodies_with_bytes_keep_to_max_payload),
          T(binary_events_for_others), T(malformed_while_connect_is_answered),
          T(answers_to_connect_without_a_sid), T(one_malformed_packet_takes_all_namespaces_along),
          T(close_codes_have_words), T(frames_of_every_wrong_kind), T(a_message_that_is_too_big),
          T(probes_that_are_refused), T(a_probe_whose_request_is_not_answered),
          T(frames_that_are_no_answer_to_a_probe))
