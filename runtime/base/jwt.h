/* SPDX-License-Identifier: MIT
 *
 * JSON Web Tokens (RFC 7519) in their compact form. ln_jwt_read only takes one apart: what it says
 * may be a lie, and is good for one thing, to know when a token of our own ends. ln_jwt_check is
 * what makes it trustworthy: signature, times, audience, issuer, all by rules that the caller has
 * and the token cannot change.
 */
#ifndef LN_JWT_H
#define LN_JWT_H

#include "base/crypt_sign.h"

#define LN_JWT_MAX 16384 /* bytes of a token: it must fit into the head of a request */

struct ln_jwt {
    struct ln_str token;          /* lent */
    size_t signed_n;              /* bytes of the token that are signed: all before the last dot */
    struct ln_buf header, claims; /* valid JSON objects */
};
/* False with err (LN_INVALID, "this is no JWT: …", without the token): *out is empty then. */
bool ln_jwt_read(struct ln_jwt *out, struct ln_str token, struct ln_err *err);
void ln_jwt_free(struct ln_jwt *t);

/* `exp`, `nbf` or `iat` of claims, as milliseconds since 1970. False: absent, or no number. Years
 * beyond all calendars become the last one. */
bool ln_jwt_time(struct ln_str claims, const char *name, int64_t *wall_ms);
/* A number of seconds, raw, in milliseconds. */
bool ln_json_seconds(struct ln_str raw, int64_t *ms);

struct ln_jwt_rules {
    const struct ln_sign_key *key; /* says the algorithm, too */
    const char *const *aud;        /* NULL-terminated; the token's `aud` must name one; NULL: any */
    const char *iss;               /* NULL: any */
    int64_t leeway_ms;             /* clocks differ */
};
enum ln_jwt_fault {
    LN_JWT_OK,
    LN_JWT_MALFORMED,
    LN_JWT_ALGORITHM, /* not the configured one; "none" */
    LN_JWT_SIGNATURE,
    LN_JWT_EXPIRED,
    LN_JWT_NOT_YET, /* before nbf */
    LN_JWT_AUDIENCE,
    LN_JWT_ISSUER
};
const char *ln_jwt_fault_name(enum ln_jwt_fault f); /* "expired": for programs */
/* t was read; now_ms: wall time. What does not depend on the signature is told only when that is
 * right. */
enum ln_jwt_fault ln_jwt_check(const struct ln_jwt *t, const struct ln_jwt_rules *r,
                               int64_t now_ms);

#endif
