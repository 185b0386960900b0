/* SPDX-License-Identifier: MIT
 *
 * See poll.h. A GET is out always, and the next one follows its answer; a POST is out while
 * something has to be sent. Everything but HTTP 200 ends the transport. What is told to the line
 * may end it: nothing here is freed before the end of the turn.
 */
#include "client/poll.h"

#include <stdio.h>

#include "base/crypt.h"
#include "base/text.h"
#include "client/cookies.h"
#include "client/upgrade.h"
#include "io/http.h"
#include "wire/engineio.h"
#include "wire/http.h"

#define GET_ERROR "xhr poll error"
#define POST_ERROR "xhr post error"
#define TEXT_TYPE "text/plain;charset=UTF-8"

enum {
    CLOSE_TIMEOUT_MS = 5000, /* from our wish to end until nobody is listened to any more */
    POST_TIMEOUT_MS = 20000,
    BODY_PACKETS = 16,       /* python-engineio takes no more in one body */
    ANSWER_BYTES = 64 << 20, /* of a body with many packets; each has its own limit */
    BODY_SHOWN = 200
};

struct poll {
    struct line *line;
    const struct conn_opts *opts; /* held: the line may have lost its connections */
    struct conn_plan plan;
    struct http *get, *post;
    struct ln_buf out; /* packets that wait, as in a body */
    size_t in_post;    /* bytes of the POST that is out */
    char *sid;         /* percent-encoded; NULL: the open packet has not come */
    int64_t get_timeout_ms;
    ln_id timer; /* of closing */
    bool flush_due, paused, closing, ended;
    struct poll_end { /* why, when it was not our wish */
        bool has_err;
        enum stream_phase phase;
        int status;
        struct ln_err err;
    } * end;
};

static void on_get(void *ud, const struct http_answer *a, enum stream_phase phase,
                   const struct ln_err *err);
static void on_post(void *ud, const struct http_answer *a, enum stream_phase phase,
                    const struct ln_err *err);

/* --- ends --- */

/* Everything but the struct itself: a deferred flush may still look at it. */
static void clear(struct poll *p) {
    p->ended = true;
    loop_timer_cancel(p->line->clients->loop, p->timer);
    http_free(p->get);
    http_free(p->post);
    conn_plan_free(&p->plan);
    clients_release_opts(p->line->clients, p->opts);
    ln_buf_free(&p->out);
    ln_free(p->sid);
    ln_free(p->end);
}

static void tell_closed(void *ud) {
    struct poll *p = ud;
    struct line *ln = p->line;
    struct poll_end end = p->end ? *p->end : (struct poll_end){.phase = PHASE_HTTP};
    clear(p);
    ln_free(p);
    line_closed(ln, end.phase, end.status, 0, (struct ln_str){0}, end.has_err ? &end.err : NULL);
}

void poll_abort(struct poll *p) {
    if (p->ended) return;
    p->ended = true;
    http_abort(p->get);
    http_abort(p->post);
    loop_defer(p->line->clients->loop, tell_closed, p);
}

static void on_close_timeout(void *ud) {
    poll_abort(ud);
}

static void broken(struct poll *p, enum stream_phase phase, int status, ln_status code,
                   const char *text) {
    if (p->ended) return;
    struct poll_end *e = p->end = ln_new(struct poll_end);
    *e = (struct poll_end){.has_err = true, .phase = phase, .status = status};
    ln_fail(&e->err, code, "%s", text);
    poll_abort(p);
}

/* No answer came. What kept us from asking at all speaks for itself. */
static void failed(struct poll *p, const char *what, enum stream_phase phase,
                   const struct ln_err *err) {
    char text[sizeof err->text];
    snprintf(text, sizeof text, "%s: %.350s", what, err->text);
    broken(p, phase, 0, err->code, phase == PHASE_HTTP ? text : err->text);
}

/* The answer was no: the status, and what the server said to it. */
static void refused(struct poll *p, const char *what, const struct http_answer *a) {
    struct ln_buf text = {0}, said = {0};
    struct ln_str body = {a->body, a->n};
    ln_status code = a->status == 401   ? LN_UNAUTHORIZED
                     : a->status == 403 ? LN_FORBIDDEN
                                        : LN_REFUSED;
    ln_buf_fmt(&text, "%s: ", what);
    http_status_words(a->head, &text);
    const char *more = http_refusal_words(a->head, body, p->plan.url.tls);
    if (!more && memmem(body.p, body.n, "Session ID unknown", 18))
        more = "it was started anew, or there are several servers behind this address without "
               "sticky sessions";
    if (more) ln_buf_fmt(&text, " (%s)", more);
    if (body.n > 0 && !http_is_page(body)) {
        ln_log_redact(&said, (struct ln_str){body.p, LN_MIN(body.n, 1000)});
        ln_buf_puts(&text, ": ");
        ln_printable(&text, ln_buf_get(&said), BODY_SHOWN);
    }
    broken(p, PHASE_HTTP, a->status, code, ln_buf_cstr(&text));
    ln_buf_free(&text);
    ln_buf_free(&said);
}

/* --- requests --- */

static void where(void *ud, struct stream_opts *o) {
    struct poll *p = ud;
    line_stream(p->line, p->opts, &p->plan, o);
}

/* The plan's target is the upgrade's: the transport's name is its end. `t` keeps caches away. */
static void add_target(const struct poll *p, struct ln_buf *out) {
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    unsigned char random[8];
    ln_buf_add(out, p->plan.target.p, p->plan.target.n - strlen("websocket"));
    ln_buf_puts(out, "polling&t=");
    ln_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        ln_buf_putc(out, digits[random[i] % 36]);
    if (p->sid) ln_buf_fmt(out, "&sid=%s", p->sid);
}

static void send_request(struct poll *p, struct http *h, struct http_request *r, http_fn fn) {
    struct ln_buf target = {0};
    struct line_headers headers = {0};
    add_target(p, &target);
    line_request_headers(p->line, &p->plan, &headers);
    if (r->body.p) line_add_header(&headers, LN_STR("Content-Type"), LN_STR(TEXT_TYPE));
    r->host_header = p->plan.host.p;
    r->target = ln_buf_cstr(&target);
    r->headers = headers.v;
    r->header_count = headers.n;
    http_send(h, r, fn, p);
    line_headers_free(&headers);
    ln_buf_free(&target);
}

static void get(struct poll *p) {
    /* An answer that was lost has taken its packets along: asked again they would be missed. */
    struct http_request r = {
        .method = "GET", .timeout_ms = p->get_timeout_ms, .once = p->sid != NULL};
    send_request(p, p->get, &r, on_get);
}

/* As many packets as the server takes in one body; one at least. */
static size_t body_bytes(const struct poll *p) {
    size_t limit = p->line->max_payload, n = 0, pos = 0;
    struct ln_str packet;
    for (int i = 0; i < BODY_PACKETS && eio_payload_each(ln_buf_get(&p->out), &pos, &packet); i++) {
        if (i > 0 && limit > 0 && pos - 1 > limit) break;
        n = pos - 1; /* where the packet ends */
    }
    return n;
}

static void flush(void *ud) {
    struct poll *p = ud;
    p->flush_due = false;
    if (p->ended || p->in_post || !p->sid || p->paused || p->out.n == 0) return;
    p->in_post = body_bytes(p);
    struct http_request r = {
        .method = "POST", .timeout_ms = POST_TIMEOUT_MS, .body = {p->out.p, p->in_post}};
    send_request(p, p->post, &r, on_post);
    ln_buf_consume(&p->out, LN_MIN(p->in_post + 1, p->out.n)); /* the separator, too */
    if (p->out.n == 0) ln_buf_free(&p->out);
}

/* --- answers --- */

static void take_cookies(struct poll *p, const struct http_answer *a) {
    struct cookie_place at = line_cookie_place(&p->plan);
    cookies_take(&p->line->cookies, a->head, &at);
}

/* Neither request is out: what waited for that goes on. */
static void check_quiet(struct poll *p) {
    if (p->ended || http_busy(p->get) || p->in_post) return;
    if (p->paused && p->line->upgrade) upgrade_pause_over(p->line->upgrade);
}

/* The first packet of the first answer. False: it is no handshake. What is wrong with one is the
 * protocol's to say. */
static bool take_open(struct poll *p, struct ln_str body, bool *can_upgrade) {
    struct ln_str packet, data;
    struct eio_open o;
    size_t pos = 0;
    struct ln_buf plain = {0}, sid = {0};
    if (!eio_payload_each(body, &pos, &packet) || eio_parse(packet, &data) != EIO_OPEN)
        return false;
    if (!eio_open_parse(data, &o, NULL)) return true;
    if (ln_json_unescape(o.sid, &plain)) {
        ln_percent_encode(&sid, ln_buf_get(&plain));
        p->sid = ln_buf_take(&sid, NULL);
    }
    ln_buf_free(&plain);
    p->get_timeout_ms = o.ping_interval_ms + o.ping_timeout_ms;
    *can_upgrade = o.upgrade_websocket;
    return p->sid != NULL;
}

static void no_handshake(struct poll *p, struct ln_str body) {
    const char *why = GET_ERROR ": the server's answer is no Engine.IO handshake";
    if (http_is_page(body))
        why = GET_ERROR ": the server answered with a page, not with Engine.IO: another server, or "
                        "a proxy's login page";
    broken(p, PHASE_HTTP, 0, LN_PROTOCOL, why);
}

static void deliver(struct poll *p, struct ln_str body) {
    struct line *ln = p->line;
    struct ln_str packet;
    size_t pos = 0, most = p->opts->max_message / 3 * 4 + 8; /* as base64 */
    while (!p->ended && !ln->is_lost && eio_payload_each(body, &pos, &packet)) {
        if (packet.n == 0)
            line_fail(ln, "parse error", LN_PROTOCOL,
                      "a polling answer is empty, or has an empty packet");
        else if (packet.n > most)
            line_fail(ln, "transport error", LN_FULL,
                      "the server sent a message of %zu bytes (max_message)", packet.n);
        else
            line_message(ln, false, (char *)(uintptr_t)packet.p, packet.n);
    }
}

static void on_get(void *ud, const struct http_answer *a, enum stream_phase phase,
                   const struct ln_err *err) {
    struct poll *p = ud;
    bool can_upgrade = false, is_first = !p->sid;
    if (!a) {
        failed(p, GET_ERROR, phase, err);
        return;
    }
    struct ln_str body = {a->body, a->n};
    take_cookies(p, a);
    if (a->status != 200) {
        refused(p, GET_ERROR, a);
        return;
    }
    if (is_first && !take_open(p, body, &can_upgrade)) {
        no_handshake(p, body);
        return;
    }
    deliver(p, body);
    if (p->ended) return;
    if (p->closing) {
        flush(p);
    } else if (p->paused) {
        check_quiet(p);
    } else {
        get(p);
        if (can_upgrade && line_may_upgrade(p->line)) upgrade_begin(p->line);
        flush(p);
    }
}

static void on_post(void *ud, const struct http_answer *a, enum stream_phase phase,
                    const struct ln_err *err) {
    struct poll *p = ud;
    p->in_post = 0;
    if (a) take_cookies(p, a);
    if (!a) {
        failed(p, POST_ERROR, phase, err);
    } else if (a->status != 200) {
        refused(p, POST_ERROR, a);
    } else if (p->closing && p->out.n == 0) {
        poll_abort(p); /* all of it has been heard */
    } else {
        flush(p);
        check_quiet(p);
    }
}

/* --- what a line calls --- */

struct poll *poll_open(struct line *ln) {
    struct poll *p = ln_new(struct poll);
    struct http_opts h = {.where = where, .ud = p, .max_bytes = ANSWER_BYTES};
    p->line = ln;
    p->opts = line_opts(ln);
    clients_hold_opts(p->opts);
    line_plan(ln, &p->plan);
    p->get = http_new(ln->clients->loop, &h);
    p->post = http_new(ln->clients->loop, &h);
    p->get_timeout_ms = line_left_ms(ln, p->opts);
    get(p);
    return p;
}

void poll_send(struct poll *p, bool binary, const struct ln_str *pieces, size_t count) {
    if (p->ended || p->closing) return;
    eio_payload_add(&p->out, binary, pieces, count);
    if (p->flush_due) return;
    p->flush_due = true;
    loop_defer(p->line->clients->loop, flush, p);
}

size_t poll_queued(const struct poll *p) {
    return p->out.n + p->in_post;
}

bool poll_is_posting(const struct poll *p) {
    return p->in_post > 0;
}

void poll_close(struct poll *p) {
    struct ln_str bye = LN_STR("1");
    if (p->ended || p->closing) return;
    poll_send(p, false, &bye, 1);
    p->closing = true;
    p->timer = loop_timer(p->line->clients->loop, CLOSE_TIMEOUT_MS, on_close_timeout, p);
}

/* --- the upgrade --- */

struct ln_str poll_sid(const struct poll *p) {
    return ln_str(p->sid);
}

void poll_pause(struct poll *p) {
    p->paused = true;
    check_quiet(p);
}

void poll_resume(struct poll *p) {
    if (p->ended || !p->paused) return;
    p->paused = false;
    if (!http_busy(p->get)) get(p);
    flush(p);
}

void poll_hand_over(struct poll *p, struct ws *w) {
    struct ln_str packet, data;
    size_t pos = 0;
    struct ln_buf bytes = {0};
    while (p->out.n > 0 && eio_payload_each(ln_buf_get(&p->out), &pos, &packet)) {
        ln_buf_clear(&bytes);
        if (eio_parse(packet, &data) == EIO_BINARY && ln_base64_decode(&bytes, data)) {
            struct ln_str binary = ln_buf_get(&bytes);
            ws_send(w, WS_BINARY, &binary, 1);
        } else {
            ws_send(w, WS_TEXT, &packet, 1);
        }
    }
    ln_buf_free(&bytes);
    struct loop *l = p->line->clients->loop;
    clear(p);
    loop_defer(l, ln_free, p);
}
