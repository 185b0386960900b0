-- shield.lua: a message filter. Everybody may write in the room `open`; what is clean goes on to
-- `lobby`: tokens are blacked out, banned words and floods are dropped, with the reason in the log.
local linnet = require "linnet"

local open   = linnet.option("open", "open")
local target = linnet.option("target", "lobby")
local banned = linnet.option("banned", { "spam" }, "list")
local limit  = linnet.option("limit", 5, "integer")      -- messages …
local window = linnet.option("window", "10s", "duration") -- … each person in this time

local chat = linnet.connect("hub", { auth = { name = "shield" } })
local times = {} -- sender id -> the times of the last messages

local function floods(msg)
  local now, recent = linnet.time.monotonic(), {}
  for _, t in ipairs(times[msg.sender.id] or {}) do
    if now - t < window then recent[#recent + 1] = t end
  end
  recent[#recent + 1] = now
  times[msg.sender.id] = recent
  return #recent > limit
end

local function bad_word(text)
  local low = text:lower()
  for _, word in ipairs(banned) do
    if low:find(word, 1, true) then return word end
  end
end

-- Each rule returns the text to go on with, or nil and the reason.
local rules = {
  function(msg, text) if floods(msg) then return nil, "flood" end return text end,
  function(_, text) if bad_word(text) then return nil, "banned word" end return text end,
  function(_, text) return (text:gsub("eyJ[%w_-]+%.[%w_-]+%.[%w_-]+", "[token]")) end,
}

chat:room(open):on("message", function(msg)
  local text = msg.text
  for _, rule in ipairs(rules) do
    local passed, reason = rule(msg, text)
    if not passed then
      return linnet.log.info("dropped", { from = msg.sender.name, reason = reason })
    end
    text = passed
  end
  chat:room(target):send(msg.sender.name .. ": " .. text)
end)

linnet.every("5m", function() times = {} end) -- nobody who left is remembered

chat:join(open)
chat:join(target)
