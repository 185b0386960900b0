-- SPDX-License-Identifier: MIT
-- Pusher's protocol in scripts: rooms, messages, presence, the dialects `pusher` and `laravel`; on our
-- own hub, and on a server that does what the test says.

local world = require "world"

local ready = [[ assert(chat:ready()) ]]

-- --- on the hub ---

local function on_hub(name, text, opts)
  world.run(([[
    local chat = linnet.connect("pusher://linnet@127.0.0.1:%d/?prefix=presence-", { auth = %s })
    %s ]]):format(rig.port(), opts or ('{ name = "%s", id = "%s" }'):format(name, name), text), name .. ".lua")
end

describe("Pusher on the hub", function()
  before_each(world.open)
  after_each(world.close)

  it("joins, lists and leaves rooms", function()
    on_hub("ida", [[
      local room = assert(chat:join("lobby"))
      print(room.name, room.joined, room.info.channel, chat.protocol, tostring(room))
      print(chat:join("lobby") == room, chat:room("presence-lobby") == room, chat:room() == room)
      print(chat:rooms().lobby == room, chat.user.id, chat.user.name, room.presence:me().name)
      print(room:leave(), room.joined, chat:room())
      local ok, err = chat:leave("lobby")
      print(ok, err.code)
    ]])
    assert.same({
      "lobby\ttrue\tpresence-lobby\tpusher\tRoom lobby", "true\ttrue\ttrue", "true\tida\tida\tida",
      "true\tfalse\tnil", "nil\tnot_found",
    }, world.said())
    assert.is_nil(rig.counts("ida.lua").room)
  end)

  it("meets people of other protocols in a room", function()
    world.run([[
      local chat = linnet.connect("hub", { auth = { name = "kari", id = "u2" } })
      local room = assert(chat:join("lobby"))
      room:on("message", function(m) print("kari", m.text, m.sender.name) end)
      room:on("typing", function(m) print("typing", m.user.name, m.on) end)
      room:on("read", function(m) print("read", m.user.name, m.ids[1]) end)
      room.presence:on("update", function(m) print("status", m.name, m.status) end)
      linnet.sleep(1)
      room:send("hello ida")
      room:typing()
    ]], "kari.lua")
    on_hub("ida", [[
      local room = assert(chat:join("lobby"))
      room:on("message", function(m, meta)
        print("ida", m.text, m.sender.name, m.sender.id, m.room, meta.channel)
        room:mark_read(m.id)
      end)
      room:on("typing", function(m) print("ida sees", m.user.name, m.on) end)
      print(room:send("hi").status, room:typing(), room.presence:set("busy"))
      print(room.presence:count(), room.presence:get("u2").name)
    ]])
    assert.same({ "sent\ttrue\ttrue", "2\tkari", "kari\thi\tida", "typing\tida\ttrue",
      "status\tida\tbusy" }, world.said())
    rig.advance(1)
    local said = world.said()
    table.sort(said)
    assert.same({ "ida\thello ida\tkari\tu2\tlobby\tpresence-lobby", "ida sees\tkari\ttrue" },
      { said[1], said[2] })
    assert.matches("^read\tida\t", said[3])
  end)

  it("asks, and hears the next message", function()
    on_hub("kari", [[
      local room = assert(chat:join("lobby"))
      room:on("message", function(m) if m.text == "colour?" then room:send("red") end end)
    ]])
    on_hub("ida", [[
      local room = assert(chat:join("lobby"))
      print(room:ask("colour?").text)
      local m = room:wait_for("message", { timeout = "5s", where = function(m) return m.sender.id == "kari" end })
      print(m and m.text)
    ]])
    rig.advance(5)
    assert.same({ "red", "nil" }, world.said())
  end)

  it("tells who comes and goes", function()
    on_hub("ida", [[
      local room = assert(chat:join("lobby"))
      local p = room.presence
      for _, kind in ipairs { "sync", "join", "leave", "update" } do
        p:on(kind, function(m) print(kind, m.name or #m) end)
      end
      chat.presence:watch("kari", function(m) print("watch", m and m.name) end)
    ]])
    on_hub("kari", [[ assert(chat:join("lobby")) linnet.sleep(1) chat:leave("lobby") ]])
    assert.same({ "join\tkari", "watch\tkari" }, world.said())
    rig.advance(1)
    assert.same({ "leave\tkari", "watch\tnil" }, world.said())
  end)

  it("joins again after a loss, with one sync", function()
    on_hub("ida", [[
      local room = assert(chat:join("lobby"))
      local p = room.presence
      p:on("sync", function(list) print("sync", #list) end)
      p:on("join", function(m) print("join", m.name) end)
      chat:on("connect", function(first) print("connect", first) end)
      room:on("message", function(m) print(m.text) end)
    ]])
    on_hub("kari", [[ local room = assert(chat:join("lobby")) linnet.sleep(10) room:send("back?") ]])
    assert.same({ "join\tkari" }, world.said())
    rig.drop()
    rig.advance(10)
    local said = world.said()
    assert.equal("connect\tfalse", said[1])
    assert.matches("^sync\t", said[2])
    assert.equal("back?", said[#said])
  end)

  it("refuses with words", function()
    on_hub("ida", [[
      ]] .. ready .. [[
      local room = assert(chat:join("lobby"))
      local function why(ok, err) print(ok, err.code, err.message) end
      why(chat:emit("x"))
      why(chat:emit_with_ack("x"))
      why(room:emit("x", {}))
      why(room:emit_with_ack("x", {}))
      why(chat:room("cellar"):emit("client-x", {}))
      why(chat:room("cache-x"):emit("client-x", {}))
      why(room:history())
      why(chat:join("a b"))
      why(chat:join("#server-to-user-1"))
      print(room:emit("client-x", {}), room:emit("client-y"))
    ]])
    assert.same({
      'nil\tinvalid\tPusher has no events outside of channels: room:emit("client-…", data)',
      "nil\tinvalid\tPusher has no acknowledgements",
      'nil\tinvalid\ton Pusher the names of clients\' events begin with "client-"',
      "nil\tinvalid\tPusher has no acknowledgements",
      "nil\tinvalid\tthe room is not joined",
      "nil\tinvalid\tclients' events need a private or presence channel (its name begins so, or the option "
        .. "channel_prefix says it)",
      "nil\tinvalid\tthis dialect has no history",
      "nil\tinvalid\t'presence-a b': a channel's name has at most 200 letters, digits and _-=@,.;",
      "nil\tinvalid\t'#server-to-user-1': channels that begin with # cannot be joined: sign in for them",
      "true\ttrue",
    }, world.said())
  end)

  it("knows what room an event is of", function()
    world.run([[
      local hub = linnet.hub()
      hub:on("client-go", function()
        hub:to("news"):emit("story", { n = 1 })
        hub:to("presence-lobby"):emit("story", { n = 2 })
      end)
    ]], "server.lua")
    on_hub("ida", [[
      local lobby, news = assert(chat:join("lobby")), chat:room("cache-x")
      chat:on("story", function(d, meta) print("all", d.n, meta.channel, linnet.event().room) end)
      lobby:on("story", function(d) print("lobby", d.n) end)
      news:on("story", function(d) print("news", d.n) end)
      chat:on("story", function(d) print("by option", d.n) end, { room = "lobby" })
      chat:on("story", function(d)
        linnet.sleep(1)
        print("later", linnet.event().room)
      end, { room = "presence-lobby", mode = "queued" })
      lobby:on_any(function(name, d) print("any", name, d.n) end)
      lobby:emit("client-go", {})
      print("waited", lobby:wait_for("story", { timeout = 5 }).n)
    ]])
    rig.advance(5)
    assert.same({
      "any\tstory\t2", "all\t2\tpresence-lobby\tlobby", "lobby\t2", "by option\t2", "waited\t2", "later\tlobby",
    }, world.said())
  end)
end)

-- --- on a server that does what the test says ---

local got, line -- what came; the newest line

local function established(id)
  return ([[{"event":"pusher:connection_established","data":"{\"socket_id\":\"%d.%d\",\"activity_timeout\":120}"}]])
    :format(id, id)
end

-- Accepts everybody; answers[channel] is the data of subscription_succeeded.
local function serve(answers)
  got, line = {}, nil
  local sockets = 0
  return rig.serve(function(what, id, data)
    if what == "open" then
      line = id
      sockets = sockets + 1
      rig.tell(id, established(sockets))
      return
    end
    got[#got + 1] = data
    local channel = data:match '"event":"pusher:subscribe".*"channel":"([^"]+)"'
    if channel and answers ~= false then
      rig.tell(id, ([[{"event":"pusher_internal:subscription_succeeded","channel":"%s","data":%s}]])
        :format(channel, answers and answers[channel] or '"{}"'))
    end
  end)
end

local function run(text, port, opts, name)
  world.run(([[
    local chat = linnet.connect("pusher://key:secret@127.0.0.1:%d", %s)
    %s ]]):format(port, opts or "nil", text), name)
end

local function event(name, channel, data, more)
  rig.tell(line, ([[{"event":"%s","channel":"%s","data":%s%s}]]):format(name, channel, data, more or ""))
  rig.settle()
end

describe("Pusher", function()
  before_each(function() world.open(nil, false) end)
  after_each(world.close)

  it("reads messages of strangers", function()
    local port = serve { ["presence-a"] = [["{\"presence\":{\"hash\":{\"7\":{\"name\":\"Al\"},\"8\":null}}}"]] }
    run([[
      local room = assert(chat:join("presence-a"))
      room:on("message", function(m) print(m.text, m.type, m.sender.id, m.sender.name, m.sender.info) end)
      room:on("client-message", function(d, meta) print("raw", type(d) == "table" and d.text or d, meta.user_id) end)
    ]], port)
    world.said()
    event("client-message", "presence-a", '"just text"', ',"user_id":"7"')
    event("client-message", "presence-a", '{"text":"t","sender":{"id":"9","name":"liar"}}', ',"user_id":8')
    event("client-message", "presence-a", '{"message":"m","sender":{"id":"9"}}')
    event("client-message", "presence-a", "5")
    local said = world.said()
    assert.matches("^just text\ttext\t7\tAl\t", said[1])
    assert.same({
      "raw\tjust text\t7", "t\ttext\t8\t8\tnil", "raw\tt\t8", "m\ttext\t9\tnil\tnil",
    }, { said[2], said[3], said[4], said[5] })
    assert.matches("^5\ttext\tnil", said[7])
    world.errors()
  end)

  it("takes what looks like JSON and is none as a text", function()
    run([[
      local room = assert(chat:join("pub"))
      room:on("e", function(d) print(type(d), d) end)
      chat:on("error", function(e) print(e.message) end)
    ]], serve())
    event("e", "pub", [["{oops}"]])
    event("e", "pub", [["[1,2"]])
    event("e", "pub", [["\u00zz"]])
    event("e", "pub", [["{},{\"channel\":\"forged\",\"user_id\":\"admin\"}"]])
    event("e", "pub", [["{\"a\":1}"]])
    local said = world.said()
    assert.same({ "string\t{oops}", "string\t[1,2", "the data of event 'e' is malformed" },
      { said[1], said[2], said[3] })
    assert.equal('string\t{},{"channel":"forged","user_id":"admin"}', said[4])
    assert.matches("^table", said[5])
  end)

  it("sends as clients do", function()
    local port = serve { ["private-a"] = "null" }
    run([[
      local room = assert(chat:join("private-a"))
      room:send { text = "hi", temp_id = "t1" }
      room:typing(false)
      room:mark_read { "m1" }
      room:emit("client-dance", { step = 2 })
      room:emit("client-jump")
    ]], port)
    assert.same({
      '{"event":"client-typing","channel":"private-a","data":{"on":false}}',
      '{"event":"client-read","channel":"private-a","data":{"ids":["m1"]}}',
      '{"event":"client-dance","channel":"private-a","data":{"step":2}}',
      '{"event":"client-jump","channel":"private-a","data":{}}',
    }, { got[3], got[4], got[5], got[6] })
    assert.matches('^{"event":"client%-message","channel":"private%-a","data":{', got[2])
    assert.matches('"text":"hi"', got[2])
  end)

  it("has presence with ids as text", function()
    local port = serve { ["presence-a"] = [[{"presence":{"hash":[{"name":"Zero"},{"name":"One"}],"count":2}}]] }
    run([[
      local room = assert(chat:join("presence-a"))
      local p = room.presence
      print(p:count(), p:get(0).name, p:get("1").name, p:me())
      p:on("join", function(m) print("join", m.id, m.name) end)
      p:on("update", function(m, old) print("update", m.name, old.name, m.status) end)
      p:on("leave", function(m) print("leave", m.id) end)
    ]], port)
    event("pusher_internal:member_added", "presence-a", [["{\"user_id\":7,\"user_info\":{\"name\":\"Al\"}}"]])
    event("pusher_internal:member_added", "presence-a", [[{"user_id":"7","user_info":{"name":"Bo"}}]])
    event("client-presence", "presence-a", '{"status":"away"}', ',"user_id":7')
    event("pusher_internal:member_removed", "presence-a", '{"user_id":7}')
    event("pusher_internal:member_removed", "presence-a", '{"user_id":7}')
    event("pusher_internal:member_removed", "presence-a", '{"user_id":0}')
    assert.same({
      "2\tZero\tOne\tnil", "join\t7\tAl", "update\tBo\tAl\tonline", "update\tBo\tBo\taway", "leave\t7", "leave\t0",
    }, world.said())
    assert.same({ "two sockets claim user 7 with different info: 'Al' and 'Bo'" }, world.logged("warn"))
  end)

  it("tells one sync after a reconnect, and then what differs", function()
    local answers = { ["presence-a"] = [[{"presence":{"hash":{"1":{"name":"Al"},"2":{"name":"Bo"}}}}]] }
    local port = serve(answers)
    run([[
      local p = assert(chat:join("presence-a")).presence
      p:on("sync", function(list) print("sync", #list) end)
      for _, kind in ipairs { "join", "update", "leave" } do
        p:on(kind, function(m) print(kind, m.name) end)
      end
    ]], port)
    answers["presence-a"] = [[{"presence":{"hash":{"2":{"name":"Bea"},"3":{"name":"Cy"}}}}]]
    rig.cut(line)
    rig.advance(2)
    local said = world.said()
    assert.equal("sync\t2", table.remove(said, 1))
    table.sort(said)
    assert.same({ "join\tCy", "leave\tAl", "update\tBea" }, said)
  end)

  it("swallows a page refresh with leave_grace", function()
    local port = serve { ["presence-a"] = [[{"presence":{"hash":{"1":{"name":"Al"}}}}]] }
    run([[
      local p = assert(chat:join("presence-a")).presence
      for _, kind in ipairs { "join", "update", "leave" } do
        p:on(kind, function(m) print(kind, m.name, p:count()) end)
      end
    ]], port, '{ leave_grace = "10s" }')
    event("pusher_internal:member_removed", "presence-a", '{"user_id":1}')
    rig.advance(9)
    event("pusher_internal:member_added", "presence-a", [[{"user_id":1,"user_info":{"name":"Al"}}]])
    rig.advance(20)
    assert.same({}, world.said())
    event("pusher_internal:member_removed", "presence-a", '{"user_id":1}')
    rig.advance(9)
    assert.same({}, world.said())
    rig.advance(1)
    assert.same({ "leave\tAl\t0" }, world.said())
  end)

  it("is left while it is being joined", function()
    local port = serve(false)
    run([[
      linnet.spawn(function()
        local room, err = chat:join("pub")
        print("joined?", room, err.code)
      end)
      linnet.sleep(1)
      print(chat:leave("pub"), chat:room("pub").joined)
      print(chat:join("other", { timeout = "2s" }))
    ]], port)
    rig.advance(5)
    assert.same({ "true\tfalse", "joined?\tnil\tcancelled", "nil\tjoining 'other' took longer than 2 s" }, world.said())
    assert.is_nil(rig.counts("spec.lua").room)
  end)

  it("gives up a join that is refused, and joins later", function()
    local port = serve(false)
    run([[
      local room, err = chat:join("private-a")
      print(room, err.code, err.message)
      print(chat:join("private-a").joined)
    ]], port)
    rig.tell(line, [[{"event":"pusher:error","data":"{\"code\":4009,\"message\":\"Connection is unauthorized\"}"}]])
    rig.settle()
    assert.same({ "nil\tunauthorized\tConnection is unauthorized" }, world.said())
    event("pusher_internal:subscription_succeeded", "private-a", "null")
    assert.same({ "true" }, world.said())
    assert.equal(2, #got)
  end)

  it("is joined by several scripts", function()
    local port = serve { ["presence-a"] = [[{"presence":{"hash":{"1":{"name":"Al"}}}}]] }
    run([[ assert(chat:join("presence-a")) ]], port, nil, "one.lua")
    event("pusher_internal:member_added", "presence-a", [[{"user_id":2,"user_info":{"name":"Bo"}}]])
    run([[
      local room = assert(chat:join("presence-a"))
      print(room.presence:count(), room.presence:get(2).name)
    ]], port, nil, "two.lua")
    assert.same({ "2\tBo" }, world.said())
    assert.equal(1, #got)
    rig.unload("one.lua")
    rig.settle()
    assert.equal(1, #got)
    rig.unload("two.lua")
    rig.settle()
    assert.equal('{"event":"pusher:unsubscribe","data":{"channel":"presence-a"}}', got[2])
  end)

  it("signs with an authorizer, which may wait and ask for the default", function()
    local port = serve()
    run([[
      local room, err = chat:join("private-no")
      print(room, err.code, err.message)
      print(chat:join("private-odd"), select(2, chat:join("private-nothing")))
      print(chat:join("private-own"), chat:join("private-default").name, chat:join("pub").name)
    ]], port, [[{ authorizer = function(channel, socket_id, default)
        print(channel, socket_id)
        linnet.sleep(1)
        if channel == "private-no" then return nil, "not today" end
        if channel == "private-odd" then error("oh") end
        if channel == "private-nothing" then return end
        if channel == "private-own" then return { auth = "key:mine" } end
        local signed = assert(default())
        signed.auth = signed.auth:sub(1, 8)
        return signed
      end }]])
    rig.advance(10)
    assert.same({
      "private-no\t1.1", "nil\tunauthorized\tthe authorizer says: not today",
      "private-odd\t1.1", "private-nothing\t1.1",
      "nil\tthe authorizer must return a table with the field 'auth'",
      "private-own\t1.1", "private-default\t1.1", "Room private-own\tprivate-default\tpub",
    }, world.said())
    assert.matches('"auth":"key:mine"', got[1])
    assert.matches('"auth":"key:%x%x%x%x"', got[2])
    assert.matches("oh", world.errors()[1])
  end)

  it("ends a join when the script with the authorizer goes", function()
    local port = serve()
    run([[ chat:join("private-a") ]], port, "{ authorizer = function() linnet.sleep(60) end }")
    rig.unload("spec.lua")
    rig.advance(100)
    for _, frame in ipairs(got) do assert.is_nil(frame:find("subscribe", 1, true)) end
  end)

  it("tells errors, and goes on", function()
    local port = serve()
    run([[
      chat:on("error", function(e) print(e.code, e.message, e.data and e.data.code) end)
    ]], port)
    rig.tell(line, "garbage")
    rig.tell(line, '{"event":"pusher:error","data":{"code":4301,"message":"slow down"}}')
    rig.settle()
    assert.same({
      "protocol\tthe message is no JSON: line 1, column 1: expected a value\tnil", "refused\tslow down\t4301",
    }, world.said())
    assert.equal(2, #world.logged("warn"))
  end)
end)

describe("the dialect laravel", function()
  before_each(function() world.open(nil, false) end)
  after_each(world.close)

  local laravel = '{ dialect = "laravel", auth = { id = 1, name = "Me" } }'

  it("hears classes, raw names and notifications", function()
    run([[
      local room = assert(chat:join("private-orders"))
      room:on("OrderShipped", function(d) print("class", d.id) end)
      room:on("Order.Paid", function(d) print("nested", d.id) end)
      room:on(".order.shipped", function(d) print("dot", d.id) end)
      room:on("\\Other\\Thing", function(d) print("slash", d.id) end)
      room:on("notification", function(d) print("note", d.type) end)
      room:once("OrderShipped", function(d) print("once", d.id) end)
      print("waited", room:wait_for(".order.shipped").id)
    ]], serve(), laravel)
    event("App\\\\Events\\\\OrderShipped", "private-orders", [["{\"id\":1}"]])
    event("App\\\\Events\\\\OrderShipped", "private-orders", [["{\"id\":2}"]])
    event("App\\\\Events\\\\Order\\\\Paid", "private-orders", [["{\"id\":3}"]])
    event("order.shipped", "private-orders", [["{\"id\":4}"]])
    event("Other\\\\Thing", "private-orders", [["{\"id\":5}"]])
    event("Illuminate\\\\Notifications\\\\Events\\\\BroadcastNotificationCreated", "private-orders",
      [["{\"type\":\"Invoice\"}"]])
    event("OrderShipped", "private-orders", "{}")
    assert.same({
      "class\t1", "once\t1", "class\t2", "nested\t3", "dot\t4", "waited\t4", "slash\t5", "note\tInvoice",
    }, world.said())
  end)

  it("whispers", function()
    run([[
      local room = assert(chat:join("private-a"))
      room:on("typing", function(m) print(m.on, m.user.id) end)
      room:on(".client-typing", function(d) print("raw", d.who) end)
      room:on("client-wave", function(d) print("wave", d.who) end)
      room:typing()
      room:emit("typing", { who = 1 })
      room:emit("client-wave", { who = 2 })
    ]], serve(), laravel)
    event("client-typing", "private-a", '{"who":3,"user":{"id":5}}')
    event("client-wave", "private-a", '{"who":4}')
    assert.same({ "true\t5", "raw\t3", "wave\t4" }, world.said())
    assert.same({
      '{"event":"client-typing","channel":"private-a","data":{"on":true}}',
      '{"event":"client-typing","channel":"private-a","data":{"who":1}}',
      '{"event":"client-wave","channel":"private-a","data":{"who":2}}',
    }, { got[2], got[3], got[4] })
  end)

  it("calls presence here, joining, leaving", function()
    run([[
      local room = assert(chat:join("presence-a"))
      room:on("here", function(list) print("here", #list) end)
      room:on("joining", function(m) print("joining", m.name) end)
      local h = room:on("leaving", function(m) print("leaving", m.name) end)
      print(h.active, pcall(room.once, room, "here", print))
    ]], serve { ["presence-a"] = [[{"presence":{"hash":{"1":{"name":"Me"}}}}]] }, laravel)
    event("pusher_internal:member_added", "presence-a", [[{"user_id":2,"user_info":{"name":"Al"}}]])
    event("pusher_internal:member_removed", "presence-a", '{"user_id":2}')
    rig.cut(line)
    rig.advance(2)
    local said = world.said()
    assert.matches("^true\tfalse\t.*room:once: 'here' is presence", said[1])
    assert.same({ "joining\tAl", "leaving\tAl", "here\t1" }, { said[2], said[3], said[4] })
  end)
end)
