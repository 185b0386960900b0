/* SPDX-License-Identifier: MIT
 *
 * Proxies: their addresses, which one applies, and what is said to them and heard from them.
 */
#include "base/mem.h"
#include "test.h"
#include "wire/proxy.h"

/* --- addresses --- */

static void check_address(const char *text, bool socks, bool resolves, const char *name,
                          const char *user, const char *password) {
    struct proxy p;
    struct ln_err err = {0};
    if (!proxy_parse(&p, ln_str(text), &err)) {
        CHECK_STR(ln_str(text), err.text);
        return;
    }
    CHECK(p.is_socks == socks && p.resolves == resolves);
    CHECK_STR(ln_str(p.name), name);
    CHECK_STR(ln_str(p.user ? p.user : "(none)"), user);
    CHECK_STR(ln_str(p.password ? p.password : "(none)"), password);
    proxy_free(&p);
}
static void check_bad(const char *text, const char *part) {
    struct proxy p;
    struct ln_err err = {0};
    CHECK(!proxy_parse(&p, ln_str(text), &err));
    CHECK_INT(err.code, LN_INVALID);
    CHECK_HAS(err.text, part);
    CHECK(!p.host && !p.user && !p.password && !p.name);
    proxy_free(&p);
}

TEST(addresses_of_every_kind) {
    check_address("http://10.0.0.1:3128", false, true, "http://10.0.0.1:3128", "(none)", "(none)");
    check_address("Proxy.Example:8080/", false, true, "http://proxy.example:8080", "(none)",
                  "(none)");
    check_address("HTTP://a%40b:p%3aw@proxy", false, true, "http://proxy:80", "a@b", "p:w");
    check_address("socks5://u@[::1]", true, false, "socks5://[::1]:1080", "u", "(none)");
    check_address("socks5h://u:@proxy:80/", true, true, "socks5h://proxy:80", "u", "");
    check_address("socks://proxy", true, false, "socks5://proxy:1080", "(none)", "(none)");
}

TEST(addresses_that_are_none_say_why) {
    check_bad("https://proxy", "TLS to the proxy itself (https://) is not spoken");
    check_bad("socks4://proxy", "\"socks4\" is no kind of proxy: use http, socks5 or socks5h");
    check_bad("\x1b[2J://proxy", "\"\\x1b[2J\" is no kind of proxy");
    check_bad("", "no host");
    check_bad("http://u:s3cret@", "no host");
    check_bad("http://proxy:99999", "port");
    check_bad("http://proxy/path", "has no path");
    check_bad("http://proxy?x", "has no path");
    check_bad("http://pro xy", "blank");
}

/* --- which one --- */

static const char *variables[8][2];
static const char *env(const char *name) {
    for (size_t i = 0; variables[i][0]; i++)
        if (strcmp(variables[i][0], name) == 0) return variables[i][1];
    return NULL;
}
static void check_choice(const char *host, uint16_t port, bool tls, const char *option,
                         const char *url, const char *from) {
    const char *by = "unset";
    const char *got = proxy_for(host, port, tls, option, env, &by);
    CHECK_STR(ln_str(got ? got : "direct"), url);
    CHECK_STR(ln_str(by ? by : "-"), from);
}
#define VARIABLES(...)                                                                             \
    do {                                                                                           \
        static const char *const v_[][2] = {__VA_ARGS__};                                          \
        memset(variables, 0, sizeof variables);                                                    \
        memcpy(variables, v_, sizeof v_);                                                          \
    } while (0)

TEST(the_option_comes_before_the_variables) {
    VARIABLES({"https_proxy", "http://env"}, {"no_proxy", "*"});
    check_choice("chat.example", 443, true, "http://mine", "http://mine", "-");
    check_choice("localhost", 443, true, "http://mine", "http://mine", "-");
    check_choice("chat.example", 443, true, "none", "direct", "-");
    check_choice("chat.example", 443, true, NULL, "direct", "-"); /* no_proxy */
    VARIABLES({"https_proxy", "http://env"});
    check_choice("chat.example", 443, true, "", "http://env", "https_proxy");
}

TEST(each_variable_has_its_targets) {
    VARIABLES({"https_proxy", "http://a"}, {"HTTPS_PROXY", "http://b"}, {"http_proxy", "http://c"},
              {"HTTP_PROXY", "http://d"}, {"ALL_PROXY", "http://e"});
    check_choice("x.example", 443, true, NULL, "http://a", "https_proxy");
    check_choice("x.example", 80, false, NULL, "http://c", "http_proxy");
    VARIABLES({"https_proxy", ""}, {"HTTPS_PROXY", "http://b"}, {"HTTP_PROXY", "http://d"});
    check_choice("x.example", 443, true, NULL, "http://b", "HTTPS_PROXY");
    check_choice("x.example", 80, false, NULL, "direct", "-"); /* a CGI's caller may set it */
    VARIABLES({"all_proxy", "socks5://f"}, {"ALL_PROXY", "http://e"});
    check_choice("x.example", 80, false, NULL, "socks5://f", "all_proxy");
    check_choice("x.example", 443, true, NULL, "socks5://f", "all_proxy");
    VARIABLES({"ALL_PROXY", "http://e"}, {"NO_PROXY", "other.example"});
    check_choice("x.example", 443, true, NULL, "http://e", "ALL_PROXY");
    check_choice("other.example", 443, true, NULL, "direct", "-");
}

TEST(this_machine_is_never_asked_of_a_proxy) {
    VARIABLES({"http_proxy", "http://a"}, {"https_proxy", "http://a"});
    static const char *const here[] = {"localhost", "LOCALHOST", "a.localhost",
                                       "127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1",
                                       "::1",       "localhost."};
    for (size_t i = 0; i < LN_COUNT(here); i++)
        check_choice(here[i], 80, i & 1, NULL, "direct", "-");
    static const char *const there[] = {"128.0.0.1", "::2", "notlocalhost", "localhost.example"};
    for (size_t i = 0; i < LN_COUNT(there); i++)
        CHECK(!proxy_is_loopback(there[i]));
}

TEST(exempt_names_and_what_is_below_them) {
    static const struct {
        const char *list, *host;
        uint16_t port;
        bool exempt;
    } cases[] = {
        {"*", "any.example", 80, true},
        {" , *", "10.0.0.1", 80, true},
        {"example.com", "example.com", 80, true},
        {"example.com", "EXAMPLE.com.", 80, true},
        {"Example.Com.", "a.b.example.com", 80, true},
        {".example.com", "example.com", 80, true},
        {"*.example.com", "a.example.com", 80, true},
        {"example.com", "badexample.com", 80, false},
        {"a.example.com", "example.com", 80, false},
        {"x,example.com:8080 y", "example.com", 8080, true},
        {"x,example.com:8080 y", "example.com", 80, false},
        {"example.com:", "example.com", 80, false},
        {"example.com:80x", "example.com", 80, false},
        {"example.com:99999999999", "example.com", 80, false},
        {".", "example.com", 80, false},
        {"*x", "x", 80, true},
        {NULL, "example.com", 80, false},
        {"", "example.com", 80, false},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++)
        if (proxy_exempt(cases[i].list, cases[i].host, cases[i].port) != cases[i].exempt) {
            test_failures++;
            printf("<%s> and %s:%u\n", cases[i].list, cases[i].host, cases[i].port);
        }
}

TEST(exempt_addresses_and_networks) {
    static const struct {
        const char *list, *host;
        bool exempt;
    } cases[] = {
        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.1", "10.0.0.11", false},
        {"10.0.0.1:80", "10.0.0.1", true},
        {"10.0.0.1:81", "10.0.0.1", false},
        {"0.1", "10.0.0.1", false}, /* an address is no name with something below it */
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.0.0.0/8:80", "10.1.1.1", true},
        {"192.168.4.0/22", "192.168.7.255", true},
        {"192.168.4.0/22", "192.168.8.0", false},
        {"0.0.0.0/0", "9.9.9.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"10.0.0.0/33", "10.0.0.0", false},
        {"10.0.0.0/", "10.0.0.0", false},
        {"10.0.0.0/8x", "10.0.0.0", false},
        {"10.0.0.0/999999999999", "10.0.0.0", false},
        {"::1", "::1", true},
        {"[::1]", "::1", true},
        {"[::1]:80", "::1", true},
        {"[::1]:81", "::1", false},
        {"[::1", "::1", false},
        {"2001:db8::/32", "2001:db8:1::5", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"::/0", "10.0.0.1", true},
        {"10.0.0.0/8", "ten.example", false},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++)
        if (proxy_exempt(cases[i].list, cases[i].host, 80) != cases[i].exempt) {
            test_failures++;
            printf("<%s> and %s\n", cases[i].list, cases[i].host);
        }
}

/* --- the talk --- */

static struct proxy proxy;
static struct ln_buf sent;
static struct ln_err err;

static bool begin(struct proxy_talk *t, const char *url, const char *host, uint16_t port) {
    err = (struct ln_err){0};
    if (!proxy_parse(&proxy, ln_str(url), &err)) abort();
    ln_buf_clear(&sent);
    return proxy_talk_begin(t, &proxy, host, port, &sent, &err);
}
static void end(struct proxy_talk *t) {
    proxy_talk_free(t);
    proxy_free(&proxy);
    ln_buf_free(&sent);
}
static enum proxy_result hear(struct proxy_talk *t, struct ln_str in, size_t *used) {
    ln_buf_clear(&sent);
    return proxy_talk_feed(t, in, used, &sent, &err);
}
/* One answer, whole and byte by byte, must end the talk in the same way. */
static void check_answer(const char *url, struct ln_str in, enum proxy_result want, ln_status code,
                         const char *part) {
    for (int by_byte = 0; by_byte < 2; by_byte++) {
        struct proxy_talk t;
        enum proxy_result r = PROXY_MORE;
        size_t used = 0;
        CHECK(begin(&t, url, "chat.example", 443));
        for (size_t at = 0; at < in.n && r == PROXY_MORE; at += used)
            r = hear(&t, (struct ln_str){in.p + at, by_byte ? 1 : in.n - at}, &used);
        CHECK_INT(r, want);
        if (want == PROXY_REFUSED) {
            CHECK_INT(err.code, code);
            CHECK_HAS(err.text, part);
        }
        end(&t);
    }
}

TEST(connect_says_where_to_and_who_asks) {
    struct proxy_talk t;
    CHECK(begin(&t, "http://Ada:pw@proxy", "chat.example", 443));
    CHECK_STR(ln_buf_get(&sent), "CONNECT chat.example:443 HTTP/1.1\r\nHost: chat.example:443\r\n"
                                 "Proxy-Authorization: Basic QWRhOnB3\r\n\r\n");
    end(&t);
    CHECK(begin(&t, "proxy:1", "::1", 80));
    CHECK_STR(ln_buf_get(&sent), "CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
    end(&t);
    static const char *const hosts[] = {"", "a b", "a\r\nEvil: yes", "\xc3\xa4.example"};
    for (size_t i = 0; i < LN_COUNT(hosts); i++) {
        CHECK(!begin(&t, "http://proxy", hosts[i], 80));
        CHECK_HAS(err.text, "the host is empty or holds");
        CHECK_INT(sent.n, 0);
        end(&t);
    }
}

TEST(what_follows_a_good_answer_is_the_targets) {
    struct proxy_talk t;
    size_t used;
    CHECK(begin(&t, "http://proxy", "h", 80));
    CHECK_INT(hear(&t, LN_STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection est"), &used),
              PROXY_MORE);
    CHECK_INT(hear(&t, LN_STR("ablished\r\nContent-Length: 9\r\n\r\n\x81\x02hi"), &used),
              PROXY_OPEN);
    CHECK_INT(used, strlen("ablished\r\nContent-Length: 9\r\n\r\n"));
    end(&t);
}

TEST(refusals_of_connect_are_told_apart) {
    static const struct {
        const char *url, *in;
        ln_status code;
        const char *part;
    } cases[] = {
        {"http://proxy", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", LN_UNAUTHORIZED,
         "HTTP 407 Proxy Authentication Required: it wants a user and a password"},
        {"http://u:p@proxy", "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\n\r\n",
         LN_UNAUTHORIZED, "HTTP 407 No: it does not accept this user and password"},
        {"http://proxy",
         "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Basic\r\n\r\n",
         LN_UNAUTHORIZED, "it wants a user"},
        {"http://u:p@proxy", "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\n\r\n", LN_UNAUTHORIZED,
         "it wants a way to sign in that linnet does not speak (only Basic)"},
        {"http://proxy", "HTTP/1.1 403 Forbidden\r\n\r\n", LN_FORBIDDEN,
         "HTTP 403 Forbidden: it does not let us reach chat.example:443"},
        {"http://proxy", "HTTP/1.1 502 Bad Gateway\r\n\r\n", LN_REFUSED,
         "HTTP 502 Bad Gateway: it cannot reach chat.example:443"},
        {"http://proxy", "HTTP/1.1 405 Method Not Allowed\r\n\r\n", LN_REFUSED,
         "is it a proxy, or a web server?"},
        {"http://proxy", "HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", LN_REFUSED,
         "HTTP 302 Found: a captive portal?"},
        {"http://proxy", "HTTP/1.1 511 \r\n\r\n", LN_REFUSED, "a captive portal?"},
        {"http://proxy", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\n",
         LN_REFUSED, "a web page instead of a way to the server: a captive portal?"},
        {"http://proxy", "HTTP/1.1 500 \x1b[31m\r\n\r\n", LN_PROTOCOL, "its answer is not HTTP"},
        {"http://proxy", "SSH-2.0-x\r\n", LN_PROTOCOL, "its answer is not HTTP"},
        {"http://proxy", "\x05\xff", LN_PROTOCOL, "its answer is not HTTP but SOCKS"},
        {"http://proxy", "\x15\x03\x03", LN_PROTOCOL, "it speaks TLS on this port"},
        {"http://proxy", "HTTP/1.1 101 Switching Protocols\r\n\r\n", LN_PROTOCOL,
         "HTTP 101 is no answer to CONNECT"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++)
        check_answer(cases[i].url, ln_str(cases[i].in), PROXY_REFUSED, cases[i].code,
                     cases[i].part);
    check_answer("http://proxy", LN_STR("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"),
                 PROXY_OPEN, LN_OK, "");
    struct proxy_talk t;
    size_t used;
    CHECK(begin(&t, "http://proxy", "h", 80)); /* a page whose head does not say so */
    CHECK_INT(hear(&t, LN_STR("HTTP/1.1 200 OK\r\n\r\n<html>"), &used), PROXY_REFUSED);
    end(&t);
}

TEST(answers_without_end_are_refused) {
    struct ln_buf text = {0};
    ln_buf_puts(&text, "HTTP/1.1 200 OK\r\nX: ");
    memset(ln_buf_room(&text, 20000), 'x', 20000);
    text.n += 20000;
    check_answer("http://proxy", ln_buf_get(&text), PROXY_REFUSED, LN_PROTOCOL, "over 16 KiB");
    ln_buf_clear(&text);
    for (int i = 0; i < 20; i++)
        ln_buf_puts(&text, "HTTP/1.1 100 Continue\r\n\r\n");
    check_answer("http://proxy", ln_buf_get(&text), PROXY_REFUSED, LN_PROTOCOL,
                 "HTTP 100 is no answer to CONNECT");
    ln_buf_free(&text);
}

TEST(socks_signs_in_and_names_the_target) {
    struct proxy_talk t;
    size_t used;
    CHECK(begin(&t, "socks5h://ada:pw@proxy", "chat.example", 443));
    CHECK(ln_str_eq(ln_buf_get(&sent), LN_STR("\5\2\0\2")));
    CHECK_INT(hear(&t, LN_STR("\5\2"), &used), PROXY_MORE);
    CHECK(ln_str_eq(ln_buf_get(&sent), LN_STR("\1\3ada\2pw")));
    CHECK_INT(hear(&t, LN_STR("\1\0"), &used), PROXY_MORE);
    CHECK(ln_str_eq(ln_buf_get(&sent), LN_STR("\5\1\0\3\14chat.example\1\273")));
    CHECK_INT(hear(&t, LN_STR("\5\0\0\3\4bind\4\70server's"), &used), PROXY_OPEN);
    CHECK_INT(used, 11);
    end(&t);
    CHECK(begin(&t, "socks5://proxy", "10.0.0.2", 80));
    CHECK(ln_str_eq(ln_buf_get(&sent), LN_STR("\5\1\0")));
    CHECK_INT(hear(&t, LN_STR("\5\0"), &used), PROXY_MORE);
    CHECK(ln_str_eq(ln_buf_get(&sent), LN_STR("\5\1\0\1\12\0\0\2\0\120")));
    CHECK_INT(hear(&t, LN_STR("\5\0\0\1\0\0\0\0\0\0"), &used), PROXY_OPEN);
    CHECK_INT(used, 10);
    end(&t);
    CHECK(begin(&t, "socks5h://u@proxy", "::2", 80)); /* a proxy may want no password after all */
    CHECK_INT(hear(&t, LN_STR("\5\0"), &used), PROXY_MORE);
    CHECK(ln_str_eq(ln_buf_get(&sent), LN_STR("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\120")));
    CHECK_INT(hear(&t, LN_STR("\5\0\0\4iiiiiiiiiiiiiiiipp"), &used), PROXY_OPEN);
    CHECK_INT(used, 22);
    end(&t);
}

TEST(refusals_of_socks_are_told_apart) {
    static const char open_url[] = "socks5h://proxy", user_url[] = "socks5h://u:p@proxy";
    static const struct {
        struct ln_str in;
        ln_status code;
        const char *part;
    } replies[] = {
        {LN_STR("\5\0\5\1\0\1\0\0\0\0\0\0"), LN_REFUSED,
         "SOCKS 1, general failure, for chat.example port 443"},
        {LN_STR("\5\0\5\2"), LN_FORBIDDEN, "its rules do not allow this connection"},
        {LN_STR("\5\0\5\3"), LN_REFUSED, "network unreachable"},
        {LN_STR("\5\0\5\4"), LN_REFUSED, "host unreachable"},
        {LN_STR("\5\0\5\5"), LN_REFUSED, "SOCKS 5, connection refused, for chat.example port 443"},
        {LN_STR("\5\0\5\6"), LN_TIMEOUT, "TTL expired"},
        {LN_STR("\5\0\5\7"), LN_REFUSED, "it knows no CONNECT"},
        {LN_STR("\5\0\5\10"), LN_REFUSED, "it does not take this type of address"},
        {LN_STR("\5\0\5\377"), LN_REFUSED, "SOCKS 255, a failure that the standard does not know"},
        {LN_STR("\5\0\4"), LN_PROTOCOL, "it speaks SOCKS 4 only"},
        {LN_STR("\5\377"), LN_UNAUTHORIZED, "it wants a user and a password"},
        {LN_STR("\5\2"), LN_PROTOCOL, "that was not offered"},
        {LN_STR("\5\1"), LN_PROTOCOL, "that was not offered"},
        {LN_STR("\0\133"), LN_PROTOCOL, "it speaks SOCKS 4 only"},
        {LN_STR("HTTP/1.1 400 Bad Request\r\n"), LN_PROTOCOL, "its answer is HTTP and not SOCKS"},
        {LN_STR("SSH-2.0"), LN_PROTOCOL, "its answer is not SOCKS 5"},
    };
    for (size_t i = 0; i < LN_COUNT(replies); i++)
        check_answer(open_url, replies[i].in, PROXY_REFUSED, replies[i].code, replies[i].part);
    check_answer(user_url, LN_STR("\5\2\1\1"), PROXY_REFUSED, LN_UNAUTHORIZED,
                 "it does not accept this user and password");
    check_answer(user_url, LN_STR("\5\377"), PROXY_REFUSED, LN_UNAUTHORIZED,
                 "it takes no user and password");
    struct proxy_talk t;
    char endless[300];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    CHECK(!begin(&t, open_url, endless, 80));
    CHECK_HAS(err.text, "255 bytes at most");
    end(&t);
}

TEST_MAIN(T(addresses_of_every_kind), T(addresses_that_are_none_say_why),
          T(the_option_comes_before_the_variables), T(each_variable_has_its_targets),
          T(this_machine_is_never_asked_of_a_proxy), T(exempt_names_and_what_is_below_them),
          T(exempt_addresses_and_networks), T(connect_says_where_to_and_who_asks),
          T(what_follows_a_good_answer_is_the_targets), T(refusals_of_connect_are_told_apart),
          T(answers_without_end_are_refused), T(socks_signs_in_and_names_the_target),
          T(refusals_of_socks_are_told_apart))
