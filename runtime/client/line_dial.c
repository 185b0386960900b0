/* SPDX-License-Identifier: MIT
 *
 * One attempt of a line: where to, with which headers, and how long it may take until the
 * protocol's handshake is done.
 */
#include <stdio.h>

#include "base/text.h"
#include "client/line.h"
#include "client/token.h"

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
        if (name.n == strlen(*names) && strncasecmp(name.p, *names, name.n) == 0) return true;
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

static void on_handshake_timeout(void *ud) {
    struct line *ln = ud;
    char text[32];
    line_fail(ln, "transport error", LN_TIMEOUT, "the server sent none within %s",
              ln_duration_text(line_opts(ln)->timeout_ms, text, sizeof text));
}

static void on_open(void *ud, struct ln_str protocol) {
    struct line *ln = ud;
    (void)protocol;
    int64_t took = (int64_t)(loop_now_ms(ln->clients->loop) - ln->begun_ms);
    int64_t left = LN_MAX(line_opts(ln)->timeout_ms - took, 1);
    ln->timer = loop_timer(ln->clients->loop, left, on_handshake_timeout, ln);
    ln->proto->line_open(ln);
}

static void on_message(void *ud, bool binary, char *p, size_t n) {
    struct line *ln = ud;
    if (LN_LIKELY(!ln->is_lost && ln->state != LINE_ENDING))
        ln->proto->line_message(ln, binary, p, n);
}

static void on_closed(void *ud, enum stream_phase phase, int status, int code, struct ln_str reason,
                      const struct ln_err *err) {
    line_closed(ud, phase, status, code, reason, err);
}

void line_dial(struct line *ln) {
    static const struct ws_cbs cbs = {.open = on_open, .message = on_message, .closed = on_closed};
    const struct conn_opts *o = line_opts(ln);
    struct url u;
    struct line_headers h = {0};
    struct ln_buf target = {0}, host = {0};
    conn_opts_url(o, &u);
    if (ln->use_tls && !u.tls) {
        u.tls = true;
        if (!u.has_port) u.port = 443;
    }
    ln->state = LINE_OPENING;
    ln->begun_ms = loop_now_ms(ln->clients->loop);
    ln->joined_ms = 0;
    LN_LIST_EACH (&ln->conns, it, tmp) /* the functions had their own time */
        LN_CONTAINER(it, struct conn, line_node)->begun_ms = ln->begun_ms;
    struct clients *cs = ln->clients;
    struct conn *lead = line_lead(ln);
    if (u.tls && o->tls.insecure)
        ln_log(LN_WARN, lead->tag,
               "the server's certificate is not verified (tls.verify is off): anybody on the way "
               "can read and change everything");
    line_headers(ln, &u, &h);
    ln->proto->target(ln, &u, &target);
    ln_buf_fmt(&host, u.is_ipv6 ? "[%s]" : "%s", u.host);
    if (u.has_port) ln_buf_fmt(&host, ":%d", u.port);
    struct ws_opts w = {.stream = {.host = u.host,
                                   .port = u.port,
                                   .fd = cs->dial ? cs->dial(cs->dial_ud, lead) : 0,
                                   .tls = u.tls,
                                   .tls_opts = o->tls,
                                   .timeout_ms = o->timeout_ms},
                        .host_header = ln_buf_cstr(&host),
                        .target = ln_buf_cstr(&target),
                        .headers = h.v,
                        .header_count = h.n,
                        .max_message = o->max_message};
    ln->ws = ws_open(cs->loop, &w, &cbs, ln);
    line_headers_free(&h);
    ln_buf_free(&target);
    ln_buf_free(&host);
    url_free(&u);
}
