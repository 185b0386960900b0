#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh LINNET: the hub's page in headless Chromium.
set -eu
linnet=$(readlink -f "$1")
cd "$(dirname "$0")/.."
[ -f node_modules/.package-lock.json ] || npm ci --silent --no-audit --no-fund >/dev/null
exec node page/page_test.mjs "$linnet"
