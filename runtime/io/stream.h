/* SPDX-License-Identifier: MIT
 *
 * A client's byte stream: names resolved off the loop, every address tried, TCP, then TLS if asked.
 * Each phase has its own timeout slice and its own error text, which begins with the phase ("TLS:
 * certificate has expired (…)"). Reads go into one buffer shared by the whole loop and are lent to
 * on_data; writes are gathered and leave once per turn.
 */
#ifndef LN_STREAM_H
#define LN_STREAM_H

#include "base/buf.h"
#include "io/loop.h"

enum stream_phase { PHASE_DNS, PHASE_TCP, PHASE_PROXY, PHASE_TLS, PHASE_HTTP, PHASE_OPEN };
const char *stream_phase_name(enum stream_phase p); /* "dns" "tcp" "proxy" "tls" "upgrade" "open" */

struct tls_opts {
    const char
        *ca; /* PEM file or folder, or NULL: the system's store (SSL_CERT_FILE is honoured) */
    const char *cert, *key;  /* PEM files or NULL */
    const char *passphrase;  /* of the key; NULL */
    const char *pin;         /* "sha256//BASE64" of the public key, several by ';'; NULL */
    const char *server_name; /* SNI and the name verified; NULL: the host */
    bool insecure;           /* no verification; the caller logs it */
};

/* What a TLS handshake agreed on, and the certificate that the server showed, for people. Also of a
 * handshake that failed, as far as it came: then `defect` says what is wrong with the certificate,
 * and version and cipher may be "". Revocation is not checked: no list is asked. */
struct tls_info {
    char version[16], cipher[64]; /* "TLSv1.3" "TLS_AES_256_GCM_SHA384" */
    char alpn[16];                /* "http/1.1", or "" when the server does not say */
    char subject[120], issuer[120];
    char names[400];  /* "chat.example, *.chat.example, 10.0.0.1": what it is for */
    char pin[64];     /* "sha256//…": what tls.pin would name; "" when there was no certificate */
    char defect[400]; /* as in the error text; "" when it passed */
    int64_t not_before, not_after; /* seconds since 1970 */
    int days_left;                 /* negative: it has expired */
};

struct stream_opts {
    const char *host;
    uint16_t port;
    const char *addresses;  /* "10.0.0.1,::1": tried instead of what DNS says; NULL */
    const char *unix_path;  /* a Unix socket to connect to instead (host: TLS and texts only) */
    int fd;                 /* > 0: connected already (to the proxy, if there is one), taken over */
    const char *proxy;      /* "http://user:pw@host:port", socks5://, socks5h://; NULL: direct */
    const char *proxy_from; /* what said so, for error texts: "https_proxy"; NULL: an option */
    bool tls;
    struct tls_opts tls_opts;
    int64_t timeout_ms; /* for everything up to open; 0 = 20 s */
};

struct stream;
struct stream_cbs { /* lent for the life of the stream */
    void (*open)(void *ud);
    /* Bytes lent; may be changed in place. Closing the stream from inside is fine. */
    void (*data)(void *ud, char *p, size_t n);
    /* The certain end, exactly once, never from inside stream_open: after a failure, a loss, the
     * peer's end (err LN_DISCONNECTED, "closed by the peer") or stream_close (err NULL). The
     * stream is gone when this returns. */
    void (*closed)(void *ud, enum stream_phase phase, const struct ln_err *err);
    void (*drained)(void *ud); /* may be NULL: what was queued has gone to the kernel */
};

struct stream *stream_open(struct loop *l, const struct stream_opts *o,
                           const struct stream_cbs *cbs, void *ud);
/* A stream over a descriptor that is connected already (tests: one end of a socket pair); open()
 * follows at the end of the turn. */
struct stream *stream_adopt(struct loop *l, int fd, const struct stream_cbs *cbs, void *ud);
/* The buffer of bytes to send: add to it, then call stream_send. Lent: ask for it each time. */
struct ln_buf *stream_out(struct stream *s);
void stream_send(struct stream *s);           /* sends at the end of the turn */
size_t stream_queued(const struct stream *s); /* bytes not yet taken by the kernel */
/* Flushes what fits without waiting, and ends; closed() follows at the end of the turn. */
void stream_close(struct stream *s);
void stream_pause(struct stream *s, bool paused); /* stop and resume reading */
enum stream_phase stream_phase_of(const struct stream *s);
/* False when the stream has no TLS. Also inside closed(). */
bool stream_tls_info(const struct stream *s, struct tls_info *info);
/* "127.0.0.1:4321", "chat.example:443 by http://10.0.0.1:3128", for people; valid until the next
 * call on this loop. */
struct ln_str stream_peer(const struct stream *s);

#endif
