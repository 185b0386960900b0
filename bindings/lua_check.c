/* SPDX-License-Identifier: MIT
 *
 * `linnet check`: compiles a script, then lets linnet/check.lua read its tokens. Nothing of the
 * script runs. The names of the API come from the signature comments of the bindings, which the
 * build collects (api_names.c): so they cannot drift.
 */
#include <lualib.h>
#include <stdio.h>

#include "base/embed.h"
#include "base/mem.h"
#include "base/text.h"
#include "bindings/bindings.h"
#include "bindings/lua_call.h"

/* nearest(name, list) -> string | nil */
static int l_nearest(lua_State *L) {
    const char *names[1024];
    int n = 0;
    struct ln_str name;
    name.p = luaL_checklstring(L, 1, &name.n);
    luaL_checktype(L, 2, LUA_TTABLE);
    for (; n < 1023 && lua_rawgeti(L, 2, n + 1) == LUA_TSTRING; n++) {
        names[n] = lua_tostring(L, -1); /* kept alive by the list */
        lua_pop(L, 1);
    }
    names[n] = NULL;
    const char *near = ln_nearest(name, names);
    if (near)
        lua_pushstring(L, near);
    else
        lua_pushnil(L);
    return 1;
}

static bool read_file(const char *path, struct ln_buf *out) {
    FILE *f = fopen(path, "r");
    size_t n = 1;
    if (!f) return false;
    while (n && out->n < (64u << 20)) {
        n = fread(ln_buf_room(out, 65536), 1, 65536, f);
        out->n += n;
    }
    bool ok = !ferror(f);
    fclose(f);
    return ok;
}

static const struct ln_embedded *half_file(const char *name) {
    const struct ln_embedded *f = lua_half_files;
    while (f->name && strcmp(f->name, name) != 0)
        f++;
    return f;
}

/* Calls check.lua with the text; the list of problems is left on the stack. */
static int look_over(lua_State *L, struct ln_str text) {
    const struct ln_embedded *half = half_file("check.lua");
    luaL_openlibs(L);
    if (luaL_loadbufferx(L, half->p, half->n, "=check", "t") != LUA_OK) return LUA_ERRSYNTAX;
    lua_pushlstring(L, text.p ? text.p : "", text.n);
    lua_newtable(L);
    for (int i = 0; api_names[i]; i++) {
        lua_pushstring(L, api_names[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, l_nearest);
    return lua_call_plain(L, 3, 1);
}

static int print_problems(lua_State *L, const char *path) {
    int n = (int)lua_rawlen(L, -1);
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        lua_getfield(L, -1, "line");
        lua_getfield(L, -2, "message");
        fprintf(stderr, "%s:%d: %s\n", path, (int)lua_tointeger(L, -2), lua_tostring(L, -1));
        lua_pop(L, 3);
    }
    return n;
}

int lua_check(const char *path) {
    struct ln_buf text = {0}, chunk = {0};
    int problems = 1;
    if (!read_file(path, &text)) {
        fprintf(stderr, "%s: cannot be read\n", path);
        ln_buf_free(&text);
        return 1;
    }
    lua_State *L = luaL_newstate();
    ln_buf_fmt(&chunk, "@%s", path);
    size_t skip =
        0; /* the line `#!/usr/bin/env linnet` is none of Lua's; its newline keeps the count */
    if (text.n && text.p[0] == '#')
        while (skip < text.n && text.p[skip] != '\n')
            skip++;
    if (luaL_loadbufferx(L, text.p ? text.p + skip : "", text.n - skip, ln_buf_cstr(&chunk), "t") !=
        LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    } else if (look_over(L, ln_buf_get(&text)) != LUA_OK) {
        fprintf(stderr, "%s: cannot be looked over: %s\n", path, lua_tostring(L, -1));
    } else {
        problems = print_problems(L, path);
    }
    lua_close(L);
    ln_buf_free(&text);
    ln_buf_free(&chunk);
    return problems;
}
