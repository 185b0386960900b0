/* SPDX-License-Identifier: MIT
 *
 * A WebSocket client line on a stream; wire/websocket has the rules, here are the moments:
 * messages, pongs, the two ways to close, and what an error text says. Every end is the end of the
 * stream: whoever ends a line notes why in w->end and closes the stream, and on_closed tells.
 */
#include "io/ws.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/ws_inside.h"

enum {
    MAX_MESSAGE = 16 * 1024 * 1024,
    CLOSE_TIMEOUT_MS = 2000,
    DRAIN_TIMEOUT_MS = 30000, /* for a peer to take what is queued before our close frame */
    TEXT_SHOWN = 200,
    PONG_LIMIT = 64 * 1024 /* bytes queued; a peer that reads nothing gets no pongs either */
};

/* --- compression --- */

struct zips { /* of one loop */
    struct ws_zip *zip;
};
static const char zips_key;

static void release_zips(void *data) {
    ws_zip_free(((struct zips *)data)->zip);
}

static void begin_deflate(struct ws *w, const struct ws_deflate *d) {
    struct zips *all = loop_shared(w->loop, &zips_key, sizeof *all, release_zips);
    if (!all->zip) all->zip = ws_zip_new();
    w->zip = all->zip;
    w->deflate_bits = d->bits;
    ws_parser_deflate(&w->parser, all->zip, d);
}

/* --- ends --- */

struct ws_end *ws_end_of(struct ws *w) {
    if (!w->end) w->end = ln_new(struct ws_end);
    return w->end;
}

static void finish(struct ws *w, enum stream_phase phase) {
    struct ws_end *e = ws_end_of(w);
    struct ln_err *err = e->has_err && !w->by_us ? &e->err : NULL;
    struct ln_str reason = {e->reason, e->n};
    int code = !w->was_open ? 0 : e->code ? e->code : WS_ABNORMAL;
    loop_timer_cancel(w->loop, w->timer);
    ws_upgrade_free(w);
    ws_parser_free(&w->parser);
    w->state = WS_DONE;
    w->cbs->closed(w->ud, phase, e->status, code, reason, err);
    ln_free(e);
    ln_free(w);
}

void ws_note(struct ws *w, ln_status code, const char *text) {
    struct ws_end *e = ws_end_of(w);
    if (e->has_err) return;
    e->has_err = true;
    ln_fail(&e->err, code, "%s", text);
}

void ws_fail(struct ws *w, ln_status code, const char *text) {
    ws_note(w, code, text);
    w->state = WS_DONE;
    stream_close(w->stream);
}

static void on_close_timeout(void *ud) {
    struct ws *w = ud;
    w->state = WS_DONE;
    stream_close(w->stream);
}

static void await_close(struct ws *w, int64_t ms) {
    loop_timer_cancel(w->loop, w->timer);
    w->timer = loop_timer(w->loop, ms, on_close_timeout, w);
}

/* Our close frame is queued. The peer has the timeout to answer it from when it has gone
 * (on_drained): before, it cannot have seen it. */
static void begin_closing(struct ws *w) {
    w->state = WS_CLOSING;
    stream_send(w->stream);
    await_close(w, LN_MAX((int64_t)w->close_timeout_ms, DRAIN_TIMEOUT_MS));
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

void ws_show(struct ln_buf *out, struct ln_str said) {
    struct ln_buf text = {0};
    ln_log_redact(&text, said);
    ln_printable(out, ln_buf_get(&text), TEXT_SHOWN);
    ln_buf_free(&text);
}

static void on_peer_close(struct ws *w, int code, struct ln_str reason) {
    struct ws_end *e = ws_end_of(w);
    e->code = code;
    e->n = LN_MIN(reason.n, sizeof e->reason);
    memcpy(e->reason, reason.p, e->n);
    if (code != WS_NORMAL && code != WS_NO_STATUS) {
        struct ln_buf text = {0};
        ln_buf_fmt(&text, "closed by the server: %d%s", code, code_words(code));
        if (reason.n > 0) ln_buf_puts(&text, ": ");
        ws_show(&text, reason);
        ws_note(w, LN_DISCONNECTED, ln_buf_cstr(&text));
        ln_buf_free(&text);
    }
    /* RFC 6455 5.5.1: the answer repeats the code. */
    if (w->state == WS_OPEN) ws_write_close(stream_out(w->stream), true, code, (struct ln_str){0});
    w->state = WS_DONE;
    stream_close(w->stream);
}

static void on_control(struct ws *w, const struct ws_event *ev) {
    if (ev->op == WS_CLOSE) {
        on_peer_close(w, ev->code, ev->data);
    } else if (ev->op == WS_PING) {
        if (w->state == WS_OPEN && stream_queued(w->stream) < PONG_LIMIT)
            ws_send(w, WS_PONG, &ev->data, 1);
    } else if (w->state == WS_OPEN && w->cbs->pong) {
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
    bool was_closing = w->state == WS_CLOSING;
    ws_note(w, ev->code == WS_TOO_BIG ? LN_FULL : LN_PROTOCOL, text);
    if (was_closing) {
        w->state = WS_DONE;
        stream_close(w->stream);
        return;
    }
    ws_write_close(stream_out(w->stream), true, ev->code, ln_str(ev->error));
    begin_closing(w);
}

static void feed(struct ws *w, char *p, size_t n) {
    while (n > 0 && (w->state == WS_OPEN || w->state == WS_CLOSING)) {
        struct ws_event ev;
        size_t used;
        enum ws_result r = ws_parse(&w->parser, p, n, &used, &ev);
        if (r == WS_MORE) break;
        if (r == WS_MESSAGE) {
            if (w->state == WS_OPEN)
                w->cbs->message(w->ud, ev.op == WS_BINARY, (char *)ev.data.p, ev.data.n);
        } else if (r == WS_CONTROL) {
            on_control(w, &ev);
        } else {
            on_broken(w, &ev);
        }
        p += used;
        n -= used;
    }
    ws_parser_idle(&w->parser);
}

/* --- the stream's events --- */

void ws_opened(struct ws *w, struct ln_str protocol) {
    struct ln_buf rest = w->upgrade->text; /* the protocol lies in it */
    struct ws_deflate deflate = w->upgrade->deflate;
    size_t head = w->upgrade->head;
    w->upgrade->text = (struct ln_buf){0};
    ws_upgrade_free(w);
    loop_timer_cancel(w->loop, w->timer);
    if (deflate.on) begin_deflate(w, &deflate);
    w->state = WS_OPEN;
    w->was_open = true;
    w->cbs->open(w->ud, protocol);
    feed(w, rest.p + head, rest.n - head);
    ln_buf_free(&rest);
}

static void on_open(void *ud) {
    ws_upgrade_connected(ud);
}

static void on_data(void *ud, char *p, size_t n) {
    struct ws *w = ud;
    if (LN_LIKELY(w->state >= WS_OPEN))
        feed(w, p, n);
    else
        ws_upgrade_data(w, p, n);
}

static void on_drained(void *ud) {
    struct ws *w = ud;
    if (w->state == WS_CLOSING) await_close(w, w->close_timeout_ms);
    if (w->state == WS_OPEN && w->cbs->drained) w->cbs->drained(w->ud);
}

static void on_closed(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct ws *w = ud;
    char text[sizeof err->text + 96];
    if (w->state == WS_REDIRECTED) {
        ws_redirect_go(w);
        if (!w->stream) finish(w, PHASE_HTTP);
        return;
    }
    ws_upgrade_ended(w);
    if (err && phase == PHASE_OPEN && !w->was_open) {
        bool began = w->upgrade->text.n > 0, maybe_tls = !began && !w->upgrade->tls;
        snprintf(text, sizeof text, "upgrade: %s %s%s", err->text,
                 began ? "in the middle of the answer" : "before it answered",
                 maybe_tls ? " (if it speaks TLS on this port: wss:// or https://)" : "");
        ws_note(w, err->code, text);
    } else if (err && phase == PHASE_OPEN) {
        snprintf(text, sizeof text, "%s without a close frame", err->text);
        ws_note(w, err->code, text);
    } else if (err) {
        ws_note(w, err->code, err->text);
    }
    finish(w, phase == PHASE_OPEN && !w->was_open ? PHASE_HTTP : phase);
}

const struct stream_cbs ws_stream_cbs = {on_open, on_data, on_closed, on_drained};

/* --- what a connection calls --- */

static void finish_invalid(void *ud) {
    finish(ud, PHASE_HTTP);
}

struct ws *ws_open(struct loop *l, const struct ws_opts *o, const struct ws_cbs *cbs, void *ud) {
    struct ws *w = ln_new(struct ws);
    struct stream_opts stream = o->stream;
    struct ln_err err;
    w->loop = l;
    w->cbs = cbs;
    w->ud = ud;
    w->close_timeout_ms = o->close_timeout_ms > 0 ? o->close_timeout_ms : CLOSE_TIMEOUT_MS;
    ws_parser_init(&w->parser, false, o->max_message ? o->max_message : MAX_MESSAGE);
    if (!ws_upgrade_new(w, o, &err)) {
        ws_note(w, err.code, err.text);
        w->state = WS_DONE;
        loop_defer(l, finish_invalid, w);
        return w;
    }
    stream.timeout_ms = ws_upgrade_left_ms(w);
    w->stream = stream_open(l, &stream, &ws_stream_cbs, w);
    return w;
}

void ws_send(struct ws *w, enum ws_op op, const struct ln_str *pieces, size_t count) {
    if (w->state != WS_OPEN) return;
    if (LN_UNLIKELY(w->zip) && op <= WS_BINARY) {
        struct ws_deflate d = {.on = true, .bits = w->deflate_bits};
        ws_write_deflated(stream_out(w->stream), true, op, pieces, count, w->zip, &d);
    } else {
        ws_write(stream_out(w->stream), true, true, op, pieces, count);
    }
    stream_send(w->stream);
}

size_t ws_queued(const struct ws *w) {
    return w->stream ? stream_queued(w->stream) : 0;
}

struct ln_str ws_peer(const struct ws *w) {
    return w->stream ? stream_peer(w->stream) : (struct ln_str){0};
}

bool ws_is_deflated(const struct ws *w) {
    return w->zip != NULL;
}

void ws_abort(struct ws *w) {
    w->by_us = true;
    w->state = WS_DONE;
    if (w->stream) stream_close(w->stream);
}

void ws_close(struct ws *w, int code, struct ln_str reason) {
    w->by_us = true;
    if (w->state == WS_CLOSING) return;
    if (w->state != WS_OPEN) {
        ws_abort(w);
        return;
    }
    ws_write_close(stream_out(w->stream), true, code, reason);
    begin_closing(w);
}
