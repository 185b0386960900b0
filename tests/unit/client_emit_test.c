/* SPDX-License-Identifier: MIT
 *
 * Acks, timeouts, retries, volatile emits, and what is refused at once. Retries are compared packet
 * by packet with what the reference client sends.
 */
#include "sio_peer.h"

/* --- acks --- */

TEST(acks_find_their_callers) {
    begin();
    struct conn *c = connected();
    ask(c, "a", "q");
    ask(c, "b", "q");
    turn();
    GOT(last(), "420[\"q\"]|421[\"q\"]|");
    ln_buf_clear(&w.trail);
    loop_advance(w.loop, 30);
    say(last(), "431[\"two\",{\"n\":2}]");
    say(last(), "430[false]");
    say(last(), "430[\"again\"]"); /* answered already */
    say(last(), "4399[\"who?\"]"); /* none of ours */
    turn();
    TRAIL("b=[\"two\",{\"n\":2}] a=[false] ");
    CHECK_INT((int)conn_stats(c)->rtt_ms, 30);
    ask(c, "c", "q");
    say(last(), "432[]");
    turn();
    TRAIL(">q() c=[] ");
    ask(c, "d", "q");
    say(last(), "461-3[{\"_placeholder\":true,\"num\":0}]");
    say_binary(last(), "\1\2", 2);
    turn();
    TRAIL(">q() d=[{\"_placeholder\":true,\"num\":0}]<0102> ");
    end();
}

TEST(acks_time_out) {
    begin();
    struct conn *c = connected();
    ask(c, "default", "q");
    ask_ms(c, "short", "q", 50);
    ask_ms(c, "never", "q", -1);
    ln_buf_clear(&w.trail);
    advance(49);
    TRAIL("");
    advance(1);
    TRAIL("short=timeout:operation has timed out ");
    advance(9950);
    TRAIL("default=timeout:operation has timed out ");
    say(last(), "430[\"late\"]");
    advance(35000);
    TRAIL("disconnect(\"ping timeout\") never=disconnected:socket has been disconnected ");
    end();
}

TEST(many_acks_at_once) {
    begin();
    struct conn *c = connected();
    for (int i = 0; i < 300; i++)
        ask(c, "x", "q");
    turn();
    ln_buf_clear(&w.trail);
    for (int i = 299; i >= 0; i--) {
        char frame[32];
        snprintf(frame, sizeof frame, "43%d[%d]", i, i);
        say(last(), frame);
        if (i % 100 == 0) turn();
    }
    CHECK_INT(w.trail.n, 10 * 6 + 90 * 7 + 200 * 8); /* each exactly once: "x=[N] " */
    end();
}

TEST(an_ack_that_stays_out_long) {
    begin();
    struct conn *c = connected();
    ask_ms(c, "old", "q", -1);
    for (int i = 1; i <= 64; i++) { /* the table is small: numbers share its places */
        char frame[32];
        ask(c, "x", "q");
        snprintf(frame, sizeof frame, "43%d []", i);
        say(last(), frame);
        turn();
    }
    ln_buf_clear(&w.trail);
    for (int i = 0; i < 7; i++)
        ask(c, "y", "q");
    say(last(), "430[ 1 ] ");
    say(last(), "4365[]");
    turn();
    TRAIL(">q() >q() >q() >q() >q() >q() >q() old=[ 1 ] y=[] ");
    end();
}

TEST(numbers_go_on_after_a_reconnect) {
    begin();
    struct conn *c = connected();
    ask(c, "a", "q");
    hang_up(last());
    turn();
    TRAIL(">q() disconnect(\"transport close\") a=disconnected:socket has been disconnected ");
    advance(1000);
    ask(c, "b", "q");
    turn();
    GOT(last(), "40|421[\"q\"]|");
    ln_buf_clear(&w.trail);
    say(last(), "430[\"late\"]"); /* to the number of the life before */
    say(last(), "431[]");
    turn();
    TRAIL("b=[] ");
    end();
}

TEST(cancelled_replies_are_not_called) {
    begin();
    struct conn *c = connected();
    ln_id sent = ask(c, "sent", "q");
    conn_emit_cancel(c, sent);
    conn_emit_cancel(c, sent);
    conn_emit_cancel(c, 12345);
    conn_disconnect(c, NULL);
    ln_id queued = ask(c, "queued", "q");
    conn_emit_cancel(c, queued);
    conn_connect(c);
    turn();
    GOT(last(), "40|42[\"q\"]|"); /* accepted is sent; nobody waits for an answer */
    ln_buf_clear(&w.trail);
    say(last(), "430[]");
    advance(20000);
    TRAIL("");
    end();
}

/* Every end of an ack: closed, disconnected, all of it while replies do things. */
static struct conn *subject;
static void reply_then_close(void *ud, struct ln_str args, const struct ln_str *bin,
                             size_t bin_count, const struct ln_err *err) {
    on_reply(ud, args, bin, bin_count, err);
    conn_close(subject);
}
static void reply_then_ask(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                           const struct ln_err *err) {
    on_reply(ud, args, bin, bin_count, err);
    ask(subject, "again", "q2");
}

static void ask_with(conn_reply_fn fn, const char *who) {
    struct conn_emit e = {
        .name = LN_STR("q"), .reply = fn, .ud = (void *)(uintptr_t)who, .retries = -1};
    conn_emit(subject, &e, NULL, NULL);
}

TEST(replies_may_close_and_emit) {
    begin();
    subject = connected();
    ask_with(reply_then_close, "a");
    ask_with(reply_then_close, "b");
    turn();
    ln_buf_clear(&w.trail);
    say(last(), "430[]");
    turn();
    TRAIL("a=[] b=disconnected:the connection is closed ");
    subject = connected();
    ask_with(reply_then_ask, "a");
    ask_with(reply_then_ask, "b");
    turn();
    ln_buf_clear(&w.trail);
    hang_up(last());
    turn();
    TRAIL("disconnect(\"transport close\") a=disconnected:socket has been disconnected "
          "b=disconnected:socket has been disconnected ");
    CHECK_INT(conn_outbox_size(subject), 2);
    advance(1000);
    TRAIL("reconnect_attempt(1,1.0) connect(false) >q2() >q2() ");
    end();
    TRAIL("");
}

TEST(replies_at_the_end_of_everything) {
    begin();
    struct conn *c = connected();
    ask(c, "sent", "q");
    conn_disconnect(c, NULL);
    ask(c, "queued", "q");
    ln_buf_clear(&w.trail);
    clients_free(w.cs);
    turn();
    TRAIL("queued=disconnected:the connection is closed ");
    w.cs = clients_new(w.loop, &sink, NULL);
    end();
}

/* --- who hears of outgoing events --- */

static void act_disconnect_on_out(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "q")) conn_disconnect(c, NULL);
}

TEST(replies_never_come_from_inside_emit) {
    begin();
    struct conn *c = connected();
    w.act = act_disconnect_on_out; /* somebody who hears of the outgoing event */
    struct conn_emit e = {
        .name = LN_STR("q"), .reply = on_reply, .ud = (void *)(uintptr_t) "a", .retries = -1};
    CHECK_INT(conn_emit(c, &e, NULL, NULL), LN_OK);
    TRAIL(">q() disconnect(\"io client disconnect\") ");
    turn();
    TRAIL("a=disconnected:socket has been disconnected ");
    end();
}

/* --- refused at once --- */

TEST(wrong_use_is_refused_at_once) {
    begin();
    struct conn *c = connected();
    struct ln_err err;
    const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                    "disconnecting", "newListener",   "removeListener"};
    for (size_t i = 0; i < LN_COUNT(reserved); i++) {
        struct conn_emit e = {.name = ln_str(reserved[i]), .retries = -1};
        CHECK_INT(conn_emit(c, &e, NULL, &err), LN_INVALID);
        CHECK_HAS(err.text, "is a reserved event name");
    }
    struct ln_str bin[11] = {{0}};
    struct conn_emit e = {.name = LN_STR("x"), .bin = bin, .bin_count = 11, .retries = -1};
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_INVALID);
    CHECK_HAS(err.text, "11 binary values in one event: peers take at most 10");
    char *big = ln_alloc(1000001);
    memset(big, '1', 1000000);
    e = (struct conn_emit){.name = LN_STR("x"), .args = {big, 1000000}, .retries = -1};
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_INVALID);
    CHECK_HAS(err.text, "the server takes at most 1000000 in one message");
    /* With room for what stands around it: just as much as it takes, and one more. */
    e.args.n = 1000000 - 32 - 2;
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_OK);
    e.args.n++;
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_INVALID);
    e.args.n = 1000000;
    turn();
    ln_buf_clear(&last()->got);
    conn_disconnect(c, NULL);
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_OK); /* now nobody knows the server's limit … */
    e.retries = 1;
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_OK);
    e.reply = on_reply;
    e.ud = (void *)(uintptr_t) "r";
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_OK);
    ln_buf_clear(&w.trail);
    conn_connect(c);
    turn();
    LOG_HAS("emit 'x' is dropped: the event needs up to 1000034 bytes"); /* … until it does */
    TRAIL("connect(false) r=invalid:the event needs up to 1000034 bytes, and the server takes at "
          "most 1000000 in one message ");
    GOT(last(), "40|");
    CHECK_INT(conn_outbox_size(c), 0);
    ln_free(big);
    end();
}

/* --- volatile --- */

TEST(volatile_is_dropped_while_down) {
    begin();
    struct conn *c = open_url("chat", "ws://chat.example");
    CHECK_INT(emit_flags(c, "v", "", CONN_EMIT_VOLATILE), LN_DROPPED);
    turn();
    CHECK_INT(emit_flags(c, "v", "1", CONN_EMIT_VOLATILE), LN_OK);
    CHECK_INT(emit_flags(c, "v", "2", CONN_EMIT_VOLATILE), LN_OK);
    turn();
    GOT(last(), "40|42[\"v\",1]|42[\"v\",2]|");
    hang_up(last());
    turn();
    CHECK_INT(emit_flags(c, "v", "3", CONN_EMIT_VOLATILE), LN_DROPPED);
    advance(1000);
    GOT(last(), "40|"); /* the reference delivers it by mistake */
    CHECK_INT(conn_stats(c)->dropped, 2);
    end();
}

TEST(volatile_is_dropped_while_the_line_is_slow) {
    begin();
    struct conn *c = connected();
    char *big = ln_alloc(900001);
    memset(big, '1', 900000);
    for (int i = 0; i < 4; i++) /* more than any socket buffer */
        CHECK_INT(emit(c, "big", big), LN_OK);
    CHECK_INT(emit_flags(c, "v", "", CONN_EMIT_VOLATILE), LN_DROPPED);
    turn();
    ln_buf_clear(&last()->got);
    CHECK_INT(emit_flags(c, "v", "", CONN_EMIT_VOLATILE), LN_OK);
    turn();
    GOT(last(), "42[\"v\"]|");
    ln_free(big);
    end();
}

/* A server that takes nothing, or takes it too slowly, for as long as it goes on pinging. */
TEST(what_a_slow_server_does_not_take_is_bounded) {
    begin();
    struct conn *c = connected();
    struct ln_err err = {0};
    char *big = ln_alloc(900001);
    memset(big, '1', 900000);
    struct conn_emit e = {.name = LN_STR("big"), .args = {big, 900000}, .retries = -1};
    int accepted = 0;
    while (accepted < 100 && conn_emit(c, &e, NULL, &err) == LN_OK)
        accepted++;
    CHECK(accepted >= 17 && accepted <= 20);
    CHECK_INT(err.code, LN_FULL);
    CHECK_HAS(err.text, "the server takes what is sent too slowly: 16 MiB wait");
    CHECK_INT(conn_stats(c)->dropped, 1);
    turn(); /* it is there again */
    CHECK_INT(emit(c, "x", ""), LN_OK);
    turn();
    CHECK_HAS(ln_buf_cstr(&last()->got), "|42[\"x\"]|");
    ln_buf_clear(&w.trail);
    /* Answers to its own questions, and pongs, have no caller to tell: the line ends. */
    struct ln_str args = {big, 900000};
    for (int i = 0; i < 100; i++)
        conn_ack(c, conn_epoch(c), i, args, NULL, 0);
    turn();
    TRAIL("disconnect(\"transport error\") ");
    LOG_HAS("the server takes what is sent too slowly: more than 64 MiB wait");
    ln_free(big);
    end();
}

/* --- retries (protocols 1.11; upstream retry.ts) --- */

static struct conn *retrying(int retries, int64_t ack_timeout_ms) {
    struct conn_opts o = options("ws://chat.example");
    o.retries = retries;
    o.ack_timeout_ms = ack_timeout_ms;
    return connected_with("chat", o);
}

TEST(one_in_flight_in_order) {
    begin();
    struct conn *c = retrying(3, 1000);
    emit(c, "echo", "1");
    emit(c, "echo", "2");
    ask(c, "three", "echo");
    turn();
    GOT(last(), "420[\"echo\",1]|");
    CHECK_INT(conn_outbox_size(c), 3);
    say(last(), "430[]");
    turn();
    GOT(last(), "421[\"echo\",2]|");
    say(last(), "431[]");
    say(last(), "432[\"x\"]");
    turn();
    GOT(last(), "422[\"echo\"]|");
    CHECK_INT(conn_outbox_size(c), 0);
    TRAIL(">echo(1) >echo(2) >echo() three=[\"x\"] ");
    end();
}

TEST(given_up_after_n_more_tries) {
    begin();
    struct conn *c = retrying(2, 100);
    ask(c, "r1", "r1");
    ask(c, "r2", "r2");
    turn();
    GOT(last(), "420[\"r1\"]|");
    advance(100);
    GOT(last(), "421[\"r1\"]|");
    advance(100);
    GOT(last(), "422[\"r1\"]|");
    ln_buf_clear(&w.trail);
    advance(100);
    TRAIL("r1=timeout:operation has timed out >r2() ");
    GOT(last(), "423[\"r2\"]|");
    advance(300);
    GOT(last(), "424[\"r2\"]|425[\"r2\"]|");
    TRAIL(">r2() >r2() r2=timeout:operation has timed out ");
    emit(c, "r3", "");
    turn();
    say(last(), "436[]"); /* the second try counts */
    turn();
    GOT(last(), "426[\"r3\"]|");
    emit(c, "r4", "");
    advance(300);
    LOG_HAS("emit 'r4' is given up after 3 tries: operation has timed out");
    CHECK_INT(conn_outbox_size(c), 0);
    end();
}

TEST(the_head_is_sent_again_after_a_reconnect) {
    begin();
    struct conn *c = retrying(2, 60000);
    emit(c, "a", "");
    emit(c, "b", "");
    turn();
    GOT(last(), "420[\"a\"]|");
    hang_up(last());
    turn();
    CHECK_INT(conn_outbox_size(c), 2);
    advance(1000);
    GOT(last(), "40|421[\"a\"]|");
    hang_up(last());
    advance(2000);
    GOT(last(), "40|422[\"a\"]|");
    hang_up(last()); /* the third try was its last */
    turn();
    LOG_HAS("emit 'a' is given up after 3 tries: socket has been disconnected");
    advance(4000);
    GOT(last(), "40|423[\"b\"]|");
    end();
}

TEST(retries_wait_while_disconnected) {
    begin();
    struct conn_opts o = options("ws://chat.example");
    o.retries = 1;
    o.autoconnect = false;
    struct conn *c = open_with("chat", o);
    emit(c, "echo", "1");
    advance(60000);
    CHECK_INT(conn_outbox_size(c), 1);
    conn_connect(c);
    turn();
    GOT(last(), "40|420[\"echo\",1]|");
    end();
}

TEST(no_retries_for_connect_handlers_and_volatile_emits) {
    begin();
    w.holds = true;
    struct conn_opts o = options("ws://chat.example");
    o.retries = 3;
    struct conn *c = open_with("chat", o);
    turn();
    emit_flags(c, "now", "", CONN_EMIT_NOW);
    emit(c, "later", "");
    turn();
    GOT(last(), "40|42[\"now\"]|");
    conn_ready_go(c, conn_epoch(c));
    turn();
    GOT(last(), "420[\"later\"]|"); /* once, not twice */
    emit_flags(c, "v", "", CONN_EMIT_VOLATILE);
    turn();
    GOT(last(), "42[\"v\"]|");
    end();
}

TEST(a_cancelled_retry_is_still_delivered) {
    begin();
    struct conn *c = retrying(1, 100);
    ln_id op = ask(c, "x", "x");
    conn_emit_cancel(c, op);
    advance(100);
    GOT(last(), "420[\"x\"]|421[\"x\"]|");
    say(last(), "431[]");
    turn();
    TRAIL(">x() >x() ");
    end();
}

static void act_close_on_out(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "x")) conn_close(c);
}
static void act_clear_on_out(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "x")) conn_outbox_clear(c, 0);
}

TEST(a_retry_that_ends_while_it_is_sent) {
    begin();
    struct conn *c = retrying(1, 100);
    w.act = act_disconnect_on_out;
    ask(c, "q", "q");
    turn();
    CHECK_INT(conn_state(c), CONN_IDLE);
    conn_connect(c);
    turn();
    CHECK_INT(conn_outbox_size(c), 0); /* two sends were all it had */
    conn_connect(c);
    turn();
    w.act = act_clear_on_out;
    ln_buf_clear(&w.trail);
    ask(c, "x", "x");
    turn();
    TRAIL(">x() x=cancelled:removed from the outbox ");
    w.act = act_close_on_out;
    ask(c, "y", "x");
    turn();
    TRAIL(">x() y=disconnected:the connection is closed ");
    end();
}

static void act_disconnect_then_close(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "q")) conn_disconnect(c, NULL);
    if (ln_str_is(name, "disconnect")) conn_close(c);
}

TEST(closed_by_who_hears_of_a_disconnect_while_emitting) {
    begin();
    struct conn *c = connected();
    w.act = act_disconnect_then_close;
    ask(c, "q", "q");
    turn();
    TRAIL(">q() disconnect(\"io client disconnect\") q=disconnected:the connection is closed ");
    CHECK(conn_find(w.cs, LN_STR("chat")) == NULL);
    end();
}

TEST_MAIN(T(acks_find_their_callers), T(acks_time_out), T(many_acks_at_once),
          T(an_ack_that_stays_out_long), T(numbers_go_on_after_a_reconnect),
          T(cancelled_replies_are_not_called), T(replies_may_close_and_emit),
          T(replies_at_the_end_of_everything), T(replies_never_come_from_inside_emit),
          T(wrong_use_is_refused_at_once), T(volatile_is_dropped_while_down),
          T(volatile_is_dropped_while_the_line_is_slow), T(one_in_flight_in_order),
          T(given_up_after_n_more_tries), T(the_head_is_sent_again_after_a_reconnect),
          T(retries_wait_while_disconnected), T(no_retries_for_connect_handlers_and_volatile_emits),
          T(a_cancelled_retry_is_still_delivered), T(a_retry_that_ends_while_it_is_sent),
          T(what_a_slow_server_does_not_take_is_bounded),
          T(closed_by_who_hears_of_a_disconnect_while_emitting))
