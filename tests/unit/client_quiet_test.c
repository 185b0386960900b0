/* SPDX-License-Identifier: MIT
 *
 * The end of a program: how long its lines are waited for, when all were told to end.
 */
#include "sio_peer.h"

static void count(void *ud) {
    ++*(int *)ud;
}

TEST(quiet_comes_when_every_close_frame_is_answered) {
    int told = 0;
    begin();
    clients_quiet(w.cs, 60000, count, &told);
    CHECK_INT(told, 0);
    turn();
    CHECK_INT(told, 1); /* nobody was there */
    struct conn *c = connected();
    conn_disconnect(c, NULL);
    clients_quiet(w.cs, 60000, count, &told);
    CHECK(loop_settle(w.loop, 0)); /* the server has not read it yet */
    CHECK_INT(told, 1);
    turn();
    CHECK_INT(told, 2);
    conn_connect(c);
    turn();
    conn_disconnect(c, NULL);
    clients_quiet(w.cs, 60000, count, &told);
    loop_advance(w.loop, 2000); /* one that never answers is not waited for */
    CHECK_INT(told, 3);
    conn_connect(c);
    turn();
    conn_disconnect(c, NULL);
    clients_quiet(w.cs, 60000, count, &told);
    end(); /* not behind the end */
    CHECK_INT(told, 3);
    begin();
    clients_quiet(w.cs, 60000, count, &told);
    end(); /* nor where there was nobody to wait for */
    CHECK_INT(told, 3);
}

/* A line that is to end, with nine megabytes that the server has not taken. */
static void end_with_much_unsent(int *told) {
    struct ln_err err;
    char *big = ln_alloc(900000);
    memset(big, '1', 900000);
    struct conn_emit e = {.name = LN_STR("n"), .args = {big, 900000}, .retries = -1};
    begin();
    struct conn *c = connected();
    for (int i = 0; i < 10; i++)
        CHECK_INT(conn_emit(c, &e, NULL, &err), LN_OK);
    loop_settle(w.loop, 0);
    conn_disconnect(c, NULL);
    clients_quiet(w.cs, 2000, count, told);
    ln_free(big);
}

/* The server takes about n bytes a second. */
static void sip(size_t n, int seconds) {
    char bytes[4096];
    while (seconds-- > 0) {
        for (size_t got = 0; got < n; got += sizeof bytes)
            if (recv(last()->p.fd, bytes, sizeof bytes, 0) <= 0) break;
        loop_advance(w.loop, 1000);
    }
}

TEST(quiet_waits_for_who_takes_what_was_sent) {
    int told = 0;
    end_with_much_unsent(&told);
    loop_advance(w.loop, 1999);
    CHECK_INT(told, 0);
    loop_advance(w.loop, 1);
    CHECK_INT(told, 1); /* nothing was taken for two seconds */
    end();
    end_with_much_unsent(&told);
    sip(500000, 10);
    CHECK_INT(told, 1);
    sip(500000, 20);
    CHECK_INT(told, 2); /* all of it was */
    hang_up(last());
    end();
    end_with_much_unsent(&told);
    sip(250000, 29); /* for so long nobody is waited for, ... */
    CHECK_INT(told, 2);
    sip(250000, 1);
    CHECK_INT(told, 3); /* ... though he takes something each time */
    hang_up(last());
    end();
    begin();
    connected();
    hang_up(last());
    turn();
    clients_quiet(w.cs, 2000, count, &told); /* between two attempts there is no transport */
    CHECK_INT(told, 3);
    end();
}

TEST_MAIN(T(quiet_comes_when_every_close_frame_is_answered),
          T(quiet_waits_for_who_takes_what_was_sent))
