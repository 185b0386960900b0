/* SPDX-License-Identifier: MIT
 *
 * JSON Web Tokens: what is read without trust, and every way in which a token is not believed. Keys
 * are made when the test runs.
 */
#include "jwt_make.h"
#include "test.h"

#include "base/mem.h"

#define SECRET "a secret of at least thirty-two bytes"
#define NOW 1750000000000 /* ms */

static struct ln_sign_key *hs_key(void) {
    return ln_sign_key_new(LN_HS256, LN_STR(SECRET), NULL);
}

/* --- reading --- */

static bool reads(const char *token, struct ln_err *err) {
    struct ln_jwt t;
    bool ok = ln_jwt_read(&t, ln_str(token), err);
    ln_jwt_free(&t);
    return ok;
}

TEST(reading) {
    /* RFC 7519 3.1 */
    const char *token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb"
                        "S9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    struct ln_jwt t;
    int64_t ms = 0;
    CHECK(ln_jwt_read(&t, ln_str(token), NULL));
    CHECK_STR(ln_json_get(ln_buf_get(&t.header), "alg"), "\"HS256\"");
    CHECK_STR(ln_json_get(ln_buf_get(&t.claims), "iss"), "\"joe\"");
    CHECK(ln_jwt_time(ln_buf_get(&t.claims), "exp", &ms));
    CHECK_INT(ms, 1300819380000);
    CHECK(!ln_jwt_time(ln_buf_get(&t.claims), "nbf", &ms));
    ln_jwt_free(&t);
}

TEST(no_tokens) {
    struct ln_err err;
    const char *const bad[] = {"",
                               ".",
                               "..",
                               "a.b",
                               "e30.e30",
                               "e30.e30.x.y",
                               "e30.e30.x.y.z",    /* five parts: encrypted */
                               "e30=.e30.",        /* padding */
                               "e30.e3+.",         /* the other alphabet */
                               "e30.e31.",         /* bits that no byte uses */
                               "e30.W10.",         /* [] */
                               "W10.e30.",         /* a header that is a list */
                               "e30.eyJhIjox.",    /* {"a":1 */
                               "e30.eyJhIjoxfXg.", /* {"a":1}x */
                               "e30.bnVsbA.",      /* null */
                               "e30.e30.x e30.e30." /* a blank is no base64, a dot too many */};
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        CHECK(!reads(bad[i], &err));
        CHECK_INT(err.code, LN_INVALID);
        CHECK_HAS(err.text, "this is no JWT: ");
    }
    CHECK(reads("e30.e30.", &err));
}

TEST(token_size) {
    struct ln_buf claims = {0}, token = {0};
    struct ln_err err;
    ln_buf_puts(&claims, "{\"a\":\"");
    while (claims.n < 12200)
        ln_buf_putc(&claims, 'x');
    ln_buf_puts(&claims, "\"}");
    jwt_head(&token, "{}", ln_buf_cstr(&claims));
    ln_buf_putc(&token, '.');
    CHECK(token.n <= LN_JWT_MAX);
    CHECK(reads(ln_buf_cstr(&token), &err));
    while (token.n <= LN_JWT_MAX)
        ln_buf_putc(&token, 'x');
    CHECK(!reads(ln_buf_cstr(&token), &err));
    CHECK_HAS(err.text, "more than 16384 bytes");
    ln_buf_free(&claims);
    ln_buf_free(&token);
}

TEST(times) {
    int64_t ms = 7;
    CHECK(ln_jwt_time(LN_STR("{\"exp\":1.5}"), "exp", &ms));
    CHECK_INT(ms, 1500);
    CHECK(ln_jwt_time(LN_STR("{\"iat\":-2}"), "iat", &ms));
    CHECK_INT(ms, -2000);
    CHECK(ln_jwt_time(LN_STR("{\"exp\":1e300}"), "exp", &ms));
    CHECK_INT(ms, 8640000000000000);
    CHECK(ln_jwt_time(LN_STR("{\"exp\":-1e999}"), "exp", &ms));
    CHECK_INT(ms, -8640000000000000);
    CHECK(!ln_jwt_time(LN_STR("{\"exp\":\"1\"}"), "exp", &ms));
    CHECK(!ln_jwt_time(LN_STR("{\"exp\":null}"), "exp", &ms));
    CHECK(!ln_jwt_time(LN_STR("{}"), "exp", &ms));
    struct ln_buf digits = {0};
    ln_buf_puts(&digits, "{\"exp\":1");
    while (digits.n < 100)
        ln_buf_putc(&digits, '0');
    ln_buf_putc(&digits, '}');
    CHECK(!ln_jwt_time(ln_buf_get(&digits), "exp", &ms));
    ln_buf_free(&digits);
}

/* --- checking --- */

static enum ln_jwt_fault check_text(struct ln_str token, const struct ln_jwt_rules *r) {
    struct ln_jwt t;
    if (!ln_jwt_read(&t, token, NULL)) return LN_JWT_MALFORMED;
    enum ln_jwt_fault f = ln_jwt_check(&t, r, NOW);
    ln_jwt_free(&t);
    return f;
}

/* With the secret above, a good header, and a leeway of 30 s. */
static enum ln_jwt_fault check_claims(const char *claims, const char *const *aud, const char *iss) {
    struct ln_jwt_rules r = {.key = hs_key(), .aud = aud, .iss = iss, .leeway_ms = 30000};
    struct ln_buf token = {0};
    jwt_hs256(&token, claims, SECRET);
    enum ln_jwt_fault f = check_text(ln_buf_get(&token), &r);
    ln_buf_free(&token);
    ln_sign_key_free((struct ln_sign_key *)(uintptr_t)r.key);
    return f;
}

static void check_fault(enum ln_jwt_fault got, const char *want) {
    CHECK_STR(ln_str(ln_jwt_fault_name(got)), want);
}

TEST(claims) {
    static const char *const aud[] = {"chat", "admin", NULL};
    check_fault(check_claims("{}", NULL, NULL), "ok");
    check_fault(check_claims("{\"exp\":1750000001}", NULL, NULL), "ok");
    check_fault(check_claims("{\"exp\":1749999971}", NULL, NULL), "ok"); /* within the leeway */
    check_fault(check_claims("{\"exp\":1749999970}", NULL, NULL), "expired");
    check_fault(check_claims("{\"exp\":0}", NULL, NULL), "expired");
    check_fault(check_claims("{\"exp\":-1e300}", NULL, NULL), "expired");
    check_fault(check_claims("{\"exp\":1e300}", NULL, NULL), "ok");
    check_fault(check_claims("{\"exp\":\"1750000001\"}", NULL, NULL), "malformed");
    check_fault(check_claims("{\"exp\":null}", NULL, NULL), "malformed");
    check_fault(check_claims("{\"nbf\":1750000030}", NULL, NULL), "ok");
    check_fault(check_claims("{\"nbf\":1750000031}", NULL, NULL), "not_yet");
    check_fault(check_claims("{\"nbf\":true}", NULL, NULL), "malformed");
    check_fault(check_claims("{\"iss\":\"us\"}", NULL, "us"), "ok");
    check_fault(check_claims("{\"iss\":\"them\"}", NULL, "us"), "issuer");
    check_fault(check_claims("{\"iss\":[\"us\"]}", NULL, "us"), "issuer");
    check_fault(check_claims("{}", NULL, "us"), "issuer");
    check_fault(check_claims("{\"aud\":\"admin\"}", aud, NULL), "ok");
    check_fault(check_claims("{\"aud\":[\"x\",\"chat\"]}", aud, NULL), "ok");
    check_fault(check_claims("{\"aud\":\"ch\\u0061t\"}", aud, NULL), "ok");
    check_fault(check_claims("{\"aud\":\"chats\"}", aud, NULL), "audience");
    check_fault(check_claims("{\"aud\":[]}", aud, NULL), "audience");
    check_fault(check_claims("{\"aud\":[[\"chat\"],{\"chat\":1},7]}", aud, NULL), "audience");
    check_fault(check_claims("{\"aud\":{\"chat\":true}}", aud, NULL), "audience");
    check_fault(check_claims("{}", aud, NULL), "audience");
    check_fault(check_claims("{\"aud\":\"of others\"}", NULL, NULL), "ok");
}

/* RFC 7515 A.1: the signature is right, the time long over. */
TEST(published_hs256) {
    const char *token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb"
                        "S9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    struct ln_buf secret = {0};
    ln_base64_decode(&secret,
                     LN_STR("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hc"
                            "gUuTwjAzZr1Z9CAow"));
    struct ln_jwt_rules r = {.key = ln_sign_key_new(LN_HS256, ln_buf_get(&secret), NULL)};
    struct ln_jwt t;
    CHECK(ln_jwt_read(&t, ln_str(token), NULL));
    check_fault(ln_jwt_check(&t, &r, 1300819379999), "ok");
    check_fault(ln_jwt_check(&t, &r, 1300819380000), "expired");
    ln_jwt_free(&t);
    ln_buf_free(&secret);
    ln_sign_key_free((struct ln_sign_key *)(uintptr_t)r.key);
}

/* Changing any byte of a token makes it worth nothing. */
TEST(forged) {
    struct ln_jwt_rules r = {.key = hs_key()};
    struct ln_buf token = {0}, other = {0};
    jwt_hs256(&token, "{\"sub\":\"kari\"}", SECRET);
    check_fault(check_text(ln_buf_get(&token), &r), "ok");
    for (size_t i = 0; i < token.n; i++) {
        char was = token.p[i];
        token.p[i] = was == 'A' ? 'B' : 'A';
        CHECK(check_text(ln_buf_get(&token), &r) != LN_JWT_OK);
        token.p[i] = was;
    }
    for (size_t n = 0; n < token.n; n++)
        CHECK(check_text((struct ln_str){token.p, n}, &r) != LN_JWT_OK);
    jwt_hs256(&other, "{\"sub\":\"kari\"}", "another secret");
    check_fault(check_text(ln_buf_get(&other), &r), "signature");
    ln_buf_free(&token);
    ln_buf_free(&other);
    ln_sign_key_free((struct ln_sign_key *)(uintptr_t)r.key);
}

/* The header says how a token was signed, never how it is checked. */
TEST(the_token_does_not_choose) {
    static const char *const heads[] = {"{\"alg\":\"none\"}",
                                        "{\"alg\":\"None\"}",
                                        "{\"alg\":\"nOnE\"}",
                                        "{\"alg\":\"\"}",
                                        "{\"alg\":\"hs256\"}",
                                        "{\"alg\":\"HS256 \"}",
                                        "{\"alg\":\"HS512\"}",
                                        "{\"alg\":\"RS256\"}",
                                        "{\"alg\":[\"HS256\"]}",
                                        "{\"alg\":null}",
                                        "{}",
                                        "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}",
                                        "{\"alg\":\"HS256\",\"alg\":\"none\"}"};
    struct ln_jwt_rules r = {.key = hs_key()};
    for (size_t i = 0; i < LN_COUNT(heads); i++) {
        struct ln_buf token = {0};
        jwt_head(&token, heads[i], "{\"sub\":\"admin\"}");
        jwt_sign_hs256(&token, SECRET);
        check_fault(check_text(ln_buf_get(&token), &r), "algorithm");
        while (token.p[token.n - 1] != '.') /* and without a signature */
            token.n--;
        check_fault(check_text(ln_buf_get(&token), &r), "algorithm");
        ln_buf_free(&token);
    }
    struct ln_buf bare = {0};
    jwt_head(&bare, "{\"alg\":\"HS256\"}", "{}");
    ln_buf_putc(&bare, '.');
    check_fault(check_text(ln_buf_get(&bare), &r), "signature");
    ln_buf_free(&bare);
    ln_sign_key_free((struct ln_sign_key *)(uintptr_t)r.key);
}

/* --- public keys --- */

static enum ln_jwt_fault check_signed(enum ln_sign_alg alg, struct ln_str pem, EVP_PKEY *signer,
                                      const char *head) {
    struct ln_err err = {0};
    struct ln_jwt_rules r = {.key = ln_sign_key_new(alg, pem, &err)};
    struct ln_buf token = {0};
    if (!r.key) {
        printf("%s\n", err.text);
        return LN_JWT_MALFORMED;
    }
    jwt_signed(&token, head, "{\"sub\":\"kari\"}", signer);
    enum ln_jwt_fault f = check_text(ln_buf_get(&token), &r);
    ln_buf_free(&token);
    ln_sign_key_free((struct ln_sign_key *)(uintptr_t)r.key);
    return f;
}

TEST(rs256) {
    EVP_PKEY *key = EVP_RSA_gen(2048), *other = EVP_RSA_gen(2048);
    struct ln_buf pem = {0}, two = {0};
    jwt_pem(&pem, key);
    jwt_pem(&two, other);
    check_fault(check_signed(LN_RS256, ln_buf_get(&pem), key, "{\"alg\":\"RS256\"}"), "ok");
    check_fault(check_signed(LN_RS256, ln_buf_get(&two), key, "{\"alg\":\"RS256\"}"), "signature");
    ln_buf_str(&two, ln_buf_get(&pem)); /* both: the old and the new one */
    check_fault(check_signed(LN_RS256, ln_buf_get(&two), key, "{\"alg\":\"RS256\"}"), "ok");
    check_fault(check_signed(LN_RS256, ln_buf_get(&two), other, "{\"alg\":\"RS256\"}"), "ok");
    check_fault(check_signed(LN_RS256, ln_buf_get(&pem), key, "{\"alg\":\"ES256\"}"), "algorithm");
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    ln_buf_free(&pem);
    ln_buf_free(&two);
}

TEST(es256) {
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    struct ln_buf pem = {0};
    jwt_pem(&pem, key);
    check_fault(check_signed(LN_ES256, ln_buf_get(&pem), key, "{\"alg\":\"ES256\"}"), "ok");
    check_fault(check_signed(LN_ES256, ln_buf_get(&pem), other, "{\"alg\":\"ES256\"}"),
                "signature");
    check_fault(check_signed(LN_ES256, ln_buf_get(&pem), key, "{\"alg\":\"RS256\"}"), "algorithm");
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    ln_buf_free(&pem);
}

/* A certificate will do, and so will the RSA form of PKCS #1. */
TEST(other_forms_of_keys) {
    EVP_PKEY *ec = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048);
    struct ln_buf pem = {0};
    jwt_certificate(&pem, ec);
    check_fault(check_signed(LN_ES256, ln_buf_get(&pem), ec, "{\"alg\":\"ES256\"}"), "ok");
    ln_buf_clear(&pem);
    jwt_rsa_pem(&pem, rsa);
    check_fault(check_signed(LN_RS256, ln_buf_get(&pem), rsa, "{\"alg\":\"RS256\"}"), "ok");
    EVP_PKEY_free(ec);
    EVP_PKEY_free(rsa);
    ln_buf_free(&pem);
}

/* The oldest attack of all: a public key used as the secret of an HMAC. */
TEST(confusion) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct ln_buf pem = {0}, token = {0};
    struct ln_err err;
    jwt_pem(&pem, key);
    jwt_head(&token, "{\"alg\":\"HS256\"}", "{\"sub\":\"admin\"}");
    jwt_sign_hs256(&token, ln_buf_cstr(&pem));
    struct ln_jwt_rules r = {.key = ln_sign_key_new(LN_ES256, ln_buf_get(&pem), &err)};
    check_fault(check_text(ln_buf_get(&token), &r), "algorithm");
    ln_buf_clear(&token); /* the same signature under the right name */
    jwt_head(&token, "{\"alg\":\"ES256\"}", "{\"sub\":\"admin\"}");
    jwt_sign_hs256(&token, ln_buf_cstr(&pem));
    check_fault(check_text(ln_buf_get(&token), &r), "signature");
    CHECK(!ln_sign_key_new(LN_HS256, ln_buf_get(&pem), &err)); /* nor by our own mistake */
    CHECK_HAS(err.text, "such keys are for RS256 and ES256");
    ln_sign_key_free((struct ln_sign_key *)(uintptr_t)r.key);
    EVP_PKEY_free(key);
    ln_buf_free(&pem);
    ln_buf_free(&token);
}

TEST(signatures_of_odd_sizes) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct ln_buf pem = {0};
    char zeros[200] = {0};
    jwt_pem(&pem, key);
    struct ln_sign_key *k = ln_sign_key_new(LN_ES256, ln_buf_get(&pem), NULL);
    const size_t sizes[] = {0, 1, 63, 64, 65, 70, 200};
    for (size_t i = 0; i < LN_COUNT(sizes); i++)
        CHECK(!ln_sign_ok(k, LN_STR("data"), (struct ln_str){zeros, sizes[i]}));
    ln_sign_key_free(k);
    EVP_PKEY_free(key);
    ln_buf_free(&pem);
}

/* --- keys that are refused --- */

static void check_no_key(enum ln_sign_alg alg, struct ln_str text, const char *why) {
    struct ln_err err = {0};
    CHECK(!ln_sign_key_new(alg, text, &err));
    CHECK_INT(err.code, LN_INVALID);
    CHECK_HAS(err.text, why);
}

TEST(bad_keys) {
    EVP_PKEY *small = EVP_RSA_gen(1024), *rsa = EVP_RSA_gen(2048), *ec = EVP_EC_gen("P-256"),
             *wide = EVP_EC_gen("P-384"), *edwards = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct ln_buf pem = {0};
    check_no_key(LN_HS256, LN_STR(""), "is empty");
    check_no_key(LN_RS256, LN_STR(""), "holds no public key in PEM form");
    check_no_key(LN_RS256, LN_STR("secret"), "holds no public key in PEM form");
    check_no_key(LN_ES256, LN_STR("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
                 "no public key and no certificate");
    jwt_pem(&pem, small);
    check_no_key(LN_RS256, ln_buf_get(&pem), "below 2048 bits");
    ln_buf_clear(&pem);
    jwt_pem(&pem, rsa);
    check_no_key(LN_ES256, ln_buf_get(&pem), "no EC key on the curve P-256");
    ln_buf_clear(&pem);
    jwt_pem(&pem, ec);
    check_no_key(LN_RS256, ln_buf_get(&pem), "no RSA key");
    ln_buf_clear(&pem);
    jwt_pem(&pem, wide);
    check_no_key(LN_ES256, ln_buf_get(&pem), "no EC key on the curve P-256");
    ln_buf_clear(&pem);
    jwt_pem(&pem, edwards);
    check_no_key(LN_ES256, ln_buf_get(&pem), "no EC key on the curve P-256");
    ln_buf_clear(&pem);
    jwt_private_pem(&pem, ec);
    check_no_key(LN_ES256, ln_buf_get(&pem), "no public key and no certificate");
    EVP_PKEY_free(small);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(wide);
    EVP_PKEY_free(edwards);
    ln_buf_free(&pem);
}

TEST(names) {
    enum ln_sign_alg alg = LN_HS256;
    CHECK(ln_sign_alg_find(LN_STR("ES256"), &alg));
    CHECK_INT(alg, LN_ES256);
    CHECK(!ln_sign_alg_find(LN_STR("none"), &alg));
    CHECK(!ln_sign_alg_find(LN_STR("es256"), &alg));
    CHECK_STR(ln_str(ln_sign_alg_name(LN_RS256)), "RS256");
}

TEST_MAIN(T(reading), T(no_tokens), T(token_size), T(times), T(claims), T(published_hs256),
          T(forged), T(the_token_does_not_choose), T(rs256), T(es256), T(other_forms_of_keys),
          T(confusion), T(signatures_of_odd_sizes), T(bad_keys), T(names))
