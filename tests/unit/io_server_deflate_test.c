/* SPDX-License-Identifier: MIT
 *
 * The server's half of permessage-deflate: who gets it, messages both ways, many clients on one
 * stock of zlib's states, bombs.
 */
#include "server_rig.h"
#include "wire/deflate.h"

#define DEFLATING ((struct server_opts){.port = -1, .deflate = true})
#define OFFER "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

static struct ws_zip *zip; /* the clients' */
static struct ws_deflate deflate;

static void open_deflated(struct web *w) {
    client(w);
    deflate = (struct ws_deflate){.on = true, .bits = 15};
    ws_parser_deflate(&w->ws, zip, &deflate);
    web_upgrade(w, "/", OFFER);
    CHECK(w->is_open);
    CHECK_HAS(ln_buf_cstr(&w->in),
              "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
              "client_no_context_takeover\r\n");
}
static void begin(struct server_opts o) {
    start(o);
    zip = ws_zip_new();
}
static void end(void) {
    stop();
    ws_zip_free(zip);
}
static struct ln_str text_of(size_t n) {
    static char text[1 << 20];
    for (size_t i = 0; i < n; i++)
        text[i] = "the same words again and again "[i % 31];
    return (struct ln_str){text, n};
}
static void send_deflated(struct web *w, struct ln_str text) {
    struct ln_buf out = {0};
    ws_write_deflated(&out, true, WS_TEXT, &text, 1, zip, &deflate);
    CHECK(out.n < text.n / 5);
    web_write(w, out.p, out.n);
    ln_buf_free(&out);
    web_turn(w);
}

TEST(messages_are_compressed_both_ways) {
    struct web w;
    begin(DEFLATING);
    f.echo = true;
    open_deflated(&w);
    send_deflated(&w, text_of(5000));
    CHECK_INT(f.bytes, 5000);
    CHECK(ln_str_eq(web_next(&w), text_of(5000)));
    web_text(&w, "short");
    web_turn(&w);
    CHECK_STR(web_next(&w), "short");
    CHECK_INT(f.messages, 2);
    web_free(&w);
    end();
}

TEST(who_does_not_offer_it_has_a_plain_line) {
    struct web w;
    begin(DEFLATING);
    f.echo = true;
    client(&w);
    web_upgrade(&w, "/", "");
    CHECK(w.is_open && !strstr(ln_buf_cstr(&w.in), "Extensions"));
    web_send(&w, WS_TEXT, text_of(5000));
    web_turn(&w);
    CHECK(ln_str_eq(web_next(&w), text_of(5000))); /* its parser would refuse another mark */
    web_free(&w);
    client(&w);
    web_upgrade(&w, "/", "Sec-WebSocket-Extensions: permessage-deflate; what\r\n");
    CHECK(w.is_open && !strstr(ln_buf_cstr(&w.in), "Extensions"));
    web_free(&w);
    end();
    begin(PAIR_ONLY); /* off by default */
    client(&w);
    web_upgrade(&w, "/", OFFER);
    CHECK(w.is_open && !strstr(ln_buf_cstr(&w.in), "Extensions"));
    web_write(&w, "\xc1\x80\1\2\3\4", 6);
    web_turn(&w);
    CHECK_INT(w.code, 1002);
    web_free(&w);
    end();
}

TEST(a_bomb_is_closed_with_1009) {
    struct web w;
    begin(DEFLATING); /* 100000 bytes at most */
    open_deflated(&w);
    send_deflated(&w, text_of(1 << 20));
    CHECK_INT(f.messages, 0);
    CHECK_INT(w.code, 1009);
    CHECK_INT(f.closed, 1);
    web_free(&w);
    end();
}

TEST(clients_do_not_disturb_each_other) {
    struct web a, b;
    begin(DEFLATING);
    open_deflated(&a);
    open_deflated(&b);
    web_write(&a, "\x41\x83\0\0\0\0\xf2\x48\xcd", 9); /* RFC 7692 7.2.3.1, begun */
    web_turn(&a);
    send_deflated(&b, text_of(5000));
    CHECK_INT(f.messages, 1);
    web_write(&a, "\x80\x84\0\0\0\0\xc9\xc9\x07\x00", 10);
    web_turn(&a);
    CHECK_INT(f.messages, 2);
    CHECK_STR(ln_str(f.last), "tHello");
    web_write(&a, "\xc1\x85\0\0\0\0\xf2\x00\x11\x00\x00", 11); /* refers to what was forgotten */
    web_turn(&a);
    CHECK_INT(a.code, 1007);
    web_free(&a);
    web_free(&b);
    end();
}

TEST_MAIN(T(messages_are_compressed_both_ways), T(who_does_not_offer_it_has_a_plain_line),
          T(a_bomb_is_closed_with_1009), T(clients_do_not_disturb_each_other))
