/* SPDX-License-Identifier: MIT
 *
 * A task: one call on its pooled coroutine. Shared by the files of the door (lua_call.c runs,
 * lua_wait.c parks and wakes, lua_error.c words) and the coroutine library (lua_guard.c).
 */
#ifndef LN_LUA_TASK_H
#define LN_LUA_TASK_H

#include "bindings/lua_watchdog.h"

#define WAIT_KIND 11 /* kinds in the program's handle table */
#define SCRIPT_KIND 12

enum task_state { TASK_RUNS, TASK_WAITS, TASK_ENDED };

struct lua_task {
    struct seat_item item; /* in the seat from the first wait on */
    enum task_state state;
    struct script *script;
    lua_State *co;
    int ref;                  /* of co in the registry */
    struct lua_task *next;    /* in the pool */
    const struct lua_call *c; /* the caller's while it runs for the first time, then &own */
    bool dropped;             /* push said so: as if never called */
    bool was_done;            /* done was called */
    bool reusable;            /* the coroutine ended well */
    bool is_cancelled;        /* while it ran: ends at its next wait */
    bool is_held;             /* waits for the seat to go live */

    /* one pending operation */
    ln_id wait;
    void (*cancel)(void *ud);
    void *cancel_ud;
    const char *waits_for;
    lua_push_fn wake_push;
    void *wake_ud;
    lua_State *
        *inner; /* coroutines of the script's own that wait inside this task, innermost first */
    int inner_n;

    /* what outlives lua_call_run's caller */
    struct lua_call own;
    struct event event;
    char *text; /* bytes of name, event name and arguments */
    ln_id conn_id, now_id;
};

/* lua_call.c */
bool task_go(struct lua_task *t);    /* resumes; true while it waits, else it is over */
void task_close(struct lua_task *t); /* runs its __close code; the coroutine is dead afterwards */
void call_done(struct script *s, const struct lua_call *c, const struct ln_err *err);
void task_end(struct lua_task *t); /* into the pool, or freed */
void task_pool_free(struct script *s);
/* lua_resume and lua_pcallk for the guarded library. */
int call_resume(lua_State *L, lua_State *co, int args, int *results);
int call_close(lua_State *L, lua_State *co);
int call_protected(lua_State *L, int args, int handler, lua_KContext ctx, lua_KFunction k);

/* lua_wait.c */
void task_park(struct lua_task *t); /* it yielded: the seat owns it from now on */
void task_wait_end(struct lua_task *t, bool cancel);
void task_release(struct lua_task *t); /* over: barrier, copies, seat, and task_end */
/* co is (part of) a task that waits: scripts must not resume it by hand. */
bool task_waits_in(const struct script *s, const lua_State *co);
/* Plugins and handlers that wait are woken once: nil, {code = "reloaded"}. */
void tasks_reloaded(struct script *s);

/* lua_error.c */
/* ", did you mean 'print'?" in words, or "": the nearest string key of the table at idx. */
const char *nearest_key(lua_State *L, int idx, const char *name, char *out, size_t n);
struct failure {
    lua_State *co; /* where the error object is on top */
    struct ln_err *err;
    struct ln_buf *trace; /* NULL: no traceback */
};
/* A lua_CFunction (failure, object?): code and text of the error object, which is the argument or
 * on top of failure.co. */
int failure_read(lua_State *L);
/* Why the script was killed, as LN_BUDGET. */
void failure_killed(const struct script *s, struct ln_err *err);
/* The main chunk failed after it had waited (lua_engine.c tells the host). */
void script_boot_failed(struct script *s);
void failure_log(struct script *s, const struct lua_call *c, const struct ln_err *err,
                 struct ln_buf *trace);

#endif
