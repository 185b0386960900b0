/* SPDX-License-Identifier: MIT
 *
 * Listening, on libwebsockets in its role "raw-skt": it listens, accepts, reads and writes on the
 * uv loop; what the bytes mean is ours (server_http.c, wire/websocket), since its HTTP/1 reader is
 * where 4.1.6 can be brought down from outside (docs/decisions.md). One idea: callbacks only take
 * in bytes and mark peers; all sending, reporting and closing is done by one flush as the turn
 * ends, so that nothing is freed below a caller and everything of a turn leaves in one write.
 */
#include "io/server_peer.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "base/mem.h"

#define IDLE_MS 10000
#define KEEP_MS 15000
#define HOLD_MS 120000
#define LINGER_MS 2000    /* for a peer to take its leave (HTTP: idle_ms for the answer) */
#define GOODBYE_MS 100    /* … when the whole server closes */
#define CHUNK_BYTES 65536 /* what libwebsockets sends at once; what it may hold of ours */
#define SPARE_CONNS 64    /* beyond max_peers: short requests, and those that are told 503 */
#define OWN_FDS 16        /* listener, event pipe and a margin in libwebsockets' table */
#define OTHER_FDS 48      /* of the rest of the program */
#define CLOSE_TURNS 6

struct link { /* libwebsockets' per-session data */
    struct server_peer *p;
};

/* --- the flush --- */

void server_set_timer(struct server_peer *p, int64_t ms, loop_fn fn) {
    loop_timer_cancel(p->s->loop, p->timer);
    p->timer = loop_timer(p->s->loop, ms, fn, p);
}

/* Ends the socket at once. Only from the flush or a timer, never inside libwebsockets' callbacks
 * for the same connection. */
static void kill_socket(struct server_peer *p) {
    /* `return -1` works only inside a callback; this closes from outside. */
    if (p->wsi) lws_set_timeout(p->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

static void on_linger(void *ud) {
    struct server_peer *p = ud;
    p->timer = 0;
    if (!p->s->is_closing && server_http_goes_on(p))
        server_set_timer(p, p->s->opts.idle_ms, on_linger);
    else
        kill_socket(p);
}

/* Sends what the kernel takes. libwebsockets copies what it could not send, so it is never given
 * more than one chunk ahead. */
static void send_queue(struct server_peer *p) {
    if (p->is_choked) return;
    while (p->out.n > 0 && !p->is_choked) {
        size_t n = LN_MIN(p->out.n, (size_t)CHUNK_BYTES);
        if (lws_write(p->wsi, (unsigned char *)p->out.p, n, LWS_WRITE_RAW) < 0) {
            kill_socket(p);
            return;
        }
        ln_buf_consume(&p->out, n);
        p->is_choked = lws_partial_buffered(p->wsi);
    }
    if (p->http && p->http->unsent == SIZE_MAX) p->http->unsent = p->out.n;
    /* While libwebsockets holds bytes it ignores input, but polls for it: a full core (read in
     * ops-raw-skt.c of both versions). So input waits until they are gone. */
    if (p->is_choked) {
        lws_rx_flow_control(p->wsi, 0);
    } else if (p->out.cap > CHUNK_BYTES) {
        ln_buf_free(&p->out);
    }
}

static void report_end(struct server_peer *p) {
    struct server *s = p->s;
    if (!p->is_ws || p->told_closed || (p->wsi && p->state != PEER_CLOSING)) return;
    p->told_closed = true;
    s->open--;
    s->cbs->closed(p->ud, p->code, ln_str(p->reason));
}

static void flush_peer(struct server_peer *p) {
    bool had = p->out.n > 0;
    report_end(p);
    server_http_report(p);
    if (p->wsi && had) send_queue(p);
    if (p->wsi && p->state == PEER_CLOSING && p->out.n == 0 && !p->is_choked && !p->is_shut) {
        /* The peer closes after this and its end is seen as the end of input: closing at once with
         * input unread would reset the connection and lose our last bytes. */
        p->is_shut = true;
        if (!p->s->is_closing) server_set_timer(p, LINGER_MS, on_linger);
        shutdown(lws_get_socket_fd(p->wsi), SHUT_WR);
    }
    if (p->state == PEER_OPEN && had && p->out.n == 0 && !p->is_choked && p->s->cbs->drained)
        p->s->cbs->drained(p->ud);
    if (p->wsi) server_http_next(p);
}

static void peer_free(struct server_peer *p) {
    p->s->conns--;
    loop_timer_cancel(p->s->loop, p->timer);
    ln_list_remove(&p->node);
    ln_list_remove(&p->dirty);
    server_http_free(p);
    ws_parser_free(&p->ws);
    ln_buf_free(&p->out);
    ln_free(p->reason);
    ln_free(p);
}

static void close_context(struct server *s);

static void flush(void *ud) {
    struct server *s = ud;
    s->flush_due = false;
    while (!ln_list_empty(&s->dirty)) {
        struct server_peer *p = LN_CONTAINER(s->dirty.next, struct server_peer, dirty);
        ln_list_remove(&p->dirty);
        flush_peer(p);
        if (!p->wsi && (!p->is_ws || p->told_closed)) peer_free(p);
    }
    if (s->is_closing && s->conns == 0) close_context(s);
}

static void flush_soon(struct server *s) {
    if (s->flush_due) return;
    s->flush_due = true;
    loop_defer(s->loop, flush, s);
}

void server_touch(struct server_peer *p) {
    ln_list_remove(&p->dirty);
    ln_list_push(&p->s->dirty, &p->dirty);
    flush_soon(p->s);
}

/* --- ending a peer --- */

void server_finish(struct server_peer *p) {
    const struct server *s = p->s;
    p->state = PEER_CLOSING;
    server_set_timer(p,
                     s->is_closing ? GOODBYE_MS
                     : p->is_ws    ? LINGER_MS
                                   : s->opts.idle_ms,
                     on_linger);
    server_touch(p);
}

static void end(struct server_peer *p, int code, struct ln_str reason) {
    p->code = code;
    p->reason = ln_str_dup(reason);
    server_finish(p);
}

void server_drop(struct server_peer *p, int code, struct ln_str reason) {
    if (p->state != PEER_OPEN) return;
    if (reason.n > 123) reason.n = 123; /* RFC 6455 5.5 */
    ws_write_close(&p->out, false, code, reason);
    end(p, code, reason);
}

void server_pass(struct server_peer *p, void *peer_ud) {
    p->ud = peer_ud;
}

/* --- WebSocket --- */

static void on_close_frame(struct server_peer *p, const struct ws_event *ev) {
    ws_write_close(&p->out, false, ev->code, (struct ln_str){NULL, 0});
    end(p, ev->code, ev->data);
}

static void on_frame(struct server_peer *p, enum ws_result r, const struct ws_event *ev) {
    if (r == WS_MESSAGE) {
        p->s->cbs->message(p->ud, ev->op == WS_BINARY, (char *)ev->data.p, ev->data.n);
    } else if (r == WS_BROKEN) {
        ln_log(LN_DEBUG, "hub", "%s broke the WebSocket protocol: %s", p->ip, ev->error);
        server_drop(p, ev->code, ln_str(ev->error));
    } else if (ev->op == WS_CLOSE) {
        on_close_frame(p, ev);
    } else if (ev->op == WS_PONG) {
        if (p->s->cbs->pong) p->s->cbs->pong(p->ud);
    } else if (p->out.n + ev->data.n > p->s->opts.max_queue) {
        server_drop(p, WS_POLICY, LN_STR("too slow")); /* pings without end, answers unread */
    } else {
        ws_write(&p->out, false, true, WS_PONG, &ev->data, 1);
        server_touch(p);
        if (p->s->cbs->pinged) p->s->cbs->pinged(p->ud);
    }
}

void server_frames(struct server_peer *p, char *bytes, size_t n) {
    while (p->state == PEER_OPEN) {
        struct ws_event ev;
        size_t used = 0;
        enum ws_result r = ws_parse(&p->ws, bytes, n, &used, &ev);
        if (r == WS_MORE) {
            if (LN_UNLIKELY(p->deflate.on)) ws_parser_idle(&p->ws);
            return;
        }
        bytes += used;
        n -= used;
        on_frame(p, r, &ev);
    }
}

bool server_send(struct server_peer *p, bool binary, const struct ln_str *pieces, size_t count) {
    size_t n = p->out.n;
    if (p->state != PEER_OPEN) return false;
    for (size_t i = 0; i < count; i++)
        n += pieces[i].n;
    if (n > p->s->opts.max_queue) {
        server_drop(p, WS_POLICY, LN_STR("too slow"));
        return false;
    }
    enum ws_op op = binary ? WS_BINARY : WS_TEXT;
    if (LN_UNLIKELY(p->deflate.on))
        ws_write_deflated(&p->out, false, op, pieces, count, p->s->zip, &p->deflate);
    else
        ws_write(&p->out, false, true, op, pieces, count);
    server_touch(p);
    return true;
}

size_t server_queued(const struct server_peer *p) {
    return p->out.n + (p->is_choked ? 1 : 0);
}

void server_ping(struct server_peer *p) {
    if (p->state != PEER_OPEN) return;
    ws_write(&p->out, false, true, WS_PING, NULL, 0);
    server_touch(p);
}

/* --- libwebsockets --- */

bool server_is_full(const struct server *s) {
    return s->is_closing || s->conns >= s->max_conns;
}

/* Soon there is no place left: a connection that only waits for a next request goes. */
static void make_room(struct server *s) {
    if (s->conns <= s->max_conns - SPARE_CONNS / 2) return;
    LN_LIST_EACH (&s->peers, it, tmp) {
        struct server_peer *p = LN_CONTAINER(it, struct server_peer, node);
        if (!server_http_is_idle(p)) continue;
        server_finish(p);
        return;
    }
}

static void find_ip(struct server_peer *p) {
    struct sockaddr_storage a = {0};
    socklen_t n = sizeof a;
    int fd = lws_get_socket_fd(p->wsi);
    p->is_tcp = getpeername(fd, (struct sockaddr *)&a, &n) == 0 && a.ss_family != AF_UNIX;
    if (!p->is_tcp ||
        getnameinfo((struct sockaddr *)&a, n, p->ip, sizeof p->ip, NULL, 0, NI_NUMERICHOST))
        strcpy(p->ip, "127.0.0.1"); /* a socket pair */
    if (strncmp(p->ip, "::ffff:", 7) == 0) memmove(p->ip, p->ip + 7, strlen(p->ip + 7) + 1);
}

static void peer_new(struct server *s, struct lws *wsi, struct link *link) {
    struct server_peer *p = ln_new(struct server_peer);
    p->s = s;
    p->wsi = wsi;
    p->code = WS_ABNORMAL;
    ln_list_init(&p->node);
    ln_list_init(&p->dirty);
    ln_list_push(&s->peers, &p->node);
    s->conns++;
    link->p = p;
    find_ip(p);
    if (p->is_tcp) loop_remote(s->loop, 1);
    server_http_new(p);
    make_room(s);
}

static void peer_read(struct server_peer *p, char *bytes, size_t n) {
    if (p->state == PEER_OPEN) {
        server_frames(p, bytes, n);
    } else if (p->state != PEER_CLOSING) {
        server_http_feed(p, bytes, n);
    }
}

static void peer_writable(struct server_peer *p) {
    if (p->is_choked && !lws_partial_buffered(p->wsi)) {
        p->is_choked = false;
        lws_rx_flow_control(p->wsi, 1);
        server_touch(p);
    }
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t n) {
    struct link *link = user;
    struct lws_context *ctx = lws_get_context(wsi);
    struct server *s = ctx ? lws_context_user(ctx) : NULL;
    switch (why) {
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
        /* An own cap below the table's size: at that, 4.1.6 leaks a uv handle (PR 2434). */
        return server_is_full(s);
    case LWS_CALLBACK_RAW_ADOPT:
        if (server_is_full(s)) return -1;
        peer_new(s, wsi, link);
        return 0;
    case LWS_CALLBACK_RAW_RX:
        if (link && link->p) peer_read(link->p, in, n);
        return 0;
    case LWS_CALLBACK_RAW_WRITEABLE:
        if (link && link->p) peer_writable(link->p);
        return 0;
    case LWS_CALLBACK_RAW_CLOSE:
    case LWS_CALLBACK_WSI_DESTROY: /* the only certain end, should the first be left out */
        if (!link || !link->p) return 0;
        link->p->wsi = NULL;
        if (link->p->is_tcp) loop_remote(link->p->s->loop, -1);
        server_touch(link->p);
        link->p = NULL;
        return 0;
    default:
        return 0;
    }
}

static void on_lws_log(int level, const char *line) {
    size_t n = strlen(line);
    (void)level;
    while (n > 0 && line[n - 1] == '\n')
        n--;
    ln_log(LN_DEBUG, "lws", "%.*s", (int)n, line);
}

/* --- life --- */

static const struct lws_protocols protocols[] = {
    {.name = "linnet",
     .callback = on_lws,
     .per_session_data_size = sizeof(struct link),
     .rx_buffer_size = CHUNK_BYTES,
     .tx_packet_size = CHUNK_BYTES},
    {0},
};

static bool open_context(struct server *s) {
    void *loops[] = {loop_uv(s->loop)};
    struct lws_context_creation_info info = {
        /* No CA bundle, no TLS: 16 ms and 4 MB less at the start. */
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
        .foreign_loops = loops,
        .pt_serv_buf_size = CHUNK_BYTES + 4096,
        .fd_limit_per_thread = (unsigned)(s->max_conns + OWN_FDS),
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .user = s,
        .pcontext = &s->ctx, /* set to NULL when it is really gone */
    };
    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    s->ctx = ln_fault("server.context") ? NULL : lws_create_context(&info);
    if (!s->ctx) return false;
    info.vhost_name = "linnet";
    info.protocols = protocols;
    info.port = s->opts.port < 0 ? CONTEXT_PORT_NO_LISTEN_SERVER : s->opts.port;
    info.iface = s->opts.port < 0 ? NULL : s->opts.host;
    info.options |= LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
                    LWS_SERVER_OPTION_ADOPT_APPLY_LISTEN_ACCEPT_CONFIG;
    if (!strchr(s->opts.host, ':')) info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
    info.listen_accept_role = "raw-skt";
    info.listen_accept_protocol = "linnet";
    s->vhost = ln_fault("server.listen") ? NULL : lws_create_vhost(s->ctx, &info);
    if (s->vhost) s->port = s->opts.port < 0 ? -1 : lws_get_vhost_listen_port(s->vhost);
    return s->vhost != NULL;
}

/* Fewer connections than descriptors: at the limit accept() fails and libwebsockets tries for ever.
 */
static void clamp(struct server *s) {
    struct rlimit r;
    int wanted = s->opts.max_peers > 0 ? s->opts.max_peers : 1000, room = 1000000;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) room = (int)LN_MIN(r.rlim_cur, (rlim_t)room);
    room = LN_MAX(room - OWN_FDS - OTHER_FDS, SPARE_CONNS + 1);
    s->opts.max_peers = LN_MIN(wanted, room - SPARE_CONNS);
    s->max_conns = LN_MIN(2 * s->opts.max_peers + SPARE_CONNS, room);
}

static struct server *server_new(struct loop *l, const struct server_opts *o) {
    struct server *s = ln_new(struct server);
    const char *host = o->host && strcmp(o->host, "localhost") != 0 ? o->host : "127.0.0.1";
    s->loop = l;
    s->opts = *o;
    s->opts.host = ln_strdup(host);
    if (o->idle_ms <= 0) s->opts.idle_ms = IDLE_MS;
    if (o->keep_ms <= 0) s->opts.keep_ms = KEEP_MS;
    if (o->hold_ms <= 0) s->opts.hold_ms = HOLD_MS;
    ln_list_init(&s->peers);
    ln_list_init(&s->dirty);
    clamp(s);
    return s;
}

/* "unix:/run/x.sock" -> "/run/x.sock"; else NULL */
static const char *unix_path(const struct server_opts *o) {
    return strncmp(o->host, "unix:", 5) == 0 ? o->host + 5 : NULL;
}

static bool start(struct server *s, struct ln_err *err) {
    const char *path = unix_path(&s->opts);
    bool listens = s->opts.port >= 0;
    if (path) s->opts.port = -1;
    if (s->opts.port >= 0 && !server_try_port(&s->opts, err)) return false;
    if (!open_context(s)) {
        ln_fail(err, LN_REFUSED, "cannot listen on %s: libwebsockets did not start%s", s->opts.host,
                s->ctx ? "" : " (is libwebsockets-evlib-uv installed?)");
        return false;
    }
    if (path && listens) s->local = server_unix_open(s, path, err);
    return !path || !listens || s->local;
}

struct server *server_open(struct loop *l, const struct server_opts *o,
                           const struct server_cbs *cbs, void *ud, struct ln_err *err) {
    struct server *s = server_new(l, o);
    s->cbs = cbs;
    s->ud = ud;
    if (start(s, err)) return s;
    server_close(s, NULL, NULL);
    return NULL;
}

int server_port(const struct server *s) {
    return s->port;
}

int server_peers(const struct server *s) {
    return s->open;
}

/* Waits for libwebsockets' own uv handles: they close in steps, each in the closing phase of a
 * turn, and an own handle closed again and again counts these phases. Then the second call of
 * lws_context_destroy frees the context (on a foreign loop the first one only begins). */
struct closer {
    uv_idle_t h;
    struct server *s;
    int turns;
};

static void on_closer(uv_handle_t *h) {
    struct closer *c = h->data;
    struct server *s = c->s;
    if (++c->turns >= CLOSE_TURNS && s->ctx) lws_context_destroy(s->ctx);
    if (c->turns < CLOSE_TURNS || s->ctx) {
        uv_idle_init(loop_uv(s->loop), &c->h);
        uv_close((uv_handle_t *)&c->h, on_closer);
        return;
    }
    loop_fn done = s->done;
    void *done_ud = s->done_ud;
    ln_free((char *)s->opts.host);
    ln_slots_free(&s->requests);
    ws_zip_free(s->zip);
    ln_free(c);
    ln_free(s);
    if (done) done(done_ud);
}

static void close_context(struct server *s) {
    if (s->closer) return;
    struct closer *c = ln_new(struct closer);
    s->closer = c;
    c->s = s;
    c->h.data = c;
    if (s->ctx) lws_context_destroy(s->ctx);
    uv_idle_init(loop_uv(s->loop), &c->h);
    uv_close((uv_handle_t *)&c->h, on_closer);
}

void server_close(struct server *s, loop_fn done, void *ud) {
    if (s->is_closing) return;
    s->is_closing = true;
    s->done = done;
    s->done_ud = ud;
    server_unix_close(s->local);
    s->local = NULL;
    LN_LIST_EACH (&s->peers, it, tmp) {
        struct server_peer *p = LN_CONTAINER(it, struct server_peer, node);
        if (p->state == PEER_OPEN) {
            server_drop(p, WS_GOING_AWAY, LN_STR("the server closes"));
        } else {
            server_http_close(p);
        }
    }
    flush_soon(s);
}

bool server_adopt(struct server *s, int fd) {
    lws_sock_file_fd_type f = {.sockfd = fd};
    if (server_is_full(s)) {
        close(fd);
        return false;
    }
    return lws_adopt_descriptor_vhost(s->vhost, LWS_ADOPT_SOCKET, f, "linnet", NULL) != NULL;
}

int server_pair(struct server *s) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds)) return -1;
    if (server_adopt(s, fds[1])) return fds[0];
    close(fds[0]);
    return -1;
}
