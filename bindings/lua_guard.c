/* SPDX-License-Identifier: MIT
 *
 * The library functions that a kill must pass through, and those whose C loops could run for ever.
 * pcall, xpcall and the coroutine functions raise a kill again instead of catching it; an error for
 * want of memory is a kill. Everything else behaves as in the reference manual, so that scripts
 * notice nothing.
 */
#include <lualib.h>
#include <stdio.h>

#include "bindings/lua_json.h"
#include "bindings/lua_sandbox.h"
#include "bindings/lua_task.h"

#define RANGE_MAX 1000000    /* elements that C loops visit when a metatable could make them up */
#define LOOKUPS_MAX 10000000 /* tables that they look into for them */
#define QUICK_STRING 256     /* bytes that are compared in no time */

/* --- pcall, xpcall --- */

static void pass_kill(lua_State *L, int status) {
    struct script *s = script_of(L);
    if (status == LUA_ERRMEM) script_kill(s, SCRIPT_OVER_MEMORY);
    if (s->killed) script_raise_kill(L);
}

/* skip: values at the bottom of the stack that are no results. */
static int protected_end(lua_State *L, int status, lua_KContext skip) {
    if (LN_LIKELY(status == LUA_OK || status == LUA_YIELD)) return lua_gettop(L) - (int)skip;
    pass_kill(L, status);
    lua_pushboolean(L, false);
    lua_insert(L, -2);
    return 2;
}

/* pcall(f, ...) -> true, ... | false, err */
static int l_pcall(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, true);
    lua_insert(L, 1);
    int status = call_protected(L, lua_gettop(L) - 2, 0, 0, protected_end);
    return protected_end(L, status, 0);
}

/* Stands in front of the script's message handler: none runs once the script was killed. */
static int message_handler(lua_State *L) {
    if (script_of(L)->killed) return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

/* xpcall(f, handler, ...) -> true, ... | false, what handler returns */
static int l_xpcall(lua_State *L) {
    int n = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, message_handler, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, true);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2); /* f, handler, true, f, args */
    int status = call_protected(L, n - 2, 2, 2, protected_end);
    return protected_end(L, status, 2);
}

/* --- coroutines --- */

static int co_ended(lua_State *L, lua_State *co, bool is_wrap, int count);
static int co_woken(lua_State *L, int status, lua_KContext is_wrap);

static lua_State *check_co(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

/* Runs co and leaves what it gives on L: their count, or -1 and an error. A wait inside of co
 * passes through L to the door, and comes back by co_woken. */
static int co_run(lua_State *L, lua_State *co, int args, bool is_wrap) {
    struct script *s = script_of(L);
    int n;
    int status = call_resume(L, co, args, &n);
    if (LN_UNLIKELY(s->killed)) return script_raise_kill(L);
    if (status == LUA_YIELD && s->is_yielding) return lua_yieldk(L, 0, is_wrap, co_woken);
    if (LN_UNLIKELY(status != LUA_OK && status != LUA_YIELD)) {
        lua_xmove(co, L, 1);
        return co_ended(L, co, is_wrap, -1);
    }
    if (LN_UNLIKELY(!lua_checkstack(L, n + 1))) {
        lua_pop(co, n);
        lua_pushliteral(L, "too many results to resume");
        return co_ended(L, co, is_wrap, -1);
    }
    lua_xmove(co, L, n);
    return co_ended(L, co, is_wrap, n);
}

static int co_ended(lua_State *L, lua_State *co, bool is_wrap, int count) {
    if (!is_wrap) {
        lua_pushboolean(L, count >= 0);
        if (count < 0) count = 1;
        lua_insert(L, -1 - count);
        return count + 1;
    }
    if (LN_LIKELY(count >= 0)) return count;
    if (lua_status(co) > LUA_YIELD &&
        call_close(L, co) != LUA_OK) { /* its __close code may raise */
        lua_pop(L, 1);
        lua_xmove(co, L, 1);
    }
    pass_kill(L, LUA_OK);
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int co_woken(lua_State *L, int status, lua_KContext is_wrap) {
    (void)status;
    lua_State *co = lua_tothread(L, is_wrap ? lua_upvalueindex(1) : 1);
    return co_run(L, co, 0, is_wrap);
}

static int co_start(lua_State *L, lua_State *co, int args, bool is_wrap) {
    if (LN_UNLIKELY(task_waits_in(script_of(L), co))) {
        lua_settop(L, is_wrap ? 0 : 1);
        lua_pushliteral(L, "cannot resume a coroutine that waits");
        return is_wrap ? lua_error(L) : co_ended(L, co, is_wrap, -1);
    }
    if (LN_UNLIKELY(!lua_checkstack(co, args))) {
        lua_pushliteral(L, "too many arguments to resume");
        return co_ended(L, co, is_wrap, -1);
    }
    lua_xmove(L, co, args);
    return co_run(L, co, args, is_wrap);
}

/* coroutine.resume(co, ...) ⏸ -> true, ... | false, err */
static int l_resume(lua_State *L) {
    lua_State *co = check_co(L);
    return co_start(L, co, lua_gettop(L) - 1, false);
}

static int wrapped(lua_State *L) {
    return co_start(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L), true);
}

static int l_create(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

/* coroutine.wrap(f) -> function */
static int l_wrap(lua_State *L) {
    l_create(L);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

static bool is_inner(lua_State *L) {
    struct script *s = script_of(L);
    struct running *r = s->running;
    return r && r->co != (r->task ? r->task->co : s->L);
}

/* coroutine.yield(...) -> what resume was given */
static int l_yield(lua_State *L) {
    if (!is_inner(L))
        return script_fail(L, "attempt to yield from outside a coroutine (handlers wait by waiting "
                              "functions such as linnet.sleep)");
    return lua_yield(L, lua_gettop(L));
}

/* coroutine.isyieldable() -> boolean */
static int l_isyieldable(lua_State *L) {
    lua_pushboolean(L, is_inner(L) && lua_isyieldable(L));
    return 1;
}

/* coroutine.running() -> co, is_main */
static int l_running(lua_State *L) {
    script_of(L)->is_task_known =
        true; /* from now on a script could resume a waiting task by hand */
    lua_pushboolean(L, lua_pushthread(L));
    return 2;
}

/* coroutine.close(co) -> true | false, err */
static int l_close(lua_State *L) {
    lua_State *co = check_co(L);
    lua_Debug ar;
    if (task_waits_in(script_of(L), co))
        return luaL_error(L, "cannot close a coroutine that waits");
    int status = lua_status(co);
    if (co == L || (status == LUA_OK && lua_getstack(co, 0, &ar)))
        return luaL_error(L, "cannot close a %s coroutine", co == L ? "running" : "normal");
    if (call_close(L, co) == LUA_OK) {
        lua_pushboolean(L, true);
        return 1;
    }
    pass_kill(L, LUA_OK);
    lua_pushboolean(L, false);
    lua_xmove(co, L, 1);
    return 2;
}

/* --- setmetatable, load --- */

/* setmetatable(t, mt) -> t */
static int l_setmetatable(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL && !lua_json_array_shown(L, -1))
        return luaL_error(L, "cannot change a protected metatable");
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return script_fail(L, "scripts have no __gc: use linnet.on_dispose, or a variable with "
                                  "<close>");
    }
    lua_settop(L, 2);
    if (lua_json_array_shown(L, 2)) {
        lua_settop(L, 1);
        lua_json_mark_array(L);
    } else {
        lua_setmetatable(L, 1);
    }
    return 1;
}

/* The pieces that the function at index 1 gives, as one string on top. */
static void join_pieces(lua_State *L) {
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (;;) {
        script_check(L);
        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        if (lua_isnil(L, -1) || (lua_isstring(L, -1) && lua_rawlen(L, -1) == 0)) break;
        if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "reader function must return a string");
        luaL_addvalue(&b);
    }
    lua_pop(L, 1);
    luaL_pushresult(&b);
}

/* load(text | function, name?, mode?, env?) -> function | nil, err. A name that begins with @ would
 * say that the text is a file's, beside which `require` may look for others. */
static int l_load(lua_State *L) {
    bool has_env = !lua_isnone(L, 4);
    const char *mode = luaL_optstring(L, 3, "t");
    lua_settop(L, 4);
    if (lua_type(L, 1) != LUA_TSTRING) {
        luaL_checktype(L, 1, LUA_TFUNCTION);
        join_pieces(L);
        lua_replace(L, 1);
        if (lua_isnil(L, 2)) {
            lua_pushliteral(L, "=(load)");
            lua_replace(L, 2);
        }
    }
    struct ln_str text;
    text.p = lua_tolstring(L, 1, &text.n);
    const char *name = luaL_optstring(L, 2, text.p);
    if (name[0] == '@') name = lua_pushfstring(L, "=%s", name + 1);
    int status = LUA_ERRSYNTAX;
    if (!strchr(mode, 't'))
        lua_pushliteral(L, "only text can be loaded, and the mode does not allow it");
    else
        status = luaL_loadbufferx(L, text.p, text.n, name, "t");
    if (status != LUA_OK) {
        pass_kill(L, status);
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    if (has_env) {
        lua_pushvalue(L, 4);
        if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
    }
    return 1;
}

/* --- C loops --- */

/* In how many tables a key that the table at idx lacks is looked for. */
static size_t chain_of(lua_State *L, int idx, const char *event) {
    int top = lua_gettop(L);
    size_t n = 1;
    lua_pushvalue(L, idx);
    for (; n < 2000 && luaL_getmetafield(L, -1, event) == LUA_TTABLE; n++)
        lua_remove(L, -2);
    lua_settop(L, top);
    return n;
}

/* Raises when n elements of the table at idx would be looked up for too long. */
static void check_lookups(lua_State *L, int idx, lua_Unsigned n) {
    if (!lua_istable(L, idx)) return;
    if (n > LOOKUPS_MAX / (chain_of(L, idx, "__index") + chain_of(L, idx, "__newindex") - 1))
        script_fail(L, "too many elements for so long a chain of metatables");
}

/* Stock table functions that go by the length alone: a length that no memory could hold is a trick
 * (`#t` is any border, and __len anything). */
static int by_length(lua_State *L) {
    script_check(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    if (luaL_getmetafield(L, 1, "__len") != LUA_TNIL)
        return script_fail(L, "tables with __len are not taken here: give a plain table");
    if (lua_rawlen(L, 1) > script_of(L)->mem_limit / 16)
        return script_fail(L, "the table is too long");
    check_lookups(L, 1, lua_rawlen(L, 1));
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* a, b -> a < b, or what the upvalue makes of them */
static int in_order(lua_State *L) {
    script_check(L);
    if (lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
        return 1;
    }
    lua_settop(L, 2);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

static bool is_quick(lua_State *L) {
    bool is = true;
    lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
    for (lua_Integer i = 1; is && i <= n; i++, lua_pop(L, 1)) {
        int type = lua_rawgeti(L, 1, i);
        is = type == LUA_TNUMBER || (type == LUA_TSTRING && lua_rawlen(L, -1) <= QUICK_STRING);
    }
    return is;
}

/* table.sort(t, less?): comparing may itself take long, in C */
static int l_sort(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_iscfunction(L, 2) || (lua_isnil(L, 2) && !is_quick(L)))
        lua_pushcclosure(L, in_order, 1);
    return by_length(L);
}

/* concat and unpack: elements could come from __index for ever. */
static int by_range(lua_State *L) {
    int i_at = (int)lua_tointeger(L, lua_upvalueindex(2));
    script_check(L);
    if (lua_istable(L, 1) && lua_getmetatable(L, 1)) {
        lua_pop(L, 1);
        lua_settop(L, i_at + 1);
        lua_Integer i = luaL_optinteger(L, i_at, 1);
        lua_Integer j = lua_isnil(L, i_at + 1) ? luaL_len(L, 1) : luaL_checkinteger(L, i_at + 1);
        if (j >= i && (lua_Unsigned)j - (lua_Unsigned)i >= RANGE_MAX)
            return script_fail(L, "too many elements");
        if (j >= i) check_lookups(L, 1, (lua_Unsigned)j - (lua_Unsigned)i);
        lua_pushinteger(L, j); /* fixed: __len could answer differently the next time */
        lua_replace(L, i_at + 1);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* table.move(from, first, last, to, into?) */
static int l_move(lua_State *L) {
    lua_Integer f = luaL_checkinteger(L, 2), e = luaL_checkinteger(L, 3);
    script_check(L);
    if (e >= f && (lua_Unsigned)e - (lua_Unsigned)f >= 10 * RANGE_MAX)
        return script_fail(L, "too many elements to move");
    if (e >= f) {
        check_lookups(L, 1, (lua_Unsigned)e - (lua_Unsigned)f);
        check_lookups(L, 5, (lua_Unsigned)e - (lua_Unsigned)f);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* string.rep(s, n, sep?): nothing, repeated for ever, is done at once. */
static int l_rep(lua_State *L) {
    size_t size, sep;
    luaL_checklstring(L, 1, &size);
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &sep);
    script_check(L);
    if (n <= 0 || size + sep == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    struct script *s = script_of(L);
    if ((lua_Unsigned)n > s->mem_limit / (size + sep))
        return luaL_error(L, "resulting string too large");
    if ((size + sep) * (size_t)n + s->mem_used > s->mem_limit) lua_gc(L, LUA_GCCOLLECT);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* --- opening --- */

/* Replaces lib[name] (lib on top) by f, which gets the stock function as its upvalue. */
static void wrap(lua_State *L, const char *name, lua_CFunction f, int extra) {
    lua_getfield(L, -1, name);
    lua_pushinteger(L, extra);
    lua_pushcclosure(L, f, 2);
    lua_setfield(L, -2, name);
}

void guard_open(lua_State *L) {
    static const luaL_Reg base[] = {{"pcall", l_pcall},
                                    {"xpcall", l_xpcall},
                                    {"setmetatable", l_setmetatable},
                                    {"load", l_load},
                                    {NULL, NULL}};
    static const luaL_Reg co[] = {{"create", l_create},   {"resume", l_resume},
                                  {"wrap", l_wrap},       {"yield", l_yield},
                                  {"running", l_running}, {"isyieldable", l_isyieldable},
                                  {"close", l_close},     {NULL, NULL}};
    lua_pushglobaltable(L);
    luaL_setfuncs(L, base, 0);
    luaL_requiref(L, LUA_COLIBNAME, luaopen_coroutine, 1); /* status is the stock one */
    luaL_setfuncs(L, co, 0);
    lua_getfield(L, -2, LUA_TABLIBNAME);
    wrap(L, "insert", by_length, 0);
    wrap(L, "remove", by_length, 0);
    wrap(L, "sort", l_sort, 0);
    wrap(L, "concat", by_range, 3);
    wrap(L, "unpack", by_range, 2);
    wrap(L, "move", l_move, 0);
    lua_getfield(L, -3, LUA_STRLIBNAME);
    wrap(L, "rep", l_rep, 0);
    lua_pop(L, 4);
}
