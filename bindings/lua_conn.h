/* SPDX-License-Identifier: MIT
 *
 * The Conn of scripts: an id, and how its emits go out. Spread over lua_conn.c (the type, fields,
 * control), lua_emit.c (sending), lua_event.c and lua_wait.c (receiving), lua_share.c (who uses
 * which connection), lua_ask.c, lua_authorizer.c and lua_codec.c (functions among its options),
 * lua_room.c and lua_channel.c (what the Lua half of rooms stands on).
 */
#ifndef LN_LUA_CONN_H
#define LN_LUA_CONN_H

#include "bindings/lua_args.h"

struct conn_view { /* the userdata */
    ln_id conn;
    int64_t timeout_ms; /* 0: the connection's own */
    bool is_volatile;
};

/* Raises "the connection is closed". */
struct conn *conn_check(lua_State *L, int idx, const char *fn);
struct conn_view *conn_view_check(lua_State *L, int idx, const char *fn);
void conn_push(lua_State *L, struct conn *c); /* the script's one Conn of it */
void conn_view_push(lua_State *L, const struct conn_view *v);

/* --- lua_share.c --- */

struct session_args { /* raw, owned; p NULL: none */
    struct ln_str last, before;
};
struct conn_share {  /* a connection and the scripts that use it */
    struct bus *bus; /* the connection's; leads to this struct */
    ln_id conn;
    struct ln_list uses;
    char *beside;   /* the target, when another connection has its name; else NULL */
    char *settings; /* what they said of the target when it got its options; NULL: nothing */
    struct session_args *session; /* NULL: there was no event `session` */
};
enum use_fn {
    USE_AUTH, /* those that are asked before an attempt … */
    USE_HEADERS,
    USE_QUERY,
    USE_ASKED,
    USE_DECODE = USE_ASKED, /* … and those of a codec */
    USE_ENCODE,
    USE_AUTHORIZER, /* of Pusher's channels */
    USE_FNS
};
struct use_function {
    const char *name, *what; /* of the option; "auth function" */
    unsigned ask;            /* the ASK_ bit that it answers */
};
extern const struct use_function use_functions[USE_ASKED]; /* lua_ask.c */
/* The use of the live script that gave this function (enum use_fn) last; NULL: nobody. */
struct conn_use *use_of_function(struct app *app, struct conn *c, int fn);
/* What a function among the options returned, in the n values on top: the JSON of its table (empty:
 * nothing), or false with why. */
bool use_result(lua_State *L, int n, const char *name, struct ln_str *json, struct ln_err *why);
struct conn_use { /* one script's use; a seat item "connection" */
    struct seat_item item;
    struct ln_list by_share;
    struct conn_share *share;
    struct script *script;
    int fn[USE_FNS];           /* registry references of its functions, or LUA_NOREF */
    int dialect;               /* of the dialect's name or table, or LUA_NOREF */
    bool connects;             /* opened by this trial, or given up before: connect when live */
    bool has_line;             /* gave options of its own that the line depends on */
    bool autoconnect;          /* what the script asked for */
    struct conn_opts *changed; /* NULL, or what the connection gets when live */
};
struct conn_share *conn_share_of(struct app *a, struct conn *c); /* NULL: no script uses it */
struct conn_use *conn_use_of(lua_State *L, struct conn *c);      /* NULL: used by others only */

/* --- lua_channel.c --- */
struct lua_answer { /* to what somebody waited for: one JSON value, or err */
    struct ln_str json;
    const struct ln_err *err;
};
int lua_answer_push(lua_State *L, void *answer); /* for lua_call_wake */

/* --- lua_codec.c --- */
/* Of the value of the option `codec` on top: a table is replaced by a copy without functions.
 * Raises. */
void codec_plain(lua_State *L);
/* Pushes decode and encode of the value at `codec`; fn[0] and fn[1] are where they are, or 0.
 * False: it has none. */
bool codec_functions(lua_State *L, int codec, int *fn);

/* --- lua_authorizer.c --- */

/* Is the option authorizer at fn a function? Then questions for channels come to scripts. */
bool authorizer_function(lua_State *L, int fn);
/* A string, or linnet.binary: one message. */
bool frame_of_value(lua_State *L, int idx, struct ln_str *bytes, bool *binary);

/* --- the methods, by file --- */

int l_conn_on(lua_State *L);
int l_conn_once(lua_State *L);
int l_conn_off(lua_State *L);
int l_conn_on_any(lua_State *L);
int l_conn_on_any_outgoing(lua_State *L);
int l_conn_wait_for(lua_State *L);
int l_conn_ready(lua_State *L);
int l_conn_watch(lua_State *L);
int l_conn_emit(lua_State *L);
int l_conn_emit_with_ack(lua_State *L);
int l_conn_send(lua_State *L);
int l_conn_timeout(lua_State *L);
int l_conn_volatile(lua_State *L);
int l_conn_of(lua_State *L);
void outbox_push(lua_State *L, struct conn *c);
void rooms_half_push(lua_State *L); /* what linnet/room.lua returns */

int half_channels(lua_State *L); /* lua_channel.c: a function of that half */

/* Does the first argument of an event name this room? */
bool event_room_is(lua_State *L, int arg, const char *room);
/* The event says itself that it is of another room: nothing needs to be decoded. room NULL: any. */
bool event_is_elsewhere(const struct event *ev, const char *room);
/* Pushes a room's name as events of this connection carry it. */
const char *room_wire_push(lua_State *L, const struct conn *c, struct ln_str room);

void ln_open_conn(lua_State *L);

#endif
