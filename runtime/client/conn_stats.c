/* SPDX-License-Identifier: MIT
 *
 * Messages that are kept, counts by event name, and the history; what few connections have.
 * Counting must cost nothing that can be felt: the last name is compared before any look-up.
 */
#include "base/clock.h"
#include "client/inside.h"

#define NAMES_MAX 100
#define NAME_MAX_BYTES 200
#define HISTORY_BYTES (4u << 20)

/* --- kept messages --- */

static struct ln_str put(char **at, struct ln_str s) {
    struct ln_str copy = {*at, s.n};
    if (s.n) memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

struct msg *msg_new_in(struct ln_str room, struct ln_str name, struct ln_str args,
                       const struct ln_str *bin, size_t bin_count) {
    size_t bytes = room.n + name.n + args.n;
    for (size_t i = 0; i < bin_count; i++)
        bytes += bin[i].n;
    struct msg *m = ln_alloc(sizeof *m + bin_count * sizeof m->bin[0] + bytes);
    char *at = (char *)(m->bin + bin_count);
    m->name = put(&at, name);
    m->args = put(&at, args);
    if (room.p) m->room = put(&at, room);
    for (size_t i = 0; i < bin_count; i++)
        m->bin[i] = put(&at, bin[i]);
    m->bin_count = bin_count;
    m->bytes = bytes;
    m->ack = SIO_NO_ACK;
    return m;
}

struct msg *msg_new(struct ln_str name, struct ln_str args, const struct ln_str *bin,
                    size_t bin_count) {
    return msg_new_in((struct ln_str){0}, name, args, bin, bin_count);
}

void msgs_push(struct msgs *q, struct msg *m) {
    m->next = NULL;
    if (q->last)
        q->last->next = m;
    else
        q->first = m;
    q->last = m;
    q->count++;
    q->bytes += m->bytes;
}

struct msg *msgs_take(struct msgs *q) {
    struct msg *m = q->first;
    if (!m) return NULL;
    q->first = m->next;
    if (!q->first) q->last = NULL;
    q->count--;
    q->bytes -= m->bytes;
    return m;
}

void msgs_free(struct msgs **q) {
    struct msg *m;
    while (*q && (m = msgs_take(*q)))
        ln_free(m);
    ln_free(*q);
    *q = NULL;
}

/* --- what few have --- */

static struct conn_more nothing_more = {.rtt_ms = -1, .last_error = ""};

struct conn_more *conn_more(struct conn *c) {
    if (c->more == &nothing_more) {
        c->more = ln_new(struct conn_more);
        *c->more = nothing_more;
    }
    return c->more;
}

static void more_free(struct conn_more *m) {
    if (m == &nothing_more) return;
    if (m->errors > 0) ln_free((char *)(uintptr_t)m->last_error);
    ln_free(m->shown_url);
    ln_free(m->answered);
    msgs_free(&m->early);
    msgs_free(&m->history);
    ln_free(m);
}

/* --- counts --- */

void stats_init(struct conn *c) {
    c->more = &nothing_more;
}

void stats_free(struct conn *c) {
    size_t i = 0;
    void *count;
    more_free(c->more);
    if (!c->counts) return;
    while (ln_map_next(c->counts, &i, NULL, &count))
        ln_free(count);
    ln_map_free(c->counts);
    ln_free(c->counts);
}

struct event_count *count_of(struct conn *c, struct ln_str name) {
    struct event_count *e = c->last_count;
    if (LN_LIKELY(e && e->n == name.n && memcmp(e->name, name.p, name.n) == 0)) return e;
    if (!c->counts) {
        c->counts = ln_new(struct ln_map);
        c->counts->lent = true;
    }
    e = ln_map_get(c->counts, name);
    if (!e && (c->counts->count >= NAMES_MAX || name.n > NAME_MAX_BYTES)) {
        name = LN_STR("other");
        e = ln_map_get(c->counts, name);
    }
    if (!e) {
        e = ln_alloc(sizeof *e + name.n + 1);
        e->n = name.n;
        if (name.n) memcpy(e->name, name.p, name.n);
        ln_map_set(c->counts, (struct ln_str){e->name, e->n}, e);
    }
    c->last_count = e;
    return e;
}

const struct conn_stats *conn_stats(const struct conn *c) {
    struct conn_stats *s = &c->clients->whole_stats;
    *s = (struct conn_stats){
        .connects = c->stats.connects,
        .reconnects = c->stats.connects > 0 ? c->stats.connects - 1 : 0,
        .sent = c->stats.sent,
        .received = c->stats.received,
        .bytes_in = c->stats.bytes_in,
        .bytes_out = c->stats.bytes_out,
        .errors = c->more->errors,
        .dropped = c->more->dropped,
        .connected_at_ms = c->stats.connected_at_ms,
        .rtt_ms = c->more->rtt_ms,
        .last_error = c->more->last_error,
    };
    return s;
}

bool conn_stats_event(const struct conn *c, size_t *i, struct ln_str *name, uint64_t *received,
                      uint64_t *sent) {
    void *value;
    if (!c->counts || !ln_map_next(c->counts, i, name, &value)) return false;
    const struct event_count *e = value;
    *received = e->received;
    *sent = e->sent;
    return true;
}

/* --- history --- */

void conn_history_on(struct conn *c) {
    if (c->more->history || c->opts->history == 0) return;
    conn_more(c)->history = ln_new(struct msgs);
}

void history_add(struct conn *c, struct ln_str name, struct ln_str args) {
    struct msgs *h = c->more->history;
    if (name.n + args.n > HISTORY_BYTES) return;
    struct msg *m = msg_new(name, args, NULL, 0);
    m->wall_ms = ln_wall_ms();
    msgs_push(h, m);
    while (h->count > c->opts->history || h->bytes > HISTORY_BYTES)
        ln_free(msgs_take(h));
}

bool conn_history_each(const struct conn *c, size_t *i, struct ln_str *name, struct ln_str *args,
                       int64_t *wall_ms) {
    const struct msg *m = c->more->history ? c->more->history->first : NULL;
    for (size_t skip = *i; m && skip > 0; skip--)
        m = m->next;
    if (!m) return false;
    ++*i;
    *name = m->name;
    *args = m->args;
    *wall_ms = m->wall_ms;
    return true;
}
