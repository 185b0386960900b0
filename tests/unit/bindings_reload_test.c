/* SPDX-License-Identifier: MIT
 *
 * Reload with rollback, by the whole program but its network: no event is lost or handled twice, a
 * broken version leaves the old one running, what was saved comes back, a killed script starts
 * again, plugins take their users along, and saving a file is enough.
 */
#include "lua_world.h"

#define EVENTS 100000
static unsigned char handled[EVENTS];
static int64_t versions[EVENTS];

/* "n version" of a script's print is counted, all other records are kept. */
static void sink(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                 const struct ln_log_field *fields, size_t n) {
    int number, version;
    char text[64];
    snprintf(text, sizeof text, "%.*s", LN_FMT(msg));
    if (level == LN_INFO && sscanf(text, "got %d %d", &number, &version) == 2 && number >= 0 &&
        number < EVENTS) {
        handled[number]++;
        versions[number] = version;
        return;
    }
    keep_record(ud, level, tag, msg, fields, n);
}

static void open_all(void) {
    open_world(sink);
    config_set(app->config, "limits.budget_kill", LN_STR("\"50ms\""), CONFIG_FLAG, "test");
}

static void reload_bot(const char *text) {
    write_file("bot.lua", text);
    scripts_reload(app->scripts, bot, on_done, NULL);
}

static struct script *script_at(size_t index) {
    size_t i = index;
    struct seat *seat;
    const char *path;
    return scripts_each(app->scripts, &i, &seat, &path) ? seat->impl : NULL;
}

/* An event of the connection that the scripts below listen to. */
static void emit(int n) {
    char args[32];
    struct conn *c = conn_find(app->clients, LN_STR("ws://127.0.0.1:9/"));
    size_t i = 0;
    if (!c) clients_each(app->clients, &i, &c);
    if (!c) return;
    snprintf(args, sizeof args, "%d", n);
    struct event ev = {.kind = EVENT_APP,
                       .conn = c,
                       .name = LN_STR("number"),
                       .args = ln_str(args),
                       .ack = -1,
                       .serial = app_event_serial(app)};
    bus_emit(app_bus(app, c), &ev);
}

/* --- the proof --- */

static void version_text(struct ln_buf *b, int version) {
    ln_buf_clear(b);
    ln_buf_fmt(b,
               "local linnet = require 'linnet'\n"
               "local chat = linnet.connect('ws://127.0.0.1:9', { autoconnect = false })\n"
               "chat:on('number', function(n) print('got ' .. n .. ' %d') end)\n",
               version);
}

static const char *const broken[] = {
    "local x = = 1",       "chat:on('number', function() end",
    "error('not today')",  "local x = nil; x.y = 1",
    "while true do end",   "undeclared = 1",

    "require 'not_there'", "",
};

TEST(no_event_is_lost_or_handled_twice) {
    struct ln_buf text = {0};
    int version = 1, reloads = 0, refused = 0, wrong = 0;
    open_all();
    memset(handled, 0, sizeof handled);
    version_text(&text, version);
    load_bot(ln_buf_cstr(&text));
    CHECK_INT(result.code, LN_OK);
    for (int n = 0; n < EVENTS; n++) {
        if (n % 1000 == 999) {
            if (n % 3000 == 2999) { /* broken: registers first, then fails */
                version_text(&text, 1000);
                const char *why = broken[(size_t)(n / 3000) % (LN_COUNT(broken) - 1)];
                ln_buf_puts(&text, why);
                refused++;
                reload_bot(ln_buf_cstr(&text));
                CHECK(result.code != LN_OK);
                CHECK_HAS(result.text, "bot.lua:");
            } else {
                version_text(&text, ++version);
                reloads++;
                reload_bot(ln_buf_cstr(&text));
                CHECK_INT(result.code, LN_OK);
            }
        }
        emit(n);
        wrong += handled[n] != 1 || versions[n] != version;
    }
    CHECK(reloads >= 50);
    CHECK(refused >= 30);
    CHECK_INT(wrong, 0);
    CHECK_INT(scripts_count(app->scripts), 1);
    CHECK_HAS(logged(), "the running version stays");
    ln_buf_free(&text);
    close_all();
}

TEST(what_was_saved_is_restored) {
    open_all();
    load_bot("local n, list = 7, { 1, 2 }\n"
             "return { version = '1', save = function() return { n = n, list = list } end,\n"
             "  dispose = function(self, why) print('old ends', why) end }");
    reload_bot(
        "local got\n"
        "return { version = '2', restore = function(self, v) print('restored', v.n, #v.list) end,\n"
        "  save = function() error('cannot save') end }");
    CHECK_INT(result.code, LN_OK);
    CHECK_HAS(logged(), "restored  7  2");
    CHECK_HAS(logged(), "old ends  reload");
    CHECK(strstr(logged(), "restored") < strstr(logged(), "old ends"));
    reload_bot("print('third')"); /* the old one cannot save: it stays */
    CHECK_HAS(result.text, "bot.lua:3: cannot save");
    CHECK_INT(scripts_count(app->scripts), 1);
    CHECK_INT(script_at(0)->seat->reloads, 1);
    close_all();
}

TEST(linnet_script_tells_about_reloads) {
    open_all();
    load_bot("print('reloads', linnet.script.reloads, linnet.script.name)");
    CHECK_HAS(logged(), "reloads  0  bot");
    reload_bot("linnet.on_dispose(function() print('reloads', linnet.script.reloads) end)");
    scripts_stop(app->scripts);
    CHECK_HAS(logged(), "reloads  1");
    close_all();
}

TEST(a_script_may_end_the_program_while_it_starts) {
    open_all();
    load_bot("linnet.exit(3)");
    CHECK_INT(app->exit_code, 3);
    CHECK(app->stopping);
    loop_settle(app->loop, 0);
    CHECK_INT(scripts_count(app->scripts), 0);
    close_all();
    open_all();
    load_bot("print('first')");
    reload_bot("linnet.exit(4)\nreturn { restore = function() end }");
    loop_settle(app->loop, 0);
    CHECK_INT(app->exit_code, 4);
    CHECK_INT(scripts_count(app->scripts), 0);
    close_all();
}

/* --- kills --- */

/* An address with a token in it is another one at every load. */
TEST(what_was_known_of_old_connections_goes_with_them) {
    struct ln_buf text = {0};
    open_all();
    for (int i = 0; i < 20; i++) {
        ln_buf_clear(&text);
        ln_buf_fmt(&text,
                   "local linnet = require 'linnet'\n"
                   "for _, host in ipairs { '127.0.0.1', 'localhost' } do\n"
                   "  local url = ('ws://%%s:9/%d?token=%d'):format(host)\n"
                   "  linnet.connect(url, { autoconnect = false }):on('x', print)\n"
                   "end\n",
                   i, i);
        if (i == 0)
            load_bot(ln_buf_cstr(&text));
        else
            reload_bot(ln_buf_cstr(&text));
        CHECK_INT(result.code, LN_OK);
        loop_settle(app->loop, 0);
        CHECK_INT(app->targets.count, 2);
        CHECK_INT(app->buses.count, 2);
    }
    reload_bot("print('none')");
    loop_settle(app->loop, 0);
    CHECK_INT(app->targets.count, 0);
    CHECK_INT(app->buses.count, 0);
    ln_buf_free(&text);
    close_all();
}

TEST(a_killed_script_starts_again_with_backoff) {
    open_all();
    load_bot("local linnet = require 'linnet'\n"
             "print('started')\n"
             "local chat = linnet.connect('ws://127.0.0.1:9', { autoconnect = false })\n"
             "chat:on('number', function() while true do end end)\n");
    CHECK_INT(result.code, LN_OK);
    const int64_t waits[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (size_t i = 0; i < LN_COUNT(waits); i++) {
        CHECK_INT(scripts_count(app->scripts), 1);
        emit(1);
        loop_settle(app->loop, 0);
        CHECK_INT(scripts_count(app->scripts), 0);
        loop_advance(app->loop, waits[i] - 1);
        CHECK_INT(scripts_count(app->scripts), 0);
        loop_advance(app->loop, 1);
    }
    CHECK_INT(scripts_count(app->scripts), 1);
    CHECK_HAS(logged(),
              "was stopped: it used more than 50 ms of CPU time in one turn without waiting, at ");
    CHECK_HAS(logged(), "bot.lua:4; it starts again in 1 s");
    loop_advance(app->loop, 11 * 60 * 1000); /* peace: from the beginning */
    emit(1);
    loop_settle(app->loop, 0);
    loop_advance(app->loop, 1000);
    CHECK_INT(scripts_count(app->scripts), 1);
    close_all();
}

TEST(a_script_that_is_stopped_while_it_waits_for_its_restart) {
    open_all();
    load_bot("local linnet = require 'linnet'\n"
             "local chat = linnet.connect('ws://127.0.0.1:9', { autoconnect = false })\n"
             "chat:on('number', function() while true do end end)\n");
    emit(1);
    loop_settle(app->loop, 0);
    scripts_stop(app->scripts);
    loop_advance(app->loop, 100000);
    CHECK_INT(scripts_count(app->scripts), 0);
    close_all();
}

/* --- watching --- */

TEST(saving_a_file_reloads) {
    struct ln_err err;
    open_all();
    write_file("util.lua", "return 'one'");
    load_bot("print('util is', (require 'util'))");
    CHECK_INT(scripts_watch(app->scripts, &err), LN_OK);
    CHECK_HAS(logged(), "util is  one");
    write_file("bot.lua", "print('second', (require 'util'))");
    loop_advance(app->loop, 1000);
    CHECK_HAS(logged(), "second  one");
    write_file("util.lua", "return 'two'"); /* what it required */
    loop_advance(app->loop, 1000);
    CHECK_HAS(logged(), "second  two");
    ln_buf_clear(&records);
    write_file("bot.lua", "print('second', (require 'util'))"); /* the same bytes */
    loop_advance(app->loop, 1000);
    CHECK_STR(ln_str(logged()), "");
    write_file("bot.lua", "print('third'"); /* broken … */
    loop_advance(app->loop, 1000);
    CHECK_HAS(logged(), "bot.lua:1: ')' expected near <eof>\n  the running version stays");
    write_file("bot.lua", "print('fourth')"); /* … and mended */
    loop_advance(app->loop, 1000);
    CHECK_HAS(logged(), "fourth");
    close_all();
}

TEST(a_file_that_is_being_written_is_waited_for) {
    struct ln_err err;
    open_all();
    load_bot("print('first')");
    scripts_watch(app->scripts, &err);
    ln_buf_clear(&records);
    write_file("bot.lua", ""); /* an editor truncates first */
    loop_advance(app->loop, 100);
    CHECK_STR(ln_str(logged()), "");
    write_file("bot.lua", "print('second')");
    loop_advance(app->loop, 1000);
    CHECK_HAS(logged(), "second");
    ln_buf_clear(&records);
    write_file("bot.lua", ""); /* and sometimes it is meant */
    loop_advance(app->loop, 5000);
    CHECK_HAS(logged(), "reloaded");
    char from[200];
    path_of("new.lua", from, sizeof from); /* replaced by a rename */
    write_file("new.lua", "print('renamed')");
    CHECK_INT(rename(from, bot), 0);
    loop_advance(app->loop, 1000);
    CHECK_HAS(logged(), "renamed");
    close_all();
}

TEST(a_script_that_never_loaded_loads_when_it_is_mended) {
    struct ln_err err;
    open_all();
    load_bot("print('first'");
    CHECK(result.code != LN_OK);
    CHECK_INT(scripts_count(app->scripts), 0);
    scripts_watch(app->scripts, &err);
    write_file("bot.lua", "print('mended')");
    loop_advance(app->loop, 1000);
    CHECK_HAS(logged(), "mended");
    CHECK_INT(scripts_count(app->scripts), 1);
    close_all();
}

/* deep/bot.lua; NULL takes both away. */
static void write_deep(const char *text) {
    char deep[200], file[200];
    path_of("deep", deep, sizeof deep);
    path_of("deep/bot.lua", file, sizeof file);
    if (text) {
        CHECK_INT(mkdir(deep, 0755), 0);
        write_file("deep/bot.lua", text);
    } else {
        CHECK_INT(unlink(file), 0);
        CHECK_INT(rmdir(deep), 0);
    }
}

/* A folder that is made anew and deleted again between two tries to watch it is seen by the look at
 * its files only: the next try has to look once more. */
TEST(a_folder_that_was_there_for_a_moment_is_missed_again) {
    struct ln_err err;
    char file[200];
    open_all();
    write_deep("print('first')");
    path_of("deep/bot.lua", file, sizeof file);
    scripts_load(app->scripts, file, NULL, on_done, NULL);
    CHECK_INT(scripts_watch(app->scripts, &err), LN_OK);
    loop_advance(app->loop, 100);
    write_deep(NULL);
    loop_advance(app->loop, 110); /* told after 50 ms; tried again after 50 more, then after 100 */
    write_deep("print('second')");
    loop_advance(app->loop, 60);
    CHECK_HAS(logged(), "second");
    write_deep(NULL);
    loop_advance(app->loop, 3000);
    CHECK_HAS(logged(), "deep/bot.lua is gone; the running version stays");
    write_deep("print('third')");
    loop_advance(app->loop, 3000);
    CHECK_HAS(logged(), "third");
    close_all();
}

/* With another one's file a script would have its grants. */
TEST(a_script_that_runs_from_a_file_of_any_name_is_not_overwritten) {
    char admin[100], text[500];
    open_all();
    path_of("admin", admin, sizeof admin);
    write_file("admin", "print('admin')");
    scripts_load(app->scripts, admin, NULL, on_done, NULL);
    CHECK_INT(result.code, LN_OK);
    snprintf(text, sizeof text,
             "print(pcall(io.open, '%s', 'w')) print(pcall(os.remove, '%s'))\n"
             "io.open('%s/notes', 'w'):close() print('wrote')",
             admin, admin, dir);
    load_bot(text);
    CHECK_INT(result.code, LN_OK);
    CHECK_HAS(logged(), "admin' is code, and to write that is not granted");
    CHECK_HAS(logged(), "wrote");
    CHECK(access(admin, F_OK) == 0);
    close_all();
}

TEST(all_scripts_reload_at_once) {
    open_all();
    char other[100];
    path_of("other.lua", other, sizeof other);
    write_file("other.lua", "print('other')");
    load_bot("print('bot')");
    scripts_load(app->scripts, other, NULL, on_done, NULL);
    ln_buf_clear(&records);
    write_file("bot.lua", "print('bot 2'");
    write_file("other.lua", "print('other 2')");
    scripts_reload_all(app->scripts, on_done, NULL);
    CHECK_HAS(result.text, "bot.lua:1: ')' expected");
    CHECK_HAS(logged(), "other 2"); /* one broken script stops no other */
    CHECK_INT(scripts_count(app->scripts), 2);
    scripts_reload(app->scripts, "nothing.lua", on_done, NULL);
    CHECK_INT(result.code, LN_NOT_FOUND);
    close_all();
}

TEST_MAIN(T(no_event_is_lost_or_handled_twice), T(what_was_saved_is_restored),
          T(linnet_script_tells_about_reloads), T(a_script_may_end_the_program_while_it_starts),
          T(what_was_known_of_old_connections_goes_with_them),
          T(a_killed_script_starts_again_with_backoff),
          T(a_script_that_is_stopped_while_it_waits_for_its_restart), T(saving_a_file_reloads),
          T(a_file_that_is_being_written_is_waited_for),
          T(a_script_that_never_loaded_loads_when_it_is_mended),
          T(a_folder_that_was_there_for_a_moment_is_missed_again),
          T(a_script_that_runs_from_a_file_of_any_name_is_not_overwritten),
          T(all_scripts_reload_at_once))
