-- SPDX-License-Identifier: MIT
--
-- room:send, and what became of a message: sent when the server has it, delivered when its echo comes,
-- read when somebody says so. Loaded when a script sends its first message.

local c, tools = ...
local linnet = require "linnet"

local OWN_MAX = 1000 -- messages of ours that an echo or a read mark can still belong to

local rank = { failed = 0, sending = 1, sent = 2, delivered = 3, read = 4 }
local sent_methods = {}
local Sent = c.class("Sent", sent_methods, {}, { "id", "temp_id", "status", "time", "room", "err" })
Sent.__tostring = function(sent) return ("Sent %s (%s)"):format(sent.id or sent.temp_id, sent.status) end

local function sent_status(sent, status)
  if rank[status] ~= 0 and rank[status] <= rank[sent.status] then return end
  sent.status = status
  sent.bus:emit("status", status)
end

-- sent:on(fn(status)) -> Handle
function sent_methods.on(sent, fn)
  return sent.bus:on("status", fn, nil, "sent:on")
end

-- sent:wait(status, timeout?) ⏸ -> true | nil, err
function sent_methods.wait(sent, status, timeout)
  if not rank[status] then
    c.fail("sent:wait: the status must be sent, delivered, read or failed, not " .. tostring(status))
  end
  local function is_there()
    return sent.status == "failed" or (status ~= "failed" and rank[sent.status] >= rank[status])
  end
  if not is_there() then
    local got, err = sent.bus:wait("status", timeout, is_there)
    if not got then return nil, err end
  end
  if sent.status == "failed" and status ~= "failed" then return nil, sent.err end
  return true
end

-- Echoes and read marks find what we sent. Listens from the first message on.
local function listen_for_marks(st)
  if st.marks then return end
  st.marks = true
  local d = st.dialect
  if d.message.event and d.message.echo ~= false then
    st.conn:on(d.message.event, function(data)
      local m = d.custom and d.message.read(data) or data
      local sent = type(m) == "table" and m.temp_id and st.own[m.temp_id]
      if not sent then return end
      if m.id ~= nil then
        sent.id = m.id
        st.by_id[m.id] = sent
      end
      sent_status(sent, "delivered")
    end)
  end
  if d.read.event then
    st.conn:on(d.read.event, function(data)
      if type(data) ~= "table" then return end
      for _, id in ipairs(d.read.ids and d.read.ids(data) or data.ids or data.message_ids or { data.id }) do
        if st.by_id[id] then sent_status(st.by_id[id], "read") end
      end
    end)
  end
end

local function remember(st, sent)
  local order = st.own_order
  st.own[sent.temp_id] = sent
  order[#order + 1] = sent
  if #order <= OWN_MAX then return end
  local old = table.remove(order, 1)
  st.own[old.temp_id] = nil
  if old.id ~= nil then st.by_id[old.id] = nil end
end

local function outgoing(room, what, opts, fn)
  local m = {}
  if type(what) == "table" then
    for k, v in pairs(what) do m[k] = v end
  elseif type(what) == "string" then
    m.text = what
  else
    c.fail(("%s: the message must be a string or a table, not %s"):format(fn, type(what)))
  end
  for k, v in pairs(opts) do
    if k ~= "timeout" then m[k] = v end
  end
  m.room = room.name
  m.temp_id = m.temp_id or linnet.uuid()
  return m
end

-- room:send(text | {text, type, …}, {timeout, …}?) ⏸ -> Sent | nil, err
function tools.room_methods.send(room, what, opts)
  local fn, st = "room:send", room.st
  opts = c.options(opts, nil, fn)
  local timeout = tools.seconds(opts.timeout, fn, "option 'timeout'")
  local m = outgoing(room, what, opts, fn)
  local part = st.dialect.message
  if not part.emit then return c.err("invalid", "this dialect cannot send messages") end
  c.hold()
  local sent = setmetatable({
    temp_id = m.temp_id, room = room.name, status = "sending", bus = c.bus(),
  }, Sent)
  listen_for_marks(st)
  remember(st, sent)
  local reply, err = tools.ask(st, part, part.write(m, room), timeout, "the message", room)
  if reply == nil then
    sent.err = err
    sent_status(sent, "failed")
    return nil, err
  end
  if type(reply) == "table" then
    sent.time = reply.time
    if sent.id == nil then sent.id = reply.id end
    if sent.id ~= nil then st.by_id[sent.id] = sent end
  end
  sent_status(sent, "sent")
  return sent
end
