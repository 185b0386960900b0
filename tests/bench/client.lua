-- client.lua: the same work in linnet.   linnet run client.lua -- PORT MODE SIZE COUNT [LINES] [CERT] [PROTO]
--   inbound others names start   LINES: how many names are listened to
--   emit rtt
--   idle wake                    LINES: how many lines
--   reload                       as inbound, and what was counted outlives a reload
local linnet = require "linnet"
local port, mode, size, count, lines, cert, proto = table.unpack(linnet.args)
size, count, lines = tonumber(size), tonumber(count), tonumber(lines or 1)
if cert == "" then cert = nil end
local url = (cert and "https" or "http") .. "://127.0.0.1:" .. port
local pid = tonumber(linnet.env("BENCH_PID"))
local options = { auth = { pid = pid }, tls = cert and { ca = cert } or nil }
local room, done = nil, "done" -- of Pusher: the channel, and the event that a client may send there
local function one_of_many(i) return url .. "/?n=" .. i end -- the same place, another line
if proto == "ws" then
  url, options = ("ws://127.0.0.1:%s/app/%d"):format(port, pid), { protocol = "ws" }
elseif proto == "pusher" then
  url, options = ("pusher://%d@127.0.0.1:%s"):format(pid, port), { secret = "secret" }
  room, done = "private-lobby", "client-done"
  function one_of_many(i) return (url:gsub("@", "-" .. i .. "@")) end
end

-- Listens to names; at the end it tells what it counted, after other scripts (more.lua) have.
local function counting(chat, names)
  local n, sum = 0, 0
  for _, name in ipairs(names) do
    chat:on(name, function(m) n = n + 1; sum = sum + #m.text + m.n end)
  end
  chat:on("end", function()
    linnet.sleep("20ms");
    (room and chat:room(room) or chat):emit(done, { n = n, sum = sum })
  end)
  if room then chat:join(room) end
  return function() return { n = n, sum = sum } end, function(saved) n, sum = saved.n, saved.sum end
end

local function numbered(n)
  local names = {}
  for i = 1, n do names[i] = ("e%05d"):format(i - 1) end
  return names
end

if mode == "emit" then
  local chat = linnet.connect(url, options)
  local text = ("the quick brown fox jumps over the lazy dog "):rep(size // 44 + 1):sub(1, math.max(1, size - 90))
  chat:on("connect", function()
    for i = 0, count - 1 do
      chat:emit("message", { id = "m-" .. i, room = "lobby", n = i, text = text, time = 1732060800 })
      if i % 200 == 199 then linnet.sleep(0) end
    end
    chat:emit("done", { n = count })
  end)
elseif mode == "rtt" then
  local chat = linnet.connect(url, options)
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
  local function tell(result) (room and first:room(room) or first):emit(done, result) end
  local open
  function open(i)
    local mine = proto and options or { auth = i == 0 and { pid = pid } or {} }
    local chat = linnet.connect(one_of_many(i), mine)
    first = first or chat
    if room then linnet.spawn(chat.join, chat, room) end
    chat:on("message", function(m) n = n + 1; sum = sum + #m.text + m.n end)
    if mode == "wake" then
      chat:on("end", function() tell({ n = n, sum = sum }) end)
    end
    chat:on("connect", function()
      up = up + 1
      if up == total and mode == "idle" then
        linnet.after("500ms", function() tell({ n = up }) end)
      end
      if i + 100 < total then open(i + 100) end
    end)
  end
  for i = 0, math.min(100, total) - 1 do open(i) end
elseif mode == "reload" then
  local get, set = counting(linnet.connect(url, options), { "message" })
  return { name = "client", save = get, restore = function(_, saved) set(saved) end }
else
  local chat = linnet.connect(url, options)
  local names = { "message" }
  if mode == "names" then names = numbered(lines) end
  if mode == "others" then
    for _, name in ipairs(numbered(lines - 1)) do names[#names + 1] = name end
  end
  counting(chat, names)
end
