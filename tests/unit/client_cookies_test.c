/* SPDX-License-Identifier: MIT
 *
 * Cookies as RFC 6265 reads and sends them: names and values, every attribute, and everything that
 * is malformed.
 */
#include "client/cookies.h"

#include "test.h"

#define NOW 1700000000000 /* 2023-11-14 22:13:20 UTC */

static struct cookies *jar;
static struct cookie_place at;

static void begin(void) {
    jar = NULL;
    at = (struct cookie_place){LN_STR("app.chat.example"), LN_STR("/socket.io/"), true, NOW};
}
static void end(void) {
    cookies_free(jar);
}
static void set(const char *value) {
    struct http_head h = {.status = 200};
    h.headers[h.count].name = LN_STR("X-Other");
    h.headers[h.count++].value = LN_STR("a=b");
    h.headers[h.count].name = LN_STR("set-cookie");
    h.headers[h.count++].value = ln_str(value);
    cookies_take(&jar, &h, &at);
}
static void check_line(const char *want, int line) {
    struct ln_buf out = {0};
    cookies_write(jar, &at, &out);
    if (!ln_str_is(ln_buf_get(&out), want)) {
        test_failures++;
        printf("%d: got \"%.*s\", wanted \"%s\"\n", line, LN_FMT(ln_buf_get(&out)), want);
    }
    ln_buf_free(&out);
}
#define SENT(want) check_line(want, __LINE__)
/* One cookie alone. */
#define ALONE(value, want)                                                                         \
    do {                                                                                           \
        begin();                                                                                   \
        set(value);                                                                                \
        SENT(want);                                                                                \
        end();                                                                                     \
    } while (0)

TEST(names_and_values) {
    begin();
    SENT("");
    end();
    ALONE("a=b", "a=b");
    ALONE("  a  =  b c ; x", "a=b c");
    ALONE("a=", "a=");
    ALONE("a=b=c==", "a=b=c==");
    ALONE("a=\"quoted\"", "a=\"quoted\"");
    ALONE("AWSALB=9a/+b; Expires=Tue, 21 Nov 2023 22:13:20 GMT; Path=/", "AWSALB=9a/+b");
    ALONE("io=omG; Path=/; HttpOnly; SameSite=Lax; Partitioned; Unknown=\"x", "io=omG");
    ALONE("", "");
    ALONE("a", "");
    ALONE("=b", "");
    ALONE(";a=b", "");
    ALONE("a=b;;;=;Path", "a=b");
}

TEST(several_replaced_and_removed) {
    begin();
    set("a=1");
    set("b=2");
    set("a=3");
    set("A=4"); /* names differ by case */
    SENT("a=3; b=2; A=4");
    set("a=gone; Max-Age=0");
    set("b=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    set("c=never; max-age=-5");
    SENT("A=4");
    end();
}

TEST(max_age_and_expires) {
    static const struct {
        const char *value;
        int64_t until_s; /* 0: never taken; -1: as long as the line */
    } table[] = {
        {"a=b; Max-Age=60", 60},
        {"a=b; MAX-AGE=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 60},
        {"a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", 60},
        {"a=b; Max-Age=x", -1},
        {"a=b; Max-Age=", -1},
        {"a=b; Max-Age=99999999999999999999", 999999999},
        {"a=b; Max-Age=-", 0},
        {"a=b; Expires=Tue, 14 Nov 2023 22:14:20 GMT", 60},
        {"a=b; expires=Tuesday, 14-Nov-23 22:14:20 GMT", 60},
        {"a=b; Expires=Tue Nov 14 22:14:20 2023", 60},
        {"a=b; Expires=2023 14 nov 22:14:20", 60},
        {"a=b; Expires=Tue, 14 Nov 2023 22:14:20.5 GMT", 60},
        {"a=b; Expires=Tue, 14 Nov 95 22:14:20 GMT", 0},
        {"a=b; Expires=soon", -1},
        {"a=b; Expires=Tue, 14 Nov 2023", -1},
        {"a=b; Expires=Tue, 32 Nov 2023 22:14:20 GMT", -1},
        {"a=b; Expires=Tue, 14 Nov 1500 22:14:20 GMT", -1},
        {"a=b; Expires=Tue, 14 Nov 2023 25:14:20 GMT", -1},
        {"a=b; Expires=Tue, 14 Non 2023 22:14:20 GMT", -1},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        set(table[i].value);
        SENT(table[i].until_s ? "a=b" : "");
        at.now_ms = NOW + table[i].until_s * 1000 - 1;
        if (table[i].until_s > 0) SENT("a=b");
        at.now_ms = table[i].until_s < 0 ? INT64_MAX - 1 : NOW + table[i].until_s * 1000;
        SENT(table[i].until_s < 0 ? "a=b" : "");
        end();
    }
}

TEST(paths) {
    static const struct {
        const char *attribute, *path;
        bool is_sent;
    } table[] = {
        {"", "/socket.io/", true}, /* the folder of the request: /socket.io */
        {"", "/socket.io", true},
        {"", "/socket.io/x", true},
        {"", "/socket.iox", false},
        {"", "/", false},
        {"; Path=/", "/other", true},
        {"; Path=/socket.io/", "/socket.io/", true},
        {"; Path=/socket.io/", "/socket.io", false},
        {"; Path=/chat", "/socket.io/", false},
        {"; Path=chat", "/socket.io/", true}, /* no path: the default one */
        {"; Path=", "/socket.io/", true},
        {"; Path=/a; Path=/", "/socket.io/", true}, /* the last one counts */
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        char value[64];
        begin();
        snprintf(value, sizeof value, "a=b%s", table[i].attribute);
        set(value);
        at.path = ln_str(table[i].path);
        SENT(table[i].is_sent ? "a=b" : "");
        end();
    }
    begin(); /* the same name at two paths: two cookies */
    set("a=1; Path=/");
    set("a=2; Path=/socket.io");
    SENT("a=1; a=2");
    at.path = LN_STR("/engine"); /* of the request: its folder is the root */
    set("b=3");
    at.path = LN_STR("/x");
    SENT("a=1; b=3");
    end();
}

TEST(domains) {
    ALONE("a=b; Domain=app.chat.example", "a=b");
    ALONE("a=b; Domain=.Chat.Example", "a=b");
    ALONE("a=b; Domain=example", "a=b"); /* it only ever goes to this host */
    ALONE("a=b; Domain=", "a=b");
    ALONE("a=b; Domain=other.example", "");
    ALONE("a=b; Domain=hat.example", "");
    ALONE("a=b; Domain=x.app.chat.example", "");
    begin();
    at.host = LN_STR("10.0.0.1");
    set("a=b; Domain=0.0.1");
    SENT("");
    set("a=b; Domain=10.0.0.1");
    SENT("a=b");
    end();
    begin();
    at.host = LN_STR("fe80::1");
    set("a=b; Domain=:1");
    SENT("");
    end();
}

TEST(secure_ones_go_over_tls_only) {
    begin();
    set("a=b; Secure");
    set("c=d");
    SENT("a=b; c=d");
    at.tls = false;
    SENT("c=d");
    end();
}

TEST(limits) {
    char text[5000];
    begin();
    memset(text, 'x', sizeof text);
    text[1] = '=';
    text[sizeof text - 1] = 0;
    set(text);
    SENT("");
    for (int i = 0; i < 60; i++) {
        snprintf(text, sizeof text, "n%d=v", i);
        set(text);
    }
    struct ln_buf out = {0};
    cookies_write(jar, &at, &out);
    int n = 1;
    for (size_t i = 0; i < out.n; i++)
        n += out.p[i] == ';';
    CHECK_INT(n, 50);
    CHECK(ln_str_starts(ln_buf_get(&out), "n10=v; ")); /* the oldest went */
    ln_buf_free(&out);
    end();
}

TEST_MAIN(T(names_and_values), T(several_replaced_and_removed), T(max_age_and_expires), T(paths),
          T(domains), T(secure_ones_go_over_tls_only), T(limits))
