/* SPDX-License-Identifier: MIT
 *
 * Lines of Pusher's protocol 7: the handshake, the heartbeat, and which message
 * goes where. What is malformed is answered with 4200 and the line stays; what ends a line is told
 * twice, by pusher:error and by the close code, because clients look at either.
 */
#include "hub/hub_pusher.h"
#include "base/crypt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "hub/hub_jwt.h"

#define PONG_TIMEOUT_MS 30000
#define BAD_MESSAGE "Invalid message format"

/* --- out --- */

void hub_pusher_send(struct hub_line *line, const char *event, struct ln_str channel,
                     struct ln_str data, bool double_encoded) {
    struct ln_buf out = {0};
    pusher_write(&out, ln_str(event), channel, data, double_encoded, NONE);
    hub_line_send(line, false, ln_buf_get(&out));
    ln_buf_free(&out);
}

void hub_pusher_error(struct hub_line *line, int code, const char *message) {
    struct ln_buf data = {0};
    ln_buf_fmt(&data, "{\"code\":%d,\"message\":", code);
    ln_json_quote(&data, ln_str(message));
    ln_buf_putc(&data, '}');
    hub_pusher_send(line, "pusher:error", NONE, ln_buf_get(&data), false);
    ln_buf_free(&data);
}

void hub_pusher_end(struct hub_line *line, enum hub_leave why, int code, const char *message) {
    struct ln_buf reason = {0};
    hub_pusher_error(line, code, message);
    ln_printable(&reason, ln_str(message), 100); /* what a close frame has room for */
    hub_line_drop(line, why, code, ln_buf_cstr(&reason));
    ln_buf_free(&reason);
}

int hub_pusher_code(ln_status s) {
    if (s == LN_FULL) return 4301;
    return s == LN_FORBIDDEN || s == LN_DENIED ? 4009 : 4200;
}

/* --- the handshake --- */

bool hub_pusher_is(struct ln_str path) {
    return ln_str_starts(path, "/app/");
}

/* Without the `protocol` that every client sends it speaks something else. */
static int check_protocol(struct ln_str query) {
    struct ln_buf json = {0};
    struct ln_buf text = {0};
    int code = 4008;
    hub_query_json(&json, query);
    struct ln_str raw = ln_json_get(ln_buf_get(&json), "protocol");
    if (raw.p && ln_json_text(raw, &text) && text.n > 0)
        code = text.n == 1 && *text.p >= '5' && *text.p <= '7' ? 0 : 4007;
    ln_buf_free(&json);
    ln_buf_free(&text);
    return code;
}

static struct pusher_app *find_app(const struct hub *h, struct ln_str path) {
    struct ln_str key = {path.p + 5, path.n - 5};
    struct ln_buf plain = {0};
    while (key.n > 0 && key.p[key.n - 1] == '/')
        key.n--;
    struct pusher_app *app =
        hub_app_by_key(h, ln_percent_decode(&plain, key) ? ln_buf_get(&plain) : key);
    ln_buf_free(&plain);
    return app;
}

static void explain_key(const struct hub_line *line) {
    struct pusher_hub *ph = line->hub->pusher;
    ln_log(hub_told(&ph->told_key, LN_INFO), "hub", "%s asked for an app key that is not here: %s",
           line->ip,
           ph->app_count == 0       ? "add the app to the option hub.apps"
           : ph->apps[0].is_builtin ? "without the option hub.apps the key is 'linnet'"
                                    : "the option hub.apps has other keys");
}

static void on_silence(void *ud);

static void watch_silence(struct pusher_line *p, int64_t ms) {
    p->line->ping_timer = loop_timer(p->line->hub->loop, ms, on_silence, p);
}

static int64_t idle_ms(const struct pusher_line *p) {
    return 2 * p->line->hub->opts.activity_timeout_ms;
}

void hub_pusher_start(struct hub_line *line, struct ln_str path, struct ln_str query,
                      bool is_known) {
    struct hub *h = line->hub;
    struct pusher_app *app = find_app(h, path);
    int code = app ? check_protocol(query) : 4001;
    struct pusher_line *p = line->pusher = ln_new(struct pusher_line);
    p->line = line;
    p->heard_at_ms = p->tokens_at_ms = loop_now_ms(h->loop);
    ln_list_init(&p->of_user);
    ln_list_init(&p->watches);
    if (!app) explain_key(line);
    if (code == 0 && app->max_connections > 0 && app->connections >= app->max_connections)
        code = 4100;
    if (code == 0 && is_known) {
        p->app = app;
        p->tokens = app->whisper_rate;
        app->connections++;
        watch_silence(p, idle_ms(p));
        hub_line_ask(line, ln_str(app->nsp), ln_buf_get(&line->auth));
    } else if (code == 0) {
        hub_pusher_end(line, HUB_LEAVE_ERROR, 4009, "pages of that origin may not connect");
    } else {
        hub_pusher_end(line, HUB_LEAVE_ERROR, code, pusher_code_text(code));
    }
}

void hub_pusher_sid(const struct hub *h, char sid[HUB_SID_LEN + 1]) {
    do {
        struct ln_buf text = {0};
        ln_buf_fmt(&text, "%u.%u", ln_random_u32() % 1000000000, ln_random_u32() % 1000000000);
        memcpy(sid, ln_buf_cstr(&text), text.n + 1); /* at most 19 characters */
        ln_buf_free(&text);
    } while (ln_map_get(&h->sids, ln_str(sid)));
}

void hub_pusher_welcome(struct hub_client *c) {
    struct ln_buf data = {0};
    int64_t seconds = c->line->hub->opts.activity_timeout_ms / 1000;
    ln_buf_fmt(&data, "{\"socket_id\":\"%s\",\"activity_timeout\":%lld}", c->sid,
               (long long)LN_MAX(seconds, 1));
    hub_pusher_send(c->line, "pusher:connection_established", NONE, ln_buf_get(&data), true);
    ln_buf_free(&data);
}

void hub_pusher_line_free(struct hub_line *line) {
    struct pusher_line *p = line->pusher;
    if (!p) return;
    hub_signin_end(p);
    if (p->app) p->app->connections--;
    ln_buf_free(&p->user_data);
    ln_free(p);
    line->pusher = NULL;
}

/* --- the heartbeat --- */

/* Clients ping when they hear nothing; one that hears much may be silent for long, and is asked. */
static void on_silence(void *ud) {
    struct pusher_line *p = ud;
    int64_t silent = (int64_t)(loop_now_ms(p->line->hub->loop) - p->heard_at_ms);
    p->line->ping_timer = 0;
    if (p->is_pinged) {
        hub_pusher_end(p->line, HUB_LEAVE_PING, 4201, "no pong came in time");
    } else if (silent < idle_ms(p)) {
        watch_silence(p, idle_ms(p) - silent);
    } else {
        p->is_pinged = true;
        hub_pusher_send(p->line, "pusher:ping", NONE, LN_STR("{}"), true);
        watch_silence(p, PONG_TIMEOUT_MS);
    }
}

void hub_pusher_heard(struct hub_line *line) {
    line->pusher->heard_at_ms = loop_now_ms(line->hub->loop);
    line->pusher->is_pinged = false;
}

/* --- in --- */

static void dispatch(struct hub_client *c, const struct pusher_msg *m) {
    struct ln_buf plain = {0};
    if (ln_str_is(m->event, "pusher:ping")) {
        hub_pusher_send(c->line, "pusher:pong", NONE, LN_STR("{}"), true);
    } else if (ln_str_is(m->event, "pusher:subscribe")) {
        hub_channel_subscribe(c, pusher_data(m->data, &plain));
    } else if (ln_str_is(m->event, "pusher:unsubscribe")) {
        hub_channel_unsubscribe(c, pusher_data(m->data, &plain));
    } else if (ln_str_is(m->event, "pusher:signin")) {
        hub_signin(c, pusher_data(m->data, &plain));
    } else if (ln_str_starts(m->event, "client-")) {
        hub_whisper(c, m);
    } else if (!ln_str_is(m->event, "pusher:pong")) {
        hub_pusher_error(c->line, 4200, BAD_MESSAGE);
    }
    ln_buf_free(&plain);
}

void hub_pusher_input(struct hub_line *line, bool binary, char *bytes, size_t n) {
    struct pusher_msg m;
    struct ln_buf scratch = {0};
    struct ln_err err;
    if (binary) {
        hub_line_drop(line, HUB_LEAVE_ERROR, 1003, "only text is understood here");
        return;
    }
    hub_pusher_heard(line);
    struct hub_client *c = hub_line_client(line, ln_str(line->pusher->app->nsp));
    if (!hub_line_charge(line)) {
        hub_pusher_error(line, 4301, "too many messages");
    } else if (!pusher_parse((struct ln_str){bytes, n}, &m, &scratch, &err)) {
        hub_pusher_error(line, 4200, BAD_MESSAGE);
    } else if (!c) {
        hub_pusher_error(line, 4200, "wait for pusher:connection_established");
    } else if (!hub_jwt_is_late(c)) {
        dispatch(c, &m);
    }
    ln_buf_free(&scratch);
}
