-- more.lua: one script more that listens to the same connection as client.lua (a copy for each).
local linnet = require "linnet"
local chat = linnet.connect("http://127.0.0.1:" .. linnet.args[1], {
  auth = { pid = tonumber(linnet.env("BENCH_PID")) },
})
local n, sum = 0, 0
chat:on("message", function(m) n = n + 1; sum = sum + #m.text + m.n end)
chat:on("end", function() chat:emit("mine", { n = n, sum = sum }) end)
