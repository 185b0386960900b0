/* SPDX-License-Identifier: MIT
 *
 * Every verb and option, in tables: the parser, the help and the suggestions read them.
 */
#include "host/cli.h"

const struct cli_option cli_global[] = {
    {"config", 'c', "FILE", NULL, "settings; else ./linnet.cfg.lua, then the user's, then /etc's"},
    {"set", 0, "PATH=VALUE", NULL, "one setting, as hub.port=4400; may be repeated"},
    {"verbose", 'v', NULL, NULL, "say more (twice: everything)"},
    {"quiet", 'q', NULL, NULL, "warnings and errors only"},
    {"log-level", 0, "LEVEL", "log.level", "trace, debug, info, warn, error or off"},
    {"log-format", 0, "FORM", "log.format", "auto, text, json or journal"},
    {"log", 0, "LEVELS", "log.levels", "by tag: conn:chat=trace,script:bot=debug"},
    {"color", 0, "WHEN", NULL, "auto, always or never"},
    {"help", 'h', NULL, NULL, "this text"},
    {"version", 'V', NULL, NULL, "the version"},
    {0},
};

#define HUB_OPTIONS                                                                                \
    {"port", 'p', "N", "hub.port", "the hub's port; 0 takes any free one (4321)"},                 \
        {"host", 0, "ADDRESS", "hub.host", "the address it listens on (127.0.0.1)"}, {             \
        "origin", 0, "LIST", "hub.origins", "pages of these origins may connect, too"              \
    }
#define JOIN_OPTIONS                                                                               \
    {"join", 'j', "ROOM", NULL, "join this room first; may be repeated"}, {                        \
        "dialect", 0, "NAME", NULL, "how rooms are joined: linnet (default) or rooms"              \
    }
#define CONN_OPTIONS                                                                               \
    {"auth", 0, "JSON", NULL, "the auth payload"},                                                 \
        {"token", 0, "TOKEN", NULL, "short for --auth '{\"token\":…}'; @FILE reads it"},           \
        {"name", 0, "NAME", NULL, "who one is on a linnet hub"},                                   \
        {"header", 'H', "NAME:VALUE", NULL, "a header of the request; may be repeated"},           \
        {"query", 0, "KEY=VALUE", NULL, "a query parameter; may be repeated"},                     \
        {"protocol", 0, "NAME", NULL, "socketio, pusher or ws; else the URL tells"},               \
        {"transport", 0, "NAME", NULL, "websocket or polling; may be repeated, in order"},         \
        {"path", 0, "PATH", NULL, "the engine's path (/socket.io/)"},                              \
        {"proxy", 0, "URL", NULL, "http, socks5 or socks5h; none: not the environment's"},         \
        {"option", 'o', "NAME=VALUE", NULL, "any option of a connection, as tls.pin=…"},           \
        {"ca", 0, "FILE", NULL, "trust this certificate authority (PEM)"},                         \
        {"insecure", 0, NULL, NULL, "do not verify the server's certificate"}, {                   \
        "timeout", 't', "TIME", NULL, "end after this time, with exit code 124"                    \
    }

static const struct cli_option run_options[] = {
    {"execute", 'e', "CODE", NULL, "run this text as a script; may be repeated"},
    {"allow", 0, "GRANTS", NULL, "env:HOME, fs:read=/srv, exit …; may be repeated"},
    {"watch", 0, NULL, NULL, "reload a script when its file is saved"},
    HUB_OPTIONS,
    {0}};
static const struct cli_option dev_options[] = {
    HUB_OPTIONS,
    {"allow", 0, "GRANTS", NULL, "env:HOME, fs:read=/srv, exit …; may be repeated"},
    {"no-hub", 0, NULL, NULL, "do not start a hub"},
    {0}};
static const struct cli_option hub_options[] = {HUB_OPTIONS, {0}};
static const struct cli_option listen_options[] = {
    JOIN_OPTIONS,
    {"event", 0, "NAME", NULL, "show these events only; may be repeated"},
    {"emit", 0, "EVENT[=JSON]", NULL, "emit after connecting; may be repeated"},
    {"count", 'n', "N", NULL, "end after N events"},
    {"json", 0, NULL, NULL, "one JSON object a line (the default when not on a terminal)"},
    {"no-retry", 0, NULL, NULL, "end when the line does not come up or is lost"},
    CONN_OPTIONS,
    {0}};
static const struct cli_option emit_options[] = {JOIN_OPTIONS, CONN_OPTIONS, {0}};
static const struct cli_option doctor_options[] = {
    {"room", 0, "NAME", NULL, "join this room (a Pusher channel) as well"},
    {"dialect", 0, "NAME", NULL, "how rooms are joined: linnet (default) or rooms"},
    {"json", 0, NULL, NULL, "one JSON object instead of lines"},
    CONN_OPTIONS,
    {0}};
static const struct cli_option none[] = {{0}};

const struct verb cli_verbs[] = {
    {"run", "SCRIPT… [-- WORD…]", "run scripts; SIGHUP reloads them", run_options, verb_run,
     "  linnet run bot.lua                 also: linnet bot.lua\n"
     "  linnet -e 'print(linnet.version)'\n"
     "  linnet run bot.lua -- --greeting hello     (linnet.args)\n"
     "\n"
     "Ends when a script calls linnet.exit, at SIGTERM or SIGINT, or when nothing is left to do.\n",
     0, CLI_MAX, true},
    {"dev", "[SCRIPT…]", "hub, page and scripts in one; reloads on save", dev_options, verb_dev,
     "  linnet dev                         every *.lua beside linnet.cfg.lua but *_test.lua\n"
     "  linnet dev bot.lua --port 4400\n",
     0, CLI_MAX, true},
    {"hub", "", "the hub and its page alone", hub_options, verb_hub,
     "  linnet hub\n"
     "  linnet hub --host 0.0.0.0 --origin https://chat.example\n",
     0, 0, true},
    {"new", "NAME", "a new project: a bot, its settings", none, verb_new,
     "  linnet new wren && cd wren && linnet dev\n", 1, 1, false},
    {"listen", "URL|NAME", "connect, join, print every event", listen_options, verb_listen,
     "  linnet listen hub --join lobby\n"
     "  linnet listen wss://chat.example --token @token.txt --event message --count 10\n"
     "  linnet listen hub -j lobby | jq .event\n",
     1, 1, true},
    {"emit", "URL|NAME EVENT [JSON…]", "send one event", emit_options, verb_emit,
     "  linnet emit hub -j lobby message '{\"room\":\"lobby\",\"text\":\"hi\"}'\n"
     "  linnet emit https://chat.example ping\n"
     "\n"
     "An emit asks for no answer: whether the server liked it, 'linnet call' tells.\n",
     2, CLI_MAX, true},
    {"call", "URL|NAME EVENT [JSON…]", "send one event and print the answer", emit_options,
     verb_call, "  linnet call hub rooms\n  linnet call hub join '{\"room\":\"lobby\"}'\n", 2,
     CLI_MAX, true},
    {"doctor", "URL|NAME", "why a line does not come up, step by step", doctor_options, verb_doctor,
     "  linnet doctor school               a connection of linnet.cfg.lua\n"
     "  linnet doctor wss://chat.example/admin --token @token.txt\n"
     "  linnet doctor pusher://KEY@localhost:6001 --room private-orders\n"
     "  linnet doctor hub --room lobby --json | jq .advice\n",
     1, 1, true},
    {"check", "[FILE…]", "look scripts and settings over, without running them", none, verb_check,
     "  linnet check                       linnet.cfg.lua and every *.lua here\n"
     "  linnet check bot.lua\n",
     0, CLI_MAX, true},
    {"version", "", "the version, and of what it is made", none, verb_version, NULL, 0, 0, false},
    {"help", "[VERB]", "this text, or a verb's", none, verb_help, NULL, 0, 1, false},
    {0},
};
