/* SPDX-License-Identifier: MIT
 *
 * A client of the hub, as its scripts hold it: an id. Its fields are read from the hub.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "bindings/lua_hub.h"

static const struct type_desc client_type;

struct hub *hub_check(lua_State *L, const char *fn) {
    struct hub *h = app_of(L)->hub;
    if (!h) script_fail(L, "%s: the hub is closed", fn);
    return h;
}

void client_push(lua_State *L, ln_id client) {
    type_register(L, &client_type);
    ln_id *id = lua_newuserdatauv(L, sizeof *id, 0);
    *id = client;
    luaL_setmetatable(L, client_type.key);
}

ln_id client_check(lua_State *L, int idx, const char *fn) {
    return *(ln_id *)type_check(L, idx, &client_type, fn);
}

static int gone(lua_State *L) {
    return lua_push_err(L, LN_DISCONNECTED, "the client is gone");
}

/* client:emit(event, ...) -> true | nil, err */
static int l_client_emit(lua_State *L) {
    ln_id id = client_check(L, 1, "client:emit");
    struct hub *h = hub_check(L, "client:emit");
    struct ln_str name = arg_event(L, 2, "client:emit");
    struct out out;
    if (lua_call_held(L)) return lua_call_hold(L, l_client_emit);
    out_encode_few(L, &out, "client:emit", 3, lua_gettop(L));
    struct hub_client_info info;
    struct hub_target t = {.client = id};
    size_t n = 0;
    if (hub_client(h, id, &info)) {
        t.nsp = info.nsp;
        n = hub_emit(h, &t, name, ln_buf_get(out.text), out.bins.v, out.bins.n);
    }
    out_done(L, &out);
    if (n == 0) return gone(L);
    lua_pushboolean(L, true);
    return 1;
}

struct client_wait {
    struct app *app;
    ln_id wait;      /* 0: nobody waits any more */
    bool is_sending; /* an answer now means that the line broke under the send */
    bool is_over;
};

static void wait_cancel(void *ud) {
    ((struct client_wait *)ud)->wait = 0; /* the hub calls back all the same, and that frees it */
}

struct client_reply {
    struct ln_str args;
    const struct ln_str *bin;
    size_t bin_count;
    const struct ln_err *err;
};

static int reply_push(lua_State *L, void *ud) {
    const struct client_reply *r = ud;
    struct ln_err err;
    if (r->err) return lua_push_ln_err(L, r->err);
    int n = lua_json_decode_args(L, r->args, r->bin, r->bin_count, &err);
    if (n < 0) return lua_push_err(L, LN_PROTOCOL, "the answer is no JSON: %s", err.text);
    if (n > 0) return n;
    lua_pushboolean(L, true);
    return 1;
}

static void on_reply(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                     const struct ln_err *err) {
    struct client_wait w = *(struct client_wait *)ud;
    struct client_reply r = {args, bin, bin_count, err};
    if (w.is_sending) {
        ((struct client_wait *)ud)->is_over = true;
        return;
    }
    ln_free(ud);
    if (w.wait) lua_call_wake(w.app, w.wait, reply_push, &r);
}

/* client:emit_with_ack(event, ...) ⏸ -> reply | nil, err */
static int l_client_emit_with_ack(lua_State *L) {
    const char *fn = "client:emit_with_ack";
    ln_id id = client_check(L, 1, fn);
    struct hub *h = hub_check(L, fn);
    struct ln_str name = arg_event(L, 2, fn);
    struct out out;
    if (lua_call_held(L)) return lua_call_hold(L, l_client_emit_with_ack);
    lua_call_can_wait(L);
    out_encode_few(L, &out, fn, 3, lua_gettop(L));
    struct client_wait *w = ln_new(struct client_wait);
    w->app = app_of(L);
    w->is_sending = true;
    ln_status s =
        hub_emit_ack(h, id, name, ln_buf_get(out.text), out.bins.v, out.bins.n, 10000, on_reply, w);
    w->is_sending = false;
    out_done(L, &out);
    if (s != LN_OK || w->is_over) {
        ln_free(w);
        if (s == LN_FULL)
            return lua_push_err(L, LN_FULL, "the client has too many questions to answer");
        if (s == LN_REFUSED) return lua_push_err(L, s, "the client's protocol has no answers");
        return gone(L);
    }
    w->wait = lua_call_wait_id(L, wait_cancel, w, "emit_with_ack");
    return lua_call_yield(L);
}

/* client:join(room) -> true | nil, err */
static int l_client_join(lua_State *L) {
    ln_id id = client_check(L, 1, "client:join");
    struct hub *h = hub_check(L, "client:join");
    struct ln_str room = arg_str(L, 2, "client:join", "the room");
    if (lua_call_held(L)) return lua_call_hold(L, l_client_join);
    if (!hub_join(h, id, room))
        return lua_push_err(L, LN_REFUSED, "the client is gone, or a limit of rooms is reached");
    lua_pushboolean(L, true);
    return 1;
}

/* client:leave(room) -> true | nil, err */
static int l_client_leave(lua_State *L) {
    ln_id id = client_check(L, 1, "client:leave");
    struct hub *h = hub_check(L, "client:leave");
    struct ln_str room = arg_str(L, 2, "client:leave", "the room");
    if (lua_call_held(L)) return lua_call_hold(L, l_client_leave);
    if (!hub_part(h, id, room))
        return lua_push_err(L, LN_NOT_FOUND, "the client is not in that room");
    lua_pushboolean(L, true);
    return 1;
}

/* client:disconnect(whole_line?) */
static int l_client_disconnect(lua_State *L) {
    ln_id id = client_check(L, 1, "client:disconnect");
    struct hub *h = hub_check(L, "client:disconnect");
    bool whole = arg_bool(L, 2, "client:disconnect", "whole_line", false);
    if (lua_call_held(L)) return lua_call_hold(L, l_client_disconnect);
    hub_disconnect(h, id, whole);
    return 0;
}

/* --- fields --- */

static void push_str(lua_State *L, struct ln_str s) {
    lua_pushlstring(L, s.p ? s.p : "", s.n);
}

static void push_rooms(lua_State *L, const struct hub *h, ln_id id) {
    size_t i = 0;
    lua_Integer n = 0;
    struct ln_str room;
    lua_newtable(L);
    while (hub_each_room_of(h, id, &i, &room)) {
        push_str(L, room);
        lua_rawseti(L, -2, ++n);
    }
    lua_json_mark_array(L);
}

static const char *const client_fields[] = {"id",        "namespace", "user",   "ip",
                                            "protocol",  "connected", "uptime", "rooms",
                                            "recovered", "claims",    NULL};

static int client_field(lua_State *L, const char *name) {
    ln_id id = *(ln_id *)lua_touserdata(L, 1);
    struct hub *h = app_of(L)->hub;
    struct hub_client_info info;
    bool is_there = h && hub_client(h, id, &info);
    if (strcmp(name, "connected") == 0) {
        lua_pushboolean(L, is_there && !info.gone);
    } else if (!is_there) {
        lua_pushnil(L);
    } else if (strcmp(name, "user") == 0) {
        lua_createtable(L, 0, 2);
        push_str(L, info.user_id);
        lua_setfield(L, -2, "id");
        push_str(L, info.user_name);
        lua_setfield(L, -2, "name");
    } else if (strcmp(name, "uptime") == 0) {
        lua_pushnumber(L, (double)(ln_wall_ms() - (int64_t)info.connected_at_ms) / 1000.0);
    } else if (strcmp(name, "recovered") == 0) {
        lua_pushboolean(L, info.recovered);
    } else if (strcmp(name, "rooms") == 0) {
        push_rooms(L, h, id);
    } else if (strcmp(name, "claims") == 0) {
        if (!info.claims.p || !lua_json_decode(L, info.claims, NULL)) lua_pushnil(L);
    } else if (strcmp(name, "id") == 0) {
        push_str(L, info.sid);
    } else if (strcmp(name, "namespace") == 0) {
        push_str(L, info.nsp);
    } else {
        push_str(L, strcmp(name, "ip") == 0 ? info.ip : info.protocol);
    }
    return 1;
}

bool client_fits(lua_State *L, int idx, int where) {
    bool fits = true;
    if (!where) return true;
    if (lua_isfunction(L, where)) {
        lua_pushvalue(L, where);
        lua_pushvalue(L, idx);
        lua_call(L, 1, 1);
        fits = lua_toboolean(L, -1);
        lua_pop(L, 1);
        return fits;
    }
    for (lua_pushnil(L); lua_next(L, where); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_gettable(L, idx); /* an unknown field raises with the nearest one */
        fits = fits && lua_compare(L, -1, -2, LUA_OPEQ);
        lua_pop(L, 1);
    }
    return fits;
}

static int client_eq(lua_State *L) {
    ln_id *a = luaL_testudata(L, 1, client_type.key), *b = luaL_testudata(L, 2, client_type.key);
    lua_pushboolean(L, a && b && *a == *b);
    return 1;
}

static const luaL_Reg client_methods[] = {
    {"emit", l_client_emit},   {"emit_with_ack", l_client_emit_with_ack}, {"join", l_client_join},
    {"leave", l_client_leave}, {"disconnect", l_client_disconnect},       {NULL, NULL}};
static const luaL_Reg client_meta[] = {{"__eq", client_eq}, {NULL, NULL}};
static const struct type_desc client_type = {
    .key = "linnet.Client",
    .name = "Client",
    .methods = client_methods,
    .fields = client_fields,
    .field = client_field,
    .meta = client_meta,
};
