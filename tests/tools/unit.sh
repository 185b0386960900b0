#!/bin/sh
# SPDX-License-Identifier: MIT
# unit.sh BUILD: every C test and every fuzz corpus, two at a time; closes with the sum.
set -u
cd "$(dirname "$0")/../.."
build=$1
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
{
  for t in "$build"/tests/*_test; do [ -x "$t" ] && echo "$t"; done
  for f in "$build"/tests/*_fuzz; do [ -x "$f" ] && echo "$f tests/fuzz/corpus/$(basename "$f" _fuzz)"; done
} | xargs -P 2 -I '{}' sh -c 'out=$(timeout 300 {} 2>&1); s=$?; last=$(printf "%s\n" "$out" | tail -n 1)
  case $last in *" passed, "*) ;; *) s=1; out="$out
0 passed, 1 failed";; esac
  if [ $s != 0 ]; then printf "%s\n" "$out" | sed "s|^|$(basename $(echo {} | cut -d" " -f1)): |"; [ "${last##*, }" != "0 failed" ] || echo "exit code: 0 passed, 1 failed"
  else echo "$(basename $(echo {} | cut -d" " -f1)): $last"; fi'
