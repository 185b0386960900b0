/* SPDX-License-Identifier: MIT
 *
 * Clients: how they are admitted, how their events go to the dialect and the hooks, what they owe
 * an answer to, and how they end.
 */
#include "hub/hub_jwt.h"
#include "hub/hub_pusher.h"
#include "hub/hub_recover.h"

#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"

/* --- admission --- */

static void take_sid(struct hub_client *c, struct hub_session *s) {
    if (s)
        hub_session_take(s, c);
    else if (c->line->proto == HUB_PUSHER)
        hub_pusher_sid(c->line->hub, c->sid);
    else
        ln_random_id(c->sid, HUB_SID_LEN);
    if (!s && c->line->proto == HUB_SIO) hub_session_new(c);
}

/* s: what it comes back to, or NULL; grant: its own from now on. */
static struct hub_client *client_make(struct hub_line *line, struct ln_str nsp,
                                      struct hub_grant *grant, struct hub_session *s) {
    struct hub *h = line->hub;
    struct hub_client *c = ln_new(struct hub_client);
    c->line = line;
    c->nsp = ln_str_dup(nsp);
    c->grant = grant;
    c->is_recovered = s != NULL;
    c->connected_at_ms = (uint64_t)ln_wall_ms();
    take_sid(c, s);
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
    hub_jwt_watch(c);
    return c;
}

static void announce(const struct hub_client *c) {
    struct hub *h = c->line->hub;
    if (h->hooks.client) h->hooks.client(h->ud, c->id, ln_str(c->nsp), true, LN_STR(""));
}

static void client_new(struct hub_line *line, struct ln_str nsp, struct ln_str auth,
                       struct hub_grant *grant) {
    struct hub *h = line->hub;
    struct hub_client *c = client_make(line, nsp, grant, NULL);
    if (line->proto == HUB_SIO) hub_sio_welcome(c);
    if (line->proto == HUB_PUSHER) {
        hub_pusher_welcome(c); /* who it is shows when it subscribes or signs in */
    } else if (h->opts.dialect && ln_str_is(nsp, "/")) {
        hub_user_enter(c, auth);
        hub_chat_welcome(c);
    }
    announce(c);
    if (line->proto == HUB_RAW) hub_raw_admitted(line);
    if (ln_str_is(nsp, "/")) ln_buf_free(&line->auth); /* nobody needs its tokens any more */
}

/* It is who it was: nobody is asked again. What it missed comes before the CONNECT's answer. */
static void client_back(struct hub_line *line, struct ln_str nsp, struct hub_grant *grant,
                        struct hub_session *s, uint64_t from) {
    struct hub_client *c = client_make(line, nsp, grant, s);
    hub_session_replay(s, c, from);
    hub_sio_welcome(c);
    if (s->user.n > 0) {
        hub_user_enter(c, ln_buf_get(&s->user));
        hub_chat_welcome(c);
    }
    hub_session_rejoin(s, c);
    announce(c);
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

static struct hub_ticket *ticket_new(struct hub_line *line, struct ln_str nsp) {
    struct hub *h = line->hub;
    struct hub_ticket *t = ln_new(struct hub_ticket);
    t->line = line;
    t->nsp = ln_str_dup(nsp);
    ln_list_init(&t->node);
    ln_list_push(&line->tickets, &t->node);
    t->id = ln_slot_put(&h->slots, t, HUB_TICKET);
    t->timer = loop_timer(h->loop, h->opts.connect_timeout_ms, on_ticket_timeout, t);
    return t;
}

static const char *protocol_of(const struct hub_line *line) {
    static const char *const names[] = {"socketio", "ws", "pusher"};
    return (size_t)line->proto < LN_COUNT(names) ? names[line->proto] : "";
}

/* The handshake's headers, with what this is about. */
static void ask_hook(const struct hub_ticket *t, struct ln_str nsp, struct ln_str auth) {
    struct hub *h = t->line->hub;
    struct ln_str headers = ln_buf_get(&t->line->headers);
    struct ln_buf text = {0};
    ln_buf_fmt(&text, "{\":protocol\":\"%s\"%s", protocol_of(t->line),
               t->is_signin ? ",\":signin\":true" : "");
    if (headers.n > 2) ln_buf_putc(&text, ',');
    ln_buf_str(&text, headers.n > 2 ? (struct ln_str){headers.p + 1, headers.n - 1} : LN_STR("}"));
    h->hooks.admit(h->ud, t->id, nsp, auth, ln_buf_get(&text));
    ln_buf_free(&text);
}

void hub_client_ask(struct hub_client *c, struct ln_str auth) {
    if (!c->line->hub->hooks.admit) {
        hub_pusher_signed(c->line, true, NULL);
        return;
    }
    struct hub_ticket *t = ticket_new(c->line, ln_str(c->nsp));
    t->is_signin = true;
    ask_hook(t, ln_str(c->nsp), auth);
}

void hub_line_ask(struct hub_line *line, struct ln_str nsp, struct ln_str auth) {
    struct hub *h = line->hub;
    struct hub_grant *grant;
    struct hub_session *s = NULL;
    uint64_t from;
    if (!hub_jwt_admit(line, nsp, auth, &grant)) return;
    if (line->proto == HUB_SIO) s = hub_session_find(h, nsp, auth, hub_grant_sub(grant), &from);
    if (line->is_ended) { /* by a hook that heard of the end of its old line */
        hub_grant_free(h, grant);
        return;
    }
    if (s || !h->hooks.admit) {
        if (s)
            client_back(line, nsp, grant, s, from);
        else
            client_new(line, nsp, auth, grant);
        return;
    }
    struct hub_ticket *t = ticket_new(line, nsp);
    t->grant = grant;
    if (ln_str_is(nsp, "/") && line->proto == HUB_SIO) {
        ln_buf_clear(&line->auth);
        ln_buf_str(&line->auth, auth);
    }
    ask_hook(t, nsp, auth);
}

void hub_admit(struct hub *h, ln_id ticket, bool ok, const char *message, struct ln_str data) {
    struct hub_ticket *t = ln_slot_get(&h->slots, ticket, HUB_TICKET);
    if (!t) return; /* answered, or gone meanwhile */
    struct hub_line *line = t->line;
    char *nsp = t->nsp;
    bool is_signin = t->is_signin;
    struct hub_grant *grant = t->grant;
    t->nsp = NULL;
    t->grant = NULL;
    hub_ticket_free(t);
    if (!message) message = "not allowed";
    if (line->is_ended || !ok) hub_grant_free(h, grant);
    if (line->is_ended) {
        ln_free(nsp);
        return;
    }
    if (is_signin) {
        hub_pusher_signed(line, ok, message);
    } else if (ok) {
        client_new(line, ln_str(nsp), ln_buf_get(&line->auth), grant);
    } else if (line->proto == HUB_PUSHER) {
        hub_pusher_end(line, HUB_LEAVE_SERVER, 4009, message);
    } else if (line->proto == HUB_SIO) {
        hub_sio_refuse(line, ln_str(nsp), message, data);
    } else {
        hub_raw_refuse(line, message, data);
    }
    ln_free(nsp);
}

struct ln_str hub_ticket_claims(const struct hub *h, ln_id ticket) {
    const struct hub_ticket *t = ln_slot_get(&h->slots, ticket, HUB_TICKET);
    return hub_grant_claims(t ? t->grant : NULL);
}

/* --- clients --- */

struct hub_client *hub_get(const struct hub *h, ln_id id) {
    return ln_slot_get(&h->slots, id, HUB_CLIENT);
}

static void wait_end(struct hub_wait *w, struct ln_str args, const struct ln_str *bin,
                     size_t bin_count, const struct ln_err *err) {
    struct hub_wait copy = *w;
    ln_list_remove(&w->node);
    w->client->wait_count--;
    loop_timer_cancel(w->client->line->hub->loop, w->timer);
    ln_free(w);
    copy.reply(copy.ud, args, bin, bin_count, err);
}

static void client_free(void *ud) {
    struct hub_client *c = ud;
    if (c->grant) ln_free(c->grant->claims);
    ln_free(c->grant);
    ln_free(c->nsp);
    ln_free(c);
}

static void fill_info(const struct hub_client *c, struct hub_client_info *out);

/* who: what is known of it, while it can still be asked for. */
static void tell_end(struct hub_client *c, const struct hub_client_info *who, enum hub_leave why) {
    struct hub *h = c->line->hub;
    const struct hub_client_info *outer = h->gone;
    h->gone = who;
    h->hooks.client(h->ud, c->id, ln_str(c->nsp), false, ln_str(hub_leave_name(why)));
    h->gone = outer;
}

static struct ln_str keep(struct ln_buf *buf, struct ln_str s) {
    ln_buf_str(buf, s);
    return ln_buf_get(buf);
}

void hub_client_end(struct hub_client *c, enum hub_leave why) {
    struct hub *h = c->line->hub;
    struct hub_client_info who;
    struct ln_buf user_id = {0}, user_name = {0};
    struct ln_err gone = {LN_DISCONNECTED, "the client disconnected"};
    if (c->is_dead) return;
    fill_info(c, &who); /* its user may end with it */
    who.gone = true;
    who.user_id = keep(&user_id, who.user_id);
    who.user_name = keep(&user_name, who.user_name);
    c->is_dead = true;
    if (c->grant) loop_timer_cancel(h->loop, c->grant->timer);
    ln_slot_drop(&h->slots, c->id);
    ln_map_remove(&h->sids, ln_str(c->sid));
    ln_list_remove(&c->on_line);
    ln_list_remove(&c->in_hub);
    h->client_count--;
    if (c->is_tracer) h->tracers--;
    c->is_tracer = false;
    hub_session_lost(c, why);
    if (c->user) hub_user_quit(c, why);
    while (!ln_list_empty(&c->memberships))
        hub_room_leave(c, LN_CONTAINER(c->memberships.next, struct hub_member, of_client)->room);
    while (!ln_list_empty(&c->waits))
        wait_end(LN_CONTAINER(c->waits.next, struct hub_wait, node), (struct ln_str){NULL, 0}, NULL,
                 0, &gone);
    if (h->hooks.client) tell_end(c, &who, why);
    ln_buf_free(&user_id);
    ln_buf_free(&user_name);
    loop_defer(h->loop, client_free, c); /* somebody above may still look at it */
}

void hub_client_event(struct hub_client *c, struct hub_event *ev) {
    struct ln_err err;
    if (hub_line_charge(c->line)) {
        hub_client_dispatch(c, ev);
    } else {
        ln_fail(&err, LN_FULL, "too many events: at most %d a second", c->line->hub->opts.rate);
        hub_chat_error(c, ev->ack, &err);
    }
}

void hub_client_dispatch(struct hub_client *c, struct hub_event *ev) {
    struct hub *h = c->line->hub;
    enum hub_verdict verdict = HUB_NOT_OURS;
    if (LN_UNLIKELY(c->grant != NULL) && hub_jwt_event(c, ev)) return;
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
    wait_end(w, (struct ln_str){NULL, 0}, NULL, 0, &err);
}

void hub_client_answer(struct hub_client *c, int64_t ack, struct ln_str args,
                       const struct ln_str *bin, size_t bin_count) {
    LN_LIST_EACH (&c->waits, it, tmp) {
        struct hub_wait *w = LN_CONTAINER(it, struct hub_wait, node);
        if (w->ack != ack) continue;
        wait_end(w, args, bin, bin_count, NULL);
        return;
    }
}

ln_status hub_emit_ack(struct hub *h, ln_id client, struct ln_str name, struct ln_str args,
                       const struct ln_str *bin, size_t bin_count, int64_t timeout_ms,
                       hub_reply_fn reply, void *ud) {
    struct hub_client *c = hub_get(h, client);
    if (!c || c->line->is_ended) return LN_DISCONNECTED;
    if (c->line->proto == HUB_PUSHER) return LN_REFUSED; /* it has no answers */
    if (bin_count > SIO_MAX_ATTACHMENTS) return LN_INVALID;
    if (c->wait_count >= HUB_MAX_WAITS) return LN_FULL;
    struct hub_wait *w = ln_new(struct hub_wait);
    *w = (struct hub_wait){.client = c, .ack = c->next_ack++, .reply = reply, .ud = ud};
    ln_list_init(&w->node);
    ln_list_push(&c->waits, &w->node);
    c->wait_count++;
    w->timer = loop_timer(h->loop, timeout_ms, on_wait_timeout, w);
    struct ln_buf out = {0}, plain = {0};
    bool is_sio = c->line->proto == HUB_SIO;
    if (is_sio)
        hub_sio_event(&out, ln_str(c->nsp), w->ack, bin_count, name, args);
    else
        hub_raw_event(&out, w->ack, name, hub_raw_args(&plain, args, bin, bin_count));
    hub_trace_event(h, "out", c, name, (struct ln_str){NULL, 0}, args);
    hub_line_send(c->line, false, ln_buf_get(&out));
    for (size_t i = 0; is_sio && i < bin_count; i++)
        hub_line_send(c->line, true, bin[i]);
    ln_buf_free(&out);
    ln_buf_free(&plain);
    return LN_OK;
}

bool hub_ack(struct hub *h, ln_id client, int64_t ack, struct ln_str args, const struct ln_str *bin,
             size_t bin_count) {
    struct hub_client *c = hub_get(h, client);
    if (!c || ack < 0 || c->line->is_ended || bin_count > SIO_MAX_ATTACHMENTS) return false;
    if (c->line->proto == HUB_PUSHER) return false;
    if (c->line->proto == HUB_SIO) {
        hub_sio_ack(c, ack, args, bin, bin_count);
    } else {
        struct ln_buf plain = {0};
        hub_raw_ack(c, ack, hub_raw_args(&plain, args, bin, bin_count));
        ln_buf_free(&plain);
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
    if (line->proto == HUB_PUSHER) /* a code that makes it stay away */
        hub_pusher_end(line, HUB_LEAVE_SERVER, 4009, "You got disconnected by the app.");
    else
        hub_line_drop(line, HUB_LEAVE_SERVER, line->proto == HUB_SIO ? 1005 : 1000, "");
}

/* --- looking --- */

static void fill_info(const struct hub_client *c, struct hub_client_info *out) {
    *out = (struct hub_client_info){
        .id = c->id,
        .nsp = ln_str(c->nsp),
        .sid = ln_str(c->sid),
        .claims = hub_grant_claims(c->grant),
        .ip = ln_str(c->line->ip),
        .protocol = ln_str(protocol_of(c->line)),
        .connected_at_ms = c->connected_at_ms,
        .recovered = c->is_recovered,
    };
    if (!c->user) return;
    out->user_id = ln_str(c->user->id);
    out->user_name = ln_str(c->user->name);
}

bool hub_client(const struct hub *h, ln_id client, struct hub_client_info *out) {
    const struct hub_client *c = hub_get(h, client);
    bool has_gone = !c && h->gone && h->gone->id == client;
    if (c) fill_info(c, out);
    if (has_gone) *out = *h->gone;
    return c || has_gone;
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
