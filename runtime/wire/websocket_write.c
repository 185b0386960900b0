/* SPDX-License-Identifier: MIT
 *
 * The frame writer (RFC 6455 section 5), both roles; io/ws calls it for everything that leaves. A
 * payload is copied once, from its pieces into the outgoing buffer, and masked on the way.
 */
#include "base/crypt.h"
#include "wire/websocket.h"

#define MAX_HEAD 14
#define MAX_REASON 123 /* 125 bytes of a control frame less the code (5.5) */

/* Copies n bytes, masked (5.3); `from` is how many bytes of the payload came before. */
static void copy_masked(char *restrict to, const char *restrict p, size_t n, const char *mask,
                        size_t from) {
    char turned[8];
    for (size_t i = 0; i < sizeof turned; i++)
        turned[i] = mask[(from + i) & 3];
    uint64_t key, v;
    memcpy(&key, turned, 8);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&v, p + i, 8);
        v ^= key;
        memcpy(to + i, &v, 8);
    }
    for (; i < n; i++)
        to[i] = (char)(p[i] ^ turned[i & 7]);
}

static size_t write_head(char *p, bool mask, bool fin, enum ws_op op, size_t size) {
    size_t wide = size < 126 ? 0 : size < 65536 ? 2 : 8;
    unsigned small = wide == 0 ? (unsigned)size : wide == 2 ? 126 : 127;
    p[0] = (char)((fin ? 0x80u : 0u) | (unsigned)op);
    p[1] = (char)((mask ? 0x80u : 0u) | small);
    for (size_t i = 0; i < wide; i++)
        p[2 + i] = (char)(size >> (8 * (wide - 1 - i)));
    return 2 + wide;
}

void ws_write(struct ln_buf *out, bool mask, bool fin, enum ws_op op, const struct ln_str *pieces,
              size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].n;
    char *p = ln_buf_room(out, MAX_HEAD + size);
    size_t head = write_head(p, mask, fin, op, size);
    char key[4];
    if (mask) {
        uint32_t random = ln_random_u32();
        memcpy(key, &random, 4);
        memcpy(p + head, key, 4);
        head += 4;
    }
    p += head;
    for (size_t i = 0, at = 0; i < count; at += pieces[i].n, i++) {
        if (pieces[i].n == 0) continue;
        if (mask)
            copy_masked(p + at, pieces[i].p, pieces[i].n, key, at);
        else
            memcpy(p + at, pieces[i].p, pieces[i].n);
    }
    out->n += head + size;
}

void ws_write_close(struct ln_buf *out, bool mask, int code, struct ln_str reason) {
    if (!ws_code_valid(code)) {
        ws_write(out, mask, true, WS_CLOSE, NULL, 0);
        return;
    }
    if (reason.n > MAX_REASON) { /* cut in front of a character, not inside */
        reason.n = MAX_REASON;
        while (reason.n > 0 && ((unsigned char)reason.p[reason.n] & 0xc0) == 0x80)
            reason.n--;
    }
    char number[2] = {(char)(code >> 8), (char)(code & 0xff)};
    struct ln_str pieces[2] = {{number, 2}, reason};
    ws_write(out, mask, true, WS_CLOSE, pieces, 2);
}

bool ws_code_valid(int code) {
    if (code >= 3000) return code < 5000;
    return (code >= WS_NORMAL && code <= WS_UNSUPPORTED) || (code >= WS_BAD_DATA && code <= 1014);
}
