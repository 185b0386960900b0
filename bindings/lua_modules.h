/* SPDX-License-Identifier: MIT
 *
 * The modules of the API, in the order in which they are opened: each X is `void ln_open_X(lua_State
 * *L)` with the table `linnet` on top of the stack. Who adds a module adds its line.
 */
#ifndef LN_LUA_MODULES_H
#define LN_LUA_MODULES_H

#define LN_LUA_MODULES(X) X(json)

#endif
