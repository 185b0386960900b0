/* SPDX-License-Identifier: MIT
 *
 * Connection state recovery (Socket.IO 4.6 and later): with it on, a Socket.IO client that lost
 * its line comes back to its sid and its rooms and gets what it missed. Each namespace keeps its
 * last events in a ring, bounded in count, bytes and time; each event carries its place there (the
 * offset) as its last argument, and the client names the last one that it saw.
 */
#ifndef LN_HUB_RECOVER_H
#define LN_HUB_RECOVER_H

#include "hub/hub_int.h"

struct hub_recovery; /* hub_recover.c; NULL in struct hub: it is off */

struct hub_session {     /* a client that may come back */
    struct ln_list lost; /* hub_recovery.lost, oldest first, while it has no client */
    struct hub_client *client;
    struct hub_ring *ring;
    char pid[HUB_SID_LEN + 1], sid[HUB_SID_LEN + 1];
    uint64_t since;      /* the place in the ring when it connected */
    uint64_t until_ms;   /* lost: until then */
    struct ln_buf rooms; /* lost: their names, each with a 0 byte */
    struct ln_map names; /* the same, once they are looked up; lent from `rooms` */
    char *sub;           /* whose token it had, raw JSON; NULL: none */
    struct ln_buf user;  /* lost: {"id":…,"name":…} of the dialect, or empty */
};

struct hub_outgoing { /* an event that goes out to several */
    struct ln_str nsp, name, args;
    const struct ln_str *bin;
    size_t bin_count;
    const char *except;  /* a sid, or NULL */
    struct ln_str rooms; /* names, each with a 0 byte, or a sid; empty: the whole namespace */
};

void hub_recovery_open(struct hub *h); /* by opts.recovery_ms */
void hub_recovery_close(struct hub *h);

/* Keeps the event and writes its packet, with its offset, to out. False, and nothing is written:
 * nobody could come back for it. */
bool hub_recovery_keep(struct hub *h, const struct hub_outgoing *ev, struct ln_buf *out);

/* The id of a client that may come back. */
bool hub_session_is(const struct hub *h, struct ln_str sid);

/* A client that may come back from now on. */
void hub_session_new(struct hub_client *c);
/* It ended: is kept when it was lost, not when it left or was removed. */
void hub_session_lost(struct hub_client *c, enum hub_leave why);
/* Whom a CONNECT with that auth payload comes back to, and from which place in its ring on: *from.
 * sub: of its token, raw; empty: none. NULL: nobody; it is a new client. */
struct hub_session *hub_session_find(struct hub *h, struct ln_str nsp, struct ln_str auth,
                                     struct ln_str sub, uint64_t *from);
/* c takes it up, with its sid; gets what it missed, from there on; and is in its rooms again, once
 * its user is known. */
void hub_session_take(struct hub_session *s, struct hub_client *c);
void hub_session_replay(struct hub_session *s, struct hub_client *c, uint64_t from);
void hub_session_rejoin(struct hub_session *s, struct hub_client *c);

#endif
