/* SPDX-License-Identifier: MIT
 *
 * Time comes from here only. One of the two globals of the house (the other is the log), so that a
 * test can turn it: while fake, both clocks stand still until moved.
 */
#ifndef LN_CLOCK_H
#define LN_CLOCK_H

#include "base/ln.h"

uint64_t ln_mono_ns(void); /* monotonic, from an arbitrary start */
uint64_t ln_mono_ms(void);
int64_t ln_wall_ms(void); /* since 1970-01-01 UTC; jumps when somebody sets the clock */

bool ln_clock_is_fake(void);
void ln_clock_fake(
    int64_t wall_ms); /* both clocks stand still from now on; mono goes on from here */
void ln_clock_real(void);
void ln_clock_advance(uint64_t ms);      /* fake only: moves both */
void ln_clock_set_wall(int64_t wall_ms); /* fake only: a clock change; mono does not move */

#endif
