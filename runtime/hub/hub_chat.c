/* SPDX-License-Identifier: MIT
 *
 * The requests of the `linnet` dialect (docs/hub.md), one function each: it checks all of its
 * arguments, acts, and adds to the answer `{"ok":true`. What it has no field for is passed on as it
 * came, byte for byte.
 */
#include "hub/hub_pusher.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define MAX_READ_IDS 1000
#define MAX_STATUS_TEXT 200 /* characters */
#define MAX_TYPE 50

struct ask { /* a request under way */
    struct hub *h;
    struct hub_client *c;
    struct ln_str doc; /* the first argument: a valid JSON object, or none */
    struct ln_buf *out;
    struct ln_err *err;
};

static bool fail(struct ask *a, ln_status code, const char *words) {
    ln_fail(a->err, code, "%s", words);
    return false;
}

/* --- arguments --- */

/* A text of the request; NULL-terminated in buf. False: missing, or not text. */
static bool get_text(struct ask *a, const char *key, struct ln_buf *buf) {
    struct ln_str raw = ln_json_get(a->doc, key);
    return raw.p && ln_json_text(raw, buf);
}

/* The room that is asked for. Its name is put into buf. */
static bool get_room_name(struct ask *a, struct ln_buf *buf) {
    if (!get_text(a, "room", buf)) return fail(a, LN_INVALID, "\"room\" must be a room's name");
    if (hub_channel_is_guarded(ln_buf_get(buf)))
        return fail(a, LN_FORBIDDEN, "that is a channel of Pusher's protocol, no room");
    if (hub_text_ok(ln_buf_get(buf), 1, HUB_MAX_ROOM, HUB_MAX_ROOM)) return true;
    return fail(a, LN_INVALID, "a room's name has 1 to 100 bytes, without control characters");
}

/* The room, when the client is in it. */
static struct hub_room *get_joined(struct ask *a) {
    struct ln_buf name = {0};
    struct hub_room *r = NULL;
    if (get_room_name(a, &name)) {
        r = hub_room_get(a->h, ln_str(a->c->nsp), ln_buf_get(&name));
        if (r && !hub_member_get(a->c, r)) r = NULL;
        if (!r) fail(a, LN_FORBIDDEN, "join the room first");
    }
    ln_buf_free(&name);
    return r;
}

static bool get_bool(struct ask *a, const char *key, bool *out) {
    struct ln_str raw = ln_json_get(a->doc, key);
    *out = true;
    return !raw.p || ln_json_bool(raw, out);
}

static void add_room(struct ln_buf *out, const struct hub_room *r) {
    ln_buf_puts(out, "\"room\":");
    ln_json_quote(out, ln_str(r->name));
}

/* --- requests --- */

static bool do_join(struct ask *a) {
    struct ln_buf name = {0};
    bool created = false;
    struct hub_room *r = NULL;
    if (!get_room_name(a, &name))
        r = NULL;
    else if (hub_room_is_client(a->h, ln_buf_get(&name)))
        fail(a, LN_FORBIDDEN, "that is a client's id, no room");
    else
        r = hub_room_enter(a->c, ln_buf_get(&name), &created, a->err);
    ln_buf_free(&name);
    if (!r) return false;
    ln_buf_putc(a->out, ',');
    add_room(a->out, r);
    ln_buf_puts(a->out, ",\"members\":");
    hub_members_json(a->out, r);
    ln_buf_puts(a->out, ",\"history\":");
    hub_room_history(r, a->h->opts.history, a->out);
    ln_buf_fmt(a->out, ",\"created\":%s", created ? "true" : "false");
    return true;
}

static bool do_leave(struct ask *a) {
    struct hub_room *r = get_joined(a);
    if (!r) return false;
    hub_vacate(a->c, r, HUB_LEAVE_CLIENT, true);
    hub_room_leave(a->c, r);
    return true;
}

/* Keys that the hub writes itself. */
static const char *const message_keys[] = {"id", "room", "text", "type", "time", "sender", NULL};
static const char *const notice_keys[] = {"room", "user", "on", "ids", NULL};

static bool is_own_key(struct ln_str key, const char *const *own) {
    struct ln_buf plain = {0};
    bool found = false;
    if (memchr(key.p, '\\', key.n) && ln_json_unescape(key, &plain)) key = ln_buf_get(&plain);
    for (; *own; own++)
        found = found || ln_str_is(key, *own);
    ln_buf_free(&plain);
    return found;
}

static void add_other_fields(struct ask *a, struct ln_buf *out, const char *const *own) {
    struct ln_str key, value;
    size_t at = 0;
    while (ln_json_each(a->doc, &at, &key, &value)) {
        if (is_own_key(key, own)) continue;
        ln_buf_puts(out, ",\"");
        ln_buf_str(out, key);
        ln_buf_puts(out, "\":");
        ln_buf_str(out, value);
    }
}

/* `type` is a short text, `text` a text; only the type "text" needs one. */
static bool check_message(struct ask *a, struct ln_str *type, struct ln_str *text) {
    struct ln_buf plain = {0};
    *type = ln_json_get(a->doc, "type");
    *text = ln_json_get(a->doc, "text");
    bool type_ok = !type->p || (ln_json_text(*type, &plain) &&
                                hub_text_ok(ln_buf_get(&plain), 1, MAX_TYPE, MAX_TYPE));
    bool is_text = !type->p || ln_str_is(ln_buf_get(&plain), "text");
    ln_buf_free(&plain);
    if (!type_ok) return fail(a, LN_INVALID, "\"type\" must be a short text");
    if (!text->p && is_text) return fail(a, LN_INVALID, "a message needs \"text\"");
    if (!text->p) *text = LN_STR("\"\"");
    if (!type->p) *type = LN_STR("\"text\"");
    if (ln_json_peek(*text) != LN_JSON_STRING || (is_text && text->n <= 2))
        return fail(a, LN_INVALID, "\"text\" must be a text that is not empty");
    if (text->n > a->h->opts.max_message) return fail(a, LN_INVALID, "\"text\" is too long");
    return true;
}

static bool do_message(struct ask *a) {
    struct ln_str type, text;
    struct hub_room *r = get_joined(a);
    if (!r || !check_message(a, &type, &text)) return false;
    if (!hub_depth_ok(a->doc)) return fail(a, LN_INVALID, "a message has at most 64 levels");
    struct ln_buf m = {0};
    char id[40];
    int64_t now = ln_wall_ms();
    snprintf(id, sizeof id, "%llx-%llx", (unsigned long long)now,
             (unsigned long long)++a->h->messages);
    ln_buf_fmt(&m, "{\"id\":\"%s\",", id);
    add_room(&m, r);
    ln_buf_fmt(&m, ",\"text\":%.*s,\"type\":%.*s,\"time\":", LN_FMT(text), LN_FMT(type));
    hub_json_time(&m, now);
    ln_buf_puts(&m, ",\"sender\":");
    hub_user_json(&m, a->c->user);
    add_other_fields(a, &m, message_keys);
    ln_buf_putc(&m, '}');
    hub_room_keep(a->h, r, ln_buf_get(&m));
    hub_send_room(r, a->c, false, LN_STR("message"), ln_buf_get(&m));
    ln_buf_free(&m);
    ln_buf_fmt(a->out, ",\"id\":\"%s\",\"time\":", id);
    hub_json_time(a->out, now);
    return true;
}

/* {room, user and what is left to add */
static void begin_notice(struct ask *a, const struct hub_room *r, struct ln_buf *out) {
    ln_buf_putc(out, '{');
    add_room(out, r);
    ln_buf_puts(out, ",\"user\":");
    hub_user_json(out, a->c->user);
}

static void end_notice(struct ask *a, struct ln_buf *out) {
    add_other_fields(a, out, notice_keys);
    ln_buf_putc(out, '}');
}

static bool do_typing(struct ask *a) {
    struct hub_room *r = get_joined(a);
    struct ln_buf out = {0};
    bool on;
    if (!r) return false;
    if (!get_bool(a, "on", &on)) return fail(a, LN_INVALID, "\"on\" must be true or false");
    begin_notice(a, r, &out);
    ln_buf_fmt(&out, ",\"on\":%s", on ? "true" : "false");
    end_notice(a, &out);
    hub_send_room(r, a->c, true, LN_STR("typing"), ln_buf_get(&out));
    ln_buf_free(&out);
    return true;
}

static bool ids_ok(struct ln_str ids) {
    struct ln_str value;
    size_t at = 0, count = 0;
    if (!ids.p || ln_json_peek(ids) != LN_JSON_ARRAY) return false;
    while (ln_json_each(ids, &at, NULL, &value)) {
        enum ln_json_type type = ln_json_peek(value);
        if (type != LN_JSON_STRING && type != LN_JSON_NUMBER) return false;
        if (++count > MAX_READ_IDS) return false;
    }
    return true;
}

static bool do_read(struct ask *a) {
    struct hub_room *r = get_joined(a);
    struct ln_str ids = ln_json_get(a->doc, "ids");
    struct ln_buf out = {0};
    if (!r) return false;
    if (!ids_ok(ids))
        return fail(a, LN_INVALID, "\"ids\" must be a list of at most 1000 messages' ids");
    begin_notice(a, r, &out);
    ln_buf_fmt(&out, ",\"ids\":%.*s", LN_FMT(ids));
    end_notice(a, &out);
    hub_send_room(r, a->c, false, LN_STR("read"), ln_buf_get(&out));
    ln_buf_free(&out);
    return true;
}

static bool set_status(struct ask *a, const char **status) {
    static const char *const known[] = {"online", "away", "busy", "offline"};
    struct ln_buf text = {0};
    struct ln_str raw = ln_json_get(a->doc, "status");
    bool found = !raw.p;
    if (raw.p && ln_json_text(raw, &text))
        for (size_t i = 0; i < LN_COUNT(known); i++)
            if (ln_str_is(ln_buf_get(&text), known[i])) {
                *status = known[i];
                found = true;
            }
    ln_buf_free(&text);
    return found || fail(a, LN_INVALID, "\"status\" is online, away, busy or offline");
}

static bool do_presence(struct ask *a) {
    struct hub_user *u = a->c->user;
    const char *status = u->status;
    struct ln_buf text = {0};
    struct ln_str raw = ln_json_get(a->doc, "text");
    if (!set_status(a, &status)) return false;
    if (raw.p && ln_json_peek(raw) != LN_JSON_NULL &&
        (!ln_json_text(raw, &text) ||
         !hub_text_ok(ln_buf_get(&text), 0, MAX_STATUS_TEXT, MAX_STATUS_TEXT * 4))) {
        ln_buf_free(&text);
        return fail(a, LN_INVALID, "\"text\" must be a text of at most 200 characters");
    }
    u->status = status;
    if (raw.p) {
        ln_free(u->text);
        u->text = ln_str_dup(ln_buf_get(&text));
    }
    ln_buf_free(&text);
    ln_buf_puts(a->out, ",\"member\":");
    hub_member_json(a->out, u);
    hub_user_update(a->c, u);
    return true;
}

static bool do_history(struct ask *a) {
    struct hub_room *r = get_joined(a);
    struct ln_str raw = ln_json_get(a->doc, "n");
    int64_t n = (int64_t)a->h->opts.history;
    if (!r) return false;
    if (raw.p && (!ln_json_int(raw, &n) || n < 0))
        return fail(a, LN_INVALID, "\"n\" must be a whole number from 0");
    ln_buf_puts(a->out, ",\"history\":");
    hub_room_history(r, (size_t)n, a->out);
    return true;
}

static bool do_rooms(struct ask *a) {
    void *value;
    size_t i = 0;
    bool first = true;
    ln_buf_puts(a->out, ",\"rooms\":[");
    while (ln_map_next(&a->h->rooms, &i, NULL, &value)) {
        const struct hub_room *r = value;
        if (r->occupants.count == 0 || strcmp(r->nsp, a->c->nsp) != 0) continue;
        ln_buf_puts(a->out, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        ln_json_quote(a->out, ln_str(r->name));
        ln_buf_fmt(a->out, ",\"members\":%u}", r->occupants.count);
    }
    ln_buf_putc(a->out, ']');
    return true;
}

static bool do_name(struct ask *a) {
    struct ln_buf name = {0};
    if (hub_user_named(a->c)) return fail(a, LN_DENIED, "your token says your name");
    bool good = get_text(a, "name", &name) &&
                hub_text_ok(ln_buf_get(&name), 1, HUB_MAX_NAME, HUB_MAX_NAME * 4);
    if (good) {
        hub_user_rename(a->c->user, ln_buf_get(&name));
        ln_buf_puts(a->out, ",\"user\":");
        hub_user_json(a->out, a->c->user);
        hub_user_update(a->c, a->c->user);
    } else {
        fail(a, LN_INVALID, "a name has 1 to 50 characters, without control characters");
    }
    ln_buf_free(&name);
    return good;
}

static bool do_trace(struct ask *a) {
    bool on;
    if (!a->h->opts.trace || !a->c->line->is_local)
        return fail(a, LN_DENIED, "events are shown by `linnet dev`, on its own machine only");
    if (!get_bool(a, "on", &on)) return fail(a, LN_INVALID, "\"on\" must be true or false");
    if (on != a->c->is_tracer) a->h->tracers += on ? 1 : (size_t)-1;
    a->c->is_tracer = on;
    return true;
}

/* --- which one --- */

static const struct verb {
    const char *name;
    bool (*act)(struct ask *a);
    bool needs_doc;
} verbs[] = {
    {"message", do_message, true}, {"typing", do_typing, true}, {"read", do_read, true},
    {"join", do_join, true},       {"leave", do_leave, true},   {"presence", do_presence, true},
    {"history", do_history, true}, {"rooms", do_rooms, false},  {"name", do_name, true},
    {"trace", do_trace, true},
};

static const struct verb *find_verb(struct ln_str name) {
    for (size_t i = 0; i < LN_COUNT(verbs); i++)
        if (ln_str_is(name, verbs[i].name)) return &verbs[i];
    return NULL;
}

void hub_chat_error(struct hub_client *c, int64_t ack, const struct ln_err *err) {
    struct ln_buf error = {0}, out = {0};
    if (c->line->proto == HUB_PUSHER) {
        hub_pusher_error(c->line, hub_pusher_code(err->code), err->text);
        return;
    }
    ln_buf_fmt(&error, "{\"code\":\"%s\",\"message\":", ln_status_name(err->code));
    ln_json_quote(&error, ln_str(err->text));
    ln_buf_putc(&error, '}');
    if (ack == SIO_NO_ACK) {
        hub_send_client(c, LN_STR("error"), ln_buf_get(&error));
    } else {
        ln_buf_fmt(&out, "{\"ok\":false,\"error\":%.*s}", LN_FMT(ln_buf_get(&error)));
        hub_ack(c->line->hub, c->id, ack, ln_buf_get(&out), NULL, 0);
    }
    ln_buf_free(&error);
    ln_buf_free(&out);
}

/* The first argument, checked whole: nothing that is not JSON is ever passed on. */
static bool get_doc(const struct verb *v, const struct hub_event *ev, struct ask *a) {
    size_t at = 0;
    if (ev->bin_count > 0) return fail(a, LN_INVALID, "this event takes no binary data");
    if (!sio_args_each(ev->args, &at, &a->doc)) a->doc = NONE;
    bool is_object = a->doc.p && ln_json_peek(a->doc) == LN_JSON_OBJECT;
    if (!is_object) a->doc = NONE;
    return is_object || !v->needs_doc || fail(a, LN_INVALID, "the argument must be an object");
}

enum hub_verdict hub_chat_event(struct hub_client *c, struct hub_event *ev) {
    const struct verb *v = find_verb(ev->name);
    struct ln_buf out = {0};
    struct ln_err err = {0};
    struct ask a = {.h = ev->hub, .c = c, .out = &out, .err = &err};
    if (!v) return HUB_NOT_OURS;
    c->user->seen_ms = ln_wall_ms();
    ln_buf_puts(&out, "{\"ok\":true");
    bool good = get_doc(v, ev, &a) && v->act(&a);
    ln_buf_putc(&out, '}');
    if (!good) {
        hub_chat_error(c, ev->ack, &err);
    } else if (ev->ack != SIO_NO_ACK) {
        hub_ack(ev->hub, c->id, ev->ack, ln_buf_get(&out), NULL, 0);
    }
    ln_buf_free(&out);
    return good ? HUB_DONE : HUB_FAILED;
}

void hub_chat_welcome(struct hub_client *c) {
    struct ln_buf out = {0};
    ln_buf_fmt(&out, "{\"id\":\"%s\",\"user\":", c->sid);
    hub_user_json(&out, c->user);
    ln_buf_puts(&out, ",\"server\":{\"name\":\"linnet\",\"version\":\"" LN_VERSION "\"}}");
    hub_send_client(c, LN_STR("session"), ln_buf_get(&out));
    ln_buf_free(&out);
}
