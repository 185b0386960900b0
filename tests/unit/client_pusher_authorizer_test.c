/* SPDX-License-Identifier: MIT
 *
 * Signatures for Pusher's channels by a function of a script: what it may answer, and when; and the
 * default that it may ask for, whose asker always hears.
 */
#include "pusher_peer.h"

#define SUB(auth, channel)                                                                         \
    "{\"event\":\"pusher:subscribe\",\"data\":{\"auth\":\"" auth "\",\"channel\":\"" channel "\"}" \
    "}|"

static struct {
    struct ln_buf asked;
    ln_id ticket;
} f;

static void authorizer(void *ud, struct conn *c, ln_id ticket, struct ln_str channel,
                       struct ln_str socket_id) {
    (void)ud, (void)c;
    f.ticket = ticket;
    ln_buf_fmt(&f.asked, "%.*s %.*s|", LN_FMT(channel), LN_FMT(socket_id));
}

static struct conn *with_authorizer(void) {
    begin_pusher();
    memset(&f, 0, sizeof f);
    clients_authorizer(w.cs, authorizer, NULL);
    struct conn_opts o = with_endpoint();
    o.authorizer_asked = true;
    return pusher_with(o);
}

static void end_authorizer(void) {
    ln_buf_free(&f.asked);
    end_pusher();
}

TEST(a_function_signs) {
    struct conn *c = with_authorizer();
    join(c, "private-a");
    join(c, "pub");
    turn();
    CHECK_STR(ln_buf_get(&f.asked), "private-a 1.1|");
    conn_auth_answer(c, f.ticket + 1, LN_STR("{\"auth\":\"x\"}"), NULL); /* nobody's */
    conn_auth_answer(c, f.ticket, LN_STR("{\"auth\":\"k:mine\"}"), NULL);
    conn_auth_answer(c, f.ticket, LN_STR("{\"auth\":\"k:again\"}"), NULL);
    turn();
    CHECK_HAS(ln_buf_cstr(&line_now()->got), SUB("k:mine", "private-a"));
    CHECK(conn_room_joined(c, LN_STR("private-a")));
    CHECK_INT(w.lines, 1);
    end_authorizer();
}

TEST(a_function_that_does_not_sign) {
    static const struct {
        const char *json, *says;
    } cases[] = {
        {NULL, "unauthorized:not you"},
        {"5", "invalid:the authorizer must return a table with the field 'auth'"},
        {"", "invalid:the authorizer must return a table with the field 'auth'"},
        {"{}", "protocol:'private-a' cannot be signed: the answer has no 'auth'"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct conn *c = with_authorizer();
        struct ln_err err;
        ln_fail(&err, LN_UNAUTHORIZED, "not you");
        join(c, "private-a");
        turn();
        conn_auth_answer(c, f.ticket, ln_str(cases[i].json), cases[i].json ? NULL : &err);
        turn();
        CHECK_HAS(ln_buf_cstr(&w.trail), cases[i].says);
        end_authorizer();
    }
}

TEST(a_function_that_does_not_answer) {
    struct conn *c = with_authorizer();
    join(c, "private-a");
    advance(20000);
    TRAIL("private-a=timeout:no signature came for 'private-a' within 20 s ");
    conn_auth_answer(c, f.ticket, LN_STR("{\"auth\":\"late\"}"), NULL);
    turn();
    GOT(line_now(), "");
    advance(5000); /* it is asked again: still wanted */
    CHECK_STR(ln_buf_get(&f.asked), "private-a 1.1|private-a 1.1|");
    end_authorizer();
}

TEST(a_function_answers_when_the_line_is_gone) {
    struct conn *c = with_authorizer();
    join(c, "private-a");
    turn();
    ln_id old = f.ticket;
    hang_up(last());
    turn();
    conn_auth_answer(c, old, LN_STR("{\"auth\":\"old\"}"), NULL);
    advance(1000);
    conn_auth_answer(c, old, LN_STR("{\"auth\":\"old\"}"), NULL);
    turn();
    GOT(last(), "");
    conn_auth_answer(c, f.ticket, LN_STR("{\"auth\":\"new\"}"), NULL);
    turn();
    CHECK_HAS(ln_buf_cstr(&last()->got), SUB("new", "private-a"));
    CHECK_STR(ln_buf_get(&f.asked), "private-a 1.1|private-a 2.2|");
    end_authorizer();
}

TEST(a_function_may_ask_for_the_default) {
    struct conn *c = with_authorizer();
    s.reply = "{\"auth\":\"k:default\"}";
    join(c, "private-a");
    turn();
    CHECK(conn_authorize(c, LN_STR("private-a"), on_joined, (void *)(uintptr_t) "default"));
    TRAIL("");
    turn();
    TRAIL("default={\"auth\":\"k:default\"} ");
    CHECK_STR(ln_buf_get(&s.posts), "/broadcasting/auth socket_id=1.1&channel_name=private-a|");
    s.no_reply = true;
    CHECK(conn_authorize(c, LN_STR("private-b"), on_joined, (void *)(uintptr_t) "lost"));
    turn();
    hang_up(w.line[0]);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "lost=disconnected:the connection was lost ");
    CHECK(!conn_authorize(c, LN_STR("private-a"), on_joined, NULL));
    end_authorizer();
}

/* What fails because the default does is asked again when the default is. */
TEST(a_function_whose_default_is_down_is_asked_again) {
    static const struct {
        const char *status;
        bool is_again;
    } cases[] = {{"503 Down", true}, {"302 Found", true}, {"403 Forbidden", false}, {NULL, false}};
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct conn *c = with_authorizer();
        struct ln_err err;
        s.status = cases[i].status;
        ln_fail(&err, LN_REFUSED, "the authorizer says: no");
        join(c, "private-a");
        turn();
        CHECK(conn_authorize(c, LN_STR("private-a"), on_joined, (void *)(uintptr_t) "default"));
        turn();
        conn_auth_answer(c, f.ticket, (struct ln_str){0}, &err);
        CHECK_HAS(ln_buf_cstr(&w.trail), "private-a=refused:the authorizer says: no ");
        ln_buf_clear(&f.asked);
        advance(4999);
        CHECK_STR(ln_buf_get(&f.asked), "");
        advance(60000);
        CHECK_INT(strstr(ln_buf_cstr(&f.asked), "private-a 1.1|") != NULL, cases[i].is_again);
        end_authorizer();
    }
}

/* A reload takes the function away while it decides: the next version is asked. */
TEST(a_function_that_goes_while_it_decides) {
    struct conn *c = with_authorizer();
    struct ln_err err;
    ln_fail(&err, LN_CANCELLED, "the script with the authorizer was stopped");
    join(c, "private-a");
    turn();
    conn_auth_answer(c, f.ticket, (struct ln_str){0}, &err);
    TRAIL("private-a=cancelled:the script with the authorizer was stopped ");
    advance(5000);
    CHECK_STR(ln_buf_get(&f.asked), "private-a 1.1|private-a 1.1|");
    conn_auth_answer(c, f.ticket, LN_STR("{\"auth\":\"k:s\"}"), NULL);
    turn();
    CHECK(conn_room_joined(c, LN_STR("private-a")));
    end_authorizer();
}

static void on_lost_leave(void *ud, struct ln_str reply, const struct ln_err *err) {
    struct conn *c = ud;
    (void)reply;
    if (!err) return;
    ln_buf_fmt(&w.trail, "lost:%s:%s ", err->text, conn_state_name(conn_state(c)));
    join(c, "private-z"); /* a signature more is asked for, of a line that is no more */
    conn_disconnect(c, NULL);
}

TEST(who_hears_that_the_default_is_lost_may_leave) {
    struct conn *c = with_authorizer();
    s.no_reply = true;
    CHECK(conn_authorize(c, LN_STR("private-a"), on_lost_leave, c));
    turn();
    hang_up(w.line[0]);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "lost:the connection was lost:waiting ");
    CHECK_INT(conn_state(c), CONN_IDLE);
    advance(1000);
    end_authorizer();
}

/* The endpoint answers while the line is being closed, and nobody there has a use for it. */
TEST(who_asked_for_the_default_always_hears) {
    struct conn *c = with_authorizer();
    struct ln_buf out = {0};
    s.no_reply = true;
    CHECK(conn_authorize(c, LN_STR("private-a"), on_joined, (void *)(uintptr_t) "default"));
    turn();
    ln_buf_clear(&w.trail);
    conn_disconnect(c, NULL);
    ln_buf_puts(&out, JSON_OK "Content-Length: 14\r\n\r\n{\"auth\":\"k:s\"}");
    server_bytes(last(), &out);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "default=disconnected:the connection was lost ");
    end_authorizer();
}

static void on_lost_again(void *ud, struct ln_str reply, const struct ln_err *err) {
    static int times;
    (void)reply;
    if (err && ++times < 3)
        ln_buf_fmt(&w.trail, "again=%d ",
                   conn_authorize(ud, LN_STR("private-a"), on_lost_again, ud));
}

TEST(who_hears_that_the_default_is_lost_may_ask_again) {
    struct conn *c = with_authorizer();
    s.no_reply = true;
    CHECK(conn_authorize(c, LN_STR("private-a"), on_lost_again, c));
    turn();
    hang_up(w.line[0]);
    turn();
    CHECK_HAS(ln_buf_cstr(&w.trail), "again=0 ");
    end_authorizer();
}

TEST_MAIN(T(a_function_signs), T(a_function_that_does_not_sign), T(a_function_that_does_not_answer),
          T(a_function_answers_when_the_line_is_gone), T(a_function_may_ask_for_the_default),
          T(a_function_whose_default_is_down_is_asked_again),
          T(a_function_that_goes_while_it_decides), T(who_hears_that_the_default_is_lost_may_leave),
          T(who_asked_for_the_default_always_hears),
          T(who_hears_that_the_default_is_lost_may_ask_again))
