/* SPDX-License-Identifier: MIT
 *
 * JSON: what RFC 8259 accepts and refuses, class by class, and the words for it.
 */
#include "test.h"

#include "base/json.h"
#include "base/text.h"

static bool valid(struct ln_str text) {
    /* In memory of exactly its size: a byte read too far is seen. */
    char *exact = malloc(text.n ? text.n : 1);
    if (!exact) abort();
    memcpy(exact, text.n ? text.p : "", text.n);
    struct ln_err err;
    bool ok = ln_json_valid((struct ln_str){exact, text.n}, &err);
    free(exact);
    return ok;
}

#define ACCEPT(literal) CHECK(valid(LN_STR(literal)))
#define REFUSE(literal) CHECK(!valid(LN_STR(literal)))

TEST(accepts_scalars) {
    ACCEPT("null");
    ACCEPT("true");
    ACCEPT("false");
    ACCEPT("\"\"");
    ACCEPT(" \t\r\n1 \t\r\n");
    ACCEPT("0");
    ACCEPT("-0");
    ACCEPT("10");
    ACCEPT("-1.0");
    ACCEPT("0.125e10");
    ACCEPT("1E+2");
    ACCEPT("1e-2");
    ACCEPT("0e1");
    ACCEPT("0e00");
    ACCEPT("9223372036854775808");
    ACCEPT("123456789012345678901234567890123456789012345678901234567890");
    ACCEPT("1e999999999");
    ACCEPT("-0.0000000000000000000000000000000000000000000000000000000000000001");
}

TEST(refuses_numbers) {
    REFUSE("-");
    REFUSE("+1");
    REFUSE("01");
    REFUSE("-01");
    REFUSE("00");
    REFUSE("0123.4");
    REFUSE("1.");
    REFUSE(".5");
    REFUSE("-.5");
    REFUSE("1.e5");
    REFUSE("1e");
    REFUSE("1e+");
    REFUSE("1e1.5");
    REFUSE("1ee5");
    REFUSE("0x10");
    REFUSE("1_000");
    REFUSE("1 000");
    REFUSE("NaN");
    REFUSE("-NaN");
    REFUSE("Infinity");
    REFUSE("-Infinity");
    REFUSE("inf");
    REFUSE("--1");
    REFUSE("1-1");
    REFUSE("\xef\xbc\x91"); /* a full-width 1 */
    REFUSE("[1a]");
    REFUSE("[-a]");
}

TEST(refuses_words) {
    REFUSE("");
    REFUSE(" ");
    REFUSE("nul");
    REFUSE("nulll");
    REFUSE("tru");
    REFUSE("True");
    REFUSE("FALSE");
    REFUSE("undefined");
    REFUSE("truefalse");
    REFUSE("'a'");
    REFUSE("a");
    REFUSE("*");
    REFUSE("\0");
    REFUSE("1\0");
    REFUSE("\x0b"
           "1"); /* vertical tab is no white space */
    REFUSE("\xc2\xa0"
           "1");
}

TEST(structures) {
    ACCEPT("[]");
    ACCEPT("{}");
    ACCEPT("[ ]");
    ACCEPT("{ }");
    ACCEPT("[[],{},[{}]]");
    ACCEPT("{\"\":0}");
    ACCEPT("{\"a\":{\"b\":[1,2,{\"c\":null}]} , \"d\" :\n\"e\"}");
    ACCEPT("{\"a\":1,\"a\":2}");
    REFUSE("[");
    REFUSE("]");
    REFUSE("{");
    REFUSE("}");
    REFUSE("[1");
    REFUSE("[1,");
    REFUSE("[1,]");
    REFUSE("[,1]");
    REFUSE("[,]");
    REFUSE("[1,,2]");
    REFUSE("[1 2]");
    REFUSE("[1}");
    REFUSE("{]");
    REFUSE("{\"a\":1]");
    REFUSE("[1]]");
    REFUSE("{\"a\"}");
    REFUSE("{\"a\":}");
    REFUSE("{\"a\" 1}");
    REFUSE("{\"a\",1}");
    REFUSE("{\"a\"::1}");
    REFUSE("{\"a\":1,}");
    REFUSE("{,}");
    REFUSE("{,\"a\":1}");
    REFUSE("{\"a\":1 \"b\":2}");
    REFUSE("{\"a\":1,,\"b\":2}");
    REFUSE("{a:1}");
    REFUSE("{1:1}");
    REFUSE("{null:1}");
    REFUSE("{[]:1}");
    REFUSE("{'a':1}");
    REFUSE("[1:2]");
    REFUSE("[\"a\":1]");
}

TEST(refuses_what_stands_around) {
    REFUSE("1 2");
    REFUSE("[] []");
    REFUSE("{}x");
    REFUSE("\"a\"\"b\"");
    REFUSE("null,");
    REFUSE("[1] // no");
    REFUSE("[1 /* no */]");
    REFUSE("\xef\xbb\xbf[]");
    REFUSE("\xef\xbb");
    REFUSE("[]\xef\xbb\xbf");
    REFUSE("\xff\xfe[\0]\0");
}

TEST(strings) {
    ACCEPT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u12aB\"");
    ACCEPT("\"\\ud83d\\ude00\"");
    ACCEPT("\"\\uD800\\uDC00\\uDBFF\\uDFFF\"");
    ACCEPT("\"\x7f\xc2\x80 \xe2\x80\xa8 \xef\xbf\xbf \xf4\x8f\xbf\xbf\"");
    ACCEPT("\"'/\"");
    REFUSE("\"");
    REFUSE("\"abc");
    REFUSE("\"\\");
    REFUSE("\"\\\"");
    REFUSE("\"\\a\"");
    REFUSE("\"\\x41\"");
    REFUSE("\"\\'\"");
    REFUSE("\"\\0\"");
    REFUSE("\"\\\0\"");
    REFUSE("\"\\U0041\"");
    REFUSE("\"\\u\"");
    REFUSE("\"\\u004\"");
    REFUSE("\"\\u004g\"");
    REFUSE("\"\\u 041\"");
    REFUSE("\"\\u+041\"");
    REFUSE("\"\n\"");
    REFUSE("\"\t\"");
    REFUSE("\"\0\"");
    REFUSE("\"\x1f\"");
}

TEST(refuses_lone_surrogates) {
    REFUSE("\"\\ud83d\"");
    REFUSE("\"\\ude00\"");
    REFUSE("\"\\ude00\\ud83d\"");
    REFUSE("\"\\ud83d\\ud83d\"");
    REFUSE("\"\\ud83dx\\ude00\"");
    REFUSE("\"\\ud83d\\n\"");
    REFUSE("\"\\ud83d\\u\"");
    REFUSE("\"\\ud83d\\u00e9\"");
    REFUSE("\"\\ud83d\\ude0");
    REFUSE("{\"\\udc00\":1}");
}

TEST(refuses_bad_utf8_anywhere) {
    REFUSE("\"\xff\"");
    REFUSE("\"\xc3\"");
    REFUSE("\"\xc0\xaf\"");
    REFUSE("\"\xed\xa0\x80\"");
    REFUSE("\"\xf4\x90\x80\x80\"");
    REFUSE("\"\xe2\x82\"");
    REFUSE("{\"\x80\":1}");
    REFUSE("[\"a\", \xe9]");
}

/* What is special must be found in each lane of the wide scan, and in the tail behind it. */
TEST(specials_at_every_place) {
    char text[80];
    for (size_t n = 1; n < 70; n++) {
        for (size_t at = 1; at <= n; at++) {
            memset(text, 'x', sizeof text);
            text[0] = text[n + 1] = '"';
            struct ln_str whole = {text, n + 2};
            CHECK(valid(whole));
            text[at] = 0x1f;
            CHECK(!valid(whole));
            text[at] = (char)0x80;
            CHECK(!valid(whole));
            text[at] = '"';
            CHECK(!valid(whole));
            CHECK(ln_json_plain(text + 1, text + 1 + n) == text + at);
            text[at] = '\\';
            CHECK(!valid(whole));
        }
        CHECK(ln_json_plain(text + 1, text + 1) == text + 1);
    }
}

static int deepest(char open, char close, int max_depth) {
    char text[4096];
    for (int depth = 1; depth < 300; depth++) {
        size_t n = 0;
        for (int i = 0; i < depth; i++) {
            if (open == '{' && i > 0) {
                memcpy(text + n, "\"k\":", 4);
                n += 4;
            }
            text[n++] = open;
        }
        for (int i = 0; i < depth; i++)
            text[n++] = close;
        struct ln_json j;
        ln_json_init(&j, (struct ln_str){text, n}, max_depth);
        enum ln_json_type type;
        do {
            type = ln_json_next(&j);
        } while (type != LN_JSON_ERROR && type != LN_JSON_END);
        if (type == LN_JSON_ERROR) {
            CHECK_STR(ln_str(j.error), "nested too deeply");
            return depth - 1;
        }
    }
    return 300;
}

TEST(depth_is_limited) {
    CHECK_INT(deepest('[', ']', 0), LN_JSON_DEPTH);
    CHECK_INT(deepest('{', '}', 0), LN_JSON_DEPTH);
    CHECK_INT(deepest('[', ']', 1), 1);
    CHECK_INT(deepest('{', '}', 9), 9);
    CHECK_INT(deepest('[', ']', 200), 200);
    CHECK_INT(deepest('{', '}', 1000000), 200);
    char many[100000];
    memset(many, '[', sizeof many);
    CHECK(!valid((struct ln_str){many, sizeof many}));
}

static void check_error(struct ln_str text, const char *want) {
    struct ln_err err = {0};
    CHECK(!ln_json_valid(text, &err));
    CHECK_INT(err.code, LN_INVALID);
    CHECK_STR(ln_str(err.text), want);
}

TEST(errors_have_a_place) {
    check_error(LN_STR(""), "line 1, column 1: expected a value");
    check_error(LN_STR("[1,\n  2,\n  oops]"), "line 3, column 3: expected a value");
    check_error(LN_STR("[\"\xc3\xa9\xf0\x9f\x98\x80\", x]"), "line 1, column 8: expected a value");
    check_error(LN_STR("[1,]"), "line 1, column 4: expected a value after the comma or colon");
    check_error(LN_STR("[1 2]"), "line 1, column 4: expected a comma or ]");
    check_error(LN_STR("{\"a\":1 2}"), "line 1, column 8: expected a comma or }");
    check_error(LN_STR("{a:1}"), "line 1, column 2: expected a key in quotes");
    check_error(LN_STR("{\"a\" 1}"), "line 1, column 6: expected a colon after the key");
    check_error(LN_STR("[1"), "line 1, column 3: the text ends too early");
    check_error(LN_STR("[1,"), "line 1, column 4: the text ends too early");
    check_error(LN_STR("{\"a\""), "line 1, column 5: expected a colon after the key");
    check_error(LN_STR("{\"a\":"), "line 1, column 6: the text ends too early");
    check_error(LN_STR("[] x"), "line 1, column 4: something stands behind the value");
    check_error(LN_STR("\"abc"), "line 1, column 5: the text ends inside a string");
    check_error(LN_STR("\"a\nb\""),
                "line 1, column 3: a control character in a string must be escaped");
    check_error(LN_STR("\"a\\q\""), "line 1, column 3: unknown escape");
    check_error(LN_STR("\"\\u12\""),
                "line 1, column 2: expected four hexadecimal digits after \\u");
    check_error(LN_STR("\"\\ud800\""), "line 1, column 2: half a surrogate pair");
    check_error(LN_STR("\"ab\xff\""), "line 1, column 4: not UTF-8");
    check_error(LN_STR("01"), "line 1, column 2: a number must not begin with 0");
    check_error(LN_STR("+1"), "line 1, column 1: a number must not begin with +");
    check_error(LN_STR("-x"), "line 1, column 2: expected a digit");
    check_error(LN_STR("1.x"), "line 1, column 3: expected a digit after the point");
    check_error(LN_STR("1ex"), "line 1, column 3: expected a digit in the exponent");
    check_error(LN_STR("\xef\xbb\xbf[]"), "line 1, column 1: a byte order mark is not allowed");
    CHECK(!ln_json_valid(LN_STR("x"), NULL));
}

TEST(tokens_come_in_order) {
    static const struct {
        enum ln_json_type type;
        const char *raw;
        int depth;
    } want[] = {
        {LN_JSON_OBJECT, "{", 1},      {LN_JSON_KEY, "a", 1},        {LN_JSON_ARRAY, "[", 2},
        {LN_JSON_NUMBER, "-1.5e3", 2}, {LN_JSON_STRING, "x\\n", 2},  {LN_JSON_NULL, "null", 2},
        {LN_JSON_ARRAY_END, "]", 1},   {LN_JSON_KEY, "b\\u0041", 1}, {LN_JSON_TRUE, "true", 1},
        {LN_JSON_KEY, "c", 1},         {LN_JSON_OBJECT, "{", 2},     {LN_JSON_OBJECT_END, "}", 1},
        {LN_JSON_KEY, "d", 1},         {LN_JSON_FALSE, "false", 1},  {LN_JSON_OBJECT_END, "}", 0},
        {LN_JSON_END, "", 0},          {LN_JSON_END, "", 0},
    };
    struct ln_json j;
    ln_json_init(&j,
                 LN_STR(" {\"a\" : [-1.5e3,\"x\\n\" ,null ],\"b\\u0041\":true,"
                        "\"c\":{ },\"d\":false} "),
                 0);
    for (size_t i = 0; i < LN_COUNT(want); i++) {
        CHECK_INT(ln_json_next(&j), want[i].type);
        CHECK_STR(j.raw, want[i].raw);
        CHECK_INT(j.depth, want[i].depth);
        if (want[i].type == LN_JSON_STRING || want[i].type == LN_JSON_KEY)
            CHECK(j.escaped == (strchr(want[i].raw, '\\') != NULL));
    }
}

TEST(an_error_stays) {
    struct ln_json j;
    ln_json_init(&j, LN_STR("[x,1]"), 0);
    CHECK_INT(ln_json_next(&j), LN_JSON_ARRAY);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(ln_json_next(&j), LN_JSON_ERROR);
        CHECK_STR(ln_str(j.error), "expected a value");
    }
}

TEST(skips_values) {
    struct ln_json j;
    ln_json_init(&j, LN_STR("[[1,{\"a\":[2]}],{\"k\":[3,4],\"l\":5},6]"), 0);
    ln_json_next(&j);
    CHECK(ln_json_skip(&j, ln_json_next(&j)));
    CHECK_INT(j.depth, 1);
    CHECK_INT(ln_json_next(&j), LN_JSON_OBJECT);
    CHECK(ln_json_skip(&j, ln_json_next(&j))); /* a key with its value */
    CHECK_INT(ln_json_next(&j), LN_JSON_KEY);
    CHECK_STR(j.raw, "l");
    CHECK(ln_json_skip(&j, LN_JSON_KEY));
    CHECK_INT(ln_json_next(&j), LN_JSON_OBJECT_END);
    CHECK(ln_json_skip(&j, ln_json_next(&j)));
    CHECK_INT(ln_json_next(&j), LN_JSON_ARRAY_END);
    ln_json_init(&j, LN_STR("[[1,2}"), 0);
    ln_json_next(&j);
    CHECK(!ln_json_skip(&j, ln_json_next(&j)));
    CHECK(!ln_json_skip(&j, LN_JSON_ERROR));
}

TEST_MAIN(T(accepts_scalars), T(refuses_numbers), T(refuses_words), T(structures),
          T(refuses_what_stands_around), T(strings), T(refuses_lone_surrogates),
          T(refuses_bad_utf8_anywhere), T(specials_at_every_place), T(depth_is_limited),
          T(errors_have_a_place), T(tokens_come_in_order), T(an_error_stays), T(skips_values))
