/* SPDX-License-Identifier: MIT
 *
 * Writes JSON strings and numbers. Whatever bytes come in, what goes out is JSON.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/text.h"

static void quote_escape(struct ln_buf *out, unsigned char c) {
    static const char names[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char name = c < 0x20 ? names[c] : (char)c;
    if (name) {
        char coded[2] = {'\\', name};
        ln_buf_add(out, coded, 2);
    } else {
        ln_buf_fmt(out, "\\u%04x", c);
    }
}

void ln_json_quote(struct ln_buf *out, struct ln_str s) {
    const char *p = s.n ? s.p : "", *end = p + s.n;
    const char *run = p; /* from here on the bytes go out as they are */
    ln_buf_room(out, s.n + 2);
    ln_buf_putc(out, '"');
    while ((p = ln_json_plain(p, end)) < end) {
        const char *good = ln_utf8_skip(p, end);
        if (good > p) {
            p = good;
            continue;
        }
        ln_buf_add(out, run, (size_t)(p - run));
        if (*p & 0x80) {
            ln_buf_puts(out, "\xef\xbf\xbd");
        } else {
            quote_escape(out, (unsigned char)*p);
        }
        run = ++p;
    }
    ln_buf_add(out, run, (size_t)(end - run));
    ln_buf_putc(out, '"');
}

void ln_json_double(struct ln_buf *out, double d) {
    char text[40];
    if (!isfinite(d)) {
        ln_buf_puts(out, "null");
        return;
    }
    if (d == floor(d) && fabs(d) < 1e15) {
        snprintf(text, sizeof text, "%.1f", d);
        ln_buf_puts(out, text);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d) break;
    }
    ln_buf_puts(out, text);
    /* 1234567890123456 must read back as a float too. */
    if (!strpbrk(text, ".e")) ln_buf_puts(out, ".0");
}
