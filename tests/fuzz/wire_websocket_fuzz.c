/* SPDX-License-Identifier: MIT
 *
 * The WebSocket parser: the same bytes whole and in small pieces must say the same. The first byte
 * is the role (lowest bit), the size of the pieces, and whether compression was agreed (highest
 * bit; the next: with memory of earlier messages); then the input.
 */
#include <stdlib.h>

#include "base/text.h"
#include "wire/deflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 300

static void require(bool ok) {
    if (!ok) abort();
}

static void parse(uint8_t how, const uint8_t *data, size_t size, size_t step, struct ln_buf *said) {
    struct ws_parser w;
    struct ws_zip *zip = ws_zip_new();
    struct ws_deflate deflate = {.on = how & 0x80, .keeps = how & 0x40, .bits = 15};
    ws_parser_init(&w, how & 1, LIMIT);
    ws_parser_deflate(&w, zip, &deflate);
    for (size_t at = 0; at < size; at += LN_MIN(step, size - at)) {
        size_t n = LN_MIN(step, size - at), used;
        char *piece = malloc(n), *p = piece;
        memcpy(piece, data + at, n);
        struct ws_event ev;
        enum ws_result r;
        while ((r = ws_parse(&w, p, n, &used, &ev)) != WS_MORE) {
            require(used <= n && ev.data.n <= LIMIT);
            require(r != WS_CONTROL || ev.data.n <= 125);
            if (r != WS_BROKEN && (ev.op == WS_TEXT || ev.op == WS_CLOSE))
                require(ln_utf8_valid(ev.data.p, ev.data.n));
            ln_buf_fmt(said, "%d %d %d %s ", r, ev.op, ev.code, ev.error ? ev.error : "");
            ln_buf_str(said, ev.data);
            p += used;
            n -= used;
        }
        require(used == n && (!w.begun || w.begun->partial.n + w.begun->message.n <= 3 * LIMIT));
        free(piece);
    }
    ws_parser_free(&w);
    ws_zip_free(zip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    struct ln_buf whole = {0}, pieces = {0};
    parse(data[0], data + 1, size - 1, size, &whole);
    parse(data[0], data + 1, size - 1, 1 + (data[0] >> 1) % 17, &pieces);
    require(ln_str_eq(ln_buf_get(&whole), ln_buf_get(&pieces)));
    ln_buf_free(&whole);
    ln_buf_free(&pieces);
    return 0;
}
