/* SPDX-License-Identifier: MIT
 *
 * Waiting for one event: wait_for, ready, and watch, which is its lasting form. The listener
 * belongs to the seat and the wait to the coroutine; whichever ends first lets go of the other, so
 * neither can leak.
 */
#include "bindings/lua_await.h"

#include "base/mem.h"
#include "bindings/lua_conn.h"

struct wait_listener;

struct event_wait {
    struct script *script;
    ln_id wait, timer;
    int where;
    char *room;
    const char *what;
    int (*lead)(lua_State *L, struct lua_listener *none, struct event *ev);
    int (*check)(struct event *ev);
    lua_push_fn push;
    struct wait_listener *wl;
    struct event late; /* a lifecycle event that fits: told in a turn of its own (late_text) */
    ln_id late_conn;
    char *late_text;
};

struct wait_listener {
    struct listener l;
    struct event_wait *w; /* NULL: over */
    char name[];          /* l.name */
};

static void wl_drop(struct seat_item *it) {
    struct wait_listener *wl = LN_CONTAINER(it, struct wait_listener, l.item);
    if (wl->w) wl->w->wl = NULL;
    wl->w = NULL;
    bus_listener_drop(it);
}

static void wl_release(struct listener *l) {
    ln_free(LN_CONTAINER(l, struct wait_listener, l));
}

/* Everything but the coroutine. */
static void wait_free(void *ud) {
    struct event_wait *w = ud;
    loop_timer_cancel(w->script->app->loop, w->timer);
    lua_call_unref(w->script, w->where);
    if (w->wl) bus_off(&w->wl->l);
    ln_free(w->room);
    ln_free(w->late_text);
    ln_free(w);
}

/* --- an event comes --- */

struct match {
    struct event_wait *w;
    struct event *ev;
    int (*lead)(lua_State *L, struct lua_listener *none, struct event *ev);
    struct script *script;
    bool fits;
    ln_status status;
};

static int match_args(lua_State *L, struct match *m) {
    int lead = m->lead ? m->lead(L, NULL, m->ev) : 0;
    int n = event_args_push(L, m->script, m->ev, true); /* kept: pushed again when it fits */
    if (n < 0) m->status = LN_PROTOCOL;
    return n < 0 ? -1 : lead + n;
}

static int match_code(lua_State *L, void *ud) {
    struct match *m = ud;
    struct event_wait *w = m->w;
    if (w->check) {
        m->fits = w->check(m->ev) > 0;
        return 0;
    }
    int base = lua_gettop(L);
    if (event_is_elsewhere(m->ev, w->room)) return 0;
    if (w->where != LUA_NOREF) lua_rawgeti(L, LUA_REGISTRYINDEX, w->where);
    int n = match_args(L, m);
    if (n < 0) return 0;
    int first = base + 1 + (w->where != LUA_NOREF);
    bool looks = w->room && !m->ev->room.p;
    if (looks && (n == 0 || !event_room_is(L, first, w->room))) return 0;
    m->fits = true;
    if (w->where == LUA_NOREF) return 0;
    lua_call(L, n, 1);
    m->fits = lua_toboolean(L, -1);
    return 0;
}

static int match_push(lua_State *L, void *ud) {
    struct match *m = ud;
    int n = match_args(L, m);
    return n < 0 ? lua_push_err(L, LN_PROTOCOL, "the event is no JSON") : n;
}

static int failed_push(lua_State *L, void *ud) {
    return lua_push_ln_err(L, ud);
}

/* Ends the wait with this event. */
static void finish(struct event_wait *w, struct event *ev) {
    struct app *app = w->script->app;
    struct match m = {.ev = ev, .lead = w->lead, .script = w->script};
    lua_push_fn push = w->push ? w->push : match_push;
    void *ud = w->push ? (void *)ev : (void *)&m;
    ln_id wait = w->wait;
    wait_free(w);
    lua_call_wake(app, wait, push, ud);
}

static void on_late(void *ud) {
    struct event_wait *w = ud;
    struct event ev = w->late;
    char *text = w->late_text;
    w->timer = 0;
    w->late_text = NULL;
    ev.conn = conn_of_handle(w->script->app->clients, w->late_conn);
    finish(w, &ev);
    ln_free(text);
}

/* What goes on after a wait for `connect` or `state` is no part of the handlers of that event. */
static void finish_later(struct event_wait *w, const struct event *ev) {
    struct loop *loop = w->script->app->loop;
    char *at = w->late_text = ln_alloc(ev->name.n + ev->args.n + 1);
    memcpy(at, ev->name.p, ev->name.n);
    if (ev->args.n) memcpy(at + ev->name.n, ev->args.p, ev->args.n);
    w->late = (struct event){.kind = ev->kind,
                             .name = {at, ev->name.n},
                             .args = {at + ev->name.n, ev->args.n},
                             .ack = -1,
                             .serial = ev->serial};
    w->late_conn = ev->conn ? conn_handle(ev->conn) : 0;
    loop_timer_cancel(loop, w->timer);
    w->timer = loop_timer(loop, 0, on_late, w);
    bus_off(&w->wl->l);
}

static ln_status on_event(struct listener *l, struct event *ev) {
    struct wait_listener *wl = LN_CONTAINER(l, struct wait_listener, l);
    struct event_wait *w = wl->w;
    if (!w) return LN_OK;
    struct ln_err err;
    struct match m = {.w = w, .ev = ev, .lead = w->lead, .script = w->script};
    struct app *app = w->script->app;
    ln_id wait = w->wait;
    bool ran = lua_call_c(w->script, w->what, match_code, &m, &err);
    w = wl->w; /* the condition may have ended it */
    if (!w || (ran && !m.fits)) return m.status;
    if (!ran) {
        wait_free(w);
        lua_call_wake(app, wait, failed_push, &err);
    } else if (ev->kind == EVENT_LIFECYCLE) {
        finish_later(w, ev);
    } else {
        finish(w, ev);
    }
    return m.status;
}

static void on_timeout(void *ud) {
    struct event_wait *w = ud;
    struct app *app = w->script->app;
    struct ln_err err;
    ln_id wait = w->wait;
    ln_fail(&err, LN_TIMEOUT, "%s: the time is over", w->what);
    w->timer = 0;
    wait_free(w);
    lua_call_wake(app, wait, failed_push, &err);
}

static const struct listener_kind wait_kind = {{"listener", wl_drop, NULL}, on_event, wl_release};

int await_event(lua_State *L, const struct await *a) {
    struct script *s = script_of(L);
    struct event_wait *w = ln_new(struct event_wait);
    struct wait_listener *wl = ln_alloc(sizeof *wl + a->name.n + 1);
    w->script = s;
    w->where = a->where;
    w->room = a->room.p ? ln_str_dup(a->room) : NULL;
    w->what = a->what;
    w->lead = a->lead;
    w->check = a->check;
    w->push = a->push;
    w->wl = wl;
    wl->w = w;
    wl->l.name = memcpy(wl->name, a->name.p, a->name.n);
    wl->l.kind = EVENT_APP;
    bus_on(a->bus, s->seat, &wl->l, &wait_kind);
    w->timer = loop_timer(s->app->loop, a->timeout_ms, on_timeout, w);
    w->wait = lua_call_wait_id(L, wait_free, w, a->what);
    return lua_call_yield(L);
}

/* --- the methods of a connection --- */

/* conn:wait_for(event, {timeout, where, room}?) ⏸ -> ... | nil, err */
int l_conn_wait_for(lua_State *L) {
    static const char *const options[] = {"timeout", "where", "room", NULL};
    const char *fn = "conn:wait_for";
    struct conn *c = conn_check(L, 1, fn);
    struct await a = {.bus = app_bus(app_of(L), c),
                      .where = LUA_NOREF,
                      .what = "wait_for",
                      .timeout_ms = AWAIT_MS};
    a.name = arg_name(L, 2, fn, "the event");
    if (arg_opts(L, 3, fn, options)) {
        a.timeout_ms = arg_ms_opt(L, arg_opt(L, 3, "timeout"), fn, "option 'timeout'", AWAIT_MS);
        int r = arg_opt(L, 3, "room");
        if (!lua_isnil(L, r)) a.room = arg_name(L, r, fn, "option 'room'");
        if (a.room.p) a.room = ln_str(room_wire_push(L, c, a.room));
        int w = arg_opt(L, 3, "where");
        if (!lua_isnil(L, w)) arg_fn(L, w, fn, "option 'where'");
        lua_call_can_wait(L);
        if (!lua_isnil(L, w)) a.where = arg_ref(L, w);
    }
    lua_call_can_wait(L);
    return await_event(L, &a);
}

static int ready_check(struct event *ev) {
    enum conn_state s = conn_state(ev->conn);
    return s == CONN_CONNECTED || s == CONN_FAILED;
}

static int ready_result(lua_State *L, struct conn *c) {
    if (conn_state(c) == CONN_CONNECTED) {
        conn_push(L, c);
        return 1;
    }
    const char *why = conn_stats(c)->last_error;
    return lua_push_err(L, LN_DISCONNECTED, "the connection gave up%s%s", *why ? ": " : "", why);
}

static int ready_push(lua_State *L, void *ud) {
    struct conn *c = ((struct event *)ud)->conn;
    if (!c) return lua_push_err(L, LN_DISCONNECTED, "the connection was closed");
    return ready_result(L, c);
}

/* conn:ready(timeout?) ⏸ -> Conn | nil, err */
int l_conn_ready(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:ready");
    int64_t ms = arg_ms_opt(L, 2, "conn:ready", "the timeout", conn_options(c)->timeout_ms);
    if (lua_call_held(L)) return lua_call_hold(L, l_conn_ready);
    if (conn_state(c) == CONN_CONNECTED || conn_state(c) == CONN_FAILED) return ready_result(L, c);
    lua_call_can_wait(L);
    struct await a = {.bus = app_bus(app_of(L), c),
                      .name = LN_STR("state"),
                      .where = LUA_NOREF,
                      .timeout_ms = ms,
                      .what = "ready",
                      .check = ready_check,
                      .push = ready_push};
    return await_event(L, &a);
}

/* --- watch --- */

/* new, old of a session: the event's own arguments, and what was there before. */
static void push_first(lua_State *L, struct ln_str args) {
    int n = args.n ? lua_json_decode_args(L, args, NULL, 0, NULL) : 0;
    if (n > 1) lua_pop(L, n - 1);
    if (n < 1) lua_pushnil(L);
}

static int session_push(lua_State *L, struct lua_listener *ll, struct event *ev) {
    (void)ll;
    struct conn_use *u = conn_use_of(L, ev->conn);
    push_first(L, ev->args);
    push_first(L, u && u->share->session ? u->share->session->before : (struct ln_str){0});
    return 2;
}

/* conn:watch(field, fn) -> Handle */
int l_conn_watch(lua_State *L) {
    static const char *const fields[] = {"state", "session", "room", "rooms", NULL};
    static const char *const none[] = {NULL};
    struct conn *c = conn_check(L, 1, "conn:watch");
    int field = arg_word(L, 2, "conn:watch", "field", fields, -1);
    arg_fn(L, 3, "conn:watch", "the function");
    if (field >= 2) { /* of the rooms of this script: the Lua half's */
        rooms_half_push(L);
        lua_getfield(L, -1, "watch");
        lua_insert(L, 1);
        lua_settop(L, 4);
        lua_call(L, 3, 1);
        return 1;
    }
    ln_id *handle;
    struct lua_listener *ll =
        listener_make(L, "conn:watch", ln_str(fields[field]), 3, 0, none, &handle);
    if (field == 1) {
        listener_more(ll)->lead = session_push;
        listener_more(ll)->lead_only = true;
    }
    listener_start(app_bus(app_of(L), c), ll, &listener_kind, EVENT_APP, handle);
    return 1;
}
