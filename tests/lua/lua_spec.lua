-- SPDX-License-Identifier: MIT
-- Plain Lua inside a script, and linnet.json.

local world = require "world"

describe("a script's Lua", function()
  before_each(world.open)
  after_each(world.close)

  it("coroutines of its own may wait as well", function()
    world.run [[
      local co = coroutine.create(function(a)
        linnet.sleep(1)
        local b = coroutine.yield(a + 1)
        return b * 2, coroutine.isyieldable(), select(2, coroutine.running())
      end)
      print(coroutine.resume(co, 1))
      print(coroutine.resume(co, 5))
      print(coroutine.resume(co))
      local gen = coroutine.wrap(function() for i = 1, 2 do linnet.sleep(1) coroutine.yield(i) end end)
      print(gen(), gen())
      print(coroutine.close(coroutine.create(print)))
    ]]
    rig.advance(5)
    assert.same({
      "true\t2", "true\t10\ttrue\tfalse", "false\tcannot resume dead coroutine", "1\t2", "true",
    }, world.said())
  end)

  it("strings, tables, os and io", function()
    world.run [[
      local words = {}
      for w in string.gmatch("a bb ccc", "%a+") do words[#words + 1] = w end
      print(table.concat(words, ","), string.find("x.y", ".", 1, true), string.match("k=v", "(%w)=(%w)"))
      print(string.gsub("hello", "l", { l = "L" }), string.rep("ab", 3, "-"))
      print(table.concat(table.move({ 1, 2, 3 }, 2, 3, 1), ","), os.date("!%Y-%m-%d", 0), os.time() > 0)
      print(pcall(os.getenv, "HOME"))
      local f = assert(io.open("spec_file.txt", "w"))
      f:write("one\ntwo\n")
      f:close()
      for line in io.lines("spec_file.txt") do print(line) end
      print(os.rename("spec_file.txt", "spec_other.txt"), os.remove("spec_other.txt"), (os.remove("spec_other.txt")))
    ]]
    local said = world.said()
    assert.equal("a,bb,ccc\t2\tk\tv", said[1])
    assert.equal("heLLo\tab-ab-ab", said[2])
    assert.equal("2,3,3\t1970-01-01\ttrue", said[3])
    assert.matches("^false\t.*%-%-allow=env:HOME", said[4])
    assert.same({ "one", "two", "true\ttrue\tnil" }, { said[5], said[6], said[7] })
  end)

  it("json as lua-cjson has it, with exact integers", function()
    world.run [[
      local json = linnet.json
      print(json.encode { 1, 2.5, "x", true, json.null }, json.decode("[9007199254740993]")[1])
      print(json.encode(linnet.array {}), json.encode {}, json.decode("null") == linnet.null)
      local ok, err = json.decode("[1,")
      print(ok, err)
      local own = json.new()
      print(own.encode_max_depth(3), own.decode_max_depth(2), json.encode_max_depth() > 3)
      print(pcall(own.encode, { { { { 1 } } } }))
      print(own.encode_number_precision(3), own.encode(1 / 3), own.encode_empty_table_as_object(false), own.encode {})
      print(own.encode_sparse_array(true), own.encode_invalid_numbers("null"), own.encode { 0 / 0 })
      print(own.decode_invalid_numbers(false))
    ]]
    local said = world.said()
    assert.equal("[1,2.5,\"x\",true,null]\t9007199254740993", said[1])
    assert.equal("[]\t{}\ttrue", said[2])
    assert.matches("^nil\t.*line 1, column", said[3])
    assert.equal("3\t2\ttrue", said[4])
    assert.matches("^false\t", said[5])
    assert.equal("3\t0.333\tfalse\t[]", said[6])
    assert.matches("\tnull\t%[null%]$", said[7])
    assert.equal("false", said[8])
  end)
end)
