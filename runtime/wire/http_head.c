/* SPDX-License-Identifier: MIT
 *
 * The head of an HTTP/1 message (RFC 9112), from a peer that may be anything: called again with
 * more bytes until it is whole. Lines are judged as they come, so that a peer which speaks
 * something else is told apart at its first bytes and not by a timeout.
 */
#include "base/text.h"
#include "wire/websocket.h"

#define MAX_HEAD_BYTES (16 * 1024)

static bool is_token_char(unsigned char c) { /* RFC 9110 5.6.2 */
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
    return c && strchr("!#$%&'*+-.^_`|~", c);
}

static bool has_control(struct ln_str s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) return true;
    }
    return false;
}

static size_t token_length(struct ln_str s) {
    size_t n = 0;
    while (n < s.n && is_token_char((unsigned char)s.p[n]))
        n++;
    return n;
}

/* HTTP/1.1 101 Switching Protocols; the reason may be missing. */
static bool status_line(struct http_head *h, struct ln_str line) {
    if (line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || line.p[8] != ' ') return false;
    if (line.p[7] != '0' && line.p[7] != '1') return false;
    h->status = 0;
    h->minor = line.p[7] - '0';
    for (size_t i = 9; i < 12; i++) {
        if (line.p[i] < '0' || line.p[i] > '9') return false;
        h->status = h->status * 10 + (line.p[i] - '0');
    }
    if (h->status < 100 || (line.n > 12 && line.p[12] != ' ')) return false;
    if (line.n > 13) h->reason = ln_trim((struct ln_str){line.p + 13, line.n - 13});
    return true;
}

/* GET /path HTTP/1.1 */
static bool request_line(struct http_head *h, struct ln_str line) {
    size_t n = token_length(line);
    if (n == 0 || n == line.n || line.p[n] != ' ') return false;
    h->method = (struct ln_str){line.p, n};
    struct ln_str rest = {line.p + n + 1, line.n - n - 1};
    const char *blank = rest.n ? memchr(rest.p, ' ', rest.n) : NULL;
    if (!blank || blank == rest.p) return false;
    h->target = (struct ln_str){rest.p, (size_t)(blank - rest.p)};
    struct ln_str version = {blank + 1, rest.n - h->target.n - 1};
    h->minor = ln_str_is(version, "HTTP/1.1");
    return memchr(h->target.p, '\t', h->target.n) == NULL &&
           (h->minor == 1 || ln_str_is(version, "HTTP/1.0"));
}

/* A line that begins with a blank is a folded one (obs-fold, RFC 9112 5.2): no token, so refused.
 */
static enum http_parse header_line(struct http_head *h, struct ln_str line) {
    size_t n = token_length(line);
    if (n == 0 || n == line.n || line.p[n] != ':') return HTTP_BAD;
    if (h->count == LN_COUNT(h->headers)) return HTTP_TOO_BIG;
    h->headers[h->count].name = (struct ln_str){line.p, n};
    h->headers[h->count++].value = ln_trim((struct ln_str){line.p + n + 1, line.n - n - 1});
    return HTTP_OK;
}

/* An unfinished line at the end of the input: more, or hopeless already? */
static enum http_parse unfinished(bool is_response, bool is_first, struct ln_str line) {
    static const char version[] = "HTTP/1.";
    if (line.n > 0 && line.p[line.n - 1] == '\r') line.n--;
    if (has_control(line)) return HTTP_BAD;
    if (!is_first) return HTTP_MORE;
    if (is_response && memcmp(line.p, version, LN_MIN(line.n, sizeof version - 1)) != 0)
        return HTTP_BAD;
    if (!is_response && line.n > 0 && token_length(line) == 0) return HTTP_BAD;
    return HTTP_MORE;
}

enum http_parse http_parse_head(struct http_head *h, bool is_response, struct ln_str in,
                                size_t *used) {
    size_t limit = LN_MIN(in.n, MAX_HEAD_BYTES), at = 0;
    memset(h, 0, offsetof(struct http_head, headers));
    h->count = 0;
    *used = 0;
    for (;;) {
        struct ln_str line = {in.p + at, limit - at};
        const char *feed = line.n ? memchr(line.p, '\n', line.n) : NULL;
        if (!feed) {
            enum http_parse r = line.n ? unfinished(is_response, at == 0, line) : HTTP_MORE;
            return r == HTTP_MORE && limit == MAX_HEAD_BYTES ? HTTP_TOO_BIG : r;
        }
        line.n = (size_t)(feed - line.p);
        if (line.n == 0 || line.p[line.n - 1] != '\r') return HTTP_BAD;
        line.n--;
        if (has_control(line)) return HTTP_BAD; /* a CR in the middle of a line as well */
        bool is_first = at == 0;
        at += line.n + 2;
        if (is_first) {
            if (!(is_response ? status_line(h, line) : request_line(h, line))) return HTTP_BAD;
        } else if (line.n == 0) {
            *used = at;
            return HTTP_OK;
        } else {
            enum http_parse r = header_line(h, line);
            if (r != HTTP_OK) return r;
        }
    }
}

struct ln_str http_header_get(const struct http_head *h, const char *name) {
    for (size_t i = 0; i < h->count; i++)
        if (ln_word_is(h->headers[i].name, name)) return h->headers[i].value;
    return (struct ln_str){NULL, 0};
}

bool http_header_twice(const struct http_head *h, const char *name) {
    size_t n = 0;
    for (size_t i = 0; i < h->count; i++)
        n += ln_word_is(h->headers[i].name, name);
    return n > 1;
}

bool http_header_has_token(struct ln_str value, const char *token) {
    while (value.n > 0) {
        const char *comma = memchr(value.p, ',', value.n);
        size_t n = comma ? (size_t)(comma - value.p) : value.n;
        if (ln_word_is(ln_trim((struct ln_str){value.p, n}), token)) return true;
        if (comma) n++;
        value = (struct ln_str){value.p + n, value.n - n};
    }
    return false;
}
