/* SPDX-License-Identifier: MIT
 *
 * What a script may do beyond its sandbox: words of --allow and of `scripts.NAME.allow`, such as
 * env:HOME, fs:read=/srv, native, exit. A grant without a value covers all
 * values; one that ends in * covers what begins so; one for files covers what lies below.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/text.h"
#include "bindings/lua_plugin.h"

static bool is_known(struct ln_str one, struct ln_err *err) {
    static const char *const kinds[] = {"env", "fs:read", "fs:write", "native", "exit", NULL};
    for (int i = 0; kinds[i]; i++) {
        size_t n = strlen(kinds[i]);
        char mark = strchr(kinds[i], ':') ? '=' : ':';
        if (ln_str_starts(one, kinds[i]) && (one.n == n || one.p[n] == mark)) return true;
    }
    const char *mark = memchr(one.p, '=', one.n);
    struct ln_str kind = {one.p, mark ? (size_t)(mark - one.p) : one.n};
    char meant[LN_MEANT];
    const char *near = ln_nearest(kind, kinds), *colon = memchr(one.p, ':', one.n);
    if (!near && colon) near = ln_nearest((struct ln_str){one.p, (size_t)(colon - one.p)}, kinds);
    ln_fail(err, LN_INVALID,
            "there is no grant '%.*s'%s; there are env:NAME, fs:read=PATH, fs:write=PATH, "
            "native and exit",
            (int)LN_MIN(one.n, 60), one.p, ln_meant(near, meant));
    return false;
}

static bool add(struct script *s, size_t *n, struct ln_str list, struct ln_err *err) {
    while (list.n) {
        const char *comma = memchr(list.p, ',', list.n);
        struct ln_str one = {list.p, comma ? (size_t)(comma - list.p) : list.n};
        list.p += one.n + (comma != NULL);
        list.n -= one.n + (comma != NULL);
        if (!one.n) continue;
        if (!is_known(one, err)) return false;
        s->grants = ln_realloc(s->grants, (*n + 2) * sizeof *s->grants);
        s->grants[(*n)++] = ln_str_dup(one);
        s->grants[*n] = NULL;
    }
    return true;
}

static bool add_all(struct script *s, size_t *n, const char *const *lists, const char *origin,
                    struct ln_err *err) {
    struct ln_err why;
    for (; lists && *lists; lists++) {
        if (add(s, n, ln_str(*lists), &why)) continue;
        ln_fail(err, LN_INVALID, "%s: %s", origin, why.text);
        return false;
    }
    return true;
}

bool grants_read(struct script *s, struct ln_err *err) {
    size_t n = 0;
    if (!add_all(s, &n, s->app->allow, "--allow", err)) return false;
    if (!s->app->config) return true;
    char path[300];
    snprintf(path, sizeof path, "scripts.%s.allow", s->seat->name);
    char **list = config_list(s->app->config, path);
    bool ok = add_all(s, &n, (const char *const *)list, config_origin(s->app->config, path), err);
    config_list_free(list);
    return ok;
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
