-- SPDX-License-Identifier: MIT
--
-- Rooms: the pleasant half of conn:join. One state per connection; a Room is a table whose unknown
-- members raise. The host joins again by itself after a reconnect (c.want); what the server answers
-- then comes to `rejoined`. Loaded when a script first asks for a room, presence or a dialect.
--
-- c: the C functions of bindings/lua_room.c.

local c = ...
c.channels(c)
local linnet = require "linnet"
local dialects = c.part("dialect.lua")

local lazy_tools = {
  refused = "more.lua", leave = "more.lua", with_room = "talk.lua", presence_of = "presence.lua",
  join_own = "channel.lua", rejoined_own = "channel.lua", translated = "channel.lua",
}
local function load_lazily(from)
  return {
    __index = function(t, key)
      if not from[key] then return nil end
      c.part(from[key], c.tools)
      return rawget(t, key)
    end,
  }
end
local tools = setmetatable({}, load_lazily(lazy_tools))
c.tools = tools

-- --- state by connection ---

local states = {}

local function state_of(conn, fn)
  local id, plain = c.id(conn, fn)
  local st = states[id]
  if st then return st end
  -- native: the protocol has rooms of its own (Pusher's channels)
  local native = c.native(plain)
  st = {
    conn = plain, dialect = dialects.find(c.dialect(conn) or native and "pusher" or nil), native = native,
    rooms = {}, own = {}, own_order = {}, by_id = {}, bus = c.bus(),
  }
  if st.dialect.name and not native then
    c.fail("this dialect needs Pusher's protocol, and the connection speaks " .. plain.protocol)
  end
  states[id] = st
  return st
end

-- The time that an option gives, or nil.
local function seconds(value, fn, name)
  if value ~= nil then return c.seconds(value, fn, name) end
end

-- One request of the dialect: the reply, or nil, err.
local function ask(st, part, args, timeout, what, room)
  if st.native then return c.room_emit(st.conn, room.name, part.emit, args) end
  local conn = timeout and st.conn:timeout(timeout) or st.conn
  if part.ack == false then return conn:emit(part.emit, args) end
  local reply, err = conn:emit_with_ack(part.emit, args)
  if reply == nil then return nil, err end
  if reply == true then return true end -- acknowledged without a word
  local ok, why = part.ok(reply)
  if not ok then return tools.refused(why, what) end
  return reply
end

-- --- rooms ---

local room_methods = {}
local Room -- the metatable
local lazy = { -- by the file that has them
  send = "send.lua", wait_for = "talk.lua", emit = "talk.lua", emit_with_ack = "talk.lua",
  typing = "talk.lua", mark_read = "talk.lua", history = "ask.lua", ask = "ask.lua",
  once = "more.lua", on_any = "more.lua", off = "more.lua", leave = "more.lua",
}

local function room_of(st, name)
  if st.native then name = c.room_name(st.conn, name) end
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

local function entered(st, room, reply)
  rooms_changed(st, function()
    room.joined = true
    st.current = room
    if reply ~= nil then room.info = info_of(reply) end
  end)
  keep_members(st, room, reply)
  return room
end

-- The room is ours: the host keeps it from now on.
local function take(st, room, reply)
  local d = st.dialect
  c.want(st.conn, room.name, d.join.emit, d.join.emit and d.join.args(room.name), d.leave.emit,
    d.leave.emit and d.leave.args(room.name))
  return entered(st, room, reply)
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
    linnet.sleep(0.5)
  end
end

local function check_name(name, fn)
  if type(name) == "string" and name ~= "" then return end
  c.fail(("%s: the room must be a string with its name, not %s"):format(fn, name == "" and "empty" or type(name)))
end

-- conn:join(room, {timeout}?) ⏸ -> Room | nil, err
local function join(conn, name, opts)
  local fn = "conn:join"
  local st = state_of(conn, fn)
  check_name(name, fn)
  local timeout = seconds(c.options(opts, { "timeout" }, fn).timeout, fn, "option 'timeout'")
  local room = room_of(st, name)
  if room.joined then return room end
  if st.native then return tools.join_own(st, room, timeout) end
  if c.wanted(conn, name) or not st.dialect.join.emit then return take(st, room) end
  c.hold()
  local reply, err = ask_join(st, name, timeout)
  if reply == nil then return nil, err end
  return take(st, room, reply)
end

-- What a listener of this room needs beside its own options. read: makes of the event's arguments
-- what the handler gets (dialects that have other names for events).
local function in_room(room, event, opts, fn, read)
  local st, d, name = room.st, room.st.dialect, room.name
  local own = {}
  for k, v in pairs(c.options(opts, nil, fn)) do own[k] = v end
  if own.room ~= nil then c.fail(fn .. ": the room is given already") end
  local where, is_message = own.where, event ~= nil and event == d.message.event
  if not d.room and (st.native or not (is_message and d.custom)) then own.room = name end
  if where == nil and not is_message and not d.room then return own end
  if where ~= nil and type(where) ~= "function" then
    c.fail(fn .. ": option 'where' must be a function, not " .. type(where))
  end
  own.where = function(data, ...)
    if read then data = read(room, data, ...) end
    if d.room and d.room(event or linnet.event().name, data, ...) ~= name then return false end
    if is_message then
      local m = data
      if d.custom then
        m = d.message.read(data)
        if not d.room and not st.native and m.room ~= name then return false end
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

-- The dialect's name of the event, the handler with what the dialect makes of its arguments, and that.
local function named(room, event, fn)
  if not room.st.dialect.name then return event, fn end
  return tools.translated(room, event, fn)
end

-- room:on(event, fn, opts?) -> Handle
function room_methods.on(room, event, fn, opts)
  local wire, handler, read, kind = named(room, event, fn)
  if kind then return keep(room, event, fn, room.presence:on(kind, fn)) end
  return keep(room, event, fn, room.conn:on(wire, handler, in_room(room, wire, opts, "room:on", read)))
end

Room = c.class("Room", room_methods, {
  presence = function(room)
    return tools.presence_of(room.st).of_room(room)
  end,
}, { "info", "last_id", "handles", "members", "seen", "joining" }, lazy)
Room.__tostring = function(room) return "Room " .. room.name end

-- --- after a reconnect ---

c.rejoined(function(conn, name, err, reply)
  local st = states[c.id(conn)]
  local room = st and st.rooms[name]
  if room and st.native then return tools.rejoined_own(st, room, err, reply) end
  if not room or not room.joined or err then return end
  if reply ~= nil then room.info = info_of(reply) end
  keep_members(st, room, reply)
end)

setmetatable(room_methods, load_lazily(lazy))
tools.room_methods, tools.ask, tools.in_room, tools.keep = room_methods, ask, in_room, keep
tools.joined_rooms, tools.rooms_changed, tools.keep_members = joined_rooms, rooms_changed, keep_members
tools.seconds, tools.entered, tools.named = seconds, entered, named

-- --- what bindings/lua_conn.c hands out ---

local M = { join = join }

function M.leave(conn, name) return tools.leave(state_of(conn, "conn:leave"), name) end

-- conn:room(name?) -> Room | nil
function M.room(conn, name)
  local st = state_of(conn, "conn:room")
  if name == nil then return st.current end
  check_name(name, "conn:room")
  return room_of(st, name)
end

-- conn:rooms() -> { [name] = Room }
function M.rooms(conn) return joined_rooms(state_of(conn, "conn:rooms")) end

function M.presence(conn) return tools.presence_of(state_of(conn, "conn.presence")).all end

function M.watch(conn, field, fn)
  return state_of(conn, "conn:watch").bus:on(field, fn, nil, "conn:watch")
end

function M.dialect(name, spec) c.part("dialect_more.lua", dialects).define(name, spec) end

return M
