#!/bin/sh
# SPDX-License-Identifier: MIT
# lua.sh BUILD: the Lua specs, inside the program, on the fake clock: once as they are, and once with
# a full collection at every door call.
set -u
cd "$(dirname "$0")/../.."
export TZ=UTC # quiet hours are local time
status=0
timeout 600 "$1"/tests/linnet-lua-test tests/lua || status=1
LINNET_GC_STRESS=1 timeout 900 "$1"/tests/linnet-lua-test tests/lua || status=1
exit $status
