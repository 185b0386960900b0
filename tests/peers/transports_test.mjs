// SPDX-License-Identifier: MIT
// Our client over every transport: npm socket.io and python-socketio's servers, and our own hub;
// behind nginx; fall-back, sticky cookies, recovery. transports_test.mjs LINNET [PART OF A NAME]
import { createServer, request } from "node:http";
import { connect as dial, createServer as createTcp } from "node:net";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { chatServer } from "./chat_server.mjs";
import { authority } from "./certs.mjs";
import { nginx, program } from "./servers.mjs";
import { closed } from "./shell.mjs";
import { play } from "./scene.mjs";
import { LIMIT, test, equal, ok, within, until, start, hub, main } from "./lib.mjs";

const linnet = process.argv[2];
const roads = { websocket: ["websocket"], polling: ["polling"], upgrade: ["polling", "websocket"] };
const ends = { websocket: "websocket", polling: "polling", upgrade: "websocket" };

/** Writes down by which transport each engine came, and which of them it changed to. */
function watch(server) {
  const seen = [];
  server.engine.on("connection", (s) => {
    seen.push(s.transport.name);
    s.on("upgrade", (t) => seen.push(`> ${t.name}`));
  });
  return seen;
}

// --- the same bot ---

for (const road of ["polling", "upgrade"]) {
  test(`hello.scene by ${road} on npm socket.io`, async () => {
    const server = await chatServer(0, { transports: ["polling", "websocket"] });
    const seen = watch(server.io);
    await play("tests/scenes/hello.scene", server.url, linnet, { transports: roads[road] });
    ok(seen.includes("polling"), `the bot polls: ${seen}`);
    equal(seen.includes("> websocket"), road === "upgrade", "upgraded");
    await server.close();
  });
  test(`hello.scene by ${road} on our hub`, async () => {
    const h = await hub(linnet);
    await play("tests/scenes/hello.scene", h.url, linnet, { transports: roads[road] });
    equal(await h.end(), 0, "the hub's exit code");
  });
}

test("a server that knows polling only: the bot falls back by itself, and says so", async () => {
  const server = await chatServer(0, { transports: ["polling"] });
  const seen = watch(server.io);
  const talk = await play("tests/scenes/hello.scene", server.url, linnet, { people: ["polling"] });
  ok(seen.every((t) => t === "polling"), `${seen}`);
  equal((talk.match(/connected by polling, because upgrade: HTTP 400/g) ?? []).length, 1, "said once");
  await server.close();
});

// --- everything that goes over a line ---

function everything(options = {}) {
  const server = new Server(0, options);
  server.on("connection", (s) => {
    let count = 0;
    s.on("mixed", (text, data, ack) => ack({ text, got: data }));
    s.on("same", (x, ack) => ack(x));
    s.on("count", (n) => { if (n === count + 1) count++; });
    s.on("counted", (ack) => ack(count));
    s.on("ask me", async (ack) => ack((await s.timeout(LIMIT).emitWithAck("question", { n: 7 })).answer));
    s.on("ticks", (n) => { for (let i = 1; i <= n; i++) s.emit("tick", i); });
  });
  server.of("/admin").on("connection", (s) => { s.emit("hi", "admin"); s.on("same", (x, ack) => ack(x)); });
  return { io: server, url: `http://127.0.0.1:${server.httpServer.address().port}`, close: () => new Promise((r) => server.close(r)) };
}

/** Plays transports_script.lua; resolves to what it said. */
async function run(url, transports, end, env = {}) {
  const script = await start(linnet, ["run", "tests/peers/transports_script.lua", "--", url, ...transports], null, { env: { ...process.env, ...env } });
  equal(await within(script.exited, "the script to end"), 0, script.out() + script.err());
  equal(script.err().match(/transport (\w+)/)?.[1], end, "transport");
  return script.err();
}

for (const road of Object.keys(roads)) {
  test(`everything by ${road} on npm socket.io`, async () => {
    const server = everything();
    const seen = watch(server.io), gone = new Promise((r) => server.io.of("/").on("connection", (s) => s.on("disconnect", r)));
    await run(server.url, roads[road], ends[road]);
    equal(seen[0], roads[road][0]);
    ok(/client namespace disconnect|transport close/.test(await within(gone, "the server to hear of the end")), "left politely");
    await server.close();
  });
  test(`everything by ${road} on python-socketio's server`, async () => {
    const port = await closed();
    const server = await program("/usr/bin/python3", ["tests/peers/python_server.py", String(port)], port);
    await run(`http://127.0.0.1:${port}`, roads[road], ends[road]);
    await server.stop();
  });
  test(`everything by ${road} through nginx with TLS`, async () => {
    const ours = authority(), c = ours.make();
    const server = everything();
    const n = await nginx("tls", { BEHIND: new URL(server.url).port, CERT: c.cert, KEY: c.key });
    await run(`https://localhost:${n.port}`, roads[road], ends[road], { SSL_CERT_FILE: ours.ca });
    await n.stop();
    await server.close();
  });
}

test("everything through an nginx that drops upgrades: by polling, and it says so once", async () => {
  const server = everything();
  const n = await nginx("plain", { BEHIND: new URL(server.url).port });
  const said = await run(`http://127.0.0.1:${n.port}`, ["websocket", "polling"], "polling");
  equal((said.match(/connected by polling, because upgrade: /g) ?? []).length, 1, said);
  await n.stop();
  await server.close();
});

// --- recovery ---

for (const road of ["websocket", "polling"]) {
  test(`recovery by ${road} on npm socket.io: what was missed, and a gap when the server forgot`, async () => {
    const options = { connectionStateRecovery: {} };
    let server = everything(options);
    const port = new URL(server.url).port;
    const joined = (server) => new Promise((r) => server.on("connection", r));
    let next = joined(server.io);
    const script = await start(linnet, ["run", "tests/peers/recovery_script.lua", "--", server.url, road]);
    const first = await within(next, "the script to come");
    server.io.emit("m", 1);
    await until(() => /m 1/.test(script.err()), "m 1");
    next = joined(server.io);
    first.conn.close(); // the transport, without a word of the namespace
    for (const n of [2, 3]) server.io.emit("m", n);
    const second = await within(next, "the script to come back");
    equal([second.recovered, second.id === first.id], [true, true], "the server's view");
    server.io.emit("m", 4);
    await until(() => /m 4/.test(script.err()), "m 4");
    await server.close();
    server = everything({ ...options });
    await server.close(); // another port: until ours is free again
    server = { io: new Server(Number(port), options) };
    await within(joined(server.io), "the script at the new server");
    await until(() => / gap /.test(script.err()) && /false false/.test(script.err()), "the gap");
    server.io.emit("end");
    equal(await within(script.exited, "the script"), 0, script.err());
    equal(script.err().split("\n").map((l) => l.match(/recovery_script +(.*)/)?.[1]).filter((l) => l),
      ["connect true false", "m 1", "m 2", "m 3", "connect false true", "m 4", "gap the server did not know the session any more", "connect false false"]);
    ok(/events may have been missed: the server did not know/.test(script.err()), script.err());
    await new Promise((r) => server.io.close(r));
  });
}

/** A way to a port that can be cut and mended. */
function wire(port) {
  const sockets = new Set();
  let up = true;
  const server = createTcp((a) => {
    if (!up) return a.destroy();
    const b = dial(port, "127.0.0.1");
    for (const s of [a, b]) { sockets.add(s); s.on("error", () => {}); s.on("close", () => { sockets.delete(s); a.destroy(); b.destroy(); }); }
    a.pipe(b); b.pipe(a);
  });
  const cut = () => { up = false; for (const s of sockets) s.destroy(); };
  return new Promise((r) => server.listen(0, "127.0.0.1", () =>
    r({ url: `http://127.0.0.1:${server.address().port}`, cut, mend: () => { up = true; }, close: () => { cut(); server.close(); } })));
}

for (const road of ["websocket", "polling"]) {
  test(`recovery by ${road} on our hub, over a line that was cut`, async () => {
    const h = await hub(linnet, ["--set", "hub.recovery=\"1m\""]);
    const way = await wire(h.port);
    const script = await start(linnet, ["run", "tests/peers/recovery_script.lua", "--", way.url, road, "lobby"], /connect true false/);
    const kari = io(h.url, { transports: ["websocket"], forceNew: true, auth: { name: "kari" } });
    const say = async (text) => ok((await kari.timeout(LIMIT).emitWithAck("message", { room: "lobby", text })).ok, text);
    const inside = async () => (await kari.timeout(LIMIT).emitWithAck("join", { room: "lobby" })).members.length === 2;
    await until(inside, "the script in the lobby");
    await say("one");
    await until(() => /message one/.test(script.err()), "one");
    way.cut();
    for (const text of ["two", "three"]) await say(text);
    way.mend();
    await until(() => /connect false/.test(script.err()), "the way back");
    await say("four");
    await until(() => /message four/.test(script.err()), "four");
    equal(script.err().split("\n").map((l) => l.match(/recovery_script +(.*)/)?.[1]).filter((l) => l),
      ["connect true false", "message one", "message two", "message three", "connect false true", "message four"]);
    equal(await script.end(), 0, script.err());
    kari.close();
    way.close();
    equal(await h.end(), 0, h.err());
  });
}

// --- two servers behind a balancer that goes by a cookie ---

function balancer(targets) {
  let turn = 0;
  const pick = (req) => {
    const known = /(?:^|; )node=(\d)/.exec(req.headers.cookie ?? "");
    return known ? { node: Number(known[1]) } : { node: turn++ % targets.length, fresh: true };
  };
  const server = createServer((req, res) => {
    const { node, fresh } = pick(req);
    const on = request({ host: "127.0.0.1", port: targets[node], path: req.url, method: req.method, headers: req.headers }, (answer) => {
      const headers = { ...answer.headers, ...(fresh && { "set-cookie": [`node=${node}; Path=/; HttpOnly`, "noise=1; Path=/nowhere"] }) };
      res.writeHead(answer.statusCode, headers);
      answer.pipe(res);
    });
    on.on("error", () => res.destroy());
    res.on("close", () => on.destroy());
    req.pipe(on);
  });
  server.on("upgrade", (req, socket, head) => {
    const { node } = pick(req);
    const lines = Object.entries(req.headers).map(([k, v]) => `${k}: ${v}\r\n`).join("");
    const on = dial(targets[node], "127.0.0.1", () => { on.write(`GET ${req.url} HTTP/1.1\r\n${lines}\r\n`); on.write(head); on.pipe(socket); socket.pipe(on); });
    for (const s of [on, socket]) s.on("error", () => { on.destroy(); socket.destroy(); });
  });
  return new Promise((r) => server.listen(0, "127.0.0.1", () => r({ server, url: `http://127.0.0.1:${server.address().port}` })));
}

for (const road of ["polling", "upgrade"]) {
  test(`${road} through a balancer with a sticky cookie`, async () => {
    const servers = [everything(), everything()];
    const { server, url } = await balancer(servers.map((s) => Number(new URL(s.url).port)));
    await run(url, roads[road], ends[road]);
    server.closeAllConnections();
    server.close();
    for (const s of servers) await s.close();
  });
}

await main();
