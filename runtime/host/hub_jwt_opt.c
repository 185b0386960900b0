/* SPDX-License-Identifier: MIT
 *
 * Reads the option hub.jwt, and the file that it may name. Whether a key fits its algorithm is the
 * hub's to say; here every option is known by name and of the right type.
 */
#include "host/hub_jwt_opt.h"

#include <stdio.h>

#include "base/crypt_box.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/config.h"

#define KEY_MAX 65536 /* bytes of a file of keys */

static const char *const names[] = {"alg", "secret", "key",   "key_file", "aud",
                                    "iss", "leeway", "field", NULL};

static bool take_text(const char **to, struct ln_str json) {
    struct ln_buf text = {0};
    if (*to || !ln_json_text(json, &text) || text.n == 0) {
        ln_buf_free(&text);
        return false;
    }
    ln_buf_cstr(&text);
    *to = ln_buf_take(&text, NULL);
    return true;
}

static bool take_key(struct hub_jwt_opts *o, struct ln_str json) {
    const char *text = NULL;
    if (o->key.p || !take_text(&text, json)) return false;
    o->key = ln_str(text);
    return true;
}

static bool read_file(struct hub_jwt_opts *o, struct ln_str json, struct ln_err *err) {
    const char *path = NULL;
    if (o->key.p || !take_text(&path, json)) return false;
    FILE *f = fopen(path, "r");
    char *text = ln_alloc(KEY_MAX + 1);
    size_t n = f ? fread(text, 1, KEY_MAX + 1, f) : 0;
    bool ok = f && !ferror(f) && n > 0 && n <= KEY_MAX;
    if (!ok)
        ln_fail(err, LN_INVALID,
                "'key_file' of hub.jwt: %s cannot be read, or is empty, or has over "
                "64 KiB",
                path);
    if (f) fclose(f);
    ln_free((char *)(uintptr_t)path);
    o->key = (struct ln_str){text, ok ? n : 0};
    return ok;
}

/* A text, or a list of texts that is not empty. */
static bool take_aud(struct hub_jwt_opts *o, struct ln_str json) {
    bool is_list = ln_json_peek(json) == LN_JSON_ARRAY;
    const char **list = NULL;
    struct ln_str item = json;
    size_t n = 0, at = 0;
    if (o->aud) return false;
    do {
        if (is_list && !ln_json_each(json, &at, NULL, &item)) break;
        list = ln_realloc(list, (n + 2) * sizeof *list);
        list[n] = list[n + 1] = NULL;
        o->aud = list;
        if (!take_text(&list[n++], item)) return false;
    } while (is_list);
    return n > 0;
}

/* NULL, or what the option must be; or "" when err says it. */
static const char *take(struct hub_jwt_opts *o, struct ln_str key, struct ln_str json,
                        struct ln_err *err) {
    static const char text[] = "a text that is not empty";
    if (ln_str_is(key, "alg")) return take_text(&o->alg, json) ? NULL : text;
    if (ln_str_is(key, "iss")) return take_text(&o->iss, json) ? NULL : text;
    if (ln_str_is(key, "field")) return take_text(&o->field, json) ? NULL : text;
    if (ln_str_is(key, "aud")) return take_aud(o, json) ? NULL : "a text or a list of texts";
    if (ln_str_is(key, "leeway"))
        return json_duration(json, &o->leeway_ms) ? NULL : "a duration such as \"30s\"";
    if (o->key.p) return "the only key: of 'secret', 'key' and 'key_file' one is given";
    if (ln_str_is(key, "key_file")) {
        err->text[0] = 0;
        if (read_file(o, json, err)) return NULL;
        return err->text[0] ? "" : text;
    }
    return take_key(o, json) ? NULL : text;
}

static bool is_known(struct ln_str key) {
    for (const char *const *n = names; *n; n++)
        if (ln_str_is(key, *n)) return true;
    return false;
}

static bool read_all(struct hub_jwt_opts *o, struct ln_str json, struct ln_err *err) {
    struct ln_str key, value;
    struct ln_err why = {0};
    bool has_secret = false;
    for (size_t at = 0; ln_json_each(json, &at, &key, &value);) {
        if (!is_known(key)) {
            char meant[LN_MEANT];
            const char *near = ln_nearest(key, names);
            ln_fail(err, LN_INVALID, "hub.jwt has no option '%.*s'%s", LN_FMT(key),
                    ln_meant(near, meant));
            return false;
        }
        has_secret = has_secret || ln_str_is(key, "secret");
        const char *wanted = take(o, key, value, &why);
        if (!wanted) continue;
        if (*wanted)
            ln_fail(err, LN_INVALID, "'%.*s' of hub.jwt must be %s", LN_FMT(key), wanted);
        else
            ln_fail(err, LN_INVALID, "%s", why.text);
        return false;
    }
    if (!o->alg && has_secret) o->alg = ln_strdup("HS256");
    if (o->alg && o->key.p) return true;
    ln_fail(err, LN_INVALID, "hub.jwt needs %s",
            o->key.p ? "'alg': \"RS256\" or \"ES256\"" : "'secret' (HS256), 'key' or 'key_file'");
    return false;
}

struct hub_jwt_opts *hub_jwt_from_json(struct ln_str json, const char *origin, struct ln_err *err) {
    struct ln_err why;
    struct hub_jwt_opts *o = ln_new(struct hub_jwt_opts);
    o->leeway_ms = -1;
    bool is_table = ln_json_peek(json) == LN_JSON_OBJECT;
    if (!is_table) ln_fail(&why, LN_INVALID, "option 'hub.jwt' must be a table {alg=, secret=}");
    if (is_table && read_all(o, json, &why)) return o;
    ln_fail(err, LN_INVALID, "%s: %s", origin, why.text);
    hub_jwt_clear(o);
    return NULL;
}

void hub_jwt_clear(struct hub_jwt_opts *o) {
    if (!o) return;
    if (o->key.p) ln_wipe((char *)(uintptr_t)o->key.p, o->key.n);
    ln_free((char *)(uintptr_t)o->key.p);
    ln_free((char *)(uintptr_t)o->alg);
    ln_free((char *)(uintptr_t)o->iss);
    ln_free((char *)(uintptr_t)o->field);
    for (const char *const *s = o->aud; s && *s; s++)
        ln_free((char *)(uintptr_t)*s);
    ln_free((void *)(uintptr_t)o->aud);
    ln_free(o);
}
