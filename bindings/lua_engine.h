/* SPDX-License-Identifier: MIT
 *
 * A Lua script: one lua_State, its seat, its limits and grants. Loading, sandbox, unloading are
 * lua_engine.c; the budget's clock is lua_watchdog.c.
 */
#ifndef LN_LUA_ENGINE_H
#define LN_LUA_ENGINE_H

#include "bindings/lua_call.h"

enum script_end { SCRIPT_RUNS = 0, SCRIPT_OVER_BUDGET, SCRIPT_OVER_MEMORY };

struct script {
    lua_State *L;         /* the main state; callbacks run on pooled coroutines of it */
    struct seat *seat;
    struct app *app;
    struct ln_list tasks;        /* waiting tasks */
    enum script_end killed;      /* once set, nothing of the script runs any more */
    char killed_at[256];         /* "bot.lua:12" */
    size_t mem_used, mem_limit;  /* bytes */
    int64_t budget_warn_ms, budget_kill_ms; /* CPU time of one turn */
    uint64_t errors, calls;
    int depth;                   /* Lua of this script on the C stack: unload waits for 0 */
    const char *module;          /* registry names and caches of the bindings are in lua_engine.c */
    struct script_grants *grants;
    uint64_t decoded_serial;     /* the event whose arguments are kept decoded (lua_event.c) */
    int decoded_n;
    struct api *api;             /* the modules' own part (lua_args.h); lives in the state */
    int reloads;
    int64_t started_wall_ms;
};

extern const struct engine engine_lua;

/* The script of a state or of any of its coroutines. */
static inline struct script *script_of(lua_State *L) {
    return *(struct script **)lua_getextraspace(L);
}
static inline struct app *app_of(lua_State *L) {
    return script_of(L)->app;
}

/* A module of the API: every bindings/lua_X.c has `void ln_open_X(lua_State *L)`; the table
 * `linnet` is on top of the stack and stays there. lua_engine.c calls all of them, in the order of
 * lua_modules.h. */

/* Has this script the grant? kind "env" "fs:read" "http" "exec" …; what "HOME". False with err that
 * holds the exact missing flag: "add --allow=env:HOME". */
bool script_granted(struct script *s, const char *kind, struct ln_str what, struct ln_err *err);

#endif
