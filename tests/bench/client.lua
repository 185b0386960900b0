-- client.lua: the same work in linnet.   linnet run client.lua -- PORT MODE SIZE COUNT [LINES]
local linnet = require "linnet"
local port, mode, size, count, lines = table.unpack(linnet.args)
size, count, lines = tonumber(size), tonumber(count), tonumber(lines or 1)
local url = "http://127.0.0.1:" .. port
local pid = tonumber(linnet.env("BENCH_PID"))

local function counting(chat, first)
  local n, sum = 0, 0
  chat:on("message", function(m) n = n + 1; sum = sum + #m.text + m.n end)
  chat:on("end", function() (first or chat):emit("done", { n = n, sum = sum }) end)
end

if mode == "emit" then
  local chat = linnet.connect(url, { auth = { pid = pid } })
  local text = ("the quick brown fox jumps over the lazy dog "):rep(size // 44 + 1):sub(1, math.max(1, size - 90))
  chat:on("connect", function()
    for i = 0, count - 1 do
      chat:emit("message", { id = "m-" .. i, room = "lobby", n = i, text = text, time = 1732060800 })
      if i % 200 == 199 then linnet.sleep(0) end
    end
    chat:emit("done", { n = count })
  end)
elseif mode == "rtt" then
  local chat = linnet.connect(url, { auth = { pid = pid } })
  chat:on("connect", function()
    local times = {}
    for i = 1, count do
      local start = linnet.time.monotonic()
      assert(chat:emit_with_ack("ask", i))
      times[i] = linnet.time.monotonic() - start
    end
    table.sort(times)
    chat:emit("done", {
      n = count,
      p50 = times[count // 2] * 1e9, p99 = times[math.floor(count * 0.99)] * 1e9,
    })
  end)
elseif mode == "idle" or mode == "wake" then
  local up, n, sum, first = 0, 0, 0, nil
  local total = mode == "idle" and count or lines
  local open
  function open(i)
    local chat = linnet.connect(url .. "/?n=" .. i, { auth = i == 0 and { pid = pid } or {} })
    first = first or chat
    chat:on("message", function(m) n = n + 1; sum = sum + #m.text + m.n end)
    chat:on("end", function() first:emit("done", { n = n, sum = sum }) end)
    chat:on("connect", function()
      up = up + 1
      if up == total and mode == "idle" then
        linnet.after("500ms", function() first:emit("done", { n = up }) end)
      end
      if i + 100 < total then open(i + 100) end
    end)
  end
  for i = 0, math.min(100, total) - 1 do open(i) end
else
  counting(linnet.connect(url, { auth = { pid = pid } }))
end
