/* SPDX-License-Identifier: MIT
 *
 * A server on the fake clock, and a user of it that notes what it is called with, for the tests of
 * io/server: over HTTP it serves /page and /big and holds /hold.
 */
#ifndef LN_SERVER_RIG_H
#define LN_SERVER_RIG_H

#include "base/clock.h"
#include "io/server.h"
#include "webclient.h"

struct fake { /* what the server is used by */
    struct server *s;
    int requests, opened, closed, messages, drained, pongs, begun, aborted;
    size_t bytes;
    ln_id held; /* the request for /hold */
    struct ln_buf body;
    int code;
    char reason[126], last[256], path[256];
    struct server_peer *peer;
    bool refuse, echo, drop_at_open, drop_at_message;
    struct ln_str big;
    int64_t done;
};
static struct fake f;
static struct loop *l;

static inline void on_request(void *ud, const struct server_request *r,
                              struct server_reply *reply) {
    static const char *const extra[] = {"X-One", "1", NULL};
    struct fake *x = ud;
    x->requests++;
    ln_buf_clear(&x->body);
    ln_buf_str(&x->body, r->body);
    if (ln_str_is(r->path, "/hold")) {
        x->held = r->id;
        reply->later = x;
    }
    snprintf(x->path, sizeof x->path, "%.*s|%.*s|%.*s|%.*s|%.*s", LN_FMT(r->method),
             LN_FMT(r->path), LN_FMT(r->query), LN_FMT(r->body), LN_FMT(r->header(r, "x-thing")));
    if (ln_str_is(r->path, "/big")) *reply = (struct server_reply){.status = 200, .body = x->big};
    if (!ln_str_is(r->path, "/page")) return;
    *reply = (struct server_reply){
        .status = 200, .type = "text/html", .body = LN_STR("<p>hello"), .headers = extra};
}

static inline bool on_accept(void *ud, const struct server_request *r, struct server_reply *reply) {
    struct fake *x = ud;
    (void)r;
    if (x->refuse) reply->body = LN_STR("not you");
    return !x->refuse;
}

static inline void *on_open(void *ud, struct server_peer *p, const struct server_request *r) {
    struct fake *x = ud;
    x->opened++;
    x->peer = p;
    snprintf(x->path, sizeof x->path, "%.*s %.*s", LN_FMT(r->path), LN_FMT(r->ip));
    if (x->drop_at_open) server_drop(p, 4001, LN_STR("no"));
    return x;
}

static inline void on_message(void *ud, bool binary, char *p, size_t n) {
    struct fake *x = ud;
    struct ln_str piece = {p, n};
    x->messages++;
    x->bytes += n;
    snprintf(x->last, sizeof x->last, "%c%.*s", binary ? 'b' : 't', (int)LN_MIN(n, 200u), p);
    if (x->echo) server_send(x->peer, binary, &piece, 1);
    if (x->drop_at_message) server_drop(x->peer, 1000, LN_STR("bye"));
}

static inline void on_drained(void *ud) {
    ((struct fake *)ud)->drained++;
}

static inline void on_pong(void *ud) {
    ((struct fake *)ud)->pongs++;
}

static inline void on_closed(void *ud, int code, struct ln_str reason) {
    struct fake *x = ud;
    x->closed++;
    x->code = code;
    snprintf(x->reason, sizeof x->reason, "%.*s", LN_FMT(reason));
}

static inline bool on_begin(void *ud, const struct server_request *r, struct server_reply *reply) {
    static const char *const extra[] = {"X-Begun", "1", NULL};
    ((struct fake *)ud)->begun++;
    reply->headers = extra;
    return !ln_str_is(r->path, "/refuse");
}

static inline void on_aborted(void *later) {
    ((struct fake *)later)->aborted++;
}

static const struct server_cbs cbs = {.request = on_request,
                                      .accept = on_accept,
                                      .open = on_open,
                                      .message = on_message,
                                      .drained = on_drained,
                                      .pong = on_pong,
                                      .closed = on_closed,
                                      .begin = on_begin,
                                      .aborted = on_aborted};

static inline void on_done(void *ud) {
    ((struct fake *)ud)->done++;
}

static inline void start(struct server_opts o) {
    struct ln_err err = {0};
    f = (struct fake){0};
    ln_clock_fake(1700000000000);
    l = loop_new();
    if (!o.max_message) o.max_message = 100000;
    if (!o.max_queue) o.max_queue = 1000000;
    if (!o.max_peers) o.max_peers = 10;
    f.s = server_open(l, &o, &cbs, &f, &err);
    if (!f.s) printf("server_open: %s\n", err.text);
    CHECK(f.s != NULL);
}

static inline void stop(void) {
    server_close(f.s, on_done, &f);
    loop_advance(l, 1000);
    CHECK_INT(f.done, 1);
    CHECK_INT(f.opened, f.closed);
    CHECK_INT(loop_timer_count(l), 0);
    loop_free(l);
    ln_clock_real();
    ln_buf_free(&f.body);
}

#define PAIR_ONLY ((struct server_opts){.port = -1})

static inline void client(struct web *w) {
    web_init(w, l, server_pair(f.s));
    CHECK(w->fd >= 0);
}

static inline void ask(struct web *w, const char *text) {
    client(w);
    web_say(w, text);
    web_turn(w);
}

static inline void refused(const char *request, int status) {
    struct web w;
    ask(&w, request);
    CHECK_INT(web_status(&w), status);
    CHECK(w.is_eof);
    if (web_status(&w) != status) printf("  asked: %.60s\n", request);
    web_free(&w);
}

#endif
