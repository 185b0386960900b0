/* SPDX-License-Identifier: MIT
 *
 * Socket.IO's back-off. Two things look odd and are meant: one random number gives both the size
 * and the sign of the jitter, and the cap comes after the jitter. Servers were tuned against
 * clients that wait exactly so.
 */
#include "wire/backoff.h"

#include <math.h>

#define LATE_AFTER 10 /* failures in a row until late_max_ms becomes the cap */
#define MAX_POWER 40  /* 2^40 ms is 35 years: beyond, only the cap counts */

int64_t backoff_next(const struct backoff *b, int *failures, double random) {
    int64_t cap = b->max_ms;
    if (b->late_max_ms > 0 && *failures >= LATE_AFTER) cap = b->late_max_ms;
    double ms = ldexp((double)b->min_ms, LN_MIN(*failures, MAX_POWER));
    if (*failures < INT32_MAX) ++*failures;
    if (b->factor > 0 && b->factor <= 1) {
        double deviation = floor(random * b->factor * ms);
        bool shorter = ((int)floor(random * 10) & 1) == 0;
        ms = shorter ? ms - deviation : ms + deviation;
    }
    return ms < (double)cap ? (int64_t)ms : cap;
}

void backoff_lost(const struct backoff *b, int *failures, int64_t up_ms) {
    if (up_ms >= b->stable_ms) *failures = 0;
}
