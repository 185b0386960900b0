#!/bin/sh
# SPDX-License-Identifier: MIT
# cli.sh LINNET: the command line as a person and a pipe use it.
set -eu
cd "$(dirname "$0")/../.."
exec node tests/peers/cli_test.mjs "$(readlink -f "$1")"
