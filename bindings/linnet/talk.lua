-- SPDX-License-Identifier: MIT
--
-- What a room can do beside listening and sending: typing, read marks, history, questions, events of
-- its own. Loaded at the first use of any of these.

local c, tools = ...
local room_methods = tools.room_methods

local message_fields = {
  "id", "temp_id", "text", "type", "sender", "room", "time", "priority", "reply_to", "mentions",
  "attachments", "status", "data", "conn",
}
local Message = c.class("Message", {}, {}, message_fields)

local function message_of(st, data)
  local m = st.dialect.message.read(data)
  m.type = m.type or "text"
  m.priority = m.priority or "normal"
  m.data = data
  m.conn = st.conn
  m.sender = m.sender or {}
  return setmetatable(m, Message)
end

-- room:wait_for(event, {timeout, where}?) ⏸ -> ... | nil, err
function room_methods.wait_for(room, event, opts)
  return room.conn:wait_for(event, tools.in_room(room, event, opts, "room:wait_for"))
end

local function with_room(room, data)
  local args = room.st.dialect.join.args(room.name)
  if data == nil then return args end
  if type(data) ~= "table" or #data > 0 then return data end
  local out = {}
  for k, v in pairs(args) do out[k] = v end
  for k, v in pairs(data) do out[k] = v end
  return out
end

-- room:emit(event, data?, ...) -> true | nil, err
function room_methods.emit(room, event, data, ...)
  return room.conn:emit(event, with_room(room, data), ...)
end

-- room:emit_with_ack(event, data?, ...) ⏸ -> reply | nil, err
function room_methods.emit_with_ack(room, event, data, ...)
  return room.conn:emit_with_ack(event, with_room(room, data), ...)
end

-- room:typing(on?) -> true | nil, err
function room_methods.typing(room, on)
  local part = room.st.dialect.typing
  if not part.emit then return c.err("invalid", "this dialect has no typing") end
  return room.conn:emit(part.emit, part.args(room.name, on ~= false))
end

-- room:mark_read(id | ids?) -> true | nil, err
function room_methods.mark_read(room, ids)
  local part = room.st.dialect.read
  if not part.emit then return c.err("invalid", "this dialect has no read marks") end
  if ids == nil then ids = room.last_id end
  if ids == nil then return c.err("not_found", "no message of this room was seen yet") end
  if type(ids) ~= "table" then ids = { ids } end
  return room.conn:emit(part.emit, part.args(ids, room.name))
end

-- room:history(n?) ⏸ -> { Message } | nil, err
function room_methods.history(room, n)
  local st, part = room.st, room.st.dialect.history
  if not part.emit then return c.err("invalid", "this dialect has no history") end
  local reply, err = tools.ask(st, part, part.args(room.name, n), nil, "the history")
  if reply == nil then return nil, err end
  local list = {}
  for i, data in ipairs(part.read(reply) or {}) do
    list[i] = message_of(st, data)
    room.last_id = list[i].id or room.last_id
  end
  return list
end

-- room:ask(prompt, {timeout, from, check}?) ⏸ -> Message | nil, err
function room_methods.ask(room, prompt, opts)
  local fn, st, event = "room:ask", room.st, room.st.dialect.message.event
  opts = c.options(opts, { "timeout", "from", "check" }, fn)
  local timeout = tools.seconds(opts.timeout, fn, "option 'timeout'") or 300
  if not event then return c.err("invalid", "this dialect has no messages") end
  local function fits(data)
    local m = message_of(st, data)
    if opts.from ~= nil and opts.from ~= "anyone" and m.sender.id ~= opts.from then return false end
    return opts.check == nil or opts.check(m)
  end
  -- Who answers before the server has acknowledged the question is heard as well.
  local early
  local handle <close> = room:once(event, function(data) early = data end, { where = fits })
  local sent, err = room:send(prompt)
  if not sent then return nil, err end
  if early == nil then
    handle:cancel()
    early, err = room:wait_for(event, { timeout = timeout, where = fits })
    if early == nil then return nil, err end
  end
  return message_of(st, early)
end
