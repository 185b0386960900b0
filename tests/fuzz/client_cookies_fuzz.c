/* SPDX-License-Identifier: MIT
 *
 * Cookies that a server sets, one a line; then what would be sent at two places. Nothing that could
 * end a header comes out, and no more than 50 cookies.
 */
#include <stdlib.h>

#include "client/cookies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct cookies *jar, const struct cookie_place *at) {
    struct ln_buf out = {0};
    size_t semicolons = 0;
    cookies_write(jar, at, &out);
    for (size_t i = 0; i < out.n; i++) {
        if (out.p[i] == '\n' || out.p[i] == '\r') abort();
        semicolons += out.p[i] == ';';
    }
    if (semicolons > 49) abort();
    ln_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cookie_place at = {LN_STR("a.chat.example"), LN_STR("/socket.io/"), true, 1700000000000};
    struct cookie_place later = {LN_STR("a.chat.example"), LN_STR("/"), false, 1700000060000};
    struct cookies *jar = NULL;
    static struct http_head h;
    struct ln_str rest = {(const char *)data, size};
    while (rest.n > 0) {
        const char *end = memchr(rest.p, '\n', rest.n);
        struct ln_str line = {rest.p, end ? (size_t)(end - rest.p) : rest.n};
        rest = (struct ln_str){rest.p + line.n + (end != NULL), rest.n - line.n - (end != NULL)};
        if (line.n > 0 && (memchr(line.p, '\r', line.n) || memchr(line.p, 0, line.n))) continue;
        h.count = 1; /* as http_parse_head gives it: no control characters */
        h.headers[0].name = LN_STR("Set-Cookie");
        h.headers[0].value = line;
        cookies_take(&jar, &h, &at);
    }
    check(jar, &at);
    check(jar, &later);
    cookies_free(jar);
    return 0;
}
