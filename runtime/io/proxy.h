/* SPDX-License-Identifier: MIT
 *
 * A dial through a proxy: connects to it, asks it for the target (wire/proxy has the words), and
 * hands the descriptor over when what follows on it is the target's. As io/dial in all else; its
 * errors begin with "proxy:" and name the proxy, for it is seldom known that there is one.
 */
#ifndef LN_IO_PROXY_H
#define LN_IO_PROXY_H

#include "io/dial.h"

struct proxy_dial;
/* o->proxy is the URL; o->fd > 0: connected to the proxy already, and taken over. Copies what it
 * needs. Nothing happens before proxy_dial_begin. */
struct proxy_dial *proxy_dial_new(struct loop *l, const struct stream_opts *o, int64_t timeout_ms,
                                  dial_fn fn, void *ud);
void proxy_dial_begin(struct proxy_dial *d); /* may call fn before it returns */
enum stream_phase proxy_dial_phase(const struct proxy_dial *d);
void proxy_dial_cancel(struct proxy_dial *d); /* fn is not called; NULL is fine */
/* "http://10.0.0.1:3128", lent; "" when the URL does not serve. */
const char *proxy_dial_name(const struct proxy_dial *d);

#endif
