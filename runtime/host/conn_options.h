/* SPDX-License-Identifier: MIT
 *
 * What conn_options.c and conn_options_line.c share: one row for each option of a connection.
 */
#ifndef LN_CONN_OPTIONS_H
#define LN_CONN_OPTIONS_H

#include "host/config.h"

struct conn_option {
    const char *name;
    const char *wants; /* for the error: "must be …" */
    /* False: with err's text, or (empty) "must be …" is said. */
    bool (*set)(struct conn_opts *o, struct ln_str json, struct ln_err *err);
    bool is_private; /* may hold a secret: a wrong value is not repeated */
};
const struct conn_option *conn_option_more(size_t i); /* NULL: no more */

/* A JSON string into *to, which is freed before; false when json is none. */
bool conn_option_text(char **to, struct ln_str json);
/* An option, or (table: "tls.") a field of one, that is not in names (NULL-ended). */
void conn_option_unknown(const char *table, struct ln_str key, const char *const *names,
                         struct ln_err *err);

#endif
