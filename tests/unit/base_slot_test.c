/* SPDX-License-Identifier: MIT
 *
 * Handles: dead ids stay dead.
 */
#include "test.h"

#include "base/slot.h"

static int a, b;

TEST(put_get_drop) {
    struct ln_slots t = {0};
    CHECK(ln_slot_get(&t, 0, 1) == NULL);
    CHECK(ln_slot_get(&t, 1, 1) == NULL);
    ln_id id = ln_slot_put(&t, &a, 1);
    CHECK(id != 0);
    CHECK(id >> 32 != 0);
    CHECK(ln_slot_get(&t, id, 1) == &a);
    CHECK(ln_slot_get(&t, id, 2) == NULL);
    CHECK_INT(t.count, 1);
    CHECK(ln_slot_drop(&t, id) == &a);
    CHECK(ln_slot_drop(&t, id) == NULL);
    CHECK(ln_slot_get(&t, id, 1) == NULL);
    CHECK_INT(t.count, 0);
    ln_slots_free(&t);
    CHECK(ln_slot_get(&t, id, 1) == NULL);
}

TEST(a_place_used_again_has_a_new_id) {
    struct ln_slots t = {0};
    ln_id old[100];
    for (int i = 0; i < 100; i++) {
        old[i] = ln_slot_put(&t, &a, 1);
        CHECK_INT((uint32_t)old[i], 1);
        for (int k = 0; k < i; k++)
            CHECK(ln_slot_get(&t, old[k], 1) == NULL && ln_slot_drop(&t, old[k]) == NULL);
        CHECK(ln_slot_get(&t, old[i], 1) == &a);
        ln_slot_drop(&t, old[i]);
    }
    ln_slots_free(&t);
}

TEST(made_up_ids_are_refused) {
    struct ln_slots t = {0};
    ln_id id = ln_slot_put(&t, &a, 1);
    ln_slot_drop(&t, id);
    /* A free place, its next generation guessed. */
    CHECK(ln_slot_get(&t, (2ull << 32) | 1, 1) == NULL);
    CHECK(ln_slot_get(&t, (2ull << 32) | 1, 0) == NULL);
    CHECK(ln_slot_drop(&t, (2ull << 32) | 1) == NULL);
    CHECK(ln_slot_get(&t, UINT64_MAX, 1) == NULL);
    CHECK(ln_slot_get(&t, 1ull << 32, 1) == NULL);
    ln_slots_free(&t);
}

TEST(many_live_ones) {
    static int things[1000];
    static ln_id ids[1000];
    struct ln_slots t = {0};
    for (int i = 0; i < 1000; i++)
        ids[i] = ln_slot_put(&t, &things[i], (uint16_t)(1 + i % 3));
    for (int i = 0; i < 1000; i += 2)
        CHECK(ln_slot_drop(&t, ids[i]) == &things[i]);
    CHECK_INT(t.count, 500);
    for (int i = 0; i < 1000; i++)
        CHECK(ln_slot_get(&t, ids[i], (uint16_t)(1 + i % 3)) == (i % 2 ? &things[i] : NULL));
    for (int i = 0; i < 500; i++)
        ln_slot_put(&t, &b, 9);
    CHECK_INT(t.count, 1000);
    CHECK_INT(t.used, 1000); /* the free places were used */
    ln_slots_free(&t);
}

TEST(a_used_up_place_is_left) {
    struct ln_slots t = {0};
    ln_slot_drop(&t, ln_slot_put(&t, &a, 1));
    t.v[0].generation = UINT32_MAX;
    ln_id last = ln_slot_put(&t, &a, 1);
    CHECK_INT(last >> 32, UINT32_MAX);
    CHECK(ln_slot_drop(&t, last) == &a);
    ln_id next = ln_slot_put(&t, &b, 1);
    CHECK_INT((uint32_t)next, 2);
    CHECK(ln_slot_get(&t, last, 1) == NULL);
    ln_slots_free(&t);
}

TEST_MAIN(T(put_get_drop), T(a_place_used_again_has_a_new_id), T(made_up_ids_are_refused),
          T(many_live_ones), T(a_used_up_place_is_left))
