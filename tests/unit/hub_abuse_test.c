/* SPDX-License-Identifier: MIT
 *
 * Clients that want to hurt: floods, garbage, silence, slow reading, giant and deep messages, more
 * rooms, joins and lines than there may be. Each time the limit holds, only that client is hurt,
 * and a good client beside it goes on as if nothing were.
 */
#include "hubclient.h"

#include <malloc.h>

#include "base/crypt.h"

static struct web good;

static void start(struct hub_opts o) {
    hub_start(&o, &no_admit);
    sio_client(&good, "{\"id\":\"good\"}");
    say(&good, "421[\"join\",{\"room\":\"lobby\"}]");
    web_skip(&good);
}

/* The good client is still served, and ends the test. */
static void finish(void) {
    web_turn(&good);
    web_skip(&good);
    say(&good, "429[\"message\",{\"room\":\"lobby\",\"text\":\"fine\"}]");
    CHECK_FRAME(&good, "439[{\"ok\":true,\"id\":");
    web_free(&good);
    hub_stop();
}

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* Under the sanitizer mallinfo2 knows nothing; without it, it counts what malloc only caches. */
static size_t heap(void) {
    if (__sanitizer_get_current_allocated_bytes) return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks;
}

TEST(flood_is_answered_then_cut) {
    struct web w;
    struct hub_opts o = test_opts();
    o.rate_burst = 200;
    start(o);
    sio_client(&w, "");
    for (int i = 0; i < 199; i++) /* with the CONNECT it is the burst, which is free */
        web_text(&w, "42[\"x\"]");
    web_turn(&w);
    CHECK_NONE(&w);
    say(&w, "427[\"x\"]");
    CHECK_NEXT(&w,
               "437[{\"ok\":false,\"error\":{\"code\":\"full\",\"message\":\"too many events: at "
               "most 50 a second\"}}]");
    say(&w, "42[\"x\"]");
    CHECK_NEXT(&w, "42[\"error\",{\"code\":\"full\",\"message\":\"too many events: at most 50 a "
                   "second\"}]");
    loop_advance(loop, 100); /* five more */
    for (int i = 0; i < 6; i++)
        say(&w, "428[\"x\"]");
    for (int i = 0; i < 5; i++)
        CHECK_NEXT(&w, "438[]");
    CHECK_FRAME(&w, "438[{\"ok\":false");
    for (int i = 0; i < 599; i++)
        web_text(&w, "42[\"x\"]");
    web_turn(&w);
    CHECK(!w.is_eof);
    say(&w, "42[\"x\"]");
    CHECK_INT(w.code, 1008);
    CHECK_STR(ln_str(w.reason), "too many events");
    web_free(&w);
    raw_client(&w, "");
    for (int i = 0; i < 900; i++)
        web_text(&w, i % 2 ? "garbage" : "{\"event\":\"x\"}");
    web_turn(&w);
    CHECK_INT(w.code, 1008);
    web_free(&w);
    finish();
}

TEST(floods_of_other_packets_are_cut_too) {
    struct web w;
    struct hub_opts o = test_opts();
    o.rate_burst = 200;
    start(o);
    hub_line(&w, SIO);
    for (int i = 0; i < 900; i++)
        web_text(&w, "40/nowhere");
    web_turn(&w);
    CHECK_INT(w.code, 1008);
    CHECK(w.count <= 202);
    web_free(&w);
    hub_line(&w, SIO);
    for (int i = 0; i < 500; i++) {
        web_text(&w, "40");
        web_text(&w, "41");
    }
    web_turn(&w);
    CHECK(w.is_eof);
    web_free(&w);
    finish();
}

TEST(giant_messages) {
    struct web w;
    struct hub_opts o = test_opts();
    o.max_message = 10000;
    start(o);
    char *big = ln_alloc(20001);
    memset(big, 'x', 20000);
    sio_client(&w, "");
    say(&w, big);
    CHECK_INT(w.code, 1009);
    web_free(&w);
    raw_client(&w, "");
    say(&w, big);
    CHECK_INT(w.code, 1009);
    web_free(&w);
    sio_client(&w, ""); /* attachments that add up */
    web_text(&w, "4510-[\"x\",{\"_placeholder\":true,\"num\":0}]");
    big[9000] = 0;
    for (int i = 0; i < 5; i++)
        web_send(&w, WS_BINARY, ln_str(big));
    web_turn(&w);
    CHECK_INT(w.code, 1009);
    web_free(&w);
    sio_client(&w, ""); /* half a binary event, then silence */
    web_text(&w, "4510-[\"x\",{\"_placeholder\":true,\"num\":0}]");
    web_send(&w, WS_BINARY, ln_str(big));
    web_turn(&w);
    loop_advance(loop, 20000);
    say(&good, "3");
    web_free(&w);
    ln_free(big);
    finish();
}

TEST(deep_and_strange_json) {
    static const char *const strange[] = {
        "423[\"message\",{\"room\":\"lobby\",\"text\":\"x\",\"n\":01}]",
        "423[\"message\",{\"room\":\"lobby\",\"text\":\"x\",\"n\":nan}]",
        "423[\"message\",{\"room\":\"lobby\",\"text\":\"x\",}]",
        "423[\"message\",{\"room\":\"lobby\",\"text\":\"x\"},{]",
        "423[\"message\",{\"room\":\"lobby\",\"text\":\"\t\"}]",
        "423[\"message\",{\"room\":\"lobby\",\"text\":\"x\" \"y\":1}]"};
    struct web w;
    struct ln_buf b = {0};
    start(test_opts());
    sio_client(&w, "");
    say(&w, "421[\"join\",{\"room\":\"lobby\"}]");
    web_skip(&w);
    web_turn(&good);
    web_skip(&good);
    ln_buf_puts(&b, "422[\"message\",{\"room\":\"lobby\",\"text\":\"x\",\"deep\":");
    for (int i = 0; i < 50000; i++)
        ln_buf_putc(&b, '[');
    for (int i = 0; i < 50000; i++)
        ln_buf_putc(&b, ']');
    ln_buf_puts(&b, "}]");
    say(&w, ln_buf_cstr(&b));
    CHECK_FRAME(&w, "432[{\"ok\":false,\"error\":{\"code\":\"invalid\"");
    for (size_t i = 0; i < LN_COUNT(strange); i++) {
        say(&w, strange[i]);
        if (i == 3) /* a broken second argument is nobody's: the first is a message */
            CHECK_FRAME(&w, "433[{\"ok\":");
        else
            CHECK_FRAME(&w, "433[{\"ok\":false,\"error\":{\"code\":\"invalid\"");
    }
    web_free(&w);
    raw_client(&w, "");
    say(&w, ln_buf_cstr(&b) + 2);
    CHECK_FRAME(&w, "\"code\":\"invalid\"");
    ln_buf_clear(&b); /* the reference's parser recurses here */
    ln_buf_puts(&b, "40{\"a\":");
    for (int i = 0; i < 5000; i++)
        ln_buf_puts(&b, "{\"a\":");
    web_free(&w);
    hub_line(&w, SIO);
    say(&w, ln_buf_cstr(&b));
    CHECK(w.is_eof);
    web_free(&w);
    ln_buf_free(&b);
    finish();
}

/* One who joins and never reads, in a room where much is said. */
TEST(slow_reader_is_dropped_alone) {
    struct web slow;
    struct hub_opts o = test_opts();
    o.max_queue = 200000;
    o.rate = o.rate_burst = 100000;
    start(o);
    raw_client(&slow, "?id=slow");
    say(&slow, "{\"event\":\"join\",\"data\":{\"room\":\"lobby\"}}");
    slow.is_slow = true;
    struct ln_buf m = {0};
    ln_buf_puts(&m, "42[\"message\",{\"room\":\"lobby\",\"text\":\"");
    for (int i = 0; i < 2000; i++)
        ln_buf_putc(&m, 'x');
    ln_buf_puts(&m, "\"}]");
    for (int i = 0; i < 500; i++)
        say(&good, ln_buf_cstr(&m));
    CHECK_INT(hub_client_count(hub), 1);
    CHECK(ln_buf_get(&seen.log).n > 0);
    CHECK(memmem(seen.log.p, seen.log.n, "disconnect / error\n", 19));
    ln_buf_free(&m);
    web_free(&slow);
    loop_advance(loop, 3000);
    finish();
}

TEST(volatile_events_skip_who_is_behind) {
    struct web slow;
    char text[9000];
    start(test_opts());
    sio_client(&slow, "");
    slow.is_slow = true;
    struct hub_target all = {.is_volatile = true}, one = {.client = seen.client};
    memset(text, '1', sizeof text);
    CHECK_INT(hub_emit(hub, &all, LN_STR("v"), LN_STR("1"), NULL, 0), 2);
    for (int i = 0; i < 100; i++)
        hub_emit(hub, &one, LN_STR("big"), (struct ln_str){text, sizeof text}, NULL, 0);
    web_turn(&slow);
    CHECK_INT(hub_emit(hub, &all, LN_STR("v"), LN_STR("1"), NULL, 0), 1);
    web_free(&slow);
    finish();
}

TEST(too_many_lines) {
    struct web w[4];
    struct hub_opts o = test_opts();
    o.max_clients = 3;
    start(o);
    for (int i = 0; i < 4; i++) {
        web_init(&w[i], loop, hub_pair(hub));
        web_upgrade(&w[i], SIO, "");
    }
    CHECK(w[0].is_open && w[1].is_open && !w[2].is_open);
    CHECK_INT(web_status(&w[2]), 503);
    for (int i = 0; i < 4; i++)
        web_free(&w[i]);
    finish();
}

TEST(history_is_bounded_in_bytes) {
    struct hub_opts o = test_opts();
    o.rate = o.rate_burst = 100000;
    start(o);
    struct ln_buf m = {0};
    ln_buf_puts(&m, "421[\"message\",{\"room\":\"lobby\",\"text\":\"");
    for (int i = 0; i < 300000; i++)
        ln_buf_putc(&m, 'x');
    ln_buf_puts(&m, "\"}]");
    for (int i = 0; i < 20; i++) {
        say(&good, ln_buf_cstr(&m));
        CHECK_FRAME(&good, "\"ok\":true");
    }
    say(&good, "422[\"history\",{\"room\":\"lobby\"}]");
    struct ln_str got = web_next(&good);
    CHECK(got.n > 900000 && got.n < 1100000);
    ln_buf_free(&m);
    finish();
}

/* What comes and goes leaves nothing behind. */
TEST(churn_leaves_no_memory) {
    size_t before = 0;
    start(test_opts());
    for (int round = 0; round < 600; round++) {
        struct web w;
        char id[80];
        if (round == 100) before = heap();
        if (round % 3 == 0) {
            snprintf(id, sizeof id, "{\"id\":\"u%d\"}", round);
            sio_client(&w, id);
            say(&w, "421[\"join\",{\"room\":\"lobby\"}]");
            say(&w, "422[\"join\",{\"room\":\"den\"}]");
        } else if (round % 3 == 1) {
            raw_client(&w, "?name=n");
            say(&w, "{\"event\":\"join\",\"data\":{\"room\":\"lobby\"}}");
        } else {
            web_init(&w, loop, hub_pair(hub));
            web_say(&w, "GET /socket.io/?EIO=4 HTTP/1.1\r\nHo");
        }
        web_free(&w);
        loop_settle(loop, 0);
        web_read(&good);
        for (size_t i = 0; i < good.count; i++)
            ln_buf_free(&good.frames[i].data);
        good.count = good.taken = 0;
        ln_buf_free(&seen.log);
        if (round % 50 == 49) {
            loop_advance(loop, 10000);
            say(&good, "3");
        }
    }
    CHECK_INT(hub_client_count(hub), 1);
    CHECK(before > 0);
    size_t slack = __sanitizer_get_current_allocated_bytes ? 20000 : 100000;
    CHECK(heap() < before + slack); /* 500 lines of more than 1 kB came and went */
    finish();
}

/* Random packets from several clients at once, over real frames. */
TEST(storm) {
    static const char *const packets[] = {"40",
                                          "41",
                                          "40/x",
                                          "2",
                                          "3",
                                          "42[\"join\",{\"room\":\"lobby\"}]",
                                          "42[\"x\",1]",
                                          "43",
                                          "451-[\"b\"]",
                                          "1",
                                          "4",
                                          "421[\"leave\",{\"room\":\"lobby\"}]",
                                          "42[\"name\",{\"name\":\"n\"}]",
                                          "{\"event\":\"rooms\",\"ack\":1}",
                                          "[]",
                                          ""};
    struct web w[6];
    int n = 0;
    start(test_opts());
    ln_random_fake(11);
    for (int round = 0; round < 3000; round++) {
        if (n < 6 && ln_random_u32() % 8 == 0) {
            web_init(&w[n], loop, hub_pair(hub));
            web_upgrade(&w[n], ln_random_u32() % 3 ? SIO : "/ws", "");
            if (ln_random_u32() % 2) web_text(&w[n], "40");
            n++;
        }
        if (n == 0) continue;
        struct web *one = &w[ln_random_u32() % (unsigned)n];
        const char *packet = packets[ln_random_u32() % LN_COUNT(packets)];
        web_send(one, ln_random_u32() % 20 ? WS_TEXT : WS_BINARY, ln_str(packet));
        if (ln_random_u32() % 4 == 0) web_turn(one);
        if (one->is_eof || ln_random_u32() % 100 == 0) {
            web_free(one);
            *one = w[--n];
        }
        if (round % 500 == 499) {
            loop_advance(loop, 12000);
            web_turn(&good);
            say(&good, "3");
        }
    }
    ln_random_fake(0);
    while (n > 0)
        web_free(&w[--n]);
    loop_settle(loop, 0);
    CHECK_INT(hub_client_count(hub), 1);
    finish();
}

TEST_MAIN(T(flood_is_answered_then_cut), T(floods_of_other_packets_are_cut_too), T(giant_messages),
          T(deep_and_strange_json), T(slow_reader_is_dropped_alone),
          T(volatile_events_skip_who_is_behind), T(too_many_lines), T(history_is_bounded_in_bytes),
          T(churn_leaves_no_memory), T(storm))
