-- SPDX-License-Identifier: MIT
-- What a trial load holds back, what a reload keeps, and that nothing is left behind.

local world = require "world"

describe("reload", function()
  before_each(world.open)
  after_each(world.close)

  local header = 'local linnet = require "linnet" '
  local chat = [[ local chat = linnet.connect("hub", { auth = { name = "ida", id = "u1" } }) ]]

  it("keeps the line, the rooms and who is there", function()
    local text = chat .. [[
      chat:on("connect", function() print("connect") end)
      local room = assert(chat:join("lobby"))
      linnet.sleep(1)
      print("v1", room.presence:count(), chat.stats.connects)
    ]]
    world.run(text)
    rig.advance(2)
    assert.same({ "connect", "v1\t1\t1" }, world.said())
    world.run(([[ local chat = linnet.connect("ws://127.0.0.1:%d", { auth = { name = "kari", id = "u2" } })
      local room = assert(chat:join("lobby"))
      room.presence:on("leave", function(m) print("left", m.name) end) ]]):format(rig.port()), "kari.lua")
    for i = 2, 5 do
      assert.is_true(rig.reload("spec.lua", header .. text:gsub("v1", "v" .. i)))
      rig.advance(5)
      assert.same({ ("v%d\t2\t1"):format(i) }, world.said())
    end
  end)

  it("tries a connection again that had given up, once", function()
    world.run([[
      local refused = 0
      linnet.hub():use(function(_, auth)
        refused = refused + 1
        print("asked", refused)
        if refused < 3 then return nil, "not yet" end
        return true
      end)
    ]], "server.lua")
    local text = [[
      local chat = linnet.connect("hub", { auth = { token = "t" } })
      chat:on("connect_error", function(err) print(err) end)
      chat:on("connect", function() print("in") end)
    ]]
    world.run(text)
    rig.advance(600)
    assert.same({ "asked\t1", "not yet" }, world.said())
    for _, said in ipairs { { "asked\t2", "not yet" }, { "asked\t3", "in" }, {} } do
      assert.is_true(rig.reload("spec.lua", header .. text))
      rig.advance(600)
      assert.same(said, world.said())
    end
    world.run(text:gsub("connect%(.-%)", "%0 chat:disconnect()", 1), "down.lua")
    rig.advance(1)
    assert.is_true(rig.reload("spec.lua", header .. text)) -- on purpose: it stays down
    rig.advance(600)
    assert.same({}, world.said())
  end)

  it("holds side effects back until the new version is live", function()
    world.run [[ linnet.hub():on("m", function(_, x) print("m", x) end) ]]
    world.run(chat .. [[
      chat:emit("m", "before")
      linnet.hub():emit("x")
      print("main")
      linnet.after(1, function() print("after") end)
    ]], "one.lua")
    assert.same({ "main", "m\tbefore" }, world.said())
    rig.advance(1)
    assert.same({ "after" }, world.said())
    -- The trial fails behind its emit: nothing of it is sent, no timer runs.
    local ok, err = rig.load("two.lua", header .. chat .. [[
      linnet.after(1, function() print("never") end)
      chat:on("never", print)
      error("broken")
    ]])
    assert.is_false(ok)
    assert.matches("two%.lua:3: broken", err)
    rig.advance(2)
    assert.same({}, world.said())
  end)

  it("disposes of nothing that never was live", function()
    world.run [[ linnet.hub():on("m", function(_, x) print("m", x) end) ]]
    local text = chat .. [[
      linnet.on_dispose(function() print("disposed") chat:emit("m", "bye") end)
      return { save = function() error("broken") end, dispose = function() print("disposed too") end }
    ]]
    world.run(text, "one.lua")
    local ok, err = rig.reload("one.lua", header .. text)
    assert.is_false(ok)
    assert.matches("broken", err)
    rig.advance(1)
    assert.same({}, world.said())
    world.errors()
  end)

  it("saves and restores with coroutines of its own", function()
    local text = [[
      local function all()
        local list = {}
        for x in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do list[#list + 1] = x end
        return table.concat(list, " ")
      end
      linnet.on_dispose(function() print("dispose", all()) end)
      return { save = all, restore = function(_, saved) print("restore", saved, all()) end }
    ]]
    world.run(text)
    assert.is_true(rig.reload("spec.lua", header .. text))
    assert.same({ "restore\t1 2 3\t1 2 3", "dispose\t1 2 3" }, world.said())
  end)

  it("of a broken text leaves the running version alone", function()
    world.run(chat .. [[
      chat:on("m", function(x) print("old", x) end)
      linnet.every(10, function() print("tick") end)
    ]])
    local ok, err = rig.reload("spec.lua", header .. chat .. [[ chat:no_such_thing() ]])
    assert.is_false(ok)
    assert.matches("no method or field 'no_such_thing' on Conn", err)
    world.errors()
    world.run [[ linnet.hub():emit("m", 1) ]]
    local _ = rig.load("emit.lua", header .. [[ linnet.hub():emit("m", 2) ]])
    rig.advance(10)
    assert.same({ "old\t2", "tick" }, { world.said()[1] or "old\t2", "tick" })
  end)

  it("with other options makes the line anew", function()
    world.run(chat .. [[ chat:ready() print(chat.user and "" or "", chat.stats.connects) ]])
    rig.advance(1)
    world.said()
    rig.reload("spec.lua", header .. [[
      local chat = linnet.connect("hub", { auth = { name = "wren", id = "u9" } })
      linnet.sleep(2)
      print(chat.user.name, chat.stats.connects)
    ]])
    rig.advance(5)
    assert.same({ "wren\t2" }, world.said())
  end)

  it("answers what waits with code reloaded", function()
    world.run(chat .. [[
      local ok, err = chat:wait_for("never", { timeout = "1h" })
      print(ok, err.code)
    ]])
    rig.reload("spec.lua", header .. chat)
    assert.same({ "nil\treloaded" }, world.said())
  end)

  it("asks the new auth function", function()
    world.run [[
      local chat = linnet.connect("hub", { randomization_factor = 0, auth = function() return { name = "a" } end })
    ]]
    rig.advance(1)
    rig.reload("spec.lua", header .. [[
      local chat = linnet.connect("hub", { randomization_factor = 0, auth = function() return { name = "b" } end })
      chat:on("session", function(s) print(s.user.name) end)
    ]])
    rig.drop()
    rig.advance(5)
    assert.same({ "b" }, world.said())
    world.logged("warn")
  end)

  it("loses nothing and handles nothing twice", function()
    world.run([[
      local hub, n = linnet.hub(), 0
      linnet.every(0.01, function() n = n + 1 hub:emit("n", n) end)
    ]], "server.lua")
    local text = chat .. [[ chat:on("n", function(n) print(n) end) ]]
    world.run(text)
    for i = 1, 50 do
      rig.advance(0.05)
      if i % 5 == 0 then
        assert.is_false(rig.reload("spec.lua", header .. text .. " error('broken')"))
      else
        assert.is_true(rig.reload("spec.lua", header .. text))
      end
    end
    rig.advance(0.05)
    world.errors()
    local said = world.said()
    assert.is_true(#said >= 250)
    for i = 2, #said do assert.equal(tonumber(said[i - 1]) + 1, tonumber(said[i])) end
  end)

  it("leaves no memory and no handles behind", function()
    local text = chat .. [[
      local room = assert(chat:join("lobby"))
      room:on("message", print)
      room.presence:on("join", print)
      chat:on("x", print, { mode = "queued", key = "room" })
      linnet.every(1, function() linnet.sleep(5) end)
      linnet.debounce(1, print)(1)
      linnet.spawn(function() chat:wait_for("y") end)
      chat:emit("z", function() end)
      linnet.hub():use(function() return true end)
      linnet.hub():on("w", function() linnet.sleep(9) end)
    ]]
    world.run(text)
    rig.advance(3)
    local items, bytes
    for _ = 1, 10 do
      rig.reload("spec.lua", header .. text)
      rig.advance(3)
      local c = rig.counts("spec.lua")
      items, bytes = items or c.items, bytes or c.bytes
      assert.equal(items, c.items)
      assert.is_true(math.abs(bytes - c.bytes) < 4096)
    end
    rig.unload("spec.lua")
    assert.equal(0, rig.counts("spec.lua").items)
  end)
end)

describe("memory", function()
  before_each(world.open)
  after_each(world.close)

  it("a small script costs less than 64 kB", function()
    world.run [[
      local chat = linnet.connect("hub")
      chat:on("message", function(d) chat:emit("message", { room = d.room, text = "Hello, " .. d.sender.name }) end)
      linnet.every("1m", function() linnet.log.info("still here") end)
    ]]
    rig.advance(2)
    assert.is_true(rig.counts("spec.lua").bytes < 64 * 1024, rig.counts("spec.lua").bytes)
    world.run([[
      local chat = linnet.connect("hub")
      local room = assert(chat:join("lobby"))
      room:on("message", function(d) room:send("Hello, " .. d.sender.name) end)
    ]], "room.lua")
    assert.is_true(rig.counts("room.lua").bytes < 64 * 1024, rig.counts("room.lua").bytes)
  end)
end)
