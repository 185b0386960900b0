/* SPDX-License-Identifier: MIT
 *
 * A raw WebSocket server that sends anything, to a connection with the codec that the first byte
 * chooses: t text, o own functions, else json. Then the input is lines: each is a text frame; one
 * that begins with "<" is binary; "+" ten seconds of time; "!" the end of the transport; "^N" a
 * close frame with that code. What is heard makes the connection emit, answer, leave and close.
 * Whatever comes in, everything comes to rest and nothing is left.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/conn.h"
#include "wire/websocket.h"

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
    struct ln_buf list = {0};
    (void)ud, (void)bin, (void)bin_count;
    replies++;
    ln_buf_fmt(&list, "[%.*s]", LN_FMT(args));
    require(err || ln_json_valid(ln_buf_get(&list), NULL) || ln_json_valid(args, NULL));
    ln_buf_free(&list);
}

static void emit(struct conn *c, struct ln_str name, struct ln_str args, bool asks) {
    struct conn_emit e = {
        .name = name, .args = args, .reply = asks ? on_reply : NULL, .retries = -1};
    if (conn_emit(c, &e, NULL, NULL) == LN_OK) asked += asks;
}

static bool on_wants(void *ud, struct conn *c, struct ln_str name) {
    (void)ud, (void)c;
    return name.n != 2;
}

static ln_status on_event(void *ud, struct event *ev) {
    (void)ud;
    struct conn *c = ev->conn;
    if (ev->kind != EVENT_APP) return LN_OK;
    conn_ack(c, conn_epoch(c), ev->ack, LN_STR("1,2"), NULL, 0);
    switch (ev->name.n) {
    case 1:
        emit(c, LN_STR("e"), LN_STR("[1]"), true);
        break;
    case 3:
        conn_disconnect(c, NULL);
        conn_connect(c);
        break;
    case 4:
        conn_reconnect(c);
        break;
    case 5:
        return ln_str_is(ev->name, "error") ? LN_OK : LN_PROTOCOL;
    case 6:
        conn_room_want(c, ev->name, LN_STR("join"), LN_STR("{}"));
        break;
    case 7:
        emit(c, LN_STR("message"), LN_STR("\"x\""), false);
        break;
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
    conn_auth_answer(c, ask->ticket, LN_STR("{\"t\":1}"), NULL);
}

static void on_connected(void *ud, struct conn *c, bool first) {
    (void)ud, (void)first;
    conn_ready_go(c, conn_epoch(c));
}

static void on_rejoined(void *ud, struct conn *c, struct ln_str room, struct ln_str reply,
                        const struct ln_err *err) {
    (void)ud, (void)c, (void)room, (void)reply, (void)err;
}

static const struct conn_sink sink = {on_wants, on_event, on_auth, on_connected, on_rejoined};

/* --- a codec: what comes is the name of an event --- */

static bool decode(void *ud, struct conn *c, bool binary, struct ln_str data) {
    struct event ev = {.name = data, .args = LN_STR("1")};
    (void)ud;
    if (binary) return false;
    conn_decoded(c, &ev);
    return true;
}

static bool encode(void *ud, struct conn *c, struct conn_emit *e, struct ln_buf *frame,
                   ln_status *status, struct ln_err *err) {
    (void)ud, (void)c;
    if (e->name.n == 1) *status = ln_fail(err, LN_INVALID, "not that");
    ln_buf_str(frame, e->name);
    return true;
}

static const struct conn_codecs codecs = {decode, encode};

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

static void send_bytes(struct ln_buf *out) {
    (void)!send(server, out->p, out->n, MSG_NOSIGNAL);
    ln_buf_free(out);
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
            send_bytes(&out);
            is_up = true;
        }
        loop_settle(loop, 0);
    }
}

static void hang_up(void) {
    serve();
    if (server >= 0) close(server);
    server = -1;
    loop_settle(loop, 0);
}

static void take_line(struct ln_str line) {
    struct ln_buf out = {0};
    char first = line.n > 0 ? line.p[0] : 0;
    if (first == '+' && line.n == 1) {
        serve();
        loop_advance(loop, 10000);
        serve();
    } else if (first == '!' && line.n == 1) {
        hang_up();
    } else if (server < 0 || !is_up) {
        return;
    } else if (first == '^') {
        int code = 0;
        for (size_t i = 1; i < line.n && i < 5 && line.p[i] >= '0' && line.p[i] <= '9'; i++)
            code = code * 10 + (line.p[i] - '0');
        ws_write_close(&out, false, code, LN_STR("why"));
        send_bytes(&out);
        hang_up();
    } else {
        if (first == '<') line = (struct ln_str){line.p + 1, line.n - 1};
        ws_write(&out, false, true, first == '<' ? WS_BINARY : WS_TEXT, &line, 1);
        send_bytes(&out);
        serve();
    }
}

static void open_conn(char codec) {
    struct conn_opts o;
    conn_opts_init(&o);
    o.url = ln_strdup("ws://x/ws");
    o.auth_asked = codec == 'a';
    o.codec = codec == 't' ? CODEC_TEXT : codec == 'o' ? CODEC_OWN : CODEC_JSON;
    o.heartbeat_ms = 5000;
    o.backoff.factor = 0;
    o.max_message = 4096;
    require(conn_open(clients, "raw", &o, NULL) != NULL);
    conn_opts_free(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    ln_clock_fake(1700000000000);
    ln_random_fake(1);
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
    if (!loop) loop = loop_new();
    dials = replies = asked = 0;
    clients = clients_new(loop, &sink, NULL);
    clients_dialler(clients, on_dial, NULL);
    clients_codecs(clients, &codecs, NULL);
    open_conn((char)data[0]);
    serve();
    struct ln_str rest = {(const char *)data + 1, size - 1};
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
