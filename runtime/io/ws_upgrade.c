/* SPDX-License-Identifier: MIT
 *
 * A WebSocket line's way to open: the request, the answer, and what a refusal says. The answer may
 * come from anybody: a proxy, a captive portal, another protocol; each has its own words.
 */
#include <stdio.h>

#include "base/mem.h"
#include "io/dial.h"
#include "io/ws_inside.h"
#include "wire/http.h"

enum {
    UPGRADE_TIMEOUT_MS = 20000,
    BODY_WAIT_MS = 1000, /* for the body of a refusal */
    BODY_READ = 1000,    /* so that a secret is found that the end of what is shown would cut */
    MAX_HEAD = 16 * 1024,
    MAX_INTERIM = 16 /* answers before the final one */
};

void ws_upgrade_free(struct ws *w) {
    struct ws_upgrade *u = w->upgrade;
    if (!u) return;
    ln_buf_free(&u->text);
    ln_free(u->protocols);
    ws_trip_free(u->trip);
    ln_free(u);
    w->upgrade = NULL;
}

/* --- the request --- */

bool ws_upgrade_write(struct ws *w, const char *host, const char *target,
                      const struct http_header *headers, size_t count, struct ln_err *err) {
    struct ws_upgrade *u = w->upgrade;
    ln_buf_clear(&u->text);
    u->interims = 0;
    ws_make_key(u->key);
    return ws_write_request(&u->text, host, target, u->key, u->protocols,
                            u->offers_deflate ? WS_DEFLATE_OFFER : NULL, headers, count, err);
}

bool ws_upgrade_new(struct ws *w, const struct ws_opts *o, struct ln_err *err) {
    struct ws_upgrade *u = w->upgrade = ln_new(struct ws_upgrade);
    int64_t timeout = o->stream.timeout_ms > 0 ? o->stream.timeout_ms : UPGRADE_TIMEOUT_MS;
    u->protocols = o->protocols ? ln_strdup(o->protocols) : NULL;
    u->tls = o->stream.tls;
    u->offers_deflate = o->deflate;
    u->deadline = loop_now_ms(w->loop) + (uint64_t)timeout;
    if (o->follow) u->trip = ws_trip_new(o);
    return ws_upgrade_write(w, o->host_header, o->target, o->headers, o->header_count, err);
}

int64_t ws_upgrade_left_ms(const struct ws *w) {
    uint64_t now = loop_now_ms(w->loop), deadline = w->upgrade->deadline;
    return deadline > now ? (int64_t)(deadline - now) : 0;
}

static void on_timeout(void *ud) {
    struct ws *w = ud;
    char took[64], text[600];
    dial_timed_out(took, sizeof took, loop_now_ms(w->loop) - w->upgrade->since);
    snprintf(text, sizeof text, "upgrade: %s %s (%.*s)", took,
             w->upgrade->text.n > 0 ? "in the middle of the answer" : "without an answer",
             LN_FMT(stream_peer(w->stream)));
    ws_fail(w, LN_TIMEOUT, text);
}

void ws_upgrade_connected(struct ws *w) {
    struct ws_upgrade *u = w->upgrade;
    u->since = loop_now_ms(w->loop);
    w->state = WS_UPGRADING;
    ln_buf_str(stream_out(w->stream), ln_buf_get(&u->text));
    stream_send(w->stream);
    ln_buf_free(&u->text);
    w->timer = loop_timer(w->loop, ws_upgrade_left_ms(w), on_timeout, w);
}

/* --- a refusal --- */

/* Collects the body of a refusal; true when no more of it is wanted or comes. */
static bool body_of(struct ws *w, const struct http_head *h, struct ln_buf *body) {
    struct ws_upgrade *u = w->upgrade;
    struct http_body b;
    struct ln_err err;
    size_t used;
    if (!http_body_begin(&b, h, false, &err)) return true;
    struct ln_str in = {u->text.p + u->head, u->text.n - u->head};
    return http_body_feed(&b, in, &used, body, BODY_READ) != BODY_MORE;
}

/* The answer was no: waits for the body's beginning, which often says why; `last`: it must do. */
static void refused(struct ws *w, bool last) {
    struct ws_upgrade *u = w->upgrade;
    struct http_head h;
    struct ln_err err;
    struct ln_buf body = {0};
    size_t used;
    http_parse_head(&h, true, ln_buf_get(&u->text), &used);
    ln_status code =
        ws_check_response(&h, u->key, u->protocols, u->offers_deflate ? &u->deflate : NULL, &err);
    bool whole = h.status == 101 || body_of(w, &h, &body);
    if (whole || last) {
        struct ln_buf text = {0};
        const char *more = http_refusal_words(&h, ln_buf_get(&body), u->tls);
        ws_end_of(w)->status = h.status;
        ln_buf_fmt(&text, "upgrade: %s", err.text);
        if (more) ln_buf_fmt(&text, " (%s)", more);
        if (body.n > 0 && !http_is_page(ln_buf_get(&body))) {
            ln_buf_puts(&text, ": ");
            ws_show(&text, ln_buf_get(&body));
        }
        ws_fail(w, code, ln_buf_cstr(&text));
        ln_buf_free(&text);
    }
    ln_buf_free(&body);
}

static void on_body_timeout(void *ud) {
    refused(ud, true);
}

void ws_upgrade_ended(struct ws *w) {
    if (w->state == WS_REFUSED) refused(w, true);
}

/* --- the answer --- */

static void bad_answer(struct ws *w, enum http_parse parsed) {
    unsigned char first = (unsigned char)w->upgrade->text.p[0];
    enum { TLS_ALERT = 0x15, TLS_HANDSHAKE = 0x16 };
    if (parsed == HTTP_TOO_BIG)
        ws_fail(w, LN_PROTOCOL,
                "upgrade: the head of the server's answer is over 16 KiB or 64 lines");
    else if (first == TLS_ALERT || first == TLS_HANDSHAKE)
        ws_fail(w, LN_REFUSED,
                "upgrade: the server speaks TLS on this port: use wss:// or https://");
    else
        ws_fail(w, LN_PROTOCOL, "upgrade: the server's answer is not HTTP");
}

/* Parses the head of the final answer; interim ones (103 Early Hints, say: RFC 9110 15.2) are taken
 * off before it. */
static enum http_parse final_head(struct ws_upgrade *u, struct http_head *h) {
    for (;;) {
        enum http_parse parsed = http_parse_head(h, true, ln_buf_get(&u->text), &u->head);
        bool is_interim = parsed == HTTP_OK && h->status < 200 && h->status != 101;
        if (!is_interim || ++u->interims > MAX_INTERIM) return parsed;
        ln_buf_consume(&u->text, u->head);
    }
}

static void final_answer(struct ws *w, const struct http_head *h) {
    struct ws_upgrade *u = w->upgrade;
    struct ln_err err;
    if (ws_redirect(w, h)) return;
    if (w->cbs->answer) w->cbs->answer(w->ud, h);
    struct ws_deflate *deflate = u->offers_deflate ? &u->deflate : NULL;
    if (ws_check_response(h, u->key, u->protocols, deflate, &err) == LN_OK) {
        ws_opened(w, http_header_get(h, "Sec-WebSocket-Protocol"));
        return;
    }
    w->state = WS_REFUSED;
    loop_timer_cancel(w->loop, w->timer);
    w->timer = loop_timer(w->loop, BODY_WAIT_MS, on_body_timeout, w);
    refused(w, false);
}

static void on_answer(struct ws *w, const char *p, size_t n) {
    struct ws_upgrade *u = w->upgrade;
    struct http_head h;
    bool line = memchr(p, '\n', n) || u->text.n < 16 || u->text.n + n > MAX_HEAD;
    ln_buf_add(&u->text, p, n);
    if (!line) return; /* a head that comes byte by byte is not parsed at each of them */
    if (ln_fault("ws.upgrade")) {
        ws_fail(w, LN_PROTOCOL, "upgrade: injected fault");
        return;
    }
    enum http_parse parsed = final_head(u, &h);
    if (parsed == HTTP_MORE) return;
    if (parsed != HTTP_OK)
        bad_answer(w, parsed);
    else if (u->interims > MAX_INTERIM)
        ws_fail(w, LN_PROTOCOL, "upgrade: the server sent more than 16 interim answers (HTTP 1xx)");
    else
        final_answer(w, &h);
}

void ws_upgrade_data(struct ws *w, const char *p, size_t n) {
    if (w->state == WS_UPGRADING) {
        on_answer(w, p, n);
    } else {
        if (w->upgrade->text.n < 2 * MAX_HEAD) ln_buf_add(&w->upgrade->text, p, n);
        refused(w, false);
    }
}
