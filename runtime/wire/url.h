/* SPDX-License-Identifier: MIT
 *
 * The addresses that linnet connects to (RFC 3986, as far as http, https, ws and wss need it), and
 * Unix sockets in the form that npm's ws has: ws+unix:///run/x.sock:/path?query.
 */
#ifndef LN_URL_H
#define LN_URL_H

#include "base/ln.h"

struct url {
    char *
        scheme; /* lower case: "http" "https" "ws" "wss" "pusher" "pushers" "ws+unix" "http+unix" */
    bool tls;
    char *user, *password; /* percent-decoded; NULL when absent */
    char *host;            /* without brackets; lower case */
    bool is_ipv6;
    uint16_t port;   /* the scheme's default when absent */
    bool has_port;   /* an other one than the scheme's default: belongs into Host */
    char *unix_path; /* of ws+unix:///run/x.sock:/path: the socket (host is "localhost"); NULL */
    char *path;      /* begins with '/'; "" only when the URL has none */
    char *query;     /* without '?'; NULL when absent */
};

/* False with err naming what is wrong ("a URL needs a scheme: ws://, wss://, http:// or https://").
 * Refuses control bytes and blanks. url is zeroed on failure. */
bool url_parse(struct url *u, struct ln_str text, struct ln_err *err);
void url_free(struct url *u);
/* Where a redirect leads (RFC 3986 5.2, without its dot segments, which are the server's): ref is a
 * whole address, or a part that base completes. User and password are taken from neither. False as
 * url_parse; and for an address that is no ws, wss, http or https. */
bool url_join(struct url *to, const struct url *base, struct ln_str ref, struct ln_err *err);
/* The same host, port and TLS; or the same host when both ports are the usual ones and only `to`
 * has TLS. */
bool url_same_origin(const struct url *from, const struct url *to);

#endif
