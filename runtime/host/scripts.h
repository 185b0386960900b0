/* SPDX-License-Identifier: MIT
 *
 * The scripts of a program: loading, reloading with rollback, restart after a kill. Knows no Lua:
 * engines do. Reload = compile and trial load (registrations held back) -> save -> swap between two
 * events -> restore -> dispose the old. Until the swap any error leaves the old version running.
 */
#ifndef LN_SCRIPTS_H
#define LN_SCRIPTS_H

#include "host/engine.h"

struct scripts;
struct scripts *scripts_new(struct app *a);
void scripts_free(struct scripts *ss); /* unloads all, reason "stop" */
void scripts_engine(struct scripts *ss, const struct engine *e);

/* done(ud, err): err NULL = it runs. code: NULL, or the text (for -e and tests). */
typedef void (*scripts_done_fn)(void *ud, const struct ln_err *err);
void scripts_load(struct scripts *ss, const char *path, const char *code, scripts_done_fn done,
                  void *ud);
/* The script (and whatever uses it) anew; err says why the old version stays. */
void scripts_reload(struct scripts *ss, const char *path, scripts_done_fn done, void *ud);
void scripts_reload_all(struct scripts *ss, scripts_done_fn done, void *ud);
/* Reload on save: the scripts' files, and what they required. */
ln_status scripts_watch(struct scripts *ss, struct ln_err *err);
/* The scripts of this folder, for `dev`: list says which files may be one. What comes later is
 * loaded; a file that another script has read (require) is a module of that, and no script. Before
 * the first load. */
void scripts_follow(struct scripts *ss, int (*list)(char **names, int max));
/* The script that has read the file as a module of its own, or NULL. */
const char *scripts_reader(const struct scripts *ss, const char *path);
/* Whether a script was made from this file, whatever either is called. */
bool scripts_made_from(const struct scripts *ss, const char *path);
/* An engine reports that a script was killed (text: why and where): it is dropped now, and loaded
 * again after 1 s, doubling to 60 s; after 10 minutes of peace from the beginning. */
void scripts_killed(struct scripts *ss, struct seat *seat, const char *why);
bool scripts_restarting(const struct scripts *ss); /* one was killed and is to be loaded again */
/* seat.guards of those: what they decided is decided by nobody just now. */
unsigned scripts_guards(const struct scripts *ss);
/* Unloads all, newest first. */
void scripts_stop(struct scripts *ss);
/* fn is seat.on_empty of every version that runs, now and later. */
void scripts_on_empty(struct scripts *ss, void (*fn)(void *ud), void *ud);
bool scripts_each(struct scripts *ss, size_t *i, struct seat **seat, const char **path);
size_t scripts_count(const struct scripts *ss);
/* Nobody else runs but plugins, which are there because they are used. */
bool scripts_are_only(const struct scripts *ss, const struct seat *seat);
/* A file that script `seat` is about to read (require): reload when it changes. */
void scripts_depends(struct scripts *ss, struct seat *seat, const char *file);
/* For engines: script `user` (loading or loaded) uses the script at path, which is loaded when
 * nobody did so yet; it is reloaded after it, and unloaded when its last user is gone. options:
 * JSON, only heard by the first user. The seat is live, or NULL with err. */
struct seat *scripts_use(struct scripts *ss, struct seat *user, const char *path,
                         struct ln_str options, struct ln_err *err);
/* The options of the script that is being loaded, as JSON; empty: none. */
struct ln_str scripts_options(const struct scripts *ss);

#endif
