/* SPDX-License-Identifier: MIT
 *
 * What happens to an event while the handler's previous call still runs (API 0, rule 8): queued,
 * restart, single. Calls with the same key share a lane, which is a seat item from its first call
 * until nothing of it runs or waits, so an unload drops what waits. lua_event.c comes here for
 * listeners that are not parallel.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bindings/lua_event.h"

struct waiting { /* an event whose turn has not come */
    struct ln_list node;
    int args; /* registry reference of {n = count, …} */
    ln_id conn;
    struct event ev;
    struct barrier *barrier;
    char name[];
};

struct lane {
    struct seat_item item;
    struct lua_listener *ll; /* a reference of its own: outlives a cancelled listener */
    struct script *script;
    ln_id task, timer;
    bool busy, draining;
    struct waiting *current; /* its arguments are being pushed */
    struct ln_list queue;
    char *key;
};

static void lane_drain(struct lane *lane);

static void waiting_free(struct lane *lane, struct waiting *w) {
    ln_list_remove(&w->node);
    lua_call_unref(lane->script, w->args);
    if (w->barrier) barrier_release(w->barrier);
    listener_more(lane->ll)->waiting--;
    ln_free(w);
}

static void lane_drop(struct seat_item *it) {
    struct lane *lane = LN_CONTAINER(it, struct lane, item);
    struct listener *l = &lane->ll->l;
    loop_timer_cancel(lane->script->app->loop, lane->timer);
    LN_LIST_EACH (&lane->queue, node, next)
        waiting_free(lane, LN_CONTAINER(node, struct waiting, node));
    ln_map_remove(&listener_more(lane->ll)->lanes, ln_str(lane->key));
    ln_free(lane->key);
    ln_free(lane);
    listener_unref(l);
}

static const struct seat_kind lane_kind = {"call", lane_drop, NULL};

static struct lane *lane_of(struct lua_listener *ll, struct ln_str key) {
    struct ln_map *lanes = &listener_more(ll)->lanes;
    struct lane *lane = ln_map_get(lanes, key);
    if (lane) return lane;
    lane = ln_new(struct lane);
    lane->ll = ll;
    lane->script = ll->script;
    lane->key = ln_str_dup(key);
    ln_list_init(&lane->queue);
    ln_map_set(lanes, key, lane);
    ll->l.refs++;
    seat_own(ll->script->seat, &lane->item, &lane_kind);
    return lane;
}

/* --- choosing the lane, with the arguments on the stack --- */

/* Pushes the key as a string. */
static struct ln_str key_push(lua_State *L, struct lua_listener *ll, int base, int n) {
    struct ln_str s = {"", 0};
    if (ll->more->key_field) {
        if (n > 0 && lua_type(L, base + 1) == LUA_TTABLE)
            lua_getfield(L, base + 1, ll->more->key_field);
        else
            lua_pushnil(L);
    } else if (ll->more->key != LUA_NOREF) {
        luaL_checkstack(L, n + 4, "too many arguments");
        lua_rawgeti(L, LUA_REGISTRYINDEX, ll->more->key);
        for (int i = 1; i <= n; i++)
            lua_pushvalue(L, base + i);
        lua_call(L, n, 1);
    } else {
        lua_pushnil(L);
    }
    if (!lua_isnil(L, -1)) s.p = luaL_tolstring(L, -1, &s.n);
    return s;
}

static void warn_full(struct lua_listener *ll) {
    struct api *api = ll->script->api;
    uint64_t now = ln_mono_ms();
    char tag[80], place[256];
    if (api->full_warned_ms && now - api->full_warned_ms < 60000) return;
    api->full_warned_ms = now;
    snprintf(tag, sizeof tag, "script:%s", ll->script->seat->name);
    ln_log(LN_WARN, tag, "%s: %d events wait for the handler at %s; the newest are dropped",
           ll->l.name ? ll->l.name : "any event", QUEUE_MAX,
           lua_call_place(ll->script, ll->fn, place, sizeof place));
}

/* Keeps the n values at base + 1 for later. */
static void put_back(lua_State *L, struct dispatch *d, struct lane *lane, int base, int n) {
    const struct event *ev = d->ev;
    lua_createtable(L, n, 1);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, base + i);
        lua_rawseti(L, -2, i);
    }
    lua_pushinteger(L, n);
    lua_setfield(L, -2, "n");
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    struct waiting *w = ln_alloc(sizeof *w + ev->name.n + ev->room.n + 1);
    if (ev->name.n) memcpy(w->name, ev->name.p, ev->name.n);
    if (ev->room.n) memcpy(w->name + ev->name.n, ev->room.p, ev->room.n);
    w->args = ref;
    w->conn = ev->conn ? conn_handle(ev->conn) : 0;
    w->ev = (struct event){
        .kind = ev->kind, .name = {w->name, ev->name.n}, .ack = ev->ack, .serial = ev->serial};
    if (ev->room.p) w->ev.room = (struct ln_str){w->name + ev->name.n, ev->room.n};
    w->barrier = ev->barrier;
    if (w->barrier) barrier_hold(w->barrier);
    ln_list_init(&w->node);
    ln_list_push(&lane->queue, &w->node);
    listener_more(lane->ll)->waiting++;
}

void mode_enter(lua_State *L, struct dispatch *d, int base, int n) {
    struct lua_listener *ll = d->ll;
    int top = lua_gettop(L);
    struct lane *lane = lane_of(ll, key_push(L, ll, base, n));
    lua_settop(L, top);
    d->lane = lane;
    if (lane->busy && ll->mode == MODE_SINGLE) return;
    if (ll->more->waiting >= QUEUE_MAX) {
        warn_full(ll);
        return;
    }
    put_back(L, d, lane, base, n);
}

/* --- running --- */

static int waiting_push(lua_State *L, void *ud) {
    struct lane *lane = ud;
    return arg_unpack(L, lane->current->args);
}

static void on_timer(void *ud) {
    struct lane *lane = ud;
    lane->timer = 0;
    lane_drain(lane);
}

/* The next call has a turn of its own, outside of the one that ends here. */
static void lane_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct lane *lane = ud;
    (void)L;
    (void)n;
    (void)err;
    lane->busy = false;
    lane->task = 0;
    if (!lane->draining && !lane->timer)
        lane->timer = loop_timer(lane->script->app->loop, 0, on_timer, lane);
}

/* One call. NULL when the script, and the lane with it, ended inside. */
static struct lane *lane_step(struct lane *lane) {
    struct app *app = lane->script->app;
    ln_id id = lane->item.id;
    struct waiting *w = LN_CONTAINER(lane->queue.next, struct waiting, node);
    if (w->conn) w->ev.conn = conn_of_handle(app->clients, w->conn);
    lane->busy = true;
    lane->current = w;
    struct lua_call c = {.script = lane->script,
                         .fn = lane->ll->fn,
                         .what = LISTENER_WHAT,
                         .name = w->ev.name,
                         .push = waiting_push,
                         .done = lane_done,
                         .logs = true,
                         .ud = lane,
                         .event = &w->ev,
                         .now = w->barrier ? w->ev.conn : NULL,
                         .barrier = w->barrier};
    ln_id task = lua_call_run(&c);
    struct seat_item *it = seat_item_of(&app->slots, id, "call");
    if (!it) return NULL;
    if (task)
        lane->task = task;
    else
        lane->busy = false; /* done said so already, unless the script was killed */
    lane->current = NULL;
    waiting_free(lane, w);
    return lane;
}

/* Runs what waits until a call waits itself; the lane ends when nothing is left of it. */
static void lane_drain(struct lane *lane) {
    if (lane->draining) return;
    lane->draining = true;
    while (!lane->busy && !ln_list_empty(&lane->queue) && lane->ll->fn != LUA_NOREF) {
        lane = lane_step(lane);
        if (!lane) return;
    }
    lane->draining = false;
    if (!lane->busy) seat_drop(&lane->item);
}

static void fail(struct dispatch *d, const struct ln_err *err) {
    char tag[80];
    snprintf(tag, sizeof tag, "script:%s", d->ll->script->seat->name);
    d->ll->script->errors++;
    ln_log(LN_ERROR, tag, "%s of '%.*s': %s", LISTENER_WHAT, LN_FMT(d->ev->name), err->text);
}

ln_status mode_dispatch(struct dispatch *d) {
    struct lua_listener *ll = d->ll;
    struct app *app = ll->script->app;
    struct ln_err err;
    if (!lua_call_c(ll->script, LISTENER_WHAT, dispatch_push, d, &err)) fail(d, &err);
    if (!d->lane) return d->status;
    ln_id id = d->lane->item.id;
    if (ll->mode == MODE_RESTART && d->lane->busy && d->lane->task)
        lua_call_cancel(app, d->lane->task);
    struct seat_item *it = seat_item_of(&app->slots, id, "call");
    if (it) lane_drain(LN_CONTAINER(it, struct lane, item));
    return d->status;
}
