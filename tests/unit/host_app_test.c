/* SPDX-License-Identifier: MIT
 *
 * Connections by name and by address: which one an address means while others come and go, and how
 * long what is known of one stays.
 */
#include "base/crypt.h"
#include "base/mem.h"
#include "host/app.h"
#include "io/loop.h"
#include "test.h"

#define ONE "ws://127.0.0.1:9/x?token=one"
#define TWO "ws://127.0.0.1:9/x?token=two"
#define BARE "ws://127.0.0.1:9/x"

static struct app *app;
static struct seat *seat;
static int heard;

static ln_status on_event(struct listener *l, struct event *ev) {
    (void)l, (void)ev;
    heard++;
    return LN_OK;
}
static void release(struct listener *l) {
    ln_free(l);
}
static const struct listener_kind kind = {{"listener", bus_listener_drop, NULL}, on_event, release};

static struct listener *listen_to(struct conn *c) {
    struct listener *l = ln_new(struct listener);
    l->name = "x";
    bus_on(app_bus(app, c), seat, l, &kind);
    return l;
}

static struct conn *open_one(const char *target) {
    struct conn_opts o = {0};
    struct ln_err err = {0};
    conn_opts_init(&o);
    CHECK(app_target(app, target, &o, &err));
    o.autoconnect = false;
    struct conn *c = app_connect(app, target, &o, &err);
    CHECK_STR(ln_str(err.text), "");
    conn_opts_free(&o);
    return c;
}

static void begin(void) {
    app = app_new();
    seat = seat_new(&app->slots, "bot", "bot.lua");
    seat_go_live(seat);
    heard = 0;
}

static void end(void) {
    seat_free(seat);
    app_free(app);
}

TEST(an_address_is_found_by_what_it_was_opened_with) {
    begin();
    struct conn *one = open_one(ONE), *two = open_one(TWO);
    CHECK(one != two);
    CHECK_STR(ln_str(conn_name(one)), BARE);
    CHECK_STR(ln_str(conn_name(two)), BARE " (2)");
    CHECK(open_one(ONE) == one && app_find(app, TWO) == two);
    end();
}

/* Its name is free for the next one, which has another token. */
TEST(an_address_that_was_closed_is_no_other_ones) {
    begin();
    struct conn *one = open_one(ONE);
    app_close(app, one); /* in one turn … */
    struct conn *two = open_one(TWO);
    CHECK_STR(ln_str(conn_name(two)), BARE);
    CHECK(app_find(app, ONE) == NULL);
    loop_settle(app->loop, 0);
    CHECK(app_find(app, ONE) == NULL);
    one = open_one(ONE);
    CHECK(one != two);
    CHECK_STR(ln_str(conn_options(one)->url), ONE);
    listen_to(two); /* … and in another, while somebody listens */
    app_close(app, two);
    loop_settle(app->loop, 0);
    struct conn *bare = open_one(BARE);
    CHECK_STR(ln_str(conn_name(bare)), BARE);
    CHECK(app_find(app, TWO) == NULL);
    CHECK(app_find(app, ONE) == one);
    CHECK_INT(app->targets.count, 1);
    end();
}

TEST(handlers_stay_for_the_next_one_of_that_name) {
    begin();
    struct conn *c = open_one(BARE);
    struct listener *l = listen_to(c);
    struct bus *bus = app_bus(app, c);
    app_close(app, c);
    loop_settle(app->loop, 0);
    CHECK_INT(app->buses.count, 1);
    c = open_one(BARE);
    CHECK(app_bus(app, c) == bus);
    bus_off(l);
    app_close(app, c);
    c = open_one(BARE); /* in the same turn: it keeps the bus, though nobody listens */
    loop_settle(app->loop, 0);
    CHECK(app_bus(app, c) == bus);
    app_close(app, c);
    loop_settle(app->loop, 0);
    CHECK_INT(app->buses.count, 0);
    end();
}

static struct conn *closing;
static ln_status close_inside(struct listener *l, struct event *ev) {
    on_event(l, ev);
    app_close(app, closing);
    bus_off(l);
    loop_settle(app->loop, 0); /* no handler can: but if one could, its bus outlives the walk */
    return LN_OK;
}
static const struct listener_kind closing_kind = {
    {"listener", bus_listener_drop, NULL}, close_inside, release};

TEST(a_bus_may_go_while_it_is_walked) {
    begin();
    struct listener *l = ln_new(struct listener);
    struct event ev = {.kind = EVENT_APP, .name = LN_STR("x"), .ack = -1, .serial = 1};
    closing = open_one(BARE);
    l->name = "x";
    bus_on(app_bus(app, closing), seat, l, &closing_kind);
    CHECK_INT(bus_emit(app_bus(app, closing), &ev), LN_OK);
    CHECK_INT(heard, 1);
    CHECK_INT(app->buses.count, 0);
    end();
}

TEST(a_name_that_is_taken_is_passed_over) {
    begin();
    struct conn_opts o = {0};
    struct ln_err err = {0};
    conn_opts_init(&o);
    o.url = ln_strdup(BARE);
    o.autoconnect = false;
    struct conn *beside = app_connect_beside(app, BARE, "2", &o, &err); /* of a script "2" */
    conn_opts_free(&o);
    CHECK_STR(ln_str(conn_name(beside)), BARE " (2)");
    open_one(ONE);
    struct conn *two = open_one(TWO);
    CHECK(two && strcmp(conn_name(two), BARE " (3)") == 0);
    end();
}

/* Whoever still holds it asks for its bus: it must not keep one that goes. */
TEST(a_closed_connection_holds_no_bus) {
    begin();
    struct conn *c = open_one(BARE);
    app_close(app, c);
    CHECK(app_bus(app, c) != NULL);
    CHECK(conn_user(c) == NULL);
    loop_settle(app->loop, 0);
    CHECK_INT(app->buses.count, 0);
    end();
}

/* --- by chance --- */

#define TARGETS 6
#define EARS 8

static const char *const targets[TARGETS] = {ONE, TWO, BARE "?", "ws://b:9/", "ws://c:9/#1", "hub"};
static struct conn *conns[TARGETS];
static struct listener *ears[EARS];
static struct bus *heard_on[EARS];

static void check_all(void) {
    size_t buses = 0, addresses = 0;
    for (int i = 0; i < TARGETS; i++) {
        CHECK(app_find(app, targets[i]) == conns[i]);
        if (!conns[i]) continue;
        CHECK(app_bus(app, conns[i]) == ln_map_get(&app->buses, ln_str(conn_name(conns[i]))));
        for (int k = 0; k < i; k++)
            CHECK(!conns[k] || app_bus(app, conns[k]) != app_bus(app, conns[i]));
        buses++;
        addresses += strcmp(conn_name(conns[i]), targets[i]) != 0;
    }
    for (int i = 0; i < EARS; i++) { /* those of connections that are gone */
        bool is_new = ears[i] && !conn_find(app->clients, ln_str(bus_name(heard_on[i])));
        for (int k = 0; k < i; k++)
            is_new = is_new && !(ears[k] && heard_on[k] == heard_on[i]);
        buses += is_new;
    }
    loop_settle(app->loop, 0);
    CHECK(app->buses.count >= buses); /* one that nobody hears goes at the next sweep */
    CHECK(app->targets.count >= addresses);
    if (!ears[0]) return;
    struct event ev = {.kind = EVENT_APP, .name = LN_STR("x"), .ack = -1, .serial = 1};
    int before = heard;
    bus_emit(heard_on[0], &ev);
    CHECK(heard > before);
}

static void change(void) {
    int at = (int)(ln_random_u32() % TARGETS), ear = (int)(ln_random_u32() % EARS);
    switch (ln_random_u32() % 4) {
    case 0:
    case 1:
        if (conns[at]) app_close(app, conns[at]);
        conns[at] = conns[at] ? NULL : open_one(targets[at]);
        break;
    case 2:
        if (ears[ear]) bus_off(ears[ear]);
        ears[ear] = NULL;
        break;
    default:
        if (ears[ear] || !conns[at]) break;
        ears[ear] = listen_to(conns[at]);
        heard_on[ear] = app_bus(app, conns[at]);
    }
}

TEST(connections_that_come_and_go_by_chance) {
    ln_random_fake(7);
    begin();
    for (int i = 0; i < 5000 && !test_failures; i++) {
        change();
        if (ln_random_u32() % 4 == 0) check_all();
    }
    CHECK(heard > 100);
    seat_drop_all(seat);
    for (int i = 0; i < TARGETS; i++)
        if (conns[i] || (conns[i] = open_one(targets[i]))) app_close(app, conns[i]);
    loop_settle(app->loop, 0);
    CHECK_INT(app->buses.count, 0);
    CHECK_INT(app->targets.count, 0);
    end();
    ln_random_fake(0);
}

TEST_MAIN(T(an_address_is_found_by_what_it_was_opened_with),
          T(an_address_that_was_closed_is_no_other_ones),
          T(handlers_stay_for_the_next_one_of_that_name), T(a_bus_may_go_while_it_is_walked),
          T(a_name_that_is_taken_is_passed_over), T(a_closed_connection_holds_no_bus),
          T(connections_that_come_and_go_by_chance))
