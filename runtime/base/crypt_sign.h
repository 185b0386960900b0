/* SPDX-License-Identifier: MIT
 *
 * Checking signatures (libcrypto): the three algorithms that JSON Web Tokens are signed with in
 * practice. A key is made for one algorithm and serves no other, so what a token says of itself
 * cannot choose how it is checked (RFC 8725 3.1).
 */
#ifndef LN_CRYPT_SIGN_H
#define LN_CRYPT_SIGN_H

#include "base/buf.h"

enum ln_sign_alg {
    LN_HS256, /* HMAC with SHA-256: one secret signs and checks (RFC 7518 3.2) */
    LN_RS256, /* RSA, PKCS #1 v1.5, SHA-256 (3.3) */
    LN_ES256, /* ECDSA on P-256 with SHA-256; the signature is r and s, 32 bytes each (3.4) */
    LN_SIGN_ALGS
};
const char *ln_sign_alg_name(enum ln_sign_alg alg);               /* "HS256" */
bool ln_sign_alg_find(struct ln_str name, enum ln_sign_alg *alg); /* case counts */

struct ln_sign_key;

/* text, HS256: the secret, byte for byte; RS256 and ES256: public keys or certificates in PEM, one
 * behind the other, of which any may have signed (a key that is being replaced). NULL with err
 * (LN_INVALID, without the key): a public key as a secret, another kind of key, RSA below 2048
 * bits, none at all. */
struct ln_sign_key *ln_sign_key_new(enum ln_sign_alg alg, struct ln_str text, struct ln_err *err);
void ln_sign_key_free(struct ln_sign_key *k); /* wipes a secret; NULL is fine */
enum ln_sign_alg ln_sign_key_alg(const struct ln_sign_key *k);
bool ln_sign_ok(const struct ln_sign_key *k, struct ln_str data, struct ln_str signature);

#endif
