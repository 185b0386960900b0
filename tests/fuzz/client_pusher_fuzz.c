/* SPDX-License-Identifier: MIT
 *
 * A Pusher server that sends anything. The input is lines: "j" and "l" with a name join and leave a
 * room, "+" is a second of time, "!" the end of the transport (the next one begins afresh), and
 * every other line a message. What is heard makes the connection join, leave, emit, come back and
 * close. Whatever comes in, everything comes to rest, nothing is left, and who waits hears once.
 */
#include "client_rig.h"

#define FIRST                                                                                      \
    "{\"event\":\"pusher:connection_established\",\"data\":{\"socket_id\":\"1.1\","                \
    "\"activity_timeout\":5}}"
#define SIGNED                                                                                     \
    "{\"auth\":\"k:s\",\"channel_data\":\"{\\\"user_id\\\":1}\",\"shared_secret\":"                \
    "\"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\"}"

static ln_id handle;

/* --- rooms --- */

static void on_joined(void *ud, struct ln_str reply, const struct ln_err *err) {
    (void)ud;
    require((reply.p != NULL) != (err != NULL));
    answered++;
}

static void join(struct conn *c, struct ln_str room) {
    if (asked > 500) return;
    conn_room_want(c, room, (struct ln_str){0}, (struct ln_str){0});
    if (conn_room_wait(c, room, 3000, on_joined, NULL)) asked++;
}

static void emit(struct conn *c, struct ln_str room) {
    struct conn_emit e = {
        .name = LN_STR("client-x"), .args = LN_STR("{}"), .room = room, .retries = -1};
    struct ln_err err;
    conn_emit(c, &e, NULL, &err);
}

/* --- the sink --- */

static ln_status on_event(void *ud, struct event *ev) {
    (void)ud;
    struct conn *c = ev->conn;
    if (ev->kind != EVENT_APP) return LN_OK;
    require(ev->meta_at <= ev->args.n);
    switch (ev->name.n) {
    case 1:
        emit(c, conn_room_name(c, ev->room));
        break;
    case 3:
        conn_disconnect(c, NULL);
        break;
    case 4:
        conn_reconnect(c);
        break;
    case 5:
        join(c, ev->name);
        break;
    case 6:
        conn_room_drop(c, conn_room_name(c, ev->room));
        break;
    case 7:
        return LN_PROTOCOL;
    case 8:
        conn_close(c);
        break;
    default:
        break;
    }
    return LN_OK;
}

static void on_auth(void *ud, struct conn *c, const struct conn_ask *ask) {
    (void)ud;
    conn_auth_answer(c, ask->ticket, LN_STR("{}"), NULL);
}

static void on_rejoined(void *ud, struct conn *c, struct ln_str room, struct ln_str reply,
                        const struct ln_err *err) {
    (void)ud, (void)reply, (void)err;
    require(conn_room_wanted(c, room));
}

static const struct conn_sink sink = {rig_wants, on_event, on_auth, rig_connected, on_rejoined};

static void authorizer(void *ud, struct conn *c, ln_id ticket, struct ln_str channel,
                       struct ln_str socket_id) {
    (void)ud, (void)socket_id;
    struct ln_err err;
    ln_fail(&err, LN_UNAUTHORIZED, "no");
    bool refuses = channel.n > 0 && channel.p[channel.n - 1] == '-';
    conn_auth_answer(c, ticket, LN_STR(SIGNED), refuses ? &err : NULL);
}

/* --- the input --- */

static void take_line(struct ln_str line) {
    struct conn *c = conn_of_handle(clients, handle);
    if (line.n > 0 && line.p[0] == 'j') {
        if (c) join(c, (struct ln_str){line.p + 1, line.n - 1});
    } else if (line.n > 0 && line.p[0] == 'l') {
        if (c) conn_room_drop(c, (struct ln_str){line.p + 1, line.n - 1});
    } else if (server >= 0 && is_up) {
        send_frame(WS_TEXT, line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct conn_opts o;
    rig_begin(&sink);
    clients_authorizer(clients, authorizer, NULL);
    conn_opts_init(&o);
    o.url = ln_strdup("pusher://k:s@x/?prefix=presence-");
    o.authorizer_asked = true;
    o.signin = size % 2;
    o.backoff.factor = 0;
    o.max_message = 4096;
    struct conn *c = conn_open(clients, "c", &o, NULL);
    require(c != NULL);
    handle = conn_handle(c);
    conn_opts_free(&o);
    join(c, LN_STR("lobby"));
    join(c, LN_STR("private-encrypted-e"));
    serve();
    if (size % 3) send_frame(WS_TEXT, LN_STR(FIRST));
    serve();
    rig_lines((struct ln_str){(const char *)data, size}, 1000, take_line);
    rig_end();
    return 0;
}
