-- SPDX-License-Identifier: MIT
--
-- The less common things of rooms: leaving, the other ways to listen, and what a server says when it
-- refuses. Loaded at the first use of any of these.

local c, tools = ...
local room_methods = tools.room_methods

-- What a server says when it refuses, as nil, err.
function tools.refused(why, what)
  local text = type(why) == "table" and why.message or why
  local code = type(why) == "table" and type(why.code) == "string" and why.code or "refused"
  local none, err = c.err(code, type(text) == "string" and text or what .. " was refused")
  if type(why) == "table" then err.detail = why end
  return none, err
end

-- conn:leave(room) ⏸ -> true | nil, err
function tools.leave(st, name)
  local conn = st.conn
  local room = type(name) == "string" and st.rooms[st.native and c.room_name(conn, name) or name]
  if not room or not (room.joined or c.wants(conn, room.name)) then
    return c.err("not_found", ("the room '%s' is not joined"):format(tostring(name)))
  end
  c.hold()
  name = room.name
  local is_last = c.drop(conn, name)
  tools.rooms_changed(st, function()
    room.joined = false
    if st.current == room then st.current = nil end
  end)
  if st.presence then st.presence.left(room) end
  local part = st.dialect.leave
  if not is_last or not part.emit or not conn.connected then return true end
  local reply, err = tools.ask(st, part, part.args(name), nil, "leaving " .. name)
  if reply == nil then return nil, err end
  return true
end

-- room:once(event, fn, opts?) -> Handle
function room_methods.once(room, event, fn, opts)
  local wire, handler, read, kind = tools.named(room, event, fn)
  if kind then c.fail(("room:once: '%s' is presence: room:on, or room.presence:on"):format(event)) end
  local own = tools.in_room(room, wire, opts, "room:once", read)
  return tools.keep(room, event, fn, room.conn:once(wire, handler, own))
end

-- room:on_any(fn, opts?) -> Handle
function room_methods.on_any(room, fn, opts)
  return tools.keep(room, nil, fn, room.conn:on_any(fn, tools.in_room(room, nil, opts, "room:on_any")))
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
  return tools.leave(room.st, room.name)
end
