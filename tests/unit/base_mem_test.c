/* SPDX-License-Identifier: MIT
 *
 * Allocation, its one way to fail, and the registry of faults.
 */
#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

/* Under AddressSanitizer too an impossible size must come back as NULL, as it does elsewhere. */
const char *__asan_default_options(void) __attribute__((visibility("default")));
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

TEST(alloc_is_zeroed) {
    unsigned char *p = ln_alloc(1000);
    int sum = 0;
    for (int i = 0; i < 1000; i++)
        sum += p[i];
    CHECK_INT(sum, 0);
    p = ln_realloc(p, 2000);
    p[1999] = 1;
    CHECK_INT(p[0], 0);
    ln_free(p);
    void *nothing = ln_alloc(0);
    CHECK(nothing != NULL);
    ln_free(nothing);
    ln_free(NULL);
}

TEST(dup_ends_with_zero) {
    char *copy = ln_dup("abcdef", 3);
    CHECK_STR(ln_str(copy), "abc");
    ln_free(copy);
    copy = ln_dup(NULL, 0);
    CHECK_STR(ln_str(copy), "");
    ln_free(copy);
    copy = ln_str_dup(LN_STR("a\0b"));
    CHECK_INT(memcmp(copy, "a\0b", 4), 0);
    ln_free(copy);
}

static size_t huge(void) {
    volatile size_t n = SIZE_MAX / 2;
    return n;
}
static void alloc_huge(void) {
    ln_free(ln_alloc(huge()));
}
static void realloc_huge(void) {
    ln_free(ln_realloc(NULL, huge()));
}
static void dup_huge(void) {
    ln_free(ln_dup("x", SIZE_MAX));
}

/* What fn, which must abort, says on stderr in a process of its own. */
static void check_aborts(void (*fn)(void)) {
    int fds[2];
    CHECK_INT(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(fds[1]);
    char text[65536];
    size_t n = 0;
    ssize_t got;
    while (n < sizeof text - 1 && (got = read(fds[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    close(fds[0]);
    int status = 0;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_HAS(text, "base_mem_test.c:");
    CHECK_HAS(text, "out of memory");
}

TEST(out_of_memory_names_file_and_line) {
    check_aborts(alloc_huge);
    check_aborts(realloc_huge);
    check_aborts(dup_huge);
}

TEST(no_fault_unless_set) {
    CHECK(!ln_fault("ws.connect"));
    ln_fault_set("");
    CHECK(!ln_fault("ws.connect"));
}

TEST(faults_count_by_name) {
    ln_fault_set("ws.connect:2,store.write");
    CHECK(!ln_fault("ws.connect"));
    CHECK(ln_fault("store.write"));
    CHECK(ln_fault("ws.connect"));
    CHECK(!ln_fault("ws.connect"));
    CHECK(ln_fault("store.write"));
    CHECK(!ln_fault("store"));
    CHECK(!ln_fault("store.write2"));
    ln_fault_set("a:1,a:3");
    CHECK(ln_fault("a"));
    CHECK(!ln_fault("a"));
    CHECK(ln_fault("a"));
    CHECK(!ln_fault("a"));
    ln_fault_set("a:1"); /* setting again counts from the start */
    CHECK(ln_fault("a"));
    CHECK(!ln_fault("store.write"));
    ln_fault_set(NULL);
    CHECK(!ln_fault("a"));
}

TEST(malformed_faults_are_ignored) {
    int saved = dup(STDERR_FILENO), fds[2];
    CHECK_INT(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    ln_fault_set("x:,y:0,:3,z:1x,,ok:1");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    char text[1024];
    ssize_t n = read(fds[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    close(fds[0]);
    CHECK_HAS(text, "\"x:\" ignored");
    CHECK_HAS(text, "\"y:0\" ignored");
    CHECK_HAS(text, "\":3\" ignored");
    CHECK_HAS(text, "\"z:1x\" ignored");
    CHECK(!ln_fault("x"));
    CHECK(!ln_fault("y"));
    CHECK(!ln_fault("z"));
    CHECK(ln_fault("ok"));
    ln_fault_set(NULL);
}

TEST_MAIN(T(alloc_is_zeroed), T(dup_ends_with_zero), T(out_of_memory_names_file_and_line),
          T(no_fault_unless_set), T(faults_count_by_name), T(malformed_faults_are_ignored))
