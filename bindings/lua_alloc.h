/* SPDX-License-Identifier: MIT
 *
 * A script's memory: Lua's allocator with free lists by size, which is also the memory cap. All of
 * it goes back when the state closes.
 */
#ifndef LN_LUA_ALLOC_H
#define LN_LUA_ALLOC_H

#include "base/ln.h"

struct arena;
/* *used counts the bytes that Lua holds; a request that would pass *limit is refused. */
struct arena *arena_new(size_t *used, const size_t *limit);
void arena_free(struct arena *a);
void *arena_alloc(void *arena, void *p, size_t old_size, size_t size); /* a lua_Alloc */

#endif
