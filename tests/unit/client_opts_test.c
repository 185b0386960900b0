/* SPDX-License-Identifier: MIT
 *
 * Options: defaults, copies, comparison, what conn_open refuses and how it says so; counts by event
 * name; the history.
 */
#include "sio_peer.h"

TEST(defaults) {
    struct conn_opts o;
    conn_opts_init(&o);
    CHECK(o.autoconnect && o.reconnection && !o.auth_asked);
    CHECK_INT(o.reconnection_attempts, -1);
    CHECK_INT(o.backoff.min_ms, 1000);
    CHECK_INT(o.backoff.max_ms, 5000);
    CHECK_INT(o.backoff.late_max_ms, 30000);
    CHECK(o.backoff.factor == 0.5);
    CHECK_INT(o.timeout_ms, 20000);
    CHECK_INT(o.ack_timeout_ms, 10000);
    CHECK_INT(o.retries, 0);
    CHECK_INT(o.offline, OFFLINE_QUEUE);
    CHECK_INT(o.offline_ttl_ms, 300000);
    CHECK_INT(o.offline_max, 1000);
    CHECK_INT(o.history, 100);
    CHECK_INT(o.max_attachments, 10);
    conn_opts_free(&o);
}

TEST(zeros_are_defaults) {
    begin();
    struct conn_opts o = {.url = ln_strdup("ws://chat.example"), .autoconnect = true}, d;
    struct conn *c = open_with("chat", o);
    const struct conn_opts *got = conn_options(c);
    conn_opts_init(&d);
    CHECK_INT(got->timeout_ms, d.timeout_ms);
    CHECK_INT(got->ack_timeout_ms, d.ack_timeout_ms);
    CHECK_INT(got->backoff.min_ms, d.backoff.min_ms);
    CHECK_INT(got->backoff.max_ms, d.backoff.max_ms);
    CHECK_INT(got->max_message, d.max_message);
    CHECK_INT(got->max_attachments, d.max_attachments);
    CHECK_INT(got->offline_ttl_ms, d.offline_ttl_ms);
    CHECK_INT(got->offline_max, d.offline_max);
    turn();
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    o = (struct conn_opts){.url = ln_strdup("ws://chat.example"), .autoconnect = true};
    CHECK(conn_reconfigure(c, &o, NULL)); /* the same: it stays connected */
    conn_opts_free(&o);
    turn();
    CHECK_INT(w.lines, 1);
    end();
}

TEST(copies_are_equal_and_each_field_counts) {
    struct conn_opts a, b;
    conn_opts_init(&a);
    char **strings[] = {&a.url,
                        &a.protocol,
                        &a.path,
                        &a.auth,
                        &a.query,
                        &a.headers,
                        (char **)(uintptr_t)&a.tls.ca,
                        (char **)(uintptr_t)&a.tls.cert,
                        (char **)(uintptr_t)&a.tls.key,
                        (char **)(uintptr_t)&a.tls.server_name,
                        (char **)(uintptr_t)&a.tls.passphrase,
                        (char **)(uintptr_t)&a.tls.pin,
                        &a.proxy,
                        &a.refresh_event,
                        &a.codec_event,
                        &a.subprotocols,
                        &a.heartbeat_text,
                        &a.key,
                        &a.cluster,
                        &a.secret,
                        &a.auth_endpoint,
                        &a.user_auth_endpoint,
                        &a.channel_prefix};
    for (size_t i = 0; i < LN_COUNT(strings); i++)
        *strings[i] = ln_strdup("one");
    conn_opts_copy(&b, &a);
    CHECK(conn_opts_same(&a, &b));
    CHECK(a.url != b.url && a.tls.ca != b.tls.ca);
    for (size_t i = 0; i < LN_COUNT(strings); i++) {
        char *one = *strings[i];
        *strings[i] = ln_strdup("two");
        CHECK(!conn_opts_same(&a, &b));
        ln_free(*strings[i]);
        *strings[i] = NULL;
        CHECK(!conn_opts_same(&a, &b));
        *strings[i] = one;
    }
    CHECK(conn_opts_same(&a, &b));
#define DIFFERS(change, back)                                                                      \
    a.change;                                                                                      \
    CHECK(!conn_opts_same(&a, &b));                                                                \
    a.back;                                                                                        \
    CHECK(conn_opts_same(&a, &b));
    DIFFERS(auth_asked = true, auth_asked = false)
    DIFFERS(autoconnect = false, autoconnect = true)
    DIFFERS(reconnection = false, reconnection = true)
    DIFFERS(reconnection_attempts = 3, reconnection_attempts = -1)
    DIFFERS(backoff.min_ms = 1, backoff.min_ms = 1000)
    DIFFERS(backoff.max_ms = 1, backoff.max_ms = 5000)
    DIFFERS(backoff.late_max_ms = 1, backoff.late_max_ms = 30000)
    DIFFERS(backoff.factor = 0, backoff.factor = 0.5)
    DIFFERS(backoff.stable_ms = 1, backoff.stable_ms = 10000)
    DIFFERS(timeout_ms = 1, timeout_ms = 20000)
    DIFFERS(ack_timeout_ms = 1, ack_timeout_ms = 10000)
    DIFFERS(retries = 1, retries = 0)
    DIFFERS(tls.insecure = true, tls.insecure = false)
    DIFFERS(max_message = 1, max_message = 16 << 20)
    DIFFERS(max_attachments = 1, max_attachments = 10)
    DIFFERS(offline = OFFLINE_DROP, offline = OFFLINE_QUEUE)
    DIFFERS(offline_ttl_ms = 1, offline_ttl_ms = 300000)
    DIFFERS(offline_max = 1, offline_max = 1000)
    DIFFERS(history = 1, history = 100)
    DIFFERS(query_asked = true, query_asked = false)
    DIFFERS(headers_asked = true, headers_asked = false)
    DIFFERS(compress = true, compress = false)
    DIFFERS(transports[0] = TRANSPORT_NONE, transports[0] = TRANSPORT_WEBSOCKET)
    DIFFERS(transports[1] = TRANSPORT_NONE, transports[1] = TRANSPORT_POLLING)
    DIFFERS(upgrade = false, upgrade = true)
    DIFFERS(refresh_every_ms = 1, refresh_every_ms = 0)
    DIFFERS(refresh_before_ms = 1, refresh_before_ms = 0)
    DIFFERS(codec = CODEC_TEXT, codec = CODEC_JSON)
    DIFFERS(heartbeat_ms = -1, heartbeat_ms = 30000)
    DIFFERS(auth_json = true, auth_json = false)
    DIFFERS(authorizer_asked = true, authorizer_asked = false)
    DIFFERS(signin = true, signin = false)
    DIFFERS(activity_timeout_ms = 1, activity_timeout_ms = 120000)
    DIFFERS(pong_timeout_ms = 1, pong_timeout_ms = 30000)
    CHECK(conn_opts_same(&a, &b));
    conn_opts_free(&a);
    conn_opts_free(&b);
    conn_opts_free(&b); /* harmless */
}

static void check_refused(struct conn_opts o, const char *words) {
    struct ln_err err = {0};
    CHECK(conn_open(w.cs, "bad", &o, &err) == NULL);
    CHECK_INT(err.code, LN_INVALID);
    CHECK_HAS(err.text, words);
    conn_opts_free(&o);
}
#define REFUSED(field, value, words)                                                               \
    do {                                                                                           \
        struct conn_opts o_ = options("ws://chat.example");                                        \
        ln_free(o_.field);                                                                         \
        o_.field = ln_strdup(value);                                                               \
        check_refused(o_, words);                                                                  \
    } while (0)

static void open_headers(const char *name, const char *headers) {
    struct conn_opts o = options("ws://chat.example");
    ln_free(o.headers);
    o.headers = ln_strdup(headers);
    open_with(name, o);
}

/* A namespace may be called as the engine's path is, where that was given. */
static struct conn *open_below(const char *name, const char *url, const char *path) {
    struct conn_opts o = options(url);
    ln_free(o.path);
    o.path = ln_strdup(path);
    return open_with(name, o);
}

TEST(the_engines_path_and_the_namespace) {
    begin();
    CHECK(open_below("a", "ws://chat.example/chat", "/chat/") != NULL);
    CHECK(open_below("b", "ws://chat.example/b", "/app/socket.io/") != NULL);
    struct conn_opts o = options("ws://chat.example/app/socket.io/?EIO=4");
    ln_free(o.path);
    o.path = ln_strdup("/app/socket.io");
    check_refused(o, "'/app/socket.io/' is the engine's: leave it out");
    end();
}

TEST(what_conn_open_refuses) {
    begin();
    REFUSED(protocol, "irc", "unknown protocol 'irc'");
    REFUSED(url, "chat.example", "scheme");
    REFUSED(url, "ftp://chat.example", "ftp");
    REFUSED(url, "ws://chat.example/a,b", "cannot hold a comma");
    REFUSED(path, "socket.io", "path must begin with '/'");
    REFUSED(url, "ws://chat.example/socket.io/?EIO=4",
            "'/socket.io/' is the engine's: leave it out");
    REFUSED(url, "http://chat.example/socket.io", "'/socket.io' is the engine's: leave it out");
    REFUSED(auth, "[1]", "auth must be a table");
    REFUSED(auth, "{bad", "auth must be a table");
    REFUSED(query, "3", "query must be a table");
    REFUSED(query, "{\"a\":[1]}", "query.a must be a text");
    REFUSED(headers, "{\"a\":{}}", "headers.a must be a text");
    REFUSED(headers, "{\"Sec-WebSocket-Key\":\"x\"}",
            "headers: Sec-WebSocket-Key is written by linnet itself");
    REFUSED(headers, "{\"A b\":\"x\"}", "headers: \"A b\" is not a header's name");
    REFUSED(headers, "{\"A\":\"x\\r\\nB: y\"}",
            "headers: the value of A holds a control character");
    REFUSED(headers, "{\"A\":\"x\\u0000y\"}", "headers: the value of A holds a control character");
    REFUSED(headers, "{\"A\\u0000\":\"x\"}", "is not a header's name");
    open_headers("legal", "{\"X!#$%&'*+-.^_`|~1\":\"caf\xc3\xa9\\t1\",\"Empty\":\"\",\"N\":1}");
    REFUSED(proxy, "ftp://proxy",
            "proxy: \"ftp\" is no kind of proxy: use http, socks5 or socks5h");
    REFUSED(proxy, "http://u:secret@h:99999", "proxy: the URL's port is not between 1 and 65535");
    open_url("bad", "ws://chat.example");
    struct conn_opts o = options("ws://chat.example");
    check_refused(o, "there is a connection named 'bad' already");
    o = options("ws://chat.example");
    o.protocol = ln_strdup("socketio");
    open_with("named", o);
    o = options("ws://chat.example");
    o.protocol = ln_strdup("auto");
    open_with("auto", o);
    end();
}

#define FOREIGN(url, set, words)                                                                   \
    do {                                                                                           \
        struct conn_opts o_ = options(url);                                                        \
        o_.set;                                                                                    \
        check_refused(o_, words);                                                                  \
    } while (0)

TEST(options_of_another_protocol_are_refused) {
    begin();
    const char *sio = "ws://chat.example", *raw = "ws://chat.example/ws", *pusher = "pusher://k@x";
    FOREIGN(raw, upgrade = false,
            "protocol ws has no use for upgrade: it is an option of socketio");
    FOREIGN(sio, codec = CODEC_TEXT,
            "protocol socketio has no use for codec: it is an option of ws");
    FOREIGN(sio, codec_event = ln_strdup("op"), "no use for codec");
    FOREIGN(pusher, heartbeat_ms = -1, "protocol pusher has no use for heartbeat");
    FOREIGN(sio, heartbeat_text = ln_strdup("hi"), "no use for heartbeat");
    FOREIGN(sio, subprotocols = ln_strdup("a"), "no use for subprotocols");
    FOREIGN(sio, key = ln_strdup("k"), "no use for key: it is an option of pusher");
    FOREIGN(sio, cluster = ln_strdup("eu"), "no use for cluster");
    FOREIGN(raw, secret = ln_strdup("s"), "no use for secret");
    FOREIGN(sio, auth_endpoint = ln_strdup("/a"), "no use for auth_endpoint");
    FOREIGN(sio, auth_json = true, "no use for auth_format");
    FOREIGN(sio, user_auth_endpoint = ln_strdup("/a"), "no use for user_auth_endpoint");
    FOREIGN(sio, authorizer_asked = true, "no use for authorizer");
    FOREIGN(sio, channel_prefix = ln_strdup("x-"), "no use for channel_prefix");
    FOREIGN(raw, signin = true, "no use for signin");
    FOREIGN(sio, activity_timeout_ms = 1, "no use for activity_timeout");
    FOREIGN(sio, pong_timeout_ms = 1, "no use for pong_timeout");
    FOREIGN(raw, transports[0] = TRANSPORT_POLLING, "protocol ws goes over a WebSocket only");
    FOREIGN(pusher, transports[0] = TRANSPORT_POLLING, "pusher goes over a WebSocket only");
    struct conn_opts o = options("ws://chat.example/ws"); /* what means no more than the default */
    o.transports[1] = TRANSPORT_NONE;
    o.activity_timeout_ms = o.heartbeat_ms = 0;
    open_with("raw", o);
    end();
}

TEST(states_have_names) {
    CHECK_STR(ln_str(conn_state_name(CONN_IDLE)), "idle");
    CHECK_STR(ln_str(conn_state_name(CONN_CONNECTING)), "connecting");
    CHECK_STR(ln_str(conn_state_name(CONN_CONNECTED)), "connected");
    CHECK_STR(ln_str(conn_state_name(CONN_WAITING)), "waiting");
    CHECK_STR(ln_str(conn_state_name(CONN_FAILED)), "failed");
    CHECK_STR(ln_str(conn_state_name(CONN_CLOSED)), "closed");
}

TEST(events_are_counted_by_name) {
    begin();
    struct conn *c = connected();
    for (int i = 0; i < 120; i++) {
        char frame[32];
        snprintf(frame, sizeof frame, "42[\"n%d\"]", i);
        say(last(), frame);
    }
    say(last(), "42[\"n0\"]");
    emit(c, "n0", "");
    char longest[300] = "42[\"";
    memset(longest + 4, 'x', 250);
    strcpy(longest + 254, "\"]");
    say(last(), longest);
    turn();
    size_t i = 0, names = 0;
    struct ln_str name, last_name = {0};
    uint64_t in, out, last_in = 0, total = 0;
    while (conn_stats_event(c, &i, &name, &in, &out)) {
        if (ln_str_is(name, "n0")) {
            CHECK_INT(in, 2);
            CHECK_INT(out, 1);
        }
        names++;
        last_name = name;
        last_in = in;
        total += in;
    }
    CHECK_INT(names, 101);
    CHECK_STR(last_name, "other");
    CHECK_INT(last_in, 21);
    CHECK_INT(total, 122);
    CHECK_INT(conn_stats(c)->received, 122);
    end();
}

TEST(history_is_kept_once_asked_for) {
    begin();
    struct conn_opts o = options("ws://chat.example");
    o.history = 2;
    struct conn *c = connected_with("chat", o);
    size_t i = 0;
    struct ln_str name, args;
    int64_t at;
    say(last(), "42[\"a\",1]");
    turn();
    CHECK(!conn_history_each(c, &i, &name, &args, &at));
    conn_history_on(c);
    say(last(), "42[\"b\",2]");
    turn();
    advance(5);
    say(last(), "42[\"c\",3]");
    say(last(), "42[\"d\",4]");
    turn();
    CHECK(conn_history_each(c, &i, &name, &args, &at));
    CHECK_STR(name, "c");
    CHECK_STR(args, "3");
    CHECK_INT(at, 1700000000005);
    CHECK(conn_history_each(c, &i, &name, &args, &at));
    CHECK_STR(name, "d");
    CHECK(!conn_history_each(c, &i, &name, &args, &at));
    end();
}

TEST(the_host_keeps_its_own_with_a_connection) {
    begin();
    struct conn *c = connected();
    int mine = 1;
    CHECK(conn_user(c) == NULL);
    conn_user_set(c, &mine);
    CHECK(conn_user(c) == &mine);
    CHECK_INT(conn_options(c)->history, 100);
    CHECK_STR(ln_str(conn_name(c)), "chat");
    end();
}

TEST_MAIN(T(defaults), T(zeros_are_defaults), T(copies_are_equal_and_each_field_counts),
          T(the_engines_path_and_the_namespace), T(what_conn_open_refuses),
          T(options_of_another_protocol_are_refused), T(states_have_names),
          T(events_are_counted_by_name), T(history_is_kept_once_asked_for),
          T(the_host_keeps_its_own_with_a_connection))
