-- SPDX-License-Identifier: MIT
-- The scripts of scripts/, as they are, on the fake clock. A world begins at 01:46:40 at night. What
-- they say to people on real servers is in tests/scenes.

local world = require "world"

local function read(name)
  local f <close> = assert(io.open(rig.dir .. "/../../scripts/" .. name))
  return f:read("a")
end

-- A person with a line of their own, who prints what is said in a room.
local function person(name, room, text)
  world.run(([[
    local chat = linnet.connect("ws://127.0.0.1:%d/?%s", { auth = { name = "%s", id = "u-%s" } })
    local room = chat:room("%s")
    room:on("message", function(m) print("%s hears", m.text) end)
    assert(chat:join("%s"))
    %s
  ]]):format(rig.port(), name, name, name, room, name, room, text or ""), name .. ".lua")
end

local function load(name, options)
  for key, json in pairs(options or {}) do
    rig.set(("scripts.%s.options.%s"):format(name:match("^%a+"), key), json)
  end
  assert(rig.load(name, read(name)))
  rig.settle()
end

describe("quiet.lua", function()
  before_each(world.open)
  after_each(world.close)

  it("holds what is said at night until eight, in order, and lets SOS through", function()
    load("quiet.lua")
    person("ida", "bedroom")
    person("kari", "alerts", [[
      room:send("the cellar is damp")
      linnet.sleep("1h")
      room:send("SOS the cellar is full")
      room:send("and the cat is wet")
    ]])
    rig.settle()
    assert.same({}, world.said())
    rig.advance(3600)
    assert.same({ "ida hears\tkari: SOS the cellar is full" }, world.said())
    rig.advance(5 * 3600 + 13 * 60 + 19) -- 07:59:59
    assert.same({}, world.said())
    rig.advance(1)
    assert.same({ "ida hears\t2 while it was quiet:", "ida hears\tkari: the cellar is damp",
      "ida hears\tkari: and the cat is wet" }, world.said())
  end)

  it("passes on at once by day", function()
    load("quiet.lua")
    rig.advance(8 * 3600)
    person("ida", "bedroom")
    person("kari", "alerts", [[room:send("lunch?")]])
    rig.settle()
    assert.same({ "ida hears\tkari: lunch?" }, world.said())
  end)

  it("keeps what it holds through a reload", function()
    load("quiet.lua")
    person("ida", "bedroom")
    person("kari", "alerts", [[room:send("the cellar is damp")]])
    rig.settle()
    assert(rig.reload("quiet.lua", read("quiet.lua") .. "\n"))
    rig.advance(7 * 3600)
    assert.same({ "ida hears\t1 while it was quiet:", "ida hears\tkari: the cellar is damp" }, world.said())
  end)

  it("knows a window that does not span midnight", function()
    load("quiet.lua", { first = "9", last = "11" })
    person("ida", "bedroom")
    person("kari", "alerts", [[
      room:send("early")
      linnet.sleep("8h")
      room:send("meeting")
    ]])
    rig.settle()
    assert.same({ "ida hears\tkari: early" }, world.said())
    rig.advance(8 * 3600)
    assert.same({}, world.said())
    rig.advance(3600 + 13 * 60 + 20) -- 11:00:00
    assert.same({ "ida hears\t1 while it was quiet:", "ida hears\tkari: meeting" }, world.said())
  end)
end)

describe("mentions.lua", function()
  before_each(world.open)
  after_each(world.close)

  it("tells of a mention once, however often the server sends it", function()
    load("mentions.lua")
    person("ola", "for-ida")
    person("kari", "lobby", [[room:send("@ida are you there?")]])
    rig.settle()
    local again = '{"id":"x1","room":"lobby","text":"hello @ida","sender":{"id":"u9","name":"eva"}}'
    rig.event("hub", "message", again)
    rig.event("hub", "message", again)
    rig.settle()
    local told = {}
    for _, line in ipairs(world.said()) do told[#told + 1] = line:match("^ola hears\t(.*)") end
    assert.same({ "kari in lobby: @ida are you there?", "eva in lobby: hello @ida" }, told)
  end)

  it("is still while the one who is meant looks on", function()
    load("mentions.lua")
    person("ola", "for-ida")
    person("ida", "lobby")
    person("kari", "lobby", [[room:send("@ida hi")]])
    rig.settle()
    assert.same({ "ida hears\t@ida hi" }, world.said())
  end)
end)

describe("shield.lua", function()
  before_each(world.open)
  after_each(world.close)

  it("drops a flood, and hears the same person again afterwards", function()
    load("shield.lua", { limit = "2", window = '"10s"' })
    person("ola", "lobby")
    person("kari", "open", [[
      for i = 1, 4 do room:send("n" .. i) end
      linnet.sleep("11s")
      room:send("n5")
    ]])
    rig.settle()
    local function heard()
      local out = {}
      for _, line in ipairs(world.said()) do out[#out + 1] = line:match("^ola hears\t(.*)") end
      return out
    end
    assert.same({ "kari: n1", "kari: n2" }, heard())
    rig.advance(11)
    assert.same({ "kari: n5" }, heard())
  end)
end)

describe("hello.lua", function()
  before_each(world.open)
  after_each(world.close)

  it("greets, waits for an answer a minute at most, and goes on counting", function()
    load("hello.lua")
    person("kari", "lobby", [[
      room:send("hi")
      room:send("!pizza")
      linnet.sleep("2m")
      room:send("!count")
    ]])
    rig.settle()
    assert.same({ "kari hears\tHello, kari!", "kari hears\tWhich size, kari?" }, world.said())
    rig.advance(60)
    assert.same({ "kari hears\tNo pizza then." }, world.said())
    rig.advance(60)
    assert.same({ "kari hears\tI have said hello 1 time." }, world.said())
  end)
end)
