/* SPDX-License-Identifier: MIT
 *
 * string.find, match, gmatch and gsub on our own matcher (lua_match.c), with the results and the
 * errors of the stock library.
 */
#include <ctype.h>
#include <lualib.h>

#include "bindings/lua_match.h"
#include "bindings/lua_sandbox.h"
#include "bindings/lua_task.h"

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
    matcher_skip(m, (size_t)((at ? at : m->src_end) - s));
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
