/* SPDX-License-Identifier: MIT
 *
 * JSON without a tree (RFC 8259, strict): a pull tokenizer over a slice, look-ups that return raw
 * slices of the text, and a writer that adds to a buffer. Lua values are made from the same
 * tokenizer's rules in bindings/lua_json.
 */
#ifndef LN_JSON_H
#define LN_JSON_H

#include "base/buf.h"

#define LN_JSON_DEPTH 100 /* default nesting limit */

enum ln_json_type {
    LN_JSON_ERROR = 0,
    LN_JSON_END, /* of the text (top level) */
    LN_JSON_NULL,
    LN_JSON_TRUE,
    LN_JSON_FALSE,
    LN_JSON_NUMBER,
    LN_JSON_STRING,
    LN_JSON_ARRAY,     /* [ */
    LN_JSON_ARRAY_END, /* ] */
    LN_JSON_OBJECT,    /* { */
    LN_JSON_OBJECT_END,
    LN_JSON_KEY
};

struct ln_json {
    const char *start, *p, *end;
    struct ln_str raw; /* of the token just read; a string's or key's raw is between the quotes */
    bool escaped;      /* the string or key holds backslashes: use ln_json_unescape */
    int depth, max_depth;
    uint8_t expect;                           /* internal */
    uint8_t stack[LN_JSON_DEPTH * 2 / 8 + 1]; /* one bit a level: object? */
    const char *error;                        /* words, when LN_JSON_ERROR */
};

/* max_depth 0 = LN_JSON_DEPTH; at most 2 * LN_JSON_DEPTH. */
void ln_json_init(struct ln_json *j, struct ln_str text, int max_depth);
enum ln_json_type ln_json_next(struct ln_json *j);
/* Skips the value whose first token was just read (after a key: the key's value), so that j->p is
 * behind it; false on error. */
bool ln_json_skip(struct ln_json *j, enum ln_json_type first);
/* After init: goes on at pos, the end of a value that lies directly in the text's array or object,
 * as if everything in front had been read (for ln_json_each). */
void ln_json_resume(struct ln_json *j, size_t pos, bool is_object);
/* "line 2, column 7: expected a value" into err (LN_INVALID). */
void ln_json_error(const struct ln_json *j, struct ln_err *err);
/* The whole text is one valid value, and nothing behind it. */
bool ln_json_valid(struct ln_str text, struct ln_err *err);
/* Type of a raw value by its first byte (white space in front is skipped); does not validate. */
enum ln_json_type ln_json_peek(struct ln_str raw);

/* Raw slice of an object's member (the last one if duplicated) or an array's element; {NULL,0}
 * when absent, or the text is malformed before it. Strings keep their quotes. */
struct ln_str ln_json_get(struct ln_str doc, const char *key);
struct ln_str ln_json_at(struct ln_str doc, size_t index);
/* Walks an array (key NULL) or object: *pos begins at 0; false at the end or on an error. A key is
 * what stands between its quotes (ln_json_unescape decodes it), a value is raw. */
bool ln_json_each(struct ln_str doc, size_t *pos, struct ln_str *key, struct ln_str *value);
/* Decoded contents of a raw string token WITH quotes; false when it is not a valid string. */
bool ln_json_text(struct ln_str raw, struct ln_buf *out);
bool ln_json_int(struct ln_str raw, int64_t *out);
bool ln_json_bool(struct ln_str raw, bool *out);
/* Decodes the inside of a string (no quotes); false on a bad escape or lone surrogate. */
bool ln_json_unescape(struct ln_str inside, struct ln_buf *out);

/* p stands behind a string's opening quote: where its closing one is; NULL: nowhere. What is
 * between is not checked. */
const char *ln_json_string_end(const char *p, const char *end);

/* The first byte from p on that is a quote, a backslash, a control or not ASCII; end when none is.
 */
const char *ln_json_plain(const char *p, const char *end);

/* Writer: s as a JSON string with quotes. Bad UTF-8 becomes U+FFFD, so that what we write is JSON
 * always. */
void ln_json_quote(struct ln_buf *out, struct ln_str s);
/* Shortest text that reads back as the same double; "null" for NaN and infinities. */
void ln_json_double(struct ln_buf *out, double d);

#endif
