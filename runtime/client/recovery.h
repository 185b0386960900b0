/* SPDX-License-Identifier: MIT
 *
 * Connection state recovery (Socket.IO 4.6 and later): a server that has it names the session and
 * marks each event; who comes back within its time with the last mark gets what was missed. And the
 * event `gap`, which says that something may have been missed, and why.
 */
#ifndef LN_RECOVERY_H
#define LN_RECOVERY_H

#include "client/inside.h"

/* The payload of CONNECT: auth (an object, or empty), with what is known of the session before it,
 * so that auth may override it. Added to out, which stays empty when there is nothing at all. */
void recovery_ask(struct conn *c, struct ln_str auth, struct ln_buf *out);
/* The server's answer (its object); before conn_up. */
void recovery_answer(struct conn *c, struct ln_str reply);
/* An event is delivered: its last argument may be the mark. Only when c->recovery. */
void recovery_note(struct conn *c, const struct conn_in *in);
/* The session is over for both sides, so that nothing can be recovered: why, in words. */
void recovery_forget(struct conn *c, const char *why);
/* Connected: emits `gap`, unless it is the first time or everything was recovered. */
void recovery_tell(struct conn *c, bool first);
void recovery_free(struct conn *c);

#endif
