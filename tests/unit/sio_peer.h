/* SPDX-License-Identifier: MIT
 *
 * The world of the client's tests: connections whose lines end in this process, a Socket.IO server
 * that does what the test says, and a sink that writes down what it is told. Time is the fake
 * clock's; turn() lets everything come to rest.
 *
 * Frames of the client stand in line->got, events in w.trail, log lines in w.logs, each as text
 * that a test compares whole.
 */
#ifndef LN_SIO_PEER_H
#define LN_SIO_PEER_H

#include "base/clock.h"
#include "base/crypt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/conn.h"
#include "peer.h"
#include "test.h"
#include "wire/websocket.h"

#define LINES_MAX 512
#define OPEN_PACKET                                                                                \
    "0{\"sid\":\"engine\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,"           \
    "\"maxPayload\":1000000}"

struct server_line { /* one transport: one attempt of a line */
    struct peer p;
    struct ws_parser ws;
    bool is_up;
    char request[2048];
    struct ln_buf got; /* frames, each with | behind; binary ones as <hex> */
};

static struct {
    struct loop *loop;
    struct clients *cs;
    /* the server */
    struct server_line *line[LINES_MAX];
    int lines;
    const char *http; /* what it answers instead of 101; "" = nothing, NULL = 101 */
    const char *open; /* its first frame; NULL: none */
    bool joins;       /* lets everybody into every namespace */
    bool hangs_up;    /* closes each transport before it answers */
    bool pongs;       /* answers pings */
    const char *sub;  /* the subprotocol that it takes; NULL: none */
    int sids;
    const char *refuses; /* instead of letting them in: what CONNECT_ERROR says */
    /* other protocols' servers (pusher_peer.h); NULL: none */
    void (*on_up)(struct server_line *l);
    void (*on_frame)(struct server_line *l, struct ln_str text);
    bool (*on_post)(struct server_line *l); /* true: the request in l->p.in was whole */
    /* the sink */
    struct ln_buf trail, logs;
    struct ln_buf second; /* the last event's arguments, as who listens behind `act` sees them */
    bool has_states;      /* write `state` events down as well */
    bool has_gaps;        /* and `gap` */
    bool holds;           /* `connect` handlers go on: the test calls conn_ready_go */
    bool deaf;            /* nobody wants any event */
    ln_status answer;
    ln_id ticket;
    int asked;                                       /* how often, for whatever */
    void (*act)(struct conn *c, struct ln_str name); /* called with each event */
    void (*on_auth)(struct conn *c, ln_id ticket);
} w;

/* --- the sink --- */

static bool sink_wants(void *ud, struct conn *c, struct ln_str name) {
    (void)ud, (void)c, (void)name;
    return !w.deaf;
}
static ln_status sink_event(void *ud, struct event *ev) {
    (void)ud;
    bool is_state = ev->kind == EVENT_LIFECYCLE && ln_str_is(ev->name, "state");
    bool is_gap = ev->kind == EVENT_LIFECYCLE && ln_str_is(ev->name, "gap");
    if ((!is_state || w.has_states) && (!is_gap || w.has_gaps)) {
        if (ev->kind == EVENT_OUT) ln_buf_puts(&w.trail, ">");
        ln_buf_fmt(&w.trail, "%.*s(%.*s", LN_FMT(ev->name), LN_FMT(ev->args));
        for (size_t i = 0; i < ev->bin_count; i++) {
            ln_buf_puts(&w.trail, " <");
            ln_hex(&w.trail, ev->bin[i].p, ev->bin[i].n);
            ln_buf_putc(&w.trail, '>');
        }
        ln_buf_putc(&w.trail, ')');
        if (ev->ack >= 0) ln_buf_fmt(&w.trail, "#%d", (int)ev->ack);
        ln_buf_putc(&w.trail, ' ');
    }
    if (w.act) w.act(ev->conn, ev->name);
    ln_buf_clear(&w.second);
    ln_buf_str(&w.second, ev->args);
    return ev->kind == EVENT_APP ? w.answer : LN_OK;
}
static void sink_auth(void *ud, struct conn *c, const struct conn_ask *ask) {
    static const char *const names[] = {"auth", "headers", "query"};
    (void)ud;
    w.asked++;
    w.ticket = ask->ticket;
    for (unsigned i = 0; i < LN_COUNT(names); i++)
        if (ask->what & 1u << i)
            ln_buf_fmt(&w.trail, "%s?(%s,%d) ", names[i], ask->reason, ask->attempt);
    if (w.on_auth) w.on_auth(c, ask->ticket);
}
static void sink_connected(void *ud, struct conn *c, bool first) {
    (void)ud;
    ln_buf_fmt(&w.trail, "connect(%s) ", first ? "true" : "false");
    uint64_t epoch = conn_epoch(c);
    if (w.act) w.act(c, LN_STR("connect"));
    if (!w.holds) conn_ready_go(c, epoch);
}
static void sink_rejoined(void *ud, struct conn *c, struct ln_str room, struct ln_str reply,
                          const struct ln_err *err) {
    (void)ud, (void)c;
    ln_buf_fmt(&w.trail, "rejoined(%.*s,%.*s%s) ", LN_FMT(room), LN_FMT(reply),
               err ? err->text : "");
    if (w.act) w.act(c, LN_STR("rejoined"));
}
static const struct conn_sink sink = {sink_wants, sink_event, sink_auth, sink_connected,
                                      sink_rejoined};

static void log_sink(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                     const struct ln_log_field *fields, size_t n) {
    (void)ud, (void)fields, (void)n;
    if (level >= LN_INFO)
        ln_buf_fmt(&w.logs, "%s [%s] %.*s\n", ln_log_level_name(level), tag, LN_FMT(msg));
}

/* --- the server --- */

static int dial(void *ud, struct conn *c) {
    (void)ud, (void)c;
    if (w.lines == LINES_MAX) abort();
    struct server_line *l = ln_new(struct server_line);
    int fd = peer_pair(&l->p);
    ws_parser_init(&l->ws, true, 64 << 20);
    w.line[w.lines++] = l;
    return fd;
}
static void server_bytes(struct server_line *l, struct ln_buf *out) {
    if (l->p.fd >= 0) peer_send(&l->p, out->p, out->n);
    ln_buf_free(out);
}
static void say(struct server_line *l, const char *text) {
    struct ln_buf out = {0};
    struct ln_str s = ln_str(text);
    ws_write(&out, false, true, WS_TEXT, &s, 1);
    server_bytes(l, &out);
}
static inline void say_binary(struct server_line *l, const char *bytes, size_t n) {
    struct ln_buf out = {0};
    struct ln_str s = {bytes, n};
    ws_write(&out, false, true, WS_BINARY, &s, 1);
    server_bytes(l, &out);
}
static inline void say_close(struct server_line *l, int code, const char *reason) {
    struct ln_buf out = {0};
    ws_write_close(&out, false, code, ln_str(reason));
    server_bytes(l, &out);
}
static void hang_up(struct server_line *l) {
    if (l->p.fd >= 0) close(l->p.fd);
    l->p.fd = -1;
    l->p.eof = true;
}
static bool server_upgrade(struct server_line *l) {
    if (w.on_post && l->p.in.n >= 4 && memcmp(l->p.in.p, "POST", 4) == 0) return w.on_post(l);
    const char *end = l->p.in.n ? strstr(ln_buf_cstr(&l->p.in), "\r\n\r\n") : NULL;
    struct ln_buf out = {0};
    if (!end) return false;
    snprintf(l->request, sizeof l->request, "%s", l->p.in.p);
    ln_buf_clear(&l->p.in);
    if (w.http) {
        ln_buf_puts(&out, w.http);
    } else {
        char key[WS_KEY_LEN + 1], accept[29];
        snprintf(key, sizeof key, "%s", strstr(l->request, "Sec-WebSocket-Key: ") + 19);
        ws_accept_key(key, accept);
        ln_buf_fmt(&out,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
                   accept);
        if (w.sub) ln_buf_fmt(&out, "Sec-WebSocket-Protocol: %s\r\n", w.sub);
        ln_buf_puts(&out, "\r\n");
        l->is_up = true;
    }
    server_bytes(l, &out);
    if (l->is_up && w.open) say(l, w.open);
    if (l->is_up && w.on_up) w.on_up(l);
    return true;
}
/* CONNECT for a namespace: answered when the server joins everybody. */
static void server_join(struct server_line *l, struct ln_str frame) {
    if (!w.joins || frame.n < 2 || memcmp(frame.p, "40", 2) != 0) return;
    struct ln_buf out = {0};
    ln_buf_puts(&out, w.refuses ? "44" : "40");
    const char *comma = frame.n > 2 && frame.p[2] == '/' ? memchr(frame.p, ',', frame.n) : NULL;
    if (comma) ln_buf_add(&out, frame.p + 2, (size_t)(comma - frame.p) - 1);
    if (w.refuses)
        ln_buf_puts(&out, w.refuses);
    else
        ln_buf_fmt(&out, "{\"sid\":\"s%d\"}", ++w.sids);
    say(l, ln_buf_cstr(&out));
    ln_buf_free(&out);
}
static void server_frame(struct server_line *l, const struct ws_event *ev) {
    if (ev->op == WS_TEXT) {
        ln_buf_str(&l->got, ev->data);
        server_join(l, ev->data);
        if (w.on_frame) w.on_frame(l, ev->data);
    } else if (ev->op == WS_BINARY) {
        ln_buf_putc(&l->got, '<');
        ln_hex(&l->got, ev->data.p, ev->data.n);
        ln_buf_putc(&l->got, '>');
    } else if (ev->op == WS_PING) {
        struct ln_buf out = {0};
        ln_buf_puts(&l->got, "ping");
        if (w.pongs) ws_write(&out, false, true, WS_PONG, &ev->data, 1);
        if (w.pongs) server_bytes(l, &out);
    } else if (ev->op == WS_CLOSE) {
        ln_buf_fmt(&l->got, "close(%d)", ev->code);
        say_close(l, ev->code, "");
        hang_up(l);
    }
    ln_buf_putc(&l->got, '|');
}
static bool server_serve(struct server_line *l) {
    bool came = false;
    while (l->p.fd >= 0 && peer_read(&l->p, SIZE_MAX))
        came = true;
    if (l->p.eof) hang_up(l);
    if (!came) return false;
    if (w.hangs_up) {
        hang_up(l);
        return true;
    }
    if (!l->is_up) return server_upgrade(l);
    struct ws_event ev;
    size_t used, at = 0;
    while (at < l->p.in.n) {
        enum ws_result r = ws_parse(&l->ws, l->p.in.p + at, l->p.in.n - at, &used, &ev);
        at += used;
        if (r == WS_MORE) break;
        if (r == WS_BROKEN) abort();
        server_frame(l, &ev);
    }
    ln_buf_clear(&l->p.in);
    return true;
}
/* Everything comes to rest. */
static void turn(void) {
    bool more;
    do {
        CHECK(loop_settle(w.loop, 0));
        more = false;
        for (int i = 0; i < w.lines; i++)
            more |= server_serve(w.line[i]);
    } while (more);
}
static inline void advance(int64_t ms) {
    turn();
    loop_advance(w.loop, ms);
    turn();
}
static inline struct server_line *last(void) {
    return w.line[w.lines - 1];
}

/* --- tests --- */

/* What was written down since the last look. */
static inline void check_text(struct ln_buf *b, const char *want, const char *file, int line) {
    if (!ln_str_eq(ln_buf_get(b), ln_str(want))) {
        test_failures++;
        printf("%s:%d: got \"%.*s\",\n    wanted \"%s\"\n", file, line, LN_FMT(ln_buf_get(b)),
               want);
    }
    ln_buf_clear(b);
}
#define TRAIL(want) check_text(&w.trail, want, __FILE__, __LINE__)
#define GOT(line, want) check_text(&(line)->got, want, __FILE__, __LINE__)
#define LOGS(want) check_text(&w.logs, want, __FILE__, __LINE__)
#define LOG_HAS(part) CHECK_HAS(ln_buf_cstr(&w.logs), part)

static void begin(void) {
    memset(&w, 0, sizeof w);
    setvbuf(stdout, NULL, _IOLBF, 0); /* what failed is seen even when a sanitizer ends us */
    ln_clock_fake(1700000000000);
    ln_random_fake(1);
    ln_log_setup(LN_DEBUG, LN_LOG_TEXT, false);
    ln_log_to(log_sink, NULL);
    w.loop = loop_new();
    w.cs = clients_new(w.loop, &sink, NULL);
    clients_dialler(w.cs, dial, NULL);
    w.open = OPEN_PACKET;
    w.joins = true;
}
static void end(void) {
    clients_free(w.cs);
    turn();
    CHECK_INT(loop_timer_count(w.loop), 0);
    loop_free(w.loop);
    for (int i = 0; i < w.lines; i++) {
        peer_close(&w.line[i]->p);
        ws_parser_free(&w.line[i]->ws);
        ln_buf_free(&w.line[i]->got);
        ln_free(w.line[i]);
    }
    ln_buf_free(&w.trail);
    ln_buf_free(&w.logs);
    ln_buf_free(&w.second);
    ln_fault_set(NULL);
    ln_log_to(NULL, NULL);
    ln_clock_real();
    ln_random_fake(0);
}
static inline struct conn_opts options(const char *url) {
    struct conn_opts o;
    conn_opts_init(&o);
    o.url = ln_strdup(url);
    o.backoff.factor = 0;             /* 1, 2, 4, 5 s: tests of jitter set it */
    o.transports[1] = TRANSPORT_NONE; /* the server here speaks WebSocket only */
    return o;
}
/* Opens and frees o. */
static struct conn *open_with(const char *name, struct conn_opts o) {
    struct ln_err err = {0};
    struct conn *c = conn_open(w.cs, name, &o, &err);
    if (!c) printf("conn_open: %s\n", err.text);
    CHECK(c != NULL);
    conn_opts_free(&o);
    return c;
}
static inline struct conn *open_url(const char *name, const char *url) {
    return open_with(name, options(url));
}
/* Opened and connected; what was written down on the way is forgotten. */
static inline struct conn *connected_with(const char *name, struct conn_opts o) {
    struct conn *c = open_with(name, o);
    turn();
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    ln_buf_clear(&w.trail);
    ln_buf_clear(&w.logs);
    ln_buf_clear(&last()->got);
    return c;
}
static inline struct conn *connected(void) {
    return connected_with("chat", options("ws://chat.example"));
}

/* --- emits --- */

static inline void on_reply(void *ud, struct ln_str args, const struct ln_str *bin,
                            size_t bin_count, const struct ln_err *err) {
    ln_buf_fmt(&w.trail, "%s=", (const char *)ud);
    if (err)
        ln_buf_fmt(&w.trail, "%s:%s ", ln_status_name(err->code), err->text);
    else
        ln_buf_fmt(&w.trail, "[%.*s]", LN_FMT(args));
    for (size_t i = 0; i < bin_count; i++) {
        ln_buf_putc(&w.trail, '<');
        ln_hex(&w.trail, bin[i].p, bin[i].n);
        ln_buf_putc(&w.trail, '>');
    }
    if (!err) ln_buf_putc(&w.trail, ' ');
}
static inline ln_status emit_flags(struct conn *c, const char *name, const char *args,
                                   unsigned flags) {
    struct conn_emit e = {
        .name = ln_str(name), .args = ln_str(args), .flags = flags, .retries = -1};
    return conn_emit(c, &e, NULL, NULL);
}
static inline ln_status emit(struct conn *c, const char *name, const char *args) {
    return emit_flags(c, name, args, 0);
}
/* With an ack: the reply is written down as `who=…`. */
static inline ln_id ask_ms(struct conn *c, const char *who, const char *name, int64_t timeout_ms) {
    struct conn_emit e = {.name = ln_str(name),
                          .reply = on_reply,
                          .ud = (void *)(uintptr_t)who,
                          .timeout_ms = timeout_ms,
                          .retries = -1};
    ln_id op = 0;
    CHECK_INT(conn_emit(c, &e, &op, NULL), LN_OK);
    CHECK(op != 0);
    return op;
}
static inline ln_id ask(struct conn *c, const char *who, const char *name) {
    return ask_ms(c, who, name, 0);
}

#endif
