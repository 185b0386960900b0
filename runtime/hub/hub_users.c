/* SPDX-License-Identifier: MIT
 *
 * Who is who in the `linnet` dialect: users (one id, perhaps several lines) and occupants (a user
 * in a room). Others hear of the first client that comes into a room and of the last that goes; a
 * user with an id of its own who comes back within leave_grace_ms neither left nor joined.
 */
#include "hub/hub_jwt.h"
#include "hub/hub_pusher.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

/* --- text and JSON --- */

/* Control characters, line separators, and the marks that turn the direction of what follows. */
static bool is_unprintable(const unsigned char *p, size_t n) {
    if (n == 1) return p[0] < 0x20 || p[0] == 0x7f;
    if (n == 2) return p[0] == 0xc2 && p[1] < 0xa0;
    if (n != 3 || p[0] != 0xe2) return false;
    return (p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
           (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

bool hub_text_ok(struct ln_str s, size_t min, size_t max_chars, size_t max_bytes) {
    size_t chars = 0, blanks = 0, n;
    if (s.n > max_bytes) return false;
    for (size_t i = 0; i < s.n; i += n, chars++) {
        n = ln_utf8_char(s.p + i, s.n - i);
        if (n == 0 || is_unprintable((const unsigned char *)s.p + i, n)) return false;
        if (s.p[i] == ' ') blanks++;
    }
    return chars >= min && chars <= max_chars && (min == 0 || blanks < chars);
}

bool hub_depth_ok(struct ln_str json) {
    struct ln_json j;
    if (json.n < (size_t)2 * HUB_MAX_DEPTH) return true; /* two brackets a level */
    ln_json_init(&j, json, HUB_MAX_DEPTH);
    return ln_json_skip(&j, ln_json_next(&j));
}

void hub_json_time(struct ln_buf *out, int64_t wall_ms) {
    ln_buf_fmt(out, "%lld.%03d", (long long)(wall_ms / 1000), (int)(wall_ms % 1000));
}

static void add_text(struct ln_buf *out, const char *key, const char *text) {
    ln_buf_fmt(out, "\"%s\":", key);
    ln_json_quote(out, ln_str(text));
}

void hub_user_json(struct ln_buf *out, const struct hub_user *u) {
    ln_buf_putc(out, '{');
    add_text(out, "id", u->id);
    ln_buf_putc(out, ',');
    add_text(out, "name", u->name);
    ln_buf_putc(out, '}');
}

void hub_member_json(struct ln_buf *out, const struct hub_user *u) {
    ln_buf_putc(out, '{');
    add_text(out, "id", u->id);
    ln_buf_putc(out, ',');
    add_text(out, "name", u->name);
    ln_buf_fmt(out, ",\"status\":\"%s\",", u->status);
    add_text(out, "text", u->text);
    ln_buf_puts(out, ",\"last_seen\":");
    hub_json_time(out, u->seen_ms);
    ln_buf_fmt(out, ",\"connections\":%zu}", u->lines);
}

void hub_members_json(struct ln_buf *out, const struct hub_room *r) {
    void *value;
    size_t i = 0;
    bool first = true;
    ln_buf_putc(out, '[');
    while (ln_map_next(&r->occupants, &i, NULL, &value)) {
        if (!first) ln_buf_putc(out, ',');
        first = false;
        hub_member_json(out, ((struct hub_occupant *)value)->user);
    }
    ln_buf_putc(out, ']');
}

/* --- users --- */

static void user_key(struct ln_buf *out, const char *nsp, struct ln_str id) {
    if (strcmp(nsp, "/") != 0) ln_buf_add(out, nsp, strlen(nsp) + 1);
    ln_buf_str(out, id);
}

static struct hub_user *user_get(const struct hub *h, const char *nsp, struct ln_str id) {
    struct ln_buf key = {0};
    user_key(&key, nsp, id);
    struct hub_user *u = ln_map_get(&h->users, ln_buf_get(&key));
    ln_buf_free(&key);
    return u;
}

static void user_settle(struct hub_user *u) {
    struct ln_buf key = {0};
    if (u->lines > 0 || !ln_list_empty(&u->occupants)) return;
    user_key(&key, u->nsp, ln_str(u->id));
    ln_map_remove(&u->hub->users, ln_buf_get(&key));
    ln_buf_free(&key);
    ln_free(u->nsp);
    ln_free(u->id);
    ln_free(u->name);
    ln_free(u->text);
    ln_free(u->info);
    ln_free(u);
}

void hub_user_rename(struct hub_user *u, struct ln_str name) {
    char *copy = ln_str_dup(name);
    ln_free(u->name);
    u->name = copy;
    if (u->info) hub_pusher_rename(u);
}

static struct hub_user *user_new(struct hub *h, const char *nsp, struct ln_str id) {
    struct ln_buf key = {0};
    struct hub_user *u = ln_new(struct hub_user);
    char made[16];
    u->hub = h;
    u->is_named = id.n > 0;
    if (id.n == 0) {
        memcpy(made, "g-", 2);
        ln_random_id(made + 2, 12);
        id = ln_str(made);
    }
    u->nsp = ln_strdup(nsp);
    u->id = ln_str_dup(id);
    u->text = ln_strdup("");
    u->status = "online";
    ln_list_init(&u->clients);
    ln_list_init(&u->occupants);
    user_key(&key, nsp, id);
    ln_map_set(&h->users, ln_buf_get(&key), u);
    ln_buf_free(&key);
    return u;
}

/* A member of the auth payload as text; "" when it is missing or not fit. A number is taken as its
 * digits. */
static struct ln_str auth_text(struct ln_str auth, const char *key, size_t max_chars, size_t max,
                               struct ln_buf *buf) {
    struct ln_str raw = ln_json_get(auth, key);
    if (raw.p && ln_json_peek(raw) == LN_JSON_NUMBER) {
        ln_buf_str(buf, raw);
    } else if (!raw.p || !ln_json_text(raw, buf)) {
        return NONE;
    }
    return hub_text_ok(ln_buf_get(buf), 1, max_chars, max) ? ln_buf_get(buf) : NONE;
}

bool hub_user_named(const struct hub_client *c) {
    return c->grant && ln_json_get(ln_str(c->grant->claims), "name").p;
}

/* Somebody is there under this id: an other name is taken only when no line holds the old one. */
static void same_id(struct hub_client *c, struct hub_user *u, struct ln_str name) {
    if (name.n == 0 || ln_str_is(name, u->name)) return;
    if (u->lines == 0) {
        hub_user_rename(u, name);
        hub_user_update(c, u);
        return;
    }
    if (u->was_warned) return;
    u->was_warned = true;
    struct ln_log_field fields[] = {
        {"id", ln_str(u->id), false}, {"name", ln_str(u->name), false}, {"other", name, false}};
    ln_log_fields(LN_WARN, "hub", LN_STR("two lines claim one id with different names"), fields,
                  LN_COUNT(fields));
}

void hub_user_enter_as(struct hub_client *c, struct ln_str id, struct ln_str name) {
    struct hub *h = c->line->hub;
    struct hub_user *u = id.n > 0 ? user_get(h, c->nsp, id) : NULL;
    if (u) {
        same_id(c, u, name);
    } else {
        char guest[24];
        u = user_new(h, c->nsp, id);
        if (name.n == 0) {
            snprintf(guest, sizeof guest, "guest-%u", ++h->guests);
            name = ln_str(guest);
        }
        u->name = ln_str_dup(name);
    }
    u->lines++;
    u->seen_ms = ln_wall_ms();
    c->user = u;
    ln_list_push(&u->clients, &c->of_user);
}

/* Who has a token is whom that says; a name that it does not say may be chosen. */
void hub_user_enter(struct hub_client *c, struct ln_str auth) {
    struct ln_buf id_buf = {0}, name_buf = {0};
    struct ln_str claims = hub_grant_claims(c->grant), who = c->grant ? claims : auth;
    const char *key = c->grant ? "sub" : "id";
    struct ln_str id = auth_text(who, key, HUB_MAX_ID, HUB_MAX_ID, &id_buf);
    struct ln_str name = auth_text(hub_user_named(c) ? claims : auth, "name", HUB_MAX_NAME,
                                   HUB_MAX_NAME * 4, &name_buf);
    hub_user_enter_as(c, id, name);
    if (c->user->lines == 1)
        c->user->is_number = id.n > 0 && ln_json_peek(ln_json_get(who, key)) == LN_JSON_NUMBER;
    ln_buf_free(&id_buf);
    ln_buf_free(&name_buf);
}

void hub_user_quit(struct hub_client *c, enum hub_leave why) {
    struct hub_user *u = c->user;
    u->lines--;
    u->seen_ms = ln_wall_ms();
    ln_list_remove(&c->of_user);
    LN_LIST_EACH (&c->memberships, it, tmp)
        hub_vacate(c, LN_CONTAINER(it, struct hub_member, of_client)->room, why, false);
    c->user = NULL;
    user_settle(u);
}

/* --- occupants --- */

static void tell(struct hub_room *r, const struct hub_client *except, const char *kind,
                 const struct hub_user *u, const char *reason) {
    struct ln_buf out = {0};
    ln_buf_fmt(&out, "{\"kind\":\"%s\",", kind);
    add_text(&out, "room", r->name);
    ln_buf_puts(&out, ",\"member\":");
    hub_member_json(&out, u);
    if (reason) ln_buf_fmt(&out, ",\"reason\":\"%s\"", reason);
    ln_buf_putc(&out, '}');
    hub_send_room(r, except, false, LN_STR("presence"), ln_buf_get(&out));
    ln_buf_free(&out);
}

void hub_user_update(const struct hub_client *from, struct hub_user *u) {
    struct ln_buf out = {0};
    ln_buf_puts(&out, "{\"kind\":\"update\",\"member\":");
    hub_member_json(&out, u);
    ln_buf_putc(&out, '}');
    hub_send_friends(u, from, LN_STR("presence"), ln_buf_get(&out));
    ln_buf_free(&out);
}

static void occupant_free(struct hub_occupant *o) {
    loop_timer_cancel(o->user->hub->loop, o->grace);
    ln_map_remove(&o->room->occupants, ln_str(o->user->id));
    ln_list_remove(&o->of_user);
    ln_free(o);
}

/* The last client of this user is out of the room. Its end is told to those who stay; to itself
 * only when it was removed and may not know. */
static void occupant_leaves(struct hub_occupant *o, const struct hub_client *c) {
    bool is_told = o->why == HUB_LEAVE_SERVER;
    tell(o->room, is_told ? NULL : c, "leave", o->user, hub_leave_name(o->why));
    occupant_free(o);
}

static void on_grace(void *ud) {
    struct hub_occupant *o = ud;
    struct hub_room *r = o->room;
    struct hub_user *u = o->user;
    o->grace = 0;
    occupant_leaves(o, NULL);
    hub_room_settle(r->hub, r);
    user_settle(u);
}

void hub_occupy(struct hub_member *m) {
    struct hub_client *c = m->client;
    struct hub_room *r = m->room;
    struct hub_user *u = c->user;
    struct hub_occupant *o = ln_map_get(&r->occupants, ln_str(u->id));
    m->is_occupant = true;
    if (!o) {
        o = ln_new(struct hub_occupant);
        o->user = u;
        o->room = r;
        o->count = 1;
        ln_list_init(&o->of_user);
        ln_list_push(&u->occupants, &o->of_user);
        ln_map_set(&r->occupants, ln_str(u->id), o);
        tell(r, c, "join", u, NULL);
    } else if (o->count++ == 0) {
        loop_timer_cancel(r->hub->loop, o->grace); /* back in time */
    } else {
        hub_user_update(c, u); /* one more connection */
    }
}

void hub_vacate(struct hub_client *c, struct hub_room *r, enum hub_leave why, bool at_once) {
    struct hub_user *u = c->user;
    struct hub_member *m = hub_member_get(c, r);
    struct hub_occupant *o = ln_map_get(&r->occupants, ln_str(u->id));
    int64_t grace = r->hub->opts.leave_grace_ms;
    if (!o || !m || !m->is_occupant) return;
    if (--o->count > 0) {
        hub_user_update(c, u);
    } else {
        o->why = why;
        /* Only who has an id of its own can come back as the same user. */
        if (at_once || grace <= 0 || !u->is_named || why == HUB_LEAVE_SERVER || r->hub->is_closing)
            occupant_leaves(o, c);
        else
            o->grace = loop_timer(r->hub->loop, grace, on_grace, o);
    }
    m->is_occupant = false;
}

void hub_room_evict(struct hub_room *r) {
    void *value;
    size_t i = 0;
    while (ln_map_next(&r->occupants, &i, NULL, &value)) {
        struct hub_user *u = ((struct hub_occupant *)value)->user;
        occupant_free(value);
        user_settle(u);
    }
}
