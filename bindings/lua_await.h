/* SPDX-License-Identifier: MIT
 *
 * Waiting for one event of a bus.
 */
#ifndef LN_LUA_AWAIT_H
#define LN_LUA_AWAIT_H

#include "bindings/lua_event.h"

#define AWAIT_MS (5 * 60 * 1000) /* when no timeout is given: every wait ends */

/* What to wait for; where is taken over (a registry reference), room is copied. */
struct await {
    struct bus *bus;
    struct ln_str name; /* {NULL, 0}: any */
    int where;          /* or LUA_NOREF */
    struct ln_str room; /* or {NULL, 0} */
    int64_t timeout_ms;
    const char *what; /* static, for the error: "wait_for" */
    int (*lead)(lua_State *L, struct lua_listener *none, struct event *ev); /* or NULL */
    /* NULL, or decides instead of `where`: 0 goes on waiting, 1 takes it. */
    int (*check)(struct event *ev);
    lua_push_fn push; /* NULL: the event's arguments; else what is pushed, with the event as ud */
};
/* ⏸ `return await_event(L, &a);` after lua_call_can_wait. */
int await_event(lua_State *L, const struct await *a);

#endif
