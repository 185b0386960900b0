/* SPDX-License-Identifier: MIT
 *
 * The clock of the CPU budget, and the kill. See lua_watchdog.h. The signal handler touches only
 * what is made for it: the turn at work (watchdog_turn), the script's list of running coroutines,
 * and lua_sethook, which may be called from a signal. It is a process-wide thing, hence the only
 * variables of the bindings outside of a struct.
 */
#include "bindings/lua_watchdog.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

#define TICK_MS 10
#define DEEP 50000 /* calls on the stack that no sane program has */
#define TICK_SIGNAL (SIGRTMIN + 3)
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct turn *volatile watchdog_turn;
static int scripts;
static timer_t timer;

/* --- the kill --- */

int script_raise_kill(lua_State *L) {
    struct script *s = script_of(L);
    if (!s->killed_at[0]) script_place(L, s->killed_at, sizeof s->killed_at);
    if (lua_isyieldable(L)) return lua_yield(L, 0);
    lua_pushlightuserdata(L, (void *)&watchdog_turn); /* equal to nothing a script can have */
    return lua_error(L);
}

/* Runs before an instruction of a coroutine, in the interpreter's own time. */
static void hook(lua_State *L, lua_Debug *ar) {
    (void)ar;
    struct turn *t = watchdog_turn;
    if (script_of(L)->killed) {
        script_raise_kill(L);
        return; /* a yield from a hook takes place behind it */
    }
    lua_sethook(L, NULL, 0, 0);
    if (!t || t->warned != 1) return;
    t->warned = 2;
    script_place(L, t->place, sizeof t->place);
}

void script_hook(lua_State *co) {
    lua_sethook(co, hook, LUA_MASKCOUNT, 1);
}

static void hook_all(struct script *s) {
    for (struct running *r = s->running; r; r = r->prev)
        script_hook(r->co);
}

void script_kill(struct script *s, enum script_end why) {
    if (!s->killed) s->killed = why;
    if (why == SCRIPT_OVER_MEMORY && s->running && !s->killed_at[0]) {
        lua_Debug ar;
        s->was_deep = lua_getstack(s->running->co, DEEP, &ar);
        script_place(s->running->co, s->killed_at, sizeof s->killed_at);
    }
    hook_all(s);
}

/* --- the clock --- */

static void tick(int signum, siginfo_t *info, void *context) {
    (void)signum;
    (void)info;
    (void)context;
    struct turn *t = watchdog_turn;
    if (!t) return;
    int64_t used_ms = (int64_t)++t->ticks * TICK_MS;
    struct script *s = t->script;
    /* Again at every tick: a coroutine may have come to the list in between. */
    if (s->killed || used_ms > s->budget_kill_ms) {
        script_kill(s, SCRIPT_OVER_BUDGET);
    } else if (used_ms > s->budget_warn_ms && !t->warned) {
        t->warned = 1;
        if (s->running) script_hook(s->running->co);
    }
}

bool watchdog_start(struct ln_err *err) {
    if (scripts++ > 0) return true;
    struct sigaction act = {.sa_sigaction = tick, .sa_flags = SA_RESTART | SA_SIGINFO};
    sigemptyset(&act.sa_mask);
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TICK_SIGNAL};
    ev.sigev_notify_thread_id = gettid();
    struct itimerspec every = {{0, TICK_MS * 1000000}, {0, TICK_MS * 1000000}};
    if (sigaction(TICK_SIGNAL, &act, NULL) == 0 &&
        timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &timer) == 0) {
        if (timer_settime(timer, 0, &every, NULL) == 0) return true;
        timer_delete(timer);
    }
    scripts--;
    ln_fail(err, LN_DENIED, "this system has no timer for CPU time (%s): scripts cannot be limited",
            strerror(errno));
    return false;
}

void watchdog_stop(void) {
    if (--scripts > 0) return;
    timer_delete(timer);
    signal(TICK_SIGNAL, SIG_IGN); /* one may be on its way */
}

/* --- turns --- */

void watchdog_enter(struct turn *t, struct script *s) {
    t->script = s;
    t->ticks = 0;
    t->warned = 0;
    t->prev = watchdog_turn;
    watchdog_barrier();
    watchdog_turn = t;
}

static void warn_slow(const struct turn *t) {
    char tag[96], used[32], limit[32];
    const struct script *s = t->script;
    snprintf(tag, sizeof tag, "script:%s", s->seat->name);
    ln_duration_text((int64_t)t->ticks * TICK_MS, used, sizeof used);
    ln_duration_text(s->budget_kill_ms, limit, sizeof limit);
    ln_log(LN_WARN, tag,
           "slow: %s of CPU time in one turn%s%s; nothing else ran meanwhile (limit %s)", used,
           t->warned == 2 ? ", at " : "", t->warned == 2 ? t->place : "", limit);
}

void watchdog_leave(struct turn *t) {
    watchdog_turn = t->prev;
    if (LN_UNLIKELY(t->warned) && !t->script->killed) warn_slow(t);
}
