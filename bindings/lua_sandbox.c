/* SPDX-License-Identifier: MIT
 *
 * The world of a script: a closed list of globals. Everything that is not on the list does not
 * exist, and touching a global that was never declared raises with the nearest known name. What
 * runs Lua or may run long is replaced by lua_guard.c and lua_pattern.c, io and os by lua_files.c.
 */
#include "bindings/lua_sandbox.h"

#include <lualib.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "bindings/lua_args.h"
#include "bindings/lua_task.h"

/* --- text to function --- */

int script_compile(lua_State *L, struct ln_str text, const char *chunk_name) {
    if (ln_str_starts(text, "\xEF\xBB\xBF")) {
        text.p += 3;
        text.n -= 3;
    }
    if (ln_str_starts(text,
                      "#")) { /* #!/usr/bin/env linnet; its line break stays, so lines count */
        const char *end = memchr(text.p, '\n', text.n);
        text.n = end ? (size_t)(text.p + text.n - end) : 0;
        text.p = end;
    }
    return luaL_loadbufferx(L, text.p ? text.p : "", text.n, chunk_name, "t");
}

/* --- print and warn go to the log --- */

/* A table that says nothing of itself is shown with what it holds: its address tells nobody
 * anything. */
static void push_shown(lua_State *L, int idx) {
    bool has_words = luaL_getmetafield(L, idx, "__tostring") != LUA_TNIL;
    if (has_words) lua_pop(L, 1);
    if (lua_type(L, idx) == LUA_TTABLE && !has_words)
        inspect_push(L, idx);
    else
        luaL_tolstring(L, idx, NULL);
}

static int to_log(lua_State *L, enum ln_log_level level) {
    int n = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1) luaL_addlstring(&b, "  ", 2); /* the log shows a tab as \x09 */
        push_shown(L, i);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    char tag[96];
    snprintf(tag, sizeof tag, "script:%s", script_of(L)->seat->name);
    struct ln_str text;
    text.p = lua_tolstring(L, -1, &text.n);
    ln_log_fields(level, tag, text, NULL, 0);
    return 0;
}

/* print(...) */
static int l_print(lua_State *L) {
    return to_log(L, LN_INFO);
}

/* warn(message, ...) */
static int l_warn(lua_State *L) {
    return to_log(L, LN_WARN);
}

/* collectgarbage(what?) -> what it tells: "count", "collect" and "step" only */
static int l_collectgarbage(lua_State *L) {
    static const char *const words[] = {"collect", "count", "step", NULL};
    switch (luaL_checkoption(L, 1, "collect", words)) {
    case 0:
        lua_gc(L, LUA_GCCOLLECT);
        lua_pushinteger(L, 0);
        return 1;
    case 1:
        lua_pushnumber(L, (lua_Number)script_of(L)->mem_used / 1024);
        return 1;
    default:
        lua_pushboolean(L, lua_gc(L, LUA_GCSTEP, 0));
        return 1;
    }
}

/* debug.getinfo(...): without the C functions below the caller, which are linnet's own and not made
 * to be called again. */
static int l_getinfo(lua_State *L) {
    bool is_level = !lua_isfunction(L, lua_isthread(L, 1) ? 2 : 1);
    int n = lua_tocfunction(L, lua_upvalueindex(1))(L);
    if (!is_level || !lua_istable(L, -1)) return n;
    lua_getfield(L, -1, "func");
    bool is_c = lua_iscfunction(L, -1);
    lua_pop(L, 1);
    if (is_c) {
        lua_pushnil(L);
        lua_setfield(L, -2, "func");
    }
    return n;
}

/* --- the list --- */

static void keep_only(lua_State *L, const char *const *names) {
    lua_newtable(L);
    for (; *names; names++) {
        lua_getfield(L, -2, *names);
        lua_setfield(L, -2, *names);
    }
    lua_remove(L, -2);
}

static void open_lib(lua_State *L, const char *name, lua_CFunction open, const char *const *names) {
    luaL_requiref(L, name, open, 0);
    if (names) {
        keep_only(L, names);
        luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
        lua_pushvalue(L, -2);
        lua_setfield(L, -2, name);
        lua_pop(L, 1);
    }
    lua_setglobal(L, name);
}

void sandbox_open(lua_State *L) {
    static const char *const banned[] = {"dofile", "loadfile", "load", "pcall", "xpcall", NULL};
    static const char *const debug[] = {"traceback", "getinfo", NULL};
    luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
    for (const char *const *b = banned; *b; b++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *b);
    }
    lua_pop(L, 1);
    lua_register(L, "print", l_print);
    lua_register(L, "warn", l_warn);
    lua_register(L, "collectgarbage", l_collectgarbage);
    open_lib(L, LUA_TABLIBNAME, luaopen_table, NULL);
    open_lib(L, LUA_MATHLIBNAME, luaopen_math, NULL);
    open_lib(L, LUA_UTF8LIBNAME, luaopen_utf8, NULL);
    open_lib(L, LUA_STRLIBNAME, luaopen_string, NULL); /* also the metatable of strings */
    open_lib(L, LUA_DBLIBNAME, luaopen_debug, debug);
    lua_getglobal(L, LUA_DBLIBNAME);
    lua_getfield(L, -1, "getinfo");
    lua_pushcclosure(L, l_getinfo, 1);
    lua_setfield(L, -2, "getinfo");
    lua_getglobal(L, LUA_STRLIBNAME);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_pop(L, 2);
}

/* --- undeclared globals --- */

static const struct hint {
    const char *name, *text;
} hints[] = {{"unpack", "it is table.unpack"},
             {"loadstring", "it is load"},
             {"dofile", "use require"},
             {"loadfile", "use require"},
             {"setfenv", "Lua 5.4 has _ENV"},
             {"getfenv", "Lua 5.4 has _ENV"},
             {"module", "return a table"},
             {"setTimeout", "it is linnet.after"},
             {"setInterval", "it is linnet.every"},
             {"console", "use print or linnet.log"},
             {"JSON", "it is linnet.json"},
             {"undefined", "it is nil"},
             {"null", "it is nil, or linnet.null for JSON"},
             {"sleep", "it is linnet.sleep"}};

static int global_read(lua_State *L) {
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    for (size_t i = 0; i < LN_COUNT(hints); i++)
        if (strcmp(name, hints[i].name) == 0)
            return script_fail(L, "there is no global '%s': %s", name, hints[i].text);
    char near[100];
    return script_fail(L, "there is no global '%.60s'%s", name,
                       nearest_key(L, 1, name, near, sizeof near));
}

static int global_write(lua_State *L) {
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    return script_fail(L, "'%.60s' is not declared: write 'local %.60s' (scripts have no globals)",
                       name, name);
}

void sandbox_close(lua_State *L) {
    lua_pushglobaltable(L);
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, global_read);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, global_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "globals");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}
