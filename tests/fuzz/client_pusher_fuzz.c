/* SPDX-License-Identifier: MIT
 *
 * A Pusher server that sends anything. The input is lines: "j" and "l" with a name join and leave a
 * room, "+" is a second of time, "!" the end of the transport (the next one begins afresh), and
 * every other line a message. What is heard makes the connection join, leave, emit, come back and
 * close. Whatever comes in, everything comes to rest, nothing is left, and who waits hears once.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/conn.h"
#include "wire/websocket.h"

#define FIRST                                                                                      \
    "{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\"1.1\","                \
    "\"activity_timeout\":5}}"
#define SIGNED                                                                                     \
    "{\"auth\":\"k:s\",\"channel_data\":\"{\\\"user_id\\\":1}\",\"shared_secret\":"                \
    "\"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\"}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct clients *clients;
static ln_id handle;
static int server = -1; /* our end of the last transport */
static bool is_up;
static int dials, asked, answered;

static void require(bool ok) {
    if (!ok) abort();
}

/* --- rooms --- */

static void on_joined(void *ud, struct ln_str reply, const struct ln_err *err) {
    (void)ud;
    require((reply.p != NULL) != (err != NULL));
    answered++;
}

static void join(struct conn *c, struct ln_str room) {
    if (asked > 500) return;
    conn_room_want(c, room, (struct ln_str){0}, (struct ln_str){0});
    if (conn_room_wait(c, room, 3000, on_joined, NULL)) asked++;
}

static void emit(struct conn *c, struct ln_str room) {
    struct conn_emit e = {
        .name = LN_STR("client-x"), .args = LN_STR("{}"), .room = room, .retries = -1};
    struct ln_err err;
    conn_emit(c, &e, NULL, &err);
}

/* --- the sink --- */

static bool on_wants(void *ud, struct conn *c, struct ln_str name) {
    (void)ud, (void)c;
    return name.n != 2;
}

static ln_status on_event(void *ud, struct event *ev) {
    (void)ud;
    struct conn *c = ev->conn;
    if (ev->kind != EVENT_APP) return LN_OK;
    require(ev->meta_at <= ev->args.n);
    switch (ev->name.n) {
    case 1:
        emit(c, conn_room_name(c, ev->room));
        break;
    case 3:
        conn_disconnect(c, NULL);
        break;
    case 4:
        conn_reconnect(c);
        break;
    case 5:
        join(c, ev->name);
        break;
    case 6:
        conn_room_drop(c, conn_room_name(c, ev->room));
        break;
    case 7:
        return LN_PROTOCOL;
    case 8:
        conn_close(c);
        break;
    default:
        break;
    }
    return LN_OK;
}

static void on_auth(void *ud, struct conn *c, const struct conn_ask *ask) {
    (void)ud;
    conn_auth_answer(c, ask->ticket, LN_STR("{}"), NULL);
}

static void on_connected(void *ud, struct conn *c, bool first) {
    (void)ud, (void)first;
    conn_ready_go(c, conn_epoch(c));
}

static void on_rejoined(void *ud, struct conn *c, struct ln_str room, struct ln_str reply,
                        const struct ln_err *err) {
    (void)ud, (void)reply, (void)err;
    require(conn_room_wanted(c, room));
}

static const struct conn_sink sink = {on_wants, on_event, on_auth, on_connected, on_rejoined};

static void authorizer(void *ud, struct conn *c, ln_id ticket, struct ln_str channel,
                       struct ln_str socket_id) {
    (void)ud, (void)socket_id;
    struct ln_err err;
    ln_fail(&err, LN_UNAUTHORIZED, "no");
    bool refuses = channel.n > 0 && channel.p[channel.n - 1] == '-';
    conn_auth_answer(c, ticket, LN_STR(SIGNED), refuses ? &err : NULL);
}

/* --- the server --- */

static int on_dial(void *ud, struct conn *c) {
    (void)ud, (void)c;
    int fds[2];
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    if (server >= 0) close(server);
    server = fds[0];
    is_up = false;
    dials++;
    return fds[1];
}

static void send_text(struct ln_str s) {
    struct ln_buf out = {0};
    ws_write(&out, false, true, WS_TEXT, &s, 1);
    (void)!send(server, out.p, out.n, MSG_NOSIGNAL);
    ln_buf_free(&out);
}

/* Takes what the client sent; an upgrade is answered. */
static void serve(void) {
    char bytes[65536];
    ssize_t n;
    loop_settle(loop, 0);
    while (server >= 0 && (n = recv(server, bytes, sizeof bytes - 1, 0)) > 0) {
        bytes[n] = 0;
        const char *at = is_up ? NULL : strstr(bytes, "Sec-WebSocket-Key: ");
        if (at) {
            struct ln_buf out = {0};
            char key[WS_KEY_LEN + 1] = {0}, accept[29];
            memcpy(key, at + 19, WS_KEY_LEN);
            ws_accept_key(key, accept);
            ln_buf_fmt(&out,
                       "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: %s\r\n\r\n",
                       accept);
            (void)!send(server, out.p, out.n, MSG_NOSIGNAL);
            ln_buf_free(&out);
            is_up = true;
        }
        loop_settle(loop, 0);
    }
}

static void take_line(struct ln_str line) {
    struct conn *c = conn_of_handle(clients, handle);
    if (line.n == 1 && line.p[0] == '+') {
        serve();
        loop_advance(loop, 1000);
        serve();
    } else if (line.n == 1 && line.p[0] == '!') {
        serve();
        if (server >= 0) close(server);
        server = -1;
        loop_settle(loop, 0);
    } else if (line.n > 0 && line.p[0] == 'j') {
        if (c) join(c, (struct ln_str){line.p + 1, line.n - 1});
    } else if (line.n > 0 && line.p[0] == 'l') {
        if (c) conn_room_drop(c, (struct ln_str){line.p + 1, line.n - 1});
    } else if (server >= 0 && is_up) {
        send_text(line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct conn_opts o;
    ln_clock_fake(1700000000000);
    ln_random_fake(1);
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
    if (!loop) loop = loop_new();
    dials = asked = answered = 0;
    clients = clients_new(loop, &sink, NULL);
    clients_dialler(clients, on_dial, NULL);
    clients_authorizer(clients, authorizer, NULL);
    conn_opts_init(&o);
    o.url = ln_strdup("pusher://k:s@x/?prefix=presence-");
    o.authorizer_asked = true;
    o.signin = size % 2;
    o.backoff.factor = 0;
    o.max_message = 4096;
    struct conn *c = conn_open(clients, "c", &o, NULL);
    require(c != NULL);
    handle = conn_handle(c);
    conn_opts_free(&o);
    join(c, LN_STR("lobby"));
    join(c, LN_STR("private-encrypted-e"));
    serve();
    if (size % 3) send_text(LN_STR(FIRST));
    serve();
    struct ln_str rest = {(const char *)data, size};
    while (rest.n > 0 && dials < 50) {
        const char *end = memchr(rest.p, '\n', rest.n);
        struct ln_str line = {rest.p, end ? (size_t)(end - rest.p) : rest.n};
        take_line(line);
        size_t used = line.n + (end != NULL);
        rest = (struct ln_str){rest.p + used, rest.n - used};
    }
    serve();
    clients_free(clients);
    loop_settle(loop, 0);
    require(loop_timer_count(loop) == 0);
    require(answered == asked); /* each exactly once */
    if (server >= 0) close(server);
    server = -1;
    return 0;
}
