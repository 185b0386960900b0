#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh LINNET [PART OF A NAME]: the real clients against our hub, and our client against the real
# servers. Those of the command line are run by tests/tools/cli.sh.
set -eu
cd "$(dirname "$0")"
linnet=$(cd ../.. && readlink -f "$1")
for dir in . soketi; do
  [ "$dir/node_modules/.package-lock.json" -nt "$dir/package-lock.json" ] ||
    (cd "$dir" && npm ci --silent --no-audit --no-fund >/dev/null)
done
cd ../..
status=0
for test in tests/peers/*_test.mjs; do
  case $test in */cli_test.mjs | */newcomer_test.mjs) continue ;; esac
  echo "--- $test"
  node "$test" "$linnet" ${2+"$2"} || status=1
done
exit $status
