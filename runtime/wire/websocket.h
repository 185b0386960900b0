/* SPDX-License-Identifier: MIT
 *
 * WebSocket (RFC 6455), both roles, as pure functions on bytes: the opening handshake's text, a
 * frame parser that works in place, and a frame writer. io/ws moves the bytes.
 *
 * Parsing never copies a message that lies whole in the caller's buffer: it is unmasked in place
 * and lent. Fragments and split frames are assembled in the parser's own buffer.
 */
#ifndef LN_WEBSOCKET_H
#define LN_WEBSOCKET_H

#include "base/buf.h"

enum ws_op { WS_CONT = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

enum ws_code { /* RFC 6455 7.4.1 and the registry behind it */
               WS_NORMAL = 1000,
               WS_GOING_AWAY = 1001,
               WS_PROTOCOL_ERROR = 1002,
               WS_UNSUPPORTED = 1003,
               WS_NO_STATUS = 1005, /* never on the wire */
               WS_ABNORMAL = 1006,  /* never on the wire */
               WS_BAD_DATA = 1007,
               WS_POLICY = 1008,
               WS_TOO_BIG = 1009,
               WS_NEEDS_EXTENSION = 1010,
               WS_INTERNAL = 1011,
               WS_RESTART = 1012,
               WS_TRY_LATER = 1013
};

enum ws_result {
    WS_MORE,    /* everything usable was used; call again with more bytes */
    WS_MESSAGE, /* a whole data message: op TEXT or BINARY, data */
    WS_CONTROL, /* op PING or PONG with data; or CLOSE with code and data = reason */
    WS_BROKEN   /* the peer broke the protocol: close with `code`; `error` says how. Final. */
};

struct ws_event {
    enum ws_op op;
    struct ln_str data; /* valid until the next call on this parser or change of the input */
    int code;           /* CLOSE: peer's code or 1005; BROKEN: the code to close with */
    const char *error;  /* BROKEN: words, with the section of the RFC */
};

struct ws_begun {          /* what one read left unfinished */
    struct ln_buf partial; /* an incomplete frame's bytes, as they came */
    struct ln_buf message; /* fragments, unmasked */
};

struct ws_parser {
    size_t max_message;         /* bytes of one message, fragments joined; over it: 1009 */
    struct ws_begun *begun;     /* NULL: nothing has */
    struct ws_inflate *inflate; /* NULL: no compression was agreed */
    uint32_t utf8;              /* state over fragment borders (8.1) */
    uint8_t message_op;         /* 0: no fragmented message is open */
    bool is_server;             /* a server requires masks, a client refuses them (5.1) */
    bool closed : 1, broken : 1;
    bool packed : 1; /* the message that is being read is compressed */
};

void ws_parser_init(struct ws_parser *w, bool is_server, size_t max_message);
void ws_parser_free(struct ws_parser *w);
/* Gives back what only a message or frame that has begun needs: an idle line keeps no buffer. What
 * was lent by ws_parse is gone. */
void ws_parser_idle(struct ws_parser *w);
/* Parses from p (changed in place: unmasked). *used: bytes taken; call again with the rest until
 * WS_MORE. An incomplete frame at the end is kept inside, so *used == n with WS_MORE. After a close
 * frame or WS_BROKEN everything is taken and ignored. */
enum ws_result ws_parse(struct ws_parser *w, char *p, size_t n, size_t *used, struct ws_event *ev);

/* Writes one frame whose payload is `count` pieces. mask: role client (5.3). Control frames must
 * have at most 125 bytes. */
void ws_write(struct ln_buf *out, bool mask, bool fin, enum ws_op op, const struct ln_str *pieces,
              size_t count);
/* A code that may not be sent (1005, 1006, …) gives a frame without one; a reason that is too long
 * (123 bytes) is cut in front of a character. */
void ws_write_close(struct ln_buf *out, bool mask, int code, struct ln_str reason);
bool ws_code_valid(int code); /* may stand in a close frame (7.4) */

/* --- opening handshake (section 4) --- */

struct http_header {
    const char *name, *value;
};
struct http_head {                /* a parsed head; slices point into the input */
    int status;                   /* response */
    int minor;                    /* of "HTTP/1.minor" */
    struct ln_str reason;         /* response: "Unauthorized" */
    struct ln_str method, target; /* request */
    struct {
        struct ln_str name, value;
    } headers[64];
    size_t count;
};

enum http_parse { HTTP_MORE, HTTP_OK, HTTP_BAD, HTTP_TOO_BIG };
/* Parses a response's or a request's head up to the empty line (RFC 9112, strict on what matters:
 * no bare CR or LF, no folding, no control bytes). *used covers the empty line. 16 KiB and 64
 * headers at most. Call again from the start with more bytes after HTTP_MORE; what cannot become
 * HTTP is HTTP_BAD from its first bytes on. */
enum http_parse http_parse_head(struct http_head *h, bool is_response, struct ln_str in,
                                size_t *used);
struct ln_str http_header_get(const struct http_head *h, const char *name); /* {NULL,0}: absent */
bool http_header_twice(const struct http_head *h, const char *name); /* in two lines or more */
bool http_header_has_token(struct ln_str value, const char *token);  /* comma list, no case */

#define WS_KEY_LEN 24
struct ws_deflate;
void ws_make_key(char key[WS_KEY_LEN + 1]);
void ws_accept_key(const char *key, char out[29]); /* 4.2.2: base64(sha1(key + GUID)) */
/* `target` is path and query (bytes above ASCII are percent-encoded); `host` as it stands in the
 * Host header. False with err and nothing written: a name that is no token, a control character
 * (CR, LF …) anywhere, a header that is written here (Host, Upgrade, Sec-WebSocket-*). protocols
 * and extensions (WS_DEFLATE_OFFER) may be NULL. */
bool ws_write_request(struct ln_buf *out, const char *host, const char *target, const char *key,
                      const char *protocols, const char *extensions,
                      const struct http_header *headers, size_t count, struct ln_err *err);
/* Checks a 101 answer: Upgrade, Connection, Sec-WebSocket-Accept, no extension that was not
 * offered (deflate NULL: none was; else it is filled with what was agreed), a subprotocol that was,
 * and one of them if any was (4.1). LN_OK, or LN_UNAUTHORIZED (401), LN_FORBIDDEN (403),
 * LN_REFUSED, LN_PROTOCOL with words. */
ln_status ws_check_response(const struct http_head *h, const char *key, const char *protocols,
                            struct ws_deflate *deflate, struct ln_err *err);

#endif
