/* SPDX-License-Identifier: MIT
 *
 * Pusher protocol 7 as pure functions: the message envelope, kinds and names of channels,
 * signatures, and what a close code means. The client (client/conn_pusher) and the hub
 * (hub/hub_pusher) both stand on it.
 *
 * `data` on the wire is usually a JSON text inside a JSON string ("double encoded"), sometimes a
 * plain value: pusher_data() gives the value in either case.
 */
#ifndef LN_PUSHER_H
#define LN_PUSHER_H

#include "base/buf.h"

enum pusher_kind {
    PUSHER_PUBLIC,
    PUSHER_PRIVATE,
    PUSHER_PRESENCE,
    PUSHER_ENCRYPTED, /* private-encrypted- */
    PUSHER_USER       /* #server-to-user-ID: subscribed by servers' own means only */
};
enum pusher_kind pusher_kind(struct ln_str channel);
bool pusher_is_cache(struct ln_str channel); /* cache- private-cache- presence-cache- … */
/* [A-Za-z0-9_\-=@,.;] and 1 to 200 bytes; one '#' may stand in front. */
bool pusher_channel_ok(struct ln_str channel);

struct pusher_msg {
    struct ln_str event;   /* decoded */
    struct ln_str channel; /* decoded; {NULL,0}: none */
    struct ln_str user_id; /* as text, also when it came as a number; {NULL,0}: none */
    struct ln_str data;    /* raw JSON value as it stands; {NULL,0}: absent */
};
/* The text must be an object with a string `event`. Slices point into text, or into scratch where
 * something was escaped (scratch is cleared first; slices live until it changes). False with err:
 * no JSON, no object, no event. */
bool pusher_parse(struct ln_str text, struct pusher_msg *m, struct ln_buf *scratch,
                  struct ln_err *err);
/* The same, but `data` that is a string is not looked into, which is most of the work: it may hold
 * bad escapes and bytes that no string may hold. For who hands it to a decoder, or to nobody. */
bool pusher_skim(struct ln_str text, struct pusher_msg *m, struct ln_buf *scratch,
                 struct ln_err *err);
/* The value that data stands for, as raw JSON: the text inside a string when that text is JSON
 * (unescaped into out), else data itself. `null` when absent. Returned slice points into data or
 * out. After pusher_skim data itself may be no JSON: look, when it is what comes back. */
struct ln_str pusher_data(struct ln_str data, struct ln_buf *out);
/* The same for who decodes it anyhow: what begins inside a string as an object or array is not
 * looked at. *is_sure false: it may be no JSON, and then data itself is the value. */
struct ln_str pusher_guess(struct ln_str data, struct ln_buf *out, bool *is_sure);
/* {"event":…,"channel":…,"data":…,"user_id":…}; channel and user_id may be {NULL,0}; data: raw
 * JSON, {NULL,0} leaves it out. double_encoded: data goes out as a string that holds it. */
void pusher_write(struct ln_buf *out, struct ln_str event, struct ln_str channel,
                  struct ln_str data, bool double_encoded, struct ln_str user_id);

/* "KEY:HEX", HEX = HMAC-SHA256(secret, parts joined by ':'): {socket_id, channel},
 * {socket_id, channel, channel_data}, {socket_id, "", "user", "", user_data} (which gives
 * socket_id::user::user_data). */
void pusher_sign(struct ln_buf *out, struct ln_str key, struct ln_str secret,
                 const struct ln_str *parts, size_t count);
/* Constant time. */
bool pusher_verify(struct ln_str auth, struct ln_str key, struct ln_str secret,
                   const struct ln_str *parts, size_t count);
/* HTTP API (auth_version 1.0): HMAC over METHOD\nPATH\nsorted query without auth_signature. query
 * as it stands in the request, not decoded twice. Hex into out[65]. */
void pusher_api_sign(struct ln_str secret, struct ln_str method, struct ln_str path,
                     struct ln_str query, char out[65]);

/* What an established or refused connection does next, by the close code. */
enum pusher_action {
    PUSHER_BACKOFF, /* reconnect with back-off: 41xx, codes below 4000, none */
    PUSHER_AT_ONCE, /* 42xx: the first time at once, then with a floor */
    PUSHER_USE_TLS, /* 4000 */
    PUSHER_REFUSED  /* 4001-4099, 43xx and up: not unchanged */
};
enum pusher_action pusher_close_action(int code);
const char *pusher_code_text(int code); /* "the app does not exist"; NULL: unknown */

#endif
