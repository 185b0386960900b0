/* SPDX-License-Identifier: MIT
 *
 * The CPU budget of a turn. A timer on this thread's CPU clock ticks every 10 ms that the thread
 * computes (never while it waits) and raises a signal; its handler charges the turn at work and,
 * past the limit, marks the script killed and sets a hook on every running coroutine, which raises
 * at the next instruction. So a dispatch pays a few stores and a loop nothing.
 */
#ifndef LN_LUA_WATCHDOG_H
#define LN_LUA_WATCHDOG_H

#include "bindings/lua_engine.h"

/* A coroutine that is being run; on the C stack, linked from script->running. */
struct running {
    lua_State *co;
    struct lua_task *task; /* NULL: the main state */
    struct running *prev;
};

/* One turn of one script: from the outermost entry into it to its return. */
struct turn {
    struct script *script;
    volatile int ticks;  /* 10 ms of CPU each */
    volatile int warned; /* 1: wanted, 2: the hook noted the place */
    char place[160];     /* where it was when it became slow; set by the hook */
    struct turn *prev;   /* another script's, interrupted by this one */
};

/* First and last script of the process. False with err when the system has no such timer. */
bool watchdog_start(struct ln_err *err);
void watchdog_stop(void);

extern struct turn *volatile watchdog_turn; /* the one that is charged now */
/* A signal handler of this thread sees what was stored before it. */
#define watchdog_barrier() __asm__ volatile("" ::: "memory")

void watchdog_enter(struct turn *t, struct script *s);
void watchdog_leave(struct turn *t);

/* Marks the script killed (the first reason stays) and sets the hook on all it runs. */
void script_kill(struct script *s, enum script_end why);
void script_hook(lua_State *co); /* raises the kill at co's next instruction */
/* Outside of all of its Lua: the killed script goes silent, and host/scripts is told
 * (lua_engine.c). */
void script_report(struct script *s);
/* For C loops that may run long (patterns, JSON): raises when the script was killed. */
static inline void script_check(lua_State *L);
/* Ends what runs in L: by a yield, which no pcall and no __close sees, straight to the door; where
 * L cannot yield (below sort, gsub, a metamethod) by an error up to the place where it can. Returns
 * in hooks only. */
int script_raise_kill(lua_State *L);
/* "bot.lua:12" of the innermost frame of a script's own file; "" when there is none. Allocates
 * nothing. */
void script_place(lua_State *L, char *out, size_t n);
/* The sentence for people: "used more than 1 s of CPU in one turn, at bot.lua:12". */
void script_kill_text(const struct script *s, char *out, size_t n);

static inline void script_check(lua_State *L) {
    if (LN_UNLIKELY(script_of(L)->killed)) script_raise_kill(L);
}

#endif
