#!/bin/sh
# SPDX-License-Identifier: MIT
# demo-check.sh LINNET: a new project, its hub and bot, and a chat user who says hi. The answer is
# printed. Also what a first user sees: everything here is the program's own commands.
set -eu
linnet=$(readlink -f "$1")
dir=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; rm -rf "$dir"' EXIT
pid=
cd "$dir"
"$linnet" new wren
cd wren
"$linnet" dev --port 0 >../out 2>../err &
pid=$!
for _ in $(seq 600); do
  grep -q ready ../out && break
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.1
done
cat ../out
url=$(grep -o 'http://[0-9.:]*' ../out | head -n 1)
[ -n "$url" ] || { cat ../err; echo "the hub did not start"; echo "0 passed, 1 failed"; exit 1; }
"$linnet" run -e '
  local linnet = require "linnet"
  local chat = linnet.connect(linnet.args[1], { auth = { name = "guest" } })
  local lobby = assert(chat:join("lobby"))
  for try = 1, 50 do                       -- the bot may join a moment after us
    lobby:send("hi")
    local answer = lobby:wait_for("message", { timeout = "500ms" })
    if answer then
      print("guest: hi")
      print(answer.sender.name .. ": " .. answer.text)
      assert(answer.text == "Hello, guest!", answer.text)
      return linnet.exit(0)
    end
  end
  error("no answer")
' -- "$url" || { cat ../err; echo "0 passed, 1 failed"; exit 1; }
echo "1 passed, 0 failed"
