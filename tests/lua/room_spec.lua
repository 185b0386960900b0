-- SPDX-License-Identifier: MIT
-- Rooms, messages, presence and dialects.

local world = require "world"

describe("rooms", function()
  before_each(world.open)
  after_each(world.close)

  -- The script under test is ida on "hub"; kari is another user on a line of her own.
  local ida = [[ local chat = linnet.connect("hub", { auth = { name = "ida", id = "u1" } }) ]]
  local function as_kari(text)
    world.run(([[ local chat = linnet.connect("ws://127.0.0.1:%d", { auth = { name = "kari", id = "u2" } })
      local room = assert(chat:join("lobby")) %s ]]):format(rig.port(), text), "kari.lua")
  end

  it("are joined, listed and left", function()
    world.run(ida .. [[
      local room = assert(chat:join("lobby"))
      print(room.name, room.joined, room.conn == chat, room.info.created, tostring(room))
      print(chat:join("lobby") == room, chat:room("lobby") == room, chat:room() == room)
      local attic = chat:room("attic")
      print(attic.joined, chat:rooms().attic, chat:rooms().lobby == room)
      print(room:leave(), room.joined, chat:room())
      local ok, err = chat:leave("lobby")
      print(ok, err.code)
    ]])
    assert.same({
      "lobby\ttrue\ttrue\ttrue\tRoom lobby", "true\ttrue\ttrue", "false\tnil\ttrue",
      "true\tfalse\tnil", "nil\tnot_found",
    }, world.said())
    assert.is_nil(rig.counts("spec.lua").room)
  end)

  it("can be joined before the line is up", function()
    world.run [[
      local chat = linnet.connect("hub", { autoconnect = false })
      linnet.after(30, function() chat:connect() end)
      local ok, err = chat:join("attic", { timeout = "5s" })
      print(ok, err.code)
      print(chat:join("lobby").name)
    ]]
    rig.advance(40)
    assert.same({ "nil\ttimeout", "lobby" }, world.said())
  end)

  it("may be refused, in the server's words", function()
    world.run(ida .. [[
      local ok, err = chat:join(("x"):rep(500))
      print(ok, err.code ~= nil, #err.message > 0, type(err.detail))
    ]])
    assert.same({ "nil\ttrue\ttrue\ttable" }, world.said())
  end)

  it("carry messages to their listeners only", function()
    as_kari [[
      room:on("message", function(d) print("kari", d.text, d.sender.name) end)
      linnet.sleep(1)
      chat:join("attic")
      room:send("in the lobby")
      chat:room("attic"):send("in the attic")
    ]]
    world.run(ida .. [[
      local room = assert(chat:join("lobby"))
      chat:join("attic")
      room:on("message", function(d) print("ida", d.text, d.sender.name) end)
      chat:on("message", function(d) print("all", d.text) end)
      local sent = assert(room:send("hello"))
      print(sent.status, sent.id ~= nil, sent.temp_id ~= nil, sent.time > 0)
      print(tostring(sent) == "Sent " .. sent.id .. " (sent)", room.presence, chat.presence)
    ]])
    rig.advance(1)
    local said = world.said()
    table.sort(said)
    assert.same({
      "all\tin the attic", "all\tin the lobby", "ida\tin the lobby\tkari", "kari\thello\tida",
      "sent\ttrue\ttrue\ttrue", "true\tPresence of lobby\tPresence of all rooms",
    }, said)
  end)

  it("have listeners as a connection has", function()
    as_kari [[
      linnet.sleep(1)
      for i = 1, 3 do room:send("n" .. i) end
      room:emit("ping", { n = 1 })
    ]]
    world.run(ida .. [[
      local room = assert(chat:join("lobby"))
      local h = room:once("message", function(d) print("once", d.text) end)
      room:on_any(function(name, d) print("any", name, d.text or d.kind) end)
      local function f(d) print("f", d.text) end
      room:on("message", f)
      room:on("message", function(d) print("where", d.text) end, { where = function(d) return d.text == "n2" end })
      print(room:wait_for("message", { where = function(d) return d.text == "n2" end }).text)
      print(h.active, room:off("message", f), room:off())
    ]])
    rig.advance(1)
    assert.same({
      "any\tmessage\tn1", "once\tn1", "f\tn1",
      "any\tmessage\tn2", "f\tn2", "where\tn2", "n2", "false\t1\t2",
    }, world.said())
  end)

  it("emit events of their own", function()
    world.run([[
      local hub = linnet.hub()
      hub:on("roll", function(client, d) return { room = d.room, n = d.n } end)
    ]], "server.lua")
    world.run(ida .. [[
      local room = assert(chat:join("lobby"))
      local reply = room:emit_with_ack("roll", { n = 6 })
      print(reply.room, reply.n, room:emit_with_ack("roll").room, room:emit("roll"))
    ]])
    assert.same({ "lobby\t6\tlobby\ttrue" }, world.said())
  end)

  it("keep history, typing and read marks", function()
    as_kari [[
      room:on("typing", function(d) print("typing", d.user.name or d.user.id or d.user, d.on) end)
      room:on("read", function(d) print("read", #d.ids) end)
    ]]
    world.run(ida .. [[
      local room = assert(chat:join("lobby"))
      room:send("one")
      room:send({ text = "two", type = "system", priority = "high" })
      room:send("three", { reply_to = "x" })
      local list = room:history(2)
      print(#list, list[1].text, list[1].type, list[1].priority, list[2].text, list[2].reply_to, list[2].sender.name)
      print(room:typing(), room:typing(false), room:mark_read())
      print(room:mark_read("x"), room:mark_read { "a", "b" })
    ]])
    assert.same({
      "2\ttwo\tsystem\thigh\tthree\tx\tida", "true\ttrue\ttrue", "true\ttrue",
      "typing\tida\ttrue", "typing\tida\tfalse", "read\t1", "read\t1", "read\t2",
    }, world.said())
  end)

  it("ask, and hear the next message", function()
    as_kari [[
      room:on("message", function(d)
        linnet.sleep(1)
        if d.text == "colour?" then room:send("red") end
        if d.text == "size?" then room:send("huge") room:send("large") end
      end)
    ]]
    world.run(ida .. [[
      local room = assert(chat:join("lobby"))
      local answer = room:ask("colour?")
      print(answer.text, answer.sender.name, answer.type)
      answer = room:ask("size?", { check = function(m) return m.text == "large" end, from = "u2" })
      print(answer.text)
      local ok, err = room:ask("anyone?", { timeout = "3s" })
      print(ok, err.code)
    ]])
    rig.advance(10)
    assert.same({ "red\tkari\ttext", "large", "nil\ttimeout" }, world.said())
    assert.matches("unknown option 'form' %(did you mean 'from'",
      world.raises(ida .. [[ chat:join("lobby"):ask("x", { form = 1 }) ]]))
  end)

  it("messages sent know what became of them", function()
    as_kari [[
      room:on("message", function(d) linnet.sleep(1) room:mark_read(d.id) end)
    ]]
    world.run(ida .. [[
      local room = assert(chat:join("lobby"))
      local sent = room:send("hello")
      sent:on(function(status) print("now", status) end)
      print(sent.status, sent:wait("sent"))
      print(sent:wait("read", "5s"), sent.status)
      local ok, err = room:send("again"):wait("delivered", 0.5)
      print(ok, err.code)
    ]])
    rig.advance(10)
    assert.same({ "sent\ttrue", "now\tread", "true\tread", "nil\ttimeout" }, world.said())
    assert.matches("the status must be", world.raises(ida .. [[ chat:join("lobby"):send("x"):wait("gone") ]]))
  end)

  it("are joined again after the line was lost", function()
    world.run(ida .. [[
      local room = assert(chat:join("lobby"))
      room:on("message", function(d) print(d.text) end)
      chat:on("connect", function() print("back", room.joined) end)
    ]])
    rig.drop()
    rig.advance(10)
    as_kari [[ room:send("after") ]]
    assert.same({ "back\ttrue", "after" }, world.said())
    world.logged("warn")
  end)

  it("may be joined in a connect handler, as people do", function()
    world.run(ida .. [[
      local room = chat:room("lobby")
      room:on("message", function(d) print(d.text) end)
      chat:on("connect", function(first)
        assert(chat:join("lobby"))
        print("joined", first, chat:emit_with_ack("history", { room = "lobby" }).ok)
      end)
    ]])
    assert.same({ "joined\ttrue\ttrue" }, world.said())
    rig.drop()
    rig.advance(10)
    as_kari [[ room:send("hi") ]]
    local said = world.said()
    assert.same({ "hi" }, { said[#said] })
    world.logged("warn")
  end)

  it("can be watched", function()
    world.run(ida .. [[
      chat:watch("room", function(new, old) print("room", new and new.name, old and old.name) end)
      chat:watch("rooms", function(new, old)
        local n, o = 0, 0
        for _ in pairs(new) do n = n + 1 end
        for _ in pairs(old) do o = o + 1 end
        print("rooms", n, o)
      end)
      chat:join("a")
      chat:join("b")
      chat:leave("b")
    ]])
    assert.same({ "rooms\t1\t0", "room\ta\tnil", "rooms\t2\t1", "room\tb\ta", "rooms\t1\t2", "room\tnil\tb" },
      world.said())
  end)

  it("are left by the last script that wanted them", function()
    as_kari [[ room.presence:on("leave", function(m) print("left", m.name) end) ]]
    world.run(ida .. [[ chat:join("lobby") ]], "one.lua")
    world.run(ida .. [[ chat:join("lobby") ]], "two.lua")
    world.run(ida .. "", "keeps.lua")
    rig.unload("one.lua")
    rig.advance(5)
    assert.same({}, world.said())
    rig.unload("two.lua")
    rig.advance(5)
    assert.same({ "left\tida" }, world.said())
  end)

  describe("presence", function()
    it("knows who is there", function()
      world.run(ida .. [[
        local room = assert(chat:join("lobby"))
        local p = room.presence
        p:on("join", function(m) print("join", m.name, m.is_me, p:count()) end)
        p:on("leave", function(m) print("leave", m.name, p:count()) end)
        p:on("update", function(m, old) print("update", m.status, m.text, old.status) end)
        chat.presence:watch("u2", function(m, old) print("watch", m and m.status, old and old.status) end)
        linnet.sleep(1)
        print(p:count(), p:me().name, p:me().is_me, p:get("u1").status, p:get("nobody"))
        linnet.sleep(5)
        for _, m in ipairs(p:list()) do print("here", m.name) end
        print(#p:list { status = "away" }, #p:list(function(m) return m.name == "kari" end), chat.presence:count())
      ]])
      rig.advance(2)
      as_kari [[ room.presence:set("away", { text = "lunch" }) ]]
      rig.advance(5)
      rig.unload("kari.lua")
      rig.advance(5)
      assert.same({
        "1\tida\ttrue\tonline\tnil",
        "join\tkari\tfalse\t2", "watch\tonline\tnil", "update\taway\tlunch\tonline", "watch\taway\tonline",
        "here\tida", "here\tkari", "1\t1\t2",
        "leave\tkari\t1", "watch\tnil\taway",
      }, world.said())
    end)

    it("is asked for at the first look, when others joined before", function()
      world.run(ida .. [[ chat:join("lobby") ]], "first.lua")
      as_kari ""
      world.run(ida .. [[
        assert(chat:join("lobby"))
        linnet.sleep(1)
        print(chat.presence:count(), chat:room("lobby").presence:get("u2").name)
      ]])
      rig.advance(2)
      assert.same({ "2\tkari" }, world.said())
      -- Where nothing can wait it comes a moment later.
      world.run(ida .. [[
        local room = assert(chat:join("lobby"))
        linnet.sleep(1)
        table.sort({ 1, 2 }, function(a, b) print(room.presence:count()) return a < b end)
        linnet.sleep(1)
        print(room.presence:count())
      ]], "sorts.lua")
      rig.advance(3)
      assert.same({ "0", "2" }, world.said())
    end)

    it("is of the rooms that this script joined, not of another's on the same line", function()
      world.run(ida .. [[
        assert(chat:join("lobby"))
        chat.presence:on("join", function(m) print("join", m.name) end)
        linnet.sleep(5)
        print(chat.presence:count())
      ]])
      world.run([[ assert(linnet.connect("hub"):join("attic")) ]], "other.lua")
      world.run(([[ local chat = linnet.connect("ws://127.0.0.1:%d", { auth = { name = "kari", id = "u2" } })
        assert(chat:join("attic")) ]]):format(rig.port()), "kari.lua")
      rig.advance(5)
      assert.same({ "1" }, world.said())
    end)

    it("syncs once after a reconnect, then tells the difference", function()
      as_kari ""
      world.run(ida .. [[
        local room = assert(chat:join("lobby"))
        for _, kind in ipairs { "sync", "join", "leave", "update" } do
          room.presence:on(kind, function(m) print(kind, m.name or #m) end)
        end
      ]])
      assert.same({}, world.said())
      rig.drop()
      rig.unload("kari.lua")
      rig.advance(20)
      local said = world.said()
      assert.equal("sync\t1", said[1])
      assert.equal("leave\tkari", said[2])
      assert.equal(2, #said)
      world.logged("warn")
    end)

    it("can be set, for a while", function()
      world.run(ida .. [[
        local room = assert(chat:join("lobby"))
        room.presence:on("update", function(m) print(m.status, m.text, m.is_me) end)
        print(room.presence:set("busy", { text = "writing", expires = "10s" }))
      ]])
      as_kari [[ chat.presence:on("update", function(m) print("kari sees", m.status) end) ]]
      rig.advance(15)
      local said = world.said()
      assert.equal("true", said[1])
      assert.equal("kari sees\tonline", said[#said])
    end)

    it("raises for what it does not know", function()
      assert.matches("unknown kind 'jion' %(did you mean 'join'",
        world.raises(ida .. [[ chat:join("lobby").presence:on("jion", print) ]]))
      assert.matches("the status must be online", world.raises(ida .. [[ chat.presence:set("asleep") ]]))
      assert.matches("unknown option 'txt' %(did you mean 'text'",
        world.raises(ida .. [[ chat.presence:set("away", { txt = "x" }) ]]))
      assert.matches("no method or field 'lits' on Presence %(did you mean 'list'",
        world.raises(ida .. [[ chat.presence:lits() ]]))
    end)
  end)

  describe("dialects", function()
    local server = [[
      local hub = linnet.hub()
      hub:on("join_room", function(client, d)
        if d.room_id == "closed" then return { error = "members only" } end
        client:join("r:" .. d.room_id)
        return { success = true }
      end)
      hub:on("leave_room", function(client, d) client:leave("r:" .. d.room_id) return {} end)
      hub:on("send_message", function(client, d)
        hub:to("r:" .. d.room_id):emit("new_message", {
          id = "m1", text = d.message, room_id = d.room_id, temp_id = d.temp_id, sender_id = client.user.id,
          sender_name = client.user.name,
        })
        return { id = "m1" }
      end)
      hub:on("typing", function(client, d) print("typing", d.room_id, d.on) end)
      hub:on("read", function(client, d) print("read", d.message_ids[1]) end)
    ]]
    local school = [[
      linnet.dialect("school", {
        join = { emit = "join_room", args = function(room) return { room_id = room } end,
          ok = function(r) return r.success ~= nil, r.error end },
        message = { event = "new_message",
          read = function(d)
            return { id = d.id, temp_id = d.temp_id, text = d.text, room = d.room_id,
              sender = { id = d.sender_id, name = d.sender_name } }
          end,
          emit = "send_message",
          write = function(m) return { room_id = m.room, message = m.text, temp_id = m.temp_id } end },
        typing = { event = "user_typing", emit = "typing" },
        read = { event = "messages_read", emit = "read", args = function(ids) return { message_ids = ids } end },
      })
      local chat = linnet.connect("hub", { dialect = "school" })
    ]]

    before_each(function() -- the hub's own dialect has events of the same names
      rig.close()
      rig.open { ["hub.dialect"] = "false" }
    end)

    it("of one's own", function()
      world.run(server, "server.lua")
      world.run(school .. [[
        local ok, err = chat:join("closed")
        print(ok, err.code, err)
        local room = assert(chat:join("r1"))
        room:on("new_message", function(d) print("echo?", d.text) end)
        local sent = room:send("hi")
        print(sent.id, sent:wait("delivered", 1), sent.status)
        print(room:typing(), room:mark_read("m1"))
        local _, why = room:history()
        print(why)
      ]])
      assert.same({
        "nil\trefused\tmembers only", "m1\ttrue\tdelivered", "true\ttrue", "this dialect has no history",
        "typing\tr1\ttrue", "read\tm1",
      }, world.said())
    end)

    it("rooms, as many servers speak it", function()
      world.run(server, "server.lua")
      world.run [[
        local chat = linnet.connect("hub", { dialect = "rooms" })
        local room = assert(chat:join("r1"))
        print(room:send("hi").id, room:leave())
      ]]
      assert.same({ "m1\ttrue" }, world.said())
    end)

    it("is the settings' where the script says none", function()
      rig.set("connections.hub", ('{"url":"ws://127.0.0.1:%d","dialect":"rooms"}'):format(rig.port()))
      world.run(server, "server.lua")
      world.run [[
        local chat = linnet.connect("hub")
        local room = assert(chat:join("r1"))
        print(room:send("hi").id, room:leave())
      ]]
      assert.same({ "m1\ttrue" }, world.said())
    end)

    it("may be a table, with a function that finds the room", function()
      world.run(server, "server.lua")
      world.run [[
        local chat = linnet.connect("hub", { dialect = {
          join = { emit = "join_room", args = function(room) return { room_id = room } end },
          message = { event = "new_message", emit = "send_message",
            write = function(m) return { room_id = m.room, message = m.text } end },
          room = function(event, d) return d.room_id and d.room_id:upper() end,
        } })
        local room = assert(chat:join("R1"))
        room:on("new_message", function(d) print("R1", d.text) end)
        room:on_any(function(name, d) print("any", name, d.text) end)
        chat:emit("join_room", { room_id = "r1" })
        chat:emit("send_message", { room_id = "r1", message = "x" })
      ]]
      assert.same({ "any\tnew_message\tx", "R1\tx" }, world.said())
    end)

    it("are checked, with the nearest name", function()
      assert.equal("linnet.dialect: unknown field 'mesage' (did you mean 'message'?)",
        world.raises [[ linnet.dialect("x", { mesage = {} }) ]])
      assert.equal("linnet.dialect: unknown field 'join.emitt' (did you mean 'join.emit'?)",
        world.raises [[ linnet.dialect("x", { join = { emitt = "x" } }) ]])
      assert.equal("linnet.dialect: 'join.emit' must be a string, not number",
        world.raises [[ linnet.dialect("x", { join = { emit = 1 } }) ]])
      assert.equal("linnet.dialect: the name must be a string, not nil", world.raises [[ linnet.dialect() ]])
      assert.equal("linnet.dialect: the dialect must be a table, not nil", world.raises [[ linnet.dialect("x") ]])
      assert.equal("unknown dialect 'linet' (did you mean 'linnet'?)",
        world.raises [[ linnet.connect("hub", { dialect = "linet" }):join("x") ]])
      assert.equal("this dialect needs Pusher's protocol, and the connection speaks socketio",
        world.raises [[ linnet.connect("hub", { dialect = "pusher" }):join("x") ]])
    end)
  end)

  it("misuse raises with names", function()
    assert.equal("conn:join: the room must be a string with its name, not nil", world.raises(ida .. [[ chat:join() ]]))
    assert.equal("conn:join: the room must be a string with its name, not empty",
      world.raises(ida .. [[ chat:join("") ]]))
    assert.equal("conn:room: the room must be a string with its name, not empty",
      world.raises(ida .. [[ chat:room("") ]]))
    assert.matches("unknown option 'timout' %(did you mean 'timeout'",
      world.raises(ida .. [[ chat:join("x", { timout = 1 }) ]]))
    assert.equal("no method or field 'sned' on Room (did you mean 'send'?)",
      world.raises(ida .. [[ chat:join("x"):sned("y") ]]))
    assert.equal("room:send: the message must be a string or a table, not nil",
      world.raises(ida .. [[ chat:join("x"):send() ]]))
    assert.equal("room:on: the room is given already",
      world.raises(ida .. [[ chat:join("x"):on("m", print, { room = "y" }) ]]))
    assert.matches("unknown option 'wheer'", world.raises(ida .. [[ chat:join("x"):on("m", print, { wheer = 1 }) ]]))
  end)

  it("name the script's own lines only, when something raises behind a wait", function()
    world.run([[
      local lobby = assert(linnet.connect("hub"):join("lobby"))
      lobby:send("\xff")
    ]], "bytes.lua")
    local err = world.errors()[1]
    assert.matches("^bytes%.lua:2: .*is not UTF%-8", err)
    assert.is_nil(err:find("?:", 1, true))
  end)
end)
