/* SPDX-License-Identifier: MIT
 *
 * Channels of Pusher's protocol as rooms: names, subscriptions with their signatures, and who is
 * present. A refusal names the channel (pusher:subscription_error), so that the client knows which
 * of its subscriptions failed; the line stays.
 */
#include "base/json.h"
#include "base/mem.h"
#include "hub/hub_pusher.h"

#define PRESENCE "presence-"
#define TO_USER "#server-to-user-"

/* --- names --- */

static bool is_dialect_room(const struct hub *h, struct ln_str nsp) {
    return h->opts.dialect && ln_str_is(nsp, "/");
}

bool hub_channel_is_guarded(struct ln_str name) {
    return ln_str_starts(name, "private-") || ln_str_starts(name, PRESENCE) ||
           ln_str_starts(name, TO_USER);
}

struct ln_str hub_channel_room(const struct hub *h, struct ln_str nsp, struct ln_str name,
                               unsigned *faces) {
    const size_t n = sizeof PRESENCE - 1;
    bool is_presence = ln_str_starts(name, PRESENCE) && name.n > n;
    if (faces) *faces = is_presence ? PUSHER_PRESENCE_FACE : 0;
    if (!is_presence || !is_dialect_room(h, nsp)) return name;
    return (struct ln_str){name.p + n, name.n - n};
}

unsigned hub_channel_face(struct ln_str channel) {
    return ln_str_starts(channel, PRESENCE) ? PUSHER_PRESENCE_FACE : PUSHER_CHANNEL;
}

bool hub_channel_name(const struct hub *h, struct ln_str nsp, struct ln_str room, unsigned face,
                      struct ln_buf *out) {
    bool is_dialect = is_dialect_room(h, nsp);
    if (!is_dialect && hub_channel_face(room) != face) return false;
    if (is_dialect && face == PUSHER_PRESENCE_FACE) ln_buf_puts(out, PRESENCE);
    ln_buf_str(out, room);
    return true;
}

bool hub_member_has(const struct hub_member *m, unsigned face) {
    return face == PUSHER_CHANNEL ? m->is_channel : m->is_occupant;
}

/* --- users --- */

void hub_user_id_json(struct ln_buf *out, const struct hub_user *u) {
    if (u->is_number)
        ln_buf_puts(out, u->id);
    else
        ln_json_quote(out, ln_str(u->id));
}

void hub_user_info_json(struct ln_buf *out, const struct hub_user *u) {
    if (u->info) {
        ln_buf_puts(out, u->info);
        return;
    }
    ln_buf_puts(out, "{\"name\":");
    ln_json_quote(out, ln_str(u->name));
    ln_buf_putc(out, '}');
}

bool hub_user_info_ok(struct ln_str info) {
    return info.n <= PUSHER_MAX_INFO && hub_depth_ok(info);
}

void hub_pusher_rename(struct hub_user *u) {
    struct ln_str key, value, old = ln_str(u->info);
    struct ln_buf out = {0};
    if (ln_json_peek(old) != LN_JSON_OBJECT) return;
    ln_buf_puts(&out, "{\"name\":");
    ln_json_quote(&out, ln_str(u->name));
    for (size_t at = 0; ln_json_each(old, &at, &key, &value);) {
        if (ln_str_is(key, "name")) continue;
        ln_buf_fmt(&out, ",\"%.*s\":%.*s", LN_FMT(key), LN_FMT(value));
    }
    ln_buf_putc(&out, '}');
    ln_free(u->info);
    u->info = ln_str_dup(ln_buf_get(&out));
    ln_buf_free(&out);
}

static bool is_seen_anywhere(const struct hub_client *c) {
    LN_LIST_EACH (&c->memberships, it, tmp)
        if (LN_CONTAINER(it, struct hub_member, of_client)->is_occupant) return true;
    return false;
}

bool hub_pusher_identify(struct hub_client *c, struct ln_str id, bool is_number,
                         struct ln_str info) {
    struct ln_buf text = {0};
    struct ln_str raw = ln_json_get(info, "name"), name = id;
    if (c->user && !ln_str_is(id, c->user->id)) {
        if (is_seen_anywhere(c)) return false;
        hub_user_quit(c, HUB_LEAVE_CLIENT);
    }
    if (raw.p && ln_json_text(raw, &text)) name = ln_buf_get(&text);
    if (!hub_text_ok(name, 1, HUB_MAX_NAME, HUB_MAX_NAME * 4)) name = NONE;
    if (!c->user) hub_user_enter_as(c, id, name);
    struct hub_user *u = c->user;
    if (u->lines == 1) { /* nobody else says who this is */
        ln_free(u->info);
        u->info = NULL;
        u->is_number = is_number;
        if (name.n > 0 && !ln_str_is(name, u->name)) hub_user_rename(u, name);
        if (info.p && ln_json_peek(info) != LN_JSON_NULL) u->info = ln_str_dup(info);
    }
    ln_buf_free(&text);
    return true;
}

/* --- subscribing --- */

struct ask { /* a subscription that is asked for */
    struct hub_client *c;
    struct ln_buf channel, auth, channel_data;
    struct ln_str nsp, name, room;
    unsigned face;
    int status; /* of a refusal */
    const char *type;
    struct ln_err why;
};

static bool refuse(struct ask *a, const char *type, int status, const char *words) {
    a->type = type;
    a->status = status;
    ln_fail(&a->why, LN_REFUSED, "%s", words);
    return false;
}

static bool unauthorized(struct ask *a, const char *words) {
    return refuse(a, "AuthError", 401, words);
}

static void tell_refusal(struct ask *a) {
    struct ln_buf data = {0};
    ln_buf_fmt(&data, "{\"type\":\"%s\",\"error\":", a->type);
    ln_json_quote(&data, ln_str(a->why.text));
    ln_buf_fmt(&data, ",\"status\":%d}", a->status);
    hub_pusher_send(a->c->line, "pusher:subscription_error", a->name, ln_buf_get(&data), false);
    ln_buf_free(&data);
}

/* A member that is a text or not there (or null); false: it is something else. */
static bool get_text(struct ln_str data, const char *key, struct ln_buf *out) {
    struct ln_str raw = ln_json_get(data, key);
    return !raw.p || ln_json_peek(raw) == LN_JSON_NULL || ln_json_text(raw, out);
}

static bool check_name(struct ask *a) {
    const struct hub *h = a->c->line->hub;
    bool is_own_name = a->face == PUSHER_PRESENCE_FACE && a->room.n < a->name.n;
    if (!pusher_channel_ok(a->name) || (is_own_name && a->room.n > HUB_MAX_ROOM))
        return refuse(a, "InvalidChannel", 400,
                      "a channel's name has 1 to 200 letters, digits and _-=@,.; and a room's 100");
    /* What is sent to a client by its id must not come here; nor one channel into another. */
    if (hub_room_is_client(h, a->name) || (is_own_name && hub_channel_is_guarded(a->room)) ||
        ln_str_is(a->name, PRESENCE))
        return refuse(a, "InvalidChannel", 400, "that name is taken");
    return true;
}

static bool check_signature(struct ask *a) {
    const struct pusher_app *app = a->c->line->pusher->app;
    struct ln_str parts[] = {ln_str(a->c->sid), a->name, ln_buf_get(&a->channel_data)};
    if (pusher_verify(ln_buf_get(&a->auth), ln_str(app->key), ln_str(app->secret), parts,
                      a->channel_data.n > 0 ? 3 : 2))
        return true;
    return unauthorized(a, a->auth.n > 0 ? "the signature is not right for this channel"
                                         : "this channel needs a signature");
}

static bool may_subscribe(struct ask *a) {
    switch (pusher_kind(a->name)) {
    case PUSHER_USER: {
        const size_t n = sizeof TO_USER - 1;
        if (ln_str_starts(a->name, TO_USER) &&
            hub_signed_in_as(a->c, (struct ln_str){a->name.p + n, a->name.n - n}))
            return true;
        return unauthorized(a, "this channel is for the user of that id, who has signed in");
    }
    case PUSHER_PUBLIC:
        return check_name(a);
    default:
        return check_name(a) && check_signature(a);
    }
}

/* --- presence --- */

/* Who is to be present, from the signed text or from the signin: {user_id or id, user_info}. */
static bool enter_presence(struct ask *a, struct ln_str doc, const char *id_key) {
    struct ln_buf id = {0};
    struct ln_str raw = ln_json_get(doc, id_key), info = ln_json_get(doc, "user_info");
    bool is_number = raw.p && ln_json_peek(raw) == LN_JSON_NUMBER;
    const struct hub_room *r = hub_room_get(a->c->line->hub, a->nsp, a->room);
    bool good = false;
    if (is_number) ln_buf_str(&id, raw);
    if (!is_number && raw.p) (void)ln_json_text(raw, &id);
    if (!hub_text_ok(ln_buf_get(&id), 1, PUSHER_MAX_ID, PUSHER_MAX_ID))
        unauthorized(a, "\"user_id\" must be a text or a number of at most 128 bytes");
    else if (!hub_user_info_ok(info))
        unauthorized(a, "\"user_info\" has more than 1024 bytes, or more than 64 levels");
    else if (r && r->occupants.count >= PUSHER_MAX_MEMBERS &&
             !ln_map_get(&r->occupants, ln_buf_get(&id)))
        refuse(a, "LimitReached", 4100, "a presence channel has at most 100 members");
    else if (!hub_pusher_identify(a->c, ln_buf_get(&id), is_number, info))
        unauthorized(a, "this connection is another user in other channels");
    else
        good = true;
    ln_buf_free(&id);
    return good;
}

static bool check_presence(struct ask *a) {
    struct ln_str doc = ln_buf_get(&a->channel_data);
    const struct pusher_line *p = a->c->line->pusher;
    if (doc.n == 0 && p->user) return enter_presence(a, ln_buf_get(&p->user_data), "id");
    if (ln_json_peek(doc) != LN_JSON_OBJECT || !ln_json_valid(doc, NULL))
        return unauthorized(a, "a presence channel needs \"channel_data\", a JSON object");
    return enter_presence(a, doc, "user_id");
}

static void presence_json(const struct hub_room *r, struct ln_buf *out) {
    struct ln_buf hash = {0};
    void *value;
    size_t i = 0;
    ln_buf_puts(out, "{\"presence\":{\"ids\":[");
    while (ln_map_next(&r->occupants, &i, NULL, &value)) {
        const struct hub_user *u = ((struct hub_occupant *)value)->user;
        if (hash.n > 0) {
            ln_buf_putc(out, ',');
            ln_buf_putc(&hash, ',');
        }
        hub_user_id_json(out, u);
        ln_json_quote(&hash, ln_str(u->id));
        ln_buf_putc(&hash, ':');
        hub_user_info_json(&hash, u);
    }
    ln_buf_fmt(out, "],\"hash\":{%.*s},\"count\":%u}}", LN_FMT(ln_buf_get(&hash)),
               r->occupants.count);
    ln_buf_free(&hash);
}

/* --- in and out --- */

static void tell_success(const struct ask *a, const struct hub_room *r) {
    struct ln_buf data = {0};
    if (a->face == PUSHER_PRESENCE_FACE)
        presence_json(r, &data);
    else
        ln_buf_puts(&data, "{}");
    hub_pusher_send(a->c->line, "pusher_internal:subscription_succeeded", a->name,
                    ln_buf_get(&data), true);
    ln_buf_free(&data);
    if (pusher_is_cache(a->name)) hub_cache_send(a->c, a->name);
}

/* Where c is, when it has that channel. */
static struct hub_member *find(const struct ask *a) {
    const struct hub_room *r = hub_room_get(a->c->line->hub, a->nsp, a->room);
    struct hub_member *m = r ? hub_member_get(a->c, r) : NULL;
    return m && hub_member_has(m, a->face) ? m : NULL;
}

static bool enter(struct ask *a) {
    bool created, is_presence = a->face == PUSHER_PRESENCE_FACE;
    if (is_presence && !check_presence(a)) return false;
    struct hub_room *r = hub_room_enter(a->c, a->room, &created, &a->why);
    if (!r) {
        a->type = "LimitReached";
        a->status = 4100;
        return false;
    }
    struct hub_member *m = hub_member_get(a->c, r);
    if (is_presence)
        hub_occupy(m);
    else
        m->is_channel = true;
    return true;
}

/* False: it names no channel. */
static bool ask_init(struct ask *a, struct hub_client *c, struct ln_str data) {
    *a = (struct ask){.c = c, .nsp = ln_str(c->nsp)};
    bool good = ln_json_peek(data) == LN_JSON_OBJECT && get_text(data, "channel", &a->channel) &&
                get_text(data, "auth", &a->auth) &&
                get_text(data, "channel_data", &a->channel_data);
    a->name = ln_buf_get(&a->channel);
    a->face = hub_channel_face(a->name);
    a->room = hub_channel_room(c->line->hub, a->nsp, a->name, NULL);
    return good && a->name.n > 0 && a->name.n <= 4 * PUSHER_MAX_CHANNEL; /* more is not echoed */
}

static void ask_free(struct ask *a) {
    ln_buf_free(&a->channel);
    ln_buf_free(&a->auth);
    ln_buf_free(&a->channel_data);
}

void hub_channel_subscribe(struct hub_client *c, struct ln_str data) {
    struct ask a;
    struct hub_member *m;
    if (!ask_init(&a, c, data))
        hub_pusher_error(c->line, 4200, "Invalid message format");
    else if ((m = find(&a)))
        tell_success(&a, m->room); /* again: as Reverb and soketi answer */
    else if (may_subscribe(&a) && enter(&a))
        tell_success(&a, find(&a)->room);
    else
        tell_refusal(&a);
    ask_free(&a);
}

void hub_channel_unsubscribe(struct hub_client *c, struct ln_str data) {
    struct ask a;
    struct hub_member *m;
    if (!ask_init(&a, c, data)) {
        hub_pusher_error(c->line, 4200, "Invalid message format");
    } else if ((m = find(&a))) {
        if (a.face == PUSHER_PRESENCE_FACE)
            hub_vacate(c, m->room, HUB_LEAVE_CLIENT, true);
        else
            m->is_channel = false;
        if (!m->is_channel && !m->is_occupant) hub_room_leave(c, m->room);
    }
    ask_free(&a);
}
