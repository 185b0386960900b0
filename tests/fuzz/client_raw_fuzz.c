/* SPDX-License-Identifier: MIT
 *
 * A raw WebSocket server that sends anything, to a connection with the codec that the first byte
 * chooses: t text, o own functions, else json. Then the input is lines: each is a text frame; one
 * that begins with "<" is binary; "+" ten seconds of time; "!" the end of the transport; "^N" a
 * close frame with that code. What is heard makes the connection emit, answer, leave and close.
 * Whatever comes in, everything comes to rest and nothing is left.
 */
#include "base/json.h"
#include "client_rig.h"

/* --- the sink --- */

static void on_reply(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                     const struct ln_err *err) {
    struct ln_buf list = {0};
    (void)ud, (void)bin, (void)bin_count;
    answered++;
    ln_buf_fmt(&list, "[%.*s]", LN_FMT(args));
    require(err || ln_json_valid(ln_buf_get(&list), NULL) || ln_json_valid(args, NULL));
    ln_buf_free(&list);
}

static void emit(struct conn *c, struct ln_str name, struct ln_str args, bool asks) {
    struct conn_emit e = {
        .name = name, .args = args, .reply = asks ? on_reply : NULL, .retries = -1};
    if (conn_emit(c, &e, NULL, NULL) == LN_OK) asked += asks;
}

static ln_status on_event(void *ud, struct event *ev) {
    (void)ud;
    struct conn *c = ev->conn;
    if (ev->kind != EVENT_APP) return LN_OK;
    conn_ack(c, conn_epoch(c), ev->ack, LN_STR("1,2"), NULL, 0);
    switch (ev->name.n) {
    case 1:
        emit(c, LN_STR("e"), LN_STR("[1]"), true);
        break;
    case 3:
        conn_disconnect(c, NULL);
        conn_connect(c);
        break;
    case 4:
        conn_reconnect(c);
        break;
    case 5:
        return ln_str_is(ev->name, "error") ? LN_OK : LN_PROTOCOL;
    case 6:
        conn_room_want(c, ev->name, LN_STR("join"), LN_STR("{}"));
        break;
    case 7:
        emit(c, LN_STR("message"), LN_STR("\"x\""), false);
        break;
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
    conn_auth_answer(c, ask->ticket, LN_STR("{\"t\":1}"), NULL);
}

static void on_rejoined(void *ud, struct conn *c, struct ln_str room, struct ln_str reply,
                        const struct ln_err *err) {
    (void)ud, (void)c, (void)room, (void)reply, (void)err;
}

static const struct conn_sink sink = {rig_wants, on_event, on_auth, rig_connected, on_rejoined};

/* --- a codec: what comes is the name of an event --- */

static bool decode(void *ud, struct conn *c, bool binary, struct ln_str data) {
    struct event ev = {.name = data, .args = LN_STR("1")};
    (void)ud;
    if (binary) return false;
    conn_decoded(c, &ev);
    return true;
}

static bool encode(void *ud, struct conn *c, struct conn_emit *e, struct ln_buf *frame,
                   ln_status *status, struct ln_err *err) {
    (void)ud, (void)c;
    if (e->name.n == 1) *status = ln_fail(err, LN_INVALID, "not that");
    ln_buf_str(frame, e->name);
    return true;
}

static const struct conn_codecs codecs = {decode, encode};

/* --- the input --- */

static void take_line(struct ln_str line) {
    struct ln_buf out = {0};
    char first = line.n > 0 ? line.p[0] : 0;
    if (server < 0 || !is_up) {
        return;
    } else if (first == '^') {
        int code = 0;
        for (size_t i = 1; i < line.n && i < 5 && line.p[i] >= '0' && line.p[i] <= '9'; i++)
            code = code * 10 + (line.p[i] - '0');
        ws_write_close(&out, false, code, LN_STR("why"));
        send_bytes(&out);
        hang_up();
    } else {
        if (first == '<') line = (struct ln_str){line.p + 1, line.n - 1};
        send_frame(first == '<' ? WS_BINARY : WS_TEXT, line);
        serve();
    }
}

static void open_conn(char codec) {
    struct conn_opts o;
    conn_opts_init(&o);
    o.url = ln_strdup("ws://x/ws");
    o.auth_asked = codec == 'a';
    o.codec = codec == 't' ? CODEC_TEXT : codec == 'o' ? CODEC_OWN : CODEC_JSON;
    o.heartbeat_ms = 5000;
    o.backoff.factor = 0;
    o.max_message = 4096;
    require(conn_open(clients, "raw", &o, NULL) != NULL);
    conn_opts_free(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    rig_begin(&sink);
    clients_codecs(clients, &codecs, NULL);
    open_conn((char)data[0]);
    serve();
    rig_lines((struct ln_str){(const char *)data + 1, size - 1}, 10000, take_line);
    rig_end();
    return 0;
}
