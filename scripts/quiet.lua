-- quiet.lua: quiet hours. What is said in the room `from` goes on to the room `to`: by day at once, by
-- night (22:00 to 08:00) in the morning, in order. A message that begins with SOS passes always.
local linnet = require "linnet"

local from  = linnet.option("from", "alerts")
local to    = linnet.option("to", "bedroom")
local first = linnet.option("first", 22, "integer") -- the hour at which it becomes quiet
local last  = linnet.option("last", 8, "integer")   -- the hour at which it ends

local chat = linnet.connect("hub", { auth = { name = "quiet" } })
local held = {}
local morning -- the timer that lets them out

local function is_quiet()
  local hour = os.date("*t").hour
  if first <= last then return hour >= first and hour < last end
  return hour >= first or hour < last
end

local function seconds_to_morning()
  local t = os.date("*t")
  if t.hour >= last then t.day = t.day + 1 end
  return math.max(0, os.time({ year = t.year, month = t.month, day = t.day, hour = last }) - os.time())
end

local function pass(text) chat:room(to):send(text) end

local function let_out()
  morning = nil
  local texts = held
  held = {}
  if #texts > 0 then pass(("%d while it was quiet:"):format(#texts)) end
  for _, text in ipairs(texts) do pass(text) end
end

local function wait_for_morning()
  if not morning then morning = linnet.after(seconds_to_morning(), let_out) end
end

chat:room(from):on("message", function(msg)
  local text = msg.sender.name .. ": " .. msg.text
  if not is_quiet() or msg.text:find("^SOS") then return pass(text) end
  held[#held + 1] = text
  wait_for_morning()
end)

chat:join(from)
chat:join(to)

-- What is held survives a reload of this script.
return {
  name = "quiet",
  save = function() return held end,
  restore = function(_, saved)
    held = saved
    if #held > 0 then wait_for_morning() end
  end,
}
