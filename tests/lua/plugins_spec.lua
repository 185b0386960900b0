-- SPDX-License-Identifier: MIT
-- The plugins of plugins/, used by a script as a user's would.

local world = require "world"

local function install(name)
  local f <close> = assert(io.open(rig.dir .. "/../../plugins/" .. name))
  rig.write("plugins/" .. name, f:read("a"))
end

describe("seen", function()
  before_each(function()
    world.open()
    install("seen.lua")
  end)
  after_each(world.close)

  it("knows a key for a while, and again after that", function()
    world.run [[
      local seen = linnet.use("seen", { keep = 60 })
      print(seen.before("m1"), seen.before("m1"), seen.before("m2"))
      linnet.sleep(59)
      print(seen.before("m1"))
      linnet.sleep(2)
      print(seen.before("m1"), seen.before("m1"))
    ]]
    rig.advance(120)
    assert.same({ "false\ttrue\tfalse", "true", "false\ttrue" }, world.said())
  end)

  it("holds a bounded number of keys", function()
    world.run [[
      local seen = linnet.use("seen", { keep = 60, max = 2 })
      seen.before("a") seen.before("b")
      print(seen.before("a"), seen.before("c"), seen.before("a"))
    ]]
    assert.same({ "true\tfalse\tfalse" }, world.said())
  end)

  it("is no reason for its user not to end the program", function()
    world.run [[ linnet.use("seen") linnet.exit(3) ]]
    assert.equal(3, rig.exit_code())
  end)

  it("remembers through its own reload", function()
    local text = [[
      local seen = linnet.use("seen", { keep = 60 })
      linnet.every(1, function() print(seen.before("m1")) end)
    ]]
    world.run(text)
    rig.advance(1)
    assert.same({ "false" }, world.said())
    assert(rig.reload("plugins/seen.lua"))
    rig.advance(1)
    assert.same({ "true" }, world.said())
  end)
end)
