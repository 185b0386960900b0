/* SPDX-License-Identifier: MIT
 *
 * The engine: a Lua script from its file to a seat and back. Loading compiles the text, makes the
 * world of the script, and runs the main chunk as a task (`boot`): what it returns is a plugin's
 * table, whose init runs in the same task. Unloading runs dispose, drops all that the seat owns and
 * closes the state; while the script is on the C stack it waits for the end of the loop's turn.
 */
#include "bindings/lua_engine.h"

#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bindings/lua_alloc.h"
#include "bindings/lua_host.h"
#include "bindings/lua_json.h"
#include "bindings/lua_modules.h"
#include "bindings/lua_plugin.h"
#include "bindings/lua_sandbox.h"
#include "bindings/lua_task.h"
#include "host/scripts.h"
#include "io/loop.h"

#define DECLARE(name) void ln_open_##name(lua_State *L);
LN_LUA_MODULES(DECLARE)
#undef DECLARE

/* --- names and settings --- */

/* "bots/bot.lua" -> "bot", "bots/wren/main.lua" -> "wren" */
static char *name_of(const char *path) {
    struct ln_str s = ln_str(path);
    if (s.n > 9 && strcmp(path + s.n - 9, "/main.lua") == 0)
        s.n -= 9;
    else if (s.n > 4 && strcmp(path + s.n - 4, ".lua") == 0)
        s.n -= 4;
    const char *slash = memrchr(s.p, '/', s.n);
    if (slash) s = (struct ln_str){slash + 1, (size_t)(s.p + s.n - slash - 1)};
    return ln_str_dup(s);
}

/* The directory of the script's file, resolved; the current one for text without a file. */
static char *dir_of(const char *path) {
    char full[PATH_MAX], *dir = ln_strdup(path);
    char *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir] = '\0';
    const char *found = realpath(slash ? dir : ".", full);
    ln_free(dir);
    return ln_strdup(found ? found : ".");
}

static void read_limits(struct script *s) {
    struct config *c = s->app->config;
    s->mem_limit = c ? (size_t)config_int(c, "limits.memory", SCRIPT_MEMORY) : SCRIPT_MEMORY;
    s->budget_warn_ms = c ? config_ms(c, "limits.budget_warn", SCRIPT_WARN_MS) : SCRIPT_WARN_MS;
    s->budget_kill_ms = c ? config_ms(c, "limits.budget_kill", SCRIPT_KILL_MS) : SCRIPT_KILL_MS;
    const char *stress = getenv("LINNET_GC_STRESS");
    s->is_stressed = stress && strcmp(stress, "1") == 0;
}

/* --- the state --- */

static int panic(lua_State *L) {
    ln_log(LN_ERROR, "linnet", "an error in C code outside of any protection: %s",
           lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?");
    return 0; /* Lua aborts */
}

static int open_world(lua_State *L, void *ud) {
    (void)ud;
    sandbox_open(L);
    guard_open(L);
    pattern_open(L);
    files_open(L);
    require_open(L);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setglobal(L, "linnet");
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "linnet");
    lua_pop(L, 1);
#define OPEN(name) ln_open_##name(L);
    LN_LUA_MODULES(OPEN)
#undef OPEN
    sandbox_close(L);
    return 0;
}

static void script_free(struct script *s) {
    struct seat *seat = s->seat;
    seat->state = SEAT_DEAD;
    s->is_closing = true;
    if (s->L) {
        seat_drop_all(seat);
        task_pool_free(s);
        lua_close(s->L);
        watchdog_stop();
    }
    ln_slot_drop(&s->app->slots, s->id);
    arena_free(s->arena);
    lua_json_free(s);
    grants_free(s);
    ln_buf_free(&s->saved);
    ln_free(s->dir);
    ln_free(s);
    seat->impl = NULL;
    seat_free(seat);
}

/* A round of the collector looks at all that lives, the API too: for a small heap every few dozen
 * events. So that one may grow to four times its size, a big one to twice. */
void script_tune(struct script *s) {
    enum { SMALL_HEAP = 1 << 20, RELAXED = 400, USUAL = 200 };
    lua_gc(s->L, LUA_GCINC, s->mem_used < SMALL_HEAP ? RELAXED : USUAL, 0, 0);
}

static struct script *script_new(struct app *app, const char *path, struct ln_err *err) {
    char *name = name_of(path);
    struct script *s = ln_new(struct script);
    s->app = app;
    s->seat = seat_new(&app->slots, name, path);
    s->seat->engine = &engine_lua;
    s->seat->impl = s;
    s->dir = dir_of(path);
    s->plugin = s->options = LUA_NOREF;
    s->started_wall_ms = ln_wall_ms();
    s->id = ln_slot_put(&app->slots, s, SCRIPT_KIND);
    ln_free(name);
    read_limits(s);
    bool may_run = grants_read(s, err);
    s->arena = arena_new(&s->mem_used, &s->mem_limit);
    if (!may_run || !watchdog_start(err)) goto fail;
    s->L = lua_newstate(arena_alloc, s->arena);
    if (!s->L) {
        watchdog_stop();
        ln_fail(err, LN_FULL, "%s: the memory limit is too small for any script", path);
        goto fail;
    }
    *(struct script **)lua_getextraspace(s->L) = s;
    lua_atpanic(s->L, panic);
    script_tune(s);
    if (lua_call_c(s, path, open_world, NULL, err)) return s;
fail:
    script_free(s);
    return NULL;
}

/* --- boot --- */

static void defer(struct script *s, void (*fn)(struct script *s));

static void tell_boot(struct script *s) {
    struct app *a = s->app;
    if (a->on_boot && s->seat->state == SEAT_LIVE) a->on_boot(a, s->seat, !s->is_booted);
}

static int boot_ready(lua_State *L, int status, lua_KContext ctx) {
    (void)status;
    (void)ctx;
    struct script *s = script_of(L);
    s->is_booted = true;
    options_look_over(L);
    defer(s, tell_boot);
    if (s->saved.n) plugin_restore(L, s);
    return 0;
}

/* The main chunk ended: its result is on top. */
static int boot_result(lua_State *L, int status, lua_KContext ctx) {
    (void)status;
    (void)ctx;
    struct script *s = script_of(L);
    if (lua_isnil(L, -1)) return boot_ready(L, LUA_OK, 0);
    plugin_check(L, s); /* raises; leaves the table on top */
    lua_pushvalue(L, -1);
    s->plugin = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushliteral(L, "init");
    if (lua_rawget(L, -2) == LUA_TNIL) return boot_ready(L, LUA_OK, 0);
    lua_pushvalue(L, -2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->options);
    lua_callk(L, 2, 0, 0, boot_ready);
    return boot_ready(L, LUA_OK, 0);
}

static int boot(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_callk(L, 0, 1, 0, boot_result);
    return boot_result(L, LUA_OK, 0);
}

struct loading {
    struct script *script;
    struct ln_str code, options;
    const char *path;
    int fn;
};

static int prepare(lua_State *L, void *ud) {
    struct loading *l = ud;
    struct ln_err err;
    luaL_checkstack(L, 4, NULL);
    if (l->options.n == 0)
        lua_newtable(L);
    else if (!lua_json_decode(L, l->options, &err))
        return luaL_error(L, "%s: options: %s", l->path, err.text);
    l->script->options = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushfstring(L, "@%s", l->path);
    if (script_compile(L, l->code, lua_tostring(L, -1)) != LUA_OK) return lua_error(L);
    lua_pushcclosure(L, boot, 1);
    l->fn = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static void boot_over(void *ud) {
    struct script *s = ud; /* the boot task is the script's: it ends with it at the latest */
    s->is_boot_over = true;
    use_booted(s);
}

/* True when the main chunk ended or waits. */
static bool run_boot(struct loading *l, struct ln_err *err) {
    struct script *s = l->script;
    if (!lua_call_c(s, l->path, prepare, l, err)) return false;
    struct barrier *b = barrier_open(boot_over, s);
    struct lua_call c = {.script = s, .fn = l->fn, .what = "main chunk", .err = err, .barrier = b};
    err->code = LN_OK;
    bool waits = lua_call_run(&c) != 0;
    barrier_seal(b);
    lua_call_unref(s, l->fn);
    if (s->killed) failure_killed(s, err);
    return waits || err->code == LN_OK;
}

void script_load(struct app *app, const char *path, struct ln_str code, struct ln_str options,
                 void (*done)(void *ud, struct seat *seat, const struct ln_err *err), void *ud) {
    struct loading l = {.path = path, .code = code, .options = options, .fn = LUA_NOREF};
    struct ln_buf text = {0};
    struct ln_err err;
    bool ok = code.p || file_read(path, &text, &err);
    if (!code.p) l.code = ln_buf_get(&text);
    if (ok) l.script = script_new(app, path, &err);
    ok = l.script && run_boot(&l, &err);
    ln_buf_free(&text);
    if (!ok && l.script) script_free(l.script);
    done(ud, ok ? l.script->seat : NULL, ok ? NULL : &err);
}

static void engine_load(struct app *app, const char *path, struct ln_str code,
                        void (*done)(void *ud, struct seat *seat, const struct ln_err *err),
                        void *ud) {
    struct ln_str none = {NULL, 0};
    script_load(app, path, code, app->scripts ? scripts_options(app->scripts) : none, done, ud);
}

/* --- reload --- */

static bool engine_save(struct seat *seat, struct ln_buf *out, struct ln_err *err) {
    return plugin_save(seat->impl, out, err);
}

static bool engine_restore(struct seat *seat, struct ln_str saved, struct ln_err *err) {
    struct script *s = seat->impl;
    ln_buf_clear(&s->saved);
    ln_buf_str(&s->saved, saved);
    if (!s->is_booted) return true; /* when the main chunk has ended */
    return lua_call_c(s, "restore", plugin_restore_now, NULL, err);
}

/* --- the end --- */

/* Something to be done for a script at the end of this turn, if it is still there. */
struct later {
    struct app *app;
    ln_id script;
    void (*fn)(struct script *s);
};

static void run_later(void *ud) {
    struct later *l = ud;
    struct script *s = ln_slot_get(&l->app->slots, l->script, SCRIPT_KIND);
    if (s) l->fn(s);
    ln_free(l);
}

static void defer(struct script *s, void (*fn)(struct script *s)) {
    struct later *l = ln_new(struct later);
    *l = (struct later){s->app, s->id, fn};
    loop_defer(s->app->loop, run_later, l);
}

static void unload(struct script *s) {
    if (s->depth > 0) { /* inside one of its own handlers: at the end of the turn */
        defer(s, unload);
        return;
    }
    s->seat->state = SEAT_DEAD;
    s->is_closing = true;
    if (!s->killed && !s->was_trial) {
        script_dispose(s, s->unload_why);
        if (s->unload_why == UNLOAD_RELOAD) tasks_reloaded(s);
    }
    script_free(s);
}

static void engine_unload(struct seat *seat, enum unload_reason why) {
    struct script *s = seat->impl;
    s->was_trial = seat->state == SEAT_TRIAL;
    seat->state = SEAT_DEAD; /* silent from now on */
    if (s->is_unload_due || s->is_closing) return;
    s->is_unload_due = true;
    s->unload_why = why;
    unload(s);
}

static void tell_killed(struct script *s) {
    char why[400];
    if (s->is_unload_due) return;
    script_kill_text(s, why, sizeof why);
    if (s->app->scripts) scripts_killed(s->app->scripts, s->seat, why);
}

/* The main chunk failed after it had waited: the load was over by then. */
void script_boot_failed(struct script *s) {
    defer(s, tell_boot);
}

void script_report(struct script *s) {
    if (s->is_killed_told) return;
    s->is_killed_told = true;
    s->seat->state = SEAT_DEAD;
    defer(s, tell_killed);
}

const struct engine engine_lua = {
    .name = "lua",
    .ext = ".lua",
    .load = engine_load,
    .save = engine_save,
    .restore = engine_restore,
    .unload = engine_unload,
};
