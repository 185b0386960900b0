/* SPDX-License-Identifier: MIT
 *
 * The table that a plugin's main chunk returns: checked once, then asked at reload and at the end.
 */
#ifndef LN_LUA_PLUGIN_H
#define LN_LUA_PLUGIN_H

#include "bindings/lua_engine.h"

/* Raises when the value on top is no good plugin table: unknown fields, wrong types, a `requires`
 * that is not met. */
void plugin_check(lua_State *L, struct script *s);
/* save(self) as JSON; false without err->text: there is none. */
bool plugin_save(struct script *s, struct ln_buf *out, struct ln_err *err);
/* restore(self, s->saved), which is emptied. Raises. */
void plugin_restore(lua_State *L, struct script *s);
int plugin_restore_now(lua_State *L, void *ud);
/* linnet.on_dispose: fn is a registry reference. The id is the handle's. */
ln_id disposer_add(struct script *s, int fn);
/* Runs the on_dispose functions, newest first, then the plugin's dispose. */
void script_dispose(struct script *s, enum unload_reason why);
/* Is `version` at least (…) what "linnet >= 1.2" wants? False with err. name and version: of what
 * is there. */
bool version_meets(struct ln_str want, const char *name, const char *version, struct ln_err *err);

/* lua_use.c */
/* "people >= 2": is that plugin loaded, and new enough? */
bool use_requirement(struct script *s, struct ln_str want, struct ln_err *err);
void use_booted(struct script *s); /* init is over: who waits for it goes on */

/* lua_grants.c */
/* --allow and the settings of the script; false with err: a word that grants nothing. */
bool grants_read(struct script *s, struct ln_err *err);
void grants_free(struct script *s);

#endif
