/* SPDX-License-Identifier: MIT
 *
 * A proxy's address, and which one a target is reached through. The rules for the variables are
 * those that curl, Python and Go agree on; where they differ, the one that sends less to a proxy.
 */
#include "wire/proxy.h"

#include <arpa/inet.h>

#include "base/mem.h"
#include "base/text.h"
#include "wire/url.h"

#define HTTP_PORT 80
#define SOCKS_PORT 1080

/* --- its address --- */

static bool parse_scheme(struct proxy *p, struct ln_str *rest, struct ln_err *err) {
    const char *mark = rest->n ? memmem(rest->p, rest->n, "://", 3) : NULL;
    struct ln_str scheme = {rest->p, mark ? (size_t)(mark - rest->p) : 0};
    if (mark) *rest = (struct ln_str){mark + 3, rest->n - scheme.n - 3};
    p->resolves = true;
    if (!mark || ln_word_is(scheme, "http")) return true;
    p->is_socks = true;
    if (ln_word_is(scheme, "socks5h")) return true;
    p->resolves = false;
    if (ln_word_is(scheme, "socks5") || ln_word_is(scheme, "socks")) return true;
    struct ln_buf shown = {0};
    ln_printable(&shown, scheme, 20);
    if (ln_word_is(scheme, "https"))
        ln_fail(err, LN_INVALID,
                "TLS to the proxy itself (https://) is not spoken: use its "
                "http:// port");
    else
        ln_fail(err, LN_INVALID, "\"%s\" is no kind of proxy: use http, socks5 or socks5h",
                ln_buf_cstr(&shown));
    ln_buf_free(&shown);
    return false;
}

static bool ends_with(struct ln_str s, const char *end) {
    size_t n = strlen(end);
    return s.n >= n && memcmp(s.p + s.n - n, end, n) == 0;
}

bool proxy_parse(struct proxy *p, struct ln_str text, struct ln_err *err) {
    struct ln_str rest = text;
    struct ln_buf as_url = {0};
    struct url u = {0};
    memset(p, 0, sizeof *p);
    if (!parse_scheme(p, &rest, err)) return false;
    if (ends_with(rest, "/")) rest.n--;
    ln_buf_puts(&as_url, "http://");
    ln_buf_str(&as_url, rest);
    bool ok = url_parse(&u, ln_buf_get(&as_url), err);
    ln_buf_clear(&as_url);
    if (ok && (*u.path || u.query)) {
        ln_fail(err, LN_INVALID, "a proxy's address has no path: http://host:port");
        ok = false;
    }
    if (ok) {
        bool has_port = u.has_port || ends_with(rest, ":80");
        p->port = has_port ? u.port : p->is_socks ? SOCKS_PORT : HTTP_PORT;
        p->host = u.host;
        p->user = u.user;
        p->password = u.password;
        u.host = u.user = u.password = NULL;
        ln_buf_fmt(&as_url, u.is_ipv6 ? "%s://[%s]:%u" : "%s://%s:%u",
                   !p->is_socks  ? "http"
                   : p->resolves ? "socks5h"
                                 : "socks5",
                   p->host, p->port);
        p->name = ln_buf_take(&as_url, NULL);
    }
    url_free(&u);
    ln_buf_free(&as_url);
    return ok;
}

void proxy_free(struct proxy *p) {
    ln_free(p->user);
    ln_free(p->password);
    ln_free(p->host);
    ln_free(p->name);
    memset(p, 0, sizeof *p);
}

/* --- who needs none --- */

struct ip {
    unsigned char b[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;       /* of the network that a list names */
};

/* An address, with the length of a network behind it when `net`; false when it is neither. */
static bool parse_ip(struct ln_str s, bool net, struct ip *ip) {
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char text[INET6_ADDRSTRLEN + 1];
    const char *slash = net && s.n ? memchr(s.p, '/', s.n) : NULL;
    size_t n = slash ? (size_t)(slash - s.p) : s.n;
    if (n == 0 || n >= sizeof text) return false;
    memcpy(text, s.p, n);
    text[n] = 0;
    unsigned all = 128, first = 0, bits = 0;
    if (inet_pton(AF_INET, text, ip->b + 12) == 1) {
        memcpy(ip->b, mapped, sizeof mapped);
        first = 96;
        all = 32;
    } else if (inet_pton(AF_INET6, text, ip->b) != 1) {
        return false;
    }
    ip->bits = 128;
    if (!slash) return true;
    if (n + 1 == s.n) return false;
    for (size_t i = n + 1; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || bits > all) return false;
        bits = bits * 10 + (unsigned)(s.p[i] - '0');
    }
    ip->bits = first + bits;
    return bits <= all;
}

static bool ip_within(const struct ip *ip, const struct ip *net) {
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(ip->b, net->b, whole) != 0) return false;
    return rest == 0 || (ip->b[whole] ^ net->b[whole]) >> (8 - rest) == 0;
}

/* Takes ":port" off an entry, and the brackets off an IPv6 address. False: another port. */
static bool take_port(struct ln_str *entry, uint16_t port) {
    const char *colon = memrchr(entry->p, ':', entry->n);
    bool has_bracket = entry->p[0] == '[';
    const char *close = has_bracket ? memchr(entry->p, ']', entry->n) : NULL;
    if (has_bracket && !close) return false;
    if (colon && (close ? colon == close + 1 : memchr(entry->p, ':', entry->n) == colon)) {
        uint32_t wanted = 0;
        for (const char *c = colon + 1; c < entry->p + entry->n; c++) {
            if (*c < '0' || *c > '9' || wanted > UINT16_MAX) return false;
            wanted = wanted * 10 + (uint32_t)(*c - '0');
        }
        if (wanted != port) return false;
        entry->n = (size_t)(colon - entry->p);
    }
    if (close) *entry = (struct ln_str){entry->p + 1, (size_t)(close - entry->p) - 1};
    return true;
}

static bool entry_names(struct ln_str entry, struct ln_str host, uint16_t port) {
    struct ip ip, net;
    if (ln_str_is(entry, "*")) return true;
    if (!take_port(&entry, port)) return false;
    if (parse_ip(host, false, &ip)) return parse_ip(entry, true, &net) && ip_within(&ip, &net);
    if (ln_str_starts(entry, "*")) entry = (struct ln_str){entry.p + 1, entry.n - 1};
    if (ln_str_starts(entry, ".")) entry = (struct ln_str){entry.p + 1, entry.n - 1};
    if (ends_with(entry, ".")) entry.n--;
    if (entry.n == 0 || entry.n > host.n) return false;
    size_t before = host.n - entry.n;
    if (strncasecmp(host.p + before, entry.p, entry.n) != 0) return false;
    return before == 0 || host.p[before - 1] == '.';
}

static struct ln_str without_dot(const char *host) {
    struct ln_str s = ln_str(host);
    if (ends_with(s, ".")) s.n--;
    return s;
}

bool proxy_exempt(const char *list, const char *host, uint16_t port) {
    struct ln_str name = without_dot(host);
    for (const char *p = list; p && *p;) {
        p += strspn(p, ", \t");
        size_t n = strcspn(p, ", \t");
        if (n > 0 && entry_names((struct ln_str){p, n}, name, port)) return true;
        p += n;
    }
    return false;
}

bool proxy_is_loopback(const char *host) {
    return proxy_exempt("localhost,127.0.0.0/8,::1,::ffff:127.0.0.0/104", host, 0);
}

/* --- which one --- */

/* The first of two variables that says something. */
static const char *either(const char *(*env)(const char *name), const char *a, const char *b,
                          const char **from) {
    const char *names[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        const char *value = names[i] ? env(names[i]) : NULL;
        if (!value || !*value) continue;
        *from = names[i];
        return value;
    }
    return NULL;
}

const char *proxy_for(const char *host, uint16_t port, bool tls, const char *option,
                      const char *(*env)(const char *name), const char **from) {
    const char *by;
    *from = NULL;
    if (option && *option) return strcmp(option, "none") == 0 ? NULL : option;
    if (proxy_is_loopback(host)) return NULL;
    const char *url = tls ? either(env, "https_proxy", "HTTPS_PROXY", from)
                          : either(env, "http_proxy", NULL, from);
    if (!url) url = either(env, "all_proxy", "ALL_PROXY", from);
    if (url && !proxy_exempt(either(env, "no_proxy", "NO_PROXY", &by), host, port)) return url;
    *from = NULL;
    return NULL;
}
