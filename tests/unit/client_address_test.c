/* SPDX-License-Identifier: MIT
 *
 * From URL and options to what is asked for: host, port, TLS, path, query and namespace of
 * Socket.IO; and which connections share a line.
 */
#include "client/plan.h"
#include "sio_peer.h"

TEST(addresses) {
    static const struct {
        const char *url, *path, *query; /* the options `path` and `query` */
        const char *host, *target, *connect;
        uint16_t port;
        bool tls;
    } table[] = {
        {"http://localhost", NULL, NULL, "localhost", "/socket.io/?", "40|", 80, false},
        {"https://localhost", NULL, NULL, "localhost", "/socket.io/?", "40|", 443, true},
        {"ws://localhost", NULL, NULL, "localhost", "/socket.io/?", "40|", 80, false},
        {"wss://localhost", NULL, NULL, "localhost", "/socket.io/?", "40|", 443, true},
        {"http://localhost:80", NULL, NULL, "localhost", "/socket.io/?", "40|", 80, false},
        {"wss://localhost:443", NULL, NULL, "localhost", "/socket.io/?", "40|", 443, true},
        {"ws://localhost:443", NULL, NULL, "localhost:443", "/socket.io/?", "40|", 443, false},
        {"https://localhost:3000", NULL, NULL, "localhost:3000", "/socket.io/?", "40|", 3000, true},
        {"http://[::1]", NULL, NULL, "[::1]", "/socket.io/?", "40|", 80, false},
        {"wss://[::1]:8443/n", NULL, NULL, "[::1]:8443", "/socket.io/?", "40/n,|", 8443, true},
        {"http://h/", NULL, NULL, "h", "/socket.io/?", "40|", 80, false},
        {"http://h/admin", NULL, NULL, "h", "/socket.io/?", "40/admin,|", 80, false},
        {"http://h/a/b", NULL, NULL, "h", "/socket.io/?", "40/a/b,|", 80, false},
        {"http://h/admin?x=1&y=%20#z", NULL, NULL, "h", "/socket.io/?x=1&y=%20&", "40/admin,|", 80,
         false},
        {"http://h?x", NULL, NULL, "h", "/socket.io/?x&", "40|", 80, false},
        {"http://h?", NULL, NULL, "h", "/socket.io/?", "40|", 80, false},
        {"http://h", "/engine", NULL, "h", "/engine/?", "40|", 80, false},
        {"http://h/n", "/engine/", NULL, "h", "/engine/?", "40/n,|", 80, false},
        {"http://h", NULL, "{\"a\":\"1 \\u00e9\",\"b\":2}", "h", "/socket.io/?a=1%20%C3%A9&b=2&",
         "40|", 80, false},
        {"http://h/n?x=1", NULL, "{\"a b\":\"&=\"}", "h", "/socket.io/?x=1&a%20b=%26%3D&", "40/n,|",
         80, false},
        {"http://u:p@h", NULL, NULL, "h", "/socket.io/?", "40|", 80, false},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        struct conn_plan p;
        char want[120];
        begin();
        struct conn_opts o = options(table[i].url);
        if (table[i].path) o.path = ln_strdup(table[i].path);
        if (table[i].query) o.query = ln_strdup(table[i].query);
        o.autoconnect = false;
        struct conn *c = open_with("chat", o);
        conn_plan(c, &p);
        CHECK_STR(ln_buf_get(&p.host), table[i].host);
        CHECK_INT(p.url.port, table[i].port);
        CHECK_INT(p.url.tls, table[i].tls);
        snprintf(want, sizeof want, "%sEIO=4&transport=websocket", table[i].target);
        CHECK_STR(ln_buf_get(&p.target), want);
        conn_plan_free(&p);
        conn_connect(c);
        turn();
        if (!table[i].tls) GOT(last(), table[i].connect);
        if (!table[i].tls) CHECK_HAS(last()->request, want);
        CHECK_INT(last()->p.in.n > 0, table[i].tls); /* a hello that nobody answers */
        end();
    }
}

static void set_path(struct conn_opts *o) {
    o->path = ln_strdup("/other");
}
static void set_query(struct conn_opts *o) {
    o->query = ln_strdup("{\"a\":1}");
}
static void set_headers(struct conn_opts *o) {
    o->headers = ln_strdup("{\"X\":\"1\"}");
}
static void set_compress(struct conn_opts *o) {
    o->compress = true;
}
static void set_proxy(struct conn_opts *o) {
    o->proxy = ln_strdup("http://proxy.example:3128");
}
static void set_nothing(struct conn_opts *o) {
    o->auth = ln_strdup("{\"token\":1}"); /* each namespace's own */
}

TEST(who_shares_a_line) {
    static void (*const sets[])(struct conn_opts *) = {set_path,     set_query, set_headers,
                                                       set_compress, set_proxy, set_nothing};
    for (size_t i = 0; i < LN_COUNT(sets); i++) {
        begin();
        w.http = ""; /* dialled is enough */
        open_url("a", "ws://chat.example");
        struct conn_opts o = options("ws://chat.example/n");
        sets[i](&o);
        open_with("b", o);
        loop_settle(w.loop, 0);
        CHECK_INT(w.lines, sets[i] == set_nothing ? 1 : 2);
        end();
    }
}

TEST_MAIN(T(addresses), T(who_shares_a_line))
