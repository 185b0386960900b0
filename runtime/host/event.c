/* SPDX-License-Identifier: MIT
 *
 * The event bus. Named listeners are in one list while they are few, then in one of many by the
 * hash of their name; those of any event have a list of their own. All are in order of
 * registration. A walk knows its next listener and its last one: who is removed is passed over, who
 * is added comes behind the last. So the order is fixed at the start of an event, nothing removed
 * is called, nothing added is called too early, and a call holds its listener, which outlives it.
 */
#include "host/event.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"

#define NESTING_MAX 32
#define CROWD 50 /* listeners of one name by one seat that are worth a warning */
#define FEW 8    /* listeners that are looked through */

/* An event on its way through one list. */
struct walk {
    struct ln_list *next, *end; /* the last that is told; next NULL: all have been */
    struct ln_list *known;      /* of whom it is known that he hears it */
    struct walk *outer;
    const struct event *ev;
};

struct bus_more { /* what few buses have */
    struct ln_list any;
    bus_trace_fn trace;
    void *trace_ud;
};

struct bus {
    struct ln_list few;     /* named listeners, while `chains` is NULL … */
    struct ln_list *chains; /* … then here, by the hash of the name */
    uint32_t chain_count;   /* a power of two */
    uint32_t count;
    struct listener *last; /* the first of the name found last: most events repeat the one before */
    struct ln_list *last_list; /* where it is */
    struct walk *walks;        /* the innermost first */
    struct bus_more *more;     /* NULL: none of it */
    int16_t depth;
    bool is_freed, nested_told;
    const struct bus_tap *tap;
    void *tap_ud;
    char name[];
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

/* --- lists --- */

bool event_is_lifecycle(struct ln_str name) {
    static const char *const names[] = {"connect",           "disconnect", "connect_error",
                                        "reconnect_attempt", "state",      "gap",
                                        "auth_expiring"};
    for (size_t i = 0; i < LN_COUNT(names); i++)
        if (ln_str_is(name, names[i])) return true;
    return false;
}

static struct listener *of_node(struct ln_list *node) {
    return LN_CONTAINER(node, struct listener, node);
}

static struct ln_str name_of(const struct listener *l) {
    return (struct ln_str){l->name, l->name_n};
}

static bool is_live(const struct listener *l) {
    return !l->dead && l->item.seat && l->item.seat->state == SEAT_LIVE;
}

/* Do both hear the same events? They are in one list then. */
static bool is_like(const struct listener *a, const struct listener *b) {
    if (!a->name || !b->name) return a->name == b->name && a->kind == b->kind;
    return ln_str_eq(name_of(a), name_of(b));
}

/* The list that has the listeners of this name, and perhaps others. */
static struct ln_list *list_of(const struct bus *b, struct ln_str name) {
    if (b->chains) return &b->chains[ln_hash(name) & (b->chain_count - 1)];
    return &((struct bus *)b)->few;
}

static struct listener *look_up(struct bus *b, struct ln_str name) {
    struct ln_list *list = list_of(b, name);
    LN_LIST_EACH (list, node, next) {
        if (!ln_str_eq(name_of(of_node(node)), name)) continue;
        b->last_list = list;
        return b->last = of_node(node);
    }
    return NULL;
}

/* The first of this name, in b->last_list; NULL: nobody. */
static inline struct listener *first_of(const struct bus *b, struct ln_str name) {
    if (LN_LIKELY(b->last && ln_str_eq(name_of(b->last), name))) return b->last;
    return look_up((struct bus *)b, name); /* a cache; the bus is the same to its users */
}

/* The next one behind l that hears the same events. */
static struct listener *next_like(const struct ln_list *list, const struct listener *l) {
    for (struct ln_list *node = l->node.next; node != list; node = node->next)
        if (is_like(of_node(node), l)) return of_node(node);
    return NULL;
}

/* Has the seat n listeners like l, which is the first? */
static bool has_of(const struct ln_list *list, const struct listener *l, const struct seat *seat,
                   size_t n) {
    size_t found = l->item.seat == seat;
    for (struct ln_list *node = l->node.next; node != list && found < n; node = node->next)
        found += of_node(node)->item.seat == seat && is_like(of_node(node), l);
    return found >= n;
}

/* More listeners than lists: more lists. Not while one is walked. */
static void grow(struct bus *b) {
    uint32_t old_count = b->chains ? b->chain_count : 1, count = LN_MAX(old_count * 4, FEW * 4);
    struct ln_list *old = b->chains, *from = old ? old : &b->few;
    b->chains = ln_alloc(count * sizeof *b->chains);
    b->chain_count = count;
    for (uint32_t i = 0; i < count; i++)
        ln_list_init(&b->chains[i]);
    for (uint32_t i = 0; i < old_count; i++) {
        LN_LIST_EACH (&from[i], node, next) {
            ln_list_remove(node);
            ln_list_push(list_of(b, name_of(of_node(node))), node);
        }
    }
    ln_free(old);
    b->last = NULL;
}

static void grow_if_full(struct bus *b) {
    if (LN_UNLIKELY(b->count > LN_MAX(b->chain_count, FEW))) grow(b);
}

/* --- the bus --- */

struct bus *bus_new(struct ln_str name) {
    struct bus *b = ln_alloc(sizeof *b + name.n + 1);
    if (name.n) memcpy(b->name, name.p, name.n);
    ln_list_init(&b->few);
    return b;
}

const char *bus_name(const struct bus *b) {
    return b->name;
}

static struct bus_more *more_of(struct bus *b) {
    if (b->more) return b->more;
    b->more = ln_new(struct bus_more);
    ln_list_init(&b->more->any);
    return b->more;
}

static const struct listener_kind *kind_of(const struct listener *l) {
    return LN_CONTAINER(l->item.kind, const struct listener_kind, item);
}

void listener_unref(struct listener *l) {
    if (--l->refs == 0) kind_of(l)->release(l);
}

static void drop_all(struct ln_list *list) {
    while (!ln_list_empty(list))
        bus_off(of_node(list->prev));
}

static void bus_destroy(struct bus *b) {
    ln_free(b->chains);
    ln_free(b->more);
    ln_free(b);
}

void bus_free(struct bus *b) {
    if (!b || b->is_freed) return;
    b->is_freed = true;
    if (b->more) drop_all(&b->more->any);
    drop_all(&b->few);
    for (uint32_t i = 0; i < b->chain_count; i++)
        drop_all(&b->chains[i]);
    if (b->depth == 0) bus_destroy(b);
}

static void walk_without(struct walk *w, const struct ln_list *node) {
    if (w->next == node)
        w->next = w->end == node ? NULL : node->next;
    else if (w->end == node)
        w->end = node->prev;
}

/* Out of its list; running walks pass over it. */
static void detach(struct listener *l) {
    struct bus *b = l->bus;
    l->dead = true;
    if (!b) return;
    for (struct walk *w = b->walks; w; w = w->outer)
        walk_without(w, &l->node);
    ln_list_remove(&l->node);
    if (b->last == l) b->last = NULL;
    b->count--;
    l->bus = NULL;
    l->name = NULL;
}

void bus_listener_drop(struct seat_item *it) {
    struct listener *l = LN_CONTAINER(it, struct listener, item);
    detach(l);
    listener_unref(l);
}

static void warn_habits(struct bus *b, struct ln_list *list, struct listener *first,
                        struct listener *l) {
    char tag[80];
    snprintf(tag, sizeof tag, "script:%s", l->item.seat->name);
    const char *name = l->name ? l->name : "any event";
    const struct event *current = b->walks ? b->walks->ev : NULL;
    if (current && current->kind == EVENT_LIFECYCLE && !l->once)
        ln_log(LN_WARN, tag,
               "a listener for '%s' is added inside a handler of '%.*s': there will be one more "
               "after every reconnect; add it outside of the handler",
               name, LN_FMT(current->name));
    if (l->crowd_told || b->count < CROWD || !has_of(list, first, l->item.seat, CROWD)) return;
    for (struct listener *of = first; of; of = next_like(list, of))
        of->crowd_told = true;
    ln_log(LN_WARN, tag,
           "%d listeners for '%s': is one added again and again? Cancel what is no longer used",
           CROWD, name);
}

/* At the latest l itself. */
static struct listener *first_like(struct ln_list *list, struct listener *l) {
    struct listener *first = of_node(list->next);
    while (!is_like(first, l))
        first = of_node(first->node.next);
    return first;
}

void bus_on(struct bus *b, struct seat *seat, struct listener *l, const struct listener_kind *of) {
    l->refs = 1; /* the seat's */
    l->dead = b->is_freed;
    l->bus = b->is_freed ? NULL : b;
    seat_own(seat, &l->item, &of->item);
    ln_list_init(&l->node);
    if (l->dead) {
        l->name = NULL;
        return;
    }
    if (l->name) {
        l->name_n = (uint16_t)strlen(l->name);
        l->is_lifecycle = event_is_lifecycle(name_of(l));
    }
    struct ln_list *list = l->name ? list_of(b, name_of(l)) : &more_of(b)->any;
    ln_list_push(list, &l->node);
    b->count++;
    struct listener *first = first_like(list, l);
    l->crowd_told = first->crowd_told;
    l->clash_told = first->clash_told;
    warn_habits(b, list, first, l);
    if (!b->walks) grow_if_full(b);
}

void bus_off(struct listener *l) {
    seat_drop(&l->item);
}

bool bus_wants(const struct bus *b, struct ln_str name) {
    if (b->tap && ln_str_is(name, b->tap->name)) return true;
    if (LN_UNLIKELY(b->more != NULL))
        LN_LIST_EACH (&b->more->any, node, next)
            if (of_node(node)->kind != EVENT_OUT && is_live(of_node(node))) return true;
    struct listener *l = first_of(b, name);
    if (!l || l->is_lifecycle) return false;
    while (l && !is_live(l))
        l = next_like(b->last_list, l);
    return l != NULL;
}

size_t bus_count(const struct bus *b) {
    return b->count;
}

bool bus_has_of(const struct bus *b, struct ln_str name, const struct seat *seat, size_t n) {
    const struct listener *first = first_of(b, name);
    return first && has_of(b->last_list, first, seat, n);
}

void bus_trace(struct bus *b, bus_trace_fn fn, void *ud) {
    more_of(b)->trace = fn;
    b->more->trace_ud = ud;
}

void bus_tap(struct bus *b, const struct bus_tap *tap, void *ud) {
    b->tap = tap;
    b->tap_ud = ud;
}

void *bus_tap_ud(const struct bus *b) {
    return b->tap_ud;
}

/* --- walks --- */

static ln_status call(struct bus *b, struct listener *l, struct event *ev) {
    if (LN_UNLIKELY(b->more && b->more->trace)) b->more->trace(b->more->trace_ud, ev, l);
    l->refs++;
    /* Gone before its call, so that no event inside can reach it again; but it stays its seat's
     * until the call is over, because the call needs to know whose it is. */
    if (l->once) detach(l);
    ln_status s = kind_of(l)->fn(l, ev);
    if (l->once) seat_drop(&l->item);
    listener_unref(l);
    return s;
}

static bool hears(const struct listener *l, const struct event *ev) {
    return l->name ? ln_str_eq(name_of(l), ev->name) : l->kind == ev->kind;
}

static ln_status walk(struct bus *b, struct walk *w, struct event *ev) {
    ln_status worst = LN_OK;
    while (w->next) {
        struct listener *l = of_node(w->next);
        w->next = w->next == w->end ? NULL : w->next->next;
        if ((w->known != &l->node && !hears(l, ev)) || !is_live(l)) continue;
        ln_status s = call(b, l, ev);
        worst = LN_MAX(worst, s);
    }
    return worst;
}

/* The first named listener for this event. The host's own names are told by the host only: a peer
 * that sends `state` is heard by catch-alls. */
static struct listener *first_named(struct bus *b, const struct event *ev) {
    if (ev->kind == EVENT_OUT) return NULL;
    struct listener *l = first_of(b, ev->name);
    if (!l || ev->kind != EVENT_APP || !l->is_lifecycle) return l;
    if (!l->clash_told) {
        for (struct listener *of = l; of; of = next_like(b->last_list, of))
            of->clash_told = true;
        ln_log(LN_WARN, "linnet",
               "the peer sends an event named '%.*s', a name of linnet's own: only on_any gets it",
               LN_FMT(ev->name));
    }
    return NULL;
}

static ln_status tell_any(struct bus *b, struct event *ev) {
    struct ln_list *list = &b->more->any;
    if (ln_list_empty(list)) return LN_OK;
    struct walk any = {.next = list->next, .end = list->prev, .outer = b->walks, .ev = ev};
    b->walks = &any;
    ln_status worst = walk(b, &any, ev);
    b->walks = any.outer;
    return worst;
}

static ln_status tell_all(struct bus *b, struct event *ev) {
    struct walk named = {.outer = b->walks, .ev = ev};
    ln_status first = LN_OK, second;
    struct listener *l = first_named(b, ev);
    if (l) {
        named.next = named.known = &l->node;
        named.end = b->last_list->prev;
    }
    b->walks = &named;
    b->depth++;
    if (LN_UNLIKELY(b->more != NULL) && ev->kind != EVENT_LIFECYCLE) first = tell_any(b, ev);
    second = walk(b, &named, ev);
    b->depth--;
    b->walks = named.outer;
    return LN_MAX(first, second);
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
    ln_status s = tell_all(b, ev);
    if (b->depth > 0) return s;
    b->nested_told = false;
    if (b->is_freed)
        bus_destroy(b);
    else
        grow_if_full(b);
    return s;
}
