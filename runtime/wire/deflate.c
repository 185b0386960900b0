/* SPDX-License-Identifier: MIT
 *
 * Compressed messages (RFC 7692 section 7). Our own messages never refer to earlier ones: that
 * costs some of the gain, and saves 262 kB a line. What comes in is inflated as it comes and only
 * as far as a message may be long, so that a small frame cannot fill the memory.
 */
#include "wire/deflate.h"

#include <zlib.h>

#include "base/mem.h"
#include "base/text.h"

enum {
    SPARES = 4,              /* inflaters and buffers that wait for the next message */
    SPARE_SIZE = 256 * 1024, /* bigger buffers go back to the system */
    CHUNK = 4096,            /* least room for what is inflated */
    MEM_LEVEL = 8,           /* zlib's own default */
    MIN_BITS = 9,
    MAX_BITS = 15 /* zlib's deflate cannot do 8 */
};

struct ws_zip {
    z_stream *deflater[MAX_BITS + 1]; /* by bits of the window */
    /* The message that was compressed last, and what became of it (nothing when it did not become
     * shorter): a broadcast is written to many lines. */
    struct ln_buf raw, packed;
    int packed_bits;
    z_stream *inflater[SPARES];
    size_t inflaters;
    struct ln_buf buffer[SPARES];
    size_t buffers;
};

struct ws_inflate {
    struct ws_zip *zip;
    z_stream *z; /* NULL: no message has begun, and nothing must be remembered */
    bool keeps;
};

/* --- the common stock --- */

static void *take_memory(void *ud, unsigned n, unsigned size) {
    (void)ud;
    return ln_alloc((size_t)n * size);
}
static void free_memory(void *ud, void *p) {
    (void)ud;
    ln_free(p);
}

static z_stream *stream_new(void) {
    z_stream *z = ln_new(z_stream);
    z->zalloc = take_memory;
    z->zfree = free_memory;
    return z;
}

static void inflater_free(z_stream *z) {
    inflateEnd(z);
    ln_free(z);
}

struct ws_zip *ws_zip_new(void) {
    return ln_new(struct ws_zip);
}

void ws_zip_free(struct ws_zip *zip) {
    if (!zip) return;
    for (size_t i = 0; i <= MAX_BITS; i++) {
        if (zip->deflater[i]) deflateEnd(zip->deflater[i]);
        ln_free(zip->deflater[i]);
    }
    while (zip->inflaters > 0)
        inflater_free(zip->inflater[--zip->inflaters]);
    while (zip->buffers > 0)
        ln_buf_free(&zip->buffer[--zip->buffers]);
    ln_buf_free(&zip->raw);
    ln_buf_free(&zip->packed);
    ln_free(zip);
}

static z_stream *inflater_take(struct ws_zip *zip) {
    if (zip->inflaters > 0) return zip->inflater[--zip->inflaters];
    z_stream *z = stream_new();
    inflateInit2(z, -MAX_BITS); /* reads what any smaller window wrote */
    return z;
}

static void inflater_give_back(struct ws_zip *zip, z_stream *z) {
    if (!z) return;
    inflateReset(z);
    if (zip->inflaters < SPARES)
        zip->inflater[zip->inflaters++] = z;
    else
        inflater_free(z);
}

/* --- reading --- */

void ws_parser_deflate(struct ws_parser *w, struct ws_zip *zip, const struct ws_deflate *d) {
    if (!d->on) return;
    w->inflate = ln_new(struct ws_inflate);
    *w->inflate = (struct ws_inflate){.zip = zip, .keeps = d->keeps};
}

void ws_inflate_free(struct ws_inflate *i) {
    if (!i) return;
    inflater_give_back(i->zip, i->z);
    ln_free(i);
}

void ws_inflate_begin(struct ws_inflate *i, struct ln_buf *out) {
    if (!i->z) i->z = inflater_take(i->zip);
    if (out->cap == 0 && i->zip->buffers > 0) *out = i->zip->buffer[--i->zip->buffers];
}

void ws_inflate_give_back(struct ws_inflate *i, struct ln_buf *out) {
    ln_buf_clear(out);
    if (!i || out->cap == 0 || out->cap > SPARE_SIZE || i->zip->buffers == SPARES) {
        ln_buf_free(out);
        return;
    }
    i->zip->buffer[i->zip->buffers++] = *out;
    *out = (struct ln_buf){0};
}

/* 0, or the code to close with. A stream that the peer ended (BFINAL, 7.2.3.4) begins anew. */
static int inflate_piece(z_stream *z, struct ln_str in, struct ln_buf *out, size_t max) {
    z->next_in = (unsigned char *)(uintptr_t)in.p;
    z->avail_in = (unsigned)in.n;
    do {
        size_t left = max + 1 - out->n; /* one more than allowed shows that it is too much */
        z->next_out = (unsigned char *)ln_buf_room(out, LN_MIN(left, (size_t)CHUNK));
        z->avail_out = (unsigned)LN_MIN(LN_MIN(out->cap - out->n, left), (size_t)1 << 30);
        unsigned room = z->avail_out;
        int r = inflate(z, Z_SYNC_FLUSH);
        out->n += room - z->avail_out;
        if (out->n > max) return WS_TOO_BIG;
        if (r == Z_STREAM_END)
            inflateReset(z);
        else if (r != Z_OK && r != Z_BUF_ERROR)
            return WS_BAD_DATA;
    } while (z->avail_out == 0 || z->avail_in > 0);
    return 0;
}

int ws_inflate(struct ws_inflate *i, struct ln_str in, bool last, struct ln_buf *out, size_t max,
               const char **error) {
    static const struct ln_str tail = {"\0\0\xff\xff", 4}; /* 7.2.2 */
    enum { AT_BLOCK_END = 128 };                           /* zlib.h, data_type */
    int code = 0;
    for (size_t n; in.n > 0 && !code; in = (struct ln_str){in.p + n, in.n - n}) {
        n = LN_MIN(in.n, (size_t)1 << 30);
        code = inflate_piece(i->z, (struct ln_str){in.p, n}, out, max);
    }
    if (last && !code) code = inflate_piece(i->z, tail, out, max);
    /* A message that was cut would go on into the tail and say something else. */
    if (last && !code && !(i->z->data_type & AT_BLOCK_END)) code = WS_BAD_DATA;
    *error = code == WS_TOO_BIG ? "a message over the size limit when inflated (RFC 6455 7.4.1)"
                                : "compressed data that is damaged (RFC 7692 7.2.2)";
    if (!last || code) return code;
    if (!i->keeps) {
        inflater_give_back(i->zip, i->z);
        i->z = NULL;
    }
    return 0;
}

/* --- writing --- */

static z_stream *deflater_of(struct ws_zip *zip, int bits) {
    z_stream **z = &zip->deflater[bits];
    if (*z) {
        deflateReset(*z);
        return *z;
    }
    *z = stream_new();
    deflateInit2(*z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -bits, MEM_LEVEL, Z_DEFAULT_STRATEGY);
    return *z;
}

static bool is_packed(const struct ws_zip *zip, int bits, const struct ln_str *pieces, size_t count,
                      size_t size) {
    if (zip->packed_bits != bits || zip->raw.n != size) return false;
    for (size_t i = 0, at = 0; i < count; at += pieces[i].n, i++)
        if (pieces[i].n > 0 && memcmp(zip->raw.p + at, pieces[i].p, pieces[i].n) != 0) return false;
    return true;
}

/* Into zip->packed, without the tail; nothing when it does not become shorter. */
static void pack(struct ws_zip *zip, int bits, const struct ln_str *pieces, size_t count) {
    enum { TAIL = 4 };
    z_stream *z = deflater_of(zip, bits);
    ln_buf_clear(&zip->raw);
    ln_buf_clear(&zip->packed);
    for (size_t i = 0; i < count; i++)
        ln_buf_str(&zip->raw, pieces[i]);
    zip->packed_bits = bits;
    z->next_in = (unsigned char *)zip->raw.p;
    z->avail_in = (unsigned)zip->raw.n;
    z->next_out = (unsigned char *)ln_buf_room(&zip->packed, zip->raw.n);
    z->avail_out = (unsigned)zip->raw.n;
    deflate(z, Z_SYNC_FLUSH);
    if (z->avail_in == 0 && z->avail_out > 0) zip->packed.n = zip->raw.n - z->avail_out - TAIL;
}

void ws_write_deflated(struct ln_buf *out, bool mask, enum ws_op op, const struct ln_str *pieces,
                       size_t count, struct ws_zip *zip, const struct ws_deflate *d) {
    enum { RSV1 = 0x40 };
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].n;
    bool may = d->on && size >= WS_DEFLATE_MIN && size < (size_t)1 << 30;
    if (may && !is_packed(zip, d->bits, pieces, count, size)) pack(zip, d->bits, pieces, count);
    struct ln_str packed = ln_buf_get(&zip->packed);
    if (may && packed.n > 0)
        ws_write(out, mask, true, (enum ws_op)(op | RSV1), &packed, 1);
    else
        ws_write(out, mask, true, op, pieces, count);
    if (zip->raw.cap > SPARE_SIZE) {
        ln_buf_free(&zip->raw);
        ln_buf_free(&zip->packed);
    }
}
