/* SPDX-License-Identifier: MIT
 *
 * Calls at the edges of a script's life: trial loads, unloading and reloading from inside, and all
 * of it under an aggressive collector.
 */
#include "lua_calls.h"

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

TEST_MAIN(T(side_effects_wait_for_the_seat_to_go_live), T(a_load_that_fails_says_where),
          T(unloading_inside_a_handler_waits_for_its_end), T(a_reload_wakes_those_who_wait_once),
          T(a_synchronous_call_tells_its_error), T(err_values_print_as_their_message),
          T(everything_holds_under_an_aggressive_collector))
