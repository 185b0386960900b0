/* SPDX-License-Identifier: MIT
 *
 * Raw WebSocket: what is asked for at the upgrade, and messages of every codec in both directions.
 */
#include "raw_peer.h"

/* --- the upgrade --- */

static void asks_for(const char *url, const char *query, const char *auth, const char *target) {
    char line[300];
    begin_raw();
    struct conn_opts o = raw(url);
    if (query) o.query = ln_strdup(query);
    if (auth) o.auth = ln_strdup(auth);
    open_with("feed", o);
    turn();
    snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n", target);
    CHECK_HAS(last()->request, line);
    TRAIL("connect(true) ");
    end();
}

TEST(path_query_and_auth_are_the_target) {
    asks_for("ws://feed.example", NULL, NULL, "/");
    asks_for("ws://feed.example/v1/all", NULL, NULL, "/v1/all");
    asks_for("http://feed.example/v1?a=1", NULL, NULL, "/v1?a=1");
    asks_for("ws://feed.example/v1?", NULL, NULL, "/v1");
    asks_for("ws://feed.example/v1?a=1", "{\"b c\":\"d&e\",\"n\":2}", "{\"token\":\"t/0\"}",
             "/v1?a=1&b%20c=d%26e&n=2&token=t%2F0");
}

TEST(an_address_like_the_hubs_speaks_it_without_being_told) {
    static const struct {
        const char *url, *protocol;
    } table[] = {{"ws://feed.example/ws", "ws"},
                 {"wss://feed.example/ws?x=1", "ws"},
                 {"ws://feed.example/ws/", "socketio"},
                 {"ws://feed.example", "socketio"},
                 {"http://feed.example/ws", "socketio"}};
    begin_raw();
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        char name[8];
        struct conn_opts o = options(table[i].url);
        snprintf(name, sizeof name, "c%zu", i);
        o.autoconnect = false;
        CHECK_STR(ln_str(conn_protocol(open_with(name, o))), table[i].protocol);
    }
    end();
}

TEST(subprotocols) {
    begin_raw();
    w.sub = "v2.feed";
    struct conn_opts o = raw("ws://feed.example/");
    o.subprotocols = ln_strdup("v3.feed, v2.feed");
    struct conn *c = open_with("feed", o);
    turn();
    CHECK_HAS(last()->request, "Sec-WebSocket-Protocol: v3.feed, v2.feed\r\n");
    CHECK_STR(ln_str(conn_subprotocol(c)), "v2.feed");
    TRAIL("connect(true) ");
    conn_close(c);
    w.sub = NULL; /* refused: none is taken */
    o = raw("ws://feed.example/");
    o.subprotocols = ln_strdup("v3.feed");
    c = open_with("other", o);
    turn();
    TRAIL("connect_error({\"code\":\"refused\",\"message\":\"upgrade: the server took none of the "
          "subprotocols \\\"v3.feed\\\"\",\"detail\":\"upgrade\"}) ");
    CHECK_INT(conn_state(c), CONN_WAITING);
    w.sub = "v3.feed";
    advance(1000);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

TEST(a_path_beside_the_urls_is_refused) {
    begin_raw();
    struct ln_err err;
    struct conn_opts o = raw("ws://feed.example/v1");
    o.path = ln_strdup("/v2");
    CHECK(conn_open(w.cs, "feed", &o, &err) == NULL);
    CHECK_HAS(err.text, "protocol ws has no use for path");
    conn_opts_free(&o);
    end();
}

TEST(two_connections_have_a_line_each) {
    begin_raw();
    open_with("a", raw("ws://feed.example/v1"));
    open_with("b", raw("ws://feed.example/v1"));
    turn();
    CHECK_INT(w.lines, 2);
    say(w.line[0], "{\"event\":\"x\"}");
    turn();
    TRAIL("connect(true) connect(true) x() ");
    end();
}

/* --- codec json --- */

TEST(json_events_come_in) {
    begin_raw();
    struct conn *c = connected_raw();
    say(last(), "{\"event\":\"price\",\"data\":{\"n\":1}}");
    say(last(), "{\"event\":\"move\",\"args\":[1,[2],\"x\"]}");
    say(last(), "{\"event\":\"bare\"}");
    say(last(), "{\"type\":\"tick\",\"n\":7}");
    say(last(), "{\"event\":\"caf\\u00e9\",\"data\":null}");
    say(last(), "[1,2]");
    say(last(), "{\"n\":1}");
    say(last(), "{\"event\":\"ask\",\"data\":1,\"ack\":4}");
    turn();
    TRAIL("price({\"n\":1}) move(1,[2],\"x\") bare() tick({\"type\":\"tick\",\"n\":7}) "
          "caf\xc3\xa9(null) message([1,2]) message({\"n\":1}) ask(1)#4 ");
    CHECK_INT(conn_stats(c)->received, 8);
    CHECK(conn_stats(c)->bytes_in > 150);
    conn_ack(c, conn_epoch(c), 4, LN_STR("{\"ok\":true}"), NULL, 0);
    conn_ack(c, conn_epoch(c), 5, LN_STR("1,2"), NULL, 0);
    struct ln_str bytes = LN_STR("\1\2");
    conn_ack(c, conn_epoch(c), 6, LN_STR("{\"_placeholder\":true,\"num\":0}"), &bytes, 1);
    turn();
    GOT(last(), "{\"ack\":4,\"data\":{\"ok\":true}}|{\"ack\":5,\"args\":[1,2]}|"
                "{\"ack\":6,\"data\":{\"_binary\":\"AQI=\"}}|");
    end();
}

TEST(the_field_of_the_name_can_be_chosen) {
    begin_raw();
    struct conn_opts o = raw("ws://feed.example/");
    o.codec_event = ln_strdup("op");
    struct conn *c = connected_with("feed", o);
    say(last(), "{\"op\":\"tick\",\"event\":\"x\",\"data\":1}");
    say(last(), "{\"event\":\"x\",\"data\":1}");
    emit(c, "sub", "\"all\"");
    turn();
    TRAIL(">sub(\"all\") tick(1) message({\"event\":\"x\",\"data\":1}) ");
    GOT(last(), "{\"op\":\"sub\",\"data\":\"all\"}|");
    end();
}

TEST(json_events_go_out) {
    begin_raw();
    struct conn *c = connected_raw();
    CHECK_INT(emit(c, "hi", ""), LN_OK);
    CHECK_INT(emit(c, "hi", "{\"n\":1}"), LN_OK);
    CHECK_INT(emit(c, "hi", "1,\"two\""), LN_OK);
    turn();
    GOT(last(), "{\"event\":\"hi\"}|{\"event\":\"hi\",\"data\":{\"n\":1}}|"
                "{\"event\":\"hi\",\"args\":[1,\"two\"]}|");
    ask(c, "who", "name");
    turn();
    GOT(last(), "{\"event\":\"name\",\"ack\":0}|");
    ln_buf_clear(&w.trail);
    say(last(), "{\"ack\":0,\"data\":\"kari\"}");
    say(last(), "{\"ack\":0,\"data\":\"again\"}");
    turn();
    TRAIL("who=[\"kari\"] ");
    struct ln_err err;
    struct ln_str bytes = LN_STR("\1\2");
    struct conn_emit e = {.name = LN_STR("file"),
                          .args = LN_STR("{\"_placeholder\":true,\"num\":0}"),
                          .bin = &bytes,
                          .bin_count = 1,
                          .retries = -1};
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_INVALID);
    CHECK_HAS(err.text, "codec \"json\" carries no binary values");
    end();
}

TEST(what_waited_leaves_when_the_line_is_back) {
    begin_raw();
    struct conn *c = connected_raw();
    hang_up(last());
    turn();
    emit(c, "later", "1");
    struct ln_str frame = LN_STR("raw words");
    struct conn_emit e = {.name = LN_STR("message"),
                          .args = LN_STR("\"raw words\""),
                          .bin = &frame,
                          .bin_count = 1,
                          .flags = CONN_EMIT_RAW,
                          .retries = -1};
    CHECK_INT(conn_emit(c, &e, NULL, NULL), LN_OK);
    e.flags |= CONN_EMIT_BINARY;
    CHECK_INT(conn_emit(c, &e, NULL, NULL), LN_OK);
    advance(1000);
    GOT(last(), "{\"event\":\"later\",\"data\":1}|raw words|<72617720776f726473>|");
    end();
}

TEST(broken_json_is_an_event_and_the_line_stays) {
    begin_raw();
    struct conn *c = connected_raw();
    say(last(), "{\"event\":\"x\"");
    say(last(), "");
    turn();
    TRAIL("error({\"code\":\"invalid\",\"message\":\"a message is no JSON: "
          "{\\\"event\\\":\\\"x\\\"\"}) error({\"code\":\"invalid\",\"message\":\"a message is no "
          "JSON: \"}) ");
    LOGS("warn [conn:feed] a message is no JSON: {\"event\":\"x\"\n");
    CHECK_INT(conn_stats(c)->errors, 2);
    say(last(), "{\"event\":\"after\"}");
    turn();
    TRAIL("after() ");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

static void once_wrong(struct conn *c, struct ln_str name) {
    (void)c;
    w.answer = ln_str_is(name, "x") ? LN_PROTOCOL : LN_OK;
}

TEST(arguments_that_a_listener_finds_broken_are_told_too) {
    begin_raw();
    struct conn *c = connected_raw();
    w.act = once_wrong;
    say(last(), "{\"event\":\"x\",\"data\":{bad}}");
    say(last(), "{\"event\":\"y\",\"data\":1}");
    turn();
    TRAIL("x({bad}) error({\"code\":\"invalid\",\"message\":\"a message is no JSON: {bad}\"}) "
          "y(1) ");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    w.act = NULL;
    w.deaf = true; /* nobody wants it: nobody looks */
    say(last(), "{\"event\":\"x\",\"data\":{bad}}");
    turn();
    TRAIL("");
    end();
}

TEST(secrets_of_a_broken_message_are_not_shown) {
    begin_raw();
    ln_log_hide(LN_STR("abcdefghijklmnop"));
    connected_raw();
    say(last(), "{\"token\":\"abcdefghijklmnop\" oops");
    turn();
    CHECK(strstr(ln_buf_cstr(&w.logs), "abcdefghijklmnop") == NULL);
    CHECK(strstr(ln_buf_cstr(&w.trail), "abcdefghijklmnop") == NULL);
    end();
    ln_log_close();
}

TEST(binary_messages_are_values) {
    begin_raw();
    connected_raw();
    say_binary(last(), "\0\xff", 2);
    turn();
    TRAIL("message({\"_placeholder\":true,\"num\":0} <00ff>) ");
    end();
}

TEST(rooms_are_events_with_answers) {
    begin_raw();
    struct conn *c = open_with("feed", raw("ws://feed.example/"));
    conn_room_want(c, LN_STR("lobby"), LN_STR("join"), LN_STR("{\"room\":\"lobby\"}"));
    turn();
    GOT(last(), "{\"event\":\"join\",\"data\":{\"room\":\"lobby\"},\"ack\":0}|");
    ln_buf_clear(&w.trail);
    say(last(), "{\"ack\":0,\"data\":{\"ok\":true}}");
    turn();
    TRAIL("rejoined(lobby,{\"ok\":true}) ");
    end();
}

/* --- other codecs --- */

TEST(codec_text_passes_on_strings) {
    begin_raw();
    struct conn_opts o = raw("ws://feed.example/");
    o.codec = CODEC_TEXT;
    struct conn *c = connected_with("feed", o);
    struct ln_err err;
    say(last(), "{\"event\":\"x\"}");
    say(last(), "a \"b\"\n");
    say_binary(last(), "\1", 1);
    turn();
    TRAIL("message(\"{\\\"event\\\":\\\"x\\\"}\") message(\"a \\\"b\\\"\\n\") "
          "message({\"_placeholder\":true,\"num\":0} <01>) ");
    CHECK_INT(emit(c, "message", "\"caf\\u00e9\""), LN_OK);
    turn();
    GOT(last(), "caf\xc3\xa9|");
    static const char *const wrong[][2] = {
        {"hi", "\"x\""}, {"message", "1"}, {"message", ""}, {"message", "\"a\",\"b\""}};
    for (size_t i = 0; i < LN_COUNT(wrong); i++) {
        struct conn_emit e = {
            .name = ln_str(wrong[i][0]), .args = ln_str(wrong[i][1]), .retries = -1};
        CHECK_INT(conn_emit(c, &e, NULL, &err), LN_INVALID);
        CHECK_HAS(err.text, "codec \"text\" sends one string");
    }
    struct conn_emit e = {
        .name = LN_STR("message"), .args = LN_STR("\"x\""), .reply = on_reply, .retries = -1};
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_INVALID);
    CHECK_HAS(err.text, "only codec \"json\" has acknowledgements");
    end();
}

/* A codec: "name value" both ways; what begins with '-' is dropped, '!' closes the connection. */
static bool own_decode(void *ud, struct conn *c, bool binary, struct ln_str data) {
    const char *blank = memchr(data.p, ' ', data.n);
    CHECK(ud == &w);
    if (binary) return false;
    if (data.p[0] == '!') conn_close(c);
    if (data.p[0] == '-' || data.p[0] == '!') return true;
    struct event ev = {.name = {data.p, (size_t)(blank - data.p)}};
    ev.args = (struct ln_str){blank + 1, data.n - ev.name.n - 1};
    conn_decoded(c, &ev);
    return true;
}
static bool own_encode(void *ud, struct conn *c, struct conn_emit *e, struct ln_buf *frame,
                       ln_status *status, struct ln_err *err) {
    (void)c;
    CHECK(ud == &w);
    if (ln_str_is(e->name, "plain")) return false;
    if (ln_str_is(e->name, "bad")) *status = ln_fail(err, LN_INVALID, "no such word");
    if (ln_str_is(e->name, "bytes")) e->flags |= CONN_EMIT_BINARY;
    ln_buf_fmt(frame, "%.*s %.*s", LN_FMT(e->name), LN_FMT(e->args));
    return true;
}
static const struct conn_codecs own = {own_decode, own_encode};

static struct conn *connected_own(void) {
    struct conn_opts o = raw("ws://feed.example/");
    o.codec = CODEC_OWN;
    clients_codecs(w.cs, &own, &w);
    return connected_with("feed", o);
}

TEST(own_codecs_are_asked) {
    begin_raw();
    struct conn *c = connected_own();
    struct ln_err err;
    say(last(), "price {\"n\":1}");
    say(last(), "-comment");
    say_binary(last(), "\1", 1);
    turn();
    TRAIL("price({\"n\":1}) message({\"_placeholder\":true,\"num\":0} <01>) ");
    emit(c, "sub", "\"all\"");
    emit(c, "bytes", "1");
    emit(c, "plain", "1");
    turn();
    TRAIL(">sub(\"all\" <7375622022616c6c22>) >bytes(1 <62797465732031>) >plain(1) ");
    GOT(last(), "sub \"all\"|<62797465732031>|{\"event\":\"plain\",\"data\":1}|");
    struct conn_emit e = {.name = LN_STR("bad"), .retries = -1};
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_INVALID);
    CHECK_STR(ln_str(err.text), "no such word");
    e = (struct conn_emit){.name = LN_STR("ask"), .reply = on_reply, .retries = -1};
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_INVALID);
    end();
}

TEST(own_frames_wait_as_they_are) {
    begin_raw();
    struct conn *c = connected_own();
    hang_up(last());
    turn();
    emit(c, "sub", "1");
    emit(c, "bytes", "2");
    CHECK_INT(conn_outbox_size(c), 2);
    advance(1000);
    GOT(last(), "sub 1|<62797465732032>|");
    end();
}

TEST(a_codec_may_close_its_connection) {
    begin_raw();
    connected_own();
    say(last(), "!");
    say(last(), "price 1");
    turn();
    TRAIL("");
    CHECK(conn_find(w.cs, LN_STR("feed")) == NULL);
    end();
}

TEST_MAIN(T(path_query_and_auth_are_the_target),
          T(an_address_like_the_hubs_speaks_it_without_being_told), T(subprotocols),
          T(a_path_beside_the_urls_is_refused), T(two_connections_have_a_line_each),
          T(json_events_come_in), T(the_field_of_the_name_can_be_chosen), T(json_events_go_out),
          T(what_waited_leaves_when_the_line_is_back),
          T(broken_json_is_an_event_and_the_line_stays),
          T(arguments_that_a_listener_finds_broken_are_told_too),
          T(secrets_of_a_broken_message_are_not_shown), T(binary_messages_are_values),
          T(rooms_are_events_with_answers), T(codec_text_passes_on_strings),
          T(own_codecs_are_asked), T(own_frames_wait_as_they_are),
          T(a_codec_may_close_its_connection))
