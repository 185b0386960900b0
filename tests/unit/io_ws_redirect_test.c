/* SPDX-License-Identifier: MIT
 *
 * Redirects of the upgrade: followed when asked to, what goes along, and what ends them. Every hop
 * is another socket pair, handed out when the line asks where to go.
 */
#include "certs.h"
#include "wire/url.h"
#include "ws_line.h"

static struct peer next; /* the server of the next hop */
static char asked[160];  /* where the line asked for */
static bool may_go;

static bool follow(void *ud, const struct url *to, struct stream_opts *o) {
    CHECK(ud != NULL);
    snprintf(asked, sizeof asked, "%s %s %u %s%s%s", to->tls ? "tls" : "plain", to->host, to->port,
             to->path, to->query ? "?" : "", to->query ? to->query : "");
    if (!may_go) return false;
    o->host = to->host;
    o->port = to->port;
    o->fd = peer_pair(&next);
    return true;
}

static struct http_header headers[] = {{"Authorization", "Bearer s3cret"},
                                       {"X-Key", "s3cret"},
                                       {"User-Agent", "tests"},
                                       {"Origin", "http://a.example"}};

static void start(struct line *l, bool tls) {
    struct ws_opts o = options();
    o.follow = follow;
    o.headers = headers;
    o.header_count = LN_COUNT(headers);
    o.protocols = "chat";
    o.stream.port = tls ? 443 : 80;
    o.stream.timeout_ms = 5000;
    asked[0] = 0;
    may_go = true;
    next = (struct peer){.fd = -1};
    *l = (struct line){0};
    ws_parser_init(&frames, true, 1 << 20);
    frames_at = 0;
    o.stream.fd = peer_pair(&peer);
    o.stream.host = "chat.example";
    l->w = ws_open(loop, &o, &cbs, l);
    loop_settle(loop, 0);
}
/* The server of now sends the line on; that of the next hop takes its place. */
static void redirect(int status, const char *to) {
    struct ln_buf text = {0};
    peer_pump(loop, &peer);
    ln_buf_fmt(&text, "HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 4\r\n\r\nmore", status,
               to);
    peer_send(&peer, text.p, text.n);
    ln_buf_free(&text);
    peer_pump(loop, &peer);
}
static void take_hop(void) {
    CHECK(peer.eof); /* the old line is closed */
    peer_close(&peer);
    peer = next;
    next.fd = -1;
    peer_pump(loop, &peer);
    snprintf(request, sizeof request, "%s", ln_buf_cstr(&peer.in));
}

TEST(a_redirect_on_the_same_server_keeps_everything) {
    struct line l;
    begin();
    start(&l, false);
    redirect(307, "/new/path?v=2");
    CHECK_STR(ln_str(asked), "plain chat.example 80 /new/path?v=2");
    CHECK_INT(l.answers + l.closed, 0);
    take_hop();
    CHECK_HAS(request, "GET /new/path?v=2 HTTP/1.1\r\nHost: chat.example\r\n");
    CHECK_HAS(request, "Authorization: Bearer s3cret\r\nX-Key: s3cret\r\n");
    CHECK_HAS(request, "Sec-WebSocket-Protocol: chat\r\n");
    struct ln_buf answer = answer_101("Sec-WebSocket-Protocol: chat\r\n");
    frame(&answer, true, WS_TEXT, "hello");
    serve(&answer);
    CHECK_INT(l.opened, 1);
    CHECK_INT(l.answer_status, 101);
    CHECK_STR(ln_buf_get(&l.got), "hello|");
    ws_close(l.w, 1000, none);
    check_sent(WS_CONTROL, WS_CLOSE, 1000, "");
    end(&l);
}

TEST(another_origin_gets_no_secrets) {
    static const struct {
        const char *to, *asked, *host;
    } cases[] = {
        {"https://other.example/x", "tls other.example 443 /x", "Host: other.example\r\n"},
        {"http://chat.example:8080/x", "plain chat.example 8080 /x", "Host: chat.example:8080\r\n"},
        {"ws://u:pw@[::1]:80/x", "plain ::1 80 /x", "Host: [::1]\r\n"},
    };
    struct line l;
    begin();
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        if (i > 0) reset(&l);
        start(&l, false);
        redirect(302, cases[i].to);
        CHECK_STR(ln_str(asked), cases[i].asked);
        take_hop();
        CHECK_HAS(request, cases[i].host);
        CHECK_HAS(request, "User-Agent: tests\r\nOrigin: http://a.example\r\n");
        CHECK(!strstr(request, "s3cret"));
        CHECK(!strstr(request, "Authorization"));
    }
    redirect(302, "http://chat.example/back"); /* and they do not come back */
    take_hop();
    CHECK(!strstr(request, "s3cret"));
    end(&l);
}

/* What most servers say first: the same place, with TLS. */
TEST(to_tls_on_the_same_host_all_goes_along) {
    struct line l;
    begin();
    start(&l, false);
    redirect(301, "https://chat.example/chat");
    CHECK_STR(ln_str(asked), "tls chat.example 443 /chat");
    take_hop();
    CHECK_HAS(request, "Authorization: Bearer s3cret\r\n");
    end(&l);
}

TEST(circles_end_after_five) {
    struct line l;
    begin();
    start(&l, false);
    for (int i = 0; i < 5; i++) {
        redirect(302, i % 2 ? "/a" : "/b");
        CHECK_INT(l.closed, 0);
        take_hop();
    }
    redirect(302, "/a?token=s3cret");
    check_error(&l, PHASE_HTTP, LN_REFUSED,
                "upgrade: redirected more than 5 times, in a circle perhaps, at last to /a");
    CHECK_INT(l.status, 302);
    end(&l);
}

TEST(some_ways_are_not_gone) {
    struct line l;
    begin();
    start(&l, false);
    redirect(302, "file:///etc/passwd");
    check_error(&l, PHASE_HTTP, LN_REFUSED,
                "upgrade: redirected to what is no address, file:///etc/passwd: \"file\" is not a "
                "scheme that linnet speaks: use ws, wss, http, https, pusher or pushers");
    reset(&l);
    start(&l, false);
    redirect(302, "ws+unix:///run/x.sock:/");
    CHECK_INT(l.closed, 1);
    CHECK_HAS(l.err.text, "\"ws+unix\" is no address to be redirected to");
    reset(&l);
    start(&l, false);
    may_go = false;
    redirect(302, "http://other.example/");
    check_error(&l, PHASE_HTTP, LN_REFUSED,
                "upgrade: redirected to other.example, which is not followed");
    reset(&l);
    start(&l, false);
    redirect(304, "/x"); /* no redirect at all */
    CHECK_INT(l.closed, 1);
    CHECK_HAS(l.err.text, "upgrade: HTTP 304 ");
    CHECK_STR(ln_str(asked), "");
    end(&l);
}

TEST(who_does_not_ask_for_it_is_told_where_to) {
    struct line l;
    begin();
    open_with(&l, options());
    redirect(302, "https://other.example/x?token=s3cret");
    check_error(&l, PHASE_HTTP, LN_REFUSED,
                "upgrade: HTTP 302 redirected to https://other.example/x (redirects are not "
                "followed; use that address): more");
    CHECK_INT(l.status, 302);
    end(&l);
}

TEST(all_hops_share_one_time) {
    struct line l;
    begin();
    start(&l, false);
    loop_advance(loop, 3000);
    redirect(302, "/a");
    take_hop();
    loop_advance(loop, 1999);
    CHECK_INT(l.closed, 0);
    loop_advance(loop, 1);
    check_error(&l, PHASE_HTTP, LN_TIMEOUT,
                "upgrade: timed out after 2 s without an answer (a socket pair)");
    end(&l);
}

static void close_it(void *ud) {
    ws_close(((struct line *)ud)->w, 1000, none);
}

TEST(closing_between_two_hops) {
    struct line l;
    begin();
    start(&l, false);
    peer_pump(loop, &peer);
    peer_say(&peer, "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n");
    loop_defer(loop, close_it, &l); /* runs when the old stream is closed and that is not told */
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && !l.has_err);
    CHECK_STR(ln_str(asked), "");
    end(&l);
}

/* From TLS to a line without it: nothing goes there, not even the question. */

TEST(from_tls_nothing_leads_to_a_line_without_it) {
    struct line l = {0};
    struct tls_peer server;
    begin();
    certs_begin();
    struct cert ca = cert_make("ca", (struct cert_spec){"CA", NULL, -1, 1, NULL, true});
    struct cert good =
        cert_make("good", (struct cert_spec){"x", "DNS:chat.example", -1, 1, &ca, false});
    struct ws_opts o = options();
    o.follow = follow;
    o.stream.tls = true;
    o.stream.host = "chat.example";
    o.stream.port = 443;
    o.stream.tls_opts.ca = certs_path("ca.pem");
    o.stream.fd = tls_pair(&server, tls_server(&good, NULL, 0));
    asked[0] = 0;
    peer = (struct peer){.fd = -1};
    l.w = ws_open(loop, &o, &cbs, &l);
    tls_pump(loop, &server);
    static const char answer[] =
        "HTTP/1.1 302 Found\r\nLocation: http://chat.example/plain\r\n\r\n";
    tls_say(loop, &server, answer, sizeof answer - 1);
    check_error(&l, PHASE_HTTP, LN_REFUSED,
                "upgrade: redirected to http://chat.example/plain, which has no TLS; this address "
                "had, so it is not followed");
    CHECK_STR(ln_str(asked), "");
    tls_peer_close(&server);
    cert_free(&ca);
    cert_free(&good);
    certs_end();
    end(&l);
}

TEST_MAIN(T(a_redirect_on_the_same_server_keeps_everything), T(another_origin_gets_no_secrets),
          T(to_tls_on_the_same_host_all_goes_along), T(circles_end_after_five),
          T(some_ways_are_not_gone), T(who_does_not_ask_for_it_is_told_where_to),
          T(all_hops_share_one_time), T(closing_between_two_hops),
          T(from_tls_nothing_leads_to_a_line_without_it))
