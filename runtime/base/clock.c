/* SPDX-License-Identifier: MIT
 *
 * The two clocks, real or fake. The monotonic one never steps back, not even when a test returns
 * from fake time that ran ahead: the lead is kept.
 */
#include "base/clock.h"

#include <assert.h>
#include <time.h>

static struct {
    bool is_fake;
    uint64_t mono_ns; /* fake */
    int64_t wall_ms;  /* fake */
    uint64_t lead_ns; /* of our clock over the system's */
} clk;

static uint64_t real_mono_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec + clk.lead_ns;
}

uint64_t ln_mono_ns(void) {
    return clk.is_fake ? clk.mono_ns : real_mono_ns();
}

uint64_t ln_mono_ms(void) {
    return ln_mono_ns() / 1000000u;
}

int64_t ln_wall_ms(void) {
    if (clk.is_fake) return clk.wall_ms;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool ln_clock_is_fake(void) {
    return clk.is_fake;
}

void ln_clock_fake(int64_t wall_ms) {
    clk.mono_ns = ln_mono_ns();
    clk.wall_ms = wall_ms;
    clk.is_fake = true;
}

void ln_clock_real(void) {
    if (!clk.is_fake) return;
    clk.is_fake = false;
    uint64_t now = real_mono_ns();
    if (now < clk.mono_ns) clk.lead_ns += clk.mono_ns - now;
}

void ln_clock_advance(uint64_t ms) {
    assert(clk.is_fake);
    clk.mono_ns += ms * 1000000u;
    clk.wall_ms += (int64_t)ms;
}

void ln_clock_set_wall(int64_t wall_ms) {
    assert(clk.is_fake);
    clk.wall_ms = wall_ms;
}
