#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh LINNET [PART OF A NAME]: the real clients against our hub, and our client against the real
# servers. Those of the command line are run by tests/tools/cli.sh.
set -eu
cd "$(dirname "$0")"
linnet=$(cd ../.. && readlink -f "$1")
# install FOLDER NPM…: what its lock file says; npm is heard when it fails. soketi's folder replaces a
# dependency from git, which Debian 12's npm 9.2 cannot read: that takes the npm of the other lock file.
install() {
  dir=$1
  shift
  [ "$dir/node_modules/.package-lock.json" -nt "$dir/package-lock.json" ] && return
  said=$(cd "$dir" && "$@" ci --no-audit --no-fund 2>&1) || { printf '%s\n' "$said"; exit 1; }
}
install . npm
install soketi node ../node_modules/npm/bin/npm-cli.js
cd ../..
status=0
for test in tests/peers/*_test.mjs; do
  case $test in */cli_test.mjs | */newcomer_test.mjs) continue ;; esac
  echo "--- $test"
  node "$test" "$linnet" ${2+"$2"} || status=1
done
exit $status
