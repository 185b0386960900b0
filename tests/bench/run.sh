#!/bin/sh
# SPDX-License-Identifier: MIT
# ./dev bench [--quick] [--only SUITE] [--count]: see docs/bench.md
set -eu
cd "$(dirname "$0")/../.."
[ -d tests/bench/node_modules/bun ] || (cd tests/bench && npm ci --silent --no-audit --no-fund >/dev/null)
cc -O2 -D_GNU_SOURCE -Iruntime -o build/load_server tests/bench/load_server.c runtime/wire/websocket*.c \
  runtime/wire/handshake.c runtime/wire/http_head.c runtime/base/*.c -lcrypto -lm
exec node tests/bench/run.mjs "$@"
