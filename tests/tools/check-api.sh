#!/bin/sh
# SPDX-License-Identifier: MIT
# Every function that a script can call (its Lua signature stands in a comment above each `l_…` of
# bindings/lua_*.c, and behind `---@api` in bindings/linnet/*.lua) is named in docs/lua.md and called
# in tests/lua.
set -u
cd "$(dirname "$0")/../.."
names=$({
  grep -hoE '^/\* [a-z_.:]+[.:][a-z_]+\(' bindings/lua_*.c | sed 's|^/\* ||; s/($//'
  grep -hoE '^---@api [a-z_.:]+[.:][a-z_]+' bindings/linnet/*.lua | sed 's/^---@api //'
} | sort -u)
count=$(printf '%s\n' "$names" | grep -c .)
[ "$count" -ge 60 ] || { echo "only $count signatures found: the comments have moved"; exit 1; }
status=0
for name in $names; do
  short=${name##*[.:]}
  case $name in __*|*:__*) continue ;; esac
  grep -qE "[.:]$short\b" docs/lua.md || { echo "FAIL $name is not in docs/lua.md"; status=1; }
  grep -rqE "[.:]$short\b" tests/lua --include='*.lua' || { echo "FAIL $name is not called in tests/lua"; status=1; }
done
echo "$count functions"
exit $status
