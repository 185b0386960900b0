/* SPDX-License-Identifier: MIT
 *
 * Open TLS lines: the traps of records (bytes decrypted that no descriptor shows), ends, and
 * WebSocket on top.
 */
#include "io/ws.h"
#include "tls_line.h"

TEST(big_amounts_go_both_ways) {
    enum { SIZE = 2 * 1024 * 1024 };
    begin();
    shake_good();
    char *bytes = ln_alloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 31 + i / 77);
    tls_say(loop, &peer, bytes, SIZE);
    CHECK_INT(line.got.n, SIZE);
    CHECK(line.got.n == SIZE && memcmp(line.got.p, bytes, SIZE) == 0);
    ln_buf_add(stream_out(line.s), bytes, SIZE);
    stream_send(line.s);
    loop_settle(loop, 0);
    CHECK(stream_queued(line.s) > 0); /* the peer reads nothing yet */
    tls_pump(loop, &peer);
    CHECK_INT(stream_queued(line.s), 0);
    CHECK_INT(peer.plain.in.n, SIZE);
    CHECK(peer.plain.in.n == SIZE && memcmp(peer.plain.in.p, bytes, SIZE) == 0);
    ln_free(bytes);
    reset();
    end();
}

TEST(many_small_records_fill_one_read) {
    begin();
    shake_good();
    for (int i = 0; i < 200; i++)
        if (SSL_write(peer.ssl, "x", 1) != 1) abort();
    loop_settle(loop, 0);
    CHECK_INT(line.got.n, 200);
    CHECK_INT(line.datas, 1);
    reset();
    end();
}

TEST(what_was_decrypted_is_not_forgotten_in_a_pause) {
    begin();
    line.pause_in_data = true;
    shake_good();
    static char bytes[100000];
    memset(bytes, 'a', sizeof bytes);
    size_t put = 0;
    for (int n; put < sizeof bytes; put += (size_t)n)
        if ((n = SSL_write(peer.ssl, bytes + put, (int)(sizeof bytes - put))) <= 0) abort();
    loop_settle(loop, 0);
    CHECK_INT(line.datas, 1);
    size_t first = line.got.n;
    CHECK(first > 0 && first < sizeof bytes);
    loop_settle(loop, 0);
    CHECK_INT(line.got.n, first);
    line.pause_in_data = false;
    stream_pause(line.s, false);
    loop_settle(loop, 0);
    CHECK_INT(line.got.n, sizeof bytes);
    reset();
    end();
}

TEST(the_peers_last_bytes_come_before_its_end) {
    begin();
    shake_good();
    if (SSL_write(peer.ssl, "last", 4) != 4) abort();
    SSL_shutdown(peer.ssl);
    loop_settle(loop, 0);
    CHECK_STR(ln_buf_get(&line.got), "last");
    CHECK(line.closed == 1 && line.has_err);
    CHECK_STR(ln_str(line.err.text), "closed by the peer");
    CHECK_INT(line.phase, PHASE_OPEN);
    reset();
    shake_good();
    if (SSL_write(peer.ssl, "last", 4) != 4) abort();
    peer_close(&peer.plain); /* without a word */
    loop_settle(loop, 0);
    CHECK_STR(ln_buf_get(&line.got), "last");
    CHECK(line.closed == 1 && line.has_err);
    CHECK_INT(line.err.code, LN_DISCONNECTED);
    reset();
    end();
}

TEST(broken_records_end_the_line) {
    begin();
    shake_good();
    peer_say(&peer.plain, "\x17\x03\x03\x01garbage that was never encrypted");
    for (int i = 0; i < 100; i++)
        peer_say(&peer.plain, "garbage");
    loop_settle(loop, 0);
    CHECK(line.closed == 1 && line.has_err);
    CHECK_INT(line.phase, PHASE_TLS);
    CHECK_INT(line.datas, 0);
    CHECK_HAS(line.err.text, "TLS: ");
    reset();
    end();
}

TEST(closing_inside_callbacks_and_failing_writes) {
    begin();
    line.close_in_open = true;
    shake(tls_server(&good, NULL, 0), "chat.example", (struct tls_opts){.insecure = true});
    CHECK(line.opened == 1 && line.closed == 1 && !line.has_err);
    reset();
    line.close_in_open = false;
    line.close_in_data = true;
    shake_good();
    for (int i = 0; i < 10; i++)
        if (SSL_write(peer.ssl, "0123456789", 10) != 10) abort();
    loop_settle(loop, 0);
    CHECK(line.datas == 1 && line.closed == 1 && !line.has_err);
    reset();
    line.close_in_data = false;
    shake_good();
    tls_peer_close(&peer);
    say("into the void");
    loop_settle(loop, 0);
    CHECK(line.closed == 1 && line.has_err);
    CHECK_INT(line.err.code, LN_DISCONNECTED);
    reset();
    end();
}

TEST(more_than_one_turn_may_read_is_read_in_the_next) {
    enum { SIZE = 1500 * 1000 };
    begin();
    shake_good();
    int big = 4 * SIZE;
    setsockopt(peer.plain.fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
    char *bytes = ln_alloc(SIZE);
    int put = 0;
    for (int n; put < SIZE && (n = SSL_write(peer.ssl, bytes + put, SIZE - put)) > 0;)
        put += n;
    loop_settle(loop, 1); /* the poll */
    CHECK(line.got.n > 0);
    loop_settle(loop, 0);
    CHECK_INT(line.got.n, put);
    ln_free(bytes);
    reset();
    end();
}

TEST(what_came_with_the_end_of_the_handshake_is_read) {
    struct stream_opts o = {.host = "chat.example", .tls = true, .tls_opts.insecure = true};
    begin();
    line = (struct line){0};
    o.fd = tls_pair(&peer, tls_server(&good, NULL, TLS1_2_VERSION)); /* 1.2: the server ends it */
    line.s = stream_open(loop, &o, &cbs, &line);
    for (int i = 0; i < 10 && !peer.shaken; i++) {
        CHECK_INT(line.opened, 0);
        loop_settle(loop, 0);
        tls_step(&peer, SIZE_MAX);
    }
    CHECK(peer.shaken);
    CHECK_INT(SSL_write(peer.ssl, "welcome", 7), 7);
    loop_settle(loop, 0);
    CHECK_INT(line.opened, 1);
    CHECK_STR(ln_buf_get(&line.got), "welcome");
    reset();
    end();
}

/* --- WebSocket on it --- */

static struct ln_err ws_err;
static int ws_opened, ws_ended;
static enum stream_phase ws_phase;
static struct ln_buf ws_got;
static void on_ws_open(void *ud, struct ln_str protocol) {
    (void)ud, (void)protocol;
    ws_opened++;
}
static void on_ws_message(void *ud, bool binary, char *p, size_t n) {
    (void)ud, (void)binary;
    ln_buf_add(&ws_got, p, n);
}
static void on_ws_closed(void *ud, enum stream_phase phase, int status, int code,
                         struct ln_str reason, const struct ln_err *err) {
    (void)ud, (void)status, (void)code, (void)reason;
    ws_ended++;
    ws_phase = phase;
    ws_err = err ? *err : (struct ln_err){0};
}
static const struct ws_cbs ws_cbs = {on_ws_open, on_ws_message, NULL, on_ws_closed, NULL, NULL};
static struct ws *open_ws(SSL_CTX *server, bool tls) {
    struct ws_opts o = {.host_header = "chat.example", .target = "/"};
    ws_opened = ws_ended = 0;
    o.stream.fd = tls_pair(&peer, server);
    o.stream.host = "chat.example";
    o.stream.tls = tls;
    o.stream.tls_opts.ca = certs_path("ca.pem");
    struct ws *w = ws_open(loop, &o, &ws_cbs, NULL);
    tls_pump(loop, &peer);
    return w;
}

TEST(a_websocket_line_over_tls) {
    begin();
    struct ws *w = open_ws(tls_server(&good, NULL, 0), true);
    char key[WS_KEY_LEN + 1], accept[29];
    struct ln_buf answer = {0};
    const char *at = strstr(ln_buf_cstr(&peer.plain.in), "Sec-WebSocket-Key: ");
    CHECK(at != NULL);
    snprintf(key, sizeof key, "%s", at ? at + 19 : "");
    ws_accept_key(key, accept);
    ln_buf_fmt(&answer,
               "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n\r\n\x81\x05hello",
               accept);
    tls_say(loop, &peer, answer.p, answer.n);
    CHECK_INT(ws_opened, 1);
    CHECK_STR(ln_buf_get(&ws_got), "hello");
    ws_abort(w);
    tls_pump(loop, &peer);
    CHECK(ws_ended == 1 && ws_err.code == LN_OK);
    ln_buf_free(&answer);
    ln_buf_free(&ws_got);
    tls_peer_close(&peer);
    end();
}

TEST(errors_of_tls_reach_the_websockets_owner) {
    begin();
    open_ws(tls_server(&good, NULL, 0), false); /* plain to a TLS port */
    CHECK(peer.failed);
    tls_peer_close(&peer);
    loop_settle(loop, 0);
    CHECK_INT(ws_ended, 1);
    CHECK_INT(ws_phase, PHASE_HTTP);
    CHECK_HAS(ws_err.text, "if it speaks TLS on this port: wss:// or https://");
    open_ws(tls_server(&good, &ca, 0), true); /* a client certificate is missed after the upgrade
                                                 was sent */
    loop_settle(loop, 0);
    CHECK_INT(ws_ended, 1);
    CHECK_INT(ws_phase, PHASE_TLS);
    CHECK_STR(ln_str(ws_err.text),
              "TLS: the server wants a client certificate (set tls.cert and tls.key)");
    tls_peer_close(&peer);
    end();
}

TEST_MAIN(T(big_amounts_go_both_ways), T(many_small_records_fill_one_read),
          T(what_was_decrypted_is_not_forgotten_in_a_pause),
          T(the_peers_last_bytes_come_before_its_end), T(broken_records_end_the_line),
          T(closing_inside_callbacks_and_failing_writes),
          T(more_than_one_turn_may_read_is_read_in_the_next),
          T(what_came_with_the_end_of_the_handshake_is_read), T(a_websocket_line_over_tls),
          T(errors_of_tls_reach_the_websockets_owner))
