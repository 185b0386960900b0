/* SPDX-License-Identifier: MIT
 *
 * The option hub.apps: what it holds, and what is said of one that is wrong.
 */
#include "host/config.h"
#include "host/hub_apps_opt.h"
#include "test.h"

TEST(all_options) {
    struct hub_app_list list;
    struct ln_err err = {0};
    CHECK(hub_apps_from_json(
        LN_STR("[{\"key\":\"k\",\"secret\":\"s\",\"id\":7,\"client_messages\":\"all\","
               "\"client_rate\":20,\"max_connections\":100,\"encryption_master_key\":\"bWFzdGVy\"},"
               "{\"secret\":\"t\",\"key\":\"l\\u0061\",\"client_messages\":\"none\"}]"),
        "here", &list, &err));
    CHECK_INT(list.n, 2);
    CHECK_STR(ln_str(list.v[0].key), "k");
    CHECK_STR(ln_str(list.v[0].secret), "s");
    CHECK_STR(ln_str(list.v[0].id), "7");
    CHECK_STR(ln_str(list.v[0].master_key), "bWFzdGVy");
    CHECK_INT(list.v[0].whispers, HUB_WHISPERS_ALL);
    CHECK_INT(list.v[0].whisper_rate, 20);
    CHECK_INT(list.v[0].max_connections, 100);
    CHECK_STR(ln_str(list.v[1].key), "la");
    CHECK_STR(ln_str(list.v[1].id), "la"); /* the key, when no id is given */
    CHECK_INT(list.v[1].whispers, HUB_WHISPERS_NONE);
    CHECK(!list.v[1].master_key);
    hub_apps_clear(&list);
    CHECK(hub_apps_from_json(LN_STR("{}"), "here", &list, &err)); /* Lua's empty table */
    CHECK_INT(list.n, 0);
    CHECK(hub_apps_from_json(LN_STR("[]"), "here", &list, &err));
}

TEST(what_is_wrong_is_named_and_no_secret) {
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"7", "here: option 'hub.apps' must be a list of {key=, secret=, id=}"},
        {"{\"key\":\"k\"}", "here: option 'hub.apps' must be a list of {key=, secret=, id=}"},
        {"[\"k\"]", "here: hub.apps[1] must be a table {key=, secret=, id=}"},
        {"[{\"key\":\"k\",\"secret\":\"hidden\"},{\"kee\":1}]",
         "here: hub.apps[2] has no option 'kee' (did you mean 'key'?)"},
        {"[{\"key\":\"k\"}]", "here: hub.apps[1] needs 'secret'"},
        {"[{\"secret\":\"hidden\"}]", "here: hub.apps[1] needs 'key'"},
        {"[{\"key\":true,\"secret\":\"hidden\"}]",
         "here: 'key' of hub.apps[1] must be a text that is not empty"},
        {"[{\"key\":\"k\",\"secret\":\"hidden\",\"client_messages\":\"some\"}]",
         "here: 'client_messages' of hub.apps[1] must be \"members\", \"all\" or \"none\""},
        {"[{\"key\":\"k\",\"secret\":\"hidden\",\"client_rate\":0}]",
         "here: 'client_rate' of hub.apps[1] must be a whole number from 1"},
        {"[{\"key\":\"k\",\"secret\":\"hidden\",\"max_connections\":1.5}]",
         "here: 'max_connections' of hub.apps[1] must be a whole number from 1"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct hub_app_list list;
        struct ln_err err = {0};
        CHECK(!hub_apps_from_json(ln_str(cases[i].json), "here", &list, &err));
        CHECK_STR(ln_str(err.text), cases[i].words);
        CHECK_INT(list.n, 0);
    }
}

TEST(the_settings_are_checked_with_their_line) {
    struct config *c = config_new();
    struct ln_err err = {0};
    const char *source = "hub = {\n  apps = { { key = \"k\" } },\n}";
    config_set_file(c, LN_STR("{\"hub\":{\"apps\":[{\"key\":\"k\"}]}}"), "linnet.cfg.lua",
                    ln_str(source), CONFIG_PROJECT);
    CHECK(!config_check(c, &err));
    CHECK_STR(ln_str(err.text), "linnet.cfg.lua:2: hub.apps[1] needs 'secret'");
    config_free(c);
}

TEST_MAIN(T(all_options), T(what_is_wrong_is_named_and_no_secret),
          T(the_settings_are_checked_with_their_line))
