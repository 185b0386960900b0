/* SPDX-License-Identifier: MIT
 *
 * linnet.log: records of the script, with fields. The host adds which script it is.
 */
#include <stdio.h>

#include "base/log.h"
#include "bindings/lua_args.h"
#include "bindings/lua_modules.h"

#define FIELDS_MAX 32

/* One field's value: strings as they are, tables as JSON, the rest as tostring shows it. Leaves one
 * value on the stack, which lends the text. */
static struct ln_log_field field_of(lua_State *L, const char *key, int idx) {
    struct ln_log_field f = {.key = key};
    struct ln_buf json = {0};
    int type = lua_type(L, idx);
    bool is_plain = luaL_getmetafield(L, idx, "__tostring") == LUA_TNIL;
    if (!is_plain) lua_pop(L, 1);
    f.is_json = type == LUA_TNUMBER || type == LUA_TBOOLEAN || (type == LUA_TTABLE && is_plain);
    if (f.is_json && lua_json_encode(L, idx, &json, NULL)) {
        lua_pushlstring(L, json.p ? json.p : "", json.n);
        ln_buf_free(&json);
        f.text.p = lua_tolstring(L, -1, &f.text.n);
        return f;
    }
    ln_buf_free(&json);
    f.is_json = false;
    f.text.p = luaL_tolstring(L, idx, &f.text.n);
    return f;
}

static int log_at(lua_State *L, enum ln_log_level level, const char *fn) {
    char tag[80];
    struct ln_log_field fields[FIELDS_MAX];
    size_t n = 0;
    struct ln_str text;
    if (lua_isnone(L, 1)) arg_bad(L, 1, fn, "the message", "a value");
    if (!lua_isnoneornil(L, 2) && !lua_istable(L, 2)) arg_bad(L, 2, fn, "the fields", "a table");
    snprintf(tag, sizeof tag, "script:%s", script_of(L)->seat->name);
    if (!ln_log_on(level, tag)) return 0;
    lua_settop(L, 2);
    text.p = luaL_tolstring(L, 1, &text.n);
    if (lua_istable(L, 2)) {
        for (lua_pushnil(L); lua_next(L, 2) && n < FIELDS_MAX; n++) {
            luaL_checkstack(L, 6, "too many fields");
            int value = lua_gettop(L);
            if (lua_type(L, -2) != LUA_TSTRING)
                script_fail(L, "%s: the fields must have names, as { room = \"lobby\" }", fn);
            fields[n] = field_of(L, lua_tostring(L, value - 1), value);
            lua_replace(L, value);       /* the text stays while the record is made … */
            lua_pushvalue(L, value - 1); /* … and the key goes on */
        }
    }
    ln_log_fields(level, tag, text, fields, n);
    return 0;
}

/* log.debug(message, fields?) */
static int l_log_debug(lua_State *L) {
    return log_at(L, LN_DEBUG, "log.debug");
}

/* log.info(message, fields?) */
static int l_log_info(lua_State *L) {
    return log_at(L, LN_INFO, "log.info");
}

/* log.warn(message, fields?) */
static int l_log_warn(lua_State *L) {
    return log_at(L, LN_WARN, "log.warn");
}

/* log.error(message, fields?) */
static int l_log_error(lua_State *L) {
    return log_at(L, LN_ERROR, "log.error");
}

void ln_open_log(lua_State *L) {
    static const luaL_Reg fns[] = {{"debug", l_log_debug},
                                   {"info", l_log_info},
                                   {"warn", l_log_warn},
                                   {"error", l_log_error},
                                   {NULL, NULL}};
    luaL_newlib(L, fns);
    lua_setfield(L, -2, "log");
}
