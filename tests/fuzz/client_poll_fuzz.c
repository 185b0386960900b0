/* SPDX-License-Identifier: MIT
 *
 * A polling server that answers anything, and an upgrade that goes any way. The input is lines:
 *   g…  a body for the GET that waits (~ is the separator)     r…  any bytes for it
 *   p…  any bytes for the next POST instead of "ok"            s…  a Set-Cookie for the next GET
 *   u   the WebSocket is accepted    f…  a frame on it         x y z  GET, WebSocket, all are cut
 *   +   a second of time             e   an emit               d c  disconnect, connect
 * Whatever comes in, everything comes to rest and nothing is left.
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FDS = 200 };

static struct loop *loop;
static struct clients *clients;
static struct conn *conn;
static int fds[FDS], count; /* our ends; -1: closed */
static int get_fd, ws_fd;   /* -1: none */
static char key[WS_KEY_LEN + 1];
static struct ln_buf post_answer, cookie;

static void require(bool ok) {
    if (!ok) abort();
}

static bool on_wants(void *ud, struct conn *c, struct ln_str name) {
    (void)ud, (void)c, (void)name;
    return true;
}
static ln_status on_event(void *ud, struct event *ev) {
    (void)ud;
    if (ev->kind == EVENT_APP && ev->ack >= 0)
        conn_ack(ev->conn, conn_epoch(ev->conn), ev->ack, LN_STR("2"), NULL, 0);
    if (ev->kind == EVENT_APP && ev->name.n == 3) conn_disconnect(ev->conn, NULL);
    return LN_OK;
}
static void on_auth(void *ud, struct conn *c, const struct conn_ask *ask) {
    (void)ud, (void)c, (void)ask;
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

static int on_dial(void *ud, struct conn *c) {
    int pair[2];
    (void)ud, (void)c;
    require(count < FDS);
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    fds[count++] = pair[0];
    return pair[1];
}
static void put(int fd, struct ln_buf *b) {
    if (fd >= 0) (void)!send(fd, b->p, b->n, MSG_NOSIGNAL);
    ln_buf_free(b);
}
static void cut(int *fd) {
    for (int i = 0; i < count; i++)
        if (fds[i] == *fd && *fd >= 0) {
            close(fds[i]);
            fds[i] = -1;
        }
    *fd = -1;
}

static void request(int fd, const char *text) {
    struct ln_buf out = {0};
    const char *at = strstr(text, "Sec-WebSocket-Key: ");
    if (at) {
        memcpy(key, at + 19, WS_KEY_LEN);
        ws_fd = fd;
    } else if (memcmp(text, "GET", 3) == 0) {
        get_fd = fd;
    } else if (memcmp(text, "POST", 4) == 0) {
        if (post_answer.n > 0)
            ln_buf_str(&out, ln_buf_get(&post_answer));
        else
            ln_buf_puts(&out, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        ln_buf_clear(&post_answer);
        put(fd, &out);
    }
}
static void serve(void) {
    static char bytes[65536];
    bool more;
    do {
        require(loop_settle(loop, 0));
        more = false;
        for (int i = 0; i < count; i++) {
            ssize_t n = fds[i] < 0 ? 0 : recv(fds[i], bytes, sizeof bytes - 1, 0);
            if (n <= 0) continue;
            bytes[n] = 0;
            more = true;
            request(fds[i], bytes);
        }
    } while (more);
}

static void answer_get(struct ln_str body, bool raw) {
    struct ln_buf out = {0};
    if (!raw) {
        ln_buf_fmt(&out, "HTTP/1.1 200 OK\r\n%s%.*s%sContent-Length: %zu\r\n\r\n",
                   cookie.n ? "Set-Cookie: " : "", LN_FMT(ln_buf_get(&cookie)),
                   cookie.n ? "\r\n" : "", body.n);
        ln_buf_clear(&cookie);
    }
    for (size_t i = 0; i < body.n; i++)
        ln_buf_putc(&out, body.p[i] == '~' ? (raw ? '\n' : '\x1e') : body.p[i]);
    put(get_fd, &out);
}
static void accept_upgrade(void) {
    struct ln_buf out = {0};
    char accept[29];
    ws_accept_key(key, accept);
    ln_buf_fmt(&out,
               "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n\r\n",
               accept);
    put(ws_fd, &out);
}

static void take_line(struct ln_str line) {
    struct ln_str rest = {line.p + 1, line.n - 1};
    struct ln_buf out = {0};
    struct conn_emit e = {.name = LN_STR("e"), .args = LN_STR("1"), .retries = -1};
    switch (line.p[0]) {
    case 'g':
    case 'r':
        answer_get(rest, line.p[0] == 'r');
        break;
    case 'p':
        ln_buf_str(&post_answer, rest);
        break;
    case 's':
        ln_buf_str(&cookie, rest);
        break;
    case 'u':
        accept_upgrade();
        break;
    case 'f':
        ws_write(&out, false, true, WS_TEXT, &rest, 1);
        put(ws_fd, &out);
        break;
    case 'x':
        cut(&get_fd);
        break;
    case 'y':
        cut(&ws_fd);
        break;
    case 'z':
        for (int i = 0, fd; i < count; i++)
            fd = fds[i], cut(&fd);
        break;
    case '+':
        loop_advance(loop, 1000);
        break;
    case 'e':
        conn_emit(conn, &e, NULL, NULL);
        break;
    case 'd':
        conn_disconnect(conn, NULL);
        break;
    case 'c':
        conn_connect(conn);
        break;
    default:
        break;
    }
    serve();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct conn_opts o;
    ln_clock_fake(1700000000000);
    ln_random_fake(1);
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
    if (!loop) loop = loop_new();
    count = 0;
    get_fd = ws_fd = -1;
    clients = clients_new(loop, &sink, NULL);
    clients_dialler(clients, on_dial, NULL);
    conn_opts_init(&o);
    o.url = ln_strdup("ws://x");
    o.backoff.factor = 0;
    o.max_message = 4096;
    bool polls_first = size > 0 && data[0] % 2 == 0;
    o.transports[0] = polls_first ? TRANSPORT_POLLING : TRANSPORT_WEBSOCKET;
    o.transports[1] = polls_first ? TRANSPORT_WEBSOCKET : TRANSPORT_POLLING;
    conn = conn_open(clients, "c", &o, NULL);
    require(conn != NULL);
    conn_opts_free(&o);
    serve();
    struct ln_str rest = {(const char *)data + 1, size ? size - 1 : 0};
    while (rest.n > 0 && count < FDS - 20) {
        const char *end = memchr(rest.p, '\n', rest.n);
        struct ln_str line = {rest.p, end ? (size_t)(end - rest.p) : rest.n};
        if (line.n > 0) take_line(line);
        size_t used = line.n + (end != NULL);
        rest = (struct ln_str){rest.p + used, rest.n - used};
    }
    clients_free(clients);
    for (int i = 0, fd; i < count; i++)
        fd = fds[i], cut(&fd);
    require(loop_settle(loop, 0));
    require(loop_timer_count(loop) == 0);
    ln_buf_free(&post_answer);
    ln_buf_free(&cookie);
    return 0;
}
