/* SPDX-License-Identifier: MIT
 *
 * The back-off against the reference's figures, and what is ours: the late cap and the stable line.
 */
#include "wire/backoff.h"

#include "vectors.h"

static struct backoff defaults(void) {
    return (struct backoff){.min_ms = 1000, .max_ms = 5000, .factor = 0.5, .stable_ms = 10000};
}

TEST(waits_as_the_reference) {
    struct ln_str item, wait;
    size_t pos = 0, cases = 0;
    while (ln_json_each(vectors("backoff"), &pos, NULL, &item)) {
        char number[32];
        struct ln_str rand = ln_json_get(item, "rand");
        snprintf(number, sizeof number, "%.*s", LN_FMT(rand));
        struct backoff b = defaults();
        int failures = 0;
        size_t at = 0;
        while (ln_json_each(ln_json_get(item, "delays"), &at, NULL, &wait)) {
            int64_t want = -1;
            CHECK(ln_json_int(wait, &want));
            CHECK_INT(backoff_next(&b, &failures, strtod(number, NULL)), want);
        }
        CHECK_INT(failures, 5);
        cases++;
    }
    CHECK_INT(cases, 9);
}

TEST(stays_within_the_ranges_seen) {
    static const int64_t low[] = {551, 1101, 2201, 4401}, high[] = {1499, 2999, 5000, 5000};
    int64_t least[4] = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}, most[4] = {0};
    for (int r = 0; r < 100000; r++) {
        struct backoff b = defaults();
        int failures = 0;
        for (int i = 0; i < 4; i++) {
            int64_t ms = backoff_next(&b, &failures, r / 100000.0);
            least[i] = LN_MIN(least[i], ms);
            most[i] = LN_MAX(most[i], ms);
        }
    }
    for (int i = 0; i < 4; i++) {
        CHECK_INT(least[i], low[i]);
        CHECK_INT(most[i], high[i]);
    }
}

TEST(no_jitter_outside_of_0_to_1) {
    static const double factors[] = {0, -1, 1.01};
    for (size_t i = 0; i < LN_COUNT(factors); i++) {
        struct backoff b = defaults();
        int failures = 0;
        b.factor = factors[i];
        CHECK_INT(backoff_next(&b, &failures, 0.85), 1000);
        CHECK_INT(backoff_next(&b, &failures, 0.95), 2000);
    }
    struct backoff b = defaults();
    int failures = 0;
    b.factor = 1;
    CHECK_INT(backoff_next(&b, &failures, 0.25), 750);
}

TEST(late_cap_after_ten_failures) {
    struct backoff b = defaults();
    int failures = 0;
    b.late_max_ms = 30000;
    for (int i = 0; i < 10; i++)
        CHECK(backoff_next(&b, &failures, 0.5) <= 5000);
    CHECK_INT(failures, 10);
    CHECK_INT(backoff_next(&b, &failures, 0.5), 30000);
    b.late_max_ms = 0;
    CHECK_INT(backoff_next(&b, &failures, 0.5), 5000);
}

TEST(many_attempts_do_not_overflow) {
    struct backoff b = defaults();
    int failures = 0;
    b.max_ms = b.min_ms = INT64_MAX;
    failures = 5000;
    CHECK_INT(backoff_next(&b, &failures, 0.95), INT64_MAX);
    failures = INT32_MAX;
    CHECK_INT(backoff_next(&b, &failures, 0), INT64_MAX);
    CHECK_INT(failures, INT32_MAX);
}

TEST(only_a_stable_line_forgets) {
    struct backoff b = defaults();
    int failures = 0;
    backoff_next(&b, &failures, 0);
    backoff_next(&b, &failures, 0);
    backoff_lost(&b, &failures, 9999);
    CHECK_INT(failures, 2);
    CHECK_INT(backoff_next(&b, &failures, 0), 4000);
    backoff_lost(&b, &failures, 10000);
    CHECK_INT(failures, 0);
    CHECK_INT(backoff_next(&b, &failures, 0), 1000);
}

TEST_MAIN(T(waits_as_the_reference), T(stays_within_the_ranges_seen),
          T(no_jitter_outside_of_0_to_1), T(late_cap_after_ten_failures),
          T(many_attempts_do_not_overflow), T(only_a_stable_line_forgets))
