/* SPDX-License-Identifier: MIT
 *
 * A Socket.IO server that sends anything, to three connections on one line. The input is lines: a
 * line is a text frame, one that begins with "<" a binary one, "+" a second of time, "!" the end of
 * the transport (the next one begins afresh). What is heard makes the connections emit, answer,
 * leave, come back and close. Whatever comes in, everything comes to rest and nothing is left.
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

#define OPEN_PACKET "0{\"sid\":\"e\",\"pingInterval\":2000,\"pingTimeout\":1000}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct clients *clients;
static int server = -1; /* our end of the last transport */
static bool is_up;
static int dials, replies, asked;

static void require(bool ok) {
    if (!ok) abort();
}

/* --- the sink --- */

static void on_reply(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                     const struct ln_err *err) {
    (void)ud, (void)args, (void)bin, (void)bin_count, (void)err;
    replies++;
}

static void emit(struct conn *c, struct ln_str name, unsigned flags, int retries) {
    struct conn_emit e = {
        .name = name, .args = LN_STR("1"), .flags = flags, .reply = on_reply, .retries = retries};
    if (conn_emit(c, &e, NULL, NULL) == LN_OK) asked++;
}

static bool on_wants(void *ud, struct conn *c, struct ln_str name) {
    (void)ud, (void)c;
    return name.n != 2;
}

static ln_status on_event(void *ud, struct event *ev) {
    (void)ud;
    struct conn *c = ev->conn;
    if (ev->kind != EVENT_APP) return LN_OK;
    require(ev->bin_count <= 10);
    conn_ack(c, conn_epoch(c), ev->ack, LN_STR("2"), NULL, 0);
    switch (ev->name.n) {
    case 1:
        emit(c, LN_STR("e"), 0, 0);
        break;
    case 3:
        conn_disconnect(c, NULL);
        break;
    case 4:
        conn_reconnect(c);
        break;
    case 5:
        emit(c, LN_STR("r"), 0, 1);
        break;
    case 6:
        conn_room_want(c, ev->name, LN_STR("join"), ev->args);
        break;
    case 7:
        return LN_PROTOCOL;
    case 8:
        conn_close(c);
        break;
    case 9:
        conn_outbox_clear(c, 0);
        break;
    default:
        break;
    }
    return LN_OK;
}

static void on_auth(void *ud, struct conn *c, const struct conn_ask *ask) {
    (void)ud;
    struct ln_err err;
    ln_fail(&err, LN_CANCELLED, "no");
    conn_auth_answer(c, ask->ticket, LN_STR("{}"), ask->attempt % 3 == 0 ? &err : NULL);
}

static void on_connected(void *ud, struct conn *c, bool first) {
    (void)ud, (void)first;
    emit(c, LN_STR("now"), CONN_EMIT_NOW, 0);
    if (conn_id(c)[0] != 'h') conn_ready_go(c, conn_epoch(c)); /* h: handlers go on */
}

static void on_rejoined(void *ud, struct conn *c, struct ln_str room, struct ln_str reply,
                        const struct ln_err *err) {
    (void)ud, (void)room, (void)reply;
    if (err) conn_reconnect(c);
}

static const struct conn_sink sink = {on_wants, on_event, on_auth, on_connected, on_rejoined};

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

static void send_frame(enum ws_op op, struct ln_str s) {
    struct ln_buf out = {0};
    ws_write(&out, false, true, op, &s, 1);
    (void)!send(server, out.p, out.n, MSG_NOSIGNAL);
    ln_buf_free(&out);
}

/* Takes what the clients sent; an upgrade is answered. */
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
    if (line.n == 1 && line.p[0] == '+') {
        serve();
        loop_advance(loop, 1000);
        serve();
    } else if (line.n == 1 && line.p[0] == '!') {
        serve();
        if (server >= 0) close(server);
        server = -1;
        loop_settle(loop, 0);
    } else if (server >= 0 && is_up) {
        bool binary = line.n > 0 && line.p[0] == '<';
        if (binary) line = (struct ln_str){line.p + 1, line.n - 1};
        send_frame(binary ? WS_BINARY : WS_TEXT, line);
    }
}

static void open_conn(const char *name, const char *url, bool auth_asked) {
    struct conn_opts o;
    conn_opts_init(&o);
    o.url = ln_strdup(url);
    o.auth_asked = auth_asked;
    o.backoff.factor = 0;
    o.max_message = 4096;
    require(conn_open(clients, name, &o, NULL) != NULL);
    conn_opts_free(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ln_clock_fake(1700000000000);
    ln_random_fake(1);
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
    if (!loop) loop = loop_new();
    dials = replies = asked = 0;
    clients = clients_new(loop, &sink, NULL);
    clients_dialler(clients, on_dial, NULL);
    open_conn("root", "ws://x", false);
    open_conn("a", "ws://x/a", false);
    open_conn("b", "ws://x/b", true);
    serve();
    send_frame(WS_TEXT, LN_STR(OPEN_PACKET));
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
    require(replies == asked); /* each exactly once */
    if (server >= 0) close(server);
    server = -1;
    return 0;
}
