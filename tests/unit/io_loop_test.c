/* SPDX-License-Identifier: MIT
 *
 * The loop: order of timers, defers and posts, the fake clock, signals, watched directories.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "test.h"

static struct loop *loop;
static struct ln_buf seen; /* letters in the order of the calls */

static void begin(void) {
    ln_clock_fake(1700000000000);
    loop = loop_new();
}
static void end(void) {
    loop_free(loop);
    ln_buf_free(&seen);
    ln_clock_real();
}
static void see(void *ud) {
    ln_buf_puts(&seen, ud);
}
#define SEEN(want)                                                                                 \
    do {                                                                                           \
        CHECK_STR(ln_buf_get(&seen), want);                                                        \
        ln_buf_clear(&seen);                                                                       \
    } while (0)

TEST(timers_fire_by_due_time_then_creation) {
    begin();
    loop_timer(loop, 20, see, "c");
    loop_timer(loop, 10, see, "a");
    loop_timer(loop, 20, see, "d");
    loop_timer(loop, 10, see, "b");
    loop_timer(loop, 21, see, "e");
    CHECK_INT(loop_timer_count(loop), 5);
    loop_settle(loop, 0);
    SEEN("");
    loop_advance(loop, 9);
    SEEN("");
    loop_advance(loop, 1);
    SEEN("ab");
    loop_advance(loop, 10);
    SEEN("cd");
    loop_advance(loop, 1000);
    SEEN("e");
    CHECK_INT(loop_timer_count(loop), 0);
    end();
}

TEST(a_dead_timer_stays_dead) {
    begin();
    ln_id a = loop_timer(loop, 5, see, "a"), b = loop_timer(loop, 5, see, "b");
    CHECK(loop_timer_cancel(loop, a));
    CHECK(!loop_timer_cancel(loop, a));
    CHECK(!loop_timer_again(loop, a, 1));
    ln_id c = loop_timer(loop, 5, see, "c"); /* may have a's place, never its id */
    CHECK(c != a);
    CHECK(!loop_timer_cancel(loop, a));
    loop_advance(loop, 5);
    SEEN("bc");
    CHECK(!loop_timer_again(loop, b, 1));
    CHECK(!loop_timer_cancel(loop, c));
    CHECK(!loop_timer_cancel(loop, 0));
    end();
}

TEST(a_timer_can_be_moved_both_ways) {
    begin();
    ln_id a = loop_timer(loop, 10, see, "a");
    loop_timer(loop, 20, see, "b");
    CHECK(loop_timer_again(loop, a, 30));
    loop_advance(loop, 20);
    SEEN("b");
    CHECK(loop_timer_again(loop, a, 2));
    loop_advance(loop, 2);
    SEEN("a");
    end();
}

static uint64_t fired_at[3];
static int fired;
static void note_time(void *ud) {
    (void)ud;
    fired_at[fired++] = loop_now_ms(loop);
    if (fired < 3) loop_timer(loop, 100, note_time, NULL);
}

TEST(the_clock_stands_at_the_due_time_in_each_timer) {
    begin();
    uint64_t start = ln_mono_ms();
    int64_t wall = ln_wall_ms();
    fired = 0;
    loop_timer(loop, 100, note_time, NULL);
    loop_advance(loop, 350);
    CHECK_INT(fired, 3);
    CHECK_INT(fired_at[0] - start, 100);
    CHECK_INT(fired_at[1] - start, 200);
    CHECK_INT(fired_at[2] - start, 300);
    CHECK_INT(ln_mono_ms() - start, 350);
    CHECK_INT(ln_wall_ms() - wall, 350);
    end();
}

static ln_id victim;
static void cancel_victim(void *ud) {
    see(ud);
    CHECK(loop_timer_cancel(loop, victim));
}

TEST(a_timer_may_cancel_one_that_is_due_too) {
    begin();
    loop_timer(loop, 1, cancel_victim, "a");
    victim = loop_timer(loop, 1, see, "x");
    loop_timer(loop, 1, see, "b");
    loop_advance(loop, 10);
    SEEN("ab");
    end();
}

static uint64_t last_due;
static int wrong, count;
struct random_timer {
    uint64_t due;
    ln_id id;
};
static void check_due(void *ud) {
    struct random_timer *t = ud;
    wrong += t->due < last_due || t->due != ln_mono_ms();
    last_due = t->due;
    count++;
}

TEST(thousands_of_timers_stay_in_order) {
    enum { N = 4000 };
    static struct random_timer t[N];
    uint32_t x = 12345;
    begin();
    uint64_t start = ln_mono_ms();
    wrong = count = 0;
    last_due = 0;
    for (int i = 0; i < N; i++) {
        x = x * 1664525 + 1013904223;
        t[i].due = start + x % 500;
        t[i].id = loop_timer(loop, x % 500, check_due, &t[i]);
    }
    int cancelled = 0;
    for (int i = 0; i < N; i += 3, cancelled++)
        CHECK(loop_timer_cancel(loop, t[i].id));
    for (int i = 1; i < N; i += 3) {
        x = x * 1664525 + 1013904223;
        t[i].due = start + x % 700;
        CHECK(loop_timer_again(loop, t[i].id, x % 700));
    }
    CHECK_INT(loop_timer_count(loop), N - cancelled);
    loop_advance(loop, 700);
    CHECK_INT(wrong, 0);
    CHECK_INT(count, N - cancelled);
    end();
}

static int again_left;
static void again(void *ud) {
    see(ud);
    if (--again_left > 0) loop_timer(loop, 0, again, ud);
}

TEST(zero_timers_take_turns_with_the_rest) {
    begin();
    again_left = 3;
    loop_timer(loop, 0, again, "z");
    loop_timer(loop, -7, see, "n");
    loop_defer(loop, see, "d");
    loop_settle(loop, 0);
    SEEN("zndzz"); /* the second z waits for the next turn */
    end();
}

static void for_ever(void *ud) {
    count++;
    loop_defer(loop, for_ever, ud);
}

TEST(settle_gives_up_on_what_never_rests) {
    begin();
    count = 0;
    loop_defer(loop, for_ever, NULL);
    CHECK(!loop_settle(loop, 50));
    CHECK_INT(count, 50);
    CHECK(!loop_settle(loop, 50));
    end(); /* and the loop can be freed all the same */
}

static void defer_more(void *ud) {
    see(ud);
    loop_defer(loop, see, "2");
    loop_timer(loop, 0, see, "t");
}

TEST(defers_run_in_order_and_their_defers_in_the_next_turn) {
    begin();
    loop_defer(loop, defer_more, "1");
    loop_defer(loop, see, "a");
    loop_defer(loop, see, "b");
    CHECK(loop_settle(loop, 0));
    SEEN("1abt2");
    CHECK(loop_settle(loop, 0));
    SEEN("");
    end();
}

static pthread_t main_thread;
static void from_thread(void *ud) {
    wrong += !pthread_equal(main_thread, pthread_self());
    count += *(int *)ud;
}
static void *poster(void *ud) {
    for (int i = 0; i < 1000; i++)
        loop_post(loop, from_thread, ud);
    return NULL;
}

TEST(posts_from_threads_run_on_the_loop) {
    pthread_t t[4];
    int one = 1;
    begin();
    main_thread = pthread_self();
    wrong = count = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, poster, &one);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    CHECK(loop_settle(loop, 0));
    CHECK_INT(count, 4000);
    CHECK_INT(wrong, 0);
    end();
}

static void stop_loop(void *ud) {
    see(ud);
    loop_stop(loop);
}
static void *post_stop(void *ud) {
    loop_post(loop, stop_loop, ud);
    return NULL;
}

TEST(the_loop_runs_on_the_real_clock_until_it_is_stopped) {
    pthread_t t;
    loop = loop_new(); /* not fake: the uv_timer wakes it */
    loop_timer(loop, 2, see, "b");
    loop_timer(loop, 1, see, "a");
    ln_id late = loop_timer(loop, 3, see, "x");
    loop_timer(loop, 4, stop_loop, "s");
    CHECK(loop_timer_again(loop, late, 100000));
    loop_run(loop);
    SEEN("abs");
    pthread_create(&t, NULL, post_stop, "p"); /* wakes a loop that sleeps until `late` */
    loop_run(loop);
    pthread_join(t, NULL);
    SEEN("p");
    loop_free(loop);
    ln_buf_free(&seen);
}

static void on_signal(void *ud, int signum) {
    see(ud);
    if (signum != SIGUSR1) see("?");
}

TEST(signals_come_on_the_loop_until_they_are_switched_off) {
    begin();
    loop_signal(loop, SIGUSR1, on_signal, "u");
    raise(SIGUSR1);
    SEEN("");
    loop_settle(loop, 0);
    SEEN("u");
    loop_signal(loop, SIGUSR1, on_signal, "v"); /* the new one takes its place */
    raise(SIGUSR1);
    loop_settle(loop, 0);
    SEEN("v");
    loop_signal(loop, SIGUSR1, NULL, NULL);
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    loop_settle(loop, 0);
    SEEN("");
    loop_signal(loop, SIGUSR2, on_signal, "w"); /* left for loop_free */
    end();
}

/* --- directories --- */

static char dir[64];
static void make_dir(void) {
    strcpy(dir, "/tmp/linnet-loop-XXXXXX");
    if (!mkdtemp(dir)) abort();
}
static const char *in_dir(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}
static void write_file(const char *name) {
    FILE *f = fopen(in_dir(name), "w");
    fputs("x", f);
    fclose(f);
}
static void remove_dir(void) {
    if (chdir(dir) || system("rm -f -- *")) abort();
    if (chdir("/") || rmdir(dir)) abort();
}

static struct loop_watch *watch;
static void on_change(void *ud, const char *where, const char *name) {
    CHECK_STR(ln_str(where), dir);
    ln_buf_fmt(&seen, "[%s]", name);
    if (ud) loop_unwatch(watch);
}

TEST(a_watch_tells_each_name_once_after_the_dust_settled) {
    struct ln_err err;
    begin();
    make_dir();
    watch = loop_watch(loop, dir, on_change, NULL, &err);
    CHECK(watch != NULL);
    write_file("a.lua");
    loop_settle(loop, 0);
    loop_advance(loop, 40);
    write_file("a.lua");
    loop_advance(loop, 40);
    SEEN(""); /* the second write began the 50 ms again */
    loop_advance(loop, 10);
    SEEN("[a.lua]");
    write_file("new"); /* as editors save: a new file is moved over the old one */
    char from[128];
    strcpy(from, in_dir("new"));
    CHECK_INT(rename(from, in_dir("a.lua")), 0);
    loop_advance(loop, 50);
    SEEN("[new][a.lua]");
    write_file("a.lua"); /* it still sees the file that took the place */
    loop_advance(loop, 50);
    SEEN("[a.lua]");
    loop_unwatch(watch);
    write_file("a.lua");
    loop_advance(loop, 100);
    SEEN("");
    remove_dir();
    end();
}

TEST(a_watch_may_end_inside_its_own_call_or_with_the_loop) {
    begin();
    make_dir();
    watch = loop_watch(loop, dir, on_change, "once", NULL);
    write_file("a");
    write_file("b");
    loop_advance(loop, 60);
    SEEN("[a]");
    loop_watch(loop, dir, on_change, NULL, NULL);
    write_file("c");
    loop_settle(loop, 0); /* its timer is pending when the loop goes */
    remove_dir();
    end();
}

TEST(a_flood_of_names_is_one_call_without_a_name) {
    begin();
    make_dir();
    watch = loop_watch(loop, dir, on_change, NULL, NULL);
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        write_file(name);
    }
    loop_advance(loop, 50);
    SEEN("[]");
    write_file("later");
    loop_advance(loop, 50);
    SEEN("[later]");
    remove_dir();
    end();
}

TEST(a_directory_that_is_not_there_is_an_error_in_words) {
    struct ln_err err;
    begin();
    CHECK(loop_watch(loop, "/nowhere/at/all", on_change, NULL, &err) == NULL);
    CHECK_INT(err.code, LN_NOT_FOUND);
    CHECK_STR(ln_str(err.text), "cannot watch /nowhere/at/all: no such file or directory");
    end();
}

static int released;
static void release(void *data) {
    released += *(int *)data;
}

TEST(shared_data_lives_as_long_as_the_loop) {
    static const char key_a, key_b;
    begin();
    released = 0;
    int *a = loop_shared(loop, &key_a, sizeof *a, release);
    CHECK_INT(*a, 0);
    *a = 7;
    int *b = loop_shared(loop, &key_b, sizeof *b, release);
    *b = 30;
    CHECK(loop_shared(loop, &key_a, sizeof *a, release) == a);
    CHECK_INT(released, 0);
    end();
    CHECK_INT(released, 37);
}

TEST(freeing_drops_timers_and_runs_what_was_deferred) {
    begin();
    loop_timer(loop, 0, see, "x");
    loop_timer(loop, 1000, see, "x");
    loop_defer(loop, see, "d");
    loop_post(loop, see, "p");
    loop_free(loop);
    SEEN("pd");
    ln_buf_free(&seen);
    ln_clock_real();
}

TEST_MAIN(T(timers_fire_by_due_time_then_creation), T(a_dead_timer_stays_dead),
          T(a_timer_can_be_moved_both_ways), T(the_clock_stands_at_the_due_time_in_each_timer),
          T(a_timer_may_cancel_one_that_is_due_too), T(thousands_of_timers_stay_in_order),
          T(zero_timers_take_turns_with_the_rest), T(settle_gives_up_on_what_never_rests),
          T(defers_run_in_order_and_their_defers_in_the_next_turn),
          T(posts_from_threads_run_on_the_loop),
          T(the_loop_runs_on_the_real_clock_until_it_is_stopped),
          T(signals_come_on_the_loop_until_they_are_switched_off),
          T(a_watch_tells_each_name_once_after_the_dust_settled),
          T(a_watch_may_end_inside_its_own_call_or_with_the_loop),
          T(a_flood_of_names_is_one_call_without_a_name),
          T(a_directory_that_is_not_there_is_an_error_in_words),
          T(shared_data_lives_as_long_as_the_loop),
          T(freeing_drops_timers_and_runs_what_was_deferred))
