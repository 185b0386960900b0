/* SPDX-License-Identifier: MIT
 *
 * Secrets: found by the host (host/secret.h), shown as ***, and accepted where something identifies
 * us to a server. Whoever reveals one is named in the log.
 */
#include <stdio.h>

#include "base/log.h"
#include "bindings/lua_host.h"
#include "bindings/lua_modules.h"
#include "host/secret.h"

static const struct type_desc secret_type;

bool secret_get(lua_State *L, int idx, struct ln_str *text) {
    if (lua_type(L, idx) != LUA_TUSERDATA || !luaL_testudata(L, idx, secret_type.key)) return false;
    lua_getiuservalue(L, idx, 1); /* lent by the userdata, which stays where it is */
    text->p = lua_tolstring(L, -1, &text->n);
    lua_pop(L, 1);
    return true;
}

static int secret_text(lua_State *L) {
    lua_pushliteral(L, "***");
    return 1;
}

static int secret_eq(lua_State *L) {
    struct ln_str a, b;
    lua_pushboolean(L, secret_get(L, 1, &a) && secret_get(L, 2, &b) && ln_str_eq(a, b));
    return 1;
}

/* secret:reveal() -> string */
static int l_secret_reveal(lua_State *L) {
    struct ln_str text;
    char tag[80];
    lua_Debug ar = {.currentline = 0};
    type_check(L, 1, &secret_type, "secret:reveal");
    secret_get(L, 1, &text);
    if (lua_getstack(L, 1, &ar)) lua_getinfo(L, "Sl", &ar);
    snprintf(tag, sizeof tag, "script:%s", script_of(L)->seat->name);
    ln_log(LN_WARN, tag, "a secret is revealed at %s:%d", ar.short_src, ar.currentline);
    lua_pushlstring(L, text.p, text.n);
    return 1;
}

static const luaL_Reg secret_methods[] = {{"reveal", l_secret_reveal}, {NULL, NULL}};
static const luaL_Reg secret_meta[] = {
    {"__tostring", secret_text}, {"__eq", secret_eq}, {NULL, NULL}};
static const struct type_desc secret_type = {
    .key = "linnet.Secret",
    .name = "Secret",
    .methods = secret_methods,
    .meta = secret_meta,
};

/* linnet.secret(name) -> Secret */
static int l_secret(lua_State *L) {
    struct ln_err err;
    struct ln_buf text = {0};
    arg_str(L, 1, "linnet.secret", "the name");
    const char *name = lua_tostring(L, 1);
    type_register(L, &secret_type);
    lua_newuserdatauv(L, 0, 1);
    luaL_setmetatable(L, secret_type.key);
    if (!secret_find(name, &text, &err)) {
        ln_buf_free(&text);
        return script_fail(L, "linnet.secret: %s", err.text);
    }
    lua_pushlstring(L, text.p ? text.p : "", text.n);
    ln_buf_free(&text);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

void ln_open_secret(lua_State *L) {
    static const luaL_Reg fns[] = {{"secret", l_secret}, {NULL, NULL}};
    luaL_setfuncs(L, fns, 0);
}
