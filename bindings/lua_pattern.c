/* SPDX-License-Identifier: MIT
 *
 * string.find, match, gmatch and gsub with a step limit, so that no pattern can hold up the loop;
 * written from the reference manual (6.4.1). A step is one item tried against one byte; what a
 * linear scan of the subject needs is always allowed. The matcher also looks at the kill flag.
 */
#include <ctype.h>
#include <lualib.h>

#include "bindings/lua_sandbox.h"
#include "bindings/lua_task.h"

#define STEPS_MAX 10000000
#define STEPS_PER_BYTE 32
#define STEPS_AT_ONCE 4096 /* between two looks at the kill flag */
#define DEPTH_MAX 200
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

static const char *match(struct matcher *m, const char *s, const char *p);

/* --- steps --- */

static void matcher_init(struct matcher *m, lua_State *L, struct ln_str src, struct ln_str pat) {
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

/* n bytes were passed by the C library: cheaper, but not for nothing. */
static void steps(struct matcher *m, size_t n) {
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
    steps(m, n);
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

static const char *match_at(struct matcher *m, const char *s, const char *p) {
    m->captures = 0;
    m->depth = 0;
    return match(m, s, p);
}

/* --- results --- */

/* Capture i of the match [s, e): its bytes, or n = CAPTURE_POSITION. */
static ptrdiff_t capture_get(struct matcher *m, int i, const char *s, const char *e,
                             const char **begin) {
    if (i >= m->captures) {
        if (i != 0) luaL_error(m->L, "invalid capture index %%%d", i + 1);
        *begin = s;
        return e - s;
    }
    *begin = m->capture[i].begin;
    if (m->capture[i].n == CAPTURE_OPEN) luaL_error(m->L, "unfinished capture");
    return m->capture[i].n;
}

static void push_capture(struct matcher *m, int i, const char *s, const char *e) {
    const char *begin;
    ptrdiff_t n = capture_get(m, i, s, e, &begin);
    if (n == CAPTURE_POSITION)
        lua_pushinteger(m->L, begin - m->src + 1);
    else
        lua_pushlstring(m->L, begin, (size_t)n);
}

/* All captures; the whole match when there are none and `whole`. */
static int push_captures(struct matcher *m, const char *s, const char *e, bool whole) {
    int n = m->captures == 0 && whole ? 1 : m->captures;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, s, e);
    return n;
}

/* --- find, match --- */

static struct ln_str check_str(lua_State *L, int idx) {
    struct ln_str s;
    s.p = luaL_checklstring(L, idx, &s.n);
    return s;
}

/* A position as the manual counts it, from 0; negative ones from the end. */
static size_t start_of(lua_State *L, int idx, size_t n) {
    lua_Integer i = luaL_optinteger(L, idx, 1);
    if (i > 0) return (size_t)i - 1;
    if (i == 0 || i < -(lua_Integer)n) return 0;
    return n + (size_t)i;
}

static bool is_plain(struct ln_str pat) {
    for (size_t i = 0; i < pat.n; i++)
        if (strchr("^$*+?.([%-", pat.p[i]) && pat.p[i]) return false;
    return true;
}

static int find_plain(lua_State *L, struct ln_str s, struct ln_str pat, size_t start) {
    const char *from = s.p + start;
    const char *at = pat.n ? memmem(from, s.n - start, pat.p, pat.n) : from;
    if (!at) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - s.p + 1);
    lua_pushinteger(L, at - s.p + (lua_Integer)pat.n);
    return 2;
}

/* The pattern begins with a byte that stands for itself, once: where it occurs next. */
static const char *skip_to(struct matcher *m, const char *s, const char *p) {
    if (p >= m->pat_end || strchr("^$*+?.([%-)", *p)) return s;
    if (p + 1 < m->pat_end && strchr("*?-", p[1])) return s;
    const char *at = memchr(s, *p, (size_t)(m->src_end - s));
    steps(m, (size_t)((at ? at : m->src_end) - s));
    return at ? at : m->src_end;
}

static int find_or_match(lua_State *L, bool is_find) {
    struct ln_str s = check_str(L, 1), pat = check_str(L, 2);
    size_t start = start_of(L, 3, s.n);
    script_check(L);
    if (start > s.n) {
        lua_pushnil(L);
        return 1;
    }
    if (is_find && (lua_toboolean(L, 4) || is_plain(pat))) return find_plain(L, s, pat, start);
    struct matcher m;
    matcher_init(&m, L, s, pat);
    const char *p = pat.p, *at = s.p + start, *end;
    bool is_anchored = pat.n && *p == '^';
    if (is_anchored) p++;
    do {
        if (!is_anchored) at = skip_to(&m, at, p);
        if (!(end = match_at(&m, at, p))) continue;
        if (!is_find) return push_captures(&m, at, end, true);
        lua_pushinteger(L, at - s.p + 1);
        lua_pushinteger(L, end - s.p);
        return push_captures(&m, at, end, false) + 2;
    } while (at++ < m.src_end && !is_anchored);
    lua_pushnil(L);
    return 1;
}

/* string.find(s, pattern, init?, plain?) -> first, last, ... | nil */
static int l_find(lua_State *L) {
    return find_or_match(L, true);
}

/* string.match(s, pattern, init?) -> ... | nil */
static int l_match(lua_State *L) {
    return find_or_match(L, false);
}

/* --- gmatch --- */

/* Upvalues: s, pattern, where to go on, where the last match ended (-1: there was none). */
static int gmatch_next(lua_State *L) {
    struct ln_str s = check_str(L, lua_upvalueindex(1)), pat = check_str(L, lua_upvalueindex(2));
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    struct matcher m;
    script_check(L);
    matcher_init(&m, L, s, pat);
    for (const char *p = s.p + at; at <= (lua_Integer)s.n && p <= m.src_end; p++) {
        p = skip_to(&m, p, pat.p);
        const char *end = match_at(&m, p, pat.p);
        if (!end || end - s.p == last) continue;
        lua_pushinteger(L, end - s.p);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(&m, p, end, true);
    }
    return 0;
}

/* string.gmatch(s, pattern, init?) -> iterator */
static int l_gmatch(lua_State *L) {
    struct ln_str s = check_str(L, 1);
    check_str(L, 2);
    size_t start = start_of(L, 3, s.n);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)LN_MIN(start, s.n + 1));
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* --- gsub --- */

/* The replacement text with %0 to %9 filled in. */
static void add_template(struct matcher *m, luaL_Buffer *b, const char *s, const char *e) {
    struct ln_str t;
    t.p = lua_tolstring(m->L, 3, &t.n);
    for (const char *p = t.p, *end = t.p + t.n; p < end; p++) {
        const char *mark = memchr(p, '%', (size_t)(end - p));
        luaL_addlstring(b, p, (size_t)((mark ? mark : end) - p));
        if (!mark) return;
        p = mark + 1;
        char c = p < end ? *p : '\0';
        const char *begin;
        if (c == '%') {
            luaL_addchar(b, c);
        } else if (c == '0') {
            luaL_addlstring(b, s, (size_t)(e - s));
        } else if (isdigit((unsigned char)c)) {
            ptrdiff_t n = capture_get(m, c - '1', s, e, &begin);
            if (n == CAPTURE_POSITION) {
                lua_pushinteger(m->L, begin - m->src + 1);
                luaL_addvalue(b);
            } else {
                luaL_addlstring(b, begin, (size_t)n);
            }
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
}

/* Adds what replaces the match [s, e); false: the match itself. */
static bool add_value(struct matcher *m, luaL_Buffer *b, const char *s, const char *e, int kind) {
    lua_State *L = m->L;
    if (kind == LUA_TFUNCTION) {
        script_check(L);
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, e, true), 1);
    } else if (kind == LUA_TTABLE) {
        push_capture(m, 0, s, e);
        lua_gettable(L, 3);
    } else {
        add_template(m, b, s, e);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, s, (size_t)(e - s));
        return false;
    }
    if (!lua_isstring(L, -1))
        return luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1)) != 0;
    luaL_addvalue(b);
    return true;
}

/* string.gsub(s, pattern, replacement, n?) -> text, count */
static int l_gsub(lua_State *L) {
    struct ln_str s = check_str(L, 1), pat = check_str(L, 2);
    int kind = lua_type(L, 3);
    luaL_argexpected(L,
                     kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TFUNCTION ||
                         kind == LUA_TTABLE,
                     3, "string/function/table");
    lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)s.n + 1), count = 0;
    struct matcher m;
    luaL_Buffer b;
    script_check(L);
    matcher_init(&m, L, s, pat);
    luaL_buffinit(L, &b);
    const char *p = pat.p, *at = s.p, *last = NULL;
    bool is_anchored = pat.n && *p == '^', is_changed = false;
    if (is_anchored) p++;
    while (count < max) {
        const char *from = at, *end;
        if (!is_anchored) at = skip_to(&m, at, p);
        luaL_addlstring(&b, from, (size_t)(at - from));
        end = match_at(&m, at, p);
        if (end && end != last) {
            count++;
            is_changed = add_value(&m, &b, at, end, kind) || is_changed;
            at = last = end;
        } else if (at < m.src_end) {
            luaL_addchar(&b, *at++);
        } else {
            break;
        }
        if (is_anchored) break;
    }
    if (is_changed) {
        luaL_addlstring(&b, at, (size_t)(m.src_end - at));
        luaL_pushresult(&b);
    } else {
        lua_pushvalue(L, 1);
    }
    lua_pushinteger(L, count);
    return 2;
}

void pattern_open(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch}, {"gsub", l_gsub}, {NULL, NULL}};
    lua_getglobal(L, LUA_STRLIBNAME);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
