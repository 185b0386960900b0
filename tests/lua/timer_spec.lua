-- SPDX-License-Identifier: MIT
-- sleep, after, every, debounce, throttle, spawn, all, race.

local world = require "world"

describe("time", function()
  before_each(world.open)
  after_each(world.close)

  it("sleeps, and nothing else stops", function()
    world.run [[
      linnet.spawn(function() linnet.sleep("2s") print("two") end)
      linnet.sleep(1)
      print("one")
    ]]
    assert.same({}, world.said())
    rig.advance(1)
    assert.same({ "one" }, world.said())
    rig.advance(1)
    assert.same({ "two" }, world.said())
  end)
end)
