/* SPDX-License-Identifier: MIT
 *
 * See folder.h. That a folder is back nothing but looking finds out: also that it was there between
 * two looks, and its files were read, and is gone again.
 */
#include "host/folder.h"

#include "base/ln.h"
#include "base/mem.h"

enum { AGAIN_MS = 50, AGAIN_MAX_MS = 2000 }; /* doubling */

struct folder {
    struct loop *loop;
    char *path;
    folder_fn fn;
    void *ud;
    struct loop_watch *watch; /* NULL: it is gone, and looked for */
    ln_id again;              /* timer, then */
    int64_t again_ms;
};

static void changed(void *ud, const char *dir, const char *name);

static void watch_again(void *ud);

static void watch(struct folder *f, struct ln_err *err) {
    f->watch = loop_watch(f->loop, f->path, changed, f, err);
    if (f->watch) {
        err->code = LN_OK;
        return;
    }
    f->again = loop_timer(f->loop, f->again_ms, watch_again, f);
    f->again_ms = LN_MIN(f->again_ms * 2, AGAIN_MAX_MS);
}

static void watch_again(void *ud) {
    struct folder *f = ud;
    struct ln_err err;
    f->again = 0;
    watch(f, &err);
    f->fn(f->ud, "");
}

/* What happens to the folder itself is told with its own name, or without one. */
static void changed(void *ud, const char *dir, const char *name) {
    struct folder *f = ud;
    const char *slash = strrchr(dir, '/');
    f->fn(f->ud, name);
    if (*name && strcmp(name, slash ? slash + 1 : dir) != 0) return;
    loop_unwatch(f->watch);
    f->again_ms = AGAIN_MS;
    watch_again(f);
}

struct folder *folder_watch(struct loop *l, const char *path, folder_fn fn, void *ud,
                            struct ln_err *err) {
    struct folder *f = ln_new(struct folder);
    *f = (struct folder){
        .loop = l, .path = ln_strdup(path), .fn = fn, .ud = ud, .again_ms = AGAIN_MS};
    watch(f, err);
    return f;
}

void folder_unwatch(struct folder *f) {
    if (!f) return;
    loop_timer_cancel(f->loop, f->again);
    loop_unwatch(f->watch);
    ln_free(f->path);
    ln_free(f);
}
