// SPDX-License-Identifier: MIT
// Our client on real Pusher servers: soketi, and a fake one with Reverb's manners.
// pusher_test.mjs LINNET [PART OF A NAME]
import { createHash, createHmac } from "node:crypto";
import { createServer } from "node:http";
import { fakeReverb } from "./fake_reverb.mjs";
import { test, equal, ok, within, until, start, main } from "./lib.mjs";
import { pusherClient } from "./pusher_client.mjs";
import { soketi } from "./servers.mjs";
import { linnet, env, folder, closed } from "./shell.mjs";

// --- our client: a script whose say(…) comes here ---

const prelude = `local linnet = require "linnet"
local function say(...) print(linnet.json.encode(linnet.array { ... })) end
local there = linnet.connect("there")
there:on("connect", function() say("connect") end)
there:on("disconnect", function(reason) say("disconnect", reason) end)
there:on("connect_error", function(e) say("connect_error", e.code, e.message) end)
local function words(err) return err and { code = err.code, message = err.message } or linnet.null end
`;
/** Runs code on the connection `there`: {next(what), heard, end()}. options: Lua, after the URL. */
async function script(url, options, code) {
  const dir = folder({ "linnet.cfg.lua": `connections = { there = { url = "${url}", ${options} } }\n`, "s.lua": prelude + code });
  const p = await start(linnet, ["run", "s.lua", "--log-format", "text"], null, { cwd: dir, env });
  const heard = [], waiting = new Set();
  let rest = "";
  p.child.stderr.on("data", (d) => {
    rest += d;
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const m = /script:s {2}(\[.*\])$/.exec(line);
      if (m) heard.push(JSON.parse(m[1]));
    }
    for (const look of [...waiting]) look();
  });
  return {
    heard, p,
    /** Takes the first thing said that begins with these words. */
    next(...words) {
      return within(new Promise((resolve) => {
        const look = () => {
          const i = heard.findIndex((h) => words.every((w, k) => h[k] === w));
          if (i < 0) return;
          waiting.delete(look);
          resolve(heard.splice(i, 1)[0].slice(words.length));
        };
        waiting.add(look);
        look();
      }), `${words.join(" ")} of the script`).catch((e) => { throw new Error(`${e.message}\n${p.err()}`); });
    },
    async end() { equal(await p.end(), 0, "the script's exit code"); },
  };
}

// --- servers ---

const cleanup = [];
const staged = (name, fn) => test(name, async () => {
  try { await fn(); } finally { for (const f of cleanup.splice(0).reverse()) await f(); }
});

/** Pusher's HTTP API: POST PATH with its signature; the answer's status. */
async function api(server, path, body, secret = server.secret) {
  const text = JSON.stringify(body), query = [`auth_key=${server.key}`, `auth_timestamp=${Math.floor(Date.now() / 1000)}`, "auth_version=1.0", `body_md5=${createHash("md5").update(text).digest("hex")}`].join("&");
  const full = `/apps/${server.id}${path}`, signature = createHmac("sha256", secret).update(`POST\n${full}\n${query}`).digest("hex");
  const r = await fetch(`${server.http}${full}?${query}&auth_signature=${signature}`, { method: "POST", body: text, headers: { "Content-Type": "application/json" } });
  await r.text();
  return r.status;
}
async function soketiServer(options) {
  const s = await soketi(options);
  cleanup.push(() => s.stop("SIGKILL"));
  return { ...s, name: "soketi", send: async (channel, name, data) => equal(await api(s, "/events", { name, channel, data: JSON.stringify(data) }), 200, "the HTTP API") };
}
async function reverbServer(options) {
  const s = await fakeReverb(options);
  cleanup.push(() => s.close());
  return Object.assign(s, { name: "Reverb", key: "app-key", secret: "app-secret", send: async (channel, name, data) => s.broadcast(channel, name, data) });
}
/** An application's auth endpoint: {url, asked, answer}; answer(form) -> [status, value] or undefined. */
async function endpoint({ key = "app-key", secret = "app-secret" } = {}) {
  const self = { asked: [], answer: () => undefined };
  const http = createServer((req, res) => {
    let body = "";
    req.on("data", (d) => (body += d)).on("end", () => {
      const form = /json/.test(req.headers["content-type"]) ? JSON.parse(body) : Object.fromEntries(new URLSearchParams(body));
      self.asked.push({ ...form, type: req.headers["content-type"], authorization: req.headers.authorization });
      const member = JSON.stringify({ user_id: 7, user_info: { name: "Al" } }), presence = /^presence-/.test(form.channel_name ?? "");
      const text = [form.socket_id, form.channel_name, ...(presence ? [member] : [])].join(":");
      const usual = [200, { auth: `${key}:${createHmac("sha256", secret).update(text).digest("hex")}`, ...(presence ? { channel_data: member } : {}) }];
      const [status, value] = self.answer(form) ?? usual;
      res.writeHead(status, { "Content-Type": typeof value === "string" ? "text/html" : "application/json" }).end(typeof value === "string" ? value : JSON.stringify(value));
    });
  });
  await new Promise((r) => http.listen(0, "127.0.0.1", r));
  cleanup.push(() => { http.closeAllConnections(); http.close(); });
  return Object.assign(self, { url: `http://127.0.0.1:${http.address().port}/broadcasting/auth` });
}
const signs = `secret = "app-secret"`;

// --- what both do alike ---

for (const [name, make] of [["soketi", soketiServer], ["Reverb", reverbServer]]) {
  staged(`${name}: a public channel, its events, and none after leaving`, async () => {
    const s = await make();
    const c = await script(s.url, "", `
local room = assert(there:join("news"))
room:on("headline", function(data, meta) say("headline", data.n, data.text, meta.channel) end)
there:on("bye", function() there:leave("news") say("left") end)
say("joined", room.joined)`);
    equal(await c.next("joined"), [true]);
    await s.send("news", "headline", { n: 9007199254740991, text: "hei på deg" });
    equal(await c.next("headline"), [9007199254740991, "hei på deg", "news"]);
    await s.send("news", "bye", {});
    await c.next("left");
    const probe = await pusherClient(s);
    await probe.subscribe("news");
    await s.send("news", "headline", "late");
    await probe.wait((m) => m.event === "headline", "the late headline"); // it was sent to all
    ok(!c.heard.some((h) => h[0] === "headline"), "nothing after leaving");
    probe.close();
    await c.end();
  });

  staged(`${name}: private channels, signed here, by an endpoint's form, by its JSON`, async () => {
    const s = await make(), e = await endpoint();
    const code = `
local room, err = there:join("private-orders")
say("joined", room and room.joined or false, words(err))
if room then room:on("paid", function(data) say("paid", data.id) end) end`;
    for (const options of [signs, `auth_endpoint = "${e.url}", headers = { Authorization = "Bearer t1" }`, `auth_endpoint = "${e.url}", auth_format = "json"`]) {
      const c = await script(s.url, options, code);
      equal((await c.next("joined"))[0], true, options);
      await s.send("private-orders", "paid", { id: 42 });
      equal(await c.next("paid"), [42]);
      await c.end();
    }
    equal(e.asked.map((a) => [a.channel_name, /json/.test(a.type), a.authorization ?? null]), [["private-orders", false, "Bearer t1"], ["private-orders", true, null]]);
    ok(e.asked.every((a) => /^\d+\.\d+$/.test(a.socket_id)), "the socket's id");
  });

  staged(`${name}: a wrong signature and an endpoint's 403 are told, and the line stays`, async () => {
    const s = await make(), e = await endpoint();
    e.answer = (form) => (/forbidden/.test(form.channel_name) ? [403, { message: "This action is unauthorized." }] : undefined);
    const wrong = await script(s.url, `secret = "not-the-secret"`, `
local room, err = there:join("private-orders")
say("joined", room ~= nil, words(err))
say("public", there:join("news") ~= nil, there.state)`);
    const [joined, err] = await wrong.next("joined");
    equal([joined, err.code], [false, "unauthorized"]);
    equal(await wrong.next("public"), [true, "connected"]);
    await wrong.end();
    const c = await script(s.url, `auth_endpoint = "${e.url}"`, `
local room, err = there:join("private-forbidden")
say("joined", room ~= nil, words(err))
say("other", there:join("private-orders") ~= nil)`);
    const [got, why] = await c.next("joined");
    equal([got, why.code], [false, "forbidden"]);
    ok(/403/.test(why.message), why.message);
    equal(await c.next("other"), [true]);
    await c.end();
  });

  staged(`${name}: presence: who is there, who comes and goes, two sockets of one user`, async () => {
    const s = await make(), channel = "presence-lobby";
    const c = await script(s.url, `${signs}, auth = { name = "wren", user_id = "w1" }`, `
local room = assert(there:join("${channel}"))
local function names()
  local all = {}
  for _, m in ipairs(room.presence:list()) do all[#all + 1] = m.id .. " " .. tostring(m.name) end
  table.sort(all)
  return linnet.array(all)
end
for _, kind in ipairs { "join", "leave" } do
  room.presence:on(kind, function(member) say(kind, member.id, names()) end)
end
say("here", names(), room.presence:me().id)`);
    equal(await c.next("here"), [["w1 wren"], "w1"]);
    const one = await pusherClient(s), two = await pusherClient(s);
    await one.subscribe(channel, { user_id: 7, user_info: { name: "kari" } });
    equal(await c.next("join"), ["7", ["7 kari", "w1 wren"]]);
    await two.subscribe(channel, { user_id: 7, user_info: { name: "kari" } });
    one.close();
    const other = await pusherClient(s);
    await other.subscribe(channel, { user_id: "o1", user_info: { name: "ola" } });
    equal(await c.next("join"), ["o1", ["7 kari", "o1 ola", "w1 wren"]], "the second socket joined nobody, and the first one's end left nobody");
    two.close();
    equal(await c.next("leave"), ["7", ["o1 ola", "w1 wren"]]);
    other.close();
    await c.next("leave", "o1");
    await c.end();
  });

  staged(`${name}: client events, there and back`, async () => {
    const s = await make(), channel = "presence-lobby";
    const c = await script(s.url, `${signs}, auth = { name = "wren" }`, `
local room = assert(there:join("${channel}"))
room:on("client-wave", function(data, meta)
  say("wave", data, meta.user_id or linnet.null)
  room:emit("client-back", { to = data.from })
end)
say("ready")`);
    await c.next("ready");
    const kari = await pusherClient(s);
    await kari.subscribe(channel, { user_id: "k1", user_info: { name: "kari" } });
    kari.say("client-wave", { from: "kari" }, channel);
    const [data, user] = await c.next("wave");
    equal(data, { from: "kari" });
    if (name === "soketi") equal(user, "k1");
    equal((await kari.wait((m) => m.event === "client-back", "the wave back")).data, { to: "kari" });
    kari.close();
    await c.end();
  });

  staged(`${name}: a cache channel: a miss, then the last event`, async () => {
    const s = await make();
    const code = `
there:on("pusher:cache_miss", function(_, meta) say("miss", meta.channel) end)
there:on("price", function(data, meta) say("price", data.eur, meta.channel) end)
assert(there:join("cache-prices"))
say("ready")`;
    const first = await script(s.url, "", code);
    await first.next("ready");
    equal(await first.next("miss"), ["cache-prices"]);
    await s.send("cache-prices", "price", { eur: 12.5 });
    equal(await first.next("price"), [12.5, "cache-prices"]);
    const second = await script(s.url, "", code);
    equal(await second.next("price"), [12.5, "cache-prices"]);
    await second.end();
    await first.end();
  });

  staged(`${name}: the server restarts: the line and its channels come back, asked for anew`, async () => {
    const port = await closed(), e = await endpoint();
    let s = await make({ port });
    const c = await script(s.url, `auth_endpoint = "${e.url}", reconnection_delay = 0.5, reconnection_delay_max = 0.5`, `
local room = assert(there:join("private-orders"))
local lobby = assert(there:join("presence-lobby"))
lobby.presence:on("sync", function() say("sync", lobby.presence:count()) end)
room:on("paid", function(data) say("paid", data.id) end)
say("ready")`);
    await c.next("ready");
    const before = e.asked.length;
    await cleanup.pop()();
    await c.next("disconnect");
    s = await make({ port });
    await c.next("connect"); // the first one
    await c.next("connect");
    equal(await c.next("sync"), [1]);
    await s.send("private-orders", "paid", { id: 1 });
    equal(await c.next("paid"), [1]);
    const again = e.asked.slice(before);
    equal(again.map((a) => a.channel_name).sort(), ["presence-lobby", "private-orders"]);
    ok(again.every((a) => a.socket_id !== e.asked[0].socket_id), "signed for the new socket");
    await c.end();
  });

  staged(`${name}: an unknown key is refused for good`, async () => {
    const s = await make();
    const c = await script(s.url.replace("app-key", "no-such-key"), "", `
there:on("state", function(new) say("state", new) end)`);
    const [code, message] = await c.next("connect_error");
    ok(/4001|does not exist/i.test(message), `${code}: ${message}`);
    await c.next("state", "failed");
    await c.p.end();
  });

  staged(`${name}: joining and leaving in quick succession ends as wanted`, async () => {
    const s = await make();
    const c = await script(s.url, signs, `
assert(there:ready("5s"))
linnet.spawn(function() there:join("one") end)
linnet.spawn(function() there:leave("one") end)
linnet.spawn(function() there:join("two") end)
linnet.spawn(function() there:leave("two") end)
linnet.spawn(function() there:join("two") end)
there:on("word", function(data, meta) say("word", meta.channel, data) end)
assert(there:join("last"))
say("ready")`);
    await c.next("ready");
    await s.send("one", "word", 1);
    await s.send("two", "word", 2);
    await s.send("last", "word", 3);
    equal(await c.next("word", "last"), [3]);
    equal(c.heard.filter((h) => h[0] === "word"), [["word", "two", 2]]);
    await c.end();
  });
}

// --- soketi alone ---

staged("soketi: an encrypted channel", async () => {
  const s = await soketiServer(), e = await endpoint();
  e.answer = (form) => [200, { auth: `app-key:${createHmac("sha256", "app-secret").update(`${form.socket_id}:${form.channel_name}`).digest("hex")}`, shared_secret: "/gSsUU5/4f0m+ZYLG+HLdS3Ih1VjyuUk4AEnO/nNZnE=" }];
  const c = await script(s.url, `auth_endpoint = "${e.url}"`, `
local room = assert(there:join("private-encrypted-e"))
room:on("news", function(data) say("news", data.top) end)
say("ready")`);
  await c.next("ready");
  await s.send("private-encrypted-e", "news", { nonce: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", ciphertext: "6xmd9woDBsZSTxx6zV58mC6G5SJpdLYWp/XYxsD41Cc=" });
  equal(await c.next("news"), ["secret"]);
  await c.end();
});

staged("soketi: signing in, and events for the user", async () => {
  const s = await soketiServer();
  const c = await script(s.url, `${signs}, signin = true, auth = { id = "u9", name = "Z" }`, `
there:on("ding", function(data) say("ding", data.x) end)
there:on("session", function(session)
  assert(there:join("news")) -- the user's own channel was asked for before
  say("session", session.user.id)
end)`);
  equal(await c.next("session"), ["u9"]);
  await s.send("#server-to-user-u9", "ding", { x: 1 });
  equal(await c.next("ding"), [1]);
  await c.end();
});

staged("soketi: a user who is put out stays out, and says why", async () => {
  const s = await soketiServer();
  const c = await script(s.url, `${signs}, signin = true, auth = { id = "u9", name = "Z" }`, `
there:on("session", function() say("session") end)
there:on("state", function(new) say("state", new) end)`);
  await c.next("session");
  equal(await api(s, "/users/u9/terminate_connections", {}), 200);
  await c.next("disconnect");
  await c.next("state", "failed");
  ok(/4009|disconnected by the app/i.test(c.p.err()), c.p.err());
  await c.p.end();
});

staged("soketi: a sign-in that is not signed right ends the line, with words", async () => {
  const s = await soketiServer();
  const c = await script(s.url, `secret = "wrong-secret", signin = true, auth = { id = "u9" }`, `
there:on("state", function(new) say("state", new) end)`);
  await c.next("state", "failed");
  ok(/4009|unauthorized/i.test(c.p.err()), c.p.err());
  ok(!c.p.err().includes("wrong-secret"), "the secret is not shown");
  await c.p.end();
});

staged("soketi: a sign-in that is never answered is told, and the line stays", async () => {
  const s = await soketiServer({ env: { SOKETI_DEFAULT_APP_USER_AUTHENTICATION: "false" } });
  const c = await script(s.url, `${signs}, signin = true, auth = { id = "u9" }, timeout = 0.5`, `
there:on_any(function(name, err) if type(err) == "table" and err.message then say("told", name, err.message) end end)
there:on("error", function(err) say("told", "error", err.message) end)
assert(there:join("news"))
there:on("word", function() say("word", there.state) end)
say("ready")`);
  await c.next("ready");
  const [, message] = await c.next("told");
  ok(/sign/.test(message), message);
  await s.send("news", "word", 1);
  equal(await c.next("word"), ["connected"]);
  await c.end();
});

staged("soketi: a channel's name that is too long is refused, and the others go on", async () => {
  const s = await soketiServer();
  const c = await script(s.url, "", `
local room, err = there:join(("x"):rep(201))
say("joined", room ~= nil, words(err))
say("other", there:join("news") ~= nil)`);
  const [joined, err] = await c.next("joined");
  equal([joined, typeof err.message], [false, "string"]);
  equal(await c.next("other"), [true]);
  await c.end();
});

staged("soketi: over the number of connections it is asked again later", async () => {
  const s = await soketiServer({ env: { SOKETI_DEFAULT_APP_MAX_CONNS: "1" } });
  const first = await pusherClient(s);
  const c = await script(s.url, "reconnection_delay = 0.05, reconnection_delay_max = 0.1", "");
  const [, message] = await c.next("connect_error");
  ok(/4100|capacity|quota/i.test(message), message);
  first.close();
  await c.next("connect");
  await c.end();
});

staged("soketi: a client event that the app does not take is told", async () => {
  const s = await soketiServer({ env: { SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES: "false" } });
  const c = await script(s.url, signs, `
there:on("error", function(err) say("error", err.code, err.message) end)
local room = assert(there:join("private-orders"))
room:emit("client-wave", { n = 1 })
say("sent")`);
  await c.next("sent");
  const [, message] = await c.next("error");
  ok(/client messaging/.test(message), message);
  await c.end();
});

// --- Reverb alone ---

staged("Reverb: an integer user, and a presence channel of one with nobody before", async () => {
  const s = await reverbServer();
  const c = await script(s.url, `auth_endpoint = "${s.http}/broadcasting/auth"`, `
local room = assert(there:join("presence-lobby"))
say("here", room.presence:count(), room.presence:me().id, room.presence:me().name)`);
  const [count, id, who] = await c.next("here");
  equal([count, typeof id, who], [1, "string", `Test User ${id}`]);
  await c.end();
});

staged("Reverb: pings are answered; those who are pruned come back", async () => {
  const s = await reverbServer();
  const c = await script(s.url, "reconnection_delay = 0.05, reconnection_delay_max = 0.1", `
there:on("word", function(data) say("word", data) end)
assert(there:join("news"))
say("ready")`);
  await c.next("ready");
  s.ping();
  await until(() => s.heard.some((m) => m.event === "pusher:pong"), "the pong");
  s.prune();
  await c.next("disconnect");
  await until(() => s.heard.filter((m) => m.event === "pusher:subscribe").length === 2, "the channel to be joined again");
  await s.send("news", "word", "again");
  equal(await c.next("word"), ["again"]);
  await c.end();
});

staged("Reverb: a refusal without a channel is the oldest join's", async () => {
  const s = await reverbServer();
  const c = await script(s.url, `secret = "wrong"`, `
local room, err = there:join("private-orders")
say("joined", room ~= nil, words(err))
say("public", there:join("news") ~= nil)`);
  const [joined, err] = await c.next("joined");
  equal([joined, err.code], [false, "unauthorized"]);
  equal(await c.next("public"), [true]);
  await c.end();
});

staged("Reverb: a whisper that is no table is told, and too many are", async () => {
  const s = await reverbServer();
  const c = await script(s.url, signs, `
there:on("error", function(err) say("error", err.message) end)
local room = assert(there:join("private-orders"))
room:emit("client-wave", "a text")
for i = 1, 11 do room:emit("client-wave", { n = i }) end
say("sent")`);
  await c.next("sent");
  ok(/Invalid message format/.test((await c.next("error"))[0]), "4200");
  ok(/Rate limit exceeded/.test((await c.next("error"))[0]), "4301");
  await c.end();
});

staged("Reverb: a member_removed out of the cache changes nothing", async () => {
  const s = await reverbServer();
  const c = await script(s.url, `auth_endpoint = "${s.http}/broadcasting/auth"`, `
local room = assert(there:join("presence-cache-lobby"))
room.presence:on("leave", function(member) say("leave", member.id) end)
room:on("word", function() say("word", room.presence:count()) end)
say("ready")`);
  await c.next("ready");
  await s.send("presence-cache-lobby", "pusher_internal:member_removed", { user_id: 999 });
  await s.send("presence-cache-lobby", "word", 1);
  equal(await c.next("word"), [1]);
  ok(!c.heard.some((h) => h[0] === "leave"), "nobody left");
  await c.end();
});

staged("Reverb: Laravel's names: a class, a raw name, a notification, a whisper", async () => {
  const s = await reverbServer();
  const c = await script(s.url, `${signs}, dialect = "laravel"`, `
local room = assert(there:join("private-orders"))
room:on("OrderShipped", function(data) say("class", data.id) end)
room:on(".raw", function(data) say("raw", data.id) end)
room:on("notification", function(data) say("notification", data.id) end)
room:on("client-typing", function(data)
  say("whisper", data.name)
  room:emit("client-typing", { name = "back" })
end)
say("ready")`);
  await c.next("ready");
  const kari = await pusherClient(s);
  await kari.subscribe("private-orders");
  await s.send("private-orders", "App\\Events\\OrderShipped", { id: 1 });
  await s.send("private-orders", "raw", { id: 2 });
  await s.send("private-orders", "Illuminate\\Notifications\\Events\\BroadcastNotificationCreated", { id: 3 });
  equal(await c.next("class"), [1]);
  equal(await c.next("raw"), [2]);
  equal(await c.next("notification"), [3]);
  kari.say("client-typing", { name: "kari" }, "private-orders");
  equal(await c.next("whisper"), ["kari"]);
  equal((await kari.wait((m) => m.event === "client-typing", "the whisper back")).data, { name: "back" });
  kari.close();
  await c.end();
});

staged("Reverb: an endpoint's 401 is asked once more, with a fresh token", async () => {
  const s = await reverbServer();
  s.token = "new";
  const c = await script(s.url, "", `
local n = 0
local mine = linnet.connect("${s.url}", { auth_endpoint = "${s.http}/broadcasting/auth", headers = function()
  n = n + 1
  return { Authorization = n == 1 and "Bearer old" or "Bearer new" }
end })
local room, err = mine:join("private-orders")
say("joined", room ~= nil, words(err))`);
  equal((await c.next("joined"))[0], true);
  equal(s.asked.map((a) => a.authorization), ["Bearer old", "Bearer new"]);
  await c.end();
});

main();
