/* SPDX-License-Identifier: MIT
 *
 * The log through a pipe in place of stderr, and through a sink: forms, levels, hidden secrets.
 */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#define NOON 1733054467089 /* 2024-12-01T12:01:07.089Z */

static int saved_stderr, pipe_out;

static void begin(void) {
    int fds[2];
    setenv("TZ", "UTC", 1);
    tzset();
    unsetenv("JOURNAL_STREAM");
    ln_clock_fake(NOON);
    saved_stderr = dup(STDERR_FILENO);
    if (pipe(fds) != 0) abort();
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    pipe_out = fds[0];
}

/* What was written since begin(). */
static const char *end(void) {
    static char text[70000];
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    size_t n = 0;
    ssize_t got;
    while (n < sizeof text - 1 && (got = read(pipe_out, text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    close(pipe_out);
    ln_clock_real();
    return text;
}

#define TEXT(literal)                                                                              \
    { literal, sizeof(literal) - 1 } /* a constant, which LN_STR is not */

static const struct ln_log_field three[] = {
    {"room", TEXT("general"), false},
    {"text", TEXT("hello you"), false},
    {"list", TEXT("[1,\n2]"), true},
};

TEST(text_form) {
    begin();
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
    ln_log(LN_WARN, "conn:chat", "line %d is down", 7);
    ln_log_fields(LN_ERROR, "hub", LN_STR("no"), three, 2);
    ln_log(LN_DEBUG, "hub", "not seen");
    CHECK_STR(ln_str(end()), "12:01:07 warn  conn:chat  line 7 is down\n"
                             "12:01:07 error hub  no room=general text=\"hello you\"\n");
}

TEST(text_shows_controls) {
    static const struct ln_log_field fields[] = {
        {"a\nb", TEXT("\033[2J\n\xff"), false},
        {"empty", TEXT(""), false},
        {"eq", TEXT("a=b"), false},
        {"json", TEXT("{\"k\":\n1}"), true},
    };
    begin();
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
    ln_log_fields(LN_INFO, "script:\r", LN_STR("beep\a \xc2\x9b"), fields, 4);
    CHECK_STR(ln_str(end()), "12:01:07 info  script:\\x0d  beep\\x07 \\xc2\\x9b "
                             "a\\x0ab=\\x1b[2J\\x0a\\xff empty=\"\" eq=\"a=b\" "
                             "json={\"k\":\\x0a1}\n");
}

TEST(lines_of_a_message_are_indented) {
    begin();
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
    ln_log(LN_ERROR, "script:bot",
           "bot.lua:3: oops\n\tbot.lua:3: in main\n12:00:00 error fake\n\n");
    ln_log_setup(LN_INFO, LN_LOG_JOURNAL, false);
    ln_log(LN_ERROR, "script:bot", "one\ntwo");
    CHECK_STR(ln_str(end()), "12:01:07 error script:bot  bot.lua:3: oops\n"
                             "        bot.lua:3: in main\n"
                             "    12:00:00 error fake\n"
                             "<3>script:bot  one\n"
                             "<3>    two\n");
}

TEST(colors_only_when_asked_for) {
    begin();
    ln_log_setup(LN_TRACE, LN_LOG_TEXT, true);
    ln_log(LN_WARN, "hub", "x");
    ln_log_setup(LN_TRACE, LN_LOG_AUTO, true); /* a pipe is no terminal */
    ln_log(LN_WARN, "hub", "y");
    CHECK_STR(ln_str(end()), "12:01:07 \033[33mwarn \033[0m \033[2mhub\033[0m  x\n"
                             "12:01:07 warn  hub  y\n");
}

TEST(auto_colors_a_terminal) {
    begin();
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(terminal >= 0);
    dup2(terminal, STDERR_FILENO);
    ln_log_setup(LN_INFO, LN_LOG_AUTO, true);
    ln_log(LN_INFO, "hub", "x");
    ln_log_setup(LN_INFO, LN_LOG_AUTO, false);
    ln_log(LN_INFO, "hub", "y");
    char text[256];
    size_t n = 0;
    while (n < sizeof text - 1 && !(n && memchr(text, 'y', n))) {
        ssize_t got = read(master, text + n, sizeof text - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    text[n] = 0;
    end();
    close(terminal);
    close(master);
    CHECK_HAS(text, "12:01:07 \033[32minfo \033[0m \033[2mhub\033[0m  x");
    CHECK_HAS(text, "12:01:07 info  hub  y");
}

TEST(json_form) {
    begin();
    ln_log_setup(LN_TRACE, LN_LOG_JSON, true);
    ln_log_fields(LN_WARN, "conn:chat", LN_STR("a \"b\"\n"), three, 3);
    ln_log(LN_TRACE, "script:bot", "s");
    ln_log(LN_INFO, "hub", "t\xff");
    CHECK_STR(ln_str(end()),
              "{\"ts\":\"2024-12-01T12:01:07.089Z\",\"level\":\"warn\",\"conn\":\"chat\","
              "\"msg\":\"a \\\"b\\\"\\n\",\"room\":\"general\",\"text\":\"hello you\","
              "\"list\":[1, 2]}\n"
              "{\"ts\":\"2024-12-01T12:01:07.089Z\",\"level\":\"trace\",\"script\":\"bot\","
              "\"msg\":\"s\"}\n"
              "{\"ts\":\"2024-12-01T12:01:07.089Z\",\"level\":\"info\",\"tag\":\"hub\","
              "\"msg\":\"t\xef\xbf\xbd\"}\n");
}

TEST(json_form_is_always_json) {
    static const struct ln_log_field fields[] = {
        {"level", TEXT("mine"), false}, {"tag", TEXT("mine"), false}, {"conn", TEXT("c"), false},
        {"a\"\n", TEXT("{oops"), true}, {"none", {NULL, 0}, true},    {"e", {NULL, 0}, false},
    };
    begin();
    ln_log_setup(LN_INFO, LN_LOG_JSON, false);
    ln_log_fields(LN_INFO, "hub", (struct ln_str){NULL, 0}, fields, LN_COUNT(fields));
    struct ln_str line = ln_str(end());
    CHECK(line.n && line.p[line.n - 1] == '\n' && memchr(line.p, '\n', line.n - 1) == NULL);
    CHECK(ln_json_valid(line, NULL));
    CHECK_STR(ln_json_get(line, "level"), "\"info\"");
    CHECK_STR(ln_json_get(line, "level_"), "\"mine\"");
    CHECK_STR(ln_json_get(line, "tag"), "\"hub\"");
    CHECK_STR(ln_json_get(line, "tag_"), "\"mine\"");
    CHECK_STR(ln_json_get(line, "conn"), "\"c\"");
    CHECK_STR(ln_json_get(line, "a\"\n"), "\"{oops\"");
    CHECK_STR(ln_json_get(line, "none"), "\"\"");
    CHECK_STR(ln_json_get(line, "msg"), "\"\"");
}

TEST(journal_form) {
    begin();
    ln_log_setup(LN_TRACE, LN_LOG_JOURNAL, true);
    ln_log(LN_TRACE, "hub", "t");
    ln_log(LN_DEBUG, "hub", "d");
    ln_log_fields(LN_INFO, "hub", LN_STR("i"), three, 1);
    ln_log(LN_WARN, "conn:chat", "w");
    ln_log(LN_ERROR, "hub", "e");
    CHECK_STR(ln_str(end()), "<7>hub  t\n<7>hub  d\n<6>hub  i room=general\n"
                             "<4>conn:chat  w\n<3>hub  e\n");
}

TEST(auto_knows_the_journal) {
    char stream[64];
    struct stat st;
    begin();
    CHECK_INT(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    ln_log_setup(LN_INFO, LN_LOG_AUTO, true);
    ln_log(LN_WARN, "hub", "journal");
    setenv("JOURNAL_STREAM", "1:2", 1); /* inherited, but stderr is something else */
    ln_log_setup(LN_INFO, LN_LOG_AUTO, true);
    ln_log(LN_WARN, "hub", "text");
    CHECK_STR(ln_str(end()), "<4>hub  journal\n12:01:07 warn  hub  text\n");
    unsetenv("JOURNAL_STREAM");
}

TEST(levels_by_tag) {
    struct ln_err err;
    ln_log_setup(LN_WARN, LN_LOG_TEXT, false);
    CHECK(ln_log_on(LN_WARN, "hub"));
    CHECK(!ln_log_on(LN_INFO, "hub"));
    CHECK(!ln_log_on(LN_OFF, "hub"));
    CHECK(ln_log_levels("conn:chat=trace,script:bot=debug,hub=off,conn=info", &err));
    CHECK(ln_log_on(LN_TRACE, "conn:chat"));
    CHECK(ln_log_on(LN_INFO, "conn:other"));
    CHECK(!ln_log_on(LN_DEBUG, "conn:other"));
    CHECK(!ln_log_on(LN_DEBUG, "conn:chatter")); /* a name, not the beginning of one */
    CHECK(ln_log_on(LN_DEBUG, "script:bot"));
    CHECK(!ln_log_on(LN_TRACE, "script:bot"));
    CHECK(!ln_log_on(LN_ERROR, "hub"));
    CHECK(ln_log_on(LN_WARN, "linnet"));
    CHECK(!ln_log_on(LN_INFO, "linnet"));
    CHECK(ln_log_levels("conn:chat=error", &err)); /* said again: changed, the rest stays */
    CHECK(!ln_log_on(LN_WARN, "conn:chat"));
    CHECK(ln_log_on(LN_DEBUG, "script:bot"));
    CHECK(ln_log_levels("", &err));
    ln_log_setup(LN_OFF, LN_LOG_TEXT, false);
    CHECK(!ln_log_on(LN_ERROR, "linnet"));
    CHECK(ln_log_on(LN_DEBUG, "script:bot"));
    ln_log_close();
    CHECK(!ln_log_on(LN_ERROR, "script:bot"));
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
}

TEST(malformed_levels_change_nothing) {
    static const char *const bad[] = {
        "hub", "hub=", "=debug", "hub=loud", "hub=debug,x", "hub=debug,,x=info", "hub=debug=info"};
    struct ln_err err;
    for (size_t i = 0; i < LN_COUNT(bad); i++) {
        err.text[0] = 0;
        CHECK(!ln_log_levels(bad[i], &err));
        CHECK_INT(err.code, LN_INVALID);
        CHECK_HAS(err.text, "log levels: ");
        CHECK(!ln_log_on(LN_DEBUG, "hub"));
        CHECK(!ln_log_levels(bad[i], NULL));
    }
    CHECK(!ln_log_levels("hub=debgu", &err));
    CHECK_HAS(err.text, "did you mean \"debug\"?");
}

TEST(level_names) {
    for (int i = LN_TRACE; i <= LN_OFF; i++) {
        enum ln_log_level level = LN_OFF;
        CHECK(ln_log_level_parse(ln_str(ln_log_level_name((enum ln_log_level)i)), &level));
        CHECK_INT(level, i);
    }
    enum ln_log_level level;
    CHECK(!ln_log_level_parse(LN_STR("WARN"), &level));
    CHECK(!ln_log_level_parse(LN_STR(""), &level));
    CHECK_STR(ln_str(ln_log_level_name((enum ln_log_level)77)), "unknown");
}

static struct {
    int calls;
    enum ln_log_level level;
    char text[512];
} sunk;

static void sink(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                 const struct ln_log_field *fields, size_t n) {
    struct ln_buf b = {0};
    sunk.calls++;
    sunk.level = level;
    ln_buf_fmt(&b, "%s %s|%.*s", (const char *)ud, tag, LN_FMT(msg));
    for (size_t i = 0; i < n; i++)
        ln_buf_fmt(&b, "|%s=%.*s%s", fields[i].key, LN_FMT(fields[i].text),
                   fields[i].is_json ? "(json)" : "");
    snprintf(sunk.text, sizeof sunk.text, "%s", ln_buf_cstr(&b));
    ln_buf_free(&b);
}

TEST(a_sink_takes_what_passes) {
    char ud[] = "ud";
    begin();
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
    ln_log_to(sink, ud);
    sunk.calls = 0;
    ln_log_fields(LN_WARN, "conn:chat", LN_STR("m"), three, 3);
    CHECK_STR(ln_str(sunk.text), "ud conn:chat|m|room=general|text=hello you|list=[1,\n2](json)");
    CHECK_INT(sunk.level, LN_WARN);
    ln_log(LN_DEBUG, "conn:chat", "no");
    CHECK_INT(sunk.calls, 1);
    ln_log_to(NULL, NULL);
    ln_log(LN_INFO, "hub", "back");
    CHECK_INT(sunk.calls, 1);
    CHECK_STR(ln_str(end()), "12:01:07 info  hub  back\n");
}

TEST(secrets_are_hidden_in_every_form) {
    static const struct ln_log_field fields[] = {
        {"url", TEXT("wss://x/?t=p%40ss%22word"), false},
        {"auth", TEXT("{\"t\":\"p@ss\\\"word\",\"u\":\"abcd\"}"), true},
        {"p@ss\"word", TEXT("abcdabcdabc"), false},
    };
    static const enum ln_log_format forms[] = {LN_LOG_TEXT, LN_LOG_JSON, LN_LOG_JOURNAL};
    char ud[] = "";
    ln_log_hide(LN_STR("p@ss\"word"));
    ln_log_hide(LN_STR("abcd"));
    ln_log_hide(LN_STR("abcd"));
    ln_log_hide(LN_STR("abc")); /* too short: it would hide half of every text */
    ln_log_hide((struct ln_str){NULL, 0});
    for (size_t i = 0; i < LN_COUNT(forms); i++) {
        begin();
        ln_log_setup(LN_INFO, forms[i], false);
        ln_log(LN_INFO, "hub", "login with %s now", "p@ss\"word");
        ln_log_fields(LN_INFO, "hub", LN_STR("abcd"), fields, 3);
        const char *text = end();
        CHECK(!strstr(text, "p@ss") && !strstr(text, "p%40ss") && !strstr(text, "abcd"));
        CHECK(!strstr(text, "word"));
        CHECK_HAS(text, "login with *** now");
        CHECK_HAS(text, "wss://x/?t=***");
        CHECK_HAS(text, "{\"t\":\"***\",\"u\":\"***\"}");
        CHECK_HAS(text, "******abc");
    }
    ln_log_to(sink, ud);
    ln_log_fields(LN_INFO, "hub", LN_STR("abcd!"), fields, 3);
    CHECK_STR(ln_str(sunk.text), " hub|***!|url=wss://x/?t=***|auth={\"t\":\"***\",\"u\":\"***\"}"
                                 "(json)|***=******abc");
    ln_log_to(NULL, NULL);
    ln_log_close();
    begin();
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
    ln_log(LN_INFO, "hub", "abcd");
    CHECK_STR(ln_str(end()), "12:01:07 info  hub  abcd\n");
}

TEST(the_longest_secret_wins) {
    char ud[] = "";
    ln_log_hide(LN_STR("secret"));
    ln_log_hide(LN_STR("secret-and-more"));
    ln_log_to(sink, ud);
    ln_log(LN_INFO, "t", "secret-and-more, secret-and, secre");
    CHECK_STR(ln_str(sunk.text), " t|***, ***-and, secre");
    ln_log_to(NULL, NULL);
    ln_log_close();
}

TEST(long_texts_are_cut_for_people) {
    static char big[20000];
    memset(big, 'x', sizeof big);
    begin();
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
    ln_log_fields(LN_INFO, "hub", (struct ln_str){big, sizeof big}, NULL, 0);
    struct ln_str text = ln_str(end());
    CHECK(text.n > 8000 && text.n < 8300);
    CHECK(text.n > 4 && memcmp(text.p + text.n - 4, "\xe2\x80\xa6\n", 4) == 0);
}

/* A closed stderr must not stop or kill the house. */
TEST(nobody_reads) {
    begin();
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
    close(STDERR_FILENO);
    ln_log(LN_ERROR, "hub", "into the void");
    CHECK_STR(ln_str(end()), "");
}

/* Tokens are not registered by anybody, and come from anywhere: another's error text, say. */
TEST(tokens_are_hidden) {
    static const char *const table[][2] = {
        {"got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJrYXJpIn0.c2ln-_X0!", "got ***!"},
        {"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJrYXJpIn0.", "Bearer ***"},
        {"cut eyJhbGciOiJIUzI1NiJ9.eyJzdWIi", "cut ***"},
        {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJrYXJpIn0.x eyJh.eyJz.y", "*** ***"},
        {"eyJ is how they begin", "eyJ is how they begin"},
        {"eyJhbGciOiJIUzI1NiJ9.other", "eyJhbGciOiJIUzI1NiJ9.other"},
        {"eyJ.eyJ", "eyJ.eyJ"},
        {"eyJ", "eyJ"},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        struct ln_buf out = {0};
        ln_log_redact(&out, ln_str(table[i][0]));
        CHECK_STR(ln_buf_get(&out), table[i][1]);
        ln_buf_free(&out);
    }
    struct ln_log_field field = {"auth", TEXT("{\"token\":\"eyJhIjoxfQ.eyJiIjoyfQ.c\"}"), true};
    begin();
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
    ln_log_fields(LN_INFO, "hub", LN_STR("said"), &field, 1);
    ln_log(LN_INFO, "hub", "eyJhIjoxfQ.eyJiIjoyfQ.c");
    const char *text = end();
    CHECK_HAS(text, "{\"token\":\"***\"}");
    CHECK(!strstr(text, "eyJ"));
}

static const char *redacted(const char *text) {
    static char shown[100];
    struct ln_buf out = {0};
    ln_log_redact(&out, ln_str(text));
    snprintf(shown, sizeof shown, "%.*s", LN_FMT(ln_buf_get(&out)));
    ln_buf_free(&out);
    return shown;
}

TEST(recent_tokens_are_hidden) {
    char token[20];
    for (int i = 0; i < 40; i++) {
        snprintf(token, sizeof token, "opaque-%02d", i);
        ln_log_hide_recent(ln_str(token));
        ln_log_hide_recent(ln_str(token));
    }
    ln_log_hide_recent(LN_STR("a word")); /* too short to be one */
    CHECK_STR(ln_str(redacted("opaque-07 opaque-08 opaque-39, a word")),
              "opaque-07 *** ***, a word");
    begin();
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
    ln_log(LN_INFO, "hub", "refused: opaque-39");
    const char *text = end();
    CHECK_HAS(text, "refused: ***");
    ln_log_close();
    CHECK_STR(ln_str(redacted("opaque-39")), "opaque-39");
}

TEST_MAIN(T(recent_tokens_are_hidden), T(tokens_are_hidden), T(text_form), T(text_shows_controls),
          T(lines_of_a_message_are_indented), T(colors_only_when_asked_for),
          T(auto_colors_a_terminal), T(json_form), T(json_form_is_always_json), T(journal_form),
          T(auto_knows_the_journal), T(levels_by_tag), T(malformed_levels_change_nothing),
          T(level_names), T(a_sink_takes_what_passes), T(secrets_are_hidden_in_every_form),
          T(the_longest_secret_wins), T(long_texts_are_cut_for_people), T(nobody_reads))
