-- SPDX-License-Identifier: MIT
-- sleep, after, every, debounce, throttle; spawn, all, race; linnet.time.

local world = require "world"

describe("time", function()
  before_each(world.open)
  after_each(world.close)

  it("sleeps, and nothing else stops", function()
    world.run [[
      linnet.spawn(function() linnet.sleep("2s") print("two") end)
      linnet.sleep(1)
      print("one")
    ]]
    assert.same({}, world.said())
    rig.advance(1)
    assert.same({ "one" }, world.said())
    rig.advance(1)
    assert.same({ "two" }, world.said())
  end)

  it("runs after a while, once, unless it is cancelled", function()
    world.run [[
      local a = linnet.after(1, function() print("a") end)
      local b = linnet.after("1s", function() print("b") end)
      linnet.after(0.5, function()
        print(a.active, b:cancel(), b:cancel(), b.active, tostring(a), tostring(b))
      end)
      do local c <close> = linnet.after(1, function() print("never") end) end
    ]]
    rig.advance(3)
    assert.same({ "true\ttrue\tfalse\tfalse\tHandle (timer)\tHandle (cancelled)", "a" }, world.said())
  end)

  it("repeats without drifting, and skips what it missed", function()
    world.run [[
      local start = linnet.time.monotonic()
      linnet.every(10, function()
        print(math.floor(linnet.time.monotonic() - start + 0.5))
        linnet.sleep(3)
      end)
    ]]
    rig.advance(30)
    assert.same({ "10", "20", "30" }, world.said())
  end)

  it("starts at once when asked to", function()
    world.run [[ linnet.every("10s", function() print("tick") end, { at_once = true }) ]]
    assert.same({ "tick" }, world.said())
    rig.advance(20)
    assert.same({ "tick", "tick" }, world.said())
  end)

  local function every(mode)
    world.run(([[
      local n = 0
      linnet.every(1, function()
        n = n + 1
        local mine = n
        print("begin", mine)
        linnet.sleep(2.5)
        print("end", mine)
      end, { mode = %q })
    ]]):format(mode))
    rig.advance(3.2)
    return world.said()
  end

  it("has the four modes: parallel", function()
    assert.same({ "begin\t1", "begin\t2", "begin\t3" }, every("parallel"))
  end)
  it("has the four modes: queued", function()
    assert.same({ "begin\t1" }, every("queued"))
    rig.advance(1)
    assert.same({ "end\t1", "begin\t2" }, world.said())
  end)
  it("has the four modes: restart", function()
    assert.same({ "begin\t1", "begin\t2", "begin\t3" }, every("restart"))
    rig.advance(0.5)
    assert.same({}, world.said())
  end)
  it("has the four modes: single", function()
    assert.same({ "begin\t1" }, every("single"))
    rig.advance(1)
    assert.same({ "end\t1", "begin\t2" }, world.said())
  end)

  it("cancels an interval from inside, and ends with its script", function()
    world.run [[
      local h
      h = linnet.every(1, function() print("tick") h:cancel() end)
    ]]
    rig.advance(5)
    assert.same({ "tick" }, world.said())
    world.run([[ linnet.every(1, function() print("tock") end) ]], "two.lua")
    rig.advance(1)
    rig.unload("two.lua")
    rig.advance(5)
    assert.same({ "tock" }, world.said())
  end)

  it("debounces and throttles", function()
    world.run [[
      local d = linnet.debounce(1, function(...) print("debounced", ...) end)
      local t = linnet.throttle(1, function(...) print("throttled", ...) end)
      for i = 1, 5 do
        d(i, "x")
        t(i, nil)
        linnet.sleep(0.3)
      end
    ]]
    rig.advance(10)
    assert.same({ "throttled\t1\tnil", "throttled\t4\tnil", "throttled\t5\tnil", "debounced\t5\tx" },
      world.said())
  end)

  it("logs an error in a timer with its place, and goes on", function()
    world.run [[
      linnet.every(1, function() error("oh") end)
    ]]
    rig.advance(2)
    local errors = world.errors()
    assert.equal(2, #errors)
    assert.matches("^spec%.lua:1: oh\n  in timer", errors[1])
  end)

  it("logs an error of a main chunk that waited, and says once what it was in", function()
    world.run [[ linnet.sleep(1) error("oh") ]]
    rig.advance(2)
    assert.same({ "spec.lua:1: oh\n  spec.lua:1: in main chunk" }, world.errors())
  end)

  it("raises for what is no time", function()
    assert.equal("linnet.sleep: the time must be a duration such as 10, \"250ms\" or \"5m\", not \"soon\"",
      world.raises [[ linnet.sleep("soon") ]])
    assert.matches("must be from 0 to ten years, not %-1 seconds", world.raises [[ linnet.after(-1, print) ]])
    assert.matches("not nan seconds", world.raises [[ linnet.after(0/0, print) ]]:gsub("%-nan", "nan"))
    assert.matches("the function must be a function, not nil", world.raises [[ linnet.after(1) ]])
    assert.matches("the interval must be at least 1 ms", world.raises [[ linnet.every(0, print) ]])
    assert.matches("unknown option 'mod' %(did you mean 'mode'%?%)",
      world.raises [[ linnet.every(1, print, { mod = 1 }) ]])
    assert.matches("unknown mode 'queue' %(did you mean 'queued'%?%)",
      world.raises [[ linnet.every(1, print, { mode = "queue" }) ]])
    assert.matches("the time must be a duration", world.raises [[ linnet.debounce({}, print) ]])
    assert.matches("the function must be a function", world.raises [[ linnet.throttle(1, 2) ]])
  end)

  it("tells the time", function()
    world.run [[
      local a, b = linnet.time.now(), linnet.time.monotonic()
      linnet.sleep(90)
      print(a, linnet.time.now() - a, linnet.time.monotonic() - b)
    ]]
    rig.advance(90)
    assert.same({ "1000000000.0\t90.0\t90.0" }, world.said())
  end)
end)

describe("tasks", function()
  before_each(world.open)
  after_each(world.close)

  it("run beside, and give their results to who awaits them", function()
    world.run [[
      local t = linnet.spawn(function(a, b) linnet.sleep(1) return a + b, nil, "x" end, 1, 2)
      print(t.status)
      print(t:await())
      print(t.status, select("#", t:await()))
      print(linnet.spawn(function() end):await())
    ]]
    rig.advance(1)
    assert.same({ "running", "3\tnil\tx", "done\t3", "" }, world.said())
  end)

  it("that fail give nil and the error, which is logged as well", function()
    world.run [[
      local ok, err = linnet.spawn(function() error("broken") end):await()
      print(ok, err.code, tostring(err):match("broken$"))
      local t = linnet.spawn(function() linnet.sleep(1) error("late") end)
      ok, err = t:await()
      print(ok, tostring(err):match("late$"), t.status)
    ]]
    rig.advance(1)
    assert.same({ "nil\tinvalid\tbroken", "nil\tlate\tfailed" }, world.said())
    assert.equal(2, #world.errors())
  end)

  it("can be cancelled, and close what they hold", function()
    world.run [[
      local t = linnet.spawn(function()
        local h <close> = setmetatable({}, { __close = function() print("closed") end })
        linnet.sleep(10)
        print("never")
      end)
      linnet.after(1, function() print(t:cancel(), t:cancel()) end)
      local ok, err = t:await()
      print(ok, err.code)
    ]]
    rig.advance(20)
    assert.same({ "closed", "true\tfalse", "nil\tcancelled" }, world.said())
  end)

  it("all waits for every one", function()
    world.run [[
      local function job(s, v) return linnet.spawn(function() linnet.sleep(s) return v end) end
      local r = linnet.all { job(2, "a"), job(1, "b"), linnet.spawn(function() end) }
      print(r[1], r[2], r[3], #linnet.all {})
      local ok, err = linnet.all { job(1, "x"), linnet.spawn(function() linnet.sleep(2) error("no") end), job(9) }
      print(ok, tostring(err):match("no$"))
    ]]
    rig.advance(20)
    assert.same({ "a\tb\ttrue\t0", "nil\tno" }, world.said())
    assert.equal(1, #world.errors())
  end)

  it("race gives the first, or a timeout", function()
    world.run [[
      local function job(s, v) return linnet.spawn(function() linnet.sleep(s) return v end) end
      print(linnet.race { job(3, "slow"), job(1, "fast") })
      local i, err = linnet.race({ job(3) }, "2s")
      print(i, err.code)
      local done = job(0, "done")
      linnet.sleep(1)
      print(linnet.race { job(5), done })
    ]]
    rig.advance(20)
    assert.same({ "2\tfast", "nil\ttimeout", "2\tdone" }, world.said())
  end)

  it("checks what it is given", function()
    assert.matches("the function must be a function", world.raises [[ linnet.spawn("x") ]])
    assert.matches("the tasks must be a list of tasks, not function", world.raises [[ linnet.all(print) ]])
    assert.matches("on a Task", world.raises [[ linnet.all { 1 } ]])
    assert.matches("the list of tasks is empty", world.raises [[ linnet.race {} ]])
    assert.matches("no method 'awiat' on Task %(did you mean 'await'%?%)",
      world.raises [[ linnet.spawn(print):awiat() ]])
    world.said()
  end)

  it("leave nothing behind when their script ends", function()
    world.run [[
      local t = linnet.spawn(function() linnet.sleep(100) end)
      linnet.spawn(function() linnet.all { t, t } end)
      linnet.spawn(function() linnet.race({ t }, 50) end)
      linnet.spawn(function() t:await() end)
    ]]
    rig.unload("spec.lua")
    assert.equal(0, rig.counts("spec.lua").items)
  end)
end)
