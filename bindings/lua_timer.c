/* SPDX-License-Identifier: MIT
 *
 * Time: sleep, after, every, debounce, throttle. Timers of a trial load start when it goes live. An
 * interval does not drift: the next time due is the last one due plus the interval, and times that
 * were missed are skipped.
 */
#include "base/mem.h"
#include "bindings/lua_event.h"
#include "bindings/lua_modules.h"

/* --- sleep --- */

struct nap {
    struct app *app;
    ln_id timer, wait;
};

static void nap_cancel(void *ud) {
    struct nap *n = ud;
    loop_timer_cancel(n->app->loop, n->timer);
    ln_free(n);
}

static void nap_over(void *ud) {
    struct nap n = *(struct nap *)ud;
    ln_free(ud);
    lua_call_wake(n.app, n.wait, NULL, NULL);
}

/* linnet.sleep(seconds) ⏸ */
static int l_sleep(lua_State *L) {
    int64_t ms = arg_ms(L, 1, "linnet.sleep", "the time");
    lua_call_can_wait(L);
    struct nap *n = ln_new(struct nap);
    n->app = app_of(L);
    n->timer = loop_timer(n->app->loop, ms, nap_over, n);
    n->wait = lua_call_wait_id(L, nap_cancel, n, "sleep");
    return lua_call_yield(L);
}

/* --- after, every --- */

struct timer {
    struct seat_item item;
    struct script *script;
    int fn;
    int64_t ms;
    uint64_t due; /* loop time */
    ln_id timer, owed_timer;
    ln_id task; /* of the call that still waits, or 0 */
    bool repeats, at_once, is_running;
    enum call_mode mode;
    size_t owed; /* queued: ticks that wait for their turn */
};

static void timer_fire(struct timer *t);

static void timer_tick(void *ud) {
    struct timer *t = ud;
    t->timer = 0;
    timer_fire(t);
}

static void timer_start(struct timer *t) {
    struct loop *loop = t->script->app->loop;
    int64_t ms = t->at_once ? 0 : t->ms;
    t->due = loop_now_ms(loop) + (uint64_t)ms;
    t->at_once = false;
    t->timer = loop_timer(loop, ms, timer_tick, t);
}

static void timer_drop(struct seat_item *it) {
    struct timer *t = LN_CONTAINER(it, struct timer, item);
    loop_timer_cancel(t->script->app->loop, t->timer);
    loop_timer_cancel(t->script->app->loop, t->owed_timer);
    lua_call_unref(t->script, t->fn);
    ln_free(t);
}

static void timer_go_live(struct seat_item *it) {
    timer_start(LN_CONTAINER(it, struct timer, item));
}

static const struct seat_kind timer_kind = {"timer", timer_drop, timer_go_live};

static struct timer *timer_alive(struct app *app, ln_id id) {
    struct seat_item *it = seat_item_of(&app->slots, id, "timer");
    return it ? LN_CONTAINER(it, struct timer, item) : NULL;
}

/* The next time due; those that are over already are skipped. */
static void timer_next(struct timer *t) {
    struct loop *loop = t->script->app->loop;
    uint64_t now = loop_now_ms(loop), step = (uint64_t)t->ms;
    t->due += step;
    if (t->due <= now) t->due += (now - t->due) / step * step + step;
    t->timer = loop_timer(loop, (int64_t)(t->due - now), timer_tick, t);
}

struct tick { /* which timer a call belongs to: the timer may be cancelled while the call waits */
    struct seat_item item;
    struct script *script;
    ln_id timer;
};

static void tick_drop(struct seat_item *it) {
    ln_free(LN_CONTAINER(it, struct tick, item));
}

static const struct seat_kind tick_kind = {"call", tick_drop, NULL};

static void timer_call(struct timer *t);

static void timer_owed(void *ud) {
    struct timer *t = ud;
    t->owed_timer = 0;
    if (!t->is_running) timer_call(t);
}

static void tick_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct tick *k = ud;
    struct timer *t = timer_alive(k->script->app, k->timer);
    (void)L;
    (void)n;
    (void)err;
    seat_drop(&k->item);
    if (!t) return;
    t->is_running = false;
    t->task = 0;
    if (t->owed == 0) return;
    t->owed--;
    if (!t->owed_timer) t->owed_timer = loop_timer(t->script->app->loop, 0, timer_owed, t);
}

static void timer_call(struct timer *t) {
    struct app *app = t->script->app;
    ln_id id = t->item.id;
    struct tick *k = ln_new(struct tick);
    k->script = t->script;
    k->timer = id;
    seat_own(t->script->seat, &k->item, &tick_kind);
    t->is_running = true;
    struct lua_call c = {.script = t->script,
                         .fn = t->fn,
                         .what = "timer",
                         .done = tick_done,
                         .logs = true,
                         .ud = k};
    ln_id task = lua_call_run(&c);
    t = timer_alive(app, id);
    if (t && task) t->task = task;
}

/* linnet.after's timer is gone before its call, so that its handle is not active in it. */
static void timer_once(struct timer *t) {
    struct script *s = t->script;
    int fn = t->fn;
    t->fn = LUA_NOREF;
    seat_drop(&t->item);
    struct lua_call c = {.script = s, .fn = fn, .what = "timer"};
    lua_call_run(&c);
    lua_call_unref(s, fn);
}

static void timer_fire(struct timer *t) {
    if (!t->repeats) {
        timer_once(t);
        return;
    }
    struct app *app = t->script->app;
    ln_id id = t->item.id;
    timer_next(t);
    if (t->is_running && t->mode == MODE_SINGLE) return;
    if (t->is_running && t->mode == MODE_QUEUED) {
        t->owed += t->owed < QUEUE_MAX;
        return;
    }
    if (t->is_running && t->mode == MODE_RESTART && t->task) {
        lua_call_cancel(app, t->task);
        t = timer_alive(app, id);
    }
    if (t) timer_call(t);
}

static struct timer *timer_own(lua_State *L, int64_t ms, int fn, ln_id *handle) {
    int ref = arg_ref(L, fn);
    struct timer *t = ln_new(struct timer);
    t->script = script_of(L);
    t->fn = ref;
    t->ms = ms;
    seat_own(t->script->seat, &t->item, &timer_kind);
    *handle = t->item.id;
    return t;
}

/* linnet.after(seconds, fn) -> Handle */
static int l_after(lua_State *L) {
    int64_t ms = arg_ms(L, 1, "linnet.after", "the time");
    arg_fn(L, 2, "linnet.after", "the function");
    struct timer *t = timer_own(L, ms, 2, handle_push(L));
    if (!lua_call_held(L)) timer_start(t);
    return 1;
}

/* linnet.every(seconds, fn, {at_once, mode}?) -> Handle */
static int l_every(lua_State *L) {
    static const char *const options[] = {"at_once", "mode", NULL};
    const char *fn = "linnet.every";
    int mode = MODE_PARALLEL;
    bool at_once = false;
    int64_t ms = arg_ms(L, 1, fn, "the interval");
    if (ms < 1) script_fail(L, "%s: the interval must be at least 1 ms", fn);
    arg_fn(L, 2, fn, "the function");
    if (arg_opts(L, 3, fn, options)) {
        at_once = arg_bool(L, arg_opt(L, 3, "at_once"), fn, "option 'at_once'", false);
        mode = arg_word(L, arg_opt(L, 3, "mode"), fn, "mode", call_mode_names, mode);
    }
    struct timer *t = timer_own(L, ms, 2, handle_push(L));
    t->repeats = true;
    t->at_once = at_once;
    t->mode = (enum call_mode)mode;
    if (!lua_call_held(L)) timer_start(t);
    return 1;
}

/* --- debounce, throttle: functions that call another one at their time --- */

struct gate {
    struct seat_item item;
    struct script *script;
    int fn, args; /* registry references; args: the table of the last call's, or LUA_NOREF */
    int64_t ms;
    ln_id timer;
    bool is_debounce;
};

static void gate_drop(struct seat_item *it) {
    struct gate *g = LN_CONTAINER(it, struct gate, item);
    loop_timer_cancel(g->script->app->loop, g->timer);
    lua_call_unref(g->script, g->fn);
    lua_call_unref(g->script, g->args);
    ln_free(g);
}

static const struct seat_kind gate_kind = {"gate", gate_drop, NULL};

static int gate_push(lua_State *L, void *ud) {
    struct gate *g = ud;
    if (g->args == LUA_NOREF) return -1;
    int n = arg_unpack(L, g->args);
    lua_call_unref(g->script, g->args);
    g->args = LUA_NOREF;
    return n;
}

static void gate_tick(void *ud) {
    struct gate *g = ud;
    g->timer = 0;
    if (g->args == LUA_NOREF) return;
    if (!g->is_debounce) g->timer = loop_timer(g->script->app->loop, g->ms, gate_tick, g);
    struct lua_call c = {.script = g->script,
                         .fn = g->fn,
                         .push = gate_push,
                         .ud = g,
                         .what = g->is_debounce ? "debounced function" : "throttled function"};
    lua_call_run(&c);
}

static int gate_call(lua_State *L) {
    struct gate *g = NULL;
    struct app *app = app_of(L);
    struct seat_item *it =
        seat_item_of(&app->slots, (ln_id)lua_tointeger(L, lua_upvalueindex(1)), "gate");
    if (it) g = LN_CONTAINER(it, struct gate, item);
    if (!g) return 0;
    int n = lua_gettop(L);
    lua_createtable(L, n, 1);
    lua_insert(L, 1);
    lua_pushinteger(L, n);
    lua_setfield(L, 1, "n");
    for (int i = n; i >= 1; i--)
        lua_rawseti(L, 1, i);
    int args = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_call_unref(g->script, g->args);
    g->args = args;
    if (g->is_debounce && loop_timer_again(app->loop, g->timer, g->ms)) return 0;
    if (!g->timer) g->timer = loop_timer(app->loop, g->is_debounce ? g->ms : 0, gate_tick, g);
    return 0;
}

static int make_gate(lua_State *L, const char *fn_name, bool is_debounce) {
    int64_t ms = arg_ms(L, 1, fn_name, "the time");
    arg_fn(L, 2, fn_name, "the function");
    items_check(L);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, gate_call, 1);
    int fn = arg_ref(L, 2);
    struct gate *g = ln_new(struct gate);
    g->script = script_of(L);
    g->fn = fn;
    g->args = LUA_NOREF;
    g->ms = ms;
    g->is_debounce = is_debounce;
    seat_own(g->script->seat, &g->item, &gate_kind);
    lua_pushinteger(L, (lua_Integer)g->item.id);
    lua_setupvalue(L, -2, 1);
    return 1;
}

/* linnet.debounce(seconds, fn) -> function */
static int l_debounce(lua_State *L) {
    return make_gate(L, "linnet.debounce", true);
}

/* linnet.throttle(seconds, fn) -> function */
static int l_throttle(lua_State *L) {
    return make_gate(L, "linnet.throttle", false);
}

void ln_open_timer(lua_State *L) {
    static const luaL_Reg fns[] = {{"sleep", l_sleep},       {"after", l_after},
                                   {"every", l_every},       {"debounce", l_debounce},
                                   {"throttle", l_throttle}, {NULL, NULL}};
    luaL_setfuncs(L, fns, 0);
}
