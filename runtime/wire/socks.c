/* SPDX-License-Identifier: MIT
 *
 * SOCKS 5 (RFC 1928; user and password: RFC 1929), the client's half, as a walk through four
 * answers. Each has a length that its first bytes tell, so not one byte of the target's is taken.
 */
#include <arpa/inet.h>

#include "wire/proxy.h"

enum { VERSION = 5, METHOD_NONE = 0, METHOD_PASSWORD = 2, METHOD_REFUSED = 0xff };
enum { CONNECT = 1, IPV4 = 1, NAME = 3, IPV6 = 4 };
enum { WAIT_METHOD, WAIT_PASSWORD, WAIT_REPLY }; /* steps */

static size_t length(const char *s) {
    return s ? strlen(s) : 0;
}

static void add_short(struct ln_buf *out, const char *s) {
    size_t n = length(s);
    ln_buf_putc(out, (char)n);
    ln_buf_add(out, s, n);
}

bool socks_begin(struct proxy_talk *t, struct ln_buf *out, struct ln_err *err) {
    static const char open_only[] = {VERSION, 1, METHOD_NONE};
    static const char both[] = {VERSION, 2, METHOD_NONE, METHOD_PASSWORD};
    const struct proxy *p = t->proxy;
    if (length(t->host) > 255 || length(p->user) > 255 || length(p->password) > 255) {
        ln_fail(err, LN_INVALID, "SOCKS takes names, users and passwords of 255 bytes at most");
        return false;
    }
    if (p->user)
        ln_buf_add(out, both, sizeof both);
    else
        ln_buf_add(out, open_only, sizeof open_only);
    return true;
}

static void write_request(const struct proxy_talk *t, struct ln_buf *out) {
    static const char head[] = {VERSION, CONNECT, 0};
    unsigned char address[16];
    ln_buf_add(out, head, sizeof head);
    if (inet_pton(AF_INET, t->host, address) == 1) {
        ln_buf_putc(out, IPV4);
        ln_buf_add(out, address, 4);
    } else if (inet_pton(AF_INET6, t->host, address) == 1) {
        ln_buf_putc(out, IPV6);
        ln_buf_add(out, address, 16);
    } else {
        ln_buf_putc(out, NAME);
        add_short(out, t->host);
    }
    ln_buf_putc(out, (char)(t->port >> 8));
    ln_buf_putc(out, (char)(t->port & 0xff));
}

/* How long the answer is that waits, as far as its bytes tell. */
static size_t want(const struct proxy_talk *t) {
    const unsigned char *p = (const unsigned char *)t->in.p;
    if (t->step != WAIT_REPLY) return 2;
    if (t->in.n < 5) return t->in.n >= 2 && p[1] != 0 ? 2 : 5; /* a refusal may be cut short */
    return p[3] == IPV6 ? 22 : p[3] == NAME ? (size_t)p[4] + 7 : 10;
}

static enum proxy_result fail(struct ln_err *err, ln_status code, const char *text) {
    ln_fail(err, code, "%s", text);
    return PROXY_REFUSED;
}

static enum proxy_result bad_version(const struct proxy_talk *t, struct ln_err *err) {
    char first = t->in.p[0];
    return fail(err, LN_PROTOCOL,
                first == 'H'               ? "its answer is HTTP and not SOCKS (http://)"
                : first == 0 || first == 4 ? "it speaks SOCKS 4 only"
                                           : "its answer is not SOCKS 5");
}

static enum proxy_result reply_failed(const struct proxy_talk *t, unsigned char code,
                                      struct ln_err *err) {
    static const char *const words[] = {
        /* RFC 1928 6 */
        "general failure",     "its rules do not allow this connection",
        "network unreachable", "host unreachable",
        "connection refused",  "TTL expired",
        "it knows no CONNECT", "it does not take this type of address"};
    ln_fail(err,
            code == 2   ? LN_FORBIDDEN
            : code == 6 ? LN_TIMEOUT
                        : LN_REFUSED,
            "SOCKS %d, %s, for %.200s port %u", code,
            code <= LN_COUNT(words) ? words[code - 1] : "a failure that the standard does not know",
            t->host, t->port);
    return PROXY_REFUSED;
}

/* One whole answer is in t->in. */
static enum proxy_result take(struct proxy_talk *t, struct ln_buf *out, struct ln_err *err) {
    const unsigned char *p = (const unsigned char *)t->in.p;
    const struct proxy *proxy = t->proxy;
    if (t->step == WAIT_PASSWORD) { /* RFC 1929: its version is 1, and some send 5 */
        if (p[1] != 0)
            return fail(err, LN_UNAUTHORIZED, "it does not accept this user and password");
    } else if (t->step == WAIT_REPLY) {
        return p[1] == 0 ? PROXY_OPEN : reply_failed(t, p[1], err);
    } else if (p[1] == METHOD_PASSWORD && proxy->user) {
        ln_buf_putc(out, 1);
        add_short(out, proxy->user);
        add_short(out, proxy->password);
        t->step = WAIT_PASSWORD;
        return PROXY_MORE;
    } else if (p[1] == METHOD_REFUSED) {
        return fail(err, LN_UNAUTHORIZED,
                    proxy->user ? "it takes no user and password, or not this way (RFC 1929)"
                                : "it wants a user and a password, socks5://USER:PASSWORD@host");
    } else if (p[1] != METHOD_NONE) {
        return fail(err, LN_PROTOCOL, "it chose a way to sign in that was not offered");
    }
    write_request(t, out);
    t->step = WAIT_REPLY;
    return PROXY_MORE;
}

enum proxy_result socks_feed(struct proxy_talk *t, struct ln_str in, size_t *used,
                             struct ln_buf *out, struct ln_err *err) {
    while (*used < in.n) {
        ln_buf_putc(&t->in, in.p[(*used)++]);
        if (t->in.n == 1 && t->step != WAIT_PASSWORD && t->in.p[0] != VERSION)
            return bad_version(t, err);
        if (t->in.n < want(t)) continue;
        enum proxy_result r = take(t, out, err);
        if (r != PROXY_MORE) return r;
        ln_buf_clear(&t->in);
    }
    return PROXY_MORE;
}
