// SPDX-License-Identifier: MIT
// Pusher's own clients on our hub: pusher-js, laravel-echo and the server library.
// pusher_hub_test.mjs LINNET [PART OF A NAME]
import Pusher from "pusher-js";
import Server from "pusher";
import Echo from "laravel-echo";
import { io } from "socket.io-client";
import { LIMIT, test, equal, ok, once, within, start, hub, main } from "./lib.mjs";

const linnet = process.argv[2];
const MASTER = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

const app = () => start(linnet, ["run", "tests/peers/pusher_hub_script.lua"], /listening on (http:\S+:(\d+))/)
  .then((h) => { h.url = h.match[1]; h.port = Number(h.match[2]); return h; });
const server = (h, more = {}) => new Server({
  appId: "app-id", key: "app-key", secret: "app-secret", host: "127.0.0.1", port: String(h.port), useTLS: false,
  encryptionMasterKeyBase64: MASTER, ...more,
});
const options = (h, params, more = {}) => ({
  wsHost: "127.0.0.1", wsPort: h.port, forceTLS: false, enabledTransports: ["ws"], disableStats: true, cluster: "",
  channelAuthorization: { endpoint: `${h.url}/pusher/auth`, transport: "ajax", params },
  userAuthentication: { endpoint: `${h.url}/pusher/user-auth`, transport: "ajax", params },
  ...more,
});
const clients = [];
const client = (h, params = {}, key = "app-key") => {
  const p = new Pusher(key, options(h, params));
  clients.push(p);
  return p;
};
/** The data of the next event of that name on a channel, or on anything that binds. */
const next = (target, event, what = event) => within(new Promise((resolve) => {
  const take = (data, meta) => { target.unbind(event, take); resolve(meta ? [data, meta] : [data]); };
  target.bind(event, take);
}), what);
const joined = (p, name) => { const c = p.subscribe(name); return next(c, "pusher:subscription_succeeded", `${name} to be joined`).then(([d]) => [c, d]); };
const connected = (p) => (p.connection.state === "connected" ? p : next(p.connection, "connected").then(() => p));
const done = async (h) => {
  for (const p of clients.splice(0)) p.disconnect();
  equal(await h.end(), 0, "the hub's exit code");
};

// --- pusher-js and the server library ---

test("public channels: trigger, several channels, not to the one that caused it", async () => {
  const h = await app();
  const [a, b] = [client(h), client(h)];
  ok(/^\d+\.\d+$/.test((await connected(a)).connection.socket_id), "a socket id that server libraries take");
  const [[ca], [cb]] = await Promise.all([joined(a, "orders"), joined(b, "orders")]);
  const both = Promise.all([next(ca, "shipped"), next(cb, "shipped")]);
  const r = await server(h).trigger("orders", "shipped", { id: 1, text: "pakke på vei" });
  equal([r.status, await r.json()], [200, {}]);
  equal((await both).map(([d]) => d), [{ id: 1, text: "pakke på vei" }, { id: 1, text: "pakke på vei" }]);
  const seen = [];
  ca.bind("own", (d) => seen.push(d));
  const other = next(cb, "own");
  await server(h).trigger(["orders", "elsewhere"], "own", "text", { socket_id: a.connection.socket_id });
  equal((await other)[0], "text");
  const last = next(ca, "last");
  await server(h).trigger("orders", "last", null);
  equal((await last)[0], null);
  equal(seen, []);
  b.unsubscribe("orders");
  await done(h);
});

test("private channels: signed by the hub, refused by the script", async () => {
  const h = await app();
  const [good, bad] = [client(h, { token: "7:Kari" }), client(h)];
  const [c] = await joined(good, "private-x");
  const heard = next(c, "e");
  await server(h).trigger("private-x", "e", 5);
  equal((await heard)[0], 5);
  const [error] = await next(bad.subscribe("private-x"), "pusher:subscription_error");
  equal([error.type, error.status], ["AuthError", 403]);
  await done(h);
});

test("presence: who is here, who comes, who goes, one user twice", async () => {
  const h = await app();
  const [kari, ola, twin] = [client(h, { token: "7:Kari" }), client(h, { token: "ola:Ola" }), client(h, { token: "ola:Ola" })];
  const [c, members] = await joined(kari, "presence-team");
  equal([members.count, members.me.id, members.me.info], [1, 7, { name: "Kari" }]);
  const added = next(c, "pusher:member_added");
  const [, all] = await joined(ola, "presence-team");
  equal((await added)[0], { id: "ola", info: { name: "Ola" } });
  equal([all.count, Object.keys(all.members).sort(), all.myID], [2, ["7", "ola"], "ola"]);
  const events = [];
  c.bind("pusher:member_added", () => events.push("added"));
  c.bind("pusher:member_removed", (m) => events.push(`removed ${m.id}`));
  await joined(twin, "presence-team");
  twin.unsubscribe("presence-team");
  const removed = next(c, "pusher:member_removed");
  ola.unsubscribe("presence-team");
  await removed;
  equal([events, c.members.count], [["removed ola"], 1]);
  await done(h);
});

test("client events: to the others, with who it was; the hub's script answers", async () => {
  const h = await app();
  const [kari, ola] = [client(h, { token: "7:Kari" }), client(h, { token: "ola:Ola" })];
  const [[a], [b]] = [await joined(kari, "presence-team"), await joined(ola, "presence-team")];
  const heard = next(b, "client-wave");
  ok(a.trigger("client-wave", { with: "both hands" }), "it is sent");
  equal(await heard, [{ with: "both hands" }, { user_id: 7 }]);
  const both = Promise.all([next(a, "pong"), next(b, "pong")]);
  a.trigger("client-ping", { n: 1 });
  const [pong] = (await both)[0];
  equal([pong.n, pong.from, pong.over], [2, "Kari", "pusher"]);
  const [pub] = await joined(kari, "pub");
  const error = next(kari.connection, "error");
  pub.trigger("client-x", {});
  equal((await error)[0].data.code, 4301);
  await done(h);
});

test("encrypted channels: from the server library and from a script on the hub", async () => {
  const h = await app();
  const p = client(h, { token: "7:Kari" });
  const [c] = await joined(p, "private-encrypted-vault");
  const heard = next(c, "secret");
  await server(h).trigger("private-encrypted-vault", "secret", { top: "secret" });
  equal((await heard)[0], { top: "secret" });
  const [team] = await joined(p, "presence-team");
  const sealed = next(c, "sealed");
  team.trigger("client-seal", { by: "the hub" });
  equal((await sealed)[0], { by: "the hub" });
  await done(h);
});

test("cache channels: the last event, or a miss", async () => {
  const h = await app();
  await server(h).trigger("cache-prices", "price", { nok: 10 });
  const p = client(h);
  const c = p.subscribe("cache-prices");
  equal((await next(c, "price"))[0], { nok: 10 });
  await next(p.subscribe("cache-none"), "pusher:cache_miss");
  await done(h);
});

test("signing in: events to a user, the watchlist, the end of all connections", async () => {
  const h = await app();
  const [kari, ola] = [client(h, { token: "kari:Kari", watch: "ola" }), client(h, { token: "ola:Ola" })];
  kari.signin();
  await next(kari, "pusher:signin_success");
  const online = next(kari.user.watchlist, "online");
  ola.signin();
  equal((await online)[0].user_ids, ["ola"]);
  await next(ola.user.serverToUserChannel, "pusher:subscription_succeeded");
  const ding = next(ola.user, "ding");
  await server(h).sendToUser("ola", "ding", { x: 1 });
  equal((await ding)[0], { x: 1 });
  const [offline, gone] = [next(kari.user.watchlist, "offline"), next(ola.connection, "disconnected")];
  equal((await server(h).terminateUserConnections("ola")).status, 200);
  await gone;
  equal((await offline)[0].user_ids, ["ola"]);
  await done(h);
});

test("the server library: batches, channels, users, signatures", async () => {
  const h = await app();
  const [kari, ola] = [client(h, { token: "7:Kari" }), client(h, { token: "ola:Ola" })];
  const [team] = await joined(kari, "presence-team");
  await joined(ola, "presence-team");
  const [orders] = await joined(ola, "orders");
  const both = Promise.all([next(team, "a"), next(orders, "b")]);
  const batch = await server(h).triggerBatch([
    { channel: "presence-team", name: "a", data: 1 }, { channel: "orders", name: "b", data: { c: 2 }, info: "subscription_count" }]);
  equal(await batch.json(), { batch: [{}, { subscription_count: 1 }] });
  equal((await both).map(([d]) => d), [1, { c: 2 }]);
  const get = async (path, params = {}) => (await server(h).get({ path, params })).json();
  equal(await get("/channels"), { channels: { "presence-team": {}, orders: {} } });
  equal(await get("/channels", { filter_by_prefix: "presence-", info: "user_count" }), { channels: { "presence-team": { user_count: 2 } } });
  equal(await get("/channels/orders", { info: "subscription_count" }), { occupied: true, subscription_count: 1 });
  equal((await get("/channels/presence-team/users")).users, [{ id: 7 }, { id: "ola" }]);
  const refused = async (s, status) => {
    const e = await s.get({ path: "/channels" }).then(() => null, (x) => x);
    equal(e && e.status, status);
  };
  await refused(server(h, { secret: "wrong" }), 401);
  await refused(server(h, { key: "wrong" }), 401);
  await refused(server(h, { appId: "wrong" }), 404);
  const info = await server(h).trigger("presence-team", "x", 1, { info: "user_count" });
  equal(await info.json(), { channels: { "presence-team": { user_count: 2 } } });
  await done(h);
});

test("the server library signs for our hub's channels", async () => {
  const h = await app();
  const s = server(h);
  const p = new Pusher("app-key", options(h, {}, {
    channelAuthorization: {
      customHandler: ({ socketId, channelName }, back) =>
        back(null, s.authorizeChannel(socketId, channelName, { user_id: "u1", user_info: { name: "Al" } })),
    },
    userAuthentication: { customHandler: ({ socketId }, back) => back(null, s.authenticateUser(socketId, { id: "u1" })) },
  }));
  clients.push(p);
  const [, members] = await joined(p, "presence-team");
  equal(members.me, { id: "u1", info: { name: "Al" } });
  p.signin();
  await next(p, "pusher:signin_success");
  await done(h);
});

test("a key that is not here ends in `disconnected`", async () => {
  const h = await app();
  const p = client(h, {}, "nobody");
  const errors = [];
  p.connection.bind("error", (e) => errors.push((e.error ?? e).data.code));
  await next(p.connection, "disconnected");
  equal(errors, [4001]);
  await done(h);
});

test("comes back after the hub was restarted, with fresh signatures", async () => {
  const h = await hub(linnet);
  const p = new Pusher("linnet", options(h, { user_id: "u1", name: "Al" }));
  clients.push(p);
  await joined(p, "presence-lobby");
  const first = p.connection.socket_id;
  equal(await h.end(), 0);
  const again = await hub(linnet, ["--port", String(h.port)]);
  const [members] = await within(new Promise((r) => p.channel("presence-lobby").bind("pusher:subscription_succeeded", (m) => r([m]))), "presence-lobby to be joined anew");
  equal([members.count, p.connection.socket_id !== first], [1, true]);
  await done(again);
});

// --- the hub's own app, and the dialect ---

test("the hub's own app: one room with Socket.IO", async () => {
  const h = await hub(linnet);
  const al = client(h, { user_id: "u1", name: "Al" }, "linnet");
  const [c, members] = await joined(al, "presence-lobby");
  equal(members.me, { id: "u1", info: { name: "Al" } });
  const s = io(h.url, { transports: ["websocket"], forceNew: true, auth: { name: "kari", id: "u2" } });
  const added = next(c, "pusher:member_added");
  const room = await s.timeout(LIMIT).emitWithAck("join", { room: "lobby" });
  equal(room.members.map((m) => m.name), ["Al", "kari"]);
  equal((await added)[0], { id: "u2", info: { name: "kari" } });
  const heard = next(c, "client-message");
  const sent = await s.timeout(LIMIT).emitWithAck("message", { room: "lobby", text: "hei" });
  const [m, meta] = await heard;
  equal([m.text, m.id, m.sender, meta], ["hei", sent.id, { id: "u2", name: "kari" }, { user_id: "u2" }]);
  const answer = once(s, "message");
  c.trigger("client-message", { text: "hei på deg", temp_id: "t1" });
  const [back] = await answer;
  equal([back.text, back.temp_id, back.sender], ["hei på deg", "t1", { id: "u1", name: "Al" }]);
  const typing = once(s, "typing");
  c.trigger("client-typing", { on: true });
  equal((await typing)[0], { room: "lobby", user: { id: "u1", name: "Al" }, on: true });
  const left = once(s, "presence");
  al.unsubscribe("presence-lobby");
  equal((await left)[0].kind, "leave");
  s.close();
  await done(h);
});

test("hello.lua, unchanged, comes by Pusher and talks with Socket.IO", async () => {
  const h = await hub(linnet);
  const s = io(h.url, { transports: ["websocket"], forceNew: true, auth: { name: "kari", id: "u2" } });
  await s.timeout(LIMIT).emitWithAck("join", { room: "lobby" });
  const came = once(s, "presence");
  const bot = await start(linnet, ["run", "scripts/hello.lua", "--", `pusher://linnet@127.0.0.1:${h.port}/?prefix=presence-`]);
  const [p] = await came;
  equal([p.kind, p.member.name], ["join", "wren"]);
  const greeted = once(s, "message");
  await s.timeout(LIMIT).emitWithAck("message", { room: "lobby", text: "hello" });
  const [m] = await greeted;
  equal([m.text, m.sender.name], ["Hello, kari!", "wren"]);
  equal(await bot.end(), 0, "the bot's exit code");
  s.close();
  await done(h);
});

test("guests of the hub's own app have one name", async () => {
  const h = await hub(linnet);
  const p = client(h, {}, "linnet");
  const [[, a], [, b]] = [await joined(p, "presence-a"), await joined(p, "presence-b")];
  equal([a.me.info.name, b.me.info.name, a.me.id === b.me.id], ["guest-1", "guest-1", true]);
  await done(h);
});

// --- laravel-echo ---

test("laravel-echo on the hub's own app, with a name", async () => {
  const h = await hub(linnet);
  const e = new Echo({
    broadcaster: "reverb", Pusher, key: "linnet", wsHost: "127.0.0.1", wsPort: h.port, forceTLS: false, enabledTransports: ["ws"],
    authEndpoint: `${h.url}/broadcasting/auth`, auth: { headers: {}, params: { name: "kari" } },
  });
  clients.push(e);
  equal(await within(new Promise((r) => e.join("lobby").here(r)), "who is here"), [{ name: "kari" }]);
  await done(h);
});

for (const broadcaster of ["reverb", "pusher"]) {
  const echo = (h, token) => {
    const e = new Echo({
      broadcaster, Pusher, key: "app-key", cluster: "", wsHost: "127.0.0.1", wsPort: h.port, forceTLS: false,
      enabledTransports: ["ws"], disableStats: true, withoutInterceptors: true, bearerToken: token, auth: { headers: {} },
      authEndpoint: `${h.url}/broadcasting/auth`, userAuthentication: { endpoint: `${h.url}/broadcasting/user-auth`, headers: {} },
    });
    clients.push(e);
    return e;
  };
  const listened = (channel, event) => within(new Promise((r) => channel.listen(event, r)), event);
  const subscribed = (channel) => within(new Promise((r, j) => channel.subscribed(r).error(j)), `${channel.name} to be joined`);

  test(`laravel-echo, ${broadcaster}: channels, events, notifications`, async () => {
    const h = await app();
    const e = echo(h, "7:Kari");
    const [orders, mine] = [e.channel("orders"), e.private("App.Models.User.7")];
    await Promise.all([subscribed(orders), subscribed(mine)]);
    const class_name = listened(orders, "OrderShipped"), plain = listened(orders, ".shipped");
    await server(h).trigger("orders", "App\\Events\\OrderShipped", { id: 1 });
    await server(h).trigger("orders", "shipped", { id: 2 });
    equal([await class_name, await plain], [{ id: 1 }, { id: 2 }]);
    const told = within(new Promise((r) => mine.notification(r)), "a notification");
    await server(h).trigger("private-App.Models.User.7", "Illuminate\\Notifications\\Events\\BroadcastNotificationCreated", { type: "paid" });
    equal(await told, { type: "paid" });
    const refused = within(new Promise((r) => echo(h, "nobody").private("x").error(r)), "a refusal");
    equal((await refused).status, 403);
    await done(h);
  });

  test(`laravel-echo, ${broadcaster}: presence and whispers`, async () => {
    const h = await app();
    const [kari, ola] = [echo(h, "7:Kari"), echo(h, "8:Ola")];
    const [a] = [kari.join("team")];
    equal(await within(new Promise((r) => a.here(r)), "who is here"), [{ name: "Kari" }]);
    const joining = within(new Promise((r) => a.joining(r)), "somebody to join");
    const b = ola.join("team");
    const here = await within(new Promise((r) => b.here(r)), "who is here");
    equal([here.map((u) => u.name).sort(), await joining], [["Kari", "Ola"], { name: "Ola" }]);
    const whispered = within(new Promise((r) => a.listenForWhisper("typing", r)), "a whisper");
    b.whisper("typing", { name: "Ola" });
    equal((await whispered).name, "Ola");
    const [pa, pb] = [kari.private("chat"), ola.private("chat")];
    await Promise.all([subscribed(pa), subscribed(pb)]);
    const quiet = within(new Promise((r) => pa.listenForWhisper("secret", r)), "a whisper in private");
    pb.whisper("secret", { n: 1 });
    equal(await quiet, { n: 1 });
    const leaving = within(new Promise((r) => a.leaving(r)), "somebody to leave");
    ola.leave("team");
    equal(await leaving, { name: "Ola" });
    await done(h);
  });
}

test("laravel-echo, socket.io: with a script on the hub", async () => {
  const h = await start(linnet, ["run", "tests/peers/echo_script.lua"], /listening on (http:\S+)/);
  const echo = (token) => {
    const e = new Echo({ broadcaster: "socket.io", client: io, host: h.match[1], transports: ["websocket"], forceNew: true, auth: { headers: {} }, bearerToken: token });
    clients.push(e);
    return e;
  };
  const [kari, ola] = [echo("7:Kari"), echo("8:Ola")];
  const a = kari.join("team");
  equal(await within(new Promise((r) => a.here(r)), "who is here"), [{ name: "Kari" }]);
  const joining = within(new Promise((r) => a.joining(r)), "somebody to join");
  const b = ola.join("team");
  equal(await within(new Promise((r) => b.here(r)), "who is here"), [{ name: "Kari" }, { name: "Ola" }]);
  equal(await joining, { name: "Ola" });
  const whispered = within(new Promise((r) => a.listenForWhisper("typing", r)), "a whisper");
  b.whisper("typing", { name: "Ola" });
  equal(await whispered, { name: "Ola" });
  const heard = within(new Promise((r) => kari.channel("orders").listen("OrderShipped", r)), "an event");
  const s = kari.connector.socket;
  equal(await s.timeout(LIMIT).emitWithAck("broadcast", "orders", "App\\Events\\OrderShipped", { id: 1 }), 1);
  equal(await heard, { id: 1 });
  const leaving = within(new Promise((r) => a.leaving(r)), "somebody to leave");
  ola.leave("team");
  equal(await leaving, { name: "Ola" });
  await done(h);
});

await main();
