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

-- What a server says when it refuses, as nil, err.
local function refused(why, what)
  local text = type(why) == "table" and why.message or why
  local code = type(why) == "table" and type(why.code) == "string" and why.code or "refused"
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

-- --- rooms ---

local room_methods = {}
local Room -- the metatable
local lazy = { -- methods by the file that has them
  send = "send.lua", wait_for = "talk.lua", emit = "talk.lua", emit_with_ack = "talk.lua",
  typing = "talk.lua", mark_read = "talk.lua", history = "talk.lua", ask = "talk.lua",
}

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

-- Who is in the room, as the server said at the join: good until anything else came on this line.
local function keep_members(st, room, reply)
  local read = st.dialect.join.members
  room.members = read and type(reply) == "table" and read(reply) or nil
  room.seen = c.received(st.conn)
  if st.presence then st.presence.joined(room, room.members) end
end

-- Made at the first look; what is not known for sure is asked for, which may wait.
local function presence_of(st)
  if st.presence then return st.presence end
  local d = st.dialect
  st.presence = c.part("presence.lua")(st)
  for _, room in pairs(joined_rooms(st)) do
    local function sync()
      local reply = ask(st, d.join, d.join.args(room.name), nil, "presence")
      if reply and room.joined then keep_members(st, room, reply) end
    end
    if room.members and room.seen == c.received(st.conn) then
      st.presence.joined(room, room.members)
    elseif d.join.members and st.conn.connected then
      if c.can_wait() then sync() else linnet.spawn(sync) end
    end
  end
  return st.presence
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
  keep_members(st, room, reply)
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
  local timeout = seconds(c.options(opts, { "timeout" }, fn).timeout, fn, "option 'timeout'")
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
  for k, v in pairs(c.options(opts, nil, fn)) do own[k] = v end
  if own.room ~= nil then c.fail(fn .. ": the room is given already") end
  local where, is_message = own.where, event ~= nil and event == d.message.event
  if not d.room and not (is_message and d.custom) then own.room = name end
  if where == nil and not is_message and not d.room then return own end
  if where ~= nil and type(where) ~= "function" then
    c.fail(fn .. ": option 'where' must be a function, not " .. type(where))
  end
  own.where = function(data, ...)
    if d.room and d.room(event or linnet.event().name, data, ...) ~= name then return false end
    if is_message then
      local m = data
      if d.custom then
        m = d.message.read(data)
        if not d.room and m.room ~= name then return false end
      end
      if type(m) == "table" then
        if m.temp_id ~= nil and st.own[m.temp_id] then return false end -- our own echo
        room.last_id = m.id or room.last_id
      end
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

-- room:on(event, fn, opts?) -> Handle
function room_methods.on(room, event, fn, opts)
  return keep(room, event, fn, room.conn:on(event, fn, in_room(room, event, opts, "room:on")))
end

-- room:once(event, fn, opts?) -> Handle
function room_methods.once(room, event, fn, opts)
  local own = in_room(room, event, opts, "room:once")
  return keep(room, event, fn, room.conn:once(event, fn, own))
end

-- room:on_any(fn, opts?) -> Handle
function room_methods.on_any(room, fn, opts)
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

-- room:leave() ⏸ -> true | nil, err
function room_methods.leave(room)
  return leave(room.conn, room.name)
end

Room = c.class("Room", room_methods, {
  presence = function(room)
    return presence_of(room.st).of_room(room)
  end,
}, { "info", "last_id", "handles", "members", "seen" }, lazy)
Room.__tostring = function(room) return "Room " .. room.name end

local tools = {
  ask = ask, seconds = seconds, in_room = in_room, room_methods = room_methods,
}
setmetatable(room_methods, {
  __index = function(methods, key)
    if not lazy[key] then return nil end
    c.part(lazy[key], tools)
    return rawget(methods, key)
  end,
})

-- --- after a reconnect ---

c.rejoined(function(conn, name, err, reply)
  local st = states[c.id(conn)]
  local room = st and st.rooms[name]
  if not room or not room.joined or err then return end
  if reply ~= nil then room.info = info_of(reply) end
  keep_members(st, room, reply)
end)

-- --- what bindings/lua_conn.c hands out ---

local M = { join = join, leave = leave }

-- conn:room(name?) -> Room | nil
function M.room(conn, name)
  local st = state_of(conn, "conn:room")
  if name == nil then return st.current end
  if type(name) ~= "string" then c.fail("conn:room: the room must be a string, not " .. type(name)) end
  return room_of(st, name)
end

-- conn:rooms() -> { [name] = Room }
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
