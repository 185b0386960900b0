/* SPDX-License-Identifier: MIT
 *
 * The doctor's auth and room: not a copy of what a connection does but a connection itself, with a
 * sink that only the doctor hears. So it is judged what will be used.
 */
#include <stdio.h>

#include "base/text.h"
#include "host/doctor_inside.h"

/* --- auth --- */

static bool sink_wants(void *ud, struct conn *c, struct ln_str name) {
    (void)ud, (void)c, (void)name;
    return false;
}

static void sink_auth(void *ud, struct conn *c, const struct conn_ask *ask) {
    struct ln_err err;
    (void)ud;
    ln_fail(&err, LN_UNAUTHORIZED, "a function of a script is wanted");
    conn_answer(c, ask->ticket, ask->what, (struct ln_str){0}, &err);
}

static void sink_connected(void *ud, struct conn *c, bool first) {
    struct doctor *d = ud;
    (void)first;
    conn_ready_go(c, conn_epoch(c));
    if (doctor_is_at(d, "auth")) doctor_ok(d);
}

static bool is_about_auth(struct ln_str code) {
    return ln_str_is(code, "\"unauthorized\"") || ln_str_is(code, "\"forbidden\"");
}

static void blame(struct doctor *d, struct ln_str error, struct ln_str message) {
    struct ln_str code = ln_json_get(error, "code");
    struct ln_buf words = {0};
    bool in_namespace = ln_str_is(ln_json_get(error, "detail"), "\"namespace\"");
    if (in_namespace && ln_str_is(code, "\"not_found\"")) {
        doctor_advise(d,
                      "There is no namespace '%s' on that server. The path of the URL is the "
                      "namespace; the engine's path is the option 'path'.",
                      d->plan.url.path[0] ? d->plan.url.path : "/");
    } else if (doctor_token_words(d, &words)) {
        ln_buf_str(&d->advice, ln_buf_get(&words));
    } else if (is_about_auth(code)) {
        doctor_advise(d, doctor_sends_auth(d)
                             ? "The server does not take these credentials: compare the option "
                               "'auth' with what it wants."
                             : "The server wants credentials, and none were sent: the option "
                               "'auth' (--token, --auth) holds them.");
    } else {
        doctor_advise(d, "The server refuses the connection: %.*s.", LN_FMT(message));
    }
    ln_buf_free(&words);
}

static void on_refused(struct doctor *d, struct ln_str error) {
    struct ln_buf message = {0}, shown = {0};
    struct ln_str code = ln_json_get(error, "code"), data = ln_json_get(error, "data");
    ln_json_text(ln_json_get(error, "message"), &message);
    ln_buf_cstr(&message);
    ln_printable(&shown, ln_buf_get(&message), 200);
    if (data.n) {
        ln_buf_puts(&shown, ", data ");
        ln_printable(&shown, data, 120);
    }
    doctor_detail_raw(d, "code", code.p ? code : LN_STR("null"));
    blame(d, error, ln_buf_get(&message));
    bool is_words =
        ln_str_is(code, "\"refused\"") && ln_str_is(ln_json_get(error, "detail"), "\"namespace\"");
    doctor_fail(d, is_words || is_about_auth(code) ? EXIT_REFUSED : EXIT_NO_CONNECTION, "%.*s",
                LN_FMT(ln_buf_get(&shown)));
    ln_buf_free(&message);
    ln_buf_free(&shown);
}

static ln_status sink_event(void *ud, struct event *ev) {
    struct doctor *d = ud;
    if (ev->kind != EVENT_LIFECYCLE) return LN_OK;
    if (ln_str_is(ev->name, "connect_error") && doctor_is_at(d, "auth"))
        on_refused(d, ev->args);
    else if (ln_str_is(ev->name, "disconnect") && doctor_is_at(d, "join"))
        doctor_fail(d, EXIT_NO_CONNECTION, "disconnected: %.*s", LN_FMT(ev->args));
    return LN_OK;
}

static void sink_rejoined(void *ud, struct conn *c, struct ln_str room, struct ln_str reply,
                          const struct ln_err *err) {
    (void)ud, (void)c, (void)room, (void)reply, (void)err; /* conn_room_wait hears it as well */
}

const struct conn_sink doctor_sink = {sink_wants, sink_event, sink_auth, sink_connected,
                                      sink_rejoined};

void doctor_auth(struct doctor *d) {
    if (d->proto == DOCTOR_RAW && !d->o.room) {
        ln_buf_puts(&d->text, "none after the upgrade");
        doctor_skip(d);
        return;
    }
    if (d->proto == DOCTOR_RAW)
        ln_buf_puts(&d->text, "none after the upgrade, but a connection for the room");
    else if (d->proto == DOCTOR_PUSHER)
        ln_buf_puts(&d->text, "the app's key");
    else
        ln_buf_fmt(&d->text, "namespace %s, %s", d->plan.url.path[0] ? d->plan.url.path : "/",
                   d->o.conn->auth ? "with auth" : "without auth");
    conn_connect(d->conn);
}

/* --- a room --- */

/* The endpoint as it may be shown. */
static struct ln_str endpoint(const struct doctor *d) {
    const char *text = d->o.conn->auth_endpoint ? d->o.conn->auth_endpoint : "/broadcasting/auth";
    return (struct ln_str){text, strcspn(text, "?")};
}

static void advise_endpoint(struct doctor *d, const struct ln_err *err) {
    struct ln_buf words = {0};
    if (err->code == LN_UNAUTHORIZED || err->code == LN_FORBIDDEN) {
        doctor_advise(d, "The auth endpoint (%.*s) does not let us into '%s'. ",
                      LN_FMT(endpoint(d)), d->o.room);
        if (doctor_token_words(d, &words))
            ln_buf_str(&d->advice, ln_buf_get(&words));
        else
            doctor_advise(d, "It knows us by the option 'headers' (--header 'Authorization: "
                             "Bearer …'): may that user listen to this channel?");
    } else {
        doctor_advise(d,
                      "The auth endpoint (%.*s) does not answer as one does: %s. Is the option "
                      "'auth_endpoint' its address?",
                      LN_FMT(endpoint(d)), err->text);
    }
    ln_buf_free(&words);
}

static void join_failed(struct doctor *d, const struct ln_err *err) {
    bool refused = err->code == LN_UNAUTHORIZED || err->code == LN_FORBIDDEN;
    if (strncmp(err->text, "auth endpoint", 13) == 0)
        advise_endpoint(d, err);
    else if (refused && d->o.conn->secret)
        doctor_advise(d,
                      "The server does not take the signature for '%s': are 'key' and 'secret' "
                      "those of its app?",
                      d->o.room);
    else
        doctor_advise(d, "'%s' cannot be joined: %s", d->o.room, err->text);
    doctor_fail(d, refused ? EXIT_REFUSED : EXIT_NO_CONNECTION, "%s", err->text);
}

static void on_joined(void *ud, struct ln_str reply, const struct ln_err *err) {
    struct doctor *d = ud;
    (void)reply;
    d->waits = 0;
    if (!doctor_is_at(d, "join")) return;
    if (err)
        join_failed(d, err);
    else
        doctor_ok(d);
}

/* {"ok":false,"error":{"code":…,"message":…}}, as our hub answers; what others answer is shown. */
static void on_reply(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                     const struct ln_err *err) {
    struct doctor *d = ud;
    struct ln_err mine;
    struct ln_buf shown = {0};
    bool yes = true;
    (void)bin, (void)bin_count;
    d->asks = 0;
    if (!doctor_is_at(d, "join")) return;
    ln_json_bool(ln_json_get(args, "ok"), &yes);
    if (!err && !yes) {
        ln_printable(&shown, args, 200);
        ln_fail(&mine, LN_REFUSED, "the server answered %.*s", LN_FMT(ln_buf_get(&shown)));
        err = &mine;
    }
    ln_buf_free(&shown);
    on_joined(d, args, err);
}

static void ask_by_event(struct doctor *d) {
    bool rooms = d->o.dialect && strcmp(d->o.dialect, "rooms") == 0;
    struct ln_buf args = {0};
    struct ln_err err;
    ln_buf_puts(&args, rooms ? "{\"room_id\":" : "{\"room\":");
    ln_json_quote(&args, ln_str(d->o.room));
    ln_buf_putc(&args, '}');
    struct conn_emit e = {.name = rooms ? LN_STR("join_room") : LN_STR("join"),
                          .args = ln_buf_get(&args),
                          .flags = CONN_EMIT_NOW,
                          .reply = on_reply,
                          .ud = d,
                          .timeout_ms = d->step_ms,
                          .retries = -1};
    ln_buf_fmt(&d->text, "%s, by the event '%.*s'", d->o.room, LN_FMT(e.name));
    if (conn_emit(d->conn, &e, &d->asks, &err) != LN_OK) join_failed(d, &err);
    ln_buf_free(&args);
}

void doctor_drop_join(struct doctor *d) {
    if (d->asks) conn_emit_cancel(d->conn, d->asks);
    if (d->waits) conn_room_wait_cancel(d->conn, d->waits);
    d->asks = d->waits = 0;
}

void doctor_join(struct doctor *d) {
    if (!d->o.room) {
        ln_buf_puts(&d->text, "no --room was given");
        doctor_skip(d);
    } else if (conn_has_rooms(d->conn)) {
        ln_buf_puts(&d->text, d->o.room);
        conn_room_want(d->conn, ln_str(d->o.room), (struct ln_str){0}, (struct ln_str){0});
        d->waits = conn_room_wait(d->conn, ln_str(d->o.room), d->step_ms, on_joined, d);
    } else {
        ask_by_event(d);
    }
}
