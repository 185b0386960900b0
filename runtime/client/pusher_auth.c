/* SPDX-License-Identifier: MIT
 *
 * Signatures. With the option `secret` they are made here; else a function of a script
 * (`authorizer`) or an endpoint is asked, one request at a time over a connection that is kept. The
 * endpoint gets what `auth` holds and the option `headers`, as they are at that moment: who has
 * functions for them is asked anew after a 401, once, before the refusal counts. A socket id is
 * good for one line only, so everything here ends with the line.
 */
#include "base/text.h"
#include "client/pusher_parts.h"
#include "client/token.h"
#include "client/where.h"
#include "io/http.h"

#define DEFAULT_ENDPOINT "/broadcasting/auth"

enum { FOR_CHANNELS, FOR_USERS };

struct asker { /* an endpoint */
    struct line *line;
    struct http *http;
    struct url url;
    const char *target; /* in the options or the URL */
};

struct ask {
    struct ln_list node; /* pusher.asks, or pusher.abroad */
    struct line *line;
    enum ask_what what;
    bool is_out;     /* its request is */
    bool is_void;    /* nobody wants the answer any more */
    bool was_again;  /* asked once more after a 401 */
    bool was_lost;   /* asked once more because a kept connection had ended */
    ln_id ticket;    /* of the function's question */
    conn_room_fn fn; /* what the authorizer asked for itself: conn_authorize */
    void *ud;
    size_t n;
    char channel[];
};

/* --- what is asked --- */

static struct ln_str channel_of(const struct ask *a) {
    return (struct ln_str){a->channel, a->n};
}

static void ask_free(struct ask *a) {
    ln_list_remove(&a->node);
    ln_free(a);
}

static void serve(struct line *ln);

/* Ends the ask; whoever hears it may do anything. */
static void answer(struct ask *a, struct ln_str json, const struct ln_err *err, int status) {
    struct line *ln = a->line;
    ln_list_remove(&a->node);
    if (a->fn)
        a->fn(a->ud, json, err);
    else if (a->what == ASK_USER)
        user_signed(ln, json, err, status);
    else if (a->what == ASK_KEY)
        box_key(ln, channel_of(a), json, err);
    else
        channel_signed(ln, channel_of(a), json, err, status);
    ln_free(a);
}

/* --- signing here --- */

/* {"user_id":…,"user_info":{…}} or {"id":…,"user_info":{…}}: by `auth`; without an id the name
 * serves, and without a name the socket. Of the name alone others are told, unless auth.user_info
 * says what: auth may hold a token. */
static void identity(const struct line *ln, const char *id_key, struct ln_buf *out) {
    const struct pusher *p = ln->priv;
    struct ln_str auth = token_auth(ln->root), name = ln_json_get(auth, "name");
    struct ln_str info = ln_json_get(auth, "user_info");
    static const char *const ids[] = {"user_id", "id", "name"};
    struct ln_buf id = {0};
    bool found = false;
    for (size_t i = 0; i < LN_COUNT(ids) && !found; i++)
        found = pusher_id_text(ln_json_get(auth, ids[i]), &id);
    ln_buf_fmt(out, "{\"%s\":", id_key);
    ln_json_quote(out, found ? ln_buf_get(&id) : ln_str(p->socket_id));
    ln_buf_puts(out, ",\"user_info\":");
    if (ln_json_peek(info) == LN_JSON_OBJECT) {
        ln_buf_str(out, info);
    } else if (ln_json_peek(name) == LN_JSON_STRING) {
        ln_buf_puts(out, "{\"name\":");
        ln_buf_str(out, name);
        ln_buf_putc(out, '}');
    } else {
        ln_buf_puts(out, "{}");
    }
    ln_buf_putc(out, '}');
    ln_buf_free(&id);
}

static void sign_here(struct ask *a, struct ln_str key, struct ln_str secret, struct ln_buf *json) {
    struct line *ln = a->line;
    const struct pusher *p = ln->priv;
    bool is_user = a->what == ASK_USER;
    bool is_presence = !is_user && pusher_kind(channel_of(a)) == PUSHER_PRESENCE;
    struct ln_buf data = {0}, auth = {0};
    if (is_user || is_presence) identity(ln, is_user ? "id" : "user_id", &data);
    struct ln_str parts[] = {ln_str(p->socket_id), channel_of(a), ln_buf_get(&data)};
    struct ln_str user[] = {parts[0], LN_STR(""), LN_STR("user"), LN_STR(""), parts[2]};
    if (is_user)
        pusher_sign(&auth, key, secret, user, LN_COUNT(user));
    else
        pusher_sign(&auth, key, secret, parts, is_presence ? 3 : 2);
    ln_buf_puts(json, "{\"auth\":");
    ln_json_quote(json, ln_buf_get(&auth));
    if (is_user || is_presence) {
        ln_buf_fmt(json, ",\"%s\":", is_user ? "user_data" : "channel_data");
        ln_json_quote(json, ln_buf_get(&data));
    }
    ln_buf_putc(json, '}');
    ln_buf_free(&data);
    ln_buf_free(&auth);
}

/* --- the endpoint --- */

static const char *endpoint_of(const struct conn_opts *o, int which) {
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
    const struct asker *s = ud;
    struct clients *cs = s->line->clients;
    struct conn *c = s->line->root;
    conn_where(c->opts, &s->url, cs->dial ? cs->dial(cs->dial_ud, c) : 0, o);
}

static struct asker *asker_of(struct line *ln, int which) {
    struct pusher *p = ln->priv;
    const char *endpoint = endpoint_of(line_opts(ln), which);
    if (p->askers[which]) return p->askers[which];
    struct asker *s = p->askers[which] = ln_new(struct asker);
    bool is_path = endpoint[0] == '/';
    struct ln_err err;
    s->line = ln;
    if (is_path)
        conn_opts_url(line_opts(ln), &s->url);
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

static void asker_free(struct asker *s) {
    if (!s) return;
    http_free(s->http);
    url_free(&s->url);
    ln_free(s);
}

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

static void write_body(const struct ask *a, bool is_json, struct ln_buf *out) {
    struct ln_str auth = token_auth(a->line->root), key, value;
    const struct pusher *p = a->line->priv;
    struct ln_buf fields = {0}, quoted = {0}, name = {0};
    ln_json_quote(&quoted, ln_str(p->socket_id));
    add_field(&fields, is_json, LN_STR("socket_id"), ln_buf_get(&quoted));
    ln_buf_clear(&quoted);
    ln_json_quote(&quoted, channel_of(a));
    if (a->what != ASK_USER)
        add_field(&fields, is_json, LN_STR("channel_name"), ln_buf_get(&quoted));
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

static void on_answer(void *ud, const struct http_answer *a, enum stream_phase phase,
                      const struct ln_err *err);

static void request(struct ask *a) {
    struct line *ln = a->line;
    int which = a->what == ASK_USER ? FOR_USERS : FOR_CHANNELS;
    const struct conn_opts *o = line_opts(ln);
    struct asker *s = asker_of(ln, which);
    const char *endpoint = endpoint_of(o, which);
    struct line_headers h = {0};
    struct ln_buf body = {0}, host = {0}, target = {0};
    line_add_header(&h, LN_STR("Content-Type"),
                    o->auth_json ? LN_STR("application/json")
                                 : LN_STR("application/x-www-form-urlencoded"));
    line_add_header(&h, LN_STR("Accept"), LN_STR("application/json"));
    line_option_headers(ln, NULL, &h);
    write_body(a, o->auth_json, &body);
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
    a->is_out = true;
    http_send(s->http, &r, on_answer, a);
    line_headers_free(&h);
    ln_buf_free(&body);
    ln_buf_free(&host);
    ln_buf_free(&target);
}

/* --- its answer --- */

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

static bool check_answer(const struct http_answer *a, struct ln_err *err) {
    struct ln_str body = {a->body, a->n};
    struct ln_buf words = {0};
    bool is_good = a->status >= 200 && a->status < 300;
    if (is_good && ln_json_peek(body) == LN_JSON_OBJECT && ln_json_valid(body, NULL)) return true;
    words_of(a, &words);
    if (is_good)
        ln_fail(err, LN_PROTOCOL, "auth endpoint: HTTP %d, but the answer is no JSON object",
                a->status);
    else if (a->status >= 300 && a->status < 400)
        ln_fail(err, LN_REFUSED,
                "auth endpoint: HTTP %d, a redirect (to a login page?): redirects are not followed",
                a->status);
    else
        ln_fail(err, pusher_status(a->status), "auth endpoint: HTTP %d%s", a->status,
                ln_buf_cstr(&words));
    ln_buf_free(&words);
    return false;
}

/* A token may have ended: 401, 403 and Laravel's 419. True: everybody waits for a new one. */
static bool renew(struct ask *a, int status) {
    struct conn *c = a->line->root;
    struct pusher *p = a->line->priv;
    bool is_token = status == 401 || status == 403 || status == 419;
    if (!is_token || a->was_again || a->what == ASK_USER || !token_asks(c)) return false;
    if (c->step < STEP_HANDLERS) return false;
    a->was_again = true;
    p->is_renewing = true;
    token_again(c);
    return true;
}

static bool was_kept_too_long(struct ask *a, enum stream_phase phase, const struct ln_err *err) {
    if (phase < PHASE_HTTP || err->code != LN_DISCONNECTED || a->was_lost) return false;
    a->was_lost = true;
    return true;
}

static void on_answer(void *ud, const struct http_answer *a, enum stream_phase phase,
                      const struct ln_err *err) {
    struct ask *ask = ud;
    struct line *ln = ask->line;
    struct ln_err why;
    ask->is_out = false;
    if (ask->is_void || !ln->root) {
        ask_free(ask);
    } else if (!a && was_kept_too_long(ask, phase, err)) {
        ln_log(LN_DEBUG, ln->root->tag, "auth endpoint: %s; asked again", err->text);
    } else if (!a) {
        ln_fail(&why, err->code, "auth endpoint: %s", err->text);
        answer(ask, (struct ln_str){0}, &why, 0);
    } else if (check_answer(a, &why)) {
        answer(ask, (struct ln_str){a->body, a->n}, NULL, a->status);
    } else if (!renew(ask, a->status)) {
        answer(ask, (struct ln_str){0}, &why, a->status);
    }
    if (ln->root) serve(ln);
}

/* --- in order --- */

static bool asks_function(const struct line *ln, const struct ask *a) {
    return line_opts(ln)->authorizer_asked && ln->clients->authorizer && a->what != ASK_USER &&
           !a->fn;
}

static void go_abroad(struct ask *a) {
    struct line *ln = a->line;
    struct pusher *p = ln->priv;
    struct clients *cs = ln->clients;
    ln_list_remove(&a->node);
    ln_list_push(&p->abroad, &a->node);
    a->ticket = ++cs->last_ticket;
    cs->authorizer(cs->authorizer_ud, ln->root, a->ticket, channel_of(a), ln_str(p->socket_id));
}

/* One that can go on now; NULL: none. */
static struct ask *next(const struct line *ln, bool signs) {
    struct pusher *p = ln->priv;
    LN_LIST_EACH (&p->asks, it, tmp) {
        struct ask *a = LN_CONTAINER(it, struct ask, node);
        const struct asker *s = p->askers[a->what == ASK_USER ? FOR_USERS : FOR_CHANNELS];
        bool is_free = !s || !http_busy(s->http);
        if (!a->is_out && (signs || is_free || asks_function(ln, a))) return a;
    }
    return NULL;
}

static void serve(struct line *ln) {
    struct pusher *p = ln->priv;
    struct ln_str key, secret;
    struct url u;
    struct ask *a;
    if (ln_list_empty(&p->asks)) return;
    conn_opts_url(line_opts(ln), &u);
    pusher_place(line_opts(ln), &u, &key, &secret);
    while (ln->root && p->is_open && !p->is_renewing && (a = next(ln, secret.n > 0))) {
        struct ln_buf json = {0};
        if (asks_function(ln, a)) {
            go_abroad(a);
        } else if (secret.n > 0) {
            sign_here(a, key, secret, &json);
            answer(a, ln_buf_get(&json), NULL, 0);
        } else {
            request(a);
        }
        ln_buf_free(&json);
    }
    url_free(&u);
}

static void on_serve(void *ud) {
    struct line *ln = ud;
    struct pusher *p = ln->priv;
    p->serve_timer = 0;
    if (ln->root) serve(ln);
}

static struct ask *ask_new(struct line *ln, enum ask_what what, struct ln_str channel) {
    struct pusher *p = ln->priv;
    struct ask *a = ln_alloc(sizeof *a + channel.n + 1);
    a->line = ln;
    a->what = what;
    a->n = channel.n;
    if (channel.n) memcpy(a->channel, channel.p, channel.n);
    ln_list_init(&a->node);
    ln_list_push(&p->asks, &a->node);
    /* Later: nobody is answered from inside of what he asks. */
    if (!p->serve_timer) p->serve_timer = loop_timer(ln->clients->loop, 0, on_serve, ln);
    return a;
}

void pusher_ask(struct line *ln, enum ask_what what, struct ln_str channel) {
    ask_new(ln, what, channel);
}

void pusher_ask_drop(struct line *ln, struct ln_str channel) {
    struct pusher *p = ln->priv;
    struct ln_list *const lists[] = {&p->asks, &p->abroad};
    for (size_t i = 0; i < LN_COUNT(lists); i++)
        LN_LIST_EACH (lists[i], it, tmp) {
            struct ask *a = LN_CONTAINER(it, struct ask, node);
            if (a->fn || !ln_str_eq(channel_of(a), channel)) continue;
            if (a->is_out)
                a->is_void = true;
            else
                ask_free(a);
        }
}

/* --- functions of scripts --- */

void pusher_auth_answer(struct conn *c, ln_id ticket, struct ln_str json,
                        const struct ln_err *err) {
    struct line *ln = c->line;
    struct pusher *p = ln ? ln->priv : NULL;
    struct ask *a = NULL;
    struct ln_err why;
    if (!p || !p->is_open) return;
    LN_LIST_EACH (&p->abroad, it, tmp)
        if (LN_CONTAINER(it, struct ask, node)->ticket == ticket)
            a = LN_CONTAINER(it, struct ask, node);
    if (!a) return;
    if (err) {
        answer(a, (struct ln_str){0}, err, 0);
    } else if (ln_json_peek(json) != LN_JSON_OBJECT || !ln_json_valid(json, NULL)) {
        ln_fail(&why, LN_INVALID, "the authorizer must return a table with the field 'auth'");
        answer(a, (struct ln_str){0}, &why, 0);
    } else {
        answer(a, json, NULL, 0);
    }
}

void clients_authorizer(struct clients *cs, conn_authorizer fn, void *ud) {
    cs->authorizer = fn;
    cs->authorizer_ud = ud;
}

bool conn_authorize(struct conn *c, struct ln_str channel, conn_room_fn fn, void *ud) {
    struct pusher *p = c->proto == &proto_pusher && c->line ? c->line->priv : NULL;
    if (!p || !p->is_open) return false;
    struct ask *a = ask_new(c->line, ASK_CHANNEL, channel);
    a->fn = fn;
    a->ud = ud;
    return true;
}

void pusher_auth_renewed(struct conn *c) {
    struct pusher *p = c->line ? c->line->priv : NULL;
    if (!p || !p->is_renewing) return;
    p->is_renewing = false;
    serve(c->line);
}

/* --- the end --- */

void pusher_asks_free(struct line *ln) {
    struct pusher *p = ln->priv;
    struct ln_list *const lists[] = {&p->asks, &p->abroad};
    struct ln_err err;
    ln_fail(&err, LN_DISCONNECTED, "the connection was lost");
    loop_timer_cancel(ln->clients->loop, p->serve_timer);
    p->serve_timer = 0;
    p->is_renewing = false;
    for (size_t i = 0; i < LN_COUNT(p->askers); i++) {
        asker_free(p->askers[i]);
        p->askers[i] = NULL;
    }
    for (size_t i = 0; i < LN_COUNT(lists); i++)
        while (lists[i]->next && !ln_list_empty(lists[i])) {
            struct ask *a = LN_CONTAINER(lists[i]->next, struct ask, node);
            conn_room_fn fn = a->fn;
            void *fn_ud = a->ud;
            ask_free(a);
            if (fn) fn(fn_ud, (struct ln_str){0}, &err);
        }
}
