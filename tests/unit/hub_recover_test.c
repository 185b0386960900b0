/* SPDX-License-Identifier: MIT
 *
 * Clients that lose their line and come back to their place: what they missed, in order and in
 * front of the CONNECT's answer, their rooms and their user; who is not let back; and that what is
 * kept for them has limits.
 */
#include "pollclient.h"

#define WINDOW 20000

struct seat { /* what a client knows about itself */
    char sid[32], pid[32], offset[40];
};

static struct hub_opts recovering(void) {
    static const char *const namespaces[] = {"/chat", NULL};
    struct hub_opts o = test_opts();
    o.dialect = false;
    o.namespaces = namespaces;
    o.recovery_ms = WINDOW;
    return o;
}

static void start(void) {
    struct hub_opts o = recovering();
    hub_start(&o, &no_admit);
}

static void member(const char *text, const char *key, char out[32]) {
    const char *p = strstr(text, key);
    *out = 0;
    if (p) snprintf(out, 32, "%.20s", p + strlen(key));
}

/* A frame whose last argument is the offset; the frame without it. */
static const char *unmark(struct ln_str frame, struct seat *s) {
    static char text[400];
    snprintf(text, sizeof text, "%.*s", LN_FMT(frame));
    char *last = strrchr(text, ',');
    CHECK(last != NULL);
    if (!last) return "";
    snprintf(s->offset, sizeof s->offset, "%.*s", (int)strlen(last) - 4, last + 2);
    strcpy(last, "]");
    return text;
}
#define CHECK_MARKED(w, s, want) CHECK_STR(ln_str(unmark(web_next(w), s)), want)

/* Connects (to "/", or with "/chat," in front of auth); true when it came back to its place. What
 * was sent in front of the answer is not taken. */
static bool enter(struct web *w, struct seat *s, const char *auth) {
    char packet[400], before[32];
    strcpy(before, s->sid);
    hub_line(w, SIO);
    CHECK_FRAME(w, "0{\"sid\":");
    snprintf(packet, sizeof packet, "40%s", auth);
    say(w, packet);
    const char *text = "";
    for (size_t i = w->taken; i < w->count; i++)
        if (strncmp(ln_buf_cstr(&w->frames[i].data), "40", 2) == 0)
            text = ln_buf_cstr(&w->frames[i].data);
    member(text, "\"sid\":\"", s->sid);
    member(text, "\"pid\":\"", s->pid);
    CHECK(*s->sid);
    return strcmp(before, s->sid) == 0;
}

static const char *back(const struct seat *s, bool offset) {
    static char text[300];
    if (offset)
        snprintf(text, sizeof text, "{\"pid\":\"%s\",\"offset\":\"%s\",\"token\":1}", s->pid,
                 s->offset);
    else
        snprintf(text, sizeof text, "{\"pid\":\"%s\",\"token\":1}", s->pid);
    return text;
}

static void lose(struct web *w) {
    web_free(w);
    loop_settle(loop, 0);
}

static size_t emit(const char *room, const char *name, const char *args) {
    struct hub_target t = {.room = ln_str(room)};
    return hub_emit(hub, &t, ln_str(name), ln_str(args), NULL, 0);
}

TEST(it_is_off_when_nobody_asks) {
    struct hub_opts o = recovering();
    struct seat s = {0};
    struct web w;
    o.recovery_ms = 0;
    hub_start(&o, &no_admit);
    enter(&w, &s, "");
    CHECK_STR(ln_str(s.pid), "");
    web_skip(&w);
    emit("", "m", "1");
    web_turn(&w);
    CHECK_NEXT(&w, "42[\"m\",1]");
    web_free(&w);
    hub_stop();
}

TEST(what_carries_an_offset) {
    struct hub_target t = {0};
    struct seat s = {0};
    struct web w, raw;
    char first[40];
    start();
    enter(&w, &s, "");
    web_skip(&w);
    hub_line(&raw, "/ws");
    web_skip(&raw);
    CHECK(*s.pid);
    CHECK(strcmp(s.pid, s.sid) != 0);
    emit("", "m", "1");
    emit("", "none", "");
    t.client = 0;
    t.is_volatile = true;
    hub_emit(hub, &t, LN_STR("v"), LN_STR("2"), NULL, 0);
    say(&w, "420[\"ask\",3]");
    web_turn(&raw);
    CHECK_MARKED(&w, &s, "42[\"m\",1]");
    strcpy(first, s.offset);
    CHECK_MARKED(&w, &s, "42[\"none\"]");
    CHECK(strcmp(first, s.offset) != 0);
    CHECK_NEXT(&w, "42[\"v\",2]"); /* not kept: no offset */
    CHECK_NEXT(&w, "430[3]");
    CHECK_NEXT(&raw, "{\"event\":\"m\",\"data\":1}");
    web_free(&w);
    web_free(&raw);
    hub_stop();
}

TEST(it_comes_back_and_has_missed_nothing) {
    struct seat s = {0}, other = {0};
    struct web w, o;
    struct ln_str bin = LN_STR("\x07");
    start();
    enter(&w, &s, "");
    ln_id id = seen.client;
    enter(&o, &other, "");
    ln_id other_id = seen.client;
    web_skip(&w);
    CHECK(hub_join(hub, id, LN_STR("den")) && hub_join(hub, other_id, LN_STR("den")));
    emit("den", "m", "1");
    web_turn(&w);
    CHECK_MARKED(&w, &s, "42[\"m\",1]");
    lose(&w);
    CHECK_INT(emit("den", "m", "2"), 1);
    CHECK_INT(emit("elsewhere", "m", "3"), 0);
    CHECK_INT(emit("", "m", "4"), 1);
    struct hub_target except = {.room = LN_STR("den"), .except = other_id};
    CHECK_INT(
        hub_emit(hub, &except, LN_STR("b"), LN_STR("{\"_placeholder\":true,\"num\":0}"), &bin, 1),
        0);
    struct hub_target to_other = {.client = other_id};
    hub_emit(hub, &to_other, LN_STR("other"), LN_STR("5"), NULL, 0);
    struct hub_target chat = {.nsp = LN_STR("/chat")};
    hub_emit(hub, &chat, LN_STR("chat"), LN_STR("6"), NULL, 0);
    CHECK_INT(emit(s.sid, "you", "7"), 0); /* its own room */
    loop_advance(loop, WINDOW - 1);
    CHECK_SEEN("connect /\nconnect /\ndisconnect / closed\n");
    CHECK(enter(&w, &s, back(&s, true)));
    CHECK_MARKED(&w, &s, "42[\"m\",2]");
    CHECK_MARKED(&w, &s, "42[\"m\",4]");
    CHECK_MARKED(&w, &s, "451-[\"b\",{\"_placeholder\":true,\"num\":0}]");
    CHECK_NEXT(&w, "\x07");
    CHECK_MARKED(&w, &s, "42[\"you\",7]");
    CHECK_FRAME(&w, "40{\"sid\":\"");
    struct hub_client_info info;
    CHECK(hub_client(hub, seen.client, &info) && info.recovered);
    CHECK_INT(emit("den", "m", "8"), 2); /* it is in its room */
    web_turn(&w);
    CHECK_MARKED(&w, &s, "42[\"m\",8]");
    lose(&w); /* and so again, with an other pid never */
    CHECK(enter(&w, &s, back(&s, true)));
    CHECK_FRAME(&w, "40{\"sid\":\"");
    CHECK_NONE(&w);
    web_free(&w);
    web_free(&o);
    hub_stop();
}

TEST(it_needs_no_offset_when_it_got_nothing) {
    struct seat s = {0};
    struct web w;
    start();
    enter(&w, &s, "/chat,");
    lose(&w);
    struct hub_target chat = {.nsp = LN_STR("/chat")};
    hub_emit(hub, &chat, LN_STR("m"), LN_STR("1"), NULL, 0);
    char auth[320];
    for (int i = 0; i < 2; i++) { /* twice: the first time, it was lost on the way */
        snprintf(auth, sizeof auth, "/chat,%s", back(&s, false));
        CHECK(enter(&w, &s, auth));
        CHECK_MARKED(&w, &s, "42/chat,[\"m\",1]");
        lose(&w);
    }
    hub_stop();
}

TEST(who_does_not_come_back) {
    static const char *const wrong[] = {"{\"pid\":\"12345678901234567890\",\"offset\":\"x\"}",
                                        "{\"pid\":7,\"offset\":[]}", "{\"pid\":\"\"}",
                                        "{\"pid\":null}"};
    struct seat s = {0};
    struct web w;
    start();
    enter(&w, &s, "");
    emit("", "m", "1");
    web_turn(&w);
    web_skip(&w);
    lose(&w);
    for (size_t i = 0; i < LN_COUNT(wrong); i++) {
        struct seat fresh = {0};
        strcpy(fresh.sid, s.sid);
        CHECK(!enter(&w, &fresh, wrong[i]));
        CHECK_FRAME(&w, "40{\"sid\":");
        CHECK_NONE(&w);
        web_free(&w);
    }
    /* The last text of an event that had no offset, an offset of nobody's, of the future. */
    static const char *const offsets[] = {"hello", "aaaaaa.0", "", "\\u0041",
                                          "aaaaaa.ffffffffffffffffff"};
    for (size_t i = 0; i < LN_COUNT(offsets); i++) {
        struct seat fresh = s;
        strcpy(fresh.offset, offsets[i]);
        CHECK(!enter(&w, &fresh, back(&fresh, true)));
        web_free(&w);
    }
    struct seat chat = s;
    char auth[320];
    snprintf(auth, sizeof auth, "/chat,%s", back(&s, false));
    CHECK(!enter(&w, &chat, auth)); /* that was an other namespace */
    web_free(&w);
    loop_settle(loop, 0);
    CHECK(enter(&w, &s, back(&s, false))); /* none of these hurt it */
    lose(&w);
    loop_advance(loop, WINDOW);
    CHECK(!enter(&w, &s, back(&s, false))); /* too late */
    say(&w, "41");
    web_free(&w);
    CHECK(!enter(&w, &s, back(&s, false))); /* it left */
    hub_disconnect(hub, seen.client, true);
    web_turn(&w);
    web_free(&w);
    CHECK(!enter(&w, &s, back(&s, false))); /* it was removed */
    web_free(&w);
    hub_stop();
}

TEST(a_line_that_is_not_known_to_be_dead) {
    struct seat s = {0};
    struct web dead, w;
    start();
    enter(&dead, &s, "");
    CHECK(hub_join(hub, seen.client, LN_STR("den")));
    CHECK(enter(&w, &s, back(&s, false)));
    CHECK_SEEN("connect /\ndisconnect / closed\nconnect /\n");
    CHECK_INT(hub_client_count(hub), 1);
    CHECK_INT(emit("den", "m", "1"), 1);
    web_turn(&w);
    CHECK_FRAME(&w, "40{\"sid\":");
    CHECK_MARKED(&w, &s, "42[\"m\",1]");
    web_free(&dead);
    web_free(&w);
    hub_stop();
}

TEST(it_is_not_asked_again_who_it_is) {
    struct hub_opts o = recovering();
    struct seat s = {0};
    struct web w;
    hub_start(&o, &all_hooks);
    enter(&w, &s, "{\"a\":1}");
    lose(&w);
    CHECK_SEEN("admit / {\"a\":1} host\nconnect /\ndisconnect / closed\n");
    CHECK(enter(&w, &s, back(&s, false)));
    CHECK_SEEN("connect /\n");
    lose(&w);
    CHECK(!enter(&w, &s, "{\"pid\":\"nobody's\",\"a\":2}"));
    CHECK_SEEN("disconnect / closed\nadmit / {\"pid\":\"nobody's\",\"a\":2} host\nconnect /\n");
    web_free(&w);
    hub_stop();
}

TEST(what_is_kept_has_limits) {
    struct hub_opts o = recovering();
    struct seat s = {0}, seats[4] = {{{0}, {0}, {0}}};
    struct web w;
    char *big = ln_alloc(900001);
    memset(big, '1', 900000);
    big[900000] = 0;
    o.max_clients = 3;
    hub_start(&o, &no_admit);
    enter(&w, &s, "");
    lose(&w);
    for (int i = 0; i < 10001; i++) /* more events than a ring has places */
        emit("", "m", "1");
    CHECK(!enter(&w, &s, back(&s, false)));
    lose(&w);
    for (int i = 0; i < 3; i++) /* more than is sent at once */
        emit("", "m", big);
    CHECK(!enter(&w, &s, back(&s, false)));
    lose(&w);
    for (int i = 0; i < 10; i++) /* more bytes than a ring takes */
        emit("", "m", big);
    CHECK(!enter(&w, &s, back(&s, false)));
    lose(&w);
    emit("", "m", "1");
    loop_advance(loop, WINDOW - 1);
    CHECK(enter(&w, &s, back(&s, false)));
    lose(&w);
    loop_advance(loop, 2 * WINDOW); /* after that nothing is left */
    CHECK_INT(loop_timer_count(loop), 0);
    for (int i = 0; i < 4; i++) { /* more lost ones than there may be clients */
        enter(&w, &seats[i], "");
        lose(&w);
    }
    CHECK(!enter(&w, &seats[0], back(&seats[0], false)));
    web_free(&w);
    CHECK(enter(&w, &seats[3], back(&seats[3], false)));
    web_free(&w);
    ln_free(big);
    hub_stop();
}

TEST(people_come_back_as_who_they_were) {
    struct hub_opts o = recovering();
    struct seat s = {0}, kari = {0};
    struct web w, other;
    o.dialect = true;
    hub_start(&o, &no_admit);
    enter(&w, &s, "");
    say(&w, "420[\"join\",{\"room\":\"lobby\"}]");
    web_skip(&w);
    enter(&other, &kari, "{\"id\":\"kari\"}");
    say(&other, "420[\"join\",{\"room\":\"lobby\"}]");
    web_skip(&other);
    struct hub_client_info info;
    char id[40];
    size_t i = 0;
    hub_each_client(hub, &i, &info);
    snprintf(id, sizeof id, "%.*s", LN_FMT(info.user_id));
    web_turn(&w);
    CHECK_HAS(unmark(web_next(&w), &s), "42[\"presence\",{\"kind\":\"join\"");
    lose(&w);
    loop_advance(loop, 3000);
    web_turn(&other);
    CHECK_FRAME(&other, "\"kind\":\"leave\"");
    say(&other, "421[\"message\",{\"room\":\"lobby\",\"text\":\"where are you?\"}]");
    web_skip(&other);
    char forged[300];
    snprintf(forged, sizeof forged, "{\"pid\":\"%s\",\"offset\":\"%s\",\"id\":\"kari\"}", s.pid,
             s.offset);
    CHECK(enter(&w, &s, forged)); /* an other name changes nothing */
    CHECK_FRAME(&w, "where are you?");
    CHECK_FRAME(&w, "40{\"sid\":");
    CHECK_FRAME(&w, "42[\"session\",");
    CHECK(hub_client(hub, seen.client, &info));
    CHECK_STR(info.user_id, id);
    CHECK_STR(info.user_name, "guest-1");
    web_turn(&other);
    CHECK_FRAME(&other, "\"kind\":\"join\"");
    say(&w, "421[\"message\",{\"room\":\"lobby\",\"text\":\"here\"}]");
    CHECK_FRAME(&w, "431[{\"ok\":true");
    web_free(&w);
    web_free(&other);
    hub_stop();
}

TEST(over_polling_too) {
    struct poller p;
    struct seat s = {0};
    char packet[320];
    start();
    poll_client(&p);
    member(ln_buf_cstr(&p.body), "\"sid\":\"", s.sid);
    member(ln_buf_cstr(&p.body), "\"pid\":\"", s.pid);
    poll_ask(&p);
    poll_free(&p);
    loop_settle(loop, 0);
    emit("", "m", "1");
    poll_open(&p);
    snprintf(packet, sizeof packet, "40%s", back(&s, false));
    CHECK_INT(poll_post(&p, packet), 200);
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 200);
    CHECK(strncmp(ln_buf_cstr(&p.body), "42[\"m\",1,\"", 10) == 0);
    CHECK_HAS(ln_buf_cstr(&p.body), "\x1e"
                                    "40{\"sid\":\"");
    CHECK_HAS(ln_buf_cstr(&p.body), s.sid);
    CHECK_INT(poll_post(&p, "1"), 200); /* closing the line is no disconnecting, as elsewhere */
    poll_free(&p);
    poll_open(&p);
    CHECK_INT(poll_post(&p, packet), 200);
    poll_ask(&p);
    CHECK_INT(poll_take(&p), 200);
    CHECK_HAS(ln_buf_cstr(&p.body), s.sid);
    poll_free(&p);
    hub_stop();
}

TEST_MAIN(T(it_is_off_when_nobody_asks), T(what_carries_an_offset),
          T(it_comes_back_and_has_missed_nothing), T(it_needs_no_offset_when_it_got_nothing),
          T(who_does_not_come_back), T(a_line_that_is_not_known_to_be_dead),
          T(it_is_not_asked_again_who_it_is), T(what_is_kept_has_limits),
          T(people_come_back_as_who_they_were), T(over_polling_too))
