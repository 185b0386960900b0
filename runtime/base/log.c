/* SPDX-License-Identifier: MIT
 *
 * What passes the log, and where it goes: levels by tag, hidden secrets, the sink. The forms a
 * record is written in are log_form.c's. One of the two globals of the house; called from the
 * loop's thread only.
 */
#include "base/log.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log_form.h"
#include "base/mem.h"
#include "base/text.h"

#define SECRET_MIN 4 /* bytes: shorter ones would hide half of every text */
#define RECENT_MIN 8 /* of what nobody has declared to be one */
#define RECENT ((size_t)32)

struct tag_level {
    char *tag;
    enum ln_log_level level;
};

static struct {
    enum ln_log_level level;  /* of tags without a level of their own */
    enum ln_log_level lowest; /* of all: the one compare when a level is off */
    enum ln_log_format form;  /* never AUTO */
    bool color;
    struct tag_level *tags;
    size_t tag_count;
    struct ln_str *secrets; /* longest first; the bytes are ours */
    size_t secret_count;
    struct ln_str recent[RECENT]; /* a ring; the bytes are ours */
    size_t recent_next;
    ln_log_sink sink;
    void *ud;
} logger = {.level = LN_INFO, .lowest = LN_INFO, .form = LN_LOG_TEXT};

static const char *const level_names[] = {"trace", "debug", "info", "warn", "error", "off", NULL};

const char *ln_log_level_name(enum ln_log_level level) {
    return (unsigned)level <= LN_OFF ? level_names[level] : "unknown";
}

bool ln_log_level_parse(struct ln_str s, enum ln_log_level *out) {
    for (int i = LN_TRACE; i <= LN_OFF; i++) {
        if (!ln_str_is(s, level_names[i])) continue;
        *out = (enum ln_log_level)i;
        return true;
    }
    return false;
}

static void find_lowest(void) {
    logger.lowest = logger.level;
    for (size_t i = 0; i < logger.tag_count; i++)
        logger.lowest = LN_MIN(logger.lowest, logger.tags[i].level);
}

/* systemd sets $JOURNAL_STREAM to device:inode of the stream it reads; a stderr that was sent
 * elsewhere since is another inode (systemd.exec(5)). */
static bool is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    if (!stream || fstat(STDERR_FILENO, &st) != 0) return false;
    char here[48];
    snprintf(here, sizeof here, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    return strcmp(here, stream) == 0;
}

void ln_log_setup(enum ln_log_level level, enum ln_log_format form, bool color) {
    if (form == LN_LOG_AUTO) {
        form = is_journal() ? LN_LOG_JOURNAL : LN_LOG_TEXT;
        color = color && isatty(STDERR_FILENO);
    }
    logger.level = level;
    logger.form = form;
    logger.color = color;
    find_lowest();
}

static void set_tag(struct ln_str tag, enum ln_log_level level) {
    for (size_t i = 0; i < logger.tag_count; i++) {
        if (!ln_str_is(tag, logger.tags[i].tag)) continue;
        logger.tags[i].level = level;
        return;
    }
    logger.tags = ln_realloc(logger.tags, (logger.tag_count + 1) * sizeof *logger.tags);
    logger.tags[logger.tag_count++] = (struct tag_level){ln_str_dup(tag), level};
}

/* One "tag=level" of the list at *spec, and moves behind it. */
static bool parse_tag(const char **spec, struct ln_str *tag, enum ln_log_level *level,
                      struct ln_err *err) {
    size_t n = strcspn(*spec, ",");
    struct ln_str part = {*spec, n};
    *spec += n + ((*spec)[n] == ',');
    const char *equals = n ? memchr(part.p, '=', n) : NULL;
    if (!equals || equals == part.p) {
        ln_fail(err, LN_INVALID,
                "log levels: wanted tag=level such as conn:chat=trace, not \"%.*s\"", LN_FMT(part));
        return false;
    }
    *tag = (struct ln_str){part.p, (size_t)(equals - part.p)};
    struct ln_str name = {equals + 1, n - tag->n - 1};
    if (ln_log_level_parse(name, level)) return true;
    const char *near = ln_nearest(name, level_names);
    ln_fail(err, LN_INVALID,
            "log levels: \"%.*s\" is no level (trace debug info warn error off)%s%s%s",
            LN_FMT(name), near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return false;
}

bool ln_log_levels(const char *spec, struct ln_err *err) {
    struct ln_str tag;
    enum ln_log_level level;
    /* Twice, so that a malformed list changes nothing. */
    for (const char *p = spec; *p;)
        if (!parse_tag(&p, &tag, &level, err)) return false;
    for (const char *p = spec; *p;) {
        parse_tag(&p, &tag, &level, NULL);
        set_tag(tag, level);
    }
    find_lowest();
    return true;
}

void ln_log_to(ln_log_sink sink, void *ud) {
    logger.sink = sink;
    logger.ud = ud;
}

static void hide(struct ln_str secret) {
    size_t at = 0;
    for (; at < logger.secret_count && logger.secrets[at].n >= secret.n; at++)
        if (ln_str_eq(logger.secrets[at], secret)) return;
    logger.secrets = ln_realloc(logger.secrets, (logger.secret_count + 1) * sizeof *logger.secrets);
    memmove(&logger.secrets[at + 1], &logger.secrets[at],
            (logger.secret_count - at) * sizeof *logger.secrets);
    logger.secrets[at] = (struct ln_str){ln_str_dup(secret), secret.n};
    logger.secret_count++;
}

static void forget(struct ln_str *secret) {
    if (secret->p) explicit_bzero((char *)(uintptr_t)secret->p, secret->n);
    ln_free((char *)(uintptr_t)secret->p);
    *secret = (struct ln_str){NULL, 0};
}

void ln_log_hide(struct ln_str secret) {
    if (secret.n < SECRET_MIN) return;
    /* Also as it looks inside JSON and inside a URL. */
    struct ln_buf coded = {0};
    hide(secret);
    ln_json_quote(&coded, secret);
    hide((struct ln_str){coded.p + 1, coded.n - 2});
    ln_buf_clear(&coded);
    ln_percent_encode(&coded, secret);
    hide(ln_buf_get(&coded));
    ln_buf_free(&coded);
}

void ln_log_hide_recent(struct ln_str secret) {
    if (secret.n < RECENT_MIN) return;
    for (size_t i = 0; i < RECENT; i++)
        if (ln_str_eq(logger.recent[i], secret)) return;
    struct ln_str *slot = &logger.recent[logger.recent_next++ % RECENT];
    forget(slot);
    *slot = (struct ln_str){ln_str_dup(secret), secret.n};
}

void ln_log_close(void) {
    for (size_t i = 0; i < logger.tag_count; i++)
        ln_free(logger.tags[i].tag);
    ln_free(logger.tags);
    logger.tags = NULL;
    logger.tag_count = 0;
    for (size_t i = 0; i < logger.secret_count; i++)
        forget(&logger.secrets[i]);
    for (size_t i = 0; i < RECENT; i++)
        forget(&logger.recent[i]);
    logger.recent_next = 0;
    ln_free(logger.secrets);
    logger.secrets = NULL;
    logger.secret_count = 0;
    find_lowest();
}

/* "conn=debug" speaks for every "conn:...", "conn:chat=trace" for that one; the longest wins. */
static enum ln_log_level level_of(const char *tag) {
    enum ln_log_level level = logger.level;
    size_t longest = 0;
    for (size_t i = 0; i < logger.tag_count; i++) {
        size_t n = strlen(logger.tags[i].tag);
        if (n < longest || strncmp(tag, logger.tags[i].tag, n) != 0) continue;
        if (tag[n] != 0 && tag[n] != ':') continue;
        level = logger.tags[i].level;
        longest = n;
    }
    return level;
}

bool ln_log_on(enum ln_log_level level, const char *tag) {
    if (LN_LIKELY(level < logger.lowest)) return false;
    return level < LN_OFF && level >= (logger.tag_count ? level_of(tag) : logger.level);
}

/* Base64url characters from i on. */
static size_t token_run(struct ln_str s, size_t i) {
    size_t n = 0;
    for (; i + n < s.n; n++) {
        char c = s.p[i + n];
        if (!isalnum((unsigned char)c) && c != '-' && c != '_') break;
    }
    return n;
}

/* Bytes of the JSON Web Token that begins at i: its header begins with {", and so do its claims.
 * 0: none does. Nobody has to register it, wherever it came from. */
static size_t token_at(struct ln_str s, size_t i) {
    if (s.p[i] != 'e' || s.n - i < 8 || memcmp(s.p + i, "eyJ", 3) != 0) return 0;
    size_t n = token_run(s, i);
    if (i + n + 4 > s.n || memcmp(s.p + i + n, ".eyJ", 4) != 0) return 0;
    n += 1 + token_run(s, i + n + 1);
    return i + n < s.n && s.p[i + n] == '.' ? n + 1 + token_run(s, i + n + 1) : n;
}

static size_t hidden_at(struct ln_str s, size_t i) {
    for (size_t k = 0; k < logger.secret_count; k++) {
        struct ln_str secret = logger.secrets[k];
        if (s.n - i >= secret.n && memcmp(s.p + i, secret.p, secret.n) == 0) return secret.n;
    }
    for (size_t k = 0; k < LN_MIN(logger.recent_next, RECENT); k++) {
        struct ln_str secret = logger.recent[k];
        if (s.n - i >= secret.n && memcmp(s.p + i, secret.p, secret.n) == 0) return secret.n;
    }
    return token_at(s, i);
}

void ln_log_redact(struct ln_buf *out, struct ln_str s) {
    size_t from = 0, i = 0;
    while (i < s.n) {
        size_t n = hidden_at(s, i);
        if (n == 0) {
            i++;
            continue;
        }
        ln_buf_add(out, s.p ? s.p + from : "", i - from);
        ln_buf_puts(out, "***");
        from = i += n;
    }
    if (s.n > from) ln_buf_add(out, s.p + from, s.n - from);
}

static void put(struct ln_str line) {
    while (line.n) {
        ssize_t n = write(STDERR_FILENO, line.p, line.n);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return; /* nobody reads: a log must not stop the house */
        line.p += n;
        line.n -= (size_t)n;
    }
}

static void deliver(const struct log_record *r) {
    if (logger.sink) {
        logger.sink(logger.ud, r->level, r->tag, r->msg, r->fields, r->n);
        return;
    }
    struct ln_buf line = {0};
    log_form(&line, r, logger.form, logger.color);
    put(ln_buf_get(&line));
    ln_buf_free(&line);
}

/* The record with secrets replaced, in memory of its own. */
static void deliver_redacted(const struct log_record *r) {
    struct ln_buf clean = {0};
    size_t *ends = ln_alloc((r->n * 2 + 1) * sizeof *ends);
    struct ln_log_field *fields = ln_alloc(r->n * sizeof *fields);
    ln_log_redact(&clean, r->msg);
    ends[0] = clean.n;
    for (size_t i = 0; i < r->n; i++) {
        ln_log_redact(&clean, ln_str(r->fields[i].key));
        ln_buf_putc(&clean, 0);
        ends[i * 2 + 1] = clean.n;
        ln_log_redact(&clean, r->fields[i].text);
        ends[i * 2 + 2] = clean.n;
    }
    /* Only now does the buffer stay where it is. */
    for (size_t i = 0; i < r->n; i++) {
        const size_t *e = &ends[i * 2];
        fields[i] = (struct ln_log_field){
            clean.p + e[0], {clean.p + e[1], e[2] - e[1]}, r->fields[i].is_json};
    }
    deliver(&(struct log_record){r->level, r->tag, {clean.p, ends[0]}, fields, r->n, r->wall_ms});
    ln_free(fields);
    ln_free(ends);
    ln_buf_free(&clean);
}

static bool may_hold_token(const struct log_record *r) {
    bool may = r->msg.n && memmem(r->msg.p, r->msg.n, "eyJ", 3);
    for (size_t i = 0; i < r->n && !may; i++)
        may = r->fields[i].text.n && memmem(r->fields[i].text.p, r->fields[i].text.n, "eyJ", 3);
    return may;
}

void ln_log_fields(enum ln_log_level level, const char *tag, struct ln_str msg,
                   const struct ln_log_field *fields, size_t n) {
    if (LN_LIKELY(level < logger.lowest) || !ln_log_on(level, tag)) return;
    struct log_record r = {level, tag, msg, fields, n, ln_wall_ms()};
    if (logger.secret_count || logger.recent_next || may_hold_token(&r)) {
        deliver_redacted(&r);
    } else {
        deliver(&r);
    }
}

void ln_log(enum ln_log_level level, const char *tag, const char *fmt, ...) {
    if (LN_LIKELY(level < logger.lowest) || !ln_log_on(level, tag)) return;
    struct ln_buf msg = {0};
    va_list ap;
    va_start(ap, fmt);
    ln_buf_vfmt(&msg, fmt, ap);
    va_end(ap);
    ln_log_fields(level, tag, ln_buf_get(&msg), NULL, 0);
    ln_buf_free(&msg);
}
