/* SPDX-License-Identifier: MIT
 *
 * Open streams without TLS: gathered writes, ends of both kinds, a slow reader, pauses, fairness,
 * and closing inside every callback. io_dial_test.c has the way to open.
 */
#include "stream_line.h"

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
    ln_fault_set("stream.write");
    say(&l, "x");
    loop_settle(loop, 1);
    CHECK_INT(l.closed, 0);
    stream_close(l.s);
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    peer_close(&p);

    adopt(&l, &p); /* nor does a last write that fails make an error of it */
    loop_settle(loop, 0);
    say(&l, "x");
    stream_close(l.s);
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    peer_close(&p);
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
          T(a_failed_write_of_a_paused_stream_ends_it), T(closing_inside_each_callback),
          T(a_slow_reader_fills_the_queue_and_gets_every_byte),
          T(closing_does_not_wait_for_a_slow_reader),
          T(a_paused_stream_reads_nothing_until_it_is_resumed),
          T(a_firehose_leaves_others_their_turn), T(phases_have_names))
