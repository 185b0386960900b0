/* SPDX-License-Identifier: MIT
 *
 * For tests of the WebSocket parser: frames are built by hand (not by the writer that is tested
 * too), fed whole, byte by byte and cut at every place, to a client and to a server, and what comes
 * out is compared as one line of text:
 *   text "hi" | ping "" | close 1000 "bye" | broken 1002 5.2 | text #65536 (that much of pattern)
 * Every piece lies in its own block of memory, so that a byte read or kept too much is found.
 */
#ifndef LN_TEST_WS_FEED_H
#define LN_TEST_WS_FEED_H

#include "base/buf.h"
#include "test.h"
#include "wire/deflate.h"

struct part { /* one frame: its first byte and its payload */
    int first;
    struct ln_str body;
};
enum {
    CONT = 0x80,
    TEXT = 0x81,
    BIN = 0x82,
    CLOSE = 0x88,
    PING = 0x89,
    PONG = 0x8a,
    CONT_MORE = 0x00, /* without FIN */
    TEXT_MORE = 0x01,
    BIN_MORE = 0x02
};

static size_t feed_limit = 32 * 1024 * 1024;
static struct ws_zip *feed_zip; /* not NULL: with compression, as feed_deflate says */
static struct ws_deflate feed_deflate;
static size_t feed_lent_inside; /* messages of the last run that were lent from the input */

/* Bytes whose place shows; at most 4 MiB. */
static inline struct ln_str pattern(size_t n) {
    static char bytes[4 << 20];
    for (size_t i = 0; bytes[0] == 0 && i < sizeof bytes; i++)
        bytes[sizeof bytes - 1 - i] = (char)('a' + (sizeof bytes - 1 - i) % 23);
    return (struct ln_str){bytes, n};
}

/* A frame whose length is written in `wide` bytes (0: in the second byte). */
static inline void add_frame_wide(struct ln_buf *b, bool mask, int first, struct ln_str body,
                                  int wide) {
    static const char key[4] = {0x12, (char)0xff, 0x00, (char)0x80};
    ln_buf_putc(b, (char)first);
    size_t small = wide == 0 ? body.n : wide == 2 ? 126 : 127;
    ln_buf_putc(b, (char)((mask ? 0x80 : 0) | (int)small));
    for (int i = wide - 1; i >= 0; i--)
        ln_buf_putc(b, (char)(body.n >> (8 * i)));
    if (mask) ln_buf_add(b, key, 4);
    char *to = ln_buf_room(b, body.n);
    for (size_t i = 0; i < body.n; i++)
        to[i] = mask ? (char)(body.p[i] ^ key[i & 3]) : body.p[i];
    b->n += body.n;
}

static inline void add_frame(struct ln_buf *b, bool mask, int first, struct ln_str body) {
    add_frame_wide(b, mask, first, body, body.n < 126 ? 0 : body.n < 65536 ? 2 : 8);
}

static inline void describe(struct ln_buf *out, enum ws_result result, const struct ws_event *ev) {
    static const char *const ops[] = {"?", "text", "binary", "?",    "?",   "?",
                                      "?", "?",    "close",  "ping", "pong"};
    if (out->n > 0) ln_buf_puts(out, " | ");
    if (result == WS_BROKEN) { /* the section is the last word of the reason */
        const char *section = ev->error ? strrchr(ev->error, ' ') : NULL;
        ln_buf_fmt(out, "broken %d %.*s", ev->code, section ? (int)strcspn(section + 1, ")") : 0,
                   section ? section + 1 : "");
        return;
    }
    ln_buf_puts(out, ops[ev->op]);
    if (ev->op == WS_CLOSE) ln_buf_fmt(out, " %d", ev->code);
    bool is_pattern = ev->data.n > 20 && ln_str_eq(ev->data, pattern(ev->data.n));
    if (is_pattern)
        ln_buf_fmt(out, " #%zu", ev->data.n);
    else
        ln_buf_fmt(out, " \"%.*s\"", LN_FMT(ev->data));
}

/* One read's bytes into the parser. */
static inline void feed_piece(struct ws_parser *w, const char *p, size_t n, struct ln_buf *out) {
    char *copy = malloc(n ? n : 1);
    memcpy(copy, p, n);
    for (size_t at = 0;;) {
        struct ws_event ev;
        size_t used = SIZE_MAX;
        enum ws_result r = ws_parse(w, copy + at, n - at, &used, &ev);
        CHECK(used <= n - at);
        if (r == WS_MORE) {
            CHECK_INT(used, n - at);
            break;
        }
        bool data = r == WS_MESSAGE;
        CHECK(data ? ev.op == WS_TEXT || ev.op == WS_BINARY : ev.op >= WS_CLOSE);
        CHECK((r == WS_BROKEN) == (ev.error != NULL));
        if (data && ev.data.p >= copy && ev.data.p <= copy + n) feed_lent_inside++;
        describe(out, r, &ev);
        at += used;
        if (r == WS_BROKEN) {
            CHECK_INT(at, n);
            break;
        }
    }
    free(copy);
}

/* Feeds bytes in pieces of `step` bytes, the first of them `first` bytes long. */
static inline void feed(bool server, struct ln_str bytes, size_t first, size_t step,
                        struct ln_buf *out) {
    struct ws_parser w;
    ws_parser_init(&w, server, feed_limit);
    if (feed_zip) ws_parser_deflate(&w, feed_zip, &feed_deflate);
    feed_lent_inside = 0;
    for (size_t at = 0, n = LN_MIN(first, bytes.n); at < bytes.n;) {
        feed_piece(&w, bytes.p + at, n, out);
        at += n;
        n = LN_MIN(step, bytes.n - at);
    }
    if (w.begun) CHECK(w.begun->partial.n + w.begun->message.n <= feed_limit + 14);
    ws_parser_free(&w);
}

static inline void feed_check(bool server, struct ln_str bytes, size_t first, size_t step,
                              const char *want) {
    struct ln_buf out = {0};
    feed(server, bytes, first, step, &out);
    if (!ln_str_is(ln_buf_get(&out), want)) {
        test_failures++;
        printf("%s, pieces of %zu and %zu bytes: got <%s>, wanted <%s>\n",
               server ? "server" : "client", first, step, ln_buf_cstr(&out), want);
    }
    ln_buf_free(&out);
}

/* All ways of cutting: whole, byte by byte, odd sizes, and at every place when it is short. */
static inline void feed_all(bool server, struct ln_str bytes, const char *want) {
    feed_check(server, bytes, bytes.n, bytes.n, want);
    feed_check(server, bytes, 997, 997, want);
    feed_check(server, bytes, 1460, 65536, want);
    if (bytes.n <= 70000) feed_check(server, bytes, 1, 1, want);
    for (size_t i = 1; i < bytes.n && bytes.n <= 400; i++)
        feed_check(server, bytes, i, bytes.n, want);
}

static inline void feed_parts(const struct part *parts, size_t count, const char *want) {
    for (int server = 0; server < 2; server++) {
        struct ln_buf bytes = {0};
        for (size_t i = 0; i < count; i++)
            add_frame(&bytes, server, parts[i].first, parts[i].body);
        feed_all(server, ln_buf_get(&bytes), want);
        ln_buf_free(&bytes);
    }
}

/* CASE(want, {TEXT, LN_STR("a")}, {PING, LN_STR("")}) */
#define CASE(want, ...)                                                                            \
    do {                                                                                           \
        const struct part parts_[] = {__VA_ARGS__};                                                \
        int before_ = test_failures;                                                               \
        feed_parts(parts_, LN_COUNT(parts_), (want));                                              \
        if (test_failures != before_) printf("%s:%d: in this case\n", __FILE__, __LINE__);         \
    } while (0)
/* A case for one role, from raw bytes. */
#define RAW(server, bytes, want) feed_all((server), LN_STR(bytes), (want))

#endif
