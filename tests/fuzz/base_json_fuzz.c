/* SPDX-License-Identifier: MIT
 *
 * JSON: every reader on any bytes, and the readers must agree with each other. What was decoded
 * and quoted again must decode to the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void must(bool cond) {
    if (!cond) abort();
}

static void check_string(struct ln_str raw) {
    struct ln_buf plain = {0}, quoted = {0}, again = {0};
    must(ln_json_text(raw, &plain));
    must(ln_utf8_valid(plain.p, plain.n));
    ln_json_quote(&quoted, ln_buf_get(&plain));
    must(ln_json_text(ln_buf_get(&quoted), &again));
    must(ln_str_eq(ln_buf_get(&plain), ln_buf_get(&again)));
    ln_buf_free(&plain);
    ln_buf_free(&quoted);
    ln_buf_free(&again);
}

/* Walks a valid document by ln_json_each; every slice must be valid on its own. */
static void walk(struct ln_str doc) {
    size_t pos = 0;
    struct ln_str key, value;
    bool is_object = ln_json_peek(doc) == LN_JSON_OBJECT;
    while (ln_json_each(doc, &pos, is_object ? &key : NULL, &value)) {
        int64_t i;
        bool b;
        enum ln_json_type type = ln_json_peek(value);
        must(ln_json_valid(value, NULL));
        must(!ln_json_int(value, &i) || type == LN_JSON_NUMBER);
        must(ln_json_bool(value, &b) == (type == LN_JSON_TRUE || type == LN_JSON_FALSE));
        if (type == LN_JSON_STRING) check_string(value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct ln_str doc = {(const char *)p, n};
    struct ln_buf out = {0};
    struct ln_err err;
    if (ln_json_valid(doc, &err)) {
        must(ln_utf8_valid(doc.p, doc.n));
        walk(doc);
    } else {
        must(err.code == LN_INVALID && strncmp(err.text, "line ", 5) == 0);
    }
    ln_json_get(doc, "a");
    ln_json_at(doc, 3);
    ln_json_text(doc, &out);
    ln_json_quote(&out, doc);
    ln_buf_clear(&out);
    ln_json_quote(&out, doc);
    must(ln_json_valid(ln_buf_get(&out), NULL));
    ln_buf_free(&out);
    return 0;
}
