/* SPDX-License-Identifier: MIT
 *
 * Rooms of a protocol's own (Pusher's channels) for the Lua half: the host asks for them and knows
 * who is in them; here is what waits for an answer, and what sends into one.
 */
#include "base/mem.h"
#include "bindings/lua_conn.h"
#include "bindings/lua_half.h"

/* (conn) -> has the protocol rooms of its own? */
static int half_native(lua_State *L) {
    lua_pushboolean(L, conn_has_rooms(conn_check(L, 1, "conn:join")));
    return 1;
}

/* (conn, name or channel) -> the name by which this room is known here */
static int half_room_name(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:room");
    struct ln_str name = conn_room_name(c, arg_str(L, 2, "conn:room", "the room"));
    lua_pushlstring(L, name.p, name.n);
    return 1;
}

/* (conn) -> the option leave_grace, in seconds, or nil */
static int half_grace(lua_State *L) {
    int64_t ms = conn_options(conn_check(L, 1, "conn.presence"))->leave_grace_ms;
    if (ms <= 0) return 0;
    lua_pushnumber(L, (double)ms / 1000.0);
    return 1;
}

/* (conn, room, user id) -> what the room knows of this member, or nil */
static int half_member(lua_State *L) {
    struct conn *c = conn_check(L, 1, "room");
    struct ln_str room = arg_str(L, 2, "room", "the room"), info;
    size_t n;
    const char *id = lua_tolstring(L, 3, &n);
    if (!id || !conn_room_member(c, room, (struct ln_str){id, n}, &info)) return 0;
    return lua_json_decode_args(L, info, NULL, 0, NULL) == 1;
}

/* --- waiting for a join --- */

struct join_wait {
    struct app *app;
    ln_id conn, join, wait;
};

int lua_answer_push(lua_State *L, void *answer) {
    const struct lua_answer *a = answer;
    if (a->err) return lua_push_ln_err(L, a->err);
    if (lua_json_decode_args(L, a->json, NULL, 0, NULL) == 1) return 1;
    return lua_push_err(L, LN_PROTOCOL, "the answer is no JSON");
}

static void join_cancel(void *ud) {
    struct join_wait *w = ud;
    struct conn *c = conn_of_handle(w->app->clients, w->conn);
    if (c) conn_room_wait_cancel(c, w->join);
    ln_free(w);
}

static void on_joined(void *ud, struct ln_str reply, const struct ln_err *err) {
    struct join_wait *w = ud;
    struct lua_answer a = {reply, err};
    struct app *app = w->app;
    ln_id wait = w->wait;
    ln_free(w);
    lua_call_wake(app, wait, lua_answer_push, &a);
}

/* (conn, room, seconds | nil) ⏸ -> the answer to the join of a room that is wanted | nil, err */
static int half_join_wait(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:join");
    struct ln_str room = arg_str(L, 2, "conn:join", "the room");
    int64_t ms = lua_isnoneornil(L, 3) ? 0 : arg_ms(L, 3, "conn:join", "option 'timeout'");
    lua_call_can_wait(L);
    struct join_wait *w = ln_new(struct join_wait);
    w->app = app_of(L);
    w->conn = conn_handle(c);
    w->join = conn_room_wait(c, room, ms, on_joined, w);
    if (!w->join) {
        ln_free(w);
        return lua_push_err(L, LN_NOT_FOUND, "the room is not wanted any more");
    }
    w->wait = lua_call_wait_id(L, join_cancel, w, "join");
    return lua_call_yield(L);
}

/* --- sending into a room --- */

/* (conn or view, room, event, ...) -> true | nil, err */
static int half_room_emit(lua_State *L) {
    struct conn_view *v = conn_view_check(L, 1, "room:emit");
    struct conn *c = conn_check(L, 1, "room:emit");
    struct ln_str room = arg_str(L, 2, "room:emit", "the room");
    struct ln_str name = arg_event(L, 3, "room:emit");
    if (lua_call_held(L)) return lua_call_hold(L, half_room_emit);
    struct out out;
    struct ln_err err;
    out_encode(L, &out, "room:emit", 4, lua_gettop(L));
    struct conn_emit e = {.name = name,
                          .args = ln_buf_get(out.text),
                          .bin = out.bins.v,
                          .bin_count = out.bins.n,
                          .room = room,
                          .timeout_ms = v->timeout_ms,
                          .retries = -1};
    if (v->is_volatile) e.flags |= CONN_EMIT_VOLATILE;
    if (lua_call_now_conn(L) == c) e.flags |= CONN_EMIT_NOW;
    ln_status status = conn_emit(c, &e, NULL, &err);
    out_done(L, &out);
    if (status != LN_OK) return lua_push_ln_err(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static const luaL_Reg channel_functions[] = {
    {"native", half_native},
    {"room_name", half_room_name},
    {"grace", half_grace},
    {"member", half_member},
    {"join_wait", half_join_wait},
    {"room_emit", half_room_emit},
    {NULL, NULL},
};

/* (the half's functions): adds those of this file */
int half_channels(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_setfuncs(L, channel_functions, 0);
    return 0;
}
