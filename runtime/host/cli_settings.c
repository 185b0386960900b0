/* SPDX-License-Identifier: MIT
 *
 * Settings while scripts run: read anew on SIGHUP, and where scripts are reloaded on save also when
 * the file of the project is saved. As with scripts, it counts as changed when its bytes did, and
 * one that is empty or gone right after a change is being written.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "host/cli.h"
#include "host/scripts.h"

#define LOOK_MS 50
#define LOOKS 10
#define BYTES_MAX 1048577 /* one more than settings may have */

struct settings_watch {
    struct cli *cli;
    struct loop_watch *watch;
    struct ln_buf seen; /* what the file held */
    ln_id look;         /* timer */
    int looks_left;
};

/* --- what counts at the next start only --- */

static bool is_scripts_own(const struct config *c, const char *path) {
    return strcmp(config_origin(c, path), "linnet.hub") == 0;
}

/* Of these it would seem that nothing happened. */
static void tell_late(const struct config *now, const struct config *next, const char *prefix) {
    const struct config *both[] = {next, now};
    const char *path, *origin;
    struct ln_str json;
    for (size_t k = 0; k < LN_COUNT(both); k++)
        for (size_t i = 0; config_each(both[k], prefix, &i, &path, &json, &origin);) {
            struct ln_str other = config_get(both[!k], path);
            if (ln_str_eq(json, other) || is_scripts_own(now, path)) continue;
            ln_log(LN_WARN, "linnet", "%s: %s has changed: that counts at the next start", origin,
                   path);
            return;
        }
}

void cli_settings_late(const struct config *now, const struct config *next) {
    tell_late(now, next, "hub.");
    tell_late(now, next, "log.");
}

/* --- reading them anew --- */

static void reloaded(void *ud, const struct ln_err *err) {
    (void)ud;
    if (err) ln_log(LN_ERROR, "linnet", "%s", err->text);
}

void cli_reload(struct cli *cli) {
    struct app *a = cli->app;
    struct ln_err err;
    if (!cli_reread(cli, &err)) {
        ln_log(LN_ERROR, "linnet", "%s; the old settings stay, and nothing is reloaded", err.text);
        return;
    }
    scripts_reload_all(a->scripts, reloaded, a);
}

/* --- on save --- */

static const char *path_of(const struct cli *cli) {
    const char *named = cli_value(cli, "config");
    return named ? named : "linnet.cfg.lua";
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void read_bytes(const char *path, struct ln_buf *out) {
    FILE *f = fopen(path, "re");
    if (!f) return;
    out->n = fread(ln_buf_room(out, BYTES_MAX), 1, BYTES_MAX, f);
    fclose(f);
}

static void look(void *ud) {
    struct settings_watch *w = ud;
    struct ln_buf now = {0};
    w->look = 0;
    read_bytes(path_of(w->cli), &now);
    if (ln_str_eq(ln_buf_get(&now), ln_buf_get(&w->seen))) {
        ln_buf_free(&now);
    } else if (now.n == 0 && w->looks_left > 0) {
        w->looks_left--;
        w->look = loop_timer(w->cli->app->loop, LOOK_MS, look, w);
        ln_buf_free(&now);
    } else {
        ln_buf_free(&w->seen);
        w->seen = now;
        if (now.n) cli_reload(w->cli); /* of a removed file the settings stay */
    }
}

static void changed(void *ud, const char *dir, const char *name) {
    struct settings_watch *w = ud;
    (void)dir;
    if (*name && strcmp(name, name_of(path_of(w->cli))) != 0) return;
    w->looks_left = LOOKS;
    if (!w->look) w->look = loop_timer(w->cli->app->loop, 0, look, w);
}

struct settings_watch *cli_settings_watch(struct cli *cli) {
    struct settings_watch *w = ln_new(struct settings_watch);
    const char *path = path_of(cli), *name = name_of(path);
    char *dir = name > path ? ln_dup(path, (size_t)(name - path)) : ln_strdup(".");
    struct ln_err err;
    w->cli = cli;
    w->watch = loop_watch(cli->app->loop, dir, changed, w, &err);
    read_bytes(path, &w->seen); /* behind that: what is saved from now on is told */
    if (!w->watch) ln_log(LN_WARN, "linnet", "%s is not watched: %s", path, err.text);
    ln_free(dir);
    return w;
}

void cli_settings_unwatch(struct settings_watch *w) {
    loop_timer_cancel(w->cli->app->loop, w->look);
    loop_unwatch(w->watch);
    if (w->seen.n) explicit_bzero(w->seen.p, w->seen.n); /* secrets may stand in it */
    ln_buf_free(&w->seen);
    ln_free(w);
}
