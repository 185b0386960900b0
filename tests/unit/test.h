/* SPDX-License-Identifier: MIT
 *
 * The smallest test frame that still says where and what. A test file is: TEST(name) { ... } for
 * each case, then TEST_MAIN(one, two, ...). The last line printed is "N passed, N failed".
 */
#ifndef LN_TEST_H
#define LN_TEST_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ln.h"

static int test_failures;
#define TEST(name) static void name(void)

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            test_failures++;                                                                       \
            printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #cond);                            \
        }                                                                                          \
    } while (0)
#define CHECK_INT(got, want)                                                                       \
    do {                                                                                           \
        int64_t g_ = (int64_t)(got), w_ = (int64_t)(want);                                         \
        if (g_ != w_) {                                                                            \
            test_failures++;                                                                       \
            printf("%s:%d: %s is %" PRId64 ", wanted %" PRId64 "\n", __FILE__, __LINE__, #got, g_, \
                   w_);                                                                            \
        }                                                                                          \
    } while (0)
#define CHECK_STR(got, want)                                                                       \
    do {                                                                                           \
        struct ln_str g_ = (got), w_ = ln_str(want);                                               \
        if (!ln_str_eq(g_, w_)) {                                                                  \
            test_failures++;                                                                       \
            printf("%s:%d: %s is \"%.*s\", wanted \"%.*s\"\n", __FILE__, __LINE__, #got,           \
                   LN_FMT(g_), LN_FMT(w_));                                                        \
        }                                                                                          \
    } while (0)
#define CHECK_HAS(text, part)                                                                      \
    do {                                                                                           \
        const char *t_ = (text);                                                                   \
        if (!strstr(t_, part)) {                                                                   \
            test_failures++;                                                                       \
            printf("%s:%d: \"%s\" does not hold \"%s\"\n", __FILE__, __LINE__, t_, part);          \
        }                                                                                          \
    } while (0)

struct test_case {
    const char *name;
    void (*fn)(void);
};
static inline int test_run(const struct test_case *cases, size_t n, const char *only) {
    int passed = 0, failed = 0;
    for (size_t i = 0; i < n; i++) {
        if (only && strcmp(only, cases[i].name) != 0) continue;
        int before = test_failures;
        cases[i].fn();
        if (test_failures == before) {
            passed++;
        } else {
            failed++;
            printf("FAIL %s\n", cases[i].name);
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
#define T(name)                                                                                    \
    { #name, name }
#define TEST_MAIN(...)                                                                             \
    int main(int argc, char **argv) {                                                              \
        static const struct test_case cases[] = {__VA_ARGS__};                                     \
        return test_run(cases, sizeof cases / sizeof cases[0], argc > 1 ? argv[1] : NULL);         \
    }

#endif
