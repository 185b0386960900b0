-- SPDX-License-Identifier: MIT
--
-- Rooms that are the protocol's own (Pusher's channels): the host asks for them as long as they are
-- wanted, so joining is wanting and waiting. And dialects that have other names for events than
-- scripts. Loaded when a script first uses such a room.

local c, tools = ...

-- Wanted from now on, until it is left, or refused to everybody who waited for it.
function tools.join_own(st, room, timeout)
  c.hold()
  c.want(st.conn, room.name)
  room.joining = (room.joining or 0) + 1
  local reply, err = c.join_wait(st.conn, room.name, timeout)
  room.joining = room.joining - 1
  if reply ~= nil then return room.joined and room or tools.entered(st, room, reply) end
  if not room.joined and room.joining == 0 then c.drop(st.conn, room.name) end
  return nil, err
end

-- It was asked for again by the host: it is in, or out for now.
function tools.rejoined_own(st, room, err, reply)
  if not c.wants(st.conn, room.name) or (room.joining or 0) > 0 then return end
  if err then
    tools.rooms_changed(st, function() room.joined = false end)
  elseif room.joined then
    tools.keep_members(st, room, reply)
  else
    tools.entered(st, room, reply)
  end
end

-- The name on the wire, the handler, what makes its arguments; or, last, the kind of presence.
function tools.translated(room, event, fn)
  local wire, read, kind = room.st.dialect.name(event)
  if not read then return wire, fn, nil, kind end
  local function own(_, data, meta) return read(room, data, meta) end
  if type(fn) ~= "function" then return wire, fn, own end
  return wire, function(data, meta) return fn(read(room, data, meta), meta) end, own
end
