/* SPDX-License-Identifier: MIT
 *
 * Tokens on the hub; see hub_jwt.h. What is checked is fixed by the settings (base/jwt.h); what a
 * token holds is never logged and never sent on.
 */
#include "hub/hub_jwt.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/jwt.h"
#include "base/log.h"
#include "base/mem.h"
#include "hub/hub_pusher.h"

#define LEEWAY_MS 30000
#define RECHECK_MS 600000 /* the end is wall-clock time: clocks are set, machines sleep */
#define SHORT_SECRET 32   /* bytes: RFC 7518 3.2 asks for as many as the digest has */

struct hub_jwt {
    struct ln_jwt_rules rules; /* key, aud and iss are ours */
    char *field;
};

/* --- settings --- */

static char **copy_list(const char *const *list) {
    size_t n = 0;
    while (list && list[n])
        n++;
    if (n == 0) return NULL;
    char **copy = ln_alloc((n + 1) * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = ln_strdup(list[i]);
    return copy;
}

bool hub_jwt_open(struct hub *h, const struct hub_jwt_opts *o, struct ln_err *err) {
    struct ln_err why;
    enum ln_sign_alg alg = LN_HS256;
    if (!o) return true;
    if (!o->alg || !ln_sign_alg_find(ln_str(o->alg), &alg)) {
        ln_fail(err, LN_INVALID, "hub.jwt.alg must be \"HS256\", \"RS256\" or \"ES256\"");
        return false;
    }
    struct ln_sign_key *key = ln_sign_key_new(alg, o->key, &why);
    if (!key) {
        ln_fail(err, LN_INVALID, "hub.jwt: %s", why.text);
        return false;
    }
    if (alg == LN_HS256 && o->key.n < SHORT_SECRET)
        ln_log(LN_WARN, "hub",
               "the secret of hub.jwt has only %zu bytes: who has a token can guess "
               "it; take at least %d random ones",
               o->key.n, SHORT_SECRET);
    h->jwt = ln_new(struct hub_jwt);
    h->jwt->rules = (struct ln_jwt_rules){.key = key,
                                          .aud = (const char *const *)copy_list(o->aud),
                                          .iss = o->iss ? ln_strdup(o->iss) : NULL,
                                          .leeway_ms = o->leeway_ms < 0 ? LEEWAY_MS : o->leeway_ms};
    h->jwt->field = ln_strdup(o->field ? o->field : "token");
    return true;
}

void hub_jwt_close(struct hub *h) {
    struct hub_jwt *j = h->jwt;
    if (!j) return;
    ln_sign_key_free((struct ln_sign_key *)(uintptr_t)j->rules.key);
    for (const char *const *s = j->rules.aud; s && *s; s++)
        ln_free((char *)(uintptr_t)*s);
    ln_free((void *)(uintptr_t)j->rules.aud);
    ln_free((char *)(uintptr_t)j->rules.iss);
    ln_free(j->field);
    ln_free(j);
    h->jwt = NULL;
}

/* --- a token --- */

static void find_token(const struct hub *h, struct ln_str auth, struct ln_str header,
                       struct ln_buf *out) {
    struct ln_str raw = ln_json_get(auth, h->jwt->field);
    if (raw.p && ln_json_text(raw, out)) return;
    if (header.n <= 7 || strncasecmp(header.p, "bearer ", 7) != 0) return;
    header.p += 7;
    header.n -= 7;
    while (header.n > 0 && *header.p == ' ')
        header.p++, header.n--;
    ln_buf_str(out, header);
}

static struct hub_grant *grant_new(const struct hub *h, struct ln_str claims) {
    struct hub_grant *g = ln_new(struct hub_grant);
    g->claims = ln_str_dup(claims);
    g->until_ms = INT64_MAX;
    if (ln_jwt_time(claims, "exp", &g->until_ms)) g->until_ms += h->jwt->rules.leeway_ms;
    return g;
}

struct hub_grant *hub_jwt_grant(const struct hub *h, struct ln_str auth, struct ln_str header,
                                const char **why) {
    struct ln_buf token = {0};
    struct ln_jwt jwt = {0};
    struct hub_grant *g = NULL;
    find_token(h, auth, header, &token);
    enum ln_jwt_fault fault = LN_JWT_MALFORMED;
    if (ln_jwt_read(&jwt, ln_buf_get(&token), NULL))
        fault = ln_jwt_check(&jwt, &h->jwt->rules, ln_wall_ms());
    *why = token.n == 0 ? "missing" : ln_jwt_fault_name(fault);
    if (fault == LN_JWT_OK) g = grant_new(h, ln_buf_get(&jwt.claims));
    ln_jwt_free(&jwt);
    ln_buf_free(&token);
    return g;
}

void hub_grant_free(struct hub *h, struct hub_grant *g) {
    if (!g) return;
    loop_timer_cancel(h->loop, g->timer);
    ln_free(g->claims);
    ln_free(g);
}

const char *hub_jwt_words(const char *why) {
    return strcmp(why, "expired") == 0 ? "token expired" : "invalid token";
}

struct ln_str hub_grant_claims(const struct hub_grant *g) {
    return ln_str(g ? g->claims : NULL);
}

struct ln_str hub_grant_sub(const struct hub_grant *g) {
    return g ? ln_json_get(ln_str(g->claims), "sub") : (struct ln_str){NULL, 0};
}

/* --- coming in --- */

static void refuse(struct hub_line *line, struct ln_str nsp, const char *why) {
    struct ln_buf data = {0};
    ln_buf_fmt(&data, "{\"code\":\"unauthorized\",\"reason\":\"%s\"}", why);
    ln_log(LN_DEBUG, "hub", "%s refused: %s (%s)", line->ip, hub_jwt_words(why), why);
    if (line->proto == HUB_SIO)
        hub_sio_refuse(line, nsp, hub_jwt_words(why), ln_buf_get(&data));
    else if (line->proto == HUB_PUSHER)
        hub_pusher_end(line, HUB_LEAVE_SERVER, 4009, hub_jwt_words(why));
    else
        hub_raw_refuse(line, hub_jwt_words(why), ln_buf_get(&data));
    ln_buf_free(&data);
}

bool hub_jwt_admit(struct hub_line *line, struct ln_str nsp, struct ln_str auth,
                   struct hub_grant **grant) {
    struct hub *h = line->hub;
    struct ln_buf header = {0};
    const char *why;
    *grant = NULL;
    if (!h->jwt) return true;
    (void)ln_json_text(ln_json_get(ln_buf_get(&line->headers), "authorization"), &header);
    *grant = hub_jwt_grant(h, auth, ln_buf_get(&header), &why);
    ln_buf_free(&header);
    /* Pusher's clients have keys of their own, when apps are configured. */
    bool has_key = line->proto == HUB_PUSHER && h->opts.app_count > 0;
    if (*grant || (has_key && strcmp(why, "missing") == 0)) return true;
    refuse(line, nsp, why);
    return false;
}

/* --- staying --- */

bool hub_jwt_is_late(struct hub_client *c) {
    static const char words[] = "token expired";
    if (LN_LIKELY(!c->grant || ln_wall_ms() < c->grant->until_ms)) return false;
    if (c->line->proto == HUB_PUSHER)
        hub_pusher_end(c->line, HUB_LEAVE_EXPIRED, 4009, words);
    else
        hub_line_drop(c->line, HUB_LEAVE_EXPIRED, 1008, words);
    return true;
}

static void on_time(void *ud) {
    struct hub_client *c = ud;
    c->grant->timer = 0;
    if (!hub_jwt_is_late(c)) hub_jwt_watch(c);
}

void hub_jwt_watch(struct hub_client *c) {
    struct hub_grant *g = c->grant;
    if (!g || g->until_ms == INT64_MAX) return;
    int64_t left = LN_MAX(g->until_ms - ln_wall_ms(), 0);
    g->timer = loop_timer(c->line->hub->loop, LN_MIN(left, RECHECK_MS), on_time, c);
}

static bool is_other_user(const struct hub_grant *old, const struct hub_grant *new) {
    return !ln_str_eq(hub_grant_sub(old), hub_grant_sub(new));
}

static void renew(struct hub_client *c, const struct hub_event *ev) {
    struct hub *h = c->line->hub;
    struct ln_str doc = {NULL, 0};
    struct ln_err err;
    const char *why;
    size_t at = 0;
    (void)sio_args_each(ev->args, &at, &doc);
    struct hub_grant *g = hub_jwt_grant(h, doc, (struct ln_str){NULL, 0}, &why);
    if (!g) {
        ln_fail(&err, LN_UNAUTHORIZED, "%s (%s)", hub_jwt_words(why), why);
    } else if (is_other_user(c->grant, g)) {
        ln_fail(&err, LN_FORBIDDEN, "invalid token (it is of another user)");
        hub_grant_free(h, g);
        g = NULL;
    }
    if (!g) {
        hub_chat_error(c, ev->ack, &err);
        return;
    }
    hub_grant_free(h, c->grant);
    c->grant = g;
    hub_jwt_watch(c);
    hub_ack(h, c->id, ev->ack, LN_STR("{\"ok\":true}"), NULL, 0);
}

bool hub_jwt_event(struct hub_client *c, const struct hub_event *ev) {
    if (ln_str_is(ev->name, "authenticate")) {
        renew(c, ev);
        return true;
    }
    return hub_jwt_is_late(c);
}
