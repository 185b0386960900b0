/* SPDX-License-Identifier: MIT
 *
 * Checks of arguments, for every module of the API. See lua_args.h.
 */
#include "bindings/lua_args.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/text.h"
#include "client/conn.h"

/* --- raising --- */

int arg_bad(lua_State *L, int idx, const char *fn, const char *arg, const char *wants) {
    const char *got = lua_isnoneornil(L, idx)    ? "nil"
                      : lua_json_is_null(L, idx) ? "linnet.null"
                                                 : luaL_typename(L, idx);
    if (luaL_getmetafield(L, idx, "__name") == LUA_TSTRING) got = lua_tostring(L, -1);
    return script_fail(L, "%s: %s must be %s, not %s", fn, arg, wants, got);
}

int arg_unknown(lua_State *L, const char *fn, const char *kind, struct ln_str name,
                const char *const *names) {
    const char *near = ln_nearest(name, names);
    if (near)
        return script_fail(L, "%s: unknown %s '%.*s' (did you mean '%s'?)", fn, kind,
                           (int)LN_MIN(name.n, 60), name.p, near);
    char list[300] = "";
    size_t n = 0;
    for (int i = 0; names[i] && n < sizeof list - 30; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? " " : "", names[i]);
    return script_fail(L, "%s: unknown %s '%.*s' (there are: %s)", fn, kind,
                       (int)LN_MIN(name.n, 60), name.p, list);
}

/* --- arguments --- */

struct ln_str arg_str(lua_State *L, int idx, const char *fn, const char *arg) {
    struct ln_str s;
    if (lua_type(L, idx) != LUA_TSTRING) arg_bad(L, idx, fn, arg, "a string");
    s.p = lua_tolstring(L, idx, &s.n);
    return s;
}

struct ln_str arg_str_opt(lua_State *L, int idx, const char *fn, const char *arg) {
    if (lua_isnoneornil(L, idx)) return (struct ln_str){NULL, 0};
    return arg_str(L, idx, fn, arg);
}

struct ln_str arg_name(lua_State *L, int idx, const char *fn, const char *arg) {
    struct ln_str s = arg_str(L, idx, fn, arg);
    if (!s.n) script_fail(L, "%s: %s is empty", fn, arg);
    if (s.n > NAME_MAX_BYTES)
        script_fail(L, "%s: %s has %zu bytes; at most %d are allowed", fn, arg, s.n,
                    NAME_MAX_BYTES);
    if (memchr(s.p, '\0', s.n)) script_fail(L, "%s: %s holds a zero byte", fn, arg);
    return s;
}

struct ln_str arg_event(lua_State *L, int idx, const char *fn) {
    struct ln_str s = arg_str(L, idx, fn, "the event");
    if (conn_name_reserved(s))
        script_fail(L, "%s: \"%.*s\" is a reserved event name: it is the connection's own", fn,
                    LN_FMT(s));
    return s;
}

int arg_word(lua_State *L, int idx, const char *fn, const char *arg, const char *const *words,
             int dflt) {
    if (dflt >= 0 && lua_isnoneornil(L, idx)) return dflt;
    struct ln_str s = arg_str(L, idx, fn, arg);
    for (int i = 0; words[i]; i++)
        if (ln_str_is(s, words[i])) return i;
    return arg_unknown(L, fn, arg, s, words);
}

bool arg_bool(lua_State *L, int idx, const char *fn, const char *arg, bool dflt) {
    if (lua_isnoneornil(L, idx)) return dflt;
    if (!lua_isboolean(L, idx)) arg_bad(L, idx, fn, arg, "true or false");
    return lua_toboolean(L, idx);
}

int64_t arg_int(lua_State *L, int idx, const char *fn, const char *arg, int64_t min, int64_t max) {
    int is_int;
    lua_Integer v = lua_tointegerx(L, idx, &is_int);
    if (lua_type(L, idx) != LUA_TNUMBER || !is_int) arg_bad(L, idx, fn, arg, "a whole number");
    if (v < min || v > max)
        script_fail(L, "%s: %s must be from %lld to %lld, not %lld", fn, arg, (long long)min,
                    (long long)max, (long long)v);
    return v;
}

int64_t arg_ms(lua_State *L, int idx, const char *fn, const char *arg) {
    int64_t ms = 0;
    if (lua_type(L, idx) == LUA_TNUMBER) {
        double s = lua_tonumber(L, idx);
        if (!(s >= 0 && s * 1000 <= (double)DURATION_MAX_MS))
            script_fail(L, "%s: %s must be from 0 to ten years, not %g seconds", fn, arg, s);
        return (int64_t)llround(s * 1000);
    }
    struct ln_str text = {NULL, 0};
    if (lua_type(L, idx) == LUA_TSTRING)
        text.p = lua_tolstring(L, idx, &text.n);
    else
        arg_bad(L, idx, fn, arg, "a duration (seconds, or text such as \"10s\")");
    if (!ln_duration_parse(text, &ms))
        script_fail(L, "%s: %s must be a duration such as 10, \"250ms\" or \"5m\", not \"%.*s\"",
                    fn, arg, (int)LN_MIN(text.n, 40), text.p);
    return ms;
}

int64_t arg_ms_opt(lua_State *L, int idx, const char *fn, const char *arg, int64_t dflt) {
    return lua_isnoneornil(L, idx) ? dflt : arg_ms(L, idx, fn, arg);
}

void arg_fn(lua_State *L, int idx, const char *fn, const char *arg) {
    if (lua_type(L, idx) != LUA_TFUNCTION) arg_bad(L, idx, fn, arg, "a function");
}

int arg_ref(lua_State *L, int idx) {
    lua_pushvalue(L, idx);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

int arg_unpack(lua_State *L, int ref) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    int t = lua_gettop(L);
    lua_getfield(L, t, "n");
    int n = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    luaL_checkstack(L, n + 4, "too many arguments");
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, t, i);
    lua_remove(L, t);
    return n;
}

/* --- options --- */

bool arg_opts(lua_State *L, int idx, const char *fn, const char *const *names) {
    if (lua_isnoneornil(L, idx)) return false;
    if (lua_type(L, idx) != LUA_TTABLE) arg_bad(L, idx, fn, "the options", "a table");
    idx = lua_absindex(L, idx);
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            script_fail(L, "%s: the options must be a table of names, as { %s = … }", fn, names[0]);
        struct ln_str key;
        key.p = lua_tolstring(L, -2, &key.n);
        int i = 0;
        while (names[i] && !ln_str_is(key, names[i]))
            i++;
        if (!names[i]) arg_unknown(L, fn, "option", key, names);
    }
    return true;
}

int arg_opt(lua_State *L, int idx, const char *name) {
    if (lua_type(L, idx) == LUA_TTABLE)
        lua_getfield(L, idx, name);
    else
        lua_pushnil(L);
    return lua_gettop(L);
}

/* --- the bindings' own part of a script --- */

static int api_gc(lua_State *L) {
    struct api *api = lua_touserdata(L, 1);
    for (int i = 0; i < API_NEST; i++)
        ln_buf_free(&api->out[i]);
    return 0;
}

static void api_open(lua_State *L) {
    struct api *api = lua_newuserdatauv(L, sizeof *api, 0);
    memset(api, 0, sizeof *api);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, api_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &api_gc);
    lua_createtable(L, 4, 0);
    api->decoded = luaL_ref(L, LUA_REGISTRYINDEX);
    script_of(L)->api = api;
}

struct api *api_of(lua_State *L) {
    return script_of(L)->api;
}

struct ln_buf *api_out(lua_State *L) {
    struct api *api = api_of(L);
    if (api->out_depth >= API_NEST) script_fail(L, "too many events inside handlers of events");
    struct ln_buf *b = &api->out[api->out_depth];
    if (b->cap > 1 << 20) ln_buf_free(b); /* one huge message must not be paid for ever */
    ln_buf_clear(b);
    return b;
}

bool out_try(lua_State *L, struct out *o, int first, int last, struct ln_err *err) {
    *o = (struct out){.text = api_out(L)};
    if (first > last || lua_json_encode_args(L, first, last, o->text, &o->bins, err)) {
        api_of(L)->out_depth++;
        return true;
    }
    ln_free(o->bins.v);
    return false;
}

void out_encode(lua_State *L, struct out *o, const char *fn, int first, int last) {
    struct ln_err err;
    if (!out_try(L, o, first, last, &err)) script_fail(L, "%s: %s", fn, err.text);
}

bool out_try_few(lua_State *L, struct out *o, int first, int last, struct ln_err *err) {
    if (!out_try(L, o, first, last, err)) return false;
    if (LN_LIKELY(o->bins.n <= CONN_MAX_BINARY)) return true;
    ln_fail(err, LN_INVALID, "%zu binary values in one event: peers take at most %d", o->bins.n,
            CONN_MAX_BINARY);
    out_done(L, o);
    return false;
}

void out_encode_few(lua_State *L, struct out *o, const char *fn, int first, int last) {
    struct ln_err err;
    if (!out_try_few(L, o, first, last, &err)) script_fail(L, "%s: %s", fn, err.text);
}

void out_done(lua_State *L, struct out *o) {
    api_of(L)->out_depth--;
    ln_free(o->bins.v);
}

void ln_open_args(lua_State *L) {
    api_open(L);
}
