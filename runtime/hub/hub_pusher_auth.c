/* SPDX-License-Identifier: MIT
 *
 * The endpoints that sign for clients: a private or presence channel, or a sign-in. Requests come
 * as a form or as JSON; who may have what is decided by hooks.authorize, now or later. Where nobody
 * decides, the built-in app signs for everybody, who is whom they say (as everywhere in the
 * dialect), and a configured one for nobody: but who has a token may sign in, and be present in
 * rooms of the dialect.
 */
#include "base/crypt.h"
#include "base/crypt_box.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "hub/hub_http.h"
#include "hub/hub_jwt.h"
#include "hub/hub_pusher.h"

const char hub_auth_later[] = "hub_pusher_auth.c"; /* server_reply.later of these requests */

struct hub_auth {        /* a request that is being decided */
    struct ln_list node; /* pusher_hub.auths */
    struct hub *hub;
    struct pusher_app *app;
    ln_id id, timer, request;
    struct server_reply *reply; /* NULL: it is answered later */
    bool is_signin;
    struct hub_grant *grant; /* its token, with opts.jwt; else NULL */
    struct ln_buf doc;       /* the request's fields, a JSON object */
    struct ln_buf socket_id, channel, origin;
};

/* --- the answer --- */

static void auth_free(struct hub_auth *a) {
    struct hub *h = a->hub;
    loop_timer_cancel(h->loop, a->timer);
    ln_slot_drop(&h->slots, a->id);
    ln_list_remove(&a->node);
    h->pusher->auth_count--;
    hub_grant_free(h, a->grant);
    ln_buf_free(&a->doc);
    ln_buf_free(&a->socket_id);
    ln_buf_free(&a->channel);
    ln_buf_free(&a->origin);
    ln_free(a);
}

void hub_auths_free(struct hub *h) {
    while (!ln_list_empty(&h->pusher->auths))
        auth_free(LN_CONTAINER(h->pusher->auths.next, struct hub_auth, node));
}

/* h->pusher->reply is the body; the request is over. */
static void answer(struct hub_auth *a, int status) {
    struct hub *h = a->hub;
    struct server_reply reply = {
        .status = status, .type = "application/json", .body = ln_buf_get(&h->pusher->reply)};
    if (a->reply) {
        hub_header(h, "Cache-Control", LN_STR("no-store"));
        *a->reply = reply;
    } else {
        /* false: its client went away */
        hub_http_answer(h, a->request, ln_buf_get(&a->origin), &reply);
    }
    auth_free(a);
}

void hub_json_error(struct ln_buf *out, const char *words) {
    ln_buf_clear(out);
    ln_buf_puts(out, "{\"error\":");
    ln_json_quote(out, ln_str(words));
    ln_buf_putc(out, '}');
}

static void fail(struct hub_auth *a, int status, const char *words) {
    hub_json_error(&a->hub->pusher->reply, words);
    answer(a, status);
}

/* --- who it is --- */

static struct hub_client *client_of(const struct hub_auth *a) {
    struct hub_client *c = ln_map_get(&a->hub->sids, ln_buf_get(&a->socket_id));
    return c && c->line->proto == HUB_PUSHER ? c : NULL;
}

/* A guest's name and id: those of the connection, if it has some. False: it is not connected. */
static bool guest(const struct hub_auth *a, struct ln_str name, struct ln_buf *id,
                  struct ln_buf *info) {
    struct hub_client *c = client_of(a);
    if (!c) return false;
    if (!c->user) hub_user_enter_as(c, NONE, name);
    hub_user_id_json(id, c->user);
    if (info->n == 0) hub_user_info_json(info, c->user);
    return true;
}

/* The first of two members that is a text or a number, as JSON. */
static void take_id(struct ln_str doc, struct ln_buf *id) {
    static const char *const keys[] = {"user_id", "id"};
    for (size_t i = 0; i < LN_COUNT(keys) && id->n == 0; i++) {
        struct ln_str raw = ln_json_get(doc, keys[i]);
        enum ln_json_type type = raw.p ? ln_json_peek(raw) : LN_JSON_NULL;
        if ((type == LN_JSON_STRING && raw.n > 2) || type == LN_JSON_NUMBER) ln_buf_str(id, raw);
    }
}

/* user_info as it is, or the text of a form that holds it; else {name}. */
static void take_info(struct ln_str doc, struct ln_buf *info) {
    struct ln_buf plain = {0};
    struct ln_str raw = ln_json_get(doc, "user_info"), name = ln_json_get(doc, "name");
    struct ln_str value = pusher_data(raw, &plain);
    if (raw.p && ln_json_peek(value) == LN_JSON_OBJECT)
        ln_buf_str(info, value);
    else if (name.p && ln_json_peek(name) == LN_JSON_STRING)
        ln_buf_fmt(info, "{\"name\":%.*s}", LN_FMT(name));
    ln_buf_free(&plain);
}

/* Fills both as JSON; user: what the script said. False: nobody said who it is. */
static bool who_is_it(const struct hub_auth *a, struct ln_str user, struct ln_buf *id,
                      struct ln_buf *info) {
    struct ln_buf name = {0};
    take_id(user, id);
    take_info(user, info);
    if (a->grant && id->n == 0) { /* whom its token says, and nobody else */
        ln_buf_str(id, hub_grant_sub(a->grant));
        if (info->n == 0) take_info(hub_grant_claims(a->grant), info);
        return id->n > 0;
    }
    if (id->n > 0 || !a->app->is_builtin) return id->n > 0;
    take_id(ln_buf_get(&a->doc), id);
    if (info->n == 0) take_info(ln_buf_get(&a->doc), info);
    if (id->n > 0) return true;
    struct ln_str raw = ln_json_get(ln_buf_get(info), "name");
    if (raw.p) (void)ln_json_text(raw, &name);
    bool is_name = hub_text_ok(ln_buf_get(&name), 1, HUB_MAX_NAME, HUB_MAX_NAME * 4);
    bool found = guest(a, is_name ? ln_buf_get(&name) : NONE, id, info);
    ln_buf_free(&name);
    return found;
}

/* --- signing --- */

static void add_auth(struct hub_auth *a, struct ln_buf *out, const struct ln_str *parts, size_t n) {
    ln_buf_clear(out);
    ln_buf_puts(out, "{\"auth\":\"");
    pusher_sign(out, ln_str(a->app->key), ln_str(a->app->secret), parts, n);
    ln_buf_putc(out, '"');
}

static void add_signed(struct ln_buf *out, const char *key, struct ln_str text) {
    ln_buf_fmt(out, ",\"%s\":", key);
    ln_json_quote(out, text);
}

static void sign_user(struct hub_auth *a, struct ln_str user, struct ln_str id,
                      struct ln_str info) {
    struct ln_buf *out = &a->hub->pusher->reply, data = {0};
    struct ln_str list = ln_json_get(user, "watchlist");
    if (!list.p && a->app->is_builtin) list = ln_json_get(ln_buf_get(&a->doc), "watchlist");
    bool is_text = ln_json_peek(id) == LN_JSON_STRING;
    ln_buf_fmt(&data, is_text ? "{\"id\":%.*s" : "{\"id\":\"%.*s\"", LN_FMT(id));
    if (info.n > 0) ln_buf_fmt(&data, ",\"user_info\":%.*s", LN_FMT(info));
    if (list.p && ln_json_peek(list) == LN_JSON_ARRAY)
        ln_buf_fmt(&data, ",\"watchlist\":%.*s", LN_FMT(list));
    ln_buf_putc(&data, '}');
    struct ln_str parts[] = {ln_buf_get(&a->socket_id), LN_STR(""), LN_STR("user"), LN_STR(""),
                             ln_buf_get(&data)};
    add_auth(a, out, parts, LN_COUNT(parts));
    add_signed(out, "user_data", ln_buf_get(&data));
    ln_buf_putc(out, '}');
    ln_buf_free(&data);
    answer(a, 200);
}

static void sign_presence(struct hub_auth *a, struct ln_str id, struct ln_str info) {
    struct ln_buf *out = &a->hub->pusher->reply, data = {0};
    ln_buf_fmt(&data, "{\"user_id\":%.*s", LN_FMT(id));
    if (info.n > 0) ln_buf_fmt(&data, ",\"user_info\":%.*s", LN_FMT(info));
    ln_buf_putc(&data, '}');
    struct ln_str parts[] = {ln_buf_get(&a->socket_id), ln_buf_get(&a->channel), ln_buf_get(&data)};
    add_auth(a, out, parts, LN_COUNT(parts));
    add_signed(out, "channel_data", ln_buf_get(&data));
    ln_buf_putc(out, '}');
    ln_buf_free(&data);
    answer(a, 200);
}

/* A private channel; a presence channel of a connection that has signed in. */
static void sign_plain(struct hub_auth *a) {
    struct ln_str parts[] = {ln_buf_get(&a->socket_id), ln_buf_get(&a->channel)};
    struct ln_buf *out = &a->hub->pusher->reply;
    add_auth(a, out, parts, LN_COUNT(parts));
    if (pusher_kind(parts[1]) == PUSHER_ENCRYPTED) {
        unsigned char key[LN_BOX_KEY];
        hub_app_shared_key(a->app, parts[1], key);
        ln_buf_puts(out, ",\"shared_secret\":\"");
        ln_base64_encode(out, key, sizeof key);
        ln_buf_putc(out, '"');
        ln_wipe(key, sizeof key);
    }
    ln_buf_putc(out, '}');
    answer(a, 200);
}

static void sign_somebody(struct hub_auth *a, struct ln_str user) {
    struct ln_buf id = {0}, info = {0};
    const struct hub_client *c = client_of(a);
    bool is_known = who_is_it(a, user, &id, &info);
    if (is_known && a->is_signin) {
        sign_user(a, user, ln_buf_get(&id), ln_buf_get(&info));
    } else if (is_known) {
        sign_presence(a, ln_buf_get(&id), ln_buf_get(&info));
    } else if (c && c->line->pusher->user && !a->is_signin) {
        sign_plain(a);
    } else {
        ln_log(hub_told(&a->hub->pusher->told_nobody, LN_WARN), "hub",
               "nobody was signed for: hub:on_auth must return {user_id = …}");
        fail(a, 403, "nobody said who this user is");
    }
    ln_buf_free(&id);
    ln_buf_free(&info);
}

/* --- the decision --- */

/* Is there more to know than who asks? Whoever has a token may be in the dialect's rooms; any other
 * channel may be somebody's secret. */
static bool needs_script(const struct hub_auth *a) {
    struct ln_str nsp = ln_str(a->app->nsp), channel = ln_buf_get(&a->channel);
    if (a->app->is_builtin) return false;
    if (!a->grant) return true;
    return !a->is_signin && hub_channel_room(a->hub, nsp, channel, NULL).n == channel.n;
}

static void decide(struct hub_auth *a, enum hub_consent consent, const char *message,
                   struct ln_str user) {
    enum pusher_kind kind = pusher_kind(ln_buf_get(&a->channel));
    if (consent == HUB_NOBODY && needs_script(a)) {
        ln_log(hub_told(&a->hub->pusher->told_undecided, LN_WARN), "hub",
               "a channel was refused: with the option hub.apps a script must say who may have "
               "it, with hub:on_auth");
        fail(a, 403, "this hub has no hub:on_auth that decides");
    } else if (consent == HUB_NO) {
        fail(a, 403, message ? message : "not allowed");
    } else if (a->is_signin || kind == PUSHER_PRESENCE) {
        sign_somebody(a, user);
    } else if (kind == PUSHER_ENCRYPTED && !a->app->has_master) {
        fail(a, 403, "the app has no encryption_master_key");
    } else {
        sign_plain(a);
    }
}

void hub_authorize(struct hub *h, ln_id ticket, enum hub_consent consent, const char *message,
                   struct ln_str user) {
    struct hub_auth *a = ln_slot_get(&h->slots, ticket, HUB_AUTH);
    if (a) decide(a, consent, message, user);
}

static void on_timeout(void *ud) {
    struct hub_auth *a = ud;
    a->timer = 0;
    decide(a, HUB_NO, "timeout", NONE);
}

static void write_request(const struct hub_auth *a, const struct server_request *r,
                          struct ln_buf *out) {
    static const char *const kinds[] = {"public", "private", "presence", "encrypted", "user"};
    struct ln_str channel = ln_buf_get(&a->channel);
    ln_buf_puts(out, "{\"socket_id\":");
    ln_json_quote(out, ln_buf_get(&a->socket_id));
    if (!a->is_signin) {
        ln_buf_puts(out, ",\"channel\":");
        ln_json_quote(out, channel);
    }
    ln_buf_fmt(out,
               ",\"kind\":\"%s\",\"app\":", a->is_signin ? "user" : kinds[pusher_kind(channel)]);
    ln_json_quote(out, ln_str(a->app->id));
    if (a->grant) ln_buf_fmt(out, ",\"claims\":%s", a->grant->claims);
    ln_buf_fmt(out, ",\"params\":%.*s,\"headers\":", LN_FMT(ln_buf_get(&a->doc)));
    hub_headers_json(out, r);
    ln_buf_putc(out, '}');
}

/* Asks who decides; the answer may come from within. */
static void ask(struct hub_auth *a, const struct server_request *r, struct server_reply *reply) {
    struct hub *h = a->hub;
    struct ln_buf request = {0};
    const char *why;
    ln_id id = a->id = ln_slot_put(&h->slots, a, HUB_AUTH);
    a->reply = reply;
    if (h->jwt)
        a->grant = hub_jwt_grant(h, ln_buf_get(&a->doc), r->header(r, "authorization"), &why);
    if (h->jwt && !a->grant) {
        fail(a, 401, hub_jwt_words(why)); /* clients ask for another token after a 401 */
        return;
    }
    if (!h->hooks.authorize) {
        decide(a, HUB_NOBODY, NULL, NONE);
        return;
    }
    write_request(a, r, &request);
    h->hooks.authorize(h->ud, id, ln_buf_get(&request));
    ln_buf_free(&request);
    if (!ln_slot_get(&h->slots, id, HUB_AUTH)) return; /* answered */
    a->reply = NULL;
    a->request = r->id;
    a->timer = loop_timer(h->loop, h->opts.connect_timeout_ms, on_timeout, a);
    reply->later = (void *)hub_auth_later;
}

/* --- requests --- */

/* The fields as a JSON object; false: the body is neither form nor JSON, or a deep one, which who
 * decides would not get. */
static bool read_body(const struct server_request *r, struct ln_buf *doc) {
    struct ln_str type = r->header(r, "content-type");
    bool is_json = ln_str_starts(type, "application/json");
    if (!is_json) {
        hub_query_json(doc, r->body);
        return true;
    }
    ln_buf_str(doc, r->body);
    return ln_json_peek(r->body) == LN_JSON_OBJECT && hub_depth_ok(r->body) &&
           ln_json_valid(r->body, NULL);
}

bool hub_socket_id_ok(struct ln_str id) {
    size_t dots = 0;
    for (size_t i = 0; i < id.n; i++) {
        if (id.p[i] == '.' && i > 0 && i + 1 < id.n)
            dots++;
        else if (id.p[i] < '0' || id.p[i] > '9')
            return false;
    }
    return dots == 1 && id.n <= 40;
}

/* NULL, or why this cannot be signed. */
static const char *read_fields(struct hub_auth *a, const struct server_request *r) {
    struct hub *h = a->hub;
    if (!read_body(r, &a->doc)) return "the body must be a form or a JSON object";
    struct ln_str socket_id = ln_json_get(ln_buf_get(&a->doc), "socket_id");
    struct ln_str channel = ln_json_get(ln_buf_get(&a->doc), "channel_name");
    if (!socket_id.p || !ln_json_text(socket_id, &a->socket_id) ||
        !hub_socket_id_ok(ln_buf_get(&a->socket_id)))
        return "socket_id must be that of a connection, such as 123.456";
    const struct hub_client *c = client_of(a);
    a->app = c ? c->line->pusher->app : &h->pusher->apps[0];
    if (a->is_signin) return NULL;
    if (!channel.p || !ln_json_text(channel, &a->channel) ||
        !pusher_channel_ok(ln_buf_get(&a->channel)))
        return "channel_name must be a channel's name";
    enum pusher_kind kind = pusher_kind(ln_buf_get(&a->channel));
    return kind == PUSHER_PUBLIC || kind == PUSHER_USER
               ? "only private and presence channels are signed"
               : NULL;
}

bool hub_pusher_auth_is(const struct hub *h, struct ln_str path) {
    static const char *const paths[] = {
        "/pusher/auth",      "/broadcasting/auth",      "/api/broadcasting/auth",
        "/pusher/user-auth", "/broadcasting/user-auth", "/api/broadcasting/user-auth"};
    (void)h;
    for (size_t i = 0; i < LN_COUNT(paths); i++)
        if (ln_str_is(path, paths[i])) return true;
    return false;
}

bool hub_pusher_auth(struct hub *h, const struct server_request *r, struct server_reply *reply) {
    struct hub_auth *a = ln_new(struct hub_auth);
    const char *why = NULL;
    a->hub = h;
    a->reply = reply;
    a->is_signin = memmem(r->path.p, r->path.n, "/user-auth", 10) != NULL;
    ln_list_init(&a->node);
    ln_list_push(&h->pusher->auths, &a->node);
    bool is_full = h->pusher->auth_count++ >= (size_t)h->opts.max_clients;
    ln_buf_str(&a->origin, r->origin);
    if (h->pusher->app_count == 0)
        fail(a, 403, "this hub has no apps: see the option hub.apps");
    else if (is_full) /* those who went away are still being decided */
        fail(a, 503, "too many requests are being decided");
    else if ((why = read_fields(a, r)))
        fail(a, 400, why);
    else
        ask(a, r, reply);
    return true;
}
