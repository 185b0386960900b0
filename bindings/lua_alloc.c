/* SPDX-License-Identifier: MIT
 *
 * The allocator of script states. Lua tells every block's size when it frees it, so small blocks
 * need no header: they are cut from bigger ones and kept in one free list for each size class.
 * Under AddressSanitizer free blocks are poisoned, so that a use after free is seen all the same.
 */
#include "bindings/lua_alloc.h"

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define HIDE(p, n) __asan_poison_memory_region((p), (n))
#define SHOW(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define HIDE(p, n) ((void)0)
#define SHOW(p, n) ((void)0)
#endif

enum {
    STEP = 16,
    SMALL_MAX = 512,
    CLASSES = SMALL_MAX / STEP,
    CHUNK_MIN = 4096,
    CHUNK_MAX = 65536
};

struct chunk {
    struct chunk *next;
    char bytes[] __attribute__((aligned(STEP)));
};

struct arena {
    size_t *used;
    const size_t *limit;
    struct chunk *chunks;
    char *at, *end; /* what is left of the newest chunk */
    void *free[CLASSES];
};

struct arena *arena_new(size_t *used, const size_t *limit) {
    struct arena *a = ln_new(struct arena);
    a->used = used;
    a->limit = limit;
    return a;
}

void arena_free(struct arena *a) {
    while (a->chunks) {
        struct chunk *c = a->chunks;
        a->chunks = c->next;
        ln_free(c);
    }
    ln_free(a);
}

static size_t class_of(size_t n) {
    return (n - 1) / STEP;
}

static void *take_small(struct arena *a, size_t size) {
    size_t class = class_of(size), bytes = (class + 1) * STEP;
    void *p = a->free[class];
    if (LN_LIKELY(p != NULL)) {
        SHOW(p, bytes);
        memcpy(&a->free[class], p, sizeof p);
        return p;
    }
    if (LN_UNLIKELY((size_t)(a->end - a->at) < bytes)) {
        size_t chunk_size = LN_MIN(LN_MAX(*a->used / 4, CHUNK_MIN), CHUNK_MAX);
        struct chunk *c = ln_realloc(NULL, sizeof *c + chunk_size);
        c->next = a->chunks;
        a->chunks = c;
        a->at = c->bytes;
        a->end = c->bytes + chunk_size;
    }
    p = a->at;
    a->at += bytes;
    return p;
}

static void give_small(struct arena *a, void *p, size_t size) {
    size_t class = class_of(size);
    memcpy(p, &a->free[class], sizeof p);
    a->free[class] = p;
    HIDE(p, (class + 1) * STEP);
}

static void *take(struct arena *a, size_t size) {
    return size <= SMALL_MAX ? take_small(a, size) : ln_realloc(NULL, size);
}

static void give(struct arena *a, void *p, size_t size) {
    if (size <= SMALL_MAX)
        give_small(a, p, size);
    else
        ln_free(p);
}

void *arena_alloc(void *arena, void *p, size_t old_size, size_t size) {
    struct arena *a = arena;
    if (!p) old_size = 0; /* it is the kind of the object then */
    if (size == 0) {
        if (p && old_size) give(a, p, old_size);
        *a->used -= old_size;
        return NULL;
    }
    if (size > old_size && size - old_size > *a->limit - LN_MIN(*a->used, *a->limit)) return NULL;
    *a->used += size - old_size;
    if (!old_size) return take(a, size);
    if (old_size > SMALL_MAX && size > SMALL_MAX) return ln_realloc(p, size);
    if (old_size <= SMALL_MAX && size <= SMALL_MAX && class_of(old_size) == class_of(size))
        return p;
    void *q = take(a, size);
    memcpy(q, p, LN_MIN(old_size, size));
    give(a, p, old_size);
    return q;
}
