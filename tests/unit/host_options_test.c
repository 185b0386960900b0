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
        {"{\"transports\":[\"polling\"]}", "transport \"polling\" is not in this version"},
        {"{\"transports\":[]}", "option 'transports' must be a list"},
        {"{\"tls\":{\"cacert\":\"x\"}}", "unknown option 'tls.cacert'"},
        {"{\"tls\":{\"verify\":1}}", "option 'tls.verify' must be true or false"},
        {"{\"tls\":{\"ca\":1}}", "option 'tls.ca' must be a file name or a host name"},
        {"{\"offline\":{\"mod\":1}}",
         "unknown option 'offline.mod' (did you mean 'offline.mode'?)"},
        {"{\"offline\":{\"mode\":\"keep\"}}", "option 'offline.mode' must be \"queue\", \"drop\""},
        {"{\"offline\":{\"max\":1000001}}", "option 'offline.max' must be a whole number"},
        {"{\"offline\":{\"persist\":true}}", "option 'offline.persist' is not in this version"},
        {"{\"compress\":true}", "option 'compress' is not in this version of linnet"},
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
        {"{\"headers\":\"s3cret\"}", "option 'headers' must be a table of strings, not a string"},
        {"{\"query\":{\"token\":{\"x\":\"s3cret\"}}}", "option 'query' must be a table of strings"},
        {"{\"url\":{\"x\":\"ws://u:s3cret@h\"}}", "option 'url' must be a string, not a table"},
        {"[\"s3cret\"]", "the options must be a table, not a list"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        CHECK(!read(cases[i].json));
        CHECK_HAS(err.text, cases[i].says);
        CHECK(strstr(err.text, "s3cret") == NULL);
    }
    end();
}

TEST_MAIN(T(every_option_arrives), T(a_text_is_a_url), T(the_last_of_two_counts),
          T(what_is_wrong_is_said), T(what_may_be_a_secret_is_not_repeated))
