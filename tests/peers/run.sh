#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh LINNET: the real clients against our hub, and our client against the real servers.
set -eu
cd "$(dirname "$0")"
linnet=$(cd ../.. && readlink -f "$1")
[ -f node_modules/.package-lock.json ] || npm ci --silent --no-audit --no-fund >/dev/null
cd ../..
exec node tests/peers/peers_test.mjs "$linnet"
