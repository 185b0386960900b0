/* SPDX-License-Identifier: MIT
 *
 * The other end of a line, in the test's own process: a plain non-blocking socket that the test
 * reads and writes between the loop's turns. Nothing waits: loopback and socket pairs deliver at
 * once.
 */
#ifndef LN_PEER_H
#define LN_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/loop.h"

struct peer {
    int fd;
    struct ln_buf in; /* everything that came */
    bool eof, reset;
};

/* A listening socket on ADDRESS and a free port (or *port when that is not 0). */
static inline int peer_listen(const char *address, uint16_t *port, int backlog) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t n = sizeof a;
    inet_pton(AF_INET, address, &a.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, n) != 0 || listen(fd, backlog) != 0) abort();
    getsockname(fd, (struct sockaddr *)&a, &n);
    *port = ntohs(a.sin_port);
    return fd;
}

/* A port that nobody listens on: it is bound, so nobody else gets it either. */
static inline int peer_dead_port(uint16_t *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof a;
    inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
    if (bind(fd, (struct sockaddr *)&a, n) != 0) abort();
    getsockname(fd, (struct sockaddr *)&a, &n);
    *port = ntohs(a.sin_port);
    return fd;
}

static inline bool peer_accept(struct peer *p, int listener) {
    *p = (struct peer){.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    return p->fd >= 0;
}

/* How many descriptors this process has open: a test ends with as many as it began with. */
static inline int peer_open_fds(void) {
    int n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* A socket pair: ours in p, the other end is returned. */
static inline int peer_pair(struct peer *p) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) abort();
    *p = (struct peer){.fd = fds[0]};
    return fds[1];
}

/* Takes what is there, at most max bytes; true when something came. */
static inline bool peer_read(struct peer *p, size_t max) {
    char bytes[65536];
    ssize_t n = p->eof ? 0 : recv(p->fd, bytes, LN_MIN(max, sizeof bytes), 0);
    if (p->eof) return false;
    if (n > 0) ln_buf_add(&p->in, bytes, (size_t)n);
    if (n == 0) p->eof = true;
    if (n < 0 && errno == ECONNRESET) p->eof = p->reset = true;
    return n > 0;
}

/* Turns the loop and reads until neither has anything left. */
static inline void peer_pump(struct loop *l, struct peer *p) {
    do
        loop_settle(l, 0);
    while (peer_read(p, SIZE_MAX));
}

static inline void peer_send(struct peer *p, const void *bytes, size_t n) {
    if (send(p->fd, bytes, n, MSG_NOSIGNAL) != (ssize_t)n) abort();
}
static inline void peer_say(struct peer *p, const char *text) {
    peer_send(p, text, strlen(text));
}

static inline void peer_close(struct peer *p) {
    if (p->fd >= 0) close(p->fd);
    p->fd = -1;
    ln_buf_free(&p->in);
}
/* Ends with a reset instead of an orderly end. */
static inline void peer_reset(struct peer *p) {
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    peer_close(p);
}

#endif
