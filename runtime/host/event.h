/* SPDX-License-Identifier: MIT
 *
 * The event bus: who listens to what, for one source (a connection, the hub, a dialect's room).
 * Who is called is settled when an event begins: who is added meanwhile hears of the next one, who
 * is removed of nothing more; `once` is dead before its call; a failing handler never stops the
 * others; nesting ends at 32.
 * A listener belongs to a seat and is silent while its seat is not live, which is how a trial load
 * holds registrations back and how a reload swaps them between two events.
 */
#ifndef LN_EVENT_H
#define LN_EVENT_H

#include "base/map.h"
#include "client/conn.h"
#include "host/seat.h"

/* Handlers that wait hold a barrier; when the last one ended, `done` is called once (never from
 * inside barrier_open). */
struct barrier {
    int held;
    bool sealed;
    void (*done)(void *ud);
    void *ud;
};
struct barrier *barrier_open(void (*done)(void *ud), void *ud);
void barrier_hold(struct barrier *b);
void barrier_release(struct barrier *b); /* frees it when it was the last and it is sealed */
void barrier_seal(struct barrier *b);    /* all handlers were started */

struct bus;                              /* zero or more listeners */
struct bus *bus_new(struct ln_str name); /* copied; {NULL,0}: none */
const char *bus_name(const struct bus *b);
void bus_free(struct bus *b); /* listeners go dead; safe while it is walked */

struct listener {
    struct seat_item item; /* owned by the seat; item.id is the handle's id */
    struct bus *bus;
    struct ln_list node; /* the bus's */
    const char *name;    /* NULL: any; else < 64 KiB. Lent until it is off; then it is NULL */
    int refs;            /* the seat's, and calls that still run */
    uint16_t name_n;
    unsigned char
        kind; /* enum event_kind: APP and LIFECYCLE are one for named ones; any: APP or OUT */
    bool once : 1, dead : 1;
    bool is_lifecycle : 1; /* the name is the host's own: the peer's event of it is not told */
    bool crowd_told : 1, clash_told : 1; /* in the log; the same for all of one name */
};
struct listener_kind {
    struct seat_kind item; /* drop: bus_listener_drop, or what calls it */
    /* Called for each event. LN_PROTOCOL: the arguments are no JSON. item.seat is set during the
     * call (for `once` too, whose `dead` is true by then), until something drops the listener. */
    ln_status (*fn)(struct listener *l, struct event *ev);
    void (*release)(struct listener *l); /* frees the struct and what it holds, once refs are 0 */
};
/* The caller fills name, kind and once. Ends in the seat's ownership. */
void bus_on(struct bus *b, struct seat *seat, struct listener *l, const struct listener_kind *of);
void bus_listener_drop(struct seat_item *it);
void listener_unref(struct listener *l);
void bus_off(struct listener *l); /* = seat_drop of its item; nothing of it is called any more */
bool bus_wants(const struct bus *b, struct ln_str name); /* a live listener, any included */
size_t bus_count(const struct bus *b);
/* Any-listeners first, then the named ones, each in order of registration. The worst status;
 * LN_FULL when 32 events are nested. */
ln_status bus_emit(struct bus *b, struct event *ev);
/* Has one seat that many listeners of one name? Looks no further than the nth. bus_on logs a
 * warning at the 50th, and when a listener is added inside a lifecycle handler (it would be one
 * more after every reconnect). */
bool bus_has_of(const struct bus *b, struct ln_str name, const struct seat *seat, size_t n);
/* connect disconnect connect_error reconnect_attempt state gap auth_expiring: a peer's event of
 * such a name reaches any-listeners only. */
bool event_is_lifecycle(struct ln_str name);
/* The host's own ear on one name: told of the peer's events of that name before all listeners, it
 * costs a bus two pointers. One for a bus; NULL takes it off. fn must not change the bus. */
struct bus_tap {
    const char *name;
    void (*fn)(void *ud, const struct event *ev);
};
void bus_tap(struct bus *b, const struct bus_tap *tap, void *ud); /* tap lent for the bus's life */
void *bus_tap_ud(const struct bus *b);                            /* NULL: none */
/* Dev mode: called before each call of a listener; NULL stops. */
typedef void (*bus_trace_fn)(void *ud, const struct event *ev, const struct listener *l);
void bus_trace(struct bus *b, bus_trace_fn fn, void *ud);

#endif
