/* SPDX-License-Identifier: MIT
 *
 * Socket.IO packets and the Engine.IO open packet: slices lie inside the text, what was read can be
 * written again and reads the same, and walking arguments ends.
 */
#include <stdlib.h>

#include "base/json.h"
#include "wire/engineio.h"
#include "wire/socketio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) abort();
}

static void inside(struct ln_str s, struct ln_str in) {
    require(s.n == 0 || (s.p >= in.p && s.p + s.n <= in.p + in.n));
}

static void write_again(const struct sio_packet *p) {
    struct ln_buf out = {0};
    struct sio_packet again;
    enum sio_type type = p->attachments == 0 ? p->type : p->type - SIO_BINARY_EVENT + SIO_EVENT;
    sio_write_head(&out, type, p->nsp, p->ack, p->attachments);
    ln_buf_str(&out, p->data);
    require(sio_parse((struct ln_str){out.p + 1, out.n - 1}, SIO_MAX_ATTACHMENTS, &again, NULL));
    require(again.type == p->type && again.ack == p->ack && again.attachments == p->attachments);
    require(ln_str_eq(again.nsp, p->nsp) && ln_str_eq(again.data, p->data));
    require(ln_str_eq(again.name, p->name) && ln_str_eq(again.args, p->args));
    ln_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ln_str text = {(const char *)data, size}, rest, value;
    struct sio_packet p;
    struct eio_open o;
    struct ln_err err = {0};
    if (sio_parse(text, SIO_MAX_ATTACHMENTS, &p, &err)) {
        inside(p.data, text);
        inside(p.name, p.data);
        inside(p.args, p.data);
        for (size_t pos = 0; sio_args_each(p.args, &pos, &value);) {
            inside(value, p.args);
            require(ln_json_valid(value, NULL));
        }
        write_again(&p);
    } else {
        require(err.text[0] != 0);
    }
    if (eio_parse(text, &rest) != EIO_BAD && eio_open_parse(rest, &o, NULL)) {
        inside(o.sid, rest);
        require(o.ping_interval_ms > 0 && o.ping_timeout_ms > 0 && o.max_payload >= 0);
    }
    return 0;
}
