-- SPDX-License-Identifier: MIT
--
-- Rooms: the pleasant half of conn:join. One state per connection; a Room is a table whose unknown
-- members raise. The host joins again by itself after a reconnect (c.want); what the server answers
-- then comes to `rejoined`. Loaded when a script first asks for a room, presence or a dialect.
--
-- c: the C functions of bindings/lua_room.c.

local c = ...
local linnet = require "linnet"
local dialects = c.part("dialect.lua")

local OWN_MAX = 1000 -- messages of ours that an echo or a read mark can still belong to

-- --- types ---

local function unknown(kind, key, names)
  local near = c.nearest(tostring(key), names)
  c.fail(("no method or field '%s' on %s%s"):format(tostring(key), kind,
    near and (" (did you mean '%s'?)"):format(near) or ""))
end

-- A metatable whose objects have these methods, computed fields and optional fields, no others.
local function class(kind, methods, computed, optional)
  local known = {}
  for _, name in ipairs(optional) do known[name] = true end
  local function fail(key)
    local names = table.move(optional, 1, #optional, 1, {})
    for name in pairs(methods) do names[#names + 1] = name end
    for name in pairs(computed) do names[#names + 1] = name end
    unknown(kind, key, names)
  end
  return {
    __name = kind,
    __metatable = false,
    __index = function(self, key)
      local method = methods[key]
      if method then return method end
      local field = computed[key]
      if field then return field(self) end
      if not known[key] then fail(key) end
    end,
  }
end
-- --- state by connection ---

local states = {}

local function state_of(conn, fn)
  local id, plain = c.id(conn, fn)
  local st = states[id]
  if st then return st end
  st = {
    conn = plain, dialect = dialects.find(c.dialect(conn)), rooms = {}, own = {}, own_order = {},
    by_id = {}, bus = c.bus(),
  }
  states[id] = st
  return st
end

-- The time that an option gives, or nil.
local function seconds(value, fn, name)
  if value ~= nil then return c.seconds(value, fn, name) end
end

local function check_options(opts, names, fn)
  if opts == nil then return {} end
  if type(opts) ~= "table" then c.fail(fn .. ": the options must be a table, not " .. type(opts)) end
  for key in pairs(opts) do
    local found = false
    for _, name in ipairs(names) do found = found or name == key end
    if not found then
      local near = c.nearest(tostring(key), names)
      c.fail(("%s: unknown option '%s'%s"):format(fn, tostring(key),
        near and (" (did you mean '%s'?)"):format(near)
          or (" (there are: %s)"):format(table.concat(names, " "))))
    end
  end
  return opts
end

local codes = {
  timeout = true, disconnected = true, unauthorized = true, forbidden = true, refused = true,
  not_found = true, invalid = true, full = true, denied = true, protocol = true,
}

-- What a server says when it refuses, as nil, err.
local function refused(why, what)
  local text = type(why) == "table" and why.message or why
  local code = type(why) == "table" and codes[why.code] and why.code or "refused"
  local none, err = c.err(code, type(text) == "string" and text or what .. " was refused")
  if type(why) == "table" then err.detail = why end
  return none, err
end

-- One request of the dialect: the reply, or nil, err.
local function ask(st, part, args, timeout, what)
  local conn = timeout and st.conn:timeout(timeout) or st.conn
  if part.ack == false then return conn:emit(part.emit, args) end
  local reply, err = conn:emit_with_ack(part.emit, args)
  if reply == nil then return nil, err end
  if reply == true then return true end -- acknowledged without a word
  local ok, why = part.ok(reply)
  if not ok then return refused(why, what) end
  return reply
end

-- --- messages ---

local message_fields = {
  "id", "temp_id", "text", "type", "sender", "room", "time", "priority", "reply_to", "mentions",
  "attachments", "status", "data", "conn",
}
local Message = class("Message", {}, {}, message_fields)

local function message_of(st, data)
  local m = st.dialect.message.read(data)
  m.type = m.type or "text"
  m.priority = m.priority or "normal"
  m.data = data
  m.conn = st.conn
  m.sender = m.sender or {}
  return setmetatable(m, Message)
end

-- --- what was sent ---

local rank = { failed = 0, sending = 1, sent = 2, delivered = 3, read = 4 }
local sent_methods = {}
local Sent = class("Sent", sent_methods, {}, { "id", "temp_id", "status", "time", "room", "err" })

local function sent_status(sent, status)
  if rank[status] ~= 0 and rank[status] <= rank[sent.status] then return end
  sent.status = status
  sent.bus:emit("status", status)
end

function sent_methods.on(sent, fn)
  return sent.bus:on("status", fn, nil, "sent:on")
end

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
  if d.message.event then
    st.conn:on(d.message.event, function(data)
      local m = d.message.read(data)
      local sent = m.temp_id and st.own[m.temp_id]
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
      for _, id in ipairs(d.read.ids(data) or {}) do
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

-- --- rooms ---

local room_methods = {}
local Room -- the metatable

local function room_of(st, name)
  local room = st.rooms[name]
  if not room then
    room = setmetatable({ conn = st.conn, name = name, st = st, joined = false }, Room)
    st.rooms[name] = room
  end
  return room
end

local function joined_rooms(st)
  local all = {}
  for name, room in pairs(st.rooms) do
    if room.joined then all[name] = room end
  end
  return all
end

-- Tells conn:watch("room") and ("rooms").
local function rooms_changed(st, change)
  local before_room, before = st.current, joined_rooms(st)
  change()
  st.bus:emit("rooms", joined_rooms(st), before)
  if st.current ~= before_room then st.bus:emit("room", st.current, before_room) end
end

local function info_of(reply)
  local info = {}
  if type(reply) ~= "table" then return info end
  for k, v in pairs(reply) do
    if k ~= "ok" and k ~= "members" and k ~= "history" and k ~= "room" then info[k] = v end
  end
  return info
end

local function presence_of(st)
  if not st.presence then st.presence = c.part("presence.lua")(st, { ask = ask, class = class }) end
  return st.presence
end

local function members_of(st, reply)
  local read = st.dialect.join.members
  return read and type(reply) == "table" and read(reply) or nil
end

-- The room is ours: the host keeps it from now on.
local function take(st, room, reply)
  local d = st.dialect
  c.want(st.conn, room.name, d.join.emit, d.join.emit and d.join.args(room.name), d.leave.emit,
    d.leave.emit and d.leave.args(room.name))
  rooms_changed(st, function()
    room.joined = true
    st.current = room
    if reply ~= nil then room.info = info_of(reply) end
  end)
  if d.presence.event then presence_of(st).joined(room, members_of(st, reply)) end
  return room
end

-- Asks until the server answers; a line that is down is waited for, as long as nobody set a time.
local function ask_join(st, name, timeout)
  local d = st.dialect
  while true do
    if not c.is_now(st.conn) then
      local up, err = st.conn:ready(timeout or "3650d")
      if not up then return nil, err end
    end
    local reply, err = ask(st, d.join, d.join.args(name), timeout, "joining " .. name)
    if reply ~= nil then return reply end
    if timeout or err.code ~= "disconnected" then return nil, err end
  end
end

-- conn:join(room, {timeout}?) ⏸ -> Room | nil, err
local function join(conn, name, opts)
  local fn = "conn:join"
  local st = state_of(conn, fn)
  if type(name) ~= "string" or name == "" then
    c.fail(("%s: the room must be a string, not %s"):format(fn, type(name)))
  end
  local timeout = seconds(check_options(opts, { "timeout" }, fn).timeout, fn, "option 'timeout'")
  local room = room_of(st, name)
  if room.joined then return room end
  if c.wanted(conn, name) or not st.dialect.join.emit then return take(st, room) end
  c.hold()
  local reply, err = ask_join(st, name, timeout)
  if reply == nil then return nil, err end
  return take(st, room, reply)
end

-- conn:leave(room) ⏸ -> true | nil, err
local function leave(conn, name)
  local st = state_of(conn, "conn:leave")
  local room = st.rooms[name]
  if not room or not room.joined then
    return c.err("not_found", ("the room '%s' is not joined"):format(tostring(name)))
  end
  c.hold()
  local is_last = c.drop(conn, name)
  rooms_changed(st, function()
    room.joined = false
    if st.current == room then st.current = nil end
  end)
  if st.presence then st.presence.left(room) end
  local part = st.dialect.leave
  if not is_last or not part.emit or not conn.connected then return true end
  local reply, err = ask(st, part, part.args(name), nil, "leaving " .. name)
  if reply == nil then return nil, err end
  return true
end

-- What a listener of this room needs beside its own options.
local function in_room(room, event, opts, fn)
  local st, d, name = room.st, room.st.dialect, room.name
  local own = {}
  for k, v in pairs(opts or {}) do own[k] = v end
  if own.room ~= nil then c.fail(fn .. ": the room is given already") end
  local where, is_message = own.where, event ~= nil and event == d.message.event
  if not d.room and not (is_message and d.custom) then own.room = name end
  if where == nil and not is_message and not d.room then return own end
  if where ~= nil and type(where) ~= "function" then
    c.fail(fn .. ": option 'where' must be a function, not " .. type(where))
  end
  own.where = function(data, ...)
    if d.room then
      if d.room(event or linnet.event().name, data, ...) ~= name then return false end
    elseif is_message and d.custom and d.message.read(data).room ~= name then
      return false
    end
    if is_message then
      local m = d.message.read(data)
      if m.temp_id ~= nil and st.own[m.temp_id] then return false end
      room.last_id = m.id or room.last_id
    end
    return where == nil or where(data, ...)
  end
  return own
end

local function keep(room, event, fn, handle)
  local kept = {}
  for _, k in ipairs(room.handles or {}) do
    if k.handle.active then kept[#kept + 1] = k end
  end
  kept[#kept + 1] = { event = event, fn = fn, handle = handle }
  room.handles = kept
  return handle
end

local function check_opts(opts, fn)
  if opts ~= nil and type(opts) ~= "table" then
    c.fail(fn .. ": the options must be a table, not " .. type(opts))
  end
end

-- room:on(event, fn, opts?) -> Handle
function room_methods.on(room, event, fn, opts)
  check_opts(opts, "room:on")
  return keep(room, event, fn, room.conn:on(event, fn, in_room(room, event, opts, "room:on")))
end

-- room:once(event, fn, opts?) -> Handle
function room_methods.once(room, event, fn, opts)
  check_opts(opts, "room:once")
  local own = in_room(room, event, opts, "room:once")
  return keep(room, event, fn, room.conn:once(event, fn, own))
end

-- room:on_any(fn, opts?) -> Handle
function room_methods.on_any(room, fn, opts)
  check_opts(opts, "room:on_any")
  return keep(room, nil, fn, room.conn:on_any(fn, in_room(room, nil, opts, "room:on_any")))
end

-- room:off(event?, fn?) -> integer
function room_methods.off(room, event, fn)
  local n = 0
  for _, k in ipairs(room.handles or {}) do
    local is_it = (event == nil or k.event == event) and (fn == nil or k.fn == fn)
    if is_it and k.handle:cancel() then n = n + 1 end
  end
  return n
end

-- room:wait_for(event, {timeout, where}?) ⏸ -> ... | nil, err
function room_methods.wait_for(room, event, opts)
  check_opts(opts, "room:wait_for")
  return room.conn:wait_for(event, in_room(room, event, opts, "room:wait_for"))
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

local function outgoing(room, what, opts, fn)
  local m = {}
  if type(what) == "table" then
    for k, v in pairs(what) do m[k] = v end
  elseif type(what) == "string" then
    m.text = what
  else
    c.fail(("%s: the message must be a string or a table, not %s"):format(fn, type(what)))
  end
  for k, v in pairs(opts or {}) do
    if k ~= "timeout" then m[k] = v end
  end
  m.room = room.name
  m.temp_id = m.temp_id or linnet.uuid()
  return m
end

-- room:send(text | {text, type, …}, {timeout, …}?) ⏸ -> Sent | nil, err
function room_methods.send(room, what, opts)
  local fn, st = "room:send", room.st
  check_opts(opts, fn)
  local timeout = seconds(opts and opts.timeout, fn, "option 'timeout'")
  local m = outgoing(room, what, opts, fn)
  local part = st.dialect.message
  if not part.emit then return c.err("invalid", "this dialect cannot send messages") end
  c.hold()
  local sent = setmetatable({
    temp_id = m.temp_id, room = room.name, status = "sending", bus = c.bus(),
  }, Sent)
  listen_for_marks(st)
  remember(st, sent)
  local reply, err = ask(st, part, part.write(m), timeout, "the message")
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
  local reply, err = ask(st, part, part.args(room.name, n), nil, "the history")
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
  opts = check_options(opts, { "timeout", "from", "check" }, fn)
  local timeout = seconds(opts.timeout, fn, "option 'timeout'") or 300
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

-- room:leave() ⏸ -> true | nil, err
function room_methods.leave(room)
  return leave(room.conn, room.name)
end

Room = class("Room", room_methods, {
  presence = function(room)
    return presence_of(room.st).of_room(room)
  end,
}, { "info", "last_id", "handles" })
Room.__tostring = function(room) return "Room " .. room.name end

-- --- after a reconnect ---

c.rejoined(function(conn, name, err, reply)
  local st = states[c.id(conn)]
  local room = st and st.rooms[name]
  if not room or not room.joined or err then return end
  if reply ~= nil then room.info = info_of(reply) end
  if st.presence then st.presence.joined(room, members_of(st, reply)) end
end)

-- --- what bindings/lua_conn.c hands out ---

local M = { join = join, leave = leave }

function M.room(conn, name)
  local st = state_of(conn, "conn:room")
  if name == nil then return st.current end
  if type(name) ~= "string" then c.fail("conn:room: the room must be a string, not " .. type(name)) end
  return room_of(st, name)
end

function M.rooms(conn)
  return joined_rooms(state_of(conn, "conn:rooms"))
end

function M.presence(conn)
  return presence_of(state_of(conn, "conn.presence")).all
end

function M.watch(conn, field, fn)
  return state_of(conn, "conn:watch").bus:on(field, fn, nil, "conn:watch")
end

M.dialect = dialects.define

return M
