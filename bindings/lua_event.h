/* SPDX-License-Identifier: MIT
 *
 * Listeners that are Lua functions, on any bus: connections (lua_event.c), the hub (lua_hub.c).
 * What happens while the previous call still runs ("mode") is lua_mode.c.
 */
#ifndef LN_LUA_EVENT_H
#define LN_LUA_EVENT_H

#include "bindings/lua_args.h"

enum call_mode { MODE_PARALLEL, MODE_QUEUED, MODE_RESTART, MODE_SINGLE };
extern const char *const call_mode_names[]; /* NULL-ended */

#define QUEUE_MAX 1000 /* events that one listener keeps waiting; then the newest are dropped */

struct lua_listener;

/* What few listeners have; those share one that is empty. */
struct listener_more {
    int where, key;      /* registry references, or LUA_NOREF */
    char *key_field;     /* NULL, or the field of the first argument that is the key */
    char *room;          /* NULL, or only events of this room */
    char *nsp;           /* NULL, or only events of this namespace (hub) */
    struct ln_map lanes; /* key -> struct lane (lua_mode.c): calls that run, and what waits */
    size_t waiting;      /* events in all lanes */
    /* Pushes what comes before the event's arguments (NULL: the name, for catch-alls). */
    int (*lead)(lua_State *L, struct lua_listener *ll, struct event *ev);
    bool lead_only; /* and nothing after it */
    /* Pushes the function that answers (NULL: conn_ack's). */
    void (*ack)(lua_State *L, struct lua_listener *ll, const struct event *ev);
    void *call; /* the hub's call that is being pushed (lua_hub.c) */
};

struct lua_listener {
    struct listener l;
    struct script *script;
    const struct listener_more *more;
    int fn; /* registry reference */
    enum call_mode mode : 8;
    unsigned char takes; /* arguments that fn names; UCHAR_MAX: any number */
    char name[];         /* l.name, unless it hears any event */
};
/* To be changed: its own from now on. */
struct listener_more *listener_more(struct lua_listener *ll);
#define LISTENER_WHAT "handler" /* in logs */

/* One call on its way: from the bus to the coroutine. */
struct dispatch {
    struct lua_listener *ll;
    struct event *ev;
    ln_status status;  /* LN_PROTOCOL: the arguments are no JSON */
    struct lane *lane; /* not parallel: where it runs */
};

/* A listener from the Lua arguments fn (a function) and opts (a table or nothing): raises when an
 * option is wrong. The Handle is on top of the stack; nothing is registered yet. `names` are the
 * options that are known here. event {NULL,0}: every event. */
struct lua_listener *listener_make(lua_State *L, const char *fn_name, struct ln_str event, int fn,
                                   int opts, const char *const *names, ln_id **handle);
/* Registers it: fills the handle. */
void listener_start(struct bus *b, struct lua_listener *ll, const struct listener_kind *of,
                    enum event_kind kind, ln_id *handle);
extern const struct listener_kind listener_kind; /* `of`, unless it is told in another way: */
void listener_drop(struct seat_item *it);
void listener_release(struct listener *l);
/* Cancels this script's listeners of a bus: of one name (NULL p: all), one function (index, 0:
 * all).
 */
int listener_off(lua_State *L, struct bus *b, struct ln_str name, int fn);

/* Pushes an event's arguments, decoded once for all listeners of a script; how many, or -1: they
 * are no JSON. keep: other listeners of the script may want them. */
int event_args_push(lua_State *L, struct script *s, const struct event *ev, bool keep);
/* The same without what the protocol adds (event.meta_at), for who does not look at it. */
int event_bare_push(lua_State *L, struct script *s, const struct event *ev);
/* Calls ll with values that push leaves (lua_mode.c uses it for what waited). */
int dispatch_push(lua_State *L, void *ud);
/* The event as linnet.event() shows it. */
void event_table_push(lua_State *L, const struct event *ev);

/* lua_mode.c: the event on a listener whose mode is not parallel. */
ln_status mode_dispatch(struct dispatch *d);
/* In dispatch_push, when the n values at base + 1 are there and pass: puts them into their lane.
 * May raise. */
void mode_enter(lua_State *L, struct dispatch *d, int base, int n);

void ln_open_event(lua_State *L);

#endif
