-- SPDX-License-Identifier: MIT
-- Presence over every protocol of the hub: set semantics, one sync, leave_grace, why somebody left, and
-- ids that two people claim.

local world = require "world"

local targets = {
  ["Socket.IO"] = "ws://127.0.0.1:%d",
  Pusher = "pusher://linnet@127.0.0.1:%d/?prefix=presence-",
  ["plain JSON"] = "ws://127.0.0.1:%d/ws",
}

for protocol, target in pairs(targets) do
  describe("presence by " .. protocol, function()
    before_each(world.open)
    after_each(world.close)

    local function run(name, id, text, opts)
      world.run(([[
        local chat = linnet.connect(%q, { auth = { name = %q, id = %q }, %s })
        local room = assert(chat:join("lobby"))
        %s ]]):format(target:format(rig.port()), name, id, opts or "", text), name .. ".lua")
    end

    local listens = [[
      for _, kind in ipairs { "sync", "join", "leave", "update" } do
        room.presence:on(kind, function(m) print(kind, m.name or #m, room.presence:count()) end)
      end
    ]]

    it("tells who comes and goes, and why", function()
      run("ida", "u1", [[
        room.presence:on("join", function(m) print("join", m.id, m.name, m.is_me) end)
        room.presence:on("leave", function(m) print("leave", m.name, m.reason) end)
        print(room.presence:me().name, room.presence:count())
      ]])
      run("kari", "u2", [[ linnet.sleep(1) room:leave() ]])
      rig.advance(1)
      local said = world.said()
      assert.same({ "ida\t1", "join\tu2\tkari\tfalse" }, { said[1], said[2] })
      assert.equal(protocol == "Pusher" and "leave\tkari\tnil" or "leave\tkari\tleft", said[3])
    end)

    it("has a user once, however many connections he has", function()
      run("ida", "u1", listens)
      run("kari", "u2", "")
      world.run(([[
        local chat = linnet.connect(%q, { auth = { name = "kari", id = "u2" }, timeout = 19 })
        assert(chat:join("lobby"))
      ]]):format(target:format(rig.port())), "again.lua")
      rig.settle()
      rig.unload("kari.lua")
      rig.advance(1)
      local said = {}
      for _, line in ipairs(world.said()) do
        if not line:find("^update") then said[#said + 1] = line end
      end
      assert.same({ "join\tkari\t2" }, said)
      rig.unload("again.lua")
      rig.advance(1)
      assert.same({ "leave\tkari\t1" }, world.said())
    end)

    it("warns when two people claim one id", function()
      run("ida", "u1", listens)
      run("kari", "u2", "")
      run("ola", "u2", "")
      world.said()
      local warnings = table.concat(world.logged("warn"), "\n")
      assert.matches("claim", warnings) -- the hub says so, or who joined with the name of another
    end)

    it("syncs once after a reconnect, then tells what differs", function()
      run("kari", "u2", "")
      run("ida", "u1", listens)
      world.said()
      rig.drop()
      rig.unload("kari.lua")
      rig.advance(20)
      local said = world.said()
      assert.matches("^sync\t", said[1])
      assert.equal("leave\tkari\t1", said[#said])
      local syncs = 0
      for _, line in ipairs(said) do
        if line:find("^sync") then syncs = syncs + 1 end
      end
      assert.equal(1, syncs)
      world.logged("warn")
    end)

    it("swallows a page refresh with leave_grace", function()
      run("ida", "u1", listens, 'leave_grace = "10s"')
      run("kari", "u2", "")
      assert.same({ "join\tkari\t2" }, world.said())
      rig.unload("kari.lua")
      rig.advance(9)
      run("kari", "u2", "")
      rig.advance(30)
      assert.same({}, world.said())
      rig.unload("kari.lua")
      rig.advance(9)
      assert.same({}, world.said())
      rig.advance(1)
      assert.same({ "leave\tkari\t1" }, world.said())
    end)

    it("forgets who was about to leave when the room is left", function()
      run("ida", "u1", listens .. [[
        linnet.after(5, function() room:leave() print("left", chat.presence:count()) end)
      ]], 'leave_grace = "10s"')
      run("kari", "u2", "")
      rig.unload("kari.lua")
      rig.advance(30)
      assert.same({ "join\tkari\t2", "left\t0" }, world.said())
    end)
  end)
end
