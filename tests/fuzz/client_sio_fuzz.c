/* SPDX-License-Identifier: MIT
 *
 * A Socket.IO server that sends anything, to three connections on one line. The input is lines: a
 * line is a text frame, one that begins with "<" a binary one, "+" a second of time, "!" the end of
 * the transport (the next one begins afresh). What is heard makes the connections emit, answer,
 * leave, come back and close. Whatever comes in, everything comes to rest and nothing is left.
 */
#include "client_rig.h"

#define OPEN_PACKET "0{\"sid\":\"e\",\"pingInterval\":2000,\"pingTimeout\":1000}"

/* --- the sink --- */

static void on_reply(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                     const struct ln_err *err) {
    (void)ud, (void)args, (void)bin, (void)bin_count, (void)err;
    answered++;
}

static void emit(struct conn *c, struct ln_str name, unsigned flags, int retries) {
    struct conn_emit e = {
        .name = name, .args = LN_STR("1"), .flags = flags, .reply = on_reply, .retries = retries};
    if (conn_emit(c, &e, NULL, NULL) == LN_OK) asked++;
}

static ln_status on_event(void *ud, struct event *ev) {
    (void)ud;
    struct conn *c = ev->conn;
    if (ev->kind != EVENT_APP) return LN_OK;
    require(ev->bin_count <= 10);
    conn_ack(c, conn_epoch(c), ev->ack, LN_STR("2"), NULL, 0);
    switch (ev->name.n) {
    case 1:
        emit(c, LN_STR("e"), 0, 0);
        break;
    case 3:
        conn_disconnect(c, NULL);
        break;
    case 4:
        conn_reconnect(c);
        break;
    case 5:
        emit(c, LN_STR("r"), 0, 1);
        break;
    case 6:
        conn_room_want(c, ev->name, LN_STR("join"), ev->args);
        break;
    case 7:
        return LN_PROTOCOL;
    case 8:
        conn_close(c);
        break;
    case 9:
        conn_outbox_clear(c, 0);
        break;
    default:
        break;
    }
    return LN_OK;
}

static void on_auth(void *ud, struct conn *c, const struct conn_ask *ask) {
    (void)ud;
    struct ln_err err;
    ln_fail(&err, LN_CANCELLED, "no");
    conn_auth_answer(c, ask->ticket, LN_STR("{}"), ask->attempt % 3 == 0 ? &err : NULL);
}

static void on_connected(void *ud, struct conn *c, bool first) {
    (void)ud, (void)first;
    emit(c, LN_STR("now"), CONN_EMIT_NOW, 0);
    if (conn_id(c)[0] != 'h') conn_ready_go(c, conn_epoch(c)); /* h: handlers go on */
}

static void on_rejoined(void *ud, struct conn *c, struct ln_str room, struct ln_str reply,
                        const struct ln_err *err) {
    (void)ud, (void)room, (void)reply;
    if (err) conn_reconnect(c);
}

static const struct conn_sink sink = {rig_wants, on_event, on_auth, on_connected, on_rejoined};

/* --- the input --- */

static void take_line(struct ln_str line) {
    if (server >= 0 && is_up) {
        bool binary = line.n > 0 && line.p[0] == '<';
        if (binary) line = (struct ln_str){line.p + 1, line.n - 1};
        send_frame(binary ? WS_BINARY : WS_TEXT, line);
    }
}

static void open_conn(const char *name, const char *url, bool auth_asked) {
    struct conn_opts o;
    conn_opts_init(&o);
    o.url = ln_strdup(url);
    o.auth_asked = auth_asked;
    o.backoff.factor = 0;
    o.max_message = 4096;
    require(conn_open(clients, name, &o, NULL) != NULL);
    conn_opts_free(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rig_begin(&sink);
    open_conn("root", "ws://x", false);
    open_conn("a", "ws://x/a", false);
    open_conn("b", "ws://x/b", true);
    serve();
    send_frame(WS_TEXT, LN_STR(OPEN_PACKET));
    serve();
    rig_lines((struct ln_str){(const char *)data, size}, 1000, take_line);
    rig_end();
    return 0;
}
