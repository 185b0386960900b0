/* SPDX-License-Identifier: MIT
 *
 * Rooms that are wanted: not a history of joins but what somebody wants now, which is what is asked
 * for again after every (re)connect. All joins are sent together, each with an ack; when all are
 * answered (or timed out) the outbox may leave.
 */
#include "client/line.h"

#define REJOIN_TIMEOUT_MS 10000 /* when acks have no timeout of their own */

struct room {
    struct msg *join; /* the event that asks for it; its name empty: nothing needs to be asked */
    int wants;        /* 0: nobody wants it any more */
    int refs;         /* the table's, and joins on their way */
    uint64_t asked_epoch;
    size_t n;
    char name[];
};

static void room_unref(struct room *r) {
    if (--r->refs > 0) return;
    ln_free(r->join);
    ln_free(r);
}

bool conn_room_want(struct conn *c, struct ln_str room, struct ln_str join_event,
                    struct ln_str join_args) {
    struct room *r = ln_map_get(&c->rooms, room);
    if (r) {
        r->wants++;
        return false;
    }
    r = ln_alloc(sizeof *r + room.n + 1);
    r->refs = r->wants = 1;
    r->n = room.n;
    if (room.n) memcpy(r->name, room.p, room.n);
    r->join = msg_new(join_event, join_args, NULL, 0);
    if (c->step >= STEP_HANDLERS) r->asked_epoch = c->epoch; /* the caller asks for it now */
    ln_map_set(&c->rooms, (struct ln_str){r->name, r->n}, r);
    return true;
}

bool conn_room_drop(struct conn *c, struct ln_str room) {
    struct room *r = ln_map_get(&c->rooms, room);
    if (!r || --r->wants > 0) return false;
    ln_map_remove(&c->rooms, room);
    room_unref(r);
    return true;
}

bool conn_room_wanted(const struct conn *c, struct ln_str room) {
    return ln_map_get(&c->rooms, room) != NULL;
}

void rooms_free(struct conn *c) {
    size_t i = 0;
    struct ln_str name;
    void *room;
    while (ln_map_next(&c->rooms, &i, &name, &room))
        room_unref(room);
    ln_map_free(&c->rooms);
}

/* --- asking again --- */

struct join { /* one that is on its way */
    struct conn *conn;
    struct room *room;
    uint64_t epoch;
};

static void answered_one(struct conn *c) {
    if (--c->rooms_asked == 0 && c->step == STEP_ROOMS && conn_is_up(c)) outbox_flush(c);
}

static void tell_rejoined(struct conn *c, struct room *r, struct ln_str reply,
                          const struct ln_err *err) {
    struct ln_str name = {r->name, r->n};
    if (err) ln_log(LN_WARN, c->tag, "room '%.*s' is not joined: %s", LN_FMT(name), err->text);
    if (r->wants > 0) c->clients->sink->rejoined(c->clients->ud, c, name, reply, err);
}

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
    c->rooms_asked++;
    if (conn_emit(c, &e, NULL, &err) != LN_OK) on_answer(j, (struct ln_str){0}, NULL, 0, &err);
}

void rooms_rejoin(struct conn *c) {
    uint64_t epoch = c->epoch;
    c->step = STEP_ROOMS;
    c->rooms_asked = 1; /* our own, until all are sent */
    /* By reference: what hears of the joins may add and drop rooms. */
    size_t n = 0, i = 0;
    struct room **all = ln_alloc((c->rooms.count + 1) * sizeof *all);
    struct ln_str name;
    void *room;
    while (ln_map_next(&c->rooms, &i, &name, &room)) {
        all[n++] = room;
        all[n - 1]->refs++;
    }
    for (i = 0; i < n; i++) {
        struct room *r = all[i];
        bool is_due = r->wants > 0 && r->asked_epoch != epoch && r->join->name.n > 0;
        if (is_due && c->epoch == epoch && conn_is_up(c)) ask(c, r);
        room_unref(r);
    }
    ln_free(all);
    if (c->epoch == epoch && c->step == STEP_ROOMS) answered_one(c);
}
