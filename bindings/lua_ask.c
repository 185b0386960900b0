/* SPDX-License-Identifier: MIT
 *
 * Functions among the options of a connection: auth, headers, query. The host asks before every
 * attempt, and to renew a token while connected; each function is a call of its own, which may
 * wait. The script that gave them last answers; if it is stopped meanwhile, the attempt fails.
 */
#include "base/mem.h"
#include "bindings/lua_conn.h"
#include "bindings/lua_host.h"
#include "bindings/lua_modules.h"

const struct use_function use_functions[USE_ASKED] = {
    [USE_AUTH] = {"auth", "auth function", ASK_AUTH},
    [USE_HEADERS] = {"headers", "headers function", ASK_HEADERS},
    [USE_QUERY] = {"query", "query function", ASK_QUERY},
};

struct asking { /* one call of one function */
    struct seat_item item;
    struct script *script;
    ln_id conn, ticket;
    unsigned what;
    const char *name; /* "auth function" */
    const char *reason;
    int attempt;
};

static void answer(struct asking *a, struct ln_str json, const struct ln_err *err) {
    struct conn *c = conn_of_handle(a->script->app->clients, a->conn);
    ln_id ticket = a->ticket;
    a->ticket = 0;
    if (c && ticket) conn_answer(c, ticket, a->what, json, err);
}

static void asking_drop(struct seat_item *it) {
    struct asking *a = LN_CONTAINER(it, struct asking, item);
    struct ln_err err;
    ln_fail(&err, LN_CANCELLED, "the script with the %s was stopped", a->name);
    answer(a, (struct ln_str){0}, &err);
    ln_free(a);
}

static const struct seat_kind asking_kind = {"auth", asking_drop, NULL};

static int asking_push(lua_State *L, void *ud) {
    const struct asking *a = ud;
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, a->attempt);
    lua_setfield(L, -2, "attempt");
    lua_pushstring(L, a->reason);
    lua_setfield(L, -2, "reason");
    return 1;
}

bool use_result(lua_State *L, int n, const char *name, struct ln_str *json, struct ln_err *why) {
    struct ln_err bad;
    *json = (struct ln_str){0};
    int first = lua_absindex(L, -n);
    if (n >= 1 && lua_istable(L, first)) {
        if (out_private_try(L, first, json, &bad)) return true;
        ln_fail(why, LN_UNAUTHORIZED, "the %s's result: %.300s", name, bad.text);
        return false;
    }
    struct ln_str text = n >= 2 ? error_words(L, first + 1) : (struct ln_str){0};
    if (text.n) {
        ln_fail(why, error_code(L, first + 1, LN_UNAUTHORIZED), "the %s says: %.*s", name,
                (int)LN_MIN(text.n, 300), text.p);
        return false;
    }
    if (n == 0 || lua_isnoneornil(L, first) || !lua_toboolean(L, first)) return true;
    ln_fail(why, LN_UNAUTHORIZED, "the %s returned a %s; it must return a table", name,
            luaL_typename(L, first));
    return false;
}

static void asking_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct asking *a = ud;
    struct ln_err why;
    struct ln_str json = {0};
    if (err) ln_fail(&why, err->code, "the %s failed: %.300s", a->name, err->text);
    bool ok = !err && use_result(L, n, a->name, &json, &why);
    answer(a, json, ok ? NULL : &why);
    seat_drop(&a->item);
}

struct conn_use *use_of_function(struct app *app, struct conn *c, int fn) {
    struct conn_share *sh = conn_share_of(app, c);
    struct conn_use *found = NULL;
    if (!sh) return NULL;
    LN_LIST_EACH (&sh->uses, node, next) {
        struct conn_use *u = LN_CONTAINER(node, struct conn_use, by_share);
        if (u->fn[fn] != LUA_NOREF && u->script->seat->state == SEAT_LIVE) found = u;
    }
    return found;
}

static void ask_one(struct app *app, struct conn *c, int fn, const struct conn_ask *ask) {
    const struct use_function *f = &use_functions[fn];
    struct conn_use *u = use_of_function(app, c, fn);
    if (!u) {
        struct ln_err err;
        ln_fail(&err, LN_CANCELLED, "no script has a %s for this connection", f->what);
        conn_answer(c, ask->ticket, f->ask, (struct ln_str){0}, &err);
        return;
    }
    struct asking *a = ln_new(struct asking);
    a->script = u->script;
    a->conn = conn_handle(c);
    a->ticket = ask->ticket;
    a->what = f->ask;
    a->name = f->what;
    a->reason = ask->reason;
    a->attempt = ask->attempt;
    seat_own(u->script->seat, &a->item, &asking_kind);
    struct lua_call call = {.script = u->script,
                            .fn = u->fn[fn],
                            .what = f->what,
                            .name = ln_str(conn_name(c)),
                            .push = asking_push,
                            .done = asking_done,
                            .logs = true,
                            .ud = a};
    ln_id id = a->item.id;
    if (lua_call_run(&call)) return;
    struct seat_item *it =
        seat_item_of(&app->slots, id, "auth"); /* a killed script is not called */
    if (it) seat_drop(it);
}

static void ask(struct app *app, struct conn *c, const struct conn_ask *q) {
    struct conn_ask copy = *q; /* its owner may be gone after the first call */
    ln_id handle = conn_handle(c);
    for (int fn = 0; fn < USE_ASKED; fn++)
        if ((copy.what & use_functions[fn].ask) && conn_of_handle(app->clients, handle) == c)
            ask_one(app, c, fn, &copy);
}

void ln_open_ask(lua_State *L) {
    app_of(L)->ask_auth = ask;
}
