/* SPDX-License-Identifier: MIT
 *
 * The states of a connection: begin, joined, lost, retried, ended, and the lifecycle events that
 * tell of it. Whatever tells something may have called anything of conn.h before it returns; so
 * what is changed is changed first, and what comes behind asks whether it still holds (`turns`,
 * `epoch`). The struct itself lives until the end of the turn.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/text.h"
#include "client/line.h"
#include "client/recovery.h"
#include "client/token.h"

const char *conn_state_name(enum conn_state s) {
    static const char *const names[] = {"idle",    "connecting", "connected",
                                        "waiting", "failed",     "closed"};
    return names[s];
}

/* A line that is lost tells those on it one by one: who has not heard yet is down as well. */
bool conn_is_up(const struct conn *c) {
    return c->step >= STEP_HANDLERS && c->line->state == LINE_UP && !c->line->is_lost;
}

/* --- telling --- */

void conn_tell(struct conn *c, const char *name, struct ln_buf *args) {
    struct event ev = {.kind = EVENT_LIFECYCLE,
                       .conn = c,
                       .name = ln_str(name),
                       .args = ln_buf_get(args),
                       .ack = SIO_NO_ACK};
    if (!c->is_closed) c->clients->sink->event(c->clients->ud, &ev);
    ln_buf_free(args);
}

void conn_set_state(struct conn *c, enum conn_state state) {
    enum conn_state old = c->state;
    if (state == old) return;
    c->state = state;
    c->turns++;
    if (state == CONN_FAILED) rooms_give_up(c);
    struct ln_buf args = {0};
    ln_buf_fmt(&args, "\"%s\",\"%s\"", conn_state_name(state), conn_state_name(old));
    conn_tell(c, "state", &args);
}

static void tell_disconnect(struct conn *c, const char *reason) {
    struct ln_buf args = {0};
    ln_json_quote(&args, ln_str(reason));
    conn_tell(c, "disconnect", &args);
}

static void tell_attempt(struct conn *c, int64_t waited_ms) {
    struct ln_buf args = {0};
    ln_buf_fmt(&args, "%d,", c->attempt);
    ln_json_double(&args, (double)waited_ms / 1000);
    conn_tell(c, "reconnect_attempt", &args);
}

void conn_tell_error(struct conn *c, const struct ln_err *err, const char *detail,
                     struct ln_str data) {
    struct ln_buf args = {0};
    ln_buf_fmt(&args, "{\"code\":\"%s\",\"message\":", ln_status_name(err->code));
    ln_json_quote(&args, ln_str(err->text));
    ln_buf_fmt(&args, ",\"detail\":\"%s\"", detail);
    if (data.n > 0) {
        ln_buf_puts(&args, ",\"data\":");
        ln_buf_str(&args, data);
    }
    ln_buf_putc(&args, '}');
    conn_tell(c, "connect_error", &args);
}

void conn_count_error(struct conn *c, const struct ln_err *err) {
    struct conn_more *more = conn_more(c);
    if (more->errors++ > 0) ln_free((char *)(uintptr_t)more->last_error);
    more->last_error = ln_strdup(err->text);
}

/* --- on and off --- */

void conn_timer_stop(struct conn *c) {
    loop_timer_cancel(c->clients->loop, c->timer);
}

void conn_timer(struct conn *c, int64_t ms, loop_fn fn) {
    conn_timer_stop(c);
    c->timer = loop_timer(c->clients->loop, ms, fn, c);
}

static void begin(struct conn *c, const char *auth_reason, bool is_retry) {
    conn_timer_stop(c);
    c->turns++;
    c->auth_reason = auth_reason;
    c->begun_ms = loop_now_ms(c->clients->loop);
    struct line *ln = line_attach(c);
    enum conn_state state = ln->state == LINE_WAITING ? CONN_WAITING : CONN_CONNECTING;
    uint32_t turns = c->turns + (c->state != state);
    conn_set_state(c, state);
    if (is_retry && c->turns == turns && state == CONN_CONNECTING) tell_attempt(c, c->waited_ms);
    if (c->turns == turns && c->line == ln) line_came(ln, c);
}

void conn_begin(struct conn *c, const char *auth_reason) {
    begin(c, auth_reason, false);
}

void conn_off_line(struct conn *c) {
    token_stale(c);
    line_detach(c);
    c->step = STEP_OFF;
}

/* The namespace was up and is no more. */
static void down(struct conn *c) {
    c->epoch++;
    int64_t up_ms = (int64_t)(loop_now_ms(c->clients->loop) - c->stats.connected_at_ms);
    backoff_lost(&c->opts->backoff, &c->failures, up_ms);
    c->stats.connected_at_ms = 0;
    c->auth_reason = "reconnect";
    c->rooms->asked = 0;
    c->recovered = false;
    ln_free(c->sid);
    c->sid = NULL;
    if (c->more->answered) {
        ln_free(c->more->answered);
        c->more->answered = NULL;
    }
}

/* Off the line by our own wish; true when the namespace was up. */
bool conn_leave(struct conn *c) {
    bool was_up = c->step >= STEP_HANDLERS;
    conn_timer_stop(c);
    c->starts = false;
    token_drop(c);
    if (was_up) {
        if (conn_is_up(c)) c->proto->conn_part(c);
        down(c);
        recovery_forget(c, "it had been disconnected on purpose");
    }
    early_drop(c);
    conn_off_line(c);
    return was_up;
}

static void on_wait_over(void *ud) {
    struct conn *c = ud;
    begin(c, c->auth_reason, true);
}

void conn_wait(struct conn *c, int64_t ms) {
    conn_off_line(c);
    early_drop(c);
    c->waited_ms = ms;
    c->attempt++;
    conn_timer(c, ms, on_wait_over);
    conn_set_state(c, CONN_WAITING);
}

void conn_failed_try(struct conn *c, const struct ln_err *err, const char *detail) {
    const struct conn_opts *o = c->opts;
    char text[32];
    conn_timer_stop(c);
    c->ticket = 0;
    conn_count_error(c, err);
    bool retry =
        o->reconnection && (o->reconnection_attempts < 0 || c->failures < o->reconnection_attempts);
    int64_t ms = retry ? backoff_next(&o->backoff, &c->failures, ln_random_unit()) : 0;
    if (err->code == LN_UNAUTHORIZED || err->code == LN_FORBIDDEN) ms = slow_wait(++c->refusals);
    if (retry) {
        ln_log(LN_WARN, c->tag, "%s; next attempt in %s", err->text,
               ln_duration_text(ms, text, sizeof text));
        conn_wait(c, ms);
    } else {
        ln_log(LN_WARN, c->tag, "%s; giving up", err->text);
        early_drop(c);
        conn_off_line(c);
        conn_set_state(c, CONN_FAILED);
    }
    conn_tell_error(c, err, detail, (struct ln_str){0});
}

void conn_renounce(struct conn *c, const struct ln_err *err) {
    const struct conn_opts *o = c->opts;
    char text[32];
    conn_count_error(c, err);
    conn_leave(c);
    c->auth_reason = "unauthorized";
    if (o->reconnection) {
        int64_t ms = backoff_next(&o->backoff, &c->failures, ln_random_unit());
        ln_log(LN_WARN, c->tag, "%s; back with another token in %s", err->text,
               ln_duration_text(ms, text, sizeof text));
        conn_wait(c, ms);
    } else {
        ln_log(LN_WARN, c->tag, "%s; giving up", err->text);
        conn_set_state(c, CONN_FAILED);
    }
    tell_disconnect(c, "auth refused");
    emit_lost(c);
}

/* --- what the line tells --- */

void conn_line_trying(struct conn *c) {
    struct line *ln = c->line;
    c->begun_ms = ln->begun_ms;
    c->attempt = ln->failures;
    conn_set_state(c, CONN_CONNECTING);
    if (c->line == ln && c->state == CONN_CONNECTING) tell_attempt(c, ln->waited_ms);
}

/* With the code and reason that the server closed with, if it did. */
static void tell_lost(struct conn *c, const struct line_loss *why) {
    struct ln_buf args = {0};
    ln_json_quote(&args, ln_str(why->reason));
    if (why->code) {
        ln_buf_fmt(&args, ",{\"code\":%d,\"reason\":", why->code);
        ln_json_quote(&args, why->said);
        ln_buf_putc(&args, '}');
    }
    conn_tell(c, "disconnect", &args);
}

static void log_lost(struct conn *c, const struct line_loss *why, bool was_up) {
    char text[32], next[64] = "";
    if (why->will_retry && why->is_refused && why->delay_ms == 0)
        snprintf(next, sizeof next, "; asking for another token");
    else if (why->will_retry)
        snprintf(next, sizeof next, "; next attempt in %s",
                 ln_duration_text(why->delay_ms, text, sizeof text));
    else
        snprintf(next, sizeof next, "; giving up");
    /* Of many namespaces on one line one complains. */
    ln_log(why->is_first ? LN_WARN : LN_DEBUG, c->tag, "%s%s%s%s%s", was_up ? "disconnected: " : "",
           was_up ? why->reason : why->err.text, was_up ? ": " : "", was_up ? why->err.text : "",
           next);
}

void conn_line_lost(struct conn *c, const struct line_loss *why) {
    bool was_up = c->step >= STEP_HANDLERS;
    conn_timer_stop(c);
    token_stale(c);
    c->step = STEP_OFF;
    c->attempt = c->line->failures;
    early_drop(c);
    conn_count_error(c, &why->err);
    log_lost(c, why, was_up);
    if (was_up) down(c);
    if (why->is_refused) c->auth_reason = "unauthorized";
    if (!why->will_retry) conn_off_line(c);
    conn_set_state(c, why->will_retry ? CONN_WAITING : CONN_FAILED);
    if (was_up) {
        tell_lost(c, why);
        emit_lost(c);
    } else {
        conn_tell_error(c, &why->err, why->detail, (struct ln_str){0});
    }
}

/* --- up --- */

static void on_ready_guard(void *ud) {
    struct conn *c = ud;
    ln_log(LN_WARN, c->tag,
           "a handler of 'connect' still runs after %d s: rooms and outbox do not wait for it "
           "any longer",
           READY_GUARD_MS / 1000);
    rooms_rejoin(c);
}

void conn_up(struct conn *c, struct ln_str sid) {
    char text[32];
    ln_free(c->sid);
    c->sid = ln_str_dup(sid);
    if (c->step >= STEP_HANDLERS) return; /* a late answer to an earlier CONNECT of ours */
    uint64_t now = loop_now_ms(c->clients->loop), epoch = ++c->epoch;
    bool first = c->stats.connects == 0;
    c->refusals = 0;
    if (!c->line->joined_ms) c->line->joined_ms = now;
    c->stats.connects++;
    c->stats.connected_at_ms = now;
    c->step = STEP_HANDLERS;
    conn_timer(c, READY_GUARD_MS, on_ready_guard);
    token_up(c);
    ln_log(LN_INFO, c->tag, "connected in %s",
           ln_duration_text((int64_t)(now - c->begun_ms), text, sizeof text));
    conn_set_state(c, CONN_CONNECTED);
    if (c->epoch == epoch) conn_deliver_early(c);
    if (c->epoch == epoch) recovery_tell(c, first);
    if (c->epoch == epoch) c->clients->sink->connected(c->clients->ud, c, first);
}

void conn_ready_go(struct conn *c, uint64_t epoch) {
    if (c->epoch != epoch || c->step != STEP_HANDLERS) return;
    conn_timer_stop(c);
    if (conn_is_up(c)) rooms_rejoin(c);
}

void conn_kicked(struct conn *c) {
    if (c->step < STEP_HANDLERS) {
        conn_refused(c, LN_REFUSED, LN_STR("the server ended the namespace before it answered"),
                     (struct ln_str){0});
        return;
    }
    ln_log(LN_WARN, c->tag,
           "disconnected by the server; it stays so until connect() or reconnect() is called");
    conn_timer_stop(c);
    down(c);
    recovery_forget(c, "the server had ended the connection");
    conn_off_line(c);
    conn_set_state(c, CONN_IDLE);
    tell_disconnect(c, "io server disconnect");
    emit_lost(c);
}

/* --- what scripts ask --- */

void conn_connect(struct conn *c) {
    if (c->is_closed || c->state == CONN_CONNECTED || c->state == CONN_CONNECTING) return;
    c->starts = false;
    if (c->state == CONN_WAITING && c->line) {
        line_try_now(c->line);
        return;
    }
    if (c->state == CONN_WAITING) {
        conn_timer(c, 0, on_wait_over);
        return;
    }
    c->refusals = c->attempt = c->failures = 0;
    conn_begin(c, c->stats.connects > 0 ? "reconnect" : "first");
}

void conn_disconnect(struct conn *c, const char *reason) {
    if (c->is_closed) return;
    bool was_up = conn_leave(c);
    conn_set_state(c, CONN_IDLE);
    if (!was_up) return;
    ln_log(LN_INFO, c->tag, "disconnected: %s", reason ? reason : "by our own wish");
    tell_disconnect(c, reason ? reason : "io client disconnect");
    emit_lost(c);
}

static void come_back(struct conn *c, bool was_up) {
    /* Who hears of it may come back itself, or go for good. */
    uint32_t turns = c->turns + (c->state != CONN_CONNECTING);
    conn_set_state(c, CONN_CONNECTING);
    if (was_up) {
        tell_disconnect(c, "io client disconnect");
        emit_lost(c);
    }
    if (!c->is_closed && c->turns == turns)
        conn_begin(c, c->stats.connects > 0 ? "reconnect" : "first");
}

void conn_reconnect(struct conn *c) {
    if (c->is_closed) return;
    c->refusals = c->attempt = c->failures = 0;
    come_back(c, conn_leave(c));
}

bool conn_reconfigure(struct conn *c, const struct conn_opts *o, struct ln_err *err) {
    char *nsp;
    const struct proto *proto;
    if (c->is_closed) {
        ln_fail(err, LN_DISCONNECTED, "the connection is closed");
        return false;
    }
    struct conn_opts settled = *o; /* the strings stay o's */
    conn_opts_settle(&settled);
    if (conn_opts_same(conn_options(c), &settled)) return true;
    if (!conn_opts_check(o, &nsp, &proto, err)) return false;
    bool wants_line = c->state != CONN_IDLE || c->starts;
    bool was_up = conn_leave(c);
    /* The session's name is a secret between us and the server that we may be leaving now. */
    if (c->recovery) recovery_forget(c, "its options were changed");
    conn_take_opts(c, o, nsp, proto);
    c->refusals = c->attempt = 0;
    if (wants_line) come_back(c, was_up);
    return true;
}
