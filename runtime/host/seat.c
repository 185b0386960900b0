/* SPDX-License-Identifier: MIT
 *
 * Seats: who owns what. Used by every module that registers something on behalf of a script. The
 * one idea: an item is in exactly one seat's list and in the handle table, or it is dropped, and
 * dropping is the only way out.
 */
#include "host/seat.h"

#include <string.h>

#include "base/mem.h"

struct seat *seat_new(struct ln_slots *slots, const char *name, const char *path) {
    struct seat *s = ln_new(struct seat);
    s->name = ln_strdup(name);
    s->path = ln_strdup(path);
    s->state = SEAT_TRIAL;
    s->slots = slots;
    ln_list_init(&s->items);
    return s;
}

void seat_free(struct seat *s) {
    if (!s) return;
    s->state = SEAT_DEAD;
    seat_drop_all(s);
    ln_free(s->name);
    ln_free(s->path);
    ln_free(s);
}

void seat_own(struct seat *s, struct seat_item *it, const struct seat_kind *kind) {
    it->seat = s;
    it->kind = kind;
    it->id = ln_slot_put(s->slots, it, SEAT_KIND);
    ln_list_init(&it->node);
    ln_list_push(&s->items, &it->node);
    s->item_count++;
}

void seat_drop(struct seat_item *it) {
    struct seat *s = it->seat;
    if (!s) return;
    ln_list_remove(&it->node);
    ln_slot_drop(s->slots, it->id);
    s->item_count--;
    it->seat = NULL;
    if (s->item_count == 0 && s->state == SEAT_LIVE && s->on_empty) s->on_empty(s->on_empty_ud);
    it->kind->drop(it); /* may free the item: nothing of it is touched behind this line */
}

void seat_drop_all(struct seat *s) {
    /* Not a walk: a drop may drop others, or even add one that must go as well. */
    while (!ln_list_empty(&s->items))
        seat_drop(LN_CONTAINER(s->items.prev, struct seat_item, node));
}

void seat_go_live(struct seat *s) {
    if (s->state != SEAT_TRIAL) return;
    s->state = SEAT_LIVE;
    /* By id: what starts may drop items, its own seat included, and what it adds is live already.
     */
    struct ln_slots *slots = s->slots;
    size_t n = 0;
    ln_id *ids = ln_alloc((s->item_count + 1) * sizeof *ids);
    LN_LIST_EACH (&s->items, node, next)
        ids[n++] = LN_CONTAINER(node, struct seat_item, node)->id;
    for (size_t i = 0; i < n; i++) {
        struct seat_item *it = ln_slot_get(slots, ids[i], SEAT_KIND);
        if (it && it->kind->go_live) it->kind->go_live(it);
    }
    ln_free(ids);
}

struct seat_item *seat_item_of(struct ln_slots *slots, ln_id id, const char *what) {
    struct seat_item *it = ln_slot_get(slots, id, SEAT_KIND);
    return it && strcmp(it->kind->what, what) == 0 ? it : NULL;
}

size_t seat_count(const struct seat *s, const char *what) {
    if (!what) return s->item_count;
    size_t n = 0;
    LN_LIST_EACH (&s->items, node, next)
        n += strcmp(LN_CONTAINER(node, struct seat_item, node)->kind->what, what) == 0;
    return n;
}
