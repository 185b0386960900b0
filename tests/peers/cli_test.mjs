// SPDX-License-Identifier: MIT
// The command line: messages, streams, exit codes, signals, settings, reload. cli_test.mjs LINNET [NAME]
import { writeFileSync, readFileSync, existsSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTo, createServer } from "node:net";
import { test, equal, ok, until, within, start, hub, main } from "./lib.mjs";
import { linnet, env, folder, run, says, closed } from "./shell.mjs";

// --- help and usage ---

test("help, version", () => {
  const help = run(["help"]);
  equal([help.code, help.err], [0, ""]);
  for (const verb of ["run", "dev", "hub", "new", "listen", "emit", "call", "doctor", "check", "version", "help"]) says(help, new RegExp(`^  ${verb} `, "m"));
  equal(run([]).out, help.out, "linnet alone");
  equal(run(["--help"]).out, help.out);
  says(run(["help", "listen"]), /--count=N/);
  equal(run(["listen", "--help"]).out, run(["help", "listen"]).out);
  says(run(["version"]), /^linnet \d+\.\d+\.\d+/);
  equal(run(["-V"]).out, run(["version"]).out);
});

test("usage errors say the nearest name and end with 2", () => {
  for (const [args, pattern] of [
    [["lisen", "hub"], /'lisen' is neither a verb nor a file \(did you mean 'listen'\?\)/],
    [["hub", "--prot=1"], /unknown option '--prot=1' \(did you mean '--port'\?\)/],
    [["listen"], /usage: linnet listen URL/],
    [["listen", "hub", "--count"], /option '--count' needs a value/],
    [["listen", "hub", "--count", "many"], /--count wants a whole number/],
    [["hub", "extra"], /one word too many: 'extra'/],
    [["run"], /usage: linnet run SCRIPT/],
    [["listen", "scool"], /no connection 'scool'/],
    [["listen", "hub", "--timeout", "soon"], /--timeout wants a time/],
    [["listen", "hub", "--auth", "nope"], /--auth wants a JSON object/],
  ]) {
    const r = run(args);
    equal([r.code, r.out], [2, ""], args.join(" "));
    says(r, pattern, args.join(" "));
  }
});

// --- running scripts ---

test("-e, standard input, arguments, exit codes", () => {
  equal(run(["-q", "-e", "linnet.exit(7)"]).code, 7);
  equal(run(["-e", "local x = 1"]).code, 0, "a text that leaves nothing behind ends");
  says(run(["-e", "print(linnet.version)"]), /\d+\.\d+\.\d+/);
  says(run(["-", "--", "a", "b c"], { input: "print(table.concat(linnet.args, '|')) linnet.exit()" }), /a\|b c/);
  const bad = run(["-e", "error('on purpose')"]);
  equal(bad.code, 1);
  says(bad, /-e:1: on purpose/);
  const missing = run(["run", "no-such-file.lua"]);
  equal(missing.code, 1);
  says(missing, /no-such-file\.lua/);
  const dir = folder({ "a.lua": "local linnet = require 'linnet'\nlocal x = y\n" });
  const undeclared = run(["a.lua"], { cwd: dir });
  equal(undeclared.code, 1);
  says(undeclared, /a\.lua:2: .*'y'/);
});

test("a running script ends in order at SIGTERM, at SIGINT, and by its own exit", async () => {
  const dir = folder({ "a.lua": "local linnet = require 'linnet'\nlinnet.on_dispose(function(why) print('bye ' .. why) end)\nlinnet.every(60, function() end)\nprint('up')\n" });
  for (const signal of ["SIGTERM", "SIGINT"]) {
    const p = await start(linnet, ["run", "a.lua"], /up/, { cwd: dir, env });
    equal(await p.end(signal), 0, signal);
    ok(/bye stop/.test(p.out() + p.err()), "dispose ran");
  }
});

test("SIGHUP reloads; a broken version changes nothing; SIGUSR2 tells the state", async () => {
  const text = (n) => `local linnet = require 'linnet'\nlinnet.every(60, function() end)\nprint('version ${n}')\n`;
  const dir = folder({ "a.lua": text(1) });
  const p = await start(linnet, ["run", "a.lua"], /version 1/, { cwd: dir, env });
  writeFileSync(join(dir, "a.lua"), text(2));
  p.child.kill("SIGHUP");
  await until(() => /version 2/.test(p.err() + p.out()), "version 2");
  writeFileSync(join(dir, "a.lua"), "local linnet = require 'linnet'\nlinnet.evry(60)\n");
  p.child.kill("SIGHUP");
  await until(() => /a\.lua:2: .*'evry'.*did you mean 'every'/.test(p.err()), "the error");
  p.child.kill("SIGUSR2");
  await until(() => /1 script/.test(p.err()), "the state");
  equal(await p.end(), 0);
});

test("SIGHUP reads settings and secret files anew; an error in them changes nothing", async () => {
  const h = await hub(linnet);
  const script = (name, own = "") => `local linnet = require 'linnet'\nlocal c = linnet.connect('chat'${own})
c:on('connect', function() print('${name} at ' .. c.url) end)
print('${name} has ' .. linnet.option('greeting') .. ' ' .. #linnet.option('key'))\n`;
  const settings = (host, greeting, rest = "") => `connections = { chat = "ws://${host}:${h.port}" }
local s = { options = { greeting = "${greeting}", key = secret "KEY" } }
scripts = { a = s, b = s, c = s }\n${rest}`;
  const dir = folder({ "a.lua": script("a"), "b.lua": script("b"), "c.lua": script("c", ", { ack_timeout = 3 }"), "linnet.cfg.lua": settings("127.0.0.1", "old"), key: "12345\n" });
  const all = (p) => p.out() + p.err();
  for (const scripts of [["a.lua", "b.lua"], ["c.lua", "a.lua"]]) {
    const last = scripts.at(-1)[0], first = scripts[0][0];
    writeFileSync(join(dir, "linnet.cfg.lua"), settings("127.0.0.1", "old"));
    writeFileSync(join(dir, "key"), "12345\n");
    const p = await start(linnet, ["run", ...scripts, "--set", "limits.memory=10000000"], new RegExp(`${last} at ws://127.0.0.1`), { cwd: dir, env: { ...env, KEY_FILE: join(dir, "key") } });
    ok(/a has old 5/.test(all(p)), all(p));
    writeFileSync(join(dir, "linnet.cfg.lua"), settings("127.0.0.1", "wrong", "\nhub = { prot = 1 }\n"));
    p.child.kill("SIGHUP");
    await until(() => /linnet\.cfg\.lua:5: unknown option 'hub\.prot'.*nothing is reloaded/.test(p.err()), "the error");
    writeFileSync(join(dir, "linnet.cfg.lua"), "connections = {\n  chat = \n}}");
    p.child.kill("SIGHUP");
    await until(() => /linnet\.cfg\.lua:3: unexpected symbol.*nothing is reloaded/.test(p.err()), "the syntax error");
    ok(!/wrong|reloaded [abc]\.lua/.test(all(p)), all(p));
    writeFileSync(join(dir, "linnet.cfg.lua"), settings("localhost", "new", "\nhub = { port = 1 }\nlimits = { memory = 1 }\n"));
    writeFileSync(join(dir, "key"), "1234567\n");
    p.child.kill("SIGHUP");
    await until(() => [first, last].every((n) => new RegExp(`${n} has new 7[^]*${n} at ws://localhost:${h.port}`).test(all(p))), "the new options");
    p.child.kill("SIGUSR2"); // one line, and nothing fell behind
    await until(() => /2 scripts/.test(p.err()), "the state");
    equal(await p.end(), 0);
  }
  equal(await h.end(), 0);
});

test("a folder that is made anew is watched again", async () => {
  const text = (n) => `local linnet = require 'linnet'\nlinnet.every(60, function() end)\nprint('version ${n}')\n`;
  const dir = folder(), sub = join(dir, "deep", "sub"), write = (n) => { mkdirSync(sub, { recursive: true }); writeFileSync(join(sub, "a.lua"), text(n)); };
  write(1);
  const p = await start(linnet, ["run", "--watch", "deep/sub/a.lua"], /version 1/, { cwd: dir, env });
  const says = (n) => until(() => new RegExp(`version ${n}`).test(p.err() + p.out()), `version ${n}`);
  rmSync(sub, { recursive: true });
  write(2); // at once, as a checkout does
  await says(2);
  rmSync(join(dir, "deep"), { recursive: true });
  await until(() => /a\.lua is gone/.test(p.err()), "the loss to be seen");
  write(3);
  await says(3);
  write(4);
  await says(4);
  equal(await p.end(), 0);
});

test("a settings file that cannot be read whole is refused, never cut", () => {
  const mib = 1024 * 1024, text = "log = { level = 'warn' }\n";
  const dir = folder({ "most.lua": text.padEnd(mib), "more.lua": text.padEnd(mib + 1), most: "m".repeat(mib - 1) + "\n", more: "m".repeat(mib + 1),
    "file.lua": "scripts = { ['-e'] = { options = { n = #file 'most' } } }\n", "long.lua": "scripts = {}\nx = file 'more'\n", "folder.lua": "x = file '.'\n" });
  const config = (name, code = "local x = 1") => run(["--config", name, "-e", code], { cwd: dir });
  for (const [name, pattern] of [
    ["no.lua", /linnet: cannot read no\.lua: No such file/],
    [".", /linnet: cannot read \.: Is a directory/],
    ["more.lua", /linnet: more\.lua has more than 1 MiB/],
    ["long.lua", /linnet: long\.lua:2: more has more than 1 MiB/],
    ["folder.lua", /linnet: folder\.lua:1: cannot read \.: Is a directory/],
  ]) {
    const r = config(name);
    equal([r.code, r.out], [78, ""], name);
    says(r, pattern, name);
  }
  equal(config("most.lua").code, 0);
  says(config("file.lua", "print(linnet.option('n'))"), new RegExp(`${mib - 1}`));
});

test("a script that runs wild is stopped and named; the other goes on", async () => {
  const dir = folder({
    "wild.lua": "local linnet = require 'linnet'\nlinnet.after(0, function()\n  while true do pcall(function() while true do end end) end\nend)\n",
    "calm.lua": "local linnet = require 'linnet'\nlocal n = 0\nlinnet.every('20ms', function() n = n + 1 if n % 10 == 0 then print('calm ' .. n) end end)\n",
  });
  const p = await start(linnet, ["run", "wild.lua", "calm.lua", "--set", "limits.budget_kill=200ms"], /wild\.lua was stopped: .*CPU.*wild\.lua:3/, { cwd: dir, env });
  const before = Number((p.out() + p.err()).match(/calm (\d+)(?![\s\S]*calm)/)?.[1] ?? 0);
  await until(() => Number((p.out() + p.err()).match(/calm (\d+)(?![\s\S]*calm)/)?.[1] ?? 0) > before + 10, "calm to go on");
  equal(await p.end(), 0);
});

test("grants: what is missing is said exactly", () => {
  const r = run(["-e", "print(linnet.env('HOME'))"]);
  equal(r.code, 1);
  says(r, /--allow=env:HOME/);
  says(run(["--allow=env:HOME", "-e", "print(linnet.env('HOME'))"], { env: { HOME: "/here" } }), /\/here/);
});

// --- settings ---

test("settings: file, line, option and the nearest name", () => {
  const cases = [
    ["hub = {\n  prot = 1,\n}\n", /linnet\.cfg\.lua:2: unknown option 'hub\.prot' \(did you mean 'hub\.port'\?\)/],
    ["hub = { port = 'x' }\n", /linnet\.cfg\.lua:1: option 'hub\.port' must be a whole number from 0 to 65535, not "x"/],
    ["hub = {\n", /linnet\.cfg\.lua:\d+: .*expected/],
    ["connections = { school = { ulr = 'ws://x' } }\n", /linnet\.cfg\.lua:1: connection 'school': unknown option 'ulr' \(did you mean 'url'\?\)/],
    ["connections = { school = { } }\n", /connection 'school' has no url/],
    ["while true do end\n", /linnet\.cfg\.lua:1: .*too long/],
    ["hub = { port = nothing() }\n", /linnet\.cfg\.lua:1:/],
    ["connections = { s = { url = 'ws://x', auth = { token = secret 'NO_SUCH_SECRET' } } }", /no secret NO_SUCH_SECRET/],
  ];
  for (const [text, pattern] of cases) {
    const r = run(["-e", "local x = 1"], { cwd: folder({ "linnet.cfg.lua": text }) });
    equal([r.code, r.out], [78, ""], text);
    says(r, pattern, text);
  }
  const flag = run(["--set", "hub.prot=1", "-e", "local x = 1"]);
  equal(flag.code, 78);
  says(flag, /--set: unknown option 'hub\.prot' \(did you mean 'hub\.port'\?\)/);
});

test("settings: a flag beats the environment beats the file", () => {
  const dir = folder({ "linnet.cfg.lua": "scripts = { ['-e'] = { options = { who = 'file' } } }\nlog = { level = 'off' }\n" });
  const quiet = run(["-e", "print('heard')"], { cwd: dir });
  ok(!/heard/.test(quiet.all), "the file's log level counts");
  says(run(["-e", "print('heard')"], { cwd: dir, env: { LINNET_LOG_LEVEL: "info" } }), /heard/);
  ok(!/heard/.test(run(["-q", "-e", "print('heard')"], { cwd: dir, env: { LINNET_LOG_LEVEL: "info" } }).all), "the flag wins");
});

test("the log: JSON, and no colour in a pipe", () => {
  const json = run(["--log-format=json", "-e", "linnet.log.warn('careful', { n = 1 })"]);
  const record = JSON.parse(json.err.trim().split("\n").pop());
  equal([record.level, record.msg, record.n], ["warn", "careful", 1]);
  ok(!/\x1b/.test(run(["-e", "linnet.log.error('x')"]).all), "no escape codes");
  ok(/\x1b\[/.test(run(["--color=always", "-e", "linnet.log.error('x')"]).err), "--color=always");
});

// --- one-shot tools ---

test("call, emit, listen on a hub", async () => {
  const h = await hub(linnet);
  const joined = run(["call", h.url, "join", '{"room":"lobby"}']);
  equal([joined.code, JSON.parse(joined.out).ok], [0, true], joined.all);
  const listener = await start(linnet, ["listen", h.url, "--join", "lobby", "--name", "ear", "--count", "2", "--event", "message"], /"event":"connect"/, { env });
  await until(() => JSON.parse(run(["call", h.url, "rooms"]).out).rooms.some((r) => r.members > 0), "the listener in the room");
  const sender = ["--name", "kari"];
  for (const text of ["one", "two"]) {
    const script = `local c = linnet.connect('${h.url}') assert(c:join('lobby')) c:room('lobby'):send('${text}') linnet.exit(0)`;
    equal(run(["-e", script]).code, 0);
  }
  equal(await within(listener.exited, "listen --count 2 to end"), 0);
  const lines = listener.out().trim().split("\n").map((l) => JSON.parse(l));
  equal(lines.filter((l) => l.event === "message").map((l) => l.args[0].text), ["one", "two"]);
  ok(lines.every((l) => l.ts && l.level && l.conn === h.url), "every line has time, level and connection");
  const refused = run(["call", h.url, "message", '{"room":"nowhere","text":"x"}', ...sender]);
  equal([refused.code, JSON.parse(refused.out).ok], [0, false]);
  equal(run(["emit", h.url, "typing", '{"room":"lobby","on":true}']).code, 0);
  equal(await h.end(), 0);
});

test("exit codes of lines that do not come up", async () => {
  const port = await closed();
  const r = run(["call", `ws://127.0.0.1:${port}`, "x"]);
  equal(r.code, 69, r.all);
  says(r, /TCP: connection refused/i);
  equal(run(["listen", `ws://127.0.0.1:${port}`, "--no-retry"]).code, 69);
  equal(run(["listen", `ws://127.0.0.1:${port}`, "--timeout", "200ms"]).code, 124);
  const unknown = run(["call", "ws://no-such-host.invalid", "x"]);
  equal(unknown.code, 69);
  says(unknown, /DNS: /);
  const silent = createServer(() => {});
  await new Promise((go) => silent.listen(0, "127.0.0.1", go));
  const p = await start(linnet, ["call", `ws://127.0.0.1:${silent.address().port}`, "x", "--timeout", "300ms"], null, { env });
  equal(await p.exited, 124, "a server that accepts and says nothing");
  silent.close();
});

test("listen ends quietly when nobody reads its output any more", async () => {
  const h = await hub(linnet);
  const p = await start(linnet, ["listen", h.url, "--join", "lobby"], /"event":"connect"/, { env });
  p.child.stdout.destroy();
  const script = `local c = linnet.connect('${h.url}') assert(c:join('lobby')) linnet.every(0.05, function() c:room('lobby'):send('x') end)`;
  const mouth = await start(linnet, ["-e", script], null, { env });
  equal(await within(p.exited, "listen to end"), 0);
  await mouth.end();
  ok(!/linnet: /.test(p.err()), `no words: ${p.err()}`);
  equal(await h.end(), 0);
});

test("exit codes of lines that give up by themselves", async () => {
  const port = await closed();
  const cwd = folder({ "linnet.cfg.lua": `connections = { gone = { url = "ws://127.0.0.1:${port}", reconnection = false } }\n` });
  const gone = run(["listen", "gone"], { cwd });
  equal(gone.code, 69, gone.all);
  says(gone, /TCP: connection refused/i);
  const dir = folder({ "door.lua": `local linnet = require "linnet"
local h = linnet.hub { port = 0 }
h:use(function(client, auth)
  if auth.token == "no" then return nil, "unauthorized" end
  if auth.token == "who" then return nil, "who are you?" end
  return true
end)
h:on("connect", function(client) if client.user and client.user.name == "bad" then linnet.after(0.05, function() client:disconnect() end) end end)
print("port " .. h.port)` });
  const door = await start(linnet, ["run", "door.lua"], /port (\d+)/, { cwd: dir, env });
  const url = `ws://127.0.0.1:${door.match[1]}`;
  const refused = run(["listen", url, "--auth", '{"token":"no"}']);
  equal(refused.code, 77, refused.all);
  for (const verb of [["listen", url], ["call", url, "rooms"], ["doctor", url]]) {
    const words = run([...verb, "--auth", '{"token":"who"}']);
    equal(words.code, 77, `in words of its own: ${words.all}`);
    says(words, /who are you\?/);
  }
  const out = run(["listen", url, "--name", "bad"]);
  equal(out.code, 75, `put out by the server: ${out.all}`);
  equal(await door.end(), 0);
});

test("settings count when they are saved, where scripts do; what comes too late is said", async () => {
  const script = "local linnet = require 'linnet'\nprint('greeting ' .. linnet.option('greeting', 'none'))\nlinnet.every(60, function() end)\n";
  const settings = (greeting, rest = "") => `scripts = { bot = { options = { greeting = "${greeting}" } } }\n${rest}\n`;
  for (const [file, args] of [["linnet.cfg.lua", ["dev", "--port", "0"]], ["conf/mine.conf", ["run", "--watch", "bot.lua", "--config", "conf/mine.conf"]]]) {
    const dir = folder({ "bot.lua": script, [file]: settings("one") }), path = join(dir, file);
    const p = await start(linnet, args, /greeting one/, { cwd: dir, env }), all = () => p.out() + p.err();
    if (args[0] === "dev") await until(() => /ready in/.test(all()), "the watch");
    writeFileSync(path, settings("two"));
    await until(() => /greeting two/.test(all()), "the new option");
    writeFileSync(path, settings("three", "hub = { prot = 1 }"));
    await until(() => /:2: unknown option 'hub\.prot' .*the old settings stay/.test(all()), "the error");
    ok(!/greeting three/.test(all()), all());
    writeFileSync(path, settings("four", 'hub = { apps = { { key = "k", secret = "s" } } }'));
    await until(() => /greeting four/.test(all()), "the mended ones");
    ok(/:2: hub\.apps has changed: that counts at the next start/.test(all()), all());
    renameSync(path, `${path}~`); // as some editors do
    writeFileSync(path, "");
    writeFileSync(path, settings("five"));
    await until(() => /greeting five/.test(all()), "the file in its place");
    if (file !== "linnet.cfg.lua") { // as a checkout does
      renameSync(join(dir, "conf"), join(dir, "gone"));
      mkdirSync(join(dir, "conf"));
      for (const greeting of ["six", "seven"]) {
        writeFileSync(path, settings(greeting));
        await until(() => all().includes(`greeting ${greeting}`), "the folder in its place");
      }
    }
    equal(await p.end(), 0, all());
  }
});

test("settings that are saved while the first scripts are loaded count", async () => {
  const settings = (n) => `scripts = { bot = { options = { n = ${n} } } }\n`;
  const dir = folder({ "linnet.cfg.lua": settings(1), "bot.lua": `local n = linnet.option("n", 0)
print("n is " .. n)
linnet.every(60, function() end)
while not io.open("gate") do end\n` });
  const p = await start(linnet, ["run", "--watch", `--allow=fs:read=${dir}`, "--set", "limits.budget_kill=60s", "bot.lua"], /n is 1/, { cwd: dir, env });
  writeFileSync(join(dir, "linnet.cfg.lua"), settings(2));
  writeFileSync(join(dir, "gate"), "open");
  await until(() => /n is 2/.test(p.out() + p.err()), "the new option");
  equal(await p.end(), 0);
});

test("a text that was reloaded ends when its work is done, too", async () => {
  const p = await start(linnet, ["-e", "print('up') linnet.after(0.5, function() print('done') end)"], /up/, { env });
  p.child.kill("SIGHUP");
  await until(() => /reloaded/.test(p.err()), "the reload");
  equal(await within(p.exited, "the text to end"), 0);
  ok(/done/.test(p.err() + p.out()), "its work was done");
});

test("an interrupt while the script is typed ends linnet", async () => {
  const p = await start(linnet, ["-"], null, { env });
  const has = (what) => readdirSync(`/proc/${p.child.pid}/fd`).some((n) => readlinkSync(`/proc/${p.child.pid}/fd/${n}`).includes(what));
  await until(() => has("eventpoll") && /State:\s+S/.test(readFileSync(`/proc/${p.child.pid}/status`, "utf8")), "linnet to wait for the text");
  equal(await p.end("SIGINT"), "SIGINT");
});

test("what was emitted arrives, though the script exits at once and the server reads late", async () => {
  const h = await hub(linnet, ["--set", "hub.max_message=20000000"]);
  const size = 12000000;
  let reader, got = 0;
  const slow = createServer((client) => { // a line that stops being read in the midst of it
    const up = connectTo(h.port, "127.0.0.1");
    up.on("data", (d) => client.write(d));
    client.on("data", (d) => {
      up.write(d);
      got += d.length;
      if (reader || got < size / 12) return;
      reader = client;
      client.pause();
    });
    client.on("end", () => up.end());
    up.on("end", () => client.end());
    for (const s of [client, up]) s.on("error", () => {});
  });
  await new Promise((go) => slow.listen(0, "127.0.0.1", go));
  const ear = await start(linnet, ["listen", h.url, "--join", "lobby", "--count", "1", "--event", "message"], /"event":"connect"/, { env });
  await until(() => JSON.parse(run(["call", h.url, "rooms"]).out).rooms.length > 0, "the listener in the room");
  const script = `local c = linnet.connect('ws://127.0.0.1:${slow.address().port}') assert(c:join('lobby')) linnet.sleep(0.2) c:emit('message', { room = 'lobby', text = ('x'):rep(${size}) }) linnet.exit(0)`;
  const p = await start(linnet, ["-e", script], null, { env });
  const status = `/proc/${p.child.pid}/status`; // it has filled what the kernel takes, and waits
  await until(() => reader && (!existsSync(status) || /State:\s+[SZ]/.test(readFileSync(status, "utf8"))), "linnet to wait for the reader");
  reader.resume();
  equal(await within(p.exited, "the script to end"), 0, p.err());
  await within(ear.exited, "the message to arrive");
  const message = ear.out().trim().split("\n").map((l) => JSON.parse(l)).find((l) => l.event === "message");
  equal(message.args[0].text.length, size);
  slow.close();
  equal(await h.end(), 0);
});

test("an outbox that was filled while the hub was down arrives whole", async () => {
  const port = await closed();
  const script = `
    local c = linnet.connect('ws://127.0.0.1:${port}', { reconnection_delay = '100ms' })
    for i = 1, 1000 do assert(c:emit('n', i)) end
    local got = 0
    linnet.after(0.3, function()
      linnet.hub { port = ${port} }:on('n', function(client, i)
        got = got + 1
        if i ~= got then print('got', i, 'wanted', got) linnet.exit(1) end
        if got == 1000 then linnet.exit(0) end
      end)
    end)
    linnet.after(50, function() print('only', got) linnet.exit(1) end)`;
  const r = run(["-e", script]);
  equal(r.code, 0, r.all);
});

test("closed standard streams are no place for a socket", async () => {
  const p = await start("sh", ["-c", 'exec "$0" hub --port 0 <&- 2>&-', linnet], /http:/, { env });
  for (const fd of [0, 2]) equal(readlinkSync(`/proc/${p.child.pid}/fd/${fd}`), "/dev/null", `descriptor ${fd}`);
  equal(await p.end(), 0);
});

test("the hub: an IPv6 address stands in brackets", async () => {
  const p = await start(linnet, ["hub", "--host", "::1", "--port", "0"], /http:\/\/\[::1\]:\d+/, { env });
  equal(run(["call", p.match[0].replace("http", "ws"), "rooms"]).code, 0);
  equal(await p.end(), 0);
});

test("the hub says what it speaks", async () => {
  for (const [args, what] of [[[], /Socket\.IO, Pusher, WebSocket - open this page to chat/], [["--set", "hub.page=false"], /Socket\.IO, Pusher, WebSocket$/m],
    [["--host", "0.0.0.0"], / {6}Socket\.IO, WebSocket - open/]]) {
    const p = await start(linnet, ["hub", "--port", "0", ...args], what, { env });
    p.child.kill("SIGTERM");
    await within(p.exited, "the hub to end");
  }
});

test("the hub: a taken port is said in words", async () => {
  const h = await hub(linnet);
  const second = run(["hub", "--port", String(h.port)]);
  equal([second.code, second.out], [69, ""]);
  says(second, new RegExp(`port ${h.port} is taken`));
  equal(await h.end(), 0);
});

// --- the first five minutes ---

test("new, dev, reload on save with the line kept, rollback, check", async () => {
  const dir = folder();
  const made = run(["new", "wren"], { cwd: dir });
  equal(made.code, 0, made.all);
  says(made, /wrote .*bot\.lua.*linnet\.cfg\.lua/);
  const again = run(["new", "wren"], { cwd: dir });
  equal(again.code, 1, "nothing is written over");
  const cwd = join(dir, "wren"), file = join(cwd, "bot.lua");
  const checked = run(["check"], { cwd });
  equal(checked.code, 0, checked.all);
  const dev = await start(linnet, ["dev", "--port", "0"], /hub\s+(http:\S+)[\s\S]*ready in/, { cwd, env });
  const url = dev.match[1];
  const talk = (say) => `
    local c = linnet.connect('${url}', { auth = { name = 'kari' } })
    local lobby = assert(c:join('lobby'))
    for _ = 1, 40 do
      lobby:send('${say}')
      local m = lobby:wait_for('message', { timeout = '500ms' })
      if m then print(m.text) return linnet.exit(0) end
    end
    linnet.exit(1)`;
  says(run(["-e", talk("hi")]), /Hello, kari!/);
  writeFileSync(file, readFileSync(file, "utf8").replace("Hello, ", "Good day, "));
  await until(() => /reloaded/.test(dev.out() + dev.err()), "the reload");
  says(run(["-e", talk("hi")]), /Good day, kari!/);
  writeFileSync(file, readFileSync(file, "utf8").replace("chat:room(", "chat:rooom("));
  await until(() => /bot\.lua:4: .*'rooom'.*did you mean 'room'/.test(dev.out() + dev.err()), "the error with file and line");
  says(run(["-e", talk("hi")]), /Good day, kari!/, "the running version stays");
  const found = run(["check"], { cwd });
  equal(found.code, 1);
  says(found, /bot\.lua:4: .*'rooom'.*did you mean 'room'/);
  equal(await dev.end("SIGINT"), 0);
});

test("dev without a script says what to do; a script may come later", async () => {
  const cwd = folder();
  const dev = await start(linnet, ["dev", "--port", "0"], /linnet new NAME[\s\S]*ready/, { cwd, env });
  equal(await dev.end(), 0);
});

test("check finds syntax errors and unknown names", () => {
  const cwd = folder({ "a.lua": "local x =\n", "b.lua": "local linnet = require 'linnet'\nlinnet.conect('hub')\nprnt(1)\n", "c.lua": "return 1\n" });
  const r = run(["check"], { cwd });
  equal(r.code, 1);
  says(r, /a\.lua:\d: .*(unexpected|expected)/);
  says(r, /b\.lua:2: .*'conect'.*did you mean 'connect'/);
  says(r, /b\.lua:3: .*'prnt'.*did you mean 'print'/);
  ok(!/c\.lua/.test(r.all), "c.lua is fine");
  equal(run(["check", "nowhere.lua"], { cwd }).code, 1);
});

test("new refuses bad names", () => {
  for (const name of ["..", "a*b", ""]) ok([1, 2].includes(run(["new", name], { cwd: folder() }).code), name);
  const dir = folder();
  mkdirSync(join(dir, "deep"));
  equal(run(["new", "deep/wren"], { cwd: dir }).code, 0);
  ok(existsSync(join(dir, "deep/wren/bot.lua")), "a path is fine");
});

await main();
