/* SPDX-License-Identifier: MIT
 *
 * Watched directories (for hot reload). An editor that saves makes several events, often on a
 * temporary name that is then moved: names are collected and told once nothing more has happened
 * for 50 ms. Whether contents really changed is the caller's business.
 */
#include <uv.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "io/loop.h"

enum { DEBOUNCE_MS = 50, MAX_NAMES = 256 };

struct loop_watch {
    struct ln_list node;
    struct loop *loop;
    uv_fs_event_t uv;
    char *dir;
    void (*fn)(void *ud, const char *dir, const char *name);
    void *ud;
    struct ln_map names; /* changed since the last call of fn */
    ln_id timer;
    bool overflow, closing;
};

struct watches {
    struct ln_list list;
};
static const char watches_key;

static void watch_closed(uv_handle_t *h) {
    struct loop_watch *w = h->data;
    ln_map_free(&w->names);
    ln_free(w->dir);
    ln_free(w);
}

void loop_unwatch(struct loop_watch *w) {
    if (!w || w->closing) return;
    w->closing = true;
    loop_timer_cancel(w->loop, w->timer);
    ln_list_remove(&w->node);
    uv_close((uv_handle_t *)&w->uv, watch_closed);
}

static void release(void *data) {
    struct watches *all = data;
    if (!all->list.next) return;
    LN_LIST_EACH (&all->list, it, tmp)
        loop_unwatch(LN_CONTAINER(it, struct loop_watch, node));
}

static void tell(void *ud) {
    struct loop_watch *w = ud;
    struct ln_map names = w->names;
    bool overflow = w->overflow;
    size_t i = 0;
    struct ln_str name;
    void *value;
    w->names = (struct ln_map){0};
    w->overflow = false;
    if (overflow) w->fn(w->ud, w->dir, "");
    /* fn may unwatch: w itself lives until the end of the turn. */
    while (!overflow && !w->closing && ln_map_next(&names, &i, &name, &value))
        w->fn(w->ud, w->dir, name.p);
    ln_map_free(&names);
}

static void on_event(uv_fs_event_t *uv, const char *name, int events, int status) {
    struct loop_watch *w = uv->data;
    (void)events;
    if (w->closing) return;
    loop_note_work(w->loop);
    if (status < 0 || !name || w->names.count >= MAX_NAMES)
        w->overflow = true;
    else
        ln_map_set(&w->names, ln_str(name), w);
    if (!loop_timer_again(w->loop, w->timer, DEBOUNCE_MS))
        w->timer = loop_timer(w->loop, DEBOUNCE_MS, tell, w);
}

struct loop_watch *loop_watch(struct loop *l, const char *dir,
                              void (*fn)(void *ud, const char *dir, const char *name), void *ud,
                              struct ln_err *err) {
    struct watches *all = loop_shared(l, &watches_key, sizeof *all, release);
    struct loop_watch *w = ln_new(struct loop_watch);
    if (!all->list.next) ln_list_init(&all->list);
    w->loop = l;
    w->dir = ln_strdup(dir);
    w->fn = fn;
    w->ud = ud;
    ln_list_init(&w->node);
    ln_list_push(&all->list, &w->node);
    uv_fs_event_init(loop_uv(l), &w->uv);
    w->uv.data = w;
    int rc = uv_fs_event_start(&w->uv, on_event, dir, 0);
    if (rc < 0) {
        ln_fail(err, LN_NOT_FOUND, "cannot watch %s: %s", dir, uv_strerror(rc));
        loop_unwatch(w);
        return NULL;
    }
    return w;
}
