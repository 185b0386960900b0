/* SPDX-License-Identifier: MIT
 *
 * Polling sessions: their queue, the GET that is held, and how they end. See hub_poll.h.
 */
#include "hub/hub_poll.h"

#include "base/crypt.h"
#include "base/mem.h"
#include "wire/engineio.h"

#define MAX_PACKETS 16 /* of a reply: python-engineio refuses more */
#define LAST_MS 30000  /* how long a session that the hub ended waits for a GET */
#define CROSSED_MS 500 /* … and one that its client ended, whose GET was on its way */
#define NOOP_MS 100    /* a GET during an upgrade */

struct hub_polls {
    struct ln_map by_sid;
    struct ln_list dirty;
    size_t open; /* POLL_OPEN */
    bool is_due;
};

/* --- the queue --- */

struct packet_head {
    uint32_t n;
    bool binary;
};

static void put(struct hub_poll *s, bool binary, struct ln_str data) {
    struct packet_head head = {.n = (uint32_t)data.n, .binary = binary};
    ln_buf_add(&s->queue, &head, sizeof head);
    ln_buf_str(&s->queue, data);
    s->packets++;
}

/* The first packet; it is lent until the queue is changed. */
static struct ln_str peek(const struct hub_poll *s, bool *binary) {
    struct packet_head head;
    memcpy(&head, s->queue.p, sizeof head);
    *binary = head.binary;
    return (struct ln_str){s->queue.p + sizeof head, head.n};
}

static void drop_first(struct hub_poll *s, struct ln_str data) {
    ln_buf_consume(&s->queue, sizeof(struct packet_head) + data.n);
    if (--s->packets == 0) ln_buf_free(&s->queue);
}

/* Text of a client that is passed on unread may hold the byte that separates packets: in JSON it
 * can only stand for itself inside of a string. */
static void add_text(struct ln_buf *body, struct ln_str text) {
    struct ln_buf clean = {0};
    const char *mark;
    while (text.n > 0 && (mark = memchr(text.p, '\x1e', text.n))) {
        size_t n = (size_t)(mark - text.p);
        ln_buf_add(&clean, text.p, n);
        ln_buf_puts(&clean, "\\u001e");
        text = (struct ln_str){mark + 1, text.n - n - 1};
    }
    struct ln_str pieces[] = {ln_buf_get(&clean), text};
    eio_payload_add(body, false, pieces, 2);
    ln_buf_free(&clean);
}

/* Moves as many packets as a reply may have; returns how many. */
static size_t take(struct hub_poll *s, struct ln_buf *body) {
    size_t n = 0;
    bool binary;
    for (; s->packets > 0 && n < MAX_PACKETS; n++) {
        struct ln_str data = peek(s, &binary);
        if (binary) {
            eio_payload_add(body, true, &data, 1);
        } else {
            add_text(body, data);
        }
        drop_first(s, data);
    }
    return n;
}

/* --- answering --- */

static bool answer(struct hub_poll *s, struct ln_str body) {
    struct server_reply r = {.status = 200, .type = "text/plain; charset=UTF-8", .body = body};
    ln_id get = s->get;
    s->get = 0;
    return hub_http_answer(s->hub, get, ln_buf_get(&s->origin), &r);
}

/* What is queued, and behind it that the session is closed. False: that did not fit any more. */
static bool fill_last(struct hub_poll *s, struct ln_buf *body) {
    struct ln_str last = s->by_client ? LN_STR("6") : LN_STR("1"); /* 6: it asked for it */
    if (take(s, body) == MAX_PACKETS) return false;
    eio_payload_add(body, false, &last, 1);
    return true;
}

static void on_noop_timer(void *ud) {
    struct hub_poll *s = ud;
    s->timer = 0;
    hub_poll_noop(s);
}

void hub_poll_noop(struct hub_poll *s) {
    loop_timer_cancel(s->hub->loop, s->timer);
    s->timer = 0;
    if (s->get && !answer(s, LN_STR("6"))) hub_poll_aborted(s);
}

void hub_poll_get(struct hub_poll *s, const struct server_request *r, struct server_reply *reply) {
    struct hub *h = s->hub;
    if (s->packets == 0 && s->state == POLL_OPEN) {
        s->get = r->id;
        ln_buf_clear(&s->origin);
        ln_buf_str(&s->origin, r->origin);
        loop_timer_cancel(h->loop, s->timer);
        if (s->is_probed) s->timer = loop_timer(h->loop, NOOP_MS, on_noop_timer, s);
        reply->later = s;
        return;
    }
    ln_buf_clear(&h->text);
    if (s->state == POLL_OPEN) {
        take(s, &h->text);
    } else if (fill_last(s, &h->text)) {
        hub_poll_touch(s);
    }
    reply->status = 200;
    reply->type = "text/plain; charset=UTF-8";
    reply->body = ln_buf_get(&h->text);
}

/* --- life --- */

struct hub_poll *hub_poll_new(struct hub *h, struct hub_line *line) {
    struct hub_poll *s = ln_new(struct hub_poll);
    if (!h->polls) {
        h->polls = ln_new(struct hub_polls);
        ln_list_init(&h->polls->dirty);
    }
    s->hub = h;
    s->line = line;
    line->poll = s;
    ln_random_id(s->sid, HUB_SID_LEN);
    ln_list_init(&s->dirty);
    ln_map_set(&h->polls->by_sid, ln_str(s->sid), s);
    h->polls->open++;
    return s;
}

static void session_free(struct hub_poll *s) {
    struct hub *h = s->hub;
    hub_upgrade_cancel(s);
    if (s->state == POLL_OPEN) h->polls->open--;
    loop_timer_cancel(h->loop, s->timer);
    ln_list_remove(&s->dirty);
    ln_map_remove(&h->polls->by_sid, ln_str(s->sid));
    ln_buf_free(&s->origin);
    ln_buf_free(&s->queue);
    ln_free(s);
}

static void on_last_timer(void *ud) {
    struct hub_poll *s = ud;
    s->timer = 0;
    session_free(s);
}

static void drop_all(struct hub_poll *s) {
    s->packets = 0;
    ln_buf_free(&s->queue);
}

/* The line is gone. Whom the hub disconnected is told why in the end; whoever closed may have a GET
 * on its way that came second. */
static void finish(struct hub_poll *s, enum hub_leave why) {
    struct ln_buf body = {0};
    struct hub *h = s->hub;
    bool is_over = (why != HUB_LEAVE_SERVER && why != HUB_LEAVE_CLIENT) || h->is_closing;
    hub_upgrade_cancel(s);
    loop_timer_cancel(h->loop, s->timer);
    s->timer = 0;
    s->by_client = why == HUB_LEAVE_CLIENT;
    if (s->by_client) drop_all(s);
    if (s->get) {
        is_over = fill_last(s, &body) || is_over;
        if (!answer(s, ln_buf_get(&body))) is_over = true;
    }
    ln_buf_free(&body);
    if (is_over) {
        session_free(s);
        return;
    }
    h->polls->open--;
    s->state = POLL_LAST;
    s->timer = loop_timer(h->loop, s->by_client ? CROSSED_MS : LAST_MS, on_last_timer, s);
}

static void look(struct hub_poll *s) {
    struct hub_line *line = s->line;
    struct ln_buf body = {0};
    if (s->state == POLL_UPGRADED) return;
    if (!line) {
        session_free(s); /* its last GET was answered */
    } else if (line->is_ended) {
        enum hub_leave why = line->why;
        s->line = NULL;
        line->poll = NULL;
        hub_line_free(line);
        finish(s, why);
    } else if (s->get && s->packets > 0) {
        take(s, &body);
        if (!answer(s, ln_buf_get(&body))) hub_poll_aborted(s);
    }
    ln_buf_free(&body);
}

static void look_at_all(void *ud) {
    struct hub *h = ud;
    h->polls->is_due = false;
    while (!ln_list_empty(&h->polls->dirty)) {
        struct hub_poll *s = LN_CONTAINER(h->polls->dirty.next, struct hub_poll, dirty);
        ln_list_remove(&s->dirty);
        look(s);
    }
}

void hub_poll_touch(struct hub_poll *s) {
    struct hub_polls *all = s->hub->polls;
    ln_list_remove(&s->dirty);
    ln_list_push(&all->dirty, &s->dirty);
    if (!all->is_due) loop_defer(s->hub->loop, look_at_all, s->hub);
    all->is_due = true;
}

void hub_poll_send(struct hub_poll *s, bool binary, struct ln_str data) {
    if (s->queue.n + data.n > s->hub->opts.max_queue) {
        hub_line_drop(s->line, HUB_LEAVE_ERROR, 1008, "too slow");
        return;
    }
    put(s, binary, data);
    if (s->get) hub_poll_touch(s);
}

void hub_poll_to_peer(struct hub_poll *s) {
    bool binary;
    s->hub->polls->open--;
    s->state = POLL_UPGRADED;
    while (s->packets > 0) {
        struct ln_str data = peek(s, &binary);
        hub_line_send(s->line, binary, data);
        drop_first(s, data);
    }
}

void hub_poll_aborted(void *poll) {
    struct hub_poll *s = poll;
    s->get = 0;
    if (s->line && s->state == POLL_OPEN) hub_line_drop(s->line, HUB_LEAVE_CLOSE, 1005, "");
}

void hub_poll_line_gone(const struct hub_line *line) {
    struct hub_poll *s = line->poll;
    if (!s) return;
    if (line->proto == HUB_PROBE) {
        s->probe = NULL;
        s->is_probed = false;
    } else {
        s->line = NULL;
        session_free(s); /* it was upgraded, or the hub is gone */
    }
}

/* --- all of them --- */

size_t hub_poll_count(const struct hub *h) {
    return h->polls ? h->polls->open : 0;
}

struct hub_poll *hub_poll_find(const struct hub *h, struct ln_str sid) {
    return h->polls ? ln_map_get(&h->polls->by_sid, sid) : NULL;
}

void hub_polls_close(struct hub *h) {
    void *value;
    size_t i = 0;
    struct ln_buf body = {0};
    while (h->polls && ln_map_next(&h->polls->by_sid, &i, NULL, &value)) {
        struct hub_poll *s = value;
        ln_buf_clear(&body);
        if (s->line && s->state == POLL_OPEN) hub_line_drop(s->line, HUB_LEAVE_CLOSE, 1005, "");
        if (!s->get) continue;
        fill_last(s, &body);
        answer(s, ln_buf_get(&body));
    }
    ln_buf_free(&body);
}

void hub_polls_free(struct hub *h) {
    void *value;
    size_t i = 0;
    if (!h->polls) return;
    while (ln_map_next(&h->polls->by_sid, &i, NULL, &value))
        session_free(value);
    ln_map_free(&h->polls->by_sid);
    ln_free(h->polls);
}
