/* SPDX-License-Identifier: MIT
 *
 * The program: names the engines, and exits.
 */
#include <stdlib.h>

#include "bindings/bindings.h"
#include "host/cli.h"

extern char **environ;

int main(int argc, char **argv) {
    static const struct cli_lua lua = {&engine_lua, lua_config_file, lua_check};
    exit(cli_main(argc, argv, environ, &lua));
}
