/* SPDX-License-Identifier: MIT
 *
 * Rooms and broadcast. A room is there while it has members, or (for the dialect) occupants who may
 * come back, or for ten more minutes while it keeps history: so a bot that restarts alone finds it.
 * A broadcast is encoded once for each protocol and shared by all who get it.
 */
#include "hub/hub_pusher.h"
#include "hub/hub_recover.h"

#include "base/mem.h"

#define KEEP_EMPTY_MS ((int64_t)10 * 60 * 1000)
#define ROOM_HISTORY_BYTES ((size_t)1 << 20) /* of one room */
#define HUB_HISTORY_BYTES ((size_t)64 << 20) /* of all; then a room keeps only … */
#define SMALL_HISTORY_BYTES ((size_t)64 << 10)
#define VOLATILE_QUEUE_BYTES ((size_t)64 << 10) /* a line with more to send counts as congested */

/* --- rooms --- */

static void room_key(struct ln_buf *out, struct ln_str nsp, struct ln_str name) {
    ln_buf_str(out, nsp.n > 0 ? nsp : LN_STR("/"));
    ln_buf_putc(out, 0);
    ln_buf_str(out, name);
}

struct hub_room *hub_room_get(const struct hub *h, struct ln_str nsp, struct ln_str name) {
    struct ln_buf key = {0};
    room_key(&key, nsp, name);
    struct hub_room *r = ln_map_get(&h->rooms, ln_buf_get(&key));
    ln_buf_free(&key);
    return r;
}

static void drop_oldest(struct hub *h, struct hub_room *r) {
    struct ln_buf *b = &r->history[r->first];
    r->history_bytes -= b->n;
    h->history_bytes -= b->n;
    ln_buf_free(b);
    r->first = (r->first + 1) % h->opts.history;
    r->kept--;
}

void hub_room_free(struct hub *h, struct hub_room *r) {
    struct ln_buf key = {0};
    room_key(&key, ln_str(r->nsp), ln_str(r->name));
    ln_map_remove(&h->rooms, ln_buf_get(&key));
    ln_buf_free(&key);
    loop_timer_cancel(h->loop, r->timer);
    ln_list_remove(&r->empty);
    hub_room_evict(r);
    ln_map_free(&r->occupants);
    while (r->kept > 0)
        drop_oldest(h, r);
    ln_free(r->history);
    ln_free(r->nsp);
    ln_free(r->name);
    ln_free(r);
}

static void on_empty_long(void *ud) {
    struct hub_room *r = ud;
    hub_room_free(r->hub, r);
}

void hub_room_settle(struct hub *h, struct hub_room *r) {
    if (r->count > 0 || r->occupants.count > 0) return;
    if (r->kept == 0 || h->is_closing) {
        hub_room_free(h, r);
    } else if (r->timer == 0) {
        ln_list_push(&h->empty_rooms, &r->empty);
        r->timer = loop_timer(h->loop, KEEP_EMPTY_MS, on_empty_long, r);
    }
}

static struct hub_room *room_new(struct hub *h, struct ln_str nsp, struct ln_str name) {
    if (h->rooms.count >= (size_t)h->opts.max_rooms && !ln_list_empty(&h->empty_rooms))
        hub_room_free(h, LN_CONTAINER(h->empty_rooms.next, struct hub_room, empty));
    if (h->rooms.count >= (size_t)h->opts.max_rooms) return NULL;
    struct hub_room *r = ln_new(struct hub_room);
    struct ln_buf key = {0};
    r->hub = h;
    r->nsp = ln_str_dup(nsp);
    r->name = ln_str_dup(name);
    ln_list_init(&r->members);
    ln_list_init(&r->empty);
    room_key(&key, nsp, name);
    ln_map_set(&h->rooms, ln_buf_get(&key), r);
    ln_buf_free(&key);
    return r;
}

bool hub_room_is_client(const struct hub *h, struct ln_str name) {
    return ln_map_get(&h->sids, name) || hub_session_is(h, name);
}

/* --- members --- */

struct hub_member *hub_member_get(const struct hub_client *c, const struct hub_room *r) {
    LN_LIST_EACH (&c->memberships, it, tmp) {
        struct hub_member *m = LN_CONTAINER(it, struct hub_member, of_client);
        if (m->room == r) return m;
    }
    return NULL;
}

struct hub_room *hub_room_enter(struct hub_client *c, struct ln_str name, bool *created,
                                struct ln_err *err) {
    struct hub *h = c->line->hub;
    struct hub_room *r = hub_room_get(h, ln_str(c->nsp), name);
    *created = false;
    if (r && hub_member_get(c, r)) return r;
    if (c->joins >= HUB_MAX_JOINS) {
        ln_fail(err, LN_FULL, "a client may be in %d rooms at most", HUB_MAX_JOINS);
        return NULL;
    }
    if (!r) {
        r = room_new(h, ln_str(c->nsp), name);
        *created = true;
    }
    if (!r) {
        ln_fail(err, LN_FULL, "the hub has %d rooms already", h->opts.max_rooms);
        return NULL;
    }
    loop_timer_cancel(h->loop, r->timer);
    r->timer = 0;
    ln_list_remove(&r->empty);
    struct hub_member *m = ln_new(struct hub_member);
    m->room = r;
    m->client = c;
    ln_list_init(&m->of_room);
    ln_list_init(&m->of_client);
    ln_list_push(&r->members, &m->of_room);
    ln_list_push(&c->memberships, &m->of_client);
    r->count++;
    c->joins++;
    if (c->user && c->line->proto != HUB_PUSHER) hub_occupy(m);
    return r;
}

void hub_room_leave(struct hub_client *c, struct hub_room *r) {
    struct hub_member *m = hub_member_get(c, r);
    if (!m) return;
    ln_list_remove(&m->of_room);
    ln_list_remove(&m->of_client);
    ln_free(m);
    r->count--;
    c->joins--;
    hub_room_settle(c->line->hub, r);
}

bool hub_join(struct hub *h, ln_id client, struct ln_str room) {
    struct hub_client *c = hub_get(h, client);
    bool created;
    if (!c || !hub_text_ok(room, 1, HUB_MAX_ROOM, HUB_MAX_ROOM)) return false;
    if (c->line->proto == HUB_PUSHER && pusher_kind(room) == PUSHER_PRESENCE) return false;
    room = hub_channel_room(h, ln_str(c->nsp), room, NULL);
    struct hub_room *r = hub_room_enter(c, room, &created, NULL);
    if (r && c->line->proto == HUB_PUSHER) hub_member_get(c, r)->is_channel = true;
    return r != NULL;
}

bool hub_part(struct hub *h, ln_id client, struct ln_str room) {
    struct hub_client *c = hub_get(h, client);
    if (!c) return false;
    room = hub_channel_room(h, ln_str(c->nsp), room, NULL);
    struct hub_room *r = hub_room_get(h, ln_str(c->nsp), room);
    if (!r || !hub_member_get(c, r)) return false;
    if (c->user) hub_vacate(c, r, HUB_LEAVE_SERVER, true);
    hub_room_leave(c, r);
    return true;
}

bool hub_each_room(const struct hub *h, size_t *i, struct ln_str *room, size_t *members) {
    void *value;
    if (!ln_map_next(&h->rooms, i, NULL, &value)) return false;
    const struct hub_room *r = value;
    *room = ln_str(r->name);
    *members = r->count;
    return true;
}

bool hub_each_member(const struct hub *h, struct ln_str room, size_t *i, ln_id *client) {
    const struct hub_room *r = hub_room_get(h, LN_STR("/"), room);
    size_t at = 0;
    if (!r) return false;
    LN_LIST_EACH (&r->members, it, tmp) {
        if (at++ < *i) continue;
        *client = LN_CONTAINER(it, struct hub_member, of_room)->client->id;
        ++*i;
        return true;
    }
    return false;
}

bool hub_each_room_of(const struct hub *h, ln_id client, size_t *i, struct ln_str *room) {
    const struct hub_client *c = hub_get(h, client);
    size_t at = 0;
    if (!c) return false;
    LN_LIST_EACH (&c->memberships, it, tmp) {
        if (at++ < *i) continue;
        *room = ln_str(LN_CONTAINER(it, struct hub_member, of_client)->room->name);
        ++*i;
        return true;
    }
    return false;
}

/* --- history --- */

void hub_room_keep(struct hub *h, struct hub_room *r, struct ln_str message) {
    size_t max = ROOM_HISTORY_BYTES, most = h->opts.history;
    if (h->history_bytes + message.n > HUB_HISTORY_BYTES) max = SMALL_HISTORY_BYTES;
    if (most == 0 || message.n > max) return;
    if (!r->history) r->history = ln_alloc(most * sizeof *r->history);
    while (r->kept == most || (r->kept > 0 && r->history_bytes + message.n > max))
        drop_oldest(h, r);
    ln_buf_str(&r->history[(r->first + r->kept) % most], message);
    r->kept++;
    r->history_bytes += message.n;
    h->history_bytes += message.n;
}

void hub_room_history(const struct hub_room *r, size_t n, struct ln_buf *out) {
    size_t skip = r->kept > n ? r->kept - n : 0;
    ln_buf_putc(out, '[');
    for (size_t i = skip; i < r->kept; i++) {
        if (i > skip) ln_buf_putc(out, ',');
        ln_buf_str(out, ln_buf_get(&r->history[(r->first + i) % r->hub->opts.history]));
    }
    ln_buf_putc(out, ']');
}

/* --- sending --- */

struct parcel { /* one event, encoded when the first line of a protocol needs it */
    struct ln_str nsp, name, args;
    const struct ln_str *bin;
    size_t bin_count;
    const struct hub_client *except;
    bool is_volatile;
    struct ln_buf sio, raw, plain;
    struct pusher_parcel pusher;
    size_t sent;
};

/* The arguments for protocols of text. */
static struct ln_str parcel_plain(struct parcel *p) {
    return hub_raw_args(&p->plain, p->args, p->bin, p->bin_count);
}

/* m: where c is reached; NULL: it is meant without a room. */
static void parcel_send(struct parcel *p, struct hub_client *c, const struct hub_member *m) {
    struct hub_line *line = c->line;
    if (c == p->except || c->is_dead || line->is_ended) return;
    if (p->is_volatile && hub_line_queued(line) > VOLATILE_QUEUE_BYTES) return;
    if (line->proto == HUB_PUSHER) {
        if (!hub_pusher_deliver(&p->pusher, p->name, parcel_plain(p), c, m)) return;
    } else if (line->proto == HUB_RAW) {
        if (p->raw.n == 0) hub_raw_event(&p->raw, SIO_NO_ACK, p->name, parcel_plain(p));
        hub_line_send(line, false, ln_buf_get(&p->raw));
    } else {
        if (p->sio.n == 0)
            hub_sio_event(&p->sio, p->nsp, SIO_NO_ACK, p->bin_count, p->name, p->args);
        hub_line_send(line, false, ln_buf_get(&p->sio));
        for (size_t i = 0; i < p->bin_count; i++)
            hub_line_send(line, true, p->bin[i]);
    }
    p->sent++;
}

/* For those who lost their line and may come back. rooms: names, each with a 0 byte; empty: all of
 * the namespace. */
static void parcel_keep(struct parcel *p, struct hub *h, struct ln_str rooms) {
    const struct hub_outgoing ev = {.nsp = p->nsp,
                                    .name = p->name,
                                    .args = p->args,
                                    .bin = p->bin,
                                    .bin_count = p->bin_count,
                                    .except = p->except ? p->except->sid : NULL,
                                    .rooms = rooms};
    if (!p->is_volatile) hub_recovery_keep(h, &ev, &p->sio);
}

static void parcel_keep_room(struct parcel *p, struct hub *h, struct ln_str room) {
    struct ln_buf name = {0};
    if (!h->recovery || (room.n > 0 && memchr(room.p, 0, room.n))) return; /* no room's name */
    ln_buf_str(&name, room);
    if (room.n > 0) ln_buf_putc(&name, 0);
    parcel_keep(p, h, ln_buf_get(&name));
    ln_buf_free(&name);
}

static size_t parcel_done(struct parcel *p) {
    ln_buf_free(&p->sio);
    ln_buf_free(&p->raw);
    ln_buf_free(&p->plain);
    hub_pusher_parcel_free(&p->pusher);
    return p->sent;
}

static void parcel_to_room(struct parcel *p, const struct hub_room *r) {
    LN_LIST_EACH (&r->members, it, tmp) {
        struct hub_member *m = LN_CONTAINER(it, struct hub_member, of_room);
        parcel_send(p, m->client, m);
    }
}

static void parcel_to_all(struct parcel *p, struct hub *h) {
    LN_LIST_EACH (&h->clients, it, tmp) {
        struct hub_client *c = LN_CONTAINER(it, struct hub_client, in_hub);
        if (ln_str_is(p->nsp, c->nsp)) parcel_send(p, c, NULL);
    }
}

/* Everybody is in a room that has the name of its sid, alone but for whom a script put there. */
static struct hub_client *of_sid(const struct hub *h, struct ln_str nsp, struct ln_str sid) {
    struct hub_client *c = sid.n > 0 && sid.n <= HUB_SID_LEN ? ln_map_get(&h->sids, sid) : NULL;
    return c && ln_str_is(nsp, c->nsp) ? c : NULL;
}

size_t hub_emit(struct hub *h, const struct hub_target *t, struct ln_str name, struct ln_str args,
                const struct ln_str *bin, size_t bin_count) {
    struct parcel p = {.nsp = t->nsp.n > 0 ? t->nsp : LN_STR("/"),
                       .name = name,
                       .args = args,
                       .bin = bin,
                       .bin_count = bin_count,
                       .except = hub_get(h, t->except),
                       .is_volatile = t->is_volatile};
    struct hub_client *only = hub_get(h, t->client);
    if (bin_count > SIO_MAX_ATTACHMENTS || (t->client && !only)) return 0;
    struct ln_str name_of_room = hub_channel_room(h, p.nsp, t->room, &p.pusher.faces);
    struct hub_room *r = only || t->room.n == 0 ? NULL : hub_room_get(h, p.nsp, name_of_room);
    if (!only && pusher_is_cache(name_of_room))
        hub_cache_keep(h, p.nsp, name_of_room, &p.pusher, name, parcel_plain(&p));
    struct hub_client *self = only ? NULL : of_sid(h, p.nsp, t->room);
    if (self && !r) only = self;
    if (only) p.nsp = ln_str(only->nsp);
    parcel_keep_room(&p, h, only ? ln_str(only->sid) : name_of_room);
    if (only) {
        parcel_send(&p, only, NULL);
    } else if (r) {
        parcel_to_room(&p, r);
        if (self && !hub_member_get(self, r)) parcel_send(&p, self, NULL);
    } else if (t->room.n == 0) {
        parcel_to_all(&p, h);
    }
    if (p.sent > 0) hub_trace_event(h, "out", only, name, t->room, args);
    return parcel_done(&p);
}

size_t hub_emit_channel(struct hub *h, const struct hub_target *t, unsigned faces,
                        struct ln_str name, struct ln_str args, struct ln_str data) {
    struct parcel p = {.nsp = t->nsp,
                       .name = name,
                       .args = args,
                       .except = hub_get(h, t->except),
                       .pusher = {.faces = faces, .data = data}};
    struct hub_room *r = hub_room_get(h, t->nsp, t->room);
    hub_cache_keep(h, t->nsp, t->room, &p.pusher, name, args);
    parcel_keep_room(&p, h, t->room);
    if (r) parcel_to_room(&p, r);
    if (p.sent > 0) hub_trace_event(h, "out", NULL, name, t->room, args);
    return parcel_done(&p);
}

size_t hub_send_client(struct hub_client *c, struct ln_str name, struct ln_str args) {
    struct parcel p = {.nsp = ln_str(c->nsp), .name = name, .args = args};
    if (c->line->proto == HUB_SIO) parcel_keep_room(&p, c->line->hub, ln_str(c->sid));
    parcel_send(&p, c, NULL);
    hub_trace_event(c->line->hub, "out", c, name, (struct ln_str){NULL, 0}, args);
    return parcel_done(&p);
}

size_t hub_send_room(struct hub_room *r, const struct hub_client *except, bool is_volatile,
                     struct ln_str name, struct ln_str args) {
    struct parcel p = {.nsp = ln_str(r->nsp),
                       .name = name,
                       .args = args,
                       .except = except,
                       .is_volatile = is_volatile,
                       .pusher = {.is_notice = true}};
    parcel_keep_room(&p, r->hub, ln_str(r->name));
    parcel_to_room(&p, r);
    if (p.sent > 0) hub_trace_event(r->hub, "out", NULL, name, ln_str(r->name), args);
    return parcel_done(&p);
}

static void keep_for_friends(struct parcel *p, const struct hub_user *u) {
    struct ln_buf names = {0};
    if (!u->hub->recovery || ln_list_empty(&u->occupants)) return;
    LN_LIST_EACH (&u->occupants, it, tmp) {
        const char *name = LN_CONTAINER(it, struct hub_occupant, of_user)->room->name;
        ln_buf_add(&names, name, strlen(name) + 1);
    }
    parcel_keep(p, u->hub, ln_buf_get(&names));
    ln_buf_free(&names);
}

size_t hub_send_friends(struct hub_user *u, const struct hub_client *except, struct ln_str name,
                        struct ln_str args) {
    struct parcel p = {.nsp = ln_str(u->nsp),
                       .name = name,
                       .args = args,
                       .except = except,
                       .pusher = {.is_notice = true}};
    uint64_t mark = ++u->hub->mark;
    keep_for_friends(&p, u);
    LN_LIST_EACH (&u->occupants, it, tmp) {
        struct hub_room *r = LN_CONTAINER(it, struct hub_occupant, of_user)->room;
        LN_LIST_EACH (&r->members, it2, tmp2) {
            struct hub_member *m = LN_CONTAINER(it2, struct hub_member, of_room);
            if (!m->is_occupant && m->client->line->proto == HUB_PUSHER) continue;
            if (m->client->mark != mark) parcel_send(&p, m->client, m);
            m->client->mark = mark;
        }
    }
    if (p.sent > 0) hub_trace_event(u->hub, "out", NULL, name, (struct ln_str){NULL, 0}, args);
    return parcel_done(&p);
}

void hub_send_tracers(struct hub *h, struct ln_str args) {
    struct parcel p = {
        .nsp = LN_STR("/"), .name = LN_STR("trace"), .args = args, .is_volatile = true};
    LN_LIST_EACH (&h->clients, it, tmp) {
        struct hub_client *c = LN_CONTAINER(it, struct hub_client, in_hub);
        if (c->is_tracer) parcel_send(&p, c, NULL);
    }
    parcel_done(&p);
}
