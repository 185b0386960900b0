-- SPDX-License-Identifier: MIT
-- linnet.hub: handlers on the server's side, who may connect, broadcasts.

local world = require "world"

describe("the hub", function()
  before_each(world.open)
  after_each(world.close)

  local function client(text, name)
    world.run(([[ local chat = linnet.connect("ws://127.0.0.1:%d/%s", { auth = { name = "kari", id = "u2" } })
      %s ]]):format(rig.port(), "", text), name or "client.lua")
  end

  it("answers by what a handler returns, or by its last argument", function()
    world.run [[
      local hub = linnet.hub()
      hub:on("add", function(client, a, b) linnet.sleep(1) return a + b end)
      hub:on("later", function(client, answer) linnet.after(1, function() answer("x", 2) end) end)
      hub:on("both", function(client, answer) answer("first") return "second" end)
      hub:on("broken", function() error("oh") end)
    ]]
    client [[
      print(chat:emit_with_ack("add", 1, 2))
      print(chat:emit_with_ack("later"))
      print(chat:emit_with_ack("both"))
      local reply = chat:emit_with_ack("broken")
      print(reply.ok, reply.error.code, reply.error.message)
      chat:emit("add", 1, 2)
    ]]
    rig.advance(5)
    assert.same({ "3", "x\t2", "first", "false\trefused\tthe handler failed" }, world.said())
    assert.matches("oh", world.errors()[1])
  end)

  it("tells of clients that come and go", function()
    world.run [[
      local hub = linnet.hub()
      hub:on("connect", function(client) print("connect", client.user.name, client.connected) end)
      hub:on("disconnect", function(client, reason) print("disconnect", type(reason)) end)
    ]]
    client [[ ]]
    rig.unload("client.lua")
    rig.advance(5)
    assert.same({ "connect\tkari\ttrue", "disconnect\tstring" }, world.said())
  end)

  it("knows its clients and rooms", function()
    world.run [[
      local hub = linnet.hub()
      hub:on("look", function(client)
        local all = hub:clients()
        print(#all, all[1] == client, client.id ~= "", client.namespace, client.user.id, client.ip, client.protocol)
        print(#hub:clients { protocol = "socketio" }, #hub:clients { protocol = "ws" },
          #hub:clients(function(c) return c.user.name == "kari" end))
        print(client:join("r1"), client:join("r2"), hub:rooms().r1, #client.rooms, client.uptime)
        print(client:leave("r1"), hub:rooms().r1)
        local ok, err = client:leave("r1")
        print(ok, err.code)
        print(hub.port > 0)
        return true
      end)
    ]]
    client [[ chat:emit_with_ack("look") ]]
    assert.same({
      "1\ttrue\ttrue\t/\tu2\t127.0.0.1\tsocketio", "1\t0\t1", "true\ttrue\t1\t2\t0.0", "true\tnil",
      "nil\tnot_found", "true",
    }, world.said())
  end)

  it("knows the rooms of clients in other namespaces", function()
    rig.close()
    rig.open { ["hub.namespaces"] = '["/admin"]' }
    world.run [[
      local hub = linnet.hub()
      hub:on("look", function(client)
        client:join("den")
        client:join("attic")
        local rooms = client.rooms
        table.sort(rooms)
        print(client.namespace, table.concat(rooms, " "))
        return true
      end, { namespace = "/admin" })
      hub:on("look", function(client)
        client:join("den")
        print(client.namespace, table.concat(client.rooms, " "))
        return true
      end)
    ]]
    world.run(([[
      print(linnet.connect("ws://127.0.0.1:%d/admin"):emit_with_ack("look"))
      print(linnet.connect("ws://127.0.0.1:%d/"):emit_with_ack("look"))
    ]]):format(rig.port(), rig.port()), "client.lua")
    assert.same({ "/admin\tattic den", "true", "/\tden", "true" }, world.said())
  end)

  it("speaks to rooms, to all, and to one", function()
    world.run [[
      local hub = linnet.hub()
      hub:on("go", function(client)
        client:join("r")
        print(hub:to("r"):emit("m", "room"), hub:to("r", { except = client }):emit("m", "others"))
        print(hub:emit("m", "all"), hub:to("nobody"):emit("m"))
        print(client:emit("m", "one"))
        print(client:emit_with_ack("q", 1))
        client:disconnect()
        linnet.sleep(1)
        print(client.connected, client.user)
        local ok, err = client:emit("m")
        print(ok, err.code, select(2, client:emit_with_ack("m")).code)
      end)
    ]]
    client [[
      chat:on("m", function(what) print("got", what) end)
      chat:on("q", function(n, answer) answer(n + 1) end)
      chat:emit("go")
    ]]
    rig.advance(2)
    local said = world.said()
    table.sort(said)
    assert.same({
      "1\t0", "1\t0", "2", "false\tnil", "got\tall", "got\tone", "got\troom",
      "nil\tdisconnected\tdisconnected", "true",
    }, said)
    world.logged("warn")
  end)

  it("refuses at once, whatever the reason is made of", function()
    world.run [[
      linnet.hub():use(function()
        linnet.sleep(1)
        return nil, setmetatable({}, { __tostring = error, __index = error })
      end)
    ]]
    client [[ chat:on("connect_error", function(err) print(err.message) end) ]]
    rig.advance(2)
    assert.same({ "refused" }, world.said())
  end)

  it("closes on arguments that are no JSON", function()
    world.run [[
      local hub = linnet.hub()
      hub:on("heard", function(_, x) print("heard", x) return x end)
      hub:on("disconnect", function(_, why) print(why) end)
    ]]
    for _, args in ipairs { "{]", "[1,]", "1 2", "nul" } do
      local line = rig.dial()
      rig.say(line, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n"
        .. "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        .. "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
      local function frame(text) -- masked with zeros
        return rig.say(line, "\x81" .. string.char(128 + #text) .. "\0\0\0\0" .. text)
      end
      assert.matches('40{"sid"', (frame "40"))
      assert.matches("430%[1%]", (frame '420["heard",1]'))
      frame('42["unheard",' .. args .. "]") -- nobody looks at it
      assert.same({ "heard\t1" }, world.said())
      frame('421["heard",' .. args .. "]")
      assert.same({ "error" }, world.said())
      rig.hang_up(line)
    end
  end)

  it("knows who has gone", function()
    world.run [[
      local hub = linnet.hub()
      local id
      hub:on("connect", function(client) id = client.id end)
      hub:on("disconnect", function(client)
        print(client.user.name, client.user.id, client.id == id, client.protocol, client.connected, #client.rooms)
        print(client:emit("x"))
        linnet.sleep(1)
        print(client.user, client.id)
      end)
    ]]
    client [[ assert(chat:join("lobby")) chat:disconnect() ]]
    rig.advance(1)
    assert.same({ "kari\tu2\ttrue\tsocketio\tfalse\t0", "nil\tthe client is gone", "nil\tnil" },
      world.said())
  end)

  it("lets in who may come", function()
    world.run [[
      local hub = linnet.hub()
      hub:use(function(client, auth)
        linnet.sleep(1)
        print(client.namespace, type(client.headers), auth.name)
        if auth.name ~= "kari" then return nil, { message = "who?", data = { hint = "kari" } } end
        return true
      end)
      local h = hub:use(function() return nil, "closed" end)
      linnet.after(5, function() h:cancel() end)
    ]]
    client [[
      chat:on("connect_error", function(err) print(err.message) end)
      chat:on("connect", function() print("in") end)
      linnet.sleep(6)
      chat:connect()
    ]]
    world.run(([[
      local other = linnet.connect("ws://localhost:%d", { auth = { name = "mallory" } })
      other:on("connect_error", function(err) print(err.code, err.message, err.data and err.data.hint) end)
    ]]):format(rig.port()), "other.lua")
    rig.advance(20)
    local said = table.concat(world.said(), "\n")
    assert.matches("^/\ttable\tkari\n", said)
    assert.matches("\nclosed\n", said)
    assert.matches("who%?\tkari", said)
    assert.matches("in$", said)
    world.logged("warn")
  end)

  it("hears a namespace of its own", function()
    rig.close()
    rig.open { ["hub.namespaces"] = '["/admin"]' }
    world.run [[
      local hub = linnet.hub()
      hub:on("x", function(client) print("main") end)
      hub:on("x", function(client) print("admin", client.namespace) end, { namespace = "/admin" })
    ]]
    client [[ chat:of("/admin"):emit("x") ]]
    assert.same({ "admin\t/admin" }, world.said())
  end)

  it("is opened by the first script that asks, when none runs", function()
    rig.close()
    rig.open(nil, false)
    world.run [[
      local hub = linnet.hub { port = 0, history = 5, leave_grace = "1s" }
      print(hub.port > 0, linnet.hub().port == hub.port)
      local chat = linnet.connect("hub")
      print(chat:ready() == chat)
    ]]
    assert.same({ "true\ttrue", "true" }, world.said())
    assert.equal("linnet.hub: unknown option 'prot' (did you mean 'port'?)",
      world.raises [[ linnet.hub { prot = 1 } ]])
  end)

  it("forgets the options of a hub that could not be opened", function()
    rig.close()
    rig.open(nil, false)
    world.run [[
      local raises = function(opts) print((select(2, pcall(linnet.hub, opts)))) end
      raises { port = 70000, history = 5 }
      raises { ping_timeout = "soon" }
      raises { port = 0, host = "no address" }
      raises { port = 0, transports = { "polling", "tape" } }
      raises { port = 0, recovery = "soon" }
      local hub = linnet.hub { port = 0 }
      print(hub.port > 0)
    ]]
    local said = world.said()
    assert.matches("option 'hub.port' must be a whole number from 0 to 65535, not 70000", said[1])
    assert.matches("option 'hub.ping_timeout' must be a duration", said[2])
    assert.matches("linnet%.hub: .*no address", said[3])
    assert.matches('hub.transports is a list of "polling" and "websocket"', said[4])
    assert.matches("option 'hub.recovery' must be a duration", said[5])
    assert.equal("true", said[#said])
  end)

  it("asks one client so many things and no more", function()
    world.run [[
      local hub = linnet.hub()
      hub:on("go", function(client)
        local codes = {}
        for i = 1, 2000 do
          linnet.spawn(function()
            local _, err = client:emit_with_ack("never", i)
            codes[err.code] = (codes[err.code] or 0) + 1
          end)
        end
        linnet.sleep(20)
        print(codes.full > 0, codes.timeout > 0, codes.full + codes.timeout)
      end)
    ]]
    client [[ chat:emit("go") ]]
    rig.advance(25)
    local said = world.said()
    assert.equal("true\ttrue\t2000", said[1])
  end)

  it("sends no more binary values at once than clients take", function()
    world.run [[
      local hub = linnet.hub()
      local many = {}
      for i = 1, 11 do many[i] = linnet.binary("\0") end
      hub:on("go", function(client)
        for name, call in pairs {
          ["hub:emit"] = function() return hub:emit("x", many) end,
          ["target:emit"] = function() return hub:to("room"):emit("x", many) end,
          ["client:emit"] = function() return client:emit("x", many) end,
          ["client:emit_with_ack"] = function() return client:emit_with_ack("x", many) end,
        } do
          local ok, err = pcall(call)
          local words = name .. ": 11 binary values in one event: peers take at most 10"
          assert(not ok and tostring(err):find(words, 1, true), err)
        end
        return many
      end)
    ]]
    client [[
      local reply = chat:emit_with_ack("go")
      print(reply.ok, reply.error.code)
    ]]
    rig.advance(1)
    assert.same({ "false\trefused" }, world.said())
    assert.matches("the answer: 11 binary values in one event", world.errors()[1])
  end)

  it("asks with bytes, and gets some back", function()
    world.run [[
      linnet.hub():on("go", function(client)
        print(client:emit_with_ack("q", linnet.binary("\1\2\0")) == "\2\0\1")
      end)
    ]]
    client [[
      chat:on("q", function(bytes, answer) answer(linnet.binary(bytes:sub(2) .. bytes:sub(1, 1))) end)
      chat:emit("go")
    ]]
    rig.advance(5)
    assert.same({ "true" }, world.said())
  end)

  it("one handler serves namespaces by a pattern; options that open them", function()
    rig.close()
    rig.open(nil, false)
    world.run [[
      local hub = linnet.hub { port = 0, namespaces = { "/school-*" }, path = "/live", transports = { "websocket" },
        recovery = "1m", cors = false }
      hub:on("hi", function(client, ...)
        print(client.namespace, client.recovered)
        return "answer"
      end, { namespace = "/school-*" })
      local chat = linnet.connect("ws://127.0.0.1:" .. hub.port .. "/school-7", { path = "/live" })
      print(chat:emit_with_ack("hi"))
    ]]
    rig.advance(5)
    assert.same({ "/school-7\tfalse", "answer" }, world.said())
  end)

  it("misuse raises with names", function()
    assert.matches("no method 'emti' on Hub %(did you mean 'emit'", world.raises [[ linnet.hub():emti() ]])
    assert.matches("hub:on: the handler must be a function", world.raises [[ linnet.hub():on("x") ]])
    assert.matches("unknown option 'nsp'", world.raises [[ linnet.hub():on("x", print, { nsp = "/" }) ]])
    assert.matches("hub:use: the function must be", world.raises [[ linnet.hub():use(1) ]])
    assert.matches("hub:to: the room must be", world.raises [[ linnet.hub():to() ]])
    assert.matches("hub:clients: the condition must be", world.raises [[ linnet.hub():clients(1) ]])
    assert.matches("no method 'emitt' on Target", world.raises [[ linnet.hub():to("x"):emitt() ]])
  end)
end)
