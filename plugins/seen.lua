-- seen.lua: remembers keys for a while, so that nothing is handled twice.
--   local seen = linnet.use("seen", { keep = 600 })       (seconds; 10 minutes is the default)
--   if seen.before(msg.id) then return end
local linnet = require "linnet"

local keep, max = 600, 10000
local keys, count = {}, 0 -- key -> until when it counts as seen, in seconds of linnet.time.now

local function sweep()
  local now = linnet.time.now()
  for key, till in pairs(keys) do
    if till <= now then keys[key], count = nil, count - 1 end
  end
end

return {
  name = "seen",
  version = "1.0.0",

  init = function(_, options)
    keep, max = options.keep or keep, options.max or max
    linnet.every(keep, sweep)
  end,

  save = function() return { keys = keys, count = count } end,
  restore = function(_, saved) keys, count = saved.keys, saved.count end,

  exports = {
    -- before(key) -> was it seen within `keep`? From now on it was.
    before = function(key)
      local now = linnet.time.now()
      if keys[key] and keys[key] > now then return true end
      if count >= max then keys, count = {}, 0 end -- bounded: rather once too often than for ever
      if not keys[key] then count = count + 1 end
      keys[key] = now + keep
      return false
    end,
  },
}
