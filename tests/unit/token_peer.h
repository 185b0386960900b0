/* SPDX-License-Identifier: MIT
 *
 * For the tests of tokens: functions that give what a test says, options that ask and renew, and
 * time that passes while the server's pings come.
 */
#ifndef LN_TOKEN_PEER_H
#define LN_TOKEN_PEER_H

#include "jwt_make.h"
#include "sio_peer.h"

#define SECOND 1000
#define MINUTE 60000
#define HOUR 3600000

static char given[600]; /* what the auth function gives */

static inline void give(struct conn *c, ln_id ticket) {
    conn_auth_answer(c, ticket, ln_str(given), NULL);
}
static inline void give_headers(struct conn *c, ln_id ticket) {
    conn_answer(c, ticket, ASK_HEADERS, ln_str(given), NULL);
}
static inline void give_query(struct conn *c, ln_id ticket) {
    conn_answer(c, ticket, ASK_QUERY, ln_str(given), NULL);
}

static inline struct conn_opts asked(void) {
    struct conn_opts o = options("ws://chat.example");
    o.auth_asked = true;
    return o;
}

static inline struct conn_opts refreshed(int64_t every_ms, int64_t before_ms, const char *event) {
    struct conn_opts o = asked();
    o.refresh_every_ms = every_ms;
    o.refresh_before_ms = before_ms;
    o.refresh_event = event ? ln_strdup(event) : NULL;
    return o;
}

/* A whole number of steps; the server's pings come as they must. */
static inline void pass(int64_t ms, int64_t step) {
    for (int64_t t = 0; t < ms; t += step) {
        for (int i = 0; i < w.lines; i++)
            if (w.line[i]->is_up && w.line[i]->p.fd >= 0) say(w.line[i], "2");
        advance(LN_MIN(step, ms - t));
    }
}
static inline void pass_quietly(int64_t ms) {
    pass(ms, 20 * SECOND);
    ln_buf_clear(&last()->got);
}

/* With @: a JWT that ends `s` seconds from now. */
static inline void give_jwt(const char *form, int64_t s) {
    char claims[60];
    struct ln_buf token = {0};
    snprintf(claims, sizeof claims, "{\"exp\":%lld}", (long long)(ln_wall_ms() / 1000 + s));
    jwt_hs256(&token, claims, "k");
    size_t at = strcspn(form, "@");
    snprintf(given, sizeof given, "%.*s%s%s", (int)at, form, form[at] ? ln_buf_cstr(&token) : "",
             form[at] ? form + at + 1 : "");
    ln_buf_free(&token);
}

#endif
