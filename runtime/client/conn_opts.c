/* SPDX-License-Identifier: MIT
 *
 * Options of a connection: defaults, copies, comparison, and what conn_open refuses. One table
 * tells which fields are owned strings, so that nothing is forgotten in one of the functions.
 */
#include "base/text.h"
#include "client/inside.h"
#include "client/line.h"
#include "wire/http.h"
#include "wire/proxy.h"

char conn_root[] = "/";

#define AT(field) offsetof(struct conn_opts, field)
static const size_t strings[] = {AT(url),
                                 AT(protocol),
                                 AT(path),
                                 AT(auth),
                                 AT(query),
                                 AT(headers),
                                 AT(tls.ca),
                                 AT(tls.cert),
                                 AT(tls.key),
                                 AT(tls.server_name),
                                 AT(tls.passphrase),
                                 AT(tls.pin),
                                 AT(proxy),
                                 AT(refresh_event),
                                 AT(codec_event),
                                 AT(subprotocols),
                                 AT(heartbeat_text),
                                 AT(key),
                                 AT(cluster),
                                 AT(secret),
                                 AT(auth_endpoint),
                                 AT(user_auth_endpoint),
                                 AT(channel_prefix)};
#undef AT

static char **string_at(const struct conn_opts *o, size_t i) {
    return (char **)(void *)((char *)(uintptr_t)o + strings[i]);
}

void conn_opts_init(struct conn_opts *o) {
    *o = (struct conn_opts){
        .autoconnect = true,
        .reconnection = true,
        .reconnection_attempts = -1,
        .backoff = {.min_ms = 1000,
                    .max_ms = 5000,
                    .late_max_ms = 30000,
                    .factor = 0.5,
                    .stable_ms = 10000},
        .timeout_ms = 20000,
        .ack_timeout_ms = 10000,
        .max_message = 16u << 20,
        .max_attachments = SIO_MAX_ATTACHMENTS,
        .offline = OFFLINE_QUEUE,
        .offline_ttl_ms = 300000,
        .offline_max = 1000,
        .history = 100,
        .transports = {TRANSPORT_WEBSOCKET, TRANSPORT_POLLING},
        .upgrade = true,
        .heartbeat_ms = 30000,
        .activity_timeout_ms = 120000,
        .pong_timeout_ms = 30000,
    };
}

void conn_opts_free(struct conn_opts *o) {
    for (size_t i = 0; i < LN_COUNT(strings); i++) {
        ln_free(*string_at(o, i));
        *string_at(o, i) = NULL;
    }
}

void conn_opts_copy(struct conn_opts *to, const struct conn_opts *from) {
    *to = *from;
    for (size_t i = 0; i < LN_COUNT(strings); i++)
        if (*string_at(to, i)) *string_at(to, i) = ln_strdup(*string_at(to, i));
}

static bool same_backoff(const struct backoff *a, const struct backoff *b) {
    return a->min_ms == b->min_ms && a->max_ms == b->max_ms && a->late_max_ms == b->late_max_ms &&
           a->stable_ms == b->stable_ms && a->factor == b->factor;
}

bool conn_opts_same(const struct conn_opts *a, const struct conn_opts *b) {
    for (size_t i = 0; i < LN_COUNT(strings); i++) {
        const char *x = *string_at(a, i), *y = *string_at(b, i);
        if ((!x || !y) ? x != y : strcmp(x, y) != 0) return false;
    }
#define SAME(field) (a->field == b->field)
    return SAME(auth_asked) && SAME(query_asked) && SAME(headers_asked) && SAME(autoconnect) &&
           SAME(reconnection) && SAME(reconnection_attempts) &&
           same_backoff(&a->backoff, &b->backoff) && SAME(timeout_ms) && SAME(ack_timeout_ms) &&
           SAME(retries) && SAME(tls.insecure) && SAME(compress) && SAME(max_message) &&
           SAME(max_attachments) && SAME(offline) && SAME(offline_ttl_ms) && SAME(offline_max) &&
           SAME(history) && SAME(transports[0]) && SAME(transports[1]) && SAME(upgrade) &&
           SAME(refresh_every_ms) && SAME(refresh_before_ms) && SAME(codec) && SAME(heartbeat_ms) &&
           SAME(auth_json) && SAME(authorizer_asked) && SAME(signin) && SAME(activity_timeout_ms) &&
           SAME(pong_timeout_ms) && SAME(leave_grace_ms);
#undef SAME
}

void conn_opts_settle(struct conn_opts *o) {
    struct conn_opts d;
    conn_opts_init(&d);
#define DEFAULT(field)                                                                             \
    if (o->field <= 0) o->field = d.field
    DEFAULT(backoff.min_ms);
    DEFAULT(backoff.max_ms);
    DEFAULT(timeout_ms);
    DEFAULT(max_attachments);
    DEFAULT(offline_ttl_ms);
    DEFAULT(activity_timeout_ms);
    DEFAULT(pong_timeout_ms);
    if (o->heartbeat_ms == 0) o->heartbeat_ms = d.heartbeat_ms; /* negative: none */
    if (o->transports[0] == TRANSPORT_NONE)
        memcpy(o->transports, d.transports, sizeof d.transports);
    if (o->ack_timeout_ms == 0) o->ack_timeout_ms = d.ack_timeout_ms; /* negative: none */
    if (o->max_message == 0) o->max_message = d.max_message;
    if (o->offline_max == 0) o->offline_max = d.offline_max;
#undef DEFAULT
}

/* --- checking what a connection is opened with --- */

/* A JSON object whose values are plain; names and values of headers must fit into a head. */
static bool check_flat(struct ln_str doc, const char *option, struct ln_err *err) {
    struct ln_str key, value;
    if (ln_json_peek(doc) != LN_JSON_OBJECT || !ln_json_valid(doc, NULL)) {
        ln_fail(err, LN_INVALID, "%s must be a table of names and texts", option);
        return false;
    }
    for (size_t pos = 0; ln_json_each(doc, &pos, &key, &value);) {
        enum ln_json_type t = ln_json_peek(value);
        if (t != LN_JSON_ARRAY && t != LN_JSON_OBJECT && t != LN_JSON_NULL) continue;
        ln_fail(err, LN_INVALID, "%s.%.*s must be a text", option, LN_FMT(key));
        return false;
    }
    return true;
}

/* As another control character: C strings would hide it from who looks for these. */
static void zeros_shown(struct ln_buf *text) {
    for (size_t i = 0; i < text->n; i++)
        if (text->p[i] == '\0') text->p[i] = '\1';
}

/* As the request will be written: a name that is none would fail at every attempt. What holds a
 * zero byte would end there. */
static bool check_heads(struct ln_str json, struct ln_err *err) {
    struct ln_str key, value;
    bool ok = true;
    for (size_t pos = 0; ok && ln_json_each(json, &pos, &key, &value);) {
        struct ln_buf name = {0}, text = {0};
        if (!ln_json_unescape(key, &name)) ln_buf_str(&name, key);
        line_json_text(value, &text);
        zeros_shown(&name);
        zeros_shown(&text);
        struct http_header h = {ln_buf_cstr(&name), ln_buf_cstr(&text)};
        ok = http_check_request("host", "/", &h, 1, err);
        ln_buf_free(&name);
        if (text.n) explicit_bzero(text.p, text.n);
        ln_buf_free(&text);
    }
    return ok;
}

bool conn_opts_flat(struct ln_str json, bool is_headers, struct ln_err *err) {
    if (!is_headers) return check_flat(json, "query", err);
    return check_flat(json, "headers", err) && check_heads(json, err);
}

/* ws://host/app/KEY?protocol=7…, as a browser's tools show it: nothing else looks like that. */
static bool is_pushers_address(const struct url *url) {
    return strstr(url->path, "/app/") && url->query &&
           (ln_str_starts(ln_str(url->query), "protocol=") || strstr(url->query, "&protocol="));
}

static const struct proto *proto_find(const char *name, const struct url *url, struct ln_err *err) {
    static const struct proto *const protos[] = {&proto_sio, &proto_pusher, &proto_raw};
    bool is_auto = !name || strcmp(name, "auto") == 0;
    bool is_plain = url->scheme[0] == 'w' && strcmp(url->path, "/ws") == 0; /* as on our own hub */
    if (is_auto) name = is_plain ? proto_raw.name : proto_sio.name;
    if (is_auto && (strncmp(url->scheme, "pusher", 6) == 0 || is_pushers_address(url)))
        name = proto_pusher.name;
    for (size_t i = 0; i < LN_COUNT(protos); i++)
        if (strcmp(protos[i]->name, name) == 0) return protos[i];
    ln_fail(err, LN_INVALID, "unknown protocol '%s'; there are socketio, pusher and ws", name);
    return NULL;
}

void conn_opts_url(const struct conn *c, struct url *url) {
    struct ln_err err;
    url_parse(url, ln_str(c->url), &err);
}

/* /socket.io and /socket.io/: the address that browsers show, and the namespace of no server. An
 * engine's path of any other name may well be a namespace, too. */
static bool is_engines(const char *path, const char *engine) {
    static const char last[] = "/socket.io";
    size_t n = strlen(path), m = strlen(engine), k = sizeof last - 1;
    n -= n > 1 && path[n - 1] == '/';
    m -= m > 1 && engine[m - 1] == '/';
    return n == m && n >= k && memcmp(path, engine, n) == 0 && memcmp(path + n - k, last, k) == 0;
}

/* Where a URL's path is the namespace. */
static bool check_nsp(const struct url *url, const char *path, char **nsp, struct ln_err *err) {
    if (is_engines(url->path, path ? path : "/socket.io/")) {
        ln_fail(
            err, LN_INVALID,
            "the URL's path is the namespace, and '%s' is the engine's: leave it out of the URL",
            url->path);
        return false;
    }
    if (strchr(url->path, ',')) {
        ln_fail(err, LN_INVALID, "a namespace (the URL's path) cannot hold a comma: %s", url->path);
        return false;
    }
    *nsp = url->path[0] && url->path[1] ? ln_strdup(url->path) : conn_root;
    return true;
}

/* Options that mean something to one protocol only, given to another: nobody shall wonder why they
 * change nothing. A value that is the default says nothing either way. */
static bool check_used(const struct conn_opts *given, const struct proto *proto,
                       struct ln_err *err) {
    struct conn_opts d, settled = *given; /* the strings stay theirs */
    const struct conn_opts *o = &settled;
    conn_opts_init(&d);
    conn_opts_settle(&settled);
    const struct {
        const char *option;
        const struct proto *only;
        bool is_set;
    } rows[] = {
        {"upgrade", &proto_sio, o->upgrade != d.upgrade},
        {"codec", &proto_raw, o->codec != d.codec || o->codec_event},
        {"heartbeat", &proto_raw, o->heartbeat_ms != d.heartbeat_ms || o->heartbeat_text},
        {"subprotocols", &proto_raw, o->subprotocols},
        {"key", &proto_pusher, o->key},
        {"cluster", &proto_pusher, o->cluster},
        {"secret", &proto_pusher, o->secret},
        {"auth_endpoint", &proto_pusher, o->auth_endpoint},
        {"auth_format", &proto_pusher, o->auth_json},
        {"user_auth_endpoint", &proto_pusher, o->user_auth_endpoint},
        {"authorizer", &proto_pusher, o->authorizer_asked},
        {"channel_prefix", &proto_pusher, o->channel_prefix},
        {"signin", &proto_pusher, o->signin},
        {"activity_timeout", &proto_pusher, o->activity_timeout_ms != d.activity_timeout_ms},
        {"pong_timeout", &proto_pusher, o->pong_timeout_ms != d.pong_timeout_ms},
    };
    for (size_t i = 0; i < LN_COUNT(rows); i++) {
        if (!rows[i].is_set || rows[i].only == proto) continue;
        ln_fail(err, LN_INVALID, "protocol %s has no use for %s: it is an option of %s",
                proto->name, rows[i].option, rows[i].only->name);
        return false;
    }
    if (proto->has_polling || o->transports[0] != TRANSPORT_POLLING) return true;
    ln_fail(err, LN_INVALID, "protocol %s goes over a WebSocket only: transports cannot be polling",
            proto->name);
    return false;
}

static bool check_proxy(const char *option, struct ln_err *err) {
    struct proxy p;
    struct ln_err why;
    if (!option || !*option || strcmp(option, "none") == 0) return true;
    if (!proxy_parse(&p, ln_str(option), &why)) {
        ln_fail(err, LN_INVALID, "proxy: %s", why.text);
        return false;
    }
    proxy_free(&p);
    return true;
}

bool conn_opts_check(const struct conn_opts *o, char **nsp, const struct proto **proto,
                     struct ln_err *err) {
    struct url url;
    if (o->path && o->path[0] != '/') {
        ln_fail(err, LN_INVALID, "path must begin with '/': it is the server's engine path");
        return false;
    }
    struct ln_str auth = ln_str(o->auth);
    if (auth.n > 0 && (ln_json_peek(auth) != LN_JSON_OBJECT || !ln_json_valid(auth, NULL))) {
        ln_fail(err, LN_INVALID, "auth must be a table with names as keys");
        return false;
    }
    if (o->query && !conn_opts_flat(ln_str(o->query), false, err)) return false;
    if (o->headers && !conn_opts_flat(ln_str(o->headers), true, err)) return false;
    if (!check_proxy(o->proxy, err)) return false;
    if ((o->refresh_every_ms || o->refresh_before_ms) && !o->auth_asked) {
        ln_fail(err, LN_INVALID, "refresh asks auth again: auth must be a function");
        return false;
    }
    if (!url_parse(&url, ln_str(o->url), err)) return false;
    *proto = proto_find(o->protocol, &url, err);
    *nsp = conn_root;
    bool ok = *proto && check_used(o, *proto, err) &&
              (!(*proto)->check || (*proto)->check(o, &url, err)) &&
              (!(*proto)->carries_many || check_nsp(&url, o->path, nsp, err));
    url_free(&url);
    return ok;
}
