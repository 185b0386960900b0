/* SPDX-License-Identifier: MIT
 *
 * Bytes in plain JSON: its frames are text, so each binary value of an event stands in its place as
 * base64.
 */
#include "base/json.h"
#include "base/text.h"
#include "wire/plain.h"
#include "wire/socketio.h"

/* Which attachment the object stands for; NULL: it is another object. */
static const struct ln_str *attachment(struct ln_str object, const struct ln_str *bin, size_t n) {
    bool is_one = false;
    int64_t num = -1;
    if (!ln_json_bool(ln_json_get(object, "_placeholder"), &is_one) || !is_one) return NULL;
    if (!ln_json_int(ln_json_get(object, "num"), &num) || num < 0) return NULL;
    return (uint64_t)num < n ? &bin[num] : NULL;
}

static void write_value(struct ln_buf *out, struct ln_str value, const struct ln_str *bin,
                        size_t n) {
    enum ln_json_type type = ln_json_peek(value);
    bool is_object = type == LN_JSON_OBJECT;
    const struct ln_str *bytes = is_object ? attachment(value, bin, n) : NULL;
    if (bytes) {
        ln_buf_puts(out, "{\"_binary\":\"");
        ln_base64_encode(out, bytes->p, bytes->n);
        ln_buf_puts(out, "\"}");
        return;
    }
    if (!is_object && type != LN_JSON_ARRAY) {
        ln_buf_str(out, value);
        return;
    }
    struct ln_str key, item;
    ln_buf_putc(out, is_object ? '{' : '[');
    for (size_t pos = 0, i = 0; ln_json_each(value, &pos, is_object ? &key : NULL, &item); i++) {
        if (i > 0) ln_buf_putc(out, ',');
        if (is_object) ln_buf_fmt(out, "\"%.*s\":", LN_FMT(key));
        write_value(out, item, bin, n);
    }
    ln_buf_putc(out, is_object ? '}' : ']');
}

void plain_write_binary(struct ln_buf *out, struct ln_str args, const struct ln_str *bin,
                        size_t bin_count) {
    struct ln_str value;
    for (size_t pos = 0, i = 0; sio_args_each(args, &pos, &value); i++) {
        if (i > 0) ln_buf_putc(out, ',');
        write_value(out, value, bin, bin_count);
    }
}
