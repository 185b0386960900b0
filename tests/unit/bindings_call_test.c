/* SPDX-License-Identifier: MIT
 *
 * The door: calls, waits, wakes, cancels, errors, trial loads, unloading from inside.
 */
#include "lua_rig.h"

TEST(a_script_runs) {
    struct rig r;
    rig_open(&r);
    struct script *s = rig_load(&r, "package.loaded.n = 42");
    CHECK(s != NULL);
    if (s) {
        CHECK_INT(rig_int(s, "n"), 42);
        rig_unload(&r, s);
    }
    rig_close(&r);
}

TEST_MAIN(T(a_script_runs))
