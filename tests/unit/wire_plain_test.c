/* SPDX-License-Identifier: MIT
 *
 * Plain JSON messages: what is an event, an answer, a value, or broken; which member becomes which
 * argument; and what is written for it.
 */
#include "wire/plain.h"

#include "base/json.h"
#include "test.h"

/* One message as one line of text: kind, name, (args), #ack. Read from memory of exactly its size.
 */
static const char *read_as(const char *text, const char *field) {
    static const char *const kinds[] = {"broken", "value", "event", "answer"};
    static char out[2000];
    size_t n = strlen(text);
    char *copy = malloc(n + !n);
    memcpy(copy, text, n);
    struct plain m;
    enum plain_kind kind = plain_parse((struct ln_str){copy, n}, field, &m);
    int at = snprintf(out, sizeof out, "%s", kinds[kind]);
    if (kind == PLAIN_EVENT)
        at += snprintf(out + at, sizeof out - (size_t)at, " %s%.*s", m.name_escaped ? "~" : "",
                       LN_FMT(m.name));
    if (kind != PLAIN_BROKEN)
        at += snprintf(out + at, sizeof out - (size_t)at, " (%.*s)", LN_FMT(m.args));
    if (m.ack != PLAIN_NO_ACK) snprintf(out + at, sizeof out - (size_t)at, " #%d", (int)m.ack);
    free(copy);
    return out;
}
#define READS(text, want) CHECK_STR(ln_str(read_as(text, NULL)), want)

TEST(events) {
    READS("{\"event\":\"hi\",\"data\":{\"a\":[1,\"]}\"]}}", "event hi ({\"a\":[1,\"]}\"]})");
    READS("{\"data\":1,\"event\":\"hi\"}", "event hi (1)");
    READS(" { \"event\" : \"hi\" , \"data\" : [ 1 , 2 ] } \n", "event hi ([ 1 , 2 ])");
    READS("{\"event\":\"hi\",\"args\":[1,\"two\",null]}", "event hi (1,\"two\",null)");
    READS("{\"event\":\"hi\",\"args\":[ 1, 2 ],\"data\":3}", "event hi (1, 2)");
    READS("{\"event\":\"hi\",\"args\":[ ]}", "event hi ()");
    READS("{\"event\":\"hi\",\"args\":{},\"data\":3}", "event hi (3)");
    /* The decoder sees that this is none; without its brackets it would not. */
    READS("{\"event\":\"hi\",\"args\":[1}}", "event hi ({\"event\":\"hi\",\"args\":[1}})");
    READS("{\"event\":\"hi\",\"data\":null}", "event hi (null)");
    READS("{\"event\":\"hi\"}", "event hi ()");
    READS("{\"event\":\"\"}", "event  ()");
    READS("{\"event\":\"hi\",\"data\":1,\"data\":2}", "event hi (2)");
    READS("{\"event\":\"caf\\u00e9\",\"data\":\"\\\"\\\\\"}", "event ~caf\\u00e9 (\"\\\"\\\\\")");
    READS("{\"event\":\"long enough for sixteen bytes at a time\",\"data\":"
          "{\"text\":\"a {bracket} and a \\\"quote\\\" and another ] one\"},\"room\":\"lobby\"}",
          "event long enough for sixteen bytes at a time "
          "({\"text\":\"a {bracket} and a \\\"quote\\\" and another ] one\"})");
}

TEST(the_rest_of_an_object_is_its_argument) {
    READS("{\"event\":\"hi\",\"text\":\"x\"}", "event hi ({\"event\":\"hi\",\"text\":\"x\"})");
    READS(" {\"type\":\"hi\",\"text\":\"x\"} ", "event hi ({\"type\":\"hi\",\"text\":\"x\"})");
    READS("{\"type\":\"hi\",\"data\":1}", "event hi (1)");
    READS("{\"type\":\"pong\"}", "event pong ()");
    READS("{\"type\":\"a\",\"event\":\"b\"}", "event b ({\"type\":\"a\",\"event\":\"b\"})");
    READS("{\"type\":\"a\",\"event\":\"b\",\"data\":1}", "event b (1)");
    READS("{\"type\":\"a\",\"event\":7}", "event a ({\"type\":\"a\",\"event\":7})");
}

TEST(a_field_of_ones_own) {
    const char *op = "{\"op\":\"hi\",\"event\":\"x\",\"data\":1}";
    CHECK_STR(ln_str(read_as(op, "op")), "event hi (1)");
    CHECK_STR(ln_str(read_as(op, NULL)), "event x (1)");
    CHECK_STR(ln_str(read_as("{\"type\":\"hi\"}", "op")), "value ({\"type\":\"hi\"})");
}

TEST(numbers_to_answer_with) {
    READS("{\"event\":\"ask\",\"data\":1,\"ack\":12}", "event ask (1) #12");
    READS("{\"event\":\"ask\",\"ack\":0}", "event ask () #0");
    READS("{\"event\":\"ask\",\"ack\":null}", "event ask ({\"event\":\"ask\",\"ack\":null})");
    READS("{\"event\":\"ask\",\"data\":1,\"ack\":\"x\"}", "event ask (1)");
    READS("{\"event\":\"ask\",\"ack\":3,\"text\":\"x\"}",
          "event ask ({\"event\":\"ask\",\"ack\":3,\"text\":\"x\"})");
    READS("{\"event\":\"ask\",\"data\":1,\"ack\":-1}", "event ask (1)");
    READS("{\"event\":\"ask\",\"data\":1,\"ack\":1.5}", "event ask (1)");
    READS("{\"event\":\"ask\",\"data\":1,\"ack\":01}", "event ask (1)");
    READS("{\"event\":\"ask\",\"data\":1,\"ack\":1234567890123456}", "event ask (1)");
}

TEST(answers) {
    READS("{\"ack\":12,\"data\":{\"ok\":true}}", "answer ({\"ok\":true}) #12");
    READS("{\"data\":null,\"ack\":12}", "answer (null) #12");
    READS("{\"ack\":1,\"args\":[1, 2]}", "answer (1, 2) #1");
    READS("{\"ack\":1}", "answer () #1");
    READS("{\"ack\":1,\"data\":{bad}}", "value ({\"ack\":1,\"data\":{bad}})");
    READS("{\"ack\":1,\"args\":[bad]}", "value ({\"ack\":1,\"args\":[bad]})");
    READS("{\"ack\":1,\"text\":\"x\"}", "value ({\"ack\":1,\"text\":\"x\"})");
    READS("{\"ack\":\"1\"}", "value ({\"ack\":\"1\"})");
}

TEST(values) {
    READS("[1,2]", "value ([1,2])");
    READS(" \"text\" ", "value (\"text\")");
    READS("17", "value (17)");
    READS("{}", "value ({})");
    READS("{ }", "value ({ })");
    READS("{\"a\":1}", "value ({\"a\":1})");
    READS("{\"event\":7,\"data\":1}", "value ({\"event\":7,\"data\":1})");
    READS("{\"\\u0065vent\":\"x\"}", "value ({\"\\u0065vent\":\"x\"})");
    READS("hello", "value (hello)"); /* for the listener's decoder to find */
}

TEST(broken_ones) {
    static const char *const table[] = {"",
                                        " \n",
                                        "{",
                                        "{\"",
                                        "{\"event",
                                        "{\"event\"",
                                        "{\"event\":",
                                        "{\"event\":}",
                                        "{\"event\":\"hi\"",
                                        "{\"event\":\"hi\",",
                                        "{\"event\":\"hi\",}",
                                        "{\"event\":\"hi\\",
                                        "{\"event\":\"hi\\\"}",
                                        "{\"event\":\"hi\" \"data\":1}",
                                        "{\"event\" \"hi\"}",
                                        "{\"event\":\"hi\",\"data\":[1}",
                                        "{\"event\":\"hi\",\"data\":{\"a\":\"}",
                                        "{\"event\":\"hi\",\"data\":]}",
                                        "{\"event\":\"hi\"}}",
                                        "{\"event\":\"hi\"} x",
                                        "{} {}",
                                        "{event:\"hi\"}",
                                        "{,}"};
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        CHECK_STR(ln_str(read_as(table[i], NULL)), "broken");
        CHECK(!ln_json_valid(ln_str(table[i]), NULL));
    }
}

/* Quotes, brackets and escapes at every place of the blocks that are looked at together. */
TEST(texts_of_every_length) {
    static const char *const ends[] = {"", "]}", "\\\"", "\\\\", "{\\\"[", "\xc3\xa9"};
    for (size_t e = 0; e < LN_COUNT(ends); e++)
        for (int n = 0; n < 200; n++) {
            struct ln_buf text = {0}, want = {0};
            struct plain m;
            ln_buf_fmt(&want, "{\"t\":\"%*s%s\",\"u\":[\"%*s\"]}", n, "", ends[e], n / 3, "}");
            ln_buf_fmt(&text, "{\"event\":\"%*s%s\",\"data\":%.*s,\"z\":\"%*s%s\"}", n, "", ends[e],
                       LN_FMT(ln_buf_get(&want)), n, "", ends[e]);
            CHECK_INT(plain_parse(ln_buf_get(&text), NULL, &m), PLAIN_EVENT);
            CHECK(ln_str_eq(m.args, ln_buf_get(&want)));
            CHECK_INT(m.name.n, (size_t)n + strlen(ends[e]));
            CHECK(m.name_escaped == (strchr(ends[e], '\\') != NULL));
            ln_buf_free(&text);
            ln_buf_free(&want);
        }
}

static void writes(const char *field, const char *name, const char *args, int64_t ack,
                   const char *want) {
    struct ln_buf out = {0};
    plain_write_event(&out, field, ln_str(name), ln_str(args), ack);
    CHECK_STR(ln_buf_get(&out), want);
    CHECK(ln_json_valid(ln_buf_get(&out), NULL));
    ln_buf_free(&out);
}

TEST(writing_events) {
    writes(NULL, "hi", "", -1, "{\"event\":\"hi\"}");
    writes(NULL, "hi", "{\"a\":[1,2]}", -1, "{\"event\":\"hi\",\"data\":{\"a\":[1,2]}}");
    writes(NULL, "hi", " [1,2] ", 0, "{\"event\":\"hi\",\"data\": [1,2] ,\"ack\":0}");
    writes(NULL, "hi", "1,\"a,b\"", 7, "{\"event\":\"hi\",\"args\":[1,\"a,b\"],\"ack\":7}");
    writes("type", "a\"b", "null", -1, "{\"type\":\"a\\\"b\",\"data\":null}");
}

TEST(writing_answers) {
    struct ln_buf out = {0};
    plain_write_answer(&out, 3, (struct ln_str){0});
    plain_write_answer(&out, 4, LN_STR("true"));
    plain_write_answer(&out, 5, LN_STR("1,2"));
    CHECK_STR(ln_buf_get(&out), "{\"ack\":3}{\"ack\":4,\"data\":true}{\"ack\":5,\"args\":[1,2]}");
    ln_buf_free(&out);
}

TEST_MAIN(T(events), T(the_rest_of_an_object_is_its_argument), T(a_field_of_ones_own),
          T(numbers_to_answer_with), T(answers), T(values), T(broken_ones),
          T(texts_of_every_length), T(writing_events), T(writing_answers))
