-- raw_script.lua URL: what a raw line does with a server of npm ws. It ends itself, with 0 when all
-- was as it should be.
local linnet = require "linnet"
local url = linnet.args[1]
local options = {
  protocol = "ws", subprotocols = { "v2.test", "v1.test" }, headers = { ["X-Token"] = "t" }, auth = { name = "wren" },
  heartbeat = "3s", reconnection_delay = "20ms", randomization_factor = 0,
}
local json = linnet.connect(url .. "/json?a=1", options)
assert(json:ready("60s"))
assert(json.subprotocol == "v1.test", json.subprotocol)
assert(json:emit_with_ack("sum", 1, 2) == 3)
local big = ("x"):rep(300000)
assert(json:emit_with_ack("same", big) == big)
json:on("question", function(n, answer) answer(n * 2) end)
assert(json:emit_with_ack("ask me") == 42)
json:send(linnet.binary("\0\255"))
assert(json:wait_for("message", { timeout = "60s" }) == "\0\255")
for _ = 1, 2 do assert(json:wait_for("pinged", { timeout = "60s" })) end -- and answered: the line stays
assert(json.connected and json.stats.reconnects == 0)

local text = linnet.connect(url .. "/text", { protocol = "ws", codec = "text", subprotocols = "v1.test" })
assert(text:ready("60s"))
text:send("grüß dich")
assert(text:wait_for("message", { timeout = "60s" }) == "grüß dich")

json:emit("go away", 4000, "for a test")
local reason, detail = json:wait_for("disconnect", { timeout = "60s" })
assert(reason == "transport close" and detail.code == 4000 and detail.reason == "for a test", linnet.inspect(detail))
assert(json:ready("60s"))
assert(json:emit_with_ack("sum", 20, 22) == 42)

local refused = linnet.connect(url .. "/refused", { protocol = "ws" })
local err = refused:wait_for("connect_error", { timeout = "60s" })
assert(err.code == "unauthorized" and err.message:find("HTTP 401", 1, true), linnet.inspect(err))
linnet.exit(0)
