#!/bin/sh
# SPDX-License-Identifier: MIT
# suites.sh BUILD DOCS [RUNS]: the public protocol suites of Engine.IO 4 and Socket.IO 5 against the hub, RUNS times
# (5). DOCS is the folder `docs` of a checkout of github.com/socketio/socket.io, beside this project; both suites ask
# port 3000. tests/unit/hub_suite_test.c puts the same questions in every test run.
set -eu
cd "$(dirname "$0")/../.."
build=$1 docs=$2 runs=${3-5}
cc -D_GNU_SOURCE -Iruntime -o "$build/suite_engine" tests/peers/suite_engine.c "$build"/libhub.a "$build"/libio.a \
  "$build"/libwire.a "$build"/libbase.a -luv -lwebsockets -lssl -lcrypto -lz -lsodium -lm -lpthread ${SUITE_FLAGS-}
status=0

suite() { # suite FOLDER COMMAND…
  folder=$docs/$1
  shift
  [ -d "$folder/node_modules" ] || (cd "$folder" && npm ci --silent --no-audit --no-fund)
  "$@" >/dev/null 2>&1 &
  server=$!
  node --input-type=module -e '
    import { connect } from "node:net";
    import { until } from "./tests/peers/lib.mjs";
    const answers = () => new Promise((r) => connect(3000, "localhost").on("connect", () => r(true)).on("error", () => r(false)));
    await until(answers, "the server on port 3000");
    process.exit();'
  for _ in $(seq "$runs"); do
    (cd "$folder" && npx mocha --no-color test-suite.js) >"$build/suite.log" 2>&1 || { status=1; cat "$build/suite.log"; }
    grep -E '^ +[0-9]+ passing' "$build/suite.log" || true
  done
  kill "$server"
  wait "$server" || status=1
}

suite engine.io-protocol/v4-test-suite "$build/suite_engine"
suite socket.io-protocol/v5-test-suite "$build/linnet" run tests/peers/suite_script.lua
exit $status
