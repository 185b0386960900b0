/* SPDX-License-Identifier: MIT
 *
 * The waiting half of the door: parking a coroutine with its one pending operation, waking it by a
 * generational id, cancelling it, and holding side effects back during a trial load. A task enters
 * its seat at its first wait and leaves it when it is over, so unloading drops all that wait.
 */
#include <assert.h>

#include "base/mem.h"
#include "bindings/lua_task.h"

/* --- what a waiting task keeps --- */

static char *keep_str(char *at, struct ln_str *s) {
    if (s->n) memcpy(at, s->p, s->n);
    s->p = at;
    return at + s->n;
}

/* The caller's struct and what it points to are gone after the first wait: copies. */
static void task_keep(struct lua_task *t) {
    t->own = *t->c;
    t->own.err = NULL;
    t->c = &t->own;
    struct event *ev = t->own.event;
    size_t event_n = ev ? ev->name.n + ev->args.n + ev->room.n : 0;
    t->text = ln_alloc(t->own.name.n + event_n + 1);
    char *at = keep_str(t->text, &t->own.name);
    t->conn_id = t->now_id = 0;
    if (t->own.now) t->now_id = conn_handle(t->own.now);
    if (ev) {
        t->event = *ev;
        t->event.bin = NULL;
        t->event.bin_count = 0;
        t->event.barrier = NULL;
        t->event.source = NULL;
        at = keep_str(at, &t->event.name);
        at = keep_str(at, &t->event.args);
        if (t->event.room.p) keep_str(at, &t->event.room);
        if (ev->conn) t->conn_id = conn_handle(ev->conn);
        t->own.event = &t->event;
    }
    if (t->own.barrier) barrier_hold(t->own.barrier);
}

void task_wait_end(struct lua_task *t, bool cancel) {
    if (!t->wait) return;
    struct script *s = t->script;
    ln_slot_drop(&s->app->slots, t->wait);
    t->wait = 0;
    if (t->inner_n) s->nested_waits--;
    t->inner_n = 0;
    ln_free(t->inner);
    t->inner = NULL;
    void (*fn)(void *) = t->cancel;
    t->cancel = NULL;
    if (cancel && fn) fn(t->cancel_ud);
}

void task_release(struct lua_task *t) {
    if (t->item.seat) {
        seat_drop(&t->item); /* comes back here */
        return;
    }
    struct barrier *b = t->own.barrier;
    ln_free(t->text);
    t->text = NULL;
    t->is_held = false;
    task_end(t);
    if (b) barrier_release(b);
}

static void task_drop(struct seat_item *it) {
    struct lua_task *t = LN_CONTAINER(it, struct lua_task, item);
    if (t->state == TASK_RUNS) { /* cancelled by itself: it is freed when its turn is over */
        t->is_cancelled = true;
        return;
    }
    t->reusable = t->reusable && t->state == TASK_ENDED;
    t->state = TASK_ENDED;
    task_wait_end(t, true);
    task_release(t);
}

static void task_go_live(struct seat_item *it) {
    struct lua_task *t = LN_CONTAINER(it, struct lua_task, item);
    if (!t->is_held) return;
    t->is_held = false;
    task_go(t);
}

static const struct seat_kind task_kind = {"task", task_drop, task_go_live};

void task_park(struct lua_task *t) {
    t->state = TASK_WAITS;
    if (t->c == &t->own) return;
    task_keep(t);
    seat_own(t->script->seat, &t->item, &task_kind);
}

/* --- in bindings --- */

static int never(lua_State *L, int status, lua_KContext ctx) {
    (void)status;
    (void)ctx;
    return script_raise_kill(L);
}

static bool is_in_task(lua_State *L) {
    const struct running *r = script_of(L)->running;
    return r && r->co == L && r->task;
}

/* Every coroutine up to the task's own must be able to yield. */
bool lua_call_may_wait(lua_State *L) {
    if (!is_in_task(L)) return false;
    for (const struct running *r = script_of(L)->running; lua_isyieldable(r->co); r = r->prev)
        if (r->co == r->task->co) return true;
    return false;
}

void lua_call_can_wait(lua_State *L) {
    struct script *s = script_of(L);
    if (!is_in_task(L))
        script_fail(L, "this place cannot wait: it is called from outside of any handler");
    if (!lua_call_may_wait(L))
        script_fail(
            L, "cannot wait inside string.gsub, table.sort or a metamethod called from C: wait "
               "before or after it");
    if (!script_is_ending(s) && !s->running->task->is_cancelled) return;
    s->is_yielding = true; /* it has ended already: task_go drops what yields now */
    lua_yieldk(L, 0, 0, never);
}

static void note_inner(struct lua_task *t, const struct running *r) {
    int n = 0;
    for (const struct running *i = r; i->co != t->co; i = i->prev)
        n++;
    if (n == 0) return;
    t->inner = ln_alloc((size_t)n * sizeof *t->inner);
    for (; r->co != t->co; r = r->prev)
        t->inner[t->inner_n++] = r->co;
    t->script->nested_waits++;
}

ln_id lua_call_wait_id(lua_State *L, void (*cancel)(void *ud), void *ud, const char *what) {
    struct script *s = script_of(L);
    lua_call_can_wait(L);
    struct lua_task *t = s->running->task;
    t->cancel = cancel;
    t->cancel_ud = ud;
    t->waits_for = what;
    note_inner(t, s->running);
    t->wait = ln_slot_put(&s->app->slots, t, WAIT_KIND);
    return t->wait;
}

/* Woken: what the operation brought becomes the results of the function that waited. */
static int woken(lua_State *L, int status, lua_KContext ctx) {
    (void)status;
    (void)ctx;
    struct lua_task *t = script_of(L)->running->task;
    return t->wake_push ? t->wake_push(L, t->wake_ud) : 0;
}

int lua_call_yield(lua_State *L) {
    script_of(L)->is_yielding = true;
    return lua_yieldk(L, 0, 0, woken);
}

bool lua_call_wake(struct app *app, ln_id wait, lua_push_fn push, void *ud) {
    struct lua_task *t = ln_slot_get(&app->slots, wait, WAIT_KIND);
    if (!t) return false;
    assert(t->state == TASK_WAITS); /* an operation ends later, never while it is started */
    struct script *s = t->script;
    task_wait_end(t, false);
    if (s->killed || (s->seat->state == SEAT_DEAD && !s->is_closing)) return true;
    if (LN_UNLIKELY(s->is_stressed)) lua_gc(s->L, LUA_GCCOLLECT);
    t->wake_push = push;
    t->wake_ud = ud;
    task_go(t);
    return true;
}

void lua_call_cancel(struct app *app, ln_id task) {
    struct seat_item *it = seat_item_of(&app->slots, task, "task");
    if (!it) return;
    struct lua_task *t = LN_CONTAINER(it, struct lua_task, item);
    if (t->state == TASK_RUNS) {
        t->is_cancelled = true;
        return;
    }
    task_wait_end(t, true);
    t->state = TASK_RUNS; /* its __close code may come here again */
    task_close(t);
    t->reusable = false;
    if (t->own.done && !t->was_done) {
        struct ln_err err = {LN_CANCELLED, "the task was cancelled"};
        t->was_done = true;
        call_done(t->script, &t->own, &err);
    }
    t->state = TASK_ENDED;
    task_release(t);
}

static int push_reloaded(lua_State *L, void *ud) {
    (void)ud;
    return lua_push_err(L, LN_RELOADED, "the script was reloaded");
}

void tasks_reloaded(struct script *s) {
    size_t n = 0, max = s->seat->item_count;
    ln_id *waits = ln_alloc((max + 1) * sizeof *waits);
    LN_LIST_EACH (&s->seat->items, node, next) {
        struct seat_item *it = LN_CONTAINER(node, struct seat_item, node);
        if (it->kind != &task_kind) continue;
        struct lua_task *t = LN_CONTAINER(it, struct lua_task, item);
        if (t->wait) waits[n++] = t->wait;
    }
    for (size_t i = 0; i < n; i++) {
        struct lua_task *t = ln_slot_get(&s->app->slots, waits[i], WAIT_KIND);
        if (!t) continue;
        void (*fn)(void *) = t->cancel;
        t->cancel = NULL;
        if (fn) fn(t->cancel_ud);
        lua_call_wake(s->app, waits[i], push_reloaded, NULL);
    }
    ln_free(waits);
}

bool task_waits_in(const struct script *s, const lua_State *co) {
    if (s->nested_waits == 0 && !s->is_task_known) return false;
    LN_LIST_EACH (&s->seat->items, node, next) {
        struct seat_item *it = LN_CONTAINER(node, struct seat_item, node);
        if (it->kind != &task_kind) continue;
        struct lua_task *t = LN_CONTAINER(it, struct lua_task, item);
        if (t->co == co && t->state == TASK_WAITS) return true;
        for (int i = 0; i < t->inner_n; i++)
            if (t->inner[i] == co) return true;
    }
    return false;
}

/* --- side effects of a trial load --- */

bool lua_call_held(lua_State *L) {
    return script_of(L)->seat->state == SEAT_TRIAL;
}

static int held(lua_State *L, int status, lua_KContext self) {
    (void)status;
    return ((lua_CFunction)self)(L);
}

int lua_call_hold(lua_State *L, lua_CFunction self) {
    struct script *s = script_of(L);
    lua_call_can_wait(L);
    s->running->task->is_held = true;
    s->is_yielding = true;
    return lua_yieldk(L, 0, (lua_KContext)self, held);
}

/* --- the call at work --- */

static struct lua_task *task_at_work(lua_State *L) {
    struct running *r = script_of(L)->running;
    return r ? r->task : NULL;
}

struct event *lua_call_event(lua_State *L) {
    struct lua_task *t = task_at_work(L);
    if (!t || !t->c->event) return NULL;
    if (t->c == &t->own) t->event.conn = conn_of_handle(t->script->app->clients, t->conn_id);
    return t->c->event;
}

struct conn *lua_call_now_conn(lua_State *L) {
    struct lua_task *t = task_at_work(L);
    if (!t) return NULL;
    if (t->c != &t->own) return t->c->now;
    return t->now_id ? conn_of_handle(t->script->app->clients, t->now_id) : NULL;
}
