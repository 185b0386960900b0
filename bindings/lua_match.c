/* SPDX-License-Identifier: MIT
 *
 * Matching Lua patterns by backtracking, written from the reference manual (6.4.1). A step is one
 * item tried against one byte; what a linear scan of the subject needs is always allowed, more than
 * ten million beyond that is an error, so that no pattern can hold up the loop.
 */
#include "bindings/lua_match.h"

#include <ctype.h>

#include "bindings/lua_task.h"

#define STEPS_MAX 10000000
#define STEPS_PER_BYTE 32
#define STEPS_AT_ONCE 4096 /* between two looks at the kill flag */
#define DEPTH_MAX 200

static const char *match(struct matcher *m, const char *s, const char *p);

/* --- steps --- */

void matcher_init(struct matcher *m, lua_State *L, struct ln_str src, struct ln_str pat) {
    m->L = L;
    m->src = src.p;
    m->src_end = src.p + src.n;
    m->pat_end = pat.p + pat.n;
    m->limit = LN_MAX(STEPS_MAX, src.n * STEPS_PER_BYTE);
    m->left = STEPS_AT_ONCE;
    m->reserve = m->limit - STEPS_AT_ONCE;
    m->depth = m->captures = 0;
}

static void refill(struct matcher *m) {
    script_check(m->L);
    if (m->reserve == 0) script_fail(m->L, "pattern too complex (%zu steps)", m->limit);
    m->left = LN_MIN(m->reserve, STEPS_AT_ONCE);
    m->reserve -= m->left;
}

static inline void step(struct matcher *m) {
    if (LN_UNLIKELY(m->left-- == 0)) {
        m->left = 0;
        refill(m);
    }
}

void matcher_skip(struct matcher *m, size_t n) {
    for (n /= 8; n > 0;) {
        size_t now = LN_MIN(n, m->left);
        m->left -= now;
        n -= now;
        if (n > 0) refill(m);
    }
}

/* --- single items: a byte, a class, a set --- */

/* Behind the item at p (without its quantifier). */
static const char *item_end(struct matcher *m, const char *p) {
    char c = *p++;
    if (c == '%') {
        if (p == m->pat_end) luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (c != '[') return p;
    if (p < m->pat_end && *p == '^') p++;
    for (bool is_first = true;; is_first = false) {
        if (p == m->pat_end) luaL_error(m->L, "malformed pattern (missing ']')");
        if (*p == ']' && !is_first) return p + 1;
        if (*p++ == '%') { /* %] does not end the set */
            if (p == m->pat_end) luaL_error(m->L, "malformed pattern (missing ']')");
            p++;
        }
    }
}

static bool in_class(int c, int class) {
    int found;
    switch (tolower(class)) {
    case 'a':
        found = isalpha(c);
        break;
    case 'c':
        found = iscntrl(c);
        break;
    case 'd':
        found = isdigit(c);
        break;
    case 'g':
        found = isgraph(c);
        break;
    case 'l':
        found = islower(c);
        break;
    case 'p':
        found = ispunct(c);
        break;
    case 's':
        found = isspace(c);
        break;
    case 'u':
        found = isupper(c);
        break;
    case 'w':
        found = isalnum(c);
        break;
    case 'x':
        found = isxdigit(c);
        break;
    case 'z': /* of old: the zero byte */
        found = c == 0;
        break;
    default:
        return class == c;
    }
    return (found != 0) != (isupper(class) != 0);
}

/* p is behind the [, last is at the ]. */
static bool in_set(int c, const char *p, const char *last) {
    bool is_in = true;
    if (*p == '^') {
        is_in = false;
        p++;
    }
    while (p < last) {
        if (*p == '%') {
            if (in_class(c, (unsigned char)p[1])) return is_in;
            p += 2;
        } else if (p[1] == '-' && p + 2 < last) {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2]) return is_in;
            p += 3;
        } else {
            if ((unsigned char)*p == c) return is_in;
            p++;
        }
    }
    return !is_in;
}

/* Does the item [p, end) match the byte at s? */
static inline bool item_matches(struct matcher *m, const char *s, const char *p, const char *end) {
    step(m);
    if (s >= m->src_end) return false;
    int c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(c, p + 1, end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* --- quantifiers --- */

static const char *match_most(struct matcher *m, const char *s, const char *p, const char *end) {
    ptrdiff_t n = 0;
    while (item_matches(m, s + n, p, end))
        n++;
    for (; n >= 0; n--) {
        const char *found = match(m, s + n, end + 1);
        if (found) return found;
    }
    return NULL;
}

static const char *match_least(struct matcher *m, const char *s, const char *p, const char *end) {
    for (;; s++) {
        const char *found = match(m, s, end + 1);
        if (found) return found;
        if (!item_matches(m, s, p, end)) return NULL;
    }
}

/* --- captures --- */

static const char *open_capture(struct matcher *m, const char *s, const char *p, ptrdiff_t kind) {
    if (m->captures >= CAPTURES_MAX) luaL_error(m->L, "too many captures");
    m->capture[m->captures].begin = s;
    m->capture[m->captures].n = kind;
    m->captures++;
    const char *found = match(m, s, p);
    if (!found) m->captures--;
    return found;
}

static const char *close_capture(struct matcher *m, const char *s, const char *p) {
    int i = m->captures - 1;
    while (i >= 0 && m->capture[i].n != CAPTURE_OPEN)
        i--;
    if (i < 0) luaL_error(m->L, "invalid pattern capture");
    m->capture[i].n = s - m->capture[i].begin;
    const char *found = match(m, s, p);
    if (!found) m->capture[i].n = CAPTURE_OPEN;
    return found;
}

/* %1 to %9: the text of that capture again; behind it, or NULL. */
static const char *match_again(struct matcher *m, const char *s, int digit) {
    int i = digit - '1';
    if (i < 0 || i >= m->captures || m->capture[i].n == CAPTURE_OPEN) {
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
        return NULL;
    }
    if (m->capture[i].n == CAPTURE_POSITION) return NULL;
    size_t n = (size_t)m->capture[i].n;
    if ((size_t)(m->src_end - s) < n) return NULL;
    matcher_skip(m, n);
    return memcmp(m->capture[i].begin, s, n) == 0 ? s + n : NULL;
}

/* --- %b and %f --- */

/* p is behind %b. */
static const char *match_balance(struct matcher *m, const char *s, const char *p) {
    if (p + 1 >= m->pat_end) luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->src_end || *s != p[0]) return NULL;
    size_t open = 1;
    while (++s < m->src_end) {
        step(m);
        if (*s == p[1]) {
            if (--open == 0) return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

/* p is behind %f; *end is set behind the set. */
static bool match_frontier(struct matcher *m, const char *s, const char *p, const char **end) {
    if (p >= m->pat_end || *p != '[') luaL_error(m->L, "missing '[' after '%%f' in pattern");
    *end = item_end(m, p);
    int before = s == m->src ? '\0' : (unsigned char)s[-1];
    int here = s == m->src_end ? '\0' : (unsigned char)*s;
    return !in_set(before, p + 1, *end - 1) && in_set(here, p + 1, *end - 1);
}

/* --- the matcher --- */

/* One item with its quantifier. True: go on at *s and *p. False: *s is the result. */
static bool match_item(struct matcher *m, const char **s, const char **p) {
    const char *end = item_end(m, *p), *found;
    switch (end < m->pat_end ? *end : '\0') {
    case '?':
        if (item_matches(m, *s, *p, end) && (found = match(m, *s + 1, end + 1))) {
            *s = found;
            return false;
        }
        *p = end + 1;
        return true;
    case '+':
        *s = item_matches(m, *s, *p, end) ? match_most(m, *s + 1, *p, end) : NULL;
        return false;
    case '*':
        *s = match_most(m, *s, *p, end);
        return false;
    case '-':
        *s = match_least(m, *s, *p, end);
        return false;
    default:
        if (!item_matches(m, *s, *p, end)) {
            *s = NULL;
            return false;
        }
        ++*s;
        *p = end;
        return true;
    }
}

/* %b %f %1: true when it was one of them (*s NULL: no match). */
static bool match_special(struct matcher *m, const char **s, const char **p) {
    const char *after = *p + 2;
    if (*p + 1 >= m->pat_end) return false;
    char kind = (*p)[1];
    if (kind == 'b') {
        *s = match_balance(m, *s, after);
        *p = after + 2;
        return true;
    }
    if (kind == 'f') {
        const char *end;
        if (!match_frontier(m, *s, after, &end)) *s = NULL;
        *p = end;
        return true;
    }
    if (!isdigit((unsigned char)kind)) return false;
    *s = match_again(m, *s, kind);
    *p = after;
    return true;
}

static const char *match_rest(struct matcher *m, const char *s, const char *p) {
    while (p != m->pat_end) {
        step(m);
        switch (*p) {
        case '(':
            if (p + 1 < m->pat_end && p[1] == ')')
                return open_capture(m, s, p + 2, CAPTURE_POSITION);
            return open_capture(m, s, p + 1, CAPTURE_OPEN);
        case ')':
            return close_capture(m, s, p + 1);
        case '$':
            if (p + 1 == m->pat_end) return s == m->src_end ? s : NULL;
            break;
        case '%':
            if (!match_special(m, &s, &p)) break;
            if (!s) return NULL;
            continue;
        }
        if (!match_item(m, &s, &p)) return s;
    }
    return s;
}

/* Where the match of p at s ends, or NULL. */
static const char *match(struct matcher *m, const char *s, const char *p) {
    if (++m->depth > DEPTH_MAX) luaL_error(m->L, "pattern too complex");
    const char *end = match_rest(m, s, p);
    m->depth--;
    return end;
}

const char *match_at(struct matcher *m, const char *s, const char *p) {
    m->captures = 0;
    m->depth = 0;
    return match(m, s, p);
}
