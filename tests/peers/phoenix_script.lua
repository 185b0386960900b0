-- phoenix_script.lua URL: plugins/phoenix.lua on a server of another program. It ends itself.
local linnet = require "linnet"
local phoenix = linnet.use("phoenix")
local socket = phoenix.connect(linnet.args[1], {
  params = { token = "t" }, connection = { reconnection_delay = "20ms", randomization_factor = 0 } })
local room = socket:channel("room:lobby", { nick = "wren" })
local heard = {}
room:on("shout", function(payload) heard[#heard + 1] = payload.body end)
assert(assert(room:join()).nick == "wren")
assert(room:push("echo", { n = 7 }).n == 7)
local reply, err = room:push("no such thing")
assert(reply == nil and err.code == "refused", err)
room:send("cut me off")
socket.conn:wait_for("connect", { timeout = "60s" })
assert(room:push("echo", { again = true }, { timeout = "60s" }).again)
local who = room.presence:list()
assert(#who == 1 and who[1].id == "wren", linnet.inspect(who))
assert(heard[1] == "welcome" and heard[2] == "welcome", linnet.inspect(heard))
assert(room:leave())
linnet.exit(0)
