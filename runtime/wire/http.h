/* SPDX-License-Identifier: MIT
 *
 * What a client of HTTP/1.1 (RFC 9112) writes and reads beside heads: requests, and bodies of every
 * framing, as pure functions on bytes. io/http and io/ws move them; http_head.c reads heads.
 */
#ifndef LN_WIRE_HTTP_H
#define LN_WIRE_HTTP_H

#include "wire/websocket.h"

/* Judges what a request is made of: false with err when the host or the target holds a blank or a
 * control character, a header's name is no token or one that linnet writes itself (Host,
 * Connection, Content-Length, Upgrade, Sec-WebSocket-*, …), or a value would break the head. */
bool http_check_request(const char *host, const char *target, const struct http_header *headers,
                        size_t count, struct ln_err *err);
bool http_is_field(const char *s); /* may stand in a head: no control characters */
/* "GET /x HTTP/1.1" and Host. Bytes of the target above ASCII are percent-encoded. */
void http_write_head(struct ln_buf *out, const char *method, const char *host, const char *target);
void http_write_header(struct ln_buf *out, const char *name, const char *value);
void http_write_headers(struct ln_buf *out, const struct http_header *headers, size_t count);

/* Adds "HTTP 404 Not Found", or where a redirect leads (without query: tokens stand there). */
void http_status_words(const struct http_head *h, struct ln_buf *out);
/* An address that a redirect names, for people: without user, query and fragment, because most
 * redirects repeat the query, and tokens stand there. */
void http_location_words(struct ln_str location, struct ln_buf *out);
/* HTML or XML: for browsers, and nothing to show in an error. */
bool http_is_page(struct ln_str body);
/* What a refusal with this status and body means where the status alone misleads; NULL: nothing
 * more. */
const char *http_refusal_words(const struct http_head *h, struct ln_str body, bool over_tls);

/* How the body of an answer ends (RFC 9112 6.3). */
struct http_body {
    uint64_t left;   /* bytes of the body, or of the chunk that is being read */
    size_t line;     /* bytes of the line that is being read (a chunk's size, a trailer) */
    uint64_t size;   /* of the next chunk, as far as its digits came */
    size_t trailers; /* bytes */
    uint8_t framing, step;
    bool any_digit;
};

/* no_body: the request was a HEAD (1xx, 204 and 304 have none by themselves). False with err when
 * the head contradicts itself or names a coding that is not chunked. */
bool http_body_begin(struct http_body *b, const struct http_head *h, bool no_body,
                     struct ln_err *err);
enum http_body_result { BODY_MORE, BODY_DONE, BODY_BAD, BODY_TOO_BIG };
/* Adds what in holds of the body to out, to at most max bytes; *used: bytes taken. After BODY_DONE
 * the rest of in is no part of the answer. BODY_BAD, BODY_TOO_BIG: final. */
enum http_body_result http_body_feed(struct http_body *b, struct ln_str in, size_t *used,
                                     struct ln_buf *out, size_t max);
/* The connection ended: true when that is how this body ends (or it was over already). */
bool http_body_end(const struct http_body *b);
/* The connection may carry another request after this answer (RFC 9112 9.3). */
bool http_keeps_alive(const struct http_head *h, const struct http_body *b);

#endif
