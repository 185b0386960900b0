/* SPDX-License-Identifier: MIT
 *
 * Text over fragment borders (group 6 of the Autobahn list; RFC 6455 8.1): each text whole, cut in
 * two fragments at each place, and one byte a fragment; and bad text found before its end.
 */
#include "ws_feed.h"

#define S(literal) LN_STR(literal)

static const struct ln_str good[] = {
    S(""),
    S("plain"),
    S("Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"),
    S("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
    S("\xc2\x80"),
    S("\xdf\xbf"),
    S("\xe0\xa0\x80"),
    S("\xed\x9f\xbf"),
    S("\xee\x80\x80"),
    S("\xef\xbf\xbd"),
    S("\xef\xbf\xbf"),
    S("\xf0\x90\x80\x80"),
    S("\xf4\x8f\xbf\xbf"),
    S("\xf0\x9f\x98\x80 \xf0\x9f\x98\x80"),
    S("1234567\xc3\xa4"), /* the check goes 8 bytes at a time */
    S("12345678\xc3\xa4"),
    S("\xef\xbb\xbf"),
};

static const struct ln_str bad[] = {
    S("\x80"),
    S("\xbf"),
    S("a\x80z"),
    S("\xc0\x80"),
    S("\xc0\xaf"),
    S("\xc1\xbf"),
    S("\xe0\x80\x80"),
    S("\xe0\x9f\xbf"),
    S("\xf0\x80\x80\x80"),
    S("\xf0\x8f\xbf\xbf"),
    S("\xf8\x88\x80\x80\x80"),
    S("\xfc\x84\x80\x80\x80\x80"),
    S("\xed\xa0\x80"),
    S("\xed\xbf\xbf"),
    S("\xed\xa0\x80\xed\xb0\x80"),
    S("\xf4\x90\x80\x80"),
    S("\xf5\x80\x80\x80"),
    S("\xfe"),
    S("\xff"),
    S("\xc3("),
    S("\xe2\x28\xa1"),
    S("\xe2\x82("),
    S("\xf0\x9f\x98("),
    S("12345678\xff"),
    S("1234567\xff"),
    S("\xff"
      "123456789"),
    S("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64"),
};

static const struct ln_str cut[] = {
    /* the beginning of a character */
    S("\xc3"), S("\xe2\x82"), S("\xf0\x9f\x98"), S("ok \xf0"), S("\xce\xba\xe1\xbd"),
};

static void in_fragments(struct ln_str text, const char *want) {
    for (size_t i = 0; i <= text.n; i++)
        CASE(want, {TEXT_MORE, {text.p, i}}, {CONT, {text.p + i, text.n - i}});
    for (int server = 0; server < 2; server++) {
        struct ln_buf bytes = {0};
        add_frame(&bytes, server, TEXT_MORE, S(""));
        for (size_t i = 0; i < text.n; i++) {
            add_frame(&bytes, server, CONT_MORE, (struct ln_str){text.p + i, 1});
            add_frame(&bytes, server, CONT_MORE, S(""));
        }
        add_frame(&bytes, server, CONT, S(""));
        feed_check(server, ln_buf_get(&bytes), bytes.n, bytes.n, want);
        feed_check(server, ln_buf_get(&bytes), 1, 1, want);
        ln_buf_free(&bytes);
    }
}

TEST(good_text) {
    for (size_t i = 0; i < LN_COUNT(good); i++) {
        char want[80];
        snprintf(want, sizeof want, "text \"%.*s\"", LN_FMT(good[i]));
        CASE(want, {TEXT, good[i]});
        in_fragments(good[i], want);
    }
}

TEST(bad_text) {
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        CASE("broken 1007 8.1", {TEXT, bad[i]}, {PING, S("")});
        in_fragments(bad[i], "broken 1007 8.1");
    }
}

TEST(text_that_ends_inside_a_character) {
    for (size_t i = 0; i < LN_COUNT(cut); i++) {
        CASE("broken 1007 8.1", {TEXT, cut[i]}, {PING, S("")});
        in_fragments(cut[i], "broken 1007 8.1");
    }
}

/* 6.4: without waiting for the last fragment. */
TEST(bad_text_is_found_early) {
    for (size_t i = 0; i < LN_COUNT(bad); i++)
        CASE("broken 1007 8.1", {TEXT_MORE, bad[i]});
    CASE("broken 1007 8.1", {TEXT_MORE, S("ok\xf4")}, {CONT_MORE, S("\x90")});
    CASE("broken 1007 8.1", {TEXT_MORE, S("ok\xed")}, {CONT_MORE, S("\xa0")}, {CONT, S("")});
    for (size_t i = 0; i < LN_COUNT(cut); i++)
        CASE("ping \"still fine\"", {TEXT_MORE, cut[i]}, {PING, S("still fine")});
}

TEST(a_control_frame_inside_a_character) {
    CASE("ping \"\xff\" | text \"\xe2\x82\xac\"", {TEXT_MORE, S("\xe2")}, {PING, S("\xff")},
         {CONT_MORE, S("\x82")}, {CONT, S("\xac")});
}

/* One message's broken end must not leak into the next; bytes of binary are free. */
TEST(state_begins_anew) {
    CASE("text \"\xc3\xa4\" | text \"\xc3\xa4\"", {TEXT_MORE, S("\xc3")}, {CONT, S("\xa4")},
         {TEXT_MORE, S("\xc3")}, {CONT, S("\xa4")});
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        char want[120];
        snprintf(want, sizeof want, "binary \"%.*s\" | text \"a\"", LN_FMT(bad[i]));
        CASE(want, {BIN, bad[i]}, {TEXT, S("a")});
        CASE(want, {BIN_MORE, bad[i]}, {CONT, S("")}, {TEXT_MORE, S("a")}, {CONT, S("")});
    }
}

TEST_MAIN(T(good_text), T(bad_text), T(text_that_ends_inside_a_character),
          T(bad_text_is_found_early), T(a_control_frame_inside_a_character), T(state_begins_anew))
