/* SPDX-License-Identifier: MIT
 *
 * Socket.IO over HTTP long-polling: what is asked, how packets share bodies, everything a server or
 * a proxy may answer instead, and how a session ends.
 */
#include "poll_peer.h"

/* The line is lost or was never up; the next attempt is due and finds the server well. */
static void check_lost(const char *event, const char *words) {
    web_turn(w.loop);
    struct conn *c = conn_find(w.cs, LN_STR("chat"));
    const char *trail = ln_buf_cstr(&w.trail);
    CHECK_HAS(trail, event);
    CHECK_INT(conn_state(c), CONN_WAITING);
    LOG_HAS(words);
    CHECK(conn_stats(c)->last_error[0] != 0);
    CHECK_INT(conn_stats(c)->errors, 1);
    CHECK(is_silent()); /* nothing is asked between attempts */
    loop_advance(w.loop, 1000);
    take_get();
    CHECK(!strstr(req.target, "sid="));
    answer_get(POLL_OPEN);
    HEAR("40");
    take_get();
    answer_get("40{\"sid\":\"s2\"}");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
}

/* --- requests --- */

static void check_target(const char *want_tail) {
    char head[256];
    snprintf(head, sizeof head, "/socket.io/?v=1&EIO=4&transport=polling&t=");
    CHECK_INT(strncmp(req.target, head, strlen(head)), 0);
    const char *t = req.target + strlen(head);
    CHECK_INT(strspn(t, "0123456789abcdefghijklmnopqrstuvwxyz"), 8);
    CHECK_STR(ln_str(t + 8), want_tail);
}

TEST(what_is_asked) {
    char first[64];
    begin_web();
    struct conn_opts o = poll_options();
    o.headers = ln_strdup("{\"Authorization\":\"Bearer x\"}");
    struct conn *c = open_with("chat", o);
    take_get();
    check_target("");
    CHECK_HAS(req.head, "Host: chat.example\r\n");
    CHECK_HAS(req.head, "Accept: */*\r\n");
    CHECK_HAS(req.head, "Authorization: Bearer x\r\n");
    snprintf(first, sizeof first, "%s", strstr(req.target, "&t="));
    answer_get("0{\"sid\":\"a/b c\"}");
    take("POST");
    check_target("&sid=a%2Fb%20c");
    CHECK_HAS(req.head, "Content-Type: text/plain;charset=UTF-8\r\n");
    CHECK_HAS(req.head, "Authorization: Bearer x\r\n");
    CHECK_STR(ln_buf_get(&req.body), "40");
    take_get(); /* both are out at once */
    check_target("&sid=a%2Fb%20c");
    CHECK(strncmp(strstr(req.target, "&t="), first, 11) != 0);
    CHECK(is_silent());
    answer_get("40{\"sid\":\"s1\"}" SEP "42[\"hi\",1]");
    CHECK_STR(ln_str(conn_id(c)), "s1");
    CHECK_INT(conn_transport(c), TRANSPORT_POLLING);
    TRAIL("connect(true) hi(1) ");
    take_get();
    CHECK_INT(web.n, 2); /* one connection for GETs, one for POSTs */
    end_web();
}

TEST(heartbeat_by_polling) {
    begin_web();
    struct conn *c = joined();
    loop_advance(w.loop, 25000);
    answer_get("2");
    HEAR("3");
    take_get();
    loop_advance(w.loop, 44999);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    loop_advance(w.loop, 1); /* no ping for pingInterval + pingTimeout */
    TRAIL("disconnect(\"ping timeout\") ");
    end_web();
}

TEST(one_post_at_a_time) {
    begin_web();
    struct conn *c = joined();
    emit(c, "a", "1");
    emit(c, "b", "\"\xc3\xa9\"");
    take("POST"); /* what one turn sends goes together */
    CHECK_STR(ln_buf_get(&req.body), "42[\"a\",1]" SEP "42[\"b\",\"\xc3\xa9\"]");
    emit(c, "c", "");
    ask(c, "d", "d");
    CHECK(is_silent());
    CHECK_INT(emit_flags(c, "v", "", CONN_EMIT_VOLATILE), LN_DROPPED);
    web_answer(200, "ok");
    HEAR("42[\"c\"]" SEP "420[\"d\"]");
    CHECK_INT(emit_flags(c, "v", "", CONN_EMIT_VOLATILE), LN_OK);
    HEAR("42[\"v\"]");
    answer_get("430[\"yes\"]");
    TRAIL(">a(1) >b(\"\xc3\xa9\") >c() >d() >v() d=[\"yes\"] ");
    CHECK(conn_stats(c)->dropped == 1);
    end_web();
}

TEST(binary_goes_as_base64) {
    struct ln_str bin[] = {{"\1\2\3\4", 4}, {"", 0}};
    begin_web();
    struct conn *c = joined();
    struct conn_emit e = {.name = LN_STR("bin"),
                          .args = LN_STR("{\"_placeholder\":true,\"num\":0}"),
                          .bin = bin,
                          .bin_count = 2,
                          .retries = -1};
    conn_emit(c, &e, NULL, NULL);
    HEAR("452-[\"bin\",{\"_placeholder\":true,\"num\":0}]" SEP "bAQIDBA==" SEP "b");
    /* The parts of a packet may come in several bodies, a ping between them. */
    answer_get("451-[\"x\",{\"_placeholder\":true,\"num\":0}]");
    take_get();
    answer_get("2");
    HEAR("3");
    take_get();
    ln_buf_clear(&w.trail);
    answer_get("bBwg=" SEP "42[\"y\"]");
    TRAIL("x({\"_placeholder\":true,\"num\":0} <0708>) y() ");
    end_web();
}

TEST(bodies_keep_to_max_payload) { /* E3: 42-byte packets, 100 bytes a body */
    char text[96];
    begin_web();
    struct conn *c = joined_with(poll_options(), "0{\"sid\":\"engine\",\"maxPayload\":100}");
    snprintf(text, sizeof text, "\"%s\"", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"); /* 42[…] is 42 */
    emit(c, "e", text);
    take("POST");
    CHECK_INT(req.body.n, 42);
    int conn = req.conn;
    for (int i = 0; i < 5; i++)
        emit(c, "e", text);
    for (int i = 0; i < 3; i++) {
        req.conn = conn;
        web_answer(200, "ok");
        take("POST");
        CHECK_INT(req.body.n, i < 2 ? 85 : 42);
    }
    web_answer(200, "ok");
    CHECK(is_silent());
    CHECK_INT(emit(c, "big",
                   "\"01234567890123456789012345678901234567890123456789012345678901234567890\""),
              LN_INVALID); /* refused here: the server would end the session */
    struct ln_str bin = {text, 80};
    struct conn_emit e = {.name = LN_STR("b"), .bin = &bin, .bin_count = 1, .retries = -1};
    CHECK_INT(conn_emit(c, &e, NULL, NULL), LN_INVALID); /* base64 makes it 108 */
    end_web();
}

TEST(bodies_have_sixteen_packets_at_most) { /* more break python-socketio's server */
    begin_web();
    struct conn *c = joined_with(poll_options(), "0{\"sid\":\"engine\"}");
    for (int i = 0; i < 40; i++)
        emit(c, "e", "\"0123456789\"");
    for (int i = 0; i < 3; i++) {
        take("POST");
        CHECK_INT(req.body.n, (i < 2 ? 16 : 8) * 21 - 1);
        web_answer(200, "ok");
    }
    CHECK(is_silent());
    end_web();
}

TEST(namespaces_share_a_session) {
    begin_web();
    struct conn_opts o = poll_options();
    ln_free(o.url);
    o.url = ln_strdup("ws://chat.example/admin?v=1");
    joined();
    struct conn *admin = open_with("admin", o);
    HEAR("40/admin,");
    answer_get("40/admin,{\"sid\":\"s2\"}" SEP "42/admin,[\"hi\"]" SEP "42[\"there\"]");
    TRAIL("connect(true) hi() there() ");
    conn_disconnect(admin, NULL);
    HEAR("41/admin,");
    take_get();
    CHECK(is_silent());
    CHECK_INT(web.n, 2);
    end_web();
}

/* --- what is answered instead of a handshake --- */

static void refused(const char *answer, bool hang_up, const char *code, const char *words) {
    char want[128];
    begin_web();
    open_with("chat", poll_options());
    take_get();
    web_say(answer);
    if (hang_up) web_hang_up(poll);
    web_turn(w.loop);
    snprintf(want, sizeof want, "connect_error({\"code\":\"%s\"", code);
    CHECK_HAS(ln_buf_cstr(&w.trail), want);
    CHECK_HAS(ln_buf_cstr(&w.trail), "\"detail\":\"polling\"");
    check_lost("connect_error", words);
    end_web();
}

#define OK_WITH(body_bytes) "HTTP/1.1 200 OK\r\nContent-Length: " body_bytes "\r\n\r\n"

TEST(no_handshake) {
    refused("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", false, "refused",
            "xhr poll error: HTTP 500 Internal Server Error");
    refused("HTTP/1.1 400 Bad Request\r\nContent-Length: 10\r\n\r\n{\"code\":0}", false, "refused",
            "HTTP 400 Bad Request: {\"code\":0};");
    refused("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", false, "unauthorized", "HTTP 401 No");
    refused("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", false, "forbidden", "HTTP 403 No");
    refused("HTTP/1.1 302 Found\r\nLocation: https://a.example/x?token=1\r\n"
            "Content-Length: 0\r\n\r\n",
            false, "refused", "HTTP 302 redirected to https://a.example/x (redirects are not");
    refused("HTTP/1.1 204 No Content\r\n\r\n", false, "refused", "HTTP 204");
    refused("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 15\r\n\r\n<html>no</html>", false,
            "refused", "xhr poll error: HTTP 502 Bad Gateway (a proxy in front says that the");
    refused(OK_WITH("14") "<html></html>\n", false, "protocol", "answered with a page");
    refused(OK_WITH("0"), false, "protocol", "no Engine.IO handshake");
    refused(OK_WITH("1") "6", false, "protocol", "no Engine.IO handshake");
    refused("", true, "disconnected", "xhr poll error: HTTP: closed by the peer before");
    refused("SMTP ready\r\n", false, "protocol", "xhr poll error: HTTP: the server's answer is");
}

TEST(a_bad_open_packet) {
    static const struct {
        const char *body, *words;
    } table[] = {{"0{}", "the handshake has no sid"},
                 {"0{\"sid\":\"\"}", "sid that is empty"},
                 {"0nonsense", "not valid JSON"},
                 {"0{\"sid\":\"a\",\"pingInterval\":-1}", "pingInterval"}};
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin_web();
        open_with("chat", poll_options());
        take_get();
        answer_get(table[i].body);
        CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":\"protocol\"");
        check_lost("connect_error", table[i].words);
        end_web();
    }
}

TEST(a_handshake_that_never_comes) {
    begin_web();
    open_with("chat", poll_options());
    take_get();
    loop_advance(w.loop, 19999);
    CHECK_STR(ln_buf_get(&w.trail), "");
    loop_advance(w.loop, 1);
    CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":\"timeout\"");
    check_lost("connect_error", "timed out after 20 s without an answer");
    end_web();
}

TEST(the_phases_before_keep_their_words) {
    begin_web();
    ln_fault_set("stream.dns:1");
    clients_dialler(w.cs, NULL, NULL);
    open_with("chat", poll_options());
    web_turn(w.loop);
    CHECK_HAS(ln_buf_cstr(&w.trail), "\"message\":\"DNS: injected fault\",\"detail\":\"dns\"");
    end_web();
}

/* --- what goes wrong later --- */

TEST(polls_that_are_refused) {
    static const struct {
        const char *answer, *words;
    } table[] = {
        {"HTTP/1.1 400 Bad Request\r\nContent-Length: 41\r\n\r\n"
         "{\"code\":1,\"message\":\"Session ID unknown\"}",
         "xhr poll error: HTTP 400 Bad Request (it was started anew, or there are several servers "
         "behind this address without sticky sessions): {\"code\":1,"},
        {"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n", "HTTP 504 Gateway Timeout"},
        {"HTTP/1.1 204 No Content\r\n\r\n", "HTTP 204"},
        {"nonsense nonsense\r\n", "the server's answer is not HTTP"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin_web();
        joined();
        web_say(table[i].answer);
        check_lost("disconnect(\"transport error\") ", table[i].words);
        end_web();
    }
}

TEST(a_poll_that_is_dropped) {
    begin_web();
    joined();
    web_hang_up(poll); /* not asked once more: an answer may have been on its way, with events */
    check_lost("disconnect(\"transport error\") ", "xhr poll error: HTTP: closed by the peer");
    end_web();
}

TEST(a_poll_that_is_never_answered) {
    begin_web();
    joined();
    loop_advance(w.loop, 25000);
    answer_get("2" SEP "42[\"a\"]");
    HEAR("3");
    take_get();
    answer_get("6"); /* no ping: the next GET outlives the heartbeat */
    take_get();
    loop_advance(w.loop, 45000);
    check_lost("disconnect(\"ping timeout\") ", "no ping from the server for 45 s");
    end_web();
}

TEST(posts_that_are_refused) {
    begin_web();
    struct conn *c = joined();
    emit(c, "a", "");
    take("POST");
    web_answer(413, "too big");
    check_lost("disconnect(\"transport error\") ", "xhr post error: HTTP 413 Words: too big");
    end_web();
    begin_web();
    c = joined();
    emit(c, "a", "");
    take("POST");
    web_hang_up(req.conn); /* it may have been heard: not repeated */
    check_lost("disconnect(\"transport error\") ", "xhr post error: HTTP: closed by the peer");
    end_web();
    begin_web();
    c = joined();
    emit(c, "a", "");
    take("POST");
    loop_advance(w.loop, 20000);
    check_lost("disconnect(\"transport error\") ", "xhr post error: HTTP: timed out after 20 s");
    end_web();
}

TEST(bodies_that_are_malformed) {
    static const struct {
        const char *body, *trail, *words;
    } table[] = {
        {"42[\"a\"]" SEP, "a() disconnect(\"parse error\") ", "has an empty packet"},
        {"42[\"a\"]" SEP SEP "42[\"b\"]", "a() disconnect(\"parse error\") ", "an empty packet"},
        {"", "disconnect(\"parse error\") ", "a polling answer is empty"},
        {"42[\"a\"]" SEP "xyz" SEP "42[\"b\"]", "a() disconnect(\"transport error\") ",
         "server error: an unknown engine packet"},
        {"42[\"a\"]" SEP "b!!!", "a() disconnect(\"parse error\") ", "no base64"},
        {"bAQI=", "disconnect(\"parse error\") ", "got binary data when not reconstructing"},
        {"42[bad]", "disconnect(\"parse error\") ", "invalid payload"},
        {"451-[\"x\",{\"_placeholder\":true,\"num\":0}]" SEP "42[\"b\"]",
         "disconnect(\"parse error\") ", "got plaintext data when reconstructing"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin_web();
        joined();
        answer_get(table[i].body);
        CHECK_STR(ln_buf_get(&w.trail), table[i].trail);
        check_lost("disconnect", table[i].words);
        end_web();
    }
}

TEST(a_message_that_is_too_big) {
    begin_web();
    struct conn_opts o = poll_options();
    o.max_message = 300;
    joined_with(o, POLL_OPEN);
    char body[500];
    memset(body, 'x', sizeof body);
    memcpy(body, "42[\"a\"]" SEP "42[\"", 12);
    memcpy(body + sizeof body - 4, "\"]", 3);
    answer_get(body);
    CHECK_STR(ln_buf_get(&w.trail), "a() disconnect(\"transport error\") ");
    check_lost("disconnect", "the server sent a message of 490 bytes (max_message)");
    end_web();
}

TEST(an_event_in_the_body_that_closes_is_told) { /* the reference loses it */
    begin_web();
    joined();
    answer_get("42[\"last\"]" SEP "1" SEP "42[\"never\"]");
    CHECK_STR(ln_buf_get(&w.trail), "last() disconnect(\"transport close\") ");
    check_lost("disconnect", "closed by the server");
    end_web();
}

/* --- ends --- */

TEST(leaving_says_so) {
    begin_web();
    struct conn *c = joined();
    emit(c, "a", "");
    conn_disconnect(c, NULL);
    take("POST");
    CHECK_STR(ln_buf_get(&req.body), "42[\"a\"]" SEP "41" SEP "1");
    CHECK(!web.conn[poll].p.eof);
    web_answer(200, "ok");
    answer_get("6"); /* as servers release the GET */
    CHECK(is_silent());
    CHECK(web.conn[poll].p.eof);
    TRAIL(">a() disconnect(\"io client disconnect\") ");
    end_web();
}

TEST(leaving_waits_for_the_post_before) {
    begin_web();
    struct conn *c = joined();
    emit(c, "a", "");
    take("POST");
    conn_disconnect(c, NULL);
    CHECK(is_silent());
    web_answer(200, "ok");
    HEAR("41" SEP "1");
    web_turn(w.loop);
    CHECK(web.conn[poll].p.eof);
    end_web();
}

TEST(leaving_does_not_wait_for_ever) {
    begin_web();
    struct conn *c = joined();
    conn_disconnect(c, NULL);
    take("POST");
    loop_advance(w.loop, 4999);
    web_turn(w.loop);
    CHECK(!web.conn[poll].p.eof);
    loop_advance(w.loop, 1);
    web_turn(w.loop);
    CHECK(web.conn[poll].p.eof && web.conn[req.conn].p.eof);
    end_web();
}

TEST(leaving_during_the_handshake) {
    begin_web();
    struct conn *c = open_with("chat", poll_options());
    take_get();
    conn_disconnect(c, NULL);
    CHECK(is_silent());
    answer_get(POLL_OPEN); /* the session exists: the server is told */
    HEAR("1");
    web_turn(w.loop);
    CHECK(web.conn[poll].p.eof);
    TRAIL("");
    c = open_url("again", "ws://chat.example");
    conn_close(c);
    end_web();
}

TEST(closing_inside_an_event) {
    begin_web();
    struct conn *c = joined();
    w.act = NULL;
    answer_get("42[\"a\"]");
    take_get();
    conn_close(c);
    HEAR("41" SEP "1");
    end_web();
    begin_web();
    joined();
    end_web(); /* while a GET waits */
}

TEST_MAIN(T(what_is_asked), T(heartbeat_by_polling), T(one_post_at_a_time),
          T(binary_goes_as_base64), T(bodies_keep_to_max_payload),
          T(bodies_have_sixteen_packets_at_most), T(namespaces_share_a_session), T(no_handshake),
          T(a_bad_open_packet), T(a_handshake_that_never_comes),
          T(the_phases_before_keep_their_words), T(polls_that_are_refused),
          T(a_poll_that_is_dropped), T(a_poll_that_is_never_answered), T(posts_that_are_refused),
          T(bodies_that_are_malformed), T(a_message_that_is_too_big),
          T(an_event_in_the_body_that_closes_is_told), T(leaving_says_so),
          T(leaving_waits_for_the_post_before), T(leaving_does_not_wait_for_ever),
          T(leaving_during_the_handshake), T(closing_inside_an_event))
