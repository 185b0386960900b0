/* SPDX-License-Identifier: MIT
 *
 * What can go wrong with a line: every step of an attempt, every defect of a handshake (an error at
 * once, never a wait, never a crash), the heartbeat, a clock that slept.
 */
#include "sio_peer.h"

/* The attempt under way ends in connect_error with these words, and the next one is due. */
static void check_fails(const char *code, const char *detail, const char *words) {
    char want[200];
    turn();
    const char *trail = ln_buf_cstr(&w.trail);
    snprintf(want, sizeof want, "connect_error({\"code\":\"%s\",", code);
    CHECK_HAS(trail, want);
    snprintf(want, sizeof want, "\"detail\":\"%s\"", detail);
    CHECK_HAS(trail, want);
    CHECK_HAS(trail, words);
    LOG_HAS("warn [conn:chat]");
    LOG_HAS("next attempt in 1 s");
    struct conn *c = conn_find(w.cs, LN_STR("chat"));
    CHECK_INT(conn_state(c), CONN_WAITING);
    CHECK_INT(conn_stats(c)->errors, 1);
    CHECK(conn_stats(c)->last_error[0] != 0);
    w.http = NULL;
    w.open = OPEN_PACKET;
    w.joins = true;
    w.hangs_up = false;
    advance(1000);
    CHECK_INT(conn_state(c), CONN_CONNECTED); /* and it was no more than this attempt */
}

TEST(refused_by_http) {
    static const struct {
        const char *answer, *code, *words;
    } table[] = {
        {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 7\r\n\r\nexpired", "unauthorized", "401"},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "forbidden", "403"},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "refused", "404"},
        {"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nlate", "refused", "late"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "protocol", "200"},
        {"SSH-2.0-OpenSSH\r\n\r\n", "protocol", "not HTTP"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        w.http = table[i].answer;
        open_url("chat", "ws://chat.example");
        check_fails(table[i].code, "upgrade", table[i].words);
        end();
    }
}

TEST(a_fault_of_the_upgrade) {
    begin();
    ln_fault_set("ws.upgrade:1");
    open_url("chat", "ws://chat.example");
    check_fails("protocol", "upgrade", "injected fault");
    end();
}

TEST(nobody_listens) {
    begin();
    clients_dialler(w.cs, NULL, NULL); /* the network itself */
    uint16_t port;
    int fd = peer_dead_port(&port);
    char url[64];
    snprintf(url, sizeof url, "ws://127.0.0.1:%d", port);
    struct conn *c = open_url("chat", url);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":\"refused\"");
    CHECK_HAS(ln_buf_cstr(&w.trail), "\"detail\":\"tcp\"");
    CHECK_INT(conn_state(c), CONN_WAITING);
    close(fd);
    end();
}

TEST(never_answers) {
    begin();
    w.http = "";
    struct conn *c = open_url("chat", "ws://chat.example");
    advance(19999);
    CHECK_INT(conn_state(c), CONN_CONNECTING);
    loop_advance(w.loop, 1);
    check_fails("timeout", "upgrade", "upgrade: ");
    end();
}

/* The whole attempt has one limit: the handshake gets what the upgrade left over. */
TEST(no_open_packet) {
    begin();
    w.open = NULL;
    struct conn *c = open_url("chat", "ws://chat.example");
    advance(19999);
    CHECK_INT(conn_state(c), CONN_CONNECTING);
    loop_advance(w.loop, 1);
    check_fails("timeout", "handshake", "handshake: the server sent none within 20 s");
    end();
}

TEST(never_answers_connect) {
    begin();
    w.joins = false;
    struct conn *c = open_url("chat", "ws://chat.example/room");
    advance(19999);
    CHECK_INT(conn_state(c), CONN_CONNECTING);
    loop_advance(w.loop, 1);
    check_fails("timeout", "namespace",
                "namespace: the server did not answer CONNECT for '/room' within 20 s");
    end();
}

TEST(defects_of_the_open_packet) {
    static const struct {
        const char *open, *words;
    } table[] = {
        {"0{bad json", "parse error: the handshake is not valid JSON"},
        {"0", "parse error: the handshake is not valid JSON"},
        {"0[]", "parse error: the handshake is not a JSON object"},
        {"0{}", "parse error: the handshake has no sid"},
        {"0{\"sid\":\"\"}", "sid that is empty"},
        {"0{\"sid\":\"x\",\"pingInterval\":0}", "pingInterval"},
        {"0{\"sid\":\"x\",\"pingInterval\":-1}", "pingInterval"},
        {"0{\"sid\":\"x\",\"pingTimeout\":\"soon\"}", "pingTimeout"},
        {"0{\"sid\":\"x\",\"upgrades\":3}", "upgrades"},
        {"42[\"early\"]", "a message came before the open packet"},
        {"40", "a message came before the open packet"},
        {"", "a message came before the open packet"},
        {"nonsense", "a message came before the open packet"},
        {"2", "a message came before the open packet"},
        {"bAQID", "a message came before the open packet"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        w.open = table[i].open;
        open_url("chat", "ws://chat.example");
        check_fails("protocol", "handshake", table[i].words);
        end();
    }
    begin();
    w.open = NULL;
    open_url("chat", "ws://chat.example");
    turn();
    say_binary(last(), "\1\2", 2);
    check_fails("protocol", "handshake", "a message came before the open packet");
    end();
}

TEST(missing_members_get_defaults) {
    begin();
    w.open = "0{\"sid\":\"x\"}";
    struct conn *c = connected();
    advance(44999); /* 25 s + 20 s */
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    advance(1);
    TRAIL("disconnect(\"ping timeout\") ");
    end();
}

TEST(closed_before_the_open_packet) {
    begin();
    w.open = NULL;
    open_url("chat", "ws://chat.example");
    turn();
    hang_up(last());
    check_fails("disconnected", "handshake", "handshake: closed by the peer");
    end();
    static const struct {
        int code;
        const char *reason, *words;
    } table[] = {{1000, "", "handshake: closed by the server (1000)"},
                 {1000, "go away", "handshake: closed by the server (1000): go away"},
                 {1008, "no", "handshake: closed by the server: 1008 policy violation: no"}};
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        w.open = NULL;
        open_url("chat", "ws://chat.example");
        turn();
        say_close(last(), table[i].code, table[i].reason);
        check_fails("disconnected", "handshake", table[i].words);
        end();
    }
    begin();
    w.open = "1"; /* the engine's own close */
    open_url("chat", "ws://chat.example");
    check_fails("disconnected", "handshake", "handshake: closed by the server");
    end();
}

TEST(closed_before_the_answer_to_connect) {
    begin();
    w.joins = false;
    open_url("chat", "ws://chat.example");
    turn();
    GOT(last(), "40|");
    say_close(last(), 1011, "crash");
    check_fails("disconnected", "open", "1011 internal error: crash");
    end();
}

TEST(a_second_open_packet_changes_nothing) {
    begin();
    struct conn *c = connected();
    say(last(), "0{\"sid\":\"other\",\"pingInterval\":1,\"pingTimeout\":1}");
    say(last(), "0{bad json");
    advance(20000);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    TRAIL("");
    GOT(last(), "");
    end();
}

TEST(losses_and_their_reasons) {
    static const struct {
        const char *frame, *reason;
        int close;
    } table[] = {
        {NULL, "transport close", 1000}, {NULL, "transport close", 1001},
        {NULL, "transport close", 0},    {"1", "transport close", 0},
        {"9", "transport error", 0},     {"", "transport error", 0},
        {"x", "transport error", 0},     {"4", "parse error", 0},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        char want[64];
        begin();
        struct conn *c = connected();
        if (table[i].frame)
            say(last(), table[i].frame);
        else if (table[i].close)
            say_close(last(), table[i].close, "");
        else
            hang_up(last());
        turn();
        int at = snprintf(want, sizeof want, "disconnect(\"%s\"", table[i].reason);
        if (table[i].close)
            at += snprintf(want + at, sizeof want - (size_t)at, ",{\"code\":%d,\"reason\":\"\"}",
                           table[i].close);
        snprintf(want + at, sizeof want - (size_t)at, ") ");
        TRAIL(want);
        CHECK_INT(conn_state(c), CONN_WAITING);
        advance(1000);
        TRAIL("reconnect_attempt(1,1.0) connect(false) ");
        end();
    }
}

static void use_the_other(struct conn *c, struct ln_str name) {
    if (!ln_str_is(name, "disconnect")) return;
    struct conn *other =
        conn_find(w.cs, strcmp(conn_name(c), "a") == 0 ? LN_STR("b") : LN_STR("a"));
    CHECK_INT(emit(other, "m", "1"), LN_OK); /* it keeps it, whether it has heard yet or not */
    emit_flags(other, "v", "1", CONN_EMIT_VOLATILE);
    CHECK_INT(conn_outbox_size(other), 1);
    CHECK_INT(conn_transport(other), TRANSPORT_NONE);
}

TEST(who_has_not_heard_yet_that_the_line_is_lost) {
    begin();
    open_url("a", "ws://chat.example");
    open_url("b", "ws://chat.example/admin");
    turn();
    CHECK_INT(w.lines, 1);
    ln_buf_clear(&w.trail);
    w.act = use_the_other;
    hang_up(last());
    turn();
    TRAIL("disconnect(\"transport close\") disconnect(\"transport close\") ");
    w.act = NULL;
    advance(1000);
    CHECK_HAS(ln_buf_cstr(&last()->got), "42[\"m\",1]|");
    CHECK_HAS(ln_buf_cstr(&last()->got), "42/admin,[\"m\",1]|");
    end();
}

TEST(frames_that_break_rfc_6455) {
    begin();
    connected();
    peer_send(&last()->p, "\xf1\x01x", 3); /* reserved bits */
    turn();
    GOT(last(), "close(1002)|");
    TRAIL("disconnect(\"transport error\") ");
    end();
}

TEST(a_write_that_fails) {
    begin();
    struct conn *c = connected();
    ln_fault_set("stream.write:1");
    ask(c, "q", "q");
    emit(c, "lost", "");
    turn();
    TRAIL(">q() >lost() disconnect(\"transport close\") "
          "q=disconnected:socket has been disconnected ");
    advance(1000);
    TRAIL("reconnect_attempt(1,1.0) connect(false) ");
    GOT(last(), "40|"); /* what was handed to the line is not sent again: that is what retries do */
    end();
}

/* --- heartbeat --- */

TEST(pings_keep_a_line_alive) {
    begin();
    struct conn *c = connected();
    for (int i = 0; i < 3; i++) {
        advance(44000);
        say(last(), "2");
        turn();
        GOT(last(), "3|");
    }
    say(last(), "2probe");
    turn();
    GOT(last(), "3|");
    advance(44999);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    say(last(), "42[\"data\"]"); /* anything else does not count */
    say(last(), "6");
    say(last(), "3");
    advance(1);
    TRAIL("data() disconnect(\"ping timeout\") ");
    LOG_HAS("ping timeout: no ping from the server for 45 s");
    advance(1000);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

/* A laptop slept: timers stood still, the wall clock did not. Upstream: throttled timer. */
TEST(a_sleep_is_noticed_at_the_next_emit) {
    begin();
    struct conn *c = connected();
    loop_advance(w.loop, 1000);
    ln_clock_set_wall(ln_wall_ms() + 3600000);
    CHECK_INT(emit(c, "hello", "1"), LN_OK);
    TRAIL(""); /* not sent into the void: kept */
    CHECK_INT(conn_outbox_size(c), 1);
    turn();
    GOT(w.line[0], "");
    TRAIL("disconnect(\"ping timeout\") ");
    advance(1000);
    TRAIL("reconnect_attempt(1,1.0) connect(false) >hello(1) ");
    GOT(w.line[1], "40|42[\"hello\",1]|");
    end();
}

/* --- the request --- */

TEST(path_query_and_headers) {
    begin();
    struct conn_opts o = options("ws://user:p%20w@chat.example:8080/admin?a=1&b=%20");
    o.path = ln_strdup("/my/engine");
    o.query = ln_strdup("{\"v\":\"1 \\u00e9\",\"n\":2,\"a&b\":\"=\"}");
    o.headers = ln_strdup("{\"X-Token\":\"secret\",\"X-N\":5}");
    connected_with("chat", o);
    CHECK_HAS(last()->request,
              "GET /my/engine/?a=1&b=%20&v=1%20%C3%A9&n=2&a%26b=%3D&EIO=4&transport=websocket ");
    CHECK_HAS(last()->request, "X-Token: secret\r\n");
    CHECK_HAS(last()->request, "X-N: 5\r\n");
    CHECK_HAS(last()->request, "Authorization: Basic dXNlcjpwIHc=\r\n");
    CHECK(!strstr(conn_url(conn_find(w.cs, LN_STR("chat"))), "user"));
    end();
}

TEST(ipv6_hosts_stand_in_brackets) {
    begin();
    struct conn *c = open_url("chat", "http://[::1]:3000/a");
    turn();
    CHECK_HAS(last()->request, "Host: [::1]:3000\r\n");
    CHECK_STR(ln_str(conn_url(c)), "http://[::1]:3000/a");
    GOT(last(), "40/a,|");
    end();
}

TEST(insecure_tls_is_said_at_every_attempt) {
    begin();
    w.hangs_up = true;
    struct conn_opts o = options("wss://chat.example");
    o.tls.insecure = true;
    open_with("chat", o);
    turn();
    LOG_HAS("warn [conn:chat] the server's certificate is not verified");
    CHECK_HAS(ln_buf_cstr(&w.trail), "\"detail\":\"tls\"");
    ln_buf_clear(&w.logs);
    advance(1000);
    LOG_HAS("warn [conn:chat] the server's certificate is not verified");
    end();
}

TEST_MAIN(T(refused_by_http), T(a_fault_of_the_upgrade), T(nobody_listens), T(never_answers),
          T(no_open_packet), T(never_answers_connect), T(defects_of_the_open_packet),
          T(missing_members_get_defaults), T(closed_before_the_open_packet),
          T(closed_before_the_answer_to_connect), T(a_second_open_packet_changes_nothing),
          T(losses_and_their_reasons), T(who_has_not_heard_yet_that_the_line_is_lost),
          T(frames_that_break_rfc_6455), T(a_write_that_fails), T(pings_keep_a_line_alive),
          T(a_sleep_is_noticed_at_the_next_emit), T(path_query_and_headers),
          T(ipv6_hosts_stand_in_brackets), T(insecure_tls_is_said_at_every_attempt))
