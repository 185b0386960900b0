/* SPDX-License-Identifier: MIT
 *
 * Opens the hub from the settings and leads its hooks to the bus that scripts listen on; and feeds
 * the Events tab with what connections receive, and which listener took it.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/app.h"
#include "host/hub_apps_opt.h"
#include "host/hub_jwt_opt.h"

#define TRACE_TEXT 200 /* bytes of the arguments that a record shows */

/* --- hooks --- */

static bool hook_wants(void *ud, struct ln_str nsp, struct ln_str name) {
    (void)nsp;
    return bus_wants(((struct app *)ud)->hub_bus, name);
}

static ln_status emit_hub(struct app *a, enum event_kind kind, struct ln_str name,
                          struct ln_str args, const struct hub_event *source) {
    struct event ev = {.kind = kind,
                       .name = name,
                       .args = args,
                       .bin = source->bin,
                       .bin_count = source->bin_count,
                       .ack = source->ack,
                       .serial = app_event_serial(a),
                       .source = source};
    return bus_emit(a->hub_bus, &ev);
}

static void hook_event(void *ud, const struct hub_event *ev) {
    if (emit_hub(ud, EVENT_APP, ev->name, ev->args, ev) == LN_PROTOCOL)
        hub_malformed(ev->hub, ev->client);
}

static void hook_client(void *ud, ln_id client, struct ln_str nsp, bool connected,
                        struct ln_str reason) {
    struct app *a = ud;
    struct hub_event source = {.hub = a->hub, .client = client, .nsp = nsp, .ack = -1};
    struct ln_buf args = {0};
    if (!connected) ln_json_quote(&args, reason);
    emit_hub(a, EVENT_LIFECYCLE, connected ? LN_STR("connect") : LN_STR("disconnect"),
             ln_buf_get(&args), &source);
    ln_buf_free(&args);
}

static void hook_admit(void *ud, ln_id ticket, struct ln_str nsp, struct ln_str auth,
                       struct ln_str headers_json) {
    struct app *a = ud;
    if (a->ask_admit)
        a->ask_admit(a, ticket, nsp, auth, headers_json);
    else
        hub_admit(a->hub, ticket, true, NULL, (struct ln_str){0});
}

static void hook_authorize(void *ud, ln_id ticket, struct ln_str request) {
    struct app *a = ud;
    if (a->ask_authorize)
        a->ask_authorize(a, ticket, request);
    else
        hub_authorize(a->hub, ticket, HUB_NOBODY, NULL, (struct ln_str){0});
}

/* --- settings --- */

struct settings { /* what hub_opts only lends */
    char *host, *path;
    char **origins, **namespaces;
    struct hub_app_list apps;
    struct hub_jwt_opts *jwt;
};

static void settings_free(struct settings *s) {
    ln_free(s->host);
    ln_free(s->path);
    config_list_free(s->origins);
    config_list_free(s->namespaces);
    hub_apps_clear(&s->apps);
    hub_jwt_clear(s->jwt);
}

static bool read_transports(const struct config *c, struct hub_opts *o, struct ln_err *err) {
    char **list = config_list(c, "hub.transports"), **t = list;
    const char *origin = config_origin(c, "hub.transports");
    bool ok = !list || *list;
    if (list) o->transports = 0;
    for (; ok && t && *t; t++) {
        bool polls = strcmp(*t, "polling") == 0;
        ok = polls || strcmp(*t, "websocket") == 0;
        o->transports |= polls ? HUB_POLLING : HUB_WEBSOCKET;
    }
    if (!ok)
        ln_fail(err, LN_INVALID, "%s: hub.transports is a list of \"polling\" and \"websocket\"",
                origin ? origin : "hub");
    config_list_free(list);
    return ok;
}

static bool read_lent(const struct config *c, struct settings *s, struct hub_opts *o,
                      struct ln_err *err) {
    struct ln_str json = config_get(c, "hub.apps");
    s->host = config_text(c, "hub.host");
    s->path = config_text(c, "hub.path");
    s->origins = config_list(c, "hub.origins");
    s->namespaces = config_list(c, "hub.namespaces");
    if (s->host) o->host = s->host;
    if (s->path) o->path = s->path;
    o->origins = (const char *const *)s->origins;
    o->namespaces = (const char *const *)s->namespaces;
    if (json.p && !hub_apps_from_json(json, config_origin(c, "hub.apps"), &s->apps, err))
        return false;
    o->apps = s->apps.v;
    o->app_count = s->apps.n;
    json = config_get(c, "hub.jwt");
    if (json.p) s->jwt = hub_jwt_from_json(json, config_origin(c, "hub.jwt"), err);
    o->jwt = s->jwt;
    if (json.p && !s->jwt) return false;
    return true;
}

static void read_limits(const struct config *c, struct hub_opts *o) {
    o->max_clients = (int)config_int(c, "hub.max_clients", o->max_clients);
    o->max_rooms = (int)config_int(c, "hub.max_rooms", o->max_rooms);
    o->max_message = (size_t)config_int(c, "hub.max_message", (int64_t)o->max_message);
    o->max_queue = (size_t)config_int(c, "hub.max_queue", (int64_t)o->max_queue);
    /* One message always fits, whatever is set: else it would put out everybody whom it goes to. */
    o->max_queue = LN_MAX(o->max_queue, o->max_message * 2);
    o->rate = (int)config_int(c, "hub.rate", o->rate);
    o->rate_burst = (int)config_int(c, "hub.rate_burst", o->rate_burst);
    o->ping_interval_ms = config_ms(c, "hub.ping_interval", o->ping_interval_ms);
    o->ping_timeout_ms = config_ms(c, "hub.ping_timeout", o->ping_timeout_ms);
    o->connect_timeout_ms = config_ms(c, "hub.connect_timeout", o->connect_timeout_ms);
    o->leave_grace_ms = config_ms(c, "hub.leave_grace", o->leave_grace_ms);
    o->recovery_ms = config_ms(c, "hub.recovery", o->recovery_ms);
    o->history = (size_t)config_int(c, "hub.history", (int64_t)o->history);
    o->activity_timeout_ms = config_ms(c, "hub.activity_timeout", o->activity_timeout_ms);
}

bool app_open_hub(struct app *a, bool trace, struct ln_err *err) {
    static const struct hub_hooks hooks = {.admit = hook_admit,
                                           .wants = hook_wants,
                                           .event = hook_event,
                                           .client = hook_client,
                                           .authorize = hook_authorize};
    const struct config *c = a->config;
    struct settings s = {0};
    struct hub_opts o;
    hub_opts_init(&o);
    if (read_lent(c, &s, &o, err) && read_transports(c, &o, err)) {
        o.port = (int)config_int(c, "hub.port", HUB_PORT);
        o.page = config_bool(c, "hub.page", o.page);
        o.dialect = config_bool(c, "hub.dialect", o.dialect);
        o.cors = config_bool(c, "hub.cors", o.cors);
        o.compress = config_bool(c, "hub.compress", o.compress);
        o.trace = trace;
        read_limits(c, &o);
        a->hub = hub_open(a->loop, &o, &hooks, a, err); /* copies what it keeps */
    }
    settings_free(&s);
    return a->hub != NULL;
}

char *app_hub_url(struct app *a) {
    char *host = config_text(a->config, "hub.host");
    struct ln_buf url = {0};
    if (host && strncmp(host, "unix:", 5) == 0) {
        ln_buf_puts(&url, host);
    } else {
        ln_buf_fmt(&url, host && strchr(host, ':') ? "http://[%s]:%d" : "http://%s:%d",
                   host ? host : "127.0.0.1", hub_port(a->hub));
    }
    ln_buf_cstr(&url);
    ln_free(host);
    return ln_buf_take(&url, NULL);
}

/* --- the Events tab --- */

/* Secrets are taken out before a text is cut; ln_json_quote mends what is left half of a character.
 */
static void quote(struct ln_buf *out, const char *key, struct ln_str text) {
    struct ln_buf shown = {0};
    ln_log_redact(&shown, text);
    ln_buf_fmt(out, ",\"%s\":", key);
    ln_json_quote(out, (struct ln_str){shown.p, LN_MIN(shown.n, TRACE_TEXT)});
    ln_buf_free(&shown);
}

/* The room that an event speaks of, when its first argument says so. */
static void add_room(struct ln_buf *out, struct ln_str args) {
    if (ln_json_peek(args) != LN_JSON_OBJECT) return;
    struct ln_str room = ln_json_get(args, "room");
    if (!room.n) room = ln_json_get(args, "room_id");
    if (ln_json_peek(room) != LN_JSON_STRING) return;
    ln_buf_puts(out, ",\"room\":");
    ln_buf_str(out, room);
}

static void record(struct app *a, const char *dir, struct conn *c, struct ln_str name,
                   struct ln_str args, const char *by) {
    struct ln_buf json = {0};
    ln_buf_fmt(&json, "{\"t\":%lld,\"dir\":\"%s\",\"size\":%zu", (long long)ln_wall_ms(), dir,
               args.n);
    quote(&json, "conn", ln_str(conn_name(c)));
    quote(&json, "name", name);
    quote(&json, "text", args);
    if (by && *by) quote(&json, "by", ln_str(by));
    add_room(&json, args);
    ln_buf_putc(&json, '}');
    hub_trace(a->hub, ln_buf_get(&json));
    ln_buf_free(&json);
}

/* Each call of a listener is one row: an event that three handlers took is seen three times, with
 * their places. */
static void on_listener(void *ud, const struct event *ev, const struct listener *l) {
    struct app *a = ud;
    if (!a->hub || a->hub_closing || !ev->conn || !hub_traced(a->hub)) return;
    const char *by = a->place_of && l->item.seat ? a->place_of(a, l) : NULL;
    record(a, ev->kind == EVENT_OUT ? "out" : "in", ev->conn, ev->name, ev->args, by);
}

void app_trace_on(struct app *a) {
    a->trace = on_listener;
}
