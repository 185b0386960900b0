/* SPDX-License-Identifier: MIT
 *
 * The one door that runs Lua. A call takes a task from the script's pool and resumes its coroutine
 * with a C function (`enter`) that pushes the arguments, calls the handler and hands the results to
 * `done`: one lua_resume protects all three. Around it stands the turn that the watchdog charges,
 * and the list of running coroutines that a kill walks.
 */
#include "bindings/lua_call.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "bindings/lua_task.h"

#define POOL_MAX 64
#define NOW_DEPTH_MAX 32

/* --- the script's side of a turn --- */

/* Everything that runs Lua of a script stands between these two. */
struct entry {
    struct running running;
    struct turn turn;
    bool is_turn;
};

static int read_failure(lua_State *L, void *ud);

static void enter_script(struct entry *e, struct script *s, lua_State *co, struct lua_task *t) {
    e->running = (struct running){co, t, s->running};
    e->is_turn = !watchdog_turn || watchdog_turn->script != s;
    if (e->is_turn) watchdog_enter(&e->turn, s);
    watchdog_barrier();
    s->running = &e->running; /* complete before a signal can see it */
    s->depth++;
    if (LN_UNLIKELY(s->killed)) script_hook(co);
}

static void leave_script(struct entry *e, struct script *s) {
    s->depth--;
    s->running = e->running.prev;
    watchdog_barrier();
    if (e->is_turn) watchdog_leave(&e->turn);
    if (LN_UNLIKELY(s->killed) && s->depth == 0) script_report(s);
}

static bool is_open(const struct script *s) {
    return !s->killed && (s->seat->state != SEAT_DEAD || s->is_closing);
}

/* --- tasks --- */

static int new_coroutine(lua_State *L, void *ud) {
    struct lua_task *t = ud;
    t->co = lua_newthread(L);
    t->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* NULL when the script's memory does not hold another coroutine. */
static struct lua_task *task_take(struct script *s) {
    struct lua_task *t = s->idle;
    if (t) {
        s->idle = t->next;
        s->idle_count--;
        return t;
    }
    t = ln_new(struct lua_task);
    t->script = s;
    struct ln_err err;
    if (lua_call_c(s, "new coroutine", new_coroutine, t, &err)) return t;
    ln_free(t);
    return NULL;
}

void task_end(struct lua_task *t) {
    struct script *s = t->script;
    if (t->reusable && s->idle_count < POOL_MAX) {
        t->next = s->idle;
        s->idle = t;
        s->idle_count++;
        return;
    }
    lua_call_unref(s, t->ref);
    ln_free(t);
}

void task_pool_free(struct script *s) {
    for (struct lua_task *t; (t = s->idle);) {
        s->idle = t->next;
        ln_free(t);
    }
}

void lua_call_unref(struct script *s, int fn) {
    luaL_unref(s->L, LUA_REGISTRYINDEX, fn); /* assigns to keys that exist: allocates nothing */
}

/* --- inside the coroutine --- */

static int left(lua_State *L, int status, lua_KContext ctx) {
    (void)status;
    (void)ctx;
    struct lua_task *t = script_of(L)->running->task;
    if (!t->c->done) return 0;
    t->was_done = true;
    t->c->done(t->c->ud, L, lua_gettop(L), NULL);
    return 0;
}

static int enter(lua_State *L) {
    struct lua_task *t = script_of(L)->running->task;
    const struct lua_call *c = t->c;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->fn);
    int n = c->push ? c->push(L, c->ud) : 0;
    if (n < 0) {
        t->dropped = true;
        return 0;
    }
    lua_callk(L, n, c->done ? LUA_MULTRET : 0, 0, left);
    return left(L, LUA_OK, 0);
}

/* --- how a resume ends --- */

struct done_args {
    const struct lua_call *c;
    const struct ln_err *err;
};

static int run_done(lua_State *L, void *ud) {
    struct done_args *d = ud;
    d->c->done(d->c->ud, L, 0, d->err);
    return 0;
}

void call_done(struct script *s, const struct lua_call *c, const struct ln_err *err) {
    struct done_args d = {c, err};
    struct ln_err again;
    if (!lua_call_c(s, c->what, run_done, &d, &again) && !s->killed)
        failure_log(s, c, &again, NULL);
}

static void tell_error(struct lua_task *t, const struct ln_err *err, struct ln_buf *trace) {
    bool is_told = t->c->done && !t->was_done;
    if (is_told && t->c->logs && !t->script->killed) failure_log(t->script, t->c, err, trace);
    if (is_told) {
        t->was_done = true;
        call_done(t->script, t->c, err);
    } else if (t->c->err) {
        *t->c->err = *err;
    } else if (!t->script->killed) {
        failure_log(t->script, t->c, err, trace);
    }
}

/* The coroutine is dead, the error object on its top, its frames still there to be looked at. */
static void task_fail(struct lua_task *t, int status) {
    struct script *s = t->script;
    struct ln_err err = {LN_INVALID, ""};
    struct ln_buf trace = {0};
    if (status == LUA_ERRMEM) script_kill(s, SCRIPT_OVER_MEMORY);
    if (!s->killed) {
        struct failure f = {t->co, &err, &trace};
        struct ln_err worse;
        s->errors++;
        if (!lua_call_c(s, "error", read_failure, &f, &worse)) err = worse;
    }
    if (!s->killed) lua_resetthread(t->co); /* its __close code; a later kill is seen below */
    if (s->killed) failure_killed(s, &err);
    tell_error(t, &err, &trace);
    ln_buf_free(&trace);
}

void task_close(struct lua_task *t) {
    struct script *s = t->script;
    if (s->killed) return;
    struct entry e;
    enter_script(&e, s, t->co, t);
    if (lua_resetthread(t->co) == LUA_ERRMEM) script_kill(s, SCRIPT_OVER_MEMORY);
    leave_script(&e, s);
}

/* True while it waits. Otherwise it is over, and (if it ever waited) freed. */
bool task_go(struct lua_task *t) {
    struct script *s = t->script;
    struct entry e;
    int results;
    t->state = TASK_RUNS;
    enter_script(&e, s, t->co, t);
    int status = lua_resume(t->co, e.running.prev ? e.running.prev->co : NULL, 0, &results);
    bool waits = status == LUA_YIELD && s->is_yielding && !s->killed;
    s->is_yielding = false;
    if (status > LUA_YIELD || s->killed) task_fail(t, status);
    leave_script(&e, s);
    t->reusable = status == LUA_OK;
    if (waits && !t->is_cancelled && !script_is_ending(s)) {
        task_park(t);
        return true;
    }
    task_wait_end(t, true);
    if (status == LUA_YIELD && t->is_cancelled) task_close(t);
    t->state = TASK_ENDED;
    if (t->c == &t->own) task_release(t);
    return false;
}

ln_id lua_call_run(const struct lua_call *c) {
    struct script *s = c->script;
    if (!is_open(s)) {
        ln_fail(c->err, LN_CANCELLED, "the script has ended");
        return 0;
    }
    if (LN_UNLIKELY(s->is_stressed)) lua_gc(s->L, LUA_GCCOLLECT);
    struct lua_task *t = task_take(s);
    if (!t) { /* that killed it */
        struct ln_err err;
        failure_killed(s, &err);
        if (c->err) *c->err = err;
        if (c->done) call_done(s, c, &err);
        return 0;
    }
    if (LN_UNLIKELY(++s->calls % TUNE_CALLS == 0)) script_tune(s);
    t->c = c;
    t->was_done = t->dropped = t->is_cancelled = false;
    lua_pushcfunction(t->co, enter);
    if (task_go(t)) return t->item.id;
    task_end(t);
    return 0;
}

/* --- synchronous calls on the main state --- */

struct now {
    struct script *script;
    int fn;
    lua_push_fn push;
    lua_done_fn read;
    void *ud;
};

static int now_enter(lua_State *L, void *ud) {
    struct now *n = ud;
    lua_rawgeti(L, LUA_REGISTRYINDEX, n->fn);
    int base = lua_gettop(L), args = n->push ? n->push(L, n->ud) : 0;
    if (args < 0) return 0;
    lua_call(L, args, n->read ? LUA_MULTRET : 0);
    if (n->read) n->read(n->ud, L, lua_gettop(L) - base + 1, NULL);
    return 0;
}

bool lua_call_now(struct script *s, int fn, const char *what, lua_push_fn push, lua_done_fn read,
                  void *ud, struct ln_err *err) {
    if (!is_open(s)) {
        ln_fail(err, LN_CANCELLED, "the script has ended");
        return false;
    }
    if (s->depth > NOW_DEPTH_MAX) {
        ln_fail(err, LN_FULL, "%s: calls are nested too deep", what);
        return false;
    }
    if (LN_UNLIKELY(s->is_stressed)) lua_gc(s->L, LUA_GCCOLLECT);
    s->calls++;
    struct now n = {s, fn, push, read, ud};
    return lua_call_c(s, what, now_enter, &n, err);
}

/* On the main state, with `extra` values from its top as arguments behind ud. */
static int protect(struct script *s, lua_CFunction f, void *ud, int extra) {
    lua_State *L = s->L;
    lua_pushcfunction(L, f);
    lua_insert(L, -1 - extra);
    lua_pushlightuserdata(L, ud);
    lua_insert(L, -1 - extra);
    return lua_pcall(L, 1 + extra, 0, 0);
}

struct code {
    lua_push_fn fn;
    void *ud;
};

static int run_code(lua_State *L) {
    struct code *c = lua_touserdata(L, 1);
    lua_settop(L, 0);
    c->fn(L, c->ud);
    return 0;
}

/* The error object is on top of the main state and is taken off. */
static void main_failed(struct script *s, int status, const char *what, struct ln_err *err) {
    if (status == LUA_ERRMEM) script_kill(s, SCRIPT_OVER_MEMORY);
    ln_fail(err, LN_INVALID, "%s: an error that could not be read", what);
    if (!s->killed) {
        struct failure f = {NULL, err, NULL};
        if (protect(s, failure_read, &f, 1) == LUA_OK) return;
    }
    lua_pop(s->L, 1);
    if (s->killed) failure_killed(s, err);
}

bool lua_call_c(struct script *s, const char *what, lua_push_fn code, void *ud,
                struct ln_err *err) {
    struct ln_err ignored;
    if (!err) err = &ignored;
    if (!lua_checkstack(s->L, 8)) {
        ln_fail(err, LN_FULL, "%s: the stack is full", what);
        return false;
    }
    struct entry e;
    struct code c = {code, ud};
    enter_script(&e, s, s->L, NULL);
    int status = protect(s, run_code, &c, 0);
    if (status != LUA_OK) main_failed(s, status, what, err);
    leave_script(&e, s);
    return status == LUA_OK;
}

static int read_failure(lua_State *L, void *ud) {
    lua_pushlightuserdata(L, ud);
    lua_insert(L, 1);
    return failure_read(L);
}

/* --- for the guarded library --- */

/* Like lua_resume, for a coroutine of the script's own inside a task. */
int call_resume(lua_State *L, lua_State *co, int args, int *results) {
    struct script *s = script_of(L);
    struct running r = {co, s->running ? s->running->task : NULL, s->running};
    if (s->killed) script_hook(co);
    watchdog_barrier();
    s->running = &r;
    int status = lua_resume(co, L, args, results);
    s->running = r.prev;
    if (status == LUA_ERRMEM) script_kill(s, SCRIPT_OVER_MEMORY);
    return status;
}

int call_close(lua_State *L, lua_State *co) {
    struct script *s = script_of(L);
    struct running r = {co, s->running ? s->running->task : NULL, s->running};
    if (s->killed) script_hook(co);
    watchdog_barrier();
    s->running = &r;
    int status = lua_resetthread(co);
    s->running = r.prev;
    if (status == LUA_ERRMEM) script_kill(s, SCRIPT_OVER_MEMORY);
    return status;
}

int call_protected(lua_State *L, int args, int handler, lua_KContext ctx, lua_KFunction k) {
    return lua_pcallk(L, args, LUA_MULTRET, handler, ctx, k);
}

int lua_call_plain(lua_State *L, int args, int results) {
    return lua_pcall(L, args, results, 0);
}
