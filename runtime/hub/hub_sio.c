/* SPDX-License-Identifier: MIT
 *
 * Engine.IO 4 and Socket.IO 5 packets for one line. What breaks
 * the protocol closes the whole line; what is refused is answered and the line stays. Events are
 * not decoded: names and raw arguments go to hub.c.
 */
#include "hub/hub_poll.h"
#include "hub/hub_recover.h"

#include "base/crypt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/engineio.h"

/* --- out --- */

void hub_sio_open(struct hub_line *line) {
    const struct hub_opts *o = &line->hub->opts;
    struct ln_buf out = {0};
    char own[HUB_SID_LEN + 1];
    const char *sid = line->poll ? line->poll->sid : own;
    ln_random_id(own, HUB_SID_LEN);
    eio_open_write(&out, sid, line->poll && (o->transports & HUB_WEBSOCKET), o->ping_interval_ms,
                   o->ping_timeout_ms, (int64_t)o->max_message);
    hub_line_send(line, false, ln_buf_get(&out));
    ln_buf_free(&out);
}

void hub_sio_ping(struct hub_line *line) {
    hub_line_send(line, false, LN_STR("2"));
}

void hub_sio_welcome(struct hub_client *c) {
    struct ln_buf out = {0};
    sio_write_head(&out, SIO_CONNECT, ln_str(c->nsp), SIO_NO_ACK, 0);
    ln_buf_fmt(&out, "{\"sid\":\"%s\"", c->sid);
    if (c->session) ln_buf_fmt(&out, ",\"pid\":\"%s\"", c->session->pid);
    ln_buf_putc(&out, '}');
    hub_line_send(c->line, false, ln_buf_get(&out));
    ln_buf_free(&out);
}

void hub_sio_refuse(struct hub_line *line, struct ln_str nsp, const char *message,
                    struct ln_str data) {
    struct ln_buf out = {0};
    sio_write_head(&out, SIO_CONNECT_ERROR, nsp, SIO_NO_ACK, 0);
    ln_buf_puts(&out, "{\"message\":");
    ln_json_quote(&out, ln_str(message));
    if (data.n > 0) {
        ln_buf_puts(&out, ",\"data\":");
        ln_buf_str(&out, data);
    }
    ln_buf_putc(&out, '}');
    hub_line_send(line, false, ln_buf_get(&out));
    ln_buf_free(&out);
}

void hub_sio_bye(struct hub_client *c) {
    struct ln_buf out = {0};
    sio_write_head(&out, SIO_DISCONNECT, ln_str(c->nsp), SIO_NO_ACK, 0);
    hub_line_send(c->line, false, ln_buf_get(&out));
    ln_buf_free(&out);
}

void hub_sio_event(struct ln_buf *out, struct ln_str nsp, int64_t ack, size_t bins,
                   struct ln_str name, struct ln_str args) {
    sio_write_event(out, nsp, ack, (int)bins, name, args);
}

void hub_sio_ack(struct hub_client *c, int64_t ack, struct ln_str args, const struct ln_str *bin,
                 size_t bins) {
    struct ln_buf out = {0};
    sio_write_head(&out, SIO_ACK, ln_str(c->nsp), ack, (int)bins);
    ln_buf_putc(&out, '[');
    ln_buf_str(&out, args);
    ln_buf_putc(&out, ']');
    hub_line_send(c->line, false, ln_buf_get(&out));
    for (size_t i = 0; i < bins; i++)
        hub_line_send(c->line, true, bin[i]);
    ln_buf_free(&out);
}

/* --- in --- */

static void broken(struct hub_line *line, const char *why) {
    ln_log(LN_DEBUG, "hub", "%s broke the Socket.IO protocol: %s", line->ip, why);
    hub_line_drop(line, HUB_LEAVE_ERROR, 1005, "");
}

void hub_malformed(struct hub *h, ln_id client) {
    const struct hub_client *c = hub_get(h, client);
    if (c && c->line->proto == HUB_SIO) broken(c->line, "an event's arguments are no JSON");
}

static void on_connect(struct hub_line *line, const struct sio_packet *p) {
    if (hub_line_client(line, p->nsp)) {
        broken(line, "a second CONNECT");
        return;
    }
    if (!hub_line_charge(line)) return;
    bool is_name = p->nsp.n <= HUB_MAX_NAMESPACE && !memchr(p->nsp.p, 0, p->nsp.n);
    if (!is_name || !hub_has_nsp(line->hub, p->nsp)) {
        hub_sio_refuse(line, p->nsp, "Invalid namespace", (struct ln_str){NULL, 0});
    } else if (hub_line_joined(line) >= HUB_MAX_NAMESPACES) {
        hub_sio_refuse(line, p->nsp, "too many namespaces", (struct ln_str){NULL, 0});
    } else if (!hub_line_is_asked(line, p->nsp)) { /* asked twice: answered once */
        hub_line_ask(line, p->nsp, p->data.n > 0 ? p->data : LN_STR("{}"));
    }
}

/* The name as text; an escaped one is decoded into buf. */
static struct ln_str plain_name(const struct sio_packet *p, struct ln_buf *buf) {
    if (!p->name_escaped) return p->name;
    return ln_json_unescape(p->name, buf) ? ln_buf_get(buf) : p->name;
}

static void on_event(struct hub_line *line, struct hub_client *c, const struct sio_packet *p,
                     const struct ln_str *bin) {
    struct ln_buf name = {0};
    struct hub_event ev = {.nsp = p->nsp,
                           .name = plain_name(p, &name),
                           .args = p->args,
                           .bin = bin,
                           .bin_count = (size_t)p->attachments,
                           .ack = p->ack};
    if (ln_utf8_valid(ev.name.p, ev.name.n)) {
        if (ev.name.n > 0) hub_client_event(c, &ev);
    } else {
        broken(line, "a name that is not UTF-8");
    }
    ln_buf_free(&name);
}

static void on_ack(struct hub_client *c, const struct sio_packet *p, const struct ln_str *bin) {
    const char *open = memchr(p->data.p, '[', p->data.n); /* validated as an array */
    const char *close = memrchr(p->data.p, ']', p->data.n);
    struct ln_str args = {open + 1, (size_t)(close - open - 1)};
    hub_client_answer(c, p->ack, args, bin, (size_t)p->attachments);
}

static void dispatch(struct hub_line *line, const struct sio_packet *p, const struct ln_str *bin) {
    if (p->type == SIO_CONNECT) {
        on_connect(line, p);
        return;
    }
    struct hub_client *c = hub_line_client(line, p->nsp);
    if (!c) {
        broken(line, "a packet for a namespace that was not joined");
        return;
    }
    switch (p->type) {
    case SIO_DISCONNECT:
        hub_client_end(c, HUB_LEAVE_CLIENT);
        break;
    case SIO_EVENT:
    case SIO_BINARY_EVENT:
        on_event(line, c, p, bin);
        break;
    case SIO_ACK:
    case SIO_BINARY_ACK:
        on_ack(c, p, bin);
        break;
    default:
        broken(line, "a CONNECT_ERROR from a client");
    }
}

/* --- attachments --- */

struct hub_parts {
    struct ln_buf packet, bins[SIO_MAX_ATTACHMENTS];
    int want, have;
    size_t bytes;
};

static void wait_for_bins(struct hub_line *line, struct ln_str text, int count) {
    struct hub_parts *parts = line->parts = ln_new(struct hub_parts);
    ln_buf_str(&parts->packet, text);
    parts->want = count;
    parts->bytes = text.n;
}

static void parts_free(struct hub_parts *parts) {
    ln_buf_free(&parts->packet);
    for (int i = 0; i < parts->have; i++)
        ln_buf_free(&parts->bins[i]);
    ln_free(parts);
}

void hub_sio_forget_parts(struct hub_line *line) {
    if (line->parts) parts_free(line->parts);
    line->parts = NULL;
}

static void on_bin(struct hub_line *line, struct ln_str data) {
    if (line->hub->engine) {
        line->hub->engine(line, true, data);
        return;
    }
    struct ln_str bin[SIO_MAX_ATTACHMENTS];
    struct sio_packet p;
    struct ln_err err;
    struct hub_parts *parts = line->parts;
    if (!parts) {
        broken(line, "got binary data when not reconstructing a packet");
        return;
    }
    parts->bytes += data.n;
    if (parts->bytes > 4 * line->hub->opts.max_message) {
        hub_line_drop(line, HUB_LEAVE_ERROR, 1009, "too many bytes in one event");
        return;
    }
    ln_buf_str(&parts->bins[parts->have++], data);
    if (parts->have < parts->want) return;
    line->parts = NULL;
    for (int i = 0; i < parts->have; i++)
        bin[i] = ln_buf_get(&parts->bins[i]);
    if (sio_parse(ln_buf_get(&parts->packet), SIO_MAX_ATTACHMENTS, &p, &err))
        dispatch(line, &p, bin);
    parts_free(parts);
}

static void on_base64(struct hub_line *line, struct ln_str text) {
    struct ln_buf data = {0};
    if (ln_base64_decode(&data, text)) {
        on_bin(line, ln_buf_get(&data));
    } else {
        broken(line, "bad base64");
    }
    ln_buf_free(&data);
}

static void on_packet(struct hub_line *line, struct ln_str text) {
    struct sio_packet p;
    struct ln_err err;
    if (line->hub->engine) {
        line->hub->engine(line, false, text);
    } else if (line->parts) {
        broken(line, "got plaintext data when reconstructing a packet");
    } else if (!sio_parse(text, SIO_MAX_ATTACHMENTS, &p, &err)) {
        broken(line, err.text);
    } else if (p.attachments > 0) {
        wait_for_bins(line, text, p.attachments);
    } else {
        dispatch(line, &p, NULL);
    }
}

void hub_sio_input(struct hub_line *line, bool binary, char *bytes, size_t n) {
    struct ln_str data = {bytes, n};
    if (binary) {
        on_bin(line, data);
        return;
    }
    switch (eio_parse(data, &data)) {
    case EIO_MESSAGE:
        on_packet(line, data);
        break;
    case EIO_BINARY:
        on_base64(line, data);
        break;
    case EIO_CLOSE: /* python says so before it closes; the reference ignores it */
        hub_line_drop(line, HUB_LEAVE_CLIENT, 1005, "");
        break;
    case EIO_PING:
        broken(line, "invalid heartbeat direction");
        break;
    case EIO_BAD:
        broken(line, "unknown packet type");
        break;
    default: /* pong; open, upgrade and noop mean nothing here */
        break;
    }
}
