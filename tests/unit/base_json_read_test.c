/* SPDX-License-Identifier: MIT
 *
 * JSON: look-ups, decoded strings and numbers, and the writer.
 */
#include "test.h"

#include <math.h>

#include "base/json.h"

TEST(peeks) {
    CHECK_INT(ln_json_peek(LN_STR(" \n\t\r{")), LN_JSON_OBJECT);
    CHECK_INT(ln_json_peek(LN_STR("[")), LN_JSON_ARRAY);
    CHECK_INT(ln_json_peek(LN_STR("\"")), LN_JSON_STRING);
    CHECK_INT(ln_json_peek(LN_STR("-")), LN_JSON_NUMBER);
    CHECK_INT(ln_json_peek(LN_STR("9")), LN_JSON_NUMBER);
    CHECK_INT(ln_json_peek(LN_STR("n")), LN_JSON_NULL);
    CHECK_INT(ln_json_peek(LN_STR("t")), LN_JSON_TRUE);
    CHECK_INT(ln_json_peek(LN_STR("f")), LN_JSON_FALSE);
    CHECK_INT(ln_json_peek(LN_STR("x")), LN_JSON_ERROR);
    CHECK_INT(ln_json_peek(LN_STR("  ")), LN_JSON_END);
    CHECK_INT(ln_json_peek((struct ln_str){NULL, 0}), LN_JSON_END);
}

TEST(gets_members) {
    struct ln_str doc = LN_STR("{\"a\" : [1, 2] ,\"b\":\"x\\\"y\",\"a\":{\"n\":1},\"\\u0063\":3,"
                               "\"\":4,\"ab\":null}");
    CHECK_STR(ln_json_get(doc, "a"), "{\"n\":1}"); /* the last of two */
    CHECK_STR(ln_json_get(doc, "b"), "\"x\\\"y\"");
    CHECK_STR(ln_json_get(doc, "c"), "3"); /* written with an escape */
    CHECK_STR(ln_json_get(doc, ""), "4");
    CHECK_STR(ln_json_get(doc, "ab"), "null");
    CHECK(ln_json_get(doc, "n").p == NULL); /* not from a deeper level */
    CHECK(ln_json_get(doc, "abc").p == NULL);
    CHECK(ln_json_get(LN_STR("[1]"), "a").p == NULL);
    CHECK(ln_json_get(LN_STR("\"a\""), "a").p == NULL);
    CHECK(ln_json_get(LN_STR(""), "a").p == NULL);
    CHECK(ln_json_get(LN_STR("{\"x\":oops,\"a\":1}"), "a").p == NULL);
    CHECK(ln_json_get(LN_STR("{\"a\":[1,2"), "a").p == NULL);
    CHECK_STR(ln_json_get(LN_STR("{\"a\":1,oops"), "a"), "1");
}

TEST(gets_elements) {
    struct ln_str doc = LN_STR(" [ \"ev\" , {\"a\":[1]},[],-5,null ] ");
    CHECK_STR(ln_json_at(doc, 0), "\"ev\"");
    CHECK_STR(ln_json_at(doc, 1), "{\"a\":[1]}");
    CHECK_STR(ln_json_at(doc, 2), "[]");
    CHECK_STR(ln_json_at(doc, 3), "-5");
    CHECK_STR(ln_json_at(doc, 4), "null");
    CHECK(ln_json_at(doc, 5).p == NULL);
    CHECK(ln_json_at(LN_STR("[]"), 0).p == NULL);
    CHECK(ln_json_at(LN_STR("{}"), 0).p == NULL);
    CHECK_STR(ln_json_at(LN_STR("[1,oops"), 0), "1");
    CHECK(ln_json_at(LN_STR("[1,oops"), 1).p == NULL);
    CHECK(ln_json_at(LN_STR("[1,2"), SIZE_MAX).p == NULL);
}

TEST(walks) {
    size_t pos = 0;
    struct ln_str key, value;
    struct ln_str doc = LN_STR("{\"a\":1, \"b\\n\" : [true] }");
    CHECK(ln_json_each(doc, &pos, &key, &value));
    CHECK_STR(key, "a");
    CHECK_STR(value, "1");
    CHECK(ln_json_each(doc, &pos, &key, &value));
    CHECK_STR(key, "b\\n");
    CHECK_STR(value, "[true]");
    CHECK(!ln_json_each(doc, &pos, &key, &value));
    CHECK(!ln_json_each(doc, &pos, &key, &value));
    pos = 0;
    CHECK(!ln_json_each(doc, &pos, NULL, &value)); /* an object is not an array */
    pos = 0;
    CHECK(!ln_json_each(LN_STR("[1]"), &pos, &key, &value));
    pos = 0;
    CHECK(!ln_json_each(LN_STR("{}"), &pos, &key, &value));
    pos = 0;
    CHECK(!ln_json_each((struct ln_str){NULL, 0}, &pos, NULL, &value));
    pos = 99;
    CHECK(!ln_json_each(LN_STR("[1]"), &pos, NULL, &value));
    pos = 0;
    CHECK(ln_json_each(LN_STR("[1 2]"), &pos, NULL, &value));
    CHECK(!ln_json_each(LN_STR("[1 2]"), &pos, NULL, &value));
    /* Nesting counts from the walk's own level. */
    pos = 0;
    int seen = 0;
    while (ln_json_each(LN_STR("[[[1]],[[2]],[[3]]]"), &pos, NULL, &value))
        seen++;
    CHECK_INT(seen, 3);
}

static bool text_of(struct ln_str raw, const char *want, size_t n) {
    struct ln_buf b = {0};
    ln_buf_puts(&b, "+");
    bool ok = ln_json_text(raw, &b) && b.n == n + 1 && memcmp(b.p + 1, want, n) == 0;
    if (!ok) CHECK_STR(ln_buf_get(&b), "+"); /* untouched when refused */
    ln_buf_free(&b);
    return ok;
}

TEST(decodes_strings) {
    CHECK(text_of(LN_STR("\"plain\""), "plain", 5));
    CHECK(text_of(LN_STR("\"\""), "", 0));
    CHECK(text_of(LN_STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\/\b\f\n\r\t", 8));
    CHECK(text_of(LN_STR("\"\\u0000\\u007f\\u0080\\u07ff\""), "\0\x7f\xc2\x80\xdf\xbf", 6));
    CHECK(text_of(LN_STR("\"\\u0800\\uFFFF\\uD7ff\\ue000\""),
                  "\xe0\xa0\x80\xef\xbf\xbf\xed\x9f\xbf\xee\x80\x80", 12));
    CHECK(
        text_of(LN_STR("\"\\ud800\\udc00\\uDBFF\\uDFFF\""), "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8));
    CHECK(text_of(LN_STR("\"a\xc3\xa9\\n\xf0\x9f\x98\x80z\""), "a\xc3\xa9\n\xf0\x9f\x98\x80z", 9));
    CHECK(!text_of(LN_STR("plain"), "", 0));
    CHECK(!text_of(LN_STR("\"open"), "", 0));
    CHECK(!text_of(LN_STR("\"a\" \"b\""), "", 0));
    CHECK(!text_of(LN_STR("\"ok\\ud800\""), "", 0));
    CHECK(!text_of(LN_STR("1"), "", 0));
    CHECK(!text_of((struct ln_str){NULL, 0}, "", 0));
    struct ln_buf b = {0};
    CHECK(!ln_json_unescape(LN_STR("abc\\"), &b));
    CHECK(!ln_json_unescape(LN_STR("abc\\u12"), &b));
    CHECK(!ln_json_unescape(LN_STR("abc\\udc00"), &b));
    CHECK_INT(b.n, 0);
    CHECK(ln_json_unescape((struct ln_str){NULL, 0}, &b));
    ln_buf_free(&b);
}

static int64_t int_of(const char *raw) {
    int64_t v = 0;
    return ln_json_int(ln_str(raw), &v) ? v : 424242;
}

TEST(reads_integers) {
    CHECK_INT(int_of("0"), 0);
    CHECK_INT(int_of("-0"), 0);
    CHECK_INT(int_of(" 25000 "), 25000);
    CHECK_INT(int_of("-17"), -17);
    CHECK_INT(int_of("9007199254740993"), 9007199254740993);
    CHECK_INT(int_of("9223372036854775807"), INT64_MAX);
    CHECK_INT(int_of("-9223372036854775808"), INT64_MIN);
    static const char *const bad[] = {"9223372036854775808",
                                      "-9223372036854775809",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "1.0",
                                      "1e3",
                                      "\"1\"",
                                      "",
                                      "-",
                                      "01",
                                      "1 2",
                                      "null",
                                      "[1]"};
    for (size_t i = 0; i < LN_COUNT(bad); i++)
        CHECK_INT(int_of(bad[i]), 424242);
}

TEST(reads_booleans) {
    bool b = false;
    CHECK(ln_json_bool(LN_STR("true"), &b) && b);
    CHECK(ln_json_bool(LN_STR(" false "), &b) && !b);
    CHECK(!ln_json_bool(LN_STR("truee"), &b));
    CHECK(!ln_json_bool(LN_STR("1"), &b));
    CHECK(!ln_json_bool(LN_STR("null"), &b));
    CHECK(!ln_json_bool(LN_STR("\"true\""), &b));
    CHECK(!ln_json_bool((struct ln_str){NULL, 0}, &b));
}

static void check_quote(struct ln_str s, const char *want) {
    struct ln_buf b = {0};
    ln_json_quote(&b, s);
    CHECK_STR(ln_buf_get(&b), want);
    CHECK(ln_json_valid(ln_buf_get(&b), NULL));
    ln_buf_free(&b);
}

TEST(quotes) {
    check_quote((struct ln_str){NULL, 0}, "\"\"");
    check_quote(LN_STR("plain"), "\"plain\"");
    check_quote(LN_STR("say \"hi\" \\ /"), "\"say \\\"hi\\\" \\\\ /\"");
    check_quote(LN_STR("\b\f\n\r\t\0\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\"");
    check_quote(LN_STR("caf\xc3\xa9 \xf0\x9f\x98\x80"), "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"");
    check_quote(LN_STR("a\xff"
                       "b"),
                "\"a\xef\xbf\xbd"
                "b\"");
    check_quote(LN_STR("\xc3"), "\"\xef\xbf\xbd\"");
    check_quote(LN_STR("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    check_quote(LN_STR("0123456789abcdef\n0123456789abcdef\""),
                "\"0123456789abcdef\\n0123456789abcdef\\\"\"");
}

TEST(every_byte_quoted_reads_back) {
    for (int c = 0; c < 256; c++) {
        for (size_t at = 0; at < 34; at += 3) {
            char s[34];
            memset(s, 'x', sizeof s);
            s[at] = (char)c;
            struct ln_buf quoted = {0}, back = {0};
            ln_json_quote(&quoted, (struct ln_str){s, sizeof s});
            CHECK(ln_json_text(ln_buf_get(&quoted), &back));
            if (c < 0x80) CHECK(ln_str_eq(ln_buf_get(&back), (struct ln_str){s, sizeof s}));
            ln_buf_free(&quoted);
            ln_buf_free(&back);
        }
    }
}

static void check_double(double d, const char *want) {
    struct ln_buf b = {0};
    ln_json_double(&b, d);
    CHECK_STR(ln_buf_get(&b), want);
    ln_buf_free(&b);
}

TEST(doubles) {
    check_double(0.0, "0.0");
    check_double(-0.0, "-0.0");
    check_double(1.0, "1.0");
    check_double(-42.0, "-42.0");
    check_double(0.1, "0.1");
    check_double(0.1 + 0.2, "0.30000000000000004");
    check_double(1.0 / 3.0, "0.3333333333333333");
    check_double(123456789.125, "123456789.125");
    check_double(999999999999999.0, "999999999999999.0");
    check_double(1e15, "1e+15");
    check_double(1234567890123456.0, "1234567890123456.0");
    check_double(9007199254740992.0, "9007199254740992.0");
    check_double(1e300, "1e+300");
    check_double(5e-324, "4.94065645841247e-324");
    check_double(1.7976931348623157e308, "1.7976931348623157e+308");
    check_double((double)INFINITY, "null");
    check_double(-(double)INFINITY, "null");
    check_double((double)NAN, "null");
}

TEST(doubles_read_back) {
    uint64_t bits = 88172645463325252u;
    int checked = 0;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double d, back;
        memcpy(&d, &bits, sizeof d);
        struct ln_buf b = {0};
        ln_json_double(&b, d);
        if (strcmp(ln_buf_cstr(&b), "null") != 0) {
            back = strtod(ln_buf_cstr(&b), NULL);
            CHECK(memcmp(&d, &back, sizeof d) == 0);
            CHECK(ln_json_valid(ln_buf_get(&b), NULL));
            CHECK(strpbrk(ln_buf_cstr(&b), ".e") != NULL);
            checked++;
        }
        ln_buf_free(&b);
    }
    CHECK(checked > 19000);
}

TEST(ends_of_strings) {
    static const struct {
        const char *text;
        int at; /* -1: none */
    } cases[] = {
        {"\"", 0},
        {"abc\"d\"", 3},
        {"a\\\"b\"", 4},
        {"\\\\\"", 2},
        {"0123456789abcdef0123456789\"", 26},
        {"0123456789abcde\\\"0123456789abcdef\"", 33},
        {"0123456789abcdef\\", -1},
        {"\\\"", -1},
        {"abc", -1},
        {"", -1},
        {"\\", -1},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        size_t n = strlen(cases[i].text);
        char *text = malloc(n + 1); /* in its own block: a byte read too far is found */
        char *begin = text + 1;
        memcpy(begin, cases[i].text, n);
        const char *end = ln_json_string_end(begin, begin + n);
        CHECK_INT(end ? end - begin : -1, cases[i].at);
        free(text);
    }
}

TEST(unescapes_long_texts) {
    struct ln_buf out = {0};
    ln_buf_puts(&out, "kept ");
    CHECK(ln_json_unescape(
        LN_STR("0123456789abcdef\\\"0123456789\\\\abcdef\\u00e9\\ud83d\\ude00\\n"), &out));
    CHECK_STR(ln_buf_get(&out),
              "kept 0123456789abcdef\"0123456789\\abcdef\xc3\xa9\xf0\x9f\x98\x80\n");
    CHECK(!ln_json_unescape(LN_STR("0123456789abcdef0123456789\\x"), &out));
    CHECK(out.n == strlen("kept 0123456789abcdef\"0123456789\\abcdef\xc3\xa9\xf0\x9f\x98\x80\n"));
    ln_buf_free(&out);
}

TEST_MAIN(T(peeks), T(gets_members), T(gets_elements), T(walks), T(decodes_strings),
          T(reads_integers), T(reads_booleans), T(quotes), T(every_byte_quoted_reads_back),
          T(doubles), T(doubles_read_back), T(ends_of_strings), T(unescapes_long_texts))
