/* SPDX-License-Identifier: MIT
 *
 * Events that come in. The way of each is: count it, ask once whether anybody listens, tell it;
 * nothing is allocated or decoded on the way. Events that come before the answer to CONNECT are
 * kept, within limits, and told as soon as the connection is up.
 */
#include "client/line.h"

static void tell_event(struct conn *c, struct ln_str name, struct ln_str args,
                       const struct ln_str *bin, size_t bin_count, int64_t ack) {
    const struct conn_sink *sink = c->clients->sink;
    c->stats.received++;
    count_of(c, name)->received++;
    if (LN_UNLIKELY(c->history != NULL)) history_add(c, name, args);
    if (!sink->wants(c->clients->ud, c, name)) return;
    struct event ev = {.kind = EVENT_APP,
                       .conn = c,
                       .name = name,
                       .args = args,
                       .bin = bin,
                       .bin_count = bin_count,
                       .ack = ack};
    if (LN_LIKELY(sink->event(c->clients->ud, &ev) != LN_PROTOCOL) || !c->line) return;
    line_fail(c->line, "parse error", LN_PROTOCOL, "the arguments of event '%.*s' are malformed",
              LN_FMT(name));
}

static void keep_early(struct conn *c, struct ln_str name, const struct sio_packet *pkt,
                       const struct ln_str *bin, size_t bin_count) {
    struct msg *m = msg_new(name, pkt->args, bin, bin_count);
    m->ack = pkt->ack;
    if (!c->early) c->early = ln_new(struct msgs);
    msgs_push(c->early, m);
    if (c->early->count <= EARLY_MAX && c->early->bytes <= KEPT_BYTES) return;
    line_fail(c->line, "transport error", LN_FULL,
              "more than %d events or %d MiB came for '%s' before the server answered CONNECT",
              EARLY_MAX, KEPT_BYTES >> 20, c->nsp);
}

void conn_deliver_early(struct conn *c) {
    struct msg *m;
    uint64_t epoch = c->epoch;
    while (c->epoch == epoch && c->early && (m = msgs_take(c->early))) {
        tell_event(c, m->name, m->args, m->bin, m->bin_count, m->ack);
        ln_free(m);
    }
    if (c->epoch == epoch) msgs_free(&c->early);
}

void conn_event(struct conn *c, const struct sio_packet *pkt, const struct ln_str *bin,
                size_t bin_count) {
    struct ln_str name = pkt->name;
    struct ln_buf plain = {0};
    if (LN_UNLIKELY(pkt->name_escaped)) {
        name = (struct ln_str){"", 0}; /* never: the parser has done so before */
        if (ln_json_unescape(pkt->name, &plain)) name = ln_buf_get(&plain);
    }
    if (LN_LIKELY(c->step >= STEP_HANDLERS))
        tell_event(c, name, pkt->args, bin, bin_count, pkt->ack);
    else
        keep_early(c, name, pkt, bin, bin_count);
    ln_buf_free(&plain);
}
