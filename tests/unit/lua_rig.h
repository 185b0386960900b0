/* SPDX-License-Identifier: MIT
 *
 * What the tests of the bindings share: a program with a loop, handles and settings but without a
 * network, scripts loaded from text, and a log that is kept to be looked at.
 */
#ifndef LN_LUA_RIG_H
#define LN_LUA_RIG_H

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bindings/lua_engine.h"
#include "bindings/lua_task.h"
#include "host/scripts.h"
#include "io/loop.h"
#include "test.h"

struct rig {
    struct app app;
    struct ln_err err; /* of the last load */
    struct ln_buf log; /* "error script:bot text\n" … */
};

static inline void rig_log(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                           const struct ln_log_field *fields, size_t n) {
    struct rig *r = ud;
    (void)fields;
    (void)n;
    ln_buf_fmt(&r->log, "%s %s %.*s\n", ln_log_level_name(level), tag, LN_FMT(msg));
}

static inline const char *rig_logged(struct rig *r) {
    return ln_buf_cstr(&r->log);
}

static inline void rig_open(struct rig *r) {
    *r = (struct rig){0};
    ln_clock_fake(1700000000000);
    ln_log_setup(LN_DEBUG, LN_LOG_TEXT, false);
    ln_log_to(rig_log, r);
    r->app.loop = loop_new();
    r->app.config = config_new();
}

/* A setting as the file gives it: rig_set(&r, "limits.memory", "1000000"). */
static inline void rig_set(struct rig *r, const char *path, const char *json) {
    config_set(r->app.config, path, ln_str(json), CONFIG_FLAG, "test");
}

static inline void rig_loaded(void *ud, struct seat *seat, const struct ln_err *err) {
    struct rig *r = ((void **)ud)[0];
    if (err) r->err = *err;
    ((void **)ud)[1] = seat;
}

/* Loads on a trial seat; NULL with r->err. */
static inline struct script *rig_trial(struct rig *r, const char *path, const char *code) {
    void *ud[2] = {r, NULL};
    r->err = (struct ln_err){LN_OK, ""};
    engine_lua.load(&r->app, path, ln_str(code), rig_loaded, ud);
    struct seat *seat = ud[1];
    return seat ? seat->impl : NULL;
}

/* Loads and goes live. */
static inline struct script *rig_load(struct rig *r, const char *code) {
    struct script *s = rig_trial(r, "bot.lua", code);
    if (s)
        seat_go_live(s->seat);
    else
        printf("load failed: %s\n", r->err.text);
    return s;
}

static inline void rig_unload(struct rig *r, struct script *s) {
    engine_lua.unload(s->seat, UNLOAD_STOP);
    loop_settle(r->app.loop, 0);
}

static inline void rig_close(struct rig *r) {
    loop_free(r->app.loop);
    config_free(r->app.config);
    CHECK_INT(r->app.slots.count, 0); /* nothing was forgotten */
    ln_slots_free(&r->app.slots);
    ln_log_to(NULL, NULL);
    ln_buf_free(&r->log);
    ln_clock_real();
}

/* A registry reference of the value that a script keeps in package.loaded[name] (scripts have no
 * globals, so that is where tests look). */
static inline int rig_ref(struct script *s, const char *name) {
    luaL_getsubtable(s->L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(s->L, -1, name);
    int ref = luaL_ref(s->L, LUA_REGISTRYINDEX);
    lua_pop(s->L, 1);
    return ref;
}

static inline int64_t rig_int(struct script *s, const char *name) {
    luaL_getsubtable(s->L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(s->L, -1, name);
    int64_t v = lua_tointeger(s->L, -1);
    lua_pop(s->L, 2);
    return v;
}

/* A C function as a global of the script. */
static inline void rig_fn(struct script *s, const char *name, lua_CFunction fn) {
    lua_pushglobaltable(s->L);
    lua_pushstring(s->L, name);
    lua_pushcfunction(s->L, fn);
    lua_rawset(s->L, -3);
    lua_pop(s->L, 1);
}

/* Calls a function that the script keeps so, without arguments. The task when it waits. */
static inline ln_id rig_call(struct script *s, const char *name) {
    int fn = rig_ref(s, name);
    struct lua_call c = {.script = s, .fn = fn, .what = "handler", .name = ln_str(name)};
    ln_id id = lua_call_run(&c);
    if (!s->killed) lua_call_unref(s, fn);
    return id;
}

#endif
