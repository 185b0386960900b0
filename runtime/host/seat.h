/* SPDX-License-Identifier: MIT
 *
 * A seat: a loaded script or plugin, and everything it owns. Each registration is an item in the
 * seat's list; unloading is dropping the list, so nothing can be forgotten. What a script holds of
 * an item is its id.
 */
#ifndef LN_SEAT_H
#define LN_SEAT_H

#include "base/list.h"
#include "base/slot.h"

enum seat_state {
    SEAT_TRIAL, /* loading: registrations are made but silent */
    SEAT_LIVE,
    SEAT_DEAD /* being unloaded, or killed: nothing of it is called any more */
};

struct seat {
    char *name; /* "bot" */
    char *path; /* "bot.lua" as given, for people */
    enum seat_state state;
    struct ln_list items; /* struct seat_item.node */
    size_t item_count;
    int reloads;            /* versions of the script before this one, since it was loaded */
    unsigned guards;        /* bits of its engine: what is refused while it is stopped */
    struct ln_slots *slots; /* the program's handle table, shared by all seats */
    const struct engine *engine;
    void *impl; /* the engine's own struct */
    /* NULL, or called when a live seat's last item ends, from inside that: to be noted, no more. */
    void (*on_empty)(void *ud);
    void *on_empty_ud;
};

struct seat_item;
struct seat_kind {    /* of items */
    const char *what; /* "listener" "timer" "task" …, for counts and messages */
    /* Ends the item: releases its resources. Called once, the item is out of the list already. */
    void (*drop)(struct seat_item *it);
    /* NULL, or: the seat went from trial to live; start what was held back. Not called for items
     * that are added to a live seat. */
    void (*go_live)(struct seat_item *it);
};
struct seat_item {
    struct ln_list node;
    ln_id id;
    struct seat *seat; /* NULL once dropped */
    const struct seat_kind *kind;
};

struct seat *seat_new(struct ln_slots *slots, const char *name, const char *path);
void seat_free(struct seat *s); /* drops all items, newest first; then the struct */
void seat_own(struct seat *s, struct seat_item *it, const struct seat_kind *kind);
/* Out of the seat and dropped. Fine to call twice or from inside the item's own callback. */
void seat_drop(struct seat_item *it);
void seat_drop_all(struct seat *s);
void seat_go_live(struct seat *s); /* trial -> live; calls go_live of the items, oldest first */
struct seat_item *seat_item_of(struct ln_slots *slots, ln_id id, const char *what); /* or NULL */
size_t seat_count(const struct seat *s, const char *what);                          /* NULL: all */

#define SEAT_KIND 1 /* the kind of a seat item in the handle table */

#endif
