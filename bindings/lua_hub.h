/* SPDX-License-Identifier: MIT
 *
 * The hub, scripted (API 12a): lua_hub.c has the Hub, lua_client.c its clients.
 */
#ifndef LN_LUA_HUB_H
#define LN_LUA_HUB_H

#include "bindings/lua_args.h"

/* The running hub; raises when there is none. */
struct hub *hub_check(lua_State *L, const char *fn);
void client_push(lua_State *L, ln_id client);
ln_id client_check(lua_State *L, int idx, const char *fn);
/* Do the fields of a Client (at idx) fit the table or function at `where` (0: anything fits)? */
bool client_fits(lua_State *L, int idx, int where);

#endif
