/* SPDX-License-Identifier: MIT
 *
 * A small client for tests of the server and the hub: a nonblocking descriptor (one end of a socket
 * pair), HTTP text, WebSocket frames. web_turn settles the loop and reads what came; nothing here
 * waits. Frames that came are kept in a list of texts until they are taken.
 */
#ifndef LN_WEBCLIENT_H
#define LN_WEBCLIENT_H

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/loop.h"
#include "test.h"
#include "wire/websocket.h"

struct web_frame {
    enum ws_op op;
    struct ln_buf data;
};

struct web {
    struct loop *loop;
    int fd;
    bool is_open, is_eof; /* WebSocket; the server ended the connection */
    bool is_slow;         /* reads nothing */
    int code;             /* of the close frame, or 0 */
    char reason[126];
    struct ln_buf in; /* HTTP: everything that came */
    struct ws_parser ws;
    struct web_frame *frames;
    size_t count, taken;
    int pings;
};

static inline void web_init(struct web *w, struct loop *l, int fd) {
    *w = (struct web){.loop = l, .fd = fd};
    ws_parser_init(&w->ws, false, (size_t)64 << 20);
}

static inline void web_free(struct web *w) {
    if (w->fd >= 0) close(w->fd);
    for (size_t i = 0; i < w->count; i++)
        ln_buf_free(&w->frames[i].data);
    ln_free(w->frames);
    ln_buf_free(&w->in);
    ws_parser_free(&w->ws);
    w->fd = -1;
    w->frames = NULL;
    w->count = w->taken = 0;
}

static inline void web_frames(struct web *w, char *p, size_t n) {
    for (;;) {
        struct ws_event ev;
        size_t used = 0;
        enum ws_result r = ws_parse(&w->ws, p, n, &used, &ev);
        if (r == WS_MORE) return;
        p += used;
        n -= used;
        if (r == WS_BROKEN) {
            printf("the server broke the protocol: %s\n", ev.error);
            test_failures++;
            return;
        }
        if (ev.op == WS_CLOSE) {
            w->code = ev.code;
            snprintf(w->reason, sizeof w->reason, "%.*s", LN_FMT(ev.data));
            return;
        }
        if (ev.op == WS_PING) w->pings++;
        w->frames = ln_realloc(w->frames, (w->count + 1) * sizeof *w->frames);
        w->frames[w->count] = (struct web_frame){.op = ev.op};
        ln_buf_str(&w->frames[w->count++].data, ev.data);
    }
}

static inline void web_read(struct web *w) {
    char buf[65536];
    ssize_t n;
    while (!w->is_slow && w->fd >= 0 && (n = recv(w->fd, buf, sizeof buf, MSG_DONTWAIT)) != -1) {
        if (n == 0) {
            w->is_eof = true;
            return;
        }
        if (w->is_open) {
            web_frames(w, buf, (size_t)n);
            continue;
        }
        ln_buf_add(&w->in, buf, (size_t)n);
        if (strncmp(ln_buf_cstr(&w->in), "HTTP/1.1 101", 12) != 0) continue;
        const char *end = strstr(w->in.p, "\r\n\r\n");
        if (end) {
            size_t head = (size_t)(end - w->in.p) + 4;
            w->is_open = true;
            web_frames(w, w->in.p + head, w->in.n - head);
            w->in.n = head;
        }
    }
    if (w->fd >= 0 && !w->is_slow && errno != EAGAIN) w->is_eof = true;
}

/* Settles the loop, and again while the client has room to read. */
static inline void web_turn(struct web *w) {
    for (int i = 0; i < 8; i++) {
        loop_settle(w->loop, 0);
        web_read(w);
    }
}

/* All bytes, however little the server reads at a time. */
static inline void web_write(struct web *w, const void *p, size_t n) {
    const char *bytes = p;
    for (int i = 0; n > 0 && i < 100000; i++) {
        ssize_t done = send(w->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        } else if (errno == EAGAIN) {
            loop_settle(w->loop, 0);
        } else {
            return;
        }
    }
}

static inline void web_say(struct web *w, const char *text) {
    web_write(w, text, strlen(text));
}

/* The handshake; headers: further lines, each with its \r\n, or "". */
static inline void web_upgrade(struct web *w, const char *target, const char *headers) {
    struct ln_buf b = {0};
    ln_buf_fmt(&b,
               "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
               target, headers);
    web_write(w, b.p, b.n);
    ln_buf_free(&b);
    web_turn(w);
}

static inline void web_send(struct web *w, enum ws_op op, struct ln_str data) {
    struct ln_buf b = {0};
    ws_write(&b, true, true, op, &data, 1);
    web_write(w, b.p, b.n);
    ln_buf_free(&b);
}

static inline void web_text(struct web *w, const char *text) {
    web_send(w, WS_TEXT, ln_str(text));
}

/* The next frame that was not taken yet; "" when there is none. Lent until the next turn. */
static inline struct ln_str web_next(struct web *w) {
    if (w->taken == w->count) return (struct ln_str){"", 0};
    return ln_buf_get(&w->frames[w->taken++].data);
}

static inline void web_skip(struct web *w) {
    w->taken = w->count;
}

/* Is there a frame among those not taken that holds this text? */
static inline bool web_has(const struct web *w, const char *part) {
    for (size_t i = w->taken; i < w->count; i++)
        if (memmem(w->frames[i].data.p, w->frames[i].data.n, part, strlen(part))) return true;
    return false;
}

static inline const char *web_answer(struct web *w) {
    return ln_buf_cstr(&w->in);
}

static inline int web_status(struct web *w) {
    int status = 0;
    return sscanf(web_answer(w), "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

#endif
