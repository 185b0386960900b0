// SPDX-License-Identifier: MIT
// Interoperability, proved against the real thing. peers_test.mjs LINNET [PART OF A NAME]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocketServer, WebSocket } from "ws";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { chatServer } from "./chat_server.mjs";
import { play } from "./scene.mjs";
import { LIMIT, test, equal, ok, once, within, until, start, hub, main } from "./lib.mjs";

const linnet = process.argv[2];
const scenes = readdirSync("tests/scenes").filter((f) => f.endsWith(".scene"));

// --- the same bots on our hub and on npm socket.io ---

for (const scene of scenes) {
  test(`${scene} on our hub`, async () => {
    const h = await hub(linnet);
    await play(`tests/scenes/${scene}`, h.url, linnet);
    equal(await h.end(), 0, "the hub's exit code");
  });
  test(`${scene} on our hub, the bot by plain JSON`, async () => {
    const h = await hub(linnet);
    await play(`tests/scenes/${scene}`, h.url, linnet, { bot: `ws://127.0.0.1:${h.port}/ws` });
    equal(await h.end(), 0, "the hub's exit code");
  });
  test(`${scene} on npm socket.io`, async () => {
    const server = await chatServer();
    await play(`tests/scenes/${scene}`, server.url, linnet);
    await server.close();
  });
}

// --- stock clients on our hub ---

const connect = (url, options = {}) => io(url, { transports: ["websocket"], forceNew: true, ...options });

const ways = { websocket: ["websocket"], polling: ["polling"], upgrade: ["polling", "websocket"] };

for (const [way, transports] of Object.entries(ways)) test(`socket.io-client by ${way}: join, message, typing, presence, history`, async () => {
  const h = await hub(linnet);
  const [kari, ola] = [connect(h.url, { transports, auth: { name: "kari", id: "u1" } }), connect(h.url, { transports, auth: { name: "ola" } })];
  const [session] = await once(kari, "session");
  equal(session.user, { id: "u1", name: "kari" }, "session.user");
  const first = await kari.timeout(LIMIT).emitWithAck("join", { room: "lobby" });
  equal([first.ok, first.created, first.history.length], [true, true, 0]);
  const presence = once(kari, "presence");
  const second = await ola.timeout(LIMIT).emitWithAck("join", { room: "lobby" });
  equal(second.members.map((m) => m.name).sort(), ["kari", "ola"]);
  const [p] = await presence;
  equal([p.kind, p.room, p.member.name], ["join", "lobby", "ola"]);
  const heard = once(ola, "message");
  const sent = await kari.timeout(LIMIT).emitWithAck("message", { room: "lobby", text: "hei på deg 🐦", temp_id: "t1", via: "test" });
  const [m] = await heard;
  equal([m.text, m.temp_id, m.via, m.id, m.sender.name], ["hei på deg 🐦", "t1", "test", sent.id, "kari"]);
  const typing = once(ola, "typing");
  kari.emit("typing", { room: "lobby", on: true });
  equal((await typing)[0].on, true);
  const { history } = await ola.timeout(LIMIT).emitWithAck("history", { room: "lobby" });
  equal(history.map((x) => x.text), ["hei på deg 🐦"]);
  const refused = await kari.timeout(LIMIT).emitWithAck("message", { room: "nowhere", text: "x" });
  equal(refused.ok, false);
  ok(refused.error.code && refused.error.message, "an error has a code and words");
  equal(kari.io.engine.transport.name, transports.at(-1), "the transport in the end");
  kari.close(); ola.close();
  equal(await h.end(), 0);
});

test("socket.io-client: unknown namespace, connect_error", async () => {
  const h = await hub(linnet);
  const s = connect(`${h.url}/nowhere`);
  const [e] = await once(s, "connect_error");
  equal(e.message, "Invalid namespace");
  s.close();
  equal(await h.end(), 0);
});

test("socket.io-client: comes back after the hub was restarted on the same port", async () => {
  const h = await hub(linnet);
  const s = connect(h.url, { reconnectionDelay: 20, reconnectionDelayMax: 100 });
  await once(s, "connect");
  const lost = once(s, "disconnect");
  equal(await h.end(), 0);
  await lost;
  const back = once(s, "connect");
  const again = await hub(linnet, ["--port", String(h.port)]);
  await back;
  s.close();
  equal(await again.end(), 0);
});

for (const [way, transports] of Object.entries(ways)) test(`a script on the hub, by ${way}: events, acks both ways, binary, middleware`, async () => {
  const server = await start(linnet, ["run", "tests/peers/hub_script.lua"], /listening on (http:\S+)/);
  const url = server.match[1];
  const refused = connect(`${url}/private`, { transports, auth: { token: "wrong" } });
  const [e] = await once(refused, "connect_error");
  equal([e.message, e.data], ["not with that token", { code: "E_AUTH" }]);
  refused.close();
  const s = connect(url, { transports });
  await once(s, "connect");
  const back = once(s, "echoed");
  s.emit("echo", 1, "two", { three: [3, null, true] }, Buffer.from([1, 2, 3]));
  const [a, b, c, d] = await back;
  equal([a, b, c], [1, "two", { three: [3, null, true] }]);
  equal([...d], [1, 2, 3]);
  equal(await s.timeout(LIMIT).emitWithAck("sum", 2, 40), 42);
  s.on("question", (q, ack) => ack(`${q} indeed`));
  equal(await s.timeout(LIMIT).emitWithAck("ask me"), "is it so indeed");
  const big = await s.timeout(LIMIT).emitWithAck("same", "9007199254740993 as text", 9007199254740991);
  equal(big, 9007199254740991);
  s.close();
  equal(await server.end(), 0);
});

test("socket.io-client: numbered messages both ways, before, during and after the upgrade", async () => {
  const h = await hub(linnet);
  const [kari, ola] = [connect(h.url, { transports: ways.upgrade, auth: { name: "kari" } }), connect(h.url, { transports: ways.upgrade, auth: { name: "ola" } })];
  const heard = { kari: [], ola: [] };
  kari.on("message", (m) => heard.kari.push(m.n));
  ola.on("message", (m) => heard.ola.push(m.n));
  const upgraded = Promise.all([kari, ola].map((s) => new Promise((r) => s.io.on("open", () => s.io.engine.once("upgrade", r)))));
  await Promise.all([kari, ola].map((s) => s.emitWithAck("join", { room: "lobby" })));
  const answers = [];
  for (let n = 0; n < 100; n++) {
    for (const s of [kari, ola]) answers.push(s.timeout(LIMIT).emitWithAck("message", { room: "lobby", text: `${n}`, n }));
    if (n % 5 === 0) await new Promise((r) => setImmediate(r));
  }
  await within(upgraded, "both upgrades");
  equal((await Promise.all(answers)).filter((a) => !a.ok), []);
  await Promise.all([kari, ola].map((s) => s.timeout(LIMIT).emitWithAck("rooms"))); // what was sent before is here
  const all = Array.from({ length: 100 }, (_, n) => n);
  equal(heard, { kari: all, ola: all });
  kari.close(); ola.close();
  equal(await h.end(), 0);
});

for (const [way, transports] of Object.entries(ways)) test(`socket.io-client by ${way}: comes back to its place and has missed nothing`, async () => {
  const h = await hub(linnet, ["--set", 'hub.recovery="1m"']);
  const [kari, ola] = [connect(h.url, { transports, reconnectionDelay: 300, auth: { name: "kari" } }), connect(h.url, { auth: { name: "ola" } })];
  await Promise.all([kari, ola].map((s) => once(s, "connect")));
  await Promise.all([kari, ola].map((s) => s.emitWithAck("join", { room: "lobby" })));
  const texts = [], { id } = kari;
  kari.on("message", (m) => texts.push(m.text));
  const lost = once(kari, "disconnect"), back = once(kari, "connect");
  const say = (text) => ola.timeout(LIMIT).emitWithAck("message", { room: "lobby", text });
  const first = once(kari, "message");
  await say("one");
  await first;
  kari.io.engine.close();
  await lost;
  await say("two");
  await say("three");
  await back;
  equal([kari.recovered, kari.id === id], [true, true]);
  await say("four");
  await until(() => texts.includes("four"), "four");
  equal(texts, ["one", "two", "three", "four"]);
  kari.close(); ola.close();
  equal(await h.end(), 0);
});

test("the hub on a Unix socket: reached by it, not pushed aside, gone in the end, and after a kill there again", async () => {
  const dir = mkdtempSync(join(tmpdir(), "linnet-unix-")), path = join(dir, "hub.sock");
  const open = () => start(linnet, ["hub", "--host", `unix:${path}`], /hub +unix:\S+/);
  const killed = await open();
  await killed.end("SIGKILL");
  const h = await open();
  const call = await start(linnet, ["call", `ws+unix://${path}:/`, "rooms"]);
  equal([await within(call.exited, "linnet call"), call.out().trim()], [0, '{"ok":true,"rooms":[]}'], call.err());
  const ws = new WebSocket(`ws+unix:${path}:/ws?name=kari`, { headers: { host: "localhost" } });
  equal(JSON.parse((await once(ws, "message"))[0]).data.user.name, "kari");
  const second = spawnSync(linnet, ["hub", "--host", `unix:${path}`], { encoding: "utf8" });
  equal(second.status, 69);
  ok(second.stderr.includes("is taken by another program"), second.stderr);
  ws.close();
  equal(await h.end(), 0);
  equal(readdirSync(dir), [], "what is left");
  rmSync(dir, { recursive: true });
});

for (const way of Object.keys(ways)) test(`python3-socketio on our hub, by ${way}`, async () => {
  const h = await hub(linnet);
  const r = spawnSync("/usr/bin/python3", ["tests/peers/python_client.py", h.url, way], { encoding: "utf8", timeout: 3 * LIMIT });
  equal([r.status, r.stdout.trim().split("\n").pop()], [0, "all well"], r.stdout + r.stderr);
  equal(await h.end(), 0);
});

// --- our client on stock servers ---

test("our client on npm socket.io: namespaces, acks, binary, errors", async () => {
  const server = new Server(0, { transports: ["websocket"] });
  const port = server.httpServer.address().port;
  const seen = [];
  server.of("/admin").use((s, next) => (s.handshake.auth.token === "t" ? next() : next(Object.assign(new Error("not authorized"), { data: { code: "E" } }))));
  server.of("/admin").on("connection", (s) => s.emit("hi", "admin"));
  server.on("connection", (s) => {
    s.on("mixed", (a, b, ack) => { seen.push([a, [...b]]); ack({ got: b }); });
    s.emitWithAck("question", { n: 1 }).then((r) => seen.push(r));
    s.on("bye", () => s.disconnect());
  });
  const script = await start(linnet, ["run", "tests/peers/client_script.lua", "--", `http://127.0.0.1:${port}`]);
  equal(await within(script.exited, "the script to end"), 0, script.out() + script.err());
  equal(seen.map((x) => JSON.stringify(x)).sort(), ['["text",[0,255,10]]', '{"answer":1}']);
  await new Promise((r) => server.close(r));
});

test("our client after a stock server's restart: comes back, rejoins, sends what waited, in order", async () => {
  let server = await chatServer();
  const port = Number(new URL(server.url).port);
  const script = await start(linnet, ["run", "tests/peers/restart_script.lua", "--", server.url], /joined/);
  await server.close();
  await until(() => /queued/.test(script.out() + script.err()), "the script to queue");
  const texts = [];
  server = await chatServer(port);
  server.io.on("connection", (s) => s.on("message", (m) => texts.push(m.text)));
  equal(await within(script.exited, "the script to end"), 0, script.out() + script.err());
  equal(texts, ["one", "two", "three"]);
  await server.close();
});

test("100,000 numbered events over a real line, through 60 reloads, every fourth of them broken", async () => {
  const TOTAL = 100000, RELOADS = 60;
  const dir = mkdtempSync(join(tmpdir(), "linnet-stream-")), file = join(dir, "stream.lua");
  const good = readFileSync("tests/peers/stream_script.lua", "utf8");
  writeFileSync(file, good);
  const server = new Server(0, { transports: ["websocket"] });
  const port = server.httpServer.address().port;
  let socket, sent = 0;
  const connected = new Promise((r) => server.on("connection", (s) => { socket = s; r(); }));
  const script = await start(linnet, ["run", file, "--", `http://127.0.0.1:${port}`], /connected/);
  await connected;
  const count = (pattern) => (script.err().match(pattern) ?? []).length;
  const tried = () => count(/reloaded/g) + count(/the running version stays/g);
  for (let i = 1; i <= RELOADS; i++) {
    const broken = i % 8 === 4 ? "this is no Lua\n" : i % 8 === 0 ? "error('on purpose')\n" : "";
    writeFileSync(file, `${good}${broken && "\n"}`.replace(/^/, broken ? broken : `-- version ${i}\n`));
    script.child.kill("SIGHUP");
    while (sent < (TOTAL * i) / RELOADS) socket.emit("n", ++sent);
    await within(new Promise((r) => { const look = () => (tried() >= i ? r() : setImmediate(look)); look(); }), `reload ${i}`);
  }
  const result = await socket.timeout(LIMIT).emitWithAck("result");
  equal([result.last, result.wrong, result.reloads], [TOTAL, 0, RELOADS - Math.floor(RELOADS / 4)]);
  equal(count(/disconnect|transport close/g), 0, "the line was never lost");
  equal(await script.end(), 0);
  rmSync(dir, { recursive: true });
  await new Promise((r) => server.close(r));
});

test("wss:// on npm socket.io: its own CA, an unknown one, another name, and --insecure said aloud", async () => {
  const dir = mkdtempSync(join(tmpdir(), "linnet-tls-"));
  const openssl = (...args) => equal(spawnSync("openssl", args, { cwd: dir }).status, 0, `openssl ${args[0]}`);
  openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test CA");
  openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=localhost");
  writeFileSync(join(dir, "ext"), "subjectAltName=DNS:localhost\n");
  openssl("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "cert.pem", "-days", "2", "-extfile", "ext");
  const https = createServer({ key: readFileSync(join(dir, "key.pem")), cert: readFileSync(join(dir, "cert.pem")) });
  const server = new Server(https, { transports: ["websocket"] });
  server.on("connection", (s) => s.on("sum", (a, b, ack) => ack(a + b)));
  await new Promise((r) => https.listen(0, r));
  const url = `wss://localhost:${https.address().port}`;
  const call = async (...args) => {
    const p = await start(linnet, ["call", ...args]);
    return { code: await within(p.exited, "linnet call"), out: p.out().trim(), err: p.err() };
  };
  const good = await call(url, "sum", "2", "40", "--ca", join(dir, "ca.pem"));
  equal([good.code, good.out], [0, "42"], good.err);
  const unknown = await call(url, "sum", "2", "40");
  equal(unknown.code, 69);
  ok(/TLS: .*tls\.ca/.test(unknown.err), `an unknown CA names the option: ${unknown.err}`);
  const name = await call(url.replace("localhost", "127.0.0.1"), "sum", "2", "40", "--ca", join(dir, "ca.pem"));
  equal(name.code, 69);
  ok(/TLS: .*localhost/.test(name.err), `another name is told: ${name.err}`);
  const insecure = await call(url, "sum", "2", "40", "--insecure");
  equal([insecure.code, insecure.out], [0, "42"], insecure.err);
  ok(/not verified|insecure/i.test(insecure.err), `no verification is said aloud: ${insecure.err}`);
  await new Promise((r) => server.close(r));
  rmSync(dir, { recursive: true });
});

// --- frames exchanged with npm ws, both roles ---

test("frames with npm ws as the server: sizes, fragments, pings between them", async () => {
  const wss = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  await once(wss, "listening");
  const got = [];
  const ended = new Promise((done) => {
    wss.on("connection", (ws) => {
      ws.send('0{"sid":"s1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}');
      ws.on("pong", (d) => got.push(`pong ${d}`));
      ws.on("message", (d) => {
        const text = d.toString();
        if (text.startsWith("40")) {
          ws.send('40{"sid":"n1"}');
          for (const n of [0, 1, 100, 125, 126, 65535, 65536, 1000000]) ws.send(`42["size",${JSON.stringify("x".repeat(n))}]`);
          ws.send('42["frag', { fin: false }); ws.ping("between"); ws.send('ment","å', { fin: false }); ws.send('"]', { fin: true });
        } else {
          got.push(text);
          if (text.includes("end")) { ws.close(); done(); }
        }
      });
    });
  });
  const url = `http://127.0.0.1:${wss.address().port}`;
  const script = await start(linnet, ["run", "tests/peers/frames_script.lua", "--", url]);
  await within(ended, "the script's last frame");
  equal(await within(script.exited, "the script"), 0, script.err());
  const sizes = [0, 1, 100, 125, 126, 65535, 65536, 1000000].map((n) => `42["got",${n}]`);
  equal(got.filter((g) => !g.startsWith("pong")), [...sizes, '42["got","å"]', '42["end"]']);
  ok(got.includes("pong between"), "a ping between two fragments is answered");
  wss.close();
});

test("frames with npm ws as the client of /ws: text, fragments, refusals", async () => {
  const h = await hub(linnet);
  const ws = new WebSocket(`ws://127.0.0.1:${h.port}/ws?name=kari`, { perMessageDeflate: true });
  const first = JSON.parse((await once(ws, "message"))[0]);
  equal([first.event, first.data.user.name], ["session", "kari"]);
  ws.send('{"event":"join",', { fin: false });
  ws.send('"data":{"room":"lobby"},"ack":7}', { fin: true });
  const answer = JSON.parse((await once(ws, "message"))[0]);
  equal([answer.ack, answer.data.ok], [7, true]);
  ws.ping("p");
  await once(ws, "pong");
  ws.send("{not json");
  const error = JSON.parse((await once(ws, "message"))[0]);
  equal([error.event, error.data.code], ["error", "invalid"], "garbage is answered, to that client alone");
  ws.send('{"event":"rooms","ack":8}');
  equal(JSON.parse((await once(ws, "message"))[0]).ack, 8, "and the line goes on");
  ws.close();
  const foreign = new WebSocket(`ws://127.0.0.1:${h.port}/ws`, { origin: "http://evil.example" });
  const [e] = await once(foreign, "error");
  ok(/403/.test(e.message), `a foreign origin is refused: ${e.message}`);
  equal(await h.end(), 0);
});

await main();
