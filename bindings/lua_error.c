/* SPDX-License-Identifier: MIT
 *
 * Errors in words: the err table of `nil, err`, the text and traceback of a failed call, and where
 * a script is. Tracebacks show the script's own frames only.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "bindings/lua_json.h"
#include "bindings/lua_task.h"

#define ERR_KEY "linnet.err"

/* --- err tables --- */

static int err_text(lua_State *L) {
    lua_pushliteral(L, "message");
    if (lua_type(L, 1) != LUA_TTABLE || lua_rawget(L, 1) != LUA_TSTRING) lua_pushliteral(L, "?");
    return 1;
}

void lua_mark_err(lua_State *L) {
    if (luaL_newmetatable(L, ERR_KEY)) {
        lua_pushcfunction(L, err_text);
        lua_setfield(L, -2, "__tostring");
        lua_pushboolean(L, false); /* a script could add a __gc to it, which nothing can stop */
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
}

static void push_err_table(lua_State *L, ln_status code, const char *text) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, ln_status_name(code));
    lua_setfield(L, -2, "code");
    lua_pushstring(L, text);
    lua_setfield(L, -2, "message");
    lua_mark_err(L);
}

int lua_push_err(lua_State *L, ln_status code, const char *fmt, ...) {
    char text[sizeof((struct ln_err *)0)->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    lua_pushnil(L);
    push_err_table(L, code, text);
    return 2;
}

int lua_push_ln_err(lua_State *L, const struct ln_err *err) {
    lua_pushnil(L);
    push_err_table(L, err->code, err->text);
    return 2;
}

static ln_status status_of_name(const char *name) {
    for (int i = 1; name && i < LN_STATUS_COUNT; i++)
        if (strcmp(ln_status_name((ln_status)i), name) == 0) return (ln_status)i;
    return LN_INVALID;
}

ln_status error_code(lua_State *L, int idx, ln_status otherwise) {
    ln_status code = otherwise;
    if (!lua_istable(L, idx)) return code;
    idx = lua_absindex(L, idx);
    lua_pushliteral(L, "code");
    lua_rawget(L, idx);
    if (lua_type(L, -1) == LUA_TSTRING) code = status_of_name(lua_tostring(L, -1));
    lua_pop(L, 1);
    return code;
}

struct ln_str error_words(lua_State *L, int idx) {
    struct ln_str s = {"", 0};
    idx = lua_absindex(L, idx);
    lua_pushliteral(L, "message");
    if (lua_istable(L, idx))
        lua_rawget(L, idx);
    else
        lua_copy(L, idx, -1);
    if (lua_type(L, -1) == LUA_TSTRING) s.p = lua_tolstring(L, -1, &s.n);
    return s;
}

/* --- places --- */

/* Code of the Lua half: its lines are stripped, and mostly its name, too. */
static bool is_inside(const lua_Debug *ar) {
    return strncmp(ar->source, "=linnet/", 8) == 0 || strcmp(ar->source, "=?") == 0;
}

static bool is_own(const lua_Debug *ar) {
    return ar->currentline > 0 && !is_inside(ar);
}

void script_place(lua_State *L, char *out, size_t n) {
    lua_Debug ar;
    out[0] = '\0';
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (!is_own(&ar)) continue;
        snprintf(out, n, "%s:%d", ar.short_src, ar.currentline);
        return;
    }
}

const char *lua_call_place(struct script *s, int fn, char *buf, size_t n) {
    lua_Debug ar;
    buf[0] = '\0';
    if (s->killed || !lua_checkstack(s->L, 1)) return buf;
    if (lua_rawgeti(s->L, LUA_REGISTRYINDEX, fn) != LUA_TFUNCTION) {
        lua_pop(s->L, 1);
        return buf;
    }
    lua_getinfo(s->L, ">S", &ar);
    if (is_inside(&ar))
        snprintf(buf, n, PLACE_INSIDE);
    else if (ar.linedefined > 0)
        snprintf(buf, n, "%s:%d", ar.short_src, ar.linedefined);
    else
        snprintf(buf, n, "%s", ar.short_src);
    return buf;
}

/* --- raising --- */

int script_fail(lua_State *L, const char *fmt, ...) {
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    size_t n = 0;
    script_place(L, text, 200);
    if (text[0]) n = strlen(text);
    if (n) n += (size_t)snprintf(text + n, sizeof text - n, ": ");
    vsnprintf(text + n, sizeof text - n, fmt, ap);
    va_end(ap);
    lua_pushstring(L, text);
    return lua_error(L);
}

#define NAMES_MAX 400

const char *nearest_key(lua_State *L, int idx, const char *name, char *out, size_t n) {
    idx = lua_absindex(L, idx);
    const char *names[NAMES_MAX + 1];
    int count = 0;
    for (lua_pushnil(L); count < NAMES_MAX && lua_next(L, idx); lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING) names[count++] = lua_tostring(L, -2);
    if (count == NAMES_MAX) lua_pop(L, 1);
    names[count] = NULL;
    const char *near = ln_nearest(ln_str(name), names);
    out[0] = '\0';
    if (near) snprintf(out, n, " (did you mean '%.60s'?)", near);
    return out;
}

/* --- reading an error object --- */

/* An object that cannot say itself what it means: its message, or what it holds. */
static void plain_text(lua_State *L) {
    struct ln_buf json = {0};
    lua_pushliteral(L, "message");
    if (lua_type(L, 1) == LUA_TTABLE && lua_rawget(L, 1) == LUA_TSTRING) return;
    bool is_shown = lua_type(L, 1) == LUA_TTABLE && lua_json_encode(L, 1, &json, NULL);
    if (is_shown)
        lua_pushfstring(L, "an error without a message: %s", ln_buf_cstr(&json));
    else
        lua_pushfstring(L, "an error without a message (a %s value)", luaL_typename(L, 1));
    ln_buf_free(&json);
}

/* The object at index 1 as text on top; its code. */
static ln_status object_text(lua_State *L) {
    if (lua_type(L, 1) == LUA_TSTRING || lua_type(L, 1) == LUA_TNUMBER) {
        lua_pushvalue(L, 1);
        lua_tostring(L, -1);
        return LN_INVALID;
    }
    ln_status code = LN_INVALID;
    if (lua_type(L, 1) == LUA_TTABLE) {
        lua_pushliteral(L, "code");
        if (lua_rawget(L, 1) == LUA_TSTRING) code = status_of_name(lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL)
        luaL_tolstring(L, 1, NULL);
    else
        plain_text(L);
    return code;
}

/* Frames of C functions and of the Lua half say nothing to the script's author. */
static bool is_own_line(struct ln_str line) {
    return line.n > 0 && line.p[0] == '\t' && !ln_str_starts(line, "\t[C]") &&
           !ln_str_starts(line, "\tlinnet/") && !ln_str_starts(line, "\t?:");
}

static void trim_trace(struct ln_buf *out, const char *trace) {
    while (*trace) {
        size_t n = strcspn(trace, "\n");
        struct ln_str line = {trace, n};
        if (is_own_line(line)) {
            ln_buf_puts(out, "\n  ");
            ln_buf_add(out, trace + 1, n - 1);
        }
        trace += n + (trace[n] == '\n');
    }
}

int failure_read(lua_State *L) {
    struct failure *f = lua_touserdata(L, 1);
    lua_remove(L, 1);
    if (f->co) {
        luaL_checkstack(f->co, 1, "reading an error");
        lua_pushvalue(f->co, -1);
        lua_xmove(f->co, L, 1);
    }
    lua_settop(L, 1);
    ln_status code = object_text(L);
    const char *text = lua_tostring(L, -1);
    const char *trace = "";
    if (f->co && f->trace) {
        luaL_traceback(L, f->co, NULL, 0);
        trace = lua_tostring(L, -1);
    }
    /* nothing raises from here on */
    f->err->code = code;
    snprintf(f->err->text, sizeof f->err->text, "%s", text);
    if (f->trace) trim_trace(f->trace, trace);
    return 0;
}

/* --- telling --- */

void failure_log(struct script *s, const struct lua_call *c, const struct ln_err *err,
                 struct ln_buf *trace) {
    char tag[96];
    snprintf(tag, sizeof tag, "script:%s", s->seat->name);
    struct ln_str frames = trace ? ln_buf_get(trace) : (struct ln_str){0};
    struct ln_buf place = {0};
    /* The last frame of a main chunk says already that it is one. */
    if (frames.n == 0 || strcmp(c->what, "main chunk") != 0) {
        ln_buf_fmt(&place, "\n  in %s%s", c->what, c->name.n ? " '" : "");
        ln_printable(&place, c->name, 60);
        if (c->name.n) ln_buf_putc(&place, '\'');
    }
    ln_log(LN_ERROR, tag, "%s%.*s%.*s", err->text, LN_FMT(ln_buf_get(&place)), LN_FMT(frames));
    ln_buf_free(&place);
    if (!s->is_booted && strcmp(c->what, "main chunk") == 0) script_boot_failed(s);
}

void script_kill_text(const struct script *s, char *out, size_t n) {
    char limit[32];
    if (s->killed == SCRIPT_OVER_MEMORY)
        snprintf(out, n, "used more memory than its limit of %s%s",
                 ln_bytes_text(s->mem_limit, limit, sizeof limit),
                 s->was_deep ? " (a recursion without end)" : "");
    else
        snprintf(out, n, "used more than %s of CPU time in one turn without waiting",
                 ln_duration_text(s->budget_kill_ms, limit, sizeof limit));
    size_t used = strlen(out);
    if (s->killed_at[0]) snprintf(out + used, n - used, ", at %s", s->killed_at);
}

void failure_killed(const struct script *s, struct ln_err *err) {
    char why[sizeof err->text - 32];
    script_kill_text(s, why, sizeof why);
    ln_fail(err, LN_BUDGET, "the script was stopped: it %s", why);
}
