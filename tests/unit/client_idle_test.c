/* SPDX-License-Identifier: MIT
 *
 * A server that is of no use for a whole day: how often each protocol tries, and that nothing turns
 * between two attempts. Measured in turns of the loop, on the fake clock.
 */
#include "sio_peer.h"

#define DAY_MS (24 * 3600 * 1000LL)
#define SESSION "{\"sid\":\"x\",\"pingInterval\":25000,\"pingTimeout\":20000}"

static const struct way {
    const char *name, *url;
    enum conn_transport transport;
    const char *open;   /* its first frame as a server that lets in; NULL: none */
    const char *answer; /* in place of a WebSocket: lets in and ends it in one answer */
} ways[] = {
    {"socketio", "ws://127.0.0.1:9", TRANSPORT_WEBSOCKET, OPEN_PACKET, NULL},
    {"socketio", "ws://127.0.0.1:9", TRANSPORT_POLLING, NULL,
     "HTTP/1.1 200 OK\r\nContent-Length: 55\r\n\r\n0" SESSION "\x1e"
     "1"},
    {"pusher", "pusher://k@127.0.0.1:9", TRANSPORT_WEBSOCKET,
     "{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\"1.1\","
     "\"activity_timeout\":120}}",
     NULL},
    {"ws", "ws://127.0.0.1:9/feed", TRANSPORT_WEBSOCKET, NULL, NULL},
};

enum server { REFUSES, HANGS_UP, SAYS_NOTHING, ANSWERS_502, LETS_IN_AND_HANGS_UP };

static enum server server;
static int dials;

/* One attempt: what is left of the one before goes. */
static int dial_again(void *ud, struct conn *c) {
    for (int i = 0; i < w.lines; i++) {
        hang_up(w.line[i]);
        ln_buf_free(&w.line[i]->p.in);
        ws_parser_free(&w.line[i]->ws);
        ln_buf_free(&w.line[i]->got);
        ln_free(w.line[i]);
    }
    w.lines = 0;
    dials++;
    if (server == REFUSES) return 0; /* by the fault below */
    int fd = dial(ud, c);
    if (server == HANGS_UP) hang_up(last());
    return fd;
}

/* What the server has to say it says within five seconds. */
static void pass_day(const struct way *way) {
    if (server < ANSWERS_502) {
        loop_advance(w.loop, DAY_MS);
        return;
    }
    for (int64_t t = 0; t < DAY_MS; t += 5000) {
        turn();
        if (server == LETS_IN_AND_HANGS_UP && w.lines > 0 && last()->is_up) {
            if (strcmp(way->name, "pusher") == 0) say_close(last(), 4200, ""); /* "at once" */
            hang_up(last());
        }
        loop_advance(w.loop, 5000);
        ln_buf_clear(&w.trail);
        ln_buf_clear(&w.logs);
    }
}

static void spend(const struct way *way, int least, int most) {
    begin();
    clients_dialler(w.cs, dial_again, NULL);
    dials = 0;
    w.http = server == ANSWERS_502 ? "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
                                   : way->answer;
    w.open = way->open;
    if (server == REFUSES) ln_fault_set("stream.connect");
    struct conn_opts o = options(way->url);
    o.protocol = ln_strdup(way->name);
    o.transports[0] = way->transport;
    struct conn *c = open_with("chat", o);
    uint64_t turns = loop_turns(w.loop);
    pass_day(way);
    turns = loop_turns(w.loop) - turns;
    int steps = server < ANSWERS_502 ? 0 : (int)(DAY_MS / 5000);
    if (dials < least || dials > most || turns > (uint64_t)(dials * 40 + steps * 10)) {
        test_failures++;
        printf("%s, way %d, server %d: %d attempts, %d turns in a day\n", way->name,
               (int)(way - ways), server, dials, (int)turns);
    }
    CHECK(conn_state(c) == CONN_WAITING || conn_state(c) == CONN_CONNECTING);
    CHECK(loop_timer_count(w.loop) <= 2);
    ln_fault_set(NULL);
    end();
}

TEST(a_day_of_attempts) {
    static const struct {
        enum server server;
        int least, most; /* attempts: each half a minute, and the time that each takes */
    } table[] = {
        {REFUSES, 2880, 2900},      {HANGS_UP, 2880, 2900},
        {SAYS_NOTHING, 1720, 1740}, /* each takes its 20 s */
        {ANSWERS_502, 2460, 2900},  {LETS_IN_AND_HANGS_UP, 2460, 2900},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++)
        for (size_t k = 0; k < LN_COUNT(ways); k++) {
            server = table[i].server;
            spend(&ways[k], table[i].least, table[i].most);
        }
}

/* A connection that is up and has nothing to do turns for its heartbeat only. */
TEST(a_day_without_events) {
    for (size_t k = 0; k < LN_COUNT(ways); k++) {
        if (ways[k].transport == TRANSPORT_POLLING) continue;
        begin();
        w.open = ways[k].open;
        w.pongs = true;
        struct conn_opts o = options(ways[k].url);
        o.protocol = ln_strdup(ways[k].name);
        struct conn *c = connected_with("chat", o);
        uint64_t turns = loop_turns(w.loop);
        for (int64_t t = 0; t < DAY_MS; t += 25000) {
            if (k == 0) say(last(), "2");
            if (k == 2) say(last(), "{\"event\":\"pusher:ping\"}");
            advance(25000);
        }
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        CHECK_INT(w.lines, 1);
        CHECK(loop_turns(w.loop) - turns < DAY_MS / 25000 * 80);
        end();
    }
}

TEST_MAIN(T(a_day_of_attempts), T(a_day_without_events))
