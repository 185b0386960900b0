/* SPDX-License-Identifier: MIT
 *
 * The other end of every bench: a server that does as little as can be done, so that it is never
 * what is measured. It speaks Socket.IO v4, or what LOAD_PROTO says: "ws" (plain JSON), "pusher".
 * Frames are encoded before the clock starts. It also measures: the client tells its process id
 * when it connects, and its CPU time (all threads) is read from /proc at the first and the last
 * event. One JSON object a run goes to standard output.
 *
 *   load_server PORT MODE SIZE COUNT [RATE] [LINES] [NAMES] [CERT KEY]
 *   inbound  COUNT events of SIZE bytes, as fast as the client takes them; it answers `done`.
 *            With NAMES above 1 each is named otherwise, in turn: e00000 e00001 …
 *   emit     the client emits COUNT events of SIZE bytes, then `done`
 *   rtt      the client asks COUNT times for an acknowledgement, then `done` with its latencies
 *   idle     COUNT connections (Pusher: each in a channel); `done` when all are there
 *   wake     COUNT events, RATE a second, spread over LINES connections
 *   start    tells when the first client was connected
 * With CERT and KEY it speaks TLS.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "wire/websocket.h"

enum { MAX_FDS = 20000, BATCH = 262144 };

struct peer {
    int fd;
    bool upgraded, joined, writing; /* writing: polled for room, too */
    SSL *tls;                       /* NULL: plain */
    struct ln_buf in, out;
    struct ws_parser parser;
};

static struct peer *peers[MAX_FDS];
static int peer_list[MAX_FDS], peer_count, joined_count;
static int epoll_fd, size, rate, lines, names, client_pid;
static SSL_CTX *tls_ctx;
static long count, sent, received;
static const char *mode;
static bool is_inbound;
static enum { SIO, PLAIN, PUSHER } proto;
static uint64_t cpu_start, wall_start;
static struct ln_buf event_frame, batch; /* one event, and as many as fit a batch */
static long batch_events;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* CPU time of a process in ns: the run time of each of its threads (proc(5), schedstat). */
static uint64_t cpu_of(int pid) {
    char path[64], line[128];
    uint64_t total = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char file[340];
        snprintf(file, sizeof file, "%s/%s/schedstat", path, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(file, "r");
        if (f && fgets(line, sizeof line, f)) total += strtoull(line, NULL, 10);
        if (f) fclose(f);
    }
    if (dir) closedir(dir);
    return total;
}

/* Private memory in kB: what the process adds to the machine (smaps_rollup: Private_*). */
static long memory_of(int pid, const char *key) {
    char path[64], line[200];
    long total = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, key, strlen(key)) == 0) total += strtol(strchr(line, ':') + 1, NULL, 10);
    }
    if (f) fclose(f);
    return total;
}

static void want(struct peer *p, bool writing) {
    if (writing == p->writing) return;
    p->writing = writing;
    struct epoll_event ev = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.fd = p->fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fd, &ev);
}

/* Both as read and send: below 0 with EAGAIN when it must wait. */
static ssize_t tls_result(struct peer *p, int n) {
    if (n > 0) return n;
    int why = SSL_get_error(p->tls, n);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t take(struct peer *p, void *to, size_t n) {
    return p->tls ? tls_result(p, SSL_read(p->tls, to, (int)n)) : read(p->fd, to, n);
}

static ssize_t give(struct peer *p) {
    if (!p->tls) return send(p->fd, p->out.p, p->out.n, MSG_NOSIGNAL);
    return tls_result(p, SSL_write(p->tls, p->out.p, (int)LN_MIN(p->out.n, (size_t)BATCH)));
}

static void flush(struct peer *p) {
    while (p->out.n) {
        ssize_t n = give(p);
        if (n <= 0) break;
        ln_buf_consume(&p->out, (size_t)n);
    }
    want(p, p->out.n > 0 || (p->joined && is_inbound && sent < count));
}

static void send_text(struct peer *p, const char *text) {
    struct ln_str piece = ln_str(text);
    ws_write(&p->out, false, true, WS_TEXT, &piece, 1);
}

#define CHANNEL "private-lobby"

/* A chat message of about `size` bytes, the same for every client under test. */
static void make_event(const char *name) {
    static const char whole[] =
        "\"id\":\"m-1000001\",\"room\":\"lobby\",\"sender\":{\"id\":\"u-17\","
        "\"name\":\"Kari\"},\"time\":1732060800,";
    static const char *const heads[] = {"42[\"%s\",", "{\"event\":\"%s\",\"data\":",
                                        "{\"event\":\"%s\",\"channel\":\"" CHANNEL "\",\"data\":"};
    struct ln_buf text = {0}, data = {0};
    int escapes = proto == PUSHER ? size < 150 ? 8 : 32 : 0; /* and the quotes around them */
    ln_buf_fmt(&text, heads[proto], name);
    ln_buf_fmt(&data, "{%s\"n\":7,\"text\":\"", size < 150 ? "" : whole);
    int rest = size - (int)text.n - (int)data.n - 3 - escapes;
    for (int i = 0; i < rest; i++)
        ln_buf_putc(&data, "the quick brown fox jumps "[i % 26]);
    ln_buf_puts(&data, "\"}");
    if (proto == PUSHER)
        ln_json_quote(&text, ln_buf_get(&data));
    else
        ln_buf_str(&text, ln_buf_get(&data));
    ln_buf_putc(&text, proto == SIO ? ']' : '}');
    ln_buf_free(&data);
    struct ln_str piece = ln_buf_get(&text);
    ln_buf_clear(&event_frame);
    ws_write(&event_frame, false, true, WS_TEXT, &piece, 1);
    ln_buf_free(&text);
}

static void make_batch(void) {
    char name[16];
    make_event("message");
    do {
        snprintf(name, sizeof name, "e%05ld", batch_events % names);
        if (names > 1) make_event(name);
        ln_buf_str(&batch, ln_buf_get(&event_frame));
        batch_events++;
    } while (batch_events < count && (batch_events % names || batch.n + event_frame.n < BATCH));
}

static void start_clock(void) {
    cpu_start = cpu_of(client_pid);
    wall_start = now_ns();
}

static void report(const char *detail) {
    uint64_t cpu = cpu_of(client_pid) - cpu_start, wall = now_ns() - wall_start;
    printf("{\"mode\":\"%s\",\"size\":%d,\"count\":%ld,\"cpu_ns\":%" PRIu64 ",\"wall_ns\":%" PRIu64
           ",\"rss_kb\":%ld,\"private_kb\":%ld,\"received\":%ld,\"now_ns\":%" PRIu64
           ",\"done\":%s}\n",
           mode, size, count, cpu, wall, memory_of(client_pid, "Rss"),
           memory_of(client_pid, "Private_"), received, now_ns(), detail);
    fflush(stdout);
}

static void send_end(struct peer *p) {
    static const char *const ends[] = {"42[\"end\"]", "{\"event\":\"end\"}",
                                       "{\"event\":\"end\",\"channel\":\"" CHANNEL
                                       "\",\"data\":\"{}\"}"};
    send_text(p, ends[proto]);
}

/* Keeps the socket of an inbound run full; the last batch is cut to the count. */
static void pump(struct peer *p) {
    while (sent < count && p->out.n < BATCH) {
        long n = LN_MIN(batch_events, count - sent);
        ln_buf_add(&p->out, batch.p, event_frame.n * (size_t)n);
        sent += n;
        if (sent == count) send_end(p);
    }
    flush(p);
}

static void joined(struct peer *p, int pid) {
    p->joined = true;
    joined_count++;
    if (pid) client_pid = pid;
    if (pid && strcmp(mode, "start") == 0) {
        wall_start = now_ns();
        report("null");
    }
    if (is_inbound) {
        flush(p);
        start_clock();
        pump(p);
    } else if (joined_count == lines) {
        start_clock();
    }
}

/* What the client counted: JSON, as it is. */
static void done(const char *from, size_t n) {
    char *copy = strndup(from, n);
    report(copy);
    free(copy);
}

static void sio_in(struct peer *p, struct ln_str text) {
    if (text.n < 2 || text.p[0] == '3') return;
    if (text.p[0] == '2') {
        send_text(p, "3");
    } else if (text.p[1] == '0') {
        const char *pid = memmem(text.p, text.n, "\"pid\":", 6);
        send_text(p, "40{\"sid\":\"bench-namespace-sid0\"}");
        joined(p, pid ? atoi(pid + 6) : 0);
    } else if (memmem(text.p, LN_MIN(text.n, 20), "\"done\"", 6)) {
        const char *detail = memchr(text.p, ',', text.n), *end = text.p + text.n - 1;
        done(detail ? detail + 1 : "null", detail ? (size_t)(end - detail - 1) : 4);
    } else {
        received++;
        char id[32];
        size_t n = 0;
        while (2 + n < text.n && n < sizeof id - 1 && text.p[2 + n] >= '0' &&
               text.p[2 + n] <= '9') {
            id[n] = text.p[2 + n];
            n++;
        }
        id[n] = 0;
        if (n) {
            char reply[64];
            snprintf(reply, sizeof reply, "43%s[1]", id);
            send_text(p, reply);
        }
    }
}

/* Plain JSON and Pusher: an object with a name. */
static void object_in(struct peer *p, struct ln_str text) {
    struct ln_str data = ln_json_get(text, "data");
    if (memmem(text.p, LN_MIN(text.n, 24), "done\"", 5)) {
        done(data.p, data.n);
    } else if (memmem(text.p, LN_MIN(text.n, 30), "pusher:subscribe", 16)) {
        send_text(p, "{\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":\"" CHANNEL
                     "\",\"data\":\"{}\"}");
        joined(p, client_pid);
    } else if (memmem(text.p, LN_MIN(text.n, 24), "pusher:ping", 11)) {
        send_text(p, "{\"event\":\"pusher:pong\",\"data\":\"{}\"}");
    } else {
        received++;
    }
}

static void packet_in(struct peer *p, struct ln_str text) {
    if (proto == SIO)
        sio_in(p, text);
    else
        object_in(p, text);
}

/* What a server says first. The process id stands in the path (Pusher: as the key). */
static void greet(struct peer *p, struct ln_str target) {
    const char *at = memmem(target.p, target.n, "/app/", 5);
    if (proto == SIO) {
        send_text(p, "0{\"sid\":\"bench-engine-sid-000\",\"upgrades\":[],\"pingInterval\":300000,"
                     "\"pingTimeout\":200000,\"maxPayload\":100000000}");
    } else if (proto == PUSHER) {
        if (at) client_pid = atoi(at + 5);
        send_text(p, "{\"event\":\"pusher:connection_established\",\"data\":"
                     "\"{\\\"socket_id\\\":\\\"1.1\\\",\\\"activity_timeout\\\":120}\"}");
    } else {
        joined(p, at ? atoi(at + 5) : 0);
    }
}

static void upgrade(struct peer *p) {
    struct http_head head;
    size_t used;
    if (http_parse_head(&head, false, ln_buf_get(&p->in), &used) != HTTP_OK) return;
    struct ln_str key = http_header_get(&head, "sec-websocket-key");
    char accept[29], key_text[WS_KEY_LEN + 1];
    snprintf(key_text, sizeof key_text, "%.*s", LN_FMT(key));
    ws_accept_key(key_text, accept);
    ln_buf_fmt(&p->out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n\r\n",
               accept);
    p->upgraded = true;
    ws_parser_init(&p->parser, true, 1 << 26);
    greet(p, head.target);
    ln_buf_consume(&p->in, used);
}

static void drop(struct peer *p) {
    for (int i = 0; i < peer_count; i++) {
        if (peer_list[i] != p->fd) continue;
        peer_list[i] = peer_list[--peer_count];
        break;
    }
    close(p->fd);
    SSL_free(p->tls);
    peers[p->fd] = NULL;
    ln_buf_free(&p->in);
    ln_buf_free(&p->out);
    ws_parser_free(&p->parser);
    free(p);
}

static void frames_in(struct peer *p, char *data, size_t n) {
    struct ws_event ev;
    size_t used;
    for (;;) {
        enum ws_result r = ws_parse(&p->parser, data, n, &used, &ev);
        data += used;
        n -= used;
        if (r == WS_MORE || r == WS_BROKEN) return;
        if (r == WS_MESSAGE) packet_in(p, ev.data);
    }
}

static bool readable(struct peer *p) {
    static char data[BATCH];
    do {
        ssize_t n = take(p, data, sizeof data);
        if (n <= 0) return n < 0 && errno == EAGAIN;
        if (p->upgraded) {
            frames_in(p, data, (size_t)n);
        } else {
            ln_buf_add(&p->in, data, (size_t)n);
            upgrade(p);
        }
    } while (p->tls && SSL_has_pending(p->tls));
    flush(p);
    return true;
}

static void add_peer(int fd) {
    int one = 1;
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= MAX_FDS) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    peers[fd] = calloc(1, sizeof *peers[fd]);
    peers[fd]->fd = fd;
    if (tls_ctx) {
        peers[fd]->tls = SSL_new(tls_ctx);
        SSL_set_fd(peers[fd]->tls, fd);
        SSL_set_accept_state(peers[fd]->tls);
    }
    peer_list[peer_count++] = fd;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

/* wake mode: one event to one line, `rate` times a second, each with its own wake-up. */
static void tick(void) {
    static uint64_t next;
    uint64_t now = now_ns();
    if (strcmp(mode, "wake") != 0 || joined_count < lines || sent >= count || peer_count == 0)
        return;
    if (!next) next = now;
    while (now >= next && sent < count) {
        struct peer *p = peers[peer_list[sent % peer_count]];
        ln_buf_str(&p->out, ln_buf_get(&event_frame));
        if (++sent == count) send_end(p);
        flush(p);
        next += 1000000000u / (uint64_t)rate;
    }
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 4096) != 0) {
        perror("load_server");
        exit(1);
    }
    return fd;
}

static void use_tls(const char *cert, const char *key) {
    tls_ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(tls_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_file(tls_ctx, cert, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_use_PrivateKey_file(tls_ctx, key, SSL_FILETYPE_PEM) == 1)
        return;
    fprintf(stderr, "load_server: %s or %s cannot be used\n", cert, key);
    exit(1);
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr,
                "usage: load_server PORT MODE SIZE COUNT [RATE] [LINES] [NAMES] [CERT KEY]\n");
        return 2;
    }
    const char *name = getenv("LOAD_PROTO");
    proto = !name ? SIO : strcmp(name, "pusher") == 0 ? PUSHER : PLAIN;
    mode = argv[2];
    size = atoi(argv[3]);
    count = atol(argv[4]);
    rate = argc > 5 ? atoi(argv[5]) : 1000;
    lines = argc > 6 ? atoi(argv[6]) : 1;
    names = argc > 7 ? LN_MAX(atoi(argv[7]), 1) : 1;
    if (argc > 9) use_tls(argv[8], argv[9]);
    is_inbound = strcmp(mode, "inbound") == 0;
    /* Where it is waited for, it does not sleep: its wake-up is nobody's time but its own. */
    bool spins = strcmp(mode, "wake") == 0 || strcmp(mode, "rtt") == 0;
    signal(SIGPIPE, SIG_IGN);
    make_batch();
    int listener = listen_on(atoi(argv[1]));
    epoll_fd = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = listener}, got[256];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll_fd, got, 256, spins ? 0 : -1);
        for (int i = 0; i < n; i++) {
            int fd = got[i].data.fd;
            if (fd == listener) {
                for (int c; (c = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;)
                    add_peer(c);
                continue;
            }
            struct peer *p = peers[fd];
            if (!p) continue;
            if ((got[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !readable(p)) {
                drop(p);
                continue;
            }
            if (is_inbound && p->joined)
                pump(p);
            else if (got[i].events & EPOLLOUT)
                flush(p);
        }
        tick();
    }
}
