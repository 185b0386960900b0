/* SPDX-License-Identifier: MIT
 *
 * The event loop on libuv. One idea: everything of ours runs in one place of the turn, the check
 * phase behind the poll: posts, then due timers, then deferred work. The prepare phase only decides
 * whether the poll may block: an active uv_idle makes it return at once, the one uv_timer wakes it
 * for the earliest timer and does nothing itself. So data that waited together with an overdue
 * timer (after a suspend, say) is handled before the timer. Signals are here too; directories are
 * in loop_watch.c.
 */
#include "io/loop.h"

#include <poll.h>
#include <signal.h>
#include <uv.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"

enum { TIMER_KIND = 1, QUIET_TURNS = 4, SETTLE_TURNS = 10000, GRACE_MS = 10 };

struct timer {
    uint64_t due, seq;
    loop_fn fn;
    void *ud;
    ln_id id;
    size_t at; /* place in the heap */
};

struct call {
    loop_fn fn;
    void *ud;
};
struct calls {
    struct call *v;
    size_t n, cap;
};

struct on_signal {
    struct ln_list node;
    uv_signal_t uv;
    void (*fn)(void *ud, int signum);
    void *ud;
};

struct shared {
    struct shared *next;
    const void *key;
    void *data;
    void (*release)(void *data);
};

struct loop {
    uv_loop_t uv;
    uv_timer_t wake; /* armed for `armed`, or not at all (0) */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_async_t async;
    uint64_t base; /* ln_mono_ms() = base + uv_now() while the clock is real */
    uint64_t armed, seq, turns;
    struct timer **heap;
    size_t timers, heap_cap;
    struct ln_slots slots;
    struct calls deferred, running;
    uv_mutex_t mutex; /* guards posted */
    struct calls posted, taken;
    struct ln_list signals;
    struct shared *shared;
    int busy, remote;
    bool worked, stopped;
};

/* --- timers: a binary heap by due time, then by order of creation --- */

static bool before(const struct timer *a, const struct timer *b) {
    return a->due < b->due || (a->due == b->due && a->seq < b->seq);
}

static void put(struct loop *l, size_t at, struct timer *t) {
    l->heap[at] = t;
    t->at = at;
}

static void sift(struct loop *l, struct timer *t) {
    size_t at = t->at;
    while (at > 0 && before(t, l->heap[(at - 1) / 2])) {
        put(l, at, l->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t kid = at * 2 + 1;
        if (kid >= l->timers) break;
        if (kid + 1 < l->timers && before(l->heap[kid + 1], l->heap[kid])) kid++;
        if (!before(l->heap[kid], t)) break;
        put(l, at, l->heap[kid]);
        at = kid;
    }
    put(l, at, t);
}

/* Takes t out of the heap and kills its id. */
static void timer_take(struct loop *l, struct timer *t) {
    struct timer *last = l->heap[--l->timers];
    if (last != t) {
        put(l, t->at, last);
        sift(l, last);
    }
    ln_slot_drop(&l->slots, t->id);
}

static void timer_due_in(struct loop *l, struct timer *t, int64_t ms) {
    /* Not the time of the turn: a handler that ran long must not shorten the wait it asks for. */
    t->due = ln_mono_ms() + (uint64_t)LN_MAX(ms, 0);
    t->seq = l->seq++;
    sift(l, t);
}

ln_id loop_timer(struct loop *l, int64_t ms, loop_fn fn, void *ud) {
    if (l->timers == l->heap_cap) {
        l->heap_cap = LN_MAX(l->heap_cap * 2, 16);
        l->heap = ln_realloc(l->heap, l->heap_cap * sizeof *l->heap);
    }
    struct timer *t = ln_new(struct timer);
    t->fn = fn;
    t->ud = ud;
    t->id = ln_slot_put(&l->slots, t, TIMER_KIND);
    put(l, l->timers++, t);
    timer_due_in(l, t, ms);
    return t->id;
}

bool loop_timer_cancel(struct loop *l, ln_id id) {
    struct timer *t = ln_slot_get(&l->slots, id, TIMER_KIND);
    if (!t) return false;
    timer_take(l, t);
    ln_free(t);
    return true;
}

bool loop_timer_again(struct loop *l, ln_id id, int64_t ms) {
    struct timer *t = ln_slot_get(&l->slots, id, TIMER_KIND);
    if (!t) return false;
    timer_due_in(l, t, ms);
    return true;
}

size_t loop_timer_count(const struct loop *l) {
    return l->timers;
}

uint64_t loop_now_ms(const struct loop *l) {
    return ln_clock_is_fake() ? ln_mono_ms() : l->base + uv_now(&l->uv);
}

uint64_t loop_turns(const struct loop *l) {
    return l->turns;
}

static bool timer_is_due(const struct loop *l) {
    return l->timers > 0 && l->heap[0]->due <= loop_now_ms(l);
}

static void run_timers(struct loop *l) {
    uint64_t limit = l->seq; /* those made meanwhile wait for the next turn */
    while (timer_is_due(l) && l->heap[0]->seq < limit) {
        struct timer *t = l->heap[0];
        struct call c = {t->fn, t->ud};
        timer_take(l, t);
        ln_free(t);
        c.fn(c.ud);
    }
}

/* --- calls for later --- */

static void calls_add(struct calls *q, loop_fn fn, void *ud) {
    if (q->n == q->cap) {
        q->cap = LN_MAX(q->cap * 2, 16);
        q->v = ln_realloc(q->v, q->cap * sizeof *q->v);
    }
    q->v[q->n++] = (struct call){fn, ud};
}

static void calls_run(struct calls *q) {
    for (size_t i = 0; i < q->n; i++)
        q->v[i].fn(q->v[i].ud);
    q->n = 0;
}

static void swap(struct calls *a, struct calls *b) {
    struct calls t = *a;
    *a = *b;
    *b = t;
}

void loop_defer(struct loop *l, loop_fn fn, void *ud) {
    calls_add(&l->deferred, fn, ud);
}

void loop_post(struct loop *l, loop_fn fn, void *ud) {
    uv_mutex_lock(&l->mutex);
    calls_add(&l->posted, fn, ud);
    uv_mutex_unlock(&l->mutex);
    uv_async_send(&l->async);
}

static bool has_posts(struct loop *l) {
    uv_mutex_lock(&l->mutex);
    bool any = l->posted.n > 0;
    uv_mutex_unlock(&l->mutex);
    return any;
}

static void run_posts(struct loop *l) {
    uv_mutex_lock(&l->mutex);
    swap(&l->posted, &l->taken);
    uv_mutex_unlock(&l->mutex);
    calls_run(&l->taken);
}

static void run_deferred(struct loop *l) {
    swap(&l->deferred, &l->running);
    calls_run(&l->running);
}

/* --- the turn --- */

static void on_wake(uv_timer_t *t) {
    struct loop *l = t->data;
    l->armed = 0;
}

static void on_idle(uv_idle_t *i) {
    (void)i; /* it is active only so that the poll does not block */
}

static void on_async(uv_async_t *a) {
    run_posts(a->data);
}

/* A uv_timer that is armed too early is left alone: it wakes the loop once for nothing, which is
 * cheaper than moving it at every heartbeat. */
static void arm(struct loop *l) {
    if (ln_clock_is_fake() || l->timers == 0) return;
    uint64_t due = l->heap[0]->due, now = loop_now_ms(l);
    if (l->armed && l->armed <= due) return;
    l->armed = due;
    uv_timer_start(&l->wake, on_wake, due > now ? due - now : 0, 0);
}

static void on_prepare(uv_prepare_t *p) {
    struct loop *l = p->data;
    if (l->deferred.n > 0 || timer_is_due(l)) {
        uv_idle_start(&l->idle, on_idle);
    } else {
        uv_idle_stop(&l->idle);
        arm(l);
    }
}

static void on_check(uv_check_t *c) {
    struct loop *l = c->data;
    l->turns++;
    run_timers(l);
    run_deferred(l);
}

void loop_run(struct loop *l) {
    l->stopped = false;
    while (!l->stopped)
        uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l) {
    l->stopped = true;
    uv_stop(&l->uv);
}

void *loop_uv(struct loop *l) {
    return &l->uv;
}

void loop_busy(struct loop *l, int delta) {
    l->busy += delta;
}

void loop_remote(struct loop *l, int delta) {
    l->remote += delta;
}

void loop_note_work(struct loop *l) {
    l->worked = true;
}

void *loop_shared(struct loop *l, const void *key, size_t size, void (*release)(void *data)) {
    for (struct shared *s = l->shared; s; s = s->next)
        if (s->key == key) return s->data;
    struct shared *s = ln_new(struct shared);
    *s = (struct shared){l->shared, key, ln_alloc(size), release};
    l->shared = s;
    return s->data;
}

/* --- signals --- */

static void on_signal(uv_signal_t *uv, int signum) {
    struct on_signal *s = uv->data;
    s->fn(s->ud, signum);
}

static void signal_closed(uv_handle_t *h) {
    ln_free(h->data);
}

static void signal_drop(struct on_signal *s) {
    ln_list_remove(&s->node);
    uv_close((uv_handle_t *)&s->uv, signal_closed);
}

void loop_signal(struct loop *l, int signum, void (*fn)(void *ud, int signum), void *ud) {
    LN_LIST_EACH (&l->signals, it, tmp) {
        struct on_signal *s = LN_CONTAINER(it, struct on_signal, node);
        if (s->uv.signum == signum) signal_drop(s);
    }
    if (!fn) return;
    struct on_signal *s = ln_new(struct on_signal);
    s->fn = fn;
    s->ud = ud;
    ln_list_init(&s->node);
    ln_list_push(&l->signals, &s->node);
    uv_signal_init(&l->uv, &s->uv);
    s->uv.data = s;
    uv_signal_start(&s->uv, on_signal, signum);
}

/* --- life --- */

struct loop *loop_new(void) {
    struct loop *l = ln_new(struct loop);
    /* A peer that went away is an error of write, never a signal that ends the process (OpenSSL
     * writes without MSG_NOSIGNAL). */
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&l->uv);
    l->base = ln_mono_ms() - uv_now(&l->uv);
    ln_list_init(&l->signals);
    uv_mutex_init(&l->mutex);
    uv_timer_init(&l->uv, &l->wake);
    uv_prepare_init(&l->uv, &l->prepare);
    uv_check_init(&l->uv, &l->check);
    uv_idle_init(&l->uv, &l->idle);
    uv_async_init(&l->uv, &l->async, on_async);
    l->wake.data = l->prepare.data = l->check.data = l->async.data = l;
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_start(&l->check, on_check);
    return l;
}

static void close_handle(uv_handle_t *h, void *ud) {
    (void)ud;
    if (!uv_is_closing(h)) uv_close(h, NULL);
}

static void release_shared(struct loop *l) {
    while (l->shared) {
        struct shared *s = l->shared;
        l->shared = s->next;
        s->release(s->data);
        ln_free(s->data);
        ln_free(s);
    }
}

static void cancel_timers(struct loop *l) {
    while (l->timers > 0)
        loop_timer_cancel(l, l->heap[0]->id);
}

void loop_free(struct loop *l) {
    cancel_timers(l);
    for (int i = 0; i < SETTLE_TURNS && (i < QUIET_TURNS || l->deferred.n > 0); i++) {
        run_posts(l);
        run_deferred(l); /* those who close now end by a deferred call */
        uv_run(&l->uv, UV_RUN_NOWAIT);
    }
    release_shared(l);
    run_posts(l); /* answers to those who are gone */
    LN_LIST_EACH (&l->signals, it, tmp)
        signal_drop(LN_CONTAINER(it, struct on_signal, node));
    cancel_timers(l);
    uv_walk(&l->uv, close_handle, NULL);
    do {
        uv_run(&l->uv, UV_RUN_DEFAULT);
    } while (uv_loop_close(&l->uv) == UV_EBUSY);
    uv_mutex_destroy(&l->mutex);
    ln_slots_free(&l->slots);
    ln_free(l->heap);
    ln_free(l->deferred.v);
    ln_free(l->running.v);
    ln_free(l->posted.v);
    ln_free(l->taken.v);
    ln_free(l);
}

/* --- tests --- */

/* Is anything ready that the next turn would handle? Descriptors are asked for in one go: the
 * backend's own descriptor is readable while an event waits in it. */
static bool is_ready(struct loop *l, int wait_ms) {
    struct pollfd fd = {.fd = uv_backend_fd(&l->uv), .events = POLLIN};
    return l->deferred.n > 0 || timer_is_due(l) || has_posts(l) || poll(&fd, 1, wait_ms) > 0;
}

bool loop_settle(struct loop *l, int turns) {
    int quiet = 0;
    if (turns <= 0) turns = SETTLE_TURNS;
    /* More than one quiet turn: a descriptor given to libuv in one turn is polled in the next. */
    while (turns-- > 0) {
        bool wait = l->busy > 0 && quiet >= QUIET_TURNS;
        bool ready = is_ready(l, 0);
        l->worked = false;
        uv_run(&l->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        quiet = ready || wait || l->worked || is_ready(l, 0) ? 0 : quiet + 1;
        if (quiet >= QUIET_TURNS && l->busy == 0) {
            if (l->remote == 0 || !is_ready(l, GRACE_MS)) return true;
            quiet = 0;
        }
    }
    return false;
}

void loop_advance(struct loop *l, int64_t ms) {
    uint64_t end = ln_mono_ms() + (uint64_t)LN_MAX(ms, 0);
    while (loop_settle(l, 0) && ln_mono_ms() < end) {
        uint64_t now = ln_mono_ms(), next = end;
        if (l->timers > 0) next = LN_MIN(next, l->heap[0]->due);
        ln_clock_advance(next - now);
    }
}
