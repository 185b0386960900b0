-- SPDX-License-Identifier: MIT
-- A connection with functions for auth and headers, driven by token_test.mjs: asks that server for
-- its tokens by the words behind `--`, and prints what happens.
local linnet = require "linnet"

local url, refresh = linnet.args[1], linnet.args[2]
local tokens = { table.unpack(linnet.args, 3) }
local n = 0

local chat = linnet.connect(url, {
  reconnection_delay = "50ms",
  refresh = refresh ~= "none" and { before = refresh, event = "authenticate" } or nil,
  headers = function(ctx) return { ["X-Reason"] = ctx.reason } end,
  auth = function(ctx)
    n = math.min(n + 1, #tokens)
    print("asked", ctx.reason)
    return { token = tokens[n] }
  end,
})
chat:on("connect", function(first) print("connect", first) end)
chat:on("connect_error", function(err) print("error", err.code, err.message) end)
chat:on("disconnect", function(reason) print("disconnect", reason) end)
chat:on("auth_expiring", function(info) print("expiring", info.in_seconds < 31) end)
