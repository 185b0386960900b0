/* SPDX-License-Identifier: MIT
 *
 * The command line: verbs, their options, and the help that is made from the same tables. A verb is
 * a function that sets an app up and returns when its loop ended; main.c turns the result into the
 * exit code. What bindings offer comes in through struct cli_lua, so that the host names no engine.
 */
#ifndef LN_CLI_H
#define LN_CLI_H

#include "host/app.h"

enum exit_code { /* docs/cli.md */
                 EXIT_OK = 0,
                 EXIT_FAILED = 1,
                 EXIT_USAGE = 2,
                 EXIT_NO_CONNECTION = 69,
                 EXIT_GAVE_UP = 75,
                 EXIT_REFUSED = 77,
                 EXIT_CONFIG = 78,
                 EXIT_TIMED_OUT = 124
};

struct cli_lua { /* the bindings, as main.c hands them in */
    const struct engine *engine;
    /* Reads a file in Lua syntax into the config; false with err (file and line first). */
    bool (*config_file)(struct config *c, const char *path, enum config_level level,
                        struct ln_err *err);
    /* Compiles and looks a script over; problems are printed to stderr. Returns how many. */
    int (*check)(const char *path);
};

#define CLI_MAX 64 /* values of one option that may be repeated, and words */

struct cli {
    const struct cli_lua *lua;
    char **env;
    struct app *app; /* NULL: a verb that needs none */
    const struct verb *verb;
    bool names_verb;            /* it was written out */
    const char *words[CLI_MAX]; /* what is no option */
    int word_count;
    char **rest; /* behind `--` */
    int rest_count;
    struct {
        const struct cli_option *option;
        const char *value; /* "" for a flag */
    } given[CLI_MAX];
    int given_count;
    bool out_is_terminal, color;
};

struct cli_option {
    const char *name;   /* "port" for --port */
    char letter;        /* 'p' for -p, or 0 */
    const char *value;  /* "N" as help shows it; NULL: a flag */
    const char *config; /* path that it sets ("hub.port"), or NULL */
    const char *help;
};

struct verb {
    const char *name, *words, *help;  /* "run", "SCRIPT…", one line */
    const struct cli_option *options; /* ends with a NULL name */
    int (*run)(struct cli *cli, struct app *a);
    const char *more; /* examples and notes for `linnet help VERB` */
    int min_words, max_words;
    bool needs_app;
};

extern const struct verb cli_verbs[]; /* ends with a NULL name */
extern const struct cli_option cli_global[];

/* Parses argv; EXIT_OK, or EXIT_USAGE after a message with the nearest known name. */
int cli_parse(struct cli *cli, int argc, char **argv);
/* The (last) value of an option, or NULL when it was not given. */
const char *cli_value(const struct cli *cli, const char *name);
/* The i-th value of a repeated one, or NULL. */
const char *cli_value_at(const struct cli *cli, const char *name, int i);
void cli_help(const struct cli *cli, const struct verb *verb); /* NULL: all verbs */
int cli_main(int argc, char **argv, char **env, const struct cli_lua *lua);

/* verbs */
int verb_run(struct cli *cli, struct app *a);
int verb_dev(struct cli *cli, struct app *a);
int verb_hub(struct cli *cli, struct app *a);
int verb_new(struct cli *cli, struct app *a);
int verb_listen(struct cli *cli, struct app *a);
int verb_emit(struct cli *cli, struct app *a);
int verb_call(struct cli *cli, struct app *a);
int verb_doctor(struct cli *cli, struct app *a);
int verb_check(struct cli *cli, struct app *a);
int verb_version(struct cli *cli, struct app *a);
int verb_help(struct cli *cli, struct app *a);

/* What the flags say of a connection (cli_conn.c), over what o holds; false with err. */
bool cli_conn_flags(struct cli *cli, struct conn_opts *o, struct ln_err *err);

/* Shared by run, dev and hub (cli_host.c). */
bool cli_open_hub(struct cli *cli, struct app *a, bool trace, struct ln_err *err);
/* All values of a repeated option, NULL-terminated; ln_free the array. NULL when never given. */
const char **cli_values(const struct cli *cli, const char *name);
/* Names of the scripts in this folder, sorted; each to be freed. */
int cli_scripts_here(char **names, int max);
void cli_signals(struct cli *cli, struct app *a);
/* Settings and secret files anew; false with err (file and line first): nothing has changed. What
 * the hub and the log were set to stays. */
bool cli_reread(struct cli *cli, struct ln_err *err);
void cli_reload(struct cli *cli); /* that, and then the scripts; the log says how it went */
/* The same whenever the project's settings are saved. To be called before any script runs: somebody
 * may save because of what a script says. */
struct settings_watch;
struct settings_watch *cli_settings_watch(struct cli *cli);
void cli_settings_unwatch(struct settings_watch *w);
/* Says what of the next settings comes too late: hub.* and log.* are read at the start. */
void cli_settings_late(const struct config *now, const struct config *next);

#endif
