/* SPDX-License-Identifier: MIT
 *
 * Scripts that try to run for ever or to take all memory, and to swallow the kill. Each must be
 * stopped with the right reason (or refused with an error), and a second script must not notice.
 * The budget is CPU time, so this test really computes: 0.1 s for each attack. Nothing is asserted
 * about how fast a kill comes.
 */
#include "lua_rig.h"

#define NEVER 0 /* no kill: the attack is refused, or its error is caught as any other */

static const struct attack {
    const char *name, *code;
    enum script_end end;
    const char *says; /* in the log or the reason; NULL: nothing special */
} attacks[] = {
    {"loop", "while true do end", SCRIPT_OVER_BUDGET, "at bot.lua:1"},
    {"empty for", "for i = 1, math.maxinteger do end", SCRIPT_OVER_BUDGET, NULL},
    {"repeat goto", "::a:: goto a", SCRIPT_OVER_BUDGET, NULL},
    {"pcall in a loop", "while true do pcall(function() while true do end end) end",
     SCRIPT_OVER_BUDGET, NULL},
    {"pcall of an error in a loop", "while true do pcall(error) end", SCRIPT_OVER_BUDGET, NULL},
    {"pcall recursion", "local function f() pcall(f) pcall(f) end f()", SCRIPT_OVER_BUDGET, NULL},
    {"xpcall whose handler loops",
     "xpcall(function() while true do end end, function() while true do end end)",
     SCRIPT_OVER_BUDGET, NULL},
    {"xpcall whose handler loops after an error", "xpcall(error, function() while true do end end)",
     SCRIPT_OVER_BUDGET, NULL},
    {"xpcall in a loop", "while true do xpcall(error, function() pcall(error) end) end",
     SCRIPT_OVER_BUDGET, NULL},
    {"coroutine.wrap", "while true do pcall(coroutine.wrap(function() while true do end end)) end",
     SCRIPT_OVER_BUDGET, NULL},
    {"coroutine.resume",
     "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
     SCRIPT_OVER_BUDGET, NULL},
    {"coroutines that pcall",
     "while true do coroutine.wrap(function() pcall(function() while true do end end) end)() end",
     SCRIPT_OVER_BUDGET, NULL},
    {"coroutines that yield",
     "local f = coroutine.wrap(function() while true do coroutine.yield() end "
     "end) while true do f() end",
     SCRIPT_OVER_BUDGET, NULL},
    {"nested coroutines",
     "local function f() coroutine.wrap(function() pcall(f) while true do end end)() end f()",
     SCRIPT_OVER_BUDGET, NULL},
    {"coroutine.close",
     "local co = coroutine.create(function()\n"
     "  local c <close> = setmetatable({}, { __close = function() while true do end end })\n"
     "  coroutine.yield() end)\n"
     "coroutine.resume(co) coroutine.close(co) while true do end",
     SCRIPT_OVER_BUDGET, NULL},
    {"__close that loops",
     "local c <close> = setmetatable({}, { __close = function() while true do end end })",
     SCRIPT_OVER_BUDGET, NULL},
    {"__close behind a kill",
     "local c <close> = setmetatable({}, { __close = function() print('closed') while true do end "
     "end })"
     "\nwhile true do end",
     SCRIPT_OVER_BUDGET, NULL},
    {"__close of a pcall behind a kill",
     "pcall(function()\n"
     "  local c <close> = setmetatable({}, { __close = function() print('closed') end })\n"
     "  while true do end end)\nprint('closed')",
     SCRIPT_OVER_BUDGET, NULL},
    {"__gc", "setmetatable({}, { __gc = function() while true do end end })", NEVER,
     "scripts have no __gc"},
    {"__gc added later",
     "local mt = {} setmetatable({}, mt) mt.__gc = function() print('collected') end "
     "collectgarbage()",
     NEVER, NULL},
    {"__index",
     "local t = setmetatable({}, { __index = function(t, k) while true do end end }) "
     "pcall(function() return t.x end) while true do end",
     SCRIPT_OVER_BUDGET, NULL},
    {"metamethods for ever",
     "local mt = {} mt.__add = function(a, b) return a + b end\n"
     "local a = setmetatable({}, mt) while true do pcall(function() return a + a end) end",
     SCRIPT_OVER_BUDGET, NULL},
    {"tostring", "tostring(setmetatable({}, { __tostring = function() while true do end end }))",
     SCRIPT_OVER_BUDGET, NULL},
    {"sort", "table.sort({ 3, 2, 1 }, function() while true do end end)", SCRIPT_OVER_BUDGET, NULL},
    {"sort with pcall",
     "while true do pcall(table.sort, { 3, 2, 1 }, function() error('x') end) end",
     SCRIPT_OVER_BUDGET, NULL},
    {"gsub with a function", "('x'):rep(100):gsub('x', function() while true do end end)",
     SCRIPT_OVER_BUDGET, NULL},
    {"gsub with pcall", "while true do ('xxx'):gsub('x', pcall) end", SCRIPT_OVER_BUDGET, NULL},
    {"patterns in a loop",
     "local s, p = ('a'):rep(40000), ('.-'):rep(8) .. 'b' while true do pcall(string.find, s, p) "
     "end",
     SCRIPT_OVER_BUDGET, NULL},
    {"one pattern", "('a'):rep(40000):find(('.-'):rep(8) .. 'b')", NEVER,
     "pattern too complex (10000000 steps)"},
    {"%b", "local s = ('('):rep(1000000) while true do pcall(string.find, s, '%b()') end",
     SCRIPT_OVER_BUDGET, NULL},
    {"back reference", "('a'):rep(100000):find('(.*)%1b')", NEVER, "pattern too complex"},
    {"load of a reader", "load(function() while true do end end)", SCRIPT_OVER_BUDGET, NULL},
    {"load of an endless reader", "load(function() return ' ' end)", SCRIPT_OVER_BUDGET, NULL},
    {"load in a loop", "while true do load('while true do end') end", SCRIPT_OVER_BUDGET, NULL},
    {"load that runs", "load('while true do end')()", SCRIPT_OVER_BUDGET, NULL},
    {"print for ever", "table.sort({ 2, 1, 3 }, function(a, b) while true do type(a) end end)",
     SCRIPT_OVER_BUDGET, NULL},
    {"rep of nothing", "local a = (''):rep(1e15); a = (''):rep(1 << 62, ''); print('done')", NEVER,
     "done"},
    {"move", "table.move({}, 1, 1 << 60, 2)", NEVER, "too many elements to move"},
    {"move in a loop", "while true do table.move({}, 1, 9999999, 2) end", SCRIPT_OVER_BUDGET, NULL},
    {"insert with __len",
     "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 1)", NEVER,
     "tables with __len are not taken"},
    {"insert with a border far away",
     "local c = {} for i = 0, 62 do c[#c + 1] = '[' .. (1 << i) .. ']=1' end "
     "local t = load('return {' .. table.concat(c, ',') .. '}')() table.insert(t, 1, 1)",
     NEVER, "the table is too long"},
    {"remove with a border far away",
     "local c = {} for i = 0, 62 do c[#c + 1] = '[' .. (1 << i) .. ']=1' end "
     "local t = load('return {' .. table.concat(c, ',') .. '}')() table.remove(t, 1)",
     NEVER, "the table is too long"},
    {"concat with __index",
     "table.concat(setmetatable({}, { __index = type, __len = function() return 1 << 60 end }))",
     NEVER, "too many elements"},
    {"concat of a range", "table.concat(setmetatable({}, { __index = type }), '', 1, 1 << 60)",
     NEVER, "too many elements"},
    {"memory by tables", "local t = {} while true do t[#t + 1] = {} end", SCRIPT_OVER_MEMORY,
     "more memory than its limit of 16.0 MB, at bot.lua:1"},
    {"memory by strings", "local s = 'xxxxxxxx' while true do s = s .. s end", SCRIPT_OVER_MEMORY,
     NULL},
    {"memory with pcall",
     "local t = {} while true do pcall(function() t[#t + 1] = ('x'):rep(1000) .. #t end) end",
     SCRIPT_OVER_MEMORY, NULL},
    {"memory with xpcall",
     "local t = {} while true do xpcall(function() t[#t + 1] = {} end, function() print('x') end) "
     "end",
     SCRIPT_OVER_MEMORY, NULL},
    {"memory with coroutines",
     "local t = {} while true do coroutine.resume(coroutine.create(function() while true do\n"
     " t[#t + 1] = {} end end)) end",
     SCRIPT_OVER_MEMORY, NULL},
    {"memory by coroutines",
     "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
     SCRIPT_OVER_MEMORY, NULL},
    {"memory by rep", "('x'):rep(1e10)", NEVER, "resulting string too large"},
    {"memory by rep in a pcall", "while true do pcall(string.rep, 'x', 15e6) end",
     SCRIPT_OVER_BUDGET, NULL},
    {"recursion", "local function f() return 1 + f() end f()", SCRIPT_OVER_MEMORY,
     "(a recursion without end), at bot.lua:1"},
    {"recursion of big frames",
     "local function f(...) local a, b, c, d, e = ... return 1 + f(1, 2, 3, 4, 5, 6, 7) end f()",
     NEVER, "stack overflow"},
    {"recursion in pcall",
     "local function f(...) local a, b, c, d, e = ... return 1 + f(1, 2, 3, 4, 5, 6, 7) end "
     "while true do pcall(f) end",
     SCRIPT_OVER_BUDGET, NULL},
    {"recursion by metamethods",
     "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k + 1] end "
     "return t[1]",
     NEVER, "stack overflow"},
    {"error objects that loop",
     "error(setmetatable({}, { __tostring = function() while true do end end }))",
     SCRIPT_OVER_BUDGET, NULL},
    {"error in a handler behind a kill",
     "xpcall(function() while true do end end, function() print('handled') end) print('handled')",
     SCRIPT_OVER_BUDGET, NULL},
    {"undeclared in a loop", "while true do pcall(function() return nothing_of_that_name end) end",
     SCRIPT_OVER_BUDGET, NULL},
    {"a goto out of a close",
     "while true do local c <close> = setmetatable({}, { __close = function() pcall(error) end }) "
     "end",
     SCRIPT_OVER_BUDGET, NULL},
};

/* --- the rig --- */

static struct rig r;

static void open_rig(void) {
    rig_open(&r);
    rig_set(&r, "limits.budget_warn", "\"50ms\"");
    rig_set(&r, "limits.budget_kill", "\"100ms\"");
}

static struct script *load_attack(const char *code) {
    struct ln_buf text = {0};
    ln_buf_fmt(&text, "package.loaded.f = function() %s\nend", code);
    struct script *s = rig_load(&r, ln_buf_cstr(&text));
    ln_buf_free(&text);
    return s;
}

static void check_attack(const struct attack *a) {
    int before = test_failures;
    open_rig();
    /* What ends by itself may be slow on a busy machine. */
    rig_set(&r, "limits.budget_kill", "\"20s\"");
    if (a->end == SCRIPT_OVER_MEMORY) rig_set(&r, "limits.memory", "16000000");
    struct script *other = rig_load(&r, "package.loaded.f = function() print('other runs') end");
    if (a->end == SCRIPT_OVER_BUDGET) rig_set(&r, "limits.budget_kill", "\"100ms\"");
    struct script *s = load_attack(a->code);
    if (s) {
        rig_call(s, "f");
        CHECK_INT(s->killed, a->end);
        char why[400] = "";
        if (s->killed) script_kill_text(s, why, sizeof why);
        ln_buf_puts(&r.log, why);
        if (a->says) CHECK_HAS(rig_logged(&r), a->says);
        CHECK(!strstr(rig_logged(&r), "closed"));
        CHECK(!strstr(rig_logged(&r), "handled"));
        CHECK(!strstr(rig_logged(&r), "collected"));
        CHECK_INT(s->seat->state, a->end ? SEAT_DEAD : SEAT_LIVE);
        rig_unload(&r, s);
    }
    CHECK(s != NULL);
    rig_call(other, "f");
    CHECK_HAS(rig_logged(&r), "other runs");
    CHECK_INT(other->killed, 0);
    rig_unload(&r, other);
    rig_close(&r);
    if (test_failures != before) printf("  ... in the attack '%s'\n", a->name);
}

TEST(every_attack_is_stopped) {
    for (size_t i = 0; i < LN_COUNT(attacks); i++)
        check_attack(&attacks[i]);
}

TEST(a_load_that_never_ends_is_an_error) {
    open_rig();
    CHECK(rig_trial(&r, "bot.lua", "\nwhile true do end") == NULL);
    CHECK_INT(r.err.code, LN_BUDGET);
    CHECK_HAS(r.err.text,
              "used more than 100 ms of CPU time in one turn without waiting, at bot.lua:2");
    rig_close(&r);
}

TEST(slow_turns_are_told) {
    open_rig();
    rig_set(&r, "limits.budget_warn", "\"20ms\"");
    rig_set(&r, "limits.budget_kill", "\"10s\"");
    struct script *s = load_attack("local t = os.clock()\nwhile os.clock() - t < 0.5 do end");
    rig_call(s, "f");
    CHECK_INT(s->killed, 0);
    CHECK_HAS(rig_logged(&r), "warn script:bot slow: ");
    CHECK_HAS(rig_logged(&r), "at bot.lua:2");
    rig_unload(&r, s);
    rig_close(&r);
}

/* The turn of a script that is called from inside another one's is its own. */
static struct script *inner;

static int f_call_inner(lua_State *L) {
    (void)L;
    rig_call(inner, "f");
    return 0;
}

TEST(a_script_called_by_another_pays_for_itself) {
    open_rig();
    inner = load_attack("while true do end");
    struct script *s = load_attack("call_inner() call_inner() print('outer runs')");
    rig_fn(s, "call_inner", f_call_inner);
    rig_call(s, "f");
    CHECK_INT(inner->killed, SCRIPT_OVER_BUDGET);
    CHECK_INT(s->killed, 0);
    CHECK_HAS(rig_logged(&r), "outer runs");
    rig_unload(&r, s);
    rig_unload(&r, inner);
    rig_close(&r);
}

TEST(a_killed_script_kills_its_nested_calls) {
    open_rig();
    struct script *s = load_attack("pcall(call_inner) print('survived') while true do end");
    inner = rig_trial(&r, "x.lua", "");
    rig_unload(&r, inner);
    inner = s; /* the same script, nested: its own function calls itself through C */
    rig_fn(s, "call_inner", f_call_inner);
    rig_call(s, "f");
    CHECK_INT(s->killed, SCRIPT_OVER_BUDGET);
    rig_unload(&r, s);
    rig_close(&r);
}

static void count_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    (void)L;
    (void)n;
    if (err && err->code == LN_BUDGET) ++*(int *)ud;
}

TEST(done_hears_of_a_kill) {
    open_rig();
    int n = 0;
    struct script *s = load_attack("while true do end");
    int fn = rig_ref(s, "f");
    struct lua_call c = {.script = s, .fn = fn, .what = "handler", .done = count_done, .ud = &n};
    CHECK_INT(lua_call_run(&c), 0);
    CHECK_INT(n, 1);
    CHECK_INT(lua_call_run(&c), 0); /* dead */
    CHECK_INT(n, 1);
    rig_unload(&r, s);
    rig_close(&r);
}

TEST(dispose_of_a_killed_script_does_not_run) {
    open_rig();
    struct script *s =
        rig_load(&r, "package.loaded.f = function() while true do end end\n"
                     "return { name = 'x', dispose = function() print('disposed') end }");
    rig_call(s, "f");
    rig_unload(&r, s);
    CHECK(!strstr(rig_logged(&r), "disposed"));
    s = rig_load(&r, "return { name = 'x', dispose = function() while true do end end }");
    rig_unload(&r, s); /* killed inside its own end */
    rig_close(&r);
}

TEST_MAIN(T(every_attack_is_stopped), T(a_load_that_never_ends_is_an_error), T(slow_turns_are_told),
          T(a_script_called_by_another_pays_for_itself), T(a_killed_script_kills_its_nested_calls),
          T(done_hears_of_a_kill), T(dispose_of_a_killed_script_does_not_run))
