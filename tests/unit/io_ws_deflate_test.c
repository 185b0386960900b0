/* SPDX-License-Identifier: MIT
 *
 * A WebSocket line with permessage-deflate: offer and answer, messages both ways, bombs, and lines
 * that share what zlib needs. wire_deflate_test.c has the rules themselves.
 */
#include "wire/deflate.h"
#include "ws_line.h"

static struct ws_zip *zip; /* the server's */
static struct ws_deflate deflate;

static struct ws_opts offering(void) {
    struct ws_opts o = options();
    o.deflate = true;
    return o;
}

/* Opens a line whose server answers the offer as given. */
static void open_deflated(struct line *l, struct ws_opts o, const char *answer) {
    struct ln_buf chosen = {0}, lines = {0};
    open_with(l, o);
    CHECK(ws_deflate_choose(LN_STR(WS_DEFLATE_OFFER), &deflate, &chosen));
    ws_parser_deflate(&frames, zip, &deflate);
    ln_buf_fmt(&lines, "Sec-WebSocket-Extensions: %s\r\n", answer ? answer : ln_buf_cstr(&chosen));
    struct ln_buf out = answer_101(ln_buf_cstr(&lines));
    CHECK_HAS(request, "Sec-WebSocket-Extensions: permessage-deflate; "
                       "client_no_context_takeover\r\n");
    serve(&out);
    ln_buf_free(&chosen);
    ln_buf_free(&lines);
}
static void begin_deflate(void) {
    begin();
    zip = ws_zip_new();
}
static void end_deflate(struct line *l) {
    end(l);
    ws_zip_free(zip);
}

static const char *long_text(size_t n) {
    static char text[100001];
    for (size_t i = 0; i < n; i++)
        text[i] = "the same words again and again "[i % 31];
    text[n] = 0;
    return text;
}

TEST(messages_are_compressed_both_ways) {
    struct line l;
    struct ln_buf out = {0};
    struct ln_str text = {long_text(5000), 5000}, shorts = LN_STR("short");
    begin_deflate();
    open_deflated(&l, offering(), NULL);
    CHECK_INT(l.opened, 1);
    CHECK(ws_is_deflated(l.w));
    for (int i = 0; i < 3; i++)
        ws_write_deflated(&out, false, WS_TEXT, &text, 1, zip, &deflate);
    CHECK(out.n < 1000);
    frame(&out, true, WS_TEXT, "plain");
    serve(&out);
    CHECK_INT(l.messages, 4);
    CHECK_INT(l.got.n, 3 * 5001 + 6);
    CHECK(l.got.n > 5000 && memcmp(l.got.p + 5001, text.p, 5000) == 0);
    ws_send(l.w, WS_BINARY, &text, 1);
    ws_send(l.w, WS_TEXT, &shorts, 1);
    peer_pump(loop, &peer);
    CHECK(peer.in.n < 300);
    CHECK_INT((unsigned char)peer.in.p[0], 0x80 | 0x40 | WS_BINARY);
    check_sent(WS_MESSAGE, WS_BINARY, 0, text.p);
    check_sent(WS_MESSAGE, WS_TEXT, 0, "short");
    end_deflate(&l);
}

TEST(a_message_in_fragments_across_reads) {
    struct line l;
    begin_deflate();
    open_deflated(&l, offering(), "permessage-deflate");
    struct ln_buf out = {0};
    ln_buf_add(&out, "\x41\x03\xf2\x48\xcd", 5); /* RFC 7692 7.2.3.1 */
    frame(&out, true, WS_PING, "p");
    ln_buf_add(&out, "\x80\x04\xc9\xc9\x07\x00", 6);
    ln_buf_add(&out, "\xc1\x05\xf2\x00\x11\x00\x00", 7); /* refers to the one before */
    for (size_t i = 0; i < out.n; i++) {
        peer_send(&peer, out.p + i, 1);
        loop_settle(loop, 0);
    }
    ln_buf_free(&out);
    CHECK_STR(ln_buf_get(&l.got), "Hello|Hello|");
    check_sent(WS_CONTROL, WS_PONG, 0, "p");
    end_deflate(&l);
}

TEST(a_server_that_declines_has_a_plain_line) {
    struct line l;
    struct ln_str text = {long_text(3000), 3000};
    begin();
    accept_line(&l, offering());
    CHECK(!ws_is_deflated(l.w));
    ws_send(l.w, WS_TEXT, &text, 1);
    check_sent(WS_MESSAGE, WS_TEXT, 0, text.p);
    struct ln_buf out = {0};
    ln_buf_add(&out, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
    serve(&out);
    CHECK_HAS(request, "permessage-deflate");
    peer_close(&peer);
    check_error(&l, PHASE_OPEN, LN_PROTOCOL,
                "the server broke the protocol: reserved bits are set, but no extension was agreed "
                "(RFC 6455 5.2)");
    end(&l);
}

TEST(what_was_not_offered_is_refused) {
    struct line l;
    begin_deflate();
    open_deflated(&l, offering(), "permessage-deflate; client_max_window_bits=9");
    CHECK_INT(l.opened, 0);
    check_error(&l, PHASE_HTTP, LN_PROTOCOL,
                "upgrade: the server answered the offer of permessage-deflate with "
                "\"permessage-deflate; client_max_window_bits=9\", which was not offered (RFC 7692 "
                "7.1)");
    reset(&l);
    open_with(&l, options());
    struct ln_buf out = answer_101("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    CHECK(!strstr(request, "Sec-WebSocket-Extensions"));
    serve(&out);
    check_error(&l, PHASE_HTTP, LN_PROTOCOL,
                "upgrade: the server chose the extension \"permessage-deflate\", which was not "
                "offered (RFC 6455 4.1)");
    end_deflate(&l);
}

TEST(a_bomb_ends_the_line_with_1009) {
    struct line l;
    struct ln_buf out = {0};
    struct ln_str text = {long_text(100000), 100000};
    struct ws_opts o = offering();
    o.max_message = 50000;
    begin_deflate();
    open_deflated(&l, o, NULL);
    ws_write_deflated(&out, false, WS_TEXT, &text, 1, zip, &deflate);
    CHECK(out.n < 2000);
    serve(&out);
    CHECK_INT(l.messages, 0);
    check_sent(WS_CONTROL, WS_CLOSE, 1009,
               "a message over the size limit when inflated (RFC 6455 7.4.1)");
    peer_close(&peer);
    check_error(&l, PHASE_OPEN, LN_FULL,
                "the server sent a message over the size limit when inflated (RFC 6455 7.4.1): "
                "50000 bytes (max_message)");
    end_deflate(&l);
}

TEST(damage_ends_the_line_with_1007) {
    static const struct {
        const char *bytes;
        size_t n;
    } table[] = {
        {"\xc1\x01\x06", 3},                 /* a block of a kind that there is not */
        {"\xc1\x05\x00\x05\x00\x05\x00", 7}, /* a length that is not its own opposite */
        {"\xc1\x04\xcb\x48\xff\xff", 6},
    };
    struct line l;
    begin_deflate();
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        struct ln_buf out = {0};
        if (i > 0) reset(&l);
        open_deflated(&l, offering(), NULL);
        ln_buf_add(&out, table[i].bytes, table[i].n);
        serve(&out);
        CHECK_INT(l.messages, 0);
        peer_pump(loop, &peer);
        CHECK(peer.in.n > 4 && (unsigned char)peer.in.p[0] == (0x80 | WS_CLOSE));
        peer_close(&peer);
        loop_settle(loop, 0);
        CHECK_INT(l.closed, 1);
        CHECK_INT(l.err.code, LN_PROTOCOL);
        CHECK_HAS(l.err.text, "(RFC 7692 ");
    }
    end_deflate(&l);
}

/* One begins a message, the other has whole ones meanwhile: each has its own state. */
TEST(lines_share_the_stock_and_not_the_message) {
    struct line a, b;
    struct peer first;
    begin_deflate();
    open_deflated(&a, offering(), "permessage-deflate; server_no_context_takeover");
    struct ln_buf out = {0};
    ln_buf_add(&out, "\x41\x03\xf2\x48\xcd", 5);
    serve(&out);
    first = peer;
    ws_parser_free(&frames);
    open_deflated(&b, offering(), "permessage-deflate; server_no_context_takeover");
    ln_buf_add(&out, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
    serve(&out);
    CHECK_STR(ln_buf_get(&b.got), "Hello|");
    reset(&b);
    peer = first;
    ln_buf_add(&out, "\x80\x04\xc9\xc9\x07\x00", 6);
    serve(&out);
    CHECK_STR(ln_buf_get(&a.got), "Hello|");
    end_deflate(&a);
}

TEST_MAIN(T(messages_are_compressed_both_ways), T(a_message_in_fragments_across_reads),
          T(a_server_that_declines_has_a_plain_line), T(what_was_not_offered_is_refused),
          T(a_bomb_ends_the_line_with_1009), T(damage_ends_the_line_with_1007),
          T(lines_share_the_stock_and_not_the_message))
