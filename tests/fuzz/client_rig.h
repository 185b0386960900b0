/* SPDX-License-Identifier: MIT
 *
 * For fuzzers of the client's protocols: the clients under the fake clock, and our end of the
 * WebSocket that they dialled last, where the input's lines go. A fuzzer gives its sink, opens its
 * connections, and says what a line of input means.
 */
#ifndef LN_FUZZ_CLIENT_RIG_H
#define LN_FUZZ_CLIENT_RIG_H

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

enum { RIG_DIALS = 50 }; /* the rest of an input that dials more often is not read */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct clients *clients;
static int server = -1; /* our end of the last transport */
static bool is_up;
static int dials, asked, answered;

static void require(bool ok) {
    if (!ok) abort();
}

/* --- what most sinks do --- */

/* Nobody listens to events with names of two bytes. */
static bool rig_wants(void *ud, struct conn *c, struct ln_str name) {
    (void)ud, (void)c;
    return name.n != 2;
}

static inline void rig_connected(void *ud, struct conn *c, bool first) {
    (void)ud, (void)first;
    conn_ready_go(c, conn_epoch(c));
}

/* --- the server --- */

static int rig_dial(void *ud, struct conn *c) {
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

static void send_frame(enum ws_op op, struct ln_str s) {
    struct ln_buf out = {0};
    ws_write(&out, false, true, op, &s, 1);
    send_bytes(&out);
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

/* --- a run --- */

static void rig_begin(const struct conn_sink *sink) {
    ln_clock_fake(1700000000000);
    ln_random_fake(1);
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
    if (!loop) loop = loop_new();
    dials = asked = answered = 0;
    clients = clients_new(loop, sink, NULL);
    clients_dialler(clients, rig_dial, NULL);
}

/* "+" is tick_ms of time, "!" the end of the transport; every other line is take's. */
static void rig_lines(struct ln_str rest, int64_t tick_ms, void (*take)(struct ln_str line)) {
    while (rest.n > 0 && dials < RIG_DIALS) {
        const char *end = memchr(rest.p, '\n', rest.n);
        struct ln_str line = {rest.p, end ? (size_t)(end - rest.p) : rest.n};
        if (ln_str_is(line, "+")) {
            serve();
            loop_advance(loop, tick_ms);
            serve();
        } else if (ln_str_is(line, "!")) {
            hang_up();
        } else {
            take(line);
        }
        size_t used = line.n + (end != NULL);
        rest = (struct ln_str){rest.p + used, rest.n - used};
    }
    serve();
}

/* Everything is over: nothing is left, and who asked was answered exactly once. */
static void rig_end(void) {
    clients_free(clients);
    loop_settle(loop, 0);
    require(loop_timer_count(loop) == 0);
    require(answered == asked);
    if (server >= 0) close(server);
    server = -1;
}

#endif
