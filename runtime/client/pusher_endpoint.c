/* SPDX-License-Identifier: MIT
 *
 * See pusher_endpoint.h. What goes along is what the connection has at that moment: `auth`, and the
 * option `headers`, given or by functions.
 */
#include "client/pusher_endpoint.h"

#include "base/text.h"
#include "client/pusher_parts.h"
#include "client/token.h"
#include "client/where.h"

#define DEFAULT_ENDPOINT "/broadcasting/auth"

struct endpoint {
    struct line *line;
    struct http *http;
    struct url url;
};

/* --- where --- */

static const char *address_of(const struct conn_opts *o, enum endpoint_kind which) {
    if (which == FOR_USERS) return o->user_auth_endpoint;
    return o->auth_endpoint ? o->auth_endpoint : DEFAULT_ENDPOINT;
}

static bool check_endpoint(const char *endpoint, const char *option, struct ln_err *err) {
    struct url u;
    struct ln_err why;
    if (!endpoint || endpoint[0] == '/') return true;
    if (!url_parse(&u, ln_str(endpoint), &why)) {
        ln_fail(err, LN_INVALID, "%s: %s", option, why.text);
        return false;
    }
    bool ok = strncmp(u.scheme, "http", 4) == 0;
    url_free(&u);
    if (!ok) ln_fail(err, LN_INVALID, "%s must begin with http://, https:// or '/'", option);
    return ok;
}

bool pusher_check_endpoints(const struct conn_opts *o, struct ln_err *err) {
    return check_endpoint(o->auth_endpoint, "auth_endpoint", err) &&
           check_endpoint(o->user_auth_endpoint, "user_auth_endpoint", err);
}

static void where(void *ud, struct stream_opts *o) {
    const struct endpoint *s = ud;
    struct clients *cs = s->line->clients;
    struct conn *c = s->line->root;
    conn_where(c->opts, &s->url, cs->dial ? cs->dial(cs->dial_ud, c) : 0, o);
}

static struct endpoint *open_endpoint(struct line *ln, int which) {
    struct pusher *p = ln->priv;
    const char *endpoint = address_of(line_opts(ln), which);
    if (p->endpoints[which]) return p->endpoints[which];
    struct endpoint *s = p->endpoints[which] = ln_new(struct endpoint);
    bool is_path = endpoint[0] == '/';
    struct ln_err err;
    s->line = ln;
    if (is_path)
        conn_opts_url(line_lead(ln), &s->url);
    else
        url_parse(&s->url, ln_str(endpoint), &err); /* it was checked */
    if (is_path && ln->use_tls && !s->url.tls) {
        s->url.tls = true;
        if (!s->url.has_port) s->url.port = 443;
    }
    struct http_opts o = {.where = where, .ud = s};
    s->http = http_new(ln->clients->loop, &o);
    return s;
}

bool endpoint_busy(const struct endpoint *e) {
    return e && http_busy(e->http);
}

void endpoints_free(struct line *ln) {
    struct pusher *p = ln->priv;
    for (size_t i = 0; i < LN_COUNT(p->endpoints); i++) {
        struct endpoint *e = p->endpoints[i];
        p->endpoints[i] = NULL;
        if (!e) continue;
        http_free(e->http);
        url_free(&e->url);
        ln_free(e);
    }
}

/* --- a request --- */

/* key=value, or "key":value; a value is raw JSON. */
static void add_field(struct ln_buf *out, bool is_json, struct ln_str key, struct ln_str raw) {
    struct ln_buf text = {0};
    if (out->n) ln_buf_putc(out, is_json ? ',' : '&');
    if (is_json) {
        ln_json_quote(out, key);
        ln_buf_putc(out, ':');
        ln_buf_str(out, raw);
    } else {
        ln_percent_encode(out, key);
        ln_buf_putc(out, '=');
        line_json_text(raw, &text);
        ln_percent_encode(out, ln_buf_get(&text));
    }
    ln_buf_free(&text);
}

/* channel p NULL: for a user. */
static void write_body(const struct line *ln, struct ln_str channel, bool is_json,
                       struct ln_buf *out) {
    struct ln_str auth = token_auth(ln->root), key, value;
    const struct pusher *p = ln->priv;
    struct ln_buf fields = {0}, quoted = {0}, name = {0};
    ln_json_quote(&quoted, ln_str(p->socket_id));
    add_field(&fields, is_json, LN_STR("socket_id"), ln_buf_get(&quoted));
    ln_buf_clear(&quoted);
    ln_json_quote(&quoted, channel);
    if (channel.n) add_field(&fields, is_json, LN_STR("channel_name"), ln_buf_get(&quoted));
    for (size_t pos = 0; auth.n && ln_json_each(auth, &pos, &key, &value);) {
        ln_buf_clear(&name);
        if (!ln_json_unescape(key, &name)) continue;
        struct ln_str plain = ln_buf_get(&name);
        if (ln_str_is(plain, "socket_id") || ln_str_is(plain, "channel_name")) continue;
        add_field(&fields, is_json, plain, value);
    }
    if (is_json) ln_buf_putc(out, '{');
    ln_buf_str(out, ln_buf_get(&fields));
    if (is_json) ln_buf_putc(out, '}');
    ln_buf_free(&fields);
    ln_buf_free(&quoted);
    ln_buf_free(&name);
}

static void write_host(const struct url *u, struct ln_buf *out) {
    ln_buf_fmt(out, u->is_ipv6 ? "[%s]" : "%s", u->host);
    if (u->has_port) ln_buf_fmt(out, ":%d", u->port);
}

void endpoint_post(struct line *ln, enum endpoint_kind which, struct ln_str channel, http_fn fn,
                   void *ud) {
    const struct conn_opts *o = line_opts(ln);
    struct endpoint *s = open_endpoint(ln, which);
    const char *endpoint = address_of(o, which);
    struct line_headers h = {0};
    struct ln_buf body = {0}, host = {0}, target = {0};
    line_add_header(&h, LN_STR("Content-Type"),
                    o->auth_json ? LN_STR("application/json")
                                 : LN_STR("application/x-www-form-urlencoded"));
    line_add_header(&h, LN_STR("Accept"), LN_STR("application/json"));
    line_option_headers(ln, NULL, &h);
    write_body(ln, channel, o->auth_json, &body);
    write_host(&s->url, &host);
    if (endpoint[0] == '/')
        ln_buf_puts(&target, endpoint);
    else
        ln_buf_fmt(&target, "%s%s%s", s->url.path[0] ? s->url.path : "/", s->url.query ? "?" : "",
                   s->url.query ? s->url.query : "");
    struct http_request r = {.method = "POST",
                             .host_header = ln_buf_cstr(&host),
                             .target = ln_buf_cstr(&target),
                             .headers = h.v,
                             .header_count = h.n,
                             .body = ln_buf_get(&body),
                             .timeout_ms = o->timeout_ms};
    http_send(s->http, &r, fn, ud);
    line_headers_free(&h);
    ln_buf_free(&body);
    ln_buf_free(&host);
    ln_buf_free(&target);
}

/* --- an answer --- */

/* {"message":"Unauthenticated."} and the like: what a server adds, for people. */
static void words_of(const struct http_answer *a, struct ln_buf *out) {
    static const char *const keys[] = {"message", "error"};
    struct ln_str body = {a->body, a->n};
    struct ln_buf text = {0};
    for (size_t i = 0; i < LN_COUNT(keys) && !text.n; i++)
        ln_json_text(ln_json_get(body, keys[i]), &text);
    if (text.n) {
        ln_buf_puts(out, ": ");
        ln_printable(out, ln_buf_get(&text), 120);
    }
    ln_buf_free(&text);
}

/* Where it was asked, without the query, for who wonders why nobody there knows what to say. */
static void write_place(struct line *ln, enum endpoint_kind which, int status, struct ln_buf *out) {
    const struct conn_opts *o = line_opts(ln);
    const struct endpoint *s = open_endpoint(ln, which);
    const char *address = address_of(o, which);
    const char *path = address[0] == '/' ? address : s->url.path[0] ? s->url.path : "/";
    bool is_default = which == FOR_CHANNELS && !o->auth_endpoint;
    ln_buf_puts(out, s->url.tls ? " (POST https://" : " (POST http://");
    write_host(&s->url, out);
    ln_buf_add(out, path, strcspn(path, "?"));
    if (is_default && status == 404) ln_buf_puts(out, "; auth_endpoint or secret is not given");
    ln_buf_putc(out, ')');
}

bool endpoint_check(struct line *ln, enum endpoint_kind which, const struct http_answer *a,
                    struct ln_err *err) {
    struct ln_str body = {a->body, a->n};
    struct ln_buf words = {0};
    bool is_good = a->status >= 200 && a->status < 300;
    bool is_redirect = a->status >= 300 && a->status < 400;
    if (is_good && ln_json_peek(body) == LN_JSON_OBJECT && ln_json_valid(body, NULL)) return true;
    if (!is_good && !is_redirect) words_of(a, &words);
    if (!words.n) write_place(ln, which, a->status, &words);
    if (is_good)
        ln_fail(err, LN_PROTOCOL, "auth endpoint: HTTP %d, but the answer is no JSON object%s",
                a->status, ln_buf_cstr(&words));
    else if (is_redirect)
        ln_fail(
            err, LN_REFUSED,
            "auth endpoint: HTTP %d, a redirect (to a login page?): redirects are not followed%s",
            a->status, ln_buf_cstr(&words));
    else
        ln_fail(err, pusher_status(a->status), "auth endpoint: HTTP %d%s", a->status,
                ln_buf_cstr(&words));
    ln_buf_free(&words);
    return false;
}
