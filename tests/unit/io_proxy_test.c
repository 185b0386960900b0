/* SPDX-License-Identifier: MIT
 *
 * Streams through proxies: every way to be let through or refused, silence, and closing meanwhile.
 * wire_proxy_test.c has what is said; here is when, and in which phase.
 */
#include "stream_line.h"

static struct peer p;

/* A line whose proxy is the test's end of a socket pair. */
static void open_by(struct line *l, const char *proxy, struct stream_opts o) {
    o.proxy = proxy;
    o.fd = peer_pair(&p);
    if (!o.host) o.host = "chat.example";
    if (!o.port) o.port = 443;
    open_to(l, o);
    peer_pump(loop, &p);
}
static void reset(void) {
    peer_close(&p);
    CHECK_INT(loop_timer_count(loop), 0);
}
static void hears(const char *text) {
    peer_pump(loop, &p);
    CHECK_STR(ln_buf_get(&p.in), text);
    ln_buf_clear(&p.in);
}

TEST(connect_opens_the_line_and_leaves_the_targets_bytes) {
    struct line l;
    begin();
    open_by(&l, "http://ada:pw@10.0.0.1:3128", (struct stream_opts){0});
    CHECK_INT(stream_phase_of(l.s), PHASE_PROXY);
    hears("CONNECT chat.example:443 HTTP/1.1\r\nHost: chat.example:443\r\n"
          "Proxy-Authorization: Basic YWRhOnB3\r\n\r\n");
    l.say_in_open = "hello";
    peer_say(&p, "HTTP/1.1 200 Connection est");
    loop_settle(loop, 0);
    CHECK_INT(l.opened, 0);
    peer_say(&p, "ablished\r\n\r\nwelcome");
    loop_settle(loop, 0);
    CHECK_INT(l.opened, 1);
    CHECK_STR(ln_buf_get(&l.got), "welcome");
    CHECK_STR(stream_peer(l.s), "chat.example:443 by http://10.0.0.1:3128"); /* no password */
    hears("hello");
    finish(&l);
    reset();
    end();
}

TEST(socks_opens_the_line) {
    struct line l;
    begin();
    open_by(&l, "socks5h://proxy", (struct stream_opts){.host = "::1", .port = 80});
    CHECK(ln_str_eq(ln_buf_get(&p.in), LN_STR("\5\1\0")));
    ln_buf_clear(&p.in);
    peer_send(&p, "\5\0", 2);
    peer_pump(loop, &p);
    CHECK_INT(p.in.n, 22);
    peer_send(&p, "\5\0\0\1aaaappfirst", 15);
    loop_settle(loop, 0);
    CHECK_INT(l.opened, 1);
    CHECK_STR(ln_buf_get(&l.got), "first");
    CHECK_STR(stream_peer(l.s), "[::1]:80 by socks5h://proxy:1080");
    finish(&l);
    reset();
    end();
}

TEST(socks5_looks_the_name_up_here) {
    struct line l;
    begin();
    open_by(&l, "socks5://proxy", (struct stream_opts){.host = "localhost", .port = 80});
    ln_buf_clear(&p.in);
    peer_send(&p, "\5\0", 2);
    peer_pump(loop, &p);
    CHECK(ln_str_eq(ln_buf_get(&p.in), LN_STR("\5\1\0\1\177\0\0\1\0\120")));
    peer_send(&p, "\5\0\0\1aaaapp", 10);
    loop_settle(loop, 0);
    CHECK_INT(l.opened, 1);
    finish(&l);
    reset();
    open_by(&l, "socks5://proxy", (struct stream_opts){.host = "no..such..name", .port = 80});
    loop_settle(loop, 0);
    CHECK(l.closed == 1 && l.phase == PHASE_DNS && l.err.code == LN_NOT_FOUND);
    CHECK_HAS(l.err.text, "DNS: no address for no..such..name: ");
    CHECK_HAS(l.err.text, "(socks5h:// lets the proxy look it up)");
    reset();
    end();
}

static void check_refused(const char *proxy, const char *from, struct ln_str answer, ln_status code,
                          const char *text) {
    struct line l;
    open_by(&l, proxy, (struct stream_opts){.proxy_from = from});
    peer_send(&p, answer.p, answer.n);
    loop_settle(loop, 0);
    check_error(&l, PHASE_PROXY, code, text);
    CHECK_INT(l.opened, 0);
    reset();
}

TEST(refusals_name_the_proxy_and_who_set_it) {
    begin();
    check_refused("http://proxy:3128", "https_proxy",
                  LN_STR("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), LN_UNAUTHORIZED,
                  "proxy: HTTP 407 Proxy Authentication Required: it wants a user and a password, "
                  "http://USER:PASSWORD@host:port (http://proxy:3128, from https_proxy)");
    check_refused("http://u:s3cret@proxy:3128", NULL, LN_STR("HTTP/1.1 403 Forbidden\r\n\r\n"),
                  LN_FORBIDDEN,
                  "proxy: HTTP 403 Forbidden: it does not let us reach chat.example:443 "
                  "(http://proxy:3128)");
    check_refused("proxy:3128", NULL, LN_STR("HTTP/1.1 502 Bad Gateway\r\n\r\n"), LN_REFUSED,
                  "proxy: HTTP 502 Bad Gateway: it cannot reach chat.example:443 "
                  "(http://proxy:3128)");
    check_refused("proxy:3128", NULL,
                  LN_STR("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
                         "Content-Length: 13\r\n\r\n<html></html>"),
                  LN_REFUSED,
                  "proxy: it answered with a web page instead of a way to the server: a captive "
                  "portal? Open a browser and sign in to this network (http://proxy:3128)");
    check_refused("socks5h://proxy", "ALL_PROXY", LN_STR("\5\0\5\5\0\1aaaapp"), LN_REFUSED,
                  "proxy: SOCKS 5, connection refused, for chat.example port 443 "
                  "(socks5h://proxy:1080, from ALL_PROXY)");
    end();
}

TEST(a_proxy_that_goes_or_says_nothing_is_named) {
    struct line l;
    begin();
    open_by(&l, "http://proxy:3128", (struct stream_opts){.timeout_ms = 5000});
    peer_close(&p);
    loop_settle(loop, 0);
    check_error(&l, PHASE_PROXY, LN_DISCONNECTED,
                "proxy: closed by the peer before it answered (http://proxy:3128)");
    reset();
    open_by(&l, "http://proxy:3128",
            (struct stream_opts){.timeout_ms = 5000, .proxy_from = "ALL_PROXY"});
    peer_say(&p, "HTTP/1.1 200");
    loop_advance(loop, 4999);
    CHECK_INT(l.closed, 0);
    loop_advance(loop, 1);
    check_error(&l, PHASE_PROXY, LN_TIMEOUT,
                "proxy: timed out after 5 s without an answer (http://proxy:3128, from ALL_PROXY)");
    reset();
    end();
}

TEST(a_proxy_that_cannot_be_reached_is_the_proxys_error) {
    struct line l;
    uint16_t port;
    char url[64], want[160];
    begin();
    int dead = peer_dead_port(&port);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    open_to(&l, (struct stream_opts){.host = "chat.example", .port = 443, .proxy = url});
    loop_settle(loop, 0);
    snprintf(want, sizeof want, "proxy: connection refused (127.0.0.1:%u) (%s)", port, url);
    check_error(&l, PHASE_PROXY, LN_REFUSED, want);
    ln_fault_set("stream.dns");
    open_to(&l, (struct stream_opts){.host = "chat.example", .port = 443, .proxy = "proxy.x"});
    loop_settle(loop, 0);
    check_error(&l, PHASE_PROXY, LN_NOT_FOUND, "proxy: injected fault (http://proxy.x:80)");
    ln_fault_set("stream.dns_hang");
    open_to(&l, (struct stream_opts){
                    .host = "chat.example", .port = 443, .proxy = "proxy.x", .timeout_ms = 3000});
    loop_advance(loop, 3000);
    check_error(&l, PHASE_PROXY, LN_TIMEOUT,
                "proxy: timed out after 3 s (proxy.x) (http://proxy.x:80)");
    close(dead);
    end();
}

TEST(a_proxy_over_tcp) {
    struct line l;
    uint16_t port = 0;
    char url[64];
    begin();
    int listener = peer_listen("127.0.0.1", &port, 8);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    open_to(&l, (struct stream_opts){.host = "chat.example", .port = 80, .proxy = url});
    loop_settle(loop, 0);
    CHECK(peer_accept(&p, listener));
    hears("CONNECT chat.example:80 HTTP/1.1\r\nHost: chat.example:80\r\n\r\n");
    peer_say(&p, "HTTP/1.1 200 OK\r\n\r\n");
    loop_settle(loop, 0);
    CHECK_INT(l.opened, 1);
    say(&l, "over");
    hears("over");
    finish(&l);
    reset();
    close(listener);
    end();
}

TEST(an_address_that_is_none_is_told_and_nothing_is_dialled) {
    struct line l;
    begin();
    open_by(&l, "https://u:s3cret@proxy", (struct stream_opts){.proxy_from = "https_proxy"});
    check_error(&l, PHASE_PROXY, LN_INVALID,
                "proxy: TLS to the proxy itself (https://) is not spoken: use its http:// port "
                "(its URL, from https_proxy)");
    CHECK(p.eof && p.in.n == 0);
    reset();
    open_by(&l, "http://proxy", (struct stream_opts){.host = "chat example"});
    check_error(&l, PHASE_PROXY, LN_INVALID,
                "proxy: the host is empty or holds a blank or control character "
                "(http://proxy:80)");
    reset();
    open_by(&l, "http://proxy",
            (struct stream_opts){.tls = true, .tls_opts = {.ca = "/nowhere/ca.pem"}});
    CHECK(l.closed == 1 && l.phase == PHASE_TLS);
    CHECK(p.eof && p.in.n == 0);
    reset();
    end();
}

TEST(closing_ends_each_step_without_an_error) {
    static const char *const urls[] = {"http://proxy", "socks5://proxy", "socks5h://proxy"};
    begin();
    for (size_t i = 0; i < 2 * LN_COUNT(urls); i++) {
        struct line l;
        struct stream_opts o = {.host = "localhost", .port = 80, .proxy = urls[i / 2]};
        o.fd = peer_pair(&p);
        open_to(&l, o);
        loop_settle(loop, i % 2); /* before it begins, and in the middle of it */
        if (i % 2) CHECK_INT(stream_phase_of(l.s), i / 2 == 1 ? PHASE_DNS : PHASE_PROXY);
        stream_close(l.s);
        loop_settle(loop, 0);
        CHECK(l.closed == 1 && !l.has_err && l.opened == 0);
        reset();
    }
    end();
}

TEST_MAIN(T(connect_opens_the_line_and_leaves_the_targets_bytes), T(socks_opens_the_line),
          T(socks5_looks_the_name_up_here), T(refusals_name_the_proxy_and_who_set_it),
          T(a_proxy_that_goes_or_says_nothing_is_named),
          T(a_proxy_that_cannot_be_reached_is_the_proxys_error), T(a_proxy_over_tcp),
          T(an_address_that_is_none_is_told_and_nothing_is_dialled),
          T(closing_ends_each_step_without_an_error))
