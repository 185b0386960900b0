/* SPDX-License-Identifier: MIT
 *
 * Plain JSON over WebSocket (docs/hub.md): one object a text frame, {"event","data","ack"} in both
 * directions and {"ack","data"} as an answer; `args`, a list, is in the place of `data` when there
 * are several arguments. What is no such object is answered with an event `error` and counts as an
 * event for the rate; binary frames close.
 */
#include "hub/hub_int.h"

#include "base/json.h"
#include "wire/plain.h"

#define MAX_ACK 999999999999999 /* as Socket.IO's: exact in JavaScript */
#define EARLY_BYTES (64 << 10)  /* of frames that came before their client was admitted */

void hub_raw_event(struct ln_buf *out, int64_t ack, struct ln_str name, struct ln_str args) {
    plain_write_event(out, NULL, name, args, ack);
}

struct ln_str hub_raw_args(struct ln_buf *out, struct ln_str args, const struct ln_str *bin,
                           size_t bin_count) {
    if (LN_LIKELY(bin_count == 0)) return args;
    if (out->n == 0) plain_write_binary(out, args, bin, bin_count);
    return ln_buf_get(out);
}

void hub_raw_ack(struct hub_client *c, int64_t ack, struct ln_str args) {
    struct ln_buf out = {0};
    plain_write_answer(&out, ack, args);
    hub_line_send(c->line, false, ln_buf_get(&out));
    ln_buf_free(&out);
}

static void write_error(struct hub_line *line, ln_status code, const char *message,
                        struct ln_str data) {
    struct ln_buf out = {0};
    ln_buf_fmt(&out,
               "{\"event\":\"error\",\"data\":{\"code\":\"%s\",\"message\":", ln_status_name(code));
    ln_json_quote(&out, ln_str(message));
    if (data.n > 0) {
        ln_buf_puts(&out, ",\"data\":");
        ln_buf_str(&out, data);
    }
    ln_buf_puts(&out, "}}");
    hub_line_send(line, false, ln_buf_get(&out));
    ln_buf_free(&out);
}

void hub_raw_refuse(struct hub_line *line, const char *message, struct ln_str data) {
    write_error(line, LN_UNAUTHORIZED, message, data);
    hub_line_drop(line, HUB_LEAVE_SERVER, 1008, "refused");
}

static void wrong(struct hub_line *line, const char *message) {
    if (hub_line_charge(line)) write_error(line, LN_INVALID, message, (struct ln_str){NULL, 0});
}

/* The inside of the list `args`, else `data`. */
static struct ln_str args_of(struct ln_str doc) {
    struct ln_str list = ln_json_get(doc, "args"), first;
    size_t at = 0;
    if (ln_json_peek(list) != LN_JSON_ARRAY) return ln_json_get(doc, "data");
    if (!ln_json_each(list, &at, NULL, &first)) return (struct ln_str){NULL, 0};
    return (struct ln_str){first.p, (size_t)(list.p + list.n - 1 - first.p)};
}

static void on_event(struct hub_client *c, struct ln_str doc, struct ln_str event, int64_t ack) {
    struct ln_buf name = {0};
    struct hub_event ev = {.nsp = LN_STR("/"), .args = args_of(doc), .ack = ack};
    if (!ln_json_text(event, &name) || name.n == 0) {
        wrong(c->line, "\"event\" must be a text that is not empty");
    } else {
        ev.name = ln_buf_get(&name);
        hub_client_event(c, &ev);
    }
    ln_buf_free(&name);
}

/* --- before the session --- */

/* In line->early, each with its length in front. */
static void keep_early(struct hub_line *line, struct ln_str doc) {
    if (line->early.n + sizeof doc.n + doc.n > EARLY_BYTES) {
        wrong(line, "wait for the session first");
        return;
    }
    ln_buf_add(&line->early, &doc.n, sizeof doc.n);
    ln_buf_str(&line->early, doc);
}

void hub_raw_admitted(struct hub_line *line) {
    struct ln_buf early = line->early;
    size_t at = 0, n;
    line->early = (struct ln_buf){0};
    while (at < early.n && !line->is_ended) {
        memcpy(&n, early.p + at, sizeof n);
        at += sizeof n + n;
        hub_raw_input(line, false, early.p + at - n, n);
    }
    ln_buf_free(&early);
}

void hub_raw_input(struct hub_line *line, bool binary, char *p, size_t n) {
    struct ln_str doc = {p, n};
    struct ln_err err;
    if (binary) {
        hub_line_drop(line, HUB_LEAVE_ERROR, 1003, "only text is understood here");
        return;
    }
    if (ln_json_peek(doc) != LN_JSON_OBJECT || !ln_json_valid(doc, &err)) {
        wrong(line, "each frame must be one JSON object");
        return;
    }
    struct hub_client *c = hub_line_client(line, LN_STR("/"));
    struct ln_str event = ln_json_get(doc, "event"), number = ln_json_get(doc, "ack");
    int64_t ack = SIO_NO_ACK;
    if (!c) {
        keep_early(line, doc);
    } else if (number.p && ln_json_peek(number) != LN_JSON_NULL &&
               (!ln_json_int(number, &ack) || ack < 0 || ack > MAX_ACK)) {
        wrong(line, "\"ack\" must be a whole number from 0");
    } else if (event.p) {
        on_event(c, doc, event, ack);
    } else if (ack != SIO_NO_ACK) {
        hub_client_answer(c, ack, args_of(doc), NULL, 0);
    } else {
        wrong(line, "\"event\" is missing");
    }
}
