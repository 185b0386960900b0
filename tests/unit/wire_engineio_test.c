/* SPDX-License-Identifier: MIT
 *
 * Engine.IO packets against the reference's, and every defect of an open packet.
 */
#include "wire/engineio.h"

#include "base/text.h"
#include "vectors.h"

TEST(types_as_the_reference) {
    static const char *const names[] = {"open",    "close",   "ping", "pong",
                                        "message", "upgrade", "noop"};
    struct ln_str item, data;
    struct ln_buf frame = {0}, name = {0}, want = {0};
    size_t pos = 0, texts = 0;
    while (ln_json_each(vectors("eio_packet"), &pos, NULL, &item)) {
        struct ln_str packet = ln_json_get(item, "packet");
        if (!vector_text(ln_json_get(item, "websocket"), "text", &frame)) continue; /* binary */
        texts++;
        enum eio_type type = eio_parse(ln_buf_get(&frame), &data);
        CHECK(type >= '0' && type <= '6');
        CHECK(vector_text(packet, "type", &name));
        CHECK_STR(ln_buf_get(&name), names[type - '0']);
        vector_text(packet, "data", &want);
        CHECK(ln_str_eq(data, ln_buf_get(&want)));
    }
    CHECK_INT(texts, 6);
    ln_buf_free(&frame);
    ln_buf_free(&name);
    ln_buf_free(&want);
}

TEST(every_first_byte) {
    for (int c = 0; c < 256; c++) {
        char frame[2] = {(char)c, 'x'};
        struct ln_str data;
        enum eio_type type = eio_parse((struct ln_str){frame, 2}, &data);
        bool known = (c >= '0' && c <= '6') || c == 'b';
        CHECK_INT(type, known ? c : EIO_BAD);
        CHECK_STR(data, known ? "x" : "");
    }
    struct ln_str data;
    CHECK_INT(eio_parse(LN_STR(""), &data), EIO_BAD);
    CHECK_INT(eio_parse(LN_STR("2"), &data), EIO_PING);
    CHECK_INT(data.n, 0);
}

/* One packet as the vectors write it: its type's name and data, or "error". */
static void check_packet(struct ln_str want, struct ln_str packet) {
    static const char *const names[] = {"open",    "close",   "ping", "pong",
                                        "message", "upgrade", "noop"};
    struct ln_buf name = {0}, text = {0}, bytes = {0}, hex = {0};
    struct ln_str data;
    enum eio_type type = eio_parse(packet, &data);
    CHECK(vector_text(want, "type", &name));
    if (type == EIO_BAD) {
        CHECK_STR(ln_buf_get(&name), "error");
    } else if (type == EIO_BINARY) {
        CHECK_STR(ln_buf_get(&name), "message");
        vector_text(ln_json_get(want, "data"), "$bin", &text);
        /* What is no base64 the reference decodes to nothing; here it is an error. */
        if (ln_base64_decode(&bytes, data)) ln_hex(&hex, bytes.p, bytes.n);
        CHECK(ln_str_eq(ln_buf_get(&hex), ln_buf_get(&text)));
    } else {
        CHECK_STR(ln_buf_get(&name), names[type - '0']);
        vector_text(want, "data", &text);
        CHECK(ln_str_eq(data, ln_buf_get(&text)));
    }
    ln_buf_free(&name);
    ln_buf_free(&text);
    ln_buf_free(&bytes);
    ln_buf_free(&hex);
}

TEST(polling_bodies_as_the_reference_reads_them) {
    struct ln_str item, want, packet;
    struct ln_buf body = {0};
    size_t pos = 0, bodies = 0;
    while (ln_json_each(vectors("eio_payload_decode"), &pos, NULL, &item)) {
        struct ln_str list = ln_json_get(item, "packets");
        size_t at = 0, from = 0;
        CHECK(vector_text(item, "payload", &body));
        bodies++;
        while (ln_json_each(list, &at, NULL, &want)) {
            CHECK(eio_payload_each(ln_buf_get(&body), &from, &packet));
            check_packet(want, packet);
        }
        struct ln_str data; /* the reference drops what follows an error */
        CHECK(eio_parse(packet, &data) == EIO_BAD || from == body.n + 1);
    }
    CHECK_INT(bodies, 9);
    ln_buf_free(&body);
}

TEST(polling_bodies_as_the_reference_writes_them) {
    struct ln_str item, pair, part;
    struct ln_buf body = {0}, want = {0}, data = {0}, text = {0};
    size_t pos = 0, bodies = 0;
    while (ln_json_each(vectors("eio_payload_encode"), &pos, NULL, &item)) {
        size_t at = 0;
        ln_buf_clear(&body);
        bodies++;
        while (ln_json_each(ln_json_get(item, "packets"), &at, NULL, &pair)) {
            struct ln_str parts[2] = {{NULL, 0}, {NULL, 0}};
            size_t n = 0, i = 0;
            while (ln_json_each(pair, &n, NULL, &part) && i < 2)
                parts[i++] = part;
            bool is_binary = vector_text(parts[1], "$bin", &data);
            ln_buf_clear(&text);
            if (is_binary) ln_buf_add(&text, "\1\2\3\4", 4);
            if (!is_binary) ln_buf_putc(&text, ln_str_is(parts[0], "\"ping\"") ? '2' : '4');
            if (!is_binary) ln_json_text(parts[1], &text);
            struct ln_str pieces[] = {{text.p, 1}, {text.p + 1, text.n - 1}};
            eio_payload_add(&body, is_binary, pieces, 2);
        }
        CHECK(vector_text(item, "payload", &want));
        CHECK(ln_str_eq(ln_buf_get(&body), ln_buf_get(&want)));
    }
    CHECK_INT(bodies, 1);
    ln_buf_free(&body);
    ln_buf_free(&want);
    ln_buf_free(&data);
    ln_buf_free(&text);
}

TEST(separators_too_many) {
    static const struct {
        const char *body;
        int packets, bad;
    } cases[] = {{"", 1, 1},       {"2", 1, 0},        {"4a\036", 2, 1},   {"\0364a", 2, 1},
                 {"4\0362", 2, 0}, {"\036\036", 3, 3}, {"x\036\377", 2, 2}};
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_str packet, data;
        size_t pos = 0;
        int packets = 0, bad = 0;
        while (eio_payload_each(ln_str(cases[i].body), &pos, &packet)) {
            packets++;
            bad += eio_parse(packet, &data) == EIO_BAD;
        }
        CHECK_INT(packets, cases[i].packets);
        CHECK_INT(bad, cases[i].bad);
    }
}

TEST(open_packet) {
    struct eio_open o;
    struct ln_err err;
    CHECK(eio_open_parse(LN_STR("{\"sid\":\"omGAX50IU12_FzHFAAAA\",\"upgrades\":[\"websocket\"],"
                                "\"pingInterval\":300,\"pingTimeout\":200,\"maxPayload\":1000000}"),
                         &o, &err));
    CHECK_STR(o.sid, "omGAX50IU12_FzHFAAAA");
    CHECK(o.upgrade_websocket);
    CHECK_INT(o.ping_interval_ms, 300);
    CHECK_INT(o.ping_timeout_ms, 200);
    CHECK_INT(o.max_payload, 1000000);
    CHECK(eio_open_parse(
        LN_STR(" {\"upgrades\":[\"other\"],\"unknown\":{\"sid\":1},\"sid\":\"a\"} "), &o, &err));
    CHECK_STR(o.sid, "a");
    CHECK(!o.upgrade_websocket);
    CHECK_INT(o.ping_interval_ms, 25000);
    CHECK_INT(o.ping_timeout_ms, 20000);
    CHECK_INT(o.max_payload, 0);
}

TEST(open_packet_limits) {
    struct eio_open o;
    CHECK(eio_open_parse(LN_STR("{\"sid\":\"a\",\"pingInterval\":1,\"pingTimeout\":86400000}"), &o,
                         NULL));
    CHECK_INT(o.ping_interval_ms, 1);
    CHECK_INT(o.ping_timeout_ms, 86400000);
    CHECK(eio_open_parse(LN_STR("{\"sid\":\"a\",\"maxPayload\":0}"), &o, NULL)); /* not told */
    CHECK_INT(o.max_payload, 0);
}

TEST(open_packet_defects) {
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "not valid JSON"},
        {"{bad json", "not valid JSON"},
        {"{\"sid\":\"a\"} x", "not valid JSON"},
        {"[]", "not a JSON object"},
        {"null", "not a JSON object"},
        {"\"sid\"", "not a JSON object"},
        {"{}", "the handshake has no sid"},
        {"{\"sid\":\"\"}", "a sid that is empty"},
        {"{\"sid\":5}", "a sid that is empty or no string"},
        {"{\"sid\":null}", "a sid that is empty or no string"},
        {"{\"sid\":\"a\",\"upgrades\":\"websocket\"}", "upgrades that are no list"},
        {"{\"sid\":\"a\",\"pingInterval\":0}", "pingInterval is not a number"},
        {"{\"sid\":\"a\",\"pingInterval\":-1}", "pingInterval is not a number"},
        {"{\"sid\":\"a\",\"pingInterval\":86400001}", "pingInterval is not a number"},
        {"{\"sid\":\"a\",\"pingInterval\":\"25000\"}", "pingInterval is not a number"},
        {"{\"sid\":\"a\",\"pingInterval\":null}", "pingInterval is not a number"},
        {"{\"sid\":\"a\",\"pingTimeout\":99999999999999999999}", "pingTimeout is not a number"},
        {"{\"sid\":\"a\",\"pingTimeout\":0.5}", "pingTimeout is not a number"},
        {"{\"sid\":\"a\",\"maxPayload\":-1}", "maxPayload that is no number"},
        {"{\"sid\":\"a\",\"maxPayload\":\"x\"}", "maxPayload that is no number"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct eio_open o;
        struct ln_err err = {0};
        CHECK(!eio_open_parse(ln_str(cases[i].text), &o, &err));
        CHECK_INT(err.code, LN_PROTOCOL);
        CHECK_HAS(err.text, cases[i].says);
    }
}

TEST(open_packet_written) {
    struct ln_buf out = {0};
    eio_open_write(&out, "abc", false, 25000, 20000, 1000000);
    CHECK_STR(ln_buf_get(&out), "0{\"sid\":\"abc\",\"upgrades\":[],\"pingInterval\":25000,"
                                "\"pingTimeout\":20000,\"maxPayload\":1000000}");
    ln_buf_clear(&out);
    eio_open_write(&out, "abc", true, 5, 6, 7);
    struct ln_str data;
    struct eio_open o;
    CHECK_INT(eio_parse(ln_buf_get(&out), &data), EIO_OPEN);
    CHECK(eio_open_parse(data, &o, NULL));
    CHECK_STR(o.sid, "abc");
    CHECK(o.upgrade_websocket);
    CHECK_INT(o.ping_interval_ms, 5);
    CHECK_INT(o.ping_timeout_ms, 6);
    CHECK_INT(o.max_payload, 7);
    ln_buf_free(&out);
}

TEST_MAIN(T(types_as_the_reference), T(every_first_byte),
          T(polling_bodies_as_the_reference_reads_them),
          T(polling_bodies_as_the_reference_writes_them), T(separators_too_many), T(open_packet),
          T(open_packet_limits), T(open_packet_defects), T(open_packet_written))
