/* SPDX-License-Identifier: MIT
 *
 * The map: order, holes, growth, collisions, and against a model.
 */
#include "test.h"

#include "base/buf.h"
#include "base/crypt.h"
#include "base/map.h"

static int values[4096];

static struct ln_str name_of(int i) {
    static char text[32];
    return (struct ln_str){text, (size_t)snprintf(text, sizeof text, "key %d", i)};
}

TEST(empty) {
    struct ln_map m = {0};
    size_t i = 0;
    CHECK(ln_map_get(&m, LN_STR("x")) == NULL);
    CHECK(ln_map_remove(&m, LN_STR("x")) == NULL);
    CHECK(!ln_map_next(&m, &i, NULL, NULL));
    ln_map_free(&m);
}

TEST(set_get_remove) {
    struct ln_map m = {0};
    CHECK(ln_map_set(&m, LN_STR("a"), &values[1]) == NULL);
    CHECK(ln_map_set(&m, LN_STR(""), &values[2]) == NULL);
    CHECK(ln_map_set(&m, LN_STR("a\0b"), &values[3]) == NULL);
    CHECK(ln_map_get(&m, LN_STR("a")) == &values[1]);
    CHECK(ln_map_get(&m, (struct ln_str){NULL, 0}) == &values[2]);
    CHECK(ln_map_get(&m, LN_STR("a\0b")) == &values[3]);
    CHECK(ln_map_get(&m, LN_STR("a\0c")) == NULL);
    CHECK(ln_map_set(&m, LN_STR("a"), &values[4]) == &values[1]);
    CHECK_INT(m.count, 3);
    CHECK(ln_map_remove(&m, LN_STR("a")) == &values[4]);
    CHECK(ln_map_remove(&m, LN_STR("a")) == NULL);
    CHECK(ln_map_get(&m, LN_STR("a")) == NULL);
    CHECK_INT(m.count, 2);
    ln_map_free(&m);
    CHECK_INT(m.count, 0);
    CHECK(ln_map_set(&m, LN_STR("again"), &values[5]) == NULL);
    ln_map_free(&m);
}

TEST(keys_are_copied_and_terminated) {
    struct ln_map m = {0};
    char key[] = "room";
    ln_map_set(&m, (struct ln_str){key, 4}, &values[0]);
    memset(key, '?', 4);
    CHECK(ln_map_get(&m, LN_STR("room")) == &values[0]);
    size_t i = 0;
    struct ln_str got;
    CHECK(ln_map_next(&m, &i, &got, NULL));
    CHECK_STR(ln_str(got.p), "room");
    ln_map_free(&m);
}

TEST(walks_in_insertion_order) {
    struct ln_map m = {0};
    for (int n = 0; n < 300; n++)
        ln_map_set(&m, name_of(n), &values[n]);
    for (int n = 0; n < 300; n += 3)
        ln_map_remove(&m, name_of(n));
    ln_map_set(&m, name_of(0), &values[0]); /* comes last now */
    size_t i = 0;
    struct ln_str key;
    void *value;
    int wanted = 1, seen = 0;
    while (ln_map_next(&m, &i, &key, &value)) {
        int n = (int)((int *)value - values);
        CHECK(ln_str_eq(key, name_of(n)));
        CHECK_INT(n, seen < 200 ? wanted : 0);
        wanted += wanted % 3 == 1 ? 1 : 2;
        seen++;
    }
    CHECK_INT(seen, 201);
    CHECK_INT(m.count, 201);
    ln_map_free(&m);
}

TEST(removes_while_walking) {
    struct ln_map m = {0};
    for (int n = 0; n < 100; n++)
        ln_map_set(&m, name_of(n), &values[n]);
    size_t i = 0;
    struct ln_str key;
    void *value;
    int seen = 0;
    while (ln_map_next(&m, &i, &key, &value)) {
        seen++;
        /* By the map's own key: it must not be read after it was freed. */
        if (seen % 2) CHECK(ln_map_remove(&m, key) == value);
    }
    CHECK_INT(seen, 100);
    CHECK_INT(m.count, 50);
    i = 0;
    while (ln_map_next(&m, &i, &key, &value))
        ln_map_remove(&m, key);
    CHECK_INT(m.count, 0);
    CHECK(ln_map_get(&m, name_of(1)) == NULL);
    ln_map_free(&m);
}

TEST(holes_are_used_again) {
    struct ln_map m = {0};
    for (int n = 0; n < 100000; n++) {
        CHECK(ln_map_set(&m, name_of(n), &values[0]) == NULL);
        if (n >= 4) CHECK(ln_map_remove(&m, name_of(n - 4)) == &values[0]);
    }
    CHECK_INT(m.count, 4);
    CHECK(m.cap <= 16);
    ln_map_free(&m);
}

TEST(shrinks_when_it_moves) {
    struct ln_map m = {0};
    for (int n = 0; n < 4096; n++)
        ln_map_set(&m, name_of(n), &values[n]);
    for (int n = 1; n < 4096; n++)
        ln_map_remove(&m, name_of(n));
    CHECK_INT(m.cap, 4096);
    ln_map_set(&m, LN_STR("one more"), &values[1]);
    CHECK(m.cap <= 16);
    CHECK(ln_map_get(&m, name_of(0)) == &values[0]);
    ln_map_free(&m);
}

/* Equal hashes made by hand: only the bytes of the keys may decide. */
TEST(equal_hashes_are_told_apart) {
    struct ln_map m = {0};
    ln_map_set(&m, LN_STR("first"), &values[1]);
    uint32_t hash = m.entries[0].hash;
    ln_map_set(&m, LN_STR("other"), &values[2]);
    m.entries[1].hash = hash;
    CHECK(m.index == NULL); /* so small that it needs none */
    CHECK(ln_map_get(&m, LN_STR("first")) == &values[1]);
    for (int n = 0; m.cap < 16; n++)
        ln_map_set(&m, name_of(n), &values[n]);
    size_t rest = m.count - 2;
    memset(m.index, 0, m.cap * 2 * sizeof *m.index);
    size_t mask = m.cap * 2 - 1;
    m.index[hash & mask] = 2; /* "other" now lies where "first" is looked for */
    m.index[(hash + 1) & mask] = 1;
    CHECK(ln_map_get(&m, LN_STR("first")) == &values[1]);
    CHECK(ln_map_remove(&m, LN_STR("first")) == &values[1]);
    CHECK(ln_map_get(&m, LN_STR("first")) == NULL);
    CHECK_INT(m.count, rest + 1);
    ln_map_free(&m);
}

TEST(keys_may_be_lent) {
    struct ln_map m = {.lent = true};
    char first[] = "name", second[] = "name", other[] = "other";
    CHECK(ln_map_set(&m, ln_str(first), &values[1]) == NULL);
    CHECK(ln_map_set(&m, ln_str(second), &values[2]) == &values[1]);
    first[0] = 'x'; /* went with its value: the second brought its own */
    CHECK(ln_map_get(&m, LN_STR("name")) == &values[2]);
    CHECK(m.entries[0].key == second);
    ln_map_set(&m, ln_str(other), &values[3]);
    for (int n = 0; n < 30; n++) {
        ln_map_set(&m, (struct ln_str){other, (size_t)(n % 5) + 1}, &values[n]);
        CHECK(ln_map_get(&m, LN_STR("name")) == &values[2]);
    }
    CHECK(ln_map_remove(&m, LN_STR("name")) == &values[2]);
    ln_map_free(&m);
    CHECK(m.lent);
}

TEST(as_the_model) {
    struct ln_map m = {0};
    static int *model[500];
    ln_random_fake(3);
    for (int step = 0; step < 60000; step++) {
        uint32_t r = ln_random_u32();
        int n = (int)(r % LN_COUNT(model));
        int *value = &values[r >> 20];
        if (r & 0x10000) {
            CHECK(ln_map_set(&m, name_of(n), value) == model[n]);
            model[n] = value;
        } else if (r & 0x20000) {
            CHECK(ln_map_remove(&m, name_of(n)) == model[n]);
            model[n] = NULL;
        } else {
            CHECK(ln_map_get(&m, name_of(n)) == model[n]);
        }
    }
    size_t live = 0, walked = 0, i = 0;
    for (size_t n = 0; n < LN_COUNT(model); n++)
        live += model[n] != NULL;
    while (ln_map_next(&m, &i, NULL, NULL))
        walked++;
    CHECK(live > 100);
    CHECK_INT(m.count, live);
    CHECK_INT(walked, live);
    ln_random_fake(0);
    ln_map_free(&m);
}

TEST(hashes_spread) {
    struct ln_map m = {0};
    for (int n = 0; n < 4096; n++)
        ln_map_set(&m, name_of(n), &values[n]);
    size_t buckets[64] = {0};
    for (size_t i = 0; i < m.used; i++)
        buckets[m.entries[i].hash & 63]++;
    for (size_t i = 0; i < 64; i++)
        CHECK(buckets[i] > 16 && buckets[i] < 160); /* 64 each, give or take 12 deviations */
    ln_map_free(&m);
}

TEST_MAIN(T(empty), T(set_get_remove), T(keys_are_copied_and_terminated),
          T(walks_in_insertion_order), T(removes_while_walking), T(holes_are_used_again),
          T(shrinks_when_it_moves), T(equal_hashes_are_told_apart), T(keys_may_be_lent),
          T(as_the_model), T(hashes_spread))
