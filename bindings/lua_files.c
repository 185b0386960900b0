/* SPDX-License-Identifier: MIT
 *
 * io and os as scripts have them: files only below the script's directory and its data directory
 * ($XDG_DATA_HOME/linnet/SCRIPT, made at the first write) unless granted, no processes, no exit,
 * and time from linnet's own clock. Paths are resolved before they are compared, so a link leads
 * nowhere. What the program itself reads is no script's to write without more: settings never, for
 * they grant rights, and code (*.lua, *.so, and what scripts run from) by a grant only, for it may
 * be that of a script which has some.
 */
#include <errno.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bindings/lua_sandbox.h"
#include "bindings/lua_task.h"
#include "host/scripts.h"

#define FILES_MAX 64 /* open at once, of one script */

/* --- where a script may read and write --- */

static bool is_below(const char *path, const char *dir) {
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0' || n == 1);
}

/* $XDG_DATA_HOME/linnet/SCRIPT */
static bool data_dir(const struct script *s, char *out, size_t size) {
    const char *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int n = -1;
    if (base && base[0] == '/')
        n = snprintf(out, size, "%s/linnet/%s", base, s->seat->name);
    else if (home && home[0] == '/')
        n = snprintf(out, size, "%s/.local/share/linnet/%s", home, s->seat->name);
    return n > 0 && (size_t)n < size && !strstr(s->seat->name, "..");
}

static void make_dirs(char *dir) {
    for (char *p = dir + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        mkdir(dir, 0755);
        *p = '/';
    }
    mkdir(dir, 0700);
}

/* The path with links followed; a file that is to be made has at least a directory. */
static bool resolve(const char *path, char *out) {
    struct stat st;
    if (realpath(path, out)) return true;
    if (errno != ENOENT) return false;
    if (lstat(path, &st) == 0) return false; /* a link to what is not there */
    char dir[PATH_MAX], file[NAME_MAX + 1];
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t dir_n = slash ? (size_t)(slash - path) : 0;
    if (!*name || strcmp(name, "..") == 0 || strlen(name) > NAME_MAX || dir_n >= sizeof dir) {
        errno = ENOENT;
        return false;
    }
    snprintf(file, sizeof file, "%s", name);
    if (slash)
        snprintf(dir, sizeof dir, "%.*s", dir_n ? (int)dir_n : 1, path);
    else
        snprintf(dir, sizeof dir, ".");
    if (!realpath(dir, out)) return false;
    size_t n = strlen(out);
    if (n + strlen(file) + 2 > PATH_MAX) return false;
    snprintf(out + n, PATH_MAX - n, "%s%s", n > 1 ? "/" : "", file);
    return true;
}

/* Small or capital: there are file systems to which they are the same. */
static bool ends_with(const char *path, const char *end) {
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcasecmp(path + n - m, end) == 0;
}

static bool is_settings(const struct script *s, const char *real) {
    return ends_with(real, ".cfg.lua") || (s->app->config && config_has_file(s->app->config, real));
}

/* A script may run from a file of any name. */
static bool is_code(const struct script *s, const char *real) {
    return ends_with(real, ".lua") || ends_with(real, ".so") ||
           (s->app->scripts && scripts_made_from(s->app->scripts, real));
}

bool file_check(lua_State *L, const char *path, bool write, char *out) {
    struct script *s = script_of(L);
    char data[PATH_MAX], real[PATH_MAX];
    struct ln_err err;
    bool has_data = data_dir(s, data, sizeof data);
    if (has_data && write && strncmp(path, data, strlen(data)) == 0) make_dirs(data);
    if (!resolve(path, out)) return false;
    if (write && is_settings(s, out))
        script_fail(L, "'%s' holds settings: what grants rights is not written by scripts", path);
    bool is_own =
        is_below(out, s->dir) || (has_data && realpath(data, real) && is_below(out, real));
    bool writes_code = write && is_code(s, out);
    if (is_own && !writes_code) return true;
    if (!script_granted(s, write ? "fs:write" : "fs:read", ln_str(out), &err))
        script_fail(L, "'%s' is %s%s", path, is_own ? "code, and to write that is " : "", err.text);
    return true;
}

bool file_read(const char *path, struct ln_buf *out, struct ln_err *err) {
    struct stat st;
    FILE *f = fopen(path, "re");
    if (!f || fstat(fileno(f), &st) != 0 || S_ISDIR(st.st_mode)) {
        ln_fail(err, LN_NOT_FOUND, "%s: %s", path, f ? "it is a directory" : strerror(errno));
        if (f) fclose(f);
        return false;
    }
    size_t n;
    do {
        char *room = ln_buf_room(out, 4096);
        n = fread(room, 1, 4096, f);
        out->n += n;
    } while (n > 0);
    bool ok = !ferror(f);
    if (!ok) ln_fail(err, LN_NOT_FOUND, "%s: %s", path, strerror(errno));
    fclose(f);
    return ok;
}

/* --- io --- */

static int fail_errno(lua_State *L, const char *path) {
    int code = errno;
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(code));
    lua_pushinteger(L, code);
    return 3;
}

/* A pipe or a device could hold up the loop. */
static bool is_plain(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode)) return true;
    errno = S_ISDIR(st.st_mode) ? EISDIR : ENODEV;
    return false;
}

/* Replaces the path at index 1 by the resolved one; 0, or the number of results of a failure. */
static int check_path(lua_State *L, bool write) {
    char real[PATH_MAX];
    const char *path = luaL_checkstring(L, 1);
    if (!file_check(L, path, write, real) || !is_plain(real)) return fail_errno(L, path);
    lua_pushstring(L, real);
    lua_replace(L, 1);
    return 0;
}

static int count_open(lua_State *L) {
    int n = 0;
    for (lua_pushnil(L); lua_next(L, lua_upvalueindex(2)); lua_pop(L, 1)) {
        const luaL_Stream *f = lua_touserdata(L, -2);
        n += f && f->closef != NULL;
    }
    return n;
}

/* The second upvalue is a weak table of the script's files: descriptors are the program's, not the
 * script's alone. */
static bool has_too_many(lua_State *L) {
    if (count_open(L) < FILES_MAX) return false;
    lua_gc(L, LUA_GCCOLLECT);
    return count_open(L) >= FILES_MAX;
}

/* Calls the stock function, whose last result is the file when there are `full` of them. */
static int open_stock(lua_State *L, int full) {
    if (has_too_many(L)) {
        errno = EMFILE;
        return fail_errno(L, lua_tostring(L, 1));
    }
    int n = lua_tocfunction(L, lua_upvalueindex(1))(L);
    if (n == full) {
        lua_pushvalue(L, -1);
        lua_pushboolean(L, true);
        lua_rawset(L, lua_upvalueindex(2));
    }
    return n;
}

/* io.open(path, mode?) -> file | nil, err */
static int l_open(lua_State *L) {
    const char *mode = luaL_optstring(L, 2, "r");
    int failed = check_path(L, strpbrk(mode, "wa+") != NULL);
    return failed ? failed : open_stock(L, 1);
}

/* io.lines(path, ...) -> iterator */
static int l_lines(lua_State *L) {
    script_check(L);
    int n = check_path(L, false);
    if (n == 0) n = open_stock(L, 4);
    if (n == 3) return luaL_error(L, "%s", lua_tostring(L, -2));
    return n;
}

/* Functions that do not exist here say what to do. */
static int refused(lua_State *L) {
    return script_fail(L, "%s", lua_tostring(L, lua_upvalueindex(1)));
}

static void add_refused(lua_State *L, const char *name, const char *text) {
    lua_pushstring(L, text);
    lua_pushcclosure(L, refused, 1);
    lua_setfield(L, -2, name);
}

/* Wraps stock[name] (the stock library is below the new table on top). */
static void take(lua_State *L, const char *name, lua_CFunction f) {
    lua_getfield(L, -2, name);
    if (f) lua_pushcclosure(L, f, 1);
    lua_setfield(L, -2, name);
}

/* The same, with the table of open files. */
static void take_opener(lua_State *L, int files, const char *name, lua_CFunction f) {
    lua_getfield(L, -2, name);
    lua_pushvalue(L, files);
    lua_pushcclosure(L, f, 2);
    lua_setfield(L, -2, name);
}

static void publish(lua_State *L, const char *name) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
    lua_setglobal(L, name);
    lua_pop(L, 1);
}

static void open_io(lua_State *L) {
    lua_newtable(L);
    int files = lua_gettop(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, files);
    luaL_requiref(L, LUA_IOLIBNAME, luaopen_io, 0);
    luaL_getmetatable(L, LUA_FILEHANDLE);
    lua_pushboolean(L, false); /* or a script could put a __gc of its own there */
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    lua_newtable(L);
    take_opener(L, files, "open", l_open);
    take_opener(L, files, "lines", l_lines);
    take(L, "type", NULL);
    take(L, "write", NULL);
    take(L, "stdout", NULL);
    take(L, "stderr", NULL);
    add_refused(L, "popen", "io.popen would hold up everything: scripts start no programs");
    add_refused(L, "read", "io.read would hold up everything until somebody types");
    publish(L, LUA_IOLIBNAME);
    lua_remove(L, files);
}

/* --- os --- */

/* os.time(table?) -> seconds */
static int l_time(lua_State *L) {
    if (!lua_isnoneornil(L, 1)) return lua_tocfunction(L, lua_upvalueindex(1))(L);
    lua_pushinteger(L, ln_wall_ms() / 1000);
    return 1;
}

#define DATE_MAX                                                                                   \
    1000 /* bytes: the stock function walks a format in C, where nothing can stop it               \
          */

/* os.date(format?, time?) -> string | table */
static int l_date(lua_State *L) {
    size_t n;
    luaL_optlstring(L, 1, "%c", &n);
    if (n > DATE_MAX) return script_fail(L, "os.date: the format has more than %d bytes", DATE_MAX);
    lua_settop(L, 2);
    if (lua_isnil(L, 1)) {
        lua_pushliteral(L, "%c");
        lua_replace(L, 1);
    }
    if (lua_isnil(L, 2)) {
        lua_pushinteger(L, ln_wall_ms() / 1000);
        lua_replace(L, 2);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* os.getenv(name) -> string | nil */
static int l_getenv(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    struct ln_err err;
    if (!script_granted(script_of(L), "env", ln_str(name), &err))
        return script_fail(L, "the environment variable %s is %s", name, err.text);
    lua_pushstring(L, getenv(name));
    return 1;
}

/* os.remove(path) -> true | nil, err */
static int l_remove(lua_State *L) {
    int failed = check_path(L, true);
    return failed ? failed : lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* os.rename(from, to) -> true | nil, err */
static int l_rename(lua_State *L) {
    char real[PATH_MAX];
    const char *to = luaL_checkstring(L, 2);
    int failed = check_path(L, true);
    if (failed) return failed;
    if (!file_check(L, to, true, real)) return fail_errno(L, to);
    lua_pushstring(L, real);
    lua_replace(L, 2);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static void open_os(lua_State *L) {
    luaL_requiref(L, LUA_OSLIBNAME, luaopen_os, 0);
    lua_newtable(L);
    take(L, "clock", NULL);
    take(L, "difftime", NULL);
    take(L, "time", l_time);
    take(L, "date", l_date);
    take(L, "getenv", l_getenv);
    take(L, "remove", l_remove);
    take(L, "rename", l_rename);
    add_refused(L, "execute", "os.execute would hold up everything: scripts start no programs");
    add_refused(L, "exit", "os.exit would drop every connection: use linnet.exit(code)");
    publish(L, LUA_OSLIBNAME);
}

void files_open(lua_State *L) {
    open_io(L);
    open_os(L);
}
