/* SPDX-License-Identifier: MIT
 *
 * One pass over an address, strict: what a peer or a resolver could read in two ways is refused
 * with words. Error texts never quote the part that may hold a password.
 */
#include "wire/url.h"

#include <arpa/inet.h>

#include "base/mem.h"
#include "base/text.h"

#define MAX_URL 8000 /* leaves room in the 16 KiB that servers take for a request's head */
#define MAX_HOST 253

static const char *const schemes[] = {"ws",      "wss",     "http",      "https", "pusher",
                                      "pushers", "ws+unix", "http+unix", NULL};

static bool refuse(struct ln_err *err, const char *text) {
    ln_fail(err, LN_INVALID, "%s", text);
    return false;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_alnum(char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
}

static char *dup_lower(struct ln_str s) {
    char *copy = ln_str_dup(s);
    for (size_t i = 0; i < s.n; i++)
        copy[i] = lower(copy[i]);
    return copy;
}

static bool check_bytes(struct ln_str text, struct ln_err *err) {
    if (text.n == 0) return refuse(err, "the URL is empty");
    if (text.n > MAX_URL) return refuse(err, "the URL is longer than 8000 bytes");
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == ' ') return refuse(err, "the URL holds a blank (write it as %20)");
        if (c < ' ' || c == 0x7f) return refuse(err, "the URL holds a control character");
    }
    return true;
}

/* *rest becomes what is behind "://". */
static bool parse_scheme(struct url *u, struct ln_str *rest, struct ln_err *err) {
    const char *mark = memmem(rest->p, rest->n, "://", 3);
    size_t n = mark ? (size_t)(mark - rest->p) : 0;
    for (size_t i = 0; i < n; i++)
        if (!is_alnum(rest->p[i]) && !strchr("+-.", rest->p[i])) n = 0;
    if (n == 0) return refuse(err, "a URL needs a scheme: ws://, wss://, http:// or https://");
    u->scheme = dup_lower((struct ln_str){rest->p, n});
    *rest = (struct ln_str){mark + 3, rest->n - n - 3};
    for (const char *const *s = schemes; *s; s++) {
        if (strcmp(u->scheme, *s) != 0) continue;
        u->tls = u->scheme[n - 1] == 's' && n != 2;
        return true;
    }
    const char *near = ln_nearest(ln_str(u->scheme), schemes);
    ln_fail(err, LN_INVALID, "\"%.20s\" is not a scheme that linnet speaks: %s%s%s", u->scheme,
            near ? "did you mean " : "use ws, wss, http, https, pusher or pushers",
            near ? near : "", near ? "?" : "");
    return false;
}

static char *decode(struct ln_str in, bool *ok) {
    struct ln_buf out = {0};
    *ok = ln_percent_decode(&out, in) && (out.n == 0 || !memchr(out.p, 0, out.n));
    ln_buf_putc(&out, 0);
    return ln_buf_take(&out, NULL);
}

/* Takes `user:password@` off the front of the authority. */
static bool parse_userinfo(struct url *u, struct ln_str *authority, struct ln_err *err) {
    const char *at = memrchr(authority->p, '@', authority->n);
    if (!at) return true;
    struct ln_str user = {authority->p, (size_t)(at - authority->p)};
    *authority = (struct ln_str){at + 1, authority->n - user.n - 1};
    if (memchr(user.p, '@', user.n))
        return refuse(err, "the URL's user or password holds a bare @ (write it as %40)");
    const char *colon = memchr(user.p, ':', user.n);
    bool ok = true, password_ok = true;
    if (colon) {
        struct ln_str password = {colon + 1, user.n - (size_t)(colon - user.p) - 1};
        u->password = decode(password, &password_ok);
        user.n = (size_t)(colon - user.p);
    }
    u->user = decode(user, &ok);
    if (ok && password_ok) return true;
    return refuse(err, "the URL's user or password has a broken %XX (write % as %25)");
}

static bool parse_ipv6(struct url *u, struct ln_str *authority, struct ln_err *err) {
    const char *close = memchr(authority->p, ']', authority->n);
    if (!close) return refuse(err, "the URL's IPv6 address has no closing ]");
    struct ln_str host = {authority->p + 1, (size_t)(close - authority->p) - 1};
    struct in6_addr address;
    u->host = dup_lower(host);
    u->is_ipv6 = true;
    *authority = (struct ln_str){close + 1, authority->n - host.n - 2};
    if (inet_pton(AF_INET6, u->host, &address) == 1) return true;
    return refuse(err, "the URL's host in [ ] is not an IPv6 address");
}

static bool parse_name(struct url *u, struct ln_str *authority, struct ln_err *err) {
    const char *colon = memchr(authority->p, ':', authority->n);
    struct ln_str host = {authority->p, colon ? (size_t)(colon - authority->p) : authority->n};
    if (colon && memchr(colon + 1, ':', authority->n - host.n - 1))
        return refuse(err, "an IPv6 address in a URL belongs in brackets: ws://[::1]:8080/");
    if (host.n == 0) return refuse(err, "the URL has no host");
    if (host.n > MAX_HOST) return refuse(err, "the URL's host is longer than 253 bytes");
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if ((unsigned char)c >= 0x80)
            return refuse(err, "the URL's host is not ASCII (write it in its xn-- form)");
        if (!is_alnum(c) && !strchr("-._", c)) {
            ln_fail(err, LN_INVALID, "the URL's host holds a '%c'", c);
            return false;
        }
        if (c == '.' && (i == 0 || host.p[i - 1] == '.'))
            return refuse(err, "the URL's host has an empty part between dots");
    }
    u->host = dup_lower(host);
    *authority = (struct ln_str){host.p + host.n, authority->n - host.n};
    return true;
}

/* rest: nothing, or a colon and digits (RFC 3986 3.2.3 lets the digits be missing). */
static bool parse_port(struct url *u, struct ln_str rest, struct ln_err *err) {
    uint16_t standard = u->tls ? 443 : 80;
    uint32_t port = 0;
    u->port = standard;
    if (rest.n == 0) return true;
    if (rest.p[0] != ':') return refuse(err, "the URL has something between its host and its path");
    if (rest.n == 1) return true;
    for (size_t i = 1; i < rest.n; i++) {
        if (rest.p[i] < '0' || rest.p[i] > '9')
            return refuse(err, "the URL's port is not a number");
        if (port <= UINT16_MAX) port = port * 10 + (uint32_t)(rest.p[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return refuse(err, "the URL's port is not between 1 and 65535");
    u->port = (uint16_t)port;
    u->has_port = u->port != standard;
    return true;
}

static bool parse_authority(struct url *u, struct ln_str authority, struct ln_err *err) {
    if (!parse_userinfo(u, &authority, err)) return false;
    bool bracket = authority.n > 0 && authority.p[0] == '[';
    return (bracket ? parse_ipv6(u, &authority, err) : parse_name(u, &authority, err)) &&
           parse_port(u, authority, err);
}

/* Takes everything in front of the path off. */
static bool parse_host(struct url *u, struct ln_str *rest, struct ln_err *err) {
    size_t n = 0;
    while (n < rest->n && rest->p[n] != '/' && rest->p[n] != '?')
        n++;
    struct ln_str authority = {rest->p, n};
    *rest = (struct ln_str){rest->p + n, rest->n - n};
    return parse_authority(u, authority, err);
}

/* The socket's path ends at the first colon; a colon or question mark in it is written as %XX. */
static bool parse_unix(struct url *u, struct ln_str *rest, struct ln_err *err) {
    size_t n = 0;
    bool ok;
    while (n < rest->n && rest->p[n] != ':' && rest->p[n] != '?')
        n++;
    u->unix_path = decode((struct ln_str){rest->p, n}, &ok);
    u->host = ln_strdup("localhost");
    u->port = 80;
    if (!ok) return refuse(err, "the socket's path has a broken %XX (write % as %25)");
    if (u->unix_path[0] != '/')
        return refuse(err, "the socket's path must be absolute: ws+unix:///run/x.sock:/path");
    bool has_path = n < rest->n && rest->p[n] == ':';
    if (has_path) n++;
    *rest = (struct ln_str){rest->p + n, rest->n - n};
    if (!has_path || rest->n == 0 || rest->p[0] == '/' || rest->p[0] == '?') return true;
    return refuse(err, "behind the socket's colon belongs a path: ws+unix:///run/x.sock:/path");
}

bool url_parse(struct url *u, struct ln_str text, struct ln_err *err) {
    memset(u, 0, sizeof *u);
    struct ln_str rest = text;
    if (!check_bytes(text, err) || !parse_scheme(u, &rest, err)) goto fail;
    const char *fragment = memchr(rest.p, '#', rest.n); /* never sent (RFC 3986 3.5) */
    if (fragment) rest.n = (size_t)(fragment - rest.p);
    bool is_unix = strstr(u->scheme, "+unix");
    if (!(is_unix ? parse_unix(u, &rest, err) : parse_host(u, &rest, err))) goto fail;
    const char *mark = rest.n ? memchr(rest.p, '?', rest.n) : NULL;
    if (mark) {
        size_t before = (size_t)(mark - rest.p);
        u->query = ln_dup(mark + 1, rest.n - before - 1);
        rest.n = before;
    }
    u->path = ln_str_dup(rest);
    return true;
fail:
    url_free(u);
    return false;
}

/* The path as far as its last slash, of which a relative reference is a neighbour. */
static struct ln_str folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (struct ln_str){path, (size_t)(slash - path) + 1} : LN_STR("/");
}

bool url_join(struct url *to, const struct url *base, struct ln_str ref, struct ln_err *err) {
    struct ln_buf text = {0};
    const char *colon = ref.n ? memmem(ref.p, ref.n, "://", 3) : NULL;
    bool is_whole = colon && !memchr(ref.p, '/', (size_t)(colon - ref.p)) &&
                    !memchr(ref.p, '?', (size_t)(colon - ref.p));
    bool has_host = ln_str_starts(ref, "//");
    const char *scheme = base->tls ? "https" : "http";
    if (has_host)
        ln_buf_fmt(&text, "%s:", scheme);
    else if (!is_whole)
        ln_buf_fmt(&text, base->is_ipv6 ? "%s://[%s]:%u" : "%s://%s:%u", scheme, base->host,
                   base->port);
    if (!is_whole && !has_host && !ln_str_starts(ref, "/")) {
        bool keeps_path = ref.n == 0 || ref.p[0] == '?' || ref.p[0] == '#';
        ln_buf_str(&text, keeps_path ? ln_str(base->path) : folder_of(base->path));
    }
    ln_buf_str(&text, ref);
    bool ok = url_parse(to, ln_buf_get(&text), err);
    ln_buf_free(&text);
    if (ok && (to->unix_path || strncmp(to->scheme, "pusher", 6) == 0)) {
        ln_fail(err, LN_INVALID, "\"%s\" is no address to be redirected to", to->scheme);
        url_free(to);
        ok = false;
    }
    if (!ok) return false;
    ln_free(to->user);
    ln_free(to->password);
    to->user = to->password = NULL;
    if (base->unix_path && !is_whole && !has_host) to->unix_path = ln_strdup(base->unix_path);
    return true;
}

bool url_same_origin(const struct url *from, const struct url *to) {
    const char *a = from->unix_path ? from->unix_path : "", *b = to->unix_path ? to->unix_path : "";
    if (strcmp(from->host, to->host) != 0 || strcmp(a, b) != 0) return false;
    if (from->tls == to->tls) return from->port == to->port;
    return to->tls && from->port == 80 && to->port == 443;
}

void url_free(struct url *u) {
    ln_free(u->scheme);
    ln_free(u->user);
    ln_free(u->password);
    ln_free(u->host);
    ln_free(u->unix_path);
    ln_free(u->path);
    ln_free(u->query);
    memset(u, 0, sizeof *u);
}
