/* SPDX-License-Identifier: MIT
 *
 * JSON Web Tokens; see jwt.h. Nothing is read from a token before it is known to be well formed,
 * and nothing is believed before its signature is right.
 */
#include "base/jwt.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/text.h"

#define TIME_MAX 8.64e15 /* ms: where JavaScript's calendar ends */

/* --- taking apart --- */

/* One part: base64url without padding (RFC 7515 2). */
static bool decode(struct ln_str part, struct ln_buf *out) {
    for (size_t i = 0; i < part.n; i++)
        if (part.p[i] == '+' || part.p[i] == '/' || part.p[i] == '=') return false;
    return ln_base64_decode(out, part);
}

static bool decode_object(struct ln_str part, struct ln_buf *out) {
    return decode(part, out) && ln_json_peek(ln_buf_get(out)) == LN_JSON_OBJECT &&
           ln_json_valid(ln_buf_get(out), NULL);
}

static const char *take_apart(struct ln_jwt *t, struct ln_str s) {
    if (s.n > LN_JWT_MAX) return "it has more than 16384 bytes";
    const char *end = s.p + s.n, *dots[3];
    size_t n = 0;
    for (const char *p = s.p; p < end; p++)
        if (*p == '.' && n < LN_COUNT(dots)) dots[n++] = p;
    if (n != 2) return "it has no three parts with dots between";
    t->token = s;
    t->signed_n = (size_t)(dots[1] - s.p);
    if (!decode_object((struct ln_str){s.p, (size_t)(dots[0] - s.p)}, &t->header))
        return "its header is no JSON object in base64url";
    if (!decode_object((struct ln_str){dots[0] + 1, (size_t)(dots[1] - dots[0] - 1)}, &t->claims))
        return "its claims are no JSON object in base64url";
    return NULL;
}

bool ln_jwt_read(struct ln_jwt *out, struct ln_str token, struct ln_err *err) {
    *out = (struct ln_jwt){0};
    const char *wrong = take_apart(out, token);
    if (!wrong) return true;
    ln_jwt_free(out);
    ln_fail(err, LN_INVALID, "this is no JWT: %s", wrong);
    return false;
}

void ln_jwt_free(struct ln_jwt *t) {
    ln_buf_free(&t->header);
    ln_buf_free(&t->claims);
    *t = (struct ln_jwt){0};
}

/* --- times --- */

bool ln_json_seconds(struct ln_str raw, int64_t *ms) {
    char text[64];
    if (ln_json_peek(raw) != LN_JSON_NUMBER || raw.n >= sizeof text) return false;
    memcpy(text, raw.p, raw.n);
    text[raw.n] = 0;
    double value = strtod(text, NULL) * 1000;
    if (isnan(value)) return false;
    *ms = (int64_t)LN_MAX(LN_MIN(value, TIME_MAX), -TIME_MAX);
    return true;
}

bool ln_jwt_time(struct ln_str claims, const char *name, int64_t *wall_ms) {
    return ln_json_seconds(ln_json_get(claims, name), wall_ms);
}

/* --- checking --- */

const char *ln_jwt_fault_name(enum ln_jwt_fault f) {
    static const char *const names[] = {"ok",      "malformed", "algorithm", "signature",
                                        "expired", "not_yet",   "audience",  "issuer"};
    return names[f];
}

static bool is_text(struct ln_str raw, const char *want) {
    struct ln_buf text = {0};
    bool is = ln_json_peek(raw) == LN_JSON_STRING && ln_json_text(raw, &text) &&
              ln_str_is(ln_buf_get(&text), want);
    ln_buf_free(&text);
    return is;
}

static bool is_listed(struct ln_str raw, const char *const *list) {
    for (; *list; list++)
        if (is_text(raw, *list)) return true;
    return false;
}

/* `aud` is a text or a list of texts (RFC 7519 4.1.3). */
static bool audience_ok(struct ln_str aud, const char *const *wanted) {
    struct ln_str one;
    if (ln_json_peek(aud) != LN_JSON_ARRAY) return is_listed(aud, wanted);
    for (size_t pos = 0; ln_json_each(aud, &pos, NULL, &one);)
        if (is_listed(one, wanted)) return true;
    return false;
}

static bool signature_ok(const struct ln_jwt *t, const struct ln_sign_key *key) {
    struct ln_buf sig = {0};
    struct ln_str text = {t->token.p + t->signed_n + 1, t->token.n - t->signed_n - 1};
    bool ok = decode(text, &sig) &&
              ln_sign_ok(key, (struct ln_str){t->token.p, t->signed_n}, ln_buf_get(&sig));
    ln_buf_free(&sig);
    return ok;
}

/* A time that is there must be a number; absent ones limit nothing. */
static bool times_ok(struct ln_str claims) {
    static const char *const times[] = {"exp", "nbf"};
    int64_t ms;
    for (size_t i = 0; i < LN_COUNT(times); i++)
        if (ln_json_get(claims, times[i]).p && !ln_jwt_time(claims, times[i], &ms)) return false;
    return true;
}

enum ln_jwt_fault ln_jwt_check(const struct ln_jwt *t, const struct ln_jwt_rules *r,
                               int64_t now_ms) {
    struct ln_str header = ln_buf_get(&t->header), claims = ln_buf_get(&t->claims);
    int64_t at;
    /* `crit` names extensions without which it must not be understood (RFC 7515 4.1.11). */
    if (!is_text(ln_json_get(header, "alg"), ln_sign_alg_name(ln_sign_key_alg(r->key))) ||
        ln_json_get(header, "crit").p)
        return LN_JWT_ALGORITHM;
    if (!signature_ok(t, r->key)) return LN_JWT_SIGNATURE;
    if (!times_ok(claims)) return LN_JWT_MALFORMED;
    if (ln_jwt_time(claims, "exp", &at) && now_ms >= at + r->leeway_ms) return LN_JWT_EXPIRED;
    if (ln_jwt_time(claims, "nbf", &at) && now_ms < at - r->leeway_ms) return LN_JWT_NOT_YET;
    if (r->iss && !is_text(ln_json_get(claims, "iss"), r->iss)) return LN_JWT_ISSUER;
    if (r->aud && !audience_ok(ln_json_get(claims, "aud"), r->aud)) return LN_JWT_AUDIENCE;
    return LN_JWT_OK;
}
