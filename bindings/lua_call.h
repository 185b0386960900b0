/* SPDX-License-Identifier: MIT
 *
 * The one door that runs Lua. Every callback runs in a pooled coroutine, so every callback may
 * wait; arguments are pushed in protected mode; the turn (from resume to yield) has a CPU budget
 * and the script a memory cap, and a kill cannot be swallowed. Only lua_call.c calls lua_pcall or
 * lua_resume.
 *
 * A waiting coroutine owns exactly one pending operation with a cancel function. Waking by a stale
 * id does nothing.
 */
#ifndef LN_LUA_CALL_H
#define LN_LUA_CALL_H

#include <lauxlib.h>
#include <lua.h>

#include "host/app.h"

struct script; /* bindings/lua_engine.h */

/* Pushes values and returns how many; -1: the call is dropped, as if it had never been asked for
 * (done is not called, nothing is logged). Runs protected: it may raise. */
typedef int (*lua_push_fn)(lua_State *L, void *ud);
/* A call ended. L holds n results on top, or err is set (then L is the main state: read nothing
 * from it). Runs protected: it may raise, which is logged as an error of the call. It may not wait.
 * Not called when the script is unloaded first. */
typedef void (*lua_done_fn)(void *ud, lua_State *L, int n, const struct ln_err *err);

struct lua_task; /* one running or waiting call */

struct lua_call {
    struct script *script;
    int fn;              /* registry reference of the function */
    const char *what;    /* static text for messages: "handler", "timer", "auth function" */
    struct ln_str name;  /* of the event …, for messages; copied only when the call waits */
    lua_push_fn push;    /* arguments; may be NULL */
    lua_done_fn done;    /* may be NULL: errors are logged and counted */
    bool logs;           /* errors are logged and counted although done is told */
    void *ud;            /* of push and done */
    struct event *event; /* what linnet.event() tells; copied on first demand */
    struct conn *now;    /* the task's emits on this connection go out at once (connect handlers) */
    struct barrier *barrier; /* held while the task lives */
    struct ln_err
        *err; /* NULL, or where a failure before the first wait goes, instead of the log */
};
/* Runs until it ends, fails or waits. 0: it ended (done was called); else the id of the waiting
 * task. Never raises. A killed or unloaded script is not called: 0, and done is not called. */
ln_id lua_call_run(const struct lua_call *c);
/* Ends a waiting task: its pending operation is cancelled, its __close variables are closed, the
 * coroutine dropped, done gets LN_CANCELLED. A task that runs right now ends at its next wait. */
void lua_call_cancel(struct app *app, ln_id task);
/* Gives a registry reference back; for drops of seat items. LUA_NOREF is fine; raises never. */
void lua_call_unref(struct script *s, int fn);

/* ⏸ In a binding: lua_call_can_wait(L), which raises before anything is done; start the
 * operation; id = lua_call_wait_id(L, cancel, ud, what); `return lua_call_yield(L);`. The coroutine
 * owns that one operation: cancel(ud) is called when the wait ends by anything but lua_call_wake
 * (unload, task cancelled) and must release what the operation holds. what: static text. */
void lua_call_can_wait(lua_State *L); /* raises in words when this place may not wait */
bool lua_call_may_wait(lua_State *L); /* the same, asked */
ln_id lua_call_wait_id(lua_State *L, void (*cancel)(void *ud), void *ud, const char *what);
int lua_call_yield(lua_State *L); /* `return lua_call_yield(L);` after lua_call_wait_id */
/* Resumes with what push pushes (the results of the ⏸ function; NULL: none). Never from inside
 * the function that is about to yield. False: stale. May free ud's owner: touch nothing afterwards.
 */
bool lua_call_wake(struct app *app, ln_id wait, lua_push_fn push, void *ud);

/* A synchronous call that may not wait (save, restore, compare functions). `read`, which may be
 * NULL, gets the results and runs protected like done. False with err on failure, which is not
 * logged. Never raises. */
bool lua_call_now(struct script *s, int fn, const char *what, lua_push_fn push, lua_done_fn read,
                  void *ud, struct ln_err *err);
/* Runs C code that uses the Lua API protected (it may raise, it may not wait). */
bool lua_call_c(struct script *s, const char *what, lua_push_fn code, void *ud, struct ln_err *err);

/* Side effects during a trial load are held back: a binding with a side effect begins with
 * `if (lua_call_held(L)) return lua_call_hold(L, l_self);` — the coroutine parks and the function
 * is called anew with the same arguments once the seat is live. */
bool lua_call_held(lua_State *L);
int lua_call_hold(lua_State *L, lua_CFunction self);

/* nil, err: pushes both, returns 2. err is a table {code, message, detail?} that prints as its
 * message. */
int lua_push_err(lua_State *L, ln_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int lua_push_ln_err(lua_State *L, const struct ln_err *err);
void lua_mark_err(lua_State *L); /* the table on top is an err: it prints as its message */

/* The text of an error that a script's function returned: a string, or the field `message` of a
 * table, kept on the stack; else "". Runs no code of the script. */
struct ln_str error_words(lua_State *L, int idx);

/* Its field `code`, when it is a table that has one. */
ln_status error_code(lua_State *L, int idx, ln_status otherwise);

/* The call at work in this coroutine: its event, the connection whose emits go at once. */
struct event *lua_call_event(lua_State *L);
struct conn *lua_call_now_conn(lua_State *L);

/* "bot.lua:16" of a function in the registry; for messages and the Events tab. */
const char *lua_call_place(struct script *s, int fn, char *buf, size_t n);

/* lua_pcall for a state of the host's own, which no script shares (settings, `check`). */
int lua_call_plain(lua_State *L, int args, int results);

#endif
