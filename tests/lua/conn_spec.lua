-- SPDX-License-Identifier: MIT
-- linnet.connect and the Conn: fields, control, sharing, auth.

local world = require "world"

describe("connections", function()
  before_each(world.open)
  after_each(world.close)

  it("connect, and tell their fields", function()
    world.run [[
      local hub = linnet.connect("hub", { auth = { name = "kari", id = "u1" } })
      print(hub.state, hub.connected, hub.connecting)
      hub:on("connect", function(first) print("connect", first) end)
      assert(hub:ready())
      print(hub.name, hub.protocol, hub.state, hub.connected, hub.attempt, hub.recovered, hub.id ~= "")
      print(hub.url:match("^ws://127%.0%.0%.1:%d+") ~= nil, hub.rtt, tostring(hub))
      local stats = hub.stats
      print(stats.connects, stats.reconnects, stats.errors)
    ]]
    assert.same({
      "idle\tfalse\tfalse", "connect\ttrue", "hub\tsocketio\tconnected\ttrue\t0\tfalse\ttrue",
      "true\tnil\tConn hub (connected)", "1\t0\t0",
    }, world.said())
  end)
end)
