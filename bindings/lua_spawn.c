/* SPDX-License-Identifier: MIT
 *
 * Tasks: functions that run beside the one that started them, and waiting for them: await, all,
 * race. A Task is userdata that keeps its results; while the function runs, the seat owns it. Who
 * waits is in the lists of the tasks it waits for, and leaves all of them however the wait ends.
 */
#include "base/mem.h"
#include "bindings/lua_args.h"
#include "bindings/lua_modules.h"

enum task_state { TASK_RUNNING, TASK_DONE, TASK_FAILED };

struct task { /* the userdata; user value 1: the table of results, or the error */
    enum task_state state;
    ln_id item;           /* of the seat, while it runs */
    struct ln_list waits; /* struct wait_node */
};

struct task_item {
    struct seat_item item;
    struct script *script;
    int self; /* registry reference of the Task */
    ln_id call;
    struct task *task; /* valid as long as self */
    int args;          /* registry reference of the arguments, until they are pushed */
};

struct gather;
struct wait_node { /* one waiter in the list of one task */
    struct ln_list node;
    struct gather *g;
    int index;
};

/* A coroutine that waits for tasks: for all of them, or for the first. */
struct gather {
    struct script *script;
    ln_id wait, timer;
    int tasks; /* registry reference of the list of Tasks (all, race) or of one (await) */
    int n, left;
    enum { AWAIT, ALL, RACE } kind;
    int won; /* race: index */
    struct wait_node nodes[];
};

static const struct type_desc task_type;

static struct task *task_check(lua_State *L, int idx, const char *fn) {
    return type_check(L, idx, &task_type, fn);
}

/* --- results --- */

/* The results of an ended task at idx: its values, or nil and err. `true` for no values when alone
 * is set, because nil would look like a failure. */
static int results_push(lua_State *L, int idx, bool alone) {
    struct task *t = lua_touserdata(L, idx);
    lua_getiuservalue(L, idx, 1);
    int v = lua_gettop(L);
    if (t->state == TASK_FAILED) {
        lua_pushnil(L);
        lua_insert(L, v);
        return 2;
    }
    lua_getfield(L, v, "n");
    int n = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    luaL_checkstack(L, n + 4, "too many results");
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, v, i);
    lua_remove(L, v);
    if (n > 0 || !alone) return n;
    lua_pushboolean(L, true);
    return 1;
}

/* --- waiting --- */

static void gather_free(void *ud) {
    struct gather *g = ud;
    for (int i = 0; i < g->n; i++)
        ln_list_remove(&g->nodes[i].node);
    loop_timer_cancel(g->script->app->loop, g->timer);
    lua_call_unref(g->script, g->tasks);
    ln_free(g);
}

static int all_push(lua_State *L, int tasks, int n) {
    lua_createtable(L, n, 0);
    int list = lua_gettop(L);
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, tasks, i);
        int task = lua_gettop(L);
        int count = results_push(L, task, true);
        if (((struct task *)lua_touserdata(L, task))->state == TASK_FAILED) return 2;
        lua_pop(L, count - 1);
        lua_rawseti(L, list, i);
        lua_settop(L, list);
    }
    return 1;
}

static int gather_push(lua_State *L, void *ud) {
    struct gather *g = ud;
    luaL_checkstack(L, 10, "too many results");
    lua_rawgeti(L, LUA_REGISTRYINDEX, g->tasks);
    int tasks = lua_gettop(L);
    if (g->kind == AWAIT) return results_push(L, tasks, false);
    if (g->kind == ALL) return all_push(L, tasks, g->n);
    lua_pushinteger(L, g->won);
    lua_rawgeti(L, tasks, g->won);
    int task = lua_gettop(L);
    int n = results_push(L, task, true);
    lua_remove(L, task);
    return n + 1;
}

static void gather_wake(struct gather *g) {
    struct app *app = g->script->app;
    ln_id wait = g->wait;
    lua_call_wake(app, wait, gather_push, g);
    gather_free(g);
}

static int timeout_push(lua_State *L, void *ud) {
    (void)ud;
    return lua_push_err(L, LN_TIMEOUT, "race: the time is over");
}

static void gather_timeout(void *ud) {
    struct gather *g = ud;
    struct app *app = g->script->app;
    ln_id wait = g->wait;
    g->timer = 0;
    gather_free(g);
    lua_call_wake(app, wait, timeout_push, NULL);
}

/* The task ended: who waits for it learns so. Each wake may change the list. */
static void tell_waits(struct task *t) {
    while (!ln_list_empty(&t->waits)) {
        struct wait_node *w = LN_CONTAINER(t->waits.next, struct wait_node, node);
        struct gather *g = w->g;
        ln_list_remove(&w->node);
        g->left--;
        if (g->kind == ALL && g->left > 0 && t->state == TASK_DONE) continue;
        g->won = w->index;
        gather_wake(g);
    }
}

/* --- running --- */

static void item_drop(struct seat_item *it) {
    struct task_item *ti = LN_CONTAINER(it, struct task_item, item);
    lua_call_unref(ti->script, ti->self);
    lua_call_unref(ti->script, ti->args);
    ln_free(ti);
}

static const struct seat_kind item_kind = {"spawned", item_drop, NULL};

struct ending {
    struct task_item *ti;
    lua_State *from;
    int n;
    const struct ln_err *err;
};

/* Moves the results into the Task. */
static int store_results(lua_State *L, struct ending *e) {
    struct task *t = e->ti->task;
    lua_rawgeti(L, LUA_REGISTRYINDEX, e->ti->self);
    int self = lua_gettop(L);
    if (e->err) {
        lua_push_ln_err(L, e->err);
    } else {
        lua_createtable(L, e->n, 1);
        for (int i = 1; i <= e->n; i++) {
            lua_pushvalue(L, self - e->n + i - 1);
            lua_rawseti(L, -2, i);
        }
        lua_pushinteger(L, e->n);
        lua_setfield(L, -2, "n");
    }
    lua_setiuservalue(L, self, 1);
    t->state = e->err ? TASK_FAILED : TASK_DONE;
    return 0;
}

static void wake_later(void *ud);

struct told { /* a task whose waiters are told in a turn of their own */
    struct seat_item item;
    struct script *script;
    ln_id timer;
    int self;
    struct task *task;
};

static void told_drop(struct seat_item *it) {
    struct told *d = LN_CONTAINER(it, struct told, item);
    loop_timer_cancel(d->script->app->loop, d->timer);
    lua_call_unref(d->script, d->self);
    ln_free(d);
}

static const struct seat_kind told_kind = {"spawned", told_drop, NULL};

static void wake_later(void *ud) {
    struct told *d = ud;
    struct app *app = d->script->app;
    ln_id id = d->item.id;
    d->timer = 0;
    tell_waits(d->task);
    struct seat_item *it = seat_item_of(&app->slots, id, "spawned");
    if (it) seat_drop(it);
}

static void task_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    struct task_item *ti = ud;
    struct script *s = ti->script;
    struct task *t = ti->task;
    struct ending e = {ti, L, n, err};
    luaL_checkstack(L, 6, "too many results");
    store_results(L, &e);
    t->item = 0;
    if (!ln_list_empty(&t->waits)) {
        struct told *d = ln_new(struct told);
        d->script = s;
        d->task = t;
        d->self = ti->self;
        ti->self = LUA_NOREF;
        d->timer = loop_timer(s->app->loop, 0, wake_later, d);
        seat_own(s->seat, &d->item, &told_kind);
    }
    seat_drop(&ti->item);
}

static int args_push(lua_State *L, void *ud) {
    struct task_item *ti = ud;
    lua_rawgeti(L, LUA_REGISTRYINDEX, ti->args);
    int v = lua_gettop(L), n = (int)lua_rawlen(L, v);
    lua_getfield(L, v, "n");
    n = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    luaL_checkstack(L, n + 4, "too many arguments");
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, v, i);
    lua_remove(L, v);
    lua_call_unref(ti->script, ti->args);
    ti->args = LUA_NOREF;
    return n;
}

/* linnet.spawn(fn, ...) -> Task */
static int l_spawn(lua_State *L) {
    arg_fn(L, 1, "linnet.spawn", "the function");
    items_check(L);
    int n = lua_gettop(L) - 1;
    lua_createtable(L, n, 1);
    lua_insert(L, 2);
    lua_pushinteger(L, n);
    lua_setfield(L, 2, "n");
    for (int i = n; i >= 1; i--)
        lua_rawseti(L, 2, i);
    type_register(L, &task_type);
    struct task *t = lua_newuserdatauv(L, sizeof *t, 1);
    t->state = TASK_RUNNING;
    ln_list_init(&t->waits);
    luaL_setmetatable(L, task_type.key);
    int fn = arg_ref(L, 1), args = arg_ref(L, 2), self = arg_ref(L, 3);
    struct task_item *ti = ln_new(struct task_item);
    ti->script = script_of(L);
    ti->task = t;
    ti->self = self;
    ti->args = args;
    seat_own(ti->script->seat, &ti->item, &item_kind);
    ln_id id = ti->item.id;
    t->item = id;
    struct lua_call c = {.script = ti->script,
                         .fn = fn,
                         .what = "task",
                         .push = args_push,
                         .done = task_done,
                         .logs = true,
                         .ud = ti};
    struct script *s = ti->script;
    ln_id call = lua_call_run(&c);
    lua_call_unref(s, fn);
    struct seat_item *it = seat_item_of(&s->app->slots, id, "spawned");
    if (it && it->kind == &item_kind) LN_CONTAINER(it, struct task_item, item)->call = call;
    return 1;
}

/* task:cancel() -> boolean */
static int l_task_cancel(lua_State *L) {
    struct task *t = task_check(L, 1, "task:cancel");
    struct app *app = app_of(L);
    struct seat_item *it = t->item ? seat_item_of(&app->slots, t->item, "spawned") : NULL;
    ln_id call = it && it->kind == &item_kind ? LN_CONTAINER(it, struct task_item, item)->call : 0;
    if (call) lua_call_cancel(app, call);
    lua_pushboolean(L, call != 0);
    return 1;
}

/* --- await, all, race --- */

/* The list of tasks at `list` (AWAIT: the task itself) is kept until the wait ends. */
static int gather_wait(lua_State *L, int list, int n, int kind, int64_t timeout_ms) {
    static const char *const whats[] = {"await", "all", "race"};
    int tasks = arg_ref(L, list);
    struct gather *g = ln_alloc(sizeof *g + (size_t)n * sizeof g->nodes[0]);
    g->script = script_of(L);
    g->tasks = tasks;
    g->n = n;
    g->kind = kind;
    for (int i = 0; i < n; i++) {
        struct wait_node *w = &g->nodes[i];
        if (kind != AWAIT) lua_rawgeti(L, list, i + 1);
        struct task *t = lua_touserdata(L, kind == AWAIT ? list : -1);
        if (kind != AWAIT) lua_pop(L, 1);
        ln_list_init(&w->node);
        w->g = g;
        w->index = i + 1;
        if (t->state != TASK_RUNNING) continue;
        g->left++;
        ln_list_push(&t->waits, &w->node);
    }
    if (timeout_ms >= 0) g->timer = loop_timer(g->script->app->loop, timeout_ms, gather_timeout, g);
    g->wait = lua_call_wait_id(L, gather_free, g, whats[kind]);
    return lua_call_yield(L);
}

/* task:await() ⏸ -> ... | nil, err */
static int l_task_await(lua_State *L) {
    struct task *t = task_check(L, 1, "task:await");
    if (t->state != TASK_RUNNING) return results_push(L, 1, false);
    lua_call_can_wait(L);
    return gather_wait(L, 1, 1, AWAIT, -1);
}

/* Checks the list at 1; index of the first that ended (failed_only: that failed), or 0. */
static int first_ended(lua_State *L, const char *fn, int *n, bool failed_only) {
    int found = 0;
    if (!lua_istable(L, 1)) arg_bad(L, 1, fn, "the tasks", "a list of tasks");
    *n = (int)lua_rawlen(L, 1);
    for (int i = 1; i <= *n; i++) {
        lua_rawgeti(L, 1, i);
        struct task *t = task_check(L, -1, fn);
        enum task_state s = t->state;
        if (!found && s != TASK_RUNNING && (!failed_only || s == TASK_FAILED)) found = i;
        lua_pop(L, 1);
    }
    return found;
}

/* A copy of the list at 1, which the script may change while it is waited for. */
static void copy_list(lua_State *L, int n) {
    lua_createtable(L, n, 0);
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, i);
        lua_rawseti(L, -2, i);
    }
    lua_replace(L, 1);
}

/* linnet.all(tasks) ⏸ -> { result } | nil, err */
static int l_all(lua_State *L) {
    int n, running = 0;
    int failed = first_ended(L, "linnet.all", &n, true);
    lua_settop(L, 1);
    if (failed) {
        lua_rawgeti(L, 1, failed);
        return results_push(L, 2, false);
    }
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, i);
        running += ((struct task *)lua_touserdata(L, -1))->state == TASK_RUNNING;
        lua_pop(L, 1);
    }
    if (running == 0) return all_push(L, 1, n);
    lua_call_can_wait(L);
    copy_list(L, n);
    return gather_wait(L, 1, n, ALL, -1);
}

/* linnet.race(tasks, timeout?) ⏸ -> index, ... | nil, err */
static int l_race(lua_State *L) {
    int n;
    int64_t ms = arg_ms_opt(L, 2, "linnet.race", "the timeout", -1);
    int ended = first_ended(L, "linnet.race", &n, false);
    lua_settop(L, 1);
    if (n == 0) script_fail(L, "linnet.race: the list of tasks is empty");
    if (ended) {
        lua_pushinteger(L, ended);
        lua_rawgeti(L, 1, ended);
        int count = results_push(L, 3, true);
        lua_remove(L, 3);
        return count + 1;
    }
    lua_call_can_wait(L);
    copy_list(L, n);
    return gather_wait(L, 1, n, RACE, ms);
}

static int task_field(lua_State *L, const char *name) {
    static const char *const states[] = {"running", "done", "failed"};
    (void)name; /* `status` is the only one */
    lua_pushstring(L, states[((struct task *)lua_touserdata(L, 1))->state]);
    return 1;
}

static const luaL_Reg task_methods[] = {
    {"await", l_task_await}, {"cancel", l_task_cancel}, {NULL, NULL}};
static const char *const task_fields[] = {"status", NULL};
static const struct type_desc task_type = {
    .key = "linnet.Task",
    .name = "Task",
    .methods = task_methods,
    .fields = task_fields,
    .field = task_field,
};

void ln_open_spawn(lua_State *L) {
    static const luaL_Reg fns[] = {
        {"spawn", l_spawn}, {"all", l_all}, {"race", l_race}, {NULL, NULL}};
    luaL_setfuncs(L, fns, 0);
}
