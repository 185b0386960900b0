/* SPDX-License-Identifier: MIT
 *
 * Client events of Pusher's protocol. In a room of the dialect some of them are its own requests:
 * client-message, client-typing, client-read and client-presence reach everybody there, over any
 * protocol. All others go to the channel's other Pusher subscribers, data unchanged.
 */
#include "base/json.h"
#include "hub/hub_pusher.h"

/* --- may it --- */

/* One of the events that the client may send in a second. */
static bool charge(struct pusher_line *p) {
    const int rate = p->app->whisper_rate;
    uint64_t now = loop_now_ms(p->line->hub->loop);
    p->tokens += (double)(now - p->tokens_at_ms) * rate / 1000.0;
    p->tokens_at_ms = now;
    if (p->tokens > rate) p->tokens = rate;
    if (p->tokens < 1) return false;
    p->tokens -= 1;
    return true;
}

static const struct hub_member *find(const struct hub_client *c, struct ln_str channel) {
    const struct hub *h = c->line->hub;
    struct ln_str nsp = ln_str(c->nsp);
    const struct hub_room *r = hub_room_get(h, nsp, hub_channel_room(h, nsp, channel, NULL));
    const struct hub_member *m = r ? hub_member_get(c, r) : NULL;
    return m && hub_member_has(m, hub_channel_face(channel)) ? m : NULL;
}

/* NULL: it may. */
static const char *why_not(const struct hub_client *c, const struct pusher_msg *m,
                           const struct hub_member *member, int *code) {
    enum hub_whispers whispers = c->line->pusher->app->whispers;
    enum pusher_kind kind = pusher_kind(m->channel);
    *code = 4301;
    if (whispers == HUB_WHISPERS_NONE) return "the app takes no client events";
    if (m->event.n > PUSHER_MAX_EVENT) return "the event's name has more than 200 bytes";
    *code = 4009;
    if (!member) return "the client is not subscribed to that channel";
    *code = 4301;
    if (kind == PUSHER_ENCRYPTED) return "there are no client events on encrypted channels";
    if (kind == PUSHER_PRIVATE || kind == PUSHER_PRESENCE) return NULL;
    if (whispers == HUB_WHISPERS_ALL && kind == PUSHER_PUBLIC) return NULL;
    return "client events go on private and presence channels only";
}

/* --- requests of the dialect --- */

static void add_room(struct ln_buf *out, const struct hub_room *r) {
    ln_buf_puts(out, "\"room\":");
    ln_json_quote(out, ln_str(r->name));
    ln_buf_putc(out, '}');
}

/* The object with the room put in last: the last one of a name counts. */
static void with_room(struct ln_buf *out, struct ln_str object, const struct hub_room *r) {
    struct ln_str key, value;
    size_t at = 0;
    bool has_members = ln_json_each(object, &at, &key, &value);
    const char *end = memrchr(object.p, '}', object.n);
    ln_buf_str(out, (struct ln_str){object.p, (size_t)(end - object.p)});
    if (has_members) ln_buf_putc(out, ',');
    add_room(out, r);
}

static bool has(struct ln_str object, const char *key, enum ln_json_type type) {
    struct ln_str raw = ln_json_get(object, key);
    return raw.p && ln_json_peek(raw) == type;
}

/* Does this read as that request? What does not is a client event like any other. */
static bool reads_as(struct ln_str verb, struct ln_str value) {
    enum ln_json_type type = ln_json_peek(value);
    if (ln_str_is(verb, "typing") && type == LN_JSON_NULL) return true;
    if (type != LN_JSON_OBJECT) return false;
    if (ln_str_is(verb, "message"))
        return has(value, "text", LN_JSON_STRING) || has(value, "type", LN_JSON_STRING);
    if (ln_str_is(verb, "read")) return has(value, "ids", LN_JSON_ARRAY);
    if (ln_str_is(verb, "presence"))
        return has(value, "status", LN_JSON_STRING) || has(value, "text", LN_JSON_STRING);
    struct ln_str on = ln_json_get(value, "on");
    bool ignored;
    return !on.p || ln_json_bool(on, &ignored);
}

/* The request's argument into args; false: it is none. */
static bool as_request(struct ln_str verb, struct ln_str data, const struct hub_room *r,
                       struct ln_buf *args) {
    struct ln_buf plain = {0};
    struct ln_str value = pusher_data(data, &plain);
    bool is_text = ln_str_is(verb, "message") && data.p && ln_json_peek(data) == LN_JSON_STRING &&
                   ln_json_peek(value) != LN_JSON_OBJECT;
    bool is_one = is_text || reads_as(verb, value);
    if (is_text) {
        ln_buf_fmt(args, "{\"text\":%.*s,", LN_FMT(data));
        add_room(args, r);
    } else if (is_one) {
        with_room(args, ln_json_peek(value) == LN_JSON_OBJECT ? value : LN_STR("{}"), r);
    }
    ln_buf_free(&plain);
    return is_one;
}

static bool is_request(const struct hub_client *c, const struct hub_member *member,
                       struct ln_str verb) {
    static const char *const verbs[] = {"message", "typing", "read", "presence"};
    if (!c->line->hub->opts.dialect || !ln_str_is(ln_str(c->nsp), "/") || !member->is_occupant)
        return false;
    for (size_t i = 0; i < LN_COUNT(verbs); i++)
        if (ln_str_is(verb, verbs[i])) return true;
    return false;
}

static bool ask_dialect(struct hub_client *c, const struct pusher_msg *m,
                        const struct hub_member *member) {
    const size_t n = sizeof "client-" - 1;
    struct ln_str verb = {m->event.p + n, m->event.n - n};
    struct ln_buf args = {0};
    bool is_one = hub_channel_face(m->channel) == PUSHER_PRESENCE_FACE &&
                  is_request(c, member, verb) && as_request(verb, m->data, member->room, &args);
    if (is_one) {
        struct hub_event ev = {
            .nsp = ln_str(c->nsp), .name = verb, .args = ln_buf_get(&args), .ack = SIO_NO_ACK};
        hub_client_dispatch(c, &ev);
    }
    ln_buf_free(&args);
    return is_one;
}

/* --- all others --- */

static void pass_on(struct hub_client *c, const struct pusher_msg *m,
                    const struct hub_member *member) {
    unsigned face = hub_channel_face(m->channel);
    const struct hub_user *u = face == PUSHER_PRESENCE_FACE ? c->user : NULL;
    struct ln_buf out = {0};
    hub_whisper_write(&out, m->event, m->channel, m->data, u);
    LN_LIST_EACH (&member->room->members, it, tmp) {
        const struct hub_member *other = LN_CONTAINER(it, struct hub_member, of_room);
        if (other != member && other->client->line->proto == HUB_PUSHER &&
            hub_member_has(other, face))
            hub_line_send(other->client->line, false, ln_buf_get(&out));
    }
    ln_buf_free(&out);
}

/* Scripts see (data, {channel, user_id?}). */
static void tell_scripts(struct hub_client *c, const struct pusher_msg *m, bool is_present) {
    struct ln_buf args = {0}, plain = {0};
    ln_buf_str(&args, pusher_data(m->data, &plain));
    ln_buf_puts(&args, ",{\"channel\":");
    ln_json_quote(&args, m->channel);
    if (is_present) {
        ln_buf_puts(&args, ",\"user_id\":");
        hub_user_id_json(&args, c->user);
    }
    ln_buf_putc(&args, '}');
    struct hub_event ev = {
        .nsp = ln_str(c->nsp), .name = m->event, .args = ln_buf_get(&args), .ack = SIO_NO_ACK};
    hub_client_dispatch(c, &ev);
    ln_buf_free(&args);
    ln_buf_free(&plain);
}

void hub_whisper(struct hub_client *c, const struct pusher_msg *m) {
    const struct hub_member *member = find(c, m->channel);
    int code;
    const char *why = why_not(c, m, member, &code);
    if (!why && !charge(c->line->pusher)) {
        code = 4301;
        why = "too many client events";
    }
    if (why) {
        hub_pusher_error(c->line, code, why);
    } else if (!ask_dialect(c, m, member)) {
        if (m->data.n > PUSHER_MAX_DATA) {
            hub_pusher_error(c->line, 4301, "the event's data has more than 10240 bytes");
            return;
        }
        pass_on(c, m, member);
        tell_scripts(c, m, hub_channel_face(m->channel) == PUSHER_PRESENCE_FACE);
    }
}
