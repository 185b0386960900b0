/* SPDX-License-Identifier: MIT
 *
 * Seats: ownership, order of dropping, dead handles, what happens to items that drop each other.
 */
#include "host/seat.h"

#include "base/mem.h"
#include "test.h"

static char trail[64];
static size_t trail_n;

struct thing {
    struct seat_item item;
    char letter;
    struct thing *also; /* dropped by this one's drop or go_live */
    struct seat *adds_to;
};

static void note(char c) {
    trail[trail_n++] = c;
    trail[trail_n] = 0;
}
static void thing_drop(struct seat_item *it) {
    struct thing *t = LN_CONTAINER(it, struct thing, item);
    note(t->letter);
    if (t->also) seat_drop(&t->also->item);
}
static const struct seat_kind x_kind = {"x", thing_drop, NULL};
static const struct seat_kind timer_kind = {"timer", thing_drop, NULL};
static const struct seat_kind listener_kind = {"listener", thing_drop, NULL};
static struct thing *thing(struct thing *t, char letter) {
    memset(t, 0, sizeof *t);
    t->letter = letter;
    return t;
}
static void start(void) {
    trail_n = 0;
    trail[0] = 0;
}

TEST(drops_newest_first_and_kills_handles) {
    start();
    struct ln_slots slots = {0};
    struct seat *s = seat_new(&slots, "bot", "bots/bot.lua");
    CHECK_STR(ln_str(s->name), "bot");
    CHECK_STR(ln_str(s->path), "bots/bot.lua");
    CHECK(s->state == SEAT_TRIAL);
    struct thing a, b, c;
    seat_own(s, &thing(&a, 'a')->item, &timer_kind);
    seat_own(s, &thing(&b, 'b')->item, &listener_kind);
    seat_own(s, &thing(&c, 'c')->item, &timer_kind);
    ln_id id = b.item.id;
    CHECK_INT(seat_count(s, NULL), 3);
    CHECK_INT(seat_count(s, "timer"), 2);
    CHECK_INT(seat_count(s, "task"), 0);
    CHECK(seat_item_of(&slots, id, "listener") == &b.item);
    CHECK(seat_item_of(&slots, id, "timer") == NULL);
    seat_drop(&b.item);
    seat_drop(&b.item);
    CHECK(seat_item_of(&slots, id, "listener") == NULL);
    CHECK_INT(seat_count(s, NULL), 2);
    CHECK(b.item.seat == NULL);
    seat_free(s);
    CHECK_STR(ln_str(trail), "bca");
    CHECK_INT(slots.count, 0);
    ln_slots_free(&slots);
}

TEST(a_drop_may_drop_others) {
    start();
    struct ln_slots slots = {0};
    struct seat *s = seat_new(&slots, "bot", "bot.lua");
    struct thing a, b, c;
    seat_own(s, &thing(&a, 'a')->item, &x_kind);
    seat_own(s, &thing(&b, 'b')->item, &x_kind);
    seat_own(s, &thing(&c, 'c')->item, &x_kind);
    c.also = &a;
    a.also = &c; /* and back: already dropped, so nothing happens */
    seat_drop_all(s);
    CHECK_STR(ln_str(trail), "cab");
    CHECK_INT(seat_count(s, NULL), 0);
    seat_free(s);
    ln_slots_free(&slots);
}

static void thing_live(struct seat_item *it);
static const struct seat_kind live_kind = {"x", thing_drop, thing_live};
static void thing_live(struct seat_item *it) {
    struct thing *t = LN_CONTAINER(it, struct thing, item);
    note((char)(t->letter - 'a' + 'A'));
    if (t->also) seat_drop(&t->also->item);
    if (t->adds_to) {
        static struct thing late;
        seat_own(t->adds_to, &thing(&late, 'z')->item, &live_kind);
    }
}

TEST(going_live_is_oldest_first_and_skips_what_was_dropped) {
    start();
    struct ln_slots slots = {0};
    struct seat *s = seat_new(&slots, "bot", "bot.lua");
    struct thing v[4];
    for (int i = 0; i < 4; i++)
        seat_own(s, &thing(&v[i], (char)('a' + i))->item, i == 1 ? &x_kind : &live_kind);
    v[0].also = &v[2];
    v[3].adds_to = s;
    seat_go_live(s);
    CHECK(s->state == SEAT_LIVE);
    CHECK_STR(ln_str(trail), "AcD"); /* b holds nothing back, c was dropped, z came when live */
    seat_go_live(s);
    CHECK_STR(ln_str(trail), "AcD");
    seat_free(s);
    CHECK_STR(ln_str(trail), "AcDzdba");
    ln_slots_free(&slots);
}

static void thing_ends_seat(struct seat_item *it) {
    note('!');
    seat_free(it->seat);
}

TEST(a_seat_may_end_while_it_goes_live) {
    static const struct seat_kind end_kind = {"x", thing_drop, thing_ends_seat};
    start();
    struct ln_slots slots = {0};
    struct seat *s = seat_new(&slots, "bot", "bot.lua");
    struct thing a, b;
    seat_own(s, &thing(&a, 'a')->item, &end_kind);
    seat_own(s, &thing(&b, 'b')->item, &live_kind);
    seat_go_live(s);
    CHECK_STR(ln_str(trail), "!ba");
    CHECK_INT(slots.count, 0);
    ln_slots_free(&slots);
}

TEST_MAIN(T(drops_newest_first_and_kills_handles), T(a_drop_may_drop_others),
          T(going_live_is_oldest_first_and_skips_what_was_dropped),
          T(a_seat_may_end_while_it_goes_live))
