/* SPDX-License-Identifier: MIT
 *
 * The fake clock stands still; the monotonic one never goes back.
 */
#include "test.h"

#include "base/clock.h"

TEST(real_clocks) {
    CHECK(!ln_clock_is_fake());
    uint64_t before = ln_mono_ns();
    CHECK(ln_mono_ns() >= before);
    CHECK(ln_mono_ms() >= before / 1000000);
    CHECK(ln_wall_ms() > 1700000000000);
}

TEST(fake_stands_still) {
    uint64_t before = ln_mono_ns();
    ln_clock_fake(1000);
    CHECK(ln_clock_is_fake());
    uint64_t mono = ln_mono_ns();
    CHECK(mono >= before);
    for (int i = 0; i < 1000; i++)
        CHECK(ln_mono_ns() == mono && ln_wall_ms() == 1000);
    ln_clock_advance(250);
    CHECK_INT(ln_mono_ns() - mono, 250000000);
    CHECK_INT(ln_wall_ms(), 1250);
    ln_clock_set_wall(-5);
    CHECK_INT(ln_wall_ms(), -5);
    CHECK_INT(ln_mono_ns() - mono, 250000000);
    ln_clock_fake(7); /* again: only the wall clock is set */
    CHECK_INT(ln_wall_ms(), 7);
    CHECK_INT(ln_mono_ns() - mono, 250000000);
    ln_clock_real();
}

TEST(mono_never_goes_back) {
    ln_clock_fake(0);
    ln_clock_advance(86400000);
    uint64_t ahead = ln_mono_ns();
    ln_clock_real();
    CHECK(!ln_clock_is_fake());
    CHECK(ln_mono_ns() >= ahead);
    CHECK(ln_wall_ms() > 1700000000000);
    ln_clock_real();
    CHECK(ln_mono_ns() >= ahead);
    ln_clock_fake(0);
    CHECK(ln_mono_ns() >= ahead);
    ln_clock_real();
}

TEST_MAIN(T(real_clocks), T(fake_stands_still), T(mono_never_goes_back))
