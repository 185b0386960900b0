/* SPDX-License-Identifier: MIT
 *
 * The option hub.jwt: {alg, secret | key | key_file, aud, iss, leeway, field} as the hub takes it
 * (hub/hub.h).
 */
#ifndef LN_HUB_JWT_OPT_H
#define LN_HUB_JWT_OPT_H

#include "hub/hub.h"

/* NULL with err, which begins with origin and names the option; no secret is in it. */
struct hub_jwt_opts *hub_jwt_from_json(struct ln_str json, const char *origin, struct ln_err *err);
void hub_jwt_clear(struct hub_jwt_opts *o); /* wipes the secret and frees it; NULL is fine */

#endif
