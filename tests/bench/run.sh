#!/bin/sh
# SPDX-License-Identifier: MIT
# ./dev bench [--quick] [--only TEXT] [--rounds N] [--json] | --count [--record | --notice]: see docs/bench.md
set -eu
cd "$(dirname "$0")/../.."
ulimit -n "$(ulimit -H -n)" # 10,000 lines, at both ends
case " $* " in
  *" --count "*) ;;
  *) [ -d tests/bench/node_modules/pusher-js ] || (cd tests/bench && npm ci --silent --no-audit --no-fund >/dev/null) ;;
esac
mkdir -p build
cc -O2 -D_GNU_SOURCE -Iruntime -o build/load_server tests/bench/load_server.c runtime/wire/*.c runtime/base/*.c \
  -lssl -lcrypto -lsodium -lz -lm
[ -f build/bench-cert.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
  -days 3650 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
  -keyout build/bench-key.pem -out build/bench-cert.pem 2>/dev/null
exec node tests/bench/run.mjs "$@"
