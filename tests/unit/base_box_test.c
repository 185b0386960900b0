/* SPDX-License-Identifier: MIT
 *
 * secretbox against the reference's vectors, and everything that must not open.
 */
#include "base/crypt_box.h"

#include "base/crypt.h"
#include "base/text.h"
#include "vectors.h"

/* A base64 member, decoded. */
static struct ln_buf binary(struct ln_str object, const char *key) {
    struct ln_buf text = {0}, out = {0};
    CHECK(vector_text(object, key, &text));
    CHECK(ln_base64_decode(&out, ln_buf_get(&text)));
    ln_buf_free(&text);
    return out;
}

static const unsigned char *raw(const struct ln_buf *b) {
    return (const unsigned char *)b->p;
}

TEST(seals_and_opens_as_the_reference) {
    struct ln_str set = vectors("pusher_secretbox"), item;
    struct ln_buf key = binary(set, "shared_secret_b64"), nonce = binary(set, "nonce_b64");
    struct ln_buf plain = {0}, out = {0};
    CHECK_INT(key.n, LN_BOX_KEY);
    CHECK_INT(nonce.n, LN_BOX_NONCE);
    size_t pos = 0, cases = 0;
    while (ln_json_each(ln_json_get(set, "cases"), &pos, NULL, &item)) {
        struct ln_buf sealed = binary(item, "ciphertext_b64");
        CHECK(vector_text(item, "plaintext", &plain));
        ln_buf_clear(&out);
        ln_box_seal(raw(&key), raw(&nonce), ln_buf_get(&plain), &out);
        CHECK(ln_str_eq(ln_buf_get(&out), ln_buf_get(&sealed)));
        ln_buf_clear(&out);
        CHECK(ln_box_open(raw(&key), raw(&nonce), ln_buf_get(&sealed), &out));
        CHECK(ln_str_eq(ln_buf_get(&out), ln_buf_get(&plain)));
        ln_buf_free(&sealed);
        cases++;
    }
    CHECK_INT(cases, 4);
    ln_buf_free(&key);
    ln_buf_free(&nonce);
    ln_buf_free(&plain);
    ln_buf_free(&out);
}

TEST(a_channel_s_key_is_made_of_its_name) {
    struct ln_str set = vectors("pusher_secretbox");
    struct ln_buf master = binary(set, "master_key_b64"), key = binary(set, "shared_secret_b64");
    struct ln_buf text = {0};
    unsigned char digest[32];
    CHECK(vector_text(set, "channel", &text));
    ln_buf_str(&text, ln_buf_get(&master));
    ln_sha256(text.p, text.n, digest);
    CHECK_INT(key.n, sizeof digest);
    CHECK(memcmp(key.p, digest, sizeof digest) == 0);
    ln_buf_free(&master);
    ln_buf_free(&key);
    ln_buf_free(&text);
}

TEST(what_was_changed_does_not_open) {
    unsigned char key[LN_BOX_KEY] = {1}, nonce[LN_BOX_NONCE] = {2};
    struct ln_buf sealed = {0}, out = {0};
    ln_box_seal(key, nonce, LN_STR("hello"), &sealed);
    CHECK_INT(sealed.n, 5 + LN_BOX_OVERHEAD);
    ln_buf_puts(&out, "kept");
    for (size_t i = 0; i < sealed.n; i++) {
        sealed.p[i] ^= 1;
        CHECK(!ln_box_open(key, nonce, ln_buf_get(&sealed), &out));
        sealed.p[i] ^= 1;
    }
    for (size_t n = 0; n < sealed.n; n++)
        CHECK(!ln_box_open(key, nonce, (struct ln_str){sealed.p, n}, &out));
    key[31] ^= 1;
    CHECK(!ln_box_open(key, nonce, ln_buf_get(&sealed), &out));
    key[31] ^= 1;
    nonce[0] ^= 1;
    CHECK(!ln_box_open(key, nonce, ln_buf_get(&sealed), &out));
    nonce[0] ^= 1;
    CHECK_STR(ln_buf_get(&out), "kept");
    CHECK(ln_box_open(key, nonce, ln_buf_get(&sealed), &out));
    CHECK_STR(ln_buf_get(&out), "kepthello");
    CHECK(!ln_box_open(key, nonce, (struct ln_str){NULL, 0}, &out));
    ln_buf_free(&sealed);
    ln_buf_free(&out);
}

TEST(wiped_is_empty) {
    unsigned char key[LN_BOX_KEY], none[LN_BOX_KEY] = {0};
    ln_random_real(key, sizeof key);
    CHECK(memcmp(key, none, sizeof key) != 0);
    ln_wipe(key, sizeof key);
    CHECK(memcmp(key, none, sizeof key) == 0);
}

TEST_MAIN(T(seals_and_opens_as_the_reference), T(a_channel_s_key_is_made_of_its_name),
          T(what_was_changed_does_not_open), T(wiped_is_empty))
