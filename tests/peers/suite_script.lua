-- suite_script.lua: the server that the public suite of the Socket.IO protocol wants; suites.sh runs it.
local linnet = require "linnet"
local hub = linnet.hub {
  port = 3000, dialect = false, page = false, namespaces = { "/custom" }, origins = { "*" },
  ping_interval = "300ms", ping_timeout = "200ms", connect_timeout = "1s", max_message = 1000000,
}

local auths = {} -- of the last client of each namespace: the suite has one at a time
hub:use(function(client, auth)
  auths[client.namespace] = auth
  return true
end)
for _, namespace in ipairs { "/", "/custom" } do
  hub:on("connect", function(client) client:emit("auth", auths[namespace]) end, { namespace = namespace })
end

-- Bytes that came are a string to Lua; what holds control characters goes back as bytes.
local function same(...)
  local args = table.pack(...)
  for i = 1, args.n do
    if type(args[i]) == "string" and args[i]:find("%c") then args[i] = linnet.binary(args[i]) end
  end
  return table.unpack(args, 1, args.n)
end

hub:on("message", function(client, ...) client:emit("message-back", same(...)) end)
hub:on("message-with-ack", function(_, ...)
  local args = table.pack(...)
  args[args.n](same(table.unpack(args, 1, args.n - 1)))
end)
