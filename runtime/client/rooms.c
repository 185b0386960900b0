/* SPDX-License-Identifier: MIT
 *
 * Rooms that are wanted: not a history of joins but what somebody wants now, which is what is asked
 * for again after every (re)connect. All joins are sent together; when all are answered (or timed
 * out) the outbox may leave. A join is a dialect's event with an ack, or, where the protocol has
 * rooms of its own, the protocol's business (proto.room_join).
 */
#include "base/text.h"
#include "client/line.h"

#define REJOIN_TIMEOUT_MS 10000 /* when acks have no timeout of their own */

enum room_state { ROOM_OUT, ROOM_ASKED, ROOM_IN }; /* of protocols with rooms of their own */

struct room {
    struct msg *join; /* the event that asks for it; its name empty: nothing needs to be asked */
    int wants;        /* 0: nobody wants it any more */
    int refs;         /* the table's; joins on their way; waits */
    uint64_t asked_epoch;
    enum room_state state; /* in asked_epoch */
    bool holds_outbox;     /* until it is answered */
    size_t n;
    char name[];
};

static struct rooms no_rooms = {.waits = {&no_rooms.waits, &no_rooms.waits}};

void rooms_init(struct conn *c) {
    c->rooms = &no_rooms;
}

static void first_room(struct conn *c) {
    c->rooms = ln_new(struct rooms);
    c->rooms->wanted.lent = true;
    ln_list_init(&c->rooms->waits);
}

static void room_unref(struct room *r) {
    if (--r->refs > 0) return;
    ln_free(r->join);
    ln_free(r);
}

bool conn_has_rooms(const struct conn *c) {
    return c->proto->room_join != NULL;
}

static enum room_state state_of(const struct conn *c, const struct room *r) {
    return r->asked_epoch == c->epoch ? r->state : ROOM_OUT;
}

static void answered_one(struct conn *c) {
    if (--c->rooms->asked == 0 && c->step == STEP_ROOMS && conn_is_up(c)) outbox_flush(c);
}

static void ask_own(struct conn *c, struct room *r) {
    r->asked_epoch = c->epoch;
    r->state = ROOM_ASKED;
    c->proto->room_join(c, (struct ln_str){r->name, r->n});
}

/* --- who waits for a join --- */

struct room_wait {
    struct ln_list node; /* rooms.waits */
    struct conn *conn;
    struct room *room;
    conn_room_fn fn;
    void *ud;
    ln_id id, timer;
    int64_t timeout_ms;
    bool is_soon;      /* the timer is for the end of the turn: */
    struct ln_err why; /* ended by this, or (LN_OK) the room was joined already */
};

static void wait_free(struct room_wait *w) {
    struct clients *cs = w->conn->clients;
    ln_list_remove(&w->node);
    loop_timer_cancel(cs->loop, w->timer);
    ln_slot_drop(&cs->slots, w->id);
    room_unref(w->room);
    ln_free(w);
}

static void wait_end(struct room_wait *w, struct ln_str reply, const struct ln_err *err) {
    conn_room_fn fn = w->fn;
    void *ud = w->ud;
    wait_free(w);
    fn(ud, reply, err);
}

static void wait_joined(struct room_wait *w) {
    struct ln_buf reply = {0};
    w->conn->proto->room_state(w->conn, (struct ln_str){w->room->name, w->room->n}, &reply);
    wait_end(w, ln_buf_get(&reply), NULL);
    ln_buf_free(&reply);
}

static void on_wait_timer(void *ud);

static void wait_start(struct room_wait *w) {
    w->timer = 0;
    if (w->timeout_ms > 0)
        w->timer = loop_timer(w->conn->clients->loop, w->timeout_ms, on_wait_timer, w);
}

static void on_wait_timer(void *ud) {
    struct room_wait *w = ud;
    bool was_soon = w->is_soon;
    struct ln_err why = w->why;
    char text[32];
    w->is_soon = false;
    w->timer = 0;
    if (why.code != LN_OK) {
        wait_end(w, (struct ln_str){0}, &why);
    } else if (state_of(w->conn, w->room) == ROOM_IN) {
        wait_joined(w);
    } else if (was_soon) { /* lost again within the turn */
        wait_start(w);
    } else {
        ln_fail(&why, LN_TIMEOUT, "joining '%.100s' took longer than %s", w->room->name,
                ln_duration_text(w->timeout_ms, text, sizeof text));
        wait_end(w, (struct ln_str){0}, &why);
    }
}

static void wait_end_soon(struct room_wait *w, ln_status code, const char *text) {
    struct loop *l = w->conn->clients->loop;
    if (code != LN_OK) ln_fail(&w->why, code, "%s", text);
    loop_timer_cancel(l, w->timer);
    w->is_soon = true;
    w->timer = loop_timer(l, 0, on_wait_timer, w);
}

/* r NULL: all. */
static void waits_end_soon(struct conn *c, const struct room *r, ln_status code, const char *text) {
    LN_LIST_EACH (&c->rooms->waits, it, tmp) {
        struct room_wait *w = LN_CONTAINER(it, struct room_wait, node);
        if (!r || w->room == r) wait_end_soon(w, code, text);
    }
}

static bool is_awaited(const struct conn *c, const struct room *r) {
    LN_LIST_EACH (&c->rooms->waits, it, tmp)
        if (LN_CONTAINER(it, struct room_wait, node)->room == r) return true;
    return false;
}

/* Those who wait now: who waits again when it hears of this end has a new wait. */
static void waits_end(struct conn *c, const struct room *r, struct ln_str reply,
                      const struct ln_err *err) {
    struct ln_list now;
    ln_list_init(&now);
    LN_LIST_EACH (&c->rooms->waits, it, tmp) {
        if (r && LN_CONTAINER(it, struct room_wait, node)->room != r) continue;
        ln_list_remove(it);
        ln_list_push(&now, it);
    }
    while (!ln_list_empty(&now))
        wait_end(LN_CONTAINER(now.next, struct room_wait, node), reply, err);
}

ln_id conn_room_wait(struct conn *c, struct ln_str room, int64_t timeout_ms, conn_room_fn fn,
                     void *ud) {
    struct room *r = ln_map_get(&c->rooms->wanted, room);
    if (!r || c->is_closed || !conn_has_rooms(c)) return 0;
    struct room_wait *w = ln_new(struct room_wait);
    w->conn = c;
    w->room = r;
    w->fn = fn;
    w->ud = ud;
    w->timeout_ms = timeout_ms;
    w->id = ln_slot_put(&c->clients->slots, w, HANDLE_WAIT);
    r->refs++;
    ln_list_push(&c->rooms->waits, &w->node);
    if (c->state == CONN_FAILED)
        wait_end_soon(w, LN_DISCONNECTED, c->more->last_error);
    else if (state_of(c, r) == ROOM_IN)
        wait_end_soon(w, LN_OK, NULL);
    else
        wait_start(w);
    if (conn_is_up(c) && state_of(c, r) == ROOM_OUT) ask_own(c, r); /* it was refused before */
    return w->id;
}

void conn_room_wait_cancel(struct conn *c, ln_id wait) {
    struct room_wait *w = ln_slot_get(&c->clients->slots, wait, HANDLE_WAIT);
    if (w && w->conn == c) wait_free(w);
}

void rooms_give_up(struct conn *c) {
    waits_end_soon(c, NULL, LN_DISCONNECTED, c->more->last_error);
}

/* --- what is wanted --- */

bool conn_room_want(struct conn *c, struct ln_str room, struct ln_str join_event,
                    struct ln_str join_args) {
    struct room *r = ln_map_get(&c->rooms->wanted, room);
    bool is_new = !r;
    if (r) {
        r->wants++;
    } else {
        r = ln_alloc(sizeof *r + room.n + 1);
        r->refs = r->wants = 1;
        r->n = room.n;
        if (room.n) memcpy(r->name, room.p, room.n);
        r->join = msg_new(join_event, join_args, NULL, 0);
        if (c->rooms == &no_rooms) first_room(c);
        ln_map_set(&c->rooms->wanted, (struct ln_str){r->name, r->n}, r);
    }
    if (conn_has_rooms(c)) {
        if (conn_is_up(c) && state_of(c, r) == ROOM_OUT) ask_own(c, r);
    } else if (is_new && c->step >= STEP_HANDLERS) {
        r->asked_epoch = c->epoch; /* the caller asks for it now */
    }
    return is_new;
}

bool conn_room_drop(struct conn *c, struct ln_str room) {
    struct room *r = ln_map_get(&c->rooms->wanted, room);
    if (!r || --r->wants > 0) return false;
    ln_map_remove(&c->rooms->wanted, room);
    waits_end_soon(c, r, LN_CANCELLED, "the room was left before it was joined");
    bool held = r->holds_outbox && r->asked_epoch == c->epoch;
    r->holds_outbox = false;
    if (conn_has_rooms(c) && conn_is_up(c)) c->proto->room_leave(c, (struct ln_str){r->name, r->n});
    room_unref(r);
    if (held) answered_one(c);
    return true;
}

bool conn_room_wanted(const struct conn *c, struct ln_str room) {
    return ln_map_get(&c->rooms->wanted, room) != NULL;
}

bool conn_room_joined(const struct conn *c, struct ln_str room) {
    const struct room *r = ln_map_get(&c->rooms->wanted, room);
    return r && conn_is_up(c) && state_of(c, r) == ROOM_IN;
}

void conn_room_wire(const struct conn *c, struct ln_str room, struct ln_buf *out) {
    if (c->proto->room_wire)
        c->proto->room_wire(c, room, out);
    else
        ln_buf_str(out, room);
}

struct ln_str conn_room_name(const struct conn *c, struct ln_str wire) {
    const char *prefix = clients_room_prefix(c->opts);
    size_t n = strlen(prefix);
    if (!conn_has_rooms(c) || n == 0 || !ln_str_starts(wire, prefix)) return wire;
    struct ln_str name = {wire.p + n, wire.n - n};
    struct ln_buf again = {0};
    conn_room_wire(c, name, &again);
    bool same = ln_str_eq(ln_buf_get(&again), wire);
    ln_buf_free(&again);
    return same ? name : wire;
}

bool conn_room_member(struct conn *c, struct ln_str room, struct ln_str id, struct ln_str *info) {
    return c->proto->room_member && conn_room_joined(c, room) &&
           c->proto->room_member(c, room, id, info);
}

void rooms_free(struct conn *c) {
    size_t i = 0;
    struct ln_str name;
    struct ln_err err;
    void *room;
    ln_fail(&err, LN_DISCONNECTED, "the connection is closed");
    waits_end(c, NULL, (struct ln_str){0}, &err);
    while (ln_map_next(&c->rooms->wanted, &i, &name, &room))
        room_unref(room);
    if (c->rooms == &no_rooms) return;
    ln_map_free(&c->rooms->wanted);
    ln_free(c->rooms);
}

/* --- answers --- */

static void tell_rejoined(struct conn *c, struct room *r, struct ln_str reply,
                          const struct ln_err *err) {
    struct ln_str name = {r->name, r->n};
    if (err) ln_log(LN_WARN, c->tag, "room '%.*s' is not joined: %s", LN_FMT(name), err->text);
    if (r->wants > 0) c->clients->sink->rejoined(c->clients->ud, c, name, reply, err);
}

void conn_room_answer(struct conn *c, struct ln_str room, struct ln_str reply,
                      const struct ln_err *err) {
    struct room *r = ln_map_get(&c->rooms->wanted, room);
    uint64_t epoch = c->epoch;
    if (!r || r->asked_epoch != epoch) return;
    bool held = r->holds_outbox;
    r->holds_outbox = false;
    r->state = err ? ROOM_OUT : ROOM_IN;
    r->refs++;
    if (held || !is_awaited(c, r)) tell_rejoined(c, r, reply, err);
    if (c->epoch == epoch) waits_end(c, r, reply, err);
    room_unref(r);
    if (held && c->epoch == epoch) answered_one(c);
}

/* --- asking again --- */

struct join { /* one that is on its way */
    struct conn *conn;
    struct room *room;
    uint64_t epoch;
};

static void on_answer(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                      const struct ln_err *err) {
    struct join *j = ud;
    struct conn *c = j->conn;
    (void)bin, (void)bin_count;
    /* A line that was lost meanwhile says nothing about the room: it is asked for again. */
    if (!c->is_closed && c->epoch == j->epoch) {
        tell_rejoined(c, j->room, args, err);
        if (c->epoch == j->epoch) answered_one(c);
    }
    room_unref(j->room);
    ln_free(j);
}

static void ask(struct conn *c, struct room *r) {
    c->rooms->asked++;
    if (conn_has_rooms(c)) {
        r->holds_outbox = true;
        if (state_of(c, r) == ROOM_OUT) ask_own(c, r);
        return;
    }
    struct join *j = ln_new(struct join);
    *j = (struct join){c, r, c->epoch};
    r->refs++;
    r->asked_epoch = c->epoch;
    struct conn_emit e = {.name = r->join->name,
                          .args = r->join->args,
                          .flags = CONN_EMIT_NOW,
                          .reply = on_answer,
                          .ud = j,
                          .timeout_ms = c->opts->ack_timeout_ms > 0 ? c->opts->ack_timeout_ms
                                                                    : REJOIN_TIMEOUT_MS};
    struct ln_err err;
    if (conn_emit(c, &e, NULL, &err) != LN_OK) on_answer(j, (struct ln_str){0}, NULL, 0, &err);
}

void rooms_rejoin(struct conn *c) {
    uint64_t epoch = c->epoch;
    c->step = STEP_ROOMS;
    if (c->rooms == &no_rooms) {
        if (conn_is_up(c)) outbox_flush(c);
        return;
    }
    c->rooms->asked = 1; /* our own, until all are sent */
    /* By reference: what hears of the joins may add and drop rooms. */
    size_t n = 0, i = 0;
    struct room **all = ln_alloc((c->rooms->wanted.count + 1) * sizeof *all);
    struct ln_str name;
    void *room;
    while (ln_map_next(&c->rooms->wanted, &i, &name, &room)) {
        all[n++] = room;
        all[n - 1]->refs++;
    }
    for (i = 0; i < n; i++) {
        struct room *r = all[i];
        bool is_due = conn_has_rooms(c) ? state_of(c, r) != ROOM_IN
                                        : r->asked_epoch != epoch && r->join->name.n > 0;
        is_due = is_due && r->wants > 0;
        if (is_due && c->epoch == epoch && conn_is_up(c)) ask(c, r);
        room_unref(r);
    }
    ln_free(all);
    if (c->epoch == epoch && c->step == STEP_ROOMS) answered_one(c);
}
