-- SPDX-License-Identifier: MIT
--
-- Runs busted on the specs that were named (all of this folder when none was) and returns the exit
-- code. One line a failure, and "N passed, N failed" at the end.

package.path = rig.dir .. "/?.lua;" .. package.path

local busted = require "busted.core"()
require "busted"(busted)

local passed, failed = 0, 0

local function name_of(element)
  local names = {}
  while element and element.name do
    if element.descriptor ~= "file" then table.insert(names, 1, element.name) end
    element = busted.context.parent(element)
  end
  return table.concat(names, " ")
end

busted.subscribe({ "test", "end" }, function(_, _, status)
  if status == "success" then passed = passed + 1 else failed = failed + 1 end
  return nil, true
end)

local function tell(element, _, message)
  if element.descriptor ~= "it" then failed = failed + 1 end
  local text = type(message) == "table" and (message.message or tostring(message)) or message
  io.write("FAILED ", name_of(element), "\n  ", (tostring(text):gsub("\n", "\n  ")), "\n")
  return nil, true
end
for _, descriptor in ipairs { "it", "describe", "file", "before_each", "after_each" } do
  busted.subscribe({ "failure", descriptor }, tell)
  busted.subscribe({ "error", descriptor }, tell)
end

local files = #arg > 0 and arg or { rig.dir }
require "busted.modules.test_file_loader"(busted, { "lua" })(files, { "_spec%.lua$" }, { excludes = {} })
require "busted.execute"(busted)(1, {})

local lfs = require "lfs"
local function clear(folder)
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name
    if lfs.attributes(path, "mode") == "file" then
      os.remove(path)
    elseif name ~= "." and name ~= ".." then
      clear(path)
      lfs.rmdir(path)
    end
  end
end
clear(".") -- the harness made this folder for the scripts
io.write(("%d passed, %d failed\n"):format(passed, failed))
return failed == 0 and passed > 0 and 0 or 1
