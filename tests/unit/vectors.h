/* SPDX-License-Identifier: MIT
 *
 * tests/vectors.json for tests: what the reference implementations wrote and read. The file is
 * read once and kept; slices point into it.
 */
#ifndef LN_TEST_VECTORS_H
#define LN_TEST_VECTORS_H

#include "base/json.h"
#include "test.h"

static inline struct ln_str vectors(const char *section) {
    static char text[32 * 1024];
    static size_t n;
    if (n == 0) {
        FILE *f = fopen(TEST_DIR "/vectors.json", "rb");
        if (f) {
            n = fread(text, 1, sizeof text, f);
            fclose(f);
        }
    }
    return ln_json_get((struct ln_str){text, n}, section);
}

/* A string member, decoded into out (which is emptied first). False when absent or no string. */
static inline bool vector_text(struct ln_str object, const char *key, struct ln_buf *out) {
    ln_buf_clear(out);
    return ln_json_text(ln_json_get(object, key), out);
}

#endif
