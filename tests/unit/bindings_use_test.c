/* SPDX-License-Identifier: MIT
 *
 * linnet.use: plugins in states of their own, calls that wait, values that pass, reloads that take
 * users along, plugins that end while somebody waits for them.
 */
#include "lua_world.h"

static void open_all(void) {
    open_world(keep_record);
}

static const char *const roster =
    "local linnet = require 'linnet'\n"
    "local greeting\n"
    "return { name = 'roster', version = '2.1.0',\n"
    "  init = function(self, options) greeting = options.greeting or 'none' end,\n"
    "  dispose = function(self, why) print('roster ends', why) end,\n"
    "  exports = {\n"
    "    find = function(name, extra) return greeting .. ' ' .. name, extra end,\n"
    "    table = function(t) t.seen = #t.list return t end,\n"
    "    slow = function(s) linnet.sleep(s) return 'slept ' .. s end,\n"
    "    fail = function() error('inside') end,\n"
    "    nothing = function() end,\n"
    "    bad = function() return print end,\n"
    "    max = 7,\n"
    "  } }";

TEST(exports_are_called_from_another_state) {
    open_all();
    write_file("plugins/roster.lua", roster);
    load_bot(
        "local r, err = linnet.use('roster', { greeting = 'hello' })\n"
        "assert(r, err)\n"
        "linnet.after(0, function()\n"
        "  print('found', r.find('ida', nil), r.find('bo', 9))\n"
        "  print('max', r.max, select('#', r.nothing()))\n"
        "  local t = r.table({ list = { 1, 2, 3 }, id = 9007199254740993, no = linnet.null })\n"
        "  print('table', t.seen, t.id, t.no == linnet.null)\n"
        "  print('failed', r.fail())\n"
        "  print('bad', r.bad())\n"
        "  print('refused', pcall(r.find, print))\n"
        "  print('unknown', pcall(function() return r.fnid end))\n"
        "end)");
    CHECK_INT(result.code, LN_OK);
    CHECK_INT(scripts_count(app->scripts), 2);
    loop_advance(app->loop, 10);
    CHECK_HAS(logged(), "found  hello ida  hello bo  9");
    CHECK_HAS(logged(), "max  7  0");
    CHECK_HAS(logged(), "table  3  9007199254740993  true");
    CHECK_HAS(logged(), "failed  nil  ");
    CHECK_HAS(logged(), "roster.lua:10: inside");
    CHECK_HAS(logged(), "bad  nil  a function cannot be JSON");
    CHECK_HAS(logged(), "refused  false  ");
    CHECK_HAS(logged(), "roster.find: a function cannot be JSON");
    CHECK_HAS(logged(), "the plugin 'roster' exports no 'fnid' (did you mean 'find'?)");
    close_all();
    /* the user first, then the plugin */
}

TEST(a_call_that_waits_makes_its_caller_wait) {
    open_all();
    write_file("plugins/roster.lua", roster);
    load_bot("local r = assert(linnet.use 'roster')\n"
             "linnet.spawn(function() print('result', r.slow(2)) end)\n"
             "linnet.spawn(function() print('result', r.slow(1)) end)\n"
             "local ok, err = pcall(table.sort, { 2, 1 }, function() return r.slow(1) end)\n"
             "print('sort', err)");
    CHECK_HAS(logged(), "cannot wait inside");
    loop_advance(app->loop, 1500);
    CHECK_HAS(logged(), "result  slept 1");
    CHECK(!strstr(logged(), "slept 2"));
    loop_advance(app->loop, 1000);
    CHECK_HAS(logged(), "result  slept 2");
    close_all();
}

TEST(a_plugin_that_ends_answers_who_waits) {
    open_all();
    write_file("plugins/roster.lua", roster);
    load_bot("local r = assert(linnet.use 'roster')\n"
             "linnet.spawn(function()\n"
             "  local ok, err = r.slow(5)\n"
             "  print('answer', ok, err.code)\n"
             "  print('later', select(2, r.find('x')))\n"
             "end)");
    size_t i = 0;
    struct seat *seat;
    const char *path;
    while (scripts_each(app->scripts, &i, &seat, &path) && !strstr(path, "roster"))
        continue;
    scripts_killed(app->scripts, seat, "is gone for a test");
    CHECK_HAS(logged(), "answer  nil  cancelled");
    CHECK_HAS(logged(), "later  the plugin 'roster' is not running");
    close_all();
}

TEST(a_caller_that_ends_cancels_its_calls) {
    open_all();
    write_file("plugins/roster.lua", roster);
    load_bot("local r = assert(linnet.use 'roster')\n"
             "linnet.spawn(function() r.slow(5) print('never') end)");
    scripts_stop(app->scripts);
    loop_advance(app->loop, 10000);
    CHECK(!strstr(logged(), "never"));
    close_all();
}

TEST(users_start_after_init_that_waits) {
    open_all();
    write_file("plugins/slow.lua",
               "return { init = function() linnet.sleep(2) print('init over') end,\n"
               "  exports = { f = function() return 5 end } }");
    load_bot("local p = assert(linnet.use 'slow')\nprint('used', p.f())");
    CHECK_INT(result.code, LN_OK);
    CHECK(!strstr(logged(), "used"));
    loop_advance(app->loop, 2500);
    CHECK_HAS(logged(), "init over");
    CHECK_HAS(logged(), "used  5");
    CHECK(strstr(logged(), "init over") < strstr(logged(), "used"));
    close_all();
}

TEST(an_init_that_fails_late_is_told) {
    open_all();
    write_file("plugins/slow.lua",
               "return { init = function() linnet.sleep(2) error('no luck') end }");
    load_bot("print('use', select(2, linnet.use 'slow'))");
    loop_advance(app->loop, 2500);
    CHECK_HAS(logged(), "use  the plugin 'slow' did not start");
    CHECK_HAS(logged(), "no luck");
    close_all();
}

TEST(errors_of_use) {
    open_all();
    write_file("plugins/broken.lua", "return {");
    write_file("plugins/old.lua", "return { version = '1.0' }");
    load_bot("print('a', select(2, linnet.use 'nothing'))\n"
             "print('b', select(2, linnet.use 'broken'))\n"
             "print('c', pcall(linnet.use, '../x'))\n"
             "print('d', pcall(linnet.use, 'old', 5))\n"
             "print('e', pcall(linnet.use, 'old', { f = print }))");
    CHECK_HAS(logged(), "a  no plugin 'nothing': there is no plugins/nothing.lua");
    CHECK_HAS(logged(), "plugins/broken.lua:1: unexpected symbol near <eof>");
    CHECK_HAS(logged(), "'../x' is not the name of a plugin");
    CHECK_HAS(logged(), "linnet.use: options must be a table, not number");
    CHECK_HAS(logged(), "linnet.use: options: a function cannot be JSON");
    write_file("needs.lua", "assert(linnet.use 'old') return { requires = { 'old >= 2' } }");
    char path[100];
    snprintf(path, sizeof path, "%s/needs.lua", dir);
    scripts_load(app->scripts, path, NULL, on_done, NULL);
    CHECK_HAS(result.text, "it requires old >= 2, but this is old 1.0");
    write_file("needs2.lua", "return { requires = { 'people >= 2' } }");
    snprintf(path, sizeof path, "%s/needs2.lua", dir);
    scripts_load(app->scripts, path, NULL, on_done, NULL);
    CHECK_HAS(result.text,
              "it requires people >= 2, which is not loaded: call linnet.use(\"people\")");
    close_all();
}

TEST(plugins_that_use_each_other_are_refused) {
    open_all();
    write_file("plugins/a.lua", "local b, err = linnet.use 'b' print('a uses b', err) return {}");
    char nested[200];
    snprintf(nested, sizeof nested, "%s/plugins/plugins", dir);
    CHECK_INT(symlink(".", nested), 0); /* plugins find each other beside themselves */
    write_file("plugins/b.lua", "local a, err = linnet.use 'b' print('b uses b', err) return {}");
    load_bot("linnet.use 'a'");
    CHECK_HAS(logged(), "use each other");
    CHECK_INT(result.code, LN_OK);
    close_all();
}

TEST(a_reload_of_the_plugin_reloads_its_users) {
    struct ln_err err;
    open_all();
    write_file("plugins/roster.lua", "return { exports = { v = 1 } }");
    load_bot("print('version', assert(linnet.use 'roster').v)");
    CHECK_INT(scripts_watch(app->scripts, &err), LN_OK);
    CHECK_HAS(logged(), "version  1");
    write_file("plugins/roster.lua", "return { exports = { v = 2 } }");
    loop_advance(app->loop, 1000);
    CHECK_HAS(logged(), "version  2");
    CHECK_INT(scripts_count(app->scripts), 2);
    write_file("plugins/roster.lua", "return {{");
    loop_advance(app->loop, 1000);
    CHECK_HAS(logged(), "roster.lua:1: ");
    CHECK_INT(scripts_count(app->scripts), 2);
    write_file("bot.lua", "print('uses nothing now')"); /* the last user: the plugin goes */
    loop_advance(app->loop, 1000);
    CHECK_HAS(logged(), "uses nothing now");
    CHECK_INT(scripts_count(app->scripts), 1);
    close_all();
}

TEST_MAIN(T(exports_are_called_from_another_state), T(a_call_that_waits_makes_its_caller_wait),
          T(a_plugin_that_ends_answers_who_waits), T(a_caller_that_ends_cancels_its_calls),
          T(users_start_after_init_that_waits), T(an_init_that_fails_late_is_told),
          T(errors_of_use), T(plugins_that_use_each_other_are_refused),
          T(a_reload_of_the_plugin_reloads_its_users))
