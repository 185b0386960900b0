/* SPDX-License-Identifier: MIT
 *
 * Shared by the halves of the JSON binding: lua_json_read.c, lua_json_write.c and the module
 * lua_json.c.
 */
#ifndef LN_LUA_JSON_INSIDE_H
#define LN_LUA_JSON_INSIDE_H

#include "bindings/lua_json.h"

#define JSON_DEPTH 100
#define JSON_DEPTH_MAX 1000 /* what a script may ask for */
#define JSON_KEYS 256
#define JSON_KEY_MAX 31 /* bytes; longer keys are not kept */

struct json_key {
    const char *p; /* the Lua string's own bytes */
    uint32_t n;
    int ref; /* of the Lua string in the registry; 0: free */
};

/* Of one script. */
struct json_state {
    struct json_key keys[JSON_KEYS]; /* by hash: most keys were seen before */
    struct ln_buf scratch;           /* strings with escapes */
    int array_mt, binary_mt;         /* registry references; 0: not made yet */
    const void *array_shown;         /* the table that scripts see in the place of array_mt */
};
struct json_state *json_state(lua_State *L); /* made at the first use: may raise then */

struct json_opts {
    int encode_depth, decode_depth;
    bool sparse_convert, empty_array, nan_null;
    int sparse_ratio, sparse_safe; /* ratio < 0: holes are errors */
    int precision;                 /* digits of floats; 0: the shortest that read back the same */
};
extern const struct json_opts json_defaults;
extern void *const json_empty_array; /* a light userdata that is written as [] */

int json_decode(lua_State *L, struct ln_str text, bool is_list, const struct ln_str *bin,
                size_t bin_count, int max_depth, struct ln_err *err);
bool json_encode(lua_State *L, int first, int last, struct ln_buf *out, struct lua_json_bins *bins,
                 const struct json_opts *o, struct ln_err *err);

/* The first byte in [p, end) that cannot stand in a JSON string as it is: " \ or a control
 * character; or end. *high: a byte above 0x7f was passed. */
const char *json_plain(const char *p, const char *end, bool *high);
/* The string that begins at `begin` and holds its first special byte at p, without its escapes,
 * added to out. Behind the closing quote; or, with *error, where it is wrong. */
const char *json_unescape(const char *begin, const char *p, const char *end, struct ln_buf *out,
                          bool *high, const char **error);

#endif
