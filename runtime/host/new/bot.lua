-- @NAME@: a first bot.   linnet dev   (then open the page it prints and say hi)
local linnet = require "linnet"
local chat   = linnet.connect("hub", { auth = { name = "@NAME@" } })
local lobby  = chat:room("lobby")

local greetings = { hello = true, hi = true, hey = true }

lobby:on("message", function(msg)
  -- "hi", "hey there!", but nothing with a comma: two bots would greet each other for ever.
  local word = msg.text:lower():match("^(%a+)[%a ]*%p?$")
  if greetings[word] then
    lobby:send("Hello, " .. msg.sender.name .. "!")
  end
end)

-- Straight code that waits; nothing else stops meanwhile.
lobby:on("message", function(msg)
  if msg.text == "!pizza" then
    lobby:send("Which size?")
    local answer = lobby:wait_for("message", {
      timeout = "1m",
      where = function(m) return m.sender.id == msg.sender.id and m.text ~= "!pizza" end,
    })
    if not answer then return lobby:send("No pizza then.") end
    lobby:send("One " .. answer.text .. " pizza for " .. msg.sender.name .. ".")
  end
end)

chat:join("lobby") -- the host joins again after every reconnect
