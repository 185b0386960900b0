-- SPDX-License-Identifier: MIT
--
-- Presence: who is there, with set semantics. Each room has its members by id; the connection's view
-- is all of them once. A whole list (a join, a reconnect) is one `sync`, then only what differs from
-- the list before is told: join, leave, update.

local c, tools = ...
local linnet = require "linnet"

local member_fields = { "id", "name", "status", "text", "last_seen", "connections", "info", "is_me" }
local kinds = { "sync", "join", "leave", "update" }

local function my_id(st)
  local user = st.conn.user
  return type(user) == "table" and user.id or nil
end

-- last_seen alone is no news.
local function same(a, b)
  return a.name == b.name and a.status == b.status and a.text == b.text
    and a.connections == b.connections
end

-- st: the connection's state in room.lua. Returns {all = the connection's view, of_room, joined, left}.
local function new(st)
  local Member = c.class("Member", {}, {
    is_me = function(member) return member.id ~= nil and member.id == my_id(st) end,
  }, member_fields)
  local views = {} -- by room name
  local all        -- the connection's view

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

  local function new_view(room)
    return setmetatable({ members = {}, room = room or false, synced = false, bus = c.bus() }, Presence)
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
  function methods.get(view, id) return view.members[id] end

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
    local ok, err = st.conn:emit(part.emit, args)
    if not ok then return nil, err end
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

  local function put(view, member)
    local old, was = view.members[member.id], all.members[member.id]
    view.members[member.id] = member
    all.members[member.id] = member
    if not old then
      tell(view, "join", member)
    elseif not same(old, member) then
      tell(view, "update", member, old)
    end
    if not was then
      tell(all, "join", member)
    elseif not same(was, member) then
      tell(all, "update", member, was)
    end
  end

  local function remove(view, id)
    local old = view.members[id]
    if not old then return end
    view.members[id] = nil
    tell(view, "leave", nil, old)
    if not anywhere(id) then
      all.members[id] = nil
      tell(all, "leave", nil, old)
    end
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
      if type(data) == "table" and data.id ~= nil then now[data.id] = member_of(data) end
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
    for id in pairs(left.members) do
      if not anywhere(id) then all.members[id] = nil end
    end
  end

  function M.of_room(room) return view_of(room.name) end

  all = new_view(nil)
  M.all = all

  local function on_presence(data)
    local read, kind, data_member, room = st.dialect.presence.read, data.kind, data.member, data.room
    if read then kind, data_member, room = read(data) end
    if type(data_member) ~= "table" or data_member.id == nil then return end
    if room ~= nil and not (st.rooms[room] and st.rooms[room].joined) then return end -- another script's
    if kind == "update" or room == nil then
      for _, view in pairs(views) do
        local old = view.members[data_member.id]
        if old then put(view, member_of(data_member, old)) end
      end
    elseif kind == "join" then
      put(view_of(room), member_of(data_member))
    elseif kind == "leave" and views[room] then
      remove(views[room], data_member.id)
    end
  end

  if st.dialect.presence.event then
    st.conn:on(st.dialect.presence.event, function(data)
      if type(data) == "table" then on_presence(data) end
    end)
  end
  return M
end

-- Made at the first look; what is not known for sure is asked for, which may wait.
function tools.presence_of(st)
  if st.presence then return st.presence end
  local d = st.dialect
  st.presence = new(st)
  for _, room in pairs(tools.joined_rooms(st)) do
    local function sync()
      local reply = tools.ask(st, d.join, d.join.args(room.name), nil, "presence")
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
