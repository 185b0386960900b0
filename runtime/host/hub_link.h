/* SPDX-License-Identifier: MIT
 *
 * The hub and the Events tab, tied to the app: settings in, hooks to the bus, traces out.
 */
#ifndef LN_HUB_LINK_H
#define LN_HUB_LINK_H

#include "host/app.h"

/* app_open_hub, app_trace_on: host/app.h */
/* One event sent by a script, for the Events tab; call only when hub_traced. */
void trace_out(struct app *a, struct conn *c, struct ln_str name, struct ln_str args);

#endif
