/* SPDX-License-Identifier: MIT
 *
 * Small tools: uuid, hmac, base64, jwt.decode, inspect.
 */
#include "base/crypt.h"
#include "base/jwt.h"
#include "base/text.h"
#include "bindings/lua_host.h"
#include "bindings/lua_modules.h"

#define INSPECT_DEPTH 10
#define INSPECT_BYTES 100000

/* linnet.uuid() -> string */
static int l_uuid(lua_State *L) {
    char text[37];
    ln_uuid(text);
    lua_pushstring(L, text);
    return 1;
}

/* linnet.hmac(alg, key, data) -> string in lower-case hex */
static int l_hmac(lua_State *L) {
    static const char *const algs[] = {"sha256", NULL};
    unsigned char sum[32];
    char hex[65];
    struct ln_str key;
    arg_word(L, 1, "linnet.hmac", "algorithm", algs, -1);
    if (!secret_get(L, 2, &key)) key = arg_str(L, 2, "linnet.hmac", "the key");
    ln_hmac_sha256(key, arg_str(L, 3, "linnet.hmac", "the data"), sum);
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = "0123456789abcdef"[sum[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
    }
    lua_pushlstring(L, hex, 64);
    return 1;
}

/* base64.encode(bytes) -> string */
static int l_base64_encode(lua_State *L) {
    struct ln_str s = arg_str(L, 1, "base64.encode", "the bytes");
    struct ln_buf *out = api_out(L);
    ln_base64_encode(out, s.p, s.n);
    lua_pushlstring(L, out->n ? out->p : "", out->n);
    return 1;
}

/* base64.decode(text) -> string | nil, err */
static int l_base64_decode(lua_State *L) {
    struct ln_str s = arg_str(L, 1, "base64.decode", "the text");
    struct ln_buf *out = api_out(L);
    if (!ln_base64_decode(out, s)) return lua_push_err(L, LN_INVALID, "this is no base64");
    lua_pushlstring(L, out->n ? out->p : "", out->n);
    return 1;
}

/* jwt.decode(token) -> claims | nil, err; the signature is not looked at */
static int l_jwt_decode(lua_State *L) {
    struct ln_str s;
    struct ln_err err;
    struct ln_jwt jwt;
    struct ln_buf *out = api_out(L);
    if (!secret_get(L, 1, &s)) s = arg_str(L, 1, "jwt.decode", "the token");
    if (!ln_jwt_read(&jwt, s, &err)) return lua_push_ln_err(L, &err);
    ln_buf_str(out, ln_buf_get(&jwt.claims)); /* before what may raise */
    ln_jwt_free(&jwt);
    if (!lua_json_decode(L, ln_buf_get(out), &err)) return lua_push_ln_err(L, &err);
    return 1;
}

/* --- inspect --- */

static bool is_name(struct ln_str s) {
    static const char *const words[] = {"and",   "break", "do",       "else", "elseif", "end",
                                        "false", "for",   "function", "goto", "if",     "in",
                                        "local", "nil",   "not",      "or",   "repeat", "return",
                                        "then",  "true",  "until",    "while"};
    if (s.n == 0 || (s.p[0] >= '0' && s.p[0] <= '9')) return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    for (size_t i = 0; i < LN_COUNT(words); i++)
        if (ln_str_is(s, words[i])) return false;
    return true;
}

static void quote(struct ln_buf *out, struct ln_str s) {
    ln_buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            ln_buf_fmt(out, "\\%c", c);
        else if (c == '\n')
            ln_buf_puts(out, "\\n");
        else if (c < 32 || c == 127)
            ln_buf_fmt(out, "\\%03d", c);
        else
            ln_buf_putc(out, (char)c);
    }
    ln_buf_putc(out, '"');
}

static void inspect(lua_State *L, int idx, struct ln_buf *out, int depth);

static void inspect_key(lua_State *L, int idx, struct ln_buf *out) {
    struct ln_str s = {NULL, 0};
    if (lua_type(L, idx) == LUA_TSTRING) s.p = lua_tolstring(L, idx, &s.n);
    if (s.p && is_name(s)) {
        ln_buf_str(out, s);
        return;
    }
    ln_buf_putc(out, '[');
    inspect(L, idx, out, INSPECT_DEPTH);
    ln_buf_putc(out, ']');
}

static void inspect_table(lua_State *L, int idx, struct ln_buf *out, int depth) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, idx);
    bool first = true;
    luaL_checkstack(L, 8, "nested too deep");
    ln_buf_putc(out, '{');
    for (lua_Integer i = 1; i <= n && out->n < INSPECT_BYTES; i++) {
        ln_buf_puts(out, first ? " " : ", ");
        first = false;
        lua_rawgeti(L, idx, i);
        inspect(L, lua_gettop(L), out, depth + 1);
        lua_pop(L, 1);
    }
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        int key = lua_gettop(L) - 1;
        if (lua_isinteger(L, key) && lua_tointeger(L, key) >= 1 && lua_tointeger(L, key) <= n)
            continue;
        if (out->n > INSPECT_BYTES) continue;
        ln_buf_puts(out, first ? " " : ", ");
        first = false;
        inspect_key(L, key, out);
        ln_buf_puts(out, " = ");
        inspect(L, key + 1, out, depth + 1);
    }
    ln_buf_puts(out, first ? "}" : " }");
}

static void inspect(lua_State *L, int idx, struct ln_buf *out, int depth) {
    int type = lua_type(L, idx);
    struct ln_str s;
    bool has_text = luaL_getmetafield(L, idx, "__tostring") != LUA_TNIL;
    if (has_text) lua_pop(L, 1);
    if (type == LUA_TTABLE && !has_text && depth < INSPECT_DEPTH) {
        inspect_table(L, idx, out, depth);
        return;
    }
    s.p = luaL_tolstring(L, idx, &s.n);
    bool is_cut = s.n > INSPECT_BYTES;
    if (is_cut) s.n = INSPECT_BYTES;
    if (type == LUA_TSTRING)
        quote(out, s);
    else
        ln_buf_str(out, s);
    if (is_cut) ln_buf_puts(out, "...");
    lua_pop(L, 1);
}

static int text_gc(lua_State *L) {
    ln_buf_free(lua_touserdata(L, 1));
    return 0;
}

/* A buffer that is freed whatever happens: __tostring is the script's, and may come here again. */
static struct ln_buf *text_push(lua_State *L) {
    struct ln_buf *b = lua_newuserdatauv(L, sizeof *b, 0);
    *b = (struct ln_buf){0};
    if (luaL_newmetatable(L, "linnet.text")) {
        lua_pushcfunction(L, text_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return b;
}

void inspect_push(lua_State *L, int idx) {
    idx = lua_absindex(L, idx);
    struct ln_buf *out = text_push(L);
    inspect(L, idx, out, 0);
    lua_pushlstring(L, out->p ? out->p : "", out->n);
    ln_buf_free(out);
    lua_remove(L, -2);
}

/* linnet.inspect(value) -> string */
static int l_inspect(lua_State *L) {
    luaL_checkany(L, 1);
    inspect_push(L, 1);
    return 1;
}

static void sub_table(lua_State *L, const char *name, const luaL_Reg *fns) {
    lua_newtable(L);
    luaL_setfuncs(L, fns, 0);
    lua_setfield(L, -2, name);
}

void ln_open_tools(lua_State *L) {
    static const luaL_Reg fns[] = {
        {"uuid", l_uuid}, {"hmac", l_hmac}, {"inspect", l_inspect}, {NULL, NULL}};
    static const luaL_Reg base64[] = {
        {"encode", l_base64_encode}, {"decode", l_base64_decode}, {NULL, NULL}};
    static const luaL_Reg jwt[] = {{"decode", l_jwt_decode}, {NULL, NULL}};
    luaL_setfuncs(L, fns, 0);
    sub_table(L, "base64", base64);
    sub_table(L, "jwt", jwt);
}
