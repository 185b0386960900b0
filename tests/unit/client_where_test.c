/* SPDX-License-Identifier: MIT
 *
 * Where a connection's sockets go, by its options, its URL and the environment.
 */
#include "client/where.h"

#include <stdlib.h>

#include "test.h"

static struct conn_opts opts;
static struct url url;
static struct stream_opts to;

static void where(const char *text, const char *proxy, int fd) {
    struct ln_err err;
    url_free(&url);
    if (!url_parse(&url, ln_str(text), &err)) abort();
    opts = (struct conn_opts){.timeout_ms = 7000, .proxy = (char *)(uintptr_t)proxy};
    opts.tls.ca = "ca.pem";
    conn_where(&opts, &url, fd, &to);
}
static void clear(void) {
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < LN_COUNT(names); i++)
        unsetenv(names[i]);
}

TEST(everything_is_passed_on) {
    clear();
    where("wss://chat.example:8443/x", NULL, 0);
    CHECK_STR(ln_str(to.host), "chat.example");
    CHECK(to.port == 8443 && to.tls && to.timeout_ms == 7000 && to.fd == 0);
    CHECK_STR(ln_str(to.tls_opts.ca), "ca.pem");
    CHECK(!to.proxy && !to.proxy_from && !to.unix_path);
    where("ws+unix:///run/x.sock:/p", "http://proxy", 0);
    CHECK_STR(ln_str(to.unix_path), "/run/x.sock");
    CHECK(!to.proxy && !to.tls); /* nobody is on the way to a file */
    url_free(&url);
}

TEST(the_environment_may_name_a_proxy) {
    clear();
    setenv("https_proxy", "http://env:3128", 1);
    where("wss://chat.example", NULL, 0);
    CHECK_STR(ln_str(to.proxy), "http://env:3128");
    CHECK_STR(ln_str(to.proxy_from), "https_proxy");
    where("wss://chat.example", "none", 0);
    CHECK(!to.proxy);
    where("wss://chat.example", "socks5h://mine", 0);
    CHECK_STR(ln_str(to.proxy), "socks5h://mine");
    CHECK(!to.proxy_from);
    where("ws://chat.example", NULL, 0);
    CHECK(!to.proxy);
    where("wss://127.0.0.1", NULL, 0);
    CHECK(!to.proxy);
    where("wss://chat.example", NULL, 5); /* a line that is connected already */
    CHECK(!to.proxy && to.fd == 5);
    setenv("NO_PROXY", ".example", 1);
    where("wss://chat.example", NULL, 0);
    CHECK(!to.proxy && !to.proxy_from);
    clear();
    url_free(&url);
}

TEST_MAIN(T(everything_is_passed_on), T(the_environment_may_name_a_proxy))
