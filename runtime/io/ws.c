/* SPDX-License-Identifier: MIT
 *
 * A WebSocket client line on a stream; wire/websocket has the rules, here are the moments: upgrade,
 * messages, pongs, the two ways to close, and what an error text says. Every end is the end of the
 * stream: whoever ends a line notes why in w->end and closes the stream, and on_closed tells.
 */
#include "io/ws.h"

#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/dial.h"

enum {
    MAX_MESSAGE = 16 * 1024 * 1024,
    CLOSE_TIMEOUT_MS = 2000,
    DRAIN_TIMEOUT_MS = 30000, /* for a peer to take what is queued before our close frame */
    UPGRADE_TIMEOUT_MS = 20000,
    BODY_WAIT_MS = 1000, /* for the body of a refusal */
    BODY_SHOWN = 200,
    BODY_READ = 1000,       /* so that a secret is found that the end of what is shown would cut */
    PONG_LIMIT = 64 * 1024, /* bytes queued; a peer that reads nothing gets no pongs either */
    MAX_HEAD = 16 * 1024,
    MAX_INTERIM = 16 /* answers before the final one */
};

enum state { CONNECTING, UPGRADING, REFUSED, OPEN, CLOSING, DONE };

struct upgrade { /* only until the line is open */
    char key[WS_KEY_LEN + 1];
    char *protocols;
    struct ln_buf text; /* the request, then the answer */
    size_t head;        /* bytes of the answer's head */
    int interims;       /* answers that were not the final one */
    bool tls;
    uint64_t deadline, since;
};

struct end {
    int code, status;
    bool has_err;
    struct ln_err err;
    size_t n;
    char reason[125];
};

struct ws {
    struct loop *loop;
    struct stream *stream;
    const struct ws_cbs *cbs;
    void *ud;
    struct ws_parser parser;
    struct upgrade *upgrade;
    struct end *end;
    ln_id timer;
    int64_t close_timeout_ms;
    uint8_t state;
    bool was_open, by_us;
};

/* --- ends --- */

static struct end *end_of(struct ws *w) {
    if (!w->end) w->end = ln_new(struct end);
    return w->end;
}

static void upgrade_free(struct ws *w) {
    if (!w->upgrade) return;
    ln_buf_free(&w->upgrade->text);
    ln_free(w->upgrade->protocols);
    ln_free(w->upgrade);
    w->upgrade = NULL;
}

static void finish(struct ws *w, enum stream_phase phase) {
    struct end *e = end_of(w);
    struct ln_err *err = e->has_err && !w->by_us ? &e->err : NULL;
    struct ln_str reason = {e->reason, e->n};
    int code = !w->was_open ? 0 : e->code ? e->code : WS_ABNORMAL;
    loop_timer_cancel(w->loop, w->timer);
    upgrade_free(w);
    ws_parser_free(&w->parser);
    w->state = DONE;
    w->cbs->closed(w->ud, phase, e->status, code, reason, err);
    ln_free(e);
    ln_free(w);
}

/* Notes the first reason only: what follows from it is no news. */
static void note(struct ws *w, ln_status code, const char *text) {
    struct end *e = end_of(w);
    if (e->has_err) return;
    e->has_err = true;
    ln_fail(&e->err, code, "%s", text);
}

static void fail(struct ws *w, ln_status code, const char *text) {
    note(w, code, text);
    w->state = DONE;
    stream_close(w->stream);
}

static void on_close_timeout(void *ud) {
    struct ws *w = ud;
    w->state = DONE;
    stream_close(w->stream);
}

static void await_close(struct ws *w, int64_t ms) {
    loop_timer_cancel(w->loop, w->timer);
    w->timer = loop_timer(w->loop, ms, on_close_timeout, w);
}

/* Our close frame is queued. The peer has the timeout to answer it from when it has gone
 * (on_drained): before, it cannot have seen it. */
static void begin_closing(struct ws *w) {
    w->state = CLOSING;
    stream_send(w->stream);
    await_close(w, LN_MAX(w->close_timeout_ms, DRAIN_TIMEOUT_MS));
}

/* --- frames --- */

static const char *code_words(int code) {
    static const struct {
        int code;
        const char *words;
    } table[] = {{WS_GOING_AWAY, " going away"},        {WS_PROTOCOL_ERROR, " protocol error"},
                 {WS_UNSUPPORTED, " unsupported data"}, {WS_BAD_DATA, " bad data"},
                 {WS_POLICY, " policy violation"},      {WS_TOO_BIG, " message too big"},
                 {WS_INTERNAL, " internal error"},      {WS_RESTART, " service restart"},
                 {WS_TRY_LATER, " try again later"}};
    for (size_t i = 0; i < LN_COUNT(table); i++)
        if (table[i].code == code) return table[i].words;
    return "";
}

/* What the server said, without the secrets that it may have repeated. */
static void add_shown(struct ln_buf *out, struct ln_str said) {
    struct ln_buf text = {0};
    ln_log_redact(&text, said);
    ln_printable(out, ln_buf_get(&text), BODY_SHOWN);
    ln_buf_free(&text);
}

static void on_peer_close(struct ws *w, int code, struct ln_str reason) {
    struct end *e = end_of(w);
    e->code = code;
    e->n = LN_MIN(reason.n, sizeof e->reason);
    memcpy(e->reason, reason.p, e->n);
    if (code != WS_NORMAL && code != WS_NO_STATUS) {
        struct ln_buf text = {0};
        ln_buf_fmt(&text, "closed by the server: %d%s", code, code_words(code));
        if (reason.n > 0) ln_buf_puts(&text, ": ");
        add_shown(&text, reason);
        note(w, LN_DISCONNECTED, ln_buf_cstr(&text));
        ln_buf_free(&text);
    }
    /* RFC 6455 5.5.1: the answer repeats the code. */
    if (w->state == OPEN) ws_write_close(stream_out(w->stream), true, code, (struct ln_str){0});
    w->state = DONE;
    stream_close(w->stream);
}

static void on_control(struct ws *w, const struct ws_event *ev) {
    if (ev->op == WS_CLOSE) {
        on_peer_close(w, ev->code, ev->data);
    } else if (ev->op == WS_PING) {
        if (w->state == OPEN && stream_queued(w->stream) < PONG_LIMIT)
            ws_send(w, WS_PONG, &ev->data, 1);
    } else if (w->state == OPEN && w->cbs->pong) {
        w->cbs->pong(w->ud, ev->data);
    }
}

/* RFC 6455 7.1.7. What still comes is thrown away, so that our close frame is not lost with the
 * reset that unread bytes would cause. */
static void on_broken(struct ws *w, const struct ws_event *ev) {
    char text[256];
    if (ev->code == WS_TOO_BIG)
        snprintf(text, sizeof text, "the server sent %s: %zu bytes (max_message)", ev->error,
                 w->parser.max_message);
    else
        snprintf(text, sizeof text, "the server broke the protocol: %s", ev->error);
    bool was_closing = w->state == CLOSING;
    note(w, ev->code == WS_TOO_BIG ? LN_FULL : LN_PROTOCOL, text);
    if (was_closing) {
        w->state = DONE;
        stream_close(w->stream);
        return;
    }
    ws_write_close(stream_out(w->stream), true, ev->code, ln_str(ev->error));
    begin_closing(w);
}

static void feed(struct ws *w, char *p, size_t n) {
    while (n > 0 && (w->state == OPEN || w->state == CLOSING)) {
        struct ws_event ev;
        size_t used;
        enum ws_result r = ws_parse(&w->parser, p, n, &used, &ev);
        if (r == WS_MORE) break;
        if (r == WS_MESSAGE) {
            if (w->state == OPEN)
                w->cbs->message(w->ud, ev.op == WS_BINARY, (char *)ev.data.p, ev.data.n);
        } else if (r == WS_CONTROL) {
            on_control(w, &ev);
        } else {
            on_broken(w, &ev);
        }
        p += used;
        n -= used;
    }
    /* An idle line keeps no buffer. */
    if (w->parser.partial.cap > 0 && w->parser.partial.n == 0) ln_buf_free(&w->parser.partial);
    if (w->parser.message.cap > 0 && !w->parser.message_op) ln_buf_free(&w->parser.message);
}

/* --- upgrade --- */

/* A chunk's size in hexadecimal digits; false when there are none. Sizes that no text of ours shows
 * all count as one. */
static bool chunk_size(struct ln_str line, size_t *size) {
    size_t i = 0;
    for (*size = 0; i < line.n; i++) {
        char c = line.p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) break;
        *size = LN_MIN(*size * 16 + (size_t)digit, (size_t)MAX_MESSAGE);
    }
    return i > 0;
}

/* The body's first bytes out of the chunks that came (RFC 9112 7.1). False: more is to come. */
static bool dechunk(struct ln_str in, struct ln_buf *out) {
    while (out->n <= BODY_READ) {
        const char *feed_at = in.n ? memchr(in.p, '\n', in.n) : NULL;
        size_t size, head;
        if (!feed_at) return false;
        head = (size_t)(feed_at - in.p) + 1;
        if (!chunk_size((struct ln_str){in.p, head}, &size) || size == 0) return true;
        in = (struct ln_str){in.p + head, in.n - head};
        ln_buf_add(out, in.p, LN_MIN(in.n, size));
        if (in.n < size + 2) return out->n > BODY_READ;
        in = (struct ln_str){in.p + size + 2, in.n - size - 2};
    }
    return true;
}

/* Collects the body of a refusal; true when no more of it is wanted or comes. */
static bool body_of(struct ws *w, const struct http_head *h, struct ln_buf *body) {
    struct upgrade *u = w->upgrade;
    struct ln_str in = {u->text.p + u->head, u->text.n - u->head};
    struct ln_str length = http_header_get(h, "Content-Length");
    if (http_header_has_token(http_header_get(h, "Transfer-Encoding"), "chunked"))
        return dechunk(in, body);
    int64_t want = 0;
    bool has_length = length.p && ln_json_int(length, &want) && want >= 0; /* digits only */
    if (has_length && (uint64_t)want < in.n) in.n = (size_t)want;
    ln_buf_add(body, in.p, LN_MIN(in.n, BODY_READ + 1));
    return in.n > BODY_READ || (has_length && in.n == (size_t)want);
}

/* The answer was no: waits for the body's beginning, which often says why; `last`: it must do. */
static void refused(struct ws *w, bool last) {
    struct upgrade *u = w->upgrade;
    struct http_head h;
    struct ln_err err;
    struct ln_buf body = {0};
    size_t used;
    http_parse_head(&h, true, ln_buf_get(&u->text), &used);
    ln_status code = ws_check_response(&h, u->key, u->protocols, NULL, &err);
    bool whole = h.status == 101 || body_of(w, &h, &body);
    if (whole || last) {
        struct ln_buf text = {0};
        struct end *e = end_of(w);
        e->status = h.status;
        ln_buf_fmt(&text, "upgrade: %s", err.text);
        if (body.n > 0 && body.p[0] != '<') { /* a page is for browsers */
            ln_buf_puts(&text, ": ");
            add_shown(&text, ln_buf_get(&body));
        }
        fail(w, code, ln_buf_cstr(&text));
        ln_buf_free(&text);
    }
    ln_buf_free(&body);
}

static void on_body_timeout(void *ud) {
    refused(ud, true);
}

static void accepted(struct ws *w, const struct http_head *h) {
    struct ln_buf rest = w->upgrade->text; /* the head's slices point into it */
    struct ln_str protocol = http_header_get(h, "Sec-WebSocket-Protocol");
    size_t head = w->upgrade->head;
    w->upgrade->text = (struct ln_buf){0};
    upgrade_free(w);
    loop_timer_cancel(w->loop, w->timer);
    w->state = OPEN;
    w->was_open = true;
    w->cbs->open(w->ud, protocol);
    feed(w, rest.p + head, rest.n - head);
    ln_buf_free(&rest);
}

static void bad_answer(struct ws *w, enum http_parse parsed) {
    unsigned char first = (unsigned char)w->upgrade->text.p[0];
    enum { TLS_ALERT = 0x15, TLS_HANDSHAKE = 0x16 };
    if (parsed == HTTP_TOO_BIG)
        fail(w, LN_PROTOCOL, "upgrade: the head of the server's answer is over 16 KiB or 64 lines");
    else if (first == TLS_ALERT || first == TLS_HANDSHAKE)
        fail(w, LN_REFUSED, "upgrade: the server speaks TLS on this port: use wss:// or https://");
    else
        fail(w, LN_PROTOCOL, "upgrade: the server's answer is not HTTP");
}

/* Parses the head of the final answer; interim ones (103 Early Hints, say: RFC 9110 15.2) are taken
 * off before it. */
static enum http_parse final_head(struct upgrade *u, struct http_head *h) {
    for (;;) {
        enum http_parse parsed = http_parse_head(h, true, ln_buf_get(&u->text), &u->head);
        bool is_interim = parsed == HTTP_OK && h->status < 200 && h->status != 101;
        if (!is_interim || ++u->interims > MAX_INTERIM) return parsed;
        ln_buf_consume(&u->text, u->head);
    }
}

static void final_answer(struct ws *w, const struct http_head *h) {
    struct ln_err err;
    if (w->cbs->answer) w->cbs->answer(w->ud, h);
    if (ws_check_response(h, w->upgrade->key, w->upgrade->protocols, NULL, &err) == LN_OK) {
        accepted(w, h);
    } else {
        w->state = REFUSED;
        loop_timer_cancel(w->loop, w->timer);
        w->timer = loop_timer(w->loop, BODY_WAIT_MS, on_body_timeout, w);
        refused(w, false);
    }
}

static void on_answer(struct ws *w, const char *p, size_t n) {
    struct upgrade *u = w->upgrade;
    struct http_head h;
    bool line = memchr(p, '\n', n) || u->text.n < 16 || u->text.n + n > MAX_HEAD;
    ln_buf_add(&u->text, p, n);
    if (!line) return; /* a head that comes byte by byte is not parsed at each of them */
    if (ln_fault("ws.upgrade")) {
        fail(w, LN_PROTOCOL, "upgrade: injected fault");
        return;
    }
    enum http_parse parsed = final_head(u, &h);
    if (parsed == HTTP_MORE) return;
    if (parsed != HTTP_OK) {
        bad_answer(w, parsed);
    } else if (u->interims > MAX_INTERIM) {
        fail(w, LN_PROTOCOL, "upgrade: the server sent more than 16 interim answers (HTTP 1xx)");
    } else {
        final_answer(w, &h);
    }
}

static void on_upgrade_timeout(void *ud) {
    struct ws *w = ud;
    char took[64], text[128];
    dial_timed_out(took, sizeof took, loop_now_ms(w->loop) - w->upgrade->since);
    snprintf(text, sizeof text, "upgrade: %s without an answer (%.*s)", took,
             LN_FMT(stream_peer(w->stream)));
    fail(w, LN_TIMEOUT, text);
}

/* --- the stream's events --- */

static void on_open(void *ud) {
    struct ws *w = ud;
    struct upgrade *u = w->upgrade;
    u->since = loop_now_ms(w->loop);
    w->state = UPGRADING;
    ln_buf_str(stream_out(w->stream), ln_buf_get(&u->text));
    stream_send(w->stream);
    ln_buf_free(&u->text);
    w->timer = loop_timer(w->loop, u->deadline > u->since ? (int64_t)(u->deadline - u->since) : 0,
                          on_upgrade_timeout, w);
}

static void on_data(void *ud, char *p, size_t n) {
    struct ws *w = ud;
    if (w->state == UPGRADING) {
        on_answer(w, p, n);
    } else if (w->state == REFUSED) {
        if (w->upgrade->text.n < 2 * MAX_HEAD) ln_buf_add(&w->upgrade->text, p, n);
        refused(w, false);
    } else {
        feed(w, p, n);
    }
}

static void on_drained(void *ud) {
    struct ws *w = ud;
    if (w->state == CLOSING) await_close(w, w->close_timeout_ms);
    if (w->state == OPEN && w->cbs->drained) w->cbs->drained(w->ud);
}

static void on_closed(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct ws *w = ud;
    char text[sizeof err->text + 96];
    if (w->state == REFUSED) refused(w, true);
    if (err && phase == PHASE_OPEN && !w->was_open) {
        snprintf(text, sizeof text, "upgrade: %s before it answered%s", err->text,
                 w->upgrade->tls ? "" : " (if it speaks TLS on this port: wss:// or https://)");
        note(w, err->code, text);
    } else if (err && phase == PHASE_OPEN) {
        snprintf(text, sizeof text, "%s without a close frame", err->text);
        note(w, err->code, text);
    } else if (err) {
        note(w, err->code, err->text);
    }
    finish(w, phase == PHASE_OPEN && !w->was_open ? PHASE_HTTP : phase);
}

/* --- what a connection calls --- */

static void finish_invalid(void *ud) {
    finish(ud, PHASE_HTTP);
}

struct ws *ws_open(struct loop *l, const struct ws_opts *o, const struct ws_cbs *cbs, void *ud) {
    static const struct stream_cbs stream_cbs = {on_open, on_data, on_closed, on_drained};
    struct ws *w = ln_new(struct ws);
    struct upgrade *u = w->upgrade = ln_new(struct upgrade);
    struct stream_opts stream = o->stream;
    struct ln_err err;
    w->loop = l;
    w->cbs = cbs;
    w->ud = ud;
    w->close_timeout_ms = o->close_timeout_ms > 0 ? o->close_timeout_ms : CLOSE_TIMEOUT_MS;
    ws_parser_init(&w->parser, false, o->max_message ? o->max_message : MAX_MESSAGE);
    u->protocols = o->protocols ? ln_strdup(o->protocols) : NULL;
    u->tls = o->stream.tls;
    ws_make_key(u->key);
    if (!ws_write_request(&u->text, o->host_header, o->target, u->key, u->protocols, NULL,
                          o->headers, o->header_count, &err)) {
        note(w, err.code, err.text);
        w->state = DONE;
        loop_defer(l, finish_invalid, w);
        return w;
    }
    if (stream.timeout_ms <= 0) stream.timeout_ms = UPGRADE_TIMEOUT_MS;
    u->deadline = loop_now_ms(l) + (uint64_t)stream.timeout_ms;
    w->stream = stream_open(l, &stream, &stream_cbs, w);
    return w;
}

void ws_send(struct ws *w, enum ws_op op, const struct ln_str *pieces, size_t count) {
    if (w->state != OPEN) return;
    ws_write(stream_out(w->stream), true, true, op, pieces, count);
    stream_send(w->stream);
}

size_t ws_queued(const struct ws *w) {
    return w->stream ? stream_queued(w->stream) : 0;
}

struct ln_str ws_peer(const struct ws *w) {
    return w->stream ? stream_peer(w->stream) : (struct ln_str){0};
}

void ws_abort(struct ws *w) {
    w->by_us = true;
    w->state = DONE;
    if (w->stream) stream_close(w->stream);
}

void ws_close(struct ws *w, int code, struct ln_str reason) {
    w->by_us = true;
    if (w->state == CLOSING) return;
    if (w->state != OPEN) {
        ws_abort(w);
        return;
    }
    ws_write_close(stream_out(w->stream), true, code, reason);
    begin_closing(w);
}
