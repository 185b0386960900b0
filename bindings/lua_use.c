/* SPDX-License-Identifier: MIT
 *
 * linnet.use: plugins, which are scripts with a state of their own. What a plugin exports appears
 * in its user as a table of functions that pass plain values (what JSON can say) from one state to
 * the other and wait when the plugin's function waits. host/scripts loads a plugin once, reloads
 * its users after it, and drops it with its last user. A plugin that is a library is run in its
 * user's state as well: what it exports there are its own functions, which take and give anything.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "bindings/lua_args.h"
#include "bindings/lua_json.h"
#include "bindings/lua_modules.h"
#include "bindings/lua_plugin.h"
#include "bindings/lua_sandbox.h"
#include "bindings/lua_task.h"
#include "host/scripts.h"

/* --- values between two states --- */

/* Top-level nil and null are nil on the other side. */
static int push_values(lua_State *L, struct ln_str json) {
    int n = lua_json_decode_args(L, json, NULL, 0, NULL);
    for (int i = 1; i <= n; i++) {
        if (!lua_json_is_null(L, -i)) continue;
        lua_pushnil(L);
        lua_replace(L, -i - 1);
    }
    return n;
}

/* --- one call of an exported function --- */

struct export_call {
    struct seat_item item; /* the plugin's: its end ends the call */
    struct app *app;
    ln_id task, wait;     /* of the plugin's function; of the caller, once it waits */
    struct ln_buf values; /* arguments, then results */
    struct ln_err err;
    bool is_over;
};

static int push_results(lua_State *L, void *ud) {
    struct export_call *c = ud;
    if (!c->is_over) ln_fail(&c->err, LN_CANCELLED, "the plugin has ended");
    if (c->err.code != LN_OK) return lua_push_ln_err(L, &c->err);
    return push_values(L, ln_buf_get(&c->values));
}

static void call_drop(struct seat_item *it) {
    struct export_call *c = LN_CONTAINER(it, struct export_call, item);
    if (c->wait) lua_call_wake(c->app, c->wait, push_results, c);
    ln_buf_free(&c->values);
    ln_free(c);
}

static const struct seat_kind call_kind = {"export", call_drop, NULL};

static int push_arguments(lua_State *L, void *ud) {
    struct export_call *c = ud;
    return push_values(L, ln_buf_get(&c->values));
}

static void call_ended(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct export_call *c = ud;
    c->is_over = true;
    ln_buf_clear(&c->values);
    if (err)
        c->err = *err;
    else
        lua_json_encode_args(L, lua_gettop(L) - n + 1, lua_gettop(L), &c->values, NULL, &c->err);
    if (c->wait) seat_drop(&c->item);
}

/* The caller is gone. */
static void call_cancel(void *ud) {
    struct export_call *c = ud;
    struct app *app = c->app;
    ln_id item = c->item.id;
    c->wait = 0;
    lua_call_cancel(app, c->task);
    struct seat_item *it = seat_item_of(&app->slots, item, "export");
    if (it) seat_drop(it);
}

/* --- the plugin's side --- */

static struct script *running(struct app *app, const char *path, const char *name) {
    struct seat *seat;
    const char *at;
    for (size_t i = 0; app->scripts && scripts_each(app->scripts, &i, &seat, &at);) {
        struct script *s = seat->impl;
        if (seat->engine == &engine_lua && !s->killed &&
            strcmp(path ? at : seat->name, path ? path : name) == 0)
            return s;
    }
    return NULL;
}

/* Pushes the table of exports, or an empty one. */
static void push_exports_table(lua_State *L) {
    struct script *s = script_of(L);
    if (lua_rawgeti(L, LUA_REGISTRYINDEX, s->plugin) == LUA_TTABLE) {
        lua_pushliteral(L, "exports");
        if (lua_rawget(L, -2) == LUA_TTABLE) return;
    }
    lua_newtable(L);
}

struct wanted {
    const char *name;
    int fn;
};

static int find_export(lua_State *L, void *ud) {
    struct wanted *w = ud;
    push_exports_table(L);
    lua_pushstring(L, w->name);
    if (lua_rawget(L, -2) == LUA_TFUNCTION) w->fn = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

struct list {
    struct ln_buf functions; /* names, each with its 0 byte */
    struct ln_buf values;    /* "name",value pairs */
    bool is_library;
};

static int list_exports(lua_State *L, void *ud) {
    struct list *l = ud;
    struct ln_err err;
    if (lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->plugin) == LUA_TTABLE) {
        lua_pushliteral(L, "library");
        lua_rawget(L, -2);
        l->is_library = lua_toboolean(L, -1);
    }
    if (l->is_library) return 0;
    push_exports_table(L);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            return luaL_error(L, "a key of `exports` is a %s", luaL_typename(L, -2));
        if (lua_isfunction(L, -1)) {
            ln_buf_add(&l->functions, lua_tostring(L, -2), strlen(lua_tostring(L, -2)) + 1);
            continue;
        }
        if (l->values.n) ln_buf_putc(&l->values, ',');
        if (!lua_json_encode_args(L, -2, -1, &l->values, NULL, &err))
            return luaL_error(L, "exports.%s: %s", lua_tostring(L, -2), err.text);
    }
    return 0;
}

static int read_version(lua_State *L, void *ud) {
    struct ln_buf *out = ud;
    lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->plugin);
    lua_pushliteral(L, "version");
    if (lua_istable(L, -2) && lua_rawget(L, -2) == LUA_TSTRING)
        ln_buf_puts(out, lua_tostring(L, -1));
    return 0;
}

bool use_requirement(struct script *s, struct ln_str want, struct ln_err *err) {
    char name[100];
    size_t n = 0;
    while (n < want.n && n < sizeof name - 1 && want.p[n] != ' ')
        n++;
    snprintf(name, sizeof name, "%.*s", (int)n, want.p ? want.p : "");
    struct script *p = running(s->app, NULL, name);
    if (!p) {
        ln_fail(err, LN_NOT_FOUND, "it requires %.*s, which is not loaded: call linnet.use(\"%s\")",
                LN_FMT(want), name);
        return false;
    }
    struct ln_buf version = {0};
    lua_call_c(p, "version", read_version, &version, err);
    bool ok = version_meets(want, name, version.n ? ln_buf_cstr(&version) : "0", err);
    ln_buf_free(&version);
    return ok;
}

/* --- the user's side --- */

/* Upvalues: path and name of the plugin, name of the function. */
static int l_export(lua_State *L) {
    if (lua_call_held(L)) return lua_call_hold(L, l_export);
    struct script *user = script_of(L);
    const char *name = lua_tostring(L, lua_upvalueindex(2));
    struct wanted w = {lua_tostring(L, lua_upvalueindex(3)), LUA_NOREF};
    struct script *p = running(user->app, lua_tostring(L, lua_upvalueindex(1)), NULL);
    struct ln_err err;
    if (!p) return lua_push_err(L, LN_NOT_FOUND, "the plugin '%s' is not running", name);
    if (!lua_call_c(p, "exports", find_export, &w, &err)) return lua_push_ln_err(L, &err);
    if (w.fn == LUA_NOREF)
        return lua_push_err(L, LN_NOT_FOUND, "the plugin '%s' no longer exports '%s'", name,
                            w.name);
    struct export_call *c = ln_new(struct export_call);
    c->app = user->app;
    if (!lua_json_encode_args(L, 1, lua_gettop(L), &c->values, NULL, &err)) {
        lua_call_unref(p, w.fn);
        ln_buf_free(&c->values);
        ln_free(c);
        return script_fail(L, "%s.%s: %s", name, w.name, err.text);
    }
    seat_own(p->seat, &c->item, &call_kind);
    struct lua_call call = {.script = p,
                            .fn = w.fn,
                            .what = "exported function",
                            .name = ln_str(w.name),
                            .push = push_arguments,
                            .done = call_ended,
                            .ud = c};
    c->task = lua_call_run(&call);
    lua_call_unref(p, w.fn);
    if (!c->task) {
        int n = push_results(L, c);
        seat_drop(&c->item);
        return n;
    }
    if (!lua_call_may_wait(L)) {
        call_cancel(c);
        lua_call_can_wait(L); /* raises, in words */
    }
    c->wait = lua_call_wait_id(L, call_cancel, c, "plugin");
    return lua_call_yield(L);
}

static int exports_index(lua_State *L) {
    char near[100];
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    return script_fail(L, "the plugin '%s' exports no '%.60s'%s",
                       lua_tostring(L, lua_upvalueindex(1)), key,
                       nearest_key(L, 1, key, near, sizeof near));
}

/* Unknown members of the table on top raise. */
static void close_exports(lua_State *L, const char *name) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, name);
    lua_pushcclosure(L, exports_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

/* Pushes the exports of a library, which is run in this state at its first use. */
static void push_library(lua_State *L, const char *path, const char *name) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, "linnet.libraries");
    if (lua_getfield(L, -1, path) == LUA_TTABLE) return;
    lua_pop(L, 1);
    module_push(L, path);
    lua_call(L, 0, 1);
    bool good = lua_istable(L, -1);
    if (good) {
        lua_pushliteral(L, "exports");
        good = lua_rawget(L, -2) == LUA_TTABLE;
    }
    if (!good) luaL_error(L, "%s: a library returns a plugin table with `exports`", path);
    close_exports(L, name);
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, path);
}

static void fill_exports(lua_State *L, const char *path, const char *name, const struct list *l) {
    lua_newtable(L);
    int t = lua_gettop(L);
    for (size_t at = 0; at < l->functions.n; at += strlen(l->functions.p + at) + 1) {
        lua_pushstring(L, path);
        lua_pushstring(L, name);
        lua_pushstring(L, l->functions.p + at);
        lua_pushcclosure(L, l_export, 3);
        lua_setfield(L, t, l->functions.p + at);
    }
    lua_json_decode_args(L, ln_buf_get(&l->values), NULL, 0, NULL);
    while (lua_gettop(L) > t)
        lua_rawset(L, t);
    close_exports(L, name);
}

/* A use that waits for the plugin's init. The list is the plugin's, so it is freed with the item.
 */
struct use_wait {
    struct seat_item item; /* the plugin's */
    struct app *app;
    struct script *plugin;
    ln_id wait; /* the user's */
    struct ln_err err;
    struct list list;
};

static void list_free(struct list *l) {
    ln_buf_free(&l->functions);
    ln_buf_free(&l->values);
}

/* Pushes the exports, or nil and an error. */
static int push_use(lua_State *L, void *ud) {
    struct use_wait *u = ud;
    if (u->err.code != LN_OK) return lua_push_ln_err(L, &u->err);
    const struct seat *seat = u->plugin->seat;
    if (u->list.is_library)
        push_library(L, seat->path, seat->name);
    else
        fill_exports(L, seat->path, seat->name, &u->list);
    return 1;
}

static void use_read(struct use_wait *u) {
    struct script *p = u->plugin;
    u->err.code = LN_OK;
    if (!p->is_booted || script_is_ending(p))
        ln_fail(&u->err, LN_CANCELLED, "the plugin '%s' did not start", p->seat->name);
    else
        lua_call_c(p, "exports", list_exports, &u->list, &u->err);
}

static void use_drop(struct seat_item *it) {
    struct use_wait *u = LN_CONTAINER(it, struct use_wait, item);
    if (u->wait) {
        use_read(u);
        lua_call_wake(u->app, u->wait, push_use, u);
    }
    list_free(&u->list);
    ln_free(u);
}

static const struct seat_kind use_kind = {"use", use_drop, NULL};

static void use_cancel(void *ud) {
    struct use_wait *u = ud;
    u->wait = 0;
    seat_drop(&u->item);
}

void use_booted(struct script *s) {
    for (bool again = true; again;) {
        again = false;
        LN_LIST_EACH (&s->seat->items, node, next) {
            struct seat_item *it = LN_CONTAINER(node, struct seat_item, node);
            if (it->kind != &use_kind) continue;
            seat_drop(it);
            again = true;
            break;
        }
    }
}

/* --- linnet.use --- */

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* One name for one file, however it was found; short when it lies below the current directory. */
static void shorten(char *path, size_t n) {
    char full[PATH_MAX], here[PATH_MAX];
    if (!realpath(path, full) || !realpath(".", here)) return;
    size_t len = strlen(here);
    bool is_below = strncmp(full, here, len) == 0 && full[len] == '/';
    snprintf(path, n, "%s", is_below ? full + len + 1 : full);
}

static bool find_plugin(struct script *s, const char *name, char *out, size_t n) {
    const char *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME"), *own = s->seat->path;
    const char *slash = strrchr(own, '/');
    char dirs[4][PATH_MAX] = {"", "plugins", "", "/usr/share/linnet/plugins"};
    snprintf(dirs[0], PATH_MAX, "%.*splugins", slash ? (int)(slash + 1 - own) : 0, own);
    snprintf(dirs[2], PATH_MAX, "%s%s",
             base   ? base
             : home ? home
                    : "",
             base ? "/linnet/plugins" : "/.local/share/linnet/plugins");
    for (size_t i = 0; i < LN_COUNT(dirs); i++) {
        const char *const ends[] = {".lua", "/main.lua"};
        for (size_t k = 0; k < LN_COUNT(ends); k++) {
            int len = snprintf(out, n, "%s/%s%s", dirs[i], name, ends[k]);
            if (len < 0 || (size_t)len >= n || !is_file(out)) continue;
            shorten(out, n);
            return true;
        }
    }
    return false;
}

static bool is_good_name(const char *name) {
    for (const char *p = name; *p; p++)
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') &&
            *p != '_' && *p != '-')
            return false;
    return *name != '\0';
}

/* The live plugin, or NULL with err. */
static struct script *load_plugin(lua_State *L, const char *name, struct ln_err *err) {
    struct script *s = script_of(L);
    char path[PATH_MAX];
    struct ln_buf *options = api_out(L);
    if (lua_istable(L, 2) && !lua_json_encode(L, 2, options, err))
        script_fail(L, "linnet.use: options: %s", err->text);
    if (!s->app->scripts || !find_plugin(s, name, path, sizeof path)) {
        ln_fail(err, LN_NOT_FOUND,
                "no plugin '%s': there is no plugins/%s.lua beside the script or in this directory",
                name, name);
        return NULL;
    }
    struct seat *seat = scripts_use(s->app->scripts, s->seat, path, ln_buf_get(options), err);
    if (seat && seat->engine != &engine_lua) {
        ln_fail(err, LN_INVALID, "the plugin '%s' is not a Lua plugin", name);
        return NULL;
    }
    return seat ? seat->impl : NULL;
}

/* linnet.use(name, options?) ⏸ -> exports | nil, err */
static int l_use(lua_State *L) {
    struct ln_err err;
    const char *name = arg_str(L, 1, "linnet.use", "name").p;
    if (!lua_isnoneornil(L, 2) && !lua_istable(L, 2))
        return arg_bad(L, 2, "linnet.use", "options", "a table");
    if (!is_good_name(name))
        return script_fail(L, "linnet.use: '%.60s' is not the name of a plugin", name);
    struct script *p = load_plugin(L, name, &err);
    if (!p) return lua_push_ln_err(L, &err);
    struct use_wait *u = ln_new(struct use_wait);
    u->app = p->app;
    u->plugin = p;
    seat_own(p->seat, &u->item, &use_kind);
    if (!p->is_boot_over && lua_call_may_wait(L)) {
        u->wait = lua_call_wait_id(L, use_cancel, u, "plugin");
        return lua_call_yield(L);
    }
    use_read(u);
    int n = push_use(L, u);
    seat_drop(&u->item);
    return n;
}

void ln_open_use(lua_State *L) {
    lua_pushcfunction(L, l_use);
    lua_setfield(L, -2, "use");
}
