/* SPDX-License-Identifier: MIT
 *
 * One attempt of a line: where to, with which headers, and how long it may take until the
 * protocol's handshake is done.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/line.h"
#include "client/token.h"
#include "client/where.h"

void line_add_header(struct line_headers *h, struct ln_str name, struct ln_str value) {
    h->v = ln_realloc(h->v, (h->n + 1) * sizeof *h->v);
    h->v[h->n++] = (struct http_header){ln_str_dup(name), ln_str_dup(value)};
}

void line_headers_free(struct line_headers *h) {
    for (size_t i = 0; i < h->n; i++) {
        ln_free((char *)(uintptr_t)h->v[i].name);
        ln_free((char *)(uintptr_t)h->v[i].value);
    }
    ln_free(h->v);
}

/* Plain JSON values as text: a string's contents, or the value as it stands. */
void line_json_text(struct ln_str raw, struct ln_buf *out) {
    if (ln_json_peek(raw) != LN_JSON_STRING || !ln_json_text(raw, out)) ln_buf_str(out, raw);
}

void line_add_query(struct ln_buf *out, struct ln_str json) {
    struct ln_str key, value;
    struct ln_buf plain = {0};
    for (size_t pos = 0; json.n > 0 && ln_json_each(json, &pos, &key, &value);) {
        ln_buf_clear(&plain);
        if (!ln_json_unescape(key, &plain)) continue;
        ln_percent_encode(out, ln_buf_get(&plain));
        ln_buf_putc(out, '=');
        ln_buf_clear(&plain);
        line_json_text(value, &plain);
        ln_percent_encode(out, ln_buf_get(&plain));
        ln_buf_putc(out, '&');
    }
    ln_buf_free(&plain);
}

static bool is_among(struct ln_str name, const char *const *names) {
    for (; *names; names++)
        if (ln_word_is(name, *names)) return true;
    return false;
}

void line_option_headers(const struct line *ln, const char *const *only, struct line_headers *h) {
    struct ln_str doc = token_headers(line_lead(ln)), key, value;
    struct ln_buf name = {0}, text = {0};
    for (size_t pos = 0; doc.n > 0 && ln_json_each(doc, &pos, &key, &value);) {
        ln_buf_clear(&name);
        ln_buf_clear(&text);
        if (!ln_json_unescape(key, &name)) continue;
        if (only && !is_among(ln_buf_get(&name), only)) continue;
        line_json_text(value, &text);
        line_add_header(h, ln_buf_get(&name), ln_buf_get(&text));
    }
    ln_buf_free(&name);
    ln_buf_free(&text);
}

void line_headers(const struct line *ln, const struct url *u, struct line_headers *h) {
    static const char *const login[] = {"authorization", NULL};
    bool has_auth = false;
    line_option_headers(ln, ln->proto->upgrade_headers, h);
    for (size_t i = 0; i < h->n; i++)
        has_auth |= is_among(ln_str(h->v[i].name), login);
    if (!u->user || ln->proto->user_is_key || has_auth) return;
    struct ln_buf name = {0}, text = {0}; /* RFC 7617 */
    ln_buf_fmt(&name, "%s:%s", u->user, u->password ? u->password : "");
    ln_buf_puts(&text, "Basic ");
    ln_base64_encode(&text, name.p, name.n);
    line_add_header(h, LN_STR("Authorization"), ln_buf_get(&text));
    ln_buf_free(&name);
    ln_buf_free(&text);
}

/* --- where to --- */

void line_plan(struct line *ln, struct conn_plan *p) {
    struct line_headers headers = {0};
    *p = (struct conn_plan){0};
    conn_opts_url(line_lead(ln), &p->url);
    if (ln->use_tls && !p->url.tls) {
        p->url.tls = true;
        if (!p->url.has_port) p->url.port = 443;
    }
    line_headers(ln, &p->url, &headers);
    p->headers = headers.v;
    p->header_count = headers.n;
    ln->proto->target(ln, &p->url, &p->target);
    ln_buf_fmt(&p->host, p->url.is_ipv6 ? "[%s]" : "%s", p->url.host);
    if (p->url.has_port) ln_buf_fmt(&p->host, ":%d", p->url.port);
    ln_buf_cstr(&p->host);
    ln_buf_cstr(&p->target);
}

void line_stream(struct line *ln, const struct conn_opts *o, const struct conn_plan *p,
                 struct stream_opts *to) {
    struct clients *cs = ln->clients;
    struct conn *lead = ln_list_empty(&ln->conns) ? NULL : line_lead(ln);
    conn_where(o, &p->url, cs->dial ? cs->dial(cs->dial_ud, lead) : 0, to);
    if (ln->state == LINE_OPENING) to->timeout_ms = line_left_ms(ln, o);
}

/* Of the time that an attempt may take. */
int64_t line_left_ms(const struct line *ln, const struct conn_opts *o) {
    int64_t took = (int64_t)(loop_now_ms(ln->clients->loop) - ln->begun_ms);
    return LN_MAX(o->timeout_ms - took, 1);
}

struct cookie_place line_cookie_place(const struct conn_plan *p) {
    struct ln_str path = ln_buf_get(&p->target);
    const char *query = memchr(path.p, '?', path.n);
    if (query) path.n = (size_t)(query - path.p);
    return (struct cookie_place){ln_str(p->url.host), path, p->url.tls, ln_wall_ms()};
}

void line_request_headers(const struct line *ln, const struct conn_plan *p,
                          struct line_headers *h) {
    struct cookie_place at = line_cookie_place(p);
    struct ln_buf cookie = {0}, kept = {0};
    for (size_t i = 0; i < p->header_count; i++) {
        const struct http_header *one = &p->headers[i];
        if (strcasecmp(one->name, "Cookie") == 0)
            ln_buf_fmt(&cookie, "%s%s", cookie.n ? "; " : "", one->value);
        else
            line_add_header(h, ln_str(one->name), ln_str(one->value));
    }
    cookies_write(ln->cookies, &at, &kept);
    if (cookie.n > 0 && kept.n > 0) ln_buf_puts(&cookie, "; ");
    ln_buf_str(&cookie, ln_buf_get(&kept));
    if (cookie.n > 0) line_add_header(h, LN_STR("Cookie"), ln_buf_get(&cookie));
    ln_buf_free(&cookie);
    ln_buf_free(&kept);
}

/* --- the WebSocket --- */

static void on_handshake_timeout(void *ud) {
    struct line *ln = ud;
    char text[32];
    line_fail(ln, "transport error", LN_TIMEOUT, "the server sent none within %s",
              ln_duration_text(line_opts(ln)->timeout_ms, text, sizeof text));
}

static void on_open(void *ud, struct ln_str protocol) {
    struct line *ln = ud;
    if (protocol.n > 0) ln->subprotocol = ln_str_dup(protocol);
    ln->timer =
        loop_timer(ln->clients->loop, line_left_ms(ln, line_opts(ln)), on_handshake_timeout, ln);
    ln->proto->line_open(ln);
}

void line_message(struct line *ln, bool binary, char *p, size_t n) {
    if (LN_LIKELY(!ln->is_lost && ln->state != LINE_ENDING))
        ln->proto->line_message(ln, binary, p, n);
}

static void on_message(void *ud, bool binary, char *p, size_t n) {
    line_message(ud, binary, p, n);
}

static void on_pong(void *ud, struct ln_str data) {
    struct line *ln = ud;
    (void)data;
    if (!ln->is_lost && ln->state != LINE_ENDING && ln->proto->line_pong) ln->proto->line_pong(ln);
}

static void on_closed(void *ud, enum stream_phase phase, int status, int code, struct ln_str reason,
                      const struct ln_err *err) {
    line_closed(ud, phase, status, code, reason, err);
}

/* Where a redirect leads. Who we are is shown to the server that was asked for and to no other. */
static bool on_redirect(void *ud, const struct url *to, struct stream_opts *stream) {
    struct line *ln = ud;
    const struct conn_opts *o = line_opts(ln);
    struct clients *cs = ln->clients;
    struct url asked;
    conn_where(o, to, cs->dial ? cs->dial(cs->dial_ud, line_lead(ln)) : 0, stream);
    conn_opts_url(line_lead(ln), &asked);
    if (!url_same_origin(&asked, to))
        stream->tls_opts.cert = stream->tls_opts.key = stream->tls_opts.server_name = NULL;
    url_free(&asked);
    ln_log(LN_INFO, line_lead(ln)->tag, "redirected to %s://%s:%u", to->tls ? "wss" : "ws",
           to->host, to->port);
    return true;
}

struct ws *line_ws_open(struct line *ln, const struct conn_plan *p, const struct ws_cbs *cbs,
                        void *ud) {
    const struct conn_opts *o = line_opts(ln);
    struct line_headers headers = {0};
    line_request_headers(ln, p, &headers);
    struct ws_opts w = {.host_header = p->host.p,
                        .target = p->target.p,
                        .protocols = o->subprotocols,
                        .headers = headers.v,
                        .header_count = headers.n,
                        .max_message = o->max_message,
                        .deflate = o->compress,
                        .follow = ln->proto->follows ? on_redirect : NULL};
    line_stream(ln, o, p, &w.stream);
    struct ws *ws = ws_open(ln->clients->loop, &w, cbs, ud);
    line_headers_free(&headers);
    return ws;
}

/* --- an attempt --- */

void line_dial_ws(struct line *ln) {
    static const struct ws_cbs cbs = {
        .open = on_open, .message = on_message, .pong = on_pong, .closed = on_closed};
    struct conn_plan plan;
    line_plan(ln, &plan);
    ln->ws = line_ws_open(ln, &plan, &cbs, ln);
    conn_plan_free(&plan);
}

void line_dial(struct line *ln) {
    struct url u;
    const struct conn_opts *o = line_opts(ln);
    ln->state = LINE_OPENING;
    ln->begun_ms = loop_now_ms(ln->clients->loop);
    ln->joined_ms = 0;
    LN_LIST_EACH (&ln->conns, it, tmp) /* the functions had their own time */
        LN_CONTAINER(it, struct conn, line_node)->begun_ms = ln->begun_ms;
    conn_opts_url(line_lead(ln), &u);
    if ((u.tls || ln->use_tls) && o->tls.insecure)
        ln_log(LN_WARN, line_lead(ln)->tag,
               "the server's certificate is not verified (tls.verify is off): anybody on the way "
               "can read and change everything");
    url_free(&u);
    line_road_open(ln);
}
