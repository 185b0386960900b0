/* SPDX-License-Identifier: MIT
 *
 * UTF-8 over every border, and the codings with what is malformed in each.
 */
#include "test.h"

#include "base/crypt.h"
#include "base/text.h"

/* Whether a code point written in `n` bytes by the bit pattern alone is one that RFC 3629 allows:
 * the other way round from the code under test. */
static bool allowed(uint32_t code, int n) {
    if (code >= 0xd800 && code <= 0xdfff) return false;
    if (code > 0x10ffff) return false;
    return n == (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
}

static void put(char *p, uint32_t code, int n) {
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = n - 1; i > 0; i--, code >>= 6)
        p[i] = (char)(0x80 | (code & 0x3f));
    p[0] = (char)(lead[n] | code);
}

TEST(every_code_point_in_every_length) {
    int wrong = 0;
    char p[8];
    for (int n = 1; n <= 4; n++) {
        uint32_t limit = n == 1 ? 0x80 : n == 2 ? 0x800 : n == 3 ? 0x10000 : 0x200000;
        for (uint32_t code = 0; code < limit; code++) {
            put(p, code, n);
            bool want = allowed(code, n);
            wrong += ln_utf8_valid(p, (size_t)n) != want;
            wrong += ln_utf8_char(p, (size_t)n) != (want ? (size_t)n : 0);
        }
    }
    CHECK_INT(wrong, 0);
}

TEST(malformed_utf8) {
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "\xc3(",
        "\xe2\x82",
        "\xe2(\xa1",
        "\xe2\x82(",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xf0\x9f\x98",
        "\xc3\xc3\xa9",
    };
    char text[64];
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        size_t n = strlen(bad[i]);
        CHECK(!ln_utf8_valid(bad[i], n));
        /* At each place of a longer text: the eight-byte steps must not hide it. */
        for (size_t at = 0; at < 20; at++) {
            memset(text, 'a', sizeof text);
            memcpy(text + at, bad[i], n);
            CHECK(!ln_utf8_valid(text, 40));
            CHECK(!ln_utf8_valid(text, at + n));
        }
    }
    CHECK(ln_utf8_valid(NULL, 0));
    CHECK(ln_utf8_valid("a\0b", 3));
    CHECK_INT(ln_utf8_char("", 0), 0);
}

TEST(skips_what_is_not_ascii) {
    static const char text[] = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
                               "a\xc3\xa9\xc3(";
    const char *end = text + sizeof text - 1;
    CHECK(ln_utf8_skip(text, end) == text + 9);
    CHECK(ln_utf8_skip(text, text + 8) == text + 5); /* the last one is cut short */
    CHECK(ln_utf8_skip(text + 9, end) == text + 9);
    CHECK(ln_utf8_skip(text + 10, end) == text + 12);
    CHECK(ln_utf8_skip(text + 12, end) == text + 12);
    CHECK(ln_utf8_skip(end, end) == end);
}

TEST(split_at_every_position) {
    static const char text[] = "caf\xc3\xa9 \xe2\x82\xac 12345678 \xf0\x9f\x98\x80\xed\x9f\xbf end";
    size_t n = sizeof text - 1;
    for (size_t i = 0; i <= n; i++) {
        for (size_t k = i; k <= n; k++) {
            uint32_t state = 0;
            CHECK(ln_utf8_feed(&state, text, i));
            bool inside = i < n && (text[i] & 0xc0) == 0x80;
            CHECK((state != 0) == inside);
            CHECK(ln_utf8_feed(&state, text + i, k - i));
            CHECK(ln_utf8_feed(&state, text + k, n - k));
            CHECK_INT(state, 0);
        }
    }
}

TEST(feed_fails_at_once_and_for_good) {
    uint32_t state = 0;
    CHECK(ln_utf8_feed(&state, "\xf4", 1));
    CHECK(!ln_utf8_feed(&state, "\x90", 1)); /* over U+10FFFF: known at the second byte */
    CHECK(!ln_utf8_feed(&state, "\x80", 1));
    CHECK(!ln_utf8_feed(&state, "plain", 5));
    CHECK(!ln_utf8_feed(&state, NULL, 0));
    state = 0;
    CHECK(ln_utf8_feed(&state, "\xed", 1));
    CHECK(!ln_utf8_feed(&state, "\xa0", 1));
    state = 0;
    CHECK(ln_utf8_feed(&state, "\xe2\x82", 2));
    CHECK(state != 0); /* the text may not end here */
}

static void check_base64(struct ln_str plain, const char *coded) {
    struct ln_buf b = {0};
    ln_base64_encode(&b, plain.p, plain.n);
    CHECK_STR(ln_buf_get(&b), coded);
    ln_buf_clear(&b);
    CHECK(ln_base64_decode(&b, ln_str(coded)));
    CHECK(ln_str_eq(ln_buf_get(&b), plain));
    struct ln_str bare = ln_str(coded);
    while (bare.n && bare.p[bare.n - 1] == '=')
        bare.n--;
    ln_buf_clear(&b);
    CHECK(ln_base64_decode(&b, bare));
    CHECK(ln_str_eq(ln_buf_get(&b), plain));
    ln_buf_free(&b);
}

TEST(base64) {
    /* RFC 4648 10 */
    check_base64(LN_STR(""), "");
    check_base64(LN_STR("f"), "Zg==");
    check_base64(LN_STR("fo"), "Zm8=");
    check_base64(LN_STR("foo"), "Zm9v");
    check_base64(LN_STR("foob"), "Zm9vYg==");
    check_base64(LN_STR("fooba"), "Zm9vYmE=");
    check_base64(LN_STR("foobar"), "Zm9vYmFy");
    check_base64(LN_STR("\xfb\xff\xbf\x00"), "+/+/AA==");
    struct ln_buf b = {0};
    CHECK(ln_base64_decode(&b, LN_STR("-_-_")));
    CHECK_STR(ln_buf_get(&b), "\xfb\xff\xbf");
    ln_buf_free(&b);
}

TEST(base64_round_trip) {
    unsigned char data[256];
    ln_random_fake(1);
    ln_random(data, sizeof data);
    ln_random_fake(0);
    for (size_t n = 0; n <= sizeof data; n++) {
        struct ln_buf coded = {0}, plain = {0};
        ln_base64_encode(&coded, data, n);
        CHECK_INT(coded.n, (n + 2) / 3 * 4);
        CHECK(ln_base64_decode(&plain, ln_buf_get(&coded)));
        CHECK(ln_str_eq(ln_buf_get(&plain), (struct ln_str){(char *)data, n}));
        ln_buf_free(&coded);
        ln_buf_free(&plain);
    }
}

TEST(malformed_base64) {
    static const char *const bad[] = {
        "Z",      "Zm9vY", "=",           "==",       "===",  "====", "Z===",     "Zg=",
        "Zg===",  "Zm9v=", "Zm9v==",      "Zm9v====", "Zm=v", "Z=9v", "Zm9 v",    "Zm9\nv===",
        "Zm9v\n", "Zm!v",  "Zm9v\x80v==", "Zh==",     "Zh",   "Zm9=", "Zm9vYmF=", "Zg==Zg==",
    };
    struct ln_buf b = {0};
    ln_buf_puts(&b, "before");
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        CHECK(!ln_base64_decode(&b, ln_str(bad[i])));
        CHECK_STR(ln_buf_get(&b), "before");
    }
    CHECK(!ln_base64_decode(&b, LN_STR("Zm9\0")));
    CHECK_STR(ln_buf_get(&b), "before");
    ln_buf_free(&b);
}

TEST(hex) {
    struct ln_buf b = {0};
    ln_hex(&b, "\x00\x7f\xff\xa5", 4);
    ln_hex(&b, NULL, 0);
    CHECK_STR(ln_buf_get(&b), "007fffa5");
    ln_buf_free(&b);
}

TEST(percent_coding) {
    struct ln_buf b = {0}, back = {0};
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    ln_percent_encode(&b, LN_STR("a b&c=\xc3\xa9/~!*'()-_.%"));
    CHECK_STR(ln_buf_get(&b), "a%20b%26c%3D%C3%A9%2F~!*'()-_.%25");
    ln_buf_clear(&b);
    ln_percent_encode(&b, (struct ln_str){all, 256});
    CHECK(memchr(b.p, 0, b.n) == NULL);
    CHECK(ln_percent_decode(&back, ln_buf_get(&b)));
    CHECK(ln_str_eq(ln_buf_get(&back), (struct ln_str){all, 256}));
    ln_buf_clear(&back);
    CHECK(ln_percent_decode(&back, LN_STR("a+b%2f%2F")));
    CHECK_STR(ln_buf_get(&back), "a+b//");
    static const char *const bad[] = {"%", "%2", "a%", "a%g0", "%0g", "%%20", "%-1", "% 1"};
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        CHECK(!ln_percent_decode(&back, ln_str(bad[i])));
        CHECK_STR(ln_buf_get(&back), "a+b//");
    }
    ln_buf_free(&b);
    ln_buf_free(&back);
}

TEST(words_in_either_case_and_without_blanks) {
    CHECK(ln_word_is(LN_STR("Max-AGE"), "max-age") && ln_word_is(LN_STR(""), ""));
    CHECK(!ln_word_is(LN_STR("max-ag"), "max-age") && !ln_word_is(LN_STR("max-age "), "max-age"));
    CHECK(!ln_word_is(LN_STR("@"), "`") && !ln_word_is(LN_STR("["), "{")); /* no letters */
    CHECK_STR(ln_trim(LN_STR(" \t a b\t ")), "a b");
    CHECK_STR(ln_trim(LN_STR(" \t ")), "");
    CHECK_STR(ln_trim(LN_STR("\na")), "\na");
    static const char digits[] = "0123456789abcdef";
    for (int c = 0; c < 256; c++) {
        const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
        CHECK_INT(ln_hex_digit((char)c), at ? at - digits : -1);
    }
}

TEST_MAIN(T(every_code_point_in_every_length), T(malformed_utf8), T(skips_what_is_not_ascii),
          T(split_at_every_position), T(feed_fails_at_once_and_for_good), T(base64),
          T(base64_round_trip), T(malformed_base64), T(hex), T(percent_coding),
          T(words_in_either_case_and_without_blanks))
