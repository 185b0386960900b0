/* SPDX-License-Identifier: MIT
 *
 * The handle table: places with a generation, and a free list through them. A place whose
 * generations are used up is never given out again; that takes four thousand million objects.
 */
#include "base/slot.h"

#include "base/mem.h"

void ln_slots_free(struct ln_slots *t) {
    ln_free(t->v);
    *t = (struct ln_slots){0};
}

static struct ln_slot *find(const struct ln_slots *t, ln_id id) {
    uint32_t place = (uint32_t)id;
    if (place == 0 || place > t->used) return NULL;
    struct ln_slot *s = &t->v[place - 1];
    return s->kind && s->generation == (uint32_t)(id >> 32) ? s : NULL;
}

ln_id ln_slot_put(struct ln_slots *t, void *p, uint16_t kind) {
    uint32_t place = t->free_head;
    if (place) {
        t->free_head = t->v[place - 1].next_free;
    } else {
        if (t->used == t->cap) {
            t->cap = t->cap ? t->cap * 2 : 8;
            t->v = ln_realloc(t->v, t->cap * sizeof *t->v);
        }
        place = ++t->used;
        t->v[place - 1] = (struct ln_slot){.generation = 1};
    }
    struct ln_slot *s = &t->v[place - 1];
    s->p = p;
    s->kind = kind;
    t->count++;
    return (uint64_t)s->generation << 32 | place;
}

void *ln_slot_get(const struct ln_slots *t, ln_id id, uint16_t kind) {
    const struct ln_slot *s = find(t, id);
    return s && s->kind == kind ? s->p : NULL;
}

void *ln_slot_drop(struct ln_slots *t, ln_id id) {
    struct ln_slot *s = find(t, id);
    if (!s) return NULL;
    void *p = s->p;
    s->kind = 0;
    t->count--;
    if (s->generation < UINT32_MAX) {
        s->generation++;
        s->next_free = t->free_head;
        t->free_head = (uint32_t)id;
    }
    return p;
}
