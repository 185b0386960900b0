#!/bin/sh
# SPDX-License-Identifier: MIT
# The layers of docs/architecture.md, checked on every #include and on a few names that have one home.
# Closes with "N passed, N failed"; a rule that finds nothing to look at fails, so that a moved folder
# cannot switch it off.
set -u
cd "${1-$(dirname "$0")/../..}" || exit 2
passed=0
failed=0

# rule TEXT FILES PATTERN: no line of FILES may match PATTERN
rule() {
  # shellcheck disable=SC2086
  files=$(ls $2 2>/dev/null)
  if [ -z "$files" ]; then
    failed=$((failed + 1)); echo "FAIL $1: no such files: $2"; return
  fi
  # shellcheck disable=SC2086
  if bad=$(grep -nHE "$3" $files | grep -vE "${4-^$}"); then
    failed=$((failed + 1)); echo "FAIL $1"; printf '%s\n' "$bad" | head -n 10
  else
    passed=$((passed + 1))
  fi
}

inc='^#include "'
rule "base knows base only" 'runtime/base/*.[ch]' "$inc(wire|io|client|hub|host|bindings)/"
rule "wire knows base only" 'runtime/wire/*.[ch]' "$inc(io|client|hub|host|bindings)/"
rule "io knows base and wire" 'runtime/io/*.[ch]' "$inc(client|hub|host|bindings)/"
rule "client knows base, wire, io" 'runtime/client/*.[ch]' "$inc(hub|host|bindings)/"
rule "hub knows base, wire, io" 'runtime/hub/*.[ch]' "$inc(client|host|bindings)/"
rule "only main names the bindings" 'runtime/host/*.[ch]' "${inc}bindings/" '^runtime/host/main\.c:'
rule "bindings do not know wire" 'bindings/*.[ch]' "${inc}wire/"
rule "foreign headers are in io/*.c" 'runtime/*/*.h' '#include <(uv|libwebsockets|openssl/ssl|curl/curl|sqlite3|hiredis)'
rule "foreign libraries are io's" 'runtime/base/*.c runtime/wire/*.c runtime/client/*.c runtime/hub/*.c runtime/host/*.c bindings/*.c' '#include <(uv|libwebsockets|openssl/ssl|curl/|sqlite3|hiredis)'
rule "libcrypto is base/crypt's" 'runtime/*/*.c bindings/*.c' '#include <openssl/' '^runtime/(base/crypt[a-z_]*|io/[a-z_]+)\.c:'
rule "libsodium is base/crypt's" 'runtime/*/*.[ch] bindings/*.[ch]' '#include <sodium' '^runtime/base/crypt[a-z_]*\.c:'
rule "no Lua in the host" 'runtime/*/*.[ch]' '(#include [<"]l(ua|auxlib|ualib)\.h|\blua_[a-z]+\()' '^runtime/host/main\.c:'
rule "one door runs Lua" 'bindings/*.c' '\blua_(pcall|pcallk|resume)\(' '^bindings/lua_call\.c:'
rule "exit is main's" 'runtime/*/*.c bindings/*.c' '(^|[^a-z_.])exit\(' '^runtime/host/main\.c:'
rule "time is the clock's" 'runtime/*/*.c bindings/*.c' '\b(clock_gettime|gettimeofday|time)\((NULL|CLOCK|&|0)' '^(runtime/base/clock|bindings/lua_watchdog)\.c:'
rule "no file names a machine" '*.md docs/*.md dev CMakeLists.txt runtime/*/*.[ch] bindings/*.[ch]' '/(work|home)/[a-z]'

for f in runtime/*/*.[ch] bindings/*.[ch] bindings/linnet/*.lua scripts/*.lua; do
  case $(head -n 1 "$f") in
    *"SPDX-License-Identifier: MIT"*) ;;
    *) case $f in scripts/*) ;; *) failed=$((failed + 1)); echo "FAIL $f: no SPDX line" ;; esac ;;
  esac
  n=$(wc -l <"$f")
  if [ "$n" -gt 600 ]; then failed=$((failed + 1)); echo "FAIL $f: $n lines; 600 is the stop"; else passed=$((passed + 1)); fi
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
