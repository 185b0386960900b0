/* SPDX-License-Identifier: MIT
 *
 * The hub, scripted (API 12a): lua_hub.c has the Hub, lua_hub_ask.c what it asks scripts,
 * lua_client.c its clients.
 */
#ifndef LN_LUA_HUB_H
#define LN_LUA_HUB_H

#include "bindings/lua_args.h"

/* The running hub; raises when there is none. */
struct hub *hub_check(lua_State *L, const char *fn);
struct hub *hub_self(lua_State *L, const char *fn); /* the Hub at 1; raises as hub_check */
/* Methods of the Hub, and app.ask_admit and ask_authorize (host/app.h). */
int l_hub_use(lua_State *L);
int l_hub_on_auth(lua_State *L);
void hub_ask_admit(struct app *app, ln_id ticket, struct ln_str nsp, struct ln_str auth,
                   struct ln_str headers_json);
void hub_ask_authorize(struct app *app, ln_id ticket, struct ln_str request);
void client_push(lua_State *L, ln_id client);
ln_id client_check(lua_State *L, int idx, const char *fn);
/* Do the fields of a Client (at idx) fit the table or function at `where` (0: anything fits)? */
bool client_fits(lua_State *L, int idx, int where);

#endif
