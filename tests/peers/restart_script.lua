-- restart_script.lua URL: joins, loses the server, queues three messages meanwhile, and ends when all
-- three were acknowledged by the server that came back.
local linnet = require "linnet"
local chat = linnet.connect(linnet.args[1], {
  auth = { name = "wren" }, reconnection_delay = "50ms", reconnection_delay_max = "200ms",
})
chat:on("disconnect", function()
  local tasks = {}
  for i, text in ipairs { "one", "two", "three" } do
    tasks[i] = linnet.spawn(function()
      return assert(chat:timeout("60s"):emit_with_ack("message", { room = "lobby", text = text }))
    end)
  end
  print("queued")
  for _, reply in ipairs(linnet.all(tasks)) do assert(reply.ok, linnet.inspect(reply)) end
  linnet.exit(0)
end)
assert(chat:join("lobby"))
print("joined")
