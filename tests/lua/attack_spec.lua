-- SPDX-License-Identifier: MIT
-- Scripts that try to break out, to break in, or to hold everything up.

local world = require "world"

describe("a script cannot", function()
  before_each(function() world.open({ ["limits.budget_kill"] = '"100ms"' }, false) end)
  after_each(world.close)

  -- It is stopped for its CPU time, and another script did not notice.
  local function stopped(text)
    world.run([[ linnet.after(1, function() print("alive") end) ]], "other.lua")
    world.run("linnet.after(0, function() " .. text .. " end)")
    rig.settle()
    rig.advance(1)
    assert.matches("used more than 100 ms of CPU time", table.concat(world.errors(), "\n"))
    assert.same({ "alive" }, world.said())
  end

  it("end itself twice, in its own end", function()
    world.run [[
      local t
      local function closing() return setmetatable({}, { __close = function() print(t:cancel()) end }) end
      t = linnet.spawn(function() local c <close> = closing() linnet.sleep(10) end)
      print(t:cancel(), t.status)
      t = linnet.spawn(function()
        local c <close> = setmetatable({}, { __close = function() linnet.sleep(1) print("never") end })
        linnet.sleep(10)
      end)
      print(t:cancel(), t.status)
      linnet.sleep(2)
      local g = coroutine.wrap(function() coroutine.yield(7) end)
      print(g())
    ]]
    rig.advance(3)
    assert.same({ "true", "true\tfailed", "true\tfailed", "7" }, world.said())
  end)

  it("get at the functions that run it", function()
    world.run [[
      linnet.after(0, function()
        for level = 1, 9 do
          local info = debug.getinfo(level)
          print(level, info and info.what, info and info.func ~= nil)
          if not info then break end
        end
        print(debug.getinfo(print).func == print)
      end)
    ]]
    rig.settle()
    assert.same({ "1\tLua\ttrue", "2\tC\tfalse", "3\tnil\tnil", "true" }, world.said())
  end)

  it("run code in finalizers, which nothing stops", function()
    world.run [[
      local function poison(mt)
        if type(mt) == "table" then rawset(mt, "__gc", function() print("collected") end) end
      end
      local mt = {}
      local auth = setmetatable({}, mt)
      poison(getmetatable(io.stdout))
      poison(getmetatable(select(2, linnet.json.decode("["))))
      poison(getmetatable(linnet.json.decode("[]")))
      poison(getmetatable(linnet.array()))
      poison(linnet.json.array_mt)
      poison(mt)
      linnet.connect("ws://127.0.0.1:1", { auth = auth, autoconnect = false })
      io.open("x.txt", "w"):close()
      linnet.json.decode("[")
      linnet.json.decode("[[], 1]")
      linnet.array()
      print((pcall(setmetatable, {}, linnet.json.array_mt)))
      collectgarbage()
      print("end")
    ]]
    assert.same({ "false", "end" }, world.said())
  end)

  it("make JSON for ever of little memory", function()
    stopped [[ local t = {} for _ = 1, 60 do t = { t, [3] = 1, [2] = 1 } end linnet.json.encode(t) ]]
    rig.set("limits.budget_kill", '"10s"')
    world.run [[
      local t, s = {}, ("\1"):rep(1e6)
      for _ = 1, 40 do t = { t, t } end
      print(pcall(linnet.json.encode, t))
      local list = {}
      for i = 1, 1e5 do list[i] = s end
      print(pcall(linnet.json.encode, list))
    ]]
    local said = world.said()
    assert.equal(2, #said)
    for _, line in ipairs(said) do assert.matches("^false.*larger than the script's memory limit", line) end
  end)

  it("hold the table functions up", function()
    stopped [[ local s, t = ("x"):rep(5e5), {} for i = 1, 1e5 do t[i] = s end pcall(table.sort, t) ]]
    rig.set("limits.budget_kill", '"10s"')
    world.run [[
      local chain = {}
      for _ = 1, 1900 do chain = setmetatable({}, { __index = chain }) end
      print(pcall(table.move, chain, 1, 1e6, 1, {}))
      print(pcall(table.concat, chain, "", 1, 9e5))
      for i = 1, 1e4 do chain[i] = 1 end
      print(pcall(table.insert, chain, 1, 1))
      local list = setmetatable({}, { __index = { size = 0 } })
      for i = 1, 200000 do table.insert(list, 200000 - i) end
      table.sort(list)
      table.sort(list, function(a, b) return a > b end)
      table.sort({ 3, 1, 2 }, math.ult)
      print(list[1], #table.concat(list), #table.move(list, 1, #list, 2, {}))
      local words = { ("b"):rep(500), "a", ("a"):rep(500) }
      table.sort(words)
      print(#words[1], #words[2], #words[3])
    ]]
    local said = world.said()
    for _ = 1, 3 do assert.matches("^false.*too many elements", (table.remove(said, 1))) end
    assert.same({ "199999\t1088890\t200001", "1\t500\t500" }, said)
  end)

  it("go on for ever while it ends", function()
    world.run [[ local function again() linnet.on_dispose(again) end linnet.on_dispose(again) ]]
    rig.unload("spec.lua")
    assert.matches("the script ends already", world.errors()[1])
  end)

  it("reach files by the name of a text", function()
    rig.write("elsewhere/secret.lua", "return 'secret'")
    world.run [[
      local ok, err = pcall(load("return require('./secret')", "@elsewhere/x.lua"))
      print(ok, err:match("module '%./secret' not found"))
      print(pcall(load("error('x')", "@some/name.lua")))
    ]]
    assert.same({ "false\tmodule './secret' not found", "false\tsome/name.lua:1: x" }, world.said())
  end)

  it("take memory that nobody counts", function()
    world.run [[
      local chat = linnet.connect("ws://127.0.0.1:1", { autoconnect = false })
      local function none() end
      print(pcall(chat.on, chat, ("x"):rep(1001), none))
      print(pcall(chat.on, chat, "a\0b", none))
      print(pcall(chat.on, chat, "a", none, { room = ("r"):rep(1e6) }))
      local made, err = 0
      local makers = {
        function() linnet.after(1e6, none) end,
        function() linnet.debounce(1, none) end,
        function() linnet.spawn(none) end,
        function() linnet.on_dispose(none):cancel() end,
      }
      for i = 1, 1e5 do
        local ok, why = pcall(makers[1])
        if ok then made = made + 1 else err = why end
        if i % 10000 == 0 then linnet.sleep(0) end
      end
      print(made > 99900, err)
      for _, make in ipairs(makers) do print(pcall(make)) end
    ]]
    rig.advance(1)
    local said = world.said()
    assert.matches("1001 bytes; at most 1000", said[1])
    assert.matches("holds a zero byte", said[2])
    assert.matches("1000000 bytes", said[3])
    assert.equal(8, #said)
    for i = 4, 8 do assert.matches("100000 handlers, timers and tasks already", said[i]) end
  end)

  it("lose what makes a list a list", function()
    world.run [[
      local json = linnet.json
      print(json.encode { setmetatable({}, json.array_mt), json.decode("[]"), linnet.array() })
      local list = setmetatable(json.decode("[1]"), { __index = { n = 5 } })
      print(list.n, json.encode(list), getmetatable(json.decode("[]")) == json.array_mt)
      print(json.encode(setmetatable(json.decode("[]"), nil)))
    ]]
    assert.same({ "[[],[],[]]", "5\t[1]\ttrue", "{}" }, world.said())
  end)
end)
