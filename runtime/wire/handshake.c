/* SPDX-License-Identifier: MIT
 *
 * The opening handshake (RFC 6455 section 4), the client's half; io/ws sends the request and hands
 * the parsed answer back. The texts for refusals are written for the person whose connection fails.
 */
#include "base/crypt.h"
#include "base/text.h"
#include "wire/deflate.h"
#include "wire/http.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define SHOWN_BYTES 240 /* of a peer's words in an error text */

void ws_make_key(char key[WS_KEY_LEN + 1]) {
    unsigned char bytes[16];
    struct ln_buf out = {0};
    ln_random(bytes, sizeof bytes);
    ln_base64_encode(&out, bytes, sizeof bytes);
    memcpy(key, ln_buf_cstr(&out), WS_KEY_LEN + 1);
    ln_buf_free(&out);
}

void ws_accept_key(const char *key, char out[29]) {
    unsigned char digest[20];
    struct ln_buf text = {0};
    ln_buf_puts(&text, key);
    ln_buf_puts(&text, GUID);
    ln_sha1(text.p, text.n, digest);
    ln_buf_clear(&text);
    ln_base64_encode(&text, digest, sizeof digest);
    memcpy(out, ln_buf_cstr(&text), 29);
    ln_buf_free(&text);
}

/* --- request --- */

static bool same_no_case(const char *a, const char *b, size_t n) {
    return strncasecmp(a, b, n) == 0;
}

bool ws_write_request(struct ln_buf *out, const char *host, const char *target, const char *key,
                      const char *protocols, const char *extensions,
                      const struct http_header *headers, size_t count, struct ln_err *err) {
    if (protocols && (!*protocols || !http_is_field(protocols))) {
        ln_fail(err, LN_INVALID, "protocols is empty or holds a control character");
        return false;
    }
    if (!http_check_request(host, target, headers, count, err)) return false;
    http_write_head(out, "GET", host, target);
    ln_buf_puts(out, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    http_write_header(out, "Sec-WebSocket-Key", key);
    if (protocols) http_write_header(out, "Sec-WebSocket-Protocol", protocols);
    if (extensions) http_write_header(out, "Sec-WebSocket-Extensions", extensions);
    http_write_headers(out, headers, count);
    ln_buf_puts(out, "\r\n");
    return true;
}

/* --- answer --- */

static ln_status refused(const struct http_head *h, struct ln_err *err) {
    struct ln_buf why = {0};
    ln_status code = h->status == 401   ? LN_UNAUTHORIZED
                     : h->status == 403 ? LN_FORBIDDEN
                     : h->status < 300  ? LN_PROTOCOL
                                        : LN_REFUSED;
    if (h->status < 300)
        ln_buf_fmt(&why,
                   "the server answered %d instead of 101: not a WebSocket address, or a proxy in "
                   "front drops the upgrade",
                   h->status);
    else
        http_status_words(h, &why);
    ln_fail(err, code, "%.*s", LN_FMT(ln_buf_get(&why)));
    ln_buf_free(&why);
    return code;
}

/* A field may come in several lines (RFC 9110 5.3). */
static bool field_has(const struct http_head *h, const char *name, const char *token) {
    size_t n = strlen(name);
    for (size_t i = 0; i < h->count; i++) {
        struct ln_str field = h->headers[i].name;
        if (field.n == n && same_no_case(field.p, name, n) &&
            http_header_has_token(h->headers[i].value, token))
            return true;
    }
    return false;
}

/* Subprotocols differ by case (4.1), so this is no http_header_has_token. */
static bool was_offered(const char *protocols, struct ln_str chosen) {
    for (const char *p = protocols; p && *p;) {
        p += strspn(p, " \t,");
        size_t n = strcspn(p, " \t,");
        if (n > 0 && ln_str_eq((struct ln_str){p, n}, chosen)) return true;
        p += n;
    }
    return false;
}

static ln_status unwanted(struct ln_err *err, const char *what, struct ln_str chosen) {
    struct ln_buf shown = {0};
    ln_printable(&shown, chosen, SHOWN_BYTES);
    ln_fail(err, LN_PROTOCOL,
            "the server chose the %s \"%s\", which was not offered (RFC 6455 4.1)", what,
            ln_buf_cstr(&shown));
    ln_buf_free(&shown);
    return LN_PROTOCOL;
}

/* The extensions that the server chose: none, or what was offered (deflate is not NULL). */
static ln_status check_extensions(const struct http_head *h, struct ws_deflate *deflate,
                                  struct ln_err *err) {
    struct ln_str chosen = {NULL, 0};
    if (deflate) *deflate = (struct ws_deflate){0};
    for (size_t i = 0; i < h->count; i++) {
        struct ln_str name = h->headers[i].name, value = h->headers[i].value;
        if (name.n != 24 || !same_no_case(name.p, "Sec-WebSocket-Extensions", 24) || value.n == 0)
            continue;
        if (!deflate || chosen.n > 0) return unwanted(err, "extension", value);
        chosen = value;
    }
    return chosen.n == 0 || ws_deflate_agreed(chosen, deflate, err) ? LN_OK : LN_PROTOCOL;
}

ln_status ws_check_response(const struct http_head *h, const char *key, const char *protocols,
                            struct ws_deflate *deflate, struct ln_err *err) {
    if (h->status != 101) return refused(h, err);
    if (!field_has(h, "Upgrade", "websocket"))
        return ln_fail(err, LN_PROTOCOL,
                       "the server answered 101 without \"Upgrade: websocket\" (RFC 6455 4.1)");
    if (!field_has(h, "Connection", "upgrade"))
        return ln_fail(err, LN_PROTOCOL,
                       "the server answered 101 without \"Connection: Upgrade\" (RFC 6455 4.1)");
    char accept[29];
    ws_accept_key(key, accept);
    struct ln_str got = http_header_get(h, "Sec-WebSocket-Accept");
    if (!ln_str_is(got, accept))
        return ln_fail(err, LN_PROTOCOL,
                       "the server's Sec-WebSocket-Accept is %s: it is no WebSocket server, or a "
                       "proxy in front answered from its cache (RFC 6455 4.1)",
                       got.n ? "wrong" : "missing");
    ln_status agreed = check_extensions(h, deflate, err);
    if (agreed != LN_OK) return agreed;
    struct ln_str chosen = http_header_get(h, "Sec-WebSocket-Protocol");
    if (chosen.p && !was_offered(protocols, chosen)) return unwanted(err, "subprotocol", chosen);
    if (protocols && !chosen.p)
        return ln_fail(err, LN_REFUSED, "the server took none of the subprotocols \"%s\"",
                       protocols);
    return LN_OK;
}
