/* SPDX-License-Identifier: MIT
 *
 * For fuzzers of the hub's protocols: a hub under the fake clock that listens nowhere.
 */
#ifndef LN_FUZZ_HUB_RIG_H
#define LN_FUZZ_HUB_RIG_H

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "hub/hub_int.h"

static struct loop *loop;
static struct hub *hub;

static void require(bool ok) {
    if (!ok) abort();
}

/* Each input's hub is another one; the caller fills in what is its own. */
static struct hub_opts rig_opts(void) {
    struct hub_opts o;
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
    ln_clock_fake(1700000000000);
    loop = loop_new();
    hub_opts_init(&o);
    o.port = -1;
    return o;
}

static void rig_open(const struct hub_opts *o, const struct hub_hooks *hooks) {
    hub = hub_open(loop, o, hooks, NULL, NULL);
    require(hub != NULL);
}

#endif
