/* SPDX-License-Identifier: MIT
 *
 * The scripts of a program. An entry is a script that is wanted; its seat is the version that runs.
 * A reload makes a new seat beside the old one and swaps them in one go, between two events:
 * nothing that arrives can meet both or none. Whatever fails before the swap only frees the new
 * one.
 */
#include "host/scripts.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/scripts_inside.h"

#define RESTART_MS 1000
#define RESTART_MAX_MS 60000
#define PEACE_MS (10 * 60 * 1000)

/* --- entries --- */

struct scripts *scripts_new(struct app *a) {
    struct scripts *ss = ln_new(struct scripts);
    ss->app = a;
    ln_list_init(&ss->entries);
    return ss;
}

void scripts_engine(struct scripts *ss, const struct engine *e) {
    if (ss->engine_count < (int)LN_COUNT(ss->engines)) ss->engines[ss->engine_count++] = e;
}

static const struct engine *engine_of(const struct scripts *ss, const char *path) {
    struct ln_str name = ln_str(path);
    for (int i = 0; i < ss->engine_count; i++) {
        struct ln_str ext = ln_str(ss->engines[i]->ext);
        if (name.n > ext.n && memcmp(name.p + name.n - ext.n, ext.p, ext.n) == 0)
            return ss->engines[i];
    }
    /* Text without a name, and a file of any name given by hand, are for the first engine. */
    return ss->engine_count ? ss->engines[0] : NULL;
}

static struct entry *entry_of_path(const struct scripts *ss, const char *path) {
    LN_LIST_EACH (&ss->entries, node, next) {
        struct entry *e = LN_CONTAINER(node, struct entry, node);
        if (strcmp(e->path, path) == 0) return e;
    }
    return NULL;
}

/* A seat on trial is not its entry's yet: then it is the load at work. */
static struct entry *entry_of_seat(const struct scripts *ss, const struct seat *seat) {
    LN_LIST_EACH (&ss->entries, node, next) {
        struct entry *e = LN_CONTAINER(node, struct entry, node);
        if (e->seat == seat) return e;
    }
    return ss->loading;
}

static struct entry *entry_new(struct scripts *ss, const char *path, const char *code,
                               struct ln_str options) {
    struct entry *e = ln_new(struct entry);
    e->scripts = ss;
    e->path = ln_strdup(path);
    if (code) e->code = ln_strdup(code);
    if (options.n) e->options = ln_str_dup(options);
    e->engine = engine_of(ss, path);
    ln_list_init(&e->node);
    ln_list_push(&ss->entries, &e->node);
    return e;
}

static void uses_settle(struct entry *e, bool loaded) {
    for (struct use **at = &e->uses; *at;) {
        struct use *u = *at;
        if (u->is_new == loaded) { /* the new version's edges stay, or the old one's */
            u->is_new = false;
            at = &u->next;
        } else {
            *at = u->next;
            ln_free(u);
        }
    }
}

static bool uses(const struct entry *e, const struct entry *of) {
    for (const struct use *u = e->uses; u; u = u->next)
        if (u->of == of) return true;
    return false;
}

static void entry_unload(struct entry *e, enum unload_reason why) {
    struct seat *seat = e->seat;
    e->seat = NULL;
    if (seat) e->engine->unload(seat, why);
}

static void forget_uses_of(struct scripts *ss, const struct entry *of) {
    LN_LIST_EACH (&ss->entries, node, next) {
        for (struct use **at = &LN_CONTAINER(node, struct entry, node)->uses; *at;) {
            struct use *u = *at;
            if (u->of != of) {
                at = &u->next;
                continue;
            }
            *at = u->next;
            ln_free(u);
        }
    }
}

static void entry_free(struct entry *e) {
    struct loop *l = e->scripts->app->loop;
    entry_unload(e, UNLOAD_STOP);
    loop_timer_cancel(l, e->restart);
    loop_timer_cancel(l, e->look);
    files_free(e);
    for (struct use *u; (u = e->uses);) {
        e->uses = u->next;
        ln_free(u);
    }
    ln_list_remove(&e->node);
    forget_uses_of(e->scripts, e);
    ln_free(e->path);
    ln_free(e->code);
    ln_free(e->options);
    ln_free(e);
}

static bool is_used(const struct scripts *ss, const struct entry *of) {
    LN_LIST_EACH (&ss->entries, node, next)
        if (uses(LN_CONTAINER(node, struct entry, node), of)) return true;
    return false;
}

/* Plugins that nobody uses any more go. */
static void sweep_plugins(struct scripts *ss) {
    bool again = true;
    while (again) {
        again = false;
        LN_LIST_EACH (&ss->entries, node, next) {
            struct entry *e = LN_CONTAINER(node, struct entry, node);
            if (!e->is_plugin || e->is_starting || is_used(ss, e)) continue;
            entry_free(e);
            again = true;
            break;
        }
    }
}

/* --- the scripts of a folder --- */

void scripts_follow(struct scripts *ss, int (*list)(char **names, int max)) {
    ss->list = list;
}

const char *scripts_reader(const struct scripts *ss, const char *path) {
    LN_LIST_EACH (&ss->entries, node, next) {
        const struct entry *e = LN_CONTAINER(node, struct entry, node);
        if (ss->list && strcmp(e->path, path) != 0 && files_have(e, path)) return e->path;
    }
    return NULL;
}

struct entry *entry_add(struct scripts *ss, const char *path) {
    if (entry_of_path(ss, path)) return NULL;
    return entry_new(ss, path, NULL, (struct ln_str){NULL, 0});
}

void scripts_retire(struct entry *e) {
    loop_timer_cancel(e->scripts->app->loop, e->restart);
    e->restart = 0;
    e->guards = 0;
    entry_unload(e, UNLOAD_STOP);
    sweep_plugins(e->scripts);
}

/* What was taken for a script, and turned out to be a module of another one. */
static void sweep_modules(struct scripts *ss) {
    for (bool again = ss->list != NULL; again;) {
        again = false;
        LN_LIST_EACH (&ss->entries, node, next) {
            struct entry *e = LN_CONTAINER(node, struct entry, node);
            const char *reader = scripts_reader(ss, e->path);
            if (!e->seat || e->is_plugin || e->is_starting || !reader) continue;
            ln_log(ss->is_watching ? LN_INFO : LN_DEBUG, "linnet",
                   "%s is a module of %s: it no longer runs by itself", e->path, reader);
            scripts_retire(e);
            again = true; /* the list may have changed */
            break;
        }
    }
}

static void sweep(struct scripts *ss) {
    sweep_modules(ss);
    sweep_plugins(ss);
}

/* --- loading --- */

struct load {
    struct entry *entry;
    struct ln_err *err;
    struct seat *seat;
};

static void load_done(void *ud, struct seat *seat, const struct ln_err *err) {
    struct load *l = ud;
    l->seat = seat;
    if (err) *l->err = *err;
}

/* A new version on trial, or NULL with err. */
static struct seat *entry_load(struct entry *e, struct ln_err *err) {
    struct scripts *ss = e->scripts;
    struct load l = {e, err, NULL};
    struct entry *outer = ss->loading;
    if (!e->engine) {
        ln_fail(err, LN_INVALID, "%s: no engine runs such files", e->path);
        return NULL;
    }
    if (e->is_loading) {
        ln_fail(err, LN_INVALID, "%s uses itself, by way of others", e->path);
        return NULL;
    }
    ss->loading = e;
    e->is_loading = true;
    if (!e->code) files_note(e, e->path);
    e->engine->load(ss->app, e->path, e->code ? ln_str(e->code) : (struct ln_str){NULL, 0},
                    load_done, &l);
    e->is_loading = false;
    ss->loading = outer;
    return l.seat;
}

static void heed_empty(struct scripts *ss, struct seat *seat) {
    seat->on_empty = ss->on_empty;
    seat->on_empty_ud = ss->on_empty_ud;
    if (ss->on_empty && seat->item_count == 0) ss->on_empty(ss->on_empty_ud);
}

void scripts_on_empty(struct scripts *ss, void (*fn)(void *ud), void *ud) {
    ss->on_empty = fn;
    ss->on_empty_ud = ud;
    LN_LIST_EACH (&ss->entries, node, next) {
        struct entry *e = LN_CONTAINER(node, struct entry, node);
        if (e->seat) heed_empty(ss, e->seat);
    }
}

static void swap(struct entry *e, struct seat *seat, struct ln_buf *saved) {
    struct seat *old = e->seat;
    struct ln_err err;
    e->seat = seat;
    if (old) {
        seat->reloads = old->reloads + 1;
        old->state = SEAT_DEAD; /* silent, before the new one can be heard */
    }
    seat_go_live(seat);
    if (saved && saved->n && e->seat == seat && !e->engine->restore(seat, ln_buf_get(saved), &err))
        ln_log(LN_ERROR, "linnet", "%s: restore: %s", e->path, err.text);
    if (old) e->engine->unload(old, UNLOAD_RELOAD);
    if (e->seat == seat) heed_empty(e->scripts, seat);
}

/* The old version's `save`; false with err when it failed. */
static bool save(struct entry *e, struct ln_buf *saved, struct ln_err *err) {
    err->text[0] = '\0';
    return !e->seat || e->engine->save(e->seat, saved, err) || !err->text[0];
}

static void start(struct entry *e, struct ln_err *err) {
    struct ln_buf saved = {0};
    bool was_starting = e->is_starting;
    err->code = LN_OK;
    e->is_starting = true;
    e->scripts->starting++;
    struct seat *seat = entry_load(e, err);
    if (seat && !save(e, &saved, err)) {
        e->engine->unload(seat, UNLOAD_STOP);
        seat = NULL;
    }
    files_settle(e, seat != NULL);
    uses_settle(e, seat != NULL);
    if (seat) {
        err->code = LN_OK;
        loop_timer_cancel(e->scripts->app->loop, e->restart);
        e->guards = 0;
        swap(e, seat, &saved);
    } else if (err->code == LN_OK) {
        err->code = LN_INVALID;
    }
    ln_buf_free(&saved);
    watch_files(e);
    e->is_starting = was_starting;
    e->scripts->starting--;
}

void scripts_load(struct scripts *ss, const char *path, const char *code, scripts_done_fn done,
                  void *ud) {
    struct ln_err err;
    struct entry *e = entry_of_path(ss, path);
    if (e && !code) {
        e->is_plugin = false; /* wanted for itself from now on */
        if (e->seat) {
            done(ud, NULL);
            return;
        }
    } else {
        e = entry_new(ss, path, code, (struct ln_str){NULL, 0});
    }
    start(e, &err);
    sweep(ss);
    done(ud, err.code == LN_OK ? NULL : &err);
}

struct seat *scripts_use(struct scripts *ss, struct seat *user, const char *path,
                         struct ln_str options, struct ln_err *err) {
    struct entry *by = entry_of_seat(ss, user), *e = entry_of_path(ss, path);
    if (!by) {
        ln_fail(err, LN_CANCELLED, "the script has ended");
        return NULL;
    }
    if (e && e->is_loading) {
        ln_fail(err, LN_INVALID, "%s and %s use each other", by->path, path);
        return NULL;
    }
    if (!e) {
        e = entry_new(ss, path, NULL, options);
        e->is_plugin = true;
    }
    struct use *u = ln_new(struct use);
    *u = (struct use){by->uses, e, by->is_loading};
    by->uses = u;
    if (!e->seat) start(e, err);
    return e->seat;
}

struct ln_str scripts_options(const struct scripts *ss) {
    const struct entry *e = ss->loading;
    return e && e->options ? ln_str(e->options) : (struct ln_str){NULL, 0};
}

void scripts_depends(struct scripts *ss, struct seat *seat, const char *file) {
    struct entry *e = entry_of_seat(ss, seat);
    if (e) files_note(e, file);
}

/* --- reloading --- */

void entry_reload(struct entry *e, struct ln_err *err) {
    struct scripts *ss = e->scripts;
    if (ss->loading) { /* asked for by a script that loads */
        ln_fail(err, LN_INVALID, "%s: another script is being loaded", e->path);
        return;
    }
    e->round = ss->round;
    uint64_t began = ln_mono_ms();
    bool was_running = e->seat != NULL;
    start(e, err);
    if (err->code != LN_OK) {
        ln_log(LN_ERROR, "linnet", "%s%s", err->text,
               e->seat ? "\n  the running version stays" : "");
        return;
    }
    ln_log(LN_INFO, "linnet",
           was_running ? "reloaded %s in %d ms · the connections are kept" : "started %s in %d ms",
           e->path, (int)(ln_mono_ms() - began));
}

/* The script, then who uses it, in the order in which they were loaded; each once a round. */
static void reload_with_users(struct entry *e, struct ln_err *err) {
    struct scripts *ss = e->scripts;
    struct ln_err worse;
    entry_reload(e, err);
    if (err->code != LN_OK) return;
    for (bool again = true; again;) {
        again = false;
        LN_LIST_EACH (&ss->entries, node, next) {
            struct entry *user = LN_CONTAINER(node, struct entry, node);
            if (user->round == ss->round || !uses(user, e)) continue;
            reload_with_users(user, &worse);
            again = true; /* the list may have changed */
            break;
        }
    }
}

void scripts_reload(struct scripts *ss, const char *path, scripts_done_fn done, void *ud) {
    struct ln_err err;
    struct entry *e = entry_of_path(ss, path);
    if (!e) {
        ln_fail(&err, LN_NOT_FOUND, "%s: no such script is loaded", path);
        done(ud, &err);
        return;
    }
    ss->round++;
    reload_with_users(e, &err);
    sweep(ss);
    done(ud, err.code == LN_OK ? NULL : &err);
}

/* Plugins come before those who use them, whatever the order of loading was. */
static struct entry *next_in_round(struct scripts *ss) {
    struct entry *found = NULL;
    LN_LIST_EACH (&ss->entries, node, next) {
        struct entry *e = LN_CONTAINER(node, struct entry, node);
        if (e->round == ss->round) continue;
        bool is_first = true;
        for (const struct use *u = e->uses; u; u = u->next)
            is_first = is_first && u->of->round == ss->round;
        if (is_first) return e;
        found = found ? found : e;
    }
    return found;
}

void scripts_reload_all(struct scripts *ss, scripts_done_fn done, void *ud) {
    struct ln_err err, first = {LN_OK, ""};
    struct entry *e;
    ss->round++;
    while ((e = next_in_round(ss))) {
        entry_reload(e, &err);
        if (first.code == LN_OK) first = err;
    }
    sweep(ss);
    done(ud, first.code == LN_OK ? NULL : &first);
}

/* --- restart --- */

static void restart_later(struct entry *e);

static void restart(void *ud) {
    struct entry *e = ud;
    struct ln_err err;
    e->restart = 0;
    start(e, &err);
    if (err.code == LN_OK) {
        ln_log(LN_INFO, "linnet", "%s runs again", e->path);
        return;
    }
    ln_log(LN_ERROR, "linnet", "%s", err.text);
    restart_later(e);
}

static void restart_later(struct entry *e) {
    struct loop *l = e->scripts->app->loop;
    uint64_t now = loop_now_ms(l);
    bool was_peace = e->killed_ms == 0 || now - e->killed_ms > PEACE_MS;
    e->restart_ms = was_peace ? RESTART_MS : LN_MIN(e->restart_ms * 2, RESTART_MAX_MS);
    e->killed_ms = now;
    e->restart = loop_timer(l, e->restart_ms, restart, e);
}

void scripts_killed(struct scripts *ss, struct seat *seat, const char *why) {
    struct entry *e = NULL;
    LN_LIST_EACH (&ss->entries, node, next) {
        struct entry *one = LN_CONTAINER(node, struct entry, node);
        if (one->seat == seat) e = one;
    }
    if (!e) return;
    e->guards = seat->guards;
    entry_unload(e, UNLOAD_DISABLED);
    restart_later(e);
    ln_log(LN_ERROR, "linnet", "%s was stopped: it %s; it starts again in %d s", e->path, why,
           (int)(e->restart_ms / 1000));
}

bool scripts_restarting(const struct scripts *ss) {
    LN_LIST_EACH (&ss->entries, node, next)
        if (LN_CONTAINER(node, struct entry, node)->restart) return true;
    return false;
}

unsigned scripts_guards(const struct scripts *ss) {
    unsigned guards = 0;
    LN_LIST_EACH (&ss->entries, node, next)
        guards |= LN_CONTAINER(node, struct entry, node)->guards;
    return guards;
}

/* --- the end, and looking at them --- */

/* A user goes before what it uses. */
static struct entry *newest_unused(struct scripts *ss) {
    for (struct ln_list *n = ss->entries.prev; n != &ss->entries; n = n->prev)
        if (!is_used(ss, LN_CONTAINER(n, struct entry, node)))
            return LN_CONTAINER(n, struct entry, node);
    return LN_CONTAINER(ss->entries.prev, struct entry, node);
}

static void stop_now(void *ud) {
    struct scripts *ss = ud;
    ss->stop = 0;
    while (!ln_list_empty(&ss->entries))
        entry_free(newest_unused(ss));
}

void scripts_stop(struct scripts *ss) {
    if (ss->starting == 0)
        stop_now(ss);
    else if (!ss->stop) /* a script ends the program while it is started */
        ss->stop = loop_timer(ss->app->loop, 0, stop_now, ss);
}

void scripts_free(struct scripts *ss) {
    if (!ss) return;
    loop_timer_cancel(ss->app->loop, ss->stop);
    stop_now(ss);
    watch_end(ss);
    ln_free(ss);
}

bool scripts_each(struct scripts *ss, size_t *i, struct seat **seat, const char **path) {
    size_t at = 0;
    LN_LIST_EACH (&ss->entries, node, next) {
        struct entry *e = LN_CONTAINER(node, struct entry, node);
        if (!e->seat || at++ < *i) continue;
        ++*i;
        *seat = e->seat;
        *path = e->path;
        return true;
    }
    return false;
}

bool scripts_are_only(const struct scripts *ss, const struct seat *seat) {
    size_t n = 0;
    LN_LIST_EACH (&ss->entries, node, next) {
        const struct entry *e = LN_CONTAINER(node, struct entry, node);
        if (e->is_plugin && e->seat == seat) return false;
        n += e->seat && !e->is_plugin;
    }
    return n <= 1; /* a new version on trial and the old one are one script */
}

size_t scripts_count(const struct scripts *ss) {
    size_t n = 0;
    LN_LIST_EACH (&ss->entries, node, next)
        n += LN_CONTAINER(node, struct entry, node)->seat != NULL;
    return n;
}
