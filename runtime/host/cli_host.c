/* SPDX-License-Identifier: MIT
 *
 * The verbs that stay: run, dev and hub. Signals: HUP reads the settings anew and reloads, TERM and
 * INT end (a second INT at once), USR2 writes the state to the log, PIPE is ignored.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/cli.h"
#include "host/scripts.h"

/* --- signals --- */

static void on_end(void *ud, int signum) {
    struct app *a = ud;
    if (a->stopping) {
        signal(signum, SIG_DFL);
        raise(signum); /* twice: at once, with the signal's own exit code */
    }
    ln_log(LN_INFO, "linnet", "stopping (%s)", signum == SIGINT ? "interrupt" : "terminated");
    app_exit(a, EXIT_OK);
}

static void on_reload(void *ud, int signum) {
    (void)signum;
    cli_reload(ud);
}

static void on_status(void *ud, int signum) {
    struct app *a = ud;
    struct conn *c;
    (void)signum;
    ln_log(LN_INFO, "linnet", "%zu scripts", scripts_count(a->scripts));
    for (size_t i = 0; clients_each(a->clients, &i, &c);) {
        const struct conn_stats *s = conn_stats(c);
        char tag[100];
        snprintf(tag, sizeof tag, "conn:%s", conn_name(c));
        ln_log(LN_INFO, tag,
               "%s, %llu received, %llu sent, %zu waiting, %llu reconnects, last error: %s",
               conn_state_name(conn_state(c)), (unsigned long long)s->received,
               (unsigned long long)s->sent, conn_outbox_size(c), (unsigned long long)s->reconnects,
               s->last_error[0] ? s->last_error : "none");
    }
    if (a->hub) ln_log(LN_INFO, "hub", "%zu clients", hub_client_count(a->hub));
}

void cli_signals(struct cli *cli, struct app *a) {
    loop_signal(a->loop, SIGINT, on_end, a);
    loop_signal(a->loop, SIGTERM, on_end, a);
    loop_signal(a->loop, SIGHUP, on_reload, cli);
    loop_signal(a->loop, SIGUSR2, on_status, a);
}

/* --- hub --- */

bool cli_open_hub(struct cli *cli, struct app *a, bool trace, struct ln_err *err) {
    (void)cli;
    return app_open_hub(a, trace, err);
}

static void print_hub(struct cli *cli, struct app *a) {
    const char *bold = cli->color ? "\x1b[1m" : "", *plain = cli->color ? "\x1b[0m" : "";
    char *url = app_hub_url(a);
    bool has_page = strncmp(url, "http", 4) == 0 && /* no browser opens a Unix socket */
                    config_bool(a->config, "hub.page", true);
    printf("  hub     %s%s%s      Socket.IO, %sWebSocket%s\n", bold, url, plain,
           hub_has_apps(a->hub) ? "Pusher, " : "", has_page ? " - open this page to chat" : "");
    ln_free(url);
    fflush(stdout);
}

int verb_hub(struct cli *cli, struct app *a) {
    struct ln_err err;
    /* No Events tab: behind a proxy everybody's page would come from this machine. */
    if (!cli_open_hub(cli, a, false, &err)) {
        fprintf(stderr, "linnet: %s\n", err.text);
        return EXIT_NO_CONNECTION;
    }
    cli_signals(cli, a);
    print_hub(cli, a);
    loop_run(a->loop);
    return a->exit_code;
}

/* --- scripts --- */

struct loading {
    struct cli *cli;
    struct app *app;
    const char *path;
    bool *failed;
};

/* The script's own: linnet listens on its behalf, too. */
static size_t handlers_of(struct app *a, const char *script) {
    size_t i = 0, n = 0;
    struct seat *seat;
    const char *path;
    while (scripts_each(a->scripts, &i, &seat, &path)) {
        if (strcmp(path, script) != 0) continue;
        LN_LIST_EACH (&seat->items, node, next) {
            struct seat_item *it = LN_CONTAINER(node, struct seat_item, node);
            if (strcmp(it->kind->what, "listener") != 0) continue;
            const char *place = a->place_of(a, LN_CONTAINER(it, struct listener, item));
            n += place && strcmp(place, PLACE_INSIDE) != 0;
        }
    }
    return n;
}

static void print_script(struct app *a, const char *path) {
    size_t n = handlers_of(a, path);
    printf("  script  %-26s %zu handler%s\n", path, n, n == 1 ? "" : "s");
    fflush(stdout);
}

static void loaded(void *ud, const struct ln_err *err) {
    struct loading *l = ud;
    if (err) {
        bool may_come = l->app->is_dev && access(l->path, F_OK) != 0;
        fprintf(stderr, "linnet: %s%s\n", err->text,
                may_come ? "; it is started when it comes" : "");
        *l->failed = true;
        if (!l->app->is_dev) app_exit(l->app, EXIT_FAILED);
    } else if (l->app->is_dev) {
        print_script(l->app, l->path);
    }
    ln_free(l);
}

static void load(struct cli *cli, struct app *a, const char *path, const char *code, bool *failed) {
    struct loading *l = ln_new(struct loading);
    *l = (struct loading){cli, a, path, failed};
    scripts_load(a->scripts, path, code, loaded, l);
}

/* "-": the script comes from standard input. */
static char *read_stdin(void) {
    struct ln_buf text = {0};
    size_t n;
    do {
        n = fread(ln_buf_room(&text, 65536), 1, 65536, stdin);
        text.n += n;
    } while (n);
    ln_buf_cstr(&text);
    return ln_buf_take(&text, NULL);
}

static bool nothing_left(struct app *a) {
    size_t i = 0, items = 0;
    struct seat *seat;
    const char *path;
    if (a->hub || scripts_restarting(a->scripts)) return false;
    while (scripts_each(a->scripts, &i, &seat, &path)) {
        if (seat->state == SEAT_DEAD) return false; /* killed in this turn: it is loaded again */
        items += seat_count(seat, NULL);
    }
    return items == 0;
}

/* Scripts that have nothing left (no connection, no timer, no wait) have done their work. */
static void end_when_done(void *ud) {
    struct app *a = ud;
    if (nothing_left(a)) app_exit(a, a->exit_code);
}

static void on_empty(void *ud) {
    struct app *a = ud;
    if (!a->stopping) loop_timer(a->loop, 0, end_when_done, a);
}

/* A first load that fails behind a wait is a failed load as well; after a reload it is not: the
 * program had been running. */
static void on_boot(struct app *a, struct seat *seat, bool failed) {
    if (failed && seat->reloads == 0)
        app_exit(a, EXIT_FAILED);
    else if (seat->on_empty)
        on_empty(a);
}

int verb_run(struct cli *cli, struct app *a) {
    static const char *const texts[] = {"-e", "-e (2)", "-e (3)", "-e (4)"};
    bool failed = false;
    struct ln_err err;
    if (!cli->word_count && !cli_value(cli, "execute")) {
        fprintf(stderr, "linnet: usage: linnet run SCRIPT…\n");
        return EXIT_USAGE;
    }
    a->allow = (const char *const *)cli_values(cli, "allow");
    char *typed = NULL; /* before the signals are the loop's: an interrupt ends the typing */
    for (int i = 0; i < cli->word_count && !typed; i++)
        if (strcmp(cli->words[i], "-") == 0) typed = read_stdin();
    cli_signals(cli, a);
    struct settings_watch *settings = cli_value(cli, "watch") ? cli_settings_watch(cli) : NULL;
    for (int i = 0; cli_value_at(cli, "execute", i); i++)
        load(cli, a, texts[LN_MIN(i, 3)], cli_value_at(cli, "execute", i), &failed);
    for (int i = 0; i < cli->word_count && !a->stopping; i++) {
        bool is_typed = strcmp(cli->words[i], "-") == 0;
        load(cli, a, is_typed ? "stdin" : cli->words[i], is_typed ? typed : NULL, &failed);
    }
    ln_free(typed);
    a->on_boot = on_boot;
    if (settings) {
        if (scripts_watch(a->scripts, &err) != LN_OK) ln_log(LN_WARN, "linnet", "%s", err.text);
    } else {
        scripts_on_empty(a->scripts, on_empty, a);
        on_empty(a);
    }
    loop_run(a->loop);
    if (settings) cli_settings_unwatch(settings);
    ln_free((void *)(uintptr_t)a->allow);
    return a->exit_code;
}

static bool is_script_name(const char *name) {
    size_t n = strlen(name);
    return n > 4 && name[0] != '.' && strcmp(name + n - 4, ".lua") == 0 &&
           !(n > 8 && strcmp(name + n - 8, ".cfg.lua") == 0) &&
           !(n > 9 && strcmp(name + n - 9, "_test.lua") == 0);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int cli_scripts_here(char **names, int max) {
    DIR *dir = opendir(".");
    int n = 0;
    if (!dir) return 0;
    for (struct dirent *e; (e = readdir(dir)) && n < max;)
        if (is_script_name(e->d_name)) names[n++] = ln_strdup(e->d_name);
    closedir(dir);
    qsort(names, (size_t)n, sizeof *names, by_name);
    return n;
}

static void note_err(void *ud, const struct ln_err *err) {
    *(struct ln_err *)ud = err ? *err : (struct ln_err){LN_OK, ""};
}

/* All first, then the words: what one of them requires is its module, and no script that failed. */
static void load_here(struct app *a, char *const *names, int n) {
    struct ln_err *errs = ln_alloc(((size_t)n + 1) * sizeof *errs);
    scripts_follow(a->scripts, cli_scripts_here);
    for (int i = 0; i < n; i++)
        scripts_load(a->scripts, names[i], NULL, note_err, &errs[i]);
    for (int i = 0; i < n; i++) {
        const char *reader = scripts_reader(a->scripts, names[i]);
        if (reader)
            printf("  module  %-26s of %s\n", names[i], reader);
        else if (errs[i].code != LN_OK)
            fprintf(stderr, "linnet: %s\n", errs[i].text);
        else
            print_script(a, names[i]);
    }
    if (n == 0)
        printf(
            "  script  none yet: a *.lua is started when it comes; 'linnet new NAME' makes one\n");
    ln_free(errs);
}

int verb_dev(struct cli *cli, struct app *a) {
    uint64_t start = ln_mono_ms();
    char *here[CLI_MAX];
    int found = cli->word_count ? 0 : cli_scripts_here(here, CLI_MAX);
    bool failed = false;
    struct ln_err err;
    a->is_dev = true;
    a->allow = (const char *const *)cli_values(cli, "allow");
    if (!cli_value(cli, "no-hub")) {
        if (!cli_open_hub(cli, a, true, &err)) {
            fprintf(stderr, "linnet: %s\n", err.text);
            for (int i = 0; i < found; i++)
                ln_free(here[i]);
            ln_free((void *)(uintptr_t)a->allow);
            return EXIT_NO_CONNECTION;
        }
        app_trace_on(a);
        print_hub(cli, a);
    }
    cli_signals(cli, a);
    struct settings_watch *settings = cli_settings_watch(cli);
    for (int i = 0; i < cli->word_count; i++)
        load(cli, a, cli->words[i], NULL, &failed);
    if (!cli->word_count) load_here(a, here, found);
    if (scripts_watch(a->scripts, &err) != LN_OK) ln_log(LN_WARN, "linnet", "%s", err.text);
    printf("  ready in %d ms · watching · Ctrl-C to stop\n", (int)(ln_mono_ms() - start));
    fflush(stdout);
    loop_run(a->loop);
    cli_settings_unwatch(settings);
    for (int i = 0; i < found; i++)
        ln_free(here[i]);
    ln_free((void *)(uintptr_t)a->allow);
    return a->exit_code;
}
