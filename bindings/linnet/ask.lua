-- SPDX-License-Identifier: MIT
--
-- Messages as objects: the history of a room, and questions to it. Loaded at the first use of these.

local c, tools = ...
local room_methods = tools.room_methods

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

local message_fields = {
  "id", "temp_id", "text", "type", "sender", "room", "time", "priority", "reply_to", "mentions",
  "attachments", "status", "data", "conn",
}
local Message = c.class("Message", {}, {}, message_fields)

local function message_of(st, data)
  local m = (st.dialect.message.read or read_message)(data)
  m.type = m.type or "text"
  m.priority = m.priority or "normal"
  m.data = data
  m.conn = st.conn
  m.sender = m.sender or {}
  return setmetatable(m, Message)
end

local function read_history(reply) return type(reply) == "table" and reply.history end

-- room:history(n?) ⏸ -> { Message } | nil, err
function room_methods.history(room, n)
  local st, part = room.st, room.st.dialect.history
  if not part.emit then return c.err("invalid", "this dialect has no history") end
  local args = part.args and part.args(room.name, n) or tools.with_room(room, { n = n })
  local reply, err = tools.ask(st, part, args, nil, "the history", room)
  if reply == nil then return nil, err end
  local list = {}
  for i, data in ipairs((part.read or read_history)(reply) or {}) do
    list[i] = message_of(st, data)
    room.last_id = list[i].id or room.last_id
  end
  return list
end

-- room:ask(prompt, {timeout, from, check}?) ⏸ -> Message | nil, err
function room_methods.ask(room, prompt, opts)
  local fn, st, event = "room:ask", room.st, room.st.dialect.message.event
  if st.dialect.name then event = "message" end
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
