/* SPDX-License-Identifier: MIT
 *
 * Makes JSON Web Tokens for tests: with a secret, or with a private key that the test has made.
 */
#ifndef LN_JWT_MAKE_H
#define LN_JWT_MAKE_H

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/crypt.h"
#include "base/json.h"
#include "base/jwt.h"
#include "base/text.h"

/* base64url without padding */
static inline void jwt_part(struct ln_buf *out, const void *p, size_t n) {
    struct ln_buf text = {0};
    ln_base64_encode(&text, p, n);
    for (size_t i = 0; i < text.n && text.p[i] != '='; i++)
        ln_buf_putc(out, text.p[i] == '+' ? '-' : text.p[i] == '/' ? '_' : text.p[i]);
    ln_buf_free(&text);
}

/* What is signed: header and claims. */
static inline void jwt_head(struct ln_buf *out, const char *header, const char *claims) {
    jwt_part(out, header, strlen(header));
    ln_buf_putc(out, '.');
    jwt_part(out, claims, strlen(claims));
}

static inline void jwt_sign_hs256(struct ln_buf *token, const char *secret) {
    unsigned char sum[32];
    ln_hmac_sha256(ln_str(secret), ln_buf_get(token), sum);
    ln_buf_putc(token, '.');
    jwt_part(token, sum, sizeof sum);
}

static inline void jwt_hs256(struct ln_buf *out, const char *claims, const char *secret) {
    jwt_head(out, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims);
    jwt_sign_hs256(out, secret);
}

/* DER becomes r and s side by side (RFC 7518 3.4). */
static inline size_t jwt_flat(unsigned char *sig, size_t n) {
    const unsigned char *p = sig;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);
    if (!s) abort();
    BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + 32, 32);
    ECDSA_SIG_free(s);
    return 64;
}

/* RS256 or ES256, by the kind of the key. */
static inline void jwt_signed(struct ln_buf *out, const char *header, const char *claims,
                              EVP_PKEY *key) {
    unsigned char sig[1024];
    size_t n = sizeof sig;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    jwt_head(out, header, claims);
    if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(ctx, sig, &n, (unsigned char *)out->p, out->n) != 1)
        abort();
    EVP_MD_CTX_free(ctx);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) n = jwt_flat(sig, n);
    ln_buf_putc(out, '.');
    jwt_part(out, sig, n);
}

static inline void jwt_take_bio(struct ln_buf *out, BIO *b) {
    char *p;
    long n = BIO_get_mem_data(b, &p);
    ln_buf_add(out, p, (size_t)n);
    BIO_free(b);
}

static inline void jwt_pem(struct ln_buf *out, EVP_PKEY *key) {
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(b, key);
    jwt_take_bio(out, b);
}

static inline void jwt_private_pem(struct ln_buf *out, EVP_PKEY *key) {
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
    jwt_take_bio(out, b);
}

static inline void jwt_rsa_pem(struct ln_buf *out, EVP_PKEY *key) {
    BIO *b = BIO_new(BIO_s_mem());
    unsigned char *der = NULL;
    int n = i2d_PublicKey(key, &der);
    PEM_write_bio(b, PEM_STRING_RSA_PUBLIC, "", der, n);
    OPENSSL_free(der);
    jwt_take_bio(out, b);
}

static inline void jwt_certificate(struct ln_buf *out, EVP_PKEY *key) {
    BIO *b = BIO_new(BIO_s_mem());
    X509 *x = X509_new();
    X509_set_pubkey(x, key);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 60);
    if (!X509_sign(x, key, EVP_sha256())) abort();
    PEM_write_bio_X509(b, x);
    X509_free(x);
    jwt_take_bio(out, b);
}

#endif
