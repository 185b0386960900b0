/* SPDX-License-Identifier: MIT
 *
 * Buses of the Lua half.
 */
#ifndef LN_LUA_BUS_H
#define LN_LUA_BUS_H

#include "bindings/lua_args.h"

/* Pushes a new bus: bus:on(name, fn, opts?, fn_name?) -> Handle, bus:emit(name, ...),
 * bus:wait(name, seconds?, where?). It lives as long as its userdata. */
void local_bus_push(lua_State *L);

#endif
