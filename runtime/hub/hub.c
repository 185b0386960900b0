/* SPDX-License-Identifier: MIT
 *
 * Opening and closing, lines and their limits (heartbeat, connect timeout, rate), and clients: how
 * they are admitted, how their events go to the dialect and the hooks, how they end.
 */
#include "hub/hub_int.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

void hub_opts_init(struct hub_opts *o) {
    *o = (struct hub_opts){.host = "127.0.0.1",
                           .port = 4321,
                           .page = true,
                           .dialect = true,
                           .max_clients = 1000,
                           .max_rooms = 1000,
                           .max_message = 1000000,
                           .max_queue = (size_t)4 << 20,
                           .rate = 50,
                           .rate_burst = 200,
                           .ping_interval_ms = 25000,
                           .ping_timeout_ms = 20000,
                           .connect_timeout_ms = 45000,
                           .history = 100,
                           .leave_grace_ms = 2000};
}

const char *hub_leave_name(enum hub_leave why) {
    static const char *const names[] = {"left", "removed", "lost", "closed", "error"};
    return names[why];
}

bool hub_has_nsp(const struct hub *h, struct ln_str nsp) {
    if (ln_str_is(nsp, "/")) return true;
    for (const char *const *n = h->opts.namespaces; n && *n; n++)
        if (ln_str_is(nsp, *n)) return true;
    return false;
}

/* --- sending on a line --- */

void hub_line_send(struct hub_line *line, bool binary, struct ln_str data) {
    if (line->is_ended) return;
    if (!line->peer) {
        if (line->sink) line->sink(line, binary, data);
        return;
    }
    if (server_send(line->peer, binary, &data, 1)) return;
    line->is_ended = true; /* the server closes it: too slow */
    line->why = HUB_LEAVE_ERROR;
}

size_t hub_line_queued(const struct hub_line *line) {
    return line->peer ? server_queued(line->peer) : 0;
}

void hub_line_drop(struct hub_line *line, enum hub_leave why, int code, const char *reason) {
    if (line->is_ended) return;
    line->is_ended = true;
    line->why = why;
    if (line->peer) server_drop(line->peer, code, ln_str(reason));
}

/* --- heartbeat --- */

static void on_ping_timer(void *ud) {
    struct hub_line *line = ud;
    const struct hub_opts *o = &line->hub->opts;
    line->ping_timer = 0;
    if (line->is_waiting) {
        hub_line_drop(line, HUB_LEAVE_PING, 1005, "");
        return;
    }
    line->is_waiting = true;
    line->was_extended = false;
    line->ping_timer = loop_timer(line->hub->loop, o->ping_timeout_ms, on_ping_timer, line);
    if (line->proto == HUB_SIO) {
        hub_sio_ping(line);
    } else if (line->peer) {
        server_ping(line->peer);
    }
}

static void ping_later(struct hub_line *line) {
    line->is_waiting = false;
    loop_timer_cancel(line->hub->loop, line->ping_timer);
    line->ping_timer =
        loop_timer(line->hub->loop, line->hub->opts.ping_interval_ms, on_ping_timer, line);
}

/* Something came in. Over Socket.IO a pong starts the next interval; anything else gives a line
 * that owes one more time, once (as the reference does since 6.6.11). */
static void heard(struct hub_line *line, bool is_pong) {
    if (!line->is_waiting) return;
    if (is_pong || line->proto == HUB_RAW) {
        ping_later(line);
    } else if (!line->was_extended) {
        line->was_extended = true;
        loop_timer_again(line->hub->loop, line->ping_timer, line->hub->opts.ping_timeout_ms);
    }
}

/* --- rate --- */

bool hub_line_charge(struct hub_line *line) {
    const struct hub_opts *o = &line->hub->opts;
    uint64_t now = loop_now_ms(line->hub->loop);
    line->tokens += (double)(now - line->tokens_at_ms) * o->rate / 1000.0;
    line->tokens_at_ms = now;
    if (line->tokens > o->rate_burst) line->tokens = o->rate_burst;
    if (line->tokens >= 1) {
        line->tokens -= 1;
        line->refused = 0;
        return true;
    }
    if (++line->refused > 3 * o->rate_burst)
        hub_line_drop(line, HUB_LEAVE_ERROR, 1008, "too many events");
    return false;
}

/* --- lines --- */

static void on_connect_timer(void *ud) {
    struct hub_line *line = ud;
    line->connect_timer = 0;
    if (ln_list_empty(&line->clients)) hub_line_drop(line, HUB_LEAVE_ERROR, 1005, "");
}

struct hub_line *hub_line_new(struct hub *h, struct server_peer *p, enum hub_proto proto) {
    struct hub_line *line = ln_new(struct hub_line);
    line->hub = h;
    line->peer = p;
    line->proto = proto;
    line->why = HUB_LEAVE_CLOSE;
    line->tokens = h->opts.rate_burst;
    line->tokens_at_ms = loop_now_ms(h->loop);
    ln_list_init(&line->node);
    ln_list_init(&line->clients);
    ln_list_init(&line->tickets);
    ln_list_push(&h->lines, &line->node);
    return line;
}

void hub_line_start(struct hub_line *line) {
    struct hub *h = line->hub;
    line->connect_timer = loop_timer(h->loop, h->opts.connect_timeout_ms, on_connect_timer, line);
    ping_later(line);
    if (line->proto == HUB_SIO) {
        hub_sio_open(line);
    } else {
        hub_line_ask(line, LN_STR("/"), ln_buf_get(&line->auth));
    }
}

void hub_line_input(struct hub_line *line, bool binary, char *p, size_t n) {
    if (line->is_ended) return;
    heard(line, line->proto == HUB_SIO && !binary && n == 1 && *p == '3');
    if (line->proto == HUB_SIO) {
        hub_sio_input(line, binary, p, n);
    } else {
        hub_raw_input(line, binary, p, n);
    }
}

static void ticket_free(struct hub_ticket *t) {
    struct hub *h = t->line->hub;
    loop_timer_cancel(h->loop, t->timer);
    ln_slot_drop(&h->slots, t->id);
    ln_list_remove(&t->node);
    ln_free(t->nsp);
    ln_free(t);
}

void hub_line_free(struct hub_line *line) {
    line->is_ended = true;
    line->peer = NULL;
    LN_LIST_EACH (&line->tickets, it, tmp)
        ticket_free(LN_CONTAINER(it, struct hub_ticket, node));
    while (!ln_list_empty(&line->clients))
        hub_client_end(LN_CONTAINER(line->clients.next, struct hub_client, on_line), line->why);
    loop_timer_cancel(line->hub->loop, line->ping_timer);
    loop_timer_cancel(line->hub->loop, line->connect_timer);
    ln_list_remove(&line->node);
    ln_buf_free(&line->auth);
    ln_buf_free(&line->headers);
    ln_buf_free(&line->packet);
    for (int i = 0; i < SIO_MAX_ATTACHMENTS; i++)
        ln_buf_free(&line->bins[i]);
    ln_free(line);
}

struct hub_client *hub_line_client(const struct hub_line *line, struct ln_str nsp) {
    LN_LIST_EACH (&line->clients, it, tmp) {
        struct hub_client *c = LN_CONTAINER(it, struct hub_client, on_line);
        if (ln_str_is(nsp, c->nsp)) return c;
    }
    return NULL;
}

/* --- admission --- */

static void client_new(struct hub_line *line, struct ln_str nsp, struct ln_str auth) {
    struct hub *h = line->hub;
    struct hub_client *c = ln_new(struct hub_client);
    c->line = line;
    c->nsp = ln_str_dup(nsp);
    c->connected_at_ms = (uint64_t)ln_wall_ms();
    ln_random_id(c->sid, HUB_SID_LEN);
    ln_list_init(&c->on_line);
    ln_list_init(&c->in_hub);
    ln_list_init(&c->of_user);
    ln_list_init(&c->memberships);
    ln_list_init(&c->waits);
    ln_list_push(&line->clients, &c->on_line);
    ln_list_push(&h->clients, &c->in_hub);
    c->id = ln_slot_put(&h->slots, c, HUB_CLIENT);
    ln_map_set(&h->sids, ln_str(c->sid), c);
    h->client_count++;
    loop_timer_cancel(h->loop, line->connect_timer);
    if (line->proto == HUB_SIO) hub_sio_welcome(c);
    if (h->opts.dialect && ln_str_is(nsp, "/")) {
        hub_user_enter(c, auth);
        hub_chat_welcome(c);
    }
    if (h->hooks.client) h->hooks.client(h->ud, c->id, nsp, true, (struct ln_str){NULL, 0});
}

bool hub_line_is_asked(const struct hub_line *line, struct ln_str nsp) {
    LN_LIST_EACH (&line->tickets, it, tmp)
        if (ln_str_is(nsp, LN_CONTAINER(it, struct hub_ticket, node)->nsp)) return true;
    return false;
}

static void on_ticket_timeout(void *ud) {
    struct hub_ticket *t = ud;
    hub_admit(t->line->hub, t->id, false, "timeout", (struct ln_str){NULL, 0});
}

void hub_line_ask(struct hub_line *line, struct ln_str nsp, struct ln_str auth) {
    struct hub *h = line->hub;
    if (!h->hooks.admit) {
        client_new(line, nsp, auth);
        return;
    }
    struct hub_ticket *t = ln_new(struct hub_ticket);
    t->line = line;
    t->nsp = ln_str_dup(nsp);
    ln_list_init(&t->node);
    ln_list_push(&line->tickets, &t->node);
    t->id = ln_slot_put(&h->slots, t, HUB_TICKET);
    t->timer = loop_timer(h->loop, h->opts.connect_timeout_ms, on_ticket_timeout, t);
    if (ln_str_is(nsp, "/") && line->proto == HUB_SIO) {
        ln_buf_clear(&line->auth);
        ln_buf_str(&line->auth, auth);
    }
    h->hooks.admit(h->ud, t->id, nsp, auth, ln_buf_get(&line->headers));
}

void hub_admit(struct hub *h, ln_id ticket, bool ok, const char *message, struct ln_str data) {
    struct hub_ticket *t = ln_slot_get(&h->slots, ticket, HUB_TICKET);
    if (!t) return; /* answered, or gone meanwhile */
    struct hub_line *line = t->line;
    char *nsp = t->nsp;
    t->nsp = NULL;
    ticket_free(t);
    if (!message) message = "not allowed";
    if (line->is_ended) {
        ln_free(nsp);
        return;
    }
    if (ok) {
        client_new(line, ln_str(nsp), ln_buf_get(&line->auth));
    } else if (line->proto == HUB_SIO) {
        hub_sio_refuse(line, ln_str(nsp), message, data);
    } else {
        hub_raw_refuse(line, message, data);
    }
    ln_free(nsp);
}

/* --- clients --- */

struct hub_client *hub_get(const struct hub *h, ln_id id) {
    return ln_slot_get(&h->slots, id, HUB_CLIENT);
}

static void wait_end(struct hub_wait *w, struct ln_str args, const struct ln_err *err) {
    struct hub_wait copy = *w;
    ln_list_remove(&w->node);
    w->client->wait_count--;
    loop_timer_cancel(w->client->line->hub->loop, w->timer);
    ln_free(w);
    copy.reply(copy.ud, args, err);
}

static void client_free(void *ud) {
    struct hub_client *c = ud;
    ln_free(c->nsp);
    ln_free(c);
}

void hub_client_end(struct hub_client *c, enum hub_leave why) {
    struct hub *h = c->line->hub;
    struct ln_err gone = {LN_DISCONNECTED, "the client disconnected"};
    if (c->is_dead) return;
    c->is_dead = true;
    ln_slot_drop(&h->slots, c->id);
    ln_map_remove(&h->sids, ln_str(c->sid));
    ln_list_remove(&c->on_line);
    ln_list_remove(&c->in_hub);
    h->client_count--;
    if (c->is_tracer) h->tracers--;
    c->is_tracer = false;
    if (c->user) hub_user_quit(c, why);
    while (!ln_list_empty(&c->memberships))
        hub_room_leave(c, LN_CONTAINER(c->memberships.next, struct hub_member, of_client)->room);
    while (!ln_list_empty(&c->waits))
        wait_end(LN_CONTAINER(c->waits.next, struct hub_wait, node), (struct ln_str){NULL, 0},
                 &gone);
    if (h->hooks.client)
        h->hooks.client(h->ud, c->id, ln_str(c->nsp), false, ln_str(hub_leave_name(why)));
    loop_defer(h->loop, client_free, c); /* somebody above may still look at it */
}

void hub_client_event(struct hub_client *c, struct hub_event *ev) {
    struct hub *h = c->line->hub;
    struct ln_err err;
    enum hub_verdict verdict = HUB_NOT_OURS;
    if (!hub_line_charge(c->line)) {
        ln_fail(&err, LN_FULL, "too many events: at most %d a second", h->opts.rate);
        hub_chat_error(c, ev->ack, &err);
        return;
    }
    ev->hub = h;
    ev->client = c->id;
    hub_trace_event(h, "in", c, ev->name, (struct ln_str){NULL, 0}, ev->args);
    if (c->user) verdict = hub_chat_event(c, ev);
    if (verdict == HUB_FAILED || c->is_dead || !h->hooks.event) return;
    if (verdict == HUB_DONE) ev->ack = SIO_NO_ACK; /* answered */
    if (h->hooks.wants && !h->hooks.wants(h->ud, ev->nsp, ev->name)) return;
    h->hooks.event(h->ud, ev);
}

/* --- answers --- */

static void on_wait_timeout(void *ud) {
    struct hub_wait *w = ud;
    struct ln_err err = {LN_TIMEOUT, "the client did not answer in time"};
    w->timer = 0;
    wait_end(w, (struct ln_str){NULL, 0}, &err);
}

void hub_client_answer(struct hub_client *c, int64_t ack, struct ln_str args) {
    LN_LIST_EACH (&c->waits, it, tmp) {
        struct hub_wait *w = LN_CONTAINER(it, struct hub_wait, node);
        if (w->ack != ack) continue;
        wait_end(w, args, NULL);
        return;
    }
}

ln_status hub_emit_ack(struct hub *h, ln_id client, struct ln_str name, struct ln_str args,
                       int64_t timeout_ms, hub_reply_fn reply, void *ud) {
    struct hub_client *c = hub_get(h, client);
    if (!c || c->line->is_ended) return LN_DISCONNECTED;
    if (c->wait_count >= HUB_MAX_WAITS) return LN_FULL;
    struct hub_wait *w = ln_new(struct hub_wait);
    *w = (struct hub_wait){.client = c, .ack = c->next_ack++, .reply = reply, .ud = ud};
    ln_list_init(&w->node);
    ln_list_push(&c->waits, &w->node);
    c->wait_count++;
    w->timer = loop_timer(h->loop, timeout_ms, on_wait_timeout, w);
    struct ln_buf out = {0};
    if (c->line->proto == HUB_SIO) {
        hub_sio_event(&out, ln_str(c->nsp), w->ack, 0, name, args);
    } else {
        hub_raw_event(&out, w->ack, name, args);
    }
    hub_trace_event(h, "out", c, name, (struct ln_str){NULL, 0}, args);
    hub_line_send(c->line, false, ln_buf_get(&out));
    ln_buf_free(&out);
    return LN_OK;
}

bool hub_ack(struct hub *h, ln_id client, int64_t ack, struct ln_str args, const struct ln_str *bin,
             size_t bin_count) {
    struct hub_client *c = hub_get(h, client);
    if (!c || ack < 0 || c->line->is_ended || bin_count > SIO_MAX_ATTACHMENTS) return false;
    if (c->line->proto == HUB_SIO) {
        hub_sio_ack(c, ack, args, bin, bin_count);
    } else {
        hub_raw_ack(c, ack, args);
    }
    return true;
}

void hub_disconnect(struct hub *h, ln_id client, bool whole_line) {
    struct hub_client *c = hub_get(h, client);
    if (!c) return;
    struct hub_line *line = c->line;
    if (!whole_line && line->proto == HUB_SIO) {
        hub_sio_bye(c);
        hub_client_end(c, HUB_LEAVE_SERVER);
        return;
    }
    while (!ln_list_empty(&line->clients)) {
        c = LN_CONTAINER(line->clients.next, struct hub_client, on_line);
        if (line->proto == HUB_SIO) hub_sio_bye(c);
        hub_client_end(c, HUB_LEAVE_SERVER);
    }
    hub_line_drop(line, HUB_LEAVE_SERVER, line->proto == HUB_SIO ? 1005 : 1000, "");
}

/* --- looking --- */

static void fill_info(const struct hub_client *c, struct hub_client_info *out) {
    *out = (struct hub_client_info){
        .id = c->id,
        .nsp = ln_str(c->nsp),
        .sid = ln_str(c->sid),
        .ip = ln_str(c->line->ip),
        .protocol = c->line->proto == HUB_SIO ? LN_STR("socketio") : LN_STR("ws"),
        .connected_at_ms = c->connected_at_ms,
    };
    if (!c->user) return;
    out->user_id = ln_str(c->user->id);
    out->user_name = ln_str(c->user->name);
}

bool hub_client(const struct hub *h, ln_id client, struct hub_client_info *out) {
    const struct hub_client *c = hub_get(h, client);
    if (c) fill_info(c, out);
    return c != NULL;
}

bool hub_each_client(const struct hub *h, size_t *i, struct hub_client_info *out) {
    void *c;
    if (!ln_map_next(&h->sids, i, NULL, &c)) return false;
    fill_info(c, out);
    return true;
}

size_t hub_client_count(const struct hub *h) {
    return h->client_count;
}

int hub_port(const struct hub *h) {
    return server_port(h->server);
}

int hub_pair(struct hub *h) {
    return server_pair(h->server);
}

/* --- the server's callbacks --- */

static void *on_open(void *ud, struct server_peer *p, const struct server_request *r) {
    struct hub *h = ud;
    struct hub_line *line = hub_line_new(h, p, hub_http_is_sio(r->path) ? HUB_SIO : HUB_RAW);
    snprintf(line->ip, sizeof line->ip, "%.*s", LN_FMT(r->ip));
    line->is_local = ln_str_starts(r->ip, "127.") || ln_str_is(r->ip, "::1");
    if (h->hooks.admit) hub_headers_json(&line->headers, r);
    if (line->proto == HUB_RAW) hub_query_json(&line->auth, r->query);
    hub_line_start(line);
    return line;
}

static void on_message(void *ud, bool binary, char *p, size_t n) {
    hub_line_input(ud, binary, p, n);
}

static void on_pong(void *ud) {
    struct hub_line *line = ud;
    if (line->proto == HUB_RAW) heard(line, true);
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
    free_list(h->opts.origins);
    free_list(h->opts.namespaces);
    ln_free((char *)h->opts.host);
    ln_buf_free(&h->page_headers);
    ln_buf_free(&h->text);
    ln_free(h);
    if (done) done(done_ud);
}

static void fill_opts(struct hub *h, const struct hub_opts *o) {
    struct hub_opts defaults;
    hub_opts_init(&defaults);
    h->opts = *o;
    h->opts.host = ln_strdup(o->host ? o->host : defaults.host);
    h->opts.origins = (const char *const *)copy_list(o->origins);
    h->opts.namespaces = (const char *const *)copy_list(o->namespaces);
    if (o->rate <= 0) h->opts.rate = defaults.rate;
    if (o->rate_burst <= 0) h->opts.rate_burst = defaults.rate_burst;
}

struct hub *hub_open(struct loop *l, const struct hub_opts *o, const struct hub_hooks *hooks,
                     void *ud, struct ln_err *err) {
    static const struct server_cbs cbs = {.request = hub_http_request,
                                          .accept = hub_http_accept,
                                          .open = on_open,
                                          .message = on_message,
                                          .pong = on_pong,
                                          .closed = on_closed};
    struct server_opts so = {.host = o->host,
                             .port = o->port,
                             .max_message = o->max_message,
                             .max_queue = o->max_queue,
                             .max_peers = o->max_clients};
    struct hub *h = ln_new(struct hub);
    h->loop = l;
    h->ud = ud;
    h->opened_ms = loop_now_ms(l);
    if (hooks) h->hooks = *hooks;
    fill_opts(h, o);
    ln_list_init(&h->lines);
    ln_list_init(&h->clients);
    ln_list_init(&h->empty_rooms);
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
    server_close(h->server, hub_gone, h);
}
