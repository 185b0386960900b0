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

void http_location_words(struct ln_str location, struct ln_buf *why) {
    const char *mark = memmem(location.p, location.n, "://", 3);
    size_t host = mark ? (size_t)(mark - location.p) + 3 : 0, n = host;
    while (n < location.n && location.p[n] != '?' && location.p[n] != '#')
        n++;
    for (size_t i = host; mark && i < n && location.p[i] != '/'; i++) {
        if (location.p[i] != '@') continue;
        ln_printable(why, (struct ln_str){location.p, host}, SHOWN_BYTES);
        location = (struct ln_str){location.p + i + 1, location.n - i - 1};
        n -= i + 1;
        break;
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
