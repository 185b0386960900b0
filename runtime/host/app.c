/* SPDX-License-Identifier: MIT
 *
 * Puts the parties together: the clients' sink leads to one event bus per connection, the hub's
 * hooks to another. Everything that a script registers hangs on these buses.
 */
#include "host/app.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/scripts.h"

static bool is_idle(struct app *a, const struct bus *bus) {
    return bus_count(bus) == 0 && !bus_tap_ud(bus) && !conn_find(a->clients, ln_str(bus_name(bus)));
}

/* At the end of a turn in which connections were closed: a script that is reloaded has its handlers
 * in place by then, also those on a connection that nobody uses. */
static void sweep(void *ud) {
    struct app *a = ud;
    struct ln_str key;
    void *bus;
    a->sweeps = false;
    if (a->is_freed) return;
    for (size_t i = 0; ln_map_next(&a->targets, &i, &key, &bus);)
        if (is_idle(a, bus)) ln_map_remove(&a->targets, key);
    for (size_t i = 0; ln_map_next(&a->buses, &i, &key, &bus);) {
        if (!is_idle(a, bus)) continue;
        ln_map_remove(&a->buses, key);
        bus_free(bus);
    }
}

static void sweep_later(struct app *a) {
    if (!a->sweeps) loop_defer(a->loop, sweep, a);
    a->sweeps = true;
}

/* Kept when the connection is closed, for one of the same name that may come, while a script has
 * handlers on it. A closed one that still asks for it does not hold it. */
struct bus *app_bus(struct app *a, struct conn *c) {
    struct bus *bus = conn_user(c);
    if (bus) return bus;
    struct ln_str name = ln_str(conn_name(c));
    bus = ln_map_get(&a->buses, name);
    if (!bus) {
        bus = bus_new(name);
        ln_map_set(&a->buses, ln_str(bus_name(bus)), bus);
        if (a->trace) bus_trace(bus, a->trace, a);
    }
    if (conn_state(c) == CONN_CLOSED)
        sweep_later(a);
    else
        conn_user_set(c, bus);
    return bus;
}

void app_close(struct app *a, struct conn *c) {
    conn_close(c);
    conn_user_set(c, NULL);
    sweep_later(a);
}

uint64_t app_event_serial(struct app *a) {
    return ++a->serial;
}

/* --- what connections tell --- */

static bool sink_wants(void *ud, struct conn *c, struct ln_str name) {
    return bus_wants(app_bus(ud, c), name);
}

static ln_status sink_event(void *ud, struct event *ev) {
    struct app *a = ud;
    if (!ev->serial) ev->serial = app_event_serial(a);
    return bus_emit(app_bus(a, ev->conn), ev);
}

static void sink_auth(void *ud, struct conn *c, const struct conn_ask *ask) {
    struct app *a = ud;
    if (a->ask_auth) {
        a->ask_auth(a, c, ask);
        return;
    }
    struct ln_err err;
    ln_fail(&err, LN_CANCELLED, "no script that has this connection's functions is running");
    conn_answer(c, ask->ticket, ask->what, (struct ln_str){0}, &err);
}

struct ready { /* a connect whose handlers are still at work */
    struct clients *clients;
    ln_id conn;
    uint64_t epoch;
};

static void handlers_ended(void *ud) {
    struct ready *r = ud;
    struct conn *c = conn_of_handle(r->clients, r->conn);
    if (c) conn_ready_go(c, r->epoch);
    ln_free(r);
}

static void sink_connected(void *ud, struct conn *c, bool first) {
    struct app *a = ud;
    struct ready *r = ln_new(struct ready);
    r->clients = a->clients;
    r->conn = conn_handle(c);
    r->epoch = conn_epoch(c);
    struct event ev = {.kind = EVENT_LIFECYCLE,
                       .conn = c,
                       .name = LN_STR("connect"),
                       .args = first ? LN_STR("true") : LN_STR("false"),
                       .ack = -1,
                       .serial = app_event_serial(a),
                       .barrier = barrier_open(handlers_ended, r)};
    struct barrier *b = ev.barrier;
    bus_emit(app_bus(a, c), &ev);
    barrier_seal(b);
}

static void sink_rejoined(void *ud, struct conn *c, struct ln_str room, struct ln_str reply,
                          const struct ln_err *err) {
    struct app *a = ud;
    if (a->told_rejoined) a->told_rejoined(a, c, room, reply, err);
}

static const struct conn_sink sink = {sink_wants, sink_event, sink_auth, sink_connected,
                                      sink_rejoined};

/* --- life --- */

struct app *app_new(void) {
    struct app *a = ln_new(struct app);
    a->loop = loop_new();
    a->config = config_new();
    a->clients = clients_new(a->loop, &sink, a);
    a->hub_bus = bus_new((struct ln_str){0});
    a->buses.lent = true;
    a->scripts = scripts_new(a);
    return a;
}

/* For the goodbyes: who does not hang up, or takes nothing of what waits for it, holds nobody. */
#define STOP_MS 2000

static void stop_loop(void *ud) {
    loop_stop(((struct app *)ud)->loop);
}

static void said_goodbye(void *ud) {
    struct app *a = ud;
    if (--a->goodbyes == 0) loop_timer(a->loop, 0, stop_loop, a);
}

static void hub_done(void *ud) {
    struct app *a = ud;
    if (a->hub_done) return;
    a->hub_done = true;
    said_goodbye(a);
}

static void hub_gone(void *ud) {
    struct app *a = ud;
    a->hub = NULL;
    hub_done(a);
}

static void close_hub(struct app *a) {
    if (a->hub_closing) return;
    a->hub_closing = true;
    a->goodbyes++;
    hub_close(a->hub, hub_gone, a);
}

void app_free(struct app *a) {
    a->is_freed = true;
    scripts_free(a->scripts);
    if (a->hub && !a->hub_closing) { /* it never ran: the settings were wrong, say */
        loop_timer(a->loop, STOP_MS, stop_loop, a);
        close_hub(a);
        loop_run(a->loop);
    }
    if (a->clients) clients_free(a->clients);
    loop_free(a->loop); /* turns until every handle is closed: the hub's end comes here */
    size_t i = 0;
    struct ln_str key;
    void *value;
    while (ln_map_next(&a->buses, &i, &key, &value))
        bus_free(value);
    ln_map_free(&a->targets);
    ln_map_free(&a->buses);
    bus_free(a->hub_bus);
    config_free(a->config);
    ln_slots_free(&a->slots);
    ln_free(a);
}

static void stop_scripts(void *ud) {
    struct app *a = ud;
    struct conn *c;
    scripts_stop(a->scripts);
    for (size_t i = 0; clients_each(a->clients, &i, &c);)
        conn_disconnect(c, NULL);
    /* What was said at the end is taken by the peers first, and the hub's clients hang up. */
    a->goodbyes++;
    clients_quiet(a->clients, STOP_MS, said_goodbye, a);
    if (!a->hub) return;
    close_hub(a);
    loop_timer(a->loop, STOP_MS, hub_done, a);
}

/* Later, never from here: who asks may be a script, even one that is just being loaded. */
void app_exit(struct app *a, int code) {
    if (a->stopping) return;
    a->stopping = true;
    a->exit_code = code;
    loop_timer(a->loop, 0, stop_scripts, a);
}

/* --- connections by name --- */

static bool is_url(const char *target) {
    return strstr(target, "://") != NULL;
}

/* chat.example, localhost:3000, 10.0.0.1/admin: an address that lacks its scheme. */
static bool is_address(const char *target) {
    size_t host = strcspn(target, "/:");
    const char *rest = target + host;
    if (host == 0 || strpbrk(target, " \t")) return false;
    if (*rest != ':') return memchr(target, '.', host) != NULL;
    size_t digits = strspn(rest + 1, "0123456789");
    return digits > 0 && (rest[1 + digits] == '\0' || rest[1 + digits] == '/');
}

static bool unknown_name(struct app *a, const char *target, struct ln_err *err) {
    const char *names[102] = {"hub"}, *path, *origin;
    struct ln_str json;
    size_t n = 1, i = 0;
    while (n < 100 && config_each(a->config, "connections.", &i, &path, &json, &origin))
        names[n++] = path + strlen("connections.");
    char meant[LN_MEANT];
    const char *near = ln_nearest(ln_str(target), names);
    if (!near && is_address(target)) {
        ln_fail(err, LN_NOT_FOUND, "'%s' has no scheme: write \"http://%s\" or \"https://%s\"",
                target, target, target);
        return false;
    }
    ln_fail(err, LN_NOT_FOUND,
            "no connection '%s' in linnet.cfg.lua%s, and it is no URL (ws://, http:// …)", target,
            ln_meant(near, meant));
    return false;
}

bool app_target(struct app *a, const char *target, struct conn_opts *o, struct ln_err *err) {
    bool found = false;
    if (is_url(target)) {
        o->url = ln_strdup(target);
        return true;
    }
    if (!config_connection(a->config, target, o, &found, err)) return false;
    if (found) return true;
    if (strcmp(target, "hub") != 0) return unknown_name(a, target, err);
    char *host = config_text(a->config, "hub.host");
    int port = a->hub ? hub_port(a->hub) : (int)config_int(a->config, "hub.port", HUB_PORT);
    struct ln_buf url = {0};
    /* A hub that listens on every address is reached on this machine's own. */
    bool any = !host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    if (host && strncmp(host, "unix:", 5) == 0)
        ln_buf_fmt(&url, "ws+unix://%s:/", host + 5);
    else
        ln_buf_fmt(&url, strchr(any ? "" : host, ':') ? "ws://[%s]:%d" : "ws://%s:%d",
                   any ? "127.0.0.1" : host, port);
    ln_free(host);
    ln_buf_cstr(&url);
    o->url = ln_buf_take(&url, NULL);
    return true;
}

/* The URL without query, fragment and user: what may be shown. */
static void add_shown(struct ln_buf *name, const char *url) {
    const char *host = strstr(url, "://") + 3, *at = strpbrk(host, "@/?#");
    size_t n = strcspn(url, "?#");
    ln_buf_add(name, url, (size_t)(host - url));
    if (at && *at == '@') host = at + 1;
    if (host < url + n) ln_buf_add(name, host, (size_t)(url + n - host));
}

static char *shown_name(struct app *a, const char *url) {
    struct ln_buf name = {0};
    add_shown(&name, url);
    for (size_t base = name.n; conn_find(a->clients, ln_buf_get(&name));) {
        name.n = base;
        ln_buf_fmt(&name, " (%u)", ++a->twins + 1);
    }
    ln_buf_cstr(&name);
    return ln_buf_take(&name, NULL);
}

struct conn *app_find(struct app *a, const char *target) {
    const struct bus *bus = ln_map_get(&a->targets, ln_str(target));
    return conn_find(a->clients, ln_str(bus ? bus_name(bus) : target));
}

/* The bus of a connection that was just opened. Whoever had the name before had another address. */
static struct bus *first_bus(struct app *a, struct conn *c) {
    const struct bus *left = ln_map_get(&a->buses, ln_str(conn_name(c)));
    struct ln_str key;
    void *bus;
    for (size_t i = 0; left && ln_map_next(&a->targets, &i, &key, &bus);)
        if (bus == left) ln_map_remove(&a->targets, key);
    return app_bus(a, c);
}

struct conn *app_connect(struct app *a, const char *target, const struct conn_opts *o,
                         struct ln_err *err) {
    struct conn *c = app_find(a, target);
    if (c) return c;
    char *name = is_url(target) ? shown_name(a, target) : NULL;
    c = conn_open(a->clients, name ? name : target, o, err);
    struct bus *bus = c ? first_bus(a, c) : NULL;
    if (bus && name && strcmp(name, target) != 0) ln_map_set(&a->targets, ln_str(target), bus);
    ln_free(name);
    return c;
}

struct conn *app_connect_beside(struct app *a, const char *target, const char *name,
                                const struct conn_opts *o, struct ln_err *err) {
    struct ln_buf full = {0};
    if (is_url(target))
        add_shown(&full, target);
    else
        ln_buf_puts(&full, target);
    size_t base = full.n;
    ln_buf_fmt(&full, " (%s)", name);
    for (int n = 2; conn_find(a->clients, ln_buf_get(&full)); n++) {
        full.n = base;
        ln_buf_fmt(&full, " (%s %d)", name, n);
    }
    struct conn *c = conn_open(a->clients, ln_buf_cstr(&full), o, err);
    if (c) first_bus(a, c);
    ln_buf_free(&full);
    return c;
}
