/* SPDX-License-Identifier: MIT
 *
 * Codings of text: UTF-8, base64, hexadecimal and percent coding. Everything here reads what a
 * peer sent, so each reader refuses what is malformed and never guesses.
 */
#include "base/text.h"

/* The state between two bytes of a character: how many are still to come in the low byte, and the
 * range of the next one in the two bytes above. The first byte of a character decides all three,
 * which is how overlong forms, surrogates and what lies over U+10FFFF fall out (RFC 3629 4). */
#define UTF8_STATE(left, lo, hi) ((uint32_t)(left) | (uint32_t)(lo) << 8 | (uint32_t)(hi) << 16)
#define UTF8_BAD UTF8_STATE(1, 0xff, 0x00) /* an empty range: no byte leads out */

static uint32_t utf8_begin(unsigned char c) {
    if (c < 0x80) return 0;
    if (c < 0xc2) return UTF8_BAD;
    if (c < 0xe0) return UTF8_STATE(1, 0x80, 0xbf);
    if (c < 0xf0) return UTF8_STATE(2, c == 0xe0 ? 0xa0 : 0x80, c == 0xed ? 0x9f : 0xbf);
    if (c < 0xf5) return UTF8_STATE(3, c == 0xf0 ? 0x90 : 0x80, c == 0xf4 ? 0x8f : 0xbf);
    return UTF8_BAD;
}

static uint32_t utf8_step(uint32_t state, unsigned char c) {
    if (state == 0) return utf8_begin(c);
    if (c < (state >> 8 & 0xff) || c > (state >> 16 & 0xff)) return UTF8_BAD;
    uint32_t left = (state & 0xff) - 1;
    return left ? UTF8_STATE(left, 0x80, 0xbf) : 0;
}

static bool is_tail(char c) {
    return (c & 0xc0) == 0x80;
}

size_t ln_utf8_char(const char *p, size_t n) {
    uint32_t state = 0;
    for (size_t i = 0; i < n && i < 4; i++) {
        state = utf8_step(state, (unsigned char)p[i]);
        if (state == 0) return i + 1;
        if (state == UTF8_BAD) return 0;
    }
    return 0;
}

const char *ln_utf8_skip(const char *p, const char *end) {
    /* Most of the world's letters that are not ASCII have two bytes, or three without a narrower
     * range: steps of a fixed size, which the processor runs ahead on. */
    for (;;) {
        const char *before = p;
        while (end - p >= 2 && (unsigned char)p[0] >= 0xc2 && (unsigned char)p[0] < 0xe0 &&
               is_tail(p[1]))
            p += 2;
        while (end - p >= 3 && (unsigned char)p[0] > 0xe0 && (unsigned char)p[0] < 0xed &&
               is_tail(p[1]) && is_tail(p[2]))
            p += 3;
        if (p > before) continue;
        if (p == end || !(*p & 0x80)) return p;
        p += ln_utf8_char(p, (size_t)(end - p));
        if (p == before) return p;
    }
}

static const char *skip_ascii(const char *p, const char *end) {
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        if (word & 0x8080808080808080u) break;
        p += 8;
    }
    while (p < end && !(*p & 0x80))
        p++;
    return p;
}

bool ln_utf8_feed(uint32_t *state, const char *p, size_t n) {
    if (n == 0) return *state != UTF8_BAD;
    const char *end = p + n;
    uint32_t now = *state;
    while (p < end) {
        if (now == 0) {
            p = ln_utf8_skip(skip_ascii(p, end), end);
            if (p == end) break;
        }
        now = utf8_step(now, (unsigned char)*p++);
        if (now == UTF8_BAD) break;
    }
    *state = now;
    return now != UTF8_BAD;
}

bool ln_utf8_valid(const char *p, size_t n) {
    uint32_t state = 0;
    return ln_utf8_feed(&state, p, n) && state == 0;
}

void ln_base64_encode(struct ln_buf *out, const void *data, size_t n) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;
    char *o = ln_buf_room(out, n / 3 * 4 + 4);
    char *begin = o;
    for (; n >= 3; n -= 3, p += 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        *o++ = alphabet[v >> 6 & 63];
        *o++ = alphabet[v & 63];
    }
    if (n) {
        uint32_t v = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        *o++ = n == 2 ? alphabet[v >> 6 & 63] : '=';
        *o++ = '=';
    }
    out->n += (size_t)(o - begin);
}

/* 0-63, or 64 for a byte of neither alphabet. */
static uint32_t base64_value(char c) {
    if (c >= 'A' && c <= 'Z') return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z') return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9') return (uint32_t)(c - '0') + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    return 64;
}

bool ln_base64_decode(struct ln_buf *out, struct ln_str in) {
    if (in.n && in.p[in.n - 1] == '=') {
        if (in.n % 4 != 0) return false;
        in.n -= in.p[in.n - 2] == '=' ? 2 : 1;
    }
    if (in.n % 4 == 1) return false;
    char *o = ln_buf_room(out, in.n / 4 * 3 + 3);
    const char *begin = o;
    size_t i = 0;
    for (; i + 4 <= in.n; i += 4) {
        uint32_t a = base64_value(in.p[i]), b = base64_value(in.p[i + 1]);
        uint32_t c = base64_value(in.p[i + 2]), d = base64_value(in.p[i + 3]);
        if ((a | b | c | d) & 64) return false;
        *o++ = (char)(a << 2 | b >> 4);
        *o++ = (char)(b << 4 | c >> 2);
        *o++ = (char)(c << 6 | d);
    }
    if (i < in.n) {
        uint32_t a = base64_value(in.p[i]), b = base64_value(in.p[i + 1]);
        uint32_t c = i + 2 < in.n ? base64_value(in.p[i + 2]) : 0;
        if ((a | b | c) & 64) return false;
        /* Bits that no byte uses must be 0, so that no two texts mean the same (RFC 4648 3.5). */
        if (i + 2 < in.n ? c & 3 : b & 15) return false;
        *o++ = (char)(a << 2 | b >> 4);
        if (i + 2 < in.n) *o++ = (char)(b << 4 | c >> 2);
    }
    out->n += (size_t)(o - begin);
    return true;
}

void ln_hex(struct ln_buf *out, const void *data, size_t n) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;
    char *o = ln_buf_room(out, n * 2);
    for (size_t i = 0; i < n; i++) {
        *o++ = digits[p[i] >> 4];
        *o++ = digits[p[i] & 15];
    }
    out->n += n * 2;
}

void ln_percent_encode(struct ln_buf *out, struct ln_str in) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (is_alnum || (c && strchr("-_.!~*'()", c))) {
            ln_buf_putc(out, (char)c);
        } else {
            char coded[3] = {'%', digits[c >> 4], digits[c & 15]};
            ln_buf_add(out, coded, 3);
        }
    }
}

int ln_hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool ln_percent_decode(struct ln_buf *out, struct ln_str in) {
    size_t before = out->n;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '%') {
            int hi = in.n - i > 2 ? ln_hex_digit(in.p[i + 1]) : -1;
            int lo = in.n - i > 2 ? ln_hex_digit(in.p[i + 2]) : -1;
            if (hi < 0 || lo < 0) {
                out->n = before;
                return false;
            }
            c = (char)(hi << 4 | lo);
            i += 2;
        }
        ln_buf_putc(out, c);
    }
    return true;
}

/* --- words --- */

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool ln_word_is(struct ln_str s, const char *word) {
    if (s.n != strlen(word)) return false;
    for (size_t i = 0; i < s.n; i++)
        if (lower(s.p[i]) != lower(word[i])) return false;
    return true;
}

struct ln_str ln_trim(struct ln_str s) {
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct ln_str){s.p + 1, s.n - 1};
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}
