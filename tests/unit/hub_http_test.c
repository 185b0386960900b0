/* SPDX-License-Identifier: MIT
 *
 * What the hub answers to plain HTTP: the table of Engine.IO's errors, the page and its headers,
 * and who is kept out by Origin and Host.
 */
#include "hubclient.h"

static void asks(const char *target, const char *headers, int status, const char *part) {
    struct web w;
    struct ln_buf b = {0};
    ln_buf_fmt(&b, "%s HTTP/1.1\r\n%s\r\n", target, headers);
    web_init(&w, loop, hub_pair(hub));
    web_write(&w, b.p, b.n);
    web_turn(&w);
    CHECK_INT(web_status(&w), status);
    CHECK_HAS(web_answer(&w), part);
    if (web_status(&w) != status) printf("  asked: %s\n", b.p);
    ln_buf_free(&b);
    web_free(&w);
}

#define HOST "Host: localhost:4321\r\n"
#define WS                                                                                         \
    HOST "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"              \
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

TEST(engine_errors_are_those_of_the_table) {
    struct hub_opts o = test_opts();
    hub_start(&o, &no_admit);
    asks("GET /socket.io/?EIO=4&transport=__proto__", HOST, 400, "{\"code\":0,");
    asks("GET /socket.io/?EIO=4", HOST, 400,
         "\r\n\r\n{\"code\":0,\"message\":\"Transport unknown\"}");
    asks("GET /socket.io/?EIO=4&transport=websocket&sid=nope", HOST, 400,
         "{\"code\":1,\"message\":\"Session ID unknown\"}");
    asks("PUT /socket.io/?EIO=4&transport=websocket", HOST, 400,
         "{\"code\":2,\"message\":\"Bad handshake method\"}");
    asks("GET /socket.io/?EIO=4&transport=websocket", HOST, 400,
         "{\"code\":3,\"message\":\"Bad request\"}");
    asks("GET /socket.io/?EIO=3&transport=websocket", WS, 400,
         "\r\n\r\nUnsupported protocol version");
    asks("GET /socket.io/?transport=websocket", WS, 400, "\r\n\r\nUnsupported protocol version");
    asks("GET /socket.io/?EIO=4&transport=websocket&sid=nope", WS, 400,
         "\r\n\r\nSession ID unknown");
    asks("GET /socket.io/?EIO=4&transport=polling", WS, 400, "\r\n\r\nBad request");
    asks("GET /elsewhere", WS, 404, "Not Found");
    asks("GET /socket.io/socket.io.js", HOST, 404, "Not Found");
    asks("GET /ws", HOST, 426, "WebSocket only");
    asks("DELETE /", HOST, 405, "Allow: GET, HEAD\r\n");
    asks("BREW /pot", HOST, 405, "Allow: GET, HEAD\r\n");
    asks("GET /../hub.c", HOST, 404, "Not Found");
    asks("GET /nothing.js", HOST, 404, "Not Found");
    hub_stop();
}

TEST(page_and_health) {
    struct hub_opts o = test_opts();
    hub_start(&o, &no_admit);
    asks("GET /healthz", HOST, 200, "{\"ok\":true,\"version\":\"" LN_VERSION "\",\"clients\":0,");
    asks("GET /", HOST, 200, "Content-Type: text/html; charset=utf-8\r\n");
    asks("GET /", HOST, 200,
         "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
         "connect-src 'self' ws://localhost:4321 wss://localhost:4321; img-src 'self' data:; "
         "base-uri 'none'; frame-ancestors 'none'; form-action 'none'\r\n");
    asks("GET /?x=1", HOST, 200, "X-Content-Type-Options: nosniff\r\n");
    asks("HEAD /page.css", HOST, 200, "Content-Type: text/css; charset=utf-8\r\n");
    asks("GET /page.css", HOST, 200, "Cache-Control: no-cache\r\n");
    hub_stop();
    o.page = false;
    hub_start(&o, &no_admit);
    asks("GET /", HOST, 404, "Not Found");
    hub_stop();
}

#define TARGET "GET " SIO

TEST(foreign_pages_and_rebound_names_stay_out) {
    static const char *const origins[] = {"https://chat.example", NULL}, *const any[] = {"*", NULL};
    struct hub_opts o = test_opts();
    hub_start(&o, &no_admit);
    asks(TARGET, WS "Origin: http://localhost:4321\r\n", 101, "");
    asks(TARGET, WS "Origin: http://127.0.0.1:3000\r\n", 101, ""); /* on this machine */
    asks(TARGET, WS "Origin: http://evil.example\r\n", 403, "hub.origins");
    asks(TARGET, WS "Origin: http://localhost.evil.example\r\n", 403, "hub.origins");
    asks(TARGET, WS "Origin: null\r\n", 403, "hub.origins");
    asks("GET /healthz", "Host: evil.example\r\n", 403, "hub.origins");
    asks("GET /healthz", "Host: localhost.evil.example:4321\r\n", 403, "hub.origins");
    asks("GET /healthz", "Host: 127.evil.example\r\n", 403, "hub.origins");
    asks("GET /healthz", "", 403, "hub.origins");
    asks("GET /healthz", "Host: 192.168.1.7:4321\r\n", 200, "ok");
    asks("GET /healthz", "Host: [::1]:4321\r\n", 200, "ok");
    asks("GET /healthz", "Host: LOCALHOST\r\n", 200, "ok");
    hub_stop();
    o.origins = origins;
    hub_start(&o, &no_admit);
    asks(TARGET, WS "Origin: https://chat.example\r\n", 101, "");
    asks(TARGET, WS "Origin: http://chat.example\r\n", 403, "hub.origins");
    asks(TARGET, WS "Origin: http://127.0.0.1:3000\r\n", 403, "hub.origins");
    asks(TARGET, WS "Origin: http://localhost:4321\r\n", 101, ""); /* our own page */
    asks("GET /healthz", "Host: chat.example\r\n", 200, "ok");
    hub_stop();
    o.origins = any;
    hub_start(&o, &no_admit);
    asks(TARGET, WS "Origin: http://evil.example\r\n", 101, "");
    asks("GET /healthz", "Host: evil.example\r\n", 200, "ok");
    hub_stop();
}

TEST_MAIN(T(engine_errors_are_those_of_the_table), T(page_and_health),
          T(foreign_pages_and_rebound_names_stay_out))
