-- SPDX-License-Identifier: MIT
-- Every example of docs/lua.md runs, without an error; and those of some sections elsewhere.

local world = require "world"

local function examples(file, only)
  local list, section = {}, "start"
  local text, first
  local n = 0
  for line in io.lines(rig.dir .. "/../../docs/" .. file) do
    n = n + 1
    section = line:match("^## (.+)") or section
    if text and line == "```" then
      if not only or section == only then
        list[#list + 1] = { name = section, line = first, text = table.concat(text, "\n") }
      end
      text = nil
    elseif text then
      text[#text + 1] = line
    elseif line == "```lua" then
      text, first = {}, n
    end
  end
  return list
end

local function run_all(all, least)
  before_each(world.open)
  after_each(world.close)

  it("has examples", function() assert.is_true(#all >= least, #all) end)

  for _, e in ipairs(all) do
    it(("line %d runs: %s"):format(e.line, e.name), function()
      local ok, err = rig.load("example.lua", e.text)
      assert.is_true(ok, err)
      rig.advance(30)
      world.said()
      world.logged("warn")
    end)
  end
end

describe("docs/lua.md", function() run_all(examples "lua.md", 12) end)
describe("docs/connections.md", function() run_all(examples("connections.md", "Tokens"), 1) end)
