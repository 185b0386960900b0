/* SPDX-License-Identifier: MIT
 *
 * TLS on a stream: what passes, what does not and in which words, files that do not serve, and the
 * traps of records (bytes decrypted that no descriptor shows).
 */
#include "base/clock.h"
#include "certs.h"
#include "io/ws.h"
#include "test.h"

struct line {
    struct stream *s;
    int opened, closed, datas;
    enum stream_phase phase;
    bool has_err, close_in_open, close_in_data, pause_in_data;
    struct ln_err err;
    struct ln_buf got;
};

static struct loop *loop;
static int fds_before;
static struct line line;
static struct tls_peer peer;
static struct cert ca, good, stranger;

static void on_open(void *ud) {
    struct line *l = ud;
    l->opened++;
    if (l->close_in_open) stream_close(l->s);
}
static void on_data(void *ud, char *p, size_t n) {
    struct line *l = ud;
    l->datas++;
    ln_buf_add(&l->got, p, n);
    if (l->pause_in_data) stream_pause(l->s, true);
    if (l->close_in_data) stream_close(l->s);
}
static void on_closed(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct line *l = ud;
    l->closed++;
    l->phase = phase;
    l->has_err = err != NULL;
    if (err) l->err = *err;
    l->s = NULL;
}
static const struct stream_cbs cbs = {on_open, on_data, on_closed, NULL};

static void begin(void) {
    ln_clock_fake(1700000000000);
    loop_free(loop_new()); /* what libuv opens once for the process */
    fds_before = peer_open_fds();
    loop = loop_new();
    certs_begin();
    ca = cert_make("ca", (struct cert_spec){"Test Authority", NULL, -10, 10, NULL, true});
    good =
        cert_make("good", (struct cert_spec){"x", "DNS:chat.example,DNS:*.wild.example,IP:10.0.0.1",
                                             -1, 1, &ca, false});
    stranger = cert_make(
        "stranger", (struct cert_spec){"chat.example", "DNS:chat.example", -1, 1, NULL, false});
}
static void reset(void) { /* for the next line on the same loop */
    if (line.s) stream_close(line.s);
    loop_settle(loop, 0);
    CHECK_INT(line.closed, 1);
    CHECK_INT(loop_timer_count(loop), 0);
    ln_buf_free(&line.got);
    tls_peer_close(&peer);
}
static void end(void) {
    loop_free(loop);
    CHECK_INT(peer_open_fds(), fds_before);
    cert_free(&ca);
    cert_free(&good);
    cert_free(&stranger);
    certs_end();
    ln_fault_set(NULL);
    ln_clock_real();
}
/* A line to a server with that context; the handshake is run as far as it goes. */
static void shake(SSL_CTX *server, const char *host, struct tls_opts tls) {
    struct stream_opts o = {.host = host, .tls = true, .tls_opts = tls};
    line = (struct line){.close_in_open = line.close_in_open,
                         .close_in_data = line.close_in_data,
                         .pause_in_data = line.pause_in_data};
    o.fd = tls_pair(&peer, server);
    line.s = stream_open(loop, &o, &cbs, &line);
    CHECK_INT(line.opened + line.closed, 0);
    tls_pump(loop, &peer);
}
static void shake_good(void) {
    shake(tls_server(&good, NULL, 0), "chat.example",
          (struct tls_opts){.ca = certs_path("ca.pem")});
    CHECK_INT(line.opened, 1);
}
static void check_error(ln_status code, const char *part) {
    loop_settle(loop, 0);
    CHECK_INT(line.closed, 1);
    CHECK(line.has_err);
    CHECK_INT(line.phase, PHASE_TLS);
    CHECK_INT(line.err.code, code);
    CHECK_HAS(line.err.text, part);
}
static void say(const char *text) {
    ln_buf_puts(stream_out(line.s), text);
    stream_send(line.s);
}

/* --- what passes --- */

TEST(a_certificate_by_the_given_authority_passes) {
    begin();
    shake_good();
    CHECK_STR(ln_str(peer.sni), "chat.example");
    CHECK_STR(ln_str(SSL_get_version(peer.ssl)), "TLSv1.3");
    say("hello");
    tls_pump(loop, &peer);
    CHECK_STR(ln_buf_get(&peer.plain.in), "hello");
    tls_say(loop, &peer, "world", 5);
    CHECK_STR(ln_buf_get(&line.got), "world");
    stream_close(line.s);
    tls_pump(loop, &peer);
    CHECK(peer.bye); /* an orderly end */
    CHECK(!line.has_err);
    reset();
    shake(tls_server(&good, NULL, TLS1_2_VERSION), "a.wild.example",
          (struct tls_opts){.ca = certs_path("ca.pem")});
    CHECK_INT(line.opened, 1);
    CHECK_STR(ln_str(SSL_get_version(peer.ssl)), "TLSv1.2");
    reset();
    end();
}

TEST(an_address_is_verified_as_one_and_not_sent_as_a_name) {
    begin();
    shake(tls_server(&good, NULL, 0), "10.0.0.1", (struct tls_opts){.ca = certs_path("ca.pem")});
    CHECK_INT(line.opened, 1);
    CHECK_STR(ln_str(peer.sni), "");
    reset();
    shake(tls_server(&good, NULL, 0), "10.0.0.2", (struct tls_opts){.ca = certs_path("ca.pem")});
    check_error(LN_DENIED, "TLS: IP address mismatch: the certificate is not for 10.0.0.2 but for "
                           "chat.example, *.wild.example, 10.0.0.1 (tls.server_name");
    reset();
    end();
}

TEST(server_name_is_what_is_sent_and_verified) {
    begin();
    shake(tls_server(&good, NULL, 0), "127.0.0.1",
          (struct tls_opts){.ca = certs_path("ca.pem"), .server_name = "chat.example"});
    CHECK_INT(line.opened, 1);
    CHECK_STR(ln_str(peer.sni), "chat.example");
    reset();
    end();
}

TEST(a_self_signed_certificate_is_trusted_by_name_of_its_file_or_not_at_all) {
    begin();
    shake(tls_server(&stranger, NULL, 0), "chat.example", (struct tls_opts){0});
    check_error(LN_DENIED, "TLS: self-signed certificate (set tls.ca to its PEM file, or "
                           "tls.insecure = true for a test)");
    CHECK_INT(line.opened, 0);
    reset();
    shake(tls_server(&stranger, NULL, 0), "chat.example",
          (struct tls_opts){.ca = certs_path("stranger.pem")});
    CHECK_INT(line.opened, 1);
    reset();
    shake(tls_server(&stranger, NULL, 0), "other.example", (struct tls_opts){.insecure = true});
    CHECK_INT(line.opened, 1);
    reset();
    end();
}

TEST(the_environment_may_name_the_store) {
    begin();
    setenv("SSL_CERT_FILE", certs_path("ca.pem"), 1);
    shake(tls_server(&good, NULL, 0), "chat.example", (struct tls_opts){0});
    CHECK_INT(line.opened, 1);
    reset();
    setenv("SSL_CERT_FILE", "/nowhere/store.pem", 1);
    shake(tls_server(&good, NULL, 0), "chat.example", (struct tls_opts){0});
    check_error(LN_NOT_FOUND, "TLS: cannot read the file that SSL_CERT_FILE names, "
                              "/nowhere/store.pem: No such file or directory");
    reset();
    unsetenv("SSL_CERT_FILE");
    end();
}

/* --- what does not --- */

TEST(a_defect_of_the_certificate_is_named) {
    begin();
    struct tls_opts trust = {.ca = certs_path("ca.pem")};
    struct cert old = cert_make("old", (struct cert_spec){"x", "DNS:chat.example", -9, -1, &ca, 0});
    struct cert young =
        cert_make("young", (struct cert_spec){"x", "DNS:chat.example", 1, 9, &ca, 0});
    struct cert other =
        cert_make("other", (struct cert_spec){"other\x1b.example", NULL, -1, 1, &ca, 0});
    shake(tls_server(&old, NULL, 0), "chat.example", trust);
    check_error(LN_DENIED, "TLS: certificate has expired (it was good until 2");
    reset();
    shake(tls_server(&young, NULL, 0), "chat.example", trust);
    check_error(LN_DENIED, "TLS: certificate is not yet valid (it is good from 2");
    CHECK_HAS(line.err.text, "is the clock of this machine right?");
    reset();
    shake(tls_server(&good, NULL, 0), "evil.example", trust);
    check_error(LN_DENIED,
                "TLS: hostname mismatch: the certificate is not for evil.example but for "
                "chat.example, *.wild.example, 10.0.0.1");
    reset();
    shake(tls_server(&other, NULL, 0), "chat.example", trust);
    check_error(LN_DENIED, "not for chat.example but for other\\x1b.example"); /* never raw */
    reset();
    shake(tls_server(&good, NULL, 0), "chat.example",
          (struct tls_opts){.ca = certs_path("stranger.pem")});
    check_error(LN_DENIED, "TLS: unable to get local issuer certificate: the authority \"Test "
                           "Authority\" is unknown here (set tls.ca to its PEM file");
    reset();
    cert_free(&old);
    cert_free(&young);
    cert_free(&other);
    end();
}

TEST(a_server_that_wants_a_certificate_is_understood) {
    begin();
    struct cert mine = cert_make("mine", (struct cert_spec){"bot", NULL, -1, 1, &ca, false});
    struct tls_opts trust = {.ca = certs_path("ca.pem")};
    shake(tls_server(&good, &ca, 0), "chat.example", trust);
    CHECK_INT(line.opened, 1); /* TLS 1.3: the server says no after the client is done */
    check_error(LN_REFUSED,
                "TLS: the server wants a client certificate (set tls.cert and tls.key)");
    reset();
    shake(tls_server(&good, &ca, TLS1_2_VERSION), "chat.example", trust);
    CHECK_INT(line.opened, 0);
    check_error(LN_REFUSED, "does it want a client certificate, tls.cert and tls.key?");
    reset();
    trust.cert = certs_path("mine.pem");
    trust.key = certs_path("mine.key");
    shake(tls_server(&good, &ca, 0), "chat.example", trust);
    CHECK(line.opened == 1 && line.closed == 0 && peer.shaken);
    reset();
    trust.cert = certs_path("stranger.pem");
    trust.key = certs_path("stranger.key");
    shake(tls_server(&good, &ca, 0), "chat.example", trust);
    check_error(LN_REFUSED, "TLS: the server does not accept our client certificate (tls.cert)");
    reset();
    cert_free(&mine);
    end();
}

/* A server that answers the handshake with these bytes; NULL: hangs up. */
static void shake_with(const char *bytes) {
    struct stream_opts o = {.host = "chat.example", .tls = true, .timeout_ms = 5000};
    line = (struct line){0};
    o.fd = tls_pair(&peer, tls_server(&good, NULL, 0));
    line.s = stream_open(loop, &o, &cbs, &line);
    loop_settle(loop, 0);
    CHECK(peer_read(&peer.plain, SIZE_MAX)); /* the client's hello */
    CHECK_INT(stream_phase_of(line.s), PHASE_TLS);
    if (bytes) peer_say(&peer.plain, bytes);
    if (!bytes) peer_close(&peer.plain);
    loop_settle(loop, 0);
}

TEST(a_port_that_does_not_speak_tls_is_told_apart) {
    begin();
    shake_with("HTTP/1.1 400 Bad Request\r\n\r\n");
    check_error(LN_REFUSED,
                "TLS: the server does not speak TLS on this port: use ws:// or http://");
    reset();
    shake_with("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    check_error(LN_REFUSED, "TLS: the server does not speak TLS on this port");
    reset();
    shake_with(NULL);
    check_error(LN_DISCONNECTED, "TLS: closed by the peer during the handshake (does it speak TLS "
                                 "on this port?)");
    reset();
    shake_with("");
    loop_advance(loop, 4999);
    CHECK_INT(line.closed, 0);
    loop_advance(loop, 1);
    check_error(LN_TIMEOUT, "TLS: timed out after 5 s (a socket pair)");
    reset();
    shake_with("\x16\x03");
    stream_close(line.s); /* in the middle of it */
    loop_settle(loop, 0);
    CHECK(line.closed == 1 && !line.has_err);
    CHECK_INT(line.phase, PHASE_TLS);
    reset();
    end();
}

TEST(a_server_of_the_past_is_refused) {
    begin();
    shake(tls_server(&good, NULL, TLS1_1_VERSION), "chat.example",
          (struct tls_opts){.insecure = true});
    check_error(LN_REFUSED, "TLS: the server knows no version of TLS from 1.2 on");
    reset();
    end();
}

TEST(an_injected_fault_ends_the_handshake) {
    begin();
    ln_fault_set("stream.tls");
    shake(tls_server(&good, NULL, 0), "chat.example", (struct tls_opts){.insecure = true});
    check_error(LN_PROTOCOL, "TLS: injected fault");
    reset();
    end();
}

/* --- files --- */

static void check_files(struct tls_opts tls, ln_status code, const char *part) {
    shake(tls_server(&good, NULL, 0), "chat.example", tls);
    CHECK_INT(peer.shaken, 0); /* nothing was sent */
    check_error(code, part);
    reset();
}

TEST(files_that_do_not_serve_are_named) {
    begin();
    struct cert locked = cert_make("locked", (struct cert_spec){"bot", NULL, -1, 1, &ca, false});
    cert_write("locked", &locked, "secret");
    FILE *f = fopen(certs_path("empty.pem"), "w");
    fclose(f);
    f = fopen(certs_path("text.pem"), "w");
    fputs("no certificate\n", f);
    fclose(f);
    char want[256];
    snprintf(want, sizeof want, "TLS: cannot read tls.ca, %s: No such file or directory",
             certs_path("none.pem"));
    check_files((struct tls_opts){.ca = certs_path("none.pem")}, LN_NOT_FOUND, want);
    check_files((struct tls_opts){.ca = certs_path("empty.pem")}, LN_INVALID, "the file is empty");
    check_files((struct tls_opts){.ca = certs_dir}, LN_INVALID, ": Is a directory");
    check_files((struct tls_opts){.ca = certs_path("text.pem")}, LN_INVALID,
                "/text.pem: no certificate in it (the format is PEM)");
    check_files((struct tls_opts){.cert = certs_path("none.pem")}, LN_NOT_FOUND,
                "TLS: cannot read tls.cert, ");
    check_files((struct tls_opts){.cert = certs_path("good.pem"), .key = "/nowhere/k"},
                LN_NOT_FOUND, "TLS: cannot read tls.key, /nowhere/k: No such file");
    check_files((struct tls_opts){.cert = certs_path("text.pem")}, LN_INVALID,
                "/text.pem: no certificate in it");
    check_files((struct tls_opts){.cert = certs_path("good.pem")}, LN_INVALID,
                "/good.pem: no private key in it that can be read");
    check_files(
        (struct tls_opts){.cert = certs_path("good.pem"), .key = certs_path("stranger.key")},
        LN_INVALID, "/stranger.key, is not the key of the certificate tls.cert");
    check_files(
        (struct tls_opts){.cert = certs_path("locked.pem"), .key = certs_path("locked.key")},
        LN_INVALID,
        "/locked.key: no private key in it that can be read (PEM, without a passphrase)");
    check_files((struct tls_opts){.key = certs_path("good.key")}, LN_INVALID,
                "TLS: tls.key is given without tls.cert");
    cert_free(&locked);
    end();
}

TEST(a_renewed_file_is_read_again_and_many_sets_of_options_are_no_leak) {
    begin();
    cert_write("changing", &stranger, NULL);
    shake(tls_server(&good, NULL, 0), "chat.example",
          (struct tls_opts){.ca = certs_path("changing.pem")});
    check_error(LN_DENIED, "unable to get local issuer certificate");
    reset();
    remove(certs_path("changing.pem"));
    cert_write("changing", &ca, NULL);
    shake(tls_server(&good, NULL, 0), "chat.example",
          (struct tls_opts){.ca = certs_path("changing.pem")});
    CHECK_INT(line.opened, 1);
    reset();
    for (int i = 0; i < 12; i++) { /* more than are kept */
        char name[16], file[20];
        snprintf(name, sizeof name, "ca%d", i);
        cert_write(name, &ca, NULL);
        snprintf(file, sizeof file, "%s.pem", name);
        shake(tls_server(&good, NULL, 0), "chat.example",
              (struct tls_opts){.ca = certs_path(file)});
        CHECK_INT(line.opened, 1);
        reset();
    }
    end();
}

/* --- records --- */

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
static const struct ws_cbs ws_cbs = {on_ws_open, on_ws_message, NULL, on_ws_closed, NULL};
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

TEST_MAIN(T(a_certificate_by_the_given_authority_passes),
          T(an_address_is_verified_as_one_and_not_sent_as_a_name),
          T(server_name_is_what_is_sent_and_verified),
          T(a_self_signed_certificate_is_trusted_by_name_of_its_file_or_not_at_all),
          T(the_environment_may_name_the_store), T(a_defect_of_the_certificate_is_named),
          T(a_server_that_wants_a_certificate_is_understood),
          T(a_port_that_does_not_speak_tls_is_told_apart), T(a_server_of_the_past_is_refused),
          T(an_injected_fault_ends_the_handshake), T(files_that_do_not_serve_are_named),
          T(a_renewed_file_is_read_again_and_many_sets_of_options_are_no_leak),
          T(big_amounts_go_both_ways), T(many_small_records_fill_one_read),
          T(what_was_decrypted_is_not_forgotten_in_a_pause),
          T(the_peers_last_bytes_come_before_its_end), T(broken_records_end_the_line),
          T(closing_inside_callbacks_and_failing_writes), T(a_websocket_line_over_tls),
          T(errors_of_tls_reach_the_websockets_owner))
