-- way_script.lua URL PROTOCOL [NAME=VALUE…]: what is sent to a server that gives it back, of many sizes
-- and in bursts. Options may be tls.NAME.
local linnet = require "linnet"
local options = { protocol = linnet.args[2], transports = { "websocket" }, reconnection = false, tls = {} }
for i = 3, #linnet.args do
  local name, value = linnet.args[i]:match("^([^=]+)=(.*)$")
  if value == "true" or value == "false" then value = value == "true" end
  if name:match("^tls%.") then options.tls[name:sub(5)] = value else options[name] = value end
end
local is_raw = options.protocol == "ws"
if is_raw then
  options.codec = "text"
  options.transports = nil
end

local conn = linnet.connect(linnet.args[1], options)
conn:on("connect_error", function(err)
  print("error: " .. err.message)
  linnet.exit(1)
end)
assert(conn:ready("60s"))

local function same(text)
  if not is_raw then return assert(conn:emit_with_ack("same", text)) end
  conn:emit("message", text)
  return conn:wait_for("message", { timeout = "60s" })
end
local function words(n) return ("the same words again, and %d more "):format(n):rep(n // 20 + 1):sub(1, n) end

for _, n in ipairs { 1, 125, 126, 1023, 1024, 1025, 65535, 65536, 500000 } do
  assert(same(words(n)) == words(n), n .. " bytes came back changed")
end

local heard = {}
conn:on("message", function(text) heard[#heard + 1] = text end)
for i = 1, 300 do conn:emit("message", i .. words(1500)) end
while #heard < 300 do conn:wait_for("message", { timeout = "60s" }) end
for i = 1, 300 do assert(heard[i] == i .. words(1500), "out of order, or changed") end
print("all the same")
linnet.exit(0)
