/* SPDX-License-Identifier: MIT
 *
 * What a script can reach: globals, modules, files, the environment, grants; and what it costs.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings/bindings.h"
#include "lua_rig.h"

static struct rig r;
static struct script *s;
static char dir[64]; /* of the test's files */

static void write_file(const char *name, const char *text) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    if (!f) return;
    fputs(text, f);
    fclose(f);
}

static void open_dir(void) {
    char path[200];
    strcpy(dir, "/tmp/linnet-test-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/data", dir);
    setenv("XDG_DATA_HOME", path, 1);
    snprintf(path, sizeof path, "%s/bots", dir);
    mkdir(path, 0755);
}

static void close_dir(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
    unsetenv("XDG_DATA_HOME");
}

/* Loads code as DIR/bots/bot.lua. */
static struct script *load(const char *code) {
    char path[200];
    snprintf(path, sizeof path, "%s/bots/bot.lua", dir);
    s = rig_trial(&r, path, code);
    if (s) seat_go_live(s->seat);
    return s;
}

static void open_all(void) {
    open_dir();
    rig_open(&r);
}

static void close_all(void) {
    if (s) rig_unload(&r, s);
    s = NULL;
    rig_close(&r);
    close_dir();
}

/* One line of Lua, run in a script of its own: what it returned or raised. */
static const char *run(const char *code) {
    static char text[1000];
    struct ln_buf b = {0};
    ln_buf_fmt(
        &b,
        "local function f() %s end\npackage.loaded.r = tostring((function(ok, v) return v end)"
        "(pcall(f)))",
        code);
    load(ln_buf_cstr(&b));
    ln_buf_free(&b);
    if (!s) {
        snprintf(text, sizeof text, "%s", r.err.text);
        return text;
    }
    luaL_getsubtable(s->L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(s->L, -1, "r");
    snprintf(text, sizeof text, "%s", lua_tostring(s->L, -1));
    rig_unload(&r, s);
    s = NULL;
    return text;
}
#define RUNS(code, want) CHECK_STR(ln_str(run(code)), want)
#define RUN_HAS(code, part) CHECK_HAS(run(code), part)

TEST(undeclared_globals_are_errors) {
    open_all();
    RUN_HAS("return pritn", "there is no global 'pritn' (did you mean 'print'?)");
    RUN_HAS("return nothing_like_it", "there is no global 'nothing_like_it'");
    RUN_HAS("return unpack", "it is table.unpack");
    RUN_HAS("counter = 1", "'counter' is not declared: write 'local counter'");
    RUN_HAS("function helper() end", "'helper' is not declared");
    RUN_HAS("_G.x = 1", "'x' is not declared");
    RUN_HAS("setmetatable(_G, nil)", "cannot change a protected metatable");
    RUNS("return getmetatable(_G)", "globals");
    RUNS("return rawget(_G, 'nothing')", "nil");
    RUNS("local x = 1 return x", "1");
    close_all();
}

TEST(dangerous_functions_are_not_there) {
    open_all();
    RUN_HAS("return dofile", "use require");
    RUN_HAS("return loadfile", "use require");
    RUNS("return string.dump", "nil");
    RUNS("return debug.sethook or debug.getregistry or debug.setmetatable or debug.getupvalue",
         "nil");
    RUNS("return package.loadlib or package.cpath", "nil");
    RUN_HAS("os.execute('true')", "scripts start no programs");
    RUN_HAS("io.popen('true')", "scripts start no programs");
    RUN_HAS("setTimeout(print, 5)", "there is no global 'setTimeout': it is linnet.after");
    RUN_HAS("console.log(5)", "there is no global 'console': use print or linnet.log");
    RUN_HAS("os.exit()", "use linnet.exit(code)");
    RUN_HAS("io.read()", "would hold up everything");
    RUN_HAS("return load('\\27Lua')", "nil");
    RUN_HAS("return select(2, load(('x'):rep(3), 'n', 'b'))", "only text");
    RUNS("return load('return x', 'c', 't', { x = 7 })()", "7");
    RUNS("return load(coroutine.wrap(function() coroutine.yield('return ') coroutine.yield('8') "
         "end))()",
         "8");
    RUN_HAS("return select(2, load('x ='))", "unexpected symbol");
    RUN_HAS("load('undeclared = 1')()", "not declared");
    close_all();
}

TEST(files_stay_in_their_directories) {
    open_all();
    write_file("secret.txt", "not yours");
    write_file("bots/list.txt", "one\ntwo\n");
    char link[200], target[200], code[600];
    snprintf(target, sizeof target, "%s/secret.txt", dir);
    snprintf(link, sizeof link, "%s/bots/link.txt", dir);
    CHECK_INT(symlink(target, link), 0);
    snprintf(code, sizeof code, "return io.open('%s/bots/list.txt'):read('a')", dir);
    RUNS(code, "one\ntwo\n");
    snprintf(code, sizeof code,
             "local n = 0 for l in io.lines('%s/bots/list.txt') do n = n + #l end return n", dir);
    RUNS(code, "6");
    snprintf(code, sizeof code, "return io.open('%s')", target);
    RUN_HAS(code, "not granted: add --allow=fs:read=");
    snprintf(code, sizeof code, "return io.open('%s/bots/../secret.txt')", dir);
    RUN_HAS(code, "not granted");
    snprintf(code, sizeof code, "return io.open('%s')", link);
    RUN_HAS(code, "not granted");
    snprintf(target, sizeof target, "%s/not_there.txt", dir);
    snprintf(link, sizeof link, "%s/bots/dangling.txt", dir);
    CHECK_INT(symlink(target, link), 0);
    snprintf(code, sizeof code, "return select(2, io.open('%s', 'w'))", link);
    RUN_HAS(code, "No such file or directory");
    CHECK(access(target, F_OK) != 0);
    CHECK_INT(unlink(link), 0);
    snprintf(target, sizeof target, "%s/secret.txt", dir);
    snprintf(code, sizeof code, "return io.lines('%s')", target);
    RUN_HAS(code, "not granted");
    RUN_HAS("return io.open('/etc/passwd')", "add --allow=fs:read=/etc/passwd");
    RUN_HAS("return io.open('/dev/zero')", "add --allow=fs:read=/dev/zero");
    RUN_HAS("return os.remove('/etc/passwd')", "add --allow=fs:write=/etc/passwd");
    snprintf(code, sizeof code,
             "local f = assert(io.open('%s/data/linnet/bot/a.txt', 'w')) f:write('x') f:close()\n"
             "return io.open('%s/data/linnet/bot/a.txt'):read('a')",
             dir, dir);
    RUNS(code, "x");
    snprintf(code, sizeof code, "return select(2, io.open('%s/bots/none.txt'))", dir);
    RUN_HAS(code, "No such file or directory");
    snprintf(code, sizeof code, "return os.rename('%s/bots/list.txt', '/tmp/stolen')", dir);
    RUN_HAS(code, "add --allow=fs:write=/tmp/stolen");
    snprintf(code, sizeof code,
             "local t, err = {} for i = 1, 100 do t[i], err = io.open('%s/bots/list.txt') end\n"
             "return #t .. ' ' .. err",
             dir);
    RUN_HAS(code, "64 ");
    RUN_HAS(code, "Too many open files");
    snprintf(code, sizeof code,
             "local t = {} for i = 1, 100 do t[i] = io.lines('%s/bots/list.txt') end", dir);
    RUN_HAS(code, "Too many open files");
    const char *const allow[] = {"env:NOTHING,fs:read=/etc", NULL};
    r.app.allow = allow;
    RUN_HAS("return io.open('/etc/passwd'):read('l')", "root:");
    RUN_HAS("return io.open('/etc/passwd', 'a')", "add --allow=fs:write=/etc/passwd");
    close_all();
}

/* The text with the test's directory for each @. */
static void with_dir(char out[600], const char *text) {
    size_t n = 0;
    for (; *text && n + strlen(dir) + 2 < 600; text++) {
        if (*text == '@')
            n += (size_t)sprintf(out + n, "%s", dir);
        else
            out[n++] = *text;
    }
    out[n] = '\0';
}

/* A script that wrote them would have whatever it likes at the next start. */
TEST(settings_and_code_are_not_written) {
    open_all();
    write_file("bots/linnet.cfg.lua", "");
    write_file("bots/mine.conf", "");
    write_file("bots/admin.lua", "-- the admin's");
    write_file("bots/list.txt", "");
    char path[200], link[200], code[600];
    snprintf(path, sizeof path, "%s/bots/mine.conf", dir);
    CHECK(lua_config_file(r.app.config, path, CONFIG_PROJECT, &r.err)); /* --config mine.conf */
    snprintf(link, sizeof link, "%s/bots/link.txt", dir);
    CHECK_INT(symlink(path, link), 0);
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"return io.open('@/bots/linnet.cfg.lua', 'w')", "holds settings: what grants rights"},
        {"return io.open('@/bots/linnet.cfg.lua', 'r+')", "holds settings"},
        {"return io.open('@/bots/new.cfg.lua', 'w')", "holds settings"},
        {"return os.remove('@/bots/linnet.cfg.lua')", "holds settings"},
        {"return os.rename('@/bots/list.txt', '@/bots/linnet.cfg.lua')", "holds settings"},
        {"return os.rename('@/bots/linnet.cfg.lua', '@/bots/x.txt')", "holds settings"},
        {"return io.open('@/bots/mine.conf', 'a')", "holds settings"},
        {"return io.open('@/bots/link.txt', 'w')", "holds settings"},
        {"return io.open('@/bots/admin.lua', 'w')",
         "admin.lua' is code, and to write that is not granted: add --allow=fs:write="},
        {"return io.open('@/bots/new.lua', 'w')", "is code, and to write that is not granted"},
        {"return os.rename('@/bots/list.txt', '@/bots/new.lua')", "is code"},
        {"return io.open('@/bots/new.so', 'w')", "is code"},
        {"return io.open('@/bots/linnet.CFG.lua', 'w')", "holds settings"},
        {"return io.open('@/bots/new.LUA', 'w')", "is code"},
        {"return io.open('@/data/linnet/bot/new.lua', 'w')", "is code"},
        {"return io.open('@/bots/admin.lua'):read('a') .. io.open('@/bots/mine.conf'):read('a')",
         "-- the admin's"},
        {"io.open('@/bots/notes.lua.txt', 'w'):close() return 'fine'", "fine"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        with_dir(code, cases[i].text);
        RUN_HAS(code, cases[i].says);
    }
    with_dir(code, "fs:write=@/bots");
    const char *const allow[] = {code, NULL};
    char text[600];
    r.app.allow = allow;
    with_dir(text, "io.open('@/bots/new.lua', 'w'):close() return 'done'");
    RUNS(text, "done");
    with_dir(text, "return io.open('@/bots/linnet.cfg.lua', 'w')");
    RUN_HAS(text, "holds settings");
    close_all();
}

TEST(settings_say_which_variable_is_missing) {
    open_all();
    char path[200];
    snprintf(path, sizeof path, "%s/x.cfg.lua", dir);
    write_file("x.cfg.lua", "local a = env('LN_NO', 'b')\nhub = { host = 'x' .. env 'LN_NONE' }");
    CHECK(!lua_config_file(r.app.config, path, CONFIG_PROJECT, &r.err));
    CHECK_STR(ln_str(r.err.text),
              "x.cfg.lua:2: attempt to concatenate a nil value (the variable LN_NONE is not set)");
    write_file("x.cfg.lua", "local a = env 'LN_NONE'\nx.y = 1");
    CHECK(!lua_config_file(r.app.config, path, CONFIG_PROJECT, &r.err));
    CHECK_HAS(r.err.text, "there is no 'x' here");
    CHECK(!strstr(r.err.text, "LN_NONE"));
    close_all();
}

TEST(grants_are_exact) {
    open_all();
    struct ln_err err;
    const char *const allow[] = {"env:HOME,env:API_*", "fs:read=/srv", "native", NULL};
    r.app.allow = allow;
    rig_set(&r, "scripts.bot.allow", "[\"exit\"]");
    load("");
    CHECK(script_granted(s, "env", LN_STR("HOME"), &err));
    CHECK(!script_granted(s, "env", LN_STR("HOMER"), &err));
    CHECK_STR(ln_str(err.text), "not granted: add --allow=env:HOMER");
    CHECK(script_granted(s, "env", LN_STR("API_KEY"), &err));
    CHECK(!script_granted(s, "env", LN_STR("API"), &err));
    CHECK(script_granted(s, "fs:read", LN_STR("/srv/a/b"), &err));
    CHECK(!script_granted(s, "fs:read", LN_STR("/srvx"), &err));
    CHECK(!script_granted(s, "fs:write", LN_STR("/srv/a"), &err));
    CHECK_STR(ln_str(err.text), "not granted: add --allow=fs:write=/srv/a");
    CHECK(script_granted(s, "native", (struct ln_str){NULL, 0}, &err));
    CHECK(script_granted(s, "exit", (struct ln_str){NULL, 0}, &err));
    CHECK(!script_granted(s, "exec", LN_STR("rm"), &err));
    rig_unload(&r, s);
    const char *const wrong[] = {"native,exce:rm", NULL};
    r.app.allow = wrong;
    RUN_HAS("return 1", "--allow: there is no grant 'exce:rm'");
    close_all();
}

TEST(the_environment_needs_a_grant) {
    open_all();
    setenv("LINNET_TEST_VALUE", "42", 1);
    RUN_HAS("return os.getenv('LINNET_TEST_VALUE')", "add --allow=env:LINNET_TEST_VALUE");
    const char *const allow[] = {"env:LINNET_TEST_VALUE", NULL};
    r.app.allow = allow;
    RUNS("return os.getenv('LINNET_TEST_VALUE')", "42");
    unsetenv("LINNET_TEST_VALUE");
    close_all();
}

TEST(time_is_the_programs) {
    open_all();
    RUNS("return os.time()", "1700000000");
    RUNS("return select(2, pcall(os.date, ('%Y'):rep(1000))):match('more than 1000 bytes')",
         "more than 1000 bytes");
    RUNS("return os.date('!%Y-%m-%d')", "2023-11-14");
    RUNS("return os.time { year = 2024, month = 1, day = 2, hour = 12 } - "
         "os.time { year = 2024, month = 1, day = 1, hour = 12 }",
         "86400");
    close_all();
}

TEST(modules_are_found_and_kept) {
    open_all();
    write_file("bots/util.lua", "package.loaded.count = (package.loaded.count or 0) + 1\n"
                                "return { name = ..., twice = function(n) return 2 * n end }");
    write_file("bots/broken.lua", "return {");
    write_file("bots/raises.lua", "local x = nil\nreturn x.y");
    write_file("bots/a.lua", "return require 'b'");
    write_file("bots/b.lua", "return require 'a'");
    write_file("bots/nothing.lua", "");
    char path[200];
    snprintf(path, sizeof path, "%s/bots/pack", dir);
    mkdir(path, 0755);
    write_file("bots/pack/init.lua", "return require './near'");
    write_file("bots/pack/near.lua", "return 'near'");
    RUNS("return require('util').twice(21)", "42");
    RUNS("require 'util' require 'util' return package.loaded.count", "1");
    RUNS("return require('util').name", "util");
    RUNS("return require 'pack'", "near");
    RUNS("return require 'pack.near'", "near");
    RUNS("return require 'nothing'", "true");
    RUNS("return require('linnet') == linnet", "true");
    RUN_HAS("require 'broken'", "bots/broken.lua:1: unexpected symbol near <eof>");
    RUN_HAS("require 'raises'", "bots/raises.lua:2: attempt to index a nil value");
    RUN_HAS("pcall(require, 'raises') require 'raises'", "attempt to index a nil value");
    RUN_HAS("require 'a'", "module 'a' requires itself");
    RUN_HAS("require 'missing.one'", "module 'missing.one' not found:");
    RUN_HAS("require 'missing.one'", "bots/missing/one.lua'");
    RUN_HAS("require '../secret'", "is not the name of a module");
    RUN_HAS("require '/etc/passwd'", "is not the name of a module");
    RUN_HAS("require 'a;b'", "is not the name of a module");
    close_all();
}

TEST(native_modules_need_a_grant) {
    open_all();
    RUN_HAS("require 'lfs'", "not granted: add --allow=native");
    RUNS("return require('cjson').encode({ 1 })", "[1]");
    close_all();
}

TEST(print_goes_to_the_log) {
    open_all();
    load("print('a', 1, nil, true)\nwarn('careful')");
    CHECK_HAS(rig_logged(&r), "info script:bot a  1  nil  true");
    CHECK_HAS(rig_logged(&r), "warn script:bot careful");
    close_all();
}

TEST(an_idle_script_is_small) {
    open_all();
    load("local linnet = require 'linnet'");
    printf("  an idle script holds %zu bytes\n", s->mem_used);
    CHECK(s->mem_used > 10000 && s->mem_used < 56000);
    lua_gc(s->L, LUA_GCCOLLECT);
    int64_t kb = lua_gc(s->L, LUA_GCCOUNT) * 1024 + lua_gc(s->L, LUA_GCCOUNTB);
    CHECK_INT(s->mem_used, kb); /* the allocator and Lua agree */
    close_all();
}

/* --- plugin tables --- */

TEST(plugin_tables_are_checked) {
    open_all();
    CHECK(!load("return { name = 'x', verison = '1' }"));
    CHECK_HAS(r.err.text,
              "unknown field 'verison' in the returned plugin table (did you mean 'version'?)");
    CHECK(!load("return { name = 5 }"));
    CHECK_HAS(r.err.text, "the plugin's 'name' must be a string, not a number");
    CHECK(!load("return { 1 }"));
    CHECK_HAS(r.err.text, "a key of type number");
    CHECK(!load("return { requires = { 'linnet >= 99' } }"));
    CHECK_HAS(r.err.text, "it requires linnet >= 99, but this is linnet " LN_VERSION);
    CHECK(!load("return { requires = { 'linnet is good' } }"));
    CHECK_HAS(r.err.text, "write it like \"linnet >= 1.2\"");
    CHECK(!load("return { init = function(self) local x = nil; return x.y end }"));
    CHECK_HAS(r.err.text, "bot.lua:1: attempt to index a nil value");
    CHECK(
        load("return { requires = { 'linnet >= 0.1', 'linnet < 100' }, version = '1.2',\n"
             "  init = function(self, options) package.loaded.v = type(options) == 'table' and 3 "
             "end,\n"
             "  dispose = function(self, reason) print('disposed', reason, self.version) end }") !=
        NULL);
    if (s) CHECK_INT(rig_int(s, "v"), 3);
    if (s) rig_unload(&r, s);
    s = NULL;
    CHECK_HAS(rig_logged(&r), "disposed  stop  1.2");
    close_all();
}

TEST(disposers_run_newest_first) {
    open_all();
    load("local h = linnet.on_dispose(function() print('cancelled') end)\n"
         "linnet.on_dispose(function(why) print('first', why) end)\n"
         "linnet.on_dispose(function() error('broken') end)\n"
         "linnet.on_dispose(function(why) print('last', why) end)\n"
         "h:cancel()");
    rig_unload(&r, s);
    s = NULL;
    const char *log = rig_logged(&r), *last = strstr(log, "last  stop"),
               *first = strstr(log, "first  stop");
    CHECK(first && last && last < first);
    CHECK_HAS(log, "broken\n  in dispose");
    CHECK(!strstr(log, "cancelled"));
    close_all();
}

TEST_MAIN(T(undeclared_globals_are_errors), T(dangerous_functions_are_not_there),
          T(files_stay_in_their_directories), T(settings_and_code_are_not_written),
          T(settings_say_which_variable_is_missing), T(grants_are_exact),
          T(the_environment_needs_a_grant), T(time_is_the_programs), T(modules_are_found_and_kept),
          T(native_modules_need_a_grant), T(print_goes_to_the_log), T(an_idle_script_is_small),
          T(plugin_tables_are_checked), T(disposers_run_newest_first))
