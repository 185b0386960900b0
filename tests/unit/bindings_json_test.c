/* SPDX-License-Identifier: MIT
 *
 * JSON to and from the Lua stack: values and errors by hand, generated texts against the real
 * lua-cjson, and agreement with base/json about what is JSON at all.
 */
#include <lualib.h>

#include "base/json.h"
#include "bindings/lua_json.h"
#include "lua_rig.h"

static struct rig r;
static struct script *s;

static void open_all(void) {
    rig_open(&r);
    s = rig_load(&r, "");
}

static void close_all(void) {
    rig_unload(&r, s);
    rig_close(&r);
}

/* Runs Lua in the script's main state; the text of its result. */
static const char *run(const char *code) {
    lua_State *L = s->L;
    lua_settop(L, 0);
    if (luaL_loadbufferx(L, code, strlen(code), "=t", "t") != LUA_OK ||
        lua_pcall(L, 0, 1, 0) != LUA_OK)
        return lua_tostring(L, -1);
    return luaL_tolstring(L, -1, NULL);
}

#define RUNS(code, want) CHECK_STR(ln_str(run(code)), want)
#define RUN_HAS(code, part) CHECK_HAS(run(code), part)

/* decode, then encode */
static const char *again(const char *text) {
    static char out[4000];
    struct ln_buf b = {0};
    struct ln_err err;
    lua_settop(s->L, 0);
    if (!lua_json_decode(s->L, ln_str(text), &err))
        snprintf(out, sizeof out, "%s", err.text);
    else if (!lua_json_encode(s->L, -1, &b, &err))
        snprintf(out, sizeof out, "encode: %s", err.text);
    else
        snprintf(out, sizeof out, "%.*s", LN_FMT(ln_buf_get(&b)));
    ln_buf_free(&b);
    return out;
}
#define AGAIN(text, want) CHECK_STR(ln_str(again(text)), want)
#define SAME(text) AGAIN(text, text)

/* --- decoding and encoding --- */

TEST(plain_values) {
    open_all();
    SAME("null");
    SAME("true");
    SAME("false");
    SAME("\"\"");
    SAME("\"a\"");
    SAME("[]");
    SAME("{}");
    SAME("[[],{},[[]],{\"a\":[]}]");
    SAME("[1,2,3]");
    SAME("[null,true,false,\"x\",[1],{\"k\":\"v\"}]");
    SAME("{\"a\":{\"b\":{\"c\":[1,{\"d\":null}]}}}");
    AGAIN(" \t\r\n[ 1 , 2 ] ", "[1,2]");
    AGAIN("{ \"a\" : 1 }", "{\"a\":1}");
    close_all();
}

TEST(numbers_are_exact) {
    open_all();
    SAME("0");
    SAME("-1");
    SAME("9007199254740993");
    SAME("123456789012345");
    SAME("9223372036854775807");
    SAME("-9223372036854775808");
    RUNS("return math.type(linnet.json.decode('9223372036854775807'))", "integer");
    RUNS("return math.type(linnet.json.decode('-9223372036854775808'))", "integer");
    RUNS("return math.type(linnet.json.decode('9223372036854775808'))", "float");
    RUNS("return linnet.json.decode('9223372036854775808') == 2^63", "true");
    RUNS("return linnet.json.decode('-9223372036854775809') == -2^63", "true");
    RUNS("return linnet.json.decode('123456789012345678901234567890') == "
         "123456789012345678901234567890",
         "true");
    RUNS("return math.type(linnet.json.decode('1.0'))", "float");
    RUNS("return math.type(linnet.json.decode('1e2'))", "float");
    RUNS("return 1 / linnet.json.decode('-0')", "-inf");
    RUNS("return 1 / linnet.json.decode('-0.0')", "-inf");
    RUNS("return math.type(linnet.json.decode('-0'))", "float");
    SAME("0.1");
    SAME("1.5");
    SAME("-2.25");
    SAME("1e+300");
    SAME("4.94065645841247e-324");
    RUNS("return linnet.json.decode('1e400')", "inf");
    RUNS("return linnet.json.decode('2.2250738585072014e-308') == 2.2250738585072014e-308", "true");
    RUNS("return linnet.json.decode('0.' .. ('0'):rep(100) .. '1') == 1e-101", "true");
    RUNS("return linnet.json.decode(('9'):rep(400) .. 'e-400') == 1.0", "true");
    close_all();
}

TEST(generated_doubles_survive) {
    open_all();
    RUNS("local s = 7\n"
         "local function bits() s = (s * 6364136223846793005 + 1442695040888963407) return s end\n"
         "local bad = 0\n"
         "for i = 1, 20000 do\n"
         "  local d = string.unpack('d', string.pack('j', bits()))\n"
         "  if d == d and d ~= math.huge and d ~= -math.huge then\n"
         "    for _, f in ipairs { '%.17g', '%.15g', '%.3f', '%.6e' } do\n"
         "      local text = f:format(d)\n"
         "      if linnet.json.decode(text) ~= tonumber(text) then bad = bad + 1 end\n"
         "    end\n"
         "    if linnet.json.decode(linnet.json.encode(d)) ~= d then bad = bad + 1 end\n"
         "  end\n"
         "  local n = bits()\n"
         "  if linnet.json.decode(linnet.json.encode(n)) ~= n then bad = bad + 1 end\n"
         "end\n"
         "return bad",
         "0");
    close_all();
}

TEST(strings_and_escapes) {
    open_all();
    AGAIN("\"\\u0041\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "\"A\\n\\t\\\"\\\\/\\b\\f\\r\"");
    AGAIN("\"\\u00e9\\u20ac\\ud83d\\ude00\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    SAME("\"\\u0000\\u001f\"");
    AGAIN("\"\\ud83d\"", "\"\xef\xbf\xbd\""); /* half an emoji, as JavaScript sends it */
    AGAIN("\"\\ude00x\"", "\"\xef\xbf\xbdx\"");
    AGAIN("\"\\ud83d\\u0041\"", "\"\xef\xbf\xbd"
                                "A\"");
    SAME("\"a long string that is scanned by sixteen bytes at a time, with \xc3\xa9 in it\"");
    SAME("\"a long string that is scanned by sixteen bytes at a time, with \\n in it\"");
    AGAIN("\"\xff\"", "line 1, column 1: a string is not UTF-8");
    AGAIN("\"\xed\xa0\x80\"", "line 1, column 1: a string is not UTF-8");
    AGAIN("\"\xc0\xaf\"", "line 1, column 1: a string is not UTF-8");
    AGAIN("[\"\\n\xff\"]", "line 1, column 2: a string is not UTF-8");
    for (int n = 0; n < 240; n++) { /* every place of a special byte in a block */
        char text[256];
        memset(text, 'x', sizeof text);
        text[0] = '"';
        memcpy(text + 1 + n, n % 3 == 0 ? "\\n" : "\xc3\xa9", 2);
        text[245] = '"';
        text[246] = '\0';
        SAME(text);
    }
    close_all();
}

TEST(objects_and_keys) {
    open_all();
    RUNS("return linnet.json.decode('{\"a\":1,\"a\":2}').a", "2"); /* the last one counts */
    RUNS("return linnet.json.decode('{\"a\":1,\"b\":3,\"a\":2,\"c\":4}').a", "2");
    RUNS("local t = {} for i = 1, 1000 do t[#t + 1] = ('\"k%d\":%d'):format(i, i) end\n"
         "t[#t + 1] = '\"k7\":-7'\n"
         "local d = linnet.json.decode('{' .. table.concat(t, ',') .. '}')\n"
         "local sum = 0 for k, v in pairs(d) do sum = sum + v end return sum",
         "500486");
    RUNS("local t = {} for i = 1, 100000 do t[i] = i end\n"
         "local d = linnet.json.decode(linnet.json.encode(t))\n"
         "return #d == 100000 and d[1] == 1 and d[65] == 65 and d[129] == 129 and d[100000] == "
         "100000",
         "true");
    RUNS("return linnet.json.decode('{\"\\\\u0061\":1}').a", "1");
    RUNS("return linnet.json.decode('{\"' .. ('k'):rep(100) .. '\":5}')[('k'):rep(100)]", "5");
    RUNS("return linnet.json.decode('{\"\":1}')['']", "1");
    close_all();
}

/* --- what is no JSON --- */

static const char *const bad_texts[] = {"",
                                        " ",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        "[1",
                                        "[1,",
                                        "[1,]",
                                        "[,1]",
                                        "[1 2]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{a:1}",
                                        "{'a':1}",
                                        "{1:1}",
                                        "{\"a\" 1}",
                                        "nul",
                                        "nulll",
                                        "True",
                                        "TRUE",
                                        "+1",
                                        "01",
                                        "-",
                                        "-a",
                                        "1.",
                                        ".5",
                                        "1.e1",
                                        "1e",
                                        "1e+",
                                        "0x10",
                                        "1 2",
                                        "[1]]",
                                        "\"",
                                        "\"a",
                                        "\"\\\"",
                                        "\"\\x\"",
                                        "\"\\u12\"",
                                        "\"\\u12g4\"",
                                        "\"\n\"",
                                        "\"\t\"",
                                        "\"\x01\"",
                                        "NaN",
                                        "Infinity",
                                        "-Infinity",
                                        "nan",
                                        "[1,2",
                                        "{\"a\":[}",
                                        "[\"a\",\n4\n,1,",
                                        "// x\n1",
                                        "1 /**/",
                                        "\xef\xbb\xbf"
                                        "1",
                                        "[undefined]",
                                        "\"\\",
                                        "\"\\u",
                                        "{\"a\":1 \"b\":2}",
                                        "[true false]",
                                        "--1",
                                        "1-",
                                        "1.2.3",
                                        "1ee2",
                                        "\xff",
                                        "00",
                                        "-01"};

static const char *const good_texts[] = {"1",
                                         "[]",
                                         "{}",
                                         " 1 ",
                                         "[1,2,3]",
                                         "\"x\"",
                                         "{\"a\":{\"b\":[]}}",
                                         "-0",
                                         "-0.0e-0",
                                         "1E5",
                                         "1e05",
                                         "[[[[[[[[]]]]]]]]",
                                         "\"\\u0000\"",
                                         "\"\x7f\"",
                                         "true",
                                         "\"\\/\"",
                                         "[\"\\u2028\"]",
                                         "0e1",
                                         "0.0"};

TEST(malformed_texts_are_errors) {
    open_all();
    for (size_t i = 0; i < LN_COUNT(bad_texts); i++) {
        struct ln_err err = {LN_OK, ""};
        lua_settop(s->L, 0);
        CHECK(!lua_json_decode(s->L, ln_str(bad_texts[i]), &err));
        CHECK_INT(err.code, LN_INVALID);
        CHECK_HAS(err.text, "line ");
        CHECK_INT(lua_gettop(s->L), 0);
        CHECK(!ln_json_valid(ln_str(bad_texts[i]), NULL));
    }
    for (size_t i = 0; i < LN_COUNT(good_texts); i++) {
        lua_settop(s->L, 0);
        CHECK(lua_json_decode(s->L, ln_str(good_texts[i]), NULL));
        CHECK(ln_json_valid(ln_str(good_texts[i]), NULL));
    }
    AGAIN("[1,\n 2,\n  x]", "line 3, column 3: expected a value");
    AGAIN("{\"a\":1 \"b\":2}", "line 1, column 8: expected ',' or '}'");
    AGAIN("1 2", "line 1, column 3: something follows the value");
    RUNS("local v, err = linnet.json.decode('{') return err.code .. ': ' .. tostring(err)",
         "invalid: line 1, column 2: expected a key in quotes");
    close_all();
}

TEST(depth_is_limited) {
    open_all();
    char text[300];
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    text[200] = '\0';
    SAME(text);
    memset(text, '[', 101);
    memset(text + 101, ']', 101);
    text[202] = '\0';
    AGAIN(text, "line 1, column 101: nested too deep");
    RUN_HAS("local t = {} for i = 1, 100 do t = { t } end return linnet.json.encode(t)",
            "nested deeper than 100");
    RUN_HAS("local t = {} t.x = { { t } } return linnet.json.encode(t)", "a table contains itself");
    RUN_HAS(
        "linnet.json.decode_max_depth(2) local v, err = linnet.json.decode('[[[]]]') return err",
        "nested too deep");
    RUNS("linnet.json.decode_max_depth(1000)\n"
         "return type(linnet.json.decode(('['):rep(1000) .. (']'):rep(1000)))",
         "table");
    close_all();
}

/* Every text that is a few edits away from a good one: both readers must agree on whether it is
 * JSON. */
TEST(both_readers_agree) {
    static const char alphabet[] = "[]{},:\"\\/ntfe01-+.aE \n\x80\xc3\xa9"
                                   "u";
    static const char *const seeds[] = {"[1,\"a\\n\",true,null,{\"k\":-1.5e3}]",
                                        "{\"a\":[],\"b\":\"\\u00e9\"}", "[0.5,\"\xc3\xa9\",false]",
                                        "\"\\ud83d\\ude00\""};
    uint32_t dice = 99;
    int differs = 0;
    open_all();
    for (int i = 0; i < 30000; i++) {
        char text[64];
        size_t n = strlen(strcpy(text, seeds[i % 4]));
        for (int edits = 1 + i % 3; edits > 0; edits--) {
            dice = dice * 1664525u + 1013904223u;
            size_t at = (dice >> 8) % n;
            dice = dice * 1664525u + 1013904223u;
            char c = alphabet[(dice >> 8) % (sizeof alphabet - 1)];
            if ((dice >> 4) % 3 == 0 && n > 2)
                memmove(text + at, text + at + 1, n-- - at);
            else
                text[at] = c;
        }
        struct ln_str t = {text, n};
        bool lone = strstr(text, "\\ud") != NULL; /* halves of pairs are allowed here only */
        lua_settop(s->L, 0);
        bool ours = lua_json_decode(s->L, t, NULL);
        if (ours != ln_json_valid(t, NULL) && !lone && differs++ < 5)
            printf("ours %d: %.*s\n", ours, LN_FMT(t));
    }
    CHECK_INT(differs, 0);
    close_all();
}

/* --- arguments and attachments --- */

TEST(arguments_are_lists) {
    struct ln_err err;
    open_all();
    lua_settop(s->L, 0);
    CHECK_INT(lua_json_decode_args(s->L, LN_STR(""), NULL, 0, &err), 0);
    CHECK_INT(lua_json_decode_args(s->L, LN_STR("1, \"x\" ,[2]"), NULL, 0, &err), 3);
    CHECK_INT(lua_tointeger(s->L, 1), 1);
    CHECK_STR(ln_str(lua_tostring(s->L, 2)), "x");
    CHECK_INT(lua_json_decode_args(s->L, LN_STR("1,"), NULL, 0, &err), -1);
    CHECK_INT(lua_json_decode_args(s->L, LN_STR("1 2"), NULL, 0, &err), -1);
    CHECK_HAS(err.text, "expected ','");
    CHECK_INT(lua_gettop(s->L), 3);
    struct ln_buf b = {0};
    CHECK(lua_json_encode_args(s->L, 1, 3, &b, NULL, &err));
    CHECK_STR(ln_buf_get(&b), "1,\"x\",[2]");
    ln_buf_clear(&b);
    ln_buf_puts(&b, "kept:");
    CHECK(lua_json_encode_args(s->L, 2, 1, &b, NULL, &err)); /* none */
    lua_settop(s->L, 0);
    CHECK(lua_json_encode_args(s->L, 1, 0, &b, NULL, &err)); /* none at all */
    CHECK_STR(ln_buf_get(&b), "kept:");
    CHECK_INT(lua_json_decode_args(s->L, LN_STR("1,2,3"), NULL, 0, &err), 3);
    lua_pushcfunction(s->L, luaopen_base);
    CHECK(!lua_json_encode_args(s->L, 1, 4, &b, NULL, &err));
    CHECK_STR(ln_str(err.text), "a function cannot be JSON");
    CHECK_STR(ln_buf_get(&b), "kept:");
    ln_buf_free(&b);
    close_all();
}

TEST(attachments_come_in_and_go_out) {
    struct ln_err err;
    struct ln_str bins[] = {{"\0\xff", 2}, LN_STR("two")};
    open_all();
    lua_settop(s->L, 0);
    CHECK_INT(
        lua_json_decode_args(
            s->L,
            LN_STR("{\"f\":{\"_placeholder\":true,\"num\":1}},{\"num\":0,\"_placeholder\":true}"),
            bins, 2, &err),
        2);
    lua_getfield(s->L, 1, "f");
    CHECK_STR(ln_str(lua_tostring(s->L, -1)), "two");
    CHECK_INT(lua_rawlen(s->L, 2), 2);
    CHECK_INT(
        lua_json_decode_args(s->L, LN_STR("{\"_placeholder\":true,\"num\":2}"), bins, 2, &err), -1);
    CHECK_HAS(err.text, "attachment that is missing");
    CHECK_INT(
        lua_json_decode_args(s->L, LN_STR("{\"_placeholder\":true,\"num\":0}"), NULL, 0, &err), 1);
    CHECK(lua_istable(s->L, -1)); /* an ordinary object where nothing is attached */

    run("return nil");
    lua_settop(s->L, 0);
    if (luaL_dostring(s->L, "return { linnet.binary('\\0\\255'), { x = linnet.binary('b') } }") !=
        LUA_OK)
        CHECK(false);
    struct ln_buf b = {0};
    struct lua_json_bins out = {0};
    CHECK(lua_json_encode_args(s->L, 1, 1, &b, &out, &err));
    CHECK_STR(ln_buf_get(&b),
              "[{\"_placeholder\":true,\"num\":0},{\"x\":{\"_placeholder\":true,\"num\":1}}]");
    CHECK_INT(out.n, 2);
    CHECK_INT(out.v[0].n, 2);
    CHECK_STR(out.v[1], "b");
    CHECK(!lua_json_encode(s->L, 1, &b, &err));
    CHECK_HAS(err.text, "binary data cannot be sent here");
    ln_free(out.v);
    ln_buf_free(&b);
    RUNS("local b = linnet.binary('abc') return #b .. tostring(b) .. tostring(b == "
         "linnet.binary('abc'))",
         "3abctrue");
    close_all();
}

/* --- what Lua values become --- */

TEST(values_that_are_no_json) {
    open_all();
    RUN_HAS("return linnet.json.encode(print)", "a function cannot be JSON");
    RUN_HAS("return linnet.json.encode { a = coroutine.create(print) }", "a thread cannot be JSON");
    RUN_HAS("return linnet.json.encode(0/0)", "NaN cannot be JSON");
    RUN_HAS("return linnet.json.encode(math.huge)", "infinity cannot be JSON");
    RUN_HAS("return linnet.json.encode('\\255')", "mark bytes by linnet.binary");
    RUN_HAS("return linnet.json.encode { ['\\255'] = 1 }", "not UTF-8");
    RUN_HAS("return linnet.json.encode { 1, 2, nil, 4, [7] = 1 }", "key 7: a list has holes");
    RUN_HAS("return linnet.json.encode { [3] = 1 }", "key 3: a list has holes");
    RUN_HAS("return linnet.json.encode { 1, 2, x = 3 }", "key 'x': a table is either a list");
    RUN_HAS("return linnet.json.encode { [1.5] = 1 }", "key of type number");
    RUN_HAS("return linnet.json.encode { [0] = 1 }", "key 0");
    RUN_HAS("return linnet.json.encode { [true] = 1 }",
            "key of type boolean: keys of objects are strings");
    RUN_HAS("return linnet.json.encode()", "bad argument #1");
    RUN_HAS("return linnet.json.decode(5)", "text must be a string, not number");
    RUN_HAS("return linnet.array(5)", "must be a table, not number");
    RUN_HAS("return linnet.array(setmetatable({}, {}))", "has another metatable");
    RUN_HAS("return linnet.binary({})", "must be a string, not table");
    close_all();
}

TEST(tables_become_lists_and_objects) {
    open_all();
    RUNS("return linnet.json.encode {}", "{}");
    RUNS("return linnet.json.encode(linnet.array {})", "[]");
    RUNS("return linnet.json.encode(linnet.array())", "[]");
    RUNS("return linnet.json.encode(linnet.json.empty_array)", "[]");
    RUNS("return linnet.json.encode(setmetatable({}, linnet.json.array_mt))", "[]");
    RUNS("return linnet.json.encode { 1, 2, linnet.null }", "[1,2,null]");
    RUNS("local t = {} for i = 10, 1, -1 do t[i] = i end return linnet.json.encode(t)",
         "[1,2,3,4,5,6,7,8,9,10]"); /* keys come out of order */
    RUNS("local t = { n = 1 } t.n = nil t[2] = 'b' t[1] = 'a' return linnet.json.encode(t)",
         "[\"a\",\"b\"]");
    RUNS("local t = linnet.json.decode('[1,2]') t[2] = nil t[1] = nil return linnet.json.encode(t)",
         "[]");
    RUNS("return linnet.json.encode { a = linnet.null, }", "{\"a\":null}");
    RUNS("return linnet.null == linnet.json.null", "true");
    RUNS("return linnet.json.encode { 45, 45.0, 123456789012345 }", "[45,45.0,123456789012345]");
    close_all();
}

TEST(settings_of_cjson) {
    open_all();
    RUNS("local j = linnet.json.new() j.encode_sparse_array(true) return j.encode { [1000] = 1 }",
         "{\"1000\":1}");
    RUNS("local j = linnet.json.new() j.encode_sparse_array(false, 2, 10) return j.encode { 1, "
         "nil, 3 }",
         "[1,null,3]");
    RUNS("local j = linnet.json.new() j.encode_number_precision(3) return j.encode(1/3)", "0.333");
    RUNS("local j = linnet.json.new() j.encode_invalid_numbers('null') return j.encode { 0/0 }",
         "[null]");
    RUNS("local j = linnet.json.new() j.encode_empty_table_as_object(false) return j.encode {}",
         "[]");
    RUNS("return linnet.json.encode {}", "{}"); /* each has its own */
    RUNS("return linnet.json.encode_max_depth()", "100");
    RUN_HAS("return linnet.json.encode_max_depth(0)", "expected 1 to 1000");
    RUN_HAS("return linnet.json.decode_invalid_numbers(true)", "JSON has no such numbers");
    close_all();
}

/* --- against lua-cjson --- */

static const char *const canon =
    "local function canon(v, null)\n"
    "  if v == null then return 'null' end\n"
    "  if type(v) == 'number' then return ('%.17g'):format(v) end\n"
    "  if type(v) ~= 'table' then return type(v) .. ':' .. tostring(v) end\n"
    "  local out = {}\n"
    "  for k, x in pairs(v) do out[#out + 1] = tostring(k) .. '=' .. canon(x, null) end\n"
    "  table.sort(out)\n"
    "  return '{' .. table.concat(out, ',') .. '}'\n"
    "end\n";

/* Random values as JSON text. */
static void make_value(struct ln_buf *b, uint32_t *dice, int depth) {
    static const char *const plain[] = {"null",
                                        "true",
                                        "false",
                                        "0",
                                        "-1",
                                        "12.5",
                                        "1e10",
                                        "-3.25e-3",
                                        "\"\"",
                                        "\"abc\"",
                                        "\"\\n\"",
                                        "\"\\u00e9\"",
                                        "\"\xe2\x82\xac\"",
                                        "1234567",
                                        "\"a longer string, of more than sixteen bytes\"",
                                        "[]",
                                        "{}",
                                        "\"\\ud83d\\ude00\"",
                                        "0.1",
                                        "4503599627370496"};
    *dice = *dice * 1664525u + 1013904223u;
    uint32_t n = *dice >> 8;
    if (depth > 4 || n % 3 == 0) {
        ln_buf_puts(b, plain[n / 3 % LN_COUNT(plain)]);
        return;
    }
    bool is_list = n % 3 == 1;
    ln_buf_putc(b, is_list ? '[' : '{');
    for (uint32_t i = 0, count = n / 3 % 5; i < count; i++) {
        if (i) ln_buf_puts(b, n % 2 ? "," : " , ");
        if (!is_list) ln_buf_fmt(b, "\"key%u\":", (n >> (4 + i)) % 7);
        make_value(b, dice, depth + 1);
    }
    ln_buf_putc(b, is_list ? ']' : '}');
}

TEST(generated_texts_agree_with_cjson) {
    open_all();
    struct ln_buf code = {0}, text = {0};
    lua_State *stock = luaL_newstate();
    luaL_openlibs(stock);
    ln_buf_fmt(&code,
               "%s local cjson = require 'cjson' return function(text)\n"
               "  return canon(cjson.decode(text), cjson.null)\nend",
               canon);
    CHECK_INT(luaL_dostring(stock, ln_buf_cstr(&code)), LUA_OK);
    ln_buf_clear(&code);
    ln_buf_fmt(&code,
               "%s local json = linnet.json return function(text)\n"
               "  local v = assert(json.decode(text))\n"
               "  local one = canon(v, json.null)\n"
               "  local two = canon(json.decode(json.encode(v)), json.null)\n"
               "  return one == two and one or 'round trip: ' .. one .. ' / ' .. two\nend",
               canon);
    lua_settop(s->L, 0);
    CHECK_INT(luaL_dostring(s->L, ln_buf_cstr(&code)), LUA_OK);
    uint32_t dice = 2024;
    int differs = 0;
    for (int i = 0; i < 5000; i++) {
        ln_buf_clear(&text);
        ln_buf_putc(&text, '['); /* cjson wants a table at the top */
        make_value(&text, &dice, 0);
        ln_buf_putc(&text, ']');
        lua_State *both[] = {s->L, stock};
        for (int k = 0; k < 2; k++) {
            lua_settop(both[k], 1);
            lua_pushvalue(both[k], 1);
            lua_pushlstring(both[k], text.p, text.n);
            lua_pcall(both[k], 1, 1, 0);
        }
        if (strcmp(lua_tostring(s->L, -1), lua_tostring(stock, -1)) != 0 && differs++ < 5)
            printf("%.*s\n  ours   %s\n  theirs %s\n", LN_FMT(ln_buf_get(&text)),
                   lua_tostring(s->L, -1), lua_tostring(stock, -1));
    }
    CHECK_INT(differs, 0);
    lua_close(stock);
    ln_buf_free(&code);
    ln_buf_free(&text);
    close_all();
}

TEST(the_real_cjson_can_be_required) {
    open_all();
    RUNS("return require('cjson').decode('[1]')[1]", "1.0");
    RUNS("return require('cjson').null == linnet.null", "true");
    RUNS("return linnet.json.encode(require('cjson').decode('[null]'))", "[null]");
    close_all();
}

TEST_MAIN(T(plain_values), T(numbers_are_exact), T(generated_doubles_survive),
          T(strings_and_escapes), T(objects_and_keys), T(malformed_texts_are_errors),
          T(depth_is_limited), T(both_readers_agree), T(arguments_are_lists),
          T(attachments_come_in_and_go_out), T(values_that_are_no_json),
          T(tables_become_lists_and_objects), T(settings_of_cjson),
          T(generated_texts_agree_with_cjson), T(the_real_cjson_can_be_required))
