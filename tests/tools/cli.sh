#!/bin/sh
# SPDX-License-Identifier: MIT
# cli.sh LINNET: the command line as a person and a pipe use it.
set -eu
cd "$(dirname "$0")/../.."
linnet=$(readlink -f "$1")
status=0
node tests/peers/cli_test.mjs "$linnet" || status=1
node tests/peers/newcomer_test.mjs "$linnet" || status=1
exit $status
