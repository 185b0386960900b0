/* SPDX-License-Identifier: MIT
 *
 * What Pusher's subscribers get of an event that goes to a room: its first argument, double
 * encoded, on each channel of theirs that the room is; of the dialect's notices what their protocol
 * has for them (member_added, member_removed, client events).
 */
#include "base/crypt.h"
#include "base/crypt_box.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "hub/hub_pusher.h"

/* --- events --- */

/* What only the holders of the channel's key can read: {"nonce","ciphertext"}. */
static bool seal(const struct pusher_app *app, struct ln_str channel, struct ln_str plain,
                 struct ln_buf *out) {
    unsigned char key[LN_BOX_KEY], nonce[LN_BOX_NONCE];
    struct ln_buf box = {0};
    if (!app->has_master) {
        ln_log(LN_WARN, "hub",
               "an event for %.*s was dropped: its app has no encryption_master_key",
               LN_FMT(channel));
        return false;
    }
    hub_app_shared_key(app, channel, key);
    ln_random_real(nonce, sizeof nonce);
    ln_box_seal(key, nonce, plain, &box);
    ln_wipe(key, sizeof key);
    ln_buf_puts(out, "{\"nonce\":\"");
    ln_base64_encode(out, nonce, sizeof nonce);
    ln_buf_puts(out, "\",\"ciphertext\":\"");
    ln_base64_encode(out, box.p, box.n);
    ln_buf_puts(out, "\"}");
    ln_buf_free(&box);
    return true;
}

bool hub_pusher_event(struct ln_buf *out, const struct pusher_app *app, struct ln_str channel,
                      struct ln_str name, struct ln_str args, struct ln_str data) {
    struct ln_str first = NONE;
    struct ln_buf sealed = {0};
    size_t at = 0;
    bool good = true;
    if (data.p) {
        pusher_write(out, name, channel, data, false, NONE);
        return true;
    }
    (void)sio_args_each(args, &at, &first);
    if (first.p && pusher_kind(channel) == PUSHER_ENCRYPTED) {
        good = seal(app, channel, first, &sealed);
        first = ln_buf_get(&sealed);
    }
    if (good) pusher_write(out, name, channel, first, true, NONE);
    ln_buf_free(&sealed);
    return good;
}

/* --- the dialect's notices --- */

/* The user whom a notice speaks of; it is seen in the room. */
static const struct hub_user *user_of(const struct hub_room *r, struct ln_str who) {
    struct ln_buf id = {0};
    struct ln_str raw = ln_json_get(who, "id");
    const struct hub_occupant *o = NULL;
    if (raw.p && ln_json_text(raw, &id)) o = ln_map_get(&r->occupants, ln_buf_get(&id));
    ln_buf_free(&id);
    return o ? o->user : NULL;
}

static void write_member(struct ln_buf *out, struct ln_str channel, bool is_join,
                         const struct hub_user *u) {
    struct ln_buf data = {0};
    ln_buf_puts(&data, "{\"user_id\":");
    hub_user_id_json(&data, u);
    if (is_join) {
        ln_buf_puts(&data, ",\"user_info\":");
        hub_user_info_json(&data, u);
    }
    ln_buf_putc(&data, '}');
    pusher_write(out,
                 is_join ? LN_STR("pusher_internal:member_added")
                         : LN_STR("pusher_internal:member_removed"),
                 channel, ln_buf_get(&data), true, NONE);
    ln_buf_free(&data);
}

void hub_whisper_write(struct ln_buf *out, struct ln_str name, struct ln_str channel,
                       struct ln_str data, const struct hub_user *u) {
    pusher_write(out, name, channel, data, false, NONE);
    if (!u) return;
    out->n--; /* the closing brace: ids are echoed as they came, perhaps as numbers */
    ln_buf_puts(out, ",\"user_id\":");
    hub_user_id_json(out, u);
    ln_buf_putc(out, '}');
}

/* message, typing, read, presence, as one of Pusher's clients would have sent it. */
static void write_notice(struct ln_buf *out, const struct hub_room *r, struct ln_str channel,
                         struct ln_str name, struct ln_str args) {
    static const char *const who[][2] = {
        {"message", "sender"}, {"typing", "user"}, {"read", "user"}, {"presence", "member"}};
    struct ln_str kind = ln_json_get(args, "kind");
    bool is_join = ln_str_is(kind, "\"join\""), is_leave = ln_str_is(kind, "\"leave\"");
    bool is_presence = ln_str_is(name, "presence");
    const struct hub_user *u = NULL;
    for (size_t i = 0; i < LN_COUNT(who); i++)
        if (ln_str_is(name, who[i][0])) u = user_of(r, ln_json_get(args, who[i][1]));
    if (is_presence && (is_join || is_leave)) {
        if (u) write_member(out, channel, is_join, u);
    } else if (r->hub->opts.dialect && ln_str_is(ln_str(r->nsp), "/")) {
        struct ln_buf event = {0};
        ln_buf_fmt(&event, "client-%.*s", LN_FMT(name));
        hub_whisper_write(out, ln_buf_get(&event), channel, args, u);
        ln_buf_free(&event);
    }
}

/* --- delivery --- */

static bool send_face(struct pusher_parcel *pp, unsigned face, struct ln_str name,
                      struct ln_str args, const struct hub_client *c) {
    const struct hub_room *r = pp->room;
    struct ln_buf *text = &pp->text[face == PUSHER_PRESENCE_FACE], channel = {0};
    if (text->n == 0 && hub_channel_name(r->hub, ln_str(r->nsp), ln_str(r->name), face, &channel)) {
        if (pp->is_notice)
            write_notice(text, r, ln_buf_get(&channel), name, args);
        else
            (void)hub_pusher_event(text, c->line->pusher->app, ln_buf_get(&channel), name, args,
                                   pp->data);
    }
    ln_buf_free(&channel);
    if (text->n > 0) hub_line_send(c->line, false, ln_buf_get(text));
    return text->n > 0;
}

static bool send_alone(struct ln_str name, struct ln_str args, const struct hub_client *c) {
    struct ln_buf text = {0};
    bool good = hub_pusher_event(&text, c->line->pusher->app, NONE, name, args, NONE);
    if (good) hub_line_send(c->line, false, ln_buf_get(&text));
    ln_buf_free(&text);
    return good;
}

bool hub_pusher_deliver(struct pusher_parcel *pp, struct ln_str name, struct ln_str args,
                        struct hub_client *c, const struct hub_member *m) {
    bool sent = false;
    if (!m) return send_alone(name, args, c);
    if (pp->room != m->room) {
        ln_buf_clear(&pp->text[0]);
        ln_buf_clear(&pp->text[1]);
        pp->room = m->room;
    }
    for (unsigned face = PUSHER_CHANNEL; face <= PUSHER_PRESENCE_FACE; face <<= 1) {
        bool is_meant =
            pp->is_notice ? face == PUSHER_PRESENCE_FACE : pp->faces == 0 || (pp->faces & face);
        if (is_meant && hub_member_has(m, face)) sent |= send_face(pp, face, name, args, c);
    }
    return sent;
}

void hub_pusher_parcel_free(struct pusher_parcel *pp) {
    ln_buf_free(&pp->text[0]);
    ln_buf_free(&pp->text[1]);
}
