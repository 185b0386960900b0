/* SPDX-License-Identifier: MIT
 *
 * The hub's HTTP side: what is served where, and who may come in at all: the Host header guards
 * against DNS rebinding, the Origin header against foreign pages; pages of an origin that is let in
 * may read what they get (CORS).
 */
#include "hub/hub_poll.h"
#include "hub/hub_pusher.h"

#include <stdio.h>

#include "base/mem.h"

#define MAX_HEADERS 12

struct hub_http {                       /* the headers of the reply that is being made */
    const char *v[MAX_HEADERS * 2 + 1]; /* name, value, …, NULL */
    struct ln_buf values[MAX_HEADERS];
    size_t n;
};

/* --- headers --- */

static void clear(struct hub *h) {
    if (!h->http) h->http = ln_new(struct hub_http);
    h->http->n = 0;
    h->http->v[0] = NULL;
}

void hub_header(struct hub *h, const char *name, struct ln_str value) {
    struct hub_http *x = h->http;
    if (x->n == MAX_HEADERS) return;
    ln_buf_clear(&x->values[x->n]);
    ln_buf_str(&x->values[x->n], value);
    x->v[2 * x->n] = name;
    x->v[2 * x->n + 1] = ln_buf_cstr(&x->values[x->n]);
    x->v[2 * ++x->n] = NULL;
}

static const char *const *headers(const struct hub *h) {
    return h->http->n ? h->http->v : NULL;
}

bool hub_http_answer(struct hub *h, ln_id request, struct ln_str origin, struct server_reply *r) {
    struct hub_http *other = h->http; /* of a request that is being answered: we may be in it */
    h->http = h->http_late;
    clear(h);
    hub_cors(h, origin);
    hub_header(h, "Cache-Control", LN_STR("no-store"));
    r->headers = headers(h);
    h->http_late = h->http;
    h->http = other;
    return server_answer(h->server, request, r);
}

static void free_headers(struct hub_http *x) {
    for (size_t i = 0; x && i < MAX_HEADERS; i++)
        ln_buf_free(&x->values[i]);
    ln_free(x);
}

void hub_http_free(struct hub *h) {
    free_headers(h->http);
    free_headers(h->http_late);
}

/* --- guards --- */

/* host without its port; *port is ":4321" or "". Brackets stay. */
static struct ln_str split_port(struct ln_str host, struct ln_str *port) {
    size_t n = host.n;
    while (n > 0 && host.p[n - 1] >= '0' && host.p[n - 1] <= '9')
        n--;
    bool has = n > 0 && n < host.n && host.p[n - 1] == ':' &&
               (host.p[0] != '[' || (n > 1 && host.p[n - 2] == ']'));
    *port = (struct ln_str){"", 0};
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
        if (same_name(origin, *o)) return true;
    return false;
}

static bool any_origin(const struct hub *h) {
    return is_listed(h, LN_STR("*"));
}

static bool host_ok(const struct hub *h, struct ln_str host) {
    struct ln_str port, name = split_port(host, &port);
    if (is_local_name(name) || is_address(name) || same_name(name, h->opts.host)) return true;
    for (const char *const *o = h->opts.origins; o && *o; o++) {
        struct ln_str ours = split_port(origin_host(ln_str(*o)), &port);
        if (ours.n == name.n && ours.n > 0 && strncasecmp(ours.p, name.p, name.n) == 0) return true;
    }
    return any_origin(h);
}

static bool origin_ok(const struct hub *h, const struct server_request *r) {
    if (!r->origin.p || any_origin(h) || is_listed(h, r->origin))
        return true; /* no browser: none */
    struct ln_str port, host = origin_host(r->origin);
    if (host.n == 0) return false; /* "null": a file, a sandbox */
    if (host.n == r->host.n && strncasecmp(host.p, r->host.p, host.n) == 0) return true;
    /* Another page on this machine, when the hub itself is only for this machine. */
    return !h->opts.origins && is_local_name(ln_str(h->opts.host)) &&
           is_local_name(split_port(host, &port));
}

/* An image or a script of another site's page: no Origin comes with it. (Routes for such pages
 * only: everybody may have a link to the chat page.) */
static bool is_embedded(const struct hub *h, const struct server_request *r) {
    struct ln_str site = r->header(r, "sec-fetch-site");
    bool is_other = ln_str_is(site, "cross-site") || ln_str_is(site, "same-site");
    return is_other && !r->origin.p && !any_origin(h);
}

static bool guard(const struct hub *h, const struct hub_route *route,
                  const struct server_request *r, struct server_reply *reply) {
    const char *text = NULL;
    if (!host_ok(h, r->host)) {
        text = "this hub is not known under that name; add its origin to the option hub.origins\n";
    } else if ((!(route && route->any_origin) && !origin_ok(h, r)) ||
               (route && route->is_cors && is_embedded(h, r))) {
        text = "pages of that origin may not connect; add it to the option hub.origins\n";
    }
    reply->status = text ? 403 : 404;
    if (text) reply->body = ln_str(text);
    return !text;
}

/* --- CORS --- */

void hub_cors(struct hub *h, struct ln_str origin) {
    if (!h->opts.cors) return;
    if (any_origin(h) && !is_listed(h, origin)) {
        hub_header(h, "Access-Control-Allow-Origin", LN_STR("*")); /* without cookies, then */
    } else if (origin.n > 0) {
        hub_header(h, "Access-Control-Allow-Origin", origin);
        hub_header(h, "Access-Control-Allow-Credentials", LN_STR("true"));
        hub_header(h, "Vary", LN_STR("Origin"));
    }
}

static bool preflight(struct hub *h, const struct server_request *r, struct server_reply *reply) {
    struct ln_str wanted = r->header(r, "access-control-request-headers");
    if (!h->opts.cors || !r->origin.p || !ln_str_is(r->method, "OPTIONS")) return false;
    hub_header(h, "Access-Control-Allow-Methods", LN_STR("GET,HEAD,PUT,PATCH,POST,DELETE"));
    if (wanted.n > 0) hub_header(h, "Access-Control-Allow-Headers", wanted);
    reply->status = 204;
    return true;
}

/* --- routes --- */

/* On this machine, and not only the proxy in front of it. */
static bool is_local(const struct server_request *r) {
    static const char *const of_proxies[] = {"x-forwarded-for", "forwarded", "x-real-ip", "via"};
    for (size_t i = 0; i < LN_COUNT(of_proxies); i++)
        if (r->header(r, of_proxies[i]).p) return false;
    return ln_str_starts(r->ip, "127.") || ln_str_is(r->ip, "::1");
}

struct hub_line *hub_http_line(struct hub *h, struct server_peer *p, enum hub_proto proto,
                               const struct server_request *r) {
    struct hub_line *line = hub_line_new(h, p, proto);
    snprintf(line->ip, sizeof line->ip, "%.*s", LN_FMT(r->ip));
    line->is_local = is_local(r);
    if (h->hooks.admit || h->jwt) hub_headers_json(&line->headers, r);
    return line;
}

bool hub_http_full(const struct hub *h) {
    return hub_poll_count(h) + (size_t)server_peers(h->server) >= (size_t)h->opts.max_clients;
}

static bool raw_is(const struct hub *h, struct ln_str path) {
    (void)h;
    return ln_str_is(path, "/ws") || ln_str_is(path, "/ws/");
}

static bool raw_accept(struct hub *h, const struct server_request *r, struct server_reply *reply) {
    (void)r;
    reply->status = 503;
    reply->body = LN_STR("too many clients\n");
    return !hub_http_full(h);
}

static struct hub_line *raw_open(struct hub *h, struct server_peer *p,
                                 const struct server_request *r) {
    struct hub_line *line = hub_http_line(h, p, HUB_RAW, r);
    hub_query_json(&line->auth, r->query);
    hub_line_start(line);
    return line;
}

static bool pusher_is(const struct hub *h, struct ln_str path) {
    (void)h;
    return hub_pusher_is(path);
}

static struct hub_line *pusher_open(struct hub *h, struct server_peer *p,
                                    const struct server_request *r) {
    struct hub_line *line = hub_http_line(h, p, HUB_PUSHER, r);
    hub_query_json(&line->auth, r->query);
    hub_pusher_start(line, r->path, r->query, origin_ok(h, r));
    return line;
}

static const struct hub_route routes[] = {
    {.is = hub_poll_is,
     .allow = "*",
     .is_cors = true,
     .request = hub_poll_request,
     .begin = hub_poll_begin,
     .accept = hub_poll_accept,
     .open = hub_poll_open},
    {.is = pusher_is, .any_origin = true, .accept = raw_accept, .open = pusher_open},
    {.is = hub_pusher_auth_is, .allow = "POST", .is_cors = true, .request = hub_pusher_auth},
    {.path = "/apps/", .allow = "GET, POST", .request = hub_api},
    {.path = "/up", .request = hub_health},
    {.is = raw_is, .accept = raw_accept, .open = raw_open},
    {.path = "/healthz", .request = hub_health},
    {.path = "/", .request = hub_page},
};

static bool fits(const struct hub *h, const struct hub_route *route, struct ln_str path) {
    if (route->is) return route->is(h, path);
    size_t n = strlen(route->path);
    return route->path[n - 1] == '/' ? ln_str_starts(path, route->path)
                                     : ln_str_is(path, route->path);
}

/* The next one from *i on, or NULL. */
static const struct hub_route *find(const struct hub *h, struct ln_str path, size_t *i) {
    while (*i < LN_COUNT(routes)) {
        const struct hub_route *route = &routes[(*i)++];
        if (fits(h, route, path)) return route;
    }
    return NULL;
}

static bool allows(struct hub *h, const struct hub_route *route, struct ln_str method,
                   struct server_reply *reply) {
    const char *allow = route->allow ? route->allow : "GET, HEAD";
    for (const char *p = allow; *p; p += strspn(p, ", ")) {
        size_t n = strcspn(p, ",");
        if (*p == '*' || ln_str_eq(method, (struct ln_str){p, n})) return true;
        p += n;
    }
    hub_header(h, "Allow", ln_str(allow));
    reply->status = 405;
    return false;
}

/* False: reply says why this is not even looked at. */
static bool enter(struct hub *h, const struct hub_route *route, const struct server_request *r,
                  struct server_reply *reply) {
    clear(h);
    if (!guard(h, route, r, reply)) return false;
    if (route && route->is_cors) {
        hub_cors(h, r->origin);
        if (preflight(h, r, reply)) return false;
    }
    return !route || allows(h, route, r->method, reply);
}

void hub_http_request(void *ud, const struct server_request *r, struct server_reply *reply) {
    struct hub *h = ud;
    size_t i = 0;
    const struct hub_route *route = find(h, r->path, &i);
    bool goes_on = enter(h, route, r, reply);
    while (goes_on && route) {
        if (!route->request) {
            reply->status = 426;
            reply->body = LN_STR("this address speaks WebSocket only\n");
            break;
        }
        if (route->request(h, r, reply)) break;
        route = find(h, r->path, &i);
    }
    if (!reply->later) reply->headers = headers(h);
}

bool hub_http_begin(void *ud, const struct server_request *r, struct server_reply *reply) {
    struct hub *h = ud;
    size_t i = 0;
    const struct hub_route *route = find(h, r->path, &i);
    bool ok = enter(h, route, r, reply) && route;
    if (ok && route->begin) ok = route->begin(h, r, reply);
    reply->headers = headers(h);
    return ok;
}

bool hub_http_accept(void *ud, const struct server_request *r, struct server_reply *reply) {
    struct hub *h = ud;
    size_t i = 0;
    const struct hub_route *route = find(h, r->path, &i);
    bool ok = enter(h, route, r, reply) && route && route->accept;
    if (ok) ok = route->accept(h, r, reply);
    reply->headers = headers(h);
    return ok;
}

void *hub_http_open(void *ud, struct server_peer *p, const struct server_request *r) {
    size_t i = 0;
    return find(ud, r->path, &i)->open(ud, p, r);
}
