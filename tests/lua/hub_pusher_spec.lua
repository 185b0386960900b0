-- SPDX-License-Identifier: MIT
-- linnet.hub and Pusher's protocol: who may have a channel, and what a handler sees.

local world = require "world"

describe("the hub and Pusher's protocol", function()
  local lines

  before_each(function() lines = {} end)
  after_each(function()
    for _, line in ipairs(lines) do rig.hang_up(line) end
    world.close()
  end)

  local function dial()
    lines[#lines + 1] = rig.dial()
    return lines[#lines]
  end

  local function ask(path, body, kind)
    local line = dial()
    local head = "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    local answer = rig.say(line, head:format(path, kind or "application/x-www-form-urlencoded", #body) .. body)
    return answer, line
  end
  local function answer_of(...) return (ask(...)) end

  -- A masked text frame (RFC 6455 5.2) whose mask changes nothing.
  local function frame(text)
    local length = #text < 126 and string.char(128 + #text) or string.pack(">BI2", 254, #text)
    return "\x81" .. length .. "\0\0\0\0" .. text
  end

  local function pusher(key)
    local line = dial()
    local head = "GET /app/%s?protocol=7 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    local hello = rig.say(line, head:format(key))
    return line, hello
  end

  local function subscribe(line, hello, channel, fields)
    local id = hello:match [["socket_id\":\"([%d.]+)]]
    local signed = ask("/pusher/auth", "socket_id=" .. id .. "&channel_name=" .. channel .. (fields or ""))
    local auth, data = signed:match '"auth":"([^"]+)"', signed:match '"channel_data":("{.*}")}'
    return rig.say(line, frame(('{"event":"pusher:subscribe","data":{"channel":"%s","auth":"%s"%s}}')
      :format(channel, auth, data and ',"channel_data":' .. data or "")))
  end

  local function open(apps) world.open({ ["hub.apps"] = apps or '[{"key":"k","secret":"s","id":"7"}]' }) end

  it("signs for nobody when an app is set and no script decides", function()
    open()
    assert.matches("403 Forbidden.*hub:on_auth", answer_of("/pusher/auth", "socket_id=1.2&channel_name=private-a"))
    assert.matches("hub:on_auth", world.logged("warn")[1])
  end)

  it("asks hub:on_auth, which may wait", function()
    open()
    world.run [[
      linnet.hub():on_auth(function(r)
        print(r.socket_id, r.channel, r.kind, r.app, r.params.token, r.headers[":path"])
        linnet.sleep(1)
        if r.params.token == "bad" then return nil, "not with that token" end
        if r.params.token == "odd" then
          return { user_id = 7, user_info = { name = "Kari" }, watchlist = { "u1" } }
        end
        return r.params.token == "good" or nil
      end)
    ]]
    local answer, line = ask("/broadcasting/auth", "socket_id=1.2&channel_name=private-a&token=good")
    assert.equal("", answer)
    rig.advance(1)
    assert.matches('200 OK.*{"auth":"k:%x+"}$', rig.say(line))
    assert.same({ "1.2\tprivate-a\tprivate\t7\tgood\t/broadcasting/auth" }, world.said())
    local function says(path, body, kind)
      local _, l = ask(path, body, kind)
      rig.advance(1)
      return (rig.say(l):gsub("^.*\r\n\r\n", ""):gsub("k:%x+", "SIGNED"))
    end
    assert.equal('{"error":"not with that token"}',
      says("/pusher/auth", "socket_id=1.2&channel_name=private-a&token=bad"))
    assert.equal('{"error":"refused"}', says("/pusher/auth", "socket_id=1.2&channel_name=private-a"))
    assert.equal([[{"auth":"SIGNED","channel_data":"{\"user_id\":7,\"user_info\":{\"name\":\"Kari\"}}"}]],
      says("/pusher/auth", '{"socket_id":"1.2","channel_name":"presence-a","token":"odd"}', "application/json"))
    assert.equal([[{"auth":"SIGNED","user_data":"{\"id\":\"7\",\"user_info\":{\"name\":\"Kari\"},]]
      .. [[\"watchlist\":[\"u1\"]}"}]],
      says("/pusher/user-auth", "socket_id=1.2&token=odd"))
    assert.equal('{"error":"nobody said who this user is"}',
      says("/pusher/auth", "socket_id=1.2&channel_name=presence-a&token=good"))
    assert.matches("hub:on_auth must return {user_id = …}", world.logged("warn")[1])
    world.said()
  end)

  it("refuses when the function fails, or its script ends", function()
    open()
    world.run [[
      linnet.hub():on_auth(function(r)
        if not r.params.wait then error("oh") end
        linnet.sleep(5)
      end)
    ]]
    local answer = ask("/pusher/auth", "socket_id=1.2&channel_name=private-a")
    assert.matches("403.*the server could not decide", answer)
    assert.matches("oh", world.errors()[1])
    local _, line = ask("/pusher/auth", "socket_id=1.2&channel_name=private-a&wait=1")
    rig.unload("spec.lua")
    assert.matches("403 Forbidden", rig.say(line))
    world.run [[ linnet.hub():on_auth(function() linnet.sleep(5) return true end) ]]
    ask("/pusher/auth", "socket_id=1.2&channel_name=private-a")
    rig.hang_up(table.remove(lines)) -- nobody waits for the answer any more
    rig.advance(5)
  end)

  it("sees client events, and speaks to channels", function()
    open("[]")
    world.run [[
      local hub = linnet.hub()
      hub:on("client-ping", function(client, data, info)
        print(client.protocol, client.user.name, data.n, info.channel, info.user_id)
        print(hub:to("presence-lobby"):emit("pong", { n = data.n + 1 }), hub:to("#server-to-user-u1"):emit("x"))
        print(client:emit("one", 1), hub:emit("all"))
        local ok, err = client:emit_with_ack("question")
        print(ok, err.code)
      end)
      hub:on("message", function(client, m) print(client.user.name, m.room, m.text) end)
    ]]
    local line, hello = pusher("linnet")
    assert.matches("subscription_succeeded", subscribe(line, hello, "presence-lobby", "&user_id=u1&name=Al"))
    local heard = rig.say(line, frame '{"event":"client-ping","channel":"presence-lobby","data":{"n":1}}')
    assert.same({ "pusher\tAl\t1\tpresence-lobby\tu1", "1\t0", "true\t1", "nil\trefused" }, world.said())
    assert.matches([[{"event":"pong","channel":"presence%-lobby","data":"{\"n\":2}"}]], heard)
    assert.matches([[{"event":"one","data":"1"}]], heard)
    assert.matches([[{"event":"all"}]], heard)
    rig.say(line, frame '{"event":"client-message","channel":"presence-lobby","data":"hi"}')
    assert.same({ "Al\tlobby\thi" }, world.said())
  end)

  it("asks hub:use at the connection, and at the sign-in", function()
    open("[]")
    world.run [[
      linnet.hub():use(function(client, auth)
        print(client.protocol, client.signin, auth.protocol, auth.id)
        if client.signin and auth.id == "evil" then return nil, "not you" end
        return true
      end)
    ]]
    local line, hello = pusher("linnet")
    assert.same({ "pusher\tnil\t7\tnil" }, world.said())
    local id = hello:match [["socket_id\":\"([%d.]+)]]
    local function signin(who)
      local signed = ask("/pusher/user-auth", "socket_id=" .. id .. "&id=" .. who)
      local auth, data = signed:match '"auth":"([^"]+)"', signed:match '"user_data":("{.*}")}'
      return rig.say(line, frame(('{"event":"pusher:signin","data":{"auth":"%s","user_data":%s}}'):format(auth, data)))
    end
    assert.matches('pusher:error.*4009.*not you', signin("evil"))
    assert.same({ "pusher\ttrue\tnil\tevil" }, world.said())
    line, hello = pusher("linnet")
    id = hello:match [["socket_id\":\"([%d.]+)]]
    assert.matches([["event":"pusher:signin_success"]], signin("u1"))
    world.said()
  end)

  it("takes apps as an option, and says what is wrong with them", function()
    world.open(nil, false)
    assert.equal("linnet.hub: 'secret' of hub.apps[1] must be a text that is not empty",
      world.raises [[ linnet.hub { port = 0, apps = { { key = "k", secret = "" } } } ]])
    assert.equal("linnet.hub: hub.apps[1] has no option 'secrt' (did you mean 'secret'?)",
      world.raises [[ linnet.hub { port = 0, apps = { { key = "k", secrt = "s" } } } ]])
    world.run [[ linnet.hub { port = 0, apps = { { key = "k", secret = "s", id = 7, client_messages = "none" } } } ]]
    world.logged("info")
    local _, hello = pusher("k")
    assert.matches("connection_established", hello)
  end)
end)
