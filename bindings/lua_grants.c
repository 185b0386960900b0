/* SPDX-License-Identifier: MIT
 *
 * What a script may do beyond its sandbox: words of --allow and of `scripts.NAME.allow`, such as
 * env:HOME, fs:read=/srv, exec:notify-send, native, exit. A grant without a value covers all
 * values; one that ends in * covers what begins so; one for files covers what lies below.
 */
#include <stdio.h>

#include "base/mem.h"
#include "bindings/lua_plugin.h"

static void add(struct script *s, size_t *n, struct ln_str list) {
    while (list.n) {
        const char *comma = memchr(list.p, ',', list.n);
        struct ln_str one = {list.p, comma ? (size_t)(comma - list.p) : list.n};
        list.p += one.n + (comma != NULL);
        list.n -= one.n + (comma != NULL);
        if (!one.n) continue;
        s->grants = ln_realloc(s->grants, (*n + 2) * sizeof *s->grants);
        s->grants[(*n)++] = ln_str_dup(one);
        s->grants[*n] = NULL;
    }
}

void grants_read(struct script *s) {
    size_t n = 0;
    for (const char *const *a = s->app->allow; a && *a; a++)
        add(s, &n, ln_str(*a));
    if (!s->app->config) return;
    char path[300];
    snprintf(path, sizeof path, "scripts.%s.allow", s->seat->name);
    char **list = config_list(s->app->config, path);
    for (char **a = list; a && *a; a++)
        add(s, &n, ln_str(*a));
    config_list_free(list);
}

void grants_free(struct script *s) {
    for (char **g = s->grants; g && *g; g++)
        ln_free(*g);
    ln_free(s->grants);
}

static bool covers(struct ln_str granted, struct ln_str what, bool is_path) {
    if (granted.n && granted.p[granted.n - 1] == '*')
        return what.n >= granted.n - 1 && memcmp(granted.p, what.p, granted.n - 1) == 0;
    if (ln_str_eq(granted, what)) return true;
    if (!is_path || !granted.n || what.n <= granted.n) return false;
    return memcmp(granted.p, what.p, granted.n) == 0 &&
           (granted.p[granted.n - 1] == '/' || what.p[granted.n] == '/');
}

bool script_granted(struct script *s, const char *kind, struct ln_str what, struct ln_err *err) {
    size_t n = strlen(kind);
    char mark = strchr(kind, ':') ? '=' : ':'; /* fs:read=/srv, env:HOME */
    for (char **g = s->grants; g && *g; g++) {
        if (strncmp(*g, kind, n) != 0) continue;
        if ((*g)[n] == '\0') return true;
        if ((*g)[n] == mark && what.n && covers(ln_str(*g + n + 1), what, mark == '=')) return true;
    }
    char sep[2] = {what.n ? mark : '\0', '\0'};
    ln_fail(err, LN_DENIED, "not granted: add --allow=%s%s%.*s", kind, sep, LN_FMT(what));
    return false;
}
