/* SPDX-License-Identifier: MIT
 *
 * Events that come in. The way of each is: count it, ask once whether anybody listens, tell it;
 * nothing is allocated or decoded on the way. Events that come before the answer to CONNECT are
 * kept, within limits, and told as soon as the connection is up.
 */
#include "client/line.h"
#include "client/recovery.h"

bool conn_hears(struct conn *c, struct ln_str name) {
    c->stats.received++;
    count_of(c, name)->received++;
    return LN_UNLIKELY(c->more->history != NULL) ||
           c->clients->sink->wants(c->clients->ud, c, name);
}

bool conn_tell_event(struct conn *c, struct event *ev) {
    const struct conn_sink *sink = c->clients->sink;
    ev->kind = EVENT_APP;
    ev->conn = c;
    if (LN_UNLIKELY(c->more->history != NULL)) {
        history_add(c, ev->name, ev->args);
        if (!sink->wants(c->clients->ud, c, ev->name)) return true;
    }
    return LN_LIKELY(sink->event(c->clients->ud, ev) != LN_PROTOCOL) || !c->line;
}

void conn_tell_in(struct conn *c, const struct conn_in *in) {
    struct event ev = {.name = in->name,
                       .args = in->args,
                       .bin = in->bin,
                       .bin_count = in->bin_count,
                       .room = in->room,
                       .ack = in->ack};
    if (LN_LIKELY(conn_tell_event(c, &ev))) return;
    if (c->proto->bad_args)
        c->proto->bad_args(c, in);
    else
        line_fail(c->line, "parse error", LN_PROTOCOL,
                  "the arguments of event '%.*s' are malformed", LN_FMT(in->name));
}

static void keep_early(struct conn *c, const struct conn_in *in) {
    struct msg *m = msg_new(in->name, in->args, in->bin, in->bin_count);
    m->ack = in->ack;
    struct conn_more *more = conn_more(c);
    if (!more->early) more->early = ln_new(struct msgs);
    msgs_push(more->early, m);
    if (more->early->count <= EARLY_MAX && more->early->bytes <= KEPT_BYTES) return;
    line_fail(c->line, "transport error", LN_FULL,
              "more than %d events or %d MiB came for '%s' before the server answered CONNECT",
              EARLY_MAX, KEPT_BYTES >> 20, c->nsp);
}

void early_drop(struct conn *c) {
    if (c->more->early) msgs_free(&c->more->early);
}

void conn_deliver_early(struct conn *c) {
    struct msg *m;
    uint64_t epoch = c->epoch;
    while (c->epoch == epoch && c->more->early && (m = msgs_take(c->more->early))) {
        struct conn_in in = {m->name, m->args, m->bin, m->bin_count, {NULL, 0}, m->ack};
        if (c->recovery) recovery_note(c, &in);
        if (conn_hears(c, m->name)) conn_tell_in(c, &in);
        ln_free(m);
    }
    if (c->epoch == epoch) early_drop(c);
}

void conn_event(struct conn *c, const struct conn_in *in) {
    if (LN_UNLIKELY(c->step < STEP_HANDLERS)) {
        keep_early(c, in);
        return;
    }
    if (LN_UNLIKELY(c->recovery != NULL)) recovery_note(c, in);
    if (conn_hears(c, in->name)) conn_tell_in(c, in);
}
