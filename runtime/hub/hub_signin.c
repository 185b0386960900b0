/* SPDX-License-Identifier: MIT
 *
 * Users of Pusher's protocol: signing in with a signed user_data, and watchlists: who names up to a
 * hundred users hears when the first line of one signs in and when the last goes.
 */
#include "base/json.h"
#include "base/mem.h"
#include "hub/hub_pusher.h"

/* --- who is signed in --- */

/* No control characters: ids are kept as C strings, and found again by these. */
static bool is_user_id(struct ln_str id) {
    return hub_text_ok(id, 1, PUSHER_MAX_ID, PUSHER_MAX_ID);
}

static void user_key(struct ln_buf *out, const struct pusher_app *app, struct ln_str id) {
    ln_buf_puts(out, app->nsp);
    ln_buf_putc(out, 0);
    ln_buf_str(out, id);
}

static struct pusher_user *user_find(const struct hub *h, const struct pusher_app *app,
                                     struct ln_str id) {
    struct ln_buf key = {0};
    user_key(&key, app, id);
    struct pusher_user *u = ln_map_get(&h->pusher->users, ln_buf_get(&key));
    ln_buf_free(&key);
    return u;
}

static struct pusher_user *user_get(struct hub *h, struct pusher_app *app, struct ln_str id) {
    struct pusher_user *u = user_find(h, app, id);
    struct ln_buf key = {0};
    if (u) return u;
    u = ln_new(struct pusher_user);
    u->hub = h;
    u->app = app;
    u->id = ln_str_dup(id);
    ln_list_init(&u->lines);
    ln_list_init(&u->watchers);
    user_key(&key, app, id);
    ln_map_set(&h->pusher->users, ln_buf_get(&key), u);
    ln_buf_free(&key);
    return u;
}

static void user_settle(struct pusher_user *u) {
    struct ln_buf key = {0};
    if (!ln_list_empty(&u->lines) || !ln_list_empty(&u->watchers)) return;
    user_key(&key, u->app, ln_str(u->id));
    ln_map_remove(&u->hub->pusher->users, ln_buf_get(&key));
    ln_buf_free(&key);
    ln_free(u->id);
    ln_free(u);
}

void hub_signin_free(struct hub *h) {
    ln_map_free(&h->pusher->users); /* its users went with the lines */
}

bool hub_signed_in_as(const struct hub_client *c, struct ln_str id) {
    const struct pusher_user *u = c->line->pusher->user;
    return u && ln_str_is(id, u->id);
}

/* --- watchlists --- */

static void write_list(struct hub_line *line, const char *name, struct ln_str ids) {
    struct ln_buf data = {0};
    ln_buf_fmt(&data, "{\"events\":[{\"name\":\"%s\",\"user_ids\":[%.*s]}]}", name, LN_FMT(ids));
    hub_pusher_send(line, "pusher_internal:watchlist_events", NONE, ln_buf_get(&data), true);
    ln_buf_free(&data);
}

static void tell_watchers(const struct pusher_user *u, const char *name) {
    struct ln_buf id = {0};
    ln_json_quote(&id, ln_str(u->id));
    LN_LIST_EACH (&u->watchers, it, tmp)
        write_list(LN_CONTAINER(it, struct pusher_watch, of_user)->line->line, name,
                   ln_buf_get(&id));
    ln_buf_free(&id);
}

static void watch(struct pusher_line *p, struct pusher_user *u) {
    struct pusher_watch *w = ln_new(struct pusher_watch);
    w->user = u;
    w->line = p;
    ln_list_init(&w->of_user);
    ln_list_init(&w->of_line);
    ln_list_push(&u->watchers, &w->of_user);
    ln_list_push(&p->watches, &w->of_line);
}

static void unwatch(struct pusher_watch *w) {
    struct pusher_user *u = w->user;
    ln_list_remove(&w->of_user);
    ln_list_remove(&w->of_line);
    ln_free(w);
    user_settle(u);
}

/* Watches the listed users, and says who of them is here. */
static void watch_all(struct pusher_line *p, struct ln_str list) {
    struct hub *h = p->line->hub;
    struct ln_buf here = {0};
    struct ln_str raw;
    size_t at = 0, count = 0;
    while (list.p && ln_json_peek(list) == LN_JSON_ARRAY && ln_json_each(list, &at, NULL, &raw)) {
        struct ln_buf id = {0};
        bool is_id = ln_json_text(raw, &id) && is_user_id(ln_buf_get(&id));
        if (is_id && ++count <= PUSHER_MAX_WATCHED) {
            struct pusher_user *u = user_get(h, p->app, ln_buf_get(&id));
            watch(p, u);
            if (!ln_list_empty(&u->lines)) {
                if (here.n > 0) ln_buf_putc(&here, ',');
                ln_json_quote(&here, ln_buf_get(&id));
            }
        }
        ln_buf_free(&id);
    }
    if (count > PUSHER_MAX_WATCHED)
        hub_pusher_error(p->line, 4302, "a watchlist has at most 100 users; the rest is left out");
    if (here.n > 0) write_list(p->line, "online", ln_buf_get(&here));
    ln_buf_free(&here);
}

/* --- signing in --- */

static void signed_in(struct hub_client *c, struct ln_str doc, struct ln_str id) {
    struct pusher_line *p = c->line->pusher;
    struct ln_str info = ln_json_get(doc, "user_info");
    struct ln_buf data = {0};
    struct pusher_user *u = user_get(c->line->hub, p->app, id);
    bool is_first = ln_list_empty(&u->lines);
    p->user = u;
    ln_list_push(&u->lines, &p->of_user);
    if (!c->user && hub_user_info_ok(info)) (void)hub_pusher_identify(c, id, false, info);
    ln_buf_puts(&data, "{\"user_data\":");
    ln_json_quote(&data, doc);
    ln_buf_putc(&data, '}');
    hub_pusher_send(c->line, "pusher:signin_success", NONE, ln_buf_get(&data), false);
    ln_buf_free(&data);
    if (is_first) tell_watchers(u, "online");
    watch_all(p, ln_json_get(doc, "watchlist"));
}

void hub_pusher_signed(struct hub_line *line, bool ok, const char *message) {
    struct pusher_line *p = line->pusher;
    struct hub_client *c = hub_line_client(line, ln_str(p->app->nsp));
    struct ln_str doc = ln_buf_get(&p->user_data);
    struct ln_buf id = {0};
    p->is_signing = false;
    if (ok && c && ln_json_text(ln_json_get(doc, "id"), &id))
        signed_in(c, doc, ln_buf_get(&id));
    else if (!ok)
        hub_pusher_end(line, HUB_LEAVE_SERVER, 4009, message);
    ln_buf_free(&id);
}

/* user_data is a JSON object with an id, and signed for this connection. */
static const char *why_not(const struct hub_client *c, struct ln_str auth, struct ln_str doc) {
    const struct pusher_app *app = c->line->pusher->app;
    struct ln_str parts[] = {ln_str(c->sid), LN_STR(""), LN_STR("user"), LN_STR(""), doc};
    struct ln_buf id = {0};
    const char *why = NULL;
    if (!pusher_verify(auth, ln_str(app->key), ln_str(app->secret), parts, LN_COUNT(parts))) {
        why = "the signature is not right for this sign-in";
    } else {
        bool is_object = ln_json_peek(doc) == LN_JSON_OBJECT && ln_json_valid(doc, NULL);
        struct ln_str raw = is_object ? ln_json_get(doc, "id") : NONE;
        if (!raw.p || !ln_json_text(raw, &id) || !is_user_id(ln_buf_get(&id)))
            why = "\"id\" in user_data must be a text of 1 to 128 bytes";
    }
    ln_buf_free(&id);
    return why;
}

void hub_signin(struct hub_client *c, struct ln_str data) {
    struct pusher_line *p = c->line->pusher;
    struct ln_buf auth = {0}, doc = {0};
    struct ln_str auth_raw = ln_json_get(data, "auth"), doc_raw = ln_json_get(data, "user_data");
    const char *why = NULL;
    if (!auth_raw.p || !ln_json_text(auth_raw, &auth) || !doc_raw.p ||
        !ln_json_text(doc_raw, &doc)) {
        hub_pusher_error(c->line, 4200, "Invalid message format");
    } else if (p->user || p->is_signing) {
        hub_pusher_error(c->line, 4009, "this connection has signed in already");
    } else if ((why = why_not(c, ln_buf_get(&auth), ln_buf_get(&doc)))) {
        hub_pusher_end(c->line, HUB_LEAVE_ERROR, 4009, why);
    } else {
        p->is_signing = true;
        ln_buf_clear(&p->user_data);
        ln_buf_str(&p->user_data, ln_buf_get(&doc));
        hub_client_ask(c, ln_buf_get(&p->user_data));
    }
    ln_buf_free(&auth);
    ln_buf_free(&doc);
}

/* --- the end --- */

void hub_signin_end(struct pusher_line *p) {
    struct pusher_user *u = p->user;
    while (!ln_list_empty(&p->watches))
        unwatch(LN_CONTAINER(p->watches.next, struct pusher_watch, of_line));
    if (!u) return;
    p->user = NULL;
    ln_list_remove(&p->of_user);
    if (ln_list_empty(&u->lines)) tell_watchers(u, "offline");
    user_settle(u);
}

void hub_signin_terminate(struct hub *h, struct pusher_app *app, struct ln_str id) {
    struct pusher_user *u = user_find(h, app, id);
    if (!u) return;
    LN_LIST_EACH (&u->lines, it, tmp)
        hub_pusher_end(LN_CONTAINER(it, struct pusher_line, of_user)->line, HUB_LEAVE_SERVER, 4009,
                       "You got disconnected by the app.");
}
