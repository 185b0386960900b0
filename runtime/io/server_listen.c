/* SPDX-License-Identifier: MIT
 *
 * Where io/server listens. On a port libwebsockets does; here it is tried before, for words when it
 * cannot be had. A Unix socket is ours: its file is readable for its owner alone, a dead one that
 * an earlier process left is removed, a living server is not pushed aside, and what is accepted
 * goes to server_adopt.
 */
#include "io/server_peer.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"

bool server_try_port(const struct server_opts *o, struct ln_err *err) {
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[16];
    int on = 1;
    snprintf(port, sizeof port, "%d", o->port);
    if (getaddrinfo(o->host, port, &hints, &found)) {
        ln_fail(err, LN_INVALID, "\"%s\" is not an address to listen on; give an IP address",
                o->host);
        return false;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1) == 0;
    if (!good && errno == EADDRINUSE) {
        ln_fail(err, LN_REFUSED, "port %d is taken by another program; --port picks another",
                o->port);
    } else if (!good) {
        ln_fail(err, LN_REFUSED, "cannot listen on %s port %d: %s", o->host, o->port,
                strerror(errno));
    }
    if (fd >= 0) close(fd);
    freeaddrinfo(found);
    return good;
}

/* --- a Unix socket --- */

#define BACKLOG 128
#define PAUSE_MS 1000 /* when no descriptor is left */

struct server_unix {
    uv_poll_t h;
    struct server *s;
    int fd;
    ln_id timer;
    struct stat file; /* ours: who else put one there meanwhile keeps it */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void on_readable(uv_poll_t *h, int status, int events);

static void on_pause_over(void *ud) {
    struct server_unix *u = ud;
    u->timer = 0;
    uv_poll_start(&u->h, UV_READABLE, on_readable);
}

/* Without a free descriptor the listener would stay readable: a full core. */
static void pause_listening(struct server_unix *u) {
    uv_poll_stop(&u->h);
    u->timer = loop_timer(u->s->loop, PAUSE_MS, on_pause_over, u);
}

static void on_readable(uv_poll_t *h, int status, int events) {
    struct server_unix *u = h->data;
    (void)status;
    (void)events;
    loop_note_work(u->s->loop);
    for (;;) {
        int fd = accept4(u->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) pause_listening(u);
        if (fd < 0) return;
        server_adopt(u->s, fd);
    }
}

/* Is nobody behind that file? Whatever else keeps us out (its mode, its type) does not say so. */
static bool is_dead(const struct sockaddr_un *a) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool dead =
        fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof *a) != 0 && errno == ECONNREFUSED;
    if (fd >= 0) close(fd);
    return dead;
}

static bool clear_the_way(const struct sockaddr_un *a, struct ln_err *err) {
    struct stat st;
    if (lstat(a->sun_path, &st)) return true;
    if (!S_ISSOCK(st.st_mode)) {
        ln_fail(err, LN_REFUSED, "%s is there already and is no socket", a->sun_path);
        return false;
    }
    if (!is_dead(a)) {
        ln_fail(err, LN_REFUSED, "%s is taken by another program", a->sun_path);
        return false;
    }
    unlink(a->sun_path);
    return true;
}

static int open_socket(const struct sockaddr_un *a, struct ln_err *err) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t before = umask(0177); /* 0600 from the first moment on */
    bool good =
        fd >= 0 && bind(fd, (const struct sockaddr *)a, sizeof *a) == 0 && listen(fd, BACKLOG) == 0;
    umask(before);
    if (good) return fd;
    ln_fail(err, LN_REFUSED, "cannot listen on %s: %s", a->sun_path, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

struct server_unix *server_unix_open(struct server *s, const char *path, struct ln_err *err) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof a.sun_path) {
        ln_fail(err, LN_INVALID, "the path of a Unix socket has 1 to %zu bytes",
                sizeof a.sun_path - 1);
        return NULL;
    }
    strcpy(a.sun_path, path);
    if (!clear_the_way(&a, err)) return NULL;
    int fd = open_socket(&a, err);
    if (fd < 0) return NULL;
    struct server_unix *u = ln_new(struct server_unix);
    u->s = s;
    u->fd = fd;
    u->h.data = u;
    strcpy(u->path, path);
    lstat(path, &u->file);
    uv_poll_init(loop_uv(s->loop), &u->h, fd);
    uv_poll_start(&u->h, UV_READABLE, on_readable);
    return u;
}

static void on_closed(uv_handle_t *h) {
    ln_free(h->data);
}

void server_unix_close(struct server_unix *u) {
    struct stat st;
    if (!u) return;
    if (lstat(u->path, &st) == 0 && st.st_ino == u->file.st_ino && st.st_dev == u->file.st_dev)
        unlink(u->path);
    loop_timer_cancel(u->s->loop, u->timer);
    uv_close((uv_handle_t *)&u->h, on_closed);
    close(u->fd);
}
