/* SPDX-License-Identifier: MIT
 *
 * The talk with a proxy, either language; CONNECT is here, SOCKS in socks.c. A refusal is told in
 * words that say whose it is: what a proxy answers must not look like the server's answer.
 */
#include "base/text.h"
#include "wire/proxy.h"
#include "wire/websocket.h"

enum { MAX_INTERIM = 16, SHOWN_BYTES = 120 };

/* "chat.example:443", "[::1]:443" (RFC 9110 9.3.6). */
static void add_authority(struct ln_buf *out, const struct proxy_talk *t) {
    ln_buf_fmt(out, strchr(t->host, ':') ? "[%s]:%u" : "%s:%u", t->host, t->port);
}

static bool is_host(const char *host) {
    for (const char *c = host; *c; c++)
        if (*c <= ' ' || *c == 0x7f) return false; /* also what is above ASCII (char is signed) */
    return *host;
}

static void connect_begin(struct proxy_talk *t, struct ln_buf *out) {
    ln_buf_puts(out, "CONNECT ");
    add_authority(out, t);
    ln_buf_puts(out, " HTTP/1.1\r\nHost: ");
    add_authority(out, t);
    ln_buf_puts(out, "\r\n");
    if (t->proxy->user) { /* RFC 7617 */
        struct ln_buf both = {0};
        ln_buf_fmt(&both, "%s:%s", t->proxy->user, t->proxy->password ? t->proxy->password : "");
        ln_buf_puts(out, "Proxy-Authorization: Basic ");
        ln_base64_encode(out, both.p, both.n);
        ln_buf_puts(out, "\r\n");
        ln_buf_free(&both);
    }
    ln_buf_puts(out, "\r\n");
}

static ln_status refused(const struct proxy_talk *t, const struct http_head *h,
                         struct ln_err *err) {
    struct ln_buf why = {0};
    struct ln_str location = http_header_get(h, "Location");
    struct ln_str scheme = http_header_get(h, "Proxy-Authenticate");
    ln_buf_fmt(&why, "HTTP %d ", h->status);
    ln_printable(&why, h->reason, SHOWN_BYTES);
    if (h->status == 407) {
        bool knows_basic = !scheme.p || strncasecmp(scheme.p, "basic", LN_MIN(scheme.n, 5)) == 0;
        for (size_t i = 0; i < h->count && !knows_basic; i++)
            knows_basic =
                h->headers[i].value.n >= 5 && strncasecmp(h->headers[i].value.p, "basic", 5) == 0;
        ln_buf_puts(&why, !knows_basic ? ": it wants a way to sign in that linnet does not speak "
                                         "(only Basic)"
                          : t->proxy->user
                              ? ": it does not accept this user and password"
                              : ": it wants a user and a password, http://USER:PASSWORD@host:port");
    } else if (h->status == 511 || (h->status < 400 && location.n > 0)) {
        ln_buf_puts(&why, ": a captive portal? Open a browser and sign in to this network");
    } else if (h->status == 403) {
        ln_buf_puts(&why, ": it does not let us reach ");
        add_authority(&why, t);
    } else if (h->status == 502 || h->status == 503 || h->status == 504) {
        ln_buf_puts(&why, ": it cannot reach ");
        add_authority(&why, t);
    } else if (h->status == 400 || h->status == 405 || h->status == 501) {
        ln_buf_puts(&why, ": is it a proxy, or a web server?");
    }
    ln_status code = h->status == 407   ? LN_UNAUTHORIZED
                     : h->status == 403 ? LN_FORBIDDEN
                                        : LN_REFUSED;
    ln_fail(err, code, "%.*s", LN_FMT(ln_buf_get(&why)));
    ln_buf_free(&why);
    return code;
}

static void no_http(const struct proxy_talk *t, enum http_parse parsed, struct ln_err *err) {
    enum { SOCKS_VERSION = 5, TLS_ALERT = 0x15 };
    char first = t->in.p[0];
    ln_fail(err, LN_PROTOCOL, "%s",
            parsed == HTTP_TOO_BIG   ? "the head of its answer is over 16 KiB or 64 lines"
            : first == SOCKS_VERSION ? "its answer is not HTTP but SOCKS (socks5://)"
            : first == TLS_ALERT     ? "it speaks TLS on this port, which linnet does not speak to "
                                       "a proxy: use its http:// port"
                                     : "its answer is not HTTP");
}

/* A page in the place of a tunnel. A length alone says nothing here (RFC 9110 9.3.6), and some
 * proxies name a type. */
static bool is_page(const struct http_head *h, struct ln_str rest) {
    struct ln_str type = http_header_get(h, "Content-Type");
    struct ln_str length = http_header_get(h, "Content-Length");
    bool is_html = type.n >= 9 && strncasecmp(type.p, "text/html", 9) == 0;
    bool has_body = (length.n > 0 && !ln_str_is(length, "0")) ||
                    http_header_has_token(http_header_get(h, "Transfer-Encoding"), "chunked");
    return (is_html && has_body) || (rest.n > 0 && rest.p[0] == '<');
}

static enum proxy_result connect_feed(struct proxy_talk *t, struct ln_str in, size_t *used,
                                      struct ln_err *err) {
    struct http_head h;
    size_t head;
    ln_buf_str(&t->in, in);
    *used = in.n;
    for (;;) {
        enum http_parse parsed = http_parse_head(&h, true, ln_buf_get(&t->in), &head);
        if (parsed == HTTP_MORE) return PROXY_MORE;
        if (parsed != HTTP_OK) {
            no_http(t, parsed, err);
            return PROXY_REFUSED;
        }
        if (h.status >= 200) break;
        if (h.status == 101 || ++t->step > MAX_INTERIM) {
            ln_fail(err, LN_PROTOCOL, "HTTP %d is no answer to CONNECT", h.status);
            return PROXY_REFUSED;
        }
        ln_buf_consume(&t->in, head);
    }
    struct ln_str rest = {t->in.p + head, t->in.n - head};
    if (h.status >= 300) {
        refused(t, &h, err);
        return PROXY_REFUSED;
    }
    if (is_page(&h, rest)) {
        ln_fail(err, LN_REFUSED,
                "it answered with a web page instead of a way to the server: a "
                "captive portal? Open a browser and sign in to this network");
        return PROXY_REFUSED;
    }
    *used = in.n - rest.n;
    return PROXY_OPEN;
}

bool proxy_talk_begin(struct proxy_talk *t, const struct proxy *p, const char *host, uint16_t port,
                      struct ln_buf *out, struct ln_err *err) {
    *t = (struct proxy_talk){.proxy = p, .host = host, .port = port};
    if (!is_host(host)) {
        ln_fail(err, LN_INVALID, "the host is empty or holds a blank or control character");
        return false;
    }
    if (p->is_socks) return socks_begin(t, out, err);
    connect_begin(t, out);
    return true;
}

enum proxy_result proxy_talk_feed(struct proxy_talk *t, struct ln_str in, size_t *used,
                                  struct ln_buf *out, struct ln_err *err) {
    *used = 0;
    if (in.n == 0) return PROXY_MORE;
    return t->proxy->is_socks ? socks_feed(t, in, used, out, err) : connect_feed(t, in, used, err);
}

void proxy_talk_free(struct proxy_talk *t) {
    ln_buf_free(&t->in);
}
