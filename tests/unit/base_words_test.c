/* SPDX-License-Identifier: MIT
 *
 * Text for people: durations, sizes, nearest names, printable bytes.
 */
#include "test.h"

#include "base/text.h"

static int64_t duration(const char *text) {
    int64_t ms = -1;
    return ln_duration_parse(ln_str(text), &ms) ? ms : -1;
}

TEST(durations) {
    CHECK_INT(duration("250ms"), 250);
    CHECK_INT(duration("10s"), 10000);
    CHECK_INT(duration("5m"), 300000);
    CHECK_INT(duration("2h"), 7200000);
    CHECK_INT(duration("1d"), 86400000);
    CHECK_INT(duration("20"), 20000);
    CHECK_INT(duration("0"), 0);
    CHECK_INT(duration("007s"), 7000);
    CHECK_INT(duration("0.5"), 500);
    CHECK_INT(duration("1.5h"), 5400000);
    CHECK_INT(duration("0.1s"), 100);
    CHECK_INT(duration("0.0004s"), 0);
    CHECK_INT(duration("0.0006s"), 1);
    CHECK_INT(duration("2.25ms"), 2);
    CHECK_INT(duration("3653d"), 3653ll * 86400000);
    CHECK_INT(duration("100000000000000000ms"), -1);
}

TEST(malformed_durations) {
    static const char *const bad[] = {
        "",     "s",    "ms",    "-1s",   "+1s", "1 s",  " 1s",   "1s ",
        "1S",   "1sec", "1h30m", "1..5",  ".5s", "5.",   "5.s",   "1e3s",
        "0x10", "inf",  "nan",   "3654d", "1ss", "1,5s", "10ms5", "99999999999999999999s",
        "1w",
    };
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        int64_t ms = 77;
        CHECK(!ln_duration_parse(ln_str(bad[i]), &ms));
        CHECK_INT(ms, 77);
    }
    int64_t ms = 77;
    CHECK(!ln_duration_parse((struct ln_str){NULL, 0}, &ms));
    CHECK(!ln_duration_parse(LN_STR("1\0"), &ms));
}

static const char *duration_text(int64_t ms) {
    static char buf[32];
    return ln_duration_text(ms, buf, sizeof buf);
}

TEST(duration_texts) {
    CHECK_STR(ln_str(duration_text(0)), "0 ms");
    CHECK_STR(ln_str(duration_text(3)), "3 ms");
    CHECK_STR(ln_str(duration_text(999)), "999 ms");
    CHECK_STR(ln_str(duration_text(1000)), "1 s");
    CHECK_STR(ln_str(duration_text(1234)), "1.2 s");
    CHECK_STR(ln_str(duration_text(59999)), "59.9 s");
    CHECK_STR(ln_str(duration_text(60000)), "1 m");
    CHECK_STR(ln_str(duration_text(250000)), "4 m 10 s");
    CHECK_STR(ln_str(duration_text(3600000)), "1 h");
    CHECK_STR(ln_str(duration_text(2 * 3600000 + 5 * 60000 + 59999)), "2 h 5 m");
    CHECK_STR(ln_str(duration_text(86400000ll * 3 + 4 * 3600000)), "3 d 4 h");
    CHECK_STR(ln_str(duration_text(-1500)), "-1.5 s");
    CHECK(strlen(duration_text(INT64_MIN)) < 31);
    CHECK(strlen(duration_text(INT64_MAX)) < 31);
}

static const char *bytes_text(uint64_t n) {
    static char buf[32];
    return ln_bytes_text(n, buf, sizeof buf);
}

TEST(sizes) {
    CHECK_STR(ln_str(bytes_text(0)), "0 B");
    CHECK_STR(ln_str(bytes_text(812)), "812 B");
    CHECK_STR(ln_str(bytes_text(999)), "999 B");
    CHECK_STR(ln_str(bytes_text(1000)), "1.0 kB");
    CHECK_STR(ln_str(bytes_text(1234)), "1.2 kB");
    CHECK_STR(ln_str(bytes_text(999999)), "999.9 kB");
    CHECK_STR(ln_str(bytes_text(3456789)), "3.4 MB");
    CHECK_STR(ln_str(bytes_text(UINT64_MAX)), "18.4 EB");
    CHECK_STR(ln_str(bytes_text(64 << 20)), "64 MiB");
    CHECK_STR(ln_str(bytes_text((64 << 20) + 1)), "67.1 MB");
}

static const char *nearest(const char *name) {
    static const char *const names[] = {"connect",  "disconnect", "message", "emit", "on",
                                        "on_event", "timeout",    "url",     NULL};
    const char *found = ln_nearest(ln_str(name), names);
    return found ? found : "none";
}

TEST(nearest_names) {
    CHECK_STR(ln_str(nearest("connect")), "connect");
    CHECK_STR(ln_str(nearest("conect")), "connect");
    CHECK_STR(ln_str(nearest("connectt")), "connect");
    CHECK_STR(ln_str(nearest("cnonect")), "connect");
    CHECK_STR(ln_str(nearest("discconect")), "disconnect");
    CHECK_STR(ln_str(nearest("emti")), "emit");
    CHECK_STR(ln_str(nearest("urls")), "url");
    CHECK_STR(ln_str(nearest("ulr")), "url");
    CHECK_STR(ln_str(nearest("no")), "on");
    CHECK_STR(ln_str(nearest("tiemout")), "timeout");
    CHECK_STR(ln_str(nearest("on_evnet")), "on_event");
    char words[LN_MEANT];
    CHECK_STR(ln_str(ln_meant("timeout", words)), " (did you mean 'timeout'?)");
    CHECK_STR(ln_str(ln_meant(NULL, words)), "");
}

TEST(no_name_is_near) {
    CHECK_STR(ln_str(nearest("")), "none");
    CHECK_STR(ln_str(nearest("x")), "none");
    CHECK_STR(ln_str(nearest("xyz")), "none");
    CHECK_STR(ln_str(nearest("massage!!!")), "none");
    CHECK_STR(ln_str(nearest("kitten")), "none");
    char longest[500];
    memset(longest, 'c', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    CHECK_STR(ln_str(nearest(longest)), "none");
    const char *const huge[] = {longest, NULL};
    CHECK(ln_nearest(LN_STR("ccc"), huge) == NULL);
    const char *const nothing[] = {NULL};
    CHECK(ln_nearest(LN_STR("ccc"), nothing) == NULL);
    const char *const single[] = {"b", "", NULL};
    CHECK(ln_nearest(LN_STR("a"), single) == NULL);
}

TEST(the_nearest_wins_and_ties_go_to_the_first) {
    const char *const names[] = {"abcdxy", "abcdex", "abcdef", NULL};
    CHECK_STR(ln_str(ln_nearest(LN_STR("abcdef"), names)), "abcdef");
    CHECK_STR(ln_str(ln_nearest(LN_STR("abcde"), names)), "abcdex");
    CHECK_STR(ln_str(ln_nearest(LN_STR("abcdxz"), names)), "abcdxy");
}

TEST(edits_are_counted_as_the_definition_says) {
    /* "optimal string alignment": a pair swapped is not edited again, so "ca" to "abc" is 3. */
    const char *const names[] = {"abcxxxxx", NULL};
    CHECK(ln_nearest(LN_STR("caxxxxx"), names) == NULL); /* 7 letters allow 2 */
    CHECK(ln_nearest(LN_STR("caxxxxxxx"), (const char *const[]){"abcxxxxxxx", NULL}) != NULL);
}

static const char *printable(struct ln_str s, size_t max) {
    static char text[256];
    struct ln_buf b = {0};
    ln_printable(&b, s, max);
    snprintf(text, sizeof text, "%s", ln_buf_cstr(&b));
    ln_buf_free(&b);
    return text;
}

TEST(printable_bytes) {
    CHECK_STR(ln_str(printable(LN_STR("plain \xc3\xa9 \xf0\x9f\x98\x80"), 100)),
              "plain \xc3\xa9 \xf0\x9f\x98\x80");
    CHECK_STR(ln_str(printable(LN_STR("\033[2J\r\n\t\0\x7f"), 100)),
              "\\x1b[2J\\x0d\\x0a\\x09\\x00\\x7f");
    CHECK_STR(ln_str(printable(LN_STR("\xff\xc3(\xed\xa0\x80"), 100)),
              "\\xff\\xc3(\\xed\\xa0\\x80");
    CHECK_STR(ln_str(printable(LN_STR("\xc2\x9b\x33mC1 \xc2\xa0"), 100)), "\\xc2\\x9b"
                                                                          "3mC1 \xc2\xa0");
    /* Right-to-left override, isolates, line separator; but not the letters around them. */
    CHECK_STR(ln_str(printable(LN_STR("\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8\xe2\x80\xa7"), 100)),
              "\\xe2\\x80\\xae\\xe2\\x81\\xa6\\xe2\\x80\\xa8\xe2\x80\xa7");
    CHECK_STR(ln_str(printable((struct ln_str){NULL, 0}, 10)), "");
}

TEST(printable_is_bounded) {
    CHECK_STR(ln_str(printable(LN_STR("abcdef"), 6)), "abcdef");
    CHECK_STR(ln_str(printable(LN_STR("abcdef"), 5)), "abcde\xe2\x80\xa6");
    CHECK_STR(ln_str(printable(LN_STR("abcdef"), 0)), "\xe2\x80\xa6");
    CHECK_STR(ln_str(printable(LN_STR(""), 0)), "");
    CHECK_STR(ln_str(printable(LN_STR("ab\xc3\xa9"), 3)), "ab\xe2\x80\xa6");
    CHECK_STR(ln_str(printable(LN_STR("ab\n"), 5)), "ab\xe2\x80\xa6");
    CHECK_STR(ln_str(printable(LN_STR("ab\n"), 6)), "ab\\x0a");
}

TEST(points_in_time) {
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2023-11-14T22:13:20Z", 1700000000000},
                {"2023-11-14t22:13:20z", 1700000000000},
                {"2023-11-14 22:13:20.5Z", 1700000000500},
                {"2023-11-14T22:13:20.123456789Z", 1700000000123},
                {"2023-11-15T00:13:20+02:00", 1700000000000},
                {"2023-11-14T18:43:20-03:30", 1700000000000},
                {"2024-02-29T00:00:00Z", 1709164800000},
                {"1969-12-31T23:59:59Z", -1000}};
    static const char *const bad[] = {"",
                                      "tomorrow",
                                      "1700000000",
                                      "2023-11-14",
                                      "2023-11-14T22:13:20",
                                      "2023-11-14T22:13:20 Z",
                                      "2023-11-14T22:13Z",
                                      "2023-13-14T22:13:20Z",
                                      "2023-00-14T22:13:20Z",
                                      "2023-11-32T22:13:20Z",
                                      "2023-11-14T24:13:20Z",
                                      "2023-11-14T22:60:20Z",
                                      "2023-11-14T22:13:61Z",
                                      "2023-11-14X22:13:20Z",
                                      "2023/11/14T22:13:20Z",
                                      "2023-11-14T22:13:20+0200",
                                      "2023-11-14T22:13:20+24:00",
                                      "2023-11-14T22:13:20+02:00Z",
                                      "+023-11-14T22:13:20Z"};
    int64_t ms;
    for (size_t i = 0; i < LN_COUNT(good); i++) {
        ms = 7;
        CHECK(ln_time_parse(ln_str(good[i].text), &ms));
        CHECK_INT(ms, good[i].ms);
    }
    for (size_t i = 0; i < LN_COUNT(bad); i++)
        CHECK(!ln_time_parse(ln_str(bad[i]), &ms));
}

TEST_MAIN(T(points_in_time), T(durations), T(malformed_durations), T(duration_texts), T(sizes),
          T(nearest_names), T(no_name_is_near), T(the_nearest_wins_and_ties_go_to_the_first),
          T(edits_are_counted_as_the_definition_says), T(printable_bytes), T(printable_is_bounded))
