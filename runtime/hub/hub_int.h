/* SPDX-License-Identifier: MIT
 *
 * What the hub's files share. A line is a WebSocket or a polling session; a client is a line in one
 * namespace (plain JSON has one, "/"); a room is a name in a namespace with members (clients). The
 * dialect adds users (who may have several lines) and occupants (a user in a room).
 *
 * Nothing is freed below a caller: a client that ends goes out of every table at once and its
 * memory as the turn ends; a line lives until its socket is gone.
 */
#ifndef LN_HUB_INT_H
#define LN_HUB_INT_H

#include "base/list.h"
#include "base/map.h"
#include "hub/hub.h"
#include "io/server.h"
#include "wire/socketio.h"

#define HUB_MAX_JOINS 100
#define HUB_MAX_NAMESPACES 100 /* of one line */
#define HUB_MAX_NAMESPACE 200  /* bytes of its name */
#define HUB_MAX_WAITS 1000     /* hub_emit_ack without an answer, for one client */
#define HUB_SID_LEN 20
#define HUB_MAX_ROOM 100 /* bytes of a room's name */
#define HUB_MAX_NAME 50  /* characters of a user's name */
#define HUB_MAX_ID 100   /* bytes of a user's id */
#define HUB_MAX_DEPTH 64 /* levels of JSON that others get inside of something else */

enum hub_kind { HUB_CLIENT = 1, HUB_TICKET, HUB_AUTH };
enum hub_proto { HUB_SIO, HUB_RAW, HUB_PUSHER, HUB_PROBE /* an upgrade: hub_poll.h */ };

struct hub_user;
struct pusher_hub; /* hub_pusher.h */
struct pusher_line;
struct pusher_parcel;
struct hub_http; /* hub_http.c */
struct hub_poll; /* hub_poll.h */
struct hub_polls;
struct hub_session; /* hub_recover.h */
struct hub_recovery;

struct hub_line {
    struct ln_list node;    /* hub.lines */
    struct ln_list clients; /* hub_client.on_line */
    struct ln_list tickets; /* hub_ticket.node */
    struct hub *hub;
    struct server_peer *peer; /* NULL: none; then poll or sink (if any) gets what is sent */
    struct hub_poll *poll;    /* Engine.IO: the session that began with polling, else NULL */
    void (*sink)(const struct hub_line *line, bool binary, struct ln_str data);
    enum hub_proto proto;
    bool is_local, is_ended;
    enum hub_leave why; /* set before it ends; CLOSE when nobody did */
    char ip[64];
    struct ln_buf auth;    /* plain JSON: the query as an object */
    struct ln_buf headers; /* JSON for hooks.admit; empty without it */
    /* heartbeat */
    ln_id ping_timer, connect_timer;
    uint64_t due_ms; /* of ping_timer */
    bool is_waiting, was_extended;
    /* token bucket */
    double tokens;
    uint64_t tokens_at_ms;
    int refused;                /* events in a row that were over the rate */
    struct hub_parts *parts;    /* Socket.IO: a packet that waits for its attachments, or NULL */
    struct ln_buf early;        /* plain JSON: what came before it was admitted */
    struct pusher_line *pusher; /* what only HUB_PUSHER has, else NULL */
};

struct hub_ticket { /* a client that hooks.admit thinks about */
    struct ln_list node;
    struct hub_line *line;
    ln_id id, timer;
    char *nsp;
    bool is_signin;          /* Pusher: the line is open, its user is asked about */
    struct hub_grant *grant; /* hub_jwt.h; NULL: none */
};

struct hub_wait { /* an answer that a client owes: hub_emit_ack */
    struct ln_list node;
    struct hub_client *client;
    int64_t ack;
    ln_id timer;
    hub_reply_fn reply;
    void *ud;
};

struct hub_client {
    struct ln_list on_line, in_hub;
    struct ln_list memberships; /* hub_member.of_client */
    struct ln_list waits;
    struct hub_line *line;
    ln_id id;
    char *nsp;
    char sid[HUB_SID_LEN + 1];
    struct hub_session *session; /* it may come back to that: hub_recover.h; or NULL */
    struct hub_grant *grant;     /* its token: hub_jwt.h; NULL: none */
    struct hub_user *user;       /* dialect, in "/" */
    struct ln_list of_user;
    uint64_t connected_at_ms;
    int64_t next_ack;
    size_t joins, wait_count;
    uint64_t mark; /* hub.mark when it got the broadcast under way */
    bool is_tracer, is_dead, is_recovered;
};

struct hub_room {
    struct hub *hub;
    char *nsp, *name;
    struct ln_list members; /* hub_member.of_room */
    size_t count;
    /* dialect: */
    struct ln_map occupants; /* user id -> struct hub_occupant */
    struct ln_list empty;    /* hub.empty_rooms, oldest first; while it only keeps history */
    ln_id timer;             /* … until then */
    struct ln_buf *history;  /* ring of Message objects */
    size_t first, kept, history_bytes;
};

struct hub_member {
    struct ln_list of_room, of_client;
    struct hub_room *room;
    struct hub_client *client;
    bool is_occupant; /* its user is seen in the room */
    bool is_channel;  /* Pusher: the room's name is a channel that it subscribed to */
};

struct hub_occupant { /* a user in a room */
    struct ln_list of_user;
    struct hub_user *user;
    struct hub_room *room;
    size_t count; /* clients of this user in this room; 0: may come back until `grace` */
    ln_id grace;
    enum hub_leave why;
};

struct hub_user {
    struct hub *hub;
    char *nsp, *id, *name, *text;
    char *info; /* Pusher's user_info as it came, JSON; NULL: {"name":…} */
    const char *status;
    bool is_named, was_warned; /* has an id of its own choice; two names were seen */
    bool is_number;            /* the id came as a number, and is one to Pusher's clients */
    struct ln_list clients, occupants;
    size_t lines;
    int64_t seen_ms;
};

struct hub {
    struct loop *loop;
    struct hub_opts opts; /* strings are copies */
    struct hub_hooks hooks;
    void *ud;
    struct server *server;
    struct ln_slots slots;
    struct ln_list lines, clients, empty_rooms;
    struct ln_map sids;  /* sid -> client */
    struct ln_map rooms; /* nsp, 0 byte, name -> room */
    struct ln_map users; /* id (in "/"), or nsp, 0 byte, id -> user */
    struct pusher_hub *pusher;
    struct hub_polls *polls; /* NULL: nobody has polled yet */
    struct hub_http *http, *http_late;
    struct hub_recovery *recovery; /* NULL: it is off */
    /* Tests: takes Engine.IO's messages instead of Socket.IO; else NULL. */
    void (*engine)(struct hub_line *line, bool binary, struct ln_str data);
    size_t client_count, tracers, history_bytes;
    uint64_t mark, messages;
    unsigned guests;
    struct hub_jwt *jwt;                /* hub_jwt.c; NULL: no token is wanted */
    const struct hub_client_info *gone; /* of whose end hooks.client is told just now; or NULL */
    bool is_closing;
    uint64_t opened_ms;
    struct ln_buf text; /* scratch for a reply's body */
    loop_fn done;
    void *done_ud;
};

/* --- hub.c --- */
const char *hub_leave_name(enum hub_leave why);
bool hub_has_nsp(const struct hub *h, struct ln_str nsp);

/* --- hub_line.c --- */
struct hub_line *hub_line_new(struct hub *h, struct server_peer *p, enum hub_proto proto);
void hub_line_start(struct hub_line *line); /* after auth, headers and ip are filled */
/* A whole message of the peer. */
void hub_line_input(struct hub_line *line, bool binary, char *p, size_t n);
/* Its pong is due, and the timer only has not come to it: then it ends now. */
bool hub_line_is_late(struct hub_line *line);
void hub_line_pong(struct hub_line *line); /* plain JSON: the answer to a ping */
void hub_line_free(struct hub_line *line); /* its socket is gone */
/* Closes with a frame; everybody is told `why` when the socket is gone. 1005: without a code. */
void hub_line_drop(struct hub_line *line, enum hub_leave why, int code, const char *reason);
void hub_line_send(struct hub_line *line, bool binary, struct ln_str data);
size_t hub_line_queued(const struct hub_line *line);
/* One event's worth of the rate. False: over it; the line may have been dropped. */
bool hub_line_charge(struct hub_line *line);
size_t hub_line_joined(const struct hub_line *line); /* namespaces, and those that are asked */
struct hub_client *hub_line_client(const struct hub_line *line, struct ln_str nsp);
void hub_ticket_free(struct hub_ticket *t);

/* --- hub_client.c --- */
/* Asks whether that namespace may be joined; a client or a refusal follows. */
void hub_line_ask(struct hub_line *line, struct ln_str nsp, struct ln_str auth);
void hub_client_ask(struct hub_client *c, struct ln_str auth); /* Pusher: about a signin */
bool hub_line_is_asked(const struct hub_line *line, struct ln_str nsp);
struct hub_client *hub_get(const struct hub *h, ln_id id);
void hub_client_end(struct hub_client *c, enum hub_leave why);
/* An event that came in: rate, trace, dialect, hooks. */
void hub_client_event(struct hub_client *c, struct hub_event *ev);
void hub_client_dispatch(struct hub_client *c, struct hub_event *ev); /* the rate was charged */
/* The answer to hub_emit_ack. */
void hub_client_answer(struct hub_client *c, int64_t ack, struct ln_str args,
                       const struct ln_str *bin, size_t bin_count);

/* --- hub_http.c --- */
void hub_http_request(void *ud, const struct server_request *r, struct server_reply *reply);
bool hub_http_begin(void *ud, const struct server_request *r, struct server_reply *reply);
bool hub_http_accept(void *ud, const struct server_request *r, struct server_reply *reply);
void *hub_http_open(void *ud, struct server_peer *p, const struct server_request *r);

/* --- hub_query.c --- */
void hub_query_json(struct ln_buf *out, struct ln_str query);
void hub_headers_json(struct ln_buf *out, const struct server_request *r);

/* --- hub_sio.c, hub_raw.c: one protocol each --- */
void hub_sio_open(struct hub_line *line);
void hub_sio_input(struct hub_line *line, bool binary, char *p, size_t n);
void hub_sio_ping(struct hub_line *line);
void hub_sio_forget_parts(struct hub_line *line);
void hub_sio_welcome(struct hub_client *c);
void hub_sio_refuse(struct hub_line *line, struct ln_str nsp, const char *message,
                    struct ln_str data);
void hub_sio_bye(struct hub_client *c);
void hub_sio_event(struct ln_buf *out, struct ln_str nsp, int64_t ack, size_t bins,
                   struct ln_str name, struct ln_str args);
void hub_sio_ack(struct hub_client *c, int64_t ack, struct ln_str args, const struct ln_str *bin,
                 size_t bins);

void hub_raw_input(struct hub_line *line, bool binary, char *p, size_t n);
void hub_raw_admitted(struct hub_line *line); /* what came too early is taken now */
void hub_raw_refuse(struct hub_line *line, const char *message, struct ln_str data);
void hub_raw_event(struct ln_buf *out, int64_t ack, struct ln_str name, struct ln_str args);
void hub_raw_ack(struct hub_client *c, int64_t ack, struct ln_str args);
/* The arguments as protocols of text carry them: with their bytes in place, in out, when there are
 * any. Once out has them they are not written again. */
struct ln_str hub_raw_args(struct ln_buf *out, struct ln_str args, const struct ln_str *bin,
                           size_t bin_count);

/* --- hub_rooms.c --- */
struct hub_room *hub_room_get(const struct hub *h, struct ln_str nsp, struct ln_str name);
/* A client has that id, or will have it again: what is sent to it by its id is for it alone. */
bool hub_room_is_client(const struct hub *h, struct ln_str name);
struct hub_member *hub_member_get(const struct hub_client *c, const struct hub_room *r);
/* The room is made when it is not there; the dialect's occupant too. Being in it already is fine.
 * NULL with err: full. */
struct hub_room *hub_room_enter(struct hub_client *c, struct ln_str name, bool *created,
                                struct ln_err *err);
void hub_room_leave(struct hub_client *c, struct hub_room *r); /* may free the room */
void hub_room_settle(struct hub *h, struct hub_room *r);       /* is it still needed? */
void hub_room_free(struct hub *h, struct hub_room *r);
void hub_room_keep(struct hub *h, struct hub_room *r, struct ln_str message);
/* `[…]` of the last n messages. */
void hub_room_history(const struct hub_room *r, size_t n, struct ln_buf *out);
/* As hub_emit to a room, for an event on a Pusher channel: only to the subscribers whom it is for.
 * data: what they get, raw; {NULL,0}: made of args. */
size_t hub_emit_channel(struct hub *h, const struct hub_target *t, unsigned faces,
                        struct ln_str name, struct ln_str args, struct ln_str data);
/* To everybody who shares a room with u, once each. */
size_t hub_send_friends(struct hub_user *u, const struct hub_client *except, struct ln_str name,
                        struct ln_str args);
void hub_send_tracers(struct hub *h, struct ln_str args);
size_t hub_send_client(struct hub_client *c, struct ln_str name, struct ln_str args);
/* typing and the like: is_volatile. */
size_t hub_send_room(struct hub_room *r, const struct hub_client *except, bool is_volatile,
                     struct ln_str name, struct ln_str args);

/* --- hub_users.c: who is who (dialect) --- */
void hub_user_enter(struct hub_client *c, struct ln_str auth); /* finds or makes c->user */
/* The same by names that were checked: id "": a guest's, made here; name "": guest-N. */
void hub_user_enter_as(struct hub_client *c, struct ln_str id, struct ln_str name);
bool hub_user_named(const struct hub_client *c);                    /* its token says its name */
void hub_user_quit(struct hub_client *c, enum hub_leave why);       /* out of all its rooms, too */
void hub_user_json(struct ln_buf *out, const struct hub_user *u);   /* {id,name} */
void hub_member_json(struct ln_buf *out, const struct hub_user *u); /* Member */
void hub_members_json(struct ln_buf *out, const struct hub_room *r);
/* The member's user has come into the room, or goes out of it (it is still a member); the others
 * are told. */
void hub_occupy(struct hub_member *m);
void hub_vacate(struct hub_client *c, struct hub_room *r, enum hub_leave why, bool at_once);
void hub_room_evict(struct hub_room *r); /* the room ends, and its occupants with it */
void hub_user_update(const struct hub_client *from, struct hub_user *u); /* presence: update */
void hub_user_rename(struct hub_user *u, struct ln_str name);
bool hub_depth_ok(struct ln_str json); /* it has at most HUB_MAX_DEPTH levels */
/* UTF-8 without control characters, not only blanks (unless min is 0). */
bool hub_text_ok(struct ln_str s, size_t min, size_t max_chars, size_t max_bytes);
void hub_json_time(struct ln_buf *out, int64_t wall_ms); /* seconds with three decimals */

/* --- hub_chat.c: the dialect's requests --- */
enum hub_verdict { HUB_NOT_OURS, HUB_DONE, HUB_FAILED };
enum hub_verdict hub_chat_event(struct hub_client *c, struct hub_event *ev);
void hub_chat_welcome(struct hub_client *c);
/* The answer {ok:false,…} to that ack, or an event `error` without one. */
void hub_chat_error(struct hub_client *c, int64_t ack, const struct ln_err *err);

/* --- hub_trace.c --- */
/* One record, when somebody looks on. room: "" when the arguments tell. */
void hub_trace_event(struct hub *h, const char *dir, const struct hub_client *c, struct ln_str name,
                     struct ln_str room, struct ln_str args);

#endif
