-- hello.lua: a first bot. It greets, it counts its greetings, and it takes an order step by step.
--   linnet dev scripts/hello.lua        (then open the page it prints)
--   linnet run scripts/hello.lua -- https://chat.example        (the same bot on another server)
local linnet = require "linnet"

local target = linnet.args[1] or "hub"
local chat   = linnet.connect(target, { auth = { name = "wren" } })
local lobby  = chat:room("lobby")

local greetings = { hello = true, hi = true, hey = true }
local greeted = 0

lobby:on("message", function(msg)
  -- "hi", "hey there!", but nothing with a comma: two bots would greet each other for ever.
  local word = msg.text:lower():match("^(%a+)[%a ]*%p?$")
  if greetings[word] then
    greeted = greeted + 1
    lobby:send("Hello, " .. msg.sender.name .. "!")
  elseif msg.text == "!count" then
    lobby:send(("I have said hello %d time%s."):format(greeted, greeted == 1 and "" or "s"))
  end
end)

-- Straight code that waits: nothing else stops meanwhile, and a reload ends it in order.
local function ask(msg, question)
  lobby:send(question)
  local answer = lobby:wait_for("message", {
    timeout = "1m",
    where = function(m) return m.sender.id == msg.sender.id end,
  })
  return answer and answer.text
end

lobby:on("message", function(msg)
  if msg.text ~= "!pizza" then return end
  local size = ask(msg, "Which size, " .. msg.sender.name .. "?")
  if not size then return lobby:send("No pizza then.") end
  lobby:typing(true)
  linnet.sleep("1s")
  lobby:send(("One %s pizza for %s."):format(size, msg.sender.name))
end)

chat:join("lobby") -- the host joins again after every reconnect
