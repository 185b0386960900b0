/* SPDX-License-Identifier: MIT
 *
 * The head of a request, of an upgrade or a plain one. Hosts, paths and headers come from scripts
 * and configurations: whatever would end a header, or begin one of somebody else's, is refused.
 */
#include "base/text.h"
#include "wire/http.h"

#define SHOWN_BYTES 240

static bool is_token(const char *s) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "!#$%&'*+-.^_`|~";
    return *s && s[strspn(s, allowed)] == 0;
}

bool http_is_field(const char *s) {
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == 0x7f || (c < ' ' && c != '\t')) return false;
    }
    return true;
}

static bool is_word(const char *s) {
    return http_is_field(s) && s[strcspn(s, " \t")] == 0;
}

static bool is_ours(const char *name) {
    static const char *const ours[] = {"Host",           "Upgrade",           "Connection",
                                       "Content-Length", "Transfer-Encoding", NULL};
    for (const char *const *o = ours; *o; o++)
        if (strcasecmp(name, *o) == 0) return true;
    return strncasecmp(name, "Sec-WebSocket-", 14) == 0;
}

static bool refuse(struct ln_err *err, const char *text) {
    ln_fail(err, LN_INVALID, "%s", text);
    return false;
}

static bool check_header(const struct http_header *h, struct ln_err *err) {
    if (!is_token(h->name)) {
        struct ln_buf shown = {0};
        ln_printable(&shown, ln_str(h->name), SHOWN_BYTES);
        ln_fail(err, LN_INVALID, "headers: \"%s\" is not a header's name", ln_buf_cstr(&shown));
        ln_buf_free(&shown);
        return false;
    }
    if (is_ours(h->name)) {
        ln_fail(err, LN_INVALID, "headers: %.*s is written by linnet itself and cannot be set",
                SHOWN_BYTES, h->name);
        return false;
    }
    if (http_is_field(h->value)) return true;
    ln_fail(err, LN_INVALID, "headers: the value of %.*s holds a control character", SHOWN_BYTES,
            h->name); /* the value may be a secret: not shown */
    return false;
}

bool http_check_request(const char *host, const char *target, const struct http_header *headers,
                        size_t count, struct ln_err *err) {
    if (!*host || !is_word(host))
        return refuse(err, "the host holds a blank or control character, or is empty");
    if (*target != '/' || !is_word(target))
        return refuse(err, "the path holds a blank or control character, or does not begin with /");
    for (size_t i = 0; i < count; i++)
        if (!check_header(&headers[i], err)) return false;
    return true;
}

void http_write_header(struct ln_buf *out, const char *name, const char *value) {
    ln_buf_puts(out, name);
    ln_buf_puts(out, ": ");
    ln_buf_puts(out, value);
    ln_buf_puts(out, "\r\n");
}

/* Bytes above ASCII may stand in an address that a person wrote, not in a request (RFC 3986 2.1).
 */
static void write_target(struct ln_buf *out, const char *target) {
    for (const char *p = target; *p; p++) {
        if ((unsigned char)*p >= 0x80)
            ln_buf_fmt(out, "%%%02X", (unsigned char)*p);
        else
            ln_buf_putc(out, *p);
    }
}

void http_write_head(struct ln_buf *out, const char *method, const char *host, const char *target) {
    ln_buf_puts(out, method);
    ln_buf_putc(out, ' ');
    write_target(out, target);
    ln_buf_puts(out, " HTTP/1.1\r\n");
    http_write_header(out, "Host", host);
}

void http_write_headers(struct ln_buf *out, const struct http_header *headers, size_t count) {
    for (size_t i = 0; i < count; i++)
        http_write_header(out, headers[i].name, headers[i].value);
}
