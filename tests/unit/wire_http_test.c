/* SPDX-License-Identifier: MIT
 *
 * The head of an HTTP message from friendly and hostile peers: each case at once and byte by byte.
 */
#include "test.h"
#include "wire/websocket.h"

static struct http_head head;

static enum http_parse parse(bool is_response, const char *text, size_t *used) {
    return http_parse_head(&head, is_response, ln_str(text), used);
}

/* The answer for the whole text; on the way there, shorter pieces ask for more or agree. */
static enum http_parse parse_slowly(bool is_response, const char *text) {
    size_t n = strlen(text), used;
    for (size_t i = 0; i < n; i++) {
        char *piece = malloc(i + 1); /* its own block: a byte read behind it is found */
        memcpy(piece, text, i);
        enum http_parse r = http_parse_head(&head, is_response, (struct ln_str){piece, i}, &used);
        free(piece);
        if (r != HTTP_MORE) {
            CHECK_INT(r, parse(is_response, text, &used));
            return r;
        }
    }
    return parse(is_response, text, &used);
}

TEST(a_response) {
    size_t used = 0;
    CHECK_INT(parse(true,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "connection:\t Upgrade , keep-alive \r\nEmpty:\r\nX: a b\tc\r\n\r\n\x81\x01x",
                    &used),
              HTTP_OK);
    CHECK_INT(used, 110);
    CHECK_INT(head.status, 101);
    CHECK_STR(head.reason, "Switching Protocols");
    CHECK_INT(head.count, 4);
    CHECK_STR(http_header_get(&head, "upgrade"), "websocket");
    CHECK_STR(http_header_get(&head, "Connection"), "Upgrade , keep-alive");
    CHECK_STR(http_header_get(&head, "X"), "a b\tc");
    CHECK(http_header_get(&head, "empty").p != NULL);
    CHECK_INT(http_header_get(&head, "empty").n, 0);
    CHECK(http_header_get(&head, "Upgrad").p == NULL);
    CHECK(http_header_get(&head, "Upgrades").p == NULL);
    CHECK(http_header_get(&head, "Upgrbde").p == NULL);
}

TEST(short_status_lines) {
    size_t used;
    CHECK_INT(parse(true, "HTTP/1.0 503\r\n\r\n", &used), HTTP_OK);
    CHECK_INT(head.status, 503);
    CHECK_INT(head.reason.n, 0);
    CHECK_INT(head.count, 0);
    CHECK_INT(used, 16);
    CHECK_INT(parse(true, "HTTP/1.1 200 \r\n\r\n", &used), HTTP_OK);
    CHECK_INT(head.reason.n, 0);
}

TEST(a_request) {
    size_t used;
    CHECK_INT(parse(false, "GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: h\r\n\r\n", &used), HTTP_OK);
    CHECK_STR(head.method, "GET");
    CHECK_STR(head.target, "/socket.io/?EIO=4");
    CHECK_STR(http_header_get(&head, "HOST"), "h");
    CHECK_INT(parse(false, "AZaz09 * HTTP/1.0\r\nX-AZ: 1\r\n\r\n", &used), HTTP_OK);
    CHECK_STR(head.method, "AZaz09");
    CHECK_STR(http_header_get(&head, "x-az"), "1");
}

TEST(bad_responses) {
    static const char *const cases[] = {
        "\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 \r\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 X\r\n\r\n",
        "HTTP/1.1 20x OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\x15\x03\x01\x00\x02\x02",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 O\rK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "HTTP/1.1 200 OK\r\n Folded: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n\tfolded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA(: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\xc3\xa4: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\x7f\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rX: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\nX: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n\n",
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        if (parse_slowly(true, cases[i]) == HTTP_BAD) continue;
        test_failures++;
        printf("not refused: %s\n", cases[i]);
    }
}

TEST(bad_requests) {
    static const char *const cases[] = {
        "\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "GET\r\n\r\n",
        "GET \r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET /a\tb HTTP/1.1\r\n\r\n",
        "GET / HTTP/3.0\r\n\r\n",
        "G(T / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02",
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        if (parse_slowly(false, cases[i]) == HTTP_BAD) continue;
        test_failures++;
        printf("not refused: %s\n", cases[i]);
    }
}

TEST(a_zero_byte_is_refused) {
    size_t used;
    CHECK_INT(http_parse_head(&head, true, LN_STR("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n"), &used),
              HTTP_BAD);
    CHECK_INT(http_parse_head(&head, true, LN_STR("\0"), &used), HTTP_BAD);
}

TEST(more_until_whole) {
    static const char text[] = "HTTP/1.1 200 OK\r\nServer: a\r\nB: c\r\n\r\n";
    size_t used = 99;
    for (size_t i = 0; i + 1 < sizeof text - 1; i++) {
        CHECK_INT(http_parse_head(&head, true, (struct ln_str){text, i}, &used), HTTP_MORE);
        CHECK_INT(used, 0);
    }
    CHECK_INT(http_parse_head(&head, true, (struct ln_str){NULL, 0}, &used), HTTP_MORE);
    CHECK_INT(http_parse_head(&head, true, ln_str(text), &used), HTTP_OK);
    CHECK_INT(used, sizeof text - 1);
}

TEST(hopeless_at_once) {
    size_t used;
    CHECK_INT(parse(true, "X", &used), HTTP_BAD);
    CHECK_INT(parse(true, "HTTP/2", &used), HTTP_BAD);
    CHECK_INT(parse(true, "HTTP/1.1 200 OK\r\n\r", &used), HTTP_MORE);
    CHECK_INT(parse(true, "HTTP/1.1 200 OK\r\nA: \x02", &used), HTTP_BAD);
    CHECK_INT(parse(false, "\x16", &used), HTTP_BAD);
    CHECK_INT(parse(false, "(", &used), HTTP_BAD);
    CHECK_INT(parse(false, "GE", &used), HTTP_MORE);
    CHECK_INT(parse(false, "GET / HTTP/1.1\r\n(", &used), HTTP_MORE); /* until its line is whole */
}

/* "HTTP/1.1 200 OK", `headers` headers, then one that fills the head up to `size` bytes. */
static struct ln_str build(int headers, size_t size) {
    static char text[20000];
    size_t n = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < headers; i++)
        n += (size_t)sprintf(text + n, "H%d: v\r\n", i);
    if (size > 0) {
        n += (size_t)sprintf(text + n, "Long: ");
        while (n < size - 4)
            text[n++] = 'x';
        n += (size_t)sprintf(text + n, "\r\n");
    }
    n += (size_t)sprintf(text + n, "\r\n");
    return (struct ln_str){text, n};
}

TEST(limits) {
    size_t used;
    struct ln_str text = build(64, 0);
    CHECK_INT(http_parse_head(&head, true, text, &used), HTTP_OK);
    CHECK_INT(head.count, 64);
    CHECK_STR(http_header_get(&head, "h63"), "v");
    CHECK_INT(http_parse_head(&head, true, build(65, 0), &used), HTTP_TOO_BIG);
    text = build(1, 16384);
    CHECK_INT(text.n, 16384);
    CHECK_INT(http_parse_head(&head, true, text, &used), HTTP_OK);
    CHECK_INT(used, 16384);
    CHECK_INT(http_parse_head(&head, true, build(1, 16385), &used), HTTP_TOO_BIG);
    text.n = 16383;
    CHECK_INT(http_parse_head(&head, true, text, &used), HTTP_MORE);
    text = build(1, 20000 - 2); /* one endless line */
    text.n = 16384;
    CHECK_INT(http_parse_head(&head, true, text, &used), HTTP_TOO_BIG);
}

TEST(tokens_in_lists) {
    CHECK(http_header_has_token(LN_STR("Upgrade"), "upgrade"));
    CHECK(http_header_has_token(LN_STR("keep-alive, Upgrade"), "upgrade"));
    CHECK(http_header_has_token(LN_STR(",, \tUPGRADE\t,x"), "upgrade"));
    CHECK(!http_header_has_token(LN_STR("upgrades"), "upgrade"));
    CHECK(!http_header_has_token(LN_STR("up, grade"), "upgrade"));
    CHECK(!http_header_has_token(LN_STR("keep alive upgrade"), "upgrade"));
    CHECK(!http_header_has_token(LN_STR(""), "upgrade"));
    CHECK(!http_header_has_token(LN_STR("upgrad"), "upgrade"));
    CHECK(!http_header_has_token((struct ln_str){NULL, 0}, "upgrade"));
    CHECK(!http_header_has_token(LN_STR("upgrade\0x"), "upgrade"));
}

TEST_MAIN(T(a_response), T(short_status_lines), T(a_request), T(bad_responses), T(bad_requests),
          T(a_zero_byte_is_refused), T(more_until_whole), T(hopeless_at_once), T(limits),
          T(tokens_in_lists))
