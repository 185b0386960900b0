-- SPDX-License-Identifier: MIT
-- Listeners, modes, acknowledgements, waiting for events, emits and the outbox.

local world = require "world"

-- A second script plays the server: `say` in the hub's room reaches every client.
local server = [[
  local hub = linnet.hub()
  hub:on("say", function(client, event, ...) client:emit(event, ...) end)
  hub:on("burst", function(client, event, n) for i = 1, n do client:emit(event, i) end end)
  hub:on("ask", function(client, event, ...)
    local reply, err = client:emit_with_ack(event, ...)
    print("answer", reply and linnet.inspect(reply) or err.code)
  end)
  hub:on("echo", function(_, a, b) if type(b) == "function" then return a end return a, b end)
  hub:on("file", function(client) client:emit("file", { data = linnet.binary("\0\1\2\255") }) end)
  hub:on("late", function(_, s, answer) linnet.sleep(s) answer("late") answer("twice") end)
  hub:on("void", function(_, answer) answer() end)
  hub:on("null", function() return linnet.null end)
  hub:on("mute", function() end)
]]

describe("events", function()
  before_each(function()
    world.open()
    world.run(server, "server.lua")
  end)
  after_each(world.close)

  local chat = [[
 local chat = linnet.connect("hub", { ack_timeout = 5 }) chat:ready() ]]

  it("reach handlers with their arguments, in order", function()
    world.run(chat .. [[
      chat:on("news", function(a, b, c) print("1", a.x[2], b == linnet.null, c) end)
      chat:on("news", function(a, ...) print("2", a.x[1], select("#", ...)) end)
      chat:emit("say", "news", { x = { 7, 9007199254740993 } }, linnet.null, false)
    ]])
    assert.same({ "1\t9007199254740993\ttrue\tfalse", "2\t7\t2" }, world.said())
  end)

  it("are decoded once for all listeners of a script", function()
    world.run(chat .. [[
      local first
      chat:on("news", function(a) first = a end)
      chat:on("news", function(a) print(a == first) end)
      chat:on_any(function(name, a) if name == "news" then print("any", a ~= nil) end end)
      chat:emit("say", "news", { 1 })
    ]])
    assert.same({ "any\ttrue", "true" }, world.said())
  end)

  it("once, off, and handles", function()
    world.run(chat .. [[
      local function f(x) print("f", x) end
      local h = chat:once("a", f)
      chat:on("a", f)
      chat:on("b", f)
      local g = chat:on("b", function() print("g") end)
      chat:emit("say", "a", 1) chat:emit("say", "a", 2)
      linnet.sleep(1)
      print(h.active, chat:off("a", f), chat:off("a"), chat:off("b", f), g.active)
      chat:emit("say", "a", 3) chat:emit("say", "b", 4)
      linnet.sleep(1)
      chat:on("c", f, { once = true })
      chat:emit("say", "c", 5) chat:emit("say", "c", 6)
      linnet.sleep(1)
      print(chat:off())
    ]])
    rig.advance(4)
    assert.same({ "f\t1", "f\t1", "f\t2", "false\t1\t0\t1\ttrue", "g", "f\t5", "1" }, world.said())
  end)

  it("pass a condition or a room", function()
    world.run(chat .. [[
      chat:on("m", function(d) print("where", d.n) end, { where = function(d) return d.n > 1 end })
      chat:on("m", function(d) print("room", d.n) end, { room = "lobby" })
      chat:emit("say", "m", { n = 1, room = "lobby" })
      chat:emit("say", "m", { n = 2, room_id = "lobby" })
      chat:emit("say", "m", { n = 3, room = "attic" })
      chat:emit("say", "m", { n = 4 })
    ]])
    assert.same({ "room\t1", "where\t2", "room\t2", "where\t3", "where\t4" }, world.said())
  end)

  it("outgoing ones can be seen", function()
    world.run(chat .. [[
      chat:on_any_outgoing(function(name, a) print("out", name, a) end)
      chat:emit("mute", 1)
    ]])
    assert.same({ "out\tmute\t1" }, world.said())
  end)

  it("tell about themselves", function()
    world.run(chat .. [[
      print(linnet.event())
      chat:on("m", function()
        local e = linnet.event()
        linnet.sleep(1)
        local later = linnet.event()
        print(e.name, e.conn == chat, e.room, e.time > 0, later.id == e.id, later.room)
      end)
      chat:emit("say", "m", { room = "lobby" })
    ]])
    rig.advance(1)
    assert.same({ "nil", "m\ttrue\tlobby\ttrue\ttrue\tlobby" }, world.said())
  end)

  it("a failing handler stops nobody, and is logged with its place", function()
    world.run(chat .. [[
      chat:on("m", function() error("first") end)
      chat:on("m", function() print("second") end)
      chat:emit("say", "m")
    ]])
    assert.same({ "second" }, world.said())
    local errors = world.errors()
    assert.equal(1, #errors)
    assert.matches("^spec%.lua:1: first\n  in handler 'm'\n", errors[1])
  end)

  it("handlers may end what called them", function()
    world.run(chat .. [[
      local h
      h = chat:on("m", function() print(h:cancel(), h.active) end)
      chat:on("m", function() chat:off() print("off") end)
      chat:on("m", function() print("never") end)
      chat:on("d", function() chat:disconnect() print(chat.state) end)
      chat:emit("say", "m") chat:emit("say", "m")
      linnet.sleep(1)
      chat:on("d", function() chat:disconnect() print(chat.state) end)
      chat:emit("say", "d")
      linnet.sleep(1)
      print(chat.connected, chat:off())
    ]])
    rig.advance(3)
    assert.same({ "true\tfalse", "off", "idle", "false\t1" }, world.said())
  end)

  it("emitted by handlers of emits end at a depth", function()
    world.run(chat .. [[
      local n = 0
      chat:on_any_outgoing(function() n = n + 1 chat:emit("mute", n) end)
      print(chat:emit("mute", 0), n)
    ]])
    assert.same({ "true\t32" }, world.said())
    assert.matches("32 events deep", world.errors()[1])
  end)

  describe("modes", function()
    local function run(opts)
      world.run(chat .. ([[
        chat:on("n", function(i)
          local d = type(i) == "table" and i or { i = i }
          print("begin", d.i)
          linnet.sleep(1)
          print("end", d.i)
        end, %s)
      ]]):format(opts))
    end
    local function emit(text)
      world.run(([[ local chat = linnet.connect("hub", { ack_timeout = 5 }) %s ]]):format(text), "emit.lua")
    end

    it("parallel", function()
      run("nil")
      emit [[ chat:emit("burst", "n", 3) ]]
      rig.advance(2)
      assert.same({ "begin\t1", "begin\t2", "begin\t3", "end\t1", "end\t2", "end\t3" }, world.said())
    end)
    it("queued", function()
      run('{ mode = "queued" }')
      emit [[ chat:emit("burst", "n", 3) ]]
      rig.advance(4)
      assert.same({ "begin\t1", "end\t1", "begin\t2", "end\t2", "begin\t3", "end\t3" }, world.said())
      assert.is_nil(rig.counts("spec.lua").call)
    end)
    it("queued by a key", function()
      run('{ mode = "queued", key = "room" }')
      emit [[
        chat:emit("say", "n", { i = 1, room = "a" })
        chat:emit("say", "n", { i = 2, room = "b" })
        chat:emit("say", "n", { i = 3, room = "a" })
      ]]
      rig.advance(3)
      assert.same({ "begin\t1", "begin\t2", "end\t1", "end\t2", "begin\t3", "end\t3" }, world.said())
    end)
    it("queued by a key that a function finds", function()
      run('{ mode = "queued", key = function(i) return i % 2 end }')
      emit [[ chat:emit("burst", "n", 3) ]]
      rig.advance(3)
      assert.same({ "begin\t1", "begin\t2", "end\t1", "end\t2", "begin\t3", "end\t3" }, world.said())
    end)
    it("restart", function()
      run('{ mode = "restart" }')
      emit [[ chat:emit("burst", "n", 3) ]]
      rig.advance(2)
      assert.same({ "begin\t1", "begin\t2", "begin\t3", "end\t3" }, world.said())
    end)
    it("single", function()
      run('{ mode = "single" }')
      emit [[ chat:emit("burst", "n", 3) ]]
      rig.advance(2)
      assert.same({ "begin\t1", "end\t1" }, world.said())
    end)
    it("queued keeps at most 1000, and says that it drops", function()
      world.run(chat .. [[
        local n = 0
        chat:on("n", function() n = n + 1 linnet.sleep(0.01) end, { mode = "queued" })
        linnet.after(60, function() print(n) end)
      ]])
      emit [[ for _ = 1, 12 do chat:emit("burst", "n", 100) linnet.sleep(0) end ]]
      rig.advance(70)
      local n = tonumber(world.said()[1])
      assert.is_true(n >= 1001 and n < 1200, n)
      local warnings = world.logged("warn")
      assert.matches("n: 1000 events wait for the handler at spec%.lua:%d+; the newest are dropped", warnings[1])
      assert.equal(1, #warnings)
    end)
    it("end with a cancelled handle", function()
      world.run(chat .. [[
        local h
        h = chat:on("n", function(i) print(i) h:cancel() linnet.sleep(1) print("done") end, { mode = "queued" })
      ]])
      emit [[ chat:emit("burst", "n", 3) ]]
      rig.advance(3)
      assert.same({ "1", "done" }, world.said())
      assert.is_nil(rig.counts("spec.lua").call)
    end)
  end)

  it("that are no JSON reach no handler", function()
    world.run(chat .. [[
      chat:on("m", function(...) print("m", ...) end)
      chat:on("q", function(...) print("q", ...) end, { mode = "queued" })
      chat:on_any(function(...) print("any", ...) end)
      print(chat:wait_for("w"))
    ]])
    for _, args in ipairs { "{", "[1,]", "\"a", "1 2", "{\"a\":\1}", "nul", "1,,2" } do
      assert.equal("protocol", rig.event("hub", "m", args))
      assert.equal("protocol", rig.event("hub", "q", args))
      assert.equal("protocol", rig.event("hub", "w", args))
    end
    assert.same({}, world.said())
    assert.equal("ok", rig.event("hub", "w", "[1],2"))
    assert.equal("ok", rig.event("hub", "q", ""))
    local said = world.said()
    assert.equal(4, #said)
    assert.equal("q", said[4])
  end)

  it("can be waited for", function()
    world.run(chat .. [[
      linnet.after(1, function()
        chat:emit("say", "m", { n = 1, room = "x" })
        chat:emit("say", "m", { n = 2, room = "y" }, "more")
      end)
      print("got", chat:wait_for("m", { where = function(d) return d.n == 2 end }))
      linnet.after(1, function() chat:emit("say", "m", { n = 3, room = "x" }) end)
      print(chat:wait_for("m", { room = "x", timeout = "5s" }).n)
      local ok, err = chat:wait_for("never", { timeout = 2 })
      print(ok, err.code)
      ok, err = chat:wait_for("m", { timeout = 3, where = function() error("in where") end })
      print(ok, err)
    ]])
    rig.advance(4)
    world.run([[ linnet.connect("hub", { ack_timeout = 5 }):emit("say", "m", 1) ]], "emit.lua")
    rig.advance(1)
    local said = world.said()
    assert.matches("^got\t{ .*n = 2.* }\tmore$", said[1])
    assert.equal("3", said[2])
    assert.equal("nil\ttimeout", said[3])
    assert.equal(4, #said)
    assert.matches("^nil\t.*in where", said[4])
    assert.equal(0, rig.counts("spec.lua").listener or 0)
  end)

  it("wait for nothing that is left behind", function()
    world.run(chat .. [[
      for _ = 1, 20 do linnet.spawn(function() chat:wait_for("never", { timeout = 10 }) end) end
    ]])
    assert.equal(20, rig.counts("spec.lua").listener)
    rig.advance(11)
    assert.equal(0, rig.counts("spec.lua").listener or 0)
    world.run(chat .. [[ chat:wait_for("never") ]], "other.lua")
    rig.unload("other.lua")
    assert.equal(0, rig.counts("other.lua").items)
  end)

  it("misuse raises with names", function()
    local at = [[ local chat = linnet.connect("hub", { ack_timeout = 5 }) ]]
    assert.equal("conn:on: the handler must be a function, not nil", world.raises(at .. [[ chat:on("x") ]]))
    assert.equal("conn:on: the event must be a string, not function", world.raises(at .. [[ chat:on(print) ]]))
    assert.matches("unknown option 'wehre' %(did you mean 'where'%?%)",
      world.raises(at .. [[ chat:on("x", print, { wehre = print }) ]]))
    assert.matches("unknown mode 'singel' %(did you mean 'single'%?%)",
      world.raises(at .. [[ chat:on("x", print, { mode = "singel" }) ]]))
    assert.matches("option 'key' needs a mode", world.raises(at .. [[ chat:on("x", print, { key = "room" }) ]]))
    assert.matches("conn:once: the handler", world.raises(at .. [[ chat:once("x", 1) ]]))
    assert.matches("conn:on_any: the handler", world.raises(at .. [[ chat:on_any() ]]))
    assert.matches("conn:off: the handler", world.raises(at .. [[ chat:off("x", 1) ]]))
    assert.matches("unknown option 'timout' %(did you mean 'timeout'",
      world.raises(at .. [[ chat:wait_for("x", { timout = 1 }) ]]))
    assert.matches("unknown field 'stat' %(did you mean 'state'", world.raises(at .. [[ chat:watch("stat", print) ]]))
    assert.matches("cannot wait inside", world.raises(at .. [[
      table.sort({ 1, 2, 3 }, function(a, b) linnet.sleep(1) return a < b end) ]]))
  end)

  describe("acknowledgements", function()
    it("are waited for", function()
      world.run(chat .. [[
        print(chat:emit_with_ack("echo", 1, "two"))
        print(chat:emit_with_ack("void"))
        print(chat:emit_with_ack("null") == linnet.null)
        print(chat:emit_with_ack("late", 1))
        local ok, err = chat:emit_with_ack("mute")
        print(ok, err.code)
        ok, err = chat:timeout(1):emit_with_ack("late", 3)
        print(ok, err.code)
        print(chat.rtt ~= nil)
      ]])
      rig.advance(20)
      assert.same({ "1\ttwo", "true", "true", "late", "nil\ttimeout", "nil\ttimeout", "true" }, world.said())
    end)

    it("come to a function", function()
      world.run(chat .. [[
        print(chat:emit("echo", 5, function(...) print("ack", ...) linnet.sleep(1) print("slept") end))
        chat:timeout("2s"):emit("mute", function(ok, err) print(ok, err.code) end)
      ]])
      rig.advance(3)
      assert.same({ "true", "ack\t5", "slept", "nil\ttimeout" }, world.said())
      assert.is_nil(rig.counts("spec.lua").acknowledgement)
    end)

    it("are given by the last argument, once, now or later", function()
      world.run(chat .. [[
        chat:on("q", function(a, answer) answer(a + 1) answer("again") end)
        chat:on("r", function(answer) linnet.sleep(2) answer({ ok = true }) end)
        chat:emit("ask", "q", 1)
        chat:emit("ask", "r")
      ]])
      rig.advance(3)
      assert.same({ "answer\t2", "answer\t{ ok = true }" }, world.said())
    end)

    it("end when the line is lost", function()
      world.run(chat .. [[
        linnet.after(1, function() chat:disconnect() end)
        local ok, err = chat:emit_with_ack("mute")
        print(ok, err.code)
      ]])
      rig.advance(2)
      assert.same({ "nil\tdisconnected" }, world.said())
    end)
  end)

  describe("emits", function()
    it("refuse what cannot be sent, before anything is sent", function()
      assert.matches("conn:emit: .*function", world.raises(chat .. [[ chat:emit("x", print, 1) ]]))
      assert.matches("conn:emit", world.raises(chat .. [[ local t = {} t.t = t chat:emit("x", t) ]]))
      rig.env("SPEC_SECRET", "hidden-value")
      assert.matches("conn:emit", world.raises(chat .. [[ chat:emit("x", { linnet.secret("SPEC_SECRET") }) ]]))
      rig.env("SPEC_SECRET")
      assert.matches("the event must be a string", world.raises(chat .. [[ chat:emit(nil) ]]))
    end)

    it("have names that are not the connection's own", function()
      local reserved = { "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener" }
      for _, name in ipairs(reserved) do
        assert.equal(('conn:emit: "%s" is a reserved event name: it is the connection\'s own'):format(name),
          world.raises(chat .. ("chat:emit(%q, 1)"):format(name)))
      end
      local hub = chat .. "local hub = linnet.hub() local client = hub:clients()[1] "
      for call, code in pairs {
        ["conn:emit_with_ack"] = chat .. 'chat:emit_with_ack("connect")',
        ["conn:emit"] = chat .. 'chat:volatile():emit("connect")',
        ["room:emit"] = chat .. 'chat:room("lobby"):emit("connect", {})',
        ["room:emit_with_ack"] = chat .. 'chat:room("lobby"):emit_with_ack("connect", {})',
        ["hub:emit"] = hub .. 'hub:emit("disconnect")',
        ["target:emit"] = hub .. 'hub:to("lobby"):emit("disconnect")',
        ["client:emit"] = hub .. 'client:emit("disconnect")',
        ["client:emit_with_ack"] = hub .. 'client:emit_with_ack("disconnect")',
      } do
        assert.matches("^" .. call .. ': "%l+" is a reserved event name', world.raises(code))
      end
      local place = "local linnet = require 'linnet'\nlocal chat = linnet.connect('hub')\nchat:emit('connect')"
      local ok, err = rig.load("place.lua", place)
      assert.is_false(ok)
      assert.matches("^place%.lua:3: conn:emit: ", err)
    end)

    it("are answered with no more binary values than peers take", function()
      world.run(chat .. [[
        local many = {}
        for i = 1, 11 do many[i] = linnet.binary("\0") end
        chat:on("q", function(answer)
          print(select(2, pcall(answer, many)))
          answer("after all")
        end)
        chat:emit("ask", "q")
      ]])
      rig.advance(1)
      local said = world.said()
      assert.matches("the answer: 11 binary values in one event: peers take at most 10$", said[1])
      assert.equal('answer\t"after all"', said[2])
    end)

    it("carry binary both ways", function()
      world.run(chat .. [[
        chat:on("file", function(d) print(#d.data, d.data == "\0\1\2\255") end)
        chat:emit("file")
        chat:on_any_outgoing(function(name, d) print(name, #d) end)
        chat:emit("mute", linnet.binary("\0\1"))
      ]])
      assert.same({ "mute\t2", "4\ttrue" }, world.said())
    end)

    it("leave what is sent as it was", function()
      world.run(chat .. [[
        local bytes = linnet.binary("\1\2")
        local data = { a = { bytes, { b = bytes, none = linnet.null } }, list = linnet.array(), n = 1 << 60 }
        local before = linnet.inspect(data)
        local back = chat:emit_with_ack("echo", data)
        print(linnet.inspect(data) == before, data.a[1] == bytes, data.a[2].none == linnet.null)
        print(back.a[1] == "\1\2", back.a[2].b == "\1\2", back.a[2].none == linnet.null, #back.list, back.n == 1 << 60)
      ]])
      rig.settle()
      assert.same({ "true\ttrue\ttrue", "true\ttrue\ttrue\t0\ttrue" }, world.said())
    end)

    it("carry every text, by either transport", function()
      for _, transport in ipairs { "websocket", "polling" } do
        world.run(([[
          local chat = linnet.connect("ws://127.0.0.1:%d/", { transports = { %q } })
          chat:ready()
          local texts = { "てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "😀 👩‍👩‍👧",
            "\0\30\31\127", "\u{FFFF}\u{10FFFF}", "" }
          local good = 0
          for _, text in ipairs(texts) do
            if chat:emit_with_ack("echo", text) == text then good = good + 1 end
            local bytes = chat:emit_with_ack("echo", linnet.binary(text))
            if bytes == text then good = good + 1 end
          end
          print(chat.transport, good)
        ]]):format(rig.port(), transport), transport .. ".lua")
        rig.advance(1)
        assert.same({ transport .. "\t16" }, world.said())
      end
    end)

    it("send one message", function()
      world.run(chat .. [[
        chat:on_any_outgoing(function(name, d) print(name, d) end)
        chat:send("text")
      ]])
      assert.same({ "message\ttext" }, world.said())
      assert.matches("the data must be a value", world.raises(chat .. [[ chat:send() ]]))
    end)

    it("wait in the outbox while the line is down", function()
      world.run [[
        local chat = linnet.connect("hub", { autoconnect = false })
        print(chat:emit("echo", 1), chat:emit("mute", { a = 2 }), chat.outbox.size)
        linnet.sleep(2)
        local list = chat.outbox:list()
        print(list[1].name, list[1].args[1], list[2].name, list[2].args[1].a, list[1].age)
        print(chat.outbox:clear(function(m) return m.name == "mute" end), chat.outbox.size)
        print(chat:volatile():emit("lost"))
        print(chat.outbox:clear(), chat.outbox.size)
      ]]
      rig.advance(3)
      local said = world.said()
      assert.equal("true\ttrue\t2", said[1])
      assert.equal("echo\t1\tmute\t2\t2.0", said[2])
      assert.equal("1\t1", said[3])
      assert.matches("^nil\t", said[4])
      assert.equal("1\t0", said[5])
    end)
  end)
end)
