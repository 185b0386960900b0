/* SPDX-License-Identifier: MIT
 *
 * The matcher of Lua patterns, with its step limit; lua_pattern.c makes string.find and its kin of
 * it.
 */
#ifndef LN_LUA_MATCH_H
#define LN_LUA_MATCH_H

#include "bindings/lua_engine.h"

#define CAPTURES_MAX 32

enum { CAPTURE_OPEN = -1, CAPTURE_POSITION = -2 };

struct matcher {
    lua_State *L;
    const char *src, *src_end, *pat_end;
    size_t left, reserve; /* steps: until the next look, and after it */
    size_t limit;
    int depth, captures;
    struct {
        const char *begin;
        ptrdiff_t n;
    } capture[CAPTURES_MAX];
};

void matcher_init(struct matcher *m, lua_State *L, struct ln_str src, struct ln_str pat);
/* n bytes were passed without the matcher: cheaper, but not for nothing. Raises like match_at. */
void matcher_skip(struct matcher *m, size_t n);
/* Where the match of the pattern from p on, at s, ends; or NULL. Raises for malformed patterns,
 * when the steps are used up, and when the script was killed. */
const char *match_at(struct matcher *m, const char *s, const char *p);

#endif
