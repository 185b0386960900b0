/* SPDX-License-Identifier: MIT
 *
 * Pusher's protocol 7 on the hub, inside. A line is one client in its app's namespace. A channel is
 * a room: of the same name, or, for `presence-ROOM` while the dialect is spoken, the room ROOM, so
 * that people meet there whatever protocol they came by. A room may thus be seen under two names
 * (its faces), and what was sent to one channel never comes out of the other.
 *
 * Files: hub_apps (who holds keys) hub_pusher (lines) hub_channels (subscriptions, presence)
 * hub_cache (cache channels) hub_whisper (client events) hub_deliver (what subscribers get)
 * hub_signin (users, watchlists) hub_pusher_auth (signing for clients) hub_api (the HTTP API).
 */
#ifndef LN_HUB_PUSHER_H
#define LN_HUB_PUSHER_H

#include "base/log.h"
#include "hub/hub_int.h"
#include "wire/pusher.h"

#define NONE ((struct ln_str){NULL, 0})
#define PUSHER_MAX_CHANNEL 200 /* bytes, wire/pusher.h */
#define PUSHER_MAX_ID 128      /* bytes of a user's id */
#define PUSHER_MAX_INFO 1024   /* bytes of user_info */
#define PUSHER_MAX_MEMBERS 100 /* users of a presence channel */
#define PUSHER_MAX_EVENT 200   /* bytes of an event's name */
#define PUSHER_MAX_DATA 10240  /* bytes of an event's data, from clients and the HTTP API */
#define PUSHER_MAX_WATCHED 100

struct pusher_app {
    char *key, *secret, *id, *nsp;
    enum hub_whispers whispers;
    int whisper_rate, max_connections, connections;
    bool is_builtin, has_master;
    unsigned char master[32];
};

struct pusher_hub {
    struct pusher_app *apps;
    size_t app_count;
    struct ln_map users;   /* nsp, 0 byte, id -> struct pusher_user */
    struct ln_map cache;   /* nsp, 0 byte, channel -> struct hub_cached */
    struct ln_list cached; /* oldest first */
    size_t cache_bytes;
    struct ln_list auths; /* hub_pusher_auth.c: requests that are being decided */
    size_t auth_count;
    struct ln_buf reply;                        /* the body of an HTTP reply */
    bool told_key, told_undecided, told_nobody; /* hub_told */
};

struct pusher_user { /* somebody who signed in, or is waited for */
    struct hub *hub;
    struct pusher_app *app;
    char *id;
    struct ln_list lines;    /* pusher_line.of_user: signed in */
    struct ln_list watchers; /* pusher_watch.of_user */
};

struct pusher_watch {
    struct ln_list of_user, of_line;
    struct pusher_user *user;
    struct pusher_line *line;
};

struct pusher_line {
    struct hub_line *line;
    struct pusher_app *app; /* NULL: refused */
    uint64_t heard_at_ms;
    double tokens; /* of client events */
    uint64_t tokens_at_ms;
    struct pusher_user *user; /* signed in */
    struct ln_list of_user, watches;
    struct ln_buf user_data; /* JSON, of the signin that is under way or done */
    bool is_signing, is_pinged;
};

/* A broadcast on its way to Pusher's subscribers: encoded once for each face of the room. */
enum { PUSHER_CHANNEL = 1, PUSHER_PRESENCE_FACE = 2 };
struct pusher_parcel {
    bool is_notice;     /* of the dialect: for those who are seen in the room */
    unsigned faces;     /* 0: all */
    struct ln_str data; /* raw, goes out as it is; {NULL,0}: the first of args, double encoded */
    const struct hub_room *room; /* that the texts below were made for */
    struct ln_buf text[2];
};

/* --- hub_apps.c --- */
/* False with err: an app is not right. */
bool hub_apps_open(struct hub *h, const struct hub_opts *o, struct ln_err *err);
void hub_apps_free(struct hub *h);
struct pusher_app *hub_app_by_key(const struct hub *h, struct ln_str key);
struct pusher_app *hub_app_by_id(const struct hub *h, struct ln_str id);
struct pusher_app *hub_app_of(const struct hub *h, struct ln_str nsp); /* NULL: none lives there */
/* The level of what anybody can make us say again and again: so the first time, then LN_DEBUG. */
enum ln_log_level hub_told(bool *told, enum ln_log_level level);
/* SHA-256 of channel and master key: what the subscribers of an encrypted channel get. */
void hub_app_shared_key(const struct pusher_app *app, struct ln_str channel, unsigned char key[32]);

/* --- hub_pusher.c --- */
bool hub_pusher_is(struct ln_str path); /* /app/KEY */
/* Instead of hub_line_start. is_known: the page's origin is one of ours. */
void hub_pusher_start(struct hub_line *line, struct ln_str path, struct ln_str query,
                      bool is_known);
void hub_pusher_line_free(struct hub_line *line);
void hub_pusher_sid(const struct hub *h, char sid[HUB_SID_LEN + 1]);
void hub_pusher_welcome(struct hub_client *c);
void hub_pusher_input(struct hub_line *line, bool binary, char *p, size_t n);
void hub_pusher_heard(struct hub_line *line);
void hub_pusher_error(struct hub_line *line, int code, const char *message);
void hub_pusher_end(struct hub_line *line, enum hub_leave why, int code, const char *message);
int hub_pusher_code(ln_status s); /* the code that says most nearly the same */
/* One message; data is raw JSON. */
void hub_pusher_send(struct hub_line *line, const char *event, struct ln_str channel,
                     struct ln_str data, bool double_encoded);

/* --- hub_channels.c --- */
/* Names that nobody joins without leave: private-, presence-, #server-to-user-. */
bool hub_channel_is_guarded(struct ln_str name);
/* The room of a channel or room by that name; *faces (or NULL): which of its subscribers are meant.
 * Points into name. */
struct ln_str hub_channel_room(const struct hub *h, struct ln_str nsp, struct ln_str name,
                               unsigned *faces);
/* The channel that is this face of the room; false: it has no such face. */
bool hub_channel_name(const struct hub *h, struct ln_str nsp, struct ln_str room, unsigned face,
                      struct ln_buf *out);
unsigned hub_channel_face(struct ln_str channel);
bool hub_member_has(const struct hub_member *m, unsigned face);
void hub_channel_subscribe(struct hub_client *c, struct ln_str data);
void hub_channel_unsubscribe(struct hub_client *c, struct ln_str data);
/* c is that user from now on, if it can be: it is no other one in any room. */
bool hub_pusher_identify(struct hub_client *c, struct ln_str id, bool is_number,
                         struct ln_str info);
void hub_pusher_rename(struct hub_user *u); /* its name in info, too */
void hub_user_id_json(struct ln_buf *out, const struct hub_user *u);
void hub_user_info_json(struct ln_buf *out, const struct hub_user *u);
bool hub_user_info_ok(struct ln_str info); /* not too much of it */

/* --- hub_cache.c --- */
void hub_cache_keep(struct hub *h, struct ln_str nsp, struct ln_str room,
                    const struct pusher_parcel *pp, struct ln_str name, struct ln_str args);
void hub_cache_send(struct hub_client *c, struct ln_str channel); /* the event, or cache_miss */
void hub_cache_free(struct hub *h);

/* --- hub_deliver.c --- */
/* The event to c, a member as m tells (NULL: without a room). False: it is not for c. */
bool hub_pusher_deliver(struct pusher_parcel *pp, struct ln_str name, struct ln_str args,
                        struct hub_client *c, const struct hub_member *m);
void hub_pusher_parcel_free(struct pusher_parcel *pp);
/* One event as it goes to subscribers: what args begin with, double encoded, and sealed on an
 * encrypted channel; or data as it is. False: it cannot be sealed. */
bool hub_pusher_event(struct ln_buf *out, const struct pusher_app *app, struct ln_str channel,
                      struct ln_str name, struct ln_str args, struct ln_str data);

/* One client event; u: its sender, or NULL. */
void hub_whisper_write(struct ln_buf *out, struct ln_str name, struct ln_str channel,
                       struct ln_str data, const struct hub_user *u);

/* --- hub_whisper.c --- */
void hub_whisper(struct hub_client *c, const struct pusher_msg *m);

/* --- hub_signin.c --- */
void hub_signin(struct hub_client *c, struct ln_str data);
void hub_pusher_signed(struct hub_line *line, bool ok, const char *message);
void hub_signin_end(struct pusher_line *p); /* the line goes */
bool hub_signed_in_as(const struct hub_client *c, struct ln_str id);
void hub_signin_terminate(struct hub *h, struct pusher_app *app, struct ln_str id);
void hub_signin_free(struct hub *h);

/* --- hub_pusher_auth.c --- */
extern const char
    hub_auth_later[]; /* what server_cbs.aborted gets of these: nothing is to be done */
bool hub_pusher_auth_is(const struct hub *h, struct ln_str path);
bool hub_pusher_auth(struct hub *h, const struct server_request *r, struct server_reply *reply);
void hub_auths_free(struct hub *h);
void hub_json_error(struct ln_buf *out,
                    const char *words); /* {"error":words}, and nothing before */
bool hub_socket_id_ok(struct ln_str id);

/* --- hub_api.c --- */
bool hub_api(struct hub *h, const struct server_request *r, struct server_reply *reply);

#endif
