/* SPDX-License-Identifier: MIT
 *
 * Asking the functions of a connection, and reading when the token that they gave will end; see
 * token.h.
 */
#include "client/token.h"

#include "base/clock.h"
#include "base/jwt.h"
#include "base/text.h"
#include "client/line.h"

#define MS_NOT_SECONDS 100000000000 /* `expires_at` beyond the year 5138 is in milliseconds */

static const struct {
    unsigned what;
    const char *name;
} functions[] = {{ASK_AUTH, "auth"}, {ASK_HEADERS, "headers"}, {ASK_QUERY, "query"}};

static const char *name_of(unsigned what) {
    size_t i = 0;
    while (i + 1 < LN_COUNT(functions) && !(functions[i].what & what))
        i++;
    return functions[i].name;
}

static unsigned functions_of(const struct conn *c) {
    const struct conn_opts *o = c->opts;
    return (o->auth_asked ? ASK_AUTH : 0) | (o->headers_asked ? ASK_HEADERS : 0) |
           (o->query_asked ? ASK_QUERY : 0);
}

bool token_asks(const struct conn *c) {
    return functions_of(c) != 0;
}

static struct token *token_of(struct conn *c) {
    if (!c->token) c->token = ln_new(struct token);
    return c->token;
}

static char **answer_of(struct token *t, unsigned what) {
    return what == ASK_AUTH ? &t->auth : what == ASK_HEADERS ? &t->headers : &t->query;
}

void token_wipe(char **text) {
    if (*text) explicit_bzero(*text, strlen(*text));
    ln_free(*text);
    *text = NULL;
}

/* --- what goes out --- */

struct ln_str token_auth(const struct conn *c) {
    return ln_str(c->token && c->token->auth ? c->token->auth : c->auth);
}

struct ln_str token_headers(const struct conn *c) {
    return ln_str(c->token && c->token->headers ? c->token->headers : c->opts->headers);
}

struct ln_str token_query(const struct conn *c) {
    return ln_str(c->token && c->token->query ? c->token->query : c->opts->query);
}

/* --- the end of a token --- */

static bool may_hold_token(struct ln_str key) {
    static const char *const names[] = {
        "token",         "access_token", "accessToken", "jwt",          "auth",
        "authorization", "id_token",     "auth_token",  "x-auth-token", "x-access-token"};
    for (size_t i = 0; i < LN_COUNT(names); i++)
        if (ln_word_is(key, names[i])) return true;
    return false;
}

/* `exp` of a text that is a JWT, with "Bearer " in front or without; and no log shows the text. */
static int64_t end_of_text(struct ln_str text) {
    struct ln_jwt jwt;
    int64_t ms = 0;
    if (text.n > 7 && strncasecmp(text.p, "bearer ", 7) == 0) text.p += 7, text.n -= 7;
    ln_log_hide_recent(text);
    if (!ln_jwt_read(&jwt, text, NULL)) return 0;
    if (!ln_jwt_time(ln_buf_get(&jwt.claims), "exp", &ms)) ms = 0;
    ln_jwt_free(&jwt);
    return ms;
}

/* In one of the usual fields of a table; `headers` inside `auth` is a table of its own. */
static int64_t end_in(struct ln_str doc) {
    struct ln_str key, value;
    int64_t ms = 0;
    for (size_t pos = 0; doc.n && ln_json_each(doc, &pos, &key, &value);) {
        struct ln_buf text = {0};
        int64_t end = 0;
        if (ln_word_is(key, "headers") && ln_json_peek(value) == LN_JSON_OBJECT)
            end = end_in(value);
        else if (may_hold_token(key) && ln_json_text(value, &text))
            end = end_of_text(ln_buf_get(&text));
        ln_buf_free(&text);
        if (end && (!ms || end < ms)) ms = end;
    }
    return ms;
}

/* A number of seconds or milliseconds since 1970, or a text such as "2025-06-01T10:00:00Z". */
static int64_t point_in_time(struct ln_str raw) {
    struct ln_buf text = {0};
    int64_t ms = 0;
    if (ln_json_seconds(raw, &ms))
        ms = ms / 1000 > MS_NOT_SECONDS ? ms / 1000 : ms;
    else if (!ln_json_text(raw, &text) || !ln_time_parse(ln_buf_get(&text), &ms))
        ms = 0;
    ln_buf_free(&text);
    return LN_MAX(ms, 0);
}

/* Seconds as a number or a text, or a text such as "15m". */
static int64_t from_now(struct ln_str raw) {
    struct ln_buf text = {0};
    int64_t ms = 0;
    bool ok = ln_json_seconds(raw, &ms) ||
              (ln_json_text(raw, &text) && ln_duration_parse(ln_buf_get(&text), &ms));
    ln_buf_free(&text);
    return ok ? ln_wall_ms() + ms : 0;
}

/* A time that cannot be read would be silence at the end of the token. */
static void warn_odd(struct conn *c, const char *field, struct ln_str raw, const char *wants) {
    enum ln_json_type t = ln_json_peek(raw);
    if (!raw.p || t == LN_JSON_NULL || t == LN_JSON_FALSE || token_of(c)->was_odd) return;
    c->token->was_odd = true;
    ln_log(LN_WARN, c->tag, "auth: %s must be %s; it is passed over", field, wants);
}

/* What the table says itself comes first; then what its tokens say. */
static int64_t end_of(struct conn *c, struct ln_str auth) {
    struct ln_str at = ln_json_get(auth, "expires_at"), in = ln_json_get(auth, "expires_in");
    int64_t ms = point_in_time(at);
    if (!ms) warn_odd(c, "expires_at", at, "seconds since 1970, or \"2025-06-01T10:00:00Z\"");
    if (!ms) ms = from_now(in);
    if (!ms) warn_odd(c, "expires_in", in, "seconds, or a duration such as \"15m\"");
    int64_t tokens[] = {end_in(auth), end_in(token_headers(c)), end_in(token_query(c))};
    for (size_t i = 0; i < LN_COUNT(tokens) && !ms; i++)
        ms = tokens[i];
    return ms;
}

/* The payload without what only we are told; NULL: it holds nothing of that. */
static char *without_times(struct ln_str auth) {
    struct ln_str key, value;
    struct ln_buf out = {0};
    if (!ln_json_get(auth, "expires_at").p && !ln_json_get(auth, "expires_in").p) return NULL;
    ln_buf_putc(&out, '{');
    for (size_t pos = 0; ln_json_each(auth, &pos, &key, &value);) {
        if (ln_str_is(key, "expires_at") || ln_str_is(key, "expires_in")) continue;
        ln_buf_puts(&out, out.n > 1 ? ",\"" : "\"");
        ln_buf_str(&out, key);
        ln_buf_puts(&out, "\":");
        ln_buf_str(&out, value);
    }
    ln_buf_putc(&out, '}');
    ln_buf_cstr(&out);
    return ln_buf_take(&out, NULL);
}

void token_read(struct conn *c) {
    struct ln_str auth = c->opts->auth_asked ? token_auth(c) : ln_str(c->auth);
    int64_t expires_ms = end_of(c, auth);
    char *plain = without_times(auth);
    if (!expires_ms && !plain && !c->token) return;
    struct token *t = token_of(c);
    if (plain) {
        token_wipe(&t->auth);
        t->auth = plain;
    }
    if (t->expires_ms != expires_ms) t->was_told = false;
    t->expires_ms = expires_ms;
}

/* --- life --- */

void token_stale(struct conn *c) {
    struct token *t = c->token;
    c->ticket = 0;
    if (!t) return;
    loop_timer_cancel(c->clients->loop, t->timer);
    t->is_fresh = t->was_again = false;
    t->missing = 0;
    if (!c->opts->auth_asked) token_wipe(&t->auth); /* made of the option, for one attempt */
}

void token_drop(struct conn *c) {
    token_stale(c);
    if (!c->token) return;
    token_wipe(&c->token->kept);
    for (size_t i = 0; i < LN_COUNT(functions); i++)
        token_wipe(answer_of(c->token, functions[i].what));
}

void token_free(struct conn *c) {
    token_drop(c);
    ln_free(c->token);
    c->token = NULL;
}

/* --- asking --- */

static void fail(struct conn *c, const struct ln_err *err) {
    if (c->step >= STEP_HANDLERS)
        token_not_renewed(c, err);
    else
        conn_failed_try(c, err, "auth");
}

static void on_ask_timeout(void *ud) {
    struct conn *c = ud;
    struct ln_err err;
    char text[32];
    ln_fail(&err, LN_TIMEOUT, "no valid token: the %s function gave no answer within %s",
            name_of(c->token->missing), ln_duration_text(c->opts->timeout_ms, text, sizeof text));
    fail(c, &err);
}

void token_pose(struct conn *c, unsigned what, const char *reason) {
    struct clients *cs = c->clients;
    token_of(c)->missing = what;
    c->ticket = ++cs->last_ticket;
    bool is_up = c->step >= STEP_HANDLERS;
    struct conn_ask ask = {
        .ticket = c->ticket, .what = what, .reason = reason, .attempt = is_up ? 0 : c->attempt + 1};
    if (!is_up)
        conn_timer(c, c->opts->timeout_ms, on_ask_timeout);
    else
        c->token->timer = loop_timer(cs->loop, c->opts->timeout_ms, on_ask_timeout, c);
    cs->sink->auth(cs->ud, c, &ask);
}

/* A payload that was renewed while the connection was up, if it is still good. */
static bool take_kept(struct conn *c) {
    struct token *t = c->token;
    if (!t || !t->kept || strcmp(c->auth_reason, "reconnect") != 0) return false;
    token_wipe(&t->auth);
    t->auth = t->kept;
    t->kept = NULL;
    return t->kept_until_ms > ln_wall_ms();
}

/* How long ago it ended; < 0: not yet, or nobody knows. */
static int64_t late_by(const struct conn *c) {
    return c->token && c->token->expires_ms ? ln_wall_ms() - c->token->expires_ms : -1;
}

/* Our clock may be wrong: the server decides. */
static void warn_late(const struct conn *c, int64_t late) {
    char text[32];
    ln_log(LN_WARN, c->tag, "by this machine's clock the token expired %s ago; tried anyhow",
           ln_duration_text(late, text, sizeof text));
}

/* A payload that is always the same: nobody can be asked for another one. */
static void read_fixed(struct conn *c) {
    token_read(c);
    int64_t late = late_by(c);
    if (late < 0 || c->token->was_again) return;
    c->token->was_again = true; /* told once for each attempt */
    warn_late(c, late);
}

bool token_ask(struct conn *c) {
    unsigned what = functions_of(c);
    if (c->ticket) return true;
    if (!what) read_fixed(c);
    if (!what || (c->token && c->token->is_fresh)) return false;
    if (take_kept(c)) what &= ~(unsigned)ASK_AUTH;
    if (!what) {
        c->token->is_fresh = true;
        return false;
    }
    token_pose(c, what, c->auth_reason);
    return true;
}

/* All answers are there. */
static void go_on(struct conn *c) {
    struct token *t = c->token;
    struct line *ln = c->line;
    conn_timer_stop(c);
    token_read(c);
    int64_t late = late_by(c);
    if (late >= 0 && !t->was_again) {
        t->was_again = true;
        ln_log(LN_WARN, c->tag, "the token has expired already; asking for another one");
        token_pose(c, functions_of(c), "unauthorized");
        return;
    }
    if (late >= 0) warn_late(c, late);
    t->is_fresh = true;
    c->begun_ms = loop_now_ms(c->clients->loop);
    if (ln->state == LINE_ASKING)
        line_asked(ln);
    else if (ln->state == LINE_UP && !ln->is_lost)
        conn_enter(c);
}

static bool check(unsigned what, struct ln_str json, const struct ln_err *err,
                  struct ln_err *mine) {
    const char *name = name_of(what);
    if (err) {
        ln_fail(mine, err->code, "no valid token: %s", err->text);
    } else if (json.n == 0 || ln_json_peek(json) == LN_JSON_NULL) {
        ln_fail(mine, LN_UNAUTHORIZED, "no valid token: the %s function returned nothing", name);
    } else if (ln_json_peek(json) != LN_JSON_OBJECT || !ln_json_valid(json, NULL)) {
        ln_fail(mine, LN_INVALID, "the %s function must return a table with names as keys", name);
    } else {
        return what == ASK_AUTH || conn_opts_flat(json, what == ASK_HEADERS, mine);
    }
    return false;
}

void conn_answer(struct conn *c, ln_id ticket, unsigned what, struct ln_str json,
                 const struct ln_err *err) {
    struct ln_err mine;
    struct token *t = c->token;
    if (c->ticket != ticket && c->proto->auth_answer) /* the protocol's own question */
        c->proto->auth_answer(c, ticket, json, err);
    if (ticket == 0 || c->ticket != ticket || !(t->missing & what)) return;
    if (!check(what, json, err, &mine)) {
        c->ticket = 0; /* of an attempt that is over */
        fail(c, &mine);
        return;
    }
    char **to = answer_of(t, what);
    token_wipe(to);
    *to = ln_str_dup(json);
    t->missing &= ~what;
    if (t->missing) return;
    c->ticket = 0;
    if (c->step >= STEP_HANDLERS)
        token_renewed(c);
    else
        go_on(c);
}

void conn_auth_answer(struct conn *c, ln_id ticket, struct ln_str json, const struct ln_err *err) {
    conn_answer(c, ticket, ASK_AUTH, json, err);
}

void token_again(struct conn *c) {
    if (c->ticket) return; /* asked already */
    loop_timer_cancel(c->clients->loop, token_of(c)->timer);
    token_pose(c, functions_of(c), "unauthorized");
}
