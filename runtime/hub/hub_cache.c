/* SPDX-License-Identifier: MIT
 *
 * Cache channels: the last event of each, as it went out, for who subscribes later. Kept for half
 * an hour, whether anybody is subscribed or not; when there are too many, the oldest go.
 */
#include "base/mem.h"
#include "hub/hub_pusher.h"

#define KEEP_MS (30 * 60 * 1000)
#define MAX_EVENTS 1000
#define MAX_BYTES ((size_t)16 << 20)

struct hub_cached {
    struct ln_list node; /* pusher_hub.cached */
    struct ln_buf key, text;
    uint64_t at_ms;
};

static void cache_key(struct ln_buf *out, struct ln_str nsp, struct ln_str channel) {
    ln_buf_str(out, nsp);
    ln_buf_putc(out, 0);
    ln_buf_str(out, channel);
}

static void drop(struct pusher_hub *ph, struct hub_cached *e) {
    ln_map_remove(&ph->cache, ln_buf_get(&e->key));
    ln_list_remove(&e->node);
    ph->cache_bytes -= e->text.n;
    ln_buf_free(&e->key);
    ln_buf_free(&e->text);
    ln_free(e);
}

static struct hub_cached *oldest(struct pusher_hub *ph) {
    return ln_list_empty(&ph->cached) ? NULL
                                      : LN_CONTAINER(ph->cached.next, struct hub_cached, node);
}

void hub_cache_free(struct hub *h) {
    struct hub_cached *e;
    while ((e = oldest(h->pusher)))
        drop(h->pusher, e);
    ln_map_free(&h->pusher->cache);
}

/* text: the whole message; taken over. */
static void keep(struct hub *h, struct ln_str nsp, struct ln_str channel, struct ln_buf *text) {
    struct pusher_hub *ph = h->pusher;
    struct hub_cached *e = ln_new(struct hub_cached), *old;
    cache_key(&e->key, nsp, channel);
    old = ln_map_get(&ph->cache, ln_buf_get(&e->key));
    if (old) drop(ph, old);
    e->text = *text;
    *text = (struct ln_buf){0};
    e->at_ms = loop_now_ms(h->loop);
    ln_list_init(&e->node);
    ln_list_push(&ph->cached, &e->node);
    ln_map_set(&ph->cache, ln_buf_get(&e->key), e);
    ph->cache_bytes += e->text.n;
    while (ph->cache.count > MAX_EVENTS || ph->cache_bytes > MAX_BYTES)
        drop(ph, oldest(ph));
}

void hub_cache_keep(struct hub *h, struct ln_str nsp, struct ln_str room,
                    const struct pusher_parcel *pp, struct ln_str name, struct ln_str args) {
    const struct pusher_app *app;
    if (LN_LIKELY(!pusher_is_cache(room)) || !(app = hub_app_of(h, nsp))) return;
    for (unsigned face = PUSHER_CHANNEL; face <= PUSHER_PRESENCE_FACE; face <<= 1) {
        struct ln_buf channel = {0}, text = {0};
        bool is_meant = pp->faces == 0 || (pp->faces & face);
        if (is_meant && hub_channel_name(h, nsp, room, face, &channel) &&
            pusher_is_cache(ln_buf_get(&channel)) &&
            hub_pusher_event(&text, app, ln_buf_get(&channel), name, args, pp->data))
            keep(h, nsp, ln_buf_get(&channel), &text);
        ln_buf_free(&channel);
        ln_buf_free(&text);
    }
}

void hub_cache_send(struct hub_client *c, struct ln_str channel) {
    struct hub *h = c->line->hub;
    struct ln_buf key = {0};
    cache_key(&key, ln_str(c->nsp), channel);
    struct hub_cached *e = ln_map_get(&h->pusher->cache, ln_buf_get(&key));
    ln_buf_free(&key);
    if (e && loop_now_ms(h->loop) - e->at_ms > KEEP_MS) {
        drop(h->pusher, e);
        e = NULL;
    }
    if (e)
        hub_line_send(c->line, false, ln_buf_get(&e->text));
    else
        hub_pusher_send(c->line, "pusher:cache_miss", channel, NONE, false);
}
