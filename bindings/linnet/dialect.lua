-- SPDX-License-Identifier: MIT
--
-- Dialects: what join, send, typing, read and presence mean on a server, as tables. Built in are
-- `linnet` (the hub) and `rooms` (join_room, send_message …); a script adds its own with
-- linnet.dialect. What a table leaves out gets the usual meaning here, so that the rest of the half
-- need not ask.

local c = ...

local function room_args(room) return { room = room } end

local parts = { "join", "leave", "message", "typing", "read", "presence", "history" }

-- An answer is fine unless it says that it is not.
local function answer_ok(reply)
  if type(reply) == "table" and reply.ok == false then return false, reply.error end
  return true
end

-- id, text, sender … under the names that servers use for them.
local function read_message(d)
  if type(d) ~= "table" then return { text = tostring(d) } end
  local sender = d.sender
  if type(sender) ~= "table" then
    sender = { id = d.sender_id or d.senderId or sender, name = d.sender_name or d.senderName or sender }
  end
  return {
    id = d.id, temp_id = d.temp_id, text = d.text or d.message, type = d.type, sender = sender,
    room = d.room or d.room_id or d.roomId, time = d.time, priority = d.priority,
    reply_to = d.reply_to, mentions = d.mentions, attachments = d.attachments, status = d.status,
  }
end

local function merged(into, from)
  for k, v in pairs(from) do
    if into[k] == nil then into[k] = v end
  end
  return into
end

-- Everything has a meaning afterwards.
local function complete(spec)
  local d = { room = spec.room, custom = spec.message ~= nil and spec.message.read ~= nil }
  for _, name in ipairs(parts) do d[name] = merged({}, spec[name] or {}) end
  d.join.args = d.join.args or room_args
  d.join.ok = d.join.ok or answer_ok
  d.leave.args = d.leave.args or d.join.args
  d.leave.ok = d.leave.ok or answer_ok
  d.message.read = d.message.read or read_message
  d.message.write = d.message.write or function(m) return m end
  d.message.ok = d.message.ok or answer_ok
  d.typing.args = d.typing.args or function(room, on) return merged({ on = on }, d.join.args(room)) end
  d.read.args = d.read.args or function(ids, room) return merged({ ids = ids }, d.join.args(room)) end
  d.read.ids = d.read.ids or function(data) return data.ids or data.message_ids or { data.id } end
  d.presence.args = d.presence.args
    or function(status, text) return { status = status, text = text } end
  d.presence.read = d.presence.read or function(data) return data.kind, data.member, data.room end
  d.history.args = d.history.args or function(room, n) return merged({ n = n }, d.join.args(room)) end
  d.history.ok = d.history.ok or answer_ok
  d.history.read = d.history.read or function(reply) return reply.history end
  return d
end

local function room_id(room) return { room_id = room } end

local specs = {
  linnet = {
    join = { emit = "join", members = function(reply) return reply.members end },
    leave = { emit = "leave" },
    message = { event = "message", emit = "message", echo = false },
    typing = { event = "typing", emit = "typing" },
    read = { event = "read", emit = "read" },
    presence = { event = "presence", emit = "presence" },
    history = { emit = "history" },
  },
  rooms = {
    join = { emit = "join_room", args = room_id },
    leave = { emit = "leave_room", args = room_id },
    message = {
      event = "message", emit = "send_message",
      write = function(m) return merged({ room_id = m.room, message = m.text }, m) end,
    },
    typing = {
      event = "user_typing", emit = "typing",
      args = function(room, on) return { room_id = room, is_typing = on } end,
    },
    read = {
      event = "messages_read", emit = "read",
      args = function(ids, room) return { room_id = room, message_ids = ids } end,
    },
  },
}
local later = { pusher = true, laravel = true }

local M = {}

-- linnet.dialect(name, spec)
function M.define(name, spec)
  if type(name) ~= "string" or name == "" then
    c.fail("linnet.dialect: the name must be a string, not " .. type(name))
  end
  c.part("dialect_check.lua")(spec)
  specs[name] = spec
end

-- A name, a table, or nil for the default.
function M.find(which)
  if type(which) == "table" then
    c.part("dialect_check.lua")(which)
    return complete(which)
  end
  which = which or "linnet"
  if specs[which] then return complete(specs[which]) end
  if later[which] then c.fail(("the dialect '%s' comes in a later version"):format(which)) end
  local names = {}
  for name in pairs(specs) do names[#names + 1] = name end
  local near = c.nearest(tostring(which), names)
  c.fail(("unknown dialect '%s'%s"):format(tostring(which),
    near and (" (did you mean '%s'?)"):format(near) or ""))
end

return M
