/* SPDX-License-Identifier: MIT
 *
 * Long-polling as HTTP: what the hub answers to requests that are wrong, to pages of other origins,
 * and when it is full.
 */
#include "pollclient.h"

static void asks(const char *method, const char *target, const char *headers, int status,
                 const char *part) {
    struct web w;
    web_init(&w, loop, hub_pair(hub));
    http_write(&w, method, target, headers, NOTHING);
    web_turn(&w);
    CHECK_INT(web_status(&w), status);
    CHECK_HAS(web_answer(&w), part);
    if (web_status(&w) != status) printf("  asked: %s %s\n", method, target);
    web_free(&w);
}

TEST(errors_are_those_of_the_table) {
    hub_of_two();
    asks("GET", "/socket.io/?EIO=4&transport=tape", "", 400,
         "Content-Type: application/json\r\nContent-Length: 40\r\n");
    asks("GET", "/socket.io/?EIO=4&transport=constructor", "", 400,
         "\r\n\r\n{\"code\":0,\"message\":\"Transport unknown\"}");
    asks("GET", ENGINE "&sid=nope", "", 400,
         "\r\n\r\n{\"code\":1,\"message\":\"Session ID unknown\"}");
    asks("POST", ENGINE "&sid=nope", "Content-Length: 100000\r\n", 400, "{\"code\":1,");
    asks("PUT", ENGINE, "", 400, "\r\n\r\n{\"code\":2,\"message\":\"Bad handshake method\"}");
    asks("POST", ENGINE, "Content-Length: 2\r\n", 400, "{\"code\":2,");
    asks("GET", ENGINE, "Content-Length: 2\r\n", 400, "{\"code\":3,");
    asks("GET", "/socket.io/?EIO=3&transport=polling", "", 400,
         "\r\n\r\n{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    asks("GET", "/socket.io/?EIO=abc&transport=polling", "", 400, "{\"code\":5,");
    asks("GET", "/socket.io/?transport=polling", "", 400, "{\"code\":5,");
    asks("GET", "/socket.io?EIO=4&transport=polling", "", 200, "0{\"sid\":"); /* no slash */
    asks("GET", "/socket.io/x?EIO=4&transport=polling", "", 200, "0{\"sid\":");
    asks("GET", "/socket.iox?EIO=4&transport=polling", "", 404, "Not Found");
    struct poller p;
    char target[240];
    poll_client(&p);
    snprintf(target, sizeof target, "/socket.io/?EIO=3&transport=polling&sid=%s", p.sid);
    asks("GET", target, "", 400, "\r\n\r\n{\"code\":3,\"message\":\"Bad request\"}");
    snprintf(target, sizeof target, "/socket.io/?EIO=4&transport=websocket&sid=%s", p.sid);
    asks("GET", target, "", 400, "{\"code\":3,");
    poll_target(&p, target);
    asks("PUT", target, "", 400, "\r\nContent-Length: 0\r\n");
    CHECK_INT(poll_post(&p, "42[\"x\"]"), 200); /* none of these touched it */
    poll_free(&p);
    hub_stop();
}

TEST(pages_of_other_origins) {
    static const char *const listed[] = {"https://chat.example", NULL}, *const any[] = {"*", NULL};
    struct hub_opts o = test_opts();
    hub_of_two();
    asks("GET", ENGINE, "Origin: http://evil.example\r\n", 403, "hub.origins");
    asks("OPTIONS", ENGINE, "Origin: http://evil.example\r\n", 403, "hub.origins");
    asks("GET", ENGINE, "Origin: http://localhost:3000\r\n", 200,
         "\r\nAccess-Control-Allow-Origin: http://localhost:3000\r\n"
         "Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n");
    asks("GET", ENGINE "&sid=none", "Origin: http://localhost:3000\r\n", 400,
         "\r\nAccess-Control-Allow-Origin: http://localhost:3000\r\n");
    hub_stop();
    o.origins = listed;
    o.max_message = 2000;
    hub_start(&o, &no_admit);
    asks("OPTIONS", ENGINE,
         "Origin: https://chat.example\r\nAccess-Control-Request-Method: POST\r\n"
         "Access-Control-Request-Headers: x-one, content-type\r\n",
         204,
         "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: https://chat.example\r\n"
         "Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n"
         "Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE\r\n"
         "Access-Control-Allow-Headers: x-one, content-type\r\n\r\n");
    struct hub_target everybody = {0};
    struct poller p;
    char target[200];
    poll_client(&p);
    poll_target(&p, target);
    asks("POST", target, "Origin: https://chat.example\r\nContent-Length: 2001\r\n", 413,
         "\r\nAccess-Control-Allow-Origin: https://chat.example\r\n");
    http_write(&p.get, "GET", target, "Origin: https://chat.example\r\n", NOTHING);
    hub_emit(hub, &everybody, LN_STR("x"), LN_STR("1"), NULL, 0);
    CHECK_POLL(&p, 200, "42[\"x\",1]"); /* a held one, too */
    CHECK_HAS(ln_buf_cstr(&p.head), "\r\nAccess-Control-Allow-Origin: https://chat.example\r\n");
    poll_free(&p);
    hub_stop();
    o.origins = any;
    hub_start(&o, &no_admit);
    asks("GET", ENGINE, "Origin: http://evil.example\r\n", 200,
         "Access-Control-Allow-Origin: *\r\n");
    asks("GET", ENGINE, "", 200, "Access-Control-Allow-Origin: *\r\n");
    hub_stop();
    o.cors = false;
    hub_start(&o, &no_admit);
    asks("GET", ENGINE, "Origin: http://evil.example\r\n", 200,
         "Cache-Control: no-store\r\n\r\n0{");
    asks("OPTIONS", ENGINE, "Origin: http://evil.example\r\n", 400, "{\"code\":2,");
    hub_stop();
}

TEST(a_path_of_its_own_and_fewer_transports) {
    struct hub_opts o = test_opts();
    struct web w;
    o.path = "engine.io";
    o.transports = HUB_POLLING;
    hub_start(&o, &no_admit);
    asks("GET", "/engine.io/?EIO=4&transport=polling", "", 200, "\"upgrades\":[],");
    asks("GET", "/engine.io/?EIO=4&transport=websocket", "", 400, "{\"code\":0,");
    asks("GET", ENGINE, "", 404, "Not Found");
    web_init(&w, loop, hub_pair(hub));
    web_upgrade(&w, "/engine.io/?EIO=4&transport=websocket", "");
    CHECK_INT(web_status(&w), 400);
    CHECK_HAS(web_answer(&w), "\r\n\r\nTransport unknown");
    web_free(&w);
    hub_stop();
    o.path = NULL;
    o.transports = HUB_WEBSOCKET;
    hub_start(&o, &no_admit);
    asks("GET", ENGINE, "", 400, "{\"code\":0,");
    sio_client(&w, "");
    web_free(&w);
    hub_stop();
}

TEST(sessions_count_as_clients) {
    struct hub_opts o = test_opts();
    struct poller p;
    struct web w, raw;
    o.max_clients = 2;
    hub_start(&o, &no_admit);
    poll_client(&p);
    sio_client(&w, "");
    asks("GET", ENGINE, "", 503, "too many clients");
    web_init(&raw, loop, hub_pair(hub));
    web_upgrade(&raw, "/ws", "");
    CHECK_INT(web_status(&raw), 503);
    web_free(&raw);
    web_init(&raw, loop, hub_pair(hub));
    web_upgrade(&raw, SIO, "");
    CHECK_INT(web_status(&raw), 503);
    web_free(&raw);
    CHECK_INT(poll_post(&p, "1"), 200);
    raw_client(&raw, "");
    web_free(&raw);
    web_free(&w);
    poll_free(&p);
    hub_stop();
}

TEST_MAIN(T(errors_are_those_of_the_table), T(pages_of_other_origins),
          T(a_path_of_its_own_and_fewer_transports), T(sessions_count_as_clients))
