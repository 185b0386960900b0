/* SPDX-License-Identifier: MIT
 *
 * Lua values as JSON text. Never raises: what cannot be said in JSON is an error in words. A table
 * is an array when it is marked as one or its keys are 1 to n; it is walked once, and only a table
 * whose numbers come out of order is looked at twice.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "bindings/lua_json_inside.h"
#include "bindings/lua_task.h"

struct writer {
    lua_State *L;
    struct ln_buf *out;
    struct lua_json_bins *bins;
    const struct json_opts *o;
    const struct script *script; /* NULL in a state of the host's own */
    size_t max;                  /* of out->n */
    int array_mt;                /* registry reference; LUA_NOREF when nothing was marked yet */
    int depth;
    const void *above[JSON_DEPTH_MAX + 1];
    struct ln_err *err;
};

static bool write_value(struct writer *w, int idx);

/* What is shared many times makes any amount of text, or work, of little memory. */
static bool has_room(struct writer *w, size_t n) {
    if (LN_LIKELY(w->out->n + n <= w->max && !(w->script && w->script->killed))) return true;
    if (w->out->n + n > w->max)
        ln_fail(w->err, LN_FULL, "the text becomes larger than the script's memory limit");
    else
        failure_killed(w->script, w->err);
    return false;
}

/* --- strings and numbers --- */

static bool write_string(struct writer *w, struct ln_str s) {
    struct ln_buf *out = w->out;
    const char *p = s.p, *end = s.p + s.n;
    bool high = false;
    if (!has_room(w, s.n + 2)) return false;
    char *room = ln_buf_room(out, s.n + 2); /* all of it, when nothing needs an escape */
    *room = '"';
    out->n++;
    for (;;) {
        const char *stop = json_plain(p, end, &high);
        ln_buf_add(out, p, (size_t)(stop - p));
        if (stop == end) break;
        unsigned char c = (unsigned char)*stop;
        static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
        const char *known = c ? strchr(from, c) : NULL;
        if (known) {
            ln_buf_putc(out, '\\');
            ln_buf_putc(out, to[known - from]);
        } else {
            ln_buf_fmt(out, "\\u%04x", c);
        }
        if (!has_room(w, 1)) return false;
        p = stop + 1;
    }
    ln_buf_putc(out, '"');
    if (high && !ln_utf8_valid(s.p, s.n)) {
        ln_fail(w->err, LN_INVALID, "a string is not UTF-8: mark bytes by linnet.binary(s)");
        return false;
    }
    return true;
}

static bool write_number(struct writer *w, int idx) {
    if (lua_isinteger(w->L, idx)) {
        ln_buf_int(w->out, lua_tointeger(w->L, idx));
        return true;
    }
    double d = lua_tonumber(w->L, idx);
    if (!isfinite(d)) {
        if (w->o->nan_null) {
            ln_buf_puts(w->out, "null");
            return true;
        }
        ln_fail(w->err, LN_INVALID, "%s cannot be JSON", isnan(d) ? "NaN" : "infinity");
        return false;
    }
    if (w->o->precision)
        ln_buf_fmt(w->out, "%.*g", w->o->precision, d);
    else
        ln_json_double(w->out, d);
    return true;
}

/* --- tables --- */

static bool enter(struct writer *w, int idx) {
    const void *t = lua_topointer(w->L, idx);
    if (!has_room(w, 2)) return false;
    if (w->depth < w->o->encode_depth && lua_checkstack(w->L, 6)) {
        w->above[w->depth++] = t;
        return true;
    }
    for (int i = 0; i < w->depth; i++) {
        if (w->above[i] != t) continue;
        ln_fail(w->err, LN_INVALID, "a table contains itself");
        return false;
    }
    ln_fail(w->err, LN_INVALID, "nested deeper than %d", w->o->encode_depth);
    return false;
}

static bool bad_key(struct writer *w, int idx, const char *why) {
    char key[60];
    if (lua_type(w->L, idx) == LUA_TSTRING)
        snprintf(key, sizeof key, "'%.40s'", lua_tostring(w->L, idx));
    else if (lua_isinteger(w->L, idx))
        snprintf(key, sizeof key, "%lld", (long long)lua_tointeger(w->L, idx));
    else
        snprintf(key, sizeof key, "of type %s", luaL_typename(w->L, idx));
    ln_fail(w->err, LN_INVALID, "key %s: %s", key, why);
    return false;
}

/* Elements 1 to n; holes are null (the caller has decided). */
static bool write_elements(struct writer *w, int idx, lua_Integer n) {
    ln_buf_putc(w->out, '[');
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1) ln_buf_putc(w->out, ',');
        lua_rawgeti(w->L, idx, i);
        bool ok = write_value(w, lua_gettop(w->L));
        lua_pop(w->L, 1);
        if (!ok) return false;
    }
    ln_buf_putc(w->out, ']');
    return true;
}

/* Numbers out of order: 1 to n after all, or sparse. *convert: write an object. */
static bool measure(struct writer *w, int idx, lua_Integer *max, bool *convert) {
    lua_State *L = w->L;
    const struct json_opts *o = w->o;
    lua_Integer count = 0, top = 0;
    *convert = false;
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1) {
            bool is_bad = !o->sparse_convert || !lua_isinteger(L, -2);
            if (is_bad)
                bad_key(w, -2, "a table is either a list with the keys 1, 2, 3 … or an object");
            if (is_bad) lua_pop(L, 2);
            if (is_bad) return false;
            *convert = true;
        }
        count++;
        top = LN_MAX(top, lua_tointeger(L, -2));
    }
    *max = top;
    if (*convert || top == count) return true;
    if (o->sparse_ratio >= 0 &&
        (o->sparse_ratio == 0 || top <= o->sparse_safe || top <= count * o->sparse_ratio))
        return true;
    *convert = o->sparse_convert;
    if (*convert) return true;
    lua_pushinteger(L, top);
    bad_key(w, -1, "a list has holes below it: fill them with linnet.null");
    lua_pop(L, 1);
    return false;
}

static bool write_key(struct writer *w, int idx) {
    if (lua_type(w->L, idx) == LUA_TSTRING) {
        struct ln_str s;
        s.p = lua_tolstring(w->L, idx, &s.n);
        return write_string(w, s);
    }
    ln_buf_fmt(w->out, "\"%lld\"", (long long)lua_tointeger(w->L, idx));
    return true;
}

/* The first pair is on the stack. numbers: keys that are numbers are written as text. */
static bool write_pairs(struct writer *w, int idx, bool numbers) {
    lua_State *L = w->L;
    char before = '{';
    do {
        int value = lua_gettop(L), type = lua_type(L, value - 1);
        bool ok = type == LUA_TSTRING || (numbers && lua_isinteger(L, value - 1));
        if (!ok)
            bad_key(w, value - 1,
                    type == LUA_TNUMBER
                        ? "a table is either a list with the keys 1, 2, 3 … or an object"
                        : "keys of objects are strings");
        ln_buf_putc(w->out, before);
        before = ',';
        ok = ok && write_key(w, value - 1);
        ln_buf_putc(w->out, ':');
        ok = ok && write_value(w, value);
        lua_settop(L, value - 1);
        if (!ok) {
            lua_pop(L, 1);
            return false;
        }
    } while (lua_next(L, idx));
    ln_buf_putc(w->out, '}');
    return true;
}

static bool write_unordered(struct writer *w, int idx) {
    lua_Integer n;
    bool convert;
    if (!measure(w, idx, &n, &convert)) return false;
    if (!convert) return write_elements(w, idx, n);
    lua_pushnil(w->L);
    lua_next(w->L, idx);
    return write_pairs(w, idx, true);
}

/* The first pair, whose key is a number, is on the stack. */
static bool write_list(struct writer *w, int idx) {
    lua_State *L = w->L;
    size_t begin = w->out->n;
    lua_Integer i = 0;
    char before = '[';
    do {
        int value = lua_gettop(L);
        if (!lua_isinteger(L, value - 1) || lua_tointeger(L, value - 1) != ++i) {
            w->out->n = begin;
            lua_settop(L, value - 2);
            return write_unordered(w, idx);
        }
        ln_buf_putc(w->out, before);
        before = ',';
        bool ok = write_value(w, value);
        lua_settop(L, ok ? value - 1 : value - 2);
        if (!ok) return false;
    } while (lua_next(L, idx));
    ln_buf_putc(w->out, ']');
    return true;
}

static bool has_metatable(struct writer *w, int idx, int ref) {
    if (ref == LUA_NOREF || !lua_getmetatable(w->L, idx)) return false;
    lua_rawgeti(w->L, LUA_REGISTRYINDEX, ref);
    bool same = lua_rawequal(w->L, -1, -2);
    lua_pop(w->L, 2);
    return same;
}

static bool write_table(struct writer *w, int idx) {
    lua_State *L = w->L;
    if (!enter(w, idx)) return false;
    bool ok = true;
    lua_pushnil(L);
    if (!lua_next(L, idx))
        ln_buf_puts(w->out, w->o->empty_array || has_metatable(w, idx, w->array_mt) ? "[]" : "{}");
    else if (lua_type(L, -2) == LUA_TNUMBER)
        ok = write_list(w, idx);
    else
        ok = write_pairs(w, idx, false);
    w->depth--;
    return ok;
}

/* --- other values --- */

static bool write_binary(struct writer *w, int idx) {
    struct lua_json_bins *b = w->bins;
    struct ln_str bytes;
    if (!b || !lua_json_binary(w->L, idx, &bytes)) {
        ln_fail(w->err, LN_INVALID,
                b ? "a userdata value cannot be JSON"
                  : "binary data cannot be sent here, only in events");
        return false;
    }
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 4;
        b->v = ln_realloc(b->v, b->cap * sizeof *b->v);
    }
    ln_buf_fmt(w->out, "{\"_placeholder\":true,\"num\":%zu}", b->n);
    b->v[b->n++] = bytes;
    return true;
}

static bool write_value(struct writer *w, int idx) {
    lua_State *L = w->L;
    struct ln_str s;
    switch (lua_type(L, idx)) {
    case LUA_TSTRING:
        s.p = lua_tolstring(L, idx, &s.n);
        return write_string(w, s);
    case LUA_TNUMBER:
        return write_number(w, idx);
    case LUA_TTABLE:
        return write_table(w, idx);
    case LUA_TBOOLEAN:
        ln_buf_puts(w->out, lua_toboolean(L, idx) ? "true" : "false");
        return true;
    case LUA_TNIL:
        ln_buf_puts(w->out, "null");
        return true;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, idx)) {
            ln_buf_puts(w->out, "null");
            return true;
        }
        if (lua_touserdata(L, idx) == json_empty_array) {
            ln_buf_puts(w->out, "[]");
            return true;
        }
        break;
    case LUA_TUSERDATA:
        if (lua_json_binary(L, idx, &s)) return write_binary(w, idx);
        break;
    }
    ln_fail(w->err, LN_INVALID, "a %s cannot be JSON", luaL_typename(L, idx));
    return false;
}

bool json_encode(lua_State *L, int first, int last, struct ln_buf *out, struct lua_json_bins *bins,
                 const struct json_opts *o, struct ln_err *err) {
    const struct script *s = script_of(L); /* NULL in a state of the host's own (lua_config.c) */
    const struct json_state *st = s ? s->json : NULL;
    struct writer w; /* not cleared: `above` is as big as JSON is deep, and used up to depth only */
    w.L = L;
    w.out = out;
    w.bins = bins;
    w.o = o;
    w.script = s;
    w.max = out->n + (s ? s->mem_limit : SCRIPT_MEMORY);
    w.array_mt = st ? st->array_mt : LUA_NOREF;
    w.depth = 0;
    w.err = err;
    size_t begin = out->n;
    int top = lua_gettop(L);
    for (int i = first; i <= last; i++) {
        if (i > first) ln_buf_putc(out, ',');
        if (write_value(&w, i)) continue;
        out->n = begin;
        lua_settop(L, top);
        return false;
    }
    return true;
}

bool lua_json_encode_args(lua_State *L, int first, int last, struct ln_buf *out,
                          struct lua_json_bins *bins, struct ln_err *err) {
    if (first < 0) first = lua_absindex(L, first);
    if (last < 0) last = lua_absindex(L, last); /* 0 stays 0: nothing from 1 on */
    return json_encode(L, first, last, out, bins, &json_defaults, err);
}
