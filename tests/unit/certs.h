/* SPDX-License-Identifier: MIT
 *
 * Certificates made when the test runs, in a directory of their own: nothing in the repository
 * expires. And the server's end of a TLS line, driven by hand like a struct peer.
 */
#ifndef LN_CERTS_H
#define LN_CERTS_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "peer.h"

static char certs_dir[32];

/* PATH of a file in the directory; eight may be in use at a time. */
static inline const char *certs_path(const char *name) {
    static char paths[8][96];
    static unsigned turn;
    char *p = paths[turn++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", certs_dir, name);
    return p;
}

struct cert {
    X509 *x509;
    EVP_PKEY *key;
};

struct cert_spec {
    const char *cn, *san;      /* san: "DNS:a.example,IP:127.0.0.1" or NULL */
    int from_days, to_days;    /* from now */
    const struct cert *issuer; /* NULL: itself */
    bool is_ca;
};

static inline void cert_extension(X509 *x, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (!e || !X509_add_ext(x, e, -1)) abort();
    X509_EXTENSION_free(e);
}

static inline void cert_write(const char *name, const struct cert *c, const char *passphrase) {
    char file[64];
    snprintf(file, sizeof file, "%s.pem", name);
    FILE *f = fopen(certs_path(file), "w");
    PEM_write_X509(f, c->x509);
    fclose(f);
    snprintf(file, sizeof file, "%s.key", name);
    f = fopen(certs_path(file), "w");
    PEM_write_PrivateKey(f, c->key, passphrase ? EVP_aes_128_cbc() : NULL,
                         (const unsigned char *)passphrase,
                         passphrase ? (int)strlen(passphrase) : 0, NULL, NULL);
    fclose(f);
}

/* Where the next ones say that their issuer's certificate is to be had; NULL: nowhere. */
static const char *cert_aia;

/* Also writes NAME.pem and NAME.key. */
static inline struct cert cert_make(const char *name, struct cert_spec s) {
    static long serial = 1;
    struct cert c = {X509_new(), EVP_EC_gen("P-256")};
    X509_set_version(c.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), s.from_days * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), s.to_days * 86400L);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c.x509), "CN", MBSTRING_UTF8,
                               (const unsigned char *)s.cn, -1, -1, 0);
    X509_set_issuer_name(c.x509, X509_get_subject_name(s.issuer ? s.issuer->x509 : c.x509));
    X509_set_pubkey(c.x509, c.key);
    if (s.is_ca) cert_extension(c.x509, NID_basic_constraints, "critical,CA:TRUE");
    if (s.san) cert_extension(c.x509, NID_subject_alt_name, s.san);
    if (cert_aia) cert_extension(c.x509, NID_info_access, cert_aia);
    if (!X509_sign(c.x509, s.issuer ? s.issuer->key : c.key, EVP_sha256())) abort();
    cert_write(name, &c, NULL);
    return c;
}

static inline void cert_free(struct cert *c) {
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
}

static inline void certs_begin(void) {
    strcpy(certs_dir, "/tmp/linnet-tls-XXXXXX");
    if (!mkdtemp(certs_dir)) abort();
}
static inline void certs_end(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", certs_dir);
    if (system(command) != 0) abort();
}

/* --- the server --- */

struct tls_peer {
    struct peer plain; /* its fd; in: what was decrypted */
    SSL *ssl;
    bool shaken, failed, bye;
    char sni[64];
};

/* client_ca: certificates by it are demanded; max_version 0: any. */
static inline SSL_CTX *tls_server(const struct cert *c, const struct cert *client_ca,
                                  int max_version) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(ctx, c->x509);
    SSL_CTX_use_PrivateKey(ctx, c->key);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_num_tickets(ctx, 0);
    if (client_ca) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), client_ca->x509);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (max_version) {
        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_min_proto_version(ctx, 0);
        SSL_CTX_set_max_proto_version(ctx, max_version);
    }
    return ctx;
}

/* Returns the client's end; ctx is taken over. */
static inline int tls_pair(struct tls_peer *t, SSL_CTX *ctx) {
    *t = (struct tls_peer){0};
    int fd = peer_pair(&t->plain);
    t->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set_fd(t->ssl, t->plain.fd);
    SSL_set_accept_state(t->ssl);
    return fd;
}

/* One step; true when bytes came. */
static inline bool tls_step(struct tls_peer *t, size_t max) {
    char bytes[16384];
    ERR_clear_error();
    if (t->failed || t->bye) return false;
    if (!t->shaken) {
        int rc = SSL_do_handshake(t->ssl);
        int e = SSL_get_error(t->ssl, rc);
        t->shaken = rc == 1;
        if (!t->shaken) {
            t->failed = e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE;
            return false;
        }
        const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(t->sni, sizeof t->sni, "%s", name ? name : "");
    }
    int n = SSL_read(t->ssl, bytes, (int)LN_MIN(max, sizeof bytes));
    if (n > 0) {
        ln_buf_add(&t->plain.in, bytes, (size_t)n);
        return true;
    }
    int e = SSL_get_error(t->ssl, n);
    t->bye = e == SSL_ERROR_ZERO_RETURN;
    t->failed = e == SSL_ERROR_SSL || e == SSL_ERROR_SYSCALL;
    return false;
}

static inline void tls_pump(struct loop *l, struct tls_peer *t) {
    for (int quiet = 0; quiet < 6;) { /* a handshake goes back and forth without bytes */
        loop_settle(l, 0);
        quiet = tls_step(t, SIZE_MAX) ? 0 : quiet + 1;
    }
    ERR_clear_error();
}

static inline void tls_say(struct loop *l, struct tls_peer *t, const char *p, size_t n) {
    while (n > 0) {
        int put = SSL_write(t->ssl, p, (int)n);
        if (put > 0) {
            p += put;
            n -= (size_t)put;
        } else if (SSL_get_error(t->ssl, put) != SSL_ERROR_WANT_WRITE) {
            abort();
        }
        loop_settle(l, 0);
    }
}

static inline void tls_peer_close(struct tls_peer *t) {
    SSL_free(t->ssl);
    t->ssl = NULL;
    peer_close(&t->plain);
    ERR_clear_error();
}

#endif
