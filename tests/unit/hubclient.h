/* SPDX-License-Identifier: MIT
 *
 * A hub on the fake clock and clients over socket pairs, for the tests of the hub. What the hooks
 * are called with is noted in `seen`.
 */
#ifndef LN_HUBCLIENT_H
#define LN_HUBCLIENT_H

#include "base/clock.h"
#include "base/log.h"
#include "hub/hub.h"
#include "webclient.h"

#define SIO "/socket.io/?EIO=4&transport=websocket"
#define NOTHING ((struct ln_str){NULL, 0})
#define CHECK_NEXT(w, want) CHECK_STR(web_next(w), want)
#define CHECK_FRAME(w, part) check_frame(__LINE__, w, part)
#define CHECK_NONE(w) CHECK_STR(web_next(w), "")

struct hub_seen {
    struct ln_buf log; /* one line for each call of a hook */
    ln_id client, ticket;
    struct ln_buf bin;
    bool ask; /* the admit hook keeps its tickets */
};
static struct hub_seen seen;
static struct loop *loop;
static struct hub *hub;
static bool hub_done;

static inline void seen_event(void *ud, const struct hub_event *ev) {
    (void)ud;
    ln_buf_fmt(&seen.log, "event %.*s %.*s(%.*s) bin %zu ack %lld\n", LN_FMT(ev->nsp),
               LN_FMT(ev->name), LN_FMT(ev->args), ev->bin_count, (long long)ev->ack);
    for (size_t i = 0; i < ev->bin_count; i++)
        ln_buf_str(&seen.bin, ev->bin[i]);
    seen.client = ev->client;
    if (ev->ack >= 0) hub_ack(ev->hub, ev->client, ev->ack, ev->args, ev->bin, ev->bin_count);
}

static inline bool seen_wants(void *ud, struct ln_str nsp, struct ln_str name) {
    (void)ud;
    (void)nsp;
    return !ln_str_is(name, "unwanted");
}

static inline void seen_client(void *ud, ln_id client, struct ln_str nsp, bool connected,
                               struct ln_str reason) {
    (void)ud;
    ln_buf_fmt(&seen.log, "%s %.*s%s%.*s\n", connected ? "connect" : "disconnect", LN_FMT(nsp),
               connected ? "" : " ", LN_FMT(reason));
    seen.client = client;
}

static inline void seen_admit(void *ud, ln_id ticket, struct ln_str nsp, struct ln_str auth,
                              struct ln_str headers) {
    (void)ud;
    ln_buf_fmt(&seen.log, "admit %.*s %.*s %s\n", LN_FMT(nsp), LN_FMT(auth),
               memmem(headers.p, headers.n, "\"host\":\"localhost\"", 18) ? "host" : "no host");
    seen.ticket = ticket;
    if (!seen.ask) hub_admit(hub, ticket, true, NULL, NOTHING);
}

static const struct hub_hooks all_hooks = {
    .admit = seen_admit, .wants = seen_wants, .event = seen_event, .client = seen_client};
static const struct hub_hooks no_admit = {
    .wants = seen_wants, .event = seen_event, .client = seen_client};

static inline struct hub_opts test_opts(void) {
    struct hub_opts o;
    hub_opts_init(&o);
    o.port = -1;
    return o;
}

static inline void hub_start(const struct hub_opts *o, const struct hub_hooks *hooks) {
    struct ln_err err = {0};
    ln_clock_fake(1700000000000);
    loop = loop_new();
    hub = hub_open(loop, o, hooks, NULL, &err);
    hub_done = false;
    CHECK(hub != NULL);
}

static inline void on_hub_done(void *ud) {
    (void)ud;
    hub_done = true;
}

/* Behind its end: nothing is left of it. */
static inline void hub_gone(void) {
    CHECK(hub_done);
    CHECK_INT(loop_timer_count(loop), 0);
    loop_free(loop);
    ln_clock_real();
    ln_buf_free(&seen.log);
    ln_buf_free(&seen.bin);
    seen = (struct hub_seen){0};
}

static inline void hub_stop(void) {
    hub_close(hub, on_hub_done, NULL);
    loop_advance(loop, 3000);
    hub_gone();
}

static inline void seen_is(int line, const char *want) {
    if (!ln_str_is(ln_buf_get(&seen.log), want)) {
        printf("line %d: hooks saw:\n%.*swanted:\n%s", line, LN_FMT(ln_buf_get(&seen.log)), want);
        test_failures++;
    }
    ln_buf_clear(&seen.log);
}
#define CHECK_SEEN(want) seen_is(__LINE__, want)

/* The next frame begins with this and is taken. */
static inline void check_frame(int line, struct web *w, const char *part) {
    struct ln_str f = web_next(w);
    if (memmem(f.p, f.n, part, strlen(part))) return;
    printf("line %d: the frame is \"%.*s\", wanted one with \"%s\"\n", line, LN_FMT(f), part);
    test_failures++;
}

/* A line at `target`, open, without its first frames read. */
static inline void hub_line(struct web *w, const char *target) {
    web_init(w, loop, hub_pair(hub));
    web_upgrade(w, target, "");
    CHECK(w->is_open);
}

/* A Socket.IO client in "/" with this auth payload (or ""); its open, CONNECT and session frames
 * are taken. */
static inline void sio_client(struct web *w, const char *auth) {
    char packet[300];
    hub_line(w, SIO);
    snprintf(packet, sizeof packet, "40%s", auth);
    web_text(w, packet);
    web_turn(w);
    CHECK_FRAME(w, "0{\"sid\":");
    CHECK_FRAME(w, "40{\"sid\":");
    if (web_has(w, "[\"session\",")) CHECK_FRAME(w, "42[\"session\",{\"id\":");
}

static inline void raw_client(struct web *w, const char *query) {
    char target[300];
    snprintf(target, sizeof target, "/ws%s", query);
    hub_line(w, target);
    CHECK_FRAME(w, "{\"event\":\"session\",\"data\":{\"id\":");
}

/* Says it, turns. */
static inline void say(struct web *w, const char *text) {
    web_text(w, text);
    web_turn(w);
}

#endif
