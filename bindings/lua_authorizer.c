/* SPDX-License-Identifier: MIT
 *
 * The option `authorizer` of Pusher's connections: a script signs for its channels itself, or asks
 * for what linnet would have done and changes that.
 */
#include "base/mem.h"
#include "bindings/lua_conn.h"
#include "bindings/lua_host.h"
#include "bindings/lua_modules.h"

struct authorizing { /* one call of the function */
    struct seat_item item;
    struct script *script;
    ln_id conn, ticket;
    struct ln_str channel, socket_id; /* owned */
};

static void answer(struct authorizing *a, struct ln_str json, const struct ln_err *err) {
    struct conn *c = conn_of_handle(a->script->app->clients, a->conn);
    ln_id ticket = a->ticket;
    a->ticket = 0;
    if (c && ticket) conn_auth_answer(c, ticket, json, err);
}

static void authorizing_drop(struct seat_item *it) {
    struct authorizing *a = LN_CONTAINER(it, struct authorizing, item);
    struct ln_err err;
    ln_fail(&err, LN_CANCELLED, "the script with the authorizer was stopped");
    answer(a, (struct ln_str){0}, &err);
    ln_free((char *)(uintptr_t)a->channel.p);
    ln_free((char *)(uintptr_t)a->socket_id.p);
    ln_free(a);
}

static const struct seat_kind authorizing_kind = {"authorizer", authorizing_drop, NULL};

/* --- the third argument: what linnet would do --- */

struct default_wait {
    struct app *app;
    ln_id wait; /* 0: nobody waits any more */
};

static void on_default(void *ud, struct ln_str json, const struct ln_err *err) {
    struct default_wait w = *(struct default_wait *)ud;
    struct lua_answer a = {json, err};
    ln_free(ud);
    if (w.wait) lua_call_wake(w.app, w.wait, lua_answer_push, &a);
}

static void default_cancel(void *ud) {
    ((struct default_wait *)ud)->wait = 0; /* the answer comes all the same, and frees it */
}

static int default_call(lua_State *L) {
    ln_id id = (ln_id)lua_tointeger(L, lua_upvalueindex(1));
    size_t n;
    const char *channel = lua_tolstring(L, lua_upvalueindex(2), &n);
    struct conn *c = conn_of_handle(app_of(L)->clients, id);
    lua_call_can_wait(L);
    struct default_wait *w = ln_new(struct default_wait);
    w->app = app_of(L);
    if (!c || !conn_authorize(c, (struct ln_str){channel, n}, on_default, w)) {
        ln_free(w);
        return lua_push_err(L, LN_DISCONNECTED, "the connection was lost");
    }
    w->wait = lua_call_wait_id(L, default_cancel, w, "authorizer");
    return lua_call_yield(L);
}

/* --- the call --- */

static int authorizing_push(lua_State *L, void *ud) {
    const struct authorizing *a = ud;
    lua_pushlstring(L, a->channel.p, a->channel.n);
    lua_pushlstring(L, a->socket_id.p, a->socket_id.n);
    lua_pushinteger(L, (lua_Integer)a->conn);
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, default_call, 2);
    return 3;
}

static void authorizing_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct authorizing *a = ud;
    struct ln_err why;
    struct ln_str json = {0};
    if (err) ln_fail(&why, err->code, "the authorizer failed: %.300s", err->text);
    bool ok = !err && use_result(L, n, "authorizer", &json, &why);
    answer(a, json, ok ? NULL : &why);
    seat_drop(&a->item);
}

static void authorize(void *ud, struct conn *c, ln_id ticket, struct ln_str channel,
                      struct ln_str socket_id) {
    struct app *app = ud;
    struct conn_use *u = use_of_function(app, c, USE_AUTHORIZER);
    if (!u) {
        struct ln_err err;
        ln_fail(&err, LN_CANCELLED, "no script has one for this connection");
        conn_auth_answer(c, ticket, (struct ln_str){0}, &err);
        return;
    }
    struct authorizing *a = ln_new(struct authorizing);
    a->script = u->script;
    a->conn = conn_handle(c);
    a->ticket = ticket;
    a->channel = (struct ln_str){ln_str_dup(channel), channel.n};
    a->socket_id = (struct ln_str){ln_str_dup(socket_id), socket_id.n};
    seat_own(u->script->seat, &a->item, &authorizing_kind);
    struct lua_call call = {.script = u->script,
                            .fn = u->fn[USE_AUTHORIZER],
                            .what = "authorizer",
                            .name = a->channel,
                            .push = authorizing_push,
                            .done = authorizing_done,
                            .logs = true,
                            .ud = a};
    ln_id id = a->item.id;
    if (lua_call_run(&call)) return;
    struct seat_item *it =
        seat_item_of(&app->slots, id, "authorizer"); /* a killed script is not called */
    if (it) seat_drop(it);
}

bool authorizer_function(lua_State *L, int fn) {
    if (!lua_isfunction(L, fn)) return false;
    clients_authorizer(app_of(L)->clients, authorize, app_of(L));
    return true;
}
