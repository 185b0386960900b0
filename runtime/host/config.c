/* SPDX-License-Identifier: MIT
 *
 * Settings by dotted path. One table, `known`, says which options exist and what they hold; the
 * check, the environment and the error texts all read it, so an option is added in one line.
 */
#include "host/config.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/hub_apps_opt.h"
#include "host/hub_jwt_opt.h"

enum kind { STRING, INTEGER, BOOLEAN, DURATION, LIST, SIZE, ANY };
static const char *const kind_words[] = {"a string",          "a whole number",
                                         "true or false",     "a duration such as \"10s\" or 10",
                                         "a list of strings", "a whole number of bytes",
                                         "anything"};

#define MILLION 1000000
#define DAY_MS 86400000
#define GIB ((int64_t)1 << 30)

static const struct known {
    const char *path; /* `*` stands for one name that the user chooses */
    enum kind kind;
    int64_t min, max; /* of a number; a duration's in milliseconds */
} known[] = {
    {"hub.host", STRING, 0, 0},
    {"hub.port", INTEGER, 0, 65535},
    {"hub.origins", LIST, 0, 0},
    {"hub.path", STRING, 0, 0},
    {"hub.transports", LIST, 0, 0},
    {"hub.cors", BOOLEAN, 0, 0},
    {"hub.compress", BOOLEAN, 0, 0},
    {"hub.recovery", DURATION, 0, DAY_MS},
    {"hub.namespaces", LIST, 0, 0},
    {"hub.page", BOOLEAN, 0, 0},
    {"hub.dialect", BOOLEAN, 0, 0},
    {"hub.max_clients", INTEGER, 1, MILLION},
    {"hub.max_rooms", INTEGER, 1, MILLION},
    {"hub.max_message", SIZE, 1000, GIB},
    {"hub.max_queue", SIZE, 10000, 4 * GIB},
    {"hub.rate", INTEGER, 1, MILLION},
    {"hub.rate_burst", INTEGER, 1, MILLION},
    {"hub.ping_interval", DURATION, 100, DAY_MS},
    {"hub.ping_timeout", DURATION, 100, DAY_MS},
    {"hub.connect_timeout", DURATION, 100, DAY_MS},
    {"hub.leave_grace", DURATION, 0, DAY_MS},
    {"hub.history", INTEGER, 0, 10000},
    {"hub.apps", ANY, 0, 0}, /* hub_apps_opt.c */
    {"hub.jwt", ANY, 0, 0},  /* hub_jwt_opt.c */
    {"hub.activity_timeout", DURATION, 1000, DAY_MS},
    {"limits.memory", SIZE, 0, 1024 * GIB},
    {"limits.budget_warn", DURATION, 0, DAY_MS},
    {"limits.budget_kill", DURATION, 0, DAY_MS},
    {"log.level", STRING, 0, 0},
    {"log.format", STRING, 0, 0},
    {"log.levels", STRING, 0, 0},
    {"scripts.*.options.*", ANY, 0, 0},
    {"scripts.*.allow", LIST, 0, 0},
    {"connections.*", ANY, 0, 0},
};

struct value {
    char *json, *origin;
    enum config_level level;
};

struct config {
    struct ln_map values; /* path -> struct value */
    struct ln_map files;  /* the resolved path of each file that was read -> itself */
};

struct config *config_new(void) {
    return ln_new(struct config);
}

static void value_free(struct value *v) {
    if (!v) return;
    ln_free(v->json);
    ln_free(v->origin);
    ln_free(v);
}

void config_free(struct config *c) {
    if (!c) return;
    size_t i = 0;
    struct ln_str key;
    void *v;
    while (ln_map_next(&c->values, &i, &key, &v))
        value_free(v);
    ln_map_free(&c->values);
    for (i = 0; ln_map_next(&c->files, &i, &key, &v);)
        ln_free(v);
    ln_map_free(&c->files);
    ln_free(c);
}

void config_add_file(struct config *c, const char *path) {
    char real[PATH_MAX];
    if (!realpath(path, real) || config_has_file(c, real)) return;
    char *kept = ln_strdup(real);
    ln_map_set(&c->files, ln_str(kept), kept);
}

bool config_has_file(const struct config *c, const char *real_path) {
    return ln_map_get(&c->files, ln_str(real_path)) != NULL;
}

/* Does path fit pattern, where `*` fits one dotted part? */
static bool fits(const char *pattern, const char *path) {
    while (*pattern && *path) {
        if (*pattern == '*') {
            while (*path && *path != '.')
                path++;
            pattern++;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *pattern == 0 && *path == 0;
}

static const struct known *known_of(const char *path) {
    for (size_t i = 0; i < LN_COUNT(known); i++)
        if (fits(known[i].path, path)) return &known[i];
    return NULL;
}

/* Is path where options begin: "hub", "scripts", "scripts.bot", "scripts.bot.options"? */
static bool is_section(const char *path) {
    for (size_t i = 0; i < LN_COUNT(known); i++) {
        const char *p = known[i].path, *at = path;
        while (*p && *at) {
            if (*p == '*') {
                at += strcspn(at, ".");
                p++;
            } else if (*p++ != *at++) {
                p = "";
            }
        }
        if (!*at && *p == '.') return true;
    }
    return false;
}

static void set_value(struct config *c, const char *path, struct ln_str json,
                      enum config_level level, const char *origin) {
    struct value *old = ln_map_get(&c->values, ln_str(path));
    if (old && old->level > level) return;
    struct value *v = ln_new(struct value);
    v->json = ln_str_dup(json);
    v->origin = ln_strdup(origin);
    v->level = level;
    value_free(ln_map_set(&c->values, ln_str(path), v));
}

/* The line in source where the option of that path is set: each part is looked for as a word with
 * `=` behind, after the part before it. 0 when it cannot be told (a key made by code). */
static int line_of(struct ln_str source, const char *path) {
    size_t at = 0;
    while (*path) {
        size_t n = strcspn(path, ".");
        bool found = false;
        for (; at + n < source.n && !found; at++) {
            if (memcmp(source.p + at, path, n) != 0) continue;
            unsigned char before = at ? (unsigned char)source.p[at - 1] : ' ';
            size_t behind = at + n;
            while (behind < source.n && strchr(" \t\"']", source.p[behind]))
                behind++;
            found = !isalnum(before) && before != '_' && behind < source.n &&
                    source.p[behind] == '=' &&
                    (behind + 1 == source.n || source.p[behind + 1] != '=');
        }
        if (!found) return 0;
        path += n;
        if (*path == '.') path++;
    }
    int line = 1;
    for (size_t i = 0; i < at && i < source.n; i++)
        line += source.p[i] == '\n';
    return line;
}

struct source { /* where a value comes from: fixed words, or a file whose lines are told */
    const char *origin;
    struct ln_str text;
    enum config_level level;
};

/* An object is taken apart down to the options; connections stay whole (config_connection). */
static void set_tree(struct config *c, const char *path, struct ln_str json,
                     const struct source *from) {
    bool is_empty = ln_json_peek(json) == LN_JSON_OBJECT && json.n == 2;
    if (*path && (known_of(path) || ln_json_peek(json) != LN_JSON_OBJECT ||
                  (is_empty && !is_section(path)))) {
        char origin[300];
        int line = from->text.n ? line_of(from->text, path) : 0;
        snprintf(origin, sizeof origin, line ? "%s:%d" : "%s", from->origin, line);
        set_value(c, path, json, from->level, origin);
        return;
    }
    size_t pos = 0;
    struct ln_str key, value;
    while (ln_json_each(json, &pos, &key, &value)) {
        struct ln_buf sub = {0};
        ln_buf_fmt(&sub, "%s%s", path, *path ? "." : "");
        ln_json_unescape(key, &sub);
        set_tree(c, ln_buf_cstr(&sub), value, from);
        ln_buf_free(&sub);
    }
}

void config_set(struct config *c, const char *path, struct ln_str json, enum config_level level,
                const char *origin) {
    set_tree(c, path, json, &(struct source){.origin = origin, .level = level});
}

void config_set_file(struct config *c, struct ln_str json, const char *file, struct ln_str source,
                     enum config_level level) {
    set_tree(c, "", json, &(struct source){file, source, level});
}

struct ln_str config_get(const struct config *c, const char *path) {
    const struct value *v = ln_map_get(&c->values, ln_str(path));
    return v ? ln_str(v->json) : (struct ln_str){0};
}

const char *config_origin(const struct config *c, const char *path) {
    const struct value *v = ln_map_get(&c->values, ln_str(path));
    return v ? v->origin : "default";
}

bool config_each(const struct config *c, const char *prefix, size_t *i, const char **path,
                 struct ln_str *json, const char **origin) {
    struct ln_str key;
    void *value;
    while (ln_map_next(&c->values, i, &key, &value)) {
        if (!ln_str_starts(key, prefix)) continue;
        const struct value *v = value;
        *path = key.p;
        *json = ln_str(v->json);
        *origin = v->origin;
        return true;
    }
    return false;
}

void config_keep(struct config *c, const struct config *from, const char *prefix) {
    struct ln_str key;
    void *value;
    for (size_t i = 0; ln_map_next(&c->values, &i, &key, &value);)
        if (ln_str_starts(key, prefix)) value_free(ln_map_remove(&c->values, key));
    for (size_t i = 0; ln_map_next(&from->values, &i, &key, &value);) {
        const struct value *v = value;
        if (ln_str_starts(key, prefix)) set_value(c, key.p, ln_str(v->json), v->level, v->origin);
    }
}

int64_t config_int(const struct config *c, const char *path, int64_t otherwise) {
    int64_t n;
    return ln_json_int(config_get(c, path), &n) ? n : otherwise;
}

bool config_bool(const struct config *c, const char *path, bool otherwise) {
    bool b;
    return ln_json_bool(config_get(c, path), &b) ? b : otherwise;
}

bool json_duration(struct ln_str json, int64_t *ms) {
    if (ln_json_peek(json) == LN_JSON_NUMBER) return ln_duration_parse(json, ms);
    struct ln_buf text = {0};
    bool ok = ln_json_text(json, &text) && ln_duration_parse(ln_buf_get(&text), ms);
    ln_buf_free(&text);
    return ok;
}

int64_t config_ms(const struct config *c, const char *path, int64_t otherwise) {
    int64_t ms;
    return json_duration(config_get(c, path), &ms) ? ms : otherwise;
}

char *config_text(const struct config *c, const char *path) {
    struct ln_buf text = {0};
    if (ln_json_text(config_get(c, path), &text)) {
        ln_buf_cstr(&text);
        return ln_buf_take(&text, NULL);
    }
    ln_buf_free(&text);
    return NULL;
}

static bool is_list(struct ln_str json) {
    if (ln_json_peek(json) == LN_JSON_OBJECT) return json.n == 2; /* Lua's {} */
    if (ln_json_peek(json) != LN_JSON_ARRAY) return false;
    size_t pos = 0;
    struct ln_str item;
    while (ln_json_each(json, &pos, NULL, &item))
        if (ln_json_peek(item) != LN_JSON_STRING) return false;
    return true;
}

char **config_list(const struct config *c, const char *path) {
    struct ln_str json = config_get(c, path), item;
    if (!is_list(json)) return NULL;
    size_t n = 0, pos = 0;
    char **list = ln_alloc(sizeof *list);
    while (ln_json_each(json, &pos, NULL, &item)) {
        struct ln_buf text = {0};
        ln_json_text(item, &text);
        ln_buf_cstr(&text);
        list = ln_realloc(list, (n + 2) * sizeof *list);
        list[n++] = ln_buf_take(&text, NULL);
        list[n] = NULL;
    }
    return list;
}

void config_list_free(char **list) {
    for (char **s = list; s && *s; s++)
        ln_free(*s);
    ln_free(list);
}

static bool is_of(const struct known *k, struct ln_str json) {
    enum ln_json_type t = ln_json_peek(json);
    int64_t n;
    switch (k->kind) {
    case STRING:
        return t == LN_JSON_STRING;
    case INTEGER:
    case SIZE:
        return ln_json_int(json, &n) && n >= k->min && n <= k->max;
    case BOOLEAN:
        return t == LN_JSON_TRUE || t == LN_JSON_FALSE;
    case DURATION:
        return json_duration(json, &n) && n >= k->min && n <= k->max;
    case LIST:
        return is_list(json);
    case ANY:
        break;
    }
    return true;
}

/* "a whole number from 0 to 65535" */
static void wants(const struct known *k, struct ln_buf *out) {
    char min[32], max[32];
    ln_buf_puts(out, kind_words[k->kind]);
    if (k->kind == DURATION)
        ln_buf_fmt(out, ", from %s to %s", ln_duration_text(k->min, min, sizeof min),
                   ln_duration_text(k->max, max, sizeof max));
    else if (k->max > 0)
        ln_buf_fmt(out, " from %lld to %lld", (long long)k->min, (long long)k->max);
}

/* scripts.bot.optoins.greeting, scripts.my.bot.allow */
static void suggest_of_script(const char *path, struct ln_buf *out) {
    static const char *const parts[] = {"options", "allow", NULL};
    const char *part = path + strlen("scripts.");
    part += strcspn(part, ".");
    part += *part == '.';
    const char *near = ln_nearest((struct ln_str){part, strcspn(part, ".")}, parts);
    if (near && strcmp(near, "options") == 0 && strncmp(part, "options", 7) == 0)
        ln_buf_puts(out, " (the name of an option holds no dot)");
    else if (near)
        ln_buf_fmt(out, " (did you mean '%s'?)", near);
    else if (strstr(part, ".options") || strstr(part, ".allow"))
        ln_buf_puts(out, " (the name of a script holds no dot)");
    else
        ln_buf_puts(out, " (a script has `options` and `allow`)");
}

/* What may be meant by a wrong path: the nearest known option, mostly. */
static void suggest(const char *path, struct ln_buf *out) {
    if (strncmp(path, "scripts.", 8) == 0) {
        suggest_of_script(path, out);
        return;
    }
    if (strncmp(path, "connections.", 12) == 0) {
        ln_buf_puts(out, " (the name of a connection holds no dot)");
        return;
    }
    const char *names[LN_COUNT(known) + 1];
    for (size_t i = 0; i < LN_COUNT(known); i++)
        names[i] = known[i].path;
    names[LN_COUNT(known)] = NULL;
    const char *near = ln_nearest(ln_str(path), names);
    int n = near ? (int)strcspn(near, "*") : 0; /* of connections.* what is before it */
    if (n > 0 && near[n] == '*') n--;
    if (near) ln_buf_fmt(out, " (did you mean '%.*s'?)", n, near);
}

/* What is known of the option, or NULL with err. */
static const struct known *known_or_fail(const char *path, const char *origin, struct ln_err *err) {
    const struct known *k = known_of(path);
    if (!k && is_section(path)) {
        ln_fail(err, LN_INVALID, "%s: '%s' must be a table, as %s = { … }", origin, path, path);
    } else if (!k) {
        struct ln_buf near = {0};
        suggest(path, &near);
        ln_fail(err, LN_INVALID, "%s: unknown option '%s'%s", origin, path, ln_buf_cstr(&near));
        ln_buf_free(&near);
    }
    return k;
}

static bool accepts_apps(struct ln_str json, const char *origin, struct ln_err *err) {
    struct hub_app_list list;
    bool ok = hub_apps_from_json(json, origin, &list, err);
    hub_apps_clear(&list);
    return ok;
}

static bool accepts_jwt(struct ln_str json, const char *origin, struct ln_err *err) {
    struct hub_jwt_opts *o = hub_jwt_from_json(json, origin, err);
    hub_jwt_clear(o);
    return o != NULL;
}

bool config_accepts(const char *path, struct ln_str json, const char *origin, struct ln_err *err) {
    const struct known *k = known_or_fail(path, origin, err);
    if (!k) return false;
    if (strcmp(path, "hub.apps") == 0) return accepts_apps(json, origin, err);
    if (strcmp(path, "hub.jwt") == 0) return accepts_jwt(json, origin, err);
    if (is_of(k, json)) return true;
    struct ln_buf words = {0};
    wants(k, &words);
    ln_fail(err, LN_INVALID, "%s: option '%s' must be %s, not %.*s", origin, path,
            ln_buf_cstr(&words), (int)LN_MIN(json.n, 60), json.p);
    ln_buf_free(&words);
    return false;
}

static bool check_connection(const struct config *c, const char *name, struct ln_err *err) {
    struct conn_opts o;
    bool found;
    struct ln_err why;
    conn_opts_init(&o);
    bool ok = config_connection(c, name, &o, &found, &why);
    conn_opts_free(&o);
    if (!ok) ln_fail(err, LN_INVALID, "%s", why.text);
    return ok;
}

bool config_check(const struct config *c, struct ln_err *err) {
    const char *path, *origin;
    struct ln_str json;
    for (size_t i = 0; config_each(c, "", &i, &path, &json, &origin);) {
        if (!config_accepts(path, json, origin, err)) return false;
        if (strncmp(path, "connections.", 12) == 0 && !check_connection(c, path + 12, err))
            return false;
    }
    return true;
}

/* hub.max_clients <-> LINNET_HUB_MAX_CLIENTS */
static bool env_fits(const char *name, const char *path) {
    for (; *path && *name; path++, name++) {
        char want = *path == '.' || *path == '-' ? '_' : (char)toupper((unsigned char)*path);
        if (want != *name) return false;
    }
    return *path == 0 && *name == '=';
}

bool config_from_env(struct config *c, char **environ_, struct ln_err *err) {
    for (char **e = environ_; *e; e++) {
        if (strncmp(*e, "LINNET_", 7) != 0) continue;
        for (size_t i = 0; i < LN_COUNT(known); i++) {
            if (strchr(known[i].path, '*') || !env_fits(*e + 7, known[i].path)) continue;
            char origin[100];
            snprintf(origin, sizeof origin, "%.*s", (int)strcspn(*e, "="), *e);
            if (!config_set_text(c, known[i].path, ln_str(strchr(*e, '=') + 1), CONFIG_ENV, origin,
                                 err))
                return false;
        }
    }
    return true;
}

/* "a, b" as a list; what is empty between commas is none. */
static void add_list(struct ln_buf *json, struct ln_str text) {
    ln_buf_putc(json, '[');
    for (size_t at = 0; at < text.n;) {
        const char *comma = memchr(text.p + at, ',', text.n - at);
        size_t end = comma ? (size_t)(comma - text.p) : text.n, next = end + 1;
        while (at < end && text.p[at] == ' ')
            at++;
        while (end > at && text.p[end - 1] == ' ')
            end--;
        if (end > at) {
            if (json->n > 1) ln_buf_putc(json, ',');
            ln_json_quote(json, (struct ln_str){text.p + at, end - at});
        }
        at = next;
    }
    ln_buf_putc(json, ']');
}

bool config_set_text(struct config *c, const char *path, struct ln_str text,
                     enum config_level level, const char *origin, struct ln_err *err) {
    const struct known *k = known_or_fail(path, origin, err);
    if (!k) return false;
    struct ln_buf json = {0};
    if (k->kind == LIST) {
        add_list(&json, text);
    } else if (k->kind == STRING || !ln_json_valid(text, NULL)) {
        ln_json_quote(&json, text); /* a duration such as 10s, or a word: the check will tell */
    } else {
        ln_buf_str(&json, text);
    }
    config_set(c, path, ln_buf_get(&json), level, origin);
    ln_buf_free(&json);
    return true;
}

bool config_connection(const struct config *c, const char *name, struct conn_opts *o, bool *found,
                       struct ln_err *err) {
    struct ln_buf path = {0};
    ln_buf_fmt(&path, "connections.%s", name);
    struct ln_str json = config_get(c, ln_buf_cstr(&path));
    struct ln_err why;
    bool ok = true;
    *found = json.n > 0;
    if (*found && !conn_opts_from_json(o, json, &why)) {
        ok = false;
        ln_fail(err, LN_INVALID, "%s: connection '%s': %s", config_origin(c, ln_buf_cstr(&path)),
                name, why.text);
    } else if (*found && !o->url) {
        ok = false;
        ln_fail(err, LN_INVALID, "%s: connection '%s' has no url",
                config_origin(c, ln_buf_cstr(&path)), name);
    }
    ln_buf_free(&path);
    return ok;
}
