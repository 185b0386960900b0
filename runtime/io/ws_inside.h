/* SPDX-License-Identifier: MIT
 *
 * The files of a WebSocket line for each other: ws_upgrade.c has the way to open, with redirects in
 * ws_redirect.c; ws.c the open line and every end.
 */
#ifndef LN_WS_INSIDE_H
#define LN_WS_INSIDE_H

#include "io/ws.h"
#include "wire/deflate.h"
#include "wire/url.h"

enum ws_state {
    WS_CONNECTING,
    WS_UPGRADING,
    WS_REFUSED,    /* the body of the refusal is read */
    WS_REDIRECTED, /* the stream is closed, and another one follows */
    WS_OPEN,
    WS_CLOSING,
    WS_DONE
};

struct ws_upgrade { /* only until the line is open */
    char key[WS_KEY_LEN + 1];
    char *protocols;
    struct ln_buf text; /* the request, then the answer */
    size_t head;        /* bytes of the answer's head */
    int interims;       /* answers that were not the final one */
    bool tls, offers_deflate;
    struct ws_deflate deflate; /* what was agreed */
    uint64_t deadline, since;
    struct ws_trip *trip; /* NULL: redirects are not followed */
};

struct ws_end {
    int code, status;
    bool has_err;
    struct ln_err err;
    size_t n;
    char reason[125];
};

struct ws {
    struct loop *loop;
    struct stream *stream;
    const struct ws_cbs *cbs;
    void *ud;
    struct ws_parser parser;
    struct ws_upgrade *upgrade;
    struct ws_end *end;
    struct ws_zip *zip; /* NULL: no compression was agreed */
    ln_id timer;
    uint32_t close_timeout_ms;
    uint8_t state;
    uint8_t deflate_bits;
    bool was_open, by_us;
};

/* --- ws.c --- */
extern const struct stream_cbs ws_stream_cbs;
struct ws_end *ws_end_of(struct ws *w);
/* Notes the first reason only: what follows from it is no news. */
void ws_note(struct ws *w, ln_status code, const char *text);
void ws_fail(struct ws *w, ln_status code, const char *text); /* and ends */
/* What the server said, without the secrets that it may have repeated. */
void ws_show(struct ln_buf *out, struct ln_str said);
/* The upgrade has succeeded; w->upgrade goes. */
void ws_opened(struct ws *w, struct ln_str protocol);

/* --- ws_upgrade.c --- */
/* False with err when the request cannot be written. */
bool ws_upgrade_new(struct ws *w, const struct ws_opts *o, struct ln_err *err);
void ws_upgrade_free(struct ws *w);
/* The request for this place, into upgrade->text, with a new key. */
bool ws_upgrade_write(struct ws *w, const char *host, const char *target,
                      const struct http_header *headers, size_t count, struct ln_err *err);
int64_t ws_upgrade_left_ms(const struct ws *w);
void ws_upgrade_connected(struct ws *w);
void ws_upgrade_data(struct ws *w, const char *p, size_t n);
/* The stream ended: what came of a refusal must do. */
void ws_upgrade_ended(struct ws *w);

/* --- ws_redirect.c --- */
struct ws_trip *ws_trip_new(const struct ws_opts *o);
void ws_trip_free(struct ws_trip *t); /* NULL is fine */
/* True when the answer is a redirect that was dealt with: it is followed, or the line fails. */
bool ws_redirect(struct ws *w, const struct http_head *h);
void ws_redirect_go(struct ws *w); /* the old stream is closed */

#endif
