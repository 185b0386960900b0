/* SPDX-License-Identifier: MIT
 *
 * The option hub.apps: a list of {key, secret, id, …} as the hub takes it (hub/hub.h).
 */
#ifndef LN_HUB_APPS_OPT_H
#define LN_HUB_APPS_OPT_H

#include "hub/hub.h"

struct hub_app_list {
    struct hub_app *v; /* their strings are owned */
    size_t n;
};
/* False with err, which begins with origin and names the app and its option; the list is empty
 * then. Secrets are in no error. */
bool hub_apps_from_json(struct ln_str json, const char *origin, struct hub_app_list *list,
                        struct ln_err *err);
void hub_apps_clear(struct hub_app_list *list);

#endif
