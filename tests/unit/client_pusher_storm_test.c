/* SPDX-License-Identifier: MIT
 *
 * Pusher: whoever hears of anything does whatever he likes, by chance: leaves, comes back, joins,
 * asks for signatures, answers questions late or twice; and so do the server and the endpoint.
 * Nothing is told twice, nothing is left, and a client comes up when the storm is over.
 */
#include "base/crypt.h"
#include "pusher_peer.h"

enum { SEEDS = 60, STEPS = 300, CONNS = 3, NESTING = 4, TICKETS = 16 };

static struct {
    struct conn *conns[CONNS];
    ln_id tickets[TICKETS];
    unsigned asked;
    int nested, waits; /* waits: that are owed an answer */
    int heard;         /* in all seeds: that the storm was one */
} storm;

static const char *const rooms[] = {"private-a", "presence-b", "pub", "private-encrypted-c"};

static unsigned dice(unsigned n) {
    return ln_random_u32() % n;
}

static const char *a_room(void) {
    return rooms[dice(LN_COUNT(rooms))];
}

static void act(struct conn *c);

static void maybe_act(struct conn *c) {
    if (storm.nested == NESTING || dice(3) > 0) return;
    storm.nested++;
    act(c);
    storm.nested--;
}

static void on_event(struct conn *c, struct ln_str name) {
    (void)name;
    maybe_act(c);
}

static void on_wait(void *ud, struct ln_str reply, const struct ln_err *err) {
    (void)reply, (void)err;
    storm.waits--;
    storm.heard++;
    maybe_act(ud);
}

/* --- questions --- */

#define SHARED "\"shared_secret\":\"/gSsUU5/4f0m+ZYLG+HLdS3Ih1VjyuUk4AEnO/nNZnE=\""
#define SIGNED "{\"auth\":\"k:s\",\"channel_data\":\"{\\\"user_id\\\":7}\"," SHARED "}"

static void answer(struct conn *c) {
    static const char *const answers[] = {SIGNED, SIGNED, "{\"id\":\"u1\"}", "5", "{}"};
    if (storm.asked == 0) return;
    ln_id ticket = storm.tickets[dice(LN_MIN(storm.asked, (unsigned)TICKETS))];
    conn_auth_answer(c, ticket, ln_str(answers[dice(LN_COUNT(answers))]), NULL);
}

static void on_question(struct conn *c, ln_id ticket) {
    storm.tickets[storm.asked++ % TICKETS] = ticket;
    maybe_act(c);
    if (dice(2)) answer(c);
}

static void authorizer(void *ud, struct conn *c, ln_id ticket, struct ln_str channel,
                       struct ln_str socket_id) {
    (void)ud, (void)channel, (void)socket_id;
    on_question(c, ticket);
}

/* --- scripts --- */

static struct conn_opts any_options(void) {
    struct conn_opts o = options("pusher://" KEY "@ws.example");
    o.authorizer_asked = dice(2);
    o.auth_asked = dice(2);
    if (dice(3) == 0) o.user_auth_endpoint = ln_strdup("/user-auth");
    if (dice(4) == 0) o.secret = ln_strdup(SECRET);
    if (o.auth_asked && dice(2)) o.refresh_every_ms = 3000;
    return o;
}

static void reconfigure(struct conn *c) {
    struct conn_opts o = any_options();
    CHECK(conn_reconfigure(c, &o, NULL));
    conn_opts_free(&o);
}

static void act(struct conn *c) {
    struct ln_str room = ln_str(a_room());
    struct ln_err err;
    switch (dice(13)) {
    case 0:
        if (dice(4) == 0) conn_disconnect(c, NULL);
        break;
    case 1:
    case 2:
        conn_connect(c);
        break;
    case 3:
        if (dice(20) == 0) reconfigure(c);
        break;
    case 4:
        conn_room_drop(c, room);
        break;
    case 5:
    case 9:
        if (conn_room_wait(c, room, 2000, on_wait, c)) storm.waits++;
        break;
    case 6:
        if (conn_authorize(c, room, on_wait, c)) storm.waits++;
        break;
    case 7:
        (void)emit_in(c, a_room(), "client-x", "1", &err);
        break;
    case 8:
        answer(c);
        break;
    default:
        conn_room_want(c, room, (struct ln_str){0}, (struct ln_str){0});
    }
}

/* --- the server --- */

static void say_something(struct server_line *l) {
    static const char *const events[] = {"pusher_internal:subscription_succeeded",
                                         "pusher_internal:member_added",
                                         "pusher_internal:member_removed",
                                         "pusher:subscription_error",
                                         "pusher:signin_success",
                                         "pusher:error",
                                         "pusher:ping",
                                         "news"};
    static const char *const data[] = {
        "{\"code\":4009,\"message\":\"no\"}",  "{\"code\":4200,\"message\":\"no\"}",
        "{\"user_id\":7,\"user_info\":{}}",    "{\"user_data\":\"{\\\"id\\\":\\\"u9\\\"}\"}",
        "{\"presence\":{\"hash\":{\"7\":1}}}", "\"text\""};
    say_event(l, events[dice(LN_COUNT(events))], a_room(), data[dice(LN_COUNT(data))]);
}

static void serve(void) {
    static const char *const replies[] = {NULL, NULL, SIGNED, "nope",
                                          "{\"auth\":\"k:s\",\"user_data\":\"{}\"}"};
    if (w.lines == 0) return;
    struct server_line *l = w.line[w.lines - 1 - (int)dice((unsigned)LN_MIN(w.lines, CONNS))];
    s.reply = replies[dice(LN_COUNT(replies))];
    s.no_reply = dice(8) == 0;
    s.silent = dice(4) == 0;
    s.unauthorized = (int)dice(3);
    if (!l->is_up || l->p.fd < 0) return;
    switch (dice(40)) {
    case 0:
        hang_up(l);
        break;
    case 1:
        say_close(l, (int)(4000 + 100 * dice(3)), "");
        break;
    default:
        say_something(l);
    }
}

static void blow(void) {
    for (int i = 0; i < STEPS && w.lines < LINES_MAX - 20; i++) {
        if (dice(2))
            act(storm.conns[dice(CONNS)]);
        else
            serve();
        if (dice(2)) turn();
        if (dice(8) == 0) advance((int64_t)dice(3000));
        ln_buf_clear(&w.trail);
    }
}

static void calm(void) {
    w.act = NULL;
    w.on_auth = NULL;
    s.no_reply = s.silent = false;
    s.unauthorized = 0;
    s.reply = NULL;
    struct conn_opts o = with_secret();
    CHECK(conn_reconfigure(storm.conns[0], &o, NULL));
    conn_opts_free(&o);
    conn_reconnect(storm.conns[0]);
    turn();
    CHECK_INT(conn_state(storm.conns[0]), CONN_CONNECTED);
}

TEST(a_storm) {
    for (unsigned seed = 1; seed <= SEEDS && !test_failures; seed++) {
        storm.asked = 0;
        storm.waits = 0;
        begin_pusher();
        ln_random_fake(seed);
        clients_authorizer(w.cs, authorizer, NULL);
        w.act = on_event;
        w.on_auth = on_question;
        for (int i = 0; i < CONNS; i++) {
            char name[] = "c0";
            name[1] = (char)('0' + i);
            storm.conns[i] = open_with(name, any_options());
        }
        turn();
        blow();
        calm();
        storm.nested = NESTING; /* who is told of the end does nothing more */
        end_pusher();
        storm.nested = 0;
        CHECK_INT(storm.waits, 0); /* each was answered, once */
        if (test_failures) printf("seed %u\n", seed);
    }
    CHECK(storm.heard > 10 * SEEDS);
}

TEST_MAIN(T(a_storm))
