/* SPDX-License-Identifier: MIT
 *
 * What the one-shot verbs print to standard output: events, a line each, for people or as NDJSON;
 * and answers, indented for people.
 */
#include "host/cli_print.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"

static void put_time(struct ln_buf *out, bool for_people) {
    int64_t ms = ln_wall_ms();
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char text[40];
    if (for_people)
        localtime_r(&s, &tm);
    else
        gmtime_r(&s, &tm);
    strftime(text, sizeof text, for_people ? "%H:%M:%S" : "%Y-%m-%dT%H:%M:%S", &tm);
    ln_buf_fmt(out, "%s.%03d%s", text, (int)(ms % 1000), for_people ? "" : "Z");
}

static const char *level_of(const struct event *ev) {
    if (ev->kind != EVENT_LIFECYCLE) return "info";
    if (ln_str_is(ev->name, "connect_error")) return "error";
    if (ln_str_is(ev->name, "disconnect") || ln_str_is(ev->name, "gap")) return "warn";
    return "info";
}

/* False: nobody takes it; errno says why. */
static bool put_out(struct ln_buf *text) {
    bool ok = fwrite(text->p, 1, text->n, stdout) == text->n && fflush(stdout) == 0;
    ln_buf_free(text);
    return ok;
}

bool print_event(const struct event *ev, bool json, bool color) {
    struct ln_buf line = {0};
    const char *level = level_of(ev);
    bool own = ev->kind == EVENT_LIFECYCLE;
    if (json) {
        ln_buf_puts(&line, "{\"ts\":\"");
        put_time(&line, false);
        ln_buf_fmt(&line, "\",\"level\":\"%s\",\"dir\":\"%s\",\"conn\":", level,
                   own ? "own" : "in");
        ln_json_quote(&line, ln_str(conn_name(ev->conn)));
        ln_buf_puts(&line, ",\"event\":");
        ln_json_quote(&line, ev->name);
        ln_buf_fmt(&line, ",\"args\":[%.*s]", LN_FMT(ev->args));
        if (ev->bin_count) ln_buf_fmt(&line, ",\"attachments\":%zu", ev->bin_count);
        ln_buf_putc(&line, '}');
    } else {
        put_time(&line, true);
        ln_buf_fmt(&line, " %s%-5s%s %s ", color ? (own ? "\x1b[33m" : "\x1b[36m") : "", level,
                   color ? "\x1b[0m" : "", own ? "·" : "←");
        ln_printable(&line, ev->name, 100);
        ln_buf_puts(&line, "  ");
        ln_printable(&line, ev->args, 4000);
        if (ev->bin_count) ln_buf_fmt(&line, "  + %zu binary", ev->bin_count);
    }
    ln_buf_putc(&line, '\n');
    return put_out(&line);
}

static void indent(struct ln_buf *out, int depth) {
    ln_buf_putc(out, '\n');
    for (int i = 0; i < depth; i++)
        ln_buf_puts(out, "  ");
}

/* One value, two blanks a level; an array or object without members stays on its line. */
static void pretty(struct ln_buf *out, struct ln_str json) {
    struct ln_json j;
    bool first = true, after_key = false;
    ln_json_init(&j, json, 0);
    for (enum ln_json_type t; (t = ln_json_next(&j)) != LN_JSON_END && t != LN_JSON_ERROR;) {
        bool closes = t == LN_JSON_ARRAY_END || t == LN_JSON_OBJECT_END;
        if (!closes && !after_key && j.depth > 0 && !(first && !out->n)) {
            int depth = j.depth - (t == LN_JSON_ARRAY || t == LN_JSON_OBJECT ? 1 : 0);
            if (depth > 0) {
                if (!first) ln_buf_putc(out, ',');
                indent(out, depth);
            }
        }
        if (closes && !first) indent(out, j.depth);
        after_key = t == LN_JSON_KEY;
        first = t == LN_JSON_ARRAY || t == LN_JSON_OBJECT;
        if (t == LN_JSON_STRING || t == LN_JSON_KEY)
            ln_buf_fmt(out, "\"%.*s\"", LN_FMT(j.raw));
        else if (t == LN_JSON_ARRAY)
            ln_buf_putc(out, '[');
        else if (t == LN_JSON_OBJECT)
            ln_buf_putc(out, '{');
        else if (closes)
            ln_buf_putc(out, t == LN_JSON_ARRAY_END ? ']' : '}');
        else
            ln_buf_str(out, j.raw);
        if (after_key) ln_buf_puts(out, ": ");
    }
}

bool print_answer(struct ln_str args, bool for_people) {
    struct ln_buf list = {0}, text = {0};
    struct ln_str value, one = {0};
    size_t pos = 0, n = 0;
    ln_buf_fmt(&list, "[%.*s]", LN_FMT(args));
    while (ln_json_each(ln_buf_get(&list), &pos, NULL, &value)) {
        if (n++ == 0) one = value;
    }
    struct ln_str all = n == 1 ? one : ln_buf_get(&list);
    if (for_people) {
        struct ln_buf indented = {0};
        pretty(&indented, all);
        for (size_t from = 0, at = 0; at <= indented.n; at++) { /* line by line, made printable */
            if (at < indented.n && indented.p[at] != '\n') continue;
            ln_printable(&text, (struct ln_str){indented.p + from, at - from}, 100000);
            ln_buf_putc(&text, '\n');
            from = at + 1;
        }
        ln_buf_free(&indented);
    } else {
        ln_buf_str(&text, all);
        ln_buf_putc(&text, '\n');
    }
    ln_buf_free(&list);
    return put_out(&text);
}
