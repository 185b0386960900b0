/* SPDX-License-Identifier: MIT
 *
 * What a script knows of its host: options, environment, arguments, the end, versions. Also what
 * `linnet` says about a name that it does not have.
 */
#include "bindings/lua_host.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "bindings/lua_task.h"
#include "host/scripts.h"

/* --- linnet.option --- */

enum kind { K_ANY, K_STRING, K_INTEGER, K_NUMBER, K_BOOLEAN, K_DURATION, K_TIME, K_LIST, K_WORDS };
static const char *const kinds[] = {"any",      "string", "integer", "number", "boolean",
                                    "duration", "time",   "list",    NULL};
static const char *const kind_wants[] = {"",
                                         "a string",
                                         "a whole number",
                                         "a number",
                                         "true or false",
                                         "a duration such as \"5m\"",
                                         "a time of day such as \"08:00\"",
                                         "a list",
                                         NULL};

static enum kind kind_of_default(lua_State *L, int idx) {
    switch (lua_type(L, idx)) {
    case LUA_TSTRING:
        return K_STRING;
    case LUA_TBOOLEAN:
        return K_BOOLEAN;
    case LUA_TTABLE:
        return K_LIST;
    case LUA_TNUMBER:
        return lua_isinteger(L, idx) ? K_INTEGER : K_NUMBER;
    default:
        return K_ANY;
    }
}

static bool is_time_of_day(const char *s) {
    unsigned h, m;
    char rest;
    return sscanf(s, "%2u:%2u%c", &h, &m, &rest) == 2 && h < 24 && m < 60 && strlen(s) >= 4;
}

/* A word of "a|b|c". */
static bool is_one_of(const char *words, struct ln_str s) {
    for (const char *p = words;; p++) {
        size_t n = strcspn(p, "|");
        if (n == s.n && memcmp(p, s.p, n) == 0) return true;
        p += n;
        if (!*p) return false;
    }
}

/* Text of the environment or the command line becomes what it spells. */
static void spell_out(lua_State *L, enum kind kind) {
    if (lua_type(L, -1) != LUA_TSTRING) return;
    const char *s = lua_tostring(L, -1);
    bool is_true = strcmp(s, "true") == 0;
    if (kind == K_INTEGER || kind == K_NUMBER) {
        if (lua_stringtonumber(L, s) == 0) return;
    } else if (kind == K_BOOLEAN && (is_true || strcmp(s, "false") == 0)) {
        lua_pushboolean(L, is_true);
    } else {
        return;
    }
    lua_remove(L, -2);
}

/* The value on top has this kind; a duration becomes seconds. */
static bool fits(lua_State *L, enum kind kind, const char *words) {
    int is_int, type = lua_type(L, -1);
    int64_t ms;
    struct ln_str s = {NULL, 0};
    if (type == LUA_TSTRING) s.p = lua_tolstring(L, -1, &s.n);
    switch (kind) {
    case K_ANY:
        return true;
    case K_STRING:
        return s.p != NULL;
    case K_NUMBER:
        return type == LUA_TNUMBER;
    case K_BOOLEAN:
        return type == LUA_TBOOLEAN;
    case K_LIST:
        return type == LUA_TTABLE;
    case K_TIME:
        return s.p && is_time_of_day(s.p);
    case K_WORDS:
        return s.p && is_one_of(words, s);
    case K_INTEGER:
        lua_tointegerx(L, -1, &is_int);
        return type == LUA_TNUMBER && is_int;
    default:
        break;
    }
    if (type == LUA_TNUMBER) return lua_tonumber(L, -1) >= 0;
    if (!s.p || !ln_duration_parse(s, &ms)) return false;
    lua_pop(L, 1);
    lua_pushnumber(L, (double)ms / 1000.0);
    return true;
}

static const char asked_key = 0; /* its address is the registry key of the options asked for */

static void note_asked(lua_State *L, int name) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &asked_key) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &asked_key);
    }
    lua_pushvalue(L, name);
    lua_pushboolean(L, true);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void options_look_over(lua_State *L) {
    const struct script *s = script_of(L);
    const char *path, *origin;
    struct ln_str json;
    char prefix[300], near[100];
    snprintf(prefix, sizeof prefix, "scripts.%s.options.", s->seat->name);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &asked_key) == LUA_TTABLE) {
        for (size_t i = 0; config_each(s->app->config, prefix, &i, &path, &json, &origin);) {
            const char *name = path + strlen(prefix);
            lua_pushstring(L, name);
            bool is_asked = lua_rawget(L, -2) != LUA_TNIL;
            lua_pop(L, 1);
            if (!is_asked && *nearest_key(L, -1, name, near, sizeof near))
                ln_log(LN_WARN, "linnet", "%s: %s has no option '%s'%s", origin, s->seat->path,
                       name, near);
        }
    }
    lua_pop(L, 1);
}

/* linnet.option(name, default?, kind?) -> value */
static int l_option(lua_State *L) {
    struct script *s = script_of(L);
    struct ln_str name = arg_str(L, 1, "linnet.option", "the name");
    const char *words = NULL;
    enum kind kind = K_ANY;
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        kind = kind_of_default(L, 2);
    } else {
        words = arg_str(L, 3, "linnet.option", "the kind").p;
        kind = strchr(words, '|') ? K_WORDS
                                  : (enum kind)arg_word(L, 3, "linnet.option", "kind", kinds, -1);
    }
    note_asked(L, 1);
    lua_pushfstring(L, "scripts.%s.options.%s", s->seat->name, name.p);
    const char *path = lua_tostring(L, -1);
    struct ln_str json = config_get(s->app->config, path);
    struct ln_err err;
    if (!json.p) {
        lua_pushvalue(L, 2);
        if (lua_isnil(L, -1) || fits(L, kind, words)) return 1;
        return script_fail(L, "linnet.option: the default of '%s' must be %s", name.p,
                           kind == K_WORDS ? words : kind_wants[kind]);
    }
    const char *origin = config_origin(s->app->config, path);
    if (!lua_json_decode(L, json, &err))
        return script_fail(L, "%s: option '%s': %s", origin, name.p, err.text);
    spell_out(L, kind);
    if (fits(L, kind, words)) return 1;
    return script_fail(L, "%s: option '%s' of script %s must be %s, not %.*s", origin, name.p,
                       s->seat->name, kind == K_WORDS ? words : kind_wants[kind],
                       (int)LN_MIN(json.n, 60), json.p);
}

/* --- environment, arguments, the end --- */

/* linnet.env(name, default?) -> string | default */
static int l_env(lua_State *L) {
    struct ln_err err;
    struct ln_str name = arg_str(L, 1, "linnet.env", "the name");
    if (!script_granted(script_of(L), "env", name, &err))
        return script_fail(L, "linnet.env: %s", err.text);
    const char *value = getenv(name.p);
    lua_settop(L, 2);
    if (value) lua_pushstring(L, value);
    return 1;
}

/* linnet.exit(code?) */
static int l_exit(lua_State *L) {
    struct script *s = script_of(L);
    struct ln_err err;
    int code = lua_isnoneornil(L, 1) ? 0 : (int)arg_int(L, 1, "linnet.exit", "the code", 0, 255);
    if (s->app->scripts && !scripts_are_only(s->app->scripts, s->seat) &&
        !script_granted(s, "exit", (struct ln_str){NULL, 0}, &err))
        return script_fail(L, "linnet.exit: other scripts run here as well; %s", err.text);
    if (lua_call_held(L)) return lua_call_hold(L, l_exit);
    app_exit(s->app, code);
    return 0;
}

static void push_args(lua_State *L) {
    struct app *a = app_of(L);
    lua_createtable(L, a->argc, 0);
    for (int i = 0; i < a->argc; i++) {
        lua_pushstring(L, a->argv[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* --- what `linnet` does not have --- */

#define NAMES_MAX 120

static int unknown_name(lua_State *L) {
    const char *names[NAMES_MAX + 1];
    int n = 0;
    if (lua_type(L, 2) != LUA_TSTRING)
        return script_fail(L, "linnet has no member of type %s", luaL_typename(L, 2));
    struct ln_str name;
    name.p = lua_tolstring(L, 2, &name.n);
    for (lua_pushnil(L); lua_next(L, 1) && n < NAMES_MAX; lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING) names[n++] = lua_tostring(L, -2);
    names[n] = NULL;
    char meant[LN_MEANT];
    const char *near = ln_nearest(name, names);
    return script_fail(L, "linnet has no '%s'%s", name.p, ln_meant(near, meant));
}

static int set_name(lua_State *L) {
    return script_fail(L, "linnet.%s cannot be set: keep it in a local variable, or in a module",
                       luaL_tolstring(L, 2, NULL));
}

void ln_open_host(lua_State *L) {
    static const luaL_Reg fns[] = {
        {"option", l_option}, {"env", l_env}, {"exit", l_exit}, {NULL, NULL}};
    static const luaL_Reg meta[] = {
        {"__index", unknown_name}, {"__newindex", set_name}, {NULL, NULL}};
    luaL_setfuncs(L, fns, 0);
    push_args(L);
    lua_setfield(L, -2, "args");
    lua_pushliteral(L, LN_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushinteger(L, LN_API);
    lua_setfield(L, -2, "api");
    luaL_newlib(L, meta);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}
