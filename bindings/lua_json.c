/* SPDX-License-Identifier: MIT
 *
 * linnet.json (the functions and sentinels of lua-cjson), linnet.null, linnet.array, linnet.binary.
 * The work is done in lua_json_read.c and lua_json_write.c.
 */
#include "base/mem.h"
#include "bindings/lua_json_inside.h"
#include "bindings/lua_task.h"

#define BINARY "linnet.binary"

const struct json_opts json_defaults = {
    .encode_depth = JSON_DEPTH, .decode_depth = JSON_DEPTH, .sparse_ratio = -1};
void *const json_empty_array = (void *)&json_defaults; /* an address that is nobody else's */

/* --- the script's part --- */

/* Scripts see another table in its place: with theirs a `__gc` would run in finalizers, where
 * nothing can stop it. */
static const void *new_array_mt(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__name");
    lua_newtable(L);
    const void *shown = lua_topointer(L, -1);
    lua_setfield(L, -2, "__metatable");
    return shown;
}

struct json_state *json_state(lua_State *L) {
    struct script *s = script_of(L);
    if (s->json) return s->json;
    luaL_checkstack(L, 4, NULL);
    const void *shown = new_array_mt(L);
    int array_mt = luaL_ref(L, LUA_REGISTRYINDEX);
    s->json = ln_new(struct json_state);
    s->json->array_mt = array_mt;
    s->json->array_shown = shown;
    return s->json;
}

void lua_json_free(struct script *s) {
    if (!s->json) return;
    ln_buf_free(&s->json->scratch);
    ln_free(s->json);
}

void lua_json_push_null(lua_State *L) {
    lua_pushlightuserdata(L, NULL);
}

bool lua_json_is_null(lua_State *L, int idx) {
    return lua_islightuserdata(L, idx) && !lua_touserdata(L, idx);
}

void lua_json_mark_array(lua_State *L) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, json_state(L)->array_mt);
    lua_setmetatable(L, -2);
}

bool lua_json_array_shown(lua_State *L, int idx) {
    const struct json_state *st = script_of(L)->json;
    return st && lua_topointer(L, idx) == st->array_shown;
}

/* --- linnet.binary --- */

struct binary {
    size_t n;
    char bytes[];
};

bool lua_json_binary(lua_State *L, int idx, struct ln_str *bytes) {
    const struct json_state *st = script_of(L)->json;
    if (!st || !st->binary_mt || lua_type(L, idx) != LUA_TUSERDATA || !lua_getmetatable(L, idx))
        return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, st->binary_mt);
    bool is_one = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (!is_one) return false;
    const struct binary *b = lua_touserdata(L, idx);
    *bytes = (struct ln_str){b->bytes, b->n};
    return true;
}

static int binary_text(lua_State *L) {
    struct ln_str s = {"", 0};
    lua_json_binary(L, 1, &s);
    lua_pushlstring(L, s.p, s.n);
    return 1;
}

static int binary_len(lua_State *L) {
    struct ln_str s = {"", 0};
    lua_json_binary(L, 1, &s);
    lua_pushinteger(L, (lua_Integer)s.n);
    return 1;
}

static int binary_eq(lua_State *L) {
    struct ln_str a, b;
    lua_pushboolean(L, lua_json_binary(L, 1, &a) && lua_json_binary(L, 2, &b) && ln_str_eq(a, b));
    return 1;
}

static void make_binary_mt(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__tostring", binary_text}, {"__len", binary_len}, {"__eq", binary_eq}, {NULL, NULL}};
    struct json_state *st = json_state(L);
    if (st->binary_mt) return;
    luaL_newlib(L, meta);
    lua_pushliteral(L, "binary");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    st->binary_mt = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* linnet.binary(s) -> bytes that go out as a binary attachment */
static int l_binary(lua_State *L) {
    struct ln_str s;
    if (lua_type(L, 1) != LUA_TSTRING)
        return script_fail(L, "linnet.binary: s must be a string, not %s", luaL_typename(L, 1));
    s.p = lua_tolstring(L, 1, &s.n);
    make_binary_mt(L);
    struct binary *b = lua_newuserdatauv(L, sizeof *b + s.n, 0);
    b->n = s.n;
    memcpy(b->bytes, s.p, s.n);
    lua_rawgeti(L, LUA_REGISTRYINDEX, json_state(L)->binary_mt);
    lua_setmetatable(L, -2);
    return 1;
}

/* linnet.array(t?) -> t, which is a JSON array even when empty */
static int l_array(lua_State *L) {
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    } else if (!lua_istable(L, 1)) {
        return script_fail(L, "linnet.array: t must be a table, not %s", luaL_typename(L, 1));
    }
    lua_settop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, json_state(L)->array_mt);
    if (lua_getmetatable(L, 1) && !lua_rawequal(L, 2, 3))
        return script_fail(L, "linnet.array: the table has another metatable");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

/* --- linnet.json --- */

static struct json_opts *opts_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* json.encode(v) -> text */
static int l_encode(lua_State *L) {
    struct json_state *st = json_state(L);
    struct ln_err err;
    luaL_checkany(L, 1);
    ln_buf_clear(&st->scratch);
    if (!json_encode(L, 1, 1, &st->scratch, NULL, opts_of(L), &err))
        return script_fail(L, "json.encode: %s", err.text);
    lua_pushlstring(L, st->scratch.p, st->scratch.n);
    if (st->scratch.cap > 1 << 20) ln_buf_free(&st->scratch);
    return 1;
}

/* json.decode(text) -> v | nil, err */
static int l_decode(lua_State *L) {
    struct ln_err err;
    struct ln_str text;
    if (lua_type(L, 1) != LUA_TSTRING)
        return script_fail(L, "json.decode: text must be a string, not %s", luaL_typename(L, 1));
    text.p = lua_tolstring(L, 1, &text.n);
    if (json_decode(L, text, false, NULL, 0, opts_of(L)->decode_depth, &err) != 1)
        return lua_push_ln_err(L, &err);
    return 1;
}

static int depth_option(lua_State *L, int *depth) {
    if (!lua_isnoneornil(L, 1)) {
        lua_Integer n = luaL_checkinteger(L, 1);
        luaL_argcheck(L, n >= 1 && n <= JSON_DEPTH_MAX, 1, "expected 1 to 1000");
        *depth = (int)n;
    }
    lua_pushinteger(L, *depth);
    return 1;
}

/* json.encode_max_depth(n?) -> n */
static int l_encode_max_depth(lua_State *L) {
    return depth_option(L, &opts_of(L)->encode_depth);
}

/* json.decode_max_depth(n?) -> n */
static int l_decode_max_depth(lua_State *L) {
    return depth_option(L, &opts_of(L)->decode_depth);
}

/* json.encode_sparse_array(convert?, ratio?, safe?) -> convert, ratio, safe: as lua-cjson's; until
 * it is called, any hole is an error */
static int l_encode_sparse_array(lua_State *L) {
    struct json_opts *o = opts_of(L);
    if (!lua_isnoneornil(L, 1)) o->sparse_convert = lua_toboolean(L, 1);
    if (lua_gettop(L) > 0 && o->sparse_ratio < 0) {
        o->sparse_ratio = 2;
        o->sparse_safe = 10;
    }
    lua_Integer ratio = luaL_optinteger(L, 2, o->sparse_ratio);
    lua_Integer safe = luaL_optinteger(L, 3, o->sparse_safe);
    luaL_argcheck(L, ratio >= -1 && ratio <= 1000000, 2, "out of range");
    luaL_argcheck(L, safe >= 0 && safe <= 1000000, 3, "out of range");
    o->sparse_ratio = (int)ratio;
    o->sparse_safe = (int)safe;
    lua_pushboolean(L, o->sparse_convert);
    lua_pushinteger(L, o->sparse_ratio);
    lua_pushinteger(L, o->sparse_safe);
    return 3;
}

/* json.encode_number_precision(n?) -> n: digits of floats; 0 (default): as many as are needed */
static int l_encode_number_precision(lua_State *L) {
    struct json_opts *o = opts_of(L);
    if (!lua_isnoneornil(L, 1)) {
        lua_Integer n = luaL_checkinteger(L, 1);
        luaL_argcheck(L, n >= 0 && n <= 17, 1, "expected 0 to 17");
        o->precision = (int)n;
    }
    lua_pushinteger(L, o->precision);
    return 1;
}

/* json.encode_invalid_numbers(false | "null") -> the same: NaN and infinities */
static int l_encode_invalid_numbers(lua_State *L) {
    struct json_opts *o = opts_of(L);
    if (lua_type(L, 1) == LUA_TSTRING && strcmp(lua_tostring(L, 1), "null") == 0)
        o->nan_null = true;
    else if (lua_isboolean(L, 1) && !lua_toboolean(L, 1))
        o->nan_null = false;
    else if (!lua_isnoneornil(L, 1))
        return luaL_argerror(L, 1, "expected false or \"null\": JSON has no such numbers");
    if (o->nan_null)
        lua_pushliteral(L, "null");
    else
        lua_pushboolean(L, false);
    return 1;
}

/* json.decode_invalid_numbers(false) -> false */
static int l_decode_invalid_numbers(lua_State *L) {
    if (lua_toboolean(L, 1)) return luaL_argerror(L, 1, "JSON has no such numbers");
    lua_pushboolean(L, false);
    return 1;
}

/* json.encode_empty_table_as_object(on?) -> on */
static int l_encode_empty_table_as_object(lua_State *L) {
    struct json_opts *o = opts_of(L);
    if (!lua_isnoneornil(L, 1)) o->empty_array = !lua_toboolean(L, 1);
    lua_pushboolean(L, !o->empty_array);
    return 1;
}

static int l_new(lua_State *L);

static const luaL_Reg functions[] = {
    {"encode", l_encode},
    {"decode", l_decode},
    {"new", l_new},
    {"encode_max_depth", l_encode_max_depth},
    {"decode_max_depth", l_decode_max_depth},
    {"encode_sparse_array", l_encode_sparse_array},
    {"encode_number_precision", l_encode_number_precision},
    {"encode_invalid_numbers", l_encode_invalid_numbers},
    {"decode_invalid_numbers", l_decode_invalid_numbers},
    {"encode_empty_table_as_object", l_encode_empty_table_as_object},
    {NULL, NULL}};

/* json.new() -> json with settings of its own */
static int l_new(lua_State *L) {
    luaL_newlibtable(L, functions);
    struct json_opts *o = lua_newuserdatauv(L, sizeof *o, 0);
    *o = json_defaults;
    luaL_setfuncs(L, functions, 1);
    lua_json_push_null(L);
    lua_setfield(L, -2, "null");
    lua_pushlightuserdata(L, json_empty_array);
    lua_setfield(L, -2, "empty_array");
    lua_rawgeti(L, LUA_REGISTRYINDEX, json_state(L)->array_mt);
    lua_getfield(L, -1, "__metatable");
    lua_remove(L, -2);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "array_mt");
    lua_setfield(L, -2, "empty_array_mt");
    return 1;
}

static int null_text(lua_State *L) {
    if (lua_json_is_null(L, 1))
        lua_pushliteral(L, "null");
    else
        lua_pushfstring(L, "%s: %p", luaL_typename(L, 1), lua_topointer(L, 1));
    return 1;
}

/* All light userdata have one metatable: that of null. */
static void name_null(lua_State *L) {
    static const luaL_Reg meta[] = {{"__tostring", null_text}, {NULL, NULL}};
    lua_json_push_null(L);
    luaL_newlib(L, meta);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

void ln_open_json(lua_State *L) {
    l_new(L);
    lua_setfield(L, -2, "json");
    name_null(L);
    lua_json_push_null(L);
    lua_setfield(L, -2, "null");
    lua_pushcfunction(L, l_array);
    lua_setfield(L, -2, "array");
    lua_pushcfunction(L, l_binary);
    lua_setfield(L, -2, "binary");
}
