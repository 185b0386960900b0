/* SPDX-License-Identifier: MIT
 *
 * See tls.h. What is wrong with a certificate is noted in the verify callback, the one place where
 * OpenSSL still has the certificate in hand; the errors of OpenSSL's queue alone would say
 * "certificate verify failed" of everything. The certificate itself is kept then, so that somebody
 * who asks after the failure can still be told what it was.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <uv.h>

#include "base/mem.h"
#include "base/text.h"
#include "io/tls_inside.h"

struct tls {
    SSL *ssl;
    char *host, *pin;
    bool insecure;
    bool cert_wanted;   /* the server asked for a certificate of ours, and there is none */
    char *why;          /* what verification found */
    X509 *bad;          /* the server's certificate, when it did not pass */
    enum tls_io end_io; /* met behind bytes that were read with it: told at the next read */
    struct ln_err *end;
};

/* --- verification --- */

static int on_verify(int good, X509_STORE_CTX *store) {
    struct tls *t =
        SSL_get_app_data(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    X509 *cert = X509_STORE_CTX_get_current_cert(store), *leaf = X509_STORE_CTX_get0_cert(store);
    if (good || !cert || t->why) return good;
    struct ln_buf why = {0};
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
    tls_cert_defect(&why, X509_STORE_CTX_get_error(store), cert, t->host,
                    sent ? sk_X509_num(sent) : 0);
    t->why = ln_buf_take(&why, NULL);
    if (leaf && X509_up_ref(leaf)) t->bad = leaf;
    return good;
}

static int on_cert_wanted(SSL *ssl, void *ud) {
    struct tls *t = ud;
    t->cert_wanted = SSL_get_certificate(ssl) == NULL;
    return 1;
}

static bool pin_is_right(struct tls *t, struct ln_err *err) {
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    if (!t->pin || (cert && tls_pin_matches(cert, t->pin))) return true;
    struct tls_info info = {0};
    if (cert) tls_cert_info(cert, &info);
    ln_fail(err, LN_DENIED,
            "TLS: the server's key is not the one that tls.pin names: it is %s, of a certificate "
            "for %.100s",
            info.pin, info.names);
    return false;
}

/* --- errors of the protocol --- */

enum { ALERT_NO_ALPN = SSL_AD_REASON_OFFSET + TLS1_AD_NO_APPLICATION_PROTOCOL };
#define WANTS_CERT "the server wants a client certificate (set tls.cert and tls.key)"

/* Words for what OpenSSL says, where there are better ones; NULL where there are not. */
static const char *reason_words(const struct tls *t, int reason) {
    switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_HTTP_REQUEST:
        return "the server does not speak TLS on this port: use ws:// or http://";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return "the server knows no version of TLS from 1.2 on";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return WANTS_CERT;
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
        return t->cert_wanted ? WANTS_CERT
                              : "the server refused the handshake: no cipher in common, or a host "
                                "name that it does not know (tls.server_name sets another)";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        return t->cert_wanted ? WANTS_CERT
                              : "the server does not accept our client certificate (tls.cert)";
    case SSL_R_TLSV1_UNRECOGNIZED_NAME:
        return "the server does not know this host name (tls.server_name sets another)";
    case ALERT_NO_ALPN:
        return "the server speaks no HTTP/1.1 on this port";
    case SSL_R_DH_KEY_TOO_SMALL:
    case SSL_R_EE_KEY_TOO_SMALL:
    case SSL_R_CA_KEY_TOO_SMALL:
    case SSL_R_CA_MD_TOO_WEAK:
    case SSL_R_WRONG_SIGNATURE_TYPE:
    case SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED:
        return "the server's keys or its TLS are too old and weak for this machine's rules";
    default:
        return NULL;
    }
}

static void protocol_error(struct tls *t, struct ln_err *err) {
    unsigned long e = ERR_peek_last_error();
    int reason = ERR_GET_REASON(e);
    const char *words = ERR_GET_LIB(e) == ERR_LIB_SSL ? reason_words(t, reason) : NULL;
    if (t->why && !t->insecure)
        ln_fail(err, LN_DENIED, "TLS: %s", t->why);
    else if (words)
        ln_fail(err, LN_REFUSED, "TLS: %s", words);
    else
        ln_fail(err, LN_PROTOCOL, "TLS: %s", e ? ERR_reason_error_string(e) : "broken line");
}

static enum tls_io result(struct tls *t, int rc, struct ln_err *err) {
    int error = errno;
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_EOF;
    case SSL_ERROR_SYSCALL:
        if (ERR_peek_last_error() == 0) {
            if (error == 0) return TLS_EOF;
            ln_fail(err, LN_DISCONNECTED, "TLS: %s", uv_strerror(-error));
            return TLS_FAILED;
        }
        /* fall through */
    default:
        protocol_error(t, err);
        ERR_clear_error();
        return TLS_FAILED;
    }
}

/* What others of this thread left in OpenSSL's queue would be taken for an error of ours. */
static void begin_call(void) {
    ERR_clear_error();
    errno = 0;
}

/* --- what a stream calls --- */

struct tls *tls_new(struct loop *l, const struct stream_opts *o, struct ln_err *err) {
    const struct tls_opts *opts = &o->tls_opts;
    if (opts->pin && !tls_pin_check(opts->pin, err)) return NULL;
    SSL_CTX *ctx = tls_context(l, opts, err);
    if (!ctx) return NULL;
    const char *name = opts->server_name ? opts->server_name : o->host;
    if (!name || !*name) { /* OpenSSL would take this for "any name is good" */
        ln_fail(err, LN_INVALID, "TLS: there is no host name to verify (tls.server_name)");
        return NULL;
    }
    struct tls *t = ln_new(struct tls);
    t->ssl = SSL_new(ctx);
    t->host = ln_strdup(name);
    t->pin = opts->pin ? ln_strdup(opts->pin) : NULL;
    t->insecure = opts->insecure;
    SSL_set_app_data(t->ssl, t);
    SSL_set_cert_cb(t->ssl, on_cert_wanted, t);
    SSL_set_verify(t->ssl, t->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, on_verify);
    /* RFC 6066 3: an address is never sent as the server's name. */
    if (!X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), t->host)) {
        ERR_clear_error();
        SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        SSL_set1_host(t->ssl, t->host);
        SSL_set_tlsext_host_name(t->ssl, t->host);
    }
    SSL_set_connect_state(t->ssl);
    return t;
}

void tls_free(struct tls *t) {
    if (!t) return;
    SSL_free(t->ssl);
    X509_free(t->bad);
    ln_free(t->host);
    ln_free(t->pin);
    ln_free(t->why);
    ln_free(t->end);
    ln_free(t);
}

void tls_info_get(const struct tls *t, struct tls_info *info) {
    X509 *cert = t->bad ? t->bad : SSL_get0_peer_certificate(t->ssl);
    const unsigned char *alpn;
    unsigned n;
    bool is_agreed = SSL_get_current_cipher(t->ssl) != NULL;
    *info = (struct tls_info){0};
    if (cert) tls_cert_info(cert, info);
    if (t->why) snprintf(info->defect, sizeof info->defect, "%s", t->why);
    if (!is_agreed) return;
    snprintf(info->version, sizeof info->version, "%s", SSL_get_version(t->ssl));
    snprintf(info->cipher, sizeof info->cipher, "%s", SSL_get_cipher_name(t->ssl));
    SSL_get0_alpn_selected(t->ssl, &alpn, &n);
    snprintf(info->alpn, sizeof info->alpn, "%.*s", (int)n, n ? (const char *)alpn : "");
}

void tls_attach(struct tls *t, int fd) {
    SSL_set_fd(t->ssl, fd);
}

enum tls_io tls_handshake(struct tls *t, struct ln_err *err) {
    if (ln_fault("stream.tls")) {
        ln_fail(err, LN_PROTOCOL, "TLS: injected fault");
        return TLS_FAILED;
    }
    begin_call();
    int rc = SSL_do_handshake(t->ssl);
    if (rc == 1) return pin_is_right(t, err) ? TLS_DONE : TLS_FAILED;
    enum tls_io io = result(t, rc, err);
    if (io == TLS_EOF)
        ln_fail(err, LN_DISCONNECTED,
                "TLS: closed by the peer during the handshake (does it speak TLS on this port?)");
    return io;
}

enum tls_io tls_read(struct tls *t, char *p, size_t n, size_t *got, struct ln_err *err) {
    *got = 0;
    if (t->end) {
        *err = *t->end;
        return t->end_io;
    }
    begin_call();
    /* As far as what was read ahead goes; to ask the socket for more would mostly be a call for
     * nothing. */
    while (*got < n && (*got == 0 || SSL_has_pending(t->ssl))) {
        int rc = SSL_read(t->ssl, p + *got, (int)(n - *got));
        if (rc > 0) {
            *got += (size_t)rc;
            continue;
        }
        enum tls_io io = result(t, rc, err);
        if (*got == 0) return io;
        if (io == TLS_FAILED || io == TLS_EOF) {
            t->end_io = io;
            t->end = ln_new(struct ln_err);
            if (io == TLS_FAILED) *t->end = *err;
        }
        break;
    }
    return TLS_DONE;
}

enum tls_io tls_write(struct tls *t, const char *p, size_t n, size_t *put, struct ln_err *err) {
    *put = 0;
    begin_call();
    int rc = SSL_write(t->ssl, p, (int)LN_MIN(n, (size_t)1 << 30));
    if (rc <= 0) return result(t, rc, err);
    *put = (size_t)rc;
    return TLS_DONE;
}

bool tls_has_pending(const struct tls *t) {
    return t->end || SSL_has_pending(t->ssl);
}

void tls_bye(struct tls *t) {
    SSL_shutdown(t->ssl);
    ERR_clear_error();
}
