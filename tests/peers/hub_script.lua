-- hub_script.lua: what a hub can be scripted to do; peers_test.mjs talks to it.
local linnet = require "linnet"
local hub = linnet.hub { port = 0, namespaces = { "/private" }, dialect = false }

hub:use(function(client, auth)
  if client.namespace == "/private" and auth.token ~= "right" then
    return nil, { message = "not with that token", data = { code = "E_AUTH" } }
  end
  return true
end)
hub:on("echo", function(client, a, b, c, bytes) client:emit("echoed", a, b, c, linnet.binary(bytes)) end)
hub:on("sum", function(_, a, b) return a + b end)
hub:on("same", function(_, _, n) return n end)
hub:on("ask me", function(client) return client:emit_with_ack("question", "is it so") end)

print("listening on http://127.0.0.1:" .. hub.port)
