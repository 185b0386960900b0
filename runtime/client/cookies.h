/* SPDX-License-Identifier: MIT
 *
 * The cookies of one line (RFC 6265): what a balancer sets in a polling answer comes back with
 * every later request, the WebSocket's too, so that all of them reach the same server. All requests
 * of a line go to one host; a cookie for another is not taken. No clock: callers say what time it
 * is.
 */
#ifndef LN_COOKIES_H
#define LN_COOKIES_H

#include "wire/websocket.h"

struct cookies;

struct cookie_place { /* of a request */
    struct ln_str host, path;
    bool tls;
    int64_t now_ms; /* wall */
};
/* Takes every Set-Cookie of an answer; *c NULL: none so far. At most 50, of 4096 bytes each. */
void cookies_take(struct cookies **c, const struct http_head *h, const struct cookie_place *at);
/* Adds "a=b; c=d" of those that belong to a request there; nothing when none does. */
void cookies_write(const struct cookies *c, const struct cookie_place *at, struct ln_buf *out);
void cookies_free(struct cookies *c); /* NULL is fine */

#endif
