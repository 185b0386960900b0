-- stream_script.lua URL: counts a numbered stream; what it counted goes from version to version.
local linnet = require "linnet"
local chat = linnet.connect(linnet.args[1])
local seen = { last = 0, wrong = 0 }
chat:on("n", function(n)
  if n ~= seen.last + 1 then seen.wrong = seen.wrong + 1 end
  seen.last = n
end)
chat:on("result", function(answer)
  answer { last = seen.last, wrong = seen.wrong, reloads = linnet.script.reloads }
end)
return {
  name = "stream",
  save = function() return seen end,
  restore = function(_, saved) seen = saved end,
}
