/* SPDX-License-Identifier: MIT
 *
 * Signatures. With the option `secret` they are made here; else a function of a script
 * (`authorizer`) or an endpoint is asked, one request at a time over a connection that is kept. The
 * endpoint gets what `auth` holds and the option `headers`, as they are at that moment: who has
 * functions for them is asked anew after a 401, once, before the refusal counts. A socket id is
 * good for one line only, so everything here ends with the line.
 */
#include "client/pusher_endpoint.h"
#include "client/pusher_parts.h"
#include "client/token.h"

struct ask {
    struct ln_list node; /* pusher.asks, or pusher.abroad */
    struct line *line;
    enum ask_what what;
    bool is_out;     /* its request is */
    bool is_void;    /* nobody wants the answer any more */
    bool was_again;  /* asked once more after a 401 */
    bool was_lost;   /* asked once more because a kept connection had ended */
    ln_id ticket;    /* of the function's question */
    int status;      /* with which its default failed, for the same channel; 0: it did not */
    conn_room_fn fn; /* what the authorizer asked for itself: conn_authorize */
    void *ud;
    size_t n;
    char channel[];
};

/* --- what is asked --- */

static struct ln_str channel_of(const struct ask *a) {
    return (struct ln_str){a->channel, a->n};
}

static enum endpoint_kind which_of(const struct ask *a) {
    return a->what == ASK_USER ? FOR_USERS : FOR_CHANNELS;
}

/* To who asked for himself, once the line is done with: he may go, and the line with him. */
static void tell_lost(void *ud) {
    struct ask *a = ud;
    struct ln_err err;
    ln_fail(&err, LN_DISCONNECTED, "the connection was lost");
    a->fn(a->ud, (struct ln_str){0}, &err);
    ln_free(a);
}

/* The line has no use for the answer any more. */
static void ask_end(struct ask *a) {
    ln_list_remove(&a->node);
    if (a->fn)
        loop_defer(a->line->clients->loop, tell_lost, a);
    else
        ln_free(a);
}

static void serve(struct line *ln);

/* Why the function whose default this was will fail, most likely. */
static void note_default(const struct ask *asked, int status) {
    const struct pusher *p = asked->line->priv;
    LN_LIST_EACH (&p->abroad, it, tmp) {
        struct ask *a = LN_CONTAINER(it, struct ask, node);
        if (ln_str_eq(channel_of(a), channel_of(asked))) a->status = status;
    }
}

/* Ends the ask; whoever hears it may do anything. */
static void answer(struct ask *a, struct ln_str json, const struct ln_err *err, int status) {
    struct line *ln = a->line;
    ln_list_remove(&a->node);
    if (a->fn) note_default(a, err ? status : 0);
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

/* --- what the endpoint says --- */

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
        ask_end(ask);
    } else if (!a && was_kept_too_long(ask, phase, err)) {
        ln_log(LN_DEBUG, ln->root->tag, "auth endpoint: %s; asked again", err->text);
    } else if (!a) {
        ln_fail(&why, err->code, "auth endpoint: %s", err->text);
        answer(ask, (struct ln_str){0}, &why, PUSHER_NO_ANSWER);
    } else if (endpoint_check(ln, which_of(ask), a, &why)) {
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
        if (a->is_out) continue;
        if (signs || asks_function(ln, a) || !endpoint_busy(p->endpoints[which_of(a)])) return a;
    }
    return NULL;
}

static void serve(struct line *ln) {
    struct pusher *p = ln->priv;
    struct ln_str key, secret;
    struct url u;
    struct ask *a;
    if (ln_list_empty(&p->asks)) return;
    conn_opts_url(line_lead(ln), &u);
    pusher_place(line_opts(ln), &u, &key, &secret);
    while (ln->root && p->is_open && !p->is_renewing && (a = next(ln, secret.n > 0))) {
        struct ln_buf json = {0};
        if (asks_function(ln, a)) {
            go_abroad(a);
        } else if (secret.n > 0) {
            sign_here(a, key, secret, &json);
            answer(a, ln_buf_get(&json), NULL, 0);
        } else {
            a->is_out = true;
            endpoint_post(ln, which_of(a), channel_of(a), on_answer, a);
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
                ask_end(a);
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
        answer(a, (struct ln_str){0}, err, a->status);
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
    loop_timer_cancel(ln->clients->loop, p->serve_timer);
    p->serve_timer = 0;
    p->is_renewing = false;
    endpoints_free(ln);
    for (size_t i = 0; i < LN_COUNT(lists); i++)
        while (lists[i]->next && !ln_list_empty(lists[i])) {
            struct ask *a = LN_CONTAINER(lists[i]->next, struct ask, node);
            ask_end(a);
        }
}
