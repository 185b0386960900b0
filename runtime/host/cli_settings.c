/* SPDX-License-Identifier: MIT
 *
 * Settings while scripts run: read anew on SIGHUP, and where scripts are reloaded on save also when
 * the file of the project is saved. As with scripts, it counts as changed when its bytes did, and
 * one that is empty or gone right after a change is being written.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "host/cli.h"
#include "host/folder.h"
#include "host/scripts.h"

#define LOOK_MS 50
#define LOOKS 10
#define BYTES_MAX 1048577 /* one more than settings may have */

struct settings_watch {
    struct cli *cli;
    struct folder *folder;
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

/* Nothing of a pipe: it would be waited for. */
static void read_bytes(const char *path, struct ln_buf *out) {
    struct stat st;
    FILE *f = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "re") : NULL;
    if (!f) return;
    out->n = fread(ln_buf_room(out, BYTES_MAX), 1, BYTES_MAX, f);
    fclose(f);
}

/* Secrets may stand in it. */
static void forget(struct ln_buf *text) {
    if (text->n) explicit_bzero(text->p, text->n);
    ln_buf_free(text);
}

static void look(void *ud) {
    struct settings_watch *w = ud;
    struct ln_buf now = {0};
    w->look = 0;
    read_bytes(path_of(w->cli), &now);
    if (ln_str_eq(ln_buf_get(&now), ln_buf_get(&w->seen))) {
        forget(&now);
    } else if (now.n == 0 && w->looks_left > 0) {
        w->looks_left--;
        w->look = loop_timer(w->cli->app->loop, LOOK_MS, look, w);
        forget(&now);
    } else {
        forget(&w->seen);
        w->seen = now;
        if (now.n) cli_reload(w->cli); /* of a removed file the settings stay */
    }
}

static void changed(void *ud, const char *name) {
    struct settings_watch *w = ud;
    if (*name && strcmp(name, name_of(path_of(w->cli))) != 0) return;
    w->looks_left = LOOKS;
    if (!w->look) w->look = loop_timer(w->cli->app->loop, 0, look, w);
}

struct settings_watch *cli_settings_watch(struct cli *cli) {
    struct settings_watch *w = ln_new(struct settings_watch);
    const char *path = path_of(cli), *name = name_of(path);
    size_t n = (size_t)(name - path);
    char *dir = n > 0 ? ln_dup(path, LN_MAX(n - 1, 1)) : ln_strdup(".");
    struct ln_err err;
    w->cli = cli;
    w->folder = folder_watch(cli->app->loop, dir, changed, w, &err);
    read_bytes(path, &w->seen); /* behind that: what is saved from now on is told */
    if (err.code != LN_OK) ln_log(LN_WARN, "linnet", "%s is not watched: %s", path, err.text);
    ln_free(dir);
    return w;
}

void cli_settings_unwatch(struct settings_watch *w) {
    loop_timer_cancel(w->cli->app->loop, w->look);
    folder_unwatch(w->folder);
    forget(&w->seen);
    ln_free(w);
}
