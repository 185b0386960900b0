/* SPDX-License-Identifier: MIT
 *
 * The way of a connection to its server: proxies, redirects, compression and Unix sockets, as far
 * as they are the options' and the protocol's choice. The layers below have their own tests.
 */
#include "sio_peer.h"

TEST(raw_lines_follow_redirects) {
    begin();
    w.open = NULL;
    struct conn_opts o = options("ws://chat.example/feed");
    o.protocol = ln_strdup("ws");
    o.headers = ln_strdup("{\"Authorization\":\"Bearer x\"}");
    w.http = "HTTP/1.1 302 Found\r\nLocation: ws://other.example:8080/v2\r\n\r\n";
    struct conn *c = open_with("feed", o);
    loop_settle(w.loop, 0);
    CHECK_INT(w.lines, 1);
    server_serve(w.line[0]);
    CHECK_HAS(w.line[0]->request, "Authorization: Bearer x\r\n");
    w.http = NULL;
    turn();
    CHECK_INT(w.lines, 2);
    CHECK_HAS(w.line[1]->request, "GET /v2 HTTP/1.1\r\nHost: other.example:8080\r\n");
    CHECK(!strstr(w.line[1]->request, "Authorization"));
    TRAIL("connect(true) ");
    LOG_HAS("redirected to ws://other.example:8080");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

/* As the reference. */
TEST(socketio_does_not) {
    begin();
    w.http = "HTTP/1.1 302 Found\r\nLocation: ws://other.example/\r\nContent-Length: 0\r\n\r\n";
    open_with("chat", options("ws://chat.example"));
    turn();
    CHECK_INT(w.lines, 1);
    TRAIL("connect_error({\"code\":\"refused\",\"message\":\"upgrade: HTTP 302 redirected to "
          "ws://other.example/ (redirects are not followed; use that "
          "address)\",\"detail\":\"upgrade\"}) ");
    end();
}

TEST(compression_is_offered_by_an_option) {
    begin();
    open_with("plain", options("ws://chat.example"));
    struct conn_opts o = options("ws://chat.example");
    o.compress = true;
    open_with("packed", o);
    turn();
    CHECK_INT(w.lines, 2);
    CHECK(!strstr(w.line[0]->request, "Sec-WebSocket-Extensions"));
    CHECK_HAS(w.line[1]->request, "Sec-WebSocket-Extensions: permessage-deflate; "
                                  "client_no_context_takeover\r\n");
    end();
}

TEST(a_proxy_is_asked_first) {
    begin();
    struct conn_opts o = options("ws://chat.example");
    o.proxy = ln_strdup("http://ada:pw@proxy.example:3128");
    w.http = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
    open_with("chat", o);
    turn();
    CHECK_HAS(w.line[0]->request, "CONNECT chat.example:80 HTTP/1.1\r\n");
    TRAIL("connect_error({\"code\":\"unauthorized\",\"message\":\"proxy: HTTP 407 Proxy "
          "Authentication Required: it does not accept this user and password "
          "(http://proxy.example:3128)\",\"detail\":\"proxy\"}) ");
    end();
}

TEST(each_unix_socket_is_a_line_of_its_own) {
    static const char *const urls[] = {"ws+unix:///run/a.sock", "ws+unix:///run/b.sock",
                                       "ws+unix:///run/a.sock:/admin"};
    begin();
    for (size_t i = 0; i < LN_COUNT(urls); i++) {
        char name[8];
        snprintf(name, sizeof name, "c%zu", i);
        open_with(name, options(urls[i]));
    }
    turn();
    CHECK_INT(w.lines, 2); /* a namespace of the first goes with it */
    CHECK_HAS(w.line[0]->request, "Host: localhost\r\n");
    TRAIL("connect(true) connect(true) connect(true) ");
    end();
}

TEST_MAIN(T(raw_lines_follow_redirects), T(socketio_does_not),
          T(compression_is_offered_by_an_option), T(a_proxy_is_asked_first),
          T(each_unix_socket_is_a_line_of_its_own))
