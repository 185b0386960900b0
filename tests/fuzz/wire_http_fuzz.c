/* SPDX-License-Identifier: MIT
 *
 * The head of an HTTP message, as a response (first byte even) or a request: a prefix never says
 * something else than the whole, slices lie inside, and any answer is judged with words.
 */
#include <stdlib.h>

#include "wire/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) abort();
}

static void inside(struct ln_str s, struct ln_str in) {
    require(s.n == 0 || (s.p >= in.p && s.p + s.n <= in.p + in.n));
    require(s.n == 0 || (!memchr(s.p, '\r', s.n) && !memchr(s.p, '\n', s.n)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct http_head head;
    if (size < 1) return 0;
    bool is_response = data[0] % 2 == 0;
    size_t n = size - 1, used, ignored;
    struct ln_str in = {(const char *)data + 1, n};
    enum http_parse early =
        http_parse_head(&head, is_response, (struct ln_str){in.p, n / 2}, &ignored);
    enum http_parse r = http_parse_head(&head, is_response, in, &used);
    require(early == HTTP_MORE || early == r);
    require(used <= n && (used > 0) == (r == HTTP_OK));
    for (size_t i = 0; r == HTTP_OK && i < head.count; i++) {
        inside(head.headers[i].name, in);
        inside(head.headers[i].value, in);
        http_header_has_token(head.headers[i].value, "upgrade");
    }
    if (r == HTTP_OK && is_response) {
        struct ln_err err = {0};
        ln_status s = ws_check_response(&head, "dGhlIHNhbXBsZSBub25jZQ==", "a, b", NULL, &err);
        require((s == LN_OK) == (err.text[0] == 0));
        require(s == err.code || s == LN_OK);
    }
    return 0;
}
