/* SPDX-License-Identifier: MIT
 *
 * Clients' events on Pusher's channels: which go, which never can, which wait; and what cache
 * channels give.
 */
#include "pusher_peer.h"

TEST(clients_events) {
    begin_pusher();
    struct conn_opts o = options("pusher://k:s@ws.example");
    o.channel_prefix = ln_strdup("private-");
    struct conn *c = pusher_with(o);
    joined(c, "a");
    joined(c, "presence-b");
    CHECK_INT(emit_in(c, "a", "client-typing", "{\"who\":1}", NULL), LN_OK);
    CHECK_INT(emit_in(c, "presence-b", "client-x", "", NULL), LN_OK);
    turn();
    GOT(last(), "{\"event\":\"client-typing\",\"channel\":\"private-a\",\"data\":{\"who\":1}}|"
                "{\"event\":\"client-x\",\"channel\":\"presence-b\",\"data\":{}}|");
    TRAIL(">client-typing({\"who\":1}) >client-x() ");
    CHECK_INT(conn_outbox_size(c), 0);
    end_pusher();
}

TEST(clients_events_that_cannot_go) {
    static const struct {
        const char *room, *name, *args, *says;
    } cases[] = {
        {NULL, "client-x", "{}", "Pusher has no events outside of channels: room:emit("},
        {"private-a", "typing", "{}", "begin with \"client-\""},
        {"private-a", "xclient-y", "{}", "begin with \"client-\""},
        {"pub", "client-x", "{}", "need a private or presence channel"},
        {"private-encrypted-e", "client-x", "{}", "no clients' events on encrypted channels"},
        {"private-b", "client-x", "{}", "the room is not joined"},
        {"private-a", "client-x", "1,2", "carries one value"},
    };
    begin_pusher();
    struct conn *c = pusher_with(options("pusher://k:s@ws.example"));
    joined(c, "pub");
    joined(c, "private-a");
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_err err = {0};
        struct conn_emit e = {.name = ln_str(cases[i].name),
                              .args = ln_str(cases[i].args),
                              .room = ln_str(cases[i].room),
                              .retries = -1};
        CHECK_INT(conn_emit(c, &e, NULL, &err), LN_INVALID);
        CHECK_HAS(err.text, cases[i].says);
    }
    struct ln_err err = {0};
    struct ln_str bin = LN_STR("x");
    struct conn_emit asks = {
        .name = LN_STR("client-x"), .room = LN_STR("private-a"), .reply = on_reply, .retries = -1};
    struct conn_emit binary = {.name = LN_STR("client-x"),
                               .room = LN_STR("private-a"),
                               .bin = &bin,
                               .bin_count = 1,
                               .retries = -1};
    CHECK_INT(conn_emit(c, &asks, NULL, &err), LN_INVALID);
    CHECK_STR(ln_str(err.text), "Pusher has no acknowledgements");
    CHECK_INT(conn_emit(c, &binary, NULL, &err), LN_INVALID);
    CHECK_STR(ln_str(err.text), "Pusher carries no binary values");
    char long_name[202];
    memset(long_name, 'x', sizeof long_name);
    memcpy(long_name, "client-", 7);
    long_name[201] = 0;
    CHECK_INT(emit_in(c, "private-a", long_name, "{}", &err), LN_INVALID);
    CHECK_HAS(err.text, "at most 200 bytes");
    turn();
    GOT(last(), "");
    end_pusher();
}

TEST(clients_events_wait_for_the_line_and_the_room) {
    begin_pusher();
    struct conn *c = pusher_with(options("pusher://k:s@ws.example"));
    struct ln_err err = {0};
    joined(c, "private-a");
    hang_up(last());
    turn();
    CHECK_INT(emit_in(c, "private-a", "client-x", "{}", &err), LN_OK);
    CHECK_INT(emit_in(c, "private-b", "client-x", "{}", &err), LN_INVALID);
    CHECK_STR(ln_str(err.text), "the room is not joined");
    CHECK_INT(conn_outbox_size(c), 1);
    leave(c, "private-a"); /* then it cannot go any more */
    advance(1000);
    CHECK_INT(conn_outbox_size(c), 0);
    GOT(last(), "");
    LOG_HAS("emit 'client-x' is dropped: the room is not joined");
    end_pusher();
}

/* --- cache channels and counts --- */

TEST(cache_channels_give_their_last_event) {
    begin_pusher();
    struct conn *c = pusher_connected();
    joined(c, "cache-a");
    say_event(last(), "v", "cache-a", "\"{\\\"n\\\":1}\"");
    say_event(last(), "pusher:cache_miss", "cache-a", NULL);
    say_event(last(), "pusher:cache_miss", "cache-b", NULL);
    say_event(last(), "pusher_internal:subscription_count", "cache-a",
              "\"{\\\"subscription_count\\\":3}\"");
    turn();
    TRAIL("v({\"n\":1},{\"channel\":\"cache-a\"}) pusher:cache_miss(null,{\"channel\":\"cache-a\"})"
          " pusher:subscription_count({\"subscription_count\":3},{\"channel\":\"cache-a\"}) ");
    end_pusher();
}

TEST_MAIN(T(clients_events), T(clients_events_that_cannot_go),
          T(clients_events_wait_for_the_line_and_the_room), T(cache_channels_give_their_last_event))
