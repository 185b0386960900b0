/* SPDX-License-Identifier: MIT
 *
 * What a script knows of itself: linnet.script, linnet.on_dispose.
 */
#include "base/clock.h"
#include "bindings/lua_args.h"
#include "bindings/lua_modules.h"
#include "bindings/lua_plugin.h"

/* linnet.on_dispose(fn(reason)) -> Handle */
static int l_on_dispose(lua_State *L) {
    arg_fn(L, 1, "linnet.on_dispose", "fn");
    if (script_is_ending(script_of(L)))
        script_fail(L, "linnet.on_dispose: the script ends already");
    ln_id *handle = handle_push(L);
    *handle = disposer_add(script_of(L), arg_ref(L, 1));
    return 1;
}

/* What is known only later: version and reloads. */
static int script_index(lua_State *L) {
    struct script *s = script_of(L);
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "reloads") == 0) {
        lua_pushinteger(L, s->seat->reloads);
        return 1;
    }
    if (strcmp(name, "version") != 0)
        return script_fail(L, "linnet.script has name, path, version, started, reloads; not '%s'",
                           name);
    if (lua_rawgeti(L, LUA_REGISTRYINDEX, s->plugin) != LUA_TTABLE) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushliteral(L, "version");
    lua_rawget(L, -2);
    return 1;
}

/* linnet.script -> { name, path, version, started, reloads } */
static void push_script(lua_State *L) {
    struct script *s = script_of(L);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, s->seat->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, s->seat->path);
    lua_setfield(L, -2, "path");
    lua_pushnumber(L, (lua_Number)s->started_wall_ms / 1000);
    lua_setfield(L, -2, "started");
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, script_index);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

void ln_open_script(lua_State *L) {
    lua_pushcfunction(L, l_on_dispose);
    lua_setfield(L, -2, "on_dispose");
    push_script(L);
    lua_setfield(L, -2, "script");
}
