/* SPDX-License-Identifier: MIT
 *
 * Frames exchanged with libwebsockets' own WebSocket roles, both ways: our client on its server,
 * and its client on our server. What is sent comes back byte for byte, whatever the size.
 */
#include <libwebsockets.h>

#include "base/mem.h"
#include "io/server.h"
#include "io/ws.h"
#include "test.h"

#define BUFFER                                                                                     \
    400000 /* more than a message: as a client 4.1.6 hands pieces of one on out of order */

static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 300000};

static struct loop *loop;
static struct lws_context *ctx;
static int echoed, their_closed, their_open, our_closed;

/* --- libwebsockets: an echo as the server, a speaker as the client --- */

struct session {
    struct lws *wsi;
    struct ln_buf in; /* with LWS_PRE bytes of room in front, as lws_write wants */
    bool due, binary;
    size_t next;
};

static char pattern(size_t i) {
    return (char)('a' + i % 26);
}

static bool is_pattern(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != pattern(i)) return false;
    return true;
}

static void collect(struct session *s, struct lws *wsi, const void *in, size_t n) {
    if (!s->in.n) {
        memset(ln_buf_room(&s->in, LWS_PRE), 0, LWS_PRE);
        s->in.n = LWS_PRE;
    }
    ln_buf_add(&s->in, in, n);
    s->binary = lws_frame_is_binary(wsi);
    s->due = lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi);
}

static int send_back(struct session *s) {
    size_t n = s->in.n - LWS_PRE;
    if (!s->due) return 0;
    s->due = false;
    int sent = lws_write(s->wsi, (unsigned char *)s->in.p + LWS_PRE, n,
                         s->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
    s->in.n = 0;
    return sent < (int)n ? -1 : 0;
}

static int echo(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t n) {
    struct session *s = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        s->wsi = wsi;
        break;
    case LWS_CALLBACK_RECEIVE:
        collect(s, wsi, in, n);
        if (s->due) lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return send_back(s);
    case LWS_CALLBACK_CLOSED:
        ln_buf_free(&s->in);
        their_closed++;
        break;
    default:
        break;
    }
    return 0;
}

static void speak(struct session *s) {
    size_t n = sizes[s->next];
    s->in.n = 0;
    char *p = ln_buf_room(&s->in, LWS_PRE + n);
    for (size_t i = 0; i < n; i++)
        p[LWS_PRE + i] = pattern(i);
    lws_write(s->wsi, (unsigned char *)p + LWS_PRE, n, LWS_WRITE_TEXT);
}

static int speaker(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t n) {
    struct session *s = user;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        s->wsi = wsi;
        their_open++;
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        if (s->next < LN_COUNT(sizes)) speak(s);
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        collect(s, wsi, in, n);
        if (!s->due) break;
        s->due = false;
        CHECK_INT(s->in.n - LWS_PRE, sizes[s->next]);
        CHECK(is_pattern(s->in.p + LWS_PRE, s->in.n - LWS_PRE));
        echoed++;
        s->in.n = 0;
        if (++s->next == LN_COUNT(sizes)) return -1; /* it hangs up */
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        ln_buf_free(&s->in);
        their_closed++;
        break;
    default:
        break;
    }
    return 0;
}

static struct lws_vhost *open_lws(bool listens, lws_callback_function *fn) {
    static struct lws_protocols protocols[] = {
        {"echo", NULL, sizeof(struct session), BUFFER, 0, NULL, 0}, {NULL, NULL, 0, 0, 0, NULL, 0}};
    static void *loops[1];
    struct lws_context_creation_info info = {0};
    loops[0] = loop_uv(loop);
    protocols[0].callback = fn;
    lws_set_log_level(0, NULL);
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    info.foreign_loops = loops;
    info.pt_serv_buf_size = BUFFER;
    info.gid = info.uid = (gid_t)-1;
    ctx = lws_create_context(&info);
    info.port = listens ? 0 : CONTEXT_PORT_NO_LISTEN;
    info.iface = listens ? "127.0.0.1" : NULL;
    info.protocols = protocols;
    info.vhost_name = "test";
    return lws_create_vhost(ctx, &info);
}

/* Turns the loop until *count has come to n; a hundred thousand turns are enough for all of it. */
static void turn_until(const int *count, int n) {
    for (int i = 0; i < 1000 && *count < n; i++)
        loop_settle(loop, 0);
    CHECK_INT(*count, n);
}

/* On a foreign loop the first call only begins; the second frees, once its handles are closed. */
static void close_all(void) {
    lws_context_destroy(ctx);
    for (int i = 0; i < 20; i++)
        loop_settle(loop, 0);
    lws_context_destroy(ctx);
    loop_free(loop);
}

static void set_up(void) {
    loop = loop_new();
    echoed = their_closed = their_open = our_closed = 0;
}

/* --- our client on their server --- */

static struct ws *line;
static size_t at;

static void say(void) {
    char *text = ln_alloc(sizes[at] + 1);
    for (size_t i = 0; i < sizes[at]; i++)
        text[i] = pattern(i);
    struct ln_str piece = {text, sizes[at]};
    ws_send(line, at % 2 ? WS_BINARY : WS_TEXT, &piece, 1);
    ln_free(text);
}

static void on_open(void *ud, struct ln_str protocol) {
    (void)ud;
    CHECK_STR(protocol, "echo");
    say();
}

static void on_message(void *ud, bool binary, char *p, size_t n) {
    (void)ud;
    CHECK_INT(binary, at % 2);
    CHECK_INT(n, sizes[at]);
    CHECK(is_pattern(p, n));
    echoed++;
    if (++at < LN_COUNT(sizes))
        say();
    else
        ws_close(line, 1000, LN_STR("thank you"));
}

static void on_closed(void *ud, enum stream_phase phase, int status, int code, struct ln_str reason,
                      const struct ln_err *err) {
    (void)ud, (void)status, (void)reason;
    CHECK_INT(phase, PHASE_OPEN);
    CHECK_INT(code, 1000);
    CHECK(err == NULL);
    our_closed++;
}

TEST(our_client_on_their_server) {
    static const struct ws_cbs cbs = {.open = on_open, .message = on_message, .closed = on_closed};
    set_up();
    struct lws_vhost *vhost = open_lws(true, echo);
    CHECK(vhost != NULL);
    struct ws_opts o = {.host_header = "127.0.0.1", .target = "/", .protocols = "echo"};
    o.stream = (struct stream_opts){.host = "127.0.0.1", .timeout_ms = 5000};
    o.stream.port = (uint16_t)lws_get_vhost_listen_port(vhost);
    at = 0;
    line = ws_open(loop, &o, &cbs, NULL);
    turn_until(&our_closed, 1);
    CHECK_INT(echoed, LN_COUNT(sizes));
    turn_until(&their_closed, 1);
    close_all();
}

/* --- their client on our server --- */

static void *server_opened(void *ud, struct server_peer *p, const struct server_request *r) {
    (void)ud, (void)r;
    return p;
}

static void server_message(void *peer_ud, bool binary, char *p, size_t n) {
    struct ln_str piece = {p, n};
    CHECK(is_pattern(p, n));
    server_send(peer_ud, binary, &piece, 1);
}

static void server_closed(void *peer_ud, int code, struct ln_str reason) {
    (void)peer_ud, (void)code, (void)reason;
    our_closed++;
}

static bool server_accepts(void *ud, const struct server_request *r, struct server_reply *reply) {
    (void)ud, (void)r, (void)reply;
    return true;
}

static void server_gone(void *ud) {
    *(bool *)ud = true;
}

TEST(their_client_on_our_server) {
    static const struct server_cbs cbs = {.accept = server_accepts,
                                          .open = server_opened,
                                          .message = server_message,
                                          .closed = server_closed};
    struct server_opts so = {.host = "127.0.0.1",
                             .max_message = 1 << 20,
                             .max_queue = 4 << 20,
                             .max_peers = 10,
                             .idle_ms = 5000};
    struct ln_err err;
    bool gone = false;
    set_up();
    struct server *s = server_open(loop, &so, &cbs, NULL, &err);
    CHECK(s != NULL);
    struct lws_client_connect_info ci = {.context = NULL,
                                         .address = "127.0.0.1",
                                         .host = "127.0.0.1",
                                         .path = "/",
                                         .port = server_port(s)};
    ci.vhost = open_lws(false, speaker);
    ci.context = ctx;
    loop_remote(loop, 1); /* theirs */
    CHECK(lws_client_connect_via_info(&ci) != NULL);
    lws_cancel_service(ctx);
    turn_until(&their_closed, 1);
    loop_remote(loop, -1);
    CHECK_INT(their_open, 1);
    CHECK_INT(echoed, LN_COUNT(sizes));
    turn_until(&our_closed, 1);
    server_close(s, server_gone, &gone);
    for (int i = 0; i < 1000 && !gone; i++)
        loop_settle(loop, 0);
    CHECK(gone);
    close_all();
}

TEST_MAIN(T(our_client_on_their_server), T(their_client_on_our_server))
