/* SPDX-License-Identifier: MIT
 *
 * From a name to a connected descriptor: DNS off the loop, then every address, IPv6 and IPv4 by
 * turns, each a quarter of a second after the one before while that is still trying (RFC 8305). Or
 * a Unix socket. The first half of a stream; nothing here knows what is spoken on the line.
 */
#ifndef LN_DIAL_H
#define LN_DIAL_H

#include "io/stream.h"

struct dial;
/* fd >= 0: connected, non-blocking, the callee's. Else -1, the phase and err. The dial is gone. */
typedef void (*dial_fn)(void *ud, int fd, enum stream_phase phase, const struct ln_err *err);

/* Copies what it needs of o. Nothing happens before dial_begin. */
struct dial *dial_new(struct loop *l, const struct stream_opts *o, int64_t timeout_ms, dial_fn fn,
                      void *ud);
void dial_begin(struct dial *d); /* may call fn before it returns */
enum stream_phase dial_phase(const struct dial *d);
void dial_cancel(struct dial *d); /* fn is not called; NULL is fine */

/* "10.0.0.1:80", "[::1]:80" or "/run/x.sock" of the peer of fd ("a socket pair" when it has no
 * address). */
void dial_peer_text(int fd, char *out, size_t n);
/* "timed out after 20 s" into out. */
void dial_timed_out(char *out, size_t n, uint64_t since_ms);

#endif
