/* SPDX-License-Identifier: MIT
 *
 * Proxies, as pure functions: the address of one, which one a target is reached through, and the
 * talk with it (HTTP CONNECT: RFC 9110 9.3.6; SOCKS 5: RFC 1928 and 1929). io/tunnel moves the
 * bytes. No text that is made here holds the proxy's user or password.
 */
#ifndef LN_PROXY_H
#define LN_PROXY_H

#include "base/buf.h"

struct proxy {
    bool is_socks;         /* SOCKS 5, else HTTP CONNECT */
    bool resolves;         /* takes names; else (socks5://) only addresses that we looked up */
    char *user, *password; /* percent-decoded; NULL: none */
    char *host;            /* without brackets */
    uint16_t port;
    char *name; /* "http://10.0.0.1:3128", for people */
};

/* "http://user:pw@host:port", "socks5://…", "socks5h://…" (the proxy looks names up), or
 * "host:port", which is http. Ports default to 80 and 1080. False with err, p zeroed. */
bool proxy_parse(struct proxy *p, struct ln_str text, struct ln_err *err);
void proxy_free(struct proxy *p);

/* The URL of the proxy for a target, lent; NULL: go direct. option: what the user asked for; "none"
 * turns proxies off, NULL leaves it to the variables, which env reads like getenv: https_proxy or
 * HTTPS_PROXY when tls, else http_proxy (lower case only: CGI sets the other from a header), then
 * all_proxy or ALL_PROXY; not for targets that no_proxy or NO_PROXY names, nor for this machine
 * itself. *from: what said so ("https_proxy"), or NULL for the option. */
const char *proxy_for(const char *host, uint16_t port, bool tls, const char *option,
                      const char *(*env)(const char *name), const char **from);
/* A list as NO_PROXY holds: names with all that is below them, with or without a dot in front,
 * addresses, networks ("10.0.0.0/8"), each with or without a port, or "*"; by commas or blanks. */
bool proxy_exempt(const char *list, const char *host, uint16_t port);
bool proxy_is_loopback(const char *host); /* this machine: localhost, 127.0.0.0/8, ::1 */

/* --- the talk --- */

struct proxy_talk {
    const struct proxy *proxy;
    const char *host; /* the target: a name, or an address in digits */
    uint16_t port;
    uint8_t step;
    struct ln_buf in;
};
enum proxy_result {
    PROXY_MORE,   /* everything was taken; call again with more */
    PROXY_OPEN,   /* what follows is the target's */
    PROXY_REFUSED /* err: without the proxy's name, for the caller to add */
};

/* The strings are lent until proxy_talk_free; the first bytes to send are added to out. False with
 * err when the target or the user cannot be told to this proxy. */
bool proxy_talk_begin(struct proxy_talk *t, const struct proxy *p, const char *host, uint16_t port,
                      struct ln_buf *out, struct ln_err *err);
/* *used: bytes that belong to the talk. out: bytes to send next. */
enum proxy_result proxy_talk_feed(struct proxy_talk *t, struct ln_str in, size_t *used,
                                  struct ln_buf *out, struct ln_err *err);
void proxy_talk_free(struct proxy_talk *t);

/* The two languages, for proxy_talk_* only. */
bool socks_begin(struct proxy_talk *t, struct ln_buf *out, struct ln_err *err);
enum proxy_result socks_feed(struct proxy_talk *t, struct ln_str in, size_t *used,
                             struct ln_buf *out, struct ln_err *err);

#endif
