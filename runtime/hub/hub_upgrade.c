/* SPDX-License-Identifier: MIT
 *
 * The upgrade of a polling session: a second line, the probe, holds the new WebSocket until it has
 * asked (2probe) and the client has stopped polling (5); then its socket goes to the session's line
 * and what is queued follows. Everything else that a probe says closes it, and polling goes on.
 */
#include "hub/hub_poll.h"

#define UPGRADE_MS 10000

static void on_timeout(void *ud) {
    struct hub_line *probe = ud;
    probe->connect_timer = 0;
    hub_line_drop(probe, HUB_LEAVE_ERROR, 1005, "");
}

struct hub_line *hub_upgrade_open(struct hub_poll *s, struct server_peer *p,
                                  const struct server_request *r) {
    struct hub_line *probe = hub_http_line(s->hub, p, HUB_PROBE, r);
    if (s->probe || s->state != POLL_OPEN) {
        hub_line_drop(probe, HUB_LEAVE_ERROR, 1005, ""); /* there is one already */
        return probe;
    }
    probe->poll = s;
    probe->connect_timer = loop_timer(s->hub->loop, UPGRADE_MS, on_timeout, probe);
    s->probe = probe;
    return probe;
}

static void free_probe(void *ud) {
    hub_line_free(ud);
}

/* Its socket belongs to another line, or to none. */
static void let_go(struct hub_line *probe) {
    struct hub_poll *s = probe->poll;
    s->probe = NULL;
    s->is_probed = false;
    probe->poll = NULL;
}

static void take_over(struct hub_poll *s, struct hub_line *probe) {
    struct hub_line *line = s->line;
    let_go(probe);
    line->peer = probe->peer;
    server_pass(line->peer, line);
    probe->peer = NULL;
    probe->is_ended = true;
    loop_defer(s->hub->loop, free_probe, probe); /* it is above us */
    hub_poll_noop(s);
    hub_poll_to_peer(s);
}

void hub_upgrade_input(struct hub_line *probe, bool binary, struct ln_str data) {
    struct hub_poll *s = probe->poll;
    if (binary || s->line->is_ended) {
        hub_line_drop(probe, HUB_LEAVE_ERROR, 1005, "");
    } else if (ln_str_is(data, "2probe") && !s->is_probed) {
        s->is_probed = true;
        hub_line_send(probe, false, LN_STR("3probe"));
        hub_poll_noop(s);
    } else if (ln_str_is(data, "5") && s->is_probed) {
        take_over(s, probe);
    } else {
        hub_line_drop(probe, HUB_LEAVE_ERROR, 1005, "");
    }
}

void hub_upgrade_cancel(struct hub_poll *s) {
    struct hub_line *probe = s->probe;
    if (!probe) return;
    let_go(probe);
    hub_line_drop(probe, HUB_LEAVE_CLOSE, 1005, "");
}
