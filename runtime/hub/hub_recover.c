/* SPDX-License-Identifier: MIT
 *
 * Sessions and rings of hub_recover.h. A ring lives as long as somebody could come back to it; its
 * packets are stored as they are sent, so that a replay only copies.
 */
#include "hub/hub_recover.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crypt.h"
#include "base/json.h"
#include "base/mem.h"
#include "hub/hub_jwt.h"

#define RING_PACKETS 10000 /* of one namespace */
#define RING_BYTES ((size_t)8 << 20)
#define ALL_BYTES ((size_t)64 << 20) /* of all; then the oldest of the same namespace go */
#define RING_MARK 6                  /* characters that tell this ring from others */

struct kept { /* an event in a ring */
    uint64_t at_ms;
    char except[HUB_SID_LEN + 1];
    size_t bytes, bin_count;
    char data[]; /* names of rooms, text, attachments: each with its size in front */
};

struct hub_ring {
    char *nsp;
    char mark[RING_MARK + 1];
    struct kept **v; /* circular */
    size_t first, n, cap, bytes;
    uint64_t next;   /* the next packet's number; the oldest one's is next - n */
    size_t sessions; /* who has or had a client here */
};

struct hub_recovery {
    struct ln_map rings;    /* nsp -> ring */
    struct ln_map sessions; /* pid -> session */
    struct ln_list lost;
    size_t lost_count, bytes;
    ln_id timer;
};

static void sweep_later(struct hub *h);

/* --- rings --- */

static struct kept *kept_at(const struct hub_ring *g, size_t i) {
    return g->v[(g->first + i) % g->cap];
}

static uint64_t oldest(const struct hub_ring *g) {
    return g->next - g->n;
}

static void drop_oldest(struct hub_recovery *r, struct hub_ring *g) {
    struct kept *k = kept_at(g, 0);
    g->bytes -= k->bytes;
    r->bytes -= k->bytes;
    g->first = (g->first + 1) % g->cap;
    g->n--;
    ln_free(k);
}

static void trim(struct hub *h, struct hub_ring *g) {
    uint64_t now = loop_now_ms(h->loop), keep = (uint64_t)h->opts.recovery_ms;
    while (g->n > 0 && now - kept_at(g, 0)->at_ms > keep)
        drop_oldest(h->recovery, g);
}

static struct hub_ring *ring_of(struct hub_recovery *r, struct ln_str nsp) {
    struct hub_ring *g = ln_map_get(&r->rings, nsp);
    if (g) return g;
    g = ln_new(struct hub_ring);
    g->nsp = ln_str_dup(nsp);
    ln_random_id(g->mark, RING_MARK);
    ln_map_set(&r->rings, nsp, g);
    return g;
}

static void ring_release(struct hub_recovery *r, struct hub_ring *g) {
    if (--g->sessions > 0) return;
    while (g->n > 0)
        drop_oldest(r, g);
    ln_map_remove(&r->rings, ln_str(g->nsp));
    ln_free(g->nsp);
    ln_free(g->v);
    ln_free(g);
}

static void grow(struct hub_ring *g) {
    size_t cap = g->cap ? g->cap * 2 : 16;
    struct kept **v = ln_alloc(cap * sizeof *v);
    for (size_t i = 0; i < g->n; i++)
        v[i] = kept_at(g, i);
    ln_free(g->v);
    g->v = v;
    g->cap = cap;
    g->first = 0;
}

/* Takes k; what it has no place for is as if it had been the oldest: gone. */
static void push(struct hub *h, struct hub_ring *g, struct kept *k) {
    struct hub_recovery *r = h->recovery;
    trim(h, g);
    while (g->n > 0 && (g->n >= RING_PACKETS || g->bytes + k->bytes > RING_BYTES ||
                        r->bytes + k->bytes > ALL_BYTES))
        drop_oldest(r, g);
    g->next++;
    if (k->bytes > RING_BYTES || r->bytes + k->bytes > ALL_BYTES) {
        ln_free(k);
        return;
    }
    if (g->n == g->cap) grow(g);
    g->v[(g->first + g->n++) % g->cap] = k;
    g->bytes += k->bytes;
    r->bytes += k->bytes;
}

/* --- packets --- */

static char *put(char *to, struct ln_str s) {
    uint32_t n = (uint32_t)s.n;
    memcpy(to, &n, sizeof n);
    if (s.n > 0) memcpy(to + sizeof n, s.p, s.n);
    return to + sizeof n + s.n;
}

static struct ln_str next_piece(const char **at) {
    uint32_t n;
    memcpy(&n, *at, sizeof n);
    struct ln_str s = {*at + sizeof n, n};
    *at += sizeof n + n;
    return s;
}

static struct kept *kept_new(struct hub *h, const struct hub_outgoing *ev, struct ln_str text) {
    size_t bytes = sizeof(struct kept) + ev->rooms.n + text.n + 2 * sizeof(uint32_t);
    for (size_t i = 0; i < ev->bin_count; i++)
        bytes += ev->bin[i].n + sizeof(uint32_t);
    struct kept *k = ln_alloc(bytes);
    *k = (struct kept){.at_ms = loop_now_ms(h->loop), .bytes = bytes, .bin_count = ev->bin_count};
    if (ev->except) snprintf(k->except, sizeof k->except, "%s", ev->except);
    char *at = put(put(k->data, ev->rooms), text);
    for (size_t i = 0; i < ev->bin_count; i++)
        at = put(at, ev->bin[i]);
    return k;
}

bool hub_recovery_keep(struct hub *h, const struct hub_outgoing *ev, struct ln_buf *out) {
    struct hub_ring *g = h->recovery ? ln_map_get(&h->recovery->rings, ev->nsp) : NULL;
    struct ln_buf args = {0};
    if (!g) return false;
    ln_buf_str(&args, ev->args);
    ln_buf_fmt(&args, "%s\"%s.%llx\"", args.n ? "," : "", g->mark, (unsigned long long)g->next);
    hub_sio_event(out, ev->nsp, SIO_NO_ACK, ev->bin_count, ev->name, ln_buf_get(&args));
    ln_buf_free(&args);
    push(h, g, kept_new(h, ev, ln_buf_get(out)));
    sweep_later(h);
    return true;
}

/* The next of the names that each have a 0 byte behind them. */
static bool next_name(struct ln_str names, size_t *at, struct ln_str *name) {
    if (*at >= names.n) return false;
    *name = (struct ln_str){names.p + *at, strlen(names.p + *at)};
    *at += name->n + 1;
    return true;
}

/* Who comes back again and again makes us look at a whole ring each time: room by room would be too
 * much. */
static void look_up(struct hub_session *s) {
    struct ln_str name;
    s->names.lent = true;
    for (size_t at = 0; next_name(ln_buf_get(&s->rooms), &at, &name);)
        ln_map_set(&s->names, name, s);
}

static bool is_for(const struct hub_session *s, const struct kept *k, struct ln_str rooms) {
    struct ln_str room;
    if (strcmp(k->except, s->sid) == 0) return false;
    for (size_t at = 0; next_name(rooms, &at, &room);)
        if (ln_map_get(&s->names, room) || ln_str_is(room, s->sid)) return true;
    return rooms.n == 0;
}

static void forget_rooms(struct hub_session *s) {
    ln_map_free(&s->names);
    ln_buf_free(&s->rooms);
}

/* Would it be too slow for what it missed? Then it would be dropped, and come back, without end. */
static bool is_too_much(const struct hub *h, const struct hub_session *s, uint64_t from) {
    size_t bytes = 0;
    for (size_t i = (size_t)(from - oldest(s->ring)); i < s->ring->n; i++) {
        const struct kept *k = kept_at(s->ring, i);
        const char *at = k->data;
        if (is_for(s, k, next_piece(&at))) bytes += k->bytes;
    }
    return bytes > h->opts.max_queue / 2;
}

void hub_session_replay(struct hub_session *s, struct hub_client *c, uint64_t from) {
    struct hub_ring *g = s->ring;
    for (size_t i = (size_t)(from - oldest(g)); i < g->n; i++) {
        const struct kept *k = kept_at(g, i);
        const char *at = k->data;
        struct ln_str rooms = next_piece(&at), text = next_piece(&at);
        if (!is_for(s, k, rooms)) continue;
        hub_line_send(c->line, false, text);
        for (size_t b = 0; b < k->bin_count; b++)
            hub_line_send(c->line, true, next_piece(&at));
    }
}

/* --- sessions --- */

bool hub_session_is(const struct hub *h, struct ln_str sid) {
    if (!h->recovery || sid.n != HUB_SID_LEN) return false;
    LN_LIST_EACH (&h->recovery->lost, it, tmp)
        if (ln_str_is(sid, LN_CONTAINER(it, struct hub_session, lost)->sid)) return true;
    return false;
}

void hub_session_new(struct hub_client *c) {
    struct hub_recovery *r = c->line->hub->recovery;
    if (!r) return;
    struct hub_session *s = ln_new(struct hub_session);
    s->client = c;
    s->ring = ring_of(r, ln_str(c->nsp));
    s->ring->sessions++;
    s->since = s->ring->next;
    memcpy(s->sid, c->sid, sizeof s->sid);
    ln_random_id(s->pid, HUB_SID_LEN);
    ln_list_init(&s->lost);
    ln_map_set(&r->sessions, ln_str(s->pid), s);
    struct ln_str owner = hub_grant_sub(c->grant);
    if (owner.p) s->sub = ln_str_dup(owner);
    c->session = s;
}

static void unlist(struct hub_recovery *r, struct hub_session *s) {
    if (ln_list_empty(&s->lost)) return;
    ln_list_remove(&s->lost);
    r->lost_count--;
}

static void session_free(struct hub_recovery *r, struct hub_session *s) {
    unlist(r, s);
    ln_map_remove(&r->sessions, ln_str(s->pid));
    ring_release(r, s->ring);
    forget_rooms(s);
    ln_buf_free(&s->user);
    ln_free(s->sub);
    ln_free(s);
}

static void remember(struct hub_session *s, const struct hub_client *c) {
    const struct hub_user *u = c->user;
    LN_LIST_EACH (&c->memberships, it, tmp) {
        const char *name = LN_CONTAINER(it, struct hub_member, of_client)->room->name;
        ln_buf_add(&s->rooms, name, strlen(name) + 1);
    }
    if (!u) return;
    ln_buf_puts(&s->user, "{\"id\":");
    if (u->is_number) {
        ln_buf_puts(&s->user, u->id);
    } else {
        ln_json_quote(&s->user, ln_str(u->id));
    }
    ln_buf_puts(&s->user, ",\"name\":");
    ln_json_quote(&s->user, ln_str(u->name));
    ln_buf_putc(&s->user, '}');
}

static struct hub_session *first_lost(const struct hub_recovery *r) {
    return LN_CONTAINER(r->lost.next, struct hub_session, lost);
}

void hub_session_lost(struct hub_client *c, enum hub_leave why) {
    struct hub *h = c->line->hub;
    struct hub_recovery *r = h->recovery;
    struct hub_session *s = c->session;
    if (!s) return;
    c->session = NULL;
    s->client = NULL;
    /* A line that its client closed is as lost as others; only who disconnects the client leaves.
     */
    bool left = why == HUB_LEAVE_SERVER || (why == HUB_LEAVE_CLIENT && !c->line->is_ended);
    if (left || h->is_closing) {
        session_free(r, s);
        return;
    }
    remember(s, c);
    s->until_ms = loop_now_ms(h->loop) + (uint64_t)h->opts.recovery_ms;
    ln_list_push(&r->lost, &s->lost);
    if (++r->lost_count > (size_t)h->opts.max_clients) session_free(r, first_lost(r));
    sweep_later(h);
}

/* "Q7t0z9.1f" -> 0x1f + 1, when the mark is this ring's. */
static bool read_offset(const struct hub_ring *g, struct ln_str raw, uint64_t *from) {
    char text[RING_MARK + 20], *end;
    if (raw.n < RING_MARK + 4 || raw.n - 2 >= sizeof text || raw.p[0] != '"') return false;
    memcpy(text, raw.p + 1, raw.n - 2);
    text[raw.n - 2] = 0;
    if (memcmp(text, g->mark, RING_MARK) != 0 || text[RING_MARK] != '.') return false;
    *from = strtoull(text + RING_MARK + 1, &end, 16) + 1;
    return *end == 0;
}

struct hub_session *hub_session_find(struct hub *h, struct ln_str nsp, struct ln_str auth,
                                     struct ln_str sub, uint64_t *from) {
    struct ln_str pid = ln_json_get(auth, "pid"), offset = ln_json_get(auth, "offset");
    if (!h->recovery || pid.n != HUB_SID_LEN + 2 || pid.p[0] != '"') return NULL;
    pid = (struct ln_str){pid.p + 1, HUB_SID_LEN};
    struct hub_session *s = ln_map_get(&h->recovery->sessions, pid);
    if (!s || !ln_str_is(nsp, s->ring->nsp) || !ln_str_eq(sub, ln_str(s->sub))) return NULL;
    if (!s->client && loop_now_ms(h->loop) >= s->until_ms) return NULL;
    trim(h, s->ring);
    *from = s->since; /* it got no event yet */
    if (offset.p && ln_json_peek(offset) != LN_JSON_NULL && !read_offset(s->ring, offset, from))
        return NULL;
    /* Places are easily guessed: what was before it came here is not for it. */
    if (*from < s->since || *from < oldest(s->ring) || *from > s->ring->next) return NULL;
    /* Its old line may not know yet that it is dead. */
    if (s->client) hub_client_end(s->client, HUB_LEAVE_CLOSE);
    s = ln_map_get(&h->recovery->sessions, pid); /* and who heard of it may have sent something */
    if (!s || *from < oldest(s->ring)) return NULL;
    look_up(s);
    return is_too_much(h, s, *from) ? NULL : s;
}

void hub_session_take(struct hub_session *s, struct hub_client *c) {
    unlist(c->line->hub->recovery, s);
    s->client = c;
    c->session = s;
    memcpy(c->sid, s->sid, sizeof c->sid);
}

void hub_session_rejoin(struct hub_session *s, struct hub_client *c) {
    bool created;
    struct ln_str name;
    for (size_t at = 0; next_name(ln_buf_get(&s->rooms), &at, &name);)
        hub_room_enter(c, name, &created, NULL);
    forget_rooms(s);
    ln_buf_free(&s->user);
}

/* --- time --- */

static void sweep(void *ud) {
    struct hub *h = ud;
    struct hub_recovery *r = h->recovery;
    uint64_t now = loop_now_ms(h->loop);
    size_t i = 0;
    void *ring;
    r->timer = 0;
    while (!ln_list_empty(&r->lost) && first_lost(r)->until_ms <= now)
        session_free(r, first_lost(r));
    while (ln_map_next(&r->rings, &i, NULL, &ring))
        trim(h, ring);
    if (r->bytes > 0 || !ln_list_empty(&r->lost)) sweep_later(h);
}

static void sweep_later(struct hub *h) {
    struct hub_recovery *r = h->recovery;
    if (!r->timer) r->timer = loop_timer(h->loop, h->opts.recovery_ms, sweep, h);
}

void hub_recovery_open(struct hub *h) {
    if (h->opts.recovery_ms <= 0) return;
    h->recovery = ln_new(struct hub_recovery);
    ln_list_init(&h->recovery->lost);
}

void hub_recovery_close(struct hub *h) {
    struct hub_recovery *r = h->recovery;
    void *s;
    size_t i = 0;
    if (!r) return;
    while (ln_map_next(&r->sessions, &i, NULL, &s))
        session_free(r, s);
    loop_timer_cancel(h->loop, r->timer);
    ln_map_free(&r->sessions);
    ln_map_free(&r->rings);
    ln_free(r);
    h->recovery = NULL;
}
