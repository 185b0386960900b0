/* SPDX-License-Identifier: MIT
 *
 * Raw WebSocket: a connection is up as soon as the upgrade is done, and every message is what the
 * codec makes of it: plain JSON (wire/plain.h; what our own hub speaks at /ws), text, or functions
 * of a script (struct conn_codecs). An implementation of client/proto.h. What is no JSON is told as
 * an event `error`; the line stays.
 */
#include "base/clock.h"
#include "base/text.h"
#include "client/line.h"
#include "client/token.h"
#include "wire/plain.h"

enum {
    BROKEN_SHOWN = 60,        /* bytes of a message that is no JSON */
    MISSED_BEATS = 3,         /* then the line is dead, whatever the loop's clock says */
    CODE_UNAUTHORIZED = 4401, /* what many servers answer a bad token with, as HTTP does */
    CODE_FORBIDDEN = 4403
};

struct raw {
    bool is_asked;  /* a heartbeat is on its way */
    bool is_warned; /* of what is no JSON, on this transport */
    int refusals;   /* in a row: closed with a code that says so */
};

/* --- url --- */

static void raw_target(struct line *ln, const struct url *u, struct ln_buf *out) {
    ln_buf_fmt(out, "%s?", u->path[0] ? u->path : "/");
    if (u->query && *u->query) ln_buf_fmt(out, "%s&", u->query);
    line_add_query(out, token_query(line_lead(ln)));
    line_add_query(out, token_auth(line_lead(ln)));
    out->n--; /* the last & or ? */
}

static bool raw_check(const struct conn_opts *o, const struct url *u, struct ln_err *err) {
    (void)u;
    if (o->path)
        ln_fail(err, LN_INVALID, "protocol ws has no use for path: the URL's is asked for");
    return !o->path;
}

/* --- heartbeat --- */

/* By the wall clock, which goes on while a laptop sleeps. */
static void reckon(struct line *ln, int64_t every_ms) {
    ln->dead_wall_ms = ln_wall_ms() + every_ms * MISSED_BEATS;
}

static void on_beat(void *ud) {
    struct line *ln = ud;
    struct raw *r = ln->priv;
    const struct conn_opts *o = line_opts(ln);
    char text[32];
    if (ln->state != LINE_UP || ln->is_lost) return;
    if (r->is_asked) {
        line_fail(ln, "ping timeout", LN_TIMEOUT, "no answer to our %s within %s",
                  o->heartbeat_text ? "heartbeat" : "ping",
                  ln_duration_text(o->heartbeat_ms, text, sizeof text));
        return;
    }
    r->is_asked = true;
    ln->heartbeat = loop_timer(ln->clients->loop, o->heartbeat_ms, on_beat, ln);
    struct ln_str beat = ln_str(o->heartbeat_text);
    if (o->heartbeat_text)
        line_send(ln, false, &beat, 1);
    else
        ws_send(ln->ws, WS_PING, NULL, 0);
}

static void heard(struct line *ln) {
    struct raw *r = ln->priv;
    if (LN_LIKELY(!r->is_asked)) return;
    r->is_asked = false;
    reckon(ln, line_opts(ln)->heartbeat_ms);
}

static void raw_opened(struct line *ln) {
    int64_t every_ms = line_opts(ln)->heartbeat_ms;
    if (every_ms > 0) ln->heartbeat = loop_timer(ln->clients->loop, every_ms, on_beat, ln);
    line_up(ln, 0, 0);
    if (every_ms > 0) reckon(ln, every_ms);
}

static void raw_closed(struct line *ln) {
    struct raw *r = ln->priv;
    r->is_asked = r->is_warned = false;
}

/* RFC 6455 7.4.1; 4401 and 4403 are a habit, after HTTP's. */
static ln_status refusal_of(int code) {
    if (code == WS_POLICY || code == CODE_UNAUTHORIZED) return LN_UNAUTHORIZED;
    return code == CODE_FORBIDDEN ? LN_FORBIDDEN : LN_OK;
}

/* With an upgrade as all of the handshake, a server that refuses us lets us in first. The first
 * time an auth function gets another chance soon; then it goes slowly. */
static void raw_ended(struct line *ln, int code, struct line_loss *why) {
    struct raw *r = ln->priv;
    const struct conn_opts *o = line_opts(ln);
    ln_status refusal = refusal_of(code);
    uint64_t up_ms = loop_now_ms(ln->clients->loop) - ln->joined_ms;
    if (refusal == LN_OK || up_ms >= (uint64_t)o->backoff.stable_ms) r->refusals = 0;
    if (refusal == LN_OK) return;
    why->err.code = refusal;
    why->is_refused = true;
    if (!o->auth_asked || r->refusals > 0) why->min_delay_ms = slow_wait(r->refusals + 1);
    r->refusals++;
}

/* --- in --- */

static void binary_in(struct conn *c, struct ln_str bytes) {
    struct conn_in in = {.name = LN_STR("message"),
                         .args = LN_STR("{\"_placeholder\":true,\"num\":0}"),
                         .bin = &bytes,
                         .bin_count = 1,
                         .ack = PLAIN_NO_ACK};
    conn_event(c, &in);
}

static void text_in(struct conn *c, struct ln_str text) {
    struct ln_buf quoted = {0};
    struct conn_in in = {.name = LN_STR("message"), .ack = PLAIN_NO_ACK};
    ln_json_quote(&quoted, text);
    in.args = ln_buf_get(&quoted);
    conn_event(c, &in);
    ln_buf_free(&quoted);
}

/* The line lives on: one bad message says nothing about the next. */
static void broken_in(struct conn *c, struct ln_str text) {
    struct raw *r = c->line->priv;
    struct ln_buf shown = {0}, plain = {0}, args = {0};
    struct ln_err err;
    ln_log_redact(&plain, text);
    ln_printable(&shown, ln_buf_get(&plain), BROKEN_SHOWN);
    ln_fail(&err, LN_INVALID, "a message is no JSON: %s", ln_buf_cstr(&shown));
    conn_count_error(c, &err);
    ln_log(r->is_warned ? LN_DEBUG : LN_WARN, c->tag, "%s", err.text);
    r->is_warned = true;
    ln_buf_puts(&args, "{\"code\":\"invalid\",\"message\":");
    ln_json_quote(&args, ln_str(err.text));
    ln_buf_putc(&args, '}');
    struct conn_in in = {.name = LN_STR("error"), .args = ln_buf_get(&args), .ack = PLAIN_NO_ACK};
    conn_event(c, &in);
    ln_buf_free(&shown);
    ln_buf_free(&plain);
    ln_buf_free(&args);
}

static void event_in(struct conn *c, const struct plain *m) {
    struct conn_in in = {.name = m->name, .args = m->args, .ack = m->ack};
    struct ln_buf name = {0};
    if (LN_UNLIKELY(m->name_escaped)) {
        bool good = ln_json_unescape(m->name, &name);
        in.name = good ? ln_buf_get(&name) : LN_STR("message");
    }
    conn_event(c, &in);
    ln_buf_free(&name);
}

static void json_in(struct conn *c, struct ln_str text) {
    struct plain m;
    struct conn_in in = {.name = LN_STR("message"), .ack = PLAIN_NO_ACK};
    switch (plain_parse(text, c->opts->codec_event, &m)) {
    case PLAIN_EVENT:
        event_in(c, &m);
        break;
    case PLAIN_VALUE:
        in.args = m.args;
        conn_event(c, &in);
        break;
    case PLAIN_ANSWER:
        conn_acked(c, m.ack, m.args, NULL, 0);
        break;
    default:
        broken_in(c, text);
    }
}

static bool decoded_by_script(struct conn *c, bool binary, struct ln_str data) {
    const struct clients *cs = c->clients;
    return cs->codecs && cs->codecs->decode(cs->codecs_ud, c, binary, data);
}

static void raw_message(struct line *ln, bool binary, char *p, size_t n) {
    struct conn *c = ln->root;
    struct ln_str data = {p, n};
    heard(ln);
    if (LN_UNLIKELY(!c)) return;
    c->stats.bytes_in += n;
    if (c->opts->codec == CODEC_OWN && decoded_by_script(c, binary, data)) return;
    if (LN_UNLIKELY(binary))
        binary_in(c, data);
    else if (c->opts->codec == CODEC_TEXT)
        text_in(c, data);
    else
        json_in(c, data);
}

void conn_decoded(struct conn *c, const struct event *ev) {
    struct conn_in in = {.name = ev->name,
                         .args = ev->args,
                         .bin = ev->bin,
                         .bin_count = ev->bin_count,
                         .ack = PLAIN_NO_ACK};
    if (c->line && !c->line->is_lost) conn_event(c, &in);
}

/* --- out --- */

/* Nothing is said at the door: who is up is in. */
static void raw_conn_join(struct conn *c, struct ln_str auth) {
    (void)auth;
    conn_up(c, (struct ln_str){0});
}

static void raw_conn_part(struct conn *c) {
    ws_close(c->line->ws, WS_NORMAL, (struct ln_str){0});
}

static ln_status text_out(struct conn_emit *e, struct ln_buf *frame, struct ln_err *err) {
    if (ln_str_is(e->name, "message") && ln_json_peek(e->args) == LN_JSON_STRING &&
        ln_json_text(e->args, frame))
        return LN_OK;
    return ln_fail(err, LN_INVALID, "codec \"text\" sends one string: use send(text)");
}

static ln_status raw_encode(struct conn *c, struct conn_emit *e, struct ln_buf *frame,
                            struct ln_err *err) {
    const struct clients *cs = c->clients;
    bool is_own = false;
    ln_status status = LN_OK;
    if (c->opts->codec == CODEC_OWN && cs->codecs)
        is_own = cs->codecs->encode(cs->codecs_ud, c, e, frame, &status, err);
    else if (c->opts->codec == CODEC_TEXT)
        status = text_out(e, frame, err);
    if (status != LN_OK) return status;
    if (is_own || c->opts->codec == CODEC_TEXT) {
        if (e->reply) return ln_fail(err, LN_INVALID, "only codec \"json\" has acknowledgements");
        e->retries = 0;
        e->flags |= CONN_EMIT_RAW;
    } else if (e->bin_count > 0) {
        return ln_fail(err, LN_INVALID,
                       "codec \"json\" carries no binary values: use send(linnet.binary(…))");
    }
    return LN_OK;
}

static size_t raw_send_event(struct conn *c, const struct conn_emit *e, int64_t ack) {
    struct ln_buf *b = &c->clients->scratch;
    if (e->flags & CONN_EMIT_RAW)
        return line_send(c->line, e->flags & CONN_EMIT_BINARY, &e->bin[e->bin_count - 1], 1);
    ln_buf_clear(b);
    plain_write_event(b, c->opts->codec_event, e->name, e->args, ack);
    struct ln_str text = ln_buf_get(b);
    return line_send(c->line, false, &text, 1);
}

static size_t raw_send_ack(struct conn *c, int64_t ack, struct ln_str args,
                           const struct ln_str *bin, size_t bin_count) {
    struct ln_buf *b = &c->clients->scratch, plain = {0};
    if (bin_count > 0) {
        plain_write_binary(&plain, args, bin, bin_count);
        args = ln_buf_get(&plain);
    }
    ln_buf_clear(b);
    plain_write_answer(b, ack, args);
    ln_buf_free(&plain);
    struct ln_str text = ln_buf_get(b);
    return line_send(c->line, false, &text, 1);
}

/* A listener found the arguments of an event to be no JSON. */
static void raw_bad_args(struct conn *c, const struct conn_in *in) {
    broken_in(c, in->args);
}

const struct proto proto_raw = {.name = "ws",
                                .line_size = sizeof(struct raw),
                                .follows = true,
                                .check = raw_check,
                                .target = raw_target,
                                .line_open = raw_opened,
                                .line_message = raw_message,
                                .line_pong = heard,
                                .line_closed = raw_closed,
                                .line_ended = raw_ended,
                                .conn_join = raw_conn_join,
                                .conn_part = raw_conn_part,
                                .encode = raw_encode,
                                .bad_args = raw_bad_args,
                                .send_event = raw_send_event,
                                .send_ack = raw_send_ack};
