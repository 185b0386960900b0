/* SPDX-License-Identifier: MIT
 *
 * The endpoints that sign for Pusher's clients: forms and JSON, who one is, who decides.
 */
#include "base/crypt.h"
#include "base/crypt_box.h"
#include "base/text.h"
#include "pusherclient.h"

#define FORM "application/x-www-form-urlencoded"
#define MASTER "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=" /* 32 bytes of 7 */

static struct {
    ln_id ticket;
    struct ln_buf request;
    enum hub_consent consent;
    const char *message, *user;
    bool later;
} asked;

static void on_authorize(void *ud, ln_id ticket, struct ln_str request) {
    (void)ud;
    ln_buf_clear(&asked.request);
    ln_buf_str(&asked.request, request);
    asked.ticket = ticket;
    if (!asked.later) hub_authorize(hub, ticket, asked.consent, asked.message, ln_str(asked.user));
}

static const struct hub_hooks deciding = {.authorize = on_authorize};

/* The app "key"; or, without it, the one that the hub has of its own. */
static void start(bool own, const struct hub_hooks *hooks) {
    struct hub_opts o = pusher_opts();
    test_app.master_key = MASTER;
    if (own)
        hub_start(&o, hooks);
    else
        pusher_start(&o, hooks);
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
}

static void stop(void) {
    hub_stop();
    ln_buf_free(&asked.request);
    memset(&asked, 0, sizeof asked);
}

/* Posts it; the answer is in w->in. */
static void post_by(struct web *w, const char *path, const char *headers, const char *body) {
    struct ln_buf b = {0};
    web_init(w, loop, hub_pair(hub));
    ln_buf_fmt(&b, "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s", path,
               headers, strlen(body), body);
    web_write(w, b.p, b.n);
    ln_buf_free(&b);
    web_turn(w);
}

static void is(int line, const char *path, const char *headers, const char *body, int status,
               const char *want) {
    struct web w;
    post_by(&w, path, headers, body);
    const char *end = strstr(web_answer(&w), "\r\n\r\n");
    if (web_status(&w) != status || !end || !strstr(end, want)) {
        printf("line %d: wanted %d %s, got\n%s\n", line, status, want, web_answer(&w));
        test_failures++;
    }
    web_free(&w);
}
#define POST(path, body, status, want)                                                             \
    is(__LINE__, path, "Content-Type: " FORM "\r\n", body, status, want)
#define POST_JSON(path, body, status, want)                                                        \
    is(__LINE__, path, "Content-Type: application/json\r\n", body, status, want)

/* What pusher_sign gives for these parts, as the reply has it. */
static const char *signed_as(const char *a, const char *b, const char *c) {
    static char text[120];
    struct ln_str parts[] = {ln_str(a), ln_str(b), ln_str(c)};
    struct ln_buf out = {0};
    pusher_sign(&out, LN_STR("key"), LN_STR("secret"), parts, c ? 3 : 2);
    snprintf(text, sizeof text, "{\"auth\":\"%s\"", ln_buf_cstr(&out));
    ln_buf_free(&out);
    return text;
}

TEST(nobody_decides_about_an_app_of_the_settings) {
    start(false, NULL);
    POST("/pusher/auth", "socket_id=1.2&channel_name=private-a", 403, "{\"error\":\"");
    stop();
    start(false, &deciding);
    asked.consent = HUB_NOBODY;
    POST("/pusher/auth", "socket_id=1.2&channel_name=private-a", 403, "hub:on_auth");
    stop();
}

TEST(a_private_channel) {
    static const char *const paths[] = {"/pusher/auth", "/broadcasting/auth",
                                        "/api/broadcasting/auth"};
    const char *want;
    start(false, &deciding);
    want = signed_as("1.2", "private-a", NULL);
    for (size_t i = 0; i < LN_COUNT(paths); i++) {
        POST(paths[i], "socket_id=1.2&channel_name=private-a&x=a%20b%26c", 200, want);
        CHECK(
            strstr(ln_buf_cstr(&asked.request),
                   "{\"socket_id\":\"1.2\",\"channel\":\"private-a\",\"kind\":\"private\",\"app\":"
                   "\"1\",\"params\":{\"socket_id\":\"1.2\",\"channel_name\":\"private-a\",\"x\":"
                   "\"a b&c\"},\"headers\":{"));
        POST_JSON(paths[i], "{\"channel_name\":\"private-a\",\"socket_id\":\"1.2\",\"n\":[1]}", 200,
                  want);
        CHECK(strstr(ln_buf_cstr(&asked.request), "\"n\":[1]},\"headers\":{\":path\":\"/"));
    }
    asked.consent = HUB_NO;
    POST("/pusher/auth", "socket_id=1.2&channel_name=private-a", 403,
         "{\"error\":\"not allowed\"}");
    asked.message = "banned";
    POST("/pusher/auth", "socket_id=1.2&channel_name=private-a", 403, "{\"error\":\"banned\"}");
    stop();
}

TEST(an_encrypted_channel_gets_its_key) {
    start(false, &deciding);
    POST("/pusher/auth", "socket_id=1.2&channel_name=private-encrypted-e", 200,
         ",\"shared_secret\":\"/gSsUU5/4f0m+ZYLG+HLdS3Ih1VjyuUk4AEnO/nNZnE=\"}");
    stop();
    struct hub_opts o = pusher_opts();
    pusher_start(&o, &deciding);
    POST("/pusher/auth", "socket_id=1.2&channel_name=private-encrypted-e", 403,
         "encryption_master_key");
    stop();
}

TEST(a_presence_channel_of_somebody) {
    start(false, &deciding);
    asked.user = "{\"user_id\":7,\"user_info\":{\"name\":\"Al\"}}";
    const char *data = "{\"user_id\":7,\"user_info\":{\"name\":\"Al\"}}";
    POST("/pusher/auth", "socket_id=1.2&channel_name=presence-a", 200,
         signed_as("1.2", "presence-a", data));
    POST("/pusher/auth", "socket_id=1.2&channel_name=presence-a&user_id=8&name=evil", 200,
         ",\"channel_data\":\"{\\\"user_id\\\":7,\\\"user_info\\\":{\\\"name\\\":\\\"Al\\\"}}\"}");
    asked.user = "{\"id\":\"u1\"}";
    POST("/pusher/auth", "socket_id=1.2&channel_name=presence-a", 200,
         ",\"channel_data\":\"{\\\"user_id\\\":\\\"u1\\\"}\"}");
    asked.user = "{\"user_id\":{}}";
    POST("/pusher/auth", "socket_id=1.2&channel_name=presence-a", 403, "{\"error\":\"nobody said");
    asked.user = NULL; /* what the request claims counts for nothing here */
    POST("/pusher/auth", "socket_id=1.2&channel_name=presence-a&user_id=8", 403,
         "{\"error\":\"nobody said");
    stop();
}

TEST(signing_in) {
    static const char *const paths[] = {"/pusher/user-auth", "/broadcasting/user-auth"};
    start(false, &deciding);
    asked.user = "{\"user_id\":7,\"user_info\":{\"name\":\"Al\"},\"watchlist\":[\"u2\"]}";
    for (size_t i = 0; i < LN_COUNT(paths); i++)
        POST(paths[i], "socket_id=1.2", 200,
             ",\"user_data\":\"{\\\"id\\\":\\\"7\\\",\\\"user_info\\\":{\\\"name\\\":\\\"Al\\\"},"
             "\\\"watchlist\\\":[\\\"u2\\\"]}\"}");
    CHECK(strstr(ln_buf_cstr(&asked.request), "{\"socket_id\":\"1.2\",\"kind\":\"user\",\"app\""));
    asked.user = NULL;
    POST("/pusher/user-auth", "socket_id=1.2&id=9", 403, "{\"error\":\"nobody said");
    stop();
}

TEST(the_own_app_signs_for_who_one_says_one_is) {
    start(true, NULL);
    POST("/pusher/auth", "socket_id=1.2&channel_name=private-a", 200, "{\"auth\":\"linnet:");
    POST("/pusher/auth", "socket_id=1.2&channel_name=private-encrypted-a", 200, "shared_secret");
    POST("/pusher/auth", "socket_id=1.2&channel_name=presence-a&user_id=u1&name=Al+B", 200,
         "\"{\\\"user_id\\\":\\\"u1\\\",\\\"user_info\\\":{\\\"name\\\":\\\"Al B\\\"}}\"");
    POST("/pusher/auth", "socket_id=1.2&channel_name=presence-a&id=u1", 200,
         "\"{\\\"user_id\\\":\\\"u1\\\"}\"");
    POST("/pusher/auth",
         "socket_id=1.2&channel_name=presence-a&id=u1&user_info=%7B%22name%22%3A%22Bo%22%7D", 200,
         "\\\"user_info\\\":{\\\"name\\\":\\\"Bo\\\"}}");
    POST_JSON("/pusher/auth",
              "{\"socket_id\":\"1.2\",\"channel_name\":\"presence-a\",\"user_id\":7,\"user_info\":{"
              "\"name\":\"Al\",\"x\":[1]}}",
              200,
              "\"{\\\"user_id\\\":7,\\\"user_info\\\":{\\\"name\\\":\\\"Al\\\",\\\"x\\\":[1]}}");
    POST_JSON("/pusher/user-auth",
              "{\"socket_id\":\"1.2\",\"id\":\"u1\",\"name\":\"Al\",\"watchlist\":[\"u2\"]}", 200,
              "\"{\\\"id\\\":\\\"u1\\\",\\\"user_info\\\":{\\\"name\\\":\\\"Al\\\"},\\\"watchlist"
              "\\\":[\\\"u2\\\"]}\"");
    POST("/pusher/auth", "socket_id=1.2&channel_name=presence-a", 403, "{\"error\":\"nobody");
    stop();
}

TEST(a_guest_is_the_same_in_all_channels) {
    struct pusher p;
    char body[100];
    start(true, NULL);
    hub_line(&p.w, "/app/linnet?protocol=7");
    CHECK_FRAME(&p.w, "connection_established");
    struct hub_client_info info;
    size_t i = 0;
    CHECK(hub_each_client(hub, &i, &info));
    snprintf(p.sid, sizeof p.sid, "%.*s", LN_FMT(info.sid));
    snprintf(body, sizeof body, "socket_id=%s&channel_name=presence-a", p.sid);
    POST("/pusher/auth", body, 200, "\\\"user_info\\\":{\\\"name\\\":\\\"guest-1\\\"}}");
    snprintf(body, sizeof body, "socket_id=%s&channel_name=presence-b", p.sid);
    POST("/pusher/auth", body, 200, "\\\"user_info\\\":{\\\"name\\\":\\\"guest-1\\\"}}");
    CHECK(hub_client(hub, info.id, &info));
    CHECK_STR(info.user_name, "guest-1");
    snprintf(body, sizeof body, "socket_id=%s&channel_name=presence-b&name=Al", p.sid);
    POST("/pusher/auth", body, 200, "\\\"user_info\\\":{\\\"name\\\":\\\"Al\\\"}}");
    pusher_end(&p);
    stop();
}

TEST(what_is_asked_wrongly) {
    start(false, &deciding);
    POST("/pusher/auth", "", 400, "{\"error\":\"socket_id must");
    POST("/pusher/auth", "socket_id=12&channel_name=private-a", 400, "socket_id must");
    POST("/pusher/auth", "socket_id=1.2.3&channel_name=private-a", 400, "socket_id must");
    POST("/pusher/auth", "socket_id=.2&channel_name=private-a", 400, "socket_id must");
    POST("/pusher/auth", "socket_id=1.2%3A%3Auser&channel_name=private-a", 400, "socket_id must");
    POST("/pusher/auth", "socket_id=1.2", 400, "channel_name must");
    POST("/pusher/auth", "socket_id=1.2&channel_name=private-a%3A", 400, "channel_name must");
    POST("/pusher/auth", "socket_id=1.2&channel_name=pub", 400, "only private and presence");
    POST("/pusher/auth", "socket_id=1.2&channel_name=%23server-to-user-u1", 400, "only private");
    POST_JSON("/pusher/auth", "no json", 400, "a form or a JSON object");
    POST_JSON("/pusher/auth", "[]", 400, "a form or a JSON object");
    POST_JSON("/pusher/auth", "{\"socket_id\":1.2,\"channel_name\":\"private-a\"}", 400,
              "socket_id must");
    CHECK_INT(asked.request.n, 0); /* nobody was asked */
    struct web w;
    web_init(&w, loop, hub_pair(hub));
    web_say(&w, "GET /pusher/auth?socket_id=1.2&channel_name=private-a HTTP/1.1\r\nHost: localhost"
                "\r\n\r\n");
    web_turn(&w);
    CHECK_INT(web_status(&w), 405);
    web_free(&w);
    stop();
}

TEST(pages_of_other_origins) {
    struct web w;
    start(false, &deciding);
    is(__LINE__, "/pusher/auth", "Origin: http://elsewhere.example\r\n",
       "socket_id=1.2&channel_name=private-a", 403, "origin");
    CHECK_INT(asked.request.n, 0);
    post_by(&w, "/pusher/auth", "Origin: http://localhost:5173\r\nContent-Type: " FORM "\r\n",
            "socket_id=1.2&channel_name=private-a");
    CHECK_INT(web_status(&w), 200);
    CHECK_HAS(web_answer(&w), "Access-Control-Allow-Origin: http://localhost:5173");
    web_free(&w);
    web_init(&w, loop, hub_pair(hub));
    web_say(&w, "OPTIONS /broadcasting/auth HTTP/1.1\r\nHost: localhost\r\nOrigin: "
                "http://localhost:5173\r\nAccess-Control-Request-Headers: x-csrf-token\r\n\r\n");
    web_turn(&w);
    CHECK_INT(web_status(&w), 204);
    CHECK_HAS(web_answer(&w), "Access-Control-Allow-Headers: x-csrf-token");
    web_free(&w);
    stop();
}

TEST(an_answer_that_comes_later) {
    struct web w;
    start(false, &deciding);
    asked.later = true;
    post_by(&w, "/pusher/auth", "Origin: http://localhost:5173\r\nContent-Type: " FORM "\r\n",
            "socket_id=1.2&channel_name=private-a");
    CHECK_STR(ln_str(web_answer(&w)), "");
    hub_authorize(hub, asked.ticket, HUB_YES, NULL, NOTHING);
    hub_authorize(hub, asked.ticket, HUB_NO, NULL, NOTHING); /* once is enough */
    web_turn(&w);
    CHECK_INT(web_status(&w), 200);
    CHECK_HAS(web_answer(&w), "Access-Control-Allow-Origin: http://localhost:5173");
    CHECK_HAS(web_answer(&w), signed_as("1.2", "private-a", NULL));
    web_free(&w);
    post_by(&w, "/pusher/auth", "", "socket_id=1.2&channel_name=private-a");
    loop_advance(loop, 45000);
    web_turn(&w);
    CHECK_HAS(web_answer(&w), "{\"error\":\"timeout\"}");
    web_free(&w);
    post_by(&w, "/pusher/auth", "", "socket_id=1.2&channel_name=private-a");
    web_free(&w); /* its client went away */
    loop_settle(loop, 0);
    hub_authorize(hub, asked.ticket, HUB_YES, NULL, NOTHING);
    post_by(&w, "/pusher/auth", "", "socket_id=1.2&channel_name=private-a");
    stop(); /* the hub closes while it is being decided */
    web_free(&w);
}

/* --- what scripts send on encrypted channels --- */

TEST(events_are_sealed_for_the_subscribers) {
    struct pusher p;
    unsigned char key[32], nonce[LN_BOX_NONCE];
    char nonce_text[33] = "", sealed_text[100] = "", text[400];
    struct ln_buf raw = {0}, plain = {0};
    start(false, &deciding);
    pusher_open(&p);
    pusher_joined(&p, "private-encrypted-e", NULL);
    struct hub_target t = {.room = LN_STR("private-encrypted-e")};
    CHECK_INT(hub_emit(hub, &t, LN_STR("x"), LN_STR("{\"top\":\"secret\"}"), NULL, 0), 1);
    web_turn(&p.w);
    struct ln_str f = web_next(&p.w);
    snprintf(text, sizeof text, "%.*s", LN_FMT(f));
    CHECK_INT(
        sscanf(text,
               "{\"event\":\"x\",\"channel\":\"private-encrypted-e\",\"data\":\"{\\\"nonce\\\""
               ":\\\"%32[^\\]\\\",\\\"ciphertext\\\":\\\"%99[^\\]",
               nonce_text, sealed_text),
        2);
    CHECK(ln_base64_decode(&raw, ln_str(nonce_text)) && raw.n == sizeof nonce);
    if (raw.n == sizeof nonce) memcpy(nonce, raw.p, sizeof nonce);
    ln_buf_clear(&raw);
    CHECK(ln_base64_decode(&raw, LN_STR("/gSsUU5/4f0m+ZYLG+HLdS3Ih1VjyuUk4AEnO/nNZnE=")));
    memcpy(key, raw.p, sizeof key);
    ln_buf_clear(&raw);
    CHECK(ln_base64_decode(&raw, ln_str(sealed_text)));
    CHECK(ln_box_open(key, nonce, ln_buf_get(&raw), &plain));
    CHECK_STR(ln_buf_get(&plain), "{\"top\":\"secret\"}");
    ln_buf_free(&raw);
    ln_buf_free(&plain);
    pusher_end(&p);
    stop();
    struct hub_opts o = pusher_opts();
    pusher_start(&o, &deciding);
    pusher_open(&p);
    pusher_joined(&p, "private-encrypted-e", NULL);
    CHECK_INT(hub_emit(hub, &t, LN_STR("x"), LN_STR("1"), NULL, 0), 0); /* there is no key */
    web_turn(&p.w);
    CHECK_NONE(&p.w);
    pusher_end(&p);
    stop();
}

/* --- the log --- */

static int warnings;

static void count_warnings(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                           const struct ln_log_field *fields, size_t n) {
    (void)ud, (void)tag, (void)msg, (void)fields, (void)n;
    warnings += level >= LN_INFO;
}

/* Whoever can reach the port could fill the disk otherwise. */
TEST(strangers_do_not_fill_the_log) {
    struct web w;
    start(false, NULL);
    ln_log_setup(LN_DEBUG, LN_LOG_TEXT, false);
    ln_log_to(count_warnings, NULL);
    warnings = 0;
    for (int i = 0; i < 3; i++) {
        POST("/pusher/auth", "socket_id=1.2&channel_name=private-a", 403, "hub:on_auth");
        hub_line(&w, "/app/guess?protocol=7");
        web_free(&w);
    }
    CHECK_INT(warnings, 2);
    hub_stop();
    asked.consent = HUB_YES;
    start(false, &deciding);
    ln_log_setup(LN_DEBUG, LN_LOG_TEXT, false);
    warnings = 0;
    for (int i = 0; i < 3; i++)
        POST("/pusher/user-auth", "socket_id=1.2&id=9", 403, "nobody said");
    CHECK_INT(warnings, 1);
    ln_log_to(NULL, NULL);
    hub_stop();
}

TEST_MAIN(T(nobody_decides_about_an_app_of_the_settings), T(a_private_channel),
          T(an_encrypted_channel_gets_its_key), T(a_presence_channel_of_somebody), T(signing_in),
          T(the_own_app_signs_for_who_one_says_one_is), T(a_guest_is_the_same_in_all_channels),
          T(what_is_asked_wrongly), T(pages_of_other_origins), T(an_answer_that_comes_later),
          T(events_are_sealed_for_the_subscribers), T(strangers_do_not_fill_the_log))
