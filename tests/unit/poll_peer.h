/* SPDX-License-Identifier: MIT
 *
 * An Engine.IO server over HTTP whose every answer is the test's: the world of sio_peer.h with the
 * connections of http_peer.h. One GET waits in `poll` most of the time.
 */
#ifndef LN_POLL_PEER_H
#define LN_POLL_PEER_H

#include "http_peer.h"
#include "sio_peer.h"

#define POLL_OPEN                                                                                  \
    "0{\"sid\":\"engine\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,"           \
    "\"maxPayload\":1000000}"
#define POLL_OPEN_WS                                                                               \
    "0{\"sid\":\"engine\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,"                    \
    "\"pingTimeout\":20000,\"maxPayload\":1000000}"
#define SEP "\x1e"

static int poll; /* the connection whose GET waits */
static struct ln_buf frames;

static int web_dial(void *ud, struct conn *c) {
    (void)ud, (void)c;
    return web_fd();
}
static void begin_web(void) {
    begin();
    clients_dialler(w.cs, web_dial, NULL);
}
static void end_web(void) {
    for (int i = 0; i < web.n; i++) /* nobody is there to be waited for */
        web_hang_up(i);
    end();
    web_free();
    ln_buf_free(&frames);
}
/* Polling alone, unless the test says otherwise. */
static struct conn_opts poll_options(void) {
    struct conn_opts o = options("ws://chat.example/?v=1");
    o.transports[0] = TRANSPORT_POLLING;
    return o;
}
static inline struct conn_opts both_options(void) { /* polling, then the upgrade */
    struct conn_opts o = poll_options();
    o.transports[1] = TRANSPORT_WEBSOCKET;
    return o;
}

static inline void take(const char *method) {
    bool came = web_take(w.loop, method);
    CHECK(came);
    if (!came) abort();
}
static inline void take_get(void) {
    take("GET");
    poll = req.conn;
}
static inline bool is_silent(void) {
    return !web_take(w.loop, NULL);
}
static inline void answer_get(const char *body) {
    req.conn = poll;
    web_answer(200, body);
    web_turn(w.loop);
}
/* The next POST, whose body must be this, is heard. */
static inline void hear_line(const char *body, const char *file, int line) {
    if (!web_take(w.loop, "POST")) {
        test_failures++;
        printf("%s:%d: no POST came, wanted \"%s\"\n", file, line, body);
        return;
    }
    check_text(&req.body, body, file, line);
    web_answer(200, "ok");
    web_turn(w.loop);
}
#define HEAR(body) hear_line(body, __FILE__, __LINE__)
#define FRAMES(conn, want)                                                                         \
    do {                                                                                           \
        web_frames(w.loop, conn, &frames);                                                         \
        check_text(&frames, want, __FILE__, __LINE__);                                             \
    } while (0)

/* Opened by polling with this open packet, and in its namespace; a GET waits. */
static inline struct conn *joined_with(struct conn_opts o, const char *open_packet) {
    struct conn *c = open_with("chat", o);
    take_get();
    answer_get(open_packet);
    take("POST");
    web_answer(200, "ok");
    for (bool is_poll = false; !is_poll;) { /* a probe may have come first */
        take("GET");
        is_poll = strstr(req.target, "transport=polling") != NULL;
        if (is_poll) poll = req.conn;
    }
    answer_get("40{\"sid\":\"s1\"}");
    take_get();
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    ln_buf_clear(&w.trail);
    ln_buf_clear(&w.logs);
    return c;
}
static inline struct conn *joined(void) {
    return joined_with(poll_options(), POLL_OPEN);
}

#endif
