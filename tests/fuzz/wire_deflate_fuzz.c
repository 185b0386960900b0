/* SPDX-License-Identifier: MIT
 *
 * Compression: up to the first line break the input is a client's offers, and what a server answers
 * to them is well-formed; the rest is a message, which comes out as it went in.
 */
#include <stdlib.h>

#include "wire/deflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) abort();
}

static void round_trip(const struct ws_deflate *d, struct ln_str piece) {
    struct ws_zip *zip = ws_zip_new();
    struct ws_parser w;
    struct ln_buf frame = {0}, want = {0};
    struct ln_str pieces[64];
    struct ws_event ev;
    size_t used;
    for (size_t i = 0; i < LN_COUNT(pieces); i++) { /* short ones would not be compressed */
        pieces[i] = piece;
        ln_buf_str(&want, piece);
    }
    ws_parser_init(&w, true, want.n);
    ws_parser_deflate(&w, zip, d);
    ws_write_deflated(&frame, true, WS_BINARY, pieces, LN_COUNT(pieces), zip, d);
    require(ws_parse(&w, frame.p, frame.n, &used, &ev) == WS_MESSAGE && used == frame.n);
    require(ev.op == WS_BINARY && ln_str_eq(ev.data, ln_buf_get(&want)));
    ws_parser_free(&w);
    ws_zip_free(zip);
    ln_buf_free(&frame);
    ln_buf_free(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    struct ln_str offers = {(const char *)data, end ? (size_t)(end - data) : size};
    struct ws_deflate chosen, agreed;
    struct ln_buf answer = {0};
    struct ln_err err = {0};
    bool ok = ws_deflate_choose(offers, &chosen, &answer);
    require(ok == (answer.n > 0) && ok == chosen.on);
    if (ok) {
        require(ws_deflate_agreed(ln_buf_get(&answer), &agreed, &err));
        require(chosen.bits >= 9 && chosen.bits <= 15 && !agreed.keeps);
        if (end) round_trip(&chosen, (struct ln_str){offers.p + offers.n, size - offers.n});
    }
    if (!ws_deflate_agreed(offers, &agreed, &err)) require(err.text[0]);
    ln_buf_free(&answer);
    return 0;
}
