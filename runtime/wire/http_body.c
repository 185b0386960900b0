/* SPDX-License-Identifier: MIT
 *
 * The body of an HTTP/1.1 answer: by length, in chunks, or until the end of the connection. Fed
 * with whatever came; keeps a few numbers and no bytes. Strict where two readers could disagree
 * about where an answer ends, because the next answer on the connection begins there.
 */
#include "base/text.h"
#include "wire/http.h"

enum { MAX_LINE = 4096, MAX_TRAILERS = 16 * 1024 };
enum framing { FRAME_NONE, FRAME_LENGTH, FRAME_CHUNKED, FRAME_CLOSE };
enum step {
    STEP_SIZE,
    STEP_EXTENSION,
    STEP_SIZE_LF,
    STEP_DATA,
    STEP_DATA_CR,
    STEP_DATA_LF,
    STEP_TRAILER,
    STEP_TRAILER_LF,
    STEP_OVER
};

static bool refuse(struct ln_err *err, const char *text) {
    ln_fail(err, LN_PROTOCOL, "%s", text);
    return false;
}

static bool decimal(struct ln_str s, uint64_t *v) {
    *v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        *v = *v * 10 + (unsigned)(s.p[i] - '0');
    }
    return s.n > 0 && s.n <= 18;
}

/* Digits only, and the same in every line that has it (RFC 9112 6.3). *has false: there is none. */
static bool content_length(const struct http_head *h, bool *has, uint64_t *length) {
    *has = false;
    for (size_t i = 0; i < h->count; i++) {
        uint64_t v;
        if (!ln_word_is(h->headers[i].name, "Content-Length")) continue;
        if (!decimal(h->headers[i].value, &v) || (*has && *length != v)) return false;
        *has = true;
        *length = v;
    }
    return true;
}

bool http_body_begin(struct http_body *b, const struct http_head *h, bool no_body,
                     struct ln_err *err) {
    struct ln_str coding = http_header_get(h, "Transfer-Encoding");
    bool has_length;
    *b = (struct http_body){.framing = FRAME_CLOSE};
    if (no_body || h->status < 200 || h->status == 204 || h->status == 304) {
        b->framing = FRAME_NONE;
        return true;
    }
    if (coding.p) {
        if (!ln_word_is(coding, "chunked") || http_header_twice(h, "Transfer-Encoding"))
            return refuse(err, "the answer has a Transfer-Encoding that was not asked for");
        b->framing = FRAME_CHUNKED;
        return true;
    }
    if (!content_length(h, &has_length, &b->left))
        return refuse(err, "the answer's Content-Length is no number, or there are several");
    if (has_length) b->framing = FRAME_LENGTH;
    return true;
}

static enum http_body_result add(struct http_body *b, struct ln_str in, size_t *used,
                                 struct ln_buf *out, size_t max) {
    size_t n = (size_t)LN_MIN((uint64_t)in.n, b->left), room = out->n < max ? max - out->n : 0;
    ln_buf_add(out, in.p, LN_MIN(n, room));
    *used += n;
    b->left -= n;
    return n > room ? BODY_TOO_BIG : BODY_MORE;
}

/* One byte of what stands around the chunks' data. False: malformed. */
static bool chunk_byte(struct http_body *b, char c) {
    int digit;
    bool is_text = (unsigned char)c >= ' ' || c == '\t';
    switch ((enum step)b->step) {
    case STEP_SIZE:
        digit = ln_hex_digit(c);
        if (digit < 0) {
            b->step = c == '\r' ? STEP_SIZE_LF : STEP_EXTENSION;
            return b->any_digit && (c == '\r' || c == ';' || c == ' ' || c == '\t');
        }
        b->any_digit = true;
        b->size = b->size * 16 + (unsigned)digit;
        return b->size < UINT64_C(1) << 56;
    case STEP_EXTENSION:
        if (c == '\r') b->step = STEP_SIZE_LF;
        return c == '\r' || (is_text && ++b->line <= MAX_LINE);
    case STEP_SIZE_LF:
        b->left = b->size;
        b->step = b->size ? STEP_DATA : STEP_TRAILER;
        b->size = b->line = 0;
        b->any_digit = false;
        return c == '\n';
    case STEP_DATA_CR:
        b->step = STEP_DATA_LF;
        return c == '\r';
    case STEP_DATA_LF:
        b->step = STEP_SIZE;
        return c == '\n';
    case STEP_TRAILER:
        if (c == '\r') {
            b->step = STEP_TRAILER_LF;
            return true;
        }
        b->line++;
        return is_text && ++b->trailers <= MAX_TRAILERS;
    case STEP_TRAILER_LF: /* an empty line is the end */
        b->step = b->line ? STEP_TRAILER : STEP_OVER;
        b->line = 0;
        return c == '\n';
    default:
        return false;
    }
}

static enum http_body_result feed_chunks(struct http_body *b, struct ln_str in, size_t *used,
                                         struct ln_buf *out, size_t max) {
    while (b->step != STEP_OVER) {
        if (*used == in.n) return BODY_MORE;
        if (b->step != STEP_DATA) {
            if (!chunk_byte(b, in.p[(*used)++])) return BODY_BAD;
            continue;
        }
        struct ln_str rest = {in.p + *used, in.n - *used};
        if (add(b, rest, used, out, max) == BODY_TOO_BIG) return BODY_TOO_BIG;
        if (b->left == 0) b->step = STEP_DATA_CR;
    }
    return BODY_DONE;
}

enum http_body_result http_body_feed(struct http_body *b, struct ln_str in, size_t *used,
                                     struct ln_buf *out, size_t max) {
    *used = 0;
    if (b->framing == FRAME_CHUNKED) return feed_chunks(b, in, used, out, max);
    if (b->framing == FRAME_NONE) return BODY_DONE;
    if (b->framing == FRAME_CLOSE) b->left = in.n;
    if (b->framing == FRAME_LENGTH && b->left > max) return BODY_TOO_BIG;
    if (add(b, in, used, out, max) == BODY_TOO_BIG) return BODY_TOO_BIG;
    return b->framing == FRAME_LENGTH && b->left == 0 ? BODY_DONE : BODY_MORE;
}

bool http_body_end(const struct http_body *b) {
    if (b->framing == FRAME_CHUNKED) return b->step == STEP_OVER;
    return b->framing != FRAME_LENGTH || b->left == 0;
}

bool http_keeps_alive(const struct http_head *h, const struct http_body *b) {
    bool both = http_header_get(h, "Transfer-Encoding").p && http_header_get(h, "Content-Length").p;
    if (b->framing == FRAME_CLOSE || both) return false;
    struct ln_str option = http_header_get(h, "Connection");
    if (h->minor == 0) return http_header_has_token(option, "keep-alive");
    return !http_header_has_token(option, "close");
}
