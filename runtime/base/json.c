/* SPDX-License-Identifier: MIT
 *
 * The JSON tokenizer (RFC 8259). One pass, no memory, no recursion: one bit a level says whether
 * the level is an object. json_read.c looks things up with it, json_write.c writes.
 */
#include "base/json.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/text.h"

/* What may come next. */
enum expect {
    VALUE,         /* a value */
    FIRST_ELEMENT, /* a value or ] */
    FIRST_KEY,     /* a key or } */
    AFTER_VALUE,   /* a comma or the end of the level; at the top the end of the text */
    FAILED
};

void ln_json_init(struct ln_json *j, struct ln_str text, int max_depth) {
    j->start = text.n ? text.p : "";
    j->p = j->start;
    j->end = j->start + text.n;
    j->raw = (struct ln_str){NULL, 0};
    j->escaped = false;
    j->depth = 0;
    j->max_depth = max_depth > 0 ? LN_MIN(max_depth, 2 * LN_JSON_DEPTH) : LN_JSON_DEPTH;
    j->expect = VALUE;
    j->error = NULL;
}

static enum ln_json_type fail(struct ln_json *j, const char *at, const char *words) {
    j->p = at;
    j->error = words;
    j->expect = FAILED;
    j->raw = (struct ln_str){NULL, 0};
    return LN_JSON_ERROR;
}

static bool in_object(const struct ln_json *j) {
    return j->stack[(j->depth - 1) >> 3] >> ((j->depth - 1) & 7) & 1;
}

static const char *skip_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

const char *ln_json_plain(const char *p, const char *end) {
#ifdef __SSE2__
    /* As signed bytes, controls and what is not ASCII (negative) are both less than a space. */
    const __m128i space = _mm_set1_epi8(' ');
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmplt_epi8(v, space), _mm_cmpeq_epi8(v, quote));
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(hit, _mm_cmpeq_epi8(v, slash)));
        if (mask) return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    while (p < end && (signed char)*p >= ' ' && *p != '"' && *p != '\\')
        p++;
    return p;
}

static bool is_digit(const char *p, const char *end) {
    return p < end && *p >= '0' && *p <= '9';
}

static enum ln_json_type number(struct ln_json *j) {
    const char *p = j->p, *end = j->end;
    if (*p == '-') p++;
    if (!is_digit(p, end)) return fail(j, p, "expected a digit");
    if (*p == '0') {
        p++;
        if (is_digit(p, end)) return fail(j, p, "a number must not begin with 0");
    } else {
        while (is_digit(p, end))
            p++;
    }
    if (p < end && *p == '.') {
        p++;
        if (!is_digit(p, end)) return fail(j, p, "expected a digit after the point");
        while (is_digit(p, end))
            p++;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        if (!is_digit(p, end)) return fail(j, p, "expected a digit in the exponent");
        while (is_digit(p, end))
            p++;
    }
    j->raw = (struct ln_str){j->p, (size_t)(p - j->p)};
    j->p = p;
    return LN_JSON_NUMBER;
}

static enum ln_json_type word(struct ln_json *j, const char *name, size_t n,
                              enum ln_json_type type) {
    if ((size_t)(j->end - j->p) < n || memcmp(j->p, name, n) != 0)
        return fail(j, j->p, "expected a value");
    j->raw = (struct ln_str){j->p, n};
    j->p += n;
    return type;
}

/* The value of four hexadecimal digits, or -1. */
static int hex4(const char *p, const char *end) {
    int value = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* Reads the escape at p (a backslash); returns what is behind it, or NULL with *words. */
static const char *escape(const char *p, const char *end, uint32_t *code, const char **words) {
    static const char names[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
    *words = "unknown escape";
    if (end - p < 2) return NULL;
    if (p[1] != 'u') {
        const char *at = memchr(names, p[1], sizeof names - 1);
        if (!at) return NULL;
        *code = (unsigned char)codes[at - names];
        return p + 2;
    }
    int hi = hex4(p + 2, end);
    if (hi < 0) {
        *words = "expected four hexadecimal digits after \\u";
        return NULL;
    }
    *code = (uint32_t)hi;
    if (hi < 0xd800 || hi > 0xdfff) return p + 6;
    int lo = hi < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, end) : -1;
    if (lo < 0xdc00 || lo > 0xdfff) {
        *words = "half a surrogate pair";
        return NULL;
    }
    *code = 0x10000 + (((uint32_t)hi - 0xd800) << 10) + ((uint32_t)lo - 0xdc00);
    return p + 12;
}

static enum ln_json_type string(struct ln_json *j, enum ln_json_type type) {
    const char *inside = j->p + 1, *p = inside, *end = j->end;
    j->escaped = false;
    for (;;) {
        p = ln_json_plain(p, end);
        if (p == end) return fail(j, p, "the text ends inside a string");
        unsigned char c = (unsigned char)*p;
        if (c == '"') break;
        if (c == '\\') {
            uint32_t code;
            const char *words, *next = escape(p, end, &code, &words);
            if (!next) return fail(j, p, words);
            j->escaped = true;
            p = next;
        } else if (c < 0x20) {
            return fail(j, p, "a control character in a string must be escaped");
        } else {
            const char *good = ln_utf8_skip(p, end);
            if (good == p) return fail(j, p, "not UTF-8");
            p = good;
        }
    }
    j->raw = (struct ln_str){inside, (size_t)(p - inside)};
    j->p = p + 1;
    return type;
}

static void push_level(struct ln_json *j, bool is_object) {
    uint8_t *byte = &j->stack[j->depth >> 3], bit = (uint8_t)(1u << (j->depth & 7));
    *byte = (uint8_t)(is_object ? *byte | bit : *byte & ~bit);
    j->depth++;
}

void ln_json_resume(struct ln_json *j, size_t pos, bool is_object) {
    push_level(j, is_object);
    j->p = j->start + pos;
    j->expect = AFTER_VALUE;
}

static enum ln_json_type open_level(struct ln_json *j, bool is_object) {
    if (j->depth >= j->max_depth) return fail(j, j->p, "nested too deeply");
    push_level(j, is_object);
    j->raw = (struct ln_str){j->p++, 1};
    j->expect = is_object ? FIRST_KEY : FIRST_ELEMENT;
    return is_object ? LN_JSON_OBJECT : LN_JSON_ARRAY;
}

static enum ln_json_type close_level(struct ln_json *j) {
    bool is_object = in_object(j);
    j->depth--;
    j->raw = (struct ln_str){j->p++, 1};
    j->expect = AFTER_VALUE;
    return is_object ? LN_JSON_OBJECT_END : LN_JSON_ARRAY_END;
}

static enum ln_json_type value(struct ln_json *j) {
    j->expect = AFTER_VALUE;
    switch (*j->p) {
    case '"':
        return string(j, LN_JSON_STRING);
    case '{':
        return open_level(j, true);
    case '[':
        return open_level(j, false);
    case 't':
        return word(j, "true", 4, LN_JSON_TRUE);
    case 'f':
        return word(j, "false", 5, LN_JSON_FALSE);
    case 'n':
        return word(j, "null", 4, LN_JSON_NULL);
    case '+':
        return fail(j, j->p, "a number must not begin with +");
    case '\xef':
        if (j->p == j->start && j->end - j->p >= 3 && memcmp(j->p, "\xef\xbb\xbf", 3) == 0)
            return fail(j, j->p, "a byte order mark is not allowed");
        break;
    case ']':
    case '}':
        if (j->depth > 0) return fail(j, j->p, "expected a value after the comma or colon");
        break;
    }
    if (*j->p == '-' || is_digit(j->p, j->end)) return number(j);
    return fail(j, j->p, "expected a value");
}

/* A key and the colon behind it. */
static enum ln_json_type key(struct ln_json *j) {
    if (*j->p != '"') return fail(j, j->p, "expected a key in quotes");
    if (string(j, LN_JSON_KEY) == LN_JSON_ERROR) return LN_JSON_ERROR;
    const char *p = skip_space(j->p, j->end);
    if (p == j->end || *p != ':') return fail(j, p, "expected a colon after the key");
    j->p = p + 1;
    j->expect = VALUE;
    return LN_JSON_KEY;
}

/* Behind a value inside an array or object. */
static enum ln_json_type after_value(struct ln_json *j) {
    bool is_object = in_object(j);
    if (*j->p == (is_object ? '}' : ']')) return close_level(j);
    if (*j->p != ',')
        return fail(j, j->p, is_object ? "expected a comma or }" : "expected a comma or ]");
    j->p = skip_space(j->p + 1, j->end);
    if (j->p == j->end) return fail(j, j->p, "the text ends too early");
    return is_object ? key(j) : value(j);
}

enum ln_json_type ln_json_next(struct ln_json *j) {
    if (j->expect == FAILED) return LN_JSON_ERROR;
    j->p = skip_space(j->p, j->end);
    if (j->expect == AFTER_VALUE && j->depth == 0) {
        if (j->p < j->end) return fail(j, j->p, "something stands behind the value");
        j->raw = (struct ln_str){j->p, 0};
        return LN_JSON_END;
    }
    if (j->p == j->end)
        return fail(j, j->p, j->depth ? "the text ends too early" : "expected a value");
    switch (j->expect) {
    case FIRST_ELEMENT:
        return *j->p == ']' ? close_level(j) : value(j);
    case FIRST_KEY:
        return *j->p == '}' ? close_level(j) : key(j);
    case AFTER_VALUE:
        return after_value(j);
    default:
        return value(j);
    }
}

bool ln_json_skip(struct ln_json *j, enum ln_json_type first) {
    if (first == LN_JSON_KEY) first = ln_json_next(j);
    if (first == LN_JSON_ERROR) return false;
    if (first != LN_JSON_ARRAY && first != LN_JSON_OBJECT) return true;
    int outside = j->depth - 1;
    do {
        if (ln_json_next(j) == LN_JSON_ERROR) return false;
    } while (j->depth > outside);
    return true;
}

void ln_json_error(const struct ln_json *j, struct ln_err *err) {
    size_t line = 1, column = 1;
    for (const char *p = j->start; p < j->p; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if ((*p & 0xc0) != 0x80) {
            column++; /* characters, not bytes: what an editor shows */
        }
    }
    ln_fail(err, LN_INVALID, "line %zu, column %zu: %s", line, column,
            j->error ? j->error : "no error");
}

bool ln_json_valid(struct ln_str text, struct ln_err *err) {
    struct ln_json j;
    ln_json_init(&j, text, 0);
    enum ln_json_type type;
    do {
        type = ln_json_next(&j);
    } while (type != LN_JSON_END && type != LN_JSON_ERROR);
    if (type == LN_JSON_END) return true;
    ln_json_error(&j, err);
    return false;
}

/* A character in UTF-8; returns behind it. */
static char *put_char(char *to, uint32_t code) {
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
    }
    *to++ = (char)(0x80 | (code & 63));
    return to;
}

/* Copies up to the first backslash and returns where that is, or end. `to` has room for 16 bytes
 * more than are left. */
static const char *copy_plain(char **to, const char *p, const char *end) {
    char *out = *to;
#ifdef __SSE2__
    const __m128i slash = _mm_set1_epi8('\\');
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        _mm_storeu_si128((__m128i *)(void *)out, v);
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, slash));
        int n = mask ? __builtin_ctz(mask) : 16;
        out += n;
        p += n;
        if (mask) break;
    }
#endif
    while (p < end && *p != '\\')
        *out++ = *p++;
    *to = out;
    return p;
}

bool ln_json_unescape(struct ln_str inside, struct ln_buf *out) {
    const char *p = inside.n ? inside.p : "", *end = p + inside.n;
    char *to = ln_buf_room(out, inside.n + 16), *begin = to; /* nothing grows */
    while ((p = copy_plain(&to, p, end)) < end) {
        if (end - p >= 2 && (p[1] == '"' || p[1] == '\\')) { /* nearly all of them */
            *to++ = p[1];
            p += 2;
            continue;
        }
        uint32_t code;
        const char *words;
        p = escape(p, end, &code, &words);
        if (!p) return false;
        to = put_char(to, code);
    }
    out->n += (size_t)(to - begin);
    return true;
}

const char *ln_json_string_end(const char *p, const char *end) {
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned quotes = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, quote));
        unsigned slashes = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, slash));
        unsigned skip = 16;
        while (slashes) { /* what stands behind one is not looked at */
            unsigned at = (unsigned)__builtin_ctz(slashes);
            if (at == 15) skip = 17;
            quotes &= ~(2u << at);
            slashes &= ~(3u << at);
        }
        if (quotes) return p + __builtin_ctz(quotes);
        if (skip > (size_t)(end - p)) return NULL;
        p += skip;
    }
#endif
    for (; p < end && *p != '"'; p++)
        if (*p == '\\' && ++p == end) return NULL;
    return p < end ? p : NULL;
}
