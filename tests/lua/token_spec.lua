-- SPDX-License-Identifier: MIT
-- Functions for auth, headers and query; tokens that end; and a hub that wants them.

local world = require "world"

local SECRET = "a secret of at least thirty-two bytes"

-- For scripts: jwt(claims) signs as the hub below wants it; now() is in seconds.
local signing = ([[
  local function part(s)
    return (linnet.base64.encode(s):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
  end
  local function jwt(claims)
    local head = part('{"alg":"HS256"}') .. "." .. part(linnet.json.encode(claims))
    local sum = linnet.hmac("sha256", "%s", head)
    return head .. "." .. part((sum:gsub("..", function(x) return string.char(tonumber(x, 16)) end)))
  end
  local function now() return math.floor(linnet.time.now()) end
]]):format(SECRET)

-- No record of the log holds it.
local function is_hidden(text)
  for _, r in ipairs(world.records()) do
    assert.is_nil(r.text:find(text, 1, true), r.text)
  end
end

describe("functions among the options", function()
  before_each(world.open)
  after_each(world.close)

  it("give headers, query and auth for each attempt", function()
    world.run([[
      local hub = linnet.hub()
      hub:use(function(client, auth)
        print(client.headers["x-token"], client.headers[":query"]:match("q=%d"), auth.n)
        return true
      end)
    ]], "server.lua")
    world.run [[
      local n = 0
      local function count(ctx)
        linnet.sleep(0.1)
        print(ctx.attempt, ctx.reason)
      end
      linnet.connect("hub", {
        randomization_factor = 0,
        headers = function(ctx) n = n + 1 count(ctx) return { ["X-Token"] = "h" .. n } end,
        query = function(ctx) count(ctx) return { q = n } end,
        auth = function(ctx) count(ctx) return { n = n } end,
      })
    ]]
    rig.advance(1)
    assert.same({ "1\tfirst", "1\tfirst", "1\tfirst", "h1\tq=1\t1" }, world.said())
    rig.drop()
    rig.advance(2)
    assert.same({ "2\treconnect", "2\treconnect", "2\treconnect", "h2\tq=2\t2" }, world.said())
  end)

  it("that give nothing make no attempt, and say so", function()
    for _, name in ipairs { "auth", "headers", "query" } do
      world.run(([[
        local hub = linnet.connect("hub", { %s = function() end })
        hub:on("connect_error", function(err) print(err.code, err.message, err.detail) end)
        hub:on("reconnect_attempt", function(n, delay) print(n, delay) end)
      ]]):format(name))
      rig.advance(29)
      assert.same({ "unauthorized\tno valid token: the " .. name .. " function returned nothing\tauth" }, world.said())
      rig.advance(2)
      assert.equal("1\t30.0", world.said()[1])
      rig.unload("spec.lua")
    end
  end)

  it("that fail are told with their words and codes", function()
    for results, expected in pairs {
      ['nil, "no token today"'] = "unauthorized\tno valid token: the auth function says: no token today",
      ['nil, { code = "timeout", message = "too slow" }'] = "timeout\tno valid token: the auth function says: too slow",
      ['error("oh")'] = "invalid\tno valid token: the auth function failed: ",
      ['error({ code = "refused", message = "no" })'] = "refused\tno valid token: the auth function failed: no",
      ['"a token"'] = "unauthorized\tno valid token: the auth function returned a string; it must return a table",
      ['{ 1, 2 }'] = "invalid\tthe auth function must return a table with names as keys",
    } do
      world.run(([[
        local hub = linnet.connect("hub", { reconnection = false, auth = function() return %s end })
        hub:on("connect_error", function(err) print(err.code, err.message) end)
      ]]):format(results))
      rig.advance(1)
      local said = world.said()
      assert.equal(1, #said)
      assert.equal(expected, said[1]:sub(1, #expected))
      rig.unload("spec.lua")
      world.errors()
    end
  end)

  it("are of headers and query only what a request can hold", function()
    for option, expected in pairs {
      ["headers = function() return { Host = 'x' } end"] =
        "headers: Host is written by linnet itself and cannot be set",
      ["headers = function() return { X = {} } end"] = "headers.X must be a text",
      ["query = function() return { q = { 1 } } end"] = "query.q must be a text",
    } do
      world.run(([[
        local hub = linnet.connect("hub", { reconnection = false, %s })
        hub:on("connect_error", function(err) print(err.message) end)
      ]]):format(option))
      rig.advance(1)
      assert.same({ expected }, world.said())
      rig.unload("spec.lua")
    end
  end)

  it("take secrets, which no log shows", function()
    rig.env("SPEC_TOKEN", "a-token-in-the-environment")
    world.run([[
      linnet.hub():use(function(client, auth)
        print(client.headers.authorization == "Bearer " .. auth.token, #auth.token)
        return nil, "who is " .. auth.token .. "?"
      end)
    ]], "server.lua")
    world.run [[
      local token = linnet.secret("SPEC_TOKEN")
      linnet.connect("hub", {
        auth = function() return { token = token } end,
        headers = function() return { Authorization = "Bearer " .. token:reveal() } end,
      })
    ]]
    rig.advance(1)
    rig.env("SPEC_TOKEN")
    assert.same({ "true\t26", "true\t26" }, world.said())
    is_hidden("a-token-in-the-environment")
  end)

  it("are told by the reason that the hub refused", function()
    world.run([[
      local tries = 0
      linnet.hub():use(function(client, auth)
        if auth.token == "good" then return true end
        return nil, { message = "jwt expired", data = { code = 401 } }
      end)
    ]], "server.lua")
    world.run [[
      local hub = linnet.connect("hub", { auth = function(ctx)
        print(ctx.reason)
        return { token = ctx.reason == "unauthorized" and "good" or "bad" }
      end })
      hub:on("connect_error", function(err) print(err.code, err.data.code) end)
      hub:on("connect", function(first) print("in", first) end)
    ]]
    rig.advance(1)
    assert.same({ "first", "unauthorized\t401", "unauthorized", "in\ttrue" }, world.said())
  end)

  it("stop with their script: another one answers, or nobody", function()
    world.run [[
      local hub = linnet.connect("hub", { reconnection = false, auth = function() linnet.sleep(5) return {} end })
      hub:on("connect_error", function(err) print(err.message) end)
    ]]
    rig.advance(1)
    rig.unload("spec.lua")
    rig.advance(10)
    assert.same({}, world.said())
  end)
end)

describe("a token that ends", function()
  before_each(world.open)
  after_each(world.close)

  it("is told of half a minute before", function()
    world.run [[
      local hub = linnet.connect("hub", { auth = function() return { name = "kari", expires_in = "2m" } end })
      hub:on("auth_expiring", function(info)
        print(info.in_seconds, info.expires_at - linnet.time.now() == info.in_seconds)
      end)
    ]]
    rig.advance(89)
    assert.same({}, world.said())
    rig.advance(100)
    assert.same({ "30.0\ttrue" }, world.said())
  end)

  it("is renewed with an event", function()
    world.run([[
      linnet.hub():on("authenticate", function(client, auth)
        print("got", auth.n, auth.expires_in)
        return { ok = auth.n ~= 3, message = "too often" }
      end)
    ]], "server.lua")
    world.run [[
      local n = 0
      local hub = linnet.connect("hub", {
        randomization_factor = 0,
        refresh = { before = "30s", event = "authenticate" },
        auth = function(ctx)
          n = n + 1
          print(ctx.reason, ctx.attempt)
          return { n = n, expires_in = 120 }
        end,
      })
      hub:on("disconnect", function(reason) print(reason) end)
      hub:on("auth_expiring", function() print("not renewed") end)
    ]]
    rig.advance(1)
    assert.same({ "first\t1" }, world.said())
    rig.advance(90)
    assert.same({ "expiring\t0", "got\t2\tnil" }, world.said())
    rig.advance(92)
    assert.same({ "expiring\t0", "got\t3\tnil", "auth refused", "unauthorized\t2" }, world.said())
  end)

  it("is renewed now and then, and kept for the next attempt", function()
    world.run [[
      local n = 0
      local hub = linnet.connect("hub", {
        randomization_factor = 0,
        refresh = { every = "4m" },
        auth = function(ctx)
          n = n + 1
          print(ctx.reason)
          return { name = "n" .. n }
        end,
      })
      hub:on("session", function(s) print(s.user.name) end)
    ]]
    rig.advance(241)
    assert.same({ "first", "n1", "expiring" }, world.said())
    rig.drop()
    rig.advance(2)
    assert.same({ "n2" }, world.said())
  end)

  it("needs a function to be renewed", function()
    assert.matches("refresh asks auth again: auth must be a function",
      world.raises [[ linnet.connect("hub", { refresh = { every = "4m" }, auth = { token = "t" } }) ]])
  end)
end)

describe("linnet.jwt.decode", function()
  before_each(world.open)
  after_each(world.close)

  it("reads claims and says what is none", function()
    world.run [[
      print(linnet.jwt.decode("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsIm4iOjkwMDcxOTkyNTQ3NDA5OTN9.").n)
      for _, token in ipairs { "", "a.b", "e30.e30.x.y", "e30.W10.", ("x"):rep(20000) } do
        local claims, err = linnet.jwt.decode(token)
        print(claims, err.code, err.message)
      end
    ]]
    assert.same({
      "9007199254740993",
      "nil\tinvalid\tthis is no JWT: it has no three parts with dots between",
      "nil\tinvalid\tthis is no JWT: it has no three parts with dots between",
      "nil\tinvalid\tthis is no JWT: it has no three parts with dots between",
      "nil\tinvalid\tthis is no JWT: its claims are no JSON object in base64url",
      "nil\tinvalid\tthis is no JWT: it has more than 16384 bytes",
    }, world.said())
  end)
end)

describe("a hub that wants tokens", function()
  before_each(function() world.open { ["hub.jwt"] = ('{"secret":"%s","iss":"spec"}'):format(SECRET) } end)
  after_each(world.close)

  local function client(text) world.run(signing .. text, "client.lua") end

  it("lets in who shows one, as whom it says", function()
    world.run([[
      local hub = linnet.hub()
      hub:use(function(client, auth)
        print("use", client.claims.sub, client.claims.role)
        return client.claims.role ~= "bad"
      end)
      hub:on("connect", function(client) print(client.user.id, client.user.name, client.claims.role) end)
    ]], "server.lua")
    client [[
      local function come(role)
        return linnet.connect("hub", { reconnection = false, auth = {
          id = "admin", token = jwt { sub = "u7", name = "Kari", iss = "spec", role = role, exp = now() + 60 } } })
      end
      come("good")
      come("bad"):on("connect_error", function(err) print(err.message) end)
    ]]
    rig.advance(1)
    local said = world.said()
    table.sort(said)
    assert.same({ "refused", "u7\tKari\tgood", "use\tu7\tbad", "use\tu7\tgood" }, said)
    is_hidden("eyJ")
  end)

  it("refuses who shows none, or one that is not good", function()
    for auth, expected in pairs {
      ["{}"] = "unauthorized\tinvalid token\tmissing",
      ['{ token = "x" }'] = "unauthorized\tinvalid token\tmalformed",
      ['{ token = jwt { iss = "others" } }'] = "unauthorized\tinvalid token\tissuer",
      ['{ token = jwt { iss = "spec", exp = now() - 60 } }'] = "unauthorized\ttoken expired\texpired",
    } do
      client(([[
        local hub = linnet.connect("hub", { auth = %s })
        hub:on("connect_error", function(err) print(err.code, err.message, err.data.reason) end)
      ]]):format(auth))
      rig.advance(1)
      assert.same({ expected }, world.said())
      rig.unload("client.lua")
    end
  end)

  it("keeps who renews in time; who does not comes back with another", function()
    world.run([[
      local hub = linnet.hub()
      hub:on("connect", function(client) print("connect", client.claims.n) end)
      hub:on("disconnect", function(client, reason) print(reason) end)
      hub:on("n", function(client) return client.claims.n end)
    ]], "server.lua")
    client [[
      local n = 0
      local hub = linnet.connect("hub", { refresh = { before = "20s", event = "authenticate" }, auth = function()
        n = n + 1
        return { token = jwt { sub = "u7", iss = "spec", n = n, exp = now() + 60 } }
      end })
      linnet.every(50, function() print(hub:emit_with_ack("n")) end)
    ]]
    rig.advance(1)
    assert.same({ "connect\t1" }, world.said())
    rig.advance(151)
    assert.same({ "2", "3", "4" }, world.said())
    rig.unload("client.lua")
    rig.advance(5)
    world.said()
    client [[
      local n = 0
      linnet.connect("hub", { randomization_factor = 0, auth = function(ctx)
        n = n + 1
        print(ctx.reason)
        return { token = jwt { sub = "u7", iss = "spec", n = n, exp = now() + 60 } }
      end })
    ]]
    rig.advance(95) -- its end, and the leeway
    assert.same({ "first", "connect\t1", "expired", "reconnect", "connect\t2" }, world.said())
  end)
end)

describe("the option jwt of a hub", function()
  before_each(function() world.open(nil, false) end)
  after_each(world.close)

  it("says what is wrong with it", function()
    for option, expected in pairs {
      ["7"] = "option 'hub.jwt' must be a table",
      ["{}"] = "hub.jwt needs 'secret' (HS256), 'key' or 'key_file'",
      ['{ key = "x" }'] = "hub.jwt needs 'alg': \"RS256\" or \"ES256\"",
      ['{ secret = "x", alg = "none" }'] = "hub.jwt.alg must be \"HS256\", \"RS256\" or \"ES256\"",
      ['{ secret = "" }'] = "'secret' of hub.jwt must be a text that is not empty",
      ['{ secret = 5 }'] = "'secret' of hub.jwt must be a text that is not empty",
      ['{ key = "a", secret = "b" }'] = "of hub.jwt must be the only key",
      ['{ secrt = "a" }'] = "hub.jwt has no option 'secrt' (did you mean 'secret'?)",
      ['{ secret = "a", leeway = "x" }'] = "'leeway' of hub.jwt must be a duration",
      ['{ secret = "a", aud = {} }'] = "'aud' of hub.jwt must be a text or a list of texts",
      ['{ secret = "a", aud = { 1 } }'] = "'aud' of hub.jwt must be a text or a list of texts",
      ['{ alg = "RS256", key_file = "/nowhere" }'] = "/nowhere cannot be read",
      ['{ alg = "RS256", key = "my private words" }'] = "it holds no public key in PEM form",
      ['{ secret = "-----BEGIN PUBLIC KEY-----" }'] = "such keys are for RS256 and ES256",
    } do
      local said = world.raises(("linnet.hub { port = 0, jwt = %s }"):format(option))
      assert.is_truthy(said:find(expected, 1, true), option .. ": " .. said)
      assert.is_nil(said:find("my private words", 1, true))
    end
  end)

  it("takes a secret and opens", function()
    rig.env("SPEC_KEY", SECRET)
    world.run(signing .. [[
      local hub = linnet.hub { port = 0,
        jwt = { secret = linnet.secret("SPEC_KEY"), aud = { "a", "b" }, field = "jwt" } }
      local chat = linnet.connect("ws://127.0.0.1:" .. hub.port, { auth = { jwt = jwt { sub = "u1", aud = "b" } } })
      print(chat:ready(1) ~= nil, #hub:clients { protocol = "socketio" }, hub:clients()[1].claims.aud)
    ]])
    rig.advance(2)
    rig.env("SPEC_KEY")
    assert.same({ "true\t1\tb" }, world.said())
  end)
end)
