/* SPDX-License-Identifier: MIT
 *
 * JSON straight between text and the Lua stack (RFC 8259, strict): no tree, no copy. Whole numbers
 * are exact 64-bit integers, null is linnet.null (a light userdata NULL, as lua-cjson's), decoded
 * arrays carry the array metatable so that an empty one stays one. Binary attachments are Lua
 * strings coming in, and values of linnet.binary going out.
 */
#ifndef LN_LUA_JSON_H
#define LN_LUA_JSON_H

#include "bindings/lua_engine.h"

/* Pushes the values of `args` (raw JSON values with commas between, no brackets; may be empty) and
 * returns how many; {"_placeholder":true,"num":k} becomes bin[k]. -1 with err (may be NULL) and
 * nothing pushed when the text is no JSON. Raises when memory ends. */
int lua_json_decode_args(lua_State *L, struct ln_str args, const struct ln_str *bin,
                         size_t bin_count, struct ln_err *err);
/* One value; false with err ("line 1, column 7: …") and nothing pushed. Raises when memory ends. */
bool lua_json_decode(lua_State *L, struct ln_str text, struct ln_err *err);

/* Attachments found while encoding; the bytes are lent by the Lua values. */
struct lua_json_bins {
    struct ln_str *v; /* ln_free it */
    size_t n, cap;
};
/* Adds the values from stack index first to last, with commas between, to out. Never raises: false
 * with err (what cannot be JSON, and its key), out cut back to where it was. bins NULL: binary
 * values are refused. */
bool lua_json_encode_args(lua_State *L, int first, int last, struct ln_buf *out,
                          struct lua_json_bins *bins, struct ln_err *err);
static inline bool lua_json_encode(lua_State *L, int idx, struct ln_buf *out, struct ln_err *err) {
    return lua_json_encode_args(L, idx, idx, out, NULL, err);
}

/* The bytes of a linnet.binary value; false when it is something else. */
bool lua_json_binary(lua_State *L, int idx, struct ln_str *bytes);
void lua_json_push_null(lua_State *L);
bool lua_json_is_null(lua_State *L, int idx);
/* Marks the table on top as an array (it stays one when empty). */
void lua_json_mark_array(lua_State *L);
/* Is it what scripts see as the metatable of arrays (json.array_mt)? */
bool lua_json_array_shown(lua_State *L, int idx);

void lua_json_free(struct script *s); /* the script ends */

/* linnet.json, linnet.null, linnet.array, linnet.binary */
void ln_open_json(lua_State *L);

#endif
