/* SPDX-License-Identifier: MIT
 *
 * See doctor.h. The steps in their order, one at a time; each has a time limit, and the end of one
 * begins the next in a later turn, so that whatever a callback still works with is not freed under
 * it.
 */
#include "host/doctor_inside.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"

enum { STEP_MS = 10000 };

static void doctor_config(struct doctor *d);

static const struct {
    const char *name;
    void (*begin)(struct doctor *d);
    const char *late; /* what to do when it does not end; NULL: the usual words */
} steps[] = {
    {"config", doctor_config, NULL},
    {"dns", doctor_dns,
     "The resolver of this machine does not answer: is the network there, and does "
     "/etc/resolv.conf name a server that works?"},
    {"proxy", doctor_proxy,
     "The proxy does not answer. Without it: proxy = \"none\" (--proxy none)."},
    {"tcp", doctor_tcp, NULL},
    {"tls", doctor_tls, NULL},
    {"upgrade", doctor_upgrade, NULL},
    {"handshake", doctor_handshake, NULL},
    {"auth", doctor_auth, NULL},
    {"join", doctor_join, NULL},
    {"round trip", doctor_round_trip, NULL},
};

bool doctor_is_at(const struct doctor *d, const char *name) {
    return !d->step_over && d->at < LN_COUNT(steps) && strcmp(steps[d->at].name, name) == 0;
}

/* --- what a step says --- */

void doctor_detail_raw(struct doctor *d, const char *key, struct ln_str json) {
    if (d->detail.n) ln_buf_putc(&d->detail, ',');
    ln_json_quote(&d->detail, ln_str(key));
    ln_buf_putc(&d->detail, ':');
    ln_buf_str(&d->detail, json);
}

void doctor_detail(struct doctor *d, const char *key, struct ln_str text) {
    struct ln_buf clean = {0}, json = {0};
    ln_log_redact(&clean, text);
    ln_json_quote(&json, ln_buf_get(&clean));
    doctor_detail_raw(d, key, ln_buf_get(&json));
    ln_buf_free(&clean);
    ln_buf_free(&json);
}

void doctor_detail_int(struct doctor *d, const char *key, int64_t n) {
    struct ln_buf json = {0};
    ln_buf_int(&json, n);
    doctor_detail_raw(d, key, ln_buf_get(&json));
    ln_buf_free(&json);
}

void doctor_advise(struct doctor *d, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    ln_buf_vfmt(&d->advice, fmt, ap);
    va_end(ap);
}

/* What goes out has no secrets, whoever wrote it. */
static void redact(struct ln_buf *b) {
    struct ln_buf clean = {0};
    ln_log_redact(&clean, ln_buf_get(b));
    ln_buf_free(b);
    *b = clean;
}

static void tell(struct doctor *d, enum doctor_verdict verdict, int64_t ms) {
    redact(&d->text);
    redact(&d->fault);
    redact(&d->note);
    struct doctor_step s = {.name = steps[d->at].name,
                            .verdict = verdict,
                            .ms = ms,
                            .text = ln_buf_get(&d->text),
                            .fault = ln_buf_get(&d->fault),
                            .more = ln_buf_get(&d->more),
                            .note = ln_buf_get(&d->note),
                            .detail = ln_buf_get(&d->detail)};
    d->cbs->step(d->ud, &s);
    ln_buf_clear(&d->text);
    ln_buf_clear(&d->fault);
    ln_buf_clear(&d->more);
    ln_buf_clear(&d->note);
    ln_buf_clear(&d->detail);
}

/* --- from step to step --- */

static int64_t took(const struct doctor *d) {
    return d->took_ms >= 0 ? d->took_ms : (int64_t)(loop_now_ms(d->loop) - d->since);
}

void doctor_end(struct doctor *d) {
    static const char *const names[] = {"socketio", "pusher", "ws"};
    d->is_over = true;
    if (d->code == EXIT_OK) doctor_advise(d, "All is well: %s takes this connection.", d->target);
    redact(&d->advice);
    while (d->advice.n && d->advice.p[d->advice.n - 1] == ' ')
        d->advice.n--; /* of sentences that had nothing behind them */
    struct doctor_end e = {d->code, d->target, d->conn ? names[d->proto] : NULL,
                           ln_buf_get(&d->advice)};
    d->cbs->end(d->ud, &e);
}

static void on_late(void *ud) {
    struct doctor *d = ud;
    char text[32];
    ln_duration_text(d->step_ms, text, sizeof text);
    if (steps[d->at].late)
        doctor_advise(d, "%s", steps[d->at].late);
    else
        doctor_advise(
            d,
            "The server lets us get as far as '%s' and then says nothing for %s. Is it the "
            "right kind of server (the option 'protocol'), or does it hang?",
            steps[d->at].name, text);
    doctor_fail(d, EXIT_NO_CONNECTION, "no answer within %s", text);
}

/* All went well: goodbyes are said as they should be. */
static void part(struct doctor *d) {
    conn_disconnect(d->conn, NULL);
    d->is_parting = d->ws != NULL;
    if (d->is_parting)
        ws_close(d->ws, WS_NORMAL, (struct ln_str){0});
    else
        doctor_end(d);
}

static void begin(void *ud) {
    struct doctor *d = ud;
    if (d->at == LN_COUNT(steps)) {
        part(d);
        return;
    }
    d->step_over = false;
    d->since = loop_now_ms(d->loop);
    d->took_ms = -1;
    d->timer = loop_timer(d->loop, d->step_ms + DOCTOR_GRACE_MS, on_late, d);
    steps[d->at].begin(d);
}

static void step_ended(struct doctor *d) {
    d->step_over = true;
    loop_timer_cancel(d->loop, d->timer);
}

static void next(struct doctor *d) {
    d->at++;
    d->timer = loop_timer(d->loop, 0, begin, d);
}

void doctor_ok(struct doctor *d) {
    step_ended(d);
    tell(d, DOCTOR_OK, took(d));
    next(d);
}

void doctor_skip(struct doctor *d) {
    step_ended(d);
    tell(d, DOCTOR_SKIPPED, -1);
    next(d);
}

static void finish_failed(void *ud) {
    struct doctor *d = ud;
    for (d->at++; d->at < LN_COUNT(steps); d->at++)
        tell(d, DOCTOR_SKIPPED, -1);
    doctor_end(d);
}

static void fail(struct doctor *d, int code, struct ln_str why) {
    step_ended(d);
    d->code = code;
    ln_buf_str(&d->fault, why);
    if (d->advice.n == 0) ln_buf_fmt(&d->advice, "%s: %.*s", steps[d->at].name, LN_FMT(why));
    doctor_detail(d, "error", why);
    doctor_drop_probe(d);
    doctor_drop_line(d);
    tell(d, DOCTOR_FAIL, took(d));
}

void doctor_fail(struct doctor *d, int code, const char *fmt, ...) {
    struct ln_buf why = {0};
    va_list ap;
    va_start(ap, fmt);
    ln_buf_vfmt(&why, fmt, ap);
    va_end(ap);
    fail(d, code, ln_buf_get(&why));
    ln_buf_free(&why);
    d->timer = loop_timer(d->loop, 0, finish_failed, d);
}

void doctor_stop(struct doctor *d, int code, const char *why) {
    if (d->is_over) return;
    if (d->step_over) { /* between two steps */
        loop_timer_cancel(d->loop, d->timer);
        if (d->code != EXIT_OK) { /* after one that failed */
            finish_failed(d);
            return;
        }
        if (d->at == LN_COUNT(steps)) {
            doctor_end(d);
            return;
        }
        d->since = loop_now_ms(d->loop);
    }
    ln_buf_clear(&d->advice);
    ln_buf_fmt(&d->advice, "%s: %s", steps[d->at].name, why);
    fail(d, code, ln_str(why));
    finish_failed(d);
}

/* --- the settings --- */

static void say_config(struct doctor *d) {
    const struct conn_opts *o = d->o.conn;
    const char *url = conn_url(d->conn), *protocol = conn_protocol(d->conn);
    bool is_name = !strstr(d->target, "://");
    if (is_name) ln_buf_fmt(&d->text, "%s → ", d->target);
    ln_buf_fmt(&d->text, "%s, %s", url, protocol);
    if (d->polls) ln_buf_puts(&d->text, ", polling only");
    doctor_detail(d, "url", ln_str(url));
    doctor_detail(d, "protocol", ln_str(protocol));
    if (o->tls.insecure && d->plan.url.tls) {
        ln_buf_puts(&d->note, "the server's certificate is not verified (tls.verify is off, or "
                              "--insecure): anybody on the way can read and change everything");
    }
}

/* Short ones would blank out common words. */
static void hide(struct ln_str value) {
    enum { SHORTEST = 8 };
    if (value.n >= SHORTEST) ln_log_hide(value);
}

static void hide_values(const char *json) {
    struct ln_str key, value;
    struct ln_buf text = {0};
    for (size_t pos = 0; json && ln_json_each(ln_str(json), &pos, &key, &value);) {
        ln_buf_clear(&text);
        if (ln_json_text(value, &text)) hide(ln_buf_get(&text));
    }
    ln_buf_free(&text);
}

/* A server may repeat what was sent to it. */
static void hide_secrets(struct doctor *d) {
    const struct conn_opts *o = d->o.conn;
    const struct url *u = &d->plan.url;
    hide_values(o->auth);
    hide_values(o->query);
    for (size_t i = 0; i < d->plan.header_count; i++) {
        const char *value = d->plan.headers[i].value, *blank = strchr(value, ' ');
        hide(ln_str(value));
        if (blank) hide(ln_str(blank + 1)); /* "Bearer …" */
    }
    if (u->password) ln_log_hide(ln_str(u->password));
    hide(ln_str(o->secret));
    for (const char *q = u->query; q;) {
        const char *value = strchr(q, '='), *next = strchr(q, '&');
        size_t n = next ? (size_t)(next - q) : strlen(q);
        if (value && value < q + n) hide((struct ln_str){value + 1, n - (size_t)(value + 1 - q)});
        q = next ? next + 1 : NULL;
    }
}

static void doctor_config(struct doctor *d) {
    struct ln_err err;
    struct conn_opts o;
    if (d->o.wrong) {
        ln_buf_puts(&d->text, d->target);
        doctor_fail(d, EXIT_CONFIG, "%s", d->o.wrong->text);
        return;
    }
    conn_opts_copy(&o, d->o.conn);
    o.autoconnect = o.reconnection = false;
    d->conn = conn_open(d->clients, "doctor", &o, &err);
    conn_opts_free(&o);
    if (!d->conn) {
        ln_buf_puts(&d->text, "options");
        doctor_fail(d, EXIT_CONFIG, "%s", err.text);
        return;
    }
    const char *protocol = conn_protocol(d->conn);
    d->proto = strcmp(protocol, "pusher") == 0 ? DOCTOR_PUSHER
               : strcmp(protocol, "ws") == 0   ? DOCTOR_RAW
                                               : DOCTOR_SOCKETIO;
    d->polls = d->proto == DOCTOR_SOCKETIO && d->o.conn->transports[0] == TRANSPORT_POLLING &&
               d->o.conn->transports[1] == TRANSPORT_NONE;
    conn_plan(d->conn, &d->plan);
    hide_secrets(d);
    say_config(d);
    doctor_ok(d);
}

/* --- life --- */

/* A URL without what may be secret in it. */
static char *shown(const char *target) {
    const char *host = strstr(target, "://");
    struct ln_buf b = {0};
    if (!host) return ln_strdup(target);
    host += 3;
    size_t end = strcspn(target, "?#");
    const char *at = memchr(host, '@', strcspn(host, "/?#"));
    ln_buf_add(&b, target, (size_t)(host - target));
    if (at) host = at + 1;
    if (host < target + end) ln_buf_add(&b, host, (size_t)(target + end - host));
    ln_buf_cstr(&b);
    return ln_buf_take(&b, NULL);
}

static int dial_for_conn(void *ud, struct conn *c) {
    struct doctor *d = ud;
    (void)c;
    return d->o.dial(d->o.dial_ud);
}

struct doctor *doctor_new(struct loop *l, const struct doctor_opts *o, const struct doctor_cbs *cbs,
                          void *ud) {
    struct doctor *d = ln_new(struct doctor);
    d->loop = l;
    d->o = *o;
    d->cbs = cbs;
    d->ud = ud;
    d->target = shown(o->target);
    d->clients = clients_new(l, &doctor_sink, d);
    if (o->dial) clients_dialler(d->clients, dial_for_conn, d);
    d->step_ms = o->step_ms > 0                       ? o->step_ms
                 : o->conn && o->conn->timeout_ms > 0 ? LN_MIN(o->conn->timeout_ms, STEP_MS)
                                                      : STEP_MS;
    d->step_over = true;
    d->timer = loop_timer(l, 0, begin, d);
    return d;
}

void doctor_free(struct doctor *d) {
    if (!d) return;
    loop_timer_cancel(d->loop, d->timer);
    doctor_drop_probe(d);
    doctor_drop_line(d);
    doctor_drop_join(d);
    clients_free(d->clients);
    doctor_answer_free(d->answer);
    conn_plan_free(&d->plan);
    ln_free(d->target);
    ln_free(d->addresses);
    ln_free(d->reached);
    ln_buf_free(&d->failed);
    ln_buf_free(&d->first);
    ln_buf_free(&d->text);
    ln_buf_free(&d->fault);
    ln_buf_free(&d->more);
    ln_buf_free(&d->note);
    ln_buf_free(&d->detail);
    ln_buf_free(&d->advice);
    ln_free(d);
}
