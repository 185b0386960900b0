/* SPDX-License-Identifier: MIT
 *
 * The buffer over every border of growth, against a plain array as the model.
 */
#include "test.h"

#include <limits.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/mem.h"

TEST(empty) {
    struct ln_buf b = {0};
    CHECK_INT(ln_buf_get(&b).n, 0);
    ln_buf_clear(&b);
    ln_buf_consume(&b, 0);
    ln_buf_add(&b, NULL, 0);
    ln_buf_str(&b, (struct ln_str){NULL, 0});
    CHECK(b.p == NULL);
    CHECK_STR(ln_str(ln_buf_cstr(&b)), "");
    CHECK_INT(b.n, 0);
    ln_buf_free(&b);
    ln_buf_free(&b);
    ln_buf_puts(&b, "usable after free");
    CHECK_STR(ln_buf_get(&b), "usable after free");
    ln_buf_free(&b);
}

TEST(grows_at_every_size) {
    for (size_t total = 0; total < 70; total++) {
        struct ln_buf one = {0}, piece = {0};
        for (size_t i = 0; i < total; i++)
            ln_buf_putc(&one, (char)('a' + i % 26));
        for (size_t i = 0; i < total; i += 3)
            ln_buf_add(&piece, "abcdefghijklmnopqrstuvwxyzab" + i % 26, LN_MIN(3, total - i));
        CHECK_INT(one.n, total);
        CHECK(ln_str_eq(ln_buf_get(&one), ln_buf_get(&piece)));
        CHECK_INT(strlen(ln_buf_cstr(&one)), total);
        CHECK_INT(one.n, total);
        ln_buf_free(&one);
        ln_buf_free(&piece);
    }
}

TEST(room_then_commit) {
    struct ln_buf b = {0};
    memcpy(ln_buf_room(&b, 5), "hello", 5);
    CHECK_INT(b.n, 0);
    b.n += 5;
    memcpy(ln_buf_room(&b, 300), " you", 4);
    b.n += 4;
    CHECK_STR(ln_buf_get(&b), "hello you");
    CHECK(ln_buf_room(&b, 0) == b.p + b.n);
    ln_buf_free(&b);
    CHECK(ln_buf_room(&b, 0) != NULL);
    ln_buf_free(&b);
}

TEST(formats) {
    struct ln_buf b = {0};
    ln_buf_fmt(&b, "%s", "");
    CHECK_INT(b.n, 0);
    for (int width = 1; width < 40; width++) {
        ln_buf_clear(&b);
        ln_buf_puts(&b, "ab");
        ln_buf_fmt(&b, "%*d|", width, 7);
        CHECK_INT(b.n, 2 + width + 1);
        CHECK(b.p[b.n - 1] == '|' && b.p[b.n - 2] == '7');
    }
    ln_buf_free(&b);
}

static void check_int(int64_t v) {
    struct ln_buf b = {0};
    char want[32];
    snprintf(want, sizeof want, "%" PRId64, v);
    ln_buf_int(&b, v);
    CHECK_STR(ln_buf_get(&b), want);
    ln_buf_free(&b);
}

TEST(integers) {
    check_int(INT64_MIN);
    check_int(INT64_MAX);
    for (int64_t v = 1; v > 0 && v < INT64_MAX / 10; v *= 10) {
        check_int(v - 1);
        check_int(v);
        check_int(-v);
        check_int(1 - v);
    }
}

TEST(consume_to_empty_takes_the_room_back) {
    struct ln_buf b = {0};
    ln_buf_puts(&b, "0123456789");
    size_t cap = b.cap;
    ln_buf_consume(&b, 4);
    CHECK_STR(ln_buf_get(&b), "456789");
    CHECK_INT(b.off, 4);
    ln_buf_consume(&b, 6);
    CHECK_INT(b.n, 0);
    CHECK_INT(b.off, 0);
    CHECK_INT(b.cap, cap);
    ln_buf_puts(&b, "x");
    ln_buf_puts(&b, "yz");
    ln_buf_consume(&b, 1);
    ln_buf_clear(&b);
    CHECK_INT(b.cap, cap);
    ln_buf_free(&b);
}

TEST(a_queue_stays_small) {
    struct ln_buf b = {0};
    for (int i = 0; i < 10000; i++) {
        ln_buf_puts(&b, "0123456789");
        if (i > 0) ln_buf_consume(&b, 10);
        CHECK_INT(b.n, 10);
    }
    CHECK(b.cap + b.off <= 512);
    ln_buf_free(&b);
}

TEST(take_hands_over) {
    struct ln_buf b = {0};
    size_t n = 99;
    char *p = ln_buf_take(&b, &n);
    CHECK_STR(ln_str(p), "");
    CHECK_INT(n, 0);
    ln_free(p);
    ln_buf_puts(&b, "abcdef");
    ln_buf_consume(&b, 2);
    p = ln_buf_take(&b, &n);
    CHECK_STR(ln_str(p), "cdef");
    CHECK_INT(n, 4);
    ln_free(p);
    CHECK(b.p == NULL && b.n == 0 && b.cap == 0 && b.off == 0);
    ln_buf_puts(&b, "again");
    p = ln_buf_take(&b, NULL);
    CHECK_STR(ln_str(p), "again");
    ln_free(p);
}

TEST(as_the_model) {
    static char model[100000];
    size_t from = 0, to = 0;
    struct ln_buf b = {0};
    ln_random_fake(7);
    for (int i = 0; i < 4000; i++) {
        uint32_t r = ln_random_u32();
        size_t n = r % 23;
        if (r & 0x10000) {
            for (size_t k = 0; k < n; k++)
                model[to + k] = (char)(i + (int)k);
            ln_buf_add(&b, model + to, n);
            to += n;
        } else {
            n = LN_MIN(n, to - from);
            ln_buf_consume(&b, n);
            from += n;
        }
        CHECK(ln_str_eq(ln_buf_get(&b), (struct ln_str){model + from, to - from}));
    }
    CHECK(to > 10000);
    ln_random_fake(0);
    ln_buf_free(&b);
}

TEST_MAIN(T(empty), T(grows_at_every_size), T(room_then_commit), T(formats), T(integers),
          T(consume_to_empty_takes_the_room_back), T(a_queue_stays_small), T(take_hands_over),
          T(as_the_model))
