/* SPDX-License-Identifier: MIT
 *
 * The door: calls, waits, wakes, cancels, errors. How it closes is in bindings_end_test.c.
 */
#include "lua_calls.h"

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
          T(a_barrier_is_held_while_a_call_waits), T(names_and_events_outlive_their_caller))
