/* SPDX-License-Identifier: MIT
 *
 * A client's byte stream over a descriptor and uv_poll; dial.c finds the descriptor, tls.c speaks
 * TLS on it. An idle stream owns no buffer: reads go into one that the whole loop shares, and what
 * is to be sent lives in a buffer from a small common stock until the kernel has taken it.
 * Every end goes through stream_end: it marks, and closed() follows at the end of the turn, so that
 * a stream may be closed inside any callback.
 */
#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"
#include "io/dial.h"
#include "io/proxy.h"
#include "io/tls.h"

enum {
    /* Few big reads: each costs a call, and of TCP an acknowledgement. Only what ever comes at once
     * takes memory. No line has more in a turn: then the others have theirs. */
    READ_SIZE = 512 * 1024,
    TLS_GAIN = 32 * 1024, /* TLS decrypts what it read ahead: after so much, more may be there */
    SPARES = 8,
    SPARE_SIZE = 256 * 1024, /* bigger buffers go back to the system */
    TIMEOUT_MS = 20000
};

struct common { /* one for the loop */
    struct loop *loop;
    struct ln_buf *spare[SPARES];
    size_t spares;
    char peer[512];
    char read[READ_SIZE];
};
static const char common_key;

struct stream {
    uv_poll_t poll;
    struct common *common;
    const struct stream_cbs *cbs;
    void *ud;
    int fd; /* -1: none */
    uint8_t phase;
    uint8_t events; /* what is polled for */
    bool has_poll : 1, paused : 1, ended : 1, is_dialled : 1, flush_due : 1;
    bool blocked : 1; /* the kernel takes no more for now */
    bool read_due : 1, wants_drained : 1;
    struct ln_buf *out; /* NULL: nothing waits to be sent */
    struct tls *tls;
    char *via;           /* the proxied target, for people; NULL: there is no proxy */
    struct setup *setup; /* until open */
    struct ln_err *err;  /* of the end */
};

struct setup {         /* what only a stream that is not open yet needs */
    struct dial *dial; /* this or the other, until one of them has connected */
    struct proxy_dial *proxy;
    ln_id timer;
    uint64_t deadline, since; /* since: start of the TLS phase */
};

static void begin(void *ud);
static void on_poll(uv_poll_t *poll, int status, int events);

const char *stream_phase_name(enum stream_phase p) {
    static const char *const names[] = {"dns", "tcp", "proxy", "tls", "upgrade", "open"};
    return names[p];
}

enum stream_phase stream_phase_of(const struct stream *s) {
    const struct setup *u = s->setup;
    return u && u->dial    ? dial_phase(u->dial)
           : u && u->proxy ? proxy_dial_phase(u->proxy)
                           : s->phase;
}

struct ln_str stream_peer(const struct stream *s) {
    s->common->peer[0] = 0;
    if (s->via)
        snprintf(s->common->peer, sizeof s->common->peer, "%s", s->via);
    else if (s->fd >= 0)
        dial_peer_text(s->fd, s->common->peer, sizeof s->common->peer);
    return ln_str(s->common->peer);
}

bool stream_tls_info(const struct stream *s, struct tls_info *info) {
    if (s->tls) tls_info_get(s->tls, info);
    return s->tls != NULL;
}

/* --- the common stock --- */

static void free_out(struct ln_buf *b) {
    ln_buf_free(b);
    ln_free(b);
}

static void release_common(void *data) {
    struct common *c = data;
    while (c->spares > 0)
        free_out(c->spare[--c->spares]);
}

static void give_back(struct stream *s) {
    struct common *c = s->common;
    struct ln_buf *b = s->out;
    if (!b) return;
    s->out = NULL;
    ln_buf_clear(b);
    if (b->cap > SPARE_SIZE || c->spares == SPARES)
        free_out(b);
    else
        c->spare[c->spares++] = b;
}

struct ln_buf *stream_out(struct stream *s) {
    struct common *c = s->common;
    if (!s->out) s->out = c->spares > 0 ? c->spare[--c->spares] : ln_new(struct ln_buf);
    return s->out;
}

size_t stream_queued(const struct stream *s) {
    return s->out ? s->out->n : 0;
}

/* --- the end --- */

static void setup_free(struct stream *s) {
    struct setup *u = s->setup;
    if (!u) return;
    s->setup = NULL;
    dial_cancel(u->dial);
    proxy_dial_cancel(u->proxy);
    loop_timer_cancel(s->common->loop, u->timer);
    ln_free(u);
}

static void free_stream(uv_handle_t *h) {
    ln_free(h->data);
}

static void tell_end(void *ud) {
    struct stream *s = ud;
    struct ln_err *err = s->err;
    s->err = NULL;
    s->cbs->closed(s->ud, s->phase, err);
    tls_free(s->tls);
    ln_free(err);
    ln_free(s->via);
    give_back(s);
    if (s->has_poll) uv_close((uv_handle_t *)&s->poll, free_stream);
    if (s->fd >= 0) close(s->fd);
    if (s->is_dialled) loop_remote(s->common->loop, -1);
    if (!s->has_poll) ln_free(s);
}

/* err NULL: our own wish. A stream that failed and is closed before closed() told so ends by our
 * wish. */
static void stream_end(struct stream *s, const struct ln_err *err) {
    if (s->ended) {
        if (!err && s->err) {
            ln_free(s->err);
            s->err = NULL;
        }
        return;
    }
    s->ended = true;
    if (err) {
        s->err = ln_new(struct ln_err);
        *s->err = *err;
    }
    s->phase = (uint8_t)stream_phase_of(s);
    setup_free(s);
    if (s->has_poll) uv_poll_stop(&s->poll);
    if (s->tls && !err && s->phase == PHASE_OPEN && !s->blocked) tls_bye(s->tls);
    loop_defer(s->common->loop, tell_end, s);
}

static void lost(struct stream *s, int error) {
    struct ln_err err;
    const char *phase = s->phase == PHASE_TLS ? "TLS: " : "";
    if (error == 0)
        ln_fail(&err, LN_DISCONNECTED, "%sclosed by the peer", phase);
    else
        ln_fail(&err, LN_DISCONNECTED, "%s%s", phase, uv_strerror(error));
    stream_end(s, &err);
}

/* --- polling --- */

static void update_poll(struct stream *s) {
    int events = (s->paused ? 0 : UV_READABLE) | (s->blocked ? UV_WRITABLE : 0);
    if (s->ended || !s->has_poll || events == s->events) return;
    s->events = (uint8_t)events;
    if (events)
        uv_poll_start(&s->poll, events, on_poll);
    else
        uv_poll_stop(&s->poll);
}

static void set_blocked(struct stream *s, bool blocked) {
    s->blocked = blocked;
    update_poll(s);
}

/* --- sending --- */

/* Bytes taken, 0 when none for now, or a negative errno. */
static ssize_t write_some(struct stream *s, const char *p, size_t n) {
    if (ln_fault("stream.write")) return UV_EPIPE;
    if (s->tls) {
        struct ln_err err;
        size_t put = 0;
        enum tls_io io = tls_write(s->tls, p, n, &put, &err);
        return io == TLS_FAILED || io == TLS_EOF ? UV_EPIPE : (ssize_t)put;
    }
    ssize_t put;
    do {
        put = send(s->fd, p, n, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    if (put >= 0) return put;
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

/* A negative errno when the line is broken. */
static int flush(struct stream *s) {
    while (stream_queued(s) > 0) {
        ssize_t put = write_some(s, s->out->p, s->out->n);
        if (put < 0) return (int)put;
        if (put == 0) {
            set_blocked(s, true);
            return 0;
        }
        ln_buf_consume(s->out, (size_t)put);
    }
    give_back(s);
    set_blocked(s, false);
    if (s->wants_drained) {
        s->wants_drained = false;
        if (s->cbs->drained) s->cbs->drained(s->ud);
    }
    return 0;
}

static void read_all(struct stream *s);

static void flush_or_end(struct stream *s) {
    int error = flush(s);
    if (error == 0) return;
    /* The peer may have said why before it went (an HTTP error, a close frame): read that first. */
    if (!s->paused) read_all(s);
    if (!s->ended) lost(s, error);
}

static void flush_deferred(void *ud) {
    struct stream *s = ud;
    s->flush_due = false;
    if (!s->ended && !s->blocked) flush_or_end(s);
}

void stream_send(struct stream *s) {
    s->wants_drained = true;
    if (s->flush_due || s->ended || s->phase != PHASE_OPEN) return;
    s->flush_due = true;
    loop_defer(s->common->loop, flush_deferred, s);
}

/* --- reading --- */

/* Bytes read; 0: none for now, -1: the stream has ended. */
static ssize_t read_some(struct stream *s) {
    char *p = s->common->read;
    if (s->tls) {
        struct ln_err err;
        size_t got = 0;
        switch (tls_read(s->tls, p, READ_SIZE, &got, &err)) {
        case TLS_DONE:
            return (ssize_t)got;
        case TLS_WANT_WRITE:
            set_blocked(s, true);
            return 0;
        case TLS_WANT_READ:
            return 0;
        case TLS_EOF:
            lost(s, 0);
            return -1;
        default: /* an alert of the server can come long after the handshake */
            s->phase = PHASE_TLS;
            stream_end(s, &err);
            return -1;
        }
    }
    ssize_t got;
    do {
        got = recv(s->fd, p, READ_SIZE, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) return got;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
    lost(s, got < 0 ? -errno : 0);
    return -1;
}

static void read_deferred(void *ud);

static void read_all(struct stream *s) {
    for (size_t sum = 0; sum < READ_SIZE;) {
        ssize_t got = read_some(s);
        if (got <= 0) return;
        s->cbs->data(s->ud, s->common->read, (size_t)got);
        if (s->ended || s->paused) return;
        /* A short read emptied the socket; asking again would cost a call to hear "nothing". */
        if (got < READ_SIZE && !(s->tls && (got > TLS_GAIN || tls_has_pending(s->tls)))) return;
        sum += (size_t)got;
    }
    /* What TLS has decrypted or read ahead no longer makes the descriptor readable. */
    if (s->tls && tls_has_pending(s->tls) && !s->read_due) {
        s->read_due = true;
        loop_defer(s->common->loop, read_deferred, s);
    }
}

static void read_deferred(void *ud) {
    struct stream *s = ud;
    s->read_due = false;
    if (!s->ended && !s->paused && s->phase == PHASE_OPEN) read_all(s);
}

void stream_pause(struct stream *s, bool paused) {
    if (s->paused == paused || s->ended) return;
    s->paused = paused;
    update_poll(s);
    if (!paused && s->tls && !s->read_due) {
        s->read_due = true;
        loop_defer(s->common->loop, read_deferred, s);
    }
}

/* --- opening --- */

static void opened(struct stream *s) {
    s->phase = PHASE_OPEN;
    setup_free(s);
    set_blocked(s, false);
    s->cbs->open(s->ud);
    if (!s->ended && stream_queued(s) > 0) stream_send(s);
    /* The server's first bytes may have come with the end of the handshake. */
    if (!s->ended && s->tls && tls_has_pending(s->tls)) {
        s->read_due = true;
        loop_defer(s->common->loop, read_deferred, s);
    }
}

static void shake(struct stream *s) {
    struct ln_err err;
    switch (tls_handshake(s->tls, &err)) {
    case TLS_DONE:
        opened(s);
        break;
    case TLS_WANT_READ:
        set_blocked(s, false);
        break;
    case TLS_WANT_WRITE:
        set_blocked(s, true);
        break;
    default:
        stream_end(s, &err);
    }
}

static void on_tls_timeout(void *ud) {
    struct stream *s = ud;
    struct ln_err err;
    char took[64];
    dial_timed_out(took, sizeof took, loop_now_ms(s->common->loop) - s->setup->since);
    ln_fail(&err, LN_TIMEOUT, "TLS: %s (%.*s)", took, LN_FMT(stream_peer(s)));
    stream_end(s, &err);
}

static void connected(struct stream *s, int fd) {
    s->fd = fd;
    int rc = uv_poll_init(loop_uv(s->common->loop), &s->poll, fd);
    if (rc < 0) {
        lost(s, rc);
        return;
    }
    s->poll.data = s;
    s->has_poll = true;
    update_poll(s);
    if (!s->tls) {
        opened(s);
        return;
    }
    struct setup *u = s->setup;
    s->phase = PHASE_TLS;
    u->since = loop_now_ms(s->common->loop);
    int64_t left = u->deadline > u->since ? (int64_t)(u->deadline - u->since) : 0;
    u->timer = loop_timer(s->common->loop, left, on_tls_timeout, s);
    tls_attach(s->tls, fd);
    shake(s);
}

static void on_dialled(void *ud, int fd, enum stream_phase phase, const struct ln_err *err) {
    struct stream *s = ud;
    s->setup->dial = NULL;
    s->setup->proxy = NULL;
    s->phase = (uint8_t)phase;
    if (fd >= 0) {
        s->is_dialled = true;
        loop_remote(s->common->loop, 1);
        connected(s, fd);
    } else {
        stream_end(s, err);
    }
}

static void begin(void *ud) {
    struct stream *s = ud;
    if (s->ended) return;
    if (s->setup->proxy)
        proxy_dial_begin(s->setup->proxy);
    else if (s->setup->dial)
        dial_begin(s->setup->dial);
    else
        connected(s, s->fd);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct stream *s = poll->data;
    loop_note_work(s->common->loop);
    /* After an error libuv has stopped the poll; the read below meets the reason, and what came
     * before it. */
    if (status < 0) {
        events = UV_READABLE | UV_WRITABLE;
        s->events = 0;
    }
    if (s->phase == PHASE_TLS) {
        shake(s);
    } else {
        /* TLS may want to write in order to read, and the other way round. */
        if (!s->paused && ((events & UV_READABLE) || s->tls)) read_all(s);
        if (!s->ended && s->blocked) flush_or_end(s);
    }
    update_poll(s);
}

/* --- life --- */

static struct stream *new_stream(struct loop *l, const struct stream_cbs *cbs, void *ud) {
    struct stream *s = ln_new(struct stream);
    s->common = loop_shared(l, &common_key, sizeof *s->common, release_common);
    s->common->loop = l;
    s->cbs = cbs;
    s->ud = ud;
    s->fd = -1;
    return s;
}

static char *via_text(const struct stream_opts *o, const char *proxy) {
    struct ln_buf b = {0};
    const char *host = o->host ? o->host : "";
    ln_buf_fmt(&b, strchr(host, ':') ? "[%s]:%u by %s" : "%s:%u by %s", host, o->port, proxy);
    return ln_buf_take(&b, NULL);
}

struct stream *stream_open(struct loop *l, const struct stream_opts *o,
                           const struct stream_cbs *cbs, void *ud) {
    struct stream *s = new_stream(l, cbs, ud);
    int64_t timeout = o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS;
    struct setup *u = s->setup = ln_new(struct setup);
    struct ln_err err;
    u->deadline = loop_now_ms(l) + (uint64_t)timeout;
    if (o->fd > 0) {
        s->fd = o->fd;
        s->phase = PHASE_TCP;
        fcntl(o->fd, F_SETFL, fcntl(o->fd, F_GETFL) | O_NONBLOCK);
    }
    if (o->tls && !(s->tls = tls_new(l, o, &err))) {
        s->phase = PHASE_TLS;
        stream_end(s, &err);
        return s;
    }
    if (o->proxy) {
        u->proxy = proxy_dial_new(l, o, timeout, on_dialled, s);
        s->fd = -1; /* it is the proxy's for now */
        s->via = via_text(o, proxy_dial_name(u->proxy));
    } else if (s->fd < 0) {
        u->dial = dial_new(l, o, timeout, on_dialled, s);
    }
    loop_defer(l, begin, s);
    return s;
}

struct stream *stream_adopt(struct loop *l, int fd, const struct stream_cbs *cbs, void *ud) {
    struct stream_opts o = {.fd = fd};
    return stream_open(l, &o, cbs, ud);
}

void stream_close(struct stream *s) {
    if (!s->ended && s->phase == PHASE_OPEN && stream_queued(s) > 0 && !s->blocked) {
        s->wants_drained = false;
        flush(s);
    }
    stream_end(s, NULL);
}
