/* SPDX-License-Identifier: MIT
 *
 * Redirects of the upgrade (RFC 9110 15.4), for lines that were opened with `follow`: a new stream
 * to where the server points, within the time of the first one. What the caller was trusted with
 * stays behind at another origin, and from TLS nothing leads to a line without it.
 */
#include <stdio.h>

#include "base/mem.h"
#include "io/ws_inside.h"
#include "wire/http.h"

enum { MAX_HOPS = 5 };

struct ws_trip {
    bool (*follow)(void *ud, const struct url *to, struct stream_opts *o);
    struct url at; /* where the last request went */
    struct http_header *headers;
    size_t count;
    int hops;
};

static char *copy(const char *s) {
    return s ? ln_strdup(s) : NULL;
}

struct ws_trip *ws_trip_new(const struct ws_opts *o) {
    struct ws_trip *t = ln_new(struct ws_trip);
    const char *host = o->stream.host ? o->stream.host : "";
    size_t path = strcspn(o->target, "?");
    t->follow = o->follow;
    t->at.scheme = ln_strdup(o->stream.tls ? "wss" : "ws");
    t->at.tls = o->stream.tls;
    t->at.host = ln_strdup(host);
    t->at.is_ipv6 = strchr(host, ':') != NULL;
    t->at.port = o->stream.port;
    t->at.unix_path = copy(o->stream.unix_path);
    t->at.path = ln_dup(o->target, path);
    t->headers = ln_alloc(LN_MAX(o->header_count, (size_t)1) * sizeof *t->headers);
    for (; t->count < o->header_count; t->count++)
        t->headers[t->count] = (struct http_header){ln_strdup(o->headers[t->count].name),
                                                    ln_strdup(o->headers[t->count].value)};
    return t;
}

static void drop_header(struct http_header *h) {
    ln_free((char *)(uintptr_t)h->name);
    ln_free((char *)(uintptr_t)h->value);
}

void ws_trip_free(struct ws_trip *t) {
    if (!t) return;
    while (t->count > 0)
        drop_header(&t->headers[--t->count]);
    ln_free(t->headers);
    url_free(&t->at);
    ln_free(t);
}

/* Any other header may be a key, whatever its name. */
static bool is_harmless(const char *name) {
    static const char *const names[] = {"User-Agent", "Accept-Language", "Origin"};
    for (size_t i = 0; i < LN_COUNT(names); i++)
        if (strcasecmp(name, names[i]) == 0) return true;
    return false;
}

static void leave_secrets(struct ws_trip *t) {
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (is_harmless(t->headers[i].name))
            t->headers[kept++] = t->headers[i];
        else
            drop_header(&t->headers[i]);
    }
    t->count = kept;
}

static void fail(struct ws *w, int status, const char *what, struct ln_str location,
                 const char *why) {
    struct ln_buf text = {0};
    ln_buf_fmt(&text, "upgrade: %s ", what);
    http_location_words(location, &text);
    ln_buf_puts(&text, why);
    ws_end_of(w)->status = status;
    ws_fail(w, LN_REFUSED, ln_buf_cstr(&text));
    ln_buf_free(&text);
}

bool ws_redirect(struct ws *w, const struct http_head *h) {
    struct ws_trip *t = w->upgrade->trip;
    struct ln_str location = http_header_get(h, "Location");
    bool is_one = h->status == 301 || h->status == 302 || h->status == 303 || h->status == 307 ||
                  h->status == 308;
    struct url to;
    struct ln_err err;
    if (!t || !is_one || location.n == 0) return false;
    if (t->hops++ == MAX_HOPS) {
        fail(w, h->status, "redirected more than 5 times, in a circle perhaps, at last to",
             location, "");
        return true;
    }
    if (!url_join(&to, &t->at, location, &err)) {
        char why[sizeof err.text + 8];
        snprintf(why, sizeof why, ": %s", err.text);
        fail(w, h->status, "redirected to what is no address,", location, why);
        return true;
    }
    if (t->at.tls && !to.tls) {
        url_free(&to);
        fail(w, h->status, "redirected to", location,
             ", which has no TLS; this address had, so it is not followed");
        return true;
    }
    if (!url_same_origin(&t->at, &to)) leave_secrets(t);
    url_free(&t->at);
    t->at = to;
    w->state = WS_REDIRECTED;
    loop_timer_cancel(w->loop, w->timer);
    stream_close(w->stream);
    return true;
}

static void write_request(struct ws *w, struct ln_err *err, bool *ok) {
    struct ws_trip *t = w->upgrade->trip;
    struct ln_buf host = {0}, target = {0};
    bool is_usual = t->at.unix_path || t->at.port == (t->at.tls ? 443 : 80);
    ln_buf_fmt(&host, t->at.is_ipv6 ? "[%s]" : "%s", t->at.host);
    if (!is_usual) ln_buf_fmt(&host, ":%u", t->at.port);
    ln_buf_fmt(&target, "%s%s%s", t->at.path[0] ? t->at.path : "/", t->at.query ? "?" : "",
               t->at.query ? t->at.query : "");
    *ok = ws_upgrade_write(w, ln_buf_cstr(&host), ln_buf_cstr(&target), t->headers, t->count, err);
    ln_buf_free(&host);
    ln_buf_free(&target);
}

void ws_redirect_go(struct ws *w) {
    struct ws_trip *t = w->upgrade->trip;
    struct stream_opts o = {0};
    struct ln_err err;
    bool ok;
    write_request(w, &err, &ok);
    if (ok && !t->follow(w->ud, &t->at, &o)) {
        ok = false;
        ln_fail(&err, LN_REFUSED, "redirected to %.200s, which is not followed", t->at.host);
    }
    if (!ok) {
        char text[sizeof err.text + 16];
        snprintf(text, sizeof text, "upgrade: %s", err.text);
        ws_note(w, err.code, text);
        w->stream = NULL;
        return;
    }
    o.timeout_ms = LN_MAX(ws_upgrade_left_ms(w), 1);
    w->upgrade->tls = o.tls;
    w->state = WS_CONNECTING;
    w->stream = stream_open(w->loop, &o, &ws_stream_cbs, w);
}
