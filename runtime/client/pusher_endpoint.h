/* SPDX-License-Identifier: MIT
 *
 * The two endpoints of an application that sign for Pusher's clients: one for channels, one for
 * users. Each has a connection of its own, which is kept from one request to the next.
 */
#ifndef LN_PUSHER_ENDPOINT_H
#define LN_PUSHER_ENDPOINT_H

#include "client/line.h"
#include "io/http.h"

enum endpoint_kind { FOR_CHANNELS, FOR_USERS };
struct endpoint;
bool endpoint_busy(const struct endpoint *e); /* NULL: not */
/* socket_id, channel_name (unless it is empty) and the fields of `auth`, as a form or as JSON. Only
 * when it is not busy; fn as in io/http.h. */
void endpoint_post(struct line *ln, enum endpoint_kind which, struct ln_str channel, http_fn fn,
                   void *ud);
/* A JSON object with a good status; else false with words. */
bool endpoint_check(struct line *ln, enum endpoint_kind which, const struct http_answer *a,
                    struct ln_err *err);
void endpoints_free(struct line *ln); /* what is out is forgotten */

#endif
