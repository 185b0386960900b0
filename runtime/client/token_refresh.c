/* SPDX-License-Identifier: MIT
 *
 * While a connection is up: `auth_expiring` before its token ends, or, with the option `refresh`,
 * a new one in time, handed to the server with an event or kept for the next attempt. A token's end
 * is wall-clock time: it is looked at again at least once a minute, because clocks are set and
 * machines sleep.
 */
#include "base/clock.h"
#include "base/text.h"
#include "client/line.h"
#include "client/token.h"

#define NOTICE_MS 30000  /* `auth_expiring` comes so long before the end */
#define RECHECK_MS 60000 /* at most, between two looks at the clock */
#define SOONEST_MS 5000  /* between two renewals, however short the tokens live */

static void arm(struct conn *c);

static bool renews(const struct conn *c) {
    return c->opts->refresh_every_ms > 0 || c->opts->refresh_before_ms > 0;
}

/* When to ask for the next one, now that this one is here. */
static void plan(struct conn *c) {
    struct token *t = c->token;
    const struct conn_opts *o = c->opts;
    int64_t now = ln_wall_ms();
    t->renew_ms = t->renewals_failed = 0;
    t->renew_wall_ms = 0;
    if (o->refresh_every_ms > 0)
        t->renew_ms = loop_now_ms(c->clients->loop) + (uint64_t)o->refresh_every_ms;
    if (o->refresh_before_ms == 0) return;
    if (!t->expires_ms) {
        ln_log(LN_WARN, c->tag,
               "refresh.before does nothing: when the token ends is not known (expires_in, "
               "expires_at, or a JWT with exp)");
        return;
    }
    int64_t left = t->expires_ms - now;
    /* Of one that lives shorter than `before`, half of its life is used. */
    int64_t wait = left - LN_MIN(o->refresh_before_ms, left / 2);
    t->renew_wall_ms = now + (left > 0 ? LN_MAX(wait, SOONEST_MS) : SLOW_MIN_MS);
}

/* --- telling --- */

static bool notices(const struct conn *c) {
    const struct token *t = c->token;
    return t->expires_ms && !t->was_told && (!renews(c) || t->renewals_failed > 0);
}

static void tell_expiring(struct conn *c, int64_t left_ms) {
    struct ln_buf args = {0};
    c->token->was_told = true;
    ln_buf_puts(&args, "{\"expires_at\":");
    ln_json_double(&args, (double)c->token->expires_ms / 1000);
    ln_buf_puts(&args, ",\"in_seconds\":");
    ln_json_double(&args, (double)left_ms / 1000);
    ln_buf_putc(&args, '}');
    conn_tell(c, "auth_expiring", &args);
}

/* --- the event that carries a new token --- */

/* Servers have no common form: false, {ok = false}, {success = false}, {error = …}. */
static bool is_refusal(struct ln_str args, struct ln_buf *why) {
    static const char *const flags[] = {"ok", "success"};
    bool yes = true;
    struct ln_str error = ln_json_get(args, "error");
    bool refused = ln_json_peek(args) == LN_JSON_FALSE;
    for (size_t i = 0; i < LN_COUNT(flags); i++)
        refused |= ln_json_bool(ln_json_get(args, flags[i]), &yes) && !yes;
    bool has_error =
        error.p && ln_json_peek(error) != LN_JSON_NULL && ln_json_peek(error) != LN_JSON_FALSE;
    if (has_error && ln_json_get(error, "message").p) error = ln_json_get(error, "message");
    struct ln_str text = has_error ? error : ln_json_get(args, "message");
    struct ln_buf plain = {0};
    if (text.p) line_json_text(text, &plain);
    ln_printable(why, ln_buf_get(&plain), 200);
    ln_buf_free(&plain);
    return refused || has_error;
}

static void on_reply(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                     const struct ln_err *err) {
    struct conn *c = ud;
    struct ln_buf why = {0};
    struct ln_err mine;
    (void)bin, (void)bin_count;
    if (c->is_closed || (err && err->code != LN_TIMEOUT)) return; /* the next attempt asks anew */
    if (err) {
        ln_log(c->token && c->token->was_unheard ? LN_DEBUG : LN_WARN, c->tag,
               "the server did not acknowledge '%s': whether it took the new token is not known",
               c->opts->refresh_event);
        if (c->token) c->token->was_unheard = true;
    } else if (is_refusal(args, &why)) {
        ln_fail(&mine, LN_UNAUTHORIZED, "the server refused the new token%s%s", why.n ? ": " : "",
                ln_buf_cstr(&why));
        conn_renounce(c, &mine);
    }
    ln_buf_free(&why);
}

static void hand_over(struct conn *c) {
    struct ln_err err;
    struct clients *cs = c->clients;
    const struct conn_opts *o = c->opts;
    char *auth = ln_str_dup(token_auth(c)); /* who hears of it may leave, and the token goes */
    struct conn_emit e = {.name = ln_str(o->refresh_event),
                          .args = ln_str(auth),
                          .flags = CONN_EMIT_NOW,
                          .reply = on_reply,
                          .ud = c,
                          .retries = -1};
    clients_hold_opts(o);
    if (conn_emit(c, &e, NULL, &err) != LN_OK)
        ln_log(LN_WARN, c->tag, "the new token could not be sent with '%s': %s", o->refresh_event,
               err.text);
    clients_release_opts(cs, o);
    token_wipe(&auth);
}

/* --- asking --- */

/* For the next attempt, which then does not ask: while it is good, as far as one can tell. */
static void keep(struct conn *c) {
    struct token *t = c->token;
    int64_t every_ms = LN_MAX(c->opts->refresh_every_ms, RECHECK_MS);
    token_wipe(&t->kept);
    if (!renews(c) || c->opts->refresh_event) return;
    t->kept = ln_str_dup(token_auth(c));
    t->kept_until_ms = t->expires_ms ? t->expires_ms : ln_wall_ms() + every_ms;
}

/* It will end (by our clock, which may be wrong), and nobody is to be surprised by that. */
static void not_newer(struct conn *c) {
    struct token *t = c->token;
    int64_t left = t->expires_ms - ln_wall_ms();
    char text[32];
    t->renewals_failed = 1;
    ln_log(LN_WARN, c->tag, "the auth function gave no newer token: this one %s%s",
           left > 0 ? "ends in " : "has ended",
           left > 0 ? ln_duration_text(left, text, sizeof text) : "");
}

void token_renewed(struct conn *c) {
    int64_t before_ms = c->token->expires_ms;
    loop_timer_cancel(c->clients->loop, c->token->timer);
    token_read(c);
    plan(c);
    if (c->token->expires_ms && c->token->expires_ms <= before_ms)
        not_newer(c);
    else
        ln_log(LN_DEBUG, c->tag, "the token was renewed");
    arm(c);
    keep(c);
    if (c->proto->auth_renewed)
        c->proto->auth_renewed(c);
    else if (c->opts->refresh_event)
        hand_over(c);
}

void token_not_renewed(struct conn *c, const struct ln_err *err) {
    struct token *t = c->token;
    char text[32];
    int64_t ms = slow_wait(++t->renewals_failed + 1);
    loop_timer_cancel(c->clients->loop, t->timer);
    c->ticket = 0;
    t->missing = 0;
    t->renew_wall_ms = 0;
    t->renew_ms = renews(c) ? loop_now_ms(c->clients->loop) + (uint64_t)ms : 0;
    conn_count_error(c, err);
    ln_log(LN_WARN, c->tag, "the token was not renewed: %s%s%s", err->text,
           renews(c) ? "; asked again in " : "",
           renews(c) ? ln_duration_text(ms, text, sizeof text) : "");
    arm(c);
    if (c->proto->auth_renewed) c->proto->auth_renewed(c);
}

/* --- the clock --- */

/* How long until one of two things is due; < 0: it is. */
static int64_t until_renewal(const struct conn *c) {
    const struct token *t = c->token;
    int64_t ms = INT64_MAX;
    if (t->renew_ms) ms = (int64_t)(t->renew_ms - loop_now_ms(c->clients->loop));
    if (t->renew_wall_ms) ms = LN_MIN(ms, t->renew_wall_ms - ln_wall_ms());
    return ms;
}

static int64_t until_notice(const struct conn *c) {
    return notices(c) ? c->token->expires_ms - NOTICE_MS - ln_wall_ms() : INT64_MAX;
}

static void on_due(void *ud) {
    struct conn *c = ud;
    uint64_t epoch = c->epoch;
    if (until_notice(c) <= 0) tell_expiring(c, c->token->expires_ms - ln_wall_ms());
    if (c->epoch != epoch || !c->token) return; /* who heard of it has left */
    if (until_renewal(c) <= 0)
        token_pose(c, ASK_AUTH, "expiring");
    else
        arm(c);
}

static void arm(struct conn *c) {
    int64_t ms = LN_MIN(until_renewal(c), until_notice(c));
    if (ms == INT64_MAX) return;
    ms = LN_MAX(LN_MIN(ms, RECHECK_MS), 0);
    loop_timer_cancel(c->clients->loop, c->token->timer);
    c->token->timer = loop_timer(c->clients->loop, ms, on_due, c);
}

void token_up(struct conn *c) {
    if (!c->token) return;
    plan(c);
    arm(c);
}
