/* SPDX-License-Identifier: MIT
 *
 * linnet.time: the clocks. Calendars and time zones come with schedules.
 */
#include "base/clock.h"
#include "bindings/lua_args.h"
#include "bindings/lua_modules.h"

/* time.now() -> seconds since 1970 */
static int l_time_now(lua_State *L) {
    lua_pushnumber(L, (double)ln_wall_ms() / 1000.0);
    return 1;
}

/* time.monotonic() -> seconds; never goes back */
static int l_time_monotonic(lua_State *L) {
    lua_pushnumber(L, (double)ln_mono_ns() / 1e9);
    return 1;
}

void ln_open_time(lua_State *L) {
    static const luaL_Reg fns[] = {
        {"now", l_time_now}, {"monotonic", l_time_monotonic}, {NULL, NULL}};
    luaL_newlib(L, fns);
    lua_setfield(L, -2, "time");
}
