/* SPDX-License-Identifier: MIT
 *
 * Tokens that a connection sends, as far as they can be read without a key, and the server's clock:
 * the two reasons for which a token that was good yesterday is refused today.
 */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/jwt.h"
#include "base/text.h"
#include "host/doctor_inside.h"

enum { SKEW_MS = 30000 }; /* less is no reason */

/* RFC 9110 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT"; the two older forms are not worth reading. */
void doctor_note_date(struct doctor *d, const struct http_head *h) {
    struct ln_str date = http_header_get(h, "Date");
    struct tm tm = {0};
    char text[40];
    if (!date.p || date.n >= sizeof text) return;
    snprintf(text, sizeof text, "%.*s", LN_FMT(date));
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *end) return;
    d->has_date = true;
    d->skew_ms = (int64_t)timegm(&tm) * 1000 - ln_wall_ms();
}

/* The first token of a text: all of it, or behind "Bearer ". */
static bool token_of(struct ln_str text, struct ln_jwt *t) {
    struct ln_err err;
    if (text.n > 7 && strncasecmp(text.p, "Bearer ", 7) == 0)
        text = (struct ln_str){text.p + 7, text.n - 7};
    return ln_jwt_read(t, text, &err);
}

static bool token_in(const char *json, struct ln_jwt *t, struct ln_buf *text) {
    struct ln_str key, value;
    for (size_t pos = 0; json && ln_json_each(ln_str(json), &pos, &key, &value);) {
        ln_buf_clear(text);
        if (ln_json_text(value, text) && token_of(ln_buf_get(text), t)) return true;
    }
    return false;
}

static bool token_in_query(const char *query, struct ln_jwt *t, struct ln_buf *text) {
    while (query) {
        const char *value = strchr(query, '='), *next = strchr(query, '&');
        size_t n = next ? (size_t)(next - query) : strlen(query);
        ln_buf_clear(text);
        if (value && value < query + n &&
            ln_percent_decode(text, (struct ln_str){value + 1, n - (size_t)(value + 1 - query)}) &&
            token_of(ln_buf_get(text), t))
            return true;
        query = next ? next + 1 : NULL;
    }
    return false;
}

bool doctor_sends_auth(const struct doctor *d) {
    const struct conn_opts *o = d->o.conn;
    if (o->auth || d->plan.url.user || d->plan.url.query) return true;
    for (size_t i = 0; i < d->plan.header_count; i++) {
        const char *name = d->plan.headers[i].name;
        if (strcasecmp(name, "Authorization") == 0 || strcasecmp(name, "Cookie") == 0) return true;
    }
    return false;
}

static void time_text(int64_t wall_ms, struct ln_buf *out) {
    time_t at = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[40];
    gmtime_r(&at, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    ln_buf_puts(out, text);
}

static bool skew_words(const struct doctor *d, struct ln_buf *out) {
    char text[32];
    int64_t by = d->skew_ms < 0 ? -d->skew_ms : d->skew_ms;
    if (!d->has_date || by < SKEW_MS) return false;
    ln_buf_fmt(out, "The server's clock is %s %s this machine's: one of them is wrong. ",
               ln_duration_text(by, text, sizeof text), d->skew_ms < 0 ? "behind" : "ahead of");
    return true;
}

static bool time_words(const struct ln_jwt *t, const struct doctor *d, struct ln_buf *out) {
    int64_t at, now = ln_wall_ms() + (d->has_date ? d->skew_ms : 0);
    char text[32];
    if (ln_jwt_time(ln_buf_get(&t->claims), "exp", &at) && at <= now) {
        ln_buf_puts(out, "The token has expired: its 'exp' was ");
        time_text(at, out);
        ln_buf_fmt(out,
                   ", %s ago%s. Get a fresh one; a script's auth function is asked for one "
                   "before every attempt. ",
                   ln_duration_text(now - at, text, sizeof text),
                   d->has_date ? " by the server's clock" : "");
        return true;
    }
    if (ln_jwt_time(ln_buf_get(&t->claims), "nbf", &at) && at > now) {
        ln_buf_puts(out, "The token is not good yet: its 'nbf' is ");
        time_text(at, out);
        ln_buf_puts(out, ". ");
        return true;
    }
    return false;
}

bool doctor_token_words(struct doctor *d, struct ln_buf *out) {
    const struct conn_opts *o = d->o.conn;
    struct ln_jwt t = {0};
    struct ln_buf text = {0};
    bool is_jwt = token_in(o->auth, &t, &text) || token_in(o->headers, &t, &text) ||
                  token_in(o->query, &t, &text) || token_in_query(d->plan.url.query, &t, &text);
    bool told = is_jwt && time_words(&t, d, out);
    told |= is_jwt && skew_words(d, out);
    if (is_jwt && !told) {
        int64_t at;
        ln_buf_puts(out, "The token is a JWT ");
        if (ln_jwt_time(ln_buf_get(&t.claims), "exp", &at)) {
            ln_buf_puts(out, "that is good until ");
            time_text(at, out);
            ln_buf_puts(out, ": not its age");
        } else {
            ln_buf_puts(out, "without an end: not its age");
        }
        ln_buf_puts(out, " is the reason; is it for this server (key, 'aud', 'iss')? ");
        told = true;
    }
    if (is_jwt) ln_jwt_free(&t);
    ln_buf_free(&text);
    return told;
}
