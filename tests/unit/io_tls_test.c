/* SPDX-License-Identifier: MIT
 *
 * TLS on a stream: what passes, what does not and in which words, and files that do not serve.
 */
#include "tls_line.h"

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
                           "tls.verify = false for a test)");
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
                              "/nowhere/store.pem: no such file or directory");
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
    check_error(LN_REFUSED,
                "TLS: the server wants a client certificate (set tls.cert and tls.key)");
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
    snprintf(want, sizeof want, "TLS: cannot read tls.ca, %s: no such file or directory",
             certs_path("none.pem"));
    check_files((struct tls_opts){.ca = certs_path("none.pem")}, LN_NOT_FOUND, want);
    check_files((struct tls_opts){.ca = certs_path("empty.pem")}, LN_INVALID, "the file is empty");
    check_files((struct tls_opts){.ca = certs_path("text.pem")}, LN_INVALID,
                "/text.pem: no certificate in it (the format is PEM)");
    check_files((struct tls_opts){.cert = certs_path("none.pem")}, LN_NOT_FOUND,
                "TLS: cannot read tls.cert, ");
    check_files((struct tls_opts){.cert = certs_path("good.pem"), .key = "/nowhere/k"},
                LN_NOT_FOUND, "TLS: cannot read tls.key, /nowhere/k: no such file");
    check_files((struct tls_opts){.cert = certs_path("text.pem")}, LN_INVALID,
                "/text.pem: no certificate in it");
    check_files((struct tls_opts){.cert = certs_path("good.pem")}, LN_INVALID,
                "/good.pem: no private key in it that can be read");
    check_files(
        (struct tls_opts){.cert = certs_path("good.pem"), .key = certs_path("stranger.key")},
        LN_INVALID, "/stranger.key, is not the key of the certificate tls.cert");
    check_files(
        (struct tls_opts){.cert = certs_path("locked.pem"), .key = certs_path("locked.key")},
        LN_INVALID, "/locked.key, is encrypted: tls.passphrase opens it");
    check_files((struct tls_opts){.cert = certs_path("locked.pem"),
                                  .key = certs_path("locked.key"),
                                  .passphrase = "wrong"},
                LN_INVALID, "TLS: tls.passphrase does not open the key tls.key, ");
    shake(tls_server(&good, NULL, 0), "", (struct tls_opts){.insecure = true});
    check_error(LN_INVALID, "TLS: there is no host name to verify (tls.server_name)");
    reset();
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

TEST(no_cipher_in_common_is_no_matter_of_certificates) {
    begin();
    SSL_CTX *ctx = tls_server(&good, NULL, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, "aRSA"); /* with a key that is none */
    shake(ctx, "chat.example", (struct tls_opts){.insecure = true});
    check_error(LN_REFUSED, "TLS: the server refused the handshake: no cipher in common, or");
    reset();
    end();
}

static int no_protocol(SSL *ssl, const unsigned char **out, unsigned char *n,
                       const unsigned char *in, unsigned in_n, void *ud) {
    (void)ssl, (void)out, (void)n, (void)ud;
    CHECK(in_n == 9 && memcmp(in, "\x08http/1.1", 9) == 0);
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

TEST(a_server_of_another_protocol_is_understood) {
    begin();
    SSL_CTX *ctx = tls_server(&good, NULL, 0);
    SSL_CTX_set_alpn_select_cb(ctx, no_protocol, NULL);
    shake(ctx, "chat.example", (struct tls_opts){.insecure = true});
    check_error(LN_REFUSED, "TLS: the server speaks no HTTP/1.1 on this port");
    reset();
    end();
}

static int no_such_name(SSL *ssl, int *alert, void *ud) {
    (void)ssl, (void)ud;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

TEST(a_server_that_does_not_know_the_name_is_understood) {
    begin();
    SSL_CTX *ctx = tls_server(&good, NULL, 0);
    SSL_CTX_set_tlsext_servername_callback(ctx, no_such_name);
    shake(ctx, "chat.example", (struct tls_opts){.insecure = true});
    check_error(LN_REFUSED, "TLS: the server does not know this host name (tls.server_name sets "
                            "another)");
    reset();
    end();
}

TEST(a_reset_during_the_handshake_is_told) {
    uint16_t port = 0;
    begin();
    int listener = peer_listen("127.0.0.1", &port, 8);
    struct stream_opts o = {.host = "127.0.0.1", .port = port, .tls = true};
    line = (struct line){0};
    peer = (struct tls_peer){0};
    line.s = stream_open(loop, &o, &cbs, &line);
    loop_settle(loop, 0);
    CHECK(peer_accept(&peer.plain, listener));
    CHECK(peer_read(&peer.plain, SIZE_MAX));
    peer_reset(&peer.plain);
    check_error(LN_DISCONNECTED, "TLS: connection reset by peer");
    reset();
    close(listener);
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
          T(no_cipher_in_common_is_no_matter_of_certificates),
          T(a_server_of_another_protocol_is_understood),
          T(a_server_that_does_not_know_the_name_is_understood),
          T(a_reset_during_the_handshake_is_told))
