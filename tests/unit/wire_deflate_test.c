/* SPDX-License-Identifier: MIT
 *
 * permessage-deflate: what is agreed, messages both ways (the examples of RFC 7692 among them),
 * bombs, damage, and what compression must not cost.
 */
#include <zlib.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "ws_feed.h"

enum { PACKED = 0x40 };

static void with(bool keeps) {
    feed_zip = ws_zip_new();
    feed_deflate = (struct ws_deflate){.on = true, .keeps = keeps, .bits = 15};
}
static void without(void) {
    ws_zip_free(feed_zip);
    feed_zip = NULL;
    feed_limit = 32 * 1024 * 1024;
}

/* --- what is agreed --- */

static void check_choice(const char *offers, int bits, const char *answer) {
    struct ws_deflate d;
    struct ln_buf out = {0};
    bool ok = ws_deflate_choose(ln_str(offers), &d, &out);
    CHECK(ok == (bits != 0) && d.on == ok && !d.keeps);
    CHECK_INT(d.bits, bits);
    if (!ln_str_is(ln_buf_get(&out), answer)) {
        CHECK_STR(ln_str(offers), "");
        CHECK_STR(ln_buf_get(&out), answer);
    }
    ln_buf_free(&out);
}

TEST(a_server_takes_the_first_offer_that_it_can) {
#define NONE "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    check_choice("permessage-deflate", 15, NONE);
    check_choice("permessage-deflate; client_max_window_bits", 15, NONE); /* browsers */
    check_choice(" x-other; a=\"1,2\" ,permessage-deflate;client_max_window_bits=10", 15, NONE);
    check_choice("permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                 "client_max_window_bits; server_max_window_bits=\"12\"",
                 12, NONE "; server_max_window_bits=12");
    check_choice("permessage-deflate; server_max_window_bits=8, permessage-deflate", 15, NONE);
    check_choice("permessage-deflate; server_max_window_bits=8", 0, "");
    check_choice("permessage-deflate; what=1, permessage-deflate; server_max_window_bits=9", 9,
                 NONE "; server_max_window_bits=9");
}

TEST(malformed_offers_are_no_offers) {
    static const char *const bad[] = {"",
                                      ",",
                                      "deflate-frame",
                                      "x-webkit-deflate-frame",
                                      "PERMESSAGE-DEFLATE",
                                      "permessage-deflate x",
                                      "permessage-deflate;",
                                      "permessage-deflate; ;",
                                      "permessage-deflate=1",
                                      "permessage-deflate; server_max_window_bits",
                                      "permessage-deflate; server_max_window_bits=",
                                      "permessage-deflate; server_max_window_bits=7",
                                      "permessage-deflate; server_max_window_bits=16",
                                      "permessage-deflate; server_max_window_bits=010",
                                      "permessage-deflate; server_max_window_bits=+9",
                                      "permessage-deflate; server_max_window_bits=\"9",
                                      "permessage-deflate; server_max_window_bits=9x",
                                      "permessage-deflate; client_max_window_bits=99",
                                      "permessage-deflate; server_no_context_takeover=1",
                                      "permessage-deflate; client_no_context_takeover=\"\"",
                                      "permessage-deflate; client_max_window_bits; "
                                      "client_max_window_bits",
                                      "permessage-deflate; server_no_context_takeover; "
                                      "server_no_context_takeover"};
    for (size_t i = 0; i < LN_COUNT(bad); i++)
        check_choice(bad[i], 0, "");
}

static void check_answer(const char *answer, bool ok, bool keeps) {
    struct ws_deflate d;
    struct ln_err err = {0};
    CHECK_INT(ws_deflate_agreed(ln_str(answer), &d, &err), ok);
    CHECK(d.on == ok && d.keeps == keeps);
    if (ok) CHECK_INT(d.bits, 15);
    if (!ok) CHECK_HAS(err.text, "the server answered the offer of permessage-deflate with \"");
}

TEST(a_client_takes_only_what_it_offered) {
    check_answer("permessage-deflate", true, true);
    check_answer("permessage-deflate; client_no_context_takeover", true, true);
    check_answer("permessage-deflate;server_no_context_takeover ; server_max_window_bits=8", true,
                 false);
    check_answer("permessage-deflate; client_max_window_bits=15", false, false);
    check_answer("permessage-deflate; client_max_window_bits", false, false);
    check_answer("permessage-deflate; server_max_window_bits=20", false, false);
    check_answer("permessage-deflate, permessage-deflate", false, false);
    check_answer("permessage-bzip2", false, false);
    check_answer("permessage-deflate; \x1b[2J", false, false);
}

/* --- reading --- */

TEST(the_examples_of_the_standard) {
    with(true);
    /* 7.2.3.1: one frame, and the same in two */
    CASE("text \"Hello\"", {TEXT | PACKED, LN_STR("\xf2\x48\xcd\xc9\xc9\x07\x00")});
    CASE("text \"Hello\"", {TEXT_MORE | PACKED, LN_STR("\xf2\x48\xcd")},
         {CONT, LN_STR("\xc9\xc9\x07\x00")});
    /* 7.2.3.2: the second refers to the first */
    CASE("text \"Hello\" | text \"Hello\"", {TEXT | PACKED, LN_STR("\xf2\x48\xcd\xc9\xc9\x07\x00")},
         {TEXT | PACKED, LN_STR("\xf2\x00\x11\x00\x00")});
    /* 7.2.3.3: no compression; 7.2.3.4: a final block; 7.2.3.5: two blocks */
    CASE("text \"Hello\"", {TEXT | PACKED, LN_STR("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00")});
    CASE("text \"Hello\" | text \"Hello\"",
         {TEXT | PACKED, LN_STR("\xf3\x48\xcd\xc9\xc9\x07\x00\x00")},
         {TEXT | PACKED, LN_STR("\xf2\x48\xcd\xc9\xc9\x07\x00")});
    CASE("text \"Hello\"",
         {TEXT | PACKED, LN_STR("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")});
    CASE("text \"\"", {TEXT | PACKED, LN_STR("\x00")}); /* 7.2.3.6 */
    without();
}

TEST(who_promised_to_forget_may_not_refer_to_what_was) {
    with(false);
    CASE("text \"Hello\" | broken 1007 7.2.2",
         {TEXT | PACKED, LN_STR("\xf2\x48\xcd\xc9\xc9\x07\x00")},
         {TEXT | PACKED, LN_STR("\xf2\x00\x11\x00\x00")});
    without();
}

TEST(plain_and_compressed_messages_mix) {
    with(false);
    CASE("text \"plain\" | binary \"Hello\" | text \"ab\" | ping \"p\" | text \"Hello\"",
         {TEXT, LN_STR("plain")}, {BIN | PACKED, LN_STR("\xf2\x48\xcd\xc9\xc9\x07\x00")},
         {TEXT_MORE, LN_STR("a")}, {CONT, LN_STR("b")}, {PING, LN_STR("p")},
         {TEXT | PACKED, LN_STR("\xf2\x48\xcd\xc9\xc9\x07\x00")});
    CASE("ping \"\" | pong \"x\" | text \"Hello\" | close 1000 \"\"",
         {TEXT_MORE | PACKED, LN_STR("\xf2\x48\xcd")}, {PING, LN_STR("")}, {CONT_MORE, LN_STR("")},
         {PONG, LN_STR("x")}, {CONT, LN_STR("\xc9\xc9\x07\x00")}, {CLOSE, LN_STR("\x03\xe8")});
    without();
}

TEST(the_marks_must_be_where_they_belong) {
    with(false);
    CASE("broken 1002 6.1", {PING | PACKED, LN_STR("")});
    CASE("broken 1002 6.1", {CLOSE | PACKED, LN_STR("\x03\xe8")});
    CASE("broken 1002 6.1", {TEXT_MORE | PACKED, LN_STR("\xf2\x48\xcd")},
         {CONT | PACKED, LN_STR("\xc9\xc9\x07\x00")});
    CASE("broken 1002 6.1", {TEXT_MORE, LN_STR("a")}, {CONT | PACKED, LN_STR("b")});
    CASE("broken 1002 5.2", {TEXT | 0x20, LN_STR("a")});
    CASE("broken 1002 5.2", {TEXT | PACKED | 0x10, LN_STR("a")});
    CASE("broken 1002 5.4", {TEXT_MORE | PACKED, LN_STR("\xf2")}, {TEXT | PACKED, LN_STR("\x00")});
    without();
    CASE("broken 1002 5.2", {TEXT | PACKED, LN_STR("\xf2\x48\xcd\xc9\xc9\x07\x00")});
}

TEST(damage_is_told) {
    with(true);
    CASE("broken 1007 7.2.2", {TEXT | PACKED, LN_STR("\x07garbage")}); /* block type 3 */
    CASE("broken 1007 7.2.2", {TEXT | PACKED, LN_STR("\x00\x05\x00\xff\xff")});
    CASE("broken 1007 7.2.2", {TEXT | PACKED, LN_STR("\xf2\x48\xcd")}); /* cut */
    CASE("broken 1007 7.2.2", {TEXT | PACKED, LN_STR("")});
    CASE("broken 1007 7.2.2", {TEXT_MORE | PACKED, LN_STR("\xf2\x48")}, {CONT, LN_STR("")});
    CASE("broken 1007 8.1", /* "\xff", stored */
         {TEXT | PACKED, LN_STR("\x00\x01\x00\xfe\xff\xff\x00")});
    CASE("binary \"\xff\"", {BIN | PACKED, LN_STR("\x00\x01\x00\xfe\xff\xff\x00")});
    without();
}

/* Bytes that no compression makes shorter, none of them 0. */
static void make_noise(struct ln_buf *out, size_t n) {
    char *p = ln_buf_room(out, n);
    ln_random(p, n);
    for (size_t i = 0; i < n; i++)
        if (!p[i]) p[i] = 1;
    out->n += n;
}

/* What a peer with a window of that size would send for these bytes. */
static void deflated(struct ln_buf *out, struct ln_str in, int bits) {
    z_stream z = {0};
    CHECK_INT(deflateInit2(&z, 9, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, in.n) + 64;
    z.next_out = (unsigned char *)ln_buf_room(out, room);
    z.avail_out = (unsigned)room;
    z.next_in = (unsigned char *)(uintptr_t)in.p;
    z.avail_in = (unsigned)in.n;
    CHECK_INT(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    out->n = room - z.avail_out - 4;
    deflateEnd(&z);
}

TEST(a_bomb_ends_at_the_limit) {
    static char same[4 << 20];
    struct ln_buf bomb = {0};
    with(false);
    memset(same, 'z', sizeof same);
    deflated(&bomb, (struct ln_str){same, sizeof same}, 15);
    CHECK(bomb.n < 5000);
    feed_limit = 100000;
    CASE("broken 1009 7.4.1", {BIN | PACKED, ln_buf_get(&bomb)});
    struct ln_str half = {bomb.p, bomb.n / 2};
    CASE("broken 1009 7.4.1", {BIN_MORE | PACKED, half}); /* not waited for the end */
    feed_limit = sizeof same;
    struct ln_buf bytes = {0}, out = {0};
    add_frame(&bytes, false, BIN | PACKED, ln_buf_get(&bomb));
    feed(false, ln_buf_get(&bytes), bytes.n, bytes.n, &out);
    CHECK(out.n > sizeof same); /* exactly as much as may be */
    ln_buf_free(&out);
    ln_buf_free(&bytes);
    ln_buf_free(&bomb);
    without();
}

TEST(what_grows_by_compression_may_be_as_long_as_what_does_not) {
    struct ln_buf stored = {0}, noise = {0}, bytes = {0}, out = {0};
    enum { SIZE = 70000 };
    with(false);
    make_noise(&noise, SIZE);
    deflated(&stored, ln_buf_get(&noise), 15);
    CHECK(stored.n > SIZE);
    feed_limit = SIZE;
    add_frame(&bytes, true, BIN | PACKED, ln_buf_get(&stored));
    feed(true, ln_buf_get(&bytes), 1000, 1000, &out);
    CHECK(out.n > SIZE);
    ln_buf_clear(&bytes);
    ln_buf_clear(&out);
    add_frame(&bytes, true, BIN | PACKED, pattern(2 * SIZE)); /* but no more than that */
    feed(true, (struct ln_str){bytes.p, 20}, 20, 20, &out);
    CHECK_STR(ln_buf_get(&out), "broken 1009 7.4.1");
    ln_buf_free(&stored);
    ln_buf_free(&noise);
    ln_buf_free(&bytes);
    ln_buf_free(&out);
    without();
}

/* --- writing, and reading it again --- */

static void check_round(bool mask, struct ln_str message, size_t cut, bool shorter) {
    struct ln_buf frame = {0}, out = {0}, want = {0};
    struct ln_str pieces[3] = {{message.p, cut}, {NULL, 0}, {message.p + cut, message.n - cut}};
    struct ws_event ev = {.op = WS_BINARY, .data = message};
    ws_write_deflated(&frame, mask, WS_BINARY, pieces, 3, feed_zip, &feed_deflate);
    CHECK_INT((unsigned char)frame.p[0], shorter ? (BIN | PACKED) : BIN);
    CHECK(!shorter || frame.n < message.n);
    feed(mask, ln_buf_get(&frame), 1, 700, &out);
    describe(&want, WS_MESSAGE, &ev);
    CHECK(ln_str_eq(ln_buf_get(&out), ln_buf_get(&want)));
    ln_buf_free(&frame);
    ln_buf_free(&out);
    ln_buf_free(&want);
}

TEST(what_is_written_is_what_is_read) {
    static const size_t sizes[] = {1024, 1025, 4096, 65535, 65536, 100000, 1000000};
    for (uint8_t bits = 9; bits <= 15; bits++) {
        with(bits & 1);
        feed_deflate.bits = bits;
        for (size_t i = 0; i < LN_COUNT(sizes); i++)
            check_round(i & 1, pattern(sizes[i]), sizes[i] / 3, true);
        without();
    }
}

TEST(what_gains_nothing_goes_as_it_is) {
    struct ln_buf noise = {0};
    with(false);
    check_round(true, pattern(0), 0, false);
    check_round(true, pattern(1023), 10, false);
    make_noise(&noise, 300000);
    check_round(true, ln_buf_get(&noise), 299999, false);
    noise.n = 1024;
    check_round(false, ln_buf_get(&noise), 1024, false);
    feed_deflate.on = false;
    check_round(true, pattern(5000), 10, false);
    ln_buf_free(&noise);
    without();
}

/* What was compressed last is kept for the next line, and taken for nothing else. */
TEST(a_broadcast_is_the_same_for_everybody) {
    struct ln_buf a = {0}, b = {0}, noise = {0}, other = {0};
    struct ln_str text = pattern(4000), halves[2] = {{text.p, 2000}, {text.p + 2000, 2000}};
    with(false);
    ws_write_deflated(&a, false, WS_TEXT, &text, 1, feed_zip, &feed_deflate);
    ws_write_deflated(&b, false, WS_TEXT, halves, 2, feed_zip, &feed_deflate);
    CHECK(ln_str_eq(ln_buf_get(&a), ln_buf_get(&b)) && a.n < 500);
    ln_buf_str(&other, text);
    other.p[3999] ^= 1; /* as long, and not the same */
    check_round(false, ln_buf_get(&other), 100, true);
    check_round(true, text, 100, true);
    feed_deflate.bits = 9;
    check_round(false, text, 100, true);
    make_noise(&noise, 5000);
    for (int i = 0; i < 2; i++)
        check_round(false, ln_buf_get(&noise), 100, false);
    check_round(false, text, 100, true);
    ln_buf_free(&a);
    ln_buf_free(&b);
    ln_buf_free(&noise);
    ln_buf_free(&other);
    without();
}

/* A window of 512 bytes is all that a peer may have asked us to use (7.1.2.1). */
TEST(our_window_is_as_small_as_was_agreed) {
    struct ln_buf text = {0}, frame = {0};
    with(false);
    make_noise(&text, 2000);
    ln_buf_room(&text, 2000);
    memcpy(text.p + 2000, text.p, 2000); /* a repetition 2000 bytes away */
    text.n = 4000;
    struct ln_str all = ln_buf_get(&text);
    feed_deflate.bits = 15;
    ws_write_deflated(&frame, false, WS_BINARY, &all, 1, feed_zip, &feed_deflate);
    CHECK(frame.n < 2200);
    ln_buf_clear(&frame);
    feed_deflate.bits = 9;
    ws_write_deflated(&frame, false, WS_BINARY, &all, 1, feed_zip, &feed_deflate);
    CHECK_INT(frame.n, 4004); /* out of sight */
    ln_buf_free(&text);
    ln_buf_free(&frame);
    without();
}

#ifdef __SANITIZE_ADDRESS__
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                              void (*)(const volatile void *));
static int allocations;
static void on_malloc(const volatile void *p, size_t n) {
    (void)p, (void)n;
    allocations++;
}
static void on_free(const volatile void *p) {
    (void)p;
}
#endif

TEST(no_message_allocates_once_it_runs) {
#ifdef __SANITIZE_ADDRESS__
    static bool is_hooked;
    struct ws_parser w[2];
    struct ln_buf frame = {0};
    struct ln_str message = pattern(20000);
    with(false);
    if (!is_hooked) __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    is_hooked = true;
    for (int i = 0; i < 2; i++) {
        ws_parser_init(&w[i], true, 1 << 20);
        ws_parser_deflate(&w[i], feed_zip, &feed_deflate);
    }
    for (int round = 0; round < 6; round++) {
        struct ws_event ev;
        size_t used;
        if (round == 2) allocations = 0; /* each buffer has its size by now */
        ln_buf_clear(&frame);
        ws_write_deflated(&frame, true, WS_TEXT, &message, 1, feed_zip, &feed_deflate);
        CHECK_INT(ws_parse(&w[round & 1], frame.p, frame.n, &used, &ev), WS_MESSAGE);
        CHECK(ln_str_eq(ev.data, message));
        ws_parser_idle(&w[round & 1]);
        CHECK_INT(w[round & 1].begun->message.cap, 0);
    }
    CHECK_INT(allocations, 0);
    ws_parser_free(&w[0]);
    ws_parser_free(&w[1]);
    ln_buf_free(&frame);
    without();
#endif
}

TEST_MAIN(T(a_server_takes_the_first_offer_that_it_can), T(malformed_offers_are_no_offers),
          T(a_client_takes_only_what_it_offered), T(the_examples_of_the_standard),
          T(who_promised_to_forget_may_not_refer_to_what_was), T(plain_and_compressed_messages_mix),
          T(the_marks_must_be_where_they_belong), T(damage_is_told), T(a_bomb_ends_at_the_limit),
          T(what_grows_by_compression_may_be_as_long_as_what_does_not),
          T(what_is_written_is_what_is_read), T(what_gains_nothing_goes_as_it_is),
          T(a_broadcast_is_the_same_for_everybody), T(our_window_is_as_small_as_was_agreed),
          T(no_message_allocates_once_it_runs))
