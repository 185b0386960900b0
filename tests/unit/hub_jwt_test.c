/* SPDX-License-Identifier: MIT
 *
 * A hub that wants tokens: who comes in by which way, who does not and what he is told, who he is
 * then, how long he may stay, and what a script may know of it.
 */
#include "jwt_make.h"
#include "pollclient.h"
#include "pusherclient.h"

#define SECRET "a secret of at least thirty-two bytes"
#define NOW 1700000000 /* s, when a test begins */
#define HOUR 3600

static char token[1024];

/* The last token made, with these claims. */
static const char *sign(const char *claims) {
    struct ln_buf text = {0};
    jwt_hs256(&text, claims, SECRET);
    snprintf(token, sizeof token, "%s", ln_buf_cstr(&text));
    ln_buf_free(&text);
    return token;
}

/* `format` with the token of these claims in it. */
static const char *with(const char *before, const char *claims, const char *behind) {
    static char text[1400];
    snprintf(text, sizeof text, "%s%s%s", before, sign(claims), behind);
    return text;
}

static struct hub_jwt_opts wants;

static void start_with(const struct hub_hooks *hooks, struct hub_opts o) {
    wants = (struct hub_jwt_opts){.alg = "HS256", .key = LN_STR(SECRET), .leeway_ms = -1};
    o.jwt = &wants;
    hub_start(&o, hooks);
}
static void start(void) {
    start_with(&no_admit, test_opts());
}

/* A line, its open packet taken, that has asked for "/". */
static void come(struct web *w, const char *packet) {
    hub_line(w, SIO);
    CHECK_FRAME(w, "0{\"sid\":");
    say(w, packet);
}

static void end_line(struct web *w) {
    web_free(w);
    loop_settle(loop, 0);
}

/* Its heart beats meanwhile. */
static void stay(struct web *w, int64_t ms) {
    for (; ms > 0; ms -= 20000) {
        if (!w->is_eof) web_text(w, "3");
        loop_advance(loop, (uint64_t)LN_MIN(ms, 20000));
        web_turn(w);
    }
}

/* --- coming in --- */

TEST(a_good_token_lets_in_and_says_who_it_is) {
    struct web w;
    start();
    come(&w, with("40{\"token\":\"",
                  "{\"sub\":\"u7\",\"name\":\"Kari\",\"exp\":1700003600,\"role\":\"admin\"}",
                  "\",\"id\":\"u1\",\"name\":\"Mallory\"}"));
    CHECK_FRAME(&w, "40{\"sid\":");
    CHECK_FRAME(&w, "\"user\":{\"id\":\"u7\",\"name\":\"Kari\"}");
    struct hub_client_info info = {0};
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(ln_json_get(info.claims, "role"), "\"admin\"");
    say(&w, "421[\"name\",{\"name\":\"Mallory\"}]");
    CHECK_FRAME(&w, "{\"code\":\"denied\",\"message\":\"your token says your name\"}");
    end_line(&w);
    hub_stop();
}

TEST(an_id_is_not_taken_from_who_has_a_token_without) {
    struct web w;
    start();
    come(&w, with("40{\"token\":\"", "{}", "\",\"id\":\"admin\",\"name\":\"Kari\"}"));
    web_skip(&w);
    struct hub_client_info info = {0};
    CHECK(hub_client(hub, seen.client, &info));
    CHECK(ln_str_starts(info.user_id, "g-"));
    CHECK_STR(info.user_name, "Kari"); /* a name may be chosen */
    CHECK_STR(info.claims, "{}");
    end_line(&w);
    come(&w, with("40{\"token\":\"", "{\"sub\":42}", "\"}"));
    web_skip(&w);
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(info.user_id, "42");
    end_line(&w);
    hub_stop();
}

TEST(the_ways_in) {
    struct web w;
    char target[1400], header[1400];
    start();
    sign("{\"sub\":\"u7\"}");
    snprintf(target, sizeof target, "/ws?name=Kari&token=%s", token);
    hub_line(&w, target);
    CHECK_FRAME(&w, "{\"event\":\"session\"");
    end_line(&w);
    static const char *const schemes[] = {"Bearer ", "bearer ", "BEARER  "};
    for (size_t i = 0; i < LN_COUNT(schemes); i++) {
        snprintf(header, sizeof header, "Authorization: %s%s\r\n", schemes[i], token);
        web_init(&w, loop, hub_pair(hub));
        web_upgrade(&w, "/ws", header);
        CHECK_FRAME(&w, "{\"event\":\"session\"");
        end_line(&w);
        web_init(&w, loop, hub_pair(hub));
        web_upgrade(&w, SIO, header);
        CHECK_FRAME(&w, "0{\"sid\":");
        say(&w, "40");
        CHECK_FRAME(&w, "40{\"sid\":");
        end_line(&w);
    }
    snprintf(header, sizeof header, "Authorization: Basic %s\r\n", token);
    web_init(&w, loop, hub_pair(hub));
    web_upgrade(&w, "/ws", header);
    CHECK_FRAME(&w, "invalid token");
    end_line(&w);
    hub_stop();
}

TEST(a_field_of_its_own) {
    struct web w;
    struct hub_opts o = test_opts();
    wants = (struct hub_jwt_opts){
        .alg = "HS256", .key = LN_STR(SECRET), .field = "jwt", .leeway_ms = 0};
    o.jwt = &wants;
    hub_start(&o, &no_admit);
    come(&w, with("40{\"token\":\"", "{}", "\"}"));
    CHECK_FRAME(&w, "\"reason\":\"missing\"");
    say(&w, with("40{\"jwt\":\"", "{}", "\"}"));
    CHECK_FRAME(&w, "40{\"sid\":");
    end_line(&w);
    hub_stop();
}

TEST(other_namespaces_want_it_too) {
    static const char *const namespaces[] = {"/chat", NULL};
    struct web w;
    struct hub_opts o = test_opts();
    o.namespaces = namespaces;
    start_with(&no_admit, o);
    come(&w, "40/chat,{}");
    CHECK_NEXT(&w, "44/chat,{\"message\":\"invalid token\",\"data\":{\"code\":\"unauthorized\","
                   "\"reason\":\"missing\"}}");
    say(&w, with("40/chat,{\"token\":\"", "{\"sub\":\"u7\"}", "\"}"));
    CHECK_FRAME(&w, "40/chat,{\"sid\":");
    end_line(&w);
    hub_stop();
}

TEST(over_polling_too) {
    struct poller p;
    start();
    poll_open(&p);
    CHECK_INT(poll_post(&p, with("40{\"token\":\"", "{\"sub\":\"u7\",\"exp\":1700000060}", "\"}")),
              200);
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 200);
    CHECK_HAS(ln_buf_cstr(&p.body), "40{\"sid\":");
    struct hub_client_info info = {0};
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(info.user_id, "u7");
    poll_free(&p);
    hub_stop();
}

/* --- refused --- */

TEST(who_is_refused_and_why) {
    static const struct {
        const char *claims, *message, *reason;
    } table[] = {
        {"{\"exp\":1699999969}", "token expired", "expired"},
        {"{\"exp\":0}", "token expired", "expired"},
        {"{\"nbf\":1700000031}", "invalid token", "not_yet"},
        {"{\"exp\":\"never\"}", "invalid token", "malformed"},
    };
    struct web w;
    char want[200];
    start();
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        snprintf(want, sizeof want,
                 "44{\"message\":\"%s\",\"data\":{\"code\":\"unauthorized\",\"reason\":\"%s\"}}",
                 table[i].message, table[i].reason);
        come(&w, with("40{\"token\":\"", table[i].claims, "\"}"));
        CHECK_NEXT(&w, want);
        CHECK_NONE(&w);
        CHECK(!w.is_eof); /* it may try again */
        end_line(&w);
    }
    CHECK_SEEN("");
    CHECK_INT(hub_client_count(hub), 0);
    hub_stop();
}

TEST(what_is_no_token_here) {
    static const struct {
        const char *packet, *reason;
    } table[] = {
        {"40", "missing"},
        {"40{\"token\":\"\"}", "missing"},
        {"40{\"token\":null}", "missing"},
        {"40{\"token\":7}", "missing"},
        {"40{\"token\":{\"a\":1}}", "missing"},
        {"40{\"token\":\"hello\"}", "malformed"},
        {"40{\"token\":\"a.b.c\"}", "malformed"},
        /* {"alg":"none"}, {"sub":"admin"} */
        {"40{\"token\":\"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.\"}", "algorithm"},
        /* {"alg":"HS256"} */
        {"40{\"token\":\"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.\"}", "signature"},
        {"40{\"token\":\"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.AAAA\"}", "signature"},
        {"40{\"token\":\"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.AAAA\"}", "algorithm"},
    };
    struct web w;
    char want[100];
    start();
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        snprintf(want, sizeof want, "\"reason\":\"%s\"}}", table[i].reason);
        come(&w, table[i].packet);
        check_frame(__LINE__, &w, want);
        end_line(&w);
    }
    hub_stop();
}

TEST(plain_json_is_refused_with_a_code) {
    struct web w;
    char target[1400];
    start();
    snprintf(target, sizeof target, "/ws?token=%s", sign("{\"exp\":1699990000}"));
    hub_line(&w, target);
    web_turn(&w);
    CHECK_NEXT(&w, "{\"event\":\"error\",\"data\":{\"code\":\"unauthorized\",\"message\":\"token "
                   "expired\",\"data\":{\"code\":\"unauthorized\",\"reason\":\"expired\"}}}");
    CHECK_INT(w.code, 1008);
    end_line(&w);
    hub_stop();
}

TEST(audience_and_issuer) {
    static const char *const aud[] = {"chat", NULL};
    struct web w;
    struct hub_opts o = test_opts();
    wants = (struct hub_jwt_opts){.alg = "HS256", .key = LN_STR(SECRET), .aud = aud, .iss = "us"};
    o.jwt = &wants;
    hub_start(&o, &no_admit);
    come(&w, with("40{\"token\":\"", "{\"aud\":\"shop\",\"iss\":\"us\"}", "\"}"));
    CHECK_FRAME(&w, "\"reason\":\"audience\"");
    say(&w, with("40{\"token\":\"", "{\"aud\":\"chat\",\"iss\":\"them\"}", "\"}"));
    CHECK_FRAME(&w, "\"reason\":\"issuer\"");
    say(&w, with("40{\"token\":\"", "{\"aud\":[\"shop\",\"chat\"],\"iss\":\"us\"}", "\"}"));
    CHECK_FRAME(&w, "40{\"sid\":");
    end_line(&w);
    hub_stop();
}

TEST(public_keys) {
    EVP_PKEY *keys[] = {EVP_RSA_gen(2048), EVP_EC_gen("P-256")};
    static const char *const algs[] = {"RS256", "ES256"};
    for (size_t i = 0; i < LN_COUNT(keys); i++) {
        struct web w;
        struct hub_opts o = test_opts();
        struct ln_buf pem = {0}, jwt = {0}, packet = {0};
        char head[40];
        jwt_pem(&pem, keys[i]);
        wants = (struct hub_jwt_opts){.alg = algs[i], .key = ln_buf_get(&pem), .leeway_ms = -1};
        o.jwt = &wants;
        hub_start(&o, &no_admit);
        snprintf(head, sizeof head, "{\"alg\":\"%s\"}", algs[i]);
        jwt_signed(&jwt, head, "{\"sub\":\"u7\"}", keys[i]);
        ln_buf_fmt(&packet, "40{\"token\":\"%s\"}", ln_buf_cstr(&jwt));
        come(&w, ln_buf_cstr(&packet));
        CHECK_FRAME(&w, "40{\"sid\":");
        CHECK_FRAME(&w, "\"id\":\"u7\"");
        end_line(&w);
        /* The public key as a secret: the attack that the algorithm's place prevents. */
        ln_buf_clear(&jwt);
        ln_buf_clear(&packet);
        jwt_hs256(&jwt, "{\"sub\":\"admin\"}", ln_buf_cstr(&pem));
        ln_buf_fmt(&packet, "40{\"token\":\"%s\"}", ln_buf_cstr(&jwt));
        come(&w, ln_buf_cstr(&packet));
        CHECK_FRAME(&w, "\"reason\":\"algorithm\"");
        end_line(&w);
        hub_stop();
        ln_buf_free(&pem);
        ln_buf_free(&jwt);
        ln_buf_free(&packet);
        EVP_PKEY_free(keys[i]);
    }
}

TEST(settings_that_cannot_be) {
    static const struct {
        struct hub_jwt_opts jwt;
        const char *words;
    } table[] = {
        {{.alg = NULL}, "hub.jwt.alg must be \"HS256\", \"RS256\" or \"ES256\""},
        {{.alg = "none"}, "hub.jwt.alg must be"},
        {{.alg = "HS256"}, "hub.jwt: the secret of HS256 is empty"},
        {{.alg = "RS256", .key = {"secret", 6}}, "holds no public key in PEM form"},
        {{.alg = "HS256", .key = {"-----BEGIN PUBLIC KEY-----", 26}}, "are for RS256 and ES256"},
    };
    struct loop *l = loop_new();
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        struct hub_opts o = test_opts();
        struct ln_err err = {0};
        o.jwt = &table[i].jwt;
        CHECK(hub_open(l, &o, &no_admit, NULL, &err) == NULL);
        CHECK_HAS(err.text, table[i].words);
        CHECK(!strstr(err.text, "BEGIN PUBLIC"));
    }
    loop_free(l);
}

/* --- scripts decide, too --- */

TEST(a_script_is_asked_after_that_and_may_know_the_claims) {
    struct web w;
    start_with(&all_hooks, test_opts());
    seen.ask = true;
    come(&w, "40{\"token\":\"x\"}");
    CHECK_FRAME(&w, "invalid token");
    CHECK_SEEN(""); /* nobody was asked */
    say(&w, with("40{\"token\":\"", "{\"sub\":\"u7\"}", "\"}"));
    CHECK_STR(hub_ticket_claims(hub, seen.ticket), "{\"sub\":\"u7\"}");
    CHECK_STR(hub_ticket_claims(hub, 12345), "");
    hub_admit(hub, seen.ticket, false, "not you", NOTHING);
    web_turn(&w);
    CHECK_NEXT(&w, "44{\"message\":\"not you\"}");
    say(&w, with("40{\"token\":\"", "{\"sub\":\"u7\",\"exp\":1700000060}", "\"}"));
    hub_admit(hub, seen.ticket, true, NULL, NOTHING);
    web_turn(&w);
    CHECK_FRAME(&w, "40{\"sid\":");
    say(&w, "40/nowhere,{}"); /* a line may end while somebody thinks */
    end_line(&w);
    come(&w, with("40{\"token\":\"", "{\"sub\":\"u7\",\"exp\":1700000060}", "\"}"));
    end_line(&w);
    hub_stop();
}

/* --- staying --- */

TEST(who_stays_beyond_the_end_is_put_out) {
    struct web w;
    start();
    come(&w, with("40{\"token\":\"", "{\"sub\":\"u7\",\"exp\":1700000020}", "\"}"));
    web_skip(&w);
    ln_buf_clear(&seen.log);
    stay(&w, 49999); /* and the leeway */
    CHECK(!w.is_eof);
    stay(&w, 1);
    CHECK_INT(w.code, 1008);
    CHECK_STR(ln_str(w.reason), "token expired");
    CHECK_SEEN("disconnect / expired\n");
    end_line(&w);
    hub_stop();
}

TEST(the_wall_clock_counts) {
    struct web w;
    start();
    come(&w, with("40{\"token\":\"", "{\"sub\":\"u7\",\"exp\":1700003600}", "\"}"));
    web_skip(&w);
    ln_clock_set_wall((NOW + 2LL * HOUR) * 1000); /* the machine slept */
    say(&w, "42[\"anything\"]");
    CHECK_INT(w.code, 1008);
    end_line(&w);
    hub_stop();
    start();
    come(&w, with("40{\"token\":\"", "{\"sub\":\"u7\",\"exp\":1700003600}", "\"}"));
    web_skip(&w);
    ln_clock_set_wall((NOW - 1LL * HOUR) * 1000); /* the clock was set back */
    stay(&w, 2LL * HOUR * 1000);
    CHECK(!w.is_eof); /* by the clock there is time left */
    stay(&w, 60000);
    CHECK_INT(w.code, 1008);
    end_line(&w);
    hub_stop();
}

TEST(a_newer_token_lets_stay) {
    struct web w;
    start();
    come(&w, with("40{\"token\":\"", "{\"sub\":\"u7\",\"exp\":1700000020}", "\"}"));
    web_skip(&w);
    ln_buf_clear(&seen.log);
    say(&w, with("421[\"authenticate\",{\"token\":\"",
                 "{\"sub\":\"u7\",\"exp\":1700000050,\"role\":\"new\"}", "\"}]"));
    CHECK_NEXT(&w, "431[{\"ok\":true}]");
    CHECK_SEEN(""); /* no event of the application */
    struct hub_client_info info = {0};
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(ln_json_get(info.claims, "role"), "\"new\"");
    stay(&w, 60000);
    CHECK(!w.is_eof);
    say(&w, with("42[\"authenticate\",{\"token\":\"", "{\"sub\":\"u7\"}", "\"}]")); /* for ever */
    web_skip(&w);
    stay(&w, 3LL * HOUR * 1000);
    CHECK(!w.is_eof);
    end_line(&w);
    hub_stop();
}

TEST(a_newer_token_that_is_none) {
    static const struct {
        const char *before, *claims, *behind, *answer;
    } table[] = {
        {"421[\"authenticate\",{\"token\":\"", "{\"sub\":\"u8\"}", "\"}]",
         "431[{\"ok\":false,\"error\":{\"code\":\"forbidden\",\"message\":\"invalid token (it is "
         "of "
         "another user)\"}}]"},
        {"421[\"authenticate\",{\"token\":\"", "{}", "\"}]", "\"code\":\"forbidden\""},
        {"421[\"authenticate\",{\"token\":\"", "{\"sub\":\"u7\",\"exp\":1}", "\"}]",
         "431[{\"ok\":false,\"error\":{\"code\":\"unauthorized\",\"message\":\"token expired "
         "(expired)\"}}]"},
        {"421[\"authenticate\",{\"token\":\"x", "{}", "\"}]", "invalid token (malformed)"},
        {"421[\"authenticate\",{\"taken\":\"", "{}", "\"}]", "invalid token (missing)"},
        {"421[\"authenticate\",\"", "{\"sub\":\"u7\"}", "\"]", "invalid token (missing)"},
        {"42[\"authenticate\",{\"token\":\"", "{\"sub\":\"u8\"}", "\"}]",
         "42[\"error\",{\"code\":"},
    };
    struct web w;
    start();
    come(&w, with("40{\"token\":\"", "{\"sub\":\"u7\",\"exp\":1700000020}", "\"}"));
    web_skip(&w);
    say(&w, "421[\"authenticate\"]");
    CHECK_FRAME(&w, "invalid token (missing)");
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        say(&w, with(table[i].before, table[i].claims, table[i].behind));
        check_frame(__LINE__, &w, table[i].answer);
    }
    stay(&w, 50000); /* the old one counts */
    CHECK_INT(w.code, 1008);
    end_line(&w);
    hub_stop();
}

TEST(no_events_tab_shows_a_token) {
    struct web look, w;
    struct hub_opts o = test_opts();
    o.trace = true;
    start_with(&no_admit, o);
    come(&look, with("40{\"token\":\"", "{\"sub\":\"look\"}", "\"}"));
    say(&look, "421[\"trace\",{\"on\":true}]");
    web_skip(&look);
    come(&w, with("40{\"token\":\"", "{\"sub\":\"u7\"}", "\"}"));
    say(&w, with("421[\"authenticate\",{\"token\":\"", "{\"sub\":\"u7\"}", "\"}]"));
    say(&w, with("42[\"mistake\",{\"token\":\"", "{\"sub\":\"u7\"}", "\"}]"));
    web_turn(&look);
    CHECK(web_has(&look, "mistake"));
    CHECK(!web_has(&look, "authenticate"));
    CHECK(!web_has(&look, "eyJ"));
    end_line(&look);
    end_line(&w);
    hub_stop();
}

/* --- who comes back --- */

/* A member of the answer to CONNECT; what was missed comes before it. */
static void member_of(const struct web *w, const char *key, char out[32]) {
    const char *p = NULL;
    for (size_t i = w->taken; i < w->count && !p; i++)
        if (strncmp(ln_buf_cstr(&w->frames[i].data), "40{", 3) == 0)
            p = strstr(ln_buf_cstr(&w->frames[i].data), key);
    snprintf(out, 32, "%.20s", p ? p + strlen(key) : "");
}

TEST(a_place_is_kept_for_the_same_user_only) {
    struct web w;
    char pid[32], packet[1400], sid[32], again[32];
    struct hub_opts o = test_opts();
    o.recovery_ms = 60000;
    start_with(&no_admit, o);
    come(&w, with("40{\"token\":\"", "{\"sub\":\"u7\"}", "\"}"));
    member_of(&w, "\"pid\":\"", pid);
    member_of(&w, "\"sid\":\"", sid);
    CHECK_INT(strlen(pid), 20);
    end_line(&w);
    snprintf(packet, sizeof packet, "40{\"pid\":\"%s\",\"token\":\"%s\"}", pid,
             sign("{\"sub\":\"u8\"}"));
    come(&w, packet);
    member_of(&w, "\"sid\":\"", again);
    CHECK(strcmp(again, sid) != 0); /* somebody new */
    end_line(&w);
    snprintf(packet, sizeof packet, "40{\"pid\":\"%s\",\"token\":\"%s\"}", pid,
             sign("{\"sub\":\"u7\",\"exp\":1}"));
    come(&w, packet);
    CHECK_FRAME(&w, "token expired");
    snprintf(packet, sizeof packet, "40{\"pid\":\"%s\",\"token\":\"%s\"}", pid,
             sign("{\"sub\":\"u7\"}"));
    say(&w, packet);
    member_of(&w, "\"sid\":\"", again);
    CHECK_STR(ln_str(again), sid);
    end_line(&w);
    hub_stop();
}

/* --- Pusher --- */

TEST(pusher_without_apps_wants_a_token) {
    struct web w;
    char target[1400];
    start();
    hub_line(&w, "/app/linnet?protocol=7");
    web_turn(&w);
    CHECK_FRAME(&w, "invalid token");
    CHECK_INT(w.code, 4009);
    end_line(&w);
    snprintf(target, sizeof target, "/app/linnet?protocol=7&token=%s", sign("{\"sub\":\"u7\"}"));
    hub_line(&w, target);
    CHECK_FRAME(&w, "pusher:connection_established");
    end_line(&w);
    hub_stop();
}

/* The answer's body; its status goes to *status. */
static const char *ask_endpoint(const char *body, const char *header, int *status) {
    static struct web w;
    static char text[1000], request[3000];
    web_init(&w, loop, hub_pair(hub));
    snprintf(request, sizeof request,
             "POST /broadcasting/auth HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
             "application/x-www-form-urlencoded\r\n%sContent-Length: %zu\r\n\r\n%s",
             header, strlen(body), body);
    web_say(&w, request);
    web_turn(&w);
    *status = web_status(&w);
    const char *end = strstr(web_answer(&w), "\r\n\r\n");
    snprintf(text, sizeof text, "%s", end ? end + 4 : "");
    end_line(&w);
    return text;
}

TEST(pushers_endpoint_signs_for_whom_the_token_says) {
    struct pusher p;
    char body[200], header[1400];
    int status;
    struct hub_opts o = pusher_opts();
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
    o.apps = &test_app;
    o.app_count = 1;
    start_with(&no_admit, o);
    pusher_open(&p); /* its key lets it in */
    snprintf(body, sizeof body, "socket_id=%s&channel_name=presence-den&user_id=admin&name=Mallory",
             p.sid);
    CHECK_STR(ln_str(ask_endpoint(body, "", &status)), "{\"error\":\"invalid token\"}");
    CHECK_INT(status, 401);
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", sign("{\"exp\":1}"));
    CHECK_STR(ln_str(ask_endpoint(body, header, &status)), "{\"error\":\"token expired\"}");
    CHECK_INT(status, 401);
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n",
             sign("{\"sub\":\"u7\",\"name\":\"Kari\"}"));
    const char *answer = ask_endpoint(body, header, &status);
    CHECK_INT(status, 200);
    CHECK_HAS(answer, "{\\\"user_id\\\":\\\"u7\\\",\\\"user_info\\\":{\\\"name\\\":\\\"Kari\\\"}}");
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", sign("{}"));
    CHECK_HAS(ask_endpoint(body, header, &status), "nobody said who this user is");
    CHECK_INT(status, 403);
    web_free(&p.w);
    hub_stop();
}

TEST_MAIN(T(a_good_token_lets_in_and_says_who_it_is),
          T(an_id_is_not_taken_from_who_has_a_token_without), T(the_ways_in), T(a_field_of_its_own),
          T(other_namespaces_want_it_too), T(over_polling_too), T(who_is_refused_and_why),
          T(what_is_no_token_here), T(plain_json_is_refused_with_a_code), T(audience_and_issuer),
          T(public_keys), T(settings_that_cannot_be),
          T(a_script_is_asked_after_that_and_may_know_the_claims),
          T(who_stays_beyond_the_end_is_put_out), T(the_wall_clock_counts),
          T(a_newer_token_lets_stay), T(a_newer_token_that_is_none), T(no_events_tab_shows_a_token),
          T(a_place_is_kept_for_the_same_user_only), T(pusher_without_apps_wants_a_token),
          T(pushers_endpoint_signs_for_whom_the_token_says))
