-- SPDX-License-Identifier: MIT
-- Transports and recovery, as a script sees them, on our own hub.

local world = require "world"

describe("transports", function()
  before_each(world.open)
  after_each(world.close)

  it("are WebSocket unless told otherwise, and nothing while not connected", function()
    world.run [[
      local hub = linnet.connect("hub")
      print(hub.transport, hub.recovered)
      hub:ready()
      print(hub.transport, hub.recovered)
      hub:disconnect()
      print(hub.transport)
    ]]
    assert.same({ "nil\tfalse", "websocket\tfalse", "nil" }, world.said())
  end)

  it("carry everything by polling", function()
    world.run [[
      local hub = linnet.connect("hub", { transports = { "polling" } })
      hub:ready()
      print(hub.transport)
      local lobby = hub:join("lobby")
      print(hub:emit_with_ack("message", { room = "lobby", text = "hei" }).ok)
      print(hub:of("/admin"):wait_for("connect_error", { timeout = "5s" }).message)
    ]]
    rig.advance(1)
    assert.same({ "polling", "true", "Invalid namespace" }, world.said())
  end)

  it("change to a WebSocket by the upgrade", function()
    world.run [[
      local hub = linnet.connect("hub", { transports = { "polling", "websocket" } })
      hub:ready()
      linnet.sleep("1s")
      print(hub.transport, hub:emit_with_ack("join", { room = "lobby" }).ok)
    ]]
    rig.advance(2)
    assert.same({ "websocket\ttrue" }, world.said())
  end)

  it("stay as they are without `upgrade`", function()
    world.run [[
      local hub = linnet.connect("hub", { transports = { "polling", "websocket" }, upgrade = false })
      hub:ready()
      linnet.sleep("1s")
      print(hub.transport)
    ]]
    rig.advance(2)
    assert.same({ "polling" }, world.said())
  end)

  it("must be known ones, each once", function()
    assert.matches("unknown transport \"carrier pigeon\"",
      world.raises [[ linnet.connect("hub", { transports = { "carrier pigeon" } }) ]])
    assert.matches("names one transport twice",
      world.raises [[ linnet.connect("hub", { transports = { "polling", "polling" } }) ]])
    assert.equal('linnet.connect: option \'transports\' must be a list such as {"websocket", "polling"}, not {}',
      world.raises [[ linnet.connect("hub", { transports = {} }) ]])
  end)
end)

describe("a gap", function()
  before_each(world.open)
  after_each(world.close)

  it("is told with its reason, before connect", function()
    world.run [[
      local hub = linnet.connect("hub", { reconnection_delay = 1, randomization_factor = 0 })
      hub:on("gap", function(info) print("gap", info.reason, hub.connected) end)
      hub:on("connect", function(first) print("connect", first, hub.recovered) end)
      hub:ready()
      hub:reconnect()
    ]]
    rig.advance(1)
    assert.same({
      "connect\ttrue\tfalse", "gap\tit had been disconnected on purpose\ttrue", "connect\tfalse\tfalse",
    }, world.said())
  end)
end)
