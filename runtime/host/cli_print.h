/* SPDX-License-Identifier: MIT
 *
 * Output of listen, emit and call.
 */
#ifndef LN_CLI_PRINT_H
#define LN_CLI_PRINT_H

#include "base/text.h"
#include "client/conn.h"

/* Both: false with errno when standard output takes no more. */
bool print_event(const struct event *ev, bool json, bool color);
/* The arguments of an answer: one value as it is, several as an array. */
bool print_answer(struct ln_str args, bool for_people);

#endif
