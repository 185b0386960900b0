/* SPDX-License-Identifier: MIT
 *
 * Buses of the Lua half: events between its own objects (a member came, a message was delivered)
 * and the script's handlers, with the coroutines, modes, handles and isolation that events of a
 * connection have. Values pass as they are; nothing is encoded.
 */
#include "bindings/lua_bus.h"

#include "base/mem.h"
#include "bindings/lua_await.h"

struct local_bus {
    struct bus *bus;
};

/* event.source of a local event: where its values are. */
struct local_event {
    int values; /* registry reference of a table */
    int n;
};

static int local_gc(lua_State *L) {
    struct local_bus *b = lua_touserdata(L, 1);
    if (b->bus) bus_free(b->bus);
    b->bus = NULL;
    return 0;
}

static struct bus *check(lua_State *L) {
    return ((struct local_bus *)luaL_checkudata(L, 1, "linnet.Bus"))->bus;
}

static int local_lead(lua_State *L, struct lua_listener *ll, struct event *ev) {
    const struct local_event *le = ev->source;
    (void)ll;
    luaL_checkstack(L, le->n + 4, "too many values");
    lua_rawgeti(L, LUA_REGISTRYINDEX, le->values);
    int t = lua_gettop(L);
    for (int i = 1; i <= le->n; i++)
        lua_rawgeti(L, t, i);
    lua_remove(L, t);
    return le->n;
}

/* (bus, name, fn, opts, fn_name): opts are those of conn:on. */
static int local_on(lua_State *L) {
    static const char *const options[] = {"mode", "key", "where", "once", NULL};
    struct bus *b = check(L);
    struct ln_str name = arg_name(L, 2, "on", "the event");
    ln_id *handle;
    struct lua_listener *ll = listener_make(L, luaL_optstring(L, 5, "on"), name, 3,
                                            lua_isnoneornil(L, 4) ? 0 : 4, options, &handle);
    listener_more(ll)->lead = local_lead;
    listener_more(ll)->lead_only = true;
    listener_start(b, ll, &listener_kind, EVENT_APP, handle);
    return 1;
}

/* (bus, name, ...) */
static int local_emit(lua_State *L) {
    struct bus *b = check(L);
    struct app *a = app_of(L);
    struct ln_str name = arg_str(L, 2, "emit", "the event");
    if (bus_count(b) == 0) return 0;
    int n = lua_gettop(L) - 2;
    lua_createtable(L, n, 0);
    lua_insert(L, 3);
    for (int i = n; i >= 1; i--)
        lua_rawseti(L, 3, i);
    struct local_event le = {luaL_ref(L, LUA_REGISTRYINDEX), n};
    struct event ev = {
        .kind = EVENT_APP, .name = name, .ack = -1, .serial = app_event_serial(a), .source = &le};
    bus_emit(b, &ev);
    luaL_unref(L, LUA_REGISTRYINDEX, le.values);
    return 0;
}

/* (bus, name, seconds, where?) ⏸ -> ... | nil, err */
static int local_wait(lua_State *L) {
    struct await a = {.bus = check(L),
                      .where = LUA_NOREF,
                      .what = "wait",
                      .lead = local_lead,
                      .timeout_ms = arg_ms_opt(L, 3, "wait", "the timeout", AWAIT_MS)};
    a.name = arg_name(L, 2, "wait", "the event");
    lua_call_can_wait(L);
    if (!lua_isnoneornil(L, 4)) {
        arg_fn(L, 4, "wait", "the condition");
        a.where = arg_ref(L, 4);
    }
    return await_event(L, &a);
}

void local_bus_push(lua_State *L) {
    struct local_bus *b = lua_newuserdatauv(L, sizeof *b, 0);
    b->bus = NULL;
    if (luaL_newmetatable(L, "linnet.Bus")) {
        static const luaL_Reg methods[] = {
            {"on", local_on}, {"emit", local_emit}, {"wait", local_wait}, {NULL, NULL}};
        lua_pushcfunction(L, local_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushboolean(L, false);
        lua_setfield(L, -2, "__metatable");
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
    b->bus = bus_new((struct ln_str){0});
}
