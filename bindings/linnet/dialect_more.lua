-- SPDX-License-Identifier: MIT
--
-- Dialects beside the hub's: `rooms`, and those that scripts bring, which are checked here, so that a
-- misspelt field is an error with the nearest name.

local c, dialects = ...

-- The fields that a part of a dialect may have.
local parts = {
  join = { "emit", "args", "ok", "members", "ack" },
  leave = { "emit", "args", "ok", "ack" },
  message = { "event", "read", "emit", "write", "ok", "ack", "echo" },
  typing = { "event", "emit", "args" },
  read = { "event", "emit", "args", "ids" },
  presence = { "event", "read", "emit", "args" },
  history = { "emit", "args", "read", "ok" },
}
local part_names = { "join", "leave", "message", "typing", "read", "presence", "history", "room" }
local strings = { emit = true, event = true }

local function unknown(where, what, name, names)
  local near = c.nearest(tostring(name), names)
  c.fail(("linnet.dialect: unknown %s '%s%s'%s"):format(what, where, tostring(name),
    near and (" (did you mean '%s%s'?)"):format(where, near)
      or (" (there are: %s)"):format(table.concat(names, " "))))
end

local function has(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

local function check_part(name, part)
  if type(part) ~= "table" then
    c.fail(("linnet.dialect: '%s' must be a table, not %s"):format(name, type(part)))
  end
  for key, value in pairs(part) do
    if not has(parts[name], key) then unknown(name .. ".", "field", key, parts[name]) end
    local want = strings[key] and "string" or (key == "ack" or key == "echo") and "boolean" or "function"
    if type(value) ~= want then
      c.fail(("linnet.dialect: '%s.%s' must be a %s, not %s"):format(name, key, want, type(value)))
    end
  end
end

local function check(spec)
  if type(spec) ~= "table" then
    c.fail("linnet.dialect: the dialect must be a table, not " .. type(spec))
  end
  for name, part in pairs(spec) do
    if name == "room" then
      if type(part) ~= "function" then
        c.fail("linnet.dialect: 'room' must be a function, not " .. type(part))
      end
    elseif not parts[name] then
      unknown("", "field", name, part_names)
    else
      check_part(name, part)
    end
  end
end

local function room_id(room) return { room_id = room } end

local specs = {
  rooms = {
    join = { emit = "join_room", args = room_id },
    leave = { emit = "leave_room", args = room_id },
    message = {
      event = "message", emit = "send_message",
      write = function(m) return dialects.merged({ room_id = m.room, message = m.text }, m) end,
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
local M = {}

-- linnet.dialect(name, spec)
function M.define(name, spec)
  if type(name) ~= "string" or name == "" then
    c.fail("linnet.dialect: the name must be a string, not " .. type(name))
  end
  check(spec)
  specs[name] = spec
end

function M.find(which)
  if type(which) == "table" then
    check(which)
    return dialects.complete(which)
  end
  if specs[which] then return dialects.complete(specs[which]) end
  if which == "pusher" or which == "laravel" then
    return dialects.complete(c.part("dialect_pusher.lua", dialects)[which])
  end
  local names = { "linnet", "pusher", "laravel" }
  for name in pairs(specs) do names[#names + 1] = name end
  local near = c.nearest(tostring(which), names)
  c.fail(("unknown dialect '%s'%s"):format(tostring(which),
    near and (" (did you mean '%s'?)"):format(near)
      or ": there are linnet, rooms, pusher, laravel, and those given to linnet.dialect"))
end

return M
