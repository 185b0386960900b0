/* SPDX-License-Identifier: MIT
 *
 * The situations that the public protocol suites of Engine.IO 4 and Socket.IO 5 put a server into,
 * in our own words and on the fake clock: 25 for a plain Engine.IO echo (16 of them are the first
 * half of the other suite, too), 16 for a Socket.IO server that is scripted as that suite wants it.
 * Intervals are the suites': a ping each 300 ms, 200 ms for its pong.
 */
#include "hub/hub_int.h"
#include "pollclient.h"

#define WS_ENGINE "/socket.io/?EIO=4&transport=websocket"

static struct hub_opts suite_opts(void) {
    static const char *const namespaces[] = {"/custom", NULL}, *const any[] = {"*", NULL};
    struct hub_opts o = test_opts();
    o.dialect = false;
    o.namespaces = namespaces;
    o.origins = any;
    o.ping_interval_ms = 300;
    o.ping_timeout_ms = 200;
    o.connect_timeout_ms = 1000;
    return o;
}

/* --- Engine.IO: what comes goes back --- */

static void echo(struct hub_line *line, bool binary, struct ln_str data) {
    struct ln_buf b = {0};
    if (!binary) ln_buf_putc(&b, '4');
    ln_buf_str(&b, data);
    hub_line_send(line, binary, ln_buf_get(&b));
    ln_buf_free(&b);
}

static void start_echo(void) {
    struct hub_opts o = suite_opts();
    o.connect_timeout_ms = 60000; /* nobody joins a namespace */
    hub_start(&o, NULL);
    hub->engine = echo;
}

static void is_open_packet(const char *text, const char *upgrades) {
    char sid[32], want[300];
    CHECK(strlen(text) > 29);
    snprintf(sid, sizeof sid, "%.20s", text + 9);
    snprintf(want, sizeof want,
             "0{\"sid\":\"%s\",\"upgrades\":[%s],\"pingInterval\":300,\"pingTimeout\":200,"
             "\"maxPayload\":1000000}",
             sid, upgrades);
    CHECK_STR(ln_str(text), want);
}

static int get_status(const char *method, const char *target) {
    struct web w;
    web_init(&w, loop, hub_pair(hub));
    http_write(&w, method, target, "", NOTHING);
    int status = web_status(&w);
    web_free(&w);
    return status;
}

TEST(polling_opens) {
    struct poller p;
    start_echo();
    poll_open(&p);
    is_open_packet(ln_buf_cstr(&p.body), "\"websocket\"");
    poll_free(&p);
    CHECK_INT(get_status("GET", "/socket.io/?transport=polling"), 400);
    CHECK_INT(get_status("GET", "/socket.io/?EIO=abc&transport=polling"), 400);
    CHECK_INT(get_status("GET", "/socket.io/?EIO=4"), 400);
    CHECK_INT(get_status("GET", "/socket.io/?EIO=4&transport=abc"), 400);
    CHECK_INT(get_status("POST", ENGINE), 400);
    CHECK_INT(get_status("PUT", ENGINE), 400);
    hub_stop();
}

TEST(websocket_opens) {
    static const char *const wrong[] = {"/socket.io/?transport=websocket",
                                        "/socket.io/?EIO=abc&transport=websocket",
                                        "/socket.io/?EIO=4", "/socket.io/?EIO=4&transport=abc"};
    struct web w;
    char text[300];
    start_echo();
    hub_line(&w, WS_ENGINE);
    struct ln_str f = web_next(&w);
    snprintf(text, sizeof text, "%.*s", LN_FMT(f));
    is_open_packet(text, "");
    web_free(&w);
    for (size_t i = 0; i < LN_COUNT(wrong); i++) {
        web_init(&w, loop, hub_pair(hub));
        web_upgrade(&w, wrong[i], "");
        CHECK(w.is_eof && !w.is_open);
        web_free(&w);
    }
    hub_stop();
}

static void there_and_back(const char *body) {
    struct poller p;
    poll_open(&p);
    CHECK_INT(poll_post(&p, body), 200);
    CHECK_STR(ln_buf_get(&p.body), "ok");
    poll_ask(&p);
    CHECK_POLL(&p, 200, body);
    poll_free(&p);
}

TEST(polling_messages) {
    start_echo();
    there_and_back("4hello");
    there_and_back("4test1\x1e"
                   "4test2\x1e"
                   "4test3");
    there_and_back("4hello\x1e"
                   "bAQIDBA==");
    hub_stop();
}

TEST(polling_that_is_broken) {
    struct poller p;
    struct web second;
    char target[200];
    start_echo();
    poll_open(&p);
    CHECK_INT(poll_post(&p, "abc"), 400);
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 400);
    poll_free(&p);
    poll_open(&p);
    poll_target(&p, target);
    poll_ask(&p); /* two at once */
    web_init(&second, loop, hub_pair(hub));
    http_write(&second, "GET", target, "", NOTHING);
    CHECK_POLL(&p, 200, "1");
    CHECK_INT(http_take(&second, &p.head, &p.body), 400);
    web_free(&second);
    poll_free(&p);
    poll_open(&p);
    poll_ask(&p);
    web_free(&p.get); /* one that is given up */
    loop_settle(loop, 0);
    web_init(&p.get, loop, hub_pair(hub));
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 400);
    poll_free(&p);
    hub_stop();
}

TEST(websocket_messages) {
    struct web w;
    start_echo();
    hub_line(&w, WS_ENGINE);
    web_next(&w);
    say(&w, "4hello");
    CHECK_NEXT(&w, "4hello");
    web_send(&w, WS_BINARY, LN_STR("\x01\x02\x03\x04"));
    web_turn(&w);
    CHECK_INT(w.frames[w.taken].op, WS_BINARY);
    CHECK_NEXT(&w, "\x01\x02\x03\x04");
    say(&w, "abc");
    CHECK(w.is_eof);
    web_free(&w);
    hub_stop();
}

TEST(heartbeats) {
    struct poller p;
    struct web w;
    start_echo();
    poll_open(&p);
    hub_line(&w, WS_ENGINE);
    web_next(&w);
    for (int i = 0; i < 3; i++) {
        poll_ask(&p);
        loop_advance(loop, 300);
        CHECK_POLL(&p, 200, "2");
        CHECK_INT(poll_post(&p, "3"), 200);
        web_turn(&w);
        CHECK_NEXT(&w, "2");
        say(&w, "3");
    }
    loop_advance(loop, 499);
    web_turn(&w);
    CHECK(!w.is_eof);
    loop_advance(loop, 1);
    web_turn(&w);
    CHECK(w.is_eof);
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 400);
    web_free(&w);
    poll_free(&p);
    hub_stop();
}

TEST(a_late_timer_gives_no_more_time) {
    struct poller p;
    start_echo();
    poll_open(&p);
    loop_advance(loop, 300);
    ln_clock_advance(200); /* the timer has not come to it when the GET does */
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 400);
    poll_free(&p);
    hub_stop();
}

TEST(closes) {
    struct poller p;
    struct web w;
    start_echo();
    poll_open(&p);
    poll_ask(&p);
    CHECK_INT(poll_post(&p, "1"), 200);
    CHECK_POLL(&p, 200, "6");
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 400);
    poll_free(&p);
    hub_line(&w, WS_ENGINE);
    say(&w, "1");
    CHECK(w.is_eof);
    web_free(&w);
    hub_stop();
}

TEST(upgrades) {
    struct poller p;
    struct web w, second;
    char target[200];
    start_echo();
    poll_open(&p);
    snprintf(target, sizeof target, WS_ENGINE "&sid=%s", p.sid);
    hub_line(&w, target);
    say(&w, "2probe");
    CHECK_NEXT(&w, "3probe");
    poll_ask(&p);
    loop_advance(loop, 100);
    CHECK_POLL(&p, 200, "6");
    say(&w, "5");
    say(&w, "4hello");
    CHECK_NEXT(&w, "4hello");
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 400);
    CHECK_INT(poll_post(&p, "4x"), 400);
    hub_line(&second, target);
    web_turn(&second);
    CHECK(second.is_eof);
    web_free(&second);
    say(&w, "4still");
    CHECK_NEXT(&w, "4still");
    web_free(&w);
    poll_free(&p);
    hub_stop();
}

/* --- Socket.IO: the server that the suite asks for --- */

static char last_auth[100];

static void script_admit(void *ud, ln_id ticket, struct ln_str nsp, struct ln_str auth,
                         struct ln_str headers) {
    (void)ud;
    (void)nsp;
    (void)headers;
    snprintf(last_auth, sizeof last_auth, "%.*s", LN_FMT(auth));
    hub_admit(hub, ticket, true, NULL, NOTHING);
}

static void script_client(void *ud, ln_id client, struct ln_str nsp, bool connected,
                          struct ln_str reason) {
    struct hub_target t = {.client = client, .nsp = nsp};
    (void)ud;
    (void)reason;
    if (connected) hub_emit(hub, &t, LN_STR("auth"), ln_str(last_auth), NULL, 0);
}

static void script_event(void *ud, const struct hub_event *ev) {
    struct hub_target t = {.client = ev->client};
    (void)ud;
    if (ln_str_is(ev->name, "message"))
        hub_emit(hub, &t, LN_STR("message-back"), ev->args, ev->bin, ev->bin_count);
    if (ln_str_is(ev->name, "message-with-ack"))
        hub_ack(hub, ev->client, ev->ack, ev->args, ev->bin, ev->bin_count);
}

static void start_script(void) {
    static const struct hub_hooks hooks = {
        .admit = script_admit, .client = script_client, .event = script_event};
    struct hub_opts o = suite_opts();
    hub_start(&o, &hooks);
}

static void line(struct web *w) {
    hub_line(w, WS_ENGINE);
    CHECK_FRAME(w, "0{\"sid\":");
}

static void joined(struct web *w) {
    line(w);
    say(w, "40");
    CHECK_FRAME(w, "40{\"sid\":\"");
    CHECK_NEXT(w, "42[\"auth\",{}]");
}

/* The answer has a sid and nothing else, and the handler's event is the next frame. */
static void connects(const char *packet, const char *prefix, const char *event) {
    struct web w;
    line(&w);
    say(&w, packet);
    struct ln_str f = web_next(&w);
    CHECK(ln_str_starts(f, prefix));
    CHECK_INT(f.n, strlen(prefix) + strlen("{\"sid\":\"\"}") + 20);
    CHECK_NEXT(&w, event);
    CHECK_NONE(&w);
    web_free(&w);
}

TEST(connecting) {
    struct web w;
    start_script();
    connects("40", "40", "42[\"auth\",{}]");
    connects("40{\"token\":\"123\"}", "40", "42[\"auth\",{\"token\":\"123\"}]");
    connects("40/custom,", "40/custom,", "42/custom,[\"auth\",{}]");
    connects("40/custom,{\"token\":\"abc\"}", "40/custom,",
             "42/custom,[\"auth\",{\"token\":\"abc\"}]");
    line(&w);
    say(&w, "40/random");
    CHECK_NEXT(&w, "44/random,{\"message\":\"Invalid namespace\"}");
    web_free(&w);
    line(&w);
    say(&w, "4abc");
    CHECK(w.is_eof);
    web_free(&w);
    line(&w); /* says nothing: closed when the second is over, if it answers its pings */
    for (int i = 0; i < 3; i++) {
        loop_advance(loop, 300);
        web_turn(&w);
        CHECK_NEXT(&w, "2");
        say(&w, "3");
    }
    CHECK(!w.is_eof);
    loop_advance(loop, 100);
    web_turn(&w);
    CHECK(w.is_eof);
    web_free(&w);
    hub_stop();
}

TEST(disconnecting) {
    struct web w;
    start_script();
    joined(&w);
    say(&w, "41");
    CHECK_NONE(&w); /* no answer, and the connection lives on */
    loop_advance(loop, 300);
    web_turn(&w);
    CHECK_NEXT(&w, "2");
    web_free(&w);
    joined(&w);
    say(&w, "40/custom");
    CHECK_FRAME(&w, "40/custom,{\"sid\":\"");
    CHECK_NEXT(&w, "42/custom,[\"auth\",{}]");
    web_text(&w, "41/custom");
    say(&w, "42[\"message\",\"message to main namespace\"]");
    CHECK_NEXT(&w, "42[\"message-back\",\"message to main namespace\"]");
    web_free(&w);
    hub_stop();
}

TEST(events_and_answers) {
    struct web w;
    start_script();
    joined(&w);
    say(&w, "42[\"message\",1,\"2\",{\"3\":[true]}]");
    CHECK_NEXT(&w, "42[\"message-back\",1,\"2\",{\"3\":[true]}]");
    say(&w, "42456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]");
    CHECK_NEXT(&w, "43456[1,\"2\",{\"3\":[false]}]");
    web_text(
        &w,
        "452-[\"message\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    web_send(&w, WS_BINARY, LN_STR("\x01\x02\x03"));
    web_send(&w, WS_BINARY, LN_STR("\x04\x05\x06"));
    web_turn(&w);
    CHECK_NEXT(&w, "452-[\"message-back\",{\"_placeholder\":true,\"num\":0},"
                   "{\"_placeholder\":true,\"num\":1}]");
    CHECK_NEXT(&w, "\x01\x02\x03");
    CHECK_NEXT(&w, "\x04\x05\x06");
    web_text(&w, "452-789[\"message-with-ack\",{\"_placeholder\":true,\"num\":0},"
                 "{\"_placeholder\":true,\"num\":1}]");
    web_send(&w, WS_BINARY, LN_STR("\x01\x02\x03"));
    web_send(&w, WS_BINARY, LN_STR("\x04\x05\x06"));
    web_turn(&w);
    CHECK_NEXT(&w, "462-789[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    CHECK_NEXT(&w, "\x01\x02\x03");
    CHECK_NEXT(&w, "\x04\x05\x06");
    web_free(&w);
    hub_stop();
}

TEST(formats_that_are_wrong) {
    static const char *const wrong[] = {"4abc", "42{}", "42abc[\"message-with-ack\",1,\"2\"]"};
    struct web w;
    start_script();
    for (size_t i = 0; i < LN_COUNT(wrong); i++) {
        joined(&w);
        say(&w, wrong[i]);
        CHECK(w.is_eof);
        web_free(&w);
    }
    hub_stop();
}

TEST_MAIN(T(polling_opens), T(websocket_opens), T(polling_messages), T(polling_that_is_broken),
          T(websocket_messages), T(heartbeats), T(a_late_timer_gives_no_more_time), T(closes),
          T(upgrades), T(connecting), T(disconnecting), T(events_and_answers),
          T(formats_that_are_wrong))
