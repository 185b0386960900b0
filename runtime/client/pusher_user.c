/* SPDX-License-Identifier: MIT
 *
 * Signing in: part of the handshake, so that `connect` handlers know who they are. A refused
 * sign-in is a refused connection; a server that does not know how to sign in says nothing (soketi
 * without user authentication) or complains about the message (Reverb): then there is an `error`,
 * and the connection goes on without a user.
 */
#include "base/text.h"
#include "client/pusher_parts.h"

#define SIGNIN_MS 10000

bool user_signs_in(const struct line *ln) {
    const struct conn_opts *o = line_opts(ln);
    return o->signin || o->user_auth_endpoint;
}

static void go_on(struct line *ln) {
    struct pusher *p = ln->priv;
    loop_timer_cancel(ln->clients->loop, p->signin_timer);
    p->signin_timer = 0;
    if (ln->root && ln->root->step == STEP_ASKED) conn_up(ln->root, ln_str(p->socket_id));
}

/* `error` is told when the connection is up. */
static void without(struct line *ln, const struct ln_err *err) {
    struct ln_err why;
    ln_fail(&why, err->code, "sign-in: %s", err->text);
    struct conn *c = ln->root;
    ln_log(LN_WARN, c->tag, "%s; going on without a user", why.text);
    uint64_t epoch = c->epoch + 1;
    go_on(ln);
    if (c->epoch == epoch) pusher_tell_error(c, &why, (struct ln_str){0});
}

/* The attempt's own time must not end first. */
static int64_t patience_ms(const struct line *ln) {
    return LN_MIN(SIGNIN_MS, line_opts(ln)->timeout_ms / 2);
}

static void on_timeout(void *ud) {
    struct line *ln = ud;
    struct pusher *p = ln->priv;
    struct ln_err err;
    char text[32];
    p->signin_timer = 0;
    if (!ln->root || ln->root->step != STEP_ASKED) return;
    ln_fail(&err, LN_TIMEOUT, "no answer within %s (is it enabled on the server?)",
            ln_duration_text(patience_ms(ln), text, sizeof text));
    without(ln, &err);
}

bool user_blamed(struct line *ln, int code, const struct ln_err *err) {
    struct pusher *p = ln->priv;
    if (!p->signin_timer || code < 4200 || code > 4299) return false;
    without(ln, err);
    return true;
}

void user_sign_in(struct line *ln) {
    struct pusher *p = ln->priv;
    loop_timer_cancel(ln->clients->loop, p->signin_timer); /* of a sign-in that was refused */
    p->signin_timer = loop_timer(ln->clients->loop, patience_ms(ln), on_timeout, ln);
    pusher_ask(ln, ASK_USER, (struct ln_str){0});
}

void user_signed(struct line *ln, struct ln_str json, const struct ln_err *err, int status) {
    struct conn *c = ln->root;
    struct ln_str auth = ln_json_get(json, "auth"), data = ln_json_get(json, "user_data");
    struct ln_err why;
    if (!c || c->step != STEP_ASKED) return;
    bool is_refusal = status == 401 || status == 403 || status == 419;
    if (err && is_refusal) {
        conn_refused(c, LN_UNAUTHORIZED, ln_str(err->text), (struct ln_str){0});
    } else if (err) {
        without(ln, err);
    } else if (ln_json_peek(auth) != LN_JSON_STRING || ln_json_peek(data) != LN_JSON_STRING) {
        ln_fail(&why, LN_PROTOCOL, "the answer needs 'auth' and 'user_data', both strings");
        without(ln, &why);
    } else {
        struct ln_buf out = {0};
        ln_buf_fmt(&out, "{\"auth\":%.*s,\"user_data\":%.*s}", LN_FMT(auth), LN_FMT(data));
        pusher_send(ln, "pusher:signin", (struct ln_str){0}, ln_buf_get(&out));
        ln_buf_free(&out);
    }
}

static void on_success(struct line *ln, struct ln_str data) {
    struct pusher *p = ln->priv;
    struct ln_buf user = {0}, id = {0}, channel = {0};
    struct ln_err err;
    if (p->user_id || !p->signin_timer) return;
    if (!ln_json_text(ln_json_get(data, "user_data"), &user) ||
        !ln_json_text(ln_json_get(ln_buf_get(&user), "id"), &id) || id.n == 0) {
        ln_fail(&err, LN_PROTOCOL, "the server's user_data has no id that is a string");
        without(ln, &err);
    } else {
        p->user_id = ln_str_dup(ln_buf_get(&id));
        ln_buf_puts(&channel, "#server-to-user-");
        ln_buf_str(&channel, ln_buf_get(&id));
        pusher_tell_session(ln, ln_buf_get(&id), ln_json_get(ln_buf_get(&user), "user_info"));
        channel_join_own(ln, ln_buf_get(&channel));
        go_on(ln);
    }
    ln_buf_free(&user);
    ln_buf_free(&id);
    ln_buf_free(&channel);
}

/* {"events":[{"name":"online","user_ids":["u1"]},…]}: each is an event of its own. */
static void on_watchlist(struct line *ln, struct ln_str data) {
    struct ln_buf copy = {0}, name = {0}; /* telling uses the buffer that data may lie in */
    struct ln_str event;
    ln_buf_str(&copy, ln_json_get(data, "events"));
    for (size_t pos = 0; ln_json_each(ln_buf_get(&copy), &pos, NULL, &event);) {
        ln_buf_clear(&name);
        if (ln->root && ln_json_text(ln_json_get(event, "name"), &name))
            pusher_tell(ln, ln_buf_get(&name), (struct ln_str){0}, (struct ln_str){0}, event);
    }
    ln_buf_free(&copy);
    ln_buf_free(&name);
}

void user_control(struct line *ln, const struct pusher_msg *m) {
    struct ln_buf data = {0};
    struct ln_str value = pusher_data(m->data, &data);
    if (ln_str_is(m->event, "pusher:signin_success"))
        on_success(ln, value);
    else
        on_watchlist(ln, value);
    ln_buf_free(&data);
}

void user_free(struct line *ln) {
    struct pusher *p = ln->priv;
    loop_timer_cancel(ln->clients->loop, p->signin_timer);
    p->signin_timer = 0;
    ln_free(p->user_id);
    p->user_id = NULL;
}
