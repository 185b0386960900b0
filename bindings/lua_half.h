/* SPDX-License-Identifier: MIT
 *
 * The Lua half: files of bindings/linnet that are part of the program, and what they stand on.
 */
#ifndef LN_LUA_HALF_H
#define LN_LUA_HALF_H

#include "bindings/lua_args.h"

/* Pushes what bindings/linnet/NAME returns. It is run at its first use in a script with one table
 * of C functions, those of lua_half.c and `more`; its own files are loaded by c.part(file, value).
 */
void half_push(lua_State *L, const char *name, const luaL_Reg *more);

#endif
