-- phoenix.lua: Phoenix Channels (serializer 2.0.0), written wholly in Lua on a raw WebSocket.
--   local phoenix = linnet.use("phoenix")
--   local socket = phoenix.connect("wss://example.com/socket", { params = { token = "…" } })
--   local room = socket:channel("room:lobby", { nick = "wren" })
--   room:on("shout", function(payload) print(payload.body) end)
--   assert(room:join())
--   local reply, err = room:push("shout", { body = "hello" })
--   room.presence:on("join", function(id) print(id, "came") end)
-- The host reconnects and sends heartbeats; channels that were joined are joined again here.
local linnet = require "linnet"
local null = linnet.null

local JOIN, REPLY, LEAVE, CLOSE, ERROR = "phx_join", "phx_reply", "phx_leave", "phx_close", "phx_error"
local REJOIN = { 1, 2, 5 } -- seconds before each next attempt; then 10, as Phoenix' own client does
local TIMEOUT = "10s"

-- References never come again, not even after a reload on the same line.
local mine, last_ref = linnet.uuid():sub(1, 8), 0
local function next_ref()
  last_ref = last_ref + 1
  return ("%s-%d"):format(mine, last_ref)
end

local function failure(code, message, detail)
  local err = { code = code, message = message, detail = detail }
  return setmetatable(err, { __tostring = function(e) return e.message end })
end

-- What is wrong in the script that uses this is said with its line.
local function need(value, kind, what)
  if type(value) ~= kind then error(("phoenix: %s must be a %s, not %s"):format(what, kind, type(value)), 3) end
end

-- Handlers by name, each called in a coroutine of its own: it may wait, and fail alone.
local function add(self, name, fn)
  self[name] = self[name] or {}
  table.insert(self[name], fn)
  return { cancel = function()
    for i, f in ipairs(self[name]) do if f == fn then return table.remove(self[name], i) ~= nil end end
    return false
  end }
end

local function call(self, name, ...)
  for _, fn in ipairs { table.unpack(self[name] or {}) } do linnet.spawn(fn, ...) end
end

-- --- presence: who is there, as key -> { metas = { { phx_ref = …, … }, … } } ---

local Presence = {}
Presence.__index = Presence

local function new_presence()
  return setmetatable({ people = {}, waiting = nil, handlers = {} }, Presence)
end

-- Those of `metas` whose phx_ref is not among `others`.
local function without(metas, others)
  local known, out = {}, {}
  for _, m in ipairs(others) do known[m.phx_ref] = true end
  for _, m in ipairs(metas) do if not known[m.phx_ref] then out[#out + 1] = m end end
  return out
end

function Presence:diff(diff)
  for id, came in pairs(diff.joins) do
    local now = self.people[id]
    local metas = now and without(now.metas, came.metas) or {}
    table.move(came.metas, 1, #came.metas, #metas + 1, metas)
    self.people[id] = { metas = metas }
    call(self.handlers, "join", id, self.people[id], came)
  end
  for id, gone in pairs(diff.leaves) do
    local now = self.people[id]
    if now then
      now.metas = without(now.metas, gone.metas)
      if #now.metas == 0 then self.people[id] = nil end
      call(self.handlers, "leave", id, now, gone)
    end
  end
end

-- The whole state came: only what differs from what was known is told.
function Presence:state(new)
  local joins, leaves = {}, {}
  for id, now in pairs(self.people) do
    local left = without(now.metas, new[id] and new[id].metas or {})
    if #left > 0 then leaves[id] = { metas = left } end
  end
  for id, now in pairs(new) do
    local came = without(now.metas, self.people[id] and self.people[id].metas or {})
    if #came > 0 then joins[id] = { metas = came } end
  end
  self:diff { joins = joins, leaves = leaves }
  for _, later in ipairs(self.waiting or {}) do self:diff(later) end
  self.waiting = nil
end

function Presence:receive(event, payload)
  if event == "presence_state" then
    self:state(payload)
  elseif self.waiting then
    self.waiting[#self.waiting + 1] = payload -- until the state of this join is there
    return
  else
    self:diff(payload)
  end
  call(self.handlers, "sync")
end

-- presence:list() -> { {id, metas}, … } in the order of the ids
function Presence:list()
  local out = {}
  for id, now in pairs(self.people) do out[#out + 1] = { id = id, metas = now.metas } end
  table.sort(out, function(a, b) return a.id < b.id end)
  return out
end

-- presence:on("join" | "leave", fn(id, now, changed))   presence:on("sync", fn())
function Presence:on(kind, fn)
  need(kind, "string", "the kind")
  need(fn, "function", "the handler")
  return add(self.handlers, kind, fn)
end

-- --- channels ---

local Channel = {}
Channel.__index = Channel
Channel.__tostring = function(channel) return ("Phoenix channel %s (%s)"):format(channel.topic, channel.state) end

function Channel:send(event, payload, ref)
  return self.socket.conn:send { self.join_ref or null, ref or null, self.topic, event, payload or {} }
end

-- One attempt to join; the answer comes to `receive`.
function Channel:try()
  local ref = next_ref()
  self.join_ref, self.state, self.presence.waiting = ref, "joining", {}
  local payload = self.payload
  if type(payload) == "function" then payload = payload() end
  if self.join_ref ~= ref then return end -- it waited, and something else happened
  self:send(JOIN, payload, ref)
  linnet.after(self.timeout, function()
    if self.join_ref == ref and self.state == "joining" then self:lost() end
  end)
end

-- Not joined any more (or not yet), but wanted: later again.
function Channel:lost()
  self.state, self.tries = "errored", self.tries + 1
  local ref = self.join_ref
  linnet.after(REJOIN[self.tries] or 10, function()
    if self.join_ref == ref and self.state == "errored" and self.socket.conn.connected then self:try() end
  end)
end

function Channel:answered(payload)
  self.reply = payload
  if payload.status == "ok" then
    self.state, self.tries = "joined", 0
  elseif self.was_joined then -- a server that is not ready yet, or a right that was lost
    linnet.log.warn("cannot join again", { topic = self.topic, reply = linnet.inspect(payload.response) })
    self:lost()
  else
    self.state, self.join_ref = "closed", nil
  end
  self.was_joined = self.was_joined or self.state == "joined"
end

function Channel:receive(join_ref, ref, event, payload)
  if join_ref ~= null and join_ref ~= self.join_ref then return end -- of an earlier join
  if event == REPLY then
    if ref == self.join_ref and self.state == "joining" then self:answered(payload) end
    return
  elseif event == CLOSE then
    self.state, self.join_ref, self.was_joined = "closed", nil, false
  elseif event == ERROR and self.state ~= "leaving" then
    self:lost()
  elseif event == "presence_state" or event == "presence_diff" then
    self.presence:receive(event, payload)
  end
  call(self.handlers, event, payload)
end

local function outcome(self, reply)
  if reply.status == "ok" then return reply.response end
  return nil, failure("refused", ("%s: the server answered '%s'"):format(self.topic, reply.status), reply.response)
end

-- Waits for the reply to `ref`.
local function await(self, ref, timeout)
  local frame, err = self.socket.conn:wait_for("message", {
    timeout = timeout or self.timeout,
    where = function(f) return f[2] == ref and f[4] == REPLY and f[3] == self.topic end,
  })
  if not frame then return nil, err end
  return outcome(self, frame[5])
end

-- channel:join(timeout?) ⏸ -> reply | nil, err
-- A refusal ends it; after anything else (no connection, no answer) it goes on trying.
function Channel:join(timeout)
  if self.state == "closed" then self.state, self.tries = "errored", 0 end -- wanted, from now on
  local up, err = self.socket.conn:ready(timeout or self.timeout)
  if not up then return nil, err end
  if self.state == "errored" then self:try() end
  if self.state == "joining" then return await(self, self.join_ref, timeout) end
  if not self.reply then return nil, failure("cancelled", self.topic .. " was left") end
  return outcome(self, self.reply)
end

-- channel:push(event, payload?, { timeout }?) ⏸ -> reply | nil, err
function Channel:push(event, payload, opts)
  local timeout = opts and opts.timeout or self.timeout
  if self.state ~= "joined" then
    if self.state == "closed" then return nil, failure("disconnected", self.topic .. " is not joined") end
    local came, err = self.socket.conn:wait_for("message", {
      timeout = timeout, where = function() return self.state == "joined" end })
    if not came then return nil, err end
  end
  local ref = next_ref()
  local sent, err = self:send(event, payload, ref)
  if not sent then return nil, err end
  return await(self, ref, timeout)
end

-- channel:leave() ⏸ -> true | nil, err
function Channel:leave()
  if self.state == "closed" then return true end
  local ref, was_joined = next_ref(), self.state == "joined"
  self.state = "leaving"
  if was_joined then
    self:send(LEAVE, {}, ref)
    local reply, err = await(self, ref)
    if not reply then return nil, err end
  end
  self.state, self.join_ref, self.was_joined = "closed", nil, false
  return true
end

-- channel:on(event, fn(payload)) -> { cancel }
function Channel:on(event, fn)
  need(event, "string", "the event")
  need(fn, "function", "the handler")
  return add(self.handlers, event, fn)
end

-- --- sockets ---

local Socket = {}
Socket.__index = Socket
Socket.__tostring = function(socket) return "Phoenix socket " .. socket.conn.url end

-- socket:channel(topic, payload?) -> Channel      payload: a table, or a function that is asked at each join
function Socket:channel(topic, payload)
  need(topic, "string", "the topic")
  local channel = self.channels[topic]
  if not channel then
    channel = setmetatable({
      socket = self, topic = topic, state = "closed", tries = 0, timeout = self.timeout,
      presence = new_presence(), handlers = {},
    }, Channel)
    self.channels[topic] = channel
  end
  channel.payload = payload or channel.payload
  return channel
end

local function receive(socket, frame)
  if type(frame) ~= "table" or type(frame[3]) ~= "string" or type(frame[5]) ~= "table" then
    return linnet.log.warn("phoenix: not a frame of serializer 2.0.0 as JSON; binary ones are not understood")
  end
  local channel = socket.channels[frame[3]]
  if not channel or channel.state == "closed" then return end
  channel:receive(frame[1], frame[2], frame[4], frame[5])
end

-- connect(url, { params, headers, heartbeat, timeout, connection }?) -> Socket
--   params: a table of strings, or a function that gives one; connection: more options of linnet.connect
local known = { params = true, headers = true, heartbeat = true, timeout = true, connection = true }
local function connect(url, opts)
  opts = opts or {}
  need(url, "string", "the URL")
  need(opts, "table", "the options")
  for key in pairs(opts) do
    if not known[key] then
      error(("phoenix: unknown option '%s': there are params, headers, heartbeat, timeout, and connection, "
        .. "which holds those of linnet.connect"):format(key), 2)
    end
  end
  local options = { protocol = "ws", headers = opts.headers, heartbeat = {
    every = opts.heartbeat or "30s", message = { null, "heartbeat", "phoenix", "heartbeat", {} } } }
  for key, value in pairs(opts.connection or {}) do options[key] = value end
  local params = opts.params or {}
  local function query(...)
    local out = { vsn = "2.0.0" }
    for key, value in pairs(type(params) == "function" and params(...) or params) do out[key] = value end
    return out
  end
  options.query = type(params) == "function" and query or query()
  if url:find("?", 1, true) then error("phoenix: what the URL has behind ? belongs into params", 2) end
  if not url:find("/websocket$") then url = url .. "/websocket" end
  local socket = setmetatable(
    { conn = linnet.connect(url, options), channels = {}, timeout = opts.timeout or TIMEOUT }, Socket)
  socket.conn:on("message", function(frame) receive(socket, frame) end)
  socket.conn:on("connect", function()
    for _, channel in pairs(socket.channels) do
      channel.tries = 0
      if channel.state == "errored" then linnet.spawn(channel.try, channel) end
    end
  end)
  socket.conn:on("disconnect", function()
    for _, channel in pairs(socket.channels) do
      if channel.state == "leaving" then channel.state = "closed" end
      if channel.state ~= "closed" then channel.state = "errored" end
    end
  end)
  return socket
end

return { name = "phoenix", version = "1.0.0", library = true, exports = { connect = connect } }
