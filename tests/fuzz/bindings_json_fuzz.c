/* SPDX-License-Identifier: MIT
 *
 * JSON on the Lua stack: any bytes; it must agree with base/json about what is JSON (but for halves
 * of surrogate pairs), and what was decoded must encode and decode to the same text again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "bindings/lua_json.h"
#include "io/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct script *script;

static void loaded(void *ud, struct seat *seat, const struct ln_err *err) {
    (void)ud;
    if (err) abort();
    script = seat->impl;
}

static void must(bool cond) {
    if (!cond) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static struct app app;
    struct ln_str text = {(const char *)p, n};
    struct ln_buf once = {0}, twice = {0};
    if (!script) {
        app.loop = loop_new();
        engine_lua.load(&app, "fuzz", LN_STR(""), loaded, NULL);
    }
    lua_State *L = script->L;
    lua_settop(L, 0);
    bool is_json = lua_json_decode(L, text, NULL);
    bool has_half = memmem(p, n, "\\u", 2) != NULL;
    if (!has_half) must(is_json == ln_json_valid(text, NULL));
    /* "1e999" reads as infinity, which no JSON can say. */
    if (is_json && lua_json_encode(L, 1, &once, NULL)) {
        must(lua_json_decode(L, ln_buf_get(&once), NULL));
        must(lua_json_encode(L, 2, &twice, NULL));
        must(once.n == twice.n); /* members may come in another order */
    }
    ln_buf_free(&once);
    ln_buf_free(&twice);
    return 0;
}
