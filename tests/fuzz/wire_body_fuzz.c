/* SPDX-License-Identifier: MIT
 *
 * The body of an HTTP answer: fed at once and in pieces (their size is the first byte), it has the
 * same bytes and the same end.
 */
#include <stdlib.h>

#include "wire/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 4096 };

static void require(bool ok) {
    if (!ok) abort();
}

static enum http_body_result feed(struct http_body *b, struct ln_str in, size_t step,
                                  struct ln_buf *out, size_t *taken) {
    enum http_body_result r = BODY_MORE;
    size_t used;
    for (*taken = 0; r == BODY_MORE && *taken < in.n; *taken += used) {
        struct ln_str part = {in.p + *taken, LN_MIN(step, in.n - *taken)};
        r = http_body_feed(b, part, &used, out, MAX);
        require(used <= part.n && out->n <= MAX);
        require(r != BODY_MORE || used == part.n);
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct http_head head;
    struct http_body a, b;
    struct ln_buf whole = {0}, parts = {0};
    size_t at, n, m;
    if (size < 2) return 0;
    struct ln_str in = {(const char *)data + 1, size - 1};
    if (http_parse_head(&head, true, in, &at) != HTTP_OK) return 0;
    struct ln_err err = {0};
    bool ok = http_body_begin(&a, &head, false, &err);
    require(ok == (err.text[0] == 0));
    if (!ok) return 0;
    b = a;
    in = (struct ln_str){in.p + at, in.n - at};
    enum http_body_result r = feed(&a, in, in.n, &whole, &n);
    require(feed(&b, in, data[0] % 16u + 1, &parts, &m) == r && n == m);
    require(ln_str_eq(ln_buf_get(&whole), ln_buf_get(&parts)));
    require(r != BODY_DONE || in.n == 0 || http_body_end(&a));
    http_keeps_alive(&head, &a);
    ln_buf_free(&whole);
    ln_buf_free(&parts);
    return 0;
}
