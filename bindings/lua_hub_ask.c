/* SPDX-License-Identifier: MIT
 *
 * What the hub asks scripts before it goes on: who may connect or sign in (hub:use), and who may
 * have a channel of Pusher's protocol (hub:on_auth). The functions are asked one after the other,
 * in the order of the scripts and within them of their registration; each of them must agree. While
 * a script that decides is stopped, or its functions are replaced, the answer is no.
 */
#include "base/json.h"
#include "base/mem.h"
#include "bindings/lua_hub.h"
#include "host/scripts.h"

/* What a kind of question is: the seat item's name, its words for the log, and its own parts. */
struct kind {
    struct seat_kind item;
    const char *what;
    unsigned guard;                                /* its bit in seat.guards */
    int (*push)(lua_State *L, char *const *texts); /* the arguments; how many */
    void (*answer)(struct hub *h, ln_id ticket, bool is_asked, bool ok, const char *message,
                   struct ln_str data, struct ln_str said);
};

struct asked_fn { /* a function of hub:use or hub:on_auth */
    struct seat_item item;
    const struct kind *kind;
    struct script *script;
    int fn;
};

struct question {
    struct app *app;
    const struct kind *kind;
    ln_id ticket;
    ln_id *fns;
    size_t n, next;
    const char *refusal; /* nobody is asked: this is the answer; else NULL */
    char *texts[4];
    struct ln_buf said; /* JSON: the last table that was returned for `true` */
};

struct question_call { /* to one script; if that is unloaded, the answer is no */
    struct seat_item item;
    struct script *script;
    struct question *q;
};

#define MAX_CLIENTS 1000 /* as hub_opts_init */
#define STOPPED "the script that decides was stopped"

static void ask_next(struct question *q);

static void question_end(struct question *q, bool ok, const char *message, struct ln_str data) {
    if (q->app->hub)
        q->kind->answer(q->app->hub, q->ticket, q->n > 0 || q->refusal, ok, message, data,
                        ln_buf_get(&q->said));
    q->app->questions--;
    ln_free(q->fns);
    for (size_t i = 0; i < LN_COUNT(q->texts); i++)
        ln_free(q->texts[i]);
    ln_buf_free(&q->said);
    ln_free(q);
}

static void call_drop(struct seat_item *it) {
    struct question_call *qc = LN_CONTAINER(it, struct question_call, item);
    if (qc->q) question_end(qc->q, false, STOPPED, (struct ln_str){0});
    ln_free(qc);
}

static const struct seat_kind call_kind = {"question", call_drop, NULL};

static int call_push(lua_State *L, void *ud) {
    const struct question *q = ((struct question_call *)ud)->q;
    return q->kind->push(L, q->texts);
}

/* What the function returned instead of true: a text, or {message, data}. */
static void refuse(struct question *q, lua_State *L, int n) {
    char message[200] = "refused";
    struct ln_buf data = {0};
    if (n >= 2) {
        int err = lua_gettop(L) - n + 2;
        struct ln_str text = error_words(L, err);
        if (text.n) snprintf(message, sizeof message, "%.*s", LN_FMT(text));
        lua_pushliteral(L, "data");
        if (lua_istable(L, err) && lua_rawget(L, err) != LUA_TNIL)
            lua_json_encode(L, -1, &data, NULL);
    }
    question_end(q, false, message, ln_buf_get(&data));
    ln_buf_free(&data);
}

static void call_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct question_call *qc = ud;
    struct question *q = qc->q;
    struct ln_err why;
    bool is_ending = script_is_ending(qc->script);
    qc->q = NULL;
    seat_drop(&qc->item);
    if (is_ending) { /* what it waited for was cut short, and it may not have looked */
        question_end(q, false, STOPPED, (struct ln_str){0});
    } else if (err) {
        question_end(q, false, "the server could not decide", (struct ln_str){0});
    } else if (n < 1 || !lua_toboolean(L, -n)) {
        refuse(q, L, n);
    } else {
        ln_buf_clear(&q->said);
        if (lua_istable(L, -n) && !lua_json_encode(L, lua_gettop(L) - n + 1, &q->said, &why))
            question_end(q, false, why.text, (struct ln_str){0});
        else
            ask_next(q);
    }
}

static void ask_next(struct question *q) {
    if (q->refusal) {
        question_end(q, false, q->refusal, (struct ln_str){0});
    } else if (q->next == q->n) {
        question_end(q, true, NULL, (struct ln_str){0});
    } else {
        struct seat_item *it = seat_item_of(&q->app->slots, q->fns[q->next++], q->kind->item.what);
        if (!it) { /* reloaded meanwhile; without it nobody has looked */
            question_end(q, false, STOPPED, (struct ln_str){0});
            return;
        }
        struct asked_fn *f = LN_CONTAINER(it, struct asked_fn, item);
        struct question_call *qc = ln_new(struct question_call);
        qc->script = f->script;
        qc->q = q;
        seat_own(f->script->seat, &qc->item, &call_kind);
        struct lua_call c = {.script = f->script,
                             .fn = f->fn,
                             .what = q->kind->what,
                             .push = call_push,
                             .done = call_done,
                             .logs = true,
                             .ud = qc};
        struct app *app = q->app;
        ln_id id = qc->item.id;
        if (lua_call_run(&c)) return;
        it = seat_item_of(&app->slots, id, "question"); /* a killed script is not called */
        if (it) seat_drop(it);
    }
}

static struct question *question_new(struct app *app, const struct kind *kind, ln_id ticket) {
    struct question *q = ln_new(struct question);
    struct seat *seat;
    const char *path;
    size_t cap = 0;
    *q = (struct question){.app = app, .kind = kind, .ticket = ticket};
    if (app->scripts && (scripts_guards(app->scripts) & kind->guard))
        q->refusal = "the script that decides is stopped just now";
    /* A client that went away leaves its question behind. */
    if (app->questions++ >= 2 * config_int(app->config, "hub.max_clients", MAX_CLIENTS))
        q->refusal = "too many are being decided";
    for (size_t i = 0; app->scripts && scripts_each(app->scripts, &i, &seat, &path);) {
        if (seat->state != SEAT_LIVE) continue;
        LN_LIST_EACH (&seat->items, node, next) {
            struct seat_item *it = LN_CONTAINER(node, struct seat_item, node);
            if (it->kind != &kind->item) continue;
            if (q->n == cap) {
                cap = cap * 2 + 4;
                q->fns = ln_realloc(q->fns, cap * sizeof *q->fns);
            }
            q->fns[q->n++] = it->id;
        }
    }
    return q;
}

static char *object_or_empty(struct ln_str json) {
    return ln_str_dup(json.n ? json : LN_STR("{}"));
}

/* --- the two kinds --- */

/* Who decides sees all of it or is not called, which is a no: half a question is another one. */
static void push_all(lua_State *L, const char *json) {
    struct ln_err err;
    if (!lua_json_decode(L, ln_str(json), &err)) luaL_error(L, "the request: %s", err.text);
}

static int admit_push(lua_State *L, char *const *texts) {
    static const char *const flags[][2] = {{":protocol", "protocol"}, {":signin", "signin"}};
    lua_createtable(L, 0, 4);
    lua_pushstring(L, *texts[0] ? texts[0] : "/");
    lua_setfield(L, -2, "namespace");
    push_all(L, texts[2]);
    for (size_t i = 0; i < LN_COUNT(flags); i++) {
        lua_getfield(L, -1, flags[i][0]);
        lua_setfield(L, -3, flags[i][1]);
    }
    lua_setfield(L, -2, "headers");
    if (texts[3]) {
        push_all(L, texts[3]);
        lua_setfield(L, -2, "claims");
    }
    push_all(L, texts[1]);
    return 2;
}

static void admit_answer(struct hub *h, ln_id ticket, bool is_asked, bool ok, const char *message,
                         struct ln_str data, struct ln_str said) {
    (void)is_asked;
    (void)said;
    hub_admit(h, ticket, ok, message, data);
}

static int authorize_push(lua_State *L, char *const *texts) {
    push_all(L, texts[0]);
    return 1;
}

static void authorize_answer(struct hub *h, ln_id ticket, bool is_asked, bool ok,
                             const char *message, struct ln_str data, struct ln_str said) {
    (void)data;
    hub_authorize(h, ticket, !is_asked ? HUB_NOBODY : ok ? HUB_YES : HUB_NO, message, said);
}

static void fn_drop(struct seat_item *it);

static const struct kind admit = {
    {"hub use", fn_drop, NULL}, "hub:use function", 1, admit_push, admit_answer};
static const struct kind authorize = {
    {"hub on_auth", fn_drop, NULL}, "hub:on_auth function", 2, authorize_push, authorize_answer};

void hub_ask_admit(struct app *app, ln_id ticket, struct ln_str nsp, struct ln_str auth,
                   struct ln_str headers_json) {
    struct question *q = question_new(app, &admit, ticket);
    q->texts[0] = ln_str_dup(nsp);
    q->texts[1] = object_or_empty(auth);
    q->texts[2] = object_or_empty(headers_json);
    struct ln_str claims = hub_ticket_claims(app->hub, ticket); /* of its token */
    if (claims.p) q->texts[3] = ln_str_dup(claims);
    ask_next(q);
}

void hub_ask_authorize(struct app *app, ln_id ticket, struct ln_str request) {
    struct question *q = question_new(app, &authorize, ticket);
    q->texts[0] = object_or_empty(request);
    ask_next(q);
}

/* --- registering --- */

static void fn_drop(struct seat_item *it) {
    struct asked_fn *f = LN_CONTAINER(it, struct asked_fn, item);
    struct seat *seat = f->script->seat;
    if (seat_count(seat, f->kind->item.what) == 0) seat->guards &= ~f->kind->guard;
    lua_call_unref(f->script, f->fn);
    ln_free(f);
}

static int register_fn(lua_State *L, const struct kind *kind, const char *fn) {
    arg_fn(L, 2, fn, "the function");
    int ref = arg_ref(L, 2);
    ln_id *handle = handle_push(L);
    struct asked_fn *f = ln_new(struct asked_fn);
    f->kind = kind;
    f->script = script_of(L);
    f->script->seat->guards |= kind->guard;
    f->fn = ref;
    seat_own(f->script->seat, &f->item, &kind->item);
    *handle = f->item.id;
    return 1;
}

/* hub:use(fn(client, auth) ⏸ -> true | nil, err) -> Handle */
int l_hub_use(lua_State *L) {
    hub_self(L, "hub:use");
    return register_fn(L, &admit, "hub:use");
}

/* hub:on_auth(fn(request) ⏸ -> true | {user_id, user_info?} | nil, err) -> Handle */
int l_hub_on_auth(lua_State *L) {
    hub_self(L, "hub:on_auth");
    return register_fn(L, &authorize, "hub:on_auth");
}
