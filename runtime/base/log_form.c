/* SPDX-License-Identifier: MIT
 *
 * A log record as text for people, as a JSON line, or as lines for the journal. In the two forms
 * for people a message of several lines (a Lua traceback) keeps them, indented, so that nothing
 * from outside can pass for a record of its own; every other control byte is made visible.
 */
#include "base/log_form.h"

#include <time.h>

#include "base/json.h"
#include "base/text.h"

#define MSG_MAX 8192
#define FIELD_MAX 2048

static const char *const color_of[] = {
    [LN_TRACE] = "\033[2m", [LN_DEBUG] = "\033[2m",  [LN_INFO] = "\033[32m",
    [LN_WARN] = "\033[33m", [LN_ERROR] = "\033[31m",
};

/* The value as it is when it is plain, else in quotes. */
static void text_value(struct ln_buf *out, const struct ln_log_field *f) {
    bool is_plain = f->text.n > 0;
    for (size_t i = 0; i < f->text.n && is_plain && !f->is_json; i++)
        is_plain = f->text.p[i] != ' ' && f->text.p[i] != '"' && f->text.p[i] != '=';
    if (!is_plain) ln_buf_putc(out, '"');
    ln_printable(out, f->text, FIELD_MAX);
    if (!is_plain) ln_buf_putc(out, '"');
}

/* Message and fields; `indent` begins each line but the first. */
static void text_body(struct ln_buf *out, const struct log_record *r, const char *indent) {
    struct ln_str rest = r->msg;
    while (rest.n && rest.p[rest.n - 1] == '\n')
        rest.n--;
    for (;;) {
        const char *newline = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
        struct ln_str line = {rest.p, newline ? (size_t)(newline - rest.p) : rest.n};
        while (line.n && *line.p == '\t') {
            ln_buf_puts(out, "    ");
            line.p++;
            line.n--;
        }
        ln_printable(out, line, MSG_MAX);
        if (!newline) break;
        rest.n -= (size_t)(newline + 1 - rest.p);
        rest.p = newline + 1;
        ln_buf_putc(out, '\n');
        ln_buf_puts(out, indent);
    }
    for (size_t i = 0; i < r->n; i++) {
        ln_buf_putc(out, ' ');
        ln_printable(out, ln_str(r->fields[i].key), FIELD_MAX);
        ln_buf_putc(out, '=');
        text_value(out, &r->fields[i]);
    }
    ln_buf_putc(out, '\n');
}

static void form_text(struct ln_buf *out, const struct log_record *r, bool color) {
    time_t seconds = (time_t)(r->wall_ms / 1000);
    struct tm t;
    localtime_r(&seconds, &t);
    const char *on = color ? color_of[r->level] : "", *off = color ? "\033[0m" : "";
    ln_buf_fmt(out, "%02d:%02d:%02d %s%-5s%s ", t.tm_hour, t.tm_min, t.tm_sec, on,
               ln_log_level_name(r->level), off);
    if (color) ln_buf_puts(out, "\033[2m");
    ln_printable(out, ln_str(r->tag), FIELD_MAX);
    ln_buf_puts(out, off);
    ln_buf_puts(out, "  ");
    text_body(out, r, "    ");
}

static void form_journal(struct ln_buf *out, const struct log_record *r) {
    static const char *const priority[] = {[LN_TRACE] = "<7>",
                                           [LN_DEBUG] = "<7>",
                                           [LN_INFO] = "<6>",
                                           [LN_WARN] = "<4>",
                                           [LN_ERROR] = "<3>"};
    char indent[8] = "";
    strcat(strcpy(indent, priority[r->level]), "    ");
    ln_buf_puts(out, priority[r->level]);
    ln_printable(out, ln_str(r->tag), FIELD_MAX);
    ln_buf_puts(out, "  ");
    text_body(out, r, indent);
}

static void json_value(struct ln_buf *out, const struct ln_log_field *f) {
    if (!f->is_json || !ln_json_valid(f->text, NULL)) {
        ln_json_quote(out, f->text);
        return;
    }
    /* One record, one line: outside strings a newline is only white space. */
    char *p = ln_buf_room(out, f->text.n);
    for (size_t i = 0; i < f->text.n; i++)
        p[i] = (unsigned char)f->text.p[i] < 0x20 ? ' ' : f->text.p[i];
    out->n += f->text.n;
}

static void json_key(struct ln_buf *out, const char *key) {
    ln_buf_putc(out, ',');
    ln_json_quote(out, ln_str(key));
    ln_buf_putc(out, ':');
}

static void form_json(struct ln_buf *out, const struct log_record *r) {
    time_t seconds = (time_t)(r->wall_ms / 1000);
    struct tm t;
    gmtime_r(&seconds, &t);
    ln_buf_fmt(out, "{\"ts\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\",\"level\":\"%s\"",
               t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
               (int)(r->wall_ms % 1000), ln_log_level_name(r->level));
    struct ln_str tag = ln_str(r->tag);
    const char *tag_key = ln_str_starts(tag, "conn:")     ? "conn"
                          : ln_str_starts(tag, "script:") ? "script"
                                                          : "tag";
    const char *name = strcmp(tag_key, "tag") == 0 ? r->tag : strchr(r->tag, ':') + 1;
    json_key(out, tag_key);
    ln_json_quote(out, ln_str(name));
    json_key(out, "msg");
    ln_json_quote(out, r->msg);
    for (size_t i = 0; i < r->n; i++) {
        const char *key = r->fields[i].key;
        /* No name twice in an object: a field that takes one of ours gets a _ behind. */
        bool is_taken = strcmp(key, "ts") == 0 || strcmp(key, "level") == 0 ||
                        strcmp(key, "msg") == 0 || strcmp(key, tag_key) == 0;
        if (is_taken) {
            ln_buf_fmt(out, ",\"%s_\":", key);
        } else {
            json_key(out, key);
        }
        json_value(out, &r->fields[i]);
    }
    ln_buf_puts(out, "}\n");
}

void log_form(struct ln_buf *out, const struct log_record *r, enum ln_log_format form, bool color) {
    switch (form) {
    case LN_LOG_JSON:
        form_json(out, r);
        break;
    case LN_LOG_JOURNAL:
        form_journal(out, r);
        break;
    default:
        form_text(out, r, color);
    }
}
