/* SPDX-License-Identifier: MIT
 *
 * What an attempt of a connection would ask for, without asking: for `linnet doctor`, which takes
 * the same way step by step.
 */
#ifndef LN_PLAN_H
#define LN_PLAN_H

#include "client/conn.h"
#include "wire/url.h"
#include "wire/websocket.h"

struct conn_plan {
    struct url url;
    struct ln_buf host;          /* as it stands in the Host header */
    struct ln_buf target;        /* path and query of the upgrade */
    struct http_header *headers; /* owned, names and values too */
    size_t header_count;
};
/* c is on no line: it was opened without autoconnect and never connected. */
void conn_plan(struct conn *c, struct conn_plan *p);
void conn_plan_free(struct conn_plan *p);

#endif
