/* SPDX-License-Identifier: MIT
 *
 * Names to addresses, in a few threads of our own. Not libuv's pool: a look-up cannot be stopped,
 * and a resolver that is gone would hold the process's end and the pool's other users for many
 * seconds. Here nobody waits for a look-up that nobody wants any more.
 */
#ifndef LN_RESOLVE_H
#define LN_RESOLVE_H

#include "io/loop.h"

struct addrinfo;
struct lookup;
/* list: lent; NULL with `why` in words. Called once, never from inside resolve; the look-up is gone
 * then. */
typedef void (*resolve_fn)(void *ud, const struct addrinfo *list, const char *why);

/* Lines that ask for the same name at the same time share one question. */
struct lookup *resolve(struct loop *l, const char *host, resolve_fn fn, void *ud);
void resolve_cancel(struct lookup *look); /* fn is not called; NULL is fine */

#endif
