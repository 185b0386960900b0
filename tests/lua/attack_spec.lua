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
end)
