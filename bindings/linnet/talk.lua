-- SPDX-License-Identifier: MIT
--
-- What a room can do beside listening and sending: waiting for an event, typing, read marks, events of
-- its own. Loaded at the first use of any of these.

local c, tools = ...
local room_methods = tools.room_methods

-- room:wait_for(event, {timeout, where}?) ⏸ -> ... | nil, err
function room_methods.wait_for(room, event, opts)
  local wire, _, read, kind = tools.named(room, event)
  if kind then c.fail(("room:wait_for: '%s' is presence: room:on, or room.presence:on"):format(event)) end
  local own = tools.in_room(room, wire, opts, "room:wait_for", read)
  if not read then return room.conn:wait_for(wire, own) end
  local data, meta = room.conn:wait_for(wire, own)
  if data == nil then return nil, meta end
  return read(room, data, meta), meta
end

-- The data with what names the room: the arguments of its join.
local function with_room(room, data)
  if room.st.native then return data == nil and {} or data end
  local args = room.st.dialect.join.args(room.name)
  if data == nil then return args end
  if type(data) ~= "table" or #data > 0 then return data end
  local out = {}
  for k, v in pairs(args) do out[k] = v end
  for k, v in pairs(data) do out[k] = v end
  return out
end
tools.with_room = with_room

-- room:emit(event, data?, ...) -> true | nil, err
function room_methods.emit(room, event, data, ...)
  local st = room.st
  if st.native then
    return c.room_emit(room.conn, room.name, st.dialect.out and st.dialect.out(event) or event,
      with_room(room, data), ...)
  end
  c.event(event, "room:emit")
  return room.conn:emit(event, with_room(room, data), ...)
end

-- room:emit_with_ack(event, data?, ...) ⏸ -> reply | nil, err
function room_methods.emit_with_ack(room, event, data, ...)
  c.event(event, "room:emit_with_ack")
  return room.conn:emit_with_ack(event, with_room(room, data), ...)
end

local function send(room, part, args)
  if room.st.native then return c.room_emit(room.conn, room.name, part.emit, args) end
  return room.conn:emit(part.emit, args)
end

-- room:typing(on?) -> true | nil, err
function room_methods.typing(room, on)
  local part = room.st.dialect.typing
  if not part.emit then return c.err("invalid", "this dialect has no typing") end
  on = on ~= false
  local args = part.args and part.args(room.name, on) or with_room(room, { on = on })
  return send(room, part, args)
end

-- room:mark_read(id | ids?) -> true | nil, err
function room_methods.mark_read(room, ids)
  local part = room.st.dialect.read
  if not part.emit then return c.err("invalid", "this dialect has no read marks") end
  if ids == nil then ids = room.last_id end
  if ids == nil then return c.err("not_found", "no message of this room was seen yet") end
  if type(ids) ~= "table" then ids = { ids } end
  local args = part.args and part.args(ids, room.name) or with_room(room, { ids = ids })
  return send(room, part, args)
end
