/* SPDX-License-Identifier: MIT
 *
 * What the hub serves where (the table of routes in hub_http.c), and what handlers share. A new
 * address is one line in that table.
 */
#ifndef LN_HUB_HTTP_H
#define LN_HUB_HTTP_H

#include "hub/hub_int.h"

struct hub_route {
    const char *path; /* "/healthz"; with a / at its end: everything below it */
    bool (*is)(const struct hub *h, struct ln_str path); /* instead of path */
    const char *allow; /* the methods: "GET, HEAD" when NULL; "*": the handler judges */
    bool any_origin;   /* `open` looks at the page's origin itself */
    bool is_cors;      /* for pages of other origins too, if hub.origins lets them in */
    /* Fills reply. False: the next route that fits is asked; in the end it is a 404. NULL: this
     * address speaks WebSocket only. */
    bool (*request)(struct hub *h, const struct server_request *r, struct server_reply *reply);
    /* A request with a body, which is still to come: false refuses it by reply. NULL: whatever
     * hub.max_message lets pass. */
    bool (*begin)(struct hub *h, const struct server_request *r, struct server_reply *reply);
    /* WebSocket: may it pass (NULL: there is none here), and its line, started. */
    bool (*accept)(struct hub *h, const struct server_request *r, struct server_reply *reply);
    struct hub_line *(*open)(struct hub *h, struct server_peer *p, const struct server_request *r);
};

/* --- hub_http.c --- */
/* Adds a header to the reply that is being made. At most 12; both are copied or constant. */
void hub_header(struct hub *h, const char *name, struct ln_str value);
/* Answers a request that was to be answered later (as server_answer), to a page of that origin;
 * not to be cached. Fine while another request is being handled. */
bool hub_http_answer(struct hub *h, ln_id request, struct ln_str origin, struct server_reply *r);
/* What a page of that origin needs to read the reply (the origin was let in). */
void hub_cors(struct hub *h, struct ln_str origin);
/* A line for that request: its address, and headers for hooks.admit. */
struct hub_line *hub_http_line(struct hub *h, struct server_peer *p, enum hub_proto proto,
                               const struct server_request *r);
bool hub_http_full(const struct hub *h); /* as many lines as there may be */
void hub_http_free(struct hub *h);

/* --- hub_page.c --- */
bool hub_page(struct hub *h, const struct server_request *r, struct server_reply *reply);
bool hub_health(struct hub *h, const struct server_request *r, struct server_reply *reply);

/* --- hub_query.c --- */
struct ln_str hub_query_get(struct ln_str query, const char *name); /* raw; {NULL,0}: absent */

#endif
