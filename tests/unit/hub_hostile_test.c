/* SPDX-License-Identifier: MIT
 *
 * Who means harm, against polling, recovery and the guards of the hub: requests that are timed to
 * meet in one turn, places in a ring that were never given out, answers that belong to somebody
 * else's page, and lines that only seem to be of this machine.
 */
#include "pollclient.h"

static struct hub_opts plain(void) {
    struct hub_opts o = test_opts();
    o.dialect = false;
    return o;
}

static void emit(const char *room, const char *name, const char *args) {
    struct hub_target t = {.room = ln_str(room)};
    hub_emit(hub, &t, ln_str(name), ln_str(args), NULL, 0);
}

/* --- the GET that is held --- */

/* Sent without a turn of the loop. */
static void put(struct web *w, const char *text, size_t n) {
    CHECK_INT(send(w->fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL), n);
}

TEST(a_get_in_the_turn_in_which_another_is_refused) {
    static char junk[70000];
    struct hub_opts o = plain();
    struct poller p;
    struct web second;
    char target[200], get[300];
    hub_start(&o, &no_admit);
    memset(junk, 'j', sizeof junk);
    poll_client(&p);
    poll_ask(&p);
    CHECK_HELD(&p);
    web_write(&p.get, junk, 60000); /* nearly more than is taken in ahead of the answer */
    loop_settle(loop, 0);
    CHECK_HELD(&p);
    web_init(&second, loop, hub_pair(hub));
    loop_settle(loop, 0);
    poll_target(&p, target);
    snprintf(get, sizeof get, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
    put(&p.get, junk, 10000);
    put(&second, get, strlen(get));
    web_turn(&second);
    web_turn(&p.get);
    CHECK_INT(web_status(&p.get), 400);
    CHECK_INT(hub_client_count(hub), 0);
    CHECK(web_status(&second) != 0); /* it does not wait for a session that is gone */
    web_free(&second);
    loop_settle(loop, 0);
    poll_free(&p);
    hub_stop();
}

/* --- recovery --- */

static void enter(struct web *w, const char *auth, char sid[32], char pid[32]) {
    char packet[200];
    struct ln_str f = {NULL, 0};
    hub_line(w, SIO);
    CHECK_FRAME(w, "0{\"sid\":");
    snprintf(packet, sizeof packet, "40%s", auth);
    say(w, packet);
    while (w->taken < w->count && !ln_str_starts(f, "40"))
        f = web_next(w);
    CHECK(ln_str_starts(f, "40{\"sid\":\""));
    if (f.n < 61) return;
    snprintf(sid, 32, "%.20s", f.p + 10);
    snprintf(pid, 32, "%.20s", f.p + 39);
}

TEST(nobody_gets_what_was_before_him) {
    struct hub_opts o = plain();
    struct web a, b;
    char sid[32], pid[32], other[32], auth[120];
    o.recovery_ms = 20000;
    hub_start(&o, &no_admit);
    enter(&a, "", other, other);
    emit("", "secret", "1");
    enter(&b, "", sid, pid);
    emit("", "m", "2");
    web_turn(&b);
    struct ln_str f = web_next(&b); /* 42["m",2,"MARK.1"] */
    CHECK(ln_str_starts(f, "42[\"m\",2,\""));
    char mark[7];
    snprintf(mark, sizeof mark, "%.6s", f.p + 10);
    web_free(&b);
    loop_settle(loop, 0);
    snprintf(auth, sizeof auth, "{\"pid\":\"%s\",\"offset\":\"%s.-1\"}", pid, mark);
    char now[32];
    enter(&b, auth, now, other);
    CHECK(strcmp(sid, now) != 0);
    for (size_t i = 0; i < b.count; i++)
        CHECK(!strstr(ln_buf_cstr(&b.frames[i].data), "secret"));
    web_free(&a);
    web_free(&b);
    hub_stop();
}

/* --- whose answer --- */

static ln_id ticket;

static void keep_ticket(void *ud, ln_id id, struct ln_str request) {
    (void)ud, (void)request;
    ticket = id;
}

static void decide(void *ud, const struct hub_event *ev) {
    (void)ud, (void)ev;
    hub_authorize(hub, ticket, HUB_NO, NULL, NOTHING);
}

TEST(an_answer_is_for_the_page_that_asked) {
    static const struct hub_hooks hooks = {.authorize = keep_ticket, .event = decide};
    struct hub_opts o = plain();
    struct poller p;
    struct web w;
    char target[200];
    hub_start(&o, &hooks);
    poll_client(&p);
    web_init(&w, loop, hub_pair(hub));
    http_write(&w, "POST", "/pusher/auth",
               "Origin: http://localhost:1111\r\n"
               "Content-Type: application/x-www-form-urlencoded\r\n",
               LN_STR("socket_id=1.2&channel_name=private-a"));
    CHECK_INT(web_status(&w), 0);
    poll_target(&p, target);
    http_write(&p.post, "POST", target, "Origin: http://localhost:2222\r\n", LN_STR("42[\"go\"]"));
    web_turn(&w);
    CHECK_INT(web_status(&w), 403);
    CHECK_HAS(web_answer(&w), "\r\nAccess-Control-Allow-Origin: http://localhost:1111\r\n");
    CHECK_INT(http_take(&p.post, &p.head, &p.body), 200);
    CHECK_HAS(ln_buf_cstr(&p.head), "\r\nAccess-Control-Allow-Origin: http://localhost:2222\r\n");
    CHECK(!strstr(p.head.p, "1111"));
    web_free(&w);
    poll_free(&p);
    hub_stop();
}

/* --- who is on this machine --- */

static void traces(const char *headers, const char *answer) {
    struct web w;
    web_init(&w, loop, hub_pair(hub));
    web_upgrade(&w, SIO, headers);
    say(&w, "40");
    web_skip(&w);
    say(&w, "420[\"trace\",{\"on\":true}]");
    CHECK_FRAME(&w, answer);
    web_free(&w);
    loop_settle(loop, 0);
}

TEST(a_proxy_on_this_machine_does_not_make_its_clients_local) {
    struct hub_opts o = test_opts();
    o.trace = true;
    hub_start(&o, &no_admit);
    traces("", "430[{\"ok\":true}]");
    traces("X-Forwarded-For: 203.0.113.9\r\n", "\"code\":\"denied\"");
    traces("Forwarded: for=203.0.113.9\r\n", "\"code\":\"denied\"");
    traces("X-Real-IP: 203.0.113.9\r\n", "\"code\":\"denied\"");
    traces("Via: 1.1 front\r\n", "\"code\":\"denied\"");
    hub_stop();
}

/* --- pages --- */

static int status_of(const char *method, const char *target, const char *headers) {
    struct web w;
    struct ln_buf b = {0};
    web_init(&w, loop, hub_pair(hub));
    ln_buf_fmt(&b, "%s %s HTTP/1.1\r\n%s\r\n", method, target, headers);
    web_write(&w, b.p, b.n);
    web_turn(&w);
    int status = web_status(&w);
    ln_buf_free(&b);
    web_free(&w);
    return status;
}

TEST(pages_that_have_no_business_here) {
    struct hub_opts o = plain();
    struct poller p;
    char target[200];
    hub_start(&o, &no_admit);
    poll_client(&p);
    poll_target(&p, target);
    /* a name that was made to lead here */
    CHECK_INT(status_of("GET", ENGINE, "Host: evil.example:4321\r\n"), 403);
    CHECK_INT(status_of("GET", ENGINE, ""), 403);
    CHECK_INT(status_of("POST", target, "Host: evil.example\r\nContent-Length: 2\r\n"), 403);
    CHECK_INT(status_of("POST", target,
                        "Host: evil.example\r\nOrigin: http://evil.example\r\n"
                        "Content-Length: 2\r\n"),
              403);
    /* a file, a sandbox */
    CHECK_INT(status_of("GET", ENGINE, "Host: localhost\r\nOrigin: null\r\n"), 403);
    CHECK_INT(status_of("POST", target, "Host: localhost\r\nOrigin: null\r\nContent-Length: 2\r\n"),
              403);
    /* an image, a script: a browser sends no Origin with those, and would open sessions */
    CHECK_INT(status_of("GET", ENGINE, "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"), 403);
    CHECK_INT(status_of("GET", ENGINE, "Host: localhost\r\nSec-Fetch-Site: same-site\r\n"), 403);
    CHECK_INT(status_of("GET", ENGINE, "Host: localhost\r\nSec-Fetch-Site: same-origin\r\n"), 200);
    CHECK_INT(status_of("GET", ENGINE, "Host: localhost\r\nSec-Fetch-Site: none\r\n"), 200);
    /* a link to the page is one of other sites */
    CHECK_INT(status_of("GET", "/", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"), 200);
    CHECK_INT(poll_post(&p, "42[\"x\"]"), 200);
    poll_free(&p);
    hub_stop();
}

/* --- the end, from wherever it is called --- */

enum place { AT_ADMIT, AT_CONNECT, AT_EVENT, AT_DISCONNECT, AT_REPLY, PLACES };
static enum place place;

static void end_at(enum place here) {
    if (here == place) hub_close(hub, on_hub_done, NULL);
}

static void at_admit(void *ud, ln_id id, struct ln_str nsp, struct ln_str auth,
                     struct ln_str headers) {
    (void)ud, (void)nsp, (void)auth, (void)headers;
    end_at(AT_ADMIT);
    hub_admit(hub, id, true, NULL, NOTHING);
}

static void at_client(void *ud, ln_id id, struct ln_str nsp, bool connected, struct ln_str reason) {
    (void)ud, (void)nsp, (void)reason;
    seen.client = id;
    end_at(connected ? AT_CONNECT : AT_DISCONNECT);
    emit("", "x", "1");
}

static void at_reply(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                     const struct ln_err *err) {
    (void)ud, (void)args, (void)bin, (void)bin_count, (void)err;
    end_at(AT_REPLY);
    hub_disconnect(hub, seen.client, true);
}

static void at_event(void *ud, const struct hub_event *ev) {
    (void)ud;
    end_at(AT_EVENT);
    hub_emit_ack(hub, ev->client, LN_STR("q"), NOTHING, NULL, 0, 1000, at_reply, NULL);
    hub_disconnect(hub, ev->client, false);
}

static void packets(struct poller *p, struct web *w, const char *const *list) {
    for (; *list && !hub_done; list++) {
        if (w)
            say(w, *list);
        else
            poll_post(p, *list);
        if (!w) poll_ask(p);
    }
}

TEST(the_hub_is_closed_inside_of_its_hooks) {
    static const struct hub_hooks hooks = {
        .admit = at_admit, .client = at_client, .event = at_event};
    static const char *const said[] = {"40",
                                       "42[\"a\"]\x1e"
                                       "42[\"b\"]",
                                       "430[]", "1", NULL};
    static const char *const as_frames[] = {"40", "42[\"a\"]", "430[]", "1", NULL};
    for (int way = 0; way < 3; way++) { /* polling, upgraded, WebSocket */
        for (place = 0; place < PLACES; place++) {
            struct hub_opts o = plain();
            struct poller p;
            struct web w;
            char target[200];
            o.recovery_ms = 20000;
            hub_start(&o, &hooks);
            poll_open(&p);
            poll_ask(&p);
            snprintf(target, sizeof target, way == 1 ? SIO "&sid=%s" : SIO "%.0s", p.sid);
            web_init(&w, loop, hub_pair(hub));
            if (way > 0) web_upgrade(&w, target, "");
            if (way == 1) say(&w, "2probe");
            if (way == 1) say(&w, "5");
            packets(&p, way ? &w : NULL, way ? as_frames : said);
            loop_advance(loop, 5000);
            web_free(&w);
            poll_free(&p);
            hub_gone();
        }
    }
}

TEST_MAIN(T(a_get_in_the_turn_in_which_another_is_refused), T(nobody_gets_what_was_before_him),
          T(an_answer_is_for_the_page_that_asked),
          T(a_proxy_on_this_machine_does_not_make_its_clients_local),
          T(pages_that_have_no_business_here), T(the_hub_is_closed_inside_of_its_hooks))
