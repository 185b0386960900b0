/* SPDX-License-Identifier: MIT
 *
 * Events of Pusher's protocol, both ways: what a client may send and where, and how scripts are
 * told of what came. On the way in nothing is decoded that nobody listens to.
 */
#include "client/pusher_parts.h"

/* --- sending --- */

void pusher_send(struct line *ln, const char *event, struct ln_str channel, struct ln_str data) {
    struct ln_buf *b = &ln->clients->scratch;
    ln_buf_clear(b);
    pusher_write(b, ln_str(event), channel, data, false, (struct ln_str){0});
    struct ln_str text = ln_buf_get(b);
    size_t bytes = line_send(ln, false, &text, 1);
    if (ln->root) ln->root->stats.bytes_out += bytes;
}

size_t pusher_send_event(struct conn *c, const struct conn_emit *e, int64_t ack) {
    struct ln_buf *b = &c->clients->scratch, channel = {0};
    (void)ack;
    pusher_room_wire(c, e->room, &channel);
    ln_buf_clear(b);
    pusher_write(b, e->name, ln_buf_get(&channel), e->args.n ? e->args : LN_STR("{}"), false,
                 (struct ln_str){0});
    ln_buf_free(&channel);
    struct ln_str text = ln_buf_get(b);
    return line_send(c->line, false, &text, 1);
}

static bool is_one_value(struct ln_str args) {
    struct ln_str value;
    size_t pos = 0;
    return args.n == 0 || (sio_args_each(args, &pos, &value) && pos == args.n);
}

static bool may_send_now(const struct conn *c, const struct conn_emit *e, struct ln_str channel) {
    bool goes_now = conn_is_up(c) && (c->step >= STEP_FLUSH || (e->flags & CONN_EMIT_NOW));
    if (!goes_now) return conn_room_wanted(c, e->room);
    const struct channel *ch = channel_find(c->line->priv, channel);
    return ch && ch->state == CHANNEL_IN;
}

const char *pusher_refuses(const struct conn *c, const struct conn_emit *e) {
    if (e->reply) return "Pusher has no acknowledgements";
    if (e->bin_count) return "Pusher carries no binary values";
    if (!e->room.p)
        return "Pusher has no events outside of channels: room:emit(\"client-…\", data)";
    if (!ln_str_starts(e->name, "client-"))
        return "on Pusher the names of clients' events begin with \"client-\"";
    if (e->name.n > 200) return "on Pusher an event's name has at most 200 bytes";
    if (e->args.n > 10240) return "on Pusher the data of a client's event has at most 10 kB";
    if (!is_one_value(e->args)) return "on Pusher an event carries one value";
    struct ln_buf channel = {0};
    pusher_room_wire(c, e->room, &channel);
    enum pusher_kind kind = pusher_kind(ln_buf_get(&channel));
    const char *words = NULL;
    if (kind == PUSHER_PUBLIC || kind == PUSHER_USER)
        words = "clients' events need a private or presence channel (its name begins so, or the "
                "option channel_prefix says it)";
    else if (kind == PUSHER_ENCRYPTED)
        words = "Pusher carries no clients' events on encrypted channels";
    else if (!may_send_now(c, e, ln_buf_get(&channel)))
        words = "the room is not joined";
    ln_buf_free(&channel);
    return words;
}

/* --- telling --- */

/* The value and its meta as the arguments of an event, in the clients' buffer; ev is filled. */
static void write_args(struct line *ln, struct ln_str value, struct ln_str channel,
                       struct ln_str user_id, struct event *ev) {
    struct ln_buf *args = &ln->clients->in[1];
    if (value.p != args->p || value.n != args->n) {
        ln_buf_clear(args);
        ln_buf_str(args, value);
    }
    ev->meta_at = args->n;
    const char *lead = ",{";
    if (channel.p) {
        ln_buf_puts(args, ",{\"channel\":");
        ln_json_quote(args, channel);
        lead = ",";
    }
    if (user_id.p) {
        ln_buf_puts(args, lead);
        ln_buf_puts(args, "\"user_id\":");
        ln_json_quote(args, user_id);
        lead = ",";
    }
    ln_buf_puts(args, lead[1] ? ",{}" : "}");
    ev->args = ln_buf_get(args);
    ev->room = channel;
    ev->ack = SIO_NO_ACK;
}

void pusher_tell(struct line *ln, struct ln_str name, struct ln_str channel, struct ln_str user_id,
                 struct ln_str data) {
    struct conn *c = ln->root;
    bool is_sure = true, is_up = c && c->step >= STEP_HANDLERS;
    if (!is_up || !conn_hears(c, name)) return;
    struct event ev = {.name = name};
    struct ln_buf *buffer = &ln->clients->in[1];
    struct ln_str value = LN_UNLIKELY(c->more->history != NULL)
                              ? pusher_data(data, buffer)
                              : pusher_guess(data, buffer, &is_sure);
    bool is_text = value.p == data.p && value.n > 0 && *value.p == '"';
    if (!is_text) {
        write_args(ln, value, channel, user_id, &ev);
        if (LN_LIKELY(conn_tell_event(c, &ev)) || ln->root != c) return;
        ev.serial = 0;
    }
    /* A text; it was only skimmed, so that it may be no string either. */
    write_args(ln, data, channel, user_id, &ev);
    bool may_be = is_text || !is_sure;
    if (may_be && ln_json_valid(data, NULL) && conn_tell_event(c, &ev)) return;
    struct ln_err err;
    ln_fail(&err, LN_PROTOCOL, "the data of event '%.*s' is malformed", LN_FMT(name));
    if (ln->root == c) pusher_tell_error(c, &err, (struct ln_str){0});
}

void pusher_tell_error(struct conn *c, const struct ln_err *err, struct ln_str data) {
    struct ln_buf args = {0};
    conn_count_error(c, err);
    ln_buf_fmt(&args, "{\"code\":\"%s\",\"message\":", ln_status_name(err->code));
    ln_json_quote(&args, ln_str(err->text));
    if (data.p) {
        ln_buf_puts(&args, ",\"data\":");
        ln_buf_str(&args, data);
    }
    ln_buf_putc(&args, '}');
    conn_tell(c, "error", &args);
}

void pusher_tell_session(struct line *ln, struct ln_str user_id, struct ln_str info) {
    struct pusher *p = ln->priv;
    struct ln_buf args = {0};
    struct ln_str name = ln_json_get(info, "name");
    if (p->has_session || !ln->root) return;
    p->has_session = true;
    ln_buf_puts(&args, "{\"user\":{\"id\":");
    ln_json_quote(&args, user_id);
    if (ln_json_peek(name) == LN_JSON_STRING) ln_buf_fmt(&args, ",\"name\":%.*s", LN_FMT(name));
    if (info.n) ln_buf_fmt(&args, ",\"info\":%.*s", LN_FMT(info));
    ln_buf_puts(&args, "}}");
    struct conn_in in = {.name = LN_STR("session"), .args = ln_buf_get(&args), .ack = SIO_NO_ACK};
    conn_event(ln->root, &in);
    ln_buf_free(&args);
}
