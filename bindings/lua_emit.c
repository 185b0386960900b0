/* SPDX-License-Identifier: MIT
 *
 * Sending: emit, acknowledgements, the views that change how an emit goes out, and the outbox.
 * Arguments are encoded first, straight into a buffer that is used again; nothing raises once the
 * event is on its way.
 */
#include "base/mem.h"
#include "base/text.h"
#include "bindings/lua_conn.h"

static void set_how(lua_State *L, const struct conn_view *v, struct conn *c, struct conn_emit *e) {
    if (v->is_volatile) e->flags |= CONN_EMIT_VOLATILE;
    if (lua_call_now_conn(L) == c) e->flags |= CONN_EMIT_NOW;
    e->timeout_ms = v->timeout_ms;
    e->retries = -1;
}

/* The values of an acknowledgement as results: `true` when it is empty, nil and err when it never
 * came. */
struct reply {
    struct ln_str args;
    const struct ln_str *bin;
    size_t bin_count;
    const struct ln_err *err;
};

static int reply_push(lua_State *L, void *ud) {
    const struct reply *r = ud;
    if (r->err) return lua_push_ln_err(L, r->err);
    struct ln_err err;
    int n = lua_json_decode_args(L, r->args, r->bin, r->bin_count, &err);
    if (n < 0) return lua_push_err(L, LN_PROTOCOL, "the answer is no JSON: %s", err.text);
    if (n > 0) return n;
    lua_pushboolean(L, true);
    return 1;
}

/* --- emit with a function that takes the answer --- */

struct ack_item {
    struct seat_item item;
    struct script *script;
    int fn;
    ln_id conn, op;
};

static void ack_drop(struct seat_item *it) {
    struct ack_item *a = LN_CONTAINER(it, struct ack_item, item);
    struct conn *c = conn_of_handle(a->script->app->clients, a->conn);
    if (c && a->op) conn_emit_cancel(c, a->op);
    lua_call_unref(a->script, a->fn);
    ln_free(a);
}

static const struct seat_kind ack_kind = {"acknowledgement", ack_drop, NULL};

static void ack_reply(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                      const struct ln_err *err) {
    struct ack_item *a = ud;
    struct script *s = a->script;
    struct reply r = {args, bin, bin_count, err};
    struct lua_call c = {
        .script = s, .fn = a->fn, .what = "acknowledgement function", .push = reply_push, .ud = &r};
    ln_id id = a->item.id;
    a->op = 0; /* it is over: nothing to cancel */
    lua_call_run(&c);
    struct seat_item *it = seat_item_of(&s->app->slots, id, "acknowledgement");
    if (it) seat_drop(it);
}

static int failed(lua_State *L, struct out *out, const struct ln_err *err) {
    out_done(L, out);
    return lua_push_ln_err(L, err);
}

/* The emit of (event, ...) from stack index `first` on. */
static int emit(lua_State *L, const char *fn_name, struct conn_view *v, struct conn *c,
                struct ln_str name, int first) {
    int last = lua_gettop(L);
    bool has_fn = last >= first && lua_isfunction(L, last);
    struct out out;
    struct ln_err err;
    if (has_fn) items_check(L);
    int ref = has_fn ? arg_ref(L, last) : LUA_NOREF;
    if (!out_try(L, &out, first, has_fn ? last - 1 : last, &err)) {
        lua_call_unref(script_of(L), ref);
        for (int i = first; i < last; i++)
            if (lua_isfunction(L, i))
                return script_fail(
                    L, "%s: a function that takes the answer must be the last argument", fn_name);
        return script_fail(L, "%s: %s", fn_name, err.text);
    }
    struct conn_emit e = {
        .name = name, .args = ln_buf_get(out.text), .bin = out.bins.v, .bin_count = out.bins.n};
    set_how(L, v, c, &e);
    struct ack_item *a = NULL;
    if (has_fn) {
        a = ln_new(struct ack_item);
        a->script = script_of(L);
        a->fn = ref;
        a->conn = v->conn;
        e.reply = ack_reply;
        e.ud = a;
        seat_own(a->script->seat, &a->item, &ack_kind);
    }
    if (conn_emit(c, &e, a ? &a->op : NULL, &err) != LN_OK) {
        if (a) {
            a->op = 0;
            seat_drop(&a->item);
        }
        return failed(L, &out, &err);
    }
    out_done(L, &out);
    lua_pushboolean(L, true);
    return 1;
}

/* conn:emit(event, ...) -> true | nil, err */
int l_conn_emit(lua_State *L) {
    struct conn_view *v = conn_view_check(L, 1, "conn:emit");
    struct conn *c = conn_check(L, 1, "conn:emit");
    struct ln_str name = arg_event(L, 2, "conn:emit");
    if (lua_call_held(L)) return lua_call_hold(L, l_conn_emit);
    return emit(L, "conn:emit", v, c, name, 3);
}

/* The value at 2 as one message: a string as it is, linnet.binary as bytes, a table as JSON. */
static int send_frame(lua_State *L, struct conn_view *v, struct conn *c) {
    struct ln_str frame;
    bool binary = false, is_plain = frame_of_value(L, 2, &frame, &binary);
    struct out out;
    struct ln_err err;
    if (!is_plain && lua_type(L, 2) != LUA_TTABLE)
        arg_bad(L, 2, "conn:send", "the data", "a string, linnet.binary or a table");
    if (is_plain && !binary && !ln_utf8_valid(frame.p, frame.n))
        return lua_push_err(L, LN_INVALID, "the text is no UTF-8: use linnet.binary for bytes");
    out_encode(L, &out, "conn:send", 2, 2);
    if (!is_plain) frame = ln_buf_get(out.text);
    if (!is_plain && out.bins.n > 0) {
        out_done(L, &out);
        return script_fail(L, "conn:send: binary data in a table cannot be JSON");
    }
    struct conn_emit e = {.name = LN_STR("message"),
                          .args = ln_buf_get(out.text),
                          .bin = &frame,
                          .bin_count = 1,
                          .flags = CONN_EMIT_RAW | (binary ? CONN_EMIT_BINARY : 0)};
    set_how(L, v, c, &e);
    e.retries = 0;
    if (conn_emit(c, &e, NULL, &err) != LN_OK) return failed(L, &out, &err);
    out_done(L, &out);
    lua_pushboolean(L, true);
    return 1;
}

/* conn:send(data) -> true | nil, err */
int l_conn_send(lua_State *L) {
    struct conn_view *v = conn_view_check(L, 1, "conn:send");
    struct conn *c = conn_check(L, 1, "conn:send");
    if (lua_isnoneornil(L, 2)) arg_bad(L, 2, "conn:send", "the data", "a value");
    if (lua_call_held(L)) return lua_call_hold(L, l_conn_send);
    lua_settop(L, 2);
    if (strcmp(conn_protocol(c), "ws") == 0) return send_frame(L, v, c);
    return emit(L, "conn:send", v, c, LN_STR("message"), 2);
}

/* --- emit that waits for the answer --- */

struct ack_wait {
    struct app *app;
    ln_id conn, op, wait;
};

static void ack_wait_cancel(void *ud) {
    struct ack_wait *w = ud;
    struct conn *c = conn_of_handle(w->app->clients, w->conn);
    if (c) conn_emit_cancel(c, w->op);
    ln_free(w);
}

static void ack_wait_reply(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                           const struct ln_err *err) {
    struct ack_wait *w = ud;
    struct reply r = {args, bin, bin_count, err};
    struct app *app = w->app;
    ln_id wait = w->wait;
    ln_free(w);
    lua_call_wake(app, wait, reply_push, &r);
}

/* conn:emit_with_ack(event, ...) ⏸ -> reply | nil, err */
int l_conn_emit_with_ack(lua_State *L) {
    struct conn_view *v = conn_view_check(L, 1, "conn:emit_with_ack");
    struct conn *c = conn_check(L, 1, "conn:emit_with_ack");
    struct ln_str name = arg_event(L, 2, "conn:emit_with_ack");
    if (lua_call_held(L)) return lua_call_hold(L, l_conn_emit_with_ack);
    lua_call_can_wait(L);
    struct out out;
    struct ln_err err;
    out_encode(L, &out, "conn:emit_with_ack", 3, lua_gettop(L));
    struct conn_emit e = {
        .name = name, .args = ln_buf_get(out.text), .bin = out.bins.v, .bin_count = out.bins.n};
    set_how(L, v, c, &e);
    struct ack_wait *w = ln_new(struct ack_wait);
    w->app = app_of(L);
    w->conn = v->conn;
    e.reply = ack_wait_reply;
    e.ud = w;
    if (conn_emit(c, &e, &w->op, &err) != LN_OK) {
        ln_free(w);
        return failed(L, &out, &err);
    }
    out_done(L, &out);
    w->wait = lua_call_wait_id(L, ack_wait_cancel, w, "emit_with_ack");
    return lua_call_yield(L);
}

/* --- views --- */

/* conn:timeout(seconds) -> Conn */
int l_conn_timeout(lua_State *L) {
    struct conn_view v = *conn_view_check(L, 1, "conn:timeout");
    v.timeout_ms = arg_ms(L, 2, "conn:timeout", "the time");
    if (v.timeout_ms == 0) script_fail(L, "conn:timeout: the time must be more than 0");
    conn_view_push(L, &v);
    return 1;
}

/* conn:volatile() -> Conn */
int l_conn_volatile(lua_State *L) {
    struct conn_view v = *conn_view_check(L, 1, "conn:volatile");
    v.is_volatile = true;
    conn_view_push(L, &v);
    return 1;
}

/* --- the outbox --- */

static const struct type_desc outbox_type;

struct outbox {
    ln_id conn;
};

static struct conn *outbox_conn(lua_State *L, const char *fn) {
    struct outbox *o = type_check(L, 1, &outbox_type, fn);
    struct conn *c = conn_of_handle(app_of(L)->clients, o->conn);
    if (!c) script_fail(L, "%s: the connection is closed", fn);
    return c;
}

struct waiting { /* copied out: Lua may raise, and the outbox must not be walked then */
    size_t n;
    ln_id *ops;
    int64_t *queued_ms;    /* how long each waits */
    struct ln_str *pieces; /* lengths of name and args, two for each; their bytes are in text */
    struct ln_buf text;
};

static bool copy_waiting(void *ud, ln_id op, struct ln_str name, struct ln_str args,
                         int64_t queued_ms) {
    struct waiting *w = ud;
    w->ops[w->n] = op;
    w->queued_ms[w->n] = queued_ms;
    w->pieces[2 * w->n] = name;
    w->pieces[2 * w->n + 1] = args;
    w->n++;
    ln_buf_str(&w->text, name);
    ln_buf_str(&w->text, args);
    return true;
}

static int waiting_gc(lua_State *L) {
    struct waiting *w = lua_touserdata(L, 1);
    ln_free(w->ops);
    ln_free(w->queued_ms);
    ln_free(w->pieces);
    ln_buf_free(&w->text);
    return 0;
}

/* A userdata on the stack, so that nothing leaks when a table cannot be made. */
static struct waiting *waiting_push(lua_State *L, struct conn *c) {
    struct waiting *w = lua_newuserdatauv(L, sizeof *w, 0);
    memset(w, 0, sizeof *w);
    if (luaL_newmetatable(L, "linnet.waiting")) {
        lua_pushcfunction(L, waiting_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    size_t n = conn_outbox_size(c);
    w->ops = ln_alloc((n + 1) * sizeof *w->ops);
    w->queued_ms = ln_alloc((n + 1) * sizeof *w->queued_ms);
    w->pieces = ln_alloc((2 * n + 2) * sizeof *w->pieces);
    conn_outbox_each(c, copy_waiting, w);
    return w;
}

/* {name, args, age} of the next one at *at. */
static void waiting_item(lua_State *L, const struct waiting *w, size_t i, size_t *at) {
    struct ln_str name = {w->text.p + *at, w->pieces[2 * i].n};
    struct ln_str args = {name.p + name.n, w->pieces[2 * i + 1].n};
    *at += name.n + args.n;
    lua_createtable(L, 0, 3);
    lua_pushlstring(L, name.p, name.n);
    lua_setfield(L, -2, "name");
    int base = lua_gettop(L);
    int n = lua_json_decode_args(L, args, NULL, 0, NULL);
    lua_createtable(L, LN_MAX(n, 0), 0);
    lua_insert(L, base + 1);
    for (int k = n; k >= 1; k--)
        lua_rawseti(L, base + 1, k);
    lua_setfield(L, base, "args");
    lua_pushnumber(L, (double)w->queued_ms[i] / 1000.0);
    lua_setfield(L, base, "age");
}

/* outbox:list() -> { {name, args, age} } */
static int l_outbox_list(lua_State *L) {
    struct conn *c = outbox_conn(L, "outbox:list");
    struct waiting *w = waiting_push(L, c);
    size_t at = 0;
    lua_createtable(L, (int)w->n, 0);
    for (size_t i = 0; i < w->n; i++) {
        waiting_item(L, w, i, &at);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_json_mark_array(L);
    return 1;
}

/* outbox:clear(where?) -> integer */
static int l_outbox_clear(lua_State *L) {
    struct conn *c = outbox_conn(L, "outbox:clear");
    if (lua_isnoneornil(L, 2)) {
        if (lua_call_held(L)) return lua_call_hold(L, l_outbox_clear);
        lua_pushinteger(L, (lua_Integer)conn_outbox_clear(c, 0));
        return 1;
    }
    arg_fn(L, 2, "outbox:clear", "the condition");
    if (lua_call_held(L)) return lua_call_hold(L, l_outbox_clear);
    ln_id conn = conn_handle(c);
    struct waiting *w = waiting_push(L, c);
    size_t at = 0, cleared = 0;
    bool *drop = lua_newuserdatauv(L, w->n + 1, 0);
    for (size_t i = 0; i < w->n; i++) { /* all conditions first: they may raise */
        lua_pushvalue(L, 2);
        waiting_item(L, w, i, &at);
        lua_call(L, 1, 1);
        drop[i] = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    c = conn_of_handle(app_of(L)->clients, conn);
    for (size_t i = 0; c && i < w->n; i++)
        if (drop[i]) cleared += conn_outbox_clear(c, w->ops[i]);
    lua_pushinteger(L, (lua_Integer)cleared);
    return 1;
}

static int outbox_field(lua_State *L, const char *name) {
    (void)name; /* `size` is the only one */
    lua_pushinteger(L, (lua_Integer)conn_outbox_size(outbox_conn(L, "outbox.size")));
    return 1;
}

static const luaL_Reg outbox_methods[] = {
    {"list", l_outbox_list}, {"clear", l_outbox_clear}, {NULL, NULL}};
static const char *const outbox_fields[] = {"size", NULL};
static const struct type_desc outbox_type = {
    .key = "linnet.Outbox",
    .name = "Outbox",
    .methods = outbox_methods,
    .fields = outbox_fields,
    .field = outbox_field,
};

void outbox_push(lua_State *L, struct conn *c) {
    struct outbox *o = lua_newuserdatauv(L, sizeof *o, 0);
    o->conn = conn_handle(c);
    type_register(L, &outbox_type);
    luaL_setmetatable(L, outbox_type.key);
}
