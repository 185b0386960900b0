/* SPDX-License-Identifier: MIT
 *
 * The WebSocket writer: bytes by hand, then back and forth with the parser: random messages in
 * random fragments and pieces, cut at random places, in both directions.
 */
#include "base/crypt.h"
#include "ws_feed.h"

static void check_bytes(struct ln_buf *out, struct ln_str want) {
    CHECK(ln_str_eq(ln_buf_get(out), want));
    ln_buf_clear(out);
}

TEST(plain_frames) {
    struct ln_buf out = {0};
    struct ln_str pieces[3] = {LN_STR("Hel"), {NULL, 0}, LN_STR("lo")};
    ws_write(&out, false, true, WS_TEXT, pieces, 3);
    check_bytes(&out, LN_STR("\x81\x05Hello"));
    ws_write(&out, false, false, WS_TEXT, pieces, 1);
    check_bytes(&out, LN_STR("\x01\x03Hel"));
    ws_write(&out, false, true, WS_CONT, pieces + 2, 1);
    check_bytes(&out, LN_STR("\x80\x02lo"));
    ws_write(&out, false, true, WS_PING, NULL, 0);
    check_bytes(&out, LN_STR("\x89\x00"));
    ws_write(&out, false, true, WS_BINARY, pieces + 1, 1);
    check_bytes(&out, LN_STR("\x82\x00"));
    ln_buf_free(&out);
}

TEST(lengths) {
    static const struct {
        size_t n, head;
        const char *bytes;
    } cases[] = {{125, 2, "\x82\x7d"},
                 {126, 4, "\x82\x7e\x00\x7e"},
                 {65535, 4, "\x82\x7e\xff\xff"},
                 {65536, 10, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"}};
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_buf out = {0};
        struct ln_str body = pattern(cases[i].n);
        ws_write(&out, false, true, WS_BINARY, &body, 1);
        CHECK_INT(out.n, cases[i].head + body.n);
        CHECK(memcmp(out.p, cases[i].bytes, cases[i].head) == 0);
        CHECK(memcmp(out.p + cases[i].head, body.p, body.n) == 0);
        ln_buf_free(&out);
    }
}

/* Every split of a payload into two pieces gives the same masked bytes as the whole. */
TEST(masked_frames) {
    struct ln_str body = pattern(40);
    for (size_t i = 0; i <= body.n; i++) {
        struct ln_buf out = {0};
        struct ln_str pieces[2] = {{body.p, i}, {body.p + i, body.n - i}};
        ws_write(&out, true, true, WS_TEXT, pieces, 2);
        CHECK_INT(out.n, 2 + 4 + body.n);
        CHECK_INT((unsigned char)out.p[1], 0x80 | 40);
        for (size_t k = 0; k < body.n; k++)
            CHECK_INT(out.p[6 + k] ^ out.p[2 + k % 4], body.p[k]);
        ln_buf_free(&out);
    }
}

TEST(masks_are_fresh) {
    struct ln_buf out = {0};
    ws_write(&out, true, true, WS_PING, NULL, 0);
    ws_write(&out, true, true, WS_PING, NULL, 0);
    ws_write(&out, true, true, WS_PING, NULL, 0);
    CHECK_INT(out.n, 18);
    CHECK(memcmp(out.p + 2, out.p + 8, 4) != 0 || memcmp(out.p + 8, out.p + 14, 4) != 0);
    ln_buf_free(&out);
}

TEST(close_frames) {
    struct ln_buf out = {0};
    ws_write_close(&out, false, 1000, LN_STR("bye"));
    check_bytes(&out, LN_STR("\x88\x05\x03\xe8"
                             "bye"));
    ws_write_close(&out, false, 4999, (struct ln_str){NULL, 0});
    check_bytes(&out, LN_STR("\x88\x02\x13\x87"));
    static const int none[] = {1005, 1006, 1015, 0, -1, 5000, 65536 + 1000};
    for (size_t i = 0; i < LN_COUNT(none); i++) {
        ws_write_close(&out, false, none[i], LN_STR("not said"));
        check_bytes(&out, LN_STR("\x88\x00"));
    }
    ws_write_close(&out, true, 1000, LN_STR(""));
    CHECK_INT(out.n, 8);
    ln_buf_free(&out);
}

TEST(long_reasons_are_cut) {
    static const struct {
        const char *middle; /* comes after 121 bytes */
        size_t kept;
    } cases[] = {{"aa", 123},         {"aaaa", 123},          {"\xc3\xa4z", 123},
                 {"a\xc3\xa4z", 122}, {"\xe2\x82\xac!", 121}, {"\xf0\x9f\x98\x80", 121}};
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        char reason[140];
        struct ln_buf out = {0};
        memset(reason, 'r', 121);
        strcpy(reason + 121, cases[i].middle);
        ws_write_close(&out, false, 1008, ln_str(reason));
        CHECK_INT(out.n, 2 + 2 + cases[i].kept);
        CHECK(memcmp(out.p + 4, reason, cases[i].kept) == 0);
        ln_buf_free(&out);
    }
    struct ln_buf out = {0};
    char *full = malloc(123); /* as long as may be, and not a byte behind it */
    memset(full, 'r', 123);
    ws_write_close(&out, false, 1008, (struct ln_str){full, 123});
    CHECK_INT(out.n, 127);
    ln_buf_clear(&out);
    free(full);
    char rubbish[200];
    memset(rubbish, 0x80, sizeof rubbish);
    ws_write_close(&out, false, 1008, (struct ln_str){rubbish, sizeof rubbish});
    check_bytes(&out, LN_STR("\x88\x02\x03\xf0"));
    ln_buf_free(&out);
}

static uint32_t state;
static size_t pick(size_t below) { /* the same on every machine */
    state = state * 1664525u + 1013904223u;
    return below ? (state >> 8) % below : 0;
}

/* Writes body as one message in up to 4 fragments, each of up to 4 pieces. */
static void write_message(struct ln_buf *out, bool mask, enum ws_op op, struct ln_str body) {
    size_t fragments = 1 + pick(4), at = 0;
    for (size_t f = 0; f < fragments; f++) {
        bool last = f + 1 == fragments;
        size_t end = last ? body.n : at + pick(body.n - at + 1), count = 1 + pick(4);
        struct ln_str pieces[4];
        for (size_t i = 0; i < count; i++) {
            size_t n = i + 1 == count ? end - at : pick(end - at + 1);
            pieces[i] = (struct ln_str){body.p + at, n};
            at += n;
        }
        ws_write(out, mask, last, f == 0 ? op : WS_CONT, pieces, count);
        if (!last && pick(4) == 0) ws_write(out, mask, true, WS_PING, pieces, 0);
    }
}

static void describe_message(struct ln_buf *want, enum ws_op op, struct ln_str body) {
    struct ws_event ev = {.op = op, .data = body};
    describe(want, WS_MESSAGE, &ev);
}

/* What is written to `out`, less the pings, is what the parser must say. */
static void drop_pings(struct ln_buf *out) {
    static const char ping[] = "ping \"\"", next[] = " | ";
    struct ln_buf kept = {0};
    for (char *p = (char *)(uintptr_t)ln_buf_cstr(out); *p;) {
        char *end = strstr(p, next);
        size_t n = end ? (size_t)(end - p) : strlen(p);
        if (n != sizeof ping - 1 || memcmp(p, ping, n) != 0) {
            if (kept.n > 0) ln_buf_puts(&kept, next);
            ln_buf_add(&kept, p, n);
        }
        p += n + (end ? sizeof next - 1 : 0);
    }
    ln_buf_free(out);
    *out = kept;
}

TEST(back_and_forth) {
    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct ln_buf bytes = {0}, want = {0}, got = {0};
        bool server = seed & 1;
        state = seed;
        for (size_t i = 0, n = 1 + pick(8); i < n; i++) {
            struct ln_str body = pattern(pick(pick(10) == 0 ? 70000 : 300));
            enum ws_op op = pick(2) ? WS_TEXT : WS_BINARY;
            write_message(&bytes, server, op, body);
            describe_message(&want, op, body);
        }
        feed(server, ln_buf_get(&bytes), 1 + pick(bytes.n), 1 + pick(3000), &got);
        drop_pings(&got);
        if (!ln_str_eq(ln_buf_get(&got), ln_buf_get(&want))) {
            test_failures++;
            printf("seed %u: got <%s>, wanted <%s>\n", seed, ln_buf_cstr(&got), ln_buf_cstr(&want));
        }
        ln_buf_free(&bytes);
        ln_buf_free(&want);
        ln_buf_free(&got);
    }
}

TEST_MAIN(T(plain_frames), T(lengths), T(masked_frames), T(masks_are_fresh), T(close_frames),
          T(long_reasons_are_cut), T(back_and_forth))
