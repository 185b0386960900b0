/* SPDX-License-Identifier: MIT
 *
 * The event bus against a naive one, by chance: listeners that add, remove and emit inside of each
 * other, on two buses, of few names and of many; seats that come alive, die and are unloaded, and
 * buses that are freed under their walks. The naive one copies at the start of an event who is to
 * hear of it; both must agree on each call, and on every question between the calls.
 */
#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/event.h"
#include "test.h"

#define SEEDS 500
#define STEPS 120
#define BUSES 2
#define SEATS 4
#define NAMES 40
#define EARS 4000
#define CALLS 400 /* of one seed: what more is emitted inside handlers is left out */

struct ear {
    struct listener l;
    int at; /* in `known` */
};

struct known { /* one listener, as the naive bus has it */
    struct ear *ear;
    int bus, seat, name; /* name < 0: any event */
    enum event_kind kind;
    bool on, once, owned, is_released; /* owned: a seat still has it */
};

struct naive_walk { /* who was to hear, when it began */
    struct naive_walk *outer;
    int bus, n, next;
    int *who;
};

static const char *const special[] = {"state", "connect", "", "session"};
static struct known known[EARS];
static int known_n, calls, depth[BUSES], names;
static char text[NAMES][16];
static struct ln_slots slots;
static struct seat *seats[SEATS];
static struct bus *buses[BUSES];
static bool is_freed[BUSES];
static struct naive_walk *walks;

static int dice(int n) {
    return (int)(ln_random_u32() % (unsigned)n);
}

static bool is_live(const struct known *k) {
    return k->on && seats[k->seat]->state == SEAT_LIVE;
}

static bool hears(const struct known *k, int bus, int name, enum event_kind kind) {
    if (!k->on || k->bus != bus) return false;
    if (k->name < 0) return k->kind == kind;
    if (k->name != name || kind == EVENT_OUT) return false;
    return kind == EVENT_LIFECYCLE || !event_is_lifecycle(ln_str(text[name]));
}

/* Who is removed, or whose seat is not live, when his turn comes is passed over. */
static struct known *next_of(struct naive_walk *w) {
    while (w->next < w->n && !is_live(&known[w->who[w->next]]))
        w->next++;
    return w->next < w->n ? &known[w->who[w->next++]] : NULL;
}

static void naive_off(struct known *k) {
    k->on = k->owned = false;
}

static void fresh_bus(int bus) {
    buses[bus] = bus_new(LN_STR("chat"));
    is_freed[bus] = false;
}

/* --- what is done to both --- */

static void emit(int bus) {
    enum event_kind kind =
        (enum event_kind[]){EVENT_APP, EVENT_APP, EVENT_OUT, EVENT_LIFECYCLE}[dice(4)];
    int name = dice(names);
    struct naive_walk w = {.outer = walks, .bus = bus};
    if (calls > CALLS) return;
    bool too_deep = depth[bus] >= 32 && !is_freed[bus];
    w.who = ln_alloc(((size_t)known_n + 1) * sizeof *w.who);
    for (int named = 0; named < 2 && !is_freed[bus] && !too_deep; named++)
        for (int i = 0; i < known_n; i++)
            if ((known[i].name >= 0) == named && hears(&known[i], bus, name, kind))
                w.who[w.n++] = i;
    struct event ev = {.kind = kind, .name = ln_str(text[name]), .ack = -1, .serial = 1};
    walks = &w;
    depth[bus]++;
    ln_status s = bus_emit(buses[bus], &ev);
    depth[bus]--;
    walks = w.outer;
    CHECK_INT(s, too_deep ? LN_FULL : LN_OK);
    if (is_freed[bus] && depth[bus] == 0) fresh_bus(bus);
    CHECK(next_of(&w) == NULL);
    ln_free(w.who);
}

static const struct listener_kind ear_kind;

static void add(int bus) {
    if (known_n == EARS) return;
    struct ear *e = ln_new(struct ear);
    struct known *k = &known[known_n];
    *k = (struct known){.ear = e, .bus = bus, .seat = dice(SEATS), .name = dice(names + 3)};
    k->kind = dice(3) ? EVENT_APP : EVENT_OUT;
    k->once = dice(4) == 0;
    k->on = !is_freed[bus];
    k->owned = true;
    if (k->name >= names) k->name = -1;
    e->at = known_n++;
    e->l.once = k->once;
    e->l.kind = (unsigned char)(k->name < 0 ? k->kind : EVENT_APP);
    e->l.name = k->name < 0 ? NULL : text[k->name];
    bus_on(buses[bus], seats[k->seat], &e->l, &ear_kind);
}

static void take_off(void) {
    struct known *k = known_n ? &known[dice(known_n)] : NULL;
    if (!k || !k->owned) return;
    naive_off(k);
    bus_off(&k->ear->l);
}

static void change_seat(void) {
    int at = dice(SEATS), how = dice(6);
    if (how == 0) seats[at]->state = SEAT_DEAD;
    if (how == 1 || how == 2) seats[at]->state = SEAT_LIVE;
    if (how == 3 || how == 4) seat_go_live(seats[at]);
    if (how != 5 || dice(4)) return;
    for (int i = 0; i < known_n; i++)
        if (known[i].seat == at) naive_off(&known[i]);
    seat_free(seats[at]);
    seats[at] = seat_new(&slots, "bot", "bot.lua");
    if (dice(2)) seat_go_live(seats[at]);
}

static void free_bus(int bus) {
    for (int i = 0; i < known_n; i++)
        if (known[i].bus == bus && known[i].on) naive_off(&known[i]);
    is_freed[bus] = true;
    bus_free(buses[bus]);
}

static void ask(int bus) {
    size_t count = 0, of_seat = 0, seat = (size_t)dice(SEATS), n = (size_t)dice(4) + 1;
    int name = dice(names);
    bool wants = false;
    for (int i = 0; i < known_n; i++) {
        const struct known *k = &known[i];
        count += k->on && k->bus == bus;
        of_seat += k->on && k->bus == bus && k->name == name && (size_t)k->seat == seat;
        wants = wants || (hears(k, bus, name, EVENT_APP) && is_live(k));
    }
    CHECK_INT(bus_count(buses[bus]), count);
    CHECK_INT(bus_wants(buses[bus], ln_str(text[name])), wants);
    CHECK_INT(bus_has_of(buses[bus], ln_str(text[name]), seats[seat], n), of_seat >= n);
}

static void act(void) {
    int bus = dice(BUSES), what = dice(100);
    if (what < 30)
        add(bus);
    else if (what < 42)
        take_off();
    else if (what < 82)
        emit(bus);
    else if (what < 90)
        ask(bus);
    else if (what < 98)
        change_seat();
    else if (depth[bus] > 0 && !dice(4))
        free_bus(bus);
}

/* --- a call --- */

static ln_status ear_call(struct listener *l, struct event *ev) {
    struct ear *e = LN_CONTAINER(l, struct ear, l);
    const struct known *expected = next_of(walks);
    struct known *k = &known[e->at];
    (void)ev;
    calls++;
    CHECK(expected == k);
    CHECK(!k->is_released && l->item.seat == seats[k->seat]);
    if (k->once) k->on = false; /* it is its seat's until the call is over */
    for (int n = dice(4); n > 0; n--)
        act();
    if (k->once) k->owned = false;
    return LN_OK;
}

static void ear_release(struct listener *l) {
    struct ear *e = LN_CONTAINER(l, struct ear, l);
    CHECK(!known[e->at].is_released);
    known[e->at].is_released = true;
    ln_free(e);
}

static const struct listener_kind ear_kind = {
    {"listener", bus_listener_drop, NULL}, ear_call, ear_release};

/* --- seeds --- */

static void no_log(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                   const struct ln_log_field *fields, size_t n) {
    (void)ud, (void)level, (void)tag, (void)msg, (void)fields, (void)n;
}

static void run(unsigned seed) {
    ln_random_fake(seed);
    known_n = calls = 0;
    names = seed % 3 ? 3 + dice(NAMES - 2) : (int)LN_COUNT(special);
    for (int i = 0; i < names; i++)
        snprintf(text[i], sizeof text[i], "n%d", i);
    for (size_t i = 0; i < LN_COUNT(special) && (int)i < names; i++)
        strcpy(text[i], special[i]);
    for (int i = 0; i < SEATS; i++) {
        seats[i] = seat_new(&slots, "bot", "bot.lua");
        if (i < SEATS - 1) seat_go_live(seats[i]);
    }
    for (int i = 0; i < BUSES; i++)
        fresh_bus(i);
    for (int i = dice(3) * names; i > 0; i--)
        add(dice(BUSES));
    for (int step = 0; step < STEPS && !test_failures; step++)
        act();
    for (int i = 0; i < BUSES; i++)
        free_bus(i);
    for (int i = 0; i < SEATS; i++)
        seat_free(seats[i]);
    for (int i = 0; i < known_n; i++)
        CHECK(known[i].is_released);
    CHECK_INT(slots.count, 0);
    ln_slots_free(&slots);
    if (test_failures) printf("seed %u\n", seed);
}

TEST(both_buses_call_the_same_in_the_same_order) {
    int all_calls = 0;
    ln_log_to(no_log, NULL);
    for (unsigned seed = 1; seed <= SEEDS && !test_failures; seed++) {
        run(seed);
        all_calls += calls;
    }
    CHECK(all_calls > SEEDS * 20); /* it was worth it */
    ln_random_fake(0);
    ln_log_to(NULL, NULL);
}

TEST_MAIN(T(both_buses_call_the_same_in_the_same_order))
