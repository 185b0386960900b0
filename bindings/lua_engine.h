/* SPDX-License-Identifier: MIT
 *
 * A Lua script: one lua_State, its seat, its limits and grants. Loading, sandbox, unloading are
 * lua_engine.c; the budget's clock is lua_watchdog.c.
 */
#ifndef LN_LUA_ENGINE_H
#define LN_LUA_ENGINE_H

#include "bindings/lua_call.h"

enum script_end { SCRIPT_RUNS = 0, SCRIPT_OVER_BUDGET, SCRIPT_OVER_MEMORY };

#define SCRIPT_MEMORY ((size_t)64 << 20) /* bytes, unless limits.memory says otherwise */
#define SCRIPT_WARN_MS 50                /* CPU time of one turn */
#define SCRIPT_KILL_MS 1000

struct script {
    lua_State *L; /* the main state; callbacks run on pooled coroutines of it */
    struct seat *seat;
    struct app *app;
    uint64_t errors, calls;
    size_t mem_used, mem_limit;             /* bytes */
    int64_t budget_warn_ms, budget_kill_ms; /* CPU time of one turn */
    volatile int killed; /* enum script_end; once set, nothing of the script runs any more */
    char killed_at[160]; /* "bot.lua:12" */
    bool was_deep;       /* … in a recursion without end */
    int64_t started_wall_ms;
    char *dir; /* of the script's file, absolute; what `require` looks in first */

    /* the modules' */
    struct api *api;         /* their own part (lua_args.h); lives in the state */
    uint64_t decoded_serial; /* the event whose arguments are kept decoded (lua_event.c) */
    int decoded_n;
    struct json_state *json; /* lua_json.c; NULL until something is decoded */

    /* lua_call.c's */
    struct running *volatile running; /* coroutines on the C stack, innermost first */
    struct lua_task *idle;            /* the pool */
    int idle_count, depth;            /* depth: the door on the C stack; unload waits for 0 */
    int nested_waits;                 /* waiting tasks that wait inside a coroutine of their own */
    bool is_yielding;                 /* this yield is a wait's, not a script's coroutine.yield */
    bool is_task_known;               /* a script has asked for the coroutine of a task */
    bool is_closing;                  /* dispose runs; who waits now is dropped */
    bool is_stressed;                 /* LINNET_GC_STRESS: a full collection at each call */

    /* lua_engine.c's */
    ln_id id;
    struct arena *arena;
    char **grants;     /* NULL-ended: "env:HOME" */
    int plugin;        /* registry reference of the table that the main chunk returned */
    int options;       /* registry reference of what init gets */
    bool is_booted;    /* main chunk and init have ended well */
    bool is_boot_over; /* … or not so well */
    bool is_killed_told, is_unload_due;
    bool was_trial; /* never went live: nothing to dispose of */
    enum unload_reason unload_why;
    struct ln_buf saved; /* what the version before saved, until the plugin's table is known */
};

extern const struct engine engine_lua;

/* The script of a state or of any of its coroutines. */
static inline struct script *script_of(lua_State *L) {
    return *(struct script **)lua_getextraspace(L);
}
static inline struct app *app_of(lua_State *L) {
    return script_of(L)->app;
}

/* It is being unloaded: what waits now is dropped. */
static inline bool script_is_ending(const struct script *s) {
    return s->is_closing || s->seat->state == SEAT_DEAD;
}

/* A module of the API: every bindings/lua_X.c has `void ln_open_X(lua_State *L)`; the table
 * `linnet` is on top of the stack and stays there. lua_engine.c calls all of them, in the order of
 * lua_modules.h. */

#define TUNE_CALLS 1024 /* every so many calls the collector's pace is chosen anew */
void script_tune(struct script *s);

/* Raises with "file:line: " of the innermost frame of the script's own (the Lua half and C are
 * skipped). Never returns. */
int script_fail(lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Has this script the grant? kind "env" "fs:read" "http" "exec" …; what "HOME". False with err that
 * holds the exact missing flag: "add --allow=env:HOME". */
bool script_granted(struct script *s, const char *kind, struct ln_str what, struct ln_err *err);

/* As engine_lua.load, with the options that init gets (JSON, or empty: the config's). */
void script_load(struct app *app, const char *path, struct ln_str code, struct ln_str options,
                 void (*done)(void *ud, struct seat *seat, const struct ln_err *err), void *ud);

#endif
