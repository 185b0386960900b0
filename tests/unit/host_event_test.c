/* SPDX-License-Identifier: MIT
 *
 * The event bus: order, what may change during a walk (on, off, once, unload, the bus itself),
 * nesting, seats that are not live, names that are the host's own, and the two habits warned of.
 */
#include "host/event.h"

#include "base/log.h"
#include "base/mem.h"
#include "test.h"

static char trail[256];
static size_t trail_n;
static char logged[4096];
static int log_lines, released;

static void log_sink(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                     const struct ln_log_field *fields, size_t n) {
    (void)ud, (void)level, (void)fields, (void)n;
    log_lines++;
    size_t used = strlen(logged);
    snprintf(logged + used, sizeof logged - used, "[%s] %.*s\n", tag, LN_FMT(msg));
}

struct ear {
    struct listener l;
    char letter;
    ln_status answer;
    void (*act)(struct ear *e, struct event *ev);
    struct ear *other;
    const char *name;
};

static struct ln_slots slots;
static struct bus *bus;
static struct seat *seat;

static ln_status ear_call(struct listener *l, struct event *ev) {
    struct ear *e = LN_CONTAINER(l, struct ear, l);
    if (trail_n < sizeof trail - 1) trail[trail_n++] = e->letter;
    trail[trail_n] = 0;
    CHECK(l->item.seat != NULL);
    if (e->act) e->act(e, ev);
    return e->answer;
}
static void ear_release(struct listener *l) {
    released++;
    ln_free(LN_CONTAINER(l, struct ear, l));
}
static const struct listener_kind ear_kind = {
    {"listener", bus_listener_drop, NULL}, ear_call, ear_release};
static struct ear *ear_new(char letter, const char *name) {
    struct ear *e = ln_new(struct ear);
    e->letter = letter;
    e->name = name;
    e->l.name = name;
    return e;
}
static struct ear *on(char letter, const char *name) {
    struct ear *e = ear_new(letter, name);
    bus_on(bus, seat, &e->l, &ear_kind);
    return e;
}
static ln_status emit_kind(const char *name, enum event_kind kind) {
    struct event ev = {.kind = kind, .name = ln_str(name), .ack = -1, .serial = 1};
    return bus_emit(bus, &ev);
}
static ln_status emit(const char *name) {
    return emit_kind(name, EVENT_APP);
}
static void begin(void) {
    trail_n = 0;
    trail[0] = logged[0] = 0;
    log_lines = released = 0;
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
    ln_log_to(log_sink, NULL);
    bus = bus_new(LN_STR("chat"));
    seat = seat_new(&slots, "bot", "bot.lua");
    seat_go_live(seat);
}
static void end(void) {
    bus_free(bus);
    seat_free(seat);
    CHECK_INT(slots.count, 0);
    ln_slots_free(&slots);
    ln_log_to(NULL, NULL);
}

TEST(any_first_then_named_in_order) {
    begin();
    CHECK_STR(ln_str(bus_name(bus)), "chat");
    on('a', "x");
    on('b', "x");
    on('c', NULL);
    on('d', "y");
    struct ear *out = ear_new('o', NULL);
    out->l.kind = EVENT_OUT;
    bus_on(bus, seat, &out->l, &ear_kind);
    CHECK(bus_wants(bus, LN_STR("anything"))); /* c */
    CHECK_INT(bus_count(bus), 5);
    CHECK_INT(emit("x"), LN_OK);
    CHECK_STR(ln_str(trail), "cab");
    emit_kind("x", EVENT_OUT); /* named listeners hear nothing of what we send */
    CHECK_STR(ln_str(trail), "cabo");
    emit("y");
    emit("nobody");
    CHECK_STR(ln_str(trail), "cabocdc");
    CHECK(bus_has_of(bus, LN_STR("x"), seat, 2));
    CHECK(!bus_has_of(bus, LN_STR("x"), seat, 3));
    CHECK(!bus_has_of(bus, LN_STR("z"), seat, 1));
    end();
    CHECK_INT(released, 5);
}

TEST(worst_status_and_nobody_is_stopped_by_a_failure) {
    begin();
    on('a', "x")->answer = LN_CANCELLED;
    on('b', "x")->answer = LN_PROTOCOL;
    on('c', "x");
    CHECK_INT(emit("x"), LN_PROTOCOL);
    CHECK_STR(ln_str(trail), "abc");
    end();
}

TEST(wants_follows_listeners_and_seats) {
    begin();
    CHECK(!bus_wants(bus, LN_STR("x")));
    struct ear *e = on('a', "x");
    CHECK(bus_wants(bus, LN_STR("x")));
    CHECK(!bus_wants(bus, LN_STR("xx")));
    CHECK(!bus_wants(bus, LN_STR("")));
    bus_off(&e->l);
    CHECK(!bus_wants(bus, LN_STR("x")));
    CHECK_INT(released, 1);
    struct seat *trial = seat_new(&slots, "bot", "bot.lua");
    struct ear *t = ear_new('t', "x");
    bus_on(bus, trial, &t->l, &ear_kind);
    CHECK(!bus_wants(bus, LN_STR("x"))); /* a trial load is silent … */
    emit("x");
    seat_go_live(trial);
    CHECK(bus_wants(bus, LN_STR("x"))); /* … until the swap */
    emit("x");
    trial->state = SEAT_DEAD; /* killed */
    emit("x");
    CHECK_STR(ln_str(trail), "t");
    CHECK(!bus_wants(bus, LN_STR("x")));
    seat_free(trial);
    CHECK_INT(bus_count(bus), 0);
    end();
}

static void act_off_other(struct ear *e, struct event *ev) {
    (void)ev;
    if (e->other) bus_off(&e->other->l);
    e->other = NULL;
}
static void act_off_self(struct ear *e, struct event *ev) {
    (void)ev;
    bus_off(&e->l);
    CHECK(e->l.dead); /* removed, but it lives as long as the walk */
}
static void act_on(struct ear *e, struct event *ev) {
    (void)ev;
    on('n', e->name);
}

TEST(off_of_a_later_an_earlier_and_the_same_listener) {
    begin();
    struct ear *a = on('a', "x"), *b = on('b', "x"), *c = on('c', "x");
    on('d', "x");
    b->act = act_off_other;
    b->other = c; /* later: must not be called any more, and d must not be skipped */
    emit("x");
    CHECK_STR(ln_str(trail), "abd");
    b->other = a; /* earlier: nobody is called twice or skipped */
    emit("x");
    CHECK_STR(ln_str(trail), "abdabd");
    b->act = act_off_self;
    emit("x");
    emit("x");
    CHECK_STR(ln_str(trail), "abdabdbdd");
    CHECK_INT(released, 3);
    end();
}

TEST(on_during_a_walk_is_for_the_next_event) {
    begin();
    struct ear *a = on('a', "x");
    a->act = act_on;
    emit("x");
    CHECK_STR(ln_str(trail), "a");
    a->act = NULL;
    emit("x");
    CHECK_STR(ln_str(trail), "aan");
    end();
}

static void act_off_other_and_on(struct ear *e, struct event *ev) {
    act_off_other(e, ev);
    act_on(e, ev);
}

TEST(who_comes_when_the_last_goes_waits_for_the_next_event) {
    begin();
    struct ear *a = on('a', "x"), *b = on('b', "x"), *c = on('c', "x");
    b->act = act_off_other_and_on;
    b->other = c;
    emit("x");
    CHECK_STR(ln_str(trail), "ab");
    b->act = act_off_other;
    b->other = a;
    emit("x");
    CHECK_STR(ln_str(trail), "ababn");
    b->act = act_off_other_and_on; /* the last one itself */
    b->other = b;
    bus_off(&on('z', "x")->l);
    emit("x");
    CHECK_STR(ln_str(trail), "ababnbn");
    trail_n = 0;
    emit("x");
    CHECK_STR(ln_str(trail), "nn");
    end();
}

static void act_inner(struct ear *e, struct event *ev) {
    e->act = act_off_other;
    bus_emit(bus, ev);
}

TEST(what_an_event_inside_removes_is_passed_over_outside) {
    begin();
    struct ear *any = on('y', NULL), *a = on('a', "x");
    on('b', "x");
    any->act = act_inner; /* before any named listener is called */
    any->other = a;
    emit("x");
    CHECK_STR(ln_str(trail), "yybb");
    end();
}

static void act_crowd(struct ear *e, struct event *ev) {
    static char names[40][16];
    (void)ev;
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "m%d", i);
        on('m', names[i]);
    }
    on('n', e->name);
    e->act = NULL;
    CHECK(bus_wants(bus, LN_STR("m39")));
    emit("m39");
}

TEST(many_that_come_inside_a_handler_change_no_order) {
    begin();
    on('a', "x")->act = act_crowd;
    on('b', "y");
    on('c', "x");
    emit("x");
    CHECK_STR(ln_str(trail), "amc");
    CHECK_INT(bus_count(bus), 44);
    trail_n = 0;
    emit("x");
    emit("y");
    emit("m0");
    CHECK_STR(ln_str(trail), "acnbm");
    end();
}

static void act_any_adds_named(struct ear *e, struct event *ev) {
    (void)e, (void)ev;
    on('n', "fresh");
}

TEST(the_listeners_of_an_event_are_settled_when_it_begins) {
    begin();
    on('a', NULL)->act = act_any_adds_named;
    emit("fresh");
    CHECK_STR(ln_str(trail), "a");
    end();
}

static void act_emit_again(struct ear *e, struct event *ev) {
    CHECK(e->l.dead);
    CHECK(seat_item_of(&slots, e->l.item.id, "listener") == &e->l.item);
    bus_emit(bus, ev);
}

TEST(once_is_dead_before_its_call) {
    begin();
    struct ear *a = ear_new('a', "x");
    a->l.once = true;
    a->act = act_emit_again;
    bus_on(bus, seat, &a->l, &ear_kind);
    ln_id id = a->l.item.id;
    on('b', "x");
    emit("x");
    CHECK_STR(ln_str(trail), "abb");
    CHECK(seat_item_of(&slots, id, "listener") == NULL);
    CHECK_INT(released, 1);
    end();
}

static void act_unload(struct ear *e, struct event *ev) {
    (void)e, (void)ev;
    seat->state = SEAT_DEAD;
    seat_drop_all(seat);
}

TEST(unload_in_a_handler_silences_the_rest_of_that_seat_only) {
    begin();
    struct seat *second = seat_new(&slots, "other", "other.lua");
    seat_go_live(second);
    struct ear *a = ear_new('a', "x");
    a->l.once = true;
    a->act = act_unload;
    bus_on(bus, seat, &a->l, &ear_kind);
    on('b', "x");
    struct ear *c = ear_new('c', "x");
    bus_on(bus, second, &c->l, &ear_kind);
    emit("x");
    emit("x");
    CHECK_STR(ln_str(trail), "acc");
    CHECK_INT(released, 2);
    seat_free(second);
    end();
}

static void act_bus_free(struct ear *e, struct event *ev) {
    (void)ev;
    bus_free(bus);
    CHECK_INT(emit("x"), LN_OK); /* a bus that is going away tells nothing */
    struct ear *late = ear_new('l', e->name);
    bus_on(bus, seat, &late->l, &ear_kind); /* and takes nobody */
    CHECK(late->l.dead);
    bus_free(bus);
}

TEST(the_bus_may_be_freed_while_it_is_walked) {
    begin();
    on('a', "x")->act = act_bus_free;
    on('b', "x");
    on('c', "y");
    on('d', NULL)->act = NULL;
    emit("x");
    CHECK_STR(ln_str(trail), "da");
    CHECK_INT(seat_count(seat, NULL), 1); /* the late one, silent until its seat goes */
    bus = NULL;
    end();
    CHECK_INT(released, 5);
}

static int deepest;
static void act_deeper(struct ear *e, struct event *ev) {
    (void)e;
    int before = (int)trail_n;
    ln_status s = bus_emit(bus, ev);
    if (s == LN_FULL && deepest == 0) deepest = before;
}

TEST(nesting_ends_at_32) {
    begin();
    deepest = 0;
    on('a', "x")->act = act_deeper;
    CHECK_INT(emit("x"), LN_OK);
    CHECK_INT(deepest, 32);
    CHECK_INT(trail_n, 32);
    CHECK_INT(log_lines, 1);
    CHECK_HAS(logged, "32 events deep");
    trail_n = 0;
    emit("x"); /* the bus works again, and complains again */
    CHECK_INT(trail_n, 32);
    CHECK_INT(log_lines, 2);
    end();
}

TEST(a_peer_cannot_forge_lifecycle_events) {
    begin();
    on('a', "state");
    on('b', "connect");
    CHECK(!bus_wants(bus, LN_STR("state")));
    emit("state");
    emit("state");
    CHECK_STR(ln_str(trail), "");
    CHECK_INT(log_lines, 1);
    CHECK_HAS(logged, "only on_any gets it");
    on('c', NULL);
    emit("state");
    emit_kind("state", EVENT_LIFECYCLE);
    emit_kind("connect", EVENT_LIFECYCLE);
    CHECK_STR(ln_str(trail), "cab"); /* catch-alls hear of the peer's events only */
    end();
}

TEST(fifty_of_one_name_are_warned_of_once) {
    begin();
    struct ear *first = on('a', "x");
    for (int i = 1; i < 49; i++)
        on('a', "x");
    CHECK_INT(log_lines, 0);
    on('a', "x");
    CHECK_INT(log_lines, 1);
    CHECK_HAS(logged, "[script:bot] 50 listeners for 'x'");
    on('a', "x");
    CHECK_INT(log_lines, 1);
    bus_off(&first->l);
    CHECK(bus_has_of(bus, LN_STR("x"), seat, 50));
    CHECK(!bus_has_of(bus, LN_STR("x"), seat, 51));
    end();
}

static void act_once_and_on(struct ear *e, struct event *ev) {
    (void)e, (void)ev;
    struct ear *o = ear_new('o', "x");
    o->l.once = true;
    bus_on(bus, seat, &o->l, &ear_kind);
    CHECK_INT(log_lines, 0); /* waiting for one event inside `connect` is fine */
    on('n', "x");
}

TEST(listeners_added_by_a_lifecycle_handler_are_warned_of) {
    begin();
    on('a', "connect")->act = act_once_and_on;
    emit_kind("connect", EVENT_LIFECYCLE);
    CHECK_INT(log_lines, 1);
    CHECK_HAS(logged, "a listener for 'x' is added inside a handler of 'connect'");
    end();
}

static void trace(void *ud, const struct event *ev, const struct listener *l) {
    (void)ud;
    CHECK_STR(ev->name, "x");
    trail[trail_n++] = (char)(LN_CONTAINER(l, struct ear, l)->letter - 'a' + 'A');
}

TEST(the_trace_sees_who_takes_an_event) {
    begin();
    on('a', "x");
    on('b', "x");
    bus_trace(bus, trace, NULL);
    emit("x");
    bus_trace(bus, NULL, NULL);
    emit("x");
    CHECK_STR(ln_str(trail), "AaBbab");
    end();
}

static int done_calls;
static void done(void *ud) {
    (void)ud;
    done_calls++;
}

TEST(a_barrier_ends_once) {
    done_calls = 0;
    struct barrier *b = barrier_open(done, NULL);
    barrier_seal(b);
    CHECK_INT(done_calls, 1); /* nobody waited */
    b = barrier_open(done, NULL);
    barrier_hold(b);
    barrier_hold(b);
    barrier_release(b);
    barrier_seal(b);
    CHECK_INT(done_calls, 1);
    barrier_release(b);
    CHECK_INT(done_calls, 2);
    b = barrier_open(done, NULL);
    barrier_hold(b);
    barrier_release(b);
    CHECK_INT(done_calls, 2); /* all ended, but more handlers may still be started */
    barrier_seal(b);
    CHECK_INT(done_calls, 3);
}

TEST(many_names_cost_no_walk_over_the_others) {
    begin();
    char names[1000][16];
    for (int i = 0; i < 2000; i++) {
        snprintf(names[i % 1000], sizeof names[0], "n%d", i % 1000);
        on(i < 1000 ? 'a' : 'b', names[i % 1000]);
    }
    for (int i = 0; i < 1000; i++) {
        trail_n = 0;
        emit(names[i]);
        CHECK_STR(ln_str(trail), "ab");
    }
    seat_drop_all(seat);
    CHECK_INT(bus_count(bus), 0);
    CHECK(!bus_wants(bus, LN_STR("n500")));
    end();
}

TEST_MAIN(T(any_first_then_named_in_order), T(worst_status_and_nobody_is_stopped_by_a_failure),
          T(wants_follows_listeners_and_seats), T(off_of_a_later_an_earlier_and_the_same_listener),
          T(on_during_a_walk_is_for_the_next_event),
          T(who_comes_when_the_last_goes_waits_for_the_next_event),
          T(what_an_event_inside_removes_is_passed_over_outside),
          T(many_that_come_inside_a_handler_change_no_order),
          T(the_listeners_of_an_event_are_settled_when_it_begins), T(once_is_dead_before_its_call),
          T(unload_in_a_handler_silences_the_rest_of_that_seat_only),
          T(the_bus_may_be_freed_while_it_is_walked), T(nesting_ends_at_32),
          T(a_peer_cannot_forge_lifecycle_events), T(fifty_of_one_name_are_warned_of_once),
          T(listeners_added_by_a_lifecycle_handler_are_warned_of),
          T(the_trace_sees_who_takes_an_event), T(a_barrier_ends_once),
          T(many_names_cost_no_walk_over_the_others))
