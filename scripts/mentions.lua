-- mentions.lua: tells me when somebody says my name while I am not looking. Never twice for one
-- message, however often the server sends it again.
--   linnet run scripts/mentions.lua --set 'scripts.mentions.options.me="ida"'     (beside linnet hub)
local linnet = require "linnet"

local me    = linnet.option("me", "ida")        -- who is looked for, as @ida
local rooms = linnet.option("rooms", { "lobby" }, "list")
local inbox = linnet.option("inbox", "for-" .. me)
local keep  = linnet.option("keep", "10m", "duration")

local chat = linnet.connect("hub", { auth = { name = "mentions" } })
local seen = {}                                 -- message id -> true, for `keep`

-- Looking means: online in that room. Away, busy and offline people want to be told.
local function is_looking(room)
  for _, member in ipairs(room.presence:list()) do
    if member.name == me and member.status == "online" then return true end
  end
  return false
end

local function notify(msg)
  if seen[msg.id] then return end
  seen[msg.id] = true
  linnet.after(keep, function() seen[msg.id] = nil end)
  linnet.log.info("mention", { from = msg.sender.name, room = msg.room, text = msg.text })
  chat:room(inbox):send(("%s in %s: %s"):format(msg.sender.name, msg.room, msg.text))
end

for _, name in ipairs(rooms) do
  local room = chat:room(name)
  room:on("message", function(msg)
    local said = (" " .. msg.text:lower() .. " "):find("[^%w@]@" .. me:lower() .. "[^%w]")
    if said and not is_looking(room) then notify(msg) end
  end)
end

chat:join(inbox)
for _, name in ipairs(rooms) do chat:join(name) end
