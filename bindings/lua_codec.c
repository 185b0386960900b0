/* SPDX-License-Identifier: MIT
 *
 * Codecs of raw WebSocket that are functions of a script: `decode` makes an event of a message,
 * `encode` a message of an event. Those of the script that opened the connection serve all that
 * use it; a reload puts the new version's in their place. Their values pass as JSON, as those of
 * any event do. Neither may wait.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "bindings/lua_conn.h"
#include "bindings/lua_json.h"
#include "bindings/lua_modules.h"

/* --- the option --- */

void codec_plain(lua_State *L) {
    int from = lua_gettop(L);
    if (lua_type(L, from) != LUA_TTABLE) return;
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        bool is_fn = strcmp(key, "decode") == 0 || strcmp(key, "encode") == 0;
        if (is_fn && !lua_isfunction(L, -1))
            script_fail(L, "linnet.connect: option 'codec.%s' must be a function, not %s", key,
                        luaL_typename(L, -1));
        if (is_fn) continue;
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, from + 1);
    }
    lua_remove(L, from);
}

/* The newest live use that has functions. */
static struct conn_use *codec_use(struct app *app, struct conn *c) {
    struct conn_share *sh = conn_share_of(app, c);
    struct conn_use *found = NULL;
    if (!sh) return NULL;
    LN_LIST_EACH (&sh->uses, node, next) {
        struct conn_use *u = LN_CONTAINER(node, struct conn_use, by_share);
        bool has = u->fn[USE_DECODE] != LUA_NOREF || u->fn[USE_ENCODE] != LUA_NOREF;
        if (has && u->script->seat->state == SEAT_LIVE) found = u;
    }
    return found;
}

/* Runs it to its end; one that waits is ended. */
static void run(struct script *s, int fn, const char *name, lua_push_fn push, lua_done_fn done,
                void *ud) {
    struct lua_call call = {.script = s,
                            .fn = fn,
                            .what = "codec",
                            .name = ln_str(name),
                            .push = push,
                            .done = done,
                            .logs = true,
                            .ud = ud};
    ln_id task = lua_call_run(&call);
    if (!task) return;
    lua_call_cancel(s->app, task);
    char tag[100];
    snprintf(tag, sizeof tag, "script:%s", s->seat->name);
    ln_log(LN_ERROR, tag, "codec.%s waited: it must answer at once", name);
}

/* --- in --- */

struct decoding {
    struct ln_str data;
    bool binary, is_event;
    struct ln_buf name, args, bytes; /* copies: what the values are made of does not last */
    struct lua_json_bins bins;
};

static int decode_push(lua_State *L, void *ud) {
    const struct decoding *d = ud;
    lua_pushlstring(L, d->data.p, d->data.n);
    lua_pushboolean(L, d->binary);
    return 2;
}

static void copy_bins(struct decoding *d) {
    size_t at = 0;
    for (size_t i = 0; i < d->bins.n; i++)
        ln_buf_str(&d->bytes, d->bins.v[i]);
    for (size_t i = 0; i < d->bins.n; i++) {
        d->bins.v[i].p = d->bytes.p + at;
        at += d->bins.v[i].n;
    }
}

static void decode_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct decoding *d = ud;
    struct ln_err why;
    if (err || n < 1 || lua_isnil(L, -n)) return;
    int first = lua_absindex(L, -n);
    if (lua_type(L, first) != LUA_TSTRING)
        luaL_error(L, "codec.decode returns an event's name and arguments, or nil; not a %s",
                   luaL_typename(L, first));
    if (!lua_json_encode_args(L, first + 1, first + n - 1, &d->args, &d->bins, &why))
        luaL_error(L, "codec.decode: %s", why.text);
    copy_bins(d);
    struct ln_str name = {0};
    name.p = lua_tolstring(L, first, &name.n);
    ln_buf_str(&d->name, name);
    d->is_event = true;
}

static bool decode(void *ud, struct conn *c, bool binary, struct ln_str data) {
    struct conn_use *u = codec_use(ud, c);
    if (!u || u->fn[USE_DECODE] == LUA_NOREF) return false;
    struct decoding d = {.data = data, .binary = binary};
    run(u->script, u->fn[USE_DECODE], "decode", decode_push, decode_done, &d);
    if (d.is_event) {
        struct event ev = {.name = ln_buf_get(&d.name),
                           .args = ln_buf_get(&d.args),
                           .bin = d.bins.v,
                           .bin_count = d.bins.n};
        conn_decoded(c, &ev);
    }
    ln_buf_free(&d.name);
    ln_buf_free(&d.args);
    ln_buf_free(&d.bytes);
    ln_free(d.bins.v);
    return true;
}

/* --- out --- */

struct encoding {
    struct conn_emit *e;
    struct ln_buf *frame;
    ln_status *status;
    struct ln_err *err;
};

static int encode_push(lua_State *L, void *ud) {
    const struct encoding *x = ud;
    lua_pushlstring(L, x->e->name.p, x->e->name.n);
    int n = lua_json_decode_args(L, x->e->args, x->e->bin, x->e->bin_count, NULL);
    return n < 0 ? 1 : n + 1;
}

bool frame_of_value(lua_State *L, int idx, struct ln_str *bytes, bool *binary) {
    *binary = lua_json_binary(L, idx, bytes);
    if (*binary) return true;
    if (lua_type(L, idx) != LUA_TSTRING) return false;
    bytes->p = lua_tolstring(L, idx, &bytes->n);
    return true;
}

static void encode_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct encoding *x = ud;
    struct ln_str bytes, words = {0};
    bool binary = false;
    if (err) {
        *x->status = ln_fail(x->err, LN_INVALID, "codec.encode: %s", err->text);
    } else if (n >= 1 && frame_of_value(L, -n, &bytes, &binary)) {
        *x->status = LN_OK;
        ln_buf_str(x->frame, bytes);
        if (binary) x->e->flags |= CONN_EMIT_BINARY;
        if (!binary && !ln_utf8_valid(bytes.p, bytes.n))
            *x->status = ln_fail(x->err, LN_INVALID,
                                 "codec.encode returned no UTF-8: use linnet.binary for bytes");
    } else {
        if (n >= 2) words = error_words(L, -n + 1);
        if (!words.n) words = LN_STR("codec.encode returned no string and no linnet.binary");
        *x->status = ln_fail(x->err, LN_INVALID, "%.*s", LN_FMT(words));
    }
}

static bool encode(void *ud, struct conn *c, struct conn_emit *e, struct ln_buf *frame,
                   ln_status *status, struct ln_err *err) {
    struct conn_use *u = codec_use(ud, c);
    if (!u || u->fn[USE_ENCODE] == LUA_NOREF) return false;
    struct encoding x = {e, frame, status, err};
    *status = ln_fail(err, LN_CANCELLED, "codec.encode gave no answer");
    run(u->script, u->fn[USE_ENCODE], "encode", encode_push, encode_done, &x);
    return true;
}

bool codec_functions(lua_State *L, int codec, int *fn) {
    static const char *const names[] = {"decode", "encode"};
    static const struct conn_codecs codecs = {decode, encode};
    bool found = false;
    if (lua_type(L, codec) != LUA_TTABLE) return false;
    for (size_t i = 0; i < LN_COUNT(names); i++) {
        lua_getfield(L, codec, names[i]);
        fn[i] = lua_isfunction(L, -1) ? lua_gettop(L) : 0;
        found = found || fn[i];
    }
    if (found) clients_codecs(app_of(L)->clients, &codecs, app_of(L));
    return found;
}
