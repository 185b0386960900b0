/* SPDX-License-Identifier: MIT
 *
 * What waits to be sent: the queue of plain emits and the queue of those with retries, in order,
 * under one limit of number and bytes, each message with a time to live. A message that is given up
 * is counted, and its reply hears why.
 */
#include "client/line.h"

ln_status outbox_check(const struct conn *c, size_t bytes, struct ln_err *err) {
    if (c->out->kept >= c->opts->offline_max)
        return ln_fail(err, LN_FULL, "the outbox is full: %zu messages wait (offline.max)",
                       c->out->kept);
    if (c->out->kept_bytes + bytes > KEPT_BYTES)
        return ln_fail(err, LN_FULL, "the outbox is full: more than %d MiB wait", KEPT_BYTES >> 20);
    return LN_OK;
}

static struct op *first_of(const struct ln_list *list) {
    return ln_list_empty(list) ? NULL : LN_CONTAINER(list->next, struct op, node);
}

/* --- time to live --- */

static bool is_expired(const struct op *op, uint64_t now) {
    return op->ack < 0 && now - op->queued_ms >= (uint64_t)op->conn->opts->offline_ttl_ms;
}

static void expire(struct conn *c, struct ln_list *list, uint64_t now) {
    struct op *op;
    while ((op = first_of(list)) && is_expired(op, now)) {
        conn_more(c)->dropped++;
        op_fail(op, LN_DROPPED, "it waited longer in the outbox than offline.ttl allows");
    }
}

static void arm(struct conn *c, int64_t ms);

static void on_ttl(void *ud) {
    struct conn *c = ud;
    uint64_t now = loop_now_ms(c->clients->loop);
    c->out->ttl_timer = 0;
    expire(c, &c->out->queue, now);
    expire(c, &c->out->retry, now);
    uint64_t oldest = UINT64_MAX;
    struct op *a = first_of(&c->out->queue), *b = first_of(&c->out->retry);
    if (a) oldest = a->queued_ms;
    if (b) oldest = LN_MIN(oldest, b->queued_ms);
    if (oldest == UINT64_MAX) return;
    /* A retry in flight may be overdue already: it is looked at again a ttl later. */
    int64_t left = c->opts->offline_ttl_ms - (int64_t)(now - oldest);
    arm(c, left > 0 ? left : c->opts->offline_ttl_ms);
}

static void arm(struct conn *c, int64_t ms) {
    if (!c->out->ttl_timer && ms > 0)
        c->out->ttl_timer = loop_timer(c->clients->loop, ms, on_ttl, c);
}

/* --- in and out --- */

void outbox_keep(struct op *op) {
    struct conn *c = op->conn;
    op->queued_ms = loop_now_ms(c->clients->loop);
    op->bytes = op->msg->bytes;
    op->is_kept = true;
    ln_list_push(op->is_retry ? &c->out->retry : &c->out->queue, &op->node);
    c->out->kept++;
    c->out->kept_bytes += op->bytes;
    arm(c, c->opts->offline_ttl_ms);
}

void outbox_unkeep(struct op *op) {
    if (!op->is_kept) return;
    op->is_kept = false;
    ln_list_remove(&op->node);
    op->conn->out->kept--;
    op->conn->out->kept_bytes -= op->bytes;
}

static void flush_again(void *ud) {
    struct conn *c = ud;
    if (c->step == STEP_FLUSH && conn_is_up(c)) outbox_flush(c);
}

void outbox_flush(struct conn *c) {
    uint64_t epoch = c->epoch;
    c->step = STEP_FLUSH;
    expire(c, &c->out->queue, loop_now_ms(c->clients->loop));
    /* What is emitted meanwhile goes behind; but who emits at each outgoing event must not keep us
     * here for ever. */
    for (size_t left = c->out->kept; left > 0; left--) {
        if (c->epoch != epoch || !conn_is_up(c)) return;
        struct op *op = first_of(&c->out->queue);
        if (!op) break;
        emit_kept(op);
    }
    if (c->epoch != epoch || !conn_is_up(c)) return;
    if (first_of(&c->out->queue)) {
        loop_defer(c->clients->loop, flush_again, c);
        return;
    }
    c->step = STEP_OPEN;
    emit_open(c);
}

/* Ends those that are in the list now; replies may add new ones. */
static size_t fail_all(struct conn *c, struct ln_list *list, ln_status code, const char *text) {
    size_t n = 0, done = 0;
    ln_id *ids = ln_alloc((c->out->kept + 1) * sizeof *ids);
    LN_LIST_EACH (list, it, tmp)
        ids[n++] = LN_CONTAINER(it, struct op, node)->id;
    for (size_t i = 0; i < n; i++) {
        struct op *op = ln_slot_get(&c->clients->slots, ids[i], HANDLE_OP);
        if (!op) continue;
        op_fail(op, code, text);
        done++;
    }
    ln_free(ids);
    return done;
}

void outbox_lost(struct conn *c) {
    if (c->opts->offline == OFFLINE_QUEUE) return;
    bool drop = c->opts->offline == OFFLINE_DROP;
    conn_more(c)->dropped += fail_all(c, &c->out->queue, drop ? LN_DROPPED : LN_DISCONNECTED,
                                      drop ? "the connection was lost before it was sent, and "
                                             "offline.mode is drop"
                                           : "the connection was lost before it was sent");
}

/* --- for scripts --- */

size_t conn_outbox_size(const struct conn *c) {
    return c->out->kept;
}

void conn_outbox_each(struct conn *c,
                      bool (*fn)(void *ud, ln_id op, struct ln_str name, struct ln_str args,
                                 int64_t queued_ms),
                      void *ud) {
    struct ln_list *const lists[] = {&c->out->queue, &c->out->retry};
    uint64_t now = loop_now_ms(c->clients->loop);
    for (size_t i = 0; i < LN_COUNT(lists); i++)
        LN_LIST_EACH (lists[i], it, tmp) {
            struct op *op = LN_CONTAINER(it, struct op, node);
            if (!op->msg) continue; /* being sent right now */
            if (!fn(ud, op->id, op->msg->name, op->msg->args, (int64_t)(now - op->queued_ms)))
                return;
        }
}

size_t conn_outbox_clear(struct conn *c, ln_id id) {
    static const char text[] = "removed from the outbox";
    if (id == 0) {
        size_t n = fail_all(c, &c->out->queue, LN_CANCELLED, text);
        return n + fail_all(c, &c->out->retry, LN_CANCELLED, text);
    }
    struct op *op = ln_slot_get(&c->clients->slots, id, HANDLE_OP);
    if (!op || op->conn != c || !op->is_kept) return 0;
    op_fail(op, LN_CANCELLED, text);
    return 1;
}
