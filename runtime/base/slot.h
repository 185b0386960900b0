/* SPDX-License-Identifier: MIT
 *
 * Generational handles: a 64-bit id that stands for a pointer and goes dead for ever when the
 * object is dropped, however soon the place is used again. Scripts, timers and waiting coroutines
 * hold ids, never pointers: the reason nothing dangles.
 */
#ifndef LN_SLOT_H
#define LN_SLOT_H

#include "base/ln.h"

typedef uint64_t ln_id; /* index + 1 in the low 32 bits, generation in the high; 0 is never valid */

struct ln_slot { /* internal */
    union {
        void *p;
        uint32_t next_free;
    };
    uint32_t generation;
    uint16_t kind; /* 0: free */
};

/* A zeroed struct is an empty table. */
struct ln_slots {
    struct ln_slot *v;
    uint32_t cap, used, free_head, count;
};

void ln_slots_free(struct ln_slots *t);
/* kind (not 0) guards against an id of one thing used for another. */
ln_id ln_slot_put(struct ln_slots *t, void *p, uint16_t kind);
void *ln_slot_get(const struct ln_slots *t, ln_id id, uint16_t kind); /* NULL when dead */
void *ln_slot_drop(struct ln_slots *t, ln_id id);                     /* the pointer, or NULL */

#endif
