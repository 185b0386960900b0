/* SPDX-License-Identifier: MIT
 *
 * See dial.h. A name that is a number needs no DNS and no thread. Attempts overlap (RFC 8305): the
 * next address is tried when the one before has not answered for a quarter of a second, or at once
 * when it has failed; the first that connects wins. The error tells of every address, grouped by
 * cause, because "connection refused" of the last one alone hides that the first was unreachable.
 */
#include "io/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/resolve.h"

enum {
    MAX_ADDRESSES = 16,
    SHOWN_ADDRESSES = 3,
    ATTEMPT_DELAY_MS = 250 /* RFC 8305 5 */
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

struct attempt { /* outlives its dial until uv has closed the handle */
    uv_poll_t poll;
    struct dial *dial;
    size_t index;
    int fd;
};

struct target {
    union address addr;
    struct attempt *attempt; /* NULL: not begun, or over */
    uint64_t since;
    int error; /* negative, as libuv's */
    uint64_t tried_ms;
};

struct dial {
    struct loop *loop;
    char *host, *addresses, *unix_path;
    uint16_t port;
    uint64_t since, deadline;
    struct lookup *lookup;
    ln_id timer, next; /* of the deadline; of the next attempt */
    dial_fn fn;
    void *ud;
    size_t count, at, live; /* targets: all, begun, under way */
    struct target target[MAX_ADDRESSES];
};

/* --- words --- */

static void address_text(const union address *a, char *out, size_t n) {
    char ip[INET6_ADDRSTRLEN] = "?";
    bool v6 = a->any.sa_family == AF_INET6;
    if (a->any.sa_family == AF_UNIX) {
        snprintf(out, n, "%s", a->un.sun_path);
        return;
    }
    if (v6)
        uv_ip6_name(&a->v6, ip, sizeof ip);
    else
        uv_ip4_name(&a->v4, ip, sizeof ip);
    snprintf(out, n, v6 ? "[%s]:%u" : "%s:%u", ip, ntohs(v6 ? a->v6.sin6_port : a->v4.sin_port));
}

void dial_peer_text(int fd, char *out, size_t n) {
    union address a = {0};
    socklen_t len = sizeof a;
    bool known = getpeername(fd, &a.any, &len) == 0;
    if (known && (a.any.sa_family != AF_UNIX || a.un.sun_path[0]))
        address_text(&a, out, n);
    else
        snprintf(out, n, "a socket pair");
}

void dial_timed_out(char *out, size_t n, uint64_t ms) {
    char took[32];
    snprintf(out, n, "timed out after %s", ln_duration_text((int64_t)ms, took, sizeof took));
}

static void cause_text(const struct target *t, char *out, size_t n) {
    if (t->error == UV_ETIMEDOUT)
        dial_timed_out(out, n, t->tried_ms);
    else if (t->error == UV_EMFILE || t->error == UV_ENFILE)
        snprintf(out, n, "too many open files (raise the limit with ulimit -n)");
    else if (t->error == UV_EAGAIN) /* a Unix socket's queue */
        snprintf(out, n, "the server takes no more connections for now");
    else
        snprintf(out, n, "%s", uv_strerror(t->error));
}

/* "connection refused ([::1]:80, 127.0.0.1:80); timed out after 5 s (10.0.0.1:80 and 2 more)" */
static void connect_error(const struct dial *d, struct ln_err *err) {
    struct ln_buf text = {0};
    bool told[MAX_ADDRESSES] = {false};
    for (size_t i = 0; i < d->count; i++) {
        char words[128];
        size_t same = 0;
        if (told[i]) continue;
        cause_text(&d->target[i], words, sizeof words);
        ln_buf_fmt(&text, "%s%s", text.n ? "; " : "", words);
        for (size_t k = i; k < d->count; k++) {
            if (d->target[k].error != d->target[i].error) continue;
            told[k] = true;
            address_text(&d->target[k].addr, words, sizeof words);
            if (same++ < SHOWN_ADDRESSES) ln_buf_fmt(&text, "%s%s", same == 1 ? " (" : ", ", words);
        }
        if (same > SHOWN_ADDRESSES) ln_buf_fmt(&text, " and %zu more", same - SHOWN_ADDRESSES);
        ln_buf_putc(&text, ')');
    }
    int last = d->target[d->count - 1].error;
    ln_fail(err,
            last == UV_ETIMEDOUT      ? LN_TIMEOUT
            : last == UV_ECONNREFUSED ? LN_REFUSED
            : last == UV_ENOENT       ? LN_NOT_FOUND
                                      : LN_DISCONNECTED,
            "%s: %s", d->unix_path ? "Unix socket" : "TCP", ln_buf_cstr(&text));
    ln_buf_free(&text);
}

/* --- ends --- */

static void attempt_closed(uv_handle_t *h) {
    ln_free(h->data);
}

/* Ends the attempt and returns its descriptor, which is no longer polled. */
static int attempt_end(struct dial *d, struct target *t) {
    struct attempt *a = t->attempt;
    int fd = a->fd;
    t->attempt = NULL;
    t->tried_ms = loop_now_ms(d->loop) - t->since;
    d->live--;
    loop_remote(d->loop, -1);
    uv_close((uv_handle_t *)&a->poll, attempt_closed);
    return fd;
}

void dial_cancel(struct dial *d) {
    if (!d) return;
    for (size_t i = 0; i < d->at; i++)
        if (d->target[i].attempt) close(attempt_end(d, &d->target[i]));
    resolve_cancel(d->lookup);
    loop_timer_cancel(d->loop, d->timer);
    loop_timer_cancel(d->loop, d->next);
    ln_free(d->host);
    ln_free(d->addresses);
    ln_free(d->unix_path);
    ln_free(d);
}

static void end(struct dial *d, int fd, enum stream_phase phase, const struct ln_err *err) {
    dial_fn fn = d->fn;
    void *ud = d->ud;
    dial_cancel(d);
    fn(ud, fd, phase, err);
}

static void fail_dns(struct dial *d, ln_status code, const char *why) {
    struct ln_err err;
    ln_fail(&err, code, "DNS: %s", why);
    end(d, -1, PHASE_DNS, &err);
}

static void fail_connect(struct dial *d) {
    struct ln_err err;
    connect_error(d, &err);
    end(d, -1, PHASE_TCP, &err);
}

/* --- attempts --- */

/* A port that nobody listens on can be given to our own end, and the line is then a line to
 * ourselves (TCP's simultaneous open). */
static bool is_own_echo(int fd) {
    union address self = {0}, peer = {0};
    socklen_t a = sizeof self, b = sizeof peer;
    return getsockname(fd, &self.any, &a) == 0 && getpeername(fd, &peer.any, &b) == 0 && a == b &&
           memcmp(&self, &peer, a) == 0;
}

static void next_address(void *ud);

static void on_connected(uv_poll_t *poll, int status, int events) {
    struct attempt *a = poll->data;
    struct dial *d = a->dial;
    struct target *t = &d->target[a->index];
    int error = 0;
    socklen_t n = sizeof error;
    (void)status, (void)events; /* what libuv says of an error is EBADF always; the socket knows */
    loop_note_work(d->loop);
    getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (!error && is_own_echo(a->fd)) error = ECONNREFUSED;
    int fd = attempt_end(d, t);
    if (!error) {
        end(d, fd, PHASE_TCP, NULL);
        return;
    }
    close(fd);
    t->error = -error;
    if (d->at < d->count || d->live == 0) next_address(d);
}

static socklen_t address_size(const union address *a) {
    return a->any.sa_family == AF_INET    ? sizeof a->v4
           : a->any.sa_family == AF_INET6 ? sizeof a->v6
                                          : sizeof a->un;
}

/* 0: under way. */
static int attempt_begin(struct dial *d, size_t index) {
    struct target *t = &d->target[index];
    int one = 1;
    if (ln_fault("stream.connect")) return UV_ECONNREFUSED;
    int fd = socket(t->addr.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (!d->unix_path) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, &t->addr.any, address_size(&t->addr)) < 0 && errno != EINPROGRESS) {
        int error = -errno;
        close(fd);
        return error;
    }
    struct attempt *a = ln_new(struct attempt);
    *a = (struct attempt){.dial = d, .index = index, .fd = fd};
    int rc = uv_poll_init(loop_uv(d->loop), &a->poll, fd);
    if (rc < 0) { /* the limit of epoll */
        close(fd);
        ln_free(a);
        return rc;
    }
    loop_remote(d->loop, 1);
    a->poll.data = a;
    uv_poll_start(&a->poll, UV_WRITABLE, on_connected);
    t->attempt = a;
    d->live++;
    return 0;
}

static void next_address(void *ud) {
    struct dial *d = ud;
    loop_timer_cancel(d->loop, d->next);
    while (d->at < d->count) {
        struct target *t = &d->target[d->at];
        t->since = loop_now_ms(d->loop);
        t->error = attempt_begin(d, d->at++);
        if (t->error) continue;
        if (d->at < d->count) d->next = loop_timer(d->loop, ATTEMPT_DELAY_MS, next_address, d);
        return;
    }
    if (d->live == 0) fail_connect(d);
}

static void on_deadline(void *ud) {
    struct dial *d = ud;
    if (d->count == 0) {
        char why[256], took[64];
        dial_timed_out(took, sizeof took, loop_now_ms(d->loop) - d->since);
        snprintf(why, sizeof why, "%s (%.150s)", took, d->host);
        fail_dns(d, LN_TIMEOUT, why);
        return;
    }
    for (size_t i = 0; i < d->at; i++) {
        if (!d->target[i].attempt) continue;
        close(attempt_end(d, &d->target[i]));
        d->target[i].error = UV_ETIMEDOUT;
    }
    d->count = d->at; /* those whose turn never came say nothing */
    fail_connect(d);
}

/* --- addresses --- */

static void add_address(struct dial *d, const struct sockaddr *sa) {
    if (d->count == MAX_ADDRESSES) return;
    union address *a = &d->target[d->count].addr;
    if (sa->sa_family == AF_INET) {
        memcpy(&a->v4, sa, sizeof a->v4);
        a->v4.sin_port = htons(d->port);
    } else if (sa->sa_family == AF_INET6) {
        memcpy(&a->v6, sa, sizeof a->v6);
        a->v6.sin6_port = htons(d->port);
    } else {
        return;
    }
    d->count++;
}

/* By turns, beginning with the family that the resolver (RFC 6724) put first, which is IPv6 where
 * this machine has it: one family that leads nowhere costs one delay, not half of them. */
static void add_all(struct dial *d, const struct addrinfo *list) {
    const struct addrinfo *turn[2] = {list, list};
    int family[2] = {list->ai_family, list->ai_family == AF_INET6 ? AF_INET : AF_INET6};
    for (int k = 0; turn[0] || turn[1]; k = !k) {
        while (turn[k] && turn[k]->ai_family != family[k])
            turn[k] = turn[k]->ai_next;
        if (!turn[k]) continue;
        add_address(d, turn[k]->ai_addr);
        turn[k] = turn[k]->ai_next;
    }
}

static bool add_numeric(struct dial *d, const char *host) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *list = NULL;
    if (getaddrinfo(host, NULL, &hints, &list) != 0) return false; /* parses only: never waits */
    add_all(d, list);
    freeaddrinfo(list);
    return true;
}

/* True when the option was given; what is no address in it is an error. */
static bool add_given(struct dial *d) {
    if (!d->addresses) return false;
    char *save = NULL;
    for (char *a = strtok_r(d->addresses, ", ", &save); a; a = strtok_r(NULL, ", ", &save)) {
        if (add_numeric(d, a)) continue;
        d->count = 0;
        break;
    }
    return true;
}

static bool add_unix(struct dial *d) {
    struct sockaddr_un *un = &d->target[0].addr.un;
    if (strlen(d->unix_path) >= sizeof un->sun_path) return false;
    un->sun_family = AF_UNIX;
    strcpy(un->sun_path, d->unix_path);
    d->count = 1;
    return true;
}

static void begin_unix(struct dial *d) {
    struct ln_err err;
    if (add_unix(d)) {
        next_address(d);
        return;
    }
    ln_fail(&err, LN_INVALID, "Unix socket: the path is longer than %zu bytes: %.120s",
            sizeof d->target[0].addr.un.sun_path - 1, d->unix_path);
    end(d, -1, PHASE_TCP, &err);
}

/* --- DNS --- */

static void on_looked_up(void *ud, const struct addrinfo *list, const char *failure) {
    struct dial *d = ud;
    char why[256];
    d->lookup = NULL;
    if (list) add_all(d, list);
    snprintf(why, sizeof why, "no address for %.150s: %s", d->host,
             failure ? failure : "none that is IPv4 or IPv6");
    if (d->count == 0)
        fail_dns(d, LN_NOT_FOUND, why);
    else
        next_address(d);
}

struct dial *dial_new(struct loop *l, const struct stream_opts *o, int64_t timeout_ms, dial_fn fn,
                      void *ud) {
    struct dial *d = ln_new(struct dial);
    d->loop = l;
    d->host = o->host ? ln_strdup(o->host) : NULL;
    d->addresses = o->addresses ? ln_strdup(o->addresses) : NULL;
    d->unix_path = o->unix_path ? ln_strdup(o->unix_path) : NULL;
    d->port = o->port;
    d->since = loop_now_ms(l);
    d->deadline = d->since + (uint64_t)LN_MAX(timeout_ms, 0);
    d->fn = fn;
    d->ud = ud;
    return d;
}

enum stream_phase dial_phase(const struct dial *d) {
    return d->count > 0 || d->unix_path ? PHASE_TCP : PHASE_DNS;
}

void dial_begin(struct dial *d) {
    uint64_t now = loop_now_ms(d->loop);
    d->timer =
        loop_timer(d->loop, d->deadline > now ? (int64_t)(d->deadline - now) : 0, on_deadline, d);
    if (d->unix_path)
        begin_unix(d);
    else if (ln_fault("stream.dns"))
        fail_dns(d, LN_NOT_FOUND, "injected fault");
    else if (add_given(d) && d->count == 0)
        fail_dns(d, LN_INVALID, "`addresses` must hold numeric addresses only");
    else if (d->count > 0 || add_numeric(d, d->host))
        next_address(d);
    else if (!ln_fault("stream.dns_hang")) /* as a resolver that never answers */
        d->lookup = resolve(d->loop, d->host, on_looked_up, d);
}
