/* SPDX-License-Identifier: MIT
 *
 * Where a connection's sockets go: host, TLS, proxy. The same for the WebSocket, for polling, for
 * an auth endpoint and for whoever examines a connection, so that they cannot differ.
 */
#ifndef LN_WHERE_H
#define LN_WHERE_H

#include "client/conn.h"
#include "wire/url.h"

/* Fills what the options and the URL say; the strings are lent from both, and from the environment,
 * which is asked here for proxies and nowhere else. fd > 0: connected already (tests); then only
 * the option's proxy counts. */
void conn_where(const struct conn_opts *o, const struct url *u, int fd, struct stream_opts *to);

#endif
