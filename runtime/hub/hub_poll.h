/* SPDX-License-Identifier: MIT
 *
 * Engine.IO over HTTP, and its upgrade. A session is a line that has no
 * socket of its own: what is sent waits in a queue for a GET, what is posted goes to the line. With
 * the upgrade the line gets a WebSocket; the session only remembers that its id is used up. What is
 * to be done for a session (answer its GET, end it) is done once, as the turn ends.
 */
#ifndef LN_HUB_POLL_H
#define LN_HUB_POLL_H

#include "hub/hub_http.h"

enum hub_poll_state {
    POLL_OPEN,     /* the client polls */
    POLL_UPGRADED, /* the line has a WebSocket */
    POLL_LAST      /* the line is gone; its last packets wait for a GET */
};

struct hub_poll {
    struct ln_list dirty; /* hub_polls.dirty */
    struct hub *hub;
    struct hub_line *line; /* NULL in POLL_LAST */
    enum hub_poll_state state;
    char sid[HUB_SID_LEN + 1];
    ln_id get, post;        /* the GET that is held; a POST whose body is coming in; or 0 */
    struct ln_buf origin;   /* of the GET */
    struct ln_buf queue;    /* packets: size, is it binary, bytes */
    size_t packets;         /* in the queue */
    ln_id timer;            /* a noop during the upgrade; the end of POLL_LAST */
    struct hub_line *probe; /* a WebSocket that is to take over, or NULL */
    bool is_probed;         /* … and has asked */
    bool by_client;         /* POLL_LAST: the client closed it */
};

/* --- hub_poll.c: sessions --- */
void hub_poll_send(struct hub_poll *s, bool binary, struct ln_str data);
void hub_poll_touch(struct hub_poll *s);              /* to be looked at as the turn ends */
void hub_poll_noop(struct hub_poll *s);               /* answers the GET, if there is one, with 6 */
void hub_poll_to_peer(struct hub_poll *s);            /* the queue goes to the line's WebSocket */
void hub_poll_line_gone(const struct hub_line *line); /* it is about to be freed */
size_t hub_poll_count(const struct hub *h);           /* sessions that poll */
struct hub_poll *hub_poll_find(const struct hub *h, struct ln_str sid);
void hub_polls_close(struct hub *h); /* the hub closes: their GETs are answered */
void hub_polls_free(struct hub *h);
struct hub_poll *hub_poll_new(struct hub *h, struct hub_line *line);
/* Fills reply with what is queued, or holds it. */
void hub_poll_get(struct hub_poll *s, const struct server_request *r, struct server_reply *reply);

/* --- hub_engine.c: requests --- */
bool hub_poll_is(const struct hub *h, struct ln_str path);
bool hub_poll_request(struct hub *h, const struct server_request *r, struct server_reply *reply);
bool hub_poll_begin(struct hub *h, const struct server_request *r, struct server_reply *reply);
bool hub_poll_accept(struct hub *h, const struct server_request *r, struct server_reply *reply);
struct hub_line *hub_poll_open(struct hub *h, struct server_peer *p,
                               const struct server_request *r);
void hub_poll_aborted(void *poll); /* the client of its GET went away */

/* --- hub_upgrade.c: the WebSocket that takes over --- */
struct hub_line *hub_upgrade_open(struct hub_poll *s, struct server_peer *p,
                                  const struct server_request *r);
void hub_upgrade_input(struct hub_line *probe, bool binary, struct ln_str data);
void hub_upgrade_cancel(struct hub_poll *s); /* polling goes on, or the session ends */

#endif
