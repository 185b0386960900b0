/* SPDX-License-Identifier: MIT
 *
 * Emits. The straight way, when the connection is open: encode, send, and for an ack an entry in
 * the table of acks. Otherwise the message is kept (outbox.c) or goes into the retry queue, of
 * which only the head is in flight. A reply is called exactly once, when the op is already gone, so
 * that it may do whatever it likes.
 */
#include "base/clock.h"
#include "client/line.h"

static struct sending no_emits = {.queue = {&no_emits.queue, &no_emits.queue},
                                  .retry = {&no_emits.retry, &no_emits.retry},
                                  .sent = {&no_emits.sent, &no_emits.sent}};

void emit_init(struct conn *c) {
    c->out = &no_emits;
}

void emit_free(struct conn *c) {
    if (c->out == &no_emits) return;
    ln_free(c->out->acks);
    ln_free(c->out);
}

static void first_emit(struct conn *c) {
    c->out = ln_new(struct sending);
    ln_list_init(&c->out->queue);
    ln_list_init(&c->out->retry);
    ln_list_init(&c->out->sent);
}

/* --- the table of acks: number -> op, chained --- */

static void acks_grow(struct conn *c) {
    size_t cap = c->out->acks_cap ? c->out->acks_cap * 2 : 8;
    struct op **next = ln_alloc(cap * sizeof *next);
    for (size_t i = 0; i < c->out->acks_cap; i++)
        for (struct op *op = c->out->acks[i], *after; op; op = after) {
            after = op->chain;
            op->chain = next[(size_t)op->ack & (cap - 1)];
            next[(size_t)op->ack & (cap - 1)] = op;
        }
    ln_free(c->out->acks);
    c->out->acks = next;
    c->out->acks_cap = cap;
}

static void acks_add(struct op *op) {
    struct conn *c = op->conn;
    if (c->out->acks_count == c->out->acks_cap) acks_grow(c);
    op->ack = c->out->next_ack++; /* never begins anew: late answers to old numbers find nobody */
    struct op **place = &c->out->acks[(size_t)op->ack & (c->out->acks_cap - 1)];
    op->chain = *place;
    *place = op;
    c->out->acks_count++;
}

static struct op *acks_find(struct conn *c, int64_t ack) {
    struct op *op = c->out->acks_cap ? c->out->acks[(size_t)ack & (c->out->acks_cap - 1)] : NULL;
    while (op && op->ack != ack)
        op = op->chain;
    return op;
}

static void acks_remove(struct op *op) {
    struct conn *c = op->conn;
    if (op->ack < 0) return;
    struct op **at = &c->out->acks[(size_t)op->ack & (c->out->acks_cap - 1)];
    while (*at != op)
        at = &(*at)->chain;
    *at = op->chain;
    op->ack = -1;
    c->out->acks_count--;
}

/* --- ops --- */

static struct op *op_new(struct conn *c, const struct conn_emit *e, int retries) {
    struct op *op = ln_new(struct op);
    op->conn = c;
    op->reply = e->reply;
    op->ud = e->ud;
    op->ack = -1;
    op->timeout_ms = e->timeout_ms ? e->timeout_ms : c->opts->ack_timeout_ms;
    op->retries = retries;
    op->is_retry = retries > 0;
    op->asks = e->reply || op->is_retry;
    op->id = ln_slot_put(&c->clients->slots, op, HANDLE_OP);
    ln_list_init(&op->node);
    return op;
}

/* Ends op: out of everywhere, freed; then its reply, if any. */
static void op_finish(struct op *op, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                      const struct ln_err *err) {
    struct clients *cs = op->conn->clients;
    conn_reply_fn reply = op->reply;
    void *ud = op->ud;
    acks_remove(op);
    outbox_unkeep(op);
    ln_list_remove(&op->node);
    loop_timer_cancel(cs->loop, op->timer);
    ln_slot_drop(&cs->slots, op->id);
    ln_free(op->msg);
    ln_free(op);
    if (reply) reply(ud, args, bin, bin_count, err);
}

void op_fail(struct op *op, ln_status code, const char *text) {
    struct ln_err err;
    ln_fail(&err, code, "%s", text);
    op_finish(op, (struct ln_str){0}, NULL, 0, &err);
}

/* --- sending --- */

/* What may stand around an event's name and arguments: type, attachments, ack, brackets. */
#define HEAD_BYTES 32

/* What cannot go, now or ever, is better refused here: servers close the whole line for a message
 * that is too big. */
static ln_status check_fit(const struct conn *c, const struct conn_emit *e, struct ln_err *err) {
    const char *words = c->proto->refuses ? c->proto->refuses(c, e) : NULL;
    if (words) return ln_fail(err, LN_INVALID, "%s", words);
    size_t limit = c->line ? c->line->max_payload : 0;
    size_t biggest = HEAD_BYTES + strlen(c->nsp) + e->name.n + e->args.n;
    for (size_t i = 0; i < e->bin_count; i++)
        biggest = LN_MAX(biggest, c->line && c->line->poll ? e->bin[i].n / 3 * 4 + 5 /* base64 */
                                                           : e->bin[i].n);
    if (limit == 0 || biggest <= limit) return LN_OK;
    return ln_fail(
        err, LN_INVALID,
        "the event needs up to %zu bytes, and the server takes at most %zu in one message", biggest,
        limit);
}

static void send_now(struct conn *c, const struct conn_emit *e, int64_t ack) {
    struct clients *cs = c->clients;
    c->stats.bytes_out += c->proto->send_event(c, e, ack);
    c->stats.sent++;
    count_of(c, e->name)->sent++;
    struct event ev = {.kind = EVENT_OUT,
                       .conn = c,
                       .name = e->name,
                       .args = e->args,
                       .bin = e->bin,
                       .bin_count = e->bin_count,
                       .ack = SIO_NO_ACK};
    cs->sink->event(cs->ud, &ev);
}

static struct conn_emit emit_of(const struct msg *m) {
    return (struct conn_emit){.name = m->name,
                              .args = m->args,
                              .bin = m->bin,
                              .bin_count = m->bin_count,
                              .room = m->room};
}

static void send_msg(struct conn *c, const struct msg *m, int64_t ack) {
    struct conn_emit e = emit_of(m);
    e.flags = m->flags;
    send_now(c, &e, ack);
}

/* It was accepted while the line was down. True: op is gone. */
static bool is_unfit(struct op *op) {
    struct conn_emit e = emit_of(op->msg);
    struct conn *c = op->conn;
    struct ln_err err;
    if (check_fit(c, &e, &err) == LN_OK) return false;
    if (!op->reply) ln_log(LN_WARN, c->tag, "emit '%.*s' is dropped: %s", LN_FMT(e.name), err.text);
    conn_more(c)->dropped++;
    op_fail(op, err.code, err.text);
    return true;
}

static void on_op_timeout(void *ud);

/* Sent: op waits for its ack from now on. */
static void await_ack(struct op *op) {
    acks_add(op);
    op->sent_ns = ln_mono_ns();
    if (!op->is_retry) ln_list_push(&op->conn->out->sent, &op->node);
    if (op->timeout_ms > 0 && !op->timer)
        op->timer = loop_timer(op->conn->clients->loop, op->timeout_ms, on_op_timeout, op);
}

void emit_kept(struct op *op) {
    struct conn *c = op->conn;
    struct msg *m = op->msg;
    int64_t ack = SIO_NO_ACK;
    if (is_unfit(op)) return;
    outbox_unkeep(op);
    op->msg = NULL;
    if (op->asks) {
        await_ack(op);
        ack = op->ack;
    } else {
        op_finish(op, (struct ln_str){0}, NULL, 0, NULL);
    }
    send_msg(c, m, ack);
    ln_free(m);
}

/* --- retries: one in flight, the others wait behind it --- */

static void retry_go(struct conn *c) {
    struct op *op;
    do {
        if (c->step != STEP_OPEN || !conn_is_up(c) || ln_list_empty(&c->out->retry)) return;
        op = LN_CONTAINER(c->out->retry.next, struct op, node);
        if (op->ack >= 0) return;
    } while (is_unfit(op));
    op->tries++;
    await_ack(op);
    /* What listens to outgoing events may end op meanwhile: its message is sent from a hold. */
    struct msg *m = op->msg;
    ln_id id = op->id;
    op->msg = NULL;
    send_msg(c, m, op->ack);
    op = ln_slot_get(&c->clients->slots, id, HANDLE_OP);
    if (op)
        op->msg = m;
    else
        ln_free(m);
}

/* This try came to nothing. */
static void retry_missed(struct op *op, ln_status code, const char *text) {
    struct conn *c = op->conn;
    loop_timer_cancel(c->clients->loop, op->timer);
    op->timer = 0;
    acks_remove(op);
    if (op->tries <= op->retries) return;
    if (!op->reply && op->msg)
        ln_log(LN_WARN, c->tag, "emit '%.*s' is given up after %d tries: %s", LN_FMT(op->msg->name),
               op->tries, text);
    conn_more(c)->dropped++;
    op_fail(op, code, text);
}

static void on_op_timeout(void *ud) {
    static const char text[] = "operation has timed out";
    struct op *op = ud;
    struct conn *c = op->conn;
    op->timer = 0;
    if (!op->is_retry) {
        op_fail(op, LN_TIMEOUT, text);
        return;
    }
    retry_missed(op, LN_TIMEOUT, text);
    retry_go(c);
}

void conn_acked(struct conn *c, int64_t ack, struct ln_str args, const struct ln_str *bin,
                size_t bin_count) {
    struct op *op = acks_find(c, ack);
    if (!op) return; /* too late, or none of ours */
    conn_more(c)->rtt_ms = (double)(ln_mono_ns() - op->sent_ns) / 1e6;
    bool was_retry = op->is_retry;
    op_finish(op, args, bin, bin_count, NULL);
    if (was_retry) retry_go(c);
}

void emit_open(struct conn *c) {
    retry_go(c);
}

/* --- ends --- */

static void lost_later(void *conn) {
    emit_lost(conn);
}

void emit_lost(struct conn *c) {
    if (c->is_closed) return;   /* conn_free ends them all */
    if (c->out->emitting > 0) { /* who hears of an outgoing event has disconnected us */
        loop_defer(c->clients->loop, lost_later, c);
        return;
    }
    static const char text[] = "socket has been disconnected";
    while (!ln_list_empty(&c->out->sent))
        op_fail(LN_CONTAINER(c->out->sent.next, struct op, node), LN_DISCONNECTED, text);
    if (!ln_list_empty(&c->out->retry)) {
        struct op *head = LN_CONTAINER(c->out->retry.next, struct op, node);
        if (head->ack >= 0) retry_missed(head, LN_DISCONNECTED, text);
    }
    outbox_lost(c);
}

void emit_close(struct conn *c) {
    struct ln_list *const lists[] = {&c->out->sent, &c->out->queue, &c->out->retry};
    for (size_t i = 0; i < LN_COUNT(lists); i++)
        while (!ln_list_empty(lists[i]))
            op_fail(LN_CONTAINER(lists[i]->next, struct op, node), LN_DISCONNECTED,
                    "the connection is closed");
    loop_timer_cancel(c->clients->loop, c->out->ttl_timer);
}

void conn_emit_cancel(struct conn *c, ln_id id) {
    struct op *op = ln_slot_get(&c->clients->slots, id, HANDLE_OP);
    if (!op || op->conn != c) return;
    op->reply = NULL;
    if (op->is_retry) return; /* accepted is accepted: it is still delivered */
    if (!op->msg) {
        op_finish(op, (struct ln_str){0}, NULL, 0, NULL);
        return;
    }
    op->asks = false;
    loop_timer_cancel(c->clients->loop, op->timer);
    op->timer = 0;
}

/* --- conn_emit --- */

_Static_assert(CONN_MAX_BINARY == SIO_MAX_ATTACHMENTS, "as the protocol has it");

bool conn_name_reserved(struct ln_str name) {
    return sio_name_reserved(name);
}

static ln_status check(const struct conn *c, const struct conn_emit *e, struct ln_err *err) {
    if (c->is_closed) return ln_fail(err, LN_DISCONNECTED, "the connection is closed");
    if (sio_name_reserved(e->name))
        return ln_fail(err, LN_INVALID, "\"%.*s\" is a reserved event name", LN_FMT(e->name));
    if (e->bin_count > (size_t)c->opts->max_attachments)
        return ln_fail(err, LN_INVALID, "%zu binary values in one event: peers take at most %d",
                       e->bin_count, c->opts->max_attachments);
    return check_fit(c, e, err);
}

static ln_status emit_direct(struct conn *c, const struct conn_emit *e, ln_id *id,
                             struct ln_err *err) {
    if (line_queued(c->line) > KEPT_BYTES) {
        conn_more(c)->dropped++;
        return ln_fail(err, LN_FULL, "the server takes what is sent too slowly: %d MiB wait",
                       KEPT_BYTES >> 20);
    }
    if (!e->reply) {
        send_now(c, e, SIO_NO_ACK);
        return LN_OK;
    }
    struct op *op = op_new(c, e, 0);
    *id = op->id;
    await_ack(op);
    send_now(c, e, op->ack);
    return LN_OK;
}

static ln_status drop(struct conn *c, ln_status code, struct ln_err *err, const char *why) {
    conn_more(c)->dropped++;
    return ln_fail(err, code, "%s", why);
}

static ln_status emit_later(struct conn *c, const struct conn_emit *e, int retries, bool is_down,
                            ln_id *id, struct ln_err *err) {
    if (is_down && c->opts->offline == OFFLINE_DROP)
        return drop(c, LN_DROPPED, err, "not connected, and offline.mode is drop");
    if (is_down && c->opts->offline == OFFLINE_FAIL)
        return drop(c, LN_DISCONNECTED, err, "not connected, and offline.mode is fail");
    struct msg *m = msg_new_in(e->room, e->name, e->args, e->bin, e->bin_count);
    m->flags = e->flags & (CONN_EMIT_RAW | CONN_EMIT_BINARY);
    ln_status full = outbox_check(c, m->bytes, err);
    if (full != LN_OK) {
        conn_more(c)->dropped++;
        ln_free(m);
        return full;
    }
    struct op *op = op_new(c, e, retries);
    *id = op->id;
    op->msg = m;
    if (!op->is_retry && op->reply && op->timeout_ms > 0)
        op->timer = loop_timer(c->clients->loop, op->timeout_ms, on_op_timeout, op);
    outbox_keep(op);
    if (op->is_retry) retry_go(c);
    return LN_OK;
}

static ln_status emit(struct conn *c, const struct conn_emit *e, ln_id *id, struct ln_err *err) {
    ln_status wrong = check(c, e, err);
    if (wrong != LN_OK) return wrong;
    bool is_volatile = e->flags & CONN_EMIT_VOLATILE, is_now = e->flags & CONN_EMIT_NOW;
    bool is_once = is_volatile || is_now || !c->proto->send_ack; /* a retry needs acks */
    int retries = is_once ? 0 : e->retries < 0 ? c->opts->retries : e->retries;
    bool is_up = conn_is_up(c) && line_check(c->line);
    if (is_volatile && (!is_up || (c->step != STEP_OPEN && !is_now)))
        return drop(c, LN_DROPPED, err, "a volatile emit is dropped while not connected");
    if (is_volatile && line_is_slow(c->line))
        return drop(c, LN_DROPPED, err, "a volatile emit is dropped while the line is slow");
    if (is_up && (is_now || (c->step == STEP_OPEN && retries == 0)))
        return emit_direct(c, e, id, err);
    return emit_later(c, e, retries, !is_up, id, err);
}

/* What the protocol makes of e first: a frame becomes the last of its binary parts. */
static ln_status emit_encoded(struct conn *c, const struct conn_emit *e, ln_id *id,
                              struct ln_err *err) {
    struct ln_str bin[SIO_MAX_ATTACHMENTS + 1];
    struct ln_buf frame = {0};
    struct conn_emit mine = *e;
    ln_status status = check(c, e, err);
    if (status == LN_OK) status = c->proto->encode(c, &mine, &frame, err);
    if (status == LN_OK && mine.flags & CONN_EMIT_RAW) {
        if (e->bin_count > 0) memcpy(bin, e->bin, e->bin_count * sizeof *bin);
        bin[mine.bin_count++] = ln_buf_get(&frame);
        mine.bin = bin;
    }
    if (status == LN_OK) status = emit(c, &mine, id, err);
    ln_buf_free(&frame);
    return status;
}

ln_status conn_emit(struct conn *c, const struct conn_emit *e, ln_id *op, struct ln_err *err) {
    ln_id unused, *id = op ? op : &unused;
    *id = 0;
    if (LN_UNLIKELY(c->out == &no_emits)) first_emit(c);
    c->out->emitting++;
    bool encodes = c->proto->encode && !(e->flags & CONN_EMIT_RAW);
    ln_status status = encodes ? emit_encoded(c, e, id, err) : emit(c, e, id, err);
    c->out->emitting--;
    return status;
}

/* --- answers to the peer's acks --- */

#define ANSWERED 256

void conn_ack(struct conn *c, uint64_t epoch, int64_t ack, struct ln_str args,
              const struct ln_str *bin, size_t bin_count) {
    if (ack < 0 || c->is_closed || epoch != c->epoch || !conn_is_up(c)) return;
    struct conn_more *more = conn_more(c);
    if (!more->answered) {
        more->answered = ln_alloc(ANSWERED * sizeof *more->answered);
        for (size_t i = 0; i < ANSWERED; i++)
            more->answered[i] = -1;
    }
    int64_t *place = &more->answered[(size_t)ack % ANSWERED];
    if (*place == ack) return;
    *place = ack;
    c->stats.bytes_out += c->proto->send_ack(c, ack, args, bin, bin_count);
}
