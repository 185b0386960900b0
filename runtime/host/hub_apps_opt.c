/* SPDX-License-Identifier: MIT
 *
 * Reads the option hub.apps. What a key or a secret may be is the hub's to say; here every option
 * of an app is known by name and of the right type.
 */
#include "host/hub_apps_opt.h"

#include "base/crypt_box.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#define MOST 1000000

static const char *const names[] = {"key",
                                    "secret",
                                    "id",
                                    "client_messages",
                                    "client_rate",
                                    "max_connections",
                                    "encryption_master_key",
                                    NULL};

/* A text or, for ids, a number; NULL: it is neither, or empty. */
static char *take_text(struct ln_str json) {
    struct ln_buf text = {0};
    if (ln_json_peek(json) == LN_JSON_NUMBER)
        ln_buf_str(&text, json);
    else
        (void)ln_json_text(json, &text);
    char *copy = text.n > 0 ? ln_str_dup(ln_buf_get(&text)) : NULL;
    if (text.p) ln_wipe(text.p, text.n);
    ln_buf_free(&text);
    return copy;
}

static bool take_number(struct ln_str json, int *out) {
    int64_t n;
    if (!ln_json_int(json, &n) || n < 1 || n > MOST) return false;
    *out = (int)n;
    return true;
}

static bool take_whispers(struct ln_str json, enum hub_whispers *out) {
    static const char *const words[] = {"\"members\"", "\"all\"", "\"none\""};
    for (size_t i = 0; i < LN_COUNT(words); i++) {
        if (!ln_str_is(json, words[i])) continue;
        *out = (enum hub_whispers)i;
        return true;
    }
    return false;
}

/* NULL, or what the option must be. */
static const char *take(struct hub_app *a, struct ln_str key, struct ln_str json) {
    static const char text[] = "a text that is not empty", number[] = "a whole number from 1";
    const char **place = ln_str_is(key, "key")      ? &a->key
                         : ln_str_is(key, "secret") ? &a->secret
                         : ln_str_is(key, "id")     ? &a->id
                                                    : NULL;
    if (ln_str_is(key, "encryption_master_key")) place = &a->master_key;
    if (place) return (*place = take_text(json)) ? NULL : text;
    if (ln_str_is(key, "client_messages"))
        return take_whispers(json, &a->whispers) ? NULL : "\"members\", \"all\" or \"none\"";
    int *count = ln_str_is(key, "client_rate") ? &a->whisper_rate : &a->max_connections;
    return take_number(json, count) ? NULL : number;
}

static bool is_known(struct ln_str key) {
    for (const char *const *n = names; *n; n++)
        if (ln_str_is(key, *n)) return true;
    return false;
}

static bool read_app(struct ln_str json, const char *origin, size_t number, struct hub_app *a,
                     struct ln_err *err) {
    struct ln_str key, value;
    size_t at = 0;
    if (ln_json_peek(json) != LN_JSON_OBJECT) {
        ln_fail(err, LN_INVALID, "%s: hub.apps[%zu] must be a table {key=, secret=, id=}", origin,
                number);
        return false;
    }
    while (ln_json_each(json, &at, &key, &value)) {
        if (!is_known(key)) {
            char meant[LN_MEANT];
            const char *near = ln_nearest(key, names);
            ln_fail(err, LN_INVALID, "%s: hub.apps[%zu] has no option '%.*s'%s", origin, number,
                    LN_FMT(key), ln_meant(near, meant));
            return false;
        }
        const char *wanted = take(a, key, value);
        if (!wanted) continue;
        ln_fail(err, LN_INVALID, "%s: '%.*s' of hub.apps[%zu] must be %s", origin, LN_FMT(key),
                number, wanted);
        return false;
    }
    if (a->key && !a->id) a->id = ln_strdup(a->key);
    if (a->key && a->secret) return true;
    ln_fail(err, LN_INVALID, "%s: hub.apps[%zu] needs '%s'", origin, number,
            a->key ? "secret" : "key");
    return false;
}

bool hub_apps_from_json(struct ln_str json, const char *origin, struct hub_app_list *list,
                        struct ln_err *err) {
    struct ln_str item;
    size_t at = 0;
    bool is_empty = ln_json_peek(json) == LN_JSON_OBJECT && json.n == 2; /* Lua's {} */
    *list = (struct hub_app_list){0};
    if (!is_empty && ln_json_peek(json) != LN_JSON_ARRAY) {
        ln_fail(err, LN_INVALID, "%s: option 'hub.apps' must be a list of {key=, secret=, id=}",
                origin);
        return false;
    }
    while (!is_empty && ln_json_each(json, &at, NULL, &item)) {
        list->v = ln_realloc(list->v, (list->n + 1) * sizeof *list->v);
        list->v[list->n++] = (struct hub_app){0};
        if (read_app(item, origin, list->n, &list->v[list->n - 1], err)) continue;
        hub_apps_clear(list);
        return false;
    }
    return true;
}

static void free_secret(const char *s) {
    if (s) ln_wipe((char *)s, strlen(s));
    ln_free((char *)s);
}

void hub_apps_clear(struct hub_app_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        ln_free((char *)list->v[i].key);
        ln_free((char *)list->v[i].id);
        free_secret(list->v[i].secret);
        free_secret(list->v[i].master_key);
    }
    ln_free(list->v);
    *list = (struct hub_app_list){0};
}
