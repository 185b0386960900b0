/* SPDX-License-Identifier: MIT
 *
 * The inside of JSON strings, for the reader and the writer: finding the next byte that matters, 16
 * bytes at a time, and undoing escapes.
 */
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "bindings/lua_json_inside.h"

#if defined(__SSE2__)
/* Bytes that end a run: " \ and controls. */
static inline __m128i stops_of(__m128i v) {
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    return _mm_or_si128(_mm_or_si128(quote, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))), low);
}

static inline __m128i load(const char *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Long texts by 64 bytes, while nothing ends them. */
static const char *skip_plain(const char *p, const char *end, bool *high) {
    __m128i seen = _mm_setzero_si128();
    while (end - p >= 64) {
        __m128i a = load(p), b = load(p + 16), c = load(p + 32), d = load(p + 48);
        __m128i ab = _mm_or_si128(stops_of(a), stops_of(b));
        __m128i cd = _mm_or_si128(stops_of(c), stops_of(d));
        if (_mm_movemask_epi8(_mm_or_si128(ab, cd))) break;
        seen = _mm_or_si128(seen, _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)));
        p += 64;
    }
    if (_mm_movemask_epi8(seen)) *high = true;
    return p;
}
#endif

const char *json_plain(const char *p, const char *end, bool *high) {
#if defined(__SSE2__)
    const char *begin = p;
    while (end - p >= 16) {
        __m128i v = load(p);
        unsigned stops = (unsigned)_mm_movemask_epi8(stops_of(v));
        unsigned highs = (unsigned)_mm_movemask_epi8(v);
        if (stops) {
            unsigned at = (unsigned)__builtin_ctz(stops);
            if (highs & ((1u << at) - 1)) *high = true;
            return p + at;
        }
        if (highs) *high = true;
        p += 16;
        if (LN_UNLIKELY(p - begin == 64)) p = skip_plain(p, end, high);
    }
#endif
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\' || c < 0x20) break;
        if (c > 0x7f) *high = true;
    }
    return p;
}

static int hex4(const char *p, const char *end) {
    int v = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9' ? c - '0' : -1;
        if (c >= 'a' && c <= 'f') d = c - 'a' + 10;
        if (c >= 'A' && c <= 'F') d = c - 'A' + 10;
        if (d < 0) return -1;
        v = v << 4 | d;
    }
    return v;
}

static void add_utf8(struct ln_buf *b, uint32_t c) {
    char *o = ln_buf_room(b, 4);
    size_t n = 0;
    if (c < 0x80) {
        o[n++] = (char)c;
    } else if (c < 0x800) {
        o[n++] = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            o[n++] = (char)(0xe0 | c >> 12);
        } else {
            o[n++] = (char)(0xf0 | c >> 18);
            o[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        }
        o[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80) o[n++] = (char)(0x80 | (c & 0x3f));
    b->n += n;
}

/* At the u of \uXXXX. Half of a surrogate pair, which JavaScript sends when a text is cut inside an
 * emoji, becomes U+FFFD. */
static const char *unicode(const char *p, const char *end, struct ln_buf *out) {
    int c = hex4(p + 1, end);
    if (c < 0) return NULL;
    p += 5;
    if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        int low = hex4(p + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
            add_utf8(out, 0x10000 + ((uint32_t)(c - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
            return p + 6;
        }
    }
    add_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : (uint32_t)c);
    return p;
}

const char *json_unescape(const char *begin, const char *p, const char *end, struct ln_buf *out,
                          bool *high, const char **error) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    *error = NULL;
    for (;;) {
        ln_buf_add(out, begin, (size_t)(p - begin));
        if (p < end && *p == '"') return p + 1;
        if (p < end && *p != '\\') {
            *error = "a control character in a string";
            return p;
        }
        if (p == end || ++p == end) {
            *error = "the string does not end";
            return p;
        }
        const char *known = *p ? strchr(from, *p) : NULL, *next = p + 1;
        if (known)
            ln_buf_putc(out, to[known - from]);
        else
            next = *p == 'u' ? unicode(p, end, out) : NULL;
        if (!next) {
            *error = "a bad escape in a string";
            return p - 1;
        }
        begin = next;
        p = json_plain(next, end, high);
    }
}
