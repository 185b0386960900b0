/* SPDX-License-Identifier: MIT
 *
 * The door: calls, waits, wakes, cancels, errors, trial loads, unloading from inside.
 */
#include "lua_rig.h"

static struct rig r;
static struct script *s;

/* --- functions for scripts --- */

static ln_id waiting[20000]; /* ids of wait(), in order */
static size_t wait_count, cancels;

static void wait_cancelled(void *ud) {
    (void)ud;
    cancels++;
}

static int f_wait(lua_State *L) {
    lua_call_can_wait(L);
    waiting[wait_count++] = lua_call_wait_id(L, wait_cancelled, NULL, "test");
    return lua_call_yield(L);
}

static int f_held(lua_State *L) {
    if (lua_call_held(L)) return lua_call_hold(L, f_held);
    lua_pushinteger(L, 2 * luaL_checkinteger(L, 1));
    return 1;
}

static int f_unload(lua_State *L) {
    engine_lua.unload(script_of(L)->seat, UNLOAD_STOP);
    return 0;
}

static int f_cancel_me(lua_State *L) {
    struct running *run = script_of(L)->running;
    lua_call_cancel(app_of(L), run->task->item.id);
    return 0;
}

static int push_text(lua_State *L, void *ud) {
    lua_pushstring(L, ud);
    lua_pushinteger(L, 7);
    return 2;
}

static int push_err(lua_State *L, void *ud) {
    return lua_push_ln_err(L, ud);
}

static int push_raises(lua_State *L, void *ud) {
    (void)ud;
    return luaL_error(L, "no argument today");
}

static int push_drops(lua_State *L, void *ud) {
    (void)ud;
    lua_pushinteger(L, 1);
    return -1;
}

static int push_too_much(lua_State *L, void *ud) {
    (void)ud;
    static char big[1 << 20];
    for (int i = 0; i < 1000; i++) {
        luaL_checkstack(L, 1, NULL);
        lua_pushlstring(L, big, sizeof big);
    }
    return 0;
}

static struct {
    int calls, n;
    int64_t first;
    ln_status code;
    char text[400];
} done;

static void on_done(void *ud, lua_State *L, int n, const struct ln_err *err) {
    (void)ud;
    done.calls++;
    done.n = n;
    done.code = err ? err->code : LN_OK;
    done.first = err ? 0 : lua_tointeger(L, 1);
    snprintf(done.text, sizeof done.text, "%s", err ? err->text : "");
}

static void done_raises(void *ud, lua_State *L, int n, const struct ln_err *err) {
    on_done(ud, L, n, err);
    if (!err) luaL_error(L, "done failed");
}

static void open_with(const char *code) {
    rig_open(&r);
    wait_count = cancels = 0;
    memset(&done, 0, sizeof done);
    s = rig_load(&r, code);
    rig_fn(s, "wait", f_wait);
    rig_fn(s, "held", f_held);
    rig_fn(s, "unload", f_unload);
    rig_fn(s, "cancel_me", f_cancel_me);
}

static void close_all(void) {
    if (s) rig_unload(&r, s);
    s = NULL;
    rig_close(&r);
}

static ln_id call_with(const char *name, lua_push_fn push, lua_done_fn fn, void *ud) {
    int ref = rig_ref(s, name);
    struct lua_call c = {.script = s,
                         .fn = ref,
                         .what = "handler",
                         .name = ln_str(name),
                         .push = push,
                         .done = fn,
                         .ud = ud};
    ln_id id = lua_call_run(&c);
    if (!s->killed) lua_call_unref(s, ref);
    return id;
}

/* --- calls --- */

TEST(arguments_go_in_and_results_come_out) {
    open_with("package.loaded.f = function(text, n) return #text + n, 'x' end");
    CHECK_INT(call_with("f", push_text, on_done, "four"), 0);
    CHECK_INT(done.calls, 1);
    CHECK_INT(done.n, 2);
    CHECK_INT(done.first, 11);
    CHECK_INT(s->calls, 2); /* the main chunk was one */
    close_all();
}

TEST(coroutines_are_used_again) {
    open_with("package.loaded.f = function() end");
    for (int i = 0; i < 100; i++)
        rig_call(s, "f");
    CHECK_INT(s->idle_count, 1);
    close_all();
}

TEST(an_error_is_logged_with_its_trace) {
    open_with("local function inner() local x = nil; return x.y end\n"
              "package.loaded.f = function()\n"
              "  inner()\n"
              "end");
    rig_call(s, "f");
    CHECK_INT(s->errors, 1);
    CHECK_HAS(rig_logged(&r), "error script:bot bot.lua:1: attempt to index a nil value");
    CHECK_HAS(rig_logged(&r), "in handler 'f'");
    CHECK_HAS(rig_logged(&r), "bot.lua:3: in function 'f'");
    CHECK(!strstr(rig_logged(&r), "[C]"));
    rig_call(s, "f"); /* and the script goes on */
    CHECK_INT(s->errors, 2);
    close_all();
}

TEST(any_error_object_has_words) {
    open_with(
        "local e = setmetatable({}, { __tostring = function() return 'my own' end })\n"
        "package.loaded.t = function() error({}) end\n"
        "package.loaded.m = function() error(e) end\n"
        "package.loaded.bad = function() error(setmetatable({}, { __tostring = error })) end\n"
        "package.loaded.n = function() error(12) end\n"
        "package.loaded.none = function() error() end\n"
        "package.loaded.code = function() error({ code = 7 }) end\n"
        "package.loaded.deep = function() error({ f = print }) end\n"
        "package.loaded.says = function() assert(nil, { message = 'no way' }) end");
    rig_call(s, "t");
    CHECK_HAS(rig_logged(&r), "an error without a message: {}");
    rig_call(s, "m");
    CHECK_HAS(rig_logged(&r), "my own");
    rig_call(s, "n");
    CHECK_HAS(rig_logged(&r), "error script:bot 12");
    rig_call(s, "none");
    CHECK_HAS(rig_logged(&r), "an error without a message (a nil value)");
    rig_call(s, "code");
    CHECK_HAS(rig_logged(&r), "an error without a message: {\"code\":7}");
    rig_call(s, "deep");
    CHECK_HAS(rig_logged(&r), "an error without a message (a table value)");
    rig_call(s, "says");
    CHECK_HAS(rig_logged(&r), "error script:bot no way");
    rig_call(s, "bad");
    CHECK_INT(s->errors, 8);
    CHECK_INT(s->killed, 0);
    close_all();
}

TEST(done_hears_of_errors) {
    open_with("package.loaded.f = function() error('oh', 0) end\n"
              "package.loaded.g = function() end");
    call_with("f", NULL, on_done, NULL);
    CHECK_INT(done.calls, 1);
    CHECK_INT(done.code, LN_INVALID);
    CHECK_STR(ln_str(done.text), "oh");
    CHECK(!strstr(rig_logged(&r), "oh"));
    call_with("g", NULL, done_raises, NULL);
    CHECK_INT(done.calls, 2); /* once a call, though it raised */
    CHECK_HAS(rig_logged(&r), "done failed");
    close_all();
}

TEST(pushing_is_protected) {
    open_with("package.loaded.f = function() package.loaded.called = 1 end");
    call_with("f", push_raises, NULL, NULL);
    CHECK_HAS(rig_logged(&r), "no argument today");
    CHECK_INT(call_with("f", push_drops, on_done, NULL), 0);
    CHECK_INT(done.calls, 0);
    CHECK_INT(rig_int(s, "called"), 0);
    call_with("f", NULL, NULL, NULL);
    CHECK_INT(rig_int(s, "called"), 1);
    close_all();
}

TEST(memory_that_ends_in_push_ends_the_script) {
    rig_open(&r);
    rig_set(&r, "limits.memory", "8000000");
    memset(&done, 0, sizeof done);
    s = rig_load(&r, "package.loaded.f = function() end");
    call_with("f", push_too_much, on_done, NULL);
    CHECK_INT(s->killed, SCRIPT_OVER_MEMORY);
    CHECK_INT(done.calls, 1);
    CHECK_INT(done.code, LN_BUDGET);
    CHECK_HAS(done.text, "more memory than its limit of 8.0 MB");
    CHECK_INT(s->seat->state, SEAT_DEAD);
    CHECK_INT(rig_call(s, "f"), 0);
    close_all();
}

/* The limit is moved through all places of a script's life, byte by byte nearly. */
TEST(memory_may_end_anywhere) {
    int loaded = 0, refused = 0, killed = 0;
    for (size_t limit = 2000; limit < 90000; limit += 487) {
        char text[32];
        rig_open(&r);
        snprintf(text, sizeof text, "%zu", limit);
        rig_set(&r, "limits.memory", text);
        s = rig_trial(
            &r, "bot.lua",
            "local t = {}\n"
            "for i = 1, 50 do t[i] = { name = 'n' .. i, f = function() return i end } end\n"
            "local function bad() local x = nil; return x.y end\n"
            "package.loaded.f = function()\n"
            "  pcall(function() for i = 1, 50 do t['k' .. i] = ('x'):rep(i):gsub('x', 'yy') end "
            "end)\n"
            "  local co = coroutine.wrap(function(...) coroutine.yield(select('#', ...)) end)\n"
            "  co(table.unpack(t))\n"
            "  linnet.json.decode(linnet.json.encode(t.k1 and { a = { 1, 2, { b = t.k1 } } }))\n"
            "  bad()\n"
            "end");
        if (s) {
            loaded++;
            seat_go_live(s->seat);
            memset(&done, 0, sizeof done);
            int fn = LUA_NOREF;
            if (s->mem_limit - s->mem_used > 2000) fn = rig_ref(s, "f");
            struct lua_call c = {.script = s, .fn = fn, .what = "handler", .done = on_done};
            for (int i = 0; i < 3 && fn != LUA_NOREF && !s->killed; i++) {
                lua_call_run(&c);
                CHECK_INT(done.calls, i + 1);
            }
            killed += s->killed == SCRIPT_OVER_MEMORY;
            CHECK(s->mem_used <= s->mem_limit);
        } else {
            refused++;
        }
        close_all();
    }
    CHECK(loaded > 20 && refused > 20 && killed > 5);
}

/* --- waiting --- */

static const char *const waiter = "package.loaded.f = function(...)\n"
                                  "  local a, b = wait()\n"
                                  "  package.loaded.got = b or -1\n"
                                  "  return b\n"
                                  "end";

TEST(a_call_waits_and_is_woken) {
    open_with(waiter);
    ln_id id = call_with("f", push_text, on_done, "x");
    CHECK(id != 0);
    CHECK_INT(seat_count(s->seat, "task"), 1);
    CHECK_INT(done.calls, 0);
    CHECK(lua_call_wake(&r.app, waiting[0], push_text, "answer"));
    CHECK_INT(rig_int(s, "got"), 7);
    CHECK_INT(done.calls, 1);
    CHECK_INT(done.first, 7);
    CHECK_INT(seat_count(s->seat, "task"), 0);
    CHECK_INT(cancels, 0);
    close_all();
}

TEST(a_stale_wake_does_nothing) {
    open_with(waiter);
    call_with("f", NULL, on_done, NULL);
    CHECK(lua_call_wake(&r.app, waiting[0], NULL, NULL));
    CHECK(!lua_call_wake(&r.app, waiting[0], push_text, "again"));
    CHECK_INT(done.calls, 1);
    CHECK_INT(rig_int(s, "got"), -1);
    CHECK(!lua_call_wake(&r.app, 0, NULL, NULL));
    CHECK(!lua_call_wake(&r.app, 12345678901, NULL, NULL));
    close_all();
}

TEST(many_waits_in_one_call) {
    open_with("package.loaded.f = function()\n"
              "  local sum = 0\n"
              "  for i = 1, 10 do local _, n = wait(); sum = sum + n end\n"
              "  package.loaded.sum = sum\n"
              "end");
    ln_id id = call_with("f", NULL, NULL, NULL);
    for (size_t i = 0; i < 10; i++) {
        CHECK_INT(seat_count(s->seat, "task"), 1);
        CHECK(seat_item_of(&r.app.slots, id, "task") != NULL); /* one id for the whole task */
        CHECK(lua_call_wake(&r.app, waiting[i], push_text, ""));
    }
    CHECK_INT(rig_int(s, "sum"), 70);
    CHECK(seat_item_of(&r.app.slots, id, "task") == NULL);
    close_all();
}

TEST(a_cancelled_task_closes_what_it_holds) {
    open_with("package.loaded.f = function()\n"
              "  local c <close> = setmetatable({}, { __close = function() package.loaded.closed = "
              "1 end })\n"
              "  wait()\n"
              "  package.loaded.after = 1\n"
              "end");
    ln_id id = call_with("f", NULL, on_done, NULL);
    lua_call_cancel(&r.app, id);
    CHECK_INT(cancels, 1);
    CHECK_INT(done.calls, 1);
    CHECK_INT(done.code, LN_CANCELLED);
    CHECK_INT(rig_int(s, "closed"), 1);
    CHECK_INT(rig_int(s, "after"), 0);
    CHECK(!lua_call_wake(&r.app, waiting[0], NULL, NULL));
    lua_call_cancel(&r.app, id);
    CHECK_INT(done.calls, 1);
    close_all();
}

TEST(a_task_that_cancels_itself_ends_at_its_next_wait) {
    open_with("package.loaded.f = function()\n"
              "  wait()\n"
              "  cancel_me()\n"
              "  package.loaded.still = 1\n"
              "  wait()\n"
              "  package.loaded.after = 1\n"
              "end");
    call_with("f", NULL, NULL, NULL);
    lua_call_wake(&r.app, waiting[0], NULL, NULL);
    CHECK_INT(rig_int(s, "still"), 1);
    CHECK_INT(rig_int(s, "after"), 0);
    CHECK_INT(wait_count, 1);
    CHECK_INT(seat_count(s->seat, "task"), 0);
    close_all();
}

TEST(a_drop_of_the_item_cancels_the_operation) {
    open_with(waiter);
    ln_id id = call_with("f", NULL, on_done, NULL);
    seat_drop(seat_item_of(&r.app.slots, id, "task"));
    CHECK_INT(cancels, 1);
    CHECK_INT(done.calls, 0);
    CHECK(!lua_call_wake(&r.app, waiting[0], NULL, NULL));
    close_all();
}

TEST(unloading_drops_what_waits) {
    open_with(waiter);
    for (int i = 0; i < 5; i++)
        call_with("f", NULL, on_done, NULL);
    rig_unload(&r, s);
    s = NULL;
    CHECK_INT(cancels, 5);
    CHECK_INT(done.calls, 0);
    for (int i = 0; i < 5; i++)
        CHECK(!lua_call_wake(&r.app, waiting[i], NULL, NULL));
    close_all();
}

TEST(ten_thousand_wait_at_once) {
    open_with(waiter);
    for (int i = 0; i < 10000; i++)
        call_with("f", NULL, on_done, NULL);
    CHECK_INT(seat_count(s->seat, "task"), 10000);
    for (int i = 9999; i >= 0; i--)
        CHECK(lua_call_wake(&r.app, waiting[i], push_text, ""));
    CHECK_INT(done.calls, 10000);
    CHECK_INT(s->idle_count, 64);
    close_all();
}

TEST(places_that_cannot_wait_say_so) {
    open_with(
        "package.loaded.sort = function() table.sort({ 3, 2, 1 }, function() wait() end) end\n"
        "package.loaded.gsub = function() ('x'):gsub('x', function() wait() end) end\n"
        "package.loaded.meta = function()\n"
        "  return tostring(setmetatable({}, { __tostring = function() wait() end }))\n"
        "end\n"
        "package.loaded.pcall = function() pcall(wait); package.loaded.after = 1 end");
    rig_call(s, "sort");
    CHECK_HAS(rig_logged(&r),
              "bot.lua:1: cannot wait inside string.gsub, table.sort or a metamethod");
    rig_call(s, "gsub");
    CHECK_HAS(rig_logged(&r), "bot.lua:2: cannot wait inside");
    rig_call(s, "meta");
    CHECK_HAS(rig_logged(&r), "bot.lua:4: cannot wait inside");
    CHECK_INT(wait_count, 0);
    CHECK(rig_call(s, "pcall") != 0); /* a pcall waits along */
    lua_call_wake(&r.app, waiting[0], NULL, NULL);
    CHECK_INT(rig_int(s, "after"), 1);
    close_all();
}

TEST(coroutines_of_scripts_wait_too) {
    open_with("package.loaded.f = function()\n"
              "  local gen = coroutine.wrap(function()\n"
              "    for i = 1, 3 do local _, n = wait(); coroutine.yield(n + i) end\n"
              "  end)\n"
              "  local sum = 0\n"
              "  for v in gen do sum = sum + v end\n"
              "  package.loaded.sum = sum\n"
              "  local co = coroutine.create(function(a) return a, select(2, wait()) end)\n"
              "  local ok, a, b = coroutine.resume(co, 5)\n"
              "  package.loaded.ok = ok and a + b or 0\n"
              "end");
    call_with("f", NULL, NULL, NULL);
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(wait_count, i + 1);
        CHECK_INT(s->nested_waits, 1);
        CHECK(lua_call_wake(&r.app, waiting[i], push_text, ""));
    }
    CHECK_INT(rig_int(s, "sum"), 27);
    CHECK_INT(rig_int(s, "ok"), 12);
    CHECK_INT(s->nested_waits, 0);
    CHECK_INT(seat_count(s->seat, "task"), 0);
    close_all();
}

TEST(a_waiting_coroutine_cannot_be_resumed_by_hand) {
    open_with("local co\n"
              "package.loaded.f = function()\n"
              "  co = coroutine.create(function() wait() end)\n"
              "  coroutine.resume(co)\n"
              "  package.loaded.done = 1\n"
              "end\n"
              "package.loaded.g = function()\n"
              "  local ok, err = coroutine.resume(co)\n"
              "  package.loaded.refused = err:find('waits') and not ok and 1 or 0\n"
              "  package.loaded.closed = pcall(coroutine.close, co) and 1 or 0\n"
              "end\n"
              "local base\n"
              "package.loaded.h = function() base = coroutine.running(); wait() end\n"
              "package.loaded.i = function()\n"
              "  local ok, err = coroutine.resume(base)\n"
              "  package.loaded.base = err:find('waits') and not ok and 1 or 0\n"
              "end\n"
              "package.loaded.y = function() coroutine.yield() end");
    call_with("f", NULL, NULL, NULL);
    rig_call(s, "g");
    CHECK_INT(rig_int(s, "refused"), 1);
    CHECK_INT(rig_int(s, "closed"), 0);
    CHECK(lua_call_wake(&r.app, waiting[0], NULL, NULL));
    CHECK_INT(rig_int(s, "done"), 1);
    call_with("h", NULL, NULL, NULL);
    rig_call(s, "i");
    CHECK_INT(rig_int(s, "base"), 1);
    rig_call(s, "y");
    CHECK_HAS(rig_logged(&r), "attempt to yield from outside a coroutine");
    close_all();
}

TEST(a_barrier_is_held_while_a_call_waits) {
    open_with(waiter);
    struct barrier *b = barrier_open(wait_cancelled, NULL); /* counts in `cancels` */
    int ref = rig_ref(s, "f");
    struct lua_call c = {.script = s, .fn = ref, .what = "handler", .barrier = b};
    lua_call_run(&c);
    barrier_seal(b);
    CHECK_INT(cancels, 0);
    lua_call_wake(&r.app, waiting[0], NULL, NULL);
    CHECK_INT(cancels, 1);
    close_all();
}

TEST(names_and_events_outlive_their_caller) {
    open_with("package.loaded.f = function() wait(); error('late') end");
    char name[] = "greeting", event[] = "message", args[] = "[1,2]";
    struct event ev = {.name = ln_str(event), .args = ln_str(args), .serial = 9};
    int ref = rig_ref(s, "f");
    struct lua_call c = {
        .script = s, .fn = ref, .what = "handler", .name = ln_str(name), .event = &ev};
    lua_call_run(&c);
    memset(name, 'x', 8);
    memset(event, 'x', 7);
    memset(args, 'x', 5);
    struct lua_task *t = LN_CONTAINER(s->seat->items.prev, struct lua_task, item.node);
    CHECK_STR(t->c->event->name, "message");
    CHECK_STR(t->c->event->args, "[1,2]");
    CHECK_INT(t->c->event->serial, 9);
    lua_call_wake(&r.app, waiting[0], NULL, NULL);
    CHECK_HAS(rig_logged(&r), "in handler 'greeting'");
    close_all();
}

/* --- trial --- */

TEST(side_effects_wait_for_the_seat_to_go_live) {
    open_with("");
    struct script *first = s;
    s = rig_trial(&r, "new.lua",
                  "package.loaded.f = function() package.loaded.got = held(21) end\n");
    rig_fn(s, "held", f_held);
    CHECK(rig_call(s, "f") != 0);
    CHECK_INT(rig_int(s, "got"), 0);
    seat_go_live(s->seat);
    CHECK_INT(rig_int(s, "got"), 42);
    rig_call(s, "f");
    CHECK_INT(rig_int(s, "got"), 42);
    rig_unload(&r, s);
    s = first;
    close_all();
}

TEST(a_load_that_fails_says_where) {
    rig_open(&r);
    CHECK(rig_trial(&r, "bot.lua", "local x = 1\nlocal y = = 2") == NULL);
    CHECK_HAS(r.err.text, "bot.lua:2: unexpected symbol near '='");
    CHECK(rig_trial(&r, "bot.lua", "\n\nerror('no')") == NULL);
    CHECK_HAS(r.err.text, "bot.lua:3: no");
    CHECK(rig_trial(&r, "bots/wren/main.lua", "\nlocal x = undefined_name") == NULL);
    CHECK_HAS(r.err.text, "bots/wren/main.lua:2: there is no global 'undefined_name'");
    CHECK(rig_trial(&r, "bot.lua", "\x1bLua") == NULL);
    CHECK_HAS(r.err.text, "attempt to load a binary chunk");
    CHECK(rig_trial(&r, "bot.lua", "return 5") == NULL);
    CHECK_HAS(r.err.text, "returns nothing, or a plugin table; not a number");
    s = rig_trial(&r, "bot.lua", "#!/usr/bin/env linnet\npackage.loaded.n = 1");
    CHECK(s != NULL);
    close_all();
}

/* --- ending --- */

TEST(unloading_inside_a_handler_waits_for_its_end) {
    open_with("package.loaded.f = function()\n"
              "  unload()\n"
              "  local t = {}\n"
              "  for i = 1, 100 do t[i] = { i } end\n"
              "  print('still here', #t)\n"
              "  wait()\n"
              "  print('never')\n"
              "end");
    CHECK_INT(rig_call(s, "f"), 0);
    CHECK_HAS(rig_logged(&r), "still here");
    CHECK_INT(wait_count, 0);
    loop_settle(r.app.loop, 0);
    CHECK(!strstr(rig_logged(&r), "never"));
    s = NULL;
    CHECK_INT(r.app.slots.count, 0);
    close_all();
}

TEST(a_reload_wakes_those_who_wait_once) {
    open_with("package.loaded.f = function()\n"
              "  local ok, err = wait()\n"
              "  print('woken', ok, err.code, tostring(err))\n"
              "  wait()\n"
              "  print('never')\n"
              "end");
    rig_call(s, "f");
    engine_lua.unload(s->seat, UNLOAD_RELOAD);
    s = NULL;
    CHECK_HAS(rig_logged(&r), "woken  nil  reloaded  the script was reloaded");
    CHECK(!strstr(rig_logged(&r), "never"));
    CHECK_INT(wait_count, 1);
    CHECK_INT(cancels, 1);
    close_all();
}

TEST(a_synchronous_call_tells_its_error) {
    open_with("package.loaded.f = function(...) return ... end\n"
              "package.loaded.g = function() error('bad', 0) end\n"
              "package.loaded.w = function() wait() end");
    struct ln_err err;
    int f = rig_ref(s, "f"), g = rig_ref(s, "g"), w = rig_ref(s, "w");
    CHECK(lua_call_now(s, f, "compare", push_text, on_done, "x", &err));
    CHECK_INT(done.n, 2);
    CHECK(!lua_call_now(s, g, "compare", NULL, NULL, NULL, &err));
    CHECK_STR(ln_str(err.text), "bad");
    CHECK(!lua_call_now(s, w, "compare", NULL, NULL, NULL, &err));
    CHECK_HAS(err.text, "bot.lua:3: this place cannot wait");
    close_all();
}

TEST(err_values_print_as_their_message) {
    open_with("package.loaded.f = function()\n"
              "  local ok, err = wait()\n"
              "  print(err.code, err, pcall(assert, ok, err))\n"
              "  assert(ok, err)\n"
              "end");
    rig_call(s, "f");
    struct ln_err err = {LN_TIMEOUT, "it took too long"};
    lua_call_wake(&r.app, waiting[0], push_err, &err);
    CHECK_HAS(rig_logged(&r), "timeout  it took too long  false  it took too long");
    CHECK_HAS(rig_logged(&r), "error script:bot it took too long");
    close_all();
}

TEST(everything_holds_under_an_aggressive_collector) {
    setenv("LINNET_GC_STRESS", "1", 1);
    open_with(waiter);
    unsetenv("LINNET_GC_STRESS");
    CHECK(s->is_stressed);
    for (int i = 0; i < 200; i++)
        call_with("f", push_text, on_done, "x");
    for (int i = 0; i < 200; i += 2)
        lua_call_wake(&r.app, waiting[i], push_text, "y");
    CHECK_INT(done.calls, 100);
    close_all();
}

TEST_MAIN(T(arguments_go_in_and_results_come_out), T(coroutines_are_used_again),
          T(an_error_is_logged_with_its_trace), T(any_error_object_has_words),
          T(done_hears_of_errors), T(pushing_is_protected),
          T(memory_that_ends_in_push_ends_the_script), T(memory_may_end_anywhere),
          T(memory_may_end_anywhere), T(a_call_waits_and_is_woken), T(a_stale_wake_does_nothing),
          T(many_waits_in_one_call), T(a_cancelled_task_closes_what_it_holds),
          T(a_task_that_cancels_itself_ends_at_its_next_wait),
          T(a_drop_of_the_item_cancels_the_operation), T(unloading_drops_what_waits),
          T(ten_thousand_wait_at_once), T(places_that_cannot_wait_say_so),
          T(coroutines_of_scripts_wait_too), T(a_waiting_coroutine_cannot_be_resumed_by_hand),
          T(a_barrier_is_held_while_a_call_waits), T(names_and_events_outlive_their_caller),
          T(side_effects_wait_for_the_seat_to_go_live), T(a_load_that_fails_says_where),
          T(unloading_inside_a_handler_waits_for_its_end), T(a_reload_wakes_those_who_wait_once),
          T(a_synchronous_call_tells_its_error), T(err_values_print_as_their_message),
          T(everything_holds_under_an_aggressive_collector))
