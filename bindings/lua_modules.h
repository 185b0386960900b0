/* SPDX-License-Identifier: MIT
 *
 * The modules of the API, in the order in which they are opened: each X is `void
 * ln_open_X(lua_State *L)` with the table `linnet` on top of the stack. Who adds a module adds its
 * line.
 */
#ifndef LN_LUA_MODULES_H
#define LN_LUA_MODULES_H

#include <lua.h>

#define LN_LUA_MODULES(X)                                                                          \
    X(json)                                                                                        \
    X(args)                                                                                        \
    X(conn)                                                                                        \
    X(share)                                                                                       \
    X(ask)                                                                                         \
    X(room)                                                                                        \
    X(event) X(timer) X(spawn) X(log) X(secret) X(time) X(tools) X(hub) X(script) X(use) X(host)

#define LN_DECLARE(name) void ln_open_##name(lua_State *L);
LN_LUA_MODULES(LN_DECLARE)
#undef LN_DECLARE

#endif
