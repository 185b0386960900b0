/* SPDX-License-Identifier: MIT
 *
 * Lines: a WebSocket or a polling session each, with its heartbeat, its time to join something, and
 * its rate. What a line says is read by hub_sio.c or hub_raw.c.
 */
#include "hub/hub_jwt.h"
#include "hub/hub_poll.h"
#include "hub/hub_pusher.h"

#include "base/mem.h"

/* --- sending on a line --- */

void hub_line_send(struct hub_line *line, bool binary, struct ln_str data) {
    if (line->is_ended) return;
    if (line->peer) {
        if (server_send(line->peer, binary, &data, 1)) return;
        line->is_ended = true; /* the server closes it: too slow */
        line->why = HUB_LEAVE_ERROR;
    } else if (line->poll) {
        hub_poll_send(line->poll, binary, data);
    } else if (line->sink) {
        line->sink(line, binary, data);
    }
}

size_t hub_line_queued(const struct hub_line *line) {
    if (line->peer) return server_queued(line->peer);
    return line->poll ? line->poll->queue.n : 0;
}

void hub_line_drop(struct hub_line *line, enum hub_leave why, int code, const char *reason) {
    if (line->is_ended) return;
    line->is_ended = true;
    line->why = why;
    if (line->peer) {
        server_drop(line->peer, code, ln_str(reason));
    } else if (line->poll) {
        hub_poll_touch(line->poll);
    }
}

/* --- heartbeat --- */

#define LATE_MS 20 /* by so much a timer may be late on a busy machine; more: we were asleep */

static void on_ping_timer(void *ud) {
    struct hub_line *line = ud;
    const struct hub_opts *o = &line->hub->opts;
    uint64_t now = loop_now_ms(line->hub->loop);
    line->ping_timer = 0;
    if (line->is_waiting) {
        hub_line_drop(line, HUB_LEAVE_PING, 1005, "");
        return;
    }
    line->is_waiting = true;
    line->was_extended = false;
    /* A timer that fired late gives nobody more time. */
    line->due_ms =
        (now - line->due_ms <= LATE_MS ? line->due_ms : now) + (uint64_t)o->ping_timeout_ms;
    line->ping_timer =
        loop_timer(line->hub->loop, (int64_t)(line->due_ms - now), on_ping_timer, line);
    if (line->proto == HUB_SIO) {
        hub_sio_ping(line);
    } else if (line->peer) {
        server_ping(line->peer);
    }
}

static void ping_later(struct hub_line *line) {
    line->is_waiting = false;
    line->due_ms = loop_now_ms(line->hub->loop) + (uint64_t)line->hub->opts.ping_interval_ms;
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
        line->due_ms = loop_now_ms(line->hub->loop) + (uint64_t)line->hub->opts.ping_timeout_ms;
        loop_timer_again(line->hub->loop, line->ping_timer, line->hub->opts.ping_timeout_ms);
    }
}

bool hub_line_is_late(struct hub_line *line) {
    if (!line->is_waiting || loop_now_ms(line->hub->loop) < line->due_ms) return false;
    hub_line_drop(line, HUB_LEAVE_PING, 1005, "");
    return true;
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
    if (line->proto == HUB_PROBE) {
        hub_upgrade_input(line, binary, (struct ln_str){p, n});
        return;
    }
    heard(line, line->proto == HUB_SIO && !binary && n == 1 && *p == '3');
    if (line->proto == HUB_PUSHER) {
        hub_pusher_input(line, binary, p, n);
    } else if (line->proto == HUB_SIO) {
        hub_sio_input(line, binary, p, n);
    } else {
        hub_raw_input(line, binary, p, n);
    }
}

void hub_line_pong(struct hub_line *line) {
    if (line->proto == HUB_RAW) heard(line, true);
    if (line->proto == HUB_PUSHER) hub_pusher_heard(line);
}

void hub_ticket_free(struct hub_ticket *t) {
    struct hub *h = t->line->hub;
    hub_grant_free(h, t->grant);
    loop_timer_cancel(h->loop, t->timer);
    ln_slot_drop(&h->slots, t->id);
    ln_list_remove(&t->node);
    ln_free(t->nsp);
    ln_free(t);
}

void hub_line_free(struct hub_line *line) {
    line->is_ended = true;
    line->peer = NULL;
    hub_poll_line_gone(line);
    LN_LIST_EACH (&line->tickets, it, tmp)
        hub_ticket_free(LN_CONTAINER(it, struct hub_ticket, node));
    while (!ln_list_empty(&line->clients))
        hub_client_end(LN_CONTAINER(line->clients.next, struct hub_client, on_line), line->why);
    loop_timer_cancel(line->hub->loop, line->ping_timer);
    loop_timer_cancel(line->hub->loop, line->connect_timer);
    ln_list_remove(&line->node);
    hub_pusher_line_free(line);
    ln_buf_free(&line->auth);
    ln_buf_free(&line->headers);
    hub_sio_forget_parts(line);
    ln_buf_free(&line->early);
    ln_free(line);
}

struct hub_client *hub_line_client(const struct hub_line *line, struct ln_str nsp) {
    LN_LIST_EACH (&line->clients, it, tmp) {
        struct hub_client *c = LN_CONTAINER(it, struct hub_client, on_line);
        if (ln_str_is(nsp, c->nsp)) return c;
    }
    return NULL;
}

size_t hub_line_joined(const struct hub_line *line) {
    size_t n = 0;
    LN_LIST_EACH (&line->clients, it, tmp)
        n++;
    LN_LIST_EACH (&line->tickets, it2, tmp2)
        n++;
    return n;
}
