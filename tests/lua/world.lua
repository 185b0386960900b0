-- SPDX-License-Identifier: MIT
--
-- What all specs share: a world per test, scripts from text, and what they printed. A world that
-- leaves a handle behind, or in which a script failed unnoticed, fails its test.

local assert = require "luassert"
local M = {}
local kept = {}

local function collect()
  for _, r in ipairs(rig.logs()) do kept[#kept + 1] = r end
end

-- What scripts printed (level info) since the last call, with tabs between the values.
function M.said()
  collect()
  local out, rest = {}, {}
  for _, r in ipairs(kept) do
    if r.level == "info" and r.tag:find("^script:") then
      out[#out + 1] = (r.text:gsub("  ", "\t"))
    else
      rest[#rest + 1] = r
    end
  end
  kept = rest
  return out
end

-- Records of a level since the last call, as text.
function M.logged(level)
  collect()
  local out, rest = {}, {}
  for _, r in ipairs(kept) do
    if r.level == level then out[#out + 1] = r.text else rest[#rest + 1] = r end
  end
  kept = rest
  return out
end

function M.records()
  collect()
  local out = kept
  kept = {}
  return out
end

-- Every error must be looked for by the test that causes it.
function M.errors() return M.logged("error") end

function M.open(settings, hub)
  kept = {}
  rig.logs()
  rig.open(type(settings) == "table" and settings or nil, hub)
end

function M.close()
  rig.settle()
  local left = rig.close()
  local errors = M.errors()
  M.records()
  assert.same({}, errors)
  assert.equal(0, left or 0)
end

local header = 'local linnet = require "linnet" '

-- Loads a script; raises when it does not run.
function M.run(text, name)
  local ok, err = rig.load(name or "spec.lua", header .. text)
  if not ok then error(err, 2) end
end

-- What loading says.
function M.fails(text, name)
  local ok, err = rig.load(name or "wrong.lua", header .. text)
  assert.is_false(ok)
  return err
end

-- Runs text in a script that raises, while it loads or later, and returns the message without file
-- and line.
function M.raises(text)
  local ok, err = rig.load("wrong.lua", header .. text)
  local errors = M.errors() -- the same text, when the script was replaced or runs already
  if ok then
    err = errors[1] or "no error"
    rig.unload("wrong.lua")
  end
  return (err:gsub("^wrong%.lua:%d+: ", ""):gsub("\n.*", ""))
end

return M
