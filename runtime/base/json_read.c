/* SPDX-License-Identifier: MIT
 *
 * Look-ups in JSON text without building anything: each walks the text with the tokenizer and
 * lends a slice of it.
 */
#include "base/json.h"

enum ln_json_type ln_json_peek(struct ln_str raw) {
    size_t i = 0;
    while (i < raw.n &&
           (raw.p[i] == ' ' || raw.p[i] == '\n' || raw.p[i] == '\t' || raw.p[i] == '\r'))
        i++;
    if (i == raw.n) return LN_JSON_END;
    switch (raw.p[i]) {
    case 'n':
        return LN_JSON_NULL;
    case 't':
        return LN_JSON_TRUE;
    case 'f':
        return LN_JSON_FALSE;
    case '"':
        return LN_JSON_STRING;
    case '[':
        return LN_JSON_ARRAY;
    case '{':
        return LN_JSON_OBJECT;
    }
    bool is_number = raw.p[i] == '-' || (raw.p[i] >= '0' && raw.p[i] <= '9');
    return is_number ? LN_JSON_NUMBER : LN_JSON_ERROR;
}

/* The whole value that begins with the token just read; {NULL, 0} when it is broken. */
static struct ln_str whole(struct ln_json *j, enum ln_json_type first) {
    const char *begin = first == LN_JSON_STRING ? j->raw.p - 1 : j->raw.p;
    if (!ln_json_skip(j, first)) return (struct ln_str){NULL, 0};
    return (struct ln_str){begin, (size_t)(j->p - begin)};
}

static bool key_is(const struct ln_json *j, struct ln_str key) {
    if (!j->escaped) return ln_str_eq(j->raw, key);
    struct ln_buf plain = {0};
    bool same = ln_json_unescape(j->raw, &plain) && ln_str_eq(ln_buf_get(&plain), key);
    ln_buf_free(&plain);
    return same;
}

struct ln_str ln_json_get(struct ln_str doc, const char *name) {
    struct ln_str found = {NULL, 0}, key = ln_str(name);
    struct ln_json j;
    ln_json_init(&j, doc, 0);
    if (ln_json_next(&j) != LN_JSON_OBJECT) return found;
    while (ln_json_next(&j) == LN_JSON_KEY) {
        bool is_it = key_is(&j, key);
        struct ln_str value = whole(&j, ln_json_next(&j));
        if (!value.p) break;
        if (is_it) found = value;
    }
    return found;
}

struct ln_str ln_json_at(struct ln_str doc, size_t index) {
    size_t pos = 0;
    struct ln_str value;
    while (ln_json_each(doc, &pos, NULL, &value)) {
        if (index-- == 0) return value;
    }
    return (struct ln_str){NULL, 0};
}

bool ln_json_each(struct ln_str doc, size_t *pos, struct ln_str *key, struct ln_str *value) {
    struct ln_json j;
    ln_json_init(&j, doc, 0);
    enum ln_json_type opened = key ? LN_JSON_OBJECT : LN_JSON_ARRAY;
    if (*pos > doc.n) return false;
    if (*pos == 0) {
        if (ln_json_next(&j) != opened) return false;
    } else {
        ln_json_resume(&j, *pos, key != NULL);
    }
    enum ln_json_type type = ln_json_next(&j);
    if (key) {
        if (type != LN_JSON_KEY) return false;
        *key = j.raw;
        type = ln_json_next(&j);
    } else if (type == LN_JSON_ARRAY_END) {
        return false;
    }
    if (type == LN_JSON_ERROR) return false;
    struct ln_str got = whole(&j, type);
    if (!got.p) return false;
    *value = got;
    *pos = (size_t)(j.p - j.start);
    return true;
}

/* One scalar token and nothing else. */
static bool only(struct ln_str raw, struct ln_json *j, enum ln_json_type wanted) {
    ln_json_init(j, raw, 0);
    if (ln_json_next(j) != wanted) return false;
    struct ln_str token = j->raw;
    if (ln_json_next(j) != LN_JSON_END) return false;
    j->raw = token;
    return true;
}

bool ln_json_text(struct ln_str raw, struct ln_buf *out) {
    struct ln_json j;
    return only(raw, &j, LN_JSON_STRING) && ln_json_unescape(j.raw, out);
}

bool ln_json_int(struct ln_str raw, int64_t *out) {
    struct ln_json j;
    if (!only(raw, &j, LN_JSON_NUMBER)) return false;
    const char *p = j.raw.p, *end = p + j.raw.n;
    bool is_negative = *p == '-';
    uint64_t limit = (uint64_t)INT64_MAX + is_negative, value = 0;
    for (p += is_negative; p < end; p++) {
        if (*p < '0' || *p > '9') return false;
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (limit - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = (int64_t)(is_negative ? 0 - value : value);
    return true;
}

bool ln_json_bool(struct ln_str raw, bool *out) {
    struct ln_json j;
    bool is_true = ln_json_peek(raw) == LN_JSON_TRUE;
    if (!only(raw, &j, is_true ? LN_JSON_TRUE : LN_JSON_FALSE)) return false;
    *out = is_true;
    return true;
}
