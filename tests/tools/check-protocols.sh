#!/bin/sh
# SPDX-License-Identifier: MIT
# The table of docs/protocols.md: every row says Y, P or N for linnet. Y and P name a test that is there ("FILE: NAME", the
# file below tests/, the name as it stands in it); P and N give a reason. Prints one failing line for each row that does not hold.
set -u
cd "$(dirname "$0")/../.."
awk -F'|' '
function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }
/^\| [0-9]+ \|/ {
  rows++
  n = trim($2); linnet = trim($(NF - 2)); proof = trim($(NF - 1))
  kind = substr(linnet, 1, 1)
  if (kind !~ /[YPN]/) { print "FAIL row " n ": linnet is neither Y, P nor N"; bad++; next }
  if (kind != "Y" && length(proof) < 12) { print "FAIL row " n ": no reason is given"; bad++; next }
  if (kind == "N") next
  if (!match(proof, /`[^`]+: [^`]+`/)) { print "FAIL row " n ": no test is named"; bad++; next }
  named = substr(proof, RSTART + 1, RLENGTH - 2)
  file = "tests/" substr(named, 1, index(named, ": ") - 1)
  name = substr(named, index(named, ": ") + 2)
  found = 0
  while ((getline line < file) > 0) if (index(line, name)) { found = 1; break }
  close(file)
  if (!found) { print "FAIL row " n ": " file " holds no test \"" name "\""; bad++ }
}
END {
  if (rows != 120) { print "FAIL " rows + 0 " rows, not 120"; bad++ }
  print rows + 0 " rows"
  exit bad > 0
}' docs/protocols.md
