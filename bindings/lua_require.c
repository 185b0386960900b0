/* SPDX-License-Identifier: MIT
 *
 * require, per script: text chunks from the script's own directory, then the project's lib/, then
 * $XDG_DATA_HOME/linnet/lua, /usr/share/linnet/lua, /usr/share/lua/5.4; "./x" lies beside the file
 * that asks. A module may wait while it loads. C modules need the grant `native`, but for cjson,
 * which linnet depends on; a library once opened stays for the life of the process.
 */
#include <dlfcn.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "bindings/lua_sandbox.h"
#include "bindings/lua_task.h"
#include "host/scripts.h"

/* --- looking for the file --- */

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* dir/name.lua or dir/name/init.lua; every try is noted for the error. */
static bool try_dir(const char *dir, const char *name, struct ln_buf *tried, char *out, size_t n) {
    const char *const ends[] = {".lua", "/init.lua"};
    for (size_t i = 0; i < LN_COUNT(ends); i++) {
        int len = snprintf(out, n, "%s/%s%s", dir, name, ends[i]);
        if (len < 0 || (size_t)len >= n) continue;
        if (is_file(out)) return true;
        ln_buf_fmt(tried, "\n  no file '%s'", out);
    }
    return false;
}

/* The directory of the file as it was given to us, so that error texts stay short. */
static void dir_as_given(const char *path, char *out, size_t n) {
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(out, n, "%.*s", (int)(slash - path), path);
    else
        snprintf(out, n, ".");
}

/* "./x": beside the file of the function that called require. */
static void dir_of_caller(lua_State *L, char *out, size_t n) {
    lua_Debug ar;
    const char *path = script_of(L)->seat->path;
    if (lua_getstack(L, 1, &ar) && lua_getinfo(L, "S", &ar) && ar.source[0] == '@')
        path = ar.source + 1;
    dir_as_given(path, out, n);
}

static bool find_text(lua_State *L, const char *name, struct ln_buf *tried, char *out, size_t n) {
    char dir[PATH_MAX], file[PATH_MAX];
    bool is_beside = name[0] == '.' && name[1] == '/';
    snprintf(file, sizeof file, "%s", is_beside ? name + 2 : name);
    for (char *p = file; !is_beside && *p; p++)
        if (*p == '.') *p = '/';
    if (is_beside) {
        dir_of_caller(L, dir, sizeof dir);
        return try_dir(dir, file, tried, out, n);
    }
    dir_as_given(script_of(L)->seat->path, dir, sizeof dir);
    if (try_dir(dir, file, tried, out, n) || try_dir("lib", file, tried, out, n)) return true;
    const char *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (base && base[0] == '/')
        snprintf(dir, sizeof dir, "%s/linnet/lua", base);
    else
        snprintf(dir, sizeof dir, "%s/.local/share/linnet/lua", home ? home : "");
    return try_dir(dir, file, tried, out, n) ||
           try_dir("/usr/share/linnet/lua", file, tried, out, n) ||
           try_dir("/usr/share/lua/5.4", file, tried, out, n);
}

/* Letters, digits, _ - . and /; no way upwards. */
static bool is_good_name(const char *name) {
    if (!*name || name[0] == '/' || strstr(name, "..")) return false;
    for (const char *p = name; *p; p++)
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') &&
            !strchr("_-./", *p))
            return false;
    return true;
}

/* --- C modules --- */

static bool find_native(const char *name, char *out, size_t n) {
    char file[256];
    snprintf(file, sizeof file, "%s", name);
    for (char *p = file; *p; p++)
        if (*p == '.') *p = '/';
    for (const char *at = LUA_CPATH_DEFAULT; *at;) {
        size_t len = strcspn(at, ";");
        const char *mark = memchr(at, '?', len);
        if (at[0] == '/' && mark) { /* never the current directory */
            snprintf(out, n, "%.*s%s%.*s", (int)(mark - at), at, file, (int)(at + len - mark - 1),
                     mark + 1);
            if (is_file(out)) return true;
        }
        at += len + (at[len] == ';');
    }
    return false;
}

/* Pushes the module's opener; false: there is no such C module. Raises without the grant. */
static bool push_native(lua_State *L, const char *name, const char *path) {
    struct ln_err err;
    if (strcmp(name, "cjson") != 0 && strcmp(name, "cjson.safe") != 0 &&
        !script_granted(script_of(L), "native", (struct ln_str){NULL, 0}, &err))
        script_fail(L, "the module '%s' is a C library (%s), which is %s", name, path, err.text);
    char symbol[300];
    snprintf(symbol, sizeof symbol, "luaopen_%s", name);
    for (char *p = symbol; *p; p++)
        if (*p == '.' || *p == '-') *p = '_';
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib) script_fail(L, "the module '%s': %s", name, dlerror());
    lua_CFunction open = (lua_CFunction)(uintptr_t)dlsym(lib, symbol);
    if (!open) script_fail(L, "the module '%s': no function %s in %s", name, symbol, path);
    lua_pushcfunction(L, open);
    return true;
}

/* --- require --- */

/* A module that failed to load is asked anew the next time. */
static int loading_over(lua_State *L) {
    lua_rawgeti(L, 1, 1);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TLIGHTUSERDATA) return 0;
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_rawset(L, lua_upvalueindex(1));
    return 0;
}

/* Marks the module as being loaded, at index 4; the mark is taken off however the loading ends. */
static void mark_loading(lua_State *L) {
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, (void *)&loading_over);
    lua_rawset(L, 2);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, loading_over, 1);
    lua_setfield(L, -2, "__close");
    lua_setmetatable(L, -2);
    lua_insert(L, 4);
    lua_toclose(L, 4);
}

/* Stack: 1 name, 2 the table of loaded modules, 3 path, 4 the mark, then the loader's result. */
static int loaded(lua_State *L, int status, lua_KContext ctx) {
    (void)status;
    (void)ctx;
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushvalue(L, 1);
        if (lua_rawget(L, 2) == LUA_TNIL || lua_touserdata(L, -1) == (void *)&loading_over) {
            lua_pop(L, 1);
            lua_pushboolean(L, true);
        }
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
    lua_pushvalue(L, 3);
    return 2;
}

void module_push(lua_State *L, const char *path) {
    struct ln_buf text = {0};
    struct ln_err err;
    lua_pushfstring(L, "@%s", strncmp(path, "./", 2) == 0 ? path + 2 : path);
    if (!file_read(path, &text, &err)) script_fail(L, "%s", err.text);
    int status = script_compile(L, ln_buf_get(&text), lua_tostring(L, -1));
    ln_buf_free(&text);
    if (status != LUA_OK) lua_error(L);
    lua_remove(L, -2);
}

static bool push_loader(lua_State *L, const char *name, char *path, size_t n) {
    struct script *s = script_of(L);
    struct ln_buf tried = {0};
    if (strcmp(name, "cjson") != 0 && find_text(L, name, &tried, path, n)) {
        ln_buf_free(&tried);
        if (s->app->scripts) scripts_depends(s->app->scripts, s->seat, path);
        module_push(L, path);
        return true;
    }
    char text[1000];
    snprintf(text, sizeof text, "%.*s", LN_FMT(ln_buf_get(&tried)));
    ln_buf_free(&tried);
    if (find_native(name, path, n)) return push_native(L, name, path);
    return luaL_error(L, "module '%s' not found:%s", name, text);
}

/* require(name) ⏸ -> module, path */
static int l_require(lua_State *L) {
    char path[PATH_MAX];
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 2) != LUA_TNIL) {
        if (lua_touserdata(L, -1) == (void *)&loading_over)
            return script_fail(L, "module '%s' requires itself, by way of others", name);
        return 1;
    }
    lua_pop(L, 1);
    if (!is_good_name(name)) return script_fail(L, "'%.60s' is not the name of a module", name);
    push_loader(L, name, path, sizeof path);
    lua_pushstring(L, path);
    lua_insert(L, 3);
    mark_loading(L);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 3);
    lua_callk(L, 2, 1, 0, loaded);
    return loaded(L, LUA_OK, 0);
}

void require_open(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, l_require, 1);
    lua_setglobal(L, "require");
    lua_createtable(L, 0, 1); /* libraries look into package.loaded */
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "loaded");
    lua_setglobal(L, "package");
    lua_pop(L, 1);
}
