/* SPDX-License-Identifier: MIT
 *
 * The server's HTTP: kept connections, requests in a row and ahead of their answers, bodies of both
 * framings in any pieces, answers that come later, and every request that is no good one; and the
 * Unix socket to listen on.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "server_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST(path, headers) "POST " path " HTTP/1.1\r\nHost: x\r\n" headers "\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

/* How many answers came, and forgets them. */
static int answers(struct web *w) {
    int n = 0;
    for (const char *p = web_answer(w); (p = strstr(p, "HTTP/1.1 ")); p++)
        n++;
    ln_buf_clear(&w->in);
    return n;
}

static void next(struct web *w, const char *text) {
    ln_buf_clear(&w->in);
    web_say(w, text);
    web_turn(w);
}

TEST(requests_follow_each_other_on_a_connection) {
    struct web w;
    start(PAIR_ONLY);
    ask(&w, "GET /page?a=1&b HTTP/1.1\r\nHost: x\r\nX-Thing: yes\r\n\r\n");
    CHECK_STR(ln_str(f.path), "GET|/page|a=1&b||yes");
    CHECK_STR(ln_buf_get(&w.in),
              "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 8\r\n"
              "X-One: 1\r\n\r\n<p>hello");
    CHECK(!w.is_eof);
    next(&w, "HEAD /page HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_HAS(web_answer(&w), "Content-Length: 8\r\n");
    CHECK(!strstr(web_answer(&w), "hello"));
    next(&w, "\r\n" POST("/none", "Content-Length: 5\r\n") "ab"); /* RFC 9112 2.2 */
    CHECK_INT(f.requests, 2);
    web_say(&w, "cde");
    web_turn(&w);
    CHECK_STR(ln_str(f.path), "POST|/none||abcde|");
    CHECK_INT(web_status(&w), 404);
    CHECK_HAS(web_answer(&w), "\r\n\r\nNot Found\n");
    next(&w, "GET /page HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n");
    CHECK_HAS(web_answer(&w), "\r\nConnection: close\r\n");
    CHECK(w.is_eof);
    web_free(&w);
    ask(&w, "GET /page HTTP/1.0\r\n\r\n");
    CHECK_HAS(web_answer(&w), "\r\nConnection: close\r\n");
    CHECK(w.is_eof);
    web_free(&w);
    stop();
}

TEST(pipelined_requests_are_answered_in_order) {
    struct web w;
    start(PAIR_ONLY);
    ask(&w, POST("/a", "Content-Length: 2\r\n") "hi" GET("/page")
                POST("/b", CHUNKED) "2\r\nyo\r\n0\r\n\r\n" GET("/big"));
    const char *all = web_answer(&w);
    CHECK_INT(f.requests, 4);
    CHECK_STR(ln_str(f.path), "GET|/big|||");
    CHECK_INT(strncmp(all, "HTTP/1.1 404", 12), 0);
    const char *page = strstr(all, "<p>hello"),
               *last = strstr(all, "HTTP/1.1 200 OK\r\nContent-Length: 0");
    CHECK(page && last && page < last);
    CHECK_INT(answers(&w), 4);
    struct ln_buf b = {0};
    for (int i = 0; i < 500; i++)
        ln_buf_puts(&b, GET("/page"));
    web_write(&w, b.p, b.n);
    for (int i = 0; i < 20; i++)
        web_turn(&w);
    CHECK_INT(answers(&w), 500);
    ln_buf_free(&b);
    web_free(&w);
    stop();
}

TEST(answers_do_not_pile_up_for_who_reads_none) {
    struct web w;
    struct ln_buf b = {0};
    size_t n = 3000000;
    char *big = ln_alloc(n);
    memset(big, 'x', n);
    start(PAIR_ONLY);
    f.big = (struct ln_str){big, n};
    client(&w);
    w.is_slow = true;
    for (int i = 0; i < 50; i++)
        ln_buf_puts(&b, GET("/big"));
    web_write(&w, b.p, b.n);
    web_turn(&w);
    CHECK_INT(f.requests, 1);
    w.is_slow = false;
    for (int i = 0; i < 50; i++)
        web_turn(&w);
    CHECK(f.requests > 1);
    web_free(&w);
    ln_buf_free(&b);
    ln_free(big);
    stop();
}

TEST(large_answers_reach_slow_readers_whole) {
    struct web w;
    size_t n = 3000000;
    char *big = ln_alloc(n + 1);
    memset(big, 'x', n);
    start((struct server_opts){.port = -1, .idle_ms = 10000});
    f.big = (struct ln_str){big, n};
    client(&w);
    w.is_slow = true;
    web_say(&w, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_advance(l, 9000);
    w.is_slow = false;
    for (int i = 0; i < 50; i++)
        web_turn(&w);
    CHECK(w.in.n > n);
    CHECK(!w.is_eof);
    web_free(&w);
    client(&w); /* and who never reads does not stay */
    w.is_slow = true;
    web_say(&w, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_advance(l, 25001);
    w.is_slow = false;
    web_turn(&w);
    CHECK(w.is_eof);
    CHECK(w.in.n < n);
    web_free(&w);
    ln_free(big);
    stop();
}

/* Reads n bytes of what waits; how many came. */
static size_t sip(struct web *w, size_t n) {
    size_t before = w->in.n;
    ssize_t got = 1;
    while (w->in.n - before < n && got > 0) {
        got = recv(w->fd, ln_buf_room(&w->in, 4096), 4096, MSG_DONTWAIT);
        if (got > 0) w->in.n += (size_t)got;
    }
    return w->in.n - before;
}

TEST(who_reads_slowly_but_steadily_gets_everything) {
    static const char *const requests[] = {"GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
                                           "GET /big HTTP/1.0\r\nHost: x\r\n\r\n"};
    size_t n = 3000000;
    char *big = ln_alloc(n);
    memset(big, 'x', n);
    start(PAIR_ONLY);
    f.big = (struct ln_str){big, n};
    for (size_t i = 0; i < LN_COUNT(requests); i++) {
        struct web w;
        client(&w);
        w.is_slow = true;
        web_say(&w, requests[i]);
        for (size_t got = 1; got > 0 && w.in.n <= n; got = sip(&w, 250000))
            loop_advance(l, 4000);
        CHECK(w.in.n > n);
        web_free(&w);
        client(&w); /* but not by drops */
        w.is_slow = true;
        web_say(&w, requests[i]);
        for (int k = 0; k < 20; k++, sip(&w, 1))
            loop_advance(l, 9000);
        while (sip(&w, n) > 0)
            loop_settle(l, 0);
        CHECK(w.in.n < n);
        web_free(&w);
    }
    ln_free(big);
    stop();
}

TEST(bodies_in_any_pieces) {
    static const char request[] =
        POST("/x", CHUNKED) "5;ext=1\r\nhello\r\n1\r\n \r\n00A\r\nwide world\r\n0\r\nTrail: "
                            "er\r\n\r\n" POST("/y", "Content-Length: 3\r\n") "abc" GET("/page");
    struct web w;
    start(PAIR_ONLY);
    client(&w);
    for (const char *p = request; *p; p++) {
        web_write(&w, p, 1);
        loop_settle(l, 0);
        if (f.requests == 1) CHECK_STR(ln_buf_get(&f.body), "hello wide world");
        if (f.requests == 2) CHECK_STR(ln_buf_get(&f.body), "abc");
    }
    web_turn(&w);
    CHECK_INT(f.requests, 3);
    CHECK_INT(f.begun, 2);
    CHECK_INT(answers(&w), 3);
    web_free(&w);
    stop();
}

TEST(large_bodies_have_a_limit) {
    struct web w;
    struct ln_buf b = {0};
    char *big = ln_alloc(70001);
    memset(big, 'x', 70000);
    big[70000] = 0;
    start((struct server_opts){.port = -1, .max_message = 70000});
    ln_buf_fmt(&b, POST("/x", "Content-Length: 70000\r\n") "%s" GET("/page"), big);
    client(&w);
    web_write(&w, b.p, b.n);
    web_turn(&w);
    CHECK_INT(f.requests, 2);
    CHECK_INT(f.body.n, 0);
    CHECK_INT(answers(&w), 2);
    ln_buf_clear(&b);
    ln_buf_fmt(&b, POST("/x", CHUNKED) "11170\r\n%s\r\n0\r\n\r\n", big);
    web_write(&w, b.p, b.n);
    web_turn(&w);
    CHECK_INT(f.body.n, 70000);
    ln_buf_clear(&b);
    ln_buf_fmt(&b, POST("/x", CHUNKED) "11170\r\n%s\r\n1\r\nx\r\n0\r\n\r\n", big);
    ln_buf_clear(&w.in);
    web_write(&w, b.p, b.n);
    web_turn(&w);
    CHECK_INT(web_status(&w), 413);
    CHECK(w.is_eof);
    web_free(&w);
    int before = f.requests;
    ask(&w, POST("/x", "Content-Length: 70001\r\n") "x");
    CHECK_INT(web_status(&w), 413);
    CHECK_HAS(web_answer(&w), "X-Begun: 1\r\n");
    web_write(&w, big, 70000); /* it goes on, and still reads the answer */
    web_turn(&w);
    CHECK(w.is_eof);
    web_free(&w);
    CHECK_INT(f.requests, before);
    ln_buf_free(&b);
    ln_free(big);
    stop();
}

TEST(a_body_may_be_refused_before_it_comes) {
    struct web w;
    start(PAIR_ONLY);
    ask(&w, POST("/refuse", "Content-Length: 50000\r\n"));
    CHECK_INT(web_status(&w), 403);
    CHECK_HAS(web_answer(&w), "Connection: close\r\nX-Begun: 1\r\n");
    CHECK(w.is_eof);
    CHECK_INT(f.requests, 0);
    web_free(&w);
    ask(&w, POST("/x", "Expect: 100-Continue\r\nContent-Length: 2\r\n"));
    CHECK_STR(ln_buf_get(&w.in), "HTTP/1.1 100 Continue\r\n\r\n");
    next(&w, "hi" GET("/page"));
    CHECK_INT(answers(&w), 2);
    web_free(&w);
    stop();
}

TEST(bad_requests_are_told_so) {
    struct ln_buf b = {0};
    start(PAIR_ONLY);
    refused("hello\r\n\r\n", 400);
    refused("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n", 400);
    refused("GET nothing HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    refused(POST("/", "Content-Length: -1\r\n"), 400);
    refused(POST("/", "Content-Length: 1\r\nContent-Length: 2\r\n") "xx", 400);
    refused(POST("/", "Content-Length: 0\r\nContent-Length: 5\r\n") "GET /", 400);
    refused(POST("/", "Content-Length: 0, 5\r\n") "GET /", 400);
    refused(POST("/", "Content-Length: 5\r\nContent-Length: 5\r\n") "GET /", 400);
    refused(POST("/", CHUNKED "Transfer-Encoding: identity\r\n") "0\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400);
    refused(POST("/", "Content-Length: 99999999999999999999\r\n"), 400);
    refused(POST("/", "Content-Length: 999999999\r\n"), 413);
    refused(POST("/", CHUNKED "Content-Length: 3\r\n") "0\r\n\r\n", 400);
    refused(POST("/", CHUNKED) "x\r\n", 400);
    refused(POST("/", CHUNKED) "2\r\nhi0\r\n", 400);
    refused(POST("/", CHUNKED) "-1\r\n", 400);
    refused(POST("/", CHUNKED) "ffffffffffffffff\r\n", 400);
    refused("POST / HTTP/1.0\r\n" CHUNKED "\r\n0\r\n\r\n", 400);
    refused(POST("/", "Transfer-Encoding: gzip, chunked\r\n"), 501);
    refused(POST("/", "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 1\r\n"), 400);
    ln_buf_puts(&b, "GET /");
    for (int i = 0; i < 5000; i++)
        ln_buf_putc(&b, 'a');
    ln_buf_puts(&b, " HTTP/1.1\r\nHost: x\r\n\r\n");
    refused(ln_buf_cstr(&b), 414);
    ln_buf_clear(&b);
    ln_buf_puts(&b, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
    for (int i = 0; i < 40000; i++)
        ln_buf_putc(&b, 'a');
    refused(ln_buf_cstr(&b), 431);
    CHECK_INT(f.requests, 0);
    ln_buf_free(&b);
    stop();
}

TEST(an_answer_may_come_later) {
    struct web w;
    struct server_reply r = {.status = 200, .body = LN_STR("at last")};
    start(PAIR_ONLY);
    ask(&w, GET("/hold") GET("/page"));
    CHECK_INT(f.requests, 1);
    CHECK_INT(w.in.n, 0);
    CHECK(server_waits(f.s, f.held));
    loop_advance(l, 100000); /* no other time applies */
    CHECK(server_answer(f.s, f.held, &r));
    CHECK(!server_waits(f.s, f.held));
    CHECK(!server_answer(f.s, f.held, &r)); /* once */
    web_turn(&w);
    CHECK_HAS(web_answer(&w), "\r\n\r\nat lastHTTP/1.1 200 OK\r\n");
    CHECK_HAS(web_answer(&w), "<p>hello");
    CHECK_INT(f.aborted, 0);
    next(&w, "HEAD /hold HTTP/1.0\r\n\r\n");
    CHECK(server_answer(f.s, f.held, &r));
    web_turn(&w);
    CHECK_HAS(web_answer(&w), "Content-Length: 7\r\nConnection: close\r\n");
    CHECK(!strstr(web_answer(&w), "at last"));
    CHECK(w.is_eof);
    web_free(&w);
    stop();
}

TEST(a_held_request_dies_with_its_client) {
    struct web w;
    struct server_reply r = {.status = 200};
    start((struct server_opts){.port = -1, .hold_ms = 30000});
    ask(&w, GET("/hold"));
    web_free(&w);
    loop_settle(l, 0);
    CHECK_INT(f.aborted, 1);
    CHECK(!server_waits(f.s, f.held) && !server_answer(f.s, f.held, &r));
    ask(&w, GET("/hold")); /* nobody answers */
    loop_advance(l, 29999);
    CHECK_INT(f.aborted, 1);
    loop_advance(l, 1);
    web_turn(&w);
    CHECK_INT(f.aborted, 2);
    CHECK_INT(web_status(&w), 503);
    CHECK(w.is_eof && !server_answer(f.s, f.held, &r));
    web_free(&w);
    ask(&w, GET("/hold")); /* who sends without end meanwhile */
    char junk[70000];
    memset(junk, 'j', sizeof junk);
    web_write(&w, junk, sizeof junk);
    web_turn(&w);
    CHECK_INT(f.aborted, 3);
    CHECK_INT(web_status(&w), 400);
    web_free(&w);
    ask(&w, GET("/hold")); /* and the server closes */
    struct web idle, half;
    ask(&idle, GET("/page"));
    ask(&half, POST("/x", "Content-Length: 9\r\n") "half");
    server_close(f.s, on_done, &f);
    web_turn(&w);
    CHECK_INT(f.aborted, 4);
    CHECK_INT(web_status(&w), 503);
    web_turn(&idle);
    web_turn(&half);
    CHECK(w.is_eof && idle.is_eof && half.is_eof);
    loop_advance(l, 1000);
    CHECK_INT(f.done, 1);
    web_free(&w);
    web_free(&idle);
    web_free(&half);
    loop_free(l);
    ln_buf_free(&f.body);
    ln_clock_real();
}

TEST(a_body_whose_client_goes_is_forgotten) {
    struct web w;
    start(PAIR_ONLY);
    ask(&w, POST("/x", "Content-Length: 9\r\n") "half");
    CHECK_INT(f.begun, 1);
    web_free(&w);
    loop_settle(l, 0);
    CHECK_INT(f.requests, 0);
    stop();
}

TEST(connections_that_wait_have_a_time) {
    struct web idle, slow, steady, trickle;
    start(
        (struct server_opts){.port = -1, .idle_ms = 5000, .keep_ms = 8000, .max_message = 500000});
    ask(&idle, GET("/page"));
    ask(&slow, GET("/page"));
    loop_advance(l, 7000);
    web_say(&slow, "GET /pa");
    loop_advance(l, 999);
    web_turn(&idle);
    CHECK(!idle.is_eof);
    loop_advance(l, 1);
    web_turn(&idle);
    CHECK(idle.is_eof);
    CHECK_INT(answers(&idle), 1); /* it is closed without a word */
    loop_advance(l, 4000);
    web_turn(&slow);
    CHECK_INT(answers(&slow), 2);
    CHECK(slow.is_eof);
    char piece[65536] = {0};
    ask(&steady, POST("/x", "Content-Length: 327680\r\n"));
    ask(&trickle, POST("/x", "Content-Length: 10\r\n"));
    for (int i = 0; i < 4; i++) {
        web_write(&steady, piece, sizeof piece);
        web_say(&trickle, ".");
        loop_advance(l, 4000);
    }
    web_write(&steady, piece, sizeof piece);
    web_turn(&steady);
    web_turn(&trickle);
    CHECK_INT(web_status(&steady), 404);
    CHECK_INT(web_status(&trickle), 408);
    web_free(&idle);
    web_free(&slow);
    web_free(&steady);
    web_free(&trickle);
    stop();
}

TEST(kept_connections_make_room) {
    struct web w[60], one;
    start((struct server_opts){.port = -1, .max_peers = 2});
    for (int i = 0; i < 60; i++)
        ask(&w[i], GET("/page"));
    int left = 0;
    for (int i = 0; i < 60; i++) {
        web_turn(&w[i]);
        CHECK_INT(web_status(&w[i]), 200);
        if (!w[i].is_eof) left++;
        CHECK(i > 10 || w[i].is_eof); /* the oldest go */
    }
    CHECK(left > 20 && left < 60);
    ask(&one, GET("/page"));
    CHECK_INT(web_status(&one), 200);
    for (int i = 0; i < 60; i++)
        web_free(&w[i]);
    web_free(&one);
    stop();
}

/* --- a Unix socket --- */

static struct sockaddr_un place(char host[120]) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *tmp = getenv("TMPDIR");
    snprintf(a.sun_path, sizeof a.sun_path, "%s/linnet-%ld.sock", tmp ? tmp : "/tmp",
             (long)getpid());
    snprintf(host, 120, "unix:%s", a.sun_path);
    unlink(a.sun_path);
    return a;
}

static int unix_connect(const struct sockaddr_un *a) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)a, sizeof *a) == 0) return fd;
    close(fd);
    return -1;
}

TEST(listening_on_a_unix_socket) {
    char host[120];
    struct sockaddr_un a = place(host);
    struct ln_err err = {0};
    struct web w;
    struct stat st;
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(stale, (struct sockaddr *)&a, sizeof a), 0);
    close(stale); /* what a process leaves that was killed */
    start((struct server_opts){.host = host, .port = 4321});
    CHECK_INT(server_port(f.s), -1);
    CHECK_INT(lstat(a.sun_path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    web_init(&w, l, unix_connect(&a));
    web_say(&w, GET("/page"));
    web_turn(&w);
    CHECK_INT(web_status(&w), 200);
    ln_buf_clear(&w.in);
    web_upgrade(&w, "/x", "");
    CHECK(w.is_open);
    struct server_opts o = {.host = host, .max_peers = 1};
    CHECK(server_open(l, &o, &cbs, &f, &err) == NULL);
    CHECK_HAS(err.text, "is taken by another program");
    web_free(&w);
    stop();
    CHECK(lstat(a.sun_path, &st) != 0); /* it is removed */
}

/* Only a socket that nobody is behind is in the way; of one that does not let us in we know
 * nothing.
 */
TEST(sockets_of_others_stay) {
    char host[120];
    struct sockaddr_un a = place(host);
    struct loop *other = loop_new();
    struct server_opts o = {.host = host, .max_peers = 1};
    struct ln_err err = {0};
    struct stat st;
    int log = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* as /dev/log is one */
    CHECK_INT(bind(log, (struct sockaddr *)&a, sizeof a), 0);
    CHECK(server_open(other, &o, &cbs, &f, &err) == NULL);
    CHECK_HAS(err.text, "is taken by another program");
    CHECK_INT(lstat(a.sun_path, &st), 0);
    unlink(a.sun_path);
    close(log);
    loop_free(other);
}

TEST(places_where_no_socket_can_be) {
    char host[120];
    struct sockaddr_un a = place(host);
    struct loop *other = loop_new();
    struct server_opts o = {.host = host, .max_peers = 1};
    struct ln_err err = {0};
    close(open(a.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    CHECK(server_open(other, &o, &cbs, &f, &err) == NULL);
    CHECK_HAS(err.text, "is there already and is no socket");
    CHECK_INT(unlink(a.sun_path), 0);
    o.host = "unix:/nowhere/at/all.sock";
    CHECK(server_open(other, &o, &cbs, &f, &err) == NULL);
    CHECK_HAS(err.text, "cannot listen on /nowhere/at/all.sock: No such file");
    o.host = "unix:";
    CHECK(server_open(other, &o, &cbs, &f, &err) == NULL);
    CHECK_HAS(err.text, "the path of a Unix socket has 1 to 107 bytes");
    loop_free(other);
}

TEST_MAIN(T(requests_follow_each_other_on_a_connection),
          T(pipelined_requests_are_answered_in_order), T(answers_do_not_pile_up_for_who_reads_none),
          T(large_answers_reach_slow_readers_whole),
          T(who_reads_slowly_but_steadily_gets_everything), T(bodies_in_any_pieces),
          T(large_bodies_have_a_limit), T(a_body_may_be_refused_before_it_comes),
          T(bad_requests_are_told_so), T(an_answer_may_come_later),
          T(a_held_request_dies_with_its_client), T(a_body_whose_client_goes_is_forgotten),
          T(connections_that_wait_have_a_time), T(kept_connections_make_room),
          T(listening_on_a_unix_socket), T(sockets_of_others_stay),
          T(places_where_no_socket_can_be))
