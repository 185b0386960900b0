/* SPDX-License-Identifier: MIT
 *
 * A stream that records what happens to it, for the tests of streams.
 */
#ifndef LN_STREAM_LINE_H
#define LN_STREAM_LINE_H

#include "base/clock.h"
#include "io/stream.h"
#include "peer.h"
#include "test.h"

enum where { NOWHERE, IN_OPEN, IN_DATA, IN_DRAINED };

struct line {
    struct stream *s;
    int opened, closed, drained, datas;
    enum stream_phase phase;
    bool has_err;
    struct ln_err err;
    struct ln_buf got;
    enum where close_in, pause_in;
    const char *say_in_open;
};

static struct loop *loop;
static int fds_before;

static void on_open(void *ud) {
    struct line *l = ud;
    l->opened++;
    CHECK_INT(stream_phase_of(l->s), PHASE_OPEN);
    if (l->say_in_open) {
        ln_buf_puts(stream_out(l->s), l->say_in_open);
        stream_send(l->s);
    }
    if (l->close_in == IN_OPEN) stream_close(l->s);
}
static void on_data(void *ud, char *p, size_t n) {
    struct line *l = ud;
    CHECK(l->opened == 1 && l->closed == 0);
    l->datas++;
    ln_buf_add(&l->got, p, n);
    memset(p, '!', n); /* may be changed in place */
    if (l->pause_in == IN_DATA) stream_pause(l->s, true);
    if (l->close_in == IN_DATA) {
        stream_close(l->s);
        stream_close(l->s);
    }
}
static void on_closed(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct line *l = ud;
    l->closed++;
    l->phase = phase;
    l->has_err = err != NULL;
    if (err) l->err = *err;
    stream_send(l->s); /* all of it does nothing by now, and does no harm */
    stream_close(l->s);
    l->s = NULL;
}
static void on_drained(void *ud) {
    struct line *l = ud;
    l->drained++;
    if (l->close_in == IN_DRAINED) stream_close(l->s);
}
static const struct stream_cbs cbs = {on_open, on_data, on_closed, on_drained};

static inline void begin(void) {
    ln_clock_fake(1700000000000);
    loop_free(loop_new()); /* what libuv opens once for the process */
    fds_before = peer_open_fds();
    loop = loop_new();
}
static inline void end(void) {
    loop_free(loop);
    CHECK_INT(peer_open_fds(), fds_before);
    ln_fault_set(NULL);
    ln_clock_real();
}
static inline void open_to(struct line *l, struct stream_opts o) {
    *l = (struct line){0};
    l->s = stream_open(loop, &o, &cbs, l);
    CHECK_INT(l->closed + l->opened, 0); /* never from inside */
}
static inline void adopt(struct line *l, struct peer *p) {
    *l = (struct line){0};
    l->s = stream_adopt(loop, peer_pair(p), &cbs, l);
}
static inline void finish(struct line *l) {
    if (l->s) stream_close(l->s);
    loop_settle(loop, 0);
    CHECK_INT(l->closed, 1);
    ln_buf_free(&l->got);
}
static inline void say(struct line *l, const char *text) {
    ln_buf_puts(stream_out(l->s), text);
    stream_send(l->s);
}
/* The stream must have ended with this error. */
static inline void check_error(struct line *l, enum stream_phase phase, ln_status code,
                               const char *text) {
    CHECK_INT(l->closed, 1);
    CHECK_INT(l->phase, phase);
    CHECK(l->has_err);
    CHECK_INT(l->err.code, code);
    CHECK_STR(ln_str(l->err.text), text);
    ln_buf_free(&l->got);
}
static inline const char *fmt(const char *format, unsigned port) {
    static char text[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, format, port);
#pragma GCC diagnostic pop
    return text;
}

#endif
