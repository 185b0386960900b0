/* SPDX-License-Identifier: MIT
 *
 * An engine runs scripts of one kind. Lua is one (bindings/lua_engine.c); C plugins are another.
 */
#ifndef LN_ENGINE_H
#define LN_ENGINE_H

#include "base/buf.h"
#include "host/seat.h"

struct app;

enum unload_reason { UNLOAD_STOP, UNLOAD_RELOAD, UNLOAD_DISABLED };

struct engine {
    const char *name, *ext; /* "lua", ".lua" */
    /* Compiles and runs the file at path (or `code` when not NULL, as `path`) on a trial seat. Ends
     * by done(ud, seat, err): seat live-able (main chunk ended or waits), or NULL with err (file
     * and line first). done may be called from inside. */
    void (*load)(struct app *app, const char *path, struct ln_str code,
                 void (*done)(void *ud, struct seat *seat, const struct ln_err *err), void *ud);
    /* What the old version gives to the new (`save`), as JSON added to out; false: none. */
    bool (*save)(struct seat *s, struct ln_buf *out, struct ln_err *err);
    bool (*restore)(struct seat *s, struct ln_str saved, struct ln_err *err);
    /* Runs dispose, drops everything, frees. Later when called from inside one of its own handlers.
     */
    void (*unload)(struct seat *s, enum unload_reason why);
};

#endif
