/* SPDX-License-Identifier: MIT
 *
 * A stream over TLS that records what happens to it, and its server.
 */
#ifndef LN_TLS_LINE_H
#define LN_TLS_LINE_H

#include "base/clock.h"
#include "certs.h"
#include "io/stream.h"
#include "test.h"

struct line {
    struct stream *s;
    int opened, closed, datas;
    enum stream_phase phase;
    bool has_err, close_in_open, close_in_data, pause_in_data;
    struct ln_err err;
    struct ln_buf got;
};

static struct loop *loop;
static int fds_before;
static struct line line;
static struct tls_peer peer;
static struct cert ca, good, stranger;

static void on_open(void *ud) {
    struct line *l = ud;
    l->opened++;
    if (l->close_in_open) stream_close(l->s);
}
static void on_data(void *ud, char *p, size_t n) {
    struct line *l = ud;
    l->datas++;
    ln_buf_add(&l->got, p, n);
    if (l->pause_in_data) stream_pause(l->s, true);
    if (l->close_in_data) stream_close(l->s);
}
static void on_closed(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct line *l = ud;
    l->closed++;
    l->phase = phase;
    l->has_err = err != NULL;
    if (err) l->err = *err;
    l->s = NULL;
}
static const struct stream_cbs cbs = {on_open, on_data, on_closed, NULL};

static inline void begin(void) {
    ln_clock_fake(1700000000000);
    loop_free(loop_new()); /* what libuv opens once for the process */
    fds_before = peer_open_fds();
    loop = loop_new();
    certs_begin();
    ca = cert_make("ca", (struct cert_spec){"Test Authority", NULL, -10, 10, NULL, true});
    good =
        cert_make("good", (struct cert_spec){"x", "DNS:chat.example,DNS:*.wild.example,IP:10.0.0.1",
                                             -1, 1, &ca, false});
    stranger = cert_make(
        "stranger", (struct cert_spec){"chat.example", "DNS:chat.example", -1, 1, NULL, false});
}
static inline void reset(void) { /* for the next line on the same loop */
    if (line.s) stream_close(line.s);
    loop_settle(loop, 0);
    CHECK_INT(line.closed, 1);
    CHECK_INT(loop_timer_count(loop), 0);
    ln_buf_free(&line.got);
    tls_peer_close(&peer);
}
static inline void end(void) {
    loop_free(loop);
    CHECK_INT(peer_open_fds(), fds_before);
    cert_free(&ca);
    cert_free(&good);
    cert_free(&stranger);
    certs_end();
    ln_fault_set(NULL);
    ln_clock_real();
}
/* A line to a server with that context; the handshake is run as far as it goes. */
static inline void shake(SSL_CTX *server, const char *host, struct tls_opts tls) {
    struct stream_opts o = {.host = host, .tls = true, .tls_opts = tls};
    line = (struct line){.close_in_open = line.close_in_open,
                         .close_in_data = line.close_in_data,
                         .pause_in_data = line.pause_in_data};
    o.fd = tls_pair(&peer, server);
    line.s = stream_open(loop, &o, &cbs, &line);
    CHECK_INT(line.opened + line.closed, 0);
    tls_pump(loop, &peer);
}
static inline void shake_good(void) {
    shake(tls_server(&good, NULL, 0), "chat.example",
          (struct tls_opts){.ca = certs_path("ca.pem")});
    CHECK_INT(line.opened, 1);
}
static inline void check_error(ln_status code, const char *part) {
    loop_settle(loop, 0);
    CHECK_INT(line.closed, 1);
    CHECK(line.has_err);
    CHECK_INT(line.phase, PHASE_TLS);
    CHECK_INT(line.err.code, code);
    CHECK_HAS(line.err.text, part);
}
static inline void say(const char *text) {
    ln_buf_puts(stream_out(line.s), text);
    stream_send(line.s);
}

#endif
