/* SPDX-License-Identifier: MIT
 *
 * The plugin table: its check, its save and restore at a reload, its dispose at the end.
 */
#include "bindings/lua_plugin.h"

#include "base/mem.h"
#include "base/text.h"
#include "bindings/lua_json.h"
#include "bindings/lua_task.h"

static const struct field {
    const char *name;
    int type;
} fields[] = {{"name", LUA_TSTRING},       {"version", LUA_TSTRING},   {"requires", LUA_TTABLE},
              {"permissions", LUA_TTABLE}, {"init", LUA_TFUNCTION},    {"dispose", LUA_TFUNCTION},
              {"save", LUA_TFUNCTION},     {"restore", LUA_TFUNCTION}, {"exports", LUA_TTABLE},
              {"library", LUA_TBOOLEAN}};

static void check_field(lua_State *L, const char *path) {
    const char *names[LN_COUNT(fields) + 1] = {NULL};
    if (lua_type(L, -2) != LUA_TSTRING)
        luaL_error(L, "%s: the returned plugin table has a key of type %s", path,
                   luaL_typename(L, -2));
    const char *key = lua_tostring(L, -2);
    for (size_t i = 0; i < LN_COUNT(fields); i++) {
        names[i] = fields[i].name;
        if (strcmp(key, fields[i].name) != 0) continue;
        if (lua_type(L, -1) == fields[i].type) return;
        luaL_error(L, "%s: the plugin's '%s' must be a %s, not a %s", path, key,
                   lua_typename(L, fields[i].type), luaL_typename(L, -1));
    }
    const char *near = ln_nearest(ln_str(key), names);
    if (near)
        luaL_error(L, "%s: unknown field '%s' in the returned plugin table (did you mean '%s'?)",
                   path, key, near);
    luaL_error(L, "%s: unknown field '%s' in the returned plugin table", path, key);
}

/* --- versions --- */

static bool parse_version(struct ln_str s, int out[3]) {
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        out[i] = 0;
        if (i > 0 && at == s.n) continue;
        if (i > 0 && s.p[at++] != '.') return false;
        size_t begin = at;
        while (at < s.n && at - begin < 6 && s.p[at] >= '0' && s.p[at] <= '9')
            out[i] = out[i] * 10 + (s.p[at++] - '0');
        if (at == begin) return false;
    }
    return at == s.n;
}

static struct ln_str word(struct ln_str *rest) {
    while (rest->n && *rest->p == ' ')
        rest->p++, rest->n--;
    struct ln_str w = {rest->p, 0};
    while (w.n < rest->n && w.p[w.n] != ' ')
        w.n++;
    rest->p += w.n;
    rest->n -= w.n;
    return w;
}

static bool compare(int order, struct ln_str op, bool *known) {
    *known = true;
    if (ln_str_is(op, ">=")) return order >= 0;
    if (ln_str_is(op, ">")) return order > 0;
    if (ln_str_is(op, "=") || ln_str_is(op, "==")) return order == 0;
    if (ln_str_is(op, "<")) return order < 0;
    if (ln_str_is(op, "<=")) return order <= 0;
    return *known = false;
}

bool version_meets(struct ln_str want, const char *name, const char *version, struct ln_err *err) {
    struct ln_str rest = want, who = word(&rest), op = word(&rest), number = word(&rest);
    int have[3], need[3], order = 0;
    bool known = true;
    if (!ln_str_is(who, name)) return true;
    if (!op.n) return true;
    bool ok = parse_version(ln_str(version), have) && parse_version(number, need);
    for (int i = 0; ok && i < 3 && order == 0; i++)
        order = have[i] - need[i];
    bool met = ok && compare(order, op, &known);
    if (!ok || !known)
        ln_fail(err, LN_INVALID, "'%.*s' cannot be read: write it like \"%s >= 1.2\"", LN_FMT(want),
                name);
    else if (!met)
        ln_fail(err, LN_INVALID, "it requires %.*s, but this is %s %s", LN_FMT(want), name,
                version);
    return met;
}

static void check_requires(lua_State *L, struct script *s) {
    struct ln_err err;
    lua_pushliteral(L, "requires");
    if (lua_rawget(L, -2) == LUA_TTABLE) {
        for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++, lua_pop(L, 1)) {
            struct ln_str want = {NULL, 0};
            if (lua_type(L, -1) == LUA_TSTRING) want.p = lua_tolstring(L, -1, &want.n);
            bool is_ours = ln_str_starts(want, "linnet ") || ln_str_is(want, "linnet");
            if (!(is_ours ? version_meets(want, "linnet", LN_VERSION, &err)
                          : use_requirement(s, want, &err)))
                luaL_error(L, "%s: %s", s->seat->path, err.text);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void plugin_check(lua_State *L, struct script *s) {
    const char *path = s->seat->path;
    if (lua_type(L, -1) != LUA_TTABLE)
        luaL_error(L, "%s: a script returns nothing, or a plugin table; not a %s", path,
                   luaL_typename(L, -1));
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        check_field(L, path);
    check_requires(L, s);
}

/* --- save and restore --- */

/* Pushes the plugin's function of that name and the plugin itself; false: it has none. */
static bool push_method(lua_State *L, struct script *s, const char *name) {
    if (s->plugin == LUA_NOREF) return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->plugin);
    lua_pushstring(L, name);
    if (lua_rawget(L, -2) != LUA_TFUNCTION) {
        lua_pop(L, 2);
        return false;
    }
    lua_insert(L, -2);
    return true;
}

static int save_now(lua_State *L, void *ud) {
    struct ln_buf *out = ud;
    struct ln_err err;
    struct script *s = script_of(L);
    if (!push_method(L, s, "save")) return 0;
    lua_call(L, 1, 1);
    if (!lua_isnil(L, -1) && !lua_json_encode(L, -1, out, &err))
        return luaL_error(L, "%s: save: %s", s->seat->path, err.text);
    return 0;
}

bool plugin_save(struct script *s, struct ln_buf *out, struct ln_err *err) {
    size_t before = out->n;
    err->text[0] = '\0';
    return lua_call_c(s, "save", save_now, out, err) && out->n > before;
}

void plugin_restore(lua_State *L, struct script *s) {
    struct ln_err err;
    if (push_method(L, s, "restore")) {
        if (!lua_json_decode(L, ln_buf_get(&s->saved), &err))
            luaL_error(L, "%s: restore: %s", s->seat->path, err.text);
        ln_buf_clear(&s->saved);
        lua_call(L, 2, 0);
    }
    ln_buf_clear(&s->saved);
}

int plugin_restore_now(lua_State *L, void *ud) {
    (void)ud;
    plugin_restore(L, script_of(L));
    return 0;
}

/* --- dispose --- */

struct disposer {
    struct seat_item item;
    struct script *script;
    int fn;
    const char *reason;
};

static void disposer_drop(struct seat_item *it) {
    struct disposer *d = LN_CONTAINER(it, struct disposer, item);
    lua_call_unref(d->script, d->fn);
    ln_free(d);
}

static const struct seat_kind disposer_kind = {"dispose", disposer_drop, NULL};

ln_id disposer_add(struct script *s, int fn) {
    struct disposer *d = ln_new(struct disposer);
    d->script = s;
    d->fn = fn;
    seat_own(s->seat, &d->item, &disposer_kind);
    return d->item.id;
}

static int push_reason(lua_State *L, void *ud) {
    struct disposer *d = ud;
    lua_pushstring(L, d->reason);
    return 1;
}

static void log_failure(struct script *s, const struct ln_err *err) {
    struct lua_call c = {.script = s, .what = "dispose"};
    if (!s->killed) failure_log(s, &c, err, NULL);
}

static struct disposer *newest_disposer(struct script *s) {
    for (struct ln_list *n = s->seat->items.prev; n != &s->seat->items; n = n->prev) {
        struct seat_item *it = LN_CONTAINER(n, struct seat_item, node);
        if (it->kind == &disposer_kind) return LN_CONTAINER(it, struct disposer, item);
    }
    return NULL;
}

static const char *const reasons[] = {"stop", "reload", "disabled"};

static int dispose_now(lua_State *L, void *ud) {
    const enum unload_reason *why = ud;
    if (!push_method(L, script_of(L), "dispose")) return 0;
    lua_pushstring(L, reasons[*why]);
    lua_call(L, 2, 0);
    return 0;
}

void script_dispose(struct script *s, enum unload_reason why) {
    struct ln_err err;
    struct disposer *d;
    while (!s->killed && (d = newest_disposer(s))) {
        d->reason = reasons[why];
        ln_id id = d->item.id;
        if (!lua_call_now(s, d->fn, "dispose", push_reason, NULL, d, &err)) log_failure(s, &err);
        struct seat_item *it =
            seat_item_of(s->seat->slots, id, "dispose"); /* it may cancel itself */
        if (it) seat_drop(it);
    }
    if (!s->killed && !lua_call_c(s, "dispose", dispose_now, &why, &err)) log_failure(s, &err);
}
