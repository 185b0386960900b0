/* SPDX-License-Identifier: MIT
 *
 * The event loop: timers on linnet's own clock, work for the end of the turn, posts from other
 * threads, signals, and watched directories. On libuv; but timers are ours (a heap behind one
 * uv_timer), so that with the fake clock a test moves them, in order, without waiting.
 */
#ifndef LN_LOOP_H
#define LN_LOOP_H

#include "base/slot.h"

struct loop;
typedef void (*loop_fn)(void *ud);

struct loop *loop_new(void);
/* Closes what is left, runs the loop until every handle is gone, frees. */
void loop_free(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop */
void loop_stop(struct loop *l);
void *loop_uv(struct loop *l); /* the uv_loop_t, for runtime/io only */
/* Monotonic, cached per turn; the fake clock's when fake. */
uint64_t loop_now_ms(const struct loop *l);

/* One-shot. Fires in the order of due time, then of creation. 0 ms = next turn. The id is dead once
 * it fired. Cancelling a dead one is fine. */
ln_id loop_timer(struct loop *l, int64_t ms, loop_fn fn, void *ud);
bool loop_timer_cancel(struct loop *l, ln_id id);
/* Moves a pending timer; false when it is dead. Cheap: for heartbeats. */
bool loop_timer_again(struct loop *l, ln_id id, int64_t ms);

/* At the end of this turn (or the next, when called between turns), in order of call; may call
 * itself again for the turn after. For flushes and deferred frees. */
void loop_defer(struct loop *l, loop_fn fn, void *ud);
/* From any thread. */
void loop_post(struct loop *l, loop_fn fn, void *ud);

/* Calls fn(ud) on the loop at that signal; fn NULL stops. */
void loop_signal(struct loop *l, int signum, void (*fn)(void *ud, int signum), void *ud);

/* Watches a directory (never a file: those die at an atomic replace); fn is called for each name
 * that changed, debounced by 50 ms; an empty name: too many changed, look at everything.
 * loop_unwatch from inside fn is fine. NULL with err when it cannot. */
struct loop_watch;
struct loop_watch *loop_watch(struct loop *l, const char *dir,
                              void (*fn)(void *ud, const char *dir, const char *name), void *ud,
                              struct ln_err *err);
void loop_unwatch(struct loop_watch *w);

/* --- for runtime/io only --- */
/* A module's data that lives as long as the loop: `size` zeroed bytes, made at the first call with
 * this key; release(data) runs in loop_free while handles can still be closed. */
void *loop_shared(struct loop *l, const void *key, size_t size, void (*release)(void *data));
/* +1 for what another thread was asked, -1 when its answer is here: loop_settle waits for them,
 * because only sockets on this machine answer at once. */
void loop_busy(struct loop *l, int delta);
/* +1 for each socket that is TCP, -1 when it is closed: while there is one, loop_settle gives the
 * kernel some real milliseconds at its end, because on a busy machine even packets of the loopback
 * are late. Socket pairs need nothing of it. */
void loop_remote(struct loop *l, int delta);
/* A descriptor's callback ran: loop_settle goes on. (What libuv was given in one turn and found
 * ready in the next shows nowhere else.) */
void loop_note_work(struct loop *l);

/* --- tests, with the fake clock; never from inside a callback of the loop --- */
/* Runs turns without waiting until nothing more is ready: sockets on this machine drained, defers
 * and due timers run. At most `turns` turns (0 = 10000); false when it never came to rest. */
bool loop_settle(struct loop *l, int turns);
/* Settles, then moves the fake clock from due timer to due timer, settling after each, until ms are
 * over. */
void loop_advance(struct loop *l, int64_t ms);
size_t loop_timer_count(const struct loop *l);
uint64_t loop_turns(const struct loop *l); /* made so far: who is idle makes none */

#endif
