/* SPDX-License-Identifier: MIT
 *
 * A line: one transport with its handshake, heartbeat and reconnection, carrying one or more
 * connections (namespaces) whose transport options are equal. A line exists as long as it carries
 * somebody; connections come and go by line_attach and line_detach. It has no options of its own:
 * those of any connection it carries will do, because equal ones are what brought them together.
 *   line.c        who rides on which, attempts, heartbeat, reconnection
 *   line_dial.c   one attempt: where to (where.c), with which headers and cookies (cookies.c)
 *   line_road.c   which transport: a WebSocket (io/ws.h), polling (poll.c), one after the other
 *                 (upgrade.c)
 *   plan.c        what an attempt would ask for: for linnet doctor
 */
#ifndef LN_LINE_H
#define LN_LINE_H

#include "client/cookies.h"
#include "client/inside.h"
#include "client/plan.h"

enum line_state {
    LINE_ASKING,  /* for what those who ride on it need; then it dials */
    LINE_OPENING, /* dialling, upgrade, handshake */
    LINE_UP,
    LINE_WAITING, /* for the next attempt */
    LINE_ENDING   /* carries nobody: until the transport is closed */
};

enum { LINE_KEY = 16 /* bytes of a hash of what equal lines have in common */ };

enum line_next { NEXT_BACKOFF, NEXT_AT_ONCE /* when it was stable */, NEXT_NEVER };

struct line_loss {
    const char *reason; /* as `disconnect` tells it: "transport close" */
    struct ln_err err;
    const char *detail; /* the step that failed: "tcp" "tls" "upgrade" … */
    enum line_next next;
    bool is_refused; /* the tokens: HTTP 401 or 403, or a protocol's own way to say so */
    bool will_retry;
    bool is_first; /* of the connections that hear of it: the one that logs */
    int64_t delay_ms;
    int64_t min_delay_ms; /* not before */
    int code;             /* that the peer closed with; 0: none */
    struct ln_str said;   /* its reason; lent while it is told */
};

struct line {
    struct clients *clients;
    struct ln_list node; /* clients.all_lines */
    const struct proto *proto;
    struct line *older; /* the one before with the same key */
    unsigned char key[LINE_KEY];
    int failures; /* in a row */
    int refusals; /* of them in a row: the tokens were not good (line_loss.is_refused) */
    enum line_state state : 8;
    bool is_asking : 1;      /* not all were asked yet: nothing is dialled before */
    bool is_listed : 1;      /* in clients.lines: new connections may come */
    bool is_lost : 1;        /* failed: the end of the transport follows in this turn */
    bool use_tls : 1;        /* the server wants it, whatever the URL says */
    bool tried_other : 1;    /* this attempt uses the second of its transports … */
    unsigned road : 1;       /* … this one of opts.transports */
    unsigned first_road : 1; /* the one that the next attempt begins with */
    uint32_t max_payload;    /* what the server takes in one message; 0: not told */
    struct ws *ws;           /* the transport, when it is a WebSocket … */
    struct poll *poll;       /* … and when it is polling; NULL both: none */
    struct upgrade *upgrade; /* from polling to WebSocket, under way; NULL: none */
    struct cookies *cookies; /* NULL: none came */
    char *subprotocol;       /* that the server took; NULL: none */
    struct ln_list conns;    /* conn.line_node */
    struct conn *root;       /* the one of namespace "/" */
    struct ln_map *by_nsp;   /* the others; NULL: there never was one */
    struct ln_map *owed; /* namespaces that were left before the server answered their CONNECT */
    ln_id timer;         /* handshake, or the next attempt */
    ln_id heartbeat;
    int64_t dead_after_ms; /* without a ping from the server */
    int64_t dead_wall_ms;  /* when that is, by the wall clock: goes on while a laptop sleeps */
    uint64_t checked_ms;
    int64_t waited_ms;
    uint64_t begun_ms, joined_ms; /* this attempt; the first namespace connected (0: none yet) */
    struct line_loss *loss;       /* why; NULL while nothing is wrong */
    void *priv;                   /* the protocol's */
};

/* Puts c onto a line with equal options that does not carry its namespace yet, or onto a new one.
 */
struct line *line_attach(struct conn *c);
void line_detach(struct conn *c);
struct conn *line_conn(const struct line *ln, struct ln_str nsp); /* NULL: nobody */
/* Newcomers, and those who come back, go elsewhere from now on. */
void line_unlist(struct line *ln);
/* True when the server's answer to an earlier CONNECT for it is still to come: until then there is
 * no second one, for which servers end the whole line. */
bool line_owes(const struct line *ln, struct ln_str nsp);
bool line_owed_came(struct line *ln, struct ln_str nsp); /* the answer: true when it was owed */
/* A waiting line tries at once. */
void line_try_now(struct line *ln);

/* c has been put onto it: what is left to do for that. */
void line_came(struct line *ln, struct conn *c);
/* Somebody's answers are there, or somebody left: dials when nobody's are missing. */
void line_asked(struct line *ln);
struct conn *line_lead(const struct line *ln); /* the first that rides on it */

/* line.c, line_dial.c, line_road.c, poll.c and upgrade.c for each other. */
void line_dial(struct line *ln); /* begins an attempt */
void line_closed(struct line *ln, enum stream_phase phase, int status, int code,
                 struct ln_str reason, const struct ln_err *err); /* the transport's certain end */

/* What the options and the URL put into the head of each request. */
struct line_headers {
    struct http_header *v; /* names and values are owned */
    size_t n;
};
/* Where a request of this line goes, and with what; to be freed with conn_plan_free. */
void line_plan(struct line *ln, struct conn_plan *p);
/* The stream for it; the strings of o and the plan are lent to `to`. */
void line_stream(struct line *ln, const struct conn_opts *o, const struct conn_plan *p,
                 struct stream_opts *to);
struct ws *line_ws_open(struct line *ln, const struct conn_plan *p, const struct ws_cbs *cbs,
                        void *ud);
void line_dial_ws(struct line *ln);
/* The plan's headers, and the cookies that came. */
void line_request_headers(const struct line *ln, const struct conn_plan *p, struct line_headers *h);
struct cookie_place line_cookie_place(const struct conn_plan *p);
int64_t line_left_ms(const struct line *ln, const struct conn_opts *o); /* of this attempt's time */
/* A message for the protocol; nothing happens when the line is over. */
void line_message(struct line *ln, bool binary, char *p, size_t n);

/* line_road.c: which transport, and what the line does with whichever it is. */
void line_road_open(struct line *ln);
const char *line_road_name(const struct line *ln); /* "websocket" "polling" */
/* With the attempt's other transport, if the options have one and this failure may be the first
 * one's own: true when it is under way. */
bool line_road_other(struct line *ln, enum stream_phase phase, int status,
                     const struct ln_err *err);
bool line_may_upgrade(const struct line *ln);
void line_road_up(struct line *ln);                         /* the handshake is done */
void line_road_upgraded(struct line *ln);                   /* from polling to WebSocket */
void line_set_loss(struct line *ln, struct line_loss *why); /* owned by the line from now on */
bool line_has_road(const struct line *ln);                  /* a transport is there, open or not */
void line_road_close(struct line *ln);                      /* politely; line_closed comes later */
void line_road_abort(struct line *ln);                      /* line_closed at the end of the turn */
void line_road_gone(struct line *ln);                       /* it has ended: forget it */
size_t line_queued(const struct line *ln);                  /* bytes that wait to be sent */
bool line_is_slow(const struct line *ln);                   /* volatile emits are dropped */

void line_headers(const struct line *ln, const struct url *u, struct line_headers *h);
/* The option `headers` alone; only: NULL-ended names, or NULL for all. */
void line_option_headers(const struct line *ln, const char *const *only, struct line_headers *h);
void line_add_header(struct line_headers *h, struct ln_str name, struct ln_str value);
void line_headers_free(struct line_headers *h);
/* A table of plain values as "name=value&", coded; nothing when json is empty. */
void line_add_query(struct ln_buf *out, struct ln_str json);

/* For protocols. */
void line_json_text(struct ln_str raw,
                    struct ln_buf *out); /* a string's contents, else the raw value */
const struct conn_opts *line_opts(const struct line *ln);
/* The handshake is done. dead_after_ms 0: the protocol has a heartbeat of its own, with
 * ln->heartbeat as its timer. */
void line_up(struct line *ln, int64_t dead_after_ms, int64_t max_payload);
void line_alive(struct line *ln); /* the server's ping came */
/* The line failed: closed without further ado; what follows happens at the end of this turn. */
void line_fail(struct line *ln, const char *reason, ln_status code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* After line_fail: what follows. */
void line_next(struct line *ln, enum line_next next);
/* Before sending: false when the clock says that the server has long given this line up (a laptop
 * slept); it is failed then. */
bool line_check(struct line *ln);
/* Before the clients end: without waiting for the peer. */
void line_abort(struct line *ln);
size_t line_send(struct line *ln, bool binary, const struct ln_str *pieces, size_t count);

#endif
