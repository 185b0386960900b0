/* SPDX-License-Identifier: MIT
 *
 * The hub's HTTP side: the page's files, /healthz, the error table of Engine.IO, and who may come
 * in at all: the Host header guards against DNS rebinding, the Origin header against foreign pages.
 */
#include "hub/hub_int.h"

#include "base/embed.h"
#include "base/json.h"
#include "base/text.h"

#define PAGE_HEADERS 6 /* pairs */

/* --- guards --- */

/* host without its port; *port is ":4321" or "". Brackets stay. */
static struct ln_str split_port(struct ln_str host, struct ln_str *port) {
    size_t n = host.n;
    while (n > 0 && host.p[n - 1] >= '0' && host.p[n - 1] <= '9')
        n--;
    bool has = n > 0 && n < host.n && host.p[n - 1] == ':' &&
               (host.p[0] != '[' || (n > 1 && host.p[n - 2] == ']'));
    *port = (struct ln_str){host.p + host.n, 0};
    if (!has) return host;
    *port = (struct ln_str){host.p + n - 1, host.n - n + 1};
    return (struct ln_str){host.p, n - 1};
}

static bool same_name(struct ln_str a, const char *b) {
    size_t n = strlen(b);
    if (a.n != n) return false;
    for (size_t i = 0; i < n; i++)
        if ((a.p[i] | 0x20) != (b[i] | 0x20)) return false;
    return true;
}

/* A rebound name is a name: digits and dots, or brackets, cannot be one. */
static bool is_address(struct ln_str name) {
    if (name.n > 2 && name.p[0] == '[') return name.p[name.n - 1] == ']';
    for (size_t i = 0; i < name.n; i++)
        if ((name.p[i] < '0' || name.p[i] > '9') && name.p[i] != '.') return false;
    return name.n > 0;
}

static bool is_local_name(struct ln_str name) {
    return same_name(name, "localhost") || ln_str_is(name, "[::1]") || ln_str_is(name, "::1") ||
           (ln_str_starts(name, "127.") && is_address(name));
}

/* "http://chat.example:80" -> "chat.example:80" */
static struct ln_str origin_host(struct ln_str origin) {
    const char *colon = memmem(origin.p, origin.n, "://", 3);
    if (!colon) return (struct ln_str){NULL, 0};
    return (struct ln_str){colon + 3, (size_t)(origin.p + origin.n - colon - 3)};
}

static bool is_listed(const struct hub *h, struct ln_str origin) {
    for (const char *const *o = h->opts.origins; o && *o; o++)
        if (strcmp(*o, "*") == 0 || same_name(origin, *o)) return true;
    return false;
}

static bool host_ok(const struct hub *h, struct ln_str host) {
    struct ln_str port, name = split_port(host, &port);
    if (is_local_name(name) || is_address(name) || same_name(name, h->opts.host)) return true;
    for (const char *const *o = h->opts.origins; o && *o; o++) {
        struct ln_str ours = split_port(origin_host(ln_str(*o)), &port);
        if (strcmp(*o, "*") == 0 ||
            (ours.n == name.n && ours.n > 0 && strncasecmp(ours.p, name.p, name.n) == 0))
            return true;
    }
    return false;
}

static bool origin_ok(const struct hub *h, const struct server_request *r) {
    if (!r->origin.p || is_listed(h, r->origin)) return true; /* no browser sends none */
    struct ln_str port, host = origin_host(r->origin);
    if (host.n == 0) return false; /* "null": a file, a sandbox */
    if (host.n == r->host.n && strncasecmp(host.p, r->host.p, host.n) == 0) return true;
    /* Another page on this machine, when the hub itself is only for this machine. */
    return !h->opts.origins && is_local_name(ln_str(h->opts.host)) &&
           is_local_name(split_port(host, &port));
}

static bool guard(const struct hub *h, const struct server_request *r, struct server_reply *reply) {
    reply->status = 403;
    if (!host_ok(h, r->host)) {
        reply->body = LN_STR("this hub is not known under that name; add its origin to the option "
                             "hub.origins\n");
        return false;
    }
    if (!origin_ok(h, r)) {
        reply->body = LN_STR("pages of that origin may not connect; add it to the option "
                             "hub.origins\n");
        return false;
    }
    return true;
}

/* --- queries and headers --- */

static bool query_each(struct ln_str query, size_t *at, struct ln_str *key, struct ln_str *value) {
    if (*at >= query.n) return false;
    const char *p = query.p + *at, *end = query.p + query.n;
    const char *amp = memchr(p, '&', (size_t)(end - p));
    const char *stop = amp ? amp : end;
    const char *eq = memchr(p, '=', (size_t)(stop - p));
    *key = (struct ln_str){p, (size_t)((eq ? eq : stop) - p)};
    *value = eq ? (struct ln_str){eq + 1, (size_t)(stop - eq - 1)} : (struct ln_str){"", 0};
    *at = (size_t)(stop - query.p) + 1;
    return true;
}

static struct ln_str query_get(struct ln_str query, const char *name) {
    struct ln_str key, value;
    size_t at = 0;
    while (query_each(query, &at, &key, &value))
        if (ln_str_is(key, name)) return value;
    return (struct ln_str){NULL, 0};
}

static void quote_decoded(struct ln_buf *out, struct ln_str s) {
    struct ln_buf raw = {0}, plain = {0};
    ln_buf_str(&raw, s);
    for (size_t i = 0; i < raw.n; i++)
        if (raw.p[i] == '+') raw.p[i] = ' '; /* as forms and URLSearchParams write a blank */
    ln_json_quote(out, ln_percent_decode(&plain, ln_buf_get(&raw)) ? ln_buf_get(&plain) : s);
    ln_buf_free(&raw);
    ln_buf_free(&plain);
}

void hub_query_json(struct ln_buf *out, struct ln_str query) {
    struct ln_str key, value;
    size_t at = 0;
    bool first = true;
    ln_buf_putc(out, '{');
    while (query_each(query, &at, &key, &value)) {
        if (!first) ln_buf_putc(out, ',');
        first = false;
        quote_decoded(out, key);
        ln_buf_putc(out, ':');
        quote_decoded(out, value);
    }
    ln_buf_putc(out, '}');
}

/* The request's headers in small letters, and :path, :query and :ip. */
void hub_headers_json(struct ln_buf *out, const struct server_request *r) {
    struct ln_str name, value;
    size_t i = 0;
    ln_buf_puts(out, "{\":path\":");
    ln_json_quote(out, r->path);
    ln_buf_puts(out, ",\":query\":");
    ln_json_quote(out, r->query);
    ln_buf_puts(out, ",\":ip\":");
    ln_json_quote(out, r->ip);
    while (server_each_header(r, &i, &name, &value)) {
        ln_buf_puts(out, ",\"");
        for (size_t k = 0; k < name.n; k++) { /* a token: nothing in it needs an escape */
            char c = name.p[k];
            ln_buf_putc(out, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
        }
        ln_buf_puts(out, "\":");
        ln_json_quote(out, value);
    }
    ln_buf_putc(out, '}');
}

/* --- Engine.IO's error table (protocols.md 3.1) --- */

static const struct {
    const char *words, *json;
} engine_errors[] = {
    {"Transport unknown", "{\"code\":0,\"message\":\"Transport unknown\"}"},
    {"Session ID unknown", "{\"code\":1,\"message\":\"Session ID unknown\"}"},
    {"Bad handshake method", "{\"code\":2,\"message\":\"Bad handshake method\"}"},
    {"Bad request", "{\"code\":3,\"message\":\"Bad request\"}"},
    {"Forbidden", "{\"code\":4,\"message\":\"Forbidden\"}"},
    {"Unsupported protocol version", "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
};

/* The row that applies, or -1: a good handshake over WebSocket. Polling is not served, so it is as
 * unknown as any other transport, and no session but a WebSocket's own exists. */
static int engine_error(const struct server_request *r, bool is_upgrade) {
    if (!ln_str_is(query_get(r->query, "transport"), "websocket")) return 0;
    if (!ln_str_is(query_get(r->query, "EIO"), "4")) return 5;
    if (query_get(r->query, "sid").p) return 1;
    if (!ln_str_is(r->method, "GET")) return 2;
    return is_upgrade ? -1 : 3;
}

bool hub_http_is_sio(struct ln_str path) {
    return ln_str_starts(path, "/socket.io/");
}

static bool is_raw(struct ln_str path) {
    return ln_str_is(path, "/ws") || ln_str_is(path, "/ws/");
}

bool hub_http_accept(void *ud, const struct server_request *r, struct server_reply *reply) {
    struct hub *h = ud;
    if (!guard(h, r, reply)) return false;
    if (is_raw(r->path)) return true;
    if (!hub_http_is_sio(r->path)) {
        reply->status = 404;
        return false;
    }
    int row = engine_error(r, true);
    if (row < 0) return true;
    reply->status = 400;
    reply->body = ln_str(engine_errors[row].words);
    return false;
}

/* --- answers --- */

static const char *type_of(const char *name) {
    static const struct {
        const char *ending, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".json", "application/json"},
                 {".svg", "image/svg+xml"},
                 {".png", "image/png"},
                 {".ico", "image/x-icon"},
                 {".woff2", "font/woff2"},
                 {".webmanifest", "application/manifest+json"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < LN_COUNT(types); i++)
        if (strcmp(dot, types[i].ending) == 0) return types[i].type;
    return "text/plain; charset=utf-8";
}

static void serve_file(struct hub *h, const struct server_request *r, struct server_reply *reply,
                       const struct ln_embedded *file) {
    static const char *headers[PAGE_HEADERS * 2 + 1] = {"Content-Security-Policy",
                                                        NULL,
                                                        "X-Content-Type-Options",
                                                        "nosniff",
                                                        "Referrer-Policy",
                                                        "no-referrer",
                                                        "Cache-Control",
                                                        "no-cache",
                                                        "Cross-Origin-Opener-Policy",
                                                        "same-origin",
                                                        "X-Frame-Options",
                                                        "DENY",
                                                        NULL};
    ln_buf_clear(&h->page_headers);
    /* 'self' alone does not cover ws: in older browsers. */
    ln_buf_fmt(&h->page_headers,
               "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' "
               "ws://%.*s wss://%.*s; img-src 'self' data:; base-uri 'none'; frame-ancestors "
               "'none'; form-action 'none'",
               LN_FMT(r->host), LN_FMT(r->host));
    headers[1] = ln_buf_cstr(&h->page_headers);
    reply->status = 200;
    reply->type = type_of(file->name);
    reply->body = (struct ln_str){file->p, file->n};
    reply->headers = headers;
}

static bool serve_page(struct hub *h, const struct server_request *r, struct server_reply *reply) {
    struct ln_str name = {r->path.p + 1, r->path.n - 1};
    if (!h->opts.page) return false;
    if (name.n == 0) name = LN_STR("index.html");
    for (const struct ln_embedded *f = hub_page_files; f->name; f++) {
        if (!ln_str_is(name, f->name)) continue;
        serve_file(h, r, reply, f);
        return true;
    }
    return false;
}

static void serve_health(struct hub *h, struct server_reply *reply) {
    static const char *const headers[] = {"Cache-Control", "no-store", NULL};
    ln_buf_clear(&h->text);
    ln_buf_fmt(&h->text,
               "{\"ok\":true,\"version\":\"" LN_VERSION "\",\"clients\":%zu,\"rooms\":%u,"
               "\"uptime\":%llu}\n",
               h->client_count, h->rooms.count,
               (unsigned long long)((loop_now_ms(h->loop) - h->opened_ms) / 1000));
    *reply = (struct server_reply){.status = 200,
                                   .type = "application/json",
                                   .body = ln_buf_get(&h->text),
                                   .headers = headers};
}

void hub_http_request(void *ud, const struct server_request *r, struct server_reply *reply) {
    static const char *const allow[] = {"Allow", "GET, HEAD", NULL};
    struct hub *h = ud;
    if (!guard(h, r, reply)) return;
    reply->status = 404;
    if (hub_http_is_sio(r->path)) {
        int row = engine_error(r, false);
        reply->status = 400;
        reply->type = "application/json";
        reply->body = ln_str(engine_errors[row].json);
    } else if (!ln_str_is(r->method, "GET") && !ln_str_is(r->method, "HEAD")) {
        reply->status = 405;
        reply->body = LN_STR("only GET and HEAD are answered here\n");
        reply->headers = allow;
    } else if (is_raw(r->path)) {
        reply->status = 426;
        reply->body = LN_STR("this address speaks WebSocket only\n");
    } else if (ln_str_is(r->path, "/healthz")) {
        serve_health(h, reply);
    } else {
        serve_page(h, r, reply);
    }
}
