/* SPDX-License-Identifier: MIT
 *
 * The event bus. Per name there is one array of listeners; a walk holds the array it began with,
 * and whoever changes an array that is being walked makes a new one and leaves the old one alone
 * (an array that nobody walks is changed in place). The walk asks each listener whether it is still
 * alive right before calling it. So the order is fixed at the start of an event, nothing removed is
 * called, nothing added is called too early, and every listener outlives its own call.
 */
#include "host/event.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"

#define NESTING_MAX 32
#define CROWD 50 /* listeners of one name by one seat that are worth a warning */

struct array {
    int refs; /* its topic, and the walks */
    uint32_t n, cap;
    struct listener *v[];
};

struct topic {
    struct array *array; /* NULL: nobody */
    bool is_lifecycle;   /* the name is the host's own: the peer's event of this name is not told */
    bool crowd_told, clash_told;
    uint32_t name_n;
    char name[];
};

struct bus {
    struct ln_map named;             /* name -> struct topic */
    struct topic *any_app, *any_out; /* NULL: nobody so far */
    struct topic *last;              /* the topic found last: most events repeat the name before */
    uint32_t count;
    int16_t depth;
    bool is_freed, nested_told;
    const struct event *current; /* what is being told now */
    bus_trace_fn trace;
    void *trace_ud;
    const struct bus_tap *tap;
    void *tap_ud;
};

/* --- barrier --- */

struct barrier *barrier_open(void (*done)(void *ud), void *ud) {
    struct barrier *b = ln_new(struct barrier);
    b->done = done;
    b->ud = ud;
    return b;
}

static void barrier_check(struct barrier *b) {
    if (!b->sealed || b->held > 0) return;
    void (*done)(void *) = b->done;
    void *ud = b->ud;
    ln_free(b);
    done(ud);
}

void barrier_hold(struct barrier *b) {
    b->held++;
}

void barrier_release(struct barrier *b) {
    b->held--;
    barrier_check(b);
}

void barrier_seal(struct barrier *b) {
    b->sealed = true;
    barrier_check(b);
}

/* --- arrays --- */

static void listener_unref(struct listener *l) {
    if (--l->refs == 0) l->release(l);
}

static void array_unref(struct array *a) {
    if (!a || --a->refs > 0) return;
    for (size_t i = 0; i < a->n; i++)
        listener_unref(a->v[i]);
    ln_free(a);
}

/* The topic's array, safe to change: a copy when a walk holds the present one. */
static struct array *array_own(struct topic *t, uint32_t room) {
    struct array *a = t->array;
    if (!a || a->refs > 1) {
        uint32_t cap = (a ? a->n : 0) + room;
        struct array *copy = ln_alloc(sizeof *copy + cap * sizeof copy->v[0]);
        copy->refs = 1;
        copy->cap = cap;
        for (size_t i = 0; a && i < a->n; i++) {
            copy->v[copy->n++] = a->v[i];
            a->v[i]->refs++;
        }
        array_unref(a);
        t->array = a = copy;
    } else if (a->n + room > a->cap) {
        a->cap = a->n * 2 + room;
        t->array = a = ln_realloc(a, sizeof *a + a->cap * sizeof a->v[0]);
    }
    return a;
}

static void array_remove(struct topic *t, struct listener *l) {
    struct array *a = array_own(t, 0);
    for (size_t i = a->n; i-- > 0;) { /* a script's end drops the newest first */
        if (a->v[i] != l) continue;
        memmove(a->v + i, a->v + i + 1, (a->n - i - 1) * sizeof(struct listener *));
        a->n--;
        listener_unref(l);
        return;
    }
}

/* --- topics --- */

bool event_is_lifecycle(struct ln_str name) {
    static const char *const names[] = {"connect",           "disconnect", "connect_error",
                                        "reconnect_attempt", "state",      "gap",
                                        "auth_expiring"};
    for (size_t i = 0; i < LN_COUNT(names); i++)
        if (ln_str_is(name, names[i])) return true;
    return false;
}

static struct topic *topic_new(struct ln_str name) {
    struct topic *t = ln_alloc(sizeof *t + name.n + 1);
    t->name_n = (uint32_t)name.n;
    if (name.n) memcpy(t->name, name.p, name.n);
    t->is_lifecycle = event_is_lifecycle(name);
    return t;
}

static void topic_free(struct topic *t) {
    if (!t) return;
    array_unref(t->array);
    ln_free(t);
}

static struct topic *topic_find(const struct bus *b, struct ln_str name) {
    struct topic *t = b->last;
    if (t && ln_str_eq((struct ln_str){t->name, t->name_n}, name)) return t;
    t = ln_map_get(&b->named, name);
    if (t) ((struct bus *)b)->last = t; /* a cache; the bus is the same to its users */
    return t;
}

static struct topic *topic_of(struct bus *b, const struct listener *l) {
    if (l->name) return topic_find(b, ln_str(l->name));
    return l->kind == EVENT_OUT ? b->any_out : b->any_app;
}

static bool is_live(const struct listener *l) {
    return !l->dead && l->item.seat && l->item.seat->state == SEAT_LIVE;
}

static bool topic_wants(const struct topic *t) {
    for (size_t i = 0; t && t->array && i < t->array->n; i++)
        if (is_live(t->array->v[i])) return true;
    return false;
}

static bool topic_has_of(const struct topic *t, const struct seat *seat, size_t n) {
    size_t found = 0;
    for (size_t i = 0; t && t->array && i < t->array->n && found < n; i++)
        found += t->array->v[i]->item.seat == seat;
    return found == n;
}

/* --- the bus --- */

struct bus *bus_new(void) {
    struct bus *b = ln_new(struct bus);
    b->named.lent = true;
    return b;
}

static void bus_drop_all(struct topic *t) {
    while (t && t->array && t->array->n > 0)
        bus_off(t->array->v[t->array->n - 1]);
}

static void bus_destroy(struct bus *b) {
    size_t i = 0;
    struct ln_str name;
    void *topic;
    while (ln_map_next(&b->named, &i, &name, &topic))
        topic_free(topic);
    ln_map_free(&b->named);
    topic_free(b->any_app);
    topic_free(b->any_out);
    ln_free(b);
}

void bus_free(struct bus *b) {
    if (!b || b->is_freed) return;
    b->is_freed = true; /* from here on topics stay, so that the map can be walked */
    bus_drop_all(b->any_app);
    bus_drop_all(b->any_out);
    size_t i = 0;
    struct ln_str name;
    void *topic;
    while (ln_map_next(&b->named, &i, &name, &topic))
        bus_drop_all(topic);
    if (b->depth == 0) bus_destroy(b);
}

/* Out of the arrays; running walks skip it from now on. */
static void detach(struct listener *l) {
    struct bus *b = l->bus;
    l->dead = true;
    if (!b) return;
    struct topic *t = topic_of(b, l);
    l->bus = NULL;
    l->name = NULL;
    b->count--;
    array_remove(t, l);
    if (b->is_freed || t == b->any_app || t == b->any_out || t->array->n > 0) return;
    if (b->last == t) b->last = NULL;
    ln_map_remove(&b->named, (struct ln_str){t->name, t->name_n});
    topic_free(t);
}

void bus_listener_drop(struct seat_item *it) {
    struct listener *l = LN_CONTAINER(it, struct listener, item);
    detach(l);
    listener_unref(l);
}

static void warn_habits(struct bus *b, struct topic *t, struct seat *seat, struct listener *l) {
    char tag[80];
    snprintf(tag, sizeof tag, "script:%s", seat->name);
    const char *name = l->name ? l->name : "any event";
    if (b->current && b->current->kind == EVENT_LIFECYCLE && !l->once)
        ln_log(LN_WARN, tag,
               "a listener for '%s' is added inside a handler of '%.*s': there will be one more "
               "after every reconnect; add it outside of the handler",
               name, LN_FMT(b->current->name));
    if (!t->crowd_told && t->array->n >= CROWD && topic_has_of(t, seat, CROWD)) {
        t->crowd_told = true;
        ln_log(LN_WARN, tag,
               "%d listeners for '%s': is one added again and again? Cancel what is no longer used",
               CROWD, name);
    }
}

void bus_on(struct bus *b, struct seat *seat, struct listener *l) {
    l->refs = 1; /* the seat's */
    l->dead = b->is_freed;
    l->bus = b->is_freed ? NULL : b;
    seat_own(seat, &l->item, "listener", bus_listener_drop);
    if (l->dead) {
        l->name = NULL;
        return;
    }
    struct topic *t = topic_of(b, l);
    if (!t) {
        t = topic_new(ln_str(l->name));
        if (l->name)
            ln_map_set(&b->named, (struct ln_str){t->name, t->name_n}, t);
        else
            *(l->kind == EVENT_OUT ? &b->any_out : &b->any_app) = t;
    }
    struct array *a = array_own(t, 1);
    a->v[a->n++] = l;
    if (l->name) l->name = t->name;
    l->refs++;
    b->count++;
    warn_habits(b, t, seat, l);
}

void bus_off(struct listener *l) {
    seat_drop(&l->item);
}

bool bus_wants(const struct bus *b, struct ln_str name) {
    if (b->tap && ln_str_is(name, b->tap->name)) return true;
    if (topic_wants(b->any_app)) return true;
    const struct topic *t = topic_find(b, name);
    return t && !t->is_lifecycle && topic_wants(t);
}

size_t bus_count(const struct bus *b) {
    return b->count;
}

bool bus_has_of(const struct bus *b, struct ln_str name, const struct seat *seat, size_t n) {
    return topic_has_of(topic_find(b, name), seat, n);
}

void bus_trace(struct bus *b, bus_trace_fn fn, void *ud) {
    b->trace = fn;
    b->trace_ud = ud;
}

void bus_tap(struct bus *b, const struct bus_tap *tap, void *ud) {
    b->tap = tap;
    b->tap_ud = ud;
}

void *bus_tap_ud(const struct bus *b) {
    return b->tap_ud;
}

static ln_status call(struct bus *b, struct listener *l, struct event *ev) {
    if (LN_UNLIKELY(b->trace)) b->trace(b->trace_ud, ev, l);
    if (!l->once) return l->fn(l, ev);
    /* Gone before its call, so that no event inside can reach it again; but it stays its seat's
     * until the call is over, because the call needs to know whose it is. */
    detach(l);
    ln_status s = l->fn(l, ev);
    seat_drop(&l->item);
    return s;
}

static ln_status walk(struct bus *b, struct array *a, struct event *ev) {
    ln_status worst = LN_OK;
    for (size_t i = 0; a && i < a->n; i++) {
        if (!is_live(a->v[i])) continue;
        ln_status s = call(b, a->v[i], ev);
        worst = LN_MAX(worst, s);
    }
    return worst;
}

static struct array *array_hold(const struct topic *t) {
    if (!t || !t->array) return NULL;
    t->array->refs++;
    return t->array;
}

/* Named listeners for this event. The host's own names are told by the host only: a peer that sends
 * `state` is heard by catch-alls. */
static const struct topic *named_topic(struct bus *b, const struct event *ev) {
    if (ev->kind == EVENT_OUT) return NULL;
    struct topic *t = topic_find(b, ev->name);
    if (!t || ev->kind != EVENT_APP || !t->is_lifecycle) return t;
    if (!t->clash_told) {
        t->clash_told = true;
        ln_log(LN_WARN, "linnet",
               "the peer sends an event named '%.*s', a name of linnet's own: only on_any gets it",
               LN_FMT(ev->name));
    }
    return NULL;
}

ln_status bus_emit(struct bus *b, struct event *ev) {
    if (b->is_freed) return LN_OK;
    if (b->depth >= NESTING_MAX) {
        if (!b->nested_told)
            ln_log(LN_ERROR, "linnet",
                   "event '%.*s' is dropped: %d events deep, each emitted by a handler of the one "
                   "before",
                   LN_FMT(ev->name), NESTING_MAX);
        b->nested_told = true;
        return LN_FULL;
    }
    if (b->tap && ev->kind == EVENT_APP && ln_str_is(ev->name, b->tap->name))
        b->tap->fn(b->tap_ud, ev);
    struct array *any = NULL;
    if (ev->kind != EVENT_LIFECYCLE)
        any = array_hold(ev->kind == EVENT_OUT ? b->any_out : b->any_app);
    struct array *named = array_hold(named_topic(b, ev));
    const struct event *outer = b->current;
    b->current = ev;
    b->depth++;
    ln_status first = walk(b, any, ev), second = walk(b, named, ev);
    b->depth--;
    b->current = outer;
    array_unref(any);
    array_unref(named);
    if (b->depth == 0) {
        b->nested_told = false;
        if (b->is_freed) bus_destroy(b);
    }
    return LN_MAX(first, second);
}
