/* SPDX-License-Identifier: MIT
 *
 * Connections that send the hub anything: polling, its upgrade, recovery. The input is lines; a
 * digit is a connection (0 to 7), made when it is needed:
 *   h0  a handshake    g0  a GET for the session    p0…  a POST (~ the separator)    x0  hangs up
 *   u0  the upgrade    w0  a WebSocket of its own   f0…  a frame on it
 *   r0…  any bytes (~ the end of a line)            .  a turn of the loop    +  a second of time
 *   e  an emit to all  k  the last client is disconnected
 * $ stands for the session that was opened last, ^ for the last pid, @ for the last offset. What is
 * sent between two turns meets in one. In the end nothing is left.
 */
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crypt.h"
#include "hub/hub_poll.h"
#include "hub_rig.h"
#include "wire/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CONNS = 8, ID = 20, OFFSET = 12 };
#define PATH "/socket.io/?EIO=4&transport="

static int fds[CONNS]; /* 0: none */
static char sid[ID + 1], pid[ID + 1], offset[OFFSET + 1];
static ln_id client;

static void on_client(void *ud, ln_id id, struct ln_str nsp, bool connected, struct ln_str reason) {
    (void)ud, (void)nsp, (void)reason;
    if (connected) client = id;
    if (connected) hub_join(hub, id, LN_STR("r"));
}

static void on_event(void *ud, const struct hub_event *ev) {
    (void)ud;
    if (ev->name.n == 3) hub_disconnect(hub, ev->client, ev->args.n == 0);
    hub_ack(hub, ev->client, ev->ack, LN_STR("true"), ev->bin, ev->bin_count);
}

static void open_hub(void) {
    static const struct hub_hooks hooks = {.client = on_client, .event = on_event};
    static const char *const namespaces[] = {"/n", NULL};
    struct hub_opts o = rig_opts();
    o.namespaces = namespaces;
    o.max_message = 2000;
    o.max_queue = 4000;
    o.max_clients = 6;
    o.recovery_ms = 5000;
    o.compress = true;
    rig_open(&o, &hooks);
}

static void learn(const char *text, const char *key, char *id, size_t n) {
    const char *at = strstr(text, key);
    if (at && strlen(at) >= strlen(key) + n) memcpy(id, at + strlen(key), n);
}

static void turn(void) {
    static char bytes[65536];
    require(loop_settle(loop, 0));
    for (int i = 0; i < CONNS; i++) {
        ssize_t n = fds[i] ? recv(fds[i], bytes, sizeof bytes - 1, MSG_DONTWAIT) : 0;
        if (n <= 0) continue;
        bytes[n] = 0;
        for (ssize_t k = 0; k < n; k++)
            if (!bytes[k]) bytes[k] = ' ';
        learn(bytes, "0{\"sid\":\"", sid, ID);
        learn(bytes, "\"pid\":\"", pid, ID);
        learn(bytes, "[\"e\",1,\"", offset, 8);
    }
}

static void put(int i, struct ln_str text) {
    if (!fds[i]) fds[i] = hub_pair(hub);
    require(fds[i] > 0);
    (void)!send(fds[i], text.p, text.n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void add(struct ln_buf *out, struct ln_str text, const char *tilde) {
    for (size_t i = 0; i < text.n; i++) {
        const char *is = text.p[i] == '$'   ? sid
                         : text.p[i] == '^' ? pid
                         : text.p[i] == '@' ? offset
                         : text.p[i] == '~' ? tilde
                                            : NULL;
        if (is)
            ln_buf_puts(out, is);
        else
            ln_buf_putc(out, text.p[i]);
    }
}

static void act(char what, int i, struct ln_str rest) {
    static const char upgrade[] =
        " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct ln_buf out = {0}, body = {0};
    add(&body, rest, what == 'r' ? "\r\n" : "\x1e");
    struct ln_str piece = ln_buf_get(&body);
    if (what == 'h') ln_buf_puts(&out, "GET " PATH "polling HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if (what == 'g' || what == 'p')
        ln_buf_fmt(&out, "%s " PATH "polling&sid=%s HTTP/1.1\r\nHost: localhost\r\n",
                   what == 'g' ? "GET" : "POST", sid);
    if (what == 'p') ln_buf_fmt(&out, "Content-Length: %zu\r\n\r\n", body.n);
    if (what == 'g') ln_buf_puts(&out, "\r\n");
    if (what == 'u') ln_buf_fmt(&out, "GET " PATH "websocket&sid=%s%s", sid, upgrade);
    if (what == 'w') ln_buf_fmt(&out, "GET " PATH "websocket%s", upgrade);
    if (what == 'f') ws_write(&out, true, true, WS_TEXT, &piece, 1);
    if (what == 'p' || what == 'r') ln_buf_str(&out, piece);
    if (what == 'x' && fds[i]) {
        close(fds[i]);
        fds[i] = 0;
    } else if (out.n > 0) {
        put(i, ln_buf_get(&out));
    }
    ln_buf_free(&out);
    ln_buf_free(&body);
}

static void play(struct ln_str line) {
    struct hub_target t = {.room = LN_STR("r")};
    if (line.p[0] == '.')
        turn();
    else if (line.p[0] == '+')
        loop_advance(loop, 1000);
    else if (line.p[0] == 'e')
        hub_emit(hub, &t, LN_STR("e"), LN_STR("1"), NULL, 0);
    else if (line.p[0] == 'k')
        hub_disconnect(hub, client, line.n > 1);
    else if (line.n > 1 && line.p[1] >= '0' && line.p[1] < '0' + CONNS)
        act(line.p[0], line.p[1] - '0', (struct ln_str){line.p + 2, line.n - 2});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!hub) open_hub();
    struct ln_str rest = {(const char *)data, size};
    for (int lines = 0; rest.n > 0 && lines < 300; lines++) {
        const char *end = memchr(rest.p, '\n', rest.n);
        struct ln_str line = {rest.p, end ? (size_t)(end - rest.p) : rest.n};
        if (line.n > 0) play(line);
        size_t used = line.n + (end != NULL);
        rest = (struct ln_str){rest.p + used, rest.n - used};
    }
    turn();
    for (int i = 0; i < CONNS; i++)
        act('x', i, (struct ln_str){NULL, 0});
    loop_advance(loop, 100000); /* sessions that nobody asks for, and what may come back */
    require(hub_client_count(hub) == 0 && hub_poll_count(hub) == 0);
    require(ln_list_empty(&hub->lines) && loop_timer_count(loop) == 0);
    return 0;
}
