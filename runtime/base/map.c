/* SPDX-License-Identifier: MIT
 *
 * The hash map: a dense array of entries in insertion order, and an index of twice its size into
 * it (linear probing, so at least half of the index is free). A removed entry keeps its place, in
 * the array and in the index, until the array is full; then the live ones move together.
 * The hash is SipHash-1-3 (Aumasson and Bernstein) under a key of this process.
 */
#include "base/map.h"

#include "base/crypt.h"
#include "base/mem.h"

#define CAP_MIN 2   /* most maps stay small, and each connection has some */
#define CAP_PLAIN 8 /* up to here the entries are looked through, without an index */

static uint64_t rotl(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word) {
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint32_t ln_hash(struct ln_str s) {
    static uint64_t key[2];
    static bool has_key;
    if (LN_UNLIKELY(!has_key)) {
        ln_random_real(key, sizeof key); /* a fake one would shift what a test draws after it */
        has_key = true;
    }
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t word;
        memcpy(&word, s.p + i, 8);
        sip_word(v, word);
    }
    uint64_t last = (uint64_t)s.n << 56;
    for (int shift = 0; i < s.n; i++, shift += 8)
        last |= (uint64_t)(unsigned char)s.p[i] << shift;
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    uint64_t h = v[0] ^ v[1] ^ v[2] ^ v[3];
    return (uint32_t)(h ^ h >> 32);
}

static void free_key(const struct ln_map *m, const char *key) {
    if (!m->lent) ln_free((char *)(uintptr_t)key);
}

void ln_map_free(struct ln_map *m) {
    for (size_t i = 0; i < m->used; i++)
        free_key(m, m->entries[i].key);
    ln_free(m->entries);
    ln_free(m->index);
    *m = (struct ln_map){.lent = m->lent};
}

static struct ln_map_entry *find(const struct ln_map *m, struct ln_str key, uint32_t hash) {
    for (size_t i = 0; !m->index && i < m->used; i++) {
        struct ln_map_entry *e = &m->entries[i];
        if (e->hash == hash && e->key && ln_str_eq((struct ln_str){e->key, e->n}, key)) return e;
    }
    size_t mask = (size_t)m->cap * 2 - 1;
    for (size_t i = hash & mask; m->index && m->index[i]; i = (i + 1) & mask) {
        struct ln_map_entry *e = &m->entries[m->index[i] - 1];
        if (e->hash == hash && e->key && ln_str_eq((struct ln_str){e->key, e->n}, key)) return e;
    }
    return NULL;
}

void *ln_map_get(const struct ln_map *m, struct ln_str key) {
    if (m->count == 0) return NULL;
    const struct ln_map_entry *e = find(m, key, ln_hash(key));
    return e ? e->value : NULL;
}

static void index_add(struct ln_map *m, size_t entry) {
    if (!m->index) return;
    size_t mask = (size_t)m->cap * 2 - 1;
    size_t i = m->entries[entry].hash & mask;
    while (m->index[i])
        i = (i + 1) & mask;
    m->index[i] = (uint32_t)entry + 1;
}

/* New arrays with room for as many again as are live. */
static void rebuild(struct ln_map *m) {
    uint32_t cap = CAP_MIN;
    while (cap < m->count * 2)
        cap *= 2;
    struct ln_map next = {.entries = ln_realloc(NULL, cap * sizeof *m->entries),
                          .count = m->count,
                          .cap = cap & INT32_MAX,
                          .lent = m->lent};
    if (cap > CAP_PLAIN) next.index = ln_alloc((size_t)cap * 2 * sizeof *m->index);
    for (size_t i = 0; i < m->used; i++) {
        if (!m->entries[i].key) continue;
        next.entries[next.used] = m->entries[i];
        index_add(&next, next.used++);
    }
    ln_free(m->entries);
    ln_free(m->index);
    *m = next;
}

void *ln_map_set(struct ln_map *m, struct ln_str key, void *value) {
    uint32_t hash = ln_hash(key);
    struct ln_map_entry *e = m->count ? find(m, key, hash) : NULL;
    if (e) {
        void *old = e->value;
        e->value = value;
        if (m->lent) e->key = key.p;
        return old;
    }
    if (m->used == m->cap) rebuild(m);
    m->entries[m->used] =
        (struct ln_map_entry){m->lent ? key.p : ln_str_dup(key), (uint32_t)key.n, hash, value};
    index_add(m, m->used++);
    m->count++;
    return NULL;
}

void *ln_map_remove(struct ln_map *m, struct ln_str key) {
    struct ln_map_entry *e = m->count ? find(m, key, ln_hash(key)) : NULL;
    if (!e) return NULL;
    void *value = e->value;
    const char *own = e->key;
    e->key = NULL;
    e->value = NULL;
    m->count--;
    free_key(m, own); /* last: the caller's key may be this very copy, while walking */
    return value;
}

bool ln_map_next(const struct ln_map *m, size_t *i, struct ln_str *key, void **value) {
    while (*i < m->used) {
        const struct ln_map_entry *e = &m->entries[(*i)++];
        if (!e->key) continue;
        if (key) *key = (struct ln_str){e->key, e->n};
        if (value) *value = e->value;
        return true;
    }
    return false;
}
