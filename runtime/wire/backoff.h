/* SPDX-License-Identifier: MIT
 *
 * Retry policy as data, shared by all protocols: exponential, jittered, capped, and reset only
 * after the line has been stable. The arithmetic is Socket.IO's, to the millisecond.
 */
#ifndef LN_BACKOFF_H
#define LN_BACKOFF_H

#include "base/ln.h"

struct backoff {
    int64_t min_ms, max_ms; /* 1000, 5000 */
    int64_t late_max_ms;    /* the cap after ten failures (30000); 0 = max_ms for ever */
    double factor;          /* randomization: 0.5; outside (0,1] there is no jitter */
    int64_t stable_ms;      /* how long connected before the count begins anew: 10000 */
};

/* The next wait in ms after so many failures, for a random number in [0,1); counts one more. */
int64_t backoff_next(const struct backoff *b, int *failures, double random);
/* The line was up for this long and is lost now: forget earlier failures if it was stable. */
void backoff_lost(const struct backoff *b, int *failures, int64_t up_ms);

#endif
