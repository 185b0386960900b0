/* SPDX-License-Identifier: MIT
 *
 * The server and WebSocket clients of every kind: good ones, slow ones, and those that send
 * garbage, go away in the middle or never say a word. All over socket pairs on the fake clock; one
 * case listens for real. HTTP is in io_server_http_test.c.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include "base/crypt.h"
#include "server_rig.h"

#define UPGRADE "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

TEST(upgrades_that_are_none) {
    start(PAIR_ONLY);
    refused(UPGRADE "Sec-WebSocket-Version: 13\r\n\r\n", 400);
    refused(UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n", 400);
    refused(UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426);
    refused("POST /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\n" KEY "\r\n",
            400);
    refused("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" KEY
            "\r\n",
            400);
    refused("GET /none HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n",
            404);
    f.refuse = true;
    refused(UPGRADE "Sec-WebSocket-Version: 13\r\n" KEY "\r\n", 403);
    CHECK_INT(f.opened, 0);
    stop();
}

TEST(messages_go_both_ways) {
    struct web w;
    start(PAIR_ONLY);
    f.echo = true;
    client(&w);
    web_upgrade(&w, "/ws", "");
    CHECK_HAS(web_answer(&w), "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
    CHECK_STR(ln_str(f.path), "/ws 127.0.0.1");
    web_text(&w, "hello");
    web_send(&w, WS_BINARY, LN_STR("\x01\x02"));
    web_send(&w, WS_PING, LN_STR("p"));
    web_turn(&w);
    CHECK_STR(web_next(&w), "hello");
    CHECK_STR(web_next(&w), "\x01\x02");
    CHECK_STR(web_next(&w), "p");
    CHECK_INT(f.messages, 2);
    CHECK_INT(f.drained > 0, 1);
    server_ping(f.peer);
    web_turn(&w);
    CHECK_INT(w.pings, 1);
    web_send(&w, WS_PONG, LN_STR(""));
    web_turn(&w);
    CHECK_INT(f.pongs, 1);
    struct ln_buf bye = {0};
    ws_write_close(&bye, true, 4321, LN_STR("done"));
    web_write(&w, bye.p, bye.n);
    ln_buf_free(&bye);
    web_turn(&w);
    CHECK_INT(w.code, 4321);
    CHECK_INT(f.code, 4321);
    CHECK_STR(ln_str(f.reason), "done");
    CHECK(w.is_eof);
    web_free(&w);
    stop();
}

TEST(messages_in_the_same_bytes_as_the_handshake) {
    struct web w;
    struct ln_buf b = {0};
    struct ln_str hi = LN_STR("hi");
    start(PAIR_ONLY);
    client(&w);
    ln_buf_puts(&b, UPGRADE "Sec-WebSocket-Version: 13\r\n" KEY "\r\n");
    for (int i = 0; i < 3; i++)
        ws_write(&b, true, true, WS_TEXT, &hi, 1);
    web_write(&w, b.p, b.n);
    web_turn(&w);
    CHECK_INT(f.messages, 3);
    CHECK_STR(ln_str(f.last), "thi");
    web_free(&w); /* without a close frame */
    loop_settle(l, 0);
    CHECK_INT(f.closed, 1);
    CHECK_INT(f.code, 1006);
    ln_buf_free(&b);
    stop();
}

TEST(fragments_and_single_bytes_make_whole_messages) {
    struct web w;
    struct ln_buf b = {0};
    struct ln_str one = LN_STR("gr\xc3"), two = LN_STR("\xbc"
                                                       "n");
    start(PAIR_ONLY);
    client(&w);
    web_upgrade(&w, "/", "");
    ws_write(&b, true, false, WS_TEXT, &one, 1);
    ws_write(&b, true, true, WS_PING, NULL, 0);
    ws_write(&b, true, true, WS_CONT, &two, 1);
    for (size_t i = 0; i < b.n; i++) {
        web_write(&w, b.p + i, 1);
        loop_settle(l, 0);
    }
    CHECK_INT(f.messages, 1);
    CHECK_STR(ln_str(f.last), "tgr\xc3\xbcn");
    ln_buf_free(&b);
    web_free(&w);
    stop();
}

static void broken(const void *bytes, size_t n, int code) {
    struct web w;
    client(&w);
    web_upgrade(&w, "/", "");
    web_write(&w, bytes, n);
    web_turn(&w);
    CHECK_INT(w.code, code);
    CHECK(w.is_eof);
    web_free(&w);
}

TEST(broken_frames_close_with_their_code) {
    struct ln_buf b = {0};
    start(PAIR_ONLY);
    broken("\x81\x02hi", 4, 1002); /* no mask */
    broken("\x83\x80\x00\x00\x00\x00", 6, 1002);
    broken("\x81\x82\x00\x00\x00\x00\xff\xff", 8, 1007);
    broken("\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00", 14, 1009); /* 4 GiB */
    for (int i = 0; i < 101; i++) { /* fragments that add up */
        char zeros[1000] = {0};
        struct ln_str piece = {zeros, sizeof zeros};
        ws_write(&b, true, false, i == 0 ? WS_BINARY : WS_CONT, &piece, 1);
    }
    broken(b.p, b.n, 1009);
    CHECK_INT(f.closed, 5);
    CHECK_INT(f.messages, 0);
    ln_buf_free(&b);
    stop();
}

TEST(slow_reader_is_dropped_and_no_other) {
    struct web slow, good;
    char text[1000];
    struct ln_str piece = {text, sizeof text};
    memset(text, 'x', sizeof text);
    start((struct server_opts){.port = -1, .max_queue = 300000});
    client(&good);
    web_upgrade(&good, "/", "");
    struct server_peer *other = f.peer;
    client(&slow);
    web_upgrade(&slow, "/", "");
    struct server_peer *peer = f.peer;
    slow.is_slow = true;
    int sent = 0;
    while (sent < 5000 && server_send(peer, false, &piece, 1)) {
        CHECK(server_queued(peer) <= 300000 + 1010);
        if (++sent % 100 == 0) loop_settle(l, 0);
    }
    CHECK(sent > 300 && sent < 5000);
    CHECK(!server_send(peer, false, &piece, 1));
    loop_settle(l, 0);
    CHECK_INT(f.closed, 1);
    CHECK_INT(f.code, 1008);
    CHECK_STR(ln_str(f.reason), "too slow");
    loop_advance(l, 3000); /* it never reads: the socket goes all the same */
    CHECK(server_send(other, false, &piece, 1));
    web_turn(&good);
    CHECK_INT(web_next(&good).n, 1000);
    web_free(&slow);
    web_free(&good);
    stop();
}

TEST(slow_reader_that_catches_up_gets_everything) {
    struct web w;
    char text[5000];
    struct ln_str piece = {text, sizeof text};
    memset(text, 'x', sizeof text);
    start((struct server_opts){.port = -1, .max_queue = 2000000});
    client(&w);
    web_upgrade(&w, "/", "");
    w.is_slow = true;
    for (int i = 0; i < 300; i++)
        CHECK(server_send(f.peer, false, &piece, 1));
    web_turn(&w);
    CHECK(server_queued(f.peer) > 0);
    /* While it does not read, its own messages wait in the kernel, and nothing turns in circles. */
    web_text(&w, "later");
    CHECK(loop_settle(l, 100));
    CHECK_INT(f.messages, 0);
    int before = f.drained;
    w.is_slow = false;
    for (int i = 0; i < 20; i++)
        web_turn(&w);
    CHECK_INT(w.count, 300);
    CHECK_INT(server_queued(f.peer), 0);
    CHECK_INT(f.drained, before + 1);
    CHECK_INT(f.messages, 1);
    web_free(&w);
    stop();
}

TEST(pings_without_end_and_answers_unread) {
    struct web w;
    char text[125];
    start((struct server_opts){.port = -1, .max_queue = 100000});
    memset(text, 'p', sizeof text);
    client(&w);
    web_upgrade(&w, "/", "");
    w.is_slow = true;
    struct ln_buf b = {0};
    struct ln_str piece = {text, sizeof text};
    for (int i = 0; i < 20000; i++)
        ws_write(&b, true, true, WS_PING, &piece, 1);
    ssize_t n = 0;
    for (size_t at = 0; at < b.n && n >= 0; at += (size_t)n) { /* until the server reads no more */
        n = send(w.fd, b.p + at, b.n - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        CHECK(loop_settle(l, 1000));
        CHECK(f.closed || server_queued(f.peer) <= 100200);
    }
    loop_advance(l, 3000);
    web_free(&w);
    ln_buf_free(&b);
    stop();
}

TEST(drops_from_inside_callbacks) {
    struct web w;
    start(PAIR_ONLY);
    f.drop_at_open = true;
    client(&w);
    web_upgrade(&w, "/", "");
    CHECK_INT(w.code, 4001);
    CHECK_INT(f.closed, 1);
    web_free(&w);
    f.drop_at_open = false;
    f.drop_at_message = true;
    client(&w);
    web_upgrade(&w, "/", "");
    web_text(&w, "a");
    web_text(&w, "b");
    web_turn(&w);
    CHECK_INT(f.messages, 1);
    CHECK_INT(w.code, 1000);
    CHECK_STR(ln_str(w.reason), "bye");
    web_free(&w);
    stop();
}

TEST(silent_and_slow_requests_time_out) {
    struct web silent, slow;
    start((struct server_opts){.port = -1, .idle_ms = 5000});
    client(&silent);
    client(&slow);
    web_say(&slow, "GET / HT");
    loop_advance(l, 4999);
    web_read(&silent);
    CHECK(!silent.is_eof);
    loop_advance(l, 1);
    web_turn(&silent);
    web_turn(&slow);
    CHECK(silent.is_eof);
    CHECK_INT(silent.in.n, 0);
    CHECK_INT(web_status(&slow), 408);
    loop_advance(l, 2000);
    web_free(&silent);
    web_free(&slow);
    stop();
}

TEST(caps_on_clients_and_connections) {
    struct web w[3];
    start((struct server_opts){.port = -1, .max_peers = 2});
    for (int i = 0; i < 3; i++) {
        client(&w[i]);
        web_upgrade(&w[i], "/", "");
    }
    CHECK(w[0].is_open && w[1].is_open && !w[2].is_open);
    CHECK_INT(web_status(&w[2]), 503);
    web_free(&w[0]);
    web_free(&w[2]);
    loop_advance(l, 3000);
    client(&w[0]);
    web_upgrade(&w[0], "/", "");
    CHECK(w[0].is_open);
    int fds[200], n = 0;
    while (n < 200 && (fds[n] = server_pair(f.s)) >= 0)
        n++;
    CHECK(n > 10 && n < 200); /* a cap on what says nothing, too */
    while (n > 0)
        close(fds[--n]);
    loop_settle(l, 0);
    client(&w[2]);
    web_say(&w[2], "GET /page HTTP/1.1\r\nHost: x\r\n\r\n");
    web_turn(&w[2]);
    CHECK_INT(web_status(&w[2]), 200);
    for (int i = 0; i < 3; i++)
        web_free(&w[i]);
    stop();
}

TEST(closing_tells_clients_and_ends) {
    struct web w, half;
    start(PAIR_ONLY);
    client(&w);
    web_upgrade(&w, "/", "");
    client(&half);
    web_say(&half, "GET /");
    loop_settle(l, 0);
    server_close(f.s, on_done, &f);
    web_turn(&w);
    CHECK_INT(w.code, 1001);
    CHECK(w.is_eof);
    CHECK_INT(f.closed, 1);
    CHECK_INT(f.code, 1001);
    loop_advance(l, 200); /* those that do not hang up themselves */
    CHECK_INT(f.done, 1);
    web_free(&w);
    web_free(&half);
    CHECK_INT(loop_timer_count(l), 0);
    loop_free(l);
    ln_clock_real();
}

static int tcp_connect(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    return fd;
}

TEST(listening_for_real_and_a_port_that_is_taken) {
    struct web w;
    struct ln_err err = {0};
    start((struct server_opts){.port = 0});
    int port = server_port(f.s);
    CHECK(port > 0);
    web_init(&w, l, tcp_connect(port));
    web_upgrade(&w, "/x", "");
    CHECK_STR(ln_str(f.path), "/x 127.0.0.1");
    web_text(&w, "over TCP");
    web_turn(&w);
    CHECK_STR(ln_str(f.last), "tover TCP");
    struct server_opts o = {.host = "localhost", .port = port, .max_peers = 1};
    CHECK(server_open(l, &o, &cbs, &f, &err) == NULL);
    CHECK_HAS(err.text, "is taken by another program; --port picks another");
    o.host = "not an address";
    CHECK(server_open(l, &o, &cbs, &f, &err) == NULL);
    CHECK_HAS(err.text, "not an address");
    struct rlimit full, none;
    getrlimit(RLIMIT_NOFILE, &full);
    none = full;
    none.rlim_cur = 3; /* all of them are taken */
    o.host = "127.0.0.1";
    setrlimit(RLIMIT_NOFILE, &none);
    CHECK(server_open(l, &o, &cbs, &f, &err) == NULL);
    setrlimit(RLIMIT_NOFILE, &full);
    CHECK_HAS(err.text, "Too many open files");
    web_free(&w);
    stop();
}

TEST(a_start_that_fails_says_so) {
    static const char *const faults[] = {"server.context", "server.listen"};
    for (size_t i = 0; i < LN_COUNT(faults); i++) {
        struct server_opts o = {.port = 0, .max_peers = 1};
        struct ln_err err = {0};
        struct loop *other = loop_new();
        ln_fault_set(faults[i]);
        CHECK(server_open(other, &o, &cbs, &f, &err) == NULL);
        ln_fault_set(NULL);
        CHECK_HAS(err.text, "libwebsockets did not start");
        CHECK((strstr(err.text, "libwebsockets-evlib-uv") != NULL) == (i == 0));
        loop_free(other);
    }
}

/* Thousands of clients that do whatever they like and go when they like. */
TEST(storm_of_garbage_and_aborted_handshakes) {
    static const char *const starts[] = {"GET /page HTTP/1.1\r\nHost: x\r\n\r\n",
                                         "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
                                         UPGRADE "Sec-WebSocket-Version: 13\r\n" KEY "\r\n",
                                         "",
                                         "\r\n\r\n",
                                         "PRI * HTTP/2.0\r\n\r\nSM",
                                         "GET /page HTTP/1.1\r\n\r\nGET /hold HTTP/1.1\r\n\r\n",
                                         "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5"
                                         "\r\nhello\r\n0\r\n\r\nPOST / HTTP/1.1\r\n"};
    start(PAIR_ONLY);
    f.echo = true;
    ln_random_fake(7);
    for (int round = 0; round < 3000; round++) {
        char junk[300];
        const char *first = starts[ln_random_u32() % LN_COUNT(starts)];
        size_t n = ln_random_u32() % (strlen(first) + 1);
        int fd = server_pair(f.s);
        if (ln_random_u32() % 2) n = strlen(first);
        CHECK(fd >= 0);
        (void)!write(fd, first, n);
        if (ln_random_u32() % 2) loop_settle(l, 0);
        for (size_t i = 0; i < sizeof junk; i++)
            junk[i] = (char)(i == 0 ? 0x80 | ln_random_u32() : ln_random_u32());
        (void)!write(fd, junk, ln_random_u32() % sizeof junk);
        if (ln_random_u32() % 2) loop_settle(l, 0);
        close(fd);
        if (round % 50 == 0) loop_advance(l, 3000);
    }
    ln_random_fake(0);
    loop_advance(l, 20000);
    CHECK(f.opened > 150);
    CHECK(f.requests > 100);
    CHECK(f.aborted > 100);
    CHECK_INT(f.opened, f.closed);
    stop();
}

TEST_MAIN(T(a_start_that_fails_says_so), T(upgrades_that_are_none), T(messages_go_both_ways),
          T(messages_in_the_same_bytes_as_the_handshake),
          T(fragments_and_single_bytes_make_whole_messages), T(broken_frames_close_with_their_code),
          T(slow_reader_is_dropped_and_no_other), T(slow_reader_that_catches_up_gets_everything),
          T(pings_without_end_and_answers_unread), T(drops_from_inside_callbacks),
          T(silent_and_slow_requests_time_out), T(caps_on_clients_and_connections),
          T(closing_tells_clients_and_ends), T(listening_for_real_and_a_port_that_is_taken),
          T(storm_of_garbage_and_aborted_handshakes))
