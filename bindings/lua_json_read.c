/* SPDX-License-Identifier: MIT
 *
 * JSON text straight onto the Lua stack. The members of an object are pushed first and the table is
 * made when their number is known, so that it never grows; known keys come from a cache instead of
 * Lua's string table; strings are scanned 16 bytes at a time. Nothing is built that Lua does not
 * keep. Malformed text costs nothing but the values made so far.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "bindings/lua_json_inside.h"

#define BATCH 64 /* members that wait on the stack for their table */

struct reader {
    lua_State *L;
    struct json_state *st;
    const char *p, *end, *start;
    const struct ln_str *bin;
    size_t bin_count;
    int depth, max_depth;
    const char *error;
};

static bool read_value(struct reader *r);

static bool fail(struct reader *r, const char *at, const char *error) {
    r->p = at;
    r->error = error;
    return false;
}

static inline void skip_space(struct reader *r) {
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
}

/* --- strings --- */

/* At the opening quote. The text is lent until the next string. */
static bool read_text(struct reader *r, struct ln_str *text) {
    bool high = false;
    const char *begin = r->p + 1, *p = json_plain(begin, r->end, &high);
    if (LN_LIKELY(p < r->end && *p == '"')) {
        *text = (struct ln_str){begin, (size_t)(p - begin)};
        r->p = p + 1;
        if (high && !ln_utf8_valid(text->p, text->n))
            return fail(r, begin - 1, "a string is not UTF-8");
        return true;
    }
    const char *error;
    ln_buf_clear(&r->st->scratch);
    r->p = json_unescape(begin, p, r->end, &r->st->scratch, &high, &error);
    if (error) return fail(r, r->p, error);
    *text = ln_buf_get(&r->st->scratch);
    if (!text->p) text->p = "";
    if (high && !ln_utf8_valid(text->p, text->n))
        return fail(r, begin - 1, "a string is not UTF-8");
    return true;
}

static bool read_string(struct reader *r) {
    struct ln_str text;
    if (!read_text(r, &text)) return false;
    lua_pushlstring(r->L, text.p, text.n);
    return true;
}

/* --- keys --- */

static inline uint64_t load(const char *p, size_t n) {
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

static inline unsigned key_hash(const char *p, size_t n) {
    uint64_t a, b;
    if (n >= 8) {
        a = load(p, 8);
        b = load(p + n - 8, 8);
    } else if (n >= 4) {
        a = load(p, 4);
        b = load(p + n - 4, 4);
    } else {
        a = n ? (unsigned char)p[0] : 0;
        b = n ? (uint64_t)(unsigned char)p[n / 2] << 8 | (unsigned char)p[n - 1] : 0;
    }
    uint64_t h = (a ^ (b + n) * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
    return (unsigned)(h >> 32);
}

static inline bool same_bytes(const char *a, const char *b, size_t n) {
    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8)
            if (load(a + i, 8) != load(b + i, 8)) return false;
        return load(a + n - 8, 8) == load(b + n - 8, 8);
    }
    if (n >= 4) return load(a, 4) == load(b, 4) && load(a + n - 4, 4) == load(b + n - 4, 4);
    return n == 0 || (a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1]);
}

/* Pushes the key; the hash tells duplicates apart well enough. */
static bool read_key(struct reader *r, unsigned *hash) {
    struct ln_str key;
    if (!read_text(r, &key)) return false;
    *hash = key_hash(key.p, key.n);
    if (key.n > JSON_KEY_MAX) {
        lua_pushlstring(r->L, key.p, key.n);
        return true;
    }
    struct json_key *k = &r->st->keys[*hash % JSON_KEYS];
    if (k->ref && k->n == key.n && same_bytes(k->p, key.p, key.n)) {
        lua_rawgeti(r->L, LUA_REGISTRYINDEX, k->ref);
        return true;
    }
    lua_pushlstring(r->L, key.p, key.n);
    lua_pushvalue(r->L, -1);
    if (k->ref)
        lua_rawseti(r->L, LUA_REGISTRYINDEX, k->ref);
    else
        k->ref = luaL_ref(r->L, LUA_REGISTRYINDEX);
    k->p = lua_tostring(r->L, -1);
    k->n = (uint32_t)key.n;
    return true;
}

/* --- numbers --- */

/* Text of any length that the quick way cannot do exactly. */
static double slow_double(struct reader *r, const char *begin, const char *end) {
    char small[64];
    size_t n = (size_t)(end - begin);
    if (n < sizeof small) {
        memcpy(small, begin, n);
        small[n] = '\0';
        return strtod(small, NULL);
    }
    struct ln_buf *b = &r->st->scratch;
    ln_buf_clear(b);
    ln_buf_add(b, begin, n);
    return strtod(ln_buf_cstr(b), NULL);
}

static const char *digits(const char *p, const char *end, uint64_t *v, int *count) {
    const char *begin = p;
    uint64_t n = *v;
    while (p < end && *p >= '0' && *p <= '9')
        n = n * 10 + (uint64_t)(*p++ - '0');
    *v = n; /* wrong when there were more than 19 digits: *count tells */
    *count += (int)LN_MIN(p - begin, 1000);
    return p;
}

static double make_double(struct reader *r, const char *begin, uint64_t mantissa, int count,
                          int exp, bool negative) {
    static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (count <= 19 && mantissa <= (1ull << 53) && exp >= -22 && exp <= 22) {
        double d = exp < 0 ? (double)mantissa / ten[-exp] : (double)mantissa * ten[exp];
        return negative ? -d : d; /* both are exact, so one rounding */
    }
    return slow_double(r, begin, r->p);
}

static const char *exponent(const char *p, const char *end, int *exp) {
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end || *p < '0' || *p > '9') return NULL;
    int v = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if (v < 100000) v = v * 10 + (*p - '0');
    *exp += negative ? -v : v;
    return p;
}

static bool read_number(struct reader *r) {
    const char *begin = r->p, *p = begin, *end = r->end;
    bool negative = *p == '-', is_int = true;
    uint64_t v = 0;
    int count = 0, exp = 0;
    if (negative) p++;
    if (p == end || *p < '0' || *p > '9') return fail(r, begin, "expected a value");
    const char *first = p;
    p = digits(p, end, &v, &count);
    if (*first == '0' && p - first > 1) return fail(r, begin, "a number begins with 0");
    if (p < end && *p == '.') {
        int before = count;
        is_int = false;
        p = digits(p + 1, end, &v, &count);
        if (count == before) return fail(r, begin, "a number ends with a dot");
        exp = before - count;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        is_int = false;
        p = exponent(p + 1, end, &exp);
        if (!p) return fail(r, begin, "a number has an empty exponent");
    }
    r->p = p;
    bool fits = count < 19 || (count == 19 && v <= (uint64_t)INT64_MAX + negative);
    if (is_int && fits && !(negative && v == 0))
        lua_pushinteger(r->L, negative ? (lua_Integer)(0 - v) : (lua_Integer)v);
    else
        lua_pushnumber(r->L, make_double(r, begin, v, count, exp, negative));
    return true;
}

static bool read_word(struct reader *r, const char *word, size_t n) {
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return fail(r, r->p, "expected a value");
    r->p += n;
    return true;
}

/* --- arrays and objects --- */

static bool enter(struct reader *r) {
    if (++r->depth > r->max_depth) return fail(r, r->p, "nested too deep");
    r->p++;
    skip_space(r);
    if (!lua_checkstack(r->L, 2 * BATCH + 8)) return fail(r, r->p, "nested too deep");
    return true;
}

/* More members behind a comma? False at the closing bracket, which is taken, or with r->error. */
static bool more(struct reader *r, char close, const char *error) {
    skip_space(r);
    if (r->p < r->end && *r->p == ',') {
        r->p++;
        skip_space(r);
        return true;
    }
    if (r->p < r->end && *r->p == close)
        r->p++;
    else
        fail(r, r->p, error);
    return false;
}

/* The table at `base` gets the elements above it. */
static void store_elements(struct reader *r, int base, lua_Integer *stored) {
    lua_State *L = r->L;
    int n = lua_gettop(L) - base;
    if (*stored == 0) {
        lua_createtable(L, n, 0);
        lua_replace(L, base);
    }
    for (int i = n; i > 0; i--)
        lua_rawseti(L, base, *stored + i);
    *stored += n;
}

static bool read_array(struct reader *r) {
    lua_State *L = r->L;
    lua_Integer stored = 0;
    int waiting = 0;
    if (!enter(r)) return false;
    lua_pushnil(L); /* the table's place */
    int base = lua_gettop(L);
    if (r->p < r->end && *r->p == ']') {
        r->p++;
    } else {
        do {
            if (!read_value(r)) return false;
            if (++waiting < 2 * BATCH) continue;
            store_elements(r, base, &stored);
            waiting = 0;
        } while (more(r, ']', "expected ',' or ']'"));
        if (r->error) return false;
    }
    store_elements(r, base, &stored);
    lua_rawgeti(L, LUA_REGISTRYINDEX, r->st->array_mt);
    lua_setmetatable(L, base);
    r->depth--;
    return true;
}

/* The table at `base` gets the n pairs above it. From the top down a pair costs one call, but then
 * the first of two equal keys would win: so only when there are none. */
static void store_pairs(lua_State *L, int base, int n, bool is_first, bool in_order) {
    if (is_first) {
        lua_createtable(L, 0, n);
        lua_replace(L, base);
    }
    if (!in_order) {
        for (int i = 0; i < n; i++)
            lua_rawset(L, base);
        return;
    }
    for (int i = 0; i < n; i++) {
        lua_pushvalue(L, base + 1 + 2 * i);
        lua_pushvalue(L, base + 2 + 2 * i);
        lua_rawset(L, base);
    }
    lua_settop(L, base);
}

/* {"_placeholder":true,"num":k}, which stands for an attachment. *num is -1 when it is no number.
 */
static bool is_placeholder(struct reader *r, int base, int n, lua_Integer *num) {
    lua_State *L = r->L;
    bool is_one = false;
    *num = -1;
    for (int i = base + 1; i < base + 2 * n; i += 2) {
        const char *key = lua_tostring(L, i);
        if (strcmp(key, "_placeholder") == 0)
            is_one = lua_isboolean(L, i + 1) && lua_toboolean(L, i + 1);
        if (strcmp(key, "num") == 0 && lua_isinteger(L, i + 1)) *num = lua_tointeger(L, i + 1);
    }
    return is_one;
}

static bool read_members(struct reader *r, int base) {
    lua_State *L = r->L;
    uint64_t seen = 0;
    bool is_first = true, twice = false;
    int n = 0;
    do {
        unsigned hash;
        if (r->p == r->end || *r->p != '"') return fail(r, r->p, "expected a key in quotes");
        if (!read_key(r, &hash)) return false;
        skip_space(r);
        if (r->p == r->end || *r->p != ':') return fail(r, r->p, "expected ':'");
        r->p++;
        skip_space(r);
        if (!read_value(r)) return false;
        uint64_t bit = 1ull << (hash >> 10 & 63);
        twice = twice || (seen & bit);
        seen |= bit;
        if (++n < BATCH) continue;
        store_pairs(L, base, n, is_first, true);
        is_first = false;
        n = 0;
    } while (more(r, '}', "expected ',' or '}'"));
    if (r->error) return false;
    lua_Integer num;
    if (LN_LIKELY(!r->bin) || !is_first || !is_placeholder(r, base, n, &num)) {
        store_pairs(L, base, n, is_first, twice);
        return true;
    }
    if (num < 0 || (size_t)num >= r->bin_count)
        return fail(r, r->p, "a placeholder for an attachment that is missing");
    lua_settop(L, base - 1);
    lua_pushlstring(L, r->bin[num].p, r->bin[num].n);
    return true;
}

static bool read_object(struct reader *r) {
    if (!enter(r)) return false;
    if (r->p < r->end && *r->p == '}') {
        r->p++;
        lua_newtable(r->L);
    } else {
        lua_pushnil(r->L); /* the table's place */
        if (!read_members(r, lua_gettop(r->L))) return false;
    }
    r->depth--;
    return true;
}

static bool read_value(struct reader *r) {
    if (r->p == r->end) return fail(r, r->p, "expected a value");
    switch (*r->p) {
    case '"':
        return read_string(r);
    case '{':
        return read_object(r);
    case '[':
        return read_array(r);
    case 't':
        if (!read_word(r, "true", 4)) return false;
        lua_pushboolean(r->L, true);
        return true;
    case 'f':
        if (!read_word(r, "false", 5)) return false;
        lua_pushboolean(r->L, false);
        return true;
    case 'n':
        if (!read_word(r, "null", 4)) return false;
        lua_pushlightuserdata(r->L, NULL);
        return true;
    default:
        return read_number(r);
    }
}

/* --- the whole text --- */

static int failed(struct reader *r, int top, struct ln_err *err) {
    int line = 1, column = 1;
    for (const char *p = r->start; p < r->p; p++) {
        column++;
        if (*p != '\n') continue;
        line++;
        column = 1;
    }
    lua_settop(r->L, top);
    ln_fail(err, LN_INVALID, "line %d, column %d: %s", line, column, r->error);
    return -1;
}

int json_decode(lua_State *L, struct ln_str text, bool is_list, const struct ln_str *bin,
                size_t bin_count, int max_depth, struct ln_err *err) {
    static const char nothing[1];
    struct reader r = {.L = L,
                       .st = json_state(L),
                       .start = text.p ? text.p : nothing,
                       .bin = bin,
                       .bin_count = bin_count,
                       .max_depth = max_depth};
    int top = lua_gettop(L), count = 0;
    r.p = r.start;
    r.end = r.start + text.n;
    skip_space(&r);
    if (is_list && r.p == r.end) return 0;
    for (;;) {
        if (!lua_checkstack(L, 8)) fail(&r, r.p, "too many values");
        if (r.error || !read_value(&r)) return failed(&r, top, err);
        count++;
        skip_space(&r);
        if (r.p == r.end) return count;
        if (!is_list || *r.p != ',') {
            fail(&r, r.p, is_list ? "expected ','" : "something follows the value");
            return failed(&r, top, err);
        }
        r.p++;
        skip_space(&r);
    }
}

int lua_json_decode_args(lua_State *L, struct ln_str args, const struct ln_str *bin,
                         size_t bin_count, struct ln_err *err) {
    return json_decode(L, args, true, bin, bin_count, JSON_DEPTH, err);
}

bool lua_json_decode(lua_State *L, struct ln_str text, struct ln_err *err) {
    return json_decode(L, text, false, NULL, 0, JSON_DEPTH, err) == 1;
}
