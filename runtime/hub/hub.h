/* SPDX-License-Identifier: MIT
 *
 * The hub: linnet's own small server. Socket.IO v4 (every transport) at /socket.io/, Pusher's
 * protocol at /app/KEY, plain JSON over WebSocket at /ws, and the chat page, on one port. It speaks
 * the `linnet` dialect (docs/hub.md): who is who, rooms with members and history, messages, typing,
 * read marks, presence. What it does beyond that is a script's business, through the hooks below.
 *
 * Files: hub (opening, closing) hub_http (what is served where, guards) hub_page hub_query hub_line
 * (a connection, its limits) hub_engine hub_poll hub_upgrade (Engine.IO over HTTP) hub_client (a
 * line in a namespace) hub_jwt (their tokens) hub_sio (Engine.IO and Socket.IO packets) hub_recover
 * (what was missed) hub_raw (plain JSON) hub_rooms (rooms, broadcast) hub_users (who is who)
 * hub_chat (the dialect) hub_trace (the Events tab); hub_pusher.h lists Pusher's.
 */
#ifndef LN_HUB_H
#define LN_HUB_H

#include "base/buf.h"
#include "io/loop.h"

struct hub;

/* An app of Pusher's protocol: who knows the secret may sign for private channels and use the HTTP
 * API. The first app's channels are rooms in "/", those of each further one in "/ID". */
enum hub_whispers { HUB_WHISPERS_MEMBERS, HUB_WHISPERS_ALL, HUB_WHISPERS_NONE };
struct hub_app {
    const char *key, *secret, *id;
    const char *master_key;     /* base64, 32 bytes: for encrypted channels; NULL: there are none */
    enum hub_whispers whispers; /* client events: on private and presence channels; on all; none */
    int whisper_rate;           /* of one client, a second; 0: 10 */
    int max_connections;        /* 0: as many as the hub takes */
};

/* Who comes must show a JSON Web Token: in the auth payload (plain JSON: the query), or behind
 * "Authorization: Bearer". It is checked before hooks.admit; its `sub` and `name` say who it is.
 * When it ends the client is put out, unless it sent `authenticate` {token} with a newer one. */
struct hub_jwt_opts {
    const char *alg;        /* "HS256" "RS256" "ES256" */
    struct ln_str key;      /* the secret, or public keys in PEM form */
    const char *const *aud; /* NULL-terminated: one of them; NULL: any */
    const char *iss;        /* NULL: any */
    const char *field;      /* of the payload; NULL: "token" */
    int64_t leeway_ms;      /* < 0: 30 seconds */
};

enum { HUB_POLLING = 1, HUB_WEBSOCKET = 2 }; /* transports of Engine.IO */

struct hub_opts {
    const char *host;           /* "127.0.0.1" or "unix:/run/x.sock"; see io/server.h */
    int port;                   /* 4321; 0 = any; -1 = none: only hub_pair */
    const char *path;           /* of Engine.IO: "/socket.io/" */
    unsigned transports;        /* both; 0: both */
    bool cors;                  /* pages of the origins that are let in may poll: true */
    const char *const *origins; /* NULL-terminated; NULL: same host and port, localhost. "*": any */
    /* Besides "/": names, or beginnings ("/school-*"; "*": any); NULL-terminated or NULL. */
    const char *const *namespaces;
    bool page, dialect;   /* serve the page; speak the linnet dialect: both default true */
    bool trace;           /* the page's Events tab: event `trace` {on}, for loopback peers on
                             any protocol (docs/hub.md; see hub_trace) */
    int max_clients;      /* 1000 */
    int max_rooms;        /* 1000; a client joins at most 100 */
    size_t max_message;   /* bytes: 1000000, told to clients as maxPayload */
    bool compress;        /* permessage-deflate, for clients that offer it: false */
    size_t max_queue;     /* bytes for one slow reader: 4 MiB, then it is dropped */
    int rate, rate_burst; /* events a second per client: 50, burst 1200; over it: an error */
    int64_t ping_interval_ms, ping_timeout_ms, connect_timeout_ms; /* 25000 20000 45000 */
    size_t history;                                                /* messages kept per room: 100 */
    int64_t leave_grace_ms;         /* a page refresh is no leaving: 2000 */
    const struct hub_jwt_opts *jwt; /* NULL: no token is wanted */
    int64_t recovery_ms; /* Socket.IO: how long a lost client may come back to its place: 0 */
    /* Pusher. Without apps a hub for this machine alone has one: key and id "linnet", a secret that
     * nobody knows, and its auth endpoint signs for everybody. */
    const struct hub_app *apps;
    size_t app_count;
    int64_t activity_timeout_ms; /* told to clients: 30000; twice that in silence: a ping */
};
void hub_opts_init(struct hub_opts *o);

enum hub_leave {
    HUB_LEAVE_CLIENT,
    HUB_LEAVE_SERVER,
    HUB_LEAVE_PING,
    HUB_LEAVE_CLOSE,
    HUB_LEAVE_ERROR,
    HUB_LEAVE_EXPIRED /* its token */
};

struct hub_event { /* an event of a client; everything is lent */
    struct hub *hub;
    ln_id client;
    struct ln_str nsp, name, args; /* args: raw JSON with commas, no brackets */
    const struct ln_str *bin;
    size_t bin_count;
    int64_t ack; /* -1: none asked; else answer with hub_ack */
};

struct hub_hooks {
    /* NULL: everybody may. Else answer each with hub_admit(hub, ticket, …), at once or later;
     * without an answer it is refused after connect_timeout_ms. auth: raw JSON object (plain JSON:
     * the query; Pusher: the query, and once more the user_data of its signin). headers_json: the
     * handshake's headers by their names in small letters, and ":path", ":query", ":ip",
     * ":protocol"; ":signin": true with Pusher's signin. */
    void (*admit)(void *ud, ln_id ticket, struct ln_str nsp, struct ln_str auth,
                  struct ln_str headers_json);
    bool (*wants)(void *ud, struct ln_str nsp, struct ln_str name);
    /* Is there a namespace of that name, beside those of the options? May be NULL. */
    bool (*has_namespace)(void *ud, struct ln_str nsp);
    /* After the dialect has done its part (or instead, when the name is none of its own); never for
     * a request that the dialect refused. */
    void (*event)(void *ud, const struct hub_event *ev);
    void (*client)(void *ud, ln_id client, struct ln_str nsp, bool connected, struct ln_str reason);
    /* Pusher: may this connection have that channel, or sign in? NULL: nobody decides. Else answer
     * each with hub_authorize, at once or later. request: JSON {socket_id, channel (absent: it
     * signs in), kind, params, headers}. */
    void (*authorize)(void *ud, ln_id ticket, struct ln_str request);
};

/* NULL with err ("port 4321 is taken by another program; --port picks another"). */
struct hub *hub_open(struct loop *l, const struct hub_opts *o, const struct hub_hooks *hooks,
                     void *ud, struct ln_err *err);
void hub_close(struct hub *h, loop_fn done, void *ud); /* the struct is gone when done is called */
int hub_port(const struct hub *h);
bool hub_has_apps(const struct hub *h); /* of Pusher's protocol, be it the own one */
int hub_pair(struct hub *h); /* tests: the client's end of a socket pair; see io/server.h */

/* "/school-*" fits "/school-7"; without a star: the same name. */
bool hub_nsp_fits(const char *pattern, struct ln_str nsp);

void hub_admit(struct hub *h, ln_id ticket, bool ok, const char *message, struct ln_str data);
/* Of a client that waits to be admitted: the claims of its token, raw JSON; {NULL,0}: none. */
struct ln_str hub_ticket_claims(const struct hub *h, ln_id ticket);
enum hub_consent { HUB_YES, HUB_NO, HUB_NOBODY /* no script decides */ };
/* user: JSON {user_id, user_info, watchlist} or none; message: why not, or NULL. */
void hub_authorize(struct hub *h, ln_id ticket, enum hub_consent consent, const char *message,
                   struct ln_str user);

/* --- sending --- */
struct hub_target {    /* empty strings and 0 mean: any */
    struct ln_str nsp; /* "" = "/" */
    struct ln_str room;
    ln_id client;
    ln_id except;
    bool is_volatile;
};
/* Returns how many clients it went to. Bytes are attachments for Socket.IO's clients and stand in
 * the arguments of all others, as {"_binary":"BASE64"}; at most 10 of them in an event, else it
 * goes to nobody. A room is a Pusher channel, too: with the dialect, rooms of
 * "/" are the channels `presence-ROOM`; every other channel is the room of its name. */
size_t hub_emit(struct hub *h, const struct hub_target *t, struct ln_str name, struct ln_str args,
                const struct ln_str *bin, size_t bin_count);
typedef void (*hub_reply_fn)(void *ud, struct ln_str args, const struct ln_str *bin,
                             size_t bin_count, const struct ln_err *err);
/* To one client, with an answer. LN_OK: exactly one call of reply follows (err: NULL, LN_TIMEOUT,
 * LN_DISCONNECTED), never before this returns. Else none: LN_DISCONNECTED, LN_FULL, LN_INVALID
 * (too many binary values), LN_REFUSED (Pusher's protocol has no answers). */
ln_status hub_emit_ack(struct hub *h, ln_id client, struct ln_str name, struct ln_str args,
                       const struct ln_str *bin, size_t bin_count, int64_t timeout_ms,
                       hub_reply_fn reply, void *ud);
bool hub_ack(struct hub *h, ln_id client, int64_t ack, struct ln_str args, const struct ln_str *bin,
             size_t bin_count);
/* The arguments of its event are no JSON, as who decoded them found: its line is closed, as for
 * whatever else breaks the protocol. (Over Socket.IO arguments are not looked at before.) */
void hub_malformed(struct hub *h, ln_id client);

/* --- clients and rooms --- */
bool hub_join(struct hub *h, ln_id client, struct ln_str room); /* false: no such client, limits */
bool hub_part(struct hub *h, ln_id client, struct ln_str room);
void hub_disconnect(struct hub *h, ln_id client, bool whole_line);
struct hub_client_info {
    ln_id id;
    struct ln_str claims; /* of its token, raw JSON; {NULL,0}: none */
    struct ln_str nsp, sid, user_id, user_name, ip, protocol; /* "socketio" "ws" "pusher" */
    uint64_t connected_at_ms;
    bool recovered; /* it came back, with its rooms (opts.recovery_ms) */
    bool gone;      /* who it was: while hooks.client tells of its end, and no longer */
};
bool hub_client(const struct hub *h, ln_id client, struct hub_client_info *out);
bool hub_each_client(const struct hub *h, size_t *i, struct hub_client_info *out);
bool hub_each_room(const struct hub *h, size_t *i, struct ln_str *room, size_t *members);
bool hub_each_member(const struct hub *h, struct ln_str room, size_t *i, ln_id *client);
/* The rooms that one client is in, which are those of its namespace. */
bool hub_each_room_of(const struct hub *h, ln_id client, size_t *i, struct ln_str *room);
size_t hub_client_count(const struct hub *h);

/* --- the Events tab --- */
/* True while a page looks on: only then is a record worth making. */
bool hub_traced(const struct hub *h);
/* json: an object {t, dir, conn, name, room, size, by, user, text}, sent as event `trace` to the
 * clients that asked with `trace` {on:true}. */
void hub_trace(struct hub *h, struct ln_str json);

#endif
