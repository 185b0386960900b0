/* SPDX-License-Identifier: MIT
 *
 * The way to an open stream: DNS, every address, attempts that overlap, Unix sockets, errors in
 * words, and closing while it is under way.
 */
#include <sys/resource.h>
#include <sys/un.h>

#include "stream_line.h"

TEST(refused_names_address_and_port) {
    struct line l;
    uint16_t port;
    begin();
    int dead = peer_dead_port(&port);
    open_to(&l, (struct stream_opts){.host = "127.0.0.1", .port = port});
    loop_settle(loop, 0);
    check_error(&l, PHASE_TCP, LN_REFUSED, fmt("TCP: connection refused (127.0.0.1:%u)", port));
    open_to(&l, (struct stream_opts){.host = "::1", .port = port});
    loop_settle(loop, 0);
    CHECK_INT(l.closed, 1);
    CHECK_HAS(l.err.text, fmt("([::1]:%u)", port)); /* refused, or no IPv6 here at all */
    close(dead);
    end();
}

TEST(dns_errors_name_the_host) {
    struct line l;
    begin();
    ln_fault_set("stream.dns");
    open_to(&l, (struct stream_opts){.host = "chat.example", .port = 1});
    loop_settle(loop, 0);
    check_error(&l, PHASE_DNS, LN_NOT_FOUND, "DNS: injected fault");
    ln_fault_set(NULL);
    /* No name at all can look like this, so the answer is the same without a network. */
    open_to(&l, (struct stream_opts){.host = "no..such..name", .port = 1});
    CHECK(loop_settle(loop, 0)); /* waits for the thread that looks up */
    CHECK_INT(l.closed, 1);
    CHECK_INT(l.phase, PHASE_DNS);
    CHECK_HAS(l.err.text, "DNS: no address for no..such..name: ");
    char endless[400];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    open_to(&l, (struct stream_opts){.host = endless, .port = 1});
    loop_settle(loop, 0);
    CHECK_INT(l.closed, 1);
    CHECK_HAS(l.err.text, "DNS: no address for aaa");
    end();
}

TEST(a_name_is_looked_up_off_the_loop) {
    struct line l;
    uint16_t port = 0;
    begin();
    int listener = peer_listen("127.0.0.1", &port, 8);
    open_to(&l, (struct stream_opts){.host = "localhost", .port = port});
    CHECK_INT(stream_phase_of(l.s), PHASE_DNS);
    loop_settle(loop, 0);
    CHECK_INT(l.opened, 1); /* ::1, if that came first, was refused */
    CHECK_STR(stream_peer(l.s), fmt("127.0.0.1:%u", port));
    finish(&l);
    close(listener);
    end();
}

TEST(a_resolver_that_never_answers_times_out) {
    struct line l;
    begin();
    ln_fault_set("stream.dns_hang");
    open_to(&l, (struct stream_opts){.host = "chat.example", .port = 1, .timeout_ms = 3000});
    loop_advance(loop, 2999);
    CHECK_INT(l.closed, 0);
    CHECK_STR(stream_peer(l.s), "");
    loop_advance(loop, 1);
    check_error(&l, PHASE_DNS, LN_TIMEOUT, "DNS: timed out after 3 s (chat.example)");
    end();
}

/* A listener whose queue is full: the kernel drops the first packet of whoever comes now. */
static int black_hole(uint16_t *port, int fill[2]) {
    int listener = peer_listen("127.0.0.1", port, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(*port)};
    inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
    for (int i = 0; i < 2; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fill[i], (struct sockaddr *)&a, sizeof a);
    }
    return listener;
}

TEST(a_black_hole_times_out) {
    struct line l;
    uint16_t port = 0;
    int fill[2];
    begin();
    int listener = black_hole(&port, fill);
    open_to(&l, (struct stream_opts){.host = "127.0.0.1", .port = port});
    loop_advance(loop, 19999);
    CHECK_INT(l.closed, 0);
    CHECK_INT(stream_phase_of(l.s), PHASE_TCP);
    loop_advance(loop, 1);
    check_error(&l, PHASE_TCP, LN_TIMEOUT, fmt("TCP: timed out after 20 s (127.0.0.1:%u)", port));
    close(fill[0]);
    close(fill[1]);
    close(listener);
    end();
}

/* RFC 8305 5: a dead address costs a quarter of a second. */
TEST(the_next_address_is_tried_while_the_first_is_still_silent) {
    struct line l;
    struct peer p;
    uint16_t port = 0;
    int fill[2];
    begin();
    int listener = black_hole(&port, fill), good = peer_listen("127.0.0.9", &port, 8);
    open_to(&l, (struct stream_opts){.host = "chat.example",
                                     .port = port,
                                     .addresses = "127.0.0.1, 127.0.0.9",
                                     .timeout_ms = 10000});
    loop_advance(loop, 249);
    CHECK_INT(l.opened, 0);
    loop_advance(loop, 1);
    CHECK_INT(l.opened, 1);
    CHECK_STR(stream_peer(l.s), fmt("127.0.0.9:%u", port));
    CHECK_INT(loop_timer_count(loop), 0);
    CHECK(peer_accept(&p, good));
    finish(&l); /* and end() counts the descriptors: that of the first attempt is closed */
    peer_close(&p);
    close(fill[0]);
    close(fill[1]);
    close(listener);
    close(good);
    end();
}

TEST(a_slow_address_is_waited_for_when_the_others_refuse) {
    struct line l;
    struct peer p;
    uint16_t port = 0;
    int fill[2];
    begin();
    int listener = black_hole(&port, fill);
    open_to(&l, (struct stream_opts){.host = "chat.example",
                                     .port = port,
                                     .addresses = "127.0.0.1,127.0.0.2,127.0.0.3",
                                     .timeout_ms = 10000});
    loop_advance(loop, 5000); /* the others were refused; the first is all that is left */
    CHECK_INT(l.opened + l.closed, 0);
    loop_advance(loop, 5000);
    char want[160];
    snprintf(want, sizeof want,
             "TCP: timed out after 10 s (127.0.0.1:%u); connection refused (127.0.0.2:%u, "
             "127.0.0.3:%u)",
             port, port, port);
    check_error(&l, PHASE_TCP, LN_REFUSED, want);
    int late = peer_listen("127.0.0.4", &port, 8);
    open_to(&l, (struct stream_opts){.host = "chat.example",
                                     .port = port,
                                     .addresses = "127.0.0.1,127.0.0.5,127.0.0.6,127.0.0.4"});
    loop_advance(loop, 250); /* refusals do not wait for their turn */
    CHECK_INT(l.opened, 1);
    CHECK(peer_accept(&p, late));
    finish(&l);
    peer_close(&p);
    close(fill[0]);
    close(fill[1]);
    close(listener);
    close(late);
    end();
}

TEST(those_whose_turn_never_came_are_not_blamed) {
    struct line l;
    uint16_t port = 0;
    int fill[2];
    begin();
    int listener = black_hole(&port, fill);
    open_to(&l, (struct stream_opts){.host = "chat.example",
                                     .port = port,
                                     .addresses = "127.0.0.1,127.0.0.2",
                                     .timeout_ms = 200});
    loop_advance(loop, 200);
    check_error(&l, PHASE_TCP, LN_TIMEOUT, fmt("TCP: timed out after 200 ms (127.0.0.1:%u)", port));
    close(fill[0]);
    close(fill[1]);
    close(listener);
    end();
}

TEST(the_eighth_address_answers) {
    struct line l;
    uint16_t port = 0;
    begin();
    int good = peer_listen("127.0.0.8", &port, 8);
    open_to(&l, (struct stream_opts){
                    .host = "chat.example",
                    .port = port,
                    .addresses = "127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5,127.0.0.6,"
                                 "127.0.0.7,127.0.0.8"});
    loop_settle(loop, 0);
    CHECK_INT(l.opened, 1);
    CHECK_STR(stream_peer(l.s), fmt("127.0.0.8:%u", port));
    finish(&l);
    close(good);
    end();
}

TEST(when_none_answers_all_are_told) {
    struct line l;
    uint16_t port;
    begin();
    int dead = peer_dead_port(&port);
    open_to(&l, (struct stream_opts){
                    .host = "chat.example",
                    .port = port,
                    .addresses = "127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4,255.255.255.255"});
    loop_settle(loop, 0);
    CHECK_INT(l.phase, PHASE_TCP);
    char want[256];
    snprintf(want, sizeof want,
             "TCP: connection refused (127.0.0.1:%u, 127.0.0.2:%u, 127.0.0.3:%u and 1 more); ",
             port, port, port);
    CHECK_HAS(l.err.text, want);
    CHECK_HAS(l.err.text, fmt("(255.255.255.255:%u)", port));
    CHECK_INT(l.closed, 1);
    open_to(&l,
            (struct stream_opts){.host = "x", .port = port, .addresses = "127.0.0.1,x.example"});
    loop_settle(loop, 0);
    check_error(&l, PHASE_DNS, LN_INVALID, "DNS: `addresses` must hold numeric addresses only");
    close(dead);
    end();
}

TEST(an_injected_refusal_moves_on_to_the_next_address) {
    struct line l;
    uint16_t port = 0;
    begin();
    int good = peer_listen("127.0.0.2", &port, 8);
    ln_fault_set("stream.connect:1");
    open_to(&l,
            (struct stream_opts){.host = "x", .port = port, .addresses = "127.0.0.2 127.0.0.2"});
    loop_settle(loop, 0);
    CHECK_INT(l.opened, 1);
    finish(&l);
    ln_fault_set("stream.connect");
    open_to(&l, (struct stream_opts){.host = "127.0.0.2", .port = port});
    loop_settle(loop, 0);
    check_error(&l, PHASE_TCP, LN_REFUSED, fmt("TCP: connection refused (127.0.0.2:%u)", port));
    close(good);
    end();
}

TEST(no_descriptor_left_is_told_with_the_remedy) {
    struct line l;
    struct rlimit before, none_left;
    begin();
    getrlimit(RLIMIT_NOFILE, &before);
    none_left = before;
    none_left.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none_left);
    open_to(&l, (struct stream_opts){.host = "127.0.0.1", .port = 9});
    for (int i = 0; i < 10; i++) /* settle itself would need a descriptor */
        loop_settle(loop, 1);
    setrlimit(RLIMIT_NOFILE, &before);
    check_error(&l, PHASE_TCP, LN_DISCONNECTED,
                "TCP: too many open files (raise the limit with ulimit -n) (127.0.0.1:9)");
    end();
}

TEST(closing_ends_every_phase_without_an_error) {
    struct line l;
    uint16_t port = 0;
    int fill[2];
    begin();
    open_to(&l, (struct stream_opts){.host = "127.0.0.1", .port = 1}); /* before it begins */
    stream_close(l.s);
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    open_to(&l, (struct stream_opts){.host = "localhost", .port = 1});
    loop_settle(loop, 1); /* the look-up is in its thread */
    stream_close(l.s);
    loop_settle(loop, 1);
    CHECK(l.closed == 1 && !l.has_err);
    CHECK_INT(l.phase, PHASE_DNS);
    loop_settle(loop, 0);
    int listener = black_hole(&port, fill);
    open_to(&l, (struct stream_opts){.host = "127.0.0.1", .port = port});
    loop_settle(loop, 0);
    stream_close(l.s);
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    CHECK_INT(l.phase, PHASE_TCP);
    CHECK_INT(loop_timer_count(loop), 0);
    close(fill[0]);
    close(fill[1]);
    close(listener);
    end();
}

TEST(the_loop_may_go_while_a_name_is_looked_up) {
    struct line l;
    begin();
    open_to(&l, (struct stream_opts){.host = "localhost", .port = 1});
    loop_settle(loop, 1);
    stream_close(l.s);
    end();
    CHECK_INT(l.closed, 1);
}

TEST(an_ipv6_address_is_dialled_like_another) {
    struct line l;
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t n = sizeof a;
    begin();
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool has_it = fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 && listen(fd, 8) == 0;
    if (has_it) getsockname(fd, (struct sockaddr *)&a, &n);
    uint16_t port = has_it ? ntohs(a.sin6_port) : 9;
    open_to(&l, (struct stream_opts){.host = "::1", .port = port});
    loop_settle(loop, 0);
    CHECK_INT(l.opened, has_it);
    if (has_it)
        CHECK_STR(stream_peer(l.s), fmt("[::1]:%u", port));
    else /* a machine without IPv6 says so */
        CHECK_HAS(l.err.text, "([::1]:9)");
    if (has_it) finish(&l);
    if (fd >= 0) close(fd);
    end();
}

/* --- Unix sockets --- */

static char unix_dir[32], unix_path[64];
static int unix_listen(int backlog) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(unix_dir, "/tmp/linnet-unix-XXXXXX");
    if (!mkdtemp(unix_dir)) abort();
    snprintf(unix_path, sizeof unix_path, "%s/x.sock", unix_dir);
    strcpy(a.sun_path, unix_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, backlog) != 0) abort();
    return fd;
}
static void unix_remove(int listener) {
    close(listener);
    unlink(unix_path);
    rmdir(unix_dir);
}

TEST(a_unix_socket_is_a_line_like_another) {
    struct line l;
    struct peer p;
    begin();
    int listener = unix_listen(8);
    open_to(&l, (struct stream_opts){.host = "localhost", .unix_path = unix_path});
    CHECK_INT(stream_phase_of(l.s), PHASE_TCP);
    l.say_in_open = "hello";
    loop_settle(loop, 0);
    CHECK_INT(l.opened, 1);
    CHECK_STR(stream_peer(l.s), unix_path);
    CHECK(peer_accept(&p, listener));
    peer_pump(loop, &p);
    CHECK_STR(ln_buf_get(&p.in), "hello");
    finish(&l);
    peer_close(&p);
    unix_remove(listener);
    end();
}

TEST(a_unix_socket_that_is_none_is_named) {
    struct line l;
    char want[256], endless[200];
    begin();
    open_to(&l, (struct stream_opts){.unix_path = "/nowhere/x.sock"});
    loop_settle(loop, 0);
    check_error(&l, PHASE_TCP, LN_NOT_FOUND,
                "Unix socket: no such file or directory (/nowhere/x.sock)");
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    open_to(&l, (struct stream_opts){.unix_path = endless});
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && l.err.code == LN_INVALID);
    CHECK_HAS(l.err.text, "Unix socket: the path is longer than 107 bytes: aaaa");
    int listener = unix_listen(0), fill = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, unix_path);
    CHECK_INT(connect(fill, (struct sockaddr *)&a, sizeof a), 0);
    open_to(&l, (struct stream_opts){.unix_path = unix_path});
    loop_settle(loop, 0);
    snprintf(want, sizeof want, "Unix socket: the server takes no more connections for now (%s)",
             unix_path);
    check_error(&l, PHASE_TCP, LN_DISCONNECTED, want);
    close(listener); /* the file stays: a server that is gone */
    open_to(&l, (struct stream_opts){.unix_path = unix_path});
    loop_settle(loop, 0);
    snprintf(want, sizeof want, "Unix socket: connection refused (%s)", unix_path);
    check_error(&l, PHASE_TCP, LN_REFUSED, want);
    close(fill);
    unix_remove(-1);
    end();
}

TEST_MAIN(T(refused_names_address_and_port), T(dns_errors_name_the_host),
          T(a_name_is_looked_up_off_the_loop), T(a_resolver_that_never_answers_times_out),
          T(a_black_hole_times_out), T(the_next_address_is_tried_while_the_first_is_still_silent),
          T(a_slow_address_is_waited_for_when_the_others_refuse),
          T(those_whose_turn_never_came_are_not_blamed), T(the_eighth_address_answers),
          T(when_none_answers_all_are_told), T(an_injected_refusal_moves_on_to_the_next_address),
          T(no_descriptor_left_is_told_with_the_remedy),
          T(closing_ends_every_phase_without_an_error),
          T(the_loop_may_go_while_a_name_is_looked_up), T(an_ipv6_address_is_dialled_like_another),
          T(a_unix_socket_is_a_line_like_another), T(a_unix_socket_that_is_none_is_named))
