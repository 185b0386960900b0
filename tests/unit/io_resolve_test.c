/* SPDX-License-Identifier: MIT
 *
 * Names to addresses: shared questions, more names than threads, and answers that nobody waits for.
 */
#include <netdb.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/resolve.h"
#include "test.h"

static struct loop *loop;
static int answers, addresses;
static char failure[128];
static struct lookup *victim;

static void begin(void) {
    ln_clock_fake(1700000000000);
    loop = loop_new();
    answers = addresses = 0;
    failure[0] = 0;
}
static void end(void) {
    loop_free(loop);
    ln_clock_real();
}
static void on_answer(void *ud, const struct addrinfo *list, const char *why) {
    CHECK((list == NULL) == (why != NULL));
    answers++;
    addresses += list != NULL;
    if (why) snprintf(failure, sizeof failure, "%s", why);
    if (ud) resolve_cancel(*(struct lookup **)ud);
}

TEST(a_name_of_this_machine_has_an_address) {
    begin();
    resolve(loop, "localhost", on_answer, NULL);
    CHECK_INT(answers, 0);
    CHECK(loop_settle(loop, 0));
    CHECK_INT(answers, 1);
    CHECK_INT(addresses, 1);
    end();
}

TEST(a_name_that_is_none_fails_in_words) {
    begin();
    resolve(loop, "no..such..name", on_answer, NULL);
    CHECK(loop_settle(loop, 0));
    CHECK_INT(answers, 1);
    CHECK_INT(addresses, 0);
    CHECK_STR(ln_str(failure), "unknown node or service");
    resolve(loop, "\xc3\xb8..\xff", on_answer, NULL); /* nor can this be made one */
    CHECK(loop_settle(loop, 0));
    CHECK_INT(answers, 2);
    CHECK_INT(addresses, 0);
    CHECK(failure[0] != 0);
    end();
}

TEST(everybody_who_waits_is_told_and_nobody_else) {
    begin();
    for (int i = 0; i < 5; i++)
        resolve(loop, "localhost", on_answer, NULL);
    resolve_cancel(resolve(loop, "localhost", on_answer, NULL));
    resolve_cancel(resolve(loop, "only.cancelled..", on_answer, NULL));
    CHECK(loop_settle(loop, 0));
    CHECK_INT(answers, 5);
    end();
}

TEST(a_callback_may_cancel_the_next_one) {
    begin();
    resolve(loop, "localhost", on_answer, &victim);
    victim = resolve(loop, "localhost", on_answer, NULL);
    CHECK(loop_settle(loop, 0));
    CHECK_INT(answers, 1);
    end();
}

TEST(more_names_than_threads_are_all_answered) {
    begin();
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "x..%d", i);
        resolve(loop, name, on_answer, NULL);
    }
    CHECK(loop_settle(loop, 0));
    CHECK_INT(answers, 40);
    end();
}

TEST(the_loop_goes_without_waiting_for_answers) {
    for (int round = 0; round < 50; round++) {
        begin();
        for (int i = 0; i < 20; i++) {
            char name[32];
            snprintf(name, sizeof name, "y..%d", i);
            resolve_cancel(resolve(loop, i % 5 ? name : "localhost", on_answer, NULL));
        }
        if (round % 2) loop_settle(loop, 1); /* some answers are here already */
        end();
        CHECK_INT(answers, 0);
    }
}

TEST_MAIN(T(a_name_of_this_machine_has_an_address), T(a_name_that_is_none_fails_in_words),
          T(everybody_who_waits_is_told_and_nobody_else), T(a_callback_may_cancel_the_next_one),
          T(more_names_than_threads_are_all_answered), T(the_loop_goes_without_waiting_for_answers))
