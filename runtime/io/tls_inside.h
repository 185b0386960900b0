/* SPDX-License-Identifier: MIT
 *
 * The files of TLS for each other: contexts with their files (tls_context.c), what is to be said
 * of a certificate (tls_cert.c), and the line itself (tls.c).
 */
#ifndef LN_TLS_INSIDE_H
#define LN_TLS_INSIDE_H

#include "io/tls.h"

struct ssl_ctx_st;
struct x509_st;

/* The context for these options, lent: kept by the loop for the next line with the same ones, as
 * long as their files do not change. NULL with err when one of the files does not serve. */
struct ssl_ctx_st *tls_context(struct loop *l, const struct tls_opts *o, struct ln_err *err);

/* Words for what verification found (X509_V_ERR_…), with the option that helps. host: the name
 * that was expected; sent: how many certificates the server sent. */
void tls_cert_defect(struct ln_buf *out, int error, struct x509_st *cert, const char *host,
                     int sent);
/* Fills what a certificate tells. */
void tls_cert_info(struct x509_st *cert, struct tls_info *info);
/* False with err when `pin` is malformed. */
bool tls_pin_check(const char *pin, struct ln_err *err);
/* Is this certificate's key among the pins? */
bool tls_pin_matches(struct x509_st *cert, const char *pin);

#endif
