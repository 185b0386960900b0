-- SPDX-License-Identifier: MIT
--
-- Presence: who is there, with set semantics: a user is there once, however many connections he has.
-- Each room has its members by id; the connection's view is all of them once. A whole list (a join, a
-- reconnect) is one `sync`, then only what differs from the list before is told: join, leave, update.
-- With the option leave_grace, who comes back within that time never left.

local c, tools = ...
local linnet = require "linnet"

local member_fields = {
  "id", "name", "status", "text", "last_seen", "connections", "info", "is_me", "reason",
}
local kinds = { "sync", "join", "leave", "update" }

local function my_id(st)
  local user = st.conn.user
  return type(user) == "table" and user.id or nil
end

local function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for k, v in pairs(a) do
    if not equal(v, b[k]) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

-- last_seen alone is no news.
local function same(a, b)
  return a.name == b.name and a.status == b.status and a.text == b.text
    and a.connections == b.connections and equal(a.info, b.info)
end

-- st: the connection's state in room.lua. Returns {all = the connection's view, of_room, joined, left}.
local function new(st)
  local Member = c.class("Member", {}, {
    is_me = function(member) return member.id ~= nil and member.id == my_id(st) end,
  }, member_fields)
  local on_presence
  local views = {} -- by room name
  local all        -- the connection's view
  local grace = c.grace(st.conn)
  local suspects = {} -- ids that were warned of

  -- Servers of Pusher's protocol write ids as strings and as numbers.
  local function key(id)
    if st.native and id ~= nil then return tostring(id) end
    return id
  end

  local function member_of(data, old)
    local member = {}
    for k, v in pairs(old or {}) do member[k] = v end
    for k, v in pairs(data) do member[k] = v end
    member.status = member.status or "online"
    return setmetatable(member, Member)
  end

  -- --- one view ---

  local methods = {}
  local Presence = c.class("Presence", methods, {}, {})
  Presence.__tostring = function(view) return "Presence of " .. (view.room or "all rooms") end

  local function new_view(room)
    return setmetatable({
      members = {}, leaving = {}, room = room or false, synced = false, bus = c.bus(),
    }, Presence)
  end

  -- presence:list(where?) -> { Member }
  function methods.list(view, where)
    local list = {}
    if where ~= nil and type(where) ~= "function" and type(where) ~= "table" then
      c.fail("presence:list: the condition must be a table or a function, not " .. type(where))
    end
    for _, member in pairs(view.members) do
      local fits = true
      if type(where) == "function" then
        fits = where(member)
      elseif where then
        for k, v in pairs(where) do fits = fits and member[k] == v end
      end
      if fits then list[#list + 1] = member end
    end
    table.sort(list, function(a, b) return tostring(a.name or a.id) < tostring(b.name or b.id) end)
    return list
  end

  -- presence:get(user_id) -> Member | nil
  function methods.get(view, id) return view.members[key(id)] end

  -- presence:me() -> Member | nil
  function methods.me(view)
    local id = my_id(st)
    return id ~= nil and view.members[id] or nil
  end

  -- presence:count() -> integer
  function methods.count(view)
    local n = 0
    for _ in pairs(view.members) do n = n + 1 end
    return n
  end

  -- presence:on(kind, fn(member, old)) -> Handle
  function methods.on(view, kind, fn)
    local known = false
    for _, k in ipairs(kinds) do known = known or k == kind end
    if not known then
      local near = c.nearest(tostring(kind), kinds)
      c.fail(("presence:on: unknown kind '%s'%s"):format(tostring(kind),
        near and (" (did you mean '%s'?)"):format(near) or " (there are: sync join leave update)"))
    end
    return view.bus:on(kind, fn, nil, "presence:on")
  end

  -- presence:watch(user_id, fn(member | nil, old | nil)) -> Handle
  function methods.watch(view, id, fn)
    if id == nil then c.fail("presence:watch: the user's id is missing") end
    return view.bus:on("user:" .. tostring(id), fn, nil, "presence:watch")
  end

  local statuses = { "online", "away", "busy", "offline" }

  -- presence:set(status, {text, expires}?) -> true | nil, err
  function methods.set(view, status, opts)
    local part = st.dialect.presence
    local known = false
    for _, s in ipairs(statuses) do known = known or s == status end
    if not known then
      c.fail("presence:set: the status must be online, away, busy or offline, not "
        .. tostring(status))
    end
    opts = c.options(opts, { "text", "expires" }, "presence:set")
    local expires = opts.expires and c.seconds(opts.expires, "presence:set", "option 'expires'")
    if not part.emit then return c.err("invalid", "this dialect has no presence") end
    local args = part.args and part.args(status, opts.text) or { status = status, text = opts.text }
    local ok, err = tools.tell_presence(st, view, part, args)
    if not ok then return nil, err end
    if st.native and my_id(st) then -- nobody tells us what we said
      on_presence("update", { id = my_id(st), status = status, text = opts.text })
    end
    if st.expiry then st.expiry:cancel() end
    st.expiry = expires and linnet.after(expires, function() view:set("online") end) or nil
    return true
  end

  -- --- changes ---

  local held -- while a list is taken over: what is told afterwards

  local function tell(view, kind, member, old)
    if held then
      held[#held + 1] = { view, kind, member or false, old }
      return
    end
    view.bus:emit(kind, kind == "leave" and old or member, old)
    view.bus:emit("user:" .. tostring((member or old).id), member, old)
  end

  -- Is this user in any room?
  local function anywhere(id)
    for _, view in pairs(views) do
      if view.members[id] then return view.members[id] end
    end
  end

  -- Two people who claim one id are one member, and neither knows why.
  local function suspect(old, member)
    if member.name == old.name or suspects[member.id] then return end
    suspects[member.id] = true
    linnet.log.warn(("two sockets claim user %s with different info: '%s' and '%s'"):format(
      tostring(member.id), tostring(old.name), tostring(member.name)))
  end

  -- is_another: a connection more than before.
  local function put(view, member, is_another)
    local old, was = view.members[member.id], all.members[member.id]
    local leaving = view.leaving[member.id]
    if leaving then
      leaving:cancel()
      view.leaving[member.id] = nil
    end
    view.members[member.id] = member
    all.members[member.id] = member
    if not old then
      tell(view, "join", member)
    elseif not same(old, member) then
      if is_another or (member.connections or 0) > (old.connections or 0) then suspect(old, member) end
      tell(view, "update", member, old)
    end
    if not was then
      tell(all, "join", member)
    elseif not same(was, member) then
      tell(all, "update", member, was)
    end
  end

  local function remove_now(view, id, reason)
    local old = view.members[id]
    if not old then return end
    view.members[id] = nil
    view.leaving[id] = nil
    if reason then old = member_of({ reason = reason }, old) end
    tell(view, "leave", nil, old)
    if not anywhere(id) then
      all.members[id] = nil
      tell(all, "leave", nil, old)
    end
  end

  local function remove(view, id, reason)
    if not grace then return remove_now(view, id, reason) end
    if not view.members[id] or view.leaving[id] then return end
    view.leaving[id] = linnet.after(grace, function() remove_now(view, id, reason) end)
  end

  local function view_of(name)
    local view = views[name]
    if not view then
      view = new_view(name)
      views[name] = view
    end
    return view
  end

  -- A whole list: `sync` once, then the differences.
  local function sync(view, list)
    local now = {}
    for _, data in ipairs(list) do
      if type(data) == "table" and data.id ~= nil then
        now[data.id] = member_of(data, st.native and view.members[data.id] or nil)
      end
    end
    local gone = {}
    for id in pairs(view.members) do
      if not now[id] then gone[#gone + 1] = id end
    end
    held = {}
    for _, id in ipairs(gone) do remove(view, id) end
    for _, member in pairs(now) do put(view, member) end
    local changes = held
    held = nil
    view.bus:emit("sync", view:list())
    all.bus:emit("sync", all:list())
    local is_first = not view.synced -- then there was nothing to differ from
    view.synced = true
    if is_first then return end
    for _, change in ipairs(changes) do
      tell(change[1], change[2], change[3] or nil, change[4])
    end
  end

  -- --- what rooms tell ---

  local M = {}

  function M.joined(room, members)
    if members then sync(view_of(room.name), members) end
  end

  function M.left(room)
    local left = views[room.name]
    if not left then return end
    views[room.name] = nil
    for _, timer in pairs(left.leaving) do timer:cancel() end
    for id in pairs(left.members) do
      if not anywhere(id) then all.members[id] = nil end
    end
  end

  function M.of_room(room) return view_of(room.name) end

  all = new_view(nil)
  M.all = all

  local function is_here(room) return st.rooms[room] and st.rooms[room].joined end

  -- kind, a member, and the room (nil: wherever the member is).
  function on_presence(kind, data, room, reason)
    if type(data) ~= "table" or data.id == nil then return end
    if room ~= nil and not is_here(room) then return end -- another script's
    if kind == "update" or room == nil then
      for _, view in pairs(views) do
        local old = view.members[data.id]
        if old then put(view, member_of(data, old)) end
      end
    elseif kind == "join" then
      local view = view_of(room)
      put(view, member_of(data, st.native and view.members[data.id] or nil), not view.leaving[data.id])
    elseif kind == "leave" and views[room] then
      remove(views[room], data.id, reason)
    end
  end

  local part = st.dialect.presence
  if part.event then
    st.conn:on(part.event, function(data)
      if type(data) ~= "table" then return end
      if part.read then return on_presence(part.read(data)) end
      on_presence(data.kind, data.member, data.room, data.reason)
    end)
  end
  for event, read in pairs(part.events or {}) do
    st.conn:on(event, function(data, meta)
      local kind, member = read(data, meta)
      if kind then on_presence(kind, member, c.room_name(st.conn, meta.channel or "")) end
    end)
  end
  return M
end

-- Tells the server; where presence is the rooms' own, each room of the view.
function tools.tell_presence(st, view, part, args)
  if not st.native then return st.conn:emit(part.emit, args) end
  local told, err = nil, nil
  for name in pairs(tools.joined_rooms(st)) do
    if not view.room or view.room == name then
      local ok, why = c.room_emit(st.conn, name, part.emit, args)
      told, err = told or ok, err or why
    end
  end
  if told then return true end
  if err then return nil, err end
  return c.err("not_found", "no room is joined")
end

-- Made at the first look; what is not known for sure is asked for, which may wait.
function tools.presence_of(st)
  if st.presence then return st.presence end
  local d = st.dialect
  st.presence = new(st)
  for _, room in pairs(tools.joined_rooms(st)) do
    local function sync()
      local reply
      if st.native then
        reply = c.join_wait(st.conn, room.name)
      else
        reply = tools.ask(st, d.join, d.join.args(room.name), nil, "presence")
      end
      if reply and room.joined then tools.keep_members(st, room, reply) end
    end
    if room.members and room.seen == c.received(st.conn) then
      st.presence.joined(room, room.members)
    elseif d.join.members and st.conn.connected then
      if c.can_wait() then sync() else linnet.spawn(sync) end
    end
  end
  return st.presence
end
