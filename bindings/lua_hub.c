/* SPDX-License-Identifier: MIT
 *
 * The hub for scripts: server-side handlers that answer by what they return, broadcasts. In `dev`
 * the hub runs already; in `run` the first linnet.hub opens it.
 */
#include "bindings/lua_hub.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "bindings/lua_event.h"
#include "bindings/lua_modules.h"

static const struct type_desc hub_type;

struct hub *hub_self(lua_State *L, const char *fn) {
    type_check(L, 1, &hub_type, fn);
    return hub_check(L, fn);
}

/* --- handlers --- */

struct answer { /* userdata, shared by the call and the function that answers */
    ln_id client;
    int64_t ack;
    bool is_given;
};

/* The caller learns at once that nothing else will come. What failed is told by the log alone. */
static void answer_failed(struct app *app, struct answer *a) {
    if (a->is_given || !app->hub) return;
    a->is_given = true;
    hub_ack(app->hub, a->client, a->ack,
            LN_STR("{\"ok\":false,\"error\":{\"code\":\"refused\","
                   "\"message\":\"the handler failed\"}}"),
            NULL, 0);
}

/* is_last: nothing will answer after this. */
static void answer_give(lua_State *L, struct answer *a, int first, int last, bool is_last) {
    struct hub *h = app_of(L)->hub;
    struct out out;
    struct ln_err err;
    if (a->is_given || !h) return;
    if (!out_try_few(L, &out, first, last, &err)) {
        if (is_last) answer_failed(app_of(L), a);
        script_fail(L, "the answer: %s", err.text);
    }
    a->is_given = true;
    hub_ack(h, a->client, a->ack, ln_buf_get(out.text), out.bins.v, out.bins.n);
    out_done(L, &out);
}

static int answer_call(lua_State *L) {
    answer_give(L, lua_touserdata(L, lua_upvalueindex(1)), 1, lua_gettop(L), false);
    return 0;
}

/* A handler's call whose results answer. A seat item, so that an unload frees it. */
struct hub_call {
    struct dispatch d; /* first: dispatch_push takes it */
    struct seat_item item;
    struct script *script;
    int ref;               /* registry reference of … */
    struct answer *answer; /* NULL: none is asked for */
};

static void call_drop(struct seat_item *it) {
    struct hub_call *hc = LN_CONTAINER(it, struct hub_call, item);
    lua_call_unref(hc->script, hc->ref);
    ln_free(hc);
}

static const struct seat_kind call_kind = {"call", call_drop, NULL};

static void call_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct hub_call *hc = ud;
    int last = lua_gettop(L);
    bool answers = !err && n > 0 && hc->answer;
    if (err && hc->answer) answer_failed(hc->script->app, hc->answer);
    if (answers) lua_rawgeti(L, LUA_REGISTRYINDEX, hc->ref);
    seat_drop(&hc->item); /* before what may raise */
    if (answers) answer_give(L, lua_touserdata(L, -1), last - n + 1, last, true);
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
    hc->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    hc->answer = a;
    lua_pushcclosure(L, answer_call, 1);
}

static ln_status on_hub_event(struct listener *l, struct event *ev) {
    struct lua_listener *ll = LN_CONTAINER(l, struct lua_listener, l);
    const struct hub_event *he = ev->source;
    struct ln_str nsp = he->nsp.n ? he->nsp : LN_STR("/");
    if (!hub_nsp_fits(ll->more->nsp, nsp)) return LN_OK;
    struct hub_call *hc = ln_new(struct hub_call);
    hc->d = (struct dispatch){.ll = ll, .ev = ev};
    hc->script = ll->script;
    hc->ref = LUA_NOREF;
    seat_own(ll->script->seat, &hc->item, &call_kind);
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

static const struct listener_kind hub_kind = {
    {"listener", listener_drop, NULL}, on_hub_event, listener_release};

/* hub:on(event, fn(client, ...), {namespace}?) -> Handle */
static int l_hub_on(lua_State *L) {
    static const char *const options[] = {"namespace", NULL};
    hub_self(L, "hub:on");
    struct ln_str name = arg_name(L, 2, "hub:on", "the event");
    ln_id *handle;
    lua_settop(L, 4);
    struct ln_str nsp = LN_STR("/");
    if (arg_opts(L, 4, "hub:on", options)) {
        int o = arg_opt(L, 4, "namespace");
        if (!lua_isnil(L, o)) nsp = arg_name(L, o, "hub:on", "option 'namespace'");
    }
    struct lua_listener *ll = listener_make(L, "hub:on", name, 3, 0, NULL, &handle);
    struct listener_more *more = listener_more(ll);
    more->nsp = ln_str_dup(nsp);
    more->lead = client_lead;
    more->ack = answer_push;
    listener_start(app_of(L)->hub_bus, ll, &hub_kind, EVENT_APP, handle);
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
    struct ln_str name = arg_event(L, 2, fn);
    struct out out;
    out_encode_few(L, &out, fn, 3, lua_gettop(L));
    size_t n = hub_emit(h, t, name, ln_buf_get(out.text), out.bins.v, out.bins.n);
    out_done(L, &out);
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

/* hub:emit(event, ...) -> integer */
static int l_hub_emit(lua_State *L) {
    struct hub *h = hub_self(L, "hub:emit");
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
    hub_self(L, "hub:to");
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
    struct hub *h = hub_self(L, "hub:clients");
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
    struct hub *h = hub_self(L, "hub:rooms");
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
    {"on", l_hub_on},     {"use", l_hub_use},         {"on_auth", l_hub_on_auth}, {"to", l_hub_to},
    {"emit", l_hub_emit}, {"clients", l_hub_clients}, {"rooms", l_hub_rooms},     {NULL, NULL}};
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
    "host",        "port",        "origins",       "namespaces",   "page",
    "dialect",     "max_clients", "max_rooms",     "max_message",  "max_queue",
    "rate",        "rate_burst",  "ping_interval", "ping_timeout", "connect_timeout",
    "leave_grace", "history",     "apps",          "jwt",          "activity_timeout",
    "path",        "transports",  "cors",          "recovery",     "compress",
    NULL};

/* The options as JSON, each of them right; empty: none were given. */
static struct ln_str read_options(lua_State *L, int idx) {
    struct ln_err err;
    struct ln_str key, value, json = {0};
    if (!arg_opts(L, idx, "linnet.hub", hub_options)) return json;
    json = out_private(L, "linnet.hub", idx); /* the secrets of apps in plain */
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
    app_of(L)->ask_admit = hub_ask_admit;
    app_of(L)->ask_authorize = hub_ask_authorize;
}
