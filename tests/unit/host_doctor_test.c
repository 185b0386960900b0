/* SPDX-License-Identifier: MIT
 *
 * The doctor on socket pairs and the fake clock: what takes time, what is free while something is
 * under way, and the words about tokens and clocks. Faults that need a real server are staged in
 * tests/peers/doctor_test.mjs.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/cli.h"
#include "host/doctor.h"
#include "jwt_make.h"
#include "peer.h"
#include "test.h"
#include "wire/websocket.h"

#define WALL_MS 1700000000000
#define OPEN                                                                                       \
    "0{\"sid\":\"e\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,"                \
    "\"maxPayload\":1000000}"
#define LINES_MAX 12

struct server_line {
    struct peer p;
    struct ws_parser ws;
    bool is_up, has_answered;
};

static struct {
    struct loop *loop;
    struct doctor *doctor;
    struct conn_opts opts;
    struct server_line line[LINES_MAX];
    int lines, fds_before;
    /* the server */
    const char *http;    /* instead of 101; "": nothing; "close": hangs up */
    const char *polling; /* to requests of polling */
    const char *first;   /* its first frame; NULL: none */
    const char *joins;   /* to CONNECT or subscribe; NULL: nothing */
    bool is_deaf;        /* no pongs */
    /* what was told */
    struct ln_buf trail; /* "config+ dns+ proxy- tcp! ": ok, skipped, failed */
    struct ln_buf fault, note, advice, details;
    int ended, code;
    bool frees; /* the doctor, in its end */
} w;

static void on_step(void *ud, const struct doctor_step *s) {
    (void)ud;
    CHECK_INT(w.ended, 0);
    ln_buf_fmt(&w.trail, "%s%c ", s->name, "+!-"[s->verdict]);
    ln_buf_str(&w.fault, s->fault);
    ln_buf_str(&w.note, s->note);
    ln_buf_fmt(&w.details, "%s{%.*s}", s->name, LN_FMT(s->detail));
    CHECK_INT(s->verdict == DOCTOR_SKIPPED, s->ms < 0);
}
static void on_end(void *ud, const struct doctor_end *e) {
    (void)ud;
    w.ended++;
    w.code = e->code;
    ln_buf_str(&w.advice, e->advice);
    if (!w.frees) return;
    doctor_free(w.doctor);
    w.doctor = NULL;
}

/* --- the server --- */

static int dial(void *ud) {
    (void)ud;
    if (w.lines == LINES_MAX) abort();
    struct server_line *l = &w.line[w.lines++];
    *l = (struct server_line){0};
    ws_parser_init(&l->ws, true, 1 << 20);
    return peer_pair(&l->p);
}

/* The doctor may have gone meanwhile. */
static void put(struct server_line *l, struct ln_str bytes) {
    if (send(l->p.fd, bytes.p, bytes.n, MSG_NOSIGNAL) < 0) CHECK_INT(errno, EPIPE);
}

static void say(struct server_line *l, const char *text) {
    struct ln_buf out = {0};
    struct ln_str s = ln_str(text);
    ws_write(&out, false, true, WS_TEXT, &s, 1);
    put(l, ln_buf_get(&out));
    ln_buf_free(&out);
}

static void answer_request(struct server_line *l) {
    struct http_head h;
    size_t used;
    struct ln_buf out = {0};
    if (http_parse_head(&h, false, ln_buf_get(&l->p.in), &used) != HTTP_OK) return;
    l->has_answered = true;
    bool polls = memmem(h.target.p, h.target.n, "transport=polling", 17) != NULL;
    const char *text = polls ? w.polling : w.http;
    if (text && strcmp(text, "close") == 0) {
        peer_close(&l->p);
        return;
    }
    if (text) {
        put(l, ln_str(text));
        return;
    }
    char key[64], accept[29];
    snprintf(key, sizeof key, "%.*s", LN_FMT(http_header_get(&h, "Sec-WebSocket-Key")));
    ws_accept_key(key, accept);
    ln_buf_fmt(&out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n\r\n",
               accept);
    put(l, ln_buf_get(&out));
    ln_buf_free(&out);
    ln_buf_clear(&l->p.in);
    l->is_up = true;
    if (w.first) say(l, w.first);
}

static void answer_frames(struct server_line *l) {
    char *p = l->p.in.p;
    size_t n = l->p.in.n, used;
    struct ws_event ev;
    while (n > 0 && ws_parse(&l->ws, p, n, &used, &ev) != WS_MORE) {
        struct ln_buf out = {0};
        if (ev.op == WS_PING && !w.is_deaf) ws_write(&out, false, true, WS_PONG, &ev.data, 1);
        if (ev.op == WS_CLOSE) ws_write_close(&out, false, ev.code, (struct ln_str){0});
        if (ev.op == WS_TEXT && ln_str_starts(ev.data, "40") && w.joins) say(l, w.joins);
        if (out.n) put(l, ln_buf_get(&out));
        ln_buf_free(&out);
        p += used;
        n -= used;
    }
    ln_buf_clear(&l->p.in);
}

static bool serve(void) {
    bool any = false;
    for (int i = 0; i < w.lines; i++) {
        struct server_line *l = &w.line[i];
        if (l->p.fd < 0 || !peer_read(&l->p, SIZE_MAX)) continue;
        any = true;
        if (l->is_up)
            answer_frames(l);
        else if (!l->has_answered)
            answer_request(l);
    }
    return any;
}

static void turn(void) {
    do
        loop_settle(w.loop, 0);
    while (serve());
}

/* --- the world --- */

static void begin(const char *url) {
    memset(&w, 0, sizeof w);
    ln_clock_fake(WALL_MS);
    ln_log_setup(LN_ERROR, LN_LOG_TEXT, false);
    loop_free(loop_new());
    w.fds_before = peer_open_fds();
    w.loop = loop_new();
    w.first = OPEN;
    w.joins = "40{\"sid\":\"s\"}";
    conn_opts_init(&w.opts);
    w.opts.url = ln_strdup(url);
    w.opts.proxy = ln_strdup("none");
}

static void start(struct doctor_opts o) {
    static const struct doctor_cbs cbs = {on_step, on_end};
    if (!o.target) o.target = w.opts.url;
    o.conn = &w.opts;
    o.dial = dial;
    w.doctor = doctor_new(w.loop, &o, &cbs, NULL);
    CHECK_INT(w.trail.n, 0);
}

static void run(void) {
    start((struct doctor_opts){0});
    turn();
}

static void end(void) {
    doctor_free(w.doctor);
    loop_settle(w.loop, 0);
    loop_free(w.loop);
    for (int i = 0; i < w.lines; i++) {
        peer_close(&w.line[i].p);
        ws_parser_free(&w.line[i].ws);
    }
    CHECK_INT(peer_open_fds(), w.fds_before);
    conn_opts_free(&w.opts);
    ln_buf_free(&w.trail);
    ln_buf_free(&w.fault);
    ln_buf_free(&w.note);
    ln_buf_free(&w.advice);
    ln_buf_free(&w.details);
    ln_log_close();
    ln_clock_real();
}

static void check(const char *trail, int code, const char *fault, const char *advice) {
    CHECK_INT(w.ended, 1);
    CHECK_INT(w.code, code);
    CHECK_STR(ln_buf_get(&w.trail), trail);
    CHECK_HAS(ln_buf_cstr(&w.fault), fault);
    CHECK_HAS(ln_buf_cstr(&w.advice), advice);
}

#define TO_UPGRADE "config+ dns+ proxy- tcp+ tls- "
#define REST "handshake- auth- join- round trip- "

/* --- nothing is wrong --- */

TEST(all_is_well) {
    begin("ws://127.0.0.1:1/admin");
    w.joins = "40/admin,{\"sid\":\"s\"}";
    run();
    check(TO_UPGRADE "upgrade+ handshake+ auth+ join- round trip+ ", EXIT_OK, "", "All is well");
    CHECK_HAS(ln_buf_cstr(&w.details), "upgrade{\"request\":\"GET /socket.io/?EIO=4");
    CHECK_HAS(w.details.p, "handshake{\"ping_interval_ms\":25000");
    end();
}

TEST(it_may_be_freed_in_its_end) {
    begin("ws://127.0.0.1:1");
    w.frees = true;
    run();
    check(TO_UPGRADE "upgrade+ handshake+ auth+ join- round trip+ ", EXIT_OK, "", "All is well");
    end();
    begin("ws://127.0.0.1:1");
    w.frees = true;
    w.http = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
    run();
    check(TO_UPGRADE "upgrade! " REST, EXIT_NO_CONNECTION, "HTTP 502", "Is that server running");
    end();
}

/* Whatever is under way is dropped without a word, and nothing is left behind. */
TEST(it_may_be_freed_at_any_time) {
    for (int turns = 1; turns < 60; turns++) {
        begin("ws://127.0.0.1:1");
        start((struct doctor_opts){.room = "lobby"});
        for (int i = 0; i < turns; i++) {
            loop_settle(w.loop, 1);
            serve();
        }
        int told = w.ended;
        doctor_free(w.doctor);
        w.doctor = NULL;
        turn();
        CHECK_INT(w.ended, told);
        end();
    }
}

/* --- silence --- */

TEST(a_resolver_that_says_nothing) {
    begin("ws://chat.example");
    ln_fault_set("stream.dns_hang");
    run();
    loop_advance(w.loop, 11000);
    check("config+ dns! proxy- tcp- tls- upgrade- " REST, EXIT_NO_CONNECTION,
          "no answer within 10 s", "resolv.conf");
    ln_fault_set(NULL);
    end();
}

TEST(a_server_that_says_nothing_at_the_upgrade) {
    begin("ws://127.0.0.1:1");
    w.http = "";
    run();
    CHECK_STR(ln_buf_get(&w.trail), TO_UPGRADE);
    loop_advance(w.loop, 9999);
    CHECK_INT(w.ended, 0);
    loop_advance(w.loop, 2);
    check(TO_UPGRADE "upgrade! " REST, EXIT_NO_CONNECTION, "timed out after 10 s", "says nothing");
    end();
}

TEST(a_server_that_says_nothing_after_the_upgrade) {
    begin("ws://127.0.0.1:1");
    w.opts.timeout_ms = 3000; /* the connection's is shorter than ours */
    w.first = NULL;
    run();
    loop_advance(w.loop, 3600);
    check(TO_UPGRADE "upgrade+ handshake! auth- join- round trip- ", EXIT_NO_CONNECTION,
          "no answer within 3 s", "'handshake'");
    end();
}

TEST(a_server_that_does_not_answer_connect) {
    begin("ws://127.0.0.1:1");
    w.joins = NULL;
    run();
    loop_advance(w.loop, 11000);
    check(TO_UPGRADE "upgrade+ handshake+ auth! join- round trip- ", EXIT_NO_CONNECTION,
          "no answer within 10 s", "'auth'");
    end();
}

TEST(a_server_that_answers_no_ping) {
    begin("ws://127.0.0.1:1");
    w.is_deaf = true;
    run();
    loop_advance(w.loop, 11000);
    check(TO_UPGRADE "upgrade+ handshake+ auth+ join- round trip! ", EXIT_NO_CONNECTION,
          "no answer within 10 s", "'round trip'");
    end();
}

TEST(a_server_that_does_not_say_goodbye) {
    begin("ws://127.0.0.1:1");
    start((struct doctor_opts){0});
    while (!strstr(ln_buf_cstr(&w.trail), "round trip+"))
        if (!loop_settle(w.loop, 1) && !serve()) continue;
    CHECK_INT(w.ended, 0);
    loop_advance(w.loop, 40000);
    check(TO_UPGRADE "upgrade+ handshake+ auth+ join- round trip+ ", EXIT_OK, "", "All is well");
    end();
}

/* --- the whole's limit --- */

TEST(stopped_in_a_step_and_between_two) {
    begin("ws://127.0.0.1:1");
    w.http = "";
    run();
    doctor_stop(w.doctor, EXIT_TIMED_OUT, "not over in time");
    check(TO_UPGRADE "upgrade! " REST, EXIT_TIMED_OUT, "not over in time", "upgrade: not over");
    doctor_stop(w.doctor, EXIT_FAILED, "again"); /* nothing any more */
    CHECK_INT(w.ended, 1);
    end();
    begin("ws://127.0.0.1:1");
    start((struct doctor_opts){0});
    doctor_stop(w.doctor, EXIT_TIMED_OUT, "at once");
    check("config! dns- proxy- tcp- tls- upgrade- " REST, EXIT_TIMED_OUT, "at once", "config: ");
    end();
}

TEST(stopped_after_a_step_that_failed_keeps_its_words) {
    begin("ws://127.0.0.1:1");
    struct ln_err wrong = {LN_NOT_FOUND, "no connection 'x'"};
    w.frees = true;
    start((struct doctor_opts){.target = "x", .wrong = &wrong});
    turn();
    check("config! dns- proxy- tcp- tls- upgrade- " REST, EXIT_CONFIG, "no connection 'x'",
          "no connection 'x'");
    end();
}

/* --- answers --- */

TEST(polling_tells_a_dropped_upgrade_from_a_wrong_path) {
    begin("ws://127.0.0.1:1");
    w.http = "HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\nContent-Length: 0\r\n\r\n";
    w.polling = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n0{}";
    run();
    check(TO_UPGRADE "upgrade! " REST, EXIT_NO_CONNECTION,
          "HTTP 400 from nginx/1.22.1: no Upgrade header came back; polling works",
          "proxy_set_header Upgrade");
    end();
    begin("ws://127.0.0.1:1");
    w.http = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    w.polling = w.http;
    run();
    check(TO_UPGRADE "upgrade! " REST, EXIT_NO_CONNECTION, "HTTP 404", "the option 'path'");
    end();
    begin("ws://127.0.0.1:1"); /* polling says nothing: what the upgrade said counts */
    w.http = "HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nnope";
    w.polling = "";
    run();
    loop_advance(w.loop, 11000);
    check(TO_UPGRADE "upgrade! " REST, EXIT_NO_CONNECTION, "HTTP 400: nope", "host, port and path");
    end();
}

TEST(a_line_that_is_closed_at_the_upgrade_only) {
    begin("ws://127.0.0.1:1");
    w.http = "close";
    w.polling = "HTTP/1.1 200 OK\r\nVia: 1.1 Caddy\r\nContent-Length: 3\r\n\r\n0{}";
    run();
    check(TO_UPGRADE "upgrade! " REST, EXIT_NO_CONNECTION, "closed", "reverse_proxy");
    CHECK_HAS(w.advice.p, "Polling works");
    end();
}

/* --- tokens and clocks --- */

static void refuse_with_token(int64_t exp, const char *http) {
    char claims[64];
    struct ln_buf auth = {0}, token = {0};
    snprintf(claims, sizeof claims, "{\"exp\":%lld}", (long long)exp);
    jwt_hs256(&token, claims, "s");
    ln_buf_fmt(&auth, "{\"Authorization\":\"Bearer %s\"}", ln_buf_cstr(&token));
    ln_buf_cstr(&auth);
    w.opts.headers = ln_buf_take(&auth, NULL);
    w.http = http;
    run();
    CHECK(!strstr(ln_buf_cstr(&w.details), token.p));
    ln_buf_free(&token);
}

TEST(an_old_token_and_a_wrong_clock) {
    begin("ws://127.0.0.1:1"); /* 2023-11-14 22:13:20 */
    refuse_with_token(WALL_MS / 1000 - 7200, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
                                             "Date: Tue, 14 Nov 2023 22:13:21 GMT\r\n\r\n");
    check(TO_UPGRADE "upgrade! " REST, EXIT_REFUSED, "HTTP 401", "2 h");
    CHECK_HAS(w.advice.p, "The token has expired: its 'exp' was 2023-11-14 20:13:20 UTC");
    CHECK(!strstr(w.advice.p, "clock is"));
    end();
    begin("ws://127.0.0.1:1"); /* good here for five minutes more, and over there not any longer */
    refuse_with_token(WALL_MS / 1000 + 300, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
                                            "Date: Tue, 14 Nov 2023 22:23:20 GMT\r\n\r\n");
    check(TO_UPGRADE "upgrade! " REST, EXIT_REFUSED, "HTTP 401", "The token has expired");
    CHECK_HAS(w.advice.p, "10 m ahead of this machine's");
    end();
    begin("ws://127.0.0.1:1"); /* neither is the reason */
    refuse_with_token(WALL_MS / 1000 + 300, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
                                            "Date: yesterday\r\n\r\n");
    check(TO_UPGRADE "upgrade! " REST, EXIT_REFUSED, "HTTP 401", "not its age is the reason");
    end();
}

/* --- secrets --- */

TEST(what_the_server_repeats_is_hidden) {
    begin("ws://u:p4ssword@127.0.0.1:1/?api_key=0123456789");
    w.http = "HTTP/1.1 400 Bad Request\r\nContent-Length: 30\r\n\r\nno p4ssword, no 0123456789 !!!";
    w.polling = w.http;
    run();
    check(TO_UPGRADE "upgrade! " REST, EXIT_NO_CONNECTION, "no ***, no *** !!!", "");
    CHECK_HAS(ln_buf_cstr(&w.details), "?api_key=***&EIO=4&transport=websocket");
    CHECK(!strstr(w.details.p, "p4ssword") && !strstr(w.details.p, "0123456789"));
    end();
}

TEST_MAIN(T(all_is_well), T(it_may_be_freed_in_its_end), T(it_may_be_freed_at_any_time),
          T(a_resolver_that_says_nothing), T(a_server_that_says_nothing_at_the_upgrade),
          T(a_server_that_says_nothing_after_the_upgrade), T(a_server_that_does_not_answer_connect),
          T(a_server_that_answers_no_ping), T(a_server_that_does_not_say_goodbye),
          T(stopped_in_a_step_and_between_two), T(stopped_after_a_step_that_failed_keeps_its_words),
          T(polling_tells_a_dropped_upgrade_from_a_wrong_path),
          T(a_line_that_is_closed_at_the_upgrade_only), T(an_old_token_and_a_wrong_clock),
          T(what_the_server_repeats_is_hidden))
