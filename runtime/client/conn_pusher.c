/* SPDX-License-Identifier: MIT
 *
 * Pusher protocol 7 on a line: address, handshake, liveness, messages, and what the end of a line
 * means. An implementation of client/proto.h; the other files are named in pusher_parts.h.
 * What a server sends and nobody can read is an `error`, and the line stays; the first message
 * alone must be right.
 */
#include "base/clock.h"
#include "base/text.h"
#include "client/pusher_parts.h"
#include "client/token.h"

#define ADAPTIVE_MIN_MS 10000 /* between pings on lines that die young */

/* --- the address --- */

/* A whole address of another client may stand in the URL: "/app/KEY" at the end of its path. */
static struct ln_str key_in_path(const struct url *u, struct ln_str *before) {
    struct ln_str path = ln_str(u->path);
    for (size_t i = path.n; i-- > 0;) {
        if (path.n - i < 6 || memcmp(path.p + i, "/app/", 5) != 0) continue;
        if (memchr(path.p + i + 5, '/', path.n - i - 5)) break;
        *before = (struct ln_str){path.p, i};
        return (struct ln_str){path.p + i + 5, path.n - i - 5};
    }
    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    *before = path;
    return (struct ln_str){NULL, 0};
}

void pusher_place(const struct conn_opts *o, const struct url *u, struct ln_str *key,
                  struct ln_str *secret) {
    struct ln_str before, in_path = key_in_path(u, &before);
    *key = o->key ? ln_str(o->key) : u->user ? ln_str(u->user) : in_path;
    *secret = ln_str(o->secret ? o->secret : u->password);
}

/* The URL's query is for us: `prefix`. What a browser's address has besides, because the protocol
 * asks for it, is ours to say; anything else would do nothing, and silently. */
static bool check_query(const struct url *u, struct ln_err *err) {
    static const char *const known[] = {"prefix", "protocol", "client", "version", "flash", NULL};
    char near[LN_MEANT];
    for (const char *p = u->query; p && *p;) {
        struct ln_str name = {p, strcspn(p, "=&")};
        size_t i = 0;
        while (known[i] && !ln_str_is(name, known[i]))
            i++;
        if (!known[i] && name.n) {
            ln_fail(err, LN_INVALID,
                    "a Pusher URL has no parameter '%.*s'%s: only 'prefix'; what the server itself "
                    "shall get goes into the option 'query'",
                    (int)LN_MIN(name.n, 40), name.p, ln_meant(ln_nearest(name, known), near));
            return false;
        }
        p += strcspn(p, "&");
        p += *p == '&';
    }
    return true;
}

static bool pusher_check(const struct conn_opts *o, const struct url *u, struct ln_err *err) {
    struct ln_str key, secret;
    if (!check_query(u, err)) return false;
    pusher_place(o, u, &key, &secret);
    if (key.n == 0) {
        ln_fail(err, LN_INVALID, "Pusher needs the app's key: pusher://KEY@host:port, or key = …");
        return false;
    }
    if (o->signin && !o->user_auth_endpoint && secret.n == 0) {
        ln_fail(err, LN_INVALID, "signin needs user_auth_endpoint or secret");
        return false;
    }
    if (o->retries > 0) {
        ln_fail(err, LN_INVALID, "Pusher has no acknowledgements, and so no retries");
        return false;
    }
    return pusher_check_endpoints(o, err);
}

static void pusher_target(struct line *ln, const struct url *u, struct ln_buf *out) {
    const struct conn_opts *o = line_opts(ln);
    struct ln_str before, key, secret;
    key_in_path(u, &before);
    pusher_place(o, u, &key, &secret);
    if (o->path) before = ln_str(o->path);
    while (before.n && before.p[before.n - 1] == '/')
        before.n--;
    ln_buf_str(out, before);
    ln_buf_puts(out, "/app/");
    ln_percent_encode(out, key);
    ln_buf_putc(out, '?');
    line_add_query(out, token_query(line_lead(ln)));
    ln_buf_puts(out, "protocol=7&client=linnet&version=" LN_VERSION);
}

/* --- liveness --- */

static void on_quiet(void *ud) {
    struct line *ln = ud;
    struct pusher *p = ln->priv;
    struct loop *l = ln->clients->loop;
    const struct conn_opts *o = line_opts(ln);
    int64_t since = (int64_t)(loop_now_ms(l) - p->heard_ms), left = p->activity_ms - since;
    char text[32];
    if (p->is_pinged) {
        line_fail(ln, "ping timeout", LN_TIMEOUT, "no answer to a ping within %s",
                  ln_duration_text(o->pong_timeout_ms, text, sizeof text));
        line_next(ln, NEXT_AT_ONCE);
        return;
    }
    if (left <= 0) {
        p->is_pinged = true;
        p->pinged_ns = ln_mono_ns();
        left = o->pong_timeout_ms;
        pusher_send(ln, "pusher:ping", (struct ln_str){0}, LN_STR("{}"));
    }
    ln->heartbeat = loop_timer(l, left, on_quiet, ln);
    /* Past this by the wall clock, this machine slept: who sends looks at it (line_check). */
    ln->dead_wall_ms = ln_wall_ms() + 2 * p->activity_ms + o->pong_timeout_ms;
}

/* --- handshake --- */

static bool is_socket_id(struct ln_str s) {
    size_t digits = 0, dots = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool is_digit = s.p[i] >= '0' && s.p[i] <= '9';
        if (!is_digit && (s.p[i] != '.' || digits == 0 || ++dots > 1)) return false;
        digits = is_digit ? digits + 1 : 0;
    }
    return dots == 1 && digits > 0 && s.n <= 64;
}

ln_status pusher_status(int code) {
    switch (code) {
    case 401:
    case 419:
    case 4009:
        return LN_UNAUTHORIZED;
    case 403:
    case 4003:
        return LN_FORBIDDEN;
    case 404:
    case 4001:
    case 4005:
        return LN_NOT_FOUND;
    default:
        return LN_REFUSED;
    }
}

static bool has_tls(const struct line *ln) {
    struct url u;
    conn_opts_url(line_lead(ln), &u);
    bool yes = u.tls || ln->use_tls;
    url_free(&u);
    return yes;
}

/* What follows a close code, or an error that came instead of the handshake. Who has functions for
 * tokens gets another chance to give a good one. */
static void set_next(struct line *ln, int code, struct line_loss *why) {
    enum pusher_action action = pusher_close_action(code);
    why->next = NEXT_BACKOFF;
    if (code == 4009 && token_asks(ln->root)) {
        why->is_refused = true;
    } else if (action == PUSHER_USE_TLS && !has_tls(ln)) {
        ln->use_tls = true;
        why->next = NEXT_AT_ONCE;
    } else if (action == PUSHER_AT_ONCE) {
        why->next = NEXT_AT_ONCE;
    } else if (action != PUSHER_BACKOFF) {
        why->next = NEXT_NEVER;
    }
}

struct pusher_error {
    int code; /* 0: none */
    struct ln_buf message;
};

static void read_error(struct ln_str data, struct pusher_error *e) {
    int64_t code = 0;
    struct ln_buf text = {0};
    *e = (struct pusher_error){0};
    if (ln_json_int(ln_json_get(data, "code"), &code) && code > 0 && code < 100000)
        e->code = (int)code;
    ln_json_text(ln_json_get(data, "message"), &text);
    ln_printable(&e->message, ln_buf_get(&text), 200);
    ln_buf_free(&text);
    if (e->message.n == 0) {
        const char *words = pusher_code_text(e->code);
        ln_buf_puts(&e->message, words ? words : "no reason given");
    }
}

static void on_first_error(struct line *ln, struct ln_str data) {
    struct pusher_error e;
    read_error(data, &e);
    const char *words = pusher_code_text(e.code);
    bool is_known = words && strcmp(words, ln_buf_cstr(&e.message)) != 0;
    line_fail(ln, "transport error", pusher_status(e.code), "refused by the server: %s (%d%s%s)",
              ln_buf_cstr(&e.message), e.code, is_known ? ": " : "", is_known ? words : "");
    if (ln->loss) set_next(ln, e.code, ln->loss);
    ln_buf_free(&e.message);
}

static void on_established(struct line *ln, struct ln_str data) {
    struct pusher *p = ln->priv;
    const struct conn_opts *o = line_opts(ln);
    struct ln_buf id = {0};
    int64_t seconds = 0;
    bool has_id =
        ln_json_text(ln_json_get(data, "socket_id"), &id) && is_socket_id(ln_buf_get(&id));
    if (!has_id) {
        line_fail(ln, "parse error", LN_PROTOCOL, "the server gave no socket_id such as \"12.34\"");
    } else if (!ln_json_int(ln_json_get(data, "activity_timeout"), &seconds) || seconds <= 0) {
        line_fail(ln, "parse error", LN_PROTOCOL, "the server gave no activity_timeout");
    } else {
        p->is_open = true;
        p->opened_ms = loop_now_ms(ln->clients->loop);
        p->socket_id = ln_str_dup(ln_buf_get(&id));
        p->activity_ms = LN_MIN(o->activity_timeout_ms, LN_MIN(seconds, 86400) * 1000);
        if (p->adaptive_ms) p->activity_ms = LN_MIN(p->activity_ms, p->adaptive_ms);
        ln->heartbeat = loop_timer(ln->clients->loop, p->activity_ms, on_quiet, ln);
        line_up(ln, 0, 0);
    }
    ln_buf_free(&id);
}

static void on_first(struct line *ln, const struct pusher_msg *m) {
    struct ln_str data = pusher_data(m->data, &ln->clients->in[1]);
    struct ln_buf shown = {0};
    if (ln_str_is(m->event, "pusher:connection_established")) {
        on_established(ln, data);
    } else if (ln_str_is(m->event, "pusher:error")) {
        on_first_error(ln, data);
    } else {
        ln_printable(&shown, m->event, 60);
        line_fail(ln, "parse error", LN_PROTOCOL,
                  "the server began with '%s' instead of pusher:connection_established",
                  ln_buf_cstr(&shown));
        ln_buf_free(&shown);
    }
}

static void conn_join(struct conn *c, struct ln_str auth) {
    struct pusher *p = c->line->priv;
    (void)auth; /* what is asked for channels and users takes it from the connection */
    if (user_signs_in(c->line))
        user_sign_in(c->line);
    else
        conn_up(c, ln_str(p->socket_id));
}

static void conn_part(struct conn *c) {
    (void)c; /* the close frame says it */
}

/* --- messages --- */

static void on_error(struct line *ln, struct ln_str raw) {
    struct ln_buf data = {0};
    struct ln_str value = pusher_data(raw, &data);
    struct pusher_error e;
    struct ln_err err;
    read_error(value, &e);
    ln_fail(&err, pusher_status(e.code), "%s", ln_buf_cstr(&e.message));
    if (!channels_blame(ln, e.code, ln_buf_get(&e.message)) && ln->root &&
        !user_blamed(ln, e.code, &err)) {
        ln_log(LN_WARN, ln->root->tag, "the server says: %s (%d)", err.text, e.code);
        pusher_tell_error(ln->root, &err, value);
    }
    ln_buf_free(&e.message);
    ln_buf_free(&data);
}

static void on_pong(struct line *ln) {
    struct pusher *p = ln->priv;
    if (p->pinged_ns) conn_more(ln->root)->rtt_ms = (double)(ln_mono_ns() - p->pinged_ns) / 1e6;
    p->pinged_ns = 0;
}

static void on_control(struct line *ln, const struct pusher_msg *m) {
    static const char *const of_channels[] = {"pusher_internal:subscription_succeeded",
                                              "pusher_internal:member_added",
                                              "pusher_internal:member_removed",
                                              "pusher_internal:subscription_count",
                                              "pusher:subscription_error",
                                              "pusher:cache_miss"};
    for (size_t i = 0; i < LN_COUNT(of_channels); i++) {
        if (!ln_str_is(m->event, of_channels[i])) continue;
        if (m->channel.p) channels_control(ln, m);
        return;
    }
    if (ln_str_is(m->event, "pusher:ping"))
        pusher_send(ln, "pusher:pong", (struct ln_str){0}, LN_STR("{}"));
    else if (ln_str_is(m->event, "pusher:error"))
        on_error(ln, m->data);
    else if (ln_str_is(m->event, "pusher:signin_success") ||
             ln_str_is(m->event, "pusher_internal:watchlist_events"))
        user_control(ln, m);
    else if (ln_str_is(m->event, "pusher:pong"))
        on_pong(ln);
    else
        ln_log(LN_DEBUG, ln->root->tag, "'%.*s' is not known", LN_FMT(m->event));
}

static void on_event(struct line *ln, const struct pusher_msg *m) {
    struct channel *ch = NULL;
    if (LN_LIKELY(m->channel.p)) {
        ch = channel_find(ln->priv, m->channel);
        if (!ch || ch->state != CHANNEL_IN) return; /* left meanwhile */
    }
    if (LN_UNLIKELY(ch && ch->kind == PUSHER_ENCRYPTED))
        box_event(ch, m);
    else
        pusher_tell(ln, m->event, m->channel, m->user_id, m->data);
}

static void on_garbage(struct line *ln, const struct ln_err *err) {
    struct pusher *p = ln->priv;
    if (!p->is_open) {
        line_fail(ln, "parse error", LN_PROTOCOL, "%s", err->text);
        return;
    }
    ln_log(p->told_garbage ? LN_DEBUG : LN_WARN, ln->root->tag, "ignored: %s", err->text);
    p->told_garbage = true;
    pusher_tell_error(ln->root, err, (struct ln_str){0});
}

static void on_message(struct line *ln, bool binary, char *bytes, size_t n) {
    struct pusher *p = ln->priv;
    struct pusher_msg m;
    struct ln_err err;
    (void)binary; /* the reference reads binary frames as text, too */
    p->heard_ms = loop_now_ms(ln->clients->loop);
    p->is_pinged = false;
    ln->root->stats.bytes_in += n;
    if (LN_UNLIKELY(!pusher_skim((struct ln_str){bytes, n}, &m, &ln->clients->in[0], &err)))
        on_garbage(ln, &err);
    else if (LN_UNLIKELY(!p->is_open))
        on_first(ln, &m);
    else if (LN_UNLIKELY(ln_str_starts(m.event, "pusher:") ||
                         ln_str_starts(m.event, "pusher_internal:")))
        on_control(ln, &m);
    else
        on_event(ln, &m);
}

/* --- begin and end --- */

static void on_open(struct line *ln) {
    struct pusher *p = ln->priv;
    p->channels.lent = true;
    ln_list_init(&p->pending);
    ln_list_init(&p->asks);
    ln_list_init(&p->abroad);
    p->heard_ms = loop_now_ms(ln->clients->loop);
}

static void on_closed(struct line *ln) {
    struct pusher *p = ln->priv;
    user_free(ln);
    pusher_asks_free(ln);
    channels_free(ln);
    ln_free(p->socket_id);
    p->socket_id = NULL;
    p->pinged_ns = 0;
    p->is_open = p->is_pinged = p->has_session = p->told_garbage = false;
}

static void on_ended(struct line *ln, int code, struct line_loss *why) {
    struct pusher *p = ln->priv;
    char text[sizeof why->err.text];
    int64_t life = (int64_t)(loop_now_ms(ln->clients->loop) - p->opened_ms);
    /* Something on the way ends lines that are quiet for long: ping earlier on the next one. */
    p->adaptive_ms = 0;
    if (code == 1006 && p->opened_ms && life < 2 * p->activity_ms)
        p->adaptive_ms = LN_MAX(life / 2, ADAPTIVE_MIN_MS);
    p->opened_ms = 0;
    if (code < 4000) return;
    const char *words = pusher_code_text(code);
    set_next(ln, code, why);
    why->err.code = pusher_status(code);
    if (!words) return;
    memcpy(text, why->err.text, sizeof text);
    ln_fail(&why->err, why->err.code, "%.300s (%s)", text, words);
}

static const char *const upgrade_headers[] = {"origin", "user-agent", NULL};

const struct proto proto_pusher = {.name = "pusher",
                                   .line_size = sizeof(struct pusher),
                                   .target = pusher_target,
                                   .line_open = on_open,
                                   .line_message = on_message,
                                   .line_closed = on_closed,
                                   .line_ended = on_ended,
                                   .conn_join = conn_join,
                                   .conn_part = conn_part,
                                   .send_event = pusher_send_event,
                                   .refuses = pusher_refuses,
                                   .room_join = pusher_room_join,
                                   .room_leave = pusher_room_leave,
                                   .room_wire = pusher_room_wire,
                                   .room_state = pusher_room_state,
                                   .room_member = pusher_room_member,
                                   .auth_answer = pusher_auth_answer,
                                   .auth_renewed = pusher_auth_renewed,
                                   .check = pusher_check,
                                   .upgrade_headers = upgrade_headers,
                                   .user_is_key = true};
