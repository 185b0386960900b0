/* SPDX-License-Identifier: MIT
 *
 * What an answer's status says, in words for the person whose connection fails.
 */
#include "base/text.h"
#include "wire/http.h"

#define SHOWN_BYTES 240 /* of a peer's words in an error text */

/* Servers behind HTTP/2 proxies send no words; people want some. */
static const char *standard_reason(int status) {
    static const struct {
        int status;
        const char *reason;
    } known[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {407, "Proxy Authentication Required"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < LN_COUNT(known); i++)
        if (known[i].status == status) return known[i].reason;
    return "";
}

/* Where a host may stand, with a user in front: behind "//" at the beginning or after a scheme. */
static size_t host_at(struct ln_str location) {
    const char *slash = location.n ? memchr(location.p, '/', location.n) : NULL;
    size_t n = slash ? (size_t)(slash - location.p) : 0;
    bool is_host = slash && location.n - n >= 2 && slash[1] == '/' && (n == 0 || slash[-1] == ':');
    return is_host ? n + 2 : 0;
}

void http_location_words(struct ln_str location, struct ln_buf *why) {
    size_t host = host_at(location), n = host, end;
    while (n < location.n && location.p[n] != '?' && location.p[n] != '#')
        n++;
    for (end = host; host > 0 && end < n && location.p[end] != '/';)
        end++;
    const char *at = end > host ? memrchr(location.p + host, '@', end - host) : NULL;
    if (at) {
        size_t login = (size_t)(at + 1 - location.p);
        ln_printable(why, (struct ln_str){location.p, host}, SHOWN_BYTES);
        location = (struct ln_str){at + 1, location.n - login};
        n -= login;
    }
    if (n > 0)
        ln_printable(why, (struct ln_str){location.p, n}, SHOWN_BYTES);
    else
        ln_buf_puts(why, "the same path");
}

void http_status_words(const struct http_head *h, struct ln_buf *out) {
    struct ln_str location = http_header_get(h, "Location");
    bool moved = h->status >= 300 && h->status < 400 && location.n > 0;
    ln_buf_fmt(out, "HTTP %d ", h->status);
    if (moved) {
        ln_buf_puts(out, "redirected to ");
        http_location_words(location, out);
        ln_buf_puts(out, " (redirects are not followed; use that address)");
    } else if (h->reason.n > 0) {
        ln_printable(out, h->reason, SHOWN_BYTES);
    } else {
        ln_buf_puts(out, standard_reason(h->status));
    }
    while (out->n > 0 && out->p[out->n - 1] == ' ')
        out->n--;
}

static bool says(struct ln_str body, const char *words) {
    return body.n > 0 && memmem(body.p, body.n, words, strlen(words));
}

bool http_is_page(struct ln_str body) {
    size_t i = body.n >= 3 && memcmp(body.p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* a mark of UTF-8 */
    while (i < body.n && memchr(" \t\r\n", body.p[i], 4))
        i++;
    return i < body.n && body.p[i] == '<';
}

const char *http_refusal_words(const struct http_head *h, struct ln_str body, bool over_tls) {
    /* nginx and Go, Apache */
    if (!over_tls && h->status == 400 &&
        (says(body, "HTTPS port") || says(body, "HTTPS server") ||
         says(body, "SSL-enabled server")))
        return "the server speaks TLS on this port; use wss:// or https://";
    if (h->status == 511) return "a captive portal; open a browser and sign in to this network";
    if (h->status < 300 && http_is_page(body))
        return "it sent a web page, as a captive portal does, or another path of the server";
    if (h->status == 502 || h->status == 504)
        return "a proxy in front says that the server behind it does not answer";
    return NULL;
}
