/* SPDX-License-Identifier: MIT
 *
 * See upgrade.h. The WebSocket's callbacks belong to this struct for its whole life: they serve the
 * probe first and the line afterwards. So the struct lives until the WebSocket has ended, whoever
 * has lost interest in it before.
 */
#include "client/upgrade.h"

#include "client/poll.h"

enum {
    PROBE_TIMEOUT_MS = 10000,
    CLOSE_TIMEOUT_MS = 2000 /* a line that wants to end does not wait for the probe for long */
};

enum step { OPENING, PROBING, PAUSING, LINE_S_OWN, OVER };

struct upgrade {
    struct line *line; /* NULL: over */
    struct ws *ws;
    ln_id timer;
    enum step step;
    bool closes;
};

/* --- ends --- */

static void leave(struct upgrade *u) {
    struct line *ln = u->line;
    loop_timer_cancel(ln->clients->loop, u->timer);
    ln->upgrade = NULL;
    u->line = NULL;
    u->step = OVER;
}

/* The line stays on polling. */
static void fail(struct upgrade *u, const char *why) {
    struct line *ln = u->line;
    bool was_pausing = u->step == PAUSING, closes = u->closes;
    if (!closes) ln_log(LN_DEBUG, line_lead(ln)->tag, "stays on polling: %s", why);
    leave(u);
    if (was_pausing) poll_resume(ln->poll);
    if (closes) poll_close(ln->poll);
}

static void on_timeout(void *ud) {
    struct upgrade *u = ud;
    struct ws *ws = u->ws;
    fail(u, "the probe of the WebSocket was not answered in time");
    ws_abort(ws);
}

void upgrade_abort(struct upgrade *u) {
    leave(u);
    ws_abort(u->ws);
}

void upgrade_close(struct upgrade *u) {
    u->closes = true;
    loop_timer_again(u->line->clients->loop, u->timer, CLOSE_TIMEOUT_MS);
}

/* --- the way --- */

static void say(struct ws *ws, const char *text) {
    struct ln_str s = ln_str(text);
    ws_send(ws, WS_TEXT, &s, 1);
}

static void on_open(void *ud, struct ln_str protocol) {
    struct upgrade *u = ud;
    (void)protocol;
    if (u->step != OPENING) return;
    u->step = PROBING;
    say(u->ws, "2probe");
}

static void on_answer(struct upgrade *u, struct ln_str text) {
    if (u->step == PROBING && ln_str_is(text, "3probe")) {
        u->step = PAUSING;
        poll_pause(u->line->poll);
        return;
    }
    struct ws *ws = u->ws;
    fail(u, "the server gave a wrong answer to the probe of the WebSocket");
    ws_close(ws, WS_NO_STATUS, (struct ln_str){0});
}

void upgrade_pause_over(struct upgrade *u) {
    struct line *ln = u->line;
    struct poll *poll = ln->poll;
    loop_timer_cancel(ln->clients->loop, u->timer);
    u->step = LINE_S_OWN;
    ln->upgrade = NULL;
    ln->poll = NULL;
    ln->ws = u->ws;
    say(u->ws, "5");
    poll_hand_over(poll, u->ws);
    if (u->closes)
        line_road_close(ln);
    else
        line_road_upgraded(ln);
}

static void on_message(void *ud, bool binary, char *p, size_t n) {
    struct upgrade *u = ud;
    if (LN_LIKELY(u->step == LINE_S_OWN))
        line_message(u->line, binary, p, n);
    else if (u->line)
        on_answer(u, binary ? (struct ln_str){0} : (struct ln_str){p, n});
}

static void on_closed(void *ud, enum stream_phase phase, int status, int code, struct ln_str reason,
                      const struct ln_err *err) {
    struct upgrade *u = ud;
    if (u->step == LINE_S_OWN)
        line_closed(u->line, phase, status, code, reason, err);
    else if (u->line)
        fail(u, err ? err->text : "the server closed the WebSocket");
    ln_free(u);
}

void upgrade_begin(struct line *ln) {
    static const struct ws_cbs cbs = {.open = on_open, .message = on_message, .closed = on_closed};
    struct upgrade *u = ln->upgrade = ln_new(struct upgrade);
    struct conn_plan plan;
    u->line = ln;
    line_plan(ln, &plan);
    ln_buf_fmt(&plan.target, "&sid=%.*s", LN_FMT(poll_sid(ln->poll)));
    ln_buf_cstr(&plan.target);
    u->ws = line_ws_open(ln, &plan, &cbs, u);
    u->timer = loop_timer(ln->clients->loop, PROBE_TIMEOUT_MS, on_timeout, u);
    conn_plan_free(&plan);
}
