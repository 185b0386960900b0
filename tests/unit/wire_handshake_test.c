/* SPDX-License-Identifier: MIT
 *
 * The opening handshake: the request byte for byte, and what the answers say to a person.
 */
#include "base/crypt.h"
#include "base/text.h"
#include "test.h"
#include "wire/websocket.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define OK_101 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

TEST(keys) {
    char accept[29], key[WS_KEY_LEN + 1], other[WS_KEY_LEN + 1];
    ws_accept_key(KEY, accept);
    CHECK_STR(ln_str(accept), ACCEPT);
    ws_make_key(key);
    ws_make_key(other);
    CHECK(strcmp(key, other) != 0);
    struct ln_buf raw = {0};
    CHECK_INT(strlen(key), WS_KEY_LEN);
    CHECK(ln_base64_decode(&raw, ln_str(key)));
    CHECK_INT(raw.n, 16);
    ln_buf_free(&raw);
}

TEST(the_request) {
    static const struct http_header headers[] = {{"Authorization", "Bearer x"}, {"X-Empty", ""}};
    struct ln_buf out = {0};
    struct ln_err err;
    CHECK(ws_write_request(&out, "[::1]:8080", "/socket.io/?a=\xc3\xa4", KEY, "a, b", NULL, headers,
                           2, &err));
    CHECK_STR(ln_buf_get(&out), "GET /socket.io/?a=%C3%A4 HTTP/1.1\r\n"
                                "Host: [::1]:8080\r\n"
                                "Upgrade: websocket\r\n"
                                "Connection: Upgrade\r\n"
                                "Sec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: " KEY "\r\n"
                                "Sec-WebSocket-Protocol: a, b\r\n"
                                "Authorization: Bearer x\r\n"
                                "X-Empty: \r\n"
                                "\r\n");
    struct http_head h;
    size_t used;
    CHECK_INT(http_parse_head(&h, false, ln_buf_get(&out), &used), HTTP_OK);
    CHECK_INT(used, out.n);
    ln_buf_clear(&out);
    CHECK(ws_write_request(&out, "h", "/\x80\xff", KEY, NULL, NULL, NULL, 0, &err));
    CHECK(ln_str_starts(ln_buf_get(&out), "GET /%80%FF HTTP/1.1\r\n"));
    CHECK(!strstr(ln_buf_cstr(&out), "Protocol"));
    ln_buf_free(&out);
}

TEST(requests_refused) {
    static const struct {
        const char *host, *target, *protocols, *name, *value, *says;
    } cases[] = {
        {"h\r\nX: y", "/", NULL, NULL, NULL, "the host holds"},
        {"", "/", NULL, NULL, NULL, "the host holds"},
        {"a b", "/", NULL, NULL, NULL, "the host holds"},
        {"h", "/a b", NULL, NULL, NULL, "the path holds a blank"},
        {"h", "/a\nb", NULL, NULL, NULL, "the path holds a blank"},
        {"h", "a", NULL, NULL, NULL, "does not begin with /"},
        {"h", "", NULL, NULL, NULL, "does not begin with /"},
        {"h", "/", "a\r\nX: y", NULL, NULL, "protocols is empty or holds"},
        {"h", "/", "", NULL, NULL, "protocols is empty or holds"},
        {"h", "/", NULL, "X", "s3cret\r\nY: z", "the value of X holds a control character"},
        {"h", "/", NULL, "X", "s3cret\n", "the value of X holds a control character"},
        {"h", "/", NULL, "X", "s3cret\x01", "the value of X holds a control character"},
        {"h", "/", NULL, "X Y", "z", "\"X Y\" is not a header's name"},
        {"h", "/", NULL, "X:", "z", "\"X:\" is not a header's name"},
        {"h", "/", NULL, "X\r\nY", "z", "is not a header's name"},
        {"h", "/", NULL, "", "z", "is not a header's name"},
        {"h", "/", NULL, "hOST", "z", "hOST is written by linnet itself"},
        {"h", "/", NULL, "upgrade", "z", "upgrade is written by linnet itself"},
        {"h", "/", NULL, "Connection", "z", "written by linnet itself"},
        {"h", "/", NULL, "Content-Length", "1", "written by linnet itself"},
        {"h", "/", NULL, "Transfer-Encoding", "chunked", "written by linnet itself"},
        {"h", "/", NULL, "sec-websocket-key", "z", "written by linnet itself"},
        {"h", "/", NULL, "Sec-WebSocket-Extensions", "z", "written by linnet itself"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct http_header header = {cases[i].name, cases[i].value};
        struct ln_buf out = {0};
        struct ln_err err = {0};
        ln_buf_puts(&out, "before");
        CHECK(!ws_write_request(&out, cases[i].host, cases[i].target, KEY, cases[i].protocols, NULL,
                                &header, cases[i].name ? 1 : 0, &err));
        CHECK_INT(err.code, LN_INVALID);
        CHECK_HAS(err.text, cases[i].says);
        CHECK(!strchr(err.text, '\n') && !strstr(err.text, "s3cret"));
        CHECK_STR(ln_buf_get(&out), "before");
        ln_buf_free(&out);
    }
}

static ln_status answer(const char *text, const char *protocols, struct ln_err *err) {
    struct http_head h;
    size_t used;
    *err = (struct ln_err){0};
    CHECK_INT(http_parse_head(&h, true, ln_str(text), &used), HTTP_OK);
    return ws_check_response(&h, KEY, protocols, NULL, err);
}

TEST(good_answers) {
    static const struct {
        const char *text, *protocols;
    } cases[] = {
        {OK_101 "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n", NULL},
        {OK_101 "sec-websocket-accept:" ACCEPT " \r\nSec-WebSocket-Protocol: b\r\n\r\n", "a, b"},
        {OK_101 "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Extensions: \r\n\r\n", NULL},
        {"HTTP/1.1 101 X\r\nUPGRADE: WebSocket\r\nConnection: keep-alive\r\n"
         "Connection: x, upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
         NULL},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_err err;
        CHECK_INT(answer(cases[i].text, cases[i].protocols, &err), LN_OK);
        CHECK_STR(ln_str(err.text), "");
    }
}

TEST(bad_answers) {
    static const struct {
        const char *text, *protocols, *says;
        ln_status code;
    } cases[] = {
        {"HTTP/1.1 401 Unauthorized\r\n\r\n", NULL, "HTTP 401 Unauthorized", LN_UNAUTHORIZED},
        {"HTTP/1.1 401\r\n\r\n", NULL, "HTTP 401 Unauthorized", LN_UNAUTHORIZED},
        {"HTTP/1.1 403 No\r\n\r\n", NULL, "HTTP 403 No", LN_FORBIDDEN},
        {"HTTP/1.1 404 \r\n\r\n", NULL, "HTTP 404 Not Found", LN_REFUSED},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", NULL, "HTTP 400 Bad Request", LN_REFUSED},
        {"HTTP/1.1 426\r\n\r\n", NULL, "HTTP 426 Upgrade Required", LN_REFUSED},
        {"HTTP/1.1 503\r\n\r\n", NULL, "HTTP 503 Service Unavailable", LN_REFUSED},
        {"HTTP/1.1 599\r\n\r\n", NULL, "HTTP 599", LN_REFUSED},
        {"HTTP/1.1 500 \x9b evil\r\n\r\n", NULL, "HTTP 500 \\x9b evil", LN_REFUSED},
        {"HTTP/1.1 302 Found\r\nLocation: https://b.example/x\r\n\r\n", NULL,
         "HTTP 302 redirected to https://b.example/x (redirects are not followed; use that "
         "address)",
         LN_REFUSED},
        /* most redirects repeat the query, and tokens stand there */
        {"HTTP/1.1 301 Moved\r\nLocation: https://u:pw@b.example/x?token=t0p#f\r\n\r\n", NULL,
         "HTTP 301 redirected to https://b.example/x (redirects", LN_REFUSED},
        {"HTTP/1.1 301 Moved\r\nLocation: //u:p@w@b.example/x@y\r\n\r\n", NULL,
         "HTTP 301 redirected to //b.example/x@y (", LN_REFUSED},
        {"HTTP/1.1 302 Found\r\nLocation: ?token=t0p\r\n\r\n", NULL,
         "HTTP 302 redirected to the same path (redirects", LN_REFUSED},
        {"HTTP/1.1 302 Found\r\n\r\n", NULL, "HTTP 302 Found", LN_REFUSED},
        {"HTTP/1.1 300 X\r\nLocation: /y\r\n\r\n", NULL, "HTTP 300 redirected to /y", LN_REFUSED},
        {"HTTP/1.1 400 X\r\nLocation: /y\r\n\r\n", NULL, "HTTP 400 X", LN_REFUSED},
        {"HTTP/1.1 200 OK\r\n\r\n", NULL,
         "the server answered 200 instead of 101: not a WebSocket address, or a proxy in front "
         "drops the upgrade",
         LN_PROTOCOL},
        {"HTTP/1.1 100 Continue\r\n\r\n", NULL, "the server answered 100 instead of 101",
         LN_PROTOCOL},
        {"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n", NULL,
         "101 without \"Upgrade: websocket\"", LN_PROTOCOL},
        {"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", NULL,
         "101 without \"Upgrade: websocket\"", LN_PROTOCOL},
        {"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n", NULL,
         "101 without \"Connection: Upgrade\"", LN_PROTOCOL},
        {OK_101 "\r\n", NULL, "Sec-WebSocket-Accept is missing", LN_PROTOCOL},
        {OK_101 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xoo=\r\n\r\n", NULL,
         "Sec-WebSocket-Accept is wrong", LN_PROTOCOL},
        {OK_101 "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Extensions: x-a; b=1\r\n\r\n",
         NULL, "the extension \"x-a; b=1\", which was not offered", LN_PROTOCOL},
        {OK_101 "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: c\r\n\r\n", "a, b",
         "the subprotocol \"c\", which was not offered", LN_PROTOCOL},
        {OK_101 "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: A\r\n\r\n", "a,b",
         "the subprotocol \"A\", which was not offered", LN_PROTOCOL},
        {OK_101 "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: a\r\n\r\n", NULL,
         "the subprotocol \"a\", which was not offered", LN_PROTOCOL},
        {OK_101 "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: a, b\r\n\r\n", "a, b",
         "the subprotocol \"a, b\", which was not offered", LN_PROTOCOL},
        {OK_101 "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n", "a, b",
         "the server took none of the subprotocols \"a, b\"", LN_REFUSED},
        {OK_101 "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol:\r\n\r\n", "a, b",
         "the subprotocol \"\", which was not offered", LN_PROTOCOL},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_err err;
        CHECK_INT(answer(cases[i].text, cases[i].protocols, &err), cases[i].code);
        CHECK_INT(err.code, cases[i].code);
        CHECK_HAS(err.text, cases[i].says);
    }
}

/* Servers behind HTTP/2 proxies send no words. */
TEST(words_for_bare_numbers) {
    static const char *const texts[] = {"400 Bad Request",
                                        "403 Forbidden",
                                        "407 Proxy Authentication Required",
                                        "429 Too Many Requests",
                                        "500 Internal Server Error",
                                        "502 Bad Gateway",
                                        "504 Gateway Timeout"};
    for (size_t i = 0; i < LN_COUNT(texts); i++) {
        char text[60], want[60];
        struct ln_err err;
        snprintf(text, sizeof text, "HTTP/1.1 %.3s\r\n\r\n", texts[i]);
        snprintf(want, sizeof want, "HTTP %s", texts[i]);
        answer(text, NULL, &err);
        CHECK_STR(ln_str(err.text), want);
    }
}

TEST(a_long_answer_is_cut) {
    char text[3000];
    size_t n = (size_t)sprintf(text, "HTTP/1.1 302 X\r\nLocation: ");
    memset(text + n, 'a', 2000);
    sprintf(text + n + 2000, "\r\n\r\n");
    struct ln_err err;
    CHECK_INT(answer(text, NULL, &err), LN_REFUSED);
    CHECK_HAS(err.text, "(redirects are not followed; use that address)");
}

TEST_MAIN(T(keys), T(the_request), T(requests_refused), T(good_answers), T(bad_answers),
          T(words_for_bare_numbers), T(a_long_answer_is_cut))
