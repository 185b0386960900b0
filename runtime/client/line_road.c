/* SPDX-License-Identifier: MIT
 *
 * A line's transport: WebSocket, or polling where the protocol has it (Socket.IO). Which one an
 * attempt begins with, what it falls back to, and the few things that a line does with a transport
 * whichever it is.
 *
 * The fall-back is within an attempt: a proxy that knows no upgrade must not keep a line down. It
 * is remembered only when it led somewhere; then later attempts begin with polling, and try the
 * upgrade, so that a WebSocket that was broken for a while is found again.
 */
#include <stdio.h>

#include "client/poll.h"
#include "client/upgrade.h"

static void open_road(struct line *ln, unsigned road) {
    bool polls = ln->proto->has_polling && line_opts(ln)->transports[road] == TRANSPORT_POLLING;
    ln->road = road & 1;
    if (polls)
        ln->poll = poll_open(ln);
    else
        line_dial_ws(ln);
}

void line_road_open(struct line *ln) {
    ln->tried_other = false;
    open_road(ln, ln->first_road);
}

const char *line_road_name(const struct line *ln) {
    bool polls = ln->proto->has_polling && line_opts(ln)->transports[ln->road] == TRANSPORT_POLLING;
    return polls ? "polling" : "websocket";
}

/* Polling survives what is wrong with upgrades: a status, a line that drops at the request. A
 * server that cannot be reached, or that wants another login, is the same for both. */
static bool may_differ(enum stream_phase phase, int status, const struct ln_err *err) {
    if (phase != PHASE_HTTP || status == 401 || status == 403) return false;
    return status > 0 || (err && err->code == LN_DISCONNECTED);
}

bool line_road_other(struct line *ln, enum stream_phase phase, int status,
                     const struct ln_err *err) {
    unsigned other = !ln->road;
    if (ln->state != LINE_OPENING || !ln->proto->has_polling) return false;
    ln->first_road = 0;
    if (ln->tried_other || line_opts(ln)->transports[other] == TRANSPORT_NONE) return false;
    if (phase == PHASE_HTTP && err && err->code == LN_TIMEOUT)
        ln->first_road = other & 1; /* no time is left for it in this attempt */
    if (!may_differ(phase, status, err)) return false;
    ln->tried_other = true;
    open_road(ln, other);
    return true;
}

bool line_may_upgrade(const struct line *ln) {
    const struct conn_opts *o = line_opts(ln);
    bool both = o->transports[0] == TRANSPORT_WEBSOCKET || o->transports[1] == TRANSPORT_WEBSOCKET;
    return o->upgrade && both && !ln->tried_other; /* it has just failed */
}

void line_road_up(struct line *ln) {
    if (ln->tried_other)
        ln_log(LN_WARN, line_lead(ln)->tag, "connected by %s, because %s", line_road_name(ln),
               ln->loss->err.text);
    ln->first_road = ln->road;
    ln_free(ln->loss);
    ln->loss = NULL;
}

void line_road_upgraded(struct line *ln) {
    const struct conn_opts *o = line_opts(ln);
    ln->road = o->transports[1] == TRANSPORT_WEBSOCKET;
    ln->first_road = 0;
}

/* The failure of an attempt's second transport is told together with that of the first. */
void line_set_loss(struct line *ln, struct line_loss *why) {
    struct line_loss *first = ln->loss;
    ln->loss = why;
    if (!first) return;
    char text[180];
    snprintf(text, sizeof text, "%.*s", (int)sizeof text - 1, why->err.text);
    ln_fail(&why->err, why->is_refused ? why->err.code : first->err.code, "%.*s; by %s: %s",
            (int)sizeof text - 1, first->err.text, line_road_name(ln), text);
    if (!why->is_refused) why->detail = first->detail;
    ln_free(first);
}

/* --- whichever it is --- */

bool line_has_road(const struct line *ln) {
    return ln->ws || ln->poll;
}

void line_road_close(struct line *ln) {
    if (ln->upgrade)
        upgrade_close(ln->upgrade);
    else if (ln->poll)
        poll_close(ln->poll);
    else
        ws_close(ln->ws, WS_NO_STATUS, (struct ln_str){0});
}

void line_road_abort(struct line *ln) {
    if (ln->upgrade) upgrade_abort(ln->upgrade);
    if (ln->poll) poll_abort(ln->poll);
    if (ln->ws) ws_abort(ln->ws);
}

void line_road_gone(struct line *ln) {
    if (ln->upgrade) upgrade_abort(ln->upgrade);
    ln->ws = NULL;
    ln->poll = NULL;
}

size_t line_queued(const struct line *ln) {
    return ln->poll ? poll_queued(ln->poll) : ws_queued(ln->ws);
}

bool line_is_slow(const struct line *ln) {
    return ln->poll ? poll_is_posting(ln->poll) : ws_queued(ln->ws) > VOLATILE_BYTES;
}

const char *conn_subprotocol(const struct conn *c) {
    return c->line && conn_is_up(c) ? c->line->subprotocol : NULL;
}

enum conn_transport conn_transport(const struct conn *c) {
    if (!conn_is_up(c)) return TRANSPORT_NONE;
    return c->line->poll ? TRANSPORT_POLLING : TRANSPORT_WEBSOCKET;
}
