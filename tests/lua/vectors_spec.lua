-- SPDX-License-Identifier: MIT
-- tests/vectors.json over a whole line: what the reference's Socket.IO parser reads and writes, frame by
-- frame, as scripts see it. (The codecs alone are tests/unit/wire_socketio_test.c.)

local world = require "world"
local json = require "dkjson"

local vectors
do
  local f = assert(io.open(rig.dir .. "/../vectors.json"))
  vectors = assert(json.decode(f:read("a"), 1, json.null))
  f:close()
end
local reads, writes = #vectors.sio_decode, #vectors.sio_encode

local function bytes(hex) return (hex:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)) end

-- A value as one line of text. A binary value is a string to scripts.
local canon_code = [[
  local function canon(v, null)
    if v == null then return "null" end
    if type(v) == "string" then return (v:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) .. "s" end
    if type(v) ~= "table" then return tostring(v) end
    local out = {}
    for k, x in pairs(v) do out[#out + 1] = (type(k) == "number" and k or canon(k)) .. "=" .. canon(x, null) end
    table.sort(out)
    return "{" .. table.concat(out, ",") .. "}"
  end
]]
local canon = load(canon_code .. "return canon")()

local function unwrap(v)
  if type(v) ~= "table" then return v end
  if v["$bin"] then return bytes(v["$bin"]) end
  local out = {}
  for k, x in pairs(v) do out[k] = unwrap(x) end
  return out
end

-- A Socket.IO server that joins everybody and keeps what comes.
local line, frames
local function serve()
  line, frames = nil, {}
  return rig.serve(function(what, id, data)
    if what == "open" then
      line = id
      rig.tell(id, '0{"sid":"engine","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')
    elseif what == "text" and data:find("^40") then
      rig.tell(id, data:match("^40/[^,]*,") and data:match("^40/[^,]*,") .. '{"sid":"s"}' or '40{"sid":"s"}')
    elseif what ~= "close" then
      frames[#frames + 1] = { what == "text" and "text" or "bin", data }
    end
  end)
end

local function connect(nsp, text)
  world.run(canon_code .. ([[
    local chat = linnet.connect("ws://127.0.0.1:%d%s", { transports = { "websocket" } })
    chat:ready()
    chat:on("disconnect", function(reason) print("lost", reason) end)
    %s ]]):format(serve(), nsp == "/" and "" or nsp, text))
  rig.settle()
end

-- Where linnet refuses what the reference takes by an accident of JavaScript.
local stricter = { ["2 [\"foo\"]"] = true, [""] = true, ["3"] = true }

-- What the dossier of the protocol says beside the vectors: one attachment, and this in its place.
local places = {
  ['{"_placeholder":true,"num":"0"}'] = "illegal attachments",
  ['{"_placeholder":true,"num":1}'] = "illegal attachments",
  ['{"num":0.5,"_placeholder":true}'] = "illegal attachments",
  ['{"a":1,"b":2,"_placeholder":true}'] = "illegal attachments",
  ['{"_placeholder":"true","num":0}'] = { _placeholder = "true", num = 0 },
  ['{"_placeholder":1,"num":0}'] = { _placeholder = 1, num = 0 },
  ['{"_placeholder":false,"num":9}'] = { _placeholder = false, num = 9 },
  ['[{"x":{"num":0,"_placeholder":true,"more":[]}}]'] = { { x = { ["$bin"] = "07" } } },
}
for place, want in pairs(places) do
  local is_error = type(want) == "string"
  table.insert(vectors.sio_decode, {
    frames = { { text = '51-["a",' .. place .. "]" }, { bin = "07" } },
    packets = is_error and {} or { { type = 2, nsp = "/", data = { "a", want } } },
    error = is_error and want or json.null,
  })
end

describe("the reference's vectors", function()
  before_each(function() world.open(nil, false) end)
  after_each(world.close)

  for _, case in ipairs(vectors.sio_decode) do
    local first = case.frames[1].text
    it(("are read: %q"):format(first), function()
      local packet = case.packets[1]
      connect(packet and packet.nsp or "/", [[
        chat:on_any(function(name, ...)
          local args = { ... }
          if type(args[#args]) == "function" then args[#args] = "asked" end
          print("event", canon(name), canon(args, linnet.null))
        end) ]])
      for _, frame in ipairs(case.frames) do
        if frame.text then rig.tell(line, "4" .. frame.text) else rig.tell_binary(line, bytes(frame.bin)) end
      end
      rig.settle()
      local want = {}
      local is_event = packet and packet.type == 2
      if is_event and not stricter[first] then
        local data = unwrap(packet.data)
        local name = table.remove(data, 1)
        if packet.id ~= nil then data[#data + 1] = "asked" end
        want[1] = ("event\t%s\t%s"):format(canon(tostring(name)), canon(data, json.null))
      elseif packet and packet.type == 1 then
        want[1] = "lost\tio server disconnect"
      end
      if case.error ~= json.null or stricter[first] then want[#want + 1] = "lost\tparse error" end
      assert.same(want, world.said())
      world.records()
    end)
  end

  it("are all there", function()
    assert.equal(44, reads)
    assert.equal(12, writes)
  end)

  -- A value as the source text of a script.
  local function source(v)
    if v == json.null then return "linnet.null" end
    if type(v) ~= "table" then return ("%q"):format(v) end
    if v["$bin"] then return ("linnet.binary(%q)"):format(bytes(v["$bin"])) end
    local out = {}
    for k, x in pairs(v) do out[#out + 1] = ("[%s] = %s"):format(source(k), source(x)) end
    return "{ " .. table.concat(out, ", ") .. " }"
  end

  for _, case in ipairs(vectors.sio_encode) do
    local packet, want = case.packet, {}
    local args = {}
    for _, value in ipairs(type(packet.data) == "table" and packet.data or {}) do args[#args + 1] = source(value) end
    for _, frame in ipairs(case.frames) do
      want[#want + 1] = frame.text and { "text", "4" .. frame.text } or { "bin", bytes(frame.bin) }
    end
    local list = table.concat(args, ", ")
    if packet.type == 2 then
      it("are written: " .. case.frames[1].text, function()
        connect(packet.nsp, ("chat:emit(%s%s)"):format(list, packet.id and ", print" or ""))
        -- Our numbers count from 0.
        if packet.id then want[1][2] = want[1][2]:gsub(packet.id .. "%[", "0[") end
        assert.same(want, frames)
        rig.tell(line, "41" .. (packet.nsp == "/" and "" or packet.nsp .. ","))
        rig.settle()
        world.records()
      end)
    elseif packet.type == 3 then
      it("are written: " .. case.frames[1].text, function()
        connect(packet.nsp, ([[ chat:on("q", function(answer) answer(%s) end) ]]):format(list))
        rig.tell(line, ('42%d["q"]'):format(packet.id))
        rig.settle()
        assert.same(want, frames)
      end)
    end
  end
end)
