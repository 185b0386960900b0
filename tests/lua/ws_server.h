/* SPDX-License-Identifier: MIT
 *
 * A WebSocket server for specs, on a port of this machine and on the world's loop; what it says is
 * the spec's business:
 *   rig.serve(fn) -> port     fn("open", id, target) fn("text", id, data) fn("binary", id, data)
 *                             fn("close", id, code)
 *   rig.tell(id, text)   rig.tell_binary(id, bytes)   rig.cut(id, code?, reason?)
 * An error in fn fails the spec at the world's end.
 */
#ifndef LN_TEST_WS_SERVER_H
#define LN_TEST_WS_SERVER_H

#include <lauxlib.h>

#include "base/mem.h"
#include "io/server.h"

#define WS_LINES 64

struct ws_line {
    struct server_peer *peer; /* NULL: closed */
    int id;
};

static struct {
    lua_State *L;
    struct server *server; /* NULL: none */
    int fn;
    struct ws_line lines[WS_LINES];
    int count;
    char failed[500]; /* the first error of fn */
} wss;

static void wss_tell(const char *what, int id, struct ln_str data) {
    lua_State *L = wss.L;
    luaL_checkstack(L, 8, "ws server");
    lua_rawgeti(L, LUA_REGISTRYINDEX, wss.fn);
    lua_pushstring(L, what);
    lua_pushinteger(L, id);
    lua_pushlstring(L, data.p ? data.p : "", data.n);
    if (lua_pcall(L, 3, 0, 0) == LUA_OK) return;
    if (!wss.failed[0]) snprintf(wss.failed, sizeof wss.failed, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
}

static bool wss_accept(void *ud, const struct server_request *r, struct server_reply *reply) {
    (void)ud, (void)r, (void)reply;
    return wss.count < WS_LINES;
}

static void *wss_open(void *ud, struct server_peer *p, const struct server_request *r) {
    (void)ud;
    struct ws_line *line = &wss.lines[wss.count++];
    struct ln_buf target = {0};
    *line = (struct ws_line){p, wss.count};
    ln_buf_str(&target, r->path);
    if (r->query.n) ln_buf_fmt(&target, "?%.*s", LN_FMT(r->query));
    wss_tell("open", line->id, ln_buf_get(&target));
    ln_buf_free(&target);
    return line;
}

static void wss_message(void *ud, bool binary, char *p, size_t n) {
    struct ws_line *line = ud;
    wss_tell(binary ? "binary" : "text", line->id, (struct ln_str){p, n});
}

static void wss_closed(void *ud, int code, struct ln_str reason) {
    struct ws_line *line = ud;
    char text[16];
    (void)reason;
    line->peer = NULL;
    snprintf(text, sizeof text, "%d", code);
    wss_tell("close", line->id, ln_str(text));
}

static void wss_request(void *ud, const struct server_request *r, struct server_reply *reply) {
    (void)ud, (void)r, (void)reply; /* 404 */
}

static int wss_serve(lua_State *L, struct loop *loop) {
    static const struct server_cbs cbs = {.request = wss_request,
                                          .accept = wss_accept,
                                          .open = wss_open,
                                          .message = wss_message,
                                          .closed = wss_closed};
    struct server_opts o = {
        .host = "127.0.0.1", .max_message = 1 << 20, .max_queue = 1 << 20, .max_peers = WS_LINES};
    struct ln_err err;
    luaL_checktype(L, 1, LUA_TFUNCTION);
    if (wss.server) return luaL_error(L, "one server a world");
    memset(&wss, 0, sizeof wss);
    wss.L = L;
    wss.server = server_open(loop, &o, &cbs, NULL, &err);
    if (!wss.server) return luaL_error(L, "%s", err.text);
    lua_settop(L, 1);
    wss.fn = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushinteger(L, server_port(wss.server));
    return 1;
}

static struct server_peer *wss_peer(lua_State *L) {
    lua_Integer id = luaL_checkinteger(L, 1);
    if (id < 1 || id > wss.count) luaL_error(L, "no such line");
    return wss.lines[id - 1].peer;
}

static int wss_say(lua_State *L, bool binary) {
    struct server_peer *p = wss_peer(L);
    struct ln_str data;
    data.p = luaL_checklstring(L, 2, &data.n);
    if (!p) return luaL_error(L, "the line is closed");
    server_send(p, binary, &data, 1);
    return 0;
}

static int rig_tell(lua_State *L) {
    return wss_say(L, false);
}

static int rig_tell_binary(lua_State *L) {
    return wss_say(L, true);
}

static int rig_cut(lua_State *L) {
    struct server_peer *p = wss_peer(L);
    if (p) server_drop(p, (int)luaL_optinteger(L, 2, 1000), ln_str(luaL_optstring(L, 3, "")));
    return 0;
}

static void wss_gone(void *ud) {
    *(bool *)ud = true;
}

/* The world ends. An error that fn raised is left in wss.failed. */
static void wss_end(struct loop *loop) {
    bool gone = false;
    if (!wss.server) return;
    server_close(wss.server, wss_gone, &gone);
    for (int i = 0; i < 100 && !gone; i++)
        loop_settle(loop, 0);
    wss.server = NULL;
    luaL_unref(wss.L, LUA_REGISTRYINDEX, wss.fn);
}

#endif
