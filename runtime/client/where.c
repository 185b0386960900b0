/* SPDX-License-Identifier: MIT
 *
 * See where.h.
 */
#include "client/where.h"

#include <stdlib.h>

#include "wire/proxy.h"

static const char *environment(const char *name) {
    return getenv(name);
}

static const char *nothing(const char *name) {
    (void)name;
    return NULL;
}

void conn_where(const struct conn_opts *o, const struct url *u, int fd, struct stream_opts *to) {
    *to = (struct stream_opts){.host = u->host,
                               .port = u->port,
                               .fd = fd,
                               .unix_path = u->unix_path,
                               .tls = u->tls,
                               .tls_opts = o->tls,
                               .timeout_ms = o->timeout_ms};
    if (!u->unix_path)
        to->proxy = proxy_for(u->host, u->port, u->tls, o->proxy, fd > 0 ? nothing : environment,
                              &to->proxy_from);
}
