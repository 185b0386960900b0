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

  it("are one for the same name, also through views", function()
    world.run [[
      local a, b = linnet.connect("hub"), linnet.connect("hub")
      print(a == b, a:timeout(5) == a, a:volatile() == a, linnet.connections().hub == a)
    ]]
    assert.same({ "true\ttrue\ttrue\ttrue" }, world.said())
  end)

  it("have names without the secrets of a URL", function()
    world.run(([[
      local url = "ws://kari:pass-word@127.0.0.1:%d"
      local a, b = linnet.connect(url), linnet.connect(url)
      a:ready()
      print(a == b, a.name:find("pass%%-word"), a.url:find("pass%%-word"), tostring(a):find("pass%%-word"))
    ]]):format(rig.port()))
    assert.same({ "true\tnil\tnil\tnil" }, world.said())
  end)

  it("know session and user", function()
    world.run [[
      local hub = linnet.connect("hub", { auth = { name = "kari", id = "u1" } })
      hub:watch("session", function(new, old) print("session", new.user.name, old) end)
      print(hub.user, hub.session)
      hub:ready()
      linnet.sleep(0.1)
      print(hub.user.id, hub.user.name, hub.session.server.name)
    ]]
    rig.advance(1)
    assert.same({ "nil\tnil", "session\tkari\tnil", "u1\tkari\tlinnet" }, world.said())
    -- A script that comes later knows as well.
    world.run([[ print(linnet.connect("hub").user.name) ]], "later.lua")
    assert.same({ "kari" }, world.said())
  end)

  it("stay down after disconnect, and come back", function()
    world.run [[
      local hub = linnet.connect("hub")
      hub:watch("state", function(new, old) print(new, old) end)
      hub:on("disconnect", function(reason) print("disconnect", reason) end)
      hub:ready()
      hub:disconnect("enough")
      linnet.sleep(60)
      print(hub.state)
      hub:connect()
      hub:ready()
      hub:reconnect()
      hub:ready()
      print(hub.stats.connects, hub.stats.reconnects)
    ]]
    rig.advance(61)
    assert.same({
      "connecting\tidle", "connected\tconnecting", "idle\tconnected", "disconnect\tenough", "idle",
      "connecting\tidle", "connected\tconnecting", "connecting\tconnected",
      "disconnect\tio client disconnect", "connected\tconnecting", "3\t2",
    }, world.said())
  end)

  it("come back by themselves when the server cuts the line", function()
    world.run [[
      local hub = linnet.connect("hub", { reconnection_delay = 1, randomization_factor = 0 })
      hub:on("connect", function(first) print("connect", first) end)
      hub:on("reconnect_attempt", function(n, delay) print("attempt", n, delay) end)
    ]]
    assert.same({ "connect\ttrue" }, world.said())
    rig.drop()
    rig.advance(2)
    assert.same({ "attempt\t1\t1.0", "connect\tfalse" }, world.said())
  end)

  it("tell what is wrong with a target or an option", function()
    local said = world.raises [[ linnet.connect("hbu") ]]
    assert.matches("no connection 'hbu'.*did you mean 'hub'", said)
    for _, address in ipairs { "localhost:3000", "chat.example", "10.0.0.1:80/admin" } do
      assert.equal(("linnet.connect: '%s' has no scheme: write \"http://%s\" or \"https://%s\"")
        :format(address, address, address), world.raises(("linnet.connect(%q)"):format(address)))
    end
    for _, name in ipairs { "school", "http:/x", "a:b", ":80", "/tmp/x.y", "x.y z" } do
      assert.matches("no connection '.*' in linnet%.cfg%.lua, and it is no URL",
        world.raises(("linnet.connect(%q)"):format(name)))
    end
    assert.matches("unknown option 'tiemout' %(did you mean 'timeout'%?%)",
      world.raises [[ linnet.connect("hub", { tiemout = 3 }) ]])
    assert.matches("option 'timeout' must be", world.raises [[ linnet.connect("hub", { timeout = "x" }) ]])
    assert.matches("the target must be a string, not nil", world.raises [[ linnet.connect() ]])
    assert.matches("the options must be a table, not number", world.raises [[ linnet.connect("hub", 5) ]])
    assert.matches("option 'path' must be a table here, not a function",
      world.raises [[ linnet.connect("hub", { path = function() end }) ]])
  end)

  it("take one function for the answer, as the last argument", function()
    assert.equal("conn:emit: a function that takes the answer must be the last argument",
      world.raises [[ linnet.connect("hub"):emit("x", function() end, { n = 1 }) ]])
    assert.matches("a function cannot be JSON", world.raises [[ linnet.connect("hub"):emit("x", { print }) ]])
  end)

  it("name file and line, and the nearest method", function()
    local err = world.fails [[

      local hub = linnet.connect("hub")
      hub:emti("x")
    ]]
    assert.matches("^wrong%.lua:3: no method 'emti' on Conn %(did you mean 'emit'%?%)", err)
    assert.matches("no field 'stat' on Conn %(did you mean 'stat",
      world.fails [[ print(linnet.connect("hub").stat) ]])
    assert.matches("a Conn cannot be changed", world.fails [[ linnet.connect("hub").x = 1 ]])
    assert.matches("call it with ':' on a Conn", world.fails [[ linnet.connect("hub").emit("x") ]])
  end)

  it("are closed with the last script that uses them", function()
    world.run([[ linnet.connect("hub") ]], "one.lua")
    world.run([[ linnet.connect("hub") ]], "two.lua")
    world.run([[
      linnet.every(1, function() print(next(linnet.connections()) or "none") end)
    ]], "three.lua")
    rig.advance(1)
    assert.same({ "hub" }, world.said())
    rig.unload("one.lua")
    rig.advance(1)
    assert.same({ "hub" }, world.said())
    rig.unload("two.lua")
    rig.advance(1)
    assert.same({ "none" }, world.said())
  end)

  it("raise when they are closed", function()
    world.run([[ linnet.connect("hub") ]], "owner.lua")
    world.run([[
      local hub = linnet.connections().hub
      linnet.after(1, function()
        print(hub.state, hub.connected, tostring(hub))
        print(select(2, pcall(hub.emit, hub, "x")))
        print(select(2, pcall(function() return hub.name end)))
      end)
    ]])
    rig.unload("owner.lua")
    rig.advance(1)
    local said = world.said()
    assert.equal("closed\tfalse\tConn (closed)", said[1])
    assert.matches("the connection is closed", said[2])
    assert.matches("the connection is closed", said[3])
  end)

  it("are shared when the options are the same, or when none are given", function()
    world.run([[ linnet.connect("hub", { ack_timeout = 3 }) ]], "one.lua")
    world.run([[ print(linnet.connect("hub", { ack_timeout = 3 }).name) ]], "two.lua")
    world.run([[ print(linnet.connect("hub").name) ]], "three.lua")
    world.run([[ print(linnet.connect("hub", { dialect = "rooms" }).name) ]], "four.lua")
    assert.same({ "hub", "hub", "hub" }, world.said())
  end)

  it("stand beside each other when the options differ, each with its own name and line", function()
    local bot = [[
      local name = linnet.script.name
      local hub = linnet.connect("hub", { auth = { name = name } })
      assert(hub:join("lobby")):on("message", function(msg) print(name, "hears", msg.sender.name) end)
      print(hub.name, hub.user.name)
      linnet.after(1, function() hub:room("lobby"):send("hi") end)
    ]]
    world.run(bot, "ada.lua")
    world.run(bot, "bob.lua")
    rig.advance(0.1)
    assert.same({ "hub\tada", "hub (bob)\tbob" }, world.said())
    rig.advance(1)
    local said = world.said()
    table.sort(said)
    assert.same({ "ada\thears\tbob", "bob\thears\tada" }, said)
    -- Without options: the script's own, or the one that is there.
    world.run([[
      linnet.connect("hub", { auth = { name = "eve" } })
      print(linnet.connect("hub").name)
    ]], "eve.lua")
    world.run([[ print(linnet.connect("hub").name) ]], "any.lua")
    assert.same({ "hub (eve)", "hub" }, world.said())
    -- The last use closes its own line only.
    rig.unload("bob.lua")
    rig.advance(0.1)
    world.run([[ local names = {} for name in pairs(linnet.connections()) do names[#names + 1] = name end
      table.sort(names) print(table.concat(names, ", ")) ]], "look.lua")
    assert.same({ "hub, hub (eve)" }, world.said())
  end)

  it("stand beside each other in one script, too", function()
    world.run([[
      local a = linnet.connect("hub", { auth = { name = "a" } })
      local b = linnet.connect("hub", { auth = { name = "b" } })
      local c = linnet.connect("hub", { auth = { name = "c" } })
      print(a.name, b.name, c.name, linnet.connect("hub", { auth = { name = "b" } }) == b)
      for _, conn in ipairs { a, b, c } do assert(conn:ready()) end
      linnet.sleep(0.1)
      print(a.user.name, b.user.name, c.user.name)
    ]], "many.lua")
    rig.advance(1)
    assert.same({ "hub\thub (many)\thub (many 2)\ttrue", "a\tb\tc" }, world.said())
  end)

  it("are kept over a reload, whichever options the script gives then", function()
    local function bot(name, more)
      return ([[ local linnet = require "linnet"
        local hub = linnet.connect("hub", { auth = { name = "%s" } })
        hub:ready() linnet.sleep(0.1)
        print(hub.name, hub.user.name, hub.stats.connects) %s ]]):format(name, more or "")
    end
    world.run([[ linnet.connect("hub", { auth = { name = "ada" } }) ]], "ada.lua")
    assert.is_true(rig.load("bob.lua", bot("bob")))
    rig.advance(1)
    rig.reload("bob.lua", bot("bob"))
    rig.advance(1)
    rig.reload("bob.lua", bot("rob"))
    rig.advance(1)
    assert.same({ "hub (bob)\tbob\t1", "hub (bob)\tbob\t1", "hub (bob)\trob\t2" }, world.said())
    rig.reload("bob.lua", [[ print(require("linnet").connect("hub").name) ]])
    rig.advance(1)
    assert.same({ "hub" }, world.said())
  end)

  it("are not shared by scripts that have auth functions of their own", function()
    local bot = [[
      local name = linnet.script.name
      local hub = linnet.connect("hub", { auth = function() return { name = name } end })
      hub:on("session", function(s) print(s.user.name) end)
    ]]
    world.run(bot, "ada.lua")
    world.run(bot, "bob.lua")
    assert.same({ "ada", "bob" }, world.said())
  end)

  it("to one URL have names without its secrets, beside each other, too", function()
    world.run(([[
      local url = "ws://kari:pass-word@127.0.0.1:%d/?token=se-cret"
      linnet.connect(url, { ack_timeout = 3 })
      local b = linnet.connect(url, { ack_timeout = 4 })
      print((b.name:gsub("%%d+", "N")))
    ]]):format(rig.port()), "two.lua")
    assert.same({ "ws://N.N.N.N:N/ (two)" }, world.said())
  end)

  it("to an address with a token are not those of the address without it", function()
    local with = ("ws://127.0.0.1:%d/?token=se-cret"):format(rig.port())
    local without = with:gsub("%?.*", "")
    world.run(([[ print((linnet.connect(%q).name:gsub("%%d+", "N"))) ]]):format(with), "one.lua")
    world.run(([[
      local b, a = linnet.connect(%q), linnet.connect(%q)
      print((b.name:gsub("%%d+", "N")))
      print((a.name:gsub("%%d+", "N")))
      print(a ~= b, linnet.connect(%q) == b, linnet.connect(%q) == a)
    ]]):format(without, with, without, with), "two.lua")
    assert.same({ "ws://N.N.N.N:N/", "ws://N.N.N.N:N/ (two)", "ws://N.N.N.N:N/", "true\ttrue\ttrue" },
      world.said())
  end)

  it("get namespaces on the same line", function()
    rig.close()
    rig.open { ["hub.namespaces"] = '["/admin"]' }
    world.run [[
      local hub = linnet.connect("hub")
      local admin = hub:of("/admin")
      assert(admin:ready())
      print(admin.name, admin ~= hub, admin.connected)
    ]]
    assert.same({ "hub/admin\ttrue\ttrue" }, world.said())
    assert.matches("a namespace begins with '/'", world.raises [[ linnet.connect("hub"):of("x") ]])
  end)

  it("keep the last events for those who ask", function()
    world.run [[
      local hub = linnet.connect("hub")
      print(#hub.history)
      hub:ready()
      linnet.sleep(1)
      local h = hub.history
      print(h[1].name, h[1].args[1].server.name, h[1].time > 0)
    ]]
    rig.advance(1)
    assert.same({ "0", "session\tlinnet\ttrue" }, world.said())
  end)

  it("wait until ready, and say why not", function()
    rig.close()
    rig.open(nil, false)
    world.run [[
      local gone = linnet.connect("ws://127.0.0.1:1", { reconnection = false })
      local ok, err = gone:ready()
      print(ok, err.code, tostring(err):match("^the connection gave up") ~= nil)
      local far = linnet.connect("ws://127.0.0.1:2")
      ok, err = far:ready("3s")
      print(ok, err.code)
    ]]
    rig.advance(4)
    assert.same({ "nil\tdisconnected\ttrue", "nil\ttimeout" }, world.said())
  end)

  it("come back once, whatever who hears of it does", function()
    for _, act in ipairs { "reconnect", "disconnect" } do
      world.run(([[
        local hub = linnet.connect("hub", { auth = { name = "kari", id = "u1" } })
        hub:ready()
        local n = 0
        hub:watch("state", function(new)
          n = n + 1
          if n < 5 then hub:%s() end
        end)
        hub:reconnect()
        linnet.sleep(3)
        print(hub.state)
        n = 5
        for _ = 1, 3 do
          hub:reconnect()
          print(assert(hub:ready()).state)
        end
      ]]):format(act))
      rig.advance(5)
      local expected = act == "reconnect" and "connected" or "idle"
      assert.same({ expected, "connected", "connected", "connected" }, world.said())
      rig.unload("spec.lua")
    end
  end)

  describe("auth", function()
    it("is asked at every attempt", function()
      world.run [[
        local hub = linnet.connect("hub", { randomization_factor = 0, auth = function(ctx)
          print("asked", ctx.attempt, ctx.reason)
          linnet.sleep(0.5)
          return { name = "kari", id = "u1" }
        end })
        hub:on("session", function(s) print(s.user.name) end)
      ]]
      rig.advance(1)
      assert.same({ "asked\t1\tfirst", "kari" }, world.said())
      rig.drop()
      rig.advance(5)
      local said = world.said()
      assert.matches("^asked\t%d\treconnect$", said[1])
      assert.equal("kari", said[2])
    end)

    it("that fails is a failed attempt, told with its words", function()
      world.run [[
        local hub = linnet.connect("hub", { reconnection = false, auth = function()
          return nil, "no token today"
        end })
        hub:on("connect_error", function(err) print(err.code, err, err) end)
      ]]
      rig.advance(1)
      local text = "no valid token: the auth function says: no token today" -- an err, which prints as its message
      assert.same({ "unauthorized\t" .. text .. "\t" .. text }, world.said())
    end)

    it("that gives something else after a wait is a failed attempt at once", function()
      for _, result in ipairs { "{ print = print }", "nil, setmetatable({}, { __tostring = error })" } do
        world.run(([[
          local hub = linnet.connect("hub", { reconnection = false, auth = function()
            linnet.sleep(1)
            return %s
          end })
          hub:on("connect_error", function(err) print(err.code, err.message) end)
        ]]):format(result))
        rig.advance(2)
        local said = world.said()
        assert.equal(1, #said)
        assert.matches("^unauthorized\tno valid token: the auth function", said[1])
        rig.unload("spec.lua")
      end
    end)

    it("takes secrets, and never shows them", function()
      rig.env("SPEC_NAME", "kari-the-secret")
      world.run [[
        local hub = linnet.connect("hub", { auth = { name = linnet.secret("SPEC_NAME") } })
        hub:ready()
        linnet.sleep(1)
        print(#hub.user.name)
      ]]
      rig.advance(1)
      rig.env("SPEC_NAME")
      assert.same({ "15" }, world.said())
    end)
  end)
end)
