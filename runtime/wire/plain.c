/* SPDX-License-Identifier: MIT
 *
 * Plain JSON messages. Called for every message of a raw line, so values are passed over sixteen
 * bytes at a time: a string up to its closing quote, a list or an object up to the bracket that
 * ends it, whatever lies between.
 */
#include "wire/plain.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/json.h"

#define ACK_DIGITS 15 /* stays exact in a JavaScript peer */

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_blanks(const char *p, const char *end) {
    while (p < end && is_blank(*p))
        p++;
    return p;
}

/* --- passing over values: each returns what is behind, or NULL at the end of the text --- */

#ifdef __SSE2__
static __m128i load(const char *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static __m128i quotes_of(__m128i v) {
    return _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                        _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
}

/* Long texts by 64 bytes, while there is neither. */
static const char *skip_plain(const char *p, const char *end) {
    while (end - p >= 64) {
        __m128i ab = _mm_or_si128(quotes_of(load(p)), quotes_of(load(p + 16)));
        __m128i cd = _mm_or_si128(quotes_of(load(p + 32)), quotes_of(load(p + 48)));
        if (_mm_movemask_epi8(_mm_or_si128(ab, cd))) break;
        p += 64;
    }
    return p;
}
#endif

/* The first quote or backslash. */
static const char *find_quote(const char *p, const char *end) {
#ifdef __SSE2__
    const char *begin = p;
    while (end - p >= 16) {
        unsigned mask = (unsigned)_mm_movemask_epi8(quotes_of(load(p)));
        if (mask) return p + __builtin_ctz(mask);
        p += 16;
        if (LN_UNLIKELY(p - begin == 64)) p = skip_plain(p, end);
    }
#endif
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* p is behind the opening quote. */
static const char *skip_string(const char *p, const char *end, bool *escaped) {
    for (;;) {
        p = find_quote(p, end);
        if (p == end) return NULL;
        if (*p == '"') return p + 1;
        *escaped = true;
        if (end - p < 2) return NULL;
        p += 2;
    }
}

/* A bracket: 1 opens, -1 closes; 0: it is none. */
static int nesting(char c) {
    return ((c | ' ') == '{') - ((c | ' ') == '}');
}

/* Goes on with no string begun. */
static const char *skip_nested_slowly(const char *p, const char *end, int depth) {
    bool escaped;
    while (p < end) {
        char c = *p++;
        if (c == '"') {
            p = skip_string(p, end, &escaped);
            if (!p) return NULL;
        } else if (nesting(c)) {
            depth += nesting(c);
            if (depth == 0) return p;
        }
    }
    return NULL;
}

#ifdef __SSE2__
static unsigned where(__m128i v, char c) {
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

/* Each bit becomes the parity of the quotes up to it: 1 inside of a string. */
static unsigned inside_strings(unsigned quotes) {
    quotes ^= quotes << 1;
    quotes ^= quotes << 2;
    quotes ^= quotes << 4;
    return quotes ^ quotes << 8;
}
#endif

/* p is at the opening bracket. Which bracket closes which is for the decoder to say. */
static const char *skip_nested(const char *p, const char *end) {
    int depth = 0;
#ifdef __SSE2__
    unsigned in = 0; /* all bits: a string began before p */
    bool escaped;
    while (end - p >= 16) {
        __m128i v = load(p);
        unsigned slashes = where(v, '\\'), quotes = where(v, '"'), used = 16;
        /* Brackets, and nothing else that JSON has outside of strings. */
        unsigned marks = where(_mm_or_si128(v, _mm_set1_epi8(0x26)), 0x7f);
        if (LN_UNLIKELY(slashes)) {
            used = (unsigned)__builtin_ctz(slashes);
            quotes &= (1u << used) - 1;
            marks &= (1u << used) - 1;
        }
        unsigned text = inside_strings(quotes) ^ in;
        for (marks &= ~text; marks; marks &= marks - 1) {
            const char *at = p + __builtin_ctz(marks);
            depth += nesting(*at);
            if (depth == 0) return at + 1;
        }
        p += used;
        in = 0u - (text >> (used < 16 ? used : 15) & 1);
        if (LN_LIKELY(used == 16 && (!in || quotes))) continue;
        if (!in) return NULL;              /* a backslash outside of strings */
        p = skip_string(p, end, &escaped); /* a long string, or one with an escape */
        if (!p) return NULL;
        in = 0;
    }
    if (in) p = skip_string(p, end, &escaped);
    if (!p) return NULL;
#endif
    return skip_nested_slowly(p, end, depth);
}

static const char *skip_value(const char *p, const char *end) {
    bool escaped;
    if (p == end) return NULL;
    if (*p == '"') return skip_string(p + 1, end, &escaped);
    if ((*p | ' ') == '{') return skip_nested(p, end);
    const char *begin = p;
    while (p < end && *p != ',' && (*p | ' ') != '}' && !is_blank(*p))
        p++;
    return p == begin ? NULL : p;
}

/* --- the members of an object --- */

struct members { /* raw values; {NULL, 0}: not there */
    struct ln_str name, type, data, args, ack;
    bool name_escaped, type_escaped;
    bool has_others;
};

static bool is(struct ln_str key, const char *name, size_t n) {
    return key.n == n && memcmp(key.p, name, n) == 0;
}

/* The inside of a string's quotes; false when the value is something else. */
static bool text_of(struct ln_str value, struct ln_str *inside, bool *escaped) {
    if (value.p[0] != '"') return false;
    *inside = (struct ln_str){value.p + 1, value.n - 2};
    *escaped = memchr(inside->p, '\\', inside->n) != NULL;
    return true;
}

static bool note_name(struct members *m, const char *field, struct ln_str key,
                      struct ln_str value) {
    if (is(key, field ? field : "event", field ? strlen(field) : 5))
        return text_of(value, &m->name, &m->name_escaped);
    if (!field && is(key, "type", 4)) return text_of(value, &m->type, &m->type_escaped);
    return false;
}

static void note(struct members *m, const char *field, struct ln_str key, struct ln_str value) {
    if (note_name(m, field, key, value)) return;
    if (is(key, "data", 4))
        m->data = value;
    else if (is(key, "args", 4) && value.p[0] == '[' && value.p[value.n - 1] == ']')
        m->args = (struct ln_str){value.p + 1, value.n - 2};
    else if (is(key, "ack", 3))
        m->ack = value;
    else
        m->has_others = true;
}

/* {"event":"NAME","data": as most senders write it: what is behind; else p, with nothing noted. */
static const char *read_usual(const char *p, const char *end, struct members *m) {
    static const char head[] = "\"event\":\"", middle[] = ",\"data\":";
    enum { HEAD = sizeof head - 1, MIDDLE = sizeof middle - 1 };
    if (end - p < HEAD + MIDDLE + 2 || memcmp(p, head, HEAD) != 0) return p;
    const char *name = p + HEAD, *quote = find_quote(name, end);
    if (end - quote <= MIDDLE || *quote != '"' || memcmp(quote + 1, middle, MIDDLE) != 0) return p;
    const char *value = skip_blanks(quote + 1 + MIDDLE, end), *behind = skip_value(value, end);
    if (!behind) return p;
    m->name = (struct ln_str){name, (size_t)(quote - name)};
    m->data = (struct ln_str){value, (size_t)(behind - value)};
    return behind;
}

/* p is behind the opening bracket; true when the object ends where the text does. */
static bool read_members(const char *p, const char *end, const char *field, struct members *m) {
    if (!field) {
        const char *behind = read_usual(p, end, m);
        if (behind != p) {
            p = skip_blanks(behind, end);
            if (p < end && *p == '}') return p + 1 == end;
            if (p == end || *p++ != ',') return false;
        }
    }
    p = skip_blanks(p, end);
    if (p < end && *p == '}') return p + 1 == end;
    for (;;) {
        bool escaped = false;
        if (p == end || *p != '"') return false;
        struct ln_str key = {p + 1, 0}, value;
        p = skip_string(p + 1, end, &escaped);
        if (!p) return false;
        key.n = (size_t)(p - key.p) - 1;
        p = skip_blanks(p, end);
        if (p == end || *p != ':') return false;
        value.p = p = skip_blanks(p + 1, end);
        p = skip_value(p, end);
        if (!p) return false;
        value.n = (size_t)(p - value.p);
        note(m, field, key, value);
        p = skip_blanks(p, end);
        if (p == end) return false;
        if (*p == '}') return p + 1 == end;
        if (*p != ',') return false;
        p = skip_blanks(p + 1, end);
    }
}

static bool number_of(struct ln_str raw, int64_t *out) {
    int64_t n = 0;
    if (raw.n == 0 || raw.n > ACK_DIGITS || (raw.n > 1 && raw.p[0] == '0')) return false;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] < '0' || raw.p[i] > '9') return false;
        n = n * 10 + (raw.p[i] - '0');
    }
    *out = n;
    return true;
}

/* A list's inside that is white space only holds no value. */
static struct ln_str inside(struct ln_str list) {
    const char *end = list.p + list.n, *p = skip_blanks(list.p, end);
    while (end > p && is_blank(end[-1]))
        end--;
    return (struct ln_str){p, (size_t)(end - p)};
}

static struct ln_str args_of(const struct members *m, struct ln_str whole) {
    if (m->args.p) return inside(m->args);
    if (m->data.p || !m->has_others) return m->data;
    return whole;
}

/* Nobody looks at an answer again before it is told. */
static bool is_answer(const struct members *m, int64_t *ack) {
    if (m->has_others || !number_of(m->ack, ack)) return false;
    if (!m->args.p) return m->data.n == 0 || ln_json_valid(m->data, NULL);
    return ln_json_valid((struct ln_str){m->args.p - 1, m->args.n + 2}, NULL);
}

enum plain_kind plain_parse(struct ln_str text, const char *field, struct plain *out) {
    struct members m = {0};
    struct ln_str whole = text.n ? inside(text) : text;
    *out = (struct plain){.args = whole, .ack = PLAIN_NO_ACK};
    if (whole.n == 0) return PLAIN_BROKEN;
    if (whole.p[0] != '{') return PLAIN_VALUE;
    if (!read_members(whole.p + 1, whole.p + whole.n, field, &m)) return PLAIN_BROKEN;
    if (LN_UNLIKELY(!m.name.p && !m.type.p)) {
        int64_t ack;
        if (!is_answer(&m, &ack)) return PLAIN_VALUE;
        out->args = args_of(&m, whole);
        out->ack = ack;
        return PLAIN_ANSWER;
    }
    out->name = m.name.p ? m.name : m.type;
    out->name_escaped = m.name.p ? m.name_escaped : m.type_escaped;
    if (m.name.p && m.type.p) m.has_others = true;
    if (m.ack.p && !number_of(m.ack, &out->ack)) m.has_others = true;
    out->args = args_of(&m, whole);
    /* A number in a message of other fields is the server's own, not a question. */
    if (out->args.p == whole.p) out->ack = PLAIN_NO_ACK;
    return PLAIN_EVENT;
}

/* --- writing --- */

/* `,"data":VALUE` for one argument, `,"args":[…]` for several, nothing for none. */
static void write_args(struct ln_buf *out, struct ln_str args) {
    if (args.n == 0) return;
    const char *end = args.p + args.n, *p = skip_value(skip_blanks(args.p, end), end);
    bool is_one = p && skip_blanks(p, end) == end;
    ln_buf_puts(out, is_one ? ",\"data\":" : ",\"args\":[");
    ln_buf_str(out, args);
    if (!is_one) ln_buf_putc(out, ']');
}

void plain_write_event(struct ln_buf *out, const char *field, struct ln_str name,
                       struct ln_str args, int64_t ack) {
    ln_buf_putc(out, '{');
    ln_json_quote(out, ln_str(field ? field : "event"));
    ln_buf_putc(out, ':');
    ln_json_quote(out, name);
    write_args(out, args);
    if (ack != PLAIN_NO_ACK) {
        ln_buf_puts(out, ",\"ack\":");
        ln_buf_int(out, ack);
    }
    ln_buf_putc(out, '}');
}

void plain_write_answer(struct ln_buf *out, int64_t ack, struct ln_str args) {
    ln_buf_puts(out, "{\"ack\":");
    ln_buf_int(out, ack);
    write_args(out, args);
    ln_buf_putc(out, '}');
}
