/* SPDX-License-Identifier: MIT
 *
 * Into a namespace: the auth payload, asked anew for every attempt; the time limit; and what a
 * refusal means. With an auth function a refusal asks it once more at once ("unauthorized": fetch a
 * fresh token), then slowly, for ever: a bot with an expired token must not stay dead. Without one
 * the same payload would be refused again, so the connection stops and says so.
 */
#include "base/text.h"
#include "client/line.h"

static void on_enter_timeout(void *ud) {
    struct conn *c = ud;
    struct ln_err err;
    char text[32];
    ln_duration_text(c->opts->timeout_ms, text, sizeof text);
    if (c->step == STEP_AUTH) {
        ln_fail(&err, LN_TIMEOUT, "auth: the auth function gave no answer within %s", text);
        conn_failed_try(c, &err, "auth");
    } else {
        line_unlist(c->line); /* the next attempt is made where no answer is owed */
        ln_fail(&err, LN_TIMEOUT, "namespace: the server did not answer CONNECT for '%s' within %s",
                c->nsp, text);
        conn_failed_try(c, &err, "namespace");
    }
}

static void ask_in(struct conn *c, struct ln_str auth) {
    c->step = STEP_ASKED;
    c->proto->conn_join(c, auth);
}

void conn_enter(struct conn *c) {
    struct clients *cs = c->clients;
    int64_t took = (int64_t)(loop_now_ms(cs->loop) - c->begun_ms);
    conn_timer(c, LN_MAX(c->opts->timeout_ms - took, 1), on_enter_timeout);
    if (line_owes(c->line, ln_str(c->nsp))) return; /* again when it has come */
    if (!c->opts->auth_asked) {
        ask_in(c, ln_str(c->opts->auth));
        return;
    }
    c->step = STEP_AUTH;
    c->ticket = ++cs->last_ticket;
    cs->sink->auth(cs->ud, c, c->ticket, c->auth_reason, c->attempt + 1);
}

void conn_auth_answer(struct conn *c, ln_id ticket, struct ln_str json, const struct ln_err *err) {
    struct ln_err mine;
    if (ticket == 0 || c->ticket != ticket) return; /* of an attempt that is over */
    c->ticket = 0;
    bool is_none = json.n == 0 || ln_json_peek(json) == LN_JSON_NULL;
    if (err) {
        ln_fail(&mine, err->code, "auth: %s", err->text);
    } else if (!is_none && (ln_json_peek(json) != LN_JSON_OBJECT || !ln_json_valid(json, NULL))) {
        ln_fail(&mine, LN_INVALID,
                "auth: the auth function must return a table with names as keys");
    } else {
        ask_in(c, is_none ? (struct ln_str){0} : json);
        return;
    }
    conn_failed_try(c, &mine, "auth");
}

/* How long a refused connection waits: 30 s, then twice as long each time, up to 5 minutes. */
static int64_t slow_wait(const struct conn *c) {
    int doubled = LN_MIN(LN_MAX(c->refusals - 2, 0), 10);
    return LN_MIN((int64_t)SLOW_MIN_MS << doubled, SLOW_MAX_MS);
}

/* The same line, the same namespace, a fresh payload. */
static void enter_again(struct conn *c, const struct ln_err *err, struct ln_str data) {
    struct line *ln = c->line;
    uint64_t turns = ++c->turns;
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
    ln_fail(&err, code, "%.*s", LN_FMT(message));
    ln_buf_fmt(&shown, "namespace '%s' refused: ", c->nsp);
    ln_printable(&shown, message.n ? message : LN_STR("no reason given"), 200);
    conn_timer_stop(c);
    conn_count_error(c, &err);
    c->step = STEP_OFF;
    c->ticket = 0;
    c->refusals++;
    c->auth_reason = "unauthorized";
    if (c->opts->auth_asked && c->refusals == 1) {
        ln_log(LN_WARN, c->tag, "%s; asking the auth function again", ln_buf_cstr(&shown));
        enter_again(c, &err, data);
    } else if (c->opts->auth_asked && c->opts->reconnection) {
        int64_t ms = slow_wait(c);
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
