/* SPDX-License-Identifier: MIT
 *
 * A whole program but its network, with scripts in a folder of their own: what the tests of reload
 * and of plugins share. A test file includes this once; each test begins with open_all and ends
 * with close_all.
 */
#ifndef LN_LUA_WORLD_H
#define LN_LUA_WORLD_H

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lua_rig.h"

static struct app *app;
static char dir[64], bot[100]; /* the folder, and the path of bot.lua in it */
static struct ln_err result;   /* of the last load or reload */
static struct ln_buf records;  /* the log: "error script:bot text\n" … */

static void keep_record(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                        const struct ln_log_field *fields, size_t n) {
    (void)ud;
    (void)fields;
    (void)n;
    ln_buf_fmt(&records, "%s %s %.*s\n", ln_log_level_name(level), tag, LN_FMT(msg));
}

static const char *logged(void) {
    return ln_buf_cstr(&records);
}

static void on_done(void *ud, const struct ln_err *err) {
    (void)ud;
    result = err ? *err : (struct ln_err){LN_OK, ""};
}

static void path_of(const char *name, char *out, size_t n) {
    snprintf(out, n, "%s/%s", dir, name);
}

static void write_file(const char *name, const char *text) {
    char path[200];
    path_of(name, path, sizeof path);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    if (!f) return;
    fputs(text, f);
    fclose(f);
}

static void open_world(ln_log_sink sink) {
    char plugins[100];
    strcpy(dir, "/tmp/linnet-test-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    path_of("bot.lua", bot, sizeof bot);
    path_of("plugins", plugins, sizeof plugins);
    mkdir(plugins, 0755);
    ln_clock_fake(1700000000000);
    ln_log_setup(LN_INFO, LN_LOG_TEXT, false);
    ln_log_to(sink, NULL);
    ln_buf_clear(&records);
    app = app_new();
    scripts_engine(app->scripts, &engine_lua);
}

static void close_all(void) {
    app_free(app);
    ln_log_to(NULL, NULL);
    ln_buf_free(&records);
    ln_clock_real();
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
}

static void load_bot(const char *text) {
    write_file("bot.lua", text);
    scripts_load(app->scripts, bot, NULL, on_done, NULL);
}

#endif
