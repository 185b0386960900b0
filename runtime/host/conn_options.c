/* SPDX-License-Identifier: MIT
 *
 * The options of a connection, from JSON: the one reader for linnet.connect and linnet.cfg.lua, so
 * that both take the same names and say the same when one is wrong. conn_options_line.c has those
 * of transports, TLS and the protocols.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/conn_options.h"

#define MAX_OPTIONS 64

bool conn_option_text(char **to, struct ln_str json) {
    struct ln_buf text = {0};
    if (!ln_json_text(json, &text)) {
        ln_buf_free(&text);
        return false;
    }
    ln_buf_cstr(&text);
    ln_free(*to);
    *to = ln_buf_take(&text, NULL);
    return true;
}

void conn_option_unknown(const char *table, struct ln_str key, const char *const *names,
                         struct ln_err *err) {
    const char *near = ln_nearest(key, names);
    ln_fail(err, LN_INVALID, "unknown option '%s%.*s'%s%s%s%s", table, LN_FMT(key),
            near ? " (did you mean '" : "", near ? table : "", near ? near : "", near ? "'?)" : "");
}

static bool set_object(char **to, struct ln_str json) {
    if (ln_json_peek(json) != LN_JSON_OBJECT) return false;
    ln_free(*to);
    *to = ln_str_dup(json);
    return true;
}

static bool set_strings(char **to, struct ln_str json) {
    size_t pos = 0;
    struct ln_str key, value;
    if (ln_json_peek(json) != LN_JSON_OBJECT) return false;
    while (ln_json_each(json, &pos, &key, &value)) {
        enum ln_json_type t = ln_json_peek(value);
        if (t != LN_JSON_STRING && t != LN_JSON_NUMBER && t != LN_JSON_TRUE && t != LN_JSON_FALSE)
            return false;
    }
    return set_object(to, json);
}

static bool set_ms(int64_t *to, struct ln_str json) {
    return json_duration(json, to);
}

#define TEXT(field)                                                                                \
    static bool set_##field(struct conn_opts *o, struct ln_str json, struct ln_err *err) {         \
        (void)err;                                                                                 \
        return conn_option_text(&o->field, json);                                                  \
    }
#define MS(name, field)                                                                            \
    static bool set_##name(struct conn_opts *o, struct ln_str json, struct ln_err *err) {          \
        (void)err;                                                                                 \
        return set_ms(&o->field, json);                                                            \
    }
TEXT(url)
TEXT(path)
MS(delay, backoff.min_ms)
MS(timeout, timeout_ms)
MS(ack_timeout, ack_timeout_ms)

static bool set_delay_max(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)err;
    if (!set_ms(&o->backoff.max_ms, json)) return false;
    o->backoff.late_max_ms = LN_MAX(o->backoff.late_max_ms, o->backoff.max_ms);
    return true;
}

static bool set_protocol(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    static const char *const names[] = {"auto", "socketio", "pusher", "ws", NULL};
    if (!conn_option_text(&o->protocol, json)) return false;
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], o->protocol) == 0) return true;
    char meant[LN_MEANT];
    const char *near = ln_nearest(ln_str(o->protocol), names);
    ln_fail(err, LN_INVALID, "unknown protocol '%s'%s", o->protocol,
            near ? ln_meant(near, meant) : ": there are \"socketio\", \"pusher\" and \"ws\"");
    return false;
}

static bool set_auth(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)err;
    return set_object(&o->auth, json);
}
static bool set_query(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)err;
    return set_strings(&o->query, json);
}
static bool set_headers(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)err;
    return set_strings(&o->headers, json);
}
static bool set_autoconnect(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)err;
    return ln_json_bool(json, &o->autoconnect);
}
static bool set_reconnection(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)err;
    return ln_json_bool(json, &o->reconnection);
}
static bool set_attempts(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)err;
    return ln_json_int(json, &o->reconnection_attempts) && o->reconnection_attempts >= 0;
}
static bool set_retries(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    int64_t n;
    (void)err;
    if (!ln_json_int(json, &n) || n < 0 || n > 1000) return false;
    o->retries = (int)n;
    return true;
}
static bool set_history(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    int64_t n;
    (void)err;
    if (!ln_json_int(json, &n) || n < 0 || n > 100000) return false;
    o->history = (size_t)n;
    return true;
}

static bool set_factor(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    char text[40];
    (void)err;
    if (ln_json_peek(json) != LN_JSON_NUMBER || json.n >= sizeof text) return false;
    snprintf(text, sizeof text, "%.*s", LN_FMT(json));
    o->backoff.factor = strtod(text, NULL);
    return o->backoff.factor >= 0 && o->backoff.factor <= 1;
}

static bool offline_mode(struct conn_opts *o, struct ln_str json) {
    if (ln_str_is(json, "\"queue\""))
        o->offline = OFFLINE_QUEUE;
    else if (ln_str_is(json, "\"drop\""))
        o->offline = OFFLINE_DROP;
    else if (ln_str_is(json, "\"fail\""))
        o->offline = OFFLINE_FAIL;
    else
        return false;
    return true;
}

static bool set_offline(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    static const char *const names[] = {"mode", "ttl", "max", "persist", NULL};
    size_t pos = 0;
    struct ln_str key, value;
    if (ln_json_peek(json) != LN_JSON_OBJECT) return false;
    while (ln_json_each(json, &pos, &key, &value)) {
        int64_t n = 0;
        bool persist = false;
        if (ln_str_is(key, "mode")) {
            if (offline_mode(o, value)) continue;
            ln_fail(err, LN_INVALID,
                    "option 'offline.mode' must be \"queue\", \"drop\" or \"fail\"");
        } else if (ln_str_is(key, "ttl")) {
            if (json_duration(value, &o->offline_ttl_ms)) continue;
            ln_fail(err, LN_INVALID, "option 'offline.ttl' must be a duration such as \"5m\"");
        } else if (ln_str_is(key, "max")) {
            if (ln_json_int(value, &n) && n >= 0 && n <= 1000000) {
                o->offline_max = (size_t)n;
                continue;
            }
            ln_fail(err, LN_INVALID, "option 'offline.max' must be a whole number of messages");
        } else if (ln_str_is(key, "persist")) {
            if (ln_json_bool(value, &persist) && !persist) continue;
            ln_fail(err, LN_INVALID,
                    "option 'offline.persist' is not in this version: the outbox "
                    "is kept in memory");
        } else {
            conn_option_unknown("offline.", key, names, err);
        }
        return false;
    }
    return true;
}

/* A dialect is the Lua half's business: only its form is looked at here. */
static bool set_dialect(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)o;
    (void)err;
    return ln_json_peek(json) == LN_JSON_STRING || ln_json_peek(json) == LN_JSON_OBJECT;
}

static bool set_later(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    (void)o;
    (void)json;
    ln_fail(err, LN_INVALID, "is not in this version of linnet");
    return false;
}

static const struct conn_option options[] = {
    {"url", "a string", set_url, true},
    {"protocol", "\"auto\", \"socketio\", \"pusher\" or \"ws\"", set_protocol, false},
    {"path", "a string such as \"/socket.io/\"", set_path, false},
    {"auth", "a table or a function", set_auth, true},
    {"query", "a table of strings, or a function", set_query, true},
    {"headers", "a table of strings, or a function", set_headers, true},
    {"autoconnect", "true or false", set_autoconnect, false},
    {"reconnection", "true or false", set_reconnection, false},
    {"reconnection_attempts", "a whole number", set_attempts, false},
    {"reconnection_delay", "a duration such as 1 or \"500ms\"", set_delay, false},
    {"reconnection_delay_max", "a duration such as 5 or \"30s\"", set_delay_max, false},
    {"randomization_factor", "a number from 0 to 1", set_factor, false},
    {"timeout", "a duration such as 20 or \"20s\"", set_timeout, false},
    {"ack_timeout", "a duration such as 10 or \"10s\"", set_ack_timeout, false},
    {"retries", "a whole number from 0 to 1000", set_retries, false},
    {"offline", "a table", set_offline, false},
    {"history", "a whole number from 0 to 100000", set_history, false},
    {"dialect", "a name or a table", set_dialect, false},
    {"rate", "", set_later, false},
    {"dedupe", "", set_later, false},
};

static const struct conn_option *option_at(size_t i) {
    return i < LN_COUNT(options) ? &options[i] : conn_option_more(i - LN_COUNT(options));
}

static const struct conn_option *option_of(struct ln_str key) {
    const struct conn_option *o;
    for (size_t i = 0; (o = option_at(i)); i++)
        if (ln_str_is(key, o->name)) return o;
    return NULL;
}

/* How other clients and settings call it: people bring these names along. */
static const char *ours(struct ln_str key) {
    static const struct {
        const char *theirs, *ours;
    } rows[] = {
        {"host", "url"},
        {"hostname", "url"},
        {"port", "url"},
        {"scheme", "url"},
        {"server", "url"},
        {"wsHost", "url"},
        {"wsPort", "url"},
        {"wssPort", "url"},
        {"forceTLS", "url"},
        {"encrypted", "url"},
        {"namespace", "url"},
        {"nsp", "url"},
        {"wsPath", "path"},
        {"app_key", "key"},
        {"app_secret", "secret"},
        {"channelAuthorization", "auth_endpoint"},
        {"token", "auth"},
        {"bearerToken", "headers"},
        {"name", "auth"},
        {"extraHeaders", "headers"},
        {"cookies", "headers"},
        {"rejectUnauthorized", "tls.verify"},
        {"verify", "tls.verify"},
        {"insecure", "tls.verify"},
        {"ca", "tls.ca"},
        {"cert", "tls.cert"},
        {"protocols", "subprotocols"},
        {"enabledTransports", "transports"},
        {"rooms", "conn:join"},
        {"channels", "conn:join"},
        {"room", "conn:join"},
        {"channel", "conn:join"},
    };
    for (size_t i = 0; i < LN_COUNT(rows); i++)
        if (ln_word_is(key, rows[i].theirs)) return rows[i].ours;
    return NULL;
}

static void fail_unknown(struct ln_str key, struct ln_err *err) {
    if (ours(key)) {
        ln_fail(err, LN_INVALID, "unknown option '%.*s' (what it says goes into '%s')", LN_FMT(key),
                ours(key));
        return;
    }
    const char *names[MAX_OPTIONS + 1] = {0};
    const struct conn_option *o;
    for (size_t i = 0; i < MAX_OPTIONS && (o = option_at(i)); i++)
        names[i] = o->name;
    conn_option_unknown("", key, names, err);
}

/* What a value is, where the value itself may be a secret. */
static const char *type_words(struct ln_str json) {
    switch (ln_json_peek(json)) {
    case LN_JSON_STRING:
        return "a string";
    case LN_JSON_ARRAY:
        return "a list";
    case LN_JSON_OBJECT:
        return "a table";
    case LN_JSON_NUMBER:
        return "a number";
    default:
        return "true, false or nothing";
    }
}

bool conn_opts_from_json(struct conn_opts *o, struct ln_str json, struct ln_err *err) {
    size_t pos = 0;
    struct ln_str key, value;
    if (ln_json_peek(json) == LN_JSON_STRING)
        return conn_option_text(&o->url, json); /* name = "ws://…" */
    if (ln_json_peek(json) != LN_JSON_OBJECT) {
        ln_fail(err, LN_INVALID, "the options must be a table, not %s", type_words(json));
        return false;
    }
    while (ln_json_each(json, &pos, &key, &value)) {
        const struct conn_option *opt = option_of(key);
        if (!opt) {
            fail_unknown(key, err);
            return false;
        }
        struct ln_err why = {0};
        if (opt->set(o, value, &why)) continue;
        if (opt->set == set_later) {
            ln_fail(err, LN_INVALID, "option '%s' %s", opt->name, why.text);
        } else if (why.text[0]) {
            ln_fail(err, LN_INVALID, "%s", why.text);
        } else if (opt->is_private) {
            ln_fail(err, LN_INVALID, "option '%s' must be %s, not %s", opt->name, opt->wants,
                    type_words(value));
        } else {
            ln_fail(err, LN_INVALID, "option '%s' must be %s, not %.*s", opt->name, opt->wants,
                    (int)LN_MIN(value.n, 40), value.p);
        }
        return false;
    }
    return true;
}
