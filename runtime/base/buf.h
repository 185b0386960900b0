/* SPDX-License-Identifier: MIT
 *
 * A growing byte buffer: bytes are added at the end and consumed from the front. The one way in
 * which text and frames are built. A zeroed struct is an empty buffer. LN_BUF_MIN is the first
 * size; tests compile with 4 so that every growth happens.
 */
#ifndef LN_BUF_H
#define LN_BUF_H

#include <stdarg.h>

#include "base/ln.h"

struct ln_buf {
    char *p;    /* the first byte that was not consumed; NULL while nothing was ever added */
    size_t n;   /* bytes held */
    size_t cap; /* bytes that fit from p on */
    size_t off; /* bytes consumed in front of p */
};

void ln_buf_free(struct ln_buf *b); /* gives the memory back; the buffer is empty and usable */
static inline void ln_buf_clear(struct ln_buf *b) {
    if (b->p) {
        b->p -= b->off;
        b->cap += b->off;
    }
    b->off = b->n = 0;
}
void ln_buf_grow(struct ln_buf *b, size_t n);
/* Room for n more bytes; returns where they go. Commit them with b->n += written. */
static inline char *ln_buf_room(struct ln_buf *b, size_t n) {
    if (LN_UNLIKELY(n > b->cap - b->n || !b->p)) ln_buf_grow(b, n);
    return b->p + b->n;
}
void ln_buf_add(struct ln_buf *b, const void *p, size_t n);
static inline void ln_buf_str(struct ln_buf *b, struct ln_str s) {
    ln_buf_add(b, s.p, s.n);
}
static inline void ln_buf_puts(struct ln_buf *b, const char *cstr) {
    ln_buf_add(b, cstr, strlen(cstr));
}
static inline void ln_buf_putc(struct ln_buf *b, char c) {
    *ln_buf_room(b, 1) = c;
    b->n++;
}
void ln_buf_fmt(struct ln_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ln_buf_vfmt(struct ln_buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
void ln_buf_int(struct ln_buf *b, int64_t v);
/* Drops the first n bytes (n <= b->n). */
void ln_buf_consume(struct ln_buf *b, size_t n);
/* Bytes with a terminating 0 that is not counted; valid until the next change. */
const char *ln_buf_cstr(struct ln_buf *b);
static inline struct ln_str ln_buf_get(const struct ln_buf *b) {
    return (struct ln_str){b->p, b->n};
}
/* Hands the bytes (0-terminated, to be freed with ln_free) over; the buffer is empty afterwards. */
char *ln_buf_take(struct ln_buf *b, size_t *n);

#endif
