/* SPDX-License-Identifier: MIT
 *
 * Socket.IO v4 over one line, by WebSocket or polling: Engine.IO packets, the handshake,
 * namespaces, binary packets that arrive in parts. An implementation of client/proto.h. Whatever
 * the server gets wrong ends the line at once with words (line_fail); nothing is waited for that
 * cannot come any more.
 */
#include "base/text.h"
#include "client/line.h"
#include "client/recovery.h"
#include "client/token.h"
#include "wire/engineio.h"

#define V2_TEXT                                                                                    \
    "It seems you are trying to reach a Socket.IO server in v2.x: linnet speaks the protocol of "  \
    "v3 and v4; the server must be updated"

struct parts { /* a binary packet whose attachments are still on their way */
    struct ln_buf text, bytes;
    struct sio_packet packet; /* its slices point into text */
    size_t have;              /* of packet.attachments */
    struct ln_str v[];        /* p is filled in at the end: bytes may move */
};

struct sio {
    bool is_open;        /* the open packet came */
    struct parts *parts; /* NULL: none are awaited */
};

/* --- url --- */

static void sio_target(struct line *ln, const struct url *u, struct ln_buf *out) {
    const struct conn_opts *o = line_opts(ln);
    ln_buf_puts(out, o->path ? o->path : "/socket.io/");
    if (out->p[out->n - 1] != '/') ln_buf_putc(out, '/');
    ln_buf_putc(out, '?');
    if (u->query && *u->query) ln_buf_fmt(out, "%s&", u->query);
    line_add_query(out, token_query(line_lead(ln)));
    ln_buf_puts(out, "EIO=4&transport=websocket");
}

/* --- sending --- */

static void send_text(struct line *ln, const char *text) {
    struct ln_str s = ln_str(text);
    line_send(ln, false, &s, 1);
}

/* The head goes into the clients' scratch buffer; the arguments go from the caller's memory
 * straight into the outgoing one. */
static struct ln_buf *head(struct conn *c, enum sio_type type, int64_t ack, size_t attachments) {
    struct ln_buf *b = &c->clients->scratch;
    ln_buf_clear(b);
    sio_write_head(b, type, ln_str(c->nsp), ack, (int)attachments);
    return b;
}

static size_t send_parts(struct line *ln, const struct ln_str *bin, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += line_send(ln, true, &bin[i], 1);
    return bytes;
}

static void sio_conn_join(struct conn *c, struct ln_str auth) {
    struct ln_buf *b = head(c, SIO_CONNECT, SIO_NO_ACK, 0);
    recovery_ask(c, auth, b);
    struct ln_str text = ln_buf_get(b);
    c->stats.bytes_out += line_send(c->line, false, &text, 1);
}

static void sio_conn_part(struct conn *c) {
    struct ln_str text = ln_buf_get(head(c, SIO_DISCONNECT, SIO_NO_ACK, 0));
    c->stats.bytes_out += line_send(c->line, false, &text, 1);
}

static size_t sio_send_event(struct conn *c, const struct conn_emit *e, int64_t ack) {
    struct ln_buf *b = head(c, SIO_EVENT, ack, e->bin_count);
    ln_buf_putc(b, '[');
    ln_json_quote(b, e->name);
    struct ln_str pieces[] = {ln_buf_get(b), LN_STR(","), e->args, LN_STR("]")};
    if (e->args.n == 0) pieces[1].n = 0;
    size_t bytes = line_send(c->line, false, pieces, 4);
    return bytes + send_parts(c->line, e->bin, e->bin_count);
}

static size_t sio_send_ack(struct conn *c, int64_t ack, struct ln_str args,
                           const struct ln_str *bin, size_t bin_count) {
    struct ln_buf *b = head(c, SIO_ACK, ack, bin_count);
    struct ln_str pieces[] = {ln_buf_get(b), LN_STR("["), args, LN_STR("]")};
    size_t bytes = line_send(c->line, false, pieces, 4);
    return bytes + send_parts(c->line, bin, bin_count);
}

/* --- packets --- */

/* A namespace that nobody here is in (any more) has let us in: out again. */
static void decline(struct line *ln, const struct sio_packet *p) {
    struct ln_buf *b = &ln->clients->scratch;
    ln_buf_clear(b);
    sio_write_head(b, SIO_DISCONNECT, p->nsp, SIO_NO_ACK, 0);
    struct ln_str text = ln_buf_get(b);
    line_send(ln, false, &text, 1);
}

/* The answer to the CONNECT of somebody who has left: who came meanwhile asks for himself now, with
 * his own auth payload. */
static void on_owed(struct line *ln, struct conn *c, const struct sio_packet *p) {
    struct ln_buf sid = {0};
    if (p->type == SIO_CONNECT && ln_json_text(ln_json_get(p->data, "sid"), &sid)) decline(ln, p);
    ln_buf_free(&sid);
    if (!c) return;
    early_drop(c);
    conn_enter(c);
}

static void on_connect(struct line *ln, struct conn *c, const struct sio_packet *p) {
    struct ln_buf sid = {0};
    bool has_sid = ln_json_text(ln_json_get(p->data, "sid"), &sid) && sid.n > 0;
    if (!c && has_sid) {
        decline(ln, p);
    } else if (c && !has_sid && c->step < STEP_HANDLERS) {
        conn_refused(c, LN_PROTOCOL, LN_STR(V2_TEXT), (struct ln_str){0});
    } else if (c && has_sid && c->step >= STEP_ASKED) {
        recovery_answer(c, p->data);
        conn_up(c, ln_buf_get(&sid));
    }
    ln_buf_free(&sid);
}

static bool has_word(struct ln_str text, const char *const *words) {
    for (; *words; words++) {
        size_t n = strlen(*words);
        for (size_t i = 0; i + n <= text.n; i++)
            if (strncasecmp(text.p + i, *words, n) == 0) return true;
    }
    return false;
}

static ln_status code_of_text(struct ln_str text) {
    static const char *const unauthorized[] = {"401",
                                               "unauthor",
                                               "not authorized",
                                               "authent",
                                               "invalid token",
                                               "token expired",
                                               "jwt",
                                               "expired token",
                                               "e_auth",
                                               "no token",
                                               "invalid credentials",
                                               NULL};
    static const char *const forbidden[] = {"403",    "forbidden",  "not allowed",
                                            "denied", "permission", NULL};
    static const char *const missing[] = {"invalid namespace", "404", "not found", NULL};
    if (has_word(text, unauthorized)) return LN_UNAUTHORIZED;
    if (has_word(text, forbidden)) return LN_FORBIDDEN;
    if (has_word(text, missing)) return LN_NOT_FOUND;
    return LN_OK;
}

/* What kind of refusal: by data.code, data.status, data.type, then by the message. Servers have no
 * common form; these are the words their libraries use. */
static ln_status refusal_code(struct ln_str message, struct ln_str data) {
    static const char *const fields[] = {"code", "status", "statusCode", "type"};
    for (size_t i = 0; i < LN_COUNT(fields); i++) {
        struct ln_str raw = ln_json_get(data, fields[i]);
        ln_status code = raw.p ? code_of_text(raw) : LN_OK;
        if (code != LN_OK) return code;
    }
    ln_status code = code_of_text(message);
    return code != LN_OK ? code : LN_REFUSED;
}

static void on_connect_error(struct conn *c, const struct sio_packet *p) {
    struct ln_buf message = {0};
    struct ln_str data = {0};
    if (ln_json_peek(p->data) == LN_JSON_STRING) { /* servers of v2 */
        ln_json_text(p->data, &message);
    } else {
        struct ln_str text = ln_json_get(p->data, "message");
        if (text.p) line_json_text(text, &message);
        data = ln_json_get(p->data, "data");
    }
    struct ln_str said = ln_buf_get(&message);
    conn_refused(c, refusal_code(said, data), said, data);
    ln_buf_free(&message);
}

/* The inside of a JSON array that the parser has validated. */
static struct ln_str inside(struct ln_str array) {
    while (array.n > 0 && array.p[0] != '[')
        array.p++, array.n--;
    while (array.n > 0 && array.p[array.n - 1] != ']')
        array.n--;
    return array.n >= 2 ? (struct ln_str){array.p + 1, array.n - 2} : (struct ln_str){0};
}

static void on_event(struct conn *c, const struct sio_packet *p, const struct ln_str *bin,
                     size_t bin_count) {
    struct conn_in in = {p->name, p->args, bin, bin_count, {NULL, 0}, p->ack};
    struct ln_buf plain = {0};
    if (LN_UNLIKELY(p->name_escaped)) {
        in.name = (struct ln_str){"", 0}; /* never: the parser has done so before */
        if (ln_json_unescape(p->name, &plain)) in.name = ln_buf_get(&plain);
    }
    conn_event(c, &in);
    ln_buf_free(&plain);
}

static void on_packet(struct line *ln, const struct sio_packet *p, const struct ln_str *bin,
                      size_t bin_count) {
    struct conn *c = line_conn(ln, p->nsp);
    bool answers =
        p->type == SIO_CONNECT || p->type == SIO_CONNECT_ERROR || p->type == SIO_DISCONNECT;
    if (answers && line_owed_came(ln, p->nsp)) {
        on_owed(ln, c, p);
        return;
    }
    if (p->type == SIO_CONNECT) {
        on_connect(ln, c, p);
        return;
    }
    if (!c) return;
    switch (p->type) {
    case SIO_EVENT:
    case SIO_BINARY_EVENT:
        on_event(c, p, bin, bin_count);
        break;
    case SIO_ACK:
    case SIO_BINARY_ACK:
        conn_acked(c, p->ack, inside(p->data), bin, bin_count);
        break;
    case SIO_DISCONNECT:
        conn_kicked(c);
        break;
    default:
        on_connect_error(c, p);
    }
}

/* --- binary packets --- */

static void parts_free(struct parts *p) {
    if (!p) return;
    ln_buf_free(&p->text);
    ln_buf_free(&p->bytes);
    ln_free(p);
}

static struct parts *parts_new(struct line *ln, struct ln_str text, int attachments) {
    struct parts *p = ln_alloc(sizeof *p + (size_t)attachments * sizeof p->v[0]);
    ln_buf_str(&p->text, text);
    sio_parse(ln_buf_get(&p->text), line_opts(ln)->max_attachments, &p->packet, NULL);
    return p;
}

static void on_part(struct line *ln, const char *p, size_t n) {
    struct sio *s = ln->priv;
    struct parts *parts = s->parts;
    if (!parts) {
        line_fail(ln, "parse error", LN_PROTOCOL,
                  "got binary data when not reconstructing a packet");
        return;
    }
    if (parts->bytes.n + n > line_opts(ln)->max_message) {
        line_fail(ln, "parse error", LN_FULL,
                  "the attachments of one packet have more than %zu bytes (max_message)",
                  line_opts(ln)->max_message);
        return;
    }
    ln_buf_add(&parts->bytes, p, n);
    parts->v[parts->have++].n = n;
    if (parts->have < (size_t)parts->packet.attachments) return;
    const char *at = parts->bytes.p ? parts->bytes.p : ""; /* all of them may be empty */
    for (size_t i = 0; i < parts->have; i++) {
        parts->v[i].p = at;
        at += parts->v[i].n;
    }
    s->parts = NULL; /* ours while it is told: the next packet may begin with a clean slate */
    on_packet(ln, &parts->packet, parts->v, parts->have);
    parts_free(parts);
}

/* --- frames --- */

static void on_message_text(struct line *ln, struct ln_str text) {
    struct sio *s = ln->priv;
    struct sio_packet p;
    struct ln_err err;
    if (LN_UNLIKELY(s->parts != NULL)) {
        line_fail(ln, "parse error", LN_PROTOCOL,
                  "got plaintext data when reconstructing a packet");
        return;
    }
    if (LN_UNLIKELY(!sio_parse(text, line_opts(ln)->max_attachments, &p, &err))) {
        line_fail(ln, "parse error", err.code, "%s", err.text);
        return;
    }
    struct conn *c = line_conn(ln, p.nsp);
    if (LN_LIKELY(c)) c->stats.bytes_in += text.n;
    if (LN_UNLIKELY(p.attachments > 0))
        s->parts = parts_new(ln, text, p.attachments);
    else if (LN_LIKELY(p.type == SIO_EVENT && c))
        on_event(c, &p, NULL, 0);
    else
        on_packet(ln, &p, NULL, 0);
}

static void on_handshake(struct line *ln, struct ln_str data) {
    struct sio *s = ln->priv;
    struct eio_open o;
    struct ln_err err;
    if (s->is_open) return; /* a second one changes nothing */
    if (!eio_open_parse(data, &o, &err)) {
        line_fail(ln, "parse error", LN_PROTOCOL, "parse error: %s", err.text);
        return;
    }
    s->is_open = true;
    line_up(ln, o.ping_interval_ms + o.ping_timeout_ms, o.max_payload);
}

static void on_base64(struct line *ln, struct ln_str data) {
    struct ln_buf bytes = {0};
    if (ln_base64_decode(&bytes, data))
        on_part(ln, bytes.p, bytes.n);
    else
        line_fail(ln, "parse error", LN_PROTOCOL, "a binary message in text form is no base64");
    ln_buf_free(&bytes);
}

static void on_engine(struct line *ln, enum eio_type type, struct ln_str data) {
    switch (type) {
    case EIO_PING:
        line_alive(ln);
        send_text(ln, "3");
        break;
    case EIO_CLOSE:
        line_fail(ln, "transport close", LN_DISCONNECTED, "closed by the server");
        break;
    case EIO_OPEN:
        on_handshake(ln, data);
        break;
    case EIO_BINARY:
        on_base64(ln, data);
        break;
    case EIO_BAD:
        line_fail(ln, "transport error", LN_PROTOCOL, "server error: an unknown engine packet");
        break;
    default: /* pong, upgrade, noop: not for us */
        break;
    }
}

static void sio_message(struct line *ln, bool binary, char *p, size_t n) {
    struct sio *s = ln->priv;
    struct ln_str data, frame = {p, n};
    if (LN_LIKELY(s->is_open && !binary && n > 1 && p[0] == EIO_MESSAGE)) {
        on_message_text(ln, (struct ln_str){p + 1, n - 1});
        return;
    }
    enum eio_type type = binary ? EIO_BINARY : eio_parse(frame, &data);
    bool may_come = s->is_open || type == EIO_OPEN || type == EIO_CLOSE || type == EIO_NOOP;
    if (!may_come)
        line_fail(ln, "parse error", LN_PROTOCOL, "a message came before the open packet");
    else if (binary)
        on_part(ln, p, n);
    else if (type == EIO_MESSAGE)
        line_fail(ln, "parse error", LN_PROTOCOL, "empty packet");
    else
        on_engine(ln, type, data);
}

static void sio_opened(struct line *ln) {
    (void)ln; /* the server speaks first */
}

static void sio_closed(struct line *ln) {
    struct sio *s = ln->priv;
    parts_free(s->parts);
    s->parts = NULL;
    s->is_open = false;
}

const struct proto proto_sio = {.name = "socketio",
                                .line_size = sizeof(struct sio),
                                .target = sio_target,
                                .line_open = sio_opened,
                                .line_message = sio_message,
                                .line_closed = sio_closed,
                                .conn_join = sio_conn_join,
                                .conn_part = sio_conn_part,
                                .send_event = sio_send_event,
                                .send_ack = sio_send_ack,
                                .has_polling = true,
                                .carries_many = true};
