/* SPDX-License-Identifier: MIT
 *
 * Events to Lua: listeners of a connection, and what they get. An event's arguments are decoded
 * straight onto the stack of the coroutine that handles it, once for all listeners of a script, and
 * never when nobody listens.
 */
#include "bindings/lua_event.h"

#include <limits.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "bindings/lua_conn.h"
#include "bindings/lua_json.h"

/* --- arguments --- */

static int kept_push(lua_State *L, struct script *s) {
    int n = s->decoded_n;
    luaL_checkstack(L, n + 4, "too many arguments");
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->api->decoded);
    int kept = lua_gettop(L);
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, kept, i);
    lua_remove(L, kept);
    return n;
}

static void keep_args(lua_State *L, struct script *s, uint64_t serial, int n) {
    int base = lua_gettop(L) - n;
    s->decoded_serial = 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->api->decoded);
    for (int i = 1; i <= LN_MAX(n, s->decoded_n); i++) {
        if (i <= n)
            lua_pushvalue(L, base + i);
        else
            lua_pushnil(L);
        lua_rawseti(L, -2, i);
    }
    lua_pop(L, 1);
    s->decoded_n = n;
    s->decoded_serial = serial;
}

/* Of an event with meta_at: the peer's value, which must be one, and if asked for the protocol's.
 */
static int push_with_meta(lua_State *L, const struct event *ev, bool with_meta) {
    struct ln_str value = {ev->args.p, ev->meta_at};
    struct ln_str meta = {value.p + value.n + 1, ev->args.n - value.n - 1};
    int top = lua_gettop(L);
    if (lua_json_decode_args(L, value, ev->bin, ev->bin_count, NULL) != 1) {
        lua_settop(L, top);
        return -1;
    }
    return with_meta ? 1 + lua_json_decode_args(L, meta, NULL, 0, NULL) : 1;
}

/* What these tell of is an err, as in `nil, err`. */
static bool is_failure(struct ln_str name) {
    return ln_str_is(name, "connect_error") || ln_str_is(name, "error");
}

int event_args_push(lua_State *L, struct script *s, const struct event *ev, bool keep) {
    if (s->decoded_serial == ev->serial) return kept_push(L, s);
    int n = ev->meta_at ? push_with_meta(L, ev, true)
                        : lua_json_decode_args(L, ev->args, ev->bin, ev->bin_count, NULL);
    if (n == 1 && ev->kind == EVENT_LIFECYCLE && is_failure(ev->name)) lua_mark_err(L);
    if (n >= 0 && keep) {
        luaL_checkstack(L, 4, "too many arguments");
        keep_args(L, s, ev->serial, n);
    }
    return n;
}

int event_bare_push(lua_State *L, struct script *s, const struct event *ev) {
    bool is_less = ev->meta_at && s->decoded_serial != ev->serial;
    return is_less ? push_with_meta(L, ev, false) : event_args_push(L, s, ev, false);
}

/* The closure that answers: its first call counts, conn_ack ignores the others. */
static int ack_call(lua_State *L) {
    struct out out;
    out_encode_few(L, &out, "the answer", 1, lua_gettop(L));
    struct conn *c =
        conn_of_handle(app_of(L)->clients, (ln_id)lua_tointeger(L, lua_upvalueindex(1)));
    if (c)
        conn_ack(c, (uint64_t)lua_tointeger(L, lua_upvalueindex(2)),
                 lua_tointeger(L, lua_upvalueindex(3)), ln_buf_get(out.text), out.bins.v,
                 out.bins.n);
    out_done(L, &out);
    return 0;
}

static void ack_push(lua_State *L, const struct event *ev) {
    lua_pushinteger(L, (lua_Integer)conn_handle(ev->conn));
    lua_pushinteger(L, (lua_Integer)conn_epoch(ev->conn));
    lua_pushinteger(L, ev->ack);
    lua_pushcclosure(L, ack_call, 3);
}

/* --- from the bus to the handler --- */

bool event_room_is(lua_State *L, int arg, const char *room) {
    static const char *const fields[] = {"room", "room_id", "roomId"};
    if (lua_type(L, arg) != LUA_TTABLE) return false;
    for (size_t i = 0; i < LN_COUNT(fields); i++) {
        lua_getfield(L, arg, fields[i]);
        const char *got = lua_tostring(L, -1);
        bool same = got && strcmp(got, room) == 0;
        lua_pop(L, 1);
        if (got) return same;
    }
    return false;
}

bool event_is_elsewhere(const struct event *ev, const char *room) {
    return room && ev->room.p && !ln_str_is(ev->room, room);
}

const char *room_wire_push(lua_State *L, const struct conn *c, struct ln_str room) {
    struct ln_buf *wire = api_out(L);
    ln_buf_clear(wire);
    conn_room_wire(c, room, wire);
    return lua_pushlstring(L, wire->p, wire->n);
}

static bool passes(lua_State *L, struct lua_listener *ll, int base, int n) {
    luaL_checkstack(L, n + 4, "too many arguments");
    lua_rawgeti(L, LUA_REGISTRYINDEX, ll->more->where);
    for (int i = 1; i <= n; i++)
        lua_pushvalue(L, base + i);
    lua_call(L, n, 1);
    bool yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return yes;
}

/* Does another listener of this script get the same arguments after this one? */
static bool is_shared(const struct lua_listener *ll, const struct event *ev) {
    return !ll->l.name || bus_has_of(ll->l.bus, ev->name, ll->l.item.seat, 2);
}

int dispatch_push(lua_State *L, void *ud) {
    struct dispatch *d = ud;
    struct lua_listener *ll = d->ll;
    const struct listener_more *more = ll->more;
    int base = lua_gettop(L), lead = 0;
    if (more->lead) lead = more->lead(L, ll, d->ev);
    bool keep = ll->l.bus && is_shared(ll, d->ev);
    bool bare = !keep && more->where == LUA_NOREF && ll->takes <= lead + 1;
    int n = more->lead_only ? 0
            : bare          ? event_bare_push(L, ll->script, d->ev)
                            : event_args_push(L, ll->script, d->ev, keep);
    if (n < 0) {
        d->status = LN_PROTOCOL;
        return -1;
    }
    luaL_checkstack(L, 8, "too many arguments");
    if (d->ev->ack >= 0 && !more->lead_only) {
        if (more->ack)
            more->ack(L, ll, d->ev);
        else
            ack_push(L, d->ev);
        n++;
    }
    if (more->lead_only) { /* its values are the arguments */
        n = lead;
        lead = 0;
    }
    bool looks = more->room && !d->ev->room.p; /* on_event has looked at what says it itself */
    if (looks && (n == 0 || !event_room_is(L, base + lead + 1, more->room))) return -1;
    if (more->where != LUA_NOREF && !passes(L, ll, base + lead, n)) return -1;
    n += lead;
    if (ll->mode == MODE_PARALLEL) return n;
    mode_enter(L, d, base, n);
    return -1;
}

static ln_status on_event(struct listener *l, struct event *ev) {
    struct lua_listener *ll = LN_CONTAINER(l, struct lua_listener, l);
    struct dispatch d = {.ll = ll, .ev = ev};
    if (event_is_elsewhere(ev, ll->more->room)) return LN_OK;
    if (LN_UNLIKELY(ll->mode != MODE_PARALLEL)) return mode_dispatch(&d);
    struct lua_call c = {.script = ll->script,
                         .fn = ll->fn,
                         .what = LISTENER_WHAT,
                         .name = ev->name,
                         .push = dispatch_push,
                         .ud = &d,
                         .event = ev,
                         .now = ev->barrier ? ev->conn : NULL,
                         .barrier = ev->barrier};
    lua_call_run(&c);
    return d.status;
}

/* --- life of a listener --- */

static const struct listener_more nothing_more = {.where = LUA_NOREF, .key = LUA_NOREF};

struct listener_more *listener_more(struct lua_listener *ll) {
    if (ll->more == &nothing_more) {
        struct listener_more *own = ln_new(struct listener_more);
        *own = nothing_more;
        ll->more = own;
    }
    return (struct listener_more *)ll->more;
}

static void unref(struct lua_listener *ll, int *ref) {
    lua_call_unref(ll->script, *ref);
    *ref = LUA_NOREF;
}

/* The state is alive here, and may be gone when the last walk lets go of the listener. */
void listener_drop(struct seat_item *it) {
    struct lua_listener *ll = LN_CONTAINER(it, struct lua_listener, l.item);
    unref(ll, &ll->fn);
    if (ll->more != &nothing_more) {
        unref(ll, &listener_more(ll)->where);
        unref(ll, &listener_more(ll)->key);
    }
    bus_listener_drop(it);
}

void listener_release(struct listener *l) {
    struct lua_listener *ll = LN_CONTAINER(l, struct lua_listener, l);
    if (ll->more != &nothing_more) {
        struct listener_more *more = listener_more(ll);
        ln_map_free(&more->lanes);
        ln_free(more->key_field);
        ln_free(more->room);
        ln_free(more->nsp);
        ln_free(more);
    }
    ln_free(ll);
}

const struct listener_kind listener_kind = {
    {"listener", listener_drop, NULL}, on_event, listener_release};

const char *const call_mode_names[] = {"parallel", "queued", "restart", "single", NULL};

static unsigned char takes_of(lua_State *L, int fn) {
    lua_Debug ar;
    lua_pushvalue(L, fn);
    lua_getinfo(L, ">u", &ar);
    return ar.isvararg ? UCHAR_MAX : ar.nparams;
}

struct lua_listener *listener_make(lua_State *L, const char *fn_name, struct ln_str event, int fn,
                                   int opts, const char *const *names, ln_id **handle) {
    arg_fn(L, fn, fn_name, "the handler");
    int top = lua_gettop(L);
    struct lua_listener o = {.more = &nothing_more};
    int where = LUA_NOREF, key_fn = LUA_NOREF;
    struct ln_str room = {0}, key = {0};
    if (opts && arg_opts(L, opts, fn_name, names)) {
        o.mode = (enum call_mode)arg_word(L, arg_opt(L, opts, "mode"), fn_name, "mode",
                                          call_mode_names, 0);
        o.l.once = arg_bool(L, arg_opt(L, opts, "once"), fn_name, "option 'once'", false);
        int r = arg_opt(L, opts, "room");
        if (!lua_isnil(L, r)) room = arg_name(L, r, fn_name, "option 'room'");
        int k = arg_opt(L, opts, "key"), w = arg_opt(L, opts, "where");
        if (!lua_isnil(L, k) && o.mode == MODE_PARALLEL)
            script_fail(L, "%s: option 'key' needs a mode, as mode = \"queued\"", fn_name);
        if (lua_type(L, k) == LUA_TSTRING)
            key = arg_name(L, k, fn_name, "option 'key'");
        else if (!lua_isnil(L, k))
            arg_fn(L, k, fn_name, "option 'key'");
        if (!lua_isnil(L, w)) {
            arg_fn(L, w, fn_name, "option 'where'");
            where = arg_ref(L, w);
        }
        if (lua_isfunction(L, k)) key_fn = arg_ref(L, k);
    }
    lua_settop(L, top);
    o.fn = arg_ref(L, fn);
    *handle = handle_push(L);
    struct lua_listener *ll = ln_alloc(sizeof *ll + event.n + 1);
    *ll = o;
    ll->script = script_of(L);
    if (event.p) ll->l.name = memcpy(ll->name, event.p, event.n);
    if (where != LUA_NOREF) listener_more(ll)->where = where;
    if (key_fn != LUA_NOREF) listener_more(ll)->key = key_fn;
    if (room.p) listener_more(ll)->room = ln_str_dup(room);
    if (key.p) listener_more(ll)->key_field = ln_str_dup(key);
    ll->takes = takes_of(L, fn);
    return ll;
}

void listener_start(struct bus *b, struct lua_listener *ll, const struct listener_kind *of,
                    enum event_kind kind, ln_id *handle) {
    ll->l.kind = kind;
    bus_on(b, ll->script->seat, &ll->l, of);
    *handle = ll->l.item.id;
}

static bool is_target(lua_State *L, struct seat_item *it, struct bus *b, struct ln_str name,
                      int fn) {
    if (it->kind->drop != listener_drop) return false;
    struct lua_listener *ll = LN_CONTAINER(it, struct lua_listener, l.item);
    if (ll->l.bus != b) return false;
    if (name.p && (!ll->l.name || !ln_str_is(name, ll->l.name))) return false;
    if (!fn) return true;
    lua_rawgeti(L, LUA_REGISTRYINDEX, ll->fn);
    bool same = lua_rawequal(L, -1, fn);
    lua_pop(L, 1);
    return same;
}

int listener_off(lua_State *L, struct bus *b, struct ln_str name, int fn) {
    int n = 0;
    LN_LIST_EACH (&script_of(L)->seat->items, node, next) {
        struct seat_item *it = LN_CONTAINER(node, struct seat_item, node);
        if (!is_target(L, it, b, name, fn)) continue;
        seat_drop(it); /* of a listener: touches no other item */
        n++;
    }
    return n;
}

/* --- the methods of a connection --- */

static const char *const on_options[] = {"mode", "key", "where", "room", "once", NULL};

/* The option `room` as events of this connection say it. */
static void wire_room(struct lua_listener *ll, const struct conn *c) {
    if (!ll->more->room || !conn_has_rooms(c)) return;
    struct ln_buf wire = {0};
    conn_room_wire(c, ln_str(ll->more->room), &wire);
    ln_buf_cstr(&wire);
    ln_free(ll->more->room);
    listener_more(ll)->room = ln_buf_take(&wire, NULL);
}

static int conn_on(lua_State *L, const char *fn_name, bool once) {
    struct conn *c = conn_check(L, 1, fn_name);
    struct ln_str name = arg_name(L, 2, fn_name, "the event");
    ln_id *handle;
    struct lua_listener *ll = listener_make(L, fn_name, name, 3, 4, on_options, &handle);
    wire_room(ll, c);
    if (once) ll->l.once = true;
    listener_start(app_bus(app_of(L), c), ll, &listener_kind, EVENT_APP, handle);
    return 1;
}

/* conn:on(event, fn, opts?) -> Handle */
int l_conn_on(lua_State *L) {
    return conn_on(L, "conn:on", false);
}

/* conn:once(event, fn, opts?) -> Handle */
int l_conn_once(lua_State *L) {
    return conn_on(L, "conn:once", true);
}

static int name_lead(lua_State *L, struct lua_listener *ll, struct event *ev) {
    (void)ll;
    lua_pushlstring(L, ev->name.p, ev->name.n);
    return 1;
}

static int conn_on_any(lua_State *L, const char *fn_name, enum event_kind kind) {
    struct conn *c = conn_check(L, 1, fn_name);
    ln_id *handle;
    struct lua_listener *ll =
        listener_make(L, fn_name, (struct ln_str){0}, 2, 3, on_options, &handle);
    wire_room(ll, c);
    listener_more(ll)->lead = name_lead;
    listener_start(app_bus(app_of(L), c), ll, &listener_kind, kind, handle);
    return 1;
}

/* conn:on_any(fn, opts?) -> Handle */
int l_conn_on_any(lua_State *L) {
    return conn_on_any(L, "conn:on_any", EVENT_APP);
}

/* conn:on_any_outgoing(fn, opts?) -> Handle */
int l_conn_on_any_outgoing(lua_State *L) {
    return conn_on_any(L, "conn:on_any_outgoing", EVENT_OUT);
}

/* conn:off(event?, fn?) -> integer */
int l_conn_off(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:off");
    struct ln_str name = arg_str_opt(L, 2, "conn:off", "the event");
    int fn = lua_isnoneornil(L, 3) ? 0 : 3;
    if (fn) arg_fn(L, 3, "conn:off", "the handler");
    lua_pushinteger(L, listener_off(L, app_bus(app_of(L), c), name, fn));
    return 1;
}

/* --- linnet.event --- */

static void room_of_event(const struct event *ev, struct ln_buf *out) {
    struct ln_str args = ev->args, room = {0};
    ln_buf_clear(out);
    if (ev->room.p) {
        ln_buf_str(out, ev->conn ? conn_room_name(ev->conn, ev->room) : ev->room);
        return;
    }
    if (ln_json_peek(args) == LN_JSON_OBJECT) room = ln_json_get(args, "room");
    if (!room.n && ln_json_peek(args) == LN_JSON_OBJECT) room = ln_json_get(args, "room_id");
    if (!room.n || !ln_json_text(room, out)) ln_buf_clear(out);
}

void event_table_push(lua_State *L, const struct event *ev) {
    struct ln_buf *room = api_out(L);
    room_of_event(ev, room);
    lua_createtable(L, 0, 5);
    lua_pushlstring(L, ev->name.p, ev->name.n);
    lua_setfield(L, -2, "name");
    if (ev->conn) {
        conn_push(L, ev->conn);
        lua_setfield(L, -2, "conn");
    }
    if (room->n) {
        lua_pushlstring(L, room->p, room->n);
        lua_setfield(L, -2, "room");
    }
    lua_pushinteger(L, (lua_Integer)ev->serial);
    lua_setfield(L, -2, "id");
    lua_pushnumber(L, (double)ln_wall_ms() / 1000.0);
    lua_setfield(L, -2, "time");
}

/* linnet.event() -> {name, conn, room, id, time} | nil */
static int l_event(lua_State *L) {
    struct event *ev = lua_call_event(L);
    if (ev)
        event_table_push(L, ev);
    else
        lua_pushnil(L);
    return 1;
}

/* "bot.lua:16" for the Events tab. */
static const char *place_of(struct app *a, const struct listener *l) {
    static char text[256];
    (void)a;
    if (l->item.kind->drop != listener_drop) return NULL;
    const struct lua_listener *ll = LN_CONTAINER(l, const struct lua_listener, l);
    return lua_call_place(ll->script, ll->fn, text, sizeof text);
}

void ln_open_event(lua_State *L) {
    static const luaL_Reg fns[] = {{"event", l_event}, {NULL, NULL}};
    luaL_setfuncs(L, fns, 0);
    app_of(L)->place_of = place_of;
}
