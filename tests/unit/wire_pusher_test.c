/* SPDX-License-Identifier: MIT
 *
 * Pusher's messages, channels, signatures and codes: what real servers send, the reference's
 * vectors, and malformed input.
 */
#include "wire/pusher.h"

#include "vectors.h"

/* Copies without the 0 byte, each in its own block: a byte read too far is found. */
static struct ln_str exact(const char *text) {
    struct ln_str copy = {malloc(strlen(text) + !*text), strlen(text)};
    memcpy((char *)(uintptr_t)copy.p, text, copy.n);
    return copy;
}

static void drop(struct ln_str copy) {
    free((char *)(uintptr_t)copy.p);
}

TEST(kinds_of_channels) {
    static const struct {
        const char *name;
        enum pusher_kind kind;
        bool is_cache;
    } cases[] = {
        {"lobby", PUSHER_PUBLIC, false},
        {"private", PUSHER_PUBLIC, false},
        {"Private-a", PUSHER_PUBLIC, false},
        {"xprivate-a", PUSHER_PUBLIC, false},
        {"", PUSHER_PUBLIC, false},
        {"private-a", PUSHER_PRIVATE, false},
        {"private-", PUSHER_PRIVATE, false},
        {"private-encrypted", PUSHER_PRIVATE, false},
        {"private-encrypted-a", PUSHER_ENCRYPTED, false},
        {"presence-a", PUSHER_PRESENCE, false},
        {"#server-to-user-7", PUSHER_USER, false},
        {"cache-a", PUSHER_PUBLIC, true},
        {"cache", PUSHER_PUBLIC, false},
        {"private-cache-a", PUSHER_PRIVATE, true},
        {"private-encrypted-cache-a", PUSHER_ENCRYPTED, true},
        {"presence-cache-a", PUSHER_PRESENCE, true},
        {"presence-xcache-a", PUSHER_PRESENCE, false},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_str name = exact(cases[i].name);
        CHECK_INT(pusher_kind(name), cases[i].kind);
        CHECK_INT(pusher_is_cache(name), cases[i].is_cache);
        drop(name);
    }
}

TEST(names_of_channels) {
    static const char *const good[] = {"a", "#a", "private-room", "a_B-9=@,.;", "presence-7"};
    static const char *const bad[] = {"",    "#",        "a b", "a#b",  "##a", "a\n",
                                      "a/b", "\xc3\xa4", "a:b", "a\"b", "a\\"};
    for (size_t i = 0; i < LN_COUNT(good); i++)
        CHECK(pusher_channel_ok(ln_str(good[i])));
    for (size_t i = 0; i < LN_COUNT(bad); i++)
        CHECK(!pusher_channel_ok(ln_str(bad[i])));
    char name[201];
    memset(name, 'x', sizeof name);
    CHECK(pusher_channel_ok((struct ln_str){name, 200}));
    CHECK(!pusher_channel_ok((struct ln_str){name, 201}));
    CHECK(!pusher_channel_ok((struct ln_str){"a\0b", 3}));
}

TEST(messages_as_servers_send_them) {
    static const struct {
        const char *text, *event, *channel, *user_id, *data, *value;
    } cases[] = {
        {"{\"event\":\"e\",\"data\":{\"a\":1}}", "e", "", "", "{\"a\":1}", "{\"a\":1}"},
        {"{\"event\":\"e\",\"data\":\"{\\\"a\\\":1}\",\"channel\":\"c\"}", "e", "c", "",
         "\"{\\\"a\\\":1}\"", "{\"a\":1}"},
        {"{\"event\":\"e\",\"data\":\"42\"}", "e", "", "", "\"42\"", "42"},
        {"{\"event\":\"e\",\"data\":\"plain text\"}", "e", "", "", "\"plain text\"",
         "\"plain text\""},
        {"{\"event\":\"e\",\"data\":\"\\\"s\\\"\"}", "e", "", "", "\"\\\"s\\\"\"", "\"s\""},
        {"{\"event\":\"e\",\"data\":\"\"}", "e", "", "", "\"\"", "\"\""},
        {"{\"event\":\"e\",\"data\":\"{}\"}", "e", "", "", "\"{}\"", "{}"},
        {"{\"event\":\"e\",\"data\":\"a\\nb\"}", "e", "", "", "\"a\\nb\"", "\"a\\nb\""},
        {"{\"event\":\"e\",\"data\":\"{\\\"a\\\":\"}", "e", "", "", "\"{\\\"a\\\":\"",
         "\"{\\\"a\\\":\""},
        {"{\"event\":\"e\",\"data\":null}", "e", "", "", "null", "null"},
        {"{\"event\":\"e\"}", "e", "", "", "", "null"},
        {"{\"event\":\"e\",\"data\":[1,[2]]}", "e", "", "", "[1,[2]]", "[1,[2]]"},
        {" { \"event\" : \"e\" , \"data\" : 7 } ", "e", "", "", "7", "7"},
        {"{\"user_id\":\"u1\",\"data\":{},\"channel\":\"presence-c\",\"event\":\"client-x\"}",
         "client-x", "presence-c", "u1", "{}", "{}"},
        {"{\"event\":\"e\",\"user_id\":7}", "e", "", "7", "", "null"},
        {"{\"event\":\"e\",\"user_id\":null,\"channel\":null}", "e", "", "", "", "null"},
        {"{\"event\":\"e\",\"user_id\":{},\"channel\":9}", "e", "", "", "", "null"},
        {"{\"event\":\"App\\\\Events\\\\E\",\"channel\":\"\\u0063\",\"user_id\":\"\\\"u\\\"\"}",
         "App\\Events\\E", "c", "\"u\"", "", "null"},
        {"{\"event\":\"\"}", "", "", "", "", "null"},
        {"{\"event\":\"a\",\"event\":\"b\"}", "b", "", "", "", "null"},
        {"{\"event\":\"e\",\"more\":[{\"event\":5}],\"x\":true}", "e", "", "", "", "null"},
    };
    struct ln_buf scratch = {0}, out = {0};
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_str text = exact(cases[i].text);
        struct pusher_msg m;
        struct ln_err err = {0};
        CHECK(pusher_parse(text, &m, &scratch, &err));
        CHECK_STR(ln_str(err.text), "");
        CHECK_STR(m.event, cases[i].event);
        CHECK_STR(m.channel, cases[i].channel);
        CHECK_STR(m.user_id, cases[i].user_id);
        CHECK_STR(m.data, cases[i].data);
        CHECK_STR(pusher_data(m.data, &out), cases[i].value);
        drop(text);
    }
    ln_buf_free(&scratch);
    ln_buf_free(&out);
}

/* Reads the same as pusher_parse, and leaves a string's inside to who wants it. */
TEST(skims) {
    static const struct {
        const char *text, *data, *value;
    } cases[] = {
        {"{\"event\":\"e\",\"data\":\"{\\\"a\\\":1}\",\"channel\":\"c\"}", "\"{\\\"a\\\":1}\"",
         "{\"a\":1}"},
        {"{\"data\" : \"[1,2]\" , \"channel\":\"c\",\"event\":\"e\"}", "\"[1,2]\"", "[1,2]"},
        {"{\"event\":\"e\",\"channel\":\"c\",\"data\":\"42\"}", "\"42\"", "42"},
        {"{\"event\":\"e\",\"channel\":\"c\",\"data\":\"text\"}", "\"text\"", "\"text\""},
        {"{\"event\":\"e\",\"channel\":\"c\",\"data\":{\"a\":1}}", "{\"a\":1}", "{\"a\":1}"},
        {"{\"event\":\"e\",\"channel\":\"c\"}", "", "null"},
        /* What would become two values is none. */
        {"{\"event\":\"e\",\"channel\":\"c\",\"data\":\"{},{}\"}", "\"{},{}\"", "\"{},{}\""},
        {"{\"event\":\"e\",\"channel\":\"c\",\"data\":\"{oops}\"}", "\"{oops}\"", "\"{oops}\""},
        {"{\"event\":\"e\",\"channel\":\"c\",\"data\":\"\\x\"}", "\"\\x\"", "\"\\x\""},
    };
    struct ln_buf scratch = {0}, out = {0};
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_str text = exact(cases[i].text);
        struct pusher_msg m;
        CHECK(pusher_skim(text, &m, &scratch, NULL));
        CHECK_STR(m.event, "e");
        CHECK_STR(m.channel, "c");
        CHECK_STR(m.data, cases[i].data);
        CHECK_STR(pusher_data(m.data, &out), cases[i].value);
        bool is_sure;
        struct ln_str guess = pusher_guess(m.data, &out, &is_sure);
        if (is_sure) CHECK_STR(guess, cases[i].value);
        CHECK_INT(is_sure, (guess.p[0] != '{' && guess.p[0] != '[') || guess.p == m.data.p);
        drop(text);
    }
    static const char *const broken[] = {"{\"data\":\"x}",  "{\"data\":\"x\\\"}",
                                         "{\"data\":",      "{\"data\":\"x\" \"event\":\"e\"}",
                                         "{\"data\":\"x\"", "{\"data\":\"x\",}"};
    for (size_t i = 0; i < LN_COUNT(broken); i++) {
        struct ln_str text = exact(broken[i]);
        struct pusher_msg m;
        struct ln_err err = {0};
        CHECK(!pusher_skim(text, &m, &scratch, &err));
        CHECK_HAS(err.text, "the message is no JSON");
        drop(text);
    }
    ln_buf_free(&scratch);
    ln_buf_free(&out);
}

TEST(absent_is_not_empty) {
    struct ln_buf scratch = {0};
    struct pusher_msg m;
    CHECK(pusher_parse(LN_STR("{\"event\":\"e\"}"), &m, &scratch, NULL));
    CHECK(!m.channel.p && !m.user_id.p && !m.data.p);
    CHECK(pusher_parse(LN_STR("{\"event\":\"\\u0065\",\"channel\":\"\",\"user_id\":\"\"}"), &m,
                       &scratch, NULL));
    CHECK(m.channel.p && m.user_id.p);
    CHECK_STR(m.event, "e");
    ln_buf_free(&scratch);
}

TEST(data_without_escapes_is_not_copied) {
    struct ln_str data = LN_STR("\"[1,2,3]\"");
    struct ln_buf out = {0};
    struct ln_str value = pusher_data(data, &out);
    CHECK(value.p == data.p + 1 && value.n == data.n - 2);
    CHECK(out.p == NULL);
}

TEST(malformed) {
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "the message is no JSON: line 1, column 1: expected a value"},
        {"garbage", "the message is no JSON: line 1, column 1: expected a value"},
        {"{", "the message is no JSON: line 1, column 2: the text ends too early"},
        {"{\"event\":\"e\"", "the message is no JSON: line 1, column 13: the text ends too early"},
        {"{\"event\":\"e\"}x", "the message is no JSON: line 1, column 14: something stands"},
        {"{\"event\":\"e\",}", "the message is no JSON: line 1, column 14: expected a key"},
        {"{\"event\":\"\\ud800\"}", "the message is no JSON: line 1, column 11: half a surrogate"},
        {"{\"event\":\"e\",\"data\":{\"a\":}}", "the message is no JSON"},
        {"{\"event\":\"e\",\"data\":\"\\x\"}", "the message is no JSON"},
        {"[1", "the message is no JSON"},
        {"null x", "the message is no JSON"},
        {"[]", "the message is no JSON object"},
        {"[{\"event\":\"e\"}]", "the message is no JSON object"},
        {"null", "the message is no JSON object"},
        {"\"event\"", "the message is no JSON object"},
        {"5", "the message is no JSON object"},
        {"{}", "the message names no event"},
        {"{\"event\":null}", "the message names no event"},
        {"{\"event\":5}", "the message names no event"},
        {"{\"event\":{\"event\":\"e\"}}", "the message names no event"},
        {"{\"event\":\"e\",\"event\":5}", "the message names no event"},
        {"{\"Event\":\"e\"}", "the message names no event"},
        {"{\"data\":{\"event\":\"e\"}}", "the message names no event"},
    };
    struct ln_buf scratch = {0};
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_str text = exact(cases[i].text);
        struct pusher_msg m;
        struct ln_err err = {0};
        CHECK(!pusher_parse(text, &m, &scratch, &err));
        CHECK_HAS(err.text, cases[i].says);
        CHECK_INT(err.code, LN_PROTOCOL);
        CHECK(!pusher_parse(text, &m, &scratch, NULL));
        drop(text);
    }
    ln_buf_free(&scratch);
}

TEST(writes) {
    struct ln_buf out = {0};
    struct ln_str none = {NULL, 0};
    pusher_write(&out, LN_STR("pusher:ping"), none, LN_STR("{}"), false, none);
    CHECK_STR(ln_buf_get(&out), "{\"event\":\"pusher:ping\",\"data\":{}}");
    ln_buf_clear(&out);
    pusher_write(&out, LN_STR("pusher:pong"), none, none, false, none);
    CHECK_STR(ln_buf_get(&out), "{\"event\":\"pusher:pong\"}");
    ln_buf_clear(&out);
    pusher_write(&out, LN_STR("pusher:pong"), none, none, true, none);
    CHECK_STR(ln_buf_get(&out), "{\"event\":\"pusher:pong\"}");
    ln_buf_clear(&out);
    pusher_write(&out, LN_STR("App\\E"), LN_STR("c"), LN_STR("{\"a\":\"b\\n\"}"), true,
                 LN_STR("7"));
    CHECK_STR(ln_buf_get(&out), "{\"event\":\"App\\\\E\",\"channel\":\"c\",\"data\":"
                                "\"{\\\"a\\\":\\\"b\\\\n\\\"}\",\"user_id\":\"7\"}");
    struct ln_buf scratch = {0}, value = {0};
    struct pusher_msg m;
    CHECK(pusher_parse(ln_buf_get(&out), &m, &scratch, NULL));
    CHECK_STR(m.event, "App\\E");
    CHECK_STR(pusher_data(m.data, &value), "{\"a\":\"b\\n\"}");
    ln_buf_free(&scratch);
    ln_buf_free(&value);
    ln_buf_free(&out);
}

/* The pieces between the first `count - 1` colons, and the rest. */
static void split(struct ln_str text, struct ln_str *parts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *colon = i + 1 < count ? memchr(text.p, ':', text.n) : NULL;
        size_t n = colon ? (size_t)(colon - text.p) : text.n;
        parts[i] = (struct ln_str){text.p, n};
        if (!colon) return;
        text = (struct ln_str){colon + 1, text.n - n - 1};
    }
}

/* METHOD\nPATH\nQUERY */
static void check_api(struct ln_str text, struct ln_str secret, struct ln_str signature) {
    const char *first = memchr(text.p, '\n', text.n);
    const char *second = memchr(first + 1, '\n', text.n - (size_t)(first + 1 - text.p));
    struct ln_str method = {text.p, (size_t)(first - text.p)};
    struct ln_str path = {first + 1, (size_t)(second - first - 1)};
    struct ln_str query = {second + 1, (size_t)(text.p + text.n - second - 1)};
    char got[65];
    pusher_api_sign(secret, method, path, query, got);
    CHECK(ln_str_is(signature, got));
}

TEST(signatures_of_the_reference) {
    struct ln_str item;
    struct ln_buf what = {0}, key = {0}, secret = {0}, text = {0}, auth = {0}, out = {0};
    size_t pos = 0, sockets = 0, api = 0;
    while (ln_json_each(vectors("pusher_hmac"), &pos, NULL, &item)) {
        CHECK(vector_text(item, "what", &what) && vector_text(item, "key", &key) &&
              vector_text(item, "secret", &secret) && vector_text(item, "string_to_sign", &text) &&
              vector_text(item, "auth", &auth));
        struct ln_str full = ln_buf_get(&auth), parts[5];
        struct ln_str signature = {full.p + key.n + 1, full.n - key.n - 1};
        if (ln_str_starts(ln_buf_get(&what), "REST")) {
            check_api(ln_buf_get(&text), ln_buf_get(&secret), signature);
            api++;
            continue;
        }
        size_t count = ln_str_starts(ln_buf_get(&what), "private")    ? 2
                       : ln_str_starts(ln_buf_get(&what), "presence") ? 3
                       : ln_str_starts(ln_buf_get(&what), "user")     ? 5
                                                                      : 1;
        split(ln_buf_get(&text), parts, count);
        ln_buf_clear(&out);
        pusher_sign(&out, ln_buf_get(&key), ln_buf_get(&secret), parts, count);
        CHECK(ln_str_eq(ln_buf_get(&out), full));
        CHECK(pusher_verify(full, ln_buf_get(&key), ln_buf_get(&secret), parts, count));
        CHECK(!pusher_verify(full, ln_buf_get(&key), LN_STR("other"), parts, count));
        CHECK(!pusher_verify(full, LN_STR("other"), ln_buf_get(&secret), parts, count));
        CHECK(!pusher_verify(signature, ln_buf_get(&key), ln_buf_get(&secret), parts, count));
        CHECK(!pusher_verify((struct ln_str){NULL, 0}, ln_buf_get(&key), ln_buf_get(&secret), parts,
                             count));
        sockets++;
    }
    CHECK_INT(sockets, 4);
    CHECK_INT(api, 2);
    ln_buf_free(&what);
    ln_buf_free(&key);
    ln_buf_free(&secret);
    ln_buf_free(&text);
    ln_buf_free(&auth);
    ln_buf_free(&out);
}

TEST(a_query_is_signed_in_order_and_once_decoded) {
    char a[65], b[65];
    struct ln_str secret = LN_STR("s"), get = LN_STR("GET"), path = LN_STR("/apps/1/channels");
    pusher_api_sign(secret, get, path, LN_STR("a=1&b=x,y&info=1"), a);
    static const char *const same[] = {
        "b=x,y&a=1&info=1",
        "info=1&b=x%2Cy&auth_signature=abc&a=1",
        "auth_signature=&B=x,y&&INFO=1&A=1&",
    };
    for (size_t i = 0; i < LN_COUNT(same); i++) {
        struct ln_str query = exact(same[i]);
        pusher_api_sign(secret, get, path, query, b);
        CHECK_STR(ln_str(b), a);
        drop(query);
    }
    static const char *const other[] = {"",
                                        "a=1&b=x,y",
                                        "a=1&b=x,y&info=1&c",
                                        "b=1&a=x,y",
                                        "a=1&b=x%252Cy&info=1",
                                        "a=1&b=%zz&info=1"};
    for (size_t i = 0; i < LN_COUNT(other); i++) {
        struct ln_str query = exact(other[i]);
        pusher_api_sign(secret, get, path, query, b);
        CHECK(strcmp(a, b) != 0);
        CHECK_INT(strlen(b), 64);
        drop(query);
    }
    pusher_api_sign(secret, get, path, (struct ln_str){NULL, 0}, b);
    CHECK_INT(strlen(b), 64);
}

TEST(what_codes_mean) {
    static const struct {
        int code;
        enum pusher_action action;
    } cases[] = {
        {0, PUSHER_BACKOFF},    {-1, PUSHER_BACKOFF},         {1000, PUSHER_BACKOFF},
        {1001, PUSHER_BACKOFF}, {1002, PUSHER_BACKOFF},       {1003, PUSHER_BACKOFF},
        {1004, PUSHER_BACKOFF}, {1005, PUSHER_BACKOFF},       {1006, PUSHER_BACKOFF},
        {3999, PUSHER_BACKOFF}, {4000, PUSHER_USE_TLS},       {4001, PUSHER_REFUSED},
        {4009, PUSHER_REFUSED}, {4099, PUSHER_REFUSED},       {4100, PUSHER_BACKOFF},
        {4199, PUSHER_BACKOFF}, {4200, PUSHER_AT_ONCE},       {4299, PUSHER_AT_ONCE},
        {4300, PUSHER_REFUSED}, {4399, PUSHER_REFUSED},       {4400, PUSHER_REFUSED},
        {4999, PUSHER_REFUSED}, {2147483647, PUSHER_REFUSED},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++)
        CHECK_INT(pusher_close_action(cases[i].code), cases[i].action);
    CHECK_STR(ln_str(pusher_code_text(4001)), "the app does not exist");
    CHECK_STR(ln_str(pusher_code_text(4302)), "the watchlist is too long");
    CHECK(pusher_code_text(1000) == NULL);
    CHECK(pusher_code_text(4999) == NULL);
}

TEST_MAIN(T(kinds_of_channels), T(names_of_channels), T(messages_as_servers_send_them), T(skims),
          T(absent_is_not_empty), T(data_without_escapes_is_not_copied), T(malformed), T(writes),
          T(signatures_of_the_reference), T(a_query_is_signed_in_order_and_once_decoded),
          T(what_codes_mean))
