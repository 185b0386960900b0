/* SPDX-License-Identifier: MIT
 *
 * Socket.IO frames in both directions: events, acks, binary ones, every row of malformed input, and
 * what a server may send before it has answered CONNECT.
 */
#include "sio_peer.h"

/* --- events in --- */

TEST(events_arrive_as_they_are) {
    begin();
    struct conn *c = connected();
    say(last(), "42[\"chat\",{\"text\":\"hi\"},1,null]");
    say(last(), "42[\"empty\"]");
    say(last(), "42[ \"blank\" , false ]");
    say(last(), "42[7,\"number\"]");
    say(last(), "42[\"caf\\u00e9\",\"\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80\"]");
    say(last(), "4212[\"asks\",true]");
    turn();
    TRAIL("chat({\"text\":\"hi\"},1,null) empty() blank(false ) 7(\"number\") "
          "caf\xc3\xa9(\"\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80\") asks(true)#12 ");
    CHECK_INT(conn_stats(c)->received, 6);
    CHECK(conn_stats(c)->bytes_in > 100);
    end();
}

TEST(what_nobody_wants_is_counted_only) {
    begin();
    struct conn *c = connected();
    w.deaf = true;
    say(last(), "42[\"chat\",{bad json]");
    turn();
    TRAIL("");
    CHECK_INT(conn_stats(c)->received, 1);
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

TEST(arguments_that_are_no_json_are_a_parse_error) {
    begin();
    connected();
    w.answer = LN_PROTOCOL; /* what the listener's decoder says */
    say(last(), "42[\"chat\",{bad json]");
    say(last(), "42[\"after\"]");
    turn();
    TRAIL("chat({bad json) disconnect(\"parse error\") ");
    LOG_HAS("parse error: the arguments of event 'chat' are malformed");
    w.answer = LN_OK;
    advance(1000);
    TRAIL("reconnect_attempt(1,1.0) connect(false) ");
    end();
}

TEST(malformed_packets_end_the_line) {
    static const struct {
        const char *frame, *words;
    } table[] = {
        {"42[]", "invalid payload"},
        {"42{}", "invalid payload"},
        {"42\"foo\"", "invalid payload"},
        {"42[null]", "invalid payload"},
        {"42[{}]", "invalid payload"},
        {"42[true]", "invalid payload"},
        {"4312{}", "invalid payload"},
        {"41{}", "invalid payload"},
        {"40[]", "invalid payload"},
        {"40\"x\"", "invalid payload"},
        {"40null", "invalid payload"},
        {"44[]", "invalid payload"},
        {"42[\"a\"]x", "invalid payload"},
        {"42[\"a\"", "invalid payload"},
        {"42[\"connect\"]", "invalid payload"},
        {"42[\"disconnect\",1]", "invalid payload"},
        {"42[\"newListener\"]", "invalid payload"},
        {"42[\"connect\\u005ferror\"]", "invalid payload"},
        {"42", "invalid payload"},
        {"42/admin,", "invalid payload"},
        {"43", "invalid payload"},
        {"4312", "invalid payload"},
        {"47", "unknown packet type 7"},
        {"4a", "unknown packet type a"},
        {"4-1", "unknown packet type -"},
        {"4 ", "unknown packet type \\x20"},
        {"42abc[\"a\"]", "invalid payload"},
        {"42-1[\"a\"]", "invalid payload"},
        {"421.5[\"a\"]", "invalid payload"},
        {"421e3[\"a\"]", "invalid payload"},
        {"42 [\"foo\"]", "invalid payload"},
        {"429999999999999999999[\"a\"]", "invalid payload"},
        {"45[\"a\"]", "Illegal attachments"},
        {"45-[\"a\"]", "Illegal attachments"},
        {"451[\"a\"]", "Illegal attachments"},
        {"45a-[\"a\"]", "Illegal attachments"},
        {"451.5-[\"a\"]", "Illegal attachments"},
        {"45-1-[\"a\"]", "Illegal attachments"},
        {"450-[\"a\"]", "Illegal attachments"},
        {"4511-[\"a\"]", "too many attachments"},
        {"4599999999999999999999-[\"a\"]", "too many attachments"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        begin();
        struct conn *c = connected();
        say(last(), table[i].frame);
        turn();
        TRAIL("disconnect(\"parse error\") ");
        LOG_HAS(table[i].words);
        advance(1000);
        CHECK_INT(conn_state(c), CONN_CONNECTED);
        end();
    }
}

TEST(ids_with_leading_zeros_are_numbers) {
    begin();
    connected();
    say(last(), "42012[\"foo\"]");
    turn();
    TRAIL("foo()#12 ");
    end();
}

/* --- binary in --- */

TEST(binary_events_are_put_together) {
    begin();
    connected();
    const char *twice = "452-[\"file\",{\"_placeholder\":true,\"num\":0},"
                        "{\"x\":{\"_placeholder\":true,\"num\":1}}]";
    say(last(), twice);
    say_binary(last(), "\1\2\3", 3);
    say(last(), "2"); /* the engine's packets may come in between */
    turn();
    TRAIL("");
    GOT(last(), "3|");
    say_binary(last(), "", 0);
    say(last(), "42[\"next\"]");
    turn();
    TRAIL("file({\"_placeholder\":true,\"num\":0},{\"x\":{\"_placeholder\":true,\"num\":1}} "
          "<010203> <>) next() ");
    say(last(), "451-/[\"wrong\"]"); /* a namespace without its comma */
    say_binary(last(), "\1", 1);
    turn();
    TRAIL("disconnect(\"parse error\") ");
    end();
}

TEST(an_empty_attachment_alone) {
    begin();
    connected();
    say(last(), "451-[\"file\",{\"_placeholder\":true,\"num\":0}]");
    say_binary(last(), "", 0);
    turn();
    TRAIL("file({\"_placeholder\":true,\"num\":0} <>) ");
    end();
}

TEST(binary_in_text_form) {
    begin();
    connected();
    say(last(), "451-[\"file\",{\"_placeholder\":true,\"num\":0}]");
    say(last(), "bAQIDBA==");
    turn();
    TRAIL("file({\"_placeholder\":true,\"num\":0} <01020304>) ");
    say(last(), "451-[\"file\",{\"_placeholder\":true,\"num\":0}]");
    say(last(), "b!!!");
    turn();
    TRAIL("disconnect(\"parse error\") ");
    end();
}

TEST(binary_out_of_turn) {
    begin();
    connected();
    say_binary(last(), "\1", 1);
    turn();
    TRAIL("disconnect(\"parse error\") ");
    LOG_HAS("got binary data when not reconstructing a packet");
    advance(1000);
    say(last(), "451-[\"file\",{\"_placeholder\":true,\"num\":0}]");
    say(last(), "42[\"text\"]");
    turn();
    LOG_HAS("got plaintext data when reconstructing a packet");
    ln_buf_clear(&w.trail);
    advance(2000);
    say_binary(last(), "\1", 1); /* what was open on the old line is forgotten */
    turn();
    TRAIL("reconnect_attempt(2,2.0) connect(false) disconnect(\"parse error\") ");
    end();
}

TEST(attachments_are_bounded) {
    begin();
    struct conn_opts o = options("ws://chat.example");
    o.max_message = 100;
    o.max_attachments = 2;
    connected_with("chat", o);
    char bytes[60] = {0};
    say(last(), "452-[\"a\"]");
    say_binary(last(), bytes, 60);
    say_binary(last(), bytes, 60);
    turn();
    TRAIL("disconnect(\"parse error\") ");
    LOG_HAS("more than 100 bytes (max_message)");
    advance(1000);
    say(last(), "453-[\"a\"]");
    turn();
    LOG_HAS("too many attachments");
    end();
}

static void act_close_all(struct conn *c, struct ln_str name) {
    if (ln_str_is(name, "file")) conn_close(c);
}

TEST(closed_while_a_binary_event_is_told) {
    begin();
    connected();
    w.act = act_close_all;
    say(last(), "451-[\"file\",{\"_placeholder\":true,\"num\":0}]");
    say_binary(last(), "\1", 1);
    say(last(), "42[\"late\"]");
    turn();
    TRAIL("file({\"_placeholder\":true,\"num\":0} <01>) ");
    end();
}

/* --- out --- */

TEST(what_we_send) {
    begin();
    struct conn *c = connected();
    emit(c, "hello", "1,{\"a\":2}");
    emit(c, "bare", "");
    emit(c, "say \"\xc3\xa9\"", "null");
    ask(c, "a", "ask");
    const struct ln_str bin[] = {LN_STR("\1\2"), LN_STR("")};
    struct conn_emit e = {.name = LN_STR("file"),
                          .args = LN_STR("{\"_placeholder\":true,\"num\":0}"),
                          .bin = bin,
                          .bin_count = 2,
                          .retries = -1};
    conn_emit(c, &e, NULL, NULL);
    turn();
    GOT(last(), "42[\"hello\",1,{\"a\":2}]|42[\"bare\"]|42[\"say \\\"\xc3\xa9\\\"\",null]|"
                "420[\"ask\"]|452-[\"file\",{\"_placeholder\":true,\"num\":0}]|<0102>|<>|");
    CHECK_INT(conn_stats(c)->sent, 5);
    CHECK(conn_stats(c)->bytes_out > 50);
    conn_close(c);
    struct conn *a = connected_with("admin", options("ws://chat.example/admin"));
    ask(a, "a", "ask");
    emit(a, "x", "");
    turn();
    GOT(last(), "42/admin,0[\"ask\"]|42/admin,[\"x\"]|");
    end();
}

TEST(answers_to_acks_go_out_once) {
    begin();
    struct conn *c = connected();
    uint64_t epoch = conn_epoch(c);
    const struct ln_str bin[] = {LN_STR("\x09")};
    conn_ack(c, epoch, 0, LN_STR("\"ok\""), NULL, 0);
    conn_ack(c, epoch, 0, LN_STR("\"again\""), NULL, 0);
    conn_ack(c, epoch, 256, (struct ln_str){0}, NULL, 0);
    conn_ack(c, epoch, 1, LN_STR("{\"_placeholder\":true,\"num\":0}"), bin, 1);
    conn_ack(c, epoch, -1, (struct ln_str){0}, NULL, 0);
    turn();
    GOT(last(), "430[\"ok\"]|43256[]|461-1[{\"_placeholder\":true,\"num\":0}]|<09>|");
    hang_up(last());
    advance(1000);
    ln_buf_clear(&last()->got);
    conn_ack(c, epoch, 7, (struct ln_str){0}, NULL, 0); /* of an epoch that is over */
    turn();
    GOT(last(), "");
    conn_ack(c, conn_epoch(c), 0, (struct ln_str){0}, NULL, 0); /* a new life, new numbers */
    turn();
    GOT(last(), "430[]|");
    end();
}

/* --- before the answer to CONNECT --- */

TEST(early_events_are_told_at_connect) {
    begin();
    w.joins = false;
    struct conn *c = open_url("chat", "ws://chat.example");
    turn();
    say(last(), "42[\"one\",1]");
    say(last(), "451-[\"two\",{\"_placeholder\":true,\"num\":0}]");
    say_binary(last(), "\7", 1);
    say(last(), "423[\"three\"]");
    turn();
    TRAIL("");
    say(last(), "40{\"sid\":\"s\"}");
    turn();
    TRAIL("one(1) two({\"_placeholder\":true,\"num\":0} <07>) three()#3 connect(true) ");
    CHECK_INT(conn_stats(c)->received, 3);
    end();
}

TEST(early_events_are_bounded) {
    begin();
    w.joins = false;
    open_url("chat", "ws://chat.example");
    turn();
    for (int i = 0; i < 1000; i++) {
        say(last(), "42[\"x\"]");
        if (i % 100 == 99) turn(); /* a socket pair holds only so much */
    }
    CHECK_INT(conn_state(conn_find(w.cs, LN_STR("chat"))), CONN_CONNECTING);
    say(last(), "42[\"x\"]");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "more than 1000 events or 16 MiB came for '/'");
    w.joins = true;
    advance(1000);
    CHECK_INT(conn_stats(conn_find(w.cs, LN_STR("chat")))->received, 0); /* and are forgotten */
    end();
}

/* --- odd answers to CONNECT --- */

TEST(a_v2_server_is_named) {
    begin();
    w.joins = false;
    struct conn *c = open_url("chat", "ws://chat.example");
    turn();
    say(last(), "40");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "connect_error({\"code\":\"protocol\",\"message\":"
                                     "\"It seems you are trying to reach a Socket.IO server in "
                                     "v2.x");
    CHECK_INT(conn_state(c), CONN_FAILED);
    end();
}

TEST(a_namespace_that_nobody_is_in_is_left) {
    begin();
    w.joins = false;
    struct conn *a = open_url("a", "ws://chat.example/a");
    open_url("b", "ws://chat.example/b");
    turn();
    conn_close(a);
    turn();
    ln_buf_clear(&last()->got);
    say(last(), "40/a,{\"sid\":\"late\"}");
    say(last(), "40/a,");
    say(last(), "44/a,{\"message\":\"no\"}");
    say(last(), "41/a,");
    say(last(), "43/a,0[]");
    turn();
    GOT(last(), "41/a,|");
    TRAIL("");
    end();
}

/* A namespace `a` of a line shared with another one: left before the answer, and wanted again. */
static struct conn *left_and_wanted_again(struct conn_opts o) {
    begin();
    w.joins = false;
    struct conn *a = open_with("a", o);
    open_url("b", "ws://chat.example/b");
    turn();
    say(last(), "40/b,{\"sid\":\"b\"}");
    turn();
    ln_buf_clear(&last()->got);
    conn_disconnect(a, NULL);
    conn_connect(a);
    turn();
    ln_buf_clear(&w.trail);
    GOT(last(), ""); /* a second CONNECT would end the line for all */
    CHECK_INT(conn_state(a), CONN_CONNECTING);
    return a;
}

TEST(connect_is_never_sent_twice) {
    struct conn *a = left_and_wanted_again(options("ws://chat.example/a"));
    say(last(), "42/a,[\"of the first\"]");
    say(last(), "40/a,{\"sid\":\"first\"}");
    turn();
    GOT(last(), "41/a,|40/a,|");
    say(last(), "40/a,{\"sid\":\"second\"}");
    turn();
    TRAIL("connect(true) ");
    CHECK_STR(ln_str(conn_id(a)), "second");
    conn_disconnect(a, NULL); /* nothing is owed any more: the usual way */
    conn_connect(a);
    turn();
    GOT(last(), "41/a,|40/a,|");
    CHECK_INT(w.lines, 1);
    end();
}

TEST(a_refusal_answers_the_first_connect_too) {
    static const char *const answers[] = {"44/a,{\"message\":\"no\"}", "41/a,", "40/a,"};
    for (size_t i = 0; i < LN_COUNT(answers); i++) {
        struct conn *a = left_and_wanted_again(options("ws://chat.example/a"));
        say(last(), answers[i]);
        turn();
        TRAIL(""); /* it was not this attempt that was refused */
        GOT(last(), "40/a,|");
        say(last(), "40/a,{\"sid\":\"second\"}");
        turn();
        CHECK_INT(conn_state(a), CONN_CONNECTED);
        end();
    }
}

static void answer_two(struct conn *c, ln_id ticket) {
    conn_auth_answer(c, ticket, LN_STR("{\"n\":2}"), NULL);
}

TEST(what_auth_gave_waits_until_connect_can_be_sent) {
    struct conn_opts o = options("ws://chat.example/a");
    begin();
    w.joins = false;
    w.on_auth = answer_two;
    o.auth_asked = true;
    struct conn *a = open_with("a", o);
    open_url("b", "ws://chat.example/b");
    turn();
    conn_reconnect(a);
    turn();
    CHECK_INT(w.asked, 2);
    GOT(last(), "40/a,{\"n\":2}|40/b,|");
    say(last(), "40/a,{\"sid\":\"first\"}");
    turn();
    CHECK_INT(w.asked, 2);
    GOT(last(), "41/a,|40/a,{\"n\":2}|");
    end();
}

/* Who hears nothing for the whole time limit tries elsewhere: there the answer is not owed. */
TEST(a_connect_that_is_never_answered_is_sent_on_another_line) {
    struct conn *a = left_and_wanted_again(options("ws://chat.example/a"));
    advance(20000);
    CHECK_HAS(ln_buf_cstr(&w.trail), "did not answer CONNECT for '/a' within 20 s");
    GOT(w.line[0], "");
    advance(1000);
    CHECK_INT(w.lines, 2);
    GOT(w.line[1], "40/a,|");
    say(w.line[0], "40/a,{\"sid\":\"late\"}");
    turn();
    GOT(w.line[0], "41/a,|");
    say(w.line[1], "40/a,{\"sid\":\"new\"}");
    turn();
    CHECK_STR(ln_str(conn_id(a)), "new");
    CHECK_INT(conn_state(conn_find(w.cs, LN_STR("b"))), CONN_CONNECTED);
    end();
}

TEST(a_new_transport_owes_nothing) {
    struct conn *a = left_and_wanted_again(options("ws://chat.example/a"));
    hang_up(last());
    w.joins = true;
    advance(1000);
    CHECK_INT(w.lines, 2);
    CHECK_INT(conn_state(a), CONN_CONNECTED);
    end();
}

TEST(a_second_answer_renews_the_id) {
    begin();
    struct conn *c = connected();
    say(last(), "40{\"sid\":\"newer\"}");
    turn();
    CHECK_STR(ln_str(conn_id(c)), "newer");
    say(last(), "40"); /* without one: nothing */
    say(last(), "44{\"message\":\"late\"}");
    turn();
    TRAIL("");
    CHECK_INT(conn_state(c), CONN_CONNECTED);
    end();
}

TEST(ended_before_it_was_answered) {
    begin();
    w.joins = false;
    struct conn *c = open_url("chat", "ws://chat.example");
    turn();
    say(last(), "41");
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "the server ended the namespace before it answered");
    CHECK_INT(conn_state(c), CONN_FAILED);
    end();
}

TEST_MAIN(T(events_arrive_as_they_are), T(what_nobody_wants_is_counted_only),
          T(arguments_that_are_no_json_are_a_parse_error), T(malformed_packets_end_the_line),
          T(ids_with_leading_zeros_are_numbers), T(binary_events_are_put_together),
          T(an_empty_attachment_alone), T(binary_in_text_form), T(binary_out_of_turn),
          T(attachments_are_bounded), T(closed_while_a_binary_event_is_told), T(what_we_send),
          T(answers_to_acks_go_out_once), T(early_events_are_told_at_connect),
          T(early_events_are_bounded), T(a_v2_server_is_named),
          T(a_namespace_that_nobody_is_in_is_left), T(connect_is_never_sent_twice),
          T(a_refusal_answers_the_first_connect_too),
          T(what_auth_gave_waits_until_connect_can_be_sent),
          T(a_connect_that_is_never_answered_is_sent_on_another_line),
          T(a_new_transport_owes_nothing), T(a_second_answer_renews_the_id),
          T(ended_before_it_was_answered))
