/* SPDX-License-Identifier: MIT
 *
 * The growing byte buffer. Growth doubles; before it grows, room that was consumed in front is
 * used again when that moves fewer bytes than it gains, so that a queue of bytes stays linear.
 */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"

#ifndef LN_BUF_MIN
#define LN_BUF_MIN 256
#endif

void ln_buf_free(struct ln_buf *b) {
    if (b->p) ln_free(b->p - b->off);
    *b = (struct ln_buf){0};
}

static void grow(struct ln_buf *b, size_t need) {
    size_t total = b->cap + b->off;
    if (b->p && b->off >= b->n && need <= total) {
        memmove(b->p - b->off, b->p, b->n);
        b->p -= b->off;
        b->cap = total;
        b->off = 0;
        return;
    }
    size_t cap = total < SIZE_MAX / 2 ? total * 2 : SIZE_MAX;
    if (cap < need) cap = need;
    if (cap < LN_BUF_MIN) cap = LN_BUF_MIN;
    if (b->off == 0) {
        b->p = ln_realloc(b->p, cap);
    } else {
        char *p = ln_realloc(NULL, cap);
        memcpy(p, b->p, b->n);
        ln_free(b->p - b->off);
        b->p = p;
        b->off = 0;
    }
    b->cap = cap;
}

/* An impossible size ends in ln_realloc's out of memory, never in a wrapped sum. */
void ln_buf_grow(struct ln_buf *b, size_t n) {
    grow(b, n > SIZE_MAX - b->n ? SIZE_MAX : b->n + n);
}

void ln_buf_add(struct ln_buf *b, const void *p, size_t n) {
    if (n == 0) return;
    memcpy(ln_buf_room(b, n), p, n);
    b->n += n;
}

void ln_buf_fmt(struct ln_buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    ln_buf_vfmt(b, fmt, ap);
    va_end(ap);
}

void ln_buf_vfmt(struct ln_buf *b, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    size_t room = b->cap - b->n;
    int n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, ap);
    if (n > 0) {
        if ((size_t)n >= room) {
            char *p = ln_buf_room(b, (size_t)n + 1);
            vsnprintf(p, (size_t)n + 1, fmt, again);
        }
        b->n += (size_t)n;
    }
    va_end(again);
}

void ln_buf_int(struct ln_buf *b, int64_t v) {
    char digits[20];
    size_t i = sizeof digits;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        digits[--i] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0) digits[--i] = '-';
    ln_buf_add(b, digits + i, sizeof digits - i);
}

void ln_buf_consume(struct ln_buf *b, size_t n) {
    assert(n <= b->n);
    if (n == 0) return;
    b->n -= n;
    if (b->n == 0) {
        ln_buf_clear(b);
        return;
    }
    b->p += n;
    b->off += n;
    b->cap -= n;
}

const char *ln_buf_cstr(struct ln_buf *b) {
    *ln_buf_room(b, 1) = 0;
    return b->p;
}

char *ln_buf_take(struct ln_buf *b, size_t *n) {
    ln_buf_cstr(b);
    char *p = b->p - b->off;
    if (b->off) memmove(p, b->p, b->n + 1);
    if (n) *n = b->n;
    p = ln_realloc(p, b->n + 1); /* it is kept from now on, and grows no more */
    *b = (struct ln_buf){0};
    return p;
}
