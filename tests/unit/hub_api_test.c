/* SPDX-License-Identifier: MIT
 *
 * Pusher's HTTP API on the hub: signatures, events and batches, what is told of channels and users,
 * and ending a user's connections.
 */
#include "base/crypt.h"
#include "base/text.h"
#include "pusherclient.h"

#define NOW "1700000000"
#define AL "{\"user_id\":\"u1\",\"user_info\":{\"name\":\"Al\"}}"
#define BO "{\"user_id\":2}"

static char body_of_answer[4096];

static void start(void) {
    struct hub_opts o = pusher_opts();
    pusher_start(&o, &no_admit);
}

/* Sends it; the status. */
static int send_as(const char *method, const char *path, const char *query, const char *body) {
    struct web w;
    struct ln_buf b = {0};
    web_init(&w, loop, hub_pair(hub));
    ln_buf_fmt(&b,
               "%s %s?%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\n\r\n%s",
               method, path, query, strlen(body), body);
    web_write(&w, b.p, b.n);
    web_turn(&w);
    const char *end = strstr(web_answer(&w), "\r\n\r\n");
    snprintf(body_of_answer, sizeof body_of_answer, "%s", end ? end + 4 : "");
    int status = web_status(&w);
    ln_buf_free(&b);
    web_free(&w);
    return status;
}

/* The query, with all that a signature needs. */
static void sign(const char *secret, const char *method, const char *path, const char *more,
                 const char *body, struct ln_buf *query) {
    unsigned char md5[16];
    char signature[65];
    ln_buf_fmt(query, "auth_key=key&auth_timestamp=" NOW "&auth_version=1.0");
    if (*body) {
        ln_md5(body, strlen(body), md5);
        ln_buf_puts(query, "&body_md5=");
        ln_hex(query, md5, sizeof md5);
    }
    ln_buf_puts(query, more);
    pusher_api_sign(ln_str(secret), ln_str(method), ln_str(path), ln_buf_get(query), signature);
    ln_buf_fmt(query, "&auth_signature=%s", signature);
}

static void call(int line, const char *method, const char *path, const char *more, const char *body,
                 int status, const char *want) {
    struct ln_buf query = {0};
    sign("secret", method, path, more, body, &query);
    int got = send_as(method, path, ln_buf_cstr(&query), body);
    bool same =
        status == 200 ? strcmp(body_of_answer, want) == 0 : strstr(body_of_answer, want) != NULL;
    if (got != status || !same) {
        printf("line %d: %d %s, wanted %d %s\n", line, got, body_of_answer, status, want);
        test_failures++;
    }
    ln_buf_free(&query);
}
#define GET(path, more, status, want) call(__LINE__, "GET", "/apps/1" path, more, "", status, want)
#define POST(path, body, status, want)                                                             \
    call(__LINE__, "POST", "/apps/1" path, "", body, status, want)

/* --- who asks --- */

TEST(signatures) {
    struct ln_buf q = {0};
    start();
    const char *path = "/apps/1/channels";
    CHECK_INT(send_as("GET", path, "", ""), 401);
    CHECK_HAS(body_of_answer, "{\"error\":\"auth_key");
    sign("secret", "GET", path, "", "", &q);
    CHECK_INT(send_as("GET", path, ln_buf_cstr(&q), ""), 200);
    CHECK_INT(send_as("GET", "/apps/1/channels/a", ln_buf_cstr(&q), ""), 401);
    ln_buf_puts(&q, "&info=x"); /* was not signed */
    CHECK_INT(send_as("GET", path, ln_buf_cstr(&q), ""), 401);
    ln_buf_clear(&q);
    sign("wrong", "GET", path, "", "", &q);
    CHECK_INT(send_as("GET", path, ln_buf_cstr(&q), ""), 401);
    CHECK_HAS(body_of_answer, "{\"error\":\"auth_signature");
    ln_buf_clear(&q);
    sign("secret", "POST", "/apps/1/events", "", "{}", &q);
    CHECK_INT(send_as("POST", "/apps/1/events", ln_buf_cstr(&q), "{} "), 401); /* another body */
    CHECK_HAS(body_of_answer, "{\"error\":\"body_md5");
    ln_buf_clear(&q);
    sign("secret", "POST", "/apps/1/events", "", "", &q);
    CHECK_INT(send_as("POST", "/apps/1/events", ln_buf_cstr(&q), "{}"), 401); /* an unsigned one */
    ln_buf_free(&q);
    hub_stop();
}

/* What is signed are decoded values: two queries may look the same there. */
TEST(a_signature_is_for_one_query) {
    struct ln_buf q = {0}, other = {0};
    start();
    sign("secret", "GET", "/apps/1/channels", "&filter_by_prefix=a&info=user_count", "", &q);
    CHECK_INT(send_as("GET", "/apps/1/channels", ln_buf_cstr(&q), ""), 200);
    const char *at = strstr(ln_buf_cstr(&q), "&info=");
    CHECK(at != NULL);
    if (at) ln_buf_fmt(&other, "%.*s%%26%s", (int)(at - q.p), q.p, at + 1);
    CHECK_INT(send_as("GET", "/apps/1/channels", ln_buf_cstr(&other), ""), 401);
    ln_buf_free(&q);
    ln_buf_free(&other);
    hub_stop();
}

static int with_time(const char *key, const char *time, const char *version) {
    struct ln_buf q = {0};
    char signature[65];
    ln_buf_fmt(&q, "auth_key=%s&auth_timestamp=%s&auth_version=%s", key, time, version);
    pusher_api_sign(LN_STR("secret"), LN_STR("GET"), LN_STR("/apps/1/channels"), ln_buf_get(&q),
                    signature);
    ln_buf_fmt(&q, "&auth_signature=%s", signature);
    int status = send_as("GET", "/apps/1/channels", ln_buf_cstr(&q), "");
    ln_buf_free(&q);
    return status;
}

TEST(key_time_and_version) {
    start();
    CHECK_INT(with_time("key", "1700000000", "1.0"), 200);
    CHECK_INT(with_time("key", "1700000600", "1.0"), 200);
    CHECK_INT(with_time("key", "1699999400", "1.0"), 200);
    CHECK_INT(with_time("key", "1700000601", "1.0"), 401);
    CHECK_HAS(body_of_answer, "600 seconds");
    CHECK_INT(with_time("key", "1699999399", "1.0"), 401);
    CHECK_INT(with_time("key", "now", "1.0"), 401);
    CHECK_INT(with_time("key", "", "1.0"), 401);
    CHECK_INT(with_time("key", "99999999999999999999", "1.0"), 401);
    CHECK_INT(with_time("key", "1700000000", "2.0"), 401);
    CHECK_INT(with_time("other", "1700000000", "1.0"), 401);
    CHECK_INT(send_as("GET", "/apps/2/channels", "", ""), 404);
    CHECK_HAS(body_of_answer, "no app has that id");
    CHECK_INT(send_as("GET", "/apps/", "", ""), 404);
    CHECK_INT(send_as("PUT", "/apps/1/channels", "", ""), 405);
    GET("", "", 404, "no such address");
    GET("/", "", 404, "no such address");
    GET("/channels/a/b", "", 404, "no such address");
    GET("/channels/a/users/b/c/d", "", 404, "no such address");
    GET("/events", "", 404, "no such address");
    POST("/channels", "{}", 404, "no such address");
    hub_stop();
}

/* --- events --- */

TEST(an_event_reaches_its_channels) {
    struct pusher a, b;
    struct web sio;
    start();
    pusher_open(&a);
    pusher_open(&b);
    sio_client(&sio, "");
    say(&sio, "42[\"join\",{\"room\":\"c1\"}]");
    web_skip(&sio);
    pusher_joined(&a, "c1", NULL);
    pusher_joined(&b, "private-c2", NULL);
    POST("/events",
         "{\"name\":\"App\\\\Events\\\\X\",\"channels\":[\"c1\",\"private-c2\"],"
         "\"data\":\"{\\\"n\\\": 1}\"}",
         200, "{}");
    web_turn(&a.w);
    web_turn(&b.w);
    web_turn(&sio);
    CHECK_NEXT(&a.w, "{\"event\":\"App\\\\Events\\\\X\",\"channel\":\"c1\",\"data\":\"{\\\"n\\\": "
                     "1}\"}"); /* as it came */
    CHECK_FRAME(&b.w, "\"channel\":\"private-c2\",\"data\":\"{\\\"n\\\": 1}\"}");
    CHECK_NEXT(&sio, "42[\"App\\\\Events\\\\X\",{\"n\": 1}]");
    POST("/events", "{\"name\":\"t\",\"channel\":\"c1\",\"data\":\"plain text\"}", 200, "{}");
    POST("/events", "{\"name\":\"o\",\"channel\":\"c1\",\"data\":{\"n\":2}}", 200, "{}");
    web_turn(&a.w);
    web_turn(&sio);
    CHECK_NEXT(&a.w, "{\"event\":\"t\",\"channel\":\"c1\",\"data\":\"plain text\"}");
    CHECK_NEXT(&a.w, "{\"event\":\"o\",\"channel\":\"c1\",\"data\":\"{\\\"n\\\":2}\"}");
    CHECK_NEXT(&sio, "42[\"t\",\"plain text\"]");
    web_free(&sio);
    pusher_end(&a);
    pusher_end(&b);
    hub_stop();
}

TEST(not_to_the_connection_that_caused_it) {
    struct pusher a, b;
    char body[200];
    start();
    pusher_open(&a);
    pusher_open(&b);
    pusher_joined(&a, "c", NULL);
    pusher_joined(&b, "c", NULL);
    snprintf(body, sizeof body,
             "{\"name\":\"e\",\"channel\":\"c\",\"data\":\"1\",\"socket_id\":\"%s\"}", a.sid);
    POST("/events", body, 200, "{}");
    web_turn(&a.w);
    web_turn(&b.w);
    CHECK_NONE(&a.w);
    CHECK_FRAME(&b.w, "\"event\":\"e\"");
    POST("/events", "{\"name\":\"e\",\"channel\":\"c\",\"data\":\"1\",\"socket_id\":\"1.2\"}", 200,
         "{}"); /* nobody of that id */
    web_turn(&a.w);
    CHECK_FRAME(&a.w, "\"event\":\"e\"");
    pusher_end(&a);
    pusher_end(&b);
    hub_stop();
}

TEST(a_presence_channel_and_its_room) {
    struct pusher a, spy;
    start();
    pusher_open(&a);
    pusher_open(&spy);
    pusher_joined(&a, "presence-r", AL);
    pusher_joined(&spy, "r", NULL);
    POST("/events", "{\"name\":\"e\",\"channel\":\"presence-r\",\"data\":\"1\"}", 200, "{}");
    web_turn(&a.w);
    web_turn(&spy.w);
    CHECK_NEXT(&a.w, "{\"event\":\"e\",\"channel\":\"presence-r\",\"data\":\"1\"}");
    CHECK_NONE(&spy.w);
    POST("/events", "{\"name\":\"f\",\"channel\":\"r\",\"data\":\"1\"}", 200, "{}");
    web_turn(&a.w);
    web_turn(&spy.w);
    CHECK_NONE(&a.w);
    CHECK_FRAME(&spy.w, "\"event\":\"f\",\"channel\":\"r\"");
    pusher_end(&a);
    pusher_end(&spy);
    hub_stop();
}

TEST(events_for_cache_channels_are_kept) {
    struct pusher p;
    start();
    POST("/events", "{\"name\":\"e\",\"channel\":\"cache-c\",\"data\":\"kept\"}", 200, "{}");
    pusher_open(&p);
    pusher_joined(&p, "cache-c", NULL);
    CHECK_NEXT(&p.w, "{\"event\":\"e\",\"channel\":\"cache-c\",\"data\":\"kept\"}");
    pusher_end(&p);
    hub_stop();
}

TEST(encrypted_data_passes_as_it_is) {
    struct pusher p;
    start();
    pusher_open(&p);
    pusher_joined(&p, "private-encrypted-e", NULL);
    POST("/events",
         "{\"name\":\"e\",\"channel\":\"private-encrypted-e\",\"data\":\"{\\\"nonce\\\":\\\"n\\\"}"
         "\"}",
         200, "{}");
    web_turn(&p.w);
    CHECK_FRAME(&p.w, "\"data\":\"{\\\"nonce\\\":\\\"n\\\"}\"}");
    pusher_end(&p);
    hub_stop();
}

TEST(events_that_are_none) {
    static const char *const bad[][2] = {
        {"", "the body must be a JSON object"},
        {"no json", "the body must be a JSON object"},
        {"[]", "the body must be a JSON object"},
        {"{\"name\":\"e\"", "the body must be a JSON object"},
        {"{\"channel\":\"c\",\"data\":\"1\"}", "\\\"name\\\" must"},
        {"{\"name\":\"\",\"channel\":\"c\",\"data\":\"1\"}", "\\\"name\\\" must"},
        {"{\"name\":7,\"channel\":\"c\",\"data\":\"1\"}", "\\\"name\\\" must"},
        {"{\"name\":\"pusher:x\",\"channel\":\"c\",\"data\":\"1\"}", "protocol's own"},
        {"{\"name\":\"pusher_internal:x\",\"channel\":\"c\",\"data\":\"1\"}", "protocol's own"},
        {"{\"name\":\"e\",\"channel\":\"c\"}", "\\\"data\\\" is missing"},
        {"{\"name\":\"e\",\"data\":\"1\"}", "\\\"channels\\\" is missing"},
        {"{\"name\":\"e\",\"channels\":[],\"data\":\"1\"}", "1 to 100 channels"},
        {"{\"name\":\"e\",\"channels\":[7],\"data\":\"1\"}", "a channel's name"},
        {"{\"name\":\"e\",\"channels\":[\"a\",\"b c\"],\"data\":\"1\"}", "a channel's name"},
        {"{\"name\":\"e\",\"channel\":{},\"data\":\"1\"}", "a channel's name"},
        {"{\"name\":\"e\",\"channel\":\"c\",\"data\":\"1\",\"socket_id\":\"x\"}", "socket_id"},
        {"{\"name\":\"e\",\"channel\":\"c\",\"data\":\"1\",\"socket_id\":7}", "socket_id"},
    };
    struct pusher p;
    struct ln_buf body = {0};
    start();
    pusher_open(&p);
    pusher_joined(&p, "c", NULL);
    pusher_joined(&p, "a", NULL);
    for (size_t i = 0; i < LN_COUNT(bad); i++)
        POST("/events", bad[i][0], 400, bad[i][1]);
    ln_buf_puts(&body, "{\"name\":\"e\",\"data\":\"1\",\"channels\":[\"c\"");
    for (int i = 0; i < 100; i++)
        ln_buf_fmt(&body, ",\"c%d\"", i);
    ln_buf_puts(&body, "]}");
    POST("/events", ln_buf_cstr(&body), 400, "1 to 100 channels");
    ln_buf_clear(&body);
    ln_buf_fmt(&body, "{\"name\":\"e\",\"channel\":\"c\",\"data\":\"%010241d\"}", 1);
    POST("/events", ln_buf_cstr(&body), 413, "10240 bytes");
    web_turn(&p.w);
    CHECK_NONE(&p.w); /* nothing of all that was sent */
    ln_buf_clear(&body);
    ln_buf_fmt(&body, "{\"name\":\"e\",\"channel\":\"c\",\"data\":\"%010240d\"}", 1);
    POST("/events", ln_buf_cstr(&body), 200, "{}");
    web_turn(&p.w);
    CHECK_FRAME(&p.w, "\"event\":\"e\"");
    ln_buf_free(&body);
    pusher_end(&p);
    hub_stop();
}

TEST(events_that_ask_for_counts) {
    struct pusher p;
    start();
    pusher_open(&p);
    pusher_joined(&p, "c", NULL);
    pusher_joined(&p, "presence-r", AL);
    POST("/events",
         "{\"name\":\"e\",\"channels\":[\"c\",\"presence-r\",\"none\"],\"data\":\"1\","
         "\"info\":\"subscription_count,user_count\"}",
         200,
         "{\"channels\":{\"c\":{\"subscription_count\":1},\"presence-r\":{\"user_count\":1,"
         "\"subscription_count\":1},\"none\":{\"subscription_count\":0}}}");
    POST("/events", "{\"name\":\"e\",\"channel\":\"c\",\"data\":\"1\",\"info\":\"else\"}", 200,
         "{\"channels\":{\"c\":{}}}");
    pusher_end(&p);
    hub_stop();
}

TEST(batches) {
    struct pusher p;
    struct ln_buf body = {0};
    start();
    pusher_open(&p);
    pusher_joined(&p, "c", NULL);
    pusher_joined(&p, "presence-r", AL);
    POST("/batch_events",
         "{\"batch\":[{\"name\":\"a\",\"channel\":\"c\",\"data\":\"1\"},{\"name\":\"b\","
         "\"channel\":\"presence-r\",\"data\":\"2\",\"info\":\"user_count\"}]}",
         200, "{\"batch\":[{},{\"user_count\":1}]}");
    web_turn(&p.w);
    CHECK_NEXT(&p.w, "{\"event\":\"a\",\"channel\":\"c\",\"data\":\"1\"}");
    CHECK_NEXT(&p.w, "{\"event\":\"b\",\"channel\":\"presence-r\",\"data\":\"2\"}");
    POST("/batch_events", "{\"batch\":[]}", 200, "{\"batch\":[]}");
    POST("/batch_events", "{}", 400, "\\\"batch\\\" must be a list");
    POST("/batch_events", "{\"batch\":[7]}", 400, "needs its \\\"channel\\\"");
    POST("/batch_events", "{\"batch\":[{\"name\":\"a\",\"channels\":[\"c\"],\"data\":\"1\"}]}", 400,
         "needs its \\\"channel\\\"");
    POST("/batch_events",
         "{\"batch\":[{\"name\":\"a\",\"channel\":\"c\",\"data\":\"1\"},{\"name\":\"b\","
         "\"channel\":\"c\"}]}",
         400, "\\\"data\\\" is missing");
    ln_buf_puts(&body, "{\"batch\":[{\"name\":\"a\",\"channel\":\"c\",\"data\":\"1\"}");
    for (int i = 0; i < 10; i++)
        ln_buf_puts(&body, ",{\"name\":\"a\",\"channel\":\"c\",\"data\":\"1\"}");
    ln_buf_puts(&body, "]}");
    POST("/batch_events", ln_buf_cstr(&body), 400, "at most 10");
    web_turn(&p.w);
    CHECK_NONE(&p.w); /* a batch is sent whole or not at all */
    ln_buf_free(&body);
    pusher_end(&p);
    hub_stop();
}

/* --- channels and users --- */

TEST(what_is_told_of_channels) {
    struct pusher a, b;
    struct web sio;
    start();
    GET("/channels", "", 200, "{\"channels\":{}}");
    pusher_open(&a);
    pusher_open(&b);
    pusher_joined(&a, "c", NULL);
    pusher_joined(&b, "c", NULL);
    pusher_joined(&a, "presence-r", AL);
    pusher_joined(&b, "presence-r", AL);
    sio_client(&sio, "{\"id\":\"u9\"}");
    say(&sio, "42[\"join\",{\"room\":\"r\"}]");
    say(&sio, "42[\"join\",{\"room\":\"not a channel\"}]");
    GET("/channels", "", 200, "{\"channels\":{\"c\":{},\"presence-r\":{}}}");
    GET("/channels", "&info=user_count", 200,
        "{\"channels\":{\"c\":{},\"presence-r\":{\"user_count\":2}}}");
    GET("/channels", "&filter_by_prefix=presence-&info=subscription_count%2Cuser_count", 200,
        "{\"channels\":{\"presence-r\":{\"user_count\":2,\"subscription_count\":3}}}");
    GET("/channels", "&filter_by_prefix=private-", 200, "{\"channels\":{}}");
    GET("/channels/c", "", 200, "{\"occupied\":true}");
    GET("/channels/c", "&info=user_count,subscription_count", 200,
        "{\"occupied\":true,\"subscription_count\":2}");
    GET("/channels/presence-r", "&info=user_count,subscription_count", 200,
        "{\"occupied\":true,\"user_count\":2,\"subscription_count\":3}");
    GET("/channels/none", "&info=subscription_count", 200,
        "{\"occupied\":false,\"subscription_count\":0}");
    GET("/channels/presence-none", "&info=user_count", 200,
        "{\"occupied\":false,\"user_count\":0}");
    GET("/channels/r", "", 200, "{\"occupied\":false}"); /* of that room only the other face is */
    GET("/channels/a%20b", "", 400, "no channel's name");
    GET("/channels/%zz", "", 400, "bad address");
    GET("/connections", "", 200, "{\"connections\":2}");
    web_free(&sio);
    pusher_end(&a);
    pusher_end(&b);
    hub_stop();
}

TEST(who_is_in_a_channel) {
    struct pusher a, b;
    start();
    pusher_open(&a);
    pusher_open(&b);
    pusher_joined(&a, "presence-r", AL);
    pusher_joined(&b, "presence-r", BO);
    GET("/channels/presence-r/users", "", 200, "{\"users\":[{\"id\":\"u1\"},{\"id\":2}]}");
    GET("/channels/presence-none/users", "", 200, "{\"users\":[]}");
    GET("/channels/c/users", "", 400, "only presence channels");
    GET("/channels/private-c/users", "", 400, "only presence channels");
    pusher_end(&b);
    loop_advance(loop, 2000);
    GET("/channels/presence-r/users", "", 200, "{\"users\":[{\"id\":\"u1\"}]}");
    pusher_end(&a);
    hub_stop();
}

TEST(ending_the_connections_of_a_user) {
    struct pusher p, other;
    struct ln_buf text = {0};
    start();
    pusher_open(&p);
    pusher_open(&other);
    const char *data = "{\"id\":\"a b\"}";
    struct ln_str parts[] = {ln_str(p.sid), LN_STR(""), LN_STR("user"), LN_STR(""), ln_str(data)};
    ln_buf_puts(&text, "{\"event\":\"pusher:signin\",\"data\":{\"auth\":\"");
    pusher_sign(&text, LN_STR("key"), LN_STR("secret"), parts, LN_COUNT(parts));
    ln_buf_puts(&text, "\",\"user_data\":");
    ln_json_quote(&text, ln_str(data));
    ln_buf_puts(&text, "}}");
    say(&p.w, ln_buf_cstr(&text));
    CHECK_FRAME(&p.w, "signin_success");
    POST("/users/nobody/terminate_connections", "{}", 200, "{}");
    POST("/users/a%20b/terminate_connections", "{}", 200, "{}");
    POST("/users/%zz/terminate_connections", "{}", 400, "no user's id");
    web_turn(&p.w);
    CHECK_FRAME(&p.w, "\"code\":4009,\"message\":\"You got disconnected by the app.\"");
    CHECK_INT(p.w.code, 4009);
    web_turn(&other.w);
    CHECK(!other.w.is_eof);
    ln_buf_free(&text);
    pusher_end(&p);
    pusher_end(&other);
    hub_stop();
}

TEST(the_hub_is_well) {
    start();
    CHECK_INT(send_as("GET", "/up", "", ""), 200);
    hub_stop();
}

TEST_MAIN(T(signatures), T(a_signature_is_for_one_query), T(key_time_and_version),
          T(an_event_reaches_its_channels), T(not_to_the_connection_that_caused_it),
          T(a_presence_channel_and_its_room), T(events_for_cache_channels_are_kept),
          T(encrypted_data_passes_as_it_is), T(events_that_are_none), T(events_that_ask_for_counts),
          T(batches), T(what_is_told_of_channels), T(who_is_in_a_channel),
          T(ending_the_connections_of_a_user), T(the_hub_is_well))
