/* SPDX-License-Identifier: MIT
 *
 * Who uses which connection. A connection belongs to the host by its name; each script that asked
 * for it has a use, a seat item. It is shared by those who want the same options; who wants others
 * gets one beside it. The last use that goes closes the connection; on a reload the new version has
 * its use before the old one loses its own, so nothing closes. What a trial load wants (a new line,
 * other options) happens when it goes live.
 */
#include "base/log.h"
#include "base/mem.h"
#include "bindings/lua_conn.h"
#include "bindings/lua_modules.h"

/* --- shares --- */

/* What the last `session` said, for scripts that come later. */
static void on_session(void *ud, const struct event *ev) {
    struct conn_share *sh = ud;
    if (!sh->session) sh->session = ln_new(struct session_args);
    struct session_args *s = sh->session;
    ln_free((char *)(uintptr_t)s->before.p);
    s->before = s->last;
    s->last = (struct ln_str){ln_str_dup(ev->args), ev->args.n};
}

static const struct bus_tap session_tap = {"session", on_session};

struct conn_share *conn_share_of(struct app *a, struct conn *c) {
    return bus_tap_ud(app_bus(a, c));
}

static struct conn_share *share_new(struct app *a, struct conn *c) {
    struct conn_share *sh = ln_new(struct conn_share);
    sh->conn = conn_handle(c);
    sh->bus = app_bus(a, c);
    ln_list_init(&sh->uses);
    bus_tap(sh->bus, &session_tap, sh);
    return sh;
}

static void share_end(struct app *a, struct conn_share *sh) {
    struct conn *c = conn_of_handle(a->clients, sh->conn);
    bus_tap(sh->bus, NULL, NULL);
    ln_free(sh->beside);
    ln_free(sh->settings);
    if (sh->session) {
        ln_free((char *)(uintptr_t)sh->session->last.p);
        ln_free((char *)(uintptr_t)sh->session->before.p);
        ln_free(sh->session);
    }
    ln_free(sh);
    if (c) app_close(a, c);
}

/* --- uses --- */

static void opts_free(struct conn_opts *o) {
    if (!o) return;
    conn_opts_free(o);
    ln_free(o);
}

static void use_drop(struct seat_item *it) {
    struct conn_use *u = LN_CONTAINER(it, struct conn_use, item);
    ln_list_remove(&u->by_share);
    for (int i = 0; i < USE_FNS; i++)
        lua_call_unref(u->script, u->fn[i]);
    lua_call_unref(u->script, u->dialect);
    opts_free(u->changed);
    if (ln_list_empty(&u->share->uses)) share_end(u->script->app, u->share);
    ln_free(u);
}

/* What the settings say of a target, or of the connection whose namespace it is ("school/admin").
 */
static struct ln_str settings_of(struct app *a, const char *target) {
    struct ln_buf path = {0};
    ln_buf_fmt(&path, "connections.%s", target);
    struct ln_str json = config_get(a->config, ln_buf_cstr(&path));
    if (!json.n) {
        path.n = strcspn(path.p, "/");
        json = config_get(a->config, ln_buf_cstr(&path));
    }
    ln_buf_free(&path);
    return json;
}

static const char *target_of(const struct conn_share *sh, const struct conn *c) {
    return sh->beside ? sh->beside : conn_name(c);
}

static void note_settings(struct app *a, struct conn_share *sh, struct conn *c) {
    struct ln_str json = settings_of(a, target_of(sh, c));
    ln_free(sh->settings);
    sh->settings = json.n ? ln_str_dup(json) : NULL;
}

/* They were read anew, and say something else. */
static bool is_stale(struct app *a, const struct conn_share *sh, const struct conn *c) {
    return !ln_str_eq(settings_of(a, target_of(sh, c)), ln_str(sh->settings));
}

static void reconfigure(struct conn_use *u) {
    struct conn *c = conn_of_handle(u->script->app->clients, u->share->conn);
    struct conn_opts *o = u->changed;
    struct ln_err err;
    u->changed = NULL;
    if (c) note_settings(u->script->app, u->share, c);
    if (c && !conn_reconfigure(c, o, &err)) {
        char tag[80];
        snprintf(tag, sizeof tag, "conn:%s", conn_name(c));
        ln_log(LN_ERROR, tag, "the new options are not used: %s", err.text);
    }
    opts_free(o);
}

static void use_go_live(struct seat_item *it) {
    struct conn_use *u = LN_CONTAINER(it, struct conn_use, item);
    struct conn *c = conn_of_handle(u->script->app->clients, u->share->conn);
    if (u->changed) reconfigure(u);
    if (c && u->connects) conn_connect(c);
    u->connects = false;
}

static const struct seat_kind use_kind = {"connection", use_drop, use_go_live};

struct conn_use *conn_use_of(lua_State *L, struct conn *c) {
    const struct script *s = script_of(L);
    struct conn_share *sh = conn_share_of(s->app, c);
    if (!sh) return NULL;
    LN_LIST_EACH (&sh->uses, node, next) {
        struct conn_use *u = LN_CONTAINER(node, struct conn_use, by_share);
        if (u->script == s) return u;
    }
    return NULL;
}

static struct conn_use *use_new(lua_State *L, struct conn *c) {
    struct conn_use *u = ln_new(struct conn_use);
    u->script = script_of(L);
    u->share = conn_share_of(app_of(L), c);
    if (!u->share) u->share = share_new(app_of(L), c);
    u->dialect = LUA_NOREF;
    for (int i = 0; i < USE_FNS; i++)
        u->fn[i] = LUA_NOREF;
    ln_list_init(&u->by_share);
    ln_list_push(&u->share->uses, &u->by_share);
    seat_own(u->script->seat, &u->item, &use_kind);
    return u;
}

/* --- linnet.connect --- */

struct asked { /* what a script asks for */
    const char *target;
    struct conn_opts *opts;
    int fn[USE_FNS], dialect; /* stack indices, or 0 */
    bool has_opts;            /* any at all */
    bool has_line;            /* one that the line depends on */
    bool autoconnect;
};

/* A userdata that frees options when something raises before they found their owner. */
static int opts_gc(lua_State *L) {
    struct conn_opts **o = lua_touserdata(L, 1);
    opts_free(*o);
    *o = NULL;
    return 0;
}

static struct conn_opts **opts_push(lua_State *L) {
    struct conn_opts **o = lua_newuserdatauv(L, sizeof(struct conn_opts *), 0);
    *o = NULL;
    if (luaL_newmetatable(L, "linnet.opts")) {
        lua_pushcfunction(L, opts_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    *o = ln_new(struct conn_opts);
    conn_opts_init(*o);
    return o;
}

static bool is_function_option(const char *key) {
    for (int i = 0; i < USE_ASKED; i++)
        if (strcmp(key, use_functions[i].name) == 0) return true;
    return strcmp(key, "authorizer") == 0;
}

/* The functions among the options at idx stay on the stack; what the settings say there ends. */
static void read_functions(lua_State *L, int idx, struct asked *q) {
    struct conn_opts *o = q->opts;
    char **given[USE_ASKED] = {&o->auth, &o->headers, &o->query};
    bool *asked[USE_ASKED] = {&o->auth_asked, &o->headers_asked, &o->query_asked};
    for (int i = 0; i < USE_ASKED; i++) {
        q->fn[i] = arg_opt(L, idx, use_functions[i].name);
        if (!lua_isfunction(L, q->fn[i])) q->fn[i] = 0;
        if (!q->fn[i]) continue;
        *asked[i] = true;
        ln_free(*given[i]);
        *given[i] = NULL;
    }
    if (codec_functions(L, arg_opt(L, idx, "codec"), &q->fn[USE_DECODE])) o->codec = CODEC_OWN;
    int authorizer = arg_opt(L, idx, "authorizer");
    o->authorizer_asked = authorizer_function(L, authorizer);
    q->fn[USE_AUTHORIZER] = o->authorizer_asked ? authorizer : 0;
}

/* Pushes a copy of the options at idx without what only Lua knows, and with the Handle of it. */
static void read_opts(lua_State *L, int idx, struct asked *q) {
    struct ln_err err;
    if (lua_isnoneornil(L, idx)) return;
    if (lua_type(L, idx) != LUA_TTABLE) arg_bad(L, idx, "linnet.connect", "the options", "a table");
    lua_newtable(L);
    int copy = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        q->has_opts = true;
        if (strcmp(key, "dialect") == 0) continue;
        if (strcmp(key, "autoconnect") != 0) q->has_line = true;
        if (lua_isfunction(L, -1) && is_function_option(key)) continue;
        if (lua_isfunction(L, -1))
            script_fail(L, "linnet.connect: option '%s' must be a table here, not a function", key);
        if (strcmp(key, "codec") == 0) codec_plain(L);
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, copy);
    }
    struct ln_str json = out_private(L, "linnet.connect", copy);
    if (!lua_isnoneornil(L, idx) && !ln_str_is(json, "[]") &&
        !conn_opts_from_json(q->opts, json, &err))
        script_fail(L, "linnet.connect: %s", err.text);
    lua_settop(L, copy - 1);
    read_functions(L, idx, q);
    q->dialect = arg_opt(L, idx, "dialect");
    if (lua_isnil(L, q->dialect)) q->dialect = 0;
}

/* --- which connection serves --- */

/* How well one serves, the best last: not at all; it may change its options, being an older
 * version's of this script alone, or its settings having changed; it is there for all; it is what
 * was asked for. */
enum fit { FITS_NOT, FITS_CHANGED, FITS_SHARED, FITS };

static bool has_functions(const int *fn, int none) {
    for (int i = 0; i < USE_FNS; i++)
        if (fn[i] != none) return true;
    return false;
}

/* The name of a connection to an address with a token is the address without it: that is another
 * target. With a space, as in "ws://host/ (2)", it is a name for certain. */
static bool is_same_target(const struct asked *q, const struct conn_opts *opts) {
    bool is_address = strstr(q->target, "://") && !strchr(q->target, ' ');
    return !is_address || strcmp(q->opts->url, opts->url) == 0;
}

/* A script's own functions are never the same as another script's. */
static enum fit fit_of(lua_State *L, const struct asked *q, struct conn *c, bool is_plain) {
    const struct script *me = script_of(L);
    const struct conn_share *sh = conn_share_of(app_of(L), c);
    const struct conn_opts *opts = conn_options(c);
    bool is_mine = false, was_mine = false, has_others = false, others_line = false;
    bool asks = has_functions(q->fn, 0), others_ask = false, owns = false;
    if (sh) {
        LN_LIST_EACH (&sh->uses, node, next) {
            const struct conn_use *u = LN_CONTAINER(node, struct conn_use, by_share);
            bool is_own = strcmp(u->script->seat->path, me->seat->path) == 0;
            owns = owns || (is_own && u->has_line);
            if (u->script == me) {
                is_mine = true;
                if (u->changed) opts = u->changed;
            } else if (!is_own) {
                has_others = true;
                others_line = others_line || u->has_line;
                others_ask = others_ask || has_functions(u->fn, LUA_NOREF);
            } else {
                was_mine = was_mine || u->has_line;
            }
        }
    }
    bool stale = sh && is_stale(app_of(L), sh, c);
    if (!q->has_line && is_mine && is_same_target(q, opts)) return FITS;
    q->opts->autoconnect = opts->autoconnect; /* a wish for the opening only */
    if (!q->has_line && has_others && is_plain && stale && !others_line) return FITS_CHANGED;
    if (!q->has_line && has_others)
        return is_plain && is_same_target(q, opts) ? FITS_SHARED : FITS_NOT;
    bool clash = others_ask || (asks && has_others && !owns);
    if (conn_opts_same(opts, q->opts) && !clash) return FITS;
    if (stale && was_mine && !is_mine) return FITS_CHANGED;
    return is_mine || has_others ? FITS_NOT : FITS_CHANGED;
}

/* The best one of the target, or NULL: a new one is needed. */
static struct conn *serving(lua_State *L, const struct asked *q, enum fit *best) {
    struct app *a = app_of(L);
    struct conn *plain = app_find(a, q->target), *found = NULL, *c;
    *best = FITS_NOT;
    if (plain) {
        *best = fit_of(L, q, plain, true);
        if (*best != FITS_NOT) found = plain;
    }
    for (size_t i = 0; *best != FITS && clients_each(a->clients, &i, &c);) {
        const struct conn_share *sh = conn_share_of(a, c);
        if (!sh || !sh->beside || strcmp(sh->beside, q->target) != 0) continue;
        enum fit fit = fit_of(L, q, c, false);
        if (fit <= *best) continue;
        *best = fit;
        found = c;
    }
    return found;
}

static void set_ref(lua_State *L, struct conn_use *u, int *ref, int idx) {
    lua_call_unref(u->script, *ref);
    *ref = LUA_NOREF;
    if (idx) *ref = arg_ref(L, idx);
}

/* A new one: under the target's own name, or beside the one that has it. */
static struct conn *open_conn(lua_State *L, const struct asked *q, bool *is_beside) {
    const struct script *s = script_of(L);
    struct ln_err err;
    *is_beside = app_find(s->app, q->target) != NULL;
    struct conn *c = *is_beside
                         ? app_connect_beside(s->app, q->target, s->seat->name, q->opts, &err)
                         : app_connect(s->app, q->target, q->opts, &err);
    if (!c) script_fail(L, "linnet.connect: %s", err.text);
    return c;
}

/* The connection of q, opened when it is new. Pushes its Conn. */
static int use_conn(lua_State *L, struct asked *q, struct conn_opts **holder) {
    enum fit fit;
    bool is_beside = false, is_trial = script_of(L)->seat->state == SEAT_TRIAL;
    q->autoconnect = q->opts->autoconnect;
    struct conn *c = serving(L, q, &fit);
    bool is_new = !c;
    if (is_new) {
        q->opts->autoconnect = q->autoconnect && !is_trial;
        c = open_conn(L, q, &is_beside);
    }
    if (fit != FITS_CHANGED) q->opts = NULL;
    struct conn_use *u = conn_use_of(L, c);
    if (!u) u = use_new(L, c);
    if (is_beside) u->share->beside = ln_strdup(q->target);
    u->has_line = u->has_line || q->has_line;
    if (is_new) note_settings(app_of(L), u->share, c);
    /* Whoever loads a script anew has mended something: what had given up is tried once more. */
    if (is_new || (is_trial && conn_state(c) == CONN_FAILED))
        u->connects = is_trial && q->autoconnect;
    u->autoconnect = q->autoconnect;
    for (int i = 0; i < USE_FNS; i++)
        if (q->fn[i] || q->has_opts) set_ref(L, u, &u->fn[i], q->fn[i]);
    if (q->dialect || q->has_opts) set_ref(L, u, &u->dialect, q->dialect);
    if (q->opts) {
        opts_free(u->changed);
        u->changed = q->opts;
        *holder = NULL;
        if (!is_trial) reconfigure(u);
    }
    opts_free(*holder); /* copied, or not wanted: not left to the collector */
    *holder = NULL;
    conn_push(L, c);
    return 1;
}

/* linnet.connect(target, opts?) -> Conn */
static int l_connect(lua_State *L) {
    struct ln_err err;
    struct asked q = {0};
    arg_str(L, 1, "linnet.connect", "the target");
    lua_settop(L, 2);
    q.target = lua_tostring(L, 1);
    struct conn_opts **holder = opts_push(L);
    q.opts = *holder;
    if (!app_target(app_of(L), q.target, q.opts, &err))
        script_fail(L, "linnet.connect: %s", err.text);
    read_opts(L, 2, &q);
    return use_conn(L, &q, holder);
}

/* linnet.connections() -> { [name] = Conn } */
static int l_connections(lua_State *L) {
    size_t i = 0;
    struct conn *c;
    lua_newtable(L);
    while (clients_each(app_of(L)->clients, &i, &c)) {
        conn_push(L, c);
        lua_setfield(L, -2, conn_name(c));
    }
    return 1;
}

static char *url_with_path(const char *url, struct ln_str path) {
    struct ln_buf b = {0};
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t n = strcspn(host, "/?#");
    ln_buf_add(&b, url, (size_t)(host - url) + n);
    ln_buf_str(&b, path);
    ln_buf_puts(&b, host + n + strcspn(host + n, "?#"));
    ln_buf_cstr(&b);
    return ln_buf_take(&b, NULL);
}

/* conn:of(namespace) -> Conn */
int l_conn_of(lua_State *L) {
    struct conn *c = conn_check(L, 1, "conn:of");
    struct ln_str nsp = arg_str(L, 2, "conn:of", "the namespace");
    if (!ln_str_starts(nsp, "/"))
        script_fail(L, "conn:of: a namespace begins with '/', as \"/admin\"");
    lua_settop(L, 2);
    lua_pushfstring(L, "%s%s", conn_name(c), nsp.n > 1 ? nsp.p : "");
    struct asked q = {.target = lua_tostring(L, -1)};
    struct conn_opts **holder = opts_push(L);
    conn_opts_free(*holder);
    conn_opts_copy(*holder, conn_options(c));
    q.opts = *holder;
    char *url = url_with_path(q.opts->url, nsp);
    ln_free(q.opts->url);
    q.opts->url = url;
    struct conn_use *u = conn_use_of(L, c);
    q.opts->autoconnect = !u || u->autoconnect;
    for (int i = 0; u && i < USE_FNS; i++) {
        if (u->fn[i] == LUA_NOREF) continue;
        lua_rawgeti(L, LUA_REGISTRYINDEX, u->fn[i]);
        q.fn[i] = lua_gettop(L);
    }
    return use_conn(L, &q, holder);
}

void ln_open_share(lua_State *L) {
    static const luaL_Reg fns[] = {
        {"connect", l_connect}, {"connections", l_connections}, {NULL, NULL}};
    luaL_setfuncs(L, fns, 0);
}
