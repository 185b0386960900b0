#!/bin/sh
# SPDX-License-Identifier: MIT
# Every function that a script can call (its Lua signature stands in a comment above it: `/* conn:on(…` in
# bindings/lua_*.c, `-- room:send(…` in bindings/linnet/*.lua) is named in docs/lua.md and called
# in tests/lua or in a C test of the bindings.
set -u
cd "$(dirname "$0")/../.."
names=$(grep -hoE '^ *(/\*|--) [a-z_0-9]+[.:][a-z_0-9.:]+\(' bindings/lua_*.c bindings/linnet/*.lua |
  sed -E 's#^ *(/\*|--) ##; s/\($//' | grep -vE '^(coroutine|string|table|os|io|debug)\.' | sort -u) # Lua's own, guarded: docs/scripts.md
count=$(printf '%s\n' "$names" | grep -c .)
[ "$count" -ge 60 ] || { echo "only $count signatures found: the comments have moved"; exit 1; }
status=0
for name in $names; do
  short=${name##*[.:]}
  case $name in __*|*:__*) continue ;; esac
  grep -qE "[.:]$short\b" docs/lua.md || { echo "FAIL $name is not in docs/lua.md"; status=1; }
  grep -rqE "[.:]$short\b" tests/lua tests/unit --include='*.lua' --include='bindings_*.c' || { echo "FAIL $name is called in no test"; status=1; }
done
echo "$count functions"
exit $status
