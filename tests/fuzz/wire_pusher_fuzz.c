/* SPDX-License-Identifier: MIT
 *
 * Pusher messages: slices lie inside the text or the scratch buffer, what was read can be written
 * again and reads the same, skimming finds what reading finds, `data` gives a JSON value, and any
 * query can be signed.
 */
#include <stdlib.h>

#include "base/json.h"
#include "wire/pusher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) abort();
}

static void write_again(const struct pusher_msg *m, struct ln_str value) {
    struct ln_buf out = {0}, scratch = {0}, data = {0};
    struct pusher_msg again;
    pusher_write(&out, m->event, m->channel, value, true, m->user_id);
    require(pusher_parse(ln_buf_get(&out), &again, &scratch, NULL));
    require(ln_str_eq(again.event, m->event) && ln_str_eq(again.channel, m->channel));
    require(ln_str_eq(again.user_id, m->user_id));
    require(ln_str_eq(pusher_data(again.data, &data), value));
    ln_buf_free(&out);
    ln_buf_free(&scratch);
    ln_buf_free(&data);
}

static void skim(struct ln_str text, const struct pusher_msg *m) {
    struct ln_buf scratch = {0}, a = {0}, b = {0};
    struct pusher_msg s;
    bool is_sure;
    bool ok = pusher_skim(text, &s, &scratch, NULL);
    require(ok || !m);
    if (ok && m) {
        require(ln_str_eq(s.event, m->event) && ln_str_eq(s.channel, m->channel));
        require(ln_str_eq(s.user_id, m->user_id) && ln_str_eq(s.data, m->data));
        struct ln_str guess = pusher_guess(s.data, &a, &is_sure);
        require(!is_sure || ln_str_eq(guess, pusher_data(m->data, &b)));
    } else if (ok) {
        require(pusher_data(s.data, &a).n > 0);
    }
    ln_buf_free(&scratch);
    ln_buf_free(&a);
    ln_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ln_str text = {(const char *)data, size};
    struct ln_buf scratch = {0}, out = {0};
    struct pusher_msg m;
    struct ln_err err = {0};
    char hex[65];
    if (pusher_parse(text, &m, &scratch, &err)) {
        require(m.data.n == 0 || (m.data.p >= text.p && m.data.p + m.data.n <= text.p + text.n));
        struct ln_str value = pusher_data(m.data, &out);
        require(ln_json_valid(value, NULL));
        write_again(&m, value);
        skim(text, &m);
        require(pusher_kind(m.channel) != PUSHER_USER || m.channel.p[0] == '#');
    } else {
        require(err.text[0] != 0);
        skim(text, NULL);
    }
    pusher_api_sign(LN_STR("secret"), LN_STR("GET"), LN_STR("/"), text, hex);
    require(hex[64] == 0 && strlen(hex) == 64);
    ln_buf_free(&scratch);
    ln_buf_free(&out);
    return 0;
}
