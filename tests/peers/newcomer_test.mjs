// SPDX-License-Identifier: MIT
// What people do in their first hour that no manual mentions. newcomer_test.mjs LINNET [NAME]
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, equal, ok, until, start, hub, within, main } from "./lib.mjs";
import { linnet, env, folder, run, says, closed } from "./shell.mjs";

// --- one-shot tools ---

test("what was meant as JSON and is none is not sent; nor are halves of options", () => {
  for (const [args, pattern] of [
    [["emit", "hub", "message", '{"room":"lobby",'], /no JSON: \{"room":"lobby",: .*a string is written/],
    [["call", "hub", "x", "[1,"], /no JSON: \[1,/],
    [["listen", "hub", "--emit", "x={y"], /no JSON: \{y/],
    [["listen", "hub", "--dialect", "laravel"], /--dialect is linnet or rooms, not 'laravel'/],
    [["listen", "hub", "-H", "Authorization"], /--header wants NAME:VALUE, not 'Authorization'/],
    [["listen", "hub", "--query", "token"], /--query wants KEY=VALUE, not 'token'/],
  ]) {
    const r = run(args);
    equal([r.code, r.out], [2, ""], args.join(" "));
    says(r, pattern, args.join(" "));
  }
});

test("without a hub the tools say how to start one, and do not talk of a next attempt", async () => {
  const at = ["--set", `hub.port=${await closed()}`];
  for (const args of [["call", "hub", "rooms"], ["emit", "hub", "x"], ["listen", "hub", "--no-retry"]]) {
    const r = run([...args, ...at]);
    equal(r.code, 69, args[0]);
    says(r, /no hub is there: 'linnet dev' or 'linnet hub' starts one/);
    ok(!/next attempt/.test(r.all), r.all);
  }
});

test("emit and call join a room first", async () => {
  const h = await hub(linnet);
  const ear = await start(linnet, ["listen", h.url, "-j", "lobby", "--event", "message", "-n", "1"], /"event":"connect"/, { env });
  await until(() => JSON.parse(run(["call", h.url, "rooms"]).out).rooms.length > 0, "the listener in the room");
  equal(run(["emit", h.url, "-j", "lobby", "message", '{"room":"lobby","text":"hi"}']).code, 0);
  equal(await within(ear.exited, "the message"), 0);
  says({ all: ear.out() }, /"text":"hi"/);
  const sent = run(["call", h.url, "--join=lobby", "--name=kari", "message", '{"room":"lobby","text":"hi"}']);
  equal(JSON.parse(sent.out).ok, true, sent.all);
  equal(await h.end(), 0);
});

test("a call whose time is over says one thing", async () => {
  const h = await hub(linnet);
  const r = run(["call", h.url, "nobody-answers", "-t", "200ms"]);
  equal([r.code, r.out, r.err.trim().split("\n").pop()], [124, "", "linnet: --timeout reached"]);
  equal(await h.end(), 0);
});

test("new says what it wrote only when it did, and a next line that a shell takes", () => {
  const cwd = folder();
  says(run(["new", "my bot"], { cwd }), /wrote bot\.lua linnet\.cfg\.lua\n {2}next {3}cd 'my bot' && linnet dev/);
  const again = run(["new", "my bot"], { cwd });
  equal([again.code, again.out], [1, ""]);
  says(again, /my bot\/bot\.lua: File exists/);
});

// --- settings and grants ---

test("settings: what is no data, what is misspelt, what comes from the environment", () => {
  for (const [text, pattern, more = {}] of [
    ["hub.port = 4400\n", /linnet\.cfg\.lua:1: there is no 'hub' here: settings are data, as hub = \{ … \}/],
    ["print('x')\n", /there is no 'print' here/],
    ["hub = { port = env('PORT', 4321) }\n", /cfg\.lua:1: the variable PORT must be a number, not "many"/, { PORT: "many" }],
    ["hub = { page = env('PAGE', true) }\n", /the variable PAGE must be true or false, not "maybe"/, { PAGE: "maybe" }],
    ["hubb = {}\n", /cfg\.lua:1: unknown option 'hubb'/],
    ["hub = 4400\n", /cfg\.lua:1: 'hub' must be a table/],
  ]) {
    const r = run(["-e", "print(1)"], { cwd: folder({ "linnet.cfg.lua": text }), env: more });
    equal(r.code, 78, text);
    says(r, pattern, text);
  }
  const cwd = folder({ "linnet.cfg.lua": "hub = { port = env('PORT', 4321), page = env('PAGE', true) }\n" });
  says(run(["-e", "print(linnet.hub().port) linnet.exit()"], { cwd, env: { PORT: "0", PAGE: "false" } }), /script:-e +\d+/);
});

test("a grant that is none is said at once", () => {
  const cwd = folder({ "bot.lua": "print('runs')\n", "other/linnet.cfg.lua": "scripts = {\n  bot = { allow = { 'fs:raed=/srv' } },\n}\n" });
  const flag = run(["run", "bot.lua", "--allow=evn:HOME"], { cwd });
  equal(flag.code, 1);
  says(flag, /--allow: there is no grant 'evn:HOME' \(did you mean 'env'\?\)/);
  says(run(["run", "bot.lua", "-c", "other/linnet.cfg.lua"], { cwd }), /cfg\.lua:2: there is no grant 'fs:raed=\/srv' \(did you mean 'fs:read'\?\)/);
  equal(run(["run", "bot.lua", "--allow=env:HOME,fs:read=/srv,fs:write,native,exit"], { cwd }).code, 0);
});

// --- run ---

test("run ends when nothing is left to do: a file, standard input, behind a wait", () => {
  const cwd = folder({ "a.lua": "print('one')\n", "b.lua": "linnet.sleep(0.05) print('two')\n" });
  for (const [args, input] of [[["a.lua"]], [["run", "a.lua", "b.lua"]], [["-"], "print('one')"]]) {
    const r = run(args, { cwd, input });
    equal([r.code, r.signal], [0, null], args.join(" "));
    says(r, args.includes("b.lua") ? /two/ : /one/);
  }
});

test("run goes on while a hub is open, a file is watched, or a script is to be loaded again", async () => {
  const cwd = folder({
    "hub.lua": "print('port ' .. linnet.hub { port = 0 }.port)\n",
    "none.lua": "print('up')\n",
    "wild.lua": "linnet.after(0, function() while true do end end)\n",
  });
  for (const [args, pattern] of [
    [["hub.lua"], /hub +listening on http:\/\/127\.0\.0\.1:(\d+)[\s\S]*port \1/],
    [["--watch", "none.lua"], /up/],
    [["wild.lua", "none.lua", "--set", "limits.budget_kill=100ms"], /wild\.lua runs again/],
  ]) {
    const p = await start(linnet, ["run", ...args], pattern, { cwd, env });
    equal(run(["call", "hub", "x", "--set", `hub.port=${await closed()}`]).code, 69); // some time goes by
    equal(p.child.exitCode, null, args.join(" "));
    equal(await p.end(), 0);
  }
});

// --- dev, and its folder ---

const dev = (files, args = []) => {
  const cwd = folder(files);
  return start(linnet, ["dev", "--port", "0", ...args], /ready in/, { cwd, env }).then((p) => {
    p.put = (name, text) => writeFileSync(join(cwd, name), text);
    p.cwd = cwd;
    p.said = (pattern) => until(() => pattern.test(p.out() + p.err()), `${pattern}\n${p.out()}${p.err()}`);
    return p;
  });
};
const rest = (p) => { const n = p.err().length; return () => p.err().slice(n); };

test("dev: a script that comes is started, one that goes is stopped, one that is back runs again", async () => {
  const p = await dev({});
  p.put("bot.lua", "print('first')\n");
  await p.said(/first[\s\S]*started bot\.lua/);
  p.put("bot.lua", "print('second')\n");
  await p.said(/second[\s\S]*reloaded bot\.lua/);
  renameSync(join(p.cwd, "bot.lua"), join(p.cwd, "other.lua"));
  await p.said(/bot\.lua is gone: it is stopped/);
  await p.said(/started other\.lua/);
  const later = rest(p);
  p.put("bot.lua", "print('second')\n");
  await until(() => /started bot\.lua/.test(later()), "the script that is back");
  p.put(".#bot.lua", "print('an editor')\n");
  p.put("bot_test.lua", "print('a test')\n");
  p.put("broken.lua", "x = =\n");
  await p.said(/broken\.lua:1: /);
  ok(!/an editor|a test/.test(p.err()), p.err());
  equal(await p.end(), 0);
});

test("dev: an editor that saves by renaming stops nothing", async () => {
  const p = await dev({ "bot.lua": "print('one')\n" });
  for (const n of ["two", "three"]) {
    renameSync(join(p.cwd, "bot.lua"), join(p.cwd, "bot.lua~"));
    p.put("bot.tmp", `print('${n}')\n`);
    renameSync(join(p.cwd, "bot.tmp"), join(p.cwd, "bot.lua"));
    await p.said(new RegExp(`${n}[\\s\\S]*reloaded`));
  }
  ok(!/is gone/.test(p.err()), p.err());
  equal(await p.end(), 0);
});

test("dev: a script that was named and is not there yet", async () => {
  const p = await dev({}, ["later.lua"]);
  await p.said(/later\.lua: No such file or directory; it is started when it comes/);
  p.put("later.lua", "print('here')\n");
  await p.said(/here[\s\S]*started later\.lua/);
  equal(await p.end(), 0);
});

test("dev: what a script requires is its module, whatever it returns, and reloads it", async () => {
  const p = await dev({
    "a_words.lua": "return { hello = 'moin' }\n",
    "bot.lua": "print(require('a_words').hello, require('lib.more'))\n",
    "lib/more.lua": "return 'more'\n",
  });
  says({ all: p.out() }, /module {2}a_words\.lua +of bot\.lua/);
  says({ all: p.out() }, /script {2}bot\.lua +0 handlers/);
  ok(!/linnet: /.test(p.err()), p.err());
  p.put("a_words.lua", "return { hello = 'ahoy' }\n");
  await p.said(/ahoy[\s\S]*reloaded bot\.lua/);
  p.put("a_words.lua", "return {\n");
  await p.said(/a_words\.lua:2: [\s\S]*the running version stays/);
  // One that ran by itself until a script asked for it.
  p.put("new.lua", "print('runs') return { name = 'new' }\n");
  await p.said(/started new\.lua/);
  p.put("a_words.lua", "return { hello = 'again' }\n");
  p.put("bot.lua", "print(require('new').name)\n");
  await p.said(/new\.lua is a module of bot\.lua: it no longer runs by itself/);
  equal(await p.end(), 0);
});

test("dev: counts the handlers that the script has", async () => {
  const p = await dev({ "bot.lua": `local chat = linnet.connect("hub", { auth = { name = "w" } })
local lobby = chat:room("lobby")
lobby:on("message", function() end)
chat:on("connect", function() end)
linnet.hub():on("add", function() end)
chat:join("lobby")
lobby:send("hi")\n` });
  says({ all: p.out() }, /bot\.lua +3 handlers/);
  equal(await p.end(), 0);
});

test("two bots of the first five minutes do not greet each other for ever", async () => {
  const parent = folder();
  equal(run(["new", "wren"], { cwd: parent }).code, 0);
  const cwd = join(parent, "wren");
  writeFileSync(join(cwd, "owl.lua"), readFileSync(join(cwd, "bot.lua"), "utf8").replace('"wren"', '"owl"'));
  const p = await start(linnet, ["dev", "--port", "0"], /hub\s+(http:\S+)[\s\S]*ready in/, { cwd, env });
  const said = run(["-e", `
    local room = assert(linnet.connect('${p.match[1]}', { auth = { name = 'kari' } }):join('lobby'))
    while room.presence:count() < 3 do linnet.sleep(0.02) end
    local n = 0
    room:on('message', function(m) n = n + 1 print(m.sender.name .. ': ' .. m.text) end)
    room:send('hi')
    while n < 2 do linnet.sleep(0.02) end
    room:send('hey there!')
    while n < 4 do linnet.sleep(0.02) end
    linnet.exit()`]);
  equal([...said.all.matchAll(/(wren|owl): (.*)/g)].map((m) => m[2]), ["Hello, kari!", "Hello, kari!", "Hello, kari!", "Hello, kari!"], said.all);
  equal(await p.end(), 0);
});

test("dev: two bots with names of their own", async () => {
  const bot = `local chat = linnet.connect("hub", { auth = { name = linnet.script.name } })
local lobby = chat:room("lobby")
lobby:on("message", function(m) print("hears " .. m.sender.name) end)
chat:join("lobby")
lobby:send("hello")\n`;
  const p = await dev({ "ada.lua": bot, "bob.lua": bot });
  await p.said(/script:ada +hears bob/);
  says({ all: p.err() }, /conn:hub \(bob\) +connected/);
  equal(await p.end(), 0);
});

await main();
