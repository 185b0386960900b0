-- SPDX-License-Identifier: MIT
-- plugins/phoenix.lua against a small server that speaks Phoenix Channels, on the fake clock.

local world = require "world"
local json = require "cjson"

local null, port = json.null, nil
local server -- lines = { {topics = {topic = join_ref}} }, got = { frames as text }, mute, refuse

local function install(name)
  local f <close> = assert(io.open(rig.dir .. "/../../plugins/" .. name))
  rig.write("plugins/" .. name, f:read("a"))
end

local function empty(t) return next(t) == nil and json.decode "{}" or t end

local function push(line, join_ref, ref, topic, event, payload)
  rig.tell(line, json.encode { join_ref, ref, topic, event, empty(payload) })
end

local function reply(line, frame, status, response)
  push(line, frame[1], frame[2], frame[3], "phx_reply", { status = status, response = empty(response) })
end

local events = {
  phx_join = function(line, frame)
    local topic, payload = frame[3], frame[5]
    if server.refuse then return reply(line, frame, "error", { reason = server.refuse }) end
    local old = server.lines[line].topics[topic]
    if old then push(line, old, old, topic, "phx_close", {}) end -- as Phoenix does for a second join
    server.lines[line].topics[topic] = frame[1]
    reply(line, frame, "ok", { hello = payload.nick })
  end,
  phx_leave = function(line, frame)
    reply(line, frame, "ok", {})
    push(line, frame[1], frame[1], frame[3], "phx_close", {})
    server.lines[line].topics[frame[3]] = nil
  end,
  heartbeat = function(line, frame) reply(line, frame, "ok", {}) end,
  echo = function(line, frame) reply(line, frame, "ok", frame[5]) end,
  fail = function(line, frame) reply(line, frame, "error", { reason = "no" }) end,
}

local function serve()
  server = { lines = {}, got = {}, opened = {} }
  port = rig.serve(function(what, line, data)
    if what == "open" then
      server.lines[line] = { topics = {} }
      server.opened[#server.opened + 1] = data
      server.last = line
    elseif what == "text" then
      local frame = json.decode(data)
      server.got[#server.got + 1] = ("%s %s"):format(frame[3], frame[4])
      if not server.mute and events[frame[4]] then events[frame[4]](line, frame) end
    end
  end)
end

local function broadcast(topic, event, payload) push(server.last, null, null, topic, event, payload) end

local function run(text, name)
  world.run(([[
    local phoenix = linnet.use("phoenix")
    local socket = phoenix.connect("ws://127.0.0.1:%d/socket", { params = { token = "t" } })
  ]]):format(port) .. text, name)
end

local function seen()
  local out = server.got
  server.got = {}
  return out
end

describe("phoenix", function()
  before_each(function()
    world.open(nil, false)
    install("phoenix.lua")
    serve()
  end)
  after_each(function()
    world.logged("warn")
    world.close()
  end)

  it("joins, pushes, hears and leaves", function()
    run [[
      local room = socket:channel("room:lobby", { nick = "wren" })
      room:on("shout", function(p) print("shout", p.body) end)
      print(room:join().hello, room.state)
      print(linnet.inspect(room:push("echo", { n = 1 })))
      local reply, err = room:push("fail")
      print(reply, err, err.code, err.detail.reason)
      print(room:send("silent", { x = 1 }))
      linnet.sleep(1)
      print(room:leave(), room.state)
      print(room:push("echo"))
    ]]
    assert.matches("^/socket/websocket%?", server.opened[1])
    assert.matches("vsn=2%.0%.0", server.opened[1])
    assert.matches("token=t", server.opened[1])
    broadcast("room:lobby", "shout", { body = "hei" })
    broadcast("room:other", "shout", { body = "not ours" })
    rig.advance(1)
    assert.same({ "wren\tjoined", "{ n = 1 }", "nil\troom:lobby: the server answered 'error'\trefused\tno",
      "true", "shout\thei", "true\tclosed", "nil\troom:lobby is not joined" }, world.said())
    assert.same({ "room:lobby phx_join", "room:lobby echo", "room:lobby fail", "room:lobby silent",
      "room:lobby phx_leave" }, seen())
    broadcast("room:lobby", "shout", { body = "late" })
    rig.settle()
    assert.same({}, world.said())
  end)

  it("says why it was refused", function()
    server.refuse = "unauthorized"
    run [[
      local room = socket:channel("room:secret")
      local reply, err = room:join()
      print(reply, err, err.detail.reason, room.state)
      linnet.sleep(50)
      print(room:join())
    ]]
    rig.advance(30)
    server.refuse = nil
    rig.advance(20)
    local said = world.said()
    assert.equal("nil\troom:secret: the server answered 'error'\tunauthorized\tclosed", said[1])
    assert.matches("{", said[2])
    assert.same({ "room:secret phx_join", "phoenix heartbeat", "room:secret phx_join" }, seen())
  end)

  it("joins again after the line was lost, with what the payload is then", function()
    run [[
      local n = 0
      local room = socket:channel("room:lobby", function() n = n + 1 return { nick = "wren" .. n } end)
      room:on("shout", function(p) print(p.body) end)
      print(room:join().hello)
      linnet.sleep(4)
      print(room.state)
      local reply, err = room:push("echo", { n = 1 })
      print(reply and reply.n or err)
    ]]
    rig.cut(server.last, 1012)
    rig.settle()
    rig.advance(5)
    broadcast("room:lobby", "shout", { body = "back" })
    rig.settle()
    assert.same({ "wren1", "joined", "1", "back" }, world.said())
    assert.equal(2, #server.opened)
    assert.same({ "room:lobby phx_join", "room:lobby phx_join", "room:lobby echo" }, seen())
  end)

  it("pushes that wait for the line leave when the channel is joined again", function()
    run [[
      local room = socket:channel("room:lobby", { nick = "wren" })
      room:join()
      linnet.after("100ms", function()
        print(room.state)
        print(linnet.inspect(room:push("echo", { n = 7 }, { timeout = "20s" })))
      end)
    ]]
    server.mute = true
    rig.cut(server.last)
    rig.advance(2)
    server.mute = false
    rig.advance(12) -- the join that nobody answered is tried again
    assert.same({ "errored", "{ n = 7 }" }, world.said())
  end)

  it("joins again when the channel crashed, after 1, 2, 5 and then 10 seconds", function()
    run [[
      local room = socket:channel("room:lobby", { nick = "wren" })
      room:on("phx_error", function() print("crash") end)
      room:join()
    ]]
    seen()
    server.refuse = "not yet"
    local line = server.lines[server.last]
    push(server.last, line.topics["room:lobby"], null, "room:lobby", "phx_error", {})
    line.topics = {}
    for _, wait in ipairs { 1, 2, 5, 10, 10 } do
      rig.advance(wait - 0.5)
      local early = seen()
      for i = #early, 1, -1 do if early[i] == "phoenix heartbeat" then table.remove(early, i) end end
      assert.same({}, early)
      rig.advance(0.5)
      assert.equal("room:lobby phx_join", seen()[1])
    end
    server.refuse = nil
    rig.advance(10)
    assert.is_string(line.topics["room:lobby"])
    assert.same({ "crash" }, world.said())
  end)

  it("stays out when the server closes the channel", function()
    run [[
      local room = socket:channel("room:lobby", { nick = "wren" })
      room:join()
      linnet.sleep(20)
      print(room.state)
    ]]
    push(server.last, server.lines[server.last].topics["room:lobby"], null, "room:lobby", "phx_close", {})
    rig.advance(20)
    assert.same({ "closed" }, world.said())
    assert.equal("room:lobby phx_join", seen()[1])
  end)

  it("gives up waiting for answers", function()
    server.mute = true
    run [[
      local room = socket:channel("room:lobby")
      local reply, err = room:join("3s")
      print(reply, err.code, room.state)
    ]]
    rig.advance(3)
    assert.same({ "nil\ttimeout\tjoining" }, world.said())
    server.mute = false
    rig.advance(8) -- but not trying: 10 s for the answer, then a second
    assert.is_string(server.lines[server.last].topics["room:lobby"])
  end)

  it("sends heartbeats, and notices silence", function()
    run [[ socket.conn:on("disconnect", function(reason) print(reason) end) ]]
    rig.advance(30)
    assert.same({ "phoenix heartbeat" }, seen())
    rig.advance(29)
    server.mute = true
    rig.advance(1)
    rig.advance(30)
    assert.same({ "ping timeout" }, world.said())
    assert.matches("no answer to our heartbeat within 30 s", table.concat(world.logged("warn")))
  end)

  it("knows who is there", function()
    run [[
      local room = socket:channel("room:lobby", { nick = "wren" })
      local function ids()
        local out = {}
        for _, p in ipairs(room.presence:list()) do out[#out + 1] = p.id .. #p.metas end
        return table.concat(out, " ")
      end
      room.presence:on("join", function(id, now, came) print("join", id, #now.metas, came.metas[1].phx_ref) end)
      room.presence:on("leave", function(id, now, gone) print("leave", id, #now.metas, gone.metas[1].phx_ref) end)
      room.presence:on("sync", function() print("sync", ids()) end)
      room:join()
    ]]
    local lobby = "room:lobby"
    local function one(ref) return { metas = { { phx_ref = ref } } } end
    -- A difference waits for the state.
    broadcast(lobby, "presence_diff", { joins = { early = one "0" }, leaves = empty {} })
    rig.settle()
    assert.same({}, world.said())
    broadcast(lobby, "presence_state", { kari = one "1", ola = one "2" })
    rig.settle()
    local said = world.said()
    table.sort(said)
    assert.same({ "join\tearly\t1\t0", "join\tkari\t1\t1", "join\tola\t1\t2", "sync\tearly1 kari1 ola1" }, said)
    broadcast(lobby, "presence_diff", { joins = { kari = one "3" }, leaves = { ola = one "2" } })
    rig.settle()
    assert.same({ "join\tkari\t2\t3", "leave\tola\t0\t2", "sync\tearly1 kari2" }, world.said())
    broadcast(lobby, "presence_diff", { joins = empty {}, leaves = { kari = one "1", nobody = one "9" } })
    rig.settle()
    assert.same({ "leave\tkari\t1\t1", "sync\tearly1 kari1" }, world.said())
    -- After a reconnect only the differences are told.
    rig.cut(server.last)
    rig.advance(2)
    broadcast(lobby, "presence_state", { kari = one "3", ida = one "4" })
    rig.settle()
    assert.same({ "join\tida\t1\t4", "leave\tearly\t0\t0", "sync\tida1 kari1" }, world.said())
  end)

  it("survives what is no frame", function()
    run [[
      local room = socket:channel("room:lobby", { nick = "wren" })
      room:on("shout", function(p) error("in a handler") end)
      room:on("shout", function(p) print(p.body) end)
      room:join()
    ]]
    world.logged("warn")
    for _, text in ipairs { "[]", "{}", "7", '[1,2,3,4,5]', '["1","2","room:lobby","x","no table"]', "no json" } do
      rig.tell(server.last, text)
    end
    rig.tell_binary(server.last, "\1\2\3")
    broadcast("room:lobby", "shout", { body = "still here" })
    rig.settle()
    assert.same({ "still here" }, world.said())
    local warnings = world.logged("warn")
    assert.equal(7, #warnings)
    assert.matches("binary ones are not understood", warnings[1])
    assert.matches("in a handler", table.concat(world.errors()))
  end)

  it("is reloaded with its script, on the same line", function()
    local text = [[
      local room = socket:channel("room:lobby", { nick = "VERSION" })
      room:on("shout", function(p) print("VERSION", p.body) end)
      room:join()
    ]]
    run((text:gsub("VERSION", "one")))
    run((text:gsub("VERSION", "two")))
    broadcast("room:lobby", "shout", { body = "hei" })
    rig.settle()
    assert.same({ "two\thei" }, world.said())
    assert.equal(1, #server.opened)
  end)

  it("says what is wrong where it is used", function()
    local function wrong(code)
      return world.raises("local phoenix = linnet.use('phoenix')\n" .. code)
    end
    local socket = "local socket = phoenix.connect('ws://127.0.0.1:1/socket')\n"
    assert.equal("phoenix: the URL must be a string, not nil", wrong "phoenix.connect()")
    assert.equal("phoenix: the options must be a table, not string", wrong "phoenix.connect('ws://x', 'token')")
    assert.matches("^phoenix: unknown option 'parms': there are params, ",
      wrong "phoenix.connect('ws://x', { parms = {} })")
    assert.matches("behind %? belongs into params", wrong "phoenix.connect('ws://x?token=t')")
    assert.equal("phoenix: the topic must be a string, not nil", wrong(socket .. "socket:channel()"))
    assert.equal("phoenix: the handler must be a function, not nil", wrong(socket .. "socket:channel('a'):on('shout')"))
    assert.equal("phoenix: the kind must be a string, not function",
      wrong(socket .. "socket:channel('a').presence:on(print)"))
    world.run("local phoenix = linnet.use('phoenix')\n" .. socket .. "print(socket, socket:channel('a'))")
    assert.same({ "Phoenix socket ws://127.0.0.1:1/socket/websocket\tPhoenix channel a (closed)" }, world.said())
  end)

  it("is a library: its objects live in the script", function()
    assert.matches("exports no 'conect' %(did you mean 'connect'%?%)",
      world.raises [[ linnet.use("phoenix").conect("ws://127.0.0.1:1") ]])
    world.run [[ print(linnet.use("phoenix") == linnet.use("phoenix")) ]]
    assert.same({ "true" }, world.said())
    rig.write("plugins/half.lua", "return { name = 'half', library = true }")
    assert.matches("plugins/half%.lua: a library returns a plugin table with `exports`",
      world.raises [[ linnet.use("half") ]])
  end)
end)
