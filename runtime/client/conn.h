/* SPDX-License-Identifier: MIT
 *
 * A connection: the named thing that scripts hold. It outlives the scripts, reconnects by itself,
 * keeps what waits to be sent, knows which rooms are wanted, and tells everything that happens to
 * one sink (the host's event bus). Several connections (namespaces) may share one line (the
 * transport, client/line.h). This file knows no protocol: client/proto.h does.
 *
 * Order after (re)connecting, promised: handshake -> `connect` handlers end -> rooms rejoined ->
 * outbox in order. Emits of the connect handlers themselves are marked CONN_EMIT_NOW and go out at
 * once.
 */
#ifndef LN_CONN_H
#define LN_CONN_H

#include "base/buf.h"
#include "base/list.h"
#include "io/stream.h"
#include "wire/backoff.h"

struct conn;
struct conn_emit;
struct clients; /* all connections and lines of one program */

enum conn_state {
    CONN_IDLE,
    CONN_CONNECTING,
    CONN_CONNECTED,
    CONN_WAITING,
    CONN_FAILED,
    CONN_CLOSED
};
const char *conn_state_name(enum conn_state s); /* "idle" "connecting" "connected" "waiting" … */

enum conn_offline { OFFLINE_QUEUE, OFFLINE_DROP, OFFLINE_FAIL };

/* Options, all owned by the struct (conn_opts_free). Zero values are replaced by the defaults that
 * conn_opts_init sets. JSON texts are kept raw. */
enum conn_codec { CODEC_JSON, CODEC_TEXT, CODEC_OWN /* functions of a script */ };
enum conn_transport { TRANSPORT_NONE, TRANSPORT_WEBSOCKET, TRANSPORT_POLLING };

struct conn_opts {
    char *url;      /* ws:// wss:// http:// https:// pusher:// pushers://; the URL's path is the
                       namespace (Socket.IO) or the path of the upgrade (raw) */
    char *protocol; /* "auto" "socketio" "pusher" "ws"; auto: by the URL's scheme, else socketio */
    char *path;     /* Socket.IO: "/socket.io/"; Pusher: in front of /app/KEY */
    char *auth;     /* JSON object, or NULL */
    char *query;    /* JSON object of strings, or NULL */
    char *headers;  /* JSON object of strings, or NULL */
    /* Functions of a script, asked before every attempt through sink->auth. */
    bool auth_asked, query_asked, headers_asked;
    bool autoconnect, reconnection;
    int retries;
    int64_t reconnection_attempts; /* -1: for ever */
    struct backoff backoff;
    int64_t timeout_ms, ack_timeout_ms; /* whole attempt, namespace answer included; acks */
    struct tls_opts tls;                /* the strings are owned */
    char *proxy;                        /* URL; "none"; NULL: what the environment says */
    bool compress;                      /* permessage-deflate is offered */
    size_t max_message;                 /* bytes; 16 MiB */
    int max_attachments;                /* 10 */
    enum conn_offline offline;
    int64_t offline_ttl_ms; /* 5 minutes */
    size_t offline_max;     /* 1000 messages */
    size_t history;         /* last events kept for scripts that ask: 100 */
    /* Socket.IO */
    enum conn_transport transports[2]; /* in order of choice; the second may be NONE */
    bool upgrade;                      /* from polling to WebSocket when both are allowed: true */
    /* tokens */
    int64_t refresh_every_ms, refresh_before_ms; /* 0: not */
    char *refresh_event;                         /* what carries the fresh auth; NULL: none */
    /* raw WebSocket */
    enum conn_codec codec;
    char *codec_event;    /* the field of a JSON message that names the event: "event" */
    char *subprotocols;   /* "a, b" or NULL */
    int64_t heartbeat_ms; /* 30000; < 0: none */
    char *heartbeat_text; /* sent as a message; NULL: WebSocket pings */
    /* Pusher */
    char *key, *cluster, *secret; /* secret: signs here instead of asking the endpoint */
    char *auth_endpoint;          /* URL or path; "/broadcasting/auth" */
    char *user_auth_endpoint;     /* signs the user in after connecting; NULL: nobody */
    char *channel_prefix;         /* in front of rooms that have no Pusher prefix; NULL: none */
    bool auth_json;               /* the endpoint is asked by JSON instead of a form */
    bool authorizer_asked;        /* a function of a script, through sink->auth */
    bool signin;                  /* sign in with `secret` too */
    int64_t activity_timeout_ms, pong_timeout_ms; /* 120000 30000 */
    /* presence */
    int64_t leave_grace_ms; /* who comes back within it never left; 0: none */
};
void conn_opts_init(struct conn_opts *o);
void conn_opts_free(struct conn_opts *o);
void conn_opts_copy(struct conn_opts *to, const struct conn_opts *from);
bool conn_opts_same(const struct conn_opts *a, const struct conn_opts *b);

enum event_kind {
    EVENT_APP,       /* from the peer */
    EVENT_LIFECYCLE, /* connect disconnect connect_error reconnect_attempt state gap … */
    EVENT_OUT        /* emitted here: for catch-alls of outgoing events */
};

/* One event on its way to listeners. Everything is lent for the time of the call. */
struct event {
    enum event_kind kind;
    struct conn *conn; /* NULL when the source is no connection (the hub) */
    struct ln_str name;
    struct ln_str args;       /* raw JSON values with commas between, no brackets; may be empty.
                                 For connect_error the first is {"code":…,"message":…,…} */
    const struct ln_str *bin; /* attachments that {"_placeholder":true,"num":k} in args stand for */
    size_t bin_count;
    struct ln_str room; /* the channel it came on; {NULL,0}: the protocol does not say */
    /* > 0: args is the peer's value up to there, and behind it what the protocol adds for handlers
     * that take it: a comma and one value. Whether the first is one value, and JSON, is its
     * decoder's to find. */
    size_t meta_at;
    int64_t ack;     /* -1, or the number to answer with conn_ack */
    uint64_t serial; /* given by the sink when 0; different for every event: what was decoded for a
                        script is kept under it while the event is dispatched */
    struct barrier *barrier; /* NULL, or what handlers that wait hold up (see host/event.h) */
    const void *source;      /* what the host knows beyond that: the struct hub_event on the hub's
                                bus (for its lifecycle events connect and disconnect one with the
                                client and nsp only); else NULL */
};

/* Functions of a script that are asked, each once and for its own answer. */
enum { ASK_AUTH = 1, ASK_HEADERS = 2, ASK_QUERY = 4 };
struct conn_ask {
    ln_id ticket;  /* for conn_answer */
    unsigned what; /* ASK_ bits */
    /* "first" "reconnect" "unauthorized": before an attempt; "expiring": to renew while connected.
     * It lasts for ever. */
    const char *reason;
    int attempt; /* from 1; 0 while connected */
};

/* What a connection tells and asks; implemented by the host. */
struct conn_sink {
    /* Does anybody listen to this? False: the event is counted and its arguments never parsed. */
    bool (*wants)(void *ud, struct conn *c, struct ln_str name);
    /* LN_OK; LN_PROTOCOL when a listener found the arguments to be no JSON: the line is closed with
     * "parse error" and comes back. */
    ln_status (*event)(void *ud, struct event *ev);
    /* auth_asked, headers_asked, query_asked: find the answers, then call conn_answer for each, at
     * once or later. The attempt begins when all of them are there. */
    void (*auth)(void *ud, struct conn *c, const struct conn_ask *ask);
    /* Emit `connect` (args: first) and call conn_ready_go once its handlers ended. */
    void (*connected)(void *ud, struct conn *c, bool first);
    /* A wanted room was asked for at a connect: reply is the raw ack arguments, or NULL with err.
     * Not called when the line was lost meanwhile: the next connect asks again. */
    void (*rejoined)(void *ud, struct conn *c, struct ln_str room, struct ln_str reply,
                     const struct ln_err *err);
};

/* Codecs that are functions of a script (CODEC_OWN); implemented by the bindings. */
struct conn_codecs {
    /* A message that came: told by conn_decoded, from inside. False: there is no such function. */
    bool (*decode)(void *ud, struct conn *c, bool binary, struct ln_str data);
    /* The frame of an event; CONN_EMIT_BINARY is set in e when it is no text. False: there is no
     * such function. *status is LN_OK before. */
    bool (*encode)(void *ud, struct conn *c, struct conn_emit *e, struct ln_buf *frame,
                   ln_status *status, struct ln_err *err);
};
void conn_decoded(struct conn *c, const struct event *ev); /* of ev: name, args, bin */

struct clients *clients_new(struct loop *l, const struct conn_sink *sink, void *ud);
void clients_codecs(struct clients *cs, const struct conn_codecs *codecs, void *ud); /* lent */
/* Closes all without events, then frees at the end of the turn's callbacks; the loop must still
 * turn (loop_free does). */
void clients_free(struct clients *cs);
/* fn(ud), once, when no line is left: what was sent has been taken, and every close frame answered
 * or waited for long enough; or when for ms no peer took anything of what still waits. Never from
 * here. For the end, after all were disconnected. */
void clients_quiet(struct clients *cs, int64_t ms, loop_fn fn, void *ud);
bool clients_each(struct clients *cs, size_t *i, struct conn **c); /* *i begins at 0 */
/* Tests: lines go over descriptors that are connected already (one end of a socket pair) instead of
 * dialling. dial returns one for each attempt (then it is the line's), or 0: dial. NULL stops. */
void clients_dialler(struct clients *cs, int (*dial)(void *ud, struct conn *c), void *ud);

/* name: unique; what logs show. NULL with err when the URL or an option is wrong. Connects at the
 * end of this turn unless !autoconnect. */
struct conn *conn_open(struct clients *cs, const char *name, const struct conn_opts *o,
                       struct ln_err *err);
struct conn *conn_find(struct clients *cs, struct ln_str name);
/* Ends it for good: `disconnect` is not emitted; the struct is freed at the end of the turn. */
void conn_close(struct conn *c);
/* New options for a living connection: it reconnects with them. */
bool conn_reconfigure(struct conn *c, const struct conn_opts *o, struct ln_err *err);

/* Nothing happens when it is connected or on its way; a waiting one tries at once. */
void conn_connect(struct conn *c);
void conn_disconnect(struct conn *c, const char *reason); /* stays down; reason NULL: the default */
void conn_reconnect(struct conn *c); /* drops and comes back, auth asked again */
/* what: one ASK_ bit of the question. json: an object, or empty: the function gave nothing, and
 * there is no attempt without. err: it failed. A late answer is ignored. */
void conn_answer(struct conn *c, ln_id ticket, unsigned what, struct ln_str json,
                 const struct ln_err *err);
void conn_auth_answer(struct conn *c, ln_id ticket, struct ln_str json,
                      const struct ln_err *err);    /* ASK_AUTH */
void conn_ready_go(struct conn *c, uint64_t epoch); /* connect handlers ended (see conn_epoch) */
uint64_t conn_epoch(const struct conn *c);          /* grows at every connect and loss */

/* --- sending --- */
/* NOW: at once whenever the namespace is connected, before rooms and outbox (`connect` handlers);
 * such emits, and volatile ones, are never retried. With retries the emits of a connection go one
 * at a time: the next leaves when the one before is acknowledged or given up. When an event leaves
 * (not when it is queued; at each try) the sink hears of it as EVENT_OUT. RAW (raw WebSocket): the
 * last of bin is one message as it goes out, text or BINARY; name and args only tell of it. */
enum { CONN_EMIT_VOLATILE = 1, CONN_EMIT_NOW = 2, CONN_EMIT_RAW = 4, CONN_EMIT_BINARY = 8 };
/* reply: raw ack arguments; or err: LN_TIMEOUT "operation has timed out", LN_DISCONNECTED "socket
 * has been disconnected", LN_CANCELLED. Exactly once, never from inside conn_emit. */
typedef void (*conn_reply_fn)(void *ud, struct ln_str args, const struct ln_str *bin,
                              size_t bin_count, const struct ln_err *err);
struct conn_emit {
    struct ln_str name, args; /* args as in struct event */
    const struct ln_str *bin;
    size_t bin_count;
    struct ln_str room; /* where to: for protocols with rooms of their own; {NULL,0}: none */
    unsigned flags;
    conn_reply_fn reply; /* NULL: no ack is asked for */
    void *ud;
    int64_t timeout_ms; /* 0: the connection's ack_timeout; < 0: none */
    int retries;        /* < 0: the connection's */
};
enum { CONN_MAX_BINARY = 10 }; /* values in one event or answer: peers take no more */
/* connect, disconnect and their kin: a peer's library keeps these names for itself. */
bool conn_name_reserved(struct ln_str name);
/* LN_OK: accepted (sent, or in the outbox). LN_DROPPED (volatile, offline drop), LN_DISCONNECTED
 * (offline fail, closed), LN_FULL, LN_INVALID (reserved name, too many attachments, more bytes than
 * the server takes); reply is not called then.
 * *op (may be NULL) cancels the wait for the reply with conn_emit_cancel. */
ln_status conn_emit(struct conn *c, const struct conn_emit *e, ln_id *op, struct ln_err *err);
/* reply is not called any more; what was accepted is still sent. */
void conn_emit_cancel(struct conn *c, ln_id op);
/* Answers an event's ack; only the first answer per number is sent. epoch: the event's. */
void conn_ack(struct conn *c, uint64_t epoch, int64_t ack, struct ln_str args,
              const struct ln_str *bin, size_t bin_count);

/* What waits in the outbox. name and args lent; stops when fn returns false. */
void conn_outbox_each(struct conn *c,
                      bool (*fn)(void *ud, ln_id op, struct ln_str name, struct ln_str args,
                                 int64_t queued_ms),
                      void *ud);
size_t conn_outbox_size(const struct conn *c);
/* Removes one (op) or all (0); their replies get LN_CANCELLED. Returns how many. */
size_t conn_outbox_clear(struct conn *c, ln_id op);

/* --- rooms: what is wanted now, asked for again after every reconnect --- */
/* join/leave: the event and raw arguments that ask for it (a dialect's business). Owner counts:
 * the room is left when as many conn_room_drop as conn_room_want came. Returns true when it was
 * not wanted before. While connected it emits nothing: the caller asks for the room itself (when
 * true came back). Otherwise the next connect asks, the first one too, and the answer comes by
 * sink->rejoined: the caller must not emit the join as well. */
bool conn_room_want(struct conn *c, struct ln_str room, struct ln_str join_event,
                    struct ln_str join_args);
/* True when nobody wants it any more: the caller sends the dialect's leave. */
bool conn_room_drop(struct conn *c, struct ln_str room);
bool conn_room_wanted(const struct conn *c, struct ln_str room);

/* Protocols with rooms of their own (Pusher's channels): the host asks for what is wanted, also
 * while connected, and out of what is not wanted any more; join_event is empty. */
bool conn_has_rooms(const struct conn *c);
bool conn_room_joined(const struct conn *c, struct ln_str room);
/* reply: raw JSON; or err: the server's refusal, LN_TIMEOUT, LN_CANCELLED (left meanwhile),
 * LN_DISCONNECTED (closed, or given up). Exactly once, never from inside conn_room_wait or _drop. A
 * loss of the line does not end the wait: the room is asked for again. */
typedef void (*conn_room_fn)(void *ud, struct ln_str reply, const struct ln_err *err);
/* Hears how the join of a wanted room ends; soon when it is joined; asked again when it was
 * refused. timeout_ms 0: none. 0: the room is not wanted. */
ln_id conn_room_wait(struct conn *c, struct ln_str room, int64_t timeout_ms, conn_room_fn fn,
                     void *ud);
void conn_room_wait_cancel(struct conn *c, ln_id wait); /* fn is not called any more */
/* A room's name on the wire, as struct event carries it, added to out; the same where the protocol
 * has no rooms. */
void conn_room_wire(const struct conn *c, struct ln_str room, struct ln_buf *out);
/* The other way round: the shortest name by which the same room is wanted; lent from wire. */
struct ln_str conn_room_name(const struct conn *c, struct ln_str wire);
/* What is known of somebody in a room that is joined (raw JSON, lent until the next event); false:
 * nobody of that id is there. */
bool conn_room_member(struct conn *c, struct ln_str room, struct ln_str id, struct ln_str *info);

/* authorizer_asked: a channel needs its signature. Answer with conn_auth_answer and this ticket:
 * {"auth":…,"channel_data":…,"shared_secret":…}, or err. */
typedef void (*conn_authorizer)(void *ud, struct conn *c, ln_id ticket, struct ln_str channel,
                                struct ln_str socket_id);
void clients_authorizer(struct clients *cs, conn_authorizer fn, void *ud);
/* What would be done without an authorizer: signs here, or asks the endpoint. False: there is no
 * line; else fn hears exactly once, later. */
bool conn_authorize(struct conn *c, struct ln_str channel, conn_room_fn fn, void *ud);

/* --- fields for scripts --- */
struct conn_stats {
    uint64_t connects, reconnects, sent, received, bytes_in, bytes_out, errors, dropped;
    uint64_t connected_at_ms; /* loop time; 0 when not connected */
    double rtt_ms;            /* of the last acknowledged event; < 0 unknown */
    const char *last_error;   /* "": none so far */
};
const struct conn_stats *conn_stats(const struct conn *c); /* lent until the next call */
/* Walks the counts by event name (at most 100 names, then "other"). */
bool conn_stats_event(const struct conn *c, size_t *i, struct ln_str *name, uint64_t *received,
                      uint64_t *sent);
const char *conn_name(const struct conn *c);
const char *conn_url(const struct conn *c); /* without user and password */
const char *conn_protocol(const struct conn *c);
const char *conn_id(const struct conn *c); /* "" when not connected */
enum conn_state conn_state(const struct conn *c);
bool conn_recovered(const struct conn *c); /* the last connect brought all that was missed */
enum conn_transport conn_transport(const struct conn *c); /* NONE when not connected */
const char *conn_subprotocol(const struct conn *c);       /* NULL: none was taken */
int conn_attempt(const struct conn *c);
ln_id conn_handle(const struct conn *c);
struct conn *conn_of_handle(struct clients *cs, ln_id id);  /* NULL: closed */
const struct conn_opts *conn_options(const struct conn *c); /* lent until the next call */
void *conn_user(const struct conn *c); /* the host's own: its bus, found without a look-up */
void conn_user_set(struct conn *c, void *user);

/* Last events (name, args, wall ms), oldest first; *i begins at 0. Recording starts with the first
 * call of conn_history_on: nobody pays for what nobody reads. */
void conn_history_on(struct conn *c);
bool conn_history_each(const struct conn *c, size_t *i, struct ln_str *name, struct ln_str *args,
                       int64_t *wall_ms);

#endif
