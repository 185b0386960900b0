-- SPDX-License-Identifier: MIT
-- Raw WebSocket in scripts: codecs, frames, heartbeats, our own hub at /ws.

local world = require "world"

local got, last -- what came to the server, as "what:data"; the newest line

local function serve()
  got, last = {}, nil
  return rig.serve(function(what, id, data)
    if what == "open" then last = id end
    got[#got + 1] = what .. ":" .. data
  end)
end

local function url(path) return ("ws://127.0.0.1:%d%s"):format(serve(), path or "/feed") end

local function run(text, address, name) world.run(("local url = %q\n"):format(address) .. text, name) end

describe("raw WebSocket", function()
  before_each(function() world.open(nil, false) end)
  after_each(world.close)

  it("speaks plain JSON", function()
    run([[
      local feed = linnet.connect(url, { protocol = "ws", query = { v = 2 } })
      feed:on("price", function(...) print("price", ...) end)
      feed:on("message", function(v) print("message", linnet.inspect(v)) end)
      feed:on("ask", function(n, ack) ack(n + 1) end)
      feed:on("error", function(e) print("error", e.code) end)
      assert(feed:ready())
      print(feed.protocol, feed.id == "")
      feed:emit("sub", "gold")
      feed:emit("sub", "gold", 2)
      feed:send { op = "raw" }
      print(feed:emit_with_ack("sum", 1, 2))
    ]], url())
    assert.same({ "ws\ttrue" }, world.said())
    assert.same({ "open:/feed?v=2", 'text:{"event":"sub","data":"gold"}',
      'text:{"event":"sub","args":["gold",2]}', 'text:{"op":"raw"}',
      'text:{"event":"sum","args":[1,2],"ack":0}' }, got)
    rig.tell(last, '{"ack":0,"data":3}')
    rig.tell(last, '{"event":"price","args":[1,"two"]}')
    rig.tell(last, '{"event":"price"}')
    rig.tell(last, '{"type":"price","data":null}')
    rig.tell(last, "[1]")
    rig.tell(last, '{"event":"ask","data":4,"ack":9}')
    rig.tell(last, "{oops")
    rig.tell(last, '{"event":"price","data":[}')
    rig.settle()
    assert.same({ "3", "price\t1\ttwo", "price", "price\tnull", "message\t{ 1 }", "error\tinvalid",
      "error\tinvalid" }, world.said())
    assert.equal('text:{"ack":9,"data":5}', got[#got])
    assert.equal(1, #world.logged("warn"))
  end)

  it("names its events by a field of the server's", function()
    run([[
      local feed = linnet.connect(url, { protocol = "ws", codec = { event = "op" } })
      feed:on("hi", function(m) print(m.op, m.n) end)
      feed:on("connect", function() feed:emit("auth", { token = "t" }) end)
    ]], url())
    rig.tell(last, '{"op":"hi","n":1}')
    rig.settle()
    assert.same({ "hi\t1" }, world.said())
    assert.equal('text:{"op":"auth","data":{"token":"t"}}', got[2])
  end)

  it("passes on text", function()
    run([[
      local feed = linnet.connect(url, { protocol = "ws", codec = "text" })
      feed:on("message", function(s) print(#s, s) end)
      feed:ready()
      print(feed:send("hello"), feed:send(linnet.binary("\0\xff")))
      print(feed:send("\xff"))
      print(feed:emit("message", "as well"), feed:emit("other", 1))
      print(feed:emit_with_ack("message", "x"))
    ]], url())
    rig.tell(last, "hi there")
    rig.tell_binary(last, "\0\1")
    rig.settle()
    assert.same({ "true\ttrue", "nil\tthe text is no UTF-8: use linnet.binary for bytes",
      'true\tnil\tcodec "text" sends one string: use send(text)',
      'nil\tonly codec "json" has acknowledgements', "8\thi there", "2\t\0\1" }, world.said())
    assert.same({ "open:/feed", "text:hello", "binary:\0\xff", "text:as well" }, got)
    assert.matches("the data must be a string, linnet.binary or a table, not number",
      world.raises(('linnet.connect(%q, { protocol = "ws", codec = "text" }):send(5)')
        :format("ws://127.0.0.1:1/x")))
  end)

  local own = [[
    local codec = {
      decode = function(text, is_binary)
        if is_binary then return "bytes", linnet.binary(text), #text end
        if text == "" then return end
        if text == "bad" then error("bad text") end
        if text == "wait" then linnet.sleep(1) end
        if text == "odd" then return 7 end
        local name, rest = text:match("^(%S+) ?(.*)$")
        return name, rest
      end,
      encode = function(event, ...)
        if event == "bytes" then return linnet.binary(...) end
        if event == "not" then return nil, "cannot say that" end
        if event == "odd" then return {} end
        if event == "bad" then error("bad event") end
        if event == "utf" then return "\xff" end
        return event .. " " .. table.concat({ ... }, " ")
      end,
    }
  ]]

  it("has codecs of the script's own", function()
    run(own .. [[
      local feed = linnet.connect(url, { protocol = "ws", codec = codec })
      feed:on_any(function(event, ...) print(event, ...) end)
      feed:ready()
      print(feed:emit("say", "one", 2), feed:emit("bytes", "\1\2"))
      print(feed:emit("not"))
      print(feed:emit("odd"))
      print(feed:emit("utf"))
      print(select(2, feed:emit("bad")).code)
    ]], url())
    assert.same({ "open:/feed", "text:say one 2", "binary:\1\2" }, got)
    for _, text in ipairs { "price 7", "", "bad", "wait", "odd", "after all" } do rig.tell(last, text) end
    rig.tell_binary(last, "\0\xff")
    rig.settle()
    local errors = world.errors()
    assert.same({ "true\ttrue", "nil\tcannot say that",
      "nil\tcodec.encode returned no string and no linnet.binary",
      "nil\tcodec.encode returned no UTF-8: use linnet.binary for bytes", "invalid", "price\t7",
      "after\tall", "bytes\t\0\xff\t2" }, world.said())
    local all = table.concat(errors, "\n")
    assert.matches("spec%.lua:%d+: bad event", all)
    assert.matches("spec%.lua:%d+: bad text", all)
    assert.matches("codec.decode waited: it must answer at once", all)
    assert.matches("codec.decode returns an event's name and arguments, or nil; not a number", all)
  end)

  it("takes half a codec", function()
    run([[
      local feed = linnet.connect(url, { protocol = "ws", codec = { decode = function(s) return "got", s end } })
      feed:on("got", print)
      feed:ready()
      feed:emit("hi", 1)
    ]], url())
    rig.tell(last, "x")
    rig.settle()
    assert.same({ "x" }, world.said())
    assert.equal('text:{"event":"hi","data":1}', got[2])
  end)

  it("reloads a codec without dropping the line", function()
    local address = url()
    local text = [[
      local feed = linnet.connect(url, { protocol = "ws", codec = {
        decode = function(s) return "got", "VERSION " .. s end, encode = function(e) return "VERSION " .. e end } })
      feed:on("got", print)
    ]]
    run((text:gsub("VERSION", "one")), address)
    -- A script that uses the connection as it is gets what the opener's codec makes of it.
    run([[local feed = linnet.connect(url)  feed:on("got", function(s) print("other", s) end)
          linnet.every(10, function() feed:emit("tick") end)]], address, "other.lua")
    rig.tell(last, "x")
    rig.settle()
    assert.same({ "one x", "other\tone x" }, world.said())
    run((text:gsub("VERSION", "two")), address)
    rig.tell(last, "y")
    rig.advance(10)
    assert.same({ "other\ttwo y", "two y" }, world.said())
    assert.same({ "open:/feed", "text:two tick" }, got)
  end)

  it("does not share a codec with a script that has its own", function()
    local address = url()
    local text = [[
      local feed = linnet.connect(url, { protocol = "ws", codec = { decode = function(s) return "got", s end } })
      print(feed.name:match("%(.*%)"))
    ]]
    run(text, address, "ada.lua")
    run(text, address, "bob.lua")
    assert.same({ "nil", "(bob)" }, world.said())
    assert.same({ "open:/feed", "open:/feed" }, got)
  end)

  it("says what is wrong with its options", function()
    local function wrong(options)
      return world.raises(('linnet.connect("ws://127.0.0.1:1/x", { protocol = "ws", %s })'):format(options))
    end
    assert.matches('option \'codec\' must be "json", "text" or a table', wrong('codec = "yaml"'))
    assert.matches("option 'codec.decode' must be a function, not string", wrong('codec = { decode = "x" }'))
    assert.matches("unknown option 'codec.evnt' %(did you mean 'codec.event'%?%)", wrong('codec = { evnt = "x" }'))
    assert.matches("option 'codec.event' must be the name of a field", wrong("codec = { event = 5 }"))
    assert.matches("option 'heartbeat' must be a duration of at least a second", wrong('heartbeat = "10ms"'))
  end)

  it("keeps alive by messages of the server's kind", function()
    run([[
      local feed = linnet.connect(url, { protocol = "ws",
        heartbeat = { every = "10s", message = { op = "ping" } } })
      feed:on("disconnect", function(reason) print(reason) end)
    ]], url())
    rig.advance(10)
    assert.equal('text:{"op":"ping"}', got[2])
    rig.tell(last, '{"op":"pong"}')
    rig.advance(10)
    assert.equal(3, #got)
    rig.advance(10)
    assert.same({ "ping timeout" }, world.said())
    world.logged("warn")
  end)

  it("tells why the server hung up", function()
    run([[
      local feed = linnet.connect(url, { protocol = "ws" })
      feed:on("disconnect", function(reason, detail) print(reason, detail.code, detail.reason) end)
    ]], url())
    rig.cut(last, 4000, "try later")
    rig.settle()
    assert.same({ "transport close\t4000\ttry later" }, world.said())
    world.logged("warn")
  end)
end)

describe("our hub by raw WebSocket", function()
  before_each(world.open)
  after_each(world.close)

  local function address() return ("ws://127.0.0.1:%d/ws"):format(rig.port()) end

  it("is spoken to like the hub by Socket.IO", function()
    run([[
      local hub = linnet.connect(url, { auth = { name = "kari", id = "u1" } })
      local lobby = hub:room("lobby")
      lobby:on("message", function(m) print(m.sender.name, m.text) end)
      assert(hub:join("lobby"))
      print(hub.protocol, hub.user.name, lobby.joined)
      hub.presence:on("join", function(m) print("join", m.name) end)
    ]], address())
    run([[
      local hub = linnet.connect(url:gsub("/ws$", ""):gsub("$", "/"), { auth = { name = "ola", id = "u2" } })
      local lobby = assert(hub:join("lobby"))
      print(#lobby.presence:list())
      assert(lobby:send("hei"))
    ]], address(), "ola.lua")
    rig.settle()
    assert.same({ "ws\tkari\ttrue", "join\tola", "2", "ola\thei" }, world.said())
  end)

  it("carries bytes as base64, one way", function()
    run([[
      linnet.hub():on("file", function(client, d)
        print(d._binary)
        client:emit("file", { data = linnet.binary("\0\255") })
        return linnet.binary("")
      end)
      local hub = linnet.connect(url)
      hub:on("file", function(d) print(linnet.base64.decode(d.data._binary) == "\0\255") end)
      hub:ready()
      print(hub:emit_with_ack("file", { _binary = "AA==" })._binary == "")
    ]], address())
    rig.settle()
    assert.same({ "AA==", "true", "true" }, world.said())
  end)

  it("answers acknowledgements both ways, and keeps arguments apart", function()
    run([[
      local server = linnet.hub()
      server:on("sum", function(client, a, b) return a + b end)
      server:on("nothing", function(client, ack) ack() end)
      server:on("pair", function(client, ...) print("pair", ...) client:emit("pair", ...) client:emit("none") end)
      local hub = linnet.connect(url)
      hub:on("pair", function(...) print("back", ...) end)
      hub:on("none", function(...) print("none", select("#", ...)) end)
      hub:ready()
      print(hub:emit_with_ack("sum", 1, 2))
      print(hub:emit_with_ack("nothing"))
      hub:emit("pair", 1, { 2 }, "x")
    ]], address())
    rig.settle()
    local said = world.said()
    for i, line in ipairs(said) do said[i] = line:gsub("table: 0x%x+", "table") end
    assert.same({ "3", "true", "pair\t1\t{ 2 }\tx", "back\t1\t{ 2 }\tx", "none\t0" }, said)
  end)

  it("runs hello.lua as it is", function()
    local f <close> = assert(io.open(rig.dir .. "/../../scripts/hello.lua"))
    rig.set("connections.hub", ('{"url":%q}'):format(address()))
    assert(rig.load("hello.lua", f:read("a")))
    run([[
      local hub = linnet.connect(url, { auth = { name = "kari", id = "u1" } })
      hub:on("message", function(m) print(m.text) end)
      hub:join("lobby")
      hub:room("lobby"):send("hello")
    ]], address(), "kari.lua")
    rig.settle()
    assert.same({ "Hello, kari!" }, world.said())
  end)
end)
