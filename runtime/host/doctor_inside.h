/* SPDX-License-Identifier: MIT
 *
 * What the doctor's files share: the struct, and how a step ends. A step is a function that begins
 * something and returns; its callbacks end it by doctor_ok, doctor_fail or doctor_skip, and the
 * next one begins in a later turn.
 *   doctor.c           the list of steps, their ends, time limits
 *   doctor_net.c       dns, proxy, tcp
 *   doctor_tls.c       tls
 *   doctor_upgrade.c   upgrade, and what polling says when it fails; polling without upgrade
 *   doctor_blame.c     what an HTTP answer means, and the lines of a proxy's settings
 *   doctor_talk.c      handshake, round trip
 *   doctor_join.c      auth, room: by a connection like any other
 *   doctor_token.c     tokens and clocks
 */
#ifndef LN_DOCTOR_INSIDE_H
#define LN_DOCTOR_INSIDE_H

#include "base/json.h"
#include "base/mem.h"
#include "client/plan.h"
#include "host/cli.h"
#include "host/doctor.h"
#include "io/http.h"
#include "io/ws.h"

/* What waits inside a step has its own limit and better words: the step's comes behind it. */
enum { DOCTOR_GRACE_MS = 500 };

enum doctor_proto { DOCTOR_SOCKETIO, DOCTOR_PUSHER, DOCTOR_RAW };

/* A connection that is tried; it outlives its step until its stream has ended. */
struct doctor_probe {
    struct doctor *d; /* NULL: nobody asks any more */
    struct stream *stream;
};

struct doctor {
    struct loop *loop;
    struct doctor_opts o;
    const struct doctor_cbs *cbs;
    void *ud;
    size_t at; /* of the steps */
    bool is_over, step_over, is_parting;
    uint64_t since;
    int64_t took_ms; /* of the step, when it is not its whole time; -1 */
    int64_t step_ms;
    ln_id timer;
    int code;
    struct ln_buf text, fault, more, note, detail; /* of the present step */
    struct ln_buf advice;

    char *target; /* as it may be shown */
    struct clients *clients;
    struct conn *conn;
    enum doctor_proto proto;
    bool polls; /* polling alone is wanted */
    struct conn_plan plan;
    struct stream_opts way; /* as conn_where says it: which proxy, if one applies */
    char *addresses;        /* what DNS said, with commas between */
    char *reached;          /* the one that answered */
    struct lookup *lookup;
    struct doctor_probe *probe;
    struct ln_buf failed; /* addresses that did not answer, with the reasons */
    size_t tried;

    void (*tls_tried)(struct doctor *d, bool works);
    struct ln_err lost; /* how the line ended */
    int lost_code;
    struct ws *ws;
    struct doctor_link *link; /* what ws calls back with */
    struct http *http;
    struct doctor_answer *answer; /* to the upgrade, or to what was asked by HTTP */
    struct ln_buf first;          /* the server's first message; .p NULL: none yet */
    int64_t skew_ms;              /* the server's clock less ours */
    bool has_date;
    ln_id asks, waits; /* for the answer of the room: by an event, by the protocol */
    bool is_v2;        /* the server speaks Socket.IO 2 */
};

/* --- doctor.c --- */
void doctor_end(struct doctor *d); /* the line's goodbye is over */
void doctor_ok(struct doctor *d);
void doctor_skip(struct doctor *d);
/* The advice is d->advice, or this text when nothing was written there. */
void doctor_fail(struct doctor *d, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_detail(struct doctor *d, const char *key, struct ln_str text);
void doctor_detail_int(struct doctor *d, const char *key, int64_t n);
void doctor_detail_raw(struct doctor *d, const char *key, struct ln_str json);
void doctor_advise(struct doctor *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool doctor_is_at(const struct doctor *d, const char *name);

/* --- doctor_net.c --- */
void doctor_open_probe(struct doctor *d, const struct stream_opts *o, const struct stream_cbs *cbs);
/* The doctor whose step this probe's end is, or NULL; the probe is gone. */
struct doctor *doctor_probe_closed(struct doctor_probe *p);
void doctor_no_data(void *ud, char *p, size_t n);
void doctor_dns(struct doctor *d);
void doctor_proxy(struct doctor *d);
void doctor_tcp(struct doctor *d);
/* How to get there: the address that answered, TLS and proxy as the connection has them. */
void doctor_where(struct doctor *d, struct stream_opts *o);
void doctor_drop_probe(struct doctor *d);

/* --- doctor_tls.c --- */
void doctor_tls(struct doctor *d);
/* Does the server speak TLS, whatever the address says? fn is called once, in a later turn. */
void doctor_try_tls(struct doctor *d, void (*fn)(struct doctor *d, bool works));

/* --- doctor_upgrade.c --- */
void doctor_upgrade(struct doctor *d);
/* The line is gone that should be there: d->lost says how. */
void doctor_blame_loss(struct doctor *d);
void doctor_drop_line(struct doctor *d); /* without a word */
void doctor_polling_target(const struct doctor *d, struct ln_buf *out);

/* --- doctor_blame.c --- */
struct doctor_answer { /* an HTTP answer's head, as far as it tells who spoke */
    int status;
    bool is_html, has_upgrade, has_connection;
    char *server, *via, *location;
};
struct doctor_answer *doctor_answer_new(const struct http_head *h);
void doctor_answer_free(struct doctor_answer *a);
/* Adds the lines that a proxy needs: those of the one that the headers name, else of all three. */
void doctor_proxy_lines(struct doctor *d, const struct doctor_answer *a);
/* "HTTP 502 from nginx" */
void doctor_answer_text(const struct doctor_answer *a, struct ln_buf *out);
/* An answer that is no upgrade and no polling: the fault, the advice and the exit code. */
void doctor_blame(struct doctor *d, const struct doctor_answer *a, struct ln_str body);

/* --- doctor_talk.c --- */
void doctor_handshake(struct doctor *d);
void doctor_round_trip(struct doctor *d);
void doctor_message(struct doctor *d, bool binary, struct ln_str text); /* came on d->ws */
void doctor_pong(struct doctor *d);

/* --- doctor_join.c --- */
extern const struct conn_sink doctor_sink; /* ud: the doctor */
void doctor_auth(struct doctor *d);
void doctor_join(struct doctor *d);
void doctor_drop_join(struct doctor *d); /* nobody waits for the answer any more */

/* --- doctor_token.c --- */
/* Notes the server's clock: from the Date header, if there is one. */
void doctor_note_date(struct doctor *d, const struct http_head *h);
/* Sentences about a token that was sent (its end, the clocks); false when there is nothing to say.
 */
bool doctor_token_words(struct doctor *d, struct ln_buf *out);
bool doctor_sends_auth(const struct doctor *d); /* anything at all that could be a credential */

#endif
