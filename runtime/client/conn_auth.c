/* SPDX-License-Identifier: MIT
 *
 * Into a namespace: the auth payload, the time limit, and what a refusal means. Who has functions
 * is asked once more at once ("unauthorized": fetch a fresh token), then slowly, for ever: a bot
 * with an expired token must not stay dead. Without functions the same payload would be refused
 * again, so the connection stops and says so.
 */
#include "base/text.h"
#include "client/line.h"
#include "client/token.h"

static void on_enter_timeout(void *ud) {
    struct conn *c = ud;
    struct ln_err err;
    char text[32];
    line_unlist(c->line); /* the next attempt is made where no answer is owed */
    ln_fail(&err, LN_TIMEOUT, "namespace: the server did not answer CONNECT for '%s' within %s",
            c->nsp, ln_duration_text(c->opts->timeout_ms, text, sizeof text));
    conn_failed_try(c, &err, "namespace");
}

void conn_enter(struct conn *c) {
    c->step = STEP_AUTH;
    if (token_ask(c)) return; /* again with the answers */
    int64_t took = (int64_t)(loop_now_ms(c->clients->loop) - c->begun_ms);
    conn_timer(c, LN_MAX(c->opts->timeout_ms - took, 1), on_enter_timeout);
    if (line_owes(c->line, ln_str(c->nsp))) return; /* again when it has come */
    c->step = STEP_ASKED;
    c->proto->conn_join(c, token_auth(c));
}

int64_t slow_wait(int refusals) {
    int doubled = LN_MIN(LN_MAX(refusals - 2, 0), 10);
    return LN_MIN((int64_t)SLOW_MIN_MS << doubled, SLOW_MAX_MS);
}

/* The same line, the same namespace, a fresh payload. */
static void enter_again(struct conn *c, const struct ln_err *err, struct ln_str data) {
    struct line *ln = c->line;
    uint32_t turns = ++c->turns;
    conn_tell_error(c, err, "namespace", data);
    if (c->turns != turns || c->line != ln || ln->is_lost) return;
    c->begun_ms = loop_now_ms(c->clients->loop);
    conn_enter(c);
}

void conn_refused(struct conn *c, ln_status code, struct ln_str message, struct ln_str data) {
    if (c->step != STEP_AUTH && c->step != STEP_ASKED) return;
    struct ln_err err;
    struct ln_buf shown = {0};
    char text[32];
    if (!message.n) message = LN_STR("no reason given");
    ln_fail(&err, code, "%.*s", LN_FMT(message));
    ln_buf_fmt(&shown, "namespace '%s' refused: ", c->nsp);
    ln_printable(&shown, message, 200);
    conn_timer_stop(c);
    conn_count_error(c, &err);
    token_stale(c);
    c->step = STEP_OFF;
    c->refusals++;
    c->auth_reason = "unauthorized";
    bool asks = token_asks(c), in_requests = c->opts->headers_asked || c->opts->query_asked;
    if (asks && c->refusals == 1 && !in_requests) {
        ln_log(LN_WARN, c->tag, "%s; asking the auth function again", ln_buf_cstr(&shown));
        enter_again(c, &err, data);
    } else if (asks && (c->opts->reconnection || c->refusals == 1)) {
        int64_t ms = c->refusals == 1 ? 0 : slow_wait(c->refusals);
        ln_log(LN_WARN, c->tag, "%s; next attempt in %s", ln_buf_cstr(&shown),
               ln_duration_text(ms, text, sizeof text));
        conn_wait(c, ms);
        conn_tell_error(c, &err, "namespace", data);
    } else {
        ln_log(LN_WARN, c->tag,
               "%s; not tried again by itself: correct auth or URL, then connect() or reconnect()",
               ln_buf_cstr(&shown));
        conn_off_line(c);
        conn_set_state(c, CONN_FAILED);
        conn_tell_error(c, &err, "namespace", data);
    }
    ln_buf_free(&shown);
}
