/* SPDX-License-Identifier: MIT
 *
 * What is said on the doctor's own line: the server's first message, and at the end a ping with its
 * answer.
 */
#include <stdio.h>

#include "base/text.h"
#include "host/doctor_inside.h"
#include "wire/engineio.h"
#include "wire/pusher.h"

enum { OLD_SERVER_MS = 500 }; /* a server of Socket.IO 2 says its next word at once */

/* --- Socket.IO --- */

static bool looks_like_pusher(struct ln_str text) {
    return ln_str_starts(text, "{") && memmem(text.p, text.n, "pusher:", 7) != NULL;
}

static void strange_first(struct doctor *d, struct ln_str text, const char *wanted) {
    struct ln_buf said = {0};
    ln_printable(&said, text, 80);
    if (d->proto == DOCTOR_SOCKETIO && looks_like_pusher(text))
        doctor_advise(d, "This is a Pusher server: use protocol = \"pusher\" with its key.");
    else if (d->proto == DOCTOR_PUSHER && ln_str_starts(text, "0{"))
        doctor_advise(d, "This is a Socket.IO server: use protocol = \"socketio\".");
    else
        doctor_advise(d, "The server does not speak this protocol; for a plain WebSocket: protocol "
                         "= \"ws\".");
    doctor_fail(d, EXIT_NO_CONNECTION, "the server's first message is no %s: %.*s", wanted,
                LN_FMT(ln_buf_get(&said)));
    ln_buf_free(&said);
}

static void old_server(struct doctor *d) {
    doctor_advise(d, "This server speaks the protocol of Socket.IO 2, linnet that of 3 and 4: the "
                     "server must be updated.");
    doctor_fail(d, EXIT_NO_CONNECTION, "a Socket.IO server in version 2");
}

static void on_old_server_silent(void *ud) {
    doctor_ok(ud);
}

static void check_open(struct doctor *d, struct ln_str text) {
    struct ln_str data;
    struct eio_open o;
    struct ln_err err;
    char every[32];
    if (eio_parse(text, &data) != EIO_OPEN) {
        strange_first(d, text, "Engine.IO handshake");
        return;
    }
    if (!eio_open_parse(data, &o, &err)) {
        doctor_fail(d, EXIT_NO_CONNECTION, "%s", err.text);
        return;
    }
    ln_buf_fmt(&d->text, "Engine.IO 4, the server pings every %s",
               ln_duration_text(o.ping_interval_ms, every, sizeof every));
    doctor_detail_int(d, "ping_interval_ms", o.ping_interval_ms);
    doctor_detail_int(d, "ping_timeout_ms", o.ping_timeout_ms);
    doctor_detail_int(d, "max_payload", o.max_payload);
    if (d->is_v2) {
        old_server(d);
        return;
    }
    if (o.max_payload > 0 || d->polls) {
        doctor_ok(d);
        return;
    }
    /* From 4.0 on servers tell it; an older one may be of a protocol that begins alike. */
    loop_timer_cancel(d->loop, d->timer);
    d->timer = loop_timer(d->loop, OLD_SERVER_MS, on_old_server_silent, d);
}

/* --- Pusher --- */

static void pusher_refused(struct doctor *d, struct ln_str data) {
    int64_t code = 0;
    struct ln_buf message = {0};
    ln_json_int(ln_json_get(data, "code"), &code);
    ln_json_text(ln_json_get(data, "message"), &message);
    struct ln_buf shown = {0};
    ln_printable(&shown, ln_buf_get(&message), 120);
    enum pusher_action next = pusher_close_action((int)code);
    if (code == 4001)
        doctor_advise(d, "The server knows no app with this key: compare 'key' (or the user part "
                         "of pusher://KEY@host) with the server's settings.");
    else if (next == PUSHER_USE_TLS)
        doctor_advise(d, "This app takes TLS only: use pushers:// or wss://.");
    else
        doctor_advise(d, "The server refuses the connection with code %d: %.*s.", (int)code,
                      LN_FMT(ln_buf_get(&shown)));
    doctor_detail_int(d, "code", code);
    doctor_fail(d, next == PUSHER_REFUSED ? EXIT_REFUSED : EXIT_NO_CONNECTION, "%d: %.*s",
                (int)code, LN_FMT(ln_buf_get(&shown)));
    ln_buf_free(&shown);
    ln_buf_free(&message);
}

static void check_established(struct doctor *d, struct ln_str text) {
    struct pusher_msg m;
    struct ln_buf scratch = {0}, plain = {0};
    struct ln_err err;
    int64_t seconds = 0;
    if (!pusher_parse(text, &m, &scratch, &err)) {
        strange_first(d, text, "message of Pusher's protocol");
    } else if (ln_str_is(m.event, "pusher:error")) {
        pusher_refused(d, pusher_data(m.data, &plain));
    } else if (!ln_str_is(m.event, "pusher:connection_established")) {
        strange_first(d, text, "pusher:connection_established");
    } else {
        struct ln_str data = pusher_data(m.data, &plain);
        ln_json_int(ln_json_get(data, "activity_timeout"), &seconds);
        ln_buf_fmt(&d->text, "Pusher protocol 7, activity timeout %lld s", (long long)seconds);
        doctor_detail_int(d, "activity_timeout", seconds);
        doctor_ok(d);
    }
    ln_buf_free(&plain);
    ln_buf_free(&scratch);
}

/* --- both --- */

static void check_first(struct doctor *d) {
    struct ln_str first = ln_buf_get(&d->first);
    if (d->proto == DOCTOR_PUSHER)
        check_established(d, first);
    else
        check_open(d, first);
}

void doctor_handshake(struct doctor *d) {
    if (d->proto == DOCTOR_RAW) {
        ln_buf_puts(&d->text, "none: a plain WebSocket");
        doctor_skip(d);
    } else if (d->first.n) {
        check_first(d);
    } else if (!d->ws) {
        doctor_blame_loss(d);
    }
}

static bool is_pusher_pong(struct ln_str text) {
    struct pusher_msg m;
    struct ln_buf scratch = {0};
    bool is = pusher_parse(text, &m, &scratch, NULL) && ln_str_is(m.event, "pusher:pong");
    ln_buf_free(&scratch);
    return is;
}

void doctor_message(struct doctor *d, bool binary, struct ln_str text) {
    if (d->proto == DOCTOR_RAW) return;
    if (d->first.n == 0) {
        ln_buf_str(&d->first, text);
        if (text.n == 0) ln_buf_putc(&d->first, ' ');
        if (doctor_is_at(d, "handshake")) check_first(d);
        return;
    }
    if (binary) return;
    /* Nobody has asked to be let into a namespace yet. */
    if (d->proto == DOCTOR_SOCKETIO && ln_str_starts(text, "40")) {
        d->is_v2 = true;
        if (doctor_is_at(d, "handshake")) old_server(d);
    }
    if (doctor_is_at(d, "round trip") && d->proto == DOCTOR_PUSHER && is_pusher_pong(text))
        doctor_pong(d);
}

/* --- round trip --- */

/* Our session's goodbye is as good a question as any. */
static void on_posted(void *ud, const struct http_answer *a, enum stream_phase phase,
                      const struct ln_err *err) {
    struct doctor *d = ud;
    (void)phase;
    if (a && a->status == 200)
        doctor_ok(d);
    else if (a)
        doctor_fail(d, EXIT_NO_CONNECTION, "HTTP %d", a->status);
    else
        doctor_fail(d, EXIT_NO_CONNECTION, "%s", err->text);
}

static void post_goodbye(struct doctor *d) {
    struct eio_open o;
    struct ln_buf target = {0};
    struct http_header headers[] = {{"Content-Type", "text/plain;charset=UTF-8"}};
    eio_open_parse((struct ln_str){d->first.p + 1, d->first.n - 1}, &o, NULL);
    doctor_polling_target(d, &target);
    ln_buf_fmt(&target, "&sid=%.*s", LN_FMT(o.sid));
    struct http_request r = {.method = "POST",
                             .host_header = d->plan.host.p,
                             .target = ln_buf_cstr(&target),
                             .headers = headers,
                             .header_count = 1,
                             .body = LN_STR("1"),
                             .timeout_ms = d->step_ms};
    http_send(d->http, &r, on_posted, d);
    ln_buf_free(&target);
}

void doctor_pong(struct doctor *d) {
    if (!doctor_is_at(d, "round trip")) return;
    doctor_ok(d);
}

void doctor_round_trip(struct doctor *d) {
    struct ln_str ping = LN_STR("{\"event\":\"pusher:ping\",\"data\":{}}"), none = {0};
    if (d->polls) {
        ln_buf_puts(&d->text, "a POST of polling");
        post_goodbye(d);
    } else if (!d->ws && d->proto == DOCTOR_RAW) {
        doctor_blame_loss(d);
    } else if (!d->ws) {
        ln_buf_puts(&d->text, "the server has closed the first line since the second came");
        doctor_skip(d);
    } else if (d->proto == DOCTOR_PUSHER) {
        ln_buf_puts(&d->text, "pusher:ping and pusher:pong");
        ws_send(d->ws, WS_TEXT, &ping, 1);
    } else {
        ln_buf_puts(&d->text, "WebSocket ping and pong");
        ws_send(d->ws, WS_PING, &none, 1);
    }
}
