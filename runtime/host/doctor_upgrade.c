/* SPDX-License-Identifier: MIT
 *
 * The doctor's upgrade: one WebSocket, which stays open for the handshake and the round trip. When
 * a Socket.IO server's is refused, polling is asked: where that works, something in between has
 * taken the upgrade away. A connection that only polls begins with that.
 */
#include <stdio.h>

#include "base/text.h"
#include "client/where.h"
#include "host/doctor_inside.h"

struct doctor_link { /* as a probe: outlives what is asked */
    struct doctor *d;
    struct ws *ws;
};

/* --- what was asked, without what the user put there --- */

static bool is_ours(struct ln_str key) {
    static const char *const names[] = {"EIO",    "transport", "protocol",
                                        "client", "version",   "flash"};
    for (size_t i = 0; i < LN_COUNT(names); i++)
        if (ln_str_is(key, names[i])) return true;
    return false;
}

static void say_target(struct doctor *d, struct ln_str target) {
    size_t path = target.n, at;
    for (at = 0; at < target.n && path == target.n; at++)
        if (target.p[at] == '?') path = at;
    ln_buf_fmt(&d->text, "GET %.*s", (int)path, target.p);
    for (at = path; at < target.n;) {
        struct ln_str pair = {target.p + at + 1, 0};
        while (at + 1 + pair.n < target.n && pair.p[pair.n] != '&')
            pair.n++;
        const char *eq = memchr(pair.p, '=', pair.n);
        struct ln_str key = {pair.p, eq ? (size_t)(eq - pair.p) : pair.n};
        ln_buf_putc(&d->text, target.p[at]);
        ln_buf_str(&d->text, !eq || is_ours(key) ? pair : key);
        if (eq && !is_ours(key)) ln_buf_puts(&d->text, "=***");
        at += 1 + pair.n;
    }
    doctor_detail(d, "request", ln_buf_get(&d->text));
}

static void note_answer(struct doctor *d, const struct http_head *h) {
    doctor_answer_free(d->answer);
    d->answer = doctor_answer_new(h);
    doctor_note_date(d, h);
}

static void say_answer(struct doctor *d) {
    const struct doctor_answer *a = d->answer;
    doctor_detail_int(d, "status", a->status);
    if (a->server) doctor_detail(d, "server", ln_str(a->server));
    if (a->via) doctor_detail(d, "via", ln_str(a->via));
    doctor_detail_raw(d, "upgrade_header", a->has_upgrade ? LN_STR("true") : LN_STR("false"));
}

/* --- polling --- */

/* The upgrade's path and query, for the other transport. */
void doctor_polling_target(const struct doctor *d, struct ln_buf *out) {
    const char *all = d->plan.target.p, *at = strstr(all, "transport=websocket");
    ln_buf_add(out, all, at ? (size_t)(at - all) : strlen(all));
    if (at) ln_buf_fmt(out, "transport=polling%s", at + strlen("transport=websocket"));
    ln_buf_cstr(out);
}

static void where(void *ud, struct stream_opts *o) {
    doctor_where(ud, o);
}

static void poll(struct doctor *d, http_fn fn) {
    struct http_opts o = {.where = where, .ud = d};
    struct ln_buf target = {0};
    doctor_polling_target(d, &target);
    struct http_request r = {.method = "GET",
                             .host_header = d->plan.host.p,
                             .target = target.p,
                             .headers = d->plan.headers,
                             .header_count = d->plan.header_count,
                             .timeout_ms = d->step_ms};
    d->http = http_new(d->loop, &o);
    loop_timer_again(d->loop, d->timer, d->step_ms + DOCTOR_GRACE_MS);
    http_send(d->http, &r, fn, d);
    ln_buf_free(&target);
}

static bool is_polling(const struct http_answer *a) {
    return a && a->status == 200 && a->n > 1 && a->body[0] == '0' && a->body[1] == '{';
}

/* The upgrade was refused; its status is in d->answer, its words in d->first. */
static void on_polled_instead(void *ud, const struct http_answer *a, enum stream_phase phase,
                              const struct ln_err *err) {
    struct doctor *d = ud;
    struct ln_buf said = {0};
    (void)phase, (void)err;
    if (a && !d->has_date) doctor_note_date(d, a->head);
    if (!is_polling(a)) {
        doctor_blame(d, d->answer, ln_buf_get(&d->first));
        return;
    }
    doctor_answer_text(d->answer, &said);
    doctor_detail(d, "polling", LN_STR("works"));
    doctor_advise(d, "Polling works, so the server is there and a proxy in front of it drops the "
                     "upgrade to WebSocket. Until its settings are mended: transports = "
                     "{\"polling\"} (--transport polling).");
    doctor_proxy_lines(d, d->answer);
    doctor_fail(d, EXIT_NO_CONNECTION, "%.*s: %s; polling works (HTTP 200)",
                LN_FMT(ln_buf_get(&said)),
                d->answer->has_upgrade ? "an Upgrade header came back, but no 101"
                                       : "no Upgrade header came back");
    ln_buf_free(&said);
}

static void on_polled(void *ud, const struct http_answer *a, enum stream_phase phase,
                      const struct ln_err *err) {
    struct doctor *d = ud;
    (void)phase;
    if (!a) {
        doctor_fail(d, EXIT_NO_CONNECTION, "%s", err->text);
        return;
    }
    note_answer(d, a->head);
    say_answer(d);
    if (is_polling(a)) {
        ln_buf_add(&d->first, a->body, a->n);
        doctor_ok(d);
    } else {
        doctor_blame(d, d->answer, (struct ln_str){a->body, a->n});
    }
}

/* --- WebSocket --- */

static void on_answer(void *ud, const struct http_head *h) {
    struct doctor_link *k = ud;
    if (k->d) note_answer(k->d, h);
}

static void on_open(void *ud, struct ln_str protocol) {
    struct doctor_link *k = ud;
    struct doctor *d = k->d;
    if (!d) return;
    if (protocol.n) {
        ln_buf_fmt(&d->text, ", subprotocol ");
        ln_printable(&d->text, protocol, 60);
    }
    say_answer(d);
    doctor_ok(d);
}

/* A plain WebSocket's is followed, as a connection does it; who we are is shown to the server that
 * was asked for and to no other. */
static bool on_redirect(void *ud, const struct url *to, struct stream_opts *o) {
    struct doctor_link *k = ud;
    struct doctor *d = k->d;
    if (!d) return false;
    conn_where(d->o.conn, to, d->o.dial ? d->o.dial(d->o.dial_ud) : 0, o);
    if (!url_same_origin(&d->plan.url, to))
        o->tls_opts.cert = o->tls_opts.key = o->tls_opts.server_name = NULL;
    ln_buf_fmt(&d->note, "%sthe server sends elsewhere: %s://%s:%u", d->note.n ? "\n" : "",
               to->tls ? "wss" : "ws", to->host, to->port);
    return true;
}

static void on_message(void *ud, bool binary, char *p, size_t n) {
    struct doctor_link *k = ud;
    if (k->d) doctor_message(k->d, binary, (struct ln_str){p, n});
}

static void on_pong(void *ud, struct ln_str data) {
    struct doctor_link *k = ud;
    (void)data;
    if (k->d) doctor_pong(k->d);
}

/* --- no answer at all --- */

static void advise_tls(struct doctor *d) {
    doctor_advise(d, "The server speaks TLS on port %d: use wss:// or https:// instead of %s://.",
                  d->plan.url.port, d->plan.url.scheme);
}

static void fail_lost(struct doctor *d) {
    if (d->advice.n == 0)
        doctor_advise(d, "The server takes the connection and closes it before it answers. Is it "
                         "the right port, and does the server's log say why?");
    doctor_fail(d, EXIT_NO_CONNECTION, "%s", d->lost.text);
}

static void on_tls_tried(struct doctor *d, bool works) {
    if (works) advise_tls(d);
    fail_lost(d);
}

/* What a Socket.IO server does with an upgrade on a path that is not its own: nothing, then it
 * hangs up (engine.io's destroyUpgrade). A GET of the same path gets a real answer. */
static void on_polled_after_loss(void *ud, const struct http_answer *a, enum stream_phase phase,
                                 const struct ln_err *err) {
    struct doctor *d = ud;
    (void)phase, (void)err;
    if (is_polling(a)) {
        note_answer(d, a->head);
        doctor_advise(d, "Polling works, but the line is closed at the upgrade to WebSocket, by "
                         "the server or a proxy in front of it. Until that is mended: transports = "
                         "{\"polling\"} (--transport polling).");
        doctor_proxy_lines(d, d->answer);
        fail_lost(d);
    } else if (a) {
        note_answer(d, a->head);
        doctor_blame(d, d->answer, (struct ln_str){a->body, a->n});
    } else {
        doctor_try_tls(d, on_tls_tried);
    }
}

static void no_answer(struct doctor *d, const struct ln_err *err) {
    d->lost = *err;
    bool is_plain = !d->plan.url.tls, is_clear = strstr(err->text, "the server speaks TLS") != NULL;
    if (err->code == LN_TIMEOUT) {
        doctor_advise(d, "The server takes the connection and says nothing. Is it the right port, "
                         "and is the server (or the one behind its proxy) hanging?");
        fail_lost(d);
    } else if (is_clear) {
        on_tls_tried(d, true);
    } else if (err->code != LN_DISCONNECTED) {
        doctor_advise(d, "What answers there is no WebSocket server: %s. Is it the right port?",
                      err->text);
        fail_lost(d);
    } else if (d->proto == DOCTOR_SOCKETIO) {
        poll(d, on_polled_after_loss);
    } else if (is_plain) {
        doctor_try_tls(d, on_tls_tried);
    } else {
        fail_lost(d);
    }
}

/* --- refused --- */

static bool may_poll(const struct doctor *d) {
    int status = d->answer->status;
    bool is_clear = status == 401 || status == 403 || status == 429 ||
                    (status > 300 && status < 400) || (status > 501 && status < 505);
    return d->proto == DOCTOR_SOCKETIO && !is_clear;
}

static void refused(struct doctor *d, const struct ln_err *err) {
    struct ln_str said = ln_str(err->text);
    const char *colon = strstr(err->text, ": ");
    if (colon) colon = strstr(colon + 2, ": "); /* "upgrade: HTTP 400 Bad Request: {…" */
    if (colon) ln_buf_puts(&d->first, colon + 2);
    say_answer(d);
    if (d->answer->status == 101)
        doctor_fail(d, EXIT_NO_CONNECTION, "%.*s", LN_FMT(said));
    else if (may_poll(d))
        poll(d, on_polled_instead);
    else
        doctor_blame(d, d->answer, ln_buf_get(&d->first));
}

void doctor_blame_loss(struct doctor *d) {
    /* What many servers answer a bad token with: 401 and 403, as HTTP does. */
    bool is_refusal = d->lost_code == 4401 || d->lost_code == 4403;
    struct ln_buf words = {0};
    doctor_advise(d, "The server let us in and then closed the line: %s. ", d->lost.text);
    if (is_refusal && doctor_token_words(d, &words)) ln_buf_str(&d->advice, ln_buf_get(&words));
    ln_buf_free(&words);
    doctor_fail(d, is_refusal ? EXIT_REFUSED : EXIT_NO_CONNECTION, "%s", d->lost.text);
}

static void lost(struct doctor *d, int code, const struct ln_err *err) {
    d->lost_code = code;
    if (err)
        d->lost = *err;
    else
        ln_fail(&d->lost, LN_DISCONNECTED, "closed by the server (%d)", code);
    if (doctor_is_at(d, "handshake") || doctor_is_at(d, "round trip")) doctor_blame_loss(d);
}

static void on_closed(void *ud, enum stream_phase phase, int status, int code, struct ln_str reason,
                      const struct ln_err *err) {
    struct doctor_link *k = ud;
    struct doctor *d = k->d;
    (void)phase, (void)reason;
    ln_free(k);
    if (!d) return;
    d->ws = NULL;
    d->link = NULL;
    if (d->is_parting)
        doctor_end(d);
    else if (doctor_is_at(d, "upgrade") && status && d->answer)
        refused(d, err);
    else if (doctor_is_at(d, "upgrade") && err)
        no_answer(d, err);
    else
        lost(d, code, err);
}

void doctor_drop_line(struct doctor *d) {
    http_free(d->http);
    d->http = NULL;
    if (!d->link) return;
    d->link->d = NULL;
    ws_abort(d->ws);
    d->link = NULL;
    d->ws = NULL;
}

void doctor_upgrade(struct doctor *d) {
    static const struct ws_cbs cbs = {.open = on_open,
                                      .message = on_message,
                                      .pong = on_pong,
                                      .closed = on_closed,
                                      .answer = on_answer};
    if (d->polls) {
        struct ln_buf target = {0};
        doctor_polling_target(d, &target);
        say_target(d, ln_buf_get(&target));
        ln_buf_free(&target);
        poll(d, on_polled);
        return;
    }
    say_target(d, ln_buf_get(&d->plan.target));
    struct ws_opts w = {.host_header = d->plan.host.p,
                        .target = d->plan.target.p,
                        .protocols = d->o.conn->subprotocols,
                        .headers = d->plan.headers,
                        .header_count = d->plan.header_count,
                        .max_message = d->o.conn->max_message,
                        .deflate = d->o.conn->compress,
                        .follow = d->proto == DOCTOR_RAW ? on_redirect : NULL};
    doctor_where(d, &w.stream);
    struct doctor_link *k = d->link = ln_new(struct doctor_link);
    k->d = d;
    k->ws = d->ws = ws_open(d->loop, &w, &cbs, k);
}
