/* SPDX-License-Identifier: MIT
 *
 * The options of a connection from JSON: each one, and what is said when one is wrong. What may
 * hold a secret is never repeated.
 */
#include "base/mem.h"
#include "host/config.h"
#include "test.h"

static struct conn_opts o;
static struct ln_err err;

static bool read(const char *json) {
    conn_opts_free(&o);
    conn_opts_init(&o);
    err = (struct ln_err){0};
    return conn_opts_from_json(&o, ln_str(json), &err);
}
static void end(void) {
    conn_opts_free(&o);
    o = (struct conn_opts){0};
}

TEST(every_option_arrives) {
    CHECK(read("{\"url\":\"wss://h\",\"protocol\":\"socketio\",\"path\":\"/x/\","
               "\"auth\":{\"token\":\"t\"},\"query\":{\"q\":1},\"headers\":{\"H\":\"v\"},"
               "\"transports\":[\"websocket\"],\"autoconnect\":false,\"reconnection\":false,"
               "\"reconnection_attempts\":3,\"reconnection_delay\":\"500ms\","
               "\"reconnection_delay_max\":\"60s\",\"randomization_factor\":0.25,\"timeout\":2,"
               "\"ack_timeout\":\"3s\",\"retries\":4,\"history\":5,\"dialect\":\"rooms\","
               "\"tls\":{\"ca\":\"ca.pem\",\"cert\":\"c\",\"key\":\"k\",\"verify\":false,"
               "\"server_name\":\"n\"},"
               "\"offline\":{\"mode\":\"drop\",\"ttl\":\"1m\",\"max\":6,\"persist\":false}}"));
    CHECK_STR(ln_str(err.text), "");
    CHECK_STR(ln_str(o.url), "wss://h");
    CHECK_STR(ln_str(o.protocol), "socketio");
    CHECK_STR(ln_str(o.path), "/x/");
    CHECK_STR(ln_str(o.auth), "{\"token\":\"t\"}");
    CHECK_STR(ln_str(o.query), "{\"q\":1}");
    CHECK_STR(ln_str(o.headers), "{\"H\":\"v\"}");
    CHECK(!o.autoconnect && !o.reconnection && o.tls.insecure);
    CHECK_INT(o.reconnection_attempts, 3);
    CHECK_INT(o.backoff.min_ms, 500);
    CHECK_INT(o.backoff.max_ms, 60000);
    CHECK_INT(o.backoff.late_max_ms, 60000); /* never below the other */
    CHECK(o.backoff.factor > 0.24 && o.backoff.factor < 0.26);
    CHECK_INT(o.timeout_ms, 2000);
    CHECK_INT(o.ack_timeout_ms, 3000);
    CHECK_INT(o.retries, 4);
    CHECK_INT(o.history, 5);
    CHECK_STR(ln_str(o.tls.ca), "ca.pem");
    CHECK_STR(ln_str(o.tls.cert), "c");
    CHECK_STR(ln_str(o.tls.key), "k");
    CHECK_STR(ln_str(o.tls.server_name), "n");
    CHECK_INT(o.offline, OFFLINE_DROP);
    CHECK_INT(o.offline_ttl_ms, 60000);
    CHECK_INT(o.offline_max, 6);
    end();
}

TEST(every_option_of_a_line_arrives) {
    CHECK(read(
        "{\"transports\":[\"polling\",\"websocket\"],\"upgrade\":false,\"compress\":true,"
        "\"proxy\":\"http://p:1\",\"tls\":{\"pin\":\"sha256//x\",\"passphrase\":\"w\"},"
        "\"refresh\":{\"every\":\"4m\",\"before\":\"30s\",\"event\":\"authenticate\"},"
        "\"codec\":{\"event\":\"type\"},\"subprotocols\":[\"a\",\"b\"],"
        "\"heartbeat\":{\"every\":\"10s\",\"message\":{\"op\":1}},\"key\":\"K\","
        "\"cluster\":\"eu\",\"secret\":\"S\",\"auth_endpoint\":\"/a\",\"auth_format\":\"json\","
        "\"user_auth_endpoint\":\"/u\",\"channel_prefix\":\"presence-\",\"signin\":true,"
        "\"activity_timeout\":\"1m\",\"pong_timeout\":5}"));
    CHECK_STR(ln_str(err.text), "");
    CHECK_INT(o.transports[0], TRANSPORT_POLLING);
    CHECK_INT(o.transports[1], TRANSPORT_WEBSOCKET);
    CHECK(!o.upgrade && o.compress && o.auth_json && o.signin);
    CHECK_STR(ln_str(o.proxy), "http://p:1");
    CHECK_STR(ln_str(o.tls.pin), "sha256//x");
    CHECK_STR(ln_str(o.tls.passphrase), "w");
    CHECK_INT(o.refresh_every_ms, 240000);
    CHECK_INT(o.refresh_before_ms, 30000);
    CHECK_STR(ln_str(o.refresh_event), "authenticate");
    CHECK_INT(o.codec, CODEC_JSON);
    CHECK_STR(ln_str(o.codec_event), "type");
    CHECK_STR(ln_str(o.subprotocols), "a, b");
    CHECK_INT(o.heartbeat_ms, 10000);
    CHECK_STR(ln_str(o.heartbeat_text), "{\"op\":1}");
    CHECK_STR(ln_str(o.key), "K");
    CHECK_STR(ln_str(o.cluster), "eu");
    CHECK_STR(ln_str(o.secret), "S");
    CHECK_STR(ln_str(o.auth_endpoint), "/a");
    CHECK_STR(ln_str(o.user_auth_endpoint), "/u");
    CHECK_STR(ln_str(o.channel_prefix), "presence-");
    CHECK_INT(o.activity_timeout_ms, 60000);
    CHECK_INT(o.pong_timeout_ms, 5000);
    end();
    CHECK(read("{\"transports\":[\"polling\"],\"proxy\":false,\"heartbeat\":false,"
               "\"codec\":\"text\",\"subprotocols\":\"a\",\"auth_format\":\"form\"}"));
    CHECK_INT(o.transports[1], TRANSPORT_NONE);
    CHECK_STR(ln_str(o.proxy), "none");
    CHECK_INT(o.heartbeat_ms, -1);
    CHECK_INT(o.codec, CODEC_TEXT);
    CHECK_STR(ln_str(o.subprotocols), "a");
    end();
}

TEST(a_cluster_says_where_pusher_is) {
    CHECK(read("{\"key\":\"k\",\"cluster\":\"eu\"}"));
    CHECK_STR(ln_str(o.url), "pushers://ws-eu.pusher.com");
    CHECK(read("{\"cluster\":\"eu\",\"url\":\"pusher://k@h\"}"));
    CHECK_STR(ln_str(o.url), "pusher://k@h");
    CHECK(read("{\"url\":\"pusher://k@h\",\"cluster\":\"eu\",\"leave_grace\":\"10s\"}"));
    CHECK_STR(ln_str(o.url), "pusher://k@h");
    CHECK_INT(o.leave_grace_ms, 10000);
    end();
}

TEST(a_text_is_a_url) {
    CHECK(read("\"ws://h\""));
    CHECK_STR(ln_str(o.url), "ws://h");
    CHECK(read("{}"));
    CHECK(o.url == NULL && o.reconnection);
    end();
}

TEST(the_last_of_two_counts) {
    CHECK(read("{\"url\":\"ws://a\",\"url\":\"ws://b\",\"auth\":{\"a\":1},\"auth\":{\"b\":1}}"));
    CHECK_STR(ln_str(o.url), "ws://b");
    CHECK_STR(ln_str(o.auth), "{\"b\":1}");
    end();
}

TEST(what_is_wrong_is_said) {
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"7", "the options must be a table, not a number"},
        {"{\"ulr\":1}", "unknown option 'ulr' (did you mean 'url'?)"},
        {"{\"\":1}", "unknown option ''"},
        {"{\"wsHost\":\"x\"}", "unknown option 'wsHost' (what it says goes into 'url')"},
        {"{\"extraheaders\":{}}",
         "unknown option 'extraheaders' (what it says goes into 'headers')"},
        {"{\"rejectUnauthorized\":false}", "(what it says goes into 'tls.verify')"},
        {"{\"reconnectionDelay\":1}", "(did you mean 'reconnection_delay'?)"},
        {"{\"protocol\":\"sockjs\"}", "unknown protocol 'sockjs': there are \"socketio\", "},
        {"{\"protocol\":\"socketoi\"}", "unknown protocol 'socketoi' (did you mean 'socketio'?)"},
        {"{\"timeout\":\"soon\"}", "option 'timeout' must be a duration such as 20 or \"20s\", not "
                                   "\"soon\""},
        {"{\"timeout\":-1}", "option 'timeout' must be a duration"},
        {"{\"timeout\":1e300}", "option 'timeout' must be a duration"},
        {"{\"retries\":1001}", "option 'retries' must be a whole number from 0 to 1000, not 1001"},
        {"{\"retries\":4294967296}", "option 'retries' must be a whole number from 0 to 1000"},
        {"{\"reconnection_attempts\":-1}", "option 'reconnection_attempts' must be a whole number"},
        {"{\"history\":100001}", "option 'history' must be a whole number from 0 to 100000"},
        {"{\"randomization_factor\":1.01}", "must be a number from 0 to 1, not 1.01"},
        {"{\"randomization_factor\":"
         "0.0000000000000000000000000000000000000000000000000000000000000000000001}",
         "must be a number from 0 to 1"},
        {"{\"transports\":[\"poling\"]}", "unknown transport \"poling\""},
        {"{\"transports\":[\"polling\",\"polling\"]}", "names one transport twice"},
        {"{\"transports\":[]}", "option 'transports' must be a list"},
        {"{\"tls\":{\"cacert\":\"x\"}}", "unknown option 'tls.cacert'"},
        {"{\"tls\":{\"verify\":1}}", "option 'tls.verify' must be true or false"},
        {"{\"tls\":{\"ca\":1}}", "option 'tls.ca' must be a string"},
        {"{\"offline\":{\"mod\":1}}",
         "unknown option 'offline.mod' (did you mean 'offline.mode'?)"},
        {"{\"offline\":{\"mode\":\"keep\"}}", "option 'offline.mode' must be \"queue\", \"drop\""},
        {"{\"offline\":{\"max\":1000001}}", "option 'offline.max' must be a whole number"},
        {"{\"offline\":{\"persist\":true}}", "option 'offline.persist' is not in this version"},
        {"{\"rate\":true}", "option 'rate' is not in this version of linnet"},
        {"{\"compress\":1}", "option 'compress' must be true or false, not 1"},
        {"{\"refresh\":{}}", "option 'refresh' needs 'every' or 'before'"},
        {"{\"refresh\":{\"every\":0.5}}", "option 'refresh.every' must be a duration of at least"},
        {"{\"refresh\":{\"evry\":1}}", "(did you mean 'refresh.every'?)"},
        {"{\"heartbeat\":0.5}", "option 'heartbeat' must be a duration of at least a second"},
        {"{\"heartbeat\":{\"evry\":1}}", "(did you mean 'heartbeat.every'?)"},
        {"{\"codec\":\"xml\"}", "option 'codec' must be \"json\", \"text\" or a table"},
        {"{\"codec\":{\"event\":1}}", "option 'codec.event' must be the name of a field"},
        {"{\"subprotocols\":[1]}", "option 'subprotocols' must be a string or a list"},
        {"{\"auth_format\":\"xml\"}", "option 'auth_format' must be \"form\" or \"json\""},
        {"{\"pong_timeout\":0}", "option 'pong_timeout' must be a duration"},
        {"{\"leave_grace\":-1}", "option 'leave_grace' must be a duration such as \"10s\""},
        {"{\"cluster\":\"e.u\"}", "option 'cluster' must be a string such as \"eu\""},
        {"{\"cluster\":\"\"}", "option 'cluster' must be a string such as \"eu\""},
        {"{\"authorizer\":{}}", "option 'authorizer' must be a function, not a table"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        CHECK(!read(cases[i].json));
        CHECK_HAS(err.text, cases[i].says);
    }
    end();
}

TEST(what_may_be_a_secret_is_not_repeated) {
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"{\"auth\":\"s3cret\"}", "option 'auth' must be a table or a function, not a string"},
        {"{\"auth\":[\"s3cret\"]}", "option 'auth' must be a table or a function, not a list"},
        {"{\"headers\":{\"Authorization\":[\"s3cret\"]}}",
         "option 'headers' must be a table of strings"},
        {"{\"headers\":\"s3cret\"}",
         "option 'headers' must be a table of strings, or a function, not a string"},
        {"{\"query\":{\"token\":{\"x\":\"s3cret\"}}}", "option 'query' must be a table of strings"},
        {"{\"url\":{\"x\":\"ws://u:s3cret@h\"}}", "option 'url' must be a string, not a table"},
        {"{\"proxy\":{\"x\":\"http://u:s3cret@h\"}}", "option 'proxy' must be a URL"},
        {"{\"secret\":{\"x\":\"s3cret\"}}", "option 'secret' must be a string, not a table"},
        {"[\"s3cret\"]", "the options must be a table, not a list"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        CHECK(!read(cases[i].json));
        CHECK_HAS(err.text, cases[i].says);
        CHECK(strstr(err.text, "s3cret") == NULL);
    }
    end();
}

TEST_MAIN(T(every_option_arrives), T(every_option_of_a_line_arrives),
          T(a_cluster_says_where_pusher_is), T(a_text_is_a_url), T(the_last_of_two_counts),
          T(what_is_wrong_is_said), T(what_may_be_a_secret_is_not_repeated))
