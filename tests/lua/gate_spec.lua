-- SPDX-License-Identifier: MIT
-- Who decides at the hub's door (hub:use, hub:on_auth) may be stopped, restarted, reloaded: meanwhile
-- the door is shut, not open.

local world = require "world"

describe("the hub's door", function()
  local lines

  before_each(function()
    lines = {}
    world.open { ["limits.budget_kill"] = '"100ms"' }
  end)
  after_each(function()
    for _, line in ipairs(lines) do rig.hang_up(line) end
    world.close()
  end)

  local function dial()
    lines[#lines + 1] = rig.dial()
    return lines[#lines]
  end

  -- What a plain client that says this of itself hears first.
  local function come(query)
    local line = dial()
    local head = "GET /ws?%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    return rig.say(line, head:format(query)), line
  end

  local function ask(fields, kind)
    local line = dial()
    local body = kind and '{"a":1' .. fields or "socket_id=1.2&channel_name=private-a" .. fields
    local head = "POST /pusher/auth HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
    return rig.say(line, head:format(kind or "application/x-www-form-urlencoded", #body, body)), line
  end

  local GATE = [[
    local function decide(is_poison, is_good)
      if is_poison then while true do end end
      return is_good or nil, "not you"
    end
    linnet.hub():use(function(_, auth) return decide(auth.name == "poison", auth.name == "kari") end)
    linnet.hub():on_auth(function(r) return decide(r.params.poison, r.params.good) end)
  ]]

  it("stays shut while who decides is stopped", function()
    world.run(GATE, "gate.lua")
    world.run([[ linnet.hub():on("connect", function(c) print(c.user.name) end) ]])
    assert.matches("not you", (come "name=bob"))
    assert.matches("session", (come "name=kari"))
    come "name=poison"
    assert.matches("gate%.lua was stopped", table.concat(world.errors(), "\n"))
    assert.matches("the script that decides is stopped just now", (come "name=bob"))
    assert.matches("the script that decides is stopped just now", (come "name=kari"))
    assert.matches("403.*the script that decides is stopped just now", (ask "&good=1"))
    rig.advance(1)
    assert.matches("not you", (come "name=bob"))
    assert.matches("session", (come "name=kari"))
    assert.matches('"auth"', (ask "&good=1"))
    ask "&poison=1" -- the other function of the same script
    world.errors()
    assert.matches("the script that decides is stopped just now", (come "name=bob"))
    rig.advance(2)
    assert.matches("not you", (come "name=bob"))
    assert.same({ "kari", "kari" }, world.said())
  end)

  it("stays shut when it cannot be loaded again", function()
    world.run(GATE, "gate.lua")
    come "name=poison"
    rig.write("gate.lua", "this is no Lua")
    rig.advance(1)
    world.errors()
    assert.matches("the script that decides is stopped just now", (come "name=bob"))
    rig.reload("gate.lua", "-- nothing is decided here any more")
    assert.matches("session", (come "name=bob"))
  end)

  it("is no question to one alone of two", function()
    world.run([[ linnet.hub():use(function() linnet.sleep(1) return true end) ]], "a.lua")
    world.run(GATE, "gate.lua")
    local _, line = come "name=bob"
    rig.reload("gate.lua", 'local linnet = require "linnet" ' .. GATE)
    rig.advance(1)
    assert.matches("the script that decides was stopped", rig.say(line))
  end)

  it("is not opened by who is reloaded while he thinks", function()
    local slow = [[
      local function think(bad) -- as who asks a database, and forgets that there may be no answer
        local ok, err = linnet.sleep(1)
        if ok and bad then return nil, "not you" end
        return true
      end
      linnet.hub():use(function(_, auth) return think(auth.name == "bob") end)
      linnet.hub():on_auth(function(r) return think(r.params.bad) end)
    ]]
    for _, go in ipairs { rig.reload, rig.unload } do
      world.run(slow, "gate.lua")
      local _, plain = come "name=bob"
      local _, post = ask "&bad=1"
      go("gate.lua", 'local linnet = require "linnet" ' .. slow)
      rig.settle()
      assert.matches("the script that decides was stopped", rig.say(plain))
      assert.matches("403.*the script that decides was stopped", rig.say(post))
      rig.unload("gate.lua")
    end
  end)

  it("shows all of a question, or does not ask", function()
    world.run [[
      linnet.hub():on_auth(function(r) -- forgets that a channel may not be there
        if r.kind == "private" then return nil, "not you" end
        return true
      end)
      linnet.hub():use(function(_, auth)
        if auth.role == "guest" then return nil, "no guests" end
        return true
      end)
    ]]
    for depth = 60, 100 do
      local more = ("["):rep(depth) .. ("]"):rep(depth)
      local answer = ask(', "socket_id":"1.2","channel_name":"private-a","more":' .. more .. "}", "application/json")
      assert.matches("HTTP/1.1 40[03]", answer)
      local line = dial()
      local head = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        .. "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
      rig.say(line, head)
      local text = '40{"role":"guest","more":' .. more .. "}"
      local size = #text < 126 and string.char(128 + #text) or string.pack(">BI2", 254, #text)
      assert.not_matches('40{"sid"', rig.say(line, "\x81" .. size .. "\0\0\0\0" .. text))
    end
  end)

  it("is not crowded by those who do not wait", function()
    world.close()
    world.open { ["hub.max_clients"] = "5" }
    world.run [[
      linnet.hub():use(function(_, auth)
        if auth.name == "slow" then linnet.sleep(10) end
        return true
      end)
    ]]
    for _ = 1, 10 do
      come "name=slow"
      rig.hang_up(table.remove(lines))
    end
    assert.matches("too many are being decided", (come "name=kari"))
    rig.advance(10)
    assert.matches("session", (come "name=kari"))
  end)
end)
