/* SPDX-License-Identifier: MIT
 *
 * TLS: what can be learned of a certificate, good or bad; pins; chains that lack a link; folders of
 * authorities; and a certificate of our own behind a passphrase.
 */
#include <sys/stat.h>

#include "tls_line.h"

static struct tls_info info;
static bool has_info;
static void on_told_end(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct line *l = ud;
    has_info = stream_tls_info(l->s, &info); /* the last moment for it */
    on_closed(ud, phase, err);
}
static const struct stream_cbs asking = {on_open, on_data, on_told_end, NULL};

/* As shake, with a line that asks what is known when it ends. */
static void shake_asking(SSL_CTX *server, const char *host, struct tls_opts tls) {
    struct stream_opts o = {.host = host, .tls = true, .tls_opts = tls};
    line = (struct line){0};
    has_info = false;
    o.fd = tls_pair(&peer, server);
    line.s = stream_open(loop, &o, &asking, &line);
    tls_pump(loop, &peer);
}
static struct tls_opts trust(void) {
    return (struct tls_opts){.ca = certs_path("ca.pem")};
}

TEST(an_open_line_tells_what_was_agreed) {
    struct tls_info now;
    begin();
    shake_asking(tls_server(&good, NULL, TLS1_2_VERSION), "chat.example", trust());
    CHECK_INT(line.opened, 1);
    CHECK(stream_tls_info(line.s, &now));
    CHECK_STR(ln_str(now.version), "TLSv1.2");
    CHECK_HAS(now.cipher, "ECDHE-ECDSA-");
    CHECK_STR(ln_str(now.alpn), "");
    CHECK_STR(ln_str(now.subject), "x");
    CHECK_STR(ln_str(now.issuer), "Test Authority");
    CHECK_STR(ln_str(now.names), "chat.example, *.wild.example, 10.0.0.1");
    CHECK_STR(ln_str(now.defect), "");
    CHECK_HAS(now.pin, "sha256//");
    CHECK_INT(now.not_after - now.not_before, 2 * 86400);
    CHECK_INT(now.days_left, (now.not_after - 1700000000) / 86400);
    ln_clock_set_wall((now.not_after - 3600) * 1000);
    stream_tls_info(line.s, &now);
    CHECK_INT(now.days_left, 0);
    ln_clock_set_wall((now.not_after + 3600) * 1000);
    stream_tls_info(line.s, &now);
    CHECK_INT(now.days_left, -1);
    reset();
    CHECK(has_info && !strcmp(info.version, "TLSv1.2"));
    struct stream_opts plain = {.fd = peer_pair(&peer.plain)};
    line = (struct line){0};
    line.s = stream_open(loop, &plain, &asking, &line);
    CHECK(!stream_tls_info(line.s, &now));
    reset();
    end();
}

TEST(a_failed_handshake_tells_as_much_as_it_knows) {
    begin();
    struct cert old =
        cert_make("old", (struct cert_spec){"old", "DNS:chat.example", -9, -1, &ca, 0});
    shake_asking(tls_server(&old, NULL, 0), "chat.example", trust());
    CHECK(line.closed == 1 && has_info);
    CHECK_STR(ln_str(info.subject), "old");
    CHECK_STR(ln_str(info.names), "chat.example");
    CHECK_HAS(info.defect, "certificate has expired (it was good until 2");
    CHECK(info.pin[0] && info.not_after > info.not_before);
    reset();
    shake_asking(tls_server(&old, NULL, 0), "chat.example",
                 (struct tls_opts){.ca = certs_path("ca.pem"), .insecure = true});
    CHECK_INT(line.opened, 1);
    struct tls_info now;
    stream_tls_info(line.s, &now);
    CHECK_HAS(now.defect, "certificate has expired"); /* known, though it does not count */
    CHECK_STR(ln_str(now.version), "TLSv1.3");
    reset();
    shake_asking(tls_server(&good, NULL, TLS1_1_VERSION), "chat.example", trust());
    CHECK(line.closed == 1 && has_info);
    CHECK(!info.subject[0] && !info.pin[0] && !info.version[0] && !info.defect[0]);
    reset();
    cert_free(&old);
    end();
}

/* --- pins --- */

TEST(a_pin_is_the_key_that_must_be_there) {
    struct tls_info now;
    char pin[64], two[160];
    begin();
    shake_asking(tls_server(&good, NULL, 0), "chat.example", trust());
    stream_tls_info(line.s, &now);
    snprintf(pin, sizeof pin, "%s", now.pin);
    reset();
    struct tls_opts o = trust();
    o.pin = pin;
    shake_asking(tls_server(&good, NULL, 0), "chat.example", o);
    CHECK_INT(line.opened, 1);
    reset();
    snprintf(two, sizeof two, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; %s", pin);
    o.pin = two;
    shake_asking(tls_server(&good, NULL, 0), "chat.example", o);
    CHECK_INT(line.opened, 1);
    reset();
    two[52] = 0;
    shake_asking(tls_server(&good, NULL, 0), "chat.example", o);
    CHECK_INT(line.opened, 0);
    check_error(LN_DENIED, "TLS: the server's key is not the one that tls.pin names: it is "
                           "sha256//");
    CHECK_HAS(line.err.text, pin);
    CHECK_HAS(line.err.text, "for chat.example, *.wild.example, 10.0.0.1");
    CHECK(has_info && !strcmp(info.pin, pin));
    reset();
    o = (struct tls_opts){.insecure = true, .pin = two}; /* counts without an authority, too */
    shake_asking(tls_server(&good, NULL, 0), "other.example", o);
    check_error(LN_DENIED, "tls.pin");
    reset();
    o.pin = pin;
    shake_asking(tls_server(&good, NULL, 0), "other.example", o);
    CHECK_INT(line.opened, 1);
    reset();
    end();
}

TEST(a_malformed_pin_is_refused_before_anything_is_sent) {
    static const char *const bad[] = {"",
                                      ";",
                                      "sha256//",
                                      "sha256//AAAA",
                                      "sha1//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                                      "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=;x",
                                      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    begin();
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        struct tls_opts o = trust();
        o.pin = bad[i];
        shake(tls_server(&good, NULL, 0), "chat.example", o);
        check_error(LN_INVALID, "TLS: tls.pin must be \"sha256//\" and the base64 of 32 bytes");
        CHECK_INT(peer.shaken, 0);
        reset();
    }
    end();
}

/* --- chains and authorities --- */

TEST(a_chain_that_lacks_a_link_is_told_from_a_stranger) {
    begin();
    struct cert middle =
        cert_make("middle", (struct cert_spec){"Middle CA", NULL, -1, 1, &ca, true});
    cert_aia = "caIssuers;URI:http://ca.example/i.crt";
    struct cert leaf =
        cert_make("leaf", (struct cert_spec){"x", "DNS:chat.example", -1, 1, &middle, false});
    cert_aia = NULL;
    shake(tls_server(&leaf, NULL, 0), "chat.example", trust());
    check_error(LN_DENIED, "TLS: unable to get local issuer certificate: the authority \"Middle "
                           "CA\" is unknown here, and the server sends no certificate of it: the "
                           "chain is incomplete (the server needs fullchain.pem");
    reset();
    SSL_CTX *whole = tls_server(&leaf, NULL, 0);
    X509_up_ref(middle.x509);
    SSL_CTX_add_extra_chain_cert(whole, middle.x509);
    shake(whole, "chat.example", trust());
    CHECK_INT(line.opened, 1);
    reset();
    whole = tls_server(&leaf, NULL, 0);
    X509_up_ref(middle.x509);
    SSL_CTX_add_extra_chain_cert(whole, middle.x509);
    shake(whole, "chat.example", (struct tls_opts){.ca = certs_path("stranger.pem")});
    check_error(LN_DENIED, "the authority \"Test Authority\" is unknown here (set tls.ca");
    reset();
    cert_free(&middle);
    cert_free(&leaf);
    end();
}

static void move(const char *file, const char *folder) {
    char to[160];
    snprintf(to, sizeof to, "%s/%s", certs_path(folder), file);
    if (rename(certs_path(file), to) != 0) abort();
}

TEST(a_folder_of_authorities_needs_no_hashed_names) {
    char want[160];
    begin();
    mkdir(certs_path("trusted"), 0700);
    mkdir(certs_path("useless"), 0700);
    move("ca.pem", "trusted");
    move("ca.key", "trusted"); /* what is no certificate does no harm */
    move("stranger.key", "useless");
    shake(tls_server(&good, NULL, 0), "chat.example",
          (struct tls_opts){.ca = certs_path("trusted")});
    CHECK_INT(line.opened, 1);
    reset();
    shake(tls_server(&good, NULL, 0), "chat.example",
          (struct tls_opts){.ca = certs_path("useless")});
    snprintf(want, sizeof want, "TLS: tls.ca, %s: no file in it holds a certificate (PEM)",
             certs_path("useless"));
    check_error(LN_INVALID, want);
    reset();
    end();
}

/* --- our own certificate --- */

TEST(a_passphrase_opens_the_key) {
    begin();
    struct cert mine = cert_make("mine", (struct cert_spec){"bot", NULL, -1, 1, &ca, false});
    cert_write("mine", &mine, "s3cret words");
    struct tls_opts o = trust();
    o.cert = certs_path("mine.pem");
    o.key = certs_path("mine.key");
    o.passphrase = "s3cret words";
    shake(tls_server(&good, &ca, 0), "chat.example", o);
    CHECK(line.opened == 1 && peer.shaken);
    X509 *shown = SSL_get0_peer_certificate(peer.ssl);
    CHECK(shown && X509_cmp(shown, mine.x509) == 0);
    reset();
    char endless[3000]; /* more than OpenSSL has room for */
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    o.passphrase = endless;
    shake(tls_server(&good, &ca, 0), "chat.example", o);
    check_error(LN_INVALID, "TLS: tls.passphrase does not open the key tls.key, ");
    CHECK(!strstr(line.err.text, "aaaa"));
    reset();
    cert_free(&mine);
    end();
}

TEST_MAIN(T(an_open_line_tells_what_was_agreed), T(a_failed_handshake_tells_as_much_as_it_knows),
          T(a_pin_is_the_key_that_must_be_there),
          T(a_malformed_pin_is_refused_before_anything_is_sent),
          T(a_chain_that_lacks_a_link_is_told_from_a_stranger),
          T(a_folder_of_authorities_needs_no_hashed_names), T(a_passphrase_opens_the_key))
