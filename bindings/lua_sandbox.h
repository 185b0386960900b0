/* SPDX-License-Identifier: MIT
 *
 * What makes up a script's world, opened by lua_engine.c in this order.
 */
#ifndef LN_LUA_SANDBOX_H
#define LN_LUA_SANDBOX_H

#include "bindings/lua_engine.h"

void sandbox_open(lua_State *L);  /* lua_sandbox.c: the closed list of globals */
void sandbox_close(lua_State *L); /* from here on undeclared globals are errors */
void guard_open(lua_State *L);    /* lua_guard.c: pcall, coroutine, setmetatable, load, table */
void pattern_open(lua_State *L);  /* lua_pattern.c: string.find and its kin, into table `string` */
void files_open(lua_State *L);    /* lua_files.c: io and os, within the script's directories */
void require_open(lua_State *L);  /* lua_require.c */

/* Pushes the function that a Lua file is, named by its path. Raises. */
void module_push(lua_State *L, const char *path);
/* May this script read (write) the file? The resolved path goes to out (PATH_MAX bytes). Raises
 * with the missing grant; false with errno when there is no such place. */
bool file_check(lua_State *L, const char *path, bool write, char *out);
/* Compiles text (a leading #! line and BOM are skipped); like luaL_loadbufferx. */
int script_compile(lua_State *L, struct ln_str text, const char *chunk_name);
/* The whole file into out; false with err. */
bool file_read(const char *path, struct ln_buf *out, struct ln_err *err);

#endif
