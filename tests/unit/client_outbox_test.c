/* SPDX-License-Identifier: MIT
 *
 * What waits to be sent: order after a reconnect (connect handlers, rooms, outbox, new emits), the
 * offline modes, limits, time to live; rooms that are wanted.
 */
#include "sio_peer.h"

/* --- order --- */

static void act_emit_in_connect(struct conn *c, struct ln_str name) {
    if (!ln_str_is(name, "connect")) return;
    emit_flags(c, "whoami", "", CONN_EMIT_NOW);
    emit(c, "behind", "");
}

TEST(handlers_then_rooms_then_outbox_then_new) {
    begin();
    w.holds = true;
    w.act = act_emit_in_connect;
    struct conn *c = open_url("chat", "ws://chat.example");
    emit(c, "first", "1");
    emit(c, "second", "2");
    CHECK(conn_room_want(c, LN_STR("lobby"), LN_STR("join"), LN_STR("\"lobby\"")));
    CHECK(conn_room_want(c, LN_STR("news"), LN_STR("join"), LN_STR("\"news\"")));
    turn();
    GOT(last(), "40|42[\"whoami\"]|"); /* handlers still run: nothing else may overtake them */
    emit(c, "third", "3");
    uint64_t epoch = conn_epoch(c);
    conn_ready_go(c, epoch - 1); /* of another life */
    conn_ready_go(c, epoch);
    conn_ready_go(c, epoch);
    turn();
    GOT(last(), "420[\"join\",\"lobby\"]|421[\"join\",\"news\"]|");
    emit(c, "fourth", "4");
    ln_buf_clear(&w.trail);
    say(last(), "431[{\"members\":2}]");
    turn();
    TRAIL("rejoined(news,{\"members\":2}) ");
    GOT(last(), "");
    say(last(), "430[]");
    turn();
    TRAIL("rejoined(lobby,) >first(1) >second(2) >behind() >third(3) >fourth(4) ");
    emit(c, "fifth", "5");
    turn();
    GOT(last(), "42[\"first\",1]|42[\"second\",2]|42[\"behind\"]|42[\"third\",3]|"
                "42[\"fourth\",4]|42[\"fifth\",5]|");
    end();
}

TEST(handlers_that_never_end_are_not_waited_for) {
    begin();
    w.holds = true;
    struct conn *c = open_url("chat", "ws://chat.example");
    emit(c, "a", "");
    advance(9999);
    GOT(last(), "40|");
    advance(1);
    GOT(last(), "42[\"a\"]|");
    LOG_HAS("a handler of 'connect' still runs after 10 s");
    conn_ready_go(c, conn_epoch(c)); /* late: nothing twice */
    turn();
    GOT(last(), "");
    end();
}

TEST(lost_while_handlers_run) {
    begin();
    w.holds = true;
    struct conn *c = open_url("chat", "ws://chat.example");
    emit(c, "a", "");
    turn();
    uint64_t epoch = conn_epoch(c);
    hang_up(last());
    turn();
    conn_ready_go(c, epoch);
    advance(1000);
    GOT(last(), "40|");
    conn_ready_go(c, conn_epoch(c));
    turn();
    GOT(last(), "42[\"a\"]|");
    end();
}

/* A handler that emits at each outgoing event must not keep the outbox from ending. */
static int echoes;
static void act_echo(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "a") && echoes++ < 50) emit(c, "a", "");
}

TEST(emits_made_while_the_outbox_leaves_go_behind) {
    begin();
    echoes = 0;
    w.act = act_echo;
    struct conn *c = open_url("chat", "ws://chat.example");
    emit(c, "a", "");
    emit(c, "b", "");
    turn();
    CHECK_HAS(ln_buf_cstr(&last()->got), "40|42[\"a\"]|42[\"b\"]|42[\"a\"]|");
    CHECK_INT(conn_stats(c)->sent, 52);
    CHECK_INT(conn_outbox_size(c), 0);
    end();
}

static void act_close_on_a(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "a")) conn_close(c);
}
static void act_drop_on_a(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "a")) conn_reconnect(c);
}

TEST(closed_or_lost_while_the_outbox_leaves) {
    begin();
    w.act = act_close_on_a;
    struct conn *c = open_url("chat", "ws://chat.example");
    emit(c, "a", "");
    ask(c, "b", "b");
    turn();
    TRAIL("connect(true) >a() b=disconnected:the connection is closed ");
    end();
    begin();
    w.act = act_drop_on_a;
    c = open_url("chat", "ws://chat.example");
    emit(c, "a", "");
    emit(c, "b", "");
    turn();
    GOT(w.line[0], "40|42[\"a\"]|41|close(1005)|");
    GOT(w.line[1], "40|42[\"b\"]|");
    end();
}

/* --- offline --- */

TEST(drop_and_fail) {
    begin();
    struct conn_opts o = options("ws://chat.example");
    o.offline = OFFLINE_DROP;
    struct conn *drop = open_with("drop", o);
    o = options("ws://chat.example/x");
    o.offline = OFFLINE_FAIL;
    struct conn *fail = open_with("fail", o);
    CHECK_INT(emit(drop, "a", ""), LN_DROPPED);
    CHECK_INT(emit(fail, "a", ""), LN_DISCONNECTED);
    w.holds = true;
    turn();
    CHECK_INT(emit(drop, "b", ""), LN_OK); /* connected, only not ready yet */
    ask(fail, "r", "b");
    ask(drop, "s", "b");
    CHECK_INT(conn_outbox_size(drop), 2);
    ln_buf_clear(&w.trail);
    hang_up(last());
    turn();
    CHECK_INT(conn_outbox_size(drop), 0);
    CHECK_INT(conn_outbox_size(fail), 0);
    TRAIL(
        "disconnect(\"transport close\") s=dropped:the connection was lost before it was sent, and "
        "offline.mode is drop disconnect(\"transport close\") r=disconnected:the connection was "
        "lost before it was sent ");
    CHECK_INT(conn_stats(drop)->dropped, 3);
    end();
}

TEST(the_outbox_is_bounded) {
    begin();
    struct conn_opts o = options("ws://chat.example");
    o.offline_max = 3;
    o.autoconnect = false;
    struct conn *c = open_with("chat", o);
    struct ln_err err;
    for (int i = 0; i < 3; i++)
        CHECK_INT(emit(c, "a", ""), LN_OK);
    struct conn_emit e = {.name = LN_STR("a"), .retries = 5};
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_FULL);
    CHECK_STR(ln_str(err.text), "the outbox is full: 3 messages wait (offline.max)");
    CHECK_INT(conn_stats(c)->dropped, 1);
    CHECK_INT(conn_outbox_clear(c, 0), 3);
    char *big = ln_alloc(9 << 20);
    e.args = (struct ln_str){big, 9 << 20};
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_OK);
    CHECK_INT(conn_emit(c, &e, NULL, &err), LN_FULL);
    CHECK_STR(ln_str(err.text), "the outbox is full: more than 16 MiB wait");
    ln_free(big);
    end();
}

TEST(old_messages_are_dropped) {
    begin();
    struct conn_opts o = options("ws://chat.example");
    o.offline_ttl_ms = 5000;
    o.autoconnect = false;
    struct conn *c = open_with("chat", o);
    ask_ms(c, "old", "a", -1);
    struct conn_emit e = {.name = LN_STR("r"), .retries = 5};
    conn_emit(c, &e, NULL, NULL);
    advance(3000);
    ask_ms(c, "young", "b", -1);
    advance(1999);
    TRAIL("");
    advance(1);
    TRAIL("old=dropped:it waited longer in the outbox than offline.ttl allows ");
    CHECK_INT(conn_outbox_size(c), 1);
    CHECK_INT(conn_stats(c)->dropped, 2);
    advance(2999);
    conn_connect(c);
    turn();
    GOT(last(), "40|420[\"b\"]|");
    end();
}

TEST(asked_while_offline_times_out_and_is_not_sent) {
    begin();
    w.hangs_up = true;
    struct conn *c = open_url("chat", "ws://chat.example");
    ask_ms(c, "q", "q", 500);
    advance(500);
    CHECK_HAS(ln_buf_cstr(&w.trail), "q=timeout:operation has timed out ");
    CHECK_INT(conn_outbox_size(c), 0);
    w.hangs_up = false;
    advance(1000);
    GOT(last(), "40|");
    end();
}

TEST(what_waits_keeps_its_reply_over_a_disconnect) {
    begin();
    struct conn *c = connected();
    ask(c, "sent", "q");
    hang_up(last());
    turn();
    ask(c, "kept", "q");
    conn_disconnect(c, NULL);
    TRAIL(">q() disconnect(\"transport close\") sent=disconnected:socket has been disconnected ");
    conn_connect(c);
    turn();
    GOT(last(), "40|421[\"q\"]|");
    say(last(), "431[\"ok\"]");
    turn();
    TRAIL("connect(false) >q() kept=[\"ok\"] ");
    end();
}

static ln_id listed[8];
static char names[64];
static bool list(void *ud, ln_id op, struct ln_str name, struct ln_str args, int64_t queued_ms) {
    int *left = ud;
    size_t n = strlen(names);
    listed[2 - *left] = op;
    snprintf(names + n, sizeof names - n, "%.*s(%.*s)@%d ", LN_FMT(name), LN_FMT(args),
             (int)queued_ms);
    return --*left > 0;
}

TEST(the_outbox_can_be_read_and_cleared) {
    begin();
    struct conn_opts o = options("ws://chat.example");
    o.autoconnect = false;
    struct conn *c = open_with("chat", o);
    emit(c, "a", "1");
    advance(10);
    ask(c, "b", "b");
    emit(c, "c", "3");
    int left = 2;
    names[0] = 0;
    conn_outbox_each(c, list, &left);
    CHECK_STR(ln_str(names), "a(1)@10 b()@0 ");
    CHECK_INT(conn_outbox_clear(c, listed[1]), 1);
    CHECK_INT(conn_outbox_clear(c, listed[1]), 0);
    TRAIL("b=cancelled:removed from the outbox ");
    CHECK_INT(conn_outbox_size(c), 2);
    CHECK_INT(conn_outbox_clear(c, 0), 2);
    CHECK_INT(conn_outbox_clear(c, 0), 0);
    conn_connect(c);
    turn();
    GOT(last(), "40|");
    end();
}

static struct conn *again;
static void reply_emits(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                        const struct ln_err *err) {
    (void)ud, (void)args, (void)bin, (void)bin_count, (void)err;
    emit(again, "again", "");
}

TEST(clearing_ends_though_replies_emit) {
    begin();
    struct conn_opts o = options("ws://chat.example");
    o.autoconnect = false;
    again = open_with("chat", o);
    struct conn_emit e = {.name = LN_STR("a"), .reply = reply_emits, .retries = -1};
    conn_emit(again, &e, NULL, NULL);
    CHECK_INT(conn_outbox_clear(again, 0), 1);
    CHECK_INT(conn_outbox_size(again), 1);
    end();
}

/* --- rooms --- */

TEST(rooms_are_asked_for_again) {
    begin();
    struct conn *c = connected();
    CHECK(conn_room_want(c, LN_STR("a"), LN_STR("join"), LN_STR("\"a\"")));
    CHECK(!conn_room_want(c, LN_STR("a"), LN_STR("join"), LN_STR("\"a\"")));
    CHECK(conn_room_want(c, LN_STR("b"), LN_STR("join"), LN_STR("\"b\"")));
    CHECK(conn_room_want(c, LN_STR("quiet"), LN_STR(""), LN_STR("")));
    turn();
    GOT(last(), ""); /* while connected the caller asks */
    CHECK(!conn_room_drop(c, LN_STR("a")));
    CHECK(conn_room_wanted(c, LN_STR("a")));
    CHECK(conn_room_drop(c, LN_STR("b")));
    CHECK(!conn_room_drop(c, LN_STR("b")));
    CHECK(!conn_room_wanted(c, LN_STR("b")));
    hang_up(last());
    advance(1000);
    GOT(last(), "40|420[\"join\",\"a\"]|"); /* what is wanted, not what was */
    emit(c, "x", "");
    ln_buf_clear(&w.trail);
    advance(10000);
    TRAIL("rejoined(a,operation has timed out) >x() ");
    LOG_HAS("room 'a' is not joined: operation has timed out");
    GOT(last(), "42[\"x\"]|");
    hang_up(last());
    advance(1000);
    GOT(last(), "40|421[\"join\",\"a\"]|"); /* still wanted */
    end();
}

TEST(a_room_wanted_by_a_connect_handler_is_not_asked_for_twice) {
    begin();
    w.holds = true;
    struct conn *c = open_url("chat", "ws://chat.example");
    turn();
    CHECK(conn_room_want(c, LN_STR("a"), LN_STR("join"), LN_STR("\"a\"")));
    emit_flags(c, "join", "\"a\"", CONN_EMIT_NOW);
    conn_ready_go(c, conn_epoch(c));
    turn();
    GOT(last(), "40|42[\"join\",\"a\"]|");
    end();
}

TEST(lost_while_rooms_are_asked_for) {
    begin();
    struct conn *c = open_url("chat", "ws://chat.example");
    conn_room_want(c, LN_STR("a"), LN_STR("join"), LN_STR("\"a\""));
    emit(c, "x", "");
    turn();
    GOT(last(), "40|420[\"join\",\"a\"]|");
    hang_up(last());
    turn();
    TRAIL("connect(true) >join(\"a\") disconnect(\"transport close\") "); /* no word of the room */
    advance(1000);
    GOT(last(), "40|421[\"join\",\"a\"]|");
    conn_room_drop(c, LN_STR("a")); /* nobody wants the answer any more */
    ln_buf_clear(&w.trail);
    say(last(), "431[]");
    turn();
    TRAIL(">x() ");
    GOT(last(), "42[\"x\"]|");
    end();
}

static void act_close_on_rejoined(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "rejoined")) conn_close(c);
}
static void act_swap_rooms(struct conn *c, struct ln_str name) {
    if (!ln_str_is(name, "join")) return;
    conn_room_drop(c, LN_STR("b"));
    conn_room_want(c, LN_STR("c"), LN_STR("join"), LN_STR("\"c\""));
}

TEST(rooms_change_while_they_are_asked_for) {
    begin();
    w.act = act_swap_rooms;
    struct conn *c = open_url("chat", "ws://chat.example");
    conn_room_want(c, LN_STR("a"), LN_STR("join"), LN_STR("\"a\""));
    conn_room_want(c, LN_STR("b"), LN_STR("join"), LN_STR("\"b\""));
    turn();
    GOT(last(), "40|420[\"join\",\"a\"]|");
    w.act = act_close_on_rejoined;
    say(last(), "430[]");
    turn();
    CHECK(conn_find(w.cs, LN_STR("chat")) == NULL);
    end();
}

TEST(a_join_that_cannot_be_emitted_holds_nothing_up) {
    begin();
    struct conn *c = open_url("chat", "ws://chat.example");
    conn_room_want(c, LN_STR("a"), LN_STR("connect"), LN_STR(""));
    emit(c, "x", "");
    turn();
    TRAIL("connect(true) rejoined(a,\"connect\" is a reserved event name) >x() ");
    GOT(last(), "40|42[\"x\"]|");
    end();
}

TEST_MAIN(T(handlers_then_rooms_then_outbox_then_new),
          T(handlers_that_never_end_are_not_waited_for), T(lost_while_handlers_run),
          T(emits_made_while_the_outbox_leaves_go_behind),
          T(closed_or_lost_while_the_outbox_leaves), T(drop_and_fail), T(the_outbox_is_bounded),
          T(old_messages_are_dropped), T(asked_while_offline_times_out_and_is_not_sent),
          T(what_waits_keeps_its_reply_over_a_disconnect), T(the_outbox_can_be_read_and_cleared),
          T(clearing_ends_though_replies_emit), T(rooms_are_asked_for_again),
          T(a_room_wanted_by_a_connect_handler_is_not_asked_for_twice),
          T(lost_while_rooms_are_asked_for), T(rooms_change_while_they_are_asked_for),
          T(a_join_that_cannot_be_emitted_holds_nothing_up))
