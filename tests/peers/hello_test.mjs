// SPDX-License-Identifier: MIT
// scripts/hello.lua, unchanged but for its address, on every kind of server: somebody says hi in the
// lobby, and the bot answers. hello_test.mjs LINNET [PART OF A NAME]
import { io } from "socket.io-client";
import { authority } from "./certs.mjs";
import { chatServer } from "./chat_server.mjs";
import { LIMIT, test, equal, once, within, start, hub, main } from "./lib.mjs";
import { pusherClient } from "./pusher_client.mjs";
import { nginx, program, soketi } from "./servers.mjs";
import { linnet, env, folder, closed } from "./shell.mjs";

// --- people: each {meets(name), says(text), hears(from), close()} ---

async function bySocketIO(url) {
  const socket = io(url, { transports: ["websocket"], auth: { name: "kari" }, forceNew: true });
  const seen = [], heard = [], waiting = new Set();
  const tell = () => waiting.forEach((look) => look());
  socket.on("presence", (p) => { if (p.kind === "join") seen.push(p.member.name); tell(); });
  socket.on("message", (m) => { heard.push(m); tell(); });
  await once(socket, "connect");
  const { members } = await socket.timeout(LIMIT).emitWithAck("join", { room: "lobby" });
  seen.push(...members.map((m) => m.name));
  const until = (fn, what) => within(new Promise((r) => { const look = () => { if (fn()) { waiting.delete(look); r(); } }; waiting.add(look); look(); }), what);
  return {
    meets: (name) => until(() => seen.includes(name), `${name} to come into the lobby`),
    says: (text) => socket.timeout(LIMIT).emitWithAck("message", { room: "lobby", text }),
    async hears(from) { await until(() => heard.some((m) => m.sender.name === from), `${from} to say something`); return heard.find((m) => m.sender.name === from).text; },
    close: () => socket.close(),
  };
}

async function byPusher(server) {
  const c = await pusherClient(server), channel = "presence-lobby";
  const { data } = await c.subscribe(channel, { user_id: "kari", user_info: { name: "kari" } });
  return {
    async meets(name) {
      if (Object.values(data.presence.hash).some((info) => info?.name === name)) return;
      await c.wait((m) => m.event === "pusher_internal:member_added" && m.data.user_info?.name === name, `${name} to come into the lobby`);
    },
    says: (text) => c.say("client-message", { text, sender: { id: "kari", name: "kari" } }, channel),
    hears: async () => (await c.wait((m) => m.event === "client-message", "the bot to say something")).data.text,
    close: () => c.close(),
  };
}

// --- the scene ---

/** connection: what linnet.cfg.lua says of the address `there`. */
async function greets(connection, person, options = {}) {
  const dir = folder({ "linnet.cfg.lua": `connections = { there = ${connection} }\n` });
  const bot = await start(linnet, ["run", "scripts/hello.lua", "--config", `${dir}/linnet.cfg.lua`, "--", "there"], null, { env: { ...env, ...options.env } });
  try {
    await person.meets("wren");
    await person.says("hi");
    equal(await person.hears("wren"), "Hello, kari!");
    await within(options.also ?? Promise.resolve(), "what comes beside it");
    equal(await bot.end(), 0, "the bot's exit code");
  } catch (e) {
    throw new Error(`${e.message}\n${bot.out()}${bot.err()}`);
  } finally {
    bot.child.kill("SIGKILL");
    person.close();
  }
}

// --- our hub ---

const ours = [
  ["Socket.IO", (h) => `"http://127.0.0.1:${h.port}"`],
  ["Socket.IO by polling", (h) => `{ url = "http://127.0.0.1:${h.port}", transports = { "polling" } }`],
  ["Pusher", (h) => `{ url = "pusher://linnet@127.0.0.1:${h.port}", channel_prefix = "presence-" }`],
  ["plain JSON", (h) => `{ url = "ws://127.0.0.1:${h.port}/ws?name=wren", protocol = "ws" }`],
];
for (const [name, connection] of ours)
  test(`our hub, by ${name}`, async () => {
    const h = await hub(linnet);
    await greets(connection(h), await bySocketIO(h.url));
    equal(await h.end(), 0, "the hub's exit code");
  });

// --- npm socket.io, all its transports ---

const transports = [
  ["websocket", `transports = { "websocket" }`, ["websocket"]],
  ["polling", `transports = { "polling" }`, ["polling"]],
  ["upgrade", `transports = { "polling", "websocket" }`, ["polling", "websocket"]],
];
/** The transports that the bot takes one after the other, once there are as many. */
const roadOf = (server, count) => new Promise((resolve) => server.io.on("connection", (s) => {
  if (s.handshake.auth.name !== "wren") return;
  const names = [s.handshake.query.transport]; // of the first request
  const look = () => { if (names.length >= count) resolve(names); };
  if (s.conn.transport.name !== names[0]) names.push(s.conn.transport.name);
  s.conn.on("upgrade", (t) => { names.push(t.name); look(); });
  look();
}));
for (const [name, options, wanted] of transports)
  test(`npm socket.io, by ${name}`, async () => {
    const server = await chatServer(0, { transports: ["polling", "websocket"] }), road = roadOf(server, wanted.length);
    await greets(`{ url = "${server.url}", ${options} }`, await bySocketIO(server.url), { also: road });
    equal(await within(road, "the bot's transports"), wanted);
    await server.close();
  });

// --- soketi ---

test("soketi", async () => {
  const server = await soketi();
  await greets(`{ url = "${server.url}", secret = "${server.secret}", channel_prefix = "presence-" }`, await byPusher(server));
  await server.stop();
});

// --- python-socketio's server ---

test("python-socketio's server", async () => {
  const port = await closed();
  const server = await program("/usr/bin/python3", ["tests/peers/python_chat.py", String(port)], port);
  await greets(`{ url = "http://127.0.0.1:${port}" }`, await bySocketIO(`http://127.0.0.1:${port}`));
  await server.stop("SIGKILL"); // it would wait for those who are still there
});

// --- behind nginx with TLS ---

const behind = {
  async "our hub by Socket.IO"() { const h = await hub(linnet); return { port: h.port, url: h.url, person: bySocketIO(h.url), options: "", end: () => h.end() }; },
  async "our hub by Pusher"() { const h = await hub(linnet); return { port: h.port, person: bySocketIO(h.url), scheme: "pushers://linnet@", options: `channel_prefix = "presence-",`, end: () => h.end() }; },
  async "npm socket.io"() { const s = await chatServer(0, { transports: ["polling", "websocket"] }); return { port: new URL(s.url).port, person: bySocketIO(s.url), options: "", end: () => s.close() }; },
  async "npm socket.io by upgrade"() { const s = await chatServer(0, { transports: ["polling", "websocket"] }); return { port: new URL(s.url).port, person: bySocketIO(s.url), options: `transports = { "polling", "websocket" },`, end: () => s.close() }; },
  async soketi() { const s = await soketi(); return { port: s.port, person: byPusher(s), scheme: `pushers://${s.key}@`, options: `secret = "${s.secret}", channel_prefix = "presence-",`, end: () => s.stop() }; },
};
for (const [name, make] of Object.entries(behind))
  test(`behind nginx with TLS: ${name}`, async () => {
    const a = authority(), c = a.make(), s = await make();
    const n = await nginx("tls", { BEHIND: s.port, CERT: c.cert, KEY: c.key });
    await greets(`{ url = "${s.scheme ?? "https://"}localhost:${n.port}", ${s.options} tls = { ca = "${a.ca}" } }`, await s.person);
    await n.stop();
    await s.end();
  });

main();
