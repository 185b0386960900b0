/* SPDX-License-Identifier: MIT
 *
 * Hash map from byte strings to pointers; keys are copied. Seeded at process start, so that a peer
 * who chooses the keys cannot choose the collisions. Iteration order is insertion order.
 */
#ifndef LN_MAP_H
#define LN_MAP_H

#include "base/ln.h"

struct ln_map_entry {
    const char *key; /* 0-terminated copy, or the caller's; NULL in an entry that was removed */
    uint32_t n, hash;
    void *value;
};

uint32_t ln_hash(struct ln_str s); /* the map's, for tables of another kind */

/* A zeroed struct is an empty map. Keys are shorter than 4 GiB. With `lent` (set while it is empty)
 * they are not copied: each belongs to its value, which is taken out before it is freed; a value
 * that replaces another brings its own key. */
struct ln_map {
    struct ln_map_entry *entries; /* dense, in insertion order */
    uint32_t *index;              /* entry number + 1; 0 = free. NULL while the map is small */
    uint32_t used, count;         /* entries used (with holes), live */
    uint32_t cap : 31;            /* allocated */
    uint32_t lent : 1;
};

void ln_map_free(struct ln_map *m); /* keys only; values are the caller's */
void *ln_map_get(const struct ln_map *m, struct ln_str key); /* NULL when absent */
/* Sets and returns the value that was there before, or NULL. value must not be NULL. */
void *ln_map_set(struct ln_map *m, struct ln_str key, void *value);
void *ln_map_remove(struct ln_map *m, struct ln_str key); /* the value removed, or NULL */
/* Walks: start with *i = 0; false at the end. Removing the current entry while walking is fine;
 * adding is not. */
bool ln_map_next(const struct ln_map *m, size_t *i, struct ln_str *key, void **value);

#endif
