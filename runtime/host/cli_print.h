/* SPDX-License-Identifier: MIT
 *
 * Output of listen, emit and call.
 */
#ifndef LN_CLI_PRINT_H
#define LN_CLI_PRINT_H

#include "base/text.h"
#include "client/conn.h"

void print_event(const struct event *ev, bool json, bool color);
/* The arguments of an answer: one value as it is, several as an array. */
void print_answer(struct ln_str args, bool for_people);

#endif
