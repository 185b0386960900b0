/* SPDX-License-Identifier: MIT
 *
 * Runs the Lua specs: a Lua state of its own with busted and the table `rig`, which is the whole
 * product in this process, on the fake clock: the hub on a port of this machine, scripts from text,
 * time that moves only when told. What leaks after a world is closed fails the spec.
 *
 *   linnet-lua-test [FILE_spec.lua …]      without files: all of tests/lua
 */
#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "bindings/bindings.h"
#include "bindings/lua_engine.h"
#include "host/scripts.h"
#include "ws_server.h"

#define START_MS 1000000000000 /* 2001-09-09 01:46:40 UTC */

static struct app *app;
static lua_State *spec;         /* busted's */
static int records = LUA_NOREF; /* registry reference of the list of log records */

/* --- the log --- */

static void on_record(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                      const struct ln_log_field *fields, size_t n) {
    lua_State *L = ud;
    luaL_checkstack(L, 8, "log");
    lua_rawgeti(L, LUA_REGISTRYINDEX, records);
    lua_createtable(L, 0, 4);
    lua_pushstring(L, ln_log_level_name(level));
    lua_setfield(L, -2, "level");
    lua_pushstring(L, tag);
    lua_setfield(L, -2, "tag");
    lua_pushlstring(L, msg.p ? msg.p : "", msg.n);
    lua_setfield(L, -2, "text");
    lua_createtable(L, 0, (int)n);
    for (size_t i = 0; i < n; i++) {
        lua_pushlstring(L, fields[i].text.p ? fields[i].text.p : "", fields[i].text.n);
        lua_setfield(L, -2, fields[i].key);
    }
    lua_setfield(L, -2, "fields");
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

/* rig.logs() -> the records since the last call */
static int rig_logs(lua_State *L) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, records);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, records);
    return 1;
}

/* --- the world --- */

static struct app *world(lua_State *L) {
    if (!app) luaL_error(L, "call rig.open first");
    return app;
}

static void set_settings(lua_State *L, int idx) {
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
        config_set(app->config, luaL_checkstring(L, -2), ln_str(luaL_checkstring(L, -1)),
                   CONFIG_PROJECT, "linnet.cfg.lua:1");
}

/* rig.open({ [path] = json }?, hub?): a new world; with a hub unless hub is false */
static int rig_open(lua_State *L) {
    struct ln_err err;
    if (app) luaL_error(L, "the last world was not closed");
    ln_clock_fake(START_MS);
    ln_random_fake(7);
    app = app_new();
    scripts_engine(app->scripts, &engine_lua);
    config_set(app->config, "hub.port", LN_STR("0"), CONFIG_DEFAULT, "rig");
    if (lua_istable(L, 1)) set_settings(L, 1);
    bool hub = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
    if (hub && !app_open_hub(app, false, &err)) return luaL_error(L, "%s", err.text);
    loop_settle(app->loop, 0);
    return 0;
}

/* rig.close() -> what was left over: handles of scripts (0) */
static int rig_close(lua_State *L) {
    if (!app) return 0;
    scripts_stop(app->scripts);
    loop_settle(app->loop, 0);
    lua_pushinteger(L, app->slots.count);
    wss_end(app->loop);
    app_free(app);
    app = NULL;
    ln_clock_real();
    ln_random_fake(0);
    if (!wss.failed[0]) return 1;
    lua_pushfstring(L, "in the server of rig.serve: %s", wss.failed);
    wss.failed[0] = '\0';
    return lua_error(L);
}

/* rig.serve(fn) -> port: see ws_server.h */
static int rig_serve(lua_State *L) {
    return wss_serve(L, world(L)->loop);
}

/* rig.settle() */
static int rig_settle(lua_State *L) {
    lua_pushboolean(L, loop_settle(world(L)->loop, 0));
    return 1;
}

/* rig.advance(seconds) */
static int rig_advance(lua_State *L) {
    loop_advance(world(L)->loop, (int64_t)(luaL_checknumber(L, 1) * 1000 + 0.5));
    return 0;
}

/* rig.port() -> the hub's */
static int rig_port(lua_State *L) {
    lua_pushinteger(L, world(L)->hub ? hub_port(app->hub) : 0);
    return 1;
}

/* rig.set(path, json) */
static int rig_set(lua_State *L) {
    config_set(world(L)->config, luaL_checkstring(L, 1), ln_str(luaL_checkstring(L, 2)),
               CONFIG_FLAG, "--set");
    return 0;
}

/* rig.env(name, value | nil) */
static int rig_env(lua_State *L) {
    const char *value = luaL_optstring(L, 2, NULL);
    if (value)
        setenv(luaL_checkstring(L, 1), value, 1);
    else
        unsetenv(luaL_checkstring(L, 1));
    return 0;
}

/* --- scripts --- */

struct outcome {
    bool is_over, ok;
    char text[500];
};

static void on_done(void *ud, const struct ln_err *err) {
    struct outcome *o = ud;
    o->is_over = true;
    o->ok = err == NULL;
    if (err) snprintf(o->text, sizeof o->text, "%s", err->text);
}

static int outcome_push(lua_State *L, struct outcome *o) {
    for (int i = 0; i < 100 && !o->is_over; i++)
        loop_settle(app->loop, 0);
    if (!o->is_over) return luaL_error(L, "the load never ended");
    loop_settle(app->loop, 0);
    lua_pushboolean(L, o->ok);
    if (o->ok) return 1;
    lua_pushstring(L, o->text);
    return 2;
}

static struct seat *seat_of(lua_State *L, const char *wanted) {
    struct seat *seat;
    const char *path;
    for (size_t i = 0; scripts_each(world(L)->scripts, &i, &seat, &path);)
        if (seat && strcmp(path, wanted) == 0) return seat;
    return NULL;
}

static void write_file(lua_State *L, const char *path, const char *text) {
    const char *slash = strrchr(path, '/');
    if (slash) mkdir(lua_pushlstring(L, path, (size_t)(slash - path)), 0777);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0) luaL_error(L, "%s cannot be written", path);
    fclose(f);
}

/* rig.write(path, text) */
static int rig_write(lua_State *L) {
    write_file(L, luaL_checkstring(L, 1), luaL_checkstring(L, 2));
    return 0;
}

/* rig.load(path, text?) -> true | false, error; the text is written to the file first */
static int rig_load(lua_State *L) {
    struct outcome o = {0};
    if (lua_isstring(L, 2)) rig_write(L);
    const char *path = luaL_checkstring(L, 1);
    if (seat_of(L, path)) /* it runs already: the new text takes its place */
        scripts_reload(app->scripts, path, on_done, &o);
    else
        scripts_load(app->scripts, path, NULL, on_done, &o);
    return outcome_push(L, &o);
}

/* rig.reload(path, text?) -> true | false, error */
static int rig_reload(lua_State *L) {
    struct outcome o = {0};
    if (lua_isstring(L, 2)) rig_write(L);
    scripts_reload(world(L)->scripts, luaL_checkstring(L, 1), on_done, &o);
    return outcome_push(L, &o);
}

/* rig.unload(path): an empty script in its place */
static int rig_unload(lua_State *L) {
    struct outcome o = {0};
    write_file(L, luaL_checkstring(L, 1), "");
    scripts_reload(world(L)->scripts, luaL_checkstring(L, 1), on_done, &o);
    return outcome_push(L, &o);
}

/* rig.stop(): unloads all scripts */
static int rig_stop(lua_State *L) {
    scripts_stop(world(L)->scripts);
    loop_settle(app->loop, 0);
    return 0;
}

/* rig.counts(path) -> { items, listener, timer, …, bytes, errors, calls } | nil */
static int rig_counts(lua_State *L) {
    struct seat *seat = seat_of(L, luaL_checkstring(L, 1));
    if (!seat) return 0;
    const struct script *s = seat->impl;
    lua_newtable(L);
    lua_pushinteger(L, (lua_Integer)seat->item_count);
    lua_setfield(L, -2, "items");
    LN_LIST_EACH (&seat->items, node, next) {
        const char *what = LN_CONTAINER(node, struct seat_item, node)->kind->what;
        lua_getfield(L, -1, what);
        lua_Integer n = lua_tointeger(L, -1);
        lua_pop(L, 1);
        lua_pushinteger(L, n + 1);
        lua_setfield(L, -2, what);
    }
    lua_gc(s->L, LUA_GCCOLLECT);
    lua_pushinteger(L, (lua_Integer)s->mem_used);
    lua_setfield(L, -2, "bytes");
    lua_pushinteger(L, (lua_Integer)s->errors);
    lua_setfield(L, -2, "errors");
    lua_pushinteger(L, (lua_Integer)s->calls);
    lua_setfield(L, -2, "calls");
    return 1;
}

/* rig.handles() -> how many handles of scripts live */
static int rig_handles(lua_State *L) {
    lua_pushinteger(L, world(L)->slots.count);
    return 1;
}

/* rig.exit_code() -> the code that a script asked to end with, or nil */
static int rig_exit_code(lua_State *L) {
    if (!world(L)->stopping) return 0;
    lua_pushinteger(L, app->exit_code);
    return 1;
}

static void on_closed(void *ud) {
    app->hub = NULL;
    *(bool *)ud = true;
}

/* rig.drop(seconds?): the hub goes away, with every line, and comes back on the same port */
static int rig_drop(lua_State *L) {
    struct ln_err err;
    char port[20];
    bool closed = false;
    snprintf(port, sizeof port, "%d", hub_port(world(L)->hub));
    hub_close(app->hub, on_closed, &closed);
    for (int i = 0; i < 100 && !closed; i++)
        loop_settle(app->loop, 0);
    if (!closed) return luaL_error(L, "the hub does not close");
    loop_advance(app->loop, (int64_t)(luaL_optnumber(L, 1, 0) * 1000));
    config_set(app->config, "hub.port", ln_str(port), CONFIG_FLAG, "rig");
    if (!app_open_hub(app, false, &err)) return luaL_error(L, "%s", err.text);
    loop_settle(app->loop, 0);
    return 0;
}

/* rig.event(conn, name, args) -> what the listeners made of it: "ok", "protocol" … */
static int rig_event(lua_State *L) {
    struct conn *c = conn_find(world(L)->clients, ln_str(luaL_checkstring(L, 1)));
    if (!c) return luaL_error(L, "no such connection");
    struct event ev = {.kind = EVENT_APP,
                       .conn = c,
                       .name = ln_str(luaL_checkstring(L, 2)),
                       .args = ln_str(luaL_checkstring(L, 3)),
                       .ack = -1,
                       .serial = app_event_serial(app)};
    ln_status s = bus_emit(app_bus(app, c), &ev);
    lua_pushstring(L, s == LN_OK ? "ok" : ln_status_name(s));
    return 1;
}

/* rig.dial() -> a connection to the hub, to be spoken by hand */
static int rig_dial(lua_State *L) {
    int fd = hub_pair(world(L)->hub);
    if (fd < 0) return luaL_error(L, "the hub takes no connection");
    lua_pushinteger(L, fd);
    return 1;
}

/* rig.say(connection, bytes?) -> what came since the last call */
static int rig_say(lua_State *L) {
    int fd = (int)luaL_checkinteger(L, 1);
    size_t n;
    const char *text = luaL_optlstring(L, 2, "", &n);
    char in[8192];
    ssize_t got;
    luaL_Buffer b;
    if (send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
        return luaL_error(L, "the hub does not listen");
    loop_settle(world(L)->loop, 0);
    luaL_buffinit(L, &b);
    while ((got = recv(fd, in, sizeof in, MSG_DONTWAIT)) > 0)
        luaL_addlstring(&b, in, (size_t)got);
    luaL_pushresult(&b);
    return 1;
}

/* rig.hang_up(connection) */
static int rig_hang_up(lua_State *L) {
    close((int)luaL_checkinteger(L, 1));
    loop_settle(world(L)->loop, 0);
    return 0;
}

static int rig_now(lua_State *L) {
    lua_pushnumber(L, (double)(ln_wall_ms() - START_MS) / 1000.0);
    return 1;
}

static const luaL_Reg rig[] = {{"open", rig_open},
                               {"close", rig_close},
                               {"settle", rig_settle},
                               {"advance", rig_advance},
                               {"port", rig_port},
                               {"set", rig_set},
                               {"env", rig_env},
                               {"load", rig_load},
                               {"unload", rig_unload},
                               {"write", rig_write},
                               {"reload", rig_reload},
                               {"stop", rig_stop},
                               {"counts", rig_counts},
                               {"handles", rig_handles},
                               {"logs", rig_logs},
                               {"exit_code", rig_exit_code},
                               {"drop", rig_drop},
                               {"serve", rig_serve},
                               {"tell", rig_tell},
                               {"tell_binary", rig_tell_binary},
                               {"cut", rig_cut},
                               {"now", rig_now},
                               {"event", rig_event},
                               {"dial", rig_dial},
                               {"say", rig_say},
                               {"hang_up", rig_hang_up},
                               {NULL, NULL}};

int main(int argc, char **argv) {
    char temporary[] = "/tmp/linnet-lua-XXXXXX", path[PATH_MAX];
    spec = luaL_newstate();
    luaL_openlibs(spec);
    luaL_newlib(spec, rig);
    lua_pushstring(spec, TEST_DIR);
    lua_setfield(spec, -2, "dir");
    if (!mkdtemp(temporary)) return 1;
    lua_pushstring(spec, temporary);
    lua_setfield(spec, -2, "temporary");
    lua_setglobal(spec, "rig");
    lua_createtable(spec, argc, 0);
    for (int i = 1; i < argc; i++) {
        if (!realpath(argv[i], path)) return 2;
        lua_pushstring(spec, path);
        lua_rawseti(spec, -2, i);
    }
    lua_setglobal(spec, "arg");
    if (chdir(temporary) != 0) return 1; /* scripts have short names in messages */
    lua_newtable(spec);
    records = luaL_ref(spec, LUA_REGISTRYINDEX);
    ln_log_to(on_record, spec);
    snprintf(path, sizeof path, "%s/run.lua", TEST_DIR);
    int failed = luaL_dofile(spec, path);
    if (failed) fprintf(stderr, "%s\n", lua_tostring(spec, -1));
    int code = failed ? 1 : (int)lua_tointeger(spec, -1);
    if (app) app_free(app);
    if (chdir("/") != 0) code = 1;
    ln_log_to(NULL, NULL);
    lua_close(spec);
    ln_log_close();
    rmdir(temporary);
    return code;
}
