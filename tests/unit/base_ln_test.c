/* SPDX-License-Identifier: MIT
 *
 * Slices, status names, error texts and the list.
 */
#include "test.h"

#include "base/list.h"
#include "base/text.h"

TEST(slices) {
    struct ln_str none = {NULL, 0};
    CHECK(ln_str_eq(none, LN_STR("")));
    CHECK(ln_str_eq(ln_str(NULL), none));
    CHECK(ln_str_is(LN_STR("abc"), "abc"));
    CHECK(!ln_str_is(LN_STR("abc"), "abd"));
    CHECK(!ln_str_is(LN_STR("abc"), "ab"));
    CHECK(ln_str_starts(LN_STR("conn:chat"), "conn:"));
    CHECK(!ln_str_starts(LN_STR("con"), "conn:"));
    CHECK_INT(LN_STR("a\0b").n, 3);
}

TEST(status_names) {
    for (int i = 0; i < LN_STATUS_COUNT; i++) {
        const char *name = ln_status_name((ln_status)i);
        CHECK(name && *name);
        CHECK(strcmp(name, "unknown") != 0);
        for (int k = 0; k < i; k++)
            CHECK(strcmp(name, ln_status_name((ln_status)k)) != 0);
    }
    CHECK_STR(ln_str(ln_status_name(LN_NOT_FOUND)), "not_found");
    CHECK_STR(ln_str(ln_status_name((ln_status)999)), "unknown");
}

TEST(fail_fills_the_error) {
    struct ln_err err = {0};
    CHECK_INT(ln_fail(&err, LN_REFUSED, "port %d is closed", 80), LN_REFUSED);
    CHECK_INT(err.code, LN_REFUSED);
    CHECK_STR(ln_str(err.text), "port 80 is closed");
    CHECK_INT(ln_fail(NULL, LN_TIMEOUT, "nobody %s", "reads"), LN_TIMEOUT);
}

TEST(fail_may_wrap_its_own_text) {
    struct ln_err err;
    ln_fail(&err, LN_INVALID, "line 3");
    ln_fail(&err, err.code, "config: %s", err.text);
    CHECK_STR(ln_str(err.text), "config: line 3");
}

TEST(fail_cuts_at_a_character) {
    char text[1201];
    for (size_t lead = 0; lead < 3; lead++) {
        memset(text, 'x', lead);
        size_t n = lead;
        while (n < 1200 - 3) {
            memcpy(text + n, "\xe2\x82\xac", 3);
            n += 3;
        }
        text[n] = 0;
        struct ln_err err;
        ln_fail(&err, LN_INVALID, "%s", text);
        size_t cut = strlen(err.text);
        CHECK(cut > 395 && cut < sizeof err.text);
        CHECK(ln_utf8_valid(err.text, cut));
    }
    struct ln_err exact;
    memset(text, 'y', 399);
    text[399] = 0;
    ln_fail(&exact, LN_INVALID, "%s", text);
    CHECK_STR(ln_str(exact.text), text);
}

struct item {
    int number;
    struct ln_list node;
};

static int digits_of(struct ln_list *list) {
    int digits = 0;
    LN_LIST_EACH (list, it, tmp) {
        digits = digits * 10 + LN_CONTAINER(it, struct item, node)->number;
    }
    return digits;
}

TEST(list_keeps_order) {
    struct ln_list list;
    struct item items[4] = {{1, {0}}, {2, {0}}, {3, {0}}, {4, {0}}};
    ln_list_init(&list);
    CHECK(ln_list_empty(&list));
    for (int i = 0; i < 3; i++)
        ln_list_push(&list, &items[i].node);
    ln_list_unshift(&list, &items[3].node);
    CHECK_INT(digits_of(&list), 4123);
    ln_list_remove(&items[0].node);
    ln_list_remove(&items[0].node); /* twice is harmless */
    CHECK_INT(digits_of(&list), 423);
    CHECK(ln_list_empty(&items[0].node));
}

TEST(list_removes_while_walking) {
    struct ln_list list;
    struct item items[5] = {{1, {0}}, {2, {0}}, {3, {0}}, {4, {0}}, {5, {0}}};
    ln_list_init(&list);
    for (int i = 0; i < 5; i++)
        ln_list_push(&list, &items[i].node);
    LN_LIST_EACH (&list, it, tmp) {
        if (LN_CONTAINER(it, struct item, node)->number % 2) ln_list_remove(it);
    }
    CHECK_INT(digits_of(&list), 24);
    LN_LIST_EACH (&list, it, tmp) {
        ln_list_remove(it);
    }
    CHECK(ln_list_empty(&list));
}

TEST_MAIN(T(slices), T(status_names), T(fail_fills_the_error), T(fail_may_wrap_its_own_text),
          T(fail_cuts_at_a_character), T(list_keeps_order), T(list_removes_while_walking))
