/* SPDX-License-Identifier: MIT
 *
 * Reload on save. The directories of the scripts' files are watched, and a file counts as changed
 * when its bytes did: editors touch, rename and write twice. A file that is empty right after a
 * change is being written: it is looked at again a little later; so is one that is gone, because
 * some editors write a new one in its place.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "host/folder.h"
#include "host/scripts_inside.h"

#define LOOK_MS 50
#define LOOKS 10

struct dir {
    struct dir *next;
    struct scripts *scripts;
    char *path;
    struct folder *folder;
};

/* --- files --- */

/* 0: it cannot be read. *size: bytes. */
static uint64_t hash_file(const char *path, size_t *size) {
    char block[4096];
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    FILE *f = fopen(path, "re");
    size_t n;
    *size = 0;
    if (!f) return 0;
    while ((n = fread(block, 1, sizeof block, f)) > 0) {
        *size += n;
        for (size_t i = 0; i < n; i++)
            h = (h ^ (unsigned char)block[i]) * 0x100000001b3u;
    }
    fclose(f);
    return h ? h : 1;
}

void files_note(struct entry *e, const char *path) {
    size_t size;
    struct file *f = e->files;
    while (f && strcmp(f->path, path) != 0)
        f = f->next;
    if (!f) {
        f = ln_new(struct file);
        f->path = ln_strdup(path);
        f->next = e->files;
        e->files = f;
    }
    f->hash = hash_file(path, &size);
    f->is_new = e->is_loading;
}

static const char *bare(const char *path) {
    return strncmp(path, "./", 2) == 0 ? path + 2 : path;
}

bool files_have(const struct entry *e, const char *path) {
    for (const struct file *f = e->files; f; f = f->next)
        if (strcmp(bare(f->path), bare(path)) == 0) return true;
    return false;
}

bool scripts_made_from(const struct scripts *ss, const char *path) {
    struct stat asked, own;
    if (stat(path, &asked) != 0) return false;
    LN_LIST_EACH (&ss->entries, node, next)
        for (const struct file *f = LN_CONTAINER(node, struct entry, node)->files; f; f = f->next)
            if (stat(f->path, &own) == 0 && own.st_dev == asked.st_dev &&
                own.st_ino == asked.st_ino)
                return true;
    return false;
}

void files_settle(struct entry *e, bool loaded) {
    for (struct file **at = &e->files; *at;) {
        struct file *f = *at;
        if (loaded && !f->is_new) {
            *at = f->next;
            ln_free(f->path);
            ln_free(f);
            continue;
        }
        f->is_new =
            false; /* after a failure the files of both versions count: one must be mended */
        at = &f->next;
    }
}

void files_free(struct entry *e) {
    for (struct file *f; (f = e->files);) {
        e->files = f->next;
        ln_free(f->path);
        ln_free(f);
    }
}

/* --- what changed --- */

enum change { SAME, GONE, CHANGED, BEING_WRITTEN };

static enum change look_at(struct entry *e) {
    enum change change = SAME;
    for (struct file *f = e->files; f; f = f->next) {
        size_t size;
        uint64_t hash = hash_file(f->path, &size);
        if (hash == f->hash) continue;
        if ((hash == 0 || size == 0) && e->look_left > 0) return BEING_WRITTEN;
        if (hash != 0) {
            change = CHANGED; /* a module that is gone changes nothing */
        } else if (strcmp(f->path, e->path) == 0) {
            change = LN_MAX(change, GONE);
            f->hash = 0; /* the same bytes are a change when they come back */
        }
    }
    return change;
}

/* While it is written, its file's removal means that the script is; a service goes on. */
static void gone(struct entry *e) {
    struct scripts *ss = e->scripts;
    bool stops = ss->app->is_dev && !e->is_plugin;
    if (e->seat || e->restart)
        ln_log(LN_WARN, "linnet", "%s is gone%s", e->path,
               stops ? ": it is stopped, until the file is back" : "; the running version stays");
    if (stops) scripts_retire(e);
}

static void ignore(void *ud, const struct ln_err *err) {
    (void)ud;
    (void)err; /* logged */
}

static void look(void *ud) {
    struct entry *e = ud;
    struct scripts *ss = e->scripts;
    e->look = 0;
    enum change change = look_at(e);
    if (change == BEING_WRITTEN) {
        e->look_left--;
        e->look = loop_timer(ss->app->loop, LOOK_MS, look, e);
    } else if (change == GONE) {
        gone(e);
    } else if (change == CHANGED && (e->seat || !scripts_reader(ss, e->path))) {
        scripts_reload(ss, e->path, ignore, NULL);
    }
}

static void look_soon(struct entry *e) {
    e->look_left = LOOKS;
    if (!e->look) e->look = loop_timer(e->scripts->app->loop, 0, look, e);
}

/* --- scripts that come --- */

#define HERE_MAX 64

static void find_new(struct scripts *ss) {
    char *names[HERE_MAX];
    int n = ss->list ? ss->list(names, HERE_MAX) : 0;
    for (int i = 0; i < n; i++) {
        struct entry *e = entry_add(ss, names[i]);
        if (e) {
            files_note(e, names[i]);
            e->files->hash = 0; /* whatever it holds is new */
            look_soon(e);
        }
        ln_free(names[i]);
    }
}

static bool is_in(const char *file, const char *dir, const char *name) {
    const char *slash = strrchr(file, '/');
    size_t n = slash ? (size_t)(slash - file) : 1;
    if (strlen(dir) != n || memcmp(dir, slash ? file : ".", n) != 0) return false;
    return !*name || strcmp(slash ? slash + 1 : file, name) == 0;
}

/* Looks are timers of their own: a reload here would free what the caller walks. */
static void look_in(void *ud, const char *name) {
    struct dir *d = ud;
    struct scripts *ss = d->scripts;
    LN_LIST_EACH (&ss->entries, node, next) {
        struct entry *e = LN_CONTAINER(node, struct entry, node);
        bool is_ours = false;
        for (struct file *f = e->files; f; f = f->next)
            is_ours = is_ours || is_in(f->path, d->path, name);
        if (is_ours) look_soon(e);
    }
    if (strcmp(d->path, ".") == 0) find_new(ss);
}

/* --- directories --- */

static ln_status watch_dir(struct scripts *ss, const char *file, struct ln_err *err) {
    const char *slash = strrchr(file, '/');
    char *path = slash ? ln_dup(file, (size_t)(slash - file)) : ln_strdup(".");
    struct dir *d = ss->dirs;
    while (d && strcmp(d->path, path) != 0)
        d = d->next;
    if (d) {
        ln_free(path);
        return LN_OK;
    }
    d = ln_new(struct dir);
    d->scripts = ss;
    d->path = path;
    d->folder = folder_watch(ss->app->loop, *path ? path : "/", look_in, d, err);
    d->next = ss->dirs;
    ss->dirs = d;
    return err->code == LN_OK ? LN_OK : LN_NOT_FOUND;
}

void watch_files(struct entry *e) {
    struct ln_err err;
    if (!e->scripts->is_watching) return;
    for (struct file *f = e->files; f; f = f->next)
        if (watch_dir(e->scripts, f->path, &err) != LN_OK)
            ln_log(LN_WARN, "linnet", "%s is not watched: %s", f->path, err.text);
}

ln_status scripts_watch(struct scripts *ss, struct ln_err *err) {
    ln_status status = LN_OK;
    ss->is_watching = true;
    LN_LIST_EACH (&ss->entries, node, next) {
        struct entry *e = LN_CONTAINER(node, struct entry, node);
        for (struct file *f = e->files; f; f = f->next)
            if (watch_dir(ss, f->path, err) != LN_OK) status = LN_NOT_FOUND;
        look_soon(e); /* it may have changed since it was read */
    }
    if (ss->list && watch_dir(ss, "", err) != LN_OK) status = LN_NOT_FOUND;
    return status;
}

void watch_end(struct scripts *ss) {
    for (struct dir *d; (d = ss->dirs);) {
        ss->dirs = d->next;
        folder_unwatch(d->folder);
        ln_free(d->path);
        ln_free(d);
    }
}
