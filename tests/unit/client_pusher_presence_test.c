/* SPDX-License-Identifier: MIT
 *
 * Presence channels with every shape of id and hash that servers send, encrypted channels with keys
 * that change, and a server with Reverb's manners.
 */
#include "base/crypt_box.h"
#include "pusher_peer.h"
#include "vectors.h"

/* A JSON text as a JSON string, in a buffer that the next call reuses. */
static const char *quoted(const char *json) {
    static struct ln_buf out;
    if (!json) {
        ln_buf_free(&out);
        return NULL;
    }
    ln_buf_clear(&out);
    ln_json_quote(&out, ln_str(json));
    return ln_buf_cstr(&out);
}

static void end_quoted(void) {
    quoted(NULL);
    end_pusher();
}

static struct conn *al(void) {
    begin_pusher();
    struct conn_opts o = options("pusher://" KEY ":" SECRET "@ws.example");
    o.auth = ln_strdup("{\"id\":\"u1\",\"name\":\"Al\"}");
    return pusher_with(o);
}

static void members_are(const char *hash) {
    static char text[2000];
    struct ln_buf json = {0}, out = {0};
    ln_buf_fmt(&json, "{\"presence\":{\"ids\":[],\"hash\":%s,\"count\":99}}", hash);
    ln_json_quote(&out, ln_buf_get(&json));
    snprintf(text, sizeof text, "%s", ln_buf_cstr(&out));
    s.presence = text;
    ln_buf_free(&json);
    ln_buf_free(&out);
}

/* What who joins now is told. */
static void check_members(struct conn *c, const char *want) {
    ln_buf_clear(&w.trail);
    conn_room_wait(c, LN_STR("presence-a"), 0, on_joined, (void *)(uintptr_t) "now");
    turn();
    TRAIL(want);
}

#define NOW(count, members)                                                                        \
    "now={\"channel\":\"presence-a\",\"count\":" count ",\"members\":" members "} "

/* --- members --- */

TEST(a_join_tells_who_is_there) {
    struct conn *c = al();
    members_are("{\"u1\":{\"name\":\"Al\"},\"u2\":{\"name\":\"Bo\"}}");
    join(c, "presence-a");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail),
              "session({\"user\":{\"id\":\"u1\",\"name\":\"Al\",\"info\":{\"name\":\"Al\"}}}) "
              "pusher:subscription_succeeded({\"presence\":");
    CHECK_HAS(ln_buf_cstr(&w.trail),
              " presence-a={\"channel\":\"presence-a\",\"count\":2,\"members\":["
              "{\"id\":\"u1\",\"info\":{\"name\":\"Al\"}},"
              "{\"id\":\"u2\",\"info\":{\"name\":\"Bo\"}}]} ");
    joined(c, "presence-b"); /* one `session` for a line */
    CHECK(!strstr(ln_buf_cstr(&w.trail), "session"));
    end_quoted();
}

TEST(two_who_claim_one_id) {
    struct conn *c = al();
    members_are("{\"u1\":{\"name\":\"Somebody else\"}}");
    joined(c, "presence-a");
    LOGS(
        "warn [conn:chat] presence of 'presence-a': two sockets claim user u1 with different info: "
        "is the id unique?\n");
    members_are("{\"u1\":{\"name\":\"Al\",\"more\":1}}");
    joined(c, "presence-b");
    members_are("{\"u1\":null}");
    joined(c, "presence-c");
    LOGS("");
    end_quoted();
}

TEST(hashes_of_every_shape) {
    static const struct {
        const char *hash, *want;
    } cases[] = {
        {"{}", NOW("0", "[]")},
        {"[]", NOW("0", "[]")},
        {"null", NOW("0", "[]")},
        {"\"x\"", NOW("0", "[]")},
        {"{\"7\":{\"name\":\"T\"}}", NOW("1", "[{\"id\":\"7\",\"info\":{\"name\":\"T\"}}]")},
        {"{\"7\":null}", NOW("1", "[{\"id\":\"7\",\"info\":null}]")},
        {"[{\"n\":1},null]", NOW("2", "[{\"id\":\"0\",\"info\":{\"n\":1}},"
                                      "{\"id\":\"1\",\"info\":null}]")},
        {"{\"\\u00e9\\\"\":1}", NOW("1", "[{\"id\":\"\xc3\xa9\\\"\",\"info\":1}]")},
        {"{\"a\":1,\"a\":2}", NOW("1", "[{\"id\":\"a\",\"info\":2}]")},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct conn *c = al();
        members_are(cases[i].hash);
        joined(c, "presence-a");
        check_members(c, cases[i].want);
        end_quoted();
    }
}

TEST(a_succeeded_without_presence) {
    static const char *const answers[] = {"\"{}\"", "null", "\"x\"", "{\"presence\":5}"};
    for (size_t i = 0; i < LN_COUNT(answers); i++) {
        struct conn *c = al();
        s.presence = answers[i];
        joined(c, "presence-a");
        check_members(c, NOW("0", "[]"));
        end_quoted();
    }
}

TEST(members_come_and_go) {
    struct conn *c = al();
    joined(c, "presence-a");
    struct server_line *l = last();
    say_event(l, "pusher_internal:member_added", "presence-a",
              quoted("{\"user_id\":2,\"user_info\":{\"name\":\"Bo\"}}"));
    say_event(l, "pusher_internal:member_added", "presence-a", "{\"user_id\":\"u3\"}");
    turn();
    TRAIL("pusher:member_added({\"user_id\":2,\"user_info\":{\"name\":\"Bo\"}},"
          "{\"channel\":\"presence-a\"}) "
          "pusher:member_added({\"user_id\":\"u3\"},{\"channel\":\"presence-a\"}) ");
    check_members(c, NOW("2", "[{\"id\":\"2\",\"info\":{\"name\":\"Bo\"}},"
                              "{\"id\":\"u3\",\"info\":null}]"));
    /* One that is known: the info is new, the number is not. */
    say_event(l, "pusher_internal:member_added", "presence-a",
              quoted("{\"user_id\":\"2\",\"user_info\":{\"name\":\"Bob\"}}"));
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "pusher:member_added(");
    check_members(c, NOW("2", "[{\"id\":\"2\",\"info\":{\"name\":\"Bob\"}},"
                              "{\"id\":\"u3\",\"info\":null}]"));
    say_event(l, "pusher_internal:member_removed", "presence-a", quoted("{\"user_id\":2}"));
    turn();
    TRAIL("pusher:member_removed({\"user_id\":2},{\"channel\":\"presence-a\"}) ");
    /* Nobody that is known (Reverb caches such an event and plays it to newcomers). */
    say_event(l, "pusher_internal:member_removed", "presence-a", quoted("{\"user_id\":2}"));
    say_event(l, "pusher_internal:member_removed", "presence-a", quoted("{\"user_id\":{}}"));
    say_event(l, "pusher_internal:member_removed", "presence-a", NULL);
    say_event(l, "pusher_internal:member_added", "presence-a", quoted("{\"user_id\":null}"));
    say_event(l, "pusher_internal:member_added", "presence-a", quoted("garbage"));
    say_event(l, "pusher_internal:member_added", "presence-b", quoted("{\"user_id\":9}"));
    say_event(l, "pusher_internal:member_added", NULL, quoted("{\"user_id\":9}"));
    turn();
    TRAIL("");
    check_members(c, NOW("1", "[{\"id\":\"u3\",\"info\":null}]"));
    end_quoted();
}

/* However much a server says of members, what is kept of it has an end. */
TEST(members_have_a_limit) {
    enum { INFO = 60000, LIMIT = 4 << 20 };
    struct ln_buf data = {0};
    struct ln_str info;
    char id[20];
    begin_pusher();
    struct conn *c = pusher_with(with_secret());
    joined(c, "presence-a");
    for (int round = 0; round < 2; round++) /* said twice, a member counts once */
        for (int i = 0; i < 100; i++) {
            ln_buf_clear(&data);
            ln_buf_fmt(&data, "{\"user_id\":%d,\"user_info\":\"%0*d\"}", i, INFO, i);
            say_event(last(), "pusher_internal:member_added", "presence-a", ln_buf_cstr(&data));
            turn();
            ln_buf_clear(&w.trail);
        }
    int kept = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "%d", i);
        kept += conn_room_member(c, LN_STR("presence-a"), ln_str(id), &info);
    }
    CHECK_INT(kept, LIMIT / (INFO + 4));
    say_event(last(), "pusher_internal:member_removed", "presence-a", "{\"user_id\":0}");
    say_event(last(), "pusher_internal:member_added", "presence-a",
              "{\"user_id\":\"u\",\"user_info\":{}}");
    turn();
    CHECK(!conn_room_member(c, LN_STR("presence-a"), LN_STR("0"), &info));
    CHECK(conn_room_member(c, LN_STR("presence-a"), LN_STR("u"), &info));
    ln_buf_free(&data);
    end_pusher();
}

TEST(members_are_forgotten_with_the_line) {
    struct conn *c = al();
    members_are("{\"u1\":{},\"u2\":{}}");
    joined(c, "presence-a");
    members_are("{\"u3\":{}}");
    hang_up(last());
    advance(1000);
    check_members(c, NOW("1", "[{\"id\":\"u3\",\"info\":{}}]"));
    end_quoted();
}

TEST(events_of_clients_carry_their_user) {
    struct conn *c = al();
    joined(c, "presence-a");
    say(last(),
        "{\"event\":\"client-x\",\"channel\":\"presence-a\",\"data\":{},\"user_id\":\"u2\"}");
    turn();
    TRAIL("client-x({},{\"channel\":\"presence-a\",\"user_id\":\"u2\"}) ");
    end_quoted();
}

/* --- encrypted channels --- */

static unsigned char keys[2][LN_BOX_KEY];
static char secrets[2][60];

static void make_keys(void) {
    struct ln_buf text = {0};
    CHECK(vector_text(vectors("pusher_secretbox"), "shared_secret_b64", &text));
    snprintf(secrets[0], sizeof secrets[0], "%s", ln_buf_cstr(&text));
    ln_buf_clear(&text);
    CHECK(ln_base64_decode(&text, ln_str(secrets[0])));
    memcpy(keys[0], text.p, LN_BOX_KEY);
    memset(keys[1], 9, LN_BOX_KEY);
    ln_buf_clear(&text);
    ln_base64_encode(&text, keys[1], LN_BOX_KEY);
    snprintf(secrets[1], sizeof secrets[1], "%s", ln_buf_cstr(&text));
    ln_buf_free(&text);
}

static const char *signs_with(int which) {
    static char reply[200];
    snprintf(reply, sizeof reply, "{\"auth\":\"k:s\",\"shared_secret\":\"%s\"}", secrets[which]);
    return reply;
}

static struct conn *encrypted(void) {
    begin_pusher();
    make_keys();
    s.reply = signs_with(0);
    struct conn *c = pusher_with(options("pusher://k@ws.example"));
    joined(c, "private-encrypted-e");
    ln_buf_clear(&w.logs);
    return c;
}

static void say_sealed(int key, const char *event, const char *plain) {
    struct ln_buf sealed = {0}, data = {0};
    unsigned char nonce[LN_BOX_NONCE] = {1};
    ln_box_seal(keys[key], nonce, ln_str(plain), &sealed);
    ln_buf_puts(&data, "{\"nonce\":\"");
    ln_base64_encode(&data, nonce, sizeof nonce);
    ln_buf_puts(&data, "\",\"ciphertext\":\"");
    ln_base64_encode(&data, sealed.p, sealed.n);
    ln_buf_puts(&data, "\"}");
    say_event(line_now(), event, "private-encrypted-e", quoted(ln_buf_cstr(&data)));
    ln_buf_free(&sealed);
    ln_buf_free(&data);
}

TEST(events_are_opened) {
    encrypted();
    struct ln_str set = vectors("pusher_secretbox"), item;
    struct ln_buf nonce = {0}, text = {0}, data = {0};
    CHECK(vector_text(set, "nonce_b64", &nonce));
    for (size_t pos = 0; ln_json_each(ln_json_get(set, "cases"), &pos, NULL, &item);) {
        CHECK(vector_text(item, "ciphertext_b64", &text));
        ln_buf_clear(&data);
        ln_buf_fmt(&data, "{\"nonce\":\"%s\",\"ciphertext\":\"%s\"}", ln_buf_cstr(&nonce),
                   ln_buf_cstr(&text));
        say_event(line_now(), "v", "private-encrypted-e", quoted(ln_buf_cstr(&data)));
    }
    turn();
#define IN ",{\"channel\":\"private-encrypted-e\"}) "
    TRAIL("v({\"top\":\"secret\"}" IN "v(\"just a string\"" IN "v(\"plain\"" IN "v(\"\"" IN);
    LOGS("");
    CHECK_STR(ln_buf_get(&s.posts), "");
    ln_buf_free(&nonce);
    ln_buf_free(&text);
    ln_buf_free(&data);
    end_quoted();
}

TEST(the_channel_s_own_events_are_not_encrypted) {
    encrypted();
    say_event(last(), "pusher:cache_miss", "private-encrypted-e", NULL);
    say_event(line_now(), "pusher:cache_miss", "private-encrypted-e", NULL);
    say_event(line_now(), "pusher_internal:subscription_count", "private-encrypted-e",
              "{\"subscription_count\":2}");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "pusher:subscription_count({\"subscription_count\":2}");
    end_quoted();
}

TEST(what_is_no_box_is_dropped) {
    static const char *const data[] = {
        "null",
        "\"plain text\"",
        "{\"nonce\":5,\"ciphertext\":\"AAAA\"}",
        "{\"nonce\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYX\"}",
        "{\"ciphertext\":\"6xmd9woDBsZSTxx6zV58mC6G5SJpdLYWp/XYxsD41Cc=\"}",
        "{\"nonce\":\"AAAA\",\"ciphertext\":\"6xmd9woDBsZSTxx6zV58mC6G5SJpdLYWp/XYxsD41Cc=\"}",
        "{\"nonce\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYX\",\"ciphertext\":\"AAAA\"}",
        "{\"nonce\":\"!\",\"ciphertext\":\"!\"}",
    };
    struct conn *c = encrypted();
    for (size_t i = 0; i < LN_COUNT(data); i++) {
        say_event(line_now(), "v", "private-encrypted-e", data[i]);
        turn();
        TRAIL("");
        LOGS("warn [conn:chat] event 'v' of 'private-encrypted-e' is dropped: no nonce of 24 "
             "bytes, or no ciphertext, in base64\n");
        CHECK_INT(conn_stats(c)->dropped, (int)i + 1);
    }
    CHECK_STR(ln_buf_get(&s.posts), ""); /* no key would open these */
    end_quoted();
}

TEST(a_key_that_changed_is_fetched_once) {
    struct conn *c = encrypted();
    s.reply = signs_with(1);
    say_sealed(1, "v", "1");
    say_sealed(1, "v", "2"); /* waits behind it */
    say_sealed(0, "v", "3"); /* does not open any more */
    turn();
    TRAIL("v(1" IN "v(2" IN);
    CHECK_STR(ln_buf_get(&s.posts),
              "/broadcasting/auth socket_id=1.1&channel_name=private-encrypted-e|");
    LOGS("warn [conn:chat] event 'v' of 'private-encrypted-e' is dropped: it does not open with "
         "the channel's key\n");
    GOT(line_now(), "");
    say_sealed(1, "v", "4");
    turn();
    TRAIL("v(4" IN);
    ln_buf_clear(&s.posts);
    say_sealed(0, "v", "5"); /* and the next one tries again */
    turn();
    CHECK_STR(ln_buf_get(&s.posts),
              "/broadcasting/auth socket_id=1.1&channel_name=private-encrypted-e|");
    CHECK_INT(conn_stats(c)->dropped, 2);
    end_quoted();
}

TEST(a_key_that_cannot_be_fetched) {
    static const struct {
        const char *status, *reply, *says;
    } cases[] = {
        {"500 Oops", "", "is dropped: auth endpoint: HTTP 500"},
        {"200 OK", "{\"auth\":\"k:s\"}", "is dropped: the answer has no shared_secret"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct conn *c = encrypted();
        s.status = cases[i].status;
        s.reply = cases[i].reply;
        say_sealed(1, "v", "1");
        turn();
        TRAIL("");
        LOG_HAS(cases[i].says);
        say_sealed(0, "v", "2"); /* the key that we have still opens */
        turn();
        TRAIL("v(2" IN);
        CHECK(conn_room_joined(c, LN_STR("private-encrypted-e")));
        end_quoted();
    }
}

TEST(leaving_while_the_key_is_fetched) {
    for (int how = 0; how < 3; how++) {
        struct conn *c = encrypted();
        s.no_reply = true;
        say_sealed(1, "v", "1");
        turn();
        if (how == 0) leave(c, "private-encrypted-e");
        if (how == 1) conn_close(c);
        if (how == 2) {
            hang_up(line_now());
            turn();
        }
        struct ln_buf out = {0};
        s.reply = signs_with(1);
        ln_buf_fmt(&out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(s.reply),
                   s.reply);
        server_bytes(w.line[1], &out);
        turn();
        CHECK(!strstr(ln_buf_cstr(&w.trail), "v("));
        end_quoted();
    }
}

static void leaves(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "v")) leave(c, "private-encrypted-e");
}

TEST(leaving_inside_of_a_held_event) {
    encrypted();
    s.reply = signs_with(1);
    w.act = leaves;
    say_sealed(1, "v", "1");
    say_sealed(1, "v", "2");
    turn();
    TRAIL("v(1" IN);
    end_quoted();
}

TEST(what_waits_for_a_key_has_a_limit) {
    struct conn *c = encrypted();
    s.no_reply = true;
    for (int i = 0; i < 102; i++)
        say_sealed(1, "v", "1");
    turn();
    CHECK_INT(conn_stats(c)->dropped, 2);
    LOG_HAS("too many wait for the channel's new key");
    end_quoted();
}

TEST(encrypted_channels_need_an_endpoint) {
    struct conn *c = al();
    CHECK(join(c, "private-encrypted-e") != 0);
    TRAIL("");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "private-encrypted-e=protocol:'private-encrypted-e' cannot be "
                                     "signed: the answer has no shared_secret");
    end_quoted();
}

/* --- Reverb --- */

TEST(reverb_s_own_words) {
    begin_pusher();
    struct conn *c = pusher_with(options("pusher://k:s@ws.example"));
    s.silent = true;
    join(c, "test-channel");
    join(c, "cache-test-channel");
    join(c, "presence-test-channel");
    turn();
    struct server_line *l = last();
    static const char *const frames[] = {
        "{\"event\":\"pusher_internal:subscription_succeeded\",\"data\":\"{}\",\"channel\":"
        "\"test-channel\"}",
        "{\"event\":\"pusher_internal:subscription_succeeded\",\"data\":\"{}\",\"channel\":"
        "\"cache-test-channel\"}",
        "{\"event\":\"pusher:cache_miss\",\"channel\":\"cache-test-channel\"}",
        "{\"event\":\"pusher_internal:subscription_succeeded\",\"data\":\"{\\\"presence\\\":{"
        "\\\"count\\\":1,\\\"ids\\\":[1],\\\"hash\\\":{\\\"1\\\":{\\\"name\\\":\\\"Test User "
        "1\\\"}}}}\",\"channel\":\"presence-test-channel\"}",
        "{\"event\":\"pusher_internal:member_added\",\"data\":\"{\\\"user_id\\\":2,\\\"user_info"
        "\\\":{\\\"name\\\":\\\"Test User 2\\\"}}\",\"channel\":\"presence-test-channel\"}",
        "{\"event\":\"pusher_internal:member_removed\",\"data\":\"{\\\"user_id\\\":3}\","
        "\"channel\":\"presence-test-channel\"}",
        "{\"event\":\"App\\\\Events\\\\TestEvent\",\"data\":\"{\\\"foo\\\":\\\"bar\\\"}\","
        "\"channel\":\"test-channel\"}",
        "{\"event\":\"client-start-typing\",\"channel\":\"test-channel\",\"data\":{\"id\":123,"
        "\"name\":\"Joe Dixon\"}}",
        "{\"event\":\"pusher:pong\"}",
        "{\"event\":\"pusher:ping\"}",
        "{\"event\":\"pusher:error\",\"data\":\"{\\\"code\\\":4301,\\\"message\\\":\\\"Rate limit "
        "exceeded\\\"}\"}",
        "{\"event\":\"pusher:error\",\"data\":\"{\\\"code\\\":4201,\\\"message\\\":\\\"Pong reply "
        "not received in time\\\"}\"}",
    };
    for (size_t i = 0; i < 3; i++)
        say(l, frames[i]);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "test-channel={\"channel\":\"test-channel\"} ");
    CHECK_HAS(ln_buf_cstr(&w.trail),
              "pusher:cache_miss(null,{\"channel\":\"cache-test-channel\"}) ");
    ln_buf_clear(&w.trail);
    ln_buf_clear(&l->got);
    say(l, frames[3]);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail),
              "presence-test-channel={\"channel\":\"presence-test-channel\",\"count\":1,"
              "\"members\":[{\"id\":\"1\",\"info\":{\"name\":\"Test User 1\"}}]} ");
    ln_buf_clear(&w.trail);
    for (size_t i = 4; i < LN_COUNT(frames); i++)
        say(l, frames[i]);
    turn();
    TRAIL("pusher:member_added({\"user_id\":2,\"user_info\":{\"name\":\"Test User 2\"}},"
          "{\"channel\":\"presence-test-channel\"}) "
          "App\\Events\\TestEvent({\"foo\":\"bar\"},{\"channel\":\"test-channel\"}) "
          "client-start-typing({\"id\":123,\"name\":\"Joe Dixon\"},"
          "{\"channel\":\"test-channel\"}) "
          "error({\"code\":\"refused\",\"message\":\"Rate limit exceeded\",\"data\":"
          "{\"code\":4301,\"message\":\"Rate limit exceeded\"}}) "
          "error({\"code\":\"refused\",\"message\":\"Pong reply not received in time\",\"data\":"
          "{\"code\":4201,\"message\":\"Pong reply not received in time\"}}) ");
    GOT(l, "{\"event\":\"pusher:pong\",\"data\":{}}|");
    hang_up(l); /* no close codes there: back-off, and back */
    s.silent = false;
    advance(1000);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end_quoted();
}

/* Unknown app: an error, and the line is closed without a code; over the limit, not even that. */
TEST(reverb_s_refusals) {
    static const char *const firsts[] = {
        "{\"event\":\"pusher:error\",\"data\":\"{\\\"code\\\":4001,\\\"message\\\":\\\"Application "
        "does not exist\\\"}\"}",
        "{\"event\":\"pusher:error\",\"data\":\"{\\\"code\\\":4004,\\\"message\\\":\\\"Application "
        "is over connection quota\\\"}\"}",
        "{\"event\":\"pusher:error\",\"data\":\"{\\\"code\\\":4009,\\\"message\\\":\\\"Origin not "
        "allowed\\\"}\"}"};
    for (size_t i = 0; i < LN_COUNT(firsts); i++) {
        begin_pusher();
        s.first = firsts[i];
        struct conn *c = open_with("chat", options("pusher://k@ws.example"));
        turn();
        CHECK_INT(conn_state(c), CONN_FAILED);
        LOG_HAS("refused by the server: ");
        end_quoted();
    }
}

TEST_MAIN(T(a_join_tells_who_is_there), T(two_who_claim_one_id), T(hashes_of_every_shape),
          T(a_succeeded_without_presence), T(members_come_and_go), T(members_have_a_limit),
          T(members_are_forgotten_with_the_line), T(events_of_clients_carry_their_user),
          T(events_are_opened), T(the_channel_s_own_events_are_not_encrypted),
          T(what_is_no_box_is_dropped), T(a_key_that_changed_is_fetched_once),
          T(a_key_that_cannot_be_fetched), T(leaving_while_the_key_is_fetched),
          T(leaving_inside_of_a_held_event), T(what_waits_for_a_key_has_a_limit),
          T(encrypted_channels_need_an_endpoint), T(reverb_s_own_words), T(reverb_s_refusals))
