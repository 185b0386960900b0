/* SPDX-License-Identifier: MIT
 *
 * Plain JSON messages: slices lie inside the text, what is valid JSON is never broken and has valid
 * arguments, and what was read can be written again and reads the same.
 */
#include <stdlib.h>

#include "base/json.h"
#include "wire/plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) abort();
}

/* One value (which may be nested as deep as values may), or several. */
static bool are_values(struct ln_str args) {
    struct ln_buf list = {0};
    if (ln_json_valid(args, NULL)) return true;
    ln_buf_putc(&list, '[');
    ln_buf_str(&list, args);
    ln_buf_putc(&list, ']');
    bool ok = ln_json_valid(ln_buf_get(&list), NULL);
    ln_buf_free(&list);
    return ok;
}

static void write_again(const struct plain *m, enum plain_kind kind) {
    struct ln_buf out = {0}, name = {0};
    struct plain again;
    if (kind == PLAIN_ANSWER)
        plain_write_answer(&out, m->ack, m->args);
    else if (ln_json_unescape(m->name, &name))
        plain_write_event(&out, NULL, ln_buf_get(&name), m->args, m->ack);
    if (out.n > 0) {
        require(ln_json_valid(ln_buf_get(&out), NULL));
        require(plain_parse(ln_buf_get(&out), NULL, &again) == kind);
        require(ln_str_eq(again.args, m->args) && again.ack == m->ack);
    }
    ln_buf_free(&out);
    ln_buf_free(&name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ln_str text = {(const char *)data, size};
    struct plain m;
    plain_parse(text, "op", &m);
    enum plain_kind kind = plain_parse(text, NULL, &m);
    bool valid = ln_json_valid(text, NULL);
    require(kind != PLAIN_BROKEN || !valid);
    if (m.args.n > 0) require(m.args.p >= text.p && m.args.p + m.args.n <= text.p + text.n);
    if (kind == PLAIN_ANSWER) require(are_values(m.args) && m.ack >= 0);
    if (valid) require(are_values(m.args));
    if (kind == PLAIN_ANSWER || (kind == PLAIN_EVENT && valid)) write_again(&m, kind);
    return 0;
}
