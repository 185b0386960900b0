#!/bin/sh
# SPDX-License-Identifier: MIT
# Layers, format, luacheck, and that every bound function is documented and tested. Also that the
# layer check itself can fail.
set -u
cd "$(dirname "$0")/../.."
status=0
check() { # check NAME COMMAND…
  name=$1
  shift
  if out=$("$@" 2>&1); then echo "$name: 1 passed, 0 failed"; else
    status=1; printf '%s\n' "$out"; echo "FAIL $name"; echo "$name: 0 passed, 1 failed"; fi
}

layers_can_fail() {
  dir=$(mktemp -d)
  cp -r runtime bindings scripts docs dev CMakeLists.txt ./*.md "$dir"
  echo '#include "host/app.h"' >>"$dir/runtime/base/ln.c"
  if tests/tools/check-layers.sh "$dir" >/dev/null; then rm -rf "$dir"; return 1; fi
  rm -rf "$dir"
}
format() {
  # The form differs between versions: the one of Debian 12 is meant.
  case $(clang-format --version) in *" 14."*) ;; *) echo "clang-format 14 is not here"; return 0 ;; esac
  # shellcheck disable=SC2046
  clang-format --dry-run -Werror $(git ls-files 'runtime/*.c' 'runtime/*.h' 'bindings/*.c' 'bindings/*.h' 'tests/*.c' 'tests/*.h')
}

tests/tools/check-layers.sh || status=1
check "layers can fail" layers_can_fail
check "format" format
check "luacheck" luacheck -q bindings/linnet scripts plugins tests/lua runtime/host/new
check "every function documented and tested" tests/tools/check-api.sh
check "every feature has its test" tests/tools/check-protocols.sh
exit $status
