/* SPDX-License-Identifier: MIT
 *
 * The types of the API and the handles: userdata that hold ids, never pointers, whose unknown
 * members raise with the nearest known name, and whose metatables scripts cannot reach.
 */
#include "base/text.h"
#include "bindings/lua_args.h"

#define NAMES_MAX 64

/* All members of a type: methods, then fields. Returns how many are methods. */
static int names_of(const struct type_desc *t, const char **names) {
    int n = 0, methods;
    for (const luaL_Reg *r = t->methods; r->name && n < NAMES_MAX - 1; r++)
        names[n++] = r->name;
    methods = n;
    for (int i = 0; t->fields && t->fields[i] && n < NAMES_MAX - 1; i++)
        names[n++] = t->fields[i];
    names[n] = NULL;
    return methods;
}

static int fail_member(lua_State *L, const struct type_desc *t) {
    if (lua_type(L, 2) != LUA_TSTRING)
        return script_fail(L, "a %s has no member of type %s", t->name, luaL_typename(L, 2));
    const char *names[NAMES_MAX];
    int methods = names_of(t, names);
    struct ln_str key;
    key.p = lua_tolstring(L, 2, &key.n);
    const char *near = ln_nearest(key, names);
    int at = 0;
    while (near && names[at] != near)
        at++;
    if (!near)
        return script_fail(L, "no method or field '%.*s' on %s", (int)LN_MIN(key.n, 60), key.p,
                           t->name);
    return script_fail(L, "no %s '%.*s' on %s (did you mean '%s'?)",
                       at < methods ? "method" : "field", (int)LN_MIN(key.n, 60), key.p, t->name,
                       near);
}

static int type_index(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
    const struct type_desc *t = lua_touserdata(L, lua_upvalueindex(2));
    if (lua_type(L, 2) == LUA_TSTRING && t->fields) {
        const char *name = lua_tostring(L, 2);
        for (int i = 0; t->fields[i]; i++)
            if (strcmp(t->fields[i], name) == 0) return t->field(L, t->fields[i]);
    }
    return fail_member(L, t);
}

static int type_newindex(lua_State *L) {
    const struct type_desc *t = lua_touserdata(L, lua_upvalueindex(1));
    return script_fail(L, "a %s cannot be changed: '%s' cannot be set", t->name,
                       luaL_tolstring(L, 2, NULL));
}

void type_register(lua_State *L, const struct type_desc *t) {
    if (!luaL_newmetatable(L, t->key)) {
        lua_pop(L, 1);
        return;
    }
    lua_newtable(L);
    luaL_setfuncs(L, t->methods, 0);
    lua_pushlightuserdata(L, (void *)(uintptr_t)t);
    lua_pushcclosure(L, type_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pushlightuserdata(L, (void *)(uintptr_t)t);
    lua_pushcclosure(L, type_newindex, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushstring(L, t->name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    if (t->meta) luaL_setfuncs(L, t->meta, 0);
    lua_pop(L, 1);
}

void *type_check(lua_State *L, int idx, const struct type_desc *t, const char *fn) {
    void *p = luaL_testudata(L, idx, t->key);
    if (!p)
        script_fail(L, "%s: call it with ':' on a %s (got %s)", fn, t->name,
                    lua_isnoneornil(L, idx) ? "nothing" : luaL_typename(L, idx));
    return p;
}

/* --- handles --- */

static const struct type_desc handle_type;

static struct seat_item *item_of(lua_State *L, ln_id id) {
    return ln_slot_get(&app_of(L)->slots, id, SEAT_KIND);
}

/* handle:cancel() -> boolean */
static int l_handle_cancel(lua_State *L) {
    ln_id *id = type_check(L, 1, &handle_type, "handle:cancel");
    struct seat_item *it = item_of(L, *id);
    if (it) seat_drop(it);
    lua_pushboolean(L, it != NULL);
    return 1;
}

static int handle_close(lua_State *L) {
    ln_id *id = luaL_testudata(L, 1, handle_type.key);
    struct seat_item *it = id ? item_of(L, *id) : NULL;
    if (it) seat_drop(it);
    return 0;
}

static int handle_field(lua_State *L, const char *name) {
    (void)name; /* `active` is the only one */
    ln_id *id = lua_touserdata(L, 1);
    lua_pushboolean(L, item_of(L, *id) != NULL);
    return 1;
}

static int handle_text(lua_State *L) {
    ln_id *id = luaL_testudata(L, 1, handle_type.key);
    struct seat_item *it = id ? item_of(L, *id) : NULL;
    lua_pushfstring(L, "Handle (%s)", it ? it->kind->what : "cancelled");
    return 1;
}

static const luaL_Reg handle_methods[] = {{"cancel", l_handle_cancel}, {NULL, NULL}};
static const luaL_Reg handle_meta[] = {
    {"__close", handle_close}, {"__tostring", handle_text}, {NULL, NULL}};
static const char *const handle_fields[] = {"active", NULL};
static const struct type_desc handle_type = {
    .key = "linnet.Handle",
    .name = "Handle",
    .methods = handle_methods,
    .fields = handle_fields,
    .field = handle_field,
    .meta = handle_meta,
};

void items_check(lua_State *L) {
    if (script_of(L)->seat->item_count >= ITEMS_MAX)
        script_fail(L,
                    "the script has %d handlers, timers and tasks already: is one made again and "
                    "again, and never cancelled?",
                    ITEMS_MAX);
}

ln_id *handle_push(lua_State *L) {
    items_check(L);
    ln_id *id = lua_newuserdatauv(L, sizeof *id, 0);
    *id = 0;
    type_register(L, &handle_type);
    luaL_setmetatable(L, handle_type.key);
    return id;
}
