/* SPDX-License-Identifier: MIT
 *
 * Tokens: bytes that nobody signed are never believed, as a token or as the claims of one whose
 * signature is right they do no harm, and times stay within the calendar.
 */
#include <stdlib.h>

#include "base/crypt.h"
#include "base/json.h"
#include "base/jwt.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) abort();
}

static void add_part(struct ln_buf *out, struct ln_str s) {
    struct ln_buf text = {0};
    ln_base64_encode(&text, s.p, s.n);
    for (size_t i = 0; i < text.n && text.p[i] != '='; i++)
        ln_buf_putc(out, text.p[i] == '+' ? '-' : text.p[i] == '/' ? '_' : text.p[i]);
    ln_buf_free(&text);
}

static enum ln_jwt_fault check(struct ln_str token, const struct ln_jwt_rules *r) {
    struct ln_jwt t;
    struct ln_err err = {0};
    int64_t ms = 0;
    if (!ln_jwt_read(&t, token, &err)) {
        require(err.text[0] != 0 && !t.claims.p);
        return LN_JWT_MALFORMED;
    }
    require(ln_json_valid(ln_buf_get(&t.claims), NULL) && t.signed_n < token.n);
    if (ln_jwt_time(ln_buf_get(&t.claims), "exp", &ms))
        require(ms <= 8640000000000000 && ms >= -8640000000000000);
    enum ln_jwt_fault f = ln_jwt_check(&t, r, 1700000000000);
    require(ln_jwt_fault_name(f)[0] != 0);
    ln_jwt_free(&t);
    return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const aud[] = {"chat", NULL};
    struct ln_str in = {(const char *)data, size};
    struct ln_sign_key *key = ln_sign_key_new(LN_HS256, LN_STR("a key of the fuzzer's"), NULL);
    struct ln_jwt_rules any = {.key = key}, strict = {.key = key, .aud = aud, .iss = "us"};
    struct ln_buf token = {0};
    unsigned char sum[32];
    require(check(in, &any) != LN_JWT_OK);
    add_part(&token, LN_STR("{\"alg\":\"HS256\"}"));
    ln_buf_putc(&token, '.');
    add_part(&token, in);
    ln_hmac_sha256(LN_STR("a key of the fuzzer's"), ln_buf_get(&token), sum);
    ln_buf_putc(&token, '.');
    add_part(&token, (struct ln_str){(const char *)sum, sizeof sum});
    enum ln_jwt_fault loose = check(ln_buf_get(&token), &any);
    require(loose != LN_JWT_SIGNATURE && loose != LN_JWT_ALGORITHM);
    if (check(ln_buf_get(&token), &strict) == LN_JWT_OK) require(loose == LN_JWT_OK);
    ln_buf_free(&token);
    ln_sign_key_free(key);
    return 0;
}
