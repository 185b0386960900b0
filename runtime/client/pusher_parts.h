/* SPDX-License-Identifier: MIT
 *
 * What the files of Pusher's client share. A line carries one connection (ln->root, NULL once it
 * left). All of this is of one transport and is forgotten when that ends: whatever arrives later
 * finds nobody. What is wanted is kept by rooms.c.
 *   conn_pusher.c      address, handshake, liveness, messages, what the end of a line means
 *   pusher_events.c    events out and in
 *   pusher_channels.c  subscriptions
 *   pusher_members.c   who is in a presence channel
 *   pusher_auth.c      signatures for channels and users: made here, or asked for
 *   pusher_endpoint.c  the requests to an application's endpoints
 *   pusher_user.c      signing in, events for the user, the watchlist
 *   pusher_box.c       encrypted channels
 */
#ifndef LN_PUSHER_PARTS_H
#define LN_PUSHER_PARTS_H

#include "client/line.h"
#include "wire/pusher.h"

enum channel_state {
    CHANNEL_SIGNING, /* its signature is on its way */
    CHANNEL_ASKED,   /* subscribe is sent */
    CHANNEL_IN,
    CHANNEL_LATER,  /* it failed, and is tried again */
    CHANNEL_REFUSED /* by ourselves: told at the end of the turn */
};

struct box;
struct channel {
    struct line *line;
    struct ln_list node; /* pusher.pending, oldest first, while it is not IN */
    enum channel_state state;
    enum pusher_kind kind;
    bool was_asked;    /* subscribe was sent: only then can there be an answer */
    bool is_cancelled; /* left before the server answered */
    int failures;      /* in a row, that time may mend */
    ln_id timer;
    char *room;            /* the name by which it is wanted; NULL: our own (#server-to-user) */
    size_t room_n;         /* its bytes: a script may name it as it likes */
    char *me;              /* presence: the user that we are here, as text; NULL: not known */
    char *my_info;         /* the user_info that we gave; raw JSON, or NULL */
    struct ln_map members; /* presence: user id -> user_info, raw JSON */
    size_t member_bytes;   /* of both, in all */
    struct box *box;       /* encrypted; NULL: no key yet */
    struct ln_err *why;    /* CHANNEL_REFUSED */
    size_t n;
    char name[];
};

struct endpoint;
struct pusher {       /* line.priv */
    bool is_open;     /* connection_established came */
    bool is_pinged;   /* a ping of ours is out */
    bool has_session; /* told who we are */
    bool told_garbage;
    uint64_t heard_ms, opened_ms, pinged_ns; /* pinged: until the pong; 0: not */
    int64_t activity_ms, adaptive_ms;
    char *socket_id;
    char *user_id; /* signed in; NULL: not */
    struct ln_map channels;
    struct channel *last; /* found last */
    struct ln_list pending;
    struct endpoint *endpoints[2]; /* channels', users' */
    struct ln_list asks, abroad;   /* pusher_auth.c: in order; answered by functions of scripts */
    bool is_renewing;              /* the token */
    ln_id serve_timer, signin_timer;
};

/* --- conn_pusher.c --- */
ln_status pusher_status(int code); /* of a Pusher code or an HTTP status */
/* The app's key and secret, lent from both; the secret may be empty. */
void pusher_place(const struct conn_opts *o, const struct url *u, struct ln_str *key,
                  struct ln_str *secret);

/* --- pusher_events.c --- */
/* data: raw JSON, {NULL,0}: none. */
void pusher_send(struct line *ln, const char *event, struct ln_str channel, struct ln_str data);
size_t pusher_send_event(struct conn *c, const struct conn_emit *e, int64_t ack);
const char *pusher_refuses(const struct conn *c, const struct conn_emit *e);
/* Tells an event of the server: data as it came (single or double encoded). */
void pusher_tell(struct line *ln, struct ln_str name, struct ln_str channel, struct ln_str user_id,
                 struct ln_str data);
/* The event `error`, with data raw or {NULL,0}; the line stays. */
void pusher_tell_error(struct conn *c, const struct ln_err *err, struct ln_str data);
/* The event `session`: who we are here. info: raw JSON or {NULL,0}. Once for a line. */
void pusher_tell_session(struct line *ln, struct ln_str user_id, struct ln_str info);

/* --- pusher_channels.c --- */
void pusher_room_join(struct conn *c, struct ln_str room);
void pusher_room_leave(struct conn *c, struct ln_str room);
void pusher_room_wire(const struct conn *c, struct ln_str room, struct ln_buf *out);
void pusher_room_state(struct conn *c, struct ln_str room, struct ln_buf *out);
bool pusher_room_member(struct conn *c, struct ln_str room, struct ln_str id, struct ln_str *info);
struct channel *channel_find(struct pusher *p, struct ln_str name);
/* A channel that nobody asked for by name: events for the signed-in user. */
void channel_join_own(struct line *ln, struct ln_str name);
/* The signature: json is an object; or err, and the HTTP status (0: none came). */
void channel_signed(struct line *ln, struct ln_str name, struct ln_str json,
                    const struct ln_err *err, int status);
void channels_control(struct line *ln, const struct pusher_msg *m); /* pusher_internal:… */
/* An error without a channel: of the oldest subscription that it can be meant for. False: none. */
bool channels_blame(struct line *ln, int code, struct ln_str message);
void channels_free(struct line *ln);

/* --- pusher_members.c --- */
/* A string's contents, or a number as text. False: neither, or empty. */
bool pusher_id_text(struct ln_str raw, struct ln_buf *out);
void members_set(struct channel *ch, struct ln_str data); /* all of subscription_succeeded */
/* False: that is no member, or none that was known (removed). */
bool members_add(struct channel *ch, struct ln_str data);
bool members_remove(struct channel *ch, struct ln_str data);
void members_write(const struct channel *ch, struct ln_buf *out); /* [{"id":…,"info":…},…] */
void members_free(struct channel *ch);

/* --- pusher_auth.c --- */
enum ask_what { ASK_CHANNEL, ASK_KEY /* of an encrypted channel, again */, ASK_USER };
#define PUSHER_NO_ANSWER (-1) /* for a status: nobody answered, or not in HTTP */
/* The answer ends in channel_signed, box_key, user_signed; or nowhere, once it is dropped. Their
 * status is the endpoint's, also of a function's default; 0: none was asked. */
void pusher_ask(struct line *ln, enum ask_what what, struct ln_str channel);
void pusher_ask_drop(struct line *ln, struct ln_str channel);
void pusher_auth_answer(struct conn *c, ln_id ticket, struct ln_str json, const struct ln_err *err);
void pusher_auth_renewed(struct conn *c);
void pusher_asks_free(struct line *ln);
bool pusher_check_endpoints(const struct conn_opts *o, struct ln_err *err); /* pusher_endpoint.c */

/* --- pusher_user.c --- */
bool user_signs_in(const struct line *ln);
void user_sign_in(struct line *ln);
void user_signed(struct line *ln, struct ln_str json, const struct ln_err *err, int status);
void user_control(struct line *ln, const struct pusher_msg *m); /* signin_success, watchlist */
/* True: the error is the server's answer to the sign-in. */
bool user_blamed(struct line *ln, int code, const struct ln_err *err);
void user_free(struct line *ln);

/* --- pusher_box.c --- */
bool box_open(struct channel *ch, struct ln_str shared_secret_raw, struct ln_err *err);
void box_event(struct channel *ch, const struct pusher_msg *m);
void box_key(struct line *ln, struct ln_str name, struct ln_str json, const struct ln_err *err);
void box_free(struct channel *ch);

#endif
