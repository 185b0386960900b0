/* SPDX-License-Identifier: MIT
 *
 * The verb doctor: prints what host/doctor finds, a line for each step as it ends, or one JSON
 * object at the end.
 */
#include <stdio.h>

#include "base/json.h"
#include "base/text.h"
#include "host/cli.h"
#include "host/doctor.h"

enum { NAME_COLUMNS = 12, TEXT_COLUMNS = 52, WHOLE_MS = 60000 };

struct ward {
    struct cli *cli;
    struct app *app;
    struct doctor *doctor;
    bool json;
    struct ln_buf steps; /* the JSON array's inside */
    int64_t limit_ms;
};

/* --- for people --- */

static size_t columns(struct ln_str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += (s.p[i] & 0xC0) != 0x80;
    return n;
}

static void print_indented(struct ln_str text, int indent) {
    while (text.n) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) : text.n;
        printf("%*s%.*s\n", n ? indent : 0, "", (int)n, text.p);
        text.p += n + (end != NULL);
        text.n -= n + (end != NULL);
    }
}

static void print_step(const struct ward *w, const struct doctor_step *s) {
    static const char *const words[] = {"ok", "FAIL", "skipped"};
    static const char *const colors[] = {"\x1b[32m", "\x1b[31m", "\x1b[2m"};
    bool color = w->cli->color;
    size_t width = columns(s->text);
    char took[32] = "";
    if (s->ms >= 0) ln_duration_text(s->ms, took, sizeof took);
    printf("  %-*s%.*s%*s  %s%s%s%s%s\n", NAME_COLUMNS, s->name, LN_FMT(s->text),
           (int)(width < TEXT_COLUMNS ? TEXT_COLUMNS - width : 0), "",
           color ? colors[s->verdict] : "", words[s->verdict], color ? "\x1b[0m" : "",
           *took ? "  " : "", took);
    print_indented(s->fault, 2 + NAME_COLUMNS);
    print_indented(s->more, 2 + NAME_COLUMNS);
    print_indented(s->note, 2 + NAME_COLUMNS);
    fflush(stdout);
}

/* --- for programs --- */

static void add_text(struct ln_buf *b, const char *key, struct ln_str text) {
    ln_buf_fmt(b, ",\"%s\":", key);
    ln_json_quote(b, text);
}

static void add_step(struct ln_buf *b, const struct doctor_step *s) {
    static const char *const ok[] = {"true", "false", "null"};
    ln_buf_fmt(b, "%s{\"name\":\"%s\",\"ok\":%s,\"ms\":", b->n ? "," : "", s->name, ok[s->verdict]);
    if (s->ms >= 0)
        ln_buf_int(b, s->ms);
    else
        ln_buf_puts(b, "null");
    add_text(b, "text", s->text);
    if (s->note.n) add_text(b, "note", s->note);
    ln_buf_fmt(b, ",\"detail\":{%.*s}}", LN_FMT(s->detail));
}

static void print_object(const struct ward *w, const struct doctor_end *e) {
    struct ln_buf b = {0};
    ln_buf_fmt(&b, "{\"ok\":%s", e->code == EXIT_OK ? "true" : "false");
    add_text(&b, "target", ln_str(e->target));
    if (e->protocol)
        add_text(&b, "protocol", ln_str(e->protocol));
    else
        ln_buf_puts(&b, ",\"protocol\":null");
    ln_buf_fmt(&b, ",\"steps\":[%.*s]", LN_FMT(ln_buf_get(&w->steps)));
    add_text(&b, "advice", e->advice);
    printf("%.*s}\n", LN_FMT(ln_buf_get(&b)));
    ln_buf_free(&b);
}

/* --- what the doctor says --- */

static void on_step(void *ud, const struct doctor_step *s) {
    struct ward *w = ud;
    if (w->json)
        add_step(&w->steps, s);
    else
        print_step(w, s);
}

static void on_end(void *ud, const struct doctor_end *e) {
    struct ward *w = ud;
    if (w->json) {
        print_object(w, e);
    } else {
        printf("\n");
        print_indented(e->advice, 0);
    }
    app_exit(w->app, e->code);
}

static void on_limit(void *ud) {
    struct ward *w = ud;
    char text[80], ms[32];
    snprintf(text, sizeof text, "not over when --timeout (%s) was reached",
             ln_duration_text(w->limit_ms, ms, sizeof ms));
    doctor_stop(w->doctor, EXIT_TIMED_OUT, text);
}

int verb_doctor(struct cli *cli, struct app *a) {
    static const struct doctor_cbs cbs = {on_step, on_end};
    struct ward w = {.cli = cli, .app = a, .limit_ms = WHOLE_MS};
    struct conn_opts o;
    struct ln_err err;
    const char *timeout = cli_value(cli, "timeout"), *dialect = cli_value(cli, "dialect");
    if (timeout && (!ln_duration_parse(ln_str(timeout), &w.limit_ms) || w.limit_ms <= 0)) {
        fprintf(stderr, "linnet: --timeout wants a time as 5s or 2m, not '%s'\n", timeout);
        return EXIT_USAGE;
    }
    if (dialect && strcmp(dialect, "linnet") != 0 && strcmp(dialect, "rooms") != 0) {
        fprintf(stderr, "linnet: --dialect is linnet or rooms, not '%s'\n", dialect);
        return EXIT_USAGE;
    }
    conn_opts_init(&o);
    if (!cli_conn_flags(cli, &o, &err)) {
        fprintf(stderr, "linnet: %s\n", err.text);
        conn_opts_free(&o);
        return EXIT_USAGE;
    }
    w.json = cli_value(cli, "json") != NULL;
    bool found = app_target(a, cli->words[0], &o, &err) && cli_conn_flags(cli, &o, &err);
    struct doctor_opts opts = {.target = cli->words[0],
                               .conn = &o,
                               .wrong = found ? NULL : &err,
                               .room = cli_value(cli, "room"),
                               .dialect = dialect};
    w.doctor = doctor_new(a->loop, &opts, &cbs, &w);
    cli_signals(cli, a);
    loop_timer(a->loop, w.limit_ms, on_limit, &w);
    loop_run(a->loop);
    doctor_free(w.doctor);
    conn_opts_free(&o);
    ln_buf_free(&w.steps);
    return a->exit_code;
}
