/* SPDX-License-Identifier: MIT
 *
 * Socket.IO 5 packets. Called for every packet by client/conn_sio and hub/hub_sio, so an event
 * costs a look at its header and its name, whatever the size of its arguments: those are checked by
 * the decoder of the listener that wants them. What no decoder will look at again (the data of
 * CONNECT, CONNECT_ERROR and ACK) is validated here.
 */
#include "wire/socketio.h"

#include "base/json.h"

#define ACK_DIGITS 15 /* stays exact in a JavaScript peer, and far from overflow here */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_blank(char c) { /* JSON's white space */
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool invalid(struct ln_err *err) {
    ln_fail(err, LN_PROTOCOL, "invalid payload");
    return false;
}

bool sio_name_reserved(struct ln_str name) {
    switch (name.n) { /* the length alone rules out nearly every name */
    case 7:
        return ln_str_is(name, "connect");
    case 10:
        return ln_str_is(name, "disconnect");
    case 11:
        return ln_str_is(name, "newListener");
    case 13:
        return ln_str_is(name, "connect_error") || ln_str_is(name, "disconnecting");
    case 14:
        return ln_str_is(name, "removeListener");
    default:
        return false;
    }
}

/* --- header --- */

static bool parse_type(struct ln_str text, enum sio_type *type, struct ln_err *err) {
    if (text.n == 0) {
        ln_fail(err, LN_PROTOCOL, "empty packet");
        return false;
    }
    unsigned char c = (unsigned char)text.p[0];
    if (c >= '0' && c <= '6') {
        *type = (enum sio_type)(c - '0');
        return true;
    }
    if (c > ' ' && c < 0x7f)
        ln_fail(err, LN_PROTOCOL, "unknown packet type %c", c);
    else
        ln_fail(err, LN_PROTOCOL, "unknown packet type \\x%02x", c);
    return false;
}

/* `N-` of the binary types; *pp moves behind the dash. */
static bool parse_attachments(const char **pp, const char *end, int max, int *count,
                              struct ln_err *err) {
    const char *p = *pp;
    int n = 0;
    while (p < end && is_digit(*p)) {
        if (n <= max) n = n * 10 + (*p - '0'); /* over max it stays over max */
        p++;
    }
    if (p == *pp || p == end || *p != '-' || n == 0) {
        ln_fail(err, LN_PROTOCOL, "Illegal attachments");
        return false;
    }
    if (n > max) {
        ln_fail(err, LN_PROTOCOL, "too many attachments");
        return false;
    }
    *pp = p + 1;
    *count = n;
    return true;
}

static struct ln_str parse_nsp(const char **pp, const char *end) {
    const char *p = *pp;
    if (p == end || *p != '/') return LN_STR("/");
    const char *comma = memchr(p, ',', (size_t)(end - p));
    *pp = comma ? comma + 1 : end;
    return (struct ln_str){p, (size_t)((comma ? comma : end) - p)};
}

static bool parse_ack(const char **pp, const char *end, int64_t *ack) {
    const char *p = *pp;
    int64_t n = 0;
    while (p < end && is_digit(*p)) {
        if (p - *pp == ACK_DIGITS) return false;
        n = n * 10 + (*p++ - '0');
    }
    *ack = p == *pp ? SIO_NO_ACK : n;
    *pp = p;
    return true;
}

/* --- an event's name --- */

/* A name with escapes must be decoded to know whether it is a reserved one in disguise. */
static bool escaped_name_ok(struct ln_str name) {
    struct ln_buf plain = {0};
    bool ok = ln_json_unescape(name, &plain) && !sio_name_reserved(ln_buf_get(&plain));
    ln_buf_free(&plain);
    return ok;
}

/* p is behind the opening quote; returns what is behind the closing one, or NULL. */
static const char *parse_string_name(const char *p, const char *end, struct sio_packet *out) {
    const char *start = p;
    for (; p < end && *p != '"'; p++) {
        if ((unsigned char)*p < 0x20) return NULL;
        if (*p == '\\') {
            out->name_escaped = true;
            if (++p == end) return NULL;
        }
    }
    if (p == end) return NULL;
    out->name = (struct ln_str){start, (size_t)(p - start)};
    bool ok = out->name_escaped ? escaped_name_ok(out->name) : !sio_name_reserved(out->name);
    return ok ? p + 1 : NULL;
}

static const char *parse_number_name(const char *p, const char *end, struct sio_packet *out) {
    const char *start = p;
    while (p < end && *p != ',' && *p != ']' && !is_blank(*p))
        p++;
    out->name = (struct ln_str){start, (size_t)(p - start)};
    out->name_is_number = true;
    if (ln_json_peek(out->name) != LN_JSON_NUMBER || !ln_json_valid(out->name, NULL)) return NULL;
    return p;
}

/* ["name",ARGS]: the frame and the name are checked, the arguments only found. */
static bool parse_event(struct sio_packet *out) {
    if (out->data.n == 0) return false;
    const char *p = out->data.p, *end = p + out->data.n;
    while (end > p && is_blank(end[-1]))
        end--;
    if (end - p < 2 || *p != '[' || end[-1] != ']') return false;
    end--;
    do
        p++;
    while (p < end && is_blank(*p));
    if (p == end) return false;
    p = *p == '"' ? parse_string_name(p + 1, end, out) : parse_number_name(p, end, out);
    if (!p) return false;
    while (p < end && is_blank(*p))
        p++;
    if (p == end) return true;
    if (*p != ',') return false;
    do
        p++;
    while (p < end && is_blank(*p));
    out->args = (struct ln_str){p, (size_t)(end - p)};
    return p < end;
}

/* --- whole packets --- */

static bool is_json(struct ln_str data, enum ln_json_type type) {
    return ln_json_peek(data) == type && ln_json_valid(data, NULL);
}

static bool data_ok(struct sio_packet *out) {
    bool empty = out->data.n == 0, acked = out->ack != SIO_NO_ACK;
    switch (out->type) {
    case SIO_EVENT:
    case SIO_BINARY_EVENT:
        return parse_event(out);
    case SIO_ACK:
    case SIO_BINARY_ACK:
        return acked && is_json(out->data, LN_JSON_ARRAY);
    case SIO_CONNECT:
        return !acked && (empty || is_json(out->data, LN_JSON_OBJECT));
    case SIO_CONNECT_ERROR:
        return !acked &&
               (empty || is_json(out->data, LN_JSON_OBJECT) || is_json(out->data, LN_JSON_STRING));
    default: /* SIO_DISCONNECT */
        return !acked && empty;
    }
}

bool sio_parse(struct ln_str text, int max_attachments, struct sio_packet *out,
               struct ln_err *err) {
    memset(out, 0, sizeof *out);
    if (!parse_type(text, &out->type, err)) return false;
    const char *p = text.p + 1, *end = text.p + text.n;
    if (out->type >= SIO_BINARY_EVENT &&
        !parse_attachments(&p, end, max_attachments, &out->attachments, err))
        return false;
    out->nsp = parse_nsp(&p, end);
    if (!parse_ack(&p, end, &out->ack)) return invalid(err);
    if (p < end) out->data = (struct ln_str){p, (size_t)(end - p)};
    return data_ok(out) || invalid(err);
}

/* --- writing --- */

void sio_write_head(struct ln_buf *out, enum sio_type type, struct ln_str nsp, int64_t ack,
                    int attachments) {
    if (attachments > 0 && type == SIO_EVENT) type = SIO_BINARY_EVENT;
    if (attachments > 0 && type == SIO_ACK) type = SIO_BINARY_ACK;
    char head[2] = {'4', (char)('0' + (int)type)};
    ln_buf_add(out, head, sizeof head);
    if (attachments > 0) {
        ln_buf_int(out, attachments);
        ln_buf_putc(out, '-');
    }
    if (nsp.n > 1) {
        ln_buf_str(out, nsp);
        ln_buf_putc(out, ',');
    }
    if (ack != SIO_NO_ACK) ln_buf_int(out, ack);
}

void sio_write_event(struct ln_buf *out, struct ln_str nsp, int64_t ack, int attachments,
                     struct ln_str name, struct ln_str args) {
    sio_write_head(out, SIO_EVENT, nsp, ack, attachments);
    ln_buf_putc(out, '[');
    ln_json_quote(out, name);
    if (args.n > 0) {
        ln_buf_putc(out, ',');
        ln_buf_str(out, args);
    }
    ln_buf_putc(out, ']');
}

bool sio_args_each(struct ln_str args, size_t *pos, struct ln_str *value) {
    if (*pos >= args.n) return false;
    const char *p = args.p + *pos, *end = args.p + args.n;
    while (p < end && is_blank(*p))
        p++;
    struct ln_json j;
    ln_json_init(&j, (struct ln_str){p, (size_t)(end - p)}, 0);
    *pos = args.n + 1; /* an error, unless the value and what follows it are right */
    enum ln_json_type type = ln_json_next(&j);
    if (type == LN_JSON_ERROR || type == LN_JSON_END || !ln_json_skip(&j, type)) return false;
    *value = (struct ln_str){p, (size_t)(j.p - p)};
    for (p = j.p; p < end && is_blank(*p);)
        p++;
    if (p < end && (*p != ',' || p + 1 == end)) return false;
    *pos = (size_t)(p - args.p) + (p < end);
    return true;
}
