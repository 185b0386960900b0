-- SPDX-License-Identifier: MIT
--
-- The dialects of Pusher's protocol. `pusher`: messages, typing and read marks are clients' events
-- of these names, and who is there comes from presence channels. `laravel` is the same with Echo's
-- habits: whispers, and class names for what the server broadcasts.

local c = ...

-- The member of the room that sent it: the server's word (meta), then the sender's own.
local function person(room, meta, said)
  local id = meta and meta.user_id
  if id == nil or (type(said) == "table" and tostring(said.id) == id) then return said end
  local info = c.member(room.conn, room.name, id)
  if type(info) ~= "table" then return { id = id, name = id } end
  return { id = id, name = info.name or id, info = info }
end

local function read_message(room, data, meta)
  local m = { text = data }
  if type(data) == "table" then
    m = {}
    for k, v in pairs(data) do m[k] = v end
    m.text = m.text or m.message
  elseif type(data) ~= "string" then
    m.text = tostring(data)
  end
  m.room = room.name
  m.sender = person(room, meta, m.sender) or {}
  m.type = m.type or "text"
  return m
end

local function read_mark(room, data, meta)
  local m = {}
  for k, v in pairs(type(data) == "table" and data or {}) do m[k] = v end
  m.room, m.user = room.name, person(room, meta, m.user)
  return m
end

local function read_typing(room, data, meta)
  local m = read_mark(room, data, meta)
  m.on = m.on ~= false
  return m
end

local readers = {
  message = { "client-message", read_message },
  typing = { "client-typing", read_typing },
  read = { "client-read", read_mark },
}

-- What goes out says who sent it, for those who are not told by the server.
local function write_message(m, room)
  local user = room.conn.user
  if type(user) == "table" then m.sender = { id = user.id, name = user.name or user.id } end
  return m
end

local function member(data)
  if type(data) ~= "table" or data.user_id == nil then return nil end
  local info = type(data.user_info) == "table" and data.user_info or nil
  return { id = tostring(data.user_id), name = info and info.name, info = info }
end

local presence = {
  emit = "client-presence",
  events = {
    ["pusher:member_added"] = function(data) return "join", member(data) end,
    ["pusher:member_removed"] = function(data) return "leave", member(data) end,
    ["client-presence"] = function(data, meta)
      if type(data) ~= "table" then return end
      local said = type(data.member) == "table" and data.member or data
      return "update", { id = meta.user_id or said.id, status = said.status, text = said.text }
    end,
  },
}

local function members(reply)
  local list = {}
  for i, m in ipairs(reply.members or {}) do
    list[i] = member { user_id = m.id, user_info = m.info }
  end
  return reply.members and list
end

local function spec(name, out)
  return {
    name = name, out = out,
    join = { members = members },
    message = { event = "client-message", emit = "client-message", write = write_message, echo = false },
    typing = { event = "client-typing", emit = "client-typing" },
    read = { event = "client-read", emit = "client-read" },
    presence = presence,
  }
end

local function plain_name(event)
  local known = readers[event]
  if known then return known[1], known[2] end
  return event
end

-- --- laravel ---

local kinds = { here = "sync", joining = "join", leaving = "leave" }
local NOTIFICATION = "Illuminate\\Notifications\\Events\\BroadcastNotificationCreated"

-- ".name" and "\\name" as they are, whispers and the protocol's own events too; the rest are classes.
local function class_name(event)
  if kinds[event] then return event, nil, kinds[event] end
  if event == "notification" then return NOTIFICATION end
  local first = event:sub(1, 1)
  if first == "." or first == "\\" then return event:sub(2) end
  if event:find("^client%-") or event:find("^pusher:") then return event end
  if readers[event] then return plain_name(event) end
  return "App\\Events\\" .. event:gsub("%.", "\\")
end

local function whisper(event)
  return event:find("^client%-") and event or "client-" .. event
end

return { pusher = spec(plain_name), laravel = spec(class_name, whisper) }
