/* SPDX-License-Identifier: MIT
 *
 * Bodies of answers: every framing of RFC 9112, fed whole and byte by byte, and everything that
 * makes two readers disagree about where an answer ends.
 */
#include "test.h"
#include "wire/http.h"

/* Feeds `text` (head and body) in pieces of `step` bytes; the body in out. rest: bytes that are no
 * part of the answer. */
static enum http_body_result feed(const char *text, size_t step, struct ln_buf *out, size_t max,
                                  size_t *rest, struct http_body *b) {
    static struct http_head h;
    size_t at, used;
    struct ln_err err;
    enum http_body_result r = BODY_MORE;
    struct ln_str all = ln_str(text);
    CHECK_INT(http_parse_head(&h, true, all, &at), HTTP_OK);
    CHECK(http_body_begin(b, &h, false, &err));
    do {
        struct ln_str in = {all.p + at, LN_MIN(step, all.n - at)};
        r = http_body_feed(b, in, &used, out, max);
        at += used;
        CHECK(used <= in.n);
    } while (r == BODY_MORE && at < all.n);
    *rest = all.n - at;
    return r;
}

static void check(const char *text, enum http_body_result want, const char *body, size_t rest) {
    for (size_t step = 1; step < 100; step += 7) {
        struct ln_buf out = {0};
        struct http_body b;
        size_t left;
        CHECK_INT(feed(text, step, &out, 100, &left, &b), want);
        if (want == BODY_DONE || want == BODY_MORE) {
            CHECK_STR(ln_buf_get(&out), body);
            CHECK_INT(left, rest);
        }
        CHECK(out.n <= 100);
        ln_buf_free(&out);
    }
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

TEST(by_length) {
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", BODY_DONE, "hello", 0);
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP", BODY_DONE, "hello", 4);
    check("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BODY_DONE, "", 0);
    check("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", BODY_MORE, "hello", 0);
    check("HTTP/1.1 200 OK\r\nContent-Length: 007\r\nContent-Length: 7\r\n\r\nbondage", BODY_DONE,
          "bondage", 0);
    check("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\nx", BODY_TOO_BIG, "", 0);
    check("HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\nx", BODY_TOO_BIG, "", 0);
}

TEST(in_chunks) {
    check(CHUNKED "5\r\nhello\r\n0\r\n\r\n", BODY_DONE, "hello", 0);
    check(CHUNKED "2\r\nhe\r\n3;name=\"x\"\r\nllo\r\n00\r\nTrailer: x\r\nMore: y\r\n\r\nrest",
          BODY_DONE, "hello", 4);
    check(CHUNKED "0\r\n\r\n", BODY_DONE, "", 0);
    check(CHUNKED "a \r\n0123456789\r\n0\r\n\r\n", BODY_DONE, "0123456789", 0);
    check(CHUNKED "5\r\nhel", BODY_MORE, "hel", 0);
    check(CHUNKED "64\r\n", BODY_MORE, "", 0);
}

TEST(malformed_chunks) {
    static const char *const bad[] = {"\r\nhello",
                                      "x\r\n",
                                      "5\nhello",
                                      "5\r\nhelloX",
                                      "5\r\nhello\rX",
                                      "-1\r\n",
                                      "0x5\r\nhello",
                                      ";a=b\r\n",
                                      "fffffffffffffffff0",
                                      "5\r\nhello\r\n\r\n",
                                      "0\r\nA\nb",
                                      "0\r\nA: b\r\rx",
                                      "5\x01\r\n",
                                      "5;\x01\r\n",
                                      "5;a\rx",
                                      "5\r\nhello",
                                      "0\r\n\x7f\x01\r\n"};
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        struct ln_buf out = {0};
        struct http_body b;
        char text[256];
        size_t rest;
        snprintf(text, sizeof text, CHUNKED "%s", bad[i]);
        bool is_unfinished = strcmp(bad[i], "5\r\nhello") == 0;
        enum http_body_result r = feed(text, 1000, &out, 100, &rest, &b);
        if (r != (is_unfinished ? BODY_MORE : BODY_BAD)) printf("chunks %zu\n", i);
        CHECK_INT(r, is_unfinished ? BODY_MORE : BODY_BAD);
        CHECK(!http_body_end(&b));
        ln_buf_free(&out);
    }
}

TEST(chunks_are_limited) {
    struct ln_buf text = {0}, out = {0};
    struct http_body b;
    size_t rest;
    check(CHUNKED "65\r\n0123456789012345678901234567890123456789012345678901234567890123456789012"
                  "3456789012345678901234567890\r\n",
          BODY_TOO_BIG, "", 0);
    ln_buf_puts(&text, CHUNKED "5;");
    for (int i = 0; i < 5000; i++)
        ln_buf_putc(&text, 'x');
    CHECK_INT(feed(ln_buf_cstr(&text), 1000, &out, 100, &rest, &b), BODY_BAD);
    ln_buf_clear(&text);
    ln_buf_puts(&text, CHUNKED "0\r\n");
    for (int i = 0; i < 5000; i++)
        ln_buf_puts(&text, "T: x\r\n");
    CHECK_INT(feed(ln_buf_cstr(&text), 1000, &out, 100, &rest, &b), BODY_BAD);
    ln_buf_free(&text);
    ln_buf_free(&out);
}

TEST(until_the_end) {
    struct ln_buf out = {0};
    struct http_body b;
    size_t rest;
    check("HTTP/1.1 200 OK\r\n\r\nall of it", BODY_MORE, "all of it", 0);
    feed("HTTP/1.1 200 OK\r\n\r\nx", 1, &out, 100, &rest, &b);
    CHECK(http_body_end(&b));
    feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx", 1, &out, 100, &rest, &b);
    CHECK(!http_body_end(&b));
    ln_buf_free(&out);
}

TEST(no_body) {
    static struct http_head h;
    struct http_body b;
    struct ln_buf out = {0};
    size_t used;
    check("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", BODY_DONE, "", 0);
    check("HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\nnext", BODY_DONE, "", 4);
    http_parse_head(&h, true, LN_STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), &used);
    CHECK(http_body_begin(&b, &h, true, NULL));
    CHECK_INT(http_body_feed(&b, (struct ln_str){"", 0}, &used, &out, 100), BODY_DONE);
    CHECK(http_body_end(&b));
}

TEST(heads_that_say_two_things) {
    static const char *const heads[] = {"Content-Length: 5\r\nContent-Length: 6\r\n",
                                        "Content-Length: 5, 5\r\n",
                                        "Content-Length: -5\r\n",
                                        "Content-Length: 0x5\r\n",
                                        "Content-Length:\r\n",
                                        "Content-Length: 9999999999999999999\r\n",
                                        "Transfer-Encoding: gzip, chunked\r\n",
                                        "Transfer-Encoding: chunked\r\n"
                                        "Transfer-Encoding: gzip\r\n",
                                        "Transfer-Encoding: identity\r\n"};
    for (size_t i = 0; i < LN_COUNT(heads); i++) {
        static struct http_head h;
        struct http_body b;
        struct ln_err err = {0};
        char text[256];
        size_t used;
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\n", heads[i]);
        CHECK_INT(http_parse_head(&h, true, ln_str(text), &used), HTTP_OK);
        CHECK(!http_body_begin(&b, &h, false, &err));
        CHECK_INT(err.code, LN_PROTOCOL);
        CHECK(err.text[0] != 0);
    }
}

static bool keeps(const char *text) {
    static struct http_head h;
    struct http_body b;
    size_t used;
    CHECK_INT(http_parse_head(&h, true, ln_str(text), &used), HTTP_OK);
    CHECK(http_body_begin(&b, &h, false, NULL));
    return http_keeps_alive(&h, &b);
}

TEST(kept_connections) {
    CHECK(keeps("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"));
    CHECK(keeps("HTTP/1.1 204 OK\r\n\r\n"));
    CHECK(keeps(CHUNKED));
    CHECK(!keeps("HTTP/1.1 200 OK\r\n\r\n"));
    CHECK(!keeps("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: Close\r\n\r\n"));
    CHECK(!keeps("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n"));
    CHECK(keeps("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n"));
    CHECK(!keeps("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

TEST_MAIN(T(by_length), T(in_chunks), T(malformed_chunks), T(chunks_are_limited), T(until_the_end),
          T(no_body), T(heads_that_say_two_things), T(kept_connections))
