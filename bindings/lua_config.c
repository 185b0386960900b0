/* SPDX-License-Identifier: MIT
 *
 * linnet.cfg.lua: data in Lua syntax. The file runs in a state of its own that has nothing but
 * three functions, env(name, default?), secret(name) and file(path), within a step limit; what it
 * set is handed to the host as JSON.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "bindings/bindings.h"
#include "bindings/lua_json.h"
#include "host/secret.h"

#define CONFIG_STEPS 10000000 /* VM instructions: data does not loop */
#define FILE_MAX 1048576      /* bytes */

/* Adds the whole file to out; false with err. */
static bool read_text(const char *path, struct ln_buf *out, struct ln_err *err) {
    FILE *f = fopen(path, "re");
    bool ok = f != NULL;
    if (ok) {
        out->n += fread(ln_buf_room(out, FILE_MAX + 1), 1, FILE_MAX + 1, f);
        ok = !ferror(f); /* a folder, say */
    }
    if (!ok)
        ln_fail(err, LN_NOT_FOUND, "cannot read %s: %s", path, strerror(errno));
    else if (out->n > FILE_MAX)
        ln_fail(err, LN_FULL, "%s has more than 1 MiB", path);
    if (f) fclose(f);
    return ok && out->n <= FILE_MAX;
}

/* Pushes the text and frees it. Copied to a Lua buffer first: a push may raise, and a secret must
 * not be left in memory. */
static int push_text(lua_State *L, struct ln_buf *text) {
    luaL_Buffer b;
    size_t n = text->n;
    memcpy(luaL_buffinitsize(L, &b, n + 1), n ? text->p : "", n);
    ln_buf_free(text);
    luaL_pushresultsize(&b, n);
    return 1;
}

#define UNSET_KEY "linnet.unset" /* the variable that was asked for last and is not there */

/* env(name, default?) -> string | nil; a default that is a number or a boolean asks for one */
static int l_env(lua_State *L) {
    const char *name = luaL_checkstring(L, 1), *value = getenv(name);
    lua_settop(L, 2);
    if (!value && lua_isnil(L, 2)) {
        lua_pushvalue(L, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, UNSET_KEY);
    }
    if (!value) return 1;
    if (lua_type(L, 2) == LUA_TNUMBER) {
        if (lua_stringtonumber(L, value) == strlen(value) + 1) return 1;
        return luaL_error(L, "the variable %s must be a number, not \"%s\"", name, value);
    }
    if (lua_isboolean(L, 2)) {
        bool is_true = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
        if (!is_true && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
            return luaL_error(L, "the variable %s must be true or false, not \"%s\"", name, value);
        lua_pushboolean(L, is_true);
        return 1;
    }
    lua_pushstring(L, value);
    return 1;
}

/* secret(name) -> string */
static int l_secret(lua_State *L) {
    struct ln_buf value = {0};
    struct ln_err err;
    if (!secret_find(luaL_checkstring(L, 1), &value, &err)) {
        ln_buf_free(&value);
        return luaL_error(L, "%s", err.text);
    }
    return push_text(L, &value);
}

/* file(path) -> string; the file's text without its last newline */
static int l_file(lua_State *L) {
    struct ln_buf text = {0};
    struct ln_err err;
    if (!read_text(luaL_checkstring(L, 1), &text, &err)) {
        ln_buf_free(&text);
        return luaL_error(L, "%s", err.text);
    }
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    return push_text(L, &text);
}

static void too_long(lua_State *L, lua_Debug *ar) {
    lua_getinfo(L, "Sl",
                ar); /* the place is the running code's, which luaL_error would pass over */
    lua_pushfstring(L, "%s:%d: the settings run for too long (is there a loop?)", ar->short_src,
                    ar->currentline);
    lua_error(L);
}

/* A name that the file has not set. Upvalue: the functions. */
static int l_unknown(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL || lua_type(L, 2) != LUA_TSTRING) return 1;
    const char *name = lua_tostring(L, 2);
    return luaL_error(L,
                      "there is no '%s' here: settings are data, as %s = { … }, and there are "
                      "env(name), secret(name) and file(path)",
                      name, name);
}

static void set_up(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"env", l_env}, {"secret", l_secret}, {"file", l_file}, {NULL, NULL}};
    lua_newtable(L); /* what the file sets */
    lua_newtable(L);
    luaL_newlib(L, functions);
    lua_pushcclosure(L, l_unknown, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_sethook(L, too_long, LUA_MASKCOUNT, CONFIG_STEPS);
}

/* The message on top. Where something was missing, mostly a variable was. */
static void fail_run(lua_State *L, struct ln_err *err) {
    const char *message = lua_tostring(L, -1);
    if (!message) message = "the settings raised an error";
    lua_getfield(L, LUA_REGISTRYINDEX, UNSET_KEY);
    const char *unset = strstr(message, "a nil value") ? lua_tostring(L, -1) : NULL;
    ln_fail(err, LN_INVALID, "%s%s%s%s", message, unset ? " (the variable " : "",
            unset ? unset : "", unset ? " is not set)" : "");
    lua_pop(L, 1);
}

bool lua_config_file(struct config *c, const char *path, enum config_level level,
                     struct ln_err *err) {
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    struct ln_buf text = {0}, json = {0}, chunk = {0};
    if (!read_text(path, &text, err)) {
        ln_buf_free(&text);
        return false;
    }
    config_add_file(c, path);
    lua_State *L = luaL_newstate();
    struct ln_err why;
    bool ok = false;
    /* The whole path when it is not the one beside the script, so that a person finds the file. */
    ln_buf_fmt(&chunk, "@%s", level == CONFIG_PROJECT ? base : path);
    *(struct script **)lua_getextraspace(L) = NULL; /* no script's state */
    set_up(L);
    if (luaL_loadbufferx(L, ln_buf_cstr(&text), text.n, ln_buf_cstr(&chunk), "t") != LUA_OK) {
        ln_fail(err, LN_INVALID, "%s", lua_tostring(L, -1));
    } else {
        lua_pushvalue(L, 1);
        lua_setupvalue(L, -2, 1);
        if (lua_call_plain(L, 0, 1) != LUA_OK) {
            fail_run(L, err);
        } else {
            if (lua_istable(L, -1)) lua_replace(L, 1); /* `return { … }` is fine, too */
            lua_settop(L, 1);
            lua_pushnil(L);
            lua_setmetatable(L, 1);
            ok = lua_json_encode(L, 1, &json, &why);
            if (ok)
                config_set_file(c, ln_buf_get(&json), ln_buf_cstr(&chunk) + 1, ln_buf_get(&text),
                                level);
            else
                ln_fail(err, LN_INVALID, "%s: %s", ln_buf_cstr(&chunk) + 1, why.text);
        }
    }
    lua_close(L);
    ln_buf_free(&json);
    ln_buf_free(&chunk);
    ln_buf_free(&text);
    return ok;
}
