/* SPDX-License-Identifier: MIT
 *
 * What the files of client/ share and nobody else sees: the structs of a connection, of a message
 * that is kept, and of an emit that is not over. One connection is several files' work:
 *   conn.c        states: begin, joined, lost, retry, end; lifecycle events
 *   conn_auth.c   into a namespace, and what a refusal means
 *   token.c       functions that are asked before an attempt; token_refresh.c renews
 *   conn_emit.c   emits, acks, retries
 *   outbox.c      what waits to be sent
 *   rooms.c       what is asked for again after a reconnect
 *   conn_in.c     events that come in; those that come too early
 *   recovery.c    what was missed while the line was down
 *   conn_stats.c  counts and history
 *   conn_opts.c   options: defaults, copies, what is refused
 * clients.c opens, finds and closes them. line.h lists what carries them; conn_sio.c, conn_raw.c
 * and conn_pusher.c (pusher_parts.h) are the protocols of proto.h.
 */
#ifndef LN_CLIENT_INSIDE_H
#define LN_CLIENT_INSIDE_H

#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "client/proto.h"
#include "wire/socketio.h"
#include "wire/url.h"

enum { HANDLE_CONN = 1, HANDLE_OP = 2, HANDLE_WAIT = 3 };
enum {
    KEPT_BYTES = 16 << 20, /* of an outbox, of events that came too early; unsent on the line: then
                              emits fail … */
    UNSENT_BYTES = 64 << 20,   /* … and then, for what has no caller to tell, the line */
    EARLY_MAX = 1000,          /* events that came before the answer to CONNECT */
    VOLATILE_BYTES = 64 << 10, /* unsent on the line: volatile emits are dropped */
    READY_GUARD_MS = 10000,    /* `connect` handlers may hold rooms and outbox up for so long */
    SLOW_MIN_MS = 30000,       /* after a refusal, with an auth function */
    SLOW_MAX_MS = 300000
};

struct clients {
    struct loop *loop;
    const struct conn_sink *sink;
    void *ud;
    struct ln_slots slots; /* connections and emits, as others hold them */
    struct ln_map names;   /* name -> conn */
    struct ln_map lines;   /* key -> the newest line with that key */
    struct ln_buf scratch; /* a frame's head while it is sent */
    struct ln_buf in[2];   /* names and arguments of an event while it is told, when they had to be
                              decoded */
    struct ln_list all_lines;
    conn_authorizer authorizer; /* NULL: none */
    void *authorizer_ud;
    int (*dial)(void *ud, struct conn *c);
    void *dial_ud;
    const struct conn_codecs *codecs; /* NULL: no script has one */
    void *codecs_ud;
    loop_fn quiet; /* NULL, or called when all_lines becomes empty, or no longer moves */
    void *quiet_ud;
    int64_t quiet_ms;
    ln_id quiet_timer;
    size_t unsent;                 /* of all lines, when quiet_timer was set */
    int quiet_looks;               /* that it may still take */
    struct kept_opts *newest_opts; /* clients.c; lent */
    struct conn_opts whole_opts;   /* what conn_options lends */
    struct conn_stats whole_stats; /* what conn_stats lends */
    ln_id last_ticket;
    size_t alive; /* conns and lines whose memory is not free yet */
    bool closing;
};

/* A message that is kept: one block of memory. */
struct msg {
    struct msg *next;
    struct ln_str name, args, room;
    int64_t ack, wall_ms;
    size_t bytes, bin_count;
    unsigned flags; /* CONN_EMIT_RAW and _BINARY */
    struct ln_str bin[];
};
struct msg *msg_new(struct ln_str name, struct ln_str args, const struct ln_str *bin,
                    size_t bin_count);
/* The same, of an emit or event that belongs to a room. */
struct msg *msg_new_in(struct ln_str room, struct ln_str name, struct ln_str args,
                       const struct ln_str *bin, size_t bin_count);
struct msgs { /* a queue of them */
    struct msg *first, *last;
    size_t count, bytes;
};
void msgs_push(struct msgs *q, struct msg *m);
struct msg *msgs_take(struct msgs *q); /* the first, or NULL */
void msgs_free(struct msgs **q);       /* and the queue itself; NULL: none */

/* An emit that is not over: it waits in the outbox, in the retry queue, or for its ack. */
struct op {
    struct ln_list node; /* in exactly one of conn.queue, conn.retry, conn.sent */
    struct conn *conn;
    struct msg *msg;     /* while it may have to be sent (again) */
    struct op *chain;    /* conn.acks: the same place of the table */
    conn_reply_fn reply; /* NULL: nobody waits */
    void *ud;
    ln_id id, timer;
    int64_t ack; /* its number on the wire; -1: not in flight */
    int64_t timeout_ms;
    uint64_t queued_ms, sent_ns;
    int tries, retries;
    size_t bytes;
    bool is_retry;
    bool is_kept; /* in queue or retry, counted there */
    bool asks;    /* for an ack */
};

/* Emits of a connection. Those that never emit share one that is empty and stays so. */
struct sending {
    struct ln_list queue, retry, sent; /* struct op */
    size_t kept, kept_bytes;           /* in queue and retry */
    int emitting;                      /* conn_emit is at work: replies must wait */
    ln_id ttl_timer;
    struct op **acks; /* by number */
    size_t acks_cap, acks_count;
    int64_t next_ack;
};

/* Where a connection is on its way. The outside sees conn_state. */
enum conn_step {
    STEP_OFF,      /* on no line, or the line is not up */
    STEP_AUTH,     /* the line is up; the auth payload is asked for */
    STEP_ASKED,    /* CONNECT is sent */
    STEP_HANDLERS, /* connected: `connect` handlers run */
    STEP_ROOMS,    /* rooms are asked for again */
    STEP_FLUSH,    /* the outbox leaves */
    STEP_OPEN
};

struct event_count {
    uint64_t received, sent;
    size_t n;
    char name[];
};

/* What few connections have. Those that have none of it share one that is empty and stays so. */
struct conn_more {
    uint64_t errors, dropped;
    const char *last_error;
    double rtt_ms;
    char *shown_url;              /* NULL until somebody asks */
    int64_t *answered;            /* numbers of acks that were answered, by their low bits */
    struct msgs *early, *history; /* NULL until something comes early; until a script reads it */
};

/* What is wanted. Connections without rooms share one that is empty and stays so. */
struct rooms {
    struct ln_map wanted; /* name -> struct room */
    struct ln_list waits; /* for joins */
    size_t asked;         /* joins on their way, that the outbox waits for */
};

#define CONN_TAG "conn:"

struct conn {
    struct clients *clients;
    struct line *line; /* NULL: it wants none now */
    struct ln_list line_node;
    ln_id handle;
    char *nsp;                    /* the path of its URL: conn_root or "/admin" */
    const struct conn_opts *opts; /* shared by those with equal ones: without url and auth */
    char *url, *auth;             /* auth NULL: none */
    const struct proto *proto;
    void *user;

    enum conn_state state : 8;
    enum conn_step step : 8;
    bool is_closed : 1, starts : 1; /* starts: at the end of this turn */
    bool recovered : 1;             /* this connect brought what was missed */
    int attempt;                    /* retries in a row */
    int refusals;                   /* CONNECT_ERRORs in a row */
    int failures;                   /* in a row, that are not the line's */
    uint32_t turns; /* grows with every change of state: has a callback changed it meanwhile? */
    uint64_t epoch; /* grows at every connect and loss */
    ln_id timer;    /* of the present step or state */
    int64_t waited_ms;
    const char *auth_reason;
    ln_id ticket;        /* of the question that is open; 0: none */
    struct token *token; /* NULL: it has no functions, and no token that is known to end */
    uint64_t begun_ms;
    char *sid;
    struct recovery *recovery; /* NULL: the server does not offer it */
    const char *gap; /* why nothing can be recovered at the next connect; NULL: see there */

    struct sending *out; /* its own from the first emit on */
    struct rooms *rooms; /* from the first room on */
    struct conn_more *more;
    struct { /* the rest of struct conn_stats */
        uint64_t connects, sent, received, bytes_in, bytes_out;
        uint64_t connected_at_ms;
    } stats;
    struct ln_map *counts; /* name -> struct event_count; NULL: none so far */
    struct event_count *last_count;
    char tag[]; /* CONN_TAG and its name, for logs */
};
struct conn_more *conn_more(struct conn *c); /* to be changed: its own from now on */

/* --- clients.c --- */
void clients_check_quiet(struct clients *cs);
void clients_hold(struct clients *cs); /* a conn or line more … */
/* Options and what follows from them: copies o, and takes nsp over. */
void conn_take_opts(struct conn *c, const struct conn_opts *o, char *nsp,
                    const struct proto *proto);
void clients_release(struct clients *cs); /* … or less: the last one frees a closing cs */
/* Options of a connection that may leave before they are needed no more. */
void clients_hold_opts(const struct conn_opts *o);
const char *clients_room_prefix(const struct conn_opts *o); /* of these; never NULL */
void clients_release_opts(struct clients *cs, const struct conn_opts *o);

/* --- conn.c --- */
bool conn_is_up(const struct conn *c); /* the namespace is connected and the line not lost */
void conn_set_state(struct conn *c, enum conn_state state); /* the one place; tells `state` */
void conn_tell(struct conn *c, const char *name, struct ln_buf *args); /* frees args */
void conn_count_error(struct conn *c, const struct ln_err *err);
void conn_timer(struct conn *c, int64_t ms, loop_fn fn); /* replaces the one before */
void conn_timer_stop(struct conn *c);
void conn_begin(struct conn *c, const char *auth_reason); /* onto a line */
bool conn_leave(struct conn *c); /* off by our own wish, politely; true: the namespace was up */
void conn_off_line(struct conn *c);
/* Off the line; back after `ms`. Tells nothing but the state. */
void conn_wait(struct conn *c, int64_t ms);
/* A failed attempt of this connection alone (not of its line): `connect_error`, then back-off. */
void conn_failed_try(struct conn *c, const struct ln_err *err, const char *detail);
/* Up, and its token is refused: down, and back with a fresh one after a while. */
void conn_renounce(struct conn *c, const struct ln_err *err);
void conn_tell_error(struct conn *c, const struct ln_err *err, const char *detail,
                     struct ln_str data);
/* From the line. */
struct line_loss;
void conn_line_trying(struct conn *c);
void conn_line_lost(struct conn *c, const struct line_loss *why);

/* --- for protocols --- */
void conn_up(struct conn *c, struct ln_str sid);
void conn_refused(struct conn *c, ln_status code, struct ln_str message, struct ln_str data);
void conn_kicked(struct conn *c); /* the server ended this namespace */
struct conn_in {                  /* an event that came in; everything is lent */
    struct ln_str name, args;     /* name: decoded; args: raw, with commas between */
    const struct ln_str *bin;
    size_t bin_count;
    struct ln_str room; /* see struct event */
    int64_t ack;        /* -1: none is asked */
};
void conn_event(struct conn *c, const struct conn_in *in);
/* The two halves of it, for protocols whose arguments cost something to get at: counts the event,
 * and tells whether anybody wants it; then tells it. Only while the connection is up. */
bool conn_hears(struct conn *c, struct ln_str name);
void conn_tell_in(struct conn *c, const struct conn_in *in);
/* The same without a conn_in: name, args, room and ack are set. False: a listener found args to be
 * malformed, and the line is still there. */
bool conn_tell_event(struct conn *c, struct event *ev);
void conn_acked(struct conn *c, int64_t ack, struct ln_str args, const struct ln_str *bin,
                size_t bin_count);

/* --- conn_auth.c --- */
void conn_enter(struct conn *c); /* the line is up: asks what is still to be asked, then CONNECT */

/* --- conn_in.c --- */
void conn_deliver_early(struct conn *c);
void early_drop(struct conn *c);

/* --- conn_emit.c --- */
void emit_init(struct conn *c);
void emit_free(struct conn *c);
void emit_open(struct conn *c);  /* everything may leave: the retry queue goes on */
void emit_lost(struct conn *c);  /* emits in flight fail or go back to the retry queue */
void emit_close(struct conn *c); /* all emits end */
/* The kept message of op leaves now; op may be gone afterwards. */
void emit_kept(struct op *op);
/* Ends op: out of everywhere, freed; then its reply, if any. */
void op_fail(struct op *op, ln_status code, const char *text);

/* --- outbox.c --- */
ln_status outbox_check(const struct conn *c, size_t bytes, struct ln_err *err); /* is there room? */
void outbox_keep(struct op *op);   /* into conn.queue or conn.retry; op.msg is set */
void outbox_unkeep(struct op *op); /* out again; the counts follow */
void outbox_flush(struct conn *c); /* STEP_FLUSH, then STEP_OPEN */
void outbox_lost(struct conn *c);  /* offline modes drop and fail */

/* --- rooms.c --- */
void rooms_init(struct conn *c);
void rooms_rejoin(struct conn *c);  /* STEP_ROOMS, then outbox_flush */
void rooms_give_up(struct conn *c); /* no attempt follows: who waits hears so */
void rooms_free(struct conn *c);
/* From protocols with rooms of their own: how a join ended. reply: raw JSON, or NULL with err. */
void conn_room_answer(struct conn *c, struct ln_str room, struct ln_str reply,
                      const struct ln_err *err);

/* --- conn_stats.c --- */
void stats_init(struct conn *c);
void stats_free(struct conn *c);
struct event_count *count_of(struct conn *c, struct ln_str name);
void history_add(struct conn *c, struct ln_str name, struct ln_str args);

/* --- conn_opts.c --- */
void conn_opts_settle(struct conn_opts *o); /* zeros become defaults */
extern char conn_root[];                    /* "/", the namespace of most */
/* Also finds the namespace (the URL's path, to be freed unless it is conn_root) and the protocol.
 */
bool conn_opts_check(const struct conn_opts *o, char **nsp, const struct proto **proto,
                     struct ln_err *err);
/* Plain values, and no header that is ours: what a function gave for headers or query. */
bool conn_opts_flat(struct ln_str json, bool is_headers, struct ln_err *err);
/* The parsed URL of options that were checked; to be freed. */
void conn_opts_url(const struct conn *c, struct url *url);

#endif
