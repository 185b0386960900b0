/* SPDX-License-Identifier: MIT
 *
 * Options of a connection that belong to its line: transports, TLS, proxy, tokens, and those of raw
 * WebSocket and Pusher. Rows for conn_options.c.
 */
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/conn_options.h"

#define TEXT(name, field)                                                                          \
    static bool set_##name(struct conn_opts *o, struct ln_str json, struct ln_err *err) {          \
        (void)err;                                                                                 \
        return conn_option_text(&o->field, json);                                                  \
    }
#define FLAG(name, field)                                                                          \
    static bool set_##name(struct conn_opts *o, struct ln_str json, struct ln_err *err) {          \
        (void)err;                                                                                 \
        return ln_json_bool(json, &o->field);                                                      \
    }
#define MS(name, field)                                                                            \
    static bool set_##name(struct conn_opts *o, struct ln_str json, struct ln_err *err) {          \
        (void)err;                                                                                 \
        return json_duration(json, &o->field) && o->field > 0;                                     \
    }
FLAG(upgrade, upgrade)
FLAG(compress, compress)
FLAG(signin, signin)
TEXT(key, key)
TEXT(secret, secret)
TEXT(auth_endpoint, auth_endpoint)
TEXT(user_auth_endpoint, user_auth_endpoint)
TEXT(channel_prefix, channel_prefix)
MS(activity_timeout, activity_timeout_ms)
MS(pong_timeout, pong_timeout_ms)
MS(leave_grace, leave_grace_ms)

static void set_string(char **to, const char *text) {
    ln_free(*to);
    *to = ln_strdup(text);
}

static bool set_transports(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    size_t pos = 0, n = 0;
    struct ln_str item;
    if (ln_json_peek(json) != LN_JSON_ARRAY) return false;
    o->transports[0] = o->transports[1] = TRANSPORT_NONE;
    while (ln_json_each(json, &pos, NULL, &item)) {
        enum conn_transport t = ln_str_is(item, "\"websocket\"") ? TRANSPORT_WEBSOCKET
                                : ln_str_is(item, "\"polling\"") ? TRANSPORT_POLLING
                                                                 : TRANSPORT_NONE;
        if (t == TRANSPORT_NONE) {
            ln_fail(err, LN_INVALID,
                    "unknown transport %.*s: there are \"websocket\" and \"polling\"",
                    (int)LN_MIN(item.n, 40), item.p);
            return false;
        }
        if (n == 2 || o->transports[0] == t) {
            ln_fail(err, LN_INVALID, "option 'transports' names one transport twice");
            return false;
        }
        o->transports[n++] = t;
    }
    return n > 0;
}

static bool set_proxy(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)err;
    if (ln_json_peek(json) != LN_JSON_FALSE) return conn_option_text(&o->proxy, json);
    set_string(&o->proxy, "none");
    return true;
}

/* --- tls --- */

static bool set_tls_text(char const **to, struct ln_str json) {
    char *text = (char *)(uintptr_t)*to;
    bool ok = conn_option_text(&text, json);
    *to = text;
    return ok;
}

static bool set_tls(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    static const char *const names[] = {"ca",          "cert", "key",        "verify",
                                        "server_name", "pin",  "passphrase", NULL};
    const char **texts[] = {&o->tls.ca,          &o->tls.cert, &o->tls.key,       NULL,
                            &o->tls.server_name, &o->tls.pin,  &o->tls.passphrase};
    size_t pos = 0;
    struct ln_str key, value;
    if (ln_json_peek(json) != LN_JSON_OBJECT) return false;
    while (ln_json_each(json, &pos, &key, &value)) {
        bool verify = true;
        size_t i = 0;
        while (names[i] && !ln_str_is(key, names[i]))
            i++;
        if (!names[i]) {
            conn_option_unknown("tls.", key, names, err);
            return false;
        }
        if (!(texts[i] ? set_tls_text(texts[i], value) : ln_json_bool(value, &verify))) {
            ln_fail(err, LN_INVALID, "option 'tls.%s' must be %s", names[i],
                    texts[i] ? "a string" : "true or false");
            return false;
        }
        if (!texts[i]) o->tls.insecure = !verify;
    }
    return true;
}

/* --- tokens --- */

static bool set_refresh(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    static const char *const names[] = {"every", "before", "event", NULL};
    size_t pos = 0;
    struct ln_str key, value;
    if (ln_json_peek(json) != LN_JSON_OBJECT) return false;
    while (ln_json_each(json, &pos, &key, &value)) {
        if (ln_str_is(key, "event")) {
            if (conn_option_text(&o->refresh_event, value)) continue;
            ln_fail(err, LN_INVALID, "option 'refresh.event' must be the name of an event");
            return false;
        }
        bool is_every = ln_str_is(key, "every");
        if (!is_every && !ln_str_is(key, "before")) {
            conn_option_unknown("refresh.", key, names, err);
            return false;
        }
        int64_t *ms = is_every ? &o->refresh_every_ms : &o->refresh_before_ms;
        if (json_duration(value, ms) && *ms >= 1000) continue;
        ln_fail(err, LN_INVALID, "option 'refresh.%s' must be a duration of at least a second",
                is_every ? "every" : "before");
        return false;
    }
    if (o->refresh_every_ms || o->refresh_before_ms) return true;
    ln_fail(err, LN_INVALID, "option 'refresh' needs 'every' or 'before'");
    return false;
}

/* --- raw WebSocket --- */

static bool set_codec(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    static const char *const names[] = {"event", "decode", "encode", NULL};
    size_t pos = 0;
    struct ln_str key, value;
    if (ln_json_peek(json) == LN_JSON_OBJECT) { /* functions are taken out by the script's side */
        while (ln_json_each(json, &pos, &key, &value)) {
            if (ln_str_is(key, "event") && conn_option_text(&o->codec_event, value)) continue;
            if (ln_str_is(key, "event"))
                ln_fail(err, LN_INVALID, "option 'codec.event' must be the name of a field");
            else
                conn_option_unknown("codec.", key, names, err);
            return false;
        }
        return true;
    }
    if (ln_str_is(json, "\"json\""))
        o->codec = CODEC_JSON;
    else if (ln_str_is(json, "\"text\""))
        o->codec = CODEC_TEXT;
    else
        return false;
    return true;
}

static bool set_subprotocols(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    size_t pos = 0;
    struct ln_str item;
    struct ln_buf all = {0};
    (void)err;
    if (ln_json_peek(json) == LN_JSON_STRING) return conn_option_text(&o->subprotocols, json);
    if (ln_json_peek(json) != LN_JSON_ARRAY) return false;
    bool ok = true;
    while (ok && ln_json_each(json, &pos, NULL, &item)) {
        if (all.n) ln_buf_puts(&all, ", ");
        ok = ln_json_text(item, &all);
    }
    ln_buf_cstr(&all);
    ln_free(o->subprotocols);
    o->subprotocols = ln_buf_take(&all, NULL);
    return ok;
}

static bool set_heartbeat(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    static const char *const names[] = {"every", "message", NULL};
    size_t pos = 0;
    struct ln_str key, value;
    if (ln_json_peek(json) == LN_JSON_FALSE) {
        o->heartbeat_ms = -1;
        return true;
    }
    if (ln_json_peek(json) != LN_JSON_OBJECT)
        return json_duration(json, &o->heartbeat_ms) && o->heartbeat_ms >= 1000;
    while (ln_json_each(json, &pos, &key, &value)) {
        bool is_every = ln_str_is(key, "every");
        if (is_every && json_duration(value, &o->heartbeat_ms) && o->heartbeat_ms >= 1000) continue;
        if (ln_str_is(key, "message")) {
            if (conn_option_text(&o->heartbeat_text, value)) continue;
            ln_free(o->heartbeat_text); /* a table: sent as JSON */
            o->heartbeat_text = ln_str_dup(value);
            continue;
        }
        if (is_every)
            ln_fail(err, LN_INVALID, "option 'heartbeat.every' must be at least a second");
        else
            conn_option_unknown("heartbeat.", key, names, err);
        return false;
    }
    return true;
}

/* --- Pusher --- */

static bool set_auth_format(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)err;
    o->auth_json = ln_str_is(json, "\"json\"");
    return o->auth_json || ln_str_is(json, "\"form\"");
}

/* Of Pusher's own service: says the host, where no URL does. */
static bool set_cluster(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    struct ln_buf url = {0};
    (void)err;
    if (!conn_option_text(&o->cluster, json)) return false;
    size_t n = strspn(o->cluster, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (n == 0 || o->cluster[n]) return false;
    if (o->url) return true;
    ln_buf_fmt(&url, "pushers://ws-%s.pusher.com", o->cluster);
    ln_buf_cstr(&url);
    o->url = ln_buf_take(&url, NULL);
    return true;
}

/* A function, which never comes here. */
static bool set_authorizer(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)o, (void)json, (void)err;
    return false;
}

static const struct conn_option options[] = {
    {"transports", "a list such as {\"websocket\", \"polling\"}", set_transports, false},
    {"upgrade", "true or false", set_upgrade, false},
    {"compress", "true or false", set_compress, false},
    {"proxy", "a URL, \"none\" or false", set_proxy, true},
    {"tls", "a table", set_tls, false},
    {"refresh", "a table such as {every = \"4m\"}", set_refresh, false},
    {"codec", "\"json\", \"text\" or a table", set_codec, false},
    {"subprotocols", "a string or a list of strings", set_subprotocols, false},
    {"heartbeat", "a duration of at least a second, a table, or false", set_heartbeat, false},
    {"key", "a string", set_key, false},
    {"cluster", "a string such as \"eu\"", set_cluster, false},
    {"secret", "a string", set_secret, true},
    {"auth_endpoint", "a URL or a path", set_auth_endpoint, true},
    {"auth_format", "\"form\" or \"json\"", set_auth_format, false},
    {"user_auth_endpoint", "a URL or a path", set_user_auth_endpoint, true},
    {"authorizer", "a function", set_authorizer, true},
    {"channel_prefix", "a string such as \"presence-\"", set_channel_prefix, false},
    {"signin", "true or false", set_signin, false},
    {"activity_timeout", "a duration such as \"2m\"", set_activity_timeout, false},
    {"pong_timeout", "a duration such as \"30s\"", set_pong_timeout, false},
    {"leave_grace", "a duration such as \"10s\"", set_leave_grace, false},
};

const struct conn_option *conn_option_more(size_t i) {
    return i < LN_COUNT(options) ? &options[i] : NULL;
}
