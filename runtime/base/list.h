/* SPDX-License-Identifier: MIT
 *
 * Intrusive doubly linked list with a sentinel. A node that is in no list points at itself, so
 * removing twice is harmless.
 */
#ifndef LN_LIST_H
#define LN_LIST_H

#include "base/ln.h"

struct ln_list {
    struct ln_list *next, *prev;
};

static inline void ln_list_init(struct ln_list *l) {
    l->next = l->prev = l;
}
static inline bool ln_list_empty(const struct ln_list *l) {
    return l->next == l;
}
static inline void ln_list_remove(struct ln_list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    ln_list_init(node);
}
/* The node must be in no list. */
static inline void ln_list_push(struct ln_list *list, struct ln_list *node) {
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}
static inline void ln_list_unshift(struct ln_list *list, struct ln_list *node) {
    ln_list_push(list->next, node);
}
/* Walks; the current node may be removed (and freed) in the body, no other one. */
#define LN_LIST_EACH(list, it, tmp)                                                                \
    for (struct ln_list *it = (list)->next, *tmp = it->next; it != (list); it = tmp, tmp = it->next)

#endif
