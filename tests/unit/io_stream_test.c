/* SPDX-License-Identifier: MIT
 *
 * Streams without TLS: every phase's errors in words, many addresses, gathered writes, a slow
 * reader, pauses, and closing inside every callback.
 */
#include "base/clock.h"
#include "io/stream.h"
#include "peer.h"
#include "test.h"

enum where { NOWHERE, IN_OPEN, IN_DATA, IN_DRAINED };

struct line {
    struct stream *s;
    int opened, closed, drained, datas;
    enum stream_phase phase;
    bool has_err;
    struct ln_err err;
    struct ln_buf got;
    enum where close_in, pause_in;
    const char *say_in_open;
};

static struct loop *loop;

static void on_open(void *ud) {
    struct line *l = ud;
    l->opened++;
    CHECK_INT(stream_phase_of(l->s), PHASE_OPEN);
    if (l->say_in_open) {
        ln_buf_puts(stream_out(l->s), l->say_in_open);
        stream_send(l->s);
    }
    if (l->close_in == IN_OPEN) stream_close(l->s);
}
static void on_data(void *ud, char *p, size_t n) {
    struct line *l = ud;
    CHECK(l->opened == 1 && l->closed == 0);
    l->datas++;
    ln_buf_add(&l->got, p, n);
    memset(p, '!', n); /* may be changed in place */
    if (l->pause_in == IN_DATA) stream_pause(l->s, true);
    if (l->close_in == IN_DATA) {
        stream_close(l->s);
        stream_close(l->s);
    }
}
static void on_closed(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct line *l = ud;
    l->closed++;
    l->phase = phase;
    l->has_err = err != NULL;
    if (err) l->err = *err;
    stream_send(l->s); /* all of it does nothing by now, and does no harm */
    stream_close(l->s);
    l->s = NULL;
}
static void on_drained(void *ud) {
    struct line *l = ud;
    l->drained++;
    if (l->close_in == IN_DRAINED) stream_close(l->s);
}
static const struct stream_cbs cbs = {on_open, on_data, on_closed, on_drained};

static void begin(void) {
    ln_clock_fake(1700000000000);
    loop = loop_new();
}
static void end(void) {
    loop_free(loop);
    ln_fault_set(NULL);
    ln_clock_real();
}
static void open_to(struct line *l, struct stream_opts o) {
    *l = (struct line){0};
    l->s = stream_open(loop, &o, &cbs, l);
    CHECK_INT(l->closed + l->opened, 0); /* never from inside */
}
static void adopt(struct line *l, struct peer *p) {
    *l = (struct line){0};
    l->s = stream_adopt(loop, peer_pair(p), &cbs, l);
}
static void finish(struct line *l) {
    if (l->s) stream_close(l->s);
    loop_settle(loop, 0);
    CHECK_INT(l->closed, 1);
    ln_buf_free(&l->got);
}
static void say(struct line *l, const char *text) {
    ln_buf_puts(stream_out(l->s), text);
    stream_send(l->s);
}
/* The stream must have ended with this error. */
static void check_error(struct line *l, enum stream_phase phase, ln_status code, const char *text) {
    CHECK_INT(l->closed, 1);
    CHECK_INT(l->phase, phase);
    CHECK(l->has_err);
    CHECK_INT(l->err.code, code);
    CHECK_STR(ln_str(l->err.text), text);
    ln_buf_free(&l->got);
}
static const char *fmt(const char *format, unsigned port) {
    static char text[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, format, port);
#pragma GCC diagnostic pop
    return text;
}

TEST(bytes_go_both_ways_over_tcp) {
    struct line l;
    struct peer p;
    uint16_t port = 0;
    begin();
    int listener = peer_listen("127.0.0.1", &port, 8);
    open_to(&l, (struct stream_opts){.host = "127.0.0.1", .port = port});
    l.say_in_open = "hello";
    loop_settle(loop, 0);
    CHECK_INT(l.opened, 1);
    CHECK_STR(stream_peer(l.s), fmt("127.0.0.1:%u", port));
    CHECK(peer_accept(&p, listener));
    peer_pump(loop, &p);
    CHECK_STR(ln_buf_get(&p.in), "hello");
    CHECK_INT(l.drained, 1);
    peer_say(&p, "world");
    loop_settle(loop, 0);
    CHECK_STR(ln_buf_get(&l.got), "world");
    stream_close(l.s);
    CHECK_INT(l.closed, 0); /* not from inside */
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    CHECK_INT(l.phase, PHASE_OPEN);
    peer_pump(loop, &p);
    CHECK(p.eof);
    ln_buf_free(&l.got);
    peer_close(&p);
    close(listener);
    end();
}

TEST(everything_of_one_turn_leaves_in_one_piece) {
    struct line l;
    struct peer p;
    int fds[2];
    begin();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds)) abort(); /* keeps the pieces */
    p = (struct peer){.fd = fds[0]};
    l = (struct line){0};
    l.s = stream_adopt(loop, fds[1], &cbs, &l);
    loop_settle(loop, 0);
    for (int i = 0; i < 100; i++)
        say(&l, "ten bytes.");
    CHECK_INT(stream_queued(l.s), 1000);
    loop_settle(loop, 0);
    CHECK_INT(stream_queued(l.s), 0);
    CHECK(peer_read(&p, SIZE_MAX));
    CHECK_INT(p.in.n, 1000);
    CHECK_INT(l.drained, 1);
    finish(&l);
    peer_close(&p);
    end();
}

TEST(what_is_said_before_it_is_open_waits) {
    struct line l;
    struct peer p;
    begin();
    adopt(&l, &p);
    say(&l, "early ");
    l.say_in_open = "open";
    peer_pump(loop, &p);
    CHECK_STR(ln_buf_get(&p.in), "early open");
    finish(&l);
    peer_close(&p);
    end();
}

TEST(closing_flushes_what_fits) {
    struct line l;
    struct peer p;
    begin();
    adopt(&l, &p);
    loop_settle(loop, 0);
    say(&l, "last words");
    stream_close(l.s);
    peer_pump(loop, &p);
    CHECK_STR(ln_buf_get(&p.in), "last words");
    CHECK(p.eof);
    CHECK_INT(l.drained, 0);
    finish(&l);
    peer_close(&p);
    end();
}

TEST(the_peers_end_is_told_after_its_last_bytes) {
    struct line l;
    struct peer p;
    begin();
    adopt(&l, &p);
    loop_settle(loop, 0);
    peer_say(&p, "bye");
    peer_close(&p);
    loop_settle(loop, 0);
    CHECK_STR(ln_buf_get(&l.got), "bye");
    check_error(&l, PHASE_OPEN, LN_DISCONNECTED, "closed by the peer");
    end();
}

TEST(a_reset_is_told_after_its_last_bytes) {
    struct line l;
    struct peer p;
    uint16_t port = 0;
    begin();
    int listener = peer_listen("127.0.0.1", &port, 8);
    open_to(&l, (struct stream_opts){.host = "127.0.0.1", .port = port});
    loop_settle(loop, 0);
    CHECK(peer_accept(&p, listener));
    peer_reset(&p);
    loop_settle(loop, 0);
    check_error(&l, PHASE_OPEN, LN_DISCONNECTED, "connection reset by peer");
    close(listener);
    end();
}

TEST(a_failed_write_still_reads_what_the_peer_said) {
    struct line l;
    struct peer p;
    begin();
    adopt(&l, &p);
    loop_settle(loop, 0);
    peer_say(&p, "go away");
    ln_fault_set("stream.write");
    say(&l, "x");
    loop_settle(loop, 0);
    CHECK_STR(ln_buf_get(&l.got), "go away");
    check_error(&l, PHASE_OPEN, LN_DISCONNECTED, "broken pipe");
    peer_close(&p);
    end();
}

TEST(a_failed_write_of_a_paused_stream_ends_it) {
    struct line l;
    struct peer p;
    begin();
    adopt(&l, &p);
    loop_settle(loop, 0);
    stream_pause(l.s, true);
    peer_say(&p, "unread");
    ln_fault_set("stream.write:1");
    say(&l, "x");
    loop_settle(loop, 0);
    CHECK_INT(l.datas, 0);
    check_error(&l, PHASE_OPEN, LN_DISCONNECTED, "broken pipe");
    peer_close(&p);
    end();
}

/* --- failures on the way to open --- */

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

TEST(each_address_has_its_share_of_the_time) {
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
    loop_advance(loop, 4999);
    CHECK_INT(l.opened, 0);
    loop_advance(loop, 1);
    CHECK_INT(l.opened, 1);
    CHECK(peer_accept(&p, good));
    finish(&l);
    peer_close(&p);
    close(fill[0]);
    close(fill[1]);
    close(listener);
    close(good);
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

/* --- closing while something is under way --- */

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

TEST(closing_inside_each_callback) {
    struct line l;
    struct peer p;
    begin();
    adopt(&l, &p);
    l.close_in = IN_OPEN;
    l.say_in_open = "hi";
    peer_pump(loop, &p);
    CHECK_STR(ln_buf_get(&p.in), "hi");
    CHECK(p.eof);
    CHECK(l.closed == 1 && !l.has_err);
    peer_close(&p);

    adopt(&l, &p);
    l.close_in = IN_DATA;
    loop_settle(loop, 0);
    peer_say(&p, "one");
    peer_say(&p, "two");
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && l.datas == 1 && !l.has_err);
    ln_buf_free(&l.got);
    peer_close(&p);

    adopt(&l, &p);
    l.close_in = IN_DRAINED;
    loop_settle(loop, 0);
    say(&l, "x");
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && l.drained == 1 && !l.has_err);
    peer_close(&p);

    adopt(&l, &p); /* an end that is not told yet becomes ours when we close first */
    loop_settle(loop, 0);
    peer_close(&p);
    l.close_in = IN_DATA;
    ln_fault_set("stream.write");
    say(&l, "x");
    stream_close(l.s);
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    end();
}

/* --- pace --- */

TEST(a_slow_reader_fills_the_queue_and_gets_every_byte) {
    enum { SIZE = 3 * 1024 * 1024 };
    struct line l;
    struct peer p;
    begin();
    adopt(&l, &p);
    loop_settle(loop, 0);
    char *out = ln_buf_room(stream_out(l.s), SIZE);
    for (int i = 0; i < SIZE; i++)
        out[i] = (char)(i * 7 + i / 251);
    stream_out(l.s)->n += SIZE;
    stream_send(l.s);
    loop_settle(loop, 0);
    CHECK(stream_queued(l.s) > 0 && stream_queued(l.s) < SIZE);
    CHECK_INT(l.drained, 0);
    while (p.in.n < SIZE) {
        size_t before = p.in.n;
        peer_read(&p, 50000);
        loop_settle(loop, 0);
        CHECK(p.in.n > before);
        if (p.in.n == before) break;
    }
    CHECK_INT(l.drained, 1);
    CHECK_INT(stream_queued(l.s), 0);
    int wrong = 0;
    for (size_t i = 0; i < p.in.n; i++)
        wrong += p.in.p[i] != (char)((int)i * 7 + (int)i / 251);
    CHECK_INT(wrong, 0);
    finish(&l);
    peer_close(&p);
    end();
}

TEST(closing_does_not_wait_for_a_slow_reader) {
    struct line l;
    struct peer p;
    begin();
    adopt(&l, &p);
    loop_settle(loop, 0);
    memset(ln_buf_room(stream_out(l.s), 1 << 20), 'x', 1 << 20);
    stream_out(l.s)->n = 1 << 20;
    stream_send(l.s);
    loop_settle(loop, 0);
    stream_close(l.s);
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    peer_close(&p);
    adopt(&l, &p); /* and a peer that goes while bytes wait is an error like another */
    loop_settle(loop, 0);
    memset(ln_buf_room(stream_out(l.s), 1 << 20), 'x', 1 << 20);
    stream_out(l.s)->n = 1 << 20;
    stream_send(l.s);
    loop_settle(loop, 0);
    peer_close(&p);
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && l.has_err);
    CHECK_INT(l.err.code, LN_DISCONNECTED);
    end();
}

TEST(a_paused_stream_reads_nothing_until_it_is_resumed) {
    struct line l;
    struct peer p;
    begin();
    adopt(&l, &p);
    loop_settle(loop, 0);
    l.pause_in = IN_DATA;
    peer_say(&p, "one");
    loop_settle(loop, 0);
    peer_say(&p, "two");
    peer_close(&p);
    CHECK(loop_settle(loop, 0)); /* nor does it keep the loop awake */
    CHECK_STR(ln_buf_get(&l.got), "one");
    CHECK_INT(l.closed, 0);
    l.pause_in = NOWHERE;
    stream_pause(l.s, false);
    loop_settle(loop, 0);
    CHECK_STR(ln_buf_get(&l.got), "onetwo");
    check_error(&l, PHASE_OPEN, LN_DISCONNECTED, "closed by the peer");
    end();
}

static struct line *busy;
static size_t busy_when_quiet;
static void on_quiet_data(void *ud, char *p, size_t n) {
    busy_when_quiet = busy->got.n;
    on_data(ud, p, n);
}

TEST(a_firehose_leaves_others_their_turn) {
    enum { SIZE = 4 * 1024 * 1024 };
    static const struct stream_cbs quiet_cbs = {on_open, on_quiet_data, on_closed, on_drained};
    struct line a, b = {0};
    struct peer p, q;
    begin();
    int big = SIZE;
    adopt(&a, &p);
    b.s = stream_adopt(loop, peer_pair(&q), &quiet_cbs, &b);
    busy = &a;
    loop_settle(loop, 0);
    setsockopt(p.fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
    char *bytes = ln_alloc(SIZE);
    ssize_t sent = send(p.fd, bytes, SIZE, MSG_NOSIGNAL);
    CHECK(sent > 0);
    peer_say(&q, "me too");
    loop_settle(loop, 0);
    CHECK_INT(a.got.n, sent);
    CHECK_STR(ln_buf_get(&b.got), "me too");
    CHECK(busy_when_quiet <= 8 * 65536);
    ln_free(bytes);
    finish(&a);
    finish(&b);
    peer_close(&p);
    peer_close(&q);
    end();
}

TEST(phases_have_names) {
    CHECK_STR(ln_str(stream_phase_name(PHASE_DNS)), "dns");
    CHECK_STR(ln_str(stream_phase_name(PHASE_HTTP)), "upgrade");
    CHECK_STR(ln_str(stream_phase_name(PHASE_OPEN)), "open");
}

TEST_MAIN(T(bytes_go_both_ways_over_tcp), T(everything_of_one_turn_leaves_in_one_piece),
          T(what_is_said_before_it_is_open_waits), T(closing_flushes_what_fits),
          T(the_peers_end_is_told_after_its_last_bytes), T(a_reset_is_told_after_its_last_bytes),
          T(a_failed_write_still_reads_what_the_peer_said),
          T(a_failed_write_of_a_paused_stream_ends_it), T(refused_names_address_and_port),
          T(dns_errors_name_the_host), T(a_name_is_looked_up_off_the_loop),
          T(a_resolver_that_never_answers_times_out), T(a_black_hole_times_out),
          T(each_address_has_its_share_of_the_time), T(the_eighth_address_answers),
          T(when_none_answers_all_are_told), T(an_injected_refusal_moves_on_to_the_next_address),
          T(closing_ends_every_phase_without_an_error),
          T(the_loop_may_go_while_a_name_is_looked_up), T(closing_inside_each_callback),
          T(a_slow_reader_fills_the_queue_and_gets_every_byte),
          T(closing_does_not_wait_for_a_slow_reader),
          T(a_paused_stream_reads_nothing_until_it_is_resumed),
          T(a_firehose_leaves_others_their_turn), T(phases_have_names))
