-- SPDX-License-Identifier: MIT
-- `linnet check`: looks a script over without running it. Runs in a state of its own (lua_check.c),
-- called with the source, the file's name, the API's signatures ("conn:on", "linnet.after") and the
-- function nearest(name, list). Returns a list of {line, message}. It reads tokens, not a tree: what
-- it cannot be sure of, it does not report.
local source, api, nearest = ...

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return
then true until while]]):gmatch("%a+") do keywords[word] = true end

local globals = {}
for word in ([[assert collectgarbage error getmetatable ipairs load next pairs pcall print rawequal rawget
rawlen rawset require select setmetatable tonumber tostring type warn xpcall _G _ENV _VERSION
coroutine debug io linnet math os string table utf8 self arg
describe it before_each after_each setup teardown pending spy stub mock insulate expose finally]]):gmatch("[%w_]+") do
  globals[word] = true
end

-- Methods that values of Lua itself have.
local methods = {}
for word in ([[byte char find format gmatch gsub len lower match rep reverse sub upper pack unpack packsize
close flush lines read seek setvbuf write]]):gmatch("%a+") do methods[word] = true end
-- Members of `linnet` that are no functions.
local members = { args = true, version = true, api = true, null = true, script = true, json = true,
  log = true, time = true, base64 = true, jwt = true, presence = true }
for _, name in ipairs(api) do
  local last = name:match("([%w_]+)$")
  if name:find(":", 1, true) then methods[last] = true end
  local first = name:match("^linnet%.([%w_]+)")
  if first then members[first] = true end
end

-- Tokens: {text, line, kind} with kind "name", "string", "number" or "sign". Comments are left out.
local function tokens_of(text)
  local tokens, at, line = {}, 1, 1
  local function add(kind, from, to)
    tokens[#tokens + 1] = { text = text:sub(from, to), line = line, kind = kind }
    for _ in text:sub(from, to):gmatch("\n") do line = line + 1 end
    at = to + 1
  end
  local function skip(to)
    for _ in text:sub(at, to):gmatch("\n") do line = line + 1 end
    at = to + 1
  end
  local function long_end(from)
    local level = text:match("^%[(=*)%[", from)
    if not level then return nil end
    local _, stop = text:find("]" .. level .. "]", from, true)
    return stop or #text
  end
  if text:sub(1, 1) == "#" then skip(text:find("\n", 1, true) or #text) end
  while at <= #text do
    local c = text:sub(at, at)
    if c:find("%s") then
      skip(at)
    elseif text:find("^%-%-", at) then
      skip(long_end(at + 2) or (text:find("\n", at, true) or #text + 1) - 1)
    elseif c:find("[%a_]") then
      local _, stop = text:find("^[%w_]+", at)
      add("name", at, stop)
    elseif c:find("%d") then
      local _, stop = text:find("^[%w.]+", at)
      add("number", at, stop)
    elseif c == '"' or c == "'" then
      local stop = at + 1
      while stop <= #text and text:sub(stop, stop) ~= c do
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
      end
      add("string", at, math.min(stop, #text))
    elseif long_end(at) then
      add("string", at, long_end(at))
    else
      local _, stop = text:find("^[.:=<>~]+", at)
      add("sign", at, stop or at)
    end
  end
  return tokens
end

local tokens = tokens_of(source)
local function text_at(i) return tokens[i] and tokens[i].text or "" end

-- Every name that the file declares anywhere counts as declared everywhere: no scope is modelled.
local declared, own = {}, {}
local function declare_list(i) -- a, b <const>, c: from the token behind `local` or an opening `(`
  while tokens[i] and tokens[i].kind == "name" and not keywords[text_at(i)] do
    declared[text_at(i)] = true
    i = i + 1
    if text_at(i) == "<" then i = i + 3 end
    if text_at(i) ~= "," then return end
    i = i + 1
  end
end
for i, t in ipairs(tokens) do
  if t.text == "local" or t.text == "for" then
    if text_at(i + 1) ~= "function" then declare_list(i + 1) end
  elseif t.text == "function" then
    local k = i + 1
    if tokens[k] and tokens[k].kind == "name" and text_at(i - 1) == "local" then declared[text_at(k)] = true end
    while tokens[k] and text_at(k) ~= "(" do
      if text_at(k):find("^[.:]$") then own[text_at(k + 1)] = true end
      k = k + 1
    end
    declare_list(k + 1)
  elseif t.kind == "name" and text_at(i + 1) == "=" then
    own[t.text] = true
  elseif t.text == "goto" or (t.text == "::" and tokens[i + 1]) then
    declared[text_at(i + 1)] = true
  end
end

local problems = {}
local function report(t, what, list)
  local names = {}
  for name in pairs(list) do names[#names + 1] = name end
  table.sort(names)
  local near = nearest(t.text, names)
  if near or what == "name" then
    local text = what == "name" and ("the name '%s' is declared nowhere"):format(t.text)
      or ("no %s '%s'"):format(what, t.text)
    if near then text = ("%s (did you mean '%s'?)"):format(text, near) end
    problems[#problems + 1] = { line = t.line, message = text }
  end
end

local known = setmetatable({}, { __index = declared })
for name in pairs(globals) do known[name] = true end
local all = {}
for name in pairs(globals) do all[name] = true end
for name in pairs(declared) do all[name] = true end

for i, t in ipairs(tokens) do
  if t.kind == "name" and not keywords[t.text] then
    local before, behind = text_at(i - 1), text_at(i + 1)
    if before == ":" then
      if not methods[t.text] and not own[t.text] then report(t, "method", methods) end
    elseif before == "." then
      if text_at(i - 2) == "linnet" and text_at(i - 3) ~= "." and not members[t.text] and not own[t.text] then
        report(t, "function or field of linnet", members)
      end
    elseif before ~= "::" and not (behind == "=" and (before == "{" or before == "," or before == ";")) and
      before ~= "<" and not known[t.text] then
      report(t, "name", all)
    end
  end
end
return problems
