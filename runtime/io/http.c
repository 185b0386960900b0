/* SPDX-License-Identifier: MIT
 *
 * See http.h. wire/http and wire/http_head have the rules; here are the moments: connect, ask,
 * answer, keep. A connection is a `link`, which outlives what is said about it until its stream has
 * ended; a request is an `ask`, which may use two links when the first was kept and had gone stale.
 */
#include "io/http.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/dial.h"
#include "wire/http.h"

enum {
    TIMEOUT_MS = 20000,
    MAX_BYTES = 1024 * 1024,
    MAX_HEAD = 16 * 1024,
    MAX_INTERIM = 16, /* answers before the final one */
    /* Under the 5 s after which common servers end a connection that nobody uses: a request that
     * meets that end on its way cannot tell whether it was heard. */
    IDLE_MS = 4000
};

struct link {
    struct http *http; /* NULL: nobody asks any more */
    struct stream *stream;
    bool is_open, is_tls, is_kept; /* kept: carried an answer before */
};

struct ask {
    http_fn fn;
    void *ud;
    struct ln_buf text; /* the request, until nobody can want it again */
    struct ln_buf head, body;
    size_t head_n; /* bytes of the final answer's head; 0: not whole yet */
    struct http_body framing;
    int interims;
    bool is_head, may_repeat, has_bytes;
    uint64_t since, deadline;
    ln_status refused; /* the request itself is no good */
    char *why;
};

struct http {
    struct loop *loop;
    struct http_opts o;
    struct link *link;
    struct ask *ask;
    ln_id timer; /* of the ask, or of the kept connection */
};

static void on_stream_open(void *ud);
static void on_stream_data(void *ud, char *p, size_t n);
static void on_stream_closed(void *ud, enum stream_phase phase, const struct ln_err *err);

/* --- ends --- */

static void ask_free(struct ask *a) {
    if (!a) return;
    ln_buf_free(&a->text);
    ln_buf_free(&a->head);
    ln_buf_free(&a->body);
    ln_free(a->why);
    ln_free(a);
}

static void link_drop(struct http *h) {
    struct link *k = h->link;
    if (!k) return;
    h->link = NULL;
    k->http = NULL;
    stream_close(k->stream);
}

static struct ask *ask_take(struct http *h) {
    struct ask *a = h->ask;
    h->ask = NULL;
    loop_timer_cancel(h->loop, h->timer);
    return a;
}

/* The connection of a request that failed is worth nothing. */
static void fail(struct http *h, enum stream_phase phase, const struct ln_err *err) {
    struct ask *a = ask_take(h);
    link_drop(h);
    a->fn(a->ud, NULL, phase, err);
    ask_free(a);
}

static void fail_http(struct http *h, ln_status code, const char *text) {
    struct ln_err err;
    ln_fail(&err, code, "HTTP: %s", text);
    fail(h, PHASE_HTTP, &err);
}

static void on_idle(void *ud) {
    link_drop(ud);
}

/* The whole answer is here. */
static void finish(struct http *h, bool keep) {
    struct ask *a = ask_take(h);
    struct http_head head;
    size_t used;
    http_parse_head(&head, true, ln_buf_get(&a->head), &used);
    struct http_answer answer = {.status = head.status, .head = &head, .n = a->body.n};
    answer.body = (char *)(uintptr_t)ln_buf_cstr(&a->body);
    if (keep) {
        h->link->is_kept = true;
        h->timer = loop_timer(h->loop, IDLE_MS, on_idle, h);
    } else {
        link_drop(h);
    }
    a->fn(a->ud, &answer, PHASE_HTTP, NULL);
    ask_free(a);
}

/* --- the answer --- */

static void on_body(struct http *h, struct ln_str in) {
    struct ask *a = h->ask;
    struct http_head head;
    size_t used, head_used;
    char text[96];
    switch (http_body_feed(&a->framing, in, &used, &a->body, h->o.max_bytes)) {
    case BODY_DONE:
        http_parse_head(&head, true, ln_buf_get(&a->head), &head_used);
        finish(h, used == in.n && http_keeps_alive(&head, &a->framing));
        break;
    case BODY_BAD:
        fail_http(h, LN_PROTOCOL, "the answer's chunks are malformed (RFC 9112 7.1)");
        break;
    case BODY_TOO_BIG:
        snprintf(text, sizeof text, "the answer has more than %zu bytes", h->o.max_bytes);
        fail_http(h, LN_FULL, text);
        break;
    default:
        break;
    }
}

/* The head is whole; what came behind it is the body's. */
static void on_head(struct http *h, const struct http_head *head) {
    struct ask *a = h->ask;
    struct ln_err err;
    struct ln_str coding = http_header_get(head, "Content-Encoding");
    if (head->status == 101) {
        fail_http(h, LN_PROTOCOL, "the server changed the protocol (101) without being asked");
    } else if (coding.n > 0 && !http_header_has_token(coding, "identity")) {
        fail_http(h, LN_PROTOCOL, "the server compressed its answer without being asked");
    } else if (!http_body_begin(&a->framing, head, a->is_head, &err)) {
        fail_http(h, err.code, err.text);
    } else {
        struct ln_buf all = a->head; /* the answer's slices point into the head alone */
        a->head = (struct ln_buf){0};
        ln_buf_add(&a->head, all.p, a->head_n);
        on_body(h, (struct ln_str){all.p + a->head_n, all.n - a->head_n});
        ln_buf_free(&all);
    }
}

static void bad_head(struct http *h, enum http_parse parsed) {
    unsigned char first = (unsigned char)h->ask->head.p[0];
    enum { TLS_ALERT = 0x15, TLS_HANDSHAKE = 0x16 };
    if (parsed == HTTP_TOO_BIG)
        fail_http(h, LN_PROTOCOL, "the head of the server's answer is over 16 KiB or 64 lines");
    else if (first == TLS_ALERT || first == TLS_HANDSHAKE)
        fail_http(h, LN_REFUSED, "the server speaks TLS on this port: use wss:// or https://");
    else
        fail_http(h, LN_PROTOCOL, "the server's answer is not HTTP");
}

static void on_head_bytes(struct http *h, const char *p, size_t n) {
    struct ask *a = h->ask;
    struct http_head head;
    enum http_parse parsed;
    /* A head that comes byte by byte is not parsed at each of them. */
    bool line = memchr(p, '\n', n) || a->head.n < 16 || a->head.n + n > MAX_HEAD;
    ln_buf_add(&a->head, p, n);
    if (!line) return;
    for (;;) { /* interim answers (RFC 9110 15.2) come before the final one */
        parsed = http_parse_head(&head, true, ln_buf_get(&a->head), &a->head_n);
        if (parsed != HTTP_OK || head.status >= 200 || head.status == 101) break;
        ln_buf_consume(&a->head, a->head_n);
        if (++a->interims <= MAX_INTERIM) continue;
        fail_http(h, LN_PROTOCOL, "the server sent more than 16 interim answers (HTTP 1xx)");
        return;
    }
    if (parsed == HTTP_OK)
        on_head(h, &head);
    else if (parsed != HTTP_MORE)
        bad_head(h, parsed);
}

static void on_stream_data(void *ud, char *p, size_t n) {
    struct link *k = ud;
    struct http *h = k->http;
    if (!h) return;
    if (!h->ask) { /* nothing was asked for */
        loop_timer_cancel(h->loop, h->timer);
        link_drop(h);
        return;
    }
    h->ask->has_bytes = true;
    if (ln_fault("http.answer"))
        fail_http(h, LN_PROTOCOL, "injected fault");
    else if (h->ask->head_n)
        on_body(h, (struct ln_str){p, n});
    else
        on_head_bytes(h, p, n);
}

/* --- the connection --- */

static const struct stream_cbs stream_cbs = {on_stream_open, on_stream_data, on_stream_closed,
                                             NULL};

static int64_t left_ms(const struct http *h) {
    uint64_t now = loop_now_ms(h->loop);
    return h->ask->deadline > now ? (int64_t)(h->ask->deadline - now) : 1;
}

static void dial(struct http *h) {
    struct stream_opts o = {0};
    struct link *k = h->link = ln_new(struct link);
    int64_t left = left_ms(h);
    h->o.where(h->o.ud, &o);
    if (o.timeout_ms <= 0 || o.timeout_ms > left) o.timeout_ms = left;
    k->http = h;
    k->is_tls = o.tls;
    k->stream = stream_open(h->loop, &o, &stream_cbs, k);
}

static void on_timeout(void *ud) {
    struct http *h = ud;
    char took[64], text[160];
    dial_timed_out(took, sizeof took, loop_now_ms(h->loop) - h->ask->since);
    snprintf(text, sizeof text, "%s %s (%.*s)", took,
             h->ask->has_bytes ? "in the middle of the answer" : "without an answer",
             LN_FMT(stream_peer(h->link->stream)));
    fail_http(h, LN_TIMEOUT, text);
}

static void ask_now(struct http *h) {
    struct ask *a = h->ask;
    struct stream *s = h->link->stream;
    a->since = loop_now_ms(h->loop);
    ln_buf_str(stream_out(s), ln_buf_get(&a->text));
    stream_send(s);
    if (!h->link->is_kept) ln_buf_free(&a->text);
    h->timer = loop_timer(h->loop, left_ms(h), on_timeout, h);
}

static void on_stream_open(void *ud) {
    struct link *k = ud;
    k->is_open = true;
    if (k->http) ask_now(k->http);
}

static void lost(struct http *h, const struct link *k, const struct ln_err *err) {
    struct ask *a = h->ask;
    char text[sizeof err->text];
    bool speaks_tls = !k->is_tls && !k->is_kept && !a->has_bytes;
    snprintf(text, sizeof text, "%.300s %s%s", err->text,
             a->has_bytes ? "in the middle of the answer" : "before it answered",
             speaks_tls ? " (if it speaks TLS on this port: wss:// or https://)" : "");
    fail_http(h, err->code, text);
}

static void on_stream_closed(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct link *k = ud;
    struct http *h = k->http;
    struct ask *a = h ? h->ask : NULL;
    if (h) {
        h->link = NULL;
        loop_timer_cancel(h->loop, h->timer);
    }
    if (a && phase != PHASE_OPEN)
        fail(h, phase, err);
    else if (a && a->head_n && http_body_end(&a->framing))
        finish(h, false);
    else if (a && k->is_kept && !a->has_bytes && a->may_repeat)
        dial(h);
    else if (a)
        lost(h, k, err);
    ln_free(k);
}

/* --- what others call --- */

struct http *http_new(struct loop *l, const struct http_opts *o) {
    struct http *h = ln_new(struct http);
    h->loop = l;
    h->o = *o;
    if (h->o.max_bytes == 0) h->o.max_bytes = MAX_BYTES;
    return h;
}

static bool has_header(const struct http_request *r, const char *name) {
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0) return true;
    return false;
}

static bool is_one_of(const char *method, const char *const *list) {
    while (*list && strcmp(method, *list) != 0)
        list++;
    return *list != NULL;
}

static void write_request(struct ln_buf *out, const struct http_request *r) {
    static const char *const with_body[] = {"POST", "PUT", "PATCH", NULL};
    http_write_head(out, r->method, r->host_header, r->target);
    if (!has_header(r, "Accept")) http_write_header(out, "Accept", "*/*");
    if (!has_header(r, "Accept-Encoding")) http_write_header(out, "Accept-Encoding", "identity");
    http_write_headers(out, r->headers, r->header_count);
    if (r->body.p || is_one_of(r->method, with_body))
        ln_buf_fmt(out, "Content-Length: %zu\r\n", r->body.n);
    ln_buf_puts(out, "\r\n");
    ln_buf_str(out, r->body);
}

static void on_refused(void *ud) {
    struct http *h = ud;
    struct ln_err err;
    ln_fail(&err, h->ask->refused, "%s", h->ask->why);
    fail(h, PHASE_HTTP, &err);
}

void http_send(struct http *h, const struct http_request *r, http_fn fn, void *ud) {
    static const char *const repeatable[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", NULL};
    struct ask *a = h->ask = ln_new(struct ask);
    struct ln_err err;
    int64_t timeout = r->timeout_ms > 0 ? r->timeout_ms : TIMEOUT_MS;
    a->fn = fn;
    a->ud = ud;
    a->is_head = strcmp(r->method, "HEAD") == 0;
    a->may_repeat = !r->once && is_one_of(r->method, repeatable);
    a->deadline = loop_now_ms(h->loop) + (uint64_t)timeout;
    loop_timer_cancel(h->loop, h->timer); /* of the kept connection */
    if (!http_check_request(r->host_header, r->target, r->headers, r->header_count, &err)) {
        a->refused = err.code;
        a->why = ln_strdup(err.text);
        h->timer = loop_timer(h->loop, 0, on_refused, h);
        return;
    }
    write_request(&a->text, r);
    if (h->link)
        ask_now(h);
    else
        dial(h);
}

bool http_busy(const struct http *h) {
    return h->ask != NULL;
}

void http_abort(struct http *h) {
    if (!h->ask) return;
    ask_free(ask_take(h));
    link_drop(h);
}

void http_free(struct http *h) {
    if (!h) return;
    ask_free(ask_take(h));
    link_drop(h);
    ln_free(h);
}

struct ln_str http_peer(const struct http *h) {
    return h->link && h->link->is_open ? stream_peer(h->link->stream) : (struct ln_str){0};
}
