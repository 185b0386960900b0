/* SPDX-License-Identifier: MIT
 *
 * TLS for a stream (OpenSSL 3), client only, 1.2 and up: verification with errors that name the
 * certificate's defect and the option that helps. Knows a descriptor, not the stream.
 */
#ifndef LN_TLS_H
#define LN_TLS_H

#include "io/stream.h"

struct tls;
enum tls_io { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_EOF, TLS_FAILED };

/* Reads the option's files (kept for the next line with the same ones). NULL with err when one of
 * them does not serve. */
struct tls *tls_new(struct loop *l, const struct stream_opts *o, struct ln_err *err);
void tls_free(struct tls *t); /* NULL is fine */
void tls_attach(struct tls *t, int fd);
enum tls_io tls_handshake(struct tls *t, struct ln_err *err);
/* Fills p as far as records are there; TLS_DONE when *got > 0. */
enum tls_io tls_read(struct tls *t, char *p, size_t n, size_t *got, struct ln_err *err);
enum tls_io tls_write(struct tls *t, const char *p, size_t n, size_t *put, struct ln_err *err);
/* What is known so far; after a failure too. */
void tls_info_get(const struct tls *t, struct tls_info *info);
bool tls_has_pending(const struct tls *t); /* bytes that the descriptor no longer shows */
void tls_bye(struct tls *t);               /* says that nothing follows (close_notify) */

#endif
