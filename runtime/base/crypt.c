/* SPDX-License-Identifier: MIT
 *
 * Randomness and digests: the only file that knows libcrypto. Small random numbers come from a
 * pool that is filled 4 KiB at a time, because a mask per frame must not cost a call into libcrypto
 * (or the kernel) each. In tests a repeatable generator stands in for all of it.
 */
#include "base/crypt.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

static uint64_t fake_state; /* 0: the real source */
static unsigned char pool[4096];
static size_t pool_left;

/* A counter through a mixer with full avalanche: repeatable, well spread, and no secret. */
static uint64_t fake_next(void) {
    fake_state += 0x9e3779b97f4a7c15;
    uint64_t x = fake_state;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
    return x ^ x >> 32;
}

/* Without it no secret is safe and no frame may be masked: there is nothing to go on with. */
static _Noreturn void broken(const char *what) {
    fprintf(stderr, "libcrypto gives no %s\n", what);
    abort();
}

void ln_random_real(void *p, size_t n) {
    unsigned char *out = p;
    while (n) {
        int part = n > INT_MAX ? INT_MAX : (int)n;
        if (ln_fault("crypt.random") || RAND_bytes(out, part) != 1) broken("random bytes");
        out += part;
        n -= (size_t)part;
    }
}

void ln_random(void *p, size_t n) {
    unsigned char *out = p;
    if (!fake_state) {
        ln_random_real(out, n);
        return;
    }
    while (n) {
        uint64_t x = fake_next();
        size_t part = LN_MIN(n, sizeof x);
        memcpy(out, &x, part);
        out += part;
        n -= part;
    }
}

static void pool_take(void *p, size_t n) {
    if (LN_UNLIKELY(fake_state)) {
        ln_random(p, n);
        return;
    }
    if (LN_UNLIKELY(pool_left < n)) {
        ln_random_real(pool, sizeof pool);
        pool_left = sizeof pool;
    }
    pool_left -= n;
    memcpy(p, pool + pool_left, n);
}

uint32_t ln_random_u32(void) {
    uint32_t x;
    pool_take(&x, sizeof x);
    return x;
}

double ln_random_unit(void) {
    uint64_t x;
    pool_take(&x, sizeof x);
    return (double)(x >> 11) * 0x1p-53;
}

void ln_random_id(char *out, size_t n) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    ln_random(out, n);
    for (size_t i = 0; i < n; i++)
        out[i] = alphabet[(unsigned char)out[i] & 63];
    out[n] = 0;
}

void ln_random_fake(uint64_t seed) {
    fake_state = seed;
    pool_left = 0;
}

void ln_sha1(const void *p, size_t n, unsigned char out[20]) {
    SHA1(n ? p : "", n, out);
}

void ln_sha256(const void *p, size_t n, unsigned char out[32]) {
    SHA256(n ? p : "", n, out);
}

bool ln_md5(const void *p, size_t n, unsigned char out[16]) {
    return !ln_fault("crypt.md5") && EVP_Digest(n ? p : "", n, out, NULL, EVP_md5(), NULL) == 1;
}

void ln_hmac_sha256(struct ln_str key, struct ln_str data, unsigned char out[32]) {
    unsigned size = 32;
    const unsigned char *d = (const unsigned char *)(data.n ? data.p : "");
    const char *k = key.n ? key.p : "";
    if (ln_fault("crypt.hmac") || key.n > INT_MAX ||
        !HMAC(EVP_sha256(), k, (int)key.n, d, data.n, out, &size))
        broken("HMAC-SHA-256");
}

bool ln_equal_secret(struct ln_str a, struct ln_str b) {
    if (a.n != b.n) return false;
    return a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

void ln_uuid(char out[37]) {
    unsigned char b[16];
    ln_random(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *out++ = '-';
        *out++ = hex[b[i] >> 4];
        *out++ = hex[b[i] & 15];
    }
    *out = 0;
}
