/* SPDX-License-Identifier: MIT
 *
 * Polling clients that do whatever they like, by chance: open, ask, post, post garbage, hang up in
 * the middle, upgrade, half upgrade, be disconnected, come back to a place that they know. One good
 * client beside them gets everything in order, and in the end nothing is left.
 */
#include "base/crypt.h"
#include "pollclient.h"

#define CLIENTS 6
#define STEPS 4000

static struct rogue {
    struct poller p;
    struct web w; /* its WebSocket, when is_ws */
    bool is_open, is_ws;
    char pid[32];
} rogues[CLIENTS];
static struct web good;
static int sent, got, probed, back; /* the last two: that the storm was one */

static unsigned dice(unsigned n) {
    return ln_random_u32() % n;
}

static void learn(struct rogue *r) {
    const char *pid = strstr(ln_buf_cstr(&r->p.body), "\"pid\":\"");
    if (pid) snprintf(r->pid, sizeof r->pid, "%.20s", pid + 7);
}

static void hang_up(struct rogue *r) {
    if (r->is_ws) web_free(&r->w);
    if (r->is_open) poll_free(&r->p);
    r->is_ws = r->is_open = false;
}

static void open_one(struct rogue *r) {
    char packet[100];
    hang_up(r);
    poll_open(&r->p);
    r->is_open = true;
    if (dice(4) == 0) return;
    snprintf(packet, sizeof packet, dice(2) ? "40{\"pid\":\"%.20s\"}" : "40/%.0s", r->pid);
    poll_post(&r->p, packet);
    struct hub_client_info info;
    back += hub_client(hub, seen.client, &info) && info.recovered;
}

static void post_something(struct rogue *r) {
    static const char *const bodies[] = {"42[\"x\",1]",
                                         "420[\"join\",{\"room\":\"r\"}]",
                                         "421[\"message\",{\"room\":\"r\",\"text\":\"t\"}]",
                                         "42[\"a\"]\x1e"
                                         "42[\"b\"]\x1e"
                                         "3",
                                         "40/n,",
                                         "41",
                                         "1",
                                         "3",
                                         "4",
                                         "",
                                         "451-[\"x\",{\"_placeholder\":true,\"num\":0}]",
                                         "bAQID",
                                         "42/n,[\"x\"]",
                                         "\x1e\x1e",
                                         "2probe",
                                         "4{",
                                         "b="};
    poll_post(&r->p, bodies[dice(LN_COUNT(bodies))]);
}

static void half_a_request(struct rogue *r) {
    static const char *const pieces[] = {
        "POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Length: 50\r\n\r\n42[\"x",
        "POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: localhost\r\n"
        "Transfer-Encoding: chunked\r\n\r\n3\r\n42[\r\n",
        "GET /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: localhost\r\n\r\nGET / "
        "H"};
    char text[400];
    unsigned which = dice(LN_COUNT(pieces));
    struct ln_str form = ln_str(pieces[which]);
    const char *hole = strstr(form.p, "%s");
    snprintf(text, sizeof text, "%.*s%s%s", (int)(hole - form.p), form.p, r->p.sid, hole + 2);
    poll_fresh(&r->p.post);
    web_say(&r->p.post, text);
    if (dice(2)) loop_settle(loop, 0);
    if (dice(2)) web_free(&r->p.post);
    if (r->p.post.fd < 0) web_init(&r->p.post, loop, hub_pair(hub));
}

static void websocket(struct rogue *r) {
    static const char *const says[] = {"2probe", "5", "3", "42[\"x\"]", "40", "1", "", "junk"};
    char target[200];
    if (!r->is_ws) {
        snprintf(target, sizeof target, SIO "&sid=%s", r->p.sid);
        web_init(&r->w, loop, hub_pair(hub));
        web_upgrade(&r->w, target, "");
        r->is_ws = true;
    }
    if (r->w.is_open && dice(3)) web_text(&r->w, "2probe");
    if (r->w.is_open && dice(3)) web_text(&r->w, "5");
    if (r->w.is_open && dice(2)) say(&r->w, says[dice(LN_COUNT(says))]);
    probed += web_has(&r->w, "3probe");
    if (r->w.is_eof || dice(4) == 0) {
        web_free(&r->w);
        r->is_ws = false;
    }
}

static void disconnect_somebody(void) {
    struct hub_client_info info;
    size_t i = 0, n = dice(CLIENTS);
    while (hub_each_client(hub, &i, &info))
        if (n-- == 0 && !ln_str_is(info.user_id, "good")) break;
    if (!ln_str_is(info.user_id, "good")) hub_disconnect(hub, info.id, dice(2));
}

static void step(void) {
    struct rogue *r = &rogues[dice(CLIENTS)];
    unsigned what = dice(100);
    if (!r->is_open || what < 8) {
        open_one(r);
    } else if (what < 40) {
        post_something(r);
    } else if (what < 65) {
        poll_ask(&r->p);
        if (poll_take(&r->p) == 200) learn(r);
    } else if (what < 75) {
        half_a_request(r);
    } else if (what < 90) {
        websocket(r);
    } else if (what < 93) {
        hang_up(r);
    } else if (what < 96) {
        disconnect_somebody();
    } else {
        loop_advance(loop, dice(4000));
        say(&good, "3");
    }
}

static void talk_to_the_good_one(void) {
    struct hub_target t = {.room = LN_STR("quiet")};
    char args[12], want[40];
    snprintf(args, sizeof args, "%d", sent++);
    hub_emit(hub, &t, LN_STR("n"), ln_str(args), NULL, 0);
    web_turn(&good);
    while (good.taken < good.count) {
        struct ln_str f = web_next(&good);
        snprintf(want, sizeof want, "42[\"n\",%d,", got);
        if (ln_str_starts(f, "42[\"n\",")) CHECK(ln_str_starts(f, want) && ++got);
    }
}

TEST(a_good_client_in_a_storm) {
    struct hub_opts o = test_opts();
    static const char *const namespaces[] = {"/n", NULL};
    o.namespaces = namespaces;
    o.recovery_ms = 20000;
    o.rate_burst = 100000;
    hub_start(&o, &all_hooks);
    ln_random_fake(11);
    sio_client(&good, "{\"id\":\"good\"}");
    CHECK(hub_join(hub, seen.client, LN_STR("quiet")));
    for (int i = 0; i < STEPS; i++) {
        step();
        if (i % 10 == 0) talk_to_the_good_one();
        ln_buf_clear(&seen.log);
    }
    CHECK_INT(got, STEPS / 10);
    CHECK(probed > 50 && back > 10);
    for (int i = 0; i < CLIENTS; i++)
        hang_up(&rogues[i]);
    for (int i = 0; i < 10; i++) {
        loop_advance(loop, 10000);
        web_turn(&good);
        say(&good, "3");
    }
    CHECK_INT(hub_client_count(hub), 1);
    web_free(&good);
    ln_random_fake(0);
    hub_stop();
}

TEST_MAIN(T(a_good_client_in_a_storm))
