-- recovery_script.lua URL [TRANSPORT [ROOM]]: says what it hears, and after each reconnect whether all of it came.
local linnet = require "linnet"
local chat = linnet.connect(linnet.args[1], {
  transports = { linnet.args[2] or "websocket" }, reconnection_delay = 0.1, randomization_factor = 0,
})
chat:on("m", function(n) print("m " .. n) end)
chat:on("message", function(m) print("message " .. m.text) end)
chat:on("gap", function(info) print("gap " .. info.reason) end)
chat:on("connect", function(first) print(("connect %s %s"):format(first, chat.recovered)) end)
chat:on("end", function() linnet.exit(0) end)
if linnet.args[3] then chat:join(linnet.args[3]) end
