/* SPDX-License-Identifier: MIT
 *
 * Checking signatures; see crypt_sign.h. Keys are read once; a check allocates what libcrypto needs
 * and nothing else.
 */
#include "base/crypt_sign.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/crypt.h"
#include "base/mem.h"

#define KEYS_MAX 8     /* in one PEM text */
#define RSA_MIN 2048   /* bits (RFC 7518 3.3) */
#define ES256_BYTES 32 /* of r, and of s */

struct ln_sign_key {
    enum ln_sign_alg alg;
    size_t count;
    EVP_PKEY *keys[KEYS_MAX]; /* RS256, ES256 */
    size_t secret_n;
    char secret[]; /* HS256 */
};

static const char *const names[LN_SIGN_ALGS] = {"HS256", "RS256", "ES256"};

const char *ln_sign_alg_name(enum ln_sign_alg alg) {
    return names[alg];
}

bool ln_sign_alg_find(struct ln_str name, enum ln_sign_alg *alg) {
    for (size_t i = 0; i < LN_SIGN_ALGS; i++) {
        if (!ln_str_is(name, names[i])) continue;
        *alg = (enum ln_sign_alg)i;
        return true;
    }
    return false;
}

enum ln_sign_alg ln_sign_key_alg(const struct ln_sign_key *k) {
    return k->alg;
}

void ln_sign_key_free(struct ln_sign_key *k) {
    if (!k) return;
    for (size_t i = 0; i < k->count; i++)
        EVP_PKEY_free(k->keys[i]);
    OPENSSL_cleanse(k->secret, k->secret_n);
    ln_free(k);
}

/* --- reading keys --- */

/* The next block of the text as a public key; NULL when there is none, or it is of another kind
 * (a private key has no place on the side that checks). */
static EVP_PKEY *read_pem(BIO *in, bool *is_end) {
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    const unsigned char *p;
    long n = 0;
    EVP_PKEY *key = NULL;
    *is_end = PEM_read_bio(in, &name, &header, &data, &n) != 1;
    if (*is_end) return NULL;
    p = data;
    if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
        key = d2i_PUBKEY(NULL, &p, n);
    } else if (strcmp(name, PEM_STRING_RSA_PUBLIC) == 0) {
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, n);
    } else if (strcmp(name, PEM_STRING_X509) == 0) {
        X509 *x = d2i_X509(NULL, &p, n);
        if (x) key = X509_get_pubkey(x);
        X509_free(x);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, (size_t)n);
    return key;
}

/* Is it what the algorithm needs? NULL when so, else what is wrong. */
static const char *wrong_key(enum ln_sign_alg alg, const EVP_PKEY *key) {
    char group[32] = "";
    if (!key) return "it holds a block that is no public key and no certificate";
    if (alg == LN_RS256) {
        if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return "it is no RSA key";
        return EVP_PKEY_get_bits(key) < RSA_MIN ? "RSA keys below 2048 bits are not safe" : NULL;
    }
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
        strcmp(group, "prime256v1") != 0)
        return "it is no EC key on the curve P-256";
    return NULL;
}

static bool read_keys(struct ln_sign_key *k, struct ln_str text, struct ln_err *err) {
    BIO *in = BIO_new_mem_buf(text.n ? text.p : "", (int)text.n);
    const char *wrong = NULL;
    bool is_end = false;
    while (!wrong && k->count < KEYS_MAX) {
        EVP_PKEY *key = read_pem(in, &is_end);
        if (is_end) break;
        wrong = wrong_key(k->alg, key);
        if (key) k->keys[k->count++] = key;
    }
    BIO_free(in);
    ERR_clear_error();
    if (!wrong && k->count == 0) wrong = "it holds no public key in PEM form (-----BEGIN …)";
    if (wrong) ln_fail(err, LN_INVALID, "this key cannot check %s: %s", names[k->alg], wrong);
    return !wrong;
}

struct ln_sign_key *ln_sign_key_new(enum ln_sign_alg alg, struct ln_str text, struct ln_err *err) {
    if (text.n > INT_MAX) {
        ln_fail(err, LN_INVALID, "the key is too long");
        return NULL;
    }
    struct ln_sign_key *k = ln_alloc(sizeof *k + text.n);
    k->alg = alg;
    bool ok;
    if (alg != LN_HS256) {
        ok = read_keys(k, text, err);
    } else if (text.n == 0) {
        ok = false;
        ln_fail(err, LN_INVALID, "the secret of HS256 is empty");
    } else if (memmem(text.p, text.n, "-----BEGIN", 10)) {
        /* Everybody knows a public key: whoever does could sign. */
        ok = false;
        ln_fail(err, LN_INVALID,
                "the secret of HS256 is a key in PEM form; such keys are for RS256 and ES256");
    } else {
        ok = true;
        memcpy(k->secret, text.p, text.n);
        k->secret_n = text.n;
    }
    if (ok) return k;
    ln_sign_key_free(k);
    return NULL;
}

/* --- checking --- */

static bool hmac_ok(const struct ln_sign_key *k, struct ln_str data, struct ln_str signature) {
    unsigned char sum[32];
    ln_hmac_sha256((struct ln_str){k->secret, k->secret_n}, data, sum);
    return ln_equal_secret((struct ln_str){(const char *)sum, sizeof sum}, signature);
}

/* r and s side by side become what libcrypto wants: DER. NULL: not of that form. */
static unsigned char *to_der(struct ln_str signature, int *n) {
    const unsigned char *p = (const unsigned char *)signature.p;
    unsigned char *der = NULL;
    if (signature.n != 2 * ES256_BYTES) return NULL;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(p, ES256_BYTES, NULL), *s = BN_bin2bn(p + ES256_BYTES, ES256_BYTES, NULL);
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
        *n = i2d_ECDSA_SIG(sig, &der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(sig);
    return der;
}

static bool public_ok(EVP_PKEY *key, struct ln_str data, const unsigned char *sig, size_t n) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(ctx, sig, n, (const unsigned char *)data.p, data.n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

bool ln_sign_ok(const struct ln_sign_key *k, struct ln_str data, struct ln_str signature) {
    if (k->alg == LN_HS256) return hmac_ok(k, data, signature);
    const unsigned char *sig = (const unsigned char *)signature.p;
    size_t n = signature.n;
    unsigned char *der = NULL;
    bool ok = false;
    if (k->alg == LN_ES256) {
        int size = 0;
        sig = der = to_der(signature, &size);
        if (!der || size <= 0) return false;
        n = (size_t)size;
    }
    if (n == 0 || data.n == 0) return false;
    for (size_t i = 0; !ok && i < k->count; i++)
        ok = public_ok(k->keys[i], data, sig, n);
    OPENSSL_free(der);
    ERR_clear_error(); /* a bad signature leaves words behind that would be blamed on TLS */
    return ok;
}
