/* SPDX-License-Identifier: MIT
 *
 * Randomness and digests (libcrypto).
 */
#ifndef LN_CRYPT_H
#define LN_CRYPT_H

#include "base/buf.h"

void ln_random(void *p, size_t n); /* cryptographic; ends the process when the system has none */
uint32_t ln_random_u32(void);      /* from a pool: cheap enough for one per frame (masks) */
double ln_random_unit(void);       /* [0, 1) */
void ln_random_id(char *out, size_t n); /* n base64url characters and a 0 byte: n + 1 bytes */
/* Tests make what comes from here repeatable; seed 0 restores the real source. */
void ln_random_fake(uint64_t seed);
void ln_random_real(void *p, size_t n); /* as ln_random, and not repeatable even in tests */

void ln_sha1(const void *p, size_t n, unsigned char out[20]); /* for RFC 6455 4.2.2 only */
/* For Pusher's body_md5 only. False: the system's rules (FIPS) forbid it. */
bool ln_md5(const void *p, size_t n, unsigned char out[16]);
void ln_sha256(const void *p, size_t n, unsigned char out[32]);
void ln_hmac_sha256(struct ln_str key, struct ln_str data, unsigned char out[32]);
bool ln_equal_secret(struct ln_str a, struct ln_str b); /* constant time for equal lengths */
void ln_uuid(char out[37]);                             /* random, version 4 */

#endif
