/* SPDX-License-Identifier: MIT
 *
 * Engine.IO 4: the type byte, polling bodies, and the open packet both ways. Called by
 * client/conn_sio and hub/hub_sio. Missing members of the open packet get the protocol's defaults,
 * because old servers leave them out; what is there must make sense.
 */
#include "wire/engineio.h"

#include "base/json.h"
#include "base/text.h"

#define DAY_MS 86400000

enum eio_type eio_parse(struct ln_str frame, struct ln_str *data) {
    *data = (struct ln_str){NULL, 0};
    if (frame.n == 0) return EIO_BAD;
    char type = frame.p[0];
    if ((type < '0' || type > '6') && type != 'b') return EIO_BAD;
    *data = (struct ln_str){frame.p + 1, frame.n - 1};
    return (enum eio_type)type;
}

/* --- polling bodies --- */

bool eio_payload_each(struct ln_str body, size_t *pos, struct ln_str *packet) {
    if (*pos > body.n) return false;
    const char *p = body.p ? body.p + *pos : "";
    size_t n = body.n - *pos;
    const char *end = n ? memchr(p, EIO_SEPARATOR, n) : NULL;
    if (end) n = (size_t)(end - p);
    *packet = (struct ln_str){p, n};
    *pos += n + 1;
    return true;
}

static void add_base64(struct ln_buf *body, const struct ln_str *pieces, size_t count) {
    struct ln_buf whole = {0};
    for (size_t i = 0; count > 1 && i < count; i++)
        ln_buf_str(&whole, pieces[i]);
    struct ln_str bytes = count == 1 ? pieces[0] : ln_buf_get(&whole);
    ln_buf_putc(body, EIO_BINARY);
    ln_base64_encode(body, bytes.p, bytes.n);
    ln_buf_free(&whole);
}

void eio_payload_add(struct ln_buf *body, bool binary, const struct ln_str *pieces, size_t count) {
    if (body->n > 0) ln_buf_putc(body, EIO_SEPARATOR);
    if (binary) add_base64(body, pieces, count);
    for (size_t i = 0; !binary && i < count; i++)
        ln_buf_str(body, pieces[i]);
}

/* --- the open packet --- */

static bool bad(struct ln_err *err, const char *what) {
    ln_fail(err, LN_PROTOCOL, "the handshake %s", what);
    return false;
}

/* A member in milliseconds, or its default when missing. */
static bool get_ms(struct ln_str doc, const char *key, int64_t missing, int64_t *out,
                   struct ln_err *err) {
    struct ln_str raw = ln_json_get(doc, key);
    *out = missing;
    if (!raw.p) return true;
    if (ln_json_int(raw, out) && *out > 0 && *out <= DAY_MS) return true;
    ln_fail(err, LN_PROTOCOL, "the handshake's %s is not a number of milliseconds from 1 to %d",
            key, DAY_MS);
    return false;
}

static bool get_upgrades(struct ln_str doc, bool *websocket, struct ln_err *err) {
    struct ln_str list = ln_json_get(doc, "upgrades"), item;
    *websocket = false;
    if (!list.p) return true;
    if (ln_json_peek(list) != LN_JSON_ARRAY) return bad(err, "has upgrades that are no list");
    for (size_t pos = 0; ln_json_each(list, &pos, NULL, &item);)
        if (ln_str_is(item, "\"websocket\"")) *websocket = true;
    return true;
}

bool eio_open_parse(struct ln_str data, struct eio_open *o, struct ln_err *err) {
    memset(o, 0, sizeof *o);
    if (!ln_json_valid(data, NULL)) return bad(err, "is not valid JSON");
    if (ln_json_peek(data) != LN_JSON_OBJECT) return bad(err, "is not a JSON object");
    struct ln_str sid = ln_json_get(data, "sid");
    if (!sid.p) return bad(err, "has no sid");
    if (ln_json_peek(sid) != LN_JSON_STRING || sid.n <= 2)
        return bad(err, "has a sid that is empty "
                        "or no string");
    o->sid = (struct ln_str){sid.p + 1, sid.n - 2};
    struct ln_str payload = ln_json_get(data, "maxPayload");
    if (payload.p && (!ln_json_int(payload, &o->max_payload) || o->max_payload < 0))
        return bad(err, "has a maxPayload that is no number of bytes");
    return get_upgrades(data, &o->upgrade_websocket, err) &&
           get_ms(data, "pingInterval", 25000, &o->ping_interval_ms, err) &&
           get_ms(data, "pingTimeout", 20000, &o->ping_timeout_ms, err);
}

void eio_open_write(struct ln_buf *out, const char *sid, bool upgrade, int64_t ping_interval_ms,
                    int64_t ping_timeout_ms, int64_t max_payload) {
    ln_buf_puts(out, "0{\"sid\":");
    ln_json_quote(out, ln_str(sid));
    ln_buf_puts(out, upgrade ? ",\"upgrades\":[\"websocket\"]" : ",\"upgrades\":[]");
    ln_buf_puts(out, ",\"pingInterval\":");
    ln_buf_int(out, ping_interval_ms);
    ln_buf_puts(out, ",\"pingTimeout\":");
    ln_buf_int(out, ping_timeout_ms);
    ln_buf_puts(out, ",\"maxPayload\":");
    ln_buf_int(out, max_payload);
    ln_buf_putc(out, '}');
}
