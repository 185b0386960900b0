/* SPDX-License-Identifier: MIT
 *
 * Addresses: what every part becomes, and the words for what is refused.
 */
#include "wire/url.h"

#include "base/buf.h"
#include "test.h"

static void check_text(const char *got, const char *want, const char *url, const char *part) {
    if (got == want || (got && want && strcmp(got, want) == 0)) return;
    test_failures++;
    printf("%s: %s is \"%s\", wanted \"%s\"\n", url, part, got ? got : "(none)",
           want ? want : "(none)");
}

TEST(parts) {
    static const struct {
        const char *url, *scheme, *user, *password, *host, *path, *query;
        uint16_t port;
        bool tls, is_ipv6, has_port;
    } cases[] = {
        {.url = "ws://host", .scheme = "ws", .host = "host", .port = 80, .path = ""},
        {.url = "wss://host/", .scheme = "wss", .host = "host", .port = 443, .path = "/", .tls = 1},
        {.url = "http://h/admin?x=1&y=%20",
         .scheme = "http",
         .host = "h",
         .port = 80,
         .path = "/admin",
         .query = "x=1&y=%20"},
        {.url = "https://h?q",
         .scheme = "https",
         .host = "h",
         .port = 443,
         .path = "",
         .query = "q",
         .tls = 1},
        {.url = "ws://h?", .scheme = "ws", .host = "h", .port = 80, .path = "", .query = ""},
        {.url = "WS://Chat.Example.ORG/Path",
         .scheme = "ws",
         .host = "chat.example.org",
         .port = 80,
         .path = "/Path"},
        {.url = "ws://h:8080/a/b",
         .scheme = "ws",
         .host = "h",
         .port = 8080,
         .path = "/a/b",
         .has_port = 1},
        {.url = "ws://h:80", .scheme = "ws", .host = "h", .port = 80, .path = ""},
        {.url = "wss://h:443", .scheme = "wss", .host = "h", .port = 443, .path = "", .tls = 1},
        {.url = "ws://h:443", .scheme = "ws", .host = "h", .port = 443, .path = "", .has_port = 1},
        {.url = "wss://h:80",
         .scheme = "wss",
         .host = "h",
         .port = 80,
         .path = "",
         .tls = 1,
         .has_port = 1},
        {.url = "ws://h:/", .scheme = "ws", .host = "h", .port = 80, .path = "/"},
        {.url = "ws://h:00065535/",
         .scheme = "ws",
         .host = "h",
         .port = 65535,
         .path = "/",
         .has_port = 1},
        {.url = "ws://127.0.0.1:1",
         .scheme = "ws",
         .host = "127.0.0.1",
         .port = 1,
         .path = "",
         .has_port = 1},
        {.url = "ws://[::1]", .scheme = "ws", .host = "::1", .port = 80, .path = "", .is_ipv6 = 1},
        {.url = "wss://[2001:DB8::1.2.3.4]:9/x?y",
         .scheme = "wss",
         .host = "2001:db8::1.2.3.4",
         .port = 9,
         .path = "/x",
         .query = "y",
         .tls = 1,
         .is_ipv6 = 1,
         .has_port = 1},
        {.url = "ws://u:p@h/",
         .scheme = "ws",
         .user = "u",
         .password = "p",
         .host = "h",
         .port = 80,
         .path = "/"},
        {.url = "ws://a%40b:p%3A%25@[::1]:5/",
         .scheme = "ws",
         .user = "a@b",
         .password = "p:%",
         .host = "::1",
         .port = 5,
         .path = "/",
         .is_ipv6 = 1,
         .has_port = 1},
        {.url = "ws://u@h", .scheme = "ws", .user = "u", .host = "h", .port = 80, .path = ""},
        {.url = "ws://u:@h",
         .scheme = "ws",
         .user = "u",
         .password = "",
         .host = "h",
         .port = 80,
         .path = ""},
        {.url = "ws://:a:b@h",
         .scheme = "ws",
         .user = "",
         .password = "a:b",
         .host = "h",
         .port = 80,
         .path = ""},
        {.url = "ws://h/p@q:r?s@t",
         .scheme = "ws",
         .host = "h",
         .port = 80,
         .path = "/p@q:r",
         .query = "s@t"},
        {.url = "ws://h/p#part", .scheme = "ws", .host = "h", .port = 80, .path = "/p"},
        {.url = "ws://h#/p?q", .scheme = "ws", .host = "h", .port = 80, .path = ""},
        {.url = "ws://h?a?b/c#d?e",
         .scheme = "ws",
         .host = "h",
         .port = 80,
         .path = "",
         .query = "a?b/c"},
        {.url = "ws://my_host-1.local./",
         .scheme = "ws",
         .host = "my_host-1.local.",
         .port = 80,
         .path = "/"},
        {.url = "ws://h/\xc3\xa4", .scheme = "ws", .host = "h", .port = 80, .path = "/\xc3\xa4"},
        {.url = "ws://AZaz09/", .scheme = "ws", .host = "azaz09", .port = 80, .path = "/"},
        {.url = "ws://h//a/../b", .scheme = "ws", .host = "h", .port = 80, .path = "//a/../b"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        const char *url = cases[i].url;
        struct url u;
        struct ln_err err = {0};
        if (!url_parse(&u, ln_str(url), &err)) {
            test_failures++;
            printf("%s: refused: %s\n", url, err.text);
            continue;
        }
        check_text(u.scheme, cases[i].scheme, url, "scheme");
        check_text(u.user, cases[i].user, url, "user");
        check_text(u.password, cases[i].password, url, "password");
        check_text(u.host, cases[i].host, url, "host");
        check_text(u.path, cases[i].path, url, "path");
        check_text(u.query, cases[i].query, url, "query");
        CHECK_INT(u.port, cases[i].port);
        CHECK_INT(u.tls, cases[i].tls);
        CHECK_INT(u.is_ipv6, cases[i].is_ipv6);
        CHECK_INT(u.has_port, cases[i].has_port);
        url_free(&u);
    }
}

TEST(unix_sockets) {
    static const struct {
        const char *url, *socket, *path, *query;
    } cases[] = {
        {"ws+unix:///run/x.sock:/chat?room=1", "/run/x.sock", "/chat", "room=1"},
        {"http+unix:///run/x.sock", "/run/x.sock", "", NULL},
        {"WS+UNIX:///run/X.sock:", "/run/X.sock", "", NULL},
        {"ws+unix:///run/x.sock?q#frag", "/run/x.sock", "", "q"},
        {"ws+unix:///a%20b%3a%3F:/p:q", "/a b:?", "/p:q", NULL},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct url u;
        struct ln_err err = {0};
        if (!url_parse(&u, ln_str(cases[i].url), &err)) {
            CHECK_STR(ln_str(cases[i].url), err.text);
            continue;
        }
        check_text(u.unix_path, cases[i].socket, cases[i].url, "socket");
        check_text(u.path, cases[i].path, cases[i].url, "path");
        check_text(u.query, cases[i].query, cases[i].url, "query");
        check_text(u.host, "localhost", cases[i].url, "host");
        CHECK(u.port == 80 && !u.has_port && !u.tls && !u.user);
        url_free(&u);
        CHECK(!u.unix_path);
    }
    static const char *const bad[][2] = {
        {"ws+unix://", "the socket's path must be absolute: ws+unix:///run/x.sock:/path"},
        {"ws+unix://run/x.sock:/p", "the socket's path must be absolute"},
        {"ws+unix:///run/x.sock:p", "behind the socket's colon belongs a path"},
        {"ws+unix:///run/%zz", "the socket's path has a broken %XX"},
        {"ws+unix:///run/%00", "the socket's path has a broken %XX"},
        {"ws+unx:///run/x.sock", "did you mean ws+unix?"},
    };
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        struct url u;
        struct ln_err err = {0};
        CHECK(!url_parse(&u, ln_str(bad[i][0]), &err));
        CHECK_HAS(err.text, bad[i][1]);
    }
}

static void check_join(const char *base_text, const char *ref, const char *want) {
    struct url base, to;
    struct ln_err err = {0};
    struct ln_buf got = {0};
    if (!url_parse(&base, ln_str(base_text), &err)) abort();
    if (url_join(&to, &base, ln_str(ref), &err)) {
        CHECK(!to.user && !to.password);
        ln_buf_fmt(&got, "%s %s %u %s%s%s%s%s", to.tls ? "tls" : "plain", to.host, to.port, to.path,
                   to.query ? "?" : "", to.query ? to.query : "", to.unix_path ? " " : "",
                   to.unix_path ? to.unix_path : "");
        url_free(&to);
    } else {
        ln_buf_puts(&got, err.text);
    }
    if (!ln_str_is(ln_buf_get(&got), want)) {
        test_failures++;
        printf("%s and %s: %s, wanted %s\n", base_text, ref, ln_buf_cstr(&got), want);
    }
    ln_buf_free(&got);
    url_free(&base);
}

TEST(where_a_redirect_leads) {
    check_join("ws://h:8080/a/b?q", "https://Other.example/x?y#z", "tls other.example 443 /x?y");
    check_join("ws://h:8080/a/b?q", "wss://u:pw@other:1/", "tls other 1 /");
    check_join("wss://h:8443/a/b?q", "//other/x", "tls other 443 /x");
    check_join("ws://[::1]:8080/a/b?q", "/x?to=http://y/", "plain ::1 8080 /x?to=http://y/");
    check_join("ws://u:pw@h/a/b?q", "c", "plain h 80 /a/c");
    check_join("wss://h", "c?d", "tls h 443 /c?d");
    check_join("ws://h/a/b?q", "?r", "plain h 80 /a/b?r");
    check_join("ws://h/a/b", "x?to=http://y", "plain h 80 /a/x?to=http://y");
    check_join("ws+unix:///run/x.sock:/a", "/b", "plain localhost 80 /b /run/x.sock");
    check_join("ws+unix:///run/x.sock:/a", "http://other/b", "plain other 80 /b");
    check_join("ws://h/a", "ws+unix:///run/x.sock:/",
               "\"ws+unix\" is no address to be redirected "
               "to");
    check_join("ws://h/a", "pushers://key@h", "\"pushers\" is no address to be redirected to");
    check_join("ws://h/a", "file:///etc/passwd",
               "\"file\" is not a scheme that linnet speaks: use ws, wss, http, https, pusher or "
               "pushers");
    check_join("ws://h/a", "http://", "the URL has no host");
    check_join("ws://h/a", "/a b", "the URL holds a blank (write it as %20)");
}

static bool same_origin(const char *from_text, const char *to_text) {
    struct url from, to;
    struct ln_err err;
    if (!url_parse(&from, ln_str(from_text), &err) || !url_parse(&to, ln_str(to_text), &err))
        abort();
    bool same = url_same_origin(&from, &to);
    url_free(&from);
    url_free(&to);
    return same;
}

TEST(who_is_the_same) {
    CHECK(same_origin("ws://h/a", "http://H:80/b"));
    CHECK(same_origin("ws://h/a", "wss://h/a"));  /* the usual first redirect */
    CHECK(!same_origin("wss://h/a", "ws://h/a")); /* but not back */
    CHECK(!same_origin("ws://h:8080", "wss://h"));
    CHECK(!same_origin("ws://h", "wss://h:8443"));
    CHECK(!same_origin("ws://h", "ws://h:81"));
    CHECK(!same_origin("ws://h", "ws://a.h"));
    CHECK(!same_origin("ws+unix:///a:/", "ws://localhost/"));
    CHECK(same_origin("ws+unix:///a:/", "ws+unix:///a:/b"));
    CHECK(!same_origin("ws+unix:///a:/", "ws+unix:///b:/"));
}

TEST(refusals) {
    static const struct {
        const char *url, *says;
    } cases[] = {
        {"", "is empty"},
        {"localhost", "needs a scheme: ws://, wss://, http:// or https://"},
        {"localhost:8080/x", "needs a scheme"},
        {"//host/", "needs a scheme"},
        {"://host/", "needs a scheme"},
        {"ws:/host/", "needs a scheme"},
        {"/path?u=ws://h", "needs a scheme"},
        {"ftp://host/", "\"ftp\" is not a scheme that linnet speaks"},
        {"htpt://host/", "did you mean http?"},
        {"wsss://host/", "did you mean wss?"},
        {"ws://", "no host"},
        {"ws:///path", "no host"},
        {"ws://:80/", "no host"},
        {"ws://u@/", "no host"},
        {"ws://?q", "no host"},
        {"ws://ho st/", "a blank (write it as %20)"},
        {" ws://h/", "a blank"},
        {"ws://h/a b", "a blank"},
        {"ws://h/\r\nHost: x", "a control character"},
        {"ws://h/\t", "a control character"},
        {"ws://h/\x7f", "a control character"},
        {"ws://h:x/", "port is not a number"},
        {"ws://h:-1/", "port is not a number"},
        {"ws://h:8080x/", "port is not a number"},
        {"ws://h:0/", "port is not between 1 and 65535"},
        {"ws://h:65536/", "port is not between 1 and 65535"},
        {"ws://h:655350/", "port is not between 1 and 65535"},
        {"ws://h:4294967376/", "port is not between 1 and 65535"},
        {"ws://h:18446744073709551696/", "port is not between 1 and 65535"},
        {"ws://::1/", "belongs in brackets: ws://[::1]:8080/"},
        {"ws://h:80:81/", "belongs in brackets"},
        {"ws://[::1/", "no closing ]"},
        {"ws://[]/", "not an IPv6 address"},
        {"ws://[1.2.3.4]/", "not an IPv6 address"},
        {"ws://[::1%25eth0]/", "not an IPv6 address"},
        {"ws://[::g]/", "not an IPv6 address"},
        {"ws://[::1]x:80/", "something between its host and its path"},
        {"ws://a@b:c@h/", "a bare @ (write it as %40)"},
        {"ws://u:p%4@h/", "a broken %XX"},
        {"ws://u%zz@h/", "a broken %XX"},
        {"ws://u%00@h/", "a broken %XX"},
        {"ws://h\xc3\xa4/", "not ASCII (write it in its xn-- form)"},
        {"ws://h\x80/", "not ASCII"},
        {"ws://h%41/", "host holds a '%'"},
        {"ws://h\\x/", "host holds a '\\'"},
        {"ws://h]/", "host holds a ']'"},
        {"ws://a..b/", "an empty part between dots"},
        {"ws://.a/", "an empty part between dots"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct url u, zero;
        struct ln_err err = {0};
        memset(&u, 0xff, sizeof u);
        memset(&zero, 0, sizeof zero);
        if (url_parse(&u, ln_str(cases[i].url), &err)) {
            test_failures++;
            printf("%s: not refused\n", cases[i].url);
            url_free(&u);
            continue;
        }
        CHECK_INT(err.code, LN_INVALID);
        CHECK_HAS(err.text, cases[i].says);
        CHECK(memcmp(&u, &zero, sizeof u) == 0);
    }
}

TEST(a_zero_byte_is_refused) {
    struct url u;
    CHECK(!url_parse(&u, LN_STR("ws://h/a\0b"), NULL));
}

TEST(lengths) {
    char text[8100];
    struct url u;
    struct ln_err err;
    memset(text, 'a', sizeof text);
    memcpy(text, "ws://h/", 7);
    CHECK(url_parse(&u, (struct ln_str){text, 8000}, &err));
    CHECK_INT(strlen(u.path), 8000 - 6);
    url_free(&u);
    CHECK(!url_parse(&u, (struct ln_str){text, 8001}, &err));
    CHECK_HAS(err.text, "longer than 8000 bytes");
    text[6] = 'a';
    CHECK(url_parse(&u, (struct ln_str){text, 5 + 253}, &err));
    url_free(&u);
    CHECK(!url_parse(&u, (struct ln_str){text, 5 + 254}, &err));
    CHECK_HAS(err.text, "longer than 253 bytes");
}

TEST(no_password_in_an_error) {
    static const char *const urls[] = {"ws://u:s3cret@h:x/", "ws://u:s3cret%@h/",
                                       "ws://u:s3@cret@h/", "ws://u:s3cret@/", "x://u:s3cret@h/"};
    for (size_t i = 0; i < LN_COUNT(urls); i++) {
        struct url u;
        struct ln_err err = {0};
        CHECK(!url_parse(&u, ln_str(urls[i]), &err));
        CHECK(!strstr(err.text, "s3"));
        CHECK(!strstr(err.text, "cret"));
    }
}

TEST_MAIN(T(parts), T(unix_sockets), T(where_a_redirect_leads), T(who_is_the_same), T(refusals),
          T(a_zero_byte_is_refused), T(lengths), T(no_password_in_an_error))
