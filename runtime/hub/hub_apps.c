/* SPDX-License-Identifier: MIT
 *
 * The apps of Pusher's protocol: from the options, or the one that a hub for this machine has
 * without any. An app is a key that everybody may see, a secret that signs, and a namespace.
 */
#include "base/crypt.h"
#include "base/crypt_box.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "hub/hub_pusher.h"

#define WHISPER_RATE 10
#define BUILTIN "linnet"
#define MAX_NAME 100

static bool is_loopback(const char *host) {
    return ln_str_starts(ln_str(host), "127.") || ln_str_starts(ln_str(host), "unix:") ||
           strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

/* Keys and ids stand in paths and in signatures, where a colon ends them. */
static bool name_ok(const char *name) {
    size_t n = name ? strlen(name) : 0;
    if (n == 0 || n > MAX_NAME) return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == n;
}

static bool take_master(struct pusher_app *app, const char *text, size_t number,
                        struct ln_err *err) {
    struct ln_buf raw = {0};
    if (!text) return true;
    app->has_master = ln_base64_decode(&raw, ln_str(text)) && raw.n == sizeof app->master;
    if (app->has_master) memcpy(app->master, raw.p, sizeof app->master);
    if (raw.p) ln_wipe(raw.p, raw.n);
    ln_buf_free(&raw);
    if (!app->has_master)
        ln_fail(err, LN_INVALID,
                "hub.apps[%zu]: 'encryption_master_key' must be 32 bytes in base64", number);
    return app->has_master;
}

static bool app_ok(const struct hub *h, const struct hub_app *a, size_t number,
                   struct ln_err *err) {
    const char *wrong = NULL;
    if (!name_ok(a->key)) wrong = "'key'";
    if (!wrong && !name_ok(a->id)) wrong = "'id'";
    if (wrong) {
        ln_fail(err, LN_INVALID,
                "hub.apps[%zu]: %s must have 1 to %d letters, digits, '_', '-' and '.'", number,
                wrong, MAX_NAME);
    } else if (!a->secret || !*a->secret) {
        ln_fail(err, LN_INVALID, "hub.apps[%zu]: 'secret' is missing", number);
    } else if (hub_app_by_key(h, ln_str(a->key)) || hub_app_by_id(h, ln_str(a->id))) {
        ln_fail(err, LN_INVALID, "hub.apps[%zu]: an app has that key or id already", number);
    } else {
        return true;
    }
    return false;
}

static struct pusher_app *add_app(struct pusher_hub *ph, const struct hub_app *a) {
    struct pusher_app *app = &ph->apps[ph->app_count];
    struct ln_buf nsp = {0};
    ln_buf_putc(&nsp, '/');
    if (ph->app_count > 0) ln_buf_puts(&nsp, a->id);
    ln_buf_cstr(&nsp);
    *app = (struct pusher_app){.key = ln_strdup(a->key),
                               .secret = ln_strdup(a->secret),
                               .id = ln_strdup(a->id),
                               .nsp = ln_buf_take(&nsp, NULL),
                               .whispers = a->whispers,
                               .whisper_rate = a->whisper_rate ? a->whisper_rate : WHISPER_RATE,
                               .max_connections = a->max_connections};
    ph->app_count++;
    return app;
}

bool hub_apps_open(struct hub *h, const struct hub_opts *o, struct ln_err *err) {
    struct pusher_hub *ph = h->pusher = ln_new(struct pusher_hub);
    ln_list_init(&ph->cached);
    ln_list_init(&ph->auths);
    ph->apps = ln_alloc((o->app_count + 1) * sizeof *ph->apps);
    for (size_t i = 0; i < o->app_count; i++) {
        if (!app_ok(h, &o->apps[i], i + 1, err)) return false;
        ln_log_hide(ln_str(o->apps[i].secret));
        struct pusher_app *app = add_app(ph, &o->apps[i]);
        if (!take_master(app, o->apps[i].master_key, i + 1, err)) return false;
    }
    if (ph->app_count == 0 && is_loopback(h->opts.host)) {
        char secret[41];
        ln_random_id(secret, 40);
        struct hub_app builtin = {.key = BUILTIN, .secret = secret, .id = BUILTIN};
        struct pusher_app *app = add_app(ph, &builtin);
        app->is_builtin = app->has_master = true;
        ln_random(app->master, sizeof app->master);
    }
    return true;
}

bool hub_has_apps(const struct hub *h) {
    return h->pusher->app_count > 0;
}

void hub_apps_free(struct hub *h) {
    struct pusher_hub *ph = h->pusher;
    if (!ph) return;
    hub_cache_free(h);
    hub_signin_free(h);
    hub_auths_free(h);
    ln_buf_free(&ph->reply);
    for (size_t i = 0; i < ph->app_count; i++) {
        ln_free(ph->apps[i].key);
        ln_wipe(ph->apps[i].secret, strlen(ph->apps[i].secret));
        ln_free(ph->apps[i].secret);
        ln_free(ph->apps[i].id);
        ln_free(ph->apps[i].nsp);
    }
    ln_wipe(ph->apps, ph->app_count * sizeof *ph->apps);
    ln_free(ph->apps);
    ln_free(ph);
    h->pusher = NULL;
}

struct pusher_app *hub_app_by_key(const struct hub *h, struct ln_str key) {
    for (size_t i = 0; i < h->pusher->app_count; i++)
        if (ln_str_is(key, h->pusher->apps[i].key)) return &h->pusher->apps[i];
    return NULL;
}

struct pusher_app *hub_app_by_id(const struct hub *h, struct ln_str id) {
    for (size_t i = 0; i < h->pusher->app_count; i++)
        if (ln_str_is(id, h->pusher->apps[i].id)) return &h->pusher->apps[i];
    return NULL;
}

struct pusher_app *hub_app_of(const struct hub *h, struct ln_str nsp) {
    for (size_t i = 0; i < h->pusher->app_count; i++)
        if (ln_str_is(nsp, h->pusher->apps[i].nsp)) return &h->pusher->apps[i];
    return NULL;
}

enum ln_log_level hub_told(bool *told, enum ln_log_level level) {
    bool was_told = *told;
    *told = true;
    return was_told ? LN_DEBUG : level;
}

void hub_app_shared_key(const struct pusher_app *app, struct ln_str channel,
                        unsigned char key[32]) {
    struct ln_buf text = {0};
    ln_buf_str(&text, channel);
    ln_buf_add(&text, app->master, sizeof app->master);
    ln_sha256(text.p, text.n, key);
    ln_wipe(text.p, text.n);
    ln_buf_free(&text);
}
