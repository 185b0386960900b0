-- SPDX-License-Identifier: MIT
--
-- Dialects: what join, send, typing, read and presence mean on a server, as tables. Here is the one of
-- the hub, `linnet`; others are in dialect_more.lua. What a table leaves out gets the usual meaning:
-- join, leave and message here, the rest where it is used (ask, talk, send and presence.lua).

local c = ...

local M = {}

function M.merged(into, from)
  for k, v in pairs(from) do
    if into[k] == nil then into[k] = v end
  end
  return into
end

-- An answer is fine unless it says that it is not.
function M.answer_ok(reply)
  if type(reply) == "table" and reply.ok == false then return false, reply.error end
  return true
end

local function same(data) return data end

function M.complete(spec)
  local d = {
    room = spec.room, name = spec.name, out = spec.out,
    custom = spec.message ~= nil and spec.message.read ~= nil,
  }
  for _, name in ipairs { "join", "leave", "message", "typing", "read", "presence", "history" } do
    d[name] = M.merged({}, spec[name] or {})
    d[name].ok = d[name].ok or M.answer_ok
  end
  d.join.args = d.join.args or function(room) return { room = room } end
  d.leave.args = d.leave.args or d.join.args
  d.message.write = d.message.write or same
  return d
end

-- A name, a table, or nil for the default.
function M.find(which)
  if which ~= nil and which ~= "linnet" then return c.part("dialect_more.lua", M).find(which) end
  return M.complete {
    join = { emit = "join", members = function(reply) return reply.members end },
    leave = { emit = "leave" },
    message = { event = "message", emit = "message", echo = false },
    typing = { event = "typing", emit = "typing" },
    read = { event = "read", emit = "read" },
    presence = { event = "presence", emit = "presence" },
    history = { emit = "history" },
  }
end

return M
