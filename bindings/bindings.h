/* SPDX-License-Identifier: MIT
 *
 * What host/main.c knows of the Lua side. Includes no lua.h.
 */
#ifndef LN_BINDINGS_H
#define LN_BINDINGS_H

#include "host/app.h"

extern const struct engine engine_lua;

/* linnet.cfg.lua: data in Lua syntax, run in an empty environment with `env`, `secret` and `file`
 * (bindings/lua_config.c). False with err, file and line first. */
bool lua_config_file(struct config *c, const char *path, enum config_level level,
                     struct ln_err *err);
/* `linnet check`: compiles a script and looks for names that nobody has (bindings/lua_check.c).
 * Prints one line a problem to stderr; returns how many. */
int lua_check(const char *path);

#endif
