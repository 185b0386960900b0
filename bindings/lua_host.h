/* SPDX-License-Identifier: MIT
 *
 * Secrets, as other modules meet them: values that print as *** and go out only where something
 * identifies us to a server.
 */
#ifndef LN_LUA_HOST_H
#define LN_LUA_HOST_H

#include "bindings/lua_args.h"

/* The text of a Secret (lent by it); false when the value is something else. */
bool secret_get(lua_State *L, int idx, struct ln_str *text);

/* The main chunk ended: warns of settings whose names are nearly those that it asked for. */
void options_look_over(lua_State *L);

void ln_open_host(lua_State *L);

#endif
