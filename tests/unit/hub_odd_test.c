/* SPDX-License-Identifier: MIT
 *
 * Requests that are odd in what stands around Engine.IO's own part, and bodies in odd pieces: each
 * is answered, and none touches a session that is well.
 */
#include "pollclient.h"

static void start(void) {
    struct hub_opts o = test_opts();
    o.dialect = false;
    hub_start(&o, &no_admit);
}

static int status_of(const char *request) {
    struct web w;
    web_init(&w, loop, hub_pair(hub));
    web_say(&w, request);
    web_turn(&w);
    int status = web_status(&w);
    web_free(&w);
    return status;
}

TEST(origins_of_odd_bytes) {
    static const char *const origins[] = {"\xff\xfe",
                                          "http://",
                                          "://",
                                          "http://localhost@evil.example",
                                          "http://evil.example#localhost",
                                          "javascript:alert(1)"};
    start();
    for (size_t i = 0; i < LN_COUNT(origins); i++) {
        char request[200];
        snprintf(request, sizeof request,
                 "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n"
                 "Origin: %s\r\n\r\n",
                 origins[i]);
        int status = status_of(request);
        if (status != 400 && status != 403) printf("%s: %d\n", origins[i], status);
        CHECK(status == 400 || status == 403);
    }
    CHECK_INT(status_of("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n"
                        "Origin: a\x01z\r\n\r\n"),
              400);
    CHECK_INT(hub_client_count(hub), 0);
    hub_stop();
}

/* Parameters twice, coded, empty, without end: the first of each counts, or the request is refused.
 */
TEST(queries_of_odd_shapes) {
    static const struct {
        const char *query;
        int status;
    } table[] = {
        {"EIO=4&transport=polling", 200},
        {"transport=polling&EIO=4&t=1.5&x", 200},
        {"&&EIO=4&&transport=polling&", 200},
        {"EIO=4&transport=polling&sid=", 400},
        {"EIO=4&transport=polling&sid=%00", 400},
        {"EIO=4&transport=polling&sid=../../etc", 400},
        {"EIO=4&transport=", 400},
        {"EIO=&transport=polling", 400},
        {"EIO=4.0&transport=polling", 400},
        {"EIO=44444444444444444444&transport=polling", 400},
        {"EIO=4&transport=POLLING", 400},
        {"", 400},
    };
    start();
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        char request[200];
        snprintf(request, sizeof request, "GET /socket.io/?%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 table[i].query);
        int status = status_of(request);
        if (status != table[i].status) printf("%s: ", table[i].query);
        CHECK_INT(status, table[i].status);
    }
    hub_stop();
}

/* python-engineio sends the head first; proxies send chunks. */
TEST(bodies_in_pieces) {
    struct poller p;
    char target[200], head[400];
    start();
    poll_client(&p);
    poll_target(&p, target);
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n",
             target);
    web_say(&p.post, head);
    web_turn(&p.post);
    web_say(&p.post, "42[");
    web_turn(&p.post);
    web_say(&p.post, "\"a\"]");
    web_turn(&p.post);
    CHECK_INT(http_take(&p.post, &p.head, &p.body), 200);
    snprintf(head, sizeof head,
             "POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", target);
    web_say(&p.post, head);
    web_say(&p.post, "3\r\n42[\r\n");
    web_turn(&p.post);
    web_say(&p.post, "4\r\n\"b\"]\r\n0\r\n\r\n");
    web_turn(&p.post);
    CHECK_INT(http_take(&p.post, &p.head, &p.body), 200);
    CHECK_SEEN("connect /\nevent / a() bin 0 ack -1\nevent / b() bin 0 ack -1\n");
    web_say(&p.post, head);
    web_say(&p.post, "zz\r\n42[\r\n"); /* no size */
    web_turn(&p.post);
    CHECK_INT(web_status(&p.post), 400);
    web_free(&p.post);
    web_init(&p.post, loop, hub_pair(hub));
    CHECK_INT(poll_post(&p, "420[\"still\"]"), 200);
    poll_free(&p);
    hub_stop();
}

TEST_MAIN(T(origins_of_odd_bytes), T(queries_of_odd_shapes), T(bodies_in_pieces))
