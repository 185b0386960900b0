/* SPDX-License-Identifier: MIT
 *
 * The hub for scripts: server-side handlers that answer by what they return, who may connect,
 * broadcasts. In `dev` the hub runs already; in `run` the first linnet.hub opens it.
 */
#include "bindings/lua_hub.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "bindings/lua_event.h"
#include "bindings/lua_modules.h"
#include "host/scripts.h"

static const struct type_desc hub_type;

static struct hub *self(lua_State *L, const char *fn) {
    type_check(L, 1, &hub_type, fn);
    return hub_check(L, fn);
}

/* --- handlers --- */

struct answer { /* userdata, shared by the call and the function that answers */
    ln_id client;
    int64_t ack;
    bool is_given;
};

static void answer_give(lua_State *L, struct answer *a, int first, int last) {
    struct hub *h = app_of(L)->hub;
    struct out out;
    if (a->is_given || !h) return;
    out_encode(L, &out, "the answer", first, last);
    a->is_given = true;
    hub_ack(h, a->client, a->ack, ln_buf_get(out.text), out.bins.v, out.bins.n);
    out_done(L, &out);
}

static int answer_call(lua_State *L) {
    answer_give(L, lua_touserdata(L, lua_upvalueindex(1)), 1, lua_gettop(L));
    return 0;
}

/* A handler's call whose results answer. A seat item, so that an unload frees it. */
struct hub_call {
    struct dispatch d; /* first: dispatch_push takes it */
    struct seat_item item;
    struct script *script;
    ln_id client;
    int64_t ack;
    int answer; /* registry reference of struct answer */
};

static void call_drop(struct seat_item *it) {
    struct hub_call *hc = LN_CONTAINER(it, struct hub_call, item);
    lua_call_unref(hc->script, hc->answer);
    ln_free(hc);
}

static void call_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct hub_call *hc = ud;
    int last = lua_gettop(L);
    bool answers = !err && n > 0 && hc->answer != LUA_NOREF;
    if (answers) lua_rawgeti(L, LUA_REGISTRYINDEX, hc->answer);
    seat_drop(&hc->item); /* before what may raise */
    if (answers) answer_give(L, lua_touserdata(L, -1), last - n + 1, last);
}

static int client_lead(lua_State *L, struct lua_listener *ll, struct event *ev) {
    const struct hub_event *he = ev->source;
    (void)ll;
    client_push(L, he->client);
    return 1;
}

static int call_push(lua_State *L, void *ud) {
    return dispatch_push(L, &((struct hub_call *)ud)->d);
}

/* The function that answers, pushed by dispatch_push; its userdata is the call's as well. */
static void answer_push(lua_State *L, struct lua_listener *ll, const struct event *ev) {
    const struct hub_event *he = ev->source;
    struct hub_call *hc = ll->more->call;
    struct answer *a = lua_newuserdatauv(L, sizeof *a, 0);
    *a = (struct answer){he->client, ev->ack, false};
    lua_pushvalue(L, -1);
    hc->answer = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushcclosure(L, answer_call, 1);
}

static ln_status on_hub_event(struct listener *l, struct event *ev) {
    struct lua_listener *ll = LN_CONTAINER(l, struct lua_listener, l);
    const struct hub_event *he = ev->source;
    struct ln_str nsp = he->nsp.n ? he->nsp : LN_STR("/");
    if (!ln_str_is(nsp, ll->more->nsp)) return LN_OK;
    struct hub_call *hc = ln_new(struct hub_call);
    hc->d = (struct dispatch){.ll = ll, .ev = ev};
    hc->script = ll->script;
    hc->answer = LUA_NOREF;
    seat_own(ll->script->seat, &hc->item, "call", call_drop);
    struct lua_call c = {.script = ll->script,
                         .fn = ll->fn,
                         .what = LISTENER_WHAT,
                         .name = ev->name,
                         .push = call_push,
                         .done = call_done,
                         .logs = true,
                         .ud = hc,
                         .event = ev};
    struct app *app = ll->script->app;
    ln_id id = hc->item.id;
    listener_more(ll)->call = hc;
    ln_id task = lua_call_run(&c);
    struct seat_item *it = seat_item_of(&app->slots, id, "call");
    if (!it) return LN_OK;
    ln_status s = hc->d.status;
    if (!task) seat_drop(it); /* it was dropped before it began */
    return s;
}

/* hub:on(event, fn(client, ...), {namespace}?) -> Handle */
static int l_hub_on(lua_State *L) {
    static const char *const options[] = {"namespace", NULL};
    self(L, "hub:on");
    struct ln_str name = arg_name(L, 2, "hub:on", "the event");
    ln_id *handle;
    lua_settop(L, 4);
    struct ln_str nsp = LN_STR("/");
    if (arg_opts(L, 4, "hub:on", options)) {
        int o = arg_opt(L, 4, "namespace");
        if (!lua_isnil(L, o)) nsp = arg_name(L, o, "hub:on", "option 'namespace'");
    }
    struct lua_listener *ll = listener_make(L, "hub:on", 3, 0, NULL, &handle);
    struct listener_more *more = listener_more(ll);
    more->nsp = ln_str_dup(nsp);
    more->lead = client_lead;
    more->ack = answer_push;
    ll->l.fn = on_hub_event;
    listener_start(app_of(L)->hub_bus, ll, name, EVENT_APP, handle);
    return 1;
}

/* --- who may connect --- */

struct use_item { /* a function of hub:use */
    struct seat_item item;
    struct script *script;
    int fn;
};

static void use_drop(struct seat_item *it) {
    struct use_item *u = LN_CONTAINER(it, struct use_item, item);
    lua_call_unref(u->script, u->fn);
    ln_free(u);
}

/* A client that waits to be let in: the functions are asked one after the other, in the order of
 * the scripts and within them of hub:use. */
struct admit {
    struct app *app;
    ln_id ticket;
    ln_id *uses;
    size_t n, next;
    char *nsp, *auth, *headers;
};

struct admit_call { /* a question to one script; if that is unloaded, the answer is no */
    struct seat_item item;
    struct script *script;
    struct admit *admit;
};

static void admit_next(struct admit *a);

static void admit_end(struct admit *a, bool ok, const char *message, struct ln_str data) {
    if (a->app->hub) hub_admit(a->app->hub, a->ticket, ok, message, data);
    ln_free(a->uses);
    ln_free(a->nsp);
    ln_free(a->auth);
    ln_free(a->headers);
    ln_free(a);
}

static void admit_drop(struct seat_item *it) {
    struct admit_call *ac = LN_CONTAINER(it, struct admit_call, item);
    if (ac->admit)
        admit_end(ac->admit, false, "the script that decides was stopped", (struct ln_str){0});
    ln_free(ac);
}

static int admit_push(lua_State *L, void *ud) {
    const struct admit *a = ((struct admit_call *)ud)->admit;
    lua_createtable(L, 0, 2);
    lua_pushstring(L, *a->nsp ? a->nsp : "/");
    lua_setfield(L, -2, "namespace");
    if (lua_json_decode(L, ln_str(a->headers), NULL)) lua_setfield(L, -2, "headers");
    if (!lua_json_decode(L, ln_str(a->auth), NULL)) lua_newtable(L);
    return 2;
}

/* What the function returned instead of true: a text, or {message, data}. */
static void refuse(struct admit *a, lua_State *L, int n) {
    char message[200] = "refused";
    struct ln_buf data = {0};
    if (n >= 2) {
        int err = lua_gettop(L) - n + 2;
        struct ln_str text = error_words(L, err);
        if (text.n) snprintf(message, sizeof message, "%.*s", LN_FMT(text));
        lua_pushliteral(L, "data");
        if (lua_istable(L, err) && lua_rawget(L, err) != LUA_TNIL)
            lua_json_encode(L, -1, &data, NULL);
    }
    admit_end(a, false, message, ln_buf_get(&data));
    ln_buf_free(&data);
}

static void admit_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct admit_call *ac = ud;
    struct admit *a = ac->admit;
    ac->admit = NULL;
    seat_drop(&ac->item);
    if (err)
        admit_end(a, false, "the server could not decide", (struct ln_str){0});
    else if (n >= 1 && lua_toboolean(L, -n))
        admit_next(a);
    else
        refuse(a, L, n);
}

static void admit_next(struct admit *a) {
    while (a->next < a->n) {
        struct seat_item *it = seat_item_of(&a->app->slots, a->uses[a->next++], "hub use");
        if (!it) continue;
        struct use_item *u = LN_CONTAINER(it, struct use_item, item);
        struct admit_call *ac = ln_new(struct admit_call);
        ac->script = u->script;
        ac->admit = a;
        seat_own(u->script->seat, &ac->item, "admission", admit_drop);
        struct lua_call c = {.script = u->script,
                             .fn = u->fn,
                             .what = "hub:use function",
                             .push = admit_push,
                             .done = admit_done,
                             .logs = true,
                             .ud = ac};
        struct app *app = a->app;
        ln_id id = ac->item.id;
        if (lua_call_run(&c)) return;
        it = seat_item_of(&app->slots, id, "admission"); /* a killed script is not called */
        if (it) seat_drop(it);
        return;
    }
    admit_end(a, true, NULL, (struct ln_str){0});
}

static void ask_admit(struct app *app, ln_id ticket, struct ln_str nsp, struct ln_str auth,
                      struct ln_str headers_json) {
    struct admit *a = ln_new(struct admit);
    struct seat *seat;
    const char *path;
    size_t cap = 0;
    *a = (struct admit){.app = app,
                        .ticket = ticket,
                        .nsp = ln_str_dup(nsp),
                        .auth = ln_str_dup(auth.n ? auth : LN_STR("{}")),
                        .headers = ln_str_dup(headers_json.n ? headers_json : LN_STR("{}"))};
    for (size_t i = 0; app->scripts && scripts_each(app->scripts, &i, &seat, &path);) {
        if (seat->state != SEAT_LIVE) continue;
        LN_LIST_EACH (&seat->items, node, next) {
            struct seat_item *it = LN_CONTAINER(node, struct seat_item, node);
            if (it->drop != use_drop) continue;
            if (a->n == cap) {
                cap = cap * 2 + 4;
                a->uses = ln_realloc(a->uses, cap * sizeof *a->uses);
            }
            a->uses[a->n++] = it->id;
        }
    }
    admit_next(a);
}

/* hub:use(fn(client, auth) ⏸ -> true | nil, err) -> Handle */
static int l_hub_use(lua_State *L) {
    self(L, "hub:use");
    arg_fn(L, 2, "hub:use", "the function");
    int fn = arg_ref(L, 2);
    ln_id *handle = handle_push(L);
    struct use_item *u = ln_new(struct use_item);
    u->script = script_of(L);
    u->fn = fn;
    seat_own(u->script->seat, &u->item, "hub use", use_drop);
    *handle = u->item.id;
    return 1;
}

/* --- sending --- */

struct target { /* userdata of hub:to */
    ln_id except;
    size_t room_n, nsp_n;
    char text[]; /* room, namespace */
};

static const struct type_desc target_type;

static int emit(lua_State *L, struct hub *h, const struct hub_target *t, const char *fn) {
    struct ln_str name = arg_str(L, 2, fn, "the event");
    struct out out;
    out_encode(L, &out, fn, 3, lua_gettop(L));
    size_t n = hub_emit(h, t, name, ln_buf_get(out.text), out.bins.v, out.bins.n);
    out_done(L, &out);
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

/* hub:emit(event, ...) -> integer */
static int l_hub_emit(lua_State *L) {
    struct hub *h = self(L, "hub:emit");
    struct hub_target t = {0};
    if (lua_call_held(L)) return lua_call_hold(L, l_hub_emit);
    return emit(L, h, &t, "hub:emit");
}

/* target:emit(event, ...) -> integer */
static int l_target_emit(lua_State *L) {
    struct target *g = type_check(L, 1, &target_type, "target:emit");
    struct hub *h = hub_check(L, "target:emit");
    struct hub_target t = {
        .room = {g->text, g->room_n}, .nsp = {g->text + g->room_n, g->nsp_n}, .except = g->except};
    if (lua_call_held(L)) return lua_call_hold(L, l_target_emit);
    return emit(L, h, &t, "target:emit");
}

/* hub:to(room, {namespace, except}?) -> Target */
static int l_hub_to(lua_State *L) {
    static const char *const options[] = {"namespace", "except", NULL};
    self(L, "hub:to");
    struct ln_str room = arg_str(L, 2, "hub:to", "the room"), nsp = {"", 0};
    ln_id except = 0;
    lua_settop(L, 3);
    if (arg_opts(L, 3, "hub:to", options)) {
        int o = arg_opt(L, 3, "namespace");
        if (!lua_isnil(L, o)) nsp = arg_str(L, o, "hub:to", "option 'namespace'");
        o = arg_opt(L, 3, "except");
        if (!lua_isnil(L, o)) except = client_check(L, o, "hub:to, option 'except'");
    }
    type_register(L, &target_type);
    struct target *g = lua_newuserdatauv(L, sizeof *g + room.n + nsp.n, 0);
    g->except = except;
    g->room_n = room.n;
    g->nsp_n = nsp.n;
    memcpy(g->text, room.p, room.n);
    memcpy(g->text + room.n, nsp.p, nsp.n);
    luaL_setmetatable(L, target_type.key);
    return 1;
}

/* --- looking --- */

/* hub:clients(where?) -> { Client } */
static int l_hub_clients(lua_State *L) {
    struct hub *h = self(L, "hub:clients");
    int where = lua_isnoneornil(L, 2) ? 0 : 2;
    if (where && !lua_istable(L, 2)) arg_fn(L, 2, "hub:clients", "the condition");
    lua_settop(L, 2);
    struct hub_client_info info;
    size_t i = 0, count = 0, total = hub_client_count(h);
    ln_id *ids =
        lua_newuserdatauv(L, (total + 1) * sizeof *ids, 0); /* conditions may change them */
    while (count < total && hub_each_client(h, &i, &info))
        ids[count++] = info.id;
    lua_newtable(L);
    lua_Integer n = 0;
    for (size_t k = 0; k < count; k++) {
        client_push(L, ids[k]);
        if (client_fits(L, 5, where))
            lua_rawseti(L, 4, ++n);
        else
            lua_pop(L, 1);
    }
    lua_json_mark_array(L);
    return 1;
}

/* hub:rooms() -> { [name] = members } */
static int l_hub_rooms(lua_State *L) {
    struct hub *h = self(L, "hub:rooms");
    size_t i = 0, members;
    struct ln_str room;
    lua_newtable(L);
    while (hub_each_room(h, &i, &room, &members)) {
        lua_pushlstring(L, room.p, room.n);
        lua_pushinteger(L, (lua_Integer)members);
        lua_rawset(L, -3);
    }
    return 1;
}

static int hub_field(lua_State *L, const char *name) {
    (void)name; /* `port` is the only one */
    lua_pushinteger(L, hub_port(hub_check(L, "hub.port")));
    return 1;
}

static const luaL_Reg hub_methods[] = {
    {"on", l_hub_on},           {"use", l_hub_use},     {"to", l_hub_to}, {"emit", l_hub_emit},
    {"clients", l_hub_clients}, {"rooms", l_hub_rooms}, {NULL, NULL}};
static const char *const hub_fields[] = {"port", NULL};
static const struct type_desc hub_type = {.key = "linnet.Hub",
                                          .name = "Hub",
                                          .methods = hub_methods,
                                          .fields = hub_fields,
                                          .field = hub_field};
static const luaL_Reg target_methods[] = {{"emit", l_target_emit}, {NULL, NULL}};
static const struct type_desc target_type = {
    .key = "linnet.Target", .name = "Target", .methods = target_methods};

/* --- linnet.hub --- */

static const char *const hub_options[] = {
    "host",          "port",         "origins",         "namespaces",  "page",    "dialect",
    "max_clients",   "max_rooms",    "max_message",     "max_queue",   "rate",    "rate_burst",
    "ping_interval", "ping_timeout", "connect_timeout", "leave_grace", "history", NULL};

/* The options as JSON, each of them right; empty: none were given. */
static struct ln_str read_options(lua_State *L, int idx) {
    struct ln_err err;
    struct ln_str key, value, json = {0};
    struct ln_buf *out = api_out(L);
    if (!arg_opts(L, idx, "linnet.hub", hub_options)) return json;
    if (!lua_json_encode(L, idx, out, &err)) script_fail(L, "linnet.hub: %s", err.text);
    json = ln_buf_get(out);
    for (size_t pos = 0; ln_json_each(json, &pos, &key, &value);) {
        char path[80];
        snprintf(path, sizeof path, "hub.%.*s", LN_FMT(key));
        if (!config_accepts(path, value, "linnet.hub", &err)) script_fail(L, "%s", err.text);
    }
    return json;
}

/* The options become settings, as if the project's file had them, when the hub opens with them. */
static bool open_hub(struct app *a, struct ln_str options, struct ln_err *err) {
    struct config *before = config_new();
    config_keep(before, a->config, "hub.");
    if (ln_json_peek(options) == LN_JSON_OBJECT)
        config_set(a->config, "hub", options, CONFIG_PROJECT, "linnet.hub");
    bool ok = app_open_hub(a, false, err);
    if (!ok) config_keep(a->config, before, "hub.");
    config_free(before);
    if (ok) {
        char *url = app_hub_url(a);
        ln_log(LN_INFO, "hub", "listening on %s", url);
        ln_free(url);
    }
    return ok;
}

/* linnet.hub(opts?) -> Hub */
static int l_hub(lua_State *L) {
    struct app *a = app_of(L);
    struct ln_err err;
    arg_opts(L, 1, "linnet.hub", hub_options);
    if (!a->hub) {
        if (lua_call_held(L)) return lua_call_hold(L, l_hub);
        lua_settop(L, 1);
        if (!open_hub(a, read_options(L, 1), &err))
            return script_fail(L, "linnet.hub: %s", err.text);
    }
    type_register(L, &hub_type);
    type_register(L, &target_type);
    lua_newuserdatauv(L, 1, 0);
    luaL_setmetatable(L, hub_type.key);
    return 1;
}

void ln_open_hub(lua_State *L) {
    static const luaL_Reg fns[] = {{"hub", l_hub}, {NULL, NULL}};
    luaL_setfuncs(L, fns, 0);
    app_of(L)->ask_admit = ask_admit;
}
