/* SPDX-License-Identifier: MIT
 *
 * Tokens of a connection: what its functions (auth, headers, query) gave for an attempt, when that
 * ends, and how it is renewed while the connection is up. token.c asks and reads, token_refresh.c
 * renews.
 *
 * Functions are asked before every attempt, each once, before anything is dialled; the attempt goes
 * on when all have answered. What a token says of its own end is believed for planning only: the
 * server decides whether it is good.
 */
#ifndef LN_TOKEN_H
#define LN_TOKEN_H

#include "client/inside.h"

struct token {        /* of those who have functions, or whose token is known to end; else NULL */
    unsigned missing; /* ASK_ bits without an answer yet */
    bool is_fresh;    /* the answers are this attempt's */
    bool was_again;   /* the first answers had expired already */
    bool was_told;    /* `auth_expiring`, of this token */
    bool was_odd;     /* a time in `auth` that cannot be read was told of */
    bool was_unheard; /* a renewal was not acknowledged, and the log said so */
    char *auth, *headers, *query; /* answers, raw; NULL: none, or nothing is asked */
    char *kept;                   /* a renewed auth that waits for the next attempt; NULL: none */
    int64_t kept_until_ms;        /* wall clock */
    int64_t expires_ms;           /* wall clock; 0: not known */
    int64_t renew_wall_ms;        /* refresh.before, as a time; 0: not */
    uint64_t renew_ms;            /* refresh.every, or after a failure; loop time; 0: not */
    int renewals_failed;          /* in a row */
    ln_id timer;                  /* while the connection is up */
};

/* True: a question is open (or was answered meanwhile): the attempt goes on by the answer. False:
 * nothing is left to ask. */
bool token_ask(struct conn *c);
bool token_asks(const struct conn *c); /* has functions */
void token_pose(struct conn *c, unsigned what, const char *reason);
/* While up: a server refused what the functions gave; they are asked anew. proto.auth_renewed hears
 * of the end, good or bad. */
void token_again(struct conn *c);
/* The payload and what goes into requests: given by functions, or options. Raw; may be empty. */
struct ln_str token_auth(const struct conn *c);
struct ln_str token_headers(const struct conn *c);
struct ln_str token_query(const struct conn *c);
/* Finds when the present token ends, and takes out of the payload what is not for the server. */
void token_read(struct conn *c);
void token_stale(struct conn *c); /* the attempt is over: the next one asks anew */
void token_drop(struct conn *c);  /* nothing is kept either */
void token_free(struct conn *c);
void token_wipe(char **text); /* frees it, and nothing of it stays in memory */

/* --- token_refresh.c --- */
void token_up(struct conn *c);      /* the connection is up: watch the end, renew in time */
void token_renewed(struct conn *c); /* all answers to a question that came while up are there */
void token_not_renewed(struct conn *c, const struct ln_err *err);

/* --- conn_auth.c --- */
/* 30 s, then twice as long each time, up to 5 minutes: after so many refusals. */
int64_t slow_wait(int refusals);

#endif
