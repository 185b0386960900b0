-- echo_script.lua: what laravel-echo's broadcaster "socket.io" expects of a server, on our hub:
-- `subscribe`, `unsubscribe` and `client event` come in; events go out as (channel, data).
local linnet = require "linnet"
local hub = linnet.hub { port = 0, dialect = false }
local members = {} -- of presence channels: channel -> list of {client, user_id, user_info}

local function user_of(auth)
  local id, name = (((auth or {}).headers or {}).Authorization or ""):match "^Bearer (%w+):(%w+)$"
  return id and { user_id = id, user_info = { name = name } }
end

local function leave(client, channel)
  local list = members[channel] or {}
  for i = #list, 1, -1 do
    if list[i].client == client then
      local gone = table.remove(list, i)
      hub:to(channel):emit("presence:leaving", channel, { user_id = gone.user_id, user_info = gone.user_info })
    end
  end
end

hub:on("subscribe", function(client, ask)
  local user = user_of(ask.auth)
  local is_guarded = ask.channel:find "^private%-" or ask.channel:find "^presence%-"
  if is_guarded and not user then return end
  client:join(ask.channel)
  if not ask.channel:find "^presence%-" then return end
  local list = members[ask.channel] or {}
  members[ask.channel] = list
  hub:to(ask.channel, { except = client }):emit("presence:joining", ask.channel, user)
  list[#list + 1] = { client = client, user_id = user.user_id, user_info = user.user_info }
  local shown = {}
  for i, m in ipairs(list) do shown[i] = { user_id = m.user_id, user_info = m.user_info } end
  client:emit("presence:subscribed", ask.channel, shown)
end)

hub:on("unsubscribe", function(client, ask)
  client:leave(ask.channel)
  leave(client, ask.channel)
end)

hub:on("client event", function(client, m)
  local is_guarded = m.channel:find "^private%-" or m.channel:find "^presence%-"
  local is_in = false
  for _, room in ipairs(client.rooms) do is_in = is_in or room == m.channel end
  if not (is_guarded and is_in and m.event:find "^client%-") then return end
  hub:to(m.channel, { except = client }):emit(m.event, m.channel, m.data)
end)

hub:on("disconnect", function(client)
  for channel in pairs(members) do leave(client, channel) end
end)

-- What a Laravel application would broadcast.
hub:on("broadcast", function(_, channel, event, data) return hub:to(channel):emit(event, channel, data) end)

print("listening on http://127.0.0.1:" .. hub.port)
