/* SPDX-License-Identifier: MIT
 *
 * The frame parser (RFC 6455 section 5), both roles; io/ws calls it with what a read brought. A
 * frame that lies whole in the caller's bytes is unmasked there and lent. Only the end of a read
 * that cuts a frame goes into `begun`, and fragments. Every rule that a frame's head can break is
 * checked before one byte of its payload is kept.
 */
#include "wire/websocket.h"

#include "base/mem.h"
#include "base/text.h"
#include "wire/deflate.h"

#define KEEP_BYTES 1024 /* a buffer over this is given back once its message was delivered */
#define MAX_HEAD 14
#define HIGH_BITS 0x8080808080808080u
/* RSV1, the mark of a compressed message (RFC 7692 6); in a frame's opcode, where one comparison
 * that is made anyway tells it from the plain ones. */
#define COMPRESSED 0x40
/* What only compressed lines need stays out of the way of the others. */
#define ASIDE __attribute__((cold, noinline))

struct frame {
    bool fin, masked;
    uint8_t op;        /* with COMPRESSED */
    size_t head, size; /* bytes of the head, bytes of the payload */
    const char *mask;
};

void ws_parser_init(struct ws_parser *w, bool is_server, size_t max_message) {
    memset(w, 0, sizeof *w);
    w->is_server = is_server;
    w->max_message = max_message;
}

static struct ws_begun *begun_of(struct ws_parser *w) {
    if (!w->begun) w->begun = ln_new(struct ws_begun);
    return w->begun;
}

static void begun_free(struct ws_parser *w) {
    ln_buf_free(&w->begun->partial);
    ws_inflate_give_back(w->inflate, &w->begun->message);
    ln_free(w->begun);
    w->begun = NULL;
}

void ws_parser_free(struct ws_parser *w) {
    if (w->begun) begun_free(w);
    ws_inflate_free(w->inflate);
    w->inflate = NULL;
}

void ws_parser_idle(struct ws_parser *w) {
    struct ws_begun *b = w->begun;
    if (LN_LIKELY(!b)) return;
    if (b->partial.n == 0 && !w->message_op && !w->inflate) { /* which needs it for each message */
        begun_free(w);
        return;
    }
    if (b->partial.n == 0) ln_buf_free(&b->partial);
    if (!w->message_op) ws_inflate_give_back(w->inflate, &b->message);
}

static enum ws_result broken(struct ws_parser *w, struct ws_event *ev, int code,
                             const char *error) {
    w->broken = true;
    *ev = (struct ws_event){.op = WS_CLOSE, .code = code, .error = error};
    return WS_BROKEN;
}

static const char *check_start(const struct ws_parser *w, unsigned char first,
                               unsigned char second) {
    bool fin = first & 0x80, masked = second & 0x80;
    unsigned op = first & 0x0f, size = second & 0x7f;
    if (first & 0x70) return "reserved bits are set, but no extension was agreed (RFC 6455 5.2)";
    if ((op > WS_BINARY && op < WS_CLOSE) || op > WS_PONG) return "reserved opcode (RFC 6455 5.2)";
    if (masked != w->is_server)
        return masked ? "a server must not mask its frames (RFC 6455 5.1)"
                      : "a client must mask its frames (RFC 6455 5.1)";
    if (op >= WS_CLOSE) {
        if (!fin) return "a control frame in fragments (RFC 6455 5.5)";
        if (size > 125) return "a control frame with more than 125 bytes (RFC 6455 5.5)";
        return NULL;
    }
    if (op == WS_CONT && !w->message_op) return "a continuation of no message (RFC 6455 5.4)";
    if (op != WS_CONT && w->message_op)
        return "a new message before the end of a fragmented one (RFC 6455 5.4)";
    return NULL;
}

static uint64_t big_endian(const char *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

/* What does not become shorter by compression becomes a little longer. */
static bool is_too_big(const struct ws_parser *w, uint64_t size) {
    return !w->packed || size > (uint64_t)w->max_message + w->max_message / 1024 + 64;
}

ASIDE static size_t odd_head(struct ws_parser *w, const char *p, size_t n, struct frame *f,
                             struct ws_event *ev, const char *error);

/* Reads a frame's head from the n bytes that are there. Returns how many bytes are needed in order
 * to go on: when that is not more than n, the whole frame is there. 0: broken, ev is filled. */
static size_t read_head(struct ws_parser *w, const char *p, size_t n, struct frame *f,
                        struct ws_event *ev) {
    if (n < 2) return 2;
    unsigned char first = (unsigned char)p[0], second = (unsigned char)p[1];
    const char *error = check_start(w, first, second);
    if (LN_UNLIKELY(error)) return odd_head(w, p, n, f, ev, error);
    f->fin = first & 0x80;
    f->op = first & 0x0f;
    f->masked = second & 0x80;
    size_t wide = 0;
    uint64_t size = second & 0x7f;
    if (size > 125) {
        wide = size == 126 ? 2 : 8;
        if (n < 2 + wide) return 2 + wide;
        size = big_endian(p + 2, wide);
        if (LN_UNLIKELY(size >> 63 || size < (wide == 2 ? 126 : 65536))) {
            broken(w, ev, WS_PROTOCOL_ERROR,
                   size >> 63 ? "a length with its top bit set (RFC 6455 5.2)"
                              : "a length that is not in its shortest form (RFC 6455 5.2)");
            return 0;
        }
    }
    size_t held = f->op == WS_CONT ? w->begun->message.n : 0; /* a message is open: it is there */
    if (LN_UNLIKELY(f->op < WS_CLOSE && size > w->max_message - held) && is_too_big(w, size)) {
        broken(w, ev, WS_TOO_BIG, "a message over the size limit (RFC 6455 7.4.1)");
        return 0;
    }
    f->size = (size_t)size;
    f->head = 2 + wide + (f->masked ? 4 : 0);
    f->mask = p + 2 + wide;
    return f->head + f->size;
}

/* A head that breaks a rule, unless RSV1 is what is wrong with it and means compression. */
static size_t odd_head(struct ws_parser *w, const char *p, size_t n, struct frame *f,
                       struct ws_event *ev, const char *error) {
    char plain[MAX_HEAD];
    unsigned char first = (unsigned char)p[0];
    unsigned op = first & 0x0f;
    if (!w->inflate || (first & 0x70) != COMPRESSED) {
        broken(w, ev, WS_PROTOCOL_ERROR, error);
        return 0;
    }
    if (op != WS_TEXT && op != WS_BINARY) {
        broken(w, ev, WS_PROTOCOL_ERROR,
               "a compressed frame that begins no message (RFC 7692 6.1)");
        return 0;
    }
    memcpy(plain, p, LN_MIN(n, sizeof plain));
    plain[0] = (char)(first & ~COMPRESSED);
    f->mask = plain;
    w->packed = !w->message_op; /* else it is an error, and told as such */
    size_t need = read_head(w, plain, n, f, ev);
    f->op |= COMPRESSED;
    f->mask = p + (f->mask - plain);
    return need;
}

/* Unmasks (5.3) in place; returns whether a byte is not ASCII. */
static bool unmask(char *p, size_t n, const char *mask) {
    uint32_t key4;
    memcpy(&key4, mask, 4);
    uint64_t key = (uint64_t)key4 << 32 | key4, all = 0, v;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&v, p + i, 8);
        v ^= key;
        all |= v;
        memcpy(p + i, &v, 8);
    }
    unsigned char last = 0;
    for (; i < n; i++) {
        p[i] = (char)(p[i] ^ mask[i & 3]);
        last |= (unsigned char)p[i];
    }
    return (all & HIGH_BITS) || (last & 0x80);
}

static bool has_high(const char *p, size_t n) {
    uint64_t all = 0, v;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&v, p + i, 8);
        all |= v;
    }
    unsigned char last = 0;
    for (; i < n; i++)
        last |= (unsigned char)p[i];
    return (all & HIGH_BITS) || (last & 0x80);
}

static enum ws_result take_close(struct ws_parser *w, struct ln_str body, struct ws_event *ev) {
    int code = WS_NO_STATUS;
    if (body.n == 1)
        return broken(w, ev, WS_PROTOCOL_ERROR, "a close frame with half a code (RFC 6455 5.5.1)");
    if (body.n >= 2) {
        code = (int)big_endian(body.p, 2);
        body = (struct ln_str){body.p + 2, body.n - 2};
        if (!ws_code_valid(code))
            return broken(w, ev, WS_PROTOCOL_ERROR,
                          "a close code that must not be sent (RFC 6455 7.4)");
        if (!ln_utf8_valid(body.p, body.n))
            return broken(w, ev, WS_BAD_DATA, "a close reason that is not UTF-8 (RFC 6455 5.5.1)");
    }
    w->closed = true;
    *ev = (struct ws_event){.op = WS_CLOSE, .data = body, .code = code};
    return WS_CONTROL;
}

static enum ws_result not_utf8(struct ws_parser *w, struct ws_event *ev) {
    return broken(w, ev, WS_BAD_DATA, "text that is not UTF-8 (RFC 6455 8.1)");
}

/* A compressed message, or a part of one. */
ASIDE static enum ws_result take_compressed(struct ws_parser *w, const struct frame *f,
                                            struct ln_str body, struct ws_event *ev) {
    const char *error;
    struct ln_buf *message = &begun_of(w)->message;
    if (f->op & COMPRESSED) {
        w->message_op = f->op & 0x0f;
        ws_inflate_begin(w->inflate, message);
    }
    int code = ws_inflate(w->inflate, body, f->fin, message, w->max_message, &error);
    if (code) return broken(w, ev, code, error);
    if (!f->fin) return WS_MORE;
    *ev = (struct ws_event){.op = (enum ws_op)w->message_op, .data = ln_buf_get(message)};
    w->message_op = 0;
    w->packed = false;
    ln_buf_clear(message); /* the bytes stay where they are until the next call */
    if (ev->op == WS_TEXT && !ln_utf8_valid(ev->data.p, ev->data.n)) return not_utf8(w, ev);
    return WS_MESSAGE;
}

/* A part of a fragmented message, its first included. */
static enum ws_result take_fragment(struct ws_parser *w, const struct frame *f, struct ln_str body,
                                    bool high, struct ws_event *ev) {
    if (w->packed) return take_compressed(w, f, body, ev);
    if (f->op != WS_CONT) w->message_op = f->op;
    if (w->message_op == WS_TEXT) {
        if ((high || w->utf8) && !ln_utf8_feed(&w->utf8, body.p, body.n)) return not_utf8(w, ev);
        if (f->fin && w->utf8) return not_utf8(w, ev);
    }
    struct ln_buf *message = &begun_of(w)->message;
    ln_buf_str(message, body);
    if (!f->fin) return WS_MORE;
    *ev = (struct ws_event){.op = (enum ws_op)w->message_op, .data = ln_buf_get(message)};
    w->message_op = 0;
    ln_buf_clear(message); /* the bytes stay where they are until the next call */
    return WS_MESSAGE;
}

/* What is no plain data. */
static enum ws_result take_other(struct ws_parser *w, const struct frame *f, struct ln_str body,
                                 struct ws_event *ev) {
    if (f->op & COMPRESSED) return take_compressed(w, f, body, ev);
    if (f->op == WS_CLOSE) return take_close(w, body, ev);
    *ev = (struct ws_event){.op = (enum ws_op)f->op, .data = body};
    return WS_CONTROL;
}

static enum ws_result take_frame(struct ws_parser *w, const struct frame *f, char *p,
                                 struct ws_event *ev) {
    struct ln_str body = {p, f->size};
    bool high = f->masked ? unmask(p, f->size, f->mask) : f->op < WS_CLOSE && has_high(p, f->size);
    if (LN_UNLIKELY(f->op >= WS_CLOSE)) return take_other(w, f, body, ev);
    if (LN_UNLIKELY(!f->fin || f->op == WS_CONT)) return take_fragment(w, f, body, high, ev);
    if (f->op == WS_TEXT && high && !ln_utf8_valid(p, f->size)) return not_utf8(w, ev);
    *ev = (struct ws_event){.op = (enum ws_op)f->op, .data = body};
    return WS_MESSAGE;
}

/* Moves what the frame in `partial` still lacks from the input. True when it is whole. */
static bool fill_partial(struct ws_parser *w, const char *p, size_t n, size_t *at, struct frame *f,
                         struct ws_event *ev) {
    struct ln_buf *partial = &w->begun->partial;
    for (;;) {
        size_t need = read_head(w, partial->p, partial->n, f, ev);
        if (need == 0) return false;
        if (need <= partial->n) return true;
        if (*at == n) return false;
        size_t take = LN_MIN(need - partial->n, n - *at);
        ln_buf_add(partial, p + *at, take);
        *at += take;
    }
}

/* What was lent by the call before is free now: an idle line must not keep a big message's room. */
static void give_back(struct ws_parser *w) {
    struct ws_begun *b = w->begun;
    if (LN_LIKELY(!b)) return;
    if (b->partial.n == 0 && b->partial.cap > KEEP_BYTES) ln_buf_free(&b->partial);
    if (w->message_op == 0 && b->message.cap > KEEP_BYTES)
        ws_inflate_give_back(w->inflate, &b->message);
}

enum ws_result ws_parse(struct ws_parser *w, char *p, size_t n, size_t *used, struct ws_event *ev) {
    struct frame f;
    enum ws_result result = WS_MORE;
    size_t at = 0;
    give_back(w);
    *used = n;
    if (w->closed || w->broken) return WS_MORE; /* 5.5.1, 7.1.7: what comes now does not count */
    while (at < n && result == WS_MORE && !w->broken) {
        char *frame = p + at;
        if (LN_UNLIKELY(w->begun && w->begun->partial.n > 0)) {
            if (!fill_partial(w, p, n, &at, &f, ev)) break;
            frame = w->begun->partial.p;
            ln_buf_clear(&w->begun->partial); /* the bytes stay there until the next call */
        } else {
            size_t need = read_head(w, frame, n - at, &f, ev);
            if (need == 0) break;
            if (need > n - at) {
                ln_buf_add(&begun_of(w)->partial, frame, n - at);
                return WS_MORE;
            }
            at += need;
        }
        result = take_frame(w, &f, frame + f.head, ev);
    }
    if (w->broken) return WS_BROKEN;
    if (result != WS_MORE) *used = at;
    return result;
}
