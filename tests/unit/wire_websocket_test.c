/* SPDX-License-Identifier: MIT
 *
 * The WebSocket parser in the groups of the Autobahn list: framing, pings, reserved bits, opcodes,
 * fragments, closing, limits, and bytes that no honest peer sends. UTF-8 (group 6) has a file of
 * its own.
 */
#include "ws_feed.h"

#define E LN_STR("")

/* Groups 1 and 9: the sizes around each form of the length. */
TEST(sizes) {
    static const size_t sizes[] = {125, 126, 127, 128, 65535, 65536, 65536 + 1};
    CASE("text \"\"", {TEXT, E});
    CASE("binary \"\"", {BIN, E});
    CASE("text \"a\" | binary \"b\"", {TEXT, LN_STR("a")}, {BIN, LN_STR("b")});
    CASE("text \"abcdefgh\" | text \"abcdefghi\"", {TEXT, LN_STR("abcdefgh")},
         {TEXT, LN_STR("abcdefghi")});
    for (size_t i = 0; i < LN_COUNT(sizes); i++) {
        char want[60];
        struct ln_str body = pattern(sizes[i]);
        snprintf(want, sizeof want, "text #%zu | text \"z\"", body.n);
        CASE(want, {TEXT, body}, {TEXT, LN_STR("z")});
        snprintf(want, sizeof want, "binary #%zu", body.n);
        CASE(want, {BIN, body});
    }
}

TEST(big_messages) {
    CASE("text #1048576", {TEXT, pattern(1 << 20)});
    CASE("binary #4194304 | ping \"x\"", {BIN, pattern(4 << 20)}, {PING, LN_STR("x")});
}

/* Groups 9.3 to 9.6 and 10: one message in many fragments. */
TEST(big_messages_in_fragments) {
    static const size_t pieces[] = {64, 1300, 65536};
    for (int server = 0; server < 2; server++) {
        for (size_t i = 0; i < LN_COUNT(pieces); i++) {
            struct ln_buf bytes = {0};
            struct ln_str body = pattern(300000);
            for (size_t at = 0; at < body.n; at += pieces[i]) {
                size_t n = LN_MIN(pieces[i], body.n - at);
                add_frame(&bytes, server, (at ? CONT_MORE : TEXT_MORE),
                          (struct ln_str){body.p + at, n});
            }
            add_frame(&bytes, server, CONT, E);
            feed_all(server, ln_buf_get(&bytes), "text #300000");
            ln_buf_free(&bytes);
        }
    }
}

/* What a read brought whole is not copied; the rest is. */
TEST(whole_frames_are_lent) {
    for (int server = 0; server < 2; server++) {
        struct ln_buf bytes = {0}, out = {0};
        for (int i = 0; i < 10; i++)
            add_frame(&bytes, server, TEXT, LN_STR("hello, world"));
        feed(server, ln_buf_get(&bytes), bytes.n, bytes.n, &out);
        CHECK_INT(feed_lent_inside, 10);
        feed(server, ln_buf_get(&bytes), bytes.n - 1, 1, &out);
        CHECK_INT(feed_lent_inside, 9);
        ln_buf_free(&bytes);
        ln_buf_free(&out);
    }
}

TEST(room_is_given_back) {
    struct ws_parser w;
    struct ws_event ev;
    struct ln_buf bytes = {0};
    size_t used;
    ws_parser_init(&w, false, feed_limit);
    add_frame(&bytes, false, TEXT_MORE, pattern(50000));
    add_frame(&bytes, false, CONT, E);
    CHECK_INT(ws_parse(&w, bytes.p, 100, &used, &ev), WS_MORE);
    CHECK_INT(ws_parse(&w, bytes.p + 100, bytes.n - 100, &used, &ev), WS_MESSAGE);
    CHECK_INT(ev.data.n, 50000);
    CHECK(w.begun->partial.cap >= 50000 && w.begun->message.cap >= 50000);
    CHECK_INT(ws_parse(&w, NULL, 0, &used, &ev), WS_MORE);
    CHECK(w.begun->partial.cap <= 1024 && w.begun->message.cap <= 1024);
    ws_parser_idle(&w);
    CHECK(!w.begun);
    ws_parser_free(&w);
    ln_buf_free(&bytes);
}

/* Group 2. */
TEST(pings) {
    CASE("ping \"\"", {PING, E});
    CASE("ping \"Hello\"", {PING, LN_STR("Hello")});
    CASE("ping \"\x01\xff\xfe\"", {PING, LN_STR("\x01\xff\xfe")});
    CASE("ping #125", {PING, pattern(125)});
    CASE("broken 1002 5.5", {PING, pattern(126)});
    CASE("broken 1002 5.5", {PONG, pattern(126)});
    CASE("pong \"unasked\" | ping \"a\" | pong \"\"", {PONG, LN_STR("unasked")},
         {PING, LN_STR("a")}, {PONG, E});
    CASE("ping \"0\" | ping \"1\" | ping \"2\" | text \"x\" | ping \"3\"", {PING, LN_STR("0")},
         {PING, LN_STR("1")}, {PING, LN_STR("2")}, {TEXT, LN_STR("x")}, {PING, LN_STR("3")});
}

/* Group 3: each combination, on each kind of frame. */
TEST(reserved_bits) {
    static const int kinds[] = {TEXT, BIN, CONT, CLOSE, PING, PONG, TEXT_MORE};
    for (size_t k = 0; k < LN_COUNT(kinds); k++)
        for (int bits = 1; bits < 8; bits++)
            CASE("text \"ok\" | broken 1002 5.2", {TEXT, LN_STR("ok")},
                 {kinds[k] | bits << 4, LN_STR("x")}, {PING, E});
}

/* Group 4. */
TEST(reserved_opcodes) {
    static const int ops[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};
    for (size_t i = 0; i < LN_COUNT(ops); i++) {
        CASE("broken 1002 5.2", {0x80 | ops[i], E});
        CASE("broken 1002 5.2", {ops[i], LN_STR("x")});
        CASE("text \"a\" | broken 1002 5.2", {TEXT, LN_STR("a")}, {0x80 | ops[i], LN_STR("x")},
             {PING, E});
        CASE("broken 1002 5.2", {TEXT_MORE, LN_STR("a")}, {0x80 | ops[i], LN_STR("x")});
    }
}

/* Group 5. */
TEST(fragments) {
    CASE("text \"ab\"", {TEXT_MORE, LN_STR("a")}, {CONT, LN_STR("b")});
    CASE("binary \"abc\"", {BIN_MORE, LN_STR("a")}, {CONT_MORE, LN_STR("b")}, {CONT, LN_STR("c")});
    CASE("text \"\"", {TEXT_MORE, E}, {CONT_MORE, E}, {CONT, E});
    CASE("text \"mid\"", {TEXT_MORE, E}, {CONT_MORE, LN_STR("mid")}, {CONT, E});
    CASE("ping \"p\" | text \"ab\"", {TEXT_MORE, LN_STR("a")}, {PING, LN_STR("p")},
         {CONT, LN_STR("b")});
    CASE("ping \"p\" | pong \"q\" | text \"abc\" | text \"d\"", {TEXT_MORE, LN_STR("a")},
         {PING, LN_STR("p")}, {CONT_MORE, LN_STR("b")}, {PONG, LN_STR("q")}, {CONT, LN_STR("c")},
         {TEXT, LN_STR("d")});
    CASE("text \"ab\" | binary \"cd\"", {TEXT_MORE, LN_STR("a")}, {CONT, LN_STR("b")},
         {BIN_MORE, LN_STR("c")}, {CONT, LN_STR("d")});
}

TEST(bad_fragments) {
    CASE("broken 1002 5.5", {PING & 0x7f, LN_STR("a")}, {CONT, LN_STR("b")});
    CASE("broken 1002 5.5", {PONG & 0x7f, LN_STR("a")}, {CONT, LN_STR("b")});
    CASE("broken 1002 5.5", {CLOSE & 0x7f, E});
    CASE("broken 1002 5.4", {CONT, LN_STR("a")});
    CASE("broken 1002 5.4", {CONT_MORE, LN_STR("a")}, {TEXT, LN_STR("b")});
    CASE("broken 1002 5.4", {CONT, E}, {TEXT, LN_STR("b")});
    CASE("text \"ab\" | broken 1002 5.4", {TEXT_MORE, LN_STR("a")}, {CONT, LN_STR("b")},
         {CONT, LN_STR("c")});
    CASE("broken 1002 5.4", {TEXT_MORE, LN_STR("a")}, {TEXT, LN_STR("b")});
    CASE("broken 1002 5.4", {TEXT_MORE, LN_STR("a")}, {TEXT_MORE, LN_STR("b")});
    CASE("broken 1002 5.4", {TEXT_MORE, LN_STR("a")}, {BIN, LN_STR("b")});
    CASE("ping \"\" | broken 1002 5.4", {BIN_MORE, E}, {PING, E}, {BIN, E});
}

/* Group 7. */
TEST(closing) {
    CASE("close 1005 \"\"", {CLOSE, E});
    CASE("close 1000 \"\"", {CLOSE, LN_STR("\x03\xe8")});
    CASE("close 1000 \"Hello World!\"", {CLOSE, LN_STR("\x03\xe8Hello World!")});
    CASE("close 1000 \"\xc3\xa4\"", {CLOSE, LN_STR("\x03\xe8\xc3\xa4")});
    CASE("broken 1002 5.5.1", {CLOSE, LN_STR("\x03")});
    CASE("broken 1007 5.5.1", {CLOSE, LN_STR("\x03\xe8\xc3")});
    CASE("broken 1007 5.5.1", {CLOSE, LN_STR("\x03\xe8\xed\xa0\x80")});
    CASE("broken 1002 5.5", {CLOSE, pattern(126)});
    char body[125] = {0x03, (char)0xe8}, want[200];
    memset(body + 2, 'r', 123);
    snprintf(want, sizeof want, "close 1000 \"%.123s\"", body + 2);
    CASE(want, {CLOSE, {body, 125}});
}

TEST(nothing_counts_behind_a_close) {
    CASE("text \"a\" | close 1005 \"\"", {TEXT, LN_STR("a")}, {CLOSE, E}, {TEXT, LN_STR("b")});
    CASE("close 1005 \"\"", {CLOSE, E}, {CLOSE, E});
    CASE("close 1001 \"\"", {CLOSE, LN_STR("\x03\xe9")}, {PING, LN_STR("p")});
    CASE("close 1005 \"\"", {TEXT_MORE, LN_STR("a")}, {CLOSE, E}, {CONT, LN_STR("b")});
    CASE("close 1005 \"\"", {CLOSE, E}, {0xff, LN_STR("garbage")});
    CASE("broken 1002 5.2", {0xff, LN_STR("garbage")}, {CLOSE, E}, {TEXT, LN_STR("a")});
}

TEST(close_codes) {
    for (int code = 0; code < 65536; code++) {
        bool valid = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                     (code >= 3000 && code <= 4999);
        CHECK_INT(ws_code_valid(code), valid);
        if (code > 1020 && code % 499 != 0 && code != 2999) continue; /* and some with frames */
        char body[2] = {(char)(code >> 8), (char)code}, want[40];
        snprintf(want, sizeof want, valid ? "close %d \"\"" : "broken 1002 7.4", code);
        CASE(want, {CLOSE, {body, 2}});
    }
    CHECK(!ws_code_valid(-1));
    CHECK(!ws_code_valid(65536 + 1000));
}

/* 5.1: who masks. */
TEST(masks_by_role) {
    RAW(true, "\x81\x01x", "broken 1002 5.1");
    RAW(true, "\x89\x00", "broken 1002 5.1");
    RAW(false, "\x81\x81\x01\x02\x03\x04x", "broken 1002 5.1");
    RAW(false, "\x88\x80\x01\x02\x03\x04", "broken 1002 5.1");
    RAW(true, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "text \"Hello\""); /* RFC 6455 5.7 */
    RAW(false, "\x81\x05Hello", "text \"Hello\"");
}

/* 5.2: the minimal number of bytes must be used for a length. */
TEST(lengths_in_a_long_form) {
    static const struct {
        size_t n;
        int wide;
        bool good;
    } cases[] = {{0, 2, false},    {125, 2, false},   {126, 2, true},
                 {65535, 2, true}, {0, 8, false},     {125, 8, false},
                 {126, 8, false},  {65535, 8, false}, {65536, 8, true}};
    for (int server = 0; server < 2; server++) {
        for (size_t i = 0; i < LN_COUNT(cases); i++) {
            struct ln_buf bytes = {0};
            char want[40];
            snprintf(want, sizeof want, "text #%zu", cases[i].n);
            add_frame_wide(&bytes, server, TEXT, pattern(cases[i].n), cases[i].wide);
            feed_all(server, ln_buf_get(&bytes), cases[i].good ? want : "broken 1002 5.2");
            ln_buf_free(&bytes);
        }
    }
    RAW(false, "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x01", "broken 1002 5.2");
    RAW(false, "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "broken 1002 5.2");
    RAW(false, "\x89\x7e\x00\x7d", "broken 1002 5.5"); /* a ping in a long form */
}

/* The head alone is enough to refuse: not one byte of the payload was sent here. */
TEST(limits) {
    feed_limit = 1000;
    CASE("text #1000 | ping \"x\"", {TEXT, pattern(1000)}, {PING, LN_STR("x")});
    CASE("broken 1009 7.4.1", {TEXT, pattern(1001)});
    RAW(false, "\x82\x7e\x03\xe9", "broken 1009 7.4.1");
    RAW(false, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", "broken 1009 7.4.1");
    RAW(false, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "broken 1009 7.4.1");
    RAW(true, "\x82\xfe\x03\xe9", "broken 1009 7.4.1");
    CASE("binary #1000", {BIN_MORE, pattern(1000)}, {CONT_MORE, E}, {CONT, E});
    CASE("broken 1009 7.4.1", {BIN_MORE, pattern(1000)}, {CONT_MORE, LN_STR("x")});
    RAW(false, "\x02\x01x\x80\x7e\x03\xe8", "broken 1009 7.4.1"); /* 1 + 1000 */
    RAW(false, "\x02\x01x\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "broken 1009 7.4.1");
    /* a control frame between fragments is not counted */
    CASE("ping \"pppp\" | binary #1000", {BIN_MORE, pattern(1000)}, {PING, LN_STR("pppp")},
         {CONT, E});
    feed_limit = 0;
    CASE("text \"\" | ping \"x\"", {TEXT, E}, {PING, LN_STR("x")});
    CASE("broken 1009 7.4.1", {TEXT, LN_STR("x")});
    CASE("close 1000 \"bye\"", {CLOSE, LN_STR("\x03\xe8"
                                              "bye")});
    feed_limit = 32 * 1024 * 1024;
}

TEST(broken_is_final) {
    struct ws_parser w;
    struct ws_event ev;
    size_t used;
    char bad[] = "\x83\x00", good[] = "\x81\x01x";
    ws_parser_init(&w, false, 100);
    CHECK_INT(ws_parse(&w, bad, 2, &used, &ev), WS_BROKEN);
    CHECK_INT(ev.code, WS_PROTOCOL_ERROR);
    CHECK_HAS(ev.error, "reserved opcode (RFC 6455 5.2)");
    CHECK_INT(ws_parse(&w, good, 3, &used, &ev), WS_MORE);
    CHECK_INT(used, 3);
    ws_parser_free(&w);
}

TEST_MAIN(T(sizes), T(big_messages), T(big_messages_in_fragments), T(whole_frames_are_lent),
          T(room_is_given_back), T(pings), T(reserved_bits), T(reserved_opcodes), T(fragments),
          T(bad_fragments), T(closing), T(nothing_counts_behind_a_close), T(close_codes),
          T(masks_by_role), T(lengths_in_a_long_form), T(limits), T(broken_is_final))
