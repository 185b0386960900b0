/* SPDX-License-Identifier: MIT
 *
 * The Lua half: loading its files, and the C functions that all of them use: classes whose unknown
 * members raise, options, errors, buses. What would be the same Lua in every script is C here,
 * because each script pays for its own Lua.
 */
#include "bindings/lua_half.h"

#include "base/embed.h"
#include "base/text.h"
#include "bindings/lua_bus.h"

#define NAMES_MAX 100

/* --- loading --- */

static int add_bytes(lua_State *L, const void *p, size_t n, void *ud) {
    (void)L;
    ln_buf_add(ud, p, n);
    return 0;
}

/* The chunk on top without its line numbers and names of locals, which cost half its memory. */
static void strip(lua_State *L, const char *chunk_name) {
    struct ln_buf *code = api_out(L);
    lua_dump(L, add_bytes, code, 1);
    lua_pop(L, 1);
    if (luaL_loadbufferx(L, code->p, code->n, chunk_name, "b") != LUA_OK) lua_error(L);
}

/* Pushes the file's function. */
static void load(lua_State *L, const char *name) {
    const struct ln_embedded *f = lua_half_files;
    while (f->name && strcmp(f->name, name) != 0)
        f++;
    if (!f->name) luaL_error(L, "linnet was built without %s", name);
    lua_pushfstring(L, "=linnet/%s", name);
    const char *chunk_name = lua_tostring(L, -1);
    if (luaL_loadbufferx(L, f->p, f->n, chunk_name, "t") != LUA_OK) lua_error(L);
    strip(L, chunk_name);
    lua_remove(L, -2);
}

static const luaL_Reg half_functions[];
static const char functions_key = 0; /* its address is the registry key of the C functions */

/* Pushes the file's result, run with the table c (at the top, taken) and the value at arg. */
static void run(lua_State *L, const char *name, int arg) {
    int c = lua_gettop(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, "linnet.half");
    if (lua_getfield(L, -1, name) == LUA_TNIL) {
        lua_pop(L, 1);
        load(L, name);
        lua_pushvalue(L, c);
        lua_pushvalue(L, arg);
        lua_call(L, 2, 1);
        lua_pushvalue(L, -1);
        lua_setfield(L, c + 1, name);
    }
    lua_replace(L, c);
    lua_settop(L, c);
}

void half_push(lua_State *L, const char *name, const luaL_Reg *more) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_key) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        luaL_setfuncs(L, half_functions, 0);
        luaL_setfuncs(L, more, 0);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &functions_key);
    }
    run(L, name, lua_gettop(L));
}

/* (file, value) -> what another file of the half returns; it gets the functions and the value */
static int half_part(lua_State *L) {
    lua_settop(L, 2);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_key);
    run(L, luaL_checkstring(L, 1), 2);
    return 1;
}

/* --- classes --- */

static int add_keys(lua_State *L, int table, const char **names, int n) {
    if (!lua_istable(L, table)) return n;
    for (lua_pushnil(L); lua_next(L, table) && n < NAMES_MAX; lua_pop(L, 1)) {
        int at = lua_type(L, -2) == LUA_TSTRING ? -2 : -1; /* a name, or in a list of names */
        if (lua_type(L, at) == LUA_TSTRING) names[n++] = lua_tostring(L, at);
    }
    return n;
}

enum { KIND = 1, METHODS, COMPUTED, OPTIONAL, LAZY, UPVALUES = 5 };

static int field_pushed(lua_State *L, int status, lua_KContext ctx) {
    (void)L, (void)status, (void)ctx;
    return 1;
}

static int class_index(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_gettable(L, lua_upvalueindex(METHODS)) != LUA_TNIL) return 1;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(COMPUTED)) != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_callk(L, 1, 1, 0, field_pushed); /* a field may wait */
        return 1;
    }
    const char *names[NAMES_MAX + 1];
    int n = add_keys(L, lua_upvalueindex(OPTIONAL), names, 0);
    struct ln_str key;
    key.p = luaL_tolstring(L, 2, &key.n);
    for (int i = 0; i < n; i++)
        if (ln_str_is(key, names[i])) return lua_pushnil(L), 1;
    for (int u = METHODS; u <= LAZY; u++)
        if (u != OPTIONAL) n = add_keys(L, lua_upvalueindex(u), names, n);
    names[n] = NULL;
    char meant[LN_MEANT];
    const char *near = ln_nearest(key, names), *kind = lua_tostring(L, lua_upvalueindex(KIND));
    return script_fail(L, "no method or field '%.*s' on %s%s", (int)LN_MIN(key.n, 60), key.p, kind,
                       ln_meant(near, meant));
}

/* (kind, methods, computed, optional, lazy) -> the metatable of a class: methods and computed
 * fields (functions of the object) by name, optional a list of fields that may be absent, lazy the
 * names of methods that are still to be loaded. All other members raise. */
static int half_class(lua_State *L) {
    lua_settop(L, UPVALUES);
    lua_createtable(L, 0, 4);
    lua_insert(L, 1);
    lua_pushvalue(L, 1 + KIND);
    lua_setfield(L, 1, "__name");
    lua_pushcclosure(L, class_index, UPVALUES);
    lua_setfield(L, 1, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, 1, "__metatable");
    return 1;
}

/* --- checks and errors --- */

/* (options | nil, names, function's name) -> the options, or an empty table; raises */
static int half_options(lua_State *L) {
    const char *names[NAMES_MAX + 1], *fn = luaL_checkstring(L, 3);
    if (lua_isnoneornil(L, 1)) {
        lua_newtable(L);
        return 1;
    }
    if (!lua_istable(L, 1)) arg_bad(L, 1, fn, "the options", "a table");
    if (lua_istable(L, 2)) {
        names[add_keys(L, 2, names, 0)] = NULL;
        arg_opts(L, 1, fn, names);
    }
    lua_settop(L, 1);
    return 1;
}

static int half_fail(lua_State *L) {
    return script_fail(L, "%s", luaL_checkstring(L, 1));
}

/* (code, text) -> nil, err; a code that is none of ours becomes "refused" */
static int half_err(lua_State *L) {
    const char *code = luaL_checkstring(L, 1);
    int s = 1;
    while (s < LN_STATUS_COUNT && strcmp(ln_status_name((ln_status)s), code) != 0)
        s++;
    if (s == LN_STATUS_COUNT) s = LN_REFUSED;
    return lua_push_err(L, (ln_status)s, "%s", luaL_checkstring(L, 2));
}

/* (name, list of names) -> the nearest one, or nil */
static int half_nearest(lua_State *L) {
    const char *names[64];
    int n = 0;
    for (int i = 1; i < 64; i++, n++) {
        if (lua_rawgeti(L, 2, i) != LUA_TSTRING) break;
        names[n] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    names[n] = NULL;
    lua_pushstring(L, ln_nearest(ln_str(luaL_checkstring(L, 1)), names));
    return 1;
}

/* (value, function's name, argument's name) -> seconds; raises */
static int half_seconds(lua_State *L) {
    int64_t ms = arg_ms(L, 1, luaL_checkstring(L, 2), luaL_checkstring(L, 3));
    lua_pushnumber(L, (double)ms / 1000.0);
    return 1;
}

static int half_bus(lua_State *L) {
    local_bus_push(L);
    return 1;
}

static int half_can_wait(lua_State *L) {
    lua_pushboolean(L, lua_isyieldable(L));
    return 1;
}

static const luaL_Reg half_functions[] = {
    {"part", half_part},         {"class", half_class},
    {"options", half_options},   {"fail", half_fail},
    {"err", half_err},           {"nearest", half_nearest},
    {"seconds", half_seconds},   {"bus", half_bus},
    {"can_wait", half_can_wait}, {NULL, NULL},
};
