/* SPDX-License-Identifier: MIT
 *
 * Settings: which level wins, where a value comes from, text as people type it, and what the check
 * refuses and how it says so.
 */
#include "base/mem.h"
#include "host/config.h"
#include "test.h"

static struct config *c;
static struct ln_err err;

static void begin(void) {
    c = config_new();
    err = (struct ln_err){0};
}
static void end(void) {
    config_free(c);
}
static bool set(const char *path, const char *text) {
    return config_set_text(c, path, ln_str(text), CONFIG_FLAG, "--set", &err);
}
static void file(const char *json, const char *source, enum config_level level) {
    config_set_file(c, ln_str(json), "linnet.cfg.lua", ln_str(source), level);
}
/* The words of the check, or "" when all is well. */
static const char *check(void) {
    err.text[0] = 0;
    return config_check(c, &err) ? "" : err.text;
}

TEST(the_higher_level_wins_in_any_order) {
    static const enum config_level all[] = {CONFIG_ETC, CONFIG_USER, CONFIG_PROJECT, CONFIG_ENV,
                                            CONFIG_FLAG};
    static const char *const names[] = {"/etc", "user", "project", "env", "flag"};
    for (int down = 0; down < 2; down++) {
        begin();
        for (size_t k = 0; k < LN_COUNT(all); k++) {
            size_t i = down ? LN_COUNT(all) - 1 - k : k;
            char json[8];
            snprintf(json, sizeof json, "%zu", i);
            config_set(c, "hub.port", ln_str(json), all[i], names[i]);
            CHECK_INT(config_int(c, "hub.port", -1), down ? (int)LN_COUNT(all) - 1 : (int)i);
        }
        CHECK_STR(ln_str(config_origin(c, "hub.port")), "flag");
        CHECK_STR(ln_str(config_origin(c, "hub.host")), "default");
        end();
    }
}

TEST(levels_meet_option_by_option) {
    begin();
    file("{\"hub\":{\"port\":1,\"rate\":2}}", "hub = { port = 1,\nrate = 2 }", CONFIG_PROJECT);
    config_set(c, "hub", LN_STR("{\"host\":\"::1\",\"port\":9}"), CONFIG_USER, "user");
    CHECK_INT(config_int(c, "hub.port", 0), 1);
    char *host = config_text(c, "hub.host");
    CHECK_STR(ln_str(host), "::1");
    ln_free(host);
    CHECK_STR(ln_str(config_origin(c, "hub.rate")), "linnet.cfg.lua:2");
    CHECK_STR(ln_str(check()), "");
    end();
}

TEST(origins_are_lines_of_the_file) {
    begin();
    file("{\"hub\":{\"port\":1},\"log\":{\"level\":\"info\"}}",
         "-- the port = of nothing\nlog = { ['level'] = \"info\" }\nhub = {\n  port = 1,\n}\n",
         CONFIG_PROJECT);
    CHECK_STR(ln_str(config_origin(c, "hub.port")), "linnet.cfg.lua:4");
    CHECK_STR(ln_str(config_origin(c, "log.level")), "linnet.cfg.lua:2");
    config_set_file(c, LN_STR("{\"hub\":{\"rate\":1}}"), "made.lua", LN_STR("return make()"),
                    CONFIG_PROJECT);
    CHECK_STR(ln_str(config_origin(c, "hub.rate")), "made.lua"); /* no line to be told */
    end();
}

TEST(what_is_kept_when_settings_are_read_anew) {
    begin();
    config_set(c, "hub.port", LN_STR("1"), CONFIG_FLAG, "--port");
    config_set(c, "hub.rate", LN_STR("2"), CONFIG_PROJECT, "old");
    config_set(c, "limits.memory", LN_STR("3"), CONFIG_PROJECT, "old");
    struct config *fresh = config_new();
    config_set(fresh, "hub.rate", LN_STR("5"), CONFIG_FLAG, "new");
    config_set(fresh, "hub.history", LN_STR("6"), CONFIG_PROJECT, "new");
    config_set(fresh, "limits.memory", LN_STR("7"), CONFIG_PROJECT, "new");
    config_keep(fresh, c, "hub.");
    CHECK_INT(config_int(fresh, "hub.port", 0), 1);
    CHECK_INT(config_int(fresh, "hub.rate", 0), 2);
    CHECK_STR(ln_str(config_origin(fresh, "hub.rate")), "old");
    CHECK_INT(config_int(fresh, "hub.history", 0), 0);
    CHECK_INT(config_int(fresh, "limits.memory", 0), 7);
    config_set(fresh, "hub.port", LN_STR("8"), CONFIG_PROJECT, "late"); /* the level, too */
    CHECK_INT(config_int(fresh, "hub.port", 0), 1);
    config_free(fresh);
    end();
}

TEST(text_as_people_type_it) {
    begin();
    CHECK(set("hub.port", "4400") && set("hub.page", "false") && set("hub.ping_interval", "10s"));
    CHECK(set("hub.host", "127.0.0.1") && set("log.level", "true"));
    CHECK(set("hub.origins", "http://a, http://b ,"));
    CHECK(set("hub.namespaces", ""));
    CHECK_STR(ln_str(check()), "");
    CHECK_INT(config_int(c, "hub.port", 0), 4400);
    CHECK(!config_bool(c, "hub.page", true));
    CHECK_INT(config_ms(c, "hub.ping_interval", 0), 10000);
    char *level = config_text(c, "log.level");
    CHECK_STR(ln_str(level), "true"); /* a string, whatever it looks like */
    ln_free(level);
    char **list = config_list(c, "hub.origins");
    CHECK(list && list[0] && list[1] && !list[2]);
    CHECK_STR(ln_str(list[0]), "http://a");
    CHECK_STR(ln_str(list[1]), "http://b");
    config_list_free(list);
    list = config_list(c, "hub.namespaces");
    CHECK(list && !list[0]);
    config_list_free(list);
    CHECK(config_list(c, "hub.host") == NULL);
    CHECK(!set("hub.prot", "1"));
    CHECK_STR(ln_str(err.text), "--set: unknown option 'hub.prot' (did you mean 'hub.port'?)");
    CHECK(!set("", ""));
    end();
}

TEST(what_the_check_refuses) {
    static const struct {
        const char *path, *text, *says;
    } cases[] = {
        {"hub.port", "x",
         "--set: option 'hub.port' must be a whole number from 0 to 65535, not "
         "\"x\""},
        {"hub.port", "", "must be a whole number from 0 to 65535, not \"\""},
        {"hub.port", "-1", "must be a whole number from 0 to 65535, not -1"},
        {"hub.port", "65536", "must be a whole number from 0 to 65535, not 65536"},
        {"hub.port", "4294971617", "must be a whole number from 0 to 65535"}, /* 2^32 + 4321 */
        {"hub.port", "99999999999999999999", "must be a whole number from 0 to 65535"},
        {"hub.port", "1.5", "must be a whole number from 0 to 65535"},
        {"hub.max_clients", "0", "must be a whole number from 1 to 1000000"},
        {"hub.max_rooms", "4294967296", "must be a whole number from 1 to 1000000"},
        {"hub.rate", "0", "must be a whole number from 1 to 1000000"},
        {"hub.history", "1000000000000", "must be a whole number from 0 to 10000"},
        {"hub.max_message", "0", "must be a whole number of bytes from 1000 to 1073741824"},
        {"hub.max_queue", "1", "must be a whole number of bytes from 10000 to 4294967296"},
        {"hub.ping_interval", "0", "must be a duration such as \"10s\" or 10, from 100 ms to 1 d"},
        {"hub.ping_timeout", "25h", "must be a duration such as \"10s\" or 10, from 100 ms to 1 d"},
        {"hub.connect_timeout", "soon", "must be a duration such as \"10s\" or 10"},
        {"hub.page", "yes", "must be true or false, not \"yes\""},
        {"connections.chat", "7", "the options must be a table, not a number"},
        {"connections.chat", "{}", "connection 'chat' has no url"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        begin();
        CHECK(set(cases[i].path, cases[i].text));
        CHECK_HAS(check(), cases[i].says);
        end();
    }
    static const char *const fine[] = {"0", "65535"};
    for (size_t i = 0; i < LN_COUNT(fine); i++) {
        begin();
        CHECK(set("hub.port", fine[i]));
        CHECK_STR(ln_str(check()), "");
        end();
    }
}

TEST(names_that_cannot_be) {
    begin();
    file("{\"hub\":5}", "hub = 5", CONFIG_PROJECT);
    CHECK_STR(ln_str(check()), "linnet.cfg.lua:1: 'hub' must be a table, as hub = { … }");
    end();
    begin();
    file("{\"hubb\":{}}", "hubb = {}", CONFIG_PROJECT);
    CHECK_HAS(check(), "linnet.cfg.lua:1: unknown option 'hubb'");
    end();
    static const char *const of_scripts[][2] = {
        {"{\"scripts\":{\"bot\":{\"optoins\":{\"a\":1}}}}", "(did you mean 'options'?)"},
        {"{\"scripts\":{\"bot\":{\"alow\":{}}}}", "(did you mean 'allow'?)"},
        {"{\"scripts\":{\"bot\":{\"greeting\":1}}}", "(a script has `options` and `allow`)"},
        {"{\"scripts\":{\"bot\":5}}", "'scripts.bot' must be a table"},
        {"{\"scripts\":{\"my.bot\":{\"options\":{\"a\":1}}}}",
         "(the name of a script holds no dot)"},
        {"{\"scripts\":{\"bot\":{\"options\":{\"a.b\":1}}}}",
         "(the name of an option holds no dot)"},
    };
    for (size_t i = 0; i < LN_COUNT(of_scripts); i++) {
        begin();
        file(of_scripts[i][0], "", CONFIG_PROJECT);
        CHECK_HAS(check(), of_scripts[i][1]);
        end();
    }
    begin();
    file("{\"hub\":{},\"scripts\":{\"bot\":{\"options\":{}}},\"connections\":{}}", "",
         CONFIG_PROJECT);
    CHECK_STR(ln_str(check()), "");
    end();
    begin();
    file("{\"connections\":{\"chat.example\":{\"url\":\"ws://x\"}}}",
         "connections = { ['chat.example'] = { url = 'ws://x' } }", CONFIG_PROJECT);
    CHECK_HAS(check(), "unknown option 'connections.chat.example.url' (the name of a connection "
                       "holds no dot)");
    end();
    begin();
    file("{\"connection\":{}}", "connection = {}", CONFIG_PROJECT);
    CHECK_HAS(check(), "unknown option 'connection' (did you mean 'connections'?)");
    end();
    begin();
    file("{\"hub\":{\"origins\":[1]}}", "hub = { origins = { 1 } }", CONFIG_PROJECT);
    CHECK_HAS(check(), "option 'hub.origins' must be a list of strings, not [1]");
    end();
    begin();
    file("{\"hub\":{\"origins\":{}}}", "hub = { origins = {} }", CONFIG_PROJECT);
    CHECK_STR(ln_str(check()), ""); /* Lua's empty table */
    char **list = config_list(c, "hub.origins");
    CHECK(list && !list[0]); /* nobody, which is not the default */
    config_list_free(list);
    end();
}

TEST(the_environment) {
    char *env[] = {"LINNET_HUB_MAX_CLIENTS=7", "LINNET_LOG_LEVEL=debug",
                   "LINNET_SOMETHING=1",       "HUB_PORT=1",
                   "LINNET_HUB_PORT",          NULL};
    begin();
    CHECK(config_from_env(c, env, &err));
    CHECK_INT(config_int(c, "hub.max_clients", 0), 7);
    CHECK_STR(ln_str(config_origin(c, "hub.max_clients")), "LINNET_HUB_MAX_CLIENTS");
    CHECK_INT(config_int(c, "hub.port", 4321), 4321);
    char *text = config_text(c, "log.level");
    CHECK_STR(ln_str(text), "debug");
    ln_free(text);
    CHECK_STR(ln_str(check()), "");
    end();
}

TEST(connections_by_name) {
    struct conn_opts o;
    bool found;
    begin();
    file("{\"connections\":{\"a\":{\"url\":\"ws://a\",\"retries\":2},\"b\":\"ws://b\"}}",
         "connections = {\n  a = { url = 'ws://a', retries = 2 },\n  b = 'ws://b',\n}",
         CONFIG_USER);
    CHECK_STR(ln_str(check()), "");
    conn_opts_init(&o);
    CHECK(config_connection(c, "a", &o, &found, &err) && found);
    CHECK_STR(ln_str(o.url), "ws://a");
    CHECK_INT(o.retries, 2);
    conn_opts_free(&o);
    conn_opts_init(&o);
    CHECK(config_connection(c, "b", &o, &found, &err) && found);
    CHECK_STR(ln_str(o.url), "ws://b");
    conn_opts_free(&o);
    conn_opts_init(&o);
    CHECK(config_connection(c, "", &o, &found, &err) && !found);
    conn_opts_free(&o);
    /* The one of the project stands alone: options of two files are not mixed. */
    file("{\"connections\":{\"a\":{\"url\":\"ws://c\"}}}", "", CONFIG_PROJECT);
    conn_opts_init(&o);
    CHECK(config_connection(c, "a", &o, &found, &err));
    CHECK_STR(ln_str(o.url), "ws://c");
    CHECK_INT(o.retries, 0);
    conn_opts_free(&o);
    end();
}

TEST_MAIN(T(the_higher_level_wins_in_any_order), T(levels_meet_option_by_option),
          T(origins_are_lines_of_the_file), T(what_is_kept_when_settings_are_read_anew),
          T(text_as_people_type_it), T(what_the_check_refuses), T(names_that_cannot_be),
          T(the_environment), T(connections_by_name))
