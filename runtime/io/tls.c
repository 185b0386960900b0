/* SPDX-License-Identifier: MIT
 *
 * See tls.h. One SSL_CTX for each distinct set of options and state of their files, kept by the
 * loop. What is wrong with a certificate is noted in the verify callback, the one place where
 * OpenSSL still has the certificate in hand; the errors of OpenSSL's queue alone would say
 * "certificate verify failed" of everything.
 */
#include "io/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>

#include "base/mem.h"
#include "base/text.h"

enum { MAX_CONTEXTS = 8, READ_AHEAD = 64 * 1024 };

struct context {
    char *key;
    SSL_CTX *ctx;
};
struct contexts { /* of one loop, the latest first */
    struct context v[MAX_CONTEXTS];
    size_t n;
};
static const char contexts_key;

struct tls {
    SSL *ssl;
    char *host;
    char *why;          /* what verification found */
    enum tls_io end_io; /* met behind bytes that were read with it: told at the next read */
    struct ln_err *end;
};

/* --- contexts --- */

static void context_free(struct context *c) {
    SSL_CTX_free(c->ctx);
    ln_free(c->key);
}

static void release_contexts(void *data) {
    struct contexts *all = data;
    while (all->n > 0)
        context_free(&all->v[--all->n]);
}

/* Options and the state of their files: a renewed certificate makes a new context. */
static char *context_key(const struct tls_opts *o) {
    const char *files[] = {o->ca ? o->ca : getenv("SSL_CERT_FILE"), o->cert, o->key};
    struct ln_buf b = {0};
    ln_buf_fmt(&b, "%d", o->insecure);
    for (size_t i = 0; i < LN_COUNT(files); i++) {
        struct stat st = {0};
        if (!files[i] || stat(files[i], &st) != 0) st = (struct stat){0};
        ln_buf_fmt(&b, "|%s|%lld.%ld|%lld", files[i] ? files[i] : "", (long long)st.st_mtim.tv_sec,
                   st.st_mtim.tv_nsec, (long long)st.st_ino);
    }
    return ln_buf_take(&b, NULL);
}

static bool is_readable(const char *option, const char *file, struct ln_err *err) {
    FILE *f = fopen(file, "rb");
    if (!f || fgetc(f) == EOF) {
        int error = f && !ferror(f) ? 0 : errno;
        ln_fail(err, error == ENOENT ? LN_NOT_FOUND : LN_INVALID, "TLS: cannot read %s, %s: %s",
                option, file, error ? uv_strerror(-error) : "the file is empty");
        if (f) fclose(f);
        return false;
    }
    fclose(f);
    return true;
}

static bool load_ca(SSL_CTX *ctx, const struct tls_opts *o, struct ln_err *err) {
    const char *env = getenv("SSL_CERT_FILE");
    if (o->ca) {
        if (!is_readable("tls.ca", o->ca, err)) return false;
        if (SSL_CTX_load_verify_file(ctx, o->ca)) return true;
        ln_fail(err, LN_INVALID, "TLS: tls.ca, %s: no certificate in it (the format is PEM)",
                o->ca);
        return false;
    }
    /* OpenSSL would go on silently without the file, and no certificate would be good. */
    if (env && *env && !is_readable("the file that SSL_CERT_FILE names", env, err)) return false;
    SSL_CTX_set_default_verify_paths(ctx);
    return true;
}

/* A daemon must not stop at a terminal's prompt. */
static int no_passphrase(char *buf, int size, int rw, void *ud) {
    (void)buf, (void)size, (void)rw, (void)ud;
    return 0;
}

static bool load_cert(SSL_CTX *ctx, const struct tls_opts *o, struct ln_err *err) {
    const char *key = o->key ? o->key : o->cert;
    if (!o->cert && o->key) {
        ln_fail(err, LN_INVALID, "TLS: tls.key is given without tls.cert");
        return false;
    }
    if (!o->cert) return true;
    if (!is_readable("tls.cert", o->cert, err) || !is_readable("tls.key", key, err)) return false;
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1) {
        ln_fail(err, LN_INVALID, "TLS: tls.cert, %s: no certificate in it (the format is PEM)",
                o->cert);
    } else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        bool other = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
        ln_fail(err, LN_INVALID,
                other ? "TLS: tls.key, %s, is not the key of the certificate tls.cert"
                      : "TLS: tls.key, %s: no private key in it that can be read (PEM, without a "
                        "passphrase)",
                key);
    } else {
        return true;
    }
    return false;
}

static SSL_CTX *context_new(const struct tls_opts *o, struct ln_err *err) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx) {
        ln_fail(err, LN_INVALID, "TLS: OpenSSL does not start: %s",
                ERR_reason_error_string(ERR_peek_last_error()));
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    /* An end without close_notify is an end like another: frames tell whether it was too early. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
    if ((o->insecure && !o->ca) || load_ca(ctx, o, err))
        if (load_cert(ctx, o, err)) return ctx;
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}

/* Lent. */
static SSL_CTX *context_get(struct loop *l, const struct tls_opts *o, struct ln_err *err) {
    struct contexts *all = loop_shared(l, &contexts_key, sizeof *all, release_contexts);
    char *key = context_key(o);
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->v[i].key, key) != 0) continue;
        ln_free(key);
        return all->v[i].ctx;
    }
    SSL_CTX *ctx = context_new(o, err);
    if (!ctx) {
        ln_free(key);
        return NULL;
    }
    if (all->n == MAX_CONTEXTS) context_free(&all->v[--all->n]); /* lines in use hold their own */
    memmove(all->v + 1, all->v, all->n * sizeof *all->v);
    all->v[0] = (struct context){key, ctx};
    all->n++;
    return ctx;
}

/* --- what is wrong with a certificate --- */

static void add_name(struct ln_buf *out, struct ln_str name) {
    if (out->n > 120) return;
    if (out->n > 0) ln_buf_puts(out, ", ");
    ln_printable(out, name, 60);
}

/* The names that the certificate is for: its alternative names, or else its common name. */
static void names_of(X509 *cert, struct ln_buf *out) {
    struct ln_buf list = {0};
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
        char ip[INET6_ADDRSTRLEN];
        if (type != GEN_DNS && type != GEN_IPADD) continue;
        const char *p = (const char *)ASN1_STRING_get0_data(value);
        int n = ASN1_STRING_length(value);
        if (type == GEN_DNS)
            add_name(&list, (struct ln_str){p, (size_t)n});
        else if ((n == 4 || n == 16) && inet_ntop(n == 4 ? AF_INET : AF_INET6, p, ip, sizeof ip))
            add_name(&list, ln_str(ip));
    }
    GENERAL_NAMES_free(names);
    char cn[64] = "";
    X509_NAME *subject = X509_get_subject_name(cert);
    if (list.n == 0 && X509_NAME_get_text_by_NID(subject, NID_commonName, cn, sizeof cn) > 0)
        add_name(&list, ln_str(cn));
    ln_buf_puts(out, list.n > 0 ? ln_buf_cstr(&list) : "nobody");
    ln_buf_free(&list);
}

static void issuer_of(X509 *cert, struct ln_buf *out) {
    char cn[64] = "";
    X509_NAME *issuer = X509_get_issuer_name(cert);
    if (X509_NAME_get_text_by_NID(issuer, NID_commonName, cn, sizeof cn) <= 0)
        X509_NAME_get_text_by_NID(issuer, NID_organizationName, cn, sizeof cn);
    ln_printable(out, ln_str(cn), 60);
}

static void date_of(const ASN1_TIME *when, struct ln_buf *out) {
    struct tm tm;
    char text[32] = "an unknown date";
    if (ASN1_TIME_to_tm(when, &tm)) strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &tm);
    ln_buf_puts(out, text);
}

static void explain(struct tls *t, int error, X509 *cert) {
    struct ln_buf b = {0};
    ln_buf_puts(&b, X509_verify_cert_error_string(error));
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        ln_buf_puts(&b, " (it was good until ");
        date_of(X509_get0_notAfter(cert), &b);
        ln_buf_puts(&b, "; the server needs a new one; tls.insecure = true for a test)");
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        ln_buf_puts(&b, " (it is good from ");
        date_of(X509_get0_notBefore(cert), &b);
        ln_buf_puts(&b, "; is the clock of this machine right?)");
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        ln_buf_puts(&b, " (set tls.ca to its PEM file, or tls.insecure = true for a test)");
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        ln_buf_puts(&b, ": the authority \"");
        issuer_of(cert, &b);
        ln_buf_puts(&b, "\" is unknown here (set tls.ca to its PEM file, or tls.insecure = true "
                        "for a test)");
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        ln_buf_fmt(&b, ": the certificate is not for %.100s but for ", t->host);
        names_of(cert, &b);
        ln_buf_puts(&b, " (tls.server_name sets the name to expect)");
        break;
    default:
        ln_buf_puts(&b, " (tls.insecure = true for a test)");
    }
    ln_free(t->why);
    t->why = ln_buf_take(&b, NULL);
}

static int on_verify(int good, X509_STORE_CTX *store) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    if (!good && cert) explain(SSL_get_app_data(ssl), X509_STORE_CTX_get_error(store), cert);
    return good;
}

/* --- errors of the protocol --- */

/* Words for what OpenSSL says, where there are better ones; NULL where there are not. */
static const char *reason_words(int reason) {
    switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_HTTP_REQUEST:
        return "the server does not speak TLS on this port: use ws:// or http://";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return "the server knows no version of TLS from 1.2 on";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return "the server wants a client certificate (set tls.cert and tls.key)";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        return "the server refused the handshake (does it want a client certificate, tls.cert and "
               "tls.key?)";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        return "the server does not accept our client certificate (tls.cert)";
    case SSL_R_TLSV1_UNRECOGNIZED_NAME:
        return "the server does not know this host name (tls.server_name sets another)";
    default:
        return NULL;
    }
}

static void protocol_error(struct tls *t, struct ln_err *err) {
    unsigned long e = ERR_peek_last_error();
    int reason = ERR_GET_REASON(e);
    const char *words = ERR_GET_LIB(e) == ERR_LIB_SSL ? reason_words(reason) : NULL;
    if (t->why)
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
    SSL_CTX *ctx = context_get(l, &o->tls_opts, err);
    if (!ctx) return NULL;
    const char *name = o->tls_opts.server_name ? o->tls_opts.server_name : o->host;
    if (!name || !*name) { /* OpenSSL would take this for "any name is good" */
        ln_fail(err, LN_INVALID, "TLS: there is no host name to verify (tls.server_name)");
        return NULL;
    }
    struct tls *t = ln_new(struct tls);
    t->ssl = SSL_new(ctx);
    t->host = ln_strdup(name);
    SSL_set_app_data(t->ssl, t);
    if (o->tls_opts.insecure)
        SSL_set_verify(t->ssl, SSL_VERIFY_NONE, NULL);
    else
        SSL_set_verify(t->ssl, SSL_VERIFY_PEER, on_verify);
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
    ln_free(t->host);
    ln_free(t->why);
    ln_free(t->end);
    ln_free(t);
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
    if (rc == 1) return TLS_DONE;
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
