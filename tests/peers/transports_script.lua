-- transports_script.lua URL FIRST [SECOND]: everything that goes over a line, by the transports given;
-- prints the transport in the end.
local linnet = require "linnet"
local url = linnet.args[1]
local transports = { linnet.args[2], linnet.args[3] }
local chat = linnet.connect(url, { transports = transports })
local heard = {}
chat:on("tick", function(n) heard[#heard + 1] = n end)
chat:on("question", function(data, ack) ack({ answer = data.n }) end)
assert(chat:ready("60s"))

local reply = assert(chat:emit_with_ack("mixed", "hei på deg 🐦", linnet.binary("\0\255\n")))
assert(reply.text == "hei på deg 🐦" and reply.got == "\0\255\n", "what came back is changed")

local big = ("0123456789"):rep(5000)
assert(assert(chat:emit_with_ack("same", big)) == big, "50,000 bytes came back changed")

for i = 1, 200 do chat:emit("count", i) end -- many packets a body
assert(chat:emit_with_ack("counted") == 200)

local admin = chat:of("/admin")
assert(admin:wait_for("hi", { timeout = "60s" }) == "admin")
assert(admin:emit_with_ack("same", "x") == "x")
admin:disconnect()

assert(chat:emit_with_ack("ask me") == 7)
chat:emit("ticks", 50)
while #heard < 50 do chat:wait_for("tick", { timeout = "60s" }) end
for i = 1, 50 do assert(heard[i] == i, "out of order") end

if transports[1] == "polling" and transports[2] then -- the upgrade follows by itself
  for _ = 1, 100 do
    if chat.transport == "websocket" then break end
    linnet.sleep("50ms")
  end
end
print("transport " .. chat.transport)
chat:emit("bye")
linnet.exit(0)
