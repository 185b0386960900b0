/* SPDX-License-Identifier: MIT
 *
 * Where secrets are kept: the environment (NAME), a file that it names (NAME_FILE), systemd's
 * $CREDENTIALS_DIRECTORY/NAME, or $XDG_CONFIG_HOME/linnet/secrets (lines NAME=value, mode 0600).
 */
#ifndef LN_SECRET_H
#define LN_SECRET_H

#include "base/buf.h"

/* Adds the value to out and hides it from the log. False with err: LN_NOT_FOUND says the places
 * that were looked at, LN_DENIED that the secrets file can be read by others. */
bool secret_find(const char *name, struct ln_buf *out, struct ln_err *err);

#endif
