/* SPDX-License-Identifier: MIT
 *
 * What stands in the way of a line, for each protocol: proxies that answer for a server which is
 * down, captive portals, ports of other protocols, servers that say nothing or hang up,
 * certificates with every defect. Each has words of its own; the next attempt comes after the usual
 * wait, and finds the server well.
 */
#include "certs.h"
#include "poll_peer.h"

#define GREETING                                                                                   \
    "{\"event\":\"pusher:connection_established\",\"data\":\"{\\\"socket_id\\\":\\\"1.1\\\","      \
    "\\\"activity_timeout\\\":120}\"}"

static const struct way {
    const char *name, *plain, *tls; /* URLs */
    enum conn_transport transport;
    const char *greeting; /* the server's first frame; NULL: none */
} ways[] = {
    {"socketio", "ws://chat.example", "wss://chat.example", TRANSPORT_WEBSOCKET, POLL_OPEN},
    {"socketio", "ws://chat.example", "wss://chat.example", TRANSPORT_POLLING, NULL},
    {"pusher", "pusher://k@chat.example", "pushers://k@chat.example", TRANSPORT_WEBSOCKET,
     GREETING},
    {"ws", "ws://chat.example/feed", "wss://chat.example/feed", TRANSPORT_WEBSOCKET, NULL},
};

static struct conn_opts way_options(const struct way *way, const char *url) {
    struct conn_opts o = options(url);
    o.protocol = ln_strdup(way->name);
    o.transports[0] = way->transport;
    return o;
}

static bool polls(const struct way *way) {
    return way->transport == TRANSPORT_POLLING;
}

/* The request that is there is answered as by a server that is well. */
static void serve(const struct way *way, struct conn *c) {
    if (polls(way)) {
        poll = req.conn;
        answer_get(POLL_OPEN);
        HEAR("40");
        take_get();
        answer_get("40{\"sid\":\"s1\"}");
    } else {
        web_upgrade();
        if (way->greeting) web_frame(req.conn, way->greeting);
        web_turn(w.loop);
        if (way->greeting && strcmp(way->name, "socketio") == 0)
            web_frame(req.conn, "40{\"sid\":\"s1\"}");
        web_turn(w.loop);
    }
    CHECK_INT(conn_state(c), CONN_CONNECTED);
}

/* Texts told so far: none may be told for two different faults. */
static char texts[32][600];
static size_t text_count;

static void check_own_words(const char *fault) {
    for (size_t i = 0; i < text_count; i++) {
        if (strcmp(texts[i], ln_buf_cstr(&w.trail)) != 0) continue;
        test_failures++;
        printf("%s: the same words as for another fault: %s\n", fault, texts[i]);
    }
    CHECK(text_count < LN_COUNT(texts));
    snprintf(texts[text_count++], sizeof texts[0], "%s", ln_buf_cstr(&w.trail));
}

/* The attempt under way has ended with these words, and nothing happens until the next is due. */
static void check_told(struct conn *c, const char *fault, const char *code, const char *words) {
    char want[80];
    web_turn(w.loop);
    snprintf(want, sizeof want, "connect_error({\"code\":\"%s\",\"message\":\"", code);
    CHECK_HAS(ln_buf_cstr(&w.trail), want);
    CHECK_HAS(ln_buf_cstr(&w.trail), words);
    LOG_HAS("; next attempt in 1 s");
    CHECK_INT(conn_state(c), CONN_WAITING);
    CHECK_INT(conn_stats(c)->errors, 1);
    CHECK_INT(loop_timer_count(w.loop), 1);
    check_own_words(fault);
    int before = web.n;
    loop_advance(w.loop, 999);
    CHECK_INT(web.n, before);
    loop_advance(w.loop, 1);
}

/* --- over a line without TLS --- */

enum end { ANSWERS, HANGS_UP, IS_SILENT };

static const struct {
    const char *name, *answer;
    enum end end;
    const char *code, *words;       /* of an upgrade */
    const char *poll_code, *polled; /* of polling, where they differ */
} faults[] = {
    {"a proxy before a server that is down",
     "HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nContent-Type: text/html\r\n"
     "Content-Length: 37\r\n\r\n<html><h1>502 Bad Gateway</h1></html>",
     ANSWERS, "refused",
     "HTTP 502 Bad Gateway (a proxy in front says that the server behind it does not answer)", NULL,
     NULL},
    {"a proxy before a server that is slow",
     "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n", ANSWERS, "refused",
     "HTTP 504 Gateway Timeout (a proxy in front says", NULL, NULL},
    {"a server that is busy", "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nlate", ANSWERS,
     "refused", "HTTP 503 Busy: late", NULL, NULL},
    {"too many requests", "HTTP/1.1 429 \r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n", ANSWERS,
     "refused", "HTTP 429 Too Many Requests", NULL, NULL},
    {"another path", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", ANSWERS, "refused",
     "HTTP 404 Not Found: no", NULL, NULL},
    {"a captive portal's page",
     "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 40\r\n\r\n"
     "\r\n<!DOCTYPE html><title>Welcome!</title>",
     ANSWERS, "protocol",
     "the server answered 200 instead of 101: not a WebSocket address, or a proxy in front drops "
     "the upgrade (it sent a web page, as a captive portal does, or another path of the server)",
     "protocol",
     "the server answered with a page, not with Engine.IO: another server, or a proxy's login "
     "page"},
    {"a captive portal that says so",
     "HTTP/1.1 511 Network Authentication Required\r\nContent-Length: 6\r\n\r\n<html>", ANSWERS,
     "refused",
     "HTTP 511 Network Authentication Required (a captive portal; open a browser and sign in to "
     "this network)",
     NULL, NULL},
    {"no HTTP", "SSH-2.0-OpenSSH_9.2p1\r\n", ANSWERS, "protocol", "the server's answer is not HTTP",
     NULL, NULL},
    {"TLS on the port", "\x15\x03\x03\x02\x02\x28", ANSWERS, "refused",
     "the server speaks TLS on this port: use wss:// or https://", NULL, NULL},
    {"plain HTTP sent to a port of nginx with TLS",
     "HTTP/1.1 400 Bad Request\r\nContent-Length: 62\r\n\r\n"
     "<html>The plain HTTP request was sent to HTTPS port</html>\r\n\r\n",
     ANSWERS, "refused",
     "HTTP 400 Bad Request (the server speaks TLS on this port; use wss:// or https://)", NULL,
     NULL},
    {"hangs up at once", NULL, HANGS_UP, "disconnected",
     "closed by the peer before it answered (if it speaks TLS on this port: wss:// or https://)",
     NULL, NULL},
    {"hangs up in the middle", "HTTP/1.1 101 Swi", HANGS_UP, "disconnected",
     "closed by the peer in the middle of the answer", NULL, NULL},
    {"stops in the middle", "HTTP/1.1 200 OK\r\n", IS_SILENT, "timeout",
     "timed out after 20 s in the middle of the answer", NULL, NULL},
    {"accepts and says nothing", NULL, IS_SILENT, "timeout",
     "timed out after 20 s without an answer", NULL, NULL},
};

static void meet(const struct way *way, size_t i) {
    begin_web();
    struct conn *c = open_with("chat", way_options(way, way->plain));
    bool own = polls(way) && faults[i].poll_code;
    take("GET");
    if (faults[i].answer) web_say(faults[i].answer);
    if (faults[i].end == HANGS_UP) web_hang_up(req.conn);
    if (faults[i].end == IS_SILENT) loop_advance(w.loop, 20000);
    check_told(c, faults[i].name, own ? faults[i].poll_code : faults[i].code,
               own ? faults[i].polled : faults[i].words);
    take("GET");
    serve(way, c);
    end_web();
}

TEST(what_answers_in_the_server_s_place) {
    for (size_t k = 0; k < LN_COUNT(ways); k++) {
        text_count = 0;
        for (size_t i = 0; i < LN_COUNT(faults); i++)
            meet(&ways[k], i);
    }
}

/* Portals send to their page; only plain WebSocket lines follow, and find that page. */
TEST(a_captive_portal_that_redirects) {
    static const char portal[] = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
                                 "Location: http://login.example/?next=secret\r\n\r\n";
    for (size_t k = 0; k < LN_COUNT(ways); k++) {
        const struct way *way = &ways[k];
        text_count = 0;
        begin_web();
        struct conn *c = open_with("chat", way_options(way, way->plain));
        take("GET");
        web_say(portal);
        if (strcmp(way->name, "ws") == 0) {
            take("GET");
            CHECK_HAS(req.head, "Host: login.example\r\n");
            web_answer(200, "<html>sign in</html>");
            check_told(c, "redirected", "protocol", "it sent a web page, as a captive portal does");
        } else {
            check_told(c, "redirected", "refused",
                       "HTTP 302 redirected to http://login.example/ (redirects are not followed; "
                       "use that address)");
        }
        CHECK(!strstr(texts[0], "secret"));
        take("GET");
        serve(way, c);
        end_web();
    }
}

TEST(nobody_is_there) {
    for (size_t k = 0; k < LN_COUNT(ways); k++) {
        uint16_t port;
        char url[80], words[80];
        int dead = peer_dead_port(&port);
        begin_web();
        clients_dialler(w.cs, NULL, NULL); /* the network itself */
        snprintf(url, sizeof url, "%s://%s127.0.0.1:%u", k == 2 ? "pusher" : "ws",
                 k == 2 ? "k@" : "", port);
        snprintf(words, sizeof words, "TCP: connection refused (127.0.0.1:%u)", port);
        struct conn *c = open_with("chat", way_options(&ways[k], url));
        text_count = 0;
        check_told(c, "refused", "refused", words);
        clients_dialler(w.cs, web_dial, NULL);
        conn_reconnect(c);
        take("GET");
        serve(&ways[k], c);
        end_web();
        close(dead);
        begin_web();
        clients_dialler(w.cs, NULL, NULL);
        ln_fault_set("stream.dns:1");
        c = open_with("chat", way_options(&ways[k], ways[k].plain));
        web_turn(w.loop);
        clients_dialler(w.cs, web_dial, NULL);
        check_told(c, "no such name", "not_found", "DNS: ");
        take("GET");
        serve(&ways[k], c);
        end_web();
    }
}

/* --- certificates --- */

static struct tls_peer tls[8];
static int tls_count;
static SSL_CTX *tls_now; /* of the next line; taken over */

static int tls_dial(void *ud, struct conn *c) {
    (void)ud, (void)c;
    if (tls_count == (int)LN_COUNT(tls) || !tls_now) abort();
    SSL_CTX *ctx = tls_now;
    tls_now = NULL;
    return tls_pair(&tls[tls_count++], ctx);
}

TEST(certificates) {
    static const struct {
        const char *name, *words;
    } table[] = {
        {"expired", "TLS: certificate has expired"},
        {"young", "TLS: certificate is not yet valid"},
        {"other", "TLS: hostname mismatch: the certificate is not for chat.example but for "
                  "other.example"},
        {"self", "TLS: self-signed certificate"},
        {"unknown", "TLS: unable to get local issuer certificate: the authority \\\"Nobody\\\" is "
                    "unknown here (set tls.ca to its PEM file"},
    };
    certs_begin();
    struct cert ca = cert_make("ca", (struct cert_spec){"Test Authority", NULL, -9, 9, NULL, true});
    struct cert no = cert_make("nobody", (struct cert_spec){"Nobody", NULL, -9, 9, NULL, true});
    const char *name = "DNS:chat.example";
    struct cert good = cert_make("good", (struct cert_spec){"x", name, -1, 1, &ca, false});
    struct cert bad[] = {
        cert_make("b0", (struct cert_spec){"x", name, -9, -1, &ca, false}),
        cert_make("b1", (struct cert_spec){"x", name, 1, 9, &ca, false}),
        cert_make("b2", (struct cert_spec){"x", "DNS:other.example", -1, 1, &ca, false}),
        cert_make("b3", (struct cert_spec){"chat.example", name, -1, 1, NULL, false}),
        cert_make("b4", (struct cert_spec){"x", name, -1, 1, &no, false}),
    };
    for (size_t k = 0; k < LN_COUNT(ways); k++) {
        text_count = 0;
        for (size_t i = 0; i < LN_COUNT(table); i++) {
            begin_web();
            clients_dialler(w.cs, tls_dial, NULL);
            tls_count = 0;
            tls_now = tls_server(&bad[i], NULL, 0);
            struct conn_opts o = way_options(&ways[k], ways[k].tls);
            o.tls.ca = ln_strdup(certs_path("ca.pem"));
            struct conn *c = open_with("chat", o);
            tls_pump(w.loop, &tls[0]);
            tls_now = tls_server(&good, NULL, 0);
            check_told(c, table[i].name, "denied", table[i].words);
            CHECK_HAS(texts[i], "\"detail\":\"tls\"");
            CHECK_INT(tls_count, 2);
            tls_pump(w.loop, &tls[1]); /* and this one is trusted with the request */
            CHECK(tls[1].shaken);
            CHECK_HAS(ln_buf_cstr(&tls[1].plain.in), "Host: chat.example\r\n");
            tls_peer_close(&tls[0]);
            tls_peer_close(&tls[1]);
            end_web();
        }
    }
    for (size_t i = 0; i < LN_COUNT(bad); i++)
        cert_free(&bad[i]);
    cert_free(&good);
    cert_free(&no);
    cert_free(&ca);
    certs_end();
}

TEST_MAIN(T(what_answers_in_the_server_s_place), T(a_captive_portal_that_redirects),
          T(nobody_is_there), T(certificates))
