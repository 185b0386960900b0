/* SPDX-License-Identifier: MIT
 *
 * Opening and closing the hub, and what its server calls. Lines are in hub_line.c, their clients in
 * hub_client.c.
 */
#include "hub/hub_jwt.h"
#include "hub/hub_poll.h"
#include "hub/hub_pusher.h"
#include "hub/hub_recover.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"

void hub_opts_init(struct hub_opts *o) {
    *o = (struct hub_opts){.host = "127.0.0.1",
                           .port = 4321,
                           .path = "/socket.io/",
                           .transports = HUB_POLLING | HUB_WEBSOCKET,
                           .cors = true,
                           .page = true,
                           .dialect = true,
                           .max_clients = 1000,
                           .max_rooms = 1000,
                           .max_message = 1000000,
                           .max_queue = (size_t)4 << 20,
                           .rate = 50,
                           .rate_burst = 1200, /* a whole outbox and its rooms, after a reconnect */
                           .ping_interval_ms = 25000,
                           .ping_timeout_ms = 20000,
                           .connect_timeout_ms = 45000,
                           .history = 100,
                           .leave_grace_ms = 2000,
                           .activity_timeout_ms = 30000};
}

const char *hub_leave_name(enum hub_leave why) {
    static const char *const names[] = {"left", "removed", "lost", "closed", "error", "expired"};
    return names[why];
}

bool hub_nsp_fits(const char *pattern, struct ln_str nsp) {
    size_t n = strlen(pattern);
    if (n == 0 || pattern[n - 1] != '*') return ln_str_is(nsp, pattern);
    return nsp.n >= n - 1 && memcmp(nsp.p, pattern, n - 1) == 0;
}

bool hub_has_nsp(const struct hub *h, struct ln_str nsp) {
    if (ln_str_is(nsp, "/")) return true;
    for (const char *const *n = h->opts.namespaces; n && *n; n++)
        if (hub_nsp_fits(*n, nsp)) return true;
    return h->hooks.has_namespace && h->hooks.has_namespace(h->ud, nsp);
}

/* --- the server's callbacks --- */

static void on_aborted(void *later) {
    if (later != hub_auth_later) hub_poll_aborted(later);
}

static void on_message(void *ud, bool binary, char *p, size_t n) {
    hub_line_input(ud, binary, p, n);
}

static void on_pinged(void *ud) {
    struct hub_line *line = ud;
    if (line->proto == HUB_PUSHER) hub_pusher_heard(line);
}

static void on_pong(void *ud) {
    hub_line_pong(ud);
}

static void on_closed(void *ud, int code, struct ln_str reason) {
    struct hub_line *line = ud;
    bool is_error = code == 1002 || (code >= 1007 && code <= 1009);
    if (!line->is_ended) line->why = is_error ? HUB_LEAVE_ERROR : HUB_LEAVE_CLOSE;
    ln_log(LN_DEBUG, "hub", "%s closed: %d %.*s", line->ip, code, LN_FMT(reason));
    hub_line_free(line);
}

/* --- life --- */

static char **copy_list(const char *const *list) {
    size_t n = 0;
    if (!list) return NULL;
    while (list[n])
        n++;
    char **copy = ln_alloc((n + 1) * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = ln_strdup(list[i]);
    return copy;
}

static void free_list(const char *const *list) {
    for (const char *const *s = list; s && *s; s++)
        ln_free((char *)*s);
    ln_free((void *)list);
}

static void hub_gone(void *ud) {
    struct hub *h = ud;
    loop_fn done = h->done;
    void *done_ud = h->done_ud, *room;
    size_t i = 0;
    while (!ln_list_empty(&h->lines)) /* those without a socket */
        hub_line_free(LN_CONTAINER(h->lines.next, struct hub_line, node));
    while (ln_map_next(&h->rooms, &i, NULL, &room))
        hub_room_free(h, room);
    ln_map_free(&h->rooms);
    ln_map_free(&h->users);
    ln_map_free(&h->sids);
    ln_slots_free(&h->slots);
    hub_apps_free(h);
    hub_jwt_close(h);
    hub_polls_free(h);
    hub_http_free(h);
    hub_recovery_close(h);
    ln_free((char *)h->opts.path);
    free_list(h->opts.origins);
    free_list(h->opts.namespaces);
    ln_free((char *)h->opts.host);
    ln_buf_free(&h->text);
    ln_free(h);
    if (done) done(done_ud);
}

/* "chat" -> "/chat/" */
static char *clean_path(const char *path) {
    struct ln_buf b = {0};
    size_t n = strlen(path);
    if (*path != '/') ln_buf_putc(&b, '/');
    ln_buf_puts(&b, path);
    if (n == 0 || path[n - 1] != '/') ln_buf_putc(&b, '/');
    ln_buf_cstr(&b);
    return ln_buf_take(&b, NULL);
}

static void fill_opts(struct hub *h, const struct hub_opts *o) {
    struct hub_opts defaults;
    hub_opts_init(&defaults);
    h->opts = *o;
    h->opts.host = ln_strdup(o->host ? o->host : defaults.host);
    h->opts.path = clean_path(o->path ? o->path : defaults.path);
    if (!o->transports) h->opts.transports = defaults.transports;
    h->opts.origins = (const char *const *)copy_list(o->origins);
    h->opts.namespaces = (const char *const *)copy_list(o->namespaces);
    if (o->rate <= 0) h->opts.rate = defaults.rate;
    if (o->rate_burst <= 0) h->opts.rate_burst = defaults.rate_burst;
    if (o->activity_timeout_ms <= 0) h->opts.activity_timeout_ms = defaults.activity_timeout_ms;
    h->opts.apps = NULL; /* copied by hub_apps.c */
    h->opts.jwt = NULL;  /* copied by hub_jwt.c */
}

struct hub *hub_open(struct loop *l, const struct hub_opts *o, const struct hub_hooks *hooks,
                     void *ud, struct ln_err *err) {
    static const struct server_cbs cbs = {.request = hub_http_request,
                                          .accept = hub_http_accept,
                                          .begin = hub_http_begin,
                                          .aborted = on_aborted,
                                          .open = hub_http_open,
                                          .message = on_message,
                                          .pong = on_pong,
                                          .pinged = on_pinged,
                                          .closed = on_closed};
    struct server_opts so = {.host = o->host,
                             .port = o->port,
                             .max_message = o->max_message,
                             .max_queue = o->max_queue,
                             .deflate = o->compress,
                             .max_peers = o->max_clients,
                             .hold_ms = o->ping_interval_ms + o->ping_timeout_ms + 60000};
    struct hub *h = ln_new(struct hub);
    h->loop = l;
    h->ud = ud;
    h->opened_ms = loop_now_ms(l);
    if (hooks) h->hooks = *hooks;
    fill_opts(h, o);
    ln_list_init(&h->lines);
    ln_list_init(&h->clients);
    ln_list_init(&h->empty_rooms);
    hub_recovery_open(h);
    if (hub_apps_open(h, o, err) && hub_jwt_open(h, o->jwt, err))
        h->server = server_open(l, &so, &cbs, h, err);
    if (h->server) return h;
    hub_gone(h);
    return NULL;
}

void hub_close(struct hub *h, loop_fn done, void *ud) {
    if (h->is_closing) return;
    h->is_closing = true;
    h->done = done;
    h->done_ud = ud;
    hub_polls_close(h);
    server_close(h->server, hub_gone, h);
}
