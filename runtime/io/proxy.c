/* SPDX-License-Identifier: MIT
 *
 * See io/proxy.h. What comes is looked at before it is taken (MSG_PEEK), and only the proxy's part
 * of it is taken: the rest stays in the kernel for the stream. socks5:// needs the target's address
 * from here; of several an IPv4 one is taken, because a proxy's IPv6 is not ours to know.
 */
#include "io/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"
#include "io/resolve.h"
#include "wire/proxy.h"

struct watcher { /* outlives its dial until uv has closed the handle */
    uv_poll_t poll;
    struct proxy_dial *dial;
};

struct proxy_dial {
    struct loop *loop;
    char *host, *from;
    uint16_t port;
    struct proxy proxy;
    struct ln_err bad; /* of the proxy's URL */
    uint64_t deadline, since;
    struct lookup *lookup;
    struct dial *dial;
    struct watcher *watcher;
    struct proxy_talk talk;
    struct ln_buf out;
    ln_id timer;
    dial_fn fn;
    void *ud;
    int fd; /* -1: none */
    bool is_remote;
};

/* --- ends --- */

static void watcher_closed(uv_handle_t *h) {
    ln_free(h->data);
}

/* Returns the descriptor, which is no longer polled. */
static int release(struct proxy_dial *d) {
    int fd = d->fd;
    d->fd = -1;
    if (d->watcher) uv_close((uv_handle_t *)&d->watcher->poll, watcher_closed);
    d->watcher = NULL;
    if (d->is_remote) loop_remote(d->loop, -1);
    d->is_remote = false;
    return fd;
}

void proxy_dial_cancel(struct proxy_dial *d) {
    if (!d) return;
    int fd = release(d);
    if (fd >= 0) close(fd);
    dial_cancel(d->dial);
    resolve_cancel(d->lookup);
    loop_timer_cancel(d->loop, d->timer);
    proxy_talk_free(&d->talk);
    proxy_free(&d->proxy);
    ln_buf_free(&d->out);
    ln_free(d->host);
    ln_free(d->from);
    ln_free(d);
}

static void end(struct proxy_dial *d, int fd, enum stream_phase phase, const struct ln_err *err) {
    dial_fn fn = d->fn;
    void *ud = d->ud;
    proxy_dial_cancel(d);
    fn(ud, fd, phase, err);
}

static void fail(struct proxy_dial *d, ln_status code, const char *why) {
    struct ln_err err;
    ln_fail(&err, code, "proxy: %.240s (%s%s%s)", why, d->proxy.name ? d->proxy.name : "its URL",
            d->from ? ", from " : "", d->from ? d->from : "");
    end(d, -1, PHASE_PROXY, &err);
}

static int64_t time_left(const struct proxy_dial *d) {
    uint64_t now = loop_now_ms(d->loop);
    return d->deadline > now ? (int64_t)(d->deadline - now) : 0;
}

static void on_timeout(void *ud) {
    struct proxy_dial *d = ud;
    char took[64], why[128];
    dial_timed_out(took, sizeof took, loop_now_ms(d->loop) - d->since);
    if (d->lookup) {
        struct ln_err err;
        ln_fail(&err, LN_TIMEOUT, "DNS: %s (%.150s)", took, d->host);
        end(d, -1, PHASE_DNS, &err);
        return;
    }
    snprintf(why, sizeof why, "%s without an answer", took);
    fail(d, LN_TIMEOUT, why);
}

static void begin_phase(struct proxy_dial *d) {
    d->since = loop_now_ms(d->loop);
    d->timer = loop_timer(d->loop, time_left(d), on_timeout, d);
}

/* --- the talk --- */

static void on_poll(uv_poll_t *poll, int status, int events);

/* False when the line is gone and d with it. */
static bool send_out(struct proxy_dial *d) {
    while (d->out.n > 0) {
        ssize_t put = send(d->fd, d->out.p, d->out.n, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        if (put < 0) {
            fail(d, LN_DISCONNECTED, uv_strerror(-errno));
            return false;
        }
        ln_buf_consume(&d->out, (size_t)put);
    }
    uv_poll_start(&d->watcher->poll, UV_READABLE | (d->out.n ? UV_WRITABLE : 0), on_poll);
    return true;
}

/* True to go on reading; else d may be gone. */
static bool read_answer(struct proxy_dial *d) {
    char bytes[4096];
    size_t used;
    struct ln_err err;
    ssize_t got = recv(d->fd, bytes, sizeof bytes, MSG_PEEK);
    if (got < 0 && errno == EINTR) return true;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (got <= 0) {
        fail(d, LN_DISCONNECTED,
             got == 0 ? "closed by the peer before it answered" : uv_strerror(-errno));
        return false;
    }
    struct ln_str in = {bytes, (size_t)got};
    enum proxy_result r = proxy_talk_feed(&d->talk, in, &used, &d->out, &err);
    (void)!recv(d->fd, bytes, used, 0);
    if (r == PROXY_MORE) return send_out(d);
    if (r == PROXY_OPEN)
        end(d, release(d), PHASE_PROXY, NULL);
    else
        fail(d, err.code, err.text);
    return false;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct proxy_dial *d = ((struct watcher *)poll->data)->dial;
    loop_note_work(d->loop);
    if ((events & UV_WRITABLE) && !send_out(d)) return;
    if (status < 0 || (events & UV_READABLE))
        while (read_answer(d))
            ;
}

static void on_dialled(void *ud, int fd, enum stream_phase phase, const struct ln_err *err) {
    struct proxy_dial *d = ud;
    struct ln_err refused;
    (void)phase;
    d->dial = NULL;
    if (fd < 0) { /* "TCP: connection refused (10.0.0.1:3128)" */
        const char *why = strstr(err->text, ": ");
        fail(d, err->code, why ? why + 2 : err->text);
        return;
    }
    d->fd = fd;
    d->is_remote = true;
    loop_remote(d->loop, 1);
    struct watcher *w = ln_new(struct watcher);
    int rc = uv_poll_init(loop_uv(d->loop), &w->poll, fd);
    if (rc < 0) { /* the limit of epoll */
        ln_free(w);
        fail(d, LN_DISCONNECTED, uv_strerror(rc));
        return;
    }
    w->poll.data = d->watcher = w;
    w->dial = d;
    if (!proxy_talk_begin(&d->talk, &d->proxy, d->host, d->port, &d->out, &refused)) {
        fail(d, refused.code, refused.text);
        return;
    }
    begin_phase(d);
    send_out(d);
}

/* --- the way to it --- */

static void connect_proxy(struct proxy_dial *d) {
    struct stream_opts o = {.host = d->proxy.host, .port = d->proxy.port};
    loop_timer_cancel(d->loop, d->timer);
    if (d->fd >= 0) {
        on_dialled(d, d->fd, PHASE_PROXY, NULL);
        return;
    }
    d->dial = dial_new(d->loop, &o, time_left(d), on_dialled, d);
    dial_begin(d->dial);
}

/* The first IPv4 address, or else the first. */
static bool take_address(struct proxy_dial *d, const struct addrinfo *list) {
    char text[INET6_ADDRSTRLEN];
    const struct addrinfo *best = list;
    for (const struct addrinfo *a = list; a && best->ai_family != AF_INET; a = a->ai_next)
        if (a->ai_family == AF_INET) best = a;
    if (!best) return false;
    int rc = best->ai_family == AF_INET
                 ? uv_ip4_name((const struct sockaddr_in *)(const void *)best->ai_addr, text,
                               sizeof text)
                 : uv_ip6_name((const struct sockaddr_in6 *)(const void *)best->ai_addr, text,
                               sizeof text);
    if (rc != 0) return false;
    ln_free(d->host);
    d->host = ln_strdup(text);
    return true;
}

static void on_looked_up(void *ud, const struct addrinfo *list, const char *why) {
    struct proxy_dial *d = ud;
    struct ln_err err;
    d->lookup = NULL;
    if (take_address(d, list)) {
        connect_proxy(d);
        return;
    }
    ln_fail(&err, LN_NOT_FOUND,
            "DNS: no address for %.150s: %.100s (socks5h:// lets the proxy look it up)", d->host,
            why ? why : "none that is IPv4 or IPv6");
    end(d, -1, PHASE_DNS, &err);
}

static bool is_address(const char *host) {
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

void proxy_dial_begin(struct proxy_dial *d) {
    if (!d->proxy.name) {
        fail(d, d->bad.code, d->bad.text);
    } else if (d->proxy.resolves || is_address(d->host)) {
        connect_proxy(d);
    } else {
        begin_phase(d);
        d->lookup = resolve(d->loop, d->host, on_looked_up, d);
    }
}

struct proxy_dial *proxy_dial_new(struct loop *l, const struct stream_opts *o, int64_t timeout_ms,
                                  dial_fn fn, void *ud) {
    struct proxy_dial *d = ln_new(struct proxy_dial);
    d->loop = l;
    d->host = ln_strdup(o->host ? o->host : "");
    d->port = o->port;
    d->from = o->proxy_from ? ln_strdup(o->proxy_from) : NULL;
    d->since = loop_now_ms(l);
    d->deadline = d->since + (uint64_t)LN_MAX(timeout_ms, 0);
    d->fn = fn;
    d->ud = ud;
    d->fd = o->fd > 0 ? o->fd : -1;
    proxy_parse(&d->proxy, ln_str(o->proxy), &d->bad);
    return d;
}

enum stream_phase proxy_dial_phase(const struct proxy_dial *d) {
    return d->lookup ? PHASE_DNS : PHASE_PROXY;
}

const char *proxy_dial_name(const struct proxy_dial *d) {
    return d->proxy.name ? d->proxy.name : "";
}
