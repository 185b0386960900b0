/* SPDX-License-Identifier: MIT
 *
 * What identifies us to a server, as JSON: secrets are plain in it, and the same table is the same
 * text always (keys in order), so that a reload sees whether an option changed.
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "bindings/lua_host.h"

/* Replaces the value on top by a copy in which secrets are plain. */
static void reveal(lua_State *L, int depth) {
    struct ln_str plain;
    if (secret_get(L, -1, &plain)) {
        lua_pop(L, 1);
        lua_pushlstring(L, plain.p, plain.n);
        return;
    }
    if (lua_type(L, -1) != LUA_TTABLE || depth > 20) return;
    luaL_checkstack(L, 6, "nested too deep");
    int from = lua_gettop(L);
    lua_newtable(L);
    if (luaL_getmetafield(L, from, "__metatable") != LUA_TNIL) {
        bool is_array = lua_json_array_shown(L, -1);
        lua_pop(L, 1);
        if (is_array) lua_json_mark_array(L);
    }
    for (lua_pushnil(L); lua_next(L, from);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        reveal(L, depth + 1);
        lua_rawset(L, from + 1);
    }
    lua_remove(L, from);
}

struct member {
    struct ln_str key, value;
};

static int by_key(const void *a, const void *b) {
    const struct member *x = a, *y = b;
    size_t n = LN_MIN(x->key.n, y->key.n);
    int order = n ? memcmp(x->key.p, y->key.p, n) : 0;
    if (order) return order;
    return x->key.n < y->key.n ? -1 : x->key.n > y->key.n;
}

static void add_sorted(struct ln_buf *out, struct ln_str json);

static void add_object(struct ln_buf *out, struct ln_str json) {
    struct member *list = NULL, m;
    size_t n = 0, cap = 0;
    for (size_t pos = 0; ln_json_each(json, &pos, &m.key, &m.value);) {
        if (n == cap) {
            cap = cap * 2 + 8;
            list = ln_realloc(list, cap * sizeof *list);
        }
        list[n++] = m;
    }
    if (n) qsort(list, n, sizeof *list, by_key);
    ln_buf_putc(out, '{');
    for (size_t i = 0; i < n; i++) {
        ln_buf_puts(out, i ? ",\"" : "\"");
        ln_buf_str(out, list[i].key);
        ln_buf_puts(out, "\":");
        add_sorted(out, list[i].value);
    }
    ln_buf_putc(out, '}');
    ln_free(list);
}

static void add_sorted(struct ln_buf *out, struct ln_str json) {
    enum ln_json_type type = ln_json_peek(json);
    struct ln_str item;
    bool first = true;
    if (type == LN_JSON_OBJECT) {
        add_object(out, json);
    } else if (type == LN_JSON_ARRAY) {
        for (size_t pos = 0; ln_json_each(json, &pos, NULL, &item); first = false) {
            ln_buf_putc(out, first ? '[' : ',');
            add_sorted(out, item);
        }
        ln_buf_puts(out, first ? "[]" : "]");
    } else {
        ln_buf_str(out, json);
    }
}

bool out_private_try(lua_State *L, int idx, struct ln_str *json, struct ln_err *err) {
    lua_pushvalue(L, idx);
    reveal(L, 0);
    struct ln_buf *out = api_out(L);
    bool ok = lua_json_encode(L, -1, out, err);
    lua_pop(L, 1);
    if (!ok) return false;
    struct ln_buf sorted = {0};
    add_sorted(&sorted, ln_buf_get(out));
    ln_buf_clear(out);
    ln_buf_str(out, ln_buf_get(&sorted));
    ln_buf_free(&sorted);
    *json = ln_buf_get(out);
    return true;
}

struct ln_str out_private(lua_State *L, const char *fn, int idx) {
    struct ln_err err;
    struct ln_str json;
    if (!out_private_try(L, idx, &json, &err)) script_fail(L, "%s: %s", fn, err.text);
    return json;
}
