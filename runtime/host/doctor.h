/* SPDX-License-Identifier: MIT
 *
 * The way to a server step by step, each told as it ends: settings, name, proxy, TCP, TLS, upgrade,
 * handshake, auth, a room, a round trip. The first that fails ends it, with words on what to do.
 * Nothing here prints or exits: cli_doctor.c does.
 */
#ifndef LN_DOCTOR_H
#define LN_DOCTOR_H

#include "client/conn.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_FAIL, DOCTOR_SKIPPED };

struct doctor_step { /* lent for the time of the call; secrets are *** */
    const char *name;
    enum doctor_verdict verdict;
    int64_t ms;           /* -1: nothing was measured */
    struct ln_str text;   /* what was looked at: "TLSv1.3, chat.example, 61 days left" */
    struct ln_str fault;  /* why it failed */
    struct ln_str more;   /* for people; programs find it in detail */
    struct ln_str note;   /* a warning; empty: none */
    struct ln_str detail; /* the members of a JSON object, with commas between */
};

struct doctor_end {
    int code;             /* enum exit_code */
    const char *target;   /* as it may be shown */
    const char *protocol; /* NULL: the settings are wrong */
    struct ln_str advice; /* what is wrong and what to do: lines */
};

struct doctor_cbs { /* lent for the life of the doctor */
    void (*step)(void *ud, const struct doctor_step *s);
    /* Exactly once, after every step was told (as skipped, if need be); never from inside
     * doctor_new. The doctor is to be freed afterwards; it may be from inside. */
    void (*end)(void *ud, const struct doctor_end *e);
};

struct doctor_opts {    /* strings are lent for the life of the doctor */
    const char *target; /* as it was typed: a name or a URL */
    const struct conn_opts *conn;
    const struct ln_err *wrong; /* the settings are no good: the first step fails with this */
    const char *room;           /* to be joined; NULL: none */
    const char *dialect;        /* "linnet" (NULL) or "rooms": how a room is joined on Socket.IO */
    int64_t step_ms;            /* for each step at most; 0: 10 s, or the connection's timeout */
    /* Tests: a connected descriptor for each connection that would be dialled. */
    int (*dial)(void *ud);
    void *dial_ud;
};

struct doctor;
struct doctor *doctor_new(struct loop *l, const struct doctor_opts *o, const struct doctor_cbs *cbs,
                          void *ud);
/* The present step fails with this text, and all is over: end() comes before it returns. */
void doctor_stop(struct doctor *d, int code, const char *why);
/* Without a word, if it is not over yet. The loop must still turn. */
void doctor_free(struct doctor *d);

#endif
