/* SPDX-License-Identifier: MIT
 *
 * The type Conn: what a script holds of a connection is its id. Fields are read from the host when
 * asked for; the methods for rooms and presence come from the Lua half at their first use.
 */
#include "bindings/lua_conn.h"

#include "base/mem.h"

static const struct type_desc conn_type;

struct conn_view *conn_view_check(lua_State *L, int idx, const char *fn) {
    return type_check(L, idx, &conn_type, fn);
}

struct conn *conn_check(lua_State *L, int idx, const char *fn) {
    struct conn_view *v = conn_view_check(L, idx, fn);
    struct conn *c = conn_of_handle(app_of(L)->clients, v->conn);
    if (!c) script_fail(L, "%s: the connection is closed", fn);
    return c;
}

void conn_view_push(lua_State *L, const struct conn_view *v) {
    struct conn_view *u = lua_newuserdatauv(L, sizeof *u, 0);
    *u = *v;
    luaL_setmetatable(L, conn_type.key);
}

void conn_push(lua_State *L, struct conn *c) {
    struct conn_view v = {.conn = conn_handle(c)};
    if (!luaL_getsubtable(L, LUA_REGISTRYINDEX, "linnet.conns")) {
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "v");
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
    }
    if (lua_rawgeti(L, -1, (lua_Integer)v.conn) == LUA_TNIL) {
        lua_pop(L, 1);
        conn_view_push(L, &v);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer)v.conn);
    }
    lua_remove(L, -2);
}

/* --- control --- */

/* conn:connect() -> Conn */
static int l_conn_connect(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:connect");
    if (lua_call_held(L)) return lua_call_hold(L, l_conn_connect);
    conn_connect(c);
    lua_settop(L, 1);
    return 1;
}

/* conn:disconnect(reason?) -> Conn */
static int l_conn_disconnect(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:disconnect");
    struct ln_str reason = arg_str_opt(L, 2, "conn:disconnect", "the reason");
    if (lua_call_held(L)) return lua_call_hold(L, l_conn_disconnect);
    conn_disconnect(c, reason.p);
    lua_settop(L, 1);
    return 1;
}

/* conn:reconnect() -> Conn */
static int l_conn_reconnect(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:reconnect");
    if (lua_call_held(L)) return lua_call_hold(L, l_conn_reconnect);
    conn_reconnect(c);
    lua_settop(L, 1);
    return 1;
}

/* --- fields --- */

static void set_count(lua_State *L, const char *key, uint64_t n) {
    lua_pushinteger(L, (lua_Integer)n);
    lua_setfield(L, -2, key);
}

static void push_event_counts(lua_State *L, struct conn *c) {
    size_t i = 0;
    struct ln_str name;
    uint64_t received, sent;
    lua_newtable(L);
    while (conn_stats_event(c, &i, &name, &received, &sent)) {
        lua_pushlstring(L, name.p, name.n);
        lua_createtable(L, 0, 2);
        set_count(L, "received", received);
        set_count(L, "sent", sent);
        lua_rawset(L, -3);
    }
}

static void push_stats(lua_State *L, struct conn *c) {
    const struct conn_stats *s = conn_stats(c);
    uint64_t now = loop_now_ms(app_of(L)->loop);
    lua_createtable(L, 0, 12);
    set_count(L, "connects", s->connects);
    set_count(L, "reconnects", s->reconnects);
    set_count(L, "sent", s->sent);
    set_count(L, "received", s->received);
    set_count(L, "bytes_in", s->bytes_in);
    set_count(L, "bytes_out", s->bytes_out);
    set_count(L, "errors", s->errors);
    set_count(L, "dropped", s->dropped);
    bool up = conn_state(c) == CONN_CONNECTED;
    lua_pushnumber(L, up ? (double)(now - s->connected_at_ms) / 1000.0 : 0);
    lua_setfield(L, -2, "uptime");
    if (s->rtt_ms >= 0) {
        lua_pushnumber(L, s->rtt_ms / 1000.0);
        lua_setfield(L, -2, "rtt");
    }
    if (s->last_error[0]) {
        lua_pushstring(L, s->last_error);
        lua_setfield(L, -2, "last_error");
    }
    push_event_counts(L, c);
    lua_setfield(L, -2, "events");
}

static void push_history(lua_State *L, struct conn *c) {
    size_t i = 0;
    lua_Integer n = 0;
    struct ln_str name, args;
    int64_t wall_ms;
    conn_history_on(c);
    lua_newtable(L);
    while (conn_history_each(c, &i, &name, &args, &wall_ms)) {
        int base = lua_gettop(L);
        int count = lua_json_decode_args(L, args, NULL, 0, NULL);
        if (count < 0) continue;
        lua_createtable(L, count, 0);
        lua_insert(L, base + 1);
        for (int k = count; k >= 1; k--)
            lua_rawseti(L, base + 1, k);
        lua_createtable(L, 0, 3);
        lua_insert(L, base + 1);
        lua_setfield(L, base + 1, "args");
        lua_pushlstring(L, name.p, name.n);
        lua_setfield(L, base + 1, "name");
        lua_pushnumber(L, (double)wall_ms / 1000.0);
        lua_setfield(L, base + 1, "time");
        lua_rawseti(L, base, ++n);
    }
    lua_json_mark_array(L);
}

/* The last `session` of this connection; of it the field `user` when key is given. */
static void push_session(lua_State *L, struct conn *c, const char *key) {
    struct conn_use *u = conn_use_of(L, c);
    struct ln_str args = u && u->share->session ? u->share->session->last : (struct ln_str){0};
    int n = args.n ? lua_json_decode_args(L, args, NULL, 0, NULL) : 0;
    if (n < 1) {
        lua_pushnil(L);
        return;
    }
    lua_pop(L, n - 1);
    if (!key) return;
    if (lua_type(L, -1) == LUA_TTABLE)
        lua_getfield(L, -1, key);
    else
        lua_pushnil(L);
    lua_remove(L, -2);
}

static void push_rtt(lua_State *L, struct conn *c) {
    double ms = conn_stats(c)->rtt_ms;
    if (ms >= 0)
        lua_pushnumber(L, ms / 1000.0);
    else
        lua_pushnil(L);
}

/* A function of the Lua half, as a method. */
static int push_half(lua_State *L, const char *name) {
    rooms_half_push(L);
    lua_getfield(L, -1, name);
    return 1;
}

static int presence_pushed(lua_State *L, int status, lua_KContext ctx) {
    (void)L, (void)status, (void)ctx;
    return 1;
}

/* May wait, when who is there has to be asked for. */
static int push_presence(lua_State *L) {
    push_half(L, "presence");
    lua_pushvalue(L, 1);
    lua_callk(L, 1, 1, 0, presence_pushed);
    return 1;
}

enum {
    F_NAME,
    F_PROTOCOL,
    F_URL,
    F_ID,
    F_TRANSPORT,
    F_SUBPROTOCOL,
    F_STATE,
    F_CONNECTED,
    F_CONNECTING,
    F_RECOVERED,
    F_ATTEMPT,
    F_RTT,
    F_STATS,
    F_HISTORY,
    F_OUTBOX,
    F_USER,
    F_SESSION,
    F_PRESENCE,
    F_JOIN
};
static const char *const conn_fields[] = {
    "name",  "protocol",  "url",        "id",        "transport", "subprotocol",
    "state", "connected", "connecting", "recovered", "attempt",   "rtt",
    "stats", "history",   "outbox",     "user",      "session",   "presence",
    "join",  "leave",     "room",       "rooms",     NULL};

static int state_field(lua_State *L, int f, struct conn *c) {
    enum conn_state s = c ? conn_state(c) : CONN_CLOSED;
    if (f == F_STATE)
        lua_pushstring(L, conn_state_name(s));
    else
        lua_pushboolean(L, s == (f == F_CONNECTED ? CONN_CONNECTED : CONN_CONNECTING));
    return 1;
}

static int conn_field(lua_State *L, const char *name) {
    static const char *const transports[] = {NULL, "websocket", "polling"};
    int f = 0;
    while (conn_fields[f] != name)
        f++;
    struct conn_view *v = lua_touserdata(L, 1);
    struct conn *c = conn_of_handle(app_of(L)->clients, v->conn);
    if (f == F_STATE || f == F_CONNECTED || f == F_CONNECTING) return state_field(L, f, c);
    if (!c) return script_fail(L, "conn.%s: the connection is closed", name);
    switch (f) {
    case F_NAME:
        lua_pushstring(L, conn_name(c));
        break;
    case F_PROTOCOL:
        lua_pushstring(L, conn_protocol(c));
        break;
    case F_URL:
        lua_pushstring(L, conn_url(c));
        break;
    case F_ID:
        lua_pushstring(L, conn_id(c));
        break;
    case F_SUBPROTOCOL: /* nil: none was taken */
        lua_pushstring(L, conn_subprotocol(c));
        break;
    case F_TRANSPORT: /* nil when not connected */
        lua_pushstring(L, transports[conn_transport(c)]);
        break;
    case F_RECOVERED:
        lua_pushboolean(L, conn_recovered(c));
        break;
    case F_ATTEMPT:
        lua_pushinteger(L, conn_attempt(c));
        break;
    case F_RTT:
        push_rtt(L, c);
        break;
    case F_STATS:
        push_stats(L, c);
        break;
    case F_HISTORY:
        push_history(L, c);
        break;
    case F_OUTBOX:
        outbox_push(L, c);
        break;
    case F_USER:
        push_session(L, c, "user");
        break;
    case F_SESSION:
        push_session(L, c, NULL);
        break;
    case F_PRESENCE:
        return push_presence(L);
    default:
        return push_half(L, name);
    }
    return 1;
}

static int conn_text(lua_State *L) {
    struct conn_view *v = luaL_testudata(L, 1, conn_type.key);
    struct conn *c = v ? conn_of_handle(app_of(L)->clients, v->conn) : NULL;
    if (c)
        lua_pushfstring(L, "Conn %s (%s)", conn_name(c), conn_state_name(conn_state(c)));
    else
        lua_pushliteral(L, "Conn (closed)");
    return 1;
}

/* Views (conn:timeout(5)) are the connection they are of. */
static int conn_eq(lua_State *L) {
    struct conn_view *a = luaL_testudata(L, 1, conn_type.key);
    struct conn_view *b = luaL_testudata(L, 2, conn_type.key);
    lua_pushboolean(L, a && b && a->conn == b->conn);
    return 1;
}

static const luaL_Reg conn_methods[] = {
    {"connect", l_conn_connect},
    {"disconnect", l_conn_disconnect},
    {"reconnect", l_conn_reconnect},
    {"ready", l_conn_ready},
    {"of", l_conn_of},
    {"on", l_conn_on},
    {"once", l_conn_once},
    {"off", l_conn_off},
    {"on_any", l_conn_on_any},
    {"on_any_outgoing", l_conn_on_any_outgoing},
    {"wait_for", l_conn_wait_for},
    {"watch", l_conn_watch},
    {"emit", l_conn_emit},
    {"emit_with_ack", l_conn_emit_with_ack},
    {"send", l_conn_send},
    {"timeout", l_conn_timeout},
    {"volatile", l_conn_volatile},
    {NULL, NULL},
};
static const luaL_Reg conn_meta[] = {{"__tostring", conn_text}, {"__eq", conn_eq}, {NULL, NULL}};
static const struct type_desc conn_type = {
    .key = "linnet.Conn",
    .name = "Conn",
    .methods = conn_methods,
    .fields = conn_fields,
    .field = conn_field,
    .meta = conn_meta,
};

void ln_open_conn(lua_State *L) {
    type_register(L, &conn_type);
}
