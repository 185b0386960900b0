/* SPDX-License-Identifier: MIT
 *
 * Our pattern matching against the stock string library: the same results and the same errors for
 * many thousand generated calls, and for calls chosen by hand.
 */
#include <lualib.h>

#include "lua_rig.h"

static struct rig rig;
static struct script *script;
static lua_State *stock;
static uint32_t seed;

static uint32_t dice(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* --- both sides --- */

/* Runs chunk(fn-table, subject, pattern, extra) and leaves one text that tells everything. */
static const char *const chunk =
    "local string, how, s, p, x = ...\n"
    "local function show(ok, ...)\n"
    "  local out = { tostring(ok) }\n"
    "  for i = 1, select('#', ...) do\n"
    "    local v = select(i, ...)\n"
    "    out[#out + 1] = type(v) .. ':' .. tostring(v)\n"
    "  end\n"
    "  return table.concat(out, '|')\n"
    "end\n"
    "if how == 'gmatch' then\n"
    "  local out = {}\n"
    "  local ok, err = pcall(function()\n"
    "    for a, b, c in string.gmatch(s, p, x) do\n"
    "      out[#out + 1] = tostring(a) .. ',' .. tostring(b) .. ',' .. tostring(c)\n"
    "      if #out > 50 then break end\n"
    "    end\n"
    "  end)\n"
    "  return show(ok, table.concat(out, ';'), err)\n"
    "elseif how == 'fgsub' then\n"
    "  local n = 0\n"
    "  return show(pcall(string.gsub, s, p, function(...)\n"
    "    n = n + 1\n"
    "    if n % 3 == 0 then return nil elseif n % 3 == 1 then return select('#', ...) end\n"
    "    return '<' .. tostring((...)) .. '>'\n"
    "  end, x))\n"
    "elseif how == 'tgsub' then\n"
    "  return show(pcall(string.gsub, s, p, { a = 'A', b = false, ab = 7, [1] = 'one' }, x))\n"
    "end\n"
    "return show(pcall(string[how], s, p, x))\n";

static void run(lua_State *L, const char *how, struct ln_str s, struct ln_str p, const char *text,
                int64_t number, struct ln_buf *out) {
    lua_settop(L, 0);
    if (luaL_loadbufferx(L, chunk, strlen(chunk), "=t", "t") != LUA_OK) abort();
    lua_getglobal(L, "string");
    lua_pushstring(L, how);
    lua_pushlstring(L, s.p, s.n);
    lua_pushlstring(L, p.p, p.n);
    if (text)
        lua_pushstring(L, text);
    else if (number)
        lua_pushinteger(L, number);
    else
        lua_pushnil(L);
    if (lua_pcall(L, 5, 1, 0) != LUA_OK) printf("the test's own error: %s\n", lua_tostring(L, -1));
    size_t n;
    const char *result = lua_tolstring(L, -1, &n);
    ln_buf_clear(out);
    ln_buf_add(out, result, n);
    lua_settop(L, 0);
}

static int differs;

static void compare(const char *how, struct ln_str s, struct ln_str p, const char *text,
                    int64_t number) {
    static struct ln_buf ours, theirs;
    run(script->L, how, s, p, text, number, &ours);
    run(stock, how, s, p, text, number, &theirs);
    if (ln_str_eq(ln_buf_get(&ours), ln_buf_get(&theirs))) return;
    if (differs++ < 10)
        printf("%s(\"%.*s\", \"%.*s\", %s)\n  ours   %.*s\n  theirs %.*s\n", how, LN_FMT(s),
               LN_FMT(p), text ? text : "-", LN_FMT(ln_buf_get(&ours)),
               LN_FMT(ln_buf_get(&theirs)));
    ln_buf_free(&ours);
    ln_buf_free(&theirs);
}

static void open_both(void) {
    rig_open(&rig);
    script = rig_load(&rig, "");
    stock = luaL_newstate();
    luaL_openlibs(stock);
    differs = 0;
}

static void close_both(void) {
    CHECK_INT(differs, 0);
    lua_close(stock);
    rig_unload(&rig, script);
    rig_close(&rig);
}

/* --- generated --- */

static void make_subject(struct ln_buf *b) {
    static const char bytes[] = "aaabbbabc1 .-%()[]xyA\n_\0\xff";
    ln_buf_clear(b);
    for (uint32_t n = dice(14); n > 0; n--)
        ln_buf_putc(b, bytes[dice(sizeof bytes - 1)]);
    if (!b->p) ln_buf_room(b, 1);
}

static void make_pattern(struct ln_buf *b) {
    static const char *const items[] = {
        "a",    "b",     "ab",   ".",    "%a",     "%d",     "%w",    "%s",   "%A",
        "%.",   "%%",    "[a]",  "[^a]", "[ab]",   "[a-c]",  "[%w_]", "[]]",  "[^]]",
        "[a-]", "[%-x]", "(",    ")",    "()",     "(a)",    "(.)",   "(a*)", "(.-)",
        "%1",   "%2",    "%b()", "%bab", "%f[%w]", "%f[^a]", "$",     "^",    "x",
        "%",    "[",     "[a",   "%b",   "%f",     "[^",     "%0",    "\\",   "-",
        "*",    "%z",    "%g",   "%p",   "%x",     "[%a-z]", "[z-a]", "%u+%l"};
    static const char *const quantifiers[] = {"", "", "", "", "*", "+", "-", "?"};
    ln_buf_clear(b);
    if (dice(6) == 0) ln_buf_putc(b, '^');
    for (uint32_t n = dice(6); n > 0; n--) {
        ln_buf_puts(b, items[dice(LN_COUNT(items))]);
        ln_buf_puts(b, quantifiers[dice(LN_COUNT(quantifiers))]);
    }
    if (dice(6) == 0) ln_buf_putc(b, '$');
    if (!b->p) ln_buf_room(b, 1);
}

TEST(generated_calls_agree) {
    static const char *const templates[] = {"<%0>", "%1", "%2%1", "x",      "%%",
                                            "%",    "%a", "",     "[%1|%0]"};
    static const char *const how[] = {"find", "match", "gmatch", "fgsub", "tgsub"};
    struct ln_buf s = {0}, p = {0};
    open_both();
    seed = 12345;
    for (int i = 0; i < 40000; i++) {
        make_subject(&s);
        make_pattern(&p);
        if (dice(3) == 0)
            compare("gsub", ln_buf_get(&s), ln_buf_get(&p), templates[dice(LN_COUNT(templates))],
                    0);
        else
            compare(how[dice(LN_COUNT(how))], ln_buf_get(&s), ln_buf_get(&p), NULL,
                    dice(3) ? 0 : (int64_t)dice(20) - 8);
    }
    ln_buf_free(&s);
    ln_buf_free(&p);
    close_both();
}

/* --- by hand --- */

TEST(chosen_calls_agree) {
    static const struct {
        const char *how, *s, *p, *text;
        int64_t number;
    } calls[] = {
        {"find", "hello world", "o w", NULL, 0},
        {"find", "hello", "l", NULL, -2},
        {"find", "hello", "", NULL, 10},
        {"find", "hello", "", NULL, 6},
        {"match", "key = value", "^(%w+)%s*=%s*(%w+)$", NULL, 0},
        {"match", "2024-01-02", "(%d+)-(%d+)-(%d+)", NULL, 0},
        {"match", "  trim  ", "^%s*(.-)%s*$", NULL, 0},
        {"match", "f(a(b)c)d", "%b()", NULL, 0},
        {"match", "THE (quick) fox", "%f[%a]%a+%f[%A]", NULL, 0},
        {"match", "\"it's\"", "([\"'])(.-)%1", NULL, 0},
        {"gsub", "hello world", "(%w+)", "<%1>", 0},
        {"gsub", "abc", "%w", "%0%0", 0},
        {"gsub", "abc", "", "-", 0},
        {"gsub", "hello", "l+", "%2", 0},
        {"gsub", "x", "x", "%9", 0},
        {"fgsub", "one two three", "%a+", NULL, 0},
        {"fgsub", "one two three", "()%a+", NULL, 2},
        {"tgsub", "a b ab ba", "%a+", NULL, 0},
        {"gmatch", "k1=v1, k2=v2", "(%w+)=(%w+)", NULL, 0},
        {"gmatch", "abc", "", NULL, 0},
        {"gmatch", "abc", "()", NULL, 2},
        {"gmatch", "^a^a", "^a", NULL, 0},
        {"find", "a", "(((((((((((((((((((((((((((((((((a)))))))))))))))))))))))))))))))))", NULL,
         0},
        {"find", "a", "%", NULL, 0},
        {"find", "a", "[a", NULL, 0},
        {"find", "a", "(a", NULL, 0},
        {"find", "a", "a)", NULL, 0},
        {"find", "a", "%1", NULL, 0},
        {"find", "a", "(%1)", NULL, 0},
        {"find", "a", "%b", NULL, 0},
        {"find", "a", "%bx", NULL, 0},
        {"find", "a", "%f", NULL, 0},
        {"find", "a", "()%1", NULL, 0},
    };
    open_both();
    for (size_t i = 0; i < LN_COUNT(calls); i++)
        compare(calls[i].how, ln_str(calls[i].s), ln_str(calls[i].p), calls[i].text,
                calls[i].number);
    close_both();
}

/* --- limits --- */

static const char *run_text(const char *code) {
    lua_State *L = script->L;
    lua_settop(L, 0);
    if (luaL_loadbufferx(L, code, strlen(code), "=t", "t") != LUA_OK ||
        lua_pcall(L, 0, 1, 0) != LUA_OK)
        return lua_tostring(L, -1);
    return luaL_tolstring(L, -1, NULL);
}

TEST(a_catastrophic_pattern_is_an_error) {
    open_both();
    CHECK_HAS(run_text("return ('a'):rep(40000):find(('.-'):rep(8) .. 'b')"),
              "pattern too complex (10000000 steps)");
    CHECK_HAS(run_text("return ('a'):rep(40000):gsub(('a*'):rep(8) .. 'b', '')"),
              "pattern too complex (10000000 steps)");
    CHECK_HAS(run_text("for _ in ('a'):rep(40000):gmatch(('a-'):rep(8) .. 'b') do end"),
              "pattern too complex (10000000 steps)");
    CHECK_HAS(run_text("return ('('):rep(100000):gsub('%b()', '')"), "pattern too complex");
    CHECK_HAS(run_text("return ('a'):rep(100000):find('(.+)%1%1b')"), "pattern too complex");
    close_both();
}

TEST(a_long_subject_is_no_catastrophe) {
    open_both();
    CHECK_HAS(run_text("return #('ab'):rep(2000000):gsub('b', 'cc')"), "6000000");
    CHECK_HAS(run_text("return select(2, ('x y '):rep(500000):gsub('%s+', ''))"), "1000000");
    CHECK_HAS(run_text("return (('a'):rep(5000000) .. 'b'):find('b')"), "5000001");
    close_both();
}

TEST_MAIN(T(generated_calls_agree), T(chosen_calls_agree), T(a_catastrophic_pattern_is_an_error),
          T(a_long_subject_is_no_catastrophe))
