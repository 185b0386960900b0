/* SPDX-License-Identifier: MIT
 *
 * Subscriptions. A channel is here from the moment somebody wants it until it is left or refused;
 * what is wanted again after that, or after the line was lost, begins anew. Left while the server
 * has not answered: the answer is awaited, and then unsubscribed, because servers know no cancel.
 * What time may mend (no answer, an endpoint that is down) is tried again as long as it is wanted.
 */
#include "client/pusher_parts.h"

#include "base/crypt.h"
#include "base/text.h"
#include "client/line.h"

/* Jittered as far as the connection's attempts are: after an outage all come at once. */
static int64_t later_ms(struct channel *ch) {
    struct backoff later = {.min_ms = 5000, .max_ms = 60000};
    later.factor = line_opts(ch->line)->backoff.factor;
    return backoff_next(&later, &ch->failures, ln_random_unit());
}

static struct ln_str name_of(const struct channel *ch) {
    return (struct ln_str){ch->name, ch->n};
}

static struct ln_str room_of(const struct channel *ch) {
    return (struct ln_str){ch->room, ch->room_n};
}

static struct conn *conn_of(const struct channel *ch) {
    return ch->line->root;
}

static struct pusher *pusher_of(const struct channel *ch) {
    return ch->line->priv;
}

void pusher_room_wire(const struct conn *c, struct ln_str room, struct ln_buf *out) {
    static const char *const prefixes[] = {"private-", "presence-", "cache-", "#"};
    bool has_prefix = false;
    for (size_t i = 0; i < LN_COUNT(prefixes); i++)
        has_prefix |= ln_str_starts(room, prefixes[i]);
    if (!has_prefix) ln_buf_puts(out, clients_room_prefix(c->opts));
    ln_buf_str(out, room);
}

/* --- the table --- */

struct channel *channel_find(struct pusher *p, struct ln_str name) {
    struct channel *ch = p->last;
    if (LN_LIKELY(ch && ln_str_eq(name_of(ch), name))) return ch;
    ch = ln_map_get(&p->channels, name);
    if (ch) p->last = ch;
    return ch;
}

static struct channel *channel_new(struct line *ln, struct ln_str name, struct ln_str room) {
    struct pusher *p = ln->priv;
    struct channel *ch = ln_alloc(sizeof *ch + name.n + 1);
    ch->line = ln;
    ch->n = name.n;
    if (name.n) memcpy(ch->name, name.p, name.n);
    ch->kind = pusher_kind(name);
    ch->room = room.p ? ln_str_dup(room) : NULL;
    ch->room_n = room.n;
    ln_list_init(&ch->node);
    ln_map_set(&p->channels, name_of(ch), ch);
    return ch;
}

static void channel_free(struct channel *ch) {
    struct pusher *p = pusher_of(ch);
    if (p->last == ch) p->last = NULL;
    ln_map_remove(&p->channels, name_of(ch));
    ln_list_remove(&ch->node);
    loop_timer_cancel(ch->line->clients->loop, ch->timer);
    members_free(ch);
    box_free(ch);
    ln_free(ch->room);
    ln_free(ch->me);
    ln_free(ch->my_info);
    ln_free(ch->why);
    ln_free(ch);
}

void channels_free(struct line *ln) {
    struct pusher *p = ln->priv;
    size_t i = 0;
    struct ln_str name;
    void *ch;
    while (ln_map_next(&p->channels, &i, &name, &ch))
        channel_free(ch);
    ln_map_free(&p->channels);
}

static void set_timer(struct channel *ch, int64_t ms, loop_fn fn) {
    struct loop *l = ch->line->clients->loop;
    loop_timer_cancel(l, ch->timer);
    ch->timer = loop_timer(l, ms, fn, ch);
}

/* --- how it ends --- */

static void start(struct channel *ch);

static void on_later(void *ud) {
    struct channel *ch = ud;
    struct conn *c = conn_of(ch);
    ch->timer = 0;
    if (c && conn_room_wanted(c, room_of(ch)))
        start(ch);
    else
        channel_free(ch);
}

/* No answer, or none that is about us: a fault of the server, a page of somebody in between (a
 * captive portal, a proxy), a redirect; or the script that decides was reloaded. */
static bool may_mend(const struct ln_err *err, int status) {
    bool is_line = err->code == LN_TIMEOUT || err->code == LN_DISCONNECTED;
    bool is_foreign = status >= 200 && status < 400; /* and yet no JSON: endpoint_check */
    return is_line || err->code == LN_CANCELLED || is_foreign || status >= 500 || status == 429 ||
           status == 408 || status == PUSHER_NO_ANSWER;
}

static void refuse(struct channel *ch, const struct ln_err *err, int status) {
    struct conn *c = conn_of(ch);
    pusher_ask_drop(ch->line, name_of(ch));
    if (c && !ch->room)
        ln_log(LN_WARN, c->tag, "no events for the user: %s is refused: %s", ch->name, err->text);
    if (!c || !ch->room || ch->is_cancelled) {
        channel_free(ch);
        return;
    }
    struct ln_buf room = {0};
    ln_buf_str(&room, room_of(ch));
    if (may_mend(err, status)) {
        int64_t ms = later_ms(ch);
        ch->state = CHANNEL_LATER;
        ln_list_remove(&ch->node);
        set_timer(ch, ms, on_later);
    } else {
        channel_free(ch);
    }
    /* Who hears it may do anything. */
    conn_room_answer(c, ln_buf_get(&room), (struct ln_str){0}, err);
    ln_buf_free(&room);
}

static void on_timeout(void *ud) {
    struct channel *ch = ud;
    struct ln_err err;
    char text[32];
    ch->timer = 0;
    if (!conn_of(ch)) return; /* the line is being closed */
    bool is_asked = ch->state == CHANNEL_ASKED;
    ln_fail(&err, LN_TIMEOUT, "%s '%s' within %s",
            is_asked ? "the server did not answer the subscription of" : "no signature came for",
            ch->name, ln_duration_text(line_opts(ch->line)->timeout_ms, text, sizeof text));
    refuse(ch, &err, 0);
}

static void on_refused(void *ud) {
    struct channel *ch = ud;
    struct ln_err why = *ch->why;
    ch->timer = 0;
    refuse(ch, &why, 0);
}

/* By ourselves: told later, because nobody is told from inside of what he asks. */
static void refuse_soon(struct channel *ch, const char *words) {
    if (!ch->why) ch->why = ln_new(struct ln_err);
    ln_fail(ch->why, LN_INVALID, "'%s': %s", ch->name, words);
    ch->state = CHANNEL_REFUSED;
    set_timer(ch, 0, on_refused);
}

/* --- asking --- */

/* auth: the signature; channel_data: raw JSON string, or {NULL,0}. */
static void subscribe(struct channel *ch, struct ln_str auth, struct ln_str channel_data) {
    struct ln_buf data = {0};
    ln_buf_puts(&data, "{\"auth\":");
    ln_json_quote(&data, auth);
    if (channel_data.p) {
        ln_buf_puts(&data, ",\"channel_data\":");
        ln_buf_str(&data, channel_data);
    }
    ln_buf_puts(&data, ",\"channel\":");
    ln_json_quote(&data, name_of(ch));
    ln_buf_putc(&data, '}');
    ch->state = CHANNEL_ASKED;
    ch->was_asked = true;
    set_timer(ch, line_opts(ch->line)->timeout_ms, on_timeout);
    pusher_send(ch->line, "pusher:subscribe", (struct ln_str){0}, ln_buf_get(&data));
    ln_buf_free(&data);
}

static void unsubscribe(struct line *ln, struct ln_str name) {
    struct ln_buf data = {0};
    ln_buf_puts(&data, "{\"channel\":");
    ln_json_quote(&data, name);
    ln_buf_putc(&data, '}');
    pusher_send(ln, "pusher:unsubscribe", (struct ln_str){0}, ln_buf_get(&data));
    ln_buf_free(&data);
}

static void start(struct channel *ch) {
    ch->is_cancelled = false;
    ln_list_remove(&ch->node);
    ln_list_push(&pusher_of(ch)->pending, &ch->node);
    if (!pusher_channel_ok(name_of(ch))) {
        refuse_soon(ch, "a channel's name has at most 200 letters, digits and _-=@,.;");
    } else if (ch->kind == PUSHER_USER && ch->room) {
        refuse_soon(ch, "channels that begin with # cannot be joined: sign in for them");
    } else if (ch->kind == PUSHER_PUBLIC || ch->kind == PUSHER_USER) {
        subscribe(ch, LN_STR(""), (struct ln_str){0});
    } else {
        ch->state = CHANNEL_SIGNING;
        set_timer(ch, line_opts(ch->line)->timeout_ms, on_timeout);
        pusher_ask(ch->line, ASK_CHANNEL, name_of(ch));
    }
}

void pusher_room_join(struct conn *c, struct ln_str room) {
    struct pusher *p = c->line->priv;
    struct ln_buf name = {0};
    pusher_room_wire(c, room, &name);
    struct channel *ch = channel_find(p, ln_buf_get(&name));
    if (!ch) ch = channel_new(c->line, ln_buf_get(&name), room);
    ln_buf_free(&name);
    bool is_pending = ch->state == CHANNEL_ASKED || ch->state == CHANNEL_SIGNING;
    if (is_pending && !ln_list_empty(&ch->node))
        ch->is_cancelled = false;
    else
        start(ch);
}

void channel_join_own(struct line *ln, struct ln_str name) {
    struct pusher *p = ln->priv;
    if (!channel_find(p, name)) start(channel_new(ln, name, (struct ln_str){0}));
}

void pusher_room_leave(struct conn *c, struct ln_str room) {
    struct pusher *p = c->line->priv;
    struct ln_buf name = {0};
    pusher_room_wire(c, room, &name);
    struct channel *ch = channel_find(p, ln_buf_get(&name));
    ln_buf_free(&name);
    if (!ch) return;
    if (ch->state == CHANNEL_ASKED) {
        ch->is_cancelled = true;
        return;
    }
    if (ch->state == CHANNEL_IN) unsubscribe(c->line, name_of(ch));
    pusher_ask_drop(c->line, name_of(ch));
    channel_free(ch);
}

/* --- signatures --- */

static bool text_in(struct ln_str json, const char *key, struct ln_buf *out) {
    ln_buf_clear(out);
    return ln_json_text(ln_json_get(json, key), out);
}

/* Both names, and they differ. */
static bool is_other_name(struct ln_str a, struct ln_str b) {
    struct ln_buf x = {0}, y = {0};
    bool both =
        ln_json_text(ln_json_get(a, "name"), &x) && ln_json_text(ln_json_get(b, "name"), &y);
    bool other = both && !ln_str_eq(ln_buf_get(&x), ln_buf_get(&y));
    ln_buf_free(&x);
    ln_buf_free(&y);
    return other;
}

/* Somebody was there before us by the same id: the server knows the first one's info only. */
static void check_claim(const struct channel *ch, struct ln_str info) {
    if (!ch->my_info || !is_other_name(ln_str(ch->my_info), info)) return;
    ln_log(LN_WARN, conn_of(ch)->tag,
           "presence of '%s': two sockets claim user %s with different info: is the id unique?",
           ch->name, ch->me);
}

/* Who we are in a presence channel: as the signature says, or as we are signed in. */
static bool take_me(struct channel *ch, struct ln_str channel_data_raw) {
    struct pusher *p = pusher_of(ch);
    struct ln_buf data = {0}, id = {0};
    bool ok = true;
    ln_free(ch->me);
    ln_free(ch->my_info);
    ch->me = ch->my_info = NULL;
    if (channel_data_raw.p) {
        ok = ln_json_text(channel_data_raw, &data) &&
             pusher_id_text(ln_json_get(ln_buf_get(&data), "user_id"), &id);
        struct ln_str info = ln_json_get(ln_buf_get(&data), "user_info");
        if (ok) ch->me = ln_str_dup(ln_buf_get(&id));
        if (ok && info.p) ch->my_info = ln_str_dup(info);
    } else if (p->user_id) {
        ch->me = ln_strdup(p->user_id);
    } else {
        ok = false;
    }
    ln_buf_free(&data);
    ln_buf_free(&id);
    return ok;
}

/* What is wrong with the answer; NULL: nothing. */
static const char *check_signed(struct channel *ch, struct ln_str json, struct ln_buf *auth,
                                struct ln_err *err) {
    struct ln_str data = ln_json_get(json, "channel_data");
    if (!text_in(json, "auth", auth) || auth->n == 0) return "the answer has no 'auth'";
    if (data.p && ln_json_peek(data) != LN_JSON_STRING)
        return "the answer's channel_data is no string";
    if (ch->kind == PUSHER_PRESENCE && !take_me(ch, data))
        return data.p ? "the answer's channel_data names no user_id"
                      : "the answer has no channel_data, and nobody is signed in";
    if (ch->kind != PUSHER_ENCRYPTED) return NULL;
    return box_open(ch, ln_json_get(json, "shared_secret"), err) ? NULL : err->text;
}

void channel_signed(struct line *ln, struct ln_str name, struct ln_str json,
                    const struct ln_err *err, int status) {
    struct channel *ch = channel_find(ln->priv, name);
    struct ln_buf auth = {0};
    struct ln_err mine = {0}, why = {0};
    if (!ch || ch->state != CHANNEL_SIGNING) return;
    const char *words = err ? NULL : check_signed(ch, json, &auth, &mine);
    if (words) {
        ln_fail(&why, LN_PROTOCOL, "'%s' cannot be signed: %s", ch->name, words);
        refuse(ch, &why, 0);
    } else if (err) {
        refuse(ch, err, status);
    } else {
        subscribe(ch, ln_buf_get(&auth), ln_json_get(json, "channel_data"));
    }
    ln_buf_free(&auth);
}

/* --- what the server says --- */

static void write_state(const struct channel *ch, struct ln_buf *out) {
    ln_buf_puts(out, "{\"channel\":");
    ln_json_quote(out, name_of(ch));
    if (ch->kind == PUSHER_PRESENCE) {
        ln_buf_fmt(out, ",\"count\":%u,\"members\":", ch->members.count);
        members_write(ch, out);
    }
    ln_buf_putc(out, '}');
}

void pusher_room_state(struct conn *c, struct ln_str room, struct ln_buf *out) {
    struct ln_buf name = {0};
    pusher_room_wire(c, room, &name);
    const struct channel *ch = channel_find(c->line->priv, ln_buf_get(&name));
    if (ch) write_state(ch, out);
    ln_buf_free(&name);
}

bool pusher_room_member(struct conn *c, struct ln_str room, struct ln_str id, struct ln_str *info) {
    struct ln_buf name = {0};
    pusher_room_wire(c, room, &name);
    const struct channel *ch = channel_find(c->line->priv, ln_buf_get(&name));
    const char *json = ch ? ln_map_get(&ch->members, id) : NULL;
    ln_buf_free(&name);
    *info = ln_str(json);
    return json != NULL;
}

/* What pusher-js calls by these names; data: raw JSON. */
static void tell_own(struct line *ln, struct ln_str name, const char *event, struct ln_str data) {
    pusher_tell(ln, ln_str(event), name, (struct ln_str){0}, data);
}

static void on_succeeded(struct line *ln, struct ln_str name, struct ln_str data) {
    struct channel *ch = channel_find(ln->priv, name);
    struct ln_buf reply = {0}, room = {0};
    if (!ln->root || (ch && (ch->state == CHANNEL_IN || !ch->was_asked))) return;
    bool is_own = ch && !ch->room;
    if (!ch || ch->is_cancelled || (!is_own && !conn_room_wanted(ln->root, room_of(ch)))) {
        unsubscribe(ln, name);
        if (ch) channel_free(ch);
        return;
    }
    loop_timer_cancel(ln->clients->loop, ch->timer);
    ln_list_remove(&ch->node);
    ch->state = CHANNEL_IN;
    ch->failures = 0;
    if (is_own) return;
    if (ch->kind == PUSHER_PRESENCE) {
        members_set(ch, data);
        if (ch->me) {
            const char *info = ln_map_get(&ch->members, ln_str(ch->me));
            check_claim(ch, ln_str(info));
            pusher_tell_session(ln, ln_str(ch->me), ln_str(info));
        }
    }
    tell_own(ln, name, "pusher:subscription_succeeded", data);
    ch = channel_find(ln->priv, name); /* who heard it may have left at once */
    if (!ln->root || !ch || ch->state != CHANNEL_IN) return;
    write_state(ch, &reply);
    ln_buf_str(&room, room_of(ch));
    conn_room_answer(ln->root, ln_buf_get(&room), ln_buf_get(&reply), NULL);
    ln_buf_free(&room);
    ln_buf_free(&reply);
}

static void on_error(struct line *ln, struct ln_str name, struct ln_str data) {
    struct channel *ch = channel_find(ln->priv, name);
    struct ln_buf text = {0}, shown = {0};
    struct ln_err err;
    int64_t status = 0;
    if (!ch || ch->state != CHANNEL_ASKED) return;
    if (!text_in(data, "error", &text)) ln_buf_puts(&text, "no reason given");
    ln_json_int(ln_json_get(data, "status"), &status);
    ln_printable(&shown, ln_buf_get(&text), 200);
    ln_fail(&err, pusher_status((int)status), "%s", ln_buf_cstr(&shown));
    ln_buf_free(&text);
    ln_buf_free(&shown);
    if (ch->room && !ch->is_cancelled) tell_own(ln, name, "pusher:subscription_error", data);
    ch = channel_find(ln->priv, name);
    if (ch && ch->state == CHANNEL_ASKED) refuse(ch, &err, 0);
}

void channels_control(struct line *ln, const struct pusher_msg *m) {
    struct ln_buf copy = {0}; /* telling uses the buffers that the message may lie in */
    struct ln_str data = pusher_data(m->data, &copy), name = m->channel;
    bool is_internal = ln_str_starts(m->event, "pusher_internal:");
    const char *what = m->event.p + (is_internal ? strlen("pusher_internal:") : strlen("pusher:"));
    struct ln_str word = {what, m->event.n - (size_t)(what - m->event.p)};
    struct channel *ch = channel_find(ln->priv, name);
    bool is_in = ch && ch->room && ch->state == CHANNEL_IN;
    if (ln_str_is(word, "subscription_succeeded"))
        on_succeeded(ln, name, data);
    else if (ln_str_is(word, "subscription_error"))
        on_error(ln, name, data);
    else if (is_in && ln_str_is(word, "member_added") && members_add(ch, data))
        tell_own(ln, name, "pusher:member_added", data);
    else if (is_in && ln_str_is(word, "member_removed") && members_remove(ch, data))
        tell_own(ln, name, "pusher:member_removed", data);
    else if (is_in && ln_str_is(word, "subscription_count"))
        tell_own(ln, name, "pusher:subscription_count", data);
    else if (is_in && ln_str_is(word, "cache_miss"))
        tell_own(ln, name, "pusher:cache_miss", data);
    ln_buf_free(&copy);
}

bool channels_blame(struct line *ln, int code, struct ln_str message) {
    struct pusher *p = ln->priv;
    struct ln_err err;
    struct ln_buf shown = {0};
    /* What it says of client events is no answer to a subscription. */
    if (code != 4009 || ln_str_is(message, "The client is not a member of the specified channel."))
        return false;
    LN_LIST_EACH (&p->pending, it, tmp) {
        struct channel *ch = LN_CONTAINER(it, struct channel, node);
        if (ch->state != CHANNEL_ASKED || ch->kind == PUSHER_PUBLIC) continue;
        ln_printable(&shown, message, 200);
        ln_fail(&err, LN_UNAUTHORIZED, "%s", ln_buf_cstr(&shown));
        ln_buf_free(&shown);
        refuse(ch, &err, 0);
        return true;
    }
    return false;
}
