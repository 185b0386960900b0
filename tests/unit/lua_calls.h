/* SPDX-License-Identifier: MIT
 *
 * What the tests of calls into scripts share: functions that scripts call, and what is pushed to
 * them and heard of them.
 */
#ifndef LN_LUA_CALLS_H
#define LN_LUA_CALLS_H

#include "lua_rig.h"

static struct rig r;
static struct script *s;

/* --- functions for scripts --- */

static ln_id waiting[20000]; /* ids of wait(), in order */
static size_t wait_count, cancels;

static inline void wait_cancelled(void *ud) {
    (void)ud;
    cancels++;
}

static inline int f_wait(lua_State *L) {
    lua_call_can_wait(L);
    waiting[wait_count++] = lua_call_wait_id(L, wait_cancelled, NULL, "test");
    return lua_call_yield(L);
}

static inline int f_held(lua_State *L) {
    if (lua_call_held(L)) return lua_call_hold(L, f_held);
    lua_pushinteger(L, 2 * luaL_checkinteger(L, 1));
    return 1;
}

static inline int f_unload(lua_State *L) {
    engine_lua.unload(script_of(L)->seat, UNLOAD_STOP);
    return 0;
}

static inline int f_cancel_me(lua_State *L) {
    struct running *run = script_of(L)->running;
    lua_call_cancel(app_of(L), run->task->item.id);
    return 0;
}

static inline int push_text(lua_State *L, void *ud) {
    lua_pushstring(L, ud);
    lua_pushinteger(L, 7);
    return 2;
}

static inline int push_err(lua_State *L, void *ud) {
    return lua_push_ln_err(L, ud);
}

static inline int push_raises(lua_State *L, void *ud) {
    (void)ud;
    return luaL_error(L, "no argument today");
}

static inline int push_drops(lua_State *L, void *ud) {
    (void)ud;
    lua_pushinteger(L, 1);
    return -1;
}

static inline int push_too_much(lua_State *L, void *ud) {
    (void)ud;
    static char big[1 << 20];
    for (int i = 0; i < 1000; i++) {
        luaL_checkstack(L, 1, NULL);
        lua_pushlstring(L, big, sizeof big);
    }
    return 0;
}

static struct {
    int calls, n;
    int64_t first;
    ln_status code;
    char text[400];
} done;

static inline void on_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    (void)ud;
    done.calls++;
    done.n = n;
    done.code = err ? err->code : LN_OK;
    done.first = err ? 0 : lua_tointeger(L, 1);
    snprintf(done.text, sizeof done.text, "%s", err ? err->text : "");
}

static inline void done_raises(void *ud, lua_State *L, int n, const struct ln_err *err) {
    on_done(ud, L, n, err);
    if (!err) luaL_error(L, "done failed");
}

static inline void open_with(const char *code) {
    rig_open(&r);
    wait_count = cancels = 0;
    memset(&done, 0, sizeof done);
    s = rig_load(&r, code);
    rig_fn(s, "wait", f_wait);
    rig_fn(s, "held", f_held);
    rig_fn(s, "unload", f_unload);
    rig_fn(s, "cancel_me", f_cancel_me);
}

static inline void close_all(void) {
    if (s) rig_unload(&r, s);
    s = NULL;
    rig_close(&r);
}

static inline ln_id call_with(const char *name, lua_push_fn push, lua_done_fn fn, void *ud) {
    int ref = rig_ref(s, name);
    struct lua_call c = {.script = s,
                         .fn = ref,
                         .what = "handler",
                         .name = ln_str(name),
                         .push = push,
                         .done = fn,
                         .ud = ud};
    ln_id id = lua_call_run(&c);
    if (!s->killed) lua_call_unref(s, ref);
    return id;
}

static const char *const waiter = "package.loaded.f = function(...)\n"
                                  "  local a, b = wait()\n"
                                  "  package.loaded.got = b or -1\n"
                                  "  return b\n"
                                  "end";

#endif
