/* SPDX-License-Identifier: MIT
 *
 * What the Lua half of rooms, presence and dialects (bindings/linnet/room.lua …) stands on: rooms
 * that the host asks for again after a reconnect, errors and checks in the words of the API, buses.
 * A room that a script wants is an item of its seat: when the last one who wants it is unloaded,
 * the dialect's leave goes out.
 */
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "bindings/lua_bus.h"
#include "bindings/lua_conn.h"
#include "bindings/lua_half.h"
#include "bindings/lua_json.h"
#include "bindings/lua_modules.h"

struct room_item {
    struct seat_item item;
    struct script *script;
    ln_id conn;
    char *room;
    char *leave_event; /* NULL: nothing is sent */
    char *leave_args;
};

static void room_drop(struct seat_item *it) {
    struct room_item *r = LN_CONTAINER(it, struct room_item, item);
    struct conn *c = conn_of_handle(r->script->app->clients, r->conn);
    bool is_last = c && conn_room_drop(c, ln_str(r->room));
    if (is_last && r->leave_event && conn_state(c) == CONN_CONNECTED) {
        struct conn_emit e = {.name = ln_str(r->leave_event), .args = ln_str(r->leave_args)};
        conn_emit(c, &e, NULL, NULL);
    }
    ln_free(r->room);
    ln_free(r->leave_event);
    ln_free(r->leave_args);
    ln_free(r);
}

static const struct seat_kind room_kind = {"room", room_drop, NULL};

static struct room_item *room_of(lua_State *L, struct conn *c, struct ln_str room) {
    ln_id id = conn_handle(c);
    LN_LIST_EACH (&script_of(L)->seat->items, node, next) {
        struct seat_item *it = LN_CONTAINER(node, struct seat_item, node);
        if (it->kind != &room_kind) continue;
        struct room_item *r = LN_CONTAINER(it, struct room_item, item);
        if (r->conn == id && ln_str_is(room, r->room)) return r;
    }
    return NULL;
}

static char *encoded(lua_State *L, int idx) {
    struct ln_err err;
    struct ln_buf *out = api_out(L);
    if (!lua_isnoneornil(L, idx) && !lua_json_encode(L, idx, out, &err))
        script_fail(L, "the dialect's arguments: %s", err.text);
    return ln_str_dup(ln_buf_get(out));
}

/* (conn, room, join_event, join_arg, leave_event, leave_arg): from now on the room is joined again
 * after every reconnect, until `drop` or the end of the script. */
static int half_want(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:join");
    struct ln_str room = arg_name(L, 2, "conn:join", "the room");
    if (room_of(L, c, room)) return 0;
    items_check(L);
    const char *leave = luaL_optstring(L, 5, NULL), *join = luaL_optstring(L, 3, "");
    char *leave_args = encoded(L, 6), *join_args = encoded(L, 4);
    struct room_item *r = ln_new(struct room_item);
    r->script = script_of(L);
    r->conn = conn_handle(c);
    r->room = ln_str_dup(room);
    r->leave_event = leave ? ln_strdup(leave) : NULL;
    r->leave_args = leave_args;
    conn_room_want(c, room, ln_str(join), ln_str(join_args));
    ln_free(join_args);
    seat_own(r->script->seat, &r->item, &room_kind);
    return 0;
}

/* (conn, room) -> true when nobody wants it any more: the caller sends the leave */
static int half_drop(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:leave");
    struct ln_str room = arg_str(L, 2, "conn:leave", "the room");
    struct room_item *r = room_of(L, c, room);
    if (!r) return 0;
    ln_free(r->leave_event);
    r->leave_event = NULL;
    seat_drop(&r->item);
    lua_pushboolean(L, !conn_room_wanted(c, room));
    return 1;
}

/* (conn, room) -> does this script want it? */
static int half_wants(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:leave");
    lua_pushboolean(L, room_of(L, c, arg_str(L, 2, "conn:leave", "the room")) != NULL);
    return 1;
}

/* (conn, room) -> does any script want it? */
static int half_wanted(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:join");
    lua_pushboolean(L, conn_room_wanted(c, arg_str(L, 2, "conn:join", "the room")));
    return 1;
}

/* (conn, function's name) -> an integer that is this connection, and the Conn that is no view */
static int half_id(lua_State *L) {
    struct conn *c = conn_check(L, 1, luaL_optstring(L, 2, "conn"));
    lua_pushinteger(L, (lua_Integer)conn_handle(c));
    conn_push(L, c);
    return 2;
}

/* (conn) -> is this one of its connect handlers, whose emits go out at once? */
static int half_is_now(lua_State *L) {
    lua_pushboolean(L, lua_call_now_conn(L) == conn_check(L, 1, "conn:join"));
    return 1;
}

/* (conn) -> how many events came on it so far */
static int half_received(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)conn_stats(conn_check(L, 1, "conn"))->received);
    return 1;
}

/* (conn) -> the option `dialect`: a name, a table or nil; the settings' where the script has none
 */
static int half_dialect(lua_State *L) {
    struct conn_use *u = conn_use_of(L, conn_check(L, 1, "conn"));
    if (!u) return 0;
    if (u->dialect != LUA_NOREF) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, u->dialect);
        return 1;
    }
    struct ln_str said = ln_json_get(ln_str(u->share->settings), "dialect");
    return said.p && lua_json_decode(L, said, NULL);
}

/* ⏸ Until the script is live. */
static int half_hold(lua_State *L) {
    if (lua_call_held(L)) return lua_call_hold(L, half_hold);
    return 0;
}

/* (event, fn_name): raises when it is no name of an event to send */
static int half_event(lua_State *L) {
    arg_event(L, 1, luaL_checkstring(L, 2));
    return 0;
}

/* --- rooms that came back after a reconnect --- */

static const char rejoined_key =
    0; /* its address is the registry key of the function that is told */

/* (fn): called with (conn, room, err | nil, reply...) */
static int half_rejoined(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &rejoined_key);
    return 0;
}

struct rejoined {
    struct conn *c;
    struct ln_str room, reply;
    const struct ln_err *err;
};

static int rejoined_code(lua_State *L, void *ud) {
    const struct rejoined *r = ud;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &rejoined_key) != LUA_TFUNCTION) return 0;
    int base = lua_gettop(L);
    conn_push(L, r->c);
    lua_pushlstring(L, r->room.p, r->room.n);
    if (r->err) {
        lua_push_ln_err(L, r->err);
        lua_remove(L, -2);
    } else {
        lua_pushnil(L);
        lua_json_decode_args(L, r->reply, NULL, 0, NULL);
    }
    lua_call(L, lua_gettop(L) - base, 0);
    return 0;
}

static void told_rejoined(struct app *a, struct conn *c, struct ln_str room, struct ln_str reply,
                          const struct ln_err *err) {
    struct conn_share *sh = conn_share_of(a, c);
    struct rejoined r = {c, room, reply, err};
    if (!sh) return;
    LN_LIST_EACH (&sh->uses, node, next) {
        struct conn_use *u = LN_CONTAINER(node, struct conn_use, by_share);
        if (u->script->seat->state == SEAT_LIVE)
            lua_call_c(u->script, "rejoined", rejoined_code, &r, NULL);
    }
}

/* --- the half --- */

static const luaL_Reg room_functions[] = {
    {"want", half_want},
    {"drop", half_drop},
    {"wanted", half_wanted},
    {"id", half_id},
    {"is_now", half_is_now},
    {"dialect", half_dialect},
    {"hold", half_hold},
    {"received", half_received},
    {"rejoined", half_rejoined},
    {"channels", half_channels},
    {"wants", half_wants},
    {"event", half_event},
    {NULL, NULL},
};

void rooms_half_push(lua_State *L) {
    half_push(L, "room.lua", room_functions);
}

/* linnet.dialect(name, spec) */
static int l_dialect(lua_State *L) {
    lua_settop(L, 2);
    rooms_half_push(L);
    lua_getfield(L, -1, "dialect");
    lua_insert(L, 1);
    lua_pop(L, 1); /* the half */
    lua_call(L, 2, 0);
    return 0;
}

void ln_open_room(lua_State *L) {
    static const luaL_Reg fns[] = {{"dialect", l_dialect}, {NULL, NULL}};
    luaL_setfuncs(L, fns, 0);
    app_of(L)->told_rejoined = told_rejoined;
}
