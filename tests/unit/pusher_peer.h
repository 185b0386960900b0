/* SPDX-License-Identifier: MIT
 *
 * A Pusher server for tests of the client, on the world of sio_peer.h, and the auth endpoints of an
 * application. It does what the test says: s.refuses, s.silent, s.reply. What the client sent
 * stands in line->got (frames) and s.posts (requests, each "PATH BODY|").
 */
#ifndef LN_PUSHER_PEER_H
#define LN_PUSHER_PEER_H

#include "sio_peer.h"
#include "wire/pusher.h"

#define KEY "278d425bdf160c739803"
#define SECRET "7ad3773142a6692b25b8"
#define JSON_OK "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

static struct {
    int sockets;
    const char *first;    /* its first message; "" = none, NULL = connection_established */
    int activity;         /* seconds */
    bool silent;          /* answers no subscription */
    bool refuses;         /* as soketi: with an error that names the channel */
    const char *presence; /* data of subscription_succeeded for presence channels, quoted */
    /* the endpoint */
    struct ln_buf posts, heads;
    const char *status; /* "200 OK" */
    const char *reply;  /* body; NULL: a signature */
    bool no_reply;
    int unauthorized; /* so many requests are answered 401 before */
} s;

static void say_event(struct server_line *l, const char *event, const char *channel,
                      const char *data) {
    struct ln_buf out = {0};
    ln_buf_fmt(&out, "{\"event\":\"%s\"", event);
    if (channel) ln_buf_fmt(&out, ",\"channel\":\"%s\"", channel);
    if (data) ln_buf_fmt(&out, ",\"data\":%s", data);
    ln_buf_putc(&out, '}');
    say(l, ln_buf_cstr(&out));
    ln_buf_free(&out);
}

static void server_greets(struct server_line *l) {
    char text[200];
    s.sockets++;
    snprintf(text, sizeof text,
             "{\"event\":\"pusher:connection_established\",\"data\":"
             "\"{\\\"socket_id\\\":\\\"%d.%d\\\",\\\"activity_timeout\\\":%d}\"}",
             s.sockets, s.sockets, s.activity);
    if (!s.first)
        say(l, text);
    else if (s.first[0])
        say(l, s.first);
}

static void server_subscribes(struct server_line *l, struct ln_str text) {
    struct ln_buf name = {0};
    bool is_it = ln_str_is(ln_json_get(text, "event"), "\"pusher:subscribe\"");
    if (is_it && !s.silent &&
        ln_json_text(ln_json_get(ln_json_get(text, "data"), "channel"), &name)) {
        const char *channel = ln_buf_cstr(&name);
        if (s.refuses)
            say_event(l, "pusher:subscription_error", channel,
                      "{\"type\":\"AuthError\",\"error\":\"The connection is unauthorized.\","
                      "\"status\":401}");
        else
            say_event(l, "pusher_internal:subscription_succeeded", channel,
                      strncmp(channel, "presence-", 9) == 0 ? s.presence : "\"{}\"");
    }
    ln_buf_free(&name);
}

/* One request, when it is whole. */
static bool endpoint(struct server_line *l) {
    char *head = (char *)(uintptr_t)ln_buf_cstr(&l->p.in), *end = strstr(head, "\r\n\r\n");
    const char *length = strstr(head, "Content-Length: ");
    size_t n = length ? (size_t)atoi(length + 16) : 0;
    if (!end || l->p.in.n < (size_t)(end + 4 - head) + n) return false;
    ln_buf_clear(&s.heads);
    ln_buf_add(&s.heads, head, (size_t)(end + 2 - head));
    ln_buf_fmt(&s.posts, "%.*s %.*s|", (int)strcspn(head + 5, " "), head + 5, (int)n, end + 4);
    ln_buf_clear(&l->p.in);
    if (s.no_reply) return true;
    const char *body = s.reply ? s.reply : "{\"auth\":\"key:signature\"}";
    const char *status = s.status ? s.status : "200 OK";
    if (s.unauthorized > 0) {
        s.unauthorized--;
        status = "401 Unauthorized";
        body = "{\"message\":\"Unauthenticated.\"}";
    }
    struct ln_buf out = {0};
    ln_buf_fmt(&out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
    server_bytes(l, &out);
    return true;
}

static void begin_pusher(void) {
    begin();
    memset(&s, 0, sizeof s);
    s.activity = 120;
    s.presence = "\"{\\\"presence\\\":{\\\"ids\\\":[],\\\"hash\\\":{},\\\"count\\\":0}}\"";
    w.open = NULL;
    w.joins = false;
    w.on_up = server_greets;
    w.on_frame = server_subscribes;
    w.on_post = endpoint;
}

static void end_pusher(void) {
    end();
    ln_buf_free(&s.posts);
    ln_buf_free(&s.heads);
}

/* The last WebSocket; last() may be a request. */
static inline struct server_line *line_now(void) {
    int i = w.lines;
    while (i > 1 && !w.line[i - 1]->is_up)
        i--;
    return w.line[i - 1];
}

static inline struct conn_opts with_secret(void) {
    struct conn_opts o = options("pusher://ws.example");
    o.key = ln_strdup(KEY);
    o.secret = ln_strdup(SECRET);
    return o;
}

static inline struct conn_opts with_endpoint(void) {
    return options("pusher://" KEY "@ws.example:6001");
}

static inline struct conn *pusher_with(struct conn_opts o) {
    struct conn *c = open_with("chat", o);
    turn();
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    ln_buf_clear(&w.trail);
    ln_buf_clear(&w.logs);
    ln_buf_clear(&line_now()->got);
    return c;
}
static inline struct conn *pusher_connected(void) {
    return pusher_with(options("pusher://" KEY "@ws.example"));
}

/* Joins as a script does; the answer is written down as `who=…`. */
static void on_joined(void *ud, struct ln_str reply, const struct ln_err *err) {
    if (err)
        ln_buf_fmt(&w.trail, "%s=%s:%s ", (const char *)ud, ln_status_name(err->code), err->text);
    else
        ln_buf_fmt(&w.trail, "%s=%.*s ", (const char *)ud, LN_FMT(reply));
}
static inline ln_id join_ms(struct conn *c, const char *room, int64_t timeout_ms) {
    conn_room_want(c, ln_str(room), (struct ln_str){0}, (struct ln_str){0});
    return conn_room_wait(c, ln_str(room), timeout_ms, on_joined, (void *)(uintptr_t)room);
}
static inline ln_id join(struct conn *c, const char *room) {
    return join_ms(c, room, 0);
}
static inline bool leave(struct conn *c, const char *room) {
    return conn_room_drop(c, ln_str(room));
}
/* Joined; what was written down on the way is forgotten. */
static inline void joined(struct conn *c, const char *room) {
    join(c, room);
    turn();
    CHECK(conn_room_joined(c, ln_str(room)));
    ln_buf_clear(&w.trail);
    ln_buf_clear(&line_now()->got);
    ln_buf_clear(&s.posts);
}
static inline ln_status emit_in(struct conn *c, const char *room, const char *name,
                                const char *args, struct ln_err *err) {
    struct conn_emit e = {
        .name = ln_str(name), .args = ln_str(args), .room = ln_str(room), .retries = -1};
    return conn_emit(c, &e, NULL, err);
}

#endif
