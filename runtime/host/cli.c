/* SPDX-License-Identifier: MIT
 *
 * Parsing of the command line, the help, and the order of settings: flag > environment > project
 * file > user file > /etc > default.
 */
#include "host/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/scripts.h"

static const struct verb *verb_of(const char *name) {
    for (const struct verb *v = cli_verbs; v->name; v++)
        if (strcmp(v->name, name) == 0) return v;
    return NULL;
}

static const struct cli_option *find_long(const struct cli_option *list, const char *name,
                                          size_t n) {
    for (; list->name; list++)
        if (strlen(list->name) == n && memcmp(list->name, name, n) == 0) return list;
    return NULL;
}

static const struct cli_option *find_short(const struct cli_option *list, char letter) {
    for (; list->name; list++)
        if (list->letter == letter) return list;
    return NULL;
}

static int usage(const char *near, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int usage(const char *near, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "linnet: ");
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    if (near) fprintf(stderr, " (did you mean '%s'?)", near);
    fprintf(stderr, "\nlinnet: 'linnet help' shows what there is\n");
    return EXIT_USAGE;
}

static int unknown_option(const struct cli *cli, const char *arg) {
    const char *names[64];
    char long_names[64][40];
    int n = 0;
    const struct cli_option *lists[] = {cli->verb->options, cli_global};
    for (int l = 0; l < 2; l++) {
        for (const struct cli_option *o = lists[l]; o->name && n < 63; o++, n++) {
            snprintf(long_names[n], sizeof long_names[n], "--%s", o->name);
            names[n] = long_names[n];
        }
    }
    names[n] = NULL;
    struct ln_str word = {arg, strcspn(arg, "=")};
    return usage(ln_nearest(word, names), "unknown option '%s'", arg);
}

static int give(struct cli *cli, const struct cli_option *o, const char *value) {
    if (cli->given_count == CLI_MAX) return usage(NULL, "too many options at '--%s'", o->name);
    cli->given[cli->given_count].option = o;
    cli->given[cli->given_count++].value = value;
    return EXIT_OK;
}

/* One argument that begins with '-'. *i moves on when the next one is its value. */
static int parse_option(struct cli *cli, int argc, char **argv, int *i) {
    const char *arg = argv[*i], *value = NULL;
    const struct cli_option *o;
    if (arg[1] == '-') {
        size_t n = strcspn(arg + 2, "=");
        if (arg[2 + n] == '=') value = arg + 3 + n;
        o = find_long(cli->verb->options, arg + 2, n);
        if (!o) o = find_long(cli_global, arg + 2, n);
    } else {
        o = find_short(cli->verb->options, arg[1]);
        if (!o) o = find_short(cli_global, arg[1]);
        if (o && arg[2] && o->value) value = arg + 2;
        if (o && arg[2] && !o->value) { /* -vv */
            for (const char *p = arg + 1; *p; p++)
                if (*p != arg[1]) return unknown_option(cli, arg);
            for (const char *p = arg + 2; *p; p++)
                if (give(cli, o, "") != EXIT_OK) return EXIT_USAGE;
        }
    }
    if (!o) return unknown_option(cli, arg);
    if (!o->value && value && arg[1] == '-')
        return usage(NULL, "option '--%s' takes no value", o->name);
    if (o->value && !value) {
        if (*i + 1 >= argc) return usage(NULL, "option '--%s' needs a value", o->name);
        value = argv[++*i];
    }
    return give(cli, o, o->value ? value : "");
}

/* The verb that the first word asks for: its own, or `run` for a file. */
static int verb_of_word(struct cli *cli, const char *word) {
    size_t n = strlen(word);
    const struct verb *v = verb_of(word);
    if (v) {
        cli->verb = v;
        cli->names_verb = true;
        return EXIT_OK;
    }
    if ((n > 4 && strcmp(word + n - 4, ".lua") == 0) || strcmp(word, "-") == 0 ||
        access(word, R_OK) == 0)
        return EXIT_OK;
    const char *names[32];
    int count = 0;
    for (const struct verb *k = cli_verbs; k->name && count < 31; k++)
        names[count++] = k->name;
    names[count] = NULL;
    return usage(ln_nearest(ln_str(word), names), "'%s' is neither a verb nor a file", word);
}

static bool is_global(const char *arg) {
    if (arg[1] == '-') return find_long(cli_global, arg + 2, strcspn(arg + 2, "="));
    return find_short(cli_global, arg[1]);
}

/* Takes the options before the verb and finds the verb: the first word's, or `run` for what only
 * run takes (-e). *i is where the verb's own arguments begin. */
static int find_verb(struct cli *cli, int argc, char **argv, int *i) {
    cli->verb = verb_of("run");
    for (*i = 1; *i < argc; ++*i) {
        const char *arg = argv[*i];
        if (arg[0] != '-' || !arg[1]) {
            int status = verb_of_word(cli, arg);
            *i += cli->names_verb;
            return status;
        }
        if (!is_global(arg)) return EXIT_OK;
        int status = parse_option(cli, argc, argv, i);
        if (status != EXIT_OK) return status;
    }
    if (argc < 2 || cli_value(cli, "help")) cli->verb = verb_of("help");
    return EXIT_OK;
}

int cli_parse(struct cli *cli, int argc, char **argv) {
    int first, status = find_verb(cli, argc, argv, &first);
    if (status != EXIT_OK) return status;
    for (int i = first; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            cli->rest = argv + i + 1;
            cli->rest_count = argc - i - 1;
            break;
        }
        if (argv[i][0] == '-' && argv[i][1]) {
            status = parse_option(cli, argc, argv, &i);
            if (status != EXIT_OK) return status;
        } else if (cli->word_count < CLI_MAX) {
            cli->words[cli->word_count++] = argv[i];
        } else {
            return usage(NULL, "too many words at '%s'", argv[i]);
        }
    }
    const char *color = cli_value(cli, "color");
    if (color && strcmp(color, "auto") != 0 && strcmp(color, "always") != 0 &&
        strcmp(color, "never") != 0)
        return usage(NULL, "--color is auto, always or never, not '%s'", color);
    if (cli_value(cli, "help") || cli_value(cli, "version")) return EXIT_OK;
    if (cli->word_count < cli->verb->min_words) {
        fprintf(stderr, "linnet: usage: linnet %s %s\n", cli->verb->name, cli->verb->words);
        return EXIT_USAGE;
    }
    if (cli->word_count > cli->verb->max_words)
        return usage(NULL, "one word too many: '%s'", cli->words[cli->verb->max_words]);
    return EXIT_OK;
}

const char *cli_value_at(const struct cli *cli, const char *name, int i) {
    for (int k = 0; k < cli->given_count; k++)
        if (strcmp(cli->given[k].option->name, name) == 0 && i-- == 0) return cli->given[k].value;
    return NULL;
}

const char *cli_value(const struct cli *cli, const char *name) {
    const char *value = NULL;
    for (int i = 0; cli_value_at(cli, name, i); i++)
        value = cli_value_at(cli, name, i);
    return value;
}

const char **cli_values(const struct cli *cli, const char *name) {
    if (!cli_value_at(cli, name, 0)) return NULL;
    const char **list = ln_alloc((CLI_MAX + 1) * sizeof *list);
    for (int i = 0; cli_value_at(cli, name, i); i++)
        list[i] = cli_value_at(cli, name, i);
    return list;
}

static int times_given(const struct cli *cli, const char *name) {
    int n = 0;
    while (cli_value_at(cli, name, n))
        n++;
    return n;
}

/* --- help --- */

static void print_options(const struct cli_option *list) {
    for (; list->name; list++) {
        char left[60], letter[8] = "    ";
        if (list->letter) snprintf(letter, sizeof letter, "-%c, ", list->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, list->name, list->value ? "=" : "",
                 list->value ? list->value : "");
        printf("  %-28s %s\n", left, list->help);
    }
}

void cli_help(const struct cli *cli, const struct verb *verb) {
    (void)cli;
    if (verb) {
        printf("linnet %s%s%s\n  %s\n", verb->name, *verb->words ? " " : "", verb->words,
               verb->help);
        if (verb->more) printf("\nExamples\n%s", verb->more);
        if (verb->options->name) printf("\nOptions\n");
        print_options(verb->options);
        printf("\nOptions of every verb\n");
        print_options(cli_global);
        return;
    }
    printf(
        "linnet keeps real-time connections and lets a few lines of Lua decide what happens.\n\n");
    printf("  linnet new wren && cd wren && linnet dev      a bot, talking, in a minute\n\n");
    printf("Verbs\n");
    for (const struct verb *v = cli_verbs; v->name; v++)
        printf("  %-9s %s\n", v->name, v->help);
    printf("\n  linnet FILE.lua is linnet run FILE.lua; linnet -e CODE runs a text\n");
    printf("  linnet help VERB shows a verb's options and examples\n\nOptions of every verb\n");
    print_options(cli_global);
    printf(
        "\nExit codes: 0 ok, 1 failed, 2 usage, 69 cannot connect, 75 lost and gave up, 77 refused,"
        "\n            78 bad settings, 124 --timeout reached\n");
}

int verb_help(struct cli *cli, struct app *a) {
    (void)a;
    if (!cli->word_count) {
        cli_help(cli, NULL);
        return EXIT_OK;
    }
    const struct verb *v = verb_of(cli->words[0]);
    if (!v) return usage(NULL, "there is no verb '%s'", cli->words[0]);
    cli_help(cli, v);
    return EXIT_OK;
}

/* --- settings --- */

static bool read_file(struct cli *cli, struct config *c, const char *path, enum config_level level,
                      bool must_be, struct ln_err *err) {
    if (!must_be && access(path, F_OK) != 0) return true;
    return cli->lua->config_file(c, path, level, err);
}

static bool read_files(struct cli *cli, struct config *c, struct ln_err *err) {
    const char *named = cli_value(cli, "config");
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    struct ln_buf user = {0};
    if (xdg && *xdg)
        ln_buf_fmt(&user, "%s/linnet/linnet.cfg.lua", xdg);
    else if (home)
        ln_buf_fmt(&user, "%s/.config/linnet/linnet.cfg.lua", home);
    bool ok =
        read_file(cli, c, "/etc/linnet/linnet.cfg.lua", CONFIG_ETC, false, err) &&
        (!user.n || read_file(cli, c, ln_buf_cstr(&user), CONFIG_USER, false, err)) &&
        read_file(cli, c, named ? named : "linnet.cfg.lua", CONFIG_PROJECT, named != NULL, err);
    ln_buf_free(&user);
    return ok;
}

static bool set_flag(struct config *c, const char *path, const char *value, const char *origin,
                     struct ln_err *err) {
    return config_set_text(c, path, ln_str(value), CONFIG_FLAG, origin, err);
}

static bool read_flags(struct cli *cli, struct config *c, struct ln_err *err) {
    for (int i = 0; i < cli->given_count; i++) {
        const struct cli_option *o = cli->given[i].option;
        char origin[60];
        snprintf(origin, sizeof origin, "--%s", o->name);
        if (o->config && !set_flag(c, o->config, cli->given[i].value, origin, err)) return false;
        if (strcmp(o->name, "set") != 0) continue;
        const char *value = cli->given[i].value, *eq = strchr(value, '=');
        if (!eq) {
            ln_fail(err, LN_INVALID, "--set wants PATH=VALUE, as hub.port=4400, not '%s'", value);
            return false;
        }
        char *path = ln_dup(value, (size_t)(eq - value));
        bool ok = set_flag(c, path, eq + 1, "--set", err);
        ln_free(path);
        if (!ok) return false;
    }
    return true;
}

static bool read_settings(struct cli *cli, struct config *c, struct ln_err *err) {
    return read_files(cli, c, err) && config_from_env(c, cli->env, err) && read_flags(cli, c, err);
}

bool cli_reread(struct cli *cli, struct ln_err *err) {
    struct config *c = config_new();
    if (!read_settings(cli, c, err) || !config_check(c, err)) {
        config_free(c);
        return false;
    }
    cli_settings_late(cli->app->config, c);
    config_keep(c, cli->app->config, "hub.");
    config_keep(c, cli->app->config, "log.");
    config_free(cli->app->config);
    cli->app->config = c;
    return true;
}

static bool wants_color(const struct cli *cli, int fd) {
    const char *when = cli_value(cli, "color"), *term = getenv("TERM");
    if (when && strcmp(when, "always") == 0) return true;
    if (when && strcmp(when, "never") == 0) return false;
    const char *force = getenv("CLICOLOR_FORCE"), *no = getenv("NO_COLOR");
    if (no && *no) return false;
    if (force && *force && strcmp(force, "0") != 0) return true;
    return isatty(fd) && !(term && strcmp(term, "dumb") == 0);
}

/* Their data is what counts: of the line they tell only what is wrong. */
static bool is_one_shot(const struct verb *v) {
    return v->run == verb_listen || v->run == verb_emit || v->run == verb_call;
}

static bool set_up_log(struct cli *cli, struct app *a, struct ln_err *err) {
    static const char *const forms[] = {"auto", "text", "json", "journal", NULL};
    enum ln_log_level level = is_one_shot(cli->verb) ? LN_WARN : LN_INFO;
    if (cli->verb->run == verb_doctor) level = LN_ERROR; /* it tells everything itself */
    enum ln_log_format format = LN_LOG_AUTO;
    char *text = config_text(a->config, "log.level");
    bool ok = true;
    if (text && !ln_log_level_parse(ln_str(text), &level)) {
        ln_fail(err, LN_INVALID,
                "%s: no log level '%s'; there are trace, debug, info, warn, error "
                "and off",
                config_origin(a->config, "log.level"), text);
        ok = false;
    }
    ln_free(text);
    if (cli_value(cli, "quiet")) level = LN_WARN;
    if (times_given(cli, "verbose")) level = times_given(cli, "verbose") > 1 ? LN_TRACE : LN_DEBUG;
    text = config_text(a->config, "log.format");
    for (int i = 0; text && ok; i++) {
        if (!forms[i]) {
            ln_fail(err, LN_INVALID,
                    "%s: no log format '%s'; there are auto, text, json and journal",
                    config_origin(a->config, "log.format"), text);
            ok = false;
        } else if (strcmp(forms[i], text) == 0) {
            format = (enum ln_log_format)i;
            break;
        }
    }
    ln_free(text);
    bool color = wants_color(cli, STDERR_FILENO);
    if (color && format == LN_LOG_AUTO && !isatty(STDERR_FILENO)) format = LN_LOG_TEXT;
    ln_log_setup(level, format, color);
    text = config_text(a->config, "log.levels");
    if (ok && text) ok = ln_log_levels(text, err);
    ln_free(text);
    return ok;
}

static int run_with_app(struct cli *cli) {
    struct ln_err err;
    struct app *a = app_new();
    int status = EXIT_CONFIG;
    scripts_engine(a->scripts, cli->lua->engine);
    a->argc = cli->rest_count;
    a->argv = cli->rest;
    cli->app = a;
    if (read_settings(cli, a->config, &err) && set_up_log(cli, a, &err) &&
        config_check(a->config, &err)) {
        status = cli->verb->run(cli, a);
    } else {
        fprintf(stderr, "linnet: %s\n", err.text);
    }
    app_free(a);
    return status;
}

/* A standard stream that is closed is opened on nothing: else the first socket would get its
 * number, and the log would be sent to a server. */
static void hold_standard_streams(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) close(fd);
}

int cli_main(int argc, char **argv, char **env, const struct cli_lua *lua) {
    struct cli cli = {.lua = lua, .env = env};
    hold_standard_streams();
    const char *fault = getenv("LINNET_FAULT");
    if (fault) ln_fault_set(fault);
    int status = cli_parse(&cli, argc, argv);
    if (status != EXIT_OK) return status;
    cli.out_is_terminal = isatty(STDOUT_FILENO);
    cli.color = wants_color(&cli, STDOUT_FILENO);
    if (cli_value(&cli, "version")) {
        status = verb_version(&cli, NULL);
    } else if (cli_value(&cli, "help")) {
        cli_help(&cli, cli.names_verb ? cli.verb : NULL);
    } else {
        status = cli.verb->needs_app ? run_with_app(&cli) : cli.verb->run(&cli, NULL);
    }
    if (fflush(stdout) != 0 && errno != EPIPE && status == EXIT_OK) status = EXIT_FAILED;
    ln_log_close();
    return status;
}
