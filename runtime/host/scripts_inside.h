/* SPDX-License-Identifier: MIT
 *
 * Shared by scripts.c (loading, swapping, restarting) and scripts_watch.c (files and what changed).
 */
#ifndef LN_SCRIPTS_INSIDE_H
#define LN_SCRIPTS_INSIDE_H

#include "base/list.h"
#include "host/app.h"
#include "host/scripts.h"
#include "io/loop.h"

struct file { /* that a script was made from */
    struct file *next;
    char *path;
    uint64_t hash; /* of its bytes when it was read */
    bool is_new;   /* read by the load at work */
};

struct use { /* an edge: a script uses another one */
    struct use *next;
    struct entry *of;
    bool is_new; /* made by the load at work */
};

/* A script that is wanted; `seat` is its running version. */
struct entry {
    struct ln_list node; /* in scripts->entries, oldest first */
    struct scripts *scripts;
    char *path, *code, *options; /* code: NULL, or the text */
    const struct engine *engine;
    struct seat *seat; /* NULL: it did not load, or was killed */
    bool is_plugin;    /* here only because others use it */
    bool is_loading;   /* its new version is on trial */
    bool is_starting;  /* … or is about to take over */
    struct file *files;
    struct use *uses;
    unsigned round; /* of the reload that it took part in last */
    ln_id restart;  /* timer */
    int64_t restart_ms;
    uint64_t killed_ms;
    unsigned guards; /* of the version that was killed, until the next one runs */
    ln_id look;      /* timer: files are to be looked at again */
    int look_left;   /* how often an empty file is waited for */
};

struct scripts {
    struct app *app;
    struct ln_list entries;
    const struct engine *engines[4];
    int engine_count;
    struct entry *loading; /* the innermost load at work */
    unsigned round;
    void (*on_empty)(void *ud); /* for every seat */
    void *on_empty_ud;
    bool is_watching;
    int starting;     /* starts at work, one inside the other: nothing may be freed below them */
    ln_id stop;       /* timer: they were asked to stop meanwhile */
    struct dir *dirs; /* watched */
    /* NULL, or: what scripts there are in this folder; each name to be freed. */
    int (*list)(char **names, int max);
};

/* scripts.c */
void entry_reload(struct entry *e, struct ln_err *err);        /* err->code LN_OK when it runs */
struct entry *entry_add(struct scripts *ss, const char *path); /* NULL: it is there already */
void scripts_retire(struct entry *e); /* stopped; its entry stays for the file to come back */

/* scripts_watch.c */
void files_note(struct entry *e, const char *path);
bool files_have(const struct entry *e, const char *path);
void files_settle(struct entry *e, bool loaded); /* forgets what the new version did not read */
void files_free(struct entry *e);
void watch_files(struct entry *e); /* their directories, when watching */
void watch_end(struct scripts *ss);

#endif
