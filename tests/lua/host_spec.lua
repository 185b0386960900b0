-- SPDX-License-Identifier: MIT
-- log, option, env, secret, args, exit, script, unknown names; small tools.

local world = require "world"

describe("the host", function()
  before_each(world.open)
  after_each(world.close)

  it("logs with levels and fields", function()
    world.run [[
      linnet.log.debug("hidden")
      linnet.log.info("one", { n = 1, t = { 2 }, s = "x", b = true })
      linnet.log.warn(setmetatable({}, { __tostring = function() return "two" end }))
      linnet.log.error("three", { err = select(2, linnet.base64.decode("?")) })
      print("four", nil, 5)
    ]]
    local r = world.records()
    assert.same({ "info", "warn", "error", "info" }, { r[1].level, r[2].level, r[3].level, r[4].level })
    assert.same({ "one", "two", "three", "four  nil  5" }, { r[1].text, r[2].text, r[3].text, r[4].text })
    assert.same({ n = "1", t = "[2]", s = "x", b = "true" }, r[1].fields)
    assert.same({ err = "this is no base64" }, r[3].fields)
    assert.equal("script:spec", r[1].tag)
    assert.matches("the fields must be a table", world.raises [[ linnet.log.info("x", 1) ]])
    assert.matches("the fields must have names", world.raises [[ linnet.log.info("x", { 1 }) ]])
    assert.matches("log.warn: the message", world.raises [[ linnet.log.warn() ]])
    assert.matches("log.error: the message", world.raises [[ linnet.log.error() ]])
    assert.matches("log.debug: the message", world.raises [[ linnet.log.debug() ]])
  end)

  it("prints what tables hold, unless they say it themselves", function()
    world.run [[
      print({ 1, { two = "x" } }, {}, setmetatable({}, { __tostring = function() return "own" end }), nil, true)
    ]]
    assert.same({ '{ 1, { two = "x" } }\t{}\town\tnil\ttrue' }, world.said())
    world.run [[ local t = {} for i = 1, 100 do t = { t } end print(t) ]]
    assert.is_true(#world.said()[1] < 2000)
  end)

  it("gives options of the right kind", function()
    for path, json in pairs {
      size = "3", name = '"wren"', wait = '"2m"', on = "true", list = '["a","b"]', at = '"08:30"', mode = '"fast"',
      text_number = '"12"', ratio = "0.5",
    } do
      rig.set("scripts.spec.options." .. path, json)
    end
    world.run [[
      local o = linnet.option
      print(o("size", 1), o("size", nil, "integer"), o("name", "x"), o("wait", nil, "duration"), o("on", false))
      print(o("list", {})[2], o("at", nil, "time"), o("mode", "slow", "fast|slow"), o("text_number", 1),
        o("ratio", 1.5))
      print(o("missing"), o("missing", 5), o("missing", "10s", "duration"), o("size"), o("size", nil, "number"))
    ]]
    assert.same({
      "3\t3\twren\t120.0\ttrue", "b\t08:30\tfast\t12\t0.5", "nil\t5\t10.0\t3\t3",
    }, world.said())
  end)

  it("warns of an option that is nearly one of the script's", function()
    for _, name in ipairs { "greetin", "size", "colour" } do rig.set("scripts.shop.options." .. name, '"x"') end
    world.run([[ print(linnet.option("greeting", "hi"), linnet.option("size", "s")) ]], "shop.lua")
    assert.same({ "hi\tx" }, world.said())
    local warned = world.logged("warn")
    assert.equal(1, #warned)
    assert.matches("shop%.lua has no option 'greetin' %(did you mean 'greeting'%?%)", warned[1])
  end)

  it("names the origin of an option of the wrong kind", function()
    rig.set("scripts.wrong.options.size", '"big"')
    assert.matches("^%-%-set: option 'size' of script wrong must be a whole number, not \"big\"",
      world.raises [[ linnet.option("size", 1) ]])
    assert.matches("must be fast|slow, not \"big\"", world.raises [[ linnet.option("size", "fast", "fast|slow") ]])
    assert.matches("must be a list", world.raises [[ linnet.option("size", {}) ]])
    assert.matches("must be a time of day", world.raises [[ linnet.option("size", nil, "time") ]])
    assert.matches("unknown kind 'strin' %(did you mean 'string'", world.raises [[ linnet.option("x", nil, "strin") ]])
    assert.matches("the default of 'y' must be a whole number",
      world.raises [[ linnet.option("y", "x", "integer") ]])
  end)

  it("keeps secrets", function()
    rig.env("SPEC_TOKEN", "abcdefgh-secret")
    world.run [[
      local s = linnet.secret("SPEC_TOKEN")
      print(s, linnet.inspect { s }, s == linnet.secret("SPEC_TOKEN"), pcall(function() return s .. "x" end))
      print(#s:reveal(), linnet.hmac("sha256", s, "data") == linnet.hmac("sha256", "abcdefgh-secret", "data"))
    ]]
    local said = world.said()
    assert.matches("^%*%*%*\t{ %*%*%* }\ttrue\tfalse", said[1])
    assert.equal("15\ttrue", said[2])
    assert.matches("a secret is revealed at spec%.lua:%d+", world.logged("warn")[1])
    rig.env("SPEC_TOKEN")
    assert.matches("no secret SPEC_TOKEN: set the variable", world.raises [[ linnet.secret("SPEC_TOKEN") ]])
    assert.matches("the name must be a string", world.raises [[ linnet.secret() ]])
  end)

  it("asks for a grant before it shows the environment", function()
    rig.env("SPEC_HOME", "here")
    assert.matches("%-%-allow=env:SPEC_HOME", world.raises [[ linnet.env("SPEC_HOME") ]])
    rig.env("SPEC_HOME")
  end)

  it("tells versions, arguments and the script itself", function()
    world.run [[
      print(type(linnet.version), math.type(linnet.api), #linnet.args)
      print(linnet.script.name, linnet.script.path, linnet.script.reloads)
      linnet.on_dispose(function(reason) print("dispose", reason) end)
    ]]
    assert.same({ "string\tinteger\t0", "spec\tspec.lua\t0" }, world.said())
    rig.stop()
    assert.same({ "dispose\tstop" }, world.said())
  end)

  it("ends when the only script asks for it", function()
    world.run [[ linnet.after(1, function() linnet.exit(3) end) ]]
    rig.advance(1)
    assert.equal(3, rig.exit_code())
  end)

  it("does not end for one script of many", function()
    world.run("", "other.lua")
    assert.matches("other scripts run here as well; .*%-%-allow=exit",
      world.raises [[ linnet.exit() ]])
    assert.is_nil(rig.exit_code())
    assert.matches("the code must be from 0 to 255", world.raises [[ linnet.exit(256) ]])
  end)

  it("uses plugins", function()
    require("lfs").mkdir("plugins")
    rig.write("plugins/greeter.lua", [[
      return { name = "greeter", version = "1.0.0", exports = { greet = function(name) return "Hello, " .. name end } }
    ]])
    world.run [[
      local greeter = assert(linnet.use("greeter"))
      print(greeter.greet("Kari"))
      local none, err = linnet.use("no_such_plugin")
      print(none, err.code)
    ]]
    assert.same({ "Hello, Kari", "nil\tnot_found" }, world.said())
  end)

  it("names what linnet does not have", function()
    assert.equal("linnet has no 'conect' (did you mean 'connect'?)", world.raises [[ linnet.conect("hub") ]])
    assert.equal("linnet has no 'bot'", world.raises [[ linnet.bot() ]]:gsub(" %(did.*", ""))
  end)

  it("takes no values of the script's own", function()
    assert.equal("linnet.counter cannot be set: keep it in a local variable, or in a module",
      world.raises [[ linnet.counter = 1 ]])
  end)
end)

describe("small tools", function()
  before_each(world.open)
  after_each(world.close)

  it("uuid, hmac, base64, jwt, inspect", function()
    world.run [[
      print(linnet.uuid():match("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$") ~= nil, linnet.uuid() ~= linnet.uuid())
      print(linnet.hmac("sha256", "key", "The quick brown fox jumps over the lazy dog"))
      print(linnet.base64.encode("hello\0"), linnet.base64.decode("aGVsbG8A") == "hello\0", linnet.base64.decode("aGk"))
      local ok, err = linnet.base64.decode("*")
      print(ok, err.code)
      print(linnet.jwt.decode("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsImV4cCI6MTcwMDAwMDAwMH0.x").exp)
      print(linnet.jwt.decode("a.b"), linnet.jwt.decode("a.!.c"), (linnet.jwt.decode("a.W10.c")))
      print(linnet.inspect { 1, "two", { x = linnet.null }, ["a b"] = true, [10] = 1.5, s = "q\"\n\1" })
      print(linnet.inspect(nil), linnet.inspect(print):match("^function"), linnet.inspect {})
    ]]
    local said = world.said()
    assert.equal("true\ttrue", said[1])
    assert.equal("f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8", said[2])
    assert.equal("aGVsbG8A\ttrue\thi", said[3])
    assert.equal("nil\tinvalid", said[4])
    assert.equal("1700000000", said[5])
    assert.equal("nil", said[6]:match("^nil"))
    for _, piece in ipairs {
      "{ 1, \"two\", { x = null }", "[\"a b\"] = true", "[10] = 1.5", "s = \"q\\\"\\n\\001\"",
    } do
      assert.is_truthy(said[7]:find(piece, 1, true), piece)
    end
    assert.equal("nil\tfunction\t{}", said[8])
  end)

  it("refuse what they cannot take", function()
    assert.matches("unknown algorithm 'md5'", world.raises [[ linnet.hmac("md5", "k", "d") ]])
    assert.matches("the key must be a string", world.raises [[ linnet.hmac("sha256", nil, "d") ]])
    assert.matches("base64.encode: the bytes", world.raises [[ linnet.base64.encode() ]])
    assert.matches("base64.decode: the text", world.raises [[ linnet.base64.decode({}) ]])
    assert.matches("jwt.decode: the token", world.raises [[ linnet.jwt.decode(1) ]])
  end)

  it("inspect asks objects that inspect themselves", function()
    world.run [[
      local point = setmetatable({}, { __tostring = function() return "P" .. linnet.inspect { 1, 2 } end })
      print(linnet.inspect { "first", point, { point }, "last" })
      print(#linnet.inspect(("x"):rep(1e6)) < 200000)
      print(linnet.null, linnet.inspect(linnet.null), tostring(linnet.json.empty_array):match("^%a+"))
      print(select(2, pcall(linnet.sleep, linnet.null)))
    ]]
    local said = world.said()
    assert.equal('{ "first", P{ 1, 2 }, { P{ 1, 2 } }, "last" }', said[1])
    assert.same({ "true", "null\tnull\tuserdata" }, { said[2], said[3] })
    assert.matches("not linnet.null$", said[4])
  end)

  it("inspect ends with tables that contain themselves", function()
    world.run [[ local t = {} t.t = t print(#linnet.inspect(t) < 2000) ]]
    assert.same({ "true" }, world.said())
  end)
end)
