/* SPDX-License-Identifier: MIT
 *
 * Tokens on the hub: with hub_opts.jwt a client must show a JSON Web Token that is good, and stays
 * only as long as it is, or as the next one that it sends with the event `authenticate`. Files of
 * the hub only.
 */
#ifndef LN_HUB_JWT_H
#define LN_HUB_JWT_H

#include "hub/hub_int.h"

struct hub_grant {    /* a token that was good */
    char *claims;     /* raw JSON */
    int64_t until_ms; /* wall clock, with the leeway; INT64_MAX: it does not end */
    ln_id timer;      /* while a client has it */
};

/* False with err: a key that cannot be used. Nothing to do without opts.jwt. */
bool hub_jwt_open(struct hub *h, const struct hub_jwt_opts *o, struct ln_err *err);
void hub_jwt_close(struct hub *h);

/* The token in a field of auth, or else behind "Bearer" in the header; both may be empty. NULL: why
 * is one word for programs: "missing" "expired" "signature" …; owned by the caller. */
struct hub_grant *hub_jwt_grant(const struct hub *h, struct ln_str auth, struct ln_str header,
                                const char **why);
void hub_grant_free(struct hub *h, struct hub_grant *g);   /* NULL is fine */
const char *hub_jwt_words(const char *why);                /* "token expired", "invalid token" */
struct ln_str hub_grant_sub(const struct hub_grant *g);    /* raw; {NULL,0}: none, or no grant */
struct ln_str hub_grant_claims(const struct hub_grant *g); /* the same */

/* A line that wants into a namespace: true with its grant; false: it was told that it may not. */
bool hub_jwt_admit(struct hub_line *line, struct ln_str nsp, struct ln_str auth,
                   struct hub_grant **grant);
/* c has its grant: its line ends with that. */
void hub_jwt_watch(struct hub_client *c);
/* True: its token has ended, and its line with it. */
bool hub_jwt_is_late(struct hub_client *c);
/* An event of a client with a grant. True: it was `authenticate`, or came too late. */
bool hub_jwt_event(struct hub_client *c, const struct hub_event *ev);

#endif
