/* SPDX-License-Identifier: MIT
 *
 * What every module of the Lua API shares: checks of arguments that raise in words (which function,
 * which argument, what was expected, the nearest known name) at the line of the script, tables of
 * options, durations, types whose unknown members raise, and handles.
 *
 * The order in each function: check everything, find the script, act, push. What can raise (a
 * check, memory) comes before the first side effect; so results are pushed first and filled in
 * afterwards.
 */
#ifndef LN_LUA_ARGS_H
#define LN_LUA_ARGS_H

#include "bindings/lua_json.h"

#define NAME_MAX_BYTES 1000
#define ITEMS_MAX 100000 /* handlers, timers, tasks … of one script */
#define DURATION_MAX_MS (10LL * 365 * 24 * 3600 * 1000) /* ten years */

/* --- raising --- */

/* "conn:on: event must be a string, not nil" */
int arg_bad(lua_State *L, int idx, const char *fn, const char *arg, const char *wants);
/* "unknown option 'tiemout' (did you mean 'timeout'?)": kind "option", name, NULL-ended names. */
int arg_unknown(lua_State *L, const char *fn, const char *kind, struct ln_str name,
                const char *const *names);

/* --- arguments: fn is the name a user knows ("conn:on"), arg the argument's name --- */

struct ln_str arg_str(lua_State *L, int idx, const char *fn, const char *arg);
/* The name of an event to send; connect, disconnect and their kin raise. */
struct ln_str arg_event(lua_State *L, int idx, const char *fn);
/* "" and NULL when nil or absent. */
struct ln_str arg_str_opt(lua_State *L, int idx, const char *fn, const char *arg);
/* A name that is kept: of an event, a room, a namespace. At most NAME_MAX_BYTES, no zero byte. */
struct ln_str arg_name(lua_State *L, int idx, const char *fn, const char *arg);
/* A word of a NULL-ended list; returns its index. dflt -1: needed. */
int arg_word(lua_State *L, int idx, const char *fn, const char *arg, const char *const *words,
             int dflt);
bool arg_bool(lua_State *L, int idx, const char *fn, const char *arg, bool dflt);
int64_t arg_int(lua_State *L, int idx, const char *fn, const char *arg, int64_t min, int64_t max);
/* Seconds as a number, or "250ms" "5m" …; in milliseconds. */
int64_t arg_ms(lua_State *L, int idx, const char *fn, const char *arg);
int64_t arg_ms_opt(lua_State *L, int idx, const char *fn, const char *arg, int64_t dflt);
void arg_fn(lua_State *L, int idx, const char *fn, const char *arg);
int arg_ref(lua_State *L, int idx); /* a registry reference of the value there */
/* Pushes the values of a kept list {n = …, …} and returns how many. */
int arg_unpack(lua_State *L, int ref);

/* --- options: a table whose keys are all known, or nothing --- */

/* Raises for a non-table and for unknown keys (NULL-ended names). False when there is no table. */
bool arg_opts(lua_State *L, int idx, const char *fn, const char *const *names);
/* Pushes the option (nil without a table) and returns its absolute index. */
int arg_opt(lua_State *L, int idx, const char *name);

/* --- types --- */

/* A type of the API: userdata whose members are methods and computed fields; everything else
 * raises. The metatable is hidden from scripts. */
struct type_desc {
    const char *key;                              /* "linnet.Conn": of luaL_checkudata */
    const char *name;                             /* "Conn" */
    const luaL_Reg *methods;                      /* ends with {NULL, NULL} */
    const char *const *fields;                    /* NULL-ended, or NULL */
    int (*field)(lua_State *L, const char *name); /* the userdata at 1: pushes one value */
    const luaL_Reg *meta;                         /* __gc, __close …, or NULL */
};
void type_register(lua_State *L, const struct type_desc *t); /* the desc must live for ever */
/* Raises "conn:on: call it with ':' on a Conn" when idx is something else. */
void *type_check(lua_State *L, int idx, const struct type_desc *t, const char *fn);

/* --- handles: what every registration returns --- */

/* Raises when the script owns ITEMS_MAX things already: what they take is no memory of Lua. */
void items_check(lua_State *L);
/* Pushes a Handle that stands for nothing yet; fill it with *handle_push(L) = item->id. Checks the
 * count of items. */
ln_id *handle_push(lua_State *L);

/* --- the bindings' own part of a script --- */

#define API_NEST 34 /* emits inside handlers of emits: the bus ends at 32 */

struct api {
    struct ln_buf out[API_NEST]; /* what is encoded before it is sent, by depth */
    int out_depth;
    int decoded;             /* registry reference of the table that keeps an event's arguments */
    uint64_t full_warned_ms; /* when "queue is full" was logged last */
};
struct api *api_of(lua_State *L);
/* A buffer for the time of one call, empty; the next api_out at the same depth is the same buffer.
 */
struct ln_buf *api_out(lua_State *L);

/* Values on their way out: encoded before the send, kept during it (handlers that run inside the
 * send encode into the next buffer). */
struct out {
    struct ln_buf *text;
    struct lua_json_bins bins;
};
/* Encodes the values from first to last; raises, naming fn, when one cannot be JSON. */
void out_encode(lua_State *L, struct out *o, const char *fn, int first, int last);
/* The same; false with err instead of raising. */
bool out_try(lua_State *L, struct out *o, int first, int last, struct ln_err *err);
/* The same two; more binary values than peers take in one event are refused, too. */
void out_encode_few(lua_State *L, struct out *o, const char *fn, int first, int last);
bool out_try_few(lua_State *L, struct out *o, int first, int last, struct ln_err *err);
void out_done(lua_State *L, struct out *o);
/* One value as JSON in which secrets are plain: for what identifies us to a server (auth, query,
 * headers). In the buffer of api_out: valid until the next use of it. Raises. */
struct ln_str out_private(lua_State *L, const char *fn, int idx);
/* The same; false with err instead of raising. */
bool out_private_try(lua_State *L, int idx, struct ln_str *json, struct ln_err *err);

void ln_open_args(lua_State *L);

/* What linnet.inspect(value) gives (lua_tools.c). */
void inspect_push(lua_State *L, int idx);

#endif
